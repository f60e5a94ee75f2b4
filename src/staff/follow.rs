//! The log, read as it grows.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::PathBuf;

use crate::core::desk::{Desk, Dossier};
use crate::core::ids::{CaseName, Number};
use crate::core::record::{BadLine, Event, Record};
use crate::core::text::visible_lines;
use crate::core::view::Tail;
use crate::files;
use crate::home::Home;
use crate::journal::{self, JournalError};

/// Why the pages of staff are not up to date.
#[derive(Debug, thiserror::Error)]
pub enum StaffError {
    /// The file system said no.
    #[error("failed to bring {path} up to date")]
    Io {
        /// What.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] JournalError),
    /// A line of it is none.
    #[error("line {0} of the log cannot be read")]
    Line(u64, #[source] BadLine),
    /// A page could not be made.
    #[error("failed to make a page of staff")]
    Page(#[from] minijinja::Error),
}

/// How far the log was read.
#[derive(Debug)]
pub(super) struct Follower {
    path: PathBuf,
    offset: u64,
}

impl Follower {
    pub(super) fn new(home: &Home) -> Self {
        Self { path: home.log(), offset: 0 }
    }

    /// Tells the desk every whole line that came since. The daemon's loop has checked the chain; here it is only read.
    pub(super) fn go_on(&mut self, desk: &mut Desk) -> Result<(), StaffError> {
        let io = |source| StaffError::Io { path: self.path.clone(), source };
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(io(error)),
        };
        file.seek(SeekFrom::Start(self.offset)).map_err(io)?;
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let mut line = String::new();
        loop {
            line.clear();
            let length = reader.read_line(&mut line).map_err(io)?;
            // The end, or a line that is just being written.
            if !line.ends_with('\n') {
                return Ok(());
            }
            let next = desk.head.map_or(1, |(seq, _)| seq + 1);
            let record =
                Record::from_line(line.trim_end_matches('\n')).map_err(|error| StaffError::Line(next, error))?;
            desk.apply(&record);
            self.offset += length as u64;
        }
    }
}

/// What the log says of these submissions.
///
/// # Errors
/// When the log cannot be read.
pub fn dossiers(home: &Home, numbers: &[Number]) -> Result<BTreeMap<Number, Dossier>, StaffError> {
    let mut found: BTreeMap<Number, Dossier> = BTreeMap::new();
    journal::read(&home.log(), &mut |record, _, _| {
        let (seq, at) = (record.header.seq, record.header.at);
        match &record.event {
            Event::Accepted(accepted) if numbers.contains(&accepted.submission) => {
                let dossier = Dossier { accepted: accepted.clone(), seq, received_at: at, started: None, judged: None };
                found.insert(accepted.submission, dossier);
            }
            Event::Started(started) => {
                if let Some(dossier) = found.get_mut(&started.submission).filter(|dossier| dossier.judged.is_none()) {
                    dossier.started = Some((at, started.attempt));
                }
            }
            Event::Judged(judged) => {
                if let Some(dossier) = found.get_mut(&judged.submission).filter(|dossier| dossier.judged.is_none()) {
                    dossier.judged = Some((at, judged.clone()));
                }
            }
            _ => {}
        }
    })?;
    Ok(found)
}

/// The end of something that was kept of a submission's runs, at most so many bytes of it, made visible.
pub fn kept_text<'a>(home: &'a Home, dossier: &'a Dossier, most: u64) -> impl Fn(&CaseName, &str) -> Tail + use<'a> {
    move |case, name| {
        let Some((_, judged)) = &dossier.judged else { return Tail::default() };
        let origin = judged.origin();
        let path = home.kept(origin.submission, origin.attempt, case, name);
        let (bytes, kept) = files::tail(&path, most).unwrap_or_default();
        let result = judged.cases.iter().find(|result| result.case == *case);
        let file = result.and_then(|result| result.files.iter().find(|file| file.name == name));
        let length = file.and_then(|file| file.whole).unwrap_or(kept);
        Tail { text: visible_lines(&String::from_utf8_lossy(&bytes)), bytes: length, cut: length > most }
    }
}
