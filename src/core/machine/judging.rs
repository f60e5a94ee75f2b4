//! Judgings: which begins next, when its result is recorded, and what becomes of one that fails.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::reuse::Known;
use super::{Effect, Machine, Order, Report, Sandbox, Trouble};
use crate::core::history::{State, Submission};
use crate::core::ids::{CaseName, Number, UserName};
use crate::core::record::{CaseResult, Event, Judged, Origin, Provenance, Started};
use crate::core::verdict::Verdict;

/// How often a judging is begun again after a failure of the platform, before the submission is set aside as `infrastructure-error`.
const MOST_FAILURES: u32 = 3;
/// How long to wait before the next try, by how many have failed: tries within milliseconds of each other are one try.
const PAUSES: [TimeDelta; 2] = [TimeDelta::seconds(1), TimeDelta::seconds(10)];
/// How often a judging may begin at all: what takes the daemon down with it every time must not do so for ever.
const MOST_ATTEMPTS: u32 = 20;

/// The judgings of this life.
#[derive(Debug, Default)]
pub(super) struct Judgings {
    /// Every one that has a worker, whether it still runs or its result waits to be recorded.
    running: BTreeSet<Number>,
    /// Those whose result waits for its moment.
    ended: BTreeMap<Number, Ended>,
    failures: BTreeMap<Number, Failures>,
    pub(super) known: Known,
}

/// A judging that is over.
#[derive(Debug)]
struct Ended {
    record_at: DateTime<Utc>,
    report: Report,
}

/// The failed tries of one judging.
#[derive(Debug)]
struct Failures {
    count: u32,
    not_before: DateTime<Utc>,
}

impl Judgings {
    /// A submission that is new to this life: the same bytes may have been judged before.
    pub(super) fn may_be_known(&mut self, number: Number) {
        self.known.add(number);
    }

    /// Whether every worker is free.
    pub(super) fn are_over(&self) -> bool {
        self.running.is_empty()
    }

    /// Results wait no longer.
    pub(super) fn hurry(&mut self) {
        for ended in self.ended.values_mut() {
            ended.record_at = DateTime::<Utc>::MIN_UTC;
        }
    }
}

impl Machine {
    pub(super) fn start_next(&mut self, now: DateTime<Utc>) {
        while self.judgings.running.len() < self.rules.config.queue.workers {
            let Some(number) = self.next_to_start(now) else { return };
            // A twin of it may have been judged since it came.
            if self.compare(number) {
                continue;
            }
            let Some(next) = self.history.get(number) else { return };
            let attempt = next.attempts + 1;
            if attempt > MOST_ATTEMPTS {
                self.set_aside(now, number, "its judging began too often without an end", &[]);
                continue;
            }
            let started = Started { submission: number, id: next.id.clone(), user: next.user.clone(), attempt };
            let order = Order {
                submission: number,
                attempt,
                language: next.language.clone(),
                source_sha256: next.sha256,
                rules: Arc::clone(&self.rules),
            };
            self.append(now, Event::Started(started));
            self.touch(number);
            self.judgings.running.insert(number);
            self.effects.push(Effect::Start(order));
        }
    }

    /// The first in the queue that may start. Each user's are looked at only as far as the first of them: there may be tens of thousands.
    fn next_to_start(&self, now: DateTime<Utc>) -> Option<Number> {
        let busy = self.busy_users();
        let failures = &self.judgings.failures;
        let may_start = |submission: &&Submission| {
            matches!(submission.state, State::Waiting)
                && !self.judgings.known.is_asked_for(submission.number)
                && failures.get(&submission.number).is_none_or(|failures| failures.not_before <= now)
        };
        let free = self.history.pending().filter(|(user, _)| !busy.contains(user));
        free.filter_map(|(_, mut pending)| pending.find(may_start)).map(|submission| submission.number).min()
    }

    /// Who has a submission on a worker, and may have no second one beside it.
    fn busy_users(&self) -> BTreeSet<&UserName> {
        if !self.rules.config.runs_one_at_a_time() {
            return BTreeSet::new();
        }
        self.judgings
            .running
            .iter()
            .filter_map(|number| self.history.get(*number))
            .map(|running| &running.user)
            .collect()
    }

    pub(super) fn judged(&mut self, now: DateTime<Utc>, number: Number, outcome: Result<Report, Trouble>) {
        if !self.judgings.running.contains(&number) {
            return;
        }
        let trouble = match outcome {
            Ok(report) => {
                let record_at = self.record_at(now, number);
                self.judgings.ended.insert(number, Ended { record_at, report });
                return;
            }
            Err(trouble) => trouble,
        };
        self.judgings.running.remove(&number);
        self.touch(number);
        self.history.put_back(number);
        match trouble {
            Trouble::Cancelled => {}
            Trouble::Unavailable(why) => self.sandbox = Sandbox::Held(why),
            Trouble::Failed { why, cases } => {
                let count = self.judgings.failures.get(&number).map_or(0, |failures| failures.count) + 1;
                if count >= MOST_FAILURES {
                    self.set_aside(now, number, &why, &cases);
                } else {
                    let not_before = now + PAUSES[(count as usize - 1).min(PAUSES.len() - 1)];
                    self.judgings.failures.insert(number, Failures { count, not_before });
                }
            }
        }
    }

    /// When the result of a judging that has just ended is to be recorded.
    fn record_at(&self, now: DateTime<Utc>, number: Number) -> DateTime<Utc> {
        let config = &self.rules.config;
        match self.history.get(number).map(|submission| &submission.state) {
            Some(State::Running { since }) if !self.stopping && !config.cases.private.is_empty() => {
                let took = (now - since).to_std().unwrap_or_default();
                let shown = TimeDelta::from_std(in_steps(took, config.queue.result_steps)).unwrap_or_default();
                *since + shown
            }
            _ => now,
        }
    }

    /// Records what has ended and need not wait any longer. Until then it keeps its worker: when the next one starts can be seen, too.
    pub(super) fn record_due(&mut self, now: DateTime<Utc>) {
        while let Some(number) =
            self.judgings.ended.iter().find(|(_, ended)| ended.record_at <= now).map(|(number, _)| *number)
        {
            self.judgings.running.remove(&number);
            self.touch(number);
            if let Some(ended) = self.judgings.ended.remove(&number) {
                self.record(now, number, ended.report.cases, Some(ended.report.provenance), None);
            }
        }
    }

    /// Records that the platform cannot judge a submission on all of its cases. It keeps its place in the user's history and waits for a
    /// rejudge. What had ended stands: that the platform failed on a private case must not show in the public ones.
    fn set_aside(&mut self, now: DateTime<Utc>, number: Number, why: &str, ended: &[CaseResult]) {
        let missing = |case: &CaseName| CaseResult {
            case: case.clone(),
            verdict: Verdict::InfrastructureError,
            score: None,
            cpu_seconds: 0.0,
            wall_seconds: 0.0,
            peak_memory_bytes: 0,
            message: None,
            staff_message: Some(why.to_owned()),
            metrics: BTreeMap::new(),
            output_sha256: None,
            files: Vec::new(),
        };
        let of = |case: &CaseName| ended.iter().find(|result| result.case == *case).cloned();
        let cases = self.rules.config.cases.all().map(|case| of(case).unwrap_or_else(|| missing(case))).collect();
        self.touch(number);
        self.record(now, number, cases, None, None);
    }

    pub(super) fn record(
        &mut self,
        now: DateTime<Utc>,
        number: Number,
        cases: Vec<CaseResult>,
        provenance: Option<Provenance>,
        reused: Option<Origin>,
    ) {
        let Some(submission) = self.history.get(number) else {
            return;
        };
        if let State::Judged { .. } = submission.state {
            return;
        }
        let (id, user) = (submission.id.clone(), submission.user.clone());
        // What is answered without a run has begun and ended here.
        let attempt = submission.attempts + u32::from(reused.is_some());
        self.judgings.failures.remove(&number);
        self.append(now, Event::Judged(Judged { submission: number, id, user, attempt, cases, provenance, reused }));
    }
}

/// The least of a step, two, four, … steps that is not less than what a judging took.
fn in_steps(took: Duration, step: Duration) -> Duration {
    if step.is_zero() {
        return took;
    }
    std::iter::successors(Some(step), |step| step.checked_mul(2)).find(|step| *step >= took).unwrap_or(took)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_judging_took_is_seen_in_steps_that_double() {
        let step = Duration::from_secs(5);
        let seen = |took: f64| in_steps(Duration::from_secs_f64(took), step).as_secs_f64();
        assert_eq!(
            [0.0, 0.1, 5.0, 5.001, 10.0, 11.0, 39.0, 41.0].map(seen),
            [5.0, 5.0, 5.0, 10.0, 10.0, 20.0, 40.0, 80.0]
        );
        assert_eq!(in_steps(Duration::from_millis(123), Duration::ZERO), Duration::from_millis(123));
    }
}
