//! A follower that gathers cosignatures: each witness is asked about every newly published head of
//! a log, one question at a time, and what it answers is verified and noted in `relay::Heads`.
//!
//! Not for publishing, and not for desks' connections (see `grpc`): how a witness is reached is an
//! [`Ask`]. Nobody's request ever waits for anything here.

mod gather;
pub mod http;
mod witnesses;
mod word;

pub use gather::{ASK_WITHIN, Answer, Ask, Gone, gather};
pub use witnesses::{Place, WitnessState, Witnesses};
pub use word::tell;
