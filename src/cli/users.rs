//! `podium users`: who takes part, and how they come in.

mod edit;
mod generate;
mod handout;
mod list;
mod provision;

use clap::{Args, Subcommand};

use super::Exit;
use crate::home::Home;

/// The users: make, list, change, and let them in by SFTP
///
/// users.csv is the list, a line username,password,role for each; the daemon reads it again when it changes. Passwords are shown once, when they are
/// made; what stays in the file are hashes that sshd can use.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Add many users with new passwords, and print a handout for them
    Generate(generate::Arguments),
    /// Show who is listed
    List(list::Arguments),
    /// Add one user with a new password
    Add(edit::Add),
    /// Give users new passwords
    Reset(edit::Reset),
    /// Take users off the list; what they handed in stays
    Remove(edit::Remove),
    /// Make this machine's accounts, folders and sshd rules for those who are listed
    Provision(provision::Arguments),
}

pub(super) fn run(home: &Home, arguments: &Arguments) -> anyhow::Result<Exit> {
    no_core_files();
    // Provisioning has more to object to, and says it in its own order.
    anyhow::ensure!(
        matches!(arguments.verb, Verb::Provision(_)) || home.config().is_file(),
        "{} is no competition home: it has no config.toml. Say which one is meant: podium --home DIR users …",
        home.root().display()
    );
    match &arguments.verb {
        Verb::Generate(arguments) => generate::run(home, arguments),
        Verb::List(arguments) => list::run(home, arguments),
        Verb::Add(arguments) => edit::add(home, arguments),
        Verb::Reset(arguments) => edit::reset(home, arguments),
        Verb::Remove(arguments) => edit::remove(home, arguments),
        Verb::Provision(arguments) => provision::run(home, arguments),
    }
}

/// Passwords are in this process's memory: a crash must not write them to a file.
fn no_core_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let hard = getrlimit(Resource::Core).maximum;
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: hard });
}
