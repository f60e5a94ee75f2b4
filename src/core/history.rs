//! The state of a competition: a fold over the log, and nothing else.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::aside::Aside;
use super::config::{Board, Cases};
use super::digest::{Digest, Hasher};
use super::ids::{CaseName, Extension, Number, SubmissionId, UserName};
use super::kept::Kept;
use super::outcome::{Frames, Outcome};
use super::record::{Accepted, CaseResult, Event, FileKey, Judged, Origin, Record, Rejected};
use super::submission::FileName;
use super::users::Role;
use super::verdict::Fault;

/// Everything that the log says.
#[derive(Debug, Clone, Default)]
pub struct History {
    head: Option<Head>,
    board: Option<Board>,
    /// Since when the log says that the board is frozen; of a closed one, since when it was.
    frozen_at: Option<DateTime<Utc>>,
    /// When the log first said that the board is open, and when it last said that it is closed.
    opened_at: Option<DateTime<Utc>>,
    closed_at: Option<DateTime<Utc>>,
    /// By number; number 1 is the first.
    submissions: Vec<Submission>,
    by_id: BTreeMap<SubmissionId, Number>,
    by_user: BTreeMap<UserName, Vec<Number>>,
    /// Accepted and not judged.
    unfinished: BTreeSet<Number>,
    refused: BTreeMap<SubmissionId, Refused>,
    /// The latest refused files of each user that no page tells of.
    strays: BTreeMap<UserName, VecDeque<Stray>>,
    /// Files that were dealt with, so that one which a crash left in the inbox is known again.
    settled: BTreeSet<FileKey>,
    durations: Recent,
    /// Accepted and not judged, by user.
    pending: BTreeMap<UserName, BTreeSet<Number>>,
    /// What is kept of sources and outputs, by user.
    kept: BTreeMap<UserName, Kept>,
    aside: Aside,
    /// When files were refused last, by whose they were.
    refusals: BTreeMap<Option<UserName>, VecDeque<DateTime<Utc>>>,
    /// The latest judging that ran, by a fingerprint of whose and of what.
    judged: BTreeMap<u64, Number>,
    languages: BTreeSet<Extension>,
    frames: Frames,
    /// The evaluator of the latest submission that was judged.
    evaluator: Option<(Number, Digest)>,
    /// What was judged, in the order of the lines that say so.
    judgings: Vec<Number>,
}

/// So many moments of refusals are remembered for each user.
const MOST_REFUSALS: usize = 2_000;

/// The last line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its number.
    pub seq: u64,
    /// When it was written.
    pub at: DateTime<Utc>,
    /// The digest of its bytes.
    pub line_sha256: Digest,
}

/// Which line of the log says that something happened: what a student can hold against the log later.
pub type Receipt = Head;

/// One accepted submission.
#[derive(Debug, Clone)]
pub struct Submission {
    /// Its public number.
    pub number: Number,
    /// Its secret id.
    pub id: SubmissionId,
    /// Whose it is.
    pub user: UserName,
    /// Its language.
    pub language: Extension,
    /// Its size in bytes.
    pub size: u64,
    /// The digest of its bytes.
    pub sha256: Digest,
    /// What its user was.
    pub role: Role,
    /// The line that accepted it.
    pub receipt: Receipt,
    /// How many were in the queue or on workers when it came.
    pub ahead: u32,
    /// How often a judging of it began.
    pub attempts: u32,
    /// When the latest of these began; `None` where nothing was run.
    pub started_at: Option<DateTime<Utc>>,
    /// Where it is.
    pub state: State,
}

/// Where a submission is.
#[derive(Debug, Clone)]
pub enum State {
    /// In the queue.
    Waiting,
    /// On a worker.
    Running {
        /// Since when.
        since: DateTime<Utc>,
    },
    /// Done.
    Judged {
        /// The result, as far as it is kept in memory.
        result: Outcome,
        /// When.
        at: DateTime<Utc>,
    },
}

/// A refused file that had an id.
#[derive(Debug, Clone)]
pub struct Refused {
    /// Whose it was.
    pub user: Option<UserName>,
    /// The line that says so, and why.
    pub receipt: Receipt,
}

/// A refused file that has no page of its own: its name had no id, or one that was taken in before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// Its name, made visible.
    pub file: String,
    /// Why, for its sender.
    pub reason: String,
    /// The line that says so.
    pub receipt: Receipt,
}

/// How many strays of a user are remembered: enough to see what went wrong, few enough that junk costs no memory.
pub const MOST_STRAYS: usize = 50;

/// How long the latest judgings took: eight in ten from `quick` to `slow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usual {
    /// A tenth took less.
    pub quick: Duration,
    /// Half took less.
    pub median: Duration,
    /// A tenth took more.
    pub slow: Duration,
    /// How many these are.
    pub of: usize,
}

/// How long the latest judgings took, for the expected time of the next.
#[derive(Debug, Clone, Default)]
struct Recent(Vec<Duration>);

impl Recent {
    /// Enough that one odd judging does not move the expectation, few enough that a new evaluator soon does.
    const MOST: usize = 20;

    fn push(&mut self, duration: Duration) {
        if self.0.len() == Self::MOST {
            self.0.remove(0);
        }
        self.0.push(duration);
    }
}

impl History {
    /// Takes in the next line.
    pub fn apply(&mut self, record: &Record, line_sha256: Digest) {
        let at = record.header.at;
        let head = Head { seq: record.header.seq, at, line_sha256 };
        self.head = Some(head);
        match &record.event {
            Event::Accepted(accepted) => self.accepted(head, accepted),
            Event::Rejected(rejected) => self.rejected(head, rejected),
            Event::Started(started) => {
                if let Some(submission) = self.get_mut(started.submission)
                    && !matches!(submission.state, State::Judged { .. })
                {
                    submission.attempts = started.attempt;
                    submission.started_at = Some(at);
                    submission.state = State::Running { since: at };
                }
            }
            Event::Judged(judged) => self.judged(head, judged),
            Event::Board(change) => {
                match change.state {
                    Board::Open => self.opened_at = self.opened_at.or(Some(at)),
                    Board::Closed => self.closed_at = Some(at),
                }
                self.frozen_at = match (change.state, change.frozen) {
                    (Board::Open, true) => self.frozen_at.filter(|_| self.is_frozen()).or(Some(at)),
                    (Board::Open, false) => None,
                    (Board::Closed, _) => self.frozen_at,
                };
                self.board = Some(change.state);
            }
            // Nothing of them is kept: no page, no file.
            Event::Discarded(discarded) => {
                if let Some(user) = &discarded.user {
                    let file = format!("{} files, from {} to {}", discarded.files, discarded.first, discarded.last);
                    self.remember(user, Stray { file, reason: discarded.reason.clone(), receipt: head });
                }
            }
            Event::Unknown => {}
        }
    }

    fn accepted(&mut self, head: Head, accepted: &Accepted) {
        let ahead = u32::try_from(self.unfinished.len()).unwrap_or(u32::MAX);
        self.settled.insert(accepted.inbox);
        self.refused.remove(&accepted.id);
        self.by_id.insert(accepted.id.clone(), accepted.submission);
        let (user, language) = (self.shared_user(&accepted.user), self.shared_language(&accepted.language));
        self.by_user.entry(user.clone()).or_default().push(accepted.submission);
        self.unfinished.insert(accepted.submission);
        self.pending.entry(user.clone()).or_default().insert(accepted.submission);
        self.kept.entry(user.clone()).or_default().take_in(accepted);
        self.submissions.push(Submission {
            number: accepted.submission,
            id: accepted.id.clone(),
            user,
            language,
            size: accepted.size,
            sha256: accepted.sha256,
            role: accepted.role,
            receipt: head,
            ahead,
            attempts: 0,
            started_at: None,
            state: State::Waiting,
        });
    }

    /// The name that is kept of a user already, so that all submissions of one share it.
    fn shared_user(&self, user: &UserName) -> UserName {
        self.by_user.get_key_value(user).map_or(user, |(known, _)| known).clone()
    }

    fn shared_language(&mut self, language: &Extension) -> Extension {
        if let Some(known) = self.languages.get(language) {
            return known.clone();
        }
        self.languages.insert(language.clone());
        language.clone()
    }

    fn rejected(&mut self, head: Head, rejected: &Rejected) {
        self.settled.insert(rejected.inbox);
        if rejected.set_aside {
            self.aside.add(head.seq, rejected.user.clone(), rejected.size);
        }
        let moments = self.refusals.entry(rejected.user.clone()).or_default();
        if moments.len() == MOST_REFUSALS {
            moments.pop_front();
        }
        moments.push_back(head.at);
        // A replay of an accepted id is refused, and leaves the page of the accepted one alone.
        if let Some(id) = rejected.id.as_ref().filter(|id| !self.by_id.contains_key(id)) {
            let user = rejected.user.as_ref().map(|user| self.shared_user(user));
            self.refused.insert(id.clone(), Refused { user, receipt: head });
        } else if let Some(user) = &rejected.user {
            let (file, reason) = (rejected.file.clone(), rejected.reason.clone());
            self.remember(user, Stray { file, reason, receipt: head });
        }
    }

    fn judged(&mut self, head: Head, judged: &Judged) {
        let Some(submission) = self.get(judged.submission) else {
            return;
        };
        let took = match submission.state {
            State::Running { since } => (head.at - since).to_std().ok(),
            State::Waiting => None,
            // The first result stands: the same judging told twice changes nothing.
            State::Judged { .. } => return,
        };
        let (what, user) = (fingerprint(submission), submission.user.clone());
        let result = self.frames.outcome(head.seq, judged);
        if let Some(submission) = self.get_mut(judged.submission) {
            submission.state = State::Judged { result, at: head.at };
            if judged.reused.is_some() {
                submission.attempts = judged.attempt;
            }
        }
        if let Some(provenance) = judged.provenance.as_ref()
            && self.evaluator.is_none_or(|(latest, _)| latest < judged.submission)
        {
            self.evaluator = Some((judged.submission, provenance.evaluator_sha256));
        }
        self.unfinished.remove(&judged.submission);
        self.judgings.push(judged.submission);
        if let Some(pending) = self.pending.get_mut(&user) {
            pending.remove(&judged.submission);
            if pending.is_empty() {
                self.pending.remove(&user);
            }
        }
        // What was reused is kept where it was, once.
        if judged.reused.is_none() {
            self.kept.entry(user).or_default().judged(judged);
            self.judged.insert(what, judged.submission);
        }
        if let Some(took) = took {
            self.durations.push(took);
        }
    }

    fn remember(&mut self, user: &UserName, stray: Stray) {
        let strays = self.strays.entry(user.clone()).or_default();
        if strays.len() == MOST_STRAYS {
            strays.pop_front();
        }
        strays.push_back(stray);
    }

    /// Puts whatever was running back into the queue, where it keeps its place: nobody runs it any more.
    pub fn interrupt(&mut self) {
        for number in self.unfinished.clone() {
            self.put_back(number);
        }
    }

    /// Puts one running submission back into the queue.
    pub fn put_back(&mut self, number: Number) {
        if let Some(submission) = self.get_mut(number)
            && let State::Running { .. } = submission.state
        {
            submission.state = State::Waiting;
        }
    }

    /// The last line, `None` for an empty log.
    #[must_use]
    pub fn head(&self) -> Option<Head> {
        self.head
    }

    /// What the log last said of the board; `None` before it said anything.
    #[must_use]
    pub fn board(&self) -> Option<Board> {
        self.board
    }

    /// Whether the log last said that the board is frozen.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.board == Some(Board::Open) && self.frozen_at.is_some()
    }

    /// Since when the board has been frozen, or was when it closed.
    #[must_use]
    pub fn frozen_at(&self) -> Option<DateTime<Utc>> {
        self.frozen_at
    }

    /// When the log first said that the board is open.
    #[must_use]
    pub fn opened_at(&self) -> Option<DateTime<Utc>> {
        self.opened_at
    }

    /// When the log last said that the board is closed.
    #[must_use]
    pub fn closed_at(&self) -> Option<DateTime<Utc>> {
        self.closed_at
    }

    /// Every accepted submission, in the order of acceptance.
    #[must_use]
    pub fn submissions(&self) -> &[Submission] {
        &self.submissions
    }

    /// What was judged, in the order of the lines that say so.
    #[must_use]
    pub fn judgings(&self) -> &[Number] {
        &self.judgings
    }

    /// A submission by its number.
    #[must_use]
    pub fn get(&self, number: Number) -> Option<&Submission> {
        self.submissions.get(index(number)?)
    }

    fn get_mut(&mut self, number: Number) -> Option<&mut Submission> {
        self.submissions.get_mut(index(number)?)
    }

    /// A submission by its id.
    #[must_use]
    pub fn by_id(&self, id: &SubmissionId) -> Option<&Submission> {
        self.by_id.get(id).and_then(|number| self.get(*number))
    }

    /// The users who submitted, each with their submissions in order.
    pub fn users(&self) -> impl Iterator<Item = (&UserName, Vec<&Submission>)> {
        self.by_user
            .iter()
            .map(|(user, numbers)| (user, numbers.iter().filter_map(|number| self.get(*number)).collect()))
    }

    /// One user's submissions, in order.
    #[must_use]
    pub fn of_user(&self, user: &UserName) -> Vec<&Submission> {
        self.by_user.get(user).into_iter().flatten().filter_map(|number| self.get(*number)).collect()
    }

    /// One user's submissions, the latest first.
    pub fn latest_of(&self, user: &UserName) -> impl Iterator<Item = &Submission> {
        self.by_user.get(user).into_iter().flatten().rev().filter_map(|number| self.get(*number))
    }

    /// How many of a user's submissions wait or run.
    #[must_use]
    pub fn pending_of(&self, user: &UserName) -> usize {
        self.pending.get(user).map_or(0, BTreeSet::len)
    }

    /// What results/ keeps for a user, in bytes: sources, what was printed in these cases, and the refused files that were set aside.
    #[must_use]
    pub fn disk_of(&self, user: &UserName, cases: &[CaseName]) -> u64 {
        let kept = self.kept.get(user).map_or(0, |kept| kept.bytes(cases));
        kept.saturating_add(self.aside.bytes_of(user))
    }

    /// The refused files that are set aside.
    #[must_use]
    pub fn aside(&self) -> &Aside {
        &self.aside
    }

    /// The lines whose refused files have had to go since this was last asked, and whose they were.
    pub fn take_forgotten(&mut self) -> BTreeMap<u64, Option<UserName>> {
        self.aside.take_forgotten()
    }

    /// Whether so many files of somebody's were refused after a moment that one more line about one more file tells nobody anything.
    #[must_use]
    pub fn is_flooded(&self, user: &Option<UserName>, since: DateTime<Utc>) -> bool {
        let full = self.refusals.get(user).filter(|moments| moments.len() >= MOST_REFUSALS);
        full.and_then(|moments| moments.front()).is_some_and(|first| *first > since)
    }

    /// The latest submission of the same user, with the same bytes in the same language, that was judged by being run.
    #[must_use]
    pub fn judged_before(&self, submission: &Submission) -> Option<&Submission> {
        let earlier = self.get(*self.judged.get(&fingerprint(submission))?)?;
        // Others may have the same fingerprint, in theory.
        (what(earlier) == what(submission)).then_some(earlier)
    }

    /// The evaluator by which the latest submission of those that are judged was judged.
    #[must_use]
    pub fn evaluator(&self) -> Option<Digest> {
        self.evaluator.map(|(_, sha256)| sha256)
    }

    /// The users who have submissions in the queue or on workers, and those, first come first.
    pub fn pending(&self) -> impl Iterator<Item = (&UserName, impl Iterator<Item = &Submission>)> {
        self.pending.iter().map(|(user, numbers)| (user, numbers.iter().filter_map(|number| self.get(*number))))
    }

    /// The refused files that had an id, by id.
    #[must_use]
    pub fn refused(&self) -> &BTreeMap<SubmissionId, Refused> {
        &self.refused
    }

    /// A user's refused files that no page tells of, the latest [`MOST_STRAYS`], in order.
    pub fn strays(&self, user: &UserName) -> impl Iterator<Item = &Stray> {
        self.strays.get(user).into_iter().flatten()
    }

    /// Whether this very file of the inbox was dealt with already.
    #[must_use]
    pub fn is_settled(&self, file: FileKey) -> bool {
        self.settled.contains(&file)
    }

    /// The number that the next accepted submission gets.
    #[must_use]
    pub fn next_number(&self) -> Number {
        Number(self.submissions.len() as u64 + 1)
    }

    /// The queue, first come first served.
    pub fn waiting(&self) -> impl Iterator<Item = &Submission> {
        self.unfinished
            .iter()
            .filter_map(|number| self.get(*number))
            .filter(|submission| matches!(submission.state, State::Waiting))
    }

    /// What is on the workers.
    pub fn running(&self) -> impl Iterator<Item = (&Submission, DateTime<Utc>)> {
        self.unfinished.iter().filter_map(|number| self.get(*number)).filter_map(|submission| match submission.state {
            State::Running { since } => Some((submission, since)),
            State::Waiting | State::Judged { .. } => None,
        })
    }

    /// How long a judging takes, by the median of the latest; `None` before the first.
    #[must_use]
    pub fn usual_duration(&self) -> Option<Duration> {
        self.usual().map(|usual| usual.median)
    }

    /// How long the latest judgings took; `None` before the first.
    #[must_use]
    pub fn usual(&self) -> Option<Usual> {
        let mut sorted = self.durations.0.clone();
        sorted.sort_unstable();
        let at = |tenths: usize| sorted.get((sorted.len() * tenths / 10).min(sorted.len().saturating_sub(1))).copied();
        Some(Usual { quick: at(1)?, median: at(5)?, slow: at(9)?, of: sorted.len() })
    }
}

/// Whose, and of what: two that are the same are the same program.
fn what(submission: &Submission) -> (&UserName, &Extension, &Digest) {
    (&submission.user, &submission.language, &submission.sha256)
}

/// The same in eight bytes.
fn fingerprint(submission: &Submission) -> u64 {
    let (user, language, sha256) = what(submission);
    let mut hasher = Hasher::default();
    // Neither name has a dot.
    [user.as_str(), ".", language.as_str(), "."].iter().for_each(|part| hasher.update(part.as_bytes()));
    hasher.update(sha256.bytes());
    hasher.finish().bytes()[..8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn index(number: Number) -> Option<usize> {
    usize::try_from(number.0).ok()?.checked_sub(1)
}

impl Submission {
    /// The name that it came by.
    #[must_use]
    pub fn file(&self) -> FileName {
        FileName { user: self.user.clone(), id: self.id.clone(), extension: self.language.clone() }
    }

    /// The result, once there is one.
    #[must_use]
    pub fn judged(&self) -> Option<&Outcome> {
        match &self.state {
            State::Judged { result, .. } => Some(result),
            State::Waiting | State::Running { .. } => None,
        }
    }

    /// The judging whose files are this one's, once there is a result.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        let judged = self.judged()?;
        Some(judged.reused().unwrap_or(Origin { submission: self.number, attempt: judged.attempt() }))
    }

    /// Whether it counts as an attempt: judged, and not spoiled by a fault of the platform.
    #[must_use]
    pub fn counts(&self, cases: &Cases) -> bool {
        self.judged().is_some_and(|judged| judged.verdict(&cases.public).fault() != Fault::Operator)
    }
}

impl Judged {
    /// The judging whose files are this one's.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.reused.unwrap_or(Origin { submission: self.submission, attempt: self.attempt })
    }

    /// A case's result.
    #[must_use]
    pub fn case(&self, name: &CaseName) -> Option<&CaseResult> {
        self.cases.iter().find(|result| result.case == *name)
    }
}
