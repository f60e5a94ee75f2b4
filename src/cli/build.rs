//! `podium build`: public/ out of the log.

use anyhow::anyhow;
use clap::Args;

use super::Exit;
use crate::core::machine::Dirty;
use crate::core::view::Source;
use crate::daemon::{self, Lock};
use crate::home::Home;
use crate::site::{Life, Publisher};
use crate::staff::Keeper;
use crate::{journal, settings};

/// Rebuild public/ from the log
///
/// The site is a function of the log, config.toml, users.csv and the templates: delete it, and this writes the same bytes again. Files that already
/// have the right bytes are not touched.
#[derive(Debug, Args)]
pub(super) struct Arguments {}

pub(super) fn run(home: &Home, _arguments: &Arguments) -> anyhow::Result<Exit> {
    let rules = settings::read(home).map_err(|problems| anyhow!("{}", super::check::list(&problems)))?;
    let (history, lines) = journal::load(&home.log())?;
    let (mut publisher, problems) = Publisher::new(home);
    for problem in &problems {
        eprintln!("{problem}");
    }
    let dirty = Dirty { everything: true, ..Dirty::default() };
    let (source, life) = (Source { history: &history, rules: &rules, details: &lines }, Life::default());
    publisher.publish(&dirty, source, &life)?;
    publisher.go_on(source, &life, None).unwrap_or(Ok(()))?;
    // Beside a daemon they are its business.
    if !Lock::is_taken(home) {
        Keeper::new(home)?.refresh(&rules, daemon::health(home), chrono::Utc::now())?;
    }
    println!(
        "{} submissions of {} users: {}",
        history.submissions().len(),
        history.users().count(),
        home.public().display()
    );
    Ok(if problems.is_empty() { Exit::Done } else { Exit::Problem })
}
