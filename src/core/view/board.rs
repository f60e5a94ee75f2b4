//! The board: index.html and leaderboard.json.

use serde::Serialize;

use super::{JSON_VERSION, LogHead, Scores, Source, site};
use crate::core::config::{Better, Board};
use crate::core::ids::{Number, UserName};
use crate::core::record::moment;
use crate::core::score::Score;
use crate::core::standings::{self, Row};

/// index.html
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BoardPage {
    /// The ranked students.
    pub rows: Vec<BoardRow>,
    /// Unranked reference entries.
    pub reference: Vec<BoardRow>,
    /// How many students are on the board.
    pub students: usize,
    /// How many submissions were accepted.
    pub submissions: usize,
    /// How many public cases there are.
    pub public_cases: usize,
}

/// A row of the board.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BoardRow {
    /// The rank; `None` for a reference row.
    pub rank: Option<usize>,
    /// Whose row it is.
    pub user: UserName,
    /// The score.
    pub score: Score,
    /// The score, rounded for people.
    pub shown: String,
    /// When the submission that reached it was accepted.
    pub at: String,
    /// That submission.
    pub submission: Number,
    /// How many of the user's submissions were judged.
    pub attempts: usize,
    /// How far behind the first, from 0 (level) to 100 (the last finite score); `None` where infeasible.
    pub behind: Option<u8>,
}

/// `public/leaderboard.json`; a contract.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LeaderboardJson {
    v: u32,
    title: String,
    state: Board,
    scores: Scores,
    better: Better,
    unit: String,
    log: LogHead,
    updated_at: Option<String>,
    rows: Vec<LeaderboardRow>,
    reference: Vec<LeaderboardRow>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct LeaderboardRow {
    rank: Option<usize>,
    user: UserName,
    score: Score,
    at: String,
    submission: Number,
    attempts: usize,
}

/// The board, as a page and as JSON.
#[must_use]
pub fn board(source: Source<'_>) -> (BoardPage, LeaderboardJson) {
    let config = &source.rules.config;
    let standings = standings::standings(source.board(), source.history, config, &source.rules.users);
    let site = site(source);
    let page = BoardPage {
        rows: board_rows(&standings.rows, &standings.rows, config.score.decimals),
        reference: board_rows(&standings.reference, &standings.rows, config.score.decimals),
        students: standings.rows.len(),
        submissions: source.history.submissions().len(),
        public_cases: config.cases.public.len(),
    };
    let json = LeaderboardJson {
        v: JSON_VERSION,
        title: site.title,
        state: site.board,
        scores: site.scores,
        better: site.better,
        unit: site.unit,
        log: LogHead::of(source.history.head()),
        updated_at: source.history.head().map(|head| moment::text(head.at)),
        rows: standings.rows.iter().map(json_row).collect(),
        reference: standings.reference.iter().map(json_row).collect(),
    };
    (page, json)
}

fn json_row(row: &Row) -> LeaderboardRow {
    LeaderboardRow {
        rank: row.rank,
        user: row.user.clone(),
        score: row.score,
        at: moment::text(row.at),
        submission: row.submission,
        attempts: row.attempts,
    }
}

fn board_rows(rows: &[Row], ranked: &[Row], decimals: u8) -> Vec<BoardRow> {
    let finite =
        || ranked.iter().filter_map(|row| if let Score::Finite(number) = row.score { Some(number) } else { None });
    let (first, last) = (finite().next(), finite().next_back());
    rows.iter()
        .map(|row| BoardRow {
            rank: row.rank,
            user: row.user.clone(),
            score: row.score,
            shown: row.score.shown(decimals),
            at: moment::text(row.at),
            submission: row.submission,
            attempts: row.attempts,
            behind: behind(row.score, first, last),
        })
        .collect()
}

fn behind(score: Score, first: Option<f64>, last: Option<f64>) -> Option<u8> {
    let (Score::Finite(score), Some(first), Some(last)) = (score, first, last) else {
        return None;
    };
    if (last - first) == 0.0 {
        return Some(0);
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=100")]
    Some(((score - first) / (last - first) * 100.0).round().clamp(0.0, 100.0) as u8)
}
