//! Students come in by SFTP: a real sshd, accounts that `podium users provision` made, and real clients. Each promise of docs/operators.md's section
//! on SFTP has its test here.

#[path = "../support/mod.rs"]
mod support;

mod access;
mod client;
mod names;
mod uploads;

use serde_json::Value;

use support::{Competition, Contest, Door};

/// A door with a daemon behind it.
fn open(users: &[(&str, &str)]) -> (Contest, Door) {
    open_with(Competition::new("SFTP").users(users))
}

fn open_with(competition: Competition) -> (Contest, Door) {
    let mut contest = competition.prepare();
    let door = Door::open(&contest);
    door.start_daemon(&mut contest);
    (contest, door)
}

/// The one line of the log about an id.
#[track_caller]
fn line(contest: &Contest, event: &str, id: &str) -> Value {
    contest.wait_for(&format!("{id} is {event}"), || contest.events(event).iter().any(|line| line["id"] == id));
    contest.event(event, id)
}
