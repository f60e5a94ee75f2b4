//! What else a key may do: fetch what is its own, and nothing more.

use std::process::{Command, Stdio};

use super::{open, started};
use crate::support::answer;
use crate::support::push::{Clone, Pushed};

#[test]
fn a_key_opens_nothing_but_its_own_repository() {
    let contest = started("Nothing else");
    let clone = Clone::new(&contest, "bob");
    clone.commit_solution(format!("# bob's secret\n{}", answer("4")));
    clone.submit().succeeds();
    let alice = Clone::new(&contest, "alice");
    alice.commit_solution(answer("5"));
    alice.submit().succeeds();
    for path in ["bob.git", "submissions/../bob.git", "~/submissions", "srv", "submissions/", "", "git/bob.git"] {
        let pushed = alice.push(&[&format!("ssh://submit@judge/{path}"), "HEAD:main"]).fails();
        pushed.says("git push ssh://nobody@HOST/submissions HEAD:main");
    }
    // Her own is all that she fetches.
    let all = Pushed::of(
        alice.remote(&["fetch", "ssh://submit@judge/submissions", "+refs/*:refs/got/*"]).stdout(Stdio::null()),
    );
    all.succeeds();
    let fetched = alice.git(&["for-each-ref", "--format=%(objectname)", "refs/got"]);
    assert_eq!(fetched, alice.git(&["rev-parse", "HEAD"]));
    let theirs = clone.git(&["rev-parse", "HEAD"]);
    Pushed::of(&mut alice.remote(&["fetch", "ssh://submit@judge/submissions", &theirs])).fails();
    // No shell, and nothing but git.
    let ssh = contest.outside("ssh");
    for asked in ["sh", "id", "scp -t .", "git-receive-pack '/submissions'; id", "git-upload-archive 'submissions'"] {
        let mut command = Command::new(&ssh);
        let pushed = Pushed::of(command.args(["submit@judge", asked]).env("PUSHER", "alice").stdin(Stdio::null()));
        pushed.fails().says("Only pushes to and fetches from the path submissions");
    }
}

#[test]
fn check_says_whether_pushes_can_be_taken() {
    let contest = open("Looked at");
    contest.podium(&["check"]).says("git: a push of main is a submission of solution.py");
    contest.set("git.account", "podium-nobody-has-this");
    contest.podium(&["check"]).says("this machine has no account podium-nobody-has-this");
    let mut command = Command::new(env!("CARGO_BIN_EXE_podium"));
    command.arg("--home").arg(contest.root()).args(["git", "reconcile"]);
    let refused = command.output().expect("it runs");
    assert_eq!(refused.status.code(), Some(1), "root looks into no repository");
}

#[test]
fn who_has_no_folder_is_no_user_here() {
    let contest = started("No folder");
    let clone = Clone::new(&contest, "mallory");
    clone.commit_solution(answer("4"));
    clone.submit().fails().says("mallory cannot push here yet").says("podium users provision");
    assert!(!contest.path("git/mallory.git").exists());
    // A link where the folder should be is none.
    std::os::unix::fs::symlink(contest.path("results"), contest.path("inbox/dave")).expect("a link");
    let clone = Clone::new(&contest, "dave");
    clone.commit_solution(answer("4"));
    clone.submit().fails();
}

#[test]
fn more_connections_than_anybody_needs_are_refused() {
    let contest = started("Connections");
    let clone = Clone::new(&contest, "alice");
    clone.commit_solution(answer("4"));
    clone.submit().succeeds();
    let ssh = contest.outside("ssh");
    let mut idle: Vec<_> = (0..4)
        .map(|_| {
            let mut command = Command::new(&ssh);
            command.args(["submit@judge", "git-upload-pack 'submissions'"]).env("PUSHER", "alice");
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
            // It has begun: it says what it has.
            let mut first = [0; 4];
            std::io::Read::read_exact(child.stdout.as_mut().expect("piped"), &mut first).expect("it answers");
            child
        })
        .collect();
    clone.commit_solution(answer("5"));
    clone.submit().fails().says("4 connections of yours are open already");
    // Nobody else minds.
    let other = Clone::new(&contest, "bob");
    other.commit_solution(answer("4"));
    other.submit().succeeds();
    let mut last = idle.pop().expect("four");
    drop(last.stdin.take());
    last.wait().expect("it ends");
    clone.submit().succeeds().says("Accepted");
    for mut child in idle {
        drop(child.stdin.take());
        child.wait().expect("it ends");
    }
}
