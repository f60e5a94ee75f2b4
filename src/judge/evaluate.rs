//! Asking the evaluator: a guest of the sandbox like the program, that sees one case's folder and one answer.

use std::fs;
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::outcome::Outcome;
use super::{Case, Judging, failed};
use crate::core::config::Evaluator;
use crate::core::evaluation::{self, Evaluation};
use crate::core::ids::CaseName;
use crate::core::machine::Trouble;
use crate::core::score::Score;
use crate::core::text::visible_lines;
use crate::core::verdict::Verdict;
use crate::files;
use crate::sandbox::{Ended, Mount, RunReport, RunSpec, Sandbox};

/// Where the evaluator finds itself, `{evaluator}`.
const EVALUATOR: &str = "/evaluator";
/// Where it finds the case's folder, `{dir}`; the input, `{input}`, is in it.
const CASE: &str = "/case";
/// Where it finds the answer, `{output}`.
const OUTPUT: &str = "/output";
/// Of its standard error, staff read the end, at most this many bytes.
const LONGEST_STDERR: u64 = 2000;

/// What the evaluator is run with: one case's folder and one answer.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The case's name.
    pub case: &'a CaseName,
    /// Its folder.
    pub dir: &'a Path,
    /// The evaluator's folder.
    pub evaluator: &'a Path,
    /// The answer.
    pub output: &'a Path,
}

/// The run that asks it.
#[must_use]
pub fn asking(question: Question<'_>, rules: &Evaluator, label: String, folder: PathBuf) -> RunSpec {
    let fill = |word: &String| {
        word.replace("{evaluator}", EVALUATOR)
            .replace("{input}", &format!("{CASE}/input.txt"))
            .replace("{output}", OUTPUT)
            .replace("{dir}", CASE)
            .replace("{case}", question.case.as_str())
    };
    RunSpec {
        label,
        command: rules.command.iter().map(fill).collect(),
        mounts: vec![
            Mount { host: question.evaluator.to_owned(), inside: EVALUATOR.into() },
            Mount { host: question.dir.to_owned(), inside: CASE.into() },
            Mount { host: question.output.to_owned(), inside: OUTPUT.into() },
        ],
        stdin: None,
        answer_file: false,
        limits: rules.limits.clone(),
        cores: None,
        folder,
    }
}

/// What it answered.
///
/// # Errors
/// How it broke its contract, for staff.
pub fn answered(report: &RunReport, rules: &Evaluator, folder: &Path) -> Result<Evaluation, String> {
    let limits = &rules.limits;
    let fault = match report.ended {
        Ended::Exited(0) => None,
        Ended::Exited(status) => Some(format!("ended with exit status {status}")),
        Ended::Signalled(signal) => Some(format!("was ended by signal {signal}")),
        Ended::CpuLimit => Some(format!("was stopped by its CPU limit of {}", humantime::format_duration(limits.cpu))),
        Ended::WallLimit => {
            Some(format!("was stopped by its wall limit of {}", humantime::format_duration(limits.wall)))
        }
        Ended::MemoryLimit => Some(format!("was stopped by its memory limit of {} MiB", limits.memory >> 20)),
        Ended::OutputLimit => Some(format!("was stopped by its output limit of {} bytes", limits.output)),
    };
    let printed = || fs::read(folder.join("stdout")).map_err(|error| format!("left no output: {error}"));
    fault.map_or_else(|| printed().and_then(|printed| evaluation::parse(&printed)), Err).map_err(|why| {
        let (tail, _) = files::tail(&folder.join("stderr"), LONGEST_STDERR).unwrap_or_default();
        format!("{why}\n{}", visible_lines(&String::from_utf8_lossy(&tail))).trim().to_owned()
    })
}

/// Evaluates one answer of a judging.
pub(super) async fn evaluate(
    judging: &Judging,
    case: &Case<'_>,
    answer: &Path,
    sandbox: &dyn Sandbox,
    cancel: &CancellationToken,
) -> Result<Outcome, Trouble> {
    let folder = judging.work.join("evaluator");
    files::private_folder(&folder).map_err(|error| failed(&folder, &error))?;
    let rules = &judging.rules.config.evaluator;
    let question = Question {
        case: case.name,
        dir: &case.copied.path,
        evaluator: &judging.material.evaluator.path,
        output: answer,
    };
    let label = format!("{}-{}-eval", judging.label, case.index);
    let spec = RunSpec { cores: judging.cores.clone(), ..asking(question, rules, label, folder.clone()) };
    let report = sandbox.run(&spec, cancel).await?;
    let mut outcome = match answered(&report, rules, &folder) {
        Ok(evaluation) => {
            let verdict = if evaluation.score == Score::Infeasible { Verdict::WrongAnswer } else { Verdict::Accepted };
            Outcome {
                given: Some(evaluation.score),
                staff_message: evaluation.staff_message,
                metrics: evaluation.metrics,
                ..Outcome::new(verdict, evaluation.message)
            }
        }
        Err(why) => Outcome::evaluator_error(format!("on case {} the evaluator {why}", case.name)),
    };
    outcome.files.push(("evaluator-stderr".into(), folder.join("stderr")));
    Ok(outcome)
}
