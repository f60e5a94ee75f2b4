//! Students push through a real sshd, to accounts, keys and rules that `podium users provision` made.

mod support;

use std::process::Stdio;

use support::push::{Clone, Pushed, make_key};
use support::{Competition, Contest, Door, a_new_id, answer, sha256};

/// A competition in which each of these has a key, with sshd and daemon.
fn open(title: &str, users: &[&str]) -> (Contest, Door) {
    let roles: Vec<_> = users.iter().map(|user| (*user, "student")).collect();
    let competition = Competition::new(title).users(&roles).set("git.account", "submit");
    let mut contest = competition.set("competition.url", "https://judge.example.org").prepare();
    users.iter().for_each(|user| make_key(&contest, user));
    // As `podium init` makes it.
    std::fs::set_permissions(contest.path("inbox"), std::os::unix::fs::PermissionsExt::from_mode(0o711))
        .expect("closed");
    let door = Door::open(&contest);
    door.start_daemon(&mut contest);
    (contest, door)
}

#[test]
fn thirty_students_push_at_once_and_each_is_judged_under_their_own_name() {
    let names: Vec<String> = (1..=29).map(|number| format!("student-{number:02}")).chain(["bob".to_owned()]).collect();
    let users: Vec<&str> = names.iter().map(String::as_str).collect();
    let (contest, door) = open("Thirty", &users);
    let clones: Vec<_> = users
        .iter()
        .enumerate()
        .map(|(number, user)| {
            let clone = Clone::through(&door, &contest, user);
            // bob is the author of all of them, as far as git knows.
            clone.commit_solution(answer(&format!("{number}")));
            clone
        })
        .collect();
    let pushes: Vec<_> = clones
        .iter()
        .map(|clone| {
            let mut push = clone.remote(&["push", "ssh://submit@127.0.0.1/submissions", "HEAD:main"]);
            push.stderr(Stdio::piped()).spawn().expect("git runs")
        })
        .collect();
    for (push, user) in pushes.into_iter().zip(&users) {
        let ended = push.wait_with_output().expect("it ends");
        assert!(ended.status.success(), "{user}: {}", String::from_utf8_lossy(&ended.stderr));
    }
    contest.wait_for("all of them are accepted", || contest.count("accepted") == users.len());
    for (number, user) in users.iter().enumerate() {
        let lines: Vec<_> = contest.events("accepted").into_iter().filter(|line| line["user"] == *user).collect();
        assert_eq!(lines.len(), 1, "{user}");
        assert_eq!(lines[0]["sha256"], sha256(answer(&format!("{number}")).as_bytes()), "{user}");
    }
    contest.wait_for_judged(users.len());
    assert_eq!(contest.count("rejected"), 0);
    assert_eq!(contest.board()["rows"].as_array().map(Vec::len), Some(users.len()));
}

#[test]
fn the_lines_of_the_students_page_do_what_they_say() {
    let (contest, door) = open("The page", &["alice"]);
    let page = include_str!("../docs/students.md");
    let lines = page.split("## With git").nth(1).and_then(|rest| rest.split("```sh\n").nth(1)).expect("lines for git");
    let lines = lines.split("\n```").next().expect("they end");
    let lines = lines.replace("judge.example.org", "127.0.0.1");
    assert_eq!(lines.lines().count(), 5, "{lines}");
    let clone = Clone::through(&door, &contest, "alice");
    std::fs::write(contest.outside("tour.py"), answer("4")).expect("written");
    let git = clone.remote(&["version"]);
    let mut student = std::process::Command::new("sh");
    std::fs::create_dir(contest.outside("desk")).expect("made");
    student.args(["-ec", &lines.replace("../tour.py", "../../tour.py")]).current_dir(contest.outside("desk"));
    student.env_clear().envs(git.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let pushed = Pushed::of(student.stdin(Stdio::null()));
    pushed.succeeds().says("Accepted as number 1: solution.py").says("Judged: accepted; public score: 44");
}

#[test]
fn a_key_is_one_user_and_opens_nothing_else() {
    let (mut contest, door) = open("Walls", &["alice", "bob"]);
    let alice = Clone::through(&door, &contest, "alice");
    alice.commit_solution(answer("4"));
    let pushed = alice.submit().succeeds().says("Accepted as number 1").says("https://judge.example.org/s/");
    assert_eq!(contest.event("accepted", &pushed.id())["user"], "alice");

    // The account has no password, and a key that nobody listed is none.
    make_key(&contest, "mallory");
    let mallory = Clone::through(&door, &contest, "mallory");
    mallory.commit_solution(answer("5"));
    mallory.submit().fails().says("Could not read from remote");
    let mut with_password = door.client("ssh", "secret");
    let refused = Pushed::of(with_password.args(["submit@127.0.0.1", "git-receive-pack '/submissions'"]));
    refused.fails();

    // No shell, no SFTP, no forwarding, no other environment.
    let key = contest.outside("key-alice");
    let ssh = |options: &[&str], command: &[&str]| {
        let mut client = door.client("ssh", "none");
        client.arg("-i").arg(&key).args(options).arg("submit@127.0.0.1").args(command);
        Pushed::of(&mut client)
    };
    ssh(&["-tt"], &[]).fails();
    ssh(&[], &[]).fails().says("There is no shell here");
    for command in ["sh -c id", "cat /srv/podium/users.csv", "internal-sftp", "git-upload-archive '/submissions'"] {
        ssh(&[], &[command]).fails().says("Only pushes to and fetches from the path submissions");
    }
    ssh(&["-s"], &["sftp"]).fails();
    ssh(&["-o", "ExitOnForwardFailure=yes", "-R", "127.0.0.1:0:127.0.0.1:1"], &["git-upload-pack '/submissions'"])
        .fails();
    ssh(&["-W", "127.0.0.1:22"], &[]).fails();
    let mut sftp = door.client("sftp", "none");
    Pushed::of(sftp.arg("-i").arg(&key).arg("submit@127.0.0.1")).fails();

    // What the account can read and write, and what not.
    let may = |test: &str| {
        door.command("setpriv")
            .args(["--reuid", "submit", "--regid", "submit", "--clear-groups", "sh", "-c", test])
            .status()
    };
    let may = |test: &str| may(test).expect("setpriv runs").success();
    for yes in ["cat config.toml", "ls git", "touch inbox/alice/git/.x", "cat public/queue.json"] {
        assert!(may(&format!("cd /srv/podium && {yes} >/dev/null 2>&1")), "{yes}");
    }
    for no in [
        "cat users.csv",
        "ls results",
        "cat results/log.jsonl",
        "ls testcases",
        "cat testcases/one/input.txt",
        "cat testcases/hidden-case/input.txt",
        "ls evaluator",
        "cat evaluator/evaluator.py",
        "ls inbox",
        "ls inbox/alice",
        "ls inbox/alice/in",
        "ls inbox/alice/out",
        "ls public/s",
        "touch inbox/x",
        "touch inbox/alice/x",
        "touch inbox/alice/in/x",
        "touch public/x",
        "touch config.toml",
        "touch x",
    ] {
        assert!(!may(&format!("cd /srv/podium && {no} >/dev/null 2>&1")), "{no}");
    }

    // A file of another's name in one's own folder is refused against the folder's user.
    let id = a_new_id();
    let spoof = format!("cd /srv/podium/inbox/alice/git && echo 'print(1)' >.s && mv .s bob_{id}.py");
    assert!(may(&spoof));
    let line = contest.outcome(&id);
    assert_eq!((&line["state"], &line["user"]), (&"rejected".into(), &"alice".into()), "{line}");

    // Who is off the list is out; a key that is given to somebody else is that one's.
    contest.write_users(&[("bob", "student")]);
    std::fs::rename(contest.path("keys/alice.pub"), contest.path("keys/bob.pub")).expect("renamed");
    door.podium(&["users", "provision"]).exits(0);
    alice.commit_solution(answer("6"));
    let pushed = alice.submit().succeeds().says("Accepted as number 2");
    assert_eq!(contest.event("accepted", &pushed.id())["user"], "bob");
    let bob = Clone::through(&door, &contest, "bob");
    bob.commit_solution(answer("7"));
    bob.submit().fails().says("Could not read from remote");
    door.podium(&["users", "provision"]).exits(0).says("Nothing was to be changed");
    contest.stop();
    door.podium(&["users", "provision", "--undo"]).exits(0);
    alice.commit_solution(answer("8"));
    alice.submit().fails();
}
