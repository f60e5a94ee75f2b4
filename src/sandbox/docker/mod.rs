//! The engine that needs a container engine: Docker's API (Podman speaks it, too), a fresh container for every run.
//!
//! Images, other runtimes and other machines' file systems are its reasons. It talks to the engine and to nothing else;
//! a student's bytes pass through it into files, unread but for a trailer of fixed form.

mod container;
mod engine;
mod meter;
mod wrapper;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bollard::Docker as Api;
use bollard::container::LogOutput;
use bollard::errors::Error as ApiError;
use bollard::models::ContainerState;
use bollard::query_parameters::{
    AttachContainerOptions, CreateContainerOptions, ListContainersOptions, RemoveContainerOptions,
    StartContainerOptions, WaitContainerOptions,
};
use futures_util::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use self::container::Setting;
use self::engine::{Found, PATIENCE, connect, look, no_image, patiently};
use self::meter::ContainerMeter;
use self::wrapper::Trailer;
use super::capture::Kept;
use super::cgroup::{Cgroup, Layout};
use super::clock;
use super::place::{Place, Uids};
use super::{AnswerFile, BoxFuture, Ended, Fault, Identity, RunReport, RunSpec, Sandbox, seccomp};
use crate::core::config::SandboxSettings;

/// By how much the engine may learn later that a process was killed for want of memory than that the container has
/// ended.
const LATE_NEWS: Duration = Duration::from_millis(20);

/// Uids from here on are those of runs where an engine has only the 65,536 of a user namespace, all of them its own.
const FEW_USERS: u32 = 30_000;

/// The engine.
#[derive(Debug)]
pub(super) struct Docker {
    image: String,
    runtime: Option<String>,
    place: Place,
    uids: Uids,
    seccomp: String,
    ready: Mutex<Option<Arc<Ready>>>,
}

/// What is found out once, and again when a probe finds it changed.
#[derive(Debug)]
struct Ready {
    api: Api,
    engine: String,
    image: String,
    environment: Vec<String>,
    has_few_users: bool,
    /// Where this process and the engine both make control groups. `None`: they cannot.
    layout: Option<Layout>,
}

impl Docker {
    pub(super) fn new(settings: &SandboxSettings, place: &Place) -> Self {
        Self {
            image: settings.image.clone(),
            runtime: settings.runtime.clone(),
            place: place.clone(),
            uids: Uids::of(place),
            seccomp: seccomp::profile(),
            ready: Mutex::new(None),
        }
    }

    fn known(&self) -> Option<Arc<Ready>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, ready: Option<Arc<Ready>>) {
        *self.ready.lock().unwrap_or_else(PoisonError::into_inner) = ready;
    }

    /// Everything is as it was when a run last succeeded, or a run succeeds now.
    async fn probed(&self) -> Result<Identity, Fault> {
        let known = self.known();
        let now = look(&self.image, self.runtime.as_deref(), known.as_ref().map(|ready| ready.api.clone())).await;
        let (api, found) = match now {
            Ok(now) => now,
            Err(fault) => {
                self.remember(None);
                return Err(fault);
            }
        };
        let runtime = self.runtime.as_ref().map_or_else(String::new, |runtime| format!(" with {runtime}"));
        let identity = Identity { engine: format!("docker {}{runtime}", found.engine), image: found.image.clone() };
        if known.is_some_and(|ready| ready.engine == found.engine && ready.image == found.image) {
            return Ok(identity);
        }
        self.remember(None);
        let layout = found.makes_groups_where_told.then(|| Layout::open(&self.place).ok()).flatten();
        let Found { engine, image, environment, has_few_users, .. } = found;
        let ready = Arc::new(Ready { api, engine, image, environment, has_few_users, layout });
        let folder = super::probe_folder(&self.place)?;
        let spec = super::probe_spec(folder.path());
        match self.run_in(&ready, &spec, &CancellationToken::new()).await {
            Ok(report) if report.ended == Ended::Exited(0) => {
                self.remember(Some(ready));
                Ok(identity)
            }
            Ok(report) => Err(Fault::Unavailable(format!(
                "`true` does not run in a container of {}: it ended as {:?}",
                self.image, report.ended
            ))),
            Err(Fault::Failed(why)) => Err(Fault::Unavailable(why)),
            Err(fault) => Err(fault),
        }
    }

    async fn run_in(&self, ready: &Ready, spec: &RunSpec, cancel: &CancellationToken) -> Result<RunReport, Fault> {
        if spec.command.is_empty() {
            return Err(Fault::Failed("the command is empty".into()));
        }
        if cancel.is_cancelled() {
            return Err(Fault::Cancelled);
        }
        let user = self.uids.take();
        let name = self.place.name(&spec.label);
        let group = match &ready.layout {
            Some(layout) => Some(
                layout
                    .create(&name, spec.limits.memory, container::processes(spec))
                    .map_err(|error| Fault::Failed(format!("cannot make a control group: {error}")))?,
            ),
            None => None,
        };
        let parent = ready.layout.as_ref().map(|layout| layout.path_of(&name));
        let setting = Setting {
            image: &ready.image,
            environment: &ready.environment,
            runtime: self.runtime.as_deref(),
            seccomp: &self.seccomp,
            parent,
            user: if ready.has_few_users { FEW_USERS + user.slot() } else { user.number },
        };
        let body = container::body(spec, &self.place, &setting)?;
        let options = CreateContainerOptions { name: None, ..CreateContainerOptions::default() };
        let created =
            patiently(ready.api.create_container(Some(options), body)).await.map_err(|fault| self.explained(fault))?;
        let container = Container { api: ready.api.clone(), id: created.id, gone: AtomicBool::new(false) };
        let ran = self.run_container(&container, group.as_ref(), spec, cancel).await;
        // In every case, and before anything else can fail.
        let removed = container.remove().await;
        let ran = match ran {
            Ok(ran) => ran.report(spec).await,
            Err(fault) => Err(fault),
        };
        let cleared = match group {
            Some(group) => clear(group)
                .await
                .map_err(|error| Fault::Failed(format!("cannot remove the run's control group: {error}"))),
            None => Ok(()),
        };
        let report = ran?;
        removed.and(cleared).map(|()| report)
    }

    async fn run_container<'a>(
        &self,
        container: &'a Container,
        group: Option<&'a Cgroup>,
        spec: &RunSpec,
        cancel: &CancellationToken,
    ) -> Result<Ran<'a>, Fault> {
        let api = &container.api;
        let options =
            AttachContainerOptions { stream: true, stdout: true, stderr: true, ..AttachContainerOptions::default() };
        // Attached before the start, so that nothing that it prints is missed.
        let attached = patiently(api.attach_container(&container.id, Some(options))).await?;
        let over = CancellationToken::new();
        let keep = |name: &str, cap| {
            Kept::create(&spec.folder.join(name), cap)
                .map_err(|error| Fault::Failed(format!("cannot keep the output: {error}")))
        };
        let output = AbortOnDropHandle::new(tokio::spawn(drain(
            attached.output,
            keep("stdout", wrapper::allowance(spec))?,
            keep("stderr", spec.limits.output)?,
            over.clone(),
        )));
        patiently(api.start_container(&container.id, None::<StartContainerOptions>))
            .await
            .map_err(|fault| self.explained(fault))?;
        let start = Instant::now();
        // Answered at once if it has ended by now.
        let mut ended =
            api.wait_container(&container.id, Some(WaitContainerOptions { condition: "not-running".into() }));
        let meter = match group {
            Some(group) if group.has_below(&container.id) => ContainerMeter::Group(group),
            _ => ContainerMeter::of_running(api, &container.id).await,
        };
        let stopped = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(Fault::Cancelled),
            ended = ended.next() => match ended {
                // A status other than 0 comes as an error of the client library's.
                Some(Ok(_) | Err(ApiError::DockerContainerWaitError { .. })) => None,
                Some(Err(error)) => {
                    return Err(Fault::Failed(format!("the engine went away while a container ran: {error}")));
                }
                None => return Err(Fault::Failed("the engine does not say that the container has ended".into())),
            },
            () = over.cancelled() => Some(Ended::OutputLimit),
            limit = clock::limit_reached(&spec.limits, start, &meter) => Some(limit),
        };
        let wall = start.elapsed();
        let state = match stopped {
            Some(_) => None,
            None => patiently(api.inspect_container(&container.id, None)).await?.state,
        };
        let state = match state {
            // Word of a child that was killed comes on a way of its own, and may come after word of the end.
            Some(state) if !state.oom_killed.unwrap_or(false) && !matches!(meter, ContainerMeter::Group(_)) => {
                tokio::time::sleep(LATE_NEWS).await;
                patiently(api.inspect_container(&container.id, None)).await?.state
            }
            state => state,
        };
        Ok(Ran { stopped, state, wall, output, meter })
    }

    /// Says what an answer of the engine's means here.
    fn explained(&self, fault: Fault) -> Fault {
        match fault {
            Fault::Failed(text) if text.contains("No such image") => {
                self.remember(None);
                Fault::Unavailable(no_image(&self.image))
            }
            Fault::Failed(text)
                if text.to_lowercase().contains("unknown runtime") || text.contains("unknown or invalid runtime") =>
            {
                self.remember(None);
                Fault::Unavailable(format!(
                    "the engine has no runtime {}: {text}",
                    self.runtime.as_deref().unwrap_or_default()
                ))
            }
            Fault::Unavailable(text) => {
                self.remember(None);
                Fault::Unavailable(text)
            }
            other => other,
        }
    }
}

impl Sandbox for Docker {
    fn probe(&self) -> BoxFuture<'_, Result<Identity, Fault>> {
        Box::pin(self.probed())
    }

    fn run<'a>(&'a self, spec: &'a RunSpec, cancel: &'a CancellationToken) -> BoxFuture<'a, Result<RunReport, Fault>> {
        Box::pin(async move {
            if self.known().is_none() {
                self.probed().await?;
            }
            let ready = self.known().ok_or_else(|| Fault::Failed("the engine has just changed".into()))?;
            self.run_in(&ready, spec, cancel).await.map_err(|fault| self.explained(fault))
        })
    }

    fn sweep(&self) -> BoxFuture<'_, Result<usize, Fault>> {
        Box::pin(async move {
            let known = self.known();
            let api = match &known {
                Some(ready) => ready.api.clone(),
                None => patiently(connect()?.negotiate_version()).await?,
            };
            let label = ("label".to_owned(), vec![format!("{}={}", container::HOME, self.place.home_id)]);
            let options =
                ListContainersOptions { all: true, filters: Some([label].into()), ..ListContainersOptions::default() };
            let mut swept = 0;
            for found in patiently(api.list_containers(Some(options))).await? {
                let name = found.labels.unwrap_or_default().remove(container::NAME).unwrap_or_default();
                if let Some(id) = found.id.filter(|_| self.place.is_stray(&name)) {
                    Container { api: api.clone(), id, gone: AtomicBool::new(false) }.remove().await?;
                    swept += 1;
                }
            }
            // What the engine has made in other hierarchies goes with it. A group without its container counts for
            // nothing.
            let opened = if known.is_none() { Layout::open(&self.place).ok() } else { None };
            if let Some(layout) = known.as_ref().and_then(|ready| ready.layout.as_ref()).or(opened.as_ref()) {
                layout
                    .sweep(|name| self.place.is_stray(name))
                    .await
                    .map_err(|error| Fault::Failed(format!("cannot remove what an earlier run left: {error}")))?;
            }
            Ok(swept)
        })
    }
}

/// A run whose container has ended, or is to be ended.
struct Ran<'a> {
    stopped: Option<Ended>,
    state: Option<ContainerState>,
    wall: Duration,
    output: AbortOnDropHandle<Result<(Kept, Kept), ApiError>>,
    meter: ContainerMeter<'a>,
}

impl Ran<'_> {
    /// What is to be said of it, once its container is gone.
    async fn report(self, spec: &RunSpec) -> Result<RunReport, Fault> {
        let failed = |what: &str, error: &dyn std::fmt::Display| Fault::Failed(format!("{what}: {error}"));
        // The container is gone, and its streams end with it.
        let output = tokio::time::timeout(PATIENCE, self.output)
            .await
            .map_err(|_| Fault::Failed("the engine does not end a container's output".into()))?;
        let (stdout, stderr) = output
            .map_err(|error| failed("cannot keep the output", &error))?
            .map_err(|error| failed("cannot keep the output", &error))?;
        let (mut usage, peak_memory) =
            self.meter.total().map_err(|error| failed("cannot read what the run has used", &error))?;
        let state = self.state.unwrap_or_default();
        usage.out_of_memory |= state.oom_killed.unwrap_or(false);

        let path = spec.folder.join("stdout");
        // A limit may have been noticed when the program had just ended.
        let cut = if stdout.over { Ok(None) } else { Trailer::cut_from(&path, &spec.folder.join("answer")) };
        let cut = cut.map_err(|error| failed("cannot take the answer", &error))?;
        let printed = cut.as_ref().map_or(stdout.bytes, |cut| cut.printed);
        let kept =
            wrapper::cut_to(&path, spec.limits.output).map_err(|error| failed("cannot keep the output", &error))?;
        let over = (stdout.over || stderr.over || printed > spec.limits.output).then_some(Ended::OutputLimit);

        let ended =
            match self.stopped.or_else(|| clock::spent(&spec.limits, usage)).or(over) {
                Some(limit) => limit,
                None => match &cut {
                    Some(cut) => clock::ended_with(cut.status().ok_or_else(|| {
                        Fault::Failed(format!("there is no program {} in the image", spec.command[0]))
                    })?),
                    // Its shell is process 1, which nothing inside can end before its time.
                    None => {
                        return Err(Fault::Failed(format!(
                            "the container was ended from outside (status {})",
                            state.exit_code.unwrap_or(-1)
                        )));
                    }
                },
            };
        let wall = wall(&state).unwrap_or(self.wall);
        let by_itself = matches!(ended, Ended::Exited(_) | Ended::Signalled(_));
        let answer = match cut {
            Some(cut) if by_itself => cut.answer(spec.limits.output),
            _ if spec.answer_file => {
                let _ = std::fs::remove_file(spec.folder.join("answer"));
                AnswerFile::Missing
            }
            _ => AnswerFile::NotWanted,
        };
        Ok(RunReport { ended, cpu: usage.cpu, wall, peak_memory, stdout: kept, stderr: stderr.bytes, answer })
    }
}

/// A container that exists.
#[derive(Debug)]
struct Container {
    api: Api,
    id: String,
    gone: AtomicBool,
}

const REMOVE: RemoveContainerOptions = RemoveContainerOptions { v: true, force: true, link: false };

impl Container {
    /// Ends whatever runs in it and removes it.
    async fn remove(&self) -> Result<(), Fault> {
        let removed = patiently(self.api.remove_container(&self.id, Some(REMOVE))).await;
        self.gone.store(true, Ordering::Relaxed);
        match removed {
            Err(Fault::Failed(text)) if text.contains("No such container") => Ok(()),
            other => other,
        }
    }
}

/// The net below [`Container::remove`], for a run that is dropped half way.
impl Drop for Container {
    fn drop(&mut self) {
        if let (false, Ok(runtime)) = (self.gone.load(Ordering::Relaxed), tokio::runtime::Handle::try_current()) {
            let (api, id) = (self.api.clone(), std::mem::take(&mut self.id));
            runtime.spawn(async move { api.remove_container(&id, Some(REMOVE)).await });
        }
    }
}

async fn drain(
    mut from: impl Stream<Item = Result<LogOutput, ApiError>> + Unpin,
    mut stdout: Kept,
    mut stderr: Kept,
    over: CancellationToken,
) -> Result<(Kept, Kept), ApiError> {
    while let Some(output) = from.next().await {
        match output? {
            LogOutput::StdOut { message } => stdout.keep(&message)?,
            LogOutput::StdErr { message } => stderr.keep(&message)?,
            LogOutput::StdIn { .. } | LogOutput::Console { .. } => (),
        }
        if stdout.over || stderr.over {
            over.cancel();
        }
    }
    Ok((stdout, stderr))
}

/// The engine made groups inside ours, in hierarchies of version 1 that we do not use as well.
async fn clear(group: Cgroup) -> std::io::Result<()> {
    group.kill().await?;
    group.remove_everywhere().await
}

fn wall(state: &ContainerState) -> Option<Duration> {
    let time = |text: &Option<String>| chrono::DateTime::parse_from_rfc3339(text.as_deref()?).ok();
    (time(&state.finished_at)? - time(&state.started_at)?).to_std().ok()
}
