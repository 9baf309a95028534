//! A small certificate authority for development networks and small desks: keys, certificates,
//! revocation lists.
//!
//! Not for a nation that has an authority of its own: it issues by the README's profile with its
//! own tools, and only its certificates go into the genesis.
//!
//! ECDSA P-256 throughout. An authority lives 10 years, a leaf 90 days, a list 30 days.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SanType, SerialNumber,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use x509_parser::prelude::{CertificateRevocationList, FromDer};

use crate::units::{DAY_MS, MINUTE_MS, Name, Timestamp};

/// Days an authority lives.
pub const AUTHORITY_DAYS: i64 = 3_650;
/// Days a certificate of a desk or the relay lives.
pub const LEAF_DAYS: i64 = 90;
/// Days until the next revocation list is due.
pub const LIST_DAYS: i64 = 30;
/// Certificates begin, and end, this much earlier, so that clocks may differ; milliseconds.
pub const BACKDATE_MS: i64 = 5 * MINUTE_MS;

/// Certificates count in whole seconds. The type belongs to a crate that is not ours to name.
macro_rules! moment {
    ($at:expr) => {
        rcgen::date_time_ymd(1970, 1, 1)
            + Duration::from_millis(u64::try_from($at.0).unwrap_or(0) / 1000 * 1000)
    };
}

/// An authority whose key is at hand.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
pub struct Issued {
    /// The certificate, DER.
    pub der: Vec<u8>,
    /// The certificate, PEM.
    pub pem: String,
    /// The key, PKCS#8 DER.
    pub key: Vec<u8>,
    /// The serial number.
    pub serial: Vec<u8>,
}

/// A certificate on a revocation list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// Its serial number.
    pub serial: Vec<u8>,
    /// Since when.
    pub at: Timestamp,
}

/// What a revocation list says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationList {
    /// Its number: each list has a higher one than the one before.
    pub number: u64,
    /// What is revoked.
    pub revoked: Vec<Revoked>,
    /// When it was issued.
    pub this_update: Timestamp,
    /// When the next one is due.
    pub next_update: Timestamp,
}

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// A desk.
    Desk,
    /// The relay.
    Relay,
}

impl Authority {
    /// A new authority of `whose` ("NL", "relay") and its own certificate.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn create(whose: &str, network: &Name, now: Timestamp) -> Result<(Self, Issued)> {
        let key = KeyPair::generate()?;
        let mut params = params(whose, network);
        params.not_before = moment!(now.plus_ms(-BACKDATE_MS));
        params.not_after = moment!(now.plus_ms(AUTHORITY_DAYS * DAY_MS));
        let serial = serial()?;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        let certificate = params.self_signed(&key)?;
        let issued = Issued {
            der: certificate.der().to_vec(),
            pem: certificate.pem(),
            key: key.serialize_der(),
            serial,
        };
        Ok((Self { issuer: Issuer::new(params, key) }, issued))
    }

    /// The authority whose key was made by [`Self::create`].
    ///
    /// # Errors
    /// When the key cannot be read.
    pub fn open(whose: &str, network: &Name, key: &[u8]) -> Result<Self> {
        let key = KeyPair::from_pkcs8_der_and_sign_algo(
            &PrivatePkcs8KeyDer::from(key),
            &rcgen::PKCS_ECDSA_P256_SHA256,
        )
        .context("the authority's key cannot be read")?;
        Ok(Self { issuer: Issuer::new(params(whose, network), key) })
    }

    /// A new key and a certificate with this one URI, valid for `days`.
    ///
    /// # Errors
    /// When the URI is not ASCII or the system has no randomness.
    pub fn issue(&self, uri: &str, usage: Use, days: i64, now: Timestamp) -> Result<Issued> {
        let key = KeyPair::generate()?;
        let serial = serial()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.not_before = moment!(now.plus_ms(-BACKDATE_MS));
        params.not_after = moment!(now.plus_ms(days * DAY_MS - BACKDATE_MS));
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.subject_alt_names = vec![SanType::URI(uri.try_into()?)];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match usage {
            Use::Desk => ExtendedKeyUsagePurpose::ClientAuth,
            Use::Relay => ExtendedKeyUsagePurpose::ServerAuth,
        }];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Issued {
            der: certificate.der().to_vec(),
            pem: certificate.pem(),
            key: key.serialize_der(),
            serial,
        })
    }

    /// A revocation list, PEM.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn revocation_list(&self, list: &RevocationList) -> Result<String> {
        let revoked = |revoked: &Revoked| RevokedCertParams {
            serial_number: SerialNumber::from_slice(&revoked.serial),
            revocation_time: moment!(revoked.at),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: moment!(list.this_update),
            next_update: moment!(list.next_update),
            crl_number: SerialNumber::from(list.number),
            issuing_distribution_point: None,
            revoked_certs: list.revoked.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(params.signed_by(&self.issuer)?.pem()?)
    }
}

impl RevocationList {
    /// A first, empty list.
    pub const fn first(now: Timestamp) -> Self {
        Self {
            number: 1,
            revoked: Vec::new(),
            this_update: now,
            next_update: now.plus_ms(LIST_DAYS * DAY_MS),
        }
    }

    /// The next list, with `serial` on it if one is given. Nothing is ever taken off.
    #[must_use]
    pub fn next(&self, serial: Option<Vec<u8>>, now: Timestamp) -> Self {
        let mut revoked = self.revoked.clone();
        if let Some(serial) = serial
            && !revoked.iter().any(|old| old.serial == serial)
        {
            revoked.push(Revoked { serial, at: now });
        }
        Self { number: self.number + 1, revoked, ..Self::first(now) }
    }

    /// Reads a list of ours (PEM).
    ///
    /// # Errors
    /// When it is not one.
    pub fn parse(pem: &[u8]) -> Result<Self> {
        let (_, pem) = x509_parser::pem::parse_x509_pem(pem).context("it is not PEM")?;
        let (_, list) = CertificateRevocationList::from_der(&pem.contents)
            .context("it is not a revocation list")?;
        let Some(number) = list.crl_number().and_then(|n| u64::try_from(n).ok()) else {
            bail!("it has no number");
        };
        let at = |time: x509_parser::time::ASN1Time| Timestamp(time.timestamp() * 1000);
        let Some(next_update) = list.next_update() else { bail!("it names no next update") };
        let revoked = list
            .iter_revoked_certificates()
            .map(|one| Revoked { serial: one.raw_serial().to_vec(), at: at(one.revocation_date) })
            .collect();
        let this_update = at(list.last_update());
        Ok(Self { number, revoked, this_update, next_update: at(next_update) })
    }
}

fn params(whose: &str, network: &Name) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let name = format!("{whose} certificate authority of {network}");
    params.distinguished_name.push(DnType::CommonName, name);
    // No authority below this one: leaves are issued directly.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// 16 random bytes, positive, without a leading zero (RFC 5280 section 4.1.2.2: at most 20).
fn serial() -> Result<Vec<u8>> {
    let mut serial = vec![0; 16];
    aws_lc_rs::rand::fill(&mut serial).context("the system has no randomness")?;
    if let Some(first) = serial.first_mut() {
        *first = (*first & 0x7f) | 0x40;
    }
    Ok(serial)
}
