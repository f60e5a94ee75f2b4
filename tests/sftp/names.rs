//! Links, other people's names, strange names, a file without end (INB-03 to INB-05, INB-08).

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use super::client::{client, run};
use super::{line, open, open_with};
use crate::support::{Competition, Contest, a_new_id, answer};

/// Within this time a dozen files that are none are refused: each takes milliseconds, and the machine may be busy with other things. One that is opened and
/// waited for takes for ever.
const BOUND: Duration = Duration::from_secs(60);

#[test]
fn links_are_refused_and_nothing_is_read_through_them() {
    let (contest, door) = open(&[("mira", "student"), ("bo", "student")]);
    let ids: Vec<String> = (0..6).map(|_| a_new_id()).collect();
    let targets = ["/etc/shadow", "/../../../testcases/hidden-case/input.txt", "../../bo/in/x.py", ".", "/nowhere"];
    let mut arguments = vec!["links".to_owned()];
    for (target, id) in targets.iter().zip(&ids) {
        arguments.extend([(*target).to_owned(), format!("mira_{id}.py")]);
    }
    // One that leads to itself.
    arguments.extend([format!("mira_{}.py", ids[5]), format!("mira_{}.py", ids[5])]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let began = Instant::now();
    let printed = run(client(&door, "mira", &arguments));
    assert_eq!(printed.matches("symlink done").count(), ids.len(), "{printed}");
    for id in &ids {
        let refused = line(&contest, "rejected", id);
        assert_eq!((&refused["refusal"], &refused["user"]), (&"not-a-file".into(), &"mira".into()), "{refused}");
    }
    // A second name of one's own file, and a folder.
    let (linked, other, folder) = (a_new_id(), a_new_id(), a_new_id());
    let local = door.folder().join("x.py");
    fs::write(&local, answer("4")).expect("a program");
    door.sftp(
        "mira",
        &format!("put {} .x\nln .x mira_{linked}.py\nln .x mira_{other}.py\nmkdir mira_{folder}.py\n", local.display()),
    );
    for id in [&linked, &folder] {
        assert_eq!(line(&contest, "rejected", id)["refusal"], "not-a-file");
    }
    // What no client can make and a student with more than a client might: devices, a pipe that nobody writes to, a socket.
    let special = [("c 1 3", a_new_id()), ("c 1 5", a_new_id()), ("p", a_new_id())];
    for (kind, id) in &special {
        door.sh(&format!(
            "cd /srv/podium/inbox/mira/in; mknod .x-{id} {kind}; chown mira: .x-{id}; mv .x-{id} mira_{id}.py"
        ));
    }
    let socket = a_new_id();
    let listening = UnixListener::bind(contest.path(&format!("inbox/mira/in/mira_{socket}.py"))).expect("a socket");
    for id in special.iter().map(|(_, id)| id).chain([&socket]) {
        assert_eq!(line(&contest, "rejected", id)["refusal"], "not-a-file");
    }
    drop(listening);
    // Nothing of it was waited for.
    assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
    assert_eq!(contest.count("accepted"), 0);
    door.put("bo", &format!("bo_{}.py", a_new_id()), answer("4"));
    contest.wait_for_judged(1);
    for (name, page) in &contest.site().0 {
        assert!(!String::from_utf8_lossy(page).contains(crate::support::HIDDEN_TAG), "{name}");
    }
}

/// Every page of a user's, by its name: what it says byte for byte.
fn pages_of(contest: &Contest, user: &str) -> BTreeMap<String, Vec<u8>> {
    contest.wait_for_site();
    let pages = contest.site().0.into_iter();
    pages.filter(|(name, _)| name.split(['/', '.']).any(|part| part == user)).collect()
}

#[test]
fn a_name_is_no_way_to_speak_for_another() {
    let users = [("mira", "student"), ("bo", "student"), ("boss", "superuser")];
    let (contest, door) = open_with(Competition::new("Spoofs").users(&users).set("submissions.rate", "2/1h"));
    let put = |user: &str, whose: &str, number: &str| {
        let id = a_new_id();
        door.put(user, &format!("{whose}_{id}.py"), answer(number));
        id
    };
    let own = put("bo", "bo", "4");
    contest.wait_for_judged(1);
    contest.wait_for("its letters say so", || {
        ["json", "txt"].iter().all(|ending| {
            let letter = contest.path(&format!("inbox/bo/out/bo_{own}.{ending}"));
            fs::read_to_string(letter).is_ok_and(|text| text.contains("accepted"))
        })
    });
    let of = |contest: &Contest| {
        let private = fs::read(contest.path(&format!("public/s/{own}/index.html"))).expect("the private page");
        let letters: BTreeMap<String, Vec<u8>> = fs::read_dir(contest.path("inbox/bo/out"))
            .expect("out/")
            .map(|entry| entry.expect("an entry"))
            // It tells what the daemon does, second by second.
            .filter(|entry| entry.file_name() != "queue.json")
            .map(|entry| (entry.file_name().into_string().expect("text"), fs::read(entry.path()).expect("a letter")))
            .collect();
        (pages_of(contest, "bo"), private, letters, contest.board()["rows"].clone())
    };
    let before = of(&contest);
    assert!(!before.0.is_empty() && before.2.len() >= 3, "{:?} {:?}", before.0.keys(), before.2.keys());
    for other in ["bo", "boss", "nobody-here", "bo", "bo"] {
        let id = put("mira", other, "1");
        let refused = line(&contest, "rejected", &id);
        assert_eq!((&refused["refusal"], &refused["user"]), (&"identity".into(), &"mira".into()), "{refused}");
    }
    assert_eq!(contest.count("accepted"), 1);
    assert!(pages_of(&contest, "boss").is_empty() && pages_of(&contest, "nobody-here").is_empty());
    let after = of(&contest);
    for (name, page) in &before.0 {
        assert_eq!(String::from_utf8_lossy(&after.0[name]), String::from_utf8_lossy(page), "{name}");
    }
    for (name, letter) in &before.2 {
        assert_eq!(String::from_utf8_lossy(&after.2[name]), String::from_utf8_lossy(letter), "{name}");
    }
    assert!(before == after, "there is something new of bo's: {:?} {:?}", after.0.keys(), after.2.keys());
    // Nor is anything of bo's two an hour used up: one is left, and no more.
    let second = put("bo", "bo", "5");
    assert_eq!(line(&contest, "accepted", &second)["user"], "bo");
    let third = put("bo", "bo", "6");
    assert_eq!(line(&contest, "rejected", &third)["refusal"], "rate");
}

#[test]
fn strange_names_are_refused_or_left_alone_and_stay_where_they_are() {
    let (contest, door) = open(&[("mira", "student"), ("bo", "student")]);
    let id = a_new_id();
    let mut names: Vec<Vec<u8>> = [
        "README.md",
        "ID.py",
        "mira_ID",
        "mira_ID.",
        "mira_ID.PY",
        "mira_ID.py.zip",
        "mira_ID .py",
        "mira_ID.py ",
        " mira_ID.py",
        "Mira_ID.py",
        "MIRA_ID.py",
        "-rf",
        "-mira_ID.py",
        "--help",
        "*",
        "$(id)_ID.py",
        "`id`",
        ";id",
        "%s%n",
        "mira\n_ID.py",
        "mira_ID\r.py",
        "mira\t_ID.py",
        "\u{1b}[2Jmira_ID.py",
        "mira_ID.p\u{202e}y",
        "mira\u{200b}_ID.py",
        "mirа_ID.py",
        "mi\u{301}ra_ID.py",
        "mír\u{e1}_ID.py",
        "<img src=x onerror=alert(1)>",
        "\"'",
        "mira_ID.py.",
        "\\..\\x",
    ]
    .iter()
    .map(|name| name.replace("ID", &id).into_bytes())
    .collect();
    names.push(b"mira_\xff\xfe.py".to_vec());
    names.push(vec![b'x'; 255]);
    let silent =
        [".hidden", "mira_ID.py.part", "mira_ID.py.filepart", "mira_ID.py~"].map(|name| name.replace("ID", &id));
    let elsewhere = ["../x", "/x", "../../x", "../out/x", "/../../x", "a/b"];
    let encoded: Vec<String> = names
        .iter()
        .map(Vec::as_slice)
        .chain(silent.iter().map(|name| name.as_bytes()))
        .chain(elsewhere.iter().map(|name| name.as_bytes()))
        .map(base64)
        .collect();
    let arguments: Vec<&str> = std::iter::once("names").chain(encoded.iter().map(String::as_str)).collect();
    let printed = run(client(&door, "mira", &arguments));
    assert_eq!(printed.matches(" refused").count(), elsewhere.len(), "{printed}");
    contest.wait_for("every strange name is refused", || contest.events("rejected").len() >= names.len());
    door.put("bo", &format!("bo_{}.py", a_new_id()), answer("4"));
    contest.wait_for_judged(1);
    let refused = contest.events("rejected");
    assert_eq!(refused.len(), names.len());
    for line in &refused {
        let file = line["file"].as_str().expect("a text");
        assert!(line["user"] == "mira" && !file.chars().any(char::is_control), "{line}");
    }
    let mut left: Vec<_> = fs::read_dir(contest.path("inbox/mira/in"))
        .expect("list")
        .map(|entry| entry.expect("entry").file_name().into_string().expect("text"))
        .collect();
    left.sort();
    let mut wanted: Vec<String> = silent.iter().cloned().chain(["in".to_owned()]).collect();
    wanted.sort();
    assert_eq!(left, wanted);
    assert_eq!(contest.inbox(), ["bo", "mira"]);
}

/// A name on a command line, whatever its bytes.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for i in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * i)) as usize & 63];
            text.push(if i <= group.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[test]
fn a_file_without_end_is_stopped() {
    let (contest, door) = open(&[("mira", "student"), ("bo", "student")]);
    let (sparse, growing) = (a_new_id(), a_new_id());
    let printed = run(client(&door, "mira", &["truncate", &format!("mira_{sparse}.py"), &(1_u64 << 40).to_string()]));
    assert!(printed.contains("truncate refused"), "PAM's limit stops it: {printed}");
    let printed = run(client(&door, "mira", &["grow", &format!("mira_{growing}.py")]));
    assert!(printed.contains("grow refused"), "{printed}");
    // max_size is 1 MiB, and the limit of an upload another MiB: the daemon says why it refuses.
    let refused = line(&contest, "rejected", &growing);
    assert_eq!(refused["refusal"], "too-large", "{refused}");
    assert!(refused["size"].as_u64().is_some_and(|size| size <= 2 << 20), "{refused}");
    door.put("bo", &format!("bo_{}.py", a_new_id()), answer("4"));
    contest.wait_for("bo's is judged", || contest.events("judged").iter().any(|line| line["user"] == "bo"));
    // Between the two limits, from a client that is not stopped.
    let large = a_new_id();
    let output = door.folder().join("large.py");
    fs::write(&output, "#".repeat((1 << 20) + 1000)).expect("a file");
    door.sftp("mira", &format!("put {} mira_{large}.py\n", output.display()));
    assert_eq!(line(&contest, "rejected", &large)["refusal"], "too-large");
}
