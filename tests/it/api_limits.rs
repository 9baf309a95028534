//! Whatever a peer can make grow has a limit, and each limit answers with a code to act on.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use detente::envelope::Envelope;
use detente::grpc::client::{Recorded, RelayClient};
use detente::grpc::{Failure, Limits};
use detente::units::DeskIndex;
use detente::wire::detente::desk::v1 as wire;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::oneshot;
use tokio_stream::Stream;
use tonic::body::Body;
use tonic::codegen::{Service as _, http};
use tonic::{Code, Request, Status};

use super::api_net::{Net, question};
use super::net::PATIENCE;

const SUBMIT: &str = "http://relay.invalid/detente.desk.v1.DeskService/Submit";

/// Sends raw bytes as the body of a call, which is then left open, and reads the answer's head.
async fn raw(net: &Net, path: &str, body: Vec<u8>) -> Failure {
    let body = axum::body::Body::from(body);
    let request = http::Request::post(path)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::new(body))
        .unwrap();
    let mut channel = net.channel("NL");
    std::future::poll_fn(|context| channel.poll_ready(context)).await.unwrap();
    let response = channel.call(request).await.unwrap();
    let status = Status::from_header_map(response.headers()).expect("an answer without a body");
    Failure::from(status)
}

/// Submits until it is taken: a busy machine may be too slow for a short limit.
async fn taken(client: &RelayClient, sent: &Envelope) -> Recorded {
    let started = Instant::now();
    loop {
        match client.submit(sent).await {
            Ok(recorded) => return recorded,
            Err(late) => assert!(late.retry && started.elapsed() < PATIENCE, "{late}"),
        }
    }
}

/// A gRPC message header: not compressed, so many bytes.
fn prefix(bytes: u32) -> Vec<u8> {
    [&[0], bytes.to_be_bytes().as_slice()].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_too_large_is_refused_by_its_length_alone() {
    let net = Net::start(Limits::default()).await;
    // Five bytes of header promise 5 MiB; none of them follow, none are waited for.
    let refused = raw(&net, SUBMIT, prefix(5 << 20)).await;
    assert_eq!((refused.code, refused.rule_code.as_str()), (Code::ResourceExhausted, "E-103"));
    assert!(!refused.retry);
    // The largest that is taken passes the decoder and is refused by what is in it.
    let mut zeroes = prefix(256 << 10);
    zeroes.resize(zeroes.len() + (256 << 10), 0);
    assert_eq!(raw(&net, SUBMIT, zeroes).await.code, Code::InvalidArgument);
    net.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_messages_are_the_callers_fault() {
    let net = Net::start(Limits::default()).await;
    let mut not_protobuf = prefix(3);
    not_protobuf.extend([0xff, 0xff, 0xff]);
    let mut cut_off = prefix(10);
    cut_off.extend([1, 2, 3]);
    let cases = [
        ("not protobuf", not_protobuf),
        ("no message", Vec::new()),
        ("cut off", cut_off),
        ("a wrong compression flag", vec![7, 0, 0, 0, 0]),
        ("compressed without saying how", vec![1, 0, 0, 0, 0]),
    ];
    for (case, bytes) in cases {
        let refused = raw(&net, SUBMIT, bytes).await;
        assert_eq!(
            (refused.code, refused.rule_code.as_str()),
            (Code::InvalidArgument, "E-102"),
            "{case}"
        );
    }
    let unknown =
        raw(&net, "http://relay.invalid/detente.desk.v1.DeskService/Erase", prefix(0)).await;
    assert_eq!((unknown.code, unknown.rule_code.as_str()), (Code::Unimplemented, "E-104"));
    net.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_ends_at_its_deadline_and_leaves_nothing_half_done() {
    let limits = Limits { call_within: Duration::from_millis(150), ..Limits::default() };
    let net = Net::start(limits).await;
    // A body that never comes: the server's own limit ends the call.
    let (never, reader) = tokio::sync::mpsc::channel::<Result<Vec<u8>, std::io::Error>>(1);
    let body = axum::body::Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(reader));
    let request = http::Request::post(SUBMIT)
        .header("content-type", "application/grpc")
        .body(Body::new(body))
        .unwrap();
    let mut channel = net.channel("NL");
    std::future::poll_fn(|context| channel.poll_ready(context)).await.unwrap();
    let response = channel.call(request).await.unwrap();
    let late = Failure::from(Status::from_header_map(response.headers()).unwrap());
    assert_eq!((late.code, late.rule_code.as_str()), (Code::DeadlineExceeded, "E-120"));
    assert!(late.retry);
    drop(never);

    // A deadline that has passed already; the same statement, sent again, is recorded once.
    let nl = net.client("NL");
    let sent = question("NL", "RO");
    let mut hurried = Request::new(wire::SubmitRequest { envelope: Some(sent.to_wire()) });
    hurried.metadata_mut().insert("grpc-timeout", "0n".parse().unwrap());
    let late = Failure::from(nl.desk.clone().submit(hurried).await.unwrap_err());
    // tonic's client looks at the clock too, and says CANCELLED when it is first.
    assert!(matches!(late.code, Code::DeadlineExceeded | Code::Cancelled), "{late:?}");
    assert!(late.retry);
    let (recorded, again) = (taken(&nl, &sent).await, taken(&nl, &sent).await);
    assert_eq!((again.index, again.repeat), (recorded.index, true));
    net.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_follows_once_and_a_desk_a_few_times() {
    let net = Net::start(Limits { follows_of_desk_max: 2, ..Limits::default() }).await;
    let (first, second, third) = (net.client("NL"), net.client("NL"), net.client("NL"));
    let held = first.follow(DeskIndex(0)).await.unwrap();
    let twice = first.follow(DeskIndex(0)).await.unwrap_err();
    assert_eq!((twice.code, twice.reason.as_str()), (Code::ResourceExhausted, "TOO_MANY_STREAMS"));
    assert!(twice.retry);
    let also_held = second.follow(DeskIndex(0)).await.unwrap();
    assert_eq!(third.follow(DeskIndex(0)).await.unwrap_err().reason, "TOO_MANY_STREAMS");
    net.client("RO").follow(DeskIndex(0)).await.unwrap();
    drop(held);
    let started = Instant::now();
    while third.follow(DeskIndex(0)).await.is_err() {
        assert!(started.elapsed() < PATIENCE, "the place was never given back");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(also_held);
    net.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_stream_beats() {
    let limits = Limits { beat_every: Duration::from_millis(50), ..Limits::default() };
    let net = Net::start(limits).await;
    let mut stream = net.client("NL").follow(DeskIndex(0)).await.unwrap();
    for _ in 0..2 {
        let item = stream.message().await.unwrap().unwrap().item.unwrap();
        assert!(matches!(item, wire::follow_response::Item::Beat(_)), "{item:?}");
    }
    drop(stream);
    net.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_desk_cannot_use_up_what_is_for_all() {
    let limits = Limits { calls_max: 6, calls_of_desk_max: 4, ..Limits::default() };
    let net = Net::start(limits).await;
    // Bodies that never come hold four calls of NL open. One that comes just while NL asks
    // something else finds no room, and tries again.
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut channel = net.channel("NL");
        held.push(tokio::spawn(async move {
            loop {
                let never = tokio_stream::pending::<Result<Vec<u8>, std::io::Error>>();
                let request = http::Request::post(SUBMIT)
                    .header("content-type", "application/grpc")
                    .body(Body::new(axum::body::Body::from_stream(never)))
                    .unwrap();
                std::future::poll_fn(|context| channel.poll_ready(context)).await.unwrap();
                let _refused = channel.call(request).await;
            }
        }));
    }
    let nl = net.client("NL");
    let started = Instant::now();
    let refused = loop {
        match nl.signed_genesis().await {
            Err(refused) => break refused,
            Ok(_) => assert!(started.elapsed() < PATIENCE, "never refused"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(
        (refused.code, refused.reason.as_str()),
        (Code::ResourceExhausted, "TOO_MANY_CALLS")
    );
    assert!(refused.retry && refused.retry_after.is_some());
    net.client("RO").signed_genesis().await.unwrap();
    for call in held {
        call.abort();
    }
    // What they held comes back.
    let started = Instant::now();
    while net.client("NL").signed_genesis().await.is_err() {
        assert!(started.elapsed() < PATIENCE, "never given back");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    net.close().await;
}

/// A body that never comes.
struct Never(Option<oneshot::Sender<()>>);

impl Stream for Never {
    type Item = Result<Vec<u8>, std::io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let _told = self.0.take().map(|tell| tell.send(()));
        Poll::Pending
    }
}

/// A body that never comes, and what is told when it is asked for: then the call's head is on its
/// way.
pub(crate) fn never() -> (Body, oneshot::Receiver<()>) {
    let (tell, begun) = oneshot::channel();
    (Body::new(axum::body::Body::from_stream(Never(Some(tell)))), begun)
}

/// The client's preface and an empty SETTINGS frame.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Reads one HTTP/2 frame: its type and payload.
async fn frame(pipe: &mut DuplexStream) -> std::io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 9];
    pipe.read_exact(&mut head).await?;
    let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
    let mut payload = vec![0; length];
    pipe.read_exact(&mut payload).await?;
    Ok((head[3], payload))
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_and_headers_are_limited_from_the_first_frame() {
    let net = Net::start(Limits::default()).await;
    let mut pipe = net.pipe("NL");
    pipe.write_all(PREFACE).await.unwrap();
    let (kind, settings) = frame(&mut pipe).await.unwrap();
    assert_eq!(kind, 4, "SETTINGS comes first");
    let setting = |id: u16| {
        settings
            .chunks_exact(6)
            .find(|one| one[..2] == id.to_be_bytes())
            .map(|one| u32::from_be_bytes([one[2], one[3], one[4], one[5]]))
    };
    assert_eq!(setting(3), Some(100), "SETTINGS_MAX_CONCURRENT_STREAMS");
    assert_eq!(setting(6), Some(8 << 10), "SETTINGS_MAX_HEADER_LIST_SIZE");
    drop(pipe);
    net.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_peer_is_dropped() {
    let limits = Limits {
        keepalive_every: Duration::from_millis(100),
        keepalive_within: Duration::from_millis(100),
        ..Limits::default()
    };
    let net = Net::start(limits).await;
    let mut pipe = net.pipe("NL");
    pipe.write_all(PREFACE).await.unwrap();
    let silent = async { while frame(&mut pipe).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, silent).await.expect("still connected");
    net.close().await;
}

/// One HTTP/2 frame on a stream.
fn make_frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_resets_ends_its_connection_and_no_other() {
    let net = Net::start(Limits::default()).await;
    let mut pipe = net.pipe("NL");
    let mut flood = PREFACE.to_vec();
    // `:method POST`, `:scheme http`, `:path /x`, `:authority x`, then CANCEL at once.
    let headers = [0x83, 0x86, 0x04, 2, b'/', b'x', 0x01, 1, b'x'];
    for stream in (1..2_000).step_by(2) {
        flood.extend(make_frame(1, 4, stream, &headers));
        flood.extend(make_frame(3, 0, stream, &[0, 0, 0, 8]));
    }
    pipe.write_all(&flood).await.unwrap();
    let ended = async {
        loop {
            match frame(&mut pipe).await {
                Ok((7, payload)) => break u32::from_be_bytes(payload[4..8].try_into().unwrap()),
                Ok(_) => {}
                Err(error) => panic!("cut without GOAWAY: {error}"),
            }
        }
    };
    let code = tokio::time::timeout(PATIENCE, ended).await.expect("no GOAWAY");
    assert_eq!(code, 11, "ENHANCE_YOUR_CALM");
    net.client("NL").signed_genesis().await.unwrap();
    net.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_drain_is_bounded() {
    let limits = Limits { drain_within: Duration::from_millis(200), ..Limits::default() };
    let net = Net::start(limits).await;
    let mut channel = net.channel("NL");
    let (body, begun) = never();
    let request = |body: Body| {
        http::Request::post(SUBMIT).header("content-type", "application/grpc").body(body).unwrap()
    };
    std::future::poll_fn(|context| channel.poll_ready(context)).await.unwrap();
    let call = tokio::spawn(channel.call(request(body)));
    begun.await.unwrap();
    // What comes after it on the same connection is answered: the relay has it.
    std::future::poll_fn(|context| channel.poll_ready(context)).await.unwrap();
    channel.call(request(Body::empty())).await.unwrap();
    let started = Instant::now();
    tokio::time::timeout(PATIENCE, net.close()).await.expect("the drain has no end");
    assert!(started.elapsed() >= Duration::from_millis(200), "an open call was not waited for");
    call.abort();
}
