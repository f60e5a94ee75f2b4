//! The same bytes again.

use super::*;

/// Four submissions of alice: three of the same bytes, one of others; and one of bob of the same bytes.
fn again(dice: u64) -> World {
    let mut world = World::new(dice);
    for (n, user) in (1..).zip(["alice", "alice", "alice", "bob", "alice"]) {
        world.drop_file(&format!("{user}_{}.py", id(n)), i64::try_from(n).expect("small") * 10);
    }
    world.inbox.values_mut().filter(|found| found.key.changed_ns == 30).for_each(|found| found.size = 11);
    world
}

/// The judgings of all submissions, in the order of these.
fn judged(world: &World) -> Vec<Judged> {
    let lines = world.log.iter().filter(|line| line.contains("\"event\":\"judged\""));
    let mut judged: Vec<_> = lines.map(|line| judged_in(line)).collect();
    judged.sort_by_key(|judged| judged.submission);
    judged
}

fn assert_answered(world: &World) {
    assert!(world.inbox.is_empty());
    assert_eq!((count(&world.log, "accepted"), count(&world.log, "judged")), (5, 5), "each judged exactly once");
    let judged = judged(world);
    let origins: Vec<u64> = judged.iter().map(|judged| judged.origin().submission.0).collect();
    let ran = |n: usize| judged[n - 1].reused.is_none();
    assert!(ran(1) && ran(3) && ran(4), "other bytes, and another's, are run: {origins:?}");
    let first = &judged[0];
    for judged in judged.iter().filter(|judged| judged.reused.is_some()) {
        assert_eq!(judged.origin().submission, Number(1), "the judging that ran is named, not another answer");
        assert!(judged.provenance.is_some() && judged.provenance == first.provenance && judged.cases == first.cases);
    }
    let history = world.history();
    assert_eq!(history.pending_of(&"alice".parse().expect("a name")), 0);
    assert_eq!(world.exited, Some(Exit::Done));
}

#[test]
fn the_same_bytes_are_answered_from_the_judging_that_ran_whatever_crashes() {
    let mut reused = 0;
    for dice in 0..20 {
        let mut whole = again(dice);
        whole.live();
        assert_answered(&whole);
        // Two of one user do not run beside each other, so that the later ones always find the first judged.
        reused += judged(&whole).iter().filter(|judged| judged.reused.is_some()).count();
        assert_eq!(whole.runs, 3);
        for crash in 0..whole.effects_performed {
            let mut world = again(dice);
            world.effects_left = crash;
            world.live();
            world.effects_left = usize::MAX;
            world.live();
            assert_answered(&world);
        }
    }
    assert_eq!(reused, 40);
}

/// A machine in which alice's first submission was judged with these verdicts in `one` (public) and `two` (private), and that judging.
fn with_first(rules: &Arc<Rules>, public: Verdict, private: Verdict) -> (Machine, Judged) {
    let mut machine = ready(rules);
    let started = hand_in(&mut machine, "alice", 1);
    let order = started.iter().find_map(|effect| match effect {
        Effect::Start(order) => Some(order.clone()),
        _ => None,
    });
    let mut report = report(&order.expect("it starts"));
    (report.cases[0].verdict, report.cases[1].verdict) = (public, private);
    let effects = machine.handle(after(3), Input::Judged(Number(1), Ok(report)));
    assert!(machine.history().get(Number(1)).is_some_and(|first| first.judged().is_some()));
    let line = lines(&effects).into_iter().find(|line| line.contains("\"event\":\"judged\"")).expect("a line");
    (machine, judged_in(&line))
}

fn hand_in(machine: &mut Machine, user: &str, n: u64) -> Vec<Effect> {
    let file = found(&format!("{user}_{}.py", id(n)), i64::try_from(n).expect("small"));
    let effects = machine.handle(after(3), Input::Listing(vec![file]));
    let arrival = effects.into_iter().find_map(|effect| match effect {
        Effect::Receive(arrival, _) => Some(arrival),
        _ => None,
    });
    let good = Reception { sha256: Digest::of(b"source"), size: 10, objection: None };
    machine.handle(after(3), Input::Received(arrival.expect("a reception"), Ok(good)))
}

fn compared(effects: &[Effect]) -> Option<Comparison> {
    effects.iter().find_map(|effect| match effect {
        Effect::Compare(comparison) => Some(comparison.clone()),
        _ => None,
    })
}

fn starts(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Start(_)))
}

#[test]
fn what_the_edge_says_no_to_is_judged_in_its_turn() {
    let (mut machine, _) = with_first(&rules(""), Verdict::Accepted, Verdict::TimeLimit);
    let effects = hand_in(&mut machine, "alice", 2);
    let comparison = compared(&effects).expect("it may be known");
    assert!(!starts(&effects), "it waits for the answer");
    let effects = machine.handle(after(4), Input::Compared(comparison.submission, comparison.origin, None));
    assert!(starts(&effects) && compared(&effects).is_none(), "asked once");
}

#[test]
fn other_settings_are_another_judging_and_another_title_is_not() {
    for (extra, same) in [
        ("[competition]\ntitle = \"Another\"\n", true),
        ("[limits]\ncpu = \"3s\"\n", false),
        ("[evaluator.limits]\ncpu = \"3s\"\n", false),
        ("[sandbox]\nunix_sockets = true\n", false),
    ] {
        let (mut machine, _) = with_first(&rules(""), Verdict::Accepted, Verdict::Accepted);
        machine.handle(after(3), Input::Rules(rules(extra)));
        machine.handle(after(3), Input::Sandbox(Ok(())));
        machine.handle(after(3), Input::Sandbox(Ok(())));
        let effects = hand_in(&mut machine, "alice", 2);
        assert_eq!((compared(&effects).is_some(), starts(&effects)), (same, !same), "{extra}");
    }
}

#[test]
fn an_answer_about_rules_that_are_no_longer_in_force_does_not_count() {
    let (mut machine, first) = with_first(&rules(""), Verdict::Accepted, Verdict::Accepted);
    let comparison = compared(&hand_in(&mut machine, "alice", 2)).expect("it may be known");
    machine.handle(after(4), Input::Rules(rules("[limits]\ncpu = \"3s\"\n")));
    let effects = machine.handle(after(4), Input::Compared(comparison.submission, comparison.origin, Some(first)));
    assert!(starts(&effects), "it is judged under the new ones");
}

#[test]
fn nothing_is_reused_that_the_platform_or_the_evaluator_spoiled_and_private_failures_tell_nothing() {
    use Verdict::{Accepted, EvaluatorError, InfrastructureError, WrongAnswer};
    let asks = |public: Verdict, private: Verdict| {
        compared(&hand_in(&mut with_first(&rules(""), public, private).0, "alice", 2)).is_some()
    };
    assert!(asks(Accepted, Accepted) && asks(WrongAnswer, Accepted) && asks(Accepted, WrongAnswer));
    assert!(
        !asks(EvaluatorError, Accepted) && !asks(InfrastructureError, Accepted) && !asks(Accepted, InfrastructureError)
    );
    // Were it judged anew, its sender would see that, and so that the evaluator failed on a private case.
    assert!(asks(Accepted, EvaluatorError));
}

#[test]
fn a_restart_looks_again() {
    let (mut machine, first) = with_first(&rules(""), Verdict::Accepted, Verdict::Accepted);
    hand_in(&mut machine, "alice", 2);
    let mut next = Machine::new(Mode::Daemon, machine.history().clone(), rules(""));
    let effects = next.handle(after(5), Input::Sandbox(Ok(())));
    assert!(!starts(&effects));
    let comparison = compared(&effects).expect("it is looked up again");
    let effects = next.handle(after(6), Input::Compared(comparison.submission, comparison.origin, Some(first)));
    assert_eq!(lines(&effects).len(), 1);
    let second = next.history().get(Number(2)).expect("accepted");
    assert_eq!(second.judged().and_then(|judged| judged.reused()).map(|origin| origin.submission), Some(Number(1)));
    assert_eq!(second.attempts, 1);
}
