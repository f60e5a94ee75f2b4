//! From a file in the inbox to a place in the queue, or to a refusal that its sender can read.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::arrivals::{Arrivals, Turn, in_turn, turn};
use super::objection::{Unfinished, duplicate, sender};
use super::{Disposal, Effect, Machine};
use crate::core::config::Board;
use crate::core::digest::Digest;
use crate::core::ids::UserName;
use crate::core::quota;
use crate::core::record::{Accepted, Discarded, Event, FileKey, Refusal, Rejected};
use crate::core::submission::{FileName, Folder, Named, read_name};
use crate::core::text::visible;

/// How long a file lies on which the platform failed, before it is tried again.
const PAUSE: TimeDelta = TimeDelta::seconds(2);
/// Receptions under way at one time: each may run a compiler.
const MOST_RECEPTIONS: usize = 2;

/// Files of one sender that are refused one by one out of one listing: each is a line of the log, synced. The next listing has the others,
/// and whoever fills the inbox with junk keeps nobody else waiting.
const MOST_REFUSALS_OF_ONE: usize = 100;
/// The same, of all senders.
const MOST_REFUSALS: usize = 400;
/// Who has more files than these to be refused in one listing sends junk: one line for all of them has to do.
const MOST_BAD_FILES: usize = 1_000;
/// So does one line for many, when as many of a sender's were refused within this time as the history remembers.
const FLOOD: TimeDelta = TimeDelta::hours(1);
/// Such a line is written when it is about so many files, or when the first of them has waited for so long.
const FULL_BATCH: usize = 1_000;
const BATCH_PATIENCE: TimeDelta = TimeDelta::seconds(60);

/// As many files in one folder as one look takes in at the least, of any sort.
const CROWD: usize = 300;

/// For how long a file may have a second name. The renaming of the SFTP protocol is, in OpenSSH, a link under the new name and then the old
/// name's end: a look between the two must not take an honest upload for a trick, and between them lies a disk, which may stand still for seconds.
const LINKED: Duration = Duration::from_secs(10);

/// Something that lies in the inbox, as the scan saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which file it is.
    pub key: FileKey,
    /// The user's folder that it lies in; `None` for the inbox itself.
    pub folder: Option<Folder>,
    /// Its name, which may be any bytes.
    pub name: OsString,
    /// What it is.
    pub kind: Kind,
    /// Its size in bytes.
    pub size: u64,
    /// Who owns it, by the account's name, as far as it has one.
    pub owner: Option<String>,
    /// Whether it came by a rename that the watcher saw: then it is whole.
    pub renamed_in: bool,
    /// Whether somebody has it open for writing, as far as that can be told.
    pub being_written: bool,
    /// For how long it has been as it is.
    pub unchanged_for: Duration,
}

/// What an entry of the inbox is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file with one name.
    Plain,
    /// A regular file with several names.
    Linked,
    /// A symbolic link.
    Symlink,
    /// A folder.
    Folder,
    /// A pipe, a socket, a device.
    Special,
}

/// A file on its way in: what was found, and what its name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The file.
    pub found: Found,
    /// Its name, where that is a submission's.
    pub name: Option<FileName>,
}

/// A file that was copied and hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reception {
    /// The digest of the copy.
    pub sha256: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// What the language's check says against it, if anything.
    pub objection: Option<(Refusal, String)>,
}

/// Why a file was not received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreceived {
    /// It changed or went while it was copied: the next look at the inbox decides.
    Changed,
    /// It cannot be taken, and why.
    Refused(Refusal, String),
    /// The sandbox could not run the check: nothing can be received until it can.
    Unavailable(String),
    /// Something of ours failed: it is tried again after a pause.
    Failed(String),
    /// [`Effect::Cancel`] came first.
    Cancelled,
}

/// What is on its way in, and what is on its way out.
#[derive(Debug, Default)]
pub(super) struct Intake {
    arrivals: Arrivals,
    /// Files of the last listing that need more time.
    settling: usize,
    /// Files that are refused with others by one line, by their sender and why.
    batches: BTreeMap<(Option<UserName>, Refusal), Batch>,
    /// The keys of those, and of what is being removed: they may be found again until they are gone, and some may be there to stay.
    discarding: BTreeSet<FileKey>,
}

/// Files that are to be refused by one line.
#[derive(Debug)]
struct Batch {
    since: DateTime<Utc>,
    bad: Vec<Bad>,
}

/// A file that is to be refused.
#[derive(Debug)]
struct Bad {
    arrival: Arrival,
    refusal: Refusal,
    reason: String,
}

impl Intake {
    pub(super) fn is_empty(&self) -> bool {
        self.has_no_arrivals() && self.settling == 0 && self.batches.is_empty()
    }

    /// A second has passed.
    pub(super) fn tick(&mut self) {
        self.arrivals.tick();
    }

    /// Whether nothing is to be received.
    pub(super) fn has_no_arrivals(&self) -> bool {
        self.arrivals.is_empty()
    }

    /// Whether nothing of it is under way.
    pub(super) fn is_still(&self) -> bool {
        self.arrivals.receiving() == 0
    }

    pub(super) fn forget_waiting(&mut self) {
        self.arrivals.forget_all_but_received();
    }
}

impl Machine {
    pub(super) fn listing(&mut self, now: DateTime<Utc>, mut found: Vec<Found>) {
        self.listed = true;
        if self.stopping {
            return;
        }
        // Tens of thousands may lie there, listing after listing: no copy is made of what is only looked up.
        found.sort_unstable_by(|a, b| in_turn(a).cmp(&in_turn(b)));
        let is_present =
            |turn: &Turn| found.binary_search_by(|found| in_turn(found).cmp(&(turn.0, &turn.1, turn.2))).is_ok();
        self.intake.arrivals.keep_present(is_present);
        if !self.intake.discarding.is_empty() {
            let keys: BTreeSet<FileKey> = found.iter().map(|found| found.key).collect();
            self.intake.discarding.retain(|key| keys.contains(key));
        }
        self.intake.settling = 0;
        let mut bad = Vec::new();
        let (temporary, named): (Vec<Found>, Vec<Found>) =
            found.into_iter().partition(|found| read_name(&found.name.to_string_lossy()) == Named::Temporary);
        let mut unfinished = Unfinished::default();
        let max_size = self.rules.config.submissions.max_size;
        // The latest first: where there are too many the oldest go.
        for found in temporary.into_iter().rev() {
            if self.intake.discarding.contains(&found.key) {
                continue;
            }
            if self.history.is_settled(found.key) {
                self.leave_over(found);
            } else if let Some((refusal, reason)) = unfinished.objection(&found, max_size) {
                bad.push(Bad { arrival: Arrival { found, name: None }, refusal, reason });
            }
        }
        // Where there are so many of one folder, there may be more than one look takes in: `run --once` must not end before the next.
        let mut of_folders: BTreeMap<&Option<Folder>, usize> = BTreeMap::new();
        named.iter().for_each(|found| *of_folders.entry(&found.folder).or_default() += 1);
        self.listed = of_folders.values().all(|files| *files < CROWD);
        for found in named {
            if !self.intake.arrivals.knows(&turn(&found)) && !self.intake.discarding.contains(&found.key) {
                bad.extend(self.consider(now, found, &mut unfinished));
            }
        }
        self.refuse_all(now, bad);
    }

    /// It was dealt with before a crash.
    fn leave_over(&mut self, found: Found) {
        let arrival = Arrival { found, name: None };
        self.effects.push(Effect::Dispose(arrival, Disposal::Leftover));
    }

    /// Lets a file arrive, or leaves it for now, or returns what speaks against it.
    fn consider(&mut self, now: DateTime<Utc>, found: Found, unfinished: &mut Unfinished) -> Option<Bad> {
        if self.history.is_settled(found.key) {
            self.leave_over(found);
            return None;
        }
        let named = read_name(&found.name.to_string_lossy());
        let settle = self.rules.config.submissions.settle;
        let too_large = found.size > self.rules.config.submissions.max_size;
        // A file that is too large already, or can never be a submission, is not waited for.
        let whole = found.renamed_in || (!found.being_written && found.unchanged_for >= settle);
        let is_awaited = match found.kind {
            Kind::Plain => !whole,
            Kind::Linked => found.unchanged_for < LINKED,
            Kind::Symlink | Kind::Folder | Kind::Special => false,
        };
        if is_awaited && !too_large {
            if let Some((refusal, reason)) = unfinished.unsettled(&found, &self.rules.config) {
                let name = if let Named::Submission(name) = named { Some(name) } else { None };
                return Some(Bad { arrival: Arrival { found, name }, refusal, reason });
            }
            if !found.being_written || found.unchanged_for < settle {
                self.intake.settling += 1;
            }
            return None;
        }
        let objection = self.objection(now, &found, &named);
        let name = match named {
            Named::Submission(name) => Some(name),
            Named::Bad(_) | Named::Temporary => None,
        };
        let arrival = Arrival { found, name: name.clone() };
        match (objection, name) {
            (Some((refusal, reason)), _) => Some(Bad { arrival, refusal, reason }),
            (None, Some(name)) => {
                let board = self.rules.config.board_at(now);
                self.intake.arrivals.add(arrival, name, board);
                None
            }
            (None, None) => None,
        }
    }

    /// Refuses what a listing has of bad files: one by one as far as somebody may want to read that, and the rest in few lines.
    fn refuse_all(&mut self, now: DateTime<Utc>, bad: Vec<Bad>) {
        let mut of_senders: BTreeMap<Option<UserName>, Vec<Bad>> = BTreeMap::new();
        for bad in bad {
            let sender = sender(&self.rules, &bad.arrival.found, bad.arrival.name.as_ref());
            of_senders.entry(sender).or_default().push(bad);
        }
        let mut left = MOST_REFUSALS;
        for (sender, mut bad) in of_senders {
            let is_junk = bad.len() > MOST_BAD_FILES;
            let singly = MOST_REFUSALS_OF_ONE.min(left).min(bad.len());
            let rest = bad.split_off(singly);
            left -= singly;
            for bad in bad {
                if self.history.is_flooded(&sender, now - FLOOD) {
                    self.discard(now, &sender, bad);
                } else {
                    self.refuse(now, bad.arrival, (bad.refusal, bad.reason), None);
                }
            }
            if is_junk || self.history.is_flooded(&sender, now - FLOOD) {
                rest.into_iter().for_each(|bad| self.discard(now, &sender, bad));
            } else {
                self.intake.settling += rest.len();
            }
        }
    }

    /// Has a file refused by one line with others of its sender, for the same reason.
    fn discard(&mut self, now: DateTime<Utc>, sender: &Option<UserName>, bad: Bad) {
        self.intake.discarding.insert(bad.arrival.found.key);
        let batch = self.intake.batches.entry((sender.clone(), bad.refusal));
        batch.or_insert_with(|| Batch { since: now, bad: Vec::new() }).bad.push(bad);
    }

    /// Writes the lines about many files that are due, and has the files removed. `at_once`: all of them.
    pub(super) fn discard_due(&mut self, now: DateTime<Utc>, at_once: bool) {
        let is_due = |batch: &Batch| at_once || batch.bad.len() >= FULL_BATCH || now - batch.since >= BATCH_PATIENCE;
        let (due, waiting) = std::mem::take(&mut self.intake.batches).into_iter().partition(|(_, batch)| is_due(batch));
        self.intake.batches = waiting;
        let due: BTreeMap<_, _> = due;
        for ((sender, refusal), Batch { bad, .. }) in due {
            let name = |bad: Option<&Bad>| {
                bad.map_or_else(String::new, |bad| visible(&bad.arrival.found.name.to_string_lossy(), 300))
            };
            let discarded = Discarded {
                user: sender,
                files: bad.len() as u64,
                bytes: bad.iter().fold(0, |bytes, bad| bad.arrival.found.size.saturating_add(bytes)),
                first: name(bad.first()),
                last: name(bad.last()),
                refusal,
                reason: bad.first().map_or_else(String::new, |bad| bad.reason.clone()),
            };
            self.dirty.strays.extend(discarded.user.clone());
            self.append(now, Event::Discarded(discarded));
            let files: Vec<Found> = bad.into_iter().map(|bad| bad.arrival.found).collect();
            self.effects.push(Effect::Discard(files));
        }
    }

    pub(super) fn receive_next(&mut self, now: DateTime<Utc>) {
        // One of each user at a time: who hands in many files whose checks take long keeps nobody else waiting.
        while self.intake.arrivals.receiving() < MOST_RECEPTIONS {
            let Some(arrival) = self.intake.arrivals.begin_next(now) else { return };
            self.effects.push(Effect::Receive(arrival, Arc::clone(&self.rules)));
        }
    }

    pub(super) fn received(&mut self, now: DateTime<Utc>, arrival: Arrival, outcome: Result<Reception, Unreceived>) {
        let key = turn(&arrival.found);
        let arrivals = &mut self.intake.arrivals;
        match outcome {
            _ if self.stopping => {
                arrivals.remove(&key);
            }
            Ok(reception) => arrivals.received(&key, reception),
            Err(Unreceived::Refused(refusal, reason)) => {
                arrivals.remove(&key);
                self.refuse_late(now, arrival, (refusal, reason), None);
            }
            Err(Unreceived::Unavailable(why)) => {
                self.sandbox = super::Sandbox::Held(why);
                arrivals.wait_again(&key);
            }
            Err(Unreceived::Failed(_)) => arrivals.failed(&key, now + PAUSE),
            Err(Unreceived::Changed | Unreceived::Cancelled) => {
                arrivals.remove(&key);
                // It is looked for again: `run --once` must not end before that.
                self.listed = false;
            }
        }
    }

    /// Whether the check of a file that is being received takes so long that files behind it go first.
    #[must_use]
    pub fn is_slow(&self, arrival: &Arrival) -> bool {
        self.intake.arrivals.is_slow(&turn(&arrival.found))
    }

    /// Accepts, or refuses, what was received, as far as nothing that arrived earlier is still to be waited for.
    pub(super) fn accept_in_order(&mut self, now: DateTime<Utc>) {
        for turn in self.intake.arrivals.in_order() {
            let Some((arriving, reception)) = self.intake.arrivals.remove_received(&turn) else { continue };
            // Two files with one id may have arrived together, and more files of one user than a quota has room for.
            let objection = duplicate(&self.history, &arriving.name.id)
                .or(reception.objection.clone())
                .or_else(|| quota::objection(&self.history, &self.rules, &arriving.name.user, reception.size, now));
            match objection {
                Some(objection) => self.refuse_late(now, arriving.arrival, objection, Some(reception.sha256)),
                None => self.accept(now, arriving.arrival, (arriving.name, arriving.board), &reception),
            }
        }
    }

    fn accept(
        &mut self,
        now: DateTime<Utc>,
        arrival: Arrival,
        (name, board): (FileName, Board),
        reception: &Reception,
    ) {
        let number = self.history.next_number();
        self.effects.push(Effect::Keep(arrival.clone(), number));
        let accepted = Accepted {
            submission: number,
            file: name.to_string(),
            role: self.rules.users.role(&name.user).unwrap_or_default(),
            id: name.id,
            user: name.user,
            language: name.extension,
            size: reception.size,
            sha256: reception.sha256,
            inbox: arrival.found.key,
            board,
            config_sha256: self.rules.config_sha256,
        };
        self.append(now, Event::Accepted(accepted));
        self.touch(number);
        self.judgings.may_be_known(number);
        self.effects.push(Effect::Dispose(arrival, Disposal::Accepted));
    }

    /// Refuses a file that was received. Of one who floods us with such files no line says more than that there was one more.
    fn refuse_late(
        &mut self,
        now: DateTime<Utc>,
        arrival: Arrival,
        (refusal, reason): (Refusal, String),
        sha256: Option<Digest>,
    ) {
        let sender = sender(&self.rules, &arrival.found, arrival.name.as_ref());
        if self.history.is_flooded(&sender, now - FLOOD) {
            self.discard(now, &sender, Bad { arrival, refusal, reason });
        } else {
            self.refuse(now, arrival, (refusal, reason), sha256);
        }
    }

    fn refuse(
        &mut self,
        now: DateTime<Utc>,
        arrival: Arrival,
        (refusal, reason): (Refusal, String),
        sha256: Option<Digest>,
    ) {
        let found = &arrival.found;
        // What its sender has no room for has none beside the log either.
        let is_over_quota = matches!(refusal, Refusal::Rate | Refusal::Pending | Refusal::Disk);
        let is_short = found.kind == Kind::Plain && found.size <= self.rules.config.submissions.max_size;
        let set_aside = is_short && found.size > 0 && !is_over_quota;
        let sender = sender(&self.rules, found, arrival.name.as_ref());
        let rejected = Rejected {
            user: sender.clone(),
            id: arrival.name.as_ref().map(|name| name.id.clone()),
            file: visible(&found.name.to_string_lossy(), 300),
            refusal,
            reason,
            size: found.size,
            sha256,
            inbox: found.key,
            set_aside,
        };
        self.dirty.refused.extend(rejected.id.clone());
        self.dirty.strays.extend(rejected.user.clone());
        let line = self.append(now, Event::Rejected(rejected));
        self.effects.push(Effect::Dispose(arrival, Disposal::Refused { line, set_aside }));
        let forgotten = self.history.take_forgotten();
        // A page says how much is kept of its user's.
        let touched = forgotten.values().flatten().chain(set_aside.then_some(sender.as_ref()).flatten());
        let touched: Vec<UserName> =
            touched.filter(|user| self.history.latest_of(user).next().is_some()).cloned().collect();
        self.dirty.users.extend(touched);
        if !forgotten.is_empty() {
            self.effects.push(Effect::Forget(forgotten.into_keys().collect()));
        }
    }
}
