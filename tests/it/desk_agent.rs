//! The agent over real gRPC: a relay that comes and goes, officers at the socket.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use detente::codec::Leaf;
use detente::envelope::Envelope;
use detente::grpc::agent::{Agent, AgentError, Options};
use detente::grpc::client::{self, Limits};
use detente::grpc::counter::{self, BindError, Counter, api};
use detente::grpc::uplink::Timing;
use detente::grpc::{Failure, RelayClient};
use detente::units::{DAY_MS, DeskId, DeskIndex, Hash, MessageId};
use detente::wire::detente::desk::v1 as wire;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status};
use wire::desk_service_server::{DeskService, DeskServiceServer};

use crate::desk_pair::{self as pair, HandClock, Relay, nl, ro};
use crate::net::PATIENCE;

/// The relay of `desk_pair`, for one desk, over gRPC. Who calls is known from the port.
#[derive(Clone)]
pub(crate) struct Door {
    relay: Arc<Mutex<Relay>>,
    desk: DeskId,
    down: Arc<AtomicBool>,
    /// Its receipts do not hold.
    lies: Arc<AtomicBool>,
}

impl Door {
    /// The relay as it is, for this desk.
    pub(crate) fn new(relay: Arc<Mutex<Relay>>, desk: DeskId) -> Self {
        Self { relay, desk, down: Arc::default(), lies: Arc::default() }
    }

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
        let mut relay = self.relay.lock().unwrap();
        let answer = relay.submit(&envelope);
        let (index, time) = answer.map_err(|refusal| Status::internal(refusal.code()))?;
        let mut receipt = relay.receipt(index);
        if self.lies.load(Ordering::SeqCst) {
            receipt.hashes.push(Hash([0; 32]));
        }
        let receipt = Some(receipt_to_wire(receipt));
        let (index, time_ms) = (index.0, time.0);
        Ok(Response::new(wire::SubmitResponse { index, time_ms, repeat: false, receipt }))
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

    async fn get_response_times(
        &self,
        _: Request<wire::GetResponseTimesRequest>,
    ) -> Result<Response<wire::GetResponseTimesResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_overdue(
        &self,
        _: Request<wire::ListOverdueRequest>,
    ) -> Result<Response<wire::ListOverdueResponse>, Status> {
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
        leaf: Some(leaf_to_wire(record.leaf)),
    }
}

fn leaf_to_wire(leaf: Leaf) -> wire::LeafOpening {
    wire::LeafOpening {
        log: leaf.log.as_str().to_owned(),
        index: leaf.index,
        opening: leaf.opening.map(|opening| opening.to_vec()).unwrap_or_default(),
    }
}

fn receipt_to_wire(receipt: detente::desk::Receipt) -> wire::Receipt {
    wire::Receipt {
        leaf: Some(leaf_to_wire(receipt.leaf)),
        hashes: receipt.hashes.iter().map(|hash| hash.0.to_vec()).collect(),
        checkpoint: receipt.checkpoint,
        event: receipt.event,
    }
}

/// A relay and a place for agents.
struct Scene {
    clock: HandClock,
    relay: Arc<Mutex<Relay>>,
    down: Arc<AtomicBool>,
    lies: Arc<AtomicBool>,
    dirs: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let clock = HandClock::new();
        let relay = Arc::new(Mutex::new(Relay::new(&clock)));
        let (down, lies) = (Arc::default(), Arc::default());
        Self { clock, relay, down, lies, dirs: tempfile::tempdir().unwrap() }
    }

    async fn client(&self, desk: &DeskId) -> RelayClient {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (relay, down) = (Arc::clone(&self.relay), Arc::clone(&self.down));
        let door = Door { relay, desk: desk.clone(), down, lies: Arc::clone(&self.lies) };
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

/// Looks until it is so.
async fn until(
    counter: &mut Counter,
    request: &[u8],
    peek: bool,
    so: impl Fn(&api::Case) -> bool,
) -> api::Case {
    let mut last = None;
    let started = std::time::Instant::now();
    while started.elapsed() < PATIENCE {
        match look(counter, request, peek).await {
            Ok(case) if so(&case) => return case,
            other => last = Some(other),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{last:?}")
}

/// The relay has the statement and proves it to nobody. Whether its stream is there before the
/// answer is chance; the alarm and the evidence are not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_that_does_not_hold_is_an_alarm_and_is_kept_as_evidence() {
    let scene = Scene::new();
    scene.lies.store(true, Ordering::SeqCst);
    let (agent, mut counter) = scene.start(&nl()).await;
    let sent = counter.send_request(question()).await.unwrap().into_inner().outcome.unwrap();
    let mut listed = api::ListProofsResponse::default();
    let started = std::time::Instant::now();
    while started.elapsed() < PATIENCE {
        let asked = api::ListProofsRequest { request_id: sent.request_id.clone() };
        listed = counter.list_proofs(asked).await.unwrap().into_inner();
        if !listed.bad.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(listed.proofs.is_empty());
    // It is kept before it is raised.
    crate::net::until("it is an alarm", || agent.desk().status().alarms == 1).await;
    let [bad] = listed.bad.as_slice() else { panic!("{:?}", listed.bad) };
    assert_eq!((bad.code.as_str(), &bad.message_id), ("D-315", &sent.message_id));
    let given: wire::Receipt = prost::Message::decode(bad.given.as_slice()).unwrap();
    assert!(given.checkpoint.starts_with("detente-test/traffic\n"));
    agent.stop().await.unwrap();
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

/// An officer who looks again and again while forms arrive never sees one before the evidence of
/// that is on disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_seen_without_evidence() {
    let scene = Scene::new();
    let (nl_agent, mut nl_counter) = scene.start(&nl()).await;
    let (ro_agent, ro_counter) = scene.start(&ro()).await;
    let mut seen = 0;
    for _ in 0..30 {
        let sent = nl_counter.send_request(question()).await.unwrap().into_inner();
        let id = sent.outcome.unwrap().request_id;
        let mut lookers = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let (mut counter, id) = (ro_counter.clone(), id.clone());
            let desk = ro_agent.desk().clone();
            lookers.spawn(async move {
                let request = detente::units::RequestId::from_slice(&id).unwrap();
                loop {
                    let Ok(case) = look(&mut counter, &id, false).await else { continue };
                    let shown = case.entries.iter().any(|entry| {
                        entry.from == "NL/cyber" && entry.sealed.is_empty() && entry.body.is_some()
                    });
                    if shown {
                        let held = desk.file().statements_of(request);
                        return held.iter().all(|held| !held.is_unseen());
                    }
                }
            });
        }
        let all = tokio::time::timeout(PATIENCE, lookers.join_all());
        seen += all.await.unwrap().into_iter().filter(|evidence| *evidence).count();
    }
    assert_eq!(seen, 120, "a form was seen without evidence");
    nl_agent.stop().await.unwrap();
    ro_agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_while_the_relay_is_away_is_sent_when_it_is_back() {
    let scene = Scene::new();
    scene.down.store(true, Ordering::SeqCst);
    let (agent, mut counter) = scene.start(&nl()).await;
    let asked = api::SendRequestRequest { message_id: vec![7; 16], ..question() };
    let sent = loop {
        let mut request = Request::new(asked.clone());
        request.set_timeout(Duration::from_secs(3));
        match counter.send_request(request).await {
            Ok(answer) => break answer.into_inner().outcome.unwrap(),
            // The agent answers just before; a busy machine may be slower. It is asked again.
            Err(late) => {
                let codes = [tonic::Code::DeadlineExceeded, tonic::Code::Cancelled];
                assert!(codes.contains(&late.code()), "{late:?}");
            }
        }
    };
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
    assert_eq!(mode(&scene.socket(&nl())), 0o666, "another user must be able to knock");
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
    type Spoil = fn(&mut api::SendRequestRequest);
    let cases: [(&str, Spoil); 6] = [
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
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Another Unix user gets in when he is an officer, and is told why when he is nobody here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root: calls as other Unix users"]
async fn another_user_gets_in_only_as_an_officer() {
    use std::os::unix::fs::PermissionsExt as _;
    const OFFICER: u32 = 65_533;
    let scene = Scene::new();
    let mut options = scene.options(&nl()).await;
    for officer in options.desk.keys.officers.values_mut() {
        officer.uids = vec![OFFICER];
    }
    let agent = Agent::start(options).await.unwrap();
    // Where other users may go.
    let open = |path: &Path| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    let program = scene.dirs.path().join("detente");
    std::fs::copy(env!("CARGO_BIN_EXE_detente"), &program).unwrap();
    open(scene.dirs.path());
    open(&program);
    let socket = scene.socket(&nl());
    let status = |uid: u32| {
        let mut command = std::process::Command::new("setpriv");
        let uid = uid.to_string();
        command.args(["--reuid", &uid, "--regid", &uid, "--clear-groups"]);
        command.arg(&program).args(["desk", "status", "--json", "--socket"]).arg(&socket);
        tokio::task::spawn_blocking(move || command.output().unwrap())
    };
    let let_in = status(OFFICER).await.unwrap();
    assert!(let_in.status.success(), "{}", String::from_utf8_lossy(&let_in.stderr));
    let turned_away = status(OFFICER + 1).await.unwrap();
    let said = String::from_utf8_lossy(&turned_away.stderr);
    assert_eq!(turned_away.status.code(), Some(4), "{said}");
    assert!(said.contains("D-108") && said.contains("desk.toml"), "{said}");
    agent.stop().await.unwrap();
}
