//! The exit codes, documented in `podium --help` and README.md. clap itself ends with 2 on wrong usage.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It did what it was asked.
    Done,
    /// It found a problem, or something failed.
    Problem,
    /// It was asked in a wrong way.
    Usage,
    /// A submission was sent, and what became of it was not seen.
    Unseen,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => ExitCode::SUCCESS,
            Exit::Problem => ExitCode::from(1),
            Exit::Usage => ExitCode::from(2),
            Exit::Unseen => ExitCode::from(3),
        }
    }
}
