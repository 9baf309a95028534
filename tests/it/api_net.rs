//! A relay in this process with its real edge, reached over pipes in memory instead of TLS.
//!
//! Not for what TLS proves: who is at the other end of a pipe is what the test says. Everything
//! behind it is real: HTTP/2, the guard, the services, the relay, its journal and its tables.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use detente::envelope::genesis::{
    self, EncryptionKey, FoundingDesk, FoundingMember, FoundingOfficer, Genesis, LogKey,
};
use detente::envelope::words::{Instrument, RequestType, Role, Urgency, WillAnswer};
use detente::envelope::{
    self, Act, Approval, DecryptionKey, Draft, Envelope, RequestFacts, Signer, SigningKey,
    Statement,
};
use detente::grpc::client::{self, RelayClient};
use detente::grpc::serve::Gate;
use detente::grpc::{Edge, Limits, ServeError};
use detente::identity::trust::ListState;
use detente::identity::{Connections, Denied, PeerInfo};
use detente::relay::{self, Clock, Relay, Running, Seeds, Signers, SystemClock};
use detente::telemetry::RelayFigures;
use detente::units::{Caller, CaseId, DAY_MS, DeskId, HOUR_MS, Hash, MessageId, Timestamp};
use detente::wire::detente::form::v1 as form;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::server::Connected;
use tonic::transport::{Channel, Endpoint};

/// The members of the network; each has the desk `cyber` with the officer `duty`.
pub(crate) const MEMBERS: [&str; 3] = ["NL", "RO", "XM"];

/// Bytes that a pipe holds.
const PIPE_BYTES: usize = 64 << 10;

/// A running relay with its edge.
pub(crate) struct Net {
    pub(crate) relay: Relay,
    pub(crate) edge: Edge,
    /// Desks whose certificate is revoked.
    pub(crate) revoked: Arc<Mutex<BTreeSet<DeskId>>>,
    door: mpsc::UnboundedSender<io::Result<Pipe>>,
    numbers: Arc<AtomicU64>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<Result<(), ServeError>>,
    running: Running,
    directory: Option<tempfile::TempDir>,
}

impl Net {
    pub(crate) async fn start(limits: Limits) -> Self {
        Self::start_by(limits, Arc::new(SystemClock::default())).await
    }

    /// One whose relay goes by this clock.
    pub(crate) async fn start_by(limits: Limits, clock: Arc<dyn Clock>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let net = Self::start_in(directory.path(), signed_genesis(), limits, clock).await;
        Self { directory: Some(directory), ..net }
    }

    /// One whose store lies in this directory, which stays.
    pub(crate) async fn start_in(
        directory: &Path,
        signed: Vec<u8>,
        limits: Limits,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self::start_signed(directory, (signed, seeds()), limits, clock).await
    }

    /// The same with the usual limits and the system's clock.
    pub(crate) async fn start_on(directory: &Path, signed: &[u8]) -> Self {
        let clock = Arc::new(SystemClock::default());
        Self::start_in(directory, signed.to_vec(), Limits::default(), clock).await
    }

    /// As [`Net::start_on`], with a relay that waits so long for the quorum of its witnesses, by
    /// the genesis or by a policy.
    pub(crate) async fn start_waiting(
        directory: &Path,
        signed: &[u8],
        asks: (Option<&str>, Duration),
    ) -> Self {
        let clock = Arc::new(SystemClock::default());
        let keys = (signed.to_vec(), seeds());
        let net = Self::start_with(directory, keys, Limits::default(), clock, asks).await;
        let relay = net.relay.clone();
        tokio::spawn(async move { relay.wait_for_witnesses().await });
        net
    }

    /// As [`Net::start_in`], with these keys of the logs.
    pub(crate) async fn start_signed(
        directory: &Path,
        keys: (Vec<u8>, Seeds),
        limits: Limits,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self::start_with(directory, keys, limits, clock, (None, Duration::ZERO)).await
    }

    async fn start_with(
        directory: &Path,
        (signed, seeds): (Vec<u8>, Seeds),
        limits: Limits,
        clock: Arc<dyn Clock>,
        (policy, witnesses_within): (Option<&str>, Duration),
    ) -> Self {
        let genesis = genesis::parse(&signed).unwrap();
        let signers = Signers::unchecked(&genesis.network, &seeds).unwrap();
        let options = relay::Options {
            directory: directory.to_owned(),
            journal: detente::journal::file::Options::default(),
            tables_cache_bytes: 8 << 20,
            envelope_bytes_max: 256 << 10,
            genesis_hash: genesis.hash,
            signers: Some(Arc::new(signers)),
            policy: policy.map(|policy| policy.parse().unwrap()),
            witnesses_within,
        };
        let open = move || Relay::open(&options, &signed, clock);
        let (relay, running) = tokio::task::spawn_blocking(open).await.unwrap().unwrap();
        relay.announce_log_keys().await.unwrap();
        let (stop, stopping) = watch::channel(false);
        let revoked = Arc::new(Mutex::new(BTreeSet::new()));
        let gate = Arc::new(TestGate(Arc::clone(&revoked)));
        let edge = Edge::new(relay.clone(), gate, Connections::new(), limits, stopping);
        let (door, incoming) = mpsc::unbounded_channel();
        let serving = {
            let edge = edge.clone();
            tokio::spawn(async move { edge.desks(UnboundedReceiverStream::new(incoming)).await })
        };
        let numbers = Arc::default();
        let directory = None;
        Self { relay, edge, revoked, door, numbers, stop, serving, running, directory }
    }

    /// The desk's end of a new connection.
    pub(crate) fn pipe(&self, member: &str) -> DuplexStream {
        pipe(&self.door, &self.numbers, &desk(member)).unwrap()
    }

    pub(crate) fn channel(&self, member: &str) -> Channel {
        self.channels(member)()
    }

    /// Makes connections of this member's desk.
    pub(crate) fn channels(&self, member: &str) -> impl Fn() -> Channel + Send + 'static {
        let connector = self.connector(member);
        move || channel(connector.clone())
    }

    pub(crate) fn client(&self, member: &str) -> RelayClient {
        client::connect(self.connector(member), &client::Limits::default())
    }

    fn connector(
        &self,
        member: &str,
    ) -> impl Fn() -> std::future::Ready<io::Result<DuplexStream>> + Clone + Send + Sync + 'static
    {
        let (door, numbers, desk) = (self.door.clone(), Arc::clone(&self.numbers), desk(member));
        move || std::future::ready(pipe(&door, &numbers, &desk))
    }

    /// Serves the operator's listener and answers where.
    pub(crate) async fn operator(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let edge = self.edge.clone();
        tokio::spawn(async move {
            edge.operator(listener, std::future::pending()).await.unwrap();
        });
        address
    }

    /// What the relay's figures are read from.
    pub(crate) fn figures(&self) -> RelayFigures {
        RelayFigures {
            relay: self.relay.clone(),
            gate: Arc::new(TestGate(Arc::clone(&self.revoked))),
            connections: Connections::new(),
            door: Arc::default(),
            log_door: Arc::default(),
        }
    }

    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Stops the edge, then the relay.
    pub(crate) async fn close(self) {
        self.stop();
        let Self { serving, running, directory, .. } = self;
        serving.await.unwrap().unwrap();
        tokio::task::spawn_blocking(move || running.join()).await.unwrap().unwrap();
        drop(directory);
    }
}

fn channel<F>(connector: F) -> Channel
where
    F: Fn() -> std::future::Ready<io::Result<DuplexStream>> + Clone + Send + Sync + 'static,
{
    Endpoint::from_static("http://relay.invalid").connect_with_connector_lazy(tower::service_fn(
        move |_| {
            let connecting = connector();
            async move { connecting.await.map(TokioIo::new) }
        },
    ))
}

fn pipe(
    door: &mpsc::UnboundedSender<io::Result<Pipe>>,
    numbers: &AtomicU64,
    desk: &DeskId,
) -> io::Result<DuplexStream> {
    let (near, far) = tokio::io::duplex(PIPE_BYTES);
    let peer = PeerInfo {
        connection: numbers.fetch_add(1, Ordering::Relaxed) + 1,
        caller: Caller { desk: desk.clone() },
        serial: vec![1],
        certificate: Hash([1; 32]),
        issuer: Hash([2; 32]),
        not_after: Timestamp(i64::MAX),
        key_exchange: "NONE".to_owned(),
        address: ([127, 0, 0, 1], 0).into(),
        since: now(),
    };
    door.send(Ok(Pipe { stream: far, peer })).map_err(|_| io::ErrorKind::ConnectionRefused)?;
    Ok(near)
}

/// The relay's end of a connection.
pub(crate) struct Pipe {
    stream: DuplexStream,
    peer: PeerInfo,
}

impl Connected for Pipe {
    type ConnectInfo = PeerInfo;

    fn connect_info(&self) -> PeerInfo {
        self.peer.clone()
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// The system's clock, which can be put ahead without a jump.
#[derive(Default)]
pub(crate) struct Ahead {
    system: SystemClock,
    ahead_ms: AtomicI64,
}

impl Ahead {
    pub(crate) fn put(&self, ms: i64) {
        self.ahead_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for Ahead {
    fn wall(&self) -> Timestamp {
        self.system.wall().plus_ms(self.ahead_ms.load(Ordering::SeqCst))
    }

    fn boot_ms(&self) -> i64 {
        self.system.boot_ms() + self.ahead_ms.load(Ordering::SeqCst)
    }
}

struct TestGate(Arc<Mutex<BTreeSet<DeskId>>>);

impl Gate for TestGate {
    fn check(&self, peer: &PeerInfo, _: Timestamp) -> Result<(), Denied> {
        if self.0.lock().unwrap().contains(&peer.caller.desk) {
            Err(Denied::Revoked { serial: peer.serial_hex() })
        } else {
            Ok(())
        }
    }

    fn revocation_lists(&self, _: Timestamp) -> Vec<ListState> {
        Vec::new()
    }
}

// -- the network

pub(crate) fn desk(member: &str) -> DeskId {
    format!("{member}/cyber").parse().unwrap()
}

pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    Timestamp(i64::try_from(since.as_millis()).unwrap())
}

pub(crate) fn seed(of: &str) -> [u8; 32] {
    Hash::of(&[of.as_bytes()]).0
}

/// The private keys of the logs, as the genesis pins them.
pub(crate) fn seeds() -> Seeds {
    let seed = |of| zeroize::Zeroizing::new(seed(of));
    Seeds { directory: seed("log directory"), traffic: seed("log traffic"), ..Seeds::default() }
}

pub(crate) fn signing(of: &str) -> SigningKey {
    SigningKey::from_seed(seed(of))
}

/// What opens bodies that are sealed for this member's desk.
pub(crate) fn opening(id: &str) -> DecryptionKey {
    DecryptionKey::from_seed(seed(&format!("{id} opens")))
}

/// What this member's desk cosigns with.
pub(crate) fn witness(id: &str) -> detente::tlog::Signer {
    let name = genesis::witness_key_name(&"detente-test".parse().unwrap(), &desk(id));
    let kind = detente::tlog::note::Kind::Ed25519Cosignature;
    detente::tlog::Signer::from_seed(name, kind, seed(&format!("{id}/cyber witness")))
}

fn founding_member(id: &str) -> FoundingMember {
    let (from, until) = (now().plus_ms(-DAY_MS), now().plus_ms(365 * DAY_MS));
    let opening = opening(id);
    FoundingMember {
        id: id.parse().unwrap(),
        display_name: format!("Member {id}"),
        ca: vec![format!("authority of {id}").into_bytes()],
        national_key: signing(id).public(),
        instruments: vec![Instrument::G72417],
        preservation_days_min: 60,
        desks: vec![FoundingDesk {
            name: "cyber".parse().unwrap(),
            organisation: "Sample Unit".to_owned(),
            time_zone: "Europe/Amsterdam".to_owned(),
            languages: vec!["en".to_owned()],
            desk_key: signing(&format!("{id}/cyber")).public(),
            encryption_keys: vec![
                EncryptionKey::new(opening.public().to_vec(), from, until).unwrap(),
            ],
            officers: vec![FoundingOfficer {
                name: "duty".parse().unwrap(),
                key: signing(&format!("{id}/cyber/duty")).public(),
                roles: vec![Role::Request, Role::Answer],
                from,
                until,
            }],
            witness_key: Some(signing(&format!("{id}/cyber witness")).public()),
        }],
    }
}

pub(crate) fn signed_genesis() -> Vec<u8> {
    let log_key =
        |log: &str| LogKey { log: log.to_owned(), key: signing(&format!("log {log}")).public() };
    let genesis = Genesis {
        hash: Hash([0; 32]),
        network: "detente-test".parse().unwrap(),
        rules_version: "1".to_owned(),
        created: now().plus_ms(-DAY_MS),
        relay_ca: vec![b"authority of the relay".to_vec()],
        log_keys: vec![log_key("directory"), log_key("traffic")],
        members: MEMBERS.into_iter().map(founding_member).collect(),
    };
    let bytes = genesis::render(&genesis).unwrap();
    let signatures: Vec<_> =
        MEMBERS.iter().map(|member| genesis::sign(&bytes, &signing(member))).collect();
    genesis::assemble(bytes, &signatures)
}

// -- statements

pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    bytes
}

fn draft(from: &str, to: &str, act: Act) -> Draft {
    let message = MessageId(random());
    Draft {
        message,
        from: desk(from),
        signer: Signer::Officer("duty".parse().unwrap()),
        approval: Approval::None,
        to: desk(to),
        case: CaseId(random()),
        request: message.into(),
        in_reply_to: None,
        sequence: 1,
        created: now(),
        not_after: now().plus_ms(24 * HOUR_MS),
        seen: None,
        act,
    }
}

/// A question from one member's desk to another's: the smallest request there is.
pub(crate) fn question(from: &str, to: &str) -> Envelope {
    question_by(from, to, &signing(&format!("{from}/cyber/duty")))
}

/// The same, signed with any key.
pub(crate) fn question_by(from: &str, to: &str, by: &SigningKey) -> Envelope {
    let facts = RequestFacts {
        kind: RequestType::LegalInformation,
        instrument: Instrument::G72417,
        urgency: Urgency::Routine,
        test: false,
        exercise: false,
        parent: None,
        prior_conditions: false,
        embargo_until: None,
    };
    let text = |text: &str| Some(form::Text { text: text.to_owned(), language: "en".to_owned() });
    let body = form::Body {
        form: Some(form::body::Form::Information(form::InformationForm {
            reference: "T-1".to_owned(),
            authority: Some(form::Contact {
                organisation: "Sample Unit".to_owned(),
                email: "duty@desk.example".to_owned(),
                ..Default::default()
            }),
            subject: "Retention".to_owned(),
            question: text("How long are logs kept?"),
            urgency_grounds: None,
            tlp: String::new(),
        })),
    };
    seal_by(&draft(from, to, Act::Request(facts)), &body, by)
}

/// Seals a draft for the desk that it is addressed to, and has the duty officer sign it.
fn seal(draft: &Draft, body: &form::Body) -> Envelope {
    seal_by(draft, body, &signing(&format!("{}/duty", draft.from)))
}

fn seal_by(draft: &Draft, body: &form::Body, by: &SigningKey) -> Envelope {
    let genesis = genesis::parse(&signed_genesis()).unwrap();
    let member = genesis.members.iter().find(|other| other.id == draft.to.member).unwrap();
    let key = &member.desks[0].encryption_keys[0];
    let fill = &mut |bytes: &mut [u8]| aws_lc_rs::rand::fill(bytes).unwrap();
    envelope::seal(draft, body, key, by, fill).unwrap()
}

/// The acknowledgement of a request: yes, in eight hours.
pub(crate) fn acknowledgement(of: &Statement) -> Envelope {
    let estimated_at = now().plus_ms(8 * HOUR_MS);
    let act = Act::Acknowledge { will_answer: WillAnswer::Yes, estimated_at };
    let (from, to) = (of.to.member.to_string(), of.from.member.to_string());
    let draft = Draft {
        case: of.case,
        request: of.request,
        in_reply_to: Some(of.header),
        ..draft(&from, &to, act)
    };
    seal(&draft, &form::Body::default())
}

/// The receipt of the addressed desk's machine for a statement.
pub(crate) fn receipt(of: &Statement) -> Envelope {
    let act = Act::Receipt { of: of.message, header: of.header, rejected: None };
    let (from, to) = (of.to.member.to_string(), of.from.member.to_string());
    let draft = Draft {
        signer: Signer::Desk,
        case: of.case,
        request: of.request,
        in_reply_to: Some(of.header),
        ..draft(&from, &to, act)
    };
    envelope::machine(&draft, &signing(&of.to.to_string())).unwrap()
}
