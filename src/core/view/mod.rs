//! What pages and the JSON beside them show, as plain data: a function of the history and the rules.
//!
//! Whatever a page could leak, it would have to find in here. While the board is open no view holds anything of a private case: not a
//! name, a score, a clock, or how many there are. No view but [`SubmissionPage`] and [`StatusJson`] holds a submission's id, and those
//! two only as far as they are written under it.

mod board;
mod queue;
mod submission;
mod user;

use serde::Serialize;

use super::config::{Better, Board};
use super::digest::Digest;
use super::history::{Head, History, State};
use super::record::moment;
use super::rules::Rules;
use super::verdict::{Fault, Verdict};

pub use board::{BoardPage, BoardRow, LeaderboardJson, board};
pub use queue::{Finished, QueueJson, QueuePage, Running, Waiting, queue};
pub use submission::{CaseView, ReceiptView, StatusJson, SubmissionPage, Tail, Tails, folder, refused, submission};
pub use user::{UserPage, UserSubmission, user};

/// The version of every JSON document under public/.
const JSON_VERSION: u32 = 1;

/// What the pages are a function of.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The log.
    pub history: &'a History,
    /// The rules.
    pub rules: &'a Rules,
}

impl<'a> Source<'a> {
    /// What the board is, by the log; by the config before the log says anything.
    #[must_use]
    pub fn board(&self) -> Board {
        self.history.board().unwrap_or(self.rules.config.competition.state)
    }

    fn usual_seconds(&self) -> Option<u64> {
        self.history.usual_duration().map(|duration| duration.as_secs_f64().ceil() as u64)
    }
}

/// What every page shows around its own content.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Site {
    /// The competition's title.
    pub title: String,
    /// `open` or `closed`.
    pub board: Board,
    /// `public` or `total`: which scores show.
    pub scores: Scores,
    /// When the board closes by itself, if it is open and does.
    pub closes_at: Option<String>,
    /// When it opens by itself, if that is to come.
    pub opens_at: Option<String>,
    /// What the score counts.
    pub unit: String,
    /// Which way is better.
    pub better: Better,
    /// What changes with every line of the log: shown on the board and the queue only. A user's page and a submission's page change
    /// with what concerns them, so that publishing one result costs what it changed.
    pub live: Option<Live>,
}

/// What changes with every line of the log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Live {
    /// The log's last line.
    pub log: LogHead,
    /// The beginning of its digest.
    pub head_short: String,
    /// When it was written.
    pub updated_at: Option<String>,
    /// How many submissions wait or run.
    pub in_queue: usize,
    /// Why nothing is judged at the moment, if something keeps it.
    pub held: Option<String>,
}

/// Which scores show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scores {
    /// Over the public cases.
    Public,
    /// Over all cases.
    Total,
}

/// The log's last line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LogHead {
    /// Its number; 0 for an empty log.
    pub seq: u64,
    /// The digest of its bytes.
    pub head: Digest,
}

impl LogHead {
    fn of(head: Option<Head>) -> Self {
        head.map_or(LogHead { seq: 0, head: Digest::ZERO }, |head| LogHead { seq: head.seq, head: head.line_sha256 })
    }
}

/// The frame of the pages that change with every line of the log.
#[must_use]
pub fn live_site(source: Source<'_>, held: Option<&str>) -> Site {
    let head = source.history.head();
    let log = LogHead::of(head);
    Site {
        live: Some(Live {
            log,
            head_short: log.head.short(),
            updated_at: head.map(|head| moment::text(head.at)),
            in_queue: source.history.waiting().count() + source.history.running().count(),
            held: held.map(str::to_owned),
        }),
        ..site(source)
    }
}

/// The frame of every other page.
#[must_use]
pub fn site(source: Source<'_>) -> Site {
    let config = &source.rules.config;
    let board = source.board();
    Site {
        title: config.competition.title.clone(),
        board,
        scores: scores(board),
        closes_at: if board == Board::Open { config.competition.closes_at.map(moment::text) } else { None },
        opens_at: if board == Board::Closed { config.competition.opens_at.map(moment::text) } else { None },
        unit: config.score.unit.clone(),
        better: config.score.better,
        live: None,
    }
}

fn scores(board: Board) -> Scores {
    match board {
        Board::Open => Scores::Public,
        Board::Closed => Scores::Total,
    }
}

/// Whether a verdict is good news.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tone {
    /// Accepted.
    Good,
    /// The student's program failed.
    Bad,
    /// The judging failed, which is not the student's doing.
    Sorry,
    /// There is no verdict yet.
    None,
}

fn tone(verdict: Verdict) -> Tone {
    match verdict.fault() {
        Fault::Nobody => Tone::Good,
        Fault::Student => Tone::Bad,
        Fault::Instructor | Fault::Operator => Tone::Sorry,
    }
}

/// Where a submission is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StateName {
    /// In the queue.
    Waiting,
    /// On a worker.
    Running,
    /// Done.
    Judged,
    /// Refused before judging.
    Rejected,
}

fn state_name(state: &State) -> StateName {
    match state {
        State::Waiting => StateName::Waiting,
        State::Running { .. } => StateName::Running,
        State::Judged { .. } => StateName::Judged,
    }
}
