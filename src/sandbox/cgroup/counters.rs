//! Reads what a control group has used, in either version of the kernel's interface.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::super::clock::Usage;
use super::layout::{self, Version};
use super::naming;

/// The open counters of one group. They can be read as long as the group exists.
#[derive(Debug)]
pub(in crate::sandbox) struct Counters {
    version: Version,
    memory_folder: PathBuf,
    cpu: File,
    peak: Option<File>,
    current: Option<File>,
    pub(super) oom: File,
    /// Whether a process was seen to have been killed for want of memory.
    oom_seen: AtomicBool,
    /// The most CPU time, in nanoseconds, and memory, in bytes, that were seen.
    cpu_seen: AtomicU64,
    memory_seen: AtomicU64,
}

impl Counters {
    /// Of the group with these folders, which may be one and the same.
    ///
    /// # Errors
    /// With the file that cannot be opened.
    pub(super) fn open(version: Version, memory: &Path, cpu: &Path) -> io::Result<Self> {
        let open = |path: PathBuf| File::open(&path).map_err(|error| naming(&path, error));
        let (cpu, peak, current, oom) = match version {
            Version::V1 => (
                open(cpu.join("cpuacct.usage"))?,
                Some(open(memory.join("memory.max_usage_in_bytes"))?),
                None,
                open(memory.join("memory.oom_control"))?,
            ),
            Version::V2 => (
                open(cpu.join("cpu.stat"))?,
                // There from Linux 5.19.
                File::open(memory.join("memory.peak")).ok(),
                Some(open(memory.join("memory.current"))?),
                open(memory.join("memory.events"))?,
            ),
        };
        Ok(Self {
            version,
            memory_folder: memory.to_owned(),
            cpu,
            peak,
            current,
            oom,
            oom_seen: AtomicBool::new(false),
            cpu_seen: AtomicU64::new(0),
            memory_seen: AtomicU64::new(0),
        })
    }

    /// Of the group that a process is in, if its path has `name` in it: a process of that number may also be one of this
    /// machine's that has nothing to do with the one that is meant.
    pub(in crate::sandbox) fn of_process(pid: i64, name: &str) -> Option<Self> {
        let (version, memory, cpu) =
            layout::folders_of(&fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?, name)?;
        Self::open(version, &memory, &cpu).ok()
    }

    /// What it has used up to now; the last that was seen, once the group is gone.
    ///
    /// # Errors
    /// Nothing has ever been seen, and the kernel's files cannot be read.
    pub(in crate::sandbox) fn usage(&self) -> io::Result<Usage> {
        let read = self.look();
        let cpu = self.cpu_seen.load(Ordering::Relaxed);
        match read {
            Err(error) if cpu == 0 => Err(error),
            _ => Ok(Usage { cpu: Duration::from_nanos(cpu), out_of_memory: self.oom_seen.load(Ordering::Relaxed) }),
        }
    }

    /// The most memory that was ever in use at one time, in bytes. Before Linux 5.19 under version 2: the most that was
    /// seen.
    pub(in crate::sandbox) fn peak_memory(&self) -> u64 {
        let _ = self.look();
        self.memory_seen.load(Ordering::Relaxed)
    }

    fn look(&self) -> io::Result<()> {
        if let Some(memory) = self.peak.as_ref().or(self.current.as_ref()) {
            self.memory_seen.fetch_max(read(memory)?.trim().parse().map_err(io::Error::other)?, Ordering::Relaxed);
        }
        if field(&read(&self.oom)?, "oom_kill")? > 0 {
            self.out_of_memory();
        }
        let text = read(&self.cpu)?;
        let cpu: u64 = match self.version {
            Version::V1 => text.trim().parse().map_err(io::Error::other)?,
            Version::V2 => field(&text, "usage_usec")?.saturating_mul(1000),
        };
        self.cpu_seen.fetch_max(cpu, Ordering::Relaxed);
        Ok(())
    }

    /// It was learnt in another way that a process was killed for want of memory.
    pub(super) fn out_of_memory(&self) {
        self.oom_seen.store(true, Ordering::Relaxed);
    }

    /// See [`Meter::is_starved`](super::super::clock::Meter::is_starved).
    pub(in crate::sandbox) fn is_starved(&self) -> bool {
        /// Pages of files that had to be read again, 200 MB of them: of the program itself, mostly.
        const AGAIN_AND_AGAIN: u64 = 50_000;
        let (limit, stat, held) = match self.version {
            Version::V1 => ("memory.limit_in_bytes", "total_", ["rss", "shmem"]),
            Version::V2 => ("memory.max", "", ["anon", "shmem"]),
        };
        let text = |file: &str| fs::read_to_string(self.memory_folder.join(file)).unwrap_or_default();
        let limit = text(limit).trim().parse().unwrap_or(u64::MAX);
        let counts = text("memory.stat");
        let count = |name: &str| field(&counts, &format!("{stat}{name}")).unwrap_or(0);
        held.map(count).iter().sum::<u64>() >= limit - limit / 16 && count("workingset_refault_file") >= AGAIN_AND_AGAIN
    }
}

fn read(file: &File) -> io::Result<String> {
    let mut buffer = [0; 4096];
    let n = rustix::io::pread(file, &mut buffer, 0)?;
    Ok(String::from_utf8_lossy(&buffer[..n]).into_owned())
}

/// The number in the line `name number`.
fn field(text: &str, name: &str) -> io::Result<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("the kernel gives no {name}")))
}
