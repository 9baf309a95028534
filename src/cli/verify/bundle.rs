//! `detente verify bundle`: evidence in one file, offline, with nothing but the file.
//!
//! Not for what is believed of it: that is what is printed.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::log::{quorum_document, quorum_words, witnesses_document};
use super::trust::TrustArguments;
use crate::audit::Quorum;
use crate::cli::{Exit, Failure, Screen};
use crate::evidence::{self, BodyAtRelay, Fault, Proven, Verified};
use crate::units::Hash;

/// Check a bundle of evidence
///
/// The bundle brings the genesis with the keys, so it verifies alone; what it rests on is the hash
/// of that genesis, which is printed: compare it over another channel, or give it. Exit code 3
/// names the first file in the bundle that is wrong.
#[derive(Debug, Args)]
#[command(before_help = "Example:
  detente verify bundle bundle.zip --genesis-sha256 5f1c...")]
pub(super) struct BundleCommand {
    /// The bundle.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The hash that the genesis in it must have.
    #[arg(long, value_name = "HASH")]
    genesis_sha256: Option<Hash>,
    /// A policy that every head must satisfy, beside the one in the bundle.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

impl BundleCommand {
    pub(super) fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let trust = self.policy.as_ref().map(|policy| TrustArguments::of_policy(policy).read());
        let trust = trust.transpose()?;
        let path = self.file.display();
        let unable = |error: std::io::Error| {
            let (why, next) = (format!("{path}: {error}"), "name a file that can be read");
            Failure::new(Exit::Failure, "C-412", "nothing was verified", why, next)
        };
        let length = std::fs::metadata(&self.file).map_err(unable)?.len();
        if length > evidence::BUNDLE_BYTES_MAX as u64 {
            return Err(refused(&Fault::new("bundle", "it is larger than any is made")));
        }
        let bytes = std::fs::read(&self.file).map_err(unable)?;
        let bundle = evidence::parse(&bytes).map_err(|fault| refused(&fault))?;
        let verified =
            evidence::verify(&bundle, trust.as_ref()).map_err(|fault| refused(&fault))?;
        match self.genesis_sha256 {
            Some(pinned) if pinned != verified.genesis => {
                let why = format!("its genesis has the hash {}", verified.genesis);
                return Err(refused(&Fault::new("genesis.bin", why)));
            }
            Some(_) | None => {}
        }
        if screen.is_json() {
            screen.document(&document(&verified))?;
        } else {
            screen.text(&text(&verified))?;
        }
        let alone = verified.records.iter().filter(|record| record.quorum == Quorum::Lacked);
        match alone.count() {
            0 => {}
            count => screen.message(&format!(
                "warning: of {count} records the log alone vouches so far: they lack the quorum of \
                 their committee; ask the holder for a bundle made later"
            )),
        }
        if self.genesis_sha256.is_none() {
            screen.message("next: compare the hash of the genesis over another channel");
        }
        Ok(Exit::Success)
    }
}

fn refused(fault: &Fault) -> Failure {
    let next = "get the bundle again from its holder; where a file does not follow from the \
                evidence, another version may have made it: verify with the one that did";
    let what = "the bundle does not hold";
    Failure::new(Exit::Unverified, "C-416", what, fault, next).field("file", &fault.file)
}

fn text(verified: &Verified) -> String {
    let Verified { network, genesis, records } = verified;
    let mut text = format!("everything holds: {} records of {network}\n", records.len());
    text.push_str(&format!("  genesis {genesis}\n"));
    for (number, record) in (1..).zip(records) {
        let Proven { time, what, from, to, leaf, size, origin, .. } = record;
        let to = if to.is_empty() { String::new() } else { format!(" to {to}") };
        let from = if from.is_empty() { "the relay" } else { from };
        text.push_str(&format!("  {number:03}  {time}  {what}  {from}{to}\n"));
        text.push_str(&format!("    leaf {leaf} of {size} in {origin}"));
        if record.witnesses > 0 {
            let (witnessed, witnesses) = (record.witnessed.len(), record.witnesses);
            let enough = quorum_words(record.quorum);
            text.push_str(&format!(", cosigned by {witnessed} of {witnesses}{enough}"));
        }
        if !record.named_here.is_empty() {
            let count = record.named_here.len();
            text.push_str(&format!(", and by {count} whom only the bundle's policy names"));
        }
        if !record.signed_by.is_empty() {
            text.push_str(&format!("; signed by {}", record.signed_by.join(", ")));
        }
        if record.body_disclosed {
            text.push_str("; body disclosed");
        }
        if let BodyAtRelay::Erased { by, reason } = record.body {
            text.push_str(&format!("; body erased at the relay by record {by:03} ({reason})"));
        }
        text.push('\n');
    }
    text
}

fn document(verified: &Verified) -> Value {
    let record = |record: &Proven| {
        json!({
            "time": record.time.to_string(),
            "what": record.what,
            "from": record.from,
            "to": record.to,
            "signed_by": record.signed_by,
            "request": record.request,
            "pair_sequence": record.pair_sequence,
            "origin": record.origin,
            "leaf": record.leaf,
            "size": record.size,
            "witnessed": witnesses_document(&record.witnessed),
            "witnesses": record.witnesses,
            "quorum": quorum_document(record.quorum),
            "named_by_bundle_only": witnesses_document(&record.named_here),
            "body_disclosed": record.body_disclosed,
            "body_erased": match record.body {
                BodyAtRelay::Erased { by, reason } => json!({ "by_record": by, "reason": reason }),
                BodyAtRelay::None | BodyAtRelay::Kept => Value::Null,
            },
        })
    };
    json!({
        "holds": true,
        "network": verified.network,
        "genesis_sha256": verified.genesis.to_string(),
        "records": verified.records.iter().map(record).collect::<Vec<_>>(),
    })
}
