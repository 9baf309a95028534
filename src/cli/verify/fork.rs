//! `detente verify fork`: that a log has signed two heads that cannot both be true.
//!
//! Not for finding them: desks do, and keep both (see `desk/witness/evidence.rs`).

use std::path::{Path, PathBuf};

use clap::Args;
use data_encoding::BASE64;
use serde_json::json;

use super::trust::TrustArguments;
use crate::audit::{Older, Trust};
use crate::cli::{Exit, Failure, Screen};
use crate::tlog::proof::check_consistency;
use crate::tlog::{Checkpoint, witness::AddCheckpoint};
use crate::units::Hash;

/// Check that a log has signed two heads that contradict each other
///
/// A desk that finds a fork keeps both heads in evidence/ of its directory, as ID.first, ID.second
/// and ID.proof. Two heads of one size with different roots prove the fork to anybody. Of two sizes
/// they do not: the log owes a proof that one is the beginning of the other, and --proof says
/// whether what was given is one. If not, that proves nothing, for nobody has signed it: ask again,
/// or let `detente verify log --older` look at the leaves. Exit code 3 when nothing is proven.
#[derive(Debug, Args)]
#[command(before_help = "Example:
  detente verify fork evidence/ID.first evidence/ID.second --genesis genesis.bin")]
pub(super) struct ForkCommand {
    /// A head: a signed note.
    #[arg(value_name = "FIRST")]
    first: PathBuf,
    /// The other one.
    #[arg(value_name = "SECOND")]
    second: PathBuf,
    #[command(flatten)]
    trust: TrustArguments,
    /// What was given as a proof that one is the beginning of the other: is it one.
    #[arg(long, value_name = "FILE")]
    proof: Option<PathBuf>,
}

/// What two heads prove.
enum Proves {
    /// The log has forked.
    Fork,
    /// Nothing: why not, and what to do.
    Nothing(String, &'static str),
}

/// What settles whether one head is the beginning of another.
const ASK: &str = "ask the log, or whoever mirrors it, for the proof, or fetch its leaves and run \
                   detente verify log LOG --older with the smaller head; if neither is to be had, \
                   tell the other members";
/// What is left to do with heads that do not contradict each other.
const KEEP: &str = "keep both heads, and compare them with those of other members";

impl ForkCommand {
    pub(super) fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let trust = self.trust.read()?;
        let first = signed(&self.first, &trust)?;
        let second = signed(&self.second, &trust)?;
        let proof = self.proof.as_deref().map(read_proof).transpose()?;
        match proves(&first, &second, proof.as_deref()) {
            Proves::Fork => {}
            Proves::Nothing(why, next) => {
                let what = "nothing is proven";
                return Err(Failure::new(Exit::Unverified, "C-417", what, why, next));
            }
        }
        let (origin, size) = (first.origin(), first.size());
        if screen.is_json() {
            screen.document(&json!({
                "proves": "FORK",
                "origin": origin,
                "sizes": [size, second.size()],
                "roots": [first.root().to_string(), second.root().to_string()],
            }))?;
        } else {
            screen.text(&format!(
                "{origin} has signed two heads of {size} leaves with different roots\n"
            ))?;
        }
        screen.message("next: show both to the other members, by another way than the relay");
        Ok(Exit::Success)
    }
}

fn proves(first: &Checkpoint, second: &Checkpoint, proof: Option<&[Hash]>) -> Proves {
    let nothing = |why: &str, next| Proves::Nothing(why.to_owned(), next);
    if first.origin() != second.origin() {
        return nothing("they are heads of two logs", KEEP);
    }
    if first.size() == second.size() {
        return if first.root() == second.root() {
            nothing("they are the same head", KEEP)
        } else {
            Proves::Fork
        };
    }
    let Some(hashes) = proof else {
        return nothing("they are of two sizes, and one may be the beginning of the other", ASK);
    };
    let (old, new) = if first.size() < second.size() { (first, second) } else { (second, first) };
    match check_consistency(old.size(), &old.root(), new.size(), &new.root(), hashes) {
        Ok(()) => nothing("the proof holds: one is the beginning of the other", KEEP),
        Err(bad) => Proves::Nothing(
            format!(
                "what was given as a proof that one is the beginning of the other is none ({bad}), \
                 and nobody has signed it: the log may have another"
            ),
            ASK,
        ),
    }
}

fn signed(path: &Path, trust: &Trust) -> Result<Checkpoint, Failure> {
    let unread = |why: String| {
        let why = format!("{}: {why}", path.display());
        Failure::new(Exit::Failure, "C-412", "nothing was verified", why, "name a head to read")
    };
    let head = Older::read(path).map_err(|fault| unread(fault.to_string()))?;
    let checkpoint: Checkpoint =
        head.note().text().parse().map_err(|bad| unread(format!("{bad}")))?;
    trust.check_signed(head.note(), checkpoint.origin()).map_err(|bad| {
        let why = format!("{}: the log has not signed it: {bad}", path.display());
        let next = "a head that the log has not signed says nothing of the log";
        Failure::new(Exit::Unverified, "C-410", "nothing is proven", why, next)
    })?;
    Ok(checkpoint)
}

/// The hashes of a proof: lines of a desk's evidence, or what a witness was asked.
fn read_proof(path: &Path) -> Result<Vec<Hash>, Failure> {
    let unread = |why: String| {
        let why = format!("{}: {why}", path.display());
        Failure::new(Exit::Failure, "C-412", "nothing was verified", why, "name ID.proof")
    };
    let text = std::fs::read_to_string(path).map_err(|error| unread(error.to_string()))?;
    if let Ok(asked) = text.parse::<AddCheckpoint>() {
        return Ok(asked.proof);
    }
    let hash = |line: &str| -> Option<Hash> {
        let base64 = || Hash::from_slice(&BASE64.decode(line.as_bytes()).ok()?).ok();
        line.parse().ok().or_else(base64)
    };
    let hashes: Option<Vec<Hash>> = text.lines().map(hash).collect();
    hashes.ok_or_else(|| unread("a line of it is no hash".to_owned()))
}
