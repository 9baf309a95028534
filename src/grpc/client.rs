//! The desk's end of the wire: typed calls over one connection that is made when it is needed.
//!
//! Not for TLS (the caller gives a connector, see `identity::connect`) and not for deciding when
//! to try again ([`Failure::retry`] says whether it makes sense).

use std::io;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_stream::Stream;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};

use super::Failure;
use crate::envelope::Envelope;
use crate::envelope::entry::Signed;
use crate::identity::Refusals;
use crate::units::{DeskIndex, Hash, Index, MessageId, Timestamp};
use crate::wire::detente::desk::v1 as wire;
use wire::desk_service_client::DeskServiceClient;

use crate::wire::detente::directory::v1::directory_service_client::DirectoryServiceClient;
use crate::wire::detente::directory::v1::{
    FollowEntriesRequest, FollowEntriesResponse, GetGenesisRequest,
};
use crate::wire::detente::envelope::v1 as signed;
use crate::wire::detente::log::v1::log_service_client::LogServiceClient;
use crate::wire::detente::log::v1::{
    FollowCheckpointsRequest, FollowCheckpointsResponse, GetConsistencyRequest, GetHeadsRequest,
    GetProofRequest, GetProofResponse, WitnessRequest, WitnessResponse,
};

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

/// The outcome of a statement; the same for every repeat of it, but for the head that its receipt
/// leads to.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Its record.
    pub index: Index,
    /// Record time.
    pub time: Timestamp,
    /// True when it was already on record.
    pub repeat: bool,
    /// The proof that it is, as it came: nothing of it is checked.
    pub receipt: Option<wire::Receipt>,
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
        self.submit_message(envelope.to_wire()).await
    }

    /// Publishes a nation's entry and waits until the relay has it on disk.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub async fn publish(&self, signed: &Signed) -> Result<Recorded, Failure> {
        self.submit_message(signed.to_wire()).await
    }

    async fn submit_message(&self, envelope: signed::Envelope) -> Result<Recorded, Failure> {
        let request = wire::SubmitRequest { envelope: Some(envelope) };
        let answer = self.desk.clone().submit(self.timed(request)).await;
        let answer = answer.map_err(|status| self.failure(&status))?.into_inner();
        let wire::SubmitResponse { index, time_ms, repeat, receipt } = answer;
        Ok(Recorded { index: Index(index), time: Timestamp(time_ms), repeat, receipt })
    }

    /// The proof of a leaf of a log ("directory", "traffic") at the head of `size` leaves; of 0, at
    /// the relay's newest.
    ///
    /// # Errors
    /// A [`Failure`].
    pub async fn proof(
        &self,
        log: &str,
        leaf_index: u64,
        size: u64,
    ) -> Result<GetProofResponse, Failure> {
        let request = GetProofRequest { log: log.to_owned(), leaf_index, tree_size: size };
        let answer = self.log.clone().get_proof(self.timed(request)).await;
        Ok(answer.map_err(|status| self.failure(&status))?.into_inner())
    }

    /// Follows the desk's own records from `from`, and does not tell the time.
    ///
    /// # Errors
    /// A [`Failure`]; later ones come through the stream.
    pub async fn follow(
        &self,
        from: DeskIndex,
    ) -> Result<Streaming<wire::FollowResponse>, Failure> {
        self.follow_telling(from, Timestamp(0)).await
    }

    /// As [`Self::follow`]; `now` is the desk's clock, by which the relay judges its own.
    ///
    /// # Errors
    /// As [`Self::follow`].
    pub async fn follow_telling(
        &self,
        from: DeskIndex,
        now: Timestamp,
    ) -> Result<Streaming<wire::FollowResponse>, Failure> {
        // A stream has no end, so it has no deadline either: keepalive finds a dead relay.
        let request = wire::FollowRequest { from_desk_index: from.0, clock_ms: now.0 };
        let answer = self.desk.clone().follow(request).await;
        Ok(answer.map_err(|status| self.failure(&status))?.into_inner())
    }

    /// Follows the directory log from the leaf `from`.
    ///
    /// # Errors
    /// A [`Failure`]; later ones come through the stream.
    pub async fn follow_directory(
        &self,
        from: u64,
    ) -> Result<Streaming<FollowEntriesResponse>, Failure> {
        let request = FollowEntriesRequest { from_leaf_index: from };
        let answer = self.directory.clone().follow_entries(request).await;
        Ok(answer.map_err(|status| self.failure(&status))?.into_inner())
    }

    /// How many leaves the directory log has.
    ///
    /// # Errors
    /// A [`Failure`].
    pub async fn directory_size(&self) -> Result<u64, Failure> {
        let answer = self.log.clone().get_heads(self.timed(GetHeadsRequest {})).await;
        let heads = answer.map_err(|status| self.failure(&status))?.into_inner().heads;
        Ok(heads.iter().find(|head| head.log == "directory").map_or(0, |head| head.size))
    }

    /// The proof that a log's head of `old` leaves is the beginning of that of `new`.
    ///
    /// # Errors
    /// A [`Failure`]; also when a hash has not 32 bytes.
    pub async fn consistency(&self, log: &str, old: u64, new: u64) -> Result<Vec<Hash>, Failure> {
        let log = log.to_owned();
        let request = GetConsistencyRequest { log, old_size: old, new_size: new };
        let answer = self.log.clone().get_consistency(self.timed(request)).await;
        let hashes = answer.map_err(|status| self.failure(&status))?.into_inner().hashes;
        let read = hashes.iter().map(|hash| Hash::from_slice(hash)).collect::<Result<_, _>>();
        read.map_err(|error| self.failure(&Status::internal(error.to_string())))
    }

    /// Follows the published heads of a log.
    ///
    /// # Errors
    /// A [`Failure`]; later ones come through the stream.
    pub async fn follow_checkpoints(
        &self,
        log: &str,
    ) -> Result<Streaming<FollowCheckpointsResponse>, Failure> {
        let request = FollowCheckpointsRequest { log: log.to_owned() };
        let answer = self.log.clone().follow_checkpoints(request).await;
        Ok(answer.map_err(|status| self.failure(&status))?.into_inner())
    }

    /// Offers the desk as a witness, which says what `said` gives.
    ///
    /// # Errors
    /// A [`Failure`]; later ones come through the stream.
    pub async fn witness(
        &self,
        said: impl Stream<Item = WitnessRequest> + Send + 'static,
    ) -> Result<Streaming<WitnessResponse>, Failure> {
        let answer = self.log.clone().witness(said).await;
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

    /// Response times of the desk's member.
    ///
    /// # Errors
    /// A [`Failure`].
    pub async fn response_times(
        &self,
        ask: wire::GetResponseTimesRequest,
    ) -> Result<wire::GetResponseTimesResponse, Failure> {
        let answer = self.desk.clone().get_response_times(self.timed(ask)).await;
        Ok(answer.map_err(|status| self.failure(&status))?.into_inner())
    }

    /// A page of the desk's overdue requests.
    ///
    /// # Errors
    /// A [`Failure`].
    pub async fn overdue(
        &self,
        ask: wire::ListOverdueRequest,
    ) -> Result<wire::ListOverdueResponse, Failure> {
        let answer = self.desk.clone().list_overdue(self.timed(ask)).await;
        Ok(answer.map_err(|status| self.failure(&status))?.into_inner())
    }

    /// The relay's clock, in whole seconds, as its answers are dated; none when they are not.
    ///
    /// # Errors
    /// A [`Failure`].
    pub async fn clock(&self) -> Result<Option<Timestamp>, Failure> {
        let answer = self.directory.clone().get_genesis(self.timed(GetGenesisRequest {})).await;
        let answer = answer.map_err(|status| self.failure(&status))?;
        let date = answer.metadata().get("date").and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
        Ok(date.map(|date| Timestamp(date.timestamp().as_millisecond())))
    }

    /// A request with this client's deadline.
    pub fn timed<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.call_within);
        request
    }
}
