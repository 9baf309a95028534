//! The rules of the network. Dispatch only.
pub mod command;
pub mod event;
