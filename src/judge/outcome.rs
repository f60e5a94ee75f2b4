//! From how a run ended to a verdict, and to words that say why.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::core::config::{Limits, Scoring};
use crate::core::score::Score;
use crate::core::verdict::{Fault, Verdict};
use crate::sandbox::{AnswerFile, Ended, RunReport};

/// How a case came out, before it is written down.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub(super) verdict: Verdict,
    /// The evaluator's, where there is one.
    pub(super) given: Option<Score>,
    pub(super) message: Option<String>,
    pub(super) staff_message: Option<String>,
    pub(super) metrics: BTreeMap<String, f64>,
    /// Further files to be kept, by the name to keep them under.
    pub(super) files: Vec<(String, PathBuf)>,
}

impl Outcome {
    pub(super) fn new(verdict: Verdict, message: Option<String>) -> Self {
        Self { verdict, given: None, message, staff_message: None, metrics: BTreeMap::new(), files: Vec::new() }
    }

    /// The evaluator's fault: the student reads only that, staff read why.
    pub(super) fn evaluator_error(why: impl Into<String>) -> Self {
        let message = "the evaluator failed on this answer; staff have been told".to_owned();
        Self { staff_message: Some(why.into()), ..Self::new(Verdict::EvaluatorError, Some(message)) }
    }

    /// Whether the evaluator was asked.
    pub(super) fn is_of_the_evaluator(&self) -> bool {
        matches!(self.verdict, Verdict::Accepted | Verdict::WrongAnswer | Verdict::EvaluatorError)
    }

    /// What the case scores.
    pub(super) fn score(&self, rules: &Scoring) -> Option<Score> {
        match self.verdict.fault() {
            Fault::Nobody => self.given,
            Fault::Student => Some(rules.failed),
            Fault::Instructor | Fault::Operator => None,
        }
    }
}

/// What a run's end says by itself. [`Verdict::Accepted`] here means: ask the evaluator.
pub(super) fn of_run(report: &RunReport, limits: &Limits) -> Outcome {
    let (verdict, message) = match report.ended {
        Ended::CpuLimit => (
            Verdict::TimeLimit,
            format!("stopped by the CPU limit of {}: it had used {}", duration(limits.cpu), report.clocks()),
        ),
        Ended::WallLimit => (
            Verdict::TimeLimit,
            format!("stopped by the wall limit of {}: it had used {}", duration(limits.wall), report.clocks()),
        ),
        Ended::MemoryLimit => (Verdict::MemoryLimit, format!("stopped by the memory limit of {}", size(limits.memory))),
        Ended::OutputLimit => (Verdict::OutputLimit, format!("stopped by the output limit of {}", size(limits.output))),
        Ended::Exited(0) => match &report.answer {
            AnswerFile::NotWanted | AnswerFile::Taken(_) => {
                return Outcome::new(Verdict::Accepted, None);
            }
            AnswerFile::Missing => {
                (Verdict::BadOutput, "there is no output.json in the folder that it started in".to_owned())
            }
            AnswerFile::Refused(why) => (Verdict::BadOutput, format!("output.json {why}")),
        },
        Ended::Exited(status) => (Verdict::RunError, format!("ended with exit status {status}")),
        Ended::Signalled(signal) => (Verdict::RunError, format!("ended by signal {signal}{}", signal_name(signal))),
    };
    Outcome::new(verdict, Some(message))
}

fn duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// Bytes as config.toml writes them.
fn size(bytes: u64) -> String {
    for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] {
        if bytes >= 1 << shift && bytes.is_multiple_of(1 << shift) {
            return format!("{} {unit}", bytes >> shift);
        }
    }
    format!("{bytes} B")
}

/// The names of the signals that programs die of.
fn signal_name(signal: i32) -> &'static str {
    match signal {
        4 => " (SIGILL, illegal instruction)",
        6 => " (SIGABRT, aborted)",
        7 => " (SIGBUS, bad memory access)",
        8 => " (SIGFPE, arithmetic error)",
        9 => " (SIGKILL)",
        11 => " (SIGSEGV, invalid memory access)",
        13 => " (SIGPIPE)",
        15 => " (SIGTERM)",
        31 => " (SIGSYS, forbidden system call)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            cpu: Duration::from_secs(10),
            wall: Duration::from_secs(30),
            memory: 256 << 20,
            processes: 64,
            output: 1000,
            scratch: 64 << 20,
        }
    }

    fn run(ended: Ended, answer: AnswerFile) -> String {
        let report = RunReport {
            ended,
            cpu: Duration::from_millis(20),
            wall: Duration::from_millis(30_100),
            peak_memory: 0,
            stdout: 0,
            stderr: 0,
            answer,
        };
        let outcome = of_run(&report, &limits());
        format!("{}: {}", outcome.verdict, outcome.message.unwrap_or_default())
    }

    #[test]
    fn every_end_has_its_verdict_and_says_which_limit_and_which_clock() {
        use AnswerFile::{Missing, NotWanted, Refused, Taken};
        let ends = [
            run(Ended::Exited(0), NotWanted),
            run(Ended::Exited(0), Taken(3)),
            run(Ended::Exited(0), Missing),
            run(Ended::Exited(0), Refused("is a link".into())),
            run(Ended::Exited(3), Taken(3)),
            run(Ended::Signalled(11), NotWanted),
            run(Ended::CpuLimit, NotWanted),
            run(Ended::WallLimit, NotWanted),
            run(Ended::MemoryLimit, NotWanted),
            run(Ended::OutputLimit, NotWanted),
        ];
        insta::assert_snapshot!(ends.join("\n"), @r"
        accepted: 
        accepted: 
        bad-output: there is no output.json in the folder that it started in
        bad-output: output.json is a link
        run-error: ended with exit status 3
        run-error: ended by signal 11 (SIGSEGV, invalid memory access)
        time-limit: stopped by the CPU limit of 10s: it had used 0.02 s of CPU time in 30.10 s
        time-limit: stopped by the wall limit of 30s: it had used 0.02 s of CPU time in 30.10 s
        memory-limit: stopped by the memory limit of 256 MiB
        output-limit: stopped by the output limit of 1000 B
        ");
    }
}
