//! The `detente` program: arguments to subcommand to exit code.
//!
//! Not for anything else: see `detente::cli`.

use std::process::ExitCode;

use detente::cli;

fn main() -> ExitCode {
    cli::run_process()
}
