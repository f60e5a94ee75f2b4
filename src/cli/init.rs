//! `podium init`: a new home that works at once.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use include_dir::{Dir, DirEntry, include_dir};

use super::Exit;
use crate::files;
use crate::home::Home;
use crate::site::built_in_files;

/// Write a new home that works at once
///
/// Writes a commented config.toml, an evaluator, test cases and sample programs into DIR, which has to be empty or not to exist.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Where to
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Which competition to start from
    #[arg(long, value_name = "NAME", default_value = "coins")]
    example: Example,
    /// Copy the built-in templates, words and assets into DIR/site-templates; of a home that exists, nothing else changes
    ///
    /// Keep those that you mean to change and delete the others: a copy stays as it is when Podium gets a better one.
    #[arg(long)]
    templates: bool,
    /// Overwrite templates that were changed
    #[arg(long, requires = "templates")]
    force: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Example {
    /// Pay an amount with few coins: the smallest competition, to be made into one's own
    Coins,
    /// Vehicles deliver packages through a factory: the competition of Podium's own repository
    Agv,
}

static COINS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/cli/init/coins");
static AGV_EVALUATOR: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/evaluator");
static AGV_TESTCASES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/testcases");
static AGV_SAMPLES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/examples");
const AGV_CONFIG: &str = include_str!("../../config.toml");
const AGV_STATEMENT: &str = include_str!("../../statement.md");
/// What a home that is kept in git must not put there.
const GITIGNORE: &str = "/users.csv\n/inbox/\n/results/\n/public/\n__pycache__/\n";

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let folder = &arguments.folder;
    fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))?;
    let home = Home::at(folder).with_context(|| format!("failed to open {}", folder.display()))?;
    if arguments.templates && home.config().is_file() {
        return copy_templates(&home, arguments.force);
    }
    let empty = fs::read_dir(folder).with_context(|| format!("failed to read {}", folder.display()))?.next().is_none();
    ensure!(empty, "{} is not empty; `podium init` writes only into a new folder", folder.display());
    match arguments.example {
        Example::Coins => write(&COINS, folder)?,
        Example::Agv => {
            for (name, files) in
                [("evaluator", &AGV_EVALUATOR), ("testcases", &AGV_TESTCASES), ("samples", &AGV_SAMPLES)]
            {
                write(files, &folder.join(name))?;
            }
            fs::write(folder.join("config.toml"), AGV_CONFIG)?;
            fs::write(folder.join("statement.md"), AGV_STATEMENT)?;
        }
    }
    fs::write(folder.join(".gitignore"), GITIGNORE)?;
    for name in ["public", "site-templates"] {
        fs::create_dir_all(folder.join(name))?;
    }
    for name in ["inbox", "results"] {
        files::private_folder(&folder.join(name))?;
    }
    if arguments.templates {
        copy_templates(&home, arguments.force)?;
    }
    // Private cases, and how answers are judged, are no business of the machine's other accounts.
    for name in ["testcases", "evaluator"] {
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o750))?;
    }
    let shown = folder.display();
    let sample = match arguments.example {
        Example::Coins => "greedy.py",
        Example::Agv => "greedy_one.py",
    };
    println!("{shown} is a competition home now. Next:");
    println!("  podium --home {shown} check");
    println!("  podium --home {shown} try {shown}/samples/{sample}");
    println!("  podium --home {shown} run --serve 127.0.0.1:8000");
    println!("  podium --home {shown} submit {shown}/samples/{sample} --user alice");
    Ok(Exit::Done)
}

/// Copies what the pages are made of; nothing at all where that would undo somebody's changes.
fn copy_templates(home: &Home, force: bool) -> anyhow::Result<Exit> {
    let files: Vec<_> =
        built_in_files().into_iter().map(|(name, bytes)| (home.templates().join(&name), name, bytes)).collect();
    let differs = |path: &Path, bytes: &[u8]| fs::read(path).is_ok_and(|there| there != bytes);
    let changed: Vec<_> = files
        .iter()
        .filter(|(path, _, bytes)| differs(path, bytes))
        .map(|(_, name, _)| format!("\n  {name}"))
        .collect();
    ensure!(
        force || changed.is_empty(),
        "these differ from the built-in ones, and nothing was written; move them away, or overwrite them with --force:{}",
        changed.concat()
    );
    for (path, _, bytes) in &files {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))?;
        }
        files::replace_if_changed(path, bytes, 0o644).with_context(|| format!("failed to write {}", path.display()))?;
    }
    println!("{} files are in {}; delete those that you do not change", files.len(), home.templates().display());
    Ok(Exit::Done)
}

fn write(from: &Dir<'_>, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in from.entries() {
        let target = to.join(entry.path().file_name().unwrap_or_default());
        match entry {
            DirEntry::Dir(folder) if folder.path().ends_with("__pycache__") => {}
            DirEntry::Dir(folder) => write(folder, &target)?,
            DirEntry::File(file) => {
                fs::write(&target, file.contents())?;
                // An archive inside a program knows no modes; what begins with #! is meant to be run.
                if file.contents().starts_with(b"#!") {
                    fs::set_permissions(&target, fs::Permissions::from_mode(0o755))?;
                }
            }
        }
    }
    Ok(())
}
