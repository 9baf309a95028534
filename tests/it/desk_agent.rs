//! The agent over real gRPC: a relay that comes and goes, officers at the socket.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use detente::envelope::Envelope;
use detente::grpc::agent::{Agent, AgentError, Options};
use detente::grpc::client::{self, Limits};
use detente::grpc::counter::{self, BindError, Counter, api};
use detente::grpc::uplink::Timing;
use detente::grpc::{Failure, RelayClient};
use detente::units::{DAY_MS, DeskId, DeskIndex, MessageId};
use detente::wire::detente::desk::v1 as wire;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status};
use wire::desk_service_server::{DeskService, DeskServiceServer};

use crate::desk_pair::{self as pair, HandClock, Relay, nl, ro};

/// The relay of `desk_pair`, for one desk, over gRPC. Who calls is known from the port.
#[derive(Clone)]
struct Door {
    relay: Arc<Mutex<Relay>>,
    desk: DeskId,
    down: Arc<AtomicBool>,
}

impl Door {
    fn up(&self) -> Result<(), Status> {
        if self.down.load(Ordering::SeqCst) { Err(Status::unavailable("down")) } else { Ok(()) }
    }
}

#[tonic::async_trait]
impl DeskService for Door {
    async fn submit(
        &self,
        request: Request<wire::SubmitRequest>,
    ) -> Result<Response<wire::SubmitResponse>, Status> {
        self.up()?;
        let envelope = Envelope::from_wire(request.into_inner().envelope.unwrap()).unwrap();
        let answer = self.relay.lock().unwrap().submit(&envelope);
        let (index, time) = answer.map_err(|refusal| Status::internal(refusal.code()))?;
        let response = wire::SubmitResponse { index: index.0, time_ms: time.0, repeat: false };
        Ok(Response::new(response))
    }

    type FollowStream =
        Pin<Box<dyn tokio_stream::Stream<Item = Result<wire::FollowResponse, Status>> + Send>>;

    async fn follow(
        &self,
        request: Request<wire::FollowRequest>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        self.up()?;
        let mut next = DeskIndex(request.into_inner().from_desk_index);
        let (sender, receiver) = tokio::sync::mpsc::channel(4);
        let door = self.clone();
        tokio::spawn(async move {
            while door.up().is_ok() && !sender.is_closed() {
                let records = door.relay.lock().unwrap().follow(&door.desk, next);
                for record in records {
                    next = record.desk_index.next();
                    let item = Some(wire::follow_response::Item::Record(to_wire(record)));
                    if sender.send(Ok(wire::FollowResponse { item })).await.is_err() {
                        return;
                    }
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn get_content(
        &self,
        request: Request<wire::GetContentRequest>,
    ) -> Result<Response<wire::GetContentResponse>, Status> {
        self.up()?;
        let message = MessageId::from_slice(&request.into_inner().message_id).unwrap();
        let content = self.relay.lock().unwrap().content(&self.desk, message);
        let (wrap, ciphertext) = content.map_err(|refusal| Status::internal(refusal.code()))?;
        Ok(Response::new(wire::GetContentResponse { wrap, ciphertext }))
    }

    async fn get_request_status(
        &self,
        _: Request<wire::GetRequestStatusRequest>,
    ) -> Result<Response<wire::GetRequestStatusResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_request_statuses(
        &self,
        _: Request<wire::ListRequestStatusesRequest>,
    ) -> Result<Response<wire::ListRequestStatusesResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

fn to_wire(record: detente::desk::Incoming) -> wire::DeskRecord {
    wire::DeskRecord {
        desk_index: record.desk_index.0,
        index: record.index.0,
        event: record.event,
        header: record.header,
        signatures: record.signatures.iter().map(|signature| signature.to_wire()).collect(),
        leaf: Some(wire::LeafOpening {
            log: record.leaf.log.as_str().to_owned(),
            index: record.leaf.index,
            opening: record.leaf.opening.map(|opening| opening.to_vec()).unwrap_or_default(),
        }),
    }
}

/// A relay and a place for agents.
struct Scene {
    clock: HandClock,
    relay: Arc<Mutex<Relay>>,
    down: Arc<AtomicBool>,
    dirs: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let clock = HandClock::new();
        let relay = Arc::new(Mutex::new(Relay::new(&clock)));
        let down = Arc::new(AtomicBool::new(false));
        Self { clock, relay, down, dirs: tempfile::tempdir().unwrap() }
    }

    async fn client(&self, desk: &DeskId) -> RelayClient {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (relay, down) = (Arc::clone(&self.relay), Arc::clone(&self.down));
        let door = Door { relay, desk: desk.clone(), down };
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(DeskServiceServer::new(door))
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
        client::connect(move || tokio::net::TcpStream::connect(address), &Limits::default())
    }

    fn socket(&self, desk: &DeskId) -> PathBuf {
        self.dirs.path().join(format!("{}.sock", desk.member.label()))
    }

    async fn options(&self, desk: &DeskId) -> Options {
        let dir = self.dirs.path().join(desk.member.label());
        Options {
            desk: pair::options(desk, &dir, &self.clock),
            relay: self.client(desk).await,
            socket: self.socket(desk),
            timing: Timing { pause_max: Duration::from_millis(50), ..Timing::default() },
        }
    }

    async fn start(&self, desk: &DeskId) -> (Agent, Counter) {
        let agent = Agent::start(self.options(desk).await).await.unwrap();
        let counter = counter::connect(&self.socket(desk)).await.unwrap();
        (agent, counter)
    }
}

fn question() -> api::SendRequestRequest {
    api::SendRequestRequest {
        officer: "duty".into(),
        to: "RO/cyber".into(),
        r#type: "TECHNICAL_ADVICE".into(),
        body: Some(pair::question(&ro()).body),
        ..api::SendRequestRequest::default()
    }
}

async fn look(counter: &mut Counter, request: &[u8], peek: bool) -> Result<api::Case, Failure> {
    let asked = api::GetCaseRequest { officer: "duty".into(), request_id: request.to_vec(), peek };
    Ok(counter.get_case(asked).await?.into_inner().case.unwrap())
}

/// Looks until it is so, for 20 s.
async fn until(
    counter: &mut Counter,
    request: &[u8],
    peek: bool,
    so: impl Fn(&api::Case) -> bool,
) -> api::Case {
    let mut last = None;
    for _ in 0..2_000 {
        match look(counter, request, peek).await {
            Ok(case) if so(&case) => return case,
            other => last = Some(other),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{last:?}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_is_sent_opened_and_acknowledged() {
    let scene = Scene::new();
    let (a, mut nl_counter) = scene.start(&nl()).await;
    let (b, mut ro_counter) = scene.start(&ro()).await;
    let sent = nl_counter.send_request(question()).await.unwrap().into_inner().outcome.unwrap();
    assert_eq!(sent.state(), api::StatementState::Recorded);
    let id = sent.request_id.clone();

    let seen = until(&mut ro_counter, &id, true, |case| case.transport == "DELIVERY").await;
    assert_eq!((seen.direction.as_str(), seen.handling.as_str()), ("in", "NEW"));
    assert!(seen.entries.iter().all(|entry| entry.body.is_none()));
    let opened = until(&mut ro_counter, &id, false, |case| case.entries[0].body.is_some()).await;
    assert_eq!(opened.entries[0].body, question().body);
    let act = api::ActRequest {
        officer: "duty".into(),
        request_id: id.clone(),
        act: Some(api::act_request::Act::Acknowledge("YES".into())),
        estimated_at_ms: scene.clock.now().plus_ms(DAY_MS).0,
        body: Some(pair::acknowledgement(detente::units::RequestId([0; 16]), pair::START).body),
        ..api::ActRequest::default()
    };
    let answered = ro_counter.act(act).await.unwrap().into_inner().outcome.unwrap();
    assert_eq!(answered.state(), api::StatementState::Recorded);
    let end = until(&mut nl_counter, &id, false, |case| {
        case.handling == "ACKNOWLEDGED"
            && case.transport == "RETRIEVAL"
            && case.entries.iter().all(|entry| entry.sealed.is_empty())
    })
    .await;
    assert!(end.acknowledged_ms >= end.submitted_ms && end.estimated_ms > 0);
    let what: Vec<&str> = end.entries.iter().map(|entry| entry.what.as_str()).collect();
    for expected in ["REQUEST", "OFFERED", "DELIVERY", "RETRIEVAL", "ACKNOWLEDGE"] {
        assert!(what.contains(&expected), "{what:?}");
    }

    let watched = api::WatchCasesRequest { from_update: 0 };
    let mut updates = nl_counter.watch_cases(watched).await.unwrap().into_inner();
    for n in 0..what.len() as u64 {
        assert_eq!(updates.message().await.unwrap().unwrap().update, n);
    }
    let cases = nl_counter.list_cases(api::ListCasesRequest::default()).await.unwrap().into_inner();
    assert_eq!((cases.cases.len(), cases.next_page_token.as_str()), (1, ""));
    let mine = api::ListCasesRequest { direction: "in".into(), ..Default::default() };
    assert_eq!(nl_counter.list_cases(mine).await.unwrap().into_inner().cases.len(), 0);
    a.stop().await.unwrap();
    b.stop().await.unwrap();
    assert!(!scene.socket(&nl()).exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_while_the_relay_is_away_is_sent_when_it_is_back() {
    let scene = Scene::new();
    scene.down.store(true, Ordering::SeqCst);
    let (agent, mut counter) = scene.start(&nl()).await;
    let mut request = Request::new(question());
    request.set_timeout(Duration::from_millis(600));
    let sent = counter.send_request(request).await.unwrap().into_inner().outcome.unwrap();
    assert_eq!(sent.state(), api::StatementState::Queued);
    let status = counter.get_agent_status(api::GetAgentStatusRequest {}).await.unwrap();
    let status = status.into_inner();
    assert!(!status.connected && !status.trouble.is_empty());
    assert_eq!((status.outbox, status.desk.as_str()), (1, "NL/cyber"));
    agent.stop().await.unwrap();

    scene.down.store(false, Ordering::SeqCst);
    let (agent, mut counter) = scene.start(&nl()).await;
    until(&mut counter, &sent.request_id, true, |case| case.submitted_ms != 0).await;
    let submitted: Vec<_> =
        scene.relay.lock().unwrap().submitted.iter().map(|e| e.statement.message).collect();
    assert_eq!(submitted, [MessageId::from_slice(&sent.message_id).unwrap()]);
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_users_of_an_officer_act_as_him() {
    let scene = Scene::new();
    let mut options = scene.options(&nl()).await;
    for officer in options.desk.keys.officers.values_mut() {
        officer.uids = vec![pair::own_uid() + 1];
    }
    let agent = Agent::start(options).await.unwrap();
    let mut counter = counter::connect(&scene.socket(&nl())).await.unwrap();
    let refused = Failure::from(counter.send_request(question()).await.unwrap_err());
    assert_eq!(
        (refused.code, refused.rule_code.as_str()),
        (tonic::Code::PermissionDenied, "D-104")
    );
    let mut unknown = question();
    unknown.officer = "nobody".into();
    let refused = Failure::from(counter.send_request(unknown).await.unwrap_err());
    assert_eq!(refused.rule_code, "D-103");
    assert_eq!(agent.desk().status().outbox, 0);
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_wrong_field_is_named_to_the_officer() {
    let scene = Scene::new();
    let (agent, mut counter) = scene.start(&nl()).await;
    let cases: [(&str, fn(&mut api::SendRequestRequest)); 6] = [
        ("to", |order| order.to = "RO".into()),
        ("type", |order| order.r#type = "preservation".into()),
        ("instrument", |order| order.instrument = "VIENNA".into()),
        ("case_id", |order| order.case_id = vec![1; 15]),
        ("body", |order| order.body = None),
        ("form", |order| order.body = Some(counter::form::Body::default())),
    ];
    for (field, spoil) in cases {
        let mut order = question();
        spoil(&mut order);
        let refused = Failure::from(counter.send_request(order).await.unwrap_err());
        let named: Vec<&str> = refused.fields.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(named, [field], "{refused}");
        assert_eq!(refused.rule_code, "E-101");
    }
    let unknown = look(&mut counter, &[3; 16], false).await.unwrap_err();
    assert_eq!((unknown.code, unknown.rule_code.as_str()), (tonic::Code::NotFound, "D-102"));
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_is_taken_over_only_when_nobody_answers() {
    use std::os::unix::fs::PermissionsExt as _;
    let scene = Scene::new();
    let socket = scene.socket(&nl());
    // Left behind by an agent that is gone.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let (agent, _counter) = scene.start(&nl()).await;
    assert_eq!(mode(&socket), 0o600);
    let mut second = scene.options(&ro()).await;
    second.socket = socket.clone();
    let refused = Agent::start(second).await.err().unwrap();
    assert!(matches!(refused, AgentError::Counter(BindError::InUse(_))), "{refused:?}");
    agent.stop().await.unwrap();
    std::fs::write(&socket, "a file").unwrap();
    let refused = Agent::start(scene.options(&nl()).await).await.err().unwrap();
    assert!(matches!(refused, AgentError::Counter(BindError::NotASocket(_))), "{refused:?}");

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }
}
