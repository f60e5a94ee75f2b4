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
use super::stills::Stills;
use super::view::Views;
use crate::core::config::SandboxSettings;
use crate::images::Opened;

/// The first version with `--disable-userns`.
const OLDEST: (u32, u32) = (0, 8);
/// Who a program is inside. Outside it is a uid that owns nothing, and a different one for each concurrent run.
const INSIDE: &str = "1000";

/// The name on the stage of the view of the [`Stills`].
pub(super) const STILLS: &str = "stills";

/// What is found out once, and again when a probe finds it changed.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) bwrap: PathBuf,
    pub(super) version: String,
    pub(super) image: Image,
    pub(super) views: Views,
    pub(super) stills: Stills,
    filter: OwnedFd,
    launcher: Launcher,
    pub(super) layout: Layout,
}

impl Ready {
    /// Looks for what is wanted.
    ///
    /// # Errors
    /// What is not there, and what to do.
    pub(super) fn new(settings: &SandboxSettings, image: &Opened, place: &Place) -> Result<Self, String> {
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
        let filter = in_memory(&seccomp::program(settings.unix_sockets)?)
            .map_err(|error| format!("cannot hold the system call filter: {error}"))?;
        let launcher = Launcher::new().map_err(|error| format!("cannot start a thread: {error}"))?;
        let unwritable = |error| format!("cannot write to {}: {error}", place.work.display());
        let views = Views::new(&place.work).map_err(unwritable)?;
        let stills = Stills::take(&place.work).map_err(unwritable)?;
        Ok(Self { bwrap, version, image, views, stills, filter, launcher, layout: Layout::open(place)? })
    }

    /// Starts the run's program in its sandbox.
    ///
    /// # Errors
    /// [`Fault`].
    pub(super) async fn start(
        &self,
        spec: &RunSpec,
        stage: &Stage<'_>,
        group: &Cgroup,
        user: u32,
    ) -> Result<Running, Fault> {
        let failed = |error: &dyn std::fmt::Display| Fault::Failed(format!("cannot start a run: {error}"));
        let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(|error| failed(&error));
        let ((stdout, stdout_in), (stderr, stderr_in), (status, status_in)) = (pipe()?, pipe()?, pipe()?);
        let stdin = stdin(spec, stage)?;

        let mut entry = self.launcher.entry(user).map_err(|error| failed(&error))?;
        // Opened anew: who reads it moves the place where it is read, and another run reads it at the same time.
        let filter =
            File::open(format!("/proc/self/fd/{}", self.filter.as_raw_fd())).map_err(|error| failed(&error))?;
        entry.cores.clone_from(&spec.cores);
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
        for (from, at) in stage.binds() {
            let path = |path: String| CString::new(path).map_err(|error| failed(&error));
            entry.binds.push((path(from)?, path(at)?));
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
    fn arguments(&self, spec: &RunSpec, stage: &Stage<'_>, entry: &Entry) -> Vec<String> {
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
        for entry in &self.image.entries {
            if let Some(link) = &entry.link {
                add(&["--symlink", link, &format!("/{}", entry.path)]);
            }
        }
        for (path, view, within) in self.image.shown() {
            let source = Path::new(&stage.path(&image_name(view))).join(within);
            add(&["--ro-bind", &source.to_string_lossy(), &format!("/{}", path.display())]);
        }
        add(&["--proc", "/proc", "--dir", "/dev"]);
        for path in self.stills.paths(self.image.folder.is_none()) {
            add(&["--ro-bind", &format!("{}/{path}", stage.path(STILLS)), &format!("/{path}")]);
        }
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
        for (path, mount) in stage.mounted().zip(&spec.mounts) {
            add(&["--ro-bind", &path, &mount.inside]);
        }
        // Nothing under /proc is a program's to write: not how soon the kernel gives it up when memory is short, not the
        // memory of bwrap's own process.
        add(&["--remount-ro", "/proc", "--remount-ro", "/", "--chdir", SCRATCH]);
        for (option, number) in ["--json-status-fd", "--seccomp"].iter().zip(entry.numbers()) {
            add(&[option, &number]);
        }
        add(&["--"]);
        // bwrap sets PWD after it has cleared everything else, and only a program can take that away again. An image
        // without that program keeps it.
        if self.image.has("env") {
            add(&["env", "-u", "PWD"]);
        }
        arguments.extend(spec.command.iter().cloned());
        arguments
    }
}

/// The name on the stage of the image's view of that index.
pub(super) fn image_name(index: usize) -> String {
    format!("image{index}")
}

/// A run's standard input: as the run is shown it where it is, and else as it is.
fn stdin(spec: &RunSpec, stage: &Stage<'_>) -> Result<File, Fault> {
    let Some(path) = &spec.stdin else {
        return File::open("/dev/null").map_err(|error| Fault::Failed(format!("cannot open /dev/null: {error}")));
    };
    let failed = |why: &dyn std::fmt::Display| Fault::Failed(format!("cannot start a run: {}: {why}", path.display()));
    if !path.symlink_metadata().is_ok_and(|meta| meta.is_file()) {
        return Err(failed(&"it is not a file"));
    }
    let opened = match spec.mounts.iter().position(|mount| mount.host == *path) {
        Some(index) => stage.open(index),
        None => File::open(path),
    };
    opened.map_err(|error| failed(&error))
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
