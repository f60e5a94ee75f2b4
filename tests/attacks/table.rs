//! What came of each case over each engine: printed at the end, and kept as Markdown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::cases::Case;
use super::support::Engine;

/// What came of a case over an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Held,
    /// What did not hold.
    Broken(Vec<String>),
    /// `scripts/setup` found that the engine cannot run on this machine.
    NotRun(String),
    /// The engine is not there, and nobody has said why.
    Absent(String),
}

impl Outcome {
    /// For an engine that cannot be had.
    pub fn without(engine: Engine, why: &str) -> Self {
        match excuse(engine) {
            Some(excuse) => Outcome::NotRun(format!("{} cannot run here: {excuse}", engine.name())),
            None => Outcome::Absent(format!("{why}; `scripts/setup test` installs what the tests need")),
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Outcome::Held => "HELD",
            Outcome::Broken(_) => "BROKEN",
            Outcome::NotRun(_) | Outcome::Absent(_) => "NOT RUN",
        }
    }

    fn why(&self) -> String {
        match self {
            Outcome::Held => String::new(),
            Outcome::Broken(broken) => broken.join("; "),
            Outcome::NotRun(why) | Outcome::Absent(why) => why.clone(),
        }
    }
}

/// What `scripts/setup` wrote down about gVisor, if it cannot run on this machine.
fn excuse(engine: Engine) -> Option<String> {
    if engine != Engine::Runsc {
        return None;
    }
    fs::read_to_string(target().join("runsc-cannot-run-here")).ok().map(|text| text.trim().to_owned())
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target")
}

type Results = BTreeMap<(&'static str, Engine), (Outcome, Duration)>;

static RESULTS: Mutex<Results> = Mutex::new(BTreeMap::new());
/// What is to be said of a case that held.
static NOTES: Mutex<BTreeMap<(&'static str, Engine), BTreeSet<String>>> = Mutex::new(BTreeMap::new());
static ADDED: Condvar = Condvar::new();

/// The table.
#[derive(Debug)]
pub struct Table;

impl Table {
    pub fn add(case: &'static str, engine: Engine, outcome: Outcome, took: Duration) {
        RESULTS.lock().unwrap_or_else(PoisonError::into_inner).insert((case, engine), (outcome, took));
        ADDED.notify_all();
    }

    /// Says of a case that held what else there is to say.
    pub fn note(case: &'static str, engine: Engine, note: String) {
        NOTES.lock().unwrap_or_else(PoisonError::into_inner).entry((case, engine)).or_default().insert(note);
    }

    /// What came of a case, once something has.
    pub fn wait(case: &'static str, engine: Engine) -> Outcome {
        let mut results = RESULTS.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some((outcome, _)) = results.get(&(case, engine)) {
                return outcome.clone();
            }
            results = ADDED.wait(results).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// docs/security.md has a row for each case, in the same words and order, and claims of none what was not asked.
    pub fn is_in_the_docs(cases: &[Case]) -> Result<(), String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/security.md");
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let table = text.split_once("| case | attack |").ok_or("docs/security.md has no table of cases")?.1;
        let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
        let rows: Vec<Vec<&str>> = rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect();
        let named = |id: &str, what: &str| format!("{id} | {what}");
        let found: Vec<String> = rows.iter().map(|row| named(row[0], row.get(1).unwrap_or(&""))).collect();
        let wanted: Vec<String> = cases.iter().map(|case| named(case.id, case.what)).collect();
        if let Some((found, wanted)) = found.iter().zip(&wanted).find(|(found, wanted)| found != wanted) {
            return Err(format!("docs/security.md has the row {found:?} where {wanted:?} is due"));
        }
        if found.len() != wanted.len() {
            return Err(format!("docs/security.md has {} rows, and there are {} cases", found.len(), wanted.len()));
        }
        for (row, case) in rows.iter().zip(cases) {
            for (cell, engine) in row.iter().skip(2).zip(Engine::ALL) {
                let wanted = if case.is_for(engine) { "HELD" } else { "n/a" };
                if *cell != wanted {
                    return Err(format!("docs/security.md says {cell:?} of {} over {}", case.id, engine.name()));
                }
            }
        }
        Ok(())
    }

    /// Prints it; and writes it down where all of it was run.
    pub fn print(cases: &[Case], all: bool) {
        let results = RESULTS.lock().unwrap_or_else(PoisonError::into_inner);
        for case in cases {
            for engine in Engine::ALL {
                if let Some((outcome, took)) = results.get(&(case.id, engine)) {
                    let why = format!("{}{}", outcome.why(), noted(case.id, engine));
                    let (why, took) = (brief(&why, 200), took.as_secs_f64());
                    println!("{:8} {:11} {:8} {took:5.1} s  {why}", case.id, engine.name(), outcome.word());
                }
            }
        }
        let count = |word: &str| results.values().filter(|(outcome, _)| outcome.word() == word).count();
        println!("\n{} HELD, {} BROKEN, {} NOT RUN", count("HELD"), count("BROKEN"), count("NOT RUN"));
        let path = target().join("attacks.md");
        if all {
            fs::write(&path, markdown(cases, &results)).expect("target/attacks.md is written");
            println!("the table: {}", path.display());
        }
        // The last line: whoever reads no other reads this one.
        if let Some((outcome, _)) = results.values().find(|(outcome, _)| outcome.word() == "NOT RUN") {
            println!("NOT RUN: {}", outcome.why());
        }
    }
}

fn noted(case: &'static str, engine: Engine) -> String {
    let notes = NOTES.lock().unwrap_or_else(PoisonError::into_inner);
    notes.get(&(case, engine)).into_iter().flatten().cloned().collect::<Vec<_>>().join("; ")
}

fn markdown(cases: &[Case], results: &Results) -> String {
    let mut text = String::from("| case | attack |");
    Engine::ALL.iter().for_each(|engine| write!(text, " {} |", engine.name()).expect("a text"));
    text.push_str("\n|---|---|---|---|---|\n");
    let mut notes = String::new();
    for case in cases {
        write!(text, "| {} | {} |", case.id, case.what).expect("a text");
        for engine in Engine::ALL {
            let outcome = results.get(&(case.id, engine)).map(|(outcome, _)| outcome);
            write!(text, " {} |", outcome.map_or(if case.is_for(engine) { "not run" } else { "n/a" }, Outcome::word))
                .expect("a text");
            let why = format!("{}{}", outcome.map(Outcome::why).unwrap_or_default(), noted(case.id, engine));
            if !why.is_empty() {
                writeln!(notes, "- {} over {}: {}", case.id, engine.name(), brief(&why, 1000)).expect("a text");
            }
        }
        text.push('\n');
    }
    if !notes.is_empty() {
        write!(text, "\n{notes}").expect("a text");
    }
    text
}

/// One line, and not too long.
fn brief(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "/");
    if line.chars().count() <= most { line } else { line.chars().take(most).chain(" …".chars()).collect() }
}
