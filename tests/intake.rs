//! What arrives in the inbox: files in every shape that a stranger can give them, uploads that stop half way, five hundred at once.

mod support;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::{Seek, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use serde_json::Value;

use support::{Competition, Contest, a_new_id, answer, sha256, sha256_of_file, slow_answer};

/// A text that must not be seen anywhere in a home.
const CANARY: &str = "CANARY-of-another-file-2b7e1516";

/// The line that refuses the file of this inode: exactly one.
#[track_caller]
fn refusal(contest: &Contest, inode: u64) -> Value {
    let mut lines: Vec<_> =
        contest.events("rejected").into_iter().filter(|line| line["inbox"]["inode"] == inode).collect();
    assert_eq!(lines.len(), 1, "lines about inode {inode}: {lines:#?}");
    lines.remove(0)
}

/// A reason is words for a person: some, not too many, and nothing that acts on a terminal or turns the direction of writing.
#[track_caller]
fn assert_readable(line: &Value) {
    for key in ["reason", "file"] {
        let text = line[key].as_str().expect("a text");
        assert!(!text.trim().is_empty() && text.chars().count() < 2000, "{line}");
        let bad = |c: char| {
            c.is_control() && c != '\n'
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
        };
        assert!(!text.contains(bad), "{key} of {line}");
    }
}

/// Files of the home that hold a text.
fn files_with(contest: &Contest, text: &str) -> Vec<String> {
    let files = walkdir::WalkDir::new(contest.root()).into_iter().flatten().filter(|entry| entry.file_type().is_file());
    files
        .filter(|entry| {
            fs::read(entry.path()).is_ok_and(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
        })
        .map(|entry| entry.path().display().to_string())
        .collect()
}

// ---------------------------------------------------------------------------------------------- what is no submission

#[test]
fn what_is_no_plain_file_is_refused_and_nothing_of_it_is_read() {
    let mut contest = Competition::new("Strange things").users(&[("mira", "student"), ("bo", "student")]).start();
    let secret = contest.outside("secret.py");
    fs::write(&secret, format!("print(4) # {CANARY}\n")).expect("a file outside the home");
    let folder = contest.outside("folder");
    fs::create_dir(&folder).expect("a folder outside the home");
    fs::write(folder.join("kept.py"), CANARY).expect("a file in it");
    let name = || format!("mira_{}.py", a_new_id());
    let inbox = |name: &str| contest.path("inbox").join(name);
    let mut strange: Vec<(&str, String)> = Vec::new();
    let mut put = |refusal: &'static str, make: &dyn Fn(&std::path::Path)| {
        // Made beside the home and moved in, so that nothing is half made, or refused under another name, when it is looked at.
        let (aside, name) = (contest.outside(&a_new_id()), name());
        make(&aside);
        fs::rename(&aside, inbox(&name)).expect("renamed");
        strange.push((refusal, name));
    };
    put("not-a-file", &|path| symlink("/etc/shadow", path).expect("a link"));
    put("not-a-file", &|path| symlink(&secret, path).expect("a link"));
    put("not-a-file", &|path| symlink("/nowhere", path).expect("a link"));
    put("not-a-file", &|path| symlink(&folder, path).expect("a link"));
    put("not-a-file", &|path| fs::hard_link(&secret, path).expect("a second name"));
    put("not-a-file", &|path| rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).expect("a pipe"));
    put("not-a-file", &|path| drop(UnixListener::bind(path).expect("a socket")));
    put("not-a-file", &|path| {
        fs::create_dir_all(path.join("deep/er")).expect("a folder");
        fs::write(path.join("deep/er/print.py"), CANARY).expect("a file in it");
        symlink(&folder, path.join("deep/link")).expect("a link in it");
    });
    put("empty", &|path| fs::write(path, "").expect("an empty file"));
    put("too-large", &|path| {
        // A terabyte of nothing: whoever copies it has lost.
        fs::File::create(path).and_then(|file| file.set_len(1 << 40)).expect("a sparse file");
    });
    put("too-large", &|path| fs::write(path, vec![b'#'; (1 << 20) + 1]).expect("one byte too many"));

    // What others hand in is not kept waiting by any of it.
    let good = contest.hand_in("bo", "py", answer("4"));
    assert_eq!(contest.outcome(&good)["verdict"], "accepted");
    contest.wait_for("everything is refused", || contest.events("rejected").len() >= strange.len());
    // By their names: the inode of what was removed may be another file's by now.
    for (wanted, name) in &strange {
        let mut lines: Vec<_> =
            contest.events("rejected").into_iter().filter(|line| line["file"] == name.as_str()).collect();
        assert_eq!(lines.len(), 1, "{name}: {lines:#?}");
        let line = lines.remove(0);
        assert_eq!((&line["refusal"], &line["user"]), (&Value::from(*wanted), &"mira".into()), "{name}: {line}");
        assert_readable(&line);
        let id = line["id"].as_str().expect("its name has an id");
        let status = contest.outcome(id);
        assert_eq!((&status["state"], &status["reason"]), (&"rejected".into(), &line["reason"]), "{status}");
    }
    assert!(contest.stop().success());
    assert!(contest.inbox().is_empty(), "{:?}", contest.inbox());
    assert_eq!(files_with(&contest, CANARY), [""; 0]);
    let shadow = fs::read_to_string("/etc/shadow").unwrap_or_default();
    for line in shadow.lines().filter(|line| line.len() > 12) {
        assert_eq!(files_with(&contest, line), [""; 0]);
    }
    // What they pointed at is as it was.
    assert_eq!(fs::metadata(&secret).expect("still there").nlink(), 1);
    assert_eq!(fs::read_to_string(folder.join("kept.py")).expect("still there"), CANARY);
    let bytes: u64 = walkdir::WalkDir::new(contest.root())
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.metadata().ok())
        .map(|meta| meta.blocks() * 512)
        .sum();
    assert!(bytes < 64 << 20, "the home takes {bytes} bytes");
    contest.assert_log_is_whole();
    contest.assert_ids_are_secret();
}

#[test]
fn names_that_are_no_submissions_are_refused_one_by_one() {
    let mut contest = Competition::new("Strange names").start();
    let id = a_new_id();
    let names = bad_names(&id);
    assert!(names.len() >= 60);
    let inodes: Vec<u64> = names.iter().map(|name| contest.drop_file(name, answer("4"))).collect();
    let good = contest.hand_in("mira", "py", answer("4"));
    assert_eq!(contest.outcome(&good)["verdict"], "accepted");
    contest.wait_for("everything is refused", || contest.events("rejected").len() >= names.len());
    contest.wait_for("the inbox is empty", || contest.inbox().is_empty());
    for (name, inode) in names.iter().zip(&inodes) {
        let line = refusal(&contest, *inode);
        assert_eq!(line["refusal"], "name", "{name:?}: {line}");
        assert_readable(&line);
        // What was refused is set aside under the line's number.
        let aside = contest.path(&format!("results/refused/{}", line["seq"]));
        assert_eq!(
            fs::read_to_string(&aside).unwrap_or_else(|error| panic!("{}: {error}", aside.display())),
            answer("4")
        );
    }
    assert!(contest.stop().success());
    assert_eq!(contest.events("rejected").len(), names.len());
    assert_eq!(contest.events("accepted").len(), 1);
    contest.assert_log_is_whole();
    let said = fs::read(contest.outside("daemon.stderr")).expect("what the daemon said");
    assert!(
        !said.iter().any(|byte| byte.is_ascii_control() && *byte != b'\n'),
        "a name acts on the terminal of whoever reads what the daemon says"
    );
    for (name, page) in contest.site().0.iter().filter(|(name, _)| name.ends_with(".html")) {
        let page = String::from_utf8_lossy(page);
        assert!(
            !page.contains("<img") && !page.contains("<svg onload") && !page.contains("<b>_"),
            "{name} holds markup of a name"
        );
    }
}

fn bad_names(id: &str) -> Vec<OsString> {
    let text = |name: &str| OsString::from(name.replace("ID", id));
    let mut names: Vec<OsString> = [
        "README.md",
        "mira",
        "mira.py",
        "submission.py",
        "log.jsonl",
        "config.toml",
        "ID.py",
        "_ID.py",
        "mira_ID",
        "mira_ID.",
        "mira_.py",
        "mira_..py",
        "mira-ID.py",
        "mira__ID.py",
        "mira_x_ID.py",
        "mira_xID.py",
        "mira_IDx.py",
        "mira_ID-.py",
        "mira_{ID}.py",
        "mira_ID.PY",
        "mira_ID.py.zip",
        "mira_ID.tar.gz",
        "mira_ID .py",
        "mira_ID.py ",
        " mira_ID.py",
        "mira _ID.py",
        "Mira_ID.py",
        "MIRA_ID.py",
        "2mira_ID.py",
        "mi.ra_ID.py",
        "-mira_ID.py",
        "-rf",
        "-rf_ID.py",
        "--help",
        "*",
        "?",
        "[a-z]",
        "\\",
        "~root",
        "mira_ID.p\ny",
        "mira\n_ID.py",
        "mira_ID.py\n",
        "mira_ID\r.py",
        "mira\t_ID.py",
        "\u{1b}[2J\u{1b}[31mmira_ID.py",
        "mira_ID.\u{1b}]0;x\u{7}",
        "\u{7}",
        "\u{7f}",
        "\u{85}\u{9b}31m",
        "mira_ID.\u{202e}yp",
        "\u{202e}mira_ID.py",
        "mir\u{200b}a_ID.py",
        "\u{feff}mira_ID.py",
        "mir\u{430}_ID.py",
        "mïra_ID.py",
        "ｍｉｒａ_ID.py",
        "😀_ID.py",
        "mira_ID.😀",
        "$(id)",
        "$(id)_ID.py",
        "`id`",
        "mira_ID.py;id",
        "mira_ID.py|id",
        "mira_ID.py&id",
        "<img src=x onerror=alert(1)>",
        "<svg onload=alert(1)>_ID.py",
        "\"><b>_ID.py",
        "{{ 7*7 }}",
        "{% raw %}",
        "%s%n%x",
        "%2e%2e%2fetc",
        "..\\..\\etc",
        "C:\\mira_ID.py",
        "mira_ID.py:stream",
        "CON",
        "'; DROP TABLE users; --",
        "=cmd|'!A1",
        "mira_ID.py,student",
        "&amp;",
        "a\u{2028}b",
    ]
    .into_iter()
    .filter(|name| !name.starts_with('.'))
    .map(text)
    .collect();
    names.push(text(&format!("mira_{}.py", id.replace('-', ""))));
    names.push(text(&format!("mira_{}.py", &id[..35])));
    names.push(text(&format!("mira_{}.py", id.replace(|c: char| c.is_ascii_hexdigit(), "g"))));
    names.push(text(&format!("{}_ID.py", "m".repeat(32))));
    names.push(text(&format!("mira_ID.{}", "p".repeat(17))));
    names.push("x".repeat(255).into());
    names.push(format!("{}.py", "😀".repeat(63)).into());
    for bytes in [
        &b"\xff\xfe"[..],
        b"mira_\xff.py",
        b"\xc3\x28",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"mira_ID\x80.py",
        b"\xf5\x80\x80\x80",
    ] {
        names.push(OsString::from_vec(bytes.to_vec()));
    }
    names
}

#[test]
fn temporary_names_are_left_alone() {
    let contest = Competition::new("On the way").start();
    let id = a_new_id();
    let names = [
        format!(".mira_{id}.py"),
        format!(".mira_{id}.py.x8Kd3a"),
        format!("mira_{id}.py.part"),
        format!("mira_{id}.py.filepart"),
        format!("mira_{id}.py~"),
        "..hidden".into(),
        ".".repeat(3),
    ];
    for name in &names {
        contest.drop_file(name, answer("4"));
    }
    let good = contest.hand_in("mira", "py", answer("4"));
    assert_eq!(contest.outcome(&good)["verdict"], "accepted");
    // Longer than the settle time and a scan.
    contest.never_within(Duration::from_secs(3), "a file on its way is touched", || {
        contest.inbox().len() != names.len() || contest.log().len() != 4
    });
    // Its client gives it its name: it is taken at once.
    fs::rename(contest.path("inbox").join(&names[2]), contest.path("inbox").join(format!("mira_{id}.py")))
        .expect("renamed");
    assert_eq!(contest.outcome(&id)["verdict"], "accepted");
}

// ---------------------------------------------------------------------------------------------- whose it is

#[test]
fn an_id_is_taken_in_once() {
    let contest = Competition::new("Twice").start();
    let id = contest.hand_in("mira", "py", answer("4"));
    let first = contest.outcome(&id);
    contest.wait_for_site();
    let page = fs::read(contest.path(&format!("public/s/{id}/index.html"))).expect("its page");
    // The same again, by somebody else, in upper case, with another ending.
    let again = [
        format!("mira_{id}.py"),
        format!("bo_{id}.py"),
        format!("mira_{}.py", id.to_uppercase()),
        format!("mira_{id}.sh"),
    ];
    for (count, name) in again.iter().enumerate() {
        let inode = contest.drop_file(name, answer("1"));
        contest.wait_for("it is refused", || contest.events("rejected").len() > count);
        let line = refusal(&contest, inode);
        assert_eq!(line["refusal"], "duplicate", "{line}");
        assert_readable(&line);
    }
    contest.wait_for_site();
    assert_eq!(contest.status(&id), Some(first), "whoever knows the id still sees the first");
    assert_eq!(fs::read(contest.path(&format!("public/s/{id}/index.html"))).expect("its page"), page);
    assert_eq!(contest.events("accepted").len(), 1);
    contest.assert_ids_are_secret();

    // Two with one id that arrive together: the earlier one is taken.
    let id = a_new_id();
    let names = [format!("zoe_{id}.py"), format!("bo_{id}.py")];
    for name in &names {
        contest.drop_file(format!(".{name}"), answer("4"));
    }
    for name in &names {
        fs::rename(contest.path("inbox").join(format!(".{name}")), contest.path("inbox").join(name)).expect("renamed");
    }
    contest.wait_for("both are dealt with", || {
        contest.events("accepted").len() == 2 && contest.events("rejected").len() == again.len() + 1
    });
    contest.wait_for_judged(2);
    assert_eq!(contest.events("rejected")[again.len()]["refusal"], "duplicate");
    contest.assert_log_is_whole();
}

#[test]
fn a_folder_of_ones_own_is_no_door_to_anothers_name() {
    let mut contest = Competition::new("Folders").prepare();
    for folder in ["inbox/mira/in", "inbox/bo/in", "inbox/eve"] {
        fs::create_dir_all(contest.path(folder)).expect("a user's folder");
    }
    let outside = contest.outside("outside");
    fs::create_dir(&outside).expect("a folder outside the home");
    let outsider = format!("eve_{}.py", a_new_id());
    fs::write(outside.join(&outsider), answer("1")).expect("a file in it");
    symlink(&outside, contest.path("inbox/eve/in")).expect("a link");
    symlink(&outside, contest.path("inbox/zed")).expect("a link");
    contest.start();

    let good = a_new_id();
    contest.drop_into("inbox/mira/in", format!("mira_{good}.py"), answer("4"));
    assert_eq!(contest.outcome(&good)["verdict"], "accepted");
    let stolen = a_new_id();
    let inode = contest.drop_into("inbox/mira/in", format!("bo_{stolen}.py"), answer("1"));
    assert_eq!(contest.outcome(&stolen)["state"], "rejected");
    let line = refusal(&contest, inode);
    assert_eq!(
        (&line["refusal"], &line["user"]),
        (&"identity".into(), &"mira".into()),
        "whose folder it is, did it: {line}"
    );
    assert_readable(&line);
    // A folder that is made while the daemon runs is found as well.
    fs::create_dir_all(contest.path("inbox/new/in")).expect("a new user's folder");
    let new = a_new_id();
    contest.drop_into("inbox/new/in", format!("new_{new}.py"), answer("4"));
    assert_eq!(contest.outcome(&new)["verdict"], "accepted");
    // Behind a link there is nothing to be taken.
    contest.wait_for("the link is refused", || contest.events("rejected").iter().any(|line| line["file"] == "zed"));
    contest.never_within(Duration::from_secs(3), "a file outside is taken", || {
        contest.log().iter().any(|line| line["user"] == "eve")
    });
    assert!(outside.join(&outsider).exists());
    let left: Vec<_> = ["mira", "bo", "new"]
        .map(|user| fs::read_dir(contest.path(&format!("inbox/{user}/in"))).expect("the folder stays").count())
        .into();
    assert_eq!(left, [0, 0, 0]);
}

#[test]
fn where_owners_count_a_name_alone_is_not_believed() {
    let contest = Competition::new("Owners").set("submissions.identity", "owner").start();
    // An account that every Debian has, and whose name is a good one.
    let uid = 1;
    let as_root = contest.hand_in("root", "py", answer("4"));
    assert_eq!(contest.outcome(&as_root)["verdict"], "accepted");
    let forged = contest.hand_in("daemon", "py", answer("1"));
    assert_eq!(contest.outcome(&forged)["state"], "rejected");
    assert_eq!(contest.event("rejected", &forged)["refusal"], "identity");
    let own = a_new_id();
    let hidden = contest.path("inbox/.own");
    fs::write(&hidden, answer("4")).expect("written");
    chown(&hidden, Some(uid), Some(uid)).expect("given away");
    fs::rename(&hidden, contest.path(&format!("inbox/daemon_{own}.py"))).expect("renamed");
    assert_eq!(contest.outcome(&own)["verdict"], "accepted");
    // In a folder it is the folder that counts.
    fs::create_dir_all(contest.path("inbox/mira/in")).expect("a user's folder");
    let feeder = a_new_id();
    contest.drop_into("inbox/mira/in", format!("mira_{feeder}.py"), answer("4"));
    assert_eq!(contest.outcome(&feeder)["verdict"], "accepted");
}

#[test]
fn a_folder_that_somebody_made_is_not_anothers() {
    // Everybody of the machine drops files here, and none may touch another's.
    let mut contest = Competition::new("Folders").set("submissions.identity", "owner").prepare();
    contest.write_users(&[("mira", "student")]);
    fs::set_permissions(contest.path("inbox"), PermissionsExt::from_mode(0o1733)).expect("chmod");
    let stranger = 1;
    fs::create_dir_all(contest.path("inbox/mira/in")).expect("made");
    let id = a_new_id();
    contest.drop_into("inbox/mira/in", format!("mira_{id}.py"), answer("1"));
    for path in ["inbox/mira", "inbox/mira/in", &format!("inbox/mira/in/mira_{id}.py")] {
        chown(contest.path(path), Some(stranger), Some(stranger)).expect("the stranger's");
    }
    contest.start();
    contest.wait_for("the folder is refused", || contest.events("rejected").iter().any(|line| line["file"] == "mira"));
    let refused = &contest.events("rejected")[0];
    assert_ne!(refused["user"], "mira", "{refused}");
    contest.wait_for("the folder is gone", || !contest.path("inbox/mira").exists());
    assert_eq!(contest.count("accepted"), 0);
    // root's and one's own are good.
    fs::create_dir_all(contest.path("inbox/mira/in")).expect("made");
    let good = a_new_id();
    contest.drop_into("inbox/mira/in", format!("mira_{good}.py"), answer("4"));
    assert_eq!(contest.outcome(&good)["verdict"], "accepted");
}

// ---------------------------------------------------------------------------------------------- uploads that take their time

#[test]
fn an_upload_in_two_halves_is_judged_once_and_whole() {
    let contest = Competition::new("Halves").set("submissions.settle", "300ms").start();
    let id = a_new_id();
    let whole = format!("print(9) # the first half is a program too\n{}", answer("4"));
    let (first, second) = whole.split_at(whole.len() / 2);
    let mut file = contest.put_slowly(&format!("mira_{id}.py"), first);
    contest.never_within(Duration::from_millis(1500), "half a file is taken", || {
        contest.events("accepted").len() + contest.events("rejected").len() > 0
    });
    file.write_all(second.as_bytes()).expect("the second half");
    drop(file);
    contest.outcome(&id);
    let accepted = contest.event("accepted", &id);
    assert_eq!(accepted["sha256"], sha256(whole.as_bytes()).as_str());
    assert_eq!(accepted["size"], whole.len());
    assert_eq!(contest.event("judged", &id)["provenance"]["source_sha256"], accepted["sha256"]);

    // Written in place and closed, as sftp does it: taken after the settle time.
    let id = a_new_id();
    drop(contest.put_slowly(&format!("mira_{id}.py"), answer("3")));
    assert_eq!(contest.outcome(&id)["verdict"], "accepted");
    assert_eq!(contest.event("accepted", &id)["sha256"], sha256(answer("3").as_bytes()).as_str());

    // A client that comes back within the settle time for the rest.
    let id = a_new_id();
    let name = format!("mira_{id}.py");
    drop(contest.put_slowly(&name, first));
    fs::File::options()
        .append(true)
        .open(contest.path("inbox").join(&name))
        .and_then(|mut file| file.write_all(second.as_bytes()))
        .expect("the rest");
    contest.outcome(&id);
    assert_eq!(contest.event("accepted", &id)["sha256"], sha256(whole.as_bytes()).as_str());
    contest.wait_for_judged(3);
    assert_eq!(contest.log().iter().filter(|line| line["event"] == "accepted").count(), 3);
}

#[test]
fn what_was_accepted_does_not_change_any_more() {
    let contest = Competition::new("Old handles").set("queue.workers", 1).start();
    // The one worker has something to do first.
    contest.hand_in("bo", "py", slow_answer("5", 2.5));
    let id = a_new_id();
    let (hidden, name) = (contest.path("inbox/.hidden"), format!("mira_{id}.py"));
    let mut handle = fs::File::create(&hidden).expect("a file");
    handle.write_all(answer("4").as_bytes()).expect("its bytes");
    fs::rename(&hidden, contest.path("inbox").join(&name)).expect("renamed");
    contest.wait_for("it is accepted", || contest.events("accepted").len() == 2);
    // Who wrote it still holds it open.
    handle.rewind().expect("to the beginning");
    handle.write_all(answer("1").as_bytes()).expect("other bytes");
    assert_eq!(contest.events("judged").len(), 0, "it was still waiting");
    let status = contest.outcome(&id);
    assert_eq!(status["public_score"], 44, "{status}");
    let accepted = contest.event("accepted", &id);
    assert_eq!(accepted["sha256"], sha256(answer("4").as_bytes()).as_str());
    let source = contest
        .path(&format!("results/submissions/{:06}/source.py", accepted["submission"].as_u64().expect("a number")));
    assert_eq!(sha256_of_file(&source), sha256(answer("4").as_bytes()));
    contest.assert_log_is_whole();
}

// ---------------------------------------------------------------------------------------------- very many

#[test]
fn five_hundred_files_at_once_are_judged_in_the_order_of_their_arrival() {
    const FILES: usize = 500;
    const USERS: usize = 50;
    let mut contest = Competition::new("Five hundred")
        .set("testcases.public", vec!["one"])
        .set("testcases.private", Vec::<String>::new())
        .set("evaluator.command", vec!["sh", "{evaluator}/seven.sh"])
        .prepare();
    fs::write(contest.path("evaluator/seven.sh"), "echo '{\"score\": 7}'\n").expect("a quick evaluator");
    let names: Vec<_> = (0..FILES).map(|file| format!("user-{}_{}.sh", file % USERS, a_new_id())).collect();
    for name in &names {
        fs::write(contest.path("inbox").join(format!(".{name}")), format!(": {name}\n")).expect("written");
    }
    // In a burst and with no look at them in between, so that several share one tick of the file system's clock.
    for name in &names {
        fs::rename(contest.path("inbox").join(format!(".{name}")), contest.path("inbox").join(name)).expect("renamed");
    }
    // They lie there together when the daemon looks for the first time, so that its order is theirs, to the last of them.
    let mut arrived: Vec<(i64, OsString)> = contest
        .inbox()
        .into_iter()
        .map(|name| {
            let meta = fs::metadata(contest.path("inbox").join(&name)).expect("it is there");
            (meta.ctime() * 1_000_000_000 + meta.ctime_nsec(), name)
        })
        .collect();
    arrived.sort();
    assert_eq!(arrived.len(), FILES);
    assert!(
        arrived.windows(2).any(|pair| pair[0].0 == pair[1].0),
        "no two arrived at one time: the order of names was not tried"
    );
    let settled = std::time::Instant::now();
    support::wait_until(Duration::from_secs(1), || settled.elapsed() > Duration::from_millis(300), || ());

    contest.start();
    let (mut memory, mut files) = (Vec::new(), Vec::new());
    contest.wait_for("all are judged", || {
        let judged = contest.count("judged");
        // The beginning is for warming up.
        if judged > FILES / 5 {
            memory.push(contest.daemon().resident_bytes());
            files.push(contest.daemon().open_files());
        }
        judged == FILES
    });
    contest.wait_for_site();
    assert!(contest.queue()["waiting"].as_array().is_some_and(Vec::is_empty));
    assert!(memory.len() > 20, "it was looked at {} times", memory.len());
    let (least, most) = (memory.iter().min().expect("some"), memory.iter().max().expect("some"));
    assert!(*most < 150 << 20 && most - least < 24 << 20, "resident memory went from {least} to {most} bytes");
    let (first, last) = (files[..5].iter().max().expect("some"), files[files.len() - 5..].iter().max().expect("some"));
    assert!(
        *files.iter().max().expect("some") < 128 && *last < first + 24,
        "open files went from {first} to {last}: {files:?}"
    );

    // A file whose check takes long loses its place, and with it those of its user that wait behind it. On a machine that stands still for
    // seconds even these take long: the daemon says which.
    let said = contest.daemon().said();
    let user = |name: &str| name.split('_').next().unwrap_or_default().to_owned();
    let slow: BTreeSet<String> = names
        .iter()
        .filter(|name| {
            said.lines().any(|line| line.contains("its check took over two seconds") && line.contains(*name))
        })
        .map(|name| user(name))
        .collect();
    assert!(
        slow.len() <= USERS / 2,
        "the checks of {} users took long: this machine is no place to see who comes first",
        slow.len()
    );
    let in_turn = |names: &mut dyn Iterator<Item = &str>| -> Vec<String> {
        names.filter(|name| !slow.contains(&user(name))).map(str::to_owned).collect()
    };
    let of_log = contest.events("accepted");
    assert_eq!(of_log.len(), FILES);
    let accepted = in_turn(&mut of_log.iter().map(|line| line["file"].as_str().expect("a name")));
    let wanted = in_turn(&mut arrived.iter().map(|(_, name)| name.to_str().expect("UTF-8")));
    assert!(
        accepted == wanted,
        "by the time of arrival, then by name; {} are out of their place, without those of {slow:?}\n{said}",
        accepted.iter().zip(&wanted).filter(|(a, b)| a != b).count()
    );
    let started: Vec<_> =
        contest.events("started").iter().map(|line| line["submission"].as_u64().expect("a number")).collect();
    assert_eq!(started, (1..=FILES as u64).collect::<Vec<_>>(), "first come, first served");
    assert_eq!(contest.board()["rows"].as_array().map(Vec::len), Some(USERS));
    assert!(
        contest.board()["rows"]
            .as_array()
            .expect("rows")
            .iter()
            .all(|row| row["attempts"] == FILES / USERS && row["rank"] == 1)
    );
    assert!(contest.inbox().is_empty());
    assert!(contest.stop().success());
    contest.assert_log_is_whole();
    contest.assert_ids_are_secret();
    assert_eq!(contest.traces(), [""; 0]);
}
