//! Repositories that exist already, and submit by `podium git-hook`.

use std::fs;
use std::process::Command;

use super::started;
use crate::support::push::{Clone, Pushed};
use crate::support::{Contest, answer};

/// A repository that somebody else looks after, with `podium git-hook` as its post-receive hook.
fn shared(contest: &Contest) -> String {
    let bare = contest.outside("shared.git");
    let made = Command::new("git").args(["init", "-q", "--bare", "-b", "main"]).arg(&bare).env("HOME", "/").status();
    assert!(made.expect("git runs").success());
    let hook = bare.join("hooks/post-receive");
    fs::create_dir_all(bare.join("hooks")).expect("made");
    let script =
        format!("#!/bin/sh\nexec '{}' --home '{}' git-hook\n", env!("CARGO_BIN_EXE_podium"), contest.root().display());
    fs::write(&hook, script).expect("written");
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("it can be run");
    let config =
        Command::new("git").arg("-C").arg(&bare).args(["config", "receive.advertisePushOptions", "true"]).status();
    assert!(config.expect("git runs").success());
    bare.to_str().expect("a path").to_owned()
}

#[test]
fn a_shared_repository_submits_as_whom_its_server_names() {
    let contest = started("Shared");
    let bare = shared(&contest);
    let clone = Clone::new(&contest, "nobody-in-particular");
    clone.commit_solution(answer("4"));
    let push = |user: Option<&str>, arguments: &[&str]| {
        let mut command = clone.remote(&[&["push", "--force"], arguments].concat());
        command.envs(user.map(|user| ("GL_USER", user)));
        Pushed::of(&mut command).succeeds()
    };
    // Another branch is nobody's submission, and nothing is said of it.
    let other = push(None, &[&bare, "HEAD:other"]);
    assert!(!other.said.contains("submitted"), "{}", other.said);
    let pushed = push(Some("alice"), &["-o", "wait", &bare, "HEAD:main"]);
    let pushed = pushed.says("Accepted as number 1: solution.py").says("Judged: accepted; public score: 44");
    assert_eq!(contest.event("accepted", &pushed.id())["user"], "alice");
    // Never guessed.
    for (user, why) in [
        (None, "GL_USER is not set"),
        (Some(""), "GL_USER is not set"),
        (Some("mallory"), "mallory cannot push here yet"),
        (Some("../alice"), "GL_USER says \"../alice\""),
        (Some("Alice"), "GL_USER says \"Alice\""),
        (Some("alice\u{1b}[2J"), "GL_USER says"),
    ] {
        clone.commit_solution(answer(&format!("{}", user.map_or(0, str::len) + 10)));
        let pushed = push(user, &[&bare, "HEAD:main"]).says(why);
        assert!(!pushed.said.contains('\u{1b}'), "{}", pushed.said);
    }
    clone.write("other.txt", "x");
    fs::remove_file(clone.folder.join("solution.py")).expect("removed");
    clone.commit();
    push(Some("alice"), &[&bare, "HEAD:main"]).says("has no file solution.py");
    assert_eq!(contest.count("accepted"), 1);
}
