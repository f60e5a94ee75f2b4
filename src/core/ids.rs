//! The names that things go by. Each is parsed once, at the edge, and is valid from then on.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// Why a text is not the name that it was meant to be: a fragment that fits after "is not a …:".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadName(pub String);

/// A newtype over text whose only door is `FromStr`, so that serde cannot let a bad one in either. A copy of one costs no memory: there are a
/// hundred thousand submissions of the same users.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $name {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                let check: fn(&str) -> Result<(), BadName> = $check;
                check(text).map(|()| Self(text.into()))
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        text_in_serde!($name);
    };
}

/// Reads and writes a name as the text that it is.
macro_rules! text_in_serde {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Parsed(PhantomData))
            }
        }
    };
}

/// Takes a text that parses.
struct Parsed<T>(PhantomData<T>);

impl<T: FromStr<Err = BadName>> Visitor<'_> for Parsed<T> {
    type Value = T;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

name! {
    /// A user: `^[a-z][a-z0-9-]{0,30}$`, so that it is an account name, a folder name and a URL segment as it stands.
    UserName, |text| {
        let good = (1..=31).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if good {
            Ok(())
        } else {
            Err(BadName("a user name is a lower-case letter, then at most 30 lower-case letters, digits or hyphens".into()))
        }
    }
}

/// The id that the sender chose for a submission: a UUID, written in lower case. Whoever knows it may see the private page, so it
/// is never written under public/ but as the name of that page's folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubmissionId(Uuid);

impl FromStr for SubmissionId {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        // A UUID can be written in other ways, which are other lengths.
        let id = Some(text).filter(|text| text.len() == 36).and_then(|text| Uuid::try_parse(text).ok());
        id.map(Self).ok_or_else(|| BadName("an id is a UUID such as 6f0c1e9a-5d1b-4c39-9f0e-0d9f1c2b3a4d".into()))
    }
}

impl fmt::Display for SubmissionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
    }
}

text_in_serde!(SubmissionId);

name! {
    /// A test case: the name of its folder under testcases/.
    CaseName, |text| {
        let good = (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            && !text.starts_with('.');
        if good {
            Ok(())
        } else {
            Err(BadName("a case name is 1 to 64 letters, digits, '-', '_' or '.', and does not start with '.'".into()))
        }
    }
}

name! {
    /// A file name's ending, which says the language: lower-case letters and digits, without the dot.
    Extension, |text| {
        let good = (1..=16).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if good {
            Ok(())
        } else {
            Err(BadName("an extension is 1 to 16 lower-case letters or digits, without the dot".into()))
        }
    }
}

/// The public number of a submission, counted from 1 in the order of acceptance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Number(pub u64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_are_strict() {
        for good in ["a", "alice", "mira-k", "x2", &"a".repeat(31)] {
            assert!(good.parse::<UserName>().is_ok(), "{good}");
        }
        for bad in ["", "Alice", "2x", "-a", "a_b", "a.b", "..", "ä", "a ", "а", &"a".repeat(32), "a\n"] {
            assert!(bad.parse::<UserName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_id_is_a_uuid_in_any_case_and_kept_in_lower_case() {
        let upper: SubmissionId = "6F0C1E9A-5D1B-4C39-9F0E-0D9F1C2B3A4D".parse().expect("macOS prints upper case");
        assert_eq!(upper.to_string(), "6f0c1e9a-5d1b-4c39-9f0e-0d9f1c2b3a4d");
        for bad in [
            "",
            "6f0c1e9a5d1b4c399f0e0d9f1c2b3a4d",
            "6f0c1e9a-5d1b-4c39-9f0e-0d9f1c2b3a4g",
            "{6f0c1e9a-5d1b-4c39-9f0e-0d9f1c2b3a4}",
            "6f0c1e9a-5d1b-4c39-9f0e0d9f1-c2b3a4d",
            "urn:uuid:6f0c1e9a-5d1b-4c39-9f0e-0d9f1c2b3a4d",
        ] {
            assert!(bad.parse::<SubmissionId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn serde_lets_no_bad_name_in() {
        assert!(serde_json::from_str::<UserName>("\"../etc\"").is_err());
        assert!(serde_json::from_str::<CaseName>("\"../private\"").is_err());
    }
}
