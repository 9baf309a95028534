//! A desk over its own connection to a relay that is played here: it cosigns when it is asked,
//! keeps what the witnesses have seen, and finds out who shows it another log than them.

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use detente::codec::{Leaf, Log};
use detente::desk::witness::{Head, WitnessedHead, Wrong};
use detente::desk::{Desk, IncomingEntry, Options};
use detente::grpc::client::{self, Limits};
use detente::grpc::uplink::{self, Timing};
use detente::tlog::witness::{Latest, parse_lines};
use detente::tlog::{Note, leaf_hash};
use detente::units::Hash;
use detente::wire::detente::log::v1 as wire;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, Streaming};
use wire::log_service_server::{LogService, LogServiceServer};

use crate::desk_pair::{self as pair, HandClock, duty, nl, ro};
use crate::net::{PATIENCE, until};
use crate::witness_log::{TestLog, cosigned, head, log_of};

type BoxStream<T> = Pin<Box<dyn tokio_stream::Stream<Item = Result<T, Status>> + Send>>;

/// A relay's log service that says what it is told to.
#[derive(Clone)]
struct Door {
    /// False: it is a relay that knows nothing of witnesses.
    knows: Arc<watch::Sender<bool>>,
    /// The newest question; each is sent once on every stream.
    ask: Arc<watch::Sender<Option<wire::WitnessAsk>>>,
    /// The newest published head of each log.
    published: Arc<watch::Sender<BTreeMap<String, String>>>,
    /// What proves that one head is the beginning of another.
    logs: Arc<Mutex<BTreeMap<String, TestLog>>>,
    said: mpsc::UnboundedSender<wire::witness_request::Item>,
    /// Streams are cut as soon as they have asked.
    cut: Arc<watch::Sender<bool>>,
}

impl Door {
    fn known(&self) -> Result<(), Status> {
        if *self.knows.borrow() { Ok(()) } else { Err(Status::unimplemented("not there")) }
    }
}

#[tonic::async_trait]
impl LogService for Door {
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
        _: Request<wire::GetProofRequest>,
    ) -> Result<Response<wire::GetProofResponse>, Status> {
        Err(Status::unimplemented(""))
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
        let wire::GetConsistencyRequest { log, old_size, new_size } = request.into_inner();
        let logs = self.logs.lock().unwrap();
        let Some(log) = logs.get(&log) else { return Err(Status::unimplemented("")) };
        if new_size > log.size() {
            return Err(Status::out_of_range("it is longer than the log"));
        }
        let hashes = log.consistency(old_size, new_size).iter().map(|h| h.0.to_vec()).collect();
        Ok(Response::new(wire::GetConsistencyResponse { hashes }))
    }

    type FollowCheckpointsStream = BoxStream<wire::FollowCheckpointsResponse>;

    async fn follow_checkpoints(
        &self,
        request: Request<wire::FollowCheckpointsRequest>,
    ) -> Result<Response<Self::FollowCheckpointsStream>, Status> {
        self.known()?;
        let log = request.into_inner().log;
        let (sender, receiver) = mpsc::channel(4);
        let mut published = self.published.subscribe();
        tokio::spawn(async move {
            loop {
                let checkpoint = published.borrow_and_update().get(&log).cloned();
                if let Some(checkpoint) = checkpoint {
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
        request: Request<Streaming<wire::WitnessRequest>>,
    ) -> Result<Response<Self::WitnessStream>, Status> {
        self.known()?;
        let mut saying = request.into_inner();
        let (sender, receiver) = mpsc::channel(4);
        let (mut ask, said, cut) = (self.ask.subscribe(), self.said.clone(), self.cut.subscribe());
        ask.mark_changed();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    message = saying.message() => match message {
                        Ok(Some(wire::WitnessRequest { item: Some(item) })) => {
                            said.send(item).unwrap();
                        }
                        Ok(_) | Err(_) => return,
                    },
                    _ = ask.changed() => {
                        let Some(ask) = ask.borrow_and_update().clone() else { continue };
                        let item = Some(wire::witness_response::Item::Ask(ask));
                        if sender.send(Ok(wire::WitnessResponse { item })).await.is_err() {
                            return;
                        }
                        if *cut.borrow() {
                            return;
                        }
                    }
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

/// The played relay, and the desk that is connected to it.
struct Scene {
    door: Door,
    said: mpsc::UnboundedReceiver<wire::witness_request::Item>,
    address: std::net::SocketAddr,
    clock: HandClock,
    dir: tempfile::TempDir,
    server: JoinHandle<()>,
}

/// The desk, connected. Dropping it is a crash.
struct Up {
    desk: Desk,
    uplink: JoinHandle<Result<(), String>>,
    _stop: watch::Sender<bool>,
}

impl Drop for Up {
    fn drop(&mut self) {
        self.uplink.abort();
    }
}

impl Up {
    async fn crash(self) {
        let desk = self.desk.clone();
        drop(self);
        desk.close().await;
    }
}

impl Scene {
    async fn new() -> Self {
        let (say, said) = mpsc::unbounded_channel();
        let door = Door {
            knows: Arc::new(watch::Sender::new(true)),
            ask: Arc::new(watch::Sender::new(None)),
            published: Arc::new(watch::Sender::new(BTreeMap::new())),
            logs: Arc::default(),
            said: say,
            cut: Arc::new(watch::Sender::new(false)),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = LogServiceServer::new(door.clone());
        let serving = tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming(TcpListenerStream::new(listener));
        let server = tokio::spawn(async move { serving.await.unwrap() });
        let dir = tempfile::tempdir().unwrap();
        Self { door, said, address, clock: HandClock::new(), dir, server }
    }

    fn up(&self) -> Up {
        self.up_with(|_| {})
    }

    fn up_with(&self, change: impl FnOnce(&mut Options)) -> Up {
        let mut options = pair::options(&nl(), self.dir.path(), &self.clock);
        change(&mut options);
        let desk = Desk::open(options).unwrap();
        let address = self.address;
        let connector = move || async move { tokio::net::TcpStream::connect(address).await };
        let client = client::connect(connector, &Limits::default());
        let timing = Timing { pause_max: Duration::from_millis(20), ..Timing::default() };
        let (stop, stopping) = watch::channel(false);
        let uplink = tokio::spawn(uplink::run(desk.clone(), client, timing, stopping));
        Up { desk, uplink, _stop: stop }
    }

    async fn hear(&mut self) -> wire::witness_request::Item {
        tokio::time::timeout(PATIENCE, self.said.recv()).await.expect("nothing was said").unwrap()
    }

    async fn hello(&mut self) -> wire::WitnessHello {
        loop {
            if let wire::witness_request::Item::Hello(hello) = self.hear().await {
                return hello;
            }
        }
    }

    async fn answer(&mut self) -> wire::WitnessAnswer {
        loop {
            if let wire::witness_request::Item::Answer(answer) = self.hear().await {
                return answer;
            }
        }
    }

    fn ask(&self, number: u64, log: &str, body: String) {
        let ask = wire::WitnessAsk { ask: number, log: log.to_owned(), add_checkpoint: body };
        self.door.ask.send_replace(Some(ask));
    }

    fn publish(&self, log: &TestLog, note: &Note) {
        self.door.logs.lock().unwrap().entry(log.log.to_owned()).or_insert_with(|| log.clone());
        self.door.published.send_modify(|published| {
            published.insert(log.log.to_owned(), note.to_string());
        });
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn witnessed(desk: &Desk, log: &str) -> u64 {
    desk.witnessed(log).witnessed.map_or(0, |WitnessedHead { head, .. }| head.size)
}

fn evidence(dir: &Path, id: &str, part: &str) -> String {
    std::fs::read_to_string(dir.join(format!("evidence/{id}.{part}"))).unwrap()
}

#[tokio::test]
async fn a_relay_that_knows_no_witnesses_is_asked_again_and_is_no_alarm() {
    let mut scene = Scene::new().await;
    scene.door.knows.send_replace(false);
    let up = scene.up();
    assert_eq!(up.desk.status().alarms, 0);
    scene.door.knows.send_replace(true);
    let hello = scene.hello().await;
    assert_eq!(hello.verifier_key, pair::witness(&nl()).public().to_string());
    let mut heads = hello.heads;
    heads.sort_by(|a, b| a.log.cmp(&b.log));
    let told: Vec<_> = heads.iter().map(|head| (head.log.as_str(), head.size)).collect();
    assert_eq!(told, [("directory", 0), ("traffic", 0)]);
    assert_eq!(heads[0].root, Latest::none().root.0);
    assert_eq!((up.desk.status().alarms, up.desk.alarms()), (0, Vec::new()));
}

#[tokio::test]
async fn what_was_cosigned_and_not_answered_is_remembered() {
    let mut scene = Scene::new().await;
    let log = log_of("traffic", 30);
    let up = scene.up();
    scene.ask(1, "traffic", log.ask(0, 10));
    let answer = scene.answer().await;
    assert_eq!((answer.ask, answer.status), (1, 200));
    let mut note = log.head(10);
    note.add(parse_lines(&answer.body).unwrap().remove(0));
    assert!(note.verify([pair::witness(&nl()).public()]).is_ok());
    // The connection breaks off when the question has come; the desk is killed before it answers.
    scene.door.cut.send_replace(true);
    scene.ask(2, "traffic", log.ask(10, 20));
    until("it is kept", || up.desk.cosigned().iter().any(|(_, latest)| latest.size == 20)).await;
    up.crash().await;
    scene.door.cut.send_replace(false);
    scene.door.ask.send_replace(None);
    while scene.said.try_recv().is_ok() {}
    let up = scene.up();
    let hello = scene.hello().await;
    let size = hello.heads.iter().find(|head| head.log == "traffic").map(|head| head.size);
    assert_eq!(size, Some(20), "before it is asked anything");
    for (number, body, status) in [
        (3, log.ask(10, 20), 409),
        (4, log.ask(20, 20), 200),
        (5, log.fork(12).ask(10, 25), 409),
        (6, log.ask(20, 30), 200),
    ] {
        scene.ask(number, "traffic", body);
        let answer = scene.answer().await;
        assert_eq!((answer.ask, answer.status), (number, status), "{}", answer.body);
    }
    assert_eq!(up.desk.alarms(), []);
}

#[tokio::test]
async fn a_fork_is_an_alarm_until_an_officer_has_settled_it_in_words() {
    let mut scene = Scene::new().await;
    let log = log_of("traffic", 30);
    let up = scene.up();
    scene.ask(1, "traffic", log.ask(0, 10));
    assert_eq!(scene.answer().await.status, 200);
    scene.ask(2, "traffic", log.fork(5).ask(10, 20));
    assert_eq!(scene.answer().await.status, 422);
    let alarms = up.desk.alarms();
    assert_eq!((alarms.len(), alarms[0].code), (1, "D-303"));
    until("it is raised", || up.desk.status().alarms == 1).await;
    scene.ask(3, "traffic", log.ask(10, 20));
    assert_eq!(scene.answer().await.status, 422, "not cosigned while it stands");
    scene.ask(4, "directory", log_of("directory", 1).ask(0, 1));
    assert_eq!(scene.answer().await.status, 200, "the other log is another log");
    up.crash().await;
    let up = scene.up();
    assert_eq!(up.desk.alarms(), alarms, "after a restart");
    let id = alarms[0].id.clone();
    let id_of = id.as_str();
    for (id, by, words) in
        [("traffic-0", "duty", "x"), (id_of, "nobody", "x"), (id_of, "duty", " ")]
    {
        let refused = up.desk.settle(id.to_owned(), by.parse().unwrap(), words.to_owned()).await;
        assert!(refused.is_err(), "{id} {by} {words:?}");
    }
    assert_eq!(up.desk.alarms().len(), 1);
    up.desk.settle(id.clone(), duty(), "shown to RO".to_owned()).await.unwrap();
    assert!(evidence(scene.dir.path(), &id, "settled").contains("duty: shown to RO"));
    assert_eq!(up.desk.alarms(), []);
    scene.ask(5, "traffic", log.ask(10, 20));
    while scene.answer().await.ask != 5 {}
    assert_eq!(up.desk.cosigned().iter().find(|(log, _)| log == "traffic").unwrap().1.size, 20);
}

#[tokio::test]
async fn the_newest_head_with_the_quorum_is_kept_and_nothing_else() {
    let scene = Scene::new().await;
    let log = log_of("traffic", 30);
    let both = [nl(), ro()];
    let up = scene.up();
    scene.publish(&log, &cosigned(&log, 10, &both));
    until("10 are witnessed", || witnessed(&up.desk, "traffic") == 10).await;
    let standing = up.desk.witnessed("traffic");
    let kept = standing.witnessed.unwrap();
    assert_eq!((kept.witnesses, kept.time), (2, Some(1_795_000_100)));
    // One of two is no quorum: it is counted and not kept.
    scene.publish(&log, &cosigned(&log, 20, &[nl()]));
    until("20 are published", || up.desk.witnessed("traffic").published == 20).await;
    assert_eq!(up.desk.witnessed("traffic").published_witnesses, 1);
    assert_eq!(witnessed(&up.desk, "traffic"), 10);
    scene.publish(&log, &cosigned(&log, 20, &both));
    until("20 are witnessed", || witnessed(&up.desk, "traffic") == 20).await;
    up.crash().await;
    // An older one does not take its place, after a restart either.
    scene.publish(&log, &cosigned(&log, 10, &both));
    let up = scene.up();
    assert_eq!(witnessed(&up.desk, "traffic"), 20, "from disk");
    scene.publish(&log, &cosigned(&log, 25, &both));
    until("25 are witnessed", || witnessed(&up.desk, "traffic") == 25).await;
    assert_eq!(up.desk.status().alarms, 0);
    up.crash().await;
    // With another policy the kept head is judged anew.
    let up = scene.up_with(|options| {
        let policy = options.policy.to_string();
        let other = policy.lines().filter(|line| !line.starts_with("quorum"));
        let text: String = other.map(|line| format!("{line}\n")).collect();
        options.policy = format!("{text}group one 1 committee\nquorum one\n").parse().unwrap();
    });
    assert_eq!(witnessed(&up.desk, "traffic"), 25, "this one asks for the same");
}

#[tokio::test]
async fn what_is_not_signed_as_it_says_is_an_alarm_and_not_kept() {
    let log = log_of("traffic", 30);
    let both = [nl(), ro()];
    let forged_witness = {
        let mut note = cosigned(&log, 20, &[nl()]);
        let mut line = pair::witness(&ro()).sign(note.text(), 7).unwrap();
        line.signature[20] ^= 1;
        note.add(line);
        note
    };
    let other = TestLog { log: "traffic", ..log_of("directory", 30) };
    let cases = [
        ("a forged log signature", cosigned(&log.forged(), 20, &both)),
        ("a forged cosignature", forged_witness),
        ("the other log's", cosigned(&log_of("directory", 30), 20, &both)),
        ("signed with the other log's key", cosigned(&other, 20, &both)),
        ("a cosignature of another head", {
            let mut note = cosigned(&log, 20, &[nl()]);
            note.add(pair::witness(&ro()).sign(log.head(19).text(), 7).unwrap());
            note
        }),
    ];
    for (what, note) in cases {
        let scene = Scene::new().await;
        let up = scene.up();
        scene.publish(&log, &cosigned(&log, 10, &both));
        until("10 are witnessed", || witnessed(&up.desk, "traffic") == 10).await;
        scene.publish(&log, &note);
        until(what, || up.desk.status().alarms > 0).await;
        assert_eq!(witnessed(&up.desk, "traffic"), 10, "{what}");
        // It goes on with what is.
        scene.publish(&log, &cosigned(&log, 25, &both));
        until("25 are witnessed", || witnessed(&up.desk, "traffic") == 25).await;
    }
}

#[tokio::test]
async fn whoever_shows_this_desk_another_log_than_the_witnesses_is_found_out() {
    let log = log_of("traffic", 30);
    let fork = log.fork(5);
    let both = [nl(), ro()];
    // What the relay has shown this desk, and what the witnesses have seen.
    let cases: [(&str, Head, u64); 4] = [
        ("a receipt of a fork", head(&fork, 9), 20),
        ("a receipt of a fork of the same size", head(&fork, 20), 20),
        ("a receipt of a longer fork", head(&fork, 25), 20),
        ("a receipt of a later leaf that was exchanged", head(&log.fork(19), 20), 25),
    ];
    for (what, shown, size) in cases {
        let scene = Scene::new().await;
        let up = scene.up();
        up.desk.see_head("traffic", head(&log, 7));
        up.desk.see_head("traffic", shown.clone());
        scene.publish(&log, &cosigned(&log, size, &both));
        until(what, || !up.desk.alarms().is_empty()).await;
        let alarm = up.desk.alarms().remove(0);
        assert_eq!(alarm.code, Wrong::Fork.code(), "{what}");
        let first = evidence(scene.dir.path(), &alarm.id, "first");
        let second = evidence(scene.dir.path(), &alarm.id, "second");
        assert_eq!(first, shown.note.to_string(), "{what}");
        assert_eq!(second, cosigned(&log, size, &both).to_string(), "{what}");
        until("it is raised", || up.desk.status().alarms == 1).await;
        assert_eq!(witnessed(&up.desk, "traffic"), 0, "{what}");
        // When it has been settled, what the witnesses have seen is followed again.
        up.desk.settle(alarm.id, duty(), "shown to RO".to_owned()).await.unwrap();
        scene.publish(&log, &cosigned(&log, 28, &both));
        until("28 are witnessed", || witnessed(&up.desk, "traffic") == 28).await;
    }
}

#[tokio::test]
async fn two_heads_with_the_quorum_that_contradict_are_found_out() {
    let log = log_of("traffic", 30);
    let both = [nl(), ro()];
    for (what, note) in [
        ("it goes on otherwise", cosigned(&log.fork(5), 20, &both)),
        ("it is rolled back to something else", cosigned(&log.fork(5), 8, &both)),
        ("another of the same size", cosigned(&log.fork(5), 10, &both)),
    ] {
        let scene = Scene::new().await;
        let up = scene.up();
        scene.publish(&log, &cosigned(&log, 10, &both));
        until("10 are witnessed", || witnessed(&up.desk, "traffic") == 10).await;
        scene.publish(&log, &note);
        until(what, || !up.desk.alarms().is_empty()).await;
        let alarm = up.desk.alarms().remove(0);
        assert_eq!(alarm.code, "D-303", "{what}");
        assert_eq!(evidence(scene.dir.path(), &alarm.id, "second"), note.to_string());
        assert_eq!(witnessed(&up.desk, "traffic"), 10, "{what}");
    }
}

#[tokio::test]
async fn what_agrees_is_no_alarm_and_what_this_desk_cosigned_is_held_against_it() {
    let mut scene = Scene::new().await;
    let log = log_of("traffic", 30);
    let both = [nl(), ro()];
    let up = scene.up();
    for size in [1, 3, 9, 17, 20, 22] {
        up.desk.see_head("traffic", head(&log, size));
    }
    scene.publish(&log, &cosigned(&log, 20, &both));
    until("20 are witnessed", || witnessed(&up.desk, "traffic") == 20).await;
    assert_eq!(up.desk.status().alarms, 0);
    // The relay has this desk cosign a fork, while the others see the log.
    scene.ask(1, "traffic", log.fork(3).ask(0, 15));
    assert_eq!(scene.answer().await.status, 200);
    scene.publish(&log, &cosigned(&log, 25, &both));
    until("it is found", || !up.desk.alarms().is_empty()).await;
    let alarm = up.desk.alarms().remove(0);
    let first: Note = evidence(scene.dir.path(), &alarm.id, "first").parse().unwrap();
    assert_eq!(first.text(), log.fork(3).head(15).text());
}

#[tokio::test]
async fn a_relay_that_has_lost_what_it_signed_is_an_alarm() {
    let scene = Scene::new().await;
    let (log, both) = (log_of("traffic", 20), [nl(), ro()]);
    let up = scene.up();
    // The receipt went on from what the relay still has; an old backup was restored.
    let mut longer = log.clone();
    longer.push(5);
    up.desk.see_head("traffic", head(&longer, 25));
    scene.publish(&log, &cosigned(&log, 20, &both));
    until("it is an alarm", || up.desk.status().alarms > 0).await;
    assert_eq!(witnessed(&up.desk, "traffic"), 0);
    // It has its log again.
    scene.door.logs.lock().unwrap().insert("traffic".to_owned(), longer.clone());
    until("20 are witnessed", || witnessed(&up.desk, "traffic") == 20).await;
    assert_eq!(up.desk.alarms(), []);
}

/// The founding record as the relay sends it, and the leaf that it makes.
fn founding(clock: &HandClock) -> (IncomingEntry, Hash) {
    let entry = crate::directory_desk::Log::new(clock).founding();
    let data = Leaf { log: Log::Directory, index: 0, opening: None }.data(&entry.event);
    (entry, leaf_hash(&data))
}

#[tokio::test]
async fn the_directory_that_came_is_the_one_that_the_witnesses_have_seen() {
    let both = [nl(), ro()];
    for agrees in [true, false] {
        let scene = Scene::new().await;
        let up = scene.up();
        let (entry, leaf) = founding(&scene.clock);
        let mut log = TestLog::new("directory");
        if agrees {
            log.push_hash(leaf);
        } else {
            log.push(1);
        }
        scene.publish(&log, &cosigned(&log, 1, &both));
        until("1 is witnessed", || witnessed(&up.desk, "directory") == 1).await;
        assert_eq!(up.desk.witnessed_leaves(), 0, "the entry is not here yet");
        up.desk.take_entries(vec![entry]).await.unwrap();
        if agrees {
            assert_eq!((up.desk.witnessed_leaves(), up.desk.alarms()), (1, Vec::new()));
            up.crash().await;
            assert_eq!(scene.up().desk.witnessed_leaves(), 1, "after a restart");
        } else {
            // Whichever sees it first raises it: whoever took the head, or whoever took the entry.
            until("the alarm is there", || !up.desk.alarms().is_empty()).await;
            let alarm = up.desk.alarms().remove(0);
            assert_eq!((alarm.code, up.desk.witnessed_leaves()), ("D-306", 0));
            let computed = evidence(scene.dir.path(), &alarm.id, "second");
            let mut own = TestLog::new("directory");
            own.push_hash(leaf);
            assert!(computed.contains(&own.root(1).to_string()), "{computed}");
        }
    }
}
