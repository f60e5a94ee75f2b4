//! The program for a student's machine: `podium submit --to`, and nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    podium::cli::submit_client()
}
