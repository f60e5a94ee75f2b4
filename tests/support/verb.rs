//! The program as a command: its exit status and what it printed.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

/// A command that ended.
#[derive(Debug)]
pub struct Ran {
    what: String,
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `podium` with these arguments. Its output is piped, as from a script.
pub fn podium(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ran {
    podium_in(Path::new("/"), arguments)
}

/// The same, in a folder.
pub fn podium_in(folder: &Path, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ran {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_podium"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_remove("PODIUM_LOG")
        .env_remove("PODIUM_HOST_HOME")
        .timeout(Duration::from_secs(180));
    let what = format!("{command:?}");
    Ran::ended(what, command.output().expect("podium can be run"))
}

impl Ran {
    /// Runs a command to its end.
    #[track_caller]
    pub fn of(command: &mut std::process::Command) -> Self {
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self::ended(format!("{command:?}"), output)
    }

    /// What a command that has ended said.
    pub fn ended(what: String, output: Output) -> Self {
        Self {
            what,
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Panics unless it ended so.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Panics unless it printed this, on either stream.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stdout.contains(text) || self.stderr.contains(text), "it does not say {text:?}\n{self}");
        self
    }

    /// What it printed, as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}\n{self}"))
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\nended with {:?}\n--- stdout\n{}\n--- stderr\n{}", self.what, self.code, self.stdout, self.stderr)
    }
}
