//! What happens when the daemon is killed, asked to end, started twice, or cannot judge: nothing is lost, nothing is done twice, nothing
//! is left behind.

mod support;

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use support::{Competition, Contest, Engine, OPEN_WEIGHT, answer, slow_answer, wait_until};

// ---------------------------------------------------------------------------------------------- SIGKILL

#[test]
fn kill_nine_at_random_moments_under_bubblewrap() {
    kill_nine_at_random_moments(Engine::Bubblewrap, 12, 2);
}

#[test]
fn kill_nine_at_random_moments_under_docker() {
    kill_nine_at_random_moments(Engine::Docker, 6, 1);
}

fn kill_nine_at_random_moments(engine: Engine, kills: usize, each: usize) {
    let mut chance = Chance::seeded();
    let mut contest = Competition::new("Killed").engine(engine).prepare();
    let mut ids = Vec::new();
    for kill in 0..kills {
        contest.start_with(&[]);
        let lines = contest.log().len();
        for _ in 0..each {
            let number = chance.below(9) + 1;
            // Of other bytes each: the same ones would be answered without a run.
            let program = format!("# {}\n{}", ids.len(), slow_answer(&number.to_string(), 0.1));
            ids.push((contest.hand_in("mira", "py", program), number));
            ids.push((contest.hand_in("bo", "sh", format!("sleep 0.05; echo {number} # {}\n", ids.len())), number));
        }
        // By the log's growth, because that is where the moments lie that matter, and then by a little time.
        let (growth, then) = (chance.below(6 * each as u64 + 1) as usize, Duration::from_millis(chance.below(120)));
        contest.wait_for("the log grows", || contest.log().len() >= lines + growth);
        let grown = Instant::now();
        wait_until(then, || grown.elapsed() >= then, || ());
        println!("kill {kill}: {growth} lines and {then:?} after the start");
        contest.kill_nine();
    }
    contest.start();
    contest.wait_for_judged(ids.len());
    assert!(contest.stop().success());

    // Each was accepted once and judged once, whatever it took.
    for (id, number) in &ids {
        let accepted = contest.event("accepted", id);
        let judged = contest.event("judged", id);
        assert!(judged["seq"].as_u64() > accepted["seq"].as_u64());
        let attempts: Vec<_> = contest
            .events("started")
            .into_iter()
            .filter(|line| line["id"] == id.as_str())
            .map(|line| line["attempt"].clone())
            .collect();
        assert_eq!(attempts, (1..=attempts.len() as u64).map(Value::from).collect::<Vec<_>>(), "{id}");
        assert_eq!(judged["attempt"], *attempts.last().expect("it was started"), "{id}");
        let status = contest.status(id).expect("it has a page");
        assert_eq!(
            (&status["verdict"], &status["public_score"]),
            (&"accepted".into(), &(number * OPEN_WEIGHT).into()),
            "{status}"
        );
    }
    assert_eq!(contest.events("accepted").len(), ids.len());
    assert_eq!(contest.events("rejected"), [Value::Null; 0]);
    contest.assert_log_is_whole();
    contest.assert_ids_are_secret();

    // And nothing is left: neither on the machine, nor in the home.
    assert_eq!(contest.traces(), [""; 0]);
    assert!(contest.inbox().is_empty(), "{:?}", contest.inbox());
    assert_nothing_half_done(&contest);
}

/// No file of a run, of a reception, or of a page that was being written.
fn assert_nothing_half_done(contest: &Contest) {
    for folder in ["results/work", "results/incoming"] {
        let left: Vec<_> = fs::read_dir(contest.path(folder))
            .expect("a folder of the home")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
    let temporary = |entry: &walkdir::DirEntry| {
        entry.file_name().to_string_lossy().starts_with(".podium-")
            || entry.file_name().to_string_lossy().starts_with("copy-")
    };
    let left: Vec<_> = walkdir::WalkDir::new(contest.root())
        .into_iter()
        .flatten()
        .filter(temporary)
        .map(|entry| entry.into_path())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Numbers by chance, the same ones for the same seed.
struct Chance(u64);

impl Chance {
    fn seeded() -> Self {
        let seed = match std::env::var("PODIUM_TEST_SEED") {
            Ok(text) => text.parse().expect("PODIUM_TEST_SEED is a number"),
            Err(_) => std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_micros() as u64,
        };
        println!("PODIUM_TEST_SEED={seed}");
        Chance(seed.max(1))
    }

    /// xorshift64.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

// ---------------------------------------------------------------------------------------------- SIGTERM, and a second daemon

#[test]
fn sigterm_under_load_ends_in_order_under_bubblewrap() {
    sigterm_under_load_ends_in_order(Engine::Bubblewrap);
}

#[test]
fn sigterm_under_load_ends_in_order_under_docker() {
    sigterm_under_load_ends_in_order(Engine::Docker);
}

fn sigterm_under_load_ends_in_order(engine: Engine) {
    let mut contest = Competition::new("Asked to end").engine(engine).start();
    // Two of one user would not run at the same time.
    let users = [(1, "mira"), (2, "noor"), (3, "omar"), (4, "pia")];
    let ids = users.map(|(number, user)| contest.hand_in(user, "py", slow_answer(&number.to_string(), 3.0)));
    let queue = |list: &str| contest.queue()[list].as_array().map_or(0, Vec::len);
    contest.wait_for("two run, and two wait", || queue("running") == 2 && queue("waiting") == 2);
    let places: Vec<_> = contest.queue()["waiting"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| (row["submission"].clone(), row["position"].clone()))
        .collect();
    assert_eq!(places, [(3.into(), 1.into()), (4.into(), 2.into())]);
    for (id, state) in ids.iter().zip(["running", "running", "waiting", "waiting"]) {
        contest.wait_for(&format!("the page of {id} says {state}"), || {
            contest.status(id).is_some_and(|status| status["state"] == state)
        });
    }

    let asked = Instant::now();
    assert!(contest.stop().success(), "it ends with 0");
    assert!(asked.elapsed() < Duration::from_secs(30), "it took {:?}", asked.elapsed());
    assert_eq!(contest.traces(), [""; 0]);
    contest.assert_log_is_whole();
    assert_eq!(contest.events("judged"), [Value::Null; 0], "nothing that was cut short counts");

    contest.start();
    contest.wait_for_judged(ids.len());
    for id in &ids {
        assert_eq!(contest.event("judged", id)["cases"][0]["verdict"], "accepted");
    }
    let judged: Vec<_> = contest.events("started").iter().map(|line| line["submission"].as_u64()).collect();
    assert_eq!(judged[2..], [Some(1), Some(2), Some(3), Some(4)], "they kept their places");
}

#[test]
fn a_home_has_one_daemon() {
    let mut contest = Competition::new("One daemon").start();
    let pid = contest.daemon().pid().to_string();
    contest.podium(&["run"]).exits(1).says(&pid).says("another daemon");
    contest.podium(&["run", "--once"]).exits(1).says(&pid);
    // The one that was there has noticed nothing.
    let id = contest.hand_in("mira", "py", answer("4"));
    assert_eq!(contest.outcome(&id)["verdict"], "accepted");
    assert!(contest.stop().success());
    contest.podium(&["run", "--once"]).exits(0);
}

// ---------------------------------------------------------------------------------------------- an engine that cannot be had

#[test]
fn the_queue_is_held_while_there_is_no_image_under_bubblewrap() {
    the_queue_is_held_while_there_is_no_image(Engine::Bubblewrap, "/", "an-image-that-is-nowhere");
}

#[test]
fn the_queue_is_held_while_there_is_no_image_under_docker() {
    the_queue_is_held_while_there_is_no_image(Engine::Docker, "", "podium-no-such-image:1");
}

fn the_queue_is_held_while_there_is_no_image(engine: Engine, folder: &str, image: &str) {
    let mut contest = Competition::new("Held").engine(engine).start();
    let good = contest.config();
    let first = contest.hand_in("mira", "sh", "echo 4\n");
    assert_eq!(contest.outcome(&first)["verdict"], "accepted");

    contest.set("sandbox.image", format!("{folder}{image}"));
    contest.wait_for("the queue page says what is missing", || page(&contest, "queue.html").contains(image));
    let started = contest.events("started").len();
    let ids: Vec<_> = ["py", "sh"]
        .map(|extension| {
            contest.hand_in("mira", extension, if extension == "py" { answer("3") } else { "echo 3\n".into() })
        })
        .into();
    contest.wait_for("`podium status` says what is missing", || contest.podium(&["status"]).stdout.contains(image));
    contest.podium(&["status"]).exits(1).says("held");
    contest.podium(&["check"]).exits(1).says(image);
    contest.never_within(Duration::from_secs(2), "something is started", || contest.events("started").len() > started);
    assert_eq!(contest.events("rejected"), [Value::Null; 0], "it is nobody's fault who hands in");
    assert!(page(&contest, "index.html").contains(image), "the board says it too");

    // A daemon that is started in such a home waits as well; one that is to work it off once says that it cannot.
    assert!(contest.stop().success());
    contest.podium(&["run", "--once"]).exits(1).says(image);
    contest.start();
    contest.wait_for("the queue page says what is missing", || page(&contest, "queue.html").contains(image));
    assert_eq!(contest.events("started").len(), started);

    contest.write_config(&good);
    for id in &ids {
        assert_eq!(contest.outcome(id)["verdict"], "accepted");
    }
    contest.wait_for("the queue page says nothing of it any more", || !page(&contest, "queue.html").contains(image));
    contest.wait_for("`podium status` neither", || contest.podium(&["status"]).code == Some(0));
}

fn page(contest: &Contest, name: &str) -> String {
    fs::read_to_string(contest.path("public").join(name)).unwrap_or_default()
}

#[test]
fn what_an_instructor_takes_away_for_a_moment_holds_the_queue_and_costs_nobody_a_result() {
    let contest = Competition::new("Gone").start();
    for (file, said) in [("evaluator/evaluator.py", "evaluator.command"), ("testcases/two", "testcases.public")] {
        let aside = contest.outside("aside");
        fs::rename(contest.path(file), &aside).expect("taken away");
        let judged = contest.count("judged");
        let id = contest.hand_in("mira", "py", answer("4"));
        contest.wait_for("the queue page says that judging is held", || page(&contest, "queue.html").contains("held"));
        contest.wait_for("`podium status` says what is missing", || contest.podium(&["status"]).stdout.contains(said));
        contest.never_within(Duration::from_secs(2), "something is judged", || contest.count("judged") > judged);
        // It goes on by itself, without anybody touching the settings.
        fs::rename(&aside, contest.path(file)).expect("put back");
        assert_eq!(contest.outcome(&id)["verdict"], "accepted", "{file}");
        contest.wait_for("`podium status` has nothing to say", || contest.podium(&["status"]).code == Some(0));
    }
}

#[test]
fn an_evaluator_that_fails_is_nobodys_failure_but_the_instructors() {
    let contest = Competition::new("No evaluator").start();
    let evaluator = contest.path("evaluator/evaluator.py");
    let good = fs::read_to_string(&evaluator).expect("the evaluator");
    fs::write(&evaluator, "import not_there\n").expect("edited");
    let id = contest.hand_in("mira", "py", answer("4"));
    let status = contest.outcome(&id);
    assert_eq!((&status["verdict"], &status["public_score"]), (&"evaluator-error".into(), &Value::Null), "{status}");
    contest.wait_for_site();
    assert_eq!(contest.board()["rows"].as_array().map(Vec::len), Some(0), "no score, no row");
    contest.podium(&["status"]).says("no score: submission 1 of mira, evaluator-error").says("not_there");
    assert!(
        !contest.site().0.values().any(|page| String::from_utf8_lossy(page).contains("not_there")),
        "students read that it failed, not how"
    );

    fs::write(&evaluator, good).expect("mended");
    for _ in 0..11 {
        let id = contest.hand_in("mira", "sh", "echo 4\n");
        assert_eq!(contest.outcome(&id)["verdict"], "accepted");
    }
    // However many came after it.
    let status = contest.podium(&["status", "--json"]).json();
    assert_eq!(status["unscored"].as_array().map(Vec::len), Some(1), "{status}");
    assert_eq!(status["unscored"][0]["submission"], 1);
}

#[test]
fn a_program_that_takes_the_evaluator_with_it_does_not_take_the_queue() {
    let contest = Competition::new("No such program").start();
    contest.set("evaluator.command", vec!["no-such-program"]);
    contest.wait_for("the settings are in force", || contest.daemon().said().contains("in force"));
    let lost = contest.hand_in("mira", "py", answer("4"));
    let status = contest.outcome(&lost);
    assert!(
        ["evaluator-error", "infrastructure-error"].contains(&status["verdict"].as_str().expect("a verdict")),
        "{status}"
    );
    assert_eq!(status["public_score"], Value::Null);
    contest.set("evaluator.command", vec!["python3", "-I", "{evaluator}/evaluator.py", "{input}", "{output}"]);
    contest.wait_for("the settings are in force again", || contest.daemon().said().matches("in force").count() == 2);
    let id = contest.hand_in("mira", "py", answer("4"));
    assert_eq!(contest.outcome(&id)["verdict"], "accepted");
    contest.wait_for_site();
    let charged = if status["verdict"] == "infrastructure-error" { 1 } else { 2 };
    assert_eq!(contest.board()["rows"][0]["attempts"], charged, "what failed on our side is not charged");
}

#[test]
fn a_result_whose_line_was_changed_is_told_and_its_page_stays_as_it_was() {
    let contest = Competition::new("Changed").start();
    let [id, other] = ["5", "6"].map(|number| {
        let id = contest.hand_in("mira", "py", answer(number));
        contest.outcome(&id);
        id
    });
    contest.wait_for_site();
    let page = |id: &str| fs::read_to_string(contest.path(&format!("public/s/{id}/index.html"))).expect("a page");
    let before = page(&id);
    // Good JSON of the same length, in a line that has others behind it.
    let log = fs::read_to_string(contest.path("results/log.jsonl")).expect("a log");
    let line = log.find(&format!("\"event\":\"judged\",\"submission\":1,\"id\":\"{id}\"")).expect("its result");
    let place = line + log[line..].find("\"attempt\":1").expect("a field") + "\"attempt\":".len();
    let file = fs::OpenOptions::new().write(true).open(contest.path("results/log.jsonl")).expect("opened");
    std::os::unix::fs::FileExt::write_all_at(&file, b"7", place as u64).expect("changed");
    // Every page is made anew.
    contest.set("competition.title", "Another title");
    contest.wait_for("the other page is made anew", || page(&other).contains("Another title"));
    contest.wait_for("the daemon tells of it", || contest.daemon().said().contains("cannot be read back"));
    contest.wait_for("so does what `podium status` and Prometheus read", || {
        fs::read_to_string(contest.path("results/daemon.json")).is_ok_and(|told| told.contains("cannot be read back"))
    });
    assert_eq!(page(&id), before);
    // Until somebody mends it, every page anew would be work for nothing.
    let other = contest.path(&format!("public/s/{other}/index.html"));
    fs::write(&other, "by hand").expect("a page");
    contest.never_within(Duration::from_secs(6), "every page is made anew, over and over", || {
        fs::read(&other).is_ok_and(|page| page != b"by hand")
    });
    contest.podium(&["verify"]).exits(1);
}

#[test]
fn a_page_that_cannot_be_written_is_said_until_it_can_and_then_it_is_written() {
    let contest = Competition::new("Pages").start();
    let first = contest.hand_in("mira", "py", answer("5"));
    contest.outcome(&first);
    contest.wait_for_site();
    // Something lies where a page belongs: even root cannot write there.
    let pages = ["public/index.html", "public/u/mira/index.html"];
    for page in pages {
        fs::remove_file(contest.path(page)).expect("a page");
        fs::create_dir_all(contest.path(page).join("in-the-way")).expect("something in the way");
    }
    let id = contest.hand_in("mira", "py", answer("4"));
    assert_eq!(contest.outcome(&id)["verdict"], "accepted", "what can be written is");
    contest.wait_for("the board is there for programs", || contest.board()["rows"][0]["score"] == 44);
    contest.wait_for("`podium status` names the page", || contest.podium(&["status"]).stdout.contains("index.html"));
    contest.never_within(Duration::from_secs(5), "`podium status` forgets it", || {
        !contest.podium(&["status"]).stdout.contains("index.html")
    });
    assert!(contest.daemon().said().matches("index.html").count() < 5, "once is enough:\n{}", contest.daemon().said());
    for page in pages {
        fs::remove_dir_all(contest.path(page)).expect("out of the way");
        contest.wait_for(&format!("{page} is there"), || contest.path(page).is_file());
    }
    contest.wait_for("`podium status` has nothing to say", || contest.podium(&["status"]).code == Some(0));
}
