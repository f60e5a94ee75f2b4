//! What other programs read: CSV, JSON lines, Atom.

use std::process::Command;

use crate::past::{of, ten_days};
use crate::support::Competition;

fn text(contest: &crate::support::Contest, name: &str) -> String {
    std::fs::read_to_string(contest.path("public").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Reads with Python's own parsers, which have not seen this program.
#[track_caller]
pub fn python(contest: &crate::support::Contest, script: &str) -> String {
    let output = Command::new("python3")
        .args(["-c", script])
        .current_dir(contest.path("public"))
        .output()
        .expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn the_board_can_be_read_where_kaggles_is() {
    let contest = ten_days(&["20", "4"]);
    let read = "import csv\nfor row in csv.DictReader(open('leaderboard.csv', newline='')): print(row['Rank'], row['TeamName'], float(row['Score']), int(row['SubmissionCount']))";
    let lines = python(&contest, read);
    let board = contest.board();
    let rows = board["rows"].as_array().expect("rows");
    assert_eq!(lines.lines().count(), rows.len());
    for (line, row) in lines.lines().zip(rows) {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!((words[0], words[1]), (row["rank"].to_string().as_str(), row["user"].as_str().expect("a name")));
        assert_eq!(
            words[2].parse::<f64>().ok(),
            if row["score"] == "inf" { Some(f64::INFINITY) } else { row["score"].as_f64() }
        );
    }
}

#[test]
fn every_result_is_a_line_without_an_id() {
    let contest = ten_days(&["20", "4"]);
    let lines = text(&contest, "results.jsonl");
    assert_eq!(lines.lines().count(), contest.count("judged"));
    assert!(lines.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok_and(|line| line["v"] == 1)));
    contest.assert_ids_are_secret();
}

#[test]
fn the_feed_is_well_formed_whatever_the_title_says() {
    let contest = of(Competition::new("<script>&amp; ]]> \"{{7*7}}'"), &["20", "4"]);
    let read = "import xml.etree.ElementTree as E\nfeed = E.parse('feed.xml').getroot()\na = '{http://www.w3.org/2005/Atom}'\nprint(feed.tag == a + 'feed', feed.find(a + 'title').text, len(feed.findall(a + 'entry')) > 10, len({e.find(a + 'id').text for e in feed.findall(a + 'entry')}) == len(feed.findall(a + 'entry')))";
    assert_eq!(python(&contest, read), "True <script>&amp; ]]> \"{{7*7}}': new bests True True");
    // Drawings are XML too.
    python(
        &contest,
        "import glob, xml.etree.ElementTree as E\nfor name in glob.glob('*.svg') + glob.glob('u/*/*.svg'): E.parse(name)\nassert len(glob.glob('u/*/plot.svg')) > 5",
    );
}
