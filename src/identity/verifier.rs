//! The two rustls verifiers: the relay's for desks, a desk's for the relay.
//!
//! Not for the judgement itself, which is [`Trust::judge`] and [`RelayTrust::admit`].
//!
//! A refusal is logged here with its code, because rustls only carries an alert to the peer.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
};

use super::authority::algorithms;
use super::denied::Denied;
use super::relay_trust::RelayTrust;
use super::trust::Trust;
use crate::units::Timestamp;

/// The relay's verifier of desks. A certificate is mandatory.
pub struct DeskVerifier {
    trust: Arc<Trust>,
}

impl DeskVerifier {
    /// A verifier that asks `trust`.
    pub const fn new(trust: Arc<Trust>) -> Self {
        Self { trust }
    }
}

impl fmt::Debug for DeskVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeskVerifier")
    }
}

impl ClientCertVerifier for DeskVerifier {
    /// None: who is a member is nobody's business before the handshake.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.trust.judge(end_entity, moment(now)) {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            Err(denied) => {
                tracing::warn!(code = denied.code(), cause = %denied, "desk refused");
                Err(alert(denied))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        algorithms().supported_schemes()
    }
}

/// A desk's verifier of the relay.
pub struct RelayVerifier {
    trust: Arc<RelayTrust>,
}

impl RelayVerifier {
    /// A verifier that asks `trust`.
    pub const fn new(trust: Arc<RelayTrust>) -> Self {
        Self { trust }
    }
}

impl fmt::Debug for RelayVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelayVerifier")
    }
}

impl ServerCertVerifier for RelayVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.trust.admit(end_entity, moment(now)) {
            Ok(_) => Ok(ServerCertVerified::assertion()),
            Err(denied) => {
                tracing::warn!(code = denied.code(), cause = %denied, "relay refused");
                Err(alert(denied))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        algorithms().supported_schemes()
    }
}

/// The refusal behind a TLS error of ours, if there is one.
pub fn denied(error: &Error) -> Option<&Denied> {
    if let Error::InvalidCertificate(CertificateError::Other(other)) = error {
        other.0.downcast_ref()
    } else {
        None
    }
}

fn alert(denied: Denied) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(denied))))
}

fn moment(now: UnixTime) -> Timestamp {
    Timestamp(i64::try_from(now.as_secs()).unwrap_or(i64::MAX / 1000).saturating_mul(1000))
}
