//! A user's page: history and plot.

use crate::past::ten_days;
use crate::support::Competition;
use crate::support::answer;
use crate::support::browser::{Browser, Look};

#[tokio::test(flavor = "multi_thread")]
async fn a_user_sees_the_way_to_the_best_score_grow() {
    let mut contest = Competition::new("Numbers").prepare();
    let site = contest.start_serving();
    contest.hand_in("ann", "py", answer("9"));
    contest.wait_for_judged(1);
    let browser = Browser::open(Look::DESK).await;
    browser.page.goto(&format!("{site}u/ann/index.html")).await.expect("the page");
    browser.until("document.querySelectorAll('.subs tbody tr').length === 1 && !document.getElementById('plot')").await;
    contest.hand_in("ann", "py", answer("5"));
    contest.hand_in("ann", "py", answer("7"));
    browser.until("document.querySelectorAll('.subs .score').length === 3").await;
    browser
        .until("document.getElementById('plot')?.complete && document.getElementById('plot').naturalWidth > 0")
        .await;
    contest.wait_for_judged(3);
    let tags = "[...document.querySelectorAll('.subs tbody tr')].map((row) => row.querySelector('.tag')?.textContent ?? '').join()";
    browser.until(&format!("{tags} === ',best,'")).await;
    browser.close().await;
}

/// What one user hands in changes nobody else's page: publishing a result costs what it changed.
#[test]
fn a_users_page_changes_with_its_user_only() {
    let contest = ten_days(&["6", "4"]);
    let before = contest.site();
    let name =
        before.0.keys().find(|name| name.starts_with("u/") && name.ends_with("plot.svg")).expect("a plot").clone();
    let user = name.split('/').nth(1).expect("a name").to_owned();
    contest.drop_file(format!("{}_{}.py", "somebody", crate::support::a_new_id()), answer("1"));
    contest.podium(&["run", "--once"]).exits(0);
    let after = contest.site();
    for page in ["index.html", "plot.svg"].map(|page| format!("u/{user}/{page}")) {
        assert_eq!(before.0[&page], after.0[&page], "{page}");
    }
    assert_ne!(before.0["index.html"], after.0["index.html"]);
}
