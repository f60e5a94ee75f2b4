//! Reading a log from its beginning, with as many hands as there are cores: making records of lines takes nearly all of the time and needs no
//! order. Their chain is looked at in order, by one.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Scope};

use super::{Damage, JournalError};
use crate::core::digest::Digest;
use crate::core::record::Record;

/// Lines are handed out in pieces of about so many bytes: what is on its way at one time is all the memory that reading takes.
const PIECE: u64 = 256 << 10;
/// More hands than these would only wait for the one that takes the records.
const MOST_HANDS: usize = 4;
/// So many pieces are on their way to each hand: one in it, and the next.
const AHEAD: usize = 2;

/// Each record of a log, its line's digest, and where the line ends, its newline with it.
type Visitor<'v> = dyn FnMut(&Record, Digest, u64) + 'v;

/// Reads a log from its beginning and checks its chain. Returns the length of what is whole, in bytes, and whether its last newline
/// is missing.
///
/// # Errors
/// [`JournalError::Damaged`] for anything but a torn end: a last line without its newline is what an interrupted write leaves.
pub fn read(path: &Path, visit: &mut Visitor<'_>) -> Result<(u64, bool), JournalError> {
    let io = |source| JournalError::Io { doing: "read", path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((0, false)),
        Err(error) => return Err(io(error)),
    };
    let length = file.metadata().map_err(io)?.len();
    let hands = if length > PIECE { thread::available_parallelism().map_or(1, usize::from).min(MOST_HANDS) } else { 0 };
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut chain = Chain { path, offset: 0, seq: 0, prev: Digest::ZERO };
    thread::scope(|scope| {
        let hands: Vec<Hand> = (0..hands).map(|_| Hand::new(scope)).collect();
        let (mut given, mut taken) = (0, 0);
        let mut more = true;
        loop {
            while more && given < taken + AHEAD * hands.len().max(1) {
                let piece = next(&mut reader).map_err(io)?;
                more = !piece.is_empty();
                if let Some(hand) = hands.get(given % hands.len().max(1)) {
                    // Never full: it has fewer than AHEAD.
                    let _ = hand.pieces.send(piece);
                    given += 1;
                } else if let Some(end) = chain.take(parsed(&piece), visit)? {
                    return Ok(end);
                }
            }
            if given == taken {
                return Ok((chain.offset, false));
            }
            // It has ended before its time only by a panic, which the scope then goes on with.
            let Ok(lines) = hands[taken % hands.len()].lines.recv() else { return Ok((chain.offset, false)) };
            taken += 1;
            if let Some(end) = chain.take(lines, visit)? {
                return Ok(end);
            }
        }
    })
}

/// Some whole lines, or the last one, which may lack its newline; nothing at the end.
fn next(reader: &mut BufReader<File>) -> io::Result<Vec<u8>> {
    let mut piece = Vec::new();
    reader.by_ref().take(PIECE).read_to_end(&mut piece)?;
    if piece.last().is_some_and(|last| *last != b'\n') {
        reader.read_until(b'\n', &mut piece)?;
    }
    Ok(piece)
}

/// A thread that makes records of lines.
struct Hand {
    pieces: SyncSender<Vec<u8>>,
    lines: Receiver<Vec<Line>>,
}

impl Hand {
    fn new<'scope>(scope: &'scope Scope<'scope, '_>) -> Self {
        // As many as are ever on their way to it: nobody waits for a place.
        let (pieces, given) = sync_channel::<Vec<u8>>(AHEAD);
        let (done, lines) = sync_channel(AHEAD);
        scope.spawn(move || {
            for piece in given {
                // Nobody wants it any more where the log has turned out to be damaged.
                let _ = done.send(parsed(&piece));
            }
        });
        Self { pieces, lines }
    }
}

/// A line, before anybody has looked at what stands before it.
struct Line {
    record: Result<Record, Damage>,
    digest: Digest,
    /// Its bytes, its newline with it.
    length: u64,
    /// Whether there is a newline.
    whole: bool,
}

fn parsed(piece: &[u8]) -> Vec<Line> {
    let line = |bytes: &[u8]| {
        let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        Line {
            record: super::text(text).and_then(|text| Ok(Record::from_line(text)?)),
            digest: Digest::of(text),
            length: bytes.len() as u64,
            whole: text.len() < bytes.len(),
        }
    };
    piece.split_inclusive(|byte| *byte == b'\n').map(line).collect()
}

/// How far a log is whole.
struct Chain<'p> {
    path: &'p Path,
    offset: u64,
    seq: u64,
    prev: Digest,
}

impl Chain<'_> {
    /// Takes the next lines in. Returns where the log ends, and whether a newline is missing there, when that is within them.
    fn take(&mut self, lines: Vec<Line>, visit: &mut Visitor<'_>) -> Result<Option<(u64, bool)>, JournalError> {
        for line in lines {
            match line.record.and_then(|record| self.fits(record)) {
                Ok(record) => {
                    self.seq += 1;
                    self.prev = line.digest;
                    self.offset += line.length;
                    visit(&record, self.prev, self.offset);
                    if !line.whole {
                        return Ok(Some((self.offset, true)));
                    }
                }
                Err(_) if !line.whole => return Ok(Some((self.offset, false))),
                Err(why) => {
                    let path = self.path.to_owned();
                    return Err(JournalError::Damaged { path, line: self.seq + 1, offset: self.offset, why });
                }
            }
        }
        Ok(None)
    }

    fn fits(&self, record: Record) -> Result<Record, Damage> {
        if record.header.seq != self.seq + 1 {
            return Err(Damage::Sequence { found: record.header.seq, wanted: self.seq + 1 });
        }
        if record.header.prev != self.prev {
            return Err(Damage::Chain);
        }
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::Board;
    use crate::core::record::{BoardChanged, Event, Header, VERSION};
    use chrono::DateTime;

    /// A log that is handed out in several pieces, and where each line ends.
    fn long() -> (Vec<u8>, Vec<u64>) {
        let (mut bytes, mut ends, mut prev) = (Vec::new(), Vec::new(), Digest::ZERO);
        while (bytes.len() as u64) < PIECE * 9 {
            let header = Header { v: VERSION, seq: ends.len() as u64 + 1, at: DateTime::UNIX_EPOCH, prev };
            let event = Event::Board(BoardChanged { state: Board::Open, frozen: false, config_sha256: Digest::ZERO });
            let line = Record { header, event }.to_line();
            prev = Digest::of(line.as_bytes());
            bytes.extend(line.as_bytes());
            bytes.push(b'\n');
            ends.push(bytes.len() as u64);
        }
        (bytes, ends)
    }

    type Read = (Vec<u64>, Result<(u64, bool), JournalError>);

    fn read_of(bytes: &[u8]) -> Read {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), bytes).expect("written");
        let mut ends = Vec::new();
        let outcome = read(file.path(), &mut |record, _, end| {
            ends.push(end);
            assert_eq!(record.header.seq, ends.len() as u64, "in order");
        });
        (ends, outcome)
    }

    #[test]
    fn a_long_log_is_read_in_order_whoever_reads_which_piece() {
        let (bytes, ends) = long();
        let (read, outcome) = read_of(&bytes);
        assert_eq!(outcome.expect("whole"), (bytes.len() as u64, false));
        assert_eq!(read, ends);
        // Cut within the last line, and where only its newline is missing.
        let before = ends[ends.len() - 2];
        assert_eq!(read_of(&bytes[..bytes.len() - 5]).1.expect("torn"), (before, false));
        assert_eq!(read_of(&bytes[..bytes.len() - 1]).1.expect("whole"), (bytes.len() as u64 - 1, true));
    }

    #[test]
    fn damage_in_any_piece_is_found_and_nothing_after_it_is_taken() {
        let (bytes, ends) = long();
        for place in [1, ends.len() / 3, ends.len() / 2, ends.len() - 3] {
            let mut changed = bytes.clone();
            // The state of the board: good JSON still, and another hash.
            let begin = usize::try_from(ends[place - 1]).expect("small");
            let word = begin + changed[begin..].windows(4).position(|word| word == b"open").expect("there");
            changed.splice(word..word + 4, *b"closed");
            let (read, outcome) = read_of(&changed);
            assert!(
                matches!(outcome, Err(JournalError::Damaged { line, .. }) if line == place as u64 + 2),
                "line {place}"
            );
            assert_eq!(read.len(), place + 1, "the line after the changed one tells of it");
        }
    }

    #[test]
    fn a_line_longer_than_a_piece_is_one_line() {
        let mut bytes = long().0;
        bytes.extend(vec![b'x'; 3 * usize::try_from(PIECE).expect("small")]);
        let whole = long().0.len() as u64;
        assert_eq!(read_of(&bytes).1.expect("a torn end"), (whole, false));
        bytes.push(b'\n');
        assert!(matches!(read_of(&bytes).1, Err(JournalError::Damaged { .. })));
    }
}
