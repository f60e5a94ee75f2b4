//! Which worker runs on which cores, where `queue.pin` gives each its own.

use std::sync::{Arc, Mutex, PoisonError};

use crate::core::config::Queue;
use crate::sandbox::Cores;

/// The sets of cores that are taken, by their place in the division.
#[derive(Debug, Clone, Default)]
pub(super) struct Pins(Arc<Mutex<Vec<usize>>>);

/// A set of cores that is one judging's until it is dropped.
#[derive(Debug)]
pub(super) struct Pin {
    pub(super) cores: Cores,
    place: usize,
    pins: Pins,
}

impl Pins {
    /// A set of cores that no other judging has; `None` where judgings are not pinned.
    ///
    /// While `queue.workers` is being changed, a set may share cores with one of the old division that is still in use.
    ///
    /// # Errors
    /// There are not enough cores, in words.
    pub(super) fn take(&self, queue: &Queue) -> Result<Option<Pin>, String> {
        let Some(sets) = Cores::of_workers(queue)? else { return Ok(None) };
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (0..).find(|place| !taken.contains(place)).unwrap_or(0);
        taken.push(place);
        Ok(sets.into_iter().cycle().nth(place).map(|cores| Pin { cores, place, pins: self.clone() }))
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut taken = self.pins.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.retain(|place| *place != self.place);
    }
}
