//! An embargo: recorded at once for the sender alone, let out at its end, never seen if withdrawn.

use std::sync::Arc;

use detente::desk::{Desk, Form, Order, What};
use detente::envelope::words::{Instrument, RequestType, Urgency};
use detente::envelope::{Act, RequestFacts};
use detente::relay::Item;
use detente::rules::event::Kind;
use detente::rules::{Evidence, Handling};
use detente::units::{Caller, DAY_MS, DeskIndex, HOUR_MS, Index, MessageId, RequestId, Timestamp};
use detente::wire::detente::form::v1 as form;

use crate::desk_pair::{self as pair, HandClock, Relay, carry, nl, ro};
use crate::net::{self, Dev, Speaker};
use crate::relay_streams::{self as streams, BEAT, Stepping};

fn embargoed(until: Timestamp) -> Order {
    let mut order = pair::question(&ro());
    let What::Request(wish) = &mut order.what else { panic!() };
    wish.embargo_until = Some(until);
    order
}

/// Takes a request back.
pub(crate) fn withdrawal(request: RequestId) -> Order {
    let reason = form::ReasonForm { reason: Some(pair::text("the action is off")) };
    Order {
        officer: pair::duty(),
        message: None,
        what: What::Act { request, act: Act::Withdraw },
        body: form::Body { form: Some(form::body::Form::Reason(reason)) },
    }
}

struct Scene {
    clock: HandClock,
    nl: Desk,
    ro: Desk,
    relay: Relay,
    request: RequestId,
    _dirs: tempfile::TempDir,
}

/// A question under embargo for a day is at the relay.
async fn scene() -> Scene {
    let clock = HandClock::new();
    let dirs = tempfile::tempdir().unwrap();
    let nl = pair::open(&nl(), &dirs.path().join("nl"), &clock);
    let ro = pair::open(&ro(), &dirs.path().join("ro"), &clock);
    let mut relay = Relay::new(&clock);
    let until = clock.now().plus_ms(DAY_MS);
    let request = nl.prepare(embargoed(until)).await.unwrap().request;
    carry(&nl, &mut relay).await;
    Scene { clock, nl, ro, relay, request, _dirs: dirs }
}

#[tokio::test]
async fn the_recipient_gets_it_at_the_end_as_if_it_came_just_then() {
    let Scene { clock, nl, ro: desk, mut relay, request, .. } = scene().await;
    assert!(relay.follow(&ro(), DeskIndex(0)).is_empty(), "nothing is numbered for it");
    assert!(relay.content(&ro(), MessageId(request.0)).is_err());
    let sent = nl.file().case(request).cloned().unwrap().request.clone().unwrap();
    assert!(sent.is_under_embargo());
    clock.pass(DAY_MS - 1);
    relay.pass_deadlines();
    assert!(relay.follow(&ro(), DeskIndex(0)).is_empty(), "not a moment early");

    clock.pass(1);
    relay.pass_deadlines();
    let got = relay.follow(&ro(), DeskIndex(0));
    assert!(!got[0].header.is_empty() && !got[0].signatures.is_empty(), "header and signature");
    carry(&desk, &mut relay).await;
    let held = desk.file().statement(&(pair::nl(), MessageId(request.0))).cloned().unwrap();
    assert!(matches!(held.form, Form::Here(_)), "{:?}", held.form);
    let theirs = desk.file().case(request).cloned().unwrap().request.clone().unwrap();
    assert_eq!(theirs.submitted, clock.now(), "its own time begins at the end");

    carry(&nl, &mut relay).await;
    let ours = nl.file().case(request).cloned().unwrap().request.clone().unwrap();
    assert!(!ours.is_under_embargo());
    assert_eq!(ours.submitted, clock.now());
    assert_eq!(ours.transport().stage(), Evidence::Delivery);
    // And it goes on as any other.
    let by = clock.now().plus_ms(HOUR_MS);
    desk.prepare(pair::acknowledgement(request, by)).await.unwrap();
    carry(&desk, &mut relay).await;
    carry(&nl, &mut relay).await;
    let ours = nl.file().case(request).cloned().unwrap().request.clone().unwrap();
    assert_eq!(ours.handling.as_str(), "ACKNOWLEDGED");
}

#[tokio::test]
async fn withdrawn_before_the_end_it_is_never_known_to_the_recipient() {
    let Scene { clock, nl, mut relay, request, .. } = scene().await;
    nl.prepare(withdrawal(request)).await.unwrap();
    carry(&nl, &mut relay).await;
    let ours = nl.file().case(request).cloned().unwrap().request.clone().unwrap();
    assert_eq!(ours.handling, Handling::Withdrawn, "nobody is there to confirm it");
    clock.pass(100 * DAY_MS);
    relay.pass_deadlines();
    assert!(relay.follow(&ro(), DeskIndex(0)).is_empty());
}

#[tokio::test]
async fn a_relay_that_lets_it_out_early_is_noticed() {
    let Scene { clock, ro: desk, mut relay, .. } = scene().await;
    clock.pass(DAY_MS);
    relay.pass_deadlines();
    let mut early = relay.follow(&ro(), DeskIndex(0)).remove(0);
    // The same record, but of an hour before.
    let decoded = detente::codec::decode_event(&early.event, &early.header).unwrap();
    let numbering = detente::rules::Numbering {
        desk_indexes: vec![],
        pair_sequence: decoded.pair_sequence,
        previous: decoded.previous,
    };
    let time = decoded.time.plus_ms(-HOUR_MS);
    early.event = detente::codec::encode_event(&decoded.event, &numbering, time, None);
    let taken = desk.take(vec![early]).await.unwrap();
    assert!(taken.alarms.iter().any(|alarm| alarm.contains("before its embargo")), "{taken:?}");
    assert_eq!(desk.file().outbox_len(), 1, "it is receipted all the same");
}

/// The real relay, with its journal and tables, over a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_relay_repeats_header_and_signatures_also_after_a_restart() {
    let dev = Dev::new(&["NL", "RO"]);
    let clock = Arc::new(Stepping::new());
    let (relay, running) = streams::open(&dev, &clock);
    let speaker = Speaker::new(&dev, "NL");
    let (from, to) = (net::desk("NL"), net::desk("RO"));
    let facts = RequestFacts {
        kind: RequestType::LegalInformation,
        instrument: Instrument::G72417,
        urgency: Urgency::Routine,
        test: false,
        exercise: false,
        parent: None,
        prior_conditions: false,
        embargo_until: Some(net::now().plus_ms(HOUR_MS)),
    };
    let envelope = speaker.request(&to, facts, net::question_form());
    let request = envelope.statement.request;
    let caller = Caller { desk: from.clone() };
    relay.submit(&caller, envelope.clone()).await.unwrap();
    relay.wait_for_tables(relay.published().next_index()).await.unwrap();
    let listed = |relay: &detente::relay::Relay, desk| {
        relay.tables().unwrap().requests(Some(desk), false, None, 10).unwrap().rows.len()
    };
    assert_eq!((listed(&relay, &from), listed(&relay, &to)), (1, 0));
    drop(relay);
    running.join().unwrap();

    let (relay, running) = streams::open(&dev, &clock);
    clock.pass(2 * HOUR_MS);
    let mut follower = relay.follow(to.clone(), DeskIndex(0), BEAT);
    let record = loop {
        match follower.next().await.unwrap() {
            Item::Record(found) => break found.record,
            Item::Beat { .. } => {}
        }
    };
    assert!(matches!(&record.event.kind, Kind::EmbargoEnded(s) if s.request == request));
    assert_eq!((&record.header, &record.signatures), (&envelope.header, &envelope.signatures));
    assert_eq!((record.body_len, record.numbering.pair_sequence), (0, 1));
    relay.wait_for_tables(record.index.plus(1)).await.unwrap();
    assert_eq!((listed(&relay, &from), listed(&relay, &to)), (1, 1));
    assert_eq!(relay.published().state().request(request).unwrap().embargo, None);
    assert!(record.index > Index(0));
    drop((follower, relay));
    running.join().unwrap();
}
