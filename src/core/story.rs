//! For tests: a log told in a few words.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta};

use super::config::{self, Board};
use super::details::{Details, Unreadable};
use super::digest::Digest;
use super::history::History;
use super::ids::{Number, SubmissionId};
use super::record::{
    Accepted, BoardChanged, CaseResult, Event, FileKey, Header, Judged, Record, Refusal, Rejected, Started, VERSION,
};
use super::rules::Rules;
use super::score::Score;
use super::users::Users;
use super::verdict::Verdict;
use super::view::Source;

/// Two public cases, `one` and `two`, and a private one, `secret`.
pub(crate) const CONFIG: &str =
    "[testcases]\npublic = [\"one\", \"two\"]\nprivate = [\"secret\"]\n[evaluator]\ncommand = [\"true\"]\n";

/// Rules out of [`CONFIG`] and more of it.
pub(crate) fn rules(extra: &str) -> Rules {
    let text = format!("{CONFIG}{extra}");
    let config = config::parse(&text).unwrap_or_else(|problems| panic!("{problems:?}"));
    Rules { config, config_sha256: Digest::of(text.as_bytes()), users: Users::Anyone }
}

/// The id of the nth submission.
pub(crate) fn id(n: u64) -> SubmissionId {
    format!("00000000-0000-4000-8000-{n:012}").parse().expect("an id")
}

/// A log as it is written.
#[derive(Default)]
pub(crate) struct Story {
    pub(crate) history: History,
    /// Every line.
    pub(crate) lines: Vec<Record>,
    seq: u64,
    prev: Digest,
    accepted: u64,
}

impl Default for Digest {
    fn default() -> Self {
        Digest::ZERO
    }
}

impl Story {
    pub(crate) fn source<'a>(&'a self, rules: &'a Rules) -> Source<'a> {
        Source { history: &self.history, rules, details: self }
    }

    /// Line n is written at second n.
    pub(crate) fn tell(&mut self, event: Event) -> &mut Self {
        self.seq += 1;
        let at = DateTime::UNIX_EPOCH + TimeDelta::seconds(i64::try_from(self.seq).expect("small"));
        let record = Record { header: Header { v: VERSION, seq: self.seq, at, prev: self.prev }, event };
        self.prev = Digest::of(record.to_line().as_bytes());
        self.history.apply(&record, self.prev);
        self.lines.push(record);
        self
    }

    pub(crate) fn board(&mut self, state: Board) -> &mut Self {
        self.tell(Event::Board(BoardChanged { state, frozen: false, config_sha256: Digest::ZERO }))
    }

    pub(crate) fn freeze(&mut self) -> &mut Self {
        self.tell(Event::Board(BoardChanged { state: Board::Open, frozen: true, config_sha256: Digest::ZERO }))
    }

    pub(crate) fn accept(&mut self, user: &str) -> Number {
        self.accepted += 1;
        let number = Number(self.accepted);
        self.tell(Event::Accepted(Accepted {
            submission: number,
            id: id(number.0),
            user: user.parse().expect("a name"),
            file: format!("{user}_{}.py", id(number.0)),
            language: "py".parse().expect("an extension"),
            size: 10,
            sha256: Digest::of(b"source"),
            inbox: FileKey { changed_ns: i64::try_from(number.0).expect("small"), inode: number.0 },
            role: crate::core::users::Role::Student,
            board: Board::Open,
            config_sha256: Digest::ZERO,
        }));
        number
    }

    pub(crate) fn refuse(&mut self, n: u64, reason: &str) -> &mut Self {
        self.tell(Event::Rejected(Rejected {
            user: Some("zoe".parse().expect("a name")),
            id: Some(id(n)),
            file: "zoe.py".into(),
            refusal: Refusal::Check,
            reason: reason.into(),
            size: 1,
            sha256: None,
            inbox: FileKey { changed_ns: i64::try_from(n).expect("small"), inode: n },
            set_aside: false,
        }))
    }

    pub(crate) fn start(&mut self, submission: Number) -> &mut Self {
        let user = self.history.get(submission).expect("accepted").user.clone();
        self.tell(Event::Started(Started { submission, id: id(submission.0), user, attempt: 1 }))
    }

    pub(crate) fn judge(&mut self, submission: Number, cases: Vec<CaseResult>) -> &mut Self {
        self.start(submission);
        let user = self.history.get(submission).expect("accepted").user.clone();
        let judged =
            Judged { submission, id: id(submission.0), user, attempt: 1, cases, provenance: None, reused: None };
        self.tell(Event::Judged(judged))
    }

    /// A judging that began ends, with these scores.
    pub(crate) fn end(&mut self, submission: Number, scores: [f64; 3]) -> &mut Self {
        let user = self.history.get(submission).expect("accepted").user.clone();
        let cases = ["one", "two", "secret"].into_iter().zip(scores);
        let cases = cases.map(|(name, score)| case(name, Verdict::Accepted, Some(score))).collect();
        self.tell(Event::Judged(Judged {
            submission,
            id: id(submission.0),
            user,
            attempt: 1,
            cases,
            provenance: None,
            reused: None,
        }))
    }

    /// Accepted and judged with these scores in `one`, `two` and `secret`.
    pub(crate) fn scores(&mut self, user: &str, scores: [f64; 3]) -> Number {
        let number = self.accept(user);
        let cases = ["one", "two", "secret"].into_iter().zip(scores);
        self.judge(number, cases.map(|(name, score)| case(name, Verdict::Accepted, Some(score))).collect());
        number
    }
}

impl Details for Story {
    fn record(&self, line: u64) -> Result<Record, Unreadable> {
        let told = usize::try_from(line).ok().and_then(|line| self.lines.get(line.checked_sub(1)?));
        told.cloned().ok_or_else(|| Unreadable { line, why: "it was not told".into() })
    }
}

/// A case's result.
pub(crate) fn case(name: &str, verdict: Verdict, score: Option<f64>) -> CaseResult {
    CaseResult {
        case: name.parse().expect("a name"),
        verdict,
        score: score.and_then(Score::finite),
        cpu_seconds: 1.25,
        wall_seconds: 1.5,
        peak_memory_bytes: 10 << 20,
        message: Some(format!("message of {name}")),
        staff_message: Some(format!("staff message of {name}")),
        metrics: BTreeMap::new(),
        output_sha256: None,
        files: Vec::new(),
    }
}
