//! What an evaluator prints: one JSON object, or an evaluator error.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::score::Score;
use super::text::visible;

/// A student sees at most this much of the evaluator's message, in characters.
pub const LONGEST_MESSAGE: usize = 280;
/// Staff see at most this much, in characters.
const LONGEST_STAFF_MESSAGE: usize = 4000;

/// What an evaluator said of one answer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// The score; [`Score::Infeasible`] is a wrong answer.
    pub score: Score,
    /// For the student.
    #[serde(default)]
    pub message: Option<String>,
    /// For staff.
    #[serde(default)]
    pub staff_message: Option<String>,
    /// Further numbers.
    #[serde(default, deserialize_with = "metrics")]
    pub metrics: BTreeMap<String, f64>,
}

/// Reads what an evaluator printed.
///
/// # Errors
/// What is wrong with it, as a fragment that fits after "the evaluator ". Never a score: whatever is not exactly the contract is the
/// evaluator's fault and nobody's result.
pub fn parse(printed: &[u8]) -> Result<Evaluation, String> {
    let text = std::str::from_utf8(printed).map_err(|_| "printed what is not UTF-8".to_owned())?;
    if text.trim().is_empty() {
        return Err("printed nothing".into());
    }
    // serde would read a struct out of a list, too.
    if !text.trim_start().starts_with('{') {
        return Err("has to print one JSON object like {\"score\": 42}, and printed something else".into());
    }
    let mut evaluation: Evaluation = serde_json::from_str(text)
        .map_err(|error| format!("has to print one JSON object like {{\"score\": 42}}: {error}"))?;
    evaluation.message = evaluation.message.map(|message| visible(&message, LONGEST_MESSAGE));
    evaluation.staff_message = evaluation.staff_message.map(|message| visible(&message, LONGEST_STAFF_MESSAGE));
    Ok(evaluation)
}

/// Numbers by name, each name once: the last of two would win silently.
fn metrics<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, f64>, D::Error> {
    struct Metrics;
    impl<'de> Visitor<'de> for Metrics {
        type Value = BTreeMap<String, f64>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of numbers")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut metrics = BTreeMap::new();
            while let Some((name, number)) = map.next_entry::<String, f64>()? {
                if metrics.insert(visible(&name, 60), number).is_some() {
                    return Err(serde::de::Error::custom(format!("duplicate metric {name:?}")));
                }
            }
            Ok(metrics)
        }
    }
    deserializer.deserialize_map(Metrics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract() {
        let evaluation =
            parse(b" {\"score\": 42, \"message\": \"good\", \"metrics\": {\"moves\": 7}}\n").expect("good");
        assert_eq!(evaluation.score, Score::Finite(42.0));
        assert_eq!(evaluation.message.as_deref(), Some("good"));
        assert_eq!(evaluation.metrics["moves"], 7.0);
        assert_eq!(parse(b"{\"score\":\"inf\"}").expect("good").score, Score::Infeasible);
        assert_eq!(parse(b"{\"score\":-0.5,\"message\":null}").expect("good").score, Score::Finite(-0.5));
    }

    #[test]
    fn anything_else_is_no_score() {
        for bad in [
            "",
            " \n",
            "42",
            "[42]",
            "null",
            "{}",
            "{\"score\": null}",
            "{\"score\": NaN}",
            "{\"score\": Infinity}",
            "{\"score\": 1e999}",
            "{\"score\": true}",
            "{\"score\": \"42\"}",
            "{\"score\": \"nan\"}",
            "{\"score\": 1, \"score\": 2}",
            "{\"score\": 1} {\"score\": 2}",
            "debug\n{\"score\": 1}",
            "{\"score\": 1}\ndebug",
            "{\"score\": 1, \"points\": 3}",
            "{\"score\": 1, \"metrics\": {\"a\": 1, \"a\": 2}}",
            "{\"score\": 1, \"metrics\": {\"a\": \"x\"}}",
            "{\"score\": 1, \"metrics\": [1]}",
            "{\"score\": 1, \"message\": 3}",
            "\u{feff}{\"score\": 1}",
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(parse(b"{\"score\": 1, \"message\": \"\xff\"}").is_err());
        assert!(parse("[".repeat(1_000_000).as_bytes()).is_err());
    }

    #[test]
    fn messages_are_cut_and_made_visible() {
        let printed = format!("{{\"score\": 1, \"message\": \"{}\"}}", "x".repeat(1000));
        assert_eq!(parse(printed.as_bytes()).expect("good").message.expect("some").chars().count(), LONGEST_MESSAGE);
        let printed = "{\"score\": 1, \"message\": \"\\u001b[2J\\u202e\"}";
        assert_eq!(parse(printed.as_bytes()).expect("good").message.as_deref(), Some("\\u{1b}[2J\\u{202e}"));
    }
}
