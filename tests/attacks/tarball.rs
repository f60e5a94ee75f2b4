//! Tars that no honest program writes: entry by entry, with whatever names, links and modes they are given.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{EntryType, Header};

/// One that is being written. Without its end mark, so that it can be appended to.
#[derive(Debug, Clone, Default)]
pub struct Tarball(Vec<u8>);

impl Tarball {
    /// Goes on behind the entries of a whole one.
    pub fn behind(whole: &[u8]) -> Self {
        // What follows the last entry is zeros.
        let end = whole.chunks(512).rposition(|block| block.iter().any(|byte| *byte != 0)).map_or(0, |last| last + 1);
        Self(whole[..(512 * end).min(whole.len())].to_vec())
    }

    /// An entry of any kind. A name or link that is too long for a header stands in entries before it, as GNU has it.
    #[must_use]
    pub fn entry(mut self, kind: EntryType, name: impl AsRef<[u8]>, link: &str, mode: u32, bytes: &[u8]) -> Self {
        let name = name.as_ref();
        if name.len() > 100 {
            self = self.header(EntryType::GNULongName, b"././@LongLink", "", 0, name.len() + 1);
            self.0.extend(name);
            self.0.push(0);
            self.pad();
        }
        self = self.header(kind, &name[..name.len().min(100)], link, mode, bytes.len());
        self.0.extend(bytes);
        self.pad();
        self
    }

    #[must_use]
    pub fn file(self, name: impl AsRef<[u8]>, text: &str) -> Self {
        self.entry(EntryType::Regular, name, "", 0o644, text.as_bytes())
    }

    #[must_use]
    pub fn folder(self, name: impl AsRef<[u8]>, mode: u32) -> Self {
        self.entry(EntryType::Directory, name, "", mode, b"")
    }

    #[must_use]
    pub fn symlink(self, name: &str, to: &str) -> Self {
        self.entry(EntryType::Symlink, name, to, 0o777, b"")
    }

    #[must_use]
    pub fn hard_link(self, name: &str, to: &str) -> Self {
        self.entry(EntryType::Link, name, to, 0o644, b"")
    }

    /// A note before the next entry, as POSIX has it.
    #[must_use]
    pub fn note(self, key: &str, value: &str) -> Self {
        // The length counts itself.
        let rest = format!(" {key}={value}\n");
        let length = (1..).find(|length| format!("{length}{rest}").len() == *length).expect("some length fits");
        self.entry(EntryType::XHeader, "note", "", 0o644, format!("{length}{rest}").as_bytes())
    }

    /// The bytes so far.
    pub fn cut(self) -> Vec<u8> {
        self.0
    }

    /// The whole, with its end mark.
    pub fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }

    fn header(mut self, kind: EntryType, name: &[u8], link: &str, mode: u32, size: usize) -> Self {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(1_000_000_000);
        header.set_size(size as u64);
        header.set_cksum();
        self.0.extend(header.as_bytes());
        self
    }

    fn pad(&mut self) {
        self.0.resize(self.0.len().next_multiple_of(512), 0);
    }
}

/// Compressed.
pub fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).and_then(|()| packer.finish()).expect("into memory")
}

/// A compressed tar of files of zeros, never held uncompressed.
pub fn bomb(files: usize, mib: usize) -> Vec<u8> {
    let zeros = vec![0; 1 << 20];
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    for number in 0..files {
        let header =
            Tarball::default().header(EntryType::Regular, format!("bomb-{number}").as_bytes(), "", 0o644, mib << 20);
        packer.write_all(&header.cut()).expect("into memory");
        for _ in 0..mib {
            packer.write_all(&zeros).expect("into memory");
        }
    }
    packer.write_all(&[0; 1024]).and_then(|()| packer.finish()).expect("into memory")
}
