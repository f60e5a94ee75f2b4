//! LEAK: what is private shows nowhere while the board is open.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Instant;

use serde_json::Value;

use super::Case;
use crate::probe;
use crate::ring::{CANARY, Entrance, Ring};
use crate::support::{Contest, Engine, HIDDEN_CASE, HIDDEN_TAG, Site, podium, sha256};

pub(super) const CASES: &[Case] = &[
    Case::shared("LEAK-01", "a private input, carried out through every visible side", carried_out),
    Case::alone("LEAK-02", "pages with and without a private part", page_audit),
    Case::shared("LEAK-03", "two submissions that differ in a private case only", differential).quiet(),
    Case::alone("LEAK-04", "another local user", local_user),
    Case::shared("LEAK-05", "errors in a private case", errors),
];

// ---------------------------------------------------------------------------------------------- LEAK-01

fn carried_out(entrance: &mut Entrance<'_>) {
    let ring = entrance.shared();
    let input = fs::read(ring.contest.path(&format!("testcases/{HIDDEN_CASE}/input.txt"))).expect("the private input");
    let digest = hex::decode(sha256(&input)).expect("digits");
    let bits = format!("{:08b}{:08b}", digest[0], digest[1]);
    ring.secrets.push(bits.clone());
    for extension in ["py", "file"] {
        let fought = ring.fight("mallory", extension, probe::text("LEAK-01"));
        // It was tried: what is kept for staff has it.
        ring.holds(fought.hidden.stdout.contains(&bits), || {
            format!("the probe did not get at the input: {}", fought.hidden.stderr)
        });
        ring.contest.wait_for_site();
        let (status, own) = (fought.status.to_string(), own_pages(&ring.contest.site(), &fought.id));
        ring.holds(!status.contains(&bits), || format!("status.json holds the bits: {status}"));
        ring.holds(!own.is_empty() && !own.contains(&bits), || "the submission's own page holds the bits".into());
        ring.holds(!status.contains(HIDDEN_CASE), || format!("status.json names the case: {status}"));
    }
}

/// What the pages of one submission say.
fn own_pages(site: &Site, id: &str) -> String {
    let of_it = site.0.iter().filter(|(name, _)| name.contains(id));
    of_it.map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned()).collect()
}

// ---------------------------------------------------------------------------------------------- LEAK-02

/// Good, failed, slow, broken: each only where it is not seen.
fn only_when_hidden(what: &str) -> String {
    format!("import sys, time\ntext = sys.stdin.read()\nif {HIDDEN_TAG:?} in text:\n    {what}\nprint(4)\n")
}

fn page_audit(entrance: &mut Entrance<'_>) {
    entrance.alone(
        // With quotas, which say on pages what was used of them.
        |competition| {
            let bounded = competition.set("submissions.disk_per_user", "1 GiB").set("submissions.rate", "99/1h");
            bounded.set("submissions.pending_per_user", 99)
        },
        |ring| {
            for (user, what) in
                [("amy", "pass"), ("ben", "sys.exit(9)"), ("cleo", "time.sleep(1)"), ("dan", "print(5); sys.exit(0)")]
            {
                let id = ring.submit(user, "py", only_when_hidden(what));
                ring.fought(&id);
            }
            ring.contest.wait_for_site();
            ring.end();
            assert!(ring.contest.stop().success(), "the daemon ends in order");
            let log = fs::read_to_string(ring.contest.path("results/log.jsonl")).expect("the log");
            let as_it_is = rebuilt(ring, &log);
            let config = ring.contest.config();

            // The private part of every record is gone, and so is the case.
            let without = rechained(&log, |judged| {
                let cases = judged["cases"].as_array_mut().expect("cases");
                cases.retain(|case| case["case"] != HIDDEN_CASE);
            });
            ring.contest.set("testcases.private", toml::Value::Array(Vec::new()));
            let removed = rebuilt(ring, &without);
            compare(ring, "without the private part", &as_it_is, &removed);
            ring.contest.write_config(&config);

            // It is another.
            let other = rechained(&log, |judged| {
                for case in
                    judged["cases"].as_array_mut().into_iter().flatten().filter(|case| case["case"] == HIDDEN_CASE)
                {
                    case["verdict"] = "time-limit".into();
                    case["score"] = "inf".into();
                    case["cpu_seconds"] = 1.75.into();
                    case["wall_seconds"] = 3.25.into();
                    case["peak_memory_bytes"] = 99_999_999.into();
                    case["message"] = "another message".into();
                    case["metrics"] = serde_json::json!({ "other": 1 });
                    for file in case["files"].as_array_mut().into_iter().flatten() {
                        file["bytes"] = 54_321.into();
                    }
                }
            });
            let changed = rebuilt(ring, &other);
            compare(ring, "with another private part", &as_it_is, &changed);

            fs::write(ring.contest.path("results/log.jsonl"), &log).expect("the log is back");
            ring.contest.start();
            ring.warm_up();
            ring.begin();
        },
    );
}

/// The site that a log makes, with the hashes of its lines as their numbers: a chain says of every line what stood before it.
fn rebuilt(ring: &Ring, log: &str) -> Site {
    fs::write(ring.contest.path("results/log.jsonl"), log).expect("another log");
    let _ = fs::remove_dir_all(ring.contest.path("public"));
    ring.contest.podium(&["build"]).exits(0);
    let mut site = ring.contest.site().without_clock();
    let hashes: Vec<String> = log.lines().map(|line| sha256(line.as_bytes())).collect();
    for bytes in site.0.values_mut() {
        let mut text = String::from_utf8(bytes.clone()).expect("a page is UTF-8");
        for (index, hash) in hashes.iter().enumerate() {
            // In full, and as pages show it.
            let brief = format!("{}…{}", &hash[..8], &hash[60..]);
            text = text.replace(hash, &format!("LINE-{index}")).replace(&brief, &format!("LINE-{index}"));
        }
        *bytes = text.into_bytes();
    }
    site
}

/// The log with other results, and a whole chain.
fn rechained(log: &str, change: impl Fn(&mut Value)) -> String {
    let mut prev = "0".repeat(64);
    let mut lines = String::new();
    for line in log.lines() {
        let mut event: Value = serde_json::from_str(line).expect("a line is JSON");
        if event["event"] == "judged" {
            change(&mut event);
        }
        event["prev"] = prev.into();
        let line = event.to_string();
        prev = sha256(line.as_bytes());
        lines.push_str(&line);
        lines.push('\n');
    }
    lines
}

fn compare(ring: &mut Ring, what: &str, one: &Site, other: &Site) {
    let names = |site: &Site| site.0.keys().cloned().collect::<Vec<_>>();
    ring.same(&format!("{what}: the names of the pages"), names(other), names(one));
    for (name, bytes) in &one.0 {
        let theirs = other.0.get(name).cloned().unwrap_or_default();
        if *bytes != theirs {
            let at = bytes.iter().zip(&theirs).position(|(a, b)| a != b).unwrap_or(0);
            let around = |bytes: &[u8]| {
                String::from_utf8_lossy(&bytes[at.saturating_sub(60)..bytes.len().min(at + 60)]).into_owned()
            };
            ring.broken(format!("{what}: {name} differs: {:?} and {:?}", around(bytes), around(&theirs)));
        }
    }
}

// ---------------------------------------------------------------------------------------------- LEAK-03

/// A submission as its sender saw it: states in their order, how long it ran as far as that shows, its pages without names and times.
struct Seen {
    states: Vec<String>,
    ran: f64,
    pages: BTreeMap<String, String>,
    status: Value,
}

/// Longer than a quick judging takes over any engine, in seconds.
const STEP: f64 = 6.0;

/// With `queue.result_steps`: without, how long a judging takes is seen, as docs/security.md says.
fn differential(entrance: &mut Entrance<'_>) {
    entrance.shared().with(&[("queue.result_steps", &format!("{STEP}s"))], two_that_differ);
}

/// A page without the program that its sender takes home: no two are the same.
fn without_program(page: &str) -> String {
    let mut parts = page.split("\"data:text");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('"').map_or("", |(_, rest)| rest))
}

fn two_that_differ(ring: &mut Ring) {
    let watch = |ring: &mut Ring, user: &str, what: &str| {
        let id = ring.submit(user, "py", only_when_hidden(what));
        let mut states: Vec<String> = Vec::new();
        let (mut running, mut judged) = (None, Instant::now());
        ring.contest.wait_for("it is judged", || {
            let state = ring.contest.status(&id).map(|status| status["state"].as_str().unwrap_or_default().to_owned());
            if let Some(state) = state.filter(|state| states.last() != Some(state)) {
                judged = Instant::now();
                running = running.or((state == "running").then_some(judged));
                states.push(state);
            }
            states.last().is_some_and(|state| state == "judged")
        });
        ring.contest.wait_for_site();
        let ran = running.map_or(0.0, |running| (judged - running).as_secs_f64());
        let mut status = ring.contest.status(&id).expect("a status");
        let number = status["submission"].to_string();
        let site = ring.contest.site();
        let of_it = site.0.iter().filter(|(name, _)| name.contains(&id) && name.ends_with(".html"));
        let pages = of_it.map(|(name, bytes)| {
            let plain = |text: &str| normal(&text.replace(&id, "ID").replace(user, "USER"), &number);
            (plain(name), plain(&without_program(&String::from_utf8_lossy(bytes))))
        });
        let pages = pages.collect();
        for key in ["submission", "user", "receipt"] {
            status[key] = Value::Null;
        }
        for case in status["cases"].as_array_mut().into_iter().flatten() {
            for key in ["cpu_seconds", "wall_seconds", "peak_memory_bytes"] {
                case[key] = Value::Null;
            }
        }
        // What was seen last is what comes first in no short run: a state that comes and goes within one look is no sign.
        states.retain(|state| state != "waiting" && state != "queued");
        Seen { states, ran, pages, status }
    };
    // Of one length, and equal on what shows.
    let quick = watch(ring, "amy", "time.sleep(0.0)");
    let slow = watch(ring, "ben", "time.sleep(2.5)");
    let failed = watch(ring, "cya", "sys.exit(33333)");
    for (what, other) in [("slow", &slow), ("failed", &failed)] {
        ring.same(&format!("{what} in a private case: the states"), &other.states, &quick.states);
        ring.same(&format!("{what} in a private case: status.json"), &other.status, &quick.status);
        ring.same(
            &format!("{what} in a private case: the names of the pages"),
            other.pages.keys().collect::<Vec<_>>(),
            quick.pages.keys().collect::<Vec<_>>(),
        );
        for (name, text) in &quick.pages {
            let theirs = &other.pages[name];
            if text != theirs {
                let at = text.bytes().zip(theirs.bytes()).position(|(a, b)| a != b).unwrap_or(0);
                let around = |text: &str| {
                    String::from_utf8_lossy(&text.as_bytes()[at.saturating_sub(40)..text.len().min(at + 60)])
                        .into_owned()
                };
                ring.broken(format!(
                    "{what} in a private case: {name} differs: {:?} and {:?}",
                    around(text),
                    around(theirs)
                ));
            }
        }
        // It shows from one look to another, so a whole number of steps shows as a little more or less.
        let steps = |seen: &Seen| (seen.ran / STEP).round();
        ring.holds(steps(other) == steps(&quick), || {
            format!(
                "{what} in a private case: it shows as running for {:.1} s, and the quick one for {:.1} s",
                other.ran, quick.ran
            )
        });
    }
}

/// Without what differs between any two submissions: hashes, times, measured numbers, the number of the submission.
fn normal(text: &str, number: &str) -> String {
    let text = text.replace(&format!("#{number}"), "#N");
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    for c in text.chars().chain(['\n']) {
        // Digits with what stands in numbers, times and hashes.
        if c.is_ascii_hexdigit() || (!word.is_empty() && matches!(c, '.' | ':' | '-' | 'T' | 'Z')) {
            word.push(c);
            continue;
        }
        if word.chars().any(|c| c.is_ascii_digit()) {
            out.push('#')
        } else {
            out.push_str(&word)
        }
        word.clear();
        out.push(c);
    }
    out
}

// ---------------------------------------------------------------------------------------------- LEAK-04

/// A home as `podium init` and the operator's guide make it, and somebody with an account on the machine.
fn local_user(entrance: &mut Entrance<'_>) {
    // The guest's home is of the engine's kind, so that the oracle has a competition to look at.
    entrance.alone(|competition| competition, |ring| {
        let home = ring.contest.outside("as-installed");
        open_to_all(&ring.contest);
        podium(["init", &home.display().to_string()]).exits(0);
        let users = home.join("users.csv");
        fs::write(&users, "username,password,role\nalice,SECRET-PASSWORD,student\n").expect("users.csv");
        // As the guide says.
        fs::set_permissions(&users, PermissionsExt::from_mode(0o600)).expect("chmod");
        fs::write(home.join("testcases/large/solution.txt"), CANARY).expect("a canary");
        let mut config: toml::Table = fs::read_to_string(home.join("config.toml")).expect("config.toml").parse().expect("TOML");
        let own: toml::Table = ring.contest.config().parse().expect("TOML");
        config.insert("sandbox".into(), own["sandbox"].clone());
        fs::write(home.join("config.toml"), config.to_string()).expect("the engine");
        let source = home.join("samples/greedy.py");
        podium(["--home", &home.display().to_string(), "submit", &source.display().to_string(), "--user", "alice"]).exits(0);
        podium(["--home", &home.display().to_string(), "run", "--once"]).exits(0);
        // One that still lies there.
        podium(["--home", &home.display().to_string(), "submit", &source.display().to_string(), "--user", "alice"]).exits(0);

        let nobody = |script: &str| {
            let arguments = ["--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", script];
            let output = Command::new("setpriv").args(arguments).env("H", &home).output().expect("setpriv runs");
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        };
        ring.same("somebody else can read the statement", nobody("cat $H/statement.md | head -c 1 | wc -c").as_str(), "1");
        for (what, script) in [
            ("the log", "cat $H/results/log.jsonl"),
            ("results/", "ls $H/results"),
            ("the daemon's state", "cat $H/results/daemon.json $H/results/lock"),
            ("users.csv", "cat $H/users.csv"),
            ("a private case", "cat $H/testcases/large/*"),
            ("the names in a private case", "ls $H/testcases/large"),
            ("the names of others' files in inbox/", "ls $H/inbox"),
            ("others' files in inbox/", "cat $H/inbox/*"),
            ("the secret addresses of others' pages", "ls $H/public/s"),
            ("the docker socket", "for s in /var/run/docker.sock /run/docker.sock; do test -r $s && echo r $s; test -w $s && echo w $s; done"),
            ("others' sources", "find $H/results -type f"),
        ] {
            let got = nobody(&format!("{{ {script}; }} 2>/dev/null"));
            ring.holds(got.is_empty(), || format!("another local user gets at {what}: {:?}", got.lines().take(2).collect::<Vec<_>>()));
        }
        for (name, most) in [("users.csv", 0o600), ("results", 0o700), ("results/log.jsonl", 0o600), ("results/submissions", 0o700)] {
            let mode = fs::metadata(home.join(name)).expect("it is there").permissions().mode() & 0o777;
            ring.holds(mode & !most == 0, || format!("the mode of {name} is {mode:o}"));
        }
        fs::remove_dir_all(&home).expect("removed");
    });
}

/// The folder that the tests' homes lie in is closed, which a home's own modes may not count on.
fn open_to_all(contest: &Contest) {
    let folder = contest.root().parent().expect("a folder above").to_owned();
    fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).expect("chmod");
}

// ---------------------------------------------------------------------------------------------- LEAK-05

fn errors(entrance: &mut Entrance<'_>) {
    let engine = entrance.engine;
    let ring = entrance.shared();
    let attacks = [
        ("open('/LEAKED-PATH/' + text.split()[0])", "run-error"),
        ("raise RuntimeError('LEAKED-TRACE ' + text)", "run-error"),
        ("block = [b'x' * (1 << 20) for _ in range(1 << 20)]", "memory-limit"),
        ("sys.exit('LEAKED-EXIT ' + text)", "run-error"),
        ("print('LEAKED-OUT ' + text * 100000); sys.exit(0)", "output-limit"),
        ("print(66666); sys.exit(0)", "evaluator-error"),
        ("import pip_is_not_there_LEAKED", "run-error"),
    ];
    ring.secrets.extend(["LEAKED", "EVALUATOR-TRACE"].map(str::to_owned));
    for (what, verdict) in attacks {
        let fought = ring.fight("mallory", "py", only_when_hidden(what));
        // gVisor ends what has no memory left in its own way: still a failure of the student's.
        let hidden = fought.hidden.verdict().to_owned();
        let expected =
            hidden == verdict || (engine == Engine::Runsc && verdict == "memory-limit" && hidden == "run-error");
        ring.holds(expected, || format!("{what}: staff read {hidden}, not {verdict}"));
        ring.same(&format!("{what}: what the student reads"), &fought.status["verdict"], "accepted");
        let status = fought.status.to_string();
        ring.contest.wait_for_site();
        let page = own_pages(&ring.contest.site(), &fought.id);
        for told in [
            "LEAKED",
            "Traceback",
            "RuntimeError",
            "No such file",
            "pip_is",
            "EVALUATOR-TRACE",
            HIDDEN_CASE,
            HIDDEN_TAG,
            verdict,
            "/submission/",
            "/input.txt",
        ] {
            ring.holds(!status.contains(told), || format!("{what}: status.json says {told:?}"));
            // The page may say how to read the input, whatever was sent in.
            ring.holds(!page.contains(told) || told == "/input.txt", || format!("{what}: the page says {told:?}"));
        }
    }
}
