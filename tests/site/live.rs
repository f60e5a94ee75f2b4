//! A page that stays open: what it asks for, what moves on it, and what it says when nobody answers.

use podium::site::serve;
use serde_json::Value;
use tokio::sync::oneshot;

use crate::past::of;
use crate::support::browser::{Browser, Look};
use crate::support::{Competition, Contest, answer};

/// A web server of the test's own over public/, which ends when the second is sent or dropped; and its address.
async fn beside(contest: &Contest) -> (String, oneshot::Sender<()>) {
    let (end, ended) = oneshot::channel();
    let shutdown = async move { drop(ended.await) };
    let (address, _) = serve(&contest.path("public"), ([127, 0, 0, 1], 0).into(), shutdown).await.expect("an address");
    (format!("http://{address}/"), end)
}

/// What the note under the header says.
const NOTE: &str = "(document.querySelector('#notes p')?.textContent ?? '')";

#[tokio::test(flavor = "multi_thread")]
async fn every_page_says_when_the_daemon_is_late_and_when_it_is_back() {
    let mut contest = Competition::new("Numbers").start();
    let id = contest.hand_in("ann", "py", answer("5"));
    contest.wait_for_judged(1);
    let (site, server) = beside(&contest).await;
    let browser = Browser::open(Look::DESK).await;
    browser.page.goto(&site).await.expect("the board");
    browser.until(&format!("document.getElementById('pulse').textContent !== '' && {NOTE} === ''")).await;
    browser.run("window.before = 1").await;
    contest.kill_nine();
    let late = format!("{NOTE}.startsWith('The judging daemon has not been heard of since ')");
    browser.until(&format!("{late} && window.before === 1")).await;
    let private = format!("s/{id}/index.html");
    for page in ["index.html", "index.html?projector", "queue.html", "about.html", "u/ann/index.html", &private] {
        browser.page.goto(&format!("{site}{page}")).await.expect("a page");
        browser.until(&format!("{late} /* {page} */")).await;
        browser.until("document.getElementById('pulse').classList.contains('silent')").await;
        browser.until("document.getElementById('notes').checkVisibility()").await;
    }
    browser.run("window.before = 1").await;
    contest.start();
    browser.until(&format!("{NOTE} === '' && window.before === 1")).await;
    // The web server goes, too: then nothing is known of the daemon.
    drop(server);
    browser
        .until(&format!("{NOTE}.startsWith('This page has not been reachable since ') && window.before === 1"))
        .await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_says_that_judging_is_held_and_promises_no_time_meanwhile() {
    let contest = Competition::new("Numbers").start();
    contest.hand_in("ann", "py", answer("5"));
    contest.wait_for_judged(1);
    contest.set("sandbox.image", "/no-such-folder");
    contest.wait_for("judging is held", || contest.queue()["held"].is_string());
    let (site, _server) = beside(&contest).await;
    let browser = Browser::open(Look::DESK).await;
    for page in ["about.html", "u/ann/index.html"] {
        browser.page.goto(&format!("{site}{page}")).await.expect("a page");
        browser.until(&format!("/^Judging is held \\(.*no-such-folder/.test({NOTE}) /* {page} */")).await;
    }
    // These say so themselves, and once is enough.
    for page in ["index.html", "queue.html"] {
        browser.page.goto(&format!("{site}{page}")).await.expect("a page");
        browser.until("document.getElementById('pulse').textContent !== ''").await;
        browser.until("document.getElementById('held').textContent.includes('no-such-folder')").await;
        assert_eq!(browser.run(&format!("return {NOTE}")).await, "", "{page}");
    }
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_misses_the_daemon_once_all_is_over() {
    let contest = of(Competition::new("Numbers").set("competition.state", "closed"), &["5", "2", "--state", "closed"]);
    let (site, _server) = beside(&contest).await;
    let browser = Browser::open(Look::DESK).await;
    browser.page.goto(&site).await.expect("the board");
    browser.until("document.getElementById('pulse').classList.contains('silent')").await;
    assert_eq!(browser.run(&format!("return {NOTE}")).await, "");
    browser.close().await;
}

/// Writes down which elements are moved, and which are lit up, by what the browser itself says of its animations.
const WATCH: &str = "
    window.moved = []; window.lit = [];
    (function look() {
        for (const { effect } of document.getAnimations()) {
            const way = effect.getKeyframes()[0].transform, name = effect.target.closest('tr')?.id;
            if (way && !window.moved.includes(name)) window.moved.push(name);
            if (!way && !window.lit.includes(name)) window.lit.push(name);
        }
        requestAnimationFrame(look);
    })()";

#[tokio::test(flavor = "multi_thread")]
async fn rows_glide_to_a_new_rank_but_for_who_wants_calm() {
    let mut contest = Competition::new("Numbers").prepare();
    let site = contest.start_serving();
    for (count, (user, number)) in [("ann", "5"), ("ben", "6"), ("cid", "7")].into_iter().enumerate() {
        contest.hand_in(user, "py", answer(number));
        contest.wait_for_judged(count + 1);
    }
    let names = "[...document.querySelectorAll('.board tbody th')].map((cell) => cell.textContent).join()";
    let browser = Browser::open(Look::DESK).await;
    browser.page.goto(&site).await.expect("the board");
    browser.until(&format!("{names} === 'ann,ben,cid'")).await;
    browser.run(WATCH).await;
    contest.hand_in("cid", "py", answer("4"));
    browser.until(&format!("{names} === 'cid,ann,ben'")).await;
    browser.until("['u-ann', 'u-ben', 'u-cid'].every((row) => window.moved.includes(row))").await;
    // Only the row that has news lights up, and at the end everything stands still where it is.
    browser.until("document.getAnimations().length === 0").await;
    assert_eq!(browser.run("return window.lit.join()").await, "u-cid");

    let calm = serde_json::json!({ "features": [{ "name": "prefers-reduced-motion", "value": "reduce" }] });
    browser.devtools("Emulation.setEmulatedMedia", calm).await;
    browser.run("window.moved = []; window.lit = []").await;
    contest.hand_in("ben", "py", answer("3"));
    browser.until(&format!("{names} === 'ben,cid,ann' && window.lit.includes('u-ben')")).await;
    browser.until("document.getAnimations().length === 0").await;
    assert_eq!(browser.run("return window.moved.join()").await, "");
    browser.close().await;
}

/// Writes down what is asked for, when, from where, and what came of it.
const COUNT: &str = "
    const own = window.fetch;
    window.asked = []; window.away = false;
    addEventListener('visibilitychange', () => { window.away ||= document.hidden; });
    window.fetch = async (url, ...more) => {
        const one = { url: String(url), hidden: document.hidden, status: 0 };
        window.asked.push(one);
        const answer = await own(url, ...more);
        one.status = answer.status;
        return answer;
    };
    window.began = performance.now()";

#[tokio::test(flavor = "multi_thread")]
async fn a_page_asks_little_while_nothing_happens_and_less_while_nobody_looks() {
    let mut contest = Competition::new("Numbers").prepare();
    let site = contest.start_serving();
    contest.hand_in("ann", "py", answer("5"));
    contest.wait_for_judged(1);
    let browser = Browser::open(Look::DESK).await;
    browser.page.goto(&site).await.expect("the board");
    browser.until("document.getElementById('pulse').textContent !== ''").await;
    browser.run(COUNT).await;
    browser.until("performance.now() - window.began > 13000").await;
    let asked = browser.run("return window.asked").await;
    let asked = asked.as_array().expect("a list");
    let (queue, page): (Vec<&Value>, Vec<&Value>) =
        asked.iter().partition(|one| one["url"].as_str().is_some_and(|url| url.ends_with("queue.json")));
    // Every two seconds the page and the sign of life, and nothing else.
    assert!(page.iter().all(|one| one["url"] == site), "{asked:?}");
    assert!((1..=8).contains(&page.len()) && (1..=8).contains(&queue.len()), "{asked:?}");
    // The page is not sent again: it is what it was.
    let sent = page.iter().filter(|one| one["status"] == 200).count();
    assert!(sent <= 2 && page.iter().any(|one| one["status"] == 304), "{asked:?}");

    // In front of it stands another page, for some time.
    let first = browser.page.window().await.expect("the page");
    let other = browser.page.new_window(true).await.expect("another page").handle;
    browser.page.switch_to_window(other).await.expect("it is in front");
    browser.until("performance.now() > 13000").await;
    browser.page.switch_to_window(first).await.expect("the page");
    let seen = browser.run("return [window.away, window.asked.filter((one) => one.hidden).length]").await;
    // Once in twenty seconds, of two files.
    assert!(seen[0] == true && seen[1].as_u64().is_some_and(|many| many <= 4), "{seen}");
    // Who comes back is shown what is new at once.
    browser.until("!document.hidden && window.asked.at(-1).hidden === false").await;
    browser.close().await;
}
