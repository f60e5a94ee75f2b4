//! The engine that needs a container engine: Docker's API (Podman speaks it, too), a fresh container for every run.
//!
//! Images, other runtimes and other machines' file systems are its reasons. It talks to the engine and to nothing else;
//! a student's bytes pass through it into files, unread but for a trailer of fixed form.

mod container;
mod engine;
mod filter;
mod link;
mod meter;
mod running;
mod tunnel;
mod versions;
mod wrapper;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bollard::query_parameters::{CreateContainerOptions, ListContainersOptions};
use tokio_util::sync::CancellationToken;

use self::container::Setting;
use self::engine::{Found, is_no_image, look, no_image, patiently};
use self::filter::Filter;
use self::link::Link;
use self::running::{Container, remove};
use super::cgroup::{Cgroup, Layout};
use super::place::{Place, Uids};
use super::{BoxFuture, Ended, Fault, Identity, RunReport, RunSpec, Sandbox};
use crate::core::config::{Endpoint, Gpus, SandboxSettings};

/// More processes and threads than Podman's monitor of a container has.
const PODMANS_OWN: u64 = 8;

/// Uids from here on are those of runs where an engine has only the 65,536 of a user namespace, all of them its own.
const FEW_USERS: u32 = 30_000;

/// The engine.
#[derive(Debug)]
pub(super) struct Docker {
    image: String,
    runtime: Option<String>,
    gpus: Option<Gpus>,
    endpoint: Option<Endpoint>,
    unix_sockets: bool,
    place: Place,
    uids: Uids,
    link: Mutex<Option<Arc<Link>>>,
    ready: Mutex<Option<Arc<Ready>>>,
    /// Containers that could not be removed because the engine had gone away: they may run on, and nothing ends them.
    left: Mutex<Vec<String>>,
}

/// What is found out once, and again when a probe finds it changed.
#[derive(Debug)]
struct Ready {
    link: Arc<Link>,
    found: Found,
    filter: Filter,
    /// Where this process and the engine both make control groups. `None`: they cannot.
    layout: Option<Layout>,
    /// The engine was told of such a group and made another: it sees a different machine.
    makes_groups_elsewhere: AtomicBool,
}

impl Ready {
    fn layout(&self) -> Option<&Layout> {
        self.layout.as_ref().filter(|_| !self.makes_groups_elsewhere.load(Ordering::Relaxed))
    }
}

impl Docker {
    pub(super) fn new(settings: &SandboxSettings, place: &Place) -> Self {
        Self {
            image: settings.image.clone(),
            runtime: settings.runtime.clone(),
            gpus: settings.gpus,
            endpoint: settings.endpoint.clone(),
            unix_sockets: settings.unix_sockets,
            place: place.clone(),
            uids: Uids::of(place),
            link: Mutex::new(None),
            ready: Mutex::new(None),
            left: Mutex::default(),
        }
    }

    fn left(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The way to the engine, opened now if it is not open.
    async fn link(&self) -> Result<Arc<Link>, Fault> {
        let known = self.link.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(link) = known.filter(|link| link.is_up()) {
            return Ok(link);
        }
        let opened = Link::open(self.endpoint.as_ref(), &self.place).await.map(Arc::new);
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = opened.as_ref().ok().cloned();
        opened
    }

    fn known(&self) -> Option<Arc<Ready>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, ready: Option<Arc<Ready>>) {
        *self.ready.lock().unwrap_or_else(PoisonError::into_inner) = ready;
    }

    /// Something is not as it was: everything is looked at again before the next run.
    fn forget(&self) {
        self.remember(None);
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Everything is as it was when a run last succeeded, or a run succeeds now.
    async fn probed(&self) -> Result<Identity, Fault> {
        let known = self.known();
        let looked = async {
            let link = self.link().await?;
            let found = look(&self.image, self.runtime.as_deref(), &link).await?;
            if self.gpus.is_some() && found.versions.is_podman() {
                return Err(Fault::Unavailable(
                    "sandbox.gpus: Podman passes no graphics processors on that are asked for in Docker's way; use Docker"
                        .into(),
                ));
            }
            let left = self.left().clone();
            for id in left {
                remove(&link.api, &id).await?;
                self.left().retain(|known| *known != id);
            }
            Ok((link, found))
        };
        let (link, found) = looked.await.inspect_err(|_| self.forget())?;
        let runtime = self.runtime.as_ref().map_or_else(String::new, |runtime| format!(" with {runtime}"));
        let identity =
            Identity { engine: format!("{}{runtime}", found.versions.engine), image: found.image_name.clone() };
        if known.is_some_and(|ready| ready.found == found && Arc::ptr_eq(&ready.link, &link)) {
            return Ok(identity);
        }
        self.remember(None);
        // Elsewhere a path of ours means nothing.
        let layout = (found.makes_groups_where_told && link.is_here())
            .then(|| Layout::open(&self.place).ok())
            .flatten()
            .filter(|layout| found.cgroups.is_none_or(|version| version == layout.version()));
        let filter = Filter::new(&found, self.unix_sockets, &self.place).map_err(|error| {
            Fault::Unavailable(format!("cannot write a file in {}: {error}", self.place.work.display()))
        })?;
        let ready = Arc::new(Ready { filter, link, found, layout, makes_groups_elsewhere: AtomicBool::new(false) });
        match self.tried(&ready).await {
            Ok(report) if report.ended == Ended::Exited(0) => {
                self.remember(Some(ready));
                Ok(identity)
            }
            Ok(report) => Err(Fault::Unavailable(format!(
                "`true` does not run in a container of {}: it ended as {:?}",
                self.image, report.ended
            ))),
            Err(fault) => match self.explained(fault) {
                Fault::Failed(why) => Err(Fault::Unavailable(why)),
                fault => Err(fault),
            },
        }
    }

    /// The run by which it tries itself.
    async fn tried(&self, ready: &Ready) -> Result<RunReport, Fault> {
        let folder = super::probe_folder(&self.place)?;
        let spec = super::probe_spec(folder.path());
        let cancel = CancellationToken::new();
        let groups = ready.layout().is_some();
        match self.run_in(ready, &spec, &cancel).await {
            // Whether the engine's groups are ours is only known once it has made one.
            Err(Fault::Failed(_)) if groups && ready.layout().is_none() => self.run_in(ready, &spec, &cancel).await,
            other => other,
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
        let found = &ready.found;
        // Podman has a process of its own beside the container.
        let beside = if found.versions.is_podman() { PODMANS_OWN } else { 0 };
        let group = match ready.layout() {
            Some(layout) => Some(
                layout
                    .create(&name, spec.limits.memory, container::processes(spec, found.has_own_kernel) + beside)
                    .map_err(|error| Fault::Failed(format!("cannot make a control group: {error}")))?,
            ),
            None => None,
        };
        if let (Some(layout), true, Some(_)) = (ready.layout(), found.has_own_kernel, &spec.cores) {
            let made = layout.furnish_processors(&name);
            made.map_err(|error| Fault::Failed(format!("cannot make a control group: {error}")))?;
        }
        let setting = Setting {
            image: &found.image,
            environment: &found.environment,
            runtime: self.runtime.as_deref(),
            is_podman: found.versions.is_podman(),
            has_own_kernel: found.has_own_kernel,
            gpus: self.gpus,
            seccomp: &ready.filter.option(&self.place),
            parent: group.as_ref().and(ready.layout()).map(|layout| layout.path_of(&name)),
            user: if found.has_few_users { FEW_USERS + user.slot() } else { user.number },
        };
        let body = container::body(spec, &self.place, &setting)?;
        let options = CreateContainerOptions { name: None, ..CreateContainerOptions::default() };
        let api = &ready.link.api;
        let created =
            patiently(api.create_container(Some(options), body)).await.map_err(|fault| self.explained(fault))?;
        let container = Container::new(api, created.id);
        let ran = container.run(group.as_ref(), ready.link.is_here(), spec, cancel).await;
        // In every case, and before anything else can fail.
        let removed = container.remove().await;
        if removed.is_err() {
            self.left().push(container.id.clone());
        }
        let ran = match ran {
            // No container starts without using some time.
            Ok(_) if group.as_ref().is_some_and(|group| group.usage_now().is_ok_and(|used| used.cpu.is_zero())) => {
                ready.makes_groups_elsewhere.store(true, Ordering::Relaxed);
                Err(Fault::Failed("the engine did not run it in the control group that it was told".into()))
            }
            Ok(ran) => ran.report(spec, found.has_own_kernel).await,
            Err(fault) => Err(fault),
        };
        let cleared = match group {
            Some(group) => clear(group)
                .await
                .map_err(|error| Fault::Failed(format!("cannot remove the run's control group: {error}"))),
            None => Ok(()),
        };
        // An engine that has gone away is what went wrong, and no fault of this run's.
        match removed {
            Err(Fault::Unavailable(why)) => Err(Fault::Unavailable(why)),
            other => other.and(cleared).and(ran),
        }
    }

    /// Says what an answer of the engine's means here.
    fn explained(&self, fault: Fault) -> Fault {
        let text = match fault {
            Fault::Failed(text) => text,
            Fault::Unavailable(text) => {
                self.forget();
                return Fault::Unavailable(text);
            }
            Fault::Cancelled => return Fault::Cancelled,
        };
        let lower = text.to_lowercase();
        let explanation = if is_no_image(&text) {
            no_image(&self.image)
        } else if lower.contains("unknown runtime") || lower.contains("unknown or invalid runtime") {
            format!("the engine has no runtime {}: {text}", self.runtime.as_deref().unwrap_or_default())
        } else if self.gpus.is_some() && (lower.contains("could not select device driver") || lower.contains("nvidia"))
        {
            format!(
                "sandbox.gpus: the engine cannot give a container graphics processors: install the NVIDIA driver and nvidia-container-toolkit on its machine, `nvidia-ctk runtime configure --runtime=docker`, and restart Docker ({text})"
            )
        } else {
            return Fault::Failed(text);
        };
        self.forget();
        Fault::Unavailable(explanation)
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

    fn notes(&self) -> Vec<String> {
        let Some(ready) = self.known() else { return Vec::new() };
        let metering = match (ready.layout(), ready.link.is_here()) {
            (Some(_), _) => None,
            (None, true) => Some(
                "the engine's control groups are not ours to make: what a run uses is read from its container's group, every 5 ms",
            ),
            (None, false) => Some(
                "the engine is not on this machine: what a run uses is what the engine says of it, at most every 100 ms, and the last that it says before the end",
            ),
        };
        ready.found.notes.iter().cloned().chain(metering.map(str::to_owned)).collect()
    }

    fn sweep(&self) -> BoxFuture<'_, Result<usize, Fault>> {
        Box::pin(async move {
            let known = self.known();
            let link = match &known {
                Some(ready) => Arc::clone(&ready.link),
                None => self.link().await?,
            };
            let api = &link.api;
            let label = ("label".to_owned(), vec![format!("{}={}", container::HOME, self.place.home_id)]);
            let options =
                ListContainersOptions { all: true, filters: Some([label].into()), ..ListContainersOptions::default() };
            let mut swept = 0;
            for found in patiently(api.list_containers(Some(options))).await? {
                let name = found.labels.unwrap_or_default().remove(container::NAME).unwrap_or_default();
                if let Some(id) = found.id.filter(|_| self.place.is_stray(&name)) {
                    remove(api, &id).await?;
                    swept += 1;
                }
            }
            // What the engine has made in other hierarchies goes with it. A group without its container counts for
            // nothing.
            let opened = if known.is_none() && link.is_here() { Layout::open(&self.place).ok() } else { None };
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

/// The engine made groups inside ours, in hierarchies of version 1 that we do not use as well.
async fn clear(group: Cgroup) -> std::io::Result<()> {
    group.kill().await?;
    group.remove_everywhere().await
}
