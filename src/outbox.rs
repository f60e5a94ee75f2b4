//! `inbox/<user>/out/`: what a user who has nothing but `sftp` can read. Knows nothing of what is written there.
//!
//! The daemon is root, and the folder beside `out/` is a student's. So it writes only where nobody else can have prepared the ground:
//! `inbox/`, `inbox/<user>/` and `out/` are opened one after the other without following links, and each must be a folder of the daemon's
//! own account that no other may write to. Everything after that goes by the descriptor of `out/`, not by its path: whoever moves the
//! folder or puts a link in its place changes nothing for what is being written. Where the shape is another, nothing is written.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::core::ids::UserName;
use crate::files::TEMPORARY;
use crate::home::Home;

/// The folder's own name.
const NAME: &str = "out";
/// Who can reach the folder may read its files; the folder above lets nobody else in.
const MODE: Mode = Mode::from_raw_mode(0o644);
/// The largest file that is compared with what is to be written; a larger one is none of ours.
const MOST: u64 = 16 << 20;

/// The outboxes of a home.
#[derive(Debug, Clone)]
pub struct Outboxes {
    inbox: PathBuf,
}

/// One user's folder, safe to write to.
#[derive(Debug)]
pub struct Outbox {
    folder: OwnedFd,
}

impl Outboxes {
    /// Those of a home.
    #[must_use]
    pub fn of(home: &Home) -> Self {
        Self { inbox: home.inbox() }
    }

    /// The users who have a folder of their own in the inbox. Whether it may be written to, [`Outboxes::open`] says.
    #[must_use]
    pub fn users(&self) -> Vec<UserName> {
        let Ok(inbox) = self.open_inbox() else { return Vec::new() };
        let entries = Dir::read_from(&inbox).into_iter().flatten().flatten();
        let mut users: Vec<UserName> =
            entries.filter_map(|entry| entry.file_name().to_str().ok()?.parse().ok()).collect();
        users.sort();
        users
    }

    /// A user's outbox; `None` where there is none, or where it is not the daemon's own from the inbox down.
    ///
    /// # Errors
    /// Those of the file system, but for what only says that the shape is another.
    pub fn open(&self, user: &UserName) -> io::Result<Option<Outbox>> {
        let opened = self
            .open_inbox()
            .and_then(|inbox| own_folder(&inbox, user.as_str(), Sticky::NoHelp))
            .and_then(|folder| own_folder(&folder, NAME, Sticky::NoHelp));
        match opened {
            Ok(folder) => Ok(Some(Outbox { folder })),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS | Errno::PERM) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn open_inbox(&self) -> Result<OwnedFd, Errno> {
        let folder =
            rustix::fs::open(&self.inbox, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        // Where everybody may drop files and none may touch another's (as in /tmp), what is ours stays ours.
        check(&folder, Sticky::Helps)?;
        Ok(folder)
    }
}

/// Whether a folder that others may write to is good enough when they can only touch their own files in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sticky {
    /// As in /tmp.
    Helps,
    /// Not good enough.
    NoHelp,
}

fn own_folder(parent: &OwnedFd, name: &str, sticky: Sticky) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    check(&folder, sticky)?;
    Ok(folder)
}

fn check(folder: &OwnedFd, sticky: Sticky) -> Result<(), Errno> {
    let stat = rustix::fs::fstat(folder)?;
    let own = stat.st_uid == rustix::process::geteuid().as_raw();
    // An access list that lets anybody else write shows in the group's bits.
    let closed = stat.st_mode & 0o022 == 0;
    let kept = sticky == Sticky::Helps && stat.st_mode & 0o1000 != 0;
    if own && (closed || kept) { Ok(()) } else { Err(Errno::PERM) }
}

impl Outbox {
    /// Replaces a file by another content, where the bytes differ: a reader sees the old one or the new one, never a part.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if self.holds(name, bytes) {
            return Ok(());
        }
        // `podium build` may write beside the daemon.
        let temporary = format!("{TEMPORARY}{}", std::process::id());
        match rustix::fs::unlinkat(&self.folder, &temporary, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let written =
            rustix::fs::openat(&self.folder, &temporary, flags, MODE).map_err(io::Error::from).and_then(|file| {
                // The umask does not decide who may read a letter.
                rustix::fs::fchmod(&file, MODE)?;
                File::from(file).write_all(bytes)?;
                Ok(rustix::fs::renameat(&self.folder, &temporary, &self.folder, name)?)
            });
        if written.is_err() {
            let _ = rustix::fs::unlinkat(&self.folder, &temporary, AtFlags::empty());
        }
        written
    }

    /// Removes the files that `is_ours` says are the daemon's and that are not `known`, and what a writer that was killed left.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn sweep(&self, known: &BTreeSet<String>, is_ours: impl Fn(&str) -> bool) -> io::Result<()> {
        let mut old = Vec::new();
        for entry in Dir::read_from(&self.folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if entry.file_type() != FileType::Directory
                && !known.contains(name)
                && (name.starts_with(TEMPORARY) || is_ours(name))
            {
                old.push(entry.file_name().to_owned());
            }
        }
        for name in old {
            let name = OsStr::from_bytes(name.to_bytes());
            match rustix::fs::unlinkat(&self.folder, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn holds(&self, name: &str, bytes: &[u8]) -> bool {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::openat(&self.folder, name, flags, Mode::empty()) else { return false };
        let Ok(stat) = rustix::fs::fstat(&file) else { return false };
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile
            || u64::try_from(stat.st_size) != Ok(bytes.len() as u64)
            || stat.st_mode & 0o7777 != MODE.as_raw_mode()
        {
            return false;
        }
        let mut old = Vec::with_capacity(bytes.len());
        File::from(file).take(MOST).read_to_end(&mut old).is_ok() && old == bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    /// A home with a user's folder of the shape that provisioning makes.
    fn provisioned() -> (tempfile::TempDir, Outboxes, UserName) {
        let folder = tempfile::tempdir().expect("a folder");
        let out = folder.path().join("inbox/mira/out");
        fs::create_dir_all(&out).expect("made");
        for path in [&out, out.parent().expect("mira"), &folder.path().join("inbox")] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("chmod");
        }
        let home = Home::at(folder.path()).expect("a home");
        (folder, Outboxes::of(&home), "mira".parse().expect("a name"))
    }

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
    }

    #[test]
    fn a_file_is_written_whole_and_for_whoever_gets_there() {
        let (folder, boxes, mira) = provisioned();
        let outbox = boxes.open(&mira).expect("opened").expect("it is ours");
        outbox.put("a.txt", b"one").expect("written");
        outbox.put("a.txt", b"two").expect("written");
        let path = folder.path().join("inbox/mira/out/a.txt");
        assert_eq!(fs::read(&path).expect("read"), b"two");
        assert_eq!(fs::metadata(&path).expect("stat").permissions().mode() & 0o777, 0o644);
        assert_eq!(fs::read_dir(path.parent().expect("out")).expect("list").count(), 1);
        assert_eq!(boxes.users(), [mira]);
    }

    #[test]
    fn nothing_is_opened_that_another_could_have_prepared() {
        let (folder, boxes, mira) = provisioned();
        let inbox = folder.path().join("inbox");
        let (user, out, elsewhere) = (inbox.join("mira"), inbox.join("mira/out"), folder.path().join("elsewhere"));
        let is_open = || boxes.open(&mira).expect("no error: it is only not ours").is_some();
        assert!(is_open());
        for path in [&inbox, &user, &out] {
            mode(path, 0o775);
            assert!(!is_open(), "{} may be written to by a group", path.display());
            mode(path, 0o757);
            assert!(!is_open(), "{} may be written to by everybody", path.display());
            mode(path, 0o755);
        }
        mode(&inbox, 0o1777);
        assert!(is_open(), "in a sticky folder what is ours stays ours");
        mode(&user, 0o1777);
        assert!(!is_open(), "but a user's own folder is not for others to write to");
        mode(&user, 0o755);

        fs::rename(&out, &elsewhere).expect("moved");
        assert!(!is_open(), "there is none");
        symlink(&elsewhere, &out).expect("a link");
        assert!(!is_open(), "a link is not followed");
        fs::remove_file(&out).expect("removed");
        fs::write(&out, "x").expect("a file");
        assert!(!is_open(), "a file is no folder");
        fs::remove_file(&out).expect("removed");
        fs::rename(&elsewhere, &out).expect("moved back");
        let hidden = folder.path().join("hidden");
        fs::rename(&user, &hidden).expect("moved");
        symlink(&hidden, &user).expect("a link");
        assert!(!is_open(), "nor is a link to a user's folder");
    }

    #[test]
    fn who_swaps_the_folder_during_a_write_gets_nothing() {
        let (folder, boxes, mira) = provisioned();
        let out = folder.path().join("inbox/mira/out");
        let (moved, trap) = (folder.path().join("moved"), folder.path().join("trap"));
        let outbox = boxes.open(&mira).expect("opened").expect("it is ours");
        fs::rename(&out, &moved).expect("moved");
        fs::create_dir(&trap).expect("a trap");
        symlink(&trap, &out).expect("a link in its place");
        outbox.put("a.txt", b"one").expect("written to the folder that was opened");
        assert_eq!(fs::read_dir(&trap).expect("list").count(), 0);
        assert_eq!(fs::read(moved.join("a.txt")).expect("read"), b"one");
    }

    #[test]
    fn a_link_in_a_files_place_is_replaced_and_not_written_through() {
        let (folder, boxes, mira) = provisioned();
        let outbox = boxes.open(&mira).expect("opened").expect("it is ours");
        let (out, victim) = (folder.path().join("inbox/mira/out"), folder.path().join("victim"));
        fs::write(&victim, "precious").expect("a file");
        let temporary = format!("{TEMPORARY}{}", std::process::id());
        for name in ["a.txt", temporary.as_str()] {
            symlink(&victim, out.join(name)).expect("a link");
        }
        outbox.put("a.txt", b"one").expect("written");
        assert_eq!(fs::read_to_string(&victim).expect("read"), "precious");
        assert!(fs::symlink_metadata(out.join("a.txt")).expect("stat").is_file());
        rustix::fs::mkfifoat(rustix::fs::CWD, out.join("b.txt"), Mode::from_raw_mode(0o644)).expect("a pipe");
        outbox.put("b.txt", b"one").expect("a pipe blocks nobody");
        assert!(fs::symlink_metadata(out.join("b.txt")).expect("stat").is_file());
    }

    #[test]
    fn a_sweep_takes_our_old_files_and_no_others() {
        let (folder, boxes, mira) = provisioned();
        let outbox = boxes.open(&mira).expect("opened").expect("it is ours");
        for name in ["mira_1.txt", "mira_2.txt", "notice.txt", ".podium-77"] {
            outbox.put(name, b"x").expect("written");
        }
        let known = BTreeSet::from(["mira_2.txt".to_owned()]);
        outbox.sweep(&known, |name| name.starts_with("mira_")).expect("swept");
        let out = folder.path().join("inbox/mira/out");
        let mut left: Vec<_> =
            fs::read_dir(out).expect("list").map(|entry| entry.expect("entry").file_name()).collect();
        left.sort();
        assert_eq!(left, ["mira_2.txt", "notice.txt"]);
    }
}
