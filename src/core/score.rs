//! Scores and totals: a finite number, or infeasible.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::config::{Better, Total};

/// A score. There is no NaN, and infeasible is not a number: it is worse than every number in either direction of `better`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Score {
    /// A finite number.
    Finite(f64),
    /// Infeasible; `"inf"` in JSON and in config.toml.
    Infeasible,
}

impl Score {
    /// A score out of a number; `None` where the number is not finite.
    #[must_use]
    pub fn finite(number: f64) -> Option<Score> {
        // The sum with zero turns -0.0 into 0.0, which compare as equal but print differently.
        number.is_finite().then_some(Score::Finite(number + 0.0))
    }

    /// `Less` when `self` is the better score.
    #[must_use]
    pub fn compare(&self, other: &Score, better: Better) -> Ordering {
        match (self, other) {
            (Score::Finite(a), Score::Finite(b)) => match better {
                Better::Lower => a.total_cmp(b),
                Better::Higher => b.total_cmp(a),
            },
            (Score::Finite(_), Score::Infeasible) => Ordering::Less,
            (Score::Infeasible, Score::Finite(_)) => Ordering::Greater,
            (Score::Infeasible, Score::Infeasible) => Ordering::Equal,
        }
    }

    /// The score of a set of cases out of theirs, `None` for an empty set. One infeasible case makes the set infeasible,
    /// and so does a sum that leaves the range of numbers.
    #[must_use]
    pub fn total(scores: &[Score], total: Total) -> Option<Score> {
        let mut numbers = Vec::with_capacity(scores.len());
        for score in scores {
            match score {
                Score::Finite(number) => numbers.push(*number),
                Score::Infeasible => return Some(Score::Infeasible),
            }
        }
        let first = *numbers.first()?;
        let number = match total {
            Total::Sum => numbers.iter().sum(),
            #[expect(clippy::cast_precision_loss, reason = "a set has far fewer than 2^52 cases")]
            Total::Mean => numbers.iter().sum::<f64>() / numbers.len() as f64,
            Total::Min => numbers.iter().copied().fold(first, f64::min),
            Total::Max => numbers.iter().copied().fold(first, f64::max),
        };
        Some(Score::finite(number).unwrap_or(Score::Infeasible))
    }

    /// The score as it is shown: rounded to `decimals`, digits grouped by a narrow space; `∞` where infeasible.
    #[must_use]
    pub fn shown(&self, decimals: u8) -> String {
        match self {
            Score::Infeasible => "∞".to_owned(),
            Score::Finite(number) => grouped(&format!("{number:.*}", usize::from(decimals))),
        }
    }

    /// The digits of the score that mean something, where [`Score::shown`] with so many decimals leaves some out. The sixteenth, which an
    /// addition in binary leaves behind (1263.1200000000001), means nothing.
    #[must_use]
    pub fn exact(&self, decimals: u8) -> Option<String> {
        let Score::Finite(number) = self else {
            return None;
        };
        let exact = meant(*number).to_string();
        (exact.parse().ok() != format!("{number:.*}", usize::from(decimals)).parse::<f64>().ok()).then_some(exact)
    }

    /// The number in a few digits, for those that are not the score.
    #[must_use]
    pub fn brief(&self) -> String {
        match self {
            // Three digits behind the point would leave nothing of it.
            Score::Finite(number) if *number != 0.0 && number.abs() < 0.0005 => format!("{number:.2e}"),
            Score::Finite(number) if number.fract() != 0.0 && number.abs() < 100_000.0 => {
                let text = format!("{number:.3}");
                grouped(text.trim_end_matches('0').trim_end_matches('.'))
            }
            Score::Finite(number) if number.abs() >= 1e15 => format!("{number:e}"),
            Score::Finite(_) | Score::Infeasible => self.shown(0),
        }
    }
}

/// The number without its sixteenth digit, which an addition in binary leaves behind.
#[must_use]
pub fn meant(number: f64) -> f64 {
    format!("{number:.14e}").parse().unwrap_or(number)
}

/// Groups the digits before the point by U+202F, as ISO 80000 has it.
fn grouped(number: &str) -> String {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
    // What rounds to nothing has no sign.
    let sign = if digits.bytes().any(|b| (b'1'..=b'9').contains(&b)) { sign } else { "" };
    let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut out = String::from(sign);
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) && whole.len() > 4 {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out + rest
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Score::Finite(number) => number.fmt(f),
            Score::Infeasible => f.write_str("inf"),
        }
    }
}

/// The largest whole number up to which every whole number is an f64 of its own.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Serialize for Score {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            // `42`, not `42.0`, where it is one.
            #[expect(clippy::cast_possible_truncation, reason = "checked: a whole number within ±2^53")]
            Score::Finite(number) if number.fract() == 0.0 && number.abs() <= EXACT => {
                serializer.serialize_i64(number as i64)
            }
            Score::Finite(number) => serializer.serialize_f64(number),
            Score::Infeasible => serializer.serialize_str("inf"),
        }
    }
}

impl<'de> Deserialize<'de> for Score {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Score;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a finite number or \"inf\"")
            }
            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Score, E> {
                Score::finite(number).ok_or_else(|| E::custom("a score is a finite number"))
            }
            #[expect(clippy::cast_precision_loss, reason = "a score is an f64; beyond 2^53 the nearest one is meant")]
            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Score, E> {
                self.visit_f64(number as f64)
            }
            #[expect(clippy::cast_precision_loss, reason = "a score is an f64; beyond 2^53 the nearest one is meant")]
            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Score, E> {
                self.visit_f64(number as f64)
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Score, E> {
                if text == "inf" {
                    Ok(Score::Infeasible)
                } else {
                    Err(E::invalid_value(serde::de::Unexpected::Str(text), &self))
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn infeasible_is_worse_than_every_number_in_both_directions() {
        for better in [Better::Lower, Better::Higher] {
            for number in [f64::MIN, -1.0, 0.0, f64::MAX] {
                assert_eq!(Score::Finite(number).compare(&Score::Infeasible, better), Ordering::Less);
            }
        }
        assert_eq!(Score::Finite(1.0).compare(&Score::Finite(2.0), Better::Lower), Ordering::Less);
        assert_eq!(Score::Finite(1.0).compare(&Score::Finite(2.0), Better::Higher), Ordering::Greater);
    }

    #[test]
    fn totals() {
        let scores = [Score::Finite(3.0), Score::Finite(1.0), Score::Finite(2.0)];
        let total = |which| Score::total(&scores, which).expect("not empty");
        assert_eq!(total(Total::Sum), Score::Finite(6.0));
        assert_eq!(total(Total::Mean), Score::Finite(2.0));
        assert_eq!(total(Total::Min), Score::Finite(1.0));
        assert_eq!(total(Total::Max), Score::Finite(3.0));
        assert_eq!(Score::total(&[Score::Finite(1.0), Score::Infeasible], Total::Min), Some(Score::Infeasible));
        assert_eq!(
            Score::total(&[Score::Finite(f64::MAX), Score::Finite(f64::MAX)], Total::Sum),
            Some(Score::Infeasible)
        );
        assert_eq!(Score::total(&[], Total::Sum), None);
    }

    #[test]
    fn json_is_a_number_or_inf_and_nothing_else() {
        let json = |score| serde_json::to_string(&score).expect("a score is JSON");
        assert_eq!(json(Score::Finite(42.0)), "42");
        assert_eq!(json(Score::Finite(0.1)), "0.1");
        assert_eq!(json(Score::Infeasible), "\"inf\"");
        assert_eq!(json(Score::finite(-0.0).expect("finite")), "0");
        for bad in ["null", "true", "\"-inf\"", "\"nan\"", "[1]", "1e999", "NaN"] {
            assert!(serde_json::from_str::<Score>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn shown_with_grouped_digits() {
        assert_eq!(Score::Finite(1184.0).shown(0), "1184");
        assert_eq!(Score::Finite(-1_234_567.891).shown(2), "-1\u{202f}234\u{202f}567.89");
        assert_eq!(Score::Infeasible.shown(2), "∞");
        assert_eq!([-0.4, -0.6, -1e-9].map(|number| Score::Finite(number).shown(0)), ["0", "-1", "0"]);
        let brief = |number: f64| Score::Finite(number).brief();
        assert_eq!(
            [0.0, 0.25, 0.0005, -0.000_012_34, 12_345.5].map(brief),
            ["0", "0.25", "0.001", "-1.23e-5", "12\u{202f}345.5"]
        );
        assert_eq!(Score::Finite(0.1 + 0.2).exact(0).as_deref(), Some("0.3"));
        assert_eq!(Score::Finite(1_402.860_000_000_000_1).exact(1).as_deref(), Some("1402.86"));
        assert_eq!(Score::Finite(1_402.860_000_000_000_1).exact(2), None);
    }

    proptest! {
        #[test]
        fn every_finite_number_comes_back_from_json(number in proptest::num::f64::NORMAL | proptest::num::f64::ZERO) {
            let score = Score::finite(number).expect("finite");
            let back: Score = serde_json::from_str(&serde_json::to_string(&score).expect("JSON")).expect("a score");
            prop_assert_eq!(back, score);
        }
    }
}
