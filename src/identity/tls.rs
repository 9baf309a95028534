//! The rustls configurations of both ends, and a certificate that can be replaced while in use.
//!
//! Not for who is trusted: `trust.rs` and `relay_trust.rs`.
//!
//! Fixed here: TLS 1.3 only; X25519MLKEM768 first; aws-lc-rs, passed explicitly; no tickets, no
//! session storage, no resumption, no early data; no key log; ALPN "h2" only, "http/1.1" for what
//! everybody may read.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SignatureScheme};

use super::certificate::{self, Leaf};
use super::denied::Denied;
use super::keyfile::{self, Kind};
use super::relay_trust::RelayTrust;
use super::stamp::Stamp;
use super::trust::Trust;
use super::unlock::Unlock;
use super::verifier::{DeskVerifier, RelayVerifier};
use crate::units::DAY_MS;

/// From so many days before its end, a certificate's renewal is asked for once a day.
const EXPIRY_WARN_DAYS: i64 = 14;

/// The only protocol spoken inside TLS: HTTP/2 (RFC 9113 section 3.2).
pub const ALPN: &[u8] = b"h2";

/// The certificate or key of this end cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OwnFault {
    /// The certificate file cannot be read.
    #[error("the certificate file {0} cannot be read: {1}")]
    File(PathBuf, String),
    /// The certificate would be refused by every peer.
    #[error("the certificate in {0} would be refused: {1}")]
    Certificate(PathBuf, Denied),
    /// The key file cannot be opened.
    #[error("the key file {0} cannot be opened: {1}")]
    Key(PathBuf, keyfile::Fault),
    /// Key and certificate do not belong together, or the key cannot be used.
    #[error("the key in {0} does not fit the certificate: {1}")]
    Mismatch(PathBuf, String),
}

/// The certificate and key of this end; reloaded without dropping a connection.
pub struct OwnCertificate {
    certificate: PathBuf,
    key: PathBuf,
    unlock: Unlock,
    current: ArcSwap<(Arc<CertifiedKey>, Leaf)>,
    files: Mutex<[Option<Stamp>; 2]>,
}

impl OwnCertificate {
    /// Loads the certificate (PEM, own certificate first) and its key.
    ///
    /// # Errors
    /// [`OwnFault`], in words.
    pub fn load(certificate: &Path, key: &Path, unlock: Unlock) -> Result<Self, OwnFault> {
        // Stamped first: what changes while it is read is read again.
        let files = Mutex::new([certificate, key].map(Stamp::of));
        let current = ArcSwap::from_pointee(load(certificate, key, &unlock)?);
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        Ok(Self { certificate, key, unlock, current, files })
    }

    /// Loads both files again; new connections use what is in them now.
    ///
    /// # Errors
    /// [`OwnFault`]; what was in use before is kept.
    pub fn reload(&self) -> Result<(), OwnFault> {
        self.current.store(Arc::new(load(&self.certificate, &self.key, &self.unlock)?));
        Ok(())
    }

    /// Loads both files again if one of them changed since they were last loaded; true when what is
    /// in use is new.
    ///
    /// # Errors
    /// As [`Self::reload`]; the same files are not tried twice.
    pub fn reload_changed(&self) -> Result<bool, OwnFault> {
        let stamps = [&self.certificate, &self.key].map(|path| Stamp::of(path));
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if *files == stamps {
            return Ok(false);
        }
        *files = stamps;
        drop(files);
        self.reload().map(|()| true)
    }

    /// Keeps up with the files for as long as it is polled, and warns when the certificate nears
    /// its end: one task of the relay, one of each desk.
    pub async fn keep_up(self: Arc<Self>, every: Duration) {
        let mut warned = None;
        loop {
            match self.reload_changed() {
                Ok(true) => {
                    let until = self.leaf().not_after;
                    tracing::info!(%until, "own certificate reloaded");
                }
                Ok(false) => {}
                Err(fault) => {
                    tracing::error!(%fault, "own certificate not usable; the one before is kept");
                }
            }
            let leaf = self.leaf();
            let left_days = leaf.not_after.since_ms(super::now()).div_euclid(DAY_MS);
            if left_days < EXPIRY_WARN_DAYS && warned != Some(left_days) {
                tracing::warn!(not_after = %leaf.not_after, left_days, "renew the own certificate");
                warned = Some(left_days);
            }
            tokio::time::sleep(every).await;
        }
    }

    /// What the certificate in use says.
    pub fn leaf(&self) -> Leaf {
        self.current.load().1.clone()
    }
}

impl fmt::Debug for OwnCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnCertificate({})", self.leaf().uri)
    }
}

impl ResolvesServerCert for OwnCertificate {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.load().0))
    }
}

impl ResolvesClientCert for OwnCertificate {
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        _sigschemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.load().0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// The cryptography of both ends: aws-lc-rs, post-quantum hybrid first, TLS 1.3 suites only.
pub fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384,
            aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256,
            aws_lc_rs::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![
            aws_lc_rs::kx_group::X25519MLKEM768,
            aws_lc_rs::kx_group::X25519,
            aws_lc_rs::kx_group::SECP256R1,
            aws_lc_rs::kx_group::SECP384R1,
        ],
        ..aws_lc_rs::default_provider()
    }
}

/// HTTP/1.1 inside TLS (RFC 7301), for what everybody may read.
const ALPN_PUBLIC: &[u8] = b"http/1.1";

/// The relay's side.
///
/// # Panics
/// Never: the provider above has suites for TLS 1.3.
pub fn server_config(own: Arc<OwnCertificate>, trust: Arc<Trust>) -> Arc<ServerConfig> {
    server(own, Arc::new(DeskVerifier::new(trust)), ALPN)
}

/// The relay's side for what everybody may read: nobody is asked for a certificate.
///
/// # Panics
/// Never: the provider above has suites for TLS 1.3.
pub fn public_server_config(own: Arc<OwnCertificate>) -> Arc<ServerConfig> {
    server(own, WebPkiClientVerifier::no_client_auth(), ALPN_PUBLIC)
}

fn server(
    own: Arc<OwnCertificate>,
    clients: Arc<dyn ClientCertVerifier>,
    alpn: &[u8],
) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has suites for TLS 1.3")
        .with_client_cert_verifier(clients)
        .with_cert_resolver(own);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    config.alpn_protocols = vec![alpn.to_vec()];
    Arc::new(config)
}

/// The side of whoever reads what a relay serves to everybody, and knows the relay by its genesis.
///
/// # Panics
/// Never: the provider above has suites for TLS 1.3.
pub fn relay_reader_config(trust: Arc<RelayTrust>) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has suites for TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(RelayVerifier::new(trust)))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    config.alpn_protocols = vec![ALPN_PUBLIC.to_vec()];
    Arc::new(config)
}

/// The side of whoever reads from any web server: known by its name under one of the authorities
/// in these certificates (PEM).
///
/// # Errors
/// When there is none that can be used.
///
/// # Panics
/// Never: the provider above has suites for TLS 1.3.
pub fn public_client_config(authorities: &[u8]) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(authorities) {
        // One that cannot be used is not trusted; the others still are.
        let _unusable = authority.map(|authority| roots.add(authority));
    }
    if roots.is_empty() {
        return Err("there is no certificate of an authority in it".to_owned());
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has suites for TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![ALPN_PUBLIC.to_vec()];
    Ok(Arc::new(config))
}

/// A desk's side.
///
/// # Panics
/// Never: the provider above has suites for TLS 1.3.
pub fn client_config(own: Arc<OwnCertificate>, trust: Arc<RelayTrust>) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has suites for TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(RelayVerifier::new(trust)))
        .with_client_cert_resolver(own);
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    // Names mean nothing here, so none is sent.
    config.enable_sni = false;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Arc::new(config)
}

fn load(
    certificate: &Path,
    key: &Path,
    unlock: &Unlock,
) -> Result<(Arc<CertifiedKey>, Leaf), OwnFault> {
    let file = |why: String| OwnFault::File(certificate.to_owned(), why);
    let pem = std::fs::read(certificate).map_err(|fault| file(fault.to_string()))?;
    let chain: Result<Vec<CertificateDer<'static>>, _> =
        CertificateDer::pem_slice_iter(&pem).collect();
    let chain = chain.map_err(|fault| file(fault.to_string()))?;
    let first = chain.first().ok_or_else(|| file("it holds no certificate".to_owned()))?;
    let leaf = certificate::parse(first)
        .and_then(|leaf| leaf.check_time(super::now()).map(|()| leaf))
        .map_err(|denied| OwnFault::Certificate(certificate.to_owned(), denied))?;
    if leaf.is_long_lived() {
        tracing::warn!(uri = %leaf.uri, not_after = %leaf.not_after, "own certificate lives long");
    }
    let secret = keyfile::read(key, Kind::Tls, unlock)
        .map_err(|fault| OwnFault::Key(key.to_owned(), fault))?;
    let mismatch = |why: String| OwnFault::Mismatch(key.to_owned(), why);
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(secret.bytes()));
    let signing = aws_lc_rs::sign::any_supported_type(&private)
        .map_err(|fault| mismatch(fault.to_string()))?;
    let certified = CertifiedKey::new(chain, signing);
    certified.keys_match().map_err(|fault| mismatch(fault.to_string()))?;
    Ok((Arc::new(certified), leaf))
}
