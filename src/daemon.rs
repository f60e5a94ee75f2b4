//! The daemon: one loop. The next input, the machine decides, its effects are performed in order.

mod engines;
mod inputs;
mod lock;
pub mod state;
mod work;

use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::archive;
use crate::core::config::Problem;
use crate::core::history::History;
use crate::core::machine::{Dirty, Disposal, Effect, Exit, Input, Kind, Machine, Mode};
use crate::core::record::FileKey;
use crate::core::rules::Rules;
use crate::core::users::Users;
use crate::core::view::Source;
use crate::home::Home;
use crate::journal::{Journal, JournalError};
use crate::settings;
use crate::site::{Life, Publisher};

use engines::Engines;
use inputs::Message;
pub use lock::{Lock, LockError};
use state::State;

/// How many messages may wait for the loop. Their senders wait when it is full: nothing is dropped.
const MESSAGES: usize = 256;
/// Pages are brought up to date at most this often while more is going on, so that a burst of submissions costs one board, not hundreds.
const PUBLISH_PAUSE: Duration = Duration::from_millis(25);
/// Sign of life in queue.json and daemon.json.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// After a request to end, what runs is cancelled and waited for at most this long.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(10);

/// How to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// For good, or once.
    pub mode: Mode,
    /// The home's folder as the Docker engine's machine names it, when the daemon itself runs in a container.
    pub host_home: Option<PathBuf>,
}

/// Why a daemon ended badly.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Another one has this home.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The settings are no good, and there are no earlier ones to go on with.
    #[error("the settings of this home have problems:\n{}", .0.iter().map(|problem| format!("  {problem}")).collect::<Vec<_>>().join("\n"))]
    Settings(Vec<Problem>),
    /// The log cannot be read or written.
    #[error("the log cannot be used")]
    Journal(#[from] JournalError),
    /// Something in results/ cannot be written.
    #[error("failed to {0}")]
    Results(&'static str, #[source] io::Error),
    /// It was to work the inbox off once, and cannot.
    #[error("nothing can be judged: {0}")]
    Held(String),
}

/// The daemon of one home.
struct Daemon {
    home: Home,
    machine: Machine,
    journal: Journal,
    publisher: Publisher,
    engines: Arc<Engines>,
    inputs: mpsc::Sender<Message>,
    tasks: TaskTracker,
    cancel: CancellationToken,
    rules: watch::Sender<Arc<Rules>>,
    dirty: Dirty,
    /// Pages that could not be written: tried again with every sign of life.
    unpublished: Dirty,
    /// Files that could not be removed from the inbox: every scan finds them again, and they are complained of once.
    stuck: BTreeSet<FileKey>,
    published: Instant,
    state: State,
}

/// Runs the daemon of a home until it has nothing left to do, or `shutdown` is done. `observe` is called with the state of the log
/// after every input.
///
/// # Errors
/// [`DaemonError`]; whatever was accepted is in the log, and judged by the next one.
pub async fn run(
    home: &Home,
    options: &Options,
    shutdown: impl Future<Output = ()>,
    observe: &mut dyn FnMut(&History),
) -> Result<(), DaemonError> {
    std::fs::create_dir_all(home.inbox()).map_err(|error| DaemonError::Results("make inbox/", error))?;
    crate::files::private_folder(&home.results()).map_err(|error| DaemonError::Results("make results/", error))?;
    let _lock = Lock::take(home).await?;
    let mut settings = settings::Watcher::new(home);
    let rules = Arc::new(settings.look(false).unwrap_or_else(|| settings::read(home)).map_err(DaemonError::Settings)?);
    archive::prepare(home).map_err(|error| DaemonError::Results("prepare results/", error))?;
    let (journal, history) = Journal::open(&home.log())?;
    archive::forget_unrecorded(home, history.next_number())
        .map_err(|error| DaemonError::Results("go on from results/", error))?;

    let (inputs, mut messages) = mpsc::channel(MESSAGES);
    let (publisher, problems) = Publisher::new(home);
    let (rules_sender, rules_receiver) = watch::channel(Arc::clone(&rules));
    let mut daemon = Daemon {
        home: home.clone(),
        machine: Machine::new(options.mode, history, rules),
        journal,
        publisher,
        engines: Arc::new(Engines::new(home, options.host_home.clone())),
        inputs: inputs.clone(),
        tasks: TaskTracker::new(),
        cancel: CancellationToken::new(),
        rules: rules_sender,
        dirty: Dirty::default(),
        unpublished: Dirty::default(),
        stuck: BTreeSet::new(),
        published: Instant::now() - PUBLISH_PAUSE,
        state: State::new(Utc::now()),
    };
    daemon.state.problems = problems;

    let ending = CancellationToken::new();
    let background = TaskTracker::new();
    let _guard = ending.clone().drop_guard();
    background.spawn(inputs::scan(home.clone(), inputs.clone(), rules_receiver.clone(), ending.clone()));
    background.spawn(inputs::settings(settings, inputs.clone(), rules_receiver, ending.clone()));
    background.spawn(inputs::ticks(home.clone(), inputs, ending.clone()));

    if options.mode == Mode::Daemon {
        // systemd waits for this; elsewhere nobody listens.
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    }
    let outcome = daemon.serve(&mut messages, shutdown, observe).await;
    ending.cancel();
    daemon.cancel.cancel();
    daemon.tasks.close();
    // Whatever still runs sends to a loop that has ended: keep the channel drained until the tasks are gone.
    let drained = async { while messages.recv().await.is_some() {} };
    let finished = async {
        tokio::select! {
            () = daemon.tasks.wait() => {}
            () = drained => {}
        }
    };
    if tokio::time::timeout(SHUTDOWN_PATIENCE, finished).await.is_err() {
        tracing::warn!("some runs did not end in time; the next daemon removes what they left");
    }
    daemon.state.leave(home);
    outcome
}

impl Daemon {
    async fn serve(
        &mut self,
        messages: &mut mpsc::Receiver<Message>,
        shutdown: impl Future<Output = ()>,
        observe: &mut dyn FnMut(&History),
    ) -> Result<(), DaemonError> {
        tokio::pin!(shutdown);
        let mut asked_to_end: Option<Instant> = None;
        let mut heartbeat = Instant::now();
        let mut next = Some(Message::Input(Input::Tick { free_bytes: u64::MAX }));
        loop {
            let message = match next.take() {
                Some(message) => message,
                None => tokio::select! {
                    biased;
                    () = &mut shutdown, if asked_to_end.is_none() => {
                        asked_to_end = Some(Instant::now());
                        tracing::info!("asked to end: what runs is cancelled and will be judged by the next daemon");
                        Message::Input(Input::Shutdown)
                    }
                    // Whatever does not let go of its run in time is left to the next daemon.
                    () = overdue(asked_to_end) => return Ok(()),
                    Some(message) = messages.recv() => message,
                    () = tokio::time::sleep_until(self.published + PUBLISH_PAUSE), if !self.dirty.is_clean() => {
                        self.publish();
                        continue;
                    }
                },
            };
            match message {
                Message::Input(input) => {
                    if let Some(exit) = self.step(input)? {
                        return self.leave(exit);
                    }
                }
                Message::Rules(rules) => {
                    tracing::info!(config = %rules.config_sha256.short(), "the settings changed and are in force");
                    let (publisher, problems) = Publisher::new(&self.home);
                    (self.publisher, self.state.problems) = (publisher, problems);
                    self.rules.send_replace(Arc::clone(&rules));
                    if let Some(exit) = self.step(Input::Rules(rules))? {
                        return self.leave(exit);
                    }
                }
                Message::Problems(problems) => {
                    for problem in &problems {
                        tracing::error!("{problem}; the last good settings stay in force");
                    }
                    self.state.problems = problems;
                }
            }
            observe(self.machine.history());
            next = messages.try_recv().ok();
            let due = self.published.elapsed() >= PUBLISH_PAUSE;
            if !self.dirty.is_clean() && due {
                self.publish();
            }
            if heartbeat.elapsed() >= HEARTBEAT {
                heartbeat = Instant::now();
                self.beat();
            }
        }
    }

    /// Ends in order.
    fn leave(&mut self, exit: Exit) -> Result<(), DaemonError> {
        self.publish_for_good();
        match exit {
            Exit::Done => Ok(()),
            Exit::Held(why) => Err(DaemonError::Held(why)),
        }
    }

    /// One input, all its effects.
    fn step(&mut self, input: Input) -> Result<Option<Exit>, DaemonError> {
        let mut exit = None;
        for effect in self.machine.handle(Utc::now(), input) {
            if let Effect::Exit(how) = effect {
                exit = Some(how);
            } else {
                self.perform(effect)?;
            }
        }
        Ok(exit)
    }

    fn perform(&mut self, effect: Effect) -> Result<(), DaemonError> {
        match effect {
            Effect::Append(line) => self.journal.append(&line)?,
            Effect::Keep(arrival, number) => {
                if let Some(name) = &arrival.name {
                    archive::keep(&self.home, &arrival, number, &name.extension)
                        .map_err(|error| DaemonError::Results("keep a source in results/", error))?;
                    tracing::info!(submission = number.0, user = %name.user, "accepted");
                }
            }
            Effect::Dispose(arrival, disposal) => {
                let max_size = self.machine.rules().config.submissions.max_size;
                if let Disposal::Refused(seq) = disposal {
                    tracing::info!(seq, file = ?arrival.found.name, "refused");
                }
                if arrival.found.kind == Kind::Folder {
                    // It may hold any number of files: not on the loop's time.
                    let (home, found) = (self.home.clone(), arrival.found.clone());
                    self.tasks.spawn_blocking(move || archive::dispose(&home, &found, disposal, max_size));
                } else if let Err(error) = archive::dispose(&self.home, &arrival.found, disposal, max_size)
                    && self.stuck.insert(arrival.key())
                {
                    tracing::warn!(file = ?arrival.found.name, %error, "a file that was dealt with could not be removed from the inbox");
                }
            }
            Effect::Receive(arrival, rules) => {
                let (home, engines, cancel) = (self.home.clone(), Arc::clone(&self.engines), self.cancel.clone());
                self.task(async move {
                    let outcome = work::receive(&home, &engines, &arrival, &rules, &cancel).await;
                    Input::Received(arrival, outcome)
                });
            }
            Effect::Start(order) => {
                tracing::info!(submission = order.submission.0, attempt = order.attempt, "started");
                let (home, engines, cancel) = (self.home.clone(), Arc::clone(&self.engines), self.cancel.clone());
                self.task(async move {
                    let outcome = work::judge(&home, &engines, &order, &cancel).await;
                    match &outcome {
                        Ok(_) => tracing::info!(submission = order.submission.0, "judged"),
                        Err(trouble) => tracing::error!(
                            submission = order.submission.0,
                            ?trouble,
                            "could not be judged, through no fault of its own"
                        ),
                    }
                    Input::Judged(order.submission, outcome)
                });
            }
            Effect::Probe(rules) => {
                let (home, engines) = (self.home.clone(), Arc::clone(&self.engines));
                self.task(async move { Input::Sandbox(work::probe(&home, &engines, &rules).await) });
            }
            Effect::Cancel => self.cancel.cancel(),
            Effect::Publish(dirty) => self.dirty.merge(dirty),
            Effect::Exit(_) => {}
        }
        Ok(())
    }

    /// Runs something beside the loop, which hears of its end.
    fn task(&self, work: impl Future<Output = Input> + Send + 'static) {
        let inputs = self.inputs.clone();
        self.tasks.spawn(async move {
            let input = work.await;
            // The loop is gone only when the daemon ends: then nobody needs to hear.
            let _ = inputs.send(Message::Input(input)).await;
        });
    }

    /// The last pages of this daemon. Those of one that worked the inbox off and ends are a function of the log alone, to the byte; one that
    /// was there for good leaves its last sign of life.
    fn publish_for_good(&mut self) {
        match self.machine.mode() {
            Mode::Daemon => self.publish(),
            Mode::Once => self.publish_as(&Life::default()),
        }
    }

    fn publish(&mut self) {
        let life = self.life();
        self.publish_as(&life);
    }

    fn life(&self) -> Life {
        Life { alive_at: Some(Utc::now()), held: self.machine.held().map(str::to_owned) }
    }

    fn publish_as(&mut self, life: &Life) {
        let dirty = std::mem::take(&mut self.dirty);
        let source = Source { history: self.machine.history(), rules: self.machine.rules() };
        match self.publisher.publish(&dirty, source, life) {
            Ok(()) => self.state.publishing_works(),
            Err(error) => {
                self.state.complain(&error);
                self.unpublished.merge(dirty);
            }
        }
        self.published = Instant::now();
    }

    fn beat(&mut self) {
        let now = Utc::now();
        self.dirty.merge(std::mem::take(&mut self.unpublished));
        if self.dirty.is_clean() {
            let source = Source { history: self.machine.history(), rules: self.machine.rules() };
            if let Err(error) = self.publisher.queue(source, &self.life()) {
                self.state.complain(&error);
                self.unpublished.shared = true;
            }
        } else {
            self.publish();
        }
        self.state.beat(&self.home, now, self.machine.held());
        // Under systemd; elsewhere nobody listens.
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
    }
}

/// Returns when the daemon was asked to end too long ago.
async fn overdue(asked_to_end: Option<Instant>) {
    match asked_to_end {
        Some(when) => tokio::time::sleep_until(when + SHUTDOWN_PATIENCE).await,
        None => std::future::pending().await,
    }
}

/// Whether users.csv lists the users.
fn is_listed(rules: &Rules) -> bool {
    matches!(rules.users, Users::Listed(_))
}
