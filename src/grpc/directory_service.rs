//! Members and their desks, for reading: the directory as the newest committed state has it.
//!
//! Not for changing it: that is done by records alone.

use std::ops::Bound;

use tonic::{Request, Response, Status};

use super::trouble::Trouble;
use super::{page, parse, render};
use crate::relay::Relay;
use crate::units::MemberId;
use crate::wire::detente::directory::v1::directory_service_server::DirectoryService;
use crate::wire::detente::directory::v1::{
    GetGenesisRequest, GetGenesisResponse, GetMemberRequest, GetMemberResponse, ListMembersRequest,
    ListMembersResponse,
};

/// The query that a page token of `ListMembers` belongs to.
const QUERY: &str = "members";

/// The service.
pub(super) struct DirectoryDoor {
    pub(super) relay: Relay,
}

#[tonic::async_trait]
impl DirectoryService for DirectoryDoor {
    async fn get_genesis(
        &self,
        request: Request<GetGenesisRequest>,
    ) -> Result<Response<GetGenesisResponse>, Status> {
        let GetGenesisRequest {} = request.into_inner();
        let signed_genesis = self.relay.signed_genesis().to_vec();
        Ok(Response::new(GetGenesisResponse { signed_genesis }))
    }

    async fn get_member(
        &self,
        request: Request<GetMemberRequest>,
    ) -> Result<Response<GetMemberResponse>, Status> {
        let id = parse::get_member(request.into_inner()).map_err(Trouble::status)?;
        let published = self.relay.published();
        let directory = published.state().directory();
        let member = directory
            .member(id)
            .ok_or_else(|| Trouble::UnknownResource(format!("members/{id}")).status())?;
        let member = Some(render::member(directory, id, member));
        Ok(Response::new(GetMemberResponse { member }))
    }

    async fn list_members(
        &self,
        request: Request<ListMembersRequest>,
    ) -> Result<Response<ListMembersResponse>, Status> {
        let parse::Page { size, token } =
            parse::list_members(request.into_inner()).map_err(Trouble::status)?;
        let after: Option<MemberId> = page::place(QUERY, &token).map_err(Trouble::status)?;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let published = self.relay.published();
        let directory = published.state().directory();
        let mut rest = directory
            .members()
            .filter(|(id, _)| std::ops::RangeBounds::contains(&(from, Bound::Unbounded), id));
        let page: Vec<_> = rest.by_ref().take(size).collect();
        let next_page_token = match (page.last(), rest.next()) {
            (Some((last, _)), Some(_)) => page::token(QUERY, &last.to_string()),
            (Some(_) | None, None) | (None, Some(_)) => String::new(),
        };
        let members =
            page.into_iter().map(|(id, member)| render::member(directory, id, member)).collect();
        Ok(Response::new(ListMembersResponse { members, next_page_token }))
    }
}
