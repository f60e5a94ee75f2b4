//! Whose turn it is: users beside each other and behind each other, and results that wait.

use super::*;

/// The lines of `started` and `judged`, as user and event.
fn turns(log: &[String]) -> Vec<(String, &'static str)> {
    let turn = |line: &String| match Record::from_line(line).expect("a record").event {
        Event::Started(started) => Some((started.user.to_string(), "started")),
        Event::Judged(judged) => Some((judged.user.to_string(), "judged")),
        _ => None,
    };
    log.iter().filter_map(turn).collect()
}

#[test]
fn two_of_one_user_run_at_the_same_time_only_where_there_is_nothing_private() {
    let most_of_one_user = |rules: Arc<Rules>| {
        let mut most = 0;
        for dice in 0..20 {
            let mut world = World { rules: Arc::clone(&rules), ..World::new(dice) };
            for (n, user) in (1..).zip(["alice", "alice", "alice", "bob", "bob", "alice"]) {
                world.drop_file(&format!("{user}_{}.py", id(n)), i64::try_from(n).expect("small") * 10);
            }
            world.live();
            let mut running: BTreeMap<String, i32> = BTreeMap::new();
            for (user, event) in turns(&world.log) {
                let mine = running.entry(user).or_default();
                *mine += if event == "started" { 1 } else { -1 };
                most = most.max(*mine);
            }
            assert_eq!(count(&world.log, "judged"), 6);
        }
        most
    };
    assert_eq!(most_of_one_user(rules("")), 1);
    let open = config::parse("[testcases]\npublic = [\"one\"]\n[evaluator]\ncommand = [\"true\"]\n").expect("rules");
    let open = Rules { config: open, config_sha256: Digest::ZERO, users: Users::Anyone };
    assert_eq!(most_of_one_user(Arc::new(open)), 2);
}

#[test]
fn a_result_waits_for_its_step_and_keeps_its_worker_until_then() {
    let rules = rules("[queue]\nworkers = 1\nresult_steps = \"4s\"\n");
    let mut machine = ready(&rules);
    let receive = |machine: &mut Machine, n: u64, seconds: i64| {
        let file = found(&format!("user{n}_{}.py", id(n)), i64::try_from(n).expect("small"));
        let effects = machine.handle(after(seconds), Input::Listing(vec![file]));
        let arrival = effects.into_iter().find_map(|effect| match effect {
            Effect::Receive(arrival, _) => Some(arrival),
            _ => None,
        });
        let good = Reception { sha256: Digest::ZERO, size: 10, objection: None };
        machine.handle(after(seconds), Input::Received(arrival.expect("a reception"), Ok(good)))
    };
    let started = receive(&mut machine, 1, 10);
    let order = |effects: &[Effect]| {
        effects.iter().find_map(|effect| match effect {
            Effect::Start(order) => Some(order.clone()),
            _ => None,
        })
    };
    let first = order(&started).expect("it starts");
    assert_eq!(order(&receive(&mut machine, 2, 11)), None, "there is one worker");
    // It took five seconds, which is more than one step and less than two.
    machine.handle(after(15), Input::Judged(first.submission, Ok(report(&first))));
    assert_eq!(order(&machine.handle(after(17), Input::Tick { free_bytes: u64::MAX })), None);
    assert!(machine.history().get(Number(1)).is_some_and(|first| first.judged().is_none()));
    let effects = machine.handle(after(18), Input::Tick { free_bytes: u64::MAX });
    assert!(machine.history().get(Number(1)).is_some_and(|first| first.judged().is_some()));
    assert_eq!(order(&effects).map(|order| order.submission), Some(Number(2)));
    // Who is asked to end does not wait.
    machine.handle(after(19), Input::Judged(Number(2), Ok(report(&first))));
    assert!(machine.handle(after(19), Input::Shutdown).contains(&Effect::Exit(Exit::Done)));
    assert!(machine.history().get(Number(2)).is_some_and(|second| second.judged().is_some()));
}

#[test]
fn a_file_that_the_platform_failed_on_is_tried_again_later_and_holds_nobody_up() {
    let mut machine = ready(&rules(""));
    let files: Vec<Found> =
        (1..=2).map(|n| found(&format!("user{n}_{}.py", id(n)), i64::try_from(n).expect("small"))).collect();
    let receptions = |effects: Vec<Effect>| -> Vec<Arrival> {
        effects
            .into_iter()
            .filter_map(|effect| match effect {
                Effect::Receive(arrival, _) => Some(arrival),
                _ => None,
            })
            .collect()
    };
    let mut both = receptions(machine.handle(after(1), Input::Listing(files.clone())));
    assert_eq!(both.len(), 2);
    let (second, first) = (both.remove(1), both.remove(0));
    let effects =
        machine.handle(after(1), Input::Received(first, Err(Unreceived::Failed("the engine hiccuped".into()))));
    assert_eq!(receptions(effects), []);
    let good = || Ok(Reception { sha256: Digest::ZERO, size: 10, objection: None });
    machine.handle(after(1), Input::Received(second, good()));
    assert_eq!(machine.history().submissions().len(), 1, "the second need not wait for it");
    assert_eq!(receptions(machine.handle(after(2), Input::Listing(files.clone()))), []);
    let again = receptions(machine.handle(after(4), Input::Listing(files)));
    assert_eq!(again.len(), 1, "after a pause it is tried again");
    machine.handle(after(4), Input::Received(again[0].clone(), good()));
    assert_eq!(machine.history().submissions().len(), 2);
}

#[test]
fn who_hands_in_many_files_that_are_slow_to_check_keeps_nobody_waiting() {
    let mut machine = ready(&rules(""));
    let file = |n: u64, user: &str| found(&format!("{user}_{}.py", id(n)), i64::try_from(n).expect("small"));
    let files = vec![file(1, "mallory"), file(2, "mallory"), file(3, "mallory"), file(4, "bob")];
    let effects = machine.handle(after(1), Input::Listing(files));
    let mut begun: Vec<Arrival> = effects
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::Receive(arrival, _) => Some(arrival),
            _ => None,
        })
        .collect();
    let users = |begun: &[Arrival]| -> Vec<String> {
        begun.iter().filter_map(|arrival| Some(arrival.name.as_ref()?.user.to_string())).collect()
    };
    assert_eq!(users(&begun), ["mallory", "bob"], "one of each at a time");
    let good = Reception { sha256: Digest::ZERO, size: 10, objection: None };
    machine.handle(after(1), Input::Received(begun.remove(1), Ok(good)));
    assert_eq!(machine.history().submissions().len(), 0, "for a moment those who came first are waited for");
    for second in 2..5 {
        machine.handle(after(second), Input::Tick { free_bytes: u64::MAX });
    }
    let accepted: Vec<_> = machine.history().submissions().iter().map(|submission| submission.user.as_str()).collect();
    assert_eq!(accepted, ["bob"]);
}
