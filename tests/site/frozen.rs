//! A frozen board: it stays as it was, and whoever hands in sees their own result and nobody else's.

use std::fs;
use std::time::Duration;

use crate::support::browser::{Browser, Look};
use crate::support::{Competition, Contest, answer};

/// A moment so many seconds from now.
fn at(seconds: i64) -> String {
    (chrono::Utc::now() + chrono::TimeDelta::seconds(seconds)).to_rfc3339()
}

/// The pages and files that everybody reads, but for what says when they were written, which submissions there are, and that they were judged.
fn told(contest: &Contest) -> String {
    let names = ["leaderboard.csv", "results.jsonl", "feed.xml"];
    let read = |name: &str| fs::read_to_string(contest.path("public").join(name)).expect("a file of the site");
    // The date of the latest submission is no secret, and a column of Kaggle's.
    let csv = |line: &str| {
        line.split(',').enumerate().filter(|(i, _)| *i != 3).map(|(_, cell)| cell.to_owned() + ",").collect()
    };
    let texts = names.map(|name| match name {
        "leaderboard.csv" => read(name).lines().map(csv).collect::<Vec<String>>().join("\n"),
        name => read(name),
    });
    format!("{}\n{}", texts.join("\n"), contest.board()["rows"])
}

#[tokio::test(flavor = "multi_thread")]
async fn from_its_moment_on_a_board_stays_as_it_is_until_it_closes() {
    let mut contest = Competition::new("Frozen").prepare();
    contest.set("competition.closes_at", at(3600));
    let site = contest.start_serving();
    for (user, number) in [("mira", "5"), ("tobias", "4")] {
        let id = contest.hand_in(user, "py", answer(number));
        contest.outcome(&id);
    }
    contest.wait_for_site();
    let browser = Browser::open(Look::DESK).await;
    browser.page.goto(&site).await.expect("the board");
    browser.until("document.querySelector('.state b').textContent === 'Open'").await;

    contest.set("competition.freezes_at", at(2));
    // Without anybody's doing, and without the page being loaded again.
    browser.until("document.querySelector('.state b').textContent === 'Frozen'").await;
    browser.until("document.querySelector('.lede').textContent.includes('Frozen since')").await;
    assert!(contest.events("board").last().is_some_and(|line| line["frozen"] == true && line["state"] == "open"));
    contest.wait_for_site();
    let before = told(&contest);
    assert!(contest.board()["frozen_since"].is_string());

    // Better than all, a first one, and a bad one.
    let ids = [("mira", answer("1")), ("zoe", answer("2")), ("tobias", "raise SystemExit(3)\n".into())]
        .map(|(user, program)| contest.hand_in(user, "py", program));
    let verdicts = ids.each_ref().map(|id| contest.outcome(id)["verdict"].clone());
    assert_eq!(verdicts, ["accepted", "accepted", "run-error"], "their senders are told");
    contest.wait_for_judged(5);
    contest.wait_for_site();
    assert_eq!(told(&contest), before);
    browser.until("document.querySelector('#u-mira').cells[5].textContent === '1+1'").await;
    let page = |name: &str| fs::read_to_string(contest.path("public").join(name)).expect("a page");
    for name in ["u/mira/index.html", "u/zoe/index.html", "u/tobias/index.html", "queue.html"] {
        assert!(page(name).contains("Hidden") && !page(name).contains("Run error"), "{}", page(name));
    }
    assert!(page("u/zoe/index.html").contains("<dd>–</dd>"), "{}", page("u/zoe/index.html"));
    let own = page(&format!("s/{}/index.html", ids[0]));
    assert!(own.contains("only you see this") && !own.contains("rank <b>"), "{own}");
    browser.page.goto(&format!("{site}u/mira/index.html")).await.expect("a user's page");
    browser.until("document.querySelector('tbody tr').textContent.includes('Hidden')").await;

    // What was hidden comes out when it closes.
    browser.page.goto(&site).await.expect("the board");
    contest.set("competition.state", "closed");
    browser.until("document.querySelector('.state b').textContent === 'Closed'").await;
    browser.until("document.querySelector('.board tbody tr').id === 'u-mira'").await;
    contest.wait_within(Duration::from_secs(30), "all results are out", || page("results.jsonl").lines().count() == 5);
    assert_eq!(contest.board()["rows"].as_array().map(Vec::len), Some(3));
    browser.close().await;
    contest.assert_log_is_whole();
}

#[test]
fn a_frozen_site_is_rebuilt_to_the_same_bytes() {
    let mut contest = Competition::new("Frozen").set("competition.freezes_at", at(-5)).start();
    let id = contest.hand_in("mira", "py", answer("4"));
    contest.outcome(&id);
    contest.wait_for_site();
    assert!(contest.stop().success(), "it ends in order");
    let before = contest.site().without_clock();
    fs::remove_dir_all(contest.path("public")).expect("deleted");
    contest.podium(&["build"]).exits(0);
    before.assert_same(&contest.site().without_clock());
    assert_eq!(contest.board()["rows"].as_array().map(Vec::len), Some(0), "what came in since is hidden");
    assert!(contest.podium(&["status"]).stdout.contains("board    frozen"));
}
