//! The board: index.html and leaderboard.json.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::plot::{self, Chart, Shape, Span};
use super::{JSON_VERSION, LogHead, Scores, Source, site};
use crate::core::config::{Better, Board, Config};
use crate::core::digest::Digest;
use crate::core::history::History;
use crate::core::ids::{Number, UserName};
use crate::core::record::moment;
use crate::core::score::Score;
use crate::core::standings::{self, Ground, Row, Standings};

/// As many of the first have a line in the chart.
const DRAWN: usize = 10;
/// As many of the evaluator's further numbers have a column.
const METRICS: usize = 4;

/// index.html, but for the rows of its table: those are made one by one (see [`BoardRow`]), so that a result costs the rows that it changes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BoardPage {
    /// How many students are on the board.
    pub students: usize,
    /// How many unranked reference entries are.
    pub references: usize,
    /// How many submissions were accepted.
    pub submissions: usize,
    /// How many public cases there are.
    pub public_cases: usize,
    /// From when on `moved` counts; `None` where it counts from the public ranks (a closed board), or nobody was on the board then.
    pub moved_since: Option<String>,
    /// The names of the evaluator's further numbers, each a column.
    pub metrics: Vec<String>,
    /// The best scores of the first over time, once there is something to see.
    pub chart: Option<BoardChart>,
}

/// The first cell of a row of the board, apart from the others: it changes with whoever passes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BoardRank {
    /// Whose row it is.
    pub user: UserName,
    /// The rank; `None` for a reference row.
    pub rank: Option<usize>,
    /// Whether somebody else has the same rank.
    pub shared: bool,
    /// By how many ranks it moved up, or down where negative: since [`BoardPage::moved_since`], or from the public rank to the final one.
    /// `None` for who had none then.
    pub moved: Option<i64>,
}

/// The other cells of a row of the board.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BoardRow {
    /// Whose row it is.
    pub user: UserName,
    /// Whether it is a reference row, which has no rank.
    pub reference: bool,
    /// The score.
    pub score: Score,
    /// The score, rounded for people.
    pub shown: String,
    /// The score with every digit, where `shown` lacks some.
    pub exact: Option<String>,
    /// When the submission that reached it was accepted.
    pub at: String,
    /// That submission.
    pub submission: Number,
    /// How many of the user's submissions were judged.
    pub attempts: usize,
    /// How many the user has handed in since the board was frozen.
    pub unseen: usize,
    /// How far behind the first, from 0 (level) to 100 (the last finite score); `None` where infeasible.
    pub behind: Option<u8>,
    /// On a closed board, the rank by the public scores.
    pub public_rank: Option<usize>,
    /// The way to the best score as a small line, as SVG has paths.
    pub spark: Option<String>,
    /// For each of [`BoardPage::metrics`] the number over the cases that show, for people.
    pub metrics: Vec<Option<String>>,
}

/// All that two drawings of one user's row can differ in while the rules are the same: few bytes, so that ten thousand rows are compared at
/// every result and only those are drawn that look otherwise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    rank: Option<usize>,
    shared: bool,
    moved: Option<i64>,
    public_rank: Option<usize>,
    behind: Option<u8>,
    /// With `attempts` it says which submissions the row is made of.
    submission: Number,
    attempts: usize,
    unseen: usize,
    /// When the user handed in last.
    last: DateTime<Utc>,
    span: Span,
}

/// The best scores of the first over time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BoardChart {
    /// Another one for every other drawing, so that a browser knows when to fetch it.
    pub version: String,
    /// For a wide page.
    pub desk: Chart,
    /// For a phone.
    pub phone: Chart,
    /// The same in words: these moments,
    pub moments: Vec<String>,
    /// and each user's best score at each of them.
    pub table: Vec<ChartRow>,
}

/// One user's best scores at the moments of a chart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChartRow {
    /// Whose they are.
    pub user: UserName,
    /// Rounded for people; `None` before the first.
    pub scores: Vec<Option<String>>,
}

/// `public/leaderboard.json`, a contract, but for its rows: see [`LeaderboardRow`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LeaderboardJson<R> {
    v: u32,
    title: String,
    state: Board,
    scores: Scores,
    better: Better,
    unit: String,
    log: LogHead,
    updated_at: Option<String>,
    frozen_since: Option<String>,
    rows: Vec<R>,
    reference: Vec<R>,
}

/// A row of `public/leaderboard.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LeaderboardRow {
    rank: Option<usize>,
    user: UserName,
    score: Score,
    at: String,
    submission: Number,
    attempts: usize,
}

/// The standings that the pages show, kept in step with the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Tables {
    /// By the scores that show.
    pub shown: Standings,
    /// On a closed board, by the public scores: what the ranks were before.
    pub public: Option<Standings>,
}

impl Tables {
    /// Out of the log.
    #[must_use]
    pub fn new(source: Source<'_>) -> Self {
        let (board, ground) = (source.board(), ground(source));
        let public = (board == Board::Closed).then(|| Standings::new(Board::Open, ground));
        Self { shown: Standings::new(board, ground), public }
    }

    /// Takes in what has happened to these users, under the same rules and with the board as it was.
    pub fn refresh(&mut self, source: Source<'_>, users: &BTreeSet<UserName>) {
        for standings in [Some(&mut self.shown), self.public.as_mut()].into_iter().flatten() {
            standings.refresh(users, ground(source));
        }
    }
}

pub(super) fn ground<'a>(source: Source<'a>) -> Ground<'a> {
    Ground {
        history: source.history,
        config: &source.rules.config,
        users: &source.rules.users,
        details: source.details,
        until: source.frozen_since(),
    }
}

/// The board, to be drawn.
#[derive(Debug)]
pub struct BoardView<'a> {
    /// All but the rows.
    pub page: BoardPage,
    /// The ranked rows, best first, and what each looks like.
    pub rows: Vec<(&'a Row, Place)>,
    /// The reference rows, the same way.
    pub reference: Vec<(&'a Row, Place)>,
}

/// The board.
#[must_use]
pub fn board<'a>(source: Source<'_>, tables: &'a Tables) -> BoardView<'a> {
    let config = &source.rules.config;
    let (rows, reference) = (&tables.shown.rows, &tables.shown.reference);
    let before = Before::of(source, tables);
    let metrics = metric_names(rows.iter().chain(reference));
    let page = BoardPage {
        students: rows.len(),
        references: reference.len(),
        submissions: source.history.submissions().len(),
        public_cases: config.cases.public.len(),
        moved_since: before.since.map(moment::text),
        chart: chart(rows, span(source.history), config),
        metrics,
    };
    let finite = |row: &Row| if let Score::Finite(number) = row.score { Some(number) } else { None };
    let ends = (rows.iter().find_map(finite), rows.iter().rev().find_map(finite));
    let span = span(source.history).in_steps();
    let place = |row: &Row, shared, was: Option<usize>| Place {
        rank: row.rank,
        shared,
        moved: was.zip(row.rank).map(|(was, is)| signed(was) - signed(is)),
        public_rank: was.filter(|_| source.board() == Board::Closed),
        behind: behind(row.score, ends.0, ends.1),
        submission: row.submission,
        attempts: row.attempts,
        unseen: row.unseen,
        last: row.last,
        span,
    };
    let same_rank = |other: Option<&Row>, row: &Row| other.is_some_and(|other| other.rank == row.rank);
    let placed = rows.iter().enumerate().map(|(i, row)| {
        let shared = same_rank(i.checked_sub(1).and_then(|i| rows.get(i)), row) || same_rank(rows.get(i + 1), row);
        (row, place(row, shared, before.rank(i, row)))
    });
    BoardView {
        page,
        rows: placed.collect(),
        reference: reference.iter().map(|row| (row, place(row, false, None))).collect(),
    }
}

/// Which row of a [`BoardView`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spot {
    /// The ranked one of this index.
    Ranked(usize),
    /// The reference row of this index.
    Reference(usize),
}

impl BoardView<'_> {
    /// Every row in the order in which the page has them: a reference row stands behind the last ranked one that is at least as good.
    #[must_use]
    pub fn in_order(&self, better: Better) -> Vec<Spot> {
        let mut reference = self.reference.iter().enumerate().peekable();
        let mut order = Vec::with_capacity(self.rows.len() + self.reference.len());
        for (i, (row, _)) in self.rows.iter().enumerate() {
            while let Some((j, _)) =
                reference.next_if(|(_, (entry, _))| entry.score.compare(&row.score, better).is_lt())
            {
                order.push(Spot::Reference(j));
            }
            order.push(Spot::Ranked(i));
        }
        order.extend(reference.map(|(j, _)| Spot::Reference(j)));
        order
    }
}

impl Place {
    /// Whether everything but the first cell looks the same.
    #[must_use]
    pub fn has_same_cells(&self, other: &Self) -> bool {
        let cells = |place: &Self| Self { rank: place.rank.map(|_| 0), shared: false, moved: None, ..*place };
        cells(self) == cells(other)
    }
}

impl BoardRank {
    /// What the page shows of a user's rank.
    #[must_use]
    pub fn new(user: &UserName, place: &Place) -> Self {
        Self { user: user.clone(), rank: place.rank, shared: place.shared, moved: place.moved }
    }
}

impl BoardRow {
    /// A row with everything that the page shows of it, scores with so many decimals.
    #[must_use]
    pub fn new(row: &Row, place: &Place, decimals: u8, metrics: &[String]) -> Self {
        Self {
            user: row.user.clone(),
            reference: place.rank.is_none(),
            score: row.score,
            shown: row.score.shown(decimals),
            exact: row.score.exact(decimals),
            at: moment::text(row.at),
            submission: row.submission,
            attempts: row.attempts,
            unseen: row.unseen,
            behind: place.behind,
            public_rank: place.public_rank,
            spark: plot::spark(&row.steps, place.span),
            metrics: metrics.iter().map(|name| row.metrics.get(name).map(Score::brief)).collect(),
        }
    }
}

impl<R> LeaderboardJson<R> {
    /// The document around its rows.
    #[must_use]
    pub fn new(source: Source<'_>, rows: Vec<R>, reference: Vec<R>) -> Self {
        let (site, head) = (site(source), source.history.head());
        Self {
            v: JSON_VERSION,
            title: site.title,
            state: site.board,
            scores: site.scores,
            better: site.better,
            unit: site.unit,
            log: LogHead::of(head),
            updated_at: head.map(|head| moment::text(head.at)),
            frozen_since: site.frozen_since,
            rows,
            reference,
        }
    }
}

impl LeaderboardRow {
    /// A row as programs read it.
    #[must_use]
    pub fn new(row: &Row) -> Self {
        Self {
            rank: row.rank,
            user: row.user.clone(),
            score: row.score,
            at: moment::text(row.at),
            submission: row.submission,
            attempts: row.attempts,
        }
    }
}

/// From the first submission to the log's last line, which is all the clock that a page has.
pub(super) fn span(history: &History) -> Span {
    let end = history.head().map_or(DateTime::UNIX_EPOCH, |head| head.at);
    Span { start: history.submissions().first().map_or(end, |first| first.receipt.at), end }
}

/// The ranks that the present ones are compared with.
struct Before<'a> {
    since: Option<DateTime<Utc>>,
    /// On an open board, for each of the rows;
    places: Vec<Option<usize>>,
    /// on a closed one, by user.
    users: BTreeMap<&'a UserName, usize>,
}

impl<'a> Before<'a> {
    fn of(source: Source<'_>, tables: &'a Tables) -> Self {
        let config = &source.rules.config;
        let mut before = Before { since: None, places: Vec::new(), users: BTreeMap::new() };
        if let Some(public) = &tables.public {
            before.users = public.rows.iter().filter_map(|row| Some((&row.user, row.rank?))).collect();
        } else {
            // Nobody moves on a frozen board: its last moves stay to be seen.
            let latest = source.frozen_since().or(source.history.head().map(|head| head.at));
            let since = latest.and_then(|latest| config.site.movement.since(latest));
            let places = since.map(|since| standings::ranks_at(&tables.shown.rows, since, config.score.better));
            // Where the competition is younger than that, nobody has moved yet.
            if let Some(places) = places.filter(|places| places.iter().any(Option::is_some)) {
                (before.since, before.places) = (since, places);
            }
        }
        before
    }

    fn rank(&self, place: usize, row: &Row) -> Option<usize> {
        self.places.get(place).copied().flatten().or_else(|| self.users.get(&row.user).copied())
    }
}

fn signed(rank: usize) -> i64 {
    i64::try_from(rank).unwrap_or(i64::MAX)
}

/// Those that most rows have; of as many, the first by name.
fn metric_names<'a>(rows: impl Iterator<Item = &'a Row>) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in rows.flat_map(|row| row.metrics.keys()) {
        *counts.entry(name).or_default() += 1;
    }
    let mut names: Vec<(&str, usize)> = counts.into_iter().collect();
    names.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut names: Vec<String> = names.into_iter().take(METRICS).map(|(name, _)| name.to_owned()).collect();
    names.sort();
    names
}

fn chart(rows: &[Row], span: Span, config: &Config) -> Option<BoardChart> {
    let first: Vec<&Row> = rows.iter().take(DRAWN).collect();
    let (better, decimals) = (config.score.better, config.score.decimals);
    let desk = plot::chart(&first, span, better, Shape::DESK, decimals)?;
    let phone = plot::chart(&first, span, better, Shape::PHONE, decimals)?;
    let moments: Vec<DateTime<Utc>> = (plot::moments(span, Shape::DESK.moments).into_iter().map(|(at, _)| at))
        .filter(|at| *at < span.end)
        .chain([span.end])
        .collect();
    let table = first.iter().map(|row| ChartRow {
        user: row.user.clone(),
        scores: moments.iter().map(|at| Some(row.score_at(*at)?.shown(decimals))).collect(),
    });
    let drawing = serde_json::to_vec(&(&desk, &phone)).unwrap_or_default();
    Some(BoardChart {
        version: Digest::of(&drawing).to_string()[..8].to_owned(),
        table: table.collect(),
        moments: moments.into_iter().map(moment::text).collect(),
        desk,
        phone,
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::rules::Rules;
    use crate::core::story::{Story, case, rules};
    use crate::core::verdict::Verdict;

    struct Drawn {
        page: BoardPage,
        ranks: Vec<BoardRank>,
        rows: Vec<BoardRow>,
    }

    fn page(story: &Story, rules: &Rules) -> Drawn {
        let source = story.source(rules);
        let tables = Tables::new(source);
        let BoardView { page, rows, .. } = board(source, &tables);
        let ranks = rows.iter().map(|(row, place)| BoardRank::new(&row.user, place)).collect();
        let rows = rows.iter().map(|(row, place)| BoardRow::new(row, place, 0, &page.metrics)).collect();
        Drawn { page, ranks, rows }
    }

    /// In two minutes the small lines are drawn in steps of four seconds, and a result takes three: it changes none of them.
    fn go_on_for_two_minutes(story: &mut Story) {
        while story.history.head().is_none_or(|head| head.seq < 121) {
            story.tell(crate::core::record::Event::Unknown);
        }
    }

    /// Each row's name, rank and movement.
    fn moved(drawn: &Drawn) -> Vec<(&str, Option<usize>, Option<i64>)> {
        drawn.ranks.iter().map(|row| (row.user.as_str(), row.rank, row.moved)).collect()
    }

    #[test]
    fn ranks_move_against_those_of_the_chosen_time_ago() {
        let mut story = Story::default();
        story.scores("alice", [1.0, 5.0, 0.0]);
        story.scores("bob", [1.0, 9.0, 0.0]);
        story.scores("carol", [1.0, 1.0, 0.0]);
        story.scores("bob", [1.0, 2.0, 0.0]);
        // Three lines a submission, a second each: at second 12 now, bob's second and carol's first are newer than seven seconds.
        let rules = rules("[site]\nmovement = \"7s\"\n");
        let page = page(&story, &rules);
        assert_eq!(moved(&page), [("carol", Some(1), None), ("bob", Some(2), Some(0)), ("alice", Some(3), Some(-2))]);
        assert_eq!(page.page.moved_since.as_deref(), Some("1970-01-01T00:00:05.000Z"));
    }

    #[test]
    fn ranks_move_against_those_of_a_chosen_moment() {
        let mut story = Story::default();
        for (user, score) in [("alice", 5.0), ("bob", 9.0), ("bob", 2.0)] {
            story.scores(user, [score, score, 0.0]);
        }
        let at = |moment: &str| page(&story, &rules(&format!("[site]\nmovement = \"{moment}\"\n")));
        // After the first of each, an hour east of Greenwich.
        let between = at("1970-01-01T01:00:05+01:00");
        assert_eq!(moved(&between), [("bob", Some(1), Some(1)), ("alice", Some(2), Some(-1))]);
        assert_eq!(between.page.moved_since.as_deref(), Some("1970-01-01T00:00:05.000Z"));
        // Before the first nobody was there, and what has not come yet is no beginning.
        for moment in ["1969-12-31T00:00:00Z", "1970-01-02T00:00:00Z"] {
            let page = at(moment);
            assert_eq!((page.page.moved_since.as_deref(), moved(&page)[0]), (None, ("bob", Some(1), None)), "{moment}");
        }
    }

    #[test]
    fn a_reference_row_stands_behind_the_last_that_is_as_good() {
        let mut story = Story::default();
        for (user, score) in [("prof", 2.0), ("alice", 1.0), ("bob", 2.0), ("carol", 3.0), ("ta", 0.5), ("zed", 9.0)] {
            story.scores(user, [score, 0.0, 0.0]);
        }
        let mut rules = rules("[score]\nshow_reference = true\n");
        let list = "username,password,role\nprof,,superuser\nta,,evaluator\nzed,,evaluator\n";
        rules.users = crate::core::users::Users::parse(list).expect("users");
        let source = story.source(&rules);
        let tables = Tables::new(source);
        let view = board(source, &tables);
        let name = |spot| match spot {
            Spot::Ranked(i) => view.rows[i].0.user.as_str(),
            Spot::Reference(i) => view.reference[i].0.user.as_str(),
        };
        let order: Vec<_> = view.in_order(Better::Lower).into_iter().map(name).collect();
        assert_eq!(order, ["ta", "alice", "bob", "prof", "carol", "zed"]);
        assert_eq!((view.page.students, view.page.references), (3, 3));
    }

    #[test]
    fn a_result_changes_how_its_own_row_looks_and_no_other() {
        let mut story = Story::default();
        for (user, score) in [("alice", 1.0), ("bob", 5.0), ("carol", 9.0)] {
            story.scores(user, [score, 0.0, 0.0]);
        }
        go_on_for_two_minutes(&mut story);
        let rules = rules("");
        let places = |story: &Story| {
            let source = story.source(&rules);
            let tables = Tables::new(source);
            board(source, &tables).rows.into_iter().map(|(row, place)| (row.user.clone(), place)).collect::<Vec<_>>()
        };
        let before = places(&story);
        story.scores("bob", [4.0, 0.0, 0.0]);
        let after = places(&story);
        let changed: Vec<_> =
            before.iter().zip(&after).filter(|(a, b)| a != b).map(|((user, _), _)| user.as_str()).collect();
        assert_eq!(changed, ["bob"]);
    }

    #[test]
    fn who_is_passed_has_another_rank_and_the_same_other_cells() {
        let mut story = Story::default();
        for (user, score) in [("alice", 1.0), ("bob", 5.0), ("carol", 9.0), ("dave", 10.0)] {
            story.scores(user, [score, 0.0, 0.0]);
        }
        let rules = rules("");
        let looks = |story: &Story| {
            let source = story.source(&rules);
            let tables = Tables::new(source);
            let mut rows = board(source, &tables).rows;
            rows.sort_by_key(|(row, _)| row.user.clone());
            let looks = |(row, place): &(&Row, Place)| {
                (*place, BoardRank::new(&row.user, place), BoardRow::new(row, place, 0, &[]))
            };
            rows.iter().map(looks).collect::<Vec<_>>()
        };
        go_on_for_two_minutes(&mut story);
        let before = looks(&story);
        story.scores("carol", [4.0, 0.0, 0.0]);
        let changed: Vec<(bool, bool)> = (before.iter().zip(&looks(&story)))
            .map(|(before, after)| {
                assert_eq!(before.0.has_same_cells(&after.0), before.2 == after.2, "{before:?} {after:?}");
                (before.1 != after.1, before.2 != after.2)
            })
            .collect();
        assert_eq!(changed, [(false, false), (true, false), (true, true), (false, false)]);
    }

    #[test]
    fn nobody_has_moved_where_nobody_was_on_the_board_then() {
        let mut story = Story::default();
        story.scores("alice", [1.0, 5.0, 0.0]);
        let page = page(&story, &rules(""));
        assert_eq!((page.page.moved_since.clone(), moved(&page)), (None, vec![("alice", Some(1), None)]));
    }

    #[test]
    fn closing_shows_how_far_the_totals_shook_the_ranks() {
        let mut story = Story::default();
        story.scores("alice", [1.0, 1.0, 90.0]);
        story.scores("bob", [2.0, 2.0, 2.0]);
        let rules = rules("");
        assert!(page(&story, &rules).rows.iter().all(|row| row.public_rank.is_none()));
        story.board(Board::Closed);
        let page = page(&story, &rules);
        let public: Vec<_> = page.rows.iter().map(|row| row.public_rank).collect();
        assert_eq!(moved(&page), [("bob", Some(1), Some(1)), ("alice", Some(2), Some(-1))]);
        assert_eq!((public, page.page.moved_since), (vec![Some(2), Some(1)], None));
    }

    #[test]
    fn further_numbers_show_over_the_cases_that_show_and_only_where_all_of_them_have_them() {
        let mut story = Story::default();
        for (user, secret) in [("alice", 1000.0), ("bob", 2000.0)] {
            let number = story.accept(user);
            let cases = [("one", 1.25), ("two", 2.0), ("secret", secret)].map(|(name, number)| {
                let mut case = case(name, Verdict::Accepted, Some(number));
                case.metrics.insert("moves".into(), number);
                if name != "one" || user == "bob" {
                    case.metrics.insert("only bob's".into(), 1.0);
                }
                if name == "secret" {
                    case.metrics.insert("private".into(), 1.0);
                }
                case
            });
            story.judge(number, cases.into());
        }
        let rules = rules("");
        let numbers = |drawn: &Drawn| drawn.rows.iter().map(|row| row.metrics.clone()).collect::<Vec<_>>();
        let text = |text: &str| Some(text.to_owned());
        let open = page(&story, &rules);
        assert_eq!(open.page.metrics, ["moves", "only bob's"]);
        assert_eq!(numbers(&open), [[text("3.25"), None], [text("3.25"), text("2")]]);
        story.board(Board::Closed);
        let closed = page(&story, &rules);
        assert_eq!(numbers(&closed), [[text("1003.25"), None], [text("2003.25"), text("3")]]);
    }
}
