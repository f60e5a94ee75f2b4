//! When a waiting submission can expect its verdict.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::history::History;
use super::ids::Number;

/// The expected time until the verdict of each waiting submission, in queue order; `None` before anything was judged.
///
/// Plays the queue forward: each worker is free when what it runs has taken the usual time, and the next in line goes to the first
/// free one.
#[must_use]
pub fn expected(history: &History, workers: usize, now: DateTime<Utc>) -> Vec<(Number, Option<Duration>)> {
    let Some(usual) = history.usual_duration() else {
        return history.waiting().map(|submission| (submission.number, None)).collect();
    };
    let mut free: Vec<Duration> =
        history.running().map(|(_, since)| usual.saturating_sub((now - since).to_std().unwrap_or_default())).collect();
    free.resize(workers.max(free.len()).max(1), Duration::ZERO);
    history
        .waiting()
        .map(|submission| {
            let first = (0..free.len()).min_by_key(|worker| free[*worker]).unwrap_or(0);
            free[first] += usual;
            (submission.number, Some(free[first]))
        })
        .collect()
}
