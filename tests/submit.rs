//! Handing in from a student's machine: `podium-submit`, over a real ssh and a real sshd.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use support::door::{Door, PASSWORD};
use support::{Competition, Contest, Ran, a_new_id, answer, free_port, sha256, slow_answer};

/// A competition with a door for one student, and a sshd of the test's own before it.
struct Desk {
    contest: Contest,
    sshd: Child,
    port: u16,
}

impl Desk {
    fn of(competition: Competition) -> Self {
        let contest = competition.users(&[("mira", "student")]).prepare();
        for (folder, mode) in [("", 0o755), ("/out", 0o755), ("/in", 0o700)] {
            let path = contest.path(&format!("inbox/mira{folder}"));
            fs::create_dir_all(&path).expect("made");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod");
        }
        let folder = contest.outside("desk");
        fs::create_dir(&folder).expect("a folder for keys");
        for key in ["host", "mira", "stranger"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", key, "-f"])
                .arg(folder.join(key))
                .status()
                .expect("ssh-keygen runs");
            assert!(made.success());
        }
        fs::copy(folder.join("mira.pub"), folder.join("authorized")).expect("copied");
        let port = free_port();
        let show = |name: &str| folder.join(name).display().to_string();
        fs::write(
            folder.join("sshd_config"),
            format!(
                "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\nStrictModes no\n\
                 PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n\
                 Subsystem sftp internal-sftp\nForceCommand internal-sftp -d {}\n",
                show("host"),
                show("authorized"),
                contest.path("inbox/mira").display()
            ),
        )
        .expect("sshd_config");
        let key = fs::read_to_string(folder.join("host.pub")).expect("the host's key");
        fs::write(folder.join("known"), format!("[127.0.0.1]:{port} {key}")).expect("known hosts");
        // It wants a folder in /run, which is one of its own here.
        let script = format!(
            "mount -t tmpfs none /run && mkdir -m 755 /run/sshd && exec /usr/sbin/sshd -D -e -f {}",
            show("sshd_config")
        );
        let sshd = Command::new("unshare")
            .args(["--mount", "sh", "-c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(contest.outside("sshd.stderr")).expect("a file"))
            .process_group(0)
            .spawn()
            .expect("unshare and sshd start");
        let desk = Self { contest, sshd, port };
        desk.contest.wait_for("sshd listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        desk
    }

    fn open() -> Self {
        let mut desk = Self::of(Competition::new("Desk"));
        desk.contest.start();
        desk
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.contest.outside(name);
        fs::write(&path, text).expect("a program");
        path.display().to_string()
    }

    /// `podium-submit` with what a student would write, and what keeps this machine's own settings out of it.
    fn command(&self, file: &str, more: &[&str]) -> Command {
        let key = |name: &str| self.contest.outside("desk").join(name).display().to_string();
        let mut command = Command::new(env!("CARGO_BIN_EXE_podium-submit"));
        command.arg(file).args(["--to", &format!("ssh://root@127.0.0.1:{}", self.port), "--user", "mira"]);
        for option in ["IdentitiesOnly=yes", "IdentityAgent=none", "BatchMode=yes", "StrictHostKeyChecking=yes"] {
            command.args(["-o", option]);
        }
        command.args(["-o", &format!("UserKnownHostsFile={}", key("known"))]);
        if !more.contains(&"-i") {
            command.args(["-i", &key("mira")]);
        }
        command.args(more).stdin(Stdio::null());
        command
    }

    fn submit(&self, file: &str, more: &[&str]) -> Ran {
        run(self.command(file, more))
    }

    fn dropped(&self) -> Vec<String> {
        names(&self.contest.path("inbox/mira/in"))
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // Every connection has a process of its own: they are of its group.
        if let Some(group) = Pid::from_raw(i32::try_from(self.sshd.id()).expect("a process id")) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.sshd.wait();
        if std::thread::panicking() {
            eprintln!("--- sshd said\n{}", fs::read_to_string(self.contest.outside("sshd.stderr")).unwrap_or_default());
        }
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[track_caller]
fn run(mut command: Command) -> Ran {
    Ran::of(&mut command)
}

/// The id that it printed.
#[track_caller]
fn id_of(ran: &Ran) -> String {
    let line = ran.stdout.lines().find_map(|line| line.strip_prefix("id "));
    line.unwrap_or_else(|| panic!("no id\n{ran}")).trim().to_owned()
}

// ---------------------------------------------------------------------------------------------- what becomes of it

#[test]
fn from_a_file_to_its_verdict() {
    let desk = Desk::open();
    let program = answer("4");
    let ran = desk.submit(&desk.file("tour.py", &program), &[]).exits(0);
    let id = id_of(&ran);
    for said in
        ["received as submission 1, log line ", "judged: accepted", "score over the public cases: 44", "one ", "two "]
    {
        assert!(ran.stdout.contains(said), "{said:?} is missing\n{ran}");
    }
    assert!(!ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'), "piped output is plain\n{ran}");
    let accepted = desk.contest.event("accepted", &id);
    assert_eq!(
        (accepted["user"].as_str(), accepted["sha256"].as_str()),
        (Some("mira"), Some(&*sha256(program.as_bytes())))
    );
    assert_eq!(desk.dropped(), [""; 0]);

    let ran = desk.submit(&desk.file("tour.py", answer("5")), &["--json"]).exits(0);
    let document = ran.json();
    assert_eq!((&document["end"], &document["status"]["verdict"]), (&"judged".into(), &"accepted".into()));
    assert_eq!(document["status"], desk.contest.status(document["id"].as_str().expect("an id")).expect("a page"));

    // ssh says which account it would take; the same bytes again are answered at once.
    let (old, new) = (format!("ssh://root@127.0.0.1:{}", desk.port), format!("ssh://127.0.0.1:{}", desk.port));
    let without = replace_argument(&desk.command(&desk.file("tour.py", answer("5")), &[]), &old, &new);
    run(without).exits(0).says("judged before, as submission 2").says("judged: accepted");

    let ran = desk
        .submit(&desk.file("slow.py", slow_answer("5", 2.0)), &["--no-follow"])
        .exits(0)
        .says("received as submission 4");
    assert!(!ran.stdout.contains("judged"), "{ran}");
}

#[test]
fn what_is_not_accepted_ends_with_1_and_says_why() {
    let desk = Desk::open();
    let failing = format!("{}raise SystemExit('the \\x1b[2J last words')\n", answer("4"));
    let ran = desk.submit(&desk.file("failing.py", failing), &[]).exits(1);
    ran.says("judged: run-error").says("the \\u{1b}[2J last words").says("What to do next");

    let ran = desk
        .submit(&desk.file("broken.py", "def f(:\n"), &[])
        .exits(1)
        .says("refused before judging")
        .says("SyntaxError");
    let id = id_of(&ran);
    // The same id may come again, with the mended file; the refusal that is there is not taken for the answer.
    desk.submit(&desk.file("broken.py", answer("4")), &["--id", &id]).exits(0).says("judged: accepted");
    desk.submit(&desk.file("broken.py", answer("4")), &["--id", &id]).exits(0).says("received before");
    desk.submit(&desk.file("broken.py", answer("6")), &["--id", &id]).exits(1).says("is not this file");
    assert_eq!(desk.contest.count("accepted"), 2);

    desk.submit(&desk.file("one.rb", "puts 1"), &[]).exits(1).says(".rb is not accepted here");
    desk.submit(&desk.file("large.py", "#".repeat(2 << 20)), &[]).exits(1).says("2097152");
}

#[test]
fn a_quota_is_told_with_the_next_time() {
    let mut desk = Desk::of(Competition::new("Quotas").set("submissions.rate", "1/1h"));
    desk.contest.start();
    let file = desk.file("tour.py", answer("4"));
    desk.submit(&file, &[]).exits(0);
    let ran = desk.submit(&file, &[]).exits(1).says("refused before judging");
    let reason = &desk.contest.events("rejected")[0]["reason"];
    let reason = reason.as_str().expect("a reason");
    // The letter has it in lines of its own width.
    assert!(reason.split(' ').all(|word| ran.stdout.contains(word)), "{reason}\n{ran}");
    assert!(reason.contains("20") && reason.contains('T'), "the next allowed time: {reason}");
}

#[test]
fn through_the_door_that_provisioning_makes() {
    let mut contest = Competition::new("Door").users(&[("mira", "student"), ("bob", "student")]).prepare();
    let door = Door::open(&contest);
    door.start_daemon(&mut contest);
    let file = contest.outside("tour.py");
    fs::write(&file, answer("4")).expect("a program");
    let submit = |user: &str, password: &str, file: &Path, more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_podium-submit"));
        command.arg(file).args(["--to", &format!("ssh://{user}@127.0.0.1:{}", door.port())]);
        for option in
            ["UserKnownHostsFile=/dev/null", "StrictHostKeyChecking=no", "LogLevel=ERROR", "NumberOfPasswordPrompts=1"]
        {
            command.args(["-o", option]);
        }
        command.args(["-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"]).args(more);
        door.answering(&mut command, password);
        run(command)
    };
    let ran = submit("mira", PASSWORD, &file, &[]).exits(0).says("judged: accepted");
    let accepted = contest.event("accepted", &id_of(&ran));
    assert_eq!(accepted["user"], "mira");
    submit("mira", "wrong", &file, &[]).exits(1).says("does not let the user mira in").says("the password or the key");
    submit("nobody-of-ours", PASSWORD, &file, &[]).exits(1).says("does not let the user nobody-of-ours in");
    // Another's name is refused to whoever sent it.
    let ran = submit("mira", PASSWORD, &file, &["--user", "bob"]).exits(1).says("folder of mira");
    let id = id_of(&ran);
    assert_eq!(contest.event("rejected", &id)["user"], "mira");
    let listed = door.sftp(
        "mira",
        "ls -a /out\nls -a ../../bob/out\nput /etc/hostname /out/x\nrm /out/README.txt\nrename /out /in/out2\n",
    );
    let (out, err) = (String::from_utf8_lossy(&listed.stdout), String::from_utf8_lossy(&listed.stderr));
    assert!(out.contains(&format!("mira_{id}.txt")) && out.contains("README.txt"), "{out}\n{err}");
    assert!(!out.contains("bob_"), "{out}");
    assert!(names(&contest.path("inbox/mira/out")).contains(&"README.txt".to_owned()), "nothing of it can be removed");
    assert!(!names(&contest.path("inbox/mira/out")).contains(&"x".to_owned()), "and nothing put there");
    submit("bob", PASSWORD, &file, &["--json"]).exits(0);
    assert_eq!(contest.count("accepted"), 2);
}

#[test]
fn on_a_terminal_it_shows_how_far_it_is() {
    let desk = Desk::open();
    let command = desk.command(&desk.file("slow.py", slow_answer("4", 1.0)), &[]);
    let words: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| format!("'{}'", word.to_string_lossy()))
        .collect();
    let mut terminal = Command::new("script");
    terminal
        .args(["--quiet", "--return", "--command", &words.join(" "), "/dev/null"])
        .stdin(Stdio::null())
        .env("TERM", "xterm");
    let ran = run(terminal).exits(0);
    assert!(ran.stdout.contains("running") && ran.stdout.contains('\u{1b}'), "{ran}");
    assert!(ran.stdout.contains("received as submission 1") && ran.stdout.contains("judged: accepted"), "{ran}");
}

#[test]
fn a_submission_to_ones_own_home_is_followed_too() {
    let desk = Desk::open();
    let local = |file: &str, more: &[&str]| desk.contest.podium(&[&["submit", file, "--user", "mira"], more].concat());
    local(&desk.file("good.py", answer("4")), &["--follow"]).exits(0).says("judged: accepted");
    local(&desk.file("bad.py", answer("x")), &["--follow"]).exits(1).says("judged: wrong-answer");
    let document = local(&desk.file("bad.py", "def f(:\n"), &["--follow", "--json"]).exits(1).json();
    assert_eq!(document["end"], "rejected");
    local(&desk.file("good.py", answer("4")), &["--follow", "--to", "ssh://mira@127.0.0.1"]).exits(2);
}

// ---------------------------------------------------------------------------------------------- what goes wrong on the way

#[test]
fn an_upload_that_is_cut_leaves_nothing_that_counts_and_goes_on_under_its_id() {
    let desk = Desk::open();
    // A way to the server that ends after so many bytes, as a cable does.
    let cut = desk.file(
        "cut.py",
        "import os, socket, sys, threading\n\
         host, port, most = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])\n\
         way = socket.create_connection((host, port))\n\
         def back():\n    while data := way.recv(65536):\n        os.write(1, data)\n\
         threading.Thread(target=back, daemon=True).start()\n\
         while most > 0 and (data := os.read(0, min(most, 65536))):\n    way.sendall(data)\n    most -= len(data)\n\
         os._exit(1)\n",
    );
    let program = format!("{}#{}\n", answer("4"), "x".repeat(600_000));
    let file = desk.file("tour.py", &program);
    let id = a_new_id();
    let way = format!("ProxyCommand=/usr/bin/python3 {cut} %h %p 300000");
    let ran = desk
        .submit(&file, &["--id", &id, "-o", &way])
        .exits(1)
        .says("nothing was handed in")
        .says(&format!("--id {id}"));
    assert!(!ran.stdout.contains("received"), "{ran}");
    let hidden = format!(".mira_{id}.py.part");
    assert_eq!(desk.dropped(), std::slice::from_ref(&hidden));
    let size = fs::metadata(desk.contest.path("inbox/mira/in").join(&hidden)).expect("it is there").len();
    assert!(size > 0 && size < program.len() as u64, "{size}");
    assert_eq!((desk.contest.count("accepted"), desk.contest.count("rejected")), (0, 0));

    desk.submit(&file, &["--id", &id]).exits(0).says("judged: accepted");
    assert_eq!(desk.contest.event("accepted", &id)["sha256"], sha256(program.as_bytes()));
    assert_eq!(desk.dropped(), [""; 0]);

    // Cut after it was sent: the same command with the id looks, and sends nothing.
    let slow = desk.file("slow.py", slow_answer("4", 3.0));
    let id = a_new_id();
    let mut command = desk.command(&slow, &["--id", &id]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    desk.contest.wait_for("it is received", || desk.contest.count("accepted") == 2);
    kill_children(child.id());
    let ended = child.wait().expect("it ends");
    assert_eq!(ended.code(), Some(3));
    desk.submit(&slow, &["--id", &id]).exits(0).says("received before").says("judged: accepted");
    assert_eq!(desk.contest.count("accepted"), 2);
    desk.contest.assert_log_is_whole();
}

/// SIGKILL for the processes that a process has started.
fn kill_children(parent: u32) {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let children = fs::read_to_string(path).expect("its children");
    assert!(!children.trim().is_empty(), "it has none");
    for child in children.split_whitespace() {
        let pid = Pid::from_raw(child.parse().expect("a process id")).expect("not zero");
        kill_process(pid, Signal::KILL).expect("killed");
    }
}

#[test]
fn who_cannot_get_in_reads_one_sentence_that_says_what_to_do() {
    let desk = Desk::of(Competition::new("Closed doors"));
    let file = desk.file("tour.py", answer("4"));
    let stranger = desk.contest.outside("desk/stranger").display().to_string();
    desk.submit(&file, &["-i", &stranger])
        .exits(1)
        .says("does not let the user root in")
        .says("the password or the key");

    let known = desk.contest.outside("desk/known");
    let right = fs::read_to_string(&known).expect("known hosts");
    fs::write(&known, "").expect("forgotten");
    desk.submit(&file, &[]).exits(1).says("ask whoever runs the competition for its fingerprint");
    let wrong = fs::read_to_string(desk.contest.outside("desk/stranger.pub")).expect("another key");
    fs::write(&known, format!("[127.0.0.1]:{} {wrong}", desk.port)).expect("another's");
    desk.submit(&file, &[]).exits(1).says("ask whoever runs the competition for its fingerprint");
    fs::write(&known, right).expect("known again");

    let mut closed = Command::new(env!("CARGO_BIN_EXE_podium-submit"));
    closed.args([&file, "--to", &format!("ssh://mira@127.0.0.1:{}", free_port()), "-o", "BatchMode=yes"]);
    run(closed).exits(1).says("nothing listens on 127.0.0.1");

    let address = format!("ssh://root@127.0.0.1:{}/elsewhere", desk.port);
    desk.submit(&file, &["--to", &address]).exits(2);
    let mut elsewhere = desk.command(&file, &[]);
    elsewhere = replace_argument(&elsewhere, &format!("ssh://root@127.0.0.1:{}", desk.port), &address);
    run(elsewhere).exits(1).says("there is no folder /elsewhere on the server");

    fs::rename(desk.contest.path("inbox/mira/in"), desk.contest.outside("in")).expect("moved");
    desk.submit(&file, &[]).exits(1).says("no folder in/");
    fs::write(desk.contest.path("inbox/mira/in"), "").expect("a file in its place");
    desk.submit(&file, &[]).exits(1).says("no folder in/");

    for wrong in [
        &["tour.py"][..],
        &["--to", "ssh://mira@host"],
        &["tour.py", "--to", "host"],
        &["tour.py", "--to", "ssh://-oProxyCommand=id"],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_podium-submit"));
        run({
            command.args(wrong);
            command
        })
        .exits(2);
    }
    desk.submit(&desk.file("noending", "x"), &[]).exits(1).says("has no ending");
    desk.submit("/nowhere/at/all.py", &[]).exits(1).says("/nowhere/at/all.py");
}

/// The same command, with one argument replaced.
fn replace_argument(command: &Command, old: &str, new: &str) -> Command {
    let mut changed = Command::new(command.get_program());
    changed.args(command.get_args().map(|argument| if argument == old { new.as_ref() } else { argument }));
    changed.stdin(Stdio::null());
    changed
}

#[test]
fn without_a_daemon_it_says_so_and_what_was_sent_stays() {
    let mut desk = Desk::of(Competition::new("Nobody there"));
    let file = desk.file("tour.py", answer("4"));
    let id = a_new_id();
    let with_id = ["--id", id.as_str(), "--patience", "1s"];
    desk.submit(&file, &with_id).exits(3).says("no sign of life").says(&format!("--id {id}"));
    assert_eq!(desk.dropped(), [format!("mira_{id}.py")]);
    desk.submit(&file, &with_id).exits(3).says("waits to be taken in");
    desk.contest.start();
    desk.submit(&file, &["--id", &id]).exits(0).says("judged: accepted");
    assert_eq!(desk.contest.count("accepted"), 1);
    let local = desk.contest.podium(&["submit", &file, "--user", "mira", "--follow"]);
    local.exits(0);
    desk.contest.stop();
    desk.contest.podium(&["submit", &file, "--user", "mira", "--follow"]).exits(3).says("No daemon runs in this home");
}

#[test]
fn a_file_that_is_taken_away_without_a_word_is_not_waited_for_without_end() {
    let desk = Desk::of(Competition::new("Taken away"));
    let mut command = desk.command(&desk.file("tour.py", answer("4")), &["--patience", "5s"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    desk.contest.wait_for("it is sent", || desk.dropped().iter().any(|name| name.ends_with(".py")));
    for name in desk.dropped() {
        fs::remove_file(desk.contest.path("inbox/mira/in").join(name)).expect("taken away");
    }
    let mut beats = 0;
    desk.contest.wait_for("it ends, though the daemon gives signs of life", || {
        beats += 1;
        fs::write(desk.contest.path("inbox/mira/out/queue.json"), format!("{{\"beats\":{beats}}}")).expect("written");
        child.try_wait().expect("its own child").is_some()
    });
    let ran = Ran::ended("podium-submit".into(), child.wait_with_output().expect("it has ended"));
    ran.exits(3).says("refused.txt");
}

#[test]
fn ctrl_c_says_what_stays() {
    let desk = Desk::open();
    let file = desk.file("slow.py", slow_answer("4", 5.0));
    let id = a_new_id();
    let mut command = desk.command(&file, &["--id", &id]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    desk.contest.wait_for("it is received", || desk.contest.count("started") == 1);
    kill_process(Pid::from_raw(i32::try_from(child.id()).expect("a process id")).expect("not zero"), Signal::INT)
        .expect("sent");
    let ran = Ran::ended("podium-submit".into(), child.wait_with_output().expect("it ends"));
    ran.exits(3).says("What was handed in stays").says(&format!("--id {id}"));
}

// ---------------------------------------------------------------------------------------------- servers that mean no good

/// A program called ssh that runs a script instead.
fn with_fake_ssh(desk: &Desk, script: &str, more: &[&str]) -> Ran {
    let folder = desk.contest.outside("fake");
    fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("ssh");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("chmod");
    let mut command = desk.command(&desk.file("tour.py", answer("4")), more);
    command.env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
    run(command)
}

#[test]
fn nothing_that_a_server_says_acts_on_the_terminal() {
    let desk = Desk::of(Competition::new("Hostile"));
    let evil = "\\u001b]0;owned\\u0007\\u202e\\u009b2J";
    let raw = "\x1b]0;owned\x07\u{202e}\u{9b}2J";
    let root: PathBuf = desk.contest.outside("hostile");
    for folder in ["in", "out"] {
        fs::create_dir_all(root.join(folder)).expect("made");
    }
    let serve = format!("exec /usr/lib/openssh/sftp-server -d {}", root.display());
    let clean = |ran: &Ran| {
        let bad = |c: char| (c.is_control() && c != '\n' && c != '\t') || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!ran.stdout.chars().any(bad) && !ran.stderr.chars().any(bad), "{ran}");
    };
    for state in ["judged", "rejected"] {
        for letter in [true, false] {
            let id = a_new_id();
            let case =
                format!("{{\"case\":\"{evil}\",\"verdict\":\"{evil}\",\"score\":\"{evil}\",\"message\":\"{evil}\"}}");
            let status = format!(
                "{{\"state\":\"{state}\",\"verdict\":\"{evil}\",\"reason\":\"{evil}\",\"public_score\":\"{evil}\",\"cases\":[{case}],\
                 \"receipt\":{{\"seq\":1,\"at\":\"{evil}\",\"sha256\":null}},\"{evil}\":1}}"
            );
            let out = |ending: &str| root.join(format!("out/mira_{id}.{ending}"));
            let script = format!(
                // The answer is there after the client has looked back.
                "(n=0; while [ ! -e {0}/in/mira_{id}.py ] && [ $n -lt 1200 ]; do sleep 0.05; n=$((n + 1)); done; cp {0}/json {0}/whole && mv {0}/whole {1}) & {serve}",
                root.display(),
                out("json").display()
            );
            fs::write(root.join("json"), &status).expect("written");
            if letter {
                fs::write(out("txt"), format!("{raw}\n")).expect("written");
            }
            clean(&with_fake_ssh(&desk, &script, &["--id", &id]).exits(1).says("owned"));
            clean(&with_fake_ssh(&desk, &serve, &["--id", &id, "--json", "--patience", "1s"]));
        }
    }
    // What is no SFTP, said loudly on both streams; a packet that never ends; nothing at all.
    let loud = "printf '\\033]0;owned\\007\\342\\200\\256\\n' >&2; printf '\\033]0;owned\\007\\377\\377\\377\\377\\377'; exit 7";
    let ran = with_fake_ssh(&desk, loud, &[]).exits(1).says("nothing was handed in");
    clean(&ran);
    with_fake_ssh(&desk, "head -c 100000000 /dev/zero", &[]).exits(1).says("nothing was handed in");
    with_fake_ssh(&desk, "exit 255", &[]).exits(1).says("the connection to 127.0.0.1 ended");
    // A document without an end.
    let id = a_new_id();
    fs::write(root.join(format!("out/mira_{id}.json")), " ".repeat(8 << 20)).expect("written");
    clean(&with_fake_ssh(&desk, &serve, &["--id", &id]).exits(1).says("nothing was handed in"));
}
