//! From a verified certificate to a [`Caller`](crate::units::Caller): who speaks on a connection.
//!
//! Not for what a caller may say (that is `rules/`), and not for the signature of a statement
//! (that is `envelope/`): a connection is a desk's, a statement is an officer's.
//!
//! Invariants:
//! - there is no root store shared by nations: the single URI of a certificate picks the nation,
//!   and only that nation's own authority and revocation list decide;
//! - TLS 1.3 only, no session is ever resumed, so that every connection passes the verifier;
//! - what is missing, unreadable or stale refuses: nothing here falls open;
//! - a refusal is a [`Denied`] with a permanent code (`I-101`...);
//! - a private key has no `Debug` and no `Display`, and is zeroed when dropped.
//!
//! The parts, in reading order.

pub mod uri;

pub mod denied;

pub mod certificate;

pub mod authority;

pub mod trust;

pub mod relay_trust;

pub mod verifier;

pub mod unlock;

pub mod keyfile;

pub mod tls;

pub mod connections;

pub mod listen;

pub mod connect;

pub use connect::connect;
pub use connections::{Connection, Connections, PeerInfo};
pub use denied::Denied;
pub use listen::{Limits, listen};
pub use relay_trust::RelayTrust;
pub use tls::{OwnCertificate, client_config, server_config};
pub use trust::Trust;
pub use unlock::Unlock;

use crate::units::Timestamp;

/// The wall clock.
pub(crate) fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_millisecond())
}
