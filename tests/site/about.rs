//! The page about the task: the instructor's words and the rules in force.

use serde_json::json;

use crate::past::of;
use crate::support::browser::{Browser, Look};
use crate::support::{Competition, HIDDEN_CASE};

#[tokio::test(flavor = "multi_thread")]
async fn the_task_and_the_rules_follow_what_the_instructor_writes() {
    let mut contest = Competition::new("Numbers").set("limits.cpu", "1m 30s").prepare();
    let statement = contest.path("statement.md");
    std::fs::write(&statement, "# The task\n\n## Rows\n\n| a |\n|---|\n| $x^2$ |\n").expect("statement.md");
    let site = contest.start_serving();
    let browser = Browser::open(Look::DESK).await;
    browser.page.goto(&format!("{site}about.html")).await.expect("the page");
    browser.until("document.querySelector('h1').textContent === 'The task'").await;
    browser
        .until("document.querySelector('td math msup') && document.querySelector('.contents a').hash === '#about-rows'")
        .await;
    let text = browser.run("return document.body.innerText").await.to_string();
    for word in ["1\u{a0}min 30\u{a0}s", "64\u{a0}MiB", ".py", "python3 -X", "one", "two", "lower is better"] {
        assert!(text.contains(word), "about.html does not say {word:?}: {text}");
    }
    assert!(!text.contains(HIDDEN_CASE));
    // It changes under the reader's eyes, whatever the instructor writes.
    std::fs::write(&statement, "# Another\n\n<script>window.caught = 1</script><img src=x onerror=window.caught=1>\n")
        .expect("statement.md");
    browser.until("document.querySelector('h1').textContent === 'Another'").await;
    contest.set("limits.cpu", "2s");
    browser.until("document.getElementById('main').textContent.includes('CPU time2\\u{a0}s')").await;
    assert_eq!(
        browser.run("return [window.caught ?? null, document.querySelectorAll('main script, main img').length]").await,
        json!([null, 0])
    );
    std::fs::remove_file(&statement).expect("removed");
    browser.until("document.querySelector('h1').textContent === 'About'").await;
    browser.close().await;
}

#[test]
fn the_page_is_there_without_a_statement_and_without_a_submission() {
    let contest = of(Competition::new("Numbers"), &["0", "1"]);
    let page = std::fs::read_to_string(contest.path("public/about.html")).expect("about.html");
    assert!(
        page.contains("<h1>About</h1>") && page.contains("Rules in force") && !page.contains("Evaluator, SHA-256"),
        "{page}"
    );
}
