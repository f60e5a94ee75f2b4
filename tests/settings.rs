//! config.toml and users.csv while the daemon runs: every way in which people write files, and every mistake in them.

mod support;

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};

use support::{Competition, Contest, a_new_id, answer, slow_answer};

/// The title that everybody sees.
fn title(contest: &Contest) -> String {
    contest.board()["title"].as_str().unwrap_or_default().to_owned()
}

/// Settings that are good are in force when the board says so.
#[track_caller]
fn wait_for_title(contest: &Contest, wanted: &str) {
    contest.wait_for(&format!("the title is {wanted:?}"), || title(contest) == wanted);
}

/// A mistake is named by `podium status`, with its place, and the daemon judges on by the last good settings.
#[track_caller]
fn assert_complains(contest: &Contest, what: &str) {
    contest.wait_for(&format!("the daemon complains of {what:?}"), || contest.daemon().said().contains(what));
    contest.wait_for(&format!("`podium status` says {what:?}"), || {
        let status = contest.podium(&["status", "--json"]).json();
        status["problems"]
            .as_array()
            .expect("problems")
            .iter()
            .any(|problem| problem.as_str().is_some_and(|text| text.contains(what)))
    });
    contest.podium(&["status"]).exits(1);
    let before = title(contest);
    let id = contest.hand_in("mira", "py", answer("4"));
    assert_eq!(contest.outcome(&id)["verdict"], "accepted");
    assert_eq!(title(contest), before, "the last good settings stay in force");
}

#[track_caller]
fn assert_content(contest: &Contest) {
    contest.wait_for("`podium status` has nothing to complain of", || contest.podium(&["status"]).code == Some(0));
}

#[test]
fn every_way_of_writing_a_file_is_noticed_and_no_mistake_in_it_harms() {
    let contest = Competition::new("first").start();
    let pid = contest.daemon().pid();
    wait_for_title(&contest, "first");
    let good = contest.config();
    let titled = |title: &str| good.replace("\"first\"", &format!("{title:?}"));
    let config = contest.path("config.toml");

    // By a rename over it, as editors do; in place; by a link that is turned to another file.
    contest.write_config(&titled("second"));
    wait_for_title(&contest, "second");
    fs::write(&config, titled("third")).expect("in place");
    wait_for_title(&contest, "third");
    for (name, title) in [("a.toml", "fourth"), ("b.toml", "fifth!")] {
        fs::write(contest.path(name), titled(title)).expect("another file");
        let link = contest.path("link");
        symlink(name, &link).expect("a link");
        fs::rename(link, &config).expect("turned");
        wait_for_title(&contest, title);
    }
    // What the link points at counts, too.
    fs::write(contest.path("b.toml"), titled("sixth")).expect("behind the link");
    wait_for_title(&contest, "sixth");
    fs::remove_file(&config).expect("the link");

    // Gone, and here again.
    assert_complains(&contest, "config.toml");
    contest.write_config(&titled("seventh"));
    wait_for_title(&contest, "seventh");
    assert_content(&contest);

    // No TOML; a key that there is not; a value that cannot be; a case that there is not: each with its line and its key.
    let line = good.lines().count() + 1;
    contest.write_config(&format!("{}\n[limits\n", titled("bad").trim_end()));
    assert_complains(&contest, &format!("config.toml:{line}: this is not TOML"));
    contest.write_config(&format!("{}\n[queue]\nworker = 3\n", titled("bad").trim_end()));
    assert_complains(
        &contest,
        &format!("config.toml:{}: queue.worker: unknown key; did you mean \"workers\"?", line + 1),
    );
    contest.write_config(&format!("{}\n[queue]\nworkers = 0\n", titled("bad").trim_end()));
    assert_complains(&contest, &format!("config.toml:{}: queue.workers: has to be", line + 1));
    contest.write_config(&titled("bad").replace("\"one\"", "\"won\""));
    assert_complains(&contest, "testcases/won/ does not exist; did you mean");
    let at = good.lines().position(|line| line.contains("\"one\"")).expect("the public cases") + 1;
    contest.podium(&["status"]).says(&format!("config.toml:{at}: testcases.public"));
    // The instructor makes the folder instead of touching the file again.
    fs::create_dir(contest.path("testcases/won")).expect("a folder");
    fs::write(contest.path("testcases/won/input.txt"), "ONE-OPEN-TAG 1\n").expect("an input");
    wait_for_title(&contest, "bad");

    // Half of a file, for a while, and then the rest.
    let text = titled("eighth");
    let half = text.find("[evaluator]").expect("a table") + 4;
    let mut file = fs::File::create(&config).expect("emptied");
    file.write_all(&text.as_bytes()[..half]).expect("a half");
    assert_complains(&contest, "this is not TOML");
    file.write_all(&text.as_bytes()[half..]).expect("the other half");
    drop(file);
    wait_for_title(&contest, "eighth");

    // Bytes that are no text; a folder in its place; nothing at all.
    fs::write(&config, b"\xff\xfe[competition]\n").expect("in place");
    assert_complains(&contest, "config.toml: cannot be read");
    fs::remove_file(&config).expect("removed");
    fs::create_dir(&config).expect("a folder");
    assert_complains(&contest, "config.toml: cannot be read: Is a directory");
    fs::remove_dir(&config).expect("removed");
    fs::write(&config, "").expect("empty");
    assert_complains(&contest, "config.toml: testcases: is missing");

    contest.write_config(&titled("ninth"));
    fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).expect("closed");
    wait_for_title(&contest, "ninth");
    assert_content(&contest);
    assert_eq!(contest.daemon().pid(), pid);
    assert!(contest.daemon().ended().is_none());
    contest.assert_log_is_whole();
}

#[test]
fn users_come_and_go_while_it_runs() {
    let contest = Competition::new("Users").users(&[("mira", "student")]).start();
    let refused = contest.hand_in("bo", "py", answer("4"));
    assert_eq!(contest.outcome(&refused)["state"], "rejected");

    contest.write_users(&[("mira", "student"), ("bo", "student")]);
    contest.wait_for("the new list is in force", || contest.daemon().said().contains("are in force"));
    let taken = contest.hand_in("bo", "py", answer("4"));
    assert_eq!(contest.outcome(&taken)["verdict"], "accepted");

    // A mistake in the list names its line and no password.
    fs::write(contest.path("users.csv"), "username,password,role\nmira,hunter2,student\nbo,hunter2,king\n")
        .expect("in place");
    assert_complains(&contest, "users.csv:3: bo: the role has to be");
    assert!(!contest.daemon().said().contains("hunter2") && !contest.podium(&["status"]).stdout.contains("hunter2"));

    // A list that is gone is a slip, not an invitation to everybody.
    fs::remove_file(contest.path("users.csv")).expect("removed");
    assert_complains(&contest, "users.csv");
    let stranger = contest.hand_in("stranger", "py", answer("1"));
    assert_eq!(
        contest.event("rejected", {
            contest.outcome(&stranger);
            &stranger
        })["refusal"],
        "unknown-user"
    );

    // Who is taken off the list keeps what was judged, and hands in nothing more; a role takes effect at once.
    contest.write_users(&[("mira", "superuser")]);
    contest.wait_for("whoever is staff is not ranked", || {
        let users: Vec<_> = contest.board()["rows"]
            .as_array()
            .map(|rows| rows.iter().map(|row| row["user"].clone()).collect())
            .unwrap_or_default();
        users == ["bo"]
    });
    let late = contest.hand_in("bo", "py", answer("1"));
    assert_eq!(contest.outcome(&late)["state"], "rejected");
    contest.assert_ids_are_secret();
}

#[test]
fn what_changes_is_in_force_for_what_starts_next() {
    let contest = Competition::new("Changes").set("queue.workers", 1).start();
    let before = contest.hand_in("mira", "py", answer("4"));
    assert_eq!(contest.outcome(&before)["public_score"], 44);

    // An evaluator, a case and a limit; the settings themselves stay as they are for the first two.
    let evaluator = contest.path("evaluator/evaluator.py");
    let text = fs::read_to_string(&evaluator).expect("the evaluator");
    fs::write(&evaluator, text.replace("int(word) * int(weight)", "int(word) * int(weight) + 1000")).expect("edited");
    fs::write(contest.path("testcases/two/input.txt"), "TWO-OPEN-TAG 20\n").expect("edited");
    let after = contest.hand_in("mira", "py", answer("4"));
    assert_eq!(contest.outcome(&after)["public_score"], 4 + 1000 + 80 + 1000);
    let provenance = |id: &str| contest.event("judged", id)["provenance"].clone();
    for key in ["evaluator_sha256", "cases_sha256"] {
        assert_ne!(provenance(&before)[key], provenance(&after)[key]);
    }
    assert_eq!(provenance(&before)["config_sha256"], provenance(&after)["config_sha256"]);
    assert_eq!(provenance(&after)["config_sha256"], support::sha256(contest.config().as_bytes()).as_str());

    contest.set("limits.wall", "700ms");
    contest.wait_for("the limit is in force", || contest.daemon().said().contains("are in force"));
    let slow = contest.hand_in("mira", "py", support::slow_answer("4", 30.0));
    let status = contest.outcome(&slow);
    assert_eq!(status["verdict"], "time-limit");
    assert!(status["cases"][0]["message"].as_str().is_some_and(|message| message.contains("700ms")), "{status}");

    // A failed case that is worth a number from now on: what was judged before counts by it, too.
    contest.set("score.failed", 9000);
    contest.wait_for("the failed ones have a score", || {
        contest.status(&slow).is_some_and(|status| status["public_score"] == 18000)
    });
    // Turned around: the higher the better.
    contest.set("score.better", "higher");
    contest.wait_for("the board is turned around", || contest.board()["rows"][0]["score"] == 18000);
    contest.assert_log_is_whole();
}

#[test]
fn the_hours_of_the_competition_open_and_close_it() {
    let contest = Competition::new("Hours").prepare();
    let at = |seconds: i64| (chrono::Utc::now() + chrono::TimeDelta::seconds(seconds)).to_rfc3339();
    contest.set("competition.opens_at", at(-60));
    contest.set("competition.closes_at", at(15));
    let mut contest = contest;
    contest.start();
    let early = contest.hand_in("mira", "py", answer("4"));
    assert_eq!(contest.outcome(&early)["verdict"], "accepted");
    contest.wait_for("the board closes by itself", || contest.board()["state"] == "closed");
    let late = contest.hand_in("mira", "py", answer("1"));
    contest.outcome(&late);
    assert_eq!(contest.event("rejected", &late)["refusal"], "board-closed");
    // Extended: open again.
    contest.set("competition.closes_at", at(3600));
    contest.wait_for("the board is open again", || contest.board()["state"] == "open");
    // Not yet open: nothing is taken, and no total shows of a competition that is to go on.
    contest.set("competition.opens_at", at(1800));
    contest.wait_for("the settings are in force", || contest.daemon().said().matches("in force").count() == 2);
    let hasty = contest.hand_in("mira", "py", answer("1"));
    contest.outcome(&hasty);
    assert_eq!(contest.event("rejected", &hasty)["refusal"], "board-closed");
    assert_eq!((&contest.board()["state"], &contest.board()["scores"]), (&"open".into(), &"public".into()));
    // The moment of opening is a line of its own, and opens it.
    contest.set("competition.opens_at", at(2));
    contest.wait_for("it has opened", || contest.events("board").len() == 4);
    let timely = contest.hand_in("mira", "py", answer("1"));
    assert_eq!(contest.outcome(&timely)["verdict"], "accepted");
    let states: Vec<_> = contest.events("board").iter().map(|line| line["state"].clone()).collect();
    assert_eq!(states, ["open", "closed", "open", "open"]);
}

/// INB-11: what counts is when the whole file is there, fifty times out of fifty; and what was whole before is in.
#[test]
fn an_upload_that_ends_after_closing_is_late() {
    const MANY: usize = 50;
    let contest = Competition::new("Late").set("submissions.settle", "300ms").start();
    let early = contest.hand_in("mira", "py", answer("3"));
    contest.wait_for("it is accepted", || contest.count("accepted") == 1);
    let late: Vec<_> = (0..MANY)
        .map(|n| {
            let id = a_new_id();
            let begun = contest.put_slowly(&format!("user-{}_{id}.py", n % 7), "print(4) # from before closing\n");
            (id, begun)
        })
        .collect();
    contest.set("competition.state", "closed");
    contest.wait_for("the board is closed", || contest.events("board").iter().any(|line| line["state"] == "closed"));
    let mut ids = Vec::new();
    for (id, mut begun) in late {
        begun.write_all(b"# and after it\n").expect("the rest");
        ids.push(id);
    }
    contest.wait_for("all are refused", || contest.count("rejected") == MANY);
    for id in ids {
        assert_eq!(contest.event("rejected", &id)["refusal"], "board-closed");
    }
    assert_eq!(contest.outcome(&early)["verdict"], "accepted");
    assert_eq!(contest.count("accepted"), 1);
}

#[test]
fn a_board_that_is_closed_before_all_is_judged_is_not_called_final() {
    let contest = Competition::new("Rush").start();
    contest.hand_in("ann", "py", slow_answer("3", 4.0));
    contest.wait_for("it runs", || contest.count("started") == 1);
    contest.set("competition.state", "closed");
    let page = || fs::read_to_string(contest.path("public/index.html")).unwrap_or_default();
    contest.wait_for("the board says so", || page().contains("Not final yet: 1 submission is still to be judged."));
    assert!(!page().contains("Final"), "{}", page());
    contest.wait_for_judged(1);
    contest
        .wait_for("it is", || page().contains("Final: total scores over all cases.") && !page().contains("Not final"));
    assert!(page().contains("Final leaderboard"));
}
