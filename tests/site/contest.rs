//! The ICPC's Contest API as files.

use std::fs;
use std::process::Command;

use crate::past::{of, ten_days};
use crate::support::{Competition, Contest, answer};

/// What a client read that was written from the specification.
#[track_caller]
fn read(contest: &Contest) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/site/contest.py");
    let output = Command::new("python3").arg(script).arg(contest.path("public")).output().expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn a_final_board_is_a_contest_that_its_clients_can_read() {
    let contest = of(Competition::new("Kürzeste Wege, 2026"), &["30", "5", "--state", "closed"]);
    let judged = contest.count("judged");
    let finite = contest.board()["rows"].as_array().expect("rows").iter().filter(|row| row["score"] != "inf").count();
    assert_eq!(read(&contest), format!("{judged} {judged} {finite} k-rzeste-wege-2026"));
    contest.assert_ids_are_secret();
}

#[test]
fn it_is_not_there_while_results_are_to_come_and_goes_when_the_board_opens_again() {
    let contest = ten_days(&["20", "4"]);
    assert!(!contest.path("public/api").exists(), "an open board");
    let contest = ten_days(&["20", "4", "--state", "closed", "--queue", "3"]);
    assert!(!contest.path("public/api").exists(), "three wait");
    let mut contest = Competition::new("Numbers").start();
    contest.hand_in("ann", "py", answer("5"));
    contest.wait_for_judged(1);
    contest.set("competition.state", "closed");
    contest.wait_for("the contest", || contest.path("public/api/contests/numbers/event-feed.ndjson").exists());
    assert_eq!(read(&contest), "1 1 1 numbers");
    // What comes after the end is refused, and changes nothing of it; neither does a rebuild.
    let before = fs::read(contest.path("public/api/contests/numbers/scoreboard.json")).expect("the scoreboard");
    let late = contest.hand_in("ann", "py", answer("1"));
    assert_eq!(contest.outcome(&late)["state"], "rejected");
    contest.wait_for_site();
    let (there, _) = (contest.site().without_clock(), contest.stop());
    contest.podium(&["build"]).exits(0);
    assert_eq!(fs::read(contest.path("public/api/contests/numbers/scoreboard.json")).expect("the scoreboard"), before);
    contest.site().without_clock().assert_same(&there);
    // Another title is another name.
    contest.set("competition.title", "Other numbers");
    contest.podium(&["build"]).exits(0);
    assert_eq!(read(&contest), "1 1 1 other-numbers");
    assert!(!contest.path("public/api/contests/numbers").exists());
    contest.set("competition.state", "open");
    contest.start();
    contest.wait_for("the board is open", || contest.board()["state"] == "open");
    contest.wait_for("the contest is gone", || !contest.path("public/api").exists());
}
