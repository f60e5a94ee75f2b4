//! What the server says of a submission: status.json and queue.json, as a program reads them that trusts neither. Fields that are missing or new
//! are no error, for the server may be older or newer than this program.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::core::text::visible;

/// The longest text that is shown of one field, in characters.
const LONGEST: usize = 2000;

/// A stranger's text, safe to print: there is no other way to one than through here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown(String);

impl Shown {
    /// The text, with what would act on a terminal spelled out.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Shown {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(lines(&text)))
    }
}

/// Line feeds stay: a compiler's words have many lines.
fn lines(text: &str) -> String {
    text.lines().map(|line| visible(line, LONGEST)).collect::<Vec<_>>().join("\n")
}

/// A document with every text in it made safe to print.
fn shown(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(lines(&text)),
        Value::Array(values) => values.into_iter().map(shown).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (visible(&name, LONGEST), shown(value))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

/// status.json
#[derive(Debug, Clone, Deserialize)]
pub struct Answer {
    /// `waiting`, `running`, `judged` or `rejected`.
    pub state: Shown,
    /// Its number.
    pub submission: Option<u64>,
    /// The verdict of the public cases.
    pub verdict: Option<Shown>,
    /// Why it was refused.
    pub reason: Option<Shown>,
    /// A number, or `"inf"`.
    #[serde(default)]
    public_score: Value,
    /// The public cases.
    #[serde(default)]
    pub cases: Vec<Case>,
    /// The submission of the same bytes whose result this is, where nothing was run.
    pub reused: Option<u64>,
    /// Which line of the log says so.
    pub receipt: Receipt,
    /// The whole of it, for programs.
    #[serde(skip)]
    pub document: Value,
}

/// A public case.
#[derive(Debug, Clone, Deserialize)]
pub struct Case {
    /// Its name.
    pub case: Shown,
    /// How it came out.
    pub verdict: Shown,
    #[serde(default)]
    score: Value,
    /// Processor time in seconds.
    #[serde(default)]
    pub cpu_seconds: f64,
    /// Wall time in seconds.
    #[serde(default)]
    pub wall_seconds: f64,
    /// In bytes.
    #[serde(default)]
    pub peak_memory_bytes: u64,
    /// What the evaluator or the judge says.
    pub message: Option<Shown>,
}

/// What the sender can hold against the log.
#[derive(Debug, Clone, Deserialize)]
pub struct Receipt {
    /// The line's number.
    pub seq: u64,
    /// When it was written.
    pub at: Shown,
    /// The digest of the file that arrived.
    pub sha256: Option<Shown>,
}

impl Answer {
    /// Reads status.json.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let document: Value = serde_json::from_slice(bytes)?;
        let mut answer = Answer::deserialize(&document)?;
        answer.document = shown(document);
        Ok(answer)
    }

    /// Whether nothing more will come.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self.state.as_str(), "judged" | "rejected")
    }

    /// Whether it was refused before judging.
    #[must_use]
    pub fn is_rejected(&self) -> bool {
        self.state.as_str() == "rejected"
    }

    /// Whether every public case was accepted.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.state.as_str() == "judged" && self.verdict.as_ref().is_some_and(|verdict| verdict.as_str() == "accepted")
    }

    /// The score over the public cases, for people.
    #[must_use]
    pub fn score(&self) -> Option<String> {
        score(&self.public_score)
    }
}

impl Case {
    /// Its score, for people.
    #[must_use]
    pub fn score(&self) -> Option<String> {
        score(&self.score)
    }
}

fn score(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(visible(text, 20)),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// From 1.
    pub position: u64,
    /// How many wait.
    pub of: usize,
    /// When the verdict can be expected, in seconds from now.
    pub eta_seconds: Option<u64>,
}

/// A submission's place, out of queue.json.
#[must_use]
pub fn place_in(queue: &[u8], submission: u64) -> Option<Place> {
    #[derive(Deserialize)]
    struct Queue {
        waiting: Vec<Waiting>,
    }
    #[derive(Deserialize)]
    struct Waiting {
        submission: u64,
        position: u64,
        eta_seconds: Option<u64>,
    }
    let queue: Queue = serde_json::from_slice(queue).ok()?;
    let of = queue.waiting.len();
    let waiting = queue.waiting.into_iter().find(|waiting| waiting.submission == submission)?;
    Some(Place { position: waiting.position, of, eta_seconds: waiting.eta_seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    const JUDGED: &str = r#"{"v":1,"submission":12,"user":"mira","state":"judged","verdict":"accepted","reason":null,"public_score":42,
        "cases":[{"case":"one","verdict":"accepted","score":"inf","cpu_seconds":0.1,"wall_seconds":0.2,"peak_memory_bytes":5,"message":"fine"}],
        "receipt":{"seq":3,"at":"2026-01-01T00:00:00.000Z","sha256":null,"line_sha256":"00"},"later":{"a":1}}"#;

    #[test]
    fn an_answer_is_read_whatever_else_it_has() {
        let answer = Answer::read(JUDGED.as_bytes()).expect("an answer");
        assert!(answer.is_accepted() && answer.is_final() && !answer.is_rejected());
        assert_eq!((answer.score(), answer.cases[0].score()), (Some("42".into()), Some("inf".into())));
        for bad in ["", "[]", "{}", "null", "{\"state\":\"judged\"}", "\u{1b}[2J"] {
            assert!(Answer::read(bad.as_bytes()).is_err(), "{bad}");
        }
        let deep = "[".repeat(100_000);
        assert!(Answer::read(deep.as_bytes()).is_err());
    }

    #[test]
    fn no_text_of_an_answer_acts_on_a_terminal() {
        let evil = r"\u001b]0;owned\u0007\u202e\u009b2J\rrm";
        let text = JUDGED.replace("fine", evil).replace("\"accepted\"", &format!("\"{evil}\"")).replace("later", evil);
        let answer = Answer::read(text.as_bytes()).expect("an answer");
        let all = format!("{:?} {} {}", answer.cases[0].message, answer.cases[0].verdict, answer.document);
        assert!(all.contains("owned") && !all.chars().any(|c| c.is_control() || c == '\u{202e}'), "{all:?}");
        assert!(!answer.is_accepted());
    }

    #[test]
    fn a_place_is_found_in_the_queue() {
        let queue = br#"{"v":1,"alive_at":null,"running":[],"waiting":[{"submission":4,"user":"a","position":1,"eta_seconds":null},
            {"submission":5,"user":"b","position":2,"eta_seconds":90}]}"#;
        assert_eq!(place_in(queue, 5), Some(Place { position: 2, of: 2, eta_seconds: Some(90) }));
        assert_eq!(place_in(queue, 6), None);
        assert_eq!(place_in(b"nonsense", 5), None);
    }
}
