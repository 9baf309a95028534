//! A letter between nations: a header the relay reads, a body it cannot.
//!
//! Not for rules about who may say what. Nothing here reads a clock, a disk or a random source:
//! randomness comes in as bytes.

pub mod genesis;
pub mod statement;
pub mod words;

pub use statement::{Act, RequestFacts, SeenCheckpoint, Signer, Statement};
