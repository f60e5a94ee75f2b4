//! The board and the results for other programs: leaderboard.csv, results.jsonl, feed.xml.
//!
//! What stands here is what the pages show everybody: no id, nothing of a single case, and no private case while the board is open.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{JSON_VERSION, Source, Tables};
use crate::core::config::{Better, Board};
use crate::core::digest::Digest;
use crate::core::history::{State, Submission};
use crate::core::ids::{Extension, Number, UserName};
use crate::core::record::moment;
use crate::core::score::Score;
use crate::core::standings::{self, Row, Step};
use crate::core::verdict::Verdict;

/// The feed holds as many of the latest.
const ENTRIES: usize = 50;

/// The first line of `public/leaderboard.csv`; the ranked rows of the board follow.
pub const CSV_HEAD: &str = "Rank,TeamId,TeamName,LastSubmissionDate,Score,SubmissionCount,TeamMemberUserNames\n";

/// A line of `public/leaderboard.csv`. The columns are those of Kaggle's leaderboards, so that what reads those reads this.
#[must_use]
pub fn csv_line(row: &Row) -> String {
    let name = cell(row.user.as_str());
    let rank = row.rank.map(|rank| rank.to_string()).unwrap_or_default();
    let last = row.last.format("%Y-%m-%d %H:%M:%S");
    format!("{rank},{name},{name},{last},{},{},{name}\n", row.score, row.attempts)
}

/// A text as a cell: quoted where it has to be, and never a formula. A spreadsheet takes what begins with one of these for one, also in
/// quotes; the apostrophe tells it that this is a text.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// A line of `public/results.jsonl`; a contract.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NewResult {
    v: u32,
    submission: Number,
    user: UserName,
    language: Extension,
    received_at: String,
    judged_at: String,
    verdict: Verdict,
    score: Option<Score>,
}

impl NewResult {
    /// A submission's result, once there is one that everybody may see.
    #[must_use]
    pub fn new(source: Source<'_>, submission: &Submission) -> Option<Self> {
        let config = &source.rules.config;
        let State::Judged { result, at } = &submission.state else {
            return None;
        };
        if source.hides(submission) {
            return None;
        }
        Some(Self {
            v: JSON_VERSION,
            submission: submission.number,
            user: submission.user.clone(),
            language: submission.language.clone(),
            received_at: moment::text(submission.receipt.at),
            judged_at: moment::text(*at),
            verdict: result.verdict(&config.cases.public),
            score: standings::score_on(source.board(), submission, config),
        })
    }
}

/// feed.xml
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeedPage {
    /// What the feed is known by, whatever its address and title.
    pub id: String,
    /// When its latest entry happened.
    pub updated_at: String,
    /// Users who came to a better score than they had, the latest first.
    pub entries: Vec<FeedEntry>,
}

/// Somebody came to a better score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeedEntry {
    /// What it is known by.
    pub id: String,
    /// Who.
    pub user: UserName,
    /// When the submission was accepted.
    pub at: String,
    /// When everybody could first read this: when it was judged or, of a total score, when the board was closed.
    pub updated_at: String,
    /// The score, rounded for people.
    pub shown: String,
    /// Whether nobody had a better or an equal one before.
    pub leads: bool,
}

/// What a row came to, but for a first try without a score.
fn finite(row: &Row) -> &[Step] {
    let none = row.steps.iter().take_while(|step| step.score == Score::Infeasible).count();
    &row.steps[none..]
}

fn best_of(best: Option<Score>, step: Option<&Step>, better: Better) -> Option<Score> {
    best.into_iter().chain(step.map(|step| step.score)).min_by(|a, b| a.compare(b, better))
}

/// The feed of new bests.
#[must_use]
pub fn feed(source: Source<'_>, tables: &Tables) -> FeedPage {
    let config = &source.rules.config;
    let better = config.score.better;
    // There may be hundreds of thousands, each user's in order and each better than the one before. As many users as there are entries have
    // their own latest from `since` on, so that none from before is among the entries.
    let mut last: Vec<Number> =
        tables.shown.rows.iter().filter_map(|row| Some(finite(row).last()?.submission)).collect();
    let older = last.len().saturating_sub(ENTRIES);
    let since = if older > 0 { *last.select_nth_unstable(older).1 } else { Number(0) };
    let (mut latest, mut best): (Vec<(&UserName, &Step)>, Option<Score>) = (Vec::new(), None);
    for row in &tables.shown.rows {
        let steps = finite(row);
        let (before, after) = steps.split_at(steps.partition_point(|step| step.submission < since));
        latest.extend(after.iter().map(|step| (&row.user, step)));
        best = best_of(best, before.last(), better);
    }
    latest.sort_unstable_by_key(|(_, step)| step.submission);
    for (_, step) in latest.drain(..latest.len().saturating_sub(ENTRIES)) {
        best = best_of(best, Some(step), better);
    }
    let leads: Vec<bool> = (latest.iter())
        .map(|(_, step)| {
            let leads = best.is_none_or(|best| step.score.compare(&best, better).is_lt());
            if leads {
                best = Some(step.score);
            }
            leads
        })
        .collect();
    // A total is another thing than the public score before it, with a name of its own.
    let (scores, closed_at) = match source.board() {
        Board::Open => ("public", None),
        Board::Closed => ("total", source.history.closed_at()),
    };
    let entry = |((user, step), leads): ((&UserName, &Step), bool)| {
        let judged_at = match source.history.get(step.submission).map(|submission| &submission.state) {
            Some(State::Judged { at, .. }) => *at,
            Some(State::Waiting | State::Running { .. }) | None => step.at,
        };
        FeedEntry {
            id: urn(&format!("{scores} {} {} {}", step.submission.0, user, moment::text(step.at))),
            user: user.clone(),
            at: moment::text(step.at),
            updated_at: moment::text(judged_at.max(closed_at.unwrap_or(judged_at))),
            shown: step.score.shown(config.score.decimals),
            leads,
        }
    };
    let entries: Vec<FeedEntry> = latest.into_iter().zip(leads).rev().map(entry).collect();
    // A feed is known by its first submission: the same in every generation of the site.
    let first = source.history.submissions().first().map(|first| first.receipt.at);
    FeedPage {
        id: urn(&format!("feed {}", first.map(moment::text).unwrap_or_default())),
        // Moments of one form sort as texts.
        updated_at: entries
            .iter()
            .map(|entry| entry.updated_at.clone())
            .max()
            .unwrap_or_else(|| moment::text(first.unwrap_or(DateTime::<Utc>::UNIX_EPOCH))),
        entries,
    }
}

/// A name that no two things share, in the form of a UUID (version 8: of our own making).
fn urn(text: &str) -> String {
    let digest = Digest::of(text.as_bytes()).to_string();
    format!(
        "urn:uuid:{}-{}-8{}-8{}-{}",
        &digest[..8],
        &digest[8..12],
        &digest[13..16],
        &digest[17..20],
        &digest[20..32]
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::story::{Story, rules};
    use crate::core::users::Users;
    use crate::core::view::{Beside, Contest};

    fn told() -> Story {
        let mut story = Story::default();
        story.scores("ann", [5.0, 5.0, 90.0]);
        story.scores("ben", [1.0, 1.5, 80.0]);
        story.scores("ann", [4.0, 5.0, 70.0]);
        story.scores("cid", [f64::INFINITY, 1.0, 1.0]);
        story
    }

    #[test]
    fn the_csv_has_the_columns_of_kaggle_and_no_private_score_before_closing() {
        let mut story = told();
        let rules = rules("");
        let text = |story: &Story| {
            let source = story.source(&rules);
            let lines = Tables::new(source).shown.rows.iter().map(csv_line).collect::<String>();
            format!("{CSV_HEAD}{lines}")
        };
        assert_eq!(
            text(&story),
            format!("{CSV_HEAD}1,ben,ben,1970-01-01 00:00:04,2.5,1,ben\n2,ann,ann,1970-01-01 00:00:07,9,2,ann\n")
        );
        story.board(Board::Closed);
        assert!(text(&story).contains("2,ben,ben,1970-01-01 00:00:04,82.5,1,ben"), "{}", text(&story));
    }

    #[test]
    fn a_cell_is_never_a_formula_and_comes_back_as_it_was() {
        for (text, wanted) in [
            ("ann", "ann"),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@A1", "'@A1"),
            ("\tx", "'\tx"),
            ("a,\"b\"", "\"a,\"\"b\"\"\""),
            ("=A1,B1", "\"'=A1,B1\""),
            ("two\nlines", "\"two\nlines\""),
        ] {
            assert_eq!(cell(text), wanted);
        }
    }

    #[test]
    fn the_feed_tells_of_new_bests_the_latest_first() {
        let story = told();
        let rules = rules("");
        let source = story.source(&rules);
        let feed = feed(source, &Tables::new(source));
        let told: Vec<_> =
            feed.entries.iter().map(|entry| (entry.user.as_str(), entry.shown.as_str(), entry.leads)).collect();
        assert_eq!(told, [("ann", "9", false), ("ben", "2", true), ("ann", "10", true)]);
        assert_eq!(feed.updated_at, "1970-01-01T00:00:09.000Z", "when the latest was judged");
        let ids: std::collections::BTreeSet<_> = feed.entries.iter().map(|entry| &entry.id).collect();
        assert_eq!(ids.len(), 3);
    }

    #[test]
    fn a_total_is_an_entry_of_its_own_that_came_with_the_closing() {
        let (mut story, rules) = (told(), rules(""));
        let entries = |story: &Story| feed(story.source(&rules), &Tables::new(story.source(&rules))).entries;
        let open = entries(&story);
        assert!(open.iter().all(|entry| entry.updated_at > entry.at), "a result comes after its submission: {open:?}");
        story.board(Board::Closed);
        let closed = entries(&story);
        let closing = moment::text(story.history.head().expect("a line").at);
        assert!(closed.iter().all(|entry| entry.updated_at == closing), "{closed:?}");
        assert!(closed.iter().all(|new| open.iter().all(|old| old.id != new.id)), "readers would not look again");
    }

    #[test]
    fn of_staff_who_are_not_on_the_board_nothing_shows() {
        let mut story = told();
        story.scores("prof", [0.25, 0.25, 0.25]);
        let number = story.history.submissions().last().expect("it was handed in").number;
        for (shown, extra) in [(false, ""), (true, "[score]\nshow_reference = true\n")] {
            let mut rules = rules(extra);
            rules.users = Users::parse("username,password,role\nann,,student\nprof,,superuser\n").expect("users");
            let source = story.source(&rules);
            let submission = story.history.get(number).expect("it is there");
            assert_eq!((source.hides(submission), source.is_unlisted(&submission.user)), (!shown, !shown));
            assert_eq!(NewResult::new(source, submission).is_some(), shown);
            let page = crate::core::view::user(source, &submission.user);
            assert_eq!((page.best.is_some(), page.submissions[0].shown.is_some()), (shown, shown), "{page:?}");
            assert_eq!(page.submissions[0].verdict.is_some(), shown);
            let finished = crate::core::view::queue(source, None, None).0.recent;
            assert_eq!(finished[0].verdict.is_some(), shown, "{finished:?}");
            // The sender reads it.
            let judged = source.judged(submission).expect("it can be read");
            let (own, json) = crate::core::view::submission(source, submission, judged.as_ref(), Beside::default());
            assert_eq!((own.hidden, own.verdict.is_some(), own.public_score.as_deref()), (false, true, Some("0")));
            assert!(serde_json::to_string(&json).expect("JSON").contains("0.5"));
            let mut closed = Story::default();
            closed.scores("ann", [1.0, 1.0, 1.0]);
            closed.scores("prof", [0.25, 0.25, 0.25]);
            closed.board(Board::Closed);
            let contest = Contest::new(closed.source(&rules));
            let told = (contest.teams().count(), contest.submissions().count(), contest.judgements().count());
            assert_eq!(told, if shown { (2, 2, 2) } else { (1, 1, 1) });
        }
    }

    #[test]
    fn the_feed_of_many_users_is_the_end_of_all_new_bests() {
        let (mut story, rules) = (Story::default(), rules(""));
        // Eighty users in an order that is none, some of whom better themselves, one of them over and over at the end.
        for n in 0..400_u32 {
            let (user, score) = (n * 37 % 80, f64::from(n * 7919 % 1000));
            story.scores(&format!("user-{user:02}"), [score, score, 0.0]);
        }
        for n in 0..8 {
            story.scores("user-07", [-f64::from(n), 0.0, 0.0]);
        }
        let source = story.source(&rules);
        let tables = Tables::new(source);
        let mut all: Vec<(&UserName, &Step)> =
            tables.shown.rows.iter().flat_map(|row| row.steps.iter().map(|step| (&row.user, step))).collect();
        all.sort_by_key(|(_, step)| step.submission);
        assert!(all.len() > 2 * ENTRIES);
        let mut told: Vec<(String, String, bool)> = Vec::new();
        let mut best = f64::INFINITY;
        for (user, step) in all {
            let Score::Finite(score) = step.score else { panic!("every score is a number") };
            told.push((user.to_string(), moment::text(step.at), score < best));
            best = best.min(score);
        }
        told.reverse();
        let entries = feed(source, &tables).entries;
        let entries: Vec<_> =
            entries.into_iter().map(|entry| (entry.user.to_string(), entry.at, entry.leads)).collect();
        assert_eq!(entries, told[..ENTRIES]);
        assert!(entries.iter().any(|(_, _, leads)| *leads) && entries.iter().any(|(_, _, leads)| !leads));
    }

    #[test]
    fn of_a_long_feed_the_latest_are_told_and_lead_over_all_before_them() {
        let mut story = Story::default();
        // Each is better than the one before of the same user; every third is the best of all.
        for n in 0..40 {
            for (user, behind) in [("ann", 0.0), ("ben", 0.5), ("cid", 0.25)] {
                story.scores(user, [1000.0 - f64::from(n) * 0.1 + behind, 0.0, 0.0]);
            }
        }
        let rules = rules("[score]\ndecimals = 2\n");
        let feed = feed(story.source(&rules), &Tables::new(story.source(&rules)));
        assert_eq!(feed.entries.len(), ENTRIES);
        let told: Vec<_> = feed.entries.iter().map(|entry| (entry.user.as_str(), entry.leads)).take(6).collect();
        let round = [("cid", false), ("ben", false), ("ann", true)];
        assert_eq!(told, [round, round].concat());
        assert!(feed.entries.iter().all(|entry| entry.leads == (entry.user.as_str() == "ann")));
    }

    #[test]
    fn the_results_are_those_that_the_pages_show() {
        let story = told();
        let rules = rules("");
        let source = story.source(&rules);
        let lines: Vec<_> = story.history.submissions().iter().filter_map(|one| NewResult::new(source, one)).collect();
        let json = serde_json::to_value(&lines[0]).expect("JSON");
        let keys: Vec<_> = json.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(keys.join(" "), "judged_at language received_at score submission user v verdict");
        assert_eq!((lines.len(), &json["score"]), (4, &10.into()));
    }
}
