//! Where a case is fought out: a competition over one engine, with canaries planted, and what came of each attack.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::cases::Case;
use super::known;
use super::oracle::Baseline;
use super::support::{Competition, Contest, Engine, HIDDEN_CASE, Site, a_new_id};

/// Planted in private places, and put together by the probe that looks for it.
pub const CANARY: &str = "PRIVATE-CANARY-7f3a";
/// The public case's weight is 1.
pub const OPEN_CASE: &str = "one";

const EVALUATOR: &str = include_str!("evaluator.py");

/// A competition under attack.
#[derive(Debug)]
pub struct Ring {
    pub contest: Contest,
    pub engine: Engine,
    broken: Vec<String>,
    /// Further texts that no page may hold.
    pub secrets: Vec<String>,
    /// What a number is worth over the public cases.
    pub open_weight: u64,
    /// Images that came into use since it began. The daemon keeps what it has opened of each, for settings that come back.
    pub images: usize,
    baseline: Option<Baseline>,
}

/// The competition that most cases of an engine share.
static SHARED: [Mutex<Option<Ring>>; 3] = [const { Mutex::new(None) }; 3];

// ---------------------------------------------------------------------------------------------- its life

impl Ring {
    /// Runs a case, and the oracle after it; what did not hold.
    pub fn enter(case: Case, engine: Engine) -> Vec<String> {
        if case.alone {
            let mut broken = Vec::new();
            (case.fight)(&mut Entrance { engine, ring: None, broken: &mut broken });
            return broken;
        }
        let index = Engine::ALL.iter().position(|known| *known == engine).expect("it is one of them");
        let mut shared = SHARED[index].lock().unwrap_or_else(PoisonError::into_inner);
        // A case that ended the daemon must not take those after it along.
        if shared.as_ref().is_some_and(|ring| ring.contest.daemon().ended().is_some()) {
            *shared = None;
        }
        let ring = shared.get_or_insert_with(|| Ring::open(engine, |competition| competition));
        ring.broken.clear();
        ring.secrets.clear();
        ring.begin();
        let mut broken = Vec::new();
        (case.fight)(&mut Entrance { engine, ring: Some(ring), broken: &mut broken });
        ring.end();
        broken.append(&mut ring.broken);
        broken
    }

    /// Ends the shared ones.
    pub fn close_all() {
        for ring in &SHARED {
            drop(ring.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
    }

    /// A competition over an engine, and its daemon, warm.
    pub fn open(engine: Engine, set: impl FnOnce(Competition) -> Competition) -> Self {
        let mut ring = Self::prepare(engine, set);
        ring.contest.start();
        ring.warm_up();
        ring
    }

    /// The same without a daemon.
    pub fn prepare(engine: Engine, set: impl FnOnce(Competition) -> Competition) -> Self {
        let competition = Competition::new("Attacked")
            .engine(engine)
            .set("testcases.public", vec![OPEN_CASE])
            .set("limits.cpu", "2s")
            .set("limits.wall", "4s")
            .set("limits.memory", "128 MiB")
            .set("limits.output", "256 KiB")
            .set("limits.scratch", "16 MiB");
        let contest = set(competition).prepare();
        fs::write(contest.path("evaluator/evaluator.py"), EVALUATOR).expect("the evaluator");
        // In a private case, and in the evaluator's neighbourhood.
        for path in [format!("testcases/{HIDDEN_CASE}/solution.txt"), "evaluator/notes.txt".into(), "notes.txt".into()]
        {
            fs::write(contest.path(&path), format!("{CANARY}\n")).expect("a canary");
        }
        Self { contest, engine, broken: Vec::new(), secrets: Vec::new(), open_weight: 1, images: 0, baseline: None }
    }

    /// Another student's submission carries the canary; and what a daemon takes up once, it has taken up.
    pub fn warm_up(&mut self) {
        // New settings come with templates that are read beside those in use.
        self.with(&[("competition.title", "Warm")], |ring| ring.contest.wait_for_site());
        for _ in 0..3 {
            let id = self.submit("zoe", "sh", format!("# {CANARY}\necho 9\n"));
            self.contest.outcome(&id);
        }
        self.contest.wait_for_site();
    }

    /// What the oracle compares with.
    pub fn begin(&mut self) {
        self.images = 0;
        self.baseline = Some(Baseline::of(self));
    }

    /// Asks the oracle.
    pub fn end(&mut self) {
        let baseline = self.baseline.take().expect("it has begun");
        baseline.ask(self);
    }
}

/// A case on its way in.
pub struct Entrance<'a> {
    pub engine: Engine,
    ring: Option<&'a mut Ring>,
    broken: &'a mut Vec<String>,
}

impl Entrance<'_> {
    /// The competition that the cases of this engine share.
    pub fn shared(&mut self) -> &mut Ring {
        self.ring.as_mut().expect("the case is not alone")
    }

    /// A competition of the case's own; the oracle is asked at the end.
    pub fn alone(&mut self, set: impl FnOnce(Competition) -> Competition, fight: impl FnOnce(&mut Ring)) {
        self.fight_in(Ring::open(self.engine, set), fight);
    }

    /// The same in a competition that was prepared before, and whose daemon runs.
    pub fn fight_in(&mut self, ring: Ring, fight: impl FnOnce(&mut Ring)) {
        self.fight_in_and_tidy(ring, fight, || ());
    }

    /// The same, and something to be done once the daemon has ended.
    pub fn fight_in_and_tidy(&mut self, mut ring: Ring, fight: impl FnOnce(&mut Ring), tidy: impl FnOnce()) {
        ring.begin();
        fight(&mut ring);
        ring.end();
        self.broken.append(&mut ring.broken);
        let said = ring.contest.daemon().said();
        if !ring.contest.stop().success() {
            self.broken.push(format!("the daemon did not end in order: {said}"));
        }
        tidy();
        let traces = ring.contest.traces();
        if !traces.is_empty() {
            self.broken.push(format!("left after the daemon's end: {traces:?}"));
        }
    }
}

// ---------------------------------------------------------------------------------------------- what held

impl Ring {
    /// Notes what did not hold.
    pub fn broken(&mut self, what: impl Into<String>) {
        self.broken.push(what.into());
    }

    /// Notes it unless it holds.
    pub fn holds(&mut self, held: bool, otherwise: impl FnOnce() -> String) {
        if !held {
            self.broken.push(otherwise());
        }
    }

    /// Notes it unless both are the same.
    pub fn same<T: PartialEq<U> + std::fmt::Debug, U: std::fmt::Debug>(&mut self, what: &str, found: T, wanted: U) {
        if found != wanted {
            self.broken.push(format!("{what}: {found:?}, not {wanted:?}"));
        }
    }
}

// ---------------------------------------------------------------------------------------------- attacks

/// What came of one attack.
#[derive(Debug, Clone)]
pub struct Fought {
    pub id: String,
    /// status.json, as its sender reads it.
    pub status: Value,
    /// The log's line.
    pub judged: Value,
    /// The case that shows.
    pub open: Bout,
    /// The case that does not.
    pub hidden: Bout,
}

/// What came of one attack in one case.
#[derive(Debug, Clone, Default)]
pub struct Bout {
    /// As the log has it.
    pub record: Value,
    pub stdout: String,
    pub stderr: String,
    pub answer: Option<Vec<u8>>,
}

impl Bout {
    pub fn verdict(&self) -> &str {
        self.record["verdict"].as_str().unwrap_or("no verdict")
    }

    pub fn number(&self, key: &str) -> f64 {
        self.record[key].as_f64().unwrap_or(f64::NAN)
    }

    pub fn message(&self) -> &str {
        self.record["message"].as_str().unwrap_or_default()
    }

    /// For a report.
    fn story(&self) -> String {
        let end = |text: &str| text.chars().rev().take(300).collect::<Vec<_>>().into_iter().rev().collect::<String>();
        format!("{} ({}) {} {}", self.verdict(), self.message(), end(&self.stdout), end(&self.stderr))
    }
}

impl Fought {
    /// Both cases, each with its name.
    pub fn bouts(&self) -> [(&'static str, &Bout); 2] {
        [("public", &self.open), ("private", &self.hidden)]
    }
}

impl Ring {
    /// Hands something in, of other bytes each time: the same ones again would be answered without a run.
    pub fn submit(&self, user: &str, extension: &str, program: impl AsRef<[u8]>) -> String {
        self.give_outbox(user);
        let unlike = format!("\n# {}\n", a_new_id());
        self.contest.hand_in(user, extension, [program.as_ref(), unlike.as_bytes()].concat())
    }

    /// The folder in which a user with SFTP reads what came of everything.
    fn give_outbox(&self, user: &str) {
        for folder in [format!("inbox/{user}"), format!("inbox/{user}/out")] {
            let folder = self.contest.path(&folder);
            fs::create_dir_all(&folder).expect("a folder");
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("nobody else writes to it");
        }
    }

    /// What users with SFTP can read.
    pub fn outboxes(&self) -> Site {
        Site::of(&self.contest.path("inbox"))
    }

    /// Hands something in, and what came of it.
    pub fn fight(&mut self, user: &str, extension: &str, program: impl AsRef<[u8]>) -> Fought {
        let id = self.submit(user, extension, program);
        self.fought(&id)
    }

    /// What came of a submission, once it is judged.
    pub fn fought(&mut self, id: &str) -> Fought {
        let status = self.contest.outcome(id);
        if status["state"] == "rejected" {
            self.broken(format!("it was refused: {}", status["reason"]));
            let (open, hidden) = (Bout::default(), Bout::default());
            return Fought { id: id.to_owned(), status, judged: Value::Null, open, hidden };
        }
        let judged = self.contest.event("judged", id);
        let (open, hidden) = (self.bout(&judged, OPEN_CASE), self.bout(&judged, HIDDEN_CASE));
        Fought { id: id.to_owned(), status, judged, open, hidden }
    }

    fn bout(&self, judged: &Value, case: &str) -> Bout {
        let record = judged["cases"].as_array().into_iter().flatten().find(|record| record["case"] == case);
        let kept = |name: &str| fs::read(self.folder(judged).join(format!("{case}.{name}"))).ok();
        let text = |name: &str| String::from_utf8_lossy(&kept(name).unwrap_or_default()).into_owned();
        Bout {
            record: record.cloned().unwrap_or_default(),
            stdout: text("stdout"),
            stderr: text("stderr"),
            answer: kept("answer"),
        }
    }

    /// Where the outputs of a judging are kept.
    fn folder(&self, judged: &Value) -> PathBuf {
        let (number, attempt) = (judged["submission"].as_u64().unwrap_or(0), judged["attempt"].as_u64().unwrap_or(0));
        self.contest.path(&format!("results/submissions/{number:06}/{attempt}"))
    }

    /// Runs a probe that says of itself whether it was held; in every case it has to say so. It gives no answer, so no evaluator is asked.
    pub fn probe(&mut self, name: &'static str, program: impl AsRef<[u8]>) -> Fought {
        let fought = self.fight("mallory", "file", program);
        self.must_hold(name, &fought);
        fought
    }

    /// Notes it unless the probe said in every case that it was held.
    pub fn must_hold(&mut self, name: &'static str, fought: &Fought) {
        for (which, bout) in fought.bouts() {
            let lines: Vec<&str> = bout.stdout.lines().filter(|line| line.starts_with(name)).collect();
            let broken: Vec<_> = lines.iter().filter(|line| line.contains("BROKEN")).collect();
            for line in &broken {
                if !known::explains(name, self.engine, line) {
                    self.broken(format!("{which} case: {line}"));
                }
            }
            if broken.is_empty() && known::ends_by_a_limit(name, self.engine, bout.verdict()) {
                continue;
            }
            if !lines.iter().any(|line| line.contains("HELD") || line.contains("BROKEN")) {
                self.broken(format!("{which} case: the probe did not say HELD; {}", bout.story()));
            }
        }
    }

    /// With other settings in force for a while.
    pub fn with<T>(&mut self, settings: &[(&str, &str)], then: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.contest.config();
        let mut table: toml::Table = before.parse().expect("config.toml is TOML");
        for (key, value) in settings {
            let (first, second) = key.split_once('.').expect("a table and a key");
            let value = value.parse::<i64>().map_or_else(|_| toml::Value::from(*value), toml::Value::from);
            let inner = table.entry(first).or_insert_with(|| toml::Table::new().into());
            inner.as_table_mut().expect("a table").insert(second.to_owned(), value);
        }
        self.put_in_force(&table.to_string());
        let result = then(self);
        self.put_in_force(&before);
        result
    }

    fn put_in_force(&self, config: &str) {
        let said = || self.contest.daemon().said().matches("in force").count();
        let before = said();
        self.contest.write_config(config);
        self.contest.wait_within(Duration::from_secs(20), "the settings are in force", || said() > before);
    }
}
