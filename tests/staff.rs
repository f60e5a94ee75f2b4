//! What staff look at: the pages in results/admin/, `podium show`, `podium diff`, `podium serve --staff`.

#![allow(unreachable_pub, reason = "`pub` says here what the tests may use")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use serde_json::json;
use support::browser::{Browser, Look};
use support::{Competition, Contest, HIDDEN_CASE, STAFF_TAG, answer, get, podium};

const EVIL: &str = "</pre><script>window.caught=1</script><img src=x onerror=window.caught=1>{{7*7}}";

/// Four submissions, of which the third makes the evaluator fail and the fourth is evil.
fn a_class() -> Contest {
    let contest = Competition::new("Numbers").set("submissions.pending_per_user", 5).start();
    contest.hand_in("ann", "py", answer("5"));
    contest.hand_in("ben", "py", "import sys\nprint('ben was here', file=sys.stderr)\nprint(3)");
    contest.hand_in("ann", "py", answer("crash"));
    contest.hand_in("ben", "py", format!("import sys\nprint({EVIL:?}, file=sys.stderr)\nprint({EVIL:?})"));
    contest.wait_for_judged(4);
    contest
}

fn page(contest: &Contest, name: &str) -> String {
    fs::read_to_string(contest.path("results/admin").join(name)).unwrap_or_default()
}

#[test]
fn the_pages_have_every_case_and_are_nobody_elses() {
    let mut contest = a_class();
    contest.wait_for("a page of each", || {
        (1..=4).all(|n| page(&contest, "index.html").contains(&format!("submissions/{n}.html")))
    });
    let one = page(&contest, "submissions/1.html");
    for wanted in [HIDDEN_CASE, STAFF_TAG, "private", "ann"] {
        assert!(one.contains(wanted), "{wanted}: {one}");
    }
    assert!(page(&contest, "submissions/2.html").contains("ben was here"), "what was kept is shown");
    let index = page(&contest, "index.html");
    assert!(
        index.contains("Evaluator error") && index.contains("bubblewrap") && index.contains("Nothing is held"),
        "{index}"
    );
    for entry in walkdir::WalkDir::new(contest.path("results/admin")) {
        let entry = entry.expect("an entry");
        // What is on its way is renamed meanwhile.
        let Ok(meta) = entry.metadata() else { continue };
        assert_eq!(meta.permissions().mode() & 0o077, 0, "{}", entry.path().display());
    }
    for secret in [HIDDEN_CASE, STAFF_TAG] {
        assert_eq!(contest.site().holding(secret), [""; 0], "{secret}");
    }
    // What keeps judging is said here, and when it goes on.
    contest.set("sandbox.image", "no-such-folder");
    contest.wait_for("it is held", || page(&contest, "index.html").contains("Judging is held:"));
    contest.set("sandbox.image", "host");
    contest.wait_for("it goes on", || page(&contest, "index.html").contains("Nothing is held"));
    // A page of another log goes.
    contest.stop();
    fs::write(contest.path("results/admin/submissions/99.html"), "old").expect("written");
    contest.podium(&["build"]).exits(0);
    assert!(!contest.path("results/admin/submissions/99.html").exists());
    assert!(page(&contest, "index.html").contains("none runs"));
}

#[test]
fn any_submission_is_shown_and_any_two_are_compared_on_a_terminal() {
    let contest = a_class();
    let shown = contest.podium(&["show", "2"]).exits(0);
    for wanted in ["submission 2 of ben", HIDDEN_CASE, STAFF_TAG, "ben was here", "evaluator sha256"] {
        assert!(shown.stdout.contains(wanted), "{wanted}\n{shown}");
    }
    assert!(!contest.podium(&["show", "4"]).exits(0).stdout.contains('\u{1b}'));
    let sheet = contest.podium(&["show", "1", "--json"]).exits(0).json();
    assert_eq!((&sheet["sheet"]["user"], sheet["sheet"]["cases"].as_array().map(Vec::len)), (&json!("ann"), Some(3)));

    let found = contest.podium(&["diff", "1", "2"]).exits(0).stdout;
    for wanted in [
        "--- submission 1 of ann",
        "+++ submission 2 of ben",
        "    - 55",
        "    + 33",
        &format!("case {HIDDEN_CASE}"),
        "    + ben was here",
    ] {
        assert!(found.contains(wanted), "{wanted}\n{found}");
    }
    assert!(!found.contains("CPU s"), "{found}");
    contest.podium(&["diff", "1", "2", "--all"]).exits(0).says("CPU s");
    contest.podium(&["diff", "1", "1", "--all"]).exits(0).says("nothing differs");
    contest.podium(&["diff", "1", "99"]).exits(1).says("no submission 99");
    contest.podium(&["show", "0"]).exits(1).says("no submission 0");
}

/// `podium serve --staff`, ended with its test.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Serves the pages of staff; returns their address.
fn serve(contest: &Contest) -> (Serving, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_podium"));
    command.arg("--home").arg(contest.root()).args(["serve", "--staff", "127.0.0.1:0"]).stdout(Stdio::piped());
    let mut serving = Serving(command.spawn().expect("podium runs"));
    let said = BufReader::new(serving.0.stdout.take().expect("piped")).lines().next().expect("a line").expect("text");
    (serving, said)
}

#[test]
fn they_are_served_on_this_machine_only_and_to_who_knows_the_address() {
    let mut contest = a_class();
    contest.stop();
    for address in ["0.0.0.0:0", "192.0.2.1:80"] {
        contest.podium(&["serve", "--staff", address]).exits(1).says("ssh -L");
    }
    let (_serving, address) = serve(&contest);
    let (host, path) = address.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("an address");
    let (head, body) = get(host, &format!("/{path}"));
    assert!(head.starts_with("http/1.1 200") && body.contains("<h1>Health</h1>"), "{head}");
    let token = path.strip_suffix("/index.html").expect("a path below a secret");
    assert_eq!(token.len(), 32);
    for guess in [
        "/",
        "/index.html",
        "/submissions/1.html",
        "/data/1.js",
        &format!("/{token}/../../log.jsonl"),
        &format!("/{token}/..%2flog.jsonl"),
        &format!("/{}/index.html", "0".repeat(32)),
    ] {
        let (head, body) = get(host, guess);
        assert!(!head.starts_with("http/1.1 200") && !body.contains(STAFF_TAG), "{guess}: {head}");
    }
    podium(["serve", "--help"]).exits(0).says("serves results/admin/");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_are_compared_in_a_browser_by_http_and_from_a_file() {
    let mut contest = a_class();
    contest.stop();
    let (_serving, address) = serve(&contest);
    let file = format!("file://{}", contest.path("results/admin/index.html").display());
    let browser = Browser::open(Look::DESK).await;
    for index in [address, file] {
        let at = |page: &str| index.replace("index.html", page);
        browser.page.goto(&at("submissions/2.html")).await.expect("a page");
        browser.page.goto(&at("compare.html#1,2")).await.expect("a page");
        browser.until("document.querySelectorAll('table.diff').length === 4").await;
        let text = browser.run("return document.getElementById('found').innerText").await.to_string();
        for wanted in ["1 of ann", "2 of ben", HIDDEN_CASE, "55", "33", "ben was here"] {
            assert!(text.contains(wanted), "{wanted}: {text}");
        }
        assert!(!text.contains("CPU s"), "clocks are noise: {text}");
        browser.run("document.getElementById('noise').click()").await;
        browser.until("document.getElementById('found').innerText.includes('CPU s')").await;
        // Chosen by hand, and one that is not there.
        browser.run("const other = document.getElementById('other'); other.value = '77'; other.dispatchEvent(new Event('change'))").await;
        browser.until("document.getElementById('say').textContent.includes('podium diff 1 77')").await;
        for page in ["index.html", "submissions/4.html", "compare.html#2,4"] {
            browser.page.goto(&at(page)).await.expect("a page");
            browser.until("document.readyState === 'complete' && (!document.getElementById('say') || document.querySelector('table.diff'))").await;
            assert_eq!(browser.run("return window.caught ?? null").await, json!(null), "{page}");
            let strange = "return document.querySelectorAll('img, script:not([src]), [onerror], [style]').length";
            assert_eq!(browser.run(strange).await, json!(0), "{page}");
            let across = browser.run("return document.documentElement.scrollWidth <= innerWidth").await;
            assert_eq!(across, json!(true), "{page} is too wide");
        }
        browser.page.goto(&at("submissions/4.html")).await.expect("a page");
        assert!(browser.run("return document.body.textContent").await.to_string().contains("{{7*7}}"), "it is text");
    }
    browser.close().await;
}
