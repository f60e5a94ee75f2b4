//! The lines of a log that was read, one of them again at a time: where each begins is all that is kept in memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

use super::{Damage, text};
use crate::core::details::{Details, Unreadable};
use crate::core::digest::Digest;
use crate::core::record::{Header, Record};

/// Where the lines of a log are.
#[derive(Debug, Default)]
pub struct Lines {
    /// A descriptor of its own; `None` without a log.
    file: Option<File>,
    /// Where each line begins, in bytes; the first is line 1.
    begins: Vec<u64>,
    /// Where the last one ends.
    end: u64,
    /// The digest of the last one.
    head: Option<Digest>,
    damage: OnceLock<Unreadable>,
}

/// Why a line cannot be had.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("there is none of this number")]
    None,
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Damaged(#[from] Damage),
}

impl Lines {
    /// Those of a file, of which none was read yet.
    pub(super) fn of(file: Option<File>) -> Self {
        Self { file, ..Self::default() }
    }

    /// The next line: its digest, and where it ends, its newline with it.
    pub(super) fn push(&mut self, digest: Digest, end: u64) {
        self.begins.push(self.end);
        self.end = end;
        self.head = Some(digest);
    }

    /// The newline that the last one lacked is there now.
    pub(super) fn close(&mut self, end: u64) {
        self.end = end;
    }

    /// The first line that was asked for and was not there any more as it had been.
    #[must_use]
    pub fn damage(&self) -> Option<&Unreadable> {
        self.damage.get()
    }

    /// A line that its hash says to be what was written: the hash is in the line after it, that of the last line in memory.
    fn read(&self, line: u64) -> Result<Record, Lost> {
        let bytes = self.bytes(line)?;
        let next = if self.begins.len() as u64 > line { Some(self.bytes(line + 1)?) } else { None };
        let told = match &next {
            Some(next) => Header::from_line(text(next)?).map(|header| header.prev).map_err(Damage::from)?,
            None => self.head.ok_or(Lost::None)?,
        };
        if Digest::of(&bytes) != told {
            return Err(Damage::Changed.into());
        }
        let record = Record::from_line(text(&bytes)?).map_err(Damage::from)?;
        match record.header.seq {
            seq if seq == line => Ok(record),
            found => Err(Damage::Sequence { found, wanted: line }.into()),
        }
    }

    /// The bytes of a line, without its newline.
    fn bytes(&self, line: u64) -> Result<Vec<u8>, Lost> {
        let place = usize::try_from(line).ok().and_then(|line| line.checked_sub(1)).ok_or(Lost::None)?;
        let (file, begin) = self.file.as_ref().zip(self.begins.get(place)).ok_or(Lost::None)?;
        let end = self.begins.get(place + 1).unwrap_or(&self.end);
        let mut bytes = vec![0; usize::try_from(end - begin).map_err(|_| Lost::None)?];
        file.read_exact_at(&mut bytes, *begin)?;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        Ok(bytes)
    }
}

impl Details for Lines {
    fn record(&self, line: u64) -> Result<Record, Unreadable> {
        self.read(line).map_err(|error| {
            let error = Unreadable { line, why: error.to_string() };
            if self.damage.set(error.clone()).is_ok() {
                tracing::error!("{error}: what it is about is not shown; stop the daemon and see `podium verify`");
            }
            error
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::Number;
    use crate::core::record::{CaseResult, Event, Judged, VERSION};
    use crate::core::score::Score;
    use crate::core::verdict::Verdict;
    use crate::journal::{Journal, load};
    use chrono::DateTime;
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    /// A journal of so many judgings, one after the other.
    fn journal(lines: u64) -> (tempfile::TempDir, PathBuf, Journal) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log.jsonl");
        let (mut journal, _) = Journal::open(&path).expect("opened");
        let mut prev = Digest::ZERO;
        for seq in 1..=lines {
            let event = Event::Judged(judged(seq));
            let record = Record { header: Header { v: VERSION, seq, at: DateTime::UNIX_EPOCH, prev }, event };
            let line = record.to_line();
            prev = Digest::of(line.as_bytes());
            journal.append(&line).expect("appended");
        }
        (folder, path, journal)
    }

    fn judged(n: u64) -> Judged {
        let case = CaseResult {
            case: "one".parse().expect("a name"),
            verdict: Verdict::Accepted,
            score: Score::finite(1.0),
            cpu_seconds: 0.5,
            wall_seconds: 0.5,
            peak_memory_bytes: n,
            message: Some(format!("message {n}")),
            staff_message: None,
            metrics: BTreeMap::from([("moves".to_owned(), 3.5)]),
            output_sha256: None,
            files: Vec::new(),
        };
        Judged {
            submission: Number(n),
            id: format!("00000000-0000-4000-8000-{n:012}").parse().expect("an id"),
            user: "ann".parse().expect("a name"),
            attempt: 1,
            cases: vec![case],
            provenance: None,
            reused: None,
        }
    }

    #[test]
    fn every_line_is_had_again_whether_it_was_read_or_written() {
        let (_folder, path, journal) = journal(20);
        let (_, read) = load(&path).expect("read");
        for seq in 1..=20 {
            assert_eq!(journal.judged(seq).expect("written"), judged(seq));
            assert_eq!(read.judged(seq).expect("read"), judged(seq));
        }
        for seq in [0, 21, u64::MAX] {
            assert!(read.judged(seq).is_err(), "{seq}");
        }
    }

    #[test]
    fn a_line_that_is_not_what_it_was_is_told_and_not_shown() {
        for (damaged, lost) in [(2, vec![2]), (20, vec![20])] {
            let (_folder, path, journal) = journal(20);
            assert!(journal.judged(damaged).is_ok() && journal.damage().is_none());
            // The same number of bytes, and good JSON.
            let text = std::fs::read_to_string(&path).expect("read");
            let place = text.find(&format!("message {damaged}\"")).expect("there") as u64;
            let file = std::fs::OpenOptions::new().write(true).open(&path).expect("opened");
            file.write_all_at(b"massage", place).expect("changed");
            for seq in 1..=20 {
                assert_eq!(journal.judged(seq).is_err(), lost.contains(&seq), "line {seq} after a change in {damaged}");
            }
            let told = journal.damage().expect("told");
            assert_eq!(told.line, damaged);
            assert!(told.to_string().contains("changed"), "{told}");
        }
    }

    #[test]
    fn a_line_whose_next_one_is_gone_is_not_shown() {
        let (_folder, path, journal) = journal(3);
        let whole = std::fs::metadata(&path).expect("there").len();
        std::fs::OpenOptions::new().write(true).open(&path).expect("opened").set_len(whole - 10).expect("cut");
        assert!(journal.judged(1).is_ok() && journal.judged(2).is_err() && journal.judged(3).is_err());
    }
}
