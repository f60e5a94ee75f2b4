//! The processor's cores, divided among what runs at the same time.
//!
//! A core is divided between nobody: two threads of one core slow each other down as much as two programs on one thread
//! do.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::core::config::Queue;

/// Processors, by the numbers that the kernel gives them, in order. Shown as the kernel does: `0-3,8`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cores(Vec<usize>);

impl Cores {
    /// Every processor that this process may use.
    #[must_use]
    pub fn all() -> Self {
        let set = sched_getaffinity(None).unwrap_or_default();
        Self((0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect())
    }

    /// So many sets of whole cores, all of one size, of those that this process may use; what cannot be divided evenly is
    /// left to everything else.
    ///
    /// # Errors
    /// There are fewer cores than sets, in words.
    pub fn divided(sets: usize) -> Result<Vec<Self>, String> {
        divide(by_core(Self::all().0, siblings), sets)
    }

    /// A set for each worker of a queue; `None` where its workers have no cores of their own.
    ///
    /// # Errors
    /// As of [`divided`](Self::divided).
    pub fn of_workers(queue: &Queue) -> Result<Option<Vec<Self>>, String> {
        queue.pin.then(|| Self::divided(queue.workers)).transpose()
    }

    /// Keeps the calling thread, and what it starts, on these. Makes no allocation: it is called between fork and exec.
    pub(super) fn keep_to(&self) -> rustix::io::Result<()> {
        let mut set = CpuSet::new();
        self.0.iter().for_each(|cpu| set.set(*cpu));
        sched_setaffinity(None, &set)
    }
}

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_slice();
        let mut comma = "";
        while let Some(first) = rest.first() {
            let many = rest.iter().zip(*first..).take_while(|(cpu, expected)| *cpu == expected).count();
            match many {
                1 => write!(f, "{comma}{first}")?,
                _ => write!(f, "{comma}{first}-{}", first + many - 1)?,
            }
            (rest, comma) = (&rest[many..], ",");
        }
        Ok(())
    }
}

/// The kernel's list of the processors that share a core with one; its own number where the kernel does not say.
fn siblings(cpu: usize) -> String {
    fs::read_to_string(format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"))
        .map_or_else(|_| cpu.to_string(), |list| list.trim().to_owned())
}

fn by_core(cpus: Vec<usize>, siblings: impl Fn(usize) -> String) -> Vec<Vec<usize>> {
    let mut cores: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for cpu in cpus {
        cores.entry(siblings(cpu)).or_default().push(cpu);
    }
    let mut cores: Vec<Vec<usize>> = cores.into_values().collect();
    cores.sort_unstable();
    cores
}

fn divide(cores: Vec<Vec<usize>>, sets: usize) -> Result<Vec<Cores>, String> {
    let each = cores.len() / sets.max(1);
    if each == 0 {
        return Err(format!(
            "queue.pin wants a core for each of {sets} workers, and there are {}; lower queue.workers, or set queue.pin = false",
            cores.len()
        ));
    }
    let set = |cores: &[Vec<usize>]| {
        let mut cpus = cores.concat();
        cpus.sort_unstable();
        Cores(cpus)
    };
    Ok(cores.chunks(each).take(sets).map(set).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(cpus: &[usize], threads: usize, sets: usize) -> Result<Vec<String>, String> {
        // As on most machines with two threads a core: the second halves come after all the first.
        let cores = cpus.len() / threads;
        let by_core = by_core(cpus.to_vec(), |cpu| (cpu % cores).to_string());
        divide(by_core, sets).map(|sets| sets.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn cores_are_divided_whole_and_evenly() {
        assert_eq!(shown(&[0, 1, 2, 3], 1, 2), Ok(vec!["0-1".into(), "2-3".into()]));
        assert_eq!(shown(&[0, 1, 2, 3, 4], 1, 2), Ok(vec!["0-1".into(), "2-3".into()]));
        assert_eq!(shown(&[0, 1, 2, 3, 4, 5, 6, 7], 2, 2), Ok(vec!["0-1,4-5".into(), "2-3,6-7".into()]));
        assert_eq!(shown(&[0, 1, 2, 3, 4, 5, 6, 7], 2, 4).map(|sets| sets.join(" ")), Ok("0,4 1,5 2,6 3,7".into()));
    }

    #[test]
    fn too_few_cores_are_an_error_that_says_what_to_do() {
        insta::assert_snapshot!(
            shown(&[0, 1], 2, 2).expect_err("two threads of one core"),
            @"queue.pin wants a core for each of 2 workers, and there are 1; lower queue.workers, or set queue.pin = false"
        );
    }
}
