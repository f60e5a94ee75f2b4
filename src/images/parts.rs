//! An image as it lies on this machine, part by part: the files of a folder, or the entries of a tar.
//!
//! Folder and tar may be a stranger's: no link of theirs is followed out of them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use tar::{Archive, EntryType};

use super::ImageError;
use super::recipe::LONGEST_DOCUMENT;
use crate::core::digest::Digest;

/// Where the parts are.
#[derive(Debug)]
pub(super) enum Parts {
    /// Files of a folder.
    Folder(OwnedFd),
    /// Entries of a tar that is not compressed.
    Tar(Arc<File>, BTreeMap<PathBuf, Part>),
    /// One part only, whatever its name: the file itself.
    Whole(Arc<File>),
}

/// Where an entry of a tar is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// Where its bytes begin, and how many they are.
    At(u64, u64),
    /// The same bytes as another entry's.
    Link(PathBuf),
}

/// More entries than an archive of an image has: with more it is the tar of a root folder.
const MOST_PARTS: usize = 50_000;

impl Parts {
    /// The files of a folder.
    ///
    /// # Errors
    /// Those of opening it.
    pub(super) fn of_folder(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self::Folder(rustix::fs::openat(CWD, path, flags, Mode::empty())?))
    }

    /// The entries of a tar; `None` if there are more than an archive of an image has.
    ///
    /// # Errors
    /// It is not a tar.
    pub(super) fn of_tar(file: &Arc<File>) -> io::Result<Option<Self>> {
        let mut index = BTreeMap::new();
        let mut archive = Archive::new(At { file: Arc::clone(file), next: 0, end: u64::MAX });
        // Raw: an archive of an image has no name that is long enough for a note before it.
        for entry in archive.entries_with_seek()?.raw(true) {
            let entry = entry?;
            let header = entry.header();
            let name = plain(&header.path_bytes());
            let part = match header.entry_type() {
                EntryType::Regular | EntryType::Continuous => Part::At(entry.raw_file_position(), header.entry_size()?),
                EntryType::Symlink | EntryType::Link => {
                    let target = header.link_name_bytes().unwrap_or_default();
                    let target = Path::new(OsStr::from_bytes(&target)).to_owned();
                    // A hard link says where from the top, the other where from its own folder.
                    let from = if header.entry_type() == EntryType::Link {
                        None
                    } else {
                        name.as_ref().and_then(|name| name.parent())
                    };
                    match lexical(&from.unwrap_or(Path::new("")).join(target)) {
                        Some(target) => Part::Link(target),
                        None => continue,
                    }
                }
                _ => continue,
            };
            if index.len() >= MOST_PARTS {
                return Ok(None);
            }
            if let Some(name) = name {
                index.insert(name, part);
            }
        }
        Ok(Some(Self::Tar(Arc::clone(file), index)))
    }

    /// Whether there is a file of that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.open(name).is_ok()
    }

    /// A part, from its beginning, and its length.
    ///
    /// # Errors
    /// There is none of that name.
    pub(super) fn open(&self, name: &str) -> io::Result<(Box<dyn Read + Send>, u64)> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, format!("there is no {name} in it"));
        match self {
            Self::Folder(folder) => {
                let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let within = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
                let file = rustix::fs::openat2(folder, name, flags, Mode::empty(), within)
                    .map_err(|error| io::Error::new(io::Error::from(error).kind(), format!("{name}: {error}")))?;
                let file = File::from(file);
                let meta = file.metadata()?;
                if !meta.is_file() {
                    return Err(missing());
                }
                let length = meta.len();
                Ok((Box::new(file), length))
            }
            Self::Tar(file, index) => {
                let mut name = PathBuf::from(name);
                // A link may lead to a link; a few times, and not in a circle.
                for _ in 0..4 {
                    match index.get(&name).ok_or_else(missing)? {
                        Part::Link(to) => name.clone_from(to),
                        Part::At(at, length) => {
                            let end = at.saturating_add(*length);
                            return Ok((Box::new(At { file: Arc::clone(file), next: *at, end }), *length));
                        }
                    }
                }
                Err(missing())
            }
            Self::Whole(file) => {
                let length = file.metadata()?.len();
                Ok((Box::new(At { file: Arc::clone(file), next: 0, end: u64::MAX }), length))
            }
        }
    }

    /// A document among the parts, whole.
    ///
    /// # Errors
    /// It is not there, or too long to be one.
    pub(super) fn document(&self, name: &str) -> Result<Vec<u8>, ImageError> {
        let (part, _) = self.open(name).map_err(|error| ImageError::Refused(format!("it is not whole: {error}")))?;
        let mut bytes = Vec::new();
        part.take(LONGEST_DOCUMENT + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| ImageError::Refused(format!("{name} cannot be read: {error}")))?;
        if bytes.len() as u64 > LONGEST_DOCUMENT {
            return Err(ImageError::Refused(format!("{name} is longer than {} MiB", LONGEST_DOCUMENT >> 20)));
        }
        Ok(bytes)
    }

    /// The same for a blob of a layout, which is what its name says.
    ///
    /// # Errors
    /// As above, and when it is something else.
    pub(super) fn blob(&self, digest: Digest) -> Result<Vec<u8>, ImageError> {
        let bytes = self.document(&blob(digest))?;
        let found = Digest::of(&bytes);
        if found != digest { Err(ImageError::damaged("a document of it", digest, found)) } else { Ok(bytes) }
    }
}

/// The name of a blob in a layout.
pub(super) fn blob(digest: Digest) -> String {
    format!("blobs/sha256/{digest}")
}

fn plain(name: &[u8]) -> Option<PathBuf> {
    lexical(Path::new(OsStr::from_bytes(name)))
}

/// A path below the top, without `.` and `..`; `None` where it leads out.
fn lexical(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => plain.push(name),
            Component::ParentDir if plain.pop() => {}
            Component::ParentDir => return None,
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Some(plain)
}

/// A stretch of a file, read without moving anybody else's place in it.
struct At {
    file: Arc<File>,
    next: u64,
    end: u64,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.end.saturating_sub(self.next)).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read_at(&mut buffer[..most], self.next)?;
        self.next += read as u64;
        Ok(read)
    }
}

impl io::Seek for At {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        let next = match to {
            io::SeekFrom::Start(at) => Some(at),
            io::SeekFrom::Current(by) => self.next.checked_add_signed(by),
            io::SeekFrom::End(by) => self.file.metadata()?.len().checked_add_signed(by),
        };
        self.next = next.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tar::{Builder, Header};

    fn archive(entries: &[(&str, EntryType, &str)]) -> Parts {
        let mut builder = Builder::new(tempfile::tempfile().expect("a file"));
        for (name, kind, text) in entries {
            let mut header = Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(0o644);
            if *kind == EntryType::Regular {
                header.set_size(text.len() as u64);
                builder.append_data(&mut header, name, text.as_bytes()).expect("added");
            } else {
                header.set_size(0);
                builder.append_link(&mut header, name, text).expect("added");
            }
        }
        let file = Arc::new(builder.into_inner().expect("ended"));
        Parts::of_tar(&file).expect("a tar").expect("few")
    }

    #[test]
    fn a_tar_is_read_by_name_and_its_links_stay_in_it() {
        let parts = archive(&[
            ("./one/layer.tar", EntryType::Regular, "first"),
            ("two/layer.tar", EntryType::Symlink, "../one/layer.tar"),
            ("out", EntryType::Symlink, "../../etc/passwd"),
            ("absolute", EntryType::Symlink, "/etc/passwd"),
            ("circle", EntryType::Symlink, "circle"),
            ("manifest.json", EntryType::Regular, "[]"),
        ]);
        assert_eq!(parts.document("two/layer.tar").expect("there"), b"first");
        assert_eq!(parts.document("manifest.json").expect("there"), b"[]");
        for name in ["out", "absolute", "circle", "../one/layer.tar", "nothing"] {
            assert!(!parts.has(name), "{name}");
        }
    }

    #[test]
    fn a_folder_is_read_by_name_and_its_links_stay_in_it() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("inside"), "in").expect("written");
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("absolute")).expect("linked");
        std::os::unix::fs::symlink("inside", folder.path().join("link")).expect("linked");
        let parts = Parts::of_folder(folder.path()).expect("open");
        assert_eq!(parts.document("link").expect("there"), b"in");
        for name in ["absolute", "../inside", ".", "/etc/passwd"] {
            assert!(!parts.has(name), "{name}");
        }
    }

    #[test]
    fn what_is_no_tar_is_an_error() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), vec![b'x'; 4096]).expect("written");
        assert!(Parts::of_tar(&Arc::new(File::open(file.path()).expect("open"))).is_err());
    }
}
