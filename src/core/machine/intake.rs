//! From a file in the inbox to a place in the queue, or to a refusal that its sender can read.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{Disposal, Effect, Machine};
use crate::core::config::{Board, Identity};
use crate::core::digest::Digest;
use crate::core::ids::{SubmissionId, UserName};
use crate::core::record::{Accepted, Event, FileKey, Refusal, Rejected, moment};
use crate::core::submission::{FileName, Named, read_name};
use crate::core::text::visible;

/// A file whose check takes longer than this loses its place to those behind it, so that a program made to keep the compiler busy
/// keeps nobody else waiting.
const PATIENCE: Duration = Duration::from_secs(2);
/// Receptions under way at one time: each may run a compiler.
const MOST_RECEPTIONS: usize = 2;

/// Files refused out of one listing: each is a line of the log, synced. The next listing has the others, and whoever fills the inbox with
/// junk keeps nobody else waiting.
const MOST_REFUSALS: usize = 100;

/// Something that lies in the inbox, as the scan saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which file it is.
    pub key: FileKey,
    /// The user whose folder it lies in, `inbox/<user>/in/`; `None` for the inbox itself.
    pub folder: Option<UserName>,
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
    /// Something of ours failed: the next look at the inbox tries again.
    Failed(String),
    /// [`Effect::Cancel`] came first.
    Cancelled,
}

/// Every file that was found whole and is not yet accepted or refused, in the order of arrival.
#[derive(Debug, Default)]
pub(super) struct Intake {
    arriving: BTreeMap<Turn, Arriving>,
    /// Files of the last listing that need more time.
    settling: usize,
    /// Files of the last listing that were refused.
    refusals: usize,
}

#[derive(Debug)]
struct Arriving {
    arrival: Arrival,
    name: FileName,
    /// The board when it was found: what counts is when it arrived, however long its check took.
    board: Board,
    step: Step,
}

#[derive(Debug)]
enum Step {
    Waiting,
    Receiving { since: DateTime<Utc> },
    Received(Reception),
}

impl Intake {
    pub(super) fn is_empty(&self) -> bool {
        self.arriving.is_empty() && self.settling == 0
    }

    /// Whether nothing of it is under way.
    pub(super) fn is_still(&self) -> bool {
        !self.arriving.values().any(|arriving| matches!(arriving.step, Step::Receiving { .. }))
    }

    pub(super) fn forget_waiting(&mut self) {
        self.arriving.retain(|_, arriving| matches!(arriving.step, Step::Receiving { .. }));
    }

    fn receiving(&self) -> usize {
        self.arriving.values().filter(|arriving| matches!(arriving.step, Step::Receiving { .. })).count()
    }
}

/// Whose turn comes first: by the time of arrival, then by name. The inode tells two files of one name in two folders apart.
type Turn = (i64, OsString, u64);

fn turn(found: &Found) -> Turn {
    (found.key.changed_ns, found.name.clone(), found.key.inode)
}

impl Machine {
    pub(super) fn listing(&mut self, now: DateTime<Utc>, mut found: Vec<Found>) {
        self.listed = true;
        if self.stopping {
            return;
        }
        found.sort_by_cached_key(turn);
        let present: BTreeSet<_> = found.iter().map(turn).collect();
        // What waited for its turn and is gone, or became another file by changing, comes in by its new key or not at all.
        self.intake.arriving.retain(|key, arriving| !matches!(arriving.step, Step::Waiting) || present.contains(key));
        self.intake.settling = 0;
        self.intake.refusals = 0;
        for found in found {
            if !self.intake.arriving.contains_key(&turn(&found)) {
                self.consider(now, found);
            }
        }
    }

    fn consider(&mut self, now: DateTime<Utc>, found: Found) {
        let named = read_name(&found.name.to_string_lossy());
        if named == Named::Temporary {
            return;
        }
        if self.history.is_settled(found.key) {
            let arrival = Arrival { found, name: None };
            self.effects.push(Effect::Dispose(arrival, Disposal::Leftover));
            return;
        }
        let settle = self.rules.config.submissions.settle;
        let too_large = found.size > self.rules.config.submissions.max_size;
        let plain = found.kind == Kind::Plain;
        // A file that is too large already, or can never be a submission, is not waited for.
        let whole = found.renamed_in || (!found.being_written && found.unchanged_for >= settle);
        if plain && !too_large && !whole {
            if !found.being_written || found.unchanged_for < settle {
                self.intake.settling += 1;
            }
            return;
        }
        let objection = self.objection(now, &found, &named);
        if objection.is_some() {
            if self.intake.refusals == MOST_REFUSALS {
                self.intake.settling += 1;
                return;
            }
            self.intake.refusals += 1;
        }
        match (objection, named) {
            (None, Named::Submission(name)) => {
                let arrival = Arrival { found, name: Some(name.clone()) };
                let board = self.rules.config.board_at(now);
                self.intake
                    .arriving
                    .insert(turn(&arrival.found), Arriving { arrival, name, board, step: Step::Waiting });
            }
            (Some((refusal, reason)), Named::Submission(name)) => {
                self.refuse(now, Arrival { found, name: Some(name) }, refusal, reason, None);
            }
            (Some((refusal, reason)), Named::Bad(_) | Named::Temporary) => {
                self.refuse(now, Arrival { found, name: None }, refusal, reason, None);
            }
            (None, Named::Bad(_) | Named::Temporary) => {}
        }
    }

    /// What speaks against a file before it is opened.
    fn objection(&self, now: DateTime<Utc>, found: &Found, named: &Named) -> Option<(Refusal, String)> {
        let rules = &self.rules;
        let config = &rules.config;
        let name = match named {
            Named::Bad(reason) => return Some((Refusal::Name, reason.clone())),
            Named::Temporary => return None,
            Named::Submission(name) => name,
        };
        let kind = match found.kind {
            Kind::Plain => None,
            Kind::Linked => Some("it has a second name (a hard link)"),
            Kind::Symlink => Some("it is a link"),
            Kind::Folder => Some("it is a folder"),
            Kind::Special => Some("it is not a regular file"),
        };
        if let Some(kind) = kind {
            return Some((Refusal::NotAFile, format!("a submission is a plain file; {kind}")));
        }
        if let Some((refusal, reason)) = identity_objection(config.submissions.identity, found, name) {
            return Some((refusal, reason));
        }
        if rules.users.role(&name.user).is_none() {
            return Some((Refusal::UnknownUser, format!("{} is not a user of this competition", name.user)));
        }
        if config.board_at(now) == Board::Closed {
            return Some((Refusal::BoardClosed, "the board is closed: no submissions are taken".into()));
        }
        if let Some(opens) = config.competition.opens_at.filter(|_| !config.takes_submissions_at(now)) {
            return Some((Refusal::BoardClosed, format!("no submissions are taken before {}", moment::text(opens))));
        }
        if !config.languages.contains_key(&name.extension) {
            let known: Vec<_> = config.languages.keys().map(|known| format!(".{known}")).collect();
            return Some((
                Refusal::Language,
                format!(".{} is not accepted here; accepted: {}", name.extension, known.join(", ")),
            ));
        }
        if let Some(reason) = self.duplicate(&name.id) {
            return Some((Refusal::Duplicate, reason));
        }
        let most = config.submissions.max_size;
        if found.size > most {
            return Some((Refusal::TooLarge, format!("it is {} bytes long; at most {most} are taken", found.size)));
        }
        (found.size == 0).then(|| (Refusal::Empty, "it is empty".into()))
    }

    fn duplicate(&self, id: &SubmissionId) -> Option<String> {
        let known = self.history.by_id(id)?;
        Some(format!(
            "this id was taken in before, at {}; every submission needs a new one",
            moment::text(known.receipt.at)
        ))
    }

    pub(super) fn receive_next(&mut self, now: DateTime<Utc>) {
        let free = MOST_RECEPTIONS.saturating_sub(self.intake.receiving());
        let waiting = self.intake.arriving.values_mut().filter(|arriving| matches!(arriving.step, Step::Waiting));
        for arriving in waiting.take(free) {
            arriving.step = Step::Receiving { since: now };
            self.effects.push(Effect::Receive(arriving.arrival.clone(), Arc::clone(&self.rules)));
        }
    }

    pub(super) fn received(&mut self, now: DateTime<Utc>, arrival: Arrival, outcome: Result<Reception, Unreceived>) {
        let key = turn(&arrival.found);
        match outcome {
            _ if self.stopping => {
                self.intake.arriving.remove(&key);
            }
            Ok(reception) => {
                if let Some(arriving) = self.intake.arriving.get_mut(&key) {
                    arriving.step = Step::Received(reception);
                }
            }
            Err(Unreceived::Refused(refusal, reason)) => {
                self.intake.arriving.remove(&key);
                self.refuse(now, arrival, refusal, reason, None);
            }
            Err(Unreceived::Unavailable(why)) => {
                self.sandbox = super::Sandbox::Held(why);
                if let Some(arriving) = self.intake.arriving.get_mut(&key) {
                    arriving.step = Step::Waiting;
                }
            }
            Err(Unreceived::Changed | Unreceived::Failed(_) | Unreceived::Cancelled) => {
                self.intake.arriving.remove(&key);
                // It is looked for again: `run --once` must not end before that.
                self.listed = false;
            }
        }
    }

    /// Accepts, or refuses, what was received, as far as nothing that arrived earlier is still to be waited for.
    pub(super) fn accept_in_order(&mut self, now: DateTime<Utc>) {
        let mut ready = Vec::new();
        for (key, arriving) in &self.intake.arriving {
            match &arriving.step {
                Step::Received(_) => ready.push(key.clone()),
                Step::Receiving { since } if (now - *since).to_std().is_ok_and(|waited| waited > PATIENCE) => {}
                Step::Receiving { .. } | Step::Waiting => break,
            }
        }
        for key in ready {
            let Some(arriving) = self.intake.arriving.remove(&key) else { continue };
            let Step::Received(reception) = arriving.step else { continue };
            // Two files with one id may have arrived together.
            let duplicate = self.duplicate(&arriving.name.id).map(|reason| (Refusal::Duplicate, reason));
            match duplicate.or(reception.objection.clone()) {
                Some((refusal, reason)) => {
                    self.refuse(now, arriving.arrival, refusal, reason, Some(reception.sha256));
                }
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
        self.effects.push(Effect::Dispose(arrival, Disposal::Accepted));
    }

    fn refuse(
        &mut self,
        now: DateTime<Utc>,
        arrival: Arrival,
        refusal: Refusal,
        reason: String,
        sha256: Option<Digest>,
    ) {
        let rejected = Rejected {
            // Whose folder it lies in says more than a name that anybody can write.
            user: arrival.found.folder.clone().or_else(|| arrival.name.as_ref().map(|name| name.user.clone())),
            id: arrival.name.as_ref().map(|name| name.id.clone()),
            file: visible(&arrival.found.name.to_string_lossy(), 300),
            refusal,
            reason,
            size: arrival.found.size,
            sha256,
            inbox: arrival.found.key,
        };
        self.dirty.refused.extend(rejected.id.clone());
        let seq = self.append(now, Event::Rejected(rejected));
        self.effects.push(Effect::Dispose(arrival, Disposal::Refused(seq)));
    }
}

/// Whether a file is its user's, under the rule that config.toml names.
fn identity_objection(identity: Identity, found: &Found, name: &FileName) -> Option<(Refusal, String)> {
    if let Some(folder) = &found.folder {
        // Under either rule: a folder of one's own is never a door to another's name.
        return (*folder != name.user)
            .then(|| (Refusal::Identity, format!("this is the folder of {folder}, and the name says {}", name.user)));
    }
    match identity {
        Identity::Name => None,
        Identity::Owner if found.owner.as_deref() == Some(name.user.as_str()) => None,
        Identity::Owner => Some((Refusal::Identity, format!("the file does not belong to the account {}", name.user))),
    }
}
