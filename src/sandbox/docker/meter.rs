//! What a container uses: exactly, from the control group that it was made in, or else as the engine tells while it runs.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::StatsOptions;
use futures_util::StreamExt;

use super::super::cgroup::Cgroup;
use super::super::clock::{Meter, Usage};

/// Measures one container.
#[derive(Debug)]
pub(super) enum ContainerMeter<'a> {
    /// It lies in a control group of ours, whose counters outlive it.
    Group(&'a Cgroup),
    /// All there is to know is what the engine says while the container runs: the last it said is what the run has used.
    Engine { docker: &'a Docker, id: &'a str, last: Mutex<(Usage, u64)> },
}

impl ContainerMeter<'_> {
    /// What it has used in the end, and the most memory that it ever used, in bytes.
    ///
    /// # Errors
    /// Of reading the control group.
    pub(super) fn total(&self) -> io::Result<(Usage, u64)> {
        match self {
            Self::Group(group) => Ok((group.usage_now()?, group.peak_memory()?)),
            Self::Engine { last, .. } => Ok(*last.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}

impl Meter for ContainerMeter<'_> {
    fn is_starved(&self) -> bool {
        match self {
            Self::Group(group) => group.is_starved(),
            Self::Engine { .. } => false,
        }
    }

    async fn usage(&self) -> io::Result<Usage> {
        match self {
            Self::Group(group) => group.usage_now(),
            Self::Engine { docker, id, last } => {
                let options = StatsOptions { stream: false, one_shot: true };
                let stats = docker
                    .stats(id, Some(options))
                    .next()
                    .await
                    .ok_or_else(|| io::Error::other("the engine gives no statistics"))?
                    .map_err(io::Error::other)?;
                let cpu = stats
                    .cpu_stats
                    .and_then(|cpu| cpu.cpu_usage?.total_usage)
                    .map_or(Duration::ZERO, Duration::from_nanos);
                let memory = stats.memory_stats.and_then(|memory| memory.max_usage.or(memory.usage)).unwrap_or(0);
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                // After the end the engine says zero.
                last.0.cpu = last.0.cpu.max(cpu);
                last.1 = last.1.max(memory);
                Ok(last.0)
            }
        }
    }
}
