//! What pages and the JSON beside them show, as plain data: a function of the history and the rules.
//!
//! Whatever a page could leak, it would have to find in here. While the board is open no view holds anything of a private case: not a
//! name, a score, a clock of its own, or how many there are; what remains is how long a judging took as a whole. No view but [`SubmissionPage`] and [`StatusJson`] holds a submission's id, and those
//! two only as far as they are written under it.

mod board;
mod queue;
mod submission;
mod user;

use serde::Serialize;

use super::config::{Better, Board};
use super::digest::Digest;
use super::history::{Head, History, State};
use super::record::moment;
use super::rules::Rules;
use super::verdict::{Fault, Verdict};

pub use board::{BoardPage, BoardRow, LeaderboardJson, board};
pub use queue::{Finished, QueueJson, QueuePage, Running, Waiting, queue};
pub use submission::{CaseView, ReceiptView, StatusJson, SubmissionPage, Tail, Tails, folder, refused, submission};
pub use user::{UserPage, UserSubmission, user};

/// The version of every JSON document under public/.
const JSON_VERSION: u32 = 1;

/// What the pages are a function of.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The log.
    pub history: &'a History,
    /// The rules.
    pub rules: &'a Rules,
}

impl<'a> Source<'a> {
    /// What the board is, by the log; by the config before the log says anything.
    #[must_use]
    pub fn board(&self) -> Board {
        self.history.board().unwrap_or(self.rules.config.competition.state)
    }

    fn usual_seconds(&self) -> Option<u64> {
        self.history.usual_duration().map(|duration| duration.as_secs_f64().ceil() as u64)
    }
}

/// What every page shows around its own content.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Site {
    /// The competition's title.
    pub title: String,
    /// `open` or `closed`.
    pub board: Board,
    /// `public` or `total`: which scores show.
    pub scores: Scores,
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
        title: config.competition.title.clone(),
        board,
        scores: scores(board),
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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
    use crate::core::record::{CaseResult, Event};
    use crate::core::story::{Story, case, id, rules};

    /// Everything that is public, as text.
    fn everything(source: Source<'_>) -> String {
        let mut text = String::new();
        let mut add = |name: &str, json: serde_json::Result<String>| {
            text.push_str(&format!("{name}: {}\n", json.expect("a view is JSON")))
        };
        let (page, json) = board(source);
        add("index.html", serde_json::to_string(&page));
        add("leaderboard.json", serde_json::to_string(&json));
        let (page, json) = queue(source, None);
        add("queue.html", serde_json::to_string(&page));
        add("queue.json", serde_json::to_string(&json));
        for (name, _) in source.history.users() {
            add("user", serde_json::to_string(&user(source, name)));
        }
        add("site", serde_json::to_string(&site(source)));
        text
    }

    /// The private pages, as text.
    fn private(source: Source<'_>) -> String {
        let pages = source.history.submissions().iter().map(|one| submission(source, one, Tails::new()));
        pages.map(|page| serde_json::to_string(&page).expect("JSON")).collect::<Vec<_>>().join("\n")
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
            let public = ["one", "two"].map(|name| case(name, Verdict::Accepted, Some(3.0)));
            let hidden =
                CaseResult { cpu_seconds: 77.0, peak_memory_bytes: 77_777, ..case("secret", verdict, Some(secret)) };
            story.judge(number, public.into_iter().chain([hidden]).filter_map(&change).collect());
        }
        story
    }

    #[test]
    fn while_open_no_view_depends_on_a_private_case() {
        // The log's head is the one thing that may differ: it is the hash of lines that hold everything.
        let blind = |text: String| {
            let heads = text
                .split('"')
                .filter(|word| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit()))
                .map(str::to_owned);
            heads.collect::<Vec<_>>().into_iter().fold(text, |text, head| text.replace(&head, "HEAD"))
        };
        let rules = rules("");
        let with = told(Some);
        let without = told(|case| (case.case.as_str() != "secret").then_some(case));
        for pages in [everything, private] {
            let (one, two) = (
                pages(Source { history: &with.history, rules: &rules }),
                pages(Source { history: &without.history, rules: &rules }),
            );
            let (one, two) = (blind(one), blind(two));
            assert_eq!(one, two);
            assert!(!one.contains("secret") && !one.contains("77"), "{one}");
        }
    }

    #[test]
    fn a_submissions_id_is_in_no_public_view() {
        let rules = rules("");
        let mut story = told(Some);
        story.refuse(99, "no");
        story.accept("carol");
        let text = everything(Source { history: &story.history, rules: &rules });
        for n in [1, 2, 3, 4, 99] {
            assert!(!text.contains(id(n).as_str()), "{text}");
        }
    }

    #[test]
    fn staff_messages_are_in_no_view() {
        let rules = rules("");
        let story = told(Some);
        let source = Source { history: &story.history, rules: &rules };
        assert!(!format!("{}{}", everything(source), private(source)).contains("staff message"));
    }

    #[test]
    fn closing_shows_the_totals() {
        let rules = rules("");
        let mut story = told(Some);
        story.board(Board::Closed);
        let source = Source { history: &story.history, rules: &rules };
        let (_, json) = board(source);
        let json = serde_json::to_value(json).expect("JSON");
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
        let source = Source { history: &story.history, rules: &rules };
        let keys = |value: &serde_json::Value| {
            value.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>().join(" ")).unwrap_or_default()
        };

        let leaderboard = serde_json::to_value(board(source).1).expect("JSON");
        assert_eq!(keys(&leaderboard), "better log reference rows scores state title unit updated_at v");
        assert_eq!(keys(&leaderboard["rows"][0]), "at attempts rank score submission user");
        assert_eq!(keys(&leaderboard["log"]), "head seq");

        let queue = serde_json::to_value(queue(source, None).1).expect("JSON");
        assert_eq!(keys(&queue), "alive_at running v waiting");
        assert_eq!(keys(&queue["running"][0]), "since submission user");
        assert_eq!(keys(&queue["waiting"][0]), "eta_seconds position submission user");

        let first = story.history.get(Number(1)).expect("accepted");
        let status = serde_json::to_value(submission(source, first, Tails::new()).1).expect("JSON");
        assert_eq!(keys(&status), "cases public_score reason receipt state submission user v verdict");
        assert_eq!(keys(&status["cases"][0]), "case cpu_seconds message peak_memory_bytes score verdict wall_seconds");
        assert_eq!(keys(&status["receipt"]), "at line_sha256 seq sha256");
        assert_eq!(status["cases"].as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn an_unknown_event_changes_nothing_but_the_head() {
        let rules = rules("");
        let mut story = told(Some);
        let before = everything(Source { history: &story.history, rules: &rules });
        story.tell(Event::Unknown);
        let after = everything(Source { history: &story.history, rules: &rules });
        assert_eq!(before.lines().count(), after.lines().count());
        assert_eq!(story.history.submissions().len(), 3);
    }
}
