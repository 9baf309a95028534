//! `detente verify proof`: that a leaf is in a log, from one file.
//!
//! Not for what the event says: `detente verify bundle` reads that, with the statement it is about.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::log::{quorum_document, witnesses_document, witnesses_text};
use super::trust::TrustArguments;
use crate::cli::{Exit, Failure, Screen};
use crate::codec::{Leaf, Log};
use crate::tlog::{LogProof, leaf_hash};

/// The largest file read: a proof with as much extra data as there may be, and its head.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Check that a leaf is in a log, from one .tlog-proof file
///
/// The file (C2SP tlog-proof) has the event in its extra data: alone for the directory's log, after
/// the 32 bytes that open the leaf's commitment for the log of the traffic.
#[derive(Debug, Args)]
#[command(before_help = "Example:
  detente verify proof 42.tlog-proof --genesis genesis.bin --policy policy")]
pub(super) struct ProofCommand {
    /// The proof.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    trust: TrustArguments,
    /// The leaf's own bytes, where the proof has no extra data.
    #[arg(long, value_name = "FILE")]
    leaf: Option<PathBuf>,
}

impl ProofCommand {
    pub(super) fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let trust = self.trust.read()?;
        let unproven = |why: String| {
            let next = "get the proof again, or ask the log for a new one: the leaf stays the same";
            let what = "the leaf is not proven to be in the log";
            let failure = Failure::new(Exit::Unverified, "C-415", what, why, next);
            failure.field("file", self.file.display())
        };
        let text = String::from_utf8(read(&self.file)?);
        let text = text.map_err(|_| unproven("it is not text".to_owned()))?;
        let proof: LogProof =
            text.parse().map_err(|bad: crate::units::Unreadable| unproven(bad.to_string()))?;
        let accepted =
            trust.check(&proof.checkpoint).map_err(|unmet| unproven(unmet.to_string()))?;
        let origin = accepted.checkpoint.origin().to_owned();
        let leaf = match &self.leaf {
            Some(path) => read(path)?,
            None => extra_leaf(&proof, &origin).map_err(unproven)?,
        };
        let checked = trust.check_proof(&proof, &leaf_hash(&leaf));
        let accepted = checked.map_err(|bad| unproven(bad.to_string()))?;
        let (index, size) = (proof.index, accepted.checkpoint.size());
        if screen.is_json() {
            screen.document(&json!({
                "holds": true,
                "origin": origin,
                "index": index,
                "size": size,
                "leaf_hash": leaf_hash(&leaf).to_string(),
                "witnessed": witnesses_document(&accepted.witnessed),
                "witnesses": accepted.witnesses,
                "quorum": quorum_document(accepted.quorum),
            }))?;
        } else {
            let witnesses =
                witnesses_text(&accepted.witnessed, accepted.witnesses, accepted.quorum);
            screen.text(&format!("leaf {index} is in {origin} of {size} leaves\n{witnesses}"))?;
        }
        Ok(Exit::Success)
    }
}

/// The leaf that the extra data of a proof open.
fn extra_leaf(proof: &LogProof, origin: &str) -> Result<Vec<u8>, String> {
    let no_extra = "it has no extra data: give the leaf's bytes with --leaf";
    let extra = proof.extra.as_deref().ok_or(no_extra)?;
    let index = proof.index;
    if origin.ends_with("/directory") {
        return Ok(Leaf { log: Log::Directory, index, opening: None }.data(extra));
    }
    let (opening, event) = extra
        .split_first_chunk::<32>()
        .ok_or("its extra data are too short for an opening and an event")?;
    Ok(Leaf { log: Log::Traffic, index, opening: Some(*opening) }.data(event))
}

fn read(path: &PathBuf) -> Result<Vec<u8>, Failure> {
    let unable = |why: String| {
        let why = format!("{}: {why}", path.display());
        Failure::new(Exit::Failure, "C-412", "nothing was verified", why, "name a file to read")
    };
    let length = std::fs::metadata(path).map_err(|error| unable(error.to_string()))?.len();
    if length > FILE_BYTES_MAX {
        return Err(unable(format!("{length} bytes are more than such a file has")));
    }
    std::fs::read(path).map_err(|error| unable(error.to_string()))
}
