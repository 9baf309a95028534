//! The relay's side of witnessing: its published heads go out to whoever follows them, with the
//! cosignatures so far.

use std::sync::Arc;
use std::time::Duration;

use detente::codec::Log;
use detente::grpc::Limits;
use detente::grpc::client::RelayClient;
use detente::relay::{Holder, LINES_MAX, PublicHead, Relay};
use detente::tlog::note::BadNote;
use detente::tlog::{Note, Policy};
use detente::wire::detente::log::v1 as wire;
use detente::wire::detente::operator::v1 as operator;
use operator::operator_service_client::OperatorServiceClient;
use tonic::{Code, Streaming};
use wire::follow_checkpoints_response::Item;

use crate::api_net::{self as api, MEMBERS, Net, question};
use crate::net::PATIENCE;

/// Publishes a log's newest head, as the relay does by its clock.
pub(crate) fn publish(relay: &Relay, log: Log) -> Arc<PublicHead> {
    let note = relay.checkpoint(log).unwrap().parse().unwrap();
    relay.heads().publish(log, PublicHead::new(note, relay.now()).unwrap());
    relay.heads().newest(log).unwrap()
}

/// Has a member's desk cosign a head.
fn cosign(relay: &Relay, log: Log, head: &PublicHead, member: &str) -> bool {
    let signer = api::witness(member);
    let line = signer.sign(head.note.text(), 1_795_000_000).unwrap();
    relay.heads().cosigned(log, head, signer.public(), &line, relay.now()).unwrap()
}

async fn follow(
    client: &RelayClient,
    log: &str,
) -> Result<Streaming<wire::FollowCheckpointsResponse>, tonic::Status> {
    let request = wire::FollowCheckpointsRequest { log: log.to_owned() };
    let answered = client.clone().log.follow_checkpoints(request).await?;
    Ok(answered.into_inner())
}

async fn next(
    stream: &mut Streaming<wire::FollowCheckpointsResponse>,
) -> Result<Option<wire::FollowCheckpointsResponse>, tonic::Status> {
    tokio::time::timeout(PATIENCE, stream.message()).await.expect("nothing came")
}

async fn checkpoint(
    stream: &mut Streaming<wire::FollowCheckpointsResponse>,
) -> wire::PublishedCheckpoint {
    loop {
        match next(stream).await.unwrap().unwrap().item.unwrap() {
            Item::Checkpoint(checkpoint) => return checkpoint,
            Item::Beat(_) => {}
        }
    }
}

/// The size of a published head, how many witnesses have cosigned it, and whether they are enough.
fn told(published: &wire::PublishedCheckpoint) -> (u64, u32, bool) {
    let note: Note = published.checkpoint.parse().unwrap();
    let size = note.text().lines().nth(1).unwrap().parse().unwrap();
    assert_eq!(published.witnesses_total, 3);
    (size, published.witnesses, published.quorum)
}

#[tokio::test(flavor = "multi_thread")]
async fn published_heads_reach_whoever_follows_them_with_every_cosignature() {
    let net = Net::start(Limits::default()).await;
    let client = net.client("NL");
    let first = publish(&net.relay, Log::Traffic);
    let mut stream = follow(&client, "traffic").await.unwrap();
    assert_eq!(told(&checkpoint(&mut stream).await), (0, 0, false));
    net.client("RO").submit(&question("RO", "XM")).await.unwrap();
    let second = publish(&net.relay, Log::Traffic);
    assert_eq!(told(&checkpoint(&mut stream).await), (1, 0, false));
    for (member, witnesses) in MEMBERS.into_iter().zip(1..) {
        assert!(cosign(&net.relay, Log::Traffic, &second, member));
        assert!(!cosign(&net.relay, Log::Traffic, &second, member), "it is noted once");
        let published = checkpoint(&mut stream).await;
        assert_eq!(told(&published), (1, witnesses, witnesses == 3));
        let note: Note = published.checkpoint.parse().unwrap();
        note.verify([api::witness(member).public()]).unwrap();
        note.verify([net.relay.signers().unwrap().verifier(Log::Traffic)]).unwrap();
    }
    // One that is witnessed late counts, and is told beside the newest.
    client.submit(&question("NL", "XM")).await.unwrap();
    let third = publish(&net.relay, Log::Traffic);
    assert_eq!(told(&checkpoint(&mut stream).await), (2, 0, false));
    client.submit(&question("NL", "XM")).await.unwrap();
    publish(&net.relay, Log::Traffic);
    assert_eq!(told(&checkpoint(&mut stream).await), (3, 0, false));
    let waits = net.relay.heads().standing(Log::Traffic).waits_since;
    assert_eq!(waits, Some(third.published));
    for member in MEMBERS {
        assert!(cosign(&net.relay, Log::Traffic, &third, member));
    }
    assert_eq!(told(&checkpoint(&mut stream).await), (2, 3, true));
    // Whoever comes now hears of both; the first head is of no use any more.
    let mut late = follow(&net.client("XM"), "traffic").await.unwrap();
    assert_eq!(told(&checkpoint(&mut late).await), (2, 3, true));
    assert_eq!(told(&checkpoint(&mut late).await), (3, 0, false));
    assert!(cosign(&net.relay, Log::Traffic, &first, "NL"));
    let standing = net.relay.heads().standing(Log::Traffic);
    assert_eq!(standing.witnessed.map(|head| head.size), Some(2));
    assert_eq!(standing.newest.map(|head| head.size), Some(3));
    drop((stream, late));
    net.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_heads_beats_has_limits_and_ends_with_the_relay() {
    let limits = Limits { beat_every: Duration::from_millis(20), ..Limits::default() };
    let net = Net::start(limits).await;
    let client = net.client("NL");
    let mut stream = follow(&client, "directory").await.unwrap();
    let beat = next(&mut stream).await.unwrap().unwrap().item.unwrap();
    assert!(matches!(beat, Item::Beat(beat) if beat.time_ms > 0));
    let again = follow(&client, "directory").await.unwrap_err();
    assert_eq!(again.code(), Code::ResourceExhausted, "the connection follows it already");
    let mut other = follow(&client, "traffic").await.unwrap();
    let unknown = follow(&net.client("RO"), "parliament").await.unwrap_err();
    assert_eq!(unknown.code(), Code::InvalidArgument);
    net.stop();
    for stream in [&mut stream, &mut other] {
        let end = loop {
            match next(stream).await {
                Ok(Some(_beat)) => {}
                Ok(None) => panic!("it ends without a reason"),
                Err(status) => break status,
            }
        };
        assert_eq!(end.code(), Code::Unavailable);
    }
    drop((stream, other));
    net.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_cosignature_of_a_head_is_not_noted() {
    let net = Net::start(Limits::default()).await;
    let (relay, log) = (&net.relay, Log::Directory);
    let head = publish(relay, log);
    let (nl, ro) = (api::witness("NL"), api::witness("RO"));
    let forged = ro.sign(head.note.text(), 7).unwrap();
    let noted = relay.heads().cosigned(log, &head, nl.public(), &forged, relay.now());
    assert_eq!(noted, Err(BadNote::Unsigned), "another's line");
    let mut damaged = nl.sign(head.note.text(), 7).unwrap();
    damaged.signature[20] ^= 1;
    let noted = relay.heads().cosigned(log, &head, nl.public(), &damaged, relay.now());
    assert!(matches!(noted, Err(BadNote::Invalid { .. })));
    assert_eq!(relay.heads().newest(log).unwrap().cosignatures, []);
    // One outside of the policy is kept, counts for nothing, and takes nobody's line.
    for number in 0..20 {
        let signer = outsider(number);
        let line = signer.sign(head.note.text(), 7).unwrap();
        assert!(relay.heads().cosigned(log, &head, signer.public(), &line, relay.now()).unwrap());
    }
    for member in MEMBERS {
        assert!(cosign(relay, log, &head, member));
    }
    let newest = relay.heads().newest(log).unwrap();
    assert_eq!((newest.witnesses(), newest.others()), (3, 20));
    let note = newest.cosigned_note();
    assert_eq!(note.lines().len(), LINES_MAX);
    let policy: &Policy = relay.heads().policy();
    assert_eq!(policy.check(&note).unwrap().1.len(), 3);
    net.close().await;
}

pub(crate) fn outsider(number: u8) -> detente::tlog::Signer {
    let name = format!("elsewhere/{number}").parse().unwrap();
    let kind = detente::tlog::note::Kind::Ed25519Cosignature;
    detente::tlog::Signer::from_seed(name, kind, [number; 32])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_and_prometheus_see_how_far_the_logs_are_witnessed() {
    let net = Net::start(Limits::default()).await;
    let head = publish(&net.relay, Log::Directory);
    cosign(&net.relay, Log::Directory, &head, "NL");
    let address = net.operator().await;
    let channel = tonic::transport::Endpoint::try_from(format!("http://{address}")).unwrap();
    let mut client = OperatorServiceClient::new(channel.connect().await.unwrap());
    let mut status = async || {
        let answered = client.get_relay_status(operator::GetRelayStatusRequest {}).await;
        answered.unwrap().into_inner()
    };
    let told = status().await;
    let [directory, traffic] = told.logs.try_into().unwrap();
    assert_eq!((directory.log.as_str(), directory.published_size), ("directory", 1));
    assert_eq!((directory.published_witnesses, directory.witnesses_total), (1, 3));
    assert!(directory.is_published && !directory.is_witnessed && !traffic.is_published);
    assert_eq!(told.nothing_signed_because, "");
    for member in ["RO", "XM"] {
        cosign(&net.relay, Log::Directory, &head, member);
    }
    net.relay.signers().unwrap().hold(Holder::Guard, "for a test");
    let told = status().await;
    assert_eq!(told.nothing_signed_because, "for a test");
    let directory = &told.logs[0];
    assert!(directory.is_witnessed && directory.waits_ms == 0);
    assert_eq!((directory.witnessed_size, directory.witnesses), (1, 3));

    let mut registry = detente::telemetry::registry("relay");
    registry.register_collector(Box::new(net.figures()));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        "detente_log_published_total{log=\"directory\"} 1\n",
        "detente_log_witnessed_total{log=\"directory\"} 1\n",
        "detente_log_witnessed_total{log=\"traffic\"} 0\n",
        "detente_log_witnesses{log=\"directory\"} 3\n",
        "detente_log_unwitnessed_seconds{log=\"directory\"} 0\n",
        "detente_witnesses 3\n",
        "detente_logs_held 1\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
    net.close().await;
}
