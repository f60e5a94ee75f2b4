//! The queue: queue.html and queue.json.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{JSON_VERSION, Source, Tone, tone};
use crate::core::eta;
use crate::core::history::{State, Submission};
use crate::core::ids::{Number, UserName};
use crate::core::record::moment;
use crate::core::verdict::Verdict;

/// How many finished judgings the page shows.
const RECENT: usize = 10;

/// queue.html
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueuePage {
    /// What is on the workers.
    pub running: Vec<Running>,
    /// What waits, in order.
    pub waiting: Vec<Waiting>,
    /// What was judged last, the latest first.
    pub recent: Vec<Finished>,
    /// How many are judged at the same time.
    pub workers: usize,
    /// How long a judging usually takes, in seconds.
    pub usual_seconds: Option<u64>,
    /// When the daemon last gave a sign of life.
    pub alive_at: Option<String>,
}

/// On a worker.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Running {
    /// The submission.
    pub submission: Number,
    /// Whose it is.
    pub user: UserName,
    /// Since when.
    pub since: String,
}

/// In the queue.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Waiting {
    /// The submission.
    pub submission: Number,
    /// Whose it is.
    pub user: UserName,
    /// Its place, from 1.
    pub position: usize,
    /// When its verdict can be expected, in seconds from now.
    pub eta_seconds: Option<u64>,
}

/// Judged.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finished {
    /// The submission.
    pub submission: Number,
    /// Whose it is.
    pub user: UserName,
    /// When it was judged.
    pub at: String,
    /// The verdict of the public cases.
    pub verdict: Verdict,
    /// For the look of it.
    pub tone: Tone,
}

/// `public/queue.json`; a contract.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueueJson {
    v: u32,
    alive_at: Option<String>,
    running: Vec<Running>,
    waiting: Vec<Waiting>,
}

/// The queue, as a page and as JSON. `alive_at`: the daemon's latest sign of life; without a daemon, the log's last line.
#[must_use]
pub fn queue(source: Source<'_>, alive_at: Option<DateTime<Utc>>) -> (QueuePage, QueueJson) {
    let now = alive_at.or(source.history.head().map(|head| head.at));
    let workers = source.rules.config.queue.workers;
    let expected: BTreeMap<Number, _> =
        now.map(|now| eta::expected(source.history, workers, now)).unwrap_or_default().into_iter().collect();
    let running: Vec<Running> = source
        .history
        .running()
        .map(|(submission, since)| Running {
            submission: submission.number,
            user: submission.user.clone(),
            since: moment::text(since),
        })
        .collect();
    let waiting: Vec<Waiting> = source
        .history
        .waiting()
        .enumerate()
        .map(|(i, submission)| Waiting {
            submission: submission.number,
            user: submission.user.clone(),
            position: i + 1,
            eta_seconds: expected.get(&submission.number).copied().flatten().map(|time| time.as_secs()),
        })
        .collect();
    let alive_at = now.map(moment::text);
    let json =
        QueueJson { v: JSON_VERSION, alive_at: alive_at.clone(), running: running.clone(), waiting: waiting.clone() };
    let usual_seconds = source.usual_seconds();
    (QueuePage { running, waiting, recent: recent(source), workers, usual_seconds, alive_at }, json)
}

fn recent(source: Source<'_>) -> Vec<Finished> {
    // Submissions are judged nearly in their order: looking at a few more than are shown is enough.
    let mut finished: Vec<(DateTime<Utc>, &Submission, Verdict)> = source
        .history
        .submissions()
        .iter()
        .rev()
        .filter_map(|submission| match &submission.state {
            State::Judged { result, at } => Some((*at, submission, result.verdict(&source.rules.config.cases.public))),
            State::Waiting | State::Running { .. } => None,
        })
        .take(RECENT * 4)
        .collect();
    finished.sort_by_key(|(at, submission, _)| std::cmp::Reverse((*at, submission.number)));
    finished
        .into_iter()
        .take(RECENT)
        .map(|(at, submission, verdict)| Finished {
            submission: submission.number,
            user: submission.user.clone(),
            at: moment::text(at),
            verdict,
            tone: tone(verdict),
        })
        .collect()
}
