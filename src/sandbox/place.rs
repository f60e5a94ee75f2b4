//! Where an engine leaves its traces, and under whose name, so that a later life finds what an earlier one left.
//!
//! It knows names and numbers only: no cgroup, no container, no process but whether one with a given number exists.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::images::Store;

/// One home on one machine, as an engine sees it.
#[derive(Debug, Clone)]
pub struct Place {
    /// Eight hexadecimal digits that tell this home from the others on the machine.
    pub home_id: String,
    /// Who runs: [`DAEMON`](Self::DAEMON), or [`try_by`](Self::try_by).
    pub owner: String,
    /// A folder of the home's that is ours alone (mode 0700); every path of a [`RunSpec`](super::RunSpec) may lie below
    /// it.
    pub work: PathBuf,
    /// For an engine that resolves paths on another machine's or container's file system: a path's beginning here, and
    /// what stands in its place there. `None`: paths mean the same on both sides.
    pub host_home: Option<(PathBuf, PathBuf)>,
    /// Where an engine that unpacks images has them.
    pub images: Store,
}

/// Uids of sandboxes start here, above what systemd gives to containers and below 2^31 (see systemd's `UIDS-GIDS`):
/// they own nothing.
const FIRST_UID: u32 = 2_000_000_000;
/// Each home and owner has a block of this many of them: that many runs of it can be told apart.
const UIDS_IN_A_BLOCK: u32 = 1 << 10;
const BLOCKS: u32 = 1 << 16;

impl Place {
    /// The owner of what the daemon runs; there is one daemon to a home.
    pub const DAEMON: &'static str = "daemon";

    /// The owner of what a short-lived process runs beside the daemon: it is named by its process id.
    #[must_use]
    pub fn try_by(pid: u32) -> String {
        format!("try-{pid}")
    }

    /// The name under which one run leaves traces.
    pub(super) fn name(&self, label: &str) -> String {
        format!("{}-{label}", self.owner)
    }

    /// Whether traces of that name are nobody's any more, provided that they are none of our own that still run.
    ///
    /// Only the daemon takes up what an earlier daemon left: another process cannot know whether the daemon is still
    /// there.
    pub(super) fn is_stray(&self, name: &str) -> bool {
        if let Some(rest) = name.strip_prefix("try-") {
            let pid = rest.split('-').next().unwrap_or_default();
            return pid
                .parse::<u32>()
                .is_ok_and(|pid| pid != std::process::id() && !Path::new(&format!("/proc/{pid}")).exists());
        }
        self.owner == Self::DAEMON && name.starts_with("daemon-")
    }

    /// The path by which the engine finds what this process finds at `path`.
    pub(super) fn on_host(&self, path: &Path) -> PathBuf {
        match &self.host_home {
            Some((here, there)) => path.strip_prefix(here).map_or_else(|_| path.to_owned(), |rest| there.join(rest)),
            None => path.to_owned(),
        }
    }
}

/// The uids that this process's sandboxes run under, one for each concurrent run: what the kernel counts by user (pipe
/// memory, watches, queues) is then not shared between two runs.
#[derive(Debug, Clone)]
pub(super) struct Uids {
    first: u32,
    taken: Arc<Mutex<Vec<bool>>>,
}

/// A uid, and the gid of the same number, until it is dropped.
#[derive(Debug)]
pub(super) struct Uid {
    pub(super) number: u32,
    slot: usize,
    taken: Arc<Mutex<Vec<bool>>>,
}

impl Uids {
    pub(super) fn of(place: &Place) -> Self {
        // FNV-1a: any spread will do, two homes that share a block lose nothing but the separate counting.
        let hash = place
            .home_id
            .bytes()
            .chain(place.owner.bytes())
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        Self { first: FIRST_UID + (hash % BLOCKS) * UIDS_IN_A_BLOCK, taken: Arc::default() }
    }

    pub(super) fn take(&self) -> Uid {
        let mut taken = lock(&self.taken);
        let slot = taken.iter().position(|taken| !taken).unwrap_or(taken.len());
        if slot == taken.len() {
            taken.push(true);
        } else {
            taken[slot] = true;
        }
        let offset = u32::try_from(slot).unwrap_or(u32::MAX) % UIDS_IN_A_BLOCK;
        Uid { number: self.first + offset, slot, taken: Arc::clone(&self.taken) }
    }
}

impl Uid {
    /// Which of this process's concurrent runs it is: the lowest number that is free.
    pub(super) fn slot(&self) -> u32 {
        u32::try_from(self.slot).unwrap_or(u32::MAX) % UIDS_IN_A_BLOCK
    }
}

impl Drop for Uid {
    fn drop(&mut self) {
        lock(&self.taken)[self.slot] = false;
    }
}

/// A panic cannot leave a list of booleans half changed.
fn lock(taken: &Mutex<Vec<bool>>) -> MutexGuard<'_, Vec<bool>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::Names;

    fn place(owner: &str) -> Place {
        let images = Store::new("/nowhere".into(), "/nowhere".into(), Names::Remembered);
        Place { home_id: "0123abcd".into(), owner: owner.into(), work: "/nowhere".into(), host_home: None, images }
    }

    #[test]
    fn only_the_daemon_takes_up_what_a_daemon_left() {
        assert!(place("daemon").is_stray("daemon-a-1"));
        assert!(!place("try-1").is_stray("daemon-a-1"));
        assert!(!place("daemon").is_stray("somebody-else"));
    }

    #[test]
    fn a_try_is_stray_when_its_process_is_gone() {
        let mine = Place::try_by(std::process::id());
        for owner in ["daemon", &mine] {
            assert!(place(owner).is_stray("try-4294967295-a-1"));
            assert!(!place(owner).is_stray("try-1-a-1"), "process 1 always exists");
            assert!(!place(owner).is_stray(&format!("{mine}-a-1")));
            assert!(!place(owner).is_stray("try-x"));
        }
    }

    #[test]
    fn a_path_is_translated_below_its_prefix_only() {
        let there = Place { host_home: Some(("/home".into(), "/srv/podium".into())), ..place("daemon") };
        assert_eq!(there.on_host(Path::new("/home/results/x")), Path::new("/srv/podium/results/x"));
        assert_eq!(there.on_host(Path::new("/homes/x")), Path::new("/homes/x"));
        assert_eq!(place("daemon").on_host(Path::new("/home/x")), Path::new("/home/x"));
    }

    #[test]
    fn concurrent_runs_have_uids_of_their_own_and_give_them_back() {
        let uids = Uids::of(&place("daemon"));
        let (first, second) = (uids.take(), uids.take());
        assert_ne!(first.number, second.number);
        assert!(first.number >= FIRST_UID && second.number < 1 << 31);
        let number = first.number;
        drop(first);
        assert_eq!(uids.take().number, number);
    }
}
