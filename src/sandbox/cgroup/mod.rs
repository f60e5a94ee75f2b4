//! A control group for each run: what bounds its memory and its processes, counts its CPU time, and finds every last
//! one of its processes when it ends.
//!
//! Version 1 and version 2 of the kernel's interface stand behind one type. It knows neither what runs in a group nor
//! why it is ended.

mod counters;
mod layout;

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};
use rustix::process::{Pid, Signal, kill_process};

use super::clock::{Meter, Usage};
use super::{pidfd, swap};
pub(super) use counters::Counters;
pub(super) use layout::{Layout, Version};

/// How long processes that were sent SIGKILL may take to be gone. Only a kernel in trouble takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// One run's group, in every hierarchy that counts.
#[derive(Debug)]
pub(super) struct Cgroup {
    version: Version,
    /// The group's folders, one for each hierarchy. The first lists the processes.
    folders: Vec<PathBuf>,
    /// What a process writes `0` to in order to join, one for each folder.
    entrances: Vec<File>,
    counters: Counters,
    /// Version 1 counts a process that was killed for want of memory where it was, which may be a group below this one
    /// that is gone afterwards. It tells this group of it by way of an event, though.
    oom_event: Option<OwnedFd>,
    removed: bool,
}

impl Layout {
    /// A group of that name, empty, with bounds.
    ///
    /// # Errors
    /// With the file or folder that could not be made or written.
    pub(super) fn create(&self, name: &str, memory: u64, processes: u64) -> io::Result<Cgroup> {
        let folders: Vec<PathBuf> = self.parents().map(|parent| parent.join(name)).collect();
        self.restore()?;
        let made = folders
            .iter()
            .try_for_each(|folder| make_folder(folder))
            .and_then(|()| self.furnish(&folders, memory, processes));
        if made.is_err() {
            for folder in &folders {
                let _ = fs::remove_dir(folder);
            }
        }
        made
    }

    fn furnish(&self, folders: &[PathBuf], memory: u64, processes: u64) -> io::Result<Cgroup> {
        let at = |index: usize, file: &str| folders[index].join(file);
        let entrance = match self.version() {
            Version::V1 => {
                write(&at(self.memory, "memory.limit_in_bytes"), &memory.to_string())?;
                // Memory and swap together; without it a run has as much swap again.
                bound_swap(&at(self.memory, "memory.memsw.limit_in_bytes"), &memory.to_string(), swap::list)?;
                // What lies in sockets is not counted with the rest.
                write_if_there(&at(self.memory, "memory.kmem.tcp.limit_in_bytes"), &memory.to_string())?;
                write(&at(self.pids, "pids.max"), &processes.to_string())?;
                // Moving one thread does not make the kernel stop all the others for it, and a process that has just
                // been forked is one thread.
                "tasks"
            }
            Version::V2 => {
                write(&at(0, "memory.max"), &memory.to_string())?;
                bound_swap(&at(0, "memory.swap.max"), "0", swap::list)?;
                // The whole run or nothing of it: a judge has no use for a program that goes on without one of its
                // processes.
                write_if_there(&at(0, "memory.oom.group"), "1")?;
                write(&at(0, "pids.max"), &processes.to_string())?;
                "cgroup.procs"
            }
        };
        let mut entrances = Vec::with_capacity(folders.len());
        for folder in folders {
            let path = folder.join(entrance);
            entrances.push(File::options().write(true).open(&path).map_err(|error| naming(&path, error))?);
        }
        let counters = Counters::open(self.version(), &folders[self.memory], &folders[self.cpu])?;
        Ok(Cgroup {
            version: self.version(),
            folders: folders.to_vec(),
            entrances,
            oom_event: oom_event(&folders[self.memory], &counters.oom)?,
            counters,
            removed: false,
        })
    }

    /// Ends what runs in the groups below this home whose name is stray, removes them, and says how many there were.
    ///
    /// # Errors
    /// The last that could not be removed.
    pub(super) async fn sweep(&self, is_stray: impl Fn(&str) -> bool) -> io::Result<usize> {
        // An engine that was told of our groups has made them in every hierarchy.
        let mut parents: Vec<PathBuf> = self.parents().map(Path::to_owned).collect();
        parents.extend(layout::other_hierarchies(&parents[0]));
        parents.sort_unstable();
        parents.dedup();
        let mut names: Vec<String> = Vec::new();
        for parent in &parents {
            let Ok(entries) = fs::read_dir(parent) else { continue };
            names.extend(
                entries
                    .flatten()
                    .filter(|entry| entry.path().is_dir())
                    .filter_map(|entry| entry.file_name().into_string().ok())
                    .filter(|name| is_stray(name)),
            );
        }
        names.sort_unstable();
        names.dedup();
        for name in &names {
            let folders: Vec<PathBuf> =
                parents.iter().map(|parent| parent.join(name)).filter(|folder| folder.exists()).collect();
            kill(self.version(), &folders).await?;
            remove(&folders).await?;
        }
        Ok(names.len())
    }
}

impl Cgroup {
    /// What a process writes `0` to in order to be in the group with everything that it forks.
    pub(super) fn entrances(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.entrances.iter().map(File::as_fd)
    }

    /// What it has used up to now.
    ///
    /// # Errors
    /// Of reading the kernel's files.
    pub(super) fn usage_now(&self) -> io::Result<Usage> {
        let mut count = [0; 8];
        if self.oom_event.as_ref().is_some_and(|event| rustix::io::read(event, &mut count).is_ok()) {
            self.counters.out_of_memory();
        }
        self.counters.usage()
    }

    /// The most memory that was ever in use at one time, in bytes. Before Linux 5.19 under version 2: the most that was
    /// seen.
    pub(super) fn peak_memory(&self) -> u64 {
        self.counters.peak_memory()
    }

    /// Ends every process of the group and returns when none is left.
    ///
    /// # Errors
    /// Some are still there after [`PATIENCE`].
    pub(super) async fn kill(&self) -> io::Result<()> {
        kill(self.version, &self.folders).await
    }

    /// Returns when no process is left; gives those that are dying anyway a moment, and ends the others.
    ///
    /// # Errors
    /// As [`kill`](Self::kill).
    pub(super) async fn wait_until_empty(&self) -> io::Result<()> {
        const MOMENT: Duration = Duration::from_millis(50);
        let start = Instant::now();
        while let Some(pid) = processes(&self.folders[0])?.next() {
            if start.elapsed() > MOMENT {
                return self.kill().await;
            }
            ended(pid, MOMENT).await;
        }
        Ok(())
    }

    /// Removes the group, which must be empty, and the groups of the same path that an engine told of it has made in
    /// other hierarchies.
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    pub(super) async fn remove_everywhere(mut self) -> io::Result<()> {
        self.folders.extend(layout::other_hierarchies(&self.folders[0]));
        self.remove().await
    }

    /// Removes the group, which must be empty.
    ///
    /// # Errors
    /// It is not, or the kernel refuses for another reason.
    pub(super) async fn remove(mut self) -> io::Result<()> {
        remove(&self.folders).await?;
        self.removed = true;
        Ok(())
    }
}

impl Meter for Cgroup {
    fn is_starved(&self) -> bool {
        self.counters.is_starved()
    }

    async fn usage(&self) -> io::Result<Usage> {
        self.usage_now()
    }
}

/// A descriptor that can be read once the group, or one below it, has run out of the memory that this group may have.
/// Version 1 only.
fn oom_event(folder: &Path, oom: &File) -> io::Result<Option<OwnedFd>> {
    let control = folder.join("cgroup.event_control");
    if !control.exists() {
        return Ok(None);
    }
    let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    write(&control, &format!("{} {}", event.as_raw_fd(), oom.as_raw_fd()))?;
    Ok(Some(event))
}

/// The net below [`Cgroup::remove`], for a run that is dropped half way.
impl Drop for Cgroup {
    #[expect(clippy::disallowed_methods, reason = "nothing can be awaited here, and what is dropped half way is rare")]
    fn drop(&mut self) {
        if self.removed {
            return;
        }
        let deadline = Instant::now() + Duration::from_secs(1);
        let _ = send_kill(self.version, &self.folders);
        while !self.folders.iter().all(|folder| remove_with_children(folder).is_ok()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

async fn kill(version: Version, folders: &[PathBuf]) -> io::Result<()> {
    let Some(list) = folders.first() else { return Ok(()) };
    let deadline = Instant::now() + PATIENCE;
    loop {
        let Some(first) = processes(list)?.next() else { return Ok(()) };
        send_kill(version, folders)?;
        ended(first, Duration::from_millis(100)).await;
        if Instant::now() > deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("processes in {} do not end", list.display())));
        }
    }
}

/// Sends SIGKILL to every process of the group, and to none that only has the number of one that is gone.
fn send_kill(version: Version, folders: &[PathBuf]) -> io::Result<()> {
    let Some(list) = folders.first() else { return Ok(()) };
    if version == Version::V2 && fs::write(list.join("cgroup.kill"), "1").is_ok() {
        return Ok(());
    }
    // What is frozen neither forks nor ends: the list stays true while it is gone through.
    let (switch, on, off) = match version {
        Version::V1 => ("freezer.state", "FROZEN", "THAWED"),
        Version::V2 => ("cgroup.freeze", "1", "0"),
    };
    let freezer = folders.iter().map(|folder| folder.join(switch)).find(|file| file.exists());
    if let Some(freezer) = &freezer {
        write(freezer, on)?;
    }
    let sent = processes(list).map(|pids| {
        for pid in pids {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::KILL);
        }
    });
    if let Some(freezer) = &freezer {
        write(freezer, off)?;
    }
    sent
}

/// Returns when the process has ended, or after that long.
async fn ended(pid: Pid, at_most: Duration) {
    let start = Instant::now();
    let waited = tokio::time::timeout(at_most, pidfd::ended(pid)).await.is_ok_and(|ended| ended.is_ok());
    // Its name stays in the list for a moment after its end, and then only time helps.
    if !waited || start.elapsed() < Duration::from_micros(50) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn remove(folders: &[PathBuf]) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    for folder in folders {
        loop {
            match remove_with_children(folder) {
                // A process that has just ended can hold its group a moment longer than its place in the list.
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) && Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(1)).await
                }
                Err(error) => return Err(naming(folder, error)),
                Ok(()) => break,
            }
        }
    }
    Ok(())
}

/// An engine, or a program before it lost the right to, may have made groups below the group.
fn remove_with_children(folder: &Path) -> io::Result<()> {
    match fs::remove_dir(folder) {
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
            for entry in
                fs::read_dir(folder)?.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            {
                remove_with_children(&entry.path())?;
            }
            fs::remove_dir(folder)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The processes of the group and of those below it.
fn processes(folder: &Path) -> io::Result<impl Iterator<Item = Pid>> {
    fn collect(folder: &Path, into: &mut Vec<Pid>) -> io::Result<()> {
        let text = match fs::read_to_string(folder.join("cgroup.procs")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ENODEV) => {
                return Ok(());
            }
            other => other?,
        };
        into.extend(text.lines().filter_map(|line| line.parse().ok().and_then(Pid::from_raw)));
        for entry in fs::read_dir(folder)?.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            collect(&entry.path(), into)?;
        }
        Ok(())
    }
    let mut all = Vec::new();
    collect(folder, &mut all)?;
    Ok(all.into_iter())
}

/// A stray of the same name, from a life that ended here, must not lend its counters to this run.
fn make_folder(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_dir(folder).and_then(|()| fs::create_dir(folder))
        }
        other => other,
    }
    .map_err(|error| naming(folder, error))
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    // Not `fs::write`, which would create a file where the kernel has none.
    File::options()
        .write(true)
        .open(path)
        .and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()))
        .map_err(|error| naming(path, error))
}

fn write_if_there(path: &Path, text: &str) -> io::Result<()> {
    if path.exists() { write(path, text) } else { Ok(()) }
}

/// Keeps a group out of swap. The file is missing where the kernel does not count swap, which is as good only where there is
/// none.
fn bound_swap(path: &Path, text: &str, list: impl FnOnce() -> io::Result<String>) -> io::Result<()> {
    if path.exists() {
        return write(path, text);
    }
    swap::objection(Some(&list()?)).map_or(Ok(()), |why| Err(io::Error::other(why)))
}

fn naming(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AREA: &str = "Filename Type Size Used Priority\n/dev/vda3 partition 1 0 -2\n";

    /// A group of version 2 as the kernel makes it, without the files that older kernels do not have.
    fn group(missing: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let files = [
            "memory.max",
            "memory.swap.max",
            "memory.oom.group",
            "memory.current",
            "memory.peak",
            "memory.events",
            "pids.max",
            "cgroup.procs",
            "cpu.stat",
        ];
        for file in files.iter().filter(|file| !missing.contains(file)) {
            fs::write(folder.path().join(file), "").expect("written");
        }
        folder
    }

    fn furnished(folder: &Path) -> io::Result<()> {
        let parents = vec![folder.to_owned()];
        let (within, is_the_last) = ("/".into(), false);
        let layout = Layout { version: Version::V2, parents, within, is_the_last, memory: 0, pids: 0, cpu: 0 };
        let mut group = layout.furnish(&[folder.to_owned()], 64 << 20, 33)?;
        // There is nothing of the kernel's to be removed.
        group.removed = true;
        Ok(())
    }

    #[test]
    fn version_2_bounds_memory_processes_and_swap() {
        let folder = group(&[]);
        furnished(folder.path()).expect("furnished");
        let said = |file: &str| fs::read_to_string(folder.path().join(file)).expect("there");
        assert_eq!(said("memory.max"), (64 << 20).to_string());
        assert_eq!(said("memory.swap.max"), "0");
        assert_eq!(said("memory.oom.group"), "1");
        assert_eq!(said("pids.max"), "33");
    }

    #[test]
    fn what_bounds_a_run_has_to_be_there_and_nothing_is_made_in_its_place() {
        for file in ["memory.max", "pids.max"] {
            let folder = group(&[file]);
            let said = furnished(folder.path()).expect_err("it is missing").to_string();
            assert!(said.contains(file), "{said}");
            assert!(!folder.path().join(file).exists(), "{file}");
        }
        // What Linux has only from 4.19 on, and from 5.19 on.
        furnished(group(&["memory.oom.group", "memory.peak"]).path()).expect("furnished");
    }

    #[test]
    fn a_run_that_cannot_be_kept_out_of_swap_is_not_begun() {
        let folder = group(&["memory.swap.max"]);
        let file = folder.path().join("memory.swap.max");
        let said = bound_swap(&file, "0", || Ok(AREA.into())).expect_err("there is swap").to_string();
        assert!(said.contains("/dev/vda3") && said.contains("swapaccount=1"), "{said}");
        bound_swap(&file, "0", || Ok(AREA.lines().take(1).collect())).expect("there is none");
        assert!(bound_swap(&file, "0", || Err(io::ErrorKind::PermissionDenied.into())).is_err());
        // Where it can be bounded, it does not matter whether there is any.
        fs::write(&file, "9").expect("written");
        bound_swap(&file, "0", || Ok(AREA.into())).expect("bounded");
        assert_eq!(fs::read_to_string(&file).expect("there"), "0");
    }
}
