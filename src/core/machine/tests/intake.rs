//! Quotas, junk, and files that nobody ends.

use super::*;

fn refusals(effects: &[Effect]) -> Vec<Refusal> {
    let refusal = |line: &String| match Record::from_line(line).expect("a record").event {
        Event::Rejected(rejected) => Some(rejected.refusal),
        _ => None,
    };
    lines(effects).iter().filter_map(refusal).collect()
}

fn discards(effects: &[Effect]) -> Vec<crate::core::record::Discarded> {
    let discarded = |line: &String| match Record::from_line(line).expect("a record").event {
        Event::Discarded(discarded) => Some(discarded),
        _ => None,
    };
    lines(effects).iter().filter_map(discarded).collect()
}

#[test]
fn of_files_that_come_together_only_so_many_pass_as_the_quota_has_room_for() {
    for (extra, refusal) in [
        ("[submissions]\nrate = \"3/1h\"\n", Refusal::Rate),
        ("[submissions]\npending_per_user = 3\n", Refusal::Pending),
        ("[submissions]\ndisk_per_user = \"39 B\"\n", Refusal::Disk),
    ] {
        for dice in 0..10 {
            let mut world = World { rules: rules(extra), ..World::new(dice) };
            for n in 1..=8u64 {
                world.drop_file(&format!("alice_{}.py", id(n)), i64::try_from(n).expect("small") * 10);
            }
            world.live();
            let refused = world.log.iter().filter(|line| line.contains("\"event\":\"rejected\"")).count();
            let accepted = count(&world.log, "accepted");
            assert_eq!(accepted + refused, 8);
            // Some may be judged, and make room, before the last are looked at.
            assert!(if refusal == Refusal::Pending { accepted >= 3 } else { accepted == 3 }, "{refusal:?}: {accepted}");
            let history = world.history();
            let in_order: Vec<String> = history.submissions().iter().map(|one| one.id.to_string()).collect();
            assert!(in_order.is_sorted(), "the earlier ones are those that pass");
        }
    }
}

#[test]
fn a_quota_holds_at_every_acceptance_whatever_was_let_in_before() {
    let mut machine = ready(&rules("[submissions]\npending_per_user = 1\n"));
    let files: Vec<Found> =
        (1..=3).map(|n| found(&format!("alice_{}.py", id(n)), i64::try_from(n).expect("small"))).collect();
    let mut effects = machine.handle(after(1), Input::Listing(files));
    let good = Reception { sha256: Digest::ZERO, size: 10, objection: None };
    let mut all = Vec::new();
    while let Some(arrival) = effects.iter().find_map(|effect| match effect {
        Effect::Receive(arrival, _) => Some(arrival.clone()),
        _ => None,
    }) {
        effects = machine.handle(after(1), Input::Received(arrival, Ok(good.clone())));
        all.extend(effects.clone());
    }
    assert_eq!(machine.history().submissions().len(), 1);
    assert_eq!(refusals(&all), [Refusal::Pending, Refusal::Pending]);
    let aside =
        all.iter().any(|effect| matches!(effect, Effect::Dispose(_, Disposal::Refused { set_aside: true, .. })));
    assert!(!aside, "what there is no room for is not kept either");
}

#[test]
fn a_hidden_folder_is_no_upload_on_its_way() {
    let mut machine = ready(&rules(""));
    let folder = Found { kind: Kind::Folder, unchanged_for: Duration::ZERO, ..found(".x", 1) };
    let effects = machine.handle(after(1), Input::Listing(vec![folder]));
    assert_eq!(
        refusals(&effects),
        [Refusal::NotAFile],
        "nobody looks at what lies in it, and it could hold any number of bytes"
    );
}

#[test]
fn what_is_written_for_ever_fills_no_disk_under_any_name() {
    let mut machine = ready(&rules("[submissions]\nmax_size = \"1 MiB\"\n"));
    let folder = Some(Folder { user: "alice".parse().expect("a name"), door: Door::In });
    let file = |n: i64| {
        let name = if n % 2 == 0 { format!("alice_{}.py", id(n.unsigned_abs())) } else { format!("junk-{n}") };
        Found { folder: folder.clone(), size: 1 << 20, unchanged_for: Duration::ZERO, ..found(&name, n) }
    };
    let few: Vec<Found> = (1..=64).map(|n| Found { being_written: n % 3 == 0, renamed_in: false, ..file(n) }).collect();
    assert_eq!(refusals(&machine.handle(after(1), Input::Listing(few.clone()))), [], "they may become whole");
    let more = (65..=70).map(|n| Found { renamed_in: false, ..file(n) });
    let all: Vec<Found> = few.into_iter().chain(more).collect();
    assert_eq!(refusals(&machine.handle(after(2), Input::Listing(all.clone()))), [Refusal::Temporary; 6]);
    // Nor with second names that come and go.
    let mut machine = ready(&rules("[submissions]\nmax_size = \"1 MiB\"\n"));
    let linked = all.iter().map(|found| Found { kind: Kind::Linked, ..found.clone() }).collect();
    assert_eq!(refusals(&machine.handle(after(2), Input::Listing(linked))), [Refusal::Temporary; 6]);
    // One feeder, who is trusted, may bring a whole class's.
    let mut machine = ready(&rules("[submissions]\nmax_size = \"1 MiB\"\n"));
    let fed = all.into_iter().map(|found| Found { folder: None, ..found }).collect();
    assert_eq!(refusals(&machine.handle(after(2), Input::Listing(fed))), []);
}

#[test]
fn a_second_name_is_waited_for_as_sftp_renames_by_one() {
    let mut machine = ready(&rules(""));
    let name = format!("alice_{}.py", id(1));
    let linked = |millis| Found { kind: Kind::Linked, unchanged_for: Duration::from_millis(millis), ..found(&name, 1) };
    assert_eq!(refusals(&machine.handle(after(1), Input::Listing(vec![linked(0)]))), []);
    assert_eq!(refusals(&machine.handle(after(1), Input::Listing(vec![linked(9_999)]))), []);
    // The other name has gone, which changes the file.
    let effects = machine.handle(after(2), Input::Listing(vec![found(&name, 2)]));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Receive(..))), "{effects:?}");
    // One that keeps its second name is a trick.
    let name = format!("alice_{}.py", id(2));
    let trick = Found { kind: Kind::Linked, unchanged_for: Duration::from_secs(10), ..found(&name, 3) };
    assert_eq!(refusals(&machine.handle(after(3), Input::Listing(vec![trick]))), [Refusal::NotAFile]);
}

#[test]
fn junk_is_a_few_lines_and_not_one_for_each() {
    let mut machine = ready(&rules(""));
    let junk = |n: i64| Found { size: 3, ..found(&format!("junk-{n:06}"), n) };
    let files: Vec<Found> = (1..=50_000).map(junk).collect();
    let effects = machine.handle(after(1), Input::Listing(files.clone()));
    assert_eq!(refusals(&effects).len(), 100);
    let [discarded] = &discards(&effects)[..] else { panic!("one line for the rest") };
    assert_eq!((discarded.files, discarded.bytes, discarded.refusal), (49_900, 3 * 49_900, Refusal::Name));
    assert_eq!((discarded.first.as_str(), discarded.last.as_str()), ("junk-000101", "junk-050000"));
    let gone = effects.iter().find_map(|effect| match effect {
        Effect::Discard(files) => Some(files.len()),
        _ => None,
    });
    assert_eq!(gone, Some(49_900));
    // While they are being removed they are found again, and that is nothing new.
    assert!(lines(&machine.handle(after(2), Input::Listing(files[100..].to_vec()))).is_empty());
    // A crash before they are gone: they are found again, and there is a line about those.
    let mut next = Machine::new(Mode::Daemon, machine.history().clone(), rules(""));
    let effects = next.handle(after(3), Input::Listing(files[30_000..].to_vec()));
    let again: u64 = discards(&effects).iter().map(|discarded| discarded.files).sum();
    assert_eq!(refusals(&effects).len() as u64 + again, 20_000, "every file that goes is covered by a line");
}

#[test]
fn who_trickles_junk_is_not_given_a_line_for_each_for_ever_and_nobody_else_is_kept_from_theirs() {
    let mut machine = ready(&rules(""));
    let (mut singles, mut summaries) = (0, 0);
    let mut n = 0;
    for second in 1..=900 {
        let junk: Vec<Found> = (0..10)
            .map(|_| {
                n += 1;
                found(&format!("mallory_{}.exe", id(n)), i64::try_from(n).expect("small"))
            })
            .collect();
        let effects = machine.handle(after(second), Input::Listing(junk));
        singles += refusals(&effects).len();
        summaries += discards(&effects).len();
    }
    assert_eq!(singles, 2_000);
    assert!((5..40).contains(&summaries), "{summaries} lines for 7,000 files");
    let bob = found(&format!("bob_{}.exe", id(99_999)), 99_999);
    assert_eq!(refusals(&machine.handle(after(901), Input::Listing(vec![bob]))), [Refusal::Language]);
    // An hour later mallory has lines again.
    let late = found(&format!("mallory_{}.exe", id(99_998)), 99_998);
    assert_eq!(refusals(&machine.handle(after(901 + 3600), Input::Listing(vec![late]))), [Refusal::Language]);
}

#[test]
fn a_thousand_replays_are_a_thousand_lines_and_no_run() {
    let mut machine = ready(&rules(""));
    machine.handle(after(1), Input::Tick { free_bytes: u64::MAX });
    let mut refused = 0;
    for n in 1..=1_001 {
        let effects = machine.handle(after(n), Input::Listing(vec![found(&format!("alice_{}.py", id(1)), n)]));
        refused += refusals(&effects).iter().filter(|refusal| **refusal == Refusal::Duplicate).count();
        if let Some(Effect::Receive(arrival, _)) =
            effects.into_iter().find(|effect| matches!(effect, Effect::Receive(..)))
        {
            let good = Reception { sha256: Digest::ZERO, size: 10, objection: None };
            machine.handle(after(n), Input::Received(arrival, Ok(good)));
        }
    }
    assert_eq!((machine.history().submissions().len(), refused), (1, 1_000));
}

/// What the SFTP protocol calls a rename is, in OpenSSH, a link under the new name and then the old name's end.
#[test]
fn a_second_name_is_a_trick_only_when_it_stays() {
    let mut machine = ready(&rules(""));
    let file = |kind, unchanged_for| {
        let file = found(&format!("alice_{}.py", id(1)), 10);
        vec![Found { kind, unchanged_for, renamed_in: false, ..file }]
    };
    let (now, later) = (Duration::from_millis(3), Duration::from_secs(11));
    assert_eq!(refusals(&machine.handle(after(1), Input::Listing(file(Kind::Linked, now)))), []);
    let effects = machine.handle(after(2), Input::Listing(file(Kind::Plain, later)));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Receive(..))), "{effects:?}");
    let mut machine = ready(&rules(""));
    assert_eq!(refusals(&machine.handle(after(1), Input::Listing(file(Kind::Linked, later)))), [Refusal::NotAFile]);
}

#[test]
fn temporary_names_do_not_grow_for_ever() {
    let mut machine = ready(&rules("[submissions]\nmax_size = \"100 B\"\n"));
    let part = |n: i64| Found { renamed_in: false, ..found(&format!(".upload-{n}"), n) };
    let day = Duration::from_secs(86_400);
    let is_refused =
        |machine: &mut Machine, found: Found| refusals(&machine.handle(after(1), Input::Listing(vec![found])));
    assert_eq!(is_refused(&mut machine, part(1)), []);
    assert_eq!(is_refused(&mut machine, Found { size: 101, ..part(2) }), [Refusal::TooLarge]);
    assert_eq!(is_refused(&mut machine, Found { unchanged_for: day, ..part(3) }), [Refusal::Temporary]);
    assert_eq!(is_refused(&mut machine, Found { unchanged_for: day, being_written: true, ..part(4) }), []);

    // Too many: the oldest go. Those of another's folder count for themselves.
    let folder = |user: &str| Some(Folder { user: user.parse().expect("a name"), door: Door::In });
    let mut many: Vec<Found> = (10..113).map(|n| Found { folder: folder("alice"), size: 0, ..part(n) }).collect();
    many.push(Found { folder: folder("bob"), ..part(5) });
    let effects = machine.handle(after(2), Input::Listing(many));
    assert_eq!(refusals(&effects), [Refusal::Temporary; 3]);
    for (line, name) in lines(&effects).iter().zip([".upload-12", ".upload-11", ".upload-10"]) {
        assert!(line.contains(name) && line.contains("\"user\":\"alice\""), "{line}");
    }
    // Too large together: sixteen of the largest that are taken.
    let large: Vec<Found> = (200..217).map(|n| Found { folder: folder("alice"), size: 100, ..part(n) }).collect();
    assert_eq!(refusals(&machine.handle(after(3), Input::Listing(large))), [Refusal::Temporary]);
}

#[test]
fn under_owners_a_refusal_is_held_against_the_account_and_never_against_the_name() {
    let mut rules = (*rules("[submissions]\nidentity = \"owner\"\n")).clone();
    rules.users = Users::parse("username,password,role\nalice,,student\nbob,,student\n").expect("users");
    let rules = Arc::new(rules);
    let user = |name: &str, owner: Option<&str>| {
        let file = Found { owner: owner.map(str::to_owned), ..found(name, 10) };
        let effects = ready(&rules).handle(after(1), Input::Listing(vec![file]));
        match Record::from_line(&lines(&effects)[0]).expect("a record").event {
            Event::Rejected(rejected) => rejected.user.map(|user| user.to_string()),
            other => panic!("{other:?}"),
        }
    };
    let bobs = format!("bob_{}.py", id(1));
    assert_eq!(user(&bobs, Some("alice")).as_deref(), Some("alice"));
    assert_eq!(user(&bobs, Some("www-data")), None, "an account that is no user");
    assert_eq!(user(&bobs, Some("Alice")), None);
    assert_eq!(user(&bobs, None), None, "no account at all");
    assert_eq!(user("nonsense", Some("alice")).as_deref(), Some("alice"));
}

#[test]
fn twenty_thousand_files_in_one_folder_are_each_accepted_once() {
    const FILES: u64 = 20_000;
    let mut machine = ready(&rules(""));
    let files: Vec<Found> =
        (1..=FILES).map(|n| found(&format!("alice_{}.py", id(n)), i64::try_from(n).expect("small"))).collect();
    let mut effects = machine.handle(after(1), Input::Listing(files));
    let good = Reception { sha256: Digest::ZERO, size: 10, objection: None };
    while let Some(arrival) = effects.iter().find_map(|effect| match effect {
        Effect::Receive(arrival, _) => Some(arrival.clone()),
        _ => None,
    }) {
        effects = machine.handle(after(1), Input::Received(arrival, Ok(good.clone())));
    }
    let accepted = machine.history().submissions();
    assert_eq!(accepted.len() as u64, FILES);
    assert!(accepted.iter().zip(1..).all(|(submission, n)| submission.id.to_string() == id(n)), "in their order");
}
