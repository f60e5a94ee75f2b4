//! A hint that the inbox changed. Events may be lost, doubled or late: nothing depends on them but how soon the next scan is.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind, RenameMode};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use crate::core::ids::UserName;
use crate::home::Home;

/// More names than these are not remembered: their files wait for the settle time instead.
const MOST_NAMES: usize = 50_000;

/// The files that came by a rename since the last scan: they are whole.
#[derive(Debug, Clone, Default)]
pub struct Renamed(Arc<Mutex<Names>>);

/// Files, by the user whose folder they lie in and their name.
type Names = BTreeSet<(Option<UserName>, OsString)>;

impl Renamed {
    pub(super) fn take(&self) -> Names {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, inbox: &Path, path: &Path) {
        let Some(name) = path.file_name() else { return };
        let mut parents = path.strip_prefix(inbox).unwrap_or(path).iter();
        let user = match (parents.next(), parents.next(), parents.next(), parents.next()) {
            (Some(_), None, None, None) => None,
            (Some(user), Some(folder), Some(_), None) if folder == "in" => {
                match user.to_str().and_then(|user| user.parse().ok()) {
                    Some(user) => Some(user),
                    None => return,
                }
            }
            _ => return,
        };
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() < MOST_NAMES {
            names.insert((user, name.to_owned()));
        }
    }
}

/// Watches `inbox/` and every `inbox/<user>/in/` that is there. `wake` is notified after every event; the watcher ends when it is dropped.
///
/// # Errors
/// When the kernel refuses to watch `inbox/`: then the regular scans have to do.
pub fn watch(home: &Home, renamed: &Renamed, wake: &Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let (inbox, renamed, wake) = (home.inbox(), renamed.clone(), Arc::clone(wake));
    let root = inbox.clone();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if let Ok(event) = &event {
            if !is_news(event.kind) {
                return;
            }
            if let EventKind::Modify(ModifyKind::Name(RenameMode::To)) = event.kind {
                event.paths.iter().for_each(|path| renamed.add(&root, path));
            }
        }
        wake.notify_one();
    })?;
    watcher.watch(&inbox, RecursiveMode::NonRecursive)?;
    // Not recursively: a student could make more folders than the kernel has watches.
    for user in std::fs::read_dir(&inbox).into_iter().flatten().flatten() {
        let folder = user.path().join("in");
        if user.file_name().to_str().is_some_and(|name| name.parse::<UserName>().is_ok()) && folder.is_dir() {
            watcher.watch(&folder, RecursiveMode::NonRecursive)?;
        }
    }
    Ok(watcher)
}

/// Whether an event can mean that there is something to take in. Opening and reading cannot, and a scan does both: it would wake the next.
fn is_news(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbox::{Memory, scan};
    use std::time::Duration;

    /// A home with an inbox that is watched.
    fn watched() -> (tempfile::TempDir, Home, Renamed, Arc<Notify>, RecommendedWatcher) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("inbox")).expect("an inbox");
        let home = Home::at(folder.path()).expect("a home");
        let (renamed, wake) = (Renamed::default(), Arc::new(Notify::new()));
        let watcher = watch(&home, &renamed, &wake).expect("watched");
        (folder, home, renamed, wake, watcher)
    }

    #[tokio::test]
    async fn a_scan_does_not_wake_the_next() {
        let (_folder, home, renamed, wake, _watcher) = watched();
        std::fs::write(home.inbox().join("nonsense"), "x").expect("written");
        // The write wakes; when that has been heard, a scan must not.
        while tokio::time::timeout(Duration::from_millis(200), wake.notified()).await.is_ok() {}
        scan(&home, &renamed, &mut Memory::default(), Duration::ZERO).expect("scanned");
        assert!(tokio::time::timeout(Duration::from_millis(300), wake.notified()).await.is_err());
    }

    #[tokio::test]
    async fn a_rename_wakes_and_is_known_as_one() {
        let (_folder, home, renamed, wake, _watcher) = watched();
        std::fs::write(home.inbox().join(".hidden"), "x").expect("written");
        std::fs::rename(home.inbox().join(".hidden"), home.inbox().join("whole")).expect("renamed");
        let mut found = Vec::new();
        while !found.iter().any(|found: &crate::core::machine::Found| found.renamed_in) {
            let heard = tokio::time::timeout(Duration::from_secs(10), wake.notified()).await;
            assert!(heard.is_ok(), "the rename was not heard of");
            found = scan(&home, &renamed, &mut Memory::default(), Duration::ZERO).expect("scanned");
        }
    }
}
