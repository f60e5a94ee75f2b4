//! Asking the kernel whether anybody has a file open for writing.

use std::os::fd::{AsRawFd, BorrowedFd};

/// `fcntl` command: which signal tells of a broken lease (linux/fcntl.h; the same number on every architecture of Linux).
const F_SETSIG: libc::c_int = 10;

/// Whether a writer holds the file, by trying for a read lease, which the kernel refuses while there is one.
///
/// Where a lease cannot be asked for (a file of another owner without `CAP_LEASE`, a file system without leases) the answer is no: then
/// only the settle time stands between an upload and its judging.
pub(super) fn has_writer(file: BorrowedFd<'_>) -> bool {
    let ask = |command, argument: libc::c_int| {
        // SAFETY: both commands take an integer and touch no memory of ours; the descriptor is borrowed, so it is open.
        unsafe { libc::fcntl(file.as_raw_fd(), command, argument) }
    };
    // Whoever opens the file for writing while we hold the lease has us sent a signal. The usual one, SIGIO, would end the daemon:
    // a student could do that. This one is ignored where nobody asks for it.
    if ask(F_SETSIG, libc::SIGURG) != 0 {
        return false;
    }
    let lease = |kind| ask(libc::F_SETLEASE, kind);
    if lease(libc::F_RDLCK) == 0 {
        lease(libc::F_UNLCK);
        return false;
    }
    std::io::Error::last_os_error().raw_os_error() == Some(libc::EAGAIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::AsFd;

    #[test]
    fn a_writer_that_breaks_the_lease_does_not_end_us() {
        let (_, path) = tempfile::NamedTempFile::new().expect("a file").into_parts();
        let reader = File::open(&path).expect("opened");
        let ended = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // Again and again without waiting, so that some of them fall between taking the lease and giving it back.
                for _ in 0..20_000 {
                    use std::os::unix::fs::OpenOptionsExt;
                    let _ = File::options().write(true).custom_flags(libc::O_NONBLOCK).open(&path);
                }
                ended.store(true, std::sync::atomic::Ordering::Relaxed);
            });
            while !ended.load(std::sync::atomic::Ordering::Relaxed) {
                has_writer(reader.as_fd());
            }
        });
    }

    #[test]
    fn a_writer_is_seen_while_it_holds_the_file() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let reader = File::open(file.path()).expect("opened");
        assert!(has_writer(reader.as_fd()), "the temporary file is open for writing");
        let (_, path) = file.into_parts();
        assert!(!has_writer(reader.as_fd()), "nobody writes it any more");
        drop(path);
    }
}
