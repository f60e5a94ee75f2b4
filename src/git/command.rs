//! Running the real git, with an environment and settings of our own: nobody's `.gitconfig`, no system's, no attribute, no replacement.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Door, GitError, failed};

/// Where programs are looked for.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What a hook before the acceptance of a push is told of where the new objects are.
const QUARANTINE: [&str; 3] = ["GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH"];

/// A repository, and how git is run in it.
#[derive(Debug)]
pub(super) struct Repository<'a> {
    pub(super) door: &'a Door,
    /// Its folder, as an absolute path.
    pub(super) path: PathBuf,
    /// The new objects are not yet among the others.
    pub(super) quarantined: bool,
}

/// git with a clean environment.
pub(super) fn git(door: &Door) -> Command {
    let mut command = Command::new("git");
    command.env_clear();
    command.envs([
        ("PATH", PATH),
        ("LC_ALL", "C"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_ATTR_NOSYSTEM", "1"),
        ("GIT_NO_REPLACE_OBJECTS", "1"),
        ("GIT_NO_LAZY_FETCH", "1"),
        ("GIT_GRAFT_FILE", "/dev/null"),
        ("GIT_LITERAL_PATHSPECS", "1"),
        ("GIT_TERMINAL_PROMPT", "0"),
        // No protocol at all: nothing here fetches from anywhere.
        ("GIT_ALLOW_PROTOCOL", ""),
        ("GIT_PROTOCOL_FROM_USER", "0"),
    ]);
    command.env("HOME", door.home.git());
    let settings = settings(door);
    command.env("GIT_CONFIG_COUNT", settings.len().to_string());
    for (index, (key, value)) in settings.iter().enumerate() {
        command.env(format!("GIT_CONFIG_KEY_{index}"), key).env(format!("GIT_CONFIG_VALUE_{index}"), value);
    }
    command.current_dir("/");
    command
}

/// Settings that stand above those of the repository itself.
fn settings(door: &Door) -> Vec<(&'static str, String)> {
    let hooks = door.home.git().join("hooks").to_string_lossy().into_owned();
    let mut settings = vec![
        ("core.hooksPath", hooks),
        // The stream is cut where it is longer.
        ("receive.maxInputSize", door.git.max_push.to_string()),
    ];
    let fixed = [
        ("transfer.fsckObjects", "true"),
        ("receive.fsckObjects", "true"),
        ("fetch.fsckObjects", "true"),
        ("advice.graftFileDeprecated", "false"),
        ("core.fsync", "all"),
        ("core.fsyncMethod", "fsync"),
        ("core.protectHFS", "true"),
        ("core.protectNTFS", "true"),
        ("core.attributesFile", "/dev/null"),
        ("core.excludesFile", "/dev/null"),
        ("core.logAllRefUpdates", "false"),
        ("core.commitGraph", "false"),
        ("core.fsmonitor", "false"),
        // Large blobs are checked as they stream by, not in memory; and memory has a bound.
        ("core.bigFileThreshold", "1m"),
        ("core.packedGitLimit", "128m"),
        ("core.deltaBaseCacheLimit", "32m"),
        ("pack.windowMemory", "64m"),
        ("pack.threads", "1"),
        ("receive.denyDeletes", "true"),
        ("receive.denyNonFastForwards", "false"),
        ("receive.advertisePushOptions", "true"),
        // One pack a push: a hundred thousand small objects are no hundred thousand files.
        ("receive.unpackLimit", "1"),
        ("transfer.unpackLimit", "1"),
        ("receive.autogc", "false"),
        ("gc.auto", "0"),
        ("maintenance.auto", "false"),
        ("uploadpack.allowFilter", "false"),
        ("uploadpack.allowAnySHA1InWant", "false"),
        ("protocol.allow", "never"),
    ];
    settings.extend(fixed.map(|(key, value)| (key, value.to_owned())));
    settings
}

impl Repository<'_> {
    /// A command of git's in this repository.
    pub(super) fn git(&self, arguments: &[&str]) -> Command {
        let mut command = git(self.door);
        command.env("GIT_DIR", &self.path).args(arguments).stdin(Stdio::null());
        if self.quarantined {
            for name in QUARANTINE {
                command.envs(std::env::var_os(name).map(|value| (name, value)));
            }
        }
        command
    }

    /// What a command prints; `None` where it fails.
    ///
    /// # Errors
    /// It cannot be run, or prints more than `most` bytes.
    pub(super) fn ask(&self, arguments: &[&str], most: u64) -> Result<Option<Vec<u8>>, GitError> {
        let what = || format!("run git {}", arguments.first().unwrap_or(&""));
        let mut child =
            self.git(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().map_err(failed(what()))?;
        let mut printed = Vec::new();
        let read = match child.stdout.take() {
            Some(stdout) => stdout.take(most.saturating_add(1)).read_to_end(&mut printed),
            None => Ok(0),
        };
        // Its end of the pipe is closed: it ends, whatever it has left to print.
        let ended = child.wait();
        read.map_err(failed(what()))?;
        if printed.len() as u64 > most {
            let why = io::Error::other(format!("it printed more than {most} bytes"));
            return Err(failed(what())(why));
        }
        Ok(ended.map_err(failed(what()))?.success().then_some(printed))
    }
}

/// Makes sure that git is there, and new enough to heed our settings: one that passes over them would take everything.
pub(super) fn check(door: &Door) -> Result<(), GitError> {
    let what = || failed("run git");
    let output = git(door).args(["config", "--get", "receive.fsckObjects"]).stdin(Stdio::null()).output();
    let output = output.map_err(what())?;
    if output.stdout.trim_ascii() == b"true" {
        return Ok(());
    }
    Err(what()(io::Error::other("this git does not heed its settings from the environment; 2.32 or newer is wanted")))
}

/// The repository of a path that is not one of ours.
pub(super) fn elsewhere<'a>(door: &'a Door, path: &Path) -> Repository<'a> {
    Repository { door, path: path.to_owned(), quarantined: false }
}
