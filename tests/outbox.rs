//! `inbox/<user>/out/`: what a student reads who has nothing but `sftp`.

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::PathBuf;

use serde_json::Value;

use support::{
    Competition, Contest, HIDDEN_CASE, HIDDEN_TAG, HIDDEN_WEIGHT, STAFF_TAG, Site, a_new_id, answer, sha256,
    slow_answer,
};

/// Nobody: an account that is on every machine.
const NOBODY: u32 = 65_534;

/// The folders that provisioning makes, with the student's own belonging to somebody.
fn provision(contest: &Contest, user: &str) {
    for (folder, mode) in [("", 0o755), ("/out", 0o755), ("/in", 0o700)] {
        let path = contest.path(&format!("inbox/{user}{folder}"));
        fs::create_dir_all(&path).expect("made");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod");
    }
    chown(contest.path(&format!("inbox/{user}/in")), Some(NOBODY), Some(NOBODY)).expect("the student's own");
}

/// Hands in by the folder, and returns the id.
fn drop_in(contest: &Contest, user: &str, ending: &str, program: impl AsRef<[u8]>) -> String {
    let id = a_new_id();
    contest.drop_into(&format!("inbox/{user}/in"), format!("{user}_{id}.{ending}"), program);
    id
}

/// A file of a user's outbox.
fn out(contest: &Contest, user: &str, name: &str) -> PathBuf {
    contest.path(&format!("inbox/{user}/out/{name}"))
}

fn read(contest: &Contest, user: &str, name: &str) -> String {
    fs::read_to_string(out(contest, user, name)).unwrap_or_default()
}

#[test]
fn a_letter_says_what_the_private_page_says() {
    let contest = Competition::new("Letters").users(&[("mira", "student"), ("bo", "student")]).prepare();
    provision(&contest, "mira");
    let mut contest = contest;
    contest.start();
    let program = format!("{}\nraise SystemExit('the last words')", answer("4"));
    let id = drop_in(&contest, "mira", "py", &program);
    // No waiting beyond that: whoever waits for status.json reads the letter next.
    assert_eq!(contest.outcome(&id)["state"], "judged");
    let (json, text) = (format!("mira_{id}.json"), format!("mira_{id}.txt"));
    assert!(read(&contest, "mira", &text).contains("judged: run-error"));
    assert_eq!(
        fs::read(out(&contest, "mira", &json)).expect("the document"),
        fs::read(contest.path(&format!("public/s/{id}/status.json"))).expect("the page's"),
    );
    let letter = read(&contest, "mira", &text);
    let accepted = contest.event("accepted", &id);
    for said in [
        "Letters\n",
        "Submission 1 of mira\n",
        "one: run-error",
        "two: run-error",
        "of 1 s, wall ",
        " of 20 s, memory ",
        " of 64 MiB",
        "    | the last words\n",
        "    | ONE-OPEN-TAG 1\n",
        "What to do next",
        &sha256(program.as_bytes()),
        &format!("log line     {}, {}", accepted["seq"], accepted["at"].as_str().expect("a moment")),
        &format!("received     {}, {} bytes", accepted["at"].as_str().expect("a moment"), program.len()),
        &format!("s/{id}/"),
    ] {
        assert!(letter.contains(said), "{said:?} is missing\n{letter}");
    }
    for line in letter.lines() {
        assert!(line.chars().count() <= 72, "{line:?} is wider than a terminal of old");
    }
    let mode = |path: PathBuf| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(out(&contest, "mira", &text)), mode(out(&contest, "mira", &json))), (0o644, 0o644));
    let readme = read(&contest, "mira", "README.txt");
    assert!(readme.contains("mira_<uuid>.<ext>") && readme.contains(".py"), "{readme}");
    assert!(readme.contains("64 MiB"), "{readme}");
    // What a cut upload is, and which clients there is no use in trying.
    let flowing = readme.split_whitespace().collect::<Vec<_>>().join(" ");
    for rule in [
        "leaves a short file",
        "is judged as it stands",
        "size and the SHA-256",
        "rsync, scp -O",
        "mount your folder with sshfs",
    ] {
        assert!(flowing.contains(rule), "{rule}\n{readme}");
    }
    assert!(!fs::exists(contest.path("inbox/bo")).expect("looked"), "nobody's folder is made");
}

#[test]
fn what_was_refused_is_told_to_whose_folder_it_came_in() {
    let contest = Competition::new("Refusals").users(&[("mira", "student"), ("bob", "student")]).prepare();
    provision(&contest, "mira");
    provision(&contest, "bob");
    let mut contest = contest;
    contest.start();
    let broken = drop_in(&contest, "mira", "py", "def f(:\n");
    assert_eq!(contest.outcome(&broken)["state"], "rejected");
    let letter = || read(&contest, "mira", &format!("mira_{broken}.txt"));
    assert!(letter().contains("refused before judging"), "{}", letter());
    assert!(letter().contains("SyntaxError") && letter().contains("does not count as a try"), "{}", letter());

    // Another's name in one's own folder is one's own refusal.
    let spoofed = a_new_id();
    contest.drop_into("inbox/mira/in", format!("bob_{spoofed}.py"), answer("1"));
    contest.wait_for("the spoof is told", || {
        read(&contest, "mira", &format!("mira_{spoofed}.txt")).contains("folder of mira")
    });
    let bobs: Vec<_> = fs::read_dir(contest.path("inbox/bob/out"))
        .expect("bob's")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("bob_") || name.starts_with("mira_"))
        .collect();
    assert!(bobs.is_empty(), "{bobs:?}");

    // Names without an id, the last fifty of them, with whatever they do to a terminal made visible.
    contest.drop_into("inbox/mira/in", "homework\u{1b}[2J\u{202e}.py", "print(1)");
    contest.wait_for("the stray is told", || read(&contest, "mira", "refused.txt").contains("homework"));
    let told = read(&contest, "mira", "refused.txt");
    assert!(told.contains(r"homework\u{1b}[2J\u{202e}.py") && told.contains("<user>_<uuid>.<ext>"), "{told}");
    assert!(!read(&contest, "bob", "refused.txt").contains("homework"));
    let good = drop_in(&contest, "mira", "py", answer("1"));
    contest.wait_for_judged(1);
    // A replay has no page of its own either.
    contest.drop_into("inbox/mira/in", format!("mira_{good}.py"), answer("2"));
    contest.wait_for("the replay is told", || read(&contest, "mira", "refused.txt").contains("needs a new one"));
    for n in 0..60 {
        contest.drop_into("inbox/mira/in", format!("junk-{n:02}"), "x");
    }
    contest.wait_for("the junk is told", || read(&contest, "mira", "refused.txt").contains("junk-59"));
    let told = read(&contest, "mira", "refused.txt");
    assert!(
        told.contains("junk-10") && !told.contains("junk-09") && !told.contains("homework"),
        "the latest fifty\n{told}"
    );
}

#[test]
fn who_waits_reads_the_place_in_the_queue() {
    let contest = Competition::new("Queue").set("queue.workers", 1).prepare();
    provision(&contest, "mira");
    let mut contest = contest;
    contest.start();
    contest.hand_in("zoe", "py", answer("1"));
    contest.wait_for_judged(1);
    contest.hand_in("zoe", "py", slow_answer("1", 4.0));
    contest.wait_for("the worker is busy", || contest.count("started") == 2);
    contest.hand_in("ann", "py", answer("1"));
    contest.wait_for("ann waits", || contest.count("accepted") == 3);
    let id = drop_in(&contest, "mira", "py", answer("1"));
    let letter = || read(&contest, "mira", &format!("mira_{id}.txt"));
    contest.wait_for("mira's place is told", || letter().contains("place 2 of 2"));
    assert!(letter().contains("expected     in "), "{}", letter());
    contest.wait_for("the queue is there for programs", || {
        let queue: Value = serde_json::from_str(&read(&contest, "mira", "queue.json")).unwrap_or_default();
        queue["waiting"]
            .as_array()
            .is_some_and(|waiting| waiting.iter().any(|one| one["user"] == "mira" && one["position"] == 2))
    });
    contest.wait_for("it moves up without anything of its own having happened", || {
        letter().contains("place 1 of 1") || letter().contains("judged: ") || letter().contains("being judged")
    });
    contest.wait_for_judged(4);
    contest.wait_for("and is told the end", || letter().contains("judged: accepted"));
}

#[test]
fn outboxes_are_a_function_of_the_log() {
    let contest = Competition::new("Function").prepare();
    for user in ["mira", "zoe"] {
        provision(&contest, user);
    }
    let mut contest = contest;
    contest.start();
    drop_in(&contest, "mira", "py", answer("4"));
    drop_in(&contest, "mira", "py", "def f(:\n");
    drop_in(&contest, "zoe", "py", answer("x"));
    contest.drop_into("inbox/zoe/in", "nonsense", "x");
    contest.wait_for("all is dealt with", || contest.count("judged") == 2 && contest.count("rejected") == 2);
    contest.wait_for_site();
    assert!(contest.stop().success());
    let boxes = || {
        let mut files = Site::of(&contest.path("inbox"));
        // The clock writes into this one, as into that of the site.
        files.0.retain(|name, _| !name.ends_with("queue.json"));
        files
    };
    let before = boxes();
    // Two files for each of three ids, and two for each user.
    assert_eq!(before.0.len(), 10, "{:?}", before.0.keys());
    for user in ["mira", "zoe"] {
        for entry in fs::read_dir(contest.path(&format!("inbox/{user}/out"))).expect("out/") {
            fs::remove_file(entry.expect("an entry").path()).expect("removed");
        }
    }
    fs::write(out(&contest, "mira", &format!("mira_{}.txt", a_new_id())), "of no log").expect("written");
    contest.podium(&["build"]).exits(0);
    before.assert_same(&boxes());
}

#[test]
fn while_the_board_is_open_an_outbox_holds_nothing_private() {
    let contest = Competition::new("Secrets").prepare();
    provision(&contest, "mira");
    let mut contest = contest;
    contest.start();
    // One that fails in the private case only, and prints what it is given.
    let failing = format!(
        "import sys\ntext = sys.stdin.read()\nsys.stderr.write(text)\nprint(3)\nif {:?} in text: raise SystemExit(7)\n",
        HIDDEN_TAG
    );
    for program in [answer("4"), failing, "def f(:\n".into()] {
        drop_in(&contest, "mira", "py", program);
    }
    contest.wait_for("all is dealt with", || contest.count("judged") == 2 && contest.count("rejected") == 1);
    contest.wait_for_site();
    let judged = contest.events("judged");
    let hidden =
        judged.iter().filter_map(|line| line["cases"].as_array()).flatten().filter(|case| case["case"] == HIDDEN_CASE);
    let mut secrets: Vec<String> =
        hidden.filter_map(|case| case["score"].as_f64()).map(|score| format!("{score}")).collect();
    secrets.extend([HIDDEN_CASE, HIDDEN_TAG, STAFF_TAG].map(str::to_owned));
    secrets.push(HIDDEN_WEIGHT.to_string());
    let readable = Site::of(&contest.path("inbox/mira"));
    for secret in secrets {
        assert_eq!(readable.holding(&secret), [""; 0], "{secret} shows");
    }
    // Each letter is accepted or says what a private failure leaves in the public cases: nothing.
    let letters = readable.0.iter().filter(|(name, _)| name.ends_with(".txt") && name.contains("mira_"));
    let said: Vec<_> = letters.map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned()).collect();
    assert_eq!(said.iter().filter(|letter| letter.contains("judged: accepted")).count(), 2, "{said:#?}");
}

#[test]
fn nothing_is_written_where_a_student_could_have_prepared_the_ground() {
    let contest = Competition::new("Traps").prepare();
    let victim = contest.outside("victim");
    fs::create_dir(&victim).expect("a folder of somebody's");
    fs::write(victim.join("README.txt"), "precious").expect("a file of somebody's");
    // `eve` owns her folder and has put a link where her outbox would be; `ivo` owns his outbox; `gus` shares his with a group.
    for user in ["eve", "ivo", "gus", "mira"] {
        provision(&contest, user);
    }
    let (eve, ivo, gus) = (contest.path("inbox/eve"), contest.path("inbox/ivo/out"), contest.path("inbox/gus/out"));
    fs::remove_dir(eve.join("out")).expect("empty");
    symlink(&victim, eve.join("out")).expect("a link");
    chown(&eve, Some(NOBODY), Some(NOBODY)).expect("eve's own");
    symlink(victim.join("README.txt"), ivo.join("README.txt")).expect("a link");
    chown(&ivo, Some(NOBODY), Some(NOBODY)).expect("ivo's own");
    fs::set_permissions(&gus, fs::Permissions::from_mode(0o775)).expect("chmod");
    let mut contest = contest;
    contest.start();
    for user in ["eve", "ivo", "gus", "mira"] {
        drop_in(&contest, user, "py", answer("4"));
    }
    contest.wait_for_judged(4);
    contest.wait_for("mira is not disturbed", || {
        Site::of(&contest.path("inbox/mira/out"))
            .0
            .values()
            .any(|text| String::from_utf8_lossy(text).contains("judged: accepted"))
    });
    assert_eq!(Site::of(&victim).0.len(), 1, "nothing was written through the link");
    assert_eq!(fs::read_to_string(victim.join("README.txt")).expect("read"), "precious");
    assert_eq!(fs::read_dir(&ivo).expect("ivo's").count(), 1);
    assert_eq!(fs::read_dir(&gus).expect("gus's").count(), 0);
    contest.podium(&["status"]).exits(0);

    // One that becomes as it should be is filled, whatever came before.
    fs::set_permissions(&gus, fs::Permissions::from_mode(0o755)).expect("chmod");
    contest.wait_for("gus has his letters", || {
        Site::of(&gus).0.keys().any(|name| name.ends_with(".txt") && name.starts_with("gus_"))
    });
    // And one that is swapped for a link while letters are written leaves the link's target alone.
    let mira = contest.path("inbox/mira/out");
    for round in 0..20 {
        let away = contest.outside(&format!("away-{round}"));
        fs::rename(&mira, &away).expect("moved away");
        symlink(&victim, &mira).expect("a link in its place");
        drop_in(&contest, "mira", "py", "def f(:\n");
        contest.wait_for("it is refused", || contest.count("rejected") > round);
        fs::remove_file(&mira).expect("the link goes");
        fs::rename(&away, &mira).expect("moved back");
    }
    assert_eq!(Site::of(&victim).0.len(), 1, "nothing was written through the link");
}
