//! Accounts: users.csv and what `podium users` makes of it, on a machine of the test's own.

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use serde_json::json;
use support::push::make_key;
use support::{Competition, Contest, Door};

/// A home without a daemon.
fn home() -> Contest {
    Competition::new("Accounts").prepare()
}

fn users(contest: &Contest) -> String {
    fs::read_to_string(contest.path("users.csv")).expect("users.csv")
}

fn mode(contest: &Contest, name: &str) -> u32 {
    fs::metadata(contest.path(name)).expect("there").permissions().mode() & 0o777
}

#[test]
fn a_class_is_made_in_one_command_and_its_passwords_are_shown_once() {
    let contest = home();
    let handout = contest.outside("handout");
    let shown = handout.display().to_string();
    let made = contest
        .podium(&["users", "generate", "--count", "12", "--handout", &shown, "--host", "judge.example.org:2222"])
        .exits(0);
    let text = fs::read_to_string(&handout).expect("a handout");
    let passwords: Vec<&str> =
        text.lines().filter_map(|line| line.trim().strip_prefix("password")).map(str::trim).collect();
    assert_eq!(passwords.len(), 12);
    assert!(text.contains("sftp -P 2222 student12@judge.example.org\n") && text.starts_with("Accounts\n"), "{text}");
    // Whoever is handed this gets a score: every door that is open, with name and port, and where results are.
    for line in [
        "put solution.py student12_UUID.py",
        "rsync and `scp -O` do not work",
        "get /out/student12_UUID.txt",
        "./podium-submit solution.py --to ssh://student12@judge.example.org:2222\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("git push"), "{text}");
    assert_eq!((fs::metadata(&handout).expect("there").mode() & 0o777, mode(&contest, "users.csv")), (0o600, 0o600));
    let list = users(&contest);
    assert_eq!(
        list.lines().nth(12).map(|line| line.starts_with("student12,$y$") && line.ends_with(",student")),
        Some(true),
        "{list}"
    );
    // Neither a password nor a hash in what is printed, by any verb.
    let hash = list.lines().nth(1).and_then(|line| line.split(',').nth(1)).expect("a hash").to_owned();
    let said = [
        made.stdout + &made.stderr,
        contest.podium(&["users", "list"]).exits(0).stdout,
        contest.podium(&["users", "list", "--json"]).exits(0).stdout,
        contest.podium(&["check"]).stdout,
        contest.podium(&["status"]).stdout,
        contest.podium(&["users", "provision", "--dry-run"]).stdout,
    ];
    for text in &said {
        assert!(!text.contains(&hash) && !passwords.iter().any(|password| text.contains(password)), "{text}");
    }
    assert!(passwords.iter().all(|password| !list.contains(password)));

    // Nothing is overwritten: not a handout, not a user. What fails leaves nothing behind.
    contest
        .podium(&["users", "generate", "--count", "1", "--prefix", "x", "--handout", &shown])
        .exits(1)
        .says("new file");
    let other = contest.outside("other");
    contest
        .podium(&["users", "generate", "--count", "13", "--handout", &other.display().to_string()])
        .exits(1)
        .says("student01 is listed already");
    assert!(!other.exists());
    assert_eq!(users(&contest), list);
    contest.podium(&["users", "generate", "--count", "2", "--first", "13"]).exits(0).says("student14");
    assert_eq!(users(&contest).lines().count(), 15);
    // Names out of a file, and what is wrong with one, by its line.
    let names = contest.outside("names");
    let shown = names.display().to_string();
    for (text, wrong) in [
        ("mira\n\n# staff\nBo\n", ":4: \"Bo\" is not a user name"),
        ("mira\nroot\n", ":2: root is reserved"),
        ("mira\nmira\n", ":2: mira stands there twice"),
        ("\n", "has no names"),
    ] {
        fs::write(&names, text).expect("names");
        contest.podium(&["users", "generate", "--names", &shown]).exits(1).says(wrong);
    }
    fs::write(&names, "\u{feff}mira\r\nbo\r\n").expect("names");
    contest.podium(&["users", "generate", "--names", &shown]).exits(0).says("sftp mira@");
    contest.podium(&["users", "generate"]).exits(2);
    contest.podium(&["users", "generate", "--count", "1", "--names", &shown]).exits(2);
}

#[test]
fn one_user_is_added_reset_removed() {
    let contest = home();
    contest.podium(&["users", "list"]).exits(0).says("no users.csv");
    contest.podium(&["users", "add", "mira"]).exits(0).says("sftp mira@");
    contest.podium(&["users", "add", "boss", "--role", "superuser", "--keys-only"]).exits(0);
    for (name, why) in [("mira", "listed already"), ("root", "reserved"), ("git", "reserved")] {
        contest.podium(&["users", "add", name]).exits(1).says(why);
    }
    contest.podium(&["users", "add", "Mira"]).exits(2);
    let before = users(&contest);
    contest.podium(&["users", "reset", "mira"]).exits(0).says("password");
    assert_ne!(users(&contest), before);
    contest.podium(&["users", "reset", "bo"]).exits(1).says("bo is not listed");
    let list = contest.podium(&["users", "list", "--json"]).exits(0).json();
    assert_eq!(
        list["users"],
        json!([
            { "user": "mira", "role": "student", "password": "hash", "keys": 0 },
            { "user": "boss", "role": "superuser", "password": "none", "keys": 0 },
        ])
    );
    contest.podium(&["users", "remove", "mira", "nobody-here"]).exits(1).says("nobody-here is not listed");
    // A key under a name that nobody has lets nobody in, and is not passed over in silence.
    fs::create_dir(contest.path("keys")).expect("a folder");
    fs::write(contest.path("keys/mria.pub"), "").expect("written");
    for verb in [&["check"][..], &["users", "provision", "--dry-run"]] {
        assert!(contest.podium(verb).stdout.contains("keys/: mria.pub let nobody in"), "{verb:?}");
    }
    contest.podium(&["users", "remove", "mira"]).exits(0);
    assert_eq!(users(&contest), "username,password,role\nboss,,superuser\n");
}

#[test]
fn a_list_that_others_can_read_is_refused_or_closed_and_a_password_in_it_is_named() {
    let contest = home();
    fs::write(contest.path("users.csv"), "username,password,role\nmira,hunter2,student\nbo,,student\n")
        .expect("written");
    for mode in [0o644, 0o640, 0o604] {
        fs::set_permissions(contest.path("users.csv"), fs::Permissions::from_mode(mode)).expect("set");
        for verb in [&["check"][..], &["users", "list"], &["users", "add", "cy"]] {
            let ran = contest.podium(verb).exits(1).says("chmod 600 users.csv");
            assert!(!(ran.stdout.clone() + &ran.stderr).contains("hunter2"), "{ran}");
        }
        // The daemon keeps nobody out over a mode: it takes the list away from the others, and says so.
        let ran = contest.podium(&["run", "--once"]).exits(0).says("mode 600");
        assert!(!(ran.stdout.clone() + &ran.stderr).contains("hunter2"), "{ran}");
        assert_eq!(self::mode(&contest, "users.csv"), 0o600);
    }
    let ran = contest.podium(&["check"]).exits(0).says("users.csv:2: mira: the password itself stands here");
    assert!(!ran.stdout.contains("hunter2"), "{ran}");
}

#[test]
fn provisioning_is_shown_done_repeated_and_taken_back() {
    let contest = home();
    fs::write(contest.path("users.csv"), "username,password,role\nmira,hunter2,student\nbo,,evaluator\n")
        .expect("written");
    fs::set_permissions(contest.path("users.csv"), fs::Permissions::from_mode(0o600)).expect("set");
    let door = Door::closed(&contest);
    let machine =
        "cat /etc/passwd /etc/group; ls -lR /etc/podium /etc/ssh/sshd_config.d /etc/security/limits.d 2>&1 || true";
    let before = door.sh(machine);
    // Every step as a command, and no secret among them.
    let shown = door.podium(&["users", "provision", "--dry-run"]).exits(0).stdout;
    for step in [
        "groupadd podium-",
        "useradd ",
        "Match Group podium-",
        "ChrootDirectory /srv/podium/inbox/%u",
        "chpasswd -e",
        "install -d -o mira -g mira -m 700 /srv/podium/inbox/mira/in",
    ] {
        assert!(shown.contains(step), "{step}\n{shown}");
    }
    assert!(!shown.contains("hunter2") && !shown.contains("$y$"), "{shown}");
    assert!(users(&contest).contains("hunter2"));
    assert_eq!(door.sh(machine), before);

    let done = door.podium(&["users", "provision"]).exits(0);
    assert!(!(done.stdout.clone() + &done.stderr).contains("hunter2"), "{done}");
    let list = users(&contest);
    assert!(
        list.starts_with("username,password,role\nmira,$y$j9T$") && list.ends_with(",student\nbo,,evaluator\n"),
        "{list}"
    );
    assert_eq!(mode(&contest, "users.csv"), 0o600);
    let passwd = door.sh("grep -E '^(mira|bo):' /etc/passwd");
    assert_eq!(passwd.matches(":/nonexistent:/usr/sbin/nologin").count(), 2, "{passwd}");
    // crypt(3) of the machine and the hash agree, and who has no password has none.
    let hash = list.lines().nth(1).and_then(|line| line.split(',').nth(1)).expect("a hash");
    assert!(door.sh("cat /etc/shadow").contains(&format!("mira:{hash}:")));
    assert!(door.sh("grep ^bo: /etc/shadow").starts_with("bo:*:"));
    let folders = door.sh("cd /srv/podium/inbox; stat -c '%n %U %G %a' mira mira/in mira/out bo/in");
    assert_eq!(folders, "mira root mira 750\nmira/in mira mira 700\nmira/out root mira 750\nbo/in bo bo 700\n");
    let rules = door.sh("sshd -T -C user=mira,host=localhost,addr=10.0.0.1");
    for line in [
        "chrootdirectory /srv/podium/inbox/%u",
        "disableforwarding yes",
        "permittty no",
        "maxstartups 200:30:400",
        "passwordauthentication yes",
    ] {
        assert!(rules.lines().any(|found| found == line), "{line}\n{rules}");
    }
    // Others of the machine are not shut in.
    assert!(door.sh("sshd -T -C user=root,host=localhost,addr=10.0.0.1").contains("chrootdirectory none"));
    assert!(door.sh("cat /etc/security/limits.d/podium-*.conf").contains("hard fsize 2048"));

    // Again, and nothing is to be done; what somebody changed by hand is put right.
    door.podium(&["users", "provision"]).exits(0).says("Nothing was to be changed");
    door.sh("chmod 777 /srv/podium/inbox/mira/in; usermod --lock mira");
    door.podium(&["users", "provision"]).exits(0);
    assert_eq!(door.sh("stat -c %a /srv/podium/inbox/mira/in"), "700\n");
    assert!(door.sh("cat /etc/shadow").contains(&format!("mira:{hash}:")));

    door.podium(&["users", "provision", "--undo"]).exits(0);
    assert_eq!(door.sh(machine), before);
    assert!(contest.path("inbox/mira/in").is_dir(), "the home stays");
    door.podium(&["users", "provision", "--undo"]).exits(0);
}

#[test]
fn what_is_in_the_way_is_named_before_anything_is_done() {
    let contest = home();
    fs::write(contest.path("users.csv"), "username,password,role\nmira,hunter2,student\nlocal,,student\n")
        .expect("written");
    fs::set_permissions(contest.path("users.csv"), fs::Permissions::from_mode(0o600)).expect("set");
    let door = Door::closed(&contest);
    // An account that is not ours, and a folder that others can change.
    door.sh("useradd --no-create-home local; groupadd mira; chmod g+w /srv");
    let ran = door.podium(&["users", "provision"]).exits(1);
    for problem in
        ["the account local of this machine is not ours", "a group mira", "chmod go-w /srv", "nothing was changed"]
    {
        assert!(ran.stderr.contains(problem), "{problem}\n{ran}");
    }
    assert!(users(&contest).contains("hunter2") && !contest.path("inbox/mira").exists());
    door.sh("userdel local; groupdel mira; chmod g-w /srv");
    // Rules that sshd does not read: nobody is given a password.
    door.sh("sed -i 's/^Include/#Include/' /etc/ssh/sshd_config");
    door.podium(&["users", "provision"]).exits(1).says("sshd would not keep mira within walls").says("Include");
    assert!(!door.sh("grep ^mira: /etc/shadow").contains("$y$"));
    // A rule of somebody else that is no good keeps ours from being put there.
    door.sh("sed -i 's/^#Include/Include/' /etc/ssh/sshd_config; rm /etc/ssh/sshd_config.d/podium-*; echo Nonsense yes > /etc/ssh/sshd_config.d/bad.conf");
    door.podium(&["users", "provision"]).exits(1).says("Nonsense");
    assert_eq!(door.sh("ls /etc/ssh/sshd_config.d"), "bad.conf\n");
    door.sh("rm /etc/ssh/sshd_config.d/bad.conf");
    door.podium(&["users", "provision"]).exits(0);
    // As somebody else than root it says so, before it does anything.
    let mut command = Command::new("setpriv");
    command.args([
        "--reuid",
        "65534",
        "--regid",
        "65534",
        "--clear-groups",
        env!("CARGO_BIN_EXE_podium"),
        "--home",
        "/",
        "users",
        "provision",
    ]);
    support::Ran::of(&mut command).exits(1).says("sudo");
}

#[test]
fn a_student_cannot_turn_provisioning_against_the_machine() {
    let contest = home();
    fs::write(contest.path("users.csv"), "username,password,role\nmira,hunter2,student\n").expect("written");
    fs::set_permissions(contest.path("users.csv"), fs::Permissions::from_mode(0o600)).expect("set");
    // A folder of an earlier day that was all mira's: `in` and `out` are links to where others' things are.
    let (own, target) = (contest.path("inbox/mira"), contest.outside("target"));
    fs::create_dir(&target).expect("a folder");
    fs::create_dir(&own).expect("a folder");
    std::os::unix::fs::symlink(&target, own.join("in")).expect("a link");
    let before = fs::metadata(&target).expect("there");
    let door = Door::closed(&contest);
    door.podium(&["users", "provision"]).exits(1).says("/srv/podium/inbox/mira/in");
    let after = fs::metadata(&target).expect("there");
    assert_eq!((after.uid(), after.mode()), (before.uid(), before.mode()));
    // Keys with options are refused, and nothing of them reaches sshd.
    fs::remove_file(own.join("in")).expect("removed");
    fs::create_dir_all(contest.path("keys")).expect("keys/");
    fs::write(
        contest.path("keys/mira.pub"),
        "command=\"sh\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0DIFfSAXqpuvHSoHCdbIaQUAK3+PCTcuvDjXgpHwX5\n",
    )
    .expect("a key");
    door.podium(&["users", "provision"]).exits(1).says("keys/mira.pub:1: ");
    contest.podium(&["check"]).exits(1).says("keys/mira.pub:1: ");
}

/// A competition that takes pushes, with two students who have a key each, provisioned.
fn with_keys() -> (Contest, Door) {
    let contest = Competition::new("Keys")
        .users(&[("mira", "student"), ("bo", "student")])
        .set("git.account", "submit")
        .prepare();
    ["mira", "bo"].iter().for_each(|user| make_key(&contest, user));
    let door = Door::closed(&contest);
    door.podium(&["users", "provision"]).exits(0);
    (contest, door)
}

#[test]
fn access_is_taken_away_before_any_is_given() {
    let (contest, door) = with_keys();
    let keys = "cat /etc/podium/*/git_keys";
    assert_eq!(door.sh(keys).matches("command=").count(), 2);
    // bo goes, cy comes, and mira has another key; and sshd's rules have a mistake of somebody else's, so that nobody can be let in.
    contest.write_users(&[("mira", "student"), ("cy", "student")]);
    let old = fs::read_to_string(contest.path("keys/mira.pub")).expect("a key");
    fs::rename(contest.path("keys/bo.pub"), contest.outside("bo.pub")).expect("moved");
    fs::remove_file(contest.outside("key-mira")).expect("removed");
    ["mira", "cy"].iter().for_each(|user| make_key(&contest, user));
    contest.set("git.account", "pushes");
    door.sh("echo nonsense >/etc/ssh/sshd_config.d/bad.conf");
    door.podium(&["users", "provision"]).exits(1);
    let left = door.sh(keys);
    assert!(!left.contains("--user") && left.starts_with("# Made by"), "{left}");
    let old = old.split(' ').nth(1).expect("a key");
    assert!(!door.sh("cat /etc/podium/*/keys/*").contains(old));
    assert_eq!(door.sh("ls /etc/podium/*/keys"), "mira\n");
    assert_eq!(door.sh("getent shadow bo submit | cut -d: -f8"), "1\n1\n", "both have expired");
    // Mended, it lets in who is listed.
    door.sh("rm /etc/ssh/sshd_config.d/bad.conf");
    door.podium(&["users", "provision"]).exits(0);
    let given = door.sh(keys);
    assert!(
        given.contains("--user mira\"") && given.contains("--user cy\"") && !given.contains("--user bo"),
        "{given}"
    );
}

#[test]
fn an_account_for_git_that_is_not_wanted_any_more_is_locked() {
    let (contest, door) = with_keys();
    let expires = |account: &str| door.sh(&format!("getent shadow {account} | cut -d: -f8")).trim().to_owned();
    let repository =
        "install -d -o submit -g submit -m 700 /srv/podium/git/mira.git; stat -c %U /srv/podium/git/mira.git";
    assert_eq!(door.sh(repository), "submit\n");
    let steps = |door: &Door| {
        let shown = door.podium(&["users", "provision", "--dry-run"]).exits(0).stdout;
        door.podium(&["users", "provision"]).exits(0);
        door.podium(&["users", "provision"]).exits(0).says("Nothing was to be changed");
        shown
    };
    // By another name: the old one is shut out before the new one is made, which gets the repositories.
    contest.set("git.account", "pushes");
    let shown = steps(&door);
    let at = |step: &str| shown.find(step).unwrap_or_else(|| panic!("{step}\n{shown}"));
    assert!(at("usermod --lock --expiredate 1 submit") < at("pkill -KILL -U submit"), "{shown}");
    assert!(at("pkill -KILL -U submit") < at("git' pushes"), "{shown}");
    assert_eq!((expires("submit").as_str(), expires("pushes").as_str()), ("1", ""));
    assert_eq!(door.sh("stat -c %U /srv/podium/git/mira.git"), "pushes\n");
    assert!(!door.sh("cat /etc/ssh/sshd_config.d/podium-*.conf").contains("User submit"));

    // The table goes, and with it the keys.
    let config = contest.config();
    let mut without: toml::Table = config.parse().expect("TOML");
    without.remove("git");
    contest.write_config(&without.to_string());
    let shown = steps(&door);
    assert!(shown.contains("usermod --lock --expiredate 1 pushes\n") && shown.contains("git_keys\n"), "{shown}");
    assert_eq!(expires("pushes"), "1");
    door.sh("test ! -e /etc/podium/*/git_keys && ! grep -q 'Match User' /etc/ssh/sshd_config.d/podium-*.conf");

    // As it was, it opens again; and undoing takes all of them away.
    contest.write_config(&config);
    steps(&door);
    assert_eq!((expires("submit").as_str(), expires("pushes").as_str()), ("1", ""));
    assert_eq!(door.sh("cat /etc/podium/*/git_keys").matches("--user ").count(), 2);
    door.podium(&["users", "provision", "--undo"]).exits(0);
    assert_eq!(door.sh("grep -cE '^(submit|pushes|mira|bo):' /etc/passwd || true"), "0\n");
}

#[test]
fn where_pushes_are_taken_cases_and_evaluator_are_closed_to_the_account_that_takes_them() {
    let contest = Competition::new("Closed").users(&[("mira", "student")]).prepare();
    let open = |folder: &str, mode: u32| {
        fs::set_permissions(contest.path(folder), fs::Permissions::from_mode(mode)).expect("set");
    };
    let door = Door::closed(&contest);
    // Without that account it is the instructor's affair.
    open("evaluator", 0o755);
    open("testcases", 0o755);
    assert!(!door.podium(&["users", "provision", "--dry-run"]).exits(0).stdout.contains("chmod o-rwx"));
    let noted = contest.podium(&["check"]).stdout;
    assert!(noted.contains("chmod o-rwx testcases\n") && !noted.contains("chmod o-rwx evaluator"), "{noted}");

    contest.set("git.account", "submit");
    // Whoever may enter and not list can still guess a name.
    for (testcases, evaluator) in [(0o755, 0o750), (0o750, 0o751), (0o751, 0o755)] {
        open("testcases", testcases);
        open("evaluator", evaluator);
        let shown = door.podium(&["users", "provision", "--dry-run"]).exits(0).stdout;
        let noted = contest.podium(&["check"]).stdout;
        for (folder, mode) in [("testcases", testcases), ("evaluator", evaluator)] {
            let is_open = mode & 0o007 != 0;
            assert_eq!(shown.contains(&format!("chmod o-rwx /srv/podium/{folder}\n")), is_open, "{shown}");
            assert_eq!(
                noted.contains(&format!("chmod o-rwx {folder}, or `podium users provision`")),
                is_open,
                "{noted}"
            );
        }
        door.podium(&["users", "provision"]).exits(0);
        assert_eq!((mode(&contest, "testcases") & 0o007, mode(&contest, "evaluator") & 0o007), (0, 0));
        assert_eq!((mode(&contest, "testcases") & 0o700, mode(&contest, "evaluator") & 0o700), (0o700, 0o700));
    }
    door.podium(&["users", "provision"]).exits(0).says("Nothing was to be changed");
    assert!(!contest.podium(&["check"]).stdout.contains("chmod o-rwx"));
}

#[test]
fn no_password_and_no_hash_is_on_a_command_line() {
    let contest = home();
    // Every program that is started by these, with its arguments.
    let traced = |door: Option<&Door>, arguments: &[&str]| -> (support::Ran, String) {
        let trace = contest.outside("trace");
        let mut command = door.map_or_else(|| Command::new("strace"), |door| door.command("strace"));
        command.args(["-f", "-qq", "-e", "trace=execve,execveat", "-s", "65536", "-o"]).arg(&trace);
        command.arg(env!("CARGO_BIN_EXE_podium")).arg("--home");
        command.arg(door.map_or_else(|| contest.root().into(), |_| std::path::PathBuf::from(support::door::HOME)));
        let ran = support::Ran::of(command.args(arguments)).exits(0);
        (ran, fs::read_to_string(&trace).expect("strace wrote"))
    };
    let (made, generated) = traced(None, &["users", "generate", "--count", "3"]);
    let secrets = |text: &str| -> Vec<String> {
        text.lines()
            .filter_map(|line| line.trim().strip_prefix("password"))
            .map(|rest| rest.trim().to_owned())
            .collect()
    };
    let mut all = secrets(&made.stdout);
    assert_eq!(all.len(), 3, "{made}");
    let (reset, resetting) = traced(None, &["users", "reset", "student01"]);
    all.extend(secrets(&reset.stdout));
    // One that stands in the list as it is, as when the list comes out of a CI's secrets.
    let plain = "a-plain-one-of-the-cis";
    fs::write(contest.path("users.csv"), users(&contest) + &format!("mira,{plain},student\n")).expect("written");
    all.push(plain.into());
    let door = Door::closed(&contest);
    // The door may stand where the cases are not to be seen: nothing of them is asked.
    fs::rename(contest.path("testcases"), contest.outside("testcases")).expect("moved");
    let (_, provisioned) = traced(Some(&door), &["users", "provision"]);
    all.extend(users(&contest).lines().skip(1).filter_map(|line| line.split(',').nth(1)).map(str::to_owned));
    assert_eq!(all.len(), 3 + 1 + 1 + 4);
    assert!(all.iter().all(|secret| secret.len() > 10), "each is one");
    for program in ["useradd", "chpasswd", "groupadd", "sshd"] {
        assert!(provisioned.contains(&format!("/{program}\"")), "{program} is not among them\n{provisioned}");
    }
    for trace in [&generated, &resetting, &provisioned] {
        assert!(trace.contains("execve("), "{trace}");
        // A part of one is as bad.
        assert!(!all.iter().any(|secret| trace.contains(&secret[..10.max(secret.len() / 2)])), "{trace}");
    }
}
