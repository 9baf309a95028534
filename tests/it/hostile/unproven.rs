//! Proves nothing: it refuses every proof of what it signed, or shows no head at all.

use detente::codec::Log;
use detente::tlog::Note;
use detente::units::{HOUR_MS, MINUTE_MS};
use tonic::Code;

use super::Hostile;
use crate::net::until;

/// So many refusals are more than one head is compared with: the desk has noted the first ones.
const ENOUGH: usize = 30;

/// The head of the log behind the doors, as the others have cosigned it.
async fn without_nl(net: &mut Hostile) -> Note {
    net.cosigned(&["RO", "XM"], Log::Traffic).await.1
}

fn witnessed(net: &Hostile, member: &str) -> u64 {
    net.desk(member).witnessed("traffic").witnessed.map_or(0, |seen| seen.head.size)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fork_that_is_not_proven_is_not_taken_up_and_alarms_whatever_the_relay_says() {
    // Two of the three are a quorum here: NL is not needed for the other history.
    let mut net = Hostile::start_with("group committee 2 ").await;
    net.ask_and_settle("NL", "RO").await;
    let before = net.publish(Log::Traffic).await;
    let known = witnessed(&net, "NL");
    let store = net.copy("for-nl").await;
    net.restart().await;
    let other = net.start_on(&store).await;
    net.door("NL").turn_to(other.channels("NL"));
    net.until_connected("NL").await;
    net.ask("NL", "RO").await;
    until("it is recorded", || net.desk("NL").file().outbox_len() == 0).await;
    for _ in 0..12 {
        other.client("XM").submit(&crate::api_net::question("XM", "RO")).await.unwrap();
    }
    net.ask_and_settle("XM", "RO").await;
    let fork = without_nl(&mut net).await;
    for code in [Code::Unimplemented, Code::Unavailable, Code::Internal] {
        net.door("NL").lie(|lies| lies.unproven = Some(code));
        net.show(&["NL"], Log::Traffic, &fork);
        until("it is refused", || net.door("NL").refused(code) > ENOUGH).await;
        assert_eq!(net.codes("NL"), Vec::<&str>::new(), "{code:?}: it may pass");
        net.pass("NL", 6 * MINUTE_MS);
        let alarm = net.until_alarm("NL", "D-308").await;
        assert_eq!((alarm.reason, alarm.id.as_str()), ("LOG_NOT_PROVEN", ""));
        assert_eq!(witnessed(&net, "NL"), known, "{code:?}");
        until("it is raised", || net.desk("NL").status().alarms > 0).await;
        net.desk("NL").has_growth("traffic");
    }
    // An older head that needs no proof does not make the desk forget what it was shown.
    let refused = net.door("NL").refused(Code::Internal);
    net.show(&["NL"], Log::Traffic, &before);
    until("it is asked", || net.door("NL").refused(Code::Internal) > refused + ENOUGH).await;
    net.pass("NL", 6 * MINUTE_MS);
    net.until_alarm("NL", "D-308").await;
    // When it says something, that is the proof.
    net.door("NL").lie(|lies| lies.unproven = None);
    net.until_alarm("NL", "D-303").await;
    assert_eq!((net.codes("NL"), witnessed(&net, "NL")), (vec!["D-303"], known));
    other.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_that_comes_after_all_ends_its_alarm() {
    let mut net = Hostile::start().await;
    net.ask_and_settle("NL", "RO").await;
    net.publish(Log::Traffic).await;
    net.door("NL").lie(|lies| lies.unproven = Some(Code::Unavailable));
    net.ask_and_settle("NL", "RO").await;
    let (head, note) = net.cosigned(&crate::api_net::MEMBERS, Log::Traffic).await;
    net.show(&["NL"], Log::Traffic, &note);
    until("it is refused", || net.door("NL").refused(Code::Unavailable) > ENOUGH).await;
    // Without a connection no time passes.
    net.desk("NL").set_link(detente::desk::Link::default());
    net.pass("NL", 6 * MINUTE_MS);
    assert!(!net.codes("NL").contains(&"D-308"));
    net.desk("NL").set_link(detente::desk::Link { connected: true, ..Default::default() });
    net.pass("NL", 6 * MINUTE_MS);
    net.until_alarm("NL", "D-308").await;
    net.door("NL").lie(|lies| lies.unproven = None);
    until("it is witnessed", || witnessed(&net, "NL") == head.size).await;
    until("the alarm has ended", || net.codes("NL").is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_refused_proof_alarms_and_keeps_no_other_waiting() {
    let net = Hostile::start().await;
    net.ask_and_settle("NL", "RO").await;
    let desk = net.desk("RO");
    until("all is proven", || desk.file().proofs().unproven().count() == 0).await;
    let leaf = net.head(Log::Traffic).0.size;
    net.door("RO").lie(|lies| lies.unproven_leaf = Some((leaf, Code::Unavailable)));
    net.ask_and_settle("NL", "RO").await;
    let unproven = || desk.file().proofs().unproven().map(|(index, _)| index).collect::<Vec<_>>();
    until("the others are proven", || unproven().len() == 1).await;
    net.ask_and_settle("NL", "RO").await;
    until("later ones are", || unproven().len() == 1).await;
    let index = unproven()[0];
    assert_eq!(net.codes("RO"), Vec::<&str>::new());
    net.pass("RO", 6 * MINUTE_MS);
    let alarm = net.until_alarm("RO", "D-308").await;
    assert_eq!(alarm.id, format!("unproven-{index}"));
    until("it is raised", || desk.status().alarms == 1).await;
    net.door("RO").lie(|lies| lies.unproven_leaf = None);
    until("it is proven", || unproven().is_empty()).await;
    assert_eq!(net.codes("RO"), Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_shows_no_heads_alarms_until_it_shows_one() {
    let mut net = Hostile::start().await;
    net.publish(Log::Directory).await;
    net.ask_and_settle("NL", "RO").await;
    assert_eq!(net.codes("NL"), Vec::<&str>::new());
    net.pass("NL", 59 * MINUTE_MS);
    assert_eq!(net.codes("NL"), Vec::<&str>::new());
    net.pass("NL", HOUR_MS);
    let alarm = net.until_alarm("NL", "D-328").await;
    assert_eq!(alarm.reason, "HEAD_NOT_WITNESSED");
    until("it is raised", || net.desk("NL").status().alarms == 1).await;
    net.publish(Log::Traffic).await;
    assert_eq!(net.codes("NL"), Vec::<&str>::new());
}
