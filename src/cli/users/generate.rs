//! `podium users generate`: a class at once.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Args;

use super::handout::{Credential, Handout};
use crate::accounts;
use crate::cli::Exit;
use crate::cli::progress::Progress;
use crate::core::ids::UserName;
use crate::core::users::Role;
use crate::home::Home;

/// Add many users with new passwords, and print a handout for them
///
/// Writes them to users.csv as students, with hashes of their passwords; the passwords stand in the handout only. Edit the role of those who are none.
#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// So many users, called student01, student02, …
    #[arg(long, value_name = "N", required_unless_present = "names", conflicts_with = "names")]
    count: Option<u32>,
    /// What their names begin with
    #[arg(long, default_value = "student", conflicts_with = "names")]
    prefix: String,
    /// The number of the first of them
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "names")]
    first: u32,
    /// The names in FILE, one a line; - is standard input
    #[arg(long, value_name = "FILE")]
    names: Option<PathBuf>,
    #[command(flatten)]
    handout: Handout,
}

pub(super) fn run(home: &Home, arguments: &Arguments) -> anyhow::Result<Exit> {
    let names = match (&arguments.names, arguments.count) {
        (Some(file), _) => names_in(file)?,
        (None, Some(count)) => numbered(&arguments.prefix, arguments.first, count)?,
        (None, None) => bail!("say how many (--count), or which (--names)"),
    };
    // Before the work of hashing, and again when it is written.
    let listed = accounts::read(home).map_err(|problems| anyhow::anyhow!(crate::cli::check::list(&problems)))?;
    let mut trial = listed.unwrap_or_default();
    for name in &names {
        trial.add(name.clone(), crate::core::password::Password::None, Role::Student).map_err(anyhow::Error::msg)?;
    }
    let mut progress = Progress::new("users");
    let (mut credentials, mut hashed) = (Vec::new(), Vec::new());
    let many = names.len() as u64;
    for name in names {
        let credential = Credential::new(name)?;
        hashed.push((credential.user.clone(), credential.hashed()?));
        credentials.push(credential);
        progress.set(credentials.len() as u64, many, "hashing passwords");
    }
    progress.clear();
    arguments.handout.give(home, &credentials, || {
        Ok(accounts::change(home, |roster| {
            hashed.into_iter().try_for_each(|(user, password)| roster.add(user, password, Role::Student))
        })?)
    })?;
    eprintln!("Added to {}: {many}. As root, `podium users provision` lets them in by SFTP.", home.users().display());
    Ok(Exit::Done)
}

fn numbered(prefix: &str, first: u32, count: u32) -> anyhow::Result<Vec<UserName>> {
    ensure!(count > 0, "--count has to be at least 1");
    let last = first.checked_add(count - 1).context("--first and --count are too large together")?;
    let width = last.to_string().len().max(2);
    let name = |number: u32| format!("{prefix}{number:0width$}");
    let parse = |name: String| name.parse().with_context(|| format!("{name:?} is not a user name"));
    (first..=last).map(name).map(parse).collect()
}

/// The names of a file, each once.
fn names_in(file: &Path) -> anyhow::Result<Vec<UserName>> {
    let mut text = String::new();
    let shown = file.display();
    if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text)?;
    } else {
        text = std::fs::read_to_string(file).with_context(|| format!("failed to read {shown}"))?;
    }
    let (mut names, mut seen) = (Vec::new(), BTreeSet::new());
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let (number, line) = (index + 1, line.trim());
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let name: UserName = line.parse().with_context(|| format!("{shown}:{number}: {line:?} is not a user name"))?;
        if let Some(why) = crate::core::roster::reserved(name.as_str()) {
            bail!("{shown}:{number}: {name} {why}");
        }
        ensure!(seen.insert(name.clone()), "{shown}:{number}: {name} stands there twice");
        names.push(name);
    }
    ensure!(!names.is_empty(), "{shown} has no names");
    Ok(names)
}
