//! `podium export`: a competition as one zip.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, ensure};
use clap::Args;

use super::{Exit, verify};
use crate::core::config::Board;
use crate::core::view::{Contest, Source};
use crate::export::{self, Extent};
use crate::files;
use crate::home::Home;
use crate::{journal, settings};

/// Put a competition into one zip, to keep it or to hand it on
///
/// In it are what everybody may have of a competition that is over: the site without its private pages, the results as CSV and JSON lines, the ICPC's
/// Contest Package, and the statement. With --full also the home: log, sources, outputs, cases, evaluator, and users.csv without its passwords, so that
/// `podium verify` and `podium build` find the same again. The log and every file that it refers to are checked first. The same competition gives the same bytes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The zip; nothing may be there yet. By default the competition's name, here
    #[arg(value_name = "FILE.zip")]
    file: Option<PathBuf>,
    /// With everything that is private, to be kept and not to be handed on
    #[arg(long)]
    full: bool,
    /// Also while the board is open or results are to come; the zip says so
    #[arg(long)]
    anyway: bool,
}

pub(super) fn run(home: &Home, arguments: &Arguments) -> anyhow::Result<Exit> {
    let rules = settings::read(home).map_err(|problems| anyhow!("{}", super::check::list(&problems)))?;
    let (history, lines) = journal::load(&home.log())?;
    let source = Source { history: &history, rules: &rules, details: &lines };
    let unfinished = history.waiting().count() + history.running().count();
    if !arguments.anyway {
        ensure!(
            source.board() == Board::Closed,
            "the board is open, so the results are not final: close it (state = \"closed\" in config.toml), or say --anyway"
        );
        ensure!(
            unfinished == 0,
            "{unfinished} submissions have no result yet: let the daemon judge them (`podium run --once`), or say --anyway"
        );
    }
    let extent = if arguments.full { Extent::Full } else { Extent::Public };
    let name = format!("{}{}.zip", Contest::new(source).id(), if arguments.full { "-full" } else { "" });
    let path = arguments.file.clone().unwrap_or_else(|| name.into());
    let folder = folder_of(&path)?;
    ensure!(
        fs::symlink_metadata(&path).is_err(),
        "{} is there already: name another file, or move it away",
        path.display()
    );
    ensure!(
        !arguments.full || !folder.starts_with(home.public()),
        "{} would be served to everybody: a full zip holds what is private",
        path.display()
    );
    let found = verify::look(home, None);
    if !found.problems.is_empty() {
        for problem in &found.problems {
            eprintln!("{problem}");
        }
        eprintln!("podium: nothing was exported: `podium verify` has to find nothing first");
        return Ok(Exit::Problem);
    }

    let scratch = home.aside(std::process::id());
    files::private_folder(&scratch).context("failed to make a folder to work in below results/")?;
    let written = into(home, source, extent, &scratch, &folder, &path);
    fs::remove_dir_all(&scratch)?;
    let written = written?;
    let what = match extent {
        Extent::Public => "what everybody may have",
        Extent::Full => "with everything that is private: keep it, do not hand it on",
    };
    println!("{}: {} files, {} bytes before packing; {what}", path.display(), written.files, written.bytes);
    if source.board() == Board::Open || unfinished > 0 {
        println!("It is not final, and its README.txt says so.");
    }
    Ok(Exit::Done)
}

/// The folder that the zip comes to lie in, without links.
fn folder_of(path: &Path) -> anyhow::Result<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    folder.canonicalize().with_context(|| format!("there is no folder {}", folder.display()))
}

/// Writes the zip whole or not at all.
fn into(
    home: &Home,
    source: Source<'_>,
    extent: Extent,
    scratch: &Path,
    folder: &Path,
    path: &Path,
) -> anyhow::Result<export::Written> {
    let temporary = tempfile::Builder::new().prefix(files::TEMPORARY).tempfile_in(folder)?;
    let written = export::write(home, source, extent, scratch, temporary.reopen()?)?;
    if extent == Extent::Public {
        temporary.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    temporary.persist_noclobber(path).with_context(|| format!("failed to write {}", path.display()))?;
    files::sync_folder(folder)?;
    Ok(written)
}
