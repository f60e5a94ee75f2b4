//! A submission's private page: what its sender can take from it.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::browser::{Browser, Look};
use crate::support::{Competition, Contest, HIDDEN_CASE, HIDDEN_TAG, answer, get};

/// The files beside a private page.
fn beside(contest: &Contest, id: &str) -> Vec<String> {
    let folder = contest.path(&format!("public/s/{id}"));
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("a page")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .collect();
    names.sort();
    names
}

#[track_caller]
fn text(contest: &Contest, id: &str, name: &str) -> String {
    fs::read_to_string(contest.path(&format!("public/s/{id}/{name}"))).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Prints what a browser or a terminal could take for something else, and answers.
const SLY: &str = "import sys\nsys.stderr.write('<script>1</script>\\x1b[2J' + sys.stdin.read())\nprint('5')\n";

#[test]
fn a_sender_takes_home_what_was_printed_and_the_program_and_nothing_of_private_cases() {
    let mut contest = Competition::new("Numbers").prepare();
    let site = contest.start_serving();
    let id = contest.hand_in("ann", "py", SLY);
    contest.wait_for_judged(1);
    let names = ["output-one.txt", "output-two.txt", "stderr-one.txt", "stderr-two.txt"];
    let there = beside(&contest, &id);
    assert!(names.iter().all(|name| there.contains(&(*name).to_owned())), "{there:?}");
    assert!(there.iter().all(|name| !name.contains(HIDDEN_CASE)), "{there:?}");
    assert_eq!(text(&contest, &id, "output-one.txt"), "5\n");
    assert!(text(&contest, &id, "stderr-one.txt").starts_with("<script>1</script>\\u{1b}[2JONE-OPEN-TAG"));
    let address = site.trim_start_matches("http://").trim_end_matches('/');
    for name in names {
        let (head, body) = get(address, &format!("/s/{id}/{name}"));
        assert!(head.contains("content-type: text/plain") && head.contains("nosniff"), "{name}: {head}");
        assert!(!body.contains(HIDDEN_TAG), "{name}: {body}");
    }
    let page = text(&contest, &id, "index.html");
    for said in [
        // Byte for byte: what sha256sum says of it is what the receipt says.
        format!("<a href=\"data:text/plain;base64,{}\" download=\"ann_{id}.py\">", STANDARD.encode(SLY)),
        "<a href=\"output-one.txt\" download=\"output-one.txt\">".into(),
        format!("ann_{id}.py testcases/one/input.txt &lt; testcases/one/input.txt &gt; one.out"),
        format!("podium try ann_{id}.py --case two"),
        "First score: rank <b>1</b> of 1".into(),
        "(what cannot be seen is written out)".into(),
    ] {
        // Slashes are escaped in pages.
        assert!(page.replace("&#x2f;", "/").contains(&said), "{said}\n{page}");
    }

    // A rebuild gives the same bytes, and what is public no more is swept.
    assert!(contest.stop().success());
    let before = contest.site();
    fs::remove_dir_all(contest.path("public")).expect("removed");
    contest.podium(&["build"]).exits(0);
    before.without_clock().assert_same(&contest.site().without_clock());
    contest.set("testcases.public", vec!["one"]);
    contest.podium(&["build"]).exits(0);
    let left = beside(&contest, &id);
    assert!(left.contains(&"output-one.txt".into()) && !left.contains(&"output-two.txt".into()), "{left:?}");
}

/// Answers that a browser would run, or hand to a program that does, if it were let.
const RUNNABLE: [(&str, &str); 5] = [
    ("svg", "<svg xmlns='http://www.w3.org/2000/svg' onload='window.caught=1'><script>window.caught=1</script></svg>"),
    ("html", "<!doctype html><html><body onload='window.caught=1'><script>window.caught=1</script></body></html>"),
    (
        "pdf",
        "%PDF-1.4\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n",
    ),
    ("script", "window.caught = 1 // GIF89a"),
    ("style", "* { display: none } /* @import 'x' */"),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_a_program_answers_is_plain_text_to_who_opens_it() {
    let mut contest = Competition::new("Numbers").prepare();
    let site = contest.start_serving();
    let address = site.trim_start_matches("http://").trim_end_matches('/');
    let ids = RUNNABLE.map(|(what, answer)| {
        // On both streams, and with a byte that is no text for the PDF.
        let program = format!(
            "import sys\nsys.stdout.buffer.write({answer:?}.encode() + {end})\nsys.stderr.write({answer:?})\n",
            end = if what == "pdf" { "b'\\xff\\x00'" } else { "b''" }
        );
        let id = contest.hand_in(what, "py", program);
        (what, id)
    });
    let file = contest.hand_in("file", "file", format!("open('output.json', 'w').write({:?})", RUNNABLE[1].1));
    contest.wait_for_judged(RUNNABLE.len() + 1);
    let browser = Browser::open(Look::DESK).await;
    for (what, id) in ids.iter().chain([&("file", file)]) {
        let mut files = beside(&contest, id);
        files.retain(|name| name != "index.html" && name != "status.json");
        let answer = if *what == "file" { "answer-one.txt" } else { "output-one.txt" };
        assert!(
            files.iter().any(|name| name == answer) && files.iter().all(|name| name.ends_with(".txt")),
            "{files:?}"
        );
        for name in &files {
            let (head, _) = get(address, &format!("/s/{id}/{name}"));
            assert!(
                head.contains("\ncontent-type: text/plain") && head.contains("\nx-content-type-options: nosniff"),
                "{what} {name}: {head}"
            );
            browser.page.goto(&format!("{site}s/{id}/{name}")).await.expect("a file");
            let seen = browser
                .run("return [document.contentType, window.caught ?? null, document.querySelectorAll('svg, script, embed, style').length]")
                .await;
            assert_eq!(seen, serde_json::json!(["text/plain", null, 0]), "{what} {name}");
        }
        // Nor as a part of the page beside it, whose content policy lets in what comes from its own address.
        browser.page.goto(&format!("{site}s/{id}/index.html")).await.expect("the page");
        for part in ["script", "link"] {
            browser
                .run(&format!(
                    "window.refused = null;
                     const part = document.createElement('{part}');
                     part.onload = () => {{ window.refused = false; }};
                     part.onerror = () => {{ window.refused = true; }};
                     part.rel = 'stylesheet';
                     part.src = part.href = '{answer}';
                     document.head.append(part)"
                ))
                .await;
            browser.until(&format!("window.refused !== null /* {part} */")).await;
            assert_eq!(
                browser.run("return [window.refused, window.caught ?? null]").await,
                serde_json::json!([true, null]),
                "{what} as {part}"
            );
        }
    }
    browser.close().await;
}

#[test]
fn a_page_says_what_its_judging_did_to_the_rank_and_never_something_else_later() {
    let contest = Competition::new("Numbers").start();
    let mut judged = 0;
    let mut hand_in = |user: &str, number: &str| {
        let id = contest.hand_in(user, "py", answer(number));
        judged += 1;
        contest.wait_for_judged(judged);
        id
    };
    let ids = [("ann", "5"), ("ben", "3"), ("ann", "2"), ("ben", "4")].map(|(user, number)| hand_in(user, number));
    let told = [
        "First score: rank <b>1</b> of 1",
        "First score: rank <b>1</b> of 2",
        "From rank 2 to <b>1</b> of 2",
        "(submission 2), rank 2 of 2",
    ];
    let pages = || ids.each_ref().map(|id| text(&contest, id, "index.html"));
    for (page, told) in pages().iter().zip(told) {
        assert!(page.contains(told), "{told}: {page}");
    }
    let before = pages();
    hand_in("cid", "1");
    hand_in("ann", "1");
    assert_eq!(before, pages());
}

/// Sleeps where its input says so, and answers.
fn sleeper(tag: &str, seconds: f64) -> String {
    format!("import sys, time\nif {tag:?} in sys.stdin.read(): time.sleep({seconds})\nprint('5')\n")
}

/// What log.txt says, as far as there is one.
fn log(contest: &Contest, id: &str) -> String {
    fs::read_to_string(contest.path(&format!("public/s/{id}/log.txt"))).unwrap_or_default()
}

#[test]
fn a_log_tells_of_check_and_public_cases_as_they_happen_and_nothing_of_the_rest() {
    let check = [
        "python3",
        "-c",
        "import sys, time; print('looked', flush=True); time.sleep(1); print('warned', file=sys.stderr)",
    ];
    let competition = Competition::new("Numbers").set("languages.py.check", check.map(toml::Value::from).to_vec());
    let mut contest = competition.prepare();
    contest.start();
    let slow_in_private = sleeper(HIDDEN_TAG, 3.0);
    let id = contest.hand_in("ann", "py", slow_in_private);
    let mut told = vec![String::new()];
    contest.wait_for("it is judged", || {
        let now = log(&contest, &id);
        if told.last() != Some(&now) {
            told.push(now);
        }
        told.last().is_some_and(|log| log.contains("\njudged "))
    });
    for pair in told.windows(2) {
        assert!(pair[1].starts_with(&pair[0]), "it only grows: {pair:#?}");
    }
    let before = |word: &str| told.iter().any(|log| !log.is_empty() && !log.contains(word));
    for word in ["  | warned", "accepted as submission 1", "one: accepted", "\njudged "] {
        assert!(before(word), "{word:?} came late: {told:#?}");
    }
    // While the private case runs nothing happens to it.
    let over = told.iter().position(|log| log.contains("the public cases are over")).expect("said");
    assert!(told.len() - over <= 2, "{told:#?}");
    assert!(told.iter().all(|log| !log.contains(HIDDEN_CASE) && !log.contains(HIDDEN_TAG)), "{told:#?}");
    let last = told.last().expect("some");
    let check = "check: python3 -c import sys, time; ";
    for said in [
        check,
        "\n  | looked\n  | warned\n",
        "nothing against it\n",
        "two: accepted, score 50, CPU ",
        "accepted, score 55 over",
    ] {
        assert!(last.contains(said), "{said:?}: {last}");
    }
    // A rebuild gives the same.
    assert!(contest.stop().success());
    fs::remove_dir_all(contest.path("public")).expect("removed");
    contest.podium(&["build"]).exits(0);
    assert_eq!(*last, log(&contest, &id));
}

#[test]
fn the_log_of_a_refused_file_says_why() {
    let contest = Competition::new("Numbers").start();
    let id = contest.hand_in("ann", "py", "what?\n");
    contest.outcome(&id);
    let said = log(&contest, &id);
    assert!(
        said.contains("refused before judging, log line 2") && said.contains("  | ") && said.contains("SyntaxError"),
        "{said}"
    );
}

#[test]
fn a_daemon_that_died_leaves_a_log_that_the_next_one_begins_again() {
    let mut contest = Competition::new("Numbers").start();
    let id = contest.hand_in("ann", "py", sleeper("ONE-OPEN-TAG", 4.0));
    contest.wait_for("the first case runs", || log(&contest, &id).ends_with("\none: begins\n"));
    contest.kill_nine();
    contest.start();
    contest.wait_for_judged(1);
    let said = log(&contest, &id);
    let again = "a judging of it began and did not end, which is not your doing; it begins again\njudging begins\none: begins\n";
    assert!(said.contains(again) && said.matches("one: begins").count() == 1, "{said}");
}

#[test]
fn a_long_program_is_a_file_beside_the_page() {
    let mut contest = Competition::new("Numbers").start();
    let program = format!("{}# {}\u{1b}[2J\n", answer("4"), "x".repeat(70_000));
    let id = contest.hand_in("ann", "py", &program);
    contest.wait_for_judged(1);
    contest.wait_for_site();
    assert_eq!(text(&contest, &id, "source.txt"), program.replace('\u{1b}', "\\u{1b}"));
    let link = format!("<a href=\"source.txt\" download=\"ann_{id}.py.txt\">");
    assert!(text(&contest, &id, "index.html").contains(&link), "{}", text(&contest, &id, "index.html"));
    // It is the site's own: every page anew leaves it there, byte for byte.
    assert!(contest.stop().success(), "it ends in order");
    let before = contest.site().without_clock();
    contest.podium(&["build"]).exits(0);
    before.assert_same(&contest.site().without_clock());
}
