//! `podium users provision`: this machine's accounts, folders and sshd rules, made like users.csv, or taken away again.

use anyhow::{Context, bail, ensure};
use clap::Args;

use crate::accounts::{self, Door, GitDoor, Keys, Machine, Step};
use crate::cli::progress::Progress;
use crate::cli::{Exit, check};
use crate::core::config::{self, Config, Problem};
use crate::core::password::Password;
use crate::core::roster::Roster;
use crate::home::Home;

/// Make this machine's accounts, folders and sshd rules for those who are listed
///
/// Everybody of users.csv gets an account without a shell, the folders inbox/<user>/in to drop files and inbox/<user>/out to read, and comes in by
/// SFTP with the password or with the keys of keys/<user>.pub; sshd shows them nothing else of the machine. Who is listed no more is locked out. Passwords that
/// stand in users.csv are replaced by their hashes. Run it again after every change: it does what is missing, and nothing twice.
#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Print every step as a command, and do none
    #[arg(long)]
    dry_run: bool,
    /// Take accounts, groups and sshd rules away again; the home stays as it is
    #[arg(long)]
    undo: bool,
}

pub(super) fn run(home: &Home, arguments: &Arguments) -> anyhow::Result<Exit> {
    ensure!(
        arguments.dry_run || rustix::process::geteuid().is_root(),
        "accounts and sshd are root's: run this with sudo, or with --dry-run to see what it would do"
    );
    // Two at once would each make what the other has made.
    let _lock =
        if arguments.dry_run { None } else { Some(Machine::lock().context("failed to lock the machine's accounts")?) };
    let machine = Machine::read().context("failed to read the machine's accounts")?;
    let steps = if arguments.undo {
        accounts::undo(&home.id(None), &machine)
    } else {
        match wanted(home, arguments.dry_run, &machine)? {
            Ok(steps) => steps,
            Err(problems) => {
                problems.iter().for_each(|problem| eprintln!("PROBLEM  {problem}"));
                bail!("nothing was changed");
            }
        }
    };
    if arguments.dry_run {
        steps.iter().for_each(|step| println!("{step}"));
        return Ok(Exit::Done);
    }
    perform(&steps)?;
    let changes = steps.iter().filter(|step| step.changes()).count();
    match (changes, arguments.undo) {
        (0, _) => println!("Nothing was to be changed."),
        (_, true) => println!("Accounts, groups and sshd rules of this home are gone; the home is as it was."),
        (_, false) => {
            println!("{changes} steps were done. Who is listed comes in by: sftp NAME@this-machine");
            if let Some(git) = config(home).ok().and_then(|config| config.git) {
                println!("Who has keys in keys/ pushes to: ssh://{}@this-machine/submissions", git.account);
            }
        }
    }
    Ok(Exit::Done)
}

/// config.toml alone. Whether there are the cases and the evaluator that it names is asked by `check` and the daemon: the door may stand in a container that
/// sees neither.
fn config(home: &Home) -> anyhow::Result<Config> {
    let text = std::fs::read_to_string(home.config()).map_err(|error| {
        let text = format!("cannot be read: {error}");
        vec![Problem { file: config::FILE.into(), line: None, key: String::new(), text }]
    });
    text.and_then(|text| config::parse(&text)).map_err(|problems| anyhow::anyhow!(check::list(&problems)))
}

/// The steps, after the passwords that stand in users.csv were hashed; or what is in the way.
fn wanted(home: &Home, dry_run: bool, machine: &Machine) -> anyhow::Result<Result<Vec<Step>, Vec<String>>> {
    let config = config(home)?;
    let roster = accounts::read(home).map_err(|problems| anyhow::anyhow!(check::list(&problems)))?;
    let roster = roster.context("there is no users.csv; `podium users generate` makes one")?;
    let users: Vec<_> = roster.rows().iter().map(|row| &row.user).collect();
    let keys = accounts::read_keys(&home.keys(), users).map_err(|problems| anyhow::anyhow!(check::list(&problems)))?;
    if let Some(note) = check::keys_of_nobody(home, roster.rows().iter().map(|row| &row.user)) {
        println!("{}note: {note}", if dry_run { "# " } else { "" });
    }
    // What is in the way is said before a file is touched.
    let first = steps(home, &config, &roster, &keys, machine)?;
    let plain: Vec<_> = roster.rows().iter().filter(|row| matches!(row.password, Password::Plain(_))).collect();
    if first.is_err() || plain.is_empty() {
        return Ok(first);
    }
    if dry_run {
        let names: Vec<_> = plain.iter().map(|row| row.user.as_str()).collect();
        println!("# users.csv: the passwords of these are replaced by their hashes: {}", names.join(" "));
        return Ok(first);
    }
    let mut progress = Progress::new("users");
    let mut hashed = Vec::new();
    for row in &plain {
        if let Password::Plain(text) = &row.password {
            hashed.push((row.user.clone(), row.password.clone(), Password::Hash(accounts::hash(text)?)));
        }
        progress.set(hashed.len() as u64, plain.len() as u64, "hashing passwords");
    }
    progress.clear();
    let roster = accounts::change(home, |roster| {
        for (user, plain, hash) in hashed {
            // Somebody may have given another one in between.
            if roster.row(&user).is_some_and(|row| row.password == plain) {
                roster.set_password(&user, hash);
            }
        }
        Ok(roster.clone())
    })?;
    steps(home, &config, &roster, &keys, machine)
}

fn steps(
    home: &Home,
    config: &Config,
    roster: &Roster,
    keys: &Keys,
    machine: &Machine,
) -> anyhow::Result<Result<Vec<Step>, Vec<String>>> {
    let id = home.id(None);
    let git = git_door(config)?;
    let door = Door { home: home.root(), id: &id, roster, keys, max_size: config.submissions.max_size, git };
    Ok(accounts::plan(&door, machine))
}

/// The door for git, where config.toml has one.
fn git_door(config: &Config) -> anyhow::Result<Option<GitDoor>> {
    let Some(git) = &config.git else { return Ok(None) };
    let program = std::env::current_exe().context("failed to find this program")?;
    Ok(Some(GitDoor { account: git.account.clone(), program }))
}

fn perform(steps: &[Step]) -> anyhow::Result<()> {
    let mut progress = Progress::new("steps");
    for (index, step) in steps.iter().enumerate() {
        progress.set(index as u64, steps.len() as u64, "provisioning");
        let note = step.perform().inspect_err(|_| progress.clear())?;
        if let Some(note) = note {
            progress.clear();
            println!("note: {note}");
        }
    }
    progress.clear();
    Ok(())
}
