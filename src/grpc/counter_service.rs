//! The agent's service for officers: what is called at the counter, and what is answered.
//!
//! Not for the socket (see `counter.rs`). Whoever calls is known by the
//! credentials of the socket's other end (`SO_PEERCRED`); as which officer he may act is written
//! in `desk.toml`.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use tokio_stream::Stream;
use tonic::transport::server::UdsConnectInfo;
use tonic::{Extensions, Request, Response, Status};

use super::counter_parse as parse;
use super::counter_render as render;
use super::counter_status::status;
use crate::desk::{Case, Desk, Entry, Error, Local, Order, Progress, Standing};
use crate::units::{Name, RequestId};
use crate::wire::detente::desk::v1 as wire;
use wire::agent_service_server::AgentService;

/// How long an officer waits for the relay when he does not say: long enough for a relay that is
/// there, short enough to be told otherwise.
const WAIT: Duration = Duration::from_secs(5);
/// What is left of the caller's own deadline to answer in.
const MARGIN: Duration = Duration::from_millis(200);
/// Requests in a page when the caller does not say, and at most.
const PAGE: (usize, usize) = (50, 500);
/// Updates that wait for a slow reader; what comes after them waits on disk.
const UPDATES_BUFFERED: usize = 64;

/// The service of one desk.
pub(super) struct Service {
    desk: Desk,
    stopping: watch::Receiver<bool>,
}

impl Service {
    /// The service of `desk`. Once `stopping` is true, streams end.
    pub(super) const fn new(desk: Desk, stopping: watch::Receiver<bool>) -> Self {
        Self { desk, stopping }
    }

    /// The officer of this name, if the caller may act as him.
    fn officer(&self, extensions: &Extensions, name: &str) -> Result<Name, Status> {
        let unknown = || Local::UnknownOfficer(name.to_owned());
        let name: Name = name.parse().map_err(|_| refuse(unknown()))?;
        let officer = self.desk.keys().officer(&name).map_err(refuse)?;
        let credentials =
            extensions.get::<UdsConnectInfo>().and_then(|connection| connection.peer_cred);
        let uid = credentials.ok_or_else(|| refuse(Local::NobodyKnown))?.uid();
        if officer.uids.contains(&uid) {
            Ok(name)
        } else {
            tracing::warn!(officer = %name, uid, "a Unix user may not act as this officer");
            Err(refuse(Local::NotPermitted { officer: name, uid }))
        }
    }

    /// Prepares a statement and waits a while for the relay to have it.
    async fn say(&self, order: Order, wait: Duration) -> Result<wire::StatementOutcome, Status> {
        let standing = self.desk.prepare(order).await.map_err(|error| status(&error))?;
        let Standing { message, .. } = standing;
        tracing::info!(%message, request = %standing.request, "a statement is prepared");
        if standing.progress != Progress::Queued {
            return Ok(render::outcome(&standing));
        }
        let settled = timeout(wait, self.desk.settled(message)).await;
        // Whatever keeps it from the relay now, it is on this desk's disk.
        Ok(render::outcome(&settled.ok().and_then(Result::ok).unwrap_or(standing)))
    }

    async fn rendered(&self, id: RequestId, case: &Case) -> Result<wire::Case, Status> {
        let file = self.desk.file();
        let held = file.statements_of(id);
        let forms = self.desk.forms(held.clone()).await.map_err(|error| status(&error))?;
        let mut rendered = render::case(&file, id, case);
        let with_forms = held.iter().zip(forms).map(|(held, form)| render::statement(held, form));
        let relay = case.entries.iter().filter_map(|entry| match entry {
            Entry::Relay(entry) => Some(render::relay_entry(entry)),
            Entry::Statement(_) => None,
        });
        rendered.entries = with_forms.chain(relay).collect();
        render::sort(&mut rendered.entries);
        Ok(rendered)
    }
}

#[tonic::async_trait]
impl AgentService for Service {
    async fn send_request(
        &self,
        request: Request<wire::SendRequestRequest>,
    ) -> Result<Response<wire::SendRequestResponse>, Status> {
        let wait = wait(&request);
        let (_, extensions, message) = request.into_parts();
        let officer = self.officer(&extensions, &message.officer)?;
        let order = parse::request(officer, message).map_err(|error| status(&error))?;
        let outcome = self.say(order, wait).await?;
        Ok(Response::new(wire::SendRequestResponse { outcome: Some(outcome) }))
    }

    async fn act(
        &self,
        request: Request<wire::ActRequest>,
    ) -> Result<Response<wire::ActResponse>, Status> {
        let wait = wait(&request);
        let (_, extensions, message) = request.into_parts();
        let officer = self.officer(&extensions, &message.officer)?;
        let order = parse::act(officer, message).map_err(|error| status(&error))?;
        let outcome = self.say(order, wait).await?;
        Ok(Response::new(wire::ActResponse { outcome: Some(outcome) }))
    }

    async fn get_case(
        &self,
        request: Request<wire::GetCaseRequest>,
    ) -> Result<Response<wire::GetCaseResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let wire::GetCaseRequest { officer, request_id, peek } = message;
        let id = parse::request_id(&request_id).map_err(|error| status(&error))?;
        let find = || {
            let case = self.desk.file().case(id).cloned();
            case.ok_or_else(|| refuse(Local::UnknownRequest(id)))
        };
        let case = find()?;
        if peek {
            let file = self.desk.file();
            let mut peeked = render::case(&file, id, &case);
            peeked.entries = render::entries(&file, &case);
            return Ok(Response::new(wire::GetCaseResponse { case: Some(peeked) }));
        }
        let officer = self.officer(&extensions, &officer)?;
        // The evidence is on disk before the officer sees anything.
        self.desk.retrieve(id, officer).await.map_err(|error| status(&error))?;
        let case = self.rendered(id, &*find()?).await?;
        Ok(Response::new(wire::GetCaseResponse { case: Some(case) }))
    }

    async fn list_cases(
        &self,
        request: Request<wire::ListCasesRequest>,
    ) -> Result<Response<wire::ListCasesResponse>, Status> {
        let wire::ListCasesRequest { page_size, page_token, direction, open_only } =
            request.into_inner();
        let before = parse::page_token(&page_token).map_err(|error| status(&error))?;
        let direction = parse::direction(&direction).map_err(|error| status(&error))?;
        let size = match usize::try_from(page_size) {
            Ok(0) => PAGE.0,
            Ok(size) => size.min(PAGE.1),
            Err(_negative) => return Err(status(&parse::malformed("page_size", "negative"))),
        };
        let file = self.desk.file();
        let mut found = file.cases_before(before).filter(|(_, case)| {
            let wanted = direction.is_none_or(|ours| (case.from == *file.owner()) == ours);
            wanted && (!open_only || render::is_open(case))
        });
        let page: Vec<_> = found.by_ref().take(size).collect();
        let more = found.next().is_some();
        let next_page_token = match page.last() {
            Some((_, last)) if more => last.number.to_string(),
            Some(_) | None => String::new(),
        };
        let cases = page.into_iter().map(|(id, case)| render::case(&file, id, case)).collect();
        Ok(Response::new(wire::ListCasesResponse { cases, next_page_token }))
    }

    type WatchCasesStream =
        Pin<Box<dyn Stream<Item = Result<wire::WatchCasesResponse, Status>> + Send>>;

    async fn watch_cases(
        &self,
        request: Request<wire::WatchCasesRequest>,
    ) -> Result<Response<Self::WatchCasesStream>, Status> {
        let wire::WatchCasesRequest { from_update } = request.into_inner();
        let (sender, receiver) = tokio::sync::mpsc::channel(UPDATES_BUFFERED);
        tokio::spawn(watch_updates(self.desk.clone(), from_update, self.stopping.clone(), sender));
        let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
        Ok(Response::new(Box::pin(stream)))
    }

    async fn list_contacts(
        &self,
        request: Request<wire::ListContactsRequest>,
    ) -> Result<Response<wire::ListContactsResponse>, Status> {
        let wire::ListContactsRequest { member } = request.into_inner();
        let member = parse::member(&member).map_err(|error| status(&error))?;
        let contacts = render::contacts(&self.desk.file(), member);
        Ok(Response::new(wire::ListContactsResponse { contacts }))
    }

    async fn get_agent_status(
        &self,
        request: Request<wire::GetAgentStatusRequest>,
    ) -> Result<Response<wire::GetAgentStatusResponse>, Status> {
        let wire::GetAgentStatusRequest {} = request.into_inner();
        Ok(Response::new(render::agent_status(self.desk.status())))
    }
}

/// Sends updates from a number on until nobody reads them or the agent stops.
async fn watch_updates(
    desk: Desk,
    mut next: u64,
    mut stopping: watch::Receiver<bool>,
    sender: tokio::sync::mpsc::Sender<Result<wire::WatchCasesResponse, Status>>,
) {
    let mut changes = desk.changes();
    loop {
        let file = Arc::clone(&changes.borrow_and_update().file);
        while let Some(update) = file.update(next) {
            let case = file.case(update.request);
            let response = wire::WatchCasesResponse {
                update: next,
                case: case.map(|case| render::case(&file, update.request, case)),
                entry: render::entry(&file, &update.entry),
            };
            tokio::select! {
                sent = sender.send(Ok(response)) => if sent.is_err() { return },
                _ = stopping.wait_for(|stop| *stop) => return,
            }
            next += 1;
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = sender.closed() => return,
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

/// How long the caller can wait for the relay.
fn wait<T>(request: &Request<T>) -> Duration {
    let text = request.metadata().get("grpc-timeout").and_then(|value| value.to_str().ok());
    match text.and_then(parse::grpc_timeout) {
        Some(allowed) => allowed.saturating_sub(MARGIN),
        None => WAIT,
    }
}

fn refuse(local: Local) -> Status {
    status(&Error::Local(local))
}
