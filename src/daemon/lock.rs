//! One daemon a home.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::home::Home;

/// How long a lock that is held is tried again, and how often.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);

/// Held as long as it lives; the kernel lets go of it however the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why a home cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another daemon has it.
    #[error("another daemon runs this home already (process {pid}); end that one first")]
    Taken {
        /// As far as it is known.
        pid: String,
    },
    /// The file system said no.
    #[error("failed to lock {path}")]
    Io {
        /// The lock file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl Lock {
    /// Takes a home.
    ///
    /// A daemon that was killed in the moment in which it started a program leaves a process that still has every open file of its own, for
    /// the milliseconds until it becomes that program: a lock that is held is tried again for a while.
    ///
    /// # Errors
    /// [`LockError`]
    pub async fn take(home: &Home) -> Result<Self, LockError> {
        let path = home.lock();
        let io = |source| LockError::Io { path: path.clone(), source };
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(io)?;
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if began.elapsed() < PATIENCE => tokio::time::sleep(PAUSE).await,
                Err(TryLockError::WouldBlock) => {
                    let mut pid = String::new();
                    let _ = file.read_to_string(&mut pid);
                    let pid = pid.trim();
                    return Err(LockError::Taken { pid: if pid.is_empty() { "unknown".into() } else { pid.into() } });
                }
                Err(TryLockError::Error(error)) => return Err(io(error)),
            }
        }
        let id = std::process::id();
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{id}")).map_err(io)?;
        Ok(Self { _file: file })
    }

    /// Whether a daemon has the home.
    #[must_use]
    pub fn is_taken(home: &Home) -> bool {
        File::open(home.lock()).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}
