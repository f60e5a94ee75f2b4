//! The pages of staff, kept beside the loop: nobody in the queue waits for them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::state;
use crate::core::record::moment;
use crate::core::rules::Rules;
use crate::core::text::chain;
use crate::core::view::{DaemonView, Health};
use crate::home::Home;
use crate::staff::Keeper;

/// From the end of one time to the beginning of the next.
const PACE: Duration = Duration::from_secs(5);
/// And it takes at most this part of the time of one core.
const IDLE_FACTOR: u32 = 20;
/// But no pause is longer than this: what took so long was a disk that stood still.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Brings the pages of staff up to date again and again.
pub(super) async fn keep(home: Home, rules: watch::Receiver<Arc<Rules>>, ending: CancellationToken) {
    let mut keeper = match Keeper::new(&home) {
        Ok(keeper) => keeper,
        Err(error) => return tracing::error!("{}", chain(&error)),
    };
    let (mut pause, mut complained) = (PACE / 5, None);
    loop {
        tokio::select! {
            () = ending.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        let (rules, health) = (Arc::clone(&rules.borrow()), health(&home));
        let kept = tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let outcome = keeper.refresh(&rules, health, Utc::now());
            (keeper, outcome, began.elapsed())
        });
        let Ok((kept, outcome, took)) = kept.await else { return };
        keeper = kept;
        let complaint = outcome.err().map(|error| chain(&error));
        if complaint != complained
            && let Some(text) = &complaint
        {
            tracing::warn!("the pages of staff are not up to date: {text}");
        }
        complained = complaint;
        pause = PACE.max((took * IDLE_FACTOR).min(LONGEST_PAUSE));
    }
}

/// How the daemon of a home is, as it last said itself.
#[must_use]
pub fn health(home: &Home) -> Health {
    let Some(written) = state::read(home) else { return Health::default() };
    Health {
        daemon: Some(DaemonView {
            pid: written.pid,
            version: written.version,
            started_at: moment::text(written.started_at),
            alive_at: moment::text(written.alive_at),
        }),
        held: written.held,
        problems: written.problems,
        ..Health::default()
    }
}
