//! What a killed hook of git's missed is looked for now and then: by `podium git reconcile`, as the account that takes pushes in.
//!
//! Repositories are strangers': this process, which may be root, never opens one, and believes nothing that is said of them.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::unistd::{User, geteuid};
use tokio::process::Command;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::core::config::Git;
use crate::core::rules::Rules;
use crate::core::text::visible;
use crate::home::Home;

/// How often. Who pushes again does not wait for it.
const PAUSE: Duration = Duration::from_secs(60);
/// How long one look may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// Of what it says, this much is logged.
const LONGEST: usize = 500;

/// The looks for what was missed.
#[derive(Debug)]
pub(super) struct Missed {
    home: Home,
    /// What was complained of last: said once.
    complained: Mutex<String>,
}

impl Missed {
    pub(super) fn new(home: &Home) -> Self {
        Self { home: home.clone(), complained: Mutex::default() }
    }

    /// At once, and until the daemon ends.
    pub(super) async fn look_again_and_again(self, rules: watch::Receiver<Arc<Rules>>, ending: CancellationToken) {
        loop {
            let now = Arc::clone(&rules.borrow());
            tokio::select! {
                () = ending.cancelled() => return,
                () = self.look(&now) => {}
            }
            tokio::select! {
                () = ending.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    /// One look, where pushes are taken at all.
    pub(super) async fn look(&self, rules: &Rules) {
        // Before the first push there is nothing to look at.
        let Some(git) = rules.config.git.as_ref().filter(|_| self.home.git().is_dir()) else { return };
        let Some(account) = User::from_name(&git.account).ok().flatten() else {
            return self.leave_to_others(&git.account);
        };
        let complaint = match self.run(git, &account).await {
            Ok(said) => {
                said.lines()
                    .for_each(|line| tracing::info!("a push that had been interrupted: {}", visible(line, LONGEST)));
                String::new()
            }
            Err(complaint) => complaint,
        };
        if self.is_new(&complaint) && !complaint.is_empty() {
            tracing::warn!("pushes whose hook was killed are not looked for: {complaint}");
        }
    }

    /// No push comes in where its account is not: another container has the door and looks itself, or nobody has provisioned yet.
    fn leave_to_others(&self, account: &str) {
        let text =
            format!("no account {account} ([git] account) is here: pushes come in, and are looked after, elsewhere");
        if self.is_new(&text) {
            tracing::info!("{text}");
        }
    }

    /// Whether this is not what was said last; it is from now on.
    fn is_new(&self, said: &str) -> bool {
        let mut last = self.complained.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = *last != said;
        if is_new {
            said.clone_into(&mut last);
        }
        is_new
    }

    /// What it said; or why it could not be done.
    async fn run(&self, git: &Git, account: &User) -> Result<String, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        if geteuid().is_root() {
            // The standard library drops root's other groups with it.
            command.uid(account.uid.as_raw()).gid(account.gid.as_raw());
        } else if geteuid() != account.uid {
            return Err(format!("only root can become the account {}", git.account));
        }
        command
            .arg("--home")
            .arg(self.home.root())
            .args(["git", "reconcile"])
            .env_clear()
            .current_dir(Path::new("/"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let output = tokio::time::timeout(PATIENCE, command.output());
        let output = output.await.map_err(|_| format!("it took longer than {} s", PATIENCE.as_secs()))?;
        let output = output.map_err(|error| format!("it could not be started: {error}"))?;
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        if ExitStatus::success(&output.status) { Ok(said) } else { Err(visible(said.trim(), LONGEST)) }
    }
}
