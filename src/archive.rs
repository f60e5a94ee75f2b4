//! What is kept in results/ beside the log: sources, outputs, and what was refused.
//!
//! Every step here may be cut short by a crash and is done again after it: a copy in incoming/ that no line of the log knows is thrown
//! away, and the file it came from is still in the inbox.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::AtFlags;
use rustix::io::Errno;
use uuid::Uuid;

use crate::core::digest::{Digest, Hasher};
use crate::core::ids::{Extension, Number};
use crate::core::machine::{Arrival, Disposal, Found, Kind, Unreceived};
use crate::core::record::{FileKey, Refusal};
use crate::files;
use crate::home::Home;
use crate::inbox;

/// Makes the folders of results/ and empties those that hold nothing worth keeping.
///
/// # Errors
/// Those of the file system.
pub fn prepare(home: &Home) -> io::Result<()> {
    files::private_folder(&home.results())?;
    for folder in [home.submissions(), home.refused(), home.cache()] {
        files::private_folder(&folder)?;
    }
    files::remove_temporary(&home.results(), 1)?;
    for folder in home.abandoned() {
        fs::remove_dir_all(folder)?;
    }
    files::empty_folder(&home.incoming())?;
    files::empty_folder(&home.work())
}

/// Removes what a crash between keeping a source and recording it left under the next number.
///
/// # Errors
/// Those of the file system; and when there are submissions that the log does not know, more than a crash can leave: the log is then older
/// than the files, by a slip with a backup say, and going on would overwrite them.
pub fn forget_unrecorded(home: &Home, next: Number) -> io::Result<()> {
    for entry in fs::read_dir(home.submissions())? {
        let entry = entry?;
        let Some(number) = entry.file_name().to_str().and_then(|name| name.parse::<u64>().ok()) else { continue };
        if number > next.0 {
            let why = format!(
                "results/submissions/ holds number {number}, and the log ends before number {next}: the log is older than the files; restore it, or move them away"
            );
            return Err(io::Error::other(why));
        }
        if number == next.0 {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Where the copy of an arriving file lies until it is accepted.
#[must_use]
pub fn staged(home: &Home, key: FileKey) -> PathBuf {
    home.incoming().join(format!("{}-{}", key.inode, key.changed_ns))
}

/// Where what was said about an arriving file lies until it is accepted.
fn staged_check(home: &Home, key: FileKey) -> PathBuf {
    staged(home, key).with_extension("check")
}

/// Stages what was said about an arriving file when it was checked. It is for its sender to read, and proves nothing: it goes the file's way.
///
/// # Errors
/// Those of the file system.
pub fn stage_check(home: &Home, key: FileKey, said: &str) -> io::Result<()> {
    let mut file = File::create(staged_check(home, key))?;
    file.write_all(said.as_bytes())?;
    file.sync_all()
}

/// Copies a file out of the inbox, hashing it on the way. From here on nothing that its sender does changes what is judged: a rename
/// would leave the bytes to whoever still has the file open.
///
/// # Errors
/// [`Unreceived`]: the file changed or went, can never be taken, or could not be copied.
pub fn receive(home: &Home, found: &Found, max_size: u64) -> Result<(Digest, u64), Unreceived> {
    let folder = inbox::open_folder(home, found.folder.as_ref()).map_err(|_| Unreceived::Changed)?;
    let file = match inbox::open_file(&folder, &found.name) {
        Ok(file) => file,
        // The last: its owner has a lease on it, and would have us wait. It is busy.
        Err(Errno::NOENT | Errno::LOOP | Errno::NXIO | Errno::AGAIN) => return Err(Unreceived::Changed),
        Err(Errno::ACCESS | Errno::PERM) => {
            return Err(Unreceived::Refused(Refusal::Unreadable, "it could not be read".into()));
        }
        Err(error) => return Err(Unreceived::Failed(format!("failed to open it: {error}"))),
    };
    let stat = rustix::fs::fstat(&file).map_err(|error| Unreceived::Failed(error.to_string()))?;
    if inbox::key(&stat) != found.key || inbox::kind(&stat) != Kind::Plain {
        return Err(Unreceived::Changed);
    }
    let mut file = File::from(file);
    let target = staged(home, found.key);
    let copied = copy(&mut file, &target, max_size);
    let after = rustix::fs::fstat(&file).map_err(|error| Unreceived::Failed(error.to_string()))?;
    match copied {
        _ if inbox::key(&after) != found.key => Err(Unreceived::Changed),
        Ok(Some((digest, bytes))) if bytes == found.size => Ok((digest, bytes)),
        Ok(_) => Err(Unreceived::Changed),
        Err(error) => Err(Unreceived::Failed(format!("failed to copy it: {error}"))),
    }
}

/// Copies at most `most` bytes; `None` when there are more.
fn copy(from: &mut File, to: &Path, most: u64) -> io::Result<Option<(Digest, u64)>> {
    // Readable for all: the sandbox's user reads it through its own mount. The folder above lets nobody in.
    let mut target = OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(to)?;
    let mut hasher = Hasher::default();
    let mut bytes = 0;
    let mut buffer = [0; 64 << 10];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        bytes += read as u64;
        if bytes > most {
            return Ok(None);
        }
        hasher.update(&buffer[..read]);
        target.write_all(&buffer[..read])?;
    }
    target.sync_all()?;
    Ok(Some((hasher.finish(), bytes)))
}

/// Moves the copy of an arriving file to its place, to stay there.
///
/// # Errors
/// Those of the file system.
pub fn keep(home: &Home, arrival: &Arrival, number: Number, language: &Extension) -> io::Result<()> {
    let folder = home.submission(number);
    files::empty_folder(&folder)?;
    fs::rename(staged(home, arrival.key()), home.source(number, language))?;
    match fs::rename(staged_check(home, arrival.key()), home.check_log(number)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    files::sync_folder(&folder)?;
    files::sync_folder(&home.submissions())
}

/// Removes a file that was dealt with from the inbox, or moves it to refused/ where the log says that it is set aside.
///
/// # Errors
/// Those of the file system; the file is found again by the next scan, known, and disposed of then.
pub fn dispose(home: &Home, found: &Found, disposal: Disposal) -> Result<(), Errno> {
    let folder = match inbox::open_folder(home, found.folder.as_ref()) {
        Err(Errno::NOENT) => return Ok(()),
        folder => folder?,
    };
    match rustix::fs::statat(&folder, &found.name, AtFlags::SYMLINK_NOFOLLOW) {
        // Another file came in under the name meanwhile: the next scan's business.
        Ok(stat) if stat.st_ino != found.key.inode => return Ok(()),
        Ok(_) => {}
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error),
    }
    let _ = fs::remove_file(staged(home, found.key));
    let _ = fs::remove_file(staged_check(home, found.key));
    let aside = match disposal {
        Disposal::Refused { line, set_aside: true } => Some(home.refused().join(line.to_string())),
        Disposal::Refused { .. } | Disposal::Accepted | Disposal::Leftover => None,
    };
    match found.kind {
        Kind::Plain | Kind::Linked | Kind::Symlink | Kind::Special => {
            let unlink = || rustix::fs::unlinkat(&folder, &found.name, AtFlags::empty());
            let Some(aside) = aside else { return unlink() };
            match rustix::fs::renameat(&folder, &found.name, rustix::fs::CWD, &aside) {
                // The inbox is on another disk: the line in the log has to do.
                Err(Errno::XDEV) => unlink(),
                moved => moved.and_then(|()| keep_only(&aside, found)),
            }
        }
        Kind::Folder => {
            // Out of the inbox first, so that no scan finds a half of it and its sender adds nothing.
            let hidden = format!("{}{}", inbox::GOING, Uuid::new_v4());
            let incoming = home.incoming().join(&hidden);
            let removed = match rustix::fs::renameat(&folder, &found.name, rustix::fs::CWD, &incoming) {
                Ok(()) => files::remove_tree(rustix::fs::CWD, incoming.as_os_str()),
                // On another disk, say: in the same folder then, at a name that its sender cannot have put something at.
                Err(_) => {
                    rustix::fs::renameat(&folder, &found.name, &folder, &hidden)?;
                    files::remove_tree(&folder, hidden.as_ref())
                }
            };
            removed.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
        }
    }
}

/// Removes what was set aside where it is not what was refused: between the look and the move its sender may have put something else there.
fn keep_only(aside: &Path, found: &Found) -> Result<(), Errno> {
    let stat = rustix::fs::statat(rustix::fs::CWD, aside, AtFlags::SYMLINK_NOFOLLOW)?;
    if stat.st_ino == found.key.inode && inbox::kind(&stat) == Kind::Plain {
        return Ok(());
    }
    let removed = files::remove_tree(rustix::fs::CWD, aside.as_os_str());
    removed.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// Removes what was set aside of the files that these lines refused.
///
/// # Errors
/// The first of the file system, after all were tried; a daemon that starts tries again.
pub fn forget(home: &Home, lines: impl IntoIterator<Item = u64>) -> io::Result<()> {
    let mut outcome = Ok(());
    for line in lines {
        let path = home.refused().join(line.to_string());
        // A crash may have come before it was seen to be no file.
        if let Err(error) = files::remove_tree(rustix::fs::CWD, path.as_os_str()) {
            outcome = Err(error);
        }
    }
    outcome
}

/// Removes everything in refused/ that is not set aside by the log: a crash came between the line and the removal.
///
/// # Errors
/// Those of the file system.
pub fn forget_unheld(home: &Home, holds: impl Fn(u64) -> bool) -> io::Result<()> {
    let mut unheld = Vec::new();
    for entry in fs::read_dir(home.refused())? {
        let line = entry?.file_name().to_str().and_then(|name| name.parse::<u64>().ok());
        unheld.extend(line.filter(|line| !holds(*line)));
    }
    forget(home, unheld)
}

/// Makes everything that a judging left survive a power cut, before the log says that it is there.
///
/// # Errors
/// Those of the file system.
pub fn sync_judging(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        File::open(entry?.path())?.sync_all()?;
    }
    files::sync_folder(folder)?;
    files::sync_folder(folder.parent().unwrap_or(folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::submission::Folder;
    use rustix::fs::{Mode, OFlags};

    /// A home with an inbox, and what was found in it under a name.
    fn inbox_with(make: impl FnOnce(&Path)) -> (tempfile::TempDir, Home, Found) {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::at(folder.path()).expect("a home");
        prepare(&home).expect("prepared");
        fs::create_dir_all(home.inbox().join("mira/in")).expect("made");
        make(&home.inbox().join("mira/in/junk"));
        let user = "mira".parse().expect("a name");
        let place = Folder { user, door: crate::core::submission::Door::In };
        let opened = inbox::open_folder(&home, Some(&place)).expect("opened");
        let stat = rustix::fs::statat(&opened, "junk", AtFlags::SYMLINK_NOFOLLOW).expect("it is there");
        let found = Found {
            key: inbox::key(&stat),
            folder: Some(place),
            name: "junk".into(),
            kind: inbox::kind(&stat),
            size: 1,
            owner: None,
            renamed_in: false,
            being_written: false,
            unchanged_for: std::time::Duration::ZERO,
        };
        (folder, home, found)
    }

    const LEFT: Disposal = Disposal::Refused { line: 7, set_aside: false };
    const ASIDE: Disposal = Disposal::Refused { line: 7, set_aside: true };

    #[test]
    fn a_folder_deeper_than_any_stack_is_removed() {
        let (_folder, home, found) = inbox_with(|junk| {
            // By SFTP it is made out of many short ones, each renamed to the end of the next.
            fs::create_dir(junk).expect("made");
            let flags = OFlags::RDONLY | OFlags::DIRECTORY;
            let mut deep = rustix::fs::open(junk, flags, Mode::empty()).expect("opened");
            for _ in 0..3_000 {
                rustix::fs::mkdirat(&deep, "d", Mode::RWXU).expect("made");
                deep = rustix::fs::openat(&deep, "d", flags, Mode::empty()).expect("opened");
            }
        });
        std::thread::scope(|scope| {
            // A level may cost nothing: a student makes them by the hundred thousand.
            let small = std::thread::Builder::new().stack_size(128 << 10);
            let removed = small.spawn_scoped(scope, || dispose(&home, &found, LEFT)).expect("a thread").join();
            removed.expect("it ends").expect("removed");
        });
        assert_eq!(fs::read_dir(home.inbox().join("mira/in")).expect("list").count(), 0);
        assert_eq!(fs::read_dir(home.incoming()).expect("list").count(), 0);
    }

    #[test]
    fn what_takes_a_refused_files_place_is_never_kept() {
        let (_folder, home, found) = inbox_with(|junk| fs::write(junk, "x").expect("written"));
        let (junk, other) = (home.inbox().join("mira/in/junk"), home.inbox().join("mira/in/.x"));
        let kept = home.refused().join("7");
        let over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    let swap = rustix::fs::RenameFlags::EXCHANGE;
                    let _ = rustix::fs::renameat_with(rustix::fs::CWD, &junk, rustix::fs::CWD, &other, swap);
                }
            });
            for _ in 0..2_000 {
                fs::create_dir_all(other.join("in/it")).or_else(|_| fs::create_dir_all(junk.join("in/it"))).ok();
                let _ = dispose(&home, &found, ASIDE);
                if let Ok(meta) = fs::symlink_metadata(&kept) {
                    let is_it = std::os::unix::fs::MetadataExt::ino(&meta) == found.key.inode;
                    if !is_it {
                        over.store(true, std::sync::atomic::Ordering::Relaxed);
                    }
                    assert!(is_it, "what was not refused is kept as if it had been: {meta:?}");
                    fs::rename(&kept, if junk.exists() { &other } else { &junk }).ok();
                }
            }
            over.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }

    #[test]
    fn a_folder_among_what_was_refused_keeps_no_daemon_from_starting() {
        let (_folder, home, _) = inbox_with(|junk| fs::write(junk, "x").expect("written"));
        fs::create_dir_all(home.refused().join("7/in/it")).expect("made");
        forget_unheld(&home, |_| false).expect("removed");
        assert_eq!(fs::read_dir(home.refused()).expect("list").count(), 0);
    }

    #[test]
    fn a_log_older_than_the_files_stops_us_and_not_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home::at(folder.path()).expect("a home");
        for number in 1..=3 {
            fs::create_dir_all(home.submission(Number(number))).expect("made");
        }
        let left = || fs::read_dir(home.submissions()).expect("list").count();
        let error = forget_unrecorded(&home, Number(2)).expect_err("3 is more than a crash leaves");
        assert!(error.to_string().contains("restore it"), "{error}");
        assert!(home.submission(Number(3)).is_dir());
        fs::create_dir_all(home.submission(Number(2))).expect("made");
        forget_unrecorded(&home, Number(3)).expect("3 is what a crash leaves");
        assert_eq!(left(), 2);
        forget_unrecorded(&home, Number(3)).expect("nothing to forget");
        assert_eq!(left(), 2);
    }
}
