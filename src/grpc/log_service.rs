//! The log as a desk reads it: where it stands, and the desk's own records.
//!
//! Not for other desks' records, and not for proofs, which come later.

use tonic::{Request, Response, Status};

use super::desk_service::peer;
use super::trouble::Trouble;
use super::{page, parse, read, render};
use crate::relay::Relay;
use crate::units::{DeskIndex, Index};
use crate::wire::detente::log::v1::log_service_server::LogService;
use crate::wire::detente::log::v1::{
    GetHeadsRequest, GetHeadsResponse, ListRecordsRequest, ListRecordsResponse,
};

/// The service.
pub(super) struct LogDoor {
    pub(super) relay: Relay,
}

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
}
