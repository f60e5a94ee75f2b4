//! What lies in one folder of the inbox, as much of it as one look takes in: whoever fills a folder with a million names must not fill our
//! memory with them.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, Dir, FileType, Stat};
use rustix::io::Errno;

use super::{key, kind};
use crate::core::ids::UserName;
use crate::core::machine::Kind;
use crate::core::record::FileKey;
use crate::core::submission::{Named, read_name};

/// What keeps an empty folder in a git repository: no upload that was given up.
const KEPT: [&[u8]; 2] = [b".gitkeep", b".gitignore"];
/// Folders of users that are looked into.
const MOST_USERS: usize = 10_000;

/// One of the files.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: OsString,
    pub(super) key: FileKey,
    pub(super) kind: Kind,
    pub(super) size: u64,
    pub(super) uid: u32,
}

/// What a look takes in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Most {
    /// Files whose names are submissions'.
    pub(super) named: usize,
    /// Files under temporary names, and files under any others: so many of each.
    pub(super) others: usize,
    /// Entries of any sort. A look stops there, and what lies behind is found when these are gone.
    pub(super) entries: usize,
}

/// What lies in a folder.
#[derive(Debug, Default)]
pub(super) struct Entries {
    /// Of submissions the earliest, of the rest any.
    pub(super) files: Vec<Entry>,
    /// Folders of users, in the inbox itself.
    pub(super) users: Vec<UserName>,
    /// Whether there is more than a look takes in.
    pub(super) is_crowded: bool,
}

impl Most {
    /// What a look takes in of the inbox itself. All of it is gone through: whoever fills it must not keep others' files from being seen.
    pub(super) const OF_ALL: Self = Self { named: 25_000, others: 10_000, entries: usize::MAX };

    /// What a look takes in of each of so many users' folders: much where they are few. Who fills one keeps nobody but oneself waiting.
    pub(super) fn of_each(folders: usize) -> Self {
        let folders = folders.max(1);
        Self {
            named: (200_000 / folders).clamp(1_000, 25_000),
            others: (60_000 / folders).clamp(300, 10_000),
            entries: (1_000_000 / folders).clamp(3_000, 50_000),
        }
    }
}

/// Looks at a folder. `is_inbox`: it is the inbox itself, in which the folders of users lie.
///
/// # Errors
/// Those of the file system. What vanishes meanwhile is left out.
pub(super) fn read(folder: &OwnedFd, is_inbox: bool, most: Most) -> Result<Entries, Errno> {
    let mut entries = Entries::default();
    let inbox = if is_inbox { Some(rustix::fs::fstat(folder)?) } else { None };
    let (mut named, mut temporary, mut bad) = (Vec::new(), Vec::new(), Vec::new());
    for (seen, entry) in Dir::read_from(folder)?.enumerate() {
        if seen >= most.entries {
            entries.is_crowded = true;
            break;
        }
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if matches!(name.as_bytes(), b"." | b"..") || (is_inbox && KEPT.contains(&name.as_bytes())) {
            continue;
        }
        let stat = || rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
        if let Some(inbox) = &inbox
            && let Some(user) = user_of_folder(inbox, name, entry.file_type(), &stat)
        {
            if entries.users.len() < MOST_USERS {
                entries.users.push(user);
            } else {
                entries.is_crowded = true;
            }
            continue;
        }
        let seen = || stat().ok().map(|stat| Entry::new(name, &stat));
        let others = match read_name(&name.to_string_lossy()) {
            Named::Submission(_) => {
                named.extend(seen());
                if named.len() >= most.named * 2 {
                    entries.is_crowded = true;
                    keep_earliest(&mut named, most.named);
                }
                continue;
            }
            Named::Temporary => &mut temporary,
            Named::Bad(_) => &mut bad,
        };
        // Of these it does not matter which are taken first, so that the rest is not even looked at.
        if others.len() < most.others {
            others.extend(seen());
        } else {
            entries.is_crowded = true;
        }
    }
    if named.len() > most.named {
        entries.is_crowded = true;
        keep_earliest(&mut named, most.named);
    }
    entries.files = named;
    entries.files.append(&mut temporary);
    entries.files.append(&mut bad);
    Ok(entries)
}

impl Entry {
    fn new(name: &OsStr, stat: &Stat) -> Self {
        Self {
            name: name.to_owned(),
            key: key(stat),
            kind: kind(stat),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            uid: stat.st_uid,
        }
    }
}

/// Those that came first, in any order.
fn keep_earliest(files: &mut Vec<Entry>, most: usize) {
    if files.len() > most {
        files.select_nth_unstable_by(most, |a, b| (a.key, &a.name).cmp(&(b.key, &b.name)));
        files.truncate(most);
    }
}

/// Whose folder an entry of the inbox is: a folder of a user's name is that user's; anything else is somebody's try.
fn user_of_folder(
    inbox: &Stat,
    name: &OsStr,
    kind: FileType,
    stat: &impl Fn() -> Result<Stat, Errno>,
) -> Option<UserName> {
    let user: UserName = name.to_str()?.parse().ok()?;
    if !matches!(kind, FileType::Directory | FileType::Unknown) {
        return None;
    }
    // Some file systems do not say.
    let is_folder = kind == FileType::Directory || stat().is_ok_and(|stat| super::kind(&stat) == Kind::Folder);
    // Where everybody may make a folder in the inbox, none is believed to be another's.
    let is_theirs = || {
        let made = |stat: Stat| {
            let own = [inbox.st_uid, 0, rustix::process::geteuid().as_raw()].contains(&stat.st_uid);
            own || super::account(stat.st_uid).as_deref() == Some(user.as_str())
        };
        inbox.st_mode & 0o1002 == 0 || stat().is_ok_and(made)
    };
    (is_folder && is_theirs()).then_some(user)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_look_takes_in_so_many_and_of_submissions_the_earliest() {
        let folder = tempfile::tempdir().expect("a folder");
        let name = |n: u64| format!("mira_00000000-0000-4000-8000-{n:012}.py");
        // The clock of the file system ticks slowly: the name decides between those of one tick, and so does the inode before it.
        for n in 0..30 {
            fs::write(folder.path().join(name(n)), "x").expect("written");
        }
        for n in 0..9 {
            fs::write(folder.path().join(format!("junk-{n}")), "x").expect("written");
            fs::write(folder.path().join(format!(".part-{n}")), "x").expect("written");
        }
        fs::create_dir(folder.path().join("mira")).expect("made");
        fs::write(folder.path().join("bo"), "no folder").expect("written");
        fs::write(folder.path().join(".gitkeep"), "").expect("written");
        let fd =
            rustix::fs::open(folder.path(), rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty()).expect("opened");
        let seen = read(&fd, true, Most { named: 7, others: 3, entries: 99 }).expect("read");
        assert!(seen.is_crowded);
        assert_eq!(seen.users.iter().map(UserName::as_str).collect::<Vec<_>>(), ["mira"]);
        assert_eq!(seen.files.len(), 7 + 3 + 3);
        let mut all: Vec<(FileKey, String)> = (0..30)
            .map(|n| {
                let stat = rustix::fs::statat(&fd, name(n), AtFlags::empty()).expect("stat");
                (key(&stat), name(n))
            })
            .collect();
        all.sort();
        let mut taken: Vec<(FileKey, String)> =
            seen.files[..7].iter().map(|entry| (entry.key, entry.name.to_string_lossy().into_owned())).collect();
        taken.sort();
        assert_eq!(taken, all[..7]);
        let few = read(&fd, false, Most { named: 99, others: 99, entries: 10 }).expect("read");
        assert!(few.is_crowded && few.files.len() <= 10);
        let seen = read(&fd, false, Most::of_each(1)).expect("read");
        assert!(!seen.is_crowded && seen.users.is_empty());
        assert_eq!(seen.files.len(), 30 + 9 + 9 + 3, "in a user's folder every name counts");
    }
}
