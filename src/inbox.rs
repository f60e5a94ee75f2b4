//! The inbox: where submissions arrive. Whoever can write here is a stranger: nothing is followed, nothing is opened that could block.
//!
//! [`scan`] is the truth; [`watch`] only says when to look again, and which files came by a rename.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::core::ids::UserName;
use crate::core::machine::{Found, Kind};
use crate::core::record::FileKey;
use crate::core::submission::{Door, Folder};
use crate::home::Home;

mod entries;
mod lease;
mod watch;

use entries::{Entry, Most};
pub use watch::{Renamed, Watch};

/// The flags with which anything in the inbox is opened.
const CAREFULLY: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC).union(OFlags::NOCTTY);

/// What a refused folder is called while it is removed, where that has to be done in the inbox.
pub const GOING: &str = ".refused-";
/// Within this time something of it goes, as long as somebody is at it.
const REMOVED_WITHIN: Duration = Duration::from_secs(600);

/// What is remembered from one scan to the next.
#[derive(Debug, Default)]
pub struct Memory {
    seen: BTreeMap<FileKey, Seen>,
    accounts: BTreeMap<u32, Option<String>>,
    /// Folders that hold more than one look takes in: said once.
    crowded: BTreeSet<Option<Folder>>,
    /// Who has a folder in the inbox.
    users: Vec<UserName>,
}

/// What is remembered of a file.
#[derive(Debug)]
struct Seen {
    /// Since when it has been as it is. Kept besides its ctime, because clocks jump.
    since: Instant,
    /// Whether it was found whole: as long as it does not change, it stays that.
    is_whole: bool,
}

/// Opens `inbox/`, or a user's folder in it, without following a link on the way.
///
/// # Errors
/// Those of the file system.
pub fn open_folder(home: &Home, folder: Option<&Folder>) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let inbox = rustix::fs::open(home.inbox(), flags, Mode::empty())?;
    match folder {
        None => Ok(inbox),
        Some(Folder { user, door }) => {
            let folder = rustix::fs::openat(&inbox, user.as_str(), flags | OFlags::NOFOLLOW, Mode::empty())?;
            rustix::fs::openat(&folder, door.name(), flags | OFlags::NOFOLLOW, Mode::empty())
        }
    }
}

/// Opens a file of such a folder for reading.
///
/// # Errors
/// Those of the file system.
pub fn open_file(folder: &OwnedFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(folder, name, CAREFULLY, Mode::empty())
}

/// Which file a stat is of.
#[must_use]
pub fn key(stat: &Stat) -> FileKey {
    let changed_ns =
        stat.st_ctime.saturating_mul(1_000_000_000).saturating_add(i64::try_from(stat.st_ctime_nsec).unwrap_or(0));
    FileKey { changed_ns, inode: stat.st_ino }
}

/// What a stat is of.
#[must_use]
pub fn kind(stat: &Stat) -> Kind {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile if stat.st_nlink > 1 => Kind::Linked,
        FileType::RegularFile => Kind::Plain,
        FileType::Symlink => Kind::Symlink,
        FileType::Directory => Kind::Folder,
        FileType::Fifo | FileType::Socket | FileType::CharacterDevice | FileType::BlockDevice | FileType::Unknown => {
            Kind::Special
        }
    }
}

/// Everything that lies in the inbox and in its users' folders, as much as one look takes in: of each folder the earliest submissions, and of
/// other names some. The next look has the rest.
///
/// # Errors
/// When the inbox itself cannot be read. What vanishes during the scan, or lies in a folder that cannot be read, is left out.
pub fn scan(home: &Home, renamed: &Renamed, memory: &mut Memory, settle: Duration) -> Result<Vec<Found>, Errno> {
    // Accounts come and go, and a number that was one's may be another's.
    memory.accounts.clear();
    let mut look = Look {
        renamed: renamed.take(),
        memory,
        settle,
        now: Instant::now(),
        clock: SystemTime::now(),
        found: Vec::new(),
        keys: BTreeSet::new(),
        crowded: BTreeSet::new(),
    };
    let inbox = open_folder(home, None)?;
    let users = look.look_into(None, &inbox, Most::OF_ALL)?;
    let most = Most::of_each(users.len() * Door::ALL.len());
    for folder in users.iter().flat_map(|user| Door::ALL.map(|door| Folder { user: user.clone(), door })) {
        if let Ok(opened) = open_folder(home, Some(&folder)) {
            let _ = look.look_into(Some(&folder), &opened, most);
        }
    }
    let Look { found, keys, crowded, memory, .. } = look;
    memory.seen.retain(|key, _| keys.contains(key));
    for folder in crowded.difference(&memory.crowded) {
        let folder =
            folder.as_ref().map_or_else(String::new, |folder| format!("{}/{}", folder.user, folder.door.name()));
        tracing::warn!(folder = %format!("inbox/{folder}"), "holds more files than one look takes in; the earliest come first");
    }
    memory.crowded = crowded;
    memory.users = users;
    Ok(found)
}

/// One scan.
struct Look<'m> {
    renamed: watch::Names,
    memory: &'m mut Memory,
    settle: Duration,
    now: Instant,
    clock: SystemTime,
    found: Vec<Found>,
    keys: BTreeSet<FileKey>,
    crowded: BTreeSet<Option<Folder>>,
}

impl Look<'_> {
    /// Looks into one folder; returns the users who have a folder in it, where it is the inbox itself.
    fn look_into(&mut self, folder: Option<&Folder>, opened: &OwnedFd, most: Most) -> Result<Vec<UserName>, Errno> {
        let entries = entries::read(opened, folder.is_none(), most)?;
        if entries.is_crowded {
            self.crowded.insert(folder.cloned());
        }
        // In a folder of one's own root has made a way back to where one is, for those who type `cd in` there.
        let is_ours = |entry: &Entry| entry.name == "in" && entry.uid == 0 && entry.kind == Kind::Symlink;
        // And what is being removed is ours from its first moment on; what a daemon that was killed left of it is found after a while.
        let (own, clock) = (rustix::process::geteuid().as_raw(), self.clock);
        let is_recent = |entry: &Entry| age(clock, entry.key.changed_ns) < REMOVED_WITHIN;
        let is_going = |entry: &Entry| {
            let is_named_so = entry.name.as_bytes().starts_with(GOING.as_bytes());
            is_named_so && entry.uid == own && entry.kind == Kind::Folder && is_recent(entry)
        };
        let is_news = |entry: &Entry| !is_going(entry) && (folder.is_none() || !is_ours(entry));
        for entry in entries.files.into_iter().filter(is_news) {
            let found = self.found(folder, opened, entry);
            self.keys.insert(found.key);
            self.found.push(found);
        }
        Ok(entries.users)
    }

    fn found(&mut self, folder: Option<&Folder>, opened: &OwnedFd, entry: Entry) -> Found {
        let Entry { name, key, kind, size, uid } = entry;
        let seen = self.memory.seen.entry(key).or_insert(Seen { since: self.now, is_whole: false });
        let unchanged_for = (self.now - seen.since).max(age(self.clock, key.changed_ns));
        let renamed_in = self.renamed.contains(&(folder.cloned(), name.clone()));
        // Asked of the kernel only when the answer decides something, and no more once it was no: from then on it is ours to take.
        let asks = kind == Kind::Plain && !renamed_in && !seen.is_whole && unchanged_for >= self.settle;
        let being_written = asks && is_written(opened, &name);
        seen.is_whole |= asks && !being_written;
        Found {
            key,
            owner: self.memory.accounts.entry(uid).or_insert_with(|| account(uid)).clone(),
            size,
            folder: folder.cloned(),
            name,
            kind,
            renamed_in,
            being_written,
            unchanged_for,
        }
    }
}

/// How long ago a moment of the file system's clock was; zero where it is in the future.
fn age(clock: SystemTime, changed_ns: i64) -> Duration {
    let changed = u64::try_from(changed_ns).map(Duration::from_nanos).unwrap_or_default();
    clock.duration_since(UNIX_EPOCH + changed).unwrap_or_default()
}

fn account(uid: u32) -> Option<String> {
    nix::unistd::User::from_uid(uid.into()).ok().flatten().map(|user| user.name)
}

/// Whether somebody has a file of the inbox open for writing.
fn is_written(folder: &OwnedFd, name: &OsStr) -> bool {
    match open_file(folder, name) {
        Ok(file) => lease::has_writer(file.as_fd()),
        // Its owner has a lease on it, which is for writers: the kernel would have us wait until it is given up.
        Err(error) => error == Errno::AGAIN,
    }
}
