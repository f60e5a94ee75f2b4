//! Takes an answer out of a folder in which a student's program did what it liked.
//!
//! Only to be called when nothing that could still change that folder is alive. It follows no link, waits for nobody,
//! and reads no more than it may keep.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::{ANSWER_FILE, AnswerFile, capture};

/// What [`AnswerFile::Refused`] says; both engines use the same words.
pub(super) const IS_A_LINK: &str = "is a symbolic link";
/// See [`IS_A_LINK`].
pub(super) const IS_NOT_A_FILE: &str = "is not a plain file";
/// See [`IS_A_LINK`].
pub(super) const IS_UNREADABLE: &str = "cannot be read";

/// See [`IS_A_LINK`].
pub(super) fn is_too_long(cap: u64) -> String {
    format!("is longer than {cap} bytes")
}

/// Copies the answer file of `folder` to `to`, unless it is missing or not fit to be taken.
///
/// # Errors
/// Trouble of ours: the file `to` cannot be made or written.
pub(super) fn take(folder: impl AsFd, to: &Path, cap: u64) -> io::Result<AnswerFile> {
    let refused = |why: &str| Ok(AnswerFile::Refused(why.to_owned()));
    // Looked at before it is opened: there are kinds of files that cannot be opened, in many ways, and each would read
    // as trouble of ours.
    let stat = match rustix::fs::statat(&folder, ANSWER_FILE, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(AnswerFile::Missing),
        Err(error) => return Err(error.into()),
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        FileType::Symlink => return refused(IS_A_LINK),
        _ => return refused(IS_NOT_A_FILE),
    }
    // We could read it, but its owner could not: an engine that reads as its owner must come to the same result.
    if stat.st_mode & 0o400 == 0 {
        return refused(IS_UNREADABLE);
    }
    let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
    if size > cap {
        return Ok(AnswerFile::Refused(is_too_long(cap)));
    }
    let taken = io::copy(&mut File::from(open(folder)?).take(cap), &mut capture::create(to)?)?;
    Ok(AnswerFile::Taken(taken))
}

fn open(folder: impl AsFd) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    let within =
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    rustix::fs::openat2(folder, ANSWER_FILE, flags, Mode::empty(), within)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn check(prepare: impl FnOnce(&Path), expected: AnswerFile) {
        let scratch = tempfile::tempdir().expect("a temporary folder");
        let folder = tempfile::tempdir().expect("a temporary folder");
        prepare(&scratch.path().join(ANSWER_FILE));
        let to = folder.path().join("answer");
        assert_eq!(take(File::open(scratch.path()).expect("open"), &to, 10).expect("take"), expected);
        assert_eq!(to.exists(), matches!(expected, AnswerFile::Taken(_)));
    }

    fn refused(why: &str) -> AnswerFile {
        AnswerFile::Refused(why.to_owned())
    }

    #[test]
    fn only_a_plain_readable_file_of_allowed_length_is_taken() {
        check(|_| (), AnswerFile::Missing);
        check(|path| std::fs::write(path, "0123456789").expect("write"), AnswerFile::Taken(10));
        check(|path| std::fs::write(path, "").expect("write"), AnswerFile::Taken(0));
        check(|path| std::fs::write(path, "0123456789a").expect("write"), refused(&is_too_long(10)));
        check(|path| symlink("/etc/passwd", path).expect("link"), refused(IS_A_LINK));
        check(|path| symlink(path, path).expect("link"), refused(IS_A_LINK));
        check(|path| std::fs::create_dir(path).expect("mkdir"), refused(IS_NOT_A_FILE));
        check(|path| drop(std::os::unix::net::UnixListener::bind(path).expect("bind")), refused(IS_NOT_A_FILE));
        check(
            |path| rustix::fs::mknodat(rustix::fs::CWD, path, FileType::Fifo, Mode::RWXU, 0).expect("mkfifo"),
            refused(IS_NOT_A_FILE),
        );
        // What overlays call a whiteout: a device, and yet anybody may make one.
        check(
            |path| rustix::fs::mknodat(rustix::fs::CWD, path, FileType::CharacterDevice, Mode::RWXU, 0).expect("mknod"),
            refused(IS_NOT_A_FILE),
        );
        check(
            |path| {
                std::fs::write(path, "x").expect("write");
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o200)).expect("chmod");
            },
            refused(IS_UNREADABLE),
        );
    }
}
