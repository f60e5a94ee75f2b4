//! In which order the cases of one judging run.
//!
//! The public ones as config.toml lists them, then the private ones in an order that is another one for each judging: a
//! program that knew which private case it runs on could tell its author something about that case by what it lets be
//! seen of its run as a whole, such as how long it takes.

use serde::{Deserialize, Serialize};

use super::config::Cases;
use super::digest::Digest;
use super::ids::CaseName;

/// What an order is drawn by: a text that nobody can guess before the judging. The log keeps it, and the order can be
/// had from it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seed(pub String);

impl Seed {
    /// The cases in their order. The private ones go by the SHA-256 of seed, colon and name.
    #[must_use]
    pub fn order(&self, cases: &Cases) -> Vec<CaseName> {
        let mut private = cases.private.clone();
        private.sort_by_cached_key(|case| Digest::of(format!("{}:{case}", self.0).as_bytes()));
        cases.public.iter().cloned().chain(private).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn cases() -> Cases {
        let names = |names: &[&str]| names.iter().map(|name| name.parse().expect("a name")).collect();
        Cases { public: names(&["z", "a"]), private: names(&["p", "q", "r"]) }
    }

    #[test]
    fn public_cases_keep_their_order_and_private_ones_are_drawn() {
        let orders: BTreeSet<Vec<String>> = (0..200)
            .map(|n| Seed(format!("seed {n}")).order(&cases()).iter().map(ToString::to_string).collect())
            .collect();
        assert!(orders.iter().all(|order| order[..2] == ["z", "a"]), "{orders:?}");
        assert_eq!(orders.len(), 6, "every order of three cases comes up: {orders:?}");
    }

    #[test]
    fn a_seed_gives_its_order_again() {
        let order = Seed("0123456789abcdef".into()).order(&cases());
        assert_eq!(order.iter().map(CaseName::as_str).collect::<Vec<_>>().join(" "), "z a r p q");
    }
}
