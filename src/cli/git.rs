//! `podium git` and `podium git-hook`: what sshd and git run when students push. Nobody types them but to try them out.

use std::io::Write;

use clap::{Args, Subcommand, ValueEnum};

use super::{Exit, runtime};
use crate::core::ids::UserName;
use crate::core::text;
use crate::git::{self, Door, GitError};
use crate::home::Home;

/// Take pushes in: what sshd runs for a key, and the hooks of git
///
/// sshd runs `podium git serve --user U` for every key of U, and what was pushed is U's, whatever its commits say. See docs/operators.md.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Serve one push or fetch of a user, as an ssh forced command; reads SSH_ORIGINAL_COMMAND
    Serve {
        /// Whose key it was
        #[arg(long, value_name = "USER")]
        user: UserName,
    },
    /// Run as a hook of a user's repository; `git serve` sees to it
    Hook {
        /// Which one
        hook: Name,
        /// Whose key it was
        #[arg(long, value_name = "USER")]
        user: UserName,
    },
    /// Take in what a hook missed that was killed; the daemon does this by itself
    Reconcile,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Name {
    PreReceive,
    PostReceive,
}

pub(super) fn run(home: &Home, arguments: &Arguments) -> anyhow::Result<Exit> {
    match &arguments.what {
        What::Serve { user } => told(|| {
            let asked = std::env::var_os("SSH_ORIGINAL_COMMAND").map(|asked| asked.to_string_lossy().into_owned());
            let done = git::serve(&Door::open(home)?, user, asked.as_deref())?;
            Ok(if done { Exit::Done } else { Exit::Problem })
        }),
        What::Hook { hook, user } => {
            let hook = match hook {
                Name::PreReceive => git::Hook::PreReceive,
                Name::PostReceive => git::Hook::PostReceive,
            };
            let runtime = runtime()?;
            told(|| runtime.block_on(git::hook(&Door::open(home)?, user, hook)).map(|()| Exit::Done))
        }
        What::Reconcile => reconcile(home),
    }
}

/// Be the post-receive hook of a repository that a group has already
///
/// For gitolite and the like: whoever looks after the repositories says in an environment variable, `[git] identity_env`, who pushed. A push of
/// the branch `[git] branch` is a submission of that user. See docs/operators.md.
#[derive(Debug, Args)]
pub(super) struct HookArguments {}

pub(super) fn hook(home: &Home, _: &HookArguments) -> anyhow::Result<Exit> {
    let runtime = runtime()?;
    told(|| {
        let door = Door::open(home)?;
        git::confine(&door);
        runtime.block_on(git::shared(&door)).map(|()| Exit::Done)
    })
}

fn reconcile(home: &Home) -> anyhow::Result<Exit> {
    let door = Door::open(home)?;
    let own = nix::unistd::User::from_uid(nix::unistd::geteuid())?.map(|user| user.name);
    anyhow::ensure!(
        own.as_deref() == Some(door.account()),
        "this looks into strangers' repositories: run it as the account {} ([git] account)",
        door.account()
    );
    git::confine(&door);
    let found = git::reconcile(&door)?;
    for taken in &found.taken {
        println!("taken in  {taken}");
    }
    for failed in &found.failed {
        println!("FAILED    {failed}");
    }
    Ok(if found.failed.is_empty() { Exit::Done } else { Exit::Problem })
}

/// Tells the pusher, who sees standard error only, what went wrong. One who has gone is no failure.
fn told(run: impl FnOnce() -> Result<Exit, GitError>) -> anyhow::Result<Exit> {
    let complaint = match run() {
        Ok(exit) => return Ok(exit),
        Err(GitError::Refused(why)) => why,
        Err(error @ GitError::Io { .. }) => {
            format!(
                "Something is wrong here, through no fault of yours: {}. Tell your instructor.",
                text::chain(&error)
            )
        }
    };
    let _ = writeln!(std::io::stderr(), "{complaint}");
    Ok(Exit::Problem)
}
