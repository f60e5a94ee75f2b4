//! The lines of the log: one JSON object each, chained by the hash of the line before.
//!
//! The fields `v, seq, at, prev, event` are a contract, as are the names of the events. Format versions:
//!
//! - 1: the first.
//!
//! A reader takes lines of its own version with fields and events that it does not know, so that an older Podium can still read what
//! a newer one of the same version added.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::config::Board;
use super::digest::Digest;
use super::ids::{CaseName, Extension, Number, SubmissionId, UserName};
use super::score::Score;
use super::users::Role;
use super::verdict::Verdict;

/// The format that this program writes.
pub const VERSION: u32 = 1;

/// What every line begins with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The format.
    pub v: u32,
    /// The line's number, from 1 without gaps.
    pub seq: u64,
    /// When it was written, by the daemon's clock; never earlier than the line before.
    #[serde(with = "moment")]
    pub at: DateTime<Utc>,
    /// The SHA-256 of the bytes of the line before, without its newline; [`Digest::ZERO`] in the first line.
    pub prev: Digest,
}

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Which line it is.
    pub header: Header,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// A submission was taken in: from here on it is judged exactly once.
    Accepted(Accepted),
    /// A file was refused.
    Rejected(Rejected),
    /// A judging began.
    Started(Started),
    /// A judging ended.
    Judged(Judged),
    /// The board opened or closed.
    Board(BoardChanged),
    /// Written by a newer Podium; no part of the state of this one.
    #[serde(other)]
    Unknown,
}

/// Which file in the inbox something was: enough to know the very same file again after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileKey {
    /// When its name, content or mode last changed, by the file system's clock, in nanoseconds since 1970. A student cannot
    /// set it.
    pub changed_ns: i64,
    /// Its inode.
    pub inode: u64,
}

/// The event `accepted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Its public number.
    pub submission: Number,
    /// Its secret id.
    pub id: SubmissionId,
    /// Whose it is.
    pub user: UserName,
    /// The file's name as it arrived.
    pub file: String,
    /// Its language.
    pub language: Extension,
    /// Its size in bytes.
    pub size: u64,
    /// The digest of its bytes.
    pub sha256: Digest,
    /// The file that it was in the inbox.
    pub inbox: FileKey,
    /// What its user was when it arrived; who is taken off the list later keeps it.
    #[serde(default)]
    pub role: Role,
    /// The board when it arrived.
    pub board: Board,
    /// The config.toml in force.
    pub config_sha256: Digest,
}

/// Why a file was refused, for programs. The text beside it is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// Its name is not a submission's.
    Name,
    /// It is a link, a folder, a device, or has a second name.
    NotAFile,
    /// It is larger than `submissions.max_size`.
    TooLarge,
    /// It is empty.
    Empty,
    /// Its user is not listed.
    UnknownUser,
    /// Its owner or folder is another's.
    Identity,
    /// No `[languages]` table has its extension.
    Language,
    /// Its id was taken in before.
    Duplicate,
    /// The board takes no submissions now.
    BoardClosed,
    /// Its language's check failed on it.
    Check,
    /// It imports what it may not.
    Imports,
    /// It could not be read.
    Unreadable,
}

/// The event `rejected`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Whose it was, as far as can be told.
    pub user: Option<UserName>,
    /// Its id, if its name had one.
    pub id: Option<SubmissionId>,
    /// Its name, made visible.
    pub file: String,
    /// Why, for programs.
    pub refusal: Refusal,
    /// Why, for its sender.
    pub reason: String,
    /// Its size in bytes.
    pub size: u64,
    /// The digest of its bytes, where they were read.
    pub sha256: Option<Digest>,
    /// The file that it was in the inbox.
    pub inbox: FileKey,
}

/// The event `started`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The submission.
    pub submission: Number,
    /// Its id.
    pub id: SubmissionId,
    /// Whose it is.
    pub user: UserName,
    /// Counted from 1 for each submission.
    pub attempt: u32,
}

/// The event `judged`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// The submission.
    pub submission: Number,
    /// Its id.
    pub id: SubmissionId,
    /// Whose it is.
    pub user: UserName,
    /// Which of its attempts this is the result of.
    pub attempt: u32,
    /// Every case, in the order of its run.
    pub cases: Vec<CaseResult>,
    /// What this judgement was made of; `None` where the platform never got to judge it.
    pub provenance: Option<Provenance>,
}

/// What a judgement was made of: the same provenance gives the same verdicts, up to noise of the clocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The submission's bytes.
    pub source_sha256: Digest,
    /// The evaluator folder.
    pub evaluator_sha256: Digest,
    /// The folders of all cases.
    pub cases_sha256: Digest,
    /// The bytes of config.toml.
    pub config_sha256: Digest,
    /// The engine and its version.
    pub engine: String,
    /// The image.
    pub image: String,
}

/// How one case came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseResult {
    /// Its name.
    pub case: CaseName,
    /// How it came out.
    pub verdict: Verdict,
    /// Its score; what the student failed scores `score.failed`; `None` where the judging failed.
    pub score: Option<Score>,
    /// Processor time of the run, of all its processes.
    pub cpu_seconds: f64,
    /// Time that passed during the run.
    pub wall_seconds: f64,
    /// The most memory that the run held.
    pub peak_memory_bytes: u64,
    /// What the student may read, for a public case: the evaluator's words, or which limit was hit.
    pub message: Option<String>,
    /// What only staff may read.
    pub staff_message: Option<String>,
    /// Further numbers of the evaluator's.
    pub metrics: BTreeMap<String, f64>,
    /// The digest of the answer; `None` where there was none.
    pub output_sha256: Option<Digest>,
    /// What was kept of the run.
    pub files: Vec<Kept>,
}

/// A file that is kept in results/ beside the submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// `stdout`, `stderr`, `answer`, `evaluator-stderr`.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its digest.
    pub sha256: Digest,
}

/// The event `board`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoardChanged {
    /// What the board is from here on.
    pub state: Board,
    /// The config.toml that says so.
    pub config_sha256: Digest,
}

/// Why a line is not a record.
#[derive(Debug, thiserror::Error)]
pub enum BadLine {
    /// It is not JSON, or lacks fields.
    #[error("not a record: {0}")]
    NotARecord(#[source] serde_json::Error),
    /// Another format.
    #[error("format {0}, which this version does not read")]
    Version(u32),
}

impl Record {
    /// The line, without its newline.
    #[must_use]
    pub fn to_line(&self) -> String {
        // Two objects become one by their text: `#[serde(flatten)]` would buffer every value and lose the order of the fields.
        let header = serde_json::to_string(&self.header).unwrap_or_default();
        let event = serde_json::to_string(&self.event).unwrap_or_default();
        format!("{},{}", header.trim_end_matches('}'), event.trim_start_matches('{'))
    }

    /// Reads a line, given without its newline.
    ///
    /// # Errors
    /// [`BadLine`] when it is no record of this format.
    pub fn from_line(line: &str) -> Result<Record, BadLine> {
        let header: Header = serde_json::from_str(line).map_err(BadLine::NotARecord)?;
        if header.v != VERSION {
            return Err(BadLine::Version(header.v));
        }
        Ok(Record { header, event: serde_json::from_str(line).map_err(BadLine::NotARecord)? })
    }
}

/// Moments as RFC 3339 in UTC with milliseconds, always of one length.
pub mod moment {
    use chrono::{DateTime, SecondsFormat, Utc};
    use serde::{Deserialize, Deserializer, Serializer};

    /// The text of a moment.
    #[must_use]
    pub fn text(at: DateTime<Utc>) -> String {
        at.to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    /// For `#[serde(with)]`.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&text(*at))
    }

    /// For `#[serde(with)]`.
    ///
    /// # Errors
    /// When the text is no moment.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
        let text = String::deserialize(deserializer)?;
        DateTime::parse_from_rfc3339(&text).map(|at| at.with_timezone(&Utc)).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn moment_at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(millis).expect("within range")
    }

    fn score() -> impl Strategy<Value = Option<Score>> {
        prop_oneof![Just(None), Just(Some(Score::Infeasible)), (-1e12..1e12).prop_map(Score::finite)]
    }

    fn case() -> impl Strategy<Value = CaseResult> {
        (0..Verdict::ALL.len(), score(), 0.0..100.0, any::<u32>(), any::<Option<String>>(), any::<Option<String>>())
            .prop_map(|(verdict, score, seconds, bytes, message, staff_message)| CaseResult {
                case: "one".parse().expect("a name"),
                verdict: Verdict::ALL[verdict],
                score,
                cpu_seconds: seconds,
                wall_seconds: seconds,
                peak_memory_bytes: u64::from(bytes),
                message,
                staff_message,
                metrics: BTreeMap::from([("delivered".to_owned(), seconds)]),
                output_sha256: None,
                files: vec![Kept { name: "stdout".into(), bytes: 3, sha256: Digest::of(b"abc") }],
            })
    }

    pub(crate) fn event() -> impl Strategy<Value = Event> {
        let id = || "6f0c1e9a-5d1b-4c39-9f0e-0d9f1c2b3a4d".parse::<SubmissionId>().expect("an id");
        let user = || "mira".parse::<UserName>().expect("a name");
        let key = FileKey { changed_ns: 1, inode: 2 };
        prop_oneof![
            (1..1000u64, any::<String>()).prop_map(move |(n, file)| Event::Accepted(Accepted {
                submission: Number(n),
                id: id(),
                user: user(),
                file,
                language: "py".parse().expect("an extension"),
                size: n,
                sha256: Digest::of(b"x"),
                inbox: key,
                role: Role::Student,
                board: Board::Open,
                config_sha256: Digest::ZERO,
            })),
            any::<String>().prop_map(move |reason| Event::Rejected(Rejected {
                user: None,
                id: Some(id()),
                file: reason.clone(),
                refusal: Refusal::Check,
                reason,
                size: 0,
                sha256: None,
                inbox: key,
            })),
            (1..1000u64, 1..9u32).prop_map(move |(n, attempt)| Event::Started(Started {
                submission: Number(n),
                id: id(),
                user: user(),
                attempt
            })),
            (1..1000u64, proptest::collection::vec(case(), 0..4)).prop_map(move |(n, cases)| {
                Event::Judged(Judged {
                    submission: Number(n),
                    id: id(),
                    user: user(),
                    attempt: 1,
                    cases,
                    provenance: Some(Provenance {
                        source_sha256: Digest::ZERO,
                        evaluator_sha256: Digest::ZERO,
                        cases_sha256: Digest::ZERO,
                        config_sha256: Digest::ZERO,
                        engine: "scripted".into(),
                        image: "none".into(),
                    }),
                })
            }),
            Just(Event::Board(BoardChanged { state: Board::Closed, config_sha256: Digest::ZERO })),
        ]
    }

    proptest! {
        #[test]
        fn every_record_comes_back_from_its_line(event in event(), seq in 1..1_000_000u64, millis in 0..4_000_000_000_000i64) {
            let record = Record { header: Header { v: VERSION, seq, at: moment_at(millis), prev: Digest::of(b"y") }, event };
            let line = record.to_line();
            prop_assert!(!line.contains('\n'));
            prop_assert_eq!(Record::from_line(&line).expect("its own line"), record);
        }
    }

    #[test]
    fn the_shape_of_a_line_is_the_contract() {
        let header = Header { v: VERSION, seq: 7, at: moment_at(1_795_000_000_123), prev: Digest::ZERO };
        let event = Event::Board(BoardChanged { state: Board::Open, config_sha256: Digest::ZERO });
        let zeros = "0".repeat(64);
        assert_eq!(
            Record { header, event }.to_line(),
            format!(
                r#"{{"v":1,"seq":7,"at":"2026-11-18T11:06:40.123Z","prev":"{zeros}","event":"board","state":"open","config_sha256":"{zeros}"}}"#
            )
        );
    }

    #[test]
    fn a_newer_writer_of_the_same_format_is_read() {
        let zeros = "0".repeat(64);
        let line = format!(
            r#"{{"v":1,"seq":1,"at":"2026-11-18T10:26:40.123Z","prev":"{zeros}","event":"handed-out","to":"x"}}"#
        );
        assert_eq!(Record::from_line(&line).expect("read").event, Event::Unknown);
        assert!(matches!(Record::from_line(&line.replace("\"v\":1", "\"v\":2")), Err(BadLine::Version(2))));
        assert!(Record::from_line("").is_err());
    }
}
