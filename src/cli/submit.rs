//! `podium submit`, and the program `podium-submit`, which is this verb alone: hands a file in as a client should, under a hidden name first, then
//! renamed, and follows what becomes of it.

mod display;
mod follow;
mod local;
mod remote;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser};

use super::Exit;
use crate::client::Address;
use crate::core::digest::Digest;
use crate::core::ids::{Extension, SubmissionId, UserName};
use crate::core::submission::FileName;
use crate::home::Home;
use crate::random;

/// Larger files are sent by other means: no competition takes them.
const LARGEST: u64 = 256 << 20;

/// Hand a file in, as a client should, and follow it
///
/// The file is written under a hidden name and then renamed, so that the daemon takes it at once and never sees a half of it. Prints the id of the
/// submission and its private page: whoever knows the id can see that page.
///
/// With --user it goes into this home's inbox. With --to it goes to a server by SFTP, through this machine's ssh, and is followed until it is
/// judged. Ends with 0 when it is accepted (with --no-follow, or without --follow: when it is handed in), with 1 when not, and with 3 when it was sent
/// and what became of it was not seen.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    parcel: ParcelArguments,
    /// Where to: ssh://USER@HOST, with :PORT and /FOLDER where they are needed
    #[arg(long, value_name = "ADDRESS")]
    to: Option<Address>,
    /// Whose submission it is; with --to: where that is not the account's name
    #[arg(long, value_name = "USER", required_unless_present = "to")]
    user: Option<String>,
    /// Follow a submission to this home's inbox, too
    #[arg(long, conflicts_with = "to")]
    follow: bool,
    #[command(flatten)]
    way: WayArguments,
}

/// Hand a program in to a Podium competition, and follow it until it is judged
///
/// Sends FILE by SFTP, through this machine's ssh: keys, agents, ~/.ssh/config and password prompts are the usual ones. The upload has a hidden
/// name until it is whole. Prints the id of the submission: whoever knows it can see its private page. If the connection breaks, the same command with
/// --id ID goes on; it never submits twice.
#[derive(Debug, Parser)]
#[command(name = "podium-submit", version, max_term_width = 100, after_help = AFTER)]
struct Client {
    #[command(flatten)]
    parcel: ParcelArguments,
    /// Where to: ssh://USER@HOST, with :PORT and /FOLDER where they are needed
    #[arg(long, value_name = "ADDRESS")]
    to: Address,
    /// Whose submission it is, where that is not the account's name
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    #[command(flatten)]
    way: WayArguments,
}

const AFTER: &str = "\
For example:
  podium-submit tour.py --to ssh://mira@judge.example.org

Exit status: 0 accepted (with --no-follow: received), 1 not accepted, refused or not sent, 2 wrong usage, 3 sent, and what became of it was not seen.";

/// What is handed in.
#[derive(Debug, Args)]
struct ParcelArguments {
    /// The program; its ending says the language
    file: PathBuf,
    /// The id to give it, a UUID; default: a new one. The id of an earlier try goes on with that
    #[arg(long, value_name = "UUID")]
    id: Option<String>,
    /// Print JSON at the end
    #[arg(long)]
    json: bool,
    /// How long to go on without any sign of life from the server's daemon
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = humantime::parse_duration)]
    patience: Duration,
}

/// How it gets to a server.
#[derive(Debug, Args)]
struct WayArguments {
    /// End when the server has confirmed it, and do not wait for the result
    #[arg(long)]
    no_follow: bool,
    /// A file with a private key, as for ssh
    #[arg(short = 'i', long, value_name = "FILE")]
    identity: Option<OsString>,
    /// An option for ssh, as for its own -o; may be given several times
    #[arg(short = 'o', long = "option", value_name = "NAME=VALUE")]
    options: Vec<String>,
}

/// A file and its name.
struct Parcel {
    name: FileName,
    bytes: Vec<u8>,
    sha256: Digest,
    /// Whether the id is that of an earlier try.
    again: bool,
    json: bool,
    patience: Duration,
}

/// Something that was asked for in a wrong way.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

impl ParcelArguments {
    fn read(&self, user: &str) -> anyhow::Result<Parcel> {
        let user: UserName = user.parse().map_err(|error| Usage(format!("{user:?} is not a user name: {error}")))?;
        let again = self.id.is_some();
        let id = self.id.clone().map_or_else(new_id, Ok)?;
        let id: SubmissionId = id.parse().map_err(|error| Usage(format!("{id:?} is not an id: {error}")))?;
        let shown = self.file.display();
        let extension = self.file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let extension: Extension =
            extension.parse().with_context(|| format!("{shown} has no ending that says its language"))?;
        let size = std::fs::metadata(&self.file).with_context(|| format!("failed to read {shown}"))?.len();
        anyhow::ensure!(size <= LARGEST, "{shown} is {size} bytes long: no competition takes so much");
        let bytes = std::fs::read(&self.file).with_context(|| format!("failed to read {shown}"))?;
        let sha256 = Digest::of(&bytes);
        let name = FileName { user, id, extension };
        Ok(Parcel { name, bytes, sha256, again, json: self.json, patience: self.patience })
    }
}

/// A new UUID.
fn new_id() -> anyhow::Result<String> {
    let bytes = random::bytes().context("the system has no randomness")?;
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string())
}

pub(super) fn run(home: &Home, arguments: &Arguments) -> anyhow::Result<Exit> {
    let outcome = match &arguments.to {
        Some(address) => {
            to_server("podium submit", &arguments.parcel, address, (arguments.user.as_deref(), &arguments.way))
        }
        None => local::run(home, arguments),
    };
    usage("podium", outcome)
}

/// Runs `podium-submit`.
#[must_use]
pub fn client() -> ExitCode {
    let Client { parcel, to, user, way } = Client::parse();
    match usage("podium-submit", to_server("podium-submit", &parcel, &to, (user.as_deref(), &way))) {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("podium-submit: {error:#}");
            Exit::Problem.into()
        }
    }
}

/// Tells wrong usage from what went wrong.
fn usage(program: &str, outcome: anyhow::Result<Exit>) -> anyhow::Result<Exit> {
    match outcome {
        Err(error) if error.is::<Usage>() => {
            eprintln!("{program}: {error:#}");
            Ok(Exit::Usage)
        }
        outcome => outcome,
    }
}

fn to_server(
    program: &'static str,
    parcel: &ParcelArguments,
    address: &Address,
    (user, way): (Option<&str>, &WayArguments),
) -> anyhow::Result<Exit> {
    // One thread is enough for one connection.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(remote::run(program, parcel, address, (user, way)));
    // Standard input is never read: nothing is left that could keep it.
    runtime.shutdown_background();
    outcome
}
