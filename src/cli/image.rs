//! The image of the sandbox, opened for a verb that somebody waits for: a first one may have to be fetched.

use super::progress::Progress;
use crate::core::config::{Engine, SandboxSettings};
use crate::daemon::Lock;
use crate::home::Home;
use crate::images::{ImageError, Names, Opened, Store};

/// The home's store. Beside a daemon, names mean what they mean to the daemon.
pub(super) fn store(home: &Home) -> Store {
    Store::of(home, if Lock::is_taken(home) { Names::Remembered } else { Names::Anew })
}

/// Opens the image, and shows how far that is; `None`: the engine has images of its own.
///
/// # Errors
/// [`ImageError`]
pub(super) async fn open(images: &Store, settings: &SandboxSettings) -> Result<Option<Opened>, ImageError> {
    match settings.engine {
        Engine::Docker => return Ok(None),
        Engine::Bubblewrap => {}
    }
    let (mut news, mut progress) = (images.news(), Progress::new("MiB"));
    let opening = images.open(&settings.image);
    tokio::pin!(opening);
    let opened = loop {
        tokio::select! {
            opened = &mut opening => break opened,
            Ok(()) = news.changed() => {
                let step = news.borrow_and_update().clone();
                if let Some(step) = step {
                    progress.set(step.done >> 20, step.total >> 20, step.what);
                }
            }
        }
    };
    progress.clear();
    opened.map(Some)
}
