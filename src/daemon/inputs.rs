//! Where the loop's inputs come from, besides its own tasks: the inbox, the settings, the clock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::is_listed;
use crate::core::config::Problem;
use crate::core::machine::{Found, Input};
use crate::core::rules::Rules;
use crate::core::submission::{Named, read_name};
use crate::files;
use crate::home::Home;
use crate::inbox::{self, Memory, Renamed};
use crate::settings::Watcher;

/// What the loop is told.
#[derive(Debug)]
pub(super) enum Message {
    /// For the machine.
    Input(Input),
    /// What lies in the inbox, as somebody saw it who began to look at this moment.
    Listing(Vec<Found>, Instant),
    /// A second has passed; dropped when that has been taken note of.
    Tick(Input, oneshot::Sender<()>),
    /// New settings, all good.
    Rules(Arc<Rules>),
    /// New settings, not good.
    Problems(Vec<Problem>),
}

/// The inbox is looked at this often even when nothing was heard of it: events get lost.
const SWEEP: Duration = Duration::from_secs(2);
/// While something lies in it that needs more time, this often.
const SETTLING: Duration = Duration::from_millis(100);
/// A scan costs at most this part of the time, but for what takes very long, however full the inbox and however many the events.
const IDLE_FACTOR: u32 = 4;
/// But no pause is longer than this: what took so long was a disk that stood still.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Two looks at two files: cheap, and no editor's way of writing escapes it.
const SETTINGS: Duration = Duration::from_millis(200);
const TICK: Duration = Duration::from_secs(1);

/// Scans the inbox: at once, after every event, and every now and then.
pub(super) async fn scan(
    home: Home,
    inputs: mpsc::Sender<Message>,
    rules: watch::Receiver<Arc<Rules>>,
    ending: CancellationToken,
) {
    let (renamed, wake) = (Renamed::default(), Arc::new(Notify::new()));
    let mut watch = match inbox::Watch::new(&home, &renamed, &wake) {
        Ok(watch) => Some(watch),
        Err(error) => {
            tracing::warn!(%error, "the inbox cannot be watched; it is looked at every two seconds, and files wait for the settle time");
            None
        }
    };
    let mut memory = Memory::default();
    loop {
        let settle = rules.borrow().config.submissions.settle;
        let (scanned_home, scanned_renamed, mut scanned_memory) = (home.clone(), renamed.clone(), memory);
        let mut keeping_up = watch.take();
        let began = Instant::now();
        let scanned = tokio::task::spawn_blocking(move || {
            let found = inbox::scan(&scanned_home, &scanned_renamed, &mut scanned_memory, settle);
            if let Some(watch) = &mut keeping_up {
                watch.keep_up(&scanned_home, &scanned_memory);
            }
            (found, scanned_memory, keeping_up)
        })
        .await;
        let took = began.elapsed();
        let Ok((found, kept, kept_up)) = scanned else { return };
        (memory, watch) = (kept, kept_up);
        if renamed.take_overflow() {
            tracing::warn!(
                "more happened in the inbox than the kernel could tell (its queue of events overflowed); nothing is lost, for the inbox is looked at whole"
            );
        }
        let pause = match found {
            Ok(found) => {
                // What lies under a temporary name is nothing to wait for.
                let is_temporary = |found: &Found| read_name(&found.name.to_string_lossy()) == Named::Temporary;
                let pause = if found.iter().all(is_temporary) { SWEEP } else { SETTLING };
                if inputs.send(Message::Listing(found, began)).await.is_err() {
                    return;
                }
                pause
            }
            Err(error) => {
                tracing::error!(%error, "the inbox cannot be read");
                SWEEP
            }
        };
        tokio::select! {
            () = ending.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
            () = wake.notified() => {}
        }
        tokio::time::sleep((took * IDLE_FACTOR).min(LONGEST_PAUSE)).await;
    }
}

/// Reads the settings when they change.
pub(super) async fn settings(
    mut watcher: Watcher,
    inputs: mpsc::Sender<Message>,
    rules: watch::Receiver<Arc<Rules>>,
    ending: CancellationToken,
) {
    loop {
        tokio::select! {
            () = ending.cancelled() => return,
            () = tokio::time::sleep(SETTINGS) => {}
        }
        let listed = is_listed(&rules.borrow());
        let message = match watcher.look(listed) {
            None => continue,
            Some(Ok(rules)) => Message::Rules(Arc::new(rules)),
            Some(Err(problems)) => Message::Problems(problems),
        };
        if inputs.send(message).await.is_err() {
            return;
        }
    }
}

/// Says every second that time passes, and how much room there is. A loop that is held up finds one tick when it goes on, and not all that it missed: a
/// check that has waited for the loop has not taken that time.
pub(super) async fn ticks(home: Home, inputs: mpsc::Sender<Message>, ending: CancellationToken) {
    loop {
        let free_bytes = files::free_bytes(&home.results()).unwrap_or(u64::MAX);
        let (told, heard) = oneshot::channel();
        if inputs.send(Message::Tick(Input::Tick { free_bytes }, told)).await.is_err() {
            return;
        }
        // Nothing is sent by it: it is dropped.
        let _ = heard.await;
        tokio::select! {
            () = ending.cancelled() => return,
            () = tokio::time::sleep(TICK) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_loop_that_was_held_up_finds_one_tick_and_not_all_that_it_missed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (sender, mut inputs) = mpsc::channel(16);
        let ending = CancellationToken::new();
        let ticking = tokio::spawn(ticks(Home::at(folder.path()).expect("a home"), sender, ending.clone()));
        let first = inputs.recv().await.expect("a tick");
        assert!(matches!(first, Message::Tick(Input::Tick { .. }, _)), "{first:?}");
        tokio::time::sleep(TICK * 5 / 2).await;
        assert!(inputs.try_recv().is_err(), "another one has come before the first was taken note of");
        drop(first);
        assert!(matches!(inputs.recv().await, Some(Message::Tick(..))), "time goes on");
        ending.cancel();
        drop(inputs);
        ticking.await.expect("it ends");
    }
}
