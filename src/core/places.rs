//! What each judging did to its user's place on the board: fixed at its line of the log, whatever others do later.
//!
//! The public board is told again, judging by judging in the order of their lines, so that one place costs one insertion and not a board. A
//! score counts here from the moment at which it was recorded, and not, as on the board, from that at which the submission was accepted:
//! what was said of a place once never changes.

use std::collections::BTreeMap;

use super::config::{Better, Board};
use super::history::{History, Submission};
use super::ids::{Number, UserName};
use super::rules::Rules;
use super::score::Score;
use super::standings::score_on;
use super::users::Role;

/// What one judging did to its user's place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// The rank before it, from 1 and shared by equal scores; `None` where it is the user's first score.
    pub before: Option<u32>,
    /// The rank after it.
    pub after: u32,
    /// How many were ranked then.
    pub of: u32,
    /// The submission that the rank rests on: this one, or an earlier one that is no worse.
    pub best: Number,
    /// What that one scores.
    pub score: Score,
}

/// The public board as it grew, and what was said of each judging's place.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// How many judgings are in it.
    told: usize,
    best: BTreeMap<UserName, (Score, Number)>,
    /// The best score of every ranked user, the best first.
    scores: Vec<Score>,
    /// By number; number 1 is the first. There are hundreds of thousands.
    changes: Vec<Option<Change>>,
}

impl Places {
    /// Takes in the judgings that the log has got since the last time. The rules are those of all times before: under others a new
    /// `Places` begins.
    pub fn tell(&mut self, history: &History, rules: &Rules) {
        for number in history.judgings().iter().skip(self.told) {
            if let Some(submission) = history.get(*number) {
                self.judged(submission, rules);
            }
        }
        self.told = history.judgings().len();
    }

    /// What a submission's judging did; `None` where it has no place to speak of: not judged yet, staff's, or without a score and the
    /// first of its user.
    #[must_use]
    pub fn change(&self, submission: Number) -> Option<Change> {
        self.changes.get(index(submission)?).copied().flatten()
    }

    fn judged(&mut self, submission: &Submission, rules: &Rules) {
        match rules.users.role_in_history(&submission.user, Some(submission.role)) {
            Role::Student => {}
            Role::Evaluator | Role::Superuser => return,
        }
        let better = rules.config.score.better;
        let score = score_on(Board::Open, submission, &rules.config);
        let earlier = self.best.get(&submission.user).copied();
        let (before, after, (score, best)) = match (score, earlier) {
            (None, None) => return,
            (Some(score), None) => (None, self.take_in(score, better), (score, submission.number)),
            (Some(score), Some((worse, _))) if score.compare(&worse, better).is_lt() => {
                let before = self.rank(&worse, better);
                // Equal scores are alike: whichever of them goes.
                self.scores.remove(before - 1);
                (Some(before), self.take_in(score, better), (score, submission.number))
            }
            (_, Some((score, best))) => {
                let rank = self.rank(&score, better);
                (Some(rank), rank, (score, best))
            }
        };
        self.best.insert(submission.user.clone(), (score, best));
        let few = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let change = Change { before: before.map(few), after: few(after), of: few(self.scores.len()), best, score };
        if let Some(index) = index(submission.number) {
            self.changes.resize(self.changes.len().max(index + 1), None);
            self.changes[index] = Some(change);
        }
    }

    /// The rank of a score: one more than there are better ones.
    fn rank(&self, score: &Score, better: Better) -> usize {
        self.scores.partition_point(|other| other.compare(score, better).is_lt()) + 1
    }

    /// Puts a score among the others, and returns its rank.
    fn take_in(&mut self, score: Score, better: Better) -> usize {
        let rank = self.rank(&score, better);
        self.scores.insert(rank - 1, score);
        rank
    }
}

fn index(number: Number) -> Option<usize> {
    usize::try_from(number.0).ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::standings::{Ground, Standings};
    use crate::core::story::{Story, case, rules};
    use crate::core::users::Users;
    use crate::core::verdict::Verdict;
    use proptest::prelude::*;

    /// `before-after/of best`, by submission.
    fn told(places: &Places, story: &Story) -> Vec<String> {
        let say = |change: Change| {
            let before = change.before.map_or("new".to_owned(), |rank| rank.to_string());
            format!("{before}-{}/{} {}", change.after, change.of, change.best)
        };
        let submissions = story.history.submissions().iter();
        submissions.map(|one| places.change(one.number).map_or("none".to_owned(), say)).collect()
    }

    fn places(story: &Story, rules: &Rules) -> Places {
        let mut places = Places::default();
        places.tell(&story.history, rules);
        places
    }

    #[test]
    fn a_place_is_that_of_the_moment_and_stays_what_it_was() {
        let rules = rules("");
        let mut story = Story::default();
        story.scores("ann", [5.0, 0.0, 0.0]);
        story.scores("ben", [3.0, 0.0, 0.0]);
        story.scores("cid", [4.0, 0.0, 0.0]);
        story.scores("ann", [3.0, 0.0, 0.0]);
        story.scores("ben", [9.0, 0.0, 0.0]);
        let before = ["new-1/1 1", "new-1/2 2", "new-2/3 3", "3-1/3 4", "1-1/3 2"];
        let mut places = places(&story, &rules);
        assert_eq!(told(&places, &story), before);
        story.scores("dan", [1.0, 0.0, 0.0]);
        story.scores("ann", [2.5, 0.0, 0.0]);
        places.tell(&story.history, &rules);
        assert_eq!(told(&places, &story)[..5], before);
        assert_eq!(told(&places, &story)[5..], ["new-1/4 6", "2-2/4 7"]);
    }

    #[test]
    fn what_has_no_score_moves_nobody_and_staff_have_no_place() {
        let mut rules = rules("");
        rules.users = Users::parse("username,password,role\nann,x,student\nprof,x,superuser\n").expect("good");
        let mut story = Story::default();
        let broken = || ["one", "two", "secret"].map(|name| case(name, Verdict::EvaluatorError, None)).into();
        let first = story.accept("ann");
        story.judge(first, broken());
        story.scores("prof", [1.0, 0.0, 0.0]);
        story.scores("ann", [f64::INFINITY, 1.0, 0.0]);
        let fourth = story.accept("ann");
        story.judge(fourth, broken());
        story.scores("ann", [7.0, 0.0, 0.0]);
        story.accept("ann");
        let told = told(&places(&story, &rules), &story);
        // An infinite score is none, as where the evaluator failed.
        assert_eq!(told, ["none", "none", "none", "none", "new-1/1 5", "none"]);
    }

    #[test]
    fn the_order_is_that_of_the_judgings() {
        let rules = rules("");
        let mut story = Story::default();
        let (slow, quick) = (story.accept("ann"), story.accept("ben"));
        story.start(slow).start(quick);
        story.end(quick, [5.0, 0.0, 0.0]).end(slow, [6.0, 0.0, 0.0]);
        assert_eq!(told(&places(&story, &rules), &story), ["new-2/2 1", "new-1/1 2"]);
    }

    proptest! {
        #[test]
        fn the_last_word_on_everybody_is_the_board_however_often_it_was_told(
            scores in proptest::collection::vec((0..5u8, 0..6u8), 1..40),
            higher in any::<bool>(),
        ) {
            let rules = rules(if higher { "[score]\nbetter = \"higher\"\n" } else { "" });
            let mut story = Story::default();
            let mut steps = Places::default();
            for (user, score) in &scores {
                let number = story.scores(&format!("user{user}"), [f64::from(*score), 0.0, 0.0]);
                steps.tell(&story.history, &rules);
                let Rules { config, users, .. } = &rules;
                let ground = Ground { history: &story.history, config, users, details: &story, until: None };
                let board = Standings::new(Board::Open, ground);
                let row = board.rows.iter().find(|row| row.user.as_str() == format!("user{user}")).expect("ranked");
                let change = steps.change(number).expect("a place");
                prop_assert_eq!(Some(change.after as usize), row.rank);
                prop_assert_eq!((change.best, change.of as usize), (row.submission, board.rows.len()));
            }
            let whole = places(&story, &rules);
            prop_assert_eq!(told(&whole, &story), told(&steps, &story));
        }
    }
}
