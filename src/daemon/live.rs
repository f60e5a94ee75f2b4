//! What is being checked and judged, on its way to the private pages of those whose it is.

use std::time::Duration;

use tokio::time::Instant;

use super::Daemon;
use crate::core::machine::{Arrival, Order, Reception, Unreceived};
use crate::core::record::{FileKey, Granted};
use crate::core::rules::Rules;
use crate::core::view::{Source, Step};
use crate::site::Teller;

/// What is new is written this often.
const PAUSE: Duration = Duration::from_millis(200);

impl Daemon {
    /// A file is received. Nobody is told of one that is not looked at before it is queued: it is there in no time.
    pub(super) fn checking(&mut self, arrival: &Arrival, rules: &Rules) -> Teller {
        let Some(name) = &arrival.name else { return Teller::default() };
        let language = rules.config.languages.get(&name.extension);
        if !language.is_some_and(|language| language.check.is_some() || language.allow_imports.is_some()) {
            return Teller::default();
        }
        self.wait_for_more();
        self.live.check(name, arrival.key(), arrival.found.size)
    }

    /// A judging begins.
    pub(super) fn judging(&mut self, order: &Order) -> Teller {
        self.wait_for_more();
        let begun = self.machine.history().get(order.submission);
        let teller = begun.map(|begun| self.live.judging(begun)).unwrap_or_default();
        teller.tell(Step::Given(Granted::of(&order.rules.config.limits)));
        teller
    }

    /// Most checks are over before anything of them is written.
    fn wait_for_more(&mut self) {
        if !self.live.is_any() {
            self.live_from = Instant::now() + PAUSE;
        }
    }

    /// A reception ended. What led to no line of the log is looked for again, and may be gone.
    pub(super) fn received(&mut self, arrival: &Arrival, outcome: &Result<Reception, Unreceived>) {
        match outcome {
            Ok(_) | Err(Unreceived::Refused(..)) => {}
            Err(Unreceived::Changed | Unreceived::Cancelled | Unreceived::Unavailable(_) | Unreceived::Failed(_)) => {
                self.unchecked(arrival.key());
            }
        }
    }

    /// Takes away the page of a file whose check led to no line of its own.
    pub(super) fn unchecked(&mut self, key: FileKey) {
        let Some(id) = self.live.left(key) else { return };
        let source = Source { history: self.machine.history(), rules: self.machine.rules(), details: &self.journal };
        if let Err(error) = self.publisher.unchecked(source, &id) {
            self.state.complain(&error);
        }
    }

    /// Writes what is going on onto the private pages of those whose submissions it is.
    pub(super) fn write_live(&mut self) {
        let source = Source { history: self.machine.history(), rules: self.machine.rules(), details: &self.journal };
        if let Err(error) = self.live.write(source, &self.publisher) {
            self.state.complain(&error);
        }
        self.live_from = Instant::now() + PAUSE;
    }
}
