//! Uploads that are slow, cut, resumed, or still being written to (INB-01, INB-02, INB-07, INB-11).

use std::fs;

use super::client::{Halfway, client, lftp, run, said};
use super::{line, open, open_with};
use crate::support::door::PASSWORD;
use crate::support::{Competition, a_new_id, answer, sha256};

#[test]
fn an_upload_counts_when_it_is_whole() {
    let (contest, door) =
        open_with(Competition::new("Slow").users(&[("mira", "student"), ("bo", "student"), ("cy", "student")]));
    let program = format!("{}\n{}", answer("4"), "# padding\n".repeat(20_000));
    let name = |user: &str, id: &str| format!("{user}_{id}.py");

    // INB-01: it stands still in the middle for longer than `settle`.
    let slow = a_new_id();
    let mut halfway = Halfway::start(client(&door, "mira", &["slow", &name("mira", &slow), &program[..50_000]]));
    contest.never_within(std::time::Duration::from_secs(3), "half a file is judged", || {
        contest.count("accepted") + contest.count("rejected") > 0
    });
    halfway.go_on();
    halfway.end();
    assert_eq!(line(&contest, "accepted", &slow)["sha256"], sha256(&program.as_bytes()[..50_000]));

    // INB-02: the client is killed half way. What came is a file like any other; its owner sees how much it is.
    let cut = a_new_id();
    let mut halfway = Halfway::start(client(&door, "bo", &["slow", &name("bo", &cut), &program[..50_000]]));
    halfway.0.kill().expect("killed");
    halfway.0.wait().expect("it has ended");
    let taken = line(&contest, "accepted", &cut);
    assert_eq!((&taken["size"], &taken["sha256"]), (&25_000.into(), &sha256(&program.as_bytes()[..25_000]).into()));
    let status = contest.outcome(&cut);
    assert_eq!(status["receipt"]["sha256"], taken["sha256"], "{status}");
    let page = fs::read_to_string(contest.path(&format!("public/s/{cut}/index.html"))).expect("the private page");
    assert!(page.contains(taken["sha256"].as_str().expect("text")), "its owner sees what came");
    // The whole of it under the same id is a second file of one id: not both are scored.
    door.put("bo", &name("bo", &cut), &program[..50_000]);
    assert_eq!(line(&contest, "rejected", &cut)["refusal"], "duplicate");
    assert_eq!(contest.events("accepted").iter().filter(|line| line["id"] == cut.as_str()).count(), 1);
}

#[test]
fn an_upload_that_is_resumed_in_time_is_one_upload() {
    let users = [("mira", "student"), ("bo", "student"), ("cy", "student")];
    let (contest, door) = open_with(Competition::new("Resumed").users(&users).set("submissions.settle", "40s"));
    let program = |user: &str| format!("# {user}\n{}\n{}", answer("4"), "# padding\n".repeat(2_000));
    let ids = users.map(|(user, _)| (user, a_new_id()));
    let name = |user: &str| {
        let (_, id) = ids.iter().find(|(known, _)| *known == user).expect("one of them");
        format!("{user}_{id}.py")
    };
    let mut halfway = Halfway::start(client(&door, "mira", &["resume", &name("mira"), &program("mira")]));
    // Two clients that have a command for it: what lies there is the first half, and they send the rest.
    let local = |user: &str, part: &str| {
        let path = door.folder().join(format!("{user}-{part}.py"));
        let whole = program(user);
        fs::write(&path, if part == "half" { &whole[..whole.len() / 2] } else { &whole }).expect("a file");
        path.display().to_string()
    };
    for user in ["bo", "cy"] {
        door.sftp(user, &format!("put {} {}\n", local(user, "half"), name(user)));
    }
    halfway.go_on();
    halfway.end();
    let output = door.sftp("bo", &format!("reput {} {}\n", local("bo", "whole"), name("bo")));
    assert!(output.status.success() && output.stderr.is_empty(), "{}", said(&output));
    run(lftp(&door, ("cy", PASSWORD), &format!("put -c {} -o {}", local("cy", "whole"), name("cy"))));
    for (user, id) in &ids {
        assert_eq!(line(&contest, "accepted", id)["sha256"], sha256(program(user).as_bytes()), "{user}");
    }
    assert_eq!((contest.count("accepted"), contest.count("rejected")), (3, 0));
}

#[test]
fn a_cut_upload_of_a_format_that_has_an_end_is_refused() {
    let check = ["python3", "-I", "-c", "import json, sys; json.load(open(sys.argv[1]))", "{source}"];
    let competition = Competition::new("Notebooks").users(&[("mira", "student")]);
    let run =
        ["python3", "-I", "-c", "import json, sys; exec(''.join(json.load(open(sys.argv[1]))['cells'][0]['source']))"];
    let command: Vec<&str> = run.into_iter().chain(["{source}"]).collect();
    let competition = competition.set("languages.ipynb.command", command);
    let (contest, door) = open_with(competition.set("languages.ipynb.check", check.to_vec()));
    let cell = serde_json::json!({ "cell_type": "code", "metadata": {}, "outputs": [], "source": ["import sys\n", "print(4)\n"] });
    let notebook =
        serde_json::json!({ "cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5 }).to_string();
    // INB-02: killed half way, so that the server closes half a file.
    let cut = a_new_id();
    let mut halfway = Halfway::start(client(&door, "mira", &["slow", &format!("mira_{cut}.ipynb"), &notebook]));
    halfway.0.kill().expect("killed");
    halfway.0.wait().expect("it has ended");
    let refused = line(&contest, "rejected", &cut);
    assert_eq!((&refused["refusal"], &refused["user"]), (&"check".into(), &"mira".into()), "{refused}");
    assert!(refused["reason"].as_str().is_some_and(|reason| reason.contains("JSONDecodeError")), "{refused}");
    // Nothing of it was taken, so that the whole of it may come under the same id.
    door.put("mira", &format!("mira_{cut}.ipynb"), &notebook);
    assert_eq!(line(&contest, "accepted", &cut)["sha256"], sha256(notebook.as_bytes()));
    contest.wait_for_judged(1);
    assert_eq!((contest.count("accepted"), contest.count("rejected")), (1, 1));
}

#[test]
fn what_is_judged_is_what_was_taken_whoever_still_writes() {
    let (contest, door) = open(&[("mira", "student")]);
    let id = a_new_id();
    // Both are valid, and of one length.
    let (first, second) = (answer("4"), answer("9"));
    let name = format!("mira_{id}.py");
    let arguments = ["hold", &format!(".{name}"), &name, &first, &second];
    let mut halfway = Halfway::start(client(&door, "mira", &arguments));
    let taken = line(&contest, "accepted", &id);
    halfway.go_on();
    halfway.until_ready();
    halfway.end();
    let judged = line(&contest, "judged", &id);
    assert_eq!(taken["sha256"], sha256(first.as_bytes()));
    assert!(judged.to_string().contains(&sha256(first.as_bytes())), "{judged}");
    let kept = contest.path("results/submissions/000001/source.py");
    assert_eq!(fs::read(&kept).expect("the source is kept"), first.as_bytes());
    // The answer of the first, over the weights of the public cases.
    assert_eq!(contest.outcome(&id)["public_score"], 4 * crate::support::OPEN_WEIGHT);
    contest.assert_log_is_whole();
}

#[test]
fn the_time_that_counts_is_ours() {
    let (contest, door) = open(&[("mira", "student"), ("bo", "student")]);
    let (old, new) = (a_new_id(), a_new_id());
    run(client(&door, "mira", &["mtime", &format!("mira_{old}.py"), &answer("4"), "0"]));
    line(&contest, "accepted", &old);
    run(client(&door, "bo", &["mtime", &format!("bo_{new}.py"), &answer("4"), "4070908800"]));
    line(&contest, "accepted", &new);
    // In the order in which they came, at times between now and then.
    let accepted = contest.events("accepted");
    assert_eq!(accepted.iter().map(|line| line["user"].as_str().expect("text")).collect::<Vec<_>>(), ["mira", "bo"]);
    for line in &accepted {
        let at = line["at"].as_str().expect("text");
        assert!(at > "2020" && at < "2090", "{at}");
    }

    // Begun before the board closes, and whole after it: late.
    let late = a_new_id();
    let mut halfway = Halfway::start(client(&door, "mira", &["slow", &format!("mira_{late}.py"), &answer("4")]));
    contest.set("competition.state", "closed");
    contest.wait_for("the board is closed", || contest.events("board").iter().any(|line| line["state"] == "closed"));
    halfway.go_on();
    halfway.end();
    assert_eq!(line(&contest, "rejected", &late)["refusal"], "board-closed");
    // mtime of long ago does not help.
    let forged = a_new_id();
    run(client(&door, "bo", &["mtime", &format!("bo_{forged}.py"), &answer("4"), "0"]));
    assert_eq!(line(&contest, "rejected", &forged)["refusal"], "board-closed");
}
