//! The heart: what to do next, decided from facts. No I/O, no clock.
//!
//! [`Machine::handle`] takes one [`Input`] and answers with [`Effect`]s, to be performed in order: whatever the log says has happened
//! is on disk before it is acted on. A crash between two effects loses nothing, because every input that was not recorded comes again:
//! a file that was not accepted is still in the inbox, a submission that was not judged is still unfinished in the log.

mod arrivals;
mod intake;
mod judging;
mod objection;
mod reuse;

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

use super::config::SandboxSettings;
use super::digest::Digest;
use super::history::History;
use super::ids::{Number, SubmissionId, UserName};
use super::record::{BoardChanged, CaseResult, Event, FileKey, Header, Judged, Origin, Provenance, Record, VERSION};
use super::rules::Rules;

use intake::Intake;
pub use intake::{Arrival, Found, Kind, Reception, Unreceived};
use judging::Judgings;

/// Below this much free space nothing is taken in and nothing starts, so that there is room to record what runs.
pub const LEAST_FREE_BYTES: u64 = 64 << 20;

/// Something that happened.
#[derive(Debug)]
pub enum Input {
    /// The inbox was looked at: everything that lies in it.
    Listing(Vec<Found>),
    /// The file was copied and checked, or could not be.
    Received(Arrival, Result<Reception, Unreceived>),
    /// A judging ended.
    Judged(Number, Result<Report, Trouble>),
    /// The answer to [`Effect::Compare`]: the earlier judging, where one of the submission would be made of the very same.
    Compared(Number, Origin, Option<Judged>),
    /// config.toml or users.csv changed.
    Rules(Arc<Rules>),
    /// The sandbox was tried: whether it can give what the rules ask of it.
    Sandbox(Result<(), String>),
    /// Time passed. Free space on the disk of results/, in bytes.
    Tick {
        /// Free bytes.
        free_bytes: u64,
    },
    /// The daemon is asked to end.
    Shutdown,
}

/// What a judging found.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Every case, in the order of its run.
    pub cases: Vec<CaseResult>,
    /// What it was made of.
    pub provenance: Provenance,
}

/// Why a judging has no report. Never the student's fault.
#[derive(Debug, Clone, PartialEq)]
pub enum Trouble {
    /// Nothing can run now; the reason holds for the next one too.
    Unavailable(String),
    /// This one failed; another try may succeed.
    Failed {
        /// What went wrong.
        why: String,
        /// The cases that had ended before it did.
        cases: Vec<CaseResult>,
    },
    /// It was cancelled by [`Effect::Cancel`].
    Cancelled,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Append this line to the log and sync it.
    Append(String),
    /// Copy a file of the inbox, hash it, and run its language's check: answered by [`Input::Received`].
    Receive(Arrival, Arc<Rules>),
    /// Move what was received to where the submission's source is kept, and sync that.
    Keep(Arrival, Number),
    /// The file was dealt with: remove it from the inbox. What was refused is set aside, not deleted, if it is a plain file.
    Dispose(Arrival, Disposal),
    /// Remove these files from the inbox, beside everything else: the line before is about all of them.
    Discard(Vec<Found>),
    /// Remove what was set aside of the files that these lines refused.
    Forget(BTreeSet<u64>),
    /// See whether a submission can be answered from an earlier judging: answered by [`Input::Compared`].
    Compare(Comparison),
    /// Begin a judging: answered by [`Input::Judged`].
    Start(Order),
    /// Stop every reception and judging.
    Cancel,
    /// Try the sandbox: answered by [`Input::Sandbox`].
    Probe(Arc<Rules>),
    /// Bring the pages up to date.
    Publish(Dirty),
    /// End the daemon.
    Exit(Exit),
}

/// What becomes of a file that leaves the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposal {
    /// Its bytes are kept with the submission.
    Accepted,
    /// The line of this number refused it.
    Refused {
        /// The line's number.
        line: u64,
        /// Whether its bytes are set aside under that number.
        set_aside: bool,
    },
    /// It was dealt with before a crash.
    Leftover,
}

/// A judging to be begun.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// The submission.
    pub submission: Number,
    /// Which attempt at it.
    pub attempt: u32,
    /// Its language.
    pub language: super::ids::Extension,
    /// The digest of its source.
    pub source_sha256: Digest,
    /// The rules that it is judged by, whatever they become while it runs.
    pub rules: Arc<Rules>,
}

/// A submission, and the earlier judging that it may be answered from.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The submission.
    pub submission: Number,
    /// The earlier judging, of the same bytes by the same user under the same settings.
    pub origin: Origin,
    /// The line of the log that tells of it, and of what it was made of.
    pub line: u64,
    /// The rules in force.
    pub rules: Arc<Rules>,
}

/// Why the daemon ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// It was asked to, or had nothing left to do.
    Done,
    /// It was to work the inbox off once, and cannot.
    Held(String),
}

/// Which pages are out of date.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dirty {
    /// All of them.
    pub everything: bool,
    /// The board, the queue, and the frame of every page that shows the log's head.
    pub shared: bool,
    /// These submissions' private pages.
    pub submissions: BTreeSet<Number>,
    /// The private pages of these refused files.
    pub refused: BTreeSet<SubmissionId>,
    /// These users' pages.
    pub users: BTreeSet<UserName>,
    /// What these users read of refused files that have no page of their own.
    pub strays: BTreeSet<UserName>,
}

impl Trouble {
    /// A judging that failed before any case had ended.
    #[must_use]
    pub fn failed(why: impl Into<String>) -> Self {
        Self::Failed { why: why.into(), cases: Vec::new() }
    }
}

impl Dirty {
    /// Whether nothing is out of date.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        *self == Dirty::default()
    }

    /// Adds what another one says.
    pub fn merge(&mut self, other: Dirty) {
        self.everything |= other.everything;
        self.shared |= other.shared;
        self.submissions.extend(other.submissions);
        self.refused.extend(other.refused);
        self.users.extend(other.users);
        self.strays.extend(other.strays);
    }
}

/// How the daemon was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// For good.
    Daemon,
    /// Until the inbox and the queue are empty.
    Once,
}

/// The state between two inputs.
#[derive(Debug)]
pub struct Machine {
    mode: Mode,
    rules: Arc<Rules>,
    history: History,
    intake: Intake,
    judgings: Judgings,
    sandbox: Sandbox,
    /// The settings that are being tried.
    probing: Option<SandboxSettings>,
    disk_full: bool,
    stopping: bool,
    listed: bool,
    exited: bool,
    dirty: Dirty,
    effects: Vec<Effect>,
}

/// What is known of the sandbox.
#[derive(Debug, PartialEq, Eq)]
enum Sandbox {
    /// Not tried yet under the rules in force.
    Unknown,
    /// Being tried for the first time.
    Trying,
    /// It gives what the rules ask.
    Ready,
    /// It does not, and why.
    Held(String),
}

impl Machine {
    /// A machine that goes on where the log ends. Nothing runs yet, whatever the log last said.
    #[must_use]
    pub fn new(mode: Mode, mut history: History, rules: Arc<Rules>) -> Self {
        history.interrupt();
        // What had to go before this life was removed when it began.
        history.take_forgotten();
        let mut judgings = Judgings::default();
        history.waiting().for_each(|waiting| judgings.may_be_known(waiting.number));
        Self {
            mode,
            rules,
            history,
            intake: Intake::default(),
            judgings,
            sandbox: Sandbox::Unknown,
            probing: None,
            disk_full: false,
            stopping: false,
            listed: false,
            exited: false,
            dirty: Dirty { everything: true, ..Dirty::default() },
            effects: Vec::new(),
        }
    }

    /// What the log says.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// How the daemon was started.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The rules in force.
    #[must_use]
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// Why nothing is judged at the moment, if something keeps it.
    #[must_use]
    pub fn held(&self) -> Option<&str> {
        match &self.sandbox {
            Sandbox::Held(why) => Some(why),
            Sandbox::Unknown | Sandbox::Trying | Sandbox::Ready => self.disk_full.then_some("the disk is nearly full"),
        }
    }

    /// Decides what to do about one input.
    pub fn handle(&mut self, now: DateTime<Utc>, input: Input) -> Vec<Effect> {
        let now = now.duration_trunc(TimeDelta::milliseconds(1)).unwrap_or(now);
        match input {
            Input::Listing(found) => self.listing(now, found),
            Input::Received(arrival, outcome) => self.received(now, arrival, outcome),
            Input::Judged(number, outcome) => self.judged(now, number, outcome),
            Input::Compared(number, origin, same) => self.compared(now, number, origin, same),
            Input::Rules(rules) => self.new_rules(rules),
            Input::Sandbox(outcome) => self.sandbox_tried(outcome),
            Input::Tick { free_bytes } => self.tick(free_bytes),
            Input::Shutdown => self.shutdown(),
        }
        self.advance(now);
        if !self.dirty.is_clean() {
            let dirty = std::mem::take(&mut self.dirty);
            self.effects.push(Effect::Publish(dirty));
        }
        self.exit_when_done();
        std::mem::take(&mut self.effects)
    }

    /// Everything that can go on, goes on.
    fn advance(&mut self, now: DateTime<Utc>) {
        self.turn_board(now);
        self.record_due(now);
        if self.stopping {
            return;
        }
        if self.sandbox == Sandbox::Unknown {
            self.sandbox = Sandbox::Trying;
            self.probe();
        }
        self.accept_in_order(now);
        self.discard_due(now, self.mode == Mode::Once && self.intake.has_no_arrivals());
        if self.sandbox == Sandbox::Ready && !self.disk_full {
            self.receive_next(now);
            self.compare_new();
            self.start_next(now);
        }
    }

    fn is_idle(&self) -> bool {
        self.judgings.are_over() && self.intake.is_empty() && self.history.waiting().next().is_none()
    }

    fn exit_when_done(&mut self) {
        let stopped = self.stopping && self.judgings.are_over() && self.intake.is_still();
        let finished = self.mode == Mode::Once && self.listed && self.is_idle();
        let held = self.held().filter(|_| self.mode == Mode::Once && self.judgings.are_over());
        let exit = match held {
            _ if self.exited => return,
            _ if stopped || finished => Exit::Done,
            Some(why) => Exit::Held(why.to_owned()),
            None => return,
        };
        self.exited = true;
        self.effects.push(Effect::Exit(exit));
    }

    /// Puts an event into the log, and into the state that is the fold of it.
    fn append(&mut self, now: DateTime<Utc>, event: Event) -> u64 {
        let head = self.history.head();
        let header = Header {
            v: VERSION,
            seq: head.map_or(1, |head| head.seq + 1),
            at: head.map_or(now, |head| head.at.max(now)),
            prev: head.map_or(Digest::ZERO, |head| head.line_sha256),
        };
        let seq = header.seq;
        let record = Record { header, event };
        let line = record.to_line();
        self.history.apply(&record, Digest::of(line.as_bytes()));
        self.effects.push(Effect::Append(line));
        self.dirty.shared = true;
        seq
    }

    fn turn_board(&mut self, now: DateTime<Utc>) {
        let config = &self.rules.config;
        let (state, frozen) = (config.board_at(now), config.is_frozen_at(now));
        // The moment of opening is a line of its own, so that the pages, which know no clock, change with it.
        let opens = config.competition.opens_at.filter(|opens| config.takes_submissions_at(now) && now >= *opens);
        let opened = opens.is_some_and(|opens| self.history.head().is_some_and(|head| head.at < opens));
        if self.history.board() != Some(state) || self.history.is_frozen() != frozen || opened {
            let config_sha256 = self.rules.config_sha256;
            self.append(now, Event::Board(BoardChanged { state, frozen, config_sha256 }));
            self.dirty.everything = true;
        }
    }

    fn new_rules(&mut self, rules: Arc<Rules>) {
        if self.rules.config.sandbox != rules.config.sandbox {
            self.sandbox = Sandbox::Unknown;
        }
        self.rules = rules;
        self.dirty.everything = true;
    }

    fn sandbox_tried(&mut self, outcome: Result<(), String>) {
        if self.probing.take().is_some_and(|tried| tried != self.rules.config.sandbox) {
            // The settings changed meanwhile: the answer is about others.
            self.sandbox = Sandbox::Unknown;
            return;
        }
        let tried = match outcome {
            Ok(()) => Sandbox::Ready,
            Err(why) => Sandbox::Held(why),
        };
        if self.sandbox != tried {
            self.sandbox = tried;
            self.dirty.shared = true;
        }
    }

    fn tick(&mut self, free_bytes: u64) {
        self.disk_full = free_bytes < LEAST_FREE_BYTES;
        self.intake.tick();
        if matches!(self.sandbox, Sandbox::Held(_)) && !self.stopping {
            self.probe();
        }
    }

    /// One at a time: an engine that hangs is not asked again and again.
    fn probe(&mut self) {
        if self.probing.is_none() {
            self.probing = Some(self.rules.config.sandbox.clone());
            self.effects.push(Effect::Probe(Arc::clone(&self.rules)));
        }
    }

    fn shutdown(&mut self) {
        if !self.stopping {
            self.stopping = true;
            self.judgings.hurry();
            self.intake.forget_waiting();
            self.effects.push(Effect::Cancel);
        }
    }

    fn touch(&mut self, number: Number) {
        if let Some(submission) = self.history.get(number) {
            self.dirty.submissions.insert(number);
            self.dirty.users.insert(submission.user.clone());
        }
    }
}

/// A fingerprint of a file in the inbox that the machine and its edges agree on.
impl Arrival {
    /// Which file it is.
    #[must_use]
    pub fn key(&self) -> FileKey {
        self.found.key
    }
}

#[cfg(test)]
mod tests;
