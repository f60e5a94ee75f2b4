//! The lines of the log: one JSON object each, chained by the hash of the line before.
//!
//! The fields `v, seq, at, prev, event` are a contract, as are the names of the events. Format versions:
//!
//! - 1: the first. Since then, in lines of the same version: `discarded`, `judged.reused`, `provenance.settings_sha256`,
//!   `rejected.set_aside`, `board.frozen`, `provenance.limits`.
//!
//! A reader takes lines of its own version with fields and events that it does not know, so that an older Podium can still read what
//! a newer one of the same version added.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::config::{Board, Limits};
use super::digest::Digest;
use super::ids::{CaseName, Extension, Number, SubmissionId, UserName};
use super::order::Seed;
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
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
#[expect(clippy::large_enum_variant, reason = "one at a time, on its way to a line or into the history")]
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
    /// Many files were refused in one go.
    Discarded(Discarded),
    /// Written by a newer Podium; no part of the state of this one.
    Unknown,
}

/// Which of them a line tells of. Asked first: serde, given the tag and the fields of an event in one object, would copy every value of the line
/// before it knew what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Accepted,
    Rejected,
    Started,
    Judged,
    Board,
    Discarded,
    #[serde(other)]
    Unknown,
}

/// What a line tells of, whatever else it says.
#[derive(Deserialize)]
struct Tag {
    event: Kind,
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
    /// Its user has handed in as many as `submissions.rate` allows.
    Rate,
    /// Its user has as many waiting as `submissions.pending_per_user` allows.
    Pending,
    /// results/ keeps as much of its user's as `submissions.disk_per_user` allows.
    Disk,
    /// It lay there under a temporary name for too long, or with too many others.
    Temporary,
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
    /// Whether its bytes are set aside in results/refused/.
    #[serde(default)]
    pub set_aside: bool,
}

/// The event `discarded`: many files of one user that are refused for one reason, and of which nothing is kept.
///
/// It is written before they are removed. A crash in between leaves some of them; these are found again, and discarded by a line of their
/// own. So every file that is removed is covered by a line, and the counts of all lines together are no less than the files were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discarded {
    /// Whose they were, as far as can be told.
    pub user: Option<UserName>,
    /// How many.
    pub files: u64,
    /// Their sizes together, in bytes.
    pub bytes: u64,
    /// The name of the one that arrived first, made visible.
    pub first: String,
    /// The name of the one that arrived last, made visible.
    pub last: String,
    /// Why, for programs.
    pub refusal: Refusal,
    /// Why, for their sender: what was said of the first.
    pub reason: String,
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
    /// Where nothing was run, because the same bytes had been judged before: that judging. The files are kept there, and only there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reused: Option<Origin>,
}

/// The judging that another submission's result was taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The submission that was judged.
    pub submission: Number,
    /// Which of its attempts.
    pub attempt: u32,
}

/// What a judgement was made of: the same provenance gives the same verdicts, up to noise of the clocks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The submission's bytes.
    pub source_sha256: Digest,
    /// The evaluator folder.
    pub evaluator_sha256: Digest,
    /// The folders of all cases.
    pub cases_sha256: Digest,
    /// The bytes of config.toml.
    pub config_sha256: Digest,
    /// What of config.toml made this judgement; `None` in lines of before this was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings_sha256: Option<Digest>,
    /// What each program was given; `None` in lines of before this was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Granted>,
    /// The engine and its version.
    pub engine: String,
    /// The image.
    pub image: String,
    /// What the order of the private cases was drawn by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Seed>,
    /// Where it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
}

/// What a program was given in each case, as far as its use of it is told.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Granted {
    /// CPU time, in seconds.
    pub cpu_seconds: f64,
    /// Wall time, in seconds.
    pub wall_seconds: f64,
    /// Memory, in bytes.
    pub memory_bytes: u64,
}

impl Granted {
    /// What programs are given under these limits.
    #[must_use]
    pub fn of(limits: &Limits) -> Self {
        Self {
            cpu_seconds: limits.cpu.as_secs_f64(),
            wall_seconds: limits.wall.as_secs_f64(),
            memory_bytes: limits.memory,
        }
    }
}

/// What lets one judge the noise of the clocks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// The kernel's release, such as `6.1.0-18-amd64`.
    pub kernel: String,
    /// The processors that the programs ran on, such as `0-3,8`.
    pub cores: String,
    /// Whether no other judging ran on these.
    pub pinned: bool,
    /// The machine's load average over the minute before the judging began; `None` where the system does not say.
    pub load: Option<f64>,
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
    /// How long all of it was, where only its end is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<u64>,
    /// Its digest.
    pub sha256: Digest,
}

/// The event `board`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoardChanged {
    /// What the board is from here on.
    pub state: Board,
    /// Whether it stays as it is for everybody but who hands in, until it closes.
    #[serde(default, skip_serializing_if = "is_false")]
    pub frozen: bool,
    /// The config.toml that says so.
    pub config_sha256: Digest,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
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

impl Header {
    /// What a line begins with.
    ///
    /// # Errors
    /// [`BadLine`] when it is no record of this format.
    pub fn from_line(line: &str) -> Result<Header, BadLine> {
        opening(line).map(|(header, _)| header)
    }
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
        fn read<'l, T: Deserialize<'l>>(line: &'l str) -> Result<T, BadLine> {
            serde_json::from_str(line).map_err(BadLine::NotARecord)
        }
        let (header, kind) = opening(line)?;
        let event = match kind {
            Kind::Accepted => Event::Accepted(read(line)?),
            Kind::Rejected => Event::Rejected(read(line)?),
            Kind::Started => Event::Started(read(line)?),
            Kind::Judged => Event::Judged(read(line)?),
            Kind::Board => Event::Board(read(line)?),
            Kind::Discarded => Event::Discarded(read(line)?),
            Kind::Unknown => {
                read::<serde::de::IgnoredAny>(line)?;
                Event::Unknown
            }
        };
        Ok(Record { header, event })
    }
}

fn opening(line: &str) -> Result<(Header, Kind), BadLine> {
    fn both(text: &str) -> serde_json::Result<(Header, Kind)> {
        Ok((serde_json::from_str(text)?, serde_json::from_str::<Tag>(text)?.event))
    }
    let short = shortened(line).and_then(|text| both(&text).ok());
    let (header, kind) = short.map_or_else(|| both(line), Ok).map_err(BadLine::NotARecord)?;
    if header.v == VERSION { Ok((header, kind)) } else { Err(BadLine::Version(header.v)) }
}

/// A line's own object, ended after the field `event`: what Podium writes has the others before it, so that the rest of a long line is not looked
/// at twice. Where this is an object, no field of it is a field of something within it.
fn shortened(line: &str) -> Option<String> {
    const TAG: &str = "\"event\":\"";
    let begin = line.find(TAG)? + TAG.len();
    let end = begin + line.get(begin..)?.find('"')?;
    Some(format!("{}}}", line.get(..=end)?))
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
                files: vec![Kept { name: "stdout".into(), bytes: 3, whole: None, sha256: Digest::of(b"abc") }],
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
                set_aside: true,
            })),
            any::<String>().prop_map(move |first| Event::Discarded(Discarded {
                user: Some(user()),
                files: 3,
                bytes: 4,
                last: first.clone(),
                first,
                refusal: Refusal::Empty,
                reason: "it is empty".into(),
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
                        order: Some(Seed("0123".into())),
                        host: Some(Host {
                            kernel: "6.1.0".into(),
                            cores: "0-1".into(),
                            pinned: false,
                            load: Some(0.5),
                        }),
                        source_sha256: Digest::ZERO,
                        evaluator_sha256: Digest::ZERO,
                        cases_sha256: Digest::ZERO,
                        config_sha256: Digest::ZERO,
                        settings_sha256: Some(Digest::of(b"settings")),
                        limits: Some(Granted { cpu_seconds: 0.5, wall_seconds: 30.0, memory_bytes: 1 << 28 }),
                        engine: "scripted".into(),
                        image: "none".into(),
                    }),
                    reused: Some(Origin { submission: Number(1), attempt: 2 }),
                })
            }),
            any::<bool>().prop_map(|frozen| Event::Board(BoardChanged {
                state: Board::Open,
                frozen,
                config_sha256: Digest::ZERO
            })),
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
        let event = Event::Board(BoardChanged { state: Board::Open, frozen: false, config_sha256: Digest::ZERO });
        let zeros = "0".repeat(64);
        assert_eq!(
            Record { header, event }.to_line(),
            format!(
                r#"{{"v":1,"seq":7,"at":"2026-11-18T11:06:40.123Z","prev":"{zeros}","event":"board","state":"open","config_sha256":"{zeros}"}}"#
            )
        );
    }

    #[test]
    fn a_line_tells_of_one_thing_wherever_it_says_so() {
        let header = Header { v: VERSION, seq: 7, at: moment_at(1_795_000_000_123), prev: Digest::ZERO };
        let event = Event::Discarded(Discarded {
            user: None,
            files: 1,
            bytes: 2,
            // What a student writes looks like a line of its own.
            first: "\",\"event\":\"board\",\"state\":\"closed".into(),
            last: "\"event\":\"judged\"".into(),
            refusal: Refusal::Name,
            reason: "no".into(),
        });
        let record = Record { header, event };
        let line = record.to_line();
        assert_eq!(Record::from_line(&line).expect("its own line"), record);
        // Another writer's order of the fields.
        let (first, rest) = line[1..line.len() - 1].split_once(",\"event\":\"discarded\",").expect("two halves");
        let turned = format!("{{{rest},\"event\":\"discarded\",{first}}}");
        assert_eq!(Record::from_line(&turned).expect("the same line"), record);
        let nested = line.replacen("{\"v\"", "{\"x\":{\"event\":\"board\"},\"v\"", 1);
        assert_eq!(Record::from_line(&nested).expect("with a field more"), record);
        assert!(
            Record::from_line(&line[..line.len() - 1]).is_err()
                && Record::from_line(&line.replace("\"event\":\"discarded\",", "")).is_err()
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
