//! `detente desk`: the nation's agent, and the officers' commands that talk to it.
//!
//! Not for keys or cases: an officer's command never opens the agent's files.

mod act;
mod after;
mod agent;
mod approve;
mod case;
mod contacts;
mod course;
mod directory;
mod evidence;
mod executed;
mod fields;
mod inbox;
mod many;
mod outcome;
mod proofs;
mod received;
mod reconcile;
mod send;
mod settle;
mod tree;
mod times;

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use jiff::tz::TimeZone;

pub(super) use self::case::urgency_ink;
use super::agent::Agent;
use super::{Common, Exit, Failure, Screen};
use crate::config;
use crate::units::Timestamp;

/// Run a desk's agent, or act as one of its officers
///
/// Without a command this is the agent: it holds the nation's keys and keeps the connection to the
/// relay. With one, it is an officer who talks to the agent over its Unix socket.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = false,
    subcommand_negates_reqs = true,
    before_help = "Examples:
  detente desk --config desk.toml                     run the agent
  export DETENTE_SOCKET=/run/detente-desk/agent.sock DETENTE_OFFICER=jansen
  detente desk inbox --follow                         see what comes in
  detente desk show 4f2a                              open a request
  detente desk ack 4f2a --will yes --form \"report by e-mail\" --by +8h"
)]
pub(super) struct Desk {
    #[command(flatten)]
    counter: Counter,
    /// Print a commented configuration with every key and its default, and do nothing else.
    #[arg(long)]
    print_defaults: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Where the agent is, who calls, and for how long.
#[derive(Debug, Args)]
struct Counter {
    /// The agent's configuration.
    #[arg(long, global = true, display_order = 901, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The agent's socket; else DETENTE_SOCKET, else the one in --config.
    #[arg(long, global = true, display_order = 902, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// The officer who acts; else DETENTE_OFFICER, else the only one in --config.
    #[arg(long, global = true, display_order = 903, value_name = "NAME")]
    officer: Option<String>,
    /// How long to wait for the agent, in seconds. A statement that the relay has not confirmed
    /// by then is queued.
    #[arg(long, global = true, display_order = 904, value_name = "SECONDS", default_value_t = 10,
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

#[derive(Debug, Subcommand)]
enum Command {
    Send(Box<send::Send>),
    Form(send::Form),
    Inbox(inbox::Inbox),
    Show(case::Show),
    #[command(name = "case")]
    CaseTree(tree::CaseTree),
    Proofs(proofs::Proofs),
    Received(received::Received),
    Evidence(evidence::Evidence),
    Provide(Box<course::Provide>),
    #[command(flatten)]
    Act(Box<act::Act>),
    Approvals(approve::Approvals),
    Approve(approve::Approve),
    Decline(approve::Decline),
    Directory(Box<directory::Directory>),
    Status(contacts::Status),
    Settle(settle::Settle),
    Times(Box<times::Times>),
    Overdue(times::Overdue),
    Reconcile(reconcile::Reconcile),
}

impl Desk {
    pub(super) fn run(self, common: &Common, screen: &mut Screen) -> Result<Exit, Failure> {
        let Self { counter, print_defaults, command } = self;
        match command {
            None if print_defaults => {
                super::config::print_defaults(super::config::Program::Desk, screen)
            }
            None => match &counter.config {
                Some(file) => agent::run(file, screen),
                None => Err(Failure::value(
                    "--config",
                    "without a command this is the agent, which needs its configuration",
                    "give --config desk.toml to run the agent, or a command; see --help",
                )),
            },
            Some(Command::Form(form)) => form.run(screen),
            Some(Command::Reconcile(reconcile)) => reconcile.run(counter.config.as_deref(), screen),
            Some(command) => runtime()?.block_on(officer(command, &counter, common, screen)),
        }
    }
}

async fn officer(
    command: Command,
    counter: &Counter,
    common: &Common,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    let config = counter.config.as_deref().map(config::Desk::read).transpose()?;
    let socket = counter.socket(config.as_ref())?;
    let officer = || counter.officer(config.as_ref());
    let within = Duration::from_secs(counter.timeout);
    let mut agent = Agent::connect(&socket, within).await?;
    let now = now();
    match command {
        Command::Send(send) => send.run(&mut agent, officer()?, common, screen, now).await,
        Command::Form(form) => form.run(screen),
        Command::Inbox(inbox) => inbox.run(&mut agent, &socket, within, screen).await,
        Command::CaseTree(tree) => tree.run(&mut agent, screen, now).await,
        Command::Proofs(proofs) => proofs.run(&mut agent, screen).await,
        Command::Received(received) => received.run(&mut agent, screen).await,
        Command::Evidence(evidence) => evidence.run(&mut agent, officer()?, screen).await,
        Command::Show(show) => show.run(&mut agent, officer()?, screen, now).await,
        Command::Provide(provide) => provide.run(&mut agent, officer()?, common, screen).await,
        Command::Act(act) => act.run(&mut agent, officer()?, common, screen, now).await,
        Command::Approvals(approvals) => approvals.run(&mut agent, officer, screen).await,
        Command::Approve(approve) => approve.run(&mut agent, officer()?, screen).await,
        Command::Decline(decline) => decline.run(&mut agent, officer()?, screen).await,
        Command::Directory(directory) => directory.run(&mut agent, common, screen, now).await,
        Command::Status(status) => status.run(&mut agent, screen).await,
        Command::Settle(settle) => settle.run(&mut agent, officer()?, screen).await,
        Command::Times(times) => times.run(&mut agent, screen).await,
        Command::Overdue(overdue) => overdue.run(&mut agent, screen).await,
        Command::Reconcile(reconcile) => reconcile.run(counter.config.as_deref(), screen),
    }
}

impl Counter {
    fn socket(&self, config: Option<&config::Desk>) -> Result<PathBuf, Failure> {
        self.socket
            .clone()
            .or_else(|| environment("DETENTE_SOCKET").map(PathBuf::from))
            .or_else(|| config.map(|config| config.counter.socket.clone()))
            .ok_or_else(|| {
                let next = "give --socket PATH, set DETENTE_SOCKET, or give --config desk.toml";
                let why = "neither --socket nor DETENTE_SOCKET nor --config says";
                Failure::new(Exit::Usage, "C-204", "where is the agent?", why, next)
            })
    }

    fn officer(&self, config: Option<&config::Desk>) -> Result<String, Failure> {
        let only = || match config.map(|config| config.officers.as_slice()) {
            Some([one]) => Some(one.name.to_string()),
            Some(_) | None => None,
        };
        self.officer.clone().or_else(|| environment("DETENTE_OFFICER")).or_else(only).ok_or_else(
            || {
                let next = "give --officer NAME or set DETENTE_OFFICER";
                let why = "neither --officer nor DETENTE_OFFICER says";
                Failure::new(Exit::Usage, "C-205", "who acts?", why, next)
            },
        )
    }
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// The wall clock.
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The time zone of this machine.
fn here() -> TimeZone {
    TimeZone::system()
}
