//! A hint that the inbox changed. Events may be lost, doubled or late: nothing depends on them but how soon the next scan is.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind, RenameMode};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use crate::core::ids::UserName;
use crate::core::submission::{Door, Folder};
use crate::home::Home;

use super::Memory;

/// More names than these are not remembered: their files wait for the settle time instead.
const MOST_NAMES: usize = 50_000;

/// More folders than these are not watched: what comes into the others is found by the regular scans.
const MOST_FOLDERS: usize = 20_000;

/// The files that came by a rename since the last scan: they are whole.
#[derive(Debug, Clone, Default)]
pub struct Renamed(Arc<Mutex<Names>>, Arc<AtomicBool>);

/// Files, by the user's folder that they lie in and their name.
pub(super) type Names = BTreeSet<(Option<Folder>, OsString)>;

impl Renamed {
    pub(super) fn take(&self) -> Names {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the kernel had more to tell than it could, since this was last asked.
    #[must_use]
    pub fn take_overflow(&self) -> bool {
        self.1.swap(false, Ordering::Relaxed)
    }

    fn add(&self, inbox: &Path, path: &Path) {
        let Some(name) = path.file_name() else { return };
        let mut parents = path.strip_prefix(inbox).unwrap_or(path).iter();
        let folder = match (parents.next(), parents.next(), parents.next(), parents.next()) {
            (Some(_), None, None, None) => None,
            (Some(user), Some(folder), Some(_), None) => {
                let user = user.to_str().and_then(|user| user.parse().ok());
                match (user, Door::ALL.into_iter().find(|door| folder == door.name())) {
                    (Some(user), Some(door)) => Some(Folder { user, door }),
                    _ => return,
                }
            }
            _ => return,
        };
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() < MOST_NAMES {
            names.insert((folder, name.to_owned()));
        }
    }
}

/// Watches `inbox/` and its users' folders, until it is dropped.
pub struct Watch {
    watcher: RecommendedWatcher,
    /// Each folder with its inode: one that is made anew is another.
    watched: BTreeMap<PathBuf, u64>,
    /// Whether it was said that there are too many.
    has_complained: bool,
}

impl Watch {
    /// Watches `inbox/` and every user's folders that are there. `wake` is notified after every event.
    ///
    /// # Errors
    /// When the kernel refuses to watch `inbox/`: then the regular scans have to do.
    pub fn new(home: &Home, renamed: &Renamed, wake: &Arc<Notify>) -> notify::Result<Self> {
        let (inbox, renamed, wake) = (home.inbox(), renamed.clone(), Arc::clone(wake));
        let root = inbox.clone();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if let Ok(event) = &event {
                if event.need_rescan() {
                    renamed.1.store(true, Ordering::Relaxed);
                } else if !is_news(event.kind) {
                    return;
                }
                if let EventKind::Modify(ModifyKind::Name(RenameMode::To)) = event.kind {
                    event.paths.iter().for_each(|path| renamed.add(&root, path));
                }
            }
            wake.notify_one();
        })?;
        watcher.watch(&inbox, RecursiveMode::NonRecursive)?;
        let mut watch = Self { watcher, watched: BTreeMap::new(), has_complained: false };
        // Not recursively: a student could make more folders than the kernel has watches.
        for user in std::fs::read_dir(&inbox).into_iter().flatten().flatten() {
            if user.file_name().to_str().is_some_and(|name| name.parse::<UserName>().is_ok()) {
                folders(&user.path()).for_each(|folder| watch.add(folder));
            }
        }
        Ok(watch)
    }

    /// Watches what the latest scan found that is not watched yet: folders of new users.
    pub fn keep_up(&mut self, home: &Home, memory: &Memory) {
        let folders: BTreeSet<PathBuf> =
            memory.users.iter().flat_map(|user| folders(&home.inbox().join(user.as_str()))).collect();
        self.watched.retain(|path, _| folders.contains(path));
        folders.into_iter().for_each(|folder| self.add(folder));
    }

    /// Watches one more folder, if it is one and no link.
    fn add(&mut self, path: PathBuf) {
        let meta = std::fs::symlink_metadata(&path).ok().filter(std::fs::Metadata::is_dir);
        let Some(inode) = meta.map(|meta| meta.ino()).filter(|inode| self.watched.get(&path) != Some(inode)) else {
            return;
        };
        let outcome = match self.watched.len() {
            MOST_FOLDERS.. => Err("there are too many".to_owned()),
            _ => self.watcher.watch(&path, RecursiveMode::NonRecursive).map_err(|error| error.to_string()),
        };
        match outcome {
            Ok(()) => {
                self.watched.insert(path, inode);
            }
            Err(why) if !self.has_complained => {
                self.has_complained = true;
                tracing::warn!(folder = %path.display(), why, "a folder of the inbox cannot be watched; it is looked at every two seconds");
            }
            Err(_) => {}
        }
    }
}

/// The folders of a user that are watched: the user's own, for the doors in it that are still to be made, and those.
fn folders(user: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    std::iter::once(user.to_owned()).chain(Door::ALL.map(|door| user.join(door.name())))
}

/// Whether an event can mean that there is something to take in. Opening and reading cannot, and a scan does both: it would wake the next.
fn is_news(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbox::scan;
    use std::time::Duration;

    /// A home with an inbox that is watched.
    fn watched() -> (tempfile::TempDir, Home, Renamed, Arc<Notify>, Watch) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("inbox")).expect("an inbox");
        let home = Home::at(folder.path()).expect("a home");
        let (renamed, wake) = (Renamed::default(), Arc::new(Notify::new()));
        let watcher = Watch::new(&home, &renamed, &wake).expect("watched");
        (folder, home, renamed, wake, watcher)
    }

    #[tokio::test]
    async fn a_scan_does_not_wake_the_next() {
        let (_folder, home, renamed, wake, _watcher) = watched();
        std::fs::write(home.inbox().join("nonsense"), "x").expect("written");
        // The write wakes; when that has been heard, a scan must not.
        while tokio::time::timeout(Duration::from_secs(2), wake.notified()).await.is_ok() {}
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

    #[tokio::test]
    async fn the_folders_of_a_new_user_are_watched_as_soon_as_they_are_seen() {
        let (_folder, home, renamed, wake, mut watch) = watched();
        let mut memory = Memory::default();
        let inbox = home.inbox();
        // Again in a folder that is made anew under the same name.
        for _ in 0..2 {
            for made in ["mira", "mira/in", "mira/git"] {
                std::fs::create_dir(inbox.join(made)).expect("made");
                let heard = tokio::time::timeout(Duration::from_secs(10), wake.notified()).await;
                assert!(heard.is_ok(), "{made} was not heard of");
                scan(&home, &renamed, &mut memory, Duration::ZERO).expect("scanned");
                watch.keep_up(&home, &memory);
            }
            for door in ["in", "git"] {
                let path = inbox.join("mira").join(door);
                std::fs::write(path.join(".hidden"), "x").expect("written");
                std::fs::rename(path.join(".hidden"), path.join("whole")).expect("renamed");
                let mut known = false;
                while !known {
                    let heard = tokio::time::timeout(Duration::from_secs(10), wake.notified()).await;
                    assert!(heard.is_ok(), "the rename in {door} was not heard of");
                    let found = scan(&home, &renamed, &mut memory, Duration::ZERO).expect("scanned");
                    known = found.iter().any(|found| found.renamed_in && found.name == "whole");
                }
            }
            std::fs::remove_dir_all(inbox.join("mira")).expect("removed");
            scan(&home, &renamed, &mut memory, Duration::ZERO).expect("scanned");
            watch.keep_up(&home, &memory);
            while tokio::time::timeout(Duration::from_millis(200), wake.notified()).await.is_ok() {}
        }
    }
}
