//! The git door: students push to one address, and a push is theirs by the key that they came with, whatever its commits say.
//!
//! sshd runs `podium git serve --user U` for each key, as an account that may write two places of a home and nothing else:
//!
//! ```text
//! git/                     the account's own; mode 0700
//!   <user>.git/            what the user pushed: a bare repository, made at the first push
//!   secret                 what ids are derived from, besides commit, path and user
//!   hooks/                 the one set of hooks, the same for all
//!   locks/                 who pushes at the moment
//! inbox/<user>/git/        what was pushed, on its way to the daemon
//! ```
//!
//! Everything in a repository is a stranger's: nothing is checked out, no filter, attribute, submodule or hook of theirs is looked at, and
//! files are read as blobs of the commit that the branch names. This module never knows the log, users.csv or a private case.

mod command;
mod confine;
mod deliver;
mod follow;
mod identity;
mod locks;
mod picks;
mod push;
mod reconcile;
mod repository;
mod request;
mod serve;
mod status;

use std::fs;
use std::io;

use crate::core::config::{self, Config, Git};
use crate::home::Home;

pub use confine::confine;
pub use push::{Hook, hook, shared};
pub use reconcile::{Found, reconcile};
pub use serve::serve;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The pusher has to do something else: sentences for them.
    #[error("{0}")]
    Refused(String),
    /// Something of the home, or git itself, is not as it has to be.
    #[error("failed to {what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// An error of the file system, with what was tried.
fn failed(what: impl Into<String>) -> impl FnOnce(io::Error) -> GitError {
    let what = what.into();
    move |source| GitError::Io { what, source }
}

/// A home, as those see it who push to it.
#[derive(Debug, Clone)]
pub struct Door {
    home: Home,
    config: Config,
    git: Git,
}

impl Door {
    /// Reads config.toml, and nothing else: this account can read little more.
    ///
    /// # Errors
    /// [`GitError`]: it cannot be read, has problems, or has no table `[git]`.
    pub fn open(home: &Home) -> Result<Self, GitError> {
        let text = fs::read_to_string(home.config()).map_err(failed("read config.toml"))?;
        // What is wrong in it may name a private case: for staff, in `podium check`.
        let config = config::parse(&text).map_err(|_| {
            GitError::Refused(
                "config.toml has a problem at the moment, and nothing is taken in; try again later.".into(),
            )
        })?;
        let git = config.git.clone().ok_or_else(|| {
            GitError::Refused("This competition takes no pushes: config.toml has no table [git].".into())
        })?;
        Ok(Self { home: home.clone(), config, git })
    }

    /// Whose files the repositories are.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.git.account
    }

    /// Makes sure that git is there and new enough.
    ///
    /// # Errors
    /// [`GitError`]
    pub fn check_git(&self) -> Result<(), GitError> {
        command::check(self)
    }

    /// The whole name of the branch that is a submission.
    fn branch(&self) -> String {
        format!("refs/heads/{}", self.git.branch)
    }

    /// What to type.
    fn wanted(&self) -> String {
        format!("git push ssh://{}@HOST/submissions HEAD:{}", self.git.account, self.git.branch)
    }

    /// How large a user's repository may become, in bytes: eight pushes of the largest size.
    fn largest_repository(&self) -> u64 {
        self.git.max_push.saturating_mul(8)
    }
}
