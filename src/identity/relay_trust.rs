//! Whom a desk trusts: the relay of its genesis, and nobody else.
//!
//! Not for desks among each other: they never connect.
//!
//! The relay is known by its URI under the authority that the genesis names; DNS names and
//! addresses mean nothing, so a change of address needs no new certificate and a hijacked name
//! gains nothing. A revocation list of that authority (`relay.crl.pem`) is optional: where a
//! directory for it is configured, it must be there and fresh.

use std::path::PathBuf;

use arc_swap::ArcSwap;
use rustls::pki_types::CertificateDer;

use super::authority::{Authority, Use};
use super::certificate::{self, Leaf};
use super::denied::Denied;
use super::trust;
use super::uri::Uri;
use crate::envelope::genesis::Genesis;
use crate::units::{Name, Timestamp};

/// Whom a desk trusts.
pub struct RelayTrust {
    network: Name,
    lists: Option<PathBuf>,
    authorities: ArcSwap<Vec<Authority>>,
}

impl RelayTrust {
    /// Trust in the relay of `network` whose authorities are these certificates (DER).
    ///
    /// # Errors
    /// When an authority's certificate cannot be read.
    pub fn new(
        network: Name,
        authorities: &[Vec<u8>],
        lists: Option<PathBuf>,
    ) -> Result<Self, Denied> {
        let authorities: Result<Vec<_>, _> =
            authorities.iter().map(|der| Authority::parse(der)).collect();
        let trust = Self { network, lists, authorities: ArcSwap::from_pointee(authorities?) };
        if let Err(why) = trust.reload() {
            tracing::error!(why, "revocation list of the relay not usable");
        }
        Ok(trust)
    }

    /// Trust in the relay that the genesis names.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn from_genesis(genesis: &Genesis, lists: Option<PathBuf>) -> Result<Self, Denied> {
        Self::new(genesis.network.clone(), &genesis.relay_ca, lists)
    }

    /// Reads `relay.crl.pem` again, where a directory is configured. True when it is new.
    ///
    /// # Errors
    /// In words, when the file cannot be used; the list in use before is kept.
    pub fn reload(&self) -> Result<bool, String> {
        let Some(lists) = &self.lists else { return Ok(false) };
        let path = lists.join("relay.crl.pem");
        let ders = trust::read_file(&path).map_err(|why| format!("{}: {why}", path.display()))?;
        let mut authorities = Vec::clone(&self.authorities.load());
        let changed = trust::install(&mut authorities, &ders)?;
        self.authorities.store(authorities.into());
        Ok(changed)
    }

    /// Is this certificate (DER) the relay's, and good now?
    ///
    /// # Errors
    /// Every [`Denied`] but those about members.
    pub fn admit(&self, der: &CertificateDer<'_>, now: Timestamp) -> Result<Leaf, Denied> {
        let leaf = certificate::parse(der)?;
        if leaf.uri.network() != &self.network {
            return Err(Denied::OtherNetwork { named: leaf.uri.network().to_string() });
        }
        if !matches!(leaf.uri, Uri::Relay { .. }) {
            return Err(Denied::WrongKind { is: leaf.uri.to_string(), expected: "the relay" });
        }
        let mut refusal = Denied::UnknownIssuer { whose: "relay".to_owned() };
        for authority in self.authorities.load().iter() {
            match authority.prove(der, &leaf, Use::Relay, "relay", now) {
                Ok(()) if self.lists.is_none() => return Ok(leaf),
                Ok(()) => {
                    authority.standing(&leaf.serial, false, "relay", 0, now)?;
                    return Ok(leaf);
                }
                Err(Denied::UnknownIssuer { .. }) => {}
                Err(other) => refusal = other,
            }
        }
        Err(refusal)
    }
}
