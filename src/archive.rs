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

/// Copies a file out of the inbox, hashing it on the way. From here on nothing that its sender does changes what is judged: a rename
/// would leave the bytes to whoever still has the file open.
///
/// # Errors
/// [`Unreceived`]: the file changed or went, can never be taken, or could not be copied.
pub fn receive(home: &Home, found: &Found, max_size: u64) -> Result<(Digest, u64), Unreceived> {
    let folder = inbox::open_folder(home, found.folder.as_ref()).map_err(|_| Unreceived::Changed)?;
    let file = match inbox::open_file(&folder, &found.name) {
        Ok(file) => file,
        Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => return Err(Unreceived::Changed),
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
    files::sync_folder(&folder)?;
    files::sync_folder(&home.submissions())
}

/// Removes a file that was dealt with from the inbox. What was refused is set aside in refused/, if it is a plain file of a size that
/// could have been taken; the rest has nothing that anybody needs again.
///
/// # Errors
/// Those of the file system; the file is found again by the next scan, known, and disposed of then.
pub fn dispose(home: &Home, found: &Found, disposal: Disposal, max_size: u64) -> Result<(), Errno> {
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
    let aside = match disposal {
        Disposal::Refused(seq) if found.kind == Kind::Plain && found.size <= max_size => {
            Some(home.refused().join(seq.to_string()))
        }
        Disposal::Refused(_) | Disposal::Accepted | Disposal::Leftover => None,
    };
    match found.kind {
        Kind::Plain | Kind::Linked | Kind::Symlink | Kind::Special => {
            let unlink = || rustix::fs::unlinkat(&folder, &found.name, AtFlags::empty());
            match aside.map(|aside| rustix::fs::renameat(&folder, &found.name, rustix::fs::CWD, &aside)) {
                // The inbox is on another disk: the line in the log has to do.
                None | Some(Err(Errno::XDEV)) => unlink(),
                Some(moved) => moved,
            }
        }
        Kind::Folder => {
            // Hidden first, so that no scan finds a half of it; in the same folder, which is never on another disk.
            let hidden = format!(".refused-{}", found.key.inode);
            rustix::fs::renameat(&folder, &found.name, &folder, &hidden)?;
            let path = match &found.folder {
                None => home.inbox().join(hidden),
                Some(user) => home.inbox().join(user.as_str()).join("in").join(hidden),
            };
            fs::remove_dir_all(path).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
        }
    }
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
