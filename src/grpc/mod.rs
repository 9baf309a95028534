//! The wire, both ends: who calls is known from the connection, what is said is read here once,
//! by exhaustive destructuring, and what went wrong is one table of statuses.
//!
//! Not for deciding anything. An edge can be deleted without touching anything above it, and none
//! writes the journal.
//!
//! The relay's side is [`serve`], the desk's is [`client`]; [`Failure`] is what a client reads out
//! of a status.

pub mod client;
pub mod failure;
#[cfg(any())]
pub mod health;
pub mod meter;
pub mod page;
#[cfg(any())]
pub mod serve;

#[cfg(any())]
mod desk_service;
#[cfg(any())]
mod directory_service;
#[cfg(any())]
mod follows;
#[cfg(any())]
mod guard;
#[cfg(any())]
mod log_service;
#[cfg(any())]
mod operator_service;
#[cfg(any())]
mod parse;
#[cfg(any())]
mod quota;
#[cfg(any())]
mod read;
#[cfg(any())]
mod render;
#[cfg(any())]
mod status;
mod trouble;

pub use client::RelayClient;
pub use failure::Failure;
pub use meter::Meter;
#[cfg(any())]
pub use serve::{Edge, Limits, ServeError};
