//! A desk does not believe its relay: what does not hold is an alarm, and never stops what does.

use std::path::PathBuf;

use detente::desk::{Desk, Error, Form, Local, What};
use detente::envelope::Act;
use detente::envelope::words::{Instrument, Rejection, Urgency};
use detente::rules::Evidence;
use detente::units::{DAY_MS, DeskId, DeskIndex, MessageId, RequestId};
use detente::wire::detente::form::v1::body::Form as Filled;

use crate::desk_pair::{self as pair, HandClock, Relay, carry, nl, ro};

/// Two desks, a relay, and a question on its way from NL to RO.
struct Scene {
    clock: HandClock,
    nl: Desk,
    ro: Desk,
    relay: Relay,
    request: RequestId,
    _dirs: tempfile::TempDir,
}

async fn scene() -> Scene {
    let clock = HandClock::new();
    let dirs = tempfile::tempdir().unwrap();
    let nl = pair::open(&nl(), &dirs.path().join("nl"), &clock);
    let ro = pair::open(&ro(), &dirs.path().join("ro"), &clock);
    let mut relay = Relay::new(&clock);
    let sent = nl.prepare(pair::question(&pair::ro())).await.unwrap();
    carry(&nl, &mut relay).await;
    Scene { clock, nl, ro, relay, request: sent.request, _dirs: dirs }
}

fn key(request: RequestId) -> (DeskId, MessageId) {
    (nl(), MessageId(request.0))
}

#[tokio::test]
async fn content_flows_only_after_the_receipt() {
    let mut scene = scene().await;
    let Scene { ro: desk, relay, request, .. } = &mut scene;
    desk.take(relay.follow(&ro(), DeskIndex(0))).await.unwrap();
    let receipt = desk.file().outbox().next().cloned().unwrap();
    let message = MessageId(request.0);
    assert!(
        matches!(receipt.statement.act, Act::Receipt { of, rejected: None, .. } if of == message)
    );
    assert_eq!(desk.file().wanted().count(), 0);
    assert!(relay.content(&ro(), message).is_err());

    let envelope = desk.envelope(receipt.clone()).await.unwrap();
    let at = relay.submit(&envelope).unwrap();
    assert_eq!(desk.file().wanted().count(), 0, "not before the relay has it");
    assert!(desk.note_confirmed(&envelope, relay.answer(at)).await.unwrap());
    let wanted = desk.file().wanted().next().cloned().unwrap();
    let (wrap, ciphertext) = relay.content(&ro(), message).unwrap();
    desk.take_content(wanted, wrap, ciphertext).await.unwrap();
    assert_eq!(desk.file().wanted().count(), 0);
    let held = desk.file().statement(&key(*request)).cloned().unwrap();
    let body = desk.forms(vec![held]).await.unwrap().remove(0).unwrap();
    assert_eq!(body, pair::question(&ro()).body);
}

/// Lives come first: the content of an EMERGENCY comes even if the receipt cannot be sent.
#[tokio::test]
async fn an_emergency_that_was_handed_over_is_fetched_without_a_receipt() {
    let Scene { clock, nl, ro: desk, mut relay, .. } = scene().await;
    let mut order = pair::question(&ro());
    let What::Request(wish) = &mut order.what else { panic!() };
    wish.urgency = Some(Urgency::Emergency);
    let Some(Filled::Information(form)) = &mut order.body.form else { panic!() };
    form.urgency_grounds = Some(pair::text("A person is missing."));
    let sent = nl.prepare(order).await.unwrap();
    carry(&nl, &mut relay).await;
    desk.take(relay.follow(&ro(), DeskIndex(0))).await.unwrap();
    assert_eq!(desk.file().wanted().count(), 0);
    clock.pass(DAY_MS / 2);
    relay.pass_deadlines();
    desk.take(relay.follow(&ro(), desk.file().next())).await.unwrap();
    let wanted: Vec<_> = desk.file().wanted().map(|held| held.statement.message).collect();
    assert_eq!(wanted, [sent.message]);
    assert_eq!(desk.file().outbox_len(), 2, "the receipts still wait");
    let (wrap, ciphertext) = relay.content(&ro(), sent.message).unwrap();
    let held = desk.file().statement(&key(sent.request)).cloned().unwrap();
    desk.take_content(held, wrap, ciphertext).await.unwrap();
    let held = desk.file().statement(&key(sent.request)).cloned().unwrap();
    assert!(matches!(held.form, Form::Here(_)));
}

#[tokio::test]
async fn duplicates_are_ignored_and_gaps_are_not_passed() {
    let scene = scene().await;
    let records = scene.relay.follow(&ro(), DeskIndex(0));
    assert!(records.len() >= 2);
    let taken = scene.ro.take(records.clone()).await.unwrap();
    assert_eq!((taken.new, taken.gap), (records.len(), None));
    let place = scene.ro.file().next_place();
    let again = scene.ro.take(records.clone()).await.unwrap();
    assert_eq!((again.new, again.gap, again.alarms), (0, None, vec![]));
    assert_eq!(scene.ro.file().next_place(), place, "nothing is kept twice");

    let mut ahead = records.last().unwrap().clone();
    let due = scene.ro.file().next();
    ahead.desk_index = DeskIndex(due.0 + 3);
    let taken = scene.ro.take(vec![ahead.clone()]).await.unwrap();
    assert_eq!(taken.gap, Some((due, ahead.desk_index)));
    assert_eq!((scene.ro.file().next(), scene.ro.file().next_place()), (due, place));
    assert_eq!(scene.ro.status().alarms, 1);
}

#[tokio::test]
async fn a_withheld_record_shows_in_the_sequence_of_the_pair() {
    let scene = scene().await;
    let mut records = scene.relay.follow(&ro(), DeskIndex(0));
    let mut second = records.remove(1);
    // The relay leaves out the first and gives the second its number.
    second.desk_index = DeskIndex(0);
    let taken = scene.ro.take(vec![second]).await.unwrap();
    assert!(taken.alarms.iter().any(|alarm| alarm.contains("may be withheld")), "{taken:?}");
}

#[tokio::test]
async fn a_wrong_signature_is_answered_with_a_rejecting_receipt() {
    let mut scene = scene().await;
    let mut records = scene.relay.follow(&ro(), DeskIndex(0));
    records[0].signatures[0].bytes[7] ^= 1;
    let taken = scene.ro.take(records).await.unwrap();
    assert_eq!(taken.alarms.len(), 1, "{taken:?}");
    let receipt = scene.ro.file().outbox().next().cloned().unwrap();
    let rejected = Some(Rejection::NotIdentified);
    assert!(matches!(receipt.statement.act, Act::Receipt { rejected: r, .. } if r == rejected));
    carry(&scene.ro, &mut scene.relay).await;
    carry(&scene.nl, &mut scene.relay).await;
    let sender = scene.nl.file().own_statement(MessageId(scene.request.0)).cloned().unwrap();
    assert_eq!(sender.transport.as_ref().unwrap().stage(), Evidence::NonDelivery);
    assert_eq!(scene.ro.file().wanted().count(), 0);
    let held = scene.ro.file().statement(&key(scene.request)).cloned().unwrap();
    assert_eq!(held.rejected.as_ref().unwrap().0, Rejection::NotIdentified);
    let by = scene.clock.now().plus_ms(DAY_MS);
    let refused = scene.ro.prepare(pair::acknowledgement(scene.request, by)).await;
    assert!(matches!(refused, Err(Error::Unlawful(_))), "{refused:?}");
}

#[tokio::test]
async fn foul_records_change_nothing_and_stop_nothing() {
    let scene = scene().await;
    let good = scene.relay.follow(&ro(), DeskIndex(0)).remove(0);
    let others = scene.relay.follow(&nl(), DeskIndex(0)).remove(0);
    let mut no_header = good.clone();
    no_header.header.clear();
    let mut other_header = good.clone();
    other_header.header = others.header[..others.header.len() - 1].to_vec();
    let mut unopened = good.clone();
    unopened.leaf.opening = None;
    let mut cut = good.clone();
    cut.event.pop();
    for (n, mut foul) in [no_header, other_header, unopened, cut].into_iter().enumerate() {
        foul.desk_index = scene.ro.file().next();
        let taken = scene.ro.take(vec![foul]).await.unwrap();
        assert_eq!((taken.new, taken.alarms.len()), (1, 1), "{n}: {taken:?}");
        assert!(scene.ro.file().case(scene.request).is_none(), "{n}");
        assert_eq!(scene.ro.status().outbox, 0, "{n}");
    }
    let mut late = good;
    late.desk_index = scene.ro.file().next();
    scene.ro.take(vec![late]).await.unwrap();
    assert!(scene.ro.file().case(scene.request).is_some());
}

#[tokio::test]
async fn a_body_that_does_not_open_is_said_to_both_sides() {
    let mut scene = scene().await;
    let Scene { nl: sender, ro: desk, relay, request, .. } = &mut scene;
    desk.take(relay.follow(&ro(), DeskIndex(0))).await.unwrap();
    let receipt = desk.file().outbox().next().cloned().unwrap();
    let envelope = desk.envelope(receipt).await.unwrap();
    let at = relay.submit(&envelope).unwrap();
    assert!(desk.note_confirmed(&envelope, relay.answer(at)).await.unwrap());
    let held = desk.file().wanted().next().cloned().unwrap();
    let (wrap, mut ciphertext) = relay.content(&ro(), held.statement.message).unwrap();
    ciphertext[9] ^= 1;
    desk.take_content(held, wrap, ciphertext).await.unwrap();
    let held = desk.file().statement(&key(*request)).cloned().unwrap();
    assert!(matches!(&held.form, Form::Broken { why, .. } if !why.is_empty()), "{:?}", held.form);
    carry(desk, relay).await;
    carry(sender, relay).await;
    let sent = sender.file().own_statement(MessageId(request.0)).cloned().unwrap();
    assert_eq!(sent.transport.as_ref().unwrap().stage(), Evidence::NonRetrieval);
}

#[tokio::test]
async fn opening_is_told_once_and_peeking_never() {
    let mut scene = scene().await;
    carry(&scene.ro, &mut scene.relay).await;
    carry(&scene.nl, &mut scene.relay).await;
    let stage = |desk: &Desk| {
        let held = desk.file().own_statement(MessageId(scene.request.0)).cloned().unwrap();
        held.transport.as_ref().unwrap().stage()
    };
    assert_eq!(stage(&scene.nl), Evidence::Delivery);
    for _ in 0..2 {
        scene.ro.retrieve(scene.request, pair::duty()).await.unwrap();
    }
    assert_eq!(scene.ro.status().outbox, 1);
    carry(&scene.ro, &mut scene.relay).await;
    carry(&scene.nl, &mut scene.relay).await;
    assert_eq!(stage(&scene.nl), Evidence::Retrieval);
}

#[tokio::test]
async fn what_is_wrong_is_said_before_anything_is_sealed() {
    let scene = scene().await;
    let mut order = pair::question(&ro());
    let Some(Filled::Information(form)) = &mut order.body.form else { panic!() };
    form.subject.clear();
    form.authority = None;
    match scene.nl.prepare(order).await {
        Err(Error::Malformed(fields)) => {
            let fields: Vec<&str> = fields.iter().map(|field| field.field.as_str()).collect();
            assert_eq!(fields, ["authority", "subject"]);
        }
        other => panic!("{other:?}"),
    }
    let by = scene.clock.now().plus_ms(DAY_MS);
    let code = |result: Result<_, Error>| match result {
        Err(Error::Unlawful(refusal)) => refusal.code(),
        Err(Error::Local(refusal)) => refusal.code(),
        other => panic!("{other:?}"),
    };
    // The requesting side does not acknowledge; nobody acts on what is not there.
    let own = scene.nl.prepare(pair::acknowledgement(scene.request, by)).await;
    assert_eq!(code(own), "R-117");
    let unknown = scene.nl.prepare(pair::acknowledgement(RequestId([9; 16]), by)).await;
    assert_eq!(code(unknown), "D-102");
    let mut stranger = pair::question(&ro());
    stranger.officer = "nobody".parse().unwrap();
    assert_eq!(code(scene.nl.prepare(stranger).await), "D-103");
    let nowhere = scene.nl.prepare(pair::question(&"RO/traffic".parse().unwrap())).await;
    assert_eq!(code(nowhere), "R-106");
    let mut long = pair::question(&ro());
    let Some(Filled::Information(form)) = &mut long.body.form else { panic!() };
    form.question = Some(pair::text(&"x".repeat(200 << 10)));
    match scene.nl.prepare(long).await {
        Err(Error::Local(Local::TooLarge { .. }) | Error::Malformed(_)) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_left_out_is_chosen_by_the_desk() {
    let scene = scene().await;
    let case = scene.nl.file().case(scene.request).cloned().unwrap();
    assert_eq!(case.facts.instrument, Instrument::Budapest);
    assert_eq!(case.facts.urgency, Urgency::Routine);
}

/// Officers need not wait for the relay: what is queued counts for the next act, and goes in order.
#[tokio::test]
async fn acts_can_follow_each_other_while_the_relay_is_away() {
    let mut scene = scene().await;
    carry(&scene.ro, &mut scene.relay).await;
    let by = scene.clock.now().plus_ms(DAY_MS);
    scene.ro.prepare(pair::acknowledgement(scene.request, by)).await.unwrap();
    let mut close = pair::acknowledgement(scene.request, by);
    close.what = What::Act {
        request: scene.request,
        act: Act::ReviseEstimate { estimated_at: by.plus_ms(DAY_MS) },
    };
    let reason = detente::wire::detente::form::v1::ReasonForm { reason: Some(pair::text("late")) };
    close.body.form = Some(Filled::Reason(reason));
    scene.ro.prepare(close).await.unwrap();
    // The same acknowledgement a second time is refused by what is still in the outbox.
    let twice = scene.ro.prepare(pair::acknowledgement(scene.request, by)).await;
    assert!(matches!(twice, Err(Error::Unlawful(_))), "{twice:?}");
    carry(&scene.ro, &mut scene.relay).await;
    carry(&scene.nl, &mut scene.relay).await;
    let case = scene.nl.file().case(scene.request).cloned().unwrap();
    assert_eq!(case.estimated, Some(by.plus_ms(DAY_MS)));
}

/// A relay that was restored without what it had: what was said goes out again, and the machine's
/// receipt is the one that it had given.
#[tokio::test]
async fn a_statement_that_a_restored_relay_hands_on_again_is_receipted_once() {
    let Scene { clock, nl: from, ro: to, mut relay, request, _dirs: dirs } = scene().await;
    carry(&to, &mut relay).await;
    carry(&from, &mut relay).await;
    let receipts = |relay: &Relay| {
        let is_receipt = |act: &Act| matches!(act, Act::Receipt { .. });
        relay.submitted.iter().filter(|one| is_receipt(&one.statement.act)).count()
    };
    assert_eq!(receipts(&relay), 1);
    let mut desks = Vec::new();
    for (desk, name) in [(from, "nl"), (to, "ro")] {
        let (id, dir) = (desk.file().owner().clone(), dirs.path().join(name));
        desk.close().await;
        let lost = relay.follow(&id, DeskIndex(0)).remove(0);
        let options = pair::options(&id, &dir, &clock);
        let accept = move || Desk::accept_loss(&options, lost.desk_index, lost.index);
        tokio::task::spawn_blocking(accept).await.unwrap().unwrap();
        desks.push((id, dir));
    }
    relay = Relay::new(&clock);
    clock.pass(1_000);
    let open = |(id, dir): &(DeskId, PathBuf)| pair::open(id, dir, &clock);
    let [from, mut to] = [open(&desks[0]), open(&desks[1])];
    assert!(to.file().statement(&key(request)).is_none(), "as if it had never come");
    carry(&from, &mut relay).await;
    for _ in 0..2 {
        // The receipt is recorded before its statement is here again.
        carry(&to, &mut relay).await;
        let held = to.file().statement(&key(request)).cloned().unwrap();
        assert!(held.transport.as_ref().unwrap().is_delivered(), "{:?}", held.transport);
        assert!(matches!(held.form, Form::Here(_)), "its body is here: {:?}", held.form);
        assert_eq!((receipts(&relay), to.file().outbox().count()), (1, 0));
        to.close().await;
        to = open(&desks[1]);
        to.pick_up().await.unwrap();
    }
}
