//! Members, their desks and their entries, for reading and following.
//!
//! Not for changing them: that is done by records alone. Members see each other's restricted
//! parts; nobody else calls here.

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::desk_service::peer;
use super::follows::{Following, Follows};
use super::trouble::Trouble;
use super::{page, parse, read_directory, render, render_directory, status};
use crate::identity::PeerInfo;
use crate::relay::{DirectoryFollower, DirectoryItem, Relay};
use crate::units::MemberId;
use crate::wire::detente::directory::v1::directory_service_server::DirectoryService;
use crate::wire::detente::directory::v1::{
    FollowEntriesRequest, FollowEntriesResponse, GetEntryRequest, GetEntryResponse,
    GetGenesisRequest, GetGenesisResponse, GetMemberRequest, GetMemberResponse,
    ListEntryVersionsRequest, ListEntryVersionsResponse, ListMembersRequest, ListMembersResponse,
    SearchDesksRequest, SearchDesksResponse,
};

/// The query that a page token of `ListMembers` belongs to.
const QUERY: &str = "members";

/// Items of a stream that wait for the wire.
const STREAM_QUEUE: usize = 2;

/// The service.
pub(super) struct DirectoryDoor {
    pub(super) relay: Relay,
    pub(super) follows: Arc<Follows>,
    pub(super) beat_every: Duration,
    pub(super) stopping: watch::Receiver<bool>,
}

impl DirectoryDoor {
    /// True when the caller's nation may see what others publish for members alone.
    fn is_entitled<T>(&self, request: &Request<T>) -> Result<bool, Status> {
        let member = peer(request)?.caller.desk.member;
        let published = self.relay.published();
        let known = published.state().directory().member(member);
        Ok(known.is_some_and(|known| known.status.may_answer()))
    }
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

    type FollowEntriesStream = ReceiverStream<Result<FollowEntriesResponse, Status>>;

    async fn follow_entries(
        &self,
        request: Request<FollowEntriesRequest>,
    ) -> Result<Response<Self::FollowEntriesStream>, Status> {
        let PeerInfo { connection, caller, .. } = peer(&request)?;
        let following = self
            .follows
            .take(*connection, &caller.desk)
            .ok_or_else(|| Trouble::TooManyStreams.status())?;
        let entitled = self.is_entitled(&request)?;
        let from = parse::follow_entries(request.into_inner());
        let follower = self.relay.follow_directory(from, self.beat_every);
        let (send, receive) = mpsc::channel(STREAM_QUEUE);
        tokio::spawn(pump(follower, entitled, send, self.stopping.clone(), following));
        Ok(Response::new(ReceiverStream::new(receive)))
    }

    async fn get_entry(
        &self,
        request: Request<GetEntryRequest>,
    ) -> Result<Response<GetEntryResponse>, Status> {
        let entitled = self.is_entitled(&request)?;
        let asked = parse::get_entry(request.into_inner()).map_err(Trouble::status)?;
        read_directory::entry(&self.relay, asked, entitled).await.map(Response::new)
    }

    async fn list_entry_versions(
        &self,
        request: Request<ListEntryVersionsRequest>,
    ) -> Result<Response<ListEntryVersionsResponse>, Status> {
        let (member, page) =
            parse::list_entry_versions(request.into_inner()).map_err(Trouble::status)?;
        read_directory::versions(&self.relay, member, page).await.map(Response::new)
    }

    async fn search_desks(
        &self,
        request: Request<SearchDesksRequest>,
    ) -> Result<Response<SearchDesksResponse>, Status> {
        let (search, query, page) =
            parse::search_desks(request.into_inner()).map_err(Trouble::status)?;
        read_directory::desks(&self.relay, search, query, page).await.map(Response::new)
    }
}

/// Hands a follower's items to the wire as fast as they are taken, until the caller goes or the
/// relay stops.
async fn pump(
    mut follower: DirectoryFollower,
    entitled: bool,
    send: mpsc::Sender<Result<FollowEntriesResponse, Status>>,
    mut stopping: watch::Receiver<bool>,
    _following: Following,
) {
    loop {
        let item = tokio::select! {
            biased;
            () = send.closed() => return,
            // A sender that is gone stops the process as well.
            _stop = stopping.wait_for(|stopping| *stopping) => Err(Trouble::ShuttingDown.status()),
            item = follower.next() => item
                .map(|item| render_directory::item(withhold(item, entitled)))
                .map_err(|error| status::relay(&error)),
        };
        let last = item.is_err();
        if send.send(item).await.is_err() || last {
            return;
        }
    }
}

/// The restricted part is only for those entitled to it.
fn withhold(item: DirectoryItem, entitled: bool) -> DirectoryItem {
    match item {
        DirectoryItem::Record(mut record) if !entitled => {
            record.restricted.clear();
            DirectoryItem::Record(record)
        }
        DirectoryItem::Record(_) | DirectoryItem::Beat { .. } => item,
    }
}
