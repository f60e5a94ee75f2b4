//! The pages as people see them: in a real Chromium.

use serde_json::json;

mod support;

use support::browser::{Browser, Look};
use support::{Competition, Contest, HIDDEN_CASE, answer, slow_answer};

/// A contest with its site, and the address of that.
fn on_air(title: &str) -> (Contest, String) {
    let mut contest = Competition::new(title).prepare();
    let address = contest.start_serving();
    (contest, address)
}

const NAMES: &str =
    "[...document.querySelectorAll('.board tbody tr')].map((row) => row.querySelector('a').textContent).join()";

#[tokio::test(flavor = "multi_thread")]
async fn the_board_changes_under_the_readers_eyes() {
    let (contest, site) = on_air("Numbers");
    contest.hand_in("alice", "py", answer("5"));
    contest.wait_for_judged(1);
    let browser = Browser::open(Look::DESK).await;
    browser.page.goto(&site).await.expect("the board");
    browser.until(&format!("{NAMES} === 'alice'")).await;
    browser.run("window.before = document.getElementById('u-alice')").await;

    contest.hand_in("bob", "py", answer("3"));
    browser.until(&format!("{NAMES} === 'bob,alice'")).await;
    // Neither the page nor the row was made anew.
    browser.until("window.before === document.getElementById('u-alice')").await;

    contest.set("competition.state", "closed");
    browser.until("document.querySelector('h1').textContent === 'Final leaderboard'").await;
    browser.until("window.before === document.getElementById('u-alice')").await;
    contest.set("competition.state", "open");
    browser.until("document.querySelector('h1').textContent === 'Leaderboard'").await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_follows_a_submission_from_drop_to_verdict() {
    let (contest, site) = on_air("Numbers");
    contest.set("queue.workers", 1);
    let first = contest.hand_in("alice", "py", slow_answer("5", 1.5));
    let second = contest.hand_in("bob", "py", answer("3"));
    contest.wait_for("the page", || contest.status(&second).is_some());
    let browser = Browser::open(Look::DESK).await;
    browser.page.goto(&format!("{site}s/{second}/index.html")).await.expect("the private page");
    browser.run("window.before = 1").await;
    browser.until("document.querySelector('h1').textContent === 'Accepted' && window.before === 1").await;
    let text = browser.run("return document.body.innerText").await.to_string();
    assert!(text.contains("Submission 2 by bob") && text.contains("Receipt"), "{text}");
    assert!(!text.contains(&first), "the page of one submission knows nothing of another");
    browser.close().await;
}

/// What the log on a page says.
const LOG: &str = "document.getElementById('log').textContent";

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_sees_the_log_grow_from_the_check_to_the_result() {
    let check = ["python3", "-c", "import time; print('looked', flush=True); time.sleep(5)"].map(toml::Value::from);
    let mut contest = Competition::new("Numbers").set("languages.py.check", check.to_vec()).prepare();
    let site = contest.start_serving();
    let browser = Browser::open(Look::DESK).await;
    let program =
        "import sys, time\nif 'ONE-OPEN-TAG' in sys.stdin.read(): time.sleep(4)\nprint('5')\n# <b>source</b>\n";
    let id = contest.hand_in("ann", "py", program);
    contest.wait_for("the page", || contest.path(&format!("public/s/{id}/index.html")).exists());
    browser.page.goto(&format!("{site}s/{id}/index.html")).await.expect("the private page");
    browser
        .run(
            "window.before = 1; window.statuses = []; const own = window.fetch;
             window.fetch = async (...asked) => {
               const answer = await own(...asked);
               if (asked[0] === 'log.txt') window.statuses.push(answer.status);
               return answer;
             }",
        )
        .await;
    browser
        .until(&format!("document.querySelector('h1').textContent === 'Checking' && {LOG}.endsWith('  | looked\\n')"))
        .await;
    browser
        .until(&format!("document.querySelector('h1').textContent === 'Running' && {LOG}.endsWith('one: begins\\n')"))
        .await;
    browser
        .until(&format!("document.querySelector('h1').textContent === 'Accepted' && {LOG}.includes('\\njudged ')"))
        .await;
    browser.until("window.before === 1 && window.statuses.includes(206)").await;
    // What it says in the end is what the file says, once.
    let file = std::fs::read_to_string(contest.path(&format!("public/s/{id}/log.txt"))).expect("log.txt");
    assert_eq!(browser.run(&format!("return {LOG}")).await, json!(file));
    assert!(!file.contains(HIDDEN_CASE), "{file}");
    browser.until("document.getElementById('log').getAttribute('role') === 'log'").await;
    browser.until("document.querySelector('meta[name=robots]').content.includes('noindex')").await;
    let text = browser.run("return document.body.textContent").await.to_string();
    for said in ["First score: rank 1 of 1", "podium try", "testcases/one/input.txt", "Standard output"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_followed_whatever_the_server_makes_of_ranges_and_whatever_becomes_of_the_file() {
    let (contest, site) = on_air("Numbers");
    let id = contest.hand_in("ann", "py", answer("5"));
    contest.wait_for_judged(1);
    let browser = Browser::open(Look::DESK).await;
    browser.page.goto(&format!("{site}s/{id}/index.html")).await.expect("the private page");
    browser.until(&format!("{LOG}.includes('judged')")).await;
    // A file of the test's own, in the place of the server's; the page is made to wait for more.
    browser
        .run(
            "const own = window.fetch, bytes = (text) => new TextEncoder().encode(text);
             window.file = 'ä begins\\n'.repeat(20); window.ranges = true; window.asked = [];
             window.fetch = async (url, options) => {
               if (url !== 'log.txt') return own(url, options);
               const all = bytes(window.file), headers = { 'content-type': 'text/plain' };
               const from = Number(/bytes=(\\d+)-/.exec(options.headers.Range)?.[1] ?? -1);
               window.asked.push(from);
               if (from < 0 || !window.ranges) return new Response(all, { headers });
               if (from >= all.length) return new Response('', { status: 416 });
               headers['content-range'] = `bytes ${from}-${all.length - 1}/${all.length}`;
               return new Response(all.slice(from), { status: 206, headers });
             };
             document.querySelector('.steps').insertAdjacentHTML('beforeend', '<li class=\"now\">')",
        )
        .await;
    let shown = format!("{LOG} === window.file");
    browser.until(&shown).await;
    for (what, change) in [
        ("more", "window.file += 'ö more\\n'"),
        ("another file, as long", "window.file = window.file.replace('more', 'less')"),
        ("a shorter one", "window.file = 'anew\\n'"),
        ("more of that", "window.file += 'and more\\n'.repeat(20)"),
        ("a server without ranges", "window.ranges = false; window.file += 'even more\\n'"),
    ] {
        browser.run(change).await;
        browser.until(&format!("{shown} /* {what} */")).await;
    }
    assert!(browser.run("return window.asked.some((from) => from > 0)").await == json!(true));
    // Who reads further up is left there; who is at the end is taken along.
    let end = "document.getElementById('log')";
    browser.run(&format!("window.file += 'line\\n'.repeat(200); {end}.scrollTop = 1e6")).await;
    browser.until(&format!("{shown} && {end}.scrollTop + {end}.clientHeight > {end}.scrollHeight - 8")).await;
    browser.run(&format!("{end}.scrollTop = 10; window.file += 'line\\n'.repeat(9)")).await;
    browser.until(&format!("{shown} && {end}.scrollTop === 10")).await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_whole_without_scripts() {
    let (contest, site) = on_air("Numbers");
    let id = contest.hand_in("alice", "py", answer("5"));
    contest.wait_for_judged(1);
    let browser = Browser::open(Look { scripts: false, ..Look::DESK }).await;
    for (page, wanted) in [
        ("index.html".to_owned(), ["alice", "55", "UTC"]),
        ("queue.html".to_owned(), ["Queue", "alice", "UTC"]),
        ("about.html".to_owned(), ["Rules in force", "How to hand in", "CPU time"]),
        ("u/alice/index.html".to_owned(), ["alice", "55", "UTC"]),
        (format!("s/{id}/index.html"), ["Accepted", "55", "log.txt"]),
    ] {
        browser.page.goto(&format!("{site}{page}")).await.expect("a page");
        let text =
            browser.page.find(fantoccini::Locator::Css("body")).await.expect("a body").text().await.expect("its text");
        for word in wanted {
            assert!(text.contains(word), "{page} does not show {word:?}: {text}");
        }
    }
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_fit_a_phone_and_a_desk_by_day_and_by_night() {
    let (contest, site) = on_air("Numbers");
    let id = contest.hand_in(
        "a-user-with-the-longest-name-ok",
        "py",
        "import sys\nprint('x' * 500, file=sys.stderr)\nsys.exit(1)",
    );
    contest.hand_in("bob", "py", answer("3"));
    contest.wait_for_judged(2);
    let mut grounds = Vec::new();
    for width in [390, 1280] {
        for dark in [false, true] {
            let browser = Browser::open(Look { width, dark, scripts: true }).await;
            for page in ["index.html", "queue.html", "about.html", "u/bob/index.html", &format!("s/{id}/index.html")] {
                browser.page.goto(&format!("{site}{page}")).await.expect("a page");
                let across = browser.run("return document.documentElement.scrollWidth").await;
                assert!(
                    across.as_u64().is_some_and(|across| across <= u64::from(width)),
                    "{page} is {across} wide at {width}"
                );
            }
            let ground = browser.run("return getComputedStyle(document.documentElement).backgroundColor").await;
            grounds.push((dark, ground));
            browser.close().await;
        }
    }
    let (light, dark): (Vec<_>, Vec<_>) = grounds.into_iter().partition(|(dark, _)| !dark);
    assert!(light.iter().all(|(_, ground)| dark.iter().all(|(_, other)| ground != other)), "{light:?} {dark:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_strangers_write_stays_text() {
    const EVIL: &str = "<script>window.caught=1</script><img src=x onerror=window.caught=1>{{7*7}}";
    let (contest, site) = on_air(EVIL);
    let program = format!("import sys\nprint({EVIL:?}); print({EVIL:?}, file=sys.stderr)\nsys.exit(1)");
    let id = contest.hand_in("alice", "py", program);
    contest.wait_for_judged(1);
    let refused = contest.hand_in("bob", "py", format!("{EVIL}\n"));
    contest.outcome(&refused);
    let browser = Browser::open(Look::DESK).await;
    for page in [
        "index.html",
        "queue.html",
        "about.html",
        "u/alice/index.html",
        &format!("s/{id}/index.html"),
        &format!("s/{refused}/index.html"),
    ] {
        browser.page.goto(&format!("{site}{page}")).await.expect("a page");
        browser.until("document.readyState === 'complete'").await;
        assert_eq!(browser.run("return window.caught ?? null").await, json!(null), "{page}");
        assert_eq!(
            browser.run("return document.querySelectorAll('img, script:not([src]), [onerror]').length").await,
            json!(0),
            "{page}"
        );
        assert!(
            browser.run("return document.title + document.body.textContent").await.to_string().contains("{{7*7}}"),
            "{page}"
        );
    }
    browser.close().await;
}
