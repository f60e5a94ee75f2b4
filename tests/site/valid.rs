//! Every kind of page, in every state, before a validator of HTML, an auditor of accessibility and a text browser.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::past::{of, ten_days};
use crate::support::browser::{Browser, Look};
use crate::support::{Competition, Contest};

/// A file that scripts/setup fetched, by its name.
fn tool(name: &str) -> PathBuf {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools");
    let mut found = walkdir::WalkDir::new(&tools).into_iter().flatten().filter(|entry| entry.file_name() == name);
    found
        .next()
        .unwrap_or_else(|| panic!("{name} is not below {}: scripts/setup test fetches it", tools.display()))
        .into_path()
}

/// Competitions whose pages show what there is to be shown: empty, not open yet, with a queue, closed; in both languages.
fn states() -> Vec<(&'static str, Contest)> {
    let german = |title: &str| Competition::new(title).set("site.language", "de");
    vec![
        ("empty", of(Competition::new("Numbers"), &["0", "1"])),
        ("not open", of(german("Zahlen").set("competition.opens_at", "2099-01-01T00:00:00Z"), &["0", "1"])),
        ("open", ten_days(&["24", "4", "--queue", "5"])),
        ("open, in German", of(german("Zahlen & <Ziffern>"), &["24", "4", "--queue", "5"])),
        (
            "closed",
            of(Competition::new("Numbers").set("competition.state", "closed"), &["24", "4", "--state", "closed"]),
        ),
    ]
}

/// One page of each kind; private pages of the first and the last submission.
fn pages(contest: &Contest) -> Vec<String> {
    let site = contest.site();
    let below = |folder: &str| {
        site.0.keys().filter(|name| name.starts_with(folder) && name.ends_with(".html")).cloned().collect::<Vec<_>>()
    };
    let (users, private) = (below("u/"), below("s/"));
    let mut pages = vec!["index.html".to_owned(), "queue.html".into(), "about.html".into()];
    pages.extend(users.first().cloned());
    // The longest name.
    pages.extend(users.iter().find(|name| name.contains("benedikt")).cloned());
    let ids = contest
        .events("accepted")
        .into_iter()
        .filter_map(|line| line["id"].as_str().map(|id| format!("s/{id}/index.html")));
    let ids: Vec<String> = ids.filter(|name| private.contains(name)).collect();
    pages.extend(ids.first().cloned());
    // Of those in the queue, one that runs and one that waits.
    pages.extend(ids.iter().rev().take(5).step_by(4).cloned());
    pages
}

#[test]
fn every_page_is_valid_html() {
    // The validator is older than the width and height of a picture's sources, which HTML has had since 2021.
    const NEWER: &str =
        "Attribute \u{201c}(width|height)\u{201d} not allowed on element \u{201c}source\u{201d} at this point.";
    for (state, contest) in states() {
        let paths = pages(&contest).into_iter().map(|page| contest.path("public").join(page));
        let output = Command::new("java")
            .args(["-Xss8m", "-jar"])
            .arg(tool("vnu.jar"))
            .args(["--errors-only", "--filterpattern", NEWER])
            .args(paths)
            .output()
            .expect("java is installed: scripts/setup test does it");
        assert!(output.status.success(), "{state}: {}", String::from_utf8_lossy(&output.stderr));
    }
    // It does find fault.
    let contest = ten_days(&["1", "1"]);
    let bad = contest.path("bad.html");
    std::fs::write(&bad, "<!doctype html><title>x</title><p><div></p>").expect("written");
    assert!(!Command::new("java").arg("-jar").arg(tool("vnu.jar")).arg(bad).output().expect("java").status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_keeps_anybody_out() {
    let axe = std::fs::read_to_string(tool("axe.min.js")).expect("axe");
    const AUDIT: &str = "return axe.run(document, { resultTypes: ['violations'] }).then((found) => found.violations.map((one) => \
        `${one.id}: ${one.help}: ` + one.nodes.slice(0, 3).map((node) => node.html.slice(0, 200)).join(' | ')))";
    let states = states();
    let mut found = Vec::new();
    for (width, dark) in [(1280, false), (390, true)] {
        let browser = Browser::open(Look { width, dark, scripts: true }).await;
        for (state, contest) in &states {
            for page in pages(contest) {
                let file = format!("file://{}", contest.path("public").join(&page).display());
                browser.page.goto(&file).await.expect("a page");
                browser.run(&axe).await;
                let said = browser.run(AUDIT).await;
                for one in said.as_array().expect("a list") {
                    found.push(format!("{state}, {page}, {width}, dark {dark}: {one}"));
                }
            }
        }
        // It does find fault.
        browser.run("document.querySelector('main').append(document.createElement('img'))").await;
        assert!(browser.run(AUDIT).await.to_string().contains("image-alt"));
        browser.close().await;
    }
    assert!(found.is_empty(), "{} findings:\n{}", found.len(), found.join("\n"));
}

#[test]
fn a_text_browser_shows_rank_name_and_score_in_one_line() {
    let contest = ten_days(&["5", "3"]);
    let output = Command::new("w3m")
        .args(["-dump", "-cols", "120"])
        .arg(contest.path("public/index.html"))
        .output()
        .expect("w3m is installed: scripts/setup test does it");
    let text = String::from_utf8_lossy(&output.stdout).replace('\u{202f}', " ");
    let board = contest.board();
    for row in board["rows"].as_array().expect("rows") {
        let (rank, user) = (row["rank"].to_string(), row["user"].as_str().expect("a name"));
        let score = format!("{:.0}", row["score"].as_f64().expect("a score"));
        let shown = text.lines().any(|line| {
            let (rank_at, user_at, score_at) = (line.find(&rank), line.find(user), line.find(&score));
            rank_at.is_some() && rank_at < user_at && user_at < score_at
        });
        assert!(shown, "no line has {rank}, {user} and {score}:\n{text}");
    }
}
