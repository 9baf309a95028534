//! A relay that starts, and above all one on an older copy of its store, signs nothing before its
//! witnesses have said how far they have seen, and nothing at all when they have seen more.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use detente::codec::Log;
use detente::relay::{Holder, PublicHead, Relay};
use detente::tlog::merkle::empty_root;
use detente::wire::detente::log::v1 as wire;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::api_net::{self as api, MEMBERS, Net, question, signed_genesis};
use crate::net::{PATIENCE, copy_tree, until};
use crate::witness_relay::{outsider, publish};

/// A witness's connection; what it is asked is not answered.
struct Connected {
    _say: mpsc::Sender<wire::WitnessRequest>,
    _heard: Streaming<wire::WitnessResponse>,
}

/// Has a member's desk say that it has cosigned these heads, with or without their notes.
async fn tell(net: &Net, member: &str, heads: &[Arc<PublicHead>], proven: bool) -> Connected {
    let (say, said) = mpsc::channel(4);
    let told = |head: &Arc<PublicHead>| wire::WitnessedHead {
        log: head.note.text().lines().next().unwrap().rsplit('/').next().unwrap().to_owned(),
        size: head.size,
        root: head.root.0.to_vec(),
        checkpoint: if proven { head.note.to_string() } else { String::new() },
    };
    let mut heads: Vec<_> = heads.iter().map(told).collect();
    for log in Log::ALL {
        if heads.iter().all(|head| head.log != log.as_str()) {
            heads.push(wire::WitnessedHead {
                log: log.as_str().to_owned(),
                size: 0,
                root: empty_root().0.to_vec(),
                checkpoint: String::new(),
            });
        }
    }
    let verifier_key = api::witness(member).public().to_string();
    let hello = wire::witness_request::Item::Hello(wire::WitnessHello { heads, verifier_key });
    say.send(wire::WitnessRequest { item: Some(hello) }).await.unwrap();
    let mut client = net.client(member);
    let heard = client.log.witness(ReceiverStream::new(said)).await.unwrap().into_inner();
    Connected { _say: say, _heard: heard }
}

fn held(relay: &Relay) -> Option<Arc<str>> {
    relay.signers().unwrap().held()
}

async fn until_held(relay: &Relay, is_so: impl Fn(Option<&str>) -> bool) {
    let mut holds = relay.signers().unwrap().holds();
    let so = holds.wait_for(|held| is_so(held.values().next().map(AsRef::as_ref)));
    let waited = tokio::time::timeout(PATIENCE, so).await;
    waited.unwrap_or_else(|_| panic!("{:?}", held(relay))).unwrap();
}

/// Says something, and gives the newest head.
async fn say(net: &Net) -> Arc<PublicHead> {
    net.client("NL").submit(&question("NL", "RO")).await.unwrap();
    publish(&net.relay, Log::Traffic)
}

/// A new relay on a store says something, and ends; what it leaves is copied.
async fn say_and_copy(signed: &[u8], (store, copy): (&Path, &Path)) {
    std::fs::create_dir(store).unwrap();
    let net = Net::start_on(store, signed).await;
    say(&net).await;
    net.close().await;
    copy_tree(store, copy);
}

pub(crate) fn lacks(why: Option<&str>) -> bool {
    why.is_some_and(|why| why.contains("lacks what was signed"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_signs_once_the_quorum_has_seen_nothing_that_is_not_in_it() {
    let (place, signed) = (tempfile::tempdir().unwrap(), signed_genesis());
    let store = place.path().join("relay");
    std::fs::create_dir(&store).unwrap();
    let net = Net::start_on(&store, &signed).await;
    let heads = [publish(&net.relay, Log::Directory), say(&net).await];
    net.close().await;
    // A plain restart is none of this.
    let net = Net::start_on(&store, &signed).await;
    assert_eq!(held(&net.relay), None);
    say(&net).await;
    net.close().await;

    let copied = place.path().join("copy");
    copy_tree(&store, &copied);
    let net = Net::start_on(&copied, &signed).await;
    assert!(held(&net.relay).unwrap().contains("it was copied"));
    let refused = net.client("NL").submit(&question("NL", "RO")).await.unwrap_err();
    assert_eq!((refused.rule_code.as_str(), refused.retry), ("E-134", true));
    assert!(net.relay.checkpoint(Log::Traffic).is_err());
    let mut connected = Vec::new();
    connected.push(tell(&net, "NL", &heads, true).await);
    connected.push(tell(&net, "RO", &[], true).await);
    // The third says what is not so, and does not prove it: it does not count, and stops nothing.
    let beyond = PublicHead { size: 1_000, ..PublicHead::clone(&heads[1]) };
    connected.push(tell(&net, "XM", &[Arc::new(beyond)], false).await);
    let other = PublicHead { root: empty_root(), ..PublicHead::clone(&heads[1]) };
    connected.push(tell(&net, "XM", &[Arc::new(other)], true).await);
    until("two have agreed", || net.relay.agreed_witnesses() == 2).await;
    assert!(held(&net.relay).unwrap().contains("until the quorum"));
    connected.push(tell(&net, "XM", &heads, true).await);
    until_held(&net.relay, |why| why.is_none()).await;
    say(&net).await;
    drop(connected);
    net.close().await;
    // From now on it is the store that ran last.
    let net = Net::start_on(&copied, &signed).await;
    assert_eq!(held(&net.relay), None);
    net.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_stays_held_until_the_loss_is_accepted_in_words() {
    let (place, signed) = (tempfile::tempdir().unwrap(), signed_genesis());
    let (store, older) = (place.path().join("relay"), place.path().join("older"));
    say_and_copy(&signed, (&store, &older)).await;
    let net = Net::start_on(&store, &signed).await;
    say(&net).await;
    let newest = say(&net).await;
    net.close().await;

    let seen = [newest];
    let net = Net::start_on(&older, &signed).await;
    let mut connected = Vec::new();
    for member in MEMBERS {
        connected.push(tell(&net, member, &seen, true).await);
        until_held(&net.relay, lacks).await;
    }
    let why = held(&net.relay).unwrap();
    assert!(why.contains("a head of 3 leaves of the traffic log, of which 1 are here"), "{why}");
    assert!(why.contains("loss-accepted"), "{why}");
    drop(connected);
    net.close().await;
    // Starting it again changes nothing, and neither does an empty file, nor that everybody else
    // has seen nothing that is not here.
    std::fs::write(older.join("loss-accepted"), " \n").unwrap();
    let net = Net::start_on(&older, &signed).await;
    let mut connected = Vec::new();
    for member in MEMBERS {
        connected.push(tell(&net, member, &[], true).await);
    }
    until("all have agreed", || net.relay.agreed_witnesses() == 3).await;
    assert!(lacks(held(&net.relay).as_deref()));
    drop(connected);
    net.close().await;
    std::fs::write(older.join("loss-accepted"), "The secretariat,\nafter the fire").unwrap();
    let net = Net::start_on(&older, &signed).await;
    assert_eq!(held(&net.relay), None);
    assert!(!older.join("loss-accepted").exists());
    let kept = std::fs::read_to_string(older.join("incarnation")).unwrap();
    assert!(kept.contains("given-up The secretariat, after the fire\n"), "{kept}");
    let connected = tell(&net, "NL", &seen, true).await;
    say(&net).await;
    assert_eq!(held(&net.relay), None, "what was given up is not believed");
    drop(connected);
    net.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_proves_it_has_seen_more_stops_the_signing_at_any_time() {
    let (place, signed) = (tempfile::tempdir().unwrap(), signed_genesis());
    let (store, older) = (place.path().join("relay"), place.path().join("older"));
    say_and_copy(&signed, (&store, &older)).await;
    let net = Net::start_on(&store, &signed).await;
    let forked = say(&net).await;
    net.close().await;
    // Whoever puts an old disk image back deceives the file, and no witness.
    let net = Net::start_on(&older, &signed).await;
    let heads: [Arc<PublicHead>; 0] = [];
    let mut connected = Vec::new();
    for member in MEMBERS {
        connected.push(tell(&net, member, &heads, true).await);
    }
    until_held(&net.relay, |why| why.is_none()).await;
    say(&net).await;
    // The disk that does not take it down hides nothing.
    let aside = older.join("incarnation.new");
    std::fs::create_dir(&aside).unwrap();
    connected.push(tell(&net, "RO", &[forked], true).await);
    until_held(&net.relay, |why| why.is_some_and(|why| why.contains("where the root is"))).await;
    std::fs::remove_dir(&aside).unwrap();
    let kept = || std::fs::read_to_string(older.join("incarnation")).unwrap();
    until("it is kept after all", || kept().contains("\nlost traffic 2\n")).await;
    drop(connected);
    net.close().await;
    let net = Net::start_on(&older, &signed).await;
    assert!(held(&net.relay).is_some(), "also after a restart");
    net.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_waits_until_the_quorum_has_spoken_or_its_limit_has_passed() {
    let (place, signed) = (tempfile::tempdir().unwrap(), signed_genesis());
    let store = place.path();
    let hour = (None, Duration::from_secs(3_600));
    // The very first one has nothing that anybody could have seen.
    let net = Net::start_waiting(store, &signed, hour).await;
    assert_eq!(held(&net.relay), None);
    let heads = [publish(&net.relay, Log::Directory), say(&net).await];
    net.close().await;

    let net = Net::start_waiting(store, &signed, hour).await;
    let why = held(&net.relay).unwrap();
    assert!(why.contains("for at most 3600 s"), "{why}");
    let refused = net.client("NL").submit(&question("NL", "RO")).await.unwrap_err();
    assert_eq!((refused.rule_code.as_str(), refused.retry), ("E-134", true));
    assert!(net.relay.checkpoint(Log::Traffic).is_err());
    let mut connected = Vec::new();
    // Who says too much without proof does not count, nor who says it twice.
    let beyond = PublicHead { size: 1_000, ..PublicHead::clone(&heads[1]) };
    connected.push(tell(&net, "XM", &[Arc::new(beyond)], false).await);
    for member in ["NL", "NL", "RO"] {
        connected.push(tell(&net, member, &heads, true).await);
    }
    until("two have agreed", || net.relay.agreed_witnesses() == 2).await;
    assert!(net.client("NL").submit(&question("NL", "RO")).await.is_err());
    connected.push(tell(&net, "XM", &[], true).await);
    until_held(&net.relay, |why| why.is_none()).await;
    say(&net).await;
    drop(connected);
    net.close().await;

    let net = Net::start_waiting(store, &signed, (None, Duration::from_secs(1))).await;
    assert!(held(&net.relay).is_some());
    until_held(&net.relay, |why| why.is_none()).await;
    let later = [say(&net).await];
    net.close().await;

    // On the wrong directory it is found out by the first desk that has seen more.
    let empty = tempfile::tempdir().unwrap();
    let net = Net::start_waiting(empty.path(), &signed, hour).await;
    let connected = tell(&net, "RO", &later, true).await;
    until_held(&net.relay, lacks).await;
    drop(connected);
    net.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_nothing_tells_from_the_store_is_found_out_before_it_signs() {
    let (place, signed) = (tempfile::tempdir().unwrap(), signed_genesis());
    let (store, image) = (place.path().join("relay"), place.path().join("image"));
    say_and_copy(&signed, (&store, &image)).await;
    as_image(&image);
    let net = Net::start_on(&store, &signed).await;
    let later = [say(&net).await];
    net.close().await;

    let net = Net::start_waiting(&image, &signed, (None, Duration::from_secs(2))).await;
    assert!(held(&net.relay).unwrap().contains("just started"));
    let connected = tell(&net, "RO", &later, true).await;
    until_held(&net.relay, lacks).await;
    // The wait ends, and this does not.
    let mut holds = net.relay.signers().unwrap().holds();
    let waited = holds.wait_for(|holds| !holds.contains_key(&Holder::Start));
    tokio::time::timeout(PATIENCE, waited).await.unwrap().unwrap();
    assert!(lacks(held(&net.relay).as_deref()));
    let refused = net.client("NL").submit(&question("NL", "RO")).await.unwrap_err();
    assert_eq!(refused.rule_code, "E-134");
    drop(connected);
    net.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_desk_has_proven_is_not_forgotten_under_another_policy() {
    let (place, signed) = (tempfile::tempdir().unwrap(), signed_genesis());
    let (store, copied) = (place.path().join("relay"), place.path().join("copy"));
    say_and_copy(&signed, (&store, &copied)).await;
    let key = outsider(1).public().to_string();
    let elsewhere = format!("witness far {key} http://127.0.0.1:1\nquorum far\n");
    let asks = (Some(elsewhere.as_str()), Duration::from_secs(1));
    let net = Net::start_waiting(&store, &signed, asks).await;
    assert!(held(&net.relay).is_some());
    until_held(&net.relay, |why| why.is_none()).await;
    let later = [say(&net).await];
    net.close().await;
    let net = Net::start_waiting(&copied, &signed, asks).await;
    let why = held(&net.relay).unwrap();
    assert!(why.contains("it was copied") && why.contains("loss-accepted"), "{why}");
    // A desk that is no witness of the policy proves it all the same.
    let connected = tell(&net, "RO", &later, true).await;
    until_held(&net.relay, lacks).await;
    drop(connected);
    net.close().await;
    let asks = (Some("quorum none\n"), Duration::from_secs(3_600));
    let net = Net::start_waiting(&copied, &signed, asks).await;
    assert!(held(&net.relay).is_some());
    net.close().await;
    let net = Net::start_waiting(&store, &signed, asks).await;
    assert_eq!(held(&net.relay), None);
    net.close().await;
}

/// Makes a copy of a store what an old image of its whole disk would be: with the inodes that its
/// incarnation names.
pub(crate) fn as_image(store: &Path) {
    let file = store.join("incarnation");
    let mut segments: Vec<_> = std::fs::read_dir(store.join("journal"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == "seg"))
        .collect();
    segments.sort();
    let inode = |path: &Path| std::fs::metadata(path).unwrap().ino();
    let text = std::fs::read_to_string(&file).unwrap();
    let line = |line: &str| match line.split_once(' ') {
        Some(("file", _)) => format!("file {}\n", inode(&file)),
        Some(("segment", _)) => format!("segment {}\n", inode(&segments[0])),
        _ => format!("{line}\n"),
    };
    let text: String = text.lines().map(line).collect();
    std::fs::write(&file, text).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_loss_covers_what_was_lost_and_no_later_one() {
    let (place, signed) = (tempfile::tempdir().unwrap(), signed_genesis());
    let at = |name: &str| place.path().join(name);
    let (store, older, image) = (at("relay"), at("older"), at("image"));
    say_and_copy(&signed, (&store, &older)).await;
    let net = Net::start_on(&store, &signed).await;
    say(&net).await;
    let lost = [say(&net).await];
    net.close().await;
    let accept = |store: &Path| std::fs::write(store.join("loss-accepted"), "after the fire");
    let net = Net::start_on(&older, &signed).await;
    let connected = tell(&net, "NL", &lost, true).await;
    until_held(&net.relay, lacks).await;
    drop(connected);
    net.close().await;

    // It goes on without what was lost, longer than it was; the Romanian desk cosigns that.
    accept(&older).unwrap();
    let net = Net::start_on(&older, &signed).await;
    let none: [Arc<PublicHead>; 0] = [];
    let connected = [tell(&net, "NL", &lost, true).await, tell(&net, "RO", &none, true).await];
    let kept = || std::fs::read_to_string(older.join("incarnation")).unwrap();
    until("its agreement is kept", || kept().contains("\nsince traffic ")).await;
    assert!(kept().contains("\nlost traffic 3\n"), "{}", kept());
    say(&net).await;
    say(&net).await;
    say(&net).await;
    drop(connected);
    net.close().await;
    copy_tree(&older, &image);
    let net = Net::start_on(&older, &signed).await;
    let later = [say(&net).await];
    net.close().await;
    as_image(&image);

    let net = Net::start_on(&image, &signed).await;
    assert_eq!(held(&net.relay), None, "nothing tells it from the store that ran last");
    let mut connected = vec![tell(&net, "NL", &lost, true).await];
    connected.push(tell(&net, "RO", &lost, true).await);
    say(&net).await;
    assert_eq!(held(&net.relay), None, "what was given up stops nothing");
    connected.push(tell(&net, "RO", &later, true).await);
    until_held(&net.relay, lacks).await;
    let why = held(&net.relay).unwrap();
    assert!(why.contains("a head of 5 leaves"), "{why}");
    drop(connected);
    net.close().await;
    let net = Net::start_on(&image, &signed).await;
    assert!(held(&net.relay).is_some(), "also after a restart");
    net.close().await;
    // The second loss is accepted by itself.
    accept(&image).unwrap();
    let net = Net::start_on(&image, &signed).await;
    let connected = [tell(&net, "RO", &later, true).await, tell(&net, "NL", &lost, true).await];
    say(&net).await;
    assert_eq!(held(&net.relay), None);
    drop(connected);
    net.close().await;
}
