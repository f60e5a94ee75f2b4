//! Everything that a run of this engine wants and that does not change from run to run, and how a run is started with
//! it.

use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use rustix::fs::MemfdFlags;
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::net::unix::pipe::Receiver;

use super::super::cgroup::{Cgroup, Layout};
use super::super::place::Place;
use super::super::{ENVIRONMENT, Fault, RunSpec, SCRATCH, seccomp};
use super::Running;
use super::image::Image;
use super::launch::{Entry, Launcher};
use super::stage::{self, Stage};

/// The first version with `--disable-userns`.
const OLDEST: (u32, u32) = (0, 8);
/// Who a program is inside. Outside it is a uid that owns nothing, and a different one for each concurrent run.
const INSIDE: &str = "1000";

/// The name on the stage of an image that is a folder.
pub(super) const IMAGE: &str = "image";
/// The names on the stage of two small files, and where a program finds them.
const ACCOUNTS: [(&str, &str, &str); 2] = [
    (
        "passwd",
        "/etc/passwd",
        "root:x:0:0::/:/bin/sh\nrun:x:1000:1000::/scratch:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
    ),
    ("group", "/etc/group", "root:x:0:\nrun:x:1000:\nnogroup:x:65534:\n"),
];

/// What is found out once, and again when a probe finds it changed.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) bwrap: PathBuf,
    pub(super) version: String,
    pub(super) image: Image,
    filter: OwnedFd,
    launcher: Launcher,
    pub(super) layout: Layout,
}

impl Ready {
    /// Looks for what is wanted.
    ///
    /// # Errors
    /// What is not there, and what to do.
    pub(super) fn new(image: &str, place: &Place) -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("the bubblewrap engine must be started by root: it gives each run a user and a control group of its own".into());
        }
        let bwrap = std::env::var_os("PATH")
            .iter()
            .flat_map(std::env::split_paths)
            .map(|folder| folder.join("bwrap"))
            .find(|path| path.is_file())
            .ok_or("there is no `bwrap` on this machine: install the package bubblewrap, 0.8 or later")?;
        let version = version(&bwrap)?;
        let image = Image::open(image)?;
        let filter =
            in_memory(&seccomp::program()?).map_err(|error| format!("cannot hold the system call filter: {error}"))?;
        let launcher = Launcher::new().map_err(|error| format!("cannot start a thread: {error}"))?;
        Ok(Self { bwrap, version, image, filter, launcher, layout: Layout::open(place)? })
    }

    /// Starts the run's program in its sandbox.
    ///
    /// # Errors
    /// [`Fault`].
    pub(super) async fn start(
        &self,
        spec: &RunSpec,
        stage: &Stage,
        group: &Cgroup,
        user: u32,
    ) -> Result<Running, Fault> {
        let failed = |error: &dyn std::fmt::Display| Fault::Failed(format!("cannot start a run: {error}"));
        for (name, _, text) in ACCOUNTS {
            stage.write(name, text)?;
        }
        let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(|error| failed(&error));
        let ((stdout, stdout_in), (stderr, stderr_in), (status, status_in)) = (pipe()?, pipe()?, pipe()?);
        let stdin = spec.stdin.as_deref().unwrap_or(Path::new("/dev/null"));
        if spec.stdin.is_some() && !stdin.symlink_metadata().is_ok_and(|meta| meta.is_file()) {
            return Err(failed(&format_args!("{} is not a file", stdin.display())));
        }
        let stdin = File::open(stdin).map_err(|error| failed(&format_args!("{}: {error}", stdin.display())))?;

        let mut entry = self.launcher.entry(user).map_err(|error| failed(&error))?;
        // Opened anew: who reads it moves the place where it is read, and another run reads it at the same time.
        let filter =
            File::open(format!("/proc/self/fd/{}", self.filter.as_raw_fd())).map_err(|error| failed(&error))?;
        entry.given = vec![status_in, filter.into()];
        for entrance in group.entrances() {
            entry.entrances.push(entrance.try_clone_to_owned().map_err(|error| failed(&error))?);
        }
        for (mount, at) in stage.mounts() {
            entry.mounts.push((
                mount.try_clone_to_owned().map_err(|error| failed(&error))?,
                CString::new(at).map_err(|error| failed(&error))?,
            ));
        }
        let mut command = Command::new(&self.bwrap);
        command
            .args(self.arguments(spec, stage, &entry))
            .env_clear()
            .current_dir("/")
            .stdin(stdin)
            .stdout(stdout_in)
            .stderr(stderr_in);
        match self.launcher.start(command, entry).await {
            Ok(process) => {
                let start = Instant::now();
                let receiver = |end: OwnedFd| Receiver::from_owned_fd(end).map_err(|error| failed(&error));
                Ok(Running {
                    process,
                    start,
                    stdout: receiver(stdout)?,
                    stderr: receiver(stderr)?,
                    status: status.into(),
                })
            }
            Err(error) => {
                let mut step = String::new();
                // Nobody has the other end any more.
                let _ = File::from(stderr).take(256).read_to_string(&mut step);
                Err(failed(&if step.is_empty() { error.to_string() } else { format!("{step}: {error}") }))
            }
        }
    }

    /// What `bwrap` is told, in the order in which it does it.
    fn arguments(&self, spec: &RunSpec, stage: &Stage, entry: &Entry) -> Vec<String> {
        let mut arguments: Vec<String> = Vec::with_capacity(128);
        let mut add = |words: &[&str]| arguments.extend(words.iter().map(|word| (*word).to_owned()));
        add(&[
            "--unshare-user",
            "--unshare-ipc",
            "--unshare-pid",
            "--unshare-net",
            "--unshare-uts",
            "--unshare-cgroup",
            "--disable-userns",
        ]);
        add(&[
            "--die-with-parent",
            "--new-session",
            "--cap-drop",
            "ALL",
            "--uid",
            INSIDE,
            "--gid",
            INSIDE,
            "--hostname",
            "podium",
        ]);
        add(&["--clearenv"]);
        for (name, value) in ENVIRONMENT {
            add(&["--setenv", name, value]);
        }
        let root = if self.image.folder.is_some() { stage.path(IMAGE) } else { String::new() };
        for entry in &self.image.entries {
            let inside = format!("/{}", entry.path);
            match &entry.link {
                Some(link) => add(&["--symlink", link, &inside]),
                None => add(&["--ro-bind", &format!("{root}{inside}"), &inside]),
            }
        }
        if self.image.folder.is_none() {
            for (name, inside, _) in ACCOUNTS {
                add(&["--ro-bind", &stage.path(name), inside]);
            }
        }
        add(&["--proc", "/proc", "--dir", "/dev"]);
        // Not `--dev`: it adds terminals, of which the whole machine has only so many.
        for device in ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"] {
            add(&["--dev-bind", device, device]);
        }
        for (link, to) in [
            ("/dev/fd", "/proc/self/fd"),
            ("/dev/stdin", "/proc/self/fd/0"),
            ("/dev/stdout", "/proc/self/fd/1"),
            ("/dev/stderr", "/proc/self/fd/2"),
        ] {
            add(&["--symlink", to, link]);
        }
        for (name, inside) in [(stage::SCRATCH, SCRATCH), (stage::TMP, "/tmp"), (stage::SHM, "/dev/shm")] {
            add(&["--bind", &stage.path(name), inside]);
        }
        for ((_, name), mount) in stage::shown(&spec.mounts).iter().zip(&spec.mounts) {
            add(&["--ro-bind", &stage.path(name), &mount.inside]);
        }
        add(&["--remount-ro", "/", "--chdir", SCRATCH]);
        for (option, number) in ["--json-status-fd", "--seccomp"].iter().zip(entry.numbers()) {
            add(&[option, &number]);
        }
        // bwrap sets PWD after it has cleared everything else, and only a program can take that away again.
        add(&["--", "env", "-u", "PWD"]);
        arguments.extend(spec.command.iter().cloned());
        arguments
    }
}

fn in_memory(bytes: &[u8]) -> std::io::Result<OwnedFd> {
    let mut file = File::from(rustix::fs::memfd_create("podium", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    Ok(file.into())
}

/// The version of bwrap, which is not too old.
pub(super) fn version(bwrap: &Path) -> Result<String, String> {
    let output = Command::new(bwrap)
        .arg("--version")
        .output()
        .map_err(|error| format!("{} does not start: {error}", bwrap.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.split_whitespace().last().unwrap_or_default().to_owned();
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    let this = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if this < OLDEST {
        return Err(format!(
            "bubblewrap is too old: {version} is installed, and {}.{} or later is needed",
            OLDEST.0, OLDEST.1
        ));
    }
    Ok(version)
}
