//! The git door: what is pushed, by whom, and what is refused. With the real git on both sides.

#[path = "../support/mod.rs"]
mod support;

mod access;
mod bounds;
mod killed;
mod shared;
mod submission;
mod trees;
mod whose;

use std::process::Command;

use serde_json::Value;

use support::push::{Pushed, account, prepare};
use support::{Competition, Contest};

/// A competition to which alice, bob and carol push.
fn open(title: &str) -> Contest {
    prepare(Competition::new(title), &["alice", "bob", "carol"])
}

fn started(title: &str) -> Contest {
    let mut contest = open(title);
    contest.start();
    contest
}

/// The log's `accepted` lines of a user.
fn accepted(contest: &Contest, user: &str) -> Vec<Value> {
    contest.events("accepted").into_iter().filter(|line| line["user"] == user).collect()
}

/// `podium git reconcile`, as the account that takes pushes in.
fn reconcile(contest: &Contest) -> Pushed {
    let (uid, gid) = account();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &uid.to_string(), "--regid", &gid.to_string(), "--clear-groups"]);
    command.arg(env!("CARGO_BIN_EXE_podium")).arg("--home").arg(contest.root()).args(["git", "reconcile"]);
    let output = command.output().expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    Pushed { good: output.status.success(), said: String::from_utf8_lossy(&said).into_owned() }
}
