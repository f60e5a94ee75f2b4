//! Who is where on the board.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::config::{Better, Board, Config};
use super::details::Details;
use super::history::{History, Submission};
use super::ids::{CaseName, Number, UserName};
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
    /// How many the user has handed in since the board was frozen.
    pub unseen: usize,
    /// When the user handed in last, whatever came of it.
    pub last: DateTime<Utc>,
    /// How the best score came about: every submission that was better than all before it, the latest last. A score counts from the
    /// moment at which its submission was accepted, so that a slow judging moves nobody.
    pub steps: Vec<Step>,
    /// The evaluator's further numbers of the best submission, by name: those that every case that counts has, made into one number as scores
    /// are.
    pub metrics: BTreeMap<String, Score>,
}

/// A score that was better than all before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// When the submission was accepted.
    pub at: DateTime<Utc>,
    /// What it scores.
    pub score: Score,
    /// Which it was.
    pub submission: Number,
}

impl Row {
    /// The best score at an earlier moment; `None` before the first.
    #[must_use]
    pub fn score_at(&self, moment: DateTime<Utc>) -> Option<Score> {
        self.steps.iter().rev().find(|step| step.at <= moment).map(|step| step.score)
    }
}

/// The board, kept in step with the log one user at a time: what a result costs is what it changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Standings {
    /// The ranked students, best first; equal scores in the order of acceptance.
    pub rows: Vec<Row>,
    /// The unranked reference entries, best first; empty unless the config shows them.
    pub reference: Vec<Row>,
    board: Board,
    until: Option<DateTime<Utc>>,
}

/// What the board is a function of.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// The log.
    pub history: &'a History,
    /// The rules of ranking.
    pub config: &'a Config,
    /// Who is ranked.
    pub users: &'a Users,
    /// Where the evaluator's further numbers are.
    pub details: &'a dyn Details,
    /// What was accepted from this moment on does not count: the board was frozen then.
    pub until: Option<DateTime<Utc>>,
}

impl Standings {
    /// The board out of the log.
    #[must_use]
    pub fn new(board: Board, ground: Ground<'_>) -> Self {
        let mut standings = Self { rows: Vec::new(), reference: Vec::new(), board, until: ground.until };
        for (user, submissions) in ground.history.users() {
            if let Some((row, list)) = standings.row(user, &submissions, ground) {
                list.of(&mut standings).push(row);
            }
        }
        let order = order(ground.config.score.better);
        standings.rows.sort_by(order);
        standings.reference.sort_by(order);
        standings.share_ranks(ground.config.score.better);
        standings
    }

    /// Whether these are the standings of such a board, frozen then or not at all.
    #[must_use]
    pub fn is_of(&self, board: Board, until: Option<DateTime<Utc>>) -> bool {
        self.board == board && self.until == until
    }

    /// Looks at what these users have handed in again; the rules have to be the same.
    pub fn refresh<'u>(&mut self, users: impl IntoIterator<Item = &'u UserName>, ground: Ground<'_>) {
        let order = order(ground.config.score.better);
        for user in users {
            self.rows.retain(|row| row.user != *user);
            self.reference.retain(|row| row.user != *user);
            if let Some((row, list)) = self.row(user, &ground.history.of_user(user), ground) {
                let list = list.of(self);
                let place = list.partition_point(|other| order(other, &row).is_lt());
                list.insert(place, row);
            }
        }
        self.share_ranks(ground.config.score.better);
    }

    /// A user's row and where it belongs, if it shows.
    fn row(&self, user: &UserName, submissions: &[&Submission], ground: Ground<'_>) -> Option<(Row, List)> {
        let seen = seen(submissions, ground.until);
        let row = best(self.board, user, seen, ground.config)?;
        let (unseen, last) = (submissions.len() - seen.len(), submissions.last()?.receipt.at);
        let row = Row { metrics: self.metrics(row.submission, ground), unseen, last, ..row };
        match ground.users.role_in_history(user, submissions.last().map(|last| last.role)) {
            Role::Student => Some((row, List::Ranked)),
            Role::Evaluator | Role::Superuser => ground.config.score.show_reference.then_some((row, List::Reference)),
        }
    }

    /// Where the log cannot be read back there are none: whoever reads it says so to staff.
    fn metrics(&self, submission: Number, ground: Ground<'_>) -> BTreeMap<String, Score> {
        let outcome = ground.history.get(submission).and_then(Submission::judged);
        let Some(judged) = outcome.and_then(|outcome| ground.details.judged(outcome.line()).ok()) else {
            return BTreeMap::new();
        };
        let set: Vec<&CaseName> = match self.board {
            Board::Open => ground.config.cases.public.iter().collect(),
            Board::Closed => ground.config.cases.all().collect(),
        };
        let cases: Option<Vec<_>> = set.iter().map(|name| judged.case(name)).collect();
        let Some((first, cases)) = cases.as_deref().and_then(|cases| Some((cases.first()?, cases))) else {
            return BTreeMap::new();
        };
        let total = |name: &str| {
            let numbers: Option<Vec<Score>> =
                cases.iter().map(|case| case.metrics.get(name).copied().and_then(Score::finite)).collect();
            Score::total(&numbers?, ground.config.score.total)
        };
        first.metrics.keys().filter_map(|name| Some((name.clone(), total(name)?))).collect()
    }

    /// Ranks sorted rows 1, 2, 2, 4.
    fn share_ranks(&mut self, better: Better) {
        for i in 0..self.rows.len() {
            let shared = i > 0 && self.rows[i - 1].score.compare(&self.rows[i].score, better).is_eq();
            self.rows[i].rank = if shared { self.rows[i - 1].rank } else { Some(i + 1) };
        }
    }
}

/// Where a row belongs.
#[derive(Clone, Copy)]
enum List {
    Ranked,
    Reference,
}

impl List {
    fn of(self, standings: &mut Standings) -> &mut Vec<Row> {
        match self {
            Self::Ranked => &mut standings.rows,
            Self::Reference => &mut standings.reference,
        }
    }
}

/// Best first; of equal scores the one that was accepted first.
fn order(better: Better) -> impl Fn(&Row, &Row) -> Ordering + Copy {
    move |a, b| a.score.compare(&b.score, better).then(a.submission.cmp(&b.submission))
}

/// Those of a user's submissions that a board shows which was frozen then, or not at all: what counts is when they were accepted, in whose order
/// they come.
#[must_use]
pub fn seen<'s, 'h>(submissions: &'s [&'h Submission], until: Option<DateTime<Utc>>) -> &'s [&'h Submission] {
    &submissions[..submissions.partition_point(|one| until.is_none_or(|until| one.receipt.at < until))]
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

/// A user's best submission: of equal ones the earliest. Not ranked, and without its further numbers.
#[must_use]
pub fn best(board: Board, user: &UserName, submissions: &[&Submission], config: &Config) -> Option<Row> {
    let attempts = submissions.iter().filter(|submission| submission.counts(&config.cases)).count();
    let mut steps: Vec<Step> = Vec::new();
    for submission in submissions {
        // They come in the order of acceptance, so that of equal ones the first stays.
        if let Some(score) = score_on(board, submission, config)
            && steps.last().is_none_or(|last| score.compare(&last.score, config.score.better).is_lt())
        {
            steps.push(Step { at: submission.receipt.at, score, submission: submission.number });
        }
    }
    let Step { at, score, submission } = *steps.last()?;
    let (user, last) = (user.clone(), submissions.last()?.receipt.at);
    Some(Row { rank: None, user, score, at, submission, attempts, unseen: 0, last, steps, metrics: BTreeMap::new() })
}

/// The ranks that ranked rows had at an earlier moment, by the submissions that were accepted until then: one for each row, in their order;
/// `None` for who had no score then.
#[must_use]
pub fn ranks_at(rows: &[Row], moment: DateTime<Utc>, better: Better) -> Vec<Option<usize>> {
    let scores = rows.iter().enumerate().filter_map(|(place, row)| Some((row.score_at(moment)?, place)));
    let mut then: Vec<(Score, usize)> = scores.collect();
    then.sort_by(|(a, _), (b, _)| a.compare(b, better));
    let mut ranks = vec![None; rows.len()];
    let mut shared: Option<(Score, usize)> = None;
    for (before, (score, place)) in then.into_iter().enumerate() {
        let rank = match shared {
            Some((same, rank)) if same.compare(&score, better).is_eq() => rank,
            Some(_) | None => before + 1,
        };
        shared = Some((score, rank));
        ranks[place] = Some(rank);
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::rules::Rules;
    use crate::core::story::{Story, case, rules};
    use crate::core::verdict::Verdict;
    use proptest::prelude::*;

    fn standings(board: Board, story: &Story, rules: &Rules) -> Standings {
        Standings::new(board, ground(story, rules))
    }

    fn ground<'a>(story: &'a Story, rules: &'a Rules) -> Ground<'a> {
        Ground { history: &story.history, config: &rules.config, users: &rules.users, details: story, until: None }
    }

    fn board_of(story: &Story, extra: &str, board: Board) -> Vec<(Option<usize>, String, String)> {
        let rules = rules(extra);
        standings(board, story, &rules)
            .rows
            .iter()
            .map(|row| (row.rank, row.user.to_string(), row.score.to_string()))
            .collect()
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
        let standings = standings(Board::Open, &story, &rules);
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
            let mut rules = rules(extra);
            rules.users = users.clone();
            let standings = standings(Board::Open, &story, &rules);
            assert_eq!(standings.rows.iter().map(|row| row.rank).collect::<Vec<_>>(), [Some(1)]);
            assert_eq!(standings.reference.len(), shown);
            assert!(standings.reference.iter().all(|row| row.rank.is_none()));
        }
    }

    #[test]
    fn the_ranks_of_an_earlier_moment_count_what_was_accepted_until_then() {
        let mut story = Story::default();
        story.scores("alice", [5.0, 0.0, 0.0]);
        story.scores("bob", [7.0, 0.0, 0.0]);
        let then = story.history.head().expect("a line").at;
        story.scores("bob", [3.0, 0.0, 0.0]);
        story.scores("carol", [3.0, 0.0, 0.0]);
        story.scores("alice", [6.0, 0.0, 0.0]);
        let rules = rules("");
        let rows = standings(Board::Open, &story, &rules).rows;
        let ranks = |moment| ranks_at(&rows, moment, rules.config.score.better);
        assert_eq!(ranks(then), [Some(2), None, Some(1)], "bob, carol, alice");
        assert_eq!(ranks(story.history.head().expect("a line").at), [Some(1), Some(1), Some(3)]);
        let steps: Vec<usize> = rows.iter().map(|row| row.steps.len()).collect();
        assert_eq!(steps, [2, 1, 1], "bob, carol, alice: what is no better is no step");
    }

    proptest! {
        #[test]
        fn kept_in_step_they_are_what_they_would_be_anew(told in proptest::collection::vec((0..6u8, 0..4u8), 1..24), ties in 0..3usize) {
            let list = "username,password,role\nuser0,,superuser\nuser1,,student\nuser2,,student\n";
            let mut rules = rules("[score]\nshow_reference = true\n");
            rules.users = Users::parse(list).expect("good");
            let mut story = Story::default();
            let mut kept = standings(Board::Open, &story, &rules);
            for chunk in told.chunks(ties + 1) {
                let names: Vec<UserName> = chunk.iter().map(|(who, _)| format!("user{who}").parse().expect("a name")).collect();
                for (name, (_, score)) in names.iter().zip(chunk) {
                    story.scores(name.as_str(), [f64::from(*score), 0.0, 0.0]);
                }
                kept.refresh(&names, ground(&story, &rules));
                prop_assert_eq!(&kept, &standings(Board::Open, &story, &rules));
            }
        }

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
