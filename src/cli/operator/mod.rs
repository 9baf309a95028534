//! `detente operator`: what the relay's operator looks at and does, at the relay's own machine.
//!
//! Not for desks: the listener that it calls is on loopback and nowhere else.

mod clock;
mod erase;
mod list;
mod status;
mod times;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use tonic::{Response, Status};

use super::agent::failure_of;
use super::{Common, Exit, Failure, Screen};
use crate::config;
use crate::grpc::operator::{self, Operator};

/// How long a call may take: erasing many bodies is one sync each.
const WITHIN: Duration = Duration::from_secs(60);

/// Look after a running relay
///
/// Run it on the relay's machine: it calls the operator's listener, which is on loopback. The
/// operator sees metadata only.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente operator status --config relay.toml
  detente operator overdue --config relay.toml          who has not answered
  detente operator times --config relay.toml --by member --from 2026-10-01 --until 2026-10-31
  detente operator confirm-clock --config relay.toml
  detente operator erase --config relay.toml --request ID --reason legal-order --dry-run")]
pub(super) struct OperatorCommand {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

/// Where the relay is.
#[derive(Debug, Args)]
struct Place {
    /// The relay's configuration, which names the operator's listener.
    #[arg(long, global = true, display_order = 901, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The operator's listener, as "127.0.0.1:7411"; else the one in --config.
    #[arg(long, global = true, display_order = 902, value_name = "ADDRESS")]
    address: Option<SocketAddr>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Status(status::Status),
    Times(times::Times),
    Overdue(times::Overdue),
    Requests(list::Requests),
    ConfirmClock(clock::ConfirmClock),
    Erase(erase::Erase),
}

impl OperatorCommand {
    pub(super) fn run(self, common: &Common, screen: &mut Screen) -> Result<Exit, Failure> {
        let Self { place, command } = self;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut relay = place.connect().await?;
            match command {
                Command::Status(status) => status.run(&mut relay, screen).await,
                Command::Times(times) => times.run(&mut relay, screen).await,
                Command::Overdue(overdue) => overdue.run(&mut relay, screen).await,
                Command::Requests(requests) => requests.run(&mut relay, screen).await,
                Command::ConfirmClock(confirm) => confirm.run(&mut relay, screen).await,
                Command::Erase(erase) => erase.run(&mut relay, common, screen).await,
            }
        })
    }
}

impl Place {
    async fn connect(&self) -> Result<Operator, Failure> {
        let address = self.address()?;
        operator::connect(&address.to_string()).await.map_err(|error| {
            let why = format!("{address}: {}", super::start::chain(&error));
            let next = "start the relay (detente relay --config relay.toml), or correct \
                        listen.operator or --address; run it on the relay's machine";
            Failure::new(Exit::Failure, "C-311", "the relay cannot be reached", why, next)
        })
    }

    fn address(&self) -> Result<SocketAddr, Failure> {
        if let Some(address) = self.address {
            return Ok(address);
        }
        let Some(file) = &self.config else {
            let next = "give --config relay.toml or --address 127.0.0.1:PORT";
            let why = "neither --config nor --address says";
            return Err(Failure::new(Exit::Usage, "C-207", "where is the relay?", why, next));
        };
        let config = config::Relay::read(file)?;
        let configured = config.listen.operator;
        Ok(if configured.port() == 0 { bound(&config.store.directory)? } else { configured })
    }
}

/// What the system chose for a relay that listens at port 0.
fn bound(store: &Path) -> Result<SocketAddr, Failure> {
    let file = store.join("addresses.json");
    let text = std::fs::read_to_string(&file)?;
    let found = serde_json::from_str::<serde_json::Value>(&text)
        .ok()
        .and_then(|addresses| addresses["operator"].as_str()?.parse().ok());
    found.ok_or_else(|| {
        let next = "start the relay, which writes it, or give --address";
        let why = format!("{}: no address of the operator's listener", file.display());
        Failure::new(Exit::Failure, "C-311", "the relay cannot be reached", why, next)
    })
}

/// Waits for an answer, and says what went wrong in the words of `what`.
async fn limited<T>(
    what: &str,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(WITHIN, call).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(failure_of(&status).of(what)),
        Err(_) => {
            let next = "see with detente operator status how the relay is, then try again";
            let why = format!("nothing came within {} s", WITHIN.as_secs());
            Err(Failure::new(Exit::Failure, "C-312", what, why, next))
        }
    }
}
