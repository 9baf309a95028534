//! Statements in, records out: what a desk calls.
//!
//! Not for deciding: every answer is the relay's. A desk sees only what it is a party to; anything
//! else is not there.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::follows::{Following, Follows};
use super::trouble::Trouble;
use super::{parse, read, render, status, times};
use crate::envelope::entry::Signed;
use crate::identity::PeerInfo;
use crate::relay::{Follower, Relay};
use crate::units::Caller;
use crate::wire::detente::desk::v1::desk_service_server::DeskService;
use crate::wire::detente::desk::v1::{
    FollowRequest, FollowResponse, GetContentRequest, GetContentResponse, GetRequestStatusRequest,
    GetRequestStatusResponse, GetResponseTimesRequest, GetResponseTimesResponse,
    ListOverdueRequest, ListOverdueResponse, ListRequestStatusesRequest,
    ListRequestStatusesResponse, SubmitRequest, SubmitResponse,
};

/// Items of a stream that wait for the wire. Few: what waits has been offered as far as the log
/// knows, and what does not fit costs nothing where it is, on disk.
const STREAM_QUEUE: usize = 4;

/// The service.
pub(super) struct DeskDoor {
    pub(super) relay: Relay,
    pub(super) follows: Arc<Follows>,
    pub(super) beat_every: Duration,
    pub(super) stopping: watch::Receiver<bool>,
}

impl DeskDoor {
    async fn publish(
        &self,
        caller: &Caller,
        signed: Signed,
    ) -> Result<Response<SubmitResponse>, Status> {
        let message = signed.entry.message;
        tracing::Span::current().record("message", tracing::field::display(message));
        let submitted =
            self.relay.publish(caller, signed).await.map_err(|error| status::relay(&error))?;
        Ok(Response::new(render::submitted(submitted)))
    }
}

#[tonic::async_trait]
impl DeskService for DeskDoor {
    async fn submit(
        &self,
        request: Request<SubmitRequest>,
    ) -> Result<Response<SubmitResponse>, Status> {
        let caller = peer(&request)?.caller.clone();
        let submission = parse::submit(request.into_inner()).map_err(Trouble::status)?;
        let envelope = match submission {
            parse::Submission::Statement(envelope) => *envelope,
            parse::Submission::Entry(signed) => return self.publish(&caller, *signed).await,
        };
        let message = envelope.statement.message;
        tracing::Span::current().record("message", tracing::field::display(message));
        if envelope.statement.from != caller.desk {
            return Err(Trouble::NotTheSender.status());
        }
        let submitted =
            self.relay.submit(&caller, envelope).await.map_err(|error| status::relay(&error))?;
        Ok(Response::new(render::submitted(submitted)))
    }

    type FollowStream = ReceiverStream<Result<FollowResponse, Status>>;

    async fn follow(
        &self,
        request: Request<FollowRequest>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let PeerInfo { connection, caller, .. } = peer(&request)?.clone();
        let desk = caller.desk;
        let (from, clock) = parse::follow(request.into_inner()).map_err(Trouble::status)?;
        let next = self.relay.published().state().next_desk_index(&desk);
        if from > next {
            return Err(Trouble::CursorAhead { from: from.0, next: next.0 }.status());
        }
        let following =
            self.follows.take(connection, &desk).ok_or_else(|| Trouble::TooManyStreams.status())?;
        let follower = self.relay.follow(desk, from, self.beat_every);
        let follower = clock.into_iter().fold(follower, Follower::told);
        let (send, receive) = mpsc::channel(STREAM_QUEUE);
        tokio::spawn(pump(follower, send, self.stopping.clone(), following));
        Ok(Response::new(ReceiverStream::new(receive)))
    }

    async fn get_content(
        &self,
        request: Request<GetContentRequest>,
    ) -> Result<Response<GetContentResponse>, Status> {
        let desk = peer(&request)?.caller.desk.clone();
        let message = parse::get_content(request.into_inner()).map_err(Trouble::status)?;
        tracing::Span::current().record("message", tracing::field::display(message));
        let (wrap, ciphertext) =
            self.relay.content(&desk, message).await.map_err(|error| status::relay(&error))?;
        Ok(Response::new(GetContentResponse { wrap, ciphertext }))
    }

    async fn get_request_status(
        &self,
        request: Request<GetRequestStatusRequest>,
    ) -> Result<Response<GetRequestStatusResponse>, Status> {
        let desk = peer(&request)?.caller.desk.clone();
        let (id, at_least) =
            parse::get_request_status(request.into_inner()).map_err(Trouble::status)?;
        let row = read::request(&self.relay, id, Some(desk), at_least).await?;
        Ok(Response::new(GetRequestStatusResponse { request: Some(render::request(&row)) }))
    }

    async fn list_request_statuses(
        &self,
        request: Request<ListRequestStatusesRequest>,
    ) -> Result<Response<ListRequestStatusesResponse>, Status> {
        let desk = peer(&request)?.caller.desk.clone();
        let page = parse::list_request_statuses(request.into_inner()).map_err(Trouble::status)?;
        let (rows, next_page_token) = read::requests(&self.relay, Some(desk), page).await?;
        let requests = rows.iter().map(render::request).collect();
        Ok(Response::new(ListRequestStatusesResponse { requests, next_page_token }))
    }

    async fn get_response_times(
        &self,
        request: Request<GetResponseTimesRequest>,
    ) -> Result<Response<GetResponseTimesResponse>, Status> {
        let member = peer(&request)?.caller.desk.member;
        let GetResponseTimesRequest { query, page_size, page_token } = request.into_inner();
        let asked = times::Asked { query, page_size, page_token };
        let (report, next_page_token) = times::report(&self.relay, Some(member), asked).await?;
        Ok(Response::new(GetResponseTimesResponse { report: Some(report), next_page_token }))
    }

    async fn list_overdue(
        &self,
        request: Request<ListOverdueRequest>,
    ) -> Result<Response<ListOverdueResponse>, Status> {
        let desk = peer(&request)?.caller.desk.clone();
        let ListOverdueRequest { query, page_size, page_token } = request.into_inner();
        let asked = times::Asked { query, page_size, page_token };
        let times::Overdue { requests, as_of_ms, next_page_token } =
            times::overdue(&self.relay, Some(desk), asked).await?;
        Ok(Response::new(ListOverdueResponse { requests, as_of_ms, next_page_token }))
    }
}

/// The peer of a call. The guard has let it in.
pub(super) fn peer<T>(request: &Request<T>) -> Result<&PeerInfo, Status> {
    request.extensions().get().ok_or_else(|| Trouble::Fault.status())
}

/// Hands a follower's items to the wire as fast as they are taken, until the caller goes or the
/// relay stops.
async fn pump(
    mut follower: Follower,
    send: mpsc::Sender<Result<FollowResponse, Status>>,
    mut stopping: watch::Receiver<bool>,
    _following: Following,
) {
    loop {
        let item = tokio::select! {
            biased;
            () = send.closed() => return,
            // A sender that is gone stops the process as well.
            _stop = stopping.wait_for(|stopping| *stopping) => Err(Trouble::ShuttingDown.status()),
            item = follower.next() => {
                item.map(render::item).map_err(|error| status::relay(&error))
            }
        };
        let last = item.is_err();
        if send.send(item).await.is_err() || last {
            return;
        }
    }
}
