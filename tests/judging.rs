//! From a dropped file to a row on the board: the check of its language, what its program gets, every verdict, what shows while the board is open and when it is closed, and what never shows.

mod support;

use std::fs;

use serde_json::{Value, json};

use support::{
    CASES, Competition, Contest, Engine, HIDDEN_CASE, HIDDEN_TAG, HIDDEN_WEIGHT, OPEN_TAGS, OPEN_WEIGHT, STAFF_TAG,
    answer,
};

/// A submission and what has to become of it.
struct Fate {
    extension: &'static str,
    program: String,
    /// The verdict of the public cases, or `rejected`.
    verdict: &'static str,
    public_score: Value,
    /// A part of what its sender is told about the last public case, or of the reason for its refusal.
    says: &'static str,
}

impl Fate {
    fn accepted(number: u64) -> Self {
        let program = answer(&number.to_string());
        Fate {
            extension: "py",
            program,
            verdict: "accepted",
            public_score: json!(number * OPEN_WEIGHT),
            says: OPEN_TAGS[1],
        }
    }

    /// The student's own fault.
    fn failed(verdict: &'static str, program: impl Into<String>, says: &'static str) -> Self {
        Fate { extension: "py", program: program.into(), verdict, public_score: json!("inf"), says }
    }

    /// It answers well in the first case only.
    fn failed_in_the_second(verdict: &'static str, failure: &str, says: &'static str) -> Self {
        Fate::failed(
            verdict,
            format!("import os, sys, time\nif '{}' in sys.stdin.read():\n    {failure}\nprint(33)\n", OPEN_TAGS[1]),
            says,
        )
    }

    fn no_answer_file(program: &str, says: &'static str) -> Self {
        Fate { extension: "file", ..Fate::failed("bad-output", program, says) }
    }

    fn evaluator_error(word: &str) -> Self {
        Fate { public_score: Value::Null, ..Fate::failed("evaluator-error", answer(word), "the evaluator failed") }
    }
}

/// One student's twenty: the second is the best over all cases, the eighteenth over the public ones.
fn twenty() -> Vec<Fate> {
    let only_in_public = format!("import sys\nif '{HIDDEN_TAG}' in sys.stdin.read():\n    sys.exit(9)\nprint(30)\n");
    let file = Fate { extension: "file", ..Fate::accepted(45) };
    vec![
        Fate::accepted(50),
        Fate::accepted(40),
        Fate::failed("wrong-answer", answer("forty"), "'forty' is no number"),
        Fate::failed_in_the_second("time-limit", "while True: pass", "CPU limit of 1s"),
        Fate::failed_in_the_second("time-limit", "time.sleep(60)", "wall limit of 20s"),
        Fate::failed("memory-limit", "block = b'x' * (200 << 20)\nprint(1)\n", "memory limit of 64 MiB"),
        Fate::failed("output-limit", "print('7' * 100_000)\n", "output limit of 64 KiB"),
        Fate::failed("run-error", "import sys\nprint(1)\nsys.exit(3)\n", "exit status 3"),
        Fate::failed_in_the_second("run-error", "os.kill(os.getpid(), 11)", "signal 11"),
        Fate::no_answer_file("print(1)\n", "no output.json"),
        Fate::no_answer_file("import os\nos.symlink('/input.txt', 'output.json')\n", "is a symbolic link"),
        Fate::no_answer_file("import os\nos.mkfifo('output.json')\n", "is not a plain file"),
        Fate { program: "open('output.json', 'w').write('45')\n".into(), ..file },
        Fate::evaluator_error("crash"),
        Fate::evaluator_error("nan"),
        Fate::evaluator_error("noise"),
        Fate { verdict: "rejected", public_score: Value::Null, ..Fate::failed("", "def f(:\n", "SyntaxError") },
        Fate { program: only_in_public, ..Fate::accepted(30) },
        Fate::accepted(40),
        Fate::accepted(60),
    ]
}

const USERS: [(&str, &str); 9] = [
    ("mira", "student"),
    ("zoe", "student"),
    ("bo", "student"),
    ("di", "student"),
    ("ed", "student"),
    ("fay", "student"),
    ("gus", "superuser"),
    ("hal", "evaluator"),
    ("ivy", "student"),
];

/// What others hand in, in this order, after the twenty.
fn others() -> Vec<(&'static str, Fate)> {
    vec![
        ("zoe", Fate::accepted(40)),
        ("bo", Fate::accepted(50)),
        ("bo", Fate::accepted(40)),
        ("bo", Fate::accepted(40)),
        ("di", Fate::accepted(45)),
        ("ed", Fate::failed("wrong-answer", answer("0.5"), "'0.5' is no number")),
        ("fay", Fate::evaluator_error("list")),
        ("fay", Fate::evaluator_error("twice")),
        ("fay", Fate::evaluator_error("silence")),
        ("fay", Fate::evaluator_error("exit")),
        ("gus", Fate::accepted(1)),
        ("hal", Fate::accepted(2)),
    ]
}

#[test]
fn twenty_submissions_of_mixed_fates_under_bubblewrap() {
    twenty_submissions_of_mixed_fates(Engine::Bubblewrap);
}

#[test]
fn twenty_submissions_of_mixed_fates_under_docker() {
    twenty_submissions_of_mixed_fates(Engine::Docker);
}

fn twenty_submissions_of_mixed_fates(engine: Engine) {
    let mut contest = Competition::new("Mixed fates").engine(engine).users(&USERS).start();
    let all: Vec<_> = twenty().into_iter().map(|fate| ("mira", fate)).chain(others()).collect();
    let ids: Vec<String> =
        all.iter().map(|(user, fate)| contest.hand_in(user, fate.extension, &fate.program)).collect();
    let not_taken = [
        (contest.hand_in("mallory", "py", answer("1")), "unknown-user", "mallory is not a user"),
        (contest.hand_in("mira", "exe", answer("1")), "language", ".exe is not accepted"),
        (contest.hand_in("mira", "py", ""), "empty", "empty"),
    ];
    contest.wait_for_judged(all.len() - 1);

    // Every verdict, as its sender and as the log have it.
    for ((user, fate), id) in all.iter().zip(&ids) {
        check_fate(&contest, user, fate, id);
    }
    for (id, refusal, reason) in &not_taken {
        assert_eq!(contest.event("rejected", id)["refusal"], *refusal);
        let status = contest.outcome(id);
        assert_eq!(status["state"], "rejected");
        assert!(status["reason"].as_str().is_some_and(|said| said.contains(reason)), "{status}");
    }
    assert!(contest.inbox().is_empty(), "{:?}", contest.inbox());

    // The board: best of each, ties shared with the earlier first, whoever never got a score is not on it.
    let number = |index: &usize| contest.event("accepted", &ids[*index])["submission"].as_u64().expect("a number");
    let open = expected(
        &number,
        &[
            ("mira", Some(30 * OPEN_WEIGHT), &[17], 19),
            ("zoe", Some(40 * OPEN_WEIGHT), &[20], 1),
            ("bo", Some(40 * OPEN_WEIGHT), &[22, 23], 3),
            ("di", Some(45 * OPEN_WEIGHT), &[24], 1),
            ("ed", None, &[25], 1),
        ],
    );
    let weight = OPEN_WEIGHT + HIDDEN_WEIGHT;
    let closed = expected(
        &number,
        &[
            ("mira", Some(40 * weight), &[1, 18], 19),
            ("zoe", Some(40 * weight), &[20], 1),
            ("bo", Some(40 * weight), &[22, 23], 3),
            ("di", Some(45 * weight), &[24], 1),
            ("ed", None, &[25], 1),
        ],
    );
    assert_eq!(rows(&contest), open);
    assert_eq!((&contest.board()["state"], &contest.board()["scores"]), (&json!("open"), &json!("public")));
    assert_eq!(contest.board()["reference"], json!([]));
    assert_nothing_private_shows(&contest);
    contest.assert_ids_are_secret();

    // Closed by an edit: the totals show, and nothing more is taken.
    contest.set("competition.state", "closed");
    contest.wait_for("the board is closed", || contest.board()["state"] == "closed");
    contest.wait_for_site();
    assert_eq!(contest.board()["scores"], "total");
    assert_eq!(rows(&contest), closed);
    // The pages of everybody come after those that everybody reads.
    let total = (40 * weight).to_string();
    for page in ["index.html", "leaderboard.json", "u/zoe/index.html", &format!("s/{}/index.html", ids[1])] {
        contest.wait_for(&format!("the total shows on {page}"), || contest.site().holding(&total).contains(&page));
    }
    let late = contest.hand_in("ivy", "py", answer("1"));
    let status = contest.outcome(&late);
    assert_eq!(contest.event("rejected", &late)["refusal"], "board-closed");
    assert!(status["reason"].as_str().is_some_and(|reason| reason.contains("closed")), "{status}");

    // Opened again: as if it had never been closed.
    contest.set("competition.state", "open");
    contest.wait_for("the board is open", || contest.board()["state"] == "open");
    contest.wait_for_site();
    assert_eq!(rows(&contest), open);
    contest.wait_for("the pages of staff say no more than before", || contest.site().holding(HIDDEN_CASE).is_empty());
    assert_nothing_private_shows(&contest);
    let turns: Vec<_> = contest.events("board").iter().map(|line| line["state"].clone()).collect();
    assert_eq!(turns, ["open", "closed", "open"]);

    // Whoever staff are shows as a reference where that is wanted, without a rank.
    contest.set("score.show_reference", true);
    contest.wait_for("the reference rows show", || {
        contest.board()["reference"].as_array().is_some_and(|rows| rows.len() == 2)
    });
    assert_eq!(contest.board()["reference"][0]["user"], "gus");
    assert_eq!(contest.board()["reference"][0]["rank"], Value::Null);
    assert_eq!(rows(&contest), open);

    // The site is a function of the log.
    contest.wait_for_site();
    assert!(contest.stop().success());
    contest.assert_log_is_whole();
    contest.assert_ids_are_secret();
    let before = contest.site();
    assert!(before.0.contains_key("queue.html") && before.0.contains_key(&format!("s/{}/index.html", ids[0])));
    fs::remove_dir_all(contest.path("public")).expect("public/ is deleted");
    contest.podium(&["build"]).exits(0);
    before.without_clock().assert_same(&contest.site().without_clock());
    assert_eq!(contest.traces(), [""; 0]);
}

/// The rows of a board: of each user the score, which submissions reached it, and how many were judged. `number` knows the order in
/// which they were accepted, which is that of their arrival but where a check took long.
fn expected(number: &dyn Fn(&usize) -> u64, users: &[(&str, Option<u64>, &[usize], u64)]) -> Value {
    let mut rows: Vec<_> = users
        .iter()
        .map(|(user, score, reached, attempts)| {
            let earliest = reached.iter().map(number).min().expect("it was reached");
            (score.unwrap_or(u64::MAX), earliest, *user, *attempts)
        })
        .collect();
    rows.sort_unstable();
    let rank = |score: u64| rows.iter().filter(|row| row.0 < score).count() + 1;
    let shown = |score: u64| if score == u64::MAX { json!("inf") } else { json!(score) };
    rows.iter()
        .map(|(score, submission, user, attempts)| {
            json!({ "rank": rank(*score), "user": user, "score": shown(*score), "submission": submission, "attempts": attempts })
        })
        .collect()
}

fn check_fate(contest: &Contest, user: &str, fate: &Fate, id: &str) {
    let status = contest.outcome(id);
    let tell = format!("{user}'s {}\n{status:#}", fate.program);
    assert_eq!(status["user"], user, "{tell}");
    if fate.verdict == "rejected" {
        assert_eq!(status["state"], "rejected", "{tell}");
        assert!(status["reason"].as_str().is_some_and(|reason| reason.contains(fate.says)), "{tell}");
        assert_eq!(contest.event("rejected", id)["refusal"], "check");
        assert!(contest.events("accepted").iter().all(|line| line["id"] != id), "{tell}");
        return;
    }
    assert_eq!(status["verdict"], fate.verdict, "{tell}");
    assert_eq!(status["public_score"], fate.public_score, "{tell}");
    let shown: Vec<_> = status["cases"].as_array().expect("cases").iter().map(|case| case["case"].clone()).collect();
    assert_eq!(shown, CASES, "{tell}");
    assert_eq!(status["cases"][1]["verdict"], fate.verdict, "{tell}");
    assert!(status["cases"][1]["message"].as_str().is_some_and(|message| message.contains(fate.says)), "{tell}");

    let accepted = contest.event("accepted", id);
    assert_eq!(accepted["sha256"], support::sha256(fate.program.as_bytes()).as_str(), "{tell}");
    assert_eq!(status["receipt"]["sha256"], accepted["sha256"], "{tell}");
    assert_eq!(status["receipt"]["seq"], accepted["seq"], "{tell}");
    let judged = contest.event("judged", id);
    let cases = judged["cases"].as_array().expect("cases");
    assert_eq!(
        cases.iter().map(|case| case["case"].clone()).collect::<Vec<_>>(),
        [CASES[0], CASES[1], HIDDEN_CASE],
        "{tell}"
    );
    assert_eq!(judged["provenance"]["source_sha256"], accepted["sha256"], "{tell}");
    for (case, shown) in cases.iter().zip(status["cases"].as_array().expect("cases")) {
        assert_eq!((&case["verdict"], &case["score"]), (&shown["verdict"], &shown["score"]), "{tell}");
    }
    let score = &cases[1]["score"];
    match fate.verdict {
        "accepted" => assert_eq!(
            score.as_u64().map(|score| score * OPEN_WEIGHT),
            fate.public_score.as_u64().map(|score| score * 10),
            "{tell}"
        ),
        "evaluator-error" => {
            assert_eq!(*score, Value::Null, "{tell}");
            assert!(cases[1]["staff_message"].as_str().is_some_and(|said| said.contains(STAFF_TAG)), "{judged}");
        }
        _ => assert_eq!(*score, "inf", "{tell}"),
    }
}

/// The rows of the board, without the moments.
fn rows(contest: &Contest) -> Value {
    let mut rows = contest.board()["rows"].clone();
    for row in rows.as_array_mut().expect("rows") {
        assert!(row["at"].is_string(), "{row}");
        row.as_object_mut().expect("a row").remove("at");
    }
    rows
}

/// While the board is open, nobody learns anything of a private case from the site.
fn assert_nothing_private_shows(contest: &Contest) {
    let site = contest.site();
    // What may be seen is seen: else the rest of this proves nothing.
    assert!(!site.holding(OPEN_TAGS[1]).is_empty() && !site.holding(&(30 * OPEN_WEIGHT).to_string()).is_empty());
    let mut secrets =
        vec![HIDDEN_CASE.to_owned(), HIDDEN_TAG.into(), HIDDEN_WEIGHT.to_string(), "exit status 9".into()];
    for number in [30, 40, 45, 50, 60] {
        secrets
            .extend([number * HIDDEN_WEIGHT, number * (HIDDEN_WEIGHT + OPEN_WEIGHT)].map(|secret| secret.to_string()));
    }
    for secret in secrets {
        assert_eq!(site.holding(&secret), [""; 0], "{secret} shows");
    }
    // What is for staff is on the private pages of staff, and nowhere else.
    for page in site.holding(STAFF_TAG) {
        let id = page.split('/').nth(1).unwrap_or_default();
        let user = contest.status(id).unwrap_or_default()["user"].clone();
        assert!(page.starts_with("s/") && (user == "gus" || user == "hal"), "{page} of {user}");
    }
}

#[test]
fn of_output_that_is_no_answer_the_end_is_kept() {
    let contest = Competition::new("Floods").set("limits.output", "1 MiB").start();
    let loud = "import sys\nsys.stderr.write('e' * 200_000 + 'END-OF-IT')\nprint('o' * 300_000)\n";
    let failed = contest.hand_in("mira", "py", format!("{loud}sys.exit(3)\n"));
    let wrong = contest.hand_in("mira", "py", loud);
    let file = format!("{loud}open('output.json', 'w').write('x' * 100_000)\n");
    let answered = contest.hand_in("mira", "file", file);
    for (id, verdict, kept) in [
        (&failed, "run-error", vec![("stdout", 65_536, Some(300_001)), ("stderr", 65_536, Some(200_009))]),
        (&wrong, "wrong-answer", vec![("stdout", 300_001, None), ("stderr", 65_536, Some(200_009))]),
        (
            &answered,
            "wrong-answer",
            vec![("stdout", 65_536, Some(300_001)), ("stderr", 65_536, Some(200_009)), ("answer", 100_000, None)],
        ),
    ] {
        assert_eq!(contest.outcome(id)["verdict"], verdict);
        let judged = contest.event("judged", id);
        let files = judged["cases"][0]["files"].as_array().expect("files").clone();
        let is_of_the_program = |file: &&Value| file["name"] != "evaluator-stderr";
        let found: Vec<_> = files
            .iter()
            .filter(is_of_the_program)
            .map(|file| {
                (
                    file["name"].as_str().unwrap_or_default(),
                    file["bytes"].as_u64().unwrap_or_default(),
                    file["whole"].as_u64(),
                )
            })
            .collect();
        assert_eq!(found, kept, "{verdict}");
        contest.wait_for_site();
        let page = String::from_utf8(contest.site().0[&format!("s/{id}/index.html")].clone()).expect("UTF-8");
        assert!(page.contains("END-OF-IT"), "the end is what is shown");
    }
    contest.assert_log_is_whole();
}

// ---------------------------------------------------------------------------------------------- checks of a language

#[test]
fn what_a_check_refuses_costs_no_attempt_under_bubblewrap() {
    what_a_check_refuses_costs_no_attempt(Engine::Bubblewrap);
}

#[test]
fn what_a_check_refuses_costs_no_attempt_under_docker() {
    what_a_check_refuses_costs_no_attempt(Engine::Docker);
}

fn what_a_check_refuses_costs_no_attempt(engine: Engine) {
    let allowed = vec!["sys", "math", "os.path"];
    let contest = Competition::new("Checks").engine(engine).set("languages.py.allow_imports", allowed).start();
    let refuse = |program: &str, refusal: &str, says: &[&str]| {
        let id = contest.hand_in("mira", "py", program);
        let status = contest.outcome(&id);
        assert_eq!(
            (&status["state"], &status["verdict"], &status["submission"]),
            (&json!("rejected"), &Value::Null, &Value::Null),
            "{status}"
        );
        assert_eq!(contest.event("rejected", &id)["refusal"], refusal, "{status}");
        let reason = status["reason"].as_str().expect("a reason");
        for word in says {
            assert!(reason.contains(word), "{word:?} is not in {reason:?}");
        }
        assert!(!reason.contains("/scratch") && !reason.contains(&id), "{reason}");
        id
    };
    let broken = refuse("import sys\ndef f(:\n", "check", &["SyntaxError", "source.py", "line 2"]);
    refuse(
        "import sys\nimport socket, math\nfrom subprocess import run\n",
        "imports",
        &["line 2", "'socket'", "line 3", "'subprocess'", "allowed: math, os.path, sys"],
    );
    refuse("import os\n", "imports", &["'os'"]);
    refuse("def f():\n    from . import x\n", "imports", &["line 2"]);
    refuse("print('\u{1b}[31m'\n", "check", &["SyntaxError"]);
    assert!(contest.log().iter().all(|line| line["reason"].as_str().is_none_or(|reason| !reason.contains('\u{1b}'))));

    // Nothing of it counts, and the id is free for what was meant.
    contest.drop_file(format!("mira_{broken}.py"), format!("import os.path\nfrom math import pi\n{}", answer("4")));
    contest.wait_for("it is judged", || contest.status(&broken).is_some_and(|status| status["state"] == "judged"));
    assert_eq!(contest.status(&broken).expect("its page")["verdict"], "accepted");
    contest.wait_for_site();
    assert_eq!(contest.board()["rows"][0]["attempts"], 1);
    assert_eq!(contest.board()["rows"][0]["score"], 44);
    assert_eq!(contest.count("accepted"), 1);
    contest.assert_ids_are_secret();
}

#[test]
fn a_check_that_takes_its_time_keeps_nobody_waiting() {
    // The check runs the program: whoever hands it in decides how long that takes.
    let mut contest = Competition::new("Slow checks")
        .set("languages.slow.command", vec!["sh", "{source}"])
        .set("languages.slow.check", vec!["sh", "{source}"])
        .start();
    let slow = contest.hand_in("bo", "slow", "sleep 60\n");
    let quick = contest.hand_in("mira", "py", answer("4"));
    assert_eq!(contest.outcome(&quick)["verdict"], "accepted");
    let status = contest.outcome(&slow);
    let seq = |event: &str, id: &str| contest.event(event, id)["seq"].as_u64();
    assert!(seq("accepted", &quick) < seq("rejected", &slow), "it was taken in while the other was looked at");
    assert_eq!(status["state"], "rejected");
    assert!(status["reason"].as_str().is_some_and(|reason| reason.contains("wall limit")), "{status}");
    assert!(contest.stop().success());
    assert_eq!(contest.traces(), [""; 0]);
}

// ---------------------------------------------------------------------------------------------- what a program gets

#[test]
fn a_program_gets_its_input_twice_and_learns_nothing_else_of_the_case_under_bubblewrap() {
    a_program_gets_its_input_twice_and_learns_nothing_else(Engine::Bubblewrap);
}

#[test]
fn a_program_gets_its_input_twice_and_learns_nothing_else_of_the_case_under_docker() {
    a_program_gets_its_input_twice_and_learns_nothing_else(Engine::Docker);
}

fn a_program_gets_its_input_twice_and_learns_nothing_else(engine: Engine) {
    // It looks at every name of the image, which a cold disk takes its time over.
    let contest =
        Competition::new("Contract").engine(engine).set("limits.cpu", "20s").set("limits.wall", "120s").start();
    let look = "import os, sys
given = sys.stdin.read()
assert open(sys.argv[1]).read() == given and len(sys.argv) == 2, sys.argv
assert os.listdir('.') == [], os.listdir('.')
sys.stderr.write(repr(sorted(os.environ)) + repr(sys.argv) + os.getcwd() + __file__ + '\\n')
try:
    open(__file__, 'a')
    sys.exit('the source can be written')
except OSError:
    pass
for folder, folders, files in os.walk('/'):
    for name in folders + files:
        if name in ('hidden-case', 'answer.json', 'evaluator.py', 'testcases', 'podium-test'):
            sys.exit(os.path.join(folder, name) + ' can be seen')
print(4)
";
    fs::write(contest.path("testcases/one/answer.json"), "4").expect("a file for the evaluator only");
    let id = contest.hand_in("mira", "py", look);
    let status = contest.outcome(&id);
    let stderr = |case: &str| {
        fs::read_to_string(contest.path(&format!("results/submissions/000001/1/{case}.stderr"))).unwrap_or_default()
    };
    assert_eq!(status["verdict"], "accepted", "{status}\n{}", stderr("one"));
    assert_eq!(contest.event("judged", &id)["cases"][2]["verdict"], "accepted", "{}", stderr(HIDDEN_CASE));
    assert!(stderr("one").starts_with("['HOME', 'LANG', 'PATH']"), "{}", stderr("one"));
    assert_eq!(stderr("one"), stderr(HIDDEN_CASE), "a private case looks like any other");
    assert!(
        !stderr("one").contains("mira")
            && !stderr("one").contains(&id)
            && !stderr("one").contains(OPEN_TAGS[0])
            && !stderr("one").contains(HIDDEN_TAG)
    );
}
