//! The hostile relay's door for one desk: it passes on what a real relay says, unless it lies.
//!
//! Not for what TLS proves. Whoever runs a relay has its certificate and the keys of its logs, so
//! the door signs what it likes; it has no key of any nation.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use desk::desk_service_client::DeskServiceClient;
use desk::desk_service_server::{DeskService, DeskServiceServer};
use detente::wire::detente::desk::v1 as desk;
use detente::wire::detente::directory::v1 as directory;
use detente::wire::detente::log::v1 as log;
use directory::directory_service_client::DirectoryServiceClient;
use directory::directory_service_server::{DirectoryService, DirectoryServiceServer};
use log::log_service_client::LogServiceClient;
use log::log_service_server::{LogService, LogServiceServer};
use tokio::sync::{mpsc, watch};
use tokio_stream::Stream;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status, Streaming};

type BoxStream<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What the relay does to one thing that passes: none or several in its place.
type Lie<T> = Option<Box<dyn FnMut(T) -> Vec<T> + Send>>;

/// The lies of a door; none at first.
#[derive(Default)]
pub(crate) struct Lies {
    /// True: submissions get no answer and never reach the relay.
    pub(crate) drops: bool,
    pub(crate) records: Lie<desk::FollowResponse>,
    pub(crate) entries: Lie<directory::FollowEntriesResponse>,
    /// How every proof that heads agree is refused.
    pub(crate) unproven: Option<Code>,
    /// How the proof of this leaf of the traffic log is refused.
    pub(crate) unproven_leaf: Option<(u64, Code)>,
    /// Every refusal.
    refused: Vec<Code>,
}

/// A door. A clone is the same door.
#[derive(Clone)]
pub(crate) struct Door {
    upstream: Arc<Mutex<Upstream>>,
    pub(crate) lies: Arc<Mutex<Lies>>,
    /// Streams end whenever this changes.
    cut: Arc<watch::Sender<u64>>,
    /// The newest question to the desk as a witness.
    ask: Arc<watch::Sender<Option<log::WitnessAsk>>>,
    /// The newest published head of each log.
    published: Arc<watch::Sender<BTreeMap<String, String>>>,
    said: mpsc::UnboundedSender<log::witness_request::Item>,
}

/// Makes connections to the real relay, in the desk's name.
type Upstream = Box<dyn Fn() -> Channel + Send>;

impl Door {
    pub(crate) fn new(
        upstream: impl Fn() -> Channel + Send + 'static,
    ) -> (Self, mpsc::UnboundedReceiver<log::witness_request::Item>) {
        let (say, said) = mpsc::unbounded_channel();
        let door = Self {
            upstream: Arc::new(Mutex::new(Box::new(upstream))),
            lies: Arc::default(),
            cut: Arc::new(watch::Sender::new(0)),
            ask: Arc::new(watch::Sender::new(None)),
            published: Arc::new(watch::Sender::new(BTreeMap::new())),
            said: say,
        };
        (door, said)
    }

    /// Serves it on a port of its own, until the task is aborted.
    pub(crate) fn serve(
        &self,
        listener: tokio::net::TcpListener,
    ) -> tokio::task::JoinHandle<Result<(), tonic::transport::Error>> {
        let serving = tonic::transport::Server::builder()
            .add_service(DeskServiceServer::new(self.clone()))
            .add_service(DirectoryServiceServer::new(self.clone()))
            .add_service(LogServiceServer::new(self.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(serving)
    }

    /// Another relay stands behind the door from now on.
    pub(crate) fn turn_to(&self, upstream: impl Fn() -> Channel + Send + 'static) {
        *self.upstream.lock().unwrap() = Box::new(upstream);
        self.cut.send_modify(|cut| *cut += 1);
    }

    /// Changes its lies, from the next thing on that passes.
    pub(crate) fn lie(&self, change: impl FnOnce(&mut Lies)) {
        change(&mut self.lies.lock().unwrap());
    }

    /// How often proofs were refused so.
    pub(crate) fn refused(&self, code: Code) -> usize {
        self.lies.lock().unwrap().refused.iter().filter(|refused| **refused == code).count()
    }

    /// Refuses a proof, if it does.
    fn refuse(&self, how: impl Fn(&Lies) -> Option<Code>) -> Result<(), Status> {
        let mut lies = self.lies.lock().unwrap();
        let Some(code) = how(&lies) else { return Ok(()) };
        lies.refused.push(code);
        Err(Status::new(code, "not today"))
    }

    /// Asks the desk to cosign.
    pub(crate) fn ask(&self, ask: log::WitnessAsk) {
        self.ask.send_replace(Some(ask));
    }

    /// Publishes a head to the desk.
    pub(crate) fn publish(&self, log: &str, note: String) {
        self.published.send_modify(|published| {
            published.insert(log.to_owned(), note);
        });
    }

    /// A connection of its own: a relay lets each follow once.
    fn channel(&self) -> Channel {
        self.upstream.lock().unwrap()()
    }

    /// Passes a stream on, with what `lie` makes of it.
    fn pass<T: Send + 'static>(
        &self,
        mut from: Streaming<T>,
        lie: impl Fn(&mut Lies) -> &mut Lie<T> + Send + 'static,
    ) -> BoxStream<T> {
        let (sender, receiver) = mpsc::channel(16);
        let (lies, mut cut) = (Arc::clone(&self.lies), self.cut.subscribe());
        tokio::spawn(async move {
            loop {
                let item = tokio::select! {
                    item = from.message() => item,
                    _ = cut.changed() => return,
                    () = sender.closed() => return,
                };
                let items = match item {
                    Ok(Some(item)) => match lie(&mut lies.lock().unwrap()) {
                        Some(lie) => lie(item),
                        None => vec![item],
                    },
                    Ok(None) => return,
                    Err(status) => {
                        let _gone = sender.send(Err(status)).await;
                        return;
                    }
                };
                for item in items {
                    if sender.send(Ok(item)).await.is_err() {
                        return;
                    }
                }
            }
        });
        Box::pin(ReceiverStream::new(receiver))
    }
}

/// No desk's agent asks this.
fn unasked<T>() -> Result<T, Status> {
    Err(Status::unimplemented("no desk asks this here"))
}

#[tonic::async_trait]
impl DeskService for Door {
    async fn submit(
        &self,
        request: Request<desk::SubmitRequest>,
    ) -> Result<Response<desk::SubmitResponse>, Status> {
        if self.lies.lock().unwrap().drops {
            return std::future::pending().await;
        }
        DeskServiceClient::new(self.channel()).submit(request.into_inner()).await
    }

    type FollowStream = BoxStream<desk::FollowResponse>;

    async fn follow(
        &self,
        request: Request<desk::FollowRequest>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let stream = DeskServiceClient::new(self.channel()).follow(request.into_inner()).await?;
        Ok(Response::new(self.pass(stream.into_inner(), |lies| &mut lies.records)))
    }

    async fn get_content(
        &self,
        request: Request<desk::GetContentRequest>,
    ) -> Result<Response<desk::GetContentResponse>, Status> {
        DeskServiceClient::new(self.channel()).get_content(request.into_inner()).await
    }

    async fn get_request_status(
        &self,
        _: Request<desk::GetRequestStatusRequest>,
    ) -> Result<Response<desk::GetRequestStatusResponse>, Status> {
        unasked()
    }

    async fn list_request_statuses(
        &self,
        _: Request<desk::ListRequestStatusesRequest>,
    ) -> Result<Response<desk::ListRequestStatusesResponse>, Status> {
        unasked()
    }

    async fn get_response_times(
        &self,
        _: Request<desk::GetResponseTimesRequest>,
    ) -> Result<Response<desk::GetResponseTimesResponse>, Status> {
        unasked()
    }

    async fn list_overdue(
        &self,
        _: Request<desk::ListOverdueRequest>,
    ) -> Result<Response<desk::ListOverdueResponse>, Status> {
        unasked()
    }
}

#[tonic::async_trait]
impl DirectoryService for Door {
    async fn get_genesis(
        &self,
        request: Request<directory::GetGenesisRequest>,
    ) -> Result<Response<directory::GetGenesisResponse>, Status> {
        DirectoryServiceClient::new(self.channel()).get_genesis(request.into_inner()).await
    }

    async fn get_member(
        &self,
        _: Request<directory::GetMemberRequest>,
    ) -> Result<Response<directory::GetMemberResponse>, Status> {
        unasked()
    }

    async fn list_members(
        &self,
        _: Request<directory::ListMembersRequest>,
    ) -> Result<Response<directory::ListMembersResponse>, Status> {
        unasked()
    }

    type FollowEntriesStream = BoxStream<directory::FollowEntriesResponse>;

    async fn follow_entries(
        &self,
        request: Request<directory::FollowEntriesRequest>,
    ) -> Result<Response<Self::FollowEntriesStream>, Status> {
        let mut client = DirectoryServiceClient::new(self.channel());
        let stream = client.follow_entries(request.into_inner()).await?;
        Ok(Response::new(self.pass(stream.into_inner(), |lies| &mut lies.entries)))
    }

    async fn get_entry(
        &self,
        _: Request<directory::GetEntryRequest>,
    ) -> Result<Response<directory::GetEntryResponse>, Status> {
        unasked()
    }

    async fn list_entry_versions(
        &self,
        _: Request<directory::ListEntryVersionsRequest>,
    ) -> Result<Response<directory::ListEntryVersionsResponse>, Status> {
        unasked()
    }

    async fn search_desks(
        &self,
        _: Request<directory::SearchDesksRequest>,
    ) -> Result<Response<directory::SearchDesksResponse>, Status> {
        unasked()
    }
}

#[tonic::async_trait]
impl LogService for Door {
    async fn get_heads(
        &self,
        request: Request<log::GetHeadsRequest>,
    ) -> Result<Response<log::GetHeadsResponse>, Status> {
        LogServiceClient::new(self.channel()).get_heads(request.into_inner()).await
    }

    async fn list_records(
        &self,
        _: Request<log::ListRecordsRequest>,
    ) -> Result<Response<log::ListRecordsResponse>, Status> {
        unasked()
    }

    async fn get_proof(
        &self,
        request: Request<log::GetProofRequest>,
    ) -> Result<Response<log::GetProofResponse>, Status> {
        let request = request.into_inner();
        self.refuse(|lies| {
            let (leaf, code) = lies.unproven_leaf?;
            (request.log == "traffic" && request.leaf_index == leaf).then_some(code)
        })?;
        LogServiceClient::new(self.channel()).get_proof(request).await
    }

    async fn get_consistency(
        &self,
        request: Request<log::GetConsistencyRequest>,
    ) -> Result<Response<log::GetConsistencyResponse>, Status> {
        self.refuse(|lies| lies.unproven)?;
        LogServiceClient::new(self.channel()).get_consistency(request.into_inner()).await
    }

    async fn get_checkpoint(
        &self,
        _: Request<log::GetCheckpointRequest>,
    ) -> Result<Response<log::GetCheckpointResponse>, Status> {
        unasked()
    }

    type FollowCheckpointsStream = BoxStream<log::FollowCheckpointsResponse>;

    /// Published here: whoever runs the relay says what it publishes, and to whom.
    async fn follow_checkpoints(
        &self,
        request: Request<log::FollowCheckpointsRequest>,
    ) -> Result<Response<Self::FollowCheckpointsStream>, Status> {
        let name = request.into_inner().log;
        let (sender, receiver) = mpsc::channel(4);
        let mut published = self.published.subscribe();
        tokio::spawn(async move {
            loop {
                let checkpoint = published.borrow_and_update().get(&name).cloned();
                if let Some(checkpoint) = checkpoint {
                    let checkpoint = log::PublishedCheckpoint { checkpoint, ..Default::default() };
                    let item = log::follow_checkpoints_response::Item::Checkpoint(checkpoint);
                    let response = log::FollowCheckpointsResponse { item: Some(item) };
                    if sender.send(Ok(response)).await.is_err() {
                        return;
                    }
                }
                tokio::select! {
                    changed = published.changed() => if changed.is_err() { return },
                    () = sender.closed() => return,
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    type WitnessStream = BoxStream<log::WitnessResponse>;

    /// Asked here, for the same reason.
    async fn witness(
        &self,
        request: Request<Streaming<log::WitnessRequest>>,
    ) -> Result<Response<Self::WitnessStream>, Status> {
        let mut saying = request.into_inner();
        let (sender, receiver) = mpsc::channel(4);
        let (mut ask, said) = (self.ask.subscribe(), self.said.clone());
        ask.mark_changed();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    message = saying.message() => match message {
                        Ok(Some(log::WitnessRequest { item: Some(item) })) => {
                            let _nobody_listens = said.send(item);
                        }
                        Ok(_) | Err(_) => return,
                    },
                    _ = ask.changed() => {
                        let Some(ask) = ask.borrow_and_update().clone() else { continue };
                        let item = Some(log::witness_response::Item::Ask(ask));
                        if sender.send(Ok(log::WitnessResponse { item })).await.is_err() {
                            return;
                        }
                    }
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}
