//! How far the tables have got, in which journal, in which form.
//!
//! Not for rows. It moves in the same batch as they do.

use serde::{Deserialize, Serialize};

use crate::codec::{Heads, Leaf, Log};
use crate::units::{Index, JournalId};

/// The form of the rows. Raised whenever the bytes of any row or key change; the tables are then
/// rebuilt once by themselves. `tests/it/tables_form.rs` pins the bytes, so that it is not
/// forgotten.
pub const VERSION: u32 = 11;

/// How far the tables have got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meta {
    /// The journal that the rows come from.
    pub(super) journal: JournalId,
    /// The next record to apply.
    pub(super) cursor: Index,
    /// Where the logs stood after the batch that holds the last applied record.
    pub(super) heads: Heads,
    /// Leaves whose nodes are there: at most as many as the heads have, for a batch may be applied
    /// in parts.
    pub(super) leaves: Leaves,
}

/// Leaves of each log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Leaves {
    /// Of the directory log.
    pub(super) directory: u64,
    /// Of the traffic log.
    pub(super) traffic: u64,
}

impl Leaves {
    /// One more.
    pub(super) fn add(&mut self, leaf: &Leaf) {
        let next = leaf.index.saturating_add(1);
        match leaf.log {
            Log::Directory => self.directory = next,
            Log::Traffic => self.traffic = next,
        }
    }
}

impl Meta {
    /// Version, then the rest: the version can always be read.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let rest = postcard::to_stdvec(&self).expect("integers and arrays always serialize");
        [VERSION.to_be_bytes().as_slice(), &rest].concat()
    }

    /// Reads it, or says in words why not.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let (version, rest) =
            bytes.split_first_chunk::<4>().ok_or("they do not say how far they have got")?;
        let version = u32::from_be_bytes(*version);
        if version != VERSION {
            return Err(format!("they have version {version}, this program {VERSION}"));
        }
        postcard::from_bytes(rest).map_err(|_| "they do not say how far they have got".to_owned())
    }
}
