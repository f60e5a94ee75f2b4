//! When a waiting submission can expect its verdict.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::config::Config;
use super::history::History;
use super::ids::{Number, UserName};

/// The expected time until the verdict of each waiting submission, in queue order; `None` before anything was judged.
///
/// Plays the queue forward: each worker is free when what it runs has taken the usual time, and the next in line goes to the first
/// free one. Where a user's submissions do not run beside each other, each also waits for the one before.
#[must_use]
pub fn expected(history: &History, config: &Config, now: DateTime<Utc>) -> Vec<(Number, Option<Duration>)> {
    let Some(usual) = history.usual_duration() else {
        return history.waiting().map(|submission| (submission.number, None)).collect();
    };
    played(history, config, now, usual).into_iter().map(|(number, time)| (number, Some(time))).collect()
}

/// The same, if every judging took as long as this: how sure the expectation is shows in what a quick and a slow one give.
#[must_use]
pub fn played(history: &History, config: &Config, now: DateTime<Utc>, usual: Duration) -> Vec<(Number, Duration)> {
    // What has run for longer than usual is not about to end for that: the longer it has taken, the longer it may yet.
    let left = |since: DateTime<Utc>| {
        let taken = (now - since).to_std().unwrap_or_default();
        usual.saturating_sub(taken).max(taken / 4)
    };
    let mut free: Vec<Duration> = history.running().map(|(_, since)| left(since)).collect();
    free.resize(config.queue.workers.max(free.len()).max(1), Duration::ZERO);
    let mut users: BTreeMap<&UserName, Duration> =
        history.running().map(|(submission, since)| (&submission.user, left(since))).collect();
    let one_at_a_time = config.runs_one_at_a_time();
    history
        .waiting()
        .map(|submission| {
            let first = (0..free.len()).min_by_key(|worker| free[*worker]).unwrap_or(0);
            let before = users.get(&submission.user).copied().filter(|_| one_at_a_time).unwrap_or_default();
            let verdict = free[first].max(before) + usual;
            // While it waits for the user's other one, the worker takes somebody else's.
            free[first] += usual;
            users.insert(&submission.user, verdict);
            (submission.number, verdict)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::story::{self, Story};

    #[test]
    fn the_queue_is_played_forward_one_of_each_user_at_a_time() {
        let mut story = Story::default();
        // In a story a judging takes a second.
        story.scores("zoe", [1.0, 1.0, 1.0]);
        for user in ["ann", "ann", "ben", "cid"] {
            story.accept(user);
        }
        let now = story.history.head().expect("a line").at;
        let seconds = |workers: usize| -> Vec<u64> {
            let rules = story::rules(&format!("[queue]\nworkers = {workers}\n"));
            let expected = expected(&story.history, &rules.config, now);
            expected.into_iter().map(|(_, time)| time.expect("one was judged").as_secs()).collect()
        };
        assert_eq!(seconds(1), [1, 2, 3, 4]);
        assert_eq!(seconds(4), [1, 2, 1, 1]);
    }

    #[test]
    fn what_has_run_for_longer_than_usual_is_not_taken_for_done() {
        let mut story = Story::default();
        story.scores("zoe", [1.0, 1.0, 1.0]);
        let slow = story.accept("ann");
        story.start(slow);
        story.accept("ben");
        let rules = story::rules("[queue]\nworkers = 1\n");
        let began = story.history.running().next().expect("one runs").1;
        let after = |seconds: i64| {
            let expected = expected(&story.history, &rules.config, began + chrono::TimeDelta::seconds(seconds));
            expected[0].1.expect("one was judged").as_secs()
        };
        assert_eq!([0, 1, 40, 400].map(after), [2, 1, 11, 101]);
    }
}
