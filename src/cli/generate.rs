//! `detente completions` and `detente man`: made from the commands themselves, so that they say
//! what `--help` says.
//!
//! Not for what has another source: the README and the runbook.

use std::io::ErrorKind;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use serde_json::json;

use super::{Arguments, Exit, Failure, Screen};

/// Print what completes commands in a shell
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente completions bash > /usr/share/bash-completion/completions/detente
  detente completions zsh > /usr/share/zsh/site-functions/_detente")]
pub(super) struct Completions {
    /// Which shell.
    shell: clap_complete::Shell,
}

impl Completions {
    pub(super) fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "detente", &mut script);
        let script = String::from_utf8_lossy(&script).into_owned();
        if screen.is_json() {
            screen.document(&json!({ "shell": self.shell.to_string(), "script": script }))?;
        } else {
            screen.text(&script)?;
        }
        Ok(Exit::Success)
    }
}

/// Write a manual page for every command
#[derive(Debug, Args)]
#[command(before_help = "Example:
  detente man --dir /usr/local/share/man/man1")]
pub(super) struct Man {
    /// The directory that they are written to; it must be there.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

impl Man {
    pub(super) fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        clap_mangen::generate_to(Arguments::command(), &self.dir).map_err(|error| {
            let why = format!("{}: {error}", self.dir.display());
            let kind = error.kind();
            let next = if matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory) {
                "make the directory"
            } else if matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
                "make room on its disk, then run it again: some of the pages are not there"
            } else {
                "name a directory that can be written to"
            };
            Failure::new(Exit::Failure, "C-504", "the pages were not written", why, next)
        })?;
        let path = self.dir.display().to_string();
        if screen.is_json() {
            screen.document(&json!({ "directory": path }))?;
        } else {
            screen.text(&format!("{path}: a page for every command; read detente.1 first\n"))?;
        }
        Ok(Exit::Success)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_arguments_of_a_command_are_in_each_others_way() {
        Arguments::command().debug_assert();
    }
}
