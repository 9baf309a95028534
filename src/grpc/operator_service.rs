//! What the network's operator sees: metadata, on this machine alone.
//!
//! Not for desks, and not a way to change anything.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::follows::Follows;
use super::serve::Gate;
use super::trouble::Trouble;
use super::{page, parse, read, render};
use crate::identity::Connections;
use crate::relay::Relay;
use crate::wire::detente::operator::v1::operator_service_server::OperatorService;
use crate::wire::detente::operator::v1::{
    GetRelayStatusRequest, GetRelayStatusResponse, ListConnectionsRequest, ListConnectionsResponse,
    ListRequestsRequest, ListRequestsResponse,
};

/// The query that a page token of `ListConnections` belongs to.
const CONNECTIONS: &str = "connections";

/// The service.
pub(super) struct OperatorDoor {
    pub(super) relay: Relay,
    pub(super) gate: Arc<dyn Gate>,
    pub(super) connections: Connections,
    pub(super) follows: Arc<Follows>,
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
        let lists = self.gate.revocation_lists(self.relay.now());
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
}
