//! Keeping the site, and what users find in their outboxes, in step: when pages are brought up to date, how often those that fail are tried again,
//! and the daemon's sign of life.

use std::time::Duration;

use chrono::Utc;
use tokio::time::Instant;

use super::Daemon;
use super::metrics::{self, Health};
use crate::core::machine::{Dirty, Mode};
use crate::core::view::Source;
use crate::files;
use crate::site::{Life, PublishError, Round};

/// Pages are brought up to date at most this often while more is going on, so that a burst of submissions costs one board, not hundreds.
const PUBLISH_PAUSE: Duration = Duration::from_millis(25);
/// And it takes at most this part of the time, but for what takes very long, however many wait: the queue's page has a row for each. So does a sign of life, which is on that page.
const PUBLISH_IDLE_FACTOR: u32 = 3;
/// But no pause is longer than this: what took so long was a disk that stood still, and not work.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Sign of life in queue.json and daemon.json.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(2);
/// Every so many signs of life one reaches everybody's outbox, and not only those of whom something is in the queue.
const EVERYBODY: u64 = 3;
/// Pages that are still to be made anew when a daemon ends have this long: the next one makes all of them.
const REBUILD_PATIENCE: Duration = Duration::from_secs(2);
/// Pages that fail by a template or a line of the log fail again until somebody mends it, which may be days: until then every page anew is
/// tried this often.
const RETRY_PAUSE: Duration = Duration::from_secs(600);

impl Daemon {
    /// The last pages of this daemon. Those of one that worked the inbox off and ends are a function of the log alone, to the byte; one that
    /// was there for good leaves its last sign of life.
    pub(super) fn publish_for_good(&mut self) {
        let (life, until) = match self.machine.mode() {
            Mode::Daemon => (self.life(), Some(Instant::now() + REBUILD_PATIENCE)),
            Mode::Once => (Life::default(), None),
        };
        self.publish_as(&life);
        self.go_on_as(&life, until);
        self.round(Round::Everybody, &life);
    }

    /// Goes round the outboxes of users.
    pub(super) fn round(&mut self, round: Round, life: &Life) {
        let source = Source { history: self.machine.history(), rules: self.machine.rules(), details: &self.journal };
        let outcome = self.publisher.round(round, source, life);
        self.state.went_round(outcome);
    }

    pub(super) fn publish(&mut self) {
        let life = self.life();
        self.publish_as(&life);
    }

    pub(super) fn life(&self) -> Life {
        Life { alive_at: Some(Utc::now()), held: self.held() }
    }

    /// Why nothing is judged at the moment: something is missing, or the image is not unpacked yet.
    pub(super) fn held(&self) -> Option<String> {
        self.machine.held().map(str::to_owned).or_else(|| self.engines.preparing())
    }

    fn publish_as(&mut self, life: &Life) {
        let began = Instant::now();
        let dirty = std::mem::take(&mut self.dirty);
        let dirty_everything = dirty.everything;
        let source = Source { history: self.machine.history(), rules: self.machine.rules(), details: &self.journal };
        match self.publisher.publish(&dirty, source, life) {
            Ok(()) if self.publisher.is_rebuilding() => {}
            Ok(()) if self.unpublished.is_clean() => self.state.publishing_works(),
            Ok(()) => {}
            Err(error) => self.try_later(&error, dirty),
        }
        if dirty_everything {
            self.live.again();
        }
        self.publish_from = Instant::now() + PUBLISH_PAUSE.max(idle(began));
    }

    pub(super) fn go_on(&mut self, until: Option<Instant>) {
        let life = self.life();
        let began = Instant::now();
        self.go_on_as(&life, until);
        // What runs needs the machine more than a page that nobody waits for.
        let busy = self.machine.history().running().next().is_some();
        self.rebuild_from = Instant::now() + if busy { idle(began) } else { Duration::ZERO };
    }

    /// Goes on with making every page anew, if that is due.
    fn go_on_as(&mut self, life: &Life, until: Option<Instant>) {
        let source = Source { history: self.machine.history(), rules: self.machine.rules(), details: &self.journal };
        let outcome = self.publisher.go_on(source, life, until.map(Instant::into_std));
        if outcome.is_some() {
            // The log knows nothing of a file that is being checked, so that its page went.
            self.live.again();
        }
        match outcome {
            Some(Ok(())) if self.unpublished.is_clean() => self.state.publishing_works(),
            Some(Ok(())) | None => {}
            Some(Err(error)) => self.try_later(&error, Dirty { everything: true, ..Dirty::default() }),
        }
    }

    fn try_later(&mut self, error: &PublishError, dirty: Dirty) {
        self.state.complain(error);
        let from = Instant::now() + if error.passes() { Duration::ZERO } else { RETRY_PAUSE };
        // What waits already is not put off by what comes to it.
        self.retry_from = if self.unpublished.is_clean() { from } else { self.retry_from.min(from) };
        self.unpublished.merge(dirty);
    }

    pub(super) fn beat(&mut self) {
        let (began, now) = (Instant::now(), Utc::now());
        // Not again from the beginning before it has come to its end.
        if !self.publisher.is_rebuilding() && began >= self.retry_from {
            self.dirty.merge(std::mem::take(&mut self.unpublished));
        }
        if self.dirty.is_clean() {
            let source =
                Source { history: self.machine.history(), rules: self.machine.rules(), details: &self.journal };
            if let Err(error) = self.publisher.queue(source, &self.life()) {
                self.try_later(&error, Dirty { shared: true, ..Dirty::default() });
            }
        } else if began >= self.publish_from {
            // Otherwise the pages are about to be published, with a sign of life.
            self.publish();
        }
        let round = if self.beats.is_multiple_of(EVERYBODY) { Round::Everybody } else { Round::Waiting };
        self.beats += 1;
        self.round(round, &self.life());
        let held = self.held();
        if self.state.is_news(held.as_deref()) {
            self.dirty.shared = true;
        }
        self.state.log = self.journal.damage().map(ToString::to_string);
        self.state.beat(&self.home, now, held.as_deref(), self.machine.held().is_none());
        let free_bytes = files::free_bytes(&self.home.results()).ok();
        let health = Health { now, held: held.is_some(), problems: self.state.many_problems(), free_bytes };
        metrics::write(&self.home, self.machine.history(), self.machine.rules(), health);
        // Under systemd; elsewhere nobody listens.
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
        // Counted from its end: one that takes longer than the pause must not come again after every single message.
        self.beat_from = Instant::now() + HEARTBEAT.max(idle(began));
    }
}

/// How long to leave the machine to others after what began then.
fn idle(began: Instant) -> Duration {
    (began.elapsed() * PUBLISH_IDLE_FACTOR).min(LONGEST_PAUSE)
}
