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
        match users.role_in_history(user, submissions.last().map(|last| last.role)) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::story::{Story, case, rules};
    use crate::core::verdict::Verdict;
    use proptest::prelude::*;

    fn board_of(story: &Story, extra: &str, board: Board) -> Vec<(Option<usize>, String, String)> {
        let rules = rules(extra);
        let standings = standings(board, &story.history, &rules.config, &rules.users);
        standings.rows.iter().map(|row| (row.rank, row.user.to_string(), row.score.to_string())).collect()
    }

    fn row(rank: usize, user: &str, score: &str) -> (Option<usize>, String, String) {
        (Some(rank), user.into(), score.into())
    }

    #[test]
    fn open_ranks_by_public_scores_closed_by_totals() {
        let mut story = Story::default();
        story.scores("alice", [1.0, 1.0, 9.0]);
        story.scores("bob", [2.0, 2.0, 1.0]);
        assert_eq!(board_of(&story, "", Board::Open), [row(1, "alice", "2"), row(2, "bob", "4")]);
        assert_eq!(board_of(&story, "", Board::Closed), [row(1, "bob", "5"), row(2, "alice", "11")]);
    }

    #[test]
    fn ties_share_a_rank_and_the_earlier_is_first() {
        let mut story = Story::default();
        story.scores("zoe", [1.0, 1.0, 0.0]);
        story.scores("alice", [1.0, 1.0, 0.0]);
        story.scores("bob", [3.0, 0.0, 0.0]);
        let expected = [row(1, "zoe", "2"), row(1, "alice", "2"), row(3, "bob", "3")];
        assert_eq!(board_of(&story, "", Board::Open), expected);
    }

    #[test]
    fn the_best_attempt_counts_and_of_equal_ones_the_earliest() {
        let mut story = Story::default();
        story.scores("alice", [5.0, 5.0, 0.0]);
        story.scores("bob", [2.0, 1.0, 0.0]);
        story.scores("alice", [1.0, 2.0, 0.0]);
        story.scores("alice", [2.0, 1.0, 0.0]);
        let rules = rules("");
        let standings = standings(Board::Open, &story.history, &rules.config, &rules.users);
        let submissions: Vec<_> =
            standings.rows.iter().map(|row| (row.user.as_str(), row.submission.0, row.attempts)).collect();
        assert_eq!(submissions, [("bob", 2, 1), ("alice", 3, 3)]);
    }

    #[test]
    fn a_failed_case_is_infeasible_or_what_the_config_says() {
        let mut story = Story::default();
        let number = story.accept("alice");
        let (time, private) = (case("one", Verdict::TimeLimit, None), case("secret", Verdict::RunError, None));
        story.judge(number, vec![time, case("two", Verdict::Accepted, Some(7.0)), private]);
        story.scores("bob", [100.0, 100.0, 1.0]);
        assert_eq!(board_of(&story, "", Board::Open), [row(1, "bob", "200"), row(2, "alice", "inf")]);
        let lenient = "[score]\nfailed = 0\nbetter = \"higher\"\n";
        assert_eq!(board_of(&story, lenient, Board::Open), [row(1, "bob", "200"), row(2, "alice", "7")]);
    }

    #[test]
    fn a_private_failure_shows_nowhere_before_closing() {
        let mut story = Story::default();
        let number = story.accept("alice");
        let public = ["one", "two"].map(|name| case(name, Verdict::Accepted, Some(1.0)));
        story.judge(number, public.into_iter().chain([case("secret", Verdict::RunError, None)]).collect());
        assert_eq!(board_of(&story, "", Board::Open), [row(1, "alice", "2")]);
        assert_eq!(board_of(&story, "", Board::Closed), [row(1, "alice", "inf")]);
    }

    #[test]
    fn a_case_without_a_score_leaves_the_earlier_best_alone() {
        let mut story = Story::default();
        story.scores("alice", [5.0, 5.0, 5.0]);
        let number = story.accept("alice");
        let broken = case("secret", Verdict::EvaluatorError, None);
        story.judge(
            number,
            vec![case("one", Verdict::Accepted, Some(1.0)), case("two", Verdict::Accepted, Some(1.0)), broken],
        );
        assert_eq!(board_of(&story, "", Board::Open), [row(1, "alice", "2")]);
        assert_eq!(board_of(&story, "", Board::Closed), [row(1, "alice", "15")]);
    }

    #[test]
    fn only_students_are_ranked_and_reference_rows_show_when_the_config_says_so() {
        let mut story = Story::default();
        story.scores("alice", [5.0, 5.0, 0.0]);
        story.scores("prof", [1.0, 1.0, 0.0]);
        let users = Users::parse("username,password,role\nalice,x,student\nprof,x,superuser\n").expect("good");
        for (extra, shown) in [("", 0), ("[score]\nshow_reference = true\n", 1)] {
            let rules = rules(extra);
            let standings = standings(Board::Open, &story.history, &rules.config, &users);
            assert_eq!(standings.rows.iter().map(|row| row.rank).collect::<Vec<_>>(), [Some(1)]);
            assert_eq!(standings.reference.len(), shown);
            assert!(standings.reference.iter().all(|row| row.rank.is_none()));
        }
    }

    proptest! {
        #[test]
        fn ranks_do_not_depend_on_the_order_of_arrival(scores in proptest::collection::vec(0..4u8, 1..12), turn in 0..12usize) {
            let told = |order: &[usize]| {
                let mut story = Story::default();
                for who in order {
                    story.scores(&format!("user{who}"), [f64::from(scores[*who]), 0.0, 0.0]);
                }
                let mut rows = board_of(&story, "", Board::Open);
                rows.sort_by(|a, b| a.1.cmp(&b.1));
                rows
            };
            let forward: Vec<usize> = (0..scores.len()).collect();
            let mut turned = forward.clone();
            turned.rotate_left(turn % scores.len());
            turned.reverse();
            prop_assert_eq!(told(&forward), told(&turned));
        }
    }
}
