//! The `podium` command. One file a verb, under `cli/`.

use std::process::ExitCode;

fn main() -> ExitCode {
    podium::cli::main()
}
