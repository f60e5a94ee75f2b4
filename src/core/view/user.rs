//! A user's page: u/<user>/index.html.

use serde::Serialize;

use super::{Source, StateName, Tone, state_name, tone};
use crate::core::ids::{Number, UserName};
use crate::core::record::moment;
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
    /// Every accepted submission, the latest first.
    pub submissions: Vec<UserSubmission>,
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
    /// The verdict of the public cases.
    pub verdict: Option<Verdict>,
    /// For the look of it.
    pub tone: Tone,
    /// The score that shows, rounded for people.
    pub shown: Option<String>,
    /// Whether this is the user's row on the board.
    pub is_best: bool,
}

/// A user's page.
#[must_use]
pub fn user(source: Source<'_>, user: &UserName) -> UserPage {
    let config = &source.rules.config;
    let board = source.board();
    let submissions = source.history.of_user(user);
    let row = standings::best(board, user, &submissions, config);
    UserPage {
        user: user.clone(),
        role: source.rules.users.role_in_history(user, submissions.last().map(|last| last.role)),
        best: row.as_ref().map(|row| row.score.shown(config.score.decimals)),
        submissions: submissions
            .iter()
            .rev()
            .map(|submission| {
                let verdict = submission.judged().map(|judged| judged.verdict(&config.cases.public));
                UserSubmission {
                    submission: submission.number,
                    at: moment::text(submission.receipt.at),
                    state: state_name(&submission.state),
                    verdict,
                    tone: verdict.map_or(Tone::None, tone),
                    shown: standings::score_on(board, submission, config)
                        .map(|score| score.shown(config.score.decimals)),
                    is_best: row.as_ref().is_some_and(|row| row.submission == submission.number),
                }
            })
            .collect(),
    }
}
