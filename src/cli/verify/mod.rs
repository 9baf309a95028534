//! `detente verify`: does what is kept, or what was received, hold.
//!
//! Not for repairing anything. Nothing needs a secret, and only a log that is fetched a network.
//! Each kind has a file of its own; all end with exit code 3 when something does not hold, naming
//! the first thing and where.

mod bundle;
mod erased;
mod fork;
mod journal;
mod log;
mod proof;
mod remote;
mod trust;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Exit, Failure, Screen};

pub(super) use journal::{Rebuild, bar};

/// Check a journal, a log, a checkpoint, a proof or evidence
///
/// Without a secret, and offline unless a log is to be fetched. Exit code 3 when something does
/// not hold: the message names the first thing that is wrong and where. With --journal every byte
/// of a journal is read: the message names file, byte and record; a torn tail is what a crash
/// leaves, and is only reported.
#[derive(Debug, Args)]
#[command(
    subcommand_negates_reqs = true,
    before_help = "Examples:
  detente verify --journal /var/lib/detente-relay/journal
  detente verify log public/traffic --genesis genesis.bin --policy policy
  detente verify checkpoint checkpoint --key g7.example/traffic+a1b2c3d4+AT...
  detente verify proof 42.tlog-proof --genesis genesis.bin
  detente verify bundle bundle.zip
  detente verify fork ID.first ID.second --genesis genesis.bin"
)]
pub(super) struct Verify {
    #[command(subcommand)]
    what: Option<What>,
    /// The journal's directory. No relay and no agent may be using it.
    #[arg(long, value_name = "DIR", required = true)]
    journal: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum What {
    Log(log::LogCommand),
    Checkpoint(log::CheckpointCommand),
    Proof(proof::ProofCommand),
    Bundle(bundle::BundleCommand),
    Fork(fork::ForkCommand),
}

impl Verify {
    pub(super) fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        match (self.what, self.journal) {
            (Some(_), Some(_)) => {
                let why = "a journal is verified by itself";
                Err(Failure::value("--journal", why, "run the two checks one after the other"))
            }
            (Some(What::Log(log)), None) => log.run(screen),
            (Some(What::Checkpoint(checkpoint)), None) => checkpoint.run(screen),
            (Some(What::Proof(proof)), None) => proof.run(screen),
            (Some(What::Bundle(bundle)), None) => bundle.run(screen),
            (Some(What::Fork(fork)), None) => fork.run(screen),
            (None, Some(journal)) => journal::verify(&journal, screen),
            (None, None) => {
                let next = "give --journal DIR, or say what is to be verified: see --help";
                Err(Failure::value("--journal", "nothing is named that could be verified", next))
            }
        }
    }
}
