//! config.toml and users.csv as they lie in the home, read together and read again when they change.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use walkdir::WalkDir;

use crate::accounts;
use crate::core::config::{self, Config, Problem};
use crate::core::digest::Digest;
use crate::core::rules::Rules;
use crate::core::strings;
use crate::core::users::{self, Users};
use crate::home::Home;
use crate::material::missing_evaluator;

/// What tells one state of the files from another without reading them.
type Stamp = Vec<(PathBuf, u64, u64, i64, i64, i64, i64)>;

fn stamp(home: &Home) -> Stamp {
    let templates =
        WalkDir::new(home.templates()).sort_by_file_name().into_iter().flatten().map(walkdir::DirEntry::into_path);
    let paths = [home.config(), home.users(), home.statement()].into_iter().chain(templates);
    paths
        .filter_map(|path| {
            let meta = fs::metadata(&path).ok()?;
            Some((path, meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()))
        })
        .collect()
}

/// While the settings are no good, what keeps them from it may be mended outside these files (a missing folder is made): they are read
/// again this often.
const AGAIN: Duration = Duration::from_secs(1);

/// Notices that the settings, the statement or the templates changed, however an editor writes them: in place, by a rename, by swapping a link.
#[derive(Debug)]
pub struct Watcher {
    home: Home,
    seen: Option<Stamp>,
    /// What was wrong at the last look, and when that was.
    bad: Option<(Vec<Problem>, Instant)>,
}

impl Watcher {
    /// One that has seen nothing: its first look reads.
    #[must_use]
    pub fn new(home: &Home) -> Self {
        Self { home: home.clone(), seen: None, bad: None }
    }

    /// Reads the settings if a file changed since the last look, or they were no good then; `None` if that gives nothing new. `listed`:
    /// whether users.csv was there before.
    #[must_use]
    pub fn look(&mut self, listed: bool) -> Option<Result<Rules, Vec<Problem>>> {
        let stamp = stamp(&self.home);
        let again = self.bad.as_ref().is_some_and(|(_, when)| when.elapsed() >= AGAIN);
        if self.seen.as_ref() == Some(&stamp) && !again {
            return None;
        }
        // A list of secrets that others can read is closed to them and used: on the evening of a deadline nobody is kept out by a mode. Where it
        // cannot be closed, reading it says what to do.
        let closed = matches!(accounts::close(&self.home), Ok(true));
        if closed {
            tracing::warn!(
                "users.csv holds passwords, and others than its owner could read it: it is its owner's alone now (mode 600)"
            );
        }
        self.seen = Some(if closed { self::stamp(&self.home) } else { stamp });
        let read = read(&self.home);
        // A list that goes away in the middle of a competition is a slip, not an invitation to everybody.
        let gone = listed && matches!(&read, Ok(Rules { users: Users::Anyone, .. }));
        let read =
            if gone { Err(vec![problem(users::FILE, "", "is gone; the last list stays in force")]) } else { read };
        let before = self.bad.take().map(|(problems, _)| problems);
        if let Err(problems) = &read {
            self.bad = Some((problems.clone(), Instant::now()));
            if before.as_ref() == Some(problems) {
                return None;
            }
        }
        Some(read)
    }
}

fn problem(file: &str, key: &str, text: impl Into<String>) -> Problem {
    Problem { file: file.into(), line: None, key: key.into(), text: text.into() }
}

/// Reads the settings of a home.
///
/// # Errors
/// Every [`Problem`] of both files, and of the cases and the evaluator that they name.
pub fn read(home: &Home) -> Result<Rules, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut keep = |result: Result<_, Vec<Problem>>| result.map_err(|found| problems.extend(found)).ok();
    let config = keep(read_config(home).map(Some)).flatten();
    let users = accounts::read(home).map(|roster| roster.as_ref().map_or(Users::Anyone, Users::from));
    let users = users.map_err(|found| problems.extend(found)).ok();
    match (config, users) {
        (Some((config, config_sha256)), Some(users)) if problems.is_empty() => {
            Ok(Rules { config, config_sha256, users })
        }
        _ => {
            problems.sort();
            Err(problems)
        }
    }
}

fn read_config(home: &Home) -> Result<(Config, Digest), Vec<Problem>> {
    let text = fs::read_to_string(home.config()).map_err(|error| {
        let why = if error.kind() == io::ErrorKind::NotFound {
            "is missing: this is not a competition home; `podium init DIR` makes one".to_owned()
        } else {
            format!("cannot be read: {error}")
        };
        vec![problem(config::FILE, "", why)]
    })?;
    let config = config::parse(&text)?;
    let problems = missing(home, &config, &text);
    if problems.is_empty() { Ok((config, Digest::of(text.as_bytes()))) } else { Err(problems) }
}

/// What the config names and the home does not have.
fn missing(home: &Home, config: &Config, text: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (key, cases) in [("testcases.public", &config.cases.public), ("testcases.private", &config.cases.private)] {
        for case in cases {
            let what = match fs::metadata(home.case(case).join("input.txt")) {
                Ok(meta) if meta.is_file() => continue,
                _ if !home.case(case).is_dir() => {
                    format!("testcases/{case}/ does not exist{}", nearest(home, case.as_str()))
                }
                _ => format!("testcases/{case}/input.txt is missing"),
            };
            let line = text.lines().position(|line| line.contains(&format!("\"{case}\""))).map(|line| line + 1);
            problems.push(Problem { file: config::FILE.into(), line, key: key.into(), text: what });
        }
    }
    let language = &config.site.language;
    let brought = home.templates().join(strings::FOLDER).join(format!("{language}.toml"));
    if strings::BUILT_IN.iter().all(|(tag, _)| tag != language) && !brought.is_file() {
        let shipped: Vec<_> = strings::BUILT_IN.iter().map(|(tag, _)| format!("{tag:?}")).collect();
        let what = format!(
            "{language:?} is not spoken here: there is no site-templates/{}/{language}.toml; {} ship with Podium",
            strings::FOLDER,
            shipped.join(" and ")
        );
        let line = config::line_of(text, &["site", "language"]);
        problems.push(Problem { file: config::FILE.into(), line, key: "site.language".into(), text: what });
    }
    if let Some(path) = missing_evaluator(&config.evaluator, &home.evaluator()) {
        let line = text.lines().position(|line| line.contains("{evaluator}")).map(|line| line + 1);
        let what = format!("names evaluator{path}, which does not exist");
        problems.push(Problem { file: config::FILE.into(), line, key: "evaluator.command".into(), text: what });
    }
    problems
}

fn nearest(home: &Home, name: &str) -> String {
    let folders: BTreeSet<String> = fs::read_dir(home.testcases())
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    folders
        .iter()
        .map(|folder| (strsim::damerau_levenshtein(folder, name), folder))
        .min()
        .filter(|(distance, _)| *distance <= 3)
        .map_or_else(String::new, |(_, folder)| format!("; did you mean {folder:?}?"))
}
