//! A relay that starts asks witnesses over HTTP how far they have seen, as it hears desks: it signs
//! nothing that they may contradict. All they have is words, unless they show what they cosigned.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use detente::codec::Log;
use detente::relay::{Error, Holder, Relay};
use detente::service::RunningRelay;
use detente::tlog::witness::{Latest, monitoring_path};
use detente::units::{Caller, Hash};
use tokio::task::JoinHandle;

use crate::http_witness::Door;
use crate::net::{self, Dev, PATIENCE, Speaker, copy_tree, until};
use crate::witness_guard::{as_image, lacks};

const HOUR: Duration = seconds(3_600);

/// A relay whose witnesses are all elsewhere.
struct Lab {
    dev: Dev,
    speaker: Speaker,
    doors: Vec<Door>,
    serving: Vec<JoinHandle<()>>,
    /// The policy without its quorum.
    witnesses: String,
}

impl Lab {
    async fn new(count: u8, shows: bool) -> Self {
        let dev = Dev::new(&["NL", "RO"]);
        let signers = dev.signers();
        let keys = Log::ALL.map(|log| signers.verifier(log).clone());
        let mut witnesses: String = keys.iter().map(|key| format!("log {key}\n")).collect();
        let (mut doors, mut serving) = (Vec::new(), Vec::new());
        for number in 1..=count {
            let door = Door::new(number, keys.to_vec());
            let door = if shows { door.showing() } else { door };
            let (line, task) = door.open(&format!("w{number}")).await;
            witnesses += &line;
            doors.push(door);
            serving.push(task);
        }
        let speaker = Speaker::new(&dev, "NL");
        Self { dev, speaker, doors, serving, witnesses }
    }

    /// Starts the relay on a store; so many of the witnesses are its quorum.
    async fn start(&self, store: &Path, quorum: usize, waits: Duration) -> RunningRelay {
        let policy = self.dev.path().join("policy");
        let names: String = (1..=self.doors.len()).map(|number| format!(" w{number}")).collect();
        let group = format!("group all {quorum}{names}\nquorum all\n");
        fs::write(&policy, self.witnesses.clone() + &group).unwrap();
        let mut config = self.dev.relay_config();
        config.network.policy = Some(policy);
        config.store.directory = store.to_owned();
        config.publish.interval_seconds = Duration::from_millis(50);
        config.logs.wait_for_witnesses_seconds = waits;
        net::relay_here(&config).await
    }

    async fn say(&self, running: &RunningRelay) -> Result<(), Error> {
        let caller = Caller { desk: net::desk("NL") };
        let question = self.speaker.question(&net::desk("RO"));
        running.relay().submit(&caller, question).await.map(|_accepted| ())
    }

    async fn until_seen(&self, size: u64) {
        let all = |log: &str, size| self.doors.iter().all(|door| door.seen(log) >= size);
        until("they have seen it", || all("/traffic", size) && all("/directory", 1)).await;
    }

    /// A store of so many questions, all of them seen, and a copy of it as it was after `first`.
    async fn store_and_older(&self, first: u64, all: u64) -> (PathBuf, PathBuf) {
        let store = self.dev.path().join("store");
        let older = self.dev.path().join("older");
        let mut said = 0;
        for (size, copy) in [(first, Some(&older)), (all, None)] {
            let running = self.start(&store, self.doors.len(), Duration::ZERO).await;
            assert_eq!(held(running.relay()), None);
            for _ in said..size {
                self.say(&running).await.unwrap();
            }
            said = size;
            self.until_seen(size).await;
            running.stop().await.unwrap();
            if let Some(copy) = copy {
                copy_tree(&store, copy);
            }
        }
        (store, older)
    }

    /// These say that they will answer later, or no longer.
    fn close(&self, which: std::ops::Range<usize>, is_closed: bool) {
        let doors = self.doors.get(which).unwrap();
        doors.iter().for_each(|door| door.behind(|behind| behind.is_closed = is_closed));
    }

    fn end(&self) {
        self.serving.iter().for_each(JoinHandle::abort);
    }
}

fn held(relay: &Relay) -> Option<Arc<str>> {
    relay.signers().unwrap().held()
}

async fn until_held(relay: &Relay, is_so: impl Fn(&BTreeMap<Holder, Arc<str>>) -> bool) {
    let mut holds = relay.signers().unwrap().holds();
    let waited = tokio::time::timeout(PATIENCE, holds.wait_for(is_so)).await;
    waited.unwrap_or_else(|_| panic!("{:?}", held(relay))).unwrap();
}

async fn until_free(running: &RunningRelay) {
    until_held(running.relay(), BTreeMap::is_empty).await;
}

/// What is kept of what its witnesses have said of a store.
fn kept(store: &Path) -> String {
    fs::read_to_string(store.join("incarnation")).unwrap()
}

async fn until_held_for(running: &RunningRelay, words: &str) {
    let says = |holds: &BTreeMap<_, Arc<str>>| {
        holds.get(&Holder::Guard).is_some_and(|why| lacks(Some(why)) && why.contains(words))
    };
    until_held(running.relay(), says).await;
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_waits_until_they_have_said_how_far_they_have_seen() {
    let lab = Lab::new(3, false).await;
    let (store, _) = lab.store_and_older(1, 2).await;
    // One is not ready yet, and one does not understand the first question: both are asked again.
    let what = (StatusCode::UNPROCESSABLE_ENTITY, "what?".to_owned());
    lab.doors[1].behind(|behind| behind.instead.push(what));
    lab.doors[2].behind(|behind| behind.is_closed = true);
    let running = lab.start(&store, 3, HOUR).await;
    until("two have agreed", || running.relay().agreed_witnesses() == 2).await;
    let holders: Vec<Holder> =
        running.relay().signers().unwrap().holds().borrow().keys().copied().collect();
    assert_eq!(holders, [Holder::Start]);
    assert!(held(running.relay()).unwrap().contains("for at most 3600 s"));
    assert!(matches!(lab.say(&running).await, Err(Error::Held(_))));
    lab.doors[2].behind(|behind| behind.is_closed = false);
    until_free(&running).await;
    assert_eq!(running.relay().agreed_witnesses(), 3);
    lab.say(&running).await.unwrap();
    lab.until_seen(3).await;
    // Whoever has agreed can say what it likes: no store gets shorter while it is in use.
    let lie = (StatusCode::CONFLICT, "9000\n".to_owned());
    lab.doors[0].behind(|behind| behind.instead.push(lie));
    lab.say(&running).await.unwrap();
    until("it has lied", || lab.doors[0].behind(|behind| behind.instead.is_empty())).await;
    lab.say(&running).await.unwrap();
    lab.until_seen(5).await;
    assert_eq!(held(running.relay()), None);
    running.stop().await.unwrap();
    // Who cannot be reached holds up nobody for long.
    lab.end();
    let running = lab.start(&store, 3, seconds(1)).await;
    assert!(held(running.relay()).is_some());
    until_free(&running).await;
    lab.say(&running).await.unwrap();
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn words_of_as_many_as_a_quorum_needs_stop_an_older_store_before_it_signs() {
    let lab = Lab::new(3, false).await;
    let (_, older) = lab.store_and_older(1, 3).await;
    let [image, copy] = ["image", "copy"].map(|name| lab.dev.path().join(name));
    [&image, &copy].into_iter().for_each(|to| copy_tree(&older, to));
    as_image(&image);
    let words = "says that it has seen 3 leaves of the traffic log, of which 1 are here";
    let running = lab.start(&older, 2, Duration::ZERO).await;
    assert!(held(running.relay()).unwrap().contains("it was copied"));
    until_held_for(&running, words).await;
    assert!(matches!(lab.say(&running).await, Err(Error::Held(_))));
    running.stop().await.unwrap();

    // Nothing tells this one from the store that ran last. The wait ends, and this does not; nor is
    // it forgotten while nobody can be asked.
    for is_closed in [false, true] {
        lab.close(0..3, is_closed);
        let running = lab.start(&image, 2, seconds(1)).await;
        until_held(running.relay(), |holds| !holds.contains_key(&Holder::Start)).await;
        until_held_for(&running, words).await;
        assert!(matches!(lab.say(&running).await, Err(Error::Held(_))));
        running.stop().await.unwrap();
    }
    // One alone cannot stop what all others agree with.
    lab.doors[1..].iter().for_each(|door| door.behind(|behind| behind.latest.clear()));
    lab.close(0..3, false);
    let running = lab.start(&image, 2, HOUR).await;
    until_free(&running).await;
    assert_eq!(running.relay().agreed_witnesses(), 2);
    running.stop().await.unwrap();

    // But for a store that is in doubt, also when it is not there after a restart.
    lab.close(1..3, true);
    let running = lab.start(&copy, 2, Duration::ZERO).await;
    until_held_for(&running, words).await;
    until("it is kept", || kept(&copy).contains("objects traffic w1 says")).await;
    lab.close(1..3, false);
    until("the others have agreed", || running.relay().agreed_witnesses() == 2).await;
    until_held_for(&running, words).await;
    running.stop().await.unwrap();
    lab.close(0..1, true);
    let running = lab.start(&copy, 2, Duration::ZERO).await;
    until("the others have agreed", || running.relay().agreed_witnesses() == 2).await;
    until_held_for(&running, words).await;
    // Once it sees its error, that is over.
    lab.doors[0].behind(|behind| behind.latest.clear());
    lab.close(0..1, false);
    until_free(&running).await;
    assert!(!kept(&copy).contains("objects"));
    running.stop().await.unwrap();

    fs::write(older.join("loss-accepted"), "The secretariat, after the fire").unwrap();
    let lost = Latest { size: 30, root: Hash([3; 32]) };
    for door in &lab.doors {
        door.has_seen("/traffic", lost);
        door.behind(|behind| behind.conflicts.clear());
    }
    let said = || lab.doors.iter().map(|door| door.conflicts("/traffic")).min().unwrap();
    let running = lab.start(&older, 2, Duration::ZERO).await;
    assert_eq!(held(running.relay()), None);
    // When they say it the second time, the first has been heard.
    for more in 1..=2 {
        lab.say(&running).await.unwrap();
        until("they say what they have seen", || said() >= more).await;
    }
    assert_eq!(held(running.relay()), None, "what was given up is not believed");
    running.stop().await.unwrap();
    lab.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_one_shows_is_proof() {
    let lab = Lab::new(1, true).await;
    let (_, older) = lab.store_and_older(1, 3).await;
    let running = lab.start(&older, 1, Duration::ZERO).await;
    until_held_for(&running, "cosigned a head of 3 leaves of the traffic log, of which 1").await;
    until("it is kept", || kept(&older).contains("\nlost traffic 3\n")).await;
    running.stop().await.unwrap();
    lab.end();
    let running = lab.start(&older, 1, Duration::ZERO).await;
    until_held_for(&running, "before this start").await;
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_copy_signs_once_they_were_asked_about_what_it_has() {
    for (shows, has_files) in [(true, false), (false, true), (false, false)] {
        let lab = Lab::new(2, shows).await;
        let (store, _) = lab.store_and_older(1, 2).await;
        let copy = lab.dev.path().join("copy");
        copy_tree(&store, &copy);
        if !has_files {
            fs::remove_dir_all(copy.join("public")).unwrap();
        }
        let running = lab.start(&copy, 2, Duration::ZERO).await;
        if shows || has_files {
            until_free(&running).await;
        } else {
            // Their sizes fit; whether it is the same tree nobody can tell.
            let all = || lab.doors.iter().all(|door| door.behind(|behind| behind.asked) > 6);
            until("they are asked again and again", all).await;
            assert!(held(running.relay()).unwrap().contains("until the quorum of witnesses"));
            running.stop().await.unwrap();
            fs::write(copy.join("loss-accepted"), "nothing is lost, says the operator").unwrap();
            let running = lab.start(&copy, 2, Duration::ZERO).await;
            lab.say(&running).await.unwrap();
            lab.until_seen(3).await;
            running.stop().await.unwrap();
            lab.end();
            continue;
        }
        lab.say(&running).await.unwrap();
        lab.until_seen(3).await;
        running.stop().await.unwrap();
        lab.end();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_of_another_tree_stops_the_signing() {
    for is_of_1_0 in [false, true] {
        let lab = Lab::new(1, false).await;
        let (store, _) = lab.store_and_older(1, 2).await;
        lab.doors[0].has_seen("/traffic", Latest { size: 2, root: Hash([7; 32]) });
        lab.doors[0].behind(|behind| behind.is_of_1_0 = is_of_1_0);
        let running = lab.start(&store, 1, HOUR).await;
        until_held_for(&running, "says that it has seen another traffic log of 2 leaves").await;
        assert!(matches!(lab.say(&running).await, Err(Error::Held(_))));
        running.stop().await.unwrap();
        lab.end();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_by_words_ends_after_a_restart_as_it_would_have_before() {
    let lab = Lab::new(2, false).await;
    let (store, _) = lab.store_and_older(1, 2).await;
    let copy = lab.dev.path().join("copy");
    copy_tree(&store, &copy);
    // Of a loss that was accepted long ago, and of words, no proof is made.
    let incarnation = kept(&copy) + "given-up after the fire\nlost traffic 1\n";
    fs::write(copy.join("incarnation"), incarnation).unwrap();
    let seen = lab.doors[0].behind(|behind| behind.latest.clone());
    for store in [&store, &copy] {
        lab.close(1..2, true);
        lab.doors[0].has_seen("/traffic", Latest { size: 9_000, root: Hash([3; 32]) });
        let running = lab.start(store, 2, Duration::ZERO).await;
        until_held_for(&running, "says that it has seen 9000 leaves").await;
        until("it is kept", || kept(store).contains("objects traffic w1 ")).await;
        running.stop().await.unwrap();
        lab.doors[0].behind(|behind| behind.latest.clone_from(&seen));
        // The store that ran last needs no more than that it takes its words back.
        lab.close(1..2, store.ends_with("store"));
        let running = lab.start(store, 2, Duration::ZERO).await;
        until_free(&running).await;
        running.stop().await.unwrap();
    }
    // Who is no witness any more has no say.
    lab.doors[0].has_seen("/traffic", Latest { size: 9_000, root: Hash([3; 32]) });
    let running = lab.start(&store, 2, Duration::ZERO).await;
    until_held_for(&running, "says that it has seen 9000 leaves").await;
    until("it is kept", || kept(&store).contains("objects traffic w1 ")).await;
    running.stop().await.unwrap();
    lab.end();
    let mut config = lab.dev.relay_config();
    config.store.directory = store;
    let running = net::relay_here(&config).await;
    assert_eq!(held(running.relay()), None);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_older_than_what_one_says_is_no_agreement() {
    let lab = Lab::new(1, true).await;
    let (_, older) = lab.store_and_older(1, 3).await;
    let old = fs::read_to_string(older.join("public/traffic/checkpoint")).unwrap();
    let old = lab.doors[0].cosigned(&old.parse().unwrap());
    let path = monitoring_path("detente-test/traffic");
    lab.doors[0].behind(|behind| behind.shown.as_mut().unwrap().insert(path, old)).unwrap();
    let running = lab.start(&older, 1, Duration::ZERO).await;
    let looks = lab.doors[0].behind(|behind| behind.looked_at);
    // When it is looked at the second time, the first has been heard.
    until("it is looked at", || lab.doors[0].behind(|behind| behind.looked_at) >= looks + 2).await;
    until_held_for(&running, "says that it has seen 3 leaves").await;
    assert_eq!(running.relay().agreed_witnesses(), 0);
    running.stop().await.unwrap();
    lab.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_stops_a_running_relay_by_error_is_asked_again() {
    let lab = Lab::new(1, false).await;
    let (store, _) = lab.store_and_older(1, 2).await;
    let lie = (StatusCode::CONFLICT, "9000\n".to_owned());
    lab.doors[0].behind(|behind| behind.instead = vec![lie; 20]);
    // It is not waited for, and asked about what was published.
    let running = lab.start(&store, 1, Duration::ZERO).await;
    until_held_for(&running, "says that it has seen 9000 leaves").await;
    lab.doors[0].behind(|behind| behind.instead.clear());
    until_free(&running).await;
    lab.say(&running).await.unwrap();
    lab.until_seen(3).await;
    running.stop().await.unwrap();
    lab.end();
}
