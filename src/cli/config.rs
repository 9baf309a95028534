//! `detente config`: is a configuration well written, and what can be written in one.
//!
//! Not for what the configuration names: `detente doctor` looks at that.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::{Exit, Failure, Screen};
use crate::config::{Either, reference};

/// Check a configuration, or print one with every key
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente config check relay.toml
  detente config print-defaults desk > desk.toml")]
pub(super) struct ConfigCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read a relay.toml or a desk.toml and say what is wrong with it, if anything
    ///
    /// Exit code 2 when it cannot be used; the message names line, column and key.
    #[command(before_help = "Example:
  detente config check relay.toml")]
    Check {
        /// The configuration.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print a commented configuration with every key and its default
    #[command(before_help = "Example:
  detente config print-defaults relay > relay.toml")]
    PrintDefaults {
        /// Of which program.
        program: Program,
    },
}

/// A program that has a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Program {
    /// The network's relay.
    Relay,
    /// A desk's agent.
    Desk,
}

impl ConfigCommand {
    pub(super) fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        match self.command {
            Command::PrintDefaults { program } => print_defaults(program, screen),
            Command::Check { file } => {
                let config = Either::read(&file)?;
                let (kind, path) = (config.kind(), file.display().to_string());
                if screen.is_json() {
                    screen.document(&json!({ "file": path, "kind": kind, "valid": true }))?;
                } else {
                    screen.text(&format!("{path}: a {kind}'s configuration, well written\n"))?;
                }
                screen.message(&format!("next: detente doctor --config {path}"));
                Ok(Exit::Success)
            }
        }
    }
}

/// Prints every key of a program's configuration; with `--json` as a list.
pub(super) fn print_defaults(program: Program, screen: &mut Screen) -> Result<Exit, Failure> {
    let (title, rows) = match program {
        Program::Relay => ("A relay's configuration, relay.toml.", reference::RELAY),
        Program::Desk => ("The configuration of a desk's agent, desk.toml.", reference::DESK),
    };
    if !screen.is_json() {
        screen.text(&reference::render(title, rows))?;
        return Ok(Exit::Success);
    }
    let keys: Vec<_> = rows
        .iter()
        .flat_map(|row| row.keys.iter().map(move |key| (row, key)))
        .map(|(row, key)| {
            let (mandatory, default, example) = match key.value {
                reference::Value::Given(example) => (true, None, Some(example)),
                reference::Value::Default(default) => (false, Some(default), None),
                reference::Value::Unset(example) => (false, None, Some(example)),
            };
            json!({
                "key": key.name,
                "meaning": row.meaning,
                "mandatory": mandatory,
                "default": default,
                "example": example,
            })
        })
        .collect();
    screen.document(&json!({ "keys": keys }))?;
    Ok(Exit::Success)
}
