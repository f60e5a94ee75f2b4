//! The inbox: where submissions arrive. Whoever can write here is a stranger: nothing is followed, nothing is opened that could block.
//!
//! [`scan`] is the truth; [`watch`] only says when to look again, and which files came by a rename.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::core::ids::UserName;
use crate::core::machine::{Found, Kind};
use crate::core::record::FileKey;
use crate::home::Home;

mod lease;
mod watch;

pub use watch::{Renamed, watch};

/// The flags with which anything in the inbox is opened.
const CAREFULLY: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC).union(OFlags::NOCTTY);

/// What is remembered from one scan to the next.
#[derive(Debug, Default)]
pub struct Memory {
    /// Since when a file has been as it is. Kept besides its ctime, because clocks jump.
    seen: BTreeMap<FileKey, Instant>,
    accounts: BTreeMap<u32, Option<String>>,
}

/// Opens `inbox/`, or `inbox/<user>/in/`, without following a link on the way.
///
/// # Errors
/// Those of the file system.
pub fn open_folder(home: &Home, user: Option<&UserName>) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let inbox = rustix::fs::open(home.inbox(), flags, Mode::empty())?;
    match user {
        None => Ok(inbox),
        Some(user) => {
            let folder = rustix::fs::openat(&inbox, user.as_str(), flags | OFlags::NOFOLLOW, Mode::empty())?;
            rustix::fs::openat(&folder, "in", flags | OFlags::NOFOLLOW, Mode::empty())
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

/// Everything that lies in the inbox and in its users' folders.
///
/// # Errors
/// When the inbox itself cannot be read. What vanishes during the scan, or lies in a folder that cannot be read, is left out.
pub fn scan(home: &Home, renamed: &Renamed, memory: &mut Memory, settle: Duration) -> Result<Vec<Found>, Errno> {
    let renamed = renamed.take();
    let mut found = Vec::new();
    let inbox = open_folder(home, None)?;
    let mut users = Vec::new();
    for (name, stat) in entries(&inbox)? {
        let user = name.to_str().and_then(|name| name.parse::<UserName>().ok());
        match user {
            // A folder of a user's name is that user's; anything else is somebody's try.
            Some(user) if kind(&stat) == Kind::Folder => users.push(user),
            _ => found.push((None, name, stat)),
        }
    }
    for user in users {
        let Ok(entries) = open_folder(home, Some(&user)).and_then(|folder| entries(&folder)) else {
            continue;
        };
        found.extend(entries.into_iter().map(|(name, stat)| (Some(user.clone()), name, stat)));
    }

    let (now, clock) = (Instant::now(), SystemTime::now());
    let keys: std::collections::BTreeSet<FileKey> = found.iter().map(|(_, _, stat)| key(stat)).collect();
    memory.seen.retain(|key, _| keys.contains(key));
    Ok(found
        .into_iter()
        .map(|(folder, name, stat)| {
            let key = key(&stat);
            let seen_for = now - *memory.seen.entry(key).or_insert(now);
            let unchanged_for = seen_for.max(age(clock, key.changed_ns));
            let renamed_in = renamed.contains(&(folder.clone(), name.clone()));
            let kind = kind(&stat);
            // Asked of the kernel only when the answer decides something.
            let being_written = kind == Kind::Plain
                && !renamed_in
                && unchanged_for >= settle
                && is_written(home, folder.as_ref(), &name);
            Found {
                key,
                owner: memory.accounts.entry(stat.st_uid).or_insert_with(|| account(stat.st_uid)).clone(),
                size: u64::try_from(stat.st_size).unwrap_or(0),
                folder,
                name,
                kind,
                renamed_in,
                being_written,
                unchanged_for,
            }
        })
        .collect())
}

fn entries(folder: &OwnedFd) -> Result<Vec<(std::ffi::OsString, Stat)>, Errno> {
    let mut entries = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        // Names that begin with a dot are on their way; "." and ".." are two of them.
        if name.as_bytes().starts_with(b".") {
            continue;
        }
        if let Ok(stat) = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            entries.push((name.to_owned(), stat));
        }
    }
    Ok(entries)
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
fn is_written(home: &Home, user: Option<&UserName>, name: &OsStr) -> bool {
    open_folder(home, user)
        .and_then(|folder| open_file(&folder, name))
        .is_ok_and(|file| lease::has_writer(file.as_fd()))
}
