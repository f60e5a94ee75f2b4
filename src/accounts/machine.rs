//! What accounts and groups the machine has, as /etc/passwd, /etc/group and /etc/shadow say.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub uid: u32,
    /// The number of its own group.
    pub gid: u32,
    /// Its comment, by which ours are known.
    pub comment: String,
    /// Its hash in /etc/shadow, as far as that may be read.
    pub hash: Option<String>,
    /// Whether it has expired, or will.
    pub expires: bool,
}

/// The machine's accounts and groups.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// By name.
    pub accounts: BTreeMap<String, Account>,
    /// By name: who is in each, besides those whose own it is.
    pub groups: BTreeMap<String, BTreeSet<String>>,
}

/// Held by whoever changes accounts; the folder is root's.
const LOCK: &str = "/run/podium-provision.lock";

impl Machine {
    /// Waits until nobody else changes this machine's accounts, and keeps others from it until the file is closed.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn lock() -> io::Result<File> {
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(LOCK)?;
        lock.lock()?;
        Ok(lock)
    }

    /// Reads them.
    ///
    /// # Errors
    /// When /etc/passwd or /etc/group cannot be read. /etc/shadow is root's, and may be missing from the picture.
    pub fn read() -> io::Result<Self> {
        let shadow = fs::read_to_string("/etc/shadow").unwrap_or_default();
        Ok(Self::of(&fs::read_to_string("/etc/passwd")?, &fs::read_to_string("/etc/group")?, &shadow))
    }

    fn of(passwd: &str, group: &str, shadow: &str) -> Self {
        let fields = |text: &str| -> Vec<Vec<String>> {
            text.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect()
        };
        let mut accounts = BTreeMap::new();
        for line in fields(passwd) {
            if let [name, _, uid, gid, comment, ..] = &line[..]
                && let (Ok(uid), Ok(gid)) = (uid.parse(), gid.parse())
            {
                let account = Account { uid, gid, comment: comment.clone(), hash: None, expires: false };
                accounts.insert(name.clone(), account);
            }
        }
        for line in fields(shadow) {
            if let [name, hash, _, _, _, _, _, expires, ..] = &line[..]
                && let Some(account) = accounts.get_mut(name)
            {
                account.hash = Some(hash.clone());
                account.expires = !expires.is_empty();
            }
        }
        let mut groups = BTreeMap::new();
        for line in fields(group) {
            if let [name, _, _, members] = &line[..] {
                let members = members.split(',').filter(|member| !member.is_empty()).map(str::to_owned).collect();
                groups.insert(name.clone(), members);
            }
        }
        Self { accounts, groups }
    }

    /// The accounts with such a comment.
    pub fn with_comment<'a>(&'a self, comment: &'a str) -> impl Iterator<Item = (&'a str, &'a Account)> {
        let with = self.accounts.iter().filter(move |(_, account)| account.comment == comment);
        with.map(|(name, account)| (name.as_str(), account))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_files_are_one_picture() {
        let machine = Machine::of(
            "root:x:0:0:root:/root:/bin/sh\nal:x:1001:1002:podium 12:/nonexistent:/usr/sbin/nologin\nbroken\n",
            "podium-12:x:1001:al,bo\nal:x:1002:\n",
            "root:*:1:0:::::\nal:$y$x:2:0:99999:7::1:\n",
        );
        let al = &machine.accounts["al"];
        assert_eq!((al.uid, al.gid, al.hash.as_deref(), al.expires), (1001, 1002, Some("$y$x"), true));
        assert_eq!(machine.with_comment("podium 12").map(|(name, _)| name).collect::<Vec<_>>(), ["al"]);
        assert_eq!(machine.groups["podium-12"].len(), 2);
        assert!(!machine.accounts["root"].expires);
    }
}
