//! The command line: what each verb does, prints and ends with.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};

use support::{CASES, Competition, Contest, Engine, HIDDEN_CASE, a_new_id, answer, get, podium, sha256};

// ---------------------------------------------------------------------------------------------- help and usage

#[test]
fn every_verb_has_help() {
    let help = podium(["--help"]).exits(0);
    let commands = help
        .stdout
        .split_once("Commands:")
        .expect("a list of verbs")
        .1
        .split_once("Options:")
        .expect("and what follows it")
        .0;
    let verbs: Vec<_> = commands
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|verb| !verb.is_empty() && *verb != "help")
        .collect();
    for verb in
        ["init", "check", "run", "submit", "try", "status", "verify", "build", "export", "show", "diff", "serve"]
    {
        assert!(verbs.contains(&verb), "{verb} is not among {verbs:?}");
    }
    for verb in verbs {
        podium([verb, "--help"]).exits(0).says("Usage: podium");
    }
    podium(["--version"]).exits(0).says("podium ");
    help.says("Exit status: 0 done, 1 a problem was found or something failed, 2 wrong usage");
}

#[test]
fn wrong_usage_ends_with_2_and_what_cannot_be_done_with_1() {
    for wrong in [
        &[][..],
        &["frobnicate"],
        &["--frobnicate"],
        &["init"],
        &["init", "/nowhere/x", "--example", "chess"],
        &["run", "--serve", "here"],
        &["run", "once"],
        &["submit"],
        &["submit", "x.py"],
        &["try"],
        &["verify", "--expect-head"],
        &["--home"],
        &["status", "--log-format", "xml"],
    ] {
        let ran = podium(wrong).exits(2);
        assert!(!ran.stderr.is_empty() && ran.stdout.is_empty(), "{ran}");
    }
    for verb in ["check", "run", "status", "verify", "build", "export", "serve"] {
        podium(["--home", "/nowhere/at/all", verb]).exits(1).says("/nowhere/at/all");
    }
    let contest = Competition::new("Usage").prepare();
    contest.podium(&["verify", "--expect-head", "short"]).exits(2).says("--expect-head");
    contest.podium(&["submit", "/nowhere/x.py", "--user", "mira"]).exits(1).says("/nowhere/x.py");
    contest.podium(&["submit", "/nowhere/x", "--user", "mira"]).exits(1);
    contest.podium(&["submit", "/nowhere/x.py", "--user", "Mira!"]).says("Mira!");
    contest.podium(&["try", "/nowhere/x.py"]).exits(1).says("/nowhere/x.py");
}

// ---------------------------------------------------------------------------------------------- init, check, try

#[test]
fn a_new_home_works_at_once() {
    Engine::Bubblewrap.require();
    for (example, sample) in [("coins", "samples/greedy.py"), ("agv", "samples/greedy_one.py")] {
        let folder = tempfile::tempdir().expect("a folder");
        let home = folder.path().join("new/home").display().to_string();
        let verb = |arguments: &[&str]| podium(["--home", &home].iter().chain(arguments));
        podium(["init", &home, "--example", example]).exits(0).says(&home);
        podium(["init", &home]).exits(1).says("not empty");
        verb(&["check"]).exits(0).says("good");

        let tried = verb(&["try", &format!("{home}/{sample}"), "--json"]).exits(0).json();
        assert_eq!(tried["verdict"], "accepted");
        assert!(tried["score"].as_f64().is_some_and(|score| score > 0.0), "{tried}");
        let config: toml::Table =
            fs::read_to_string(format!("{home}/config.toml")).expect("config.toml").parse().expect("TOML");
        let public = config["testcases"]["public"].as_array().expect("public cases");
        let cases = tried["cases"].as_array().expect("cases");
        assert_eq!(cases.len(), public.len(), "all public cases, and no other");
        for (case, name) in cases.iter().zip(public) {
            assert_eq!((case["case"].as_str(), &case["verdict"]), (name.as_str(), &json!("accepted")));
        }
        let table = verb(&["try", &format!("{home}/{sample}")]).exits(0);
        assert!(!table.stdout.contains('\u{1b}') && !table.stderr.contains('\u{1b}'), "{table}");
        for name in public {
            assert!(table.stdout.contains(name.as_str().expect("a name")), "{table}");
        }
        verb(&["status"]).exits(0).says("0 submissions");
        assert!(!fs::exists(format!("{home}/results/log.jsonl")).expect("looked"), "a try is not recorded");
        let left: Vec<_> = fs::read_dir(format!("{home}/results"))
            .expect("results/")
            .map(|entry| entry.expect("an entry").file_name())
            .filter(|name| name.to_string_lossy().starts_with("try-"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn a_new_home_is_closed_to_other_accounts_where_it_should_be_and_check_says_where_it_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path().join("home");
    let shown = home.display().to_string();
    podium(["init", &shown, "--example", "agv"]).exits(0);
    let set = |name: &str, mode: u32| {
        fs::set_permissions(home.join(name), fs::Permissions::from_mode(mode)).expect("chmod");
    };
    let notes = || podium(["--home", &shown, "check"]).exits(0).stdout;
    for name in ["inbox", "results", "testcases", "evaluator"] {
        let mode = fs::metadata(home.join(name)).expect("made by init").permissions().mode();
        assert_eq!(mode & 0o007, 0, "{name} has mode {mode:o}");
    }
    assert!(!notes().contains("every account"), "{}", notes());
    set("testcases", 0o755);
    assert!(notes().contains("chmod o-rwx testcases"), "{}", notes());
    set("testcases", 0o711);
    set("inbox", 0o755);
    let said = notes();
    assert!(!said.contains("chmod o-rwx testcases") && said.contains("chmod o-r inbox"), "{said}");
}

#[test]
fn a_try_says_what_would_become_of_it_and_records_nothing() {
    let contest = Competition::new("Tries").prepare();
    let file = |name: &str, program: &str| {
        let path = contest.outside(name);
        fs::write(&path, program).expect("a program");
        path.display().to_string()
    };
    contest.podium(&["try", &file("wrong.py", &answer("x"))]).exits(1).says("wrong-answer");
    let wrong = contest.podium(&["try", &file("wrong.py", &answer("x")), "--json"]).exits(1).json();
    assert!(
        wrong["cases"][0]["message"].as_str().is_some_and(|message| message.contains("'x' is no number")),
        "{wrong}"
    );
    contest.podium(&["try", &file("broken.py", "def f(:\n")]).exits(1).says("rejected").says("SyntaxError");
    contest.podium(&["try", &file("one.rb", "puts 1")]).exits(1).says("[languages.rb]");
    contest.podium(&["try", &file("large.py", &"#".repeat(2 << 20))]).exits(1).says("2097152");
    let good = file("good.py", &answer("4"));
    let cases = |ran: Value| {
        ran["cases"].as_array().map(|cases| cases.iter().map(|case| case["case"].clone()).collect::<Vec<_>>())
    };
    assert_eq!(cases(contest.podium(&["try", &good, "--json"]).exits(0).json()), Some(CASES.map(Value::from).into()));
    assert_eq!(
        cases(contest.podium(&["try", &good, "--json", "--case", HIDDEN_CASE]).exits(0).json()),
        Some(vec![HIDDEN_CASE.into()])
    );
    contest.podium(&["try", &good, "--case", "thirteen"]).exits(1).says("thirteen");
    assert_eq!(contest.log(), [Value::Null; 0]);
    assert_eq!(contest.traces(), [""; 0]);
}

#[test]
fn check_names_every_problem_with_its_place() {
    let contest = Competition::new("Checked").prepare();
    contest.podium(&["check"]).exits(0);
    fs::create_dir(contest.path("testcases/empty")).expect("a case without an input");
    contest.write_config(
        "[competition]\ntitel = \"x\"\nstate = \"opened\"\n[testcases]\npublic = [\"one\", \"tow\"]\nprivate = [\"empty\"]\n[evaluator]\ncommand = [\"python3\", \"{outptu}\"]\n\
         [languages.py]\ncommand = []\n[limits]\ncpu = 10\nmemory = \"lots\"\n[sandbox]\nengine = \"chroot\"\n[queue]\nworkers = -2\n",
    );
    fs::write(contest.path("users.csv"), "username,password,role\nMira,p,student\nbo,p,student\nbo,p,student\n")
        .expect("users.csv");
    let ran = contest.podium(&["check"]).exits(1);
    for place in [
        "config.toml:2: competition.titel: unknown key; did you mean \"title\"?",
        "config.toml:3: competition.state: ",
        "config.toml:8: evaluator.command: ",
        "config.toml:10: languages.py.command: ",
        "config.toml:12: limits.cpu: ",
        "config.toml:13: limits.memory: ",
        "config.toml:15: sandbox.engine: ",
        "config.toml:17: queue.workers: ",
        "users.csv:2: Mira: ",
        "users.csv:4: bo: ",
    ] {
        assert!(ran.stdout.contains(place), "{place} is missing\n{ran}");
    }
    assert!(!ran.stdout.contains('\u{1b}'));
    let problems = contest.podium(&["check", "--json"]).exits(1).json();
    let found = problems["problems"].as_array().expect("problems");
    assert!(
        found
            .iter()
            .any(|problem| problem["file"] == "config.toml" && problem["line"] == 12 && problem["key"] == "limits.cpu"),
        "{problems:#}"
    );

    // What the settings name and the home does not have.
    contest.write_config("[testcases]\npublic = [\"one\", \"tow\"]\nprivate = [\"empty\"]\n[evaluator]\ncommand = [\"python3\", \"{evaluator}/evaluator.py\"]\n");
    fs::remove_file(contest.path("users.csv")).expect("removed");
    contest
        .podium(&["check"])
        .exits(1)
        .says("config.toml:2: testcases.public: testcases/tow/ does not exist; did you mean \"two\"?")
        .says("config.toml:3: testcases.private: testcases/empty/input.txt is missing");

    // A template that does not parse, and one that asks for what there is not.
    contest.write_config("[testcases]\npublic = [\"one\"]\n[evaluator]\ncommand = [\"python3\", \"{evaluator}/evaluator.py\", \"{input}\", \"{output}\"]\n");
    fs::create_dir(contest.path("site-templates")).expect("templates");
    fs::write(contest.path("site-templates/index.html"), "one\n{% if %}\n").expect("a template");
    contest.podium(&["check"]).exits(1).says("site-templates/index.html:2: ");
    fs::write(contest.path("site-templates/index.html"), "one\n{{ page.no_such_thing }}\n").expect("a template");
    contest.podium(&["check"]).exits(1).says("index.html:2");
    fs::remove_file(contest.path("site-templates/index.html")).expect("removed");
    contest.podium(&["check"]).exits(0);

    // A damaged log.
    fs::write(contest.path("results/log.jsonl"), "{}\n").expect("a log");
    contest.podium(&["check"]).exits(1).says("log.jsonl:1");
}

// ---------------------------------------------------------------------------------------------- submit, status, run --once

#[test]
fn a_submission_by_the_command_line_is_judged_by_run_once() {
    let contest = Competition::new("Once").users(&[("mira", "student"), ("bo", "student")]).prepare();
    // Nothing to do is a site, too.
    let ran = contest.podium(&["run", "--once"]).exits(0);
    assert_plain(&ran);
    for page in ["index.html", "queue.html", "leaderboard.json", "queue.json"] {
        assert!(contest.path("public").join(page).is_file(), "{page}");
    }
    assert_eq!(contest.board()["rows"], json!([]));

    let program = contest.outside("program.py");
    fs::write(&program, answer("4")).expect("a program");
    let program = program.display().to_string();
    let submitted =
        contest.podium(&["submit", &program, "--user", "mira"]).exits(0).says("No daemon runs in this home");
    let id = submitted.stdout.lines().find_map(|line| line.strip_prefix("id")).expect("an id").trim().to_owned();
    submitted.says(&format!("public/s/{id}/index.html"));
    let chosen = a_new_id();
    let other = contest.podium(&["submit", &program, "--user", "bo", "--id", &chosen, "--json"]).exits(0).json();
    assert_eq!(other["id"], chosen.as_str());
    assert_eq!(contest.inbox().len(), 2, "whole files, and nothing beside them");
    contest.hand_in("mira", "py", answer("three"));
    contest.hand_in("mira", "py", "def f(:\n");

    let ran = contest.podium(&["run", "--once"]).exits(0);
    assert_plain(&ran);
    assert!(contest.inbox().is_empty());
    assert_eq!((contest.count("judged"), contest.count("rejected")), (3, 1));
    assert_eq!(contest.status(&id).expect("its page")["verdict"], "accepted");
    assert!(std::path::Path::new(other["page"].as_str().expect("a path")).is_file());
    let users: Vec<_> =
        contest.board()["rows"].as_array().expect("rows").iter().map(|row| row["user"].clone()).collect();
    assert_eq!(users.len(), 2);

    let ran =
        contest.podium(&["status"]).exits(0).says("open: public scores show").says("none runs").says("wrong-answer");
    assert_plain(&ran);
    let status = contest.podium(&["status", "--json"]).exits(0).json();
    assert_eq!(
        (&status["board"], &status["submissions"], &status["daemon"]),
        (&json!("open"), &json!(3), &Value::Null)
    );
    assert_eq!(status["log_head"], contest.head().as_str());
    assert_eq!(status["latest"].as_array().map(Vec::len), Some(3));
    assert_eq!(contest.traces(), [""; 0]);

    // Closed: what lies there is refused, and that is done, too.
    contest.set("competition.state", "closed");
    contest.hand_in("bo", "py", answer("1"));
    contest.podium(&["run", "--once"]).exits(0);
    assert_eq!((contest.count("judged"), contest.count("rejected")), (3, 2));
    assert_eq!(contest.board()["scores"], "total");
    // Bad settings at the start: nothing is done, and said why.
    contest.set("competition.state", "ajar");
    contest.podium(&["run", "--once"]).exits(1).says("competition.state");
    contest.podium(&["build"]).exits(1).says("competition.state");
    contest.podium(&["try", &program]).exits(1).says("competition.state");
}

/// Whoever pipes it somewhere gets text, and no bar, colour or cursor.
#[track_caller]
fn assert_plain(ran: &support::Ran) {
    assert!(
        !ran.stdout.contains('\u{1b}')
            && !ran.stderr.contains('\u{1b}')
            && !ran.stdout.contains('\r')
            && !ran.stderr.contains('\r'),
        "{ran}"
    );
}

#[test]
fn the_daemon_is_seen_by_status_and_by_submit() {
    let contest = Competition::new("Seen").start();
    contest.wait_for("`podium status` sees it", || {
        contest.podium(&["status", "--json"]).json()["daemon"]["pid"] == contest.daemon().pid()
    });
    let program = contest.outside("program.py");
    fs::write(&program, answer("4")).expect("a program");
    let ran = contest.podium(&["submit", &program.display().to_string(), "--user", "mira", "--json"]).exits(0);
    let id = ran.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(contest.outcome(&id)["verdict"], "accepted");
    let ran = contest.podium(&["submit", &program.display().to_string(), "--user", "mira"]).exits(0);
    assert!(!ran.stdout.contains("No daemon"), "{ran}");
}

#[test]
fn the_site_is_served_for_a_first_look() {
    let mut contest = Competition::new("Served").prepare();
    contest.start_with(&["--serve", "127.0.0.1:0"]);
    let mut address = String::new();
    contest.wait_for("the site is served", || {
        let said = contest.daemon().said();
        address = said
            .split_once("the site is at http://")
            .and_then(|(_, rest)| rest.split_once('/'))
            .map(|(address, _)| address.to_owned())
            .unwrap_or_default();
        !address.is_empty()
    });
    let id = contest.hand_in("mira", "py", answer("4"));
    contest.outcome(&id);
    contest.wait_for_site();
    for path in [
        "/",
        "/index.html",
        "/queue.html",
        "/leaderboard.json",
        "/u/mira/",
        &format!("/s/{id}/"),
        &format!("/s/{id}/status.json"),
    ] {
        let (head, body) = get(&address, path);
        assert!(head.starts_with("http/1.1 200"), "{path}: {head}");
        assert!(!body.is_empty());
        for header in ["x-content-type-options: nosniff", "referrer-policy: no-referrer", "cache-control: no-cache"] {
            assert!(head.contains(header), "{path} lacks {header}: {head}");
        }
    }
    // A browser is sent a page as small as by the example web servers.
    let packed = Command::new("curl")
        .args(["--silent", "--show-error", "--compressed", "--dump-header", "-"])
        .arg(format!("http://{address}/index.html"))
        .output()
        .expect("curl");
    let packed = String::from_utf8_lossy(&packed.stdout).to_lowercase();
    assert!(packed.contains("content-encoding: gzip") && packed.contains("</html>"), "{packed}");
    let (_, page) = get(&address, "/");
    assert!(page.contains("Served") && page.contains("mira"), "{page}");
    // Nobody learns an id by asking for folders, and nothing but public/ is served.
    for path in [
        "/s/",
        "/s",
        "/u/",
        "/../config.toml",
        "/..%2fconfig.toml",
        "/%2e%2e/results/log.jsonl",
        "/s/../../config.toml",
    ] {
        let (head, body) = get(&address, path);
        assert!(!body.contains(&id) && !body.contains("[competition]"), "{path}: {head}\n{body}");
    }
    assert!(contest.stop().success());
    // An address that is not ours to have.
    contest.podium(&["run", "--once", "--serve", "192.0.2.1:9"]).exits(1);
}

// ---------------------------------------------------------------------------------------------- verify

#[test]
fn verify_finds_what_was_done_to_the_log_and_to_what_it_speaks_of() {
    let contest = judged_contest();
    let log = contest.path("results/log.jsonl");
    let whole = fs::read_to_string(&log).expect("the log");
    let lines: Vec<&str> = whole.lines().collect();
    let head = contest.head();
    contest.podium(&["verify"]).exits(0).says(&format!("{} lines", lines.len())).says("all good").says(&head);
    contest.podium(&["verify", "--expect-head", &head]).exits(0);
    contest.podium(&["verify", "--expect-head", &sha256(lines[2].as_bytes())]).exits(0).says("line 3");
    contest.podium(&["verify", "--expect-head", &"ab".repeat(32)]).exits(1).says(&"ab".repeat(32));

    let with = |changed: Vec<String>| {
        fs::write(&log, changed.join("\n") + "\n").expect("written");
        let ran = contest.podium(&["verify"]);
        fs::write(&log, &whole).expect("put back");
        ran.exits(1)
    };
    let owned = || lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    // Edited, so that it still is a record.
    let judged = lines.iter().position(|line| line.contains("\"event\":\"judged\"")).expect("a judged line");
    assert!(lines[judged].contains("\"verdict\":\"accepted\"") && judged + 1 < lines.len());
    let mut edited = owned();
    edited[judged] = edited[judged].replace("\"verdict\":\"accepted\"", "\"verdict\":\"run-error\"");
    with(edited).says(&format!("log.jsonl:{}", judged + 2));
    for index in 0..lines.len() - 1 {
        let mut deleted = owned();
        deleted.remove(index);
        with(deleted).says(&format!("log.jsonl:{}", index + 1));
    }
    let mut swapped = owned();
    swapped.swap(2, 3);
    with(swapped).says("log.jsonl:3");
    let mut doubled = owned();
    doubled.insert(2, lines[2].to_owned());
    with(doubled).says("log.jsonl:4");
    let mut nonsense = owned();
    nonsense[1] = "nonsense".into();
    with(nonsense).says("log.jsonl:2");
    // A last line that is gone shows to whoever wrote the head down.
    let mut shorter = owned();
    shorter.pop();
    fs::write(&log, shorter.join("\n") + "\n").expect("written");
    contest.podium(&["verify", "--expect-head", &head]).exits(1).says(&head);
    fs::write(&log, &whole[..whole.len() - 9]).expect("torn");
    contest.podium(&["verify"]).exits(1).says("torn");
    fs::write(&log, &whole).expect("put back");

    // A damaged log stops the daemon loudly, and is not touched.
    let damaged = whole.replacen("\"event\":\"accepted\"", "\"event\":\"excepted\"", 1);
    fs::write(&log, &damaged).expect("written");
    contest.podium(&["run", "--once"]).exits(1).says("log.jsonl");
    contest.podium(&["build"]).exits(1).says("log.jsonl");
    assert_eq!(fs::read_to_string(&log).expect("the log"), damaged);
    fs::write(&log, &whole).expect("put back");

    // Sources and outputs.
    let source = contest.path("results/submissions/000001/source.py");
    let program = fs::read(&source).expect("the source");
    fs::write(&source, "print(1)\n").expect("changed");
    contest.podium(&["verify"]).exits(1).says("source.py is not what was recorded");
    fs::remove_file(&source).expect("removed");
    contest.podium(&["verify"]).exits(1).says("source.py");
    fs::write(&source, program).expect("put back");
    let output = contest.path("results/submissions/000001/1/one.stdout");
    let bytes = fs::read(&output).expect("an output");
    fs::write(&output, "1\n").expect("changed");
    contest.podium(&["verify"]).exits(1).says("one.stdout");
    fs::write(&output, bytes).expect("put back");
    contest.podium(&["verify"]).exits(0);
}

fn judged_contest() -> Contest {
    let contest = Competition::new("Judged").prepare();
    contest.hand_in("mira", "py", answer("4"));
    contest.hand_in("bo", "sh", "echo 5\n");
    contest.podium(&["run", "--once"]).exits(0);
    assert_eq!(contest.count("judged"), 2);
    contest
}

// ---------------------------------------------------------------------------------------------- build

#[test]
fn build_touches_only_what_differs_and_removes_what_has_no_place() {
    let contest = judged_contest();
    let before = contest.site();
    let stamp =
        |name: &str| fs::metadata(contest.path("public").join(name)).and_then(|meta| meta.modified()).expect("a page");
    let pages: Vec<_> =
        before.0.keys().filter(|name| !name.starts_with("queue.")).map(|name| (name.clone(), stamp(name))).collect();
    contest.podium(&["build"]).exits(0).says("2 submissions of 2 users");
    for (name, at) in &pages {
        assert_eq!(stamp(name), *at, "{name} was written again");
    }
    // Somebody's hand in the site.
    fs::write(contest.path("public/index.html"), "defaced").expect("written");
    let strange = contest.path(&format!("public/s/{}", a_new_id()));
    fs::create_dir(&strange).expect("a page of nobody");
    fs::create_dir_all(contest.path("public/u/nobody")).expect("a page of nobody");
    contest.podium(&["build"]).exits(0);
    before.without_clock().assert_same(&contest.site().without_clock());
    assert!(!strange.exists());
    // Everybody may read it, whatever the umask.
    for entry in walkdir::WalkDir::new(contest.path("public")).into_iter().map(|entry| entry.expect("an entry")) {
        let mode = entry.metadata().expect("its mode").permissions().mode();
        let wanted = if entry.file_type().is_dir() { 0o555 } else { 0o444 };
        if entry.path() == contest.path("public/s") {
            // Whoever knows an id may pass; nobody may list what ids there are.
            assert_eq!(mode & 0o555, 0o511, "public/s has mode {mode:o}");
        } else {
            assert_eq!(mode & wanted, wanted, "{} has mode {mode:o}", entry.path().display());
        }
    }
    // And nobody else the results.
    let mode = fs::metadata(contest.path("results")).expect("results/").permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
    // A template of one's own.
    fs::create_dir_all(contest.path("site-templates")).expect("templates");
    fs::write(contest.path("site-templates/user.html"), "<p>{{ page.user }} of {{ site.title }} & co\n")
        .expect("a template");
    contest.podium(&["build"]).exits(0);
    assert_eq!(
        fs::read_to_string(contest.path("public/u/mira/index.html")).expect("a page").trim(),
        "<p>mira of Judged & co"
    );
    // One that fails keeps none of the others from being made.
    fs::remove_dir_all(contest.path("public")).expect("removed");
    fs::write(contest.path("site-templates/user.html"), "{{ page.nothing.at.all }}").expect("a template");
    contest.podium(&["build"]).exits(1).says("user.html");
    assert!(contest.path("public/index.html").is_file() && contest.path("public/leaderboard.json").is_file());
}
