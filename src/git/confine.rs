//! What a process that reads strangers' objects may spend. git runs no program of theirs; but a pack of some kilobytes can unfold to
//! gigabytes.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Door;

/// Address space besides what a repository takes, in bytes: git maps packs and unfolds objects.
const MEMORY: u64 = 1 << 30;
/// Processor time of one process, in seconds: a push of an honest size takes less than one.
const CPU: u64 = 20;
/// Processes of the account, whoever pushes: a wall against a fault of ours, far above what a class needs.
const PROCESSES: u64 = 4096;
const OPEN_FILES: u64 = 512;

/// Bounds this process and all that it starts, for good.
pub fn confine(door: &Door) {
    let limits = [
        (Resource::Core, 0),
        (Resource::Cpu, CPU),
        (Resource::Fsize, door.largest_repository()),
        (Resource::As, MEMORY.saturating_add(door.largest_repository())),
        (Resource::Nproc, PROCESSES),
        (Resource::Nofile, OPEN_FILES),
    ];
    for (resource, most) in limits {
        // Never raised: whoever started us may have been stricter.
        let now = getrlimit(resource);
        let bound = |limit: Option<u64>| Some(limit.map_or(most, |limit| limit.min(most)));
        let _ = setrlimit(resource, Rlimit { current: bound(now.current), maximum: bound(now.maximum) });
    }
}
