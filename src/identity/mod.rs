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
//! The profile of a certificate, for a nation that issues with its own tools:
//! - X.509 v3, issued directly by an authority that the genesis names, valid for 90 days (more is
//!   warned about, more than 400 is refused);
//! - ECDSA P-256 or P-384, Ed25519, or RSA of 2,048 bits or more;
//! - exactly one URI name, `spiffe://<nation>.<network>/desk/<desk>` (see [`uri`]); the subject and
//!   names of other kinds are ignored;
//! - `basicConstraints` CA:false, `keyUsage` digitalSignature, `extendedKeyUsage` clientAuth (for
//!   the relay serverAuth), no unknown critical extension;
//! - its authority issues a revocation list with a number and a next update, at least every 30
//!   days, and sends it to the relay's operator, who puts it in place as `<label>.crl.pem`.
//!
//! The parts, in reading order.

pub mod uri;

pub mod denied;

pub mod certificate;

pub mod authority;

mod memory;

mod stamp;

pub mod trust;

pub mod relay_trust;

pub mod verifier;

pub mod unlock;

pub mod keyfile;

pub mod tls;

pub mod crowd;

pub mod connections;

pub mod listen;

pub mod connect;

pub use connect::{Refusals, connect};
pub use connections::{Connection, Connections, PeerInfo};
pub use denied::Denied;
pub use listen::{Limits, listen};
pub use relay_trust::RelayTrust;
pub use tls::{
    OwnCertificate, client_config, public_client_config, public_server_config, relay_reader_config,
    server_config,
};
pub use trust::Trust;
pub use unlock::Unlock;

use crate::units::Timestamp;

/// The wall clock.
pub(crate) fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_millisecond())
}
