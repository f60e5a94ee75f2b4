//! Who pushes at the moment. A lock is held by a process and all that it started, and let go of by the kernel, however they end.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use rustix::fs::FlockOperation;
use rustix::io::FdFlags;

use super::{Door, GitError, failed};
use crate::core::ids::UserName;

/// Connections of one user at one time. Each may wait for a result for minutes.
const CONNECTIONS: usize = 4;
/// Tells the hook which of its open files is the lock on receiving.
pub(super) const VARIABLE: &str = "PODIUM_GIT_LOCK";

/// A lock that children hold as well.
#[derive(Debug)]
pub(super) struct Lock(File);

fn open(door: &Door, name: &str) -> Result<File, GitError> {
    let folder = door.home.git().join("locks");
    let path = folder.join(name);
    crate::files::private_folder(&folder).map_err(failed(format!("make {}", folder.display())))?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(&path).map_err(failed(format!("open {}", path.display())))
}

/// Takes a lock that is free; `None` where somebody has it.
fn try_take(door: &Door, name: &str) -> Result<Option<Lock>, GitError> {
    let file = open(door, name)?;
    match file.try_lock() {
        Ok(()) => Lock::inherited(file).map(Some),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(failed(format!("lock {name}"))(error)),
    }
}

/// One of a user's connections.
pub(super) fn connection(door: &Door, user: &UserName) -> Result<Lock, GitError> {
    for slot in 0..CONNECTIONS {
        if let Some(lock) = try_take(door, &format!("{user}.connection-{slot}"))? {
            return Ok(lock);
        }
    }
    Err(GitError::Refused(format!("{CONNECTIONS} connections of yours are open already; end one of them, or wait.")))
}

fn receiving_name(user: &UserName) -> String {
    format!("{user}.receiving")
}

/// The right to change a user's repository; `None` where somebody has it.
pub(super) fn try_receiving(door: &Door, user: &UserName) -> Result<Option<Lock>, GitError> {
    try_take(door, &receiving_name(user))
}

/// The right to change a user's repository, as soon as whoever has it lets go. `waiting` is called where that is not at once.
pub(super) fn receiving(door: &Door, user: &UserName, waiting: impl FnOnce()) -> Result<Lock, GitError> {
    if let Some(lock) = try_receiving(door, user)? {
        return Ok(lock);
    }
    waiting();
    let name = receiving_name(user);
    let file = open(door, &name)?;
    // Whoever has it is bounded in time.
    file.lock().map_err(failed(format!("lock {name}")))?;
    Lock::inherited(file)
}

impl Lock {
    fn inherited(file: File) -> Result<Self, GitError> {
        rustix::io::fcntl_setfd(&file, FdFlags::empty()).map_err(|error| failed("keep a lock open")(error.into()))?;
        Ok(Self(file))
    }

    /// What the hook is told of it.
    pub(super) fn descriptor(&self) -> String {
        self.0.as_raw_fd().to_string()
    }
}

/// Lets go of the lock on receiving that a process above this one has taken, for both: what follows may take minutes, and the user may push
/// again meanwhile. Does nothing where there is none.
pub(super) fn let_go(door: &Door, user: &UserName) {
    let Some(descriptor) = std::env::var(VARIABLE).ok().and_then(|text| text.parse::<i32>().ok()) else { return };
    let path = door.home.git().join("locks").join(receiving_name(user));
    // It is a number out of the environment: looked at before it is used.
    let is_it = std::fs::metadata(format!("/proc/self/fd/{descriptor}"))
        .and_then(|open| Ok((open, std::fs::metadata(path)?)))
        .is_ok_and(|(open, lock)| (open.dev(), open.ino()) == (lock.dev(), lock.ino()));
    if is_it {
        // SAFETY: the descriptor is open, as the look at it has shown, and nothing in this process closes it: nobody here owns it.
        let file = unsafe { BorrowedFd::borrow_raw(descriptor) };
        let _ = rustix::fs::flock(file, FlockOperation::Unlock);
    }
}
