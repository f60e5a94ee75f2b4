//! How much memory a long competition takes.

use crate::past;
use crate::support::Competition;

/// Of the daemon's memory, in bytes: its place in the history, in the indexes over that, and whatever a start leaves behind.
const OF_A_SUBMISSION: u64 = 1200;

#[test]
fn the_daemon_holds_an_index_of_the_log_and_not_the_log() {
    let resident = |arguments: &[&str]| {
        let mut contest = past::written(Competition::new("Long"), arguments);
        contest.start();
        let accepted = contest.count("accepted") as u64;
        (accepted, contest.daemon().resident_bytes())
    };
    let (few, small) = resident(&["1", "1"]);
    let (many, large) = resident(&["600", "35"]);
    assert!(many > 15_000, "{many} submissions only");
    let grown = large.saturating_sub(small) / (many - few);
    println!("{small} bytes with {few} submissions, {large} with {many}: {grown} for each");
    assert!(grown <= OF_A_SUBMISSION, "{grown} bytes for each of {many} submissions");
}
