//! Waits for the end of a process, of ours or of anybody's, without asking again and again.

use std::io;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Returns when the process that has this number now has ended, whether or not it has been waited for.
///
/// # Errors
/// There is no such process, or too many descriptors are open.
pub(super) async fn ended(pid: Pid) -> io::Result<()> {
    let pidfd = pidfd_open(pid, PidfdFlags::NONBLOCK)?;
    // SAFETY: the descriptor is owned by what is registered, which gives it to nobody, and is closed with it.
    let pidfd = unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) }?;
    // It becomes readable when the process ends; there is nothing to read.
    let _ = pidfd.readable().await?;
    Ok(())
}
