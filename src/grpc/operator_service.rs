//! What the network's operator sees, metadata, and the two things that he may do: have bodies
//! erased, and say that the clock is right. On this machine alone.
//!
//! Not for desks, and not a way to change what is on record.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::follows::Follows;
use super::serve::Gate;
use super::trouble::Trouble;
use super::{erase, page, parse, read, render, render_logs, status, times};
use crate::codec::Log;
use crate::cosign::Witnesses;
use crate::identity::{self, Connections};
use crate::relay::Relay;
use crate::wire::detente::operator::v1::operator_service_server::OperatorService;
use crate::wire::detente::operator::v1::{
    ConfirmClockRequest, ConfirmClockResponse, EraseBodiesRequest, EraseBodiesResponse,
    GetRelayStatusRequest, GetRelayStatusResponse, GetResponseTimesRequest,
    GetResponseTimesResponse, ListConnectionsRequest, ListConnectionsResponse, ListOverdueRequest,
    ListOverdueResponse, ListRequestsRequest, ListRequestsResponse,
};

/// The query that a page token of `ListConnections` belongs to.
const CONNECTIONS: &str = "connections";

/// The service.
pub(super) struct OperatorDoor {
    pub(super) relay: Relay,
    pub(super) gate: Arc<dyn Gate>,
    pub(super) connections: Connections,
    pub(super) follows: Arc<Follows>,
    pub(super) witnesses: Witnesses,
}

#[tonic::async_trait]
impl OperatorService for OperatorDoor {
    async fn get_relay_status(
        &self,
        request: Request<GetRelayStatusRequest>,
    ) -> Result<Response<GetRelayStatusResponse>, Status> {
        let GetRelayStatusRequest {} = request.into_inner();
        let published = self.relay.published();
        let state = published.state();
        let network = state.directory().network();
        let lists = self.gate.revocation_lists(identity::now());
        Ok(Response::new(GetRelayStatusResponse {
            network: network.map(|network| network.name.to_string()).unwrap_or_default(),
            genesis_sha256: network.map(|net| net.genesis.0.to_vec()).unwrap_or_default(),
            next_index: published.next_index().0,
            tables_index: self.relay.tables_next().0,
            open_requests: state.open_requests(),
            probe_age_ms: self.relay.probe_age_ms(),
            started_ms: self.relay.started().0,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            revocation_lists: lists.iter().map(render::revocation_list).collect(),
            clock_in_doubt: state.clock_in_doubt(),
            logs: Log::ALL.map(|log| render_logs::standing(&self.relay, log)).into(),
            nothing_signed_because: render_logs::held(&self.relay),
            no_tables_because: self.relay.tables_trouble().unwrap_or_default(),
            witnesses: render_logs::witnesses(&self.relay, &self.witnesses),
        }))
    }

    async fn list_connections(
        &self,
        request: Request<ListConnectionsRequest>,
    ) -> Result<Response<ListConnectionsResponse>, Status> {
        let parse::Page { size, token } =
            parse::list_connections(request.into_inner()).map_err(Trouble::status)?;
        let after: u64 = page::place(CONNECTIONS, &token).map_err(Trouble::status)?.unwrap_or(0);
        let mut rest = self.connections.list().into_iter().filter(|peer| peer.connection > after);
        let page: Vec<_> = rest.by_ref().take(size).collect();
        let next_page_token = match (page.last(), rest.next()) {
            (Some(last), Some(_)) => page::token(CONNECTIONS, &last.connection.to_string()),
            (Some(_) | None, None) | (None, Some(_)) => String::new(),
        };
        let connections = page
            .iter()
            .map(|peer| render::connection(peer, self.follows.has(peer.connection)))
            .collect();
        Ok(Response::new(ListConnectionsResponse { connections, next_page_token }))
    }

    async fn list_requests(
        &self,
        request: Request<ListRequestsRequest>,
    ) -> Result<Response<ListRequestsResponse>, Status> {
        let page = parse::list_requests(request.into_inner()).map_err(Trouble::status)?;
        let (rows, next_page_token) = read::requests(&self.relay, None, page).await?;
        let requests = rows.iter().map(render::request).collect();
        Ok(Response::new(ListRequestsResponse { requests, next_page_token }))
    }

    async fn erase_bodies(
        &self,
        request: Request<EraseBodiesRequest>,
    ) -> Result<Response<EraseBodiesResponse>, Status> {
        let erasure = parse::erase_bodies(request.into_inner()).map_err(Trouble::status)?;
        let bodies = erase::erase(&self.relay, erasure).await?;
        Ok(Response::new(EraseBodiesResponse { bodies }))
    }

    async fn confirm_clock(
        &self,
        request: Request<ConfirmClockRequest>,
    ) -> Result<Response<ConfirmClockResponse>, Status> {
        let ConfirmClockRequest {} = request.into_inner();
        let confirmed = self.relay.confirm_clock().await;
        let confirmed = confirmed.map_err(|error| status::relay(&error))?;
        tracing::warn!(confirmed, "the operator says that the wall clock is right");
        Ok(Response::new(ConfirmClockResponse { confirmed }))
    }

    async fn get_response_times(
        &self,
        request: Request<GetResponseTimesRequest>,
    ) -> Result<Response<GetResponseTimesResponse>, Status> {
        let GetResponseTimesRequest { query, page_size, page_token } = request.into_inner();
        let asked = times::Asked { query, page_size, page_token };
        let (report, next_page_token) = times::report(&self.relay, None, asked).await?;
        Ok(Response::new(GetResponseTimesResponse { report: Some(report), next_page_token }))
    }

    async fn list_overdue(
        &self,
        request: Request<ListOverdueRequest>,
    ) -> Result<Response<ListOverdueResponse>, Status> {
        let ListOverdueRequest { query, page_size, page_token } = request.into_inner();
        let asked = times::Asked { query, page_size, page_token };
        let times::Overdue { requests, as_of_ms, next_page_token } =
            times::overdue(&self.relay, None, asked).await?;
        Ok(Response::new(ListOverdueResponse { requests, as_of_ms, next_page_token }))
    }
}
