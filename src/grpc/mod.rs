//! The wire, both ends: who calls is known from the connection, what is said is read here once,
//! by exhaustive destructuring, and what went wrong is one table of statuses.
//!
//! Not for deciding anything. An edge can be deleted without touching anything above it, and none
//! writes the journal.
//!
//! The relay's side is [`serve`], the desk's is [`client`]; [`Failure`] is what a client reads out
//! of a status.

pub mod agent;
pub mod client;
pub mod counter;
mod counter_directory;
mod counter_evidence;
mod counter_parse;
mod counter_render;
mod counter_service;
mod counter_status;
pub mod failure;
pub mod health;
pub mod meter;
pub mod officer;
pub mod operator;
pub mod page;
pub mod serve;

mod checkpoints;
mod desk_service;
mod directory_service;
mod erase;
mod follows;
mod guard;
mod log_service;
mod operator_service;
mod parse;
mod quota;
mod read;
mod read_directory;
mod render;
mod render_directory;
mod render_logs;
mod status;
mod times;
mod trouble;
mod witness_service;
pub mod uplink;
mod uplink_backoff;
mod uplink_checkpoints;
mod uplink_courier;
mod uplink_directory;
mod uplink_follow;
mod uplink_overdue;
mod uplink_proofs;
mod uplink_witness;

pub use client::RelayClient;
pub use failure::Failure;
pub use meter::Meter;
pub use officer::Officer;
pub use serve::{Edge, Limits, ServeError};
