//! Witnesses from elsewhere that speak C2SP tlog-witness over HTTP: those of the policy that have
//! an address. Under the same address the newest head that one has cosigned is looked for.
//!
//! Not a general client: one request at a time for each log, HTTP/1.1, no redirects, answers of at
//! most 64 KiB. What is not an answer (no connection, silence) is tried again after a pause that
//! grows; 429 and 5xx are too, but only so often.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Uri, header};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use super::gather::{ASK_WITHIN, Answer, Ask, Gone, gather};
use super::witnesses::{Place, Witnesses};
use super::word::{sound, until_awaited};
use crate::codec::Log;
use crate::relay::Relay;
use crate::tlog::witness::monitoring_path;
use crate::tlog::{Note, Policy, VerifierKey};
use crate::units::Unreadable;

/// Cosignatures of post-quantum keys are 3.3 KiB each; no witness has more than a few.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// The first pause after no answer; each one after is twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
/// The longest.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// So often an answer of 429 or 5xx is taken for "later": for about two minutes. Then it is final
/// for this head.
const REFUSALS_MAX: u32 = 8;
/// The longest while the relay signs nothing: it may be this witness that it waits for.
const PAUSE_HELD_MAX: Duration = Duration::from_secs(5);

/// A witness with an address.
#[derive(Clone)]
pub struct HttpWitness {
    key: VerifierKey,
    /// Without a slash at its end.
    base: String,
    host: String,
    port: u16,
    /// None over plain HTTP, where anybody on the way can answer with an older cosignature.
    tls: Option<TlsConnector>,
}

impl HttpWitness {
    /// The witnesses of a policy that have an address. `authorities` is a PEM file with those that
    /// HTTPS certificates are held against; it is read only when one of the addresses is HTTPS.
    ///
    /// # Errors
    /// When an address is no plain `http` or `https` URL, or the file cannot be read.
    pub fn of_policy(policy: &Policy, authorities: &Path) -> Result<Vec<Self>, Unreadable> {
        let mut tls = None;
        let mut found = Vec::new();
        for witness in policy.witnesses() {
            let Some(url) = witness.url else { continue };
            let wrong = |why: &str| Unreadable::new("witness", format!("{url:?} {why}"));
            let base: Uri = url.parse().map_err(|_| wrong("is no URL"))?;
            let is_https = match base.scheme_str() {
                Some("http") => false,
                Some("https") => true,
                Some(_) | None => return Err(wrong("is neither http:// nor https://")),
            };
            if base.query().is_some() {
                return Err(wrong("has a query"));
            }
            let host = base.host().ok_or_else(|| wrong("names no host"))?.to_owned();
            let path = base.path().trim_end_matches('/').to_owned();
            if is_https && tls.is_none() {
                tls = Some(connector(authorities)?);
            }
            let port = base.port_u16().unwrap_or(if is_https { 443 } else { 80 });
            let tls = tls.clone().filter(|_| is_https);
            found.push(Self { key: witness.key.clone(), base: path, host, port, tls });
        }
        Ok(found)
    }

    /// Asks it about every published head of both logs, for ever; while the relay may not sign, how
    /// far it has seen.
    pub async fn keep_asking(self, relay: Relay, witnesses: Witnesses) {
        let Some(place) = witnesses.join(&self.key) else { return };
        let link = Link { witness: &self, place: &place, relay: &relay };
        let ask = async |log| {
            let asked = (&self.key, &place);
            loop {
                let seen = match sound(&relay, log, asked, &link).await {
                    Ok(seen) => seen,
                    Err(gone) => return gone,
                };
                tokio::select! {
                    gone = gather(&relay, log, asked, seen, &link) => return gone,
                    // No newer head comes by which it would be asked.
                    () = until_awaited(&relay, log, &self.key) => {}
                }
            }
        };
        let (Gone(why), Gone(_)) = tokio::join!(ask(Log::Directory), ask(Log::Traffic));
        tracing::debug!(witness = %self.key.name(), why, "a witness is not asked any more");
    }

    /// Asks for what lies under `path`; with a body, asks to take it.
    async fn request(&self, path: &str, body: Option<&str>) -> io::Result<Answer> {
        let uri = format!("{}/{path}", self.base);
        let request = if body.is_some() { Request::post(uri) } else { Request::get(uri) };
        let request = request
            .header(header::HOST, format!("{}:{}", self.host, self.port))
            .header(header::USER_AGENT, concat!("detente/", env!("CARGO_PKG_VERSION")))
            .body(body.map_or_else(Body::empty, |body| Body::from(body.to_owned())))
            .map_err(io::Error::other)?;
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, self.port)).await?;
        match &self.tls {
            None => send(stream, request).await,
            Some(tls) => {
                let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
                send(tls.connect(name, stream).await?, request).await
            }
        }
    }
}

async fn send(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Body>,
) -> io::Result<Answer> {
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
    let (mut send, connection) = handshake.await.map_err(io::Error::other)?;
    let exchange = async {
        let response = send.send_request(request).await.map_err(io::Error::other)?;
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(Body::new(response.into_body()), ANSWER_BYTES_MAX);
        let bytes = bytes.await.map_err(io::Error::other)?;
        let body = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Answer { status, body })
    };
    tokio::pin!(connection, exchange);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        ended = &mut connection => match ended {
            // The whole answer may have come with the end of the connection.
            Ok(()) => exchange.await,
            Err(error) => Err(io::Error::other(error)),
        },
    }
}

/// A witness, and where it is said what is wrong with it.
struct Link<'a> {
    witness: &'a HttpWitness,
    place: &'a Place,
    relay: &'a Relay,
}

impl Ask for Link<'_> {
    async fn ask(&self, log: Log, body: String) -> Result<Answer, Gone> {
        let mut pause = PAUSE_FIRST;
        let mut refused = 0;
        loop {
            let asking = self.witness.request("add-checkpoint", Some(&body));
            let say = |why: String| self.place.trouble(log, &why.clone(), why);
            match timeout(ASK_WITHIN, asking).await {
                Ok(Ok(Answer { status, .. }))
                    if (status == 429 || status >= 500) && refused < REFUSALS_MAX =>
                {
                    refused += 1;
                    // What it answers in the end is said in the log.
                    self.place.gone(format!("it answered {status}, and is asked again"));
                }
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => say(format!("it is not reached: {error}")),
                Err(_elapsed) => say(format!("it has not answered in {} s", ASK_WITHIN.as_secs())),
            }
            sleep(pause).await;
            let is_held = self.relay.signers().is_some_and(|signers| signers.held().is_some());
            pause = (pause * 2).min(if is_held { PAUSE_HELD_MAX } else { PAUSE_MAX });
        }
    }

    async fn shown(&self, log: Log) -> Option<Note> {
        let signers = self.relay.signers()?;
        let path = monitoring_path(signers.verifier(log).name().as_str());
        let asking = self.witness.request(&path, None);
        // Not every witness shows it; and it is asked again where that matters.
        let Answer { status, body } = timeout(ASK_WITHIN, asking).await.ok()?.ok()?;
        if status == 200 { body.parse().ok() } else { None }
    }
}

fn connector(authorities: &Path) -> Result<TlsConnector, Unreadable> {
    let wrong = |why: String| {
        Unreadable::new("tls.witness_authorities", format!("{}: {why}", authorities.display()))
    };
    let pem = std::fs::read(authorities).map_err(|error| wrong(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("it has no certificate".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
