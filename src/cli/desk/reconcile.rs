//! `detente desk reconcile`: what a restored relay has lost of this desk's records, and going on
//! without it.
//!
//! Not while the agent runs: the store has one user at a time.

use std::path::Path;

use clap::Args;
use serde_json::json;

use super::super::{Exit, Failure, Screen, start};
use crate::config;
use crate::desk::LostRecord;
use crate::service::agent::{self, ReconcileError};

/// See what a restored relay has lost, and go on without it
///
/// Compares every record that this desk holds of its own sequence with the relay's log, one by one
/// (up to half a minute), and lists those that the relay has not. The agent must not be running.
/// Exit code 3 when some are lost.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente desk reconcile --config desk.toml
  detente desk reconcile --config desk.toml --accept 17..23")]
pub(super) struct Reconcile {
    /// Accept that the records FIRST to LAST of this desk's sequence, exactly as they are listed
    /// without this option, are in the relay's log no more. What this desk had said in them is sent
    /// again as it was, unless it has lapsed; what others had said comes again when their desks do
    /// the same. Everything stays in this desk's own store. First ask the relay's operator whether
    /// a longer log is left.
    #[arg(long, value_name = "FIRST..LAST")]
    accept: Option<String>,
}

impl Reconcile {
    pub(super) fn run(self, config: Option<&Path>, screen: &mut Screen) -> Result<Exit, Failure> {
        let file = config.ok_or_else(|| {
            let next = "give --config desk.toml";
            Failure::value("--config", "the store and the keys are named there", next)
        })?;
        let config = config::Desk::read(file)?;
        let lost = super::runtime()?.block_on(agent::lost_records(&config)).map_err(failure)?;
        let range = range(&lost);
        let accepted = match &self.accept {
            None => false,
            Some(given) if Some(given) == range.as_ref() => {
                agent::accept_loss(&config, &lost).map_err(start::failure)?;
                true
            }
            Some(given) => {
                let what = range.unwrap_or_else(|| "nothing".to_owned());
                let why = format!("{given} was accepted, but what is lost is {what}");
                let next = "run it without --accept, then accept what it lists, or nothing";
                let refused = "the loss was not accepted";
                return Err(Failure::new(Exit::Failure, "C-812", refused, why, next));
            }
        };
        tell(&lost, range.as_deref(), accepted, screen)?;
        if lost.is_empty() || accepted {
            screen.message(&format!("next: detente desk --config {}", file.display()));
            return Ok(Exit::Success);
        }
        screen.message(&format!(
            "next: ask the relay's operator for a longer log; if there is none: detente desk \
             reconcile --config {} --accept {}",
            file.display(),
            range.unwrap_or_default()
        ));
        Ok(Exit::Unverified)
    }
}

fn range(lost: &[LostRecord]) -> Option<String> {
    let (first, last) = (lost.first()?, lost.last()?);
    Some(format!("{}..{}", first.desk_index, last.desk_index))
}

fn tell(
    lost: &[LostRecord],
    range: Option<&str>,
    accepted: bool,
    screen: &mut Screen,
) -> Result<(), Failure> {
    if screen.is_json() {
        let record = |record: &LostRecord| {
            json!({
                "desk_index": record.desk_index.0,
                "index": record.index.0,
                "time": record.time.map(|time| time.to_string()),
                "what": record.what,
            })
        };
        let records: Vec<_> = lost.iter().map(record).collect();
        screen.document(&json!({ "lost": records, "range": range, "accepted": accepted }))?;
        return Ok(());
    }
    let mut text = match range {
        None => "the relay has every record that this desk holds\n".to_owned(),
        Some(range) if accepted => format!("accepted: records {range} are gone from the relay\n"),
        Some(range) => format!("the relay has lost records {range} of this desk:\n"),
    };
    for record in lost {
        let time = record.time.map(|time| time.to_string()).unwrap_or_default();
        text.push_str(&format!("  {:>6}  {time}  {}\n", record.desk_index, record.what));
    }
    screen.text(&super::super::clean::clean(&text))?;
    Ok(())
}

fn failure(error: ReconcileError) -> Failure {
    match error {
        ReconcileError::Start(error) => start::failure(error),
        ReconcileError::Relay(why) => Failure::new(
            Exit::Failure,
            "C-813",
            "desk and relay were not compared",
            why,
            "wait until the relay is up and reached, then run it again",
        ),
    }
}
