//! One program, one fresh sandbox: what every engine promises.
//!
//! An engine knows nothing of competitions: not what a test case, a score or a user is. It is given
//! a command, what the command may read and what it may spend, and reports how that ended and what
//! it cost. Which verdict follows is decided by the judge.
//!
//! Every engine keeps these promises, and `tests/sandbox_contract/` holds each of them to all of them:
//!
//! - the program starts in an empty [`SCRATCH`] folder, the only place (with `/tmp` and `/dev/shm`) that it can write
//!   to, all of them bounded together by `limits.scratch` (Docker has to divide it: three quarters, and an eighth each);
//! - it sees the mounts of its [`RunSpec`] read-only, its image read-only, and nothing else of the machine; no network;
//! - its environment is `PATH`, `HOME` and `LANG`, nothing else;
//! - when [`Sandbox::run`] returns, in whichever way, no process, container, cgroup or mount of the run is left;
//! - `answer` is looked at only after every process of the run is dead.

mod answer;
mod bubblewrap;
mod capture;
mod cgroup;
mod clock;
mod cores;
mod docker;
mod pidfd;
mod place;
mod seccomp;
mod swap;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::core::config::{Engine, Limits, SandboxSettings};
pub use cores::Cores;
pub use place::Place;

/// The folder in which a program starts; empty, writable, gone afterwards. Also its `HOME`.
pub const SCRATCH: &str = "/scratch";
/// The whole environment of a program, with `HOME` = [`SCRATCH`].
pub const ENVIRONMENT: [(&str, &str); 3] =
    [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("HOME", SCRATCH), ("LANG", "C.UTF-8")];
/// The name, in the scratch folder, of an answer that is a file (`output = "file"`).
pub const ANSWER_FILE: &str = "output.json";

/// A host file or folder that the program may read, and where it sees it.
///
/// It does not lie in [`Place::work`] itself, but in a folder of its own there, or elsewhere. The folders above it may
/// be closed to everybody; it must itself be readable by others (`o+r`, a folder and what is
/// in it `o+rX`), for the program's user owns nothing. And its path is no secret: the kernel shows it inside, in
/// `/proc/self/mountinfo`. What a program must not learn, such as the name of its case, must not be in it: such a file
/// is shown from a copy, or a hard link, with a plain name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Absolute path on the host. A file or a folder, never a link.
    pub host: PathBuf,
    /// Absolute path inside. Below [`SCRATCH`] it is still read-only, in a folder that is not.
    pub inside: String,
}

/// What to run, and within which bounds.
#[derive(Debug, Clone)]
pub struct RunSpec {
    /// Unique among the runs of this process, `[a-z0-9-]+`: names the cgroup or the container, so that a stray can be
    /// traced.
    pub label: String,
    /// The program and its arguments; paths as seen inside. A bare program name is looked up in `PATH` inside.
    pub command: Vec<String>,
    /// What it may read.
    pub mounts: Vec<Mount>,
    /// The host file that is its standard input; `None`: empty. What is said of a [`Mount`] holds for it, too.
    pub stdin: Option<PathBuf>,
    /// Whether [`ANSWER_FILE`] is wanted from the scratch folder after the end.
    pub answer_file: bool,
    /// What it may spend.
    pub limits: Limits,
    /// The only cores that it may run on; `None`: any.
    pub cores: Option<Cores>,
    /// An existing empty host folder of the caller's, into which the engine writes the files `stdout`, `stderr` and, if
    /// wanted and fit to be taken, `answer`: each at most `limits.output` bytes long.
    pub folder: PathBuf,
}

/// How the main process ended, or which limit ended the run first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this exit status (0 ..= 255).
    Exited(i32),
    /// By this signal, which no limit of ours sent. Both engines learn of it as shells do, as a status of 128 and the
    /// signal's number: a program that chooses `exit(139)` reads as one that crashed.
    Signalled(i32),
    /// The CPU time of all its processes together reached `limits.cpu`.
    CpuLimit,
    /// `limits.wall` passed.
    WallLimit,
    /// The kernel ended a process of the run for want of memory below `limits.memory`, or was about to without getting
    /// there.
    MemoryLimit,
    /// It wrote more than `limits.output` bytes to standard output, or to standard error.
    OutputLimit,
}

/// What became of the wanted answer file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerFile {
    /// None was wanted.
    NotWanted,
    /// There is no such file, or a limit ended the run.
    Missing,
    /// It lies in the folder of the spec as `answer`, this many bytes long.
    Taken(u64),
    /// It is not a plain file, or too long, or cannot be read; why, as a fragment that fits after "output.json ".
    Refused(String),
}

/// How a run ended and what it cost.
#[derive(Debug, Clone)]
pub struct RunReport {
    /// How it ended.
    pub ended: Ended,
    /// CPU time of all processes of the run, user and system. What the engine needs to start it is in it: a few
    /// milliseconds, with Docker some twenty.
    pub cpu: Duration,
    /// Monotonic time from the start of the program to the end of its main process.
    pub wall: Duration,
    /// The most memory that all processes of the run, and its scratch folder, held at one time, in bytes.
    pub peak_memory: u64,
    /// Bytes of standard output kept in the file `stdout`.
    pub stdout: u64,
    /// Bytes of standard error kept in the file `stderr`.
    pub stderr: u64,
    /// The answer file.
    pub answer: AnswerFile,
}

/// Which engine, and on what: recorded with every judging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `bubblewrap 0.8.0`, `docker 20.10.24`, …
    pub engine: String,
    /// What identifies the image: a digest where there is one.
    pub image: String,
}

/// Why a run has no report. Never the program's fault.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The engine cannot give what is asked of it, now: nothing runs until it can. The text says what is missing and
    /// what to do.
    #[error("{0}")]
    Unavailable(String),
    /// This one run went wrong; another try may succeed.
    #[error("{0}")]
    Failed(String),
    /// The caller cancelled it.
    #[error("the run was cancelled")]
    Cancelled,
}

/// A boxed future, so that the trait can be used as an object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A sandbox engine.
pub trait Sandbox: Send + Sync {
    /// Whether everything that is asked of the engine can be had, by trying it; cheap enough to be called every few
    /// seconds.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] with what is missing and what to do.
    fn probe(&self) -> BoxFuture<'_, Result<Identity, Fault>>;

    /// Runs one program to its end.
    ///
    /// # Errors
    /// [`Fault`]: the engine's trouble, never the program's.
    fn run<'a>(&'a self, spec: &'a RunSpec, cancel: &'a CancellationToken) -> BoxFuture<'a, Result<RunReport, Fault>>;

    /// What the last probe found that is no obstacle, and that whoever runs the machine should know.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// Removes what an earlier life of this home's daemon left behind, and says how many things that were. What runs
    /// now would be removed with it: to be called before the first run.
    ///
    /// # Errors
    /// [`Fault`] when something could not be removed.
    fn sweep(&self) -> BoxFuture<'_, Result<usize, Fault>>;
}

/// The engine that the settings name, for the runs of one home.
///
/// Nothing is touched yet: whether the engine can work is for [`Sandbox::probe`] to say, now and again, so that a
/// daemon that starts before its engine goes on by itself when the engine is there.
#[must_use]
pub fn open(settings: &SandboxSettings, place: &Place) -> Arc<dyn Sandbox> {
    match settings.engine {
        Engine::Bubblewrap => Arc::new(bubblewrap::Bubblewrap::new(settings, place)),
        Engine::Docker => Arc::new(docker::Docker::new(settings, place)),
    }
}

/// How many files and folders `bytes` of scratch may be divided into. Each costs memory, too, and deleting them takes
/// time.
fn inodes(bytes: u64) -> u64 {
    (bytes >> 12).clamp(1 << 10, 1 << 16)
}

/// The folder of the run by which an engine tries itself, gone when it is dropped.
fn probe_folder(place: &Place) -> Result<tempfile::TempDir, Fault> {
    let made = tempfile::Builder::new().prefix("probe-").tempdir_in(&place.work);
    made.map_err(|error| Fault::Unavailable(format!("cannot make a folder in {}: {error}", place.work.display())))
}

/// The run by which an engine tries itself.
fn probe_spec(folder: &std::path::Path) -> RunSpec {
    /// Of all engines of this process: two of them may be at work for one home.
    static PROBES: AtomicU64 = AtomicU64::new(0);
    RunSpec {
        label: format!("probe-{}", PROBES.fetch_add(1, Ordering::Relaxed)),
        command: vec!["true".into()],
        mounts: Vec::new(),
        stdin: None,
        answer_file: false,
        limits: Limits {
            cpu: Duration::from_secs(5),
            wall: Duration::from_secs(20),
            memory: 64 << 20,
            processes: 4,
            output: 64 << 10,
            scratch: 1 << 20,
        },
        cores: None,
        folder: folder.to_owned(),
    }
}
