//! The machine against a world of its own: an inbox, a log, workers, and a crash after every single effect.

mod intake;
mod reuse;
mod turns;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::*;
use crate::core::config::{self, Board};
use crate::core::history::Submission;
use crate::core::record::{Granted, Refusal};
use crate::core::submission::{Door, Folder};
use crate::core::users::Users;
use crate::core::verdict::Verdict;

const CONFIG: &str = "[testcases]\npublic = [\"one\"]\nprivate = [\"two\"]\n[evaluator]\ncommand = [\"true\"]\n";

fn rules(extra: &str) -> Arc<Rules> {
    let text = format!("{CONFIG}{extra}");
    let config = config::parse(&text).unwrap_or_else(|problems| panic!("{problems:?}"));
    Arc::new(Rules { config, config_sha256: Digest::of(text.as_bytes()), users: Users::Anyone })
}

fn start_of_time() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).expect("within range")
}

fn id(n: u64) -> String {
    format!("00000000-0000-4000-8000-{n:012}")
}

fn found(name: &str, changed_ns: i64) -> Found {
    Found {
        key: FileKey { changed_ns, inode: u64::try_from(changed_ns).expect("positive") },
        folder: None,
        name: name.into(),
        kind: Kind::Plain,
        size: 10,
        owner: None,
        renamed_in: true,
        being_written: false,
        unchanged_for: Duration::ZERO,
    }
}

/// Everything outside the machine.
struct World {
    now: DateTime<Utc>,
    ticked: DateTime<Utc>,
    rules: Arc<Rules>,
    inbox: BTreeMap<String, Found>,
    log: Vec<String>,
    kept: BTreeMap<Number, Arrival>,
    /// What runs, to be ended in an order that the dice decide.
    receiving: Vec<Arrival>,
    judging: Vec<Order>,
    comparing: Vec<Comparison>,
    probing: bool,
    /// The next judgings end like this.
    troubles: Vec<Trouble>,
    exited: Option<Exit>,
    /// How many judgings were run.
    runs: usize,
    dice: u64,
    /// After this many effects the machine's life ends.
    effects_left: usize,
    effects_performed: usize,
}

impl World {
    fn new(dice: u64) -> Self {
        Self {
            now: start_of_time(),
            ticked: start_of_time(),
            rules: rules(""),
            inbox: BTreeMap::new(),
            log: Vec::new(),
            kept: BTreeMap::new(),
            receiving: Vec::new(),
            judging: Vec::new(),
            comparing: Vec::new(),
            probing: false,
            troubles: Vec::new(),
            exited: None,
            runs: 0,
            dice,
            effects_left: usize::MAX,
            effects_performed: 0,
        }
    }

    fn roll(&mut self, sides: usize) -> usize {
        // Knuth's linear congruence: repeatable, and good enough to vary an order.
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.dice >> 33).unwrap_or(0) % sides
    }

    fn drop_file(&mut self, name: &str, changed_ns: i64) {
        self.inbox.insert(name.to_owned(), found(name, changed_ns));
    }

    /// What a file holds: files of one world are alike, unless their names say otherwise.
    fn bytes_of(&self, arrival: &Arrival) -> &'static [u8] {
        if arrival.found.size == 11 { b"another" } else { b"source" }
    }

    fn history(&self) -> History {
        let mut history = History::default();
        let mut prev = Digest::ZERO;
        for (i, line) in self.log.iter().enumerate() {
            let record = Record::from_line(line).expect("a record");
            assert_eq!(record.header.seq, i as u64 + 1, "no gaps");
            assert_eq!(record.header.prev, prev, "chained");
            prev = Digest::of(line.as_bytes());
            history.apply(&record, prev);
        }
        history
    }

    /// Performs effects until there are none left to perform in this life; false when it ended.
    fn perform(&mut self, effects: Vec<Effect>) -> bool {
        for effect in effects {
            if self.effects_left == 0 {
                return false;
            }
            self.effects_left -= 1;
            self.effects_performed += 1;
            match effect {
                Effect::Append(line) => self.log.push(line),
                Effect::Receive(arrival, _) => self.receiving.push(arrival),
                Effect::Keep(arrival, number) => {
                    self.kept.insert(number, arrival);
                }
                Effect::Dispose(arrival, _) => {
                    self.inbox.retain(|_, found| found.key != arrival.found.key);
                }
                Effect::Discard(files) => {
                    let line = self.log.iter().rfind(|line| line.contains("\"event\":\"discarded\""));
                    assert!(line.is_some(), "the line about them is there before they go");
                    self.inbox.retain(|_, found| files.iter().all(|gone| gone.key != found.key));
                }
                Effect::Forget(_) => {}
                Effect::Compare(comparison) => self.comparing.push(comparison),
                Effect::Start(order) => {
                    let started = self.log.last().expect("a line before every start");
                    assert!(
                        started.contains("\"event\":\"started\""),
                        "the start is in the log before it happens: {started}"
                    );
                    assert!(self.kept.contains_key(&order.submission), "the source is kept before it is judged");
                    self.judging.push(order);
                }
                Effect::Probe(_) => self.probing = true,
                Effect::Cancel | Effect::Publish(_) => {}
                Effect::Exit(exit) => self.exited = Some(exit),
            }
        }
        true
    }

    fn next_input(&mut self) -> Input {
        self.now += TimeDelta::milliseconds(7);
        if std::mem::take(&mut self.probing) {
            return Input::Sandbox(Ok(()));
        }
        let listing = |world: &World| Input::Listing(world.inbox.values().cloned().collect());
        match self.roll(5) {
            4 if !self.comparing.is_empty() => {
                let chosen = self.roll(self.comparing.len());
                let comparison = self.comparing.swap_remove(chosen);
                // Nothing is edited in this world.
                let earlier = judged_in(&self.log[usize::try_from(comparison.line).expect("small") - 1]);
                Input::Compared(comparison.submission, comparison.origin, Some(earlier))
            }
            0 if !self.receiving.is_empty() => {
                let chosen = self.roll(self.receiving.len());
                let arrival = self.receiving.swap_remove(chosen);
                let bad = arrival.found.name.to_string_lossy().starts_with("bad");
                let objection = bad.then(|| (Refusal::Check, "it does not compile".to_owned()));
                let sha256 = Digest::of(self.bytes_of(&arrival));
                Input::Received(arrival, Ok(Reception { sha256, size: 10, objection }))
            }
            1 | 2 if !self.judging.is_empty() => {
                let chosen = self.roll(self.judging.len());
                let order = self.judging.swap_remove(chosen);
                // What a case left lies beside the submission.
                self.runs += 1;
                Input::Judged(order.submission, self.troubles.pop().map_or_else(|| Ok(report(&order)), Err))
            }
            3 if self.now - self.ticked >= TimeDelta::seconds(1) => {
                self.ticked = self.now;
                Input::Tick { free_bytes: u64::MAX }
            }
            _ => listing(self),
        }
    }

    /// One life of the daemon: until it exits, or dies.
    fn live(&mut self) {
        (self.receiving, self.judging, self.comparing) = (Vec::new(), Vec::new(), Vec::new());
        (self.probing, self.exited) = (false, None);
        let mut machine = Machine::new(Mode::Once, self.history(), Arc::clone(&self.rules));
        for _ in 0..100_000 {
            let input = self.next_input();
            let effects = machine.handle(self.now, input);
            if !self.perform(effects) || self.exited.is_some() {
                return;
            }
        }
        panic!("no end: {:?}", self.log);
    }
}

/// The judging that a line tells of.
fn judged_in(line: &str) -> Judged {
    match Record::from_line(line).expect("a record").event {
        Event::Judged(judged) => judged,
        event => panic!("no judging: {event:?}"),
    }
}

fn result(name: &str) -> CaseResult {
    CaseResult {
        case: name.parse().expect("a name"),
        verdict: Verdict::Accepted,
        score: crate::core::score::Score::finite(1.0),
        cpu_seconds: 0.0,
        wall_seconds: 0.0,
        peak_memory_bytes: 0,
        message: None,
        staff_message: None,
        metrics: BTreeMap::new(),
        output_sha256: None,
        files: Vec::new(),
    }
}

fn report(order: &Order) -> Report {
    let digest = order.source_sha256;
    let provenance = Provenance {
        order: None,
        host: None,
        source_sha256: digest,
        evaluator_sha256: digest,
        cases_sha256: digest,
        config_sha256: digest,
        settings_sha256: order
            .rules
            .config
            .languages
            .get(&order.language)
            .map(|language| order.rules.config.judging_sha256(language)),
        limits: Some(Granted::of(&order.rules.config.limits)),
        engine: "scripted".into(),
        image: "none".into(),
    };
    Report { cases: vec![result("one"), result("two")], provenance }
}

/// A mixed inbox: seven good files, one that does not compile, one of a bad name, one replay of an id.
fn mixed(dice: u64) -> World {
    let mut world = World::new(dice);
    for n in 1..=7u64 {
        world.drop_file(&format!("user{n}_{}.py", id(n)), i64::try_from(n).expect("small") * 10);
    }
    world.drop_file(&format!("bad_{}.py", id(8)), 35);
    world.drop_file("nonsense", 36);
    world.drop_file(&format!("thief_{}.py", id(3)), 90);
    world
}

fn count(log: &[String], event: &str) -> usize {
    log.iter().filter(|line| line.contains(&format!("\"event\":\"{event}\""))).count()
}

/// What holds after everything, whatever happened on the way.
fn assert_settled(world: &World) {
    assert!(world.inbox.is_empty(), "left in the inbox: {:?}", world.inbox.keys());
    let history = world.history();
    assert_eq!(history.submissions().len(), 7);
    assert_eq!(count(&world.log, "accepted"), 7);
    assert_eq!(count(&world.log, "judged"), 7, "judged exactly once, each");
    assert_eq!(count(&world.log, "rejected"), 3);
    for (i, submission) in history.submissions().iter().enumerate() {
        assert!(submission.judged().is_some());
        assert_eq!(submission.user.as_str(), format!("user{}", i + 1), "accepted in the order of arrival");
        let kept = &world.kept[&submission.number];
        assert_eq!(
            kept.found.name.to_string_lossy(),
            format!("{}_{}.py", submission.user, submission.id),
            "the kept source is the accepted file's"
        );
    }
    assert_eq!(world.exited, Some(Exit::Done));
}

#[test]
fn a_crash_after_any_effect_loses_nothing_and_repeats_nothing() {
    for dice in 0..20 {
        // Every other world's results wait for their moment.
        let rules = if dice % 2 == 0 { rules("") } else { rules("[queue]\nresult_steps = \"40ms\"\n") };
        let new = || World { rules: Arc::clone(&rules), ..mixed(dice) };
        let mut whole = new();
        whole.live();
        assert_settled(&whole);
        for crash in 0..whole.effects_performed {
            let mut world = new();
            world.effects_left = crash;
            world.live();
            world.effects_left = usize::MAX;
            world.live();
            assert_settled(&world);
        }
    }
}

proptest! {
    #[test]
    fn any_number_of_crashes_at_any_effects(dice in any::<u64>(), crashes in proptest::collection::vec(0..40usize, 0..12)) {
        let mut world = mixed(dice);
        for crash in crashes {
            world.effects_left = crash;
            world.live();
        }
        world.effects_left = usize::MAX;
        world.live();
        assert_settled(&world);
    }
}

#[test]
fn a_fault_of_the_platform_is_tried_again_and_then_set_aside_uncharged() {
    let mut world = World::new(1);
    world.drop_file(&format!("alice_{}.py", id(1)), 10);
    world.troubles = vec![Trouble::failed("the engine hiccuped"); 2];
    world.live();
    let history = world.history();
    let submission = history.get(Number(1)).expect("accepted");
    assert_eq!((submission.attempts, count(&world.log, "started")), (3, 3));
    assert!(submission.counts(&world.rules.config.cases), "the third try was good");

    let mut world = World::new(1);
    world.drop_file(&format!("alice_{}.py", id(1)), 10);
    world.troubles = vec![Trouble::failed("the engine is broken"); 9];
    world.live();
    let history = world.history();
    let submission = history.get(Number(1)).expect("accepted");
    let judged = submission.judged().expect("set aside, with a record");
    assert_eq!(judged.verdict(&world.rules.config.cases.public), Verdict::InfrastructureError);
    let told = judged_in(world.log.last().expect("a line"));
    assert_eq!(told.cases[0].staff_message.as_deref(), Some("the engine is broken"));
    assert!(!submission.counts(&world.rules.config.cases), "no attempt is charged");
    assert_eq!(count(&world.log, "started"), 3);

    // On a private case only: nothing of that shows while the board is open.
    let mut world = World::new(1);
    world.drop_file(&format!("alice_{}.py", id(1)), 10);
    let trouble = Trouble::Failed { why: "the engine is broken".into(), cases: vec![result("one")] };
    world.troubles = vec![trouble; 9];
    world.live();
    let history = world.history();
    let judged = history.get(Number(1)).and_then(Submission::judged).expect("set aside, with a record");
    let (cases, score) = (&world.rules.config.cases, &world.rules.config.score);
    assert_eq!(
        (judged.verdict(&cases.public), judged.verdict(&cases.private)),
        (Verdict::Accepted, Verdict::InfrastructureError)
    );
    assert!(judged.score(&cases.public, score).is_some() && judged.score(cases.all(), score).is_none());
}

/// A machine whose sandbox is ready, at the start of time.
fn ready(rules: &Arc<Rules>) -> Machine {
    let mut machine = Machine::new(Mode::Daemon, History::default(), Arc::clone(rules));
    machine.handle(start_of_time(), Input::Sandbox(Ok(())));
    machine.handle(start_of_time(), Input::Sandbox(Ok(())));
    machine
}

fn after(seconds: i64) -> DateTime<Utc> {
    start_of_time() + TimeDelta::seconds(seconds)
}

fn lines(effects: &[Effect]) -> Vec<String> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Append(line) => Some(line.clone()),
            _ => None,
        })
        .collect()
}

#[test]
fn an_unavailable_sandbox_holds_the_queue_says_why_and_goes_on_by_itself() {
    let rules = rules("");
    let mut machine = Machine::new(Mode::Daemon, History::default(), Arc::clone(&rules));
    let file = found(&format!("alice_{}.py", id(1)), 10);
    machine.handle(after(0), Input::Listing(vec![file]));
    machine.handle(after(1), Input::Sandbox(Err("bwrap is not installed".into())));
    assert_eq!(machine.held(), Some("bwrap is not installed"));
    let effects = machine.handle(after(2), Input::Tick { free_bytes: u64::MAX });
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Probe(_))), "it is tried again");
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Receive(..) | Effect::Start(_))));
    let effects = machine.handle(after(3), Input::Sandbox(Ok(())));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Receive(..))), "it goes on");
    assert_eq!(machine.held(), None);
}

#[test]
fn a_full_disk_takes_nothing_in_and_starts_nothing() {
    let mut machine = ready(&rules(""));
    machine.handle(after(1), Input::Tick { free_bytes: LEAST_FREE_BYTES - 1 });
    assert!(machine.held().is_some());
    let file = found(&format!("alice_{}.py", id(1)), 10);
    let effects = machine.handle(after(2), Input::Listing(vec![file]));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Receive(..))));
    let effects = machine.handle(after(3), Input::Tick { free_bytes: LEAST_FREE_BYTES });
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Receive(..))));
}

#[test]
fn the_board_turns_by_the_config_and_by_the_clock_and_each_turn_is_one_line() {
    let mut machine = ready(&rules(""));
    assert_eq!(machine.history().board(), Some(Board::Open));
    let closed = machine.handle(after(1), Input::Rules(rules("[competition]\nstate = \"closed\"\n")));
    assert_eq!(lines(&closed).len(), 1);
    assert_eq!(machine.history().board(), Some(Board::Closed));
    let file = found(&format!("alice_{}.py", id(1)), 10);
    let refused = machine.handle(after(2), Input::Listing(vec![file]));
    assert!(lines(&refused)[0].contains("\"refusal\":\"board-closed\""));
    machine.handle(after(3), Input::Rules(rules("")));
    assert_eq!(machine.history().board(), Some(Board::Open));

    let closes_at = after(10).to_rfc3339();
    machine.handle(after(4), Input::Rules(rules(&format!("[competition]\ncloses_at = \"{closes_at}\"\n"))));
    assert_eq!(machine.history().board(), Some(Board::Open));
    machine.handle(after(10), Input::Tick { free_bytes: u64::MAX });
    assert_eq!(machine.history().board(), Some(Board::Closed));
}

#[test]
fn the_board_freezes_and_thaws_by_the_clock_and_by_the_config_and_each_turn_is_one_line() {
    let tick = || Input::Tick { free_bytes: u64::MAX };
    let hours = format!(
        "[competition]\nfreezes_at = \"{}\"\ncloses_at = \"{}\"\n",
        after(10).to_rfc3339(),
        after(20).to_rfc3339()
    );
    let mut machine = ready(&rules(&hours));
    let turns = |machine: &mut Machine, seconds, input| {
        let told = lines(&machine.handle(after(seconds), input));
        assert!(told.iter().all(|line| line.contains("\"event\":\"board\"")), "{told:?}");
        (told.len(), machine.history().is_frozen())
    };
    assert_eq!(turns(&mut machine, 9, tick()), (0, false));
    assert_eq!(turns(&mut machine, 10, tick()), (1, true));
    assert_eq!(turns(&mut machine, 11, tick()), (0, true));
    assert_eq!(turns(&mut machine, 12, Input::Rules(rules(""))), (1, false), "whoever takes the line out thaws it");
    assert_eq!(turns(&mut machine, 13, Input::Rules(rules(&hours))), (1, true));
    assert_eq!(turns(&mut machine, 20, tick()), (1, false), "a closed board is not frozen");
    assert_eq!(machine.history().board(), Some(Board::Closed));
}

#[test]
fn a_file_is_taken_when_it_was_renamed_in_or_has_settled_and_nobody_writes_it() {
    let taken = |change: &dyn Fn(&mut Found)| {
        let mut machine = ready(&rules(""));
        let mut file = found(&format!("alice_{}.py", id(1)), 10);
        file.renamed_in = false;
        change(&mut file);
        machine.handle(after(1), Input::Listing(vec![file])).iter().any(|effect| matches!(effect, Effect::Receive(..)))
    };
    assert!(taken(&|file| file.renamed_in = true));
    assert!(taken(&|file| file.unchanged_for = Duration::from_secs(2)));
    assert!(!taken(&|file| file.unchanged_for = Duration::from_millis(1999)));
    assert!(!taken(&|file| (file.unchanged_for, file.being_written) = (Duration::from_secs(9), true)));
}

#[test]
fn a_slow_check_keeps_its_place_for_a_while_and_then_loses_it() {
    let mut machine = ready(&rules(""));
    let (slow, quick) = (found(&format!("slow_{}.py", id(1)), 10), found(&format!("quick_{}.py", id(2)), 20));
    let effects = machine.handle(after(1), Input::Listing(vec![slow, quick]));
    let arrivals: Vec<_> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Receive(arrival, _) => Some(arrival.clone()),
            _ => None,
        })
        .collect();
    let good = Reception { sha256: Digest::ZERO, size: 10, objection: None };
    let effects = machine.handle(after(2), Input::Received(arrivals[1].clone(), Ok(good.clone())));
    assert!(lines(&effects).is_empty(), "the earlier one is waited for");
    let tick = || Input::Tick { free_bytes: u64::MAX };
    for _ in 0..2 {
        assert!(
            lines(&machine.handle(after(60), tick())).is_empty(),
            "however much time the daemon itself was held up"
        );
    }
    assert!(!machine.is_slow(&arrivals[0]));
    let effects = machine.handle(after(61), tick());
    assert!(lines(&effects)[0].contains("\"user\":\"quick\""));
    assert!(machine.is_slow(&arrivals[0]));
    let effects = machine.handle(after(62), Input::Received(arrivals[0].clone(), Ok(good)));
    assert!(lines(&effects)[0].contains("\"user\":\"slow\",") && lines(&effects)[0].contains("\"submission\":2"));
}

#[test]
fn what_lies_in_a_users_folder_is_that_users_and_nobody_elses() {
    let mut machine = ready(&rules(""));
    let mut file = found(&format!("bob_{}.py", id(1)), 10);
    file.folder = Some(Folder { user: "alice".parse().expect("a name"), door: Door::In });
    let effects = machine.handle(after(1), Input::Listing(vec![file]));
    let line = &lines(&effects)[0];
    assert!(
        line.contains("\"refusal\":\"identity\"") && line.contains("\"user\":\"alice\""),
        "held against who sent it: {line}"
    );

    let mut machine = ready(&rules("[submissions]\nidentity = \"owner\"\n"));
    let mut file = found(&format!("bob_{}.py", id(1)), 10);
    file.owner = Some("alice".into());
    assert!(lines(&machine.handle(after(1), Input::Listing(vec![file])))[0].contains("\"refusal\":\"identity\""));
}

#[test]
fn shutdown_waits_for_what_runs_and_the_next_life_queues_it_again() {
    let mut machine = ready(&rules(""));
    let file = found(&format!("alice_{}.py", id(1)), 10);
    let effects = machine.handle(after(1), Input::Listing(vec![file]));
    let Some(Effect::Receive(arrival, _)) = effects.into_iter().find(|effect| matches!(effect, Effect::Receive(..)))
    else {
        panic!("no reception")
    };
    let good = Reception { sha256: Digest::ZERO, size: 10, objection: None };
    let effects = machine.handle(after(2), Input::Received(arrival, Ok(good)));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Start(_))));
    let effects = machine.handle(after(3), Input::Shutdown);
    assert!(effects.contains(&Effect::Cancel) && !effects.iter().any(|effect| matches!(effect, Effect::Exit(_))));
    let effects = machine.handle(after(4), Input::Judged(Number(1), Err(Trouble::Cancelled)));
    assert!(effects.contains(&Effect::Exit(Exit::Done)));
    let next = Machine::new(Mode::Daemon, machine.history().clone(), rules(""));
    assert_eq!(next.history().waiting().count(), 1);
}

#[test]
fn the_queue_is_first_come_first_served_and_never_wider_than_its_workers() {
    let mut world = mixed(3);
    world.live();
    let started: Vec<u64> = world
        .log
        .iter()
        .filter_map(|line| match Record::from_line(line).expect("a record").event {
            Event::Started(started) => Some(started.submission.0),
            _ => None,
        })
        .collect();
    assert!(started.is_sorted(), "{started:?}");
    let (mut running, mut most) = (0, 0);
    for line in &world.log {
        running += i32::from(line.contains("\"event\":\"started\"")) - i32::from(line.contains("\"event\":\"judged\""));
        most = most.max(running);
    }
    assert_eq!(most, 2);
}
