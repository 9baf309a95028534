//! Every refusal of the rules: its permanent code and reason, and a case that earns it.
//!
//! A code is never changed or given away: a new one is added to both lists.

use std::collections::BTreeSet;

use detente::envelope::words::{
    Extent, Instrument, MlaStep, Outcome, Rejection, RequestType, Urgency, WillAnswer,
};
use detente::envelope::{Act, RequestFacts, Signer, Statement};
use detente::rules::{self, Command, ErasureReason, Refusal, Status};
use detente::units::{CaseId, DAY_MS, HOUR_MS, Hash, MINUTE_MS, MessageId, RequestId};

use crate::rules_entries::ENTRY;
use crate::rules_fixture::{
    START, Side, World, acknowledge, advice, desk, determine, executed, facts, key, key_id, name,
    preservation, submission,
};
use crate::rules_refusals_acts::ACTS;

const FROZEN: &[(&str, &str)] = &[
    ("R-101", "NOT_FOUNDED"),
    ("R-102", "ALREADY_FOUNDED"),
    ("R-103", "WRONG_CALLER"),
    ("R-104", "UNKNOWN_SENDER"),
    ("R-105", "SENDER_NOT_ALLOWED"),
    ("R-106", "UNKNOWN_RECIPIENT"),
    ("R-107", "RECIPIENT_NOT_ALLOWED"),
    ("R-108", "SAME_MEMBER"),
    ("R-109", "UNKNOWN_OFFICER"),
    ("R-110", "WRONG_KEY"),
    ("R-111", "KEY_NOT_VALID"),
    ("R-112", "ROLE_MISSING"),
    ("R-113", "OFFICER_MUST_SIGN"),
    ("R-114", "MACHINE_MUST_SIGN"),
    ("R-115", "NO_ENCRYPTION_KEY"),
    ("R-116", "NOT_A_PARTY"),
    ("R-117", "WRONG_PARTY"),
    ("R-118", "SECOND_OFFICER_MISSING"),
    ("R-119", "APPROVER_IS_SIGNER"),
    ("R-201", "NO_COMMON_INSTRUMENT"),
    ("R-202", "INSTRUMENT_NOT_FOR_TYPE"),
    ("R-203", "TEST_NEVER_EMERGENCY"),
    ("R-204", "REQUEST_ID_MISMATCH"),
    ("R-205", "CASE_MISMATCH"),
    ("R-206", "PARENT_NOT_YOURS"),
    ("R-207", "REPLY_MISSING"),
    ("R-208", "UNKNOWN_REPLY"),
    ("R-209", "NO_MEASURE"),
    ("R-210", "END_MISSING"),
    ("R-211", "END_MISPLACED"),
    ("R-212", "TOO_SHORT"),
    ("R-213", "REVIEW_MISSING"),
    ("R-214", "REVIEW_MISPLACED"),
    ("R-215", "NOT_AHEAD"),
    ("R-216", "NOT_LONGER"),
    ("R-217", "UNKNOWN_STATEMENT"),
    ("R-218", "HEADER_MISMATCH"),
    ("R-219", "NO_BODY"),
    ("R-240", "URGENCY_NOT_FOR_TYPE"),
    ("R-241", "PARENT_MISSING"),
    ("R-242", "PARENT_NOT_FOR_TYPE"),
    ("R-243", "ACT_NOT_FOR_TYPE"),
    ("R-250", "SAME_URGENCY"),
    ("R-251", "NEVER_UP_TO_EMERGENCY"),
    ("R-252", "ALWAYS_EMERGENCY"),
    ("R-253", "PRIOR_CONDITIONS_MISPLACED"),
    ("R-254", "MLA_DEMAND_MISPLACED"),
    ("R-255", "FLAGS_NOT_KEPT"),
    ("R-256", "EMBARGO_PASSED"),
    ("R-257", "EMBARGO_TOO_LONG"),
    ("R-258", "EMBARGO_IN_EMERGENCY"),
    ("R-259", "LINK_NOT_YOURS"),
    ("R-260", "LINK_NOT_MLA"),
    ("R-261", "APPROVAL_MISPLACED"),
    ("R-301", "NOT_ACKNOWLEDGED"),
    ("R-302", "ALREADY_ACKNOWLEDGED"),
    ("R-303", "WILL_NOT_BE_ANSWERED"),
    ("R-304", "CLARIFICATION_PENDING"),
    ("R-305", "NO_CLARIFICATION_PENDING"),
    ("R-306", "ALREADY_DETERMINED"),
    ("R-307", "NOT_ACCEPTED"),
    ("R-308", "SUBSTANCE_ENDED"),
    ("R-309", "NOT_ENDED"),
    ("R-310", "WITHDRAWAL_PENDING"),
    ("R-311", "CLOSED"),
    ("R-312", "UNDER_EMBARGO"),
    ("R-320", "NOT_PRESERVED"),
    ("R-321", "EXTENSION_PENDING"),
    ("R-322", "HELD_FOR_MLA"),
    ("R-330", "MLA_OUT_OF_TURN"),
    ("R-340", "ALREADY_RECEIPTED"),
    ("R-341", "ALREADY_RETRIEVED"),
    ("R-342", "RECEIPT_MISSING"),
    ("R-343", "STATEMENT_REJECTED"),
    ("R-344", "BODY_ERASED"),
    ("R-350", "NO_CONDITIONS"),
    ("R-351", "CONDITIONS_ANSWERED"),
    ("R-352", "CONDITIONS_PENDING"),
    ("R-353", "CONDITIONS_DECLINED"),
    ("R-354", "NO_PRIOR_CONDITIONS"),
    ("R-355", "INFORMATION_PROVIDED"),
    ("R-360", "FEEDBACK_GIVEN"),
    ("R-361", "FEEDBACK_TOO_EARLY"),
    ("R-362", "NOTHING_GIVEN"),
    ("R-363", "USE_REPORT_PENDING"),
    ("R-364", "NO_USE_REPORT_ASKED"),
    ("R-365", "NOTHING_RECEIVED"),
    ("R-401", "MESSAGE_ID_REUSED"),
    ("R-402", "STALE_STATEMENT"),
    ("R-403", "CREATED_IN_FUTURE"),
    ("R-404", "LIFETIME_TOO_LONG"),
    ("R-405", "TOO_LARGE"),
    ("R-406", "UNKNOWN_REQUEST"),
    ("R-407", "TOO_MANY_OPEN_REQUESTS"),
    ("R-408", "TOO_MANY_RECENT_REQUESTS"),
    ("R-409", "TOO_MANY_STATEMENTS"),
    ("R-501", "ENTRY_OF_ANOTHER"),
    ("R-502", "ENTRY_OF_STRANGER"),
    ("R-503", "ENTRY_NOT_SIGNED"),
    ("R-504", "ENTRY_NOT_ALLOWED"),
    ("R-505", "ENTRY_OUT_OF_SEQUENCE"),
    ("R-506", "ENTRY_DOES_NOT_FOLLOW"),
    ("R-507", "NATIONAL_KEY_CHANGED"),
    ("R-508", "AUTHORITY_CHANGED"),
    ("R-509", "ENTRY_STALE"),
    ("R-510", "ENTRY_FROM_FUTURE"),
    ("R-511", "ENTRY_GOOD_FOR_TOO_LONG"),
    ("R-512", "ENTRY_WITHOUT_KEY"),
    ("R-513", "ENTRY_WITHOUT_OFFICER"),
    ("R-514", "UNKNOWN_TIME_ZONE"),
    ("R-515", "KEY_OF_ANOTHER"),
    ("R-516", "ENTRY_ID_REUSED"),
    ("R-517", "TOO_MANY_ENTRIES"),
    ("R-518", "TOO_MANY_DESKS"),
];

/// Limits that take too many records to reach here: `rules/seen.rs` reaches them. The signature of
/// an entry is verified before the rules are asked: `directory_relay.rs`.
const ELSEWHERE: &[&str] = &["R-407", "R-408", "R-409", "R-503"];

pub(crate) type Case = (&'static str, fn() -> Refusal);

#[test]
fn codes_and_reasons_are_frozen_and_unique() {
    assert_eq!(Refusal::CODES, FROZEN);
    let codes: BTreeSet<_> = FROZEN.iter().map(|(code, _)| code).collect();
    let reasons: BTreeSet<_> = FROZEN.iter().map(|(_, reason)| reason).collect();
    assert_eq!((codes.len(), reasons.len()), (FROZEN.len(), FROZEN.len()));
    assert!(FROZEN.windows(2).all(|pair| pair[0].0 < pair[1].0), "in order");
}

#[test]
fn every_refusal_has_a_case() {
    let mut met = BTreeSet::new();
    for (code, case) in [WHO, WHAT, STAGE, TIME, ACTS, ENTRY].concat() {
        let refusal = case();
        assert_eq!(refusal.code(), code, "{refusal}");
        for text in [refusal.cause(), refusal.next_action().to_owned()] {
            assert!(text.len() > 10 && !text.ends_with('.') && !text.contains('{'), "{text}");
        }
        met.insert(code);
    }
    met.extend(ELSEWHERE);
    let all: BTreeSet<_> = FROZEN.iter().map(|(code, _)| *code).collect();
    assert_eq!(met, all);
}

#[test]
fn a_cause_names_the_values() {
    let mut world = World::founded();
    let statement = world.statement("NL/cyber", "RO/other", Act::Request(preservation()));
    let refusal = world.submit(&statement).unwrap_err();
    assert_eq!(refusal.to_string(), "R-106 UNKNOWN_RECIPIENT: RO/other is not in the directory");
    assert_eq!(refusal.field(), Some("header.context.to"));
}

/// A new preservation request, changed, and what the rules say to it.
fn new(change: impl FnOnce(&mut Statement)) -> Refusal {
    new_facts(preservation(), change)
}

pub(crate) fn new_facts(facts: RequestFacts, change: impl FnOnce(&mut Statement)) -> Refusal {
    let mut world = World::founded();
    world.wait(HOUR_MS);
    let mut statement = world.statement("NL/cyber", "RO/cyber", Act::Request(facts));
    change(&mut statement);
    world.submit(&statement).unwrap_err()
}

/// An act on a request on which these acts were done, changed, and what the rules say to it.
pub(crate) fn then(
    facts: RequestFacts,
    before: &[(Side, Act)],
    (by, act): (Side, Act),
    change: impl FnOnce(&mut Statement),
) -> Refusal {
    let (mut world, request) = on(facts, before);
    let mut statement = world.act(request, by, act);
    change(&mut statement);
    world.submit(&statement).unwrap_err()
}

pub(crate) fn on(facts: RequestFacts, before: &[(Side, Act)]) -> (World, RequestId) {
    let mut world = World::founded();
    let request = world.request("NL/cyber", "RO/cyber", facts);
    for (by, act) in before {
        world.wait(MINUTE_MS);
        world.does(request, *by, act.clone()).unwrap();
    }
    (world, request)
}

pub(crate) fn yes() -> (Side, Act) {
    (Side::Asked, acknowledge(WillAnswer::Yes, START.plus_ms(DAY_MS)))
}

fn no() -> (Side, Act) {
    (Side::Asked, acknowledge(WillAnswer::No, START.plus_ms(DAY_MS)))
}

pub(crate) fn outcome(outcome: Outcome) -> (Side, Act) {
    (Side::Asked, determine(outcome))
}

pub(crate) fn preserved() -> (Side, Act) {
    (Side::Asked, executed(START.plus_ms(61 * DAY_MS)))
}

fn steps(acts: &[(Side, Act)]) -> Vec<(Side, Act)> {
    acts.to_vec()
}

pub(crate) fn running() -> Vec<(Side, Act)> {
    steps(&[yes(), outcome(Outcome::Accepted), preserved()])
}

pub(crate) fn same(_: &mut Statement) {}

fn receipt_of(request: RequestId, rejected: Option<Rejection>) -> (Side, Act) {
    let of = MessageId(request.0);
    (Side::Asked, Act::Receipt { of, header: Hash::of(&[b"header", &of.0]), rejected })
}

fn retrieval_of(request: RequestId) -> (Side, Act) {
    let of = MessageId(request.0);
    (Side::Asked, Act::Retrieval { of, header: Hash::of(&[b"header", &of.0]), failed: None })
}

/// What the desk's machine says after other things it said.
fn machine(
    before: impl Fn(RequestId) -> Vec<(Side, Act)>,
    last: impl Fn(RequestId) -> (Side, Act),
) -> Refusal {
    let (mut world, request) = on(preservation(), &[]);
    for (by, act) in before(request) {
        world.does(request, by, act).unwrap();
    }
    let (by, act) = last(request);
    world.does(request, by, act).unwrap_err()
}

/// A request between members of which one has another status.
fn at_status(of: &str, status: Status) -> Refusal {
    let mut world = World::founded();
    let mut directory = world.state.directory().clone();
    directory.set_status(of.parse().unwrap(), status);
    let statement = world.statement("NL/cyber", "RO/cyber", Act::Request(preservation()));
    rules::check(&directory, None, &statement, world.now).unwrap_err()
}

const WHO: &[Case] = &[
    ("R-101", || {
        let mut world = World::empty();
        let statement = world.statement("NL/cyber", "RO/cyber", Act::Request(preservation()));
        world.submit(&statement).unwrap_err()
    }),
    ("R-102", || {
        let genesis = Box::new(crate::rules_fixture::genesis());
        World::founded().commit(&Command::Found(genesis)).unwrap_err()
    }),
    ("R-103", || {
        let mut world = World::founded();
        let statement = world.statement("NL/cyber", "RO/cyber", Act::Request(preservation()));
        let caller = desk("NL/second");
        world.commit(&Command::Submit { caller, statement: Box::new(statement) }).unwrap_err()
    }),
    ("R-104", || new(|s| s.from = desk("NL/other"))),
    ("R-105", || at_status("NL", Status::Provisional)),
    ("R-106", || new(|s| s.to = desk("RO/other"))),
    ("R-107", || at_status("RO", Status::Suspended)),
    ("R-108", || new(|s| s.to = desk("NL/second"))),
    ("R-109", || new(|s| s.signer = Signer::Officer(name("nobody")))),
    ("R-110", || new(|s| s.signer_key = key_id(&key("RO/cyber/duty")))),
    ("R-111", || {
        new(|s| {
            s.signer = Signer::Officer(name("gone"));
            s.signer_key = key_id(&key("NL/cyber/gone"));
        })
    }),
    ("R-112", || {
        then(preservation(), &[], yes(), |s| {
            s.signer = Signer::Officer(name("asker"));
            s.signer_key = key_id(&key("RO/cyber/asker"));
        })
    }),
    ("R-112", || {
        then(preservation(), &[no()], (Side::Asked, Act::Close), |s| {
            s.signer = Signer::Officer(name("asker"));
            s.signer_key = key_id(&key("RO/cyber/asker"));
        })
    }),
    ("R-113", || {
        new(|s| {
            s.signer = Signer::Desk;
            s.signer_key = key_id(&key("NL/cyber"));
        })
    }),
    ("R-114", || {
        let (mut world, request) = on(preservation(), &[]);
        let (by, act) = receipt_of(request, None);
        let mut statement = world.act(request, by, act);
        statement.signer = Signer::Officer(name("duty"));
        world.submit(&statement).unwrap_err()
    }),
    ("R-115", || {
        let world = World::founded();
        let later = START.plus_ms(366 * DAY_MS);
        world.state.directory().encryption_key(&desk("NL/cyber"), later).unwrap_err()
    }),
    ("R-116", || {
        then(preservation(), &[], yes(), |s| {
            s.from = desk("RO/second");
            s.signer_key = key_id(&key("RO/second/duty"));
        })
    }),
    ("R-117", || then(preservation(), &[], (Side::Asking, yes().1), same)),
    ("R-117", || then(preservation(), &[], (Side::Asked, Act::Withdraw), same)),
];

const WHAT: &[Case] = &[
    ("R-201", || {
        new_facts(RequestFacts { instrument: Instrument::UnCybercrime, ..preservation() }, same)
    }),
    ("R-201", || {
        let mut world = World::founded();
        let statement = world.statement("NL/cyber", "XS/cyber", Act::Request(preservation()));
        world.submit(&statement).unwrap_err()
    }),
    ("R-202", || {
        new_facts(RequestFacts { instrument: Instrument::SapCets224, ..preservation() }, same)
    }),
    ("R-203", || {
        let facts = facts(RequestType::Preservation, Urgency::Emergency);
        new_facts(RequestFacts { test: true, ..facts }, same)
    }),
    ("R-204", || new(|s| s.request = RequestId([8; 16]))),
    ("R-204", || {
        // Under the id of a request that is there.
        let (mut world, request) = on(preservation(), &[]);
        let mut statement = world.statement("NL/cyber", "RO/cyber", Act::Request(preservation()));
        statement.request = request;
        world.submit(&statement).unwrap_err()
    }),
    ("R-205", || then(preservation(), &[], yes(), |s| s.case = CaseId([8; 16]))),
    ("R-206", || {
        let mut world = World::founded();
        let parent = Some(world.request("NL/cyber", "RO/cyber", preservation()));
        let facts = RequestFacts { parent, ..preservation() };
        let statement = world.statement("XM/cyber", "RO/cyber", Act::Request(facts));
        world.submit(&statement).unwrap_err()
    }),
    ("R-207", || then(preservation(), &[], yes(), |s| s.in_reply_to = None)),
    ("R-208", || then(preservation(), &[], yes(), |s| s.in_reply_to = Some(Hash([8; 32])))),
    ("R-209", || then(advice(), &[], (Side::Asking, Act::RequestExtension), same)),
    ("R-209", || then(advice(), &[yes(), outcome(Outcome::Accepted)], preserved(), same)),
    ("R-240", || new_facts(facts(RequestType::StopPayment, Urgency::Emergency), same)),
    ("R-240", || new_facts(facts(RequestType::Preservation, Urgency::Information), same)),
    ("R-241", || new_facts(facts(RequestType::PartialTrafficDisclosure, Urgency::Expedited), same)),
    ("R-242", || {
        let mut world = World::founded();
        let parent = Some(world.request("NL/cyber", "RO/cyber", advice()));
        let facts = facts(RequestType::PartialTrafficDisclosure, Urgency::Expedited);
        let facts = RequestFacts { parent, ..facts };
        let statement = world.statement("NL/cyber", "RO/cyber", Act::Request(facts));
        world.submit(&statement).unwrap_err()
    }),
    ("R-243", || {
        then(
            advice(),
            &[],
            (Side::Asking, Act::Mla { step: MlaStep::Sent, carried_by: None }),
            same,
        )
    }),
    ("R-243", || {
        let facts = facts(RequestType::CommCheck, Urgency::Expedited);
        then(facts, &[yes()], outcome(Outcome::Accepted), same)
    }),
    ("R-210", || {
        let act = Act::Execute {
            extent: Extent::ExecutedInPart,
            preserved_until: None,
            mla_demanded: false,
        };
        then(preservation(), &[yes(), outcome(Outcome::Accepted)], (Side::Asked, act), same)
    }),
    ("R-211", || {
        let preserved_until = Some(START.plus_ms(90 * DAY_MS));
        let act = Act::Execute { extent: Extent::NoDataHeld, preserved_until, mla_demanded: false };
        then(preservation(), &[yes()], (Side::Asked, act), same)
    }),
    ("R-212", || {
        let act = executed(START.plus_ms(60 * DAY_MS - 1));
        then(preservation(), &[yes(), outcome(Outcome::Accepted)], (Side::Asked, act), same)
    }),
    ("R-212", || {
        // The member's own minimum is 90 days.
        let mut world = World::founded();
        let request = world.request("NL/cyber", "XM/cyber", preservation());
        for (by, act) in [yes(), outcome(Outcome::Accepted)] {
            world.does(request, by, act).unwrap();
        }
        let almost = START.plus_ms(90 * DAY_MS - 1);
        let refusal = world.does(request, Side::Asked, executed(almost)).unwrap_err();
        world.does(request, Side::Asked, executed(START.plus_ms(90 * DAY_MS))).unwrap();
        refusal
    }),
    ("R-213", || {
        let act = Act::Determine { outcome: Outcome::Postponed, review_at: None };
        then(preservation(), &[yes()], (Side::Asked, act), same)
    }),
    ("R-214", || {
        let review_at = Some(START.plus_ms(DAY_MS));
        let act = Act::Determine { outcome: Outcome::Refused, review_at };
        then(preservation(), &[yes()], (Side::Asked, act), same)
    }),
    ("R-215", || {
        then(preservation(), &[], (Side::Asked, acknowledge(WillAnswer::Yes, START)), same)
    }),
    ("R-216", || {
        let act = Act::Extend { preserved_until: START.plus_ms(61 * DAY_MS) };
        then(preservation(), &running(), (Side::Asked, act), same)
    }),
    ("R-217", || machine(|_| vec![], |_| receipt_of(RequestId([8; 16]), None))),
    ("R-217", || machine(|_| vec![], |of| (Side::Asking, receipt_of(of, None).1))),
    ("R-217", || {
        let world = on(preservation(), &[]).0;
        world.state.released(&desk("XM/cyber"), MessageId([8; 16])).unwrap_err()
    }),
    ("R-218", || {
        machine(
            |_| vec![],
            |of| {
                let of = MessageId(of.0);
                (Side::Asked, Act::Receipt { of, header: Hash([8; 32]), rejected: None })
            },
        )
    }),
    ("R-219", || {
        let (mut world, request) = on(preservation(), &[]);
        let (by, act) = receipt_of(request, None);
        let receipt = world.act(request, by, act);
        world.submit(&receipt).unwrap();
        let act = Act::Receipt { of: receipt.message, header: receipt.header, rejected: None };
        world.does(request, Side::Asking, act).unwrap_err()
    }),
];

const STAGE: &[Case] = &[
    ("R-301", || then(preservation(), &[], outcome(Outcome::Accepted), same)),
    ("R-302", || then(preservation(), &[yes()], no(), same)),
    ("R-303", || then(preservation(), &[no()], (Side::Asked, Act::RequestClarification), same)),
    ("R-304", || {
        let asks = (Side::Asked, Act::RequestClarification);
        then(preservation(), &[yes(), asks.clone()], asks, same)
    }),
    ("R-305", || then(preservation(), &[yes()], (Side::Asking, Act::ProvideClarification), same)),
    ("R-306", || {
        let before = [yes(), outcome(Outcome::Refused)];
        then(preservation(), &before, outcome(Outcome::Accepted), same)
    }),
    ("R-307", || then(preservation(), &[yes()], preserved(), same)),
    ("R-308", || then(preservation(), &running(), preserved(), same)),
    ("R-309", || then(preservation(), &[yes()], (Side::Asked, Act::Close), same)),
    ("R-310", || then(preservation(), &[(Side::Asking, Act::Withdraw)], yes(), same)),
    ("R-311", || {
        let before = [no(), (Side::Asking, Act::Close)];
        then(preservation(), &before, (Side::Asking, Act::Withdraw), same)
    }),
    ("R-320", || then(preservation(), &[], (Side::Asking, Act::RequestExtension), same)),
    ("R-321", || {
        let asks = (Side::Asking, Act::RequestExtension);
        let before = [running(), vec![asks.clone()]].concat();
        then(preservation(), &before, asks, same)
    }),
    ("R-322", || {
        let before = [
            running(),
            vec![(Side::Asked, Act::Mla { step: MlaStep::Received, carried_by: None })],
        ]
        .concat();
        then(preservation(), &before, (Side::Asking, Act::RequestExtension), same)
    }),
    ("R-330", || {
        then(
            preservation(),
            &[],
            (Side::Asked, Act::Mla { step: MlaStep::Decided, carried_by: None }),
            same,
        )
    }),
    ("R-340", || machine(|of| vec![receipt_of(of, None)], |of| receipt_of(of, None))),
    ("R-341", || machine(|of| vec![receipt_of(of, None), retrieval_of(of)], retrieval_of)),
    ("R-342", || machine(|_| vec![], retrieval_of)),
    ("R-342", || {
        let (world, request) = on(preservation(), &[]);
        world.state.released(&desk("RO/cyber"), MessageId(request.0)).unwrap_err()
    }),
    ("R-343", || machine(|of| vec![receipt_of(of, Some(Rejection::NotIdentified))], retrieval_of)),
    ("R-344", || {
        let (mut world, request) = on(preservation(), &[]);
        let message = MessageId(request.0);
        let index = world.state.find(message).unwrap().1.index;
        let reason = ErasureReason::LegalOrder;
        world.commit(&Command::EraseBody { index, message, reason }).unwrap();
        world.state.released(&desk("RO/cyber"), message).unwrap_err()
    }),
];

const TIME: &[Case] = &[
    ("R-401", || {
        let mut world = World::founded();
        let mut statement = world.statement("NL/cyber", "RO/cyber", Act::Request(preservation()));
        world.submit(&statement).unwrap();
        statement.header = Hash([8; 32]);
        world.submit(&statement).unwrap_err()
    }),
    ("R-401", || {
        // The same id from another desk.
        let mut world = World::founded();
        let request = world.request("NL/cyber", "RO/cyber", preservation());
        let mut other = world.statement("XM/cyber", "RO/cyber", Act::Request(preservation()));
        (other.message, other.request) = (MessageId(request.0), request);
        world.submit(&other).unwrap_err()
    }),
    ("R-402", || new(|s| s.not_after = START.plus_ms(HOUR_MS))),
    ("R-403", || new(|s| s.created = s.created.plus_ms(5 * MINUTE_MS + 1))),
    ("R-404", || new(|s| s.not_after = s.created.plus_ms(7 * DAY_MS + 1))),
    ("R-405", || new(|s| s.ciphertext_len = (1 << 20) + 1)),
    ("R-406", || then(preservation(), &[], yes(), |s| s.request = RequestId([8; 16]))),
];

#[test]
fn a_repeat_is_answered_with_its_record_even_when_it_is_stale() {
    let mut world = World::founded();
    let statement = world.statement("NL/cyber", "RO/cyber", Act::Request(preservation()));
    world.submit(&statement).unwrap();
    let first = world.journal.last().unwrap().1;
    world.wait(40 * DAY_MS);
    let again = world.decide(&submission(&statement)).unwrap();
    assert_eq!(again, rules::Decision::Repeat { index: first.index, time: first.time });
}
