//! Who comes in, and how far: every client, passwords and keys, nobody into another's folder, sixty at once from one address.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use super::client::{WAYS, client, run, said, upload};
use super::{line, open};
use crate::support::door::PASSWORD;
use crate::support::push::{Clone, make_key};
use crate::support::{Competition, Door, a_new_id, answer, sha256};

#[test]
fn thirty_students_by_every_client_at_once_and_then_by_git_each_under_their_own_name() {
    let competition = Competition::new("A class").set("queue.workers", 2).set("git.account", "submit");
    let mut contest = competition.prepare();
    let printed =
        contest.podium(&["users", "generate", "--count", "30", "--host", "judge.example.org"]).exits(0).stdout;
    let words = |key: &str| -> Vec<String> {
        printed.lines().filter_map(|line| line.trim().strip_prefix(key)).map(|rest| rest.trim().to_owned()).collect()
    };
    let (names, passwords) = (words("user name"), words("password"));
    assert_eq!((names.len(), passwords.len(), names[29].as_str()), (30, 30, "student30"), "{printed}");
    names.iter().for_each(|name| make_key(&contest, name));
    let door = Door::open(&contest);
    door.start_daemon(&mut contest);
    let program = |name: &str, way: &str, number: usize| format!("# {name} {way}\n{}", answer(&number.to_string()));
    let sent: Vec<(String, String, String)> = (names.iter().enumerate())
        .map(|(i, name)| (name.clone(), a_new_id(), program(name, "by a client", 100 + i)))
        .collect();
    // Every sixth also sends something in the name of the next.
    let spoofs: Vec<(usize, String)> = (0..30).step_by(6).map(|i| (i, a_new_id())).collect();
    std::thread::scope(|scope| {
        for (i, (name, id, program)) in sent.iter().enumerate() {
            let (door, password) = (&door, &passwords[i]);
            scope.spawn(move || {
                upload(door, WAYS[i % WAYS.len()], (name, password), &format!("{name}_{id}.py"), program)
            });
        }
        for (i, id) in &spoofs {
            let (door, name, password, other) = (&door, &names[*i], &passwords[*i], &names[i + 1]);
            scope.spawn(move || {
                upload(door, "sftp, renamed", (name, password), &format!("{other}_{id}.py"), "print(1)\n")
            });
        }
    });
    // The same thirty by git, at once, while what they uploaded is judged. bob is the author of all of it, and somebody whom nobody knows tries, too.
    make_key(&contest, "mallory");
    let clones: Vec<Clone> = names.iter().map(|name| Clone::through(&door, &contest, name)).collect();
    for (i, (clone, name)) in clones.iter().zip(&names).enumerate() {
        clone.commit_solution(program(name, "by git", 200 + i));
    }
    let pushes: Vec<_> = clones
        .iter()
        .map(|clone| {
            let mut push = clone.remote(&["push", "ssh://submit@127.0.0.1/submissions", "HEAD:main"]);
            push.stderr(Stdio::piped()).spawn().expect("git runs")
        })
        .collect();
    let mallory = Clone::through(&door, &contest, "mallory");
    mallory.commit_solution(answer("1"));
    mallory.submit().fails();
    for (push, name) in pushes.into_iter().zip(&names) {
        let ended = push.wait_with_output().expect("it ends");
        assert!(ended.status.success(), "{name}: {}", said(&ended));
    }
    contest.wait_within(crate::support::PATIENCE * 3, "sixty are judged", || contest.count("judged") >= 60);
    for (name, id, program) in &sent {
        let line = contest.event("accepted", id);
        assert_eq!(
            (&line["user"], &line["sha256"]),
            (&name.as_str().into(), &sha256(program.as_bytes()).into()),
            "{line}"
        );
    }
    let accepted = contest.events("accepted");
    for (i, name) in names.iter().enumerate() {
        let pushed = sha256(program(name, "by git", 200 + i).as_bytes());
        let of_it: Vec<_> = accepted.iter().filter(|line| line["sha256"] == pushed.as_str()).collect();
        assert_eq!(of_it.len(), 1, "{name}");
        assert_eq!(of_it[0]["user"], name.as_str());
        assert_eq!(accepted.iter().filter(|line| line["user"] == name.as_str()).count(), 2, "{name}");
    }
    for (i, id) in &spoofs {
        let refused = contest.event("rejected", id);
        let expected = (&"identity".into(), &names[*i].as_str().into());
        assert_eq!((&refused["refusal"], &refused["user"]), expected, "{refused}");
    }
    let judged = contest.events("judged");
    assert!(judged.iter().all(|line| line["cases"].as_array().is_some_and(|cases| cases.len() == 3)));
    assert_eq!((contest.count("accepted"), judged.len(), contest.count("rejected")), (60, 60, spoofs.len()));
    contest.wait_for_site();
    let board = contest.board();
    assert_eq!(board["rows"].as_array().map(Vec::len), Some(30), "{board}");
    // No secret is where others read: not a password, not a hash.
    let users = fs::read_to_string(contest.path("users.csv")).expect("users.csv");
    let hashes: Vec<&str> = users.lines().skip(1).filter_map(|line| line.split(',').nth(1)).collect();
    assert!(hashes.iter().all(|hash| hash.starts_with("$y$")), "{users}");
    let daemon = contest.daemon().said();
    for secret in passwords.iter().map(String::as_str).chain(hashes) {
        assert!(!users.contains(secret) || secret.starts_with('$'));
        assert!(!daemon.contains(secret) && !door.sshd_said().contains(secret));
        assert!(!contest.site().0.values().any(|page| String::from_utf8_lossy(page).contains(secret)));
    }
    contest.assert_log_is_whole();
    contest.assert_ids_are_secret();
}

#[test]
fn a_student_sees_nothing_but_their_own_folder() {
    let (contest, door) = open(&[("mira", "student"), ("bo", "student")]);
    door.put("bo", ".bo-works-on-it.py", answer("4"));
    let asked =
        ["/", ".", "..", "/..", "/in", "/out", "/../..", "/inbox", "../bo", "/etc", "/srv", "/results", "/testcases"];
    let looked = run(client(&door, "mira", &[&["look"][..], &asked].concat()));
    for entry in looked.lines() {
        let own = ["['in', 'out']", "['in']", "[]"];
        assert!(own.iter().any(|own| entry.ends_with(own)) || entry.contains("refused"), "{looked}");
    }
    assert!(looked.contains("/etc refused") && looked.contains("/results refused"), "{looked}");
    // No folder but in/ takes anything, and nothing in it leads out.
    let local = door.folder().join("x");
    fs::write(&local, "x").expect("a file");
    let local = local.display();
    for place in ["/x", "/out/x", "/../x", "../x", "/in/../x"] {
        let output = door.sftp("mira", &format!("put {local} {place}\n"));
        assert!(said(&output).contains("denied") || said(&output).contains("Failure"), "{place}: {}", said(&output));
    }
    let output = door.sftp(
        "mira",
        "ln -s /etc/passwd p\nln -s /../../../../etc/passwd q\nget p\nget q\nrename /in /on\nrmdir /out\nmkdir /x\n",
    );
    assert!(!said(&output).contains("root:"), "{}", said(&output));
    let own = contest.path("inbox/mira");
    let mut left: Vec<_> = fs::read_dir(&own).expect("list").map(|entry| entry.expect("entry").file_name()).collect();
    left.sort();
    assert_eq!(left, ["in", "out"]);
    let meta = fs::metadata(&own).expect("there");
    assert_eq!((meta.uid(), meta.mode() & 0o777), (0, 0o750));
    assert_eq!(fs::metadata(own.join("in")).expect("there").mode() & 0o777, 0o700);

    // No shell, no terminal, no command, no way through.
    let tried = run(client(&door, "mira", &["forward"]));
    assert!(tried.contains("direct-tcpip refused") && tried.contains("session refused"), "{tried}");
    assert!(!tried.contains("uid=") && !tried.contains("root:"), "{tried}");
    // scp's old protocol and rsync want a command there: they fail, and leave nothing behind.
    let name = format!("mira_{}.py", a_new_id());
    let output =
        door.client("scp", PASSWORD).arg("-O").arg(local.to_string()).arg(format!("mira@127.0.0.1:{name}")).output();
    assert!(!output.expect("scp runs").status.success());
    let mut rsync = Command::new("rsync");
    door.answering(
        rsync.args(["-e", &door.ssh_command(), &local.to_string(), &format!("mira@127.0.0.1:{name}")]),
        PASSWORD,
    );
    assert!(!rsync.output().expect("rsync runs").status.success());

    // Another's password, none, and names that are nobody's or the machine's.
    for (user, password) in
        [("bo", "wrong"), ("mira", ""), ("nobody-here", PASSWORD), ("root", PASSWORD), ("sshd", PASSWORD)]
    {
        let output = door.sftp_as(user, password, "ls\n");
        assert!(!output.status.success() && output.stdout.is_empty(), "{user}: {}", said(&output));
    }
    assert_eq!(contest.count("accepted"), 0);
    assert!(!contest.events("rejected").iter().any(|line| line["user"] == "bo"));
}

#[test]
fn a_key_is_as_good_as_a_password_and_whoever_is_removed_stays_out() {
    let mut contest = Competition::new("Keys").users(&[("mira", "student"), ("bo", "student")]).prepare();
    contest.podium(&["users", "add", "cy", "--keys-only"]).exits(0);
    let key = contest.outside("cy");
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
    assert!(made.expect("ssh-keygen runs").success());
    fs::create_dir(contest.path("keys")).expect("keys/");
    fs::copy(key.with_extension("pub"), contest.path("keys/cy.pub")).expect("a public key");
    let door = Door::open(&contest);
    door.start_daemon(&mut contest);
    let local = door.folder().join("x.py");
    fs::write(&local, answer("4")).expect("a program");
    let with_key = |id: &str| {
        let mut command = door.client("scp", "none");
        command.arg("-i").arg(&key).arg(&local).arg(format!("cy@127.0.0.1:cy_{id}.py"));
        command.output().expect("scp runs")
    };
    let id = a_new_id();
    let output = with_key(&id);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(contest.outcome(&id)["user"], "cy");
    // No password lets in where there is none.
    for password in ["", "*", "!", "cy"] {
        assert!(!door.sftp_as("cy", password, "ls\n").status.success());
    }

    // A session that is open when its user is removed ends; the files of it are not taken.
    let late = a_new_id();
    let mut open = client(&door, "bo", &["slow", &format!("bo_{late}.py"), &answer("5")]).spawn().expect("it starts");
    let mut ready = String::new();
    BufReader::new(open.stdout.take().expect("piped")).read_line(&mut ready).expect("read");
    contest.podium(&["users", "remove", "bo", "cy"]).exits(0);
    door.podium(&["users", "provision"]).exits(0);
    contest.wait_for("the session has ended", || door.sh("ps -e -o user:32 | grep -c '^bo ' || true").trim() == "0");
    let _ = open.kill();
    let _ = open.wait();
    assert!(!with_key(&a_new_id()).status.success());
    assert!(!door.sftp("bo", "ls\n").status.success());
    let refused = line(&contest, "rejected", &late);
    assert_eq!((&refused["refusal"], &refused["user"]), (&"unknown-user".into(), &"bo".into()), "{refused}");
    assert_eq!(contest.outcome(&id)["verdict"], "accepted", "what was judged stays");
    // Listed again, they come in again; and twice is as good as once.
    contest.podium(&["users", "add", "bo"]).exits(0);
    door.podium(&["users", "provision"]).exits(0);
    door.podium(&["users", "provision"]).exits(0).says("Nothing was to be changed");
    door.put("mira", &format!("mira_{}.py", a_new_id()), answer("4"));
    contest.wait_for_judged(2);
}

#[test]
fn sixty_at_once_from_one_address_and_nobody_is_turned_away() {
    let names: Vec<String> = (1..=60).map(|i| format!("s{i}")).collect();
    let users: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "student")).collect();
    let (contest, door) = open(&users);
    let ids: Vec<String> = names.iter().map(|_| a_new_id()).collect();
    std::thread::scope(|scope| {
        for (i, (name, id)) in names.iter().zip(&ids).enumerate() {
            let (door, local) = (&door, door.folder().join(format!("{name}.py")));
            scope.spawn(move || {
                fs::write(&local, answer("4")).expect("a program");
                let wrong = i % 4 == 0;
                let password = if wrong { "wrong" } else { PASSWORD };
                let output = door.sftp_as(name, password, &format!("put {} {name}_{id}.py\n", local.display()));
                assert_eq!(output.status.success(), !wrong, "{name}: {}", said(&output));
                // Heard, and not cut off before the question.
                assert!(!wrong || door.sshd_said().contains(&format!("Failed password for {name} ")), "{name}");
            });
        }
    });
    contest.wait_for("forty-five are taken in", || contest.count("accepted") == 45);
    for (i, id) in ids.iter().enumerate() {
        assert_eq!(
            contest.events("accepted").iter().filter(|line| line["id"] == id.as_str()).count(),
            usize::from(i % 4 != 0)
        );
    }
    assert!(!door.sshd_said().contains("drop connection"), "{}", door.sshd_said());
}

#[test]
fn the_lines_of_the_students_page_do_what_they_say() {
    // As config.toml has it where it says nothing else.
    let competition = Competition::new("The page").users(&[("mira", "student")]).set("submissions.settle", "2s");
    let (contest, door) = super::open_with(competition);
    let page = include_str!("../../docs/students.md");
    let block =
        page.split("## With sftp").nth(1).and_then(|rest| rest.split("```sh\n").nth(1)).expect("lines for sftp");
    // What the first line prints is what stands in the others.
    let id = a_new_id();
    let block = block.split("\n```").next().expect("they end").replace("UUID", &id);
    let lines: Vec<&str> = block.lines().collect();
    assert!(lines.len() == 5 && lines[0].starts_with("uuidgen "), "{block}");
    let address = lines[1].strip_prefix("sftp ").and_then(|rest| rest.split_whitespace().next()).expect("an address");
    let desk = contest.outside("desk");
    fs::create_dir(&desk).expect("made");
    fs::write(desk.join("tour.py"), answer("4")).expect("a program");
    let mut student = door.client("sftp", PASSWORD);
    student.arg(address.replace("judge.example.org", "127.0.0.1")).current_dir(&desk);
    let mut student =
        student.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("sftp starts");
    let mut typed = student.stdin.take().expect("piped");
    let mut types =
        |line: &str| writeln!(typed, "{}", line.strip_prefix("sftp> ").expect("a line for sftp")).expect("it reads");
    types(lines[2]);
    // The few seconds that the page speaks of.
    let letter = format!("mira_{id}.txt");
    contest.wait_for("there is a letter", || contest.path("inbox/mira/out").join(&letter).exists());
    lines[3..].iter().for_each(|line| types(line));
    drop(typed);
    let ended = student.wait_with_output().expect("it ends");
    assert!(ended.status.success() && ended.stderr.is_empty(), "{}", said(&ended));
    assert!(said(&ended).contains(&format!("/out/{letter}")), "{}", said(&ended));
    let letter = fs::read_to_string(desk.join(letter)).expect("it was fetched");
    assert!(letter.contains("Submission 1 of mira"), "{letter}");
    assert_eq!(contest.outcome(&id)["verdict"], "accepted");
}
