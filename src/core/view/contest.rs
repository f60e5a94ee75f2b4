//! The competition as the ICPC's Contest API has it (version 2026-01), for scoreboards, resolvers and whatever else reads that.
//!
//! What stands here is what the pages show everybody: while the board is open public verdicts and scores, and not how many cases there are
//! beside the public ones. One competition is one problem. The API knows scores from 0 up and no `"inf"`: a score that has no place there is
//! left out, and so is the row of a team that has no other.

mod access;
mod known;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use access::Access;
use known::{language, relative, slug, type_of};

use super::Source;
use crate::core::config::Board;
use crate::core::history::{State, Submission};
use crate::core::ids::{Number, UserName};
use crate::core::record::moment;
use crate::core::score::Score;
use crate::core::standings;
use crate::core::users::Role;
use crate::core::verdict::Verdict;

/// The version of the API that this is.
const VERSION: &str = "2026-01";
/// The only problem.
const PROBLEM: &str = "problem";
/// The groups: who is ranked, and whose submissions are for comparison.
const STUDENTS: &str = "students";
const REFERENCE: &str = "reference";

/// The competition, with what every endpoint needs.
pub struct Contest<'a> {
    source: Source<'a>,
    board: Board,
    /// When it began; `None` before.
    start: Option<DateTime<Utc>>,
}

/// `/`
#[derive(Debug, Serialize)]
pub struct Information {
    version: &'static str,
    version_url: &'static str,
    provider: Provider,
}

#[derive(Debug, Serialize)]
struct Provider {
    name: &'static str,
    version: &'static str,
}

/// `contests/<id>`
#[derive(Debug, Serialize)]
pub struct ContestObject {
    /// Made of the title.
    pub id: String,
    name: String,
    start_time: Option<String>,
    duration: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    scoreboard_freeze_duration: Option<String>,
    scoreboard_type: &'static str,
    main_scoreboard_group_id: &'static str,
}

/// One of `judgement-types`
#[derive(Debug, Serialize)]
pub struct JudgementType {
    /// As the API names it.
    pub id: &'static str,
    name: &'static str,
    solved: bool,
}

/// One of `languages`
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct LanguageObject {
    /// As the API names it, where it has a name for it; else the extension.
    pub id: String,
    name: String,
    entry_point_required: bool,
    extensions: Vec<String>,
}

/// One of `problems`
#[derive(Debug, Serialize)]
pub struct Problem {
    /// There is one.
    pub id: &'static str,
    label: &'static str,
    name: String,
    ordinal: u32,
    time_limit: f64,
    memory_limit: u64,
    output_limit: u64,
    code_limit: u64,
    test_data_count: usize,
    max_score: Score,
}

/// One of `groups`
#[derive(Debug, Serialize)]
pub struct Group {
    /// `students` or `reference`.
    pub id: &'static str,
    name: &'static str,
}

/// One of `teams`: a user who submitted.
#[derive(Debug, Serialize)]
pub struct Team {
    /// The user's name.
    pub id: UserName,
    name: UserName,
    label: UserName,
    group_ids: [&'static str; 1],
}

/// `state`
#[derive(Debug, Clone, Serialize)]
pub struct ContestState {
    started: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frozen: Option<String>,
    ended: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thawed: Option<String>,
    finalized: Option<String>,
    end_of_updates: Option<String>,
}

/// One of `submissions`
#[derive(Debug, Serialize)]
pub struct SubmissionObject {
    /// Its public number.
    pub id: String,
    language_id: String,
    problem_id: &'static str,
    team_id: UserName,
    time: String,
    contest_time: String,
    entry_point: Option<String>,
    /// Sources are nobody else's business.
    files: [(); 0],
}

/// One of `judgements`: a submission's result.
#[derive(Debug, Serialize)]
pub struct Judgement {
    /// The submission's number: it has one result.
    pub id: String,
    submission_id: String,
    judgement_type_id: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<Score>,
    start_time: String,
    start_contest_time: String,
    end_time: String,
    end_contest_time: String,
}

/// `scoreboard`
#[derive(Debug, Serialize)]
pub struct Scoreboard {
    time: String,
    contest_time: String,
    state: ContestState,
    rows: Vec<ScoreboardRow>,
}

#[derive(Debug, Serialize)]
struct ScoreboardRow {
    rank: usize,
    team_id: UserName,
    score: TeamScore,
    #[serde(skip_serializing_if = "Option::is_none")]
    problems: Option<[ProblemScore; 1]>,
}

#[derive(Debug, Serialize)]
struct TeamScore {
    score: Score,
    time: String,
}

#[derive(Debug, Serialize)]
struct ProblemScore {
    problem_id: &'static str,
    num_judged: usize,
    num_pending: usize,
    score: Score,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
}

/// A line of `event-feed`
#[derive(Debug, Serialize)]
pub struct Event {
    #[serde(rename = "type")]
    kind: &'static str,
    id: Option<String>,
    data: Object,
}

/// What an event is about.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Object {
    Contest(ContestObject),
    JudgementType(JudgementType),
    Language(LanguageObject),
    Problem(Problem),
    Group(Group),
    Team(Team),
    State(ContestState),
    Submission(SubmissionObject),
    Judgement(Judgement),
}

/// Something that came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happened {
    Submitted(Number),
    Judged(Number),
}

impl<'a> Contest<'a> {
    /// The competition as the log tells it.
    #[must_use]
    pub fn new(source: Source<'a>) -> Self {
        let config = &source.rules.config.competition;
        let history = source.history;
        let first = history.submissions().first().map(|first| first.receipt.at);
        let opened = match (history.opened_at(), config.opens_at) {
            // An opening that was moved behind what came in before is none.
            (Some(opened), Some(opens)) if first.is_none_or(|first| opens <= first) => Some(opened.max(opens)),
            (opened, _) => opened.or(first),
        };
        let now = history.head().map(|head| head.at);
        Self { source, board: source.board(), start: opened.filter(|opened| now.is_some_and(|now| *opened <= now)) }
    }

    /// Whether nothing more is to come: the board is closed, and every submission has its result.
    #[must_use]
    pub fn is_final(&self) -> bool {
        let history = self.source.history;
        let busy = history.waiting().next().is_some() || history.running().next().is_some();
        self.board == Board::Closed && !busy && self.start.is_some()
    }

    /// `/`
    #[must_use]
    pub fn information(&self) -> Information {
        Information {
            version: VERSION,
            version_url: "https://ccs-specs.icpc.io/2026-01/contest_api",
            provider: Provider { name: "Podium", version: env!("CARGO_PKG_VERSION") },
        }
    }

    /// `contests/<id>/access`
    #[must_use]
    pub fn access(&self) -> Access {
        Access::all()
    }

    /// What the competition is called in addresses.
    #[must_use]
    pub fn id(&self) -> String {
        slug(&self.source.rules.config.competition.title)
    }

    /// `contests/<id>`
    #[must_use]
    pub fn contest(&self) -> ContestObject {
        let competition = &self.source.rules.config.competition;
        let end = self.ended().or(competition.closes_at).or(self.source.history.head().map(|head| head.at));
        let duration = self.start.zip(end).map_or(TimeDelta::zero(), |(start, end)| end - start);
        ContestObject {
            id: self.id(),
            name: competition.title.clone(),
            start_time: self.start.or(competition.opens_at).map(moment::text),
            duration: relative(duration.max(TimeDelta::zero())),
            scoreboard_freeze_duration: self.frozen().zip(end).map(|(frozen, end)| relative(end - frozen)),
            scoreboard_type: "score",
            main_scoreboard_group_id: STUDENTS,
        }
    }

    /// `judgement-types`
    #[must_use]
    pub fn judgement_types(&self) -> Vec<JudgementType> {
        let kinds: BTreeMap<_, _> = Verdict::ALL.into_iter().rev().map(|verdict| (type_of(verdict), verdict)).collect();
        let kind = |(id, name), verdict| JudgementType { id, name, solved: verdict == Verdict::Accepted };
        kinds.into_iter().map(|(known, verdict)| kind(known, verdict)).collect()
    }

    /// `languages`
    #[must_use]
    pub fn languages(&self) -> Vec<LanguageObject> {
        let mut languages: BTreeMap<String, LanguageObject> = BTreeMap::new();
        let configured = self.source.rules.config.languages.keys();
        // What is no longer taken was submitted in before.
        let used = self.source.history.submissions().iter().map(|submission| &submission.language);
        let all: std::collections::BTreeSet<_> = configured.chain(used).collect();
        for extension in all {
            let (id, name) = language(extension.as_str());
            let new = LanguageObject { id: id.clone(), name, entry_point_required: false, extensions: Vec::new() };
            languages.entry(id).or_insert(new).extensions.push(extension.to_string());
        }
        languages.into_values().collect()
    }

    /// `problems`
    #[must_use]
    pub fn problems(&self) -> [Problem; 1] {
        const MIB: u64 = 1 << 20;
        let config = &self.source.rules.config;
        let scores = self.source.history.submissions().iter().filter_map(|submission| self.score(submission));
        let most = scores.map(|score| if let Score::Finite(number) = score { number } else { 0.0 }).fold(0.0, f64::max);
        let milliseconds = config.limits.cpu.as_millis();
        #[expect(clippy::cast_precision_loss, reason = "a time limit is far below 2^52 milliseconds")]
        let time_limit = milliseconds as f64 / 1000.0;
        [Problem {
            id: PROBLEM,
            label: "A",
            name: config.competition.title.clone(),
            ordinal: 1,
            time_limit,
            memory_limit: config.limits.memory.div_ceil(MIB),
            output_limit: config.limits.output.div_ceil(MIB),
            code_limit: config.submissions.max_size.div_ceil(1 << 10),
            test_data_count: match self.board {
                Board::Open => config.cases.public.len(),
                Board::Closed => config.cases.all().count(),
            },
            max_score: Score::Finite(most),
        }]
    }

    /// `groups`
    #[must_use]
    pub fn groups(&self) -> [Group; 2] {
        [Group { id: STUDENTS, name: "Students" }, Group { id: REFERENCE, name: "Reference entries" }]
    }

    /// `teams`: the users who submitted.
    pub fn teams(&self) -> impl Iterator<Item = Team> {
        let users = self.source.history.users().map(|(user, _)| user).filter(|user| !self.source.is_unlisted(user));
        users.map(|user| {
            let group = match self.source.role_of(user) {
                Role::Student => STUDENTS,
                Role::Evaluator | Role::Superuser => REFERENCE,
            };
            Team { id: user.clone(), name: user.clone(), label: user.clone(), group_ids: [group] }
        })
    }

    /// `state`
    #[must_use]
    pub fn state(&self) -> ContestState {
        let ended = self.ended();
        let settled = ended.filter(|_| self.is_final()).map(|ended| self.settled_at(ended));
        ContestState {
            started: self.start.map(moment::text),
            frozen: self.frozen().map(moment::text),
            ended: ended.map(moment::text),
            // Closing shows everything; the specification wants this later than the end.
            thawed: self.frozen().and(ended).map(|ended| moment::text(ended + A_MOMENT)),
            finalized: settled.map(moment::text),
            end_of_updates: settled.map(|at| moment::text(at + A_MOMENT)),
        }
    }

    /// When the board froze, if it did before its end.
    fn frozen(&self) -> Option<DateTime<Utc>> {
        let end = self.ended().or(self.source.history.head().map(|head| head.at));
        self.source
            .history
            .frozen_at()
            .filter(|at| self.start.is_some_and(|start| start <= *at) && end.is_some_and(|end| *at < end))
    }

    fn ended(&self) -> Option<DateTime<Utc>> {
        match self.board {
            Board::Open => None,
            // A board that was never open has no end either.
            Board::Closed => {
                self.source.history.closed_at().filter(|closed| self.start.is_some_and(|start| start <= *closed))
            }
        }
    }

    /// When the last result came, or just after the end: the API wants the one after the other.
    fn settled_at(&self, ended: DateTime<Utc>) -> DateTime<Utc> {
        let judged = self.source.history.submissions().iter().filter_map(judged_at).max();
        judged.unwrap_or(ended).max(ended + A_MOMENT)
    }

    /// Everybody's submissions, but for those of staff whom the rules keep off the board.
    fn listed(&self) -> impl Iterator<Item = &Submission> {
        let submissions = self.source.history.submissions().iter();
        submissions.filter(|submission| !self.source.is_unlisted(&submission.user))
    }

    /// `submissions`
    pub fn submissions(&self) -> impl Iterator<Item = SubmissionObject> {
        self.listed().map(|submission| self.submission(submission))
    }

    fn submission(&self, submission: &Submission) -> SubmissionObject {
        SubmissionObject {
            id: submission.number.to_string(),
            language_id: language(submission.language.as_str()).0,
            problem_id: PROBLEM,
            team_id: submission.user.clone(),
            time: moment::text(submission.receipt.at),
            contest_time: self.contest_time(submission.receipt.at),
            entry_point: None,
            files: [],
        }
    }

    /// `judgements`
    pub fn judgements(&self) -> impl Iterator<Item = Judgement> {
        self.listed().filter_map(|submission| self.judgement(submission))
    }

    fn judgement(&self, submission: &Submission) -> Option<Judgement> {
        let end = judged_at(submission).filter(|_| !self.source.hides(submission))?;
        let verdict = submission.judged()?.verdict(&self.source.rules.config.cases.public);
        // What was judged before was not begun.
        let start = submission.started_at.unwrap_or(end);
        Some(Judgement {
            id: submission.number.to_string(),
            submission_id: submission.number.to_string(),
            judgement_type_id: type_of(verdict).0,
            score: self.score(submission).and_then(placed),
            start_time: moment::text(start),
            start_contest_time: self.contest_time(start),
            end_time: moment::text(end),
            end_contest_time: self.contest_time(end),
        })
    }

    /// The score that shows.
    fn score(&self, submission: &Submission) -> Option<Score> {
        standings::score_on(self.board, submission, &self.source.rules.config)
            .filter(|_| !self.source.hides(submission))
    }

    /// `scoreboard`
    #[must_use]
    pub fn scoreboard(&self) -> Scoreboard {
        let history = self.source.history;
        let state = self.state();
        let head = history.head().map(|head| head.at);
        // What the log says after the last result changes nothing here.
        let settled = self.ended().filter(|_| self.is_final()).map(|ended| self.settled_at(ended));
        let time = settled.or(head).unwrap_or(DateTime::UNIX_EPOCH);
        let standings = standings::Standings::new(self.board, super::board::ground(self.source));
        let mut rows: Vec<ScoreboardRow> = standings.rows.iter().filter_map(|row| self.row(row)).collect();
        rows.sort_by(|a, b| (a.rank, &a.team_id).cmp(&(b.rank, &b.team_id)));
        Scoreboard { time: moment::text(time), contest_time: self.contest_time(time), state, rows }
    }

    fn row(&self, row: &standings::Row) -> Option<ScoreboardRow> {
        let Score::Finite(number) = row.score else { return None };
        let time = relative(self.since_start(row.at).max(TimeDelta::zero()));
        let problem = placed(row.score).map(|score| ProblemScore {
            problem_id: PROBLEM,
            num_judged: row.attempts,
            num_pending: self.source.history.pending_of(&row.user),
            score,
            time: (number > 0.0).then(|| time.clone()),
        });
        Some(ScoreboardRow {
            rank: row.rank?,
            team_id: row.user.clone(),
            score: TeamScore { score: row.score, time },
            problems: problem.map(|problem| [problem]),
        })
    }

    /// `event-feed`: what there was from the beginning, then what came about, in its order, and in the end how it stands.
    pub fn events(&self) -> impl Iterator<Item = Event> {
        let event = |kind, id: &str, data| Event { kind, id: Some(id.to_owned()), data };
        let whole = |kind, data| Event { kind, id: None, data };
        let kinds = self.judgement_types().into_iter();
        let kinds = kinds.map(move |one| event("judgement-types", one.id, Object::JudgementType(one)));
        let languages = self.languages().into_iter();
        let languages = languages.map(move |one| event("languages", &one.id.clone(), Object::Language(one)));
        let problems = self.problems().into_iter().map(move |one| event("problems", one.id, Object::Problem(one)));
        let groups = self.groups().into_iter().map(move |one| event("groups", one.id, Object::Group(one)));
        let teams = self.teams().map(move |one| event("teams", one.id.clone().as_str(), Object::Team(one)));
        let live = self.happened().into_iter().filter_map(move |what| match what {
            Happened::Submitted(number) => {
                let object = self.submission(self.source.history.get(number)?);
                Some(event("submissions", &object.id.clone(), Object::Submission(object)))
            }
            Happened::Judged(number) => {
                let object = self.judgement(self.source.history.get(number)?)?;
                Some(event("judgements", &object.id.clone(), Object::Judgement(object)))
            }
        });
        std::iter::once(whole("contest", Object::Contest(self.contest())))
            .chain(kinds)
            .chain(languages)
            .chain(problems)
            .chain(groups)
            .chain(teams)
            .chain(live)
            .chain(std::iter::once_with(move || whole("state", Object::State(self.state()))))
    }

    fn happened(&self) -> Vec<Happened> {
        let submitted = self.listed().map(|one| (one.receipt.at, Happened::Submitted(one.number)));
        let judged = self.listed().filter_map(|one| Some((judged_at(one)?, Happened::Judged(one.number))));
        let mut all: Vec<_> = submitted.chain(judged).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, what)| what).collect()
    }

    fn since_start(&self, at: DateTime<Utc>) -> TimeDelta {
        self.start.map_or(TimeDelta::zero(), |start| at - start)
    }

    fn contest_time(&self, at: DateTime<Utc>) -> String {
        relative(self.since_start(at))
    }
}

/// By so much is one moment after another.
const A_MOMENT: TimeDelta = TimeDelta::milliseconds(1);

fn judged_at(submission: &Submission) -> Option<DateTime<Utc>> {
    match &submission.state {
        State::Judged { at, .. } => Some(*at),
        State::Waiting | State::Running { .. } => None,
    }
}

/// A score of a submission, where the API has a place for it.
fn placed(score: Score) -> Option<Score> {
    match score {
        Score::Finite(number) if number >= 0.0 => Some(score),
        Score::Finite(_) | Score::Infeasible => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::story::{Story, rules};
    use serde_json::Value;

    fn json(value: impl Serialize) -> Value {
        serde_json::to_value(value).expect("JSON")
    }

    /// Ben leads ann by public scores; by totals it is the other way round.
    fn told() -> Story {
        let mut story = Story::default();
        story.board(Board::Open);
        story.scores("ann", [5.0, 5.0, 1.0]);
        story.scores("ben", [1.0, 1.5, 80.0]);
        story.scores("cid", [f64::INFINITY, 1.0, 1.0]);
        story
    }

    #[test]
    fn ranks_go_by_what_shows_and_what_is_infeasible_has_no_row() {
        let rules = rules("");
        let mut story = told();
        let shown = |story: &Story| {
            let contest = Contest::new(story.source(&rules));
            let board = json(contest.scoreboard());
            let rows = board["rows"].as_array().expect("rows").clone();
            rows.iter()
                .map(|row| format!("{} {} {}", row["rank"], row["team_id"], row["score"]["score"]))
                .collect::<Vec<_>>()
        };
        assert_eq!(shown(&story), ["1 \"ben\" 2.5", "2 \"ann\" 10"]);
        story.board(Board::Closed);
        assert_eq!(shown(&story), ["1 \"ann\" 11", "2 \"ben\" 82.5"]);
    }

    #[test]
    fn a_negative_score_ranks_and_stands_nowhere_else() {
        let rules = rules("");
        let mut story = Story::default();
        story.board(Board::Open);
        story.scores("ann", [-5.0, 1.0, 0.0]);
        let contest = Contest::new(story.source(&rules));
        let row = &json(contest.scoreboard())["rows"][0];
        assert_eq!((&row["score"]["score"], row.get("problems")), (&(-4).into(), None));
        assert_eq!(json(contest.judgements().next().expect("one")).get("score"), None);
    }

    #[test]
    fn it_is_final_when_the_board_is_closed_and_nothing_is_in_the_queue() {
        let rules = rules("");
        let mut story = told();
        let late = story.accept("ann");
        story.board(Board::Closed);
        let state = |story: &Story| {
            let contest = Contest::new(story.source(&rules));
            (contest.is_final(), json(contest.state()))
        };
        let (done, state_then) = state(&story);
        assert!(!done && state_then["ended"] != Value::Null && state_then["finalized"] == Value::Null, "{state_then}");
        story.judge(late, Vec::new());
        let (done, state) = state(&story);
        let moments =
            ["started", "ended", "finalized", "end_of_updates"].map(|name| state[name].as_str().map(str::to_owned));
        assert!(done && moments.iter().all(Option::is_some) && moments.is_sorted_by(|a, b| a < b), "{state}");
    }

    #[test]
    fn every_property_is_one_that_access_names() {
        let rules = rules(
            "[languages.py]\ncommand = [\"true\"]\n[languages.cc]\ncommand = [\"true\"]\n[languages.cpp]\ncommand = [\"true\"]\n",
        );
        let mut story = told();
        // What only a competition has whose board was frozen.
        story.freeze();
        story.board(Board::Closed);
        let contest = Contest::new(story.source(&rules));
        let one = |kind: &str| match kind {
            "contest" => json(contest.contest()),
            "judgement-types" => json(&contest.judgement_types()[0]),
            "languages" => json(&contest.languages()[0]),
            "problems" => json(&contest.problems()[0]),
            "groups" => json(&contest.groups()[0]),
            "teams" => json(contest.teams().next().expect("a team")),
            "state" => json(contest.state()),
            "submissions" => json(contest.submissions().next().expect("a submission")),
            "judgements" => json(contest.judgements().next().expect("a judgement")),
            other => panic!("{other}"),
        };
        for (kind, properties) in access::ENDPOINTS {
            let mut named: Vec<_> = properties.iter().map(|name| (*name).to_owned()).collect();
            named.sort();
            let keys: Vec<String> = one(kind).as_object().expect("an object").keys().cloned().collect();
            assert_eq!(keys, named, "{kind}");
        }
        let languages: Vec<_> = contest.languages().into_iter().map(|one| (one.id, one.extensions.join(" "))).collect();
        assert_eq!(languages, [("cpp".into(), "cc cpp".into()), ("python3".to_owned(), "py".to_owned())]);
    }
}
