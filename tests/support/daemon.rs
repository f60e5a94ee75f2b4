//! The program as a daemon: a child process that never outlives its test.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::wait::wait_until;

/// `podium run` on one home.
#[derive(Debug)]
pub struct Daemon {
    child: Mutex<Child>,
    pid: u32,
    stderr: PathBuf,
}

impl Daemon {
    /// Starts it. What it says goes to the file `stderr`, which may be behind an earlier daemon's.
    pub fn start(home: &Path, arguments: &[&str], stderr: &Path) -> Self {
        Self::start_by(Command::new(env!("CARGO_BIN_EXE_podium")), home, arguments, stderr)
    }

    /// The same by way of a command that becomes the program, or that has another environment.
    pub fn start_by(mut command: Command, home: &Path, arguments: &[&str], stderr: &Path) -> Self {
        let file = File::options().append(true).create(true).open(stderr).expect("a file for what the daemon says");
        let child = command
            .arg("--home")
            .arg(home)
            .arg("run")
            .args(arguments)
            .env_remove("PODIUM_LOG")
            .env_remove("PODIUM_HOST_HOME")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .expect("the daemon starts");
        Self { pid: child.id(), child: Mutex::new(child), stderr: stderr.to_owned() }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// How it ended, if it did.
    pub fn ended(&self) -> Option<ExitStatus> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait().expect("its own child can be asked")
    }

    /// Everything that it, and those before it in the same home, said.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.stderr).unwrap_or_default()).into_owned()
    }

    /// SIGTERM, and how it ended; `None` when it did not within that time.
    pub fn terminate(&self, patience: Duration) -> Option<ExitStatus> {
        if self.ended().is_none() {
            self.signal(Signal::TERM);
        }
        wait_until(patience, || self.ended().is_some(), || ());
        self.ended()
    }

    /// SIGKILL: no destructor runs, nothing is tidied up.
    pub fn kill_nine(&self) {
        self.signal(Signal::KILL);
        wait_until(Duration::from_secs(30), || self.ended().is_some(), || ());
        assert!(self.ended().is_some(), "process {} survived SIGKILL", self.pid);
    }

    /// SIGSTOP: it does nothing until it may go on.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        // Not reaped yet, so the number is still its own.
        let pid = Pid::from_raw(i32::try_from(self.pid).expect("a process id")).expect("not zero");
        kill_process(pid, signal).expect("its own child can be sent a signal");
    }

    /// Its memory in bytes: what is resident.
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        kib.unwrap_or(0) * 1024
    }

    /// Whether it has asked the kernel to be told of changes in a folder.
    pub fn watches(&self) -> bool {
        let files = fs::read_dir(format!("/proc/{}/fdinfo", self.pid)).into_iter().flatten().flatten();
        files.filter_map(|file| fs::read_to_string(file.path()).ok()).any(|info| info.contains("inotify wd:"))
    }

    /// How many files it has open.
    pub fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid)).map_or(0, Iterator::count)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // In order first, so that a failed test leaves no container and no cgroup on the machine.
        if self.terminate(Duration::from_secs(15)).is_none() {
            self.kill_nine();
        }
    }
}
