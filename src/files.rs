//! Files on disk: writing them whole or not at all, and telling one content from another.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use crate::core::digest::{Digest, Hasher};

/// What the names of files begin with that are on their way to another name.
const TEMPORARY: &str = ".podium-";

/// Removes what a writer that was killed left in a folder, and in those at most `depth` - 1 levels below it, under temporary names.
///
/// # Errors
/// Those of the file system.
pub fn remove_temporary(folder: &Path, depth: usize) -> io::Result<()> {
    for entry in walkdir::WalkDir::new(folder).max_depth(depth).into_iter().flatten() {
        if entry.file_type().is_file() && entry.file_name().to_str().is_some_and(|name| name.starts_with(TEMPORARY)) {
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
    temporary.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// The same, only where the bytes differ. Returns whether they did.
///
/// # Errors
/// Those of the file system.
pub fn replace_if_changed(path: &Path, bytes: &[u8], mode: u32) -> io::Result<bool> {
    match fs::read(path) {
        Ok(old) if old == bytes => return Ok(false),
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
    match fs::remove_dir_all(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    private_folder(folder)
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
    }
}
