//! What the history keeps of a judging: how each case came out, and what it scored, in a few bytes each.
//!
//! A competition may have hundreds of thousands of judgings. Whatever ranks, counts or queues asks for no more than this; messages, clocks and
//! files are read back from the log by whoever shows them ([`Details`](super::details::Details)).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::config::Scoring;
use super::digest::Digest;
use super::ids::CaseName;
use super::record::{CaseResult, Judged, Origin};
use super::score::Score;
use super::verdict::{Fault, Verdict};

/// How a judging came out.
#[derive(Debug, Clone)]
pub struct Outcome {
    line: u64,
    attempt: u32,
    /// Few have one.
    reused: Option<Box<Origin>>,
    frame: Arc<Frame>,
    /// As many, and in the same order, as the frame has cases.
    marks: Box<[Mark]>,
}

/// What nearly all judgings of a competition have in common.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Frame {
    /// Sorted.
    cases: Box<[CaseName]>,
    settings_sha256: Option<Digest>,
}

/// Every frame that there is, once.
#[derive(Debug, Clone, Default)]
pub(super) struct Frames(BTreeSet<Arc<Frame>>);

impl Frames {
    /// What is kept of a judging that a line of the log tells of.
    pub(super) fn outcome(&mut self, line: u64, judged: &Judged) -> Outcome {
        let mut cases: Vec<&CaseResult> = judged.cases.iter().collect();
        cases.sort_by(|a, b| a.case.cmp(&b.case));
        // The first one tells, should a case ever be there twice.
        cases.dedup_by(|next, first| next.case == first.case);
        let frame = Frame {
            cases: cases.iter().map(|result| result.case.clone()).collect(),
            settings_sha256: judged.provenance.as_ref().and_then(|provenance| provenance.settings_sha256),
        };
        Outcome {
            line,
            attempt: judged.attempt,
            reused: judged.reused.map(Box::new),
            frame: self.shared(frame),
            marks: cases.iter().map(|result| Mark::of(result.verdict, result.score)).collect(),
        }
    }

    fn shared(&mut self, frame: Frame) -> Arc<Frame> {
        if let Some(known) = self.0.get(&frame) {
            return Arc::clone(known);
        }
        let new = Arc::new(frame);
        self.0.insert(Arc::clone(&new));
        new
    }
}

impl Outcome {
    /// The line of the log that has the whole of it.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Which of its submission's attempts it is the result of.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The judging that it was taken from, where nothing was run.
    #[must_use]
    pub fn reused(&self) -> Option<Origin> {
        self.reused.as_deref().copied()
    }

    /// What of config.toml made it; `None` where that was not recorded, or the platform never got to judge.
    #[must_use]
    pub fn settings_sha256(&self) -> Option<Digest> {
        self.frame.settings_sha256
    }

    /// The verdict of one case.
    #[must_use]
    pub fn verdict_of(&self, case: &CaseName) -> Option<Verdict> {
        self.mark(case).map(Mark::verdict)
    }

    /// The verdict of every case, in the order of their names.
    pub fn verdicts(&self) -> impl Iterator<Item = Verdict> {
        self.marks.iter().map(|mark| mark.verdict())
    }

    /// The verdict over a set of cases, as far as they were judged.
    #[must_use]
    pub fn verdict(&self, set: &[CaseName]) -> Verdict {
        Verdict::of_set(set.iter().filter_map(|name| self.verdict_of(name)))
    }

    /// The score of a set of cases under the rules in force. `None` while a case of the set has none: the judging failed on it, or
    /// the case came into the set after this judging.
    #[must_use]
    pub fn score<'c>(&self, set: impl IntoIterator<Item = &'c CaseName>, rules: &Scoring) -> Option<Score> {
        let score = |name| self.mark(name).and_then(|mark| score_under(mark.verdict(), mark.score(), rules));
        let scores: Option<Vec<Score>> = set.into_iter().map(score).collect();
        Score::total(&scores?, rules.total)
    }

    fn mark(&self, case: &CaseName) -> Option<Mark> {
        let place = self.frame.cases.binary_search(case).ok()?;
        self.marks.get(place).copied()
    }
}

/// What a case scores under the rules in force, which may say another `failed` than those it was judged by.
#[must_use]
pub fn score_under(verdict: Verdict, score: Option<Score>, rules: &Scoring) -> Option<Score> {
    match verdict.fault() {
        Fault::Nobody => score,
        Fault::Student => Some(rules.failed),
        Fault::Instructor | Fault::Operator => None,
    }
}

/// How one case came out, in eight bytes: the number that an accepted one scored as it is, and whatever else there can be as one of the many
/// NaNs, which are no score. What a case that was not accepted scores, the rules in force say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark(u64);

/// A quiet NaN; its lowest bits are the verdict's place in [`Verdict::ALL`].
const NO_NUMBER: u64 = 0x7ff8_0000_0000_0000;
/// With the verdict `accepted`: infeasible. Without: no score.
const INFEASIBLE: u64 = 1 << 8;

impl Mark {
    fn of(verdict: Verdict, score: Option<Score>) -> Self {
        let place = Verdict::ALL.iter().position(|known| *known == verdict).unwrap_or_default() as u64;
        match (verdict, score) {
            (Verdict::Accepted, Some(Score::Finite(number))) => Self(number.to_bits()),
            (Verdict::Accepted, Some(Score::Infeasible)) => Self(NO_NUMBER | INFEASIBLE | place),
            (_, _) => Self(NO_NUMBER | place),
        }
    }

    fn number(self) -> Option<f64> {
        Some(f64::from_bits(self.0)).filter(|number| number.is_finite())
    }

    fn verdict(self) -> Verdict {
        match self.number() {
            Some(_) => Verdict::Accepted,
            None => Verdict::ALL[usize::from(self.0.to_le_bytes()[0]) % Verdict::ALL.len()],
        }
    }

    /// Of an accepted case.
    fn score(self) -> Option<Score> {
        match self.number() {
            Some(number) => Some(Score::Finite(number)),
            None => (self.0 & INFEASIBLE != 0).then_some(Score::Infeasible),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::{Better, Total};
    use crate::core::story::{self, case};
    use proptest::prelude::*;

    fn rules(failed: Score) -> Scoring {
        Scoring { failed, total: Total::Sum, better: Better::Lower, ..story::rules("").config.score }
    }

    fn name(name: &str) -> CaseName {
        name.parse().expect("a name")
    }

    proptest! {
        /// Whatever a line says, eight bytes answer as the line would.
        #[test]
        fn a_mark_scores_what_the_line_says(verdict in 0..Verdict::ALL.len(), number in any::<f64>(), which in 0..3u8, failed in any::<i16>()) {
            let verdict = Verdict::ALL[verdict];
            let score = match which {
                0 => None,
                1 => Some(Score::Infeasible),
                _ => Score::finite(number),
            };
            let mark = Mark::of(verdict, score);
            let rules = rules(Score::Finite(f64::from(failed)));
            prop_assert_eq!(mark.verdict(), verdict);
            prop_assert_eq!(score_under(mark.verdict(), mark.score(), &rules), score_under(verdict, score, &rules));
        }
    }

    #[test]
    fn sets_are_asked_by_name_whatever_the_order_of_the_run() {
        let mut story = story::Story::default();
        let number = story.accept("ann");
        let cases = [
            ("two", Verdict::TimeLimit, None),
            ("secret", Verdict::Accepted, Some(4.0)),
            ("one", Verdict::Accepted, Some(0.5)),
        ];
        story.judge(number, cases.map(|(name, verdict, score)| case(name, verdict, score)).into());
        let outcome = story.history.get(number).and_then(|one| one.judged()).expect("judged");
        let set = |names: &[&str]| names.iter().map(|text| name(text)).collect::<Vec<_>>();
        let score = |names: &[&str]| outcome.score(&set(names), &rules(Score::Finite(10.0)));
        assert_eq!(score(&["one", "secret"]), Some(Score::Finite(4.5)));
        assert_eq!(score(&["one", "two"]), Some(Score::Finite(10.5)), "what failed scores what the rules say");
        assert_eq!(score(&["one", "new"]), None, "a case that came later has no score");
        assert_eq!(outcome.verdict(&set(&["one", "secret"])), Verdict::Accepted);
        assert_eq!(outcome.verdict(&set(&["one", "new", "two"])), Verdict::TimeLimit);
        assert_eq!(
            (outcome.verdict_of(&name("two")), outcome.verdict_of(&name("new"))),
            (Some(Verdict::TimeLimit), None)
        );
    }

    #[test]
    fn judgings_of_the_same_cases_share_their_names() {
        let mut story = story::Story::default();
        let numbers = [story.scores("ann", [1.0, 2.0, 3.0]), story.scores("bob", [3.0, 2.0, 1.0])];
        let frames = numbers
            .map(|number| Arc::as_ptr(&story.history.get(number).and_then(|one| one.judged()).expect("judged").frame));
        assert_eq!(frames[0], frames[1]);
    }
}
