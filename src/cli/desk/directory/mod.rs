//! `detente desk directory`: who is in the network, how each is reached now, and the own entry.
//!
//! Not for signing at the agent: the national key is opened here, by whoever publishes, and never
//! enters it.

mod call;
mod current;
mod diff;
mod edit;
mod publish;
mod search;
mod show;

use clap::{Args, Subcommand};

pub(super) use call::{advice_json, now_at};

use super::super::agent::Agent;
use super::super::{Common, Exit, Failure, Screen};
use super::contacts;
use crate::units::{MemberId, Timestamp};

/// Look into the directory, ask whom to call now, or publish the nation's own entry
///
/// Without a command it lists the desks: who is where, what time it is there, on what basis.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    before_help = "Examples:
  detente desk directory                              list the desks
  detente desk directory RO
  detente desk directory call RO                      which channel to use at this minute, and why
  detente desk directory search --can PRESERVATION --language fr
  detente desk directory show RO --history
  detente desk directory edit --output entry.toml     the own entry, to be changed
  detente desk directory publish entry.toml --key national.key --unlock unlock"
)]
pub(super) struct Directory {
    /// Only this member, as RO.
    member: Option<MemberId>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Call(call::Call),
    List(search::List),
    Search(search::Search),
    Show(show::Show),
    Edit(edit::Edit),
    Publish(publish::Publish),
}

impl Directory {
    pub(super) async fn run(
        self,
        agent: &mut Agent,
        common: &Common,
        screen: &mut Screen,
        now: Timestamp,
    ) -> Result<Exit, Failure> {
        match self.command {
            None => contacts::list(self.member, agent, screen, now).await,
            Some(Command::Call(call)) => call.run(agent, screen).await,
            Some(Command::List(list)) => list.run(agent, screen, now).await,
            Some(Command::Search(search)) => search.run(agent, screen, now).await,
            Some(Command::Show(show)) => show.run(agent, screen, now).await,
            Some(Command::Edit(edit)) => edit.run(agent, common, screen).await,
            Some(Command::Publish(publish)) => publish.run(agent, common, screen, now).await,
        }
    }
}
