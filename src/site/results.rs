//! results.jsonl: a line for each result, in the order of the log, so that a new one is written behind those that are there.

use std::fs;
use std::io::{self, Write};

use super::publish::{PublishError, Publisher, bytes, write_error};
use crate::core::history::Submission;
use crate::core::ids::Number;
use crate::core::view::{NewResult, Source};

const NAME: &str = "results.jsonl";

/// What was written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    /// The log's line whose result is the last one.
    line: u64,
    /// How long the file is.
    bytes: u64,
}

impl Publisher {
    /// Brings the file up to date. `new`: submissions of which some may have a result since the last time.
    pub(super) fn results(
        &mut self,
        source: Source<'_>,
        new: impl Iterator<Item = Number>,
    ) -> Result<(), PublishError> {
        // After a failure nobody knows what is in it.
        let written = match self.written.take() {
            Some(written) => {
                self.append_results(source, written, new.filter_map(|number| source.history.get(number)))?
            }
            None => None,
        };
        self.written = Some(match written {
            Some(written) => written,
            None => {
                let (lines, last) = lines(source, source.history.submissions().iter())?;
                self.write(NAME, &lines)?;
                Written { line: last, bytes: lines.len() as u64 }
            }
        });
        Ok(())
    }

    /// `None` where the file is not the one that was written.
    fn append_results<'a>(
        &self,
        source: Source<'_>,
        written: Written,
        new: impl Iterator<Item = &'a Submission>,
    ) -> Result<Option<Written>, PublishError> {
        let is_new = |submission: &&Submission| submission.judged().is_some_and(|judged| judged.line() > written.line);
        let (lines, last) = lines(source, new.filter(is_new))?;
        let path = self.public.join(NAME);
        let failed = |error| write_error(&path, error);
        let mut file = match fs::OpenOptions::new().append(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if file.metadata().map_err(failed)?.len() != written.bytes {
            return Ok(None);
        }
        file.write_all(&lines).map_err(failed)?;
        Ok(Some(Written { line: written.line.max(last), bytes: written.bytes + lines.len() as u64 }))
    }
}

/// The lines of those submissions that have a result, and the log's line of the last one.
fn lines<'a>(
    source: Source<'_>,
    submissions: impl Iterator<Item = &'a Submission>,
) -> Result<(Vec<u8>, u64), PublishError> {
    let mut judged: Vec<_> =
        submissions.filter_map(|submission| Some((submission.judged()?.line(), submission))).collect();
    judged.sort_unstable_by_key(|(line, _)| *line);
    let mut text = Vec::new();
    for result in judged.iter().filter_map(|(_, submission)| NewResult::new(source, submission)) {
        text.append(&mut bytes(NAME, &result)?);
    }
    Ok((text, judged.last().map_or(0, |(line, _)| *line)))
}
