//! Every kind of page, in every state, before a validator of HTML, an auditor of accessibility and a text browser.

use std::path::{Path, PathBuf};
use std::process::Command;

use podium::site::serve;

use crate::past::ten_days;
use crate::states::{pages, states};
use crate::support::browser::{Browser, Look};

/// A file that scripts/setup fetched, by its name.
fn tool(name: &str) -> PathBuf {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools");
    let mut found = walkdir::WalkDir::new(&tools).into_iter().flatten().filter(|entry| entry.file_name() == name);
    found
        .next()
        .unwrap_or_else(|| panic!("{name} is not below {}: scripts/setup test fetches it", tools.display()))
        .into_path()
}

#[test]
fn every_page_is_valid_html() {
    // The validator is older than the width and height of a picture's sources, which HTML has had since 2021.
    const NEWER: &str =
        "Attribute \u{201c}(width|height)\u{201d} not allowed on element \u{201c}source\u{201d} at this point.";
    for (state, contest) in states() {
        let output = Command::new("java")
            .args(["-Xss8m", "-jar"])
            .arg(tool("vnu.jar"))
            .args(["--errors-only", "--filterpattern", NEWER])
            .args(pages(&contest))
            .output()
            .expect("java is installed: scripts/setup test does it");
        assert!(output.status.success(), "{state}: {}", String::from_utf8_lossy(&output.stderr));
        // The content policy lets no browser act by them.
        for page in pages(&contest) {
            let text = std::fs::read_to_string(&page).expect("a page");
            assert!(!text.contains(" style=\""), "{state}: {} has a style attribute", page.display());
        }
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
    // By itself it leaves out how large a target has to be, which WCAG 2.2 has as the first.
    const AUDIT: &str = "const asked = { resultTypes: ['violations'], rules: { 'target-size': { enabled: true } } };\
        return axe.run(document, asked).then((found) => found.violations.map((one) => \
        `${one.id}: ${one.help}: ` + one.nodes.slice(0, 3).map((node) => node.html.slice(0, 200)).join(' | ')))";
    let states = states();
    let mut found = Vec::new();
    for (width, dark) in [(1280, false), (390, true)] {
        let browser = Browser::open(Look { width, dark, scripts: true }).await;
        for (state, contest) in &states {
            for page in pages(contest) {
                browser.page.goto(&format!("file://{}", page.display())).await.expect("a page");
                browser.run(&axe).await;
                let said = browser.run(AUDIT).await;
                for one in said.as_array().expect("a list") {
                    found.push(format!("{state}, {}, {width}, dark {dark}: {one}", page.display()));
                }
            }
        }
        // A page that is late says so above all else.
        let (_, open) = states.iter().find(|(state, _)| *state == "open").expect("it is there");
        let (address, server) =
            serve(&open.path("public"), ([127, 0, 0, 1], 0).into(), std::future::pending()).await.expect("an address");
        browser.page.goto(&format!("http://{address}/index.html")).await.expect("the board");
        browser.until("document.querySelector('#notes p')?.textContent.includes('not been heard of')").await;
        browser.run(&axe).await;
        let late = browser.run(AUDIT).await;
        assert_eq!(late, serde_json::json!([]), "late, {width}, dark {dark}");
        server.abort();
        // It does find fault.
        browser.run("document.querySelector('main').append(document.createElement('img'))").await;
        browser.run("document.querySelector('main').insertAdjacentHTML('beforeend', '<p>' + '<button>x</button>'.repeat(9))").await;
        browser.run("for (const one of document.querySelectorAll('p > button')) one.style.cssText = 'all: unset; font-size: 6px'").await;
        let seen = browser.run(AUDIT).await.to_string();
        assert!(seen.contains("image-alt") && seen.contains("target-size"), "{seen}");
        browser.close().await;
    }
    assert!(found.is_empty(), "{} findings:\n{}", found.len(), found.join("\n"));
}

#[test]
fn a_text_browser_shows_rank_name_and_score_in_one_line() {
    let contest = ten_days(&["30", "5"]);
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
        // The rank is a word of its own, whether it has moved or not.
        let shown = text.lines().any(|line| {
            let mut words = line.split_whitespace().map(|word| word.trim_start_matches('='));
            words.any(|word| word == rank) && words.any(|word| word == user) && words.any(|word| word == score)
        });
        assert!(shown, "no line has {rank}, {user} and {score}:\n{text}");
    }
    assert!(text.contains(['▲', '▼']), "somebody has moved:\n{text}");
}
