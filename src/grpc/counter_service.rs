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

use super::client::RelayClient;
use super::counter_directory as directory;
use super::counter_evidence as evidence;
use super::counter_parse as parse;
use super::counter_render as render;
use super::counter_status::{relayed, status};
use crate::desk::{
    self, Case, CaseFile, Desk, Entry, Error, KeptProof, Local, Order, Progress, Standing,
};
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
    relay: RelayClient,
    stopping: watch::Receiver<bool>,
}

impl Service {
    /// The service of `desk`; what only the relay knows is asked of `relay`. Once `stopping` is
    /// true, streams end.
    pub(super) const fn new(
        desk: Desk,
        relay: RelayClient,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self { desk, relay, stopping }
    }

    /// The officer of this name, if the caller may act as him.
    fn officer(&self, extensions: &Extensions, name: &str) -> Result<Name, Status> {
        let unknown = || Local::UnknownOfficer(name.to_owned());
        let name: Name = name.parse().map_err(|_| refuse(unknown()))?;
        let keys = self.desk.keys();
        let officer = keys.officer(&name).map_err(refuse)?;
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
        let Standing { message, request, .. } = standing;
        if standing.progress == Progress::Waiting {
            tracing::info!(%message, %request, "a statement waits for a second officer");
        } else {
            tracing::info!(%message, %request, "a statement is prepared");
        }
        self.wait_for(standing, wait).await
    }

    /// Waits a while for the relay to have a statement.
    async fn wait_for(
        &self,
        standing: Standing,
        wait: Duration,
    ) -> Result<wire::StatementOutcome, Status> {
        if standing.progress != Progress::Queued {
            return Ok(render::outcome(&standing));
        }
        let settled = timeout(wait, self.desk.settled(standing.message)).await;
        // Whatever keeps it from the relay now, it is on this desk's disk.
        let notices = standing.notices.clone();
        let standing = settled.ok().and_then(Result::ok).unwrap_or(standing);
        Ok(render::outcome(&Standing { notices, ..standing }))
    }

    async fn rendered(
        &self,
        file: &CaseFile,
        id: RequestId,
        case: &Case,
    ) -> Result<wire::Case, Status> {
        let held = file.statements_of(id);
        let forms = self.desk.forms(held.clone()).await.map_err(|error| status(&error))?;
        let mut rendered = render::case(file, id, case);
        rendered.remarks = desk::remarks(&held, &forms);
        let with_forms = held.iter().zip(forms).map(|(held, form)| render::statement(held, form));
        let relay = case.entries.iter().filter_map(|entry| match entry {
            Entry::Relay(entry) => Some(render::relay_entry(entry)),
            Entry::Own(entry) => Some(render::own_entry(file, entry)),
            Entry::Statement(_) => None,
        });
        rendered.entries = with_forms.chain(relay).collect();
        render::sort(&mut rendered.entries);
        Ok(rendered)
    }
}

fn case_in(file: &CaseFile, id: RequestId) -> Result<Arc<Case>, Status> {
    file.case(id).cloned().ok_or_else(|| refuse(Local::UnknownRequest(id)))
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

    async fn list_approvals(
        &self,
        request: Request<wire::ListApprovalsRequest>,
    ) -> Result<Response<wire::ListApprovalsResponse>, Status> {
        let wire::ListApprovalsRequest {} = request.into_inner();
        let (file, now) = (self.desk.file(), self.desk.now());
        let waiting = file.approvals().waiting();
        let approvals =
            waiting.iter().map(|held| render::approval(&file, held, now, None)).collect();
        Ok(Response::new(wire::ListApprovalsResponse { approvals }))
    }

    async fn get_approval(
        &self,
        request: Request<wire::GetApprovalRequest>,
    ) -> Result<Response<wire::GetApprovalResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        self.officer(&extensions, &message.officer)?;
        let id = parse::message_id(&message.message_id).map_err(|error| status(&error))?;
        let (file, now) = (self.desk.file(), self.desk.now());
        let held = file.approvals().get(id).filter(|held| held.declined.is_none());
        let held = held.ok_or_else(|| refuse(Local::NothingWaits(id)))?;
        let body = self.desk.waiting_form(id).await.map_err(|error| status(&error))?;
        let approval = Some(render::approval(&file, held, now, Some(body)));
        Ok(Response::new(wire::GetApprovalResponse { approval }))
    }

    async fn approve(
        &self,
        request: Request<wire::ApproveRequest>,
    ) -> Result<Response<wire::ApproveResponse>, Status> {
        let wait = wait(&request);
        let (_, extensions, message) = request.into_parts();
        let officer = self.officer(&extensions, &message.officer)?;
        let id = parse::message_id(&message.message_id).map_err(|error| status(&error))?;
        let standing = self.desk.approve(id, officer.clone()).await;
        let standing = standing.map_err(|error| status(&error))?;
        tracing::info!(message = %id, %officer, "a second officer approves a statement");
        let outcome = Some(self.wait_for(standing, wait).await?);
        Ok(Response::new(wire::ApproveResponse { outcome }))
    }

    async fn decline(
        &self,
        request: Request<wire::DeclineRequest>,
    ) -> Result<Response<wire::DeclineResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let officer = self.officer(&extensions, &message.officer)?;
        let id = parse::message_id(&message.message_id).map_err(|error| status(&error))?;
        let declined = self.desk.decline(id, officer.clone(), message.reason).await;
        declined.map_err(|error| status(&error))?;
        tracing::info!(message = %id, %officer, "a statement is declined");
        Ok(Response::new(wire::DeclineResponse {}))
    }

    async fn get_case(
        &self,
        request: Request<wire::GetCaseRequest>,
    ) -> Result<Response<wire::GetCaseResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let wire::GetCaseRequest { officer, request_id, peek } = message;
        let id = parse::request_id(&request_id).map_err(|error| status(&error))?;
        let file = self.desk.file();
        let case = case_in(&file, id)?;
        if peek {
            let mut peeked = render::case(&file, id, &case);
            peeked.entries = render::entries(&file, &case);
            return Ok(Response::new(wire::GetCaseResponse { case: Some(peeked) }));
        }
        let officer = self.officer(&extensions, &officer)?;
        // The evidence is on disk before the officer sees anything, also of what comes meanwhile.
        let file = loop {
            self.desk.retrieve(id, officer.clone()).await.map_err(|error| status(&error))?;
            let file = self.desk.file();
            if !file.statements_of(id).iter().any(|held| held.is_unseen()) {
                break file;
            }
        };
        let case = case_in(&file, id)?;
        let case = self.rendered(&file, id, &case).await?;
        Ok(Response::new(wire::GetCaseResponse { case: Some(case) }))
    }

    async fn list_cases(
        &self,
        request: Request<wire::ListCasesRequest>,
    ) -> Result<Response<wire::ListCasesResponse>, Status> {
        let wire::ListCasesRequest { page_size, page_token, direction, open_only, case_id } =
            request.into_inner();
        let of_case = parse::case_id(&case_id).map_err(|error| status(&error))?;
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
            wanted
                && (!open_only || render::is_open(case))
                && of_case.is_none_or(|id| file.case_of(case) == Some(id))
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

    async fn publish_entry(
        &self,
        request: Request<wire::PublishEntryRequest>,
    ) -> Result<Response<wire::PublishEntryResponse>, Status> {
        let wait = wait(&request);
        let published =
            directory::publish(&self.desk, &self.relay, request.into_inner(), wait).await?;
        let wire::PublishEntryResponse { version, index, .. } = published;
        tracing::info!(version, index, "an entry is published");
        Ok(Response::new(published))
    }

    async fn get_entry(
        &self,
        request: Request<wire::GetEntryRequest>,
    ) -> Result<Response<wire::GetEntryResponse>, Status> {
        directory::entry(&self.desk, request.into_inner()).await.map(Response::new)
    }

    async fn list_entry_versions(
        &self,
        request: Request<wire::ListEntryVersionsRequest>,
    ) -> Result<Response<wire::ListEntryVersionsResponse>, Status> {
        directory::versions(&self.desk, request.into_inner()).map(Response::new)
    }

    async fn search_desks(
        &self,
        request: Request<wire::SearchDesksRequest>,
    ) -> Result<Response<wire::SearchDesksResponse>, Status> {
        directory::search(&self.desk, request.into_inner()).map(Response::new)
    }

    async fn get_call_advice(
        &self,
        request: Request<wire::GetCallAdviceRequest>,
    ) -> Result<Response<wire::GetCallAdviceResponse>, Status> {
        directory::call(&self.desk, request.into_inner()).map(Response::new)
    }

    async fn get_agent_status(
        &self,
        request: Request<wire::GetAgentStatusRequest>,
    ) -> Result<Response<wire::GetAgentStatusResponse>, Status> {
        let wire::GetAgentStatusRequest {} = request.into_inner();
        Ok(Response::new(render::agent_status(&self.desk)))
    }

    async fn settle_alarm(
        &self,
        request: Request<wire::SettleAlarmRequest>,
    ) -> Result<Response<wire::SettleAlarmResponse>, Status> {
        let (_, extensions, message) = request.into_parts();
        let wire::SettleAlarmRequest { officer, id, words } = message;
        let officer = self.officer(&extensions, &officer)?;
        let settled = self.desk.settle(id, officer, words).await;
        settled.map_err(|error| status(&error))?;
        Ok(Response::new(wire::SettleAlarmResponse {}))
    }

    async fn get_response_times(
        &self,
        request: Request<wire::AgentServiceGetResponseTimesRequest>,
    ) -> Result<Response<wire::AgentServiceGetResponseTimesResponse>, Status> {
        let wire::AgentServiceGetResponseTimesRequest { ask } = request.into_inner();
        let answer = self.relay.response_times(ask.unwrap_or_default()).await;
        let answer = Some(answer.map_err(|failure| relayed(&failure))?);
        Ok(Response::new(wire::AgentServiceGetResponseTimesResponse { answer }))
    }

    async fn list_overdue(
        &self,
        request: Request<wire::AgentServiceListOverdueRequest>,
    ) -> Result<Response<wire::AgentServiceListOverdueResponse>, Status> {
        let wire::AgentServiceListOverdueRequest { ask } = request.into_inner();
        let answer = self.relay.overdue(ask.unwrap_or_default()).await;
        let answer = Some(answer.map_err(|failure| relayed(&failure))?);
        Ok(Response::new(wire::AgentServiceListOverdueResponse { answer }))
    }

    async fn list_proofs(
        &self,
        request: Request<wire::ListProofsRequest>,
    ) -> Result<Response<wire::ListProofsResponse>, Status> {
        let found = proofs(&self.desk, request.into_inner()).await;
        found.map(Response::new).map_err(|error| status(&error))
    }

    async fn show_proof(
        &self,
        request: Request<wire::ShowProofRequest>,
    ) -> Result<Response<wire::ShowProofResponse>, Status> {
        let wire::ShowProofRequest { tlog_proof } = request.into_inner();
        let shows = self.desk.show_proof(&tlog_proof).await.map_err(|error| status(&error))?;
        Ok(Response::new(render::shows(shows)))
    }

    type MakeEvidenceStream =
        Pin<Box<dyn Stream<Item = Result<wire::MakeEvidenceResponse, Status>> + Send>>;

    async fn make_evidence(
        &self,
        request: Request<wire::MakeEvidenceRequest>,
    ) -> Result<Response<Self::MakeEvidenceStream>, Status> {
        let (_, extensions, message) = request.into_parts();
        let officer = self.officer(&extensions, &message.officer)?;
        let showing = evidence::showing(officer.clone(), &message);
        let showing = showing.map_err(|error| status(&error))?;
        let id = showing.request;
        let dossier = self.desk.show(showing).await.map_err(|error| status(&error))?;
        let (sha256, bodies) = (dossier.sha256, dossier.disclosed.len());
        tracing::info!(request = %id, %officer, %sha256, bodies, "evidence was made");
        Ok(Response::new(Box::pin(tokio_stream::iter(evidence::parts(dossier)))))
    }
}

/// The proofs of a request's records, as they are kept.
async fn proofs(
    desk: &Desk,
    request: wire::ListProofsRequest,
) -> Result<wire::ListProofsResponse, Error> {
    let id = parse::request_id(&request.request_id)?;
    if desk.file().case(id).is_none() {
        return Err(Local::UnknownRequest(id).into());
    }
    let (found, missing) = desk.proofs_of(id).await?;
    let proof = |KeptProof { index, proof, witnessed }: KeptProof| wire::RecordProof {
        index: index.0,
        tlog_proof: proof,
        witnessed,
    };
    let missing = u32::try_from(missing).unwrap_or(u32::MAX);
    let bad = desk.evidence_of(id).await?.into_iter().map(render::bad_proof).collect();
    Ok(wire::ListProofsResponse { proofs: found.into_iter().map(proof).collect(), missing, bad })
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
