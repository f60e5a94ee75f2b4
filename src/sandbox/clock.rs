//! Notices that a run has spent what it may: wall time, CPU time, memory.
//!
//! It measures through a [`Meter`] and says which limit was reached; it never ends anything itself and knows no engine.

use std::future::Future;
use std::io;
use std::time::{Duration, Instant};

use super::Ended;
use crate::core::config::Limits;

/// What a run has used so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    /// CPU time of all its processes, dead ones included.
    pub(super) cpu: Duration,
    /// Whether the kernel has killed one of its processes for want of memory.
    pub(super) out_of_memory: bool,
}

/// Something that knows what a run uses.
pub(super) trait Meter: Sync {
    /// What has been used up to now.
    fn usage(&self) -> impl Future<Output = io::Result<Usage>> + Send;

    /// How long it may be until the next look.
    fn longest_look(&self) -> Duration {
        LONGEST_LOOK
    }

    /// Whether the run gets nowhere for want of memory: it is full of what cannot be put elsewhere, and has asked for
    /// more again and again. The kernel can take very long over the last pages of a program before it gives it up.
    fn is_starved(&self) -> bool {
        false
    }
}

/// CPU time is looked at again when it could run out at the earliest, yet not more often than this: what a program can
/// take beyond its limit is this much on each processor.
const SHORTEST_LOOK: Duration = Duration::from_millis(2);
/// A child that was killed for want of memory ends a run that would otherwise go on without it, this much later at
/// most.
pub(super) const LONGEST_LOOK: Duration = Duration::from_millis(100);

/// Returns when a limit of the run that began at `start` has been reached, and says which.
///
/// A meter that cannot be read is read again later: without it the wall clock still ends the run, and the caller reads
/// it once more after the end.
pub(super) async fn limit_reached(limits: &Limits, start: Instant, meter: &impl Meter) -> Ended {
    let at_once = std::thread::available_parallelism().map_or(1, |n| n.get() as u64).min(limits.processes.max(1));
    let at_once = u32::try_from(at_once).unwrap_or(u32::MAX);
    let mut used = Duration::ZERO;
    loop {
        let until_wall = limits.wall.saturating_sub(start.elapsed());
        let until_cpu = limits.cpu.saturating_sub(used) / at_once;
        tokio::time::sleep(until_cpu.clamp(SHORTEST_LOOK, meter.longest_look()).min(until_wall)).await;
        // An engine that is asked may not answer, and the wall clock goes on.
        let until_wall = limits.wall.saturating_sub(start.elapsed());
        if let Ok(Ok(usage)) = tokio::time::timeout(until_wall, meter.usage()).await {
            used = usage.cpu;
            if let Some(ended) = spent(limits, usage) {
                return ended;
            }
            if meter.is_starved() {
                return Ended::MemoryLimit;
            }
        }
        if start.elapsed() >= limits.wall {
            return Ended::WallLimit;
        }
    }
}

/// The limit that a run with this usage has reached, whatever else it did.
pub(super) fn spent(limits: &Limits, usage: Usage) -> Option<Ended> {
    if usage.out_of_memory {
        Some(Ended::MemoryLimit)
    } else if usage.cpu >= limits.cpu {
        Some(Ended::CpuLimit)
    } else {
        None
    }
}

/// What a status says that follows the shells' rule: 128 and a signal's number for a main process that a signal ended.
///
/// Both engines learn of the end only in this form. A program that chooses to `exit(139)` thus reads as one that
/// crashed; shells that pass on a child's crash read as the crash that it was, which is the more useful of the two.
pub(super) fn ended_with(status: i32) -> Ended {
    const LAST_SIGNAL: i32 = 64;
    match status - 128 {
        // These do not end a process: nobody was ended by them. 32 and 33 are the C library's own.
        libc::SIGCHLD
        | libc::SIGCONT
        | libc::SIGSTOP
        | libc::SIGTSTP
        | libc::SIGTTIN
        | libc::SIGTTOU
        | libc::SIGURG
        | libc::SIGWINCH
        | 32
        | 33 => Ended::Exited(status),
        signal @ 1..=LAST_SIGNAL => Ended::Signalled(signal),
        _ => Ended::Exited(status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_above_128_is_the_signal_that_it_names() {
        assert_eq!(ended_with(0), Ended::Exited(0));
        assert_eq!(ended_with(128), Ended::Exited(128));
        assert_eq!(ended_with(128 + 11), Ended::Signalled(11));
        assert_eq!(ended_with(128 + 64), Ended::Signalled(64));
        assert_eq!(ended_with(128 + 65), Ended::Exited(193));
        assert_eq!(ended_with(128 + libc::SIGCHLD), Ended::Exited(128 + libc::SIGCHLD));
        assert_eq!(ended_with(255), Ended::Exited(255));
    }
}
