//! One container from its start to its end, and what is to be said of it then.
//!
//! It knows an engine that answers and a container that exists; how either came to be is others' business.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bollard::Docker as Api;
use bollard::container::LogOutput;
use bollard::errors::Error as ApiError;
use bollard::models::ContainerState;
use bollard::query_parameters::{
    AttachContainerOptions, RemoveContainerOptions, StartContainerOptions, WaitContainerOptions,
};
use futures_util::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::super::capture::Kept;
use super::super::cgroup::Cgroup;
use super::super::{AnswerFile, Ended, Fault, RunReport, RunSpec, clock};
use super::engine::{PATIENCE, patiently};
use super::meter::ContainerMeter;
use super::wrapper::{self, Trailer};

/// By how much the engine may learn later that a process was killed for want of memory than that the container has
/// ended.
const LATE_NEWS: Duration = Duration::from_millis(20);

/// A container that exists.
#[derive(Debug)]
pub(super) struct Container {
    api: Api,
    pub(super) id: String,
    gone: AtomicBool,
}

const REMOVE: RemoveContainerOptions = RemoveContainerOptions { v: true, force: true, link: false };

impl Container {
    pub(super) fn new(api: &Api, id: String) -> Self {
        Self { api: api.clone(), id, gone: AtomicBool::new(false) }
    }

    /// Runs it until it has ended, or is to be ended.
    ///
    /// # Errors
    /// [`Fault`]: the engine's trouble, or the caller has cancelled it.
    pub(super) async fn run<'a>(
        &'a self,
        group: Option<&'a Cgroup>,
        is_here: bool,
        spec: &RunSpec,
        cancel: &CancellationToken,
    ) -> Result<Ran<'a>, Fault> {
        let api = &self.api;
        let options =
            AttachContainerOptions { stream: true, stdout: true, stderr: true, ..AttachContainerOptions::default() };
        // Attached before the start, so that nothing that it prints is missed.
        let attached = patiently(api.attach_container(&self.id, Some(options))).await?;
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
        patiently(api.start_container(&self.id, None::<StartContainerOptions>)).await?;
        let start = Instant::now();
        // Answered at once if it has ended by now.
        let mut ended = api.wait_container(&self.id, Some(WaitContainerOptions { condition: "not-running".into() }));
        let meter = match group {
            Some(group) => ContainerMeter::Group(group),
            None => ContainerMeter::of_running(api, &self.id, is_here).await,
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
            None => patiently(api.inspect_container(&self.id, None)).await?.state,
        };
        let state = match state {
            // Word of a child that was killed comes on a way of its own, and may come after word of the end.
            Some(state) if !state.oom_killed.unwrap_or(false) && !matches!(meter, ContainerMeter::Group(_)) => {
                tokio::time::sleep(LATE_NEWS).await;
                patiently(api.inspect_container(&self.id, None)).await?.state
            }
            state => state,
        };
        Ok(Ran { stopped, state, wall, output, meter })
    }

    /// Ends whatever runs in it and removes it.
    pub(super) async fn remove(&self) -> Result<(), Fault> {
        let removed = remove(&self.api, &self.id).await;
        self.gone.store(true, Ordering::Relaxed);
        removed
    }
}

/// The net below [`Container::remove`], for a run that is dropped half way.
impl Drop for Container {
    fn drop(&mut self) {
        if let (false, Ok(runtime)) = (self.gone.load(Ordering::Relaxed), tokio::runtime::Handle::try_current()) {
            let (api, id) = (self.api.clone(), std::mem::take(&mut self.id));
            runtime.spawn(async move { remove(&api, &id).await });
        }
    }
}

/// Ends whatever runs in a container and removes it.
///
/// # Errors
/// It is there still.
pub(super) async fn remove(api: &Api, id: &str) -> Result<(), Fault> {
    /// An engine that is told to end what is just ending may say no (Podman: "state improper"), and the next time yes.
    const TRIES: usize = 20;
    let mut tried = 1;
    loop {
        match patiently(api.remove_container(id, Some(REMOVE))).await {
            Err(Fault::Failed(text)) if text.to_lowercase().contains("no such container") => return Ok(()),
            Err(Fault::Failed(_)) if tried < TRIES => {
                tried += 1;
                tokio::time::sleep(LATE_NEWS).await;
            }
            other => return other,
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

/// The status of a container whose process 1 was sent SIGKILL.
const KILLED: i64 = 137;

/// A run whose container has ended, or is to be ended.
pub(super) struct Ran<'a> {
    stopped: Option<Ended>,
    state: Option<ContainerState>,
    wall: Duration,
    output: AbortOnDropHandle<Result<(Kept, Kept), ApiError>>,
    meter: ContainerMeter<'a>,
}

impl Ran<'_> {
    /// What is to be said of it, once its container is gone.
    pub(super) async fn report(self, spec: &RunSpec, has_own_kernel: bool) -> Result<RunReport, Fault> {
        let failed = |what: &str, error: &dyn std::fmt::Display| Fault::Failed(format!("{what}: {error}"));
        // The container is gone, and its streams end with it.
        let output = tokio::time::timeout(PATIENCE, self.output)
            .await
            .map_err(|_| Fault::Failed("the engine does not end a container's output".into()))?;
        let (stdout, stderr) = output
            .map_err(|error| failed("cannot keep the output", &error))?
            .map_err(|error| failed("cannot keep the output", &error))?;
        let (mut usage, mut peak_memory) =
            self.meter.total().map_err(|error| failed("cannot read what the run has used", &error))?;
        let state = self.state.unwrap_or_default();
        usage.out_of_memory |= state.oom_killed.unwrap_or(false);

        let path = spec.folder.join("stdout");
        // A limit may have been noticed when the program had just ended.
        let cut = if stdout.over { Ok(None) } else { Trailer::cut_from(&path, &spec.folder.join("answer")) };
        let cut = cut.map_err(|error| failed("cannot take the answer", &error))?;
        if let Some(cut) = &cut {
            usage.out_of_memory |= cut.out_of_memory();
            if !matches!(self.meter, ContainerMeter::Group(_)) {
                // The meter's last look was before the end.
                let (cpu, memory) = cut.used();
                (usage.cpu, peak_memory) = (usage.cpu.max(cpu), peak_memory.max(memory));
            }
        }
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
                    // gVisor lets a program end process 1, and gVisor itself can be driven to its end; both are the program's
                    // doing. A kill from outside cannot be told from one of these by SIGKILL: there the doubt is the program's.
                    None if has_own_kernel && state.exit_code.is_some_and(|code| code != KILLED) => {
                        clock::ended_with(state.exit_code.and_then(|code| i32::try_from(code).ok()).unwrap_or(255))
                    }
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

fn wall(state: &ContainerState) -> Option<Duration> {
    let time = |text: &Option<String>| chrono::DateTime::parse_from_rfc3339(text.as_deref()?).ok();
    (time(&state.finished_at)? - time(&state.started_at)?).to_std().ok()
}
