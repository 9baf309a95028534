//! Messages and decisions of C2SP tlog-witness 1.0.0: how a log asks for a cosignature, and what a
//! witness must answer.
//!
//! Not for connections, and not for keeping what was cosigned: whoever holds a [`Latest`] must make
//! it durable, in one step with comparing it, before it answers. Out of scope: `sign-subtree`.
//!
//! No input makes this panic.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE64, HEXLOWER};

use super::checkpoint::{Checkpoint, parse_hash, parse_size};
use super::merkle::empty_root;
use super::note::{BadNote, Note, SIGNATURES_MAX, SignatureLine, VerifierKey};
use super::proof::{self, BadProof, PROOF_HASHES_MAX};
use crate::units::{Hash, Unreadable};

/// The largest request in bytes that witnesses take in practice.
pub const REQUEST_BYTES_MAX: usize = 16 << 10;

/// Media type of the size that comes with a 409.
pub const SIZE_MEDIA_TYPE: &str = "text/x.tlog.size";

/// A request for a cosignature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Size of the tree that the witness has seen.
    pub old_size: u64,
    /// That the tree of that size is the beginning of the checkpoint's.
    pub proof: Vec<Hash>,
    /// The checkpoint, signed by its log.
    pub checkpoint: Note,
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old_size)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{}", BASE64.encode(&hash.0)))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for AddCheckpoint {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let wrong = |why: &str| Unreadable::new("add-checkpoint", why);
        if text.len() > REQUEST_BYTES_MAX {
            return Err(wrong("larger than a request may be"));
        }
        let (head, checkpoint) =
            text.split_once("\n\n").ok_or_else(|| wrong("no blank line before its checkpoint"))?;
        let mut lines = head.split('\n');
        let old_size = lines
            .next()
            .and_then(|line| line.strip_prefix("old "))
            .and_then(parse_size)
            .ok_or_else(|| wrong("its first line is no old size"))?;
        let proof: Vec<Hash> = lines
            .map(|line| {
                parse_hash(line).ok_or_else(|| wrong("a hash that is no base64 of 32 bytes"))
            })
            .collect::<Result<_, _>>()?;
        if proof.len() > PROOF_HASHES_MAX {
            return Err(wrong("more than 63 hashes"));
        }
        Ok(Self { old_size, proof, checkpoint: checkpoint.parse()? })
    }
}

/// The newest checkpoint of a log that a witness has cosigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latest {
    /// Tree size.
    pub size: u64,
    /// Root.
    pub root: Hash,
}

impl Latest {
    /// Before the first cosignature.
    pub fn none() -> Self {
        Self { size: 0, root: empty_root() }
    }
}

/// Why a witness does not cosign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Declined {
    /// The note is no checkpoint.
    #[error("{0}")]
    Unreadable(Unreadable),
    /// The checkpoint is smaller than the size that the log says the witness has seen.
    #[error("old size {old} is more than the checkpoint's {size}")]
    OldSizeTooLarge {
        /// The old size.
        old: u64,
        /// The checkpoint's.
        size: u64,
    },
    /// The log is not one that is witnessed here.
    #[error("the log {0:?} is not witnessed here")]
    UnknownLog(String),
    /// The log's signature is absent or does not verify.
    #[error("{0}")]
    Signature(BadNote),
    /// The witness has seen another size than the log says.
    #[error("the newest checkpoint cosigned here has {size} leaves")]
    Conflict {
        /// The size that the witness has seen.
        size: u64,
    },
    /// The checkpoint is signed by its log and contradicts what was cosigned: evidence of a fork.
    #[error("it contradicts the checkpoint of {} leaves cosigned here: {why}", latest.size)]
    Fork {
        /// What was cosigned.
        latest: Latest,
        /// In what it contradicts it.
        why: BadProof,
    },
}

impl Declined {
    /// The HTTP status that the specification asks for.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Unreadable(_) | Self::OldSizeTooLarge { .. } => 400,
            Self::Signature(_) => 403,
            Self::UnknownLog(_) => 404,
            Self::Conflict { .. } => 409,
            Self::Fork { .. } => 422,
        }
    }
}

/// Whether a witness that has cosigned `latest` of this log cosigns what it is asked to. `keys` are
/// the log's; a witness that has no key of the checkpoint's origin does not know the log.
///
/// # Errors
/// [`Declined`], in the order of the specification.
pub fn decide(
    request: &AddCheckpoint,
    keys: &[VerifierKey],
    latest: Latest,
) -> Result<Latest, Declined> {
    let AddCheckpoint { old_size, proof, checkpoint: note } = request;
    let checkpoint: Checkpoint = note.text().parse().map_err(Declined::Unreadable)?;
    let origin = checkpoint.origin();
    let own: Vec<&VerifierKey> = keys.iter().filter(|key| key.name().as_str() == origin).collect();
    if own.is_empty() {
        return Err(Declined::UnknownLog(origin.to_owned()));
    }
    note.verify(own).map_err(Declined::Signature)?;
    let (size, root) = (checkpoint.size(), checkpoint.root());
    if *old_size > size {
        return Err(Declined::OldSizeTooLarge { old: *old_size, size });
    }
    if *old_size != latest.size {
        return Err(Declined::Conflict { size: latest.size });
    }
    let fork = |why| Declined::Fork { latest, why };
    if size == 0 && root != empty_root() {
        return Err(fork(BadProof::OtherRoot { computed: root, expected: empty_root() }));
    }
    proof::check_consistency(latest.size, &latest.root, size, &root, proof).map_err(fork)?;
    Ok(Latest { size, root })
}

/// The body of an answer: the cosignature lines.
pub fn render_lines(lines: &[SignatureLine]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Reads the body of an answer.
///
/// # Errors
/// When it is not one or more whole signature lines.
pub fn parse_lines(body: &str) -> Result<Vec<SignatureLine>, Unreadable> {
    let wrong = |why: &str| Unreadable::new("cosignatures", why);
    let body = body.strip_suffix('\n').ok_or_else(|| wrong("no newline at the end"))?;
    let lines: Vec<SignatureLine> =
        body.split('\n').take(SIGNATURES_MAX + 1).map(str::parse).collect::<Result<_, _>>()?;
    if lines.len() > SIGNATURES_MAX {
        return Err(wrong("more lines than are read"));
    }
    Ok(lines)
}

/// Where a witness serves the newest checkpoint of a log that it has cosigned, under its
/// monitoring prefix.
pub fn monitoring_path(origin: &str) -> String {
    format!("{}/checkpoint", HEXLOWER.encode(&Hash::of(&[origin.as_bytes()]).0))
}
