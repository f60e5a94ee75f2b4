//! The files that were found whole and are not yet accepted or refused, so ordered that nothing walks over all of them: tens of thousands
//! may wait.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use chrono::{DateTime, Utc};

use super::{Arrival, Found, Reception};
use crate::core::config::Board;
use crate::core::ids::UserName;
use crate::core::submission::FileName;

/// A file whose check takes longer than this many ticks, which come once a second, loses its place to those behind it, so that a program made
/// to keep the compiler busy keeps nobody else waiting. The clock on the wall would not do: a daemon that a slow disk or a busy host held up
/// for some seconds finds that much time gone, and the checks of all those seconds done.
const PATIENCE: u32 = 2;

/// Whose turn comes first: by the time of arrival, then by name. The inode tells two files of one name in two folders apart.
pub(super) type Turn = (i64, OsString, u64);

pub(super) fn turn(found: &Found) -> Turn {
    (found.key.changed_ns, found.name.clone(), found.key.inode)
}

/// The same, without a copy of the name.
pub(super) fn in_turn(found: &Found) -> (i64, &OsString, u64) {
    (found.key.changed_ns, &found.name, found.key.inode)
}

/// A file on its way in.
#[derive(Debug)]
pub(super) struct Arriving {
    pub(super) arrival: Arrival,
    pub(super) name: FileName,
    /// The board when it was found: what counts is when it arrived, however long its check took.
    pub(super) board: Board,
    step: Step,
}

#[derive(Debug)]
enum Step {
    Waiting,
    /// The platform failed on it. Nobody waits for it meanwhile.
    Failed {
        not_before: DateTime<Utc>,
    },
    Receiving,
    Received(Reception),
}

/// Every file that was found whole and is not yet accepted or refused, in the order of arrival; and the same by step.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    all: BTreeMap<Turn, Arriving>,
    waiting: BTreeMap<UserName, BTreeSet<Turn>>,
    failed: BTreeSet<(DateTime<Utc>, Turn)>,
    /// For how many ticks.
    receiving: BTreeMap<Turn, u32>,
    received: BTreeSet<Turn>,
}

impl Arrivals {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn knows(&self, turn: &Turn) -> bool {
        self.all.contains_key(turn)
    }

    /// How many are being received.
    pub(super) fn receiving(&self) -> usize {
        self.receiving.len()
    }

    /// A new one, which waits.
    pub(super) fn add(&mut self, arrival: Arrival, name: FileName, board: Board) {
        let turn = turn(&arrival.found);
        self.waiting.entry(name.user.clone()).or_default().insert(turn.clone());
        self.all.insert(turn, Arriving { arrival, name, board, step: Step::Waiting });
    }

    /// Takes one out.
    pub(super) fn remove(&mut self, turn: &Turn) -> Option<Arriving> {
        let arriving = self.all.remove(turn)?;
        self.unlist(turn, &arriving);
        Some(arriving)
    }

    /// Takes one out that was received, with what was found.
    pub(super) fn remove_received(&mut self, turn: &Turn) -> Option<(Arriving, Reception)> {
        let arriving = self.remove(turn)?;
        match &arriving.step {
            Step::Received(reception) => {
                let reception = reception.clone();
                Some((arriving, reception))
            }
            Step::Waiting | Step::Failed { .. } | Step::Receiving => None,
        }
    }

    /// Forgets what waited for its turn and is not there any more, or became another file by changing: that comes in by its new key.
    pub(super) fn keep_present(&mut self, is_present: impl Fn(&Turn) -> bool) {
        let waits = |step: &Step| matches!(step, Step::Waiting | Step::Failed { .. });
        let gone = self.all.iter().filter(|(turn, arriving)| waits(&arriving.step) && !is_present(turn));
        for turn in gone.map(|(turn, _)| turn.clone()).collect::<Vec<_>>() {
            self.remove(&turn);
        }
    }

    /// Forgets everything that is not being received at this moment.
    pub(super) fn forget_all_but_received(&mut self) {
        let others = self.all.keys().filter(|turn| !self.receiving.contains_key(*turn));
        for turn in others.cloned().collect::<Vec<_>>() {
            self.remove(&turn);
        }
    }

    /// The next one to be received, of somebody of whom none is; from now on it is being received.
    pub(super) fn begin_next(&mut self, now: DateTime<Utc>) -> Option<Arrival> {
        // Those on which the platform failed, and whose pause is over, wait again.
        while let Some((_, turn)) = self.failed.first().filter(|(not_before, _)| *not_before <= now).cloned() {
            self.step(&turn, Step::Waiting);
        }
        let busy: BTreeSet<&UserName> =
            self.receiving.keys().filter_map(|turn| self.all.get(turn)).map(|arriving| &arriving.name.user).collect();
        let first = self.waiting.iter().filter(|(user, _)| !busy.contains(user)).filter_map(|(_, turns)| turns.first());
        let next = first.min()?.clone();
        self.step(&next, Step::Receiving);
        self.all.get(&next).map(|arriving| arriving.arrival.clone())
    }

    pub(super) fn received(&mut self, turn: &Turn, reception: Reception) {
        self.step(turn, Step::Received(reception));
    }

    pub(super) fn wait_again(&mut self, turn: &Turn) {
        self.step(turn, Step::Waiting);
    }

    pub(super) fn failed(&mut self, turn: &Turn, not_before: DateTime<Utc>) {
        self.step(turn, Step::Failed { not_before });
    }

    /// A second has passed.
    pub(super) fn tick(&mut self) {
        self.receiving.values_mut().for_each(|ticks| *ticks += 1);
    }

    /// Whether it is being received for so long that nobody waits for it any more.
    pub(super) fn is_slow(&self, turn: &Turn) -> bool {
        self.receiving.get(turn).is_some_and(|ticks| *ticks > PATIENCE)
    }

    /// What was received, as far as nothing that arrived earlier is still to be waited for.
    pub(super) fn in_order(&self) -> Vec<Turn> {
        let user = |turn: &Turn| self.all.get(turn).map(|arriving| &arriving.name.user);
        let slow: BTreeSet<&UserName> =
            self.receiving.keys().filter(|turn| self.is_slow(turn)).filter_map(user).collect();
        // Nor is anything waited for that waits behind a slow one itself.
        let is_waited_for = |user: &UserName| !slow.contains(user);
        let receiving = self.receiving.keys().filter(|turn| user(turn).is_some_and(is_waited_for));
        let waiting =
            self.waiting.iter().filter(|(user, _)| is_waited_for(user)).filter_map(|(_, turns)| turns.first());
        match receiving.chain(waiting).min() {
            Some(first) => self.received.range(..first).cloned().collect(),
            None => self.received.iter().cloned().collect(),
        }
    }

    fn step(&mut self, turn: &Turn, step: Step) {
        let Some(mut arriving) = self.remove(turn) else { return };
        match &step {
            Step::Waiting => {
                self.waiting.entry(arriving.name.user.clone()).or_default().insert(turn.clone());
            }
            Step::Failed { not_before } => {
                self.failed.insert((*not_before, turn.clone()));
            }
            Step::Receiving => {
                self.receiving.insert(turn.clone(), 0);
            }
            Step::Received(_) => {
                self.received.insert(turn.clone());
            }
        }
        arriving.step = step;
        self.all.insert(turn.clone(), arriving);
    }

    fn unlist(&mut self, turn: &Turn, arriving: &Arriving) {
        match &arriving.step {
            Step::Waiting => {
                if let Some(turns) = self.waiting.get_mut(&arriving.name.user) {
                    turns.remove(turn);
                    if turns.is_empty() {
                        self.waiting.remove(&arriving.name.user);
                    }
                }
            }
            Step::Failed { not_before } => {
                self.failed.remove(&(*not_before, turn.clone()));
            }
            Step::Receiving => {
                self.receiving.remove(turn);
            }
            Step::Received(_) => {
                self.received.remove(turn);
            }
        }
    }
}
