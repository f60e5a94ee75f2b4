//! How a run, and a submission, came out, and whose doing that was.

use serde::{Deserialize, Serialize};

/// The outcome of one case. The spelling in JSON is a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The evaluator gave a number.
    Accepted,
    /// The evaluator called the answer infeasible.
    WrongAnswer,
    /// The CPU or the wall limit ended the run.
    TimeLimit,
    /// The memory limit ended the run.
    MemoryLimit,
    /// The run printed more than it may.
    OutputLimit,
    /// The program ended with a non-zero status or by a signal.
    RunError,
    /// The answer file is missing, a link, a device, or too long.
    BadOutput,
    /// The evaluator did not keep its contract.
    EvaluatorError,
    /// The judging system failed.
    InfrastructureError,
}

/// Who has to act on an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nobody.
    Nobody,
    /// Whoever sent the program: the case scores `failed`.
    Student,
    /// Whoever wrote the evaluator: the case has no score.
    Instructor,
    /// Whoever runs Podium: the case has no score, and the attempt is not counted.
    Operator,
}

impl Verdict {
    /// Every verdict, in the order of the contract.
    pub const ALL: [Verdict; 9] = [
        Verdict::Accepted,
        Verdict::WrongAnswer,
        Verdict::TimeLimit,
        Verdict::MemoryLimit,
        Verdict::OutputLimit,
        Verdict::RunError,
        Verdict::BadOutput,
        Verdict::EvaluatorError,
        Verdict::InfrastructureError,
    ];

    /// Whose doing it was.
    #[must_use]
    pub fn fault(self) -> Fault {
        match self {
            Verdict::Accepted => Fault::Nobody,
            Verdict::WrongAnswer
            | Verdict::TimeLimit
            | Verdict::MemoryLimit
            | Verdict::OutputLimit
            | Verdict::RunError
            | Verdict::BadOutput => Fault::Student,
            Verdict::EvaluatorError => Fault::Instructor,
            Verdict::InfrastructureError => Fault::Operator,
        }
    }

    /// One verdict for several cases, in their order: what keeps the set from having a score comes first (the operator's fault, then
    /// the instructor's), then the first failure of the student; `Accepted` when every case is.
    #[must_use]
    pub fn of_set(cases: impl IntoIterator<Item = Verdict>) -> Verdict {
        let weight = |verdict: Verdict| match verdict.fault() {
            Fault::Operator => 3,
            Fault::Instructor => 2,
            Fault::Student => 1,
            Fault::Nobody => 0,
        };
        cases.into_iter().fold(Verdict::Accepted, |worst, next| if weight(next) > weight(worst) { next } else { worst })
    }

    /// The spelling of the contract.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Accepted => "accepted",
            Verdict::WrongAnswer => "wrong-answer",
            Verdict::TimeLimit => "time-limit",
            Verdict::MemoryLimit => "memory-limit",
            Verdict::OutputLimit => "output-limit",
            Verdict::RunError => "run-error",
            Verdict::BadOutput => "bad-output",
            Verdict::EvaluatorError => "evaluator-error",
            Verdict::InfrastructureError => "infrastructure-error",
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_round_trips_and_is_printed_as_it_is_written() {
        for verdict in Verdict::ALL {
            let json = serde_json::to_string(&verdict).expect("a verdict is text");
            assert_eq!(json, format!("\"{verdict}\""));
            assert_eq!(serde_json::from_str::<Verdict>(&json).expect("its own spelling"), verdict);
        }
    }

    #[test]
    fn a_set_is_named_by_what_has_to_be_mended_first() {
        use Verdict::*;
        assert_eq!(Verdict::of_set([]), Accepted);
        assert_eq!(Verdict::of_set([Accepted, TimeLimit, RunError]), TimeLimit);
        assert_eq!(Verdict::of_set([TimeLimit, EvaluatorError, RunError]), EvaluatorError);
        assert_eq!(Verdict::of_set([EvaluatorError, InfrastructureError]), InfrastructureError);
    }
}
