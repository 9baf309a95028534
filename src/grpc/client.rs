//! The desk's end of the wire: typed calls over one connection that is made when it is needed.
//!
//! Not for TLS (the caller gives a connector, see `identity::connect`) and not for deciding when
//! to try again ([`Failure::retry`] says whether it makes sense).

use std::io;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use super::Failure;
use crate::envelope::Envelope;
use crate::identity::Refusals;
use crate::units::{DeskIndex, Index, MessageId, Timestamp};
use crate::wire::detente::desk::v1 as wire;
use wire::desk_service_client::DeskServiceClient;

use crate::wire::detente::directory::v1::GetGenesisRequest;
use crate::wire::detente::directory::v1::directory_service_client::DirectoryServiceClient;
use crate::wire::detente::log::v1::log_service_client::LogServiceClient;

/// What a client takes and how long it waits.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest message taken, in bytes. Default 2 MiB: a page of 500 records with their headers,
    /// or the largest envelope of all, 1 MiB.
    pub message_bytes_max: usize,
    /// How long a call may take. Default 10 s, as at the relay.
    pub call_within: Duration,
    /// How long making a connection may take. Default 10 s: the relay gives up at 5 s.
    pub connect_within: Duration,
    /// Silence after which the relay is asked for a sign of life. Default 20 s: less than the
    /// 30 s after which the relay asks.
    pub keepalive_every: Duration,
    /// How long that sign may take. Default 10 s.
    pub keepalive_within: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes_max: 2 << 20,
            call_within: Duration::from_secs(10),
            connect_within: Duration::from_secs(10),
            keepalive_every: Duration::from_secs(20),
            keepalive_within: Duration::from_secs(10),
        }
    }
}

/// A relay, as a desk calls it. A clone uses the same connection.
#[derive(Debug, Clone)]
pub struct RelayClient {
    /// Statements in, records out.
    pub desk: DeskServiceClient<Channel>,
    /// Members and their desks.
    pub directory: DirectoryServiceClient<Channel>,
    /// The log.
    pub log: LogServiceClient<Channel>,
    call_within: Duration,
    refusals: Refusals,
}

/// The outcome of a statement; the same for every repeat of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// Its record.
    pub index: Index,
    /// Record time.
    pub time: Timestamp,
    /// True when it was already on record.
    pub repeat: bool,
}

/// A sealed body, as handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Serialized `Wrap`.
    pub wrap: Vec<u8>,
    /// Ciphertext.
    pub ciphertext: Vec<u8>,
}

/// A client over what `connector` connects: at the first call, and again after a connection is
/// lost.
pub fn connect<C, F, IO>(connector: C, limits: &Limits) -> RelayClient
where
    C: Fn() -> F + Clone + Send + Sync + 'static,
    F: Future<Output = io::Result<IO>> + Send + 'static,
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    // The name is never resolved: the connector knows where to go.
    let endpoint = Endpoint::from_static("http://relay.invalid")
        .connect_timeout(limits.connect_within)
        .http2_keep_alive_interval(limits.keepalive_every)
        .keep_alive_timeout(limits.keepalive_within)
        .keep_alive_while_idle(true);
    let channel = endpoint.connect_with_connector_lazy(tower::service_fn(move |_: Uri| {
        let connecting = connector();
        async move { connecting.await.map(TokioIo::new) }
    }));
    let max = limits.message_bytes_max;
    RelayClient {
        desk: DeskServiceClient::new(channel.clone()).max_decoding_message_size(max),
        directory: DirectoryServiceClient::new(channel.clone()).max_decoding_message_size(max),
        log: LogServiceClient::new(channel).max_decoding_message_size(max),
        call_within: limits.call_within,
        refusals: Refusals::default(),
    }
}

impl RelayClient {
    /// The same client; a call that fails for want of a connection says what stands in `refusals`,
    /// which its connector keeps.
    #[must_use]
    pub fn with_refusals(self, refusals: Refusals) -> Self {
        Self { refusals, ..self }
    }

    /// What went wrong with a call. Where the relay did not answer itself, its newest refusal of
    /// our certificate is why.
    fn failure(&self, status: &Status) -> Failure {
        let failure = Failure::from_status(status);
        match self.refusals.newest() {
            Some(refusal) if failure.reason == "TRANSPORT" => {
                Failure::certificate_refused(status, refusal)
            }
            Some(_) | None => failure,
        }
    }

    /// Submits a statement and waits until the relay has it on disk.
    ///
    /// # Errors
    /// A [`Failure`]; when it says `retry`, the outcome may be unknown, and the same envelope sent
    /// again is answered with it.
    pub async fn submit(&self, envelope: &Envelope) -> Result<Recorded, Failure> {
        let request = wire::SubmitRequest { envelope: Some(envelope.to_wire()) };
        let answer = self.desk.clone().submit(self.timed(request)).await;
        let answer = answer.map_err(|status| self.failure(&status))?.into_inner();
        let wire::SubmitResponse { index, time_ms, repeat } = answer;
        Ok(Recorded { index: Index(index), time: Timestamp(time_ms), repeat })
    }

    /// Follows the desk's own records from `from`.
    ///
    /// # Errors
    /// A [`Failure`]; later ones come through the stream.
    pub async fn follow(
        &self,
        from: DeskIndex,
    ) -> Result<tonic::Streaming<wire::FollowResponse>, Failure> {
        // A stream has no end, so it has no deadline either: keepalive finds a dead relay.
        let request = wire::FollowRequest { from_desk_index: from.0 };
        let answer = self.desk.clone().follow(request).await;
        Ok(answer.map_err(|status| self.failure(&status))?.into_inner())
    }

    /// The sealed body of a statement addressed to this desk.
    ///
    /// # Errors
    /// A [`Failure`].
    pub async fn content(&self, message: MessageId) -> Result<Content, Failure> {
        let request = wire::GetContentRequest { message_id: message.0.to_vec() };
        let answer = self.desk.clone().get_content(self.timed(request)).await;
        let answer = answer.map_err(|status| self.failure(&status))?.into_inner();
        let wire::GetContentResponse { wrap, ciphertext } = answer;
        Ok(Content { wrap, ciphertext })
    }

    /// The genesis of the network, as signed.
    ///
    /// # Errors
    /// A [`Failure`].
    pub async fn signed_genesis(&self) -> Result<Vec<u8>, Failure> {
        let request = self.timed(GetGenesisRequest {});
        let answer = self.directory.clone().get_genesis(request).await;
        Ok(answer.map_err(|status| self.failure(&status))?.into_inner().signed_genesis)
    }

    /// A request with this client's deadline.
    pub fn timed<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.call_within);
        request
    }
}
