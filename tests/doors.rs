//! Attacks on the doors: what a student tries who has a password or a key, a real sshd in front of it and provisioning behind it.

mod support;

use std::fs;
use std::process::Command;

use support::push::{Clone, Pushed, make_key};
use support::{Competition, Door, a_new_id, answer};

#[test]
fn a_hidden_folder_holds_nothing_for_long() {
    let mut contest = Competition::new("Hidden").users(&[("mira", "student"), ("bo", "student")]).prepare();
    let door = Door::open(&contest);
    door.start_daemon(&mut contest);
    let local = door.folder().join("x");
    fs::write(&local, vec![b'x'; 1 << 20]).expect("written");
    let local = local.display();
    // Files in it are nobody's unfinished uploads: they would count nowhere.
    let mut lines = String::from("mkdir .x\nmkdir .x/.y\n");
    (0..50).for_each(|n| lines += &format!("put {local} .x/.y/{n}\n"));
    door.sftp("mira", &lines);
    let refused = |line: &serde_json::Value| line["file"] == ".x" && line["refusal"] == "not-a-file";
    contest.wait_for("it is refused", || contest.events("rejected").iter().any(refused));
    contest.wait_for("it is gone", || {
        let left = fs::read_dir(contest.path("inbox/mira/in")).expect("list").count();
        left == 1 && fs::read_dir(contest.path("results/incoming")).expect("list").count() == 0
    });
    assert!(contest.events("rejected").iter().all(|line| line["user"] == "mira"));
    let id = a_new_id();
    door.put("bo", &format!("bo_{id}.py"), answer("4"));
    assert_eq!(contest.outcome(&id)["verdict"], "accepted");
}

#[test]
fn provisioning_twice_at_once_under_any_umask_is_provisioning() {
    let mut contest = Competition::new("Twice").users(&[("mira", "student"), ("bo", "student")]).prepare();
    let key = contest.outside("mira");
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
    assert!(made.expect("ssh-keygen runs").success());
    fs::create_dir(contest.path("keys")).expect("keys/");
    fs::copy(key.with_extension("pub"), contest.path("keys/mira.pub")).expect("a public key");
    let mut door = Door::closed(&contest);
    let program = env!("CARGO_BIN_EXE_podium");
    let provision = format!("{program} --home /srv/podium users provision");
    door.sh(&format!("umask 077; {provision} & one=$!; {provision} & two=$!; wait $one; wait $two"));
    door.start_sshd();
    door.start_daemon(&mut contest);
    let id = a_new_id();
    let local = door.folder().join("x.py");
    fs::write(&local, answer("4")).expect("a program");
    let mut scp = door.client("scp", "none");
    let output = scp.arg("-i").arg(&key).arg(&local).arg(format!("mira@127.0.0.1:mira_{id}.py")).output();
    let output = output.expect("scp runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(contest.outcome(&id)["user"], "mira");
    // Taken away under those who are in, by two at once.
    let undo = format!("{provision} --undo");
    door.sh(&format!("{undo} & one=$!; {undo} & two=$!; wait $one; wait $two"));
    assert!(!door.sftp("bo", "ls\n").status.success());
    contest.assert_log_is_whole();
}

#[test]
fn the_account_of_the_git_door_is_no_students() {
    let contest = Competition::new("Names").users(&[("pusher", "student")]).set("git.account", "pusher").prepare();
    let door = Door::closed(&contest);
    door.podium(&["users", "provision"]).exits(1).says("pusher is a user of users.csv and the account");
    assert!(!door.sh("cat /etc/passwd").contains("pusher"));
}

#[test]
fn whatever_a_student_does_to_their_folder_is_theirs_alone() {
    let mut contest = Competition::new("Rights").users(&[("mira", "student"), ("bo", "student")]).prepare();
    let door = Door::open(&contest);
    door.start_daemon(&mut contest);
    let local = door.folder().join("x.py");
    fs::write(&local, answer("4")).expect("written");
    let local = local.display();
    // None may read it, it would run as whoever starts it, and it was there before the folder was shut.
    let (shut, suid) = (a_new_id(), a_new_id());
    let lines = format!(
        "rm in\nput {local} .a\nchmod 0 .a\nput {local} .b\nchmod 6777 .b\nrename .a mira_{shut}.py\nrename .b mira_{suid}.py\nchmod 0 .\nchmod 0 /\nchown 0 /in\n"
    );
    door.sftp("mira", &lines);
    for id in [&shut, &suid] {
        assert_eq!(contest.outcome(id)["verdict"], "accepted");
    }
    // What is kept of it is ours, and runs as nobody.
    let kept = door.sh("find /srv/podium/results -perm /6000 -o -name '*.py' ! -user root");
    assert_eq!(kept, "");
    // Provisioning mends what is a student's to spoil, while files of theirs lie under every name that it would make.
    door.sftp("bo", &format!("rm in\nput {local} in\nln -s /out .x\n"));
    door.podium(&["users", "provision"]).exits(0);
    let id = a_new_id();
    door.put("mira", &format!("mira_{id}.py"), answer("4"));
    assert_eq!(contest.outcome(&id)["verdict"], "accepted");
    contest.wait_for("bo's file is refused", || {
        contest.events("rejected").iter().any(|line| line["user"] == "bo" && line["file"] == "in")
    });
    assert!(contest.events("rejected").iter().all(|line| line["user"] == "bo"));
}

#[test]
fn what_a_client_sends_of_its_environment_is_nobodys_name_and_no_setting() {
    let users = [("alice", "student"), ("bob", "student")];
    let competition = Competition::new("Environment").users(&users).set("git.account", "submit");
    let mut contest = competition.set("competition.url", "https://judge.example.org").prepare();
    users.iter().for_each(|(user, _)| make_key(&contest, user));
    fs::set_permissions(contest.path("inbox"), std::os::unix::fs::PermissionsExt::from_mode(0o711)).expect("closed");
    let mut door = Door::closed(&contest);
    // An operator who lets more in than is wise.
    door.sh("echo 'AcceptEnv GIT_* GL_* PODIUM_* SSH_*' >/etc/ssh/sshd_config.d/00-env.conf");
    door.podium(&["users", "provision"]).exits(0);
    door.start_sshd();
    door.start_daemon(&mut contest);
    let clone = Clone::through(&door, &contest, "alice");
    clone.commit_solution(answer("4"));
    let sent = [
        "GL_USER=bob",
        "PODIUM_GIT_USER=bob",
        "PODIUM_GIT_PROGRAM=/bin/true",
        "PODIUM_GIT_LOCK=0",
        "GIT_DIR=/srv/podium/git/bob.git",
        "GIT_QUARANTINE_PATH=/",
        "GIT_OBJECT_DIRECTORY=/tmp",
        "GIT_CONFIG_COUNT=1",
        "GIT_CONFIG_KEY_0=core.hooksPath",
        "GIT_CONFIG_VALUE_0=/nonexistent",
        "GIT_EXEC_PATH=/nonexistent",
        "GIT_TRACE=/srv/podium/git/trace",
        "SSH_ORIGINAL_COMMAND=id",
    ];
    let options: String = sent.iter().map(|one| format!(" {one}")).collect();
    let key = contest.outside("key-alice");
    let ssh = format!("{} -i '{}' -o 'SetEnv{options}'", door.ssh_command(), key.display());
    let mut push = clone.remote(&["push", "ssh://submit@127.0.0.1/submissions", "HEAD:main"]);
    let pushed = Pushed::of(push.env("GIT_SSH_COMMAND", ssh)).succeeds().says("Accepted as number 1");
    assert_eq!(contest.event("accepted", &pushed.id())["user"], "alice");
    let mut made: Vec<_> = fs::read_dir(contest.path("git"))
        .expect("list")
        .map(|entry| entry.expect("entry").file_name().into_string().expect("text"))
        .collect();
    made.sort();
    assert_eq!(made, ["alice.git", "hooks", "locks", "secret"]);
}
