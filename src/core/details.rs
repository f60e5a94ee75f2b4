//! What the log says beyond what the history keeps of it: read back line by line, by whoever has the log.

use super::record::{Event, Judged, Record, Rejected};

/// The lines of the log, one at a time.
pub trait Details {
    /// A line that was read or written before.
    ///
    /// # Errors
    /// [`Unreadable`] when it is not there any more as it was: nothing of it may be shown.
    fn record(&self, line: u64) -> Result<Record, Unreadable>;

    /// The judging that a line tells of.
    ///
    /// # Errors
    /// As [`Details::record`]; and when the line tells of something else.
    fn judged(&self, line: u64) -> Result<Judged, Unreadable> {
        match self.record(line)?.event {
            Event::Judged(judged) => Ok(judged),
            Event::Accepted(_)
            | Event::Rejected(_)
            | Event::Started(_)
            | Event::Board(_)
            | Event::Discarded(_)
            | Event::Unknown => Err(Unreadable { line, why: "it tells of no judging".into() }),
        }
    }

    /// The refusal that a line tells of.
    ///
    /// # Errors
    /// As [`Details::record`]; and when the line tells of something else.
    fn rejected(&self, line: u64) -> Result<Rejected, Unreadable> {
        match self.record(line)?.event {
            Event::Rejected(rejected) => Ok(rejected),
            Event::Accepted(_)
            | Event::Judged(_)
            | Event::Started(_)
            | Event::Board(_)
            | Event::Discarded(_)
            | Event::Unknown => Err(Unreadable { line, why: "it tells of no refusal".into() }),
        }
    }
}

/// Why a line of the log cannot be had again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the log cannot be read back: {why}")]
pub struct Unreadable {
    /// The line's number.
    pub line: u64,
    /// What is wrong.
    pub why: String,
}
