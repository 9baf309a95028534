//! A hostile relay meets honest desks: each of its lies is proven, or is an alarm where it is told.
//!
//! The desks are real, each with its store and its connection; behind their doors stands a real
//! relay with its journal, and sometimes a second one that goes on from a copy of it. The hostile
//! relay has the keys of the logs and no nation's. What catches each lie:
//!
//! | it | caught by |
//! |---|---|
//! | forges a statement | the recipient: D-321, D-315 or the log's own proof of it |
//! | rewrites a record | every witness at the next checkpoint: D-303; its parties: D-302 |
//! | swaps a key or an authority | recipients (refused), the nation's own desk: D-307; D-306 |
//! | serves two histories | the desk that is shown the other one: D-303 |
//! | drops a request | the sender after five minutes: D-324 |
//! | withholds a record | the sender at its limit: D-325; the recipient: D-323, D-326 by proof |
//! | delays | the sender at its limit: D-325, which ends with the receipt; witnesses' times |
//! | proves or shows nothing | the desk: D-308 after five minutes, D-328 after an hour |
//! | replays an old backup | every witness: D-304; every desk that holds more: D-301 |

mod door;
mod forge;
mod histories;
mod missing;
mod rotate;
mod swap;
mod unproven;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use detente::codec::{Head, Log};
use detente::desk::{self, Desk, Keys, Officer, Standing, What};
use detente::envelope::genesis::{self, Genesis, witness_key_name};
use detente::envelope::words::{Instrument, RequestType};
use detente::grpc::client::{self, Limits};
use detente::grpc::uplink::{self, Timing};
use detente::relay::{Seeds, SystemClock};
use detente::tlog::note::Kind;
use detente::tlog::witness::{AddCheckpoint, parse_lines};
use detente::tlog::{Note, Signer};
use detente::wire::detente::log::v1 as wire;
use door::Door;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use wire::witness_request::Item as Said;
use zeroize::Zeroizing;

use crate::api_net::{self, MEMBERS, Net, now, opening, seed, signing};
use crate::desk_pair as pair;
use crate::net::{PATIENCE, copy_tree, until};

/// The network: a relay, and a desk of every member behind its door.
pub(crate) struct Hostile {
    pub(crate) relay: Option<Net>,
    posts: BTreeMap<&'static str, Post>,
    signed: Vec<u8>,
    place: tempfile::TempDir,
    quorum: &'static str,
    asks: u64,
}

/// A desk, its door, and what it says as a witness.
struct Post {
    desk: Desk,
    door: Door,
    said: mpsc::UnboundedReceiver<Said>,
    ahead_ms: Arc<AtomicI64>,
    tasks: Vec<JoinHandle<()>>,
    _stop: watch::Sender<bool>,
}

impl Drop for Post {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Hostile {
    pub(crate) async fn start() -> Self {
        Self::start_with("group committee 3 ").await
    }

    /// The same where the desks' policy begins its quorum so.
    pub(crate) async fn start_with(quorum: &'static str) -> Self {
        let (signed, place) = (api_net::signed_genesis(), tempfile::tempdir().unwrap());
        let relay = Net::start_on(&place.path().join("relay"), &signed).await;
        let mut posts = BTreeMap::new();
        for member in MEMBERS {
            let post = Post::start(member, &relay, &signed, (place.path(), quorum)).await;
            posts.insert(member, post);
        }
        let hostile = Self { relay: Some(relay), posts, signed, place, quorum, asks: 0 };
        for member in MEMBERS {
            hostile.until_connected(member).await;
        }
        hostile
    }

    pub(crate) fn net(&self) -> &Net {
        self.relay.as_ref().unwrap()
    }

    pub(crate) fn desk(&self, member: &str) -> &Desk {
        &self.posts[member].desk
    }

    pub(crate) fn door(&self, member: &str) -> &Door {
        &self.posts[member].door
    }

    pub(crate) fn genesis(&self) -> Genesis {
        genesis::parse(&self.signed).unwrap()
    }

    /// A file in the test's own directory.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.place.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The genesis, in a file.
    pub(crate) fn genesis_file(&self) -> PathBuf {
        self.file("genesis.bin", &self.signed)
    }

    /// What a desk keeps in its directory.
    pub(crate) fn kept(&self, member: &str, name: &str) -> String {
        let path = self.place.path().join(member).join(name);
        std::fs::read_to_string(path).unwrap()
    }

    /// Puts a desk's clock ahead.
    pub(crate) fn pass(&self, member: &str, ms: i64) {
        self.posts[member].ahead_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// An officer of one desk asks another.
    pub(crate) async fn ask(&self, from: &str, to: &str) -> Standing {
        let mut order = pair::question(&api_net::desk(to));
        if let What::Request(wish) = &mut order.what {
            wish.kind = RequestType::LegalInformation;
            wish.instrument = Some(Instrument::G72417);
        }
        self.desk(from).prepare(order).await.unwrap()
    }

    /// The same, and waits until the relay has it and the addressee's receipt has come.
    pub(crate) async fn ask_and_settle(&self, from: &str, to: &str) -> Standing {
        let sent = self.ask(from, to).await;
        let desk = self.desk(from);
        until("it is receipted", || {
            let held = desk.file().own_statement(sent.message).cloned().unwrap();
            held.transport.as_ref().is_some_and(|way| way.is_receipted())
        })
        .await;
        sent
    }

    pub(crate) async fn until_connected(&self, member: &str) {
        let desk = self.desk(member);
        until(&format!("{member} is connected"), || desk.status().link.connected).await;
    }

    /// Waits for a standing alarm with this code at a desk.
    pub(crate) async fn until_alarm(&self, member: &str, code: &str) -> desk::Alarm {
        let desk = self.desk(member);
        let found = || desk.alarms().into_iter().find(|alarm| alarm.code == code);
        until(&format!("{code} at {member}"), || found().is_some()).await;
        found().unwrap()
    }

    pub(crate) fn codes(&self, member: &str) -> Vec<&'static str> {
        self.desk(member).alarms().iter().map(|alarm| alarm.code).collect()
    }

    /// The head of a log as the relay behind the doors has it, signed.
    pub(crate) fn head(&self, log: Log) -> (Head, Note) {
        let relay = &self.net().relay;
        let head = relay.published().heads().of(log);
        (head, relay.signers().unwrap().sign(log, &head).unwrap())
    }

    /// Asks a desk to cosign the relay's head of a log, from the head that it cosigned before.
    pub(crate) async fn cosign(&mut self, member: &str, log: Log) -> wire::WitnessAnswer {
        let newest = self.head(log);
        self.cosign_head(member, log, newest).await
    }

    async fn cosign_head(
        &mut self,
        member: &str,
        log: Log,
        (head, note): (Head, Note),
    ) -> wire::WitnessAnswer {
        let cosigned = self.desk(member).cosigned();
        let old = cosigned.iter().find(|(name, _)| name == log.as_str()).unwrap().1.size;
        let grows = old > 0 && old < head.size;
        let proof = if grows {
            self.net().relay.prove_growth(log, old, head.size).await.unwrap()
        } else {
            Vec::new()
        };
        let body = AddCheckpoint { old_size: old, proof, checkpoint: note }.to_string();
        self.asks += 1;
        let ask =
            wire::WitnessAsk { ask: self.asks, log: log.as_str().to_owned(), add_checkpoint: body };
        let number = ask.ask;
        let post = self.posts.get_mut(member).unwrap();
        post.door.ask(ask);
        loop {
            let said = tokio::time::timeout(PATIENCE, post.said.recv()).await;
            match said.expect("the witness says nothing").unwrap() {
                Said::Answer(answer) if answer.ask == number => return answer,
                Said::Answer(_) | Said::Hello(_) => {}
            }
        }
    }

    /// The head of a log as it is now, cosigned by all of these, though the log grows meanwhile.
    pub(crate) async fn cosigned(&mut self, by: &[&str], log: Log) -> (Head, Note) {
        let (head, signed) = self.head(log);
        let mut note = signed.clone();
        for member in by {
            let answer = self.cosign_head(member, log, (head, signed.clone())).await;
            assert_eq!(answer.status, 200, "{member}: {}", answer.body);
            note.add(parse_lines(&answer.body).unwrap().remove(0));
        }
        (head, note)
    }

    /// Has every desk cosign the head of a log, and publishes it to all of them.
    pub(crate) async fn publish(&mut self, log: Log) -> Note {
        let (head, note) = self.cosigned(&MEMBERS, log).await;
        self.show(&MEMBERS, log, &note);
        for member in MEMBERS {
            let desk = self.desk(member);
            let seen = || desk.witnessed(log.as_str()).witnessed;
            until("it is witnessed", || seen().is_some_and(|kept| kept.head.size >= head.size))
                .await;
        }
        note
    }

    /// Publishes a head to these desks only.
    pub(crate) fn show(&self, to: &[&str], log: Log, note: &Note) {
        for member in to {
            self.door(member).publish(log.as_str(), note.to_string());
        }
    }

    /// Stops the relay and copies its store.
    pub(crate) async fn copy(&mut self, name: &str) -> PathBuf {
        self.relay.take().unwrap().close().await;
        let to = self.place.path().join(name);
        copy_tree(&self.place.path().join("relay"), &to);
        // Whoever runs the relay gets past its own guard against old copies.
        std::fs::write(to.join("loss-accepted"), "whoever runs it").unwrap();
        to
    }

    /// A relay on the store in this directory.
    pub(crate) async fn start_on(&self, store: &Path) -> Net {
        Net::start_on(store, &self.signed).await
    }

    /// Lets the relay of before stand behind the doors again.
    pub(crate) async fn restart(&mut self) {
        self.restart_with(api_net::seeds()).await;
    }

    /// The same with these keys of its logs.
    pub(crate) async fn restart_with(&mut self, seeds: Seeds) {
        if let Some(relay) = self.relay.take() {
            relay.close().await;
        }
        let store = self.place.path().join("relay");
        let clock = Arc::new(SystemClock::default());
        let limits = detente::grpc::Limits::default();
        let keys = (self.signed.clone(), seeds);
        self.turn_to(Net::start_signed(&store, keys, limits, clock).await);
    }

    /// Stops a desk and starts it again on what it has on disk.
    pub(crate) async fn restart_desk(&mut self, member: &'static str) {
        let post = self.posts.remove(member).unwrap();
        let desk = post.desk.clone();
        drop(post);
        desk.close().await;
        drop(desk);
        let place = (self.place.path(), self.quorum);
        let post = Post::start(member, self.net(), &self.signed, place).await;
        self.posts.insert(member, post);
        self.until_connected(member).await;
    }

    /// Another relay stands behind every door.
    pub(crate) fn turn_to(&mut self, relay: Net) {
        for (member, post) in &self.posts {
            post.door.turn_to(relay.channels(member));
        }
        self.relay = Some(relay);
    }
}

impl Post {
    async fn start(
        member: &'static str,
        relay: &Net,
        signed: &[u8],
        (place, quorum): (&Path, &str),
    ) -> Self {
        let genesis = genesis::parse(signed).unwrap();
        let id = api_net::desk(member);
        let officer =
            Officer { key: signing(&format!("{member}/cyber/duty")), uids: vec![pair::own_uid()] };
        let name = witness_key_name(&genesis.network, &id);
        let witness = format!("{member}/cyber witness");
        let keys = Keys {
            desk: signing(&format!("{member}/cyber")),
            encryption: vec![opening(member)],
            officers: BTreeMap::from([(pair::duty(), officer)]),
            witness: Some(Signer::from_seed(name, Kind::Ed25519Cosignature, seed(&witness))),
        };
        let ahead_ms = Arc::new(AtomicI64::new(0));
        let ahead = Arc::clone(&ahead_ms);
        let clock: desk::Clock = Arc::new(move || now().plus_ms(ahead.load(Ordering::SeqCst)));
        let secret = Zeroizing::new(b"unlock".to_vec());
        let journal =
            detente::journal::Options { segment_bytes: 1 << 20, batch_bytes_max: 1 << 19 };
        let policy = genesis::default_policy(&genesis).to_string();
        let policy = policy.replace("group committee 3 ", quorum).parse().unwrap();
        let options = desk::Options::new(place.join(member), id, genesis, secret, keys);
        let desk = Desk::open(desk::Options { clock, journal, policy, ..options }).unwrap();
        let (door, said) = Door::new(relay.channels(member));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = door.serve(listener);
        let connector = move || async move { tokio::net::TcpStream::connect(address).await };
        let client = client::connect(connector, &Limits::default());
        let timing = Timing {
            pause_max: Duration::from_millis(100),
            try_within: Duration::from_secs(5),
            ..Timing::default()
        };
        let (stop, stopping) = watch::channel(false);
        let uplink = Box::pin(uplink::run(desk.clone(), client, timing, stopping));
        let tasks = vec![
            tokio::spawn(async move { drop(serving.await) }),
            tokio::spawn(async move { drop(uplink.await) }),
        ];
        Self { desk, door, said, ahead_ms, tasks, _stop: stop }
    }
}
