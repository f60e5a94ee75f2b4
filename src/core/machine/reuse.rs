//! The same bytes again: what was judged before is answered from that judging, and costs no run.
//!
//! The log says what a judging was made of; only the edge can say whether evaluator, cases and image are still the same. So the machine names a
//! candidate, the edge compares, and only then is the answer recorded. Whatever does not hold, or cannot be told, is judged in its turn: a
//! submission keeps its place while it is asked about.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{Comparison, Effect, Machine};
use crate::core::history::{State, Submission};
use crate::core::ids::Number;
use crate::core::outcome::Outcome;
use crate::core::record::{Judged, Origin, Provenance};
use crate::core::rules::Rules;
use crate::core::verdict::{Fault, Verdict};

/// Comparisons under way at one time.
const MOST_COMPARISONS: usize = 4;

/// What this life knows of submissions that may have been judged before.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Not looked up yet.
    new: BTreeSet<Number>,
    /// Those that the edge is comparing, each with what, and under which rules.
    asked: BTreeMap<Number, (Origin, Arc<Rules>)>,
    /// Those of which it said that they are not made of the same as this one.
    unlike: BTreeMap<Number, Origin>,
}

impl Known {
    pub(super) fn add(&mut self, number: Number) {
        self.new.insert(number);
    }

    pub(super) fn is_asked_for(&self, number: Number) -> bool {
        self.asked.contains_key(&number)
    }
}

impl Machine {
    /// Looks up what is new in the queue.
    pub(super) fn compare_new(&mut self) {
        while self.judgings.known.asked.len() < MOST_COMPARISONS {
            let Some(number) = self.judgings.known.new.pop_first() else { return };
            self.compare(number);
        }
    }

    /// Has a submission compared with an earlier judging, if there is one to compare it with; says whether there was.
    pub(super) fn compare(&mut self, number: Number) -> bool {
        let known = &self.judgings.known;
        let Some(comparison) = self.history.get(number).and_then(|submission| self.comparison(submission)) else {
            return false;
        };
        if known.is_asked_for(number) || known.unlike.get(&number) == Some(&comparison.origin) {
            return false;
        }
        self.judgings.known.asked.insert(number, (comparison.origin, Arc::clone(&comparison.rules)));
        self.effects.push(Effect::Compare(comparison));
        true
    }

    /// The earlier judging that may answer a submission, as far as the log and the settings say.
    fn comparison(&self, submission: &Submission) -> Option<Comparison> {
        let config = &self.rules.config;
        if !matches!(submission.state, State::Waiting) {
            return None;
        }
        let earlier = self.history.judged_before(submission)?;
        let judged = earlier.judged()?;
        let language = config.languages.get(&submission.language)?;
        let same = judged.settings_sha256() == Some(config.judging_sha256(language))
            && config.cases.all().all(|case| judged.verdict_of(case).is_some())
            && self.is_without_fault_of_others(judged);
        same.then_some(Comparison {
            submission: submission.number,
            origin: earlier.origin()?,
            line: judged.line(),
            rules: Arc::clone(&self.rules),
        })
    }

    /// Whether neither the platform nor the evaluator spoiled a judging, as far as its sender may know: that the evaluator failed on a private
    /// case must not show in a second judging either, and the same evaluator would fail again.
    fn is_without_fault_of_others(&self, judged: &Outcome) -> bool {
        let public = judged.verdict(&self.rules.config.cases.public).fault();
        matches!(public, Fault::Nobody | Fault::Student)
            && judged.verdicts().all(|verdict| verdict != Verdict::InfrastructureError)
    }

    /// The answer about a submission: the earlier judging, where one now would be made of the very same.
    pub(super) fn compared(&mut self, now: DateTime<Utc>, number: Number, origin: Origin, same: Option<Judged>) {
        let Some((_, rules)) = self.judgings.known.asked.remove(&number) else { return };
        if !Arc::ptr_eq(&rules, &self.rules) {
            // The answer is about other rules than those in force.
            self.judgings.known.add(number);
            return;
        }
        let Some(submission) = self.history.get(number) else { return };
        let is_of = |provenance: &Provenance| provenance.source_sha256 == submission.sha256;
        if self.comparison(submission).is_none_or(|comparison| comparison.origin != origin) {
            return;
        }
        match same.filter(|earlier| earlier.provenance.as_ref().is_some_and(is_of)) {
            Some(earlier) => {
                self.touch(number);
                self.record(now, number, earlier.cases, earlier.provenance, Some(origin));
            }
            None => {
                self.judgings.known.unlike.insert(number, origin);
            }
        }
    }
}
