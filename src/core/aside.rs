//! Which refused files results/refused/ keeps: the latest of each user, and not too many of all.
//!
//! A function of the log, so that a daemon that starts knows which of the files there are none of its own any more.

use std::collections::{BTreeMap, BTreeSet};

use super::ids::UserName;

/// Files of one user, and of those together whose user is not known.
const MOST_FILES_OF_ONE: usize = 1_000;
/// Bytes of those.
const MOST_BYTES_OF_ONE: u64 = 16 << 20;
/// Files of all users: where anybody may take part, there may be any number of users.
const MOST_FILES: usize = 20_000;
/// Bytes of those.
const MOST_BYTES: u64 = 1 << 30;

/// The refused files that are kept, each by the line that refused it.
#[derive(Debug, Clone, Default)]
pub struct Aside {
    files: BTreeMap<u64, File>,
    of_user: BTreeMap<Option<UserName>, Share>,
    bytes: u64,
    /// What had to go since somebody last asked.
    forgotten: BTreeMap<u64, Option<UserName>>,
}

#[derive(Debug, Clone)]
struct File {
    user: Option<UserName>,
    bytes: u64,
}

#[derive(Debug, Clone, Default)]
struct Share {
    lines: BTreeSet<u64>,
    bytes: u64,
}

impl Aside {
    /// Takes in a file; the oldest go where there are too many.
    pub(super) fn add(&mut self, line: u64, user: Option<UserName>, bytes: u64) {
        let share = self.of_user.entry(user.clone()).or_default();
        share.lines.insert(line);
        share.bytes += bytes;
        self.bytes += bytes;
        self.files.insert(line, File { user: user.clone(), bytes });
        while let Some(oldest) = self.of_user.get(&user).and_then(Share::one_too_many) {
            self.forget(oldest);
        }
        while self.files.len() > MOST_FILES || self.bytes > MOST_BYTES {
            let Some(oldest) = self.files.keys().next().copied() else { return };
            self.forget(oldest);
        }
    }

    fn forget(&mut self, line: u64) {
        let Some(file) = self.files.remove(&line) else { return };
        self.bytes -= file.bytes;
        if let Some(share) = self.of_user.get_mut(&file.user) {
            share.lines.remove(&line);
            share.bytes -= file.bytes;
        }
        self.forgotten.insert(line, file.user);
    }

    /// Whether the file that a line refused is kept.
    #[must_use]
    pub fn holds(&self, line: u64) -> bool {
        self.files.contains_key(&line)
    }

    /// The bytes of one user's.
    #[must_use]
    pub fn bytes_of(&self, user: &UserName) -> u64 {
        self.of_user.get(&Some(user.clone())).map_or(0, |share| share.bytes)
    }

    /// The lines whose files have had to go since this was last asked, and whose they were.
    pub(super) fn take_forgotten(&mut self) -> BTreeMap<u64, Option<UserName>> {
        std::mem::take(&mut self.forgotten)
    }
}

impl Share {
    /// The oldest, where there are too many of the user's.
    fn one_too_many(&self) -> Option<u64> {
        let full = self.lines.len() > MOST_FILES_OF_ONE || self.bytes > MOST_BYTES_OF_ONE;
        self.lines.first().copied().filter(|_| full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_who_has_too_many_go_and_nobody_elses() {
        let (mallory, bob): (UserName, UserName) = ("mallory".parse().expect("name"), "bob".parse().expect("name"));
        let mut aside = Aside::default();
        aside.add(1, Some(bob.clone()), 10);
        for line in 2..=21 {
            aside.add(line, Some(mallory.clone()), 1 << 20);
        }
        assert_eq!(aside.bytes_of(&mallory), MOST_BYTES_OF_ONE);
        let forgotten = |aside: &mut Aside| aside.take_forgotten().into_keys().collect::<Vec<_>>();
        assert_eq!(forgotten(&mut aside), [2, 3, 4, 5]);
        assert!(aside.take_forgotten().is_empty() && aside.holds(1) && aside.holds(21) && !aside.holds(5));
        for line in 100..100 + MOST_FILES_OF_ONE as u64 + 3 {
            aside.add(line, None, 0);
        }
        assert_eq!(forgotten(&mut aside), [100, 101, 102]);
        assert_eq!(aside.bytes_of(&bob), 10);
    }

    #[test]
    fn all_users_together_have_a_bound_too() {
        let mut aside = Aside::default();
        for user in 0..MOST_FILES as u64 + 5 {
            aside.add(user, Some(format!("user{user}").parse().expect("name")), 1);
        }
        assert_eq!(aside.take_forgotten().into_keys().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    }
}
