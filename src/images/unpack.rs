//! From the tars of an image, which are a stranger's, to a folder: nothing is ever written outside of it.
//!
//! Every path is looked up by the kernel as if the folder were the root of everything, so no link leads out. What could
//! be of harm on the host, or of no use in a sandbox, is not made at all: devices, pipes, sockets, setuid bits, other
//! owners, extended attributes.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps};
use rustix::io::Errno;
use tar::{Archive, EntryType, Header, PaxExtensions};

use crate::files;

/// How much an image may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caps {
    /// Bytes of all its layers, unpacked.
    pub(super) bytes: u64,
    /// Entries of all its layers.
    pub(super) entries: u64,
    /// Folders above a file.
    pub(super) depth: usize,
    /// Bytes that the file system keeps free.
    pub(super) free: u64,
}

/// Several times what the largest images of languages are.
pub(super) const CAPS: Caps = Caps { bytes: 32 << 30, entries: 2_000_000, depth: 100, free: 512 << 20 };

/// The longest name or note of an entry that is read into memory, in bytes: the kernel takes no path of more than 4096.
const LONGEST_NOTE: u64 = 64 << 10;
/// How a layer says that something of those below it is gone, and that everything in a folder is.
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// What was seen to be free is believed for so many bytes: others write to the disk, too.
const LOOK_AGAIN: u64 = 4 << 20;

/// What a file system has left, looked at every now and then: an image that fills the disk would stop the competition.
#[derive(Debug)]
pub(super) struct Room {
    path: PathBuf,
    free: u64,
    /// Bytes that may be written before it is looked again.
    granted: u64,
}

impl Room {
    /// On the file system of this path, of which so many bytes stay free.
    pub(super) fn new(path: &Path, free: u64) -> Self {
        // The first look is at the first byte.
        Self { path: path.to_owned(), free, granted: 0 }
    }

    /// So many files and folders there are: the file system may have no more of them, for all its bytes.
    ///
    /// # Errors
    /// There is no room for more.
    fn has(&self, entries: u64) -> io::Result<()> {
        const LOOK_AGAIN: u64 = 4096;
        const FREE: u64 = 50_000;
        if self.free > 0 && entries.is_multiple_of(LOOK_AGAIN) {
            let stat = rustix::fs::statvfs(&self.path)?;
            // A file system that makes them as they are wanted says that it has none at all.
            if stat.f_files > 0 && stat.f_favail < FREE {
                return Err(io::Error::new(io::ErrorKind::StorageFull, "there is no room on the disk for its files"));
            }
        }
        Ok(())
    }

    /// Whether so many bytes can be written and what is to stay free does. Returns what can be written.
    ///
    /// # Errors
    /// They cannot.
    fn spare(&self, bytes: u64) -> io::Result<u64> {
        let spare = files::free_bytes(&self.path)?.saturating_sub(self.free);
        if bytes > spare {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "there is no room on the disk for it"));
        }
        Ok(spare)
    }

    /// So many bytes more are about to be written.
    ///
    /// # Errors
    /// There is no room for them.
    pub(super) fn take(&mut self, bytes: u64) -> io::Result<()> {
        if bytes > self.granted {
            self.granted = self.spare(bytes)?.min(LOOK_AGAIN.max(bytes));
        }
        self.granted -= bytes;
        Ok(())
    }
}

/// A file that is written for as long as there is room.
struct Bounded<'a> {
    file: &'a File,
    room: &'a mut Room,
}

impl Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.room.take(bytes.len() as u64)?;
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A folder that becomes the root of an image, layer by layer.
pub(super) struct Root {
    folder: OwnedFd,
    room: Room,
    /// Folders above it.
    above: usize,
    caps: Caps,
    /// Bytes of files and entries so far.
    pub(super) bytes: u64,
    pub(super) entries: u64,
    layers: usize,
    /// The inodes that the present layer has made: its own whiteouts are not about them.
    own: BTreeSet<u64>,
}

/// The name of an entry, taken apart, and the folder that it lies in.
struct Place {
    folder: OwnedFd,
    name: Vec<u8>,
}

fn refuse(why: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_string())
}

fn shown(path: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(&path[..path.len().min(200)]))
}

impl Root {
    /// An empty folder.
    ///
    /// # Errors
    /// Those of opening it.
    pub(super) fn new(path: &Path, caps: Caps) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
        Ok(Self {
            above: depth(&folder)?,
            folder,
            room: Room::new(path, caps.free),
            caps,
            bytes: 0,
            entries: 0,
            layers: 0,
            own: BTreeSet::new(),
        })
    }

    /// Unpacks a tar over what is there. It is read up to its end mark, and not beyond.
    ///
    /// # Errors
    /// It is damaged, tries to leave the folder, or is too much.
    pub(super) fn unpack(&mut self, tar: impl Read) -> io::Result<()> {
        self.own.clear();
        self.layers += 1;
        let mut archive = Archive::new(tar);
        // Raw: what stands before an entry and describes it is read here, for the reader of the crate would read notes
        // of any length into memory.
        let (mut name, mut link, mut notes) = (None, None, None);
        for entry in archive.entries()?.raw(true) {
            let mut entry = entry?;
            self.count()?;
            let header = entry.header().clone();
            let kind = header.entry_type();
            let note = match kind {
                EntryType::GNULongName => &mut name,
                EntryType::GNULongLink => &mut link,
                EntryType::XHeader => &mut notes,
                EntryType::XGlobalHeader => continue,
                _ => {
                    let described = Described::new(&header, name.take(), link.take(), notes.take())?;
                    self.entry(kind, &header, &described, &mut entry)?;
                    continue;
                }
            };
            let size = header.entry_size()?;
            if size > LONGEST_NOTE {
                return Err(refuse(format!("an entry's name is {size} bytes long")));
            }
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            *note = Some(bytes);
        }
        Ok(())
    }

    fn count(&mut self) -> io::Result<()> {
        self.entries += 1;
        if self.entries > self.caps.entries {
            return Err(refuse(format!("it has more than {} entries", self.caps.entries)));
        }
        self.room.has(self.entries)
    }

    fn entry(
        &mut self,
        kind: EntryType,
        header: &Header,
        described: &Described,
        data: &mut impl Read,
    ) -> io::Result<()> {
        let parts = self.parts(&described.name)?;
        let Some((last, above)) = parts.split_last() else {
            // The root itself. Its rights are ours: a sandbox has to get in.
            return Ok(());
        };
        if let Some(gone) = last.strip_prefix(WHITEOUT) {
            return self.white_out(above, last, gone);
        }
        let place = Place { folder: self.folder(above)?, name: last.clone() };
        let mode = Mode::from_raw_mode(header.mode()? & 0o777);
        match kind {
            EntryType::Directory => self.make_folder(&place, mode, described.time),
            EntryType::Regular | EntryType::Continuous => self.make_file(&place, mode, described, data),
            EntryType::Symlink => {
                self.clear(&place)?;
                let target = OsStr::from_bytes(&described.link);
                rustix::fs::symlinkat(target, &place.folder, OsStr::from_bytes(&place.name))?;
                self.remember(&place)
            }
            EntryType::Link => self.make_hard_link(&place, &described.link),
            EntryType::GNUSparse => {
                Err(refuse(format!("{} is a sparse file; make the tar without --sparse", shown(&described.name))))
            }
            // Devices, pipes, and what nobody knows: of no use in a sandbox.
            _ => Ok(()),
        }
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", shown(&described.name))))
    }

    /// The components of a path below the root.
    fn parts(&self, path: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        let mut parts = Vec::new();
        for component in Path::new(OsStr::from_bytes(path)).components() {
            match component {
                Component::Normal(name) => parts.push(name.as_bytes().to_vec()),
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
                Component::ParentDir => return Err(refuse(format!("{} leads out of the image", shown(path)))),
            }
        }
        if parts.len() > self.caps.depth {
            return Err(refuse(format!("{} lies deeper than {} folders", shown(path), self.caps.depth)));
        }
        if parts.iter().any(|part| part.contains(&0)) {
            return Err(refuse(format!("{} holds a NUL byte", shown(path))));
        }
        Ok(parts)
    }

    /// Looks a path up as if the folder were the root of everything: no link and no `..` leads out of it.
    fn look_up(&self, path: &[u8]) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let within = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
        let found = rustix::fs::openat2(&self.folder, OsStr::from_bytes(path), flags, Mode::empty(), within)?;
        // Link by link a path gets deeper than any name in the tar, and too deep to be removed again.
        if depth(&found)? > self.above + self.caps.depth { Err(Errno::NAMETOOLONG) } else { Ok(found) }
    }

    /// The folder of these components, made where it is missing.
    fn folder(&mut self, parts: &[Vec<u8>]) -> io::Result<OwnedFd> {
        if parts.is_empty() {
            return self.folder.try_clone();
        }
        match self.look_up(&parts.join(&b'/')) {
            Err(Errno::NOENT) => {}
            found => return found.map_err(|error| refuse(format!("{}: {error}", shown(&parts.join(&b'/'))))),
        }
        let mut folder = self.folder.try_clone()?;
        for end in 1..=parts.len() {
            let path = parts[..end].join(&b'/');
            folder = match self.look_up(&path) {
                Err(Errno::NOENT) => {
                    let name = OsStr::from_bytes(&parts[end - 1]);
                    rustix::fs::mkdirat(&folder, name, Mode::from_raw_mode(0o755))
                        .map_err(|error| refuse(format!("{}: {error}", shown(&path))))?;
                    self.count()?;
                    self.look_up(&path)?
                }
                found => found.map_err(|error| refuse(format!("{}: {error}", shown(&path))))?,
            };
        }
        Ok(folder)
    }

    /// What lies at a place itself, without following it.
    fn found(place: &Place) -> io::Result<Option<rustix::fs::Stat>> {
        match rustix::fs::statat(&place.folder, OsStr::from_bytes(&place.name), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes whatever lies at a place.
    fn clear(&mut self, place: &Place) -> io::Result<()> {
        let Some(stat) = Self::found(place)? else { return Ok(()) };
        let name = OsStr::from_bytes(&place.name);
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            // Follows no link below it either.
            fs::remove_dir_all(Path::new(&format!("/proc/self/fd/{}", place.folder.as_raw_fd())).join(name))
        } else {
            Ok(rustix::fs::unlinkat(&place.folder, name, AtFlags::empty())?)
        }
    }

    /// In the lowest layer there is nothing that a whiteout could be about.
    fn remember(&mut self, place: &Place) -> io::Result<()> {
        if self.layers > 1
            && let Some(stat) = Self::found(place)?
        {
            self.own.insert(stat.st_ino);
        }
        Ok(())
    }

    fn make_folder(&mut self, place: &Place, mode: Mode, time: i64) -> io::Result<()> {
        let name = OsStr::from_bytes(&place.name);
        let is_folder = |stat: &rustix::fs::Stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        if !Self::found(place)?.as_ref().is_some_and(is_folder) {
            self.clear(place)?;
            rustix::fs::mkdirat(&place.folder, name, Mode::RWXU)?;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(&place.folder, name, flags, Mode::empty())?;
        // Whoever unpacks into it and removes it again must be able to.
        rustix::fs::fchmod(&folder, mode | Mode::RWXU)?;
        set_time(&folder, time)?;
        self.remember(place)
    }

    fn make_file(&mut self, place: &Place, mode: Mode, described: &Described, data: &mut impl Read) -> io::Result<()> {
        // A few bytes of a compressed layer can say that they are a terabyte: neither bound waits until that is written.
        self.bytes = self.bytes.saturating_add(described.size);
        if self.bytes > self.caps.bytes {
            return Err(refuse(format!("unpacked it is more than {} MiB", self.caps.bytes >> 20)));
        }
        self.room.spare(described.size)?;
        self.clear(place)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&place.folder, OsStr::from_bytes(&place.name), flags, Mode::RUSR | Mode::WUSR)?;
        let file = File::from(file);
        let copied = io::copy(data, &mut Bounded { file: &file, room: &mut self.room })?;
        if copied != described.size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        rustix::fs::fchmod(&file, mode)?;
        set_time(&file, described.time)?;
        self.remember(place)
    }

    fn make_hard_link(&mut self, place: &Place, target: &[u8]) -> io::Result<()> {
        let parts = self.parts(target)?;
        let Some((last, above)) = parts.split_last() else { return Err(refuse("it is a link to the root")) };
        let missing = || refuse(format!("it is a link to {}, which is not there", shown(target)));
        let folder = if above.is_empty() {
            self.folder.try_clone()?
        } else {
            self.look_up(&above.join(&b'/')).map_err(|_| missing())?
        };
        let target = Place { folder, name: last.clone() };
        let stat = Self::found(&target)?.ok_or_else(missing)?;
        if !matches!(FileType::from_raw_mode(stat.st_mode), FileType::RegularFile | FileType::Symlink) {
            return Err(refuse("it is a link to something that is no file"));
        }
        if Self::found(place)?.is_some_and(|at| at.st_ino == stat.st_ino) {
            return Ok(());
        }
        self.clear(place)?;
        // The link itself, where it is one.
        rustix::fs::linkat(
            &target.folder,
            OsStr::from_bytes(&target.name),
            &place.folder,
            OsStr::from_bytes(&place.name),
            AtFlags::empty(),
        )?;
        self.remember(place)
    }

    /// Removes what the layers below have at a path, or in a folder.
    fn white_out(&mut self, above: &[Vec<u8>], last: &[u8], gone: &[u8]) -> io::Result<()> {
        let folder = match self.look_up(&if above.is_empty() { b".".to_vec() } else { above.join(&b'/') }) {
            Ok(folder) => folder,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if last == OPAQUE {
            return self.clear_below(&folder, 0);
        }
        // Notes of a file system that nobody has any more.
        if gone.starts_with(WHITEOUT) {
            return Ok(());
        }
        if gone.is_empty() || gone == b"." || gone == b".." {
            return Err(refuse(format!("{} is a whiteout of nothing in the image", shown(last))));
        }
        self.clear_lower(&Place { folder, name: gone.to_vec() }, 0).map(|_| ())
    }

    /// Removes everything in a folder that is not of the present layer.
    fn clear_below(&mut self, folder: &OwnedFd, depth: usize) -> io::Result<()> {
        let open =
            rustix::fs::openat(folder, c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&open)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(name);
            }
        }
        for name in names {
            self.clear_lower(&Place { folder: folder.try_clone()?, name }, depth + 1)?;
        }
        Ok(())
    }

    fn clear_lower(&mut self, place: &Place, depth: usize) -> io::Result<()> {
        let Some(stat) = Self::found(place)? else { return Ok(()) };
        if depth > self.caps.depth {
            return Err(refuse("it lies too deep"));
        }
        let name = OsStr::from_bytes(&place.name);
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            if !self.own.contains(&stat.st_ino) {
                rustix::fs::unlinkat(&place.folder, name, AtFlags::empty())?;
            }
            return Ok(());
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(&place.folder, name, flags, Mode::empty())?;
        self.clear_below(&folder, depth)?;
        if !self.own.contains(&stat.st_ino) {
            match rustix::fs::unlinkat(&place.folder, name, AtFlags::REMOVEDIR) {
                // Something of the present layer lies in it.
                Err(Errno::NOTEMPTY) => {}
                done => done?,
            }
        }
        Ok(())
    }
}

/// How many folders a folder lies in.
fn depth(folder: &OwnedFd) -> rustix::io::Result<usize> {
    let path = rustix::fs::readlink(format!("/proc/self/fd/{}", folder.as_raw_fd()), Vec::new())?;
    Ok(path.as_bytes().iter().filter(|byte| **byte == b'/').count())
}

/// An interpreter looks whether its compiled files are as old as their sources.
fn set_time(file: impl AsFd, seconds: i64) -> io::Result<()> {
    let time = Timespec { tv_sec: seconds.clamp(0, i64::from(u32::MAX)), tv_nsec: 0 };
    Ok(rustix::fs::futimens(file, &Timestamps { last_access: time, last_modification: time })?)
}

/// What is said of an entry, by its header and by the notes before it.
struct Described {
    name: Vec<u8>,
    link: Vec<u8>,
    size: u64,
    time: i64,
}

impl Described {
    fn new(header: &Header, name: Option<Vec<u8>>, link: Option<Vec<u8>>, notes: Option<Vec<u8>>) -> io::Result<Self> {
        let unterminated = |mut bytes: Vec<u8>| {
            if bytes.last() == Some(&0) {
                bytes.pop();
            }
            bytes
        };
        let mut described = Self {
            name: name.map_or_else(|| header.path_bytes().into_owned(), unterminated),
            link: link
                .map(unterminated)
                .or_else(|| header.link_name_bytes().map(|link| link.into_owned()))
                .unwrap_or_default(),
            size: header.entry_size()?,
            time: i64::try_from(header.mtime()?).unwrap_or(0),
        };
        for note in PaxExtensions::new(notes.as_deref().unwrap_or_default()) {
            let note = note?;
            let text = || note.value().map_err(|_| refuse("a note is no text"));
            match note.key_bytes() {
                b"path" => described.name = note.value_bytes().to_vec(),
                b"linkpath" => described.link = note.value_bytes().to_vec(),
                b"mtime" => {
                    described.time =
                        text()?.split('.').next().and_then(|whole| whole.parse().ok()).unwrap_or(described.time);
                }
                // The data is as long as the header says, or two readers see two archives.
                b"size" if text()?.parse() != Ok(described.size) => {
                    return Err(refuse(format!("{} is longer than a header can say", shown(&described.name))));
                }
                key if key.starts_with(b"GNU.sparse") => {
                    return Err(refuse(format!(
                        "{} is a sparse file; make the tar without --sparse",
                        shown(&described.name)
                    )));
                }
                _ => {}
            }
        }
        if described.name.is_empty() || described.link.contains(&0) {
            return Err(refuse("an entry has no name"));
        }
        Ok(described)
    }
}

#[cfg(test)]
mod tests;
