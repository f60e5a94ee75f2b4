//! Asking the kernel whether anybody has a file open for writing.

use std::os::fd::{AsRawFd, BorrowedFd};

/// Whether a writer holds the file, by trying for a read lease, which the kernel refuses while there is one.
///
/// Where a lease cannot be asked for (a file of another owner without `CAP_LEASE`, a file system without leases) the answer is no: then
/// only the settle time stands between an upload and its judging.
pub(super) fn has_writer(file: BorrowedFd<'_>) -> bool {
    let lease = |kind: libc::c_int| {
        // SAFETY: fcntl with F_SETLEASE takes two integers and touches no memory of ours; the descriptor is borrowed, so it is open.
        unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind) }
    };
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
    fn a_writer_is_seen_while_it_holds_the_file() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let reader = File::open(file.path()).expect("opened");
        assert!(has_writer(reader.as_fd()), "the temporary file is open for writing");
        let (_, path) = file.into_parts();
        assert!(!has_writer(reader.as_fd()), "nobody writes it any more");
        drop(path);
    }
}
