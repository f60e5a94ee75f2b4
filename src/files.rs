//! Files on disk: writing them whole or not at all, and telling one content from another.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, unlinkat};
use rustix::io::Errno;

use crate::core::digest::{Digest, Hasher};

/// What the names of files begin with that are on their way to another name.
pub const TEMPORARY: &str = ".podium-";

/// Whether it is the name of a file that is on its way to another name.
#[must_use]
pub fn is_temporary(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(TEMPORARY.as_bytes())
}

/// Removes what a writer that was killed left in a folder, and in those at most `depth` - 1 levels below it, under temporary names.
///
/// # Errors
/// Those of the file system.
pub fn remove_temporary(folder: &Path, depth: usize) -> io::Result<()> {
    for entry in walkdir::WalkDir::new(folder).max_depth(depth).into_iter().flatten() {
        if entry.file_type().is_file() && is_temporary(entry.file_name()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Replaces a file by another content: a reader sees the old one or the new one, never a part. Not synced: what must survive a
/// power cut says so by [`sync_folder`].
///
/// # Errors
/// Those of the file system.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut temporary =
        tempfile::Builder::new().prefix(TEMPORARY).permissions(fs::Permissions::from_mode(mode)).tempfile_in(folder)?;
    temporary.write_all(bytes)?;
    // The umask does not decide who may read a page.
    temporary.as_file().set_permissions(fs::Permissions::from_mode(mode))?;
    look_changed(path, temporary.as_file())?;
    temporary.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Web servers, and browsers that ask them, know a file by its size and the second of its last change. One that takes the place of another of
/// its size within the same second is dated a second later, or the old one would go on being shown; and none is dated before the one whose
/// place it takes.
fn look_changed(old: &Path, new: &File) -> io::Result<()> {
    let Ok(old) = fs::symlink_metadata(old) else { return Ok(()) };
    let step = Duration::from_secs(u64::from(old.len() == new.metadata()?.len()));
    let seconds = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let last = old.modified()?;
    if seconds(SystemTime::now()) < seconds(last + step) {
        new.set_modified(last + step)?;
    }
    Ok(())
}

/// The same, only where the bytes differ. Returns whether they did.
///
/// # Errors
/// Those of the file system.
pub fn replace_if_changed(path: &Path, bytes: &[u8], mode: u32) -> io::Result<bool> {
    // A board of ten thousand rows has megabytes, and most often another length.
    match fs::symlink_metadata(path) {
        Ok(old) if old.len() == bytes.len() as u64 && fs::read(path)? == bytes => return Ok(false),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
        }
        Err(error) => return Err(error),
    }
    replace(path, bytes, mode)?;
    Ok(true)
}

/// Replaces a file by what is written piece by piece, which may be more than memory holds; only where the bytes differ. Returns whether they
/// did.
///
/// # Errors
/// Those of the file system, and of `write`.
pub fn replace_by(path: &Path, mode: u32, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<bool> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let temporary = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder)?;
    let mut writer = BufWriter::with_capacity(1 << 16, temporary);
    write(&mut writer)?;
    let temporary = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    if is_same(path, temporary.path())? {
        return Ok(false);
    }
    temporary.as_file().set_permissions(fs::Permissions::from_mode(mode))?;
    look_changed(path, temporary.as_file())?;
    temporary.persist(path).map_err(|error| error.error)?;
    Ok(true)
}

/// Whether there is a first file, and it has the bytes of the second.
fn is_same(one: &Path, other: &Path) -> io::Result<bool> {
    match fs::metadata(one) {
        Ok(meta) if meta.len() == fs::metadata(other)?.len() => Ok(digest(one)? == digest(other)?),
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes a new file, whole or not at all, never over one that is there, and so that it survives a power cut. Returns whether there was none.
///
/// # Errors
/// Those of the file system.
pub fn create(path: &Path, bytes: &[u8], mode: u32) -> io::Result<bool> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut temporary = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder)?;
    temporary.write_all(bytes)?;
    temporary.as_file().set_permissions(fs::Permissions::from_mode(mode))?;
    temporary.as_file().sync_all()?;
    match temporary.persist_noclobber(path) {
        Ok(_) => sync_folder(folder).map(|()| true),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error.error),
    }
}

/// Makes the names in a folder survive a power cut.
///
/// # Errors
/// Those of the file system.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes a folder, and those above it, that nobody else can look into.
///
/// # Errors
/// Those of the file system.
pub fn private_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Makes a folder anew, empty.
///
/// # Errors
/// Those of the file system.
pub fn empty_folder(folder: &Path) -> io::Result<()> {
    remove_tree(rustix::fs::CWD, folder.as_os_str())?;
    private_folder(folder)
}

/// Removes a folder of a stranger's with all that is in it, or a file; what is not there is gone already. However deep it is: no more than two
/// of its folders are open at one time, for what lies further down is brought up first. Nothing is followed, and whoever made it can add
/// nothing meanwhile where we are root.
///
/// # Errors
/// Those of the file system.
pub fn remove_tree(parent: impl AsFd, name: &OsStr) -> io::Result<()> {
    let parent = parent.as_fd();
    let top = match rustix::fs::openat(parent, name, A_FOLDER, Mode::empty()) {
        Ok(top) => top,
        Err(Errno::NOTDIR | Errno::LOOP) => return gone(unlinkat(parent, name, AtFlags::empty())),
        other => return gone(other.map(drop)),
    };
    while empty(&top, &top)? {}
    gone(unlinkat(parent, name, AtFlags::REMOVEDIR))
}

const A_FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Goes through a folder once: files go, folders are brought up into `top`, and those that lie there are emptied. Returns whether there was
/// anything.
fn empty(folder: &OwnedFd, top: &OwnedFd) -> io::Result<bool> {
    let is_top = folder.as_raw_fd() == top.as_raw_fd();
    // From here on its maker cannot get into it, where we may say so.
    let _ = rustix::fs::fchown(folder, Some(rustix::process::geteuid()), None);
    let _ = rustix::fs::fchmod(folder, Mode::RWXU);
    let mut any = false;
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if matches!(name.as_bytes(), b"." | b"..") {
            continue;
        }
        any = true;
        match unlinkat(folder, name, AtFlags::empty()) {
            // Linux says the first of a folder, POSIX the second.
            Err(Errno::ISDIR | Errno::PERM) => {}
            other => {
                gone(other)?;
                continue;
            }
        }
        match unlinkat(folder, name, AtFlags::REMOVEDIR) {
            Err(Errno::NOTEMPTY | Errno::EXIST) if is_top => {
                match rustix::fs::openat(folder, name, A_FOLDER, Mode::empty()) {
                    Ok(inner) => empty(&inner, top).map(drop)?,
                    Err(error) => gone(Err(error))?,
                }
                match unlinkat(folder, name, AtFlags::REMOVEDIR) {
                    // The next time, then.
                    Err(Errno::NOTEMPTY | Errno::EXIST) => {}
                    other => gone(other)?,
                }
            }
            Err(Errno::NOTEMPTY | Errno::EXIST) => {
                let new = format!(".{}", uuid::Uuid::new_v4());
                gone(rustix::fs::renameat(folder, name, top, &new))?;
            }
            other => gone(other)?,
        }
    }
    Ok(any)
}

/// What is not there has gone.
fn gone(outcome: Result<(), Errno>) -> io::Result<()> {
    match outcome {
        Err(Errno::NOENT) => Ok(()),
        other => Ok(other?),
    }
}

/// The digest of a file's bytes, and how many they are.
///
/// # Errors
/// Those of the file system.
pub fn digest(path: &Path) -> io::Result<(Digest, u64)> {
    let mut hasher = Hasher::default();
    let mut bytes = 0;
    let mut file = File::open(path)?;
    let mut buffer = [0; 64 << 10];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((hasher.finish(), bytes));
        }
        hasher.update(&buffer[..read]);
        bytes += read as u64;
    }
}

/// The last bytes of a file, at most `most`, and how long it is.
///
/// # Errors
/// Those of the file system.
pub fn tail(path: &Path, most: u64) -> io::Result<(Vec<u8>, u64)> {
    use std::io::{Seek, SeekFrom};
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok((bytes, length))
}

/// Keeps of a file that is ours its last bytes, at most `most`, and says how long it was.
///
/// # Errors
/// Those of the file system.
pub fn cut_to_tail(path: &Path, most: u64) -> io::Result<u64> {
    let (bytes, length) = tail(path, most)?;
    if length > most {
        fs::write(path, bytes)?;
    }
    Ok(length)
}

/// How many bytes the file system of a path has free for us.
///
/// # Errors
/// Those of the file system.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_file_is_touched_only_when_its_bytes_differ() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/er/page.html");
        assert!(replace_if_changed(&path, b"one", 0o644).expect("written"));
        assert!(!replace_if_changed(&path, b"one", 0o644).expect("looked at"));
        assert!(replace_if_changed(&path, b"two", 0o644).expect("written"));
        assert_eq!(fs::read(&path).expect("read"), b"two");
        assert_eq!(fs::metadata(&path).expect("stat").permissions().mode() & 0o777, 0o644);
        assert_eq!(fs::read_dir(path.parent().expect("parent")).expect("list").count(), 1, "no temporary file is left");
    }

    #[test]
    fn two_versions_of_one_size_differ_in_their_second() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("page.html");
        let mut seconds = Vec::new();
        for text in ["one", "two", "ten", "a longer one"] {
            replace(&path, text.as_bytes(), 0o644).expect("written");
            seconds.push(fs::metadata(&path).expect("stat").mtime());
        }
        assert!(seconds[0] < seconds[1] && seconds[1] < seconds[2], "{seconds:?}");
        assert_eq!(seconds[3], seconds[2], "a size of its own says enough, and no time goes back");
    }

    #[test]
    fn a_new_file_is_never_written_over_another() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("new");
        assert!(create(&path, b"one", 0o640).expect("written"));
        assert!(!create(&path, b"two", 0o644).expect("looked at"));
        assert_eq!(fs::read(&path).expect("read"), b"one");
        assert_eq!(fs::metadata(&path).expect("stat").permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder.path()).expect("list").count(), 1, "no temporary file is left");
    }

    #[test]
    fn what_a_killed_writer_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let deep = folder.path().join("s/one");
        fs::create_dir_all(&deep).expect("made");
        for name in ["index.html", ".podium-a1B2c3"] {
            fs::write(deep.join(name), "x").expect("written");
        }
        remove_temporary(folder.path(), 3).expect("removed");
        let left: Vec<_> = fs::read_dir(&deep).expect("list").map(|entry| entry.expect("entry").file_name()).collect();
        assert_eq!(left, ["index.html"]);
    }

    #[test]
    fn a_tail_is_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out");
        fs::write(&path, "0123456789").expect("written");
        assert_eq!(tail(&path, 3).expect("read"), (b"789".to_vec(), 10));
        assert_eq!(tail(&path, 30).expect("read"), (b"0123456789".to_vec(), 10));
        assert_eq!(cut_to_tail(&path, 10).expect("cut"), 10);
        assert_eq!(cut_to_tail(&path, 4).expect("cut"), 10);
        assert_eq!(fs::read(&path).expect("read"), b"6789");
    }
}
