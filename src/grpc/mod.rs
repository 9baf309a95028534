//! The wire, both ends: who calls is known from the connection, what is said is read here once,
//! by exhaustive destructuring, and what went wrong is one table of statuses.
//!
//! Not for deciding anything. An edge can be deleted without touching anything above it, and none
//! writes the journal.

pub mod client;
pub mod failure;
mod guard;
pub mod meter;
mod quota;
pub mod roster;
mod trouble;
pub mod uplink;
mod uplink_backoff;
mod uplink_courier;
mod uplink_follow;

pub use failure::Failure;
pub use meter::Meter;
pub use roster::{Peer, Present, Roster};
