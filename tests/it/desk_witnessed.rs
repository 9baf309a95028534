//! A desk over its own connection: once the witnesses have seen a record, it fetches the proof to
//! the head that they have cosigned, once for each record.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use detente::codec::Log;
use detente::desk::Desk;
use detente::grpc::client::{self, Limits};
use detente::grpc::uplink::{self, Timing};
use detente::wire::detente::desk::v1::desk_service_server::DeskServiceServer;
use detente::wire::detente::log::v1 as wire;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, Streaming};
use wire::log_service_server::{LogService, LogServiceServer};

use crate::desk_agent::Door;
use crate::desk_pair::{self as pair, HandClock, Relay, nl, ro};
use crate::net::until;

type BoxStream<T> = Pin<Box<dyn tokio_stream::Stream<Item = Result<T, Status>> + Send>>;

/// The log service of the relay in memory: it counts what is asked for, and publishes what it is
/// told to.
#[derive(Clone)]
struct Logs {
    relay: Arc<Mutex<Relay>>,
    /// How often the proof of each leaf of the traffic's log was asked for.
    asked: Arc<Mutex<BTreeMap<u64, usize>>>,
    /// The newest published head of the traffic's log.
    published: Arc<watch::Sender<String>>,
}

fn log(name: &str) -> Log {
    if name == "directory" { Log::Directory } else { Log::Traffic }
}

fn hashes(hashes: &[detente::units::Hash]) -> Vec<Vec<u8>> {
    hashes.iter().map(|hash| hash.0.to_vec()).collect()
}

#[tonic::async_trait]
impl LogService for Logs {
    async fn get_heads(
        &self,
        _: Request<wire::GetHeadsRequest>,
    ) -> Result<Response<wire::GetHeadsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_records(
        &self,
        _: Request<wire::ListRecordsRequest>,
    ) -> Result<Response<wire::ListRecordsResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_proof(
        &self,
        request: Request<wire::GetProofRequest>,
    ) -> Result<Response<wire::GetProofResponse>, Status> {
        let wire::GetProofRequest { log: name, leaf_index, tree_size } = request.into_inner();
        let log = log(&name);
        if log == Log::Traffic {
            *self.asked.lock().unwrap().entry(leaf_index).or_default() += 1;
        }
        let relay = self.relay.lock().unwrap();
        let size = if tree_size == 0 { relay.size(log) } else { tree_size };
        let found = relay.inclusion(log, leaf_index, size);
        let checkpoint = relay.head(log, size).to_string();
        Ok(Response::new(wire::GetProofResponse {
            hashes: hashes(&found),
            checkpoint,
            tree_size: size,
        }))
    }

    async fn get_checkpoint(
        &self,
        _: Request<wire::GetCheckpointRequest>,
    ) -> Result<Response<wire::GetCheckpointResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_consistency(
        &self,
        request: Request<wire::GetConsistencyRequest>,
    ) -> Result<Response<wire::GetConsistencyResponse>, Status> {
        let wire::GetConsistencyRequest { log: name, old_size, new_size } = request.into_inner();
        let found = self.relay.lock().unwrap().consistency(log(&name), old_size, new_size);
        Ok(Response::new(wire::GetConsistencyResponse { hashes: hashes(&found) }))
    }

    type FollowCheckpointsStream = BoxStream<wire::FollowCheckpointsResponse>;

    async fn follow_checkpoints(
        &self,
        request: Request<wire::FollowCheckpointsRequest>,
    ) -> Result<Response<Self::FollowCheckpointsStream>, Status> {
        let (sender, receiver) = mpsc::channel(4);
        let mut published = self.published.subscribe();
        let is_traffic = request.into_inner().log == "traffic";
        tokio::spawn(async move {
            loop {
                let checkpoint = published.borrow_and_update().clone();
                if is_traffic && !checkpoint.is_empty() {
                    let published = wire::PublishedCheckpoint { checkpoint, ..Default::default() };
                    let item = Some(wire::follow_checkpoints_response::Item::Checkpoint(published));
                    let response = wire::FollowCheckpointsResponse { item };
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

    type WitnessStream = BoxStream<wire::WitnessResponse>;

    async fn witness(
        &self,
        _: Request<Streaming<wire::WitnessRequest>>,
    ) -> Result<Response<Self::WitnessStream>, Status> {
        Err(Status::unimplemented(""))
    }
}

impl Logs {
    /// Publishes the newest head with the cosignatures of both witnesses; answers its size.
    fn publish(&self) -> u64 {
        let relay = self.relay.lock().unwrap();
        let size = relay.size(Log::Traffic);
        let mut note = relay.head(Log::Traffic, size);
        for desk in [nl(), ro()] {
            note.add(pair::witness(&desk).sign(note.text(), 1_795_000_100).unwrap());
        }
        self.published.send_replace(note.to_string());
        size
    }

    fn asked(&self) -> BTreeMap<u64, usize> {
        self.asked.lock().unwrap().clone()
    }
}

/// Asks a question; answers when every record about it is proven.
async fn ask(desk: &Desk) -> Vec<detente::units::Index> {
    let standing = desk.prepare(pair::question(&ro())).await.unwrap();
    let mut proofs = Vec::new();
    until("proven", || {
        let file = desk.file();
        let request = file.case(standing.request).unwrap();
        let offered = request.entries.iter().count() == 2;
        proofs = file.proofs().unproven().collect();
        offered && proofs.is_empty()
    })
    .await;
    let (kept, missing) = desk.proofs_of(standing.request).await.unwrap();
    assert_eq!((kept.len(), missing), (2, 0));
    kept.into_iter().map(|kept| kept.index).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_the_witnesses_have_seen_is_asked_for_once_more_and_never_again() {
    let clock = HandClock::new();
    let dir = tempfile::tempdir().unwrap();
    let relay = Arc::new(Mutex::new(Relay::new(&clock)));
    let logs = Logs {
        relay: Arc::clone(&relay),
        asked: Arc::default(),
        published: Arc::new(watch::Sender::new(String::new())),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tonic::transport::Server::builder()
        .add_service(DeskServiceServer::new(Door::new(relay, nl())))
        .add_service(LogServiceServer::new(logs.clone()))
        .serve_with_incoming(TcpListenerStream::new(listener));
    let server = tokio::spawn(server);
    let desk = pair::open(&nl(), dir.path(), &clock);
    let connector = move || tokio::net::TcpStream::connect(address);
    let client = client::connect(connector, &Limits::default());
    let timing = Timing { pause_max: Duration::from_millis(20), ..Timing::default() };
    let (stop, stopping) = watch::channel(false);
    let uplink = tokio::spawn(uplink::run(desk.clone(), client, timing, stopping));

    let witnessed = |index: &detente::units::Index| desk.file().proofs().is_witnessed(*index);
    let mut first = ask(&desk).await;
    first.extend(ask(&desk).await);
    assert!(!first.iter().any(witnessed));
    let before = logs.asked();
    let size = logs.publish();
    until("witnessed", || first.iter().all(witnessed)).await;
    let after = logs.asked();
    for leaf in 0..size {
        let count = |asked: &BTreeMap<u64, usize>| asked.get(&leaf).copied().unwrap_or(0);
        assert_eq!(count(&after), count(&before) + 1, "leaf {leaf}: {before:?} {after:?}");
        assert!(count(&before) <= 1, "{before:?}");
    }

    // Newer heads ask nothing more of what has been seen.
    let second = ask(&desk).await;
    assert_eq!(logs.publish(), size + 2);
    until("witnessed", || second.iter().all(witnessed)).await;
    logs.publish();
    let third = ask(&desk).await;
    logs.publish();
    until("witnessed", || third.iter().all(witnessed)).await;
    let end = logs.asked();
    for leaf in 0..size {
        assert_eq!(end.get(&leaf), after.get(&leaf), "leaf {leaf}");
    }
    assert!(end.values().all(|count| *count <= 2), "{end:?}");
    assert_eq!(desk.status().alarms, 0);
    stop.send_replace(true);
    uplink.await.unwrap().unwrap();
    desk.close().await;
    server.abort();
}
