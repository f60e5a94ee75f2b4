//! EVAL: the evaluator, and what is recorded of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::TcpListener;
use std::path::Path;

use serde_json::Value;

use super::Case;
use crate::probe;
use crate::ring::{Bout, CANARY, Entrance, OPEN_CASE, Ring};
use crate::support::{
    Engine, HIDDEN_CASE, HIDDEN_TAG, HIDDEN_WEIGHT, OPEN_TAGS, answer, sha256, sha256_of_file, slow_answer,
};

pub(super) const CASES: &[Case] = &[
    Case::alone("EVAL-01", "hostile output.json, 23 ways", hostile_output),
    Case::shared("EVAL-02", "a forged result, through every channel", forged_result),
    Case::shared("EVAL-04", "forged time", forged_time).quiet(),
    Case::alone("EVAL-05", "an evaluator that fails", faults),
    Case::alone("EVAL-06", "an evaluator that attacks", hostile_evaluator),
    Case::alone("EVAL-07", "the same result again, and what it was made of", provenance),
];

// ---------------------------------------------------------------------------------------------- EVAL-01

/// What is no plain file within the limits: the judge itself says that it is no answer.
const UNFIT: [&str; 12] = [
    "symlink-passwd",
    "symlink-environ",
    "symlink-zero",
    "symlink-stdin",
    "symlink-input",
    "symlink-dir",
    "fifo",
    "dir",
    "unreadable",
    "sparse-1T",
    "2GB",
    "missing",
];
/// What the evaluator is given, and says of that it is no answer.
const INVALID: [&str; 11] =
    ["deep", "nan", "inf", "bigint", "dup", "surrogate", "bad-utf8", "bom", "trailing", "pickle", "empty"];

fn hostile_output(entrance: &mut Entrance<'_>) {
    // Room for two gigabytes, also where a part of the scratch belongs to other folders, and for five million brackets.
    let roomy = |competition: crate::support::Competition| {
        let times = competition.set("limits.cpu", "20s").set("limits.wall", "60s");
        times.set("limits.memory", "6 GiB").set("limits.scratch", "4 GiB").set("limits.output", "8 MiB")
    };
    entrance.alone(roomy, |ring| {
        let submit = |ring: &Ring, variant: &&'static str| {
            (*variant, ring.submit("mallory", "file", probe::with("EVAL-01", &[variant])))
        };
        let ids: Vec<_> = UNFIT.iter().chain(&INVALID).map(|variant| submit(ring, variant)).collect();
        for (variant, id) in ids {
            let fought = ring.fought(&id);
            for (which, bout) in fought.bouts() {
                let (verdict, says) = if UNFIT.contains(&variant) {
                    ("bad-output", "output.json")
                } else {
                    ("wrong-answer", "no valid answer")
                };
                ring.same(&format!("{variant}, {which} case"), bout.verdict(), verdict);
                let said = bout.message().to_owned();
                ring.holds(said.contains(says), || format!("{variant}, {which} case: {said}"));
                ring.same(&format!("{variant}, {which} case: the score"), &bout.record["score"], "inf");
                let taken = bout.answer.is_some() && UNFIT.contains(&variant);
                ring.holds(!taken, || format!("{variant}, {which} case: it was taken"));
            }
        }
        ring.holds(!Path::new("/tmp/PWNED").exists(), || "a pickle was loaded on the host".into());
    });
}

// ---------------------------------------------------------------------------------------------- EVAL-02

fn forged_result(entrance: &mut Entrance<'_>) {
    let ring = entrance.shared();
    let text = probe::text("EVAL-02");
    let honest = format!("{text}\nopen('output.json', 'w').write('{{\"answer\": 7}}')\n");
    for (extension, program, score, hidden) in [
        ("py", text, Value::from("inf"), Value::from("inf")),
        ("file", text, Value::from("inf"), Value::from("inf")),
        ("file", &honest, Value::from(7), Value::from(7 * HIDDEN_WEIGHT)),
    ] {
        let fought = ring.fight("mallory", extension, program);
        ring.same("the public case's score", fought.open.record["score"].clone(), score.clone());
        ring.same("the private case's score", fought.hidden.record["score"].clone(), hidden);
        ring.same("the score that is shown", fought.status["public_score"].clone(), score);
        for (which, bout) in fought.bouts() {
            ring.holds(!bout.stdout.contains("BROKEN"), || format!("{which} case: {}", bout.stdout));
        }
    }
}

// ---------------------------------------------------------------------------------------------- EVAL-04

/// What a process has used by the kernel's own account, which no Python can forge, told at its end.
const ACCOUNT: &str = "\nimport resource, sys; _u = resource.getrusage(resource.RUSAGE_SELF); print('ACCOUNT', _u.ru_utime + _u.ru_stime, file=sys.stderr)\n";

fn forged_time(entrance: &mut Entrance<'_>) {
    const CHANGE: f64 = 0.05;
    let account = |stderr: &str| {
        let line = stderr.lines().find_map(|line| line.strip_prefix("ACCOUNT "));
        line.and_then(|number| number.parse::<f64>().ok()).unwrap_or(f64::NAN)
    };
    let ring = entrance.shared();
    ring.with(&[("limits.cpu", "30s"), ("limits.wall", "60s")], |ring| {
        // What the engine adds to every run, found by one that does nothing.
        let nothing = ring.fight("mira", "file", format!("open('output.json', 'w').write('1'){ACCOUNT}"));
        let own = nothing.bouts().map(|(_, bout)| bout.number("cpu_seconds") - account(&bout.stderr));
        let own = own[0].min(own[1]);
        let id = ring.submit("mallory", "file", format!("{}{ACCOUNT}", probe::text("EVAL-04")));
        let from_outside = used_by_groups(ring, &id);
        let fought = ring.fought(&id);
        // gVisor's account is its own, of time that passed; there the host's is asked, by somebody else than the daemon.
        let gvisor = ring.engine == Engine::Runsc;
        let true_time = |which: &str, bout: &Bout| match gvisor {
            true => from_outside[usize::from(which == "private")],
            false => account(&bout.stderr) + own,
        };
        for (which, bout) in fought.bouts() {
            ring.same(&format!("{which} case"), bout.verdict(), "accepted");
            let (recorded, wall, true_time) =
                (bout.number("cpu_seconds"), bout.number("wall_seconds"), true_time(which, bout));
            let near = (recorded - true_time).abs() <= CHANGE * true_time;
            ring.holds(near, || {
                format!("{which} case: {recorded} s of CPU time are recorded, and it used {true_time} s")
            });
            ring.holds(wall >= true_time * (1.0 - CHANGE), || {
                format!("{which} case: {wall} s are recorded, and it used {true_time} s")
            });
        }
    });
}

/// Seconds of CPU time of the two runs of a submission, as their control groups had it last, once it is judged.
fn used_by_groups(ring: &Ring, id: &str) -> [f64; 2] {
    let home = ring.contest.home_id();
    let mut used = [0.0; 2];
    let mut places = Vec::new();
    ring.contest.wait_for("it is judged", || {
        if places.is_empty() {
            let folders = walkdir::WalkDir::new("/sys/fs/cgroup").max_depth(6).into_iter().flatten();
            let of_the_home = folders.filter(|entry| entry.file_name().to_str() == Some(&*home));
            places = of_the_home.map(walkdir::DirEntry::into_path).collect::<Vec<_>>();
        }
        for group in places.iter().filter_map(|place| fs::read_dir(place).ok()).flatten().flatten() {
            let name = group.file_name().to_string_lossy().into_owned();
            let Some(index) = ["-0-run", "-1-run"].iter().position(|end| name.ends_with(end)) else { continue };
            let read = |file: &str| fs::read_to_string(group.path().join(file)).unwrap_or_default();
            let nanos = read("cpuacct.usage").trim().parse::<f64>().ok().map(|nanos| nanos / 1e9);
            let stat = read("cpu.stat");
            let micros = stat.lines().find_map(|line| line.strip_prefix("usage_usec ")?.parse::<f64>().ok());
            let seconds = nanos.or(micros.map(|micros| micros / 1e6)).unwrap_or(0.0);
            used[index] = f64::max(used[index], seconds);
        }
        ring.contest.status(id).is_some_and(|status| status["state"] == "judged")
    });
    used
}

// ---------------------------------------------------------------------------------------------- EVAL-05

/// What no student may read.
const DETAIL: &str = "DETAIL-5e7c";

const FAULTY: &str = r#"import json, os, signal, sys, time
tag, weight = open(sys.argv[1]).readline().split()
word = open(sys.argv[2]).read().strip()
print("DETAIL-" + "5e7c", sys.argv[1], file=sys.stderr, flush=True)
good = json.dumps({"score": 3 * int(weight), "message": "case " + tag})
if word == "exit": sys.exit(1)
elif word == "killed": os.kill(os.getpid(), signal.SIGKILL)
elif word == "timeout":
    while True: pass
elif word == "nothing": pass
elif word == "noise": print("thinking..."); print(good)
elif word == "flood":
    block = b"7" * (1 << 20)
    for _ in range(2048): os.write(1, block)
elif word == "nan": print('{"score": NaN}')
elif word == "range": print('{"score": 1e999}')
elif word == "missing": print('{"message": "no score"}')
elif word == "utf-8": sys.stdout.buffer.write(b'{"score": 3, "message": "\xff"}')
elif word == "one-of-five" and tag == "THREE-OPEN-TAG": raise RuntimeError(tag)
else: print(good)
"#;

fn faults(entrance: &mut Entrance<'_>) {
    const OPEN: [&str; 4] = [OPEN_CASE, "two", "three", "four"];
    let faults = ["exit", "killed", "timeout", "nothing", "noise", "flood", "nan", "range", "missing", "utf-8"];
    let set = |competition: crate::support::Competition| {
        competition.set("testcases.public", OPEN.to_vec()).set("evaluator.limits", limits("1s", "20s", "1 MiB"))
    };
    let mut ring = Ring::prepare(entrance.engine, set);
    for (case, tag) in [("three", "THREE-OPEN-TAG"), ("four", "FOUR-OPEN-TAG")] {
        fs::create_dir(ring.contest.path(&format!("testcases/{case}"))).expect("a case");
        fs::write(ring.contest.path(&format!("testcases/{case}/input.txt")), format!("{tag} 1\n")).expect("its input");
    }
    // Of the cases that show: 1 and 10, and one each.
    ring.open_weight = 13;
    ring.contest.start();
    ring.warm_up();
    entrance.fight_in(ring, |ring| {
        let evaluator = ring.contest.path("evaluator/evaluator.py");
        let good = fs::read_to_string(&evaluator).expect("the evaluator");
        fs::write(&evaluator, FAULTY).expect("another evaluator");
        for fault in faults {
            let user = format!("u-{fault}").replace("utf-8", "utf");
            let fought = ring.fight(&user, "sh", format!("echo {fault}\n"));
            ring.same(&format!("{fault}: the verdict"), &fought.status["verdict"], "evaluator-error");
            ring.same(&format!("{fault}: the public score"), fought.status["public_score"].clone(), Value::Null);
            for (which, bout) in fought.bouts() {
                ring.same(&format!("{fault}: {which} case"), bout.verdict(), "evaluator-error");
                ring.same(&format!("{fault}: {which} case's score"), bout.record["score"].clone(), Value::Null);
            }
            // Staff read which case, how, and what it printed.
            let told = ring.contest.podium(&["status"]).stdout;
            let all = told.contains(HIDDEN_CASE) && told.contains(DETAIL) && told.contains("the evaluator");
            ring.holds(all, || format!("{fault}: `podium status` does not say it: {told}"));
            ring.contest.wait_for_site();
            let row = ring.contest.board()["rows"]
                .as_array()
                .into_iter()
                .flatten()
                .find(|row| row["user"] == user.as_str())
                .cloned();
            ring.holds(row.is_none(), || format!("{fault}: on the board: {row:?}"));
            // It can be judged again: the very bytes are kept.
            let number = fought.judged["submission"].as_u64().unwrap_or(0);
            let kept = ring.contest.path(&format!("results/submissions/{number:06}/source.sh"));
            ring.same(
                &format!("{fault}: the source that is kept"),
                sha256_of_file(&kept),
                ring.contest.event("accepted", &fought.id)["sha256"].as_str().unwrap_or_default().to_owned(),
            );
            let text = fs::read_to_string(&kept).unwrap_or_default();
            ring.holds(text.starts_with(&format!("echo {fault}\n")), || format!("{fault}: another source is kept"));
        }
        let fought = ring.fight("u-five", "sh", "echo one-of-five\n");
        let verdicts: Vec<_> = cases(&fought.judged)
            .map(|case| (case["case"].clone(), case["verdict"].clone(), case["score"].is_number()))
            .collect();
        let wanted = [OPEN[0], OPEN[1], OPEN[2], OPEN[3], HIDDEN_CASE].map(|case| {
            let failed = case == "three";
            (Value::from(case), Value::from(if failed { "evaluator-error" } else { "accepted" }), !failed)
        });
        ring.same("one case of five", verdicts, wanted.to_vec());
        let shown: Vec<_> = cases(&fought.status).map(|case| case["score"].is_number()).collect();
        ring.same("the cases that its sender sees scored", shown, vec![true, true, false, true]);
        ring.contest.wait_for_site();
        let pages = ring.contest.site();
        let told = [DETAIL, "RuntimeError", "/evaluator/", "/case/"].map(|text| (text, pages.holding(text).len()));
        ring.holds(told.iter().all(|(_, pages)| *pages == 0), || format!("private details show: {told:?}"));

        // Mended, the same bytes are judged as they should be.
        fs::write(&evaluator, good).expect("the evaluator is mended");
        let again = ring.contest.path("again.sh");
        fs::write(&again, "echo 3\n").expect("the same");
        let tried = ring.contest.podium(&["try", &again.display().to_string()]);
        ring.holds(tried.code == Some(0), || format!("it cannot be judged again: {tried}"));
        fs::remove_file(again).expect("removed");
    });
}

fn limits(cpu: &str, wall: &str, output: &str) -> toml::Table {
    [("cpu", cpu), ("wall", wall), ("output", output)]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.into()))
        .collect()
}

fn cases(record: &Value) -> impl Iterator<Item = &Value> {
    record["cases"].as_array().into_iter().flatten()
}

// ---------------------------------------------------------------------------------------------- EVAL-06

const HOSTILE: &str = r#"import json, os, socket, sys, time
bad, home, port = [], "@HOME@", @PORT@
for path in ["/case/new", "/case/input.txt", "/evaluator/new", "/evaluator/evaluator.py", "/output", "/etc/passwd", "/new", "/usr/new",
             home + "/testcases/@HIDDEN@/input.txt", home + "/evaluator/evaluator.py", home + "/results/log.jsonl", home + "/public/x"]:
    try: open(path, "a").close(); bad.append("wrote " + path)
    except OSError: pass
    try: os.unlink(path); bad.append("removed " + path)
    except OSError: pass
    try: os.chmod(path, 0o777); bad.append("chmod " + path)
    except OSError: pass
if os.path.exists(home): bad.append("sees the home")
given = sys.argv[1] if os.path.isfile(sys.argv[1]) else sys.argv[1] + "/input.txt"
others = [tag for tag in (b"@OPEN@", b"@SECRET@") if tag not in open(given, "rb").read()]
if len(others) != 1: bad.append("the input is of %d cases" % (2 - len(others)))
# The private case has the one that is planted in its solution.
if b"@SECRET@" in others: others.append(b"@CANARY@")
canaries = {b"OTHER-" + b"SUBMISSION-5c1d": "another submission", **{tag: "another case" for tag in others}}
for folder, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if os.path.join(folder, name) not in ("/proc", "/sys", "/usr", "/dev", "/evaluator")]
    for name in files:
        path = os.path.join(folder, name)
        try:
            text = open(path, "rb").read(1 << 20) if os.path.isfile(path) else b""
            bad += [what + " in " + path for canary, what in canaries.items() if canary in text]
        except OSError: pass
for address in [("127.0.0.1", port), ("192.0.2.1", 80)]:
    s = socket.socket(); s.settimeout(1)
    try: s.connect(address); bad.append("reached %s:%d" % address)
    except OSError: pass
    s.close()
for number in range(3, 64):
    try: os.fstat(number); bad.append("descriptor %d" % number)
    except OSError: pass
if os.fork() == 0:
    os.setsid()
    if os.fork(): os._exit(0)
    for number in (0, 1, 2): os.close(number)
    time.sleep(600); os._exit(0)
print(json.dumps({"score": 3, "staff_message": "; ".join(bad) or "denied"}))
"#;

fn hostile_evaluator(entrance: &mut Entrance<'_>) {
    entrance.alone(
        |competition| competition,
        |ring| {
            let other = ring.submit("zoe", "sh", "# OTHER-SUBMISSION-5c1d\necho 4\n");
            ring.fought(&other);
            let host = TcpListener::bind("127.0.0.1:0").expect("a listener on the host's loopback");
            let port = host.local_addr().expect("its address").port().to_string();
            let evaluator = ring.contest.path("evaluator/evaluator.py");
            let good = fs::read_to_string(&evaluator).expect("the evaluator");
            let home = ring.contest.root().display().to_string();
            let hostile = HOSTILE
                .replace("@HOME@", &home)
                .replace("@PORT@", &port)
                .replace("@HIDDEN@", HIDDEN_CASE)
                .replace("@OPEN@", OPEN_TAGS[0])
                .replace("@SECRET@", HIDDEN_TAG)
                .replace("@CANARY@", CANARY);
            fs::write(&evaluator, &hostile).expect("another evaluator");
            let fought = ring.fight("mira", "py", answer("3"));
            for (which, bout) in fought.bouts() {
                ring.same(&format!("{which} case"), bout.verdict(), "accepted");
                ring.same(&format!("{which} case: what it could do"), &bout.record["staff_message"], "denied");
            }
            ring.same("the evaluator", fs::read_to_string(&evaluator).expect("it is there"), hostile);
            host.set_nonblocking(true).expect("it need not wait");
            ring.holds(host.accept().is_err(), || "somebody reached the host's listener".into());
            fs::write(&evaluator, good).expect("the evaluator is back");
        },
    );
}

// ---------------------------------------------------------------------------------------------- EVAL-07

fn provenance(entrance: &mut Entrance<'_>) {
    entrance.alone(
        |competition| competition,
        |ring| {
            let program = slow_answer("3", 0.2);
            let ids: Vec<_> = (0..20).map(|_| ring.submit("mira", "py", &program)).collect();
            let mut results = BTreeSet::new();
            for id in &ids {
                let fought = ring.fought(id);
                let result = cases(&fought.judged).map(|case| {
                    format!("{} {} {} {}", case["case"], case["verdict"], case["score"], case["output_sha256"])
                });
                results.insert(result.collect::<Vec<_>>());
            }
            ring.same("different results of one submission in 20 runs", results.len(), 1);

            // What twenty results more take in the daemon's memory is no leak: it is compared with itself from here on.
            ring.end();
            ring.begin();
            // Everything is changed under runs in flight, again and again.
            let (evaluator, input) = (
                ring.contest.path("evaluator/evaluator.py"),
                ring.contest.path(&format!("testcases/{HIDDEN_CASE}/input.txt")),
            );
            let before = [&evaluator, &input].map(|path| fs::read_to_string(path).expect("a file of the instructor's"));
            let (config, weight) = (ring.contest.config(), HIDDEN_WEIGHT.to_string());
            let mut configs = BTreeSet::from([sha256(config.as_bytes())]);
            let mut changed = Vec::new();
            for round in 2_u64..12 {
                changed.extend((0..2).map(|_| ring.submit("mira", "py", &program)));
                let running =
                    |ring: &Ring| ring.contest.queue()["running"].as_array().is_some_and(|list| !list.is_empty());
                ring.contest.wait_for("one runs", || running(ring));
                // Replaced whole, as an editor does.
                let replace = |path: &Path, text: String| {
                    let new = path.with_extension("new");
                    fs::write(&new, text).expect("written");
                    fs::rename(&new, path).expect("renamed");
                };
                replace(&evaluator, before[0].replace("VERSION = 1", &format!("VERSION = {round}")));
                replace(&input, before[1].replace(&weight, &(HIDDEN_WEIGHT + round).to_string()));
                let text = config.replace("wall = \"4s\"", &format!("wall = \"{}s\"", 4 + round));
                assert_ne!(text, config, "the limit is in the settings");
                configs.insert(sha256(text.as_bytes()));
                ring.contest.write_config(&text);
            }
            let (mut versions, mut weights) = (BTreeMap::new(), BTreeMap::new());
            for id in &changed {
                let fought = ring.fought(id);
                let made_of = fought.judged["provenance"].clone();
                for name in ["source_sha256", "evaluator_sha256", "cases_sha256", "config_sha256", "engine", "image"] {
                    ring.holds(made_of[name].as_str().is_some_and(|text| !text.is_empty()), || {
                        format!("a record names no {name}: {made_of}")
                    });
                }
                let source = ring.contest.event("accepted", id)["sha256"].clone();
                ring.same("the source's digest", made_of["source_sha256"].clone(), source);
                let known = configs.contains(made_of["config_sha256"].as_str().unwrap_or_default());
                ring.holds(known, || format!("a record names settings that never were: {made_of}"));
                for case in cases(&fought.judged) {
                    ring.holds(case["output_sha256"].is_string(), || {
                        format!("a case without the digest of its output: {case}")
                    });
                    let version = case["metrics"]["version"].to_string();
                    let named = made_of["evaluator_sha256"].to_string();
                    let first = versions.entry(named).or_insert_with(|| version.clone()).clone();
                    ring.same("versions of the evaluator under one digest", version, first);
                }
                let weight = fought.hidden.record["metrics"]["weight"].to_string();
                let first =
                    weights.entry(made_of["cases_sha256"].to_string()).or_insert_with(|| weight.clone()).clone();
                ring.same("private cases under one digest", weight, first);
                let per_weight = fought.hidden.record["metrics"]["weight"].as_f64().map(|weight| 3.0 * weight);
                ring.same("the private score", fought.hidden.record["score"].as_f64(), per_weight);
            }
            ring.holds(versions.len() > 1 && weights.len() > 1, || "nothing was changed in flight".into());
            fs::write(&evaluator, &before[0]).expect("back");
            fs::write(&input, &before[1]).expect("back");
            ring.contest.write_config(&config);
            assert!(before[1].starts_with(crate::support::HIDDEN_TAG) && !OPEN_TAGS.is_empty());
        },
    );
}
