//! Waiting for a condition: looked at again and again, and never for ever.

use std::time::{Duration, Instant};

/// How long a test waits for what has to come. It is no measure of speed: two cores may be busy with other things.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Returns when `done` says so, or after `patience` with whether it ever did. `alive` is asked in between and panics where there is nothing
/// left to wait for.
pub fn wait_until(patience: Duration, mut done: impl FnMut() -> bool, mut alive: impl FnMut()) -> bool {
    let start = Instant::now();
    loop {
        if done() {
            return true;
        }
        alive();
        if start.elapsed() > patience {
            return false;
        }
        nap();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that polls; whoever waits here has a condition and a deadline"
)]
fn nap() {
    std::thread::sleep(Duration::from_millis(15));
}
