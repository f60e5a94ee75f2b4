//! A push is a submission: what it says, what it waits for, and that the same commit is no second one.

use super::{accepted, open, started};
use crate::support::push::{Clone, prepare};
use crate::support::{Competition, answer, sha256, slow_answer};

#[test]
fn a_push_is_accepted_and_says_number_and_page() {
    let contest = started("A push");
    let clone = Clone::new(&contest, "alice");
    let program = answer("4");
    clone.commit_solution(&program);
    let pushed = clone.submit().succeeds().says("Accepted as number 1: solution.py of commit ");
    let id = pushed.id();
    let line = contest.event("accepted", &id);
    assert_eq!((&line["user"], &line["sha256"]), (&"alice".into(), &sha256(program.as_bytes()).into()), "{line}");
    assert_eq!(contest.outcome(&id)["verdict"], "accepted");
    contest.assert_log_is_whole();
    contest.assert_ids_are_secret();
}

#[test]
fn with_the_option_it_waits_and_prints_the_public_verdict() {
    let contest = started("Waiting");
    let clone = Clone::new(&contest, "alice");
    clone.commit_solution(answer("4"));
    let pushed =
        clone.push(&["-o", "wait", "-o", "wa\u{1b}it", "ssh://submit@judge/submissions", "HEAD:main"]).succeeds();
    let pushed =
        pushed.says("Judged: accepted; public score: 44").says("\n  one  accepted  4").says("\n  two  accepted  40");
    let pushed = pushed.says("is not known here");
    assert!(!pushed.said.contains('\u{1b}') && !pushed.said.contains("hidden"), "{}", pushed.said);
}

#[test]
fn one_that_has_to_wait_is_told_its_place() {
    let mut contest = prepare(Competition::new("Places").set("queue.workers", 1), &["alice", "bob"]);
    contest.start();
    // Once something was judged there is something to expect by.
    let bob = Clone::new(&contest, "bob");
    bob.commit_solution(slow_answer("1", 0.1));
    bob.submit().succeeds();
    contest.wait_for_judged(1);
    bob.commit_solution(slow_answer("1", 3.0));
    bob.submit().succeeds().says("It is being judged.");
    let alice = Clone::new(&contest, "alice");
    alice.commit_solution(answer("4"));
    let pushed = alice.push(&["-o", "wait", "ssh://submit@judge/submissions", "HEAD:main"]).succeeds();
    let pushed = pushed.says("Accepted as number 3").says("Place in the queue: 1; a verdict can be expected in about ");
    pushed.says("public score: 44");
}

#[test]
fn a_refusal_after_the_push_says_why() {
    let contest = started("Refusals");
    let clone = Clone::new(&contest, "alice");
    clone.commit_solution("print(1\n");
    clone.submit().succeeds().says("Refused: solution.py of commit ").says("SyntaxError");
    assert_eq!(accepted(&contest, "alice").len(), 0);
    contest.set("competition.state", "closed");
    contest.wait_for("the board closes", || contest.board()["state"] == "closed");
    clone.commit_solution(answer("4"));
    clone.submit().succeeds().says("the board is closed");
    // What was refused may be pushed again as it is.
    contest.set("competition.state", "open");
    contest.wait_for("the board opens", || contest.board()["state"] == "open");
    let same = clone.git(&["rev-parse", "HEAD"]);
    clone.commit_solution(answer("5"));
    clone.submit().succeeds().says("Accepted as number 1");
    clone.git(&["reset", "-q", "--hard", &same]);
    clone.submit().succeeds().says("Accepted as number 2");
}

#[test]
fn without_a_daemon_the_push_says_so_and_nothing_is_lost() {
    let mut contest = open("No daemon");
    let clone = Clone::new(&contest, "alice");
    clone.commit_solution(answer("4"));
    let pushed = clone.submit().succeeds().says("Received: solution.py").says("No daemon answers");
    contest.start();
    assert_eq!(contest.outcome(&pushed.id())["verdict"], "accepted");
}

#[test]
fn while_judging_is_held_the_push_says_why_and_does_not_wait() {
    let contest = started("Held");
    contest.set("sandbox.image", "/no-such-folder");
    contest.wait_for("judging is held", || contest.queue()["held"].is_string());
    let clone = Clone::new(&contest, "alice");
    clone.commit_solution(answer("4"));
    let pushed = clone.submit().succeeds().says("Judging is held (").says("no-such-folder");
    let config = contest.config().replace("image = \"/no-such-folder\"\n", "");
    contest.write_config(&config);
    assert_eq!(contest.outcome(&pushed.id())["verdict"], "accepted");
}

#[test]
fn the_same_commit_again_is_no_second_submission() {
    let contest = started("Replay");
    let clone = Clone::new(&contest, "alice");
    let first = clone.commit_solution(answer("4"));
    let id = clone.submit().succeeds().id();
    contest.outcome(&id);
    let second = clone.commit_solution(answer("5"));
    assert_ne!(clone.submit().succeeds().id(), id);
    for commit in [&first, &second, &first] {
        clone.git(&["reset", "-q", "--hard", commit]);
        clone.submit().succeeds();
    }
    clone.git(&["reset", "-q", "--hard", &second]);
    clone.submit().succeeds().says("was submitted already as number 2");
    clone.git(&["reset", "-q", "--hard", &first]);
    let again = clone.submit().succeeds().says("was submitted already as number 1").says("public score: 44");
    assert_eq!(again.id(), id);
    contest.wait_for_judged(2);
    assert_eq!((contest.count("accepted"), contest.count("rejected")), (2, 0));
    // The same commit of another user is that one's, under another id.
    let other = Clone::new(&contest, "bob");
    other.git(&["fetch", "-q", clone.folder.to_str().expect("a path"), &first]);
    other.git(&["reset", "-q", "--hard", "FETCH_HEAD"]);
    assert_ne!(other.submit().succeeds().says("Accepted as number 3").id(), id);
}

#[test]
fn every_named_file_that_the_commit_has_is_a_submission() {
    let competition = Competition::new("Two files").set("git.files", vec!["solution.py", "deep/solution.sh"]);
    let mut contest = prepare(competition.set("git.branch", "final/v1"), &["alice"]);
    contest.start();
    let clone = Clone::new(&contest, "alice");
    let push = || clone.push(&["ssh://submit@judge/submissions", "HEAD:final/v1"]);
    clone.write("deep/solution.sh", "echo 7\n");
    clone.commit();
    push().succeeds().says("Accepted as number 1: deep/solution.sh");
    clone.commit_solution(answer("4"));
    push().succeeds().says("Accepted as number 2: solution.py").says("Accepted as number 3: deep/solution.sh");
    contest.wait_for_judged(3);
}
