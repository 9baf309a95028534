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
/// they do not by themselves: the log then owes a proof that one is the beginning of the other, and
/// what it gave instead is looked at with --proof. Exit code 3 when nothing is proven.
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
    /// What was given as a proof that one is the beginning of the other.
    #[arg(long, value_name = "FILE")]
    proof: Option<PathBuf>,
}

/// What two heads prove.
enum Proves {
    /// The log has forked.
    Fork,
    /// What was given as a proof is none.
    Owed(String),
    /// Nothing.
    Nothing(&'static str),
}

impl ForkCommand {
    pub(super) fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let trust = self.trust.read()?;
        let first = signed(&self.first, &trust)?;
        let second = signed(&self.second, &trust)?;
        let proof = self.proof.as_deref().map(read_proof).transpose()?;
        let (word, what, next) = match proves(&first, &second, proof.as_deref()) {
            Proves::Fork => (
                "FORK",
                "the log has signed two heads of one size with different roots".to_owned(),
                "next: show both to the other members, by another way than the relay",
            ),
            Proves::Owed(bad) => (
                "PROOF_OWED",
                format!("what was given as a proof that one is the beginning of the other: {bad}"),
                "next: ask the relay's operator for a proof that holds, and show both heads to \
                 the other members",
            ),
            Proves::Nothing(why) => return Err(nothing(why)),
        };
        let (origin, sizes) = (first.origin(), [first.size(), second.size()]);
        if screen.is_json() {
            screen.document(&json!({
                "proves": word,
                "origin": origin,
                "sizes": sizes,
                "roots": [first.root().to_string(), second.root().to_string()],
            }))?;
        } else {
            let [a, b] = sizes;
            screen.text(&format!("{origin} has signed heads of {a} and {b} leaves: {what}\n"))?;
        }
        screen.message(next);
        Ok(Exit::Success)
    }
}

fn proves(first: &Checkpoint, second: &Checkpoint, proof: Option<&[Hash]>) -> Proves {
    if first.origin() != second.origin() {
        return Proves::Nothing("they are heads of two logs");
    }
    if first.size() == second.size() {
        return if first.root() == second.root() {
            Proves::Nothing("they are the same head")
        } else {
            Proves::Fork
        };
    }
    let Some(hashes) = proof else {
        return Proves::Nothing(
            "they are of two sizes, and one may be the beginning of the other: give what the relay \
             said to prove that with --proof",
        );
    };
    let (old, new) = if first.size() < second.size() { (first, second) } else { (second, first) };
    match check_consistency(old.size(), &old.root(), new.size(), &new.root(), hashes) {
        Ok(()) => Proves::Nothing("the proof holds: one is the beginning of the other"),
        Err(bad) => Proves::Owed(bad.to_string()),
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

fn nothing(why: &str) -> Failure {
    let next = "keep both heads, and compare them with those of other members";
    Failure::new(Exit::Unverified, "C-417", "nothing is proven", why, next)
}
