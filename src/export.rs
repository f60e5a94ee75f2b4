//! A competition as one zip: for whoever keeps it, or hands it on.
//!
//! The same competition gives the same bytes: entries come in one order, without times. What it writes is never read back by us.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::core::config::Board;
use crate::core::digest::Hasher;
use crate::core::history::Head;
use crate::core::machine::Dirty;
use crate::core::record::{Event, moment};
use crate::core::users::Users;
use crate::core::view::{Contest, Source};
use crate::home::Home;
use crate::journal::{self, JournalError};
use crate::material;
use crate::site::{Life, PublishError, Publisher};

/// How much goes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What everybody may have.
    Public,
    /// The home, too: log, sources, outputs, cases, evaluator, users without their passwords.
    Full,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// How many files.
    pub files: u64,
    /// How many bytes they have.
    pub bytes: u64,
}

/// Why there is no zip.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The site could not be made.
    #[error(transparent)]
    Site(#[from] PublishError),
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] JournalError),
    /// A file could not be read, or the zip not be written.
    #[error("failed to put {path} into the zip")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The zip could not be written.
    #[error("failed to write the zip")]
    Zip(#[from] zip::result::ZipError),
}

/// From this size on an entry needs the larger fields of the format.
const LARGE: u64 = 0xf000_0000;
/// What everybody may do with a file, and what with a program.
const MODES: (u32, u32) = (0o644, 0o755);

/// Writes the zip of a competition into `out`. `scratch` is an empty folder to make the site in.
///
/// # Errors
/// [`ExportError`]; what `out` holds then is of no use.
pub fn write(
    home: &Home,
    source: Source<'_>,
    extent: Extent,
    scratch: &Path,
    out: File,
) -> Result<Written, ExportError> {
    let name = Contest::new(source).id();
    let mut archive = Archive {
        zip: ZipWriter::new(out),
        folder: name.clone(),
        manifest: String::new(),
        written: Written { files: 0, bytes: 0 },
    };
    archive.text("README.txt", &readme(source, extent, &name))?;
    archive.optional("statement.md", &home.statement())?;
    // Made anew, for public/ has a sign of life in it while a daemon runs, and may be older than the log.
    let (mut publisher, _) = Publisher::for_everybody(home, scratch);
    publisher.publish(&Dirty { everything: true, ..Dirty::default() }, source, &Life::default())?;
    publisher.go_on(source, &Life::default(), None).unwrap_or(Ok(()))?;
    archive.folder("site", scratch, walkdir::WalkDir::new(scratch).sort_by_file_name().into_iter())?;
    if extent == Extent::Full {
        whole_home(&mut archive, home, source)?;
    }
    archive.finish()
}

/// What `podium verify` and `podium build` need to find the same again.
fn whole_home(archive: &mut Archive, home: &Home, source: Source<'_>) -> Result<(), ExportError> {
    archive.optional("home/config.toml", &home.config())?;
    archive.optional("home/statement.md", &home.statement())?;
    if let Users::Listed(users) = &source.rules.users {
        let rows = users.iter().map(|(user, role)| format!("{user},,{}\n", role.name()));
        archive.text(
            "home/users.csv",
            &std::iter::once("username,password,role\n".to_owned()).chain(rows).collect::<String>(),
        )?;
    }
    archive.folder("home/evaluator", &home.evaluator(), material::walk(&home.evaluator()))?;
    for case in source.rules.config.cases.all() {
        archive.folder(&format!("home/testcases/{case}"), &home.case(case), material::walk(&home.case(case)))?;
    }
    let visible =
        |entry: &walkdir::DirEntry| entry.depth() == 0 || !entry.file_name().to_string_lossy().starts_with('.');
    let templates = walkdir::WalkDir::new(home.templates()).sort_by_file_name().into_iter().filter_entry(visible);
    archive.folder("home/site-templates", &home.templates(), templates)?;
    results(archive, home, source.history.head())
}

/// The log up to a line, and what it refers to. A daemon may go on meanwhile: what came after is left out.
fn results(archive: &mut Archive, home: &Home, head: Option<Head>) -> Result<(), ExportError> {
    let last = head.map_or(0, |head| head.seq);
    let (mut length, mut kept) = (0, Vec::new());
    journal::read(&home.log(), &mut |record, _, end| {
        if record.header.seq > last {
            return;
        }
        length = end;
        match &record.event {
            Event::Accepted(accepted) => {
                kept.push(home.source(accepted.submission, &accepted.language));
                // What its check said, where there was one and it said something.
                kept.extend(Some(home.check_log(accepted.submission)).filter(|path| path.exists()));
            }
            // What was reused is kept where it was.
            Event::Judged(judged) if judged.reused.is_none() => kept.extend(judged.cases.iter().flat_map(|case| {
                case.files.iter().map(|file| home.kept(judged.submission, judged.attempt, &case.case, &file.name))
            })),
            _ => {}
        }
    })?;
    let log = home.log();
    let io = |source| ExportError::Io { path: log.clone(), source };
    if last > 0 {
        let file = File::open(&log).map_err(io)?;
        archive.entry("home/results/log.jsonl", MODES.0, length, &mut file.take(length), &log)?;
    }
    kept.sort();
    for path in kept {
        let name = path.strip_prefix(home.root()).unwrap_or(&path).to_string_lossy().into_owned();
        archive.file(&format!("home/{name}"), &path)?;
    }
    Ok(())
}

/// A zip on its way.
struct Archive {
    zip: ZipWriter<File>,
    /// The one folder that everything lies in.
    folder: String,
    manifest: String,
    written: Written,
}

impl Archive {
    fn text(&mut self, name: &str, text: &str) -> Result<(), ExportError> {
        self.entry(name, MODES.0, text.len() as u64, &mut text.as_bytes(), Path::new(name))
    }

    /// A file, where there is one.
    fn optional(&mut self, name: &str, path: &Path) -> Result<(), ExportError> {
        if path.is_file() { self.file(name, path) } else { Ok(()) }
    }

    fn file(&mut self, name: &str, path: &Path) -> Result<(), ExportError> {
        let io = |source| ExportError::Io { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(io)?;
        let meta = file.metadata().map_err(io)?;
        let mode = if meta.permissions().mode() & 0o100 != 0 { MODES.1 } else { MODES.0 };
        self.entry(name, mode, meta.len(), &mut file, path)
    }

    /// The files of a folder, if there is one.
    fn folder(
        &mut self,
        name: &str,
        folder: &Path,
        entries: impl Iterator<Item = walkdir::Result<walkdir::DirEntry>>,
    ) -> Result<(), ExportError> {
        if !folder.is_dir() {
            return Ok(());
        }
        for entry in entries {
            let entry = entry.map_err(|error| ExportError::Io { path: folder.to_owned(), source: error.into() })?;
            if entry.file_type().is_file() {
                let below = entry.path().strip_prefix(folder).unwrap_or(entry.path()).to_string_lossy();
                self.file(&format!("{name}/{below}"), entry.path())?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, name: &str, mode: u32, size: u64, from: &mut dyn Read, path: &Path) -> Result<(), ExportError> {
        let io = |source| ExportError::Io { path: path.to_owned(), source };
        // No time: what is the same has to look the same.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(zip::DateTime::default())
            .unix_permissions(mode)
            .large_file(size >= LARGE);
        self.zip.start_file(format!("{}/{name}", self.folder), options)?;
        let (mut hasher, mut buffer) = (Hasher::default(), vec![0; 64 << 10]);
        loop {
            let read = from.read(&mut buffer).map_err(io)?;
            if read == 0 {
                break;
            }
            hasher.update(&buffer[..read]);
            self.zip.write_all(&buffer[..read]).map_err(io)?;
            self.written.bytes += read as u64;
        }
        let _ = writeln!(self.manifest, "{}  {name}", hasher.finish());
        self.written.files += 1;
        Ok(())
    }

    /// The manifest, which is of all before it, and the end.
    fn finish(mut self) -> Result<Written, ExportError> {
        let manifest = std::mem::take(&mut self.manifest);
        self.text("MANIFEST.sha256", &manifest)?;
        let written = self.written;
        let file = self.zip.finish()?;
        file.sync_all().map_err(|source| ExportError::Io { path: "the zip".into(), source })?;
        Ok(written)
    }
}

fn readme(source: Source<'_>, extent: Extent, folder: &str) -> String {
    let history = source.history;
    let title = &source.rules.config.competition.title;
    let unfinished = history.waiting().count() + history.running().count();
    let board = match source.board() {
        Board::Open => match source.frozen_since() {
            None => "NOT FINAL: the board was open. Scores are those over the public cases.".to_owned(),
            Some(since) => format!(
                "NOT FINAL: the board was frozen. Scores are those over the public cases, of what was handed in before {}.",
                moment::text(since)
            ),
        },
        Board::Closed if unfinished > 0 => format!("NOT FINAL: {unfinished} submissions had no result yet."),
        Board::Closed => {
            "Final: the board was closed, and every submission had its result. Scores are those over all cases."
                .to_owned()
        }
    };
    let log = match history.head() {
        None => "The log was empty.".to_owned(),
        Some(head) => format!(
            "The log had {} lines, the last of {}, with the SHA-256\n{}.",
            head.seq,
            moment::text(head.at),
            head.line_sha256
        ),
    };
    let mut text = format!(
        "{title}\n{}\n\n{} submissions of {} users. {board}\n{log}\n\n",
        "=".repeat(title.chars().count()),
        history.submissions().len(),
        history.users().count(),
    );
    text.push_str(&format!(
        "site/                        the site; open site/index.html. Without the private pages\n\
         site/leaderboard.csv, .json  the board for spreadsheets and programs\n\
         site/results.jsonl           every result that shows, one a line\n\
         site/api/contests/{folder}/\n                             the ICPC's Contest Package\n\
         MANIFEST.sha256              the SHA-256 of every other file: sha256sum --check --quiet MANIFEST.sha256\n\
         statement.md                 the task, where there is one in words\n"
    ));
    text.push_str(match extent {
        Extent::Public => "\nNothing in here is private: no source, no output, no single case, no address of a private page.\n",
        Extent::Full => {
            "home/                        the competition's home: config.toml, users.csv, cases, evaluator, templates\n\
             home/results/log.jsonl       everything that happened; each line holds the hash of the one before\n\
             home/results/submissions/    sources, and what was kept of every run\n\
             \nPRIVATE: home/ holds students' work, private cases and the addresses of private pages. users.csv has no passwords.\n\
             \n    podium --home home verify     checks the log's chain and every file that it refers to\n    \
             podium --home home build      makes home/public/ out of the log: the scores in site/ come from nowhere else\n\
             \nNot in here: what was refused, keys, pushed repositories, and an image that lies in the home.\n"
        }
    });
    text
}
