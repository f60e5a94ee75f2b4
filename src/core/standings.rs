//! Who is where on the board.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};

use super::config::{Board, Config};
use super::history::{History, Submission};
use super::ids::{Number, UserName};
use super::score::Score;
use super::users::{Role, Users};

/// One user's best.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// From 1; shared by equal scores. `None` for a reference row.
    pub rank: Option<usize>,
    /// Whose row it is.
    pub user: UserName,
    /// The best score.
    pub score: Score,
    /// When the submission that reached it was accepted.
    pub at: DateTime<Utc>,
    /// That submission.
    pub submission: Number,
    /// How many of the user's submissions were judged.
    pub attempts: usize,
}

/// The board.
#[derive(Debug, Clone, PartialEq)]
pub struct Standings {
    /// The ranked students, best first; equal scores in the order of acceptance.
    pub rows: Vec<Row>,
    /// The unranked reference entries, best first; empty unless the config shows them.
    pub reference: Vec<Row>,
}

/// What a submission scores on the board: over the public cases while it is open, over all when it is closed.
#[must_use]
pub fn score_on(board: Board, submission: &Submission, config: &Config) -> Option<Score> {
    let judged = submission.judged()?;
    match board {
        Board::Open => judged.score(&config.cases.public, &config.score),
        Board::Closed => judged.score(config.cases.all(), &config.score),
    }
}

/// The board out of the log.
#[must_use]
pub fn standings(board: Board, history: &History, config: &Config, users: &Users) -> Standings {
    let mut rows = Vec::new();
    let mut reference = Vec::new();
    for (user, submissions) in history.users() {
        let Some(row) = best(board, user, &submissions, config) else {
            continue;
        };
        match users.role_in_history(user) {
            Role::Student => rows.push(row),
            Role::Evaluator | Role::Superuser if config.score.show_reference => reference.push(row),
            Role::Evaluator | Role::Superuser => {}
        }
    }
    let better = config.score.better;
    let order = |a: &Row, b: &Row| a.score.compare(&b.score, better).then(a.submission.cmp(&b.submission));
    rows.sort_by(order);
    reference.sort_by(order);
    share_ranks(&mut rows, |a, b| a.score.compare(&b.score, better));
    Standings { rows, reference }
}

/// A user's best submission: of equal ones the earliest. Not ranked.
#[must_use]
pub fn best(board: Board, user: &UserName, submissions: &[&Submission], config: &Config) -> Option<Row> {
    let attempts = submissions.iter().filter(|submission| submission.counts(&config.cases)).count();
    let (score, submission) = submissions
        .iter()
        .filter_map(|submission| Some((score_on(board, submission, config)?, *submission)))
        // `min_by` keeps the first of equal ones, and they come in the order of acceptance.
        .min_by(|(a, _), (b, _)| a.compare(b, config.score.better))?;
    Some(Row {
        rank: None,
        user: user.clone(),
        score,
        at: submission.receipt.at,
        submission: submission.number,
        attempts,
    })
}

/// Ranks sorted rows 1, 2, 2, 4.
fn share_ranks(rows: &mut [Row], compare: impl Fn(&Row, &Row) -> Ordering) {
    for i in 0..rows.len() {
        let shared = i > 0 && compare(&rows[i - 1], &rows[i]).is_eq();
        rows[i].rank = if shared { rows[i - 1].rank } else { Some(i + 1) };
    }
}
