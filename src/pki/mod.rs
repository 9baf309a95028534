//! A development network, and the keys of a small desk: made, renewed, revoked.
//!
//! Not for arguments (see `cli::pki`), and not for a nation with an authority of its own: that one
//! issues by the README's profile, and `detente genesis` takes its public half.

pub mod authority;
mod entry;
mod files;
mod keys;
mod network;
pub mod sample;
pub mod spec;
mod template;
mod upkeep;

pub use keys::{MadeDesk, MadeKey, desk_key, encryption_key, make_desk, officer_key};
pub use network::{
    DevNetwork, MadeMember, Moments, Spec, dev_network, dev_network_with, log_key, make_member,
    make_relay,
};
pub use upkeep::{
    Issuer, configure, issue, national, reissue_list, renew_desk, renew_relay, revoke_desk,
};
