//! What a killed hook missed is found, and taken in once.

use std::fs;
use std::process::{Command, Stdio};

use super::{open, reconcile, started};
use crate::support::push::{Clone, Pushed, account};
use crate::support::{Contest, answer, sha256, slow_answer};

/// Waits for the daemon to have taken in what the branch names, once, and for nothing else.
fn is_taken_once(contest: &Contest, clone: &Clone, number: usize) {
    let program = fs::read(clone.folder.join("solution.py")).expect("the program");
    contest.wait_for("it is accepted", || contest.count("accepted") >= number);
    contest.wait_for_judged(number);
    assert_eq!((contest.count("accepted"), contest.count("rejected")), (number, 0));
    assert_eq!(contest.events("accepted")[number - 1]["sha256"], sha256(&program));
    let inbox = fs::read_dir(contest.path("inbox/alice/git")).expect("the folder").count();
    assert_eq!(inbox, 0, "something is left in the inbox");
    assert_eq!(reconcile(contest).succeeds().said, "", "it is found again");
}

#[test]
fn whatever_a_killed_hook_missed_is_found_and_taken_once() {
    let contest = started("Killed hooks");
    let clone = Clone::new(&contest, "alice");
    clone.commit_solution(answer("1"));
    clone.submit().succeeds().says("Accepted as number 1");
    // Each step of the hook, by the call of the kernel's with which it would have been done.
    let taken = contest.path("git/alice.git/podium-taken");
    let folder = contest.path("inbox/alice/git");
    let steps = [
        // Before its first look at the commit.
        before_its_first_look(&contest),
        // The file is written, and not yet there.
        "-e inject=renameat2:signal=KILL:when=1".to_owned(),
        // It is there, and not yet synced; it is noted nowhere.
        format!("-P {} -e inject=fsync:signal=KILL:when=1", folder.display()),
        format!("-P {} -e inject=rename,renameat,renameat2:signal=KILL:when=1", taken.display()),
    ];
    for (index, step) in steps.iter().enumerate() {
        let number = index + 2;
        clone.commit_solution(answer(&number.to_string()));
        push_and_kill(&contest, &clone, step);
        reconcile(&contest).succeeds();
        is_taken_once(&contest, &clone, number);
    }
}

/// The hook's first step: what runs it is killed before the hook has looked at anything.
fn before_its_first_look(contest: &Contest) -> String {
    format!("-P {} -e inject=execve:signal=KILL:when=1", contest.path("git/hooks/post-receive").display())
}

/// Pushes what a clone has checked out, and kills the hook at a step.
fn push_and_kill(contest: &Contest, clone: &Clone, step: &str) {
    let around = format!("strace -f -qq -o {} {step}", contest.outside("strace").display());
    let mut push = clone.remote(&["push", "--force", "ssh://submit@judge/submissions", "HEAD:main"]);
    let pushed = Pushed::of(push.env("AROUND", around)).succeeds();
    let killed = fs::read_to_string(contest.outside("strace")).expect("strace wrote").contains("killed by SIGKILL");
    assert!(killed, "{step}: nothing was killed\n{}", pushed.said);
    assert!(!pushed.said.contains("Accepted"), "{step}: {}", pushed.said);
}

#[test]
fn what_was_refused_once_and_is_pushed_again_is_found_too() {
    let contest = started("Refused, then killed");
    let clone = Clone::new(&contest, "alice");
    let board = |state: &str, number: usize| {
        contest.set("competition.state", state);
        contest.wait_for("the board says so", || contest.events("board").len() >= number);
    };
    let before = contest.events("board").len();
    board("closed", before + 1);
    let first = clone.commit_solution(answer("1"));
    let id = clone.submit().succeeds().says("Refused: solution.py of commit").id();
    board("open", before + 2);
    clone.commit_solution(answer("2"));
    clone.submit().succeeds().says("Accepted as number 1");
    // Back to the first: the board has opened, and the hook does not live to say so.
    clone.git(&["reset", "-q", "--hard", &first]);
    push_and_kill(&contest, &clone, &before_its_first_look(&contest));
    reconcile(&contest).succeeds().says("solution.py of commit");
    contest.wait_for("it is accepted", || contest.count("accepted") == 2);
    let accepted = contest.event("accepted", &id);
    assert_eq!((&accepted["user"], &accepted["sha256"]), (&"alice".into(), &sha256(answer("1").as_bytes()).into()));
    contest.wait_for_judged(2);
    assert_eq!(reconcile(&contest).succeeds().said, "", "it is found again");
    assert_eq!((contest.count("accepted"), contest.count("rejected")), (2, 1));
}

#[test]
fn the_next_connection_and_the_daemon_find_it_too() {
    let mut contest = open("Found again");
    let clone = Clone::new(&contest, "alice");
    clone.commit_solution(answer("1"));
    let pushed = clone.submit().succeeds().says("No daemon answers");
    let direct = |contest: &Contest| {
        let (uid, gid) = account();
        // The branch changes, and no hook of ours hears of it.
        let bare = contest.path("git/alice.git");
        let mut push = Command::new("setpriv");
        push.args([
            "--reuid",
            &uid.to_string(),
            "--regid",
            &gid.to_string(),
            "--clear-groups",
            "git",
            "-c",
            "safe.directory=*",
        ]);
        push.arg("-C").arg(&clone.folder).args(["push", "-q"]).arg(bare).arg("HEAD:main");
        Pushed::of(push.env("HOME", "/")).succeeds();
    };
    clone.commit_solution(answer("2"));
    direct(&contest);
    let fetched = Pushed::of(&mut clone.remote(&["ls-remote", "ssh://submit@judge/submissions"])).succeeds();
    fetched.says("An earlier push had been interrupted and is taken in now: alice: solution.py of commit ");
    clone.commit_solution(answer("3"));
    direct(&contest);
    contest.start();
    contest.wait_for_judged(3);
    contest.outcome(&pushed.id());
    assert_eq!(contest.count("rejected"), 0);
}

#[test]
fn a_hook_that_is_killed_while_it_waits_has_done_its_work() {
    let contest = started("Killed while it waits");
    let clone = Clone::new(&contest, "alice");
    clone.commit_solution(slow_answer("1", 2.0));
    let waiting = clone
        .remote(&["push", "-o", "wait", "ssh://submit@judge/submissions", "HEAD:main"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("git runs");
    contest.wait_for("it is accepted", || contest.count("accepted") == 1);
    // Meanwhile another push of the same user is taken.
    let other = Clone::new(&contest, "alice");
    other.commit_solution(answer("2"));
    other.submit().succeeds().says("Accepted as number 2");
    let home = contest.root().as_os_str().as_encoded_bytes().to_vec();
    let hooks: Vec<u32> = fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let has = |word: &[u8]| command.windows(word.len()).any(|window| window == word);
            has(&home) && has(b"post-receive") && has(b"hook")
        })
        .collect();
    for pid in &hooks {
        let pid = rustix::process::Pid::from_raw(i32::try_from(*pid).expect("a number")).expect("a process");
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    let ended = waiting.wait_with_output().expect("it ends");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    contest.wait_for_judged(2);
    assert_eq!(reconcile(&contest).succeeds().said, "");
    assert_eq!((contest.count("accepted"), contest.count("rejected")), (2, 0));
}
