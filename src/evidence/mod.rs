//! Evidence: what a court needs of some records, in one file that proves itself.
//!
//! Not for collecting it (whoever holds the records does), and not for believing the genesis in it:
//! its hash is to be compared over another channel. What is not disclosed (a body, other records)
//! stays hidden, and the rest verifies all the same.
//!
//! A bundle is a ZIP archive of stored files. Some of them are what was collected: the genesis, a
//! policy, and for each record event, opening, proof, and where there is one the signed header and
//! the disclosed body. Everything else follows from these: keys and signed bytes as OpenSSL wants
//! them, paths, the report, the README, the sums. So the same evidence makes the same bytes, and a
//! bundle is verified by making it again.

mod fault;
mod files;
mod keys;
mod report;
mod verify;
mod zip;

pub use fault::Fault;
pub use files::{BUNDLE_BYTES_MAX, parse, render};
pub use verify::{BodyAtRelay, Proven, Verified, verify};

use crate::envelope::Signature;
use crate::tlog::LogProof;

/// What is collected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The signed genesis: the keys of logs, nations, desks and officers.
    pub genesis: Vec<u8>,
    /// The witnesses that a head must have (C2SP tlog-policy), as text; none asks for none.
    pub policy: Option<String>,
    /// The records, in the order in which they are told.
    pub records: Vec<Record>,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The event, in the exact bytes that the log commits to.
    pub event: Vec<u8>,
    /// The 32 bytes that open the leaf's commitment; none in the directory's log, which is plain.
    pub opening: Option<[u8; 32]>,
    /// That the leaf is in its log. Its extra data are left out: they are the two above.
    pub proof: LogProof,
    /// The header of the statement that the event is about, as it was signed; empty without one.
    pub header: Vec<u8>,
    /// Its signatures.
    pub signatures: Vec<Signature>,
    /// The body, where it is disclosed.
    pub body: Option<Disclosed>,
}

/// A body that its holder discloses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disclosed {
    /// What opens the commitment in the header.
    pub salt: [u8; 32],
    /// Serialized `detente.form.v1.Body`, as it was sealed.
    pub body: Vec<u8>,
}
