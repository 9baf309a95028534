//! Transparency-log formats, one file per public specification.
//!
//! Not for what a leaf means: nothing here knows a request or a desk. Nothing here reads a clock,
//! a disk, a socket or a random source, or logs, and no input makes anything here panic.
//!
//! | file | specification |
//! |---|---|
//! | `merkle`, `proof`, `growth` | RFC 6962 section 2.1; checked as in RFC 9162 section 2.1 |
//! | `tile` | C2SP tlog-tiles |
//! | `note` | C2SP signed-note |
//! | `checkpoint` | C2SP tlog-checkpoint |
//! | `cosignature` | C2SP tlog-cosignature |
//! | `witness` | C2SP tlog-witness |
//! | `log_proof` | C2SP tlog-proof |
//! | `policy` | C2SP tlog-policy |
//! | `commitment` | our own: leaves that hide what they commit to |

pub mod checkpoint;
pub mod commitment;
pub mod cosignature;
pub mod growth;
pub mod log_proof;
pub mod merkle;
pub mod note;
pub mod policy;
pub mod proof;
pub mod tile;
pub mod witness;

pub use checkpoint::Checkpoint;
pub use commitment::commitment_leaf;
pub use growth::Growth;
pub use log_proof::LogProof;
pub use merkle::{Frontier, leaf_hash};
pub use note::{Note, Signer, VerifierKey};
pub use policy::Policy;
