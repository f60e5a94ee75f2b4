//! results/daemon.json: what `podium status` cannot read from the log.

use std::fs;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::core::config::Problem;
use crate::core::text::chain;
use crate::files;
use crate::home::Home;
use crate::site::PublishError;

/// What the daemon says of itself, every two seconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Written {
    /// Its process.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// Since when it runs.
    pub started_at: DateTime<Utc>,
    /// Its latest sign of life.
    pub alive_at: DateTime<Utc>,
    /// Why nothing is judged, if something keeps it.
    pub held: Option<String>,
    /// What an instructor has to mend.
    pub problems: Vec<String>,
}

/// What is kept for it between two signs of life.
#[derive(Debug)]
pub(super) struct State {
    started_at: DateTime<Utc>,
    pub(super) problems: Vec<Problem>,
    publishing: Option<String>,
    /// What is wrong with the log.
    pub(super) log: Option<String>,
    outboxes: Option<String>,
    held: Option<String>,
}

impl State {
    pub(super) fn new(started_at: DateTime<Utc>) -> Self {
        Self { started_at, problems: Vec::new(), publishing: None, log: None, outboxes: None, held: None }
    }

    /// A page could not be written: said once in the log, and in the status until it can.
    pub(super) fn complain(&mut self, error: &PublishError) {
        let text = chain(error);
        if self.publishing.as_ref() != Some(&text) {
            tracing::error!("{text}");
        }
        self.publishing = Some(text);
    }

    /// Every page is up to date again.
    pub(super) fn publishing_works(&mut self) {
        self.publishing = None;
    }

    /// How a round of the users' outboxes ended: what keeps one from being written is said once, and in the status until it can be.
    pub(super) fn went_round(&mut self, outcome: Result<(), PublishError>) {
        let text = outcome.err().map(|error| chain(&error));
        if let Some(text) = text.as_ref().filter(|text| self.outboxes.as_ref() != Some(text)) {
            tracing::error!("{text}");
        }
        self.outboxes = text;
    }

    /// How many things somebody has to mend.
    pub(super) fn many_problems(&self) -> usize {
        self.problems.len() + self.publishing.iter().chain(&self.outboxes).chain(&self.log).count()
    }

    /// Whether the last sign of life said otherwise.
    pub(super) fn is_news(&self, held: Option<&str>) -> bool {
        self.held.as_deref() != held
    }

    /// `waits`: nothing is missing, it only takes its time.
    pub(super) fn beat(&mut self, home: &Home, now: DateTime<Utc>, held: Option<&str>, waits: bool) {
        if self.held.as_deref() != held {
            match held {
                Some(why) if waits => tracing::info!("judging waits: {why}"),
                Some(why) => tracing::error!("judging is held: {why}"),
                None => tracing::info!("judging goes on"),
            }
            self.held = held.map(str::to_owned);
        }
        let problems = self
            .problems
            .iter()
            .map(ToString::to_string)
            .chain(self.publishing.clone())
            .chain(self.outboxes.clone())
            .chain(self.log.clone())
            .collect();
        let written = Written {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at,
            alive_at: now,
            held: held.map(str::to_owned),
            problems,
        };
        let bytes = serde_json::to_vec_pretty(&written).unwrap_or_default();
        if let Err(error) = files::replace(&home.daemon_state(), &bytes, 0o600) {
            tracing::warn!(%error, "results/daemon.json could not be written");
        }
    }

    /// The daemon ends in order.
    pub(super) fn leave(&self, home: &Home) {
        let _ = fs::remove_file(home.daemon_state());
        // Its numbers would go on looking like those of a daemon.
        let _ = fs::remove_file(home.metrics());
    }
}

/// What a daemon last said of itself; `None` when none ever did, or the last one ended in order.
#[must_use]
pub fn read(home: &Home) -> Option<Written> {
    serde_json::from_slice(&fs::read(home.daemon_state()).ok()?).ok()
}
