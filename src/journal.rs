//! The log on disk: results/log.jsonl. Appended to, synced, never rewritten.

mod lines;
mod reading;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::core::details::{Details, Unreadable};
use crate::core::digest::Digest;
use crate::core::history::History;
use crate::core::record::{BadLine, Record};
use crate::files;

pub use lines::Lines;
pub use reading::read;

/// The open log.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    length: u64,
    lines: Lines,
}

/// Why a log cannot be read, or not be written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system said no.
    #[error("failed to {doing} {path}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A line in the middle is no record: nobody but a human can say what became of it.
    #[error("{path}:{line} (byte {offset}) is damaged: {why}")]
    Damaged {
        /// The log.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// Where it begins, in bytes.
        offset: u64,
        /// What is wrong with it.
        why: Damage,
    },
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// It is no record.
    #[error(transparent)]
    BadLine(#[from] BadLine),
    /// It is not text.
    #[error("not UTF-8")]
    NotText,
    /// A line before it is missing, or it is out of place.
    #[error("its number is {found}, and has to be {wanted}")]
    Sequence {
        /// What it says.
        found: u64,
        /// What it has to say.
        wanted: u64,
    },
    /// The line before it is not the one that it was written after.
    #[error("the line before it was changed (its hash does not fit)")]
    Chain,
    /// It is not the one that it was, by its hash.
    #[error("it was changed (its hash does not fit)")]
    Changed,
}

/// What is not text is no record.
fn text(bytes: &[u8]) -> Result<&str, Damage> {
    std::str::from_utf8(bytes).map_err(|_| Damage::NotText)
}

/// The state that a log says, and its lines, without touching it.
///
/// # Errors
/// As [`read`].
pub fn load(path: &Path) -> Result<(History, Lines), JournalError> {
    let file = match File::open(path) {
        Ok(file) => Some(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(JournalError::Io { doing: "open", path: path.to_owned(), source }),
    };
    let (mut history, mut lines) = (History::default(), Lines::of(file));
    read(path, &mut |record, digest, end| {
        history.apply(record, digest);
        lines.push(digest, end);
    })?;
    Ok((history, lines))
}

impl Journal {
    /// Opens a log to be appended to, makes it if there is none, cuts a torn end off, and returns the state that it says.
    ///
    /// # Errors
    /// As [`read`], and those of the file system.
    pub fn open(path: &Path) -> Result<(Self, History), JournalError> {
        let io = |doing| move |source| JournalError::Io { doing, path: path.to_owned(), source };
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(io("open"))?;
        let (mut history, mut lines) = (History::default(), Lines::of(Some(File::open(path).map_err(io("open"))?)));
        let (whole, newline_missing) = read(path, &mut |record, digest, end| {
            history.apply(record, digest);
            lines.push(digest, end);
        })?;
        let length = file.metadata().map_err(io("stat"))?.len();
        let mut journal = Self { path: path.to_owned(), file, length, lines };
        if newline_missing {
            journal.write(b"\n")?;
            journal.lines.close(journal.length);
        } else if whole < length {
            tracing::warn!(
                bytes = length - whole,
                "the end of the log was torn by a crash and is cut off; what it was about is done again"
            );
            journal.file.set_len(whole).map_err(io("cut"))?;
            journal.length = whole;
        }
        journal.file.sync_all().map_err(io("sync"))?;
        files::sync_folder(path.parent().unwrap_or(Path::new("."))).map_err(io("sync the folder of"))?;
        Ok((journal, history))
    }

    /// Appends a line and syncs it. When this returns an error nobody can say whether the line is in the log, and the daemon has to end: its state may be
    /// ahead of the disk's.
    ///
    /// # Errors
    /// Those of the file system. After a failed sync nothing may be retried: the kernel may have dropped the very pages that it could
    /// not write (see "fsyncgate", `PostgreSQL` 2018).
    pub fn append(&mut self, line: &str) -> Result<(), JournalError> {
        let mut bytes = Vec::with_capacity(line.len() + 1);
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
        self.write(&bytes)?;
        self.lines.push(Digest::of(line.as_bytes()), self.length);
        Ok(())
    }

    /// The first line that was asked for and was not there any more as it had been.
    #[must_use]
    pub fn damage(&self) -> Option<&Unreadable> {
        self.lines.damage()
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), JournalError> {
        if let Err(source) = self.file.write_all(bytes) {
            // A full disk may take a part of a line: what is left must not look like damage later.
            if let Err(error) = self.file.set_len(self.length) {
                tracing::error!(%error, "a partly written line could not be cut off the log");
            }
            return Err(JournalError::Io { doing: "append to", path: self.path.clone(), source });
        }
        self.length += bytes.len() as u64;
        self.file.sync_data().map_err(|source| JournalError::Io { doing: "sync", path: self.path.clone(), source })
    }
}

impl Details for Journal {
    fn record(&self, line: u64) -> Result<Record, Unreadable> {
        self.lines.record(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::Board;
    use crate::core::record::{BoardChanged, Event, Header, VERSION};
    use chrono::DateTime;

    /// A log of `lines` board events.
    fn log(lines: u64) -> Vec<u8> {
        let (mut bytes, mut prev) = (Vec::new(), Digest::ZERO);
        for seq in 1..=lines {
            let state = if seq % 2 == 0 { Board::Closed } else { Board::Open };
            let header = Header { v: VERSION, seq, at: DateTime::UNIX_EPOCH, prev };
            let line = Record {
                header,
                event: Event::Board(BoardChanged { state, frozen: false, config_sha256: Digest::ZERO }),
            }
            .to_line();
            prev = Digest::of(line.as_bytes());
            bytes.extend(line.as_bytes());
            bytes.push(b'\n');
        }
        bytes
    }

    fn open(bytes: &[u8]) -> (tempfile::TempDir, Result<(Journal, History), JournalError>) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log.jsonl");
        std::fs::write(&path, bytes).expect("written");
        let opened = Journal::open(&path);
        (folder, opened)
    }

    #[test]
    fn a_log_cut_at_any_byte_loads_and_goes_on() {
        let whole = log(3);
        for cut in 0..=whole.len() {
            let (folder, opened) = open(&whole[..cut]);
            let (mut journal, history) = opened.unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
            // A line that lacks nothing but its newline is whole.
            let kept =
                whole[..cut].iter().filter(|b| **b == b'\n').count() + usize::from(whole.get(cut) == Some(&b'\n'));
            assert_eq!(history.head().map_or(0, |head| head.seq), kept as u64, "cut at {cut}");
            let next = log(kept as u64 + 1);
            let line = std::str::from_utf8(&next).expect("text").lines().last().expect("a line");
            journal.append(line).expect("appended");
            for seq in 1..=kept as u64 + 1 {
                assert_eq!(journal.record(seq).expect("it is there").header.seq, seq, "cut at {cut}");
            }
            assert_eq!(std::fs::read(folder.path().join("log.jsonl")).expect("read"), next);
        }
    }

    #[test]
    fn a_tail_of_zeros_is_cut_off() {
        let mut bytes = log(2);
        bytes.extend([0; 4096]);
        let (_folder, opened) = open(&bytes);
        assert_eq!(opened.expect("opened").1.head().map(|head| head.seq), Some(2));
    }

    #[test]
    fn damage_in_the_middle_stops_loudly_and_names_the_line() {
        let whole = log(4);
        let lines: Vec<&[u8]> = whole.split_inclusive(|b| *b == b'\n').collect();
        let edited =
            [lines[0], &String::from_utf8_lossy(lines[1]).replace("closed", "opened").into_bytes(), lines[2], lines[3]]
                .concat();
        let changed =
            [lines[0], &String::from_utf8_lossy(lines[1]).replace("closed", "open").into_bytes(), lines[2], lines[3]]
                .concat();
        let deleted = [lines[0], lines[2], lines[3]].concat();
        let inserted = [lines[0], lines[1], lines[1], lines[2]].concat();
        let swapped = [lines[0], lines[2], lines[1], lines[3]].concat();
        for (bytes, line) in [(edited, 2), (changed, 3), (deleted, 2), (inserted, 3), (swapped, 2)] {
            let (_folder, opened) = open(&bytes);
            match opened {
                Err(JournalError::Damaged { line: found, .. }) => assert_eq!(found, line),
                other => panic!("line {line}: {other:?}"),
            }
        }
    }
}
