//! The command line: arguments to subcommand to exit code.
//!
//! Not for anything that matters when nobody types: what a relay or a desk does is in `relay/` and
//! `desk/`. Data goes to standard output, messages to standard error; `--json` turns data into
//! documents; no secret is taken from an argument or the environment.

mod agent;
mod backup;
mod clean;
mod config;
mod demo;
mod desk;
mod doctor;
mod failure;
mod generate;
pub mod genesis;
mod moment;
mod operator;
pub mod pki;
mod play;
mod quote;
mod relay;
mod screen;
pub(crate) mod signal;
mod start;
mod times;
mod verify;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

pub use failure::{Exit, Failure};
pub use screen::{Ink, Pen, Screen};

/// A 24/7 directory of points of contact and an incident relay between national desks.
#[derive(Debug, Parser)]
#[command(
    name = "detente",
    version,
    max_term_width = 100,
    disable_help_subcommand = true,
    before_help = "Examples:
  detente desk inbox --follow            what is asked of this desk, as it comes
  detente desk send --to RO/cyber --form request.toml
  detente desk ack 4f2a --will yes --form \"report by e-mail\" --by +8h
  detente relay --config relay.toml",
    after_help = "Exit codes: 0 done, 1 failed, 2 usage, 3 not verified, 4 refused by the rules."
)]
pub struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Print data, and errors, as JSON: one document, or one a line where there is a stream.
    #[arg(long, global = true, display_order = 911)]
    pub json: bool,
    /// Never ask: where a question would be asked, fail instead.
    #[arg(long, global = true, display_order = 912)]
    pub no_input: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Relay(relay::RelayCommand),
    Desk(Box<desk::Desk>),
    Demo(demo::Demo),
    Play(play::Play),
    Pki(pki::Pki),
    Genesis(genesis::GenesisCommand),
    Operator(Box<operator::OperatorCommand>),
    Verify(verify::Verify),
    Rebuild(verify::Rebuild),
    Backup(backup::Backup),
    Restore(backup::Restore),
    Config(config::ConfigCommand),
    Doctor(doctor::Doctor),
    Completions(generate::Completions),
    Man(generate::Man),
}

/// Does what the arguments of the process ask for.
pub fn run_process() -> ExitCode {
    match Arguments::try_parse() {
        Ok(arguments) => run(arguments),
        // Help and version are data.
        Err(error) if !error.use_stderr() => error.exit(),
        Err(error) => misunderstood(&error),
    }
}

/// Arguments that are not understood. `--json` may be among them, wherever it stands.
fn misunderstood(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    let why: Vec<&str> =
        text.lines().take_while(|line| !line.starts_with("Usage:")).map(str::trim).collect();
    let why = why.join(" ").trim().trim_start_matches("error: ").to_owned();
    let next = "see what it takes with --help";
    let failure = Failure::new(Exit::Usage, "C-209", "it is not understood", why, next);
    let mut screen = Screen::of_process(std::env::args_os().any(|word| word == "--json"));
    if screen.is_json() {
        screen.message(&failure.json().to_string());
    } else if error.print().is_ok() {
        screen.message(&format!("  code:  {}", failure.code));
    }
    failure.exit.into()
}

/// Runs the subcommand and says how it ended.
pub fn run(arguments: Arguments) -> ExitCode {
    let Arguments { common, command } = arguments;
    let mut screen = Screen::of_process(common.json);
    let ended = match command {
        Command::Relay(relay) => relay.run(&mut screen),
        Command::Desk(desk) => desk.run(&common, &mut screen),
        Command::Demo(demo) => demo.run(&common),
        Command::Play(play) => play.run(&common, &mut screen),
        Command::Pki(pki) => told(&mut screen, |out| pki.run(out)),
        Command::Genesis(genesis) => told(&mut screen, |out| genesis.run(out)),
        Command::Operator(operator) => operator.run(&common, &mut screen),
        Command::Verify(verify) => verify.run(&mut screen),
        Command::Rebuild(rebuild) => rebuild.run(&mut screen),
        Command::Backup(backup) => backup.run(&mut screen),
        Command::Restore(restore) => restore.run(&mut screen),
        Command::Config(config) => config.run(&mut screen),
        Command::Doctor(doctor) => doctor.run(&mut screen),
        Command::Completions(completions) => completions.run(&mut screen),
        Command::Man(man) => man.run(&mut screen),
    };
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => {
            if !failure.is_reader_gone() {
                let text = if common.json { failure.json().to_string() } else { failure.render() };
                screen.message(text.trim_end());
            }
            failure.exit.into()
        }
    }
}

/// Runs what says in lines what it did; with `--json` the lines are a list.
fn told(
    screen: &mut Screen,
    work: impl FnOnce(&mut dyn std::io::Write) -> anyhow::Result<()>,
) -> Result<Exit, Failure> {
    let mut said = Vec::new();
    let done = work(&mut said);
    let said = clean::clean(&String::from_utf8_lossy(&said));
    match done {
        Ok(()) if screen.is_json() => {
            let lines: Vec<&str> = said.lines().collect();
            screen.document(&serde_json::json!({ "done": lines }))?;
            Ok(Exit::Success)
        }
        Ok(()) => {
            screen.text(&said)?;
            Ok(Exit::Success)
        }
        Err(error) => {
            if !said.trim().is_empty() {
                screen.message(said.trim_end());
            }
            // The chain from what was attempted to what the system said.
            let why = format!("{error:#}");
            Err(match error.downcast_ref() {
                Some(genesis::Unsound::OtherHash { .. }) => {
                    let next = "do not sign: ask the others over another channel which genesis \
                                they have, and get that one";
                    Failure::new(Exit::Unverified, "C-703", "it was not signed", why, next)
                }
                Some(
                    genesis::Unsound::Unreadable { .. } | genesis::Unsound::FalseSignature { .. },
                ) => {
                    let next = "get it again from whoever sent it, and compare its hash with the \
                                others over another channel";
                    Failure::new(Exit::Unverified, "C-704", "the genesis does not hold", why, next)
                }
                None => {
                    let next = "correct what is named, then run it again";
                    Failure::new(Exit::Failure, "C-702", "it was not done", why, next)
                }
            })
        }
    }
}
