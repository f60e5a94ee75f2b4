//! A user's page: u/<user>/index.html.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::about::millis;
use super::plot::{self, Chart};
use super::{Source, StateName, Tone, state_name, tone};
use crate::core::digest::Digest;
use crate::core::ids::{Number, UserName};
use crate::core::outcome::Outcome;
use crate::core::quota::{self, Used};
use crate::core::record::{Refusal, moment};
use crate::core::standings;
use crate::core::users::Role;
use crate::core::verdict::Verdict;

/// u/<user>/index.html
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UserPage {
    /// Whose page it is.
    pub user: UserName,
    /// What the user is here for.
    pub role: Role,
    /// The best score, rounded for people.
    pub best: Option<String>,
    /// Its digits, where rounding leaves some out: on the board they are in a title, which no finger reaches.
    pub best_exact: Option<String>,
    /// What the user has used of the quotas, where there are any.
    pub quotas: Vec<Quota>,
    /// The scores over time, once there is something to see.
    pub plot: Option<UserPlot>,
    /// Whether the user is one of staff, of whose submissions nothing shows.
    pub unlisted: bool,
    /// Every accepted submission, the latest first.
    pub submissions: Vec<UserSubmission>,
}

/// What a user has used of a quota. Pages know no clock: of a rate it is said as of the user's latest submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Quota {
    /// `rate`, `pending` or `disk`.
    pub kind: Refusal,
    /// How much is used: submissions, or bytes.
    pub used: u64,
    /// How much may be.
    pub most: u64,
    /// The time within which that counts, in milliseconds.
    pub window_ms: Option<u64>,
    /// From when on another one is taken, where none was after the latest.
    pub next_at: Option<String>,
}

/// A user's scores over time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UserPlot {
    /// Another one for every other drawing, so that a browser knows when to fetch it.
    pub version: String,
    /// The drawing.
    pub chart: Chart,
}

impl UserPlot {
    fn new(chart: Chart) -> Self {
        let drawing = serde_json::to_vec(&chart).unwrap_or_default();
        Self { version: Digest::of(&drawing).to_string()[..8].to_owned(), chart }
    }
}

/// A submission as everybody may see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UserSubmission {
    /// Its number.
    pub submission: Number,
    /// When it was accepted.
    pub at: String,
    /// `waiting`, `running` or `judged`.
    pub state: StateName,
    /// The verdict of the public cases; `None` also where it is hidden.
    pub verdict: Option<Verdict>,
    /// Whether a frozen board hides what came of it.
    pub hidden: bool,
    /// For the look of it.
    pub tone: Tone,
    /// The score that shows, rounded for people.
    pub shown: Option<String>,
    /// Whether this is the user's row on the board.
    pub is_best: bool,
    /// The submission of the same bytes whose result this is, where nothing was run.
    pub reused: Option<Number>,
    /// Whether it was better than all before it.
    pub improved: bool,
}

/// A user's page.
#[must_use]
pub fn user(source: Source<'_>, user: &UserName) -> UserPage {
    let config = &source.rules.config;
    let board = source.board();
    let submissions = source.history.of_user(user);
    let seen = standings::seen(&submissions, source.frozen_since());
    let unlisted = source.is_unlisted(user);
    let row = standings::best(board, user, seen, config).filter(|_| !unlisted);
    let scores: Vec<_> = seen
        .iter()
        .filter_map(|submission| Some((submission.receipt.at, standings::score_on(board, submission, config)?)))
        .collect();
    let (better, decimals) = (config.score.better, config.score.decimals);
    let plot = row.as_ref().and_then(|row| plot::attempts(row, &scores, better, decimals)).map(UserPlot::new);
    UserPage {
        plot,
        unlisted,
        user: user.clone(),
        role: source.role_of(user),
        best: row.as_ref().map(|row| row.score.shown(config.score.decimals)),
        best_exact: row.as_ref().and_then(|row| row.score.exact(config.score.decimals)),
        quotas: quotas(source, user, submissions.last().map(|last| last.receipt.at)),
        submissions: submissions
            .iter()
            .rev()
            .map(|submission| {
                let hidden = source.hides(submission);
                let judged = submission.judged().filter(|_| !hidden);
                let verdict = judged.map(|judged| judged.verdict(&config.cases.public));
                UserSubmission {
                    submission: submission.number,
                    at: moment::text(submission.receipt.at),
                    state: state_name(&submission.state),
                    verdict,
                    hidden,
                    tone: verdict.map_or(Tone::None, tone),
                    shown: standings::score_on(board, submission, config)
                        .filter(|_| !hidden)
                        .map(|score| score.shown(config.score.decimals)),
                    reused: judged.and_then(Outcome::reused).map(|origin| origin.submission),
                    improved: row
                        .as_ref()
                        .is_some_and(|row| row.steps.iter().skip(1).any(|step| step.submission == submission.number)),
                    is_best: row.as_ref().is_some_and(|row| row.submission == submission.number),
                }
            })
            .collect(),
    }
}

fn quotas(source: Source<'_>, user: &UserName, latest: Option<DateTime<Utc>>) -> Vec<Quota> {
    let (history, limits) = (source.history, &source.rules.config.submissions);
    // How much is printed, and whether a place was given back, tells of what came of the hidden ones.
    let is_hiding = history.latest_of(user).next().is_some_and(|latest| source.hides(latest));
    let rate = latest.filter(|_| !is_hiding).and_then(|latest| quota::used(history, source.rules, user, latest));
    let rate = rate.map(|(rate, Used { count, next_at })| Quota {
        kind: Refusal::Rate,
        used: count as u64,
        most: rate.count as u64,
        window_ms: Some(millis(rate.window)),
        next_at: next_at.map(moment::text),
    });
    let plain = |kind, used, most| Quota { kind, used, most, window_ms: None, next_at: None };
    let pending =
        limits.pending_per_user.map(|most| plain(Refusal::Pending, history.pending_of(user) as u64, most as u64));
    let disk = (limits.disk_per_user.filter(|_| !is_hiding))
        .map(|most| plain(Refusal::Disk, history.disk_of(user, &source.rules.config.cases.public), most));
    rate.into_iter().chain(pending).chain(disk).collect()
}
