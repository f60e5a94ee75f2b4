//! Starts `bwrap`, and stands between root and the sandbox: what happens after the fork and before the program is
//! bwrap's.
//!
//! It knows descriptors, mounts and a uid, and nothing of what they are for.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Gid, Mode, OFlags, Uid};
use rustix::io::{Errno, FdFlags};
use rustix::mount::{MountFlags, MountPropagationFlags, MoveMountFlags, mount, mount_bind, mount_change, move_mount};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, setrlimit};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};
use tokio::sync::oneshot;

use super::super::cores::Cores;
use super::super::pidfd;

/// What a process does, as root, before it becomes an unprivileged `bwrap`. It owns what it uses: the descriptors
/// cannot be closed, and their numbers given to something else, before the process is started.
#[derive(Debug)]
pub(super) struct Entry {
    /// Control groups to join, by writing `0`.
    pub(super) entrances: Vec<OwnedFd>,
    /// Detached mounts, and where each is attached.
    pub(super) mounts: Vec<(OwnedFd, CString)>,
    /// What is shown at a second path, after the mounts are there.
    pub(super) binds: Vec<(CString, CString)>,
    /// Descriptors that `bwrap` is given, beyond the standard three.
    pub(super) given: Vec<OwnedFd>,
    /// The uid and gid to become.
    pub(super) user: u32,
    /// The cores to keep to.
    pub(super) cores: Option<Cores>,
    daemon: Daemon,
    descriptors: Rlimit,
}

/// A pipe that says whether the daemon is alive: it ends when the daemon does.
#[derive(Debug)]
struct Daemon {
    ours: OwnedFd,
    /// The number of the other end, in the daemon and in a process that it has just forked.
    theirs: RawFd,
}

/// Descriptors that a program may have open.
const DESCRIPTORS: u64 = 1024;

impl Entry {
    fn new(user: u32, daemon: Daemon) -> Self {
        let had = getrlimit(Resource::Nofile);
        // A hard limit may only ever be lowered.
        let lower = |limit: Option<u64>| Some(limit.map_or(DESCRIPTORS, |limit| limit.min(DESCRIPTORS)));
        let descriptors = Rlimit { current: lower(had.current), maximum: lower(had.maximum) };
        Self {
            entrances: Vec::new(),
            mounts: Vec::new(),
            binds: Vec::new(),
            given: Vec::new(),
            user,
            cores: None,
            daemon,
            descriptors,
        }
    }

    /// Runs between fork and exec: system calls only, on what was made before; no memory is allocated, no lock taken.
    fn enter(&self) -> io::Result<()> {
        let step = |name: &'static str, result: rustix::io::Result<()>| {
            result.map_err(|error| {
                // Standard error is the run's own by now, and who started us reads it.
                let _ = rustix::io::write(rustix::stdio::stderr(), name.as_bytes());
                io::Error::from(error)
            })
        };
        // bwrap asks for the same, but later: a daemon that is killed now must not leave it behind.
        step("cannot tie itself to the daemon", rustix::process::set_parent_process_death_signal(Some(Signal::KILL)))?;
        step(
            "cannot enter the control group",
            self.entrances.iter().try_for_each(|entrance| rustix::io::write(entrance, b"0").map(drop)),
        )?;
        step("cannot offer itself to the kernel's out-of-memory killer", oom_first())?;
        step("cannot bound its resources", self.bound())?;
        step("cannot keep to its cores", self.cores.as_ref().map_or(Ok(()), Cores::keep_to))?;
        step("cannot leave the host's mounts", leave_the_hosts_mounts())?;
        step("cannot see its processes", mount_processes())?;
        for (mount, at) in &self.mounts {
            step(
                "cannot attach its files",
                move_mount(mount, c"", CWD, at.as_c_str(), MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH),
            )?;
        }
        for (from, at) in &self.binds {
            step("cannot show a file", mount_bind(from.as_c_str(), at.as_c_str()))?;
        }
        rustix::process::umask(Mode::from_raw_mode(0o022));
        step("cannot close what it must not inherit", self.close_on_exec())?;
        step("cannot become its user", self.become_user())?;
        // The change of user has undone it.
        step("cannot tie itself to the daemon", rustix::process::set_parent_process_death_signal(Some(Signal::KILL)))?;
        // Asking came too late if the daemon had gone by then.
        let orphaned = || if self.is_orphaned() { Err(Errno::SRCH) } else { Ok(()) };
        step("the daemon is gone", orphaned())
    }

    /// Whether nobody holds the other end of the daemon's pipe any more.
    fn is_orphaned(&self) -> bool {
        // SAFETY: this process's own copy of that end, which it does not use, nor anything that it becomes.
        let _ = unsafe { libc::close(self.daemon.theirs) };
        let mut ours = [PollFd::new(&self.daemon.ours, PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut ours, Some(&now)).is_ok_and(|n| n > 0)
    }

    /// The limit on core files is one byte: too short for a file, as none would be, and the one length at which the kernel
    /// does not start the host's crash handler either, which `core_pattern` may name and which is asked at 0, too.
    fn bound(&self) -> rustix::io::Result<()> {
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        let (one, had) = (Rlimit { current: Some(1), maximum: Some(1) }, getrlimit(Resource::Core));
        match setrlimit(Resource::Core, one) {
            // A daemon that may have no core files itself and has not the right to raise a limit.
            Err(Errno::PERM) if had.maximum == Some(0) => setrlimit(Resource::Core, none)?,
            done => done?,
        }
        setrlimit(Resource::Rtprio, none)?;
        setrlimit(Resource::Nofile, self.descriptors)
    }

    /// Everything but the standard three and what is given is closed when `bwrap` starts, whoever opened it without
    /// saying so.
    fn close_on_exec(&self) -> rustix::io::Result<()> {
        const FIRST: libc::c_uint = 3;
        // SAFETY: the call takes three numbers and changes flags of this process's own descriptors.
        let done = unsafe { libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
        if done != 0 {
            return Err(Errno::NOSYS);
        }
        self.given.iter().try_for_each(|given| rustix::io::fcntl_setfd(given, FdFlags::empty()))
    }

    fn become_user(&self) -> rustix::io::Result<()> {
        let (user, group) = (Uid::from_raw(self.user), Gid::from_raw(self.user));
        // These change one thread. After a fork there is one.
        rustix::thread::set_thread_groups(&[])?;
        rustix::thread::set_thread_res_gid(group, group, group)?;
        rustix::thread::set_thread_res_uid(user, user, user)
    }
}

fn oom_first() -> rustix::io::Result<()> {
    let file = rustix::fs::openat(CWD, c"/proc/self/oom_score_adj", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&file, b"1000").map(drop)
}

fn leave_the_hosts_mounts() -> rustix::io::Result<()> {
    // SAFETY: a new mount namespace changes what paths mean to this process alone, which has one thread and no open
    // folder that it uses.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }?;
    mount_change(c"/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)
}

/// The processes of the namespace that this one is the first of; `bwrap` looks up its own by number.
fn mount_processes() -> rustix::io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount(c"proc", c"/proc", c"proc", flags, c"")
}

/// A thread that does nothing but start processes.
///
/// A process that asked to die with its parent dies with the thread that forked it. Threads of an async runtime come
/// and go; this one stays as long as the engine.
///
/// Each process that it starts is the first of a pid namespace, and the kernel ends all others with the first. `bwrap`
/// promises the same of what it starts, but keeps it only from the moment on that its sandbox stands: killed while it
/// builds, it leaves a process behind that waits for ever, or a program without anybody to bound it.
#[derive(Debug)]
pub(super) struct Launcher {
    jobs: mpsc::SyncSender<Job>,
    /// The two ends of [`Daemon`]'s pipe.
    alive: (OwnedFd, OwnedFd),
}

/// Starts that can wait for their turn, each of a millisecond. One more than that fails, and its run is tried again
/// later.
const WAITING: usize = 1024;

struct Job {
    command: Command,
    started: oneshot::Sender<io::Result<Child>>,
}

impl Launcher {
    pub(super) fn new() -> io::Result<Self> {
        let (jobs, queue) = mpsc::sync_channel::<Job>(WAITING);
        let own = File::open("/proc/self/ns/pid")?;
        std::thread::Builder::new().name("launcher".into()).spawn(move || {
            for Job { mut command, started } in queue {
                let child = next_is_first(&own).and_then(|()| command.spawn());
                // The ends of the pipes that the process now has are not to stay open here as well.
                drop(command);
                if let Err(Ok(mut unwanted)) = started.send(child) {
                    let _ = unwanted.kill();
                    let _ = unwanted.wait();
                }
            }
        })?;
        Ok(Self { jobs, alive: pipe_with(PipeFlags::CLOEXEC)? })
    }

    /// An entry to be filled, for a process that becomes `user`.
    ///
    /// # Errors
    /// Too many descriptors are open.
    pub(super) fn entry(&self, user: u32) -> io::Result<Entry> {
        let daemon = Daemon { ours: self.alive.0.try_clone()?, theirs: self.alive.1.as_raw_fd() };
        Ok(Entry::new(user, daemon))
    }

    /// Starts the command by way of the entry.
    ///
    /// # Errors
    /// Of starting it. If the entry failed, it has written which step it was to the command's standard error.
    pub(super) async fn start(&self, mut command: Command, entry: Entry) -> io::Result<Process> {
        // SAFETY: `enter` keeps to what is allowed between fork and exec, as it says.
        unsafe { command.pre_exec(move || entry.enter()) };
        let (started, child) = oneshot::channel();
        let gone = || io::Error::other("the thread that starts programs does not take any more");
        self.jobs.try_send(Job { command, started }).map_err(|_| gone())?;
        let child = Process { child: child.await.map_err(|_| gone())??, reaped: None };
        Ok(child)
    }
}

/// Lets the next process that this thread starts be the first of a pid namespace.
fn next_is_first(own: &File) -> io::Result<()> {
    // A thread that has said so once has to take it back before it can say so again.
    move_into_link_name_space(own.as_fd(), Some(LinkNameSpaceType::ProcessID))?;
    // SAFETY: it changes what this thread's children are in, and nothing about this process.
    Ok(unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWPID) }?)
}

/// A process that was started, and that ends with this value.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    reaped: Option<ExitStatus>,
}

impl Process {
    /// Returns when it has ended.
    ///
    /// # Errors
    /// Of waiting for it.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        if let Some(status) = self.reaped {
            return Ok(status);
        }
        // Until it is waited for, its number is not given to another process.
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .ok_or_else(|| io::Error::other("a process without a number"))?;
        pidfd::ended(pid).await?;
        let status = self.child.wait()?;
        self.reaped = Some(status);
        Ok(status)
    }

    /// Sends SIGKILL.
    pub(super) fn kill(&mut self) {
        // The only error is that it has been waited for.
        let _ = self.child.kill();
    }
}

/// The net below [`Process::ended`], for a run that is dropped half way.
impl Drop for Process {
    fn drop(&mut self) {
        if self.reaped.is_none() {
            self.kill();
            let _ = self.child.wait();
        }
    }
}

impl Entry {
    /// The numbers of the given descriptors, in order: what `bwrap`'s arguments call them by.
    pub(super) fn numbers(&self) -> Vec<String> {
        self.given.iter().map(|given| given.as_raw_fd().to_string()).collect()
    }
}
