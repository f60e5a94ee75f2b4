//! The queue: queue.html and queue.json.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{JSON_VERSION, Source, Tone, tone};
use crate::core::eta;
use crate::core::history::{State, Submission};
use crate::core::ids::{Number, UserName};
use crate::core::record::moment;
use crate::core::verdict::Verdict;

/// How many finished judgings the page shows.
const RECENT: usize = 10;
/// How many of those that wait the page shows: whoever is further behind reads the place on the private page, and all are in queue.json.
const IN_LINE: usize = 100;

/// queue.html
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueuePage {
    /// What is on the workers.
    pub running: Vec<Running>,
    /// The first of those that wait, in order.
    pub waiting: Vec<WaitingRow>,
    /// How many wait in all.
    pub in_line: usize,
    /// What was judged last, the latest first.
    pub recent: Vec<Finished>,
    /// How many are judged at the same time.
    pub workers: usize,
    /// How long a judging usually takes.
    pub usual: Option<UsualView>,
    /// When the daemon last gave a sign of life.
    pub alive_at: Option<String>,
}

/// How long the latest judgings took, in whole seconds, rounded up.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UsualView {
    /// The middle one.
    pub seconds: u64,
    /// Eight in ten took from this
    pub quick_seconds: u64,
    /// to that.
    pub slow_seconds: u64,
    /// How many they were.
    pub of: usize,
}

/// In the queue, on the page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WaitingRow {
    /// As everybody may read it.
    pub entry: Waiting,
    /// The earliest that its verdict can be expected, in seconds from now, if all before it are quick; `None` where nothing is known, or
    /// the two are so close that one number says it.
    pub from_seconds: Option<u64>,
    /// The latest, if all are slow.
    pub to_seconds: Option<u64>,
}

/// On a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Running {
    /// The submission.
    pub submission: Number,
    /// Whose it is.
    pub user: UserName,
    /// Since when.
    pub since: String,
}

/// In the queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// The verdict of the public cases; `None` while a frozen board hides it.
    pub verdict: Option<Verdict>,
    /// For the look of it.
    pub tone: Tone,
}

/// `public/queue.json`; a contract.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueueJson {
    v: u32,
    /// When the daemon last gave a sign of life.
    pub alive_at: Option<String>,
    /// Why nothing is judged at the moment.
    #[serde(default)]
    pub held: Option<String>,
    running: Vec<Running>,
    waiting: Vec<Waiting>,
}

impl QueueJson {
    /// All that wait, in order.
    #[must_use]
    pub fn into_waiting(self) -> Vec<Waiting> {
        self.waiting
    }

    /// The place of a submission, where it waits.
    #[must_use]
    pub fn place(&self, submission: Number) -> Option<&Waiting> {
        self.waiting.iter().find(|waiting| waiting.submission == submission)
    }
}

/// The queue, as a page and as JSON. `alive_at`: the daemon's latest sign of life; without a daemon, the log's last line. `held`: why nothing is
/// judged, so that no time can be told.
#[must_use]
pub fn queue(source: Source<'_>, alive_at: Option<DateTime<Utc>>, held: Option<&str>) -> (QueuePage, QueueJson) {
    let now = alive_at.or(source.history.head().map(|head| head.at));
    let workers = source.rules.config.queue.workers;
    let expected: BTreeMap<Number, _> = now
        .filter(|_| held.is_none())
        .map(|now| eta::expected(source.history, &source.rules.config, now))
        .unwrap_or_default()
        .into_iter()
        .collect();
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
    let json = QueueJson {
        v: JSON_VERSION,
        alive_at: alive_at.clone(),
        held: held.map(str::to_owned),
        running: running.clone(),
        waiting: waiting.clone(),
    };
    let usual = source.history.usual();
    let in_line = waiting.len();
    let waiting = now.map(|now| rows(source, waiting, now)).unwrap_or_default();
    let usual = usual.map(|usual| UsualView {
        seconds: seconds(usual.median),
        quick_seconds: seconds(usual.quick),
        slow_seconds: seconds(usual.slow),
        of: usual.of,
    });
    (QueuePage { running, waiting, in_line, recent: recent(source), workers, usual, alive_at }, json)
}

fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// The first of what waits, with how sure its time is.
fn rows(source: Source<'_>, waiting: Vec<Waiting>, now: DateTime<Utc>) -> Vec<WaitingRow> {
    let config = &source.rules.config;
    let played = |duration| eta::played(source.history, config, now, duration);
    let ends: BTreeMap<Number, (u64, u64)> = source
        .history
        .usual()
        .map(|usual| {
            let (quick, slow) = (played(usual.quick), played(usual.slow));
            quick
                .into_iter()
                .zip(slow)
                .map(|((number, from), (_, to))| (number, (seconds(from), seconds(to))))
                .collect()
        })
        .unwrap_or_default();
    waiting
        .into_iter()
        .take(IN_LINE)
        .map(|entry| {
            // Two that a reader would round to the same.
            let apart = ends.get(&entry.submission).filter(|(from, to)| *to > 10 && to - from > from / 4);
            WaitingRow { from_seconds: apart.map(|(from, _)| *from), to_seconds: apart.map(|(_, to)| *to), entry }
        })
        .collect()
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
        .map(|(at, submission, verdict)| {
            let verdict = Some(verdict).filter(|_| !source.hides(submission));
            Finished {
                submission: submission.number,
                user: submission.user.clone(),
                at: moment::text(at),
                verdict,
                tone: verdict.map_or(Tone::None, tone),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::story::{Story, rules};

    #[test]
    fn a_long_line_is_whole_for_programs_and_a_page_for_people() {
        let mut story = Story::default();
        for _ in 0..IN_LINE + 7 {
            story.accept("ann");
        }
        let (page, json) = queue(story.source(&rules("")), None, None);
        assert_eq!((page.waiting.len(), page.in_line), (IN_LINE, IN_LINE + 7));
        let last = json.into_waiting().pop().expect("they wait");
        assert_eq!((last.position, last.submission), (IN_LINE + 7, Number(107)));
    }

    #[test]
    fn while_judging_is_held_no_time_is_told() {
        let mut story = Story::default();
        story.scores("ann", [1.0, 1.0, 1.0]);
        story.accept("ben");
        let (rules, now) = (rules(""), story.history.head().map(|head| head.at));
        let eta = |held| queue(story.source(&rules), now, held).1.into_waiting()[0].eta_seconds;
        assert!(eta(None).is_some());
        assert_eq!(eta(Some("there is no image")), None);
    }

    #[test]
    fn a_time_is_as_sure_as_the_latest_judgings_were_alike() {
        let mut story = Story::default();
        let slow = story.accept("zoe");
        story.start(slow);
        // In a story a line is a second: the first takes thirty, those between one each.
        for _ in 0..9 {
            story.scores("ann", [1.0, 1.0, 1.0]);
        }
        let two = "[queue]\nworkers = 1\n";
        let page = |story: &Story| queue(story.source(&rules(two)), None, None).0;
        story.accept("ben");
        assert_eq!(page(&story).waiting[0].to_seconds, None, "all took a second");
        story.end(slow, [1.0, 1.0, 1.0]);
        let page = page(&story);
        let usual = page.usual.clone().expect("some were judged");
        assert_eq!((usual.quick_seconds, usual.seconds, usual.slow_seconds, usual.of), (1, 1, 29, 10));
        let row = &page.waiting[0];
        assert_eq!((row.entry.eta_seconds, row.from_seconds, row.to_seconds), (Some(1), Some(1), Some(29)));
    }
}
