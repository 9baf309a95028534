//! One certificate authority with its revocation list: the proof that a certificate is its own.
//!
//! Not for choosing the authority: `trust.rs` (a nation's) and `relay_trust.rs` (the relay's) do.
//!
//! A certificate is issued directly by an authority that the genesis names. Intermediates that a
//! peer sends are ignored, so no peer decides how long a path is searched (RUSTSEC-2023-0053); a
//! nation with a deeper hierarchy names its issuing authority in the genesis.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{
    CertificateDer, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer, TrustAnchor, UnixTime,
};
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, OwnedCertRevocationList,
    RawPublicKeyEntity, RevocationCheckDepth, RevocationOptionsBuilder, UnknownStatusPolicy,
};
use x509_parser::prelude::{CertificateRevocationList, FromDer};

use super::certificate::{self, Leaf, moment, trimmed};
use super::denied::Denied;
use crate::units::{DAY_MS, HOUR_MS, Hash, Timestamp};

/// After a list's next update, certificates seen before are accepted for so long (24 hours).
pub const GRACE_MS_DEFAULT: i64 = 24 * HOUR_MS;

/// A list file larger than this is not read: 100,000 revocations of about 40 bytes, twice over.
pub const LIST_BYTES_MAX: u64 = 8 << 20;

/// An authority: its certificate and, when there is one, its newest revocation list.
#[derive(Clone)]
pub(super) struct Authority {
    /// SHA-256 of its certificate.
    pub(super) id: Hash,
    der: Vec<u8>,
    anchor: TrustAnchor<'static>,
    spki: SubjectPublicKeyInfoDer<'static>,
    weak: Option<Denied>,
    /// Its newest list.
    pub(super) list: Option<Arc<List>>,
    /// A list issued before this is a rollback, even where there is none in use.
    pub(super) floor: Option<Timestamp>,
}

/// A revocation list whose signature has been verified.
pub(super) struct List {
    parsed: CertRevocationList<'static>,
    number: Option<Vec<u8>>,
    serials: BTreeSet<Vec<u8>>,
    /// When it was issued.
    pub(super) this_update: Timestamp,
    /// When the next one is due.
    pub(super) next_update: Timestamp,
    digest: Hash,
}

/// What a certificate is used for here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// A desk towards the relay: clientAuth.
    Desk,
    /// The relay towards desks: serverAuth.
    Relay,
}

/// How a revocation list stands, for the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Age {
    /// Less than half of its life has passed.
    Ok,
    /// Half of it.
    Half,
    /// Three quarters.
    Late,
    /// Nine tenths.
    Due,
    /// Past its next update, inside the grace.
    Grace,
    /// Past the grace: everybody of this nation is refused.
    Expired,
    /// There is none: everybody of this nation is refused.
    Missing,
}

impl Age {
    /// The one spelling, as in `detente.operator.v1.RevocationList.state`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Half => "HALF",
            Self::Late => "LATE",
            Self::Due => "DUE",
            Self::Grace => "GRACE",
            Self::Expired => "EXPIRED",
            Self::Missing => "MISSING",
        }
    }
}

impl Authority {
    /// The authority with this certificate (DER), without a list.
    ///
    /// # Errors
    /// [`Denied::Unreadable`] when it is not a certificate that can be an anchor.
    pub(super) fn parse(der: &[u8]) -> Result<Self, Denied> {
        let unreadable = |why: String| Denied::Unreadable { why };
        let read = certificate::read(der)?;
        if !read.is_ca() {
            return Err(unreadable("it is not an authority (basicConstraints CA)".to_owned()));
        }
        let weak = certificate::check_key(read.public_key()).err();
        let owned = CertificateDer::from(der.to_vec());
        let anchor = webpki::anchor_from_trusted_cert(&owned)
            .map_err(|fault| unreadable(fault.to_string()))?
            .to_owned();
        let spki = SubjectPublicKeyInfoDer::from(read.public_key().raw.to_vec());
        Ok(Self {
            id: Hash::of(&[der]),
            der: der.to_vec(),
            anchor,
            spki,
            weak,
            list: None,
            floor: None,
        })
    }

    /// Is `leaf` (whose bytes are `der`) issued by this authority for `usage`, well formed, and
    /// not on its list? Staleness of the list is judged by [`Self::standing`].
    ///
    /// # Errors
    /// [`Denied::UnknownIssuer`] when another authority may know it; anything else is final.
    pub(super) fn prove(
        &self,
        der: &CertificateDer<'_>,
        leaf: &Leaf,
        usage: Use,
        whose: &str,
        now: Timestamp,
    ) -> Result<(), Denied> {
        leaf.check_time(now)?;
        let refuse = |fault| denied(fault, leaf, whose);
        let end_entity = EndEntityCert::try_from(der).map_err(refuse)?;
        let lists: Vec<&CertRevocationList<'_>> =
            self.list.iter().map(|list| &list.parsed).collect();
        let revocation = RevocationOptionsBuilder::new(&lists).ok().map(|builder| {
            builder
                .with_depth(RevocationCheckDepth::EndEntity)
                .with_status_policy(UnknownStatusPolicy::Deny)
                .with_expiration_policy(ExpirationPolicy::Ignore)
                .build()
        });
        end_entity
            .verify_for_usage(
                algorithms().all,
                std::slice::from_ref(&self.anchor),
                &[],
                unix(now),
                usage.key_usage(),
                revocation,
                None,
            )
            .map_err(refuse)?;
        // The weakness of an authority only matters once the certificate is known to be its own.
        self.weak.clone().map_or(Ok(()), Err)
    }

    /// Is the certificate `serial` good by this authority's list, now? `known` says that it was
    /// accepted while a list was fresh.
    ///
    /// # Errors
    /// [`Denied::NoRevocationList`], [`Denied::Revoked`], [`Denied::StaleRevocationList`].
    pub(super) fn standing(
        &self,
        serial: &[u8],
        known: bool,
        whose: &str,
        grace_ms: i64,
        now: Timestamp,
    ) -> Result<(), Denied> {
        let Some(list) = &self.list else {
            return Err(Denied::NoRevocationList { whose: whose.to_owned() });
        };
        if list.serials.contains(serial) {
            return Err(Denied::Revoked { serial: hex(serial) });
        }
        let in_grace = match list.age(grace_ms, now) {
            Age::Ok | Age::Half | Age::Late | Age::Due => return Ok(()),
            Age::Grace if known => return Ok(()),
            Age::Grace => true,
            Age::Expired | Age::Missing => false,
        };
        let due = list.next_update;
        Err(Denied::StaleRevocationList { whose: whose.to_owned(), due, in_grace })
    }

    /// Reads a list (DER) if it is this authority's: `Ok(None)` when another issued it.
    ///
    /// # Errors
    /// In words, when it is unreadable, badly signed, or older than the one we have.
    pub(super) fn parse_list(&self, der: &[u8]) -> Result<Option<List>, String> {
        let (rest, read) = CertificateRevocationList::from_der(der)
            .map_err(|fault| format!("it cannot be read: {fault}"))?;
        if !rest.is_empty() {
            return Err("bytes follow the list".to_owned());
        }
        let own = certificate::read(&self.der).map_err(|fault| fault.to_string())?;
        if read.issuer().as_raw() != own.subject().as_raw() {
            return Ok(None);
        }
        let key = RawPublicKeyEntity::try_from(&self.spki)
            .map_err(|fault| format!("the authority's key cannot be read: {fault}"))?;
        let (message, signature) = (read.tbs_cert_list.as_ref(), &read.signature_value.data);
        let signed_by = |algorithm: &&dyn SignatureVerificationAlgorithm| {
            key.verify_signature(*algorithm, message, signature).is_ok()
        };
        if !algorithms().all.iter().any(signed_by) {
            return Err("its signature is not the authority's".to_owned());
        }
        let next_update = read.next_update().ok_or("it names no next update")?;
        let parsed = OwnedCertRevocationList::from_der(der)
            .map_err(|fault| format!("it is not acceptable: {fault}"))?;
        let list = List {
            parsed: parsed.into(),
            number: read.crl_number().map(num_bytes),
            serials: read
                .iter_revoked_certificates()
                .map(|revoked| trimmed(revoked.raw_serial()).to_vec())
                .collect(),
            this_update: moment(read.last_update()),
            next_update: moment(next_update),
            digest: Hash::of(&[der]),
        };
        if self.floor.is_some_and(|floor| list.this_update < floor) {
            return Err(format!("it is older ({}) than one seen before", list.this_update));
        }
        match &self.list {
            Some(old) => list.check_follows(old).map(|()| Some(list)),
            None => Ok(Some(list)),
        }
    }
}

impl List {
    /// How it stands.
    pub(super) fn age(&self, grace_ms: i64, now: Timestamp) -> Age {
        let life = self.next_update.since_ms(self.this_update).max(1);
        let passed = now.since_ms(self.this_update);
        let share = |percent: i64| passed.saturating_mul(100) >= life.saturating_mul(percent);
        if now > self.next_update.plus_ms(grace_ms) {
            Age::Expired
        } else if now > self.next_update {
            Age::Grace
        } else if share(90) {
            Age::Due
        } else if share(75) {
            Age::Late
        } else if share(50) {
            Age::Half
        } else {
            Age::Ok
        }
    }

    /// True when both are the same bytes.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.digest == other.digest
    }

    /// An older list never replaces a newer one: it would un-revoke.
    fn check_follows(&self, old: &Self) -> Result<(), String> {
        let number = |list: &Self| list.number.as_deref().map(|n| (n.len(), n.to_vec()));
        let backwards = match (number(self), number(old)) {
            (Some(new), Some(old)) => new < old,
            (None, Some(_)) => true,
            (Some(_), None) | (None, None) => false,
        };
        if backwards || self.this_update < old.this_update {
            return Err(format!(
                "it is older ({}) than the list in use ({})",
                self.this_update, old.this_update
            ));
        }
        Ok(())
    }
}

impl Use {
    const fn key_usage(self) -> KeyUsage {
        // OIDs 1.3.6.1.5.5.7.3.{1,2}, without tag and length. Required, not required-if-present.
        match self {
            Self::Relay => KeyUsage::required(&[0x2b, 6, 1, 5, 5, 7, 3, 1]),
            Self::Desk => KeyUsage::required(&[0x2b, 6, 1, 5, 5, 7, 3, 2]),
        }
    }
}

/// The signature algorithms that certificates, lists and handshakes may use: those of aws-lc-rs
/// (no SHA-1, RSA from 2048 bits).
pub(super) fn algorithms() -> WebPkiSupportedAlgorithms {
    rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms
}

/// Bytes as lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn num_bytes(number: &x509_parser::num_bigint::BigUint) -> Vec<u8> {
    trimmed(&number.to_bytes_be()).to_vec()
}

fn unix(now: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(now.0).unwrap_or(0)))
}

fn denied(fault: webpki::Error, leaf: &Leaf, whose: &str) -> Denied {
    use webpki::Error as E;
    #[expect(clippy::wildcard_enum_match_arm, reason = "webpki's list is open")]
    match fault {
        // A wrong signature under the right name is a forgery of that name: the issuer is unknown.
        E::UnknownIssuer | E::InvalidSignatureForPublicKey => {
            Denied::UnknownIssuer { whose: whose.to_owned() }
        }
        E::CertExpired { .. } => Denied::Expired { not_after: leaf.not_after },
        E::CertNotValidYet { .. } => Denied::NotYetValid { not_before: leaf.not_before },
        E::CertRevoked => Denied::Revoked { serial: hex(&leaf.serial) },
        E::UnknownRevocationStatus => Denied::NoRevocationList { whose: whose.to_owned() },
        E::RequiredEkuNotFoundContext(_) | E::EmptyEkuExtension | E::CaUsedAsEndEntity => {
            Denied::WrongUse
        }
        other => Denied::Unacceptable { why: other.to_string() },
    }
}

/// Days as milliseconds, for policies.
pub const fn days(n: i64) -> i64 {
    n * DAY_MS
}
