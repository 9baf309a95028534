//! Proofs of C2SP tlog-proof (`c2sp.org/tlog-proof@v1`, text of July 2026): that an entry is in a
//! log and that witnesses have seen the log, in one file that is checked offline.
//!
//! Not for what the leaf is: whoever checks computes its hash, perhaps from the extra data, which
//! nothing here authenticates.
//!
//! No input makes this panic.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;

use super::checkpoint::{Checkpoint, parse_hash, parse_size};
use super::note::Note;
use super::policy::{Policy, Unmet, Witnessed};
use super::proof::{self, BadProof, PROOF_HASHES_MAX};
use crate::units::{Hash, Unreadable};

/// The first line.
const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// The largest extra data in bytes.
pub const EXTRA_BYTES_MAX: usize = 1 << 20;

/// That an entry is in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogProof {
    /// Opaque data beside it.
    pub extra: Option<Vec<u8>>,
    /// Index of the entry.
    pub index: u64,
    /// The inclusion proof, sibling of the leaf first.
    pub hashes: Vec<Hash>,
    /// The checkpoint with its signatures.
    pub checkpoint: Note,
}

/// Why a proof does not prove that a leaf is in a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// The note in it is no checkpoint.
    #[error("the checkpoint cannot be read: {0}")]
    Unreadable(Unreadable),
    /// The checkpoint is not one that the policy accepts.
    #[error("the checkpoint is not accepted: {0}")]
    Unmet(Unmet),
    /// The leaf is not in the tree.
    #[error("the leaf is not in the tree: {0}")]
    NotIncluded(BadProof),
}

impl LogProof {
    /// Proves that the leaf with this hash is in a log that `policy` accepts, as witnessed as it
    /// asks for.
    ///
    /// # Errors
    /// [`Unproven`] naming the first step that fails.
    pub fn verify<'p>(
        &self,
        policy: &'p Policy,
        leaf: &Hash,
    ) -> Result<(Checkpoint, Witnessed<'p>), Unproven> {
        let (checkpoint, witnessed) = policy.check(&self.checkpoint).map_err(Unproven::Unmet)?;
        let (size, root) = (checkpoint.size(), checkpoint.root());
        proof::check_inclusion(leaf, self.index, size, &root, &self.hashes)
            .map_err(Unproven::NotIncluded)?;
        Ok((checkpoint, witnessed))
    }
}

impl fmt::Display for LogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", BASE64.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{}", BASE64.encode(&hash.0)))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for LogProof {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let wrong = |why: &str| Unreadable::new("log proof", why);
        let (head, checkpoint) =
            text.split_once("\n\n").ok_or_else(|| wrong("no blank line before its checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(wrong("its first line is not c2sp.org/tlog-proof@v1"));
        }
        let extra = lines.next_if(|line| line.starts_with("extra "));
        let extra = extra.map(parse_extra).transpose()?;
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(parse_size)
            .ok_or_else(|| wrong("no index line where it belongs"))?;
        let hashes: Vec<Hash> = lines
            .take(PROOF_HASHES_MAX + 1)
            .map(|line| {
                parse_hash(line).ok_or_else(|| wrong("a hash that is no base64 of 32 bytes"))
            })
            .collect::<Result<_, _>>()?;
        if hashes.len() > PROOF_HASHES_MAX {
            return Err(wrong("more hashes than a proof can have"));
        }
        Ok(Self { extra, index, hashes, checkpoint: checkpoint.parse()? })
    }
}

fn parse_extra(line: &str) -> Result<Vec<u8>, Unreadable> {
    let wrong = |why: &str| Unreadable::new("log proof", why);
    let text = line.strip_prefix("extra ").unwrap_or_default();
    let extra =
        BASE64.decode(text.as_bytes()).map_err(|_| wrong("its extra data are no base64"))?;
    if extra.len() > EXTRA_BYTES_MAX {
        return Err(wrong("more extra data than are read"));
    }
    Ok(extra)
}
