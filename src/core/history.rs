//! The state of a competition: a fold over the log, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::config::{Board, Cases, Scoring};
use super::digest::Digest;
use super::ids::{CaseName, Extension, Number, SubmissionId, UserName};
use super::record::{CaseResult, Event, FileKey, Judged, Record, Refusal};
use super::score::Score;
use super::users::Role;
use super::verdict::{Fault, Verdict};

/// Everything that the log says.
#[derive(Debug, Clone, Default)]
pub struct History {
    head: Option<Head>,
    board: Option<Board>,
    /// By number; number 1 is the first.
    submissions: Vec<Submission>,
    by_id: BTreeMap<SubmissionId, Number>,
    by_user: BTreeMap<UserName, Vec<Number>>,
    /// Accepted and not judged.
    unfinished: BTreeSet<Number>,
    refused: BTreeMap<SubmissionId, Refused>,
    /// Files that were dealt with, so that one which a crash left in the inbox is known again.
    settled: BTreeSet<FileKey>,
    durations: Recent,
}

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
    /// The name of its file.
    pub file: String,
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
    /// How often a judging of it began.
    pub attempts: u32,
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
        /// The result.
        result: Arc<Judged>,
        /// When.
        at: DateTime<Utc>,
    },
}

/// A refused file that had an id.
#[derive(Debug, Clone)]
pub struct Refused {
    /// Whose it was.
    pub user: Option<UserName>,
    /// Its id.
    pub id: SubmissionId,
    /// The name of its file.
    pub file: String,
    /// Why, for programs.
    pub refusal: Refusal,
    /// Why, for its sender.
    pub reason: String,
    /// The digest of its bytes, where they were read.
    pub sha256: Option<Digest>,
    /// The line that says so.
    pub receipt: Receipt,
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
            Event::Accepted(accepted) => {
                self.settled.insert(accepted.inbox);
                self.refused.remove(&accepted.id);
                self.by_id.insert(accepted.id.clone(), accepted.submission);
                self.by_user.entry(accepted.user.clone()).or_default().push(accepted.submission);
                self.unfinished.insert(accepted.submission);
                self.submissions.push(Submission {
                    number: accepted.submission,
                    id: accepted.id.clone(),
                    user: accepted.user.clone(),
                    file: accepted.file.clone(),
                    language: accepted.language.clone(),
                    size: accepted.size,
                    sha256: accepted.sha256,
                    role: accepted.role,
                    receipt: head,
                    attempts: 0,
                    state: State::Waiting,
                });
            }
            Event::Rejected(rejected) => {
                self.settled.insert(rejected.inbox);
                // A replay of an accepted id is refused, and leaves the page of the accepted one alone.
                if let Some(id) = rejected.id.as_ref().filter(|id| !self.by_id.contains_key(id)) {
                    self.refused.insert(
                        id.clone(),
                        Refused {
                            user: rejected.user.clone(),
                            id: id.clone(),
                            file: rejected.file.clone(),
                            refusal: rejected.refusal,
                            reason: rejected.reason.clone(),
                            sha256: rejected.sha256,
                            receipt: head,
                        },
                    );
                }
            }
            Event::Started(started) => {
                if let Some(submission) = self.get_mut(started.submission)
                    && !matches!(submission.state, State::Judged { .. })
                {
                    submission.attempts = started.attempt;
                    submission.state = State::Running { since: at };
                }
            }
            Event::Judged(judged) => {
                let Some(submission) = self.get_mut(judged.submission) else {
                    return;
                };
                let took = match submission.state {
                    State::Running { since } => (at - since).to_std().ok(),
                    State::Waiting => None,
                    // The first result stands: the same judging told twice changes nothing.
                    State::Judged { .. } => return,
                };
                submission.state = State::Judged { result: Arc::new(judged.clone()), at };
                self.unfinished.remove(&judged.submission);
                if let Some(took) = took {
                    self.durations.push(took);
                }
            }
            Event::Board(change) => self.board = Some(change.state),
            Event::Unknown => {}
        }
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

    /// Every accepted submission, in the order of acceptance.
    #[must_use]
    pub fn submissions(&self) -> &[Submission] {
        &self.submissions
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

    /// The refused files that had an id, by id.
    #[must_use]
    pub fn refused(&self) -> &BTreeMap<SubmissionId, Refused> {
        &self.refused
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
        let mut sorted = self.durations.0.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied()
    }
}

fn index(number: Number) -> Option<usize> {
    usize::try_from(number.0).ok()?.checked_sub(1)
}

impl Submission {
    /// The result, once there is one.
    #[must_use]
    pub fn judged(&self) -> Option<&Judged> {
        match &self.state {
            State::Judged { result, .. } => Some(result),
            State::Waiting | State::Running { .. } => None,
        }
    }

    /// Whether it counts as an attempt: judged, and not spoiled by a fault of the platform.
    #[must_use]
    pub fn counts(&self, cases: &Cases) -> bool {
        self.judged().is_some_and(|judged| judged.verdict(&cases.public).fault() != Fault::Operator)
    }
}

impl Judged {
    /// A case's result.
    #[must_use]
    pub fn case(&self, name: &CaseName) -> Option<&CaseResult> {
        self.cases.iter().find(|result| result.case == *name)
    }

    /// The verdict over a set of cases, as far as they were judged.
    #[must_use]
    pub fn verdict(&self, set: &[CaseName]) -> Verdict {
        Verdict::of_set(set.iter().filter_map(|name| self.case(name)).map(|result| result.verdict))
    }

    /// The score of a set of cases under the rules in force. `None` while a case of the set has none: the judging failed on it, or
    /// the case came into the set after this judging.
    #[must_use]
    pub fn score<'c>(&self, set: impl IntoIterator<Item = &'c CaseName>, rules: &Scoring) -> Option<Score> {
        let scores: Option<Vec<Score>> = set.into_iter().map(|name| self.case(name)?.score_under(rules)).collect();
        Score::total(&scores?, rules.total)
    }
}

impl CaseResult {
    /// What the case scores under the rules in force, which may say another `failed` than those it was judged by.
    #[must_use]
    pub fn score_under(&self, rules: &Scoring) -> Option<Score> {
        match self.verdict.fault() {
            Fault::Nobody => self.score,
            Fault::Student => Some(rules.failed),
            Fault::Instructor | Fault::Operator => None,
        }
    }
}
