//! Judging one submission: every case in a fresh sandbox, every answer to the evaluator, a report at the end.
//!
//! Self-contained: it is given paths and rules and knows nothing of the queue, the log or the site, so that another machine could do
//! the same with the same folders.

pub mod evaluate;
pub mod host;
mod outcome;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::core::config::{Language, Output};
use crate::core::digest::Digest;
use crate::core::ids::CaseName;
use crate::core::machine::{Report, Trouble};
use crate::core::order::Seed;
use crate::core::record::{CaseResult, Granted, Kept, Provenance};
use crate::core::rules::Rules;
use crate::core::verdict::Verdict;
use crate::files;
use crate::material::{Copied, Material};
use crate::sandbox::{AnswerFile, Cores, Fault, Identity, Mount, RunReport, RunSpec, Sandbox};

use outcome::Outcome;

/// Of output that is no answer this much is kept, in bytes: enough to read what went wrong, and too little to fill a disk with.
const LONGEST_OUTPUT: u64 = 64 << 10;
/// Where a program finds the input, besides its standard input. The path says nothing of the case.
const INPUT: &str = "/input.txt";

/// One submission to be judged.
pub struct Judging {
    /// Names its runs: unique among those of this process.
    pub label: String,
    /// Its source.
    pub source: PathBuf,
    /// The digest of that.
    pub source_sha256: Digest,
    /// Its extension.
    pub extension: String,
    /// Its language.
    pub language: Language,
    /// The rules that it is judged by.
    pub rules: Arc<Rules>,
    /// The cases and the evaluator that it is judged with.
    pub material: Arc<Material>,
    /// The cases, in the order of their runs.
    pub cases: Vec<CaseName>,
    /// What that order was drawn by.
    pub order: Option<Seed>,
    /// The cores that its programs are kept to, if they are.
    pub cores: Option<Cores>,
    /// A folder of our own for the runs, made and removed here.
    pub work: PathBuf,
    /// An existing folder into which the outputs of the runs go.
    pub keep: PathBuf,
    /// What it runs in.
    pub identity: Identity,
}

/// One case of a judging.
struct Case<'a> {
    /// Its place in the order.
    index: usize,
    name: &'a CaseName,
    /// Its folder.
    copied: &'a Copied,
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unavailable(why) => Trouble::Unavailable(why),
            Fault::Failed(why) => Trouble::failed(why),
            Fault::Cancelled => Trouble::Cancelled,
        }
    }
}

/// How far a judging is.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'a> {
    /// A case begins.
    Began(&'a CaseName),
    /// A case has ended: its place in the order, from 0, and how it came out.
    Ended(usize, &'a CaseResult),
}

/// Judges a submission over its cases. `progress` is told of each case as it begins and ends.
///
/// # Errors
/// [`Trouble`]: nothing of it was the submission's doing, and nothing of it is recorded.
pub async fn judge(
    judging: &Judging,
    sandbox: &dyn Sandbox,
    cancel: &CancellationToken,
    progress: &(dyn Fn(Progress<'_>) + Sync),
) -> Result<Report, Trouble> {
    // Before it adds to the load itself.
    let host = host::now(judging.cores.as_ref());
    let mut cases = Vec::with_capacity(judging.cases.len());
    for (index, name) in judging.cases.iter().enumerate() {
        progress(Progress::Began(name));
        let outcome = match judging.material.cases.get(name) {
            Some(copied) => judge_case(judging, &Case { index, name, copied }, sandbox, cancel).await,
            None => Err(Trouble::failed(format!("the case {name} was not copied"))),
        };
        match outcome {
            Ok(result) => {
                progress(Progress::Ended(index, &result));
                cases.push(result);
            }
            Err(Trouble::Failed { why, .. }) => return Err(Trouble::Failed { why, cases }),
            Err(trouble) => return Err(trouble),
        }
    }
    fs::remove_dir_all(&judging.work).map_err(|error| failed(&judging.work, &error))?;
    let provenance = Provenance {
        source_sha256: judging.source_sha256,
        evaluator_sha256: judging.material.evaluator.sha256,
        cases_sha256: judging.material.cases_sha256,
        config_sha256: judging.rules.config_sha256,
        settings_sha256: Some(judging.rules.config.judging_sha256(&judging.language)),
        limits: Some(Granted::of(&judging.rules.config.limits)),
        engine: judging.identity.engine.clone(),
        image: judging.identity.image.clone(),
        order: judging.order.clone(),
        host: Some(host),
    };
    Ok(Report { cases, provenance })
}

fn failed(path: &Path, error: &io::Error) -> Trouble {
    Trouble::failed(format!("failed to use {}: {error}", path.display()))
}

async fn judge_case(
    judging: &Judging,
    case: &Case<'_>,
    sandbox: &dyn Sandbox,
    cancel: &CancellationToken,
) -> Result<CaseResult, Trouble> {
    files::empty_folder(&judging.work).map_err(|error| failed(&judging.work, &error))?;
    let folder = judging.work.join("run");
    files::private_folder(&folder).map_err(|error| failed(&folder, &error))?;

    let report = sandbox.run(&program(judging, case, folder.clone()), cancel).await?;
    let mut outcome = outcome::of_run(&report, &judging.rules.config.limits);
    let answer = match judging.language.output {
        Output::Stdout => folder.join("stdout"),
        Output::File => folder.join("answer"),
    };
    let has_answer = match judging.language.output {
        Output::Stdout => true,
        Output::File => matches!(report.answer, AnswerFile::Taken(_)),
    };
    let mut output_sha256 = None;
    if has_answer {
        output_sha256 = Some(files::digest(&answer).map_err(|error| failed(&answer, &error))?.0);
    }
    if outcome.verdict == Verdict::Accepted {
        outcome = evaluate::evaluate(judging, case, &answer, sandbox, cancel).await?;
    }
    let files = keep(judging, case.name, &folder, &outcome)?;
    Ok(CaseResult {
        case: case.name.clone(),
        verdict: outcome.verdict,
        score: outcome.score(&judging.rules.config.score),
        cpu_seconds: seconds(report.cpu),
        wall_seconds: seconds(report.wall),
        peak_memory_bytes: report.peak_memory,
        message: outcome.message,
        staff_message: outcome.staff_message,
        metrics: outcome.metrics,
        output_sha256,
        files,
    })
}

/// Seconds to the microsecond: what is measured is not finer, and the log stays readable.
fn seconds(duration: std::time::Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}

fn program(judging: &Judging, case: &Case<'_>, folder: PathBuf) -> RunSpec {
    let source = format!("/submission/source.{}", judging.extension);
    let input = case.copied.path.join("input.txt");
    let mut command: Vec<String> =
        judging.language.command.iter().map(|word| word.replace("{source}", &source)).collect();
    command.push(INPUT.into());
    RunSpec {
        label: format!("{}-{}-run", judging.label, case.index),
        command,
        mounts: vec![
            Mount { host: judging.source.clone(), inside: source },
            Mount { host: input.clone(), inside: INPUT.into() },
        ],
        stdin: Some(input),
        answer_file: judging.language.output == Output::File,
        limits: judging.rules.config.limits.clone(),
        cores: judging.cores.clone(),
        folder,
    }
}

/// Moves what a case left to where it is kept; what is empty is not kept, and of what is no answer that the evaluator saw only the end.
fn keep(judging: &Judging, case: &CaseName, folder: &Path, outcome: &Outcome) -> Result<Vec<Kept>, Trouble> {
    let mut kept = Vec::new();
    let answer = match judging.language.output {
        Output::Stdout => "stdout",
        Output::File => "answer",
    };
    let run = ["stdout", "stderr", "answer"].into_iter().map(|name| (name.to_owned(), folder.join(name)));
    for (name, path) in run.chain(outcome.files.iter().cloned()) {
        match fs::metadata(&path) {
            Ok(meta) if meta.len() > 0 => {}
            Ok(_) | Err(_) => continue,
        }
        let target = judging.keep.join(format!("{case}.{name}"));
        let moved = || -> io::Result<Kept> {
            let is_kept_whole = name == answer && outcome.is_of_the_evaluator();
            let whole = if is_kept_whole { None } else { Some(files::cut_to_tail(&path, LONGEST_OUTPUT)?) };
            let (sha256, bytes) = files::digest(&path)?;
            fs::rename(&path, &target)?;
            Ok(Kept { name, bytes, whole: whole.filter(|whole| *whole > bytes), sha256 })
        };
        kept.push(moved().map_err(|error| failed(&path, &error))?);
    }
    Ok(kept)
}

impl RunReport {
    /// CPU and wall time in words, for messages.
    fn clocks(&self) -> String {
        format!("{:.2} s of CPU time in {:.2} s", self.cpu.as_secs_f64(), self.wall.as_secs_f64())
    }
}
