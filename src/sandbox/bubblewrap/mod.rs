//! The engine that needs nothing but Linux: namespaces by `bwrap`, a filter of system calls, a control group and a uid
//! of its own.
//!
//! What is whose: this process is root and prepares the run's files, control group and user; `bwrap` is started as that
//! user, with no right on the host, and builds the sandbox in namespaces of its own; the program starts inside. Nothing
//! of a run has a name on the host but its control group and the folder that the caller gave, so there is little to
//! clean up, and nothing after a crash.

mod image;
mod launch;
mod ready;
mod stage;
mod stills;
mod view;

use std::fs::File;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::net::unix::pipe::Receiver;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use self::image::Image;
use self::launch::Process;
use self::ready::{Ready, version};
use self::stage::Stage;
use super::capture::Kept;
use super::cgroup::{Cgroup, Layout};
use super::clock::{self, Meter};
use super::place::{Place, Uids};
use super::{AnswerFile, BoxFuture, Ended, Fault, Identity, RunReport, RunSpec, Sandbox, answer};
use crate::core::config::SandboxSettings;
use crate::images::Opened;

/// What `bwrap` itself needs beside the program: the process that waits outside, and the one that is process 1 inside.
const OWN_PROCESSES: u64 = 2;

/// An empty folder, as the probe of an image without `true` sees it.
const NOWHERE: &str = "/nowhere";

/// The engine.
#[derive(Debug)]
pub(super) struct Bubblewrap {
    settings: SandboxSettings,
    place: Place,
    uids: Uids,
    /// Found, and perhaps fetched and unpacked, once: what a name means does not change under an engine.
    opened: OnceCell<Opened>,
    ready: Mutex<Option<Arc<Ready>>>,
}

impl Bubblewrap {
    pub(super) fn new(settings: &SandboxSettings, place: &Place) -> Self {
        Self {
            settings: settings.clone(),
            place: place.clone(),
            uids: Uids::of(place),
            opened: OnceCell::new(),
            ready: Mutex::new(None),
        }
    }

    async fn opened(&self) -> Result<&Opened, Fault> {
        let opened = self.opened.get_or_try_init(|| self.place.images.open(&self.settings.image)).await;
        opened.map_err(|error| Fault::Unavailable(format!("the image {}: {error}", self.settings.image)))
    }

    async fn ready(&self) -> Result<Arc<Ready>, Fault> {
        let opened = self.opened().await?;
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        match &*ready {
            Some(ready) => Ok(Arc::clone(ready)),
            None => {
                let new = Ready::new(&self.settings, opened, &self.place).map_err(Fault::Unavailable)?;
                Ok(Arc::clone(ready.insert(Arc::new(new))))
            }
        }
    }

    /// As [`ready`](Self::ready), looked at afresh: a package may have been upgraded, or an image replaced.
    async fn refresh(&self) -> Result<Arc<Ready>, Fault> {
        let known = self.ready().await?;
        let now = (version(&known.bwrap), Image::open(self.opened().await?));
        if now.0.as_ref().is_ok_and(|version| *version == known.version)
            && now.1.as_ref().is_ok_and(|image| image.is_same(&known.image))
        {
            return Ok(known);
        }
        drop(known);
        *self.ready.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.ready().await
    }

    async fn probed(&self) -> Result<Identity, Fault> {
        let ready = self.refresh().await?;
        let folder = super::probe_folder(&self.place)?;
        let mut spec = super::probe_spec(folder.path());
        // An image may have nothing but one program of its own: then it is enough that the sandbox stands, and that the
        // step which is left, to start what is not there, is the one that fails.
        let is_bare = !ready.image.has("true");
        let nowhere = super::probe_folder(&self.place)?;
        if is_bare {
            std::fs::set_permissions(nowhere.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
                .map_err(|error| Fault::Unavailable(format!("cannot open a folder to a run: {error}")))?;
            spec.command = vec![format!("{NOWHERE}/program")];
            spec.mounts.push(super::Mount { host: nowhere.path().to_owned(), inside: NOWHERE.into() });
        }
        let identity =
            || Identity { engine: format!("bubblewrap {}", ready.version), image: ready.image.identity.clone() };
        match self.run_in(&ready, &spec, &CancellationToken::new()).await {
            Ok(report) if report.ended == Ended::Exited(if is_bare { 127 } else { 0 }) => Ok(identity()),
            Err(Fault::Failed(why)) if is_bare && why.contains(&format!("execvp {NOWHERE}")) => Ok(identity()),
            Ok(report) => Err(Fault::Unavailable(format!(
                "`true` does not run in the sandbox: it ended as {:?}{}",
                report.ended,
                complaint(folder.path())
            ))),
            Err(Fault::Failed(why)) => Err(Fault::Unavailable(why)),
            Err(fault) => Err(fault),
        }
    }

    async fn run_in(&self, ready: &Ready, spec: &RunSpec, cancel: &CancellationToken) -> Result<RunReport, Fault> {
        let program = spec.command.first().ok_or_else(|| Fault::Failed("the command is empty".into()))?;
        let of_a_mount = |mount: &super::Mount| Path::new(program).starts_with(&mount.inside);
        if program.contains('=') || !(ready.image.has(program) || spec.mounts.iter().any(of_a_mount)) {
            return Err(Fault::Failed(format!("there is no program {program} in the sandbox")));
        }
        if cancel.is_cancelled() {
            return Err(Fault::Cancelled);
        }
        let failed = |what: &str, error: &dyn std::fmt::Display| Fault::Failed(format!("{what}: {error}"));
        let user = self.uids.take();
        let mut stage = Stage::new(spec.limits.scratch, user.number, &ready.views)?;
        for (index, folder) in ready.image.views().into_iter().enumerate() {
            stage.view(&ready.image.on_host(folder), &ready::image_name(index))?;
        }
        stage.view(ready.stills.folder(), ready::STILLS)?;
        for mount in &spec.mounts {
            stage.mount(mount)?;
        }
        let group = ready
            .layout
            .create(&self.place.name(&spec.label), spec.limits.memory, spec.limits.processes + OWN_PROCESSES)
            .map_err(|error| failed("cannot make a control group", &error))?;
        let started = ready.start(spec, &stage, &group, user.number).await;
        let ran = match started {
            Ok(running) => running.run_out(spec, &group, cancel).await,
            Err(fault) => Err(fault),
        };
        // In whichever way it ended, no process is left before anything of it is looked at.
        let emptied = group.kill().await;
        let report = match (ran, emptied) {
            (Err(fault), _) => Err(fault),
            (_, Err(error)) => Err(failed("cannot end the run", &error)),
            (Ok(report), Ok(())) => {
                take_answer(spec, &stage, report).map_err(|error| failed("cannot take the answer", &error))
            }
        };
        // Its files are part of its memory: they go first.
        drop(stage);
        let removed = group.remove().await.map_err(|error| failed("cannot remove the run's control group", &error));
        let report = report?;
        removed.map(|()| report)
    }
}

impl Sandbox for Bubblewrap {
    fn probe(&self) -> BoxFuture<'_, Result<Identity, Fault>> {
        Box::pin(self.probed())
    }

    fn run<'a>(&'a self, spec: &'a RunSpec, cancel: &'a CancellationToken) -> BoxFuture<'a, Result<RunReport, Fault>> {
        Box::pin(async move {
            let ready = self.ready().await?;
            self.run_in(&ready, spec, cancel).await
        })
    }

    fn sweep(&self) -> BoxFuture<'_, Result<usize, Fault>> {
        Box::pin(async move {
            // Nothing of this wants an image, which may take long.
            let known = self.ready.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let opened =
                if known.is_none() { Some(Layout::open(&self.place).map_err(Fault::Unavailable)?) } else { None };
            let Some(layout) = known.as_ref().map(|ready| &ready.layout).or(opened.as_ref()) else { return Ok(0) };
            layout
                .sweep(|name| self.place.is_stray(name))
                .await
                .map_err(|error| Fault::Failed(format!("cannot remove what an earlier run left: {error}")))
        })
    }
}

/// A run that has been started.
#[derive(Debug)]
struct Running {
    process: Process,
    start: Instant,
    stdout: Receiver,
    stderr: Receiver,
    status: File,
}

impl Running {
    /// Lets it run until it ends or has to be ended. When this returns, its processes may still be dying.
    async fn run_out(mut self, spec: &RunSpec, group: &Cgroup, cancel: &CancellationToken) -> Result<RunReport, Fault> {
        let failed = |what: &str, error: &dyn std::fmt::Display| Fault::Failed(format!("{what}: {error}"));
        let over = CancellationToken::new();
        let keep = |name: &str, stream: Receiver| -> Result<_, Fault> {
            let kept = Kept::create(&spec.folder.join(name), spec.limits.output)
                .map_err(|error| failed("cannot keep the output", &error))?;
            Ok(AbortOnDropHandle::new(tokio::spawn(kept.drain(stream, over.clone()))))
        };
        let (stdout, stderr) = (keep("stdout", self.stdout)?, keep("stderr", self.stderr)?);
        let stopped = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(Fault::Cancelled),
            status = self.process.ended() => match status {
                Ok(_) => Ok(None),
                Err(error) => Err(failed("cannot wait for the run", &error)),
            },
            () = over.cancelled() => Ok(Some(Ended::OutputLimit)),
            limit = clock::limit_reached(&spec.limits, self.start, group) => Ok(Some(limit)),
        };
        let wall = self.start.elapsed();
        // Its death is that of process 1 inside, and that is the death of every process of the namespace. The group
        // makes sure.
        self.process.kill();
        let waited = if matches!(stopped, Ok(None)) { group.wait_until_empty().await } else { group.kill().await };
        let stopped = stopped?;
        waited.map_err(|error| failed("cannot end the run", &error))?;
        let outside = self.process.ended().await.map_err(|error| failed("cannot wait for the run", &error))?;

        // Nobody can write any more: the streams end.
        let kept = |joined: Result<std::io::Result<Kept>, tokio::task::JoinError>| {
            joined.map_err(std::io::Error::other).flatten().map_err(|error| failed("cannot keep the output", &error))
        };
        let (stdout, stderr) = (kept(stdout.await)?, kept(stderr.await)?);
        let usage = group.usage().await.map_err(|error| failed("cannot read what the run has used", &error))?;
        let peak_memory = group.peak_memory();

        let limit = stopped
            .or_else(|| clock::spent(&spec.limits, usage))
            .or((stdout.over || stderr.over).then_some(Ended::OutputLimit));
        let ended = match limit {
            Some(limit) => limit,
            None => {
                match exit_code(self.status).map_err(|error| failed("cannot read what became of the run", &error))? {
                    Some(code) => clock::ended_with(code),
                    None if outside.signal().is_some() => {
                        return Err(Fault::Failed(format!("the sandbox was ended from outside ({outside})")));
                    }
                    // The program was never started.
                    None => {
                        let why = complaint(&spec.folder);
                        return Err(Fault::Failed(format!("bwrap could not make the sandbox ({outside}){why}")));
                    }
                }
            }
        };
        Ok(RunReport {
            ended,
            cpu: usage.cpu,
            wall,
            peak_memory,
            stdout: stdout.bytes,
            stderr: stderr.bytes,
            answer: AnswerFile::NotWanted,
        })
    }
}

/// What `bwrap` says that the program's status was. It says nothing unless it has started the program, and the program
/// cannot reach the descriptor on which it says it. A number that no status is comes from a program that has got the
/// better of `bwrap`'s process inside; it has forged its own status and nothing else.
fn exit_code(mut status: File) -> std::io::Result<Option<i32>> {
    let mut text = String::new();
    status.read_to_string(&mut text)?;
    let mut documents =
        serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>().filter_map(Result::ok);
    Ok(documents
        .find_map(|document| document.get("exit-code")?.as_i64())
        .map(|code| u8::try_from(code).map_or(255, i32::from)))
}

/// The beginning of what a run that is ours alone wrote to standard error, as an addition to a sentence.
fn complaint(folder: &Path) -> String {
    let mut text = Vec::new();
    let read = File::open(folder.join("stderr")).and_then(|file| file.take(300).read_to_end(&mut text));
    let text = String::from_utf8_lossy(&text);
    match (read, text.trim()) {
        (Ok(_), text) if !text.is_empty() => format!(": {}", text.escape_debug()),
        _ => String::new(),
    }
}

fn take_answer(spec: &RunSpec, stage: &Stage<'_>, report: RunReport) -> std::io::Result<RunReport> {
    let answer = match report.ended {
        _ if !spec.answer_file => AnswerFile::NotWanted,
        Ended::Exited(_) | Ended::Signalled(_) => {
            answer::take(stage.folder(stage::SCRATCH)?, &spec.folder.join("answer"), spec.limits.output)?
        }
        Ended::CpuLimit | Ended::WallLimit | Ended::MemoryLimit | Ended::OutputLimit => AnswerFile::Missing,
    };
    Ok(RunReport { answer, ..report })
}
