//! What a container uses: exactly, from the control group that it was made in, or else as the engine tells while it
//! runs.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::StatsOptions;
use futures_util::StreamExt;

use super::super::cgroup::{Cgroup, Counters};
use super::super::clock::{self, Meter, Usage};

/// Measures one container.
#[derive(Debug)]
pub(super) enum ContainerMeter<'a> {
    /// It lies in a control group of ours, whose counters outlive it.
    Group(&'a Cgroup),
    /// Its own control group can be seen: what was last seen there is what the run has used.
    Seen(Counters),
    /// All there is to know is what the engine says while the container runs: the last it said is what the run has used.
    Engine { docker: &'a Docker, id: &'a str, last: Mutex<(Usage, u64)> },
}

impl<'a> ContainerMeter<'a> {
    /// The best that can be had for a container that has been started, and is in no group of ours.
    pub(super) async fn of_running(docker: &'a Docker, id: &'a str, is_here: bool) -> Self {
        let by_the_engine = || Self::Engine { docker, id, last: Mutex::default() };
        if !is_here {
            return by_the_engine();
        }
        let state = docker.inspect_container(id, None).await.ok().and_then(|container| container.state);
        let pid = state.and_then(|state| state.pid).filter(|pid| *pid > 0);
        match pid.and_then(|pid| Counters::of_process(pid, id)) {
            Some(counters) => Self::Seen(counters),
            None => by_the_engine(),
        }
    }

    /// What it has used in the end, and the most memory that it ever used, in bytes.
    ///
    /// # Errors
    /// Of reading the control group.
    pub(super) fn total(&self) -> io::Result<(Usage, u64)> {
        match self {
            Self::Group(group) => Ok((group.usage_now()?, group.peak_memory())),
            Self::Seen(counters) => Ok((counters.usage().unwrap_or_default(), counters.peak_memory())),
            Self::Engine { last, .. } => Ok(*last.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}

impl Meter for ContainerMeter<'_> {
    fn longest_look(&self) -> Duration {
        match self {
            Self::Group(_) | Self::Engine { .. } => clock::LONGEST_LOOK,
            // What is used after the last look is not seen.
            Self::Seen(_) => Duration::from_millis(5),
        }
    }

    fn is_starved(&self) -> bool {
        match self {
            Self::Group(group) => group.is_starved(),
            Self::Seen(counters) => counters.is_starved(),
            Self::Engine { .. } => false,
        }
    }

    async fn usage(&self) -> io::Result<Usage> {
        match self {
            Self::Group(group) => group.usage_now(),
            Self::Seen(counters) => counters.usage(),
            Self::Engine { docker, id, last } => {
                let options = StatsOptions { stream: false, one_shot: true };
                let mut stats = docker.stats(id, Some(options));
                let (stats, state) = tokio::join!(stats.next(), docker.inspect_container(id, None));
                let stats = stats
                    .ok_or_else(|| io::Error::other("the engine gives no statistics"))?
                    .map_err(io::Error::other)?;
                let cpu = stats.cpu_stats.and_then(|cpu| cpu.cpu_usage?.total_usage);
                let memory = stats.memory_stats.and_then(|memory| memory.max_usage.or(memory.usage));
                let state = state.ok().and_then(|container| container.state);
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                // After the end the engine says zero.
                last.0.cpu = last.0.cpu.max(cpu.map_or(Duration::ZERO, Duration::from_nanos));
                last.0.out_of_memory |= state.and_then(|state| state.oom_killed).unwrap_or(false);
                last.1 = last.1.max(memory.unwrap_or(0));
                Ok(last.0)
            }
        }
    }
}
