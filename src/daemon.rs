//! The daemon: one loop. The next input, the machine decides, its effects are performed in order.

mod engines;
mod inputs;
mod live;
mod lock;
mod metrics;
mod pins;
mod publishing;
mod pushes;
mod removed;
mod staff;
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
use crate::core::details::Details;
use crate::core::history::History;
use crate::core::machine::{
    Arrival, Comparison, Dirty, Disposal, Effect, Exit, Found, Input, Kind, Machine, Mode, Trouble, Unreceived,
};
use crate::core::record::FileKey;
use crate::core::rules::Rules;
use crate::core::users::Users;
use crate::home::Home;
use crate::journal::{Journal, JournalError};
use crate::settings;
use crate::site::{Live, Publisher};

use engines::Engines;
use inputs::Message;
pub use lock::{Lock, LockError};
use publishing::HEARTBEAT;
use removed::Removed;
pub use staff::health;
use state::State;

/// How many messages may wait for the loop. Their senders wait when it is full: nothing is dropped.
const MESSAGES: usize = 256;
/// Every page anew goes on for so long at a time, while nothing else is to be done.
const REBUILD_SLICE: Duration = Duration::from_millis(20);
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
    /// Ends the try of the sandbox that goes on.
    probing: CancellationToken,
    rules: watch::Sender<Arc<Rules>>,
    dirty: Dirty,
    /// Pages that are not up to date: tried again with every sign of life,
    unpublished: Dirty,
    /// but not before this.
    retry_from: Instant,
    /// Files that could not be removed from the inbox: every scan finds them again, and they are complained of once.
    stuck: BTreeSet<FileKey>,
    /// And those that could, while it was looked at.
    removed: Removed,
    /// Signs of life so far.
    beats: u64,
    /// When the next one is due.
    beat_from: Instant,
    /// From when on pages may be brought up to date again.
    publish_from: Instant,
    /// The same, of those that a change of everything has left.
    rebuild_from: Instant,
    /// What is being checked and judged.
    live: Live,
    /// When what is new of that is written.
    live_from: Instant,
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
    if !home.log().exists() {
        // It may be one that Docker made for something to be mounted on, open to all.
        let closed = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(home.results(), closed)
            .map_err(|error| DaemonError::Results("close results/", error))?;
    }
    let _lock = Lock::take(home).await?;
    let mut settings = settings::Watcher::new(home);
    let rules = Arc::new(settings.look(false).unwrap_or_else(|| settings::read(home)).map_err(DaemonError::Settings)?);
    archive::prepare(home).map_err(|error| DaemonError::Results("prepare results/", error))?;
    let (journal, history) = Journal::open(&home.log())?;
    archive::forget_unrecorded(home, history.next_number())
        .and_then(|()| archive::forget_unheld(home, |line| history.aside().holds(line)))
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
        probing: CancellationToken::new(),
        rules: rules_sender,
        dirty: Dirty::default(),
        unpublished: Dirty::default(),
        retry_from: Instant::now(),
        stuck: BTreeSet::new(),
        removed: Removed::default(),
        beats: 0,
        beat_from: Instant::now() + HEARTBEAT,
        publish_from: Instant::now(),
        rebuild_from: Instant::now(),
        live: Live::default(),
        live_from: Instant::now(),
        state: State::new(Utc::now()),
    };
    daemon.state.problems = problems;
    // The first sign of life: `podium status` and the pages of staff know at once that a daemon runs.
    daemon.state.beat(home, Utc::now(), None, true);

    let ending = CancellationToken::new();
    let background = TaskTracker::new();
    let _guard = ending.clone().drop_guard();
    let missed = pushes::Missed::new(home);
    if options.mode == Mode::Once {
        // What it finds belongs to what the inbox holds.
        let rules = Arc::clone(&rules_receiver.borrow());
        missed.look(&rules).await;
    }
    background.spawn(missed.look_again_and_again(rules_receiver.clone(), ending.clone()));
    if options.mode == Mode::Daemon {
        background.spawn(staff::keep(home.clone(), rules_receiver.clone(), ending.clone()));
    }
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
                    () = tokio::time::sleep_until(self.publish_from), if !self.dirty.is_clean() => {
                        self.publish();
                        continue;
                    }
                    () = tokio::time::sleep_until(self.live_from), if self.live.is_any() => {
                        self.write_live();
                        continue;
                    }
                    () = tokio::time::sleep_until(self.rebuild_from), if self.publisher.is_rebuilding() => {
                        self.go_on(Some(Instant::now() + REBUILD_SLICE));
                        if Instant::now() >= self.beat_from {
                            self.beat();
                        }
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
                Message::Tick(tick, told) => {
                    let exit = self.step(tick)?;
                    drop(told);
                    if let Some(exit) = exit {
                        return self.leave(exit);
                    }
                }
                Message::Listing(mut found, began) => {
                    self.removed.correct(&mut found, began);
                    if let Some(exit) = self.step(Input::Listing(found))? {
                        return self.leave(exit);
                    }
                }
                Message::Rules(rules) => {
                    tracing::info!(config = %rules.config_sha256.short(), "the settings changed and are in force");
                    let (publisher, problems) = Publisher::new(&self.home);
                    (self.publisher, self.state.problems) = (publisher, problems);
                    // What failed is part of everything, which is made anew now.
                    self.unpublished = Dirty::default();
                    if rules.config.sandbox != self.machine.rules().config.sandbox {
                        // An image of the old settings may take minutes, and nobody wants it any more.
                        self.probing.cancel();
                    }
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
            if !self.dirty.is_clean() && Instant::now() >= self.publish_from {
                self.publish();
            }
            if self.live.is_any() && Instant::now() >= self.live_from {
                self.write_live();
            }
            if Instant::now() >= self.beat_from {
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
        if let Input::Received(arrival, outcome) = &input {
            if self.machine.is_slow(arrival) {
                tracing::info!(file = ?arrival.found.name, "its check took over two seconds: what came after it may have gone first");
            }
            self.received(arrival, outcome);
        }
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
                // Its page is that of the line that tells of it.
                self.live.left(arrival.key());
                self.dispose(&arrival, disposal);
            }
            Effect::Discard(files) => {
                files.iter().for_each(|found| self.unchecked(found.key));
                self.discard(files);
            }
            Effect::Forget(lines) => {
                if let Err(error) = archive::forget(&self.home, lines) {
                    tracing::warn!(%error, "what was set aside of refused files could not be removed");
                }
            }
            Effect::Compare(comparison) => self.compare(comparison),
            Effect::Receive(arrival, rules) => {
                let (home, engines, cancel) = (self.home.clone(), Arc::clone(&self.engines), self.cancel.clone());
                let failed = arrival.clone();
                let teller = self.checking(&arrival, &rules);
                let work = async move {
                    let outcome = work::receive(&home, &engines, &arrival, &rules, (&cancel, &teller)).await;
                    Input::Received(arrival, outcome)
                };
                self.task(work, |why| Input::Received(failed, Err(Unreceived::Failed(why))));
            }
            Effect::Start(order) => {
                tracing::info!(submission = order.submission.0, attempt = order.attempt, "started");
                let (home, engines, cancel) = (self.home.clone(), Arc::clone(&self.engines), self.cancel.clone());
                let submission = order.submission;
                let teller = self.judging(&order);
                let work = async move {
                    let outcome = work::judge(&home, &engines, &order, (&cancel, &teller)).await;
                    match &outcome {
                        Ok(_) => tracing::info!(submission = order.submission.0, "judged"),
                        Err(trouble) => tracing::error!(
                            submission = order.submission.0,
                            ?trouble,
                            "could not be judged, through no fault of its own"
                        ),
                    }
                    Input::Judged(order.submission, outcome)
                };
                self.task(work, move |why| Input::Judged(submission, Err(Trouble::failed(why))));
            }
            Effect::Probe(rules) => {
                let (home, engines) = (self.home.clone(), Arc::clone(&self.engines));
                self.probing = self.cancel.child_token();
                let cancel = self.probing.clone();
                let work = async move {
                    tokio::select! {
                        // An image that is on its way may take longer than anybody waits for the end of a daemon.
                        () = cancel.cancelled() => Input::Sandbox(Err("the sandbox is being tried again".into())),
                        tried = work::probe(&home, &engines, &rules) => Input::Sandbox(tried),
                    }
                };
                self.task(work, |why| Input::Sandbox(Err(why)));
            }
            Effect::Cancel => self.cancel.cancel(),
            Effect::Publish(dirty) => self.dirty.merge(dirty),
            Effect::Exit(_) => {}
        }
        Ok(())
    }

    /// Sees whether an earlier judging answers a submission. Where the log cannot be read back it does not, and the submission is judged.
    fn compare(&self, comparison: Comparison) {
        let (home, engines) = (self.home.clone(), Arc::clone(&self.engines));
        let (submission, origin) = (comparison.submission, comparison.origin);
        let earlier = self.journal.judged(comparison.line).ok();
        let work = async move {
            let same = match earlier {
                Some(earlier) if work::is_the_same(&home, &engines, &comparison, &earlier).await => Some(earlier),
                Some(_) | None => None,
            };
            if same.is_some() {
                tracing::info!(submission = submission.0, earlier = origin.submission.0, "judged before");
            }
            Input::Compared(submission, origin, same)
        };
        self.task(work, move |_| Input::Compared(submission, origin, None));
    }

    /// Takes a file that was dealt with out of the inbox.
    fn dispose(&mut self, arrival: &Arrival, disposal: Disposal) {
        let found = &arrival.found;
        if let Disposal::Refused { line, .. } = disposal {
            tracing::info!(line, file = ?found.name, "refused");
        }
        if found.kind == Kind::Folder {
            // It may hold any number of files: not on the loop's time.
            let (home, found) = (self.home.clone(), found.clone());
            self.tasks.spawn_blocking(move || {
                if let Err(error) = archive::dispose(&home, &found, disposal) {
                    tracing::warn!(folder = ?found.name, %error, "a folder that was refused could not be removed from the inbox");
                }
            });
            return;
        }
        match archive::dispose(&self.home, found, disposal) {
            Ok(()) => self.removed.note(found),
            Err(error) if self.stuck.insert(arrival.key()) => {
                tracing::warn!(file = ?found.name, %error, "a file that was dealt with could not be removed from the inbox");
            }
            Err(_) => {}
        }
    }

    /// Removes many files that one line refused, beside the loop.
    fn discard(&self, files: Vec<Found>) {
        tracing::warn!(files = files.len(), "many files are refused by one line of the log, and removed");
        let home = self.home.clone();
        self.tasks.spawn_blocking(move || {
            let nothing_kept = Disposal::Refused { line: 0, set_aside: false };
            let stuck = files.iter().filter_map(|found| archive::dispose(&home, found, nothing_kept).err());
            let stuck: Vec<_> = stuck.collect();
            if let Some(error) = stuck.first() {
                tracing::warn!(files = stuck.len(), %error, "files that were refused could not be removed from the inbox");
            }
        });
    }

    /// Runs something beside the loop, which hears of its end; also of one that a defect of ours has ended, for a worker that is
    /// never free again is worse than a judging that failed.
    fn task(
        &self,
        work: impl Future<Output = Input> + Send + 'static,
        failed: impl FnOnce(String) -> Input + Send + 'static,
    ) {
        let inputs = self.inputs.clone();
        let work = self.tasks.spawn(work);
        self.tasks.spawn(async move {
            let input = work.await.unwrap_or_else(|error| {
                tracing::error!(%error, "a defect in Podium; please report it");
                failed("a defect in Podium ended it; the daemon's log says more".into())
            });
            // The loop is gone only when the daemon ends: then nobody needs to hear.
            let _ = inputs.send(Message::Input(input)).await;
        });
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
