//! The relay asks its witnesses about every published head: over the desks' own connections, and
//! over HTTP. Whoever loses its connection, is slow, or lies, costs nobody else anything.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::StatusCode;
use detente::codec::Log;
use detente::cosign::WitnessState;
use detente::cosign::http::HttpWitness;
use detente::grpc::Limits;
use detente::relay::{PublicHead, Relay};
use detente::tlog::note::Kind;
use detente::tlog::witness::{AddCheckpoint, Latest, decide, render_lines};
use detente::tlog::{Checkpoint, Policy, Signer, VerifierKey};
use detente::wire::detente::log::v1 as wire;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};
use wire::witness_request::Item as Said;
use wire::witness_response::Item as Asked;

use crate::api_net::{self as api, MEMBERS, Net, question};
use crate::http_witness::Door;
use crate::net::{self as common, PATIENCE};
use crate::witness_relay::publish;

/// A desk that witnesses, played: it answers as the test has it.
struct Witness {
    say: mpsc::Sender<wire::WitnessRequest>,
    heard: Streaming<wire::WitnessResponse>,
    signer: Signer,
    keys: Vec<VerifierKey>,
    latest: [Latest; 2],
}

/// The key that a desk shows, and the sizes that it says it has seen.
struct Shows {
    key: String,
    sizes: [u64; 2],
}

impl Witness {
    async fn offer(net: &Net, member: &str, shows: &Shows) -> Result<Self, Status> {
        let (say, said) = mpsc::channel(8);
        let heads = [("directory", shows.sizes[0]), ("traffic", shows.sizes[1])];
        let heads = heads.map(|(log, size)| wire::WitnessedHead {
            log: log.to_owned(),
            size,
            root: Latest::none().root.0.to_vec(),
            ..Default::default()
        });
        let verifier_key = shows.key.clone();
        let hello = wire::WitnessHello { heads: heads.into(), verifier_key };
        say.send(wire::WitnessRequest { item: Some(Said::Hello(hello)) }).await.unwrap();
        let mut client = net.client(member);
        let heard = client.log.witness(ReceiverStream::new(said)).await?.into_inner();
        let signers = net.relay.signers().unwrap();
        let keys = Log::ALL.map(|log| signers.verifier(log).clone()).into();
        let signer = api::witness(member);
        Ok(Self { say, heard, signer, keys, latest: [Latest::none(); 2] })
    }

    async fn join(net: &Net, member: &str) -> Self {
        let key = api::witness(member).public().to_string();
        Self::offer(net, member, &Shows { key, sizes: [0, 0] }).await.unwrap()
    }

    async fn asked(&mut self) -> Result<wire::WitnessAsk, Status> {
        loop {
            let heard = tokio::time::timeout(PATIENCE, self.heard.message());
            match heard.await.expect("nothing was asked")? {
                Some(wire::WitnessResponse { item: Some(Asked::Ask(ask)) }) => return Ok(ask),
                Some(_beat) => {}
                None => panic!("the stream ended without a reason"),
            }
        }
    }

    async fn say(&self, ask: u64, status: u32, body: String) {
        let item = Some(Said::Answer(wire::WitnessAnswer { ask, status, body }));
        self.say.send(wire::WitnessRequest { item }).await.unwrap();
    }

    /// Answers the next question as the specification says, and says what it answered.
    async fn answer(&mut self) -> (String, u64, u32) {
        let wire::WitnessAsk { ask, log, add_checkpoint } = self.asked().await.unwrap();
        let latest = &mut self.latest[usize::from(log == "traffic")];
        let (status, body) = answer(&add_checkpoint, &self.keys, latest, &self.signer);
        let seen = latest.size;
        self.say(ask, u32::from(status), body).await;
        (log, seen, u32::from(status))
    }

    /// Answers everything from now on.
    fn keep_answering(mut self) -> tokio::task::JoinHandle<Infallible> {
        tokio::spawn(async move {
            loop {
                self.answer().await;
            }
        })
    }
}

fn answer(body: &str, keys: &[VerifierKey], latest: &mut Latest, signer: &Signer) -> (u16, String) {
    let request: AddCheckpoint = body.parse().unwrap();
    match decide(&request, keys, *latest) {
        Ok(next) => {
            *latest = next;
            let line = signer.sign(request.checkpoint.text(), 1_795_000_000).unwrap();
            (200, render_lines(&[line]))
        }
        Err(declined) if declined.status() == 409 => (409, format!("{}\n", latest.size)),
        Err(declined) => (declined.status(), declined.to_string()),
    }
}

/// Waits until the newest published head of a log is so.
async fn until(relay: &Relay, log: Log, is_so: impl FnMut(&PublicHead) -> bool) -> Arc<PublicHead> {
    let mut is_so = is_so;
    let mut standings = relay.heads().standings(log);
    let so = standings.wait_for(|now| now.newest.as_ref().is_some_and(|head| is_so(head)));
    let found = tokio::time::timeout(PATIENCE, so).await.expect("it never was").unwrap().clone();
    found.newest.unwrap()
}

async fn until_trouble(net: &Net, member: &str, words: &str) -> WitnessState {
    until_state(net, member, |state| state.trouble.contains(words)).await
}

async fn until_state(
    net: &Net,
    member: &str,
    is_so: impl Fn(&WitnessState) -> bool,
) -> WitnessState {
    let key = api::witness(member).public().clone();
    let waiting = async {
        loop {
            let list = net.edge.witnesses().list();
            let found = list.into_iter().find(|state| state.key == key);
            if let Some(state) = found.filter(&is_so) {
                return state;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.unwrap_or_else(|_| panic!("{:?}", net.edge.witnesses().list()))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_published_head_is_cosigned_by_the_desks_that_are_connected() {
    let net = Net::start(Limits::default()).await;
    publish(&net.relay, Log::Directory);
    let mut witnesses = Vec::new();
    for member in MEMBERS {
        let mut witness = Witness::join(&net, member).await;
        assert_eq!(witness.answer().await, ("directory".to_owned(), 1, 200));
        witnesses.push(witness);
    }
    let head = until(&net.relay, Log::Directory, |head| head.witnesses() == 3).await;
    assert!(head.witnessed.is_some());
    // Each goes on from what it has seen.
    for size in 1..=5 {
        net.client("NL").submit(&question("NL", "RO")).await.unwrap();
        publish(&net.relay, Log::Traffic);
        for witness in &mut witnesses {
            assert_eq!(witness.answer().await, ("traffic".to_owned(), size, 200));
        }
        let is_whole = |head: &PublicHead| head.size == size && head.witnessed.is_some();
        let head = until(&net.relay, Log::Traffic, is_whole).await;
        net.relay.heads().policy().check(&head.cosigned_note()).unwrap();
    }
    // One that comes again, and says less than it has seen, is asked once more from there.
    drop(witnesses.pop());
    let mut again = Witness::join(&net, "XM").await;
    again.latest[0] = Latest { size: 1, root: head.root };
    let traffic = net.relay.heads().newest(Log::Traffic).unwrap();
    again.latest[1] = Latest { size: 5, root: traffic.root };
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(again.answer().await);
    }
    answers.sort();
    let wanted =
        [("directory", 1, 200), ("directory", 1, 409), ("traffic", 5, 200), ("traffic", 5, 409)];
    assert_eq!(answers, wanted.map(|(log, size, status)| (log.to_owned(), size, status)));
    drop((witnesses, again));
    net.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_is_lost_or_lies_is_named_and_holds_up_nobody() {
    let net = Net::start(Limits::default()).await;
    let (nl, ro) = (Witness::join(&net, "NL").await, Witness::join(&net, "RO").await);
    let (nl, ro) = (nl.keep_answering(), ro.keep_answering());
    let mut liar = Witness::join(&net, "XM").await;
    let forged = |add_checkpoint: &str| {
        let request: AddCheckpoint = add_checkpoint.parse().unwrap();
        let checkpoint: Checkpoint = request.checkpoint.text().parse().unwrap();
        let (origin, root) = (checkpoint.origin(), checkpoint.root());
        let other = Checkpoint::new(origin, checkpoint.size() + 1, root).unwrap();
        render_lines(&[api::witness("XM").sign(&other.to_string(), 7).unwrap()])
    };
    let lies = [
        (200, "nothing\n".to_owned(), "answered 200 with"),
        (200, String::new(), "answered 200 with"),
        (409, "many\n".to_owned(), "without the size"),
        (422, "it forks\u{7}\nmore".to_owned(), "422: it forks"),
        (500, "x".repeat(10_000), "500: xxx"),
        // It says that it is ahead: it is not asked about what it has seen.
        (409, "1000000\n".to_owned(), "1000000 leaves"),
    ];
    for (count, (status, body, words)) in (1..).zip(lies) {
        net.client("NL").submit(&question("NL", "RO")).await.unwrap();
        publish(&net.relay, Log::Traffic);
        let ask = liar.asked().await.unwrap();
        liar.say(ask.ask, status, body).await;
        let state = until_trouble(&net, "XM", words).await;
        assert!(state.connected && state.trouble.len() < 400);
        assert!(!state.trouble.chars().any(char::is_control), "{:?}", state.trouble);
        let head =
            until(&net.relay, Log::Traffic, |head| head.size == count && head.witnesses() == 2)
                .await;
        assert_eq!(head.witnessed, None, "two of three are not the quorum");
    }
    drop(liar);
    let mut liar = Witness::join(&net, "XM").await;
    let ask = liar.asked().await.unwrap();
    liar.say(ask.ask, 200, forged(&ask.add_checkpoint)).await;
    until_trouble(&net, "XM", "does not hold").await;
    // It is asked again about the next one, and once it is honest it counts.
    net.client("NL").submit(&question("NL", "RO")).await.unwrap();
    publish(&net.relay, Log::Traffic);
    let honest = liar.keep_answering();
    let head = until(&net.relay, Log::Traffic, |head| head.witnessed.is_some()).await;
    assert_eq!(head.witnesses(), 3);
    until_state(&net, "XM", |state| state.trouble.is_empty()).await;
    // One that is lost is missing, and nothing else.
    honest.abort();
    net.client("NL").submit(&question("NL", "RO")).await.unwrap();
    let head = publish(&net.relay, Log::Traffic);
    until(&net.relay, Log::Traffic, |found| found.size == head.size && found.witnesses() == 2)
        .await;
    assert!(net.relay.heads().standing(Log::Traffic).waits_since.is_some());
    nl.abort();
    ro.abort();
    net.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_desk_witnesses_with_its_own_key_alone_and_its_newest_connection_is_asked() {
    let net = Net::start(Limits::default()).await;
    let key = |member: &str| api::witness(member).public().to_string();
    let other = Signer::from_seed(
        api::witness("NL").public().name().clone(),
        Kind::Ed25519Cosignature,
        [9; 32],
    );
    for wrong in [key("RO"), other.public().to_string(), "nonsense".to_owned(), String::new()] {
        let shows = Shows { key: wrong, sizes: [0, 0] };
        let refused = Witness::offer(&net, "NL", &shows).await.err().unwrap();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    }
    let mut first = Witness::join(&net, "NL").await;
    let second = Witness::join(&net, "NL").await;
    let displaced = first.asked().await.unwrap_err();
    assert_eq!(displaced.code(), Code::ResourceExhausted);
    let second = second.keep_answering();
    publish(&net.relay, Log::Directory);
    until(&net.relay, Log::Directory, |head| head.witnesses() == 1).await;
    second.abort();
    // Who answers what was not asked is sent away.
    let mut third = Witness::join(&net, "NL").await;
    let ask = third.asked().await.unwrap();
    third.say(ask.ask + 7, 200, String::new()).await;
    assert_eq!(third.asked().await.unwrap_err().code(), Code::InvalidArgument);
    net.stop();
    net.close().await;
}

/// A witness of the traffic's log over HTTP, and its key.
fn door(net: &Net, instead: Vec<(StatusCode, String)>) -> (Door, VerifierKey) {
    let keys = vec![net.relay.signers().unwrap().verifier(Log::Traffic).clone()];
    let door = Door::new(5, keys);
    door.behind(|behind| behind.instead = instead);
    let key = door.key();
    (door, key)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_from_elsewhere_is_asked_over_http() {
    let net = Net::start(Limits::default()).await;
    let instead = vec![
        (StatusCode::SERVICE_UNAVAILABLE, "later".to_owned()),
        (StatusCode::CONFLICT, "9\n".to_owned()),
    ];
    let (door, key) = door(&net, instead);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let policy: Policy =
        format!("witness w1 {key} http://{address}/a/\nquorum w1\n").parse().unwrap();
    let file = std::path::Path::new("/nonexistent");
    let mut found = HttpWitness::of_policy(&policy, file).unwrap();
    let asking = found.pop().unwrap().keep_asking(net.relay.clone(), net.edge.witnesses().clone());
    let asking = tokio::spawn(asking);
    net.client("NL").submit(&question("NL", "RO")).await.unwrap();
    publish(&net.relay, Log::Traffic);
    // Nobody answers yet: it is tried again, and said.
    let troubled =
        |words: &str| net.edge.witnesses().list().iter().any(|state| state.trouble.contains(words));
    common::until("its silence is noticed", || troubled("in 10 s")).await;
    let serving = door.serve(listener);
    // 409 with a size beyond: not asked again about this head. 503: asked again.
    common::until("it is asked", || door.behind(|behind| behind.asked) >= 1).await;
    say_twice(&net).await;
    let by_it = |head: &PublicHead| head.cosignatures.iter().any(|known| known.line.is_by(&key));
    let waiting = async {
        let mut standings = net.relay.heads().standings(Log::Traffic);
        loop {
            net.client("NL").submit(&question("NL", "RO")).await.unwrap();
            publish(&net.relay, Log::Traffic);
            let cosigned =
                standings.wait_for(|now| now.newest.as_ref().is_some_and(|head| by_it(head)));
            // Not within a second: the next head is published.
            if tokio::time::timeout(std::time::Duration::from_secs(1), cosigned).await.is_ok() {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it never cosigned");
    let head = net.relay.heads().newest(Log::Traffic).unwrap();
    assert_eq!((head.witnesses(), head.others()), (0, 1), "it is not of the relay's policy");
    // A log that it does not know is refused, once for each head.
    publish(&net.relay, Log::Directory);
    common::until("its refusal is noticed", || troubled("404")).await;
    asking.abort();
    serving.abort();
    net.close().await;
}

/// TLS before a server: the authority of its certificate (PEM), and the port where it listens.
async fn tls_before(server: SocketAddr) -> (String, u16) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let own = own.signed_by(&key, &issuer).unwrap().der().clone();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // Whoever does not like the certificate hangs up.
            let Ok(mut tls) = acceptor.accept(stream).await else { continue };
            let mut plain = TcpStream::connect(server).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut tls, &mut plain).await });
        }
    });
    (authority, port)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_over_https_is_asked_where_its_certificate_is_good() {
    let net = Net::start(Limits::default()).await;
    let (door, key) = door(&net, Vec::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    let serving = door.serve(listener);
    let (authority, port) = tls_before(server).await;
    let (other_authority, other_port) = tls_before(server).await;
    assert_ne!(authority, other_authority);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &authority).unwrap();
    let mut asking = Vec::new();
    let mut ask = |key: &VerifierKey, address: String| {
        let policy: Policy = format!("witness w {key} {address}\nquorum w\n").parse().unwrap();
        let found = HttpWitness::of_policy(&policy, file.path()).unwrap().remove(0);
        let found = found.keep_asking(net.relay.clone(), net.edge.witnesses().clone());
        asking.push(tokio::spawn(found));
    };
    let trouble = |key: &VerifierKey| {
        let list = net.edge.witnesses().list();
        let state = list.into_iter().find(|state| state.key == *key);
        state.map_or_else(String::new, |state| state.trouble)
    };
    // Of another authority, and under another name than its certificate's.
    for (member, address) in
        [("NL", format!("localhost:{other_port}")), ("RO", format!("127.0.0.1:{port}"))]
    {
        let witness = api::witness(member).public().clone();
        ask(&witness, format!("https://{address}/a"));
        net.client("XM").submit(&question("XM", "RO")).await.unwrap();
        publish(&net.relay, Log::Traffic);
        common::until("it is refused", || trouble(&witness).contains("certificate")).await;
    }
    assert_eq!(door.behind(|behind| behind.asked), 0, "nothing was said to whoever that is");
    ask(&key, format!("https://localhost:{port}/a"));
    until(&net.relay, Log::Traffic, |head| {
        head.cosignatures.iter().any(|known| known.line.is_by(&key))
    })
    .await;
    assert_eq!(trouble(&key), "");
    asking.iter().chain([&serving]).for_each(|task| task.abort());
    net.close().await;
}

async fn say_twice(net: &Net) {
    for _ in 0..2 {
        net.client("NL").submit(&question("NL", "RO")).await.unwrap();
        publish(&net.relay, Log::Traffic);
    }
}

#[test]
fn an_address_that_cannot_be_asked_is_refused_at_the_start() {
    let key = api::witness("NL").public().to_string();
    for (address, words) in [
        ("ftp://w.example/", "neither http:// nor https://"),
        ("w.example/x", "w.example/x"),
        ("http://w.example/?log=1", "has a query"),
        ("https://w.example/", "tls.witness_authorities"),
    ] {
        let policy: Policy = format!("witness w {key} {address}\nquorum w\n").parse().unwrap();
        let file = std::path::Path::new("/nonexistent");
        let refused = HttpWitness::of_policy(&policy, file).err().unwrap();
        assert!(refused.to_string().contains(words), "{address}: {refused}");
    }
}
