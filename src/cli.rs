//! The command line. One file a verb; this one is the table of contents.

mod build;
mod check;
mod diff;
mod exit;
mod export;
mod git;
mod image;
mod init;
mod progress;
mod run;
mod serve;
mod show;
mod status;
mod submit;
mod table;
mod r#try;
mod users;
mod verify;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::home::Home;
pub use exit::Exit;
pub use submit::client as submit_client;

/// Runs a code competition out of a folder.
///
/// A competition is a folder, its home: config.toml says how it is judged, evaluator/ scores answers, testcases/ holds the inputs, inbox/ takes
/// submissions, results/ keeps the log and everything that it refers to, public/ is the site that any web server can serve.
///
/// A student drops <user>_<uuid>.<ext> into inbox/. The daemon takes it in, queues it first come first served, runs it in a sandbox over every
/// case, has the evaluator score each answer, writes the result to results/log.jsonl, and brings the pages up to date.
/// While config.toml says state = "open", public scores show; change it to "closed", and the total scores over all cases do.
#[derive(Debug, Parser)]
#[command(name = "podium", version, max_term_width = 100, after_long_help = AFTER)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

const AFTER: &str = "\
A first competition, in four commands:
  podium init my-competition
  cd my-competition
  podium try samples/greedy.py
  podium run --serve 127.0.0.1:8000     and, elsewhere: podium submit samples/greedy.py --user alice

Exit status: 0 done, 1 a problem was found or something failed, 2 wrong usage,
3 a submission was sent, and what became of it was not seen.

Environment: PODIUM_LOG sets what is logged to standard error (error, warn, info, debug, or the syntax of tracing's EnvFilter);
PODIUM_HOST_HOME is --host-home of `podium run`.";

#[derive(Debug, Args)]
struct Global {
    /// The competition home
    #[arg(long, value_name = "DIR", default_value = ".", global = true)]
    home: PathBuf,
    /// How log lines are written to standard error
    #[arg(long, value_name = "FORMAT", default_value = "text", global = true)]
    log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line, for programs
    Json,
}

// What each says of itself stands with its arguments.
#[derive(Debug, Subcommand)]
enum Verb {
    Init(init::Arguments),
    Check(check::Arguments),
    Run(run::Arguments),
    Submit(submit::Arguments),
    Try(r#try::Arguments),
    Status(status::Arguments),
    Users(users::Arguments),
    Verify(verify::Arguments),
    Build(build::Arguments),
    Show(show::Arguments),
    Diff(diff::Arguments),
    Serve(serve::Arguments),
    Export(export::Arguments),
    Git(git::Arguments),
    GitHook(git::HookArguments),
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr(cli.global.log_format, &cli.verb);
    let outcome = match cli.verb {
        Verb::Init(arguments) => init::run(&arguments),
        Verb::Check(arguments) => with_home(&cli.global, |home| check::run(home, &arguments)),
        Verb::Run(arguments) => with_home(&cli.global, |home| run::run(home, &arguments)),
        Verb::Submit(arguments) => with_home(&cli.global, |home| submit::run(home, &arguments)),
        Verb::Try(arguments) => with_home(&cli.global, |home| r#try::run(home, &arguments)),
        Verb::Status(arguments) => with_home(&cli.global, |home| status::run(home, &arguments)),
        Verb::Users(arguments) => with_home(&cli.global, |home| users::run(home, &arguments)),
        Verb::Verify(arguments) => with_home(&cli.global, |home| verify::run(home, &arguments)),
        Verb::Build(arguments) => with_home(&cli.global, |home| build::run(home, &arguments)),
        Verb::Show(arguments) => with_home(&cli.global, |home| show::run(home, &arguments)),
        Verb::Diff(arguments) => with_home(&cli.global, |home| diff::run(home, &arguments)),
        Verb::Serve(arguments) => with_home(&cli.global, |home| serve::run(home, &arguments)),
        Verb::Export(arguments) => with_home(&cli.global, |home| export::run(home, &arguments)),
        Verb::Git(arguments) => with_home(&cli.global, |home| git::run(home, &arguments)),
        Verb::GitHook(arguments) => with_home(&cli.global, |home| git::hook(home, &arguments)),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("podium: {error:#}");
            Exit::Problem.into()
        }
    }
}

fn with_home(global: &Global, verb: impl FnOnce(&Home) -> anyhow::Result<Exit>) -> anyhow::Result<Exit> {
    let home = Home::at(&global.home)
        .map_err(|error| anyhow::anyhow!("there is no home at {}: {error}", global.home.display()))?;
    verb(&home)
}

fn log_to_stderr(format: LogFormat, verb: &Verb) {
    // The daemon tells what it does; the other verbs print their result, and log only what goes wrong.
    let default = if matches!(verb, Verb::Run(_)) { "podium=info,warn" } else { "warn" };
    let filter = EnvFilter::try_from_env("PODIUM_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => subscriber.init(),
        LogFormat::Json => subscriber.json().init(),
    }
}

/// A runtime for the verbs that wait for something.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    // The threads must outlive what they start: a sandbox dies with the thread that started it.
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}
