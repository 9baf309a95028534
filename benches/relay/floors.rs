//! What a durable submission cannot do without, each by itself.
//!
//! - [`Echo`]: a bare tonic unary call over mutual TLS that takes the same bytes, verifies one
//!   Ed25519 signature and answers; nothing is read, decided or kept.
//! - [`Append`]: the same bytes written into a preallocated file, and one `fdatasync`.

use std::convert::Infallible;
use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use anyhow::Result;
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use detente::envelope::genesis;
use detente::envelope::sign::HEADER_TYPE;
use detente::identity::{self, Connections, OwnCertificate, Trust, Unlock};
use detente::wire::detente::desk::v1 as api;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::{Request, Response, Status};

use crate::figures::{Round, cpu};
use crate::network::Network;

type Answer<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The bare echo. A clone answers for the same keys.
#[derive(Clone)]
pub(crate) struct Echo {
    /// Public keys by their id: those of every duty officer.
    keys: Arc<std::collections::BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl Echo {
    /// Serves with the relay's own certificate and trust; ends with the process.
    pub(crate) async fn start(network: &Network) -> Result<SocketAddr> {
        let config = network.relay_config("echo")?;
        let unlock = Unlock::from_file(&network.relay_home().join("unlock"))?;
        let own = OwnCertificate::load(&config.tls.certificate, &config.tls.key, unlock)?;
        let genesis = genesis::parse(&network.signed).map_err(|bad| anyhow::anyhow!("{bad}"))?;
        let lists = config.tls.revocation_lists;
        let trust = Trust::from_genesis(&genesis, lists, Default::default());
        let trust = Arc::new(trust.map_err(|denied| anyhow::anyhow!("{denied}"))?);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let incoming = identity::listen(
            listener,
            identity::server_config(Arc::new(own), Arc::clone(&trust)),
            trust,
            Connections::new(),
            identity::Limits::default(),
            std::future::pending(),
        );
        let officers = genesis.members.iter().flat_map(|member| &member.desks);
        let keys = officers
            .flat_map(|desk| &desk.officers)
            .map(|officer| (officer.key.id().0.to_vec(), officer.key.as_bytes().to_vec()))
            .collect();
        let server = tonic::transport::Server::builder().add_service(Self { keys: Arc::new(keys) });
        tokio::spawn(async move {
            if let Err(error) = server.serve_with_incoming(incoming).await {
                eprintln!("echo: {error}");
            }
        });
        Ok(address)
    }

    fn holds(&self, envelope: &detente::wire::detente::envelope::v1::Envelope) -> bool {
        let Some(made) = envelope.signatures.first() else { return false };
        let Some(key) = self.keys.get(&made.key_id) else { return false };
        // The pre-authentication encoding of DSSE.
        let (name, header) = (HEADER_TYPE, &envelope.header);
        let mut signed = format!("DSSEv1 {} {name} {} ", name.len(), header.len()).into_bytes();
        signed.extend_from_slice(header);
        UnparsedPublicKey::new(&ED25519, key).verify(&signed, &made.signature).is_ok()
    }
}

impl tonic::server::NamedService for Echo {
    const NAME: &'static str = "detente.desk.v1.DeskService";
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answer<Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let method = self.clone();
        Box::pin(async move {
            let codec = tonic_prost::ProstCodec::default();
            Ok(tonic::server::Grpc::new(codec).unary(method, request).await)
        })
    }
}

impl tonic::server::UnaryService<api::SubmitRequest> for Echo {
    type Response = api::SubmitResponse;
    type Future = Answer<Result<Response<api::SubmitResponse>, Status>>;

    fn call(&mut self, request: Request<api::SubmitRequest>) -> Self::Future {
        let holds = request.get_ref().envelope.as_ref().is_some_and(|sent| self.holds(sent));
        let answer = api::SubmitResponse::default();
        Box::pin(std::future::ready(if holds {
            Ok(Response::new(answer))
        } else {
            Err(Status::permission_denied("signature"))
        }))
    }
}

/// A preallocated file, written from its start on and over again.
pub(crate) struct Append {
    file: File,
}

impl Append {
    const BYTES: u64 = 64 << 20;

    pub(crate) fn new(directory: &Path) -> Result<Self> {
        let file = File::create(directory.join("floor"))?;
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, Self::BYTES)?;
        file.sync_all()?;
        Ok(Self { file })
    }

    /// `count` times `bytes`, `at_once` of them with one write and one sync.
    pub(crate) fn run(&self, bytes: &[u8], at_once: usize, count: usize) -> Result<Round> {
        let group = bytes.repeat(at_once);
        let (spent, started) = (cpu(), Instant::now());
        let mut latencies = Vec::new();
        let mut at = 0;
        while latencies.len() < count {
            if at + group.len() as u64 > Self::BYTES {
                at = 0;
            }
            let before = Instant::now();
            self.file.write_all_at(&group, at)?;
            self.file.sync_data()?;
            latencies.extend(std::iter::repeat_n(before.elapsed(), at_once));
            at += group.len() as u64;
        }
        Ok(Round { latencies, took: started.elapsed(), cpu: cpu() - spent })
    }
}
