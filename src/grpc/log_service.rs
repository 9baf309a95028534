//! The log as a desk reads it: where it stands, the desk's own records, and proofs.
//!
//! Not for other desks' records. A proof of any leaf is for any member: it is hashes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::checkpoints::Checkpoints;
use super::desk_service::peer;
use super::follows::Follows;
use super::trouble::Trouble;
use super::witness_service::{Hello, Witness, hello};
use super::{page, parse, read, render, status};
use crate::codec::Log;
use crate::cosign::Witnesses;
use crate::identity::PeerInfo;
use crate::relay::Relay;
use crate::units::{DeskIndex, Index};
use crate::wire::detente::log::v1::log_service_server::LogService;
use crate::wire::detente::log::v1::{
    FollowCheckpointsRequest, FollowCheckpointsResponse, GetCheckpointRequest,
    GetCheckpointResponse, GetConsistencyRequest, GetConsistencyResponse, GetHeadsRequest,
    GetHeadsResponse, GetProofRequest, GetProofResponse, ListRecordsRequest, ListRecordsResponse,
    WitnessRequest, WitnessResponse,
};

/// The service.
pub(super) struct LogDoor {
    pub(super) relay: Relay,
    /// Who follows the heads of the directory log, and who those of the traffic log.
    pub(super) follows: [Arc<Follows>; 2],
    /// Who offers itself as a witness.
    pub(super) offers: Arc<Follows>,
    pub(super) witnesses: Witnesses,
    pub(super) beat_every: Duration,
    pub(super) stopping: watch::Receiver<bool>,
}

/// Heads that wait for the wire: the next one stands for all that it leaves out.
const STREAM_QUEUE: usize = 1;

#[tonic::async_trait]
impl LogService for LogDoor {
    async fn get_heads(
        &self,
        request: Request<GetHeadsRequest>,
    ) -> Result<Response<GetHeadsResponse>, Status> {
        let GetHeadsRequest {} = request.into_inner();
        Ok(Response::new(render::heads(&self.relay.published())))
    }

    async fn list_records(
        &self,
        request: Request<ListRecordsRequest>,
    ) -> Result<Response<ListRecordsResponse>, Status> {
        let desk = peer(&request)?.caller.desk.clone();
        let parse::RecordPage { page, request } =
            parse::list_records(request.into_inner()).map_err(Trouble::status)?;
        let query = request.map_or_else(
            || format!("records {desk}"),
            |request| format!("records {desk} {request}"),
        );
        let from: Option<u64> = page::place(&query, &page.token).map_err(Trouble::status)?;
        let from = from.unwrap_or(0);
        let found = match request {
            None => read::records(&self.relay, desk, DeskIndex(from), page.size).await?,
            Some(request) => {
                read::records_of(&self.relay, desk, request, Index(from), page.size).await?
            }
        };
        let records = found.records.iter().map(render::record).collect();
        let next_page_token =
            found.next.map_or_else(String::new, |next| page::token(&query, &next.to_string()));
        Ok(Response::new(ListRecordsResponse { records, next_page_token }))
    }

    async fn get_proof(
        &self,
        request: Request<GetProofRequest>,
    ) -> Result<Response<GetProofResponse>, Status> {
        let GetProofRequest { log, leaf_index, tree_size } = request.into_inner();
        let log = parse::log_name(&log).map_err(Trouble::status)?;
        let proof = self.relay.prove(log, leaf_index, tree_size).await;
        Ok(Response::new(render::proof(proof.map_err(|error| status::relay(&error))?)))
    }

    async fn get_consistency(
        &self,
        request: Request<GetConsistencyRequest>,
    ) -> Result<Response<GetConsistencyResponse>, Status> {
        let GetConsistencyRequest { log, old_size, new_size } = request.into_inner();
        let log = parse::log_name(&log).map_err(Trouble::status)?;
        let hashes = self.relay.prove_growth(log, old_size, new_size).await;
        let hashes = render::hashes(&hashes.map_err(|error| status::relay(&error))?);
        Ok(Response::new(GetConsistencyResponse { hashes }))
    }

    async fn get_checkpoint(
        &self,
        request: Request<GetCheckpointRequest>,
    ) -> Result<Response<GetCheckpointResponse>, Status> {
        let GetCheckpointRequest { log } = request.into_inner();
        let log = parse::log_name(&log).map_err(Trouble::status)?;
        let checkpoint = self.relay.checkpoint(log).map_err(|error| status::relay(&error))?;
        Ok(Response::new(GetCheckpointResponse { checkpoint: checkpoint.to_string() }))
    }

    type FollowCheckpointsStream = ReceiverStream<Result<FollowCheckpointsResponse, Status>>;

    async fn follow_checkpoints(
        &self,
        request: Request<FollowCheckpointsRequest>,
    ) -> Result<Response<Self::FollowCheckpointsStream>, Status> {
        let PeerInfo { connection, caller, .. } = peer(&request)?.clone();
        let FollowCheckpointsRequest { log } = request.into_inner();
        let log = parse::log_name(&log).map_err(Trouble::status)?;
        let [directory, traffic] = &self.follows;
        let follows = match log {
            Log::Directory => directory,
            Log::Traffic => traffic,
        };
        let following = follows
            .take(connection, &caller.desk)
            .ok_or_else(|| Trouble::TooManyStreams.status())?;
        let checkpoints = Checkpoints {
            relay: self.relay.clone(),
            log,
            desk: caller.desk,
            beat_every: self.beat_every,
            stopping: self.stopping.clone(),
            _following: following,
        };
        let (send, receive) = mpsc::channel(STREAM_QUEUE);
        tokio::spawn(checkpoints.pump(send));
        Ok(Response::new(ReceiverStream::new(receive)))
    }

    type WitnessStream = ReceiverStream<Result<WitnessResponse, Status>>;

    async fn witness(
        &self,
        request: Request<Streaming<WitnessRequest>>,
    ) -> Result<Response<Self::WitnessStream>, Status> {
        let PeerInfo { connection, caller, .. } = peer(&request)?.clone();
        let desk = caller.desk;
        let offering =
            self.offers.take(connection, &desk).ok_or_else(|| Trouble::TooManyStreams.status())?;
        let mut stream = request.into_inner();
        let Hello { key, heads } = hello(&self.relay, &desk, &mut stream).await?;
        let place = self.witnesses.join(&key).ok_or_else(|| Trouble::Overloaded.status())?;
        tracing::info!(%desk, witness = %key.name(), "a witness has come");
        let witness = Witness {
            relay: self.relay.clone(),
            desk,
            key,
            told: heads,
            place,
            beat_every: self.beat_every,
            stopping: self.stopping.clone(),
            _offering: offering,
        };
        let (send, receive) = mpsc::channel(STREAM_QUEUE);
        tokio::spawn(witness.pump(stream, send));
        Ok(Response::new(ReceiverStream::new(receive)))
    }
}
