//! `podium export`: what is in the zip, what is not, and that the scores in it come from the log in it.

#![allow(unreachable_pub, reason = "`pub` says here what the tests may use")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use support::{Competition, Contest, HIDDEN_CASE, HIDDEN_TAG, STAFF_TAG, Site, answer, podium};

/// Two students and a reference entry, judged; the board closed unless said otherwise.
fn a_class(state: &str) -> Contest {
    let users = [("ann", "student"), ("ben", "student"), ("prof", "superuser")];
    let contest = Competition::new("Numbers").users(&users).set("score.show_reference", true);
    let mut contest = contest.set("languages.py.check", vec!["echo", "looked at"]).start();
    contest.hand_in("ann", "py", answer("5"));
    contest.hand_in("ben", "py", answer("3"));
    contest.hand_in("ben", "py", "import sys\nprint('words', file=sys.stderr)\nsys.exit(1)");
    contest.hand_in("prof", "py", answer("1"));
    contest.wait_for_judged(4);
    contest.set("competition.state", state);
    contest.wait_for("the board", || contest.board()["state"] == state);
    contest.wait_for_site();
    contest.stop();
    contest
}

/// Unpacks a zip with a program that has not seen this one, and checks its manifest with another.
#[track_caller]
fn unpacked(contest: &Contest, zip: &str) -> Site {
    let folder = contest.outside(&format!("{zip}.d"));
    let script = "import sys, zipfile\nz = zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\nassert {i.date_time for i in z.infolist()} == {(1980, 1, 1, 0, 0, 0)}\nz.extractall(sys.argv[2])";
    let run = |command: &mut Command| {
        let output = command.output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    run(Command::new("python3").args(["-c", script]).arg(contest.outside(zip)).arg(&folder));
    run(Command::new("sha256sum").args(["--check", "--quiet", "MANIFEST.sha256"]).current_dir(folder.join("numbers")));
    let files = Site::of(&folder.join("numbers"));
    let listed = files.0["MANIFEST.sha256"].iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(listed + 1, files.0.len(), "the manifest names every file but itself");
    files
}

fn export(contest: &Contest, zip: &str, more: &[&str]) -> support::Ran {
    let path = contest.outside(zip).display().to_string();
    contest.podium(&[&["export", &path], more].concat())
}

/// The files below a folder of the zip, by their path below it.
fn below(files: &Site, folder: &str) -> Site {
    let inside =
        files.0.iter().filter_map(|(name, bytes)| Some((name.strip_prefix(folder)?.to_owned(), bytes.clone())));
    Site(inside.collect())
}

/// The site without the pages that only their senders know.
fn without_private(mut site: Site) -> Site {
    site.0.retain(|name, _| !name.starts_with("s/"));
    site
}

#[test]
fn what_is_handed_on_is_the_site_and_nothing_private() {
    let contest = a_class("closed");
    export(&contest, "one.zip", &[]).exits(0).says("what everybody may have");
    export(&contest, "two.zip", &[]).exits(0);
    let bytes = |zip: &str| fs::read(contest.outside(zip)).expect("a zip");
    assert!(bytes("one.zip") == bytes("two.zip"), "the same competition gives the same bytes");
    let mode = fs::metadata(contest.outside("one.zip")).expect("a zip").permissions().mode();
    assert_eq!(mode & 0o777, 0o644);

    let files = unpacked(&contest, "one.zip");
    contest.podium(&["build"]).exits(0);
    below(&files, "site/").assert_same(&without_private(contest.site()));
    for wanted in
        ["README.txt", "site/leaderboard.csv", "site/results.jsonl", "site/api/contests/numbers/scoreboard.json"]
    {
        assert!(files.0.contains_key(wanted), "{wanted}");
    }
    assert!(!files.0.keys().any(|name| name.starts_with("site/s/") || name.starts_with("home/")));
    let ids: Vec<String> = contest.log().iter().filter_map(|line| line["id"].as_str().map(str::to_owned)).collect();
    for secret in ids.iter().map(String::as_str).chain([HIDDEN_CASE, HIDDEN_TAG, STAFF_TAG, "secret"]) {
        assert_eq!(files.holding(secret), [""; 0], "{secret}");
    }
    assert!(String::from_utf8_lossy(&files.0["README.txt"]).contains("Final: the board was closed"));
    let left = fs::read_dir(contest.path("results")).expect("results/").flatten();
    assert!(!left.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("aside-")));
}

#[test]
fn the_scores_of_a_full_zip_come_out_of_the_log_in_it() {
    let contest = a_class("closed");
    export(&contest, "full.zip", &["--full"]).exits(0).says("do not hand it on");
    export(&contest, "again.zip", &["--full"]).exits(0);
    let bytes = |zip: &str| fs::read(contest.outside(zip)).expect("a zip");
    assert!(bytes("full.zip") == bytes("again.zip"));
    let mode = fs::metadata(contest.outside("full.zip")).expect("a zip").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "nobody else reads it");

    let files = unpacked(&contest, "full.zip");
    let home = contest.outside("full.zip.d/numbers/home").display().to_string();
    podium(["--home", &home, "verify"]).exits(0).says("all good");
    podium(["--home", &home, "build"]).exits(0);
    let built = Site::of(&Path::new(&home).join("public"));
    // What a check said is in no line of the log, and on the private pages all the same.
    let told = |site: &Site, name: &str| String::from_utf8_lossy(&site.0[name]).into_owned();
    let logs: Vec<&String> = built.0.keys().filter(|name| name.ends_with("/log.txt")).collect();
    assert_eq!(logs.len(), 4);
    for log in logs {
        assert!(told(&built, log).contains("looked at"), "{}", told(&built, log));
        assert_eq!(told(&built, log), told(&contest.site(), log));
    }
    let built = without_private(built);
    built.assert_same(&below(&files, "site/"));
    assert!(built.0.contains_key("leaderboard.json"));
    // Everything that judging needs is there, too: the cases with their names, the evaluator, who is who.
    assert!(files.0.contains_key(&format!("home/testcases/{HIDDEN_CASE}/input.txt")));
    assert!(files.0.contains_key("home/evaluator/evaluator.py"));
    let users = String::from_utf8_lossy(&files.0["home/users.csv"]).into_owned();
    assert_eq!(users, "username,password,role\nann,,student\nben,,student\nprof,,superuser\n");
    // And judging: nothing is lost on the way.
    podium(["--home", &home, "run", "--once"]).exits(0);
}

#[test]
fn while_results_are_to_come_it_is_refused_or_marked() {
    let contest = a_class("open");
    export(&contest, "open.zip", &[]).exits(1).says("the board is open").says("--anyway");
    assert!(!contest.outside("open.zip").exists());
    export(&contest, "open.zip", &["--anyway"]).exits(0).says("not final");
    let files = unpacked(&contest, "open.zip");
    assert!(String::from_utf8_lossy(&files.0["README.txt"]).contains("NOT FINAL"));
    let board: serde_json::Value =
        serde_json::from_slice(&files.0["site/api/contests/numbers/scoreboard.json"]).expect("JSON");
    assert_eq!(board["rows"][0]["score"]["score"], 33, "three times the public cases' weights");
    assert_eq!(board["state"]["ended"], serde_json::Value::Null);
    for secret in [HIDDEN_CASE, HIDDEN_TAG, STAFF_TAG] {
        assert_eq!(files.holding(secret), [""; 0], "{secret}");
    }
    // An empty queue is asked for as well.
    let contest = Competition::new("Numbers").prepare();
    let past = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/site/past.py");
    let made = Command::new("python3")
        .arg(past)
        .arg(contest.root())
        .args(["5", "2", "--state", "closed", "--queue", "3"])
        .status();
    assert!(made.is_ok_and(|made| made.success()), "a log is made up");
    export(&contest, "late.zip", &[]).exits(1).says("3 submissions have no result yet");
}

#[test]
fn nothing_is_written_over_beside_or_out_of_what_is_damaged() {
    let contest = a_class("closed");
    fs::write(contest.outside("mine.zip"), "mine").expect("written");
    export(&contest, "mine.zip", &[]).exits(1).says("is there already");
    assert_eq!(fs::read(contest.outside("mine.zip")).expect("read"), b"mine");
    let served = contest.path("public/all.zip").display().to_string();
    contest.podium(&["export", &served, "--full"]).exits(1).says("served to everybody");
    assert!(!contest.path("public/all.zip").exists());

    let source = contest.path("results/submissions/000001/source.py");
    fs::write(&source, "print(0)").expect("written");
    for more in [&[][..], &["--full"]] {
        let refused = export(&contest, "damaged.zip", more).exits(1).says("000001/source.py is not what was recorded");
        assert!(refused.stdout.is_empty(), "{refused}");
    }
    let left: Vec<_> =
        fs::read_dir(contest.outside("")).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
    assert!(
        !left
            .iter()
            .any(|name| name.to_string_lossy().contains("damaged") || name.to_string_lossy().starts_with(".podium-")),
        "{left:?}"
    );
}
