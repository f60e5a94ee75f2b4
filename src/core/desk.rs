//! What staff look at, as a fold over the log that stays small however long the log is: the latest judgings with everything that the log
//! says of them, what has no score, what is in the queue, and who uses how much.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::config::Board;
use super::ids::{Number, UserName};
use super::record::{Accepted, Event, Judged, Record};
use super::verdict::Fault;

/// So many of the latest judgings are kept whole.
pub const LATEST: usize = 500;
/// So many of the latest that have no score.
pub const UNSCORED: usize = 200;
/// So many of the latest refusals.
const REFUSALS: usize = 50;
/// So many judgings say how long one usually takes.
const USUAL: usize = 20;
/// Arrivals are remembered for so long, for the quota on them.
pub const REMEMBERED: TimeDelta = TimeDelta::hours(24);

/// What the log says of one submission.
#[derive(Debug, Clone)]
pub struct Dossier {
    /// How it came in.
    pub accepted: Accepted,
    /// The line that says so.
    pub seq: u64,
    /// When that was written.
    pub received_at: DateTime<Utc>,
    /// When the latest judging of it began, and which attempt that is.
    pub started: Option<(DateTime<Utc>, u32)>,
    /// When it ended, and how.
    pub judged: Option<(DateTime<Utc>, Judged)>,
}

impl Dossier {
    /// Whether a case of it has no score because the evaluator or the platform failed.
    #[must_use]
    pub fn is_unscored(&self) -> bool {
        self.judged.as_ref().is_some_and(|(_, judged)| {
            judged.cases.iter().any(|case| matches!(case.verdict.fault(), Fault::Instructor | Fault::Operator))
        })
    }
}

/// A file that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// When.
    pub at: DateTime<Utc>,
    /// Whose it was, as far as can be told.
    pub user: Option<UserName>,
    /// Its name; of many files how many they were.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// The fold.
#[derive(Debug, Clone, Default)]
pub struct Desk {
    /// The last line: its number and when it was written.
    pub head: Option<(u64, DateTime<Utc>)>,
    /// What the log last said of the board.
    pub board: Option<Board>,
    /// How many submissions were taken in.
    pub accepted: u64,
    /// How many files were refused.
    pub refused: u64,
    /// What waits or runs, first come first.
    pub unfinished: BTreeMap<Number, Dossier>,
    /// The latest that were judged, by the line that says so.
    pub latest: BTreeMap<u64, Arc<Dossier>>,
    /// The latest that have no score, the same.
    pub unscored: BTreeMap<u64, Arc<Dossier>>,
    /// The latest refusals, in order.
    pub refusals: VecDeque<Refused>,
    /// The bytes of sources and outputs that are kept, by user.
    pub kept: BTreeMap<UserName, u64>,
    /// Who handed in when, of the last [`REMEMBERED`].
    pub arrivals: VecDeque<(DateTime<Utc>, UserName)>,
    /// When something was last judged, or began to be.
    pub moved_at: Option<DateTime<Utc>>,
    took: VecDeque<TimeDelta>,
    changed: BTreeSet<Number>,
}

impl Desk {
    /// Takes in the next line.
    pub fn apply(&mut self, record: &Record) {
        let (seq, at) = (record.header.seq, record.header.at);
        self.head = Some((seq, at));
        match &record.event {
            Event::Accepted(accepted) => {
                self.accepted += 1;
                *self.kept.entry(accepted.user.clone()).or_default() += accepted.size;
                self.arrivals.push_back((at, accepted.user.clone()));
                while self.arrivals.front().is_some_and(|(first, _)| at - *first > REMEMBERED) {
                    self.arrivals.pop_front();
                }
                let dossier = Dossier { accepted: accepted.clone(), seq, received_at: at, started: None, judged: None };
                self.unfinished.insert(accepted.submission, dossier);
            }
            Event::Started(started) => {
                self.moved_at = Some(at);
                if let Some(dossier) = self.unfinished.get_mut(&started.submission) {
                    dossier.started = Some((at, started.attempt));
                }
            }
            Event::Judged(judged) => self.judged(seq, at, judged),
            Event::Rejected(rejected) => {
                self.refused += 1;
                let (user, file) = (rejected.user.clone(), rejected.file.clone());
                self.refusal(Refused { at, user, file, reason: rejected.reason.clone() });
            }
            Event::Discarded(discarded) => {
                self.refused += discarded.files;
                let file = format!("{} files", discarded.files);
                self.refusal(Refused { at, user: discarded.user.clone(), file, reason: discarded.reason.clone() });
            }
            Event::Board(change) => self.board = Some(change.state),
            Event::Unknown => {}
        }
    }

    fn judged(&mut self, seq: u64, at: DateTime<Utc>, judged: &Judged) {
        self.moved_at = Some(at);
        // The first result stands.
        let Some(mut dossier) = self.unfinished.remove(&judged.submission) else { return };
        if judged.reused.is_none() {
            *self.kept.entry(judged.user.clone()).or_default() += judged.kept_bytes();
            if let Some((began, _)) = dossier.started {
                if self.took.len() == USUAL {
                    self.took.pop_front();
                }
                self.took.push_back(at - began);
            }
        }
        dossier.judged = Some((at, judged.clone()));
        let dossier = Arc::new(dossier);
        self.changed.insert(judged.submission);
        if dossier.is_unscored() {
            keep(&mut self.unscored, seq, &dossier, UNSCORED);
        }
        keep(&mut self.latest, seq, &dossier, LATEST);
    }

    fn refusal(&mut self, refused: Refused) {
        if self.refusals.len() == REFUSALS {
            self.refusals.pop_front();
        }
        self.refusals.push_back(refused);
    }

    /// How long nine in ten of the latest judgings took at most; `None` before the first.
    #[must_use]
    pub fn slow(&self) -> Option<TimeDelta> {
        let mut sorted: Vec<_> = self.took.iter().copied().collect();
        sorted.sort_unstable();
        sorted.get(sorted.len() * 9 / 10).copied()
    }

    /// Those that have a page of their own, by number.
    #[must_use]
    pub fn dossiers(&self) -> BTreeMap<Number, Arc<Dossier>> {
        let all = self.latest.values().chain(self.unscored.values());
        all.map(|dossier| (dossier.accepted.submission, Arc::clone(dossier))).collect()
    }

    /// What was judged since this was last asked.
    pub fn take_changed(&mut self) -> BTreeSet<Number> {
        std::mem::take(&mut self.changed)
    }
}

/// Keeps no more than so many, the latest.
fn keep(kept: &mut BTreeMap<u64, Arc<Dossier>>, seq: u64, dossier: &Arc<Dossier>, most: usize) {
    kept.insert(seq, Arc::clone(dossier));
    if kept.len() > most {
        kept.pop_first();
    }
}
