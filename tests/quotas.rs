//! How much one user may hand in, the same bytes again, what staff read, and what becomes of floods: none of it costs another user anything.

mod support;

use std::fs;
use std::io::{Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use serde_json::Value;

use support::{Competition, Contest, HIDDEN_CASE, STAFF_TAG, a_new_id, answer, sha256, sha256_of_file, slow_answer};

/// The one line that refuses a submission's file.
#[track_caller]
fn refused(contest: &Contest, id: &str, refusal: &str) -> String {
    let status = contest.outcome(id);
    assert_eq!(status["state"], "rejected", "{status}");
    let line = contest.event("rejected", id);
    assert_eq!(line["refusal"], refusal, "{line}");
    assert_eq!(line["reason"], status["reason"]);
    line["reason"].as_str().expect("a reason").to_owned()
}

// ---------------------------------------------------------------------------------------------- quotas

#[test]
fn a_rate_counts_what_was_accepted_and_the_refusal_says_when_the_next_is_taken() {
    let users = [("mira", "student"), ("bo", "student"), ("eva", "evaluator")];
    let mut contest = Competition::new("Rate").users(&users).set("submissions.rate", "2/1h").start();
    // What the evaluator spoiled is given back, and what was refused never counted.
    let spoiled = contest.hand_in("mira", "py", answer("nan"));
    assert_eq!(contest.outcome(&spoiled)["verdict"], "evaluator-error");
    let bad = contest.hand_in("mira", "py", "no python at all\n");
    refused(&contest, &bad, "check");
    for word in ["4", "5"] {
        let id = contest.hand_in("mira", "py", answer(word));
        assert_eq!(contest.outcome(&id)["verdict"], "accepted");
    }
    let third = contest.hand_in("mira", "py", answer("6"));
    let reason = refused(&contest, &third, "rate");
    assert!(reason.contains("at most 2 in 1h are taken, and 2 were"), "{reason}");
    let first = contest.events("accepted")[1]["at"].as_str().expect("a moment").to_owned();
    let next = chrono::DateTime::parse_from_rfc3339(&first).expect("RFC 3339") + chrono::TimeDelta::hours(1);
    let next = next.to_utc().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    assert!(reason.contains(&next), "{reason} does not name {next}");

    // Others are not bounded by hers, and staff by none.
    for (user, word) in [("bo", "1"), ("eva", "1"), ("eva", "2"), ("eva", "3")] {
        let id = contest.hand_in(user, "py", answer(word));
        assert_eq!(contest.outcome(&id)["verdict"], "accepted");
    }
    contest.wait_for_site();
    let page = fs::read_to_string(contest.path("public/u/mira/index.html")).expect("her page");
    assert!(page.contains("of 2 at the last submission"), "{page}");

    // All of it is in the log: the next daemon knows it too, and the site is the same when it is made anew.
    assert!(contest.stop().success());
    let site = contest.site().without_clock();
    fs::remove_dir_all(contest.path("public")).expect("removed");
    contest.podium(&["build"]).exits(0);
    for (name, page) in &contest.site().without_clock().0 {
        let before = site.0.get(name).map(|page| String::from_utf8_lossy(page).into_owned());
        let is_live = ["index.html", "queue.html"].contains(&name.as_str());
        assert!(is_live || before.as_deref() == Some(&*String::from_utf8_lossy(page)), "{name} is another page");
    }
    contest.start();
    let again = contest.hand_in("mira", "py", answer("7"));
    refused(&contest, &again, "rate");
    // A rate that allows more is in force at once.
    contest.set("submissions.rate", "3/1h");
    contest.wait_for("the settings are in force", || contest.daemon().said().contains("are in force"));
    let more = contest.hand_in("mira", "py", answer("8"));
    assert_eq!(contest.outcome(&more)["verdict"], "accepted");
    contest.assert_log_is_whole();
}

#[test]
fn of_four_that_come_together_two_may_wait() {
    let contest = Competition::new("Pending").set("submissions.pending_per_user", 2).set("queue.workers", 1).start();
    let ids: Vec<String> = (0..4).map(|_| a_new_id()).collect();
    for (n, id) in ids.iter().enumerate() {
        let program = format!("# {n}\n{}", slow_answer("4", 5.0));
        fs::write(contest.path("inbox").join(format!(".{id}")), program).expect("written");
    }
    for id in &ids {
        fs::rename(contest.path("inbox").join(format!(".{id}")), contest.path(&format!("inbox/mira_{id}.py")))
            .expect("renamed");
    }
    contest.wait_for("all are dealt with", || contest.count("accepted") + contest.count("rejected") == 4);
    assert_eq!((contest.count("accepted"), contest.count("judged")), (2, 0));
    assert!(
        contest.events("rejected").iter().all(|line| line["refusal"] == "pending"),
        "{:?}",
        contest.events("rejected")
    );
    contest.wait_for_judged(2);
    let id = contest.hand_in("mira", "py", answer("4"));
    assert_eq!(contest.outcome(&id)["verdict"], "accepted", "there is room again");
}

#[test]
fn what_is_kept_for_a_user_is_bounded() {
    let contest = Competition::new("Disk").set("submissions.disk_per_user", "20 KiB").start();
    let large = |n: usize| format!("# {n} {}\n{}", "x".repeat(8 << 10), answer("4"));
    for n in 0..2 {
        let id = contest.hand_in("mira", "py", large(n));
        assert_eq!(contest.outcome(&id)["verdict"], "accepted");
    }
    let third = contest.hand_in("mira", "py", large(2));
    let reason = refused(&contest, &third, "disk");
    assert!(reason.contains("20480") && reason.contains("only staff"), "{reason}");
    let line = contest.event("rejected", &third)["seq"].clone();
    assert!(!contest.path(&format!("results/refused/{line}")).exists(), "nor is it kept among the refused");
    let other = contest.hand_in("bo", "py", large(3));
    assert_eq!(contest.outcome(&other)["verdict"], "accepted");
    contest.assert_log_is_whole();
}

// ---------------------------------------------------------------------------------------------- the same bytes again

#[test]
fn the_same_bytes_are_answered_without_a_run_until_something_is_different() {
    let mut contest = Competition::new("Again").start();
    let program = answer("4");
    let first = contest.hand_in("mira", "py", &program);
    let status = contest.outcome(&first);
    assert_eq!((&status["verdict"], &status["reused"]), (&"accepted".into(), &Value::Null));

    let runs = |contest: &Contest| contest.count("started");
    let again = |contest: &Contest, user: &str| {
        let before = runs(contest);
        let id = contest.hand_in(user, "py", &program);
        let status = contest.outcome(&id);
        assert_eq!(status["verdict"], "accepted");
        (id, status["reused"].clone(), runs(contest) - before)
    };
    let (second, reused, ran) = again(&contest, "mira");
    assert_eq!((reused, ran), (1.into(), 0));
    let judged = contest.event("judged", &second);
    assert_eq!((&judged["reused"]["submission"], &judged["attempt"]), (&1.into(), &1.into()));
    assert_eq!(judged["cases"], contest.event("judged", &first)["cases"]);
    assert_eq!(judged["provenance"], contest.event("judged", &first)["provenance"]);
    // What was kept is kept once, and the page shows it.
    let kept = walkdir::WalkDir::new(contest.path("results/submissions/000002")).into_iter().flatten();
    assert_eq!(kept.filter(|entry| entry.file_type().is_file()).count(), 2, "its source, and what its check said");
    contest.wait_for_site();
    let page = |id: &str| fs::read_to_string(contest.path(&format!("public/s/{id}/index.html"))).expect("a page");
    assert!(page(&second).contains("ONE-OPEN-TAG") && page(&second).contains("These very bytes were judged before"));
    assert!(!page(&first).contains("judged before"));
    let users = fs::read_to_string(contest.path("public/u/mira/index.html")).expect("her page");
    assert!(users.contains("as <a href=\"#n-1\">1</a>"), "{users}");
    // Another's same bytes, and the same bytes in another language, are judgings of their own.
    assert_eq!(again(&contest, "bo").1, Value::Null);
    let file = contest.hand_in("mira", "sh", &program);
    contest.outcome(&file);
    assert_eq!(contest.status(&file).expect("its status")["reused"], Value::Null);

    // A title makes no judging. Limits, the evaluator and the cases do.
    contest.set("competition.title", "Once more");
    contest.wait_for("the title is in force", || contest.board()["title"] == "Once more");
    assert_eq!(again(&contest, "mira").2, 0);
    contest.set("limits.wall", "7s");
    contest.wait_for("the limit is in force", || contest.daemon().said().matches("are in force").count() == 2);
    let (_, reused, ran) = again(&contest, "mira");
    assert_eq!((reused, ran), (Value::Null, 1));
    let (_, reused, ran) = again(&contest, "mira");
    assert!(reused.is_number() && ran == 0, "from the latest judging");
    for file in ["evaluator/evaluator.py", "testcases/hidden-case/note.txt"] {
        let path = contest.path(file);
        let text = fs::read_to_string(&path).unwrap_or_default();
        fs::write(&path, format!("{text}\n# edited\n")).expect("edited");
        assert_eq!(again(&contest, "mira").2, 1, "{file} is another one");
        assert_eq!(again(&contest, "mira").2, 0);
    }
    // The next daemon knows it from the log.
    assert!(contest.stop().success());
    contest.start();
    let (_, reused, ran) = again(&contest, "mira");
    assert!(reused.is_number() && ran == 0);
    contest.assert_log_is_whole();
    contest.assert_ids_are_secret();
}

// ---------------------------------------------------------------------------------------------- staff

#[test]
fn staff_read_what_the_evaluator_tells_staff_and_students_never_do() {
    let users = [("mira", "student"), ("eva", "evaluator"), ("sue", "superuser")];
    let contest = Competition::new("Staff").users(&users).start();
    let ids = users.map(|(user, _)| contest.hand_in(user, "py", answer("4")));
    let told = |id: &str| {
        let cases = contest.outcome(id)["staff_messages"].as_array().cloned().unwrap_or_default();
        let page = fs::read_to_string(contest.path(&format!("public/s/{id}/index.html"))).unwrap_or_default();
        assert_eq!(page.contains(STAFF_TAG), !cases.is_empty());
        cases.iter().map(|told| told["case"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    contest.wait_for_judged(3);
    assert_eq!(ids.each_ref().map(|id| told(id).len()), [0, 2, 2]);
    assert_eq!(contest.site().holding(STAFF_TAG).len(), 4, "the pages and the JSON of the two, and nothing else");
    assert_eq!(contest.site().holding(HIDDEN_CASE), [""; 0]);
    contest.set("competition.state", "closed");
    contest.wait_for("the board is closed", || contest.board()["state"] == "closed");
    contest.wait_for("the pages say so", || told(&ids[1]).len() == 3);
    assert_eq!(told(&ids[1]), ["one", "two", HIDDEN_CASE]);
    assert_eq!(told(&ids[0]), [""; 0]);
}

// ---------------------------------------------------------------------------------------------- floods

/// INB-06.
#[test]
fn a_thousand_replays_are_a_thousand_refusals_and_no_run() {
    const ROUNDS: usize = 40;
    const USERS: usize = 25;
    let mut contest = Competition::new("Replays").start();
    let id = contest.hand_in("mira", "py", answer("4"));
    let first = contest.outcome(&id);
    for round in 0..ROUNDS {
        // The same bytes and others, by the same user and others.
        for user in 0..USERS {
            let name = if user == 0 { "mira".to_owned() } else { format!("user-{user}") };
            contest.drop_file(format!("{name}_{id}.py"), answer(if user % 2 == 0 { "4" } else { "1" }));
        }
        contest.wait_for("all are refused", || contest.count("rejected") == (round + 1) * USERS);
        if round == ROUNDS / 2 {
            contest.kill_nine();
            contest.start();
        }
    }
    assert!(contest.events("rejected").iter().all(|line| line["refusal"] == "duplicate"));
    assert_eq!(["accepted", "started", "judged"].map(|event| contest.count(event)), [1, 1, 1]);
    contest.wait_for_site();
    assert_eq!(contest.status(&id), Some(first));
    contest.assert_log_is_whole();
}

/// INB-07, the first half; the second is `intake::what_was_accepted_does_not_change_any_more`.
#[test]
fn what_is_overwritten_while_it_is_taken_is_one_version_everywhere() {
    let contest = Competition::new("Overwritten").set("submissions.settle", "0s").start();
    // Long enough that a copy takes more than one read, and of one length.
    let version = |word: &str| format!("echo {word} # {}\n", word.repeat(300_000)).into_bytes();
    let versions = [version("4"), version("5")];
    let sums = versions.each_ref().map(|bytes| sha256(bytes));
    let (began, mut alternations) = (Instant::now(), 0);
    let mut ids = Vec::new();
    while began.elapsed() < Duration::from_secs(8) {
        let id = a_new_id();
        let path = contest.path(&format!("inbox/mira_{id}.sh"));
        let hidden = contest.path(&format!("inbox/.{id}"));
        fs::write(&hidden, &versions[0]).expect("written");
        fs::rename(&hidden, &path).expect("renamed");
        // In place, by the path, until the path is gone; and by the old handle for a while after.
        let mut old = fs::File::options().write(true).open(&path).ok();
        while began.elapsed() < Duration::from_secs(8) {
            let bytes = &versions[alternations % 2];
            alternations += 1;
            if let Some(old) = &mut old {
                old.rewind().and_then(|()| old.write_all(bytes)).expect("written by the old handle");
            }
            match fs::File::options().write(true).open(&path) {
                Ok(mut file) => file.write_all(bytes).expect("written"),
                Err(_) => break,
            }
            if alternations % 3 == 0 {
                // Now and then nobody holds it.
                old = None;
                support::wait_until(Duration::from_millis(20), || !path.exists(), || ());
            }
        }
        ids.push(id);
    }
    for id in &ids {
        assert_eq!(contest.outcome(id)["verdict"], "accepted");
        let accepted = contest.event("accepted", id);
        let recorded = accepted["sha256"].as_str().expect("a digest");
        assert!(sums.iter().any(|sum| sum == recorded), "{id} is neither version");
        let number = accepted["submission"].as_u64().expect("a number");
        let kept = contest.path(&format!("results/submissions/{number:06}/source.sh"));
        assert_eq!(sha256_of_file(&kept), recorded);
        let judged = contest.event("judged", id);
        assert_eq!(judged["provenance"]["source_sha256"], recorded);
        // What ran was that version, too.
        let score = if recorded == sums[0] { 44 } else { 55 };
        assert_eq!(contest.status(id).expect("its status")["public_score"], score);
    }
    println!("{} submissions, {alternations} alternations", ids.len());
    assert!(alternations > 100, "{alternations}");
    contest.assert_log_is_whole();
}

/// INB-09.
#[test]
fn twenty_thousand_files_in_one_folder_are_each_queued_once_and_the_overflow_is_noted() {
    const FILES: usize = 20_000;
    const USERS: usize = 20;
    let mut contest = Competition::new("Twenty thousand").set("queue.workers", 1).start();
    let names: Vec<String> = (0..FILES).map(|file| format!("user-{}_{}.sh", file % USERS, a_new_id())).collect();
    // As long as it is stopped nobody reads what the kernel has to tell.
    contest.daemon().pause();
    for (n, name) in names.iter().enumerate() {
        fs::write(contest.path("inbox").join(name), format!("sleep 1 # {n}\n")).expect("written");
    }
    contest.daemon().go_on();
    contest.wait_within(Duration::from_secs(900), "all are accepted", || {
        // Reading the whole log each time would be most of the work.
        let left = contest.inbox().len();
        left == 0
    });
    assert!(contest.daemon().said().contains("overflowed"));
    contest.stop();
    let mut accepted: Vec<String> =
        contest.events("accepted").iter().map(|line| line["file"].as_str().expect("a name").to_owned()).collect();
    accepted.sort();
    let mut wanted = names;
    wanted.sort();
    assert!(accepted == wanted, "{} of {FILES} accepted", accepted.len());
    assert_eq!(contest.count("rejected"), 0);
}

/// INB-10, with a tenth of the files; docs/benchmarks.md has what a million costs.
#[test]
fn junk_of_one_user_holds_nobody_up_and_is_no_line_for_each() {
    const JUNK: usize = 100_000;
    let mut contest = Competition::new("Junk").users(&[("mallory", "student"), ("bo", "student")]).prepare();
    for folder in ["inbox/mallory/in", "inbox/bo/in"] {
        fs::create_dir_all(contest.path(folder)).expect("a user's folder");
    }
    contest.start();
    let folder = contest.path("inbox/mallory/in");
    for n in 0..JUNK {
        let name = match n % 3 {
            // Under a submission's name, but empty; under any name; under a temporary one.
            0 => format!("mallory_{}.py", a_new_id()),
            1 => format!("junk-{n}"),
            _ => format!(".junk-{n}"),
        };
        fs::File::create(folder.join(name)).expect("junk");
    }
    let began = Instant::now();
    let id = a_new_id();
    contest.drop_into("inbox/bo/in", format!("bo_{id}.py"), answer("4"));
    contest.wait_within(Duration::from_secs(60), "bo's is started", || {
        contest.events("started").iter().any(|line| line["id"] == id.as_str())
    });
    println!("started after {:?}", began.elapsed());
    assert_eq!(contest.outcome(&id)["verdict"], "accepted");
    let left = || fs::read_dir(&folder).expect("the folder").count();
    contest.wait_within(Duration::from_secs(300), "the junk is gone", || left() <= 100);
    println!("gone after {:?}, {} MiB", began.elapsed(), contest.daemon().resident_bytes() >> 20);
    assert!(contest.daemon().resident_bytes() < 256 << 20);
    let lines = contest.log();
    assert!(lines.len() < 3_000, "{} lines", lines.len());
    let discarded: Vec<_> = lines.iter().filter(|line| line["event"] == "discarded").collect();
    assert!(discarded.iter().all(|line| line["user"] == "mallory" && line["bytes"] == 0), "{discarded:?}");
    let count: u64 = discarded.iter().map(|line| line["files"].as_u64().expect("a count")).sum();
    let singly = lines.iter().filter(|line| line["event"] == "rejected").count();
    assert!(count as usize + singly >= JUNK - 100, "every file that went is covered: {count} and {singly}");
    let refusals: std::collections::BTreeSet<_> = discarded.iter().map(|line| line["refusal"].to_string()).collect();
    assert!(refusals.contains("\"empty\"") && refusals.contains("\"name\""), "{refusals:?}");
    contest.wait_for_site();
    assert!(contest.site().0.len() < 5_000, "nor is there a page for each");
    contest.assert_log_is_whole();
}

#[test]
fn who_has_a_lease_on_a_file_holds_up_that_file_and_nothing_else() {
    let contest = Competition::new("Lease").start();
    let id = a_new_id();
    let hidden = contest.path("inbox/.hidden");
    fs::write(&hidden, answer("4")).expect("written");
    let file = fs::File::options().read(true).write(true).custom_flags(libc::O_CLOEXEC).open(&hidden).expect("opened");
    // SAFETY: both commands take an integer and touch no memory. The signal of a broken lease is one that is ignored.
    let leased = unsafe {
        libc::fcntl(file.as_raw_fd(), 10 /* F_SETSIG */, libc::SIGURG) == 0
            && libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_WRLCK) == 0
    };
    assert!(leased, "no lease: {}", std::io::Error::last_os_error());
    fs::rename(&hidden, contest.path(&format!("inbox/mira_{id}.py"))).expect("renamed");
    // The file is whole by its rename, and cannot be opened.
    for word in ["5", "6", "7"] {
        let other = contest.hand_in("bo", "py", answer(word));
        assert_eq!(contest.outcome(&other)["verdict"], "accepted");
    }
    contest.never_within(Duration::from_secs(3), "it is taken or refused", || contest.status(&id).is_some());
    assert!(!contest.daemon().said().contains("could not be received"), "{}", contest.daemon().said());
    drop(file);
    assert_eq!(contest.outcome(&id)["verdict"], "accepted");
}
