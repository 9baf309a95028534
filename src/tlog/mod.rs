//! Transparency-log formats, one file per public specification.
//!
//! Not for what a leaf means: nothing here knows a request or a desk. Nothing here reads a clock,
//! a disk, a socket or a random source, or logs. Proofs, tiles, notes, checkpoints and
//! cosignatures join beside these files, one each.

pub mod commitment;
pub mod merkle;

pub use commitment::commitment_leaf;
pub use merkle::{Frontier, leaf_hash};
