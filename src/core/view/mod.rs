//! What pages and the JSON beside them show, as plain data: a function of the history and the rules.
//!
//! Whatever a page could leak, it would have to find in here. While the board is open no view holds anything of a private case: not a
//! name, a score, a clock of its own, or how many there are; what remains is how long a judging took as a whole. No view but [`SubmissionPage`] and [`StatusJson`] holds a submission's id, and those
//! two only as far as they are written under it.

mod about;
mod again;
mod board;
mod contest;
mod feeds;
mod letter;
mod plot;
mod progress;
mod queue;
mod staff;
mod submission;
mod user;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::config::{Better, Board};
use super::details::{Details, Unreadable};
use super::digest::Digest;
use super::history::{Head, History, State, Submission};
use super::ids::UserName;
use super::record::{Judged, moment};
use super::rules::Rules;
use super::users::Role;
use super::verdict::{Fault, Verdict};

pub use about::{GitRules, LanguageRules, LimitRules, RateRules, RulesPage, rules_page};
pub use again::Again;
pub use board::{
    BoardChart, BoardPage, BoardRank, BoardRow, BoardView, ChartRow, LeaderboardJson, LeaderboardRow, Place, Spot,
    Tables, board,
};
pub use contest::Contest;
pub use feeds::{CSV_HEAD, FeedEntry, FeedPage, NewResult, csv_line, feed};
pub use letter::{Around, WIDTH, about, letter, readme, strays};
pub use plot::{Chart, Form, Line, Moment, Tick};
pub use progress::{Step, arriving, progress, refusal};
pub use queue::{Finished, QueueJson, QueuePage, Running, UsualView, Waiting, WaitingRow, queue};
pub use staff::{
    CaseSheet, Comparison, DaemonView, Difference, DiskView, Health, Sheet, StaffIndex, StaffSubmission, compare,
    sheet, staff_index, staff_submission,
};
pub use submission::{
    Beside, CaseView, CheckingPage, Download, Effect, MetricView, PlaceView, ReceiptView, StaffMessage, StatusCase,
    StatusJson, SubmissionPage, Tail, Tails, checking, folder, refused, submission,
};
pub use user::{Quota, UserPage, UserPlot, UserSubmission, user};

/// The version of every JSON document under public/.
const JSON_VERSION: u32 = 1;

/// What the pages are a function of.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The log.
    pub history: &'a History,
    /// The rules.
    pub rules: &'a Rules,
    /// What the log says beyond what is kept of it.
    pub details: &'a dyn Details,
}

impl<'a> Source<'a> {
    /// What the board is, by the log; by the config before the log says anything.
    #[must_use]
    pub fn board(&self) -> Board {
        self.history.board().unwrap_or(self.rules.config.competition.state)
    }

    /// Since when the board is frozen, if it is: by the log's clock, as the moment of freezing is a line of it.
    #[must_use]
    pub fn frozen_since(&self) -> Option<DateTime<Utc>> {
        let head = self.history.head()?;
        let freezes = self.rules.config.competition.freezes_at?;
        (self.board() == Board::Open && head.at >= freezes).then_some(freezes)
    }

    /// Whether what came of a submission is not to be seen by others than its sender.
    #[must_use]
    pub fn hides(&self, submission: &Submission) -> bool {
        self.came_after_freezing(submission) || self.is_unlisted(&submission.user)
    }

    /// Whether a submission came in while the board is frozen.
    #[must_use]
    pub fn came_after_freezing(&self, submission: &Submission) -> bool {
        self.frozen_since().is_some_and(|since| submission.receipt.at >= since)
    }

    /// Whether a user is one of staff, whom the rules keep off the board: what a solution of theirs is worth is no student's to know.
    /// As the board does, by what they are now, or were when they last handed in.
    #[must_use]
    pub fn is_unlisted(&self, user: &UserName) -> bool {
        !self.rules.config.score.show_reference
            && match self.role_of(user) {
                Role::Student => false,
                Role::Evaluator | Role::Superuser => true,
            }
    }

    /// The role under which a user's submissions show.
    #[must_use]
    pub fn role_of(&self, user: &UserName) -> Role {
        let last = self.history.latest_of(user).next().map(|last| last.role);
        self.rules.users.role_in_history(user, last)
    }

    /// The whole of a submission's result, once there is one: only its own page needs that.
    ///
    /// # Errors
    /// [`Unreadable`] when the log cannot be read back.
    pub fn judged(&self, submission: &Submission) -> Result<Option<Judged>, Unreadable> {
        submission.judged().map(|outcome| self.details.judged(outcome.line())).transpose()
    }
}

/// What every page shows around its own content.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Site {
    /// Whose words the pages use: a name of a file in site-templates/strings/. Templates know it as `language`.
    #[serde(skip)]
    pub language: String,
    /// The competition's title.
    pub title: String,
    /// `open` or `closed`.
    pub board: Board,
    /// `public` or `total`: which scores show.
    pub scores: Scores,
    /// Since when the board stays as it is, if it is frozen.
    pub frozen_since: Option<String>,
    /// When it freezes by itself, if that is to come.
    pub freezes_at: Option<String>,
    /// When the board closes by itself, if it is open and does.
    pub closes_at: Option<String>,
    /// When it opens by itself, if that is to come.
    pub opens_at: Option<String>,
    /// What the score counts.
    pub unit: String,
    /// Which way is better.
    pub better: Better,
    /// What changes with every line of the log: shown on the board and the queue only. A user's page and a submission's page change
    /// with what concerns them, so that publishing one result costs what it changed.
    pub live: Option<Live>,
}

/// What changes with every line of the log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Live {
    /// The log's last line.
    pub log: LogHead,
    /// The beginning of its digest.
    pub head_short: String,
    /// When it was written.
    pub updated_at: Option<String>,
    /// How many submissions wait or run.
    pub in_queue: usize,
    /// Why nothing is judged at the moment, if something keeps it.
    pub held: Option<String>,
}

/// Which scores show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scores {
    /// Over the public cases.
    Public,
    /// Over all cases.
    Total,
}

/// The log's last line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LogHead {
    /// Its number; 0 for an empty log.
    pub seq: u64,
    /// The digest of its bytes.
    pub head: Digest,
}

impl LogHead {
    fn of(head: Option<Head>) -> Self {
        head.map_or(LogHead { seq: 0, head: Digest::ZERO }, |head| LogHead { seq: head.seq, head: head.line_sha256 })
    }
}

/// The frame of the pages that change with every line of the log.
#[must_use]
pub fn live_site(source: Source<'_>, held: Option<&str>) -> Site {
    let head = source.history.head();
    let log = LogHead::of(head);
    Site {
        live: Some(Live {
            log,
            head_short: log.head.short(),
            updated_at: head.map(|head| moment::text(head.at)),
            in_queue: source.history.waiting().count() + source.history.running().count(),
            held: held.map(str::to_owned),
        }),
        ..site(source)
    }
}

/// The frame of every other page.
#[must_use]
pub fn site(source: Source<'_>) -> Site {
    let config = &source.rules.config;
    let board = source.board();
    Site {
        language: config.site.language.clone(),
        title: config.competition.title.clone(),
        board,
        scores: scores(board),
        frozen_since: source.frozen_since().map(moment::text),
        freezes_at: (config.competition.freezes_at)
            .filter(|_| board == Board::Open && source.frozen_since().is_none())
            .map(moment::text),
        closes_at: if board == Board::Open { config.competition.closes_at.map(moment::text) } else { None },
        // By the log's clock: the opening is a line of it.
        opens_at: (config.competition.opens_at)
            .filter(|opens| board == Board::Open && source.history.head().is_none_or(|head| head.at < *opens))
            .map(moment::text),
        unit: config.score.unit.clone(),
        better: config.score.better,
        live: None,
    }
}

fn scores(board: Board) -> Scores {
    match board {
        Board::Open => Scores::Public,
        Board::Closed => Scores::Total,
    }
}

/// Whether a verdict is good news.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tone {
    /// Accepted.
    Good,
    /// The student's program failed.
    Bad,
    /// The judging failed, which is not the student's doing.
    Sorry,
    /// There is no verdict yet.
    None,
}

fn tone(verdict: Verdict) -> Tone {
    match verdict.fault() {
        Fault::Nobody => Tone::Good,
        Fault::Student => Tone::Bad,
        Fault::Instructor | Fault::Operator => Tone::Sorry,
    }
}

/// Where a submission is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StateName {
    /// In the queue.
    Waiting,
    /// On a worker.
    Running,
    /// Done.
    Judged,
    /// Refused before judging.
    Rejected,
}

fn state_name(state: &State) -> StateName {
    match state {
        State::Waiting => StateName::Waiting,
        State::Running { .. } => StateName::Running,
        State::Judged { .. } => StateName::Judged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::Number;
    use crate::core::record::{CaseResult, Event, Kept};
    use crate::core::standings::{Row, Standings};
    use crate::core::story::{Story, case, id, rules};

    /// leaderboard.json
    fn leaderboard(source: Source<'_>) -> LeaderboardJson<LeaderboardRow> {
        let Standings { rows, reference, .. } = Tables::new(source).shown;
        let told = |rows: Vec<Row>| rows.iter().map(LeaderboardRow::new).collect();
        LeaderboardJson::new(source, told(rows), told(reference))
    }

    /// Everything that is public, as text.
    fn everything(source: Source<'_>) -> String {
        let mut text = String::new();
        let mut add = |name: &str, json: serde_json::Result<String>| {
            text.push_str(&format!("{name}: {}\n", json.expect("a view is JSON")))
        };
        let tables = Tables::new(source);
        let view = board(source, &tables);
        add("index.html", serde_json::to_string(&view.page));
        for (row, place) in view.rows.iter().chain(&view.reference) {
            add(
                "row",
                serde_json::to_string(&BoardRow::new(
                    row,
                    place,
                    source.rules.config.score.decimals,
                    &view.page.metrics,
                )),
            );
            add("leaderboard.csv", Ok(csv_line(row)));
        }
        add("leaderboard.json", serde_json::to_string(&leaderboard(source)));
        for result in source.history.submissions().iter().filter_map(|one| NewResult::new(source, one)) {
            add("results.jsonl", serde_json::to_string(&result));
        }
        add("feed.xml", serde_json::to_string(&feed(source, &tables)));
        let (page, json) = queue(source, None, None);
        add("queue.html", serde_json::to_string(&page));
        add("queue.json", serde_json::to_string(&json));
        for (name, _) in source.history.users() {
            add("user", serde_json::to_string(&user(source, name)));
        }
        add("about.html", serde_json::to_string(&rules_page(source)));
        let contest = Contest::new(source);
        add("api", serde_json::to_string(&(contest.information(), contest.access(), contest.contest())));
        add("problems", serde_json::to_string(&(contest.judgement_types(), contest.languages(), contest.problems())));
        add("teams", serde_json::to_string(&(contest.groups(), contest.teams().collect::<Vec<_>>())));
        add("submissions", serde_json::to_string(&contest.submissions().collect::<Vec<_>>()));
        add("judgements", serde_json::to_string(&contest.judgements().collect::<Vec<_>>()));
        add("scoreboard", serde_json::to_string(&(contest.scoreboard(), contest.state())));
        add("event-feed", serde_json::to_string(&contest.events().collect::<Vec<_>>()));
        add("site", serde_json::to_string(&site(source)));
        text
    }

    /// What stands on a private page beyond what the log says of one submission.
    fn beside(source: Source<'_>, submission: &Submission) -> Beside {
        let mut places = crate::core::places::Places::default();
        places.tell(source.history, source.rules);
        Beside { change: places.change(submission.number), ..Beside::default() }
    }

    fn page_of(source: Source<'_>, one: &Submission) -> (SubmissionPage, StatusJson) {
        let judged = source.judged(one).expect("a story is read back");
        submission(source, one, judged.as_ref(), beside(source, one))
    }

    /// The private pages, as text.
    fn private(source: Source<'_>) -> String {
        let pages = source.history.submissions().iter().map(|one| (one, page_of(source, one)));
        let told = pages.map(|(one, page)| {
            let letter = letter(source, &page.0, Around { id: &one.id, place: None, waiting: 0 });
            let log = progress(source, (one, source.judged(one).expect("told").as_ref()), "", &[]);
            format!("{}\n{letter}\n{log}", serde_json::to_string(&page).expect("JSON"))
        });
        told.chain(source.history.users().map(|(user, _)| readme(source, user))).collect::<Vec<_>>().join("\n")
    }

    /// Three submissions, told with what `hide` leaves of each case.
    fn told(change: impl Fn(CaseResult) -> Option<CaseResult>) -> Story {
        let mut story = Story::default();
        story.board(Board::Open);
        for (user, secret, verdict) in [
            ("alice", 7.0, Verdict::Accepted),
            ("bob", 8.0, Verdict::TimeLimit),
            ("alice", 9.0, Verdict::EvaluatorError),
        ] {
            let number = story.accept(user);
            let public = ["one", "two"].map(|name| CaseResult {
                metrics: [("moves".to_owned(), 2.0)].into(),
                ..case(name, Verdict::Accepted, Some(3.0))
            });
            let hidden = CaseResult {
                cpu_seconds: 73.0,
                peak_memory_bytes: 73_737,
                metrics: [("moves".to_owned(), 73.0), ("secret number".to_owned(), 73.0)].into(),
                files: vec![Kept { name: "stdout".into(), bytes: 7_300, whole: None, sha256: Digest::ZERO }],
                ..case("secret", verdict, Some(secret))
            };
            story.judge(number, public.into_iter().chain([hidden]).filter_map(&change).collect());
        }
        story
    }

    /// The log's head is the one thing that may differ: it is the hash of lines that hold everything.
    fn blind(text: String) -> String {
        let heads = text
            .split('"')
            .filter(|word| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit()))
            .map(str::to_owned);
        heads.collect::<Vec<_>>().into_iter().fold(text, |text, head| text.replace(&head, "HEAD"))
    }

    #[test]
    fn while_open_no_view_depends_on_a_private_case() {
        let rules = rules("[submissions]\ndisk_per_user = \"1 GB\"\nrate = \"9/1h\"\npending_per_user = 9\n");
        let with = told(Some);
        let without = told(|case| (case.case.as_str() != "secret").then_some(case));
        for pages in [everything, private] {
            let (one, two) = (pages(with.source(&rules)), pages(without.source(&rules)));
            let (one, two) = (blind(one), blind(two));
            assert_eq!(one, two);
            assert!(!one.contains("secret") && !one.contains("73"), "{one}");
        }
    }

    /// Frozen between the second and the third submission, whose scores are these.
    fn frozen(rules: &mut Rules, hidden: [[f64; 3]; 2]) -> Story {
        let mut story = Story::default();
        story.board(Board::Open);
        story.scores("alice", [5.0, 5.0, 9.0]);
        story.scores("bob", [4.0, 4.0, 9.0]);
        story.freeze();
        rules.config.competition.freezes_at = story.history.head().map(|head| head.at);
        story.scores("alice", hidden[0]);
        story.scores("carol", hidden[1]);
        story
    }

    #[test]
    fn while_frozen_no_public_view_depends_on_what_came_in_since() {
        let mut rules = rules("[submissions]\ndisk_per_user = \"1 GB\"\nrate = \"9/1h\"\npending_per_user = 9\n");
        let failed = [f64::INFINITY, 2.0, 2.0];
        let (one, mut two) = (frozen(&mut rules, [[1.0; 3]; 2]), frozen(&mut rules, [failed, [7.0; 3]]));
        let (mut one, spoiled) = (one, case("one", Verdict::EvaluatorError, None));
        for (story, result) in [(&mut one, case("one", Verdict::Accepted, Some(1.0))), (&mut two, spoiled)] {
            let number = story.accept("bob");
            story.judge(number, vec![result, case("two", Verdict::Accepted, Some(1.0))]);
        }
        assert_eq!(blind(everything(one.source(&rules))), blind(everything(two.source(&rules))));
        let best = |story: &Story, rules: &Rules| {
            let rows = Tables::new(story.source(rules)).shown.rows;
            rows.into_iter().map(|row| format!("{} {}", row.user, row.score)).collect::<Vec<_>>()
        };
        assert_eq!(best(&one, &rules), ["bob 8", "alice 10"]);
        let (source, tables) = (one.source(&rules), Tables::new(one.source(&rules)));
        let rows = board(source, &tables).rows;
        let unseen: Vec<usize> = rows.iter().map(|(row, place)| BoardRow::new(row, place, 0, &[]).unseen).collect();
        assert_eq!(unseen, [1, 1], "that somebody has handed in since is no secret");
        // Its sender sees everything but a place.
        let third = one.history.get(Number(3)).expect("accepted");
        let (page, json) = page_of(one.source(&rules), third);
        assert_eq!(
            (page.public_score.as_deref(), page.place, json.verdict),
            (Some("2"), None, Some(Verdict::Accepted))
        );
        // A thaw, or closing, shows everything.
        rules.config.competition.freezes_at = None;
        assert_eq!(best(&one, &rules), ["alice 2", "carol 2", "bob 2"]);
    }

    #[test]
    fn a_closed_board_is_not_frozen() {
        let mut rules = rules("");
        let mut story = frozen(&mut rules, [[1.0; 3]; 2]);
        assert!(site(story.source(&rules)).frozen_since.is_some());
        story.board(Board::Closed);
        assert_eq!(site(story.source(&rules)).frozen_since, None);
        assert_eq!(Tables::new(story.source(&rules)).shown.rows.len(), 3);
    }

    #[test]
    fn a_submissions_id_is_in_no_public_view() {
        let rules = rules("");
        let mut story = told(Some);
        story.refuse(99, "no");
        story.accept("carol");
        let text = everything(story.source(&rules));
        for n in [1, 2, 3, 4, 99] {
            assert!(!text.contains(&id(n).to_string()), "{text}");
        }
    }

    #[test]
    fn staff_messages_are_in_no_view() {
        let rules = rules("");
        let story = told(Some);
        let source = story.source(&rules);
        assert!(!format!("{}{}", everything(source), private(source)).contains("staff message"));
    }

    #[test]
    fn staff_read_what_is_for_staff_of_their_own_and_of_private_cases_after_closing() {
        let mut rules = rules("");
        let list = "username,password,role\nalice,,student\nbob,,evaluator\n";
        rules.users = crate::core::users::Users::parse(list).expect("users");
        let mut story = told(Some);
        let of = |story: &Story, rules: &Rules, number| {
            let source = story.source(rules);
            let (page, json) = page_of(source, story.history.get(number).expect("accepted"));
            let json = serde_json::to_value(json).expect("JSON");
            let told: Vec<String> = page.staff.iter().map(|told| format!("{}: {}", told.case, told.message)).collect();
            let in_json = json["staff_messages"].as_array().map_or(0, Vec::len);
            assert_eq!(in_json, told.len());
            told
        };
        let public = ["one: staff message of one", "two: staff message of two"];
        assert_eq!(of(&story, &rules, Number(2)), public);
        assert_eq!(of(&story, &rules, Number(1)), [""; 0], "never a student");
        let source = story.source(&rules);
        assert!(!everything(source).contains("staff message"), "and on no page that others see");
        story.board(Board::Closed);
        assert_eq!(
            of(&story, &rules, Number(2)),
            ["one", "two", "secret"].map(|case| format!("{case}: staff message of {case}"))
        );
        assert_eq!(of(&story, &rules, Number(1)), [""; 0]);
        // Who is taken off the list keeps what was recorded: a student's, in this story.
        rules.users = crate::core::users::Users::parse("username,password,role\n").expect("users");
        assert_eq!(of(&story, &rules, Number(2)), [""; 0]);
    }

    #[test]
    fn a_users_page_says_what_is_used_of_the_quotas() {
        let quotas = "[submissions]\nrate = \"2/1h\"\npending_per_user = 5\ndisk_per_user = \"1 KiB\"\n";
        let rules = rules(quotas);
        let mut story = Story::default();
        story.accept("ann");
        let shown = |story: &Story| {
            let page = user(story.source(&rules), &"ann".parse().expect("a name"));
            let one = |quota: &Quota| {
                format!("{} of {}{}", quota.used, quota.most, quota.next_at.clone().unwrap_or_default())
            };
            page.quotas.iter().map(one).collect::<Vec<_>>()
        };
        assert_eq!(shown(&story), ["1 of 2", "1 of 5", "10 of 1024"]);
        story.accept("ann");
        assert_eq!(shown(&story), ["2 of 21970-01-01T01:00:01.000Z", "2 of 5", "20 of 1024"]);
        // A line about somebody else changes nothing on it.
        story.accept("bob");
        assert_eq!(shown(&story).len(), 3);
    }

    #[test]
    fn closing_shows_the_totals() {
        let rules = rules("");
        let mut story = told(Some);
        story.board(Board::Closed);
        let source = story.source(&rules);
        let json = serde_json::to_value(leaderboard(source)).expect("JSON");
        assert_eq!((&json["state"], &json["scores"]), (&"closed".into(), &"total".into()));
        assert_eq!(json["rows"][0]["score"], 13);
        assert_eq!(json["rows"][1]["score"], "inf");
    }

    #[test]
    fn the_json_documents_are_the_contract() {
        let rules = rules("[competition]\ntitle = \"T\"\n[score]\nunit = \"u\"\n");
        let mut story = told(Some);
        let running = story.accept("carol");
        story.start(running);
        story.accept("dave");
        let source = story.source(&rules);
        let keys = |value: &serde_json::Value| {
            value.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>().join(" ")).unwrap_or_default()
        };

        let leaderboard = serde_json::to_value(leaderboard(source)).expect("JSON");
        assert_eq!(keys(&leaderboard), "better frozen_since log reference rows scores state title unit updated_at v");
        assert_eq!(keys(&leaderboard["rows"][0]), "at attempts rank score submission user");
        assert_eq!(keys(&leaderboard["log"]), "head seq");

        let queue = serde_json::to_value(queue(source, None, None).1).expect("JSON");
        assert_eq!(keys(&queue), "alive_at held running v waiting");
        assert_eq!(keys(&queue["running"][0]), "since submission user");
        assert_eq!(keys(&queue["waiting"][0]), "eta_seconds position submission user");

        let first = story.history.get(Number(1)).expect("accepted");
        let status = serde_json::to_value(page_of(source, first).1).expect("JSON");
        assert_eq!(keys(&status), "cases public_score reason receipt reused state submission user v verdict");
        assert_eq!(keys(&status["cases"][0]), "case cpu_seconds message peak_memory_bytes score verdict wall_seconds");
        assert_eq!(keys(&status["receipt"]), "at line_sha256 seq sha256");
        assert_eq!(status["cases"].as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn an_unknown_event_changes_nothing_but_the_head() {
        let rules = rules("");
        let mut story = told(Some);
        let before = everything(story.source(&rules));
        story.tell(Event::Unknown);
        let after = everything(story.source(&rules));
        assert_eq!(before.lines().count(), after.lines().count());
        assert_eq!(story.history.submissions().len(), 3);
    }
}
