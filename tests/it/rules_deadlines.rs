//! Deadlines: which pass, when, in what order, and what they do.

use detente::envelope::Act;
use detente::envelope::words::{MlaStep, Outcome, RequestType, Urgency, WillAnswer};
use detente::rules::deadline::delivery_within_ms;
use detente::rules::{
    Command, Deadline, DeadlineKind, Decision, Evidence, Kind, Measure, OfferFailure,
};
use detente::units::{DAY_MS, HOUR_MS, Hash, MINUTE_MS, MessageId, RequestId, Timestamp};

use crate::rules_fixture::{
    START, Side, World, acknowledge, desk, determine, executed, facts, preservation,
};

#[test]
fn every_urgency_has_its_limit_from_acceptance() {
    let table = [
        (Urgency::Emergency, 5 * MINUTE_MS),
        (Urgency::Urgent, 15 * MINUTE_MS),
        (Urgency::Expedited, 12 * HOUR_MS),
        (Urgency::Routine, 24 * HOUR_MS),
        (Urgency::Information, 24 * HOUR_MS),
    ];
    for (urgency, within) in table {
        assert_eq!(delivery_within_ms(urgency), within);
        for offered in [false, true] {
            let (mut world, message) = sent(urgency);
            if offered {
                world.commit(&Command::NoteOffer { message }).unwrap();
            }
            world.wait(within - 1);
            assert!(world.state.due(world.now).is_empty(), "{urgency}: too early");
            world.wait(1);
            world.pass_deadlines();
            let transport = world.state.find(message).unwrap().1.transport.clone();
            let why = if offered { OfferFailure::NoReceipt } else { OfferFailure::Unreachable };
            assert_eq!(transport.stage(), Evidence::RelayFailure);
            assert!(
                world
                    .journal
                    .iter()
                    .any(|(event, _)| event.kind == Kind::OfferFailed { message, reason: why }),
                "{urgency}: {why:?}"
            );
            let over = offered && urgency == Urgency::Emergency;
            assert_eq!(transport.handed_over().is_some(), over, "{urgency}");
            assert_eq!(world.state.next_deadline(), None, "once only");
            assert_eq!(world.state.released(&desk("RO/cyber"), message).is_ok(), over);
        }
    }
}

#[test]
fn an_emergency_offered_late_is_handed_over_five_minutes_after_the_offer() {
    let (mut world, message) = sent(Urgency::Emergency);
    world.wait(5 * MINUTE_MS);
    assert_eq!(world.pass_deadlines(), 1);
    world.wait(3 * MINUTE_MS);
    world.commit(&Command::NoteOffer { message }).unwrap();
    assert_eq!(world.commit(&Command::NoteOffer { message }).unwrap(), Decision::Nothing);
    assert_eq!(world.state.next_deadline(), Some(START.plus_ms(13 * MINUTE_MS)));
    world.wait(5 * MINUTE_MS);
    assert_eq!(world.pass_deadlines(), 1);
    let transport = &world.state.find(message).unwrap().1.transport;
    assert_eq!(transport.handed_over(), Some(world.now));
    // The receipt may still come.
    let (by, request, act) = world.receipt(message);
    world.does(request, by, act).unwrap();
    assert_eq!(world.state.find(message).unwrap().1.transport.stage(), Evidence::Delivery);
    assert_eq!(world.state.undelivered(&desk("RO/cyber")).count(), 0);
}

#[test]
fn a_receipt_in_time_leaves_no_deadline() {
    let (mut world, message) = sent(Urgency::Emergency);
    let due = world.state.due(Timestamp(i64::MAX));
    let (by, request, act) = world.receipt(message);
    world.does(request, by, act).unwrap();
    assert_eq!(world.state.next_deadline(), None);
    world.wait(DAY_MS);
    for obsolete in due {
        assert_eq!(world.decide(&obsolete).unwrap(), Decision::Nothing);
    }
}

#[test]
fn acts_on_an_emergency_are_delivered_like_it() {
    let (mut world, _) = sent(Urgency::Emergency);
    let request = world.state.requests().next().unwrap().id;
    let act = world.act(request, Side::Asked, acknowledge(WillAnswer::Yes, in_days(1)));
    world.submit(&act).unwrap();
    world.commit(&Command::NoteOffer { message: act.message }).unwrap();
    world.wait(5 * MINUTE_MS);
    world.pass_deadlines();
    assert!(world.state.released(&desk("NL/cyber"), act.message).is_ok());
}

#[test]
fn simultaneous_deadlines_pass_by_time_then_kind_then_id() {
    let mut world = World::founded();
    let urgent = facts(RequestType::Preservation, Urgency::Emergency);
    let ids: Vec<MessageId> = (0..3)
        .map(|_| MessageId(world.request("NL/cyber", "RO/cyber", urgent.clone()).0))
        .collect();
    for message in &ids {
        world.commit(&Command::NoteOffer { message: *message }).unwrap();
    }
    let at = START.plus_ms(5 * MINUTE_MS);
    let failed = |id| DeadlineKind::Delivery(id, OfferFailure::NoReceipt);
    let whats: Vec<DeadlineKind> = ids
        .iter()
        .map(|id| failed(*id))
        .chain(ids.iter().map(|id| DeadlineKind::HandOver(*id)))
        .collect();
    let expected: Vec<Command> =
        whats.into_iter().map(|what| Command::PassDeadline(Deadline { at, what })).collect();
    assert_eq!(world.state.due(at), expected);
}

#[test]
fn a_deadline_passes_neither_early_nor_twice() {
    let (mut world, _) = sent(Urgency::Urgent);
    let due = world.state.due(Timestamp(i64::MAX));
    let [command] = due.as_slice() else { panic!("{due:?}") };
    assert_eq!(world.decide(command).unwrap(), Decision::Nothing, "early");
    world.wait(15 * MINUTE_MS);
    assert!(matches!(world.commit(command).unwrap(), Decision::New(_)));
    assert_eq!(world.commit(command).unwrap(), Decision::Nothing, "twice");
}

#[test]
fn a_preservation_ends_is_extended_and_is_held() {
    // (what is done before its end, when it then ends in days)
    let extend = |days| (Side::Asked, Act::Extend { preserved_until: in_days(days) });
    let ask = (Side::Asking, Act::RequestExtension);
    let step = |by, step| (by, Act::Mla { step, carried_by: None });
    let received = step(Side::Asked, MlaStep::Received);
    let close = (Side::Asking, Act::Close);
    let table: Vec<Row> = vec![
        ("silence", vec![], Some(60)),
        ("asked, no answer", vec![ask.clone()], Some(60)),
        ("asked and confirmed", vec![ask, extend(90)], Some(90)),
        ("confirmed unasked", vec![extend(120)], Some(120)),
        ("closed, then extended", vec![close.clone(), extend(90)], Some(90)),
        ("sent", vec![step(Side::Asking, MlaStep::Sent)], Some(60)),
        ("held", vec![received.clone()], None),
        ("decided", vec![received, step(Side::Asked, MlaStep::Decided)], None),
        ("withdrawn", vec![(Side::Asking, Act::Withdraw), (Side::Asked, Act::Close)], None),
    ];
    for (name, acts, ends) in table {
        let (mut world, request) = preserved();
        for (by, act) in acts {
            world.does(request, by, act).unwrap();
        }
        deliver_all(&mut world);
        let measure = world.state.request(request).unwrap().measure;
        assert_eq!(measure.ends_at(), ends.map(in_days), "{name}");
        assert_eq!(world.state.next_deadline(), ends.map(in_days), "{name}");
        world.now = in_days(ends.unwrap_or(1_000));
        assert_eq!(world.pass_deadlines(), usize::from(ends.is_some()), "{name}");
        let after = world.state.request(request).unwrap().measure;
        assert_eq!(matches!(after, Measure::Expired { .. }), ends.is_some(), "{name}");
    }
}

#[test]
fn what_is_settled_is_forgotten_after_thirty_days() {
    let mut world = World::founded();
    let request = world.request("NL/cyber", "RO/cyber", preservation());
    world.does(request, Side::Asking, Act::Withdraw).unwrap();
    let close = world.act(request, Side::Asking, Act::Close);
    world.submit(&close).unwrap();
    assert_eq!(world.state.open_requests(), 0);
    world.wait(30 * DAY_MS - 1);
    tick(&mut world);
    assert!(world.state.request(request).is_some());
    // Said after it was settled, and good until later than the thirty days.
    let late =
        world.act(request, Side::Asked, Act::Mla { step: MlaStep::Received, carried_by: None });
    world.submit(&late).unwrap();
    world.wait(1);
    tick(&mut world);
    assert!(world.state.request(request).is_some(), "a statement on it can still be repeated");
    world.wait(DAY_MS);
    tick(&mut world);
    assert!(world.state.request(request).is_none());
    assert!(world.state.message(&desk("NL/cyber"), close.message).is_none());
    assert_eq!(world.state.next_deadline(), None);
    assert_eq!(world.state.undelivered(&desk("RO/cyber")).count(), 0);
    assert_eq!(world.submit(&close).unwrap_err().code(), "R-402");
}

fn in_days(days: i64) -> Timestamp {
    START.plus_ms(days * DAY_MS)
}

/// A record that concerns nobody, so that time passes.
fn tick(world: &mut World) {
    let sha256 = Hash::of(&[b"torn"]);
    world.commit(&Command::NoteTruncation { bytes: 1, sha256 }).unwrap();
}

fn sent(urgency: Urgency) -> (World, MessageId) {
    let mut world = World::founded();
    // The type that can be of any urgency.
    let facts = facts(RequestType::SpontaneousInformation, urgency);
    let request = world.request("NL/cyber", "RO/cyber", facts);
    (world, MessageId(request.0))
}

fn preserved() -> (World, RequestId) {
    let mut world = World::founded();
    let request = world.request("NL/cyber", "RO/cyber", preservation());
    let acts = [
        acknowledge(WillAnswer::Yes, in_days(1)),
        determine(Outcome::Accepted),
        executed(in_days(60)),
    ];
    for act in acts {
        world.does(request, Side::Asked, act).unwrap();
    }
    (world, request)
}

fn deliver_all(world: &mut World) {
    for to in ["NL/cyber", "RO/cyber"] {
        let waiting: Vec<MessageId> =
            world.state.undelivered(&desk(to)).map(|(_, message)| message).collect();
        for message in waiting {
            let (by, request, act) = world.receipt(message);
            world.does(request, by, act).unwrap();
        }
    }
}

/// What it is, what is done, and when the next deadline is.
type Row = (&'static str, Vec<(Side, Act)>, Option<i64>);
