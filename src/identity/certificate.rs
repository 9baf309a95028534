//! What we read in a peer's own certificate, and what we refuse in it whoever issued it.
//!
//! Not for the chain, the signature or revocation: see `authority.rs`.
//!
//! Exactly one URI name is required. Names of other kinds (DNS, e-mail, address) and the subject
//! are ignored: they are never read, so they can never mean anything.

use x509_parser::der_parser::asn1_rs::Tag;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::denied::Denied;
use super::uri::Uri;
use crate::units::{DAY_MS, Hash, Timestamp};

/// Fewest bits of an RSA modulus (NIST SP 800-57 part 1: 112 bits of security).
const RSA_BITS_MIN: usize = 2048;

/// A leaf that lives longer is refused: 398 days of the CA/Browser Forum's baseline, rounded up.
pub const LIFETIME_DAYS_MAX: i64 = 400;

/// A leaf that lives longer is accepted with a warning in the log.
pub const LIFETIME_DAYS_WARN: i64 = 90;

/// A certificate read for who it names; nothing has been proven about it yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The one URI.
    pub uri: Uri,
    /// Serial number, big-endian, without leading zeros.
    pub serial: Vec<u8>,
    /// Begin of validity.
    pub not_before: Timestamp,
    /// End of validity (inclusive).
    pub not_after: Timestamp,
    /// SHA-256 of the whole certificate.
    pub fingerprint: Hash,
}

/// Reads a certificate and applies what holds whoever issued it: one canonical URI, a strong key,
/// a bounded life.
///
/// # Errors
/// [`Denied::Unreadable`], [`Denied::NotOneUri`], [`Denied::BadUri`], [`Denied::WeakKey`],
/// [`Denied::LivesTooLong`].
pub fn parse(der: &[u8]) -> Result<Leaf, Denied> {
    let certificate = read(der)?;
    let uri = only_uri(&certificate)?;
    check_key(certificate.public_key())?;
    let not_before = moment(certificate.validity().not_before);
    let not_after = moment(certificate.validity().not_after);
    // Whole days, rounded up: 400 days and a second are 401.
    let days = not_after.since_ms(not_before).saturating_add(DAY_MS - 1).div_euclid(DAY_MS);
    if days > LIFETIME_DAYS_MAX {
        return Err(Denied::LivesTooLong { days, days_max: LIFETIME_DAYS_MAX });
    }
    Ok(Leaf {
        uri,
        serial: trimmed(certificate.raw_serial()).to_vec(),
        not_before,
        not_after,
        fingerprint: Hash::of(&[der]),
    })
}

impl Leaf {
    /// True when it lives longer than [`LIFETIME_DAYS_WARN`].
    pub const fn is_long_lived(&self) -> bool {
        self.not_after.since_ms(self.not_before) > LIFETIME_DAYS_WARN * DAY_MS + DAY_MS
    }

    /// Is it inside its validity?
    ///
    /// # Errors
    /// [`Denied::Expired`], [`Denied::NotYetValid`].
    pub const fn check_time(&self, now: Timestamp) -> Result<(), Denied> {
        if now.0 < self.not_before.0 {
            return Err(Denied::NotYetValid { not_before: self.not_before });
        }
        if now.0 > self.not_after.0 {
            return Err(Denied::Expired { not_after: self.not_after });
        }
        Ok(())
    }
}

/// The certificate as x509-parser sees it, and nothing behind it.
pub(super) fn read(der: &[u8]) -> Result<X509Certificate<'_>, Denied> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err(Denied::Unreadable { why: "bytes follow it".to_owned() }),
        Err(fault) => Err(Denied::Unreadable { why: fault.to_string() }),
    }
}

/// Refuses keys below the policy.
pub(super) fn check_key(spki: &SubjectPublicKeyInfo<'_>) -> Result<(), Denied> {
    let weak = |what: String| Err(Denied::WeakKey { what });
    match spki.parsed() {
        Ok(PublicKey::RSA(key)) if key.key_size() < RSA_BITS_MIN => {
            weak(format!("RSA of {} bits", key.key_size()))
        }
        Ok(PublicKey::RSA(_)) => Ok(()),
        Ok(PublicKey::EC(point)) if point.key_size() < 256 => {
            weak(format!("an elliptic curve of {} bits", point.key_size()))
        }
        Ok(PublicKey::EC(_)) => Ok(()),
        // Ed25519 (RFC 8410) is the only other algorithm the verifier knows.
        _ if spki.algorithm.algorithm.to_id_string() == "1.3.101.112" => Ok(()),
        _ => weak(format!("algorithm {}", spki.algorithm.algorithm.to_id_string())),
    }
}

/// A moment of a certificate or list.
pub(super) fn moment(time: ASN1Time) -> Timestamp {
    Timestamp(time.timestamp().saturating_mul(1000))
}

/// Without leading zeros, so that two encodings of one number are equal.
pub(super) fn trimmed(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

fn only_uri(certificate: &X509Certificate<'_>) -> Result<Uri, Denied> {
    let names = certificate
        .subject_alternative_name()
        .map_err(|fault| Denied::Unreadable { why: format!("its alternative names: {fault}") })?;
    let names = names.map(|names| names.value.general_names.as_slice()).unwrap_or_default();
    let mut uris = Vec::new();
    for name in names {
        if let GeneralName::URI(text) = name {
            uris.push(Ok(*text));
        } else if let GeneralName::Invalid(Tag(6), _) = name {
            // Context tag 6 is a URI; this one is not even ASCII.
            uris.push(Err(()));
        }
    }
    match uris.as_slice() {
        [Ok(text)] => text
            .parse()
            .map_err(|fault: crate::units::Unreadable| Denied::BadUri { why: fault.why }),
        [Err(())] => Err(Denied::BadUri { why: "it is not ASCII".to_owned() }),
        many => Err(Denied::NotOneUri { found: many.len() }),
    }
}
