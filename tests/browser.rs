//! The pages as people see them: in a real Chromium.

use serde_json::json;

mod support;

use support::browser::{Browser, Look};
use support::{Competition, Contest, answer, slow_answer};

/// A contest with its site, and the address of that.
fn on_air(title: &str) -> (Contest, String) {
    let mut contest = Competition::new(title).prepare();
    contest.start_with(&["--serve", "127.0.0.1:0"]);
    let mut address = None;
    contest.wait_for("the address of the site", || {
        let said = contest.daemon().said();
        address =
            said.split("the site is at ").nth(1).and_then(|rest| rest.split_whitespace().next()).map(str::to_owned);
        address.is_some() && contest.daemon().watches() && contest.path("public/index.html").exists()
    });
    (contest, address.expect("waited for"))
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

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_whole_without_scripts() {
    let (contest, site) = on_air("Numbers");
    let id = contest.hand_in("alice", "py", answer("5"));
    contest.wait_for_judged(1);
    let browser = Browser::open(Look { scripts: false, ..Look::DESK }).await;
    for (page, wanted) in [
        ("index.html".to_owned(), ["alice", "55", "UTC"]),
        ("queue.html".to_owned(), ["Queue", "alice", "UTC"]),
        ("u/alice/index.html".to_owned(), ["alice", "55", "UTC"]),
        (format!("s/{id}/index.html"), ["Accepted", "55", "UTC"]),
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
            for page in ["index.html", "queue.html", "u/bob/index.html", &format!("s/{id}/index.html")] {
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
