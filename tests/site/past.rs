//! Competitions that have been going on for days, without judging anything.

#![allow(dead_code, reason = "the pictures have this, too, and need not all of it")]

use std::process::Command;

use crate::support::{Competition, Contest};

/// A competition with the log of ten days, made up, and its site as `podium build` makes it. `arguments`: of past.py, behind the home.
#[track_caller]
pub fn ten_days(arguments: &[&str]) -> Contest {
    of(Competition::new("Numbers"), arguments)
}

/// The same, of another competition.
#[track_caller]
pub fn of(competition: Competition, arguments: &[&str]) -> Contest {
    let contest = written(competition, arguments);
    contest.podium(&["build"]).exits(0);
    contest
}

/// A competition with such a log, and no site yet.
#[track_caller]
pub fn written(competition: Competition, arguments: &[&str]) -> Contest {
    let contest = competition.prepare();
    fill(&contest, arguments);
    contest
}

/// Writes such a log for a competition that has none.
#[track_caller]
pub fn fill(contest: &Contest, arguments: &[&str]) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/site/past.py");
    let output =
        Command::new("python3").arg(script).arg(contest.root()).args(arguments).output().expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
