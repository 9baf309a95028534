//! Cases that earn the refusals of re-grading, conditions, embargoes, links and what follows.
//!
//! Not the list of codes: that is in `rules_refusals.rs`, which runs these too.

use detente::envelope::words::{
    ConditionsAnswer, Extent, Instrument, MlaStep, Outcome, RequestType, Urgency,
};
use detente::envelope::{Act, Approval, RequestFacts, Statement};
use detente::rules::conditions::Conditions;
use detente::rules::{self, Refusal};
use detente::units::{DAY_MS, HOUR_MS, RequestId};

use crate::rules_fixture::{START, Side, World, advice, approved_by, facts, preservation};
use crate::rules_refusals::{Case, new_facts, on, outcome, preserved, running, same, then, yes};

fn regrade(urgency: Urgency) -> (Side, Act) {
    (Side::Asked, Act::Regrade { urgency })
}

fn answer(answer: ConditionsAnswer) -> (Side, Act) {
    (Side::Asking, Act::AnswerConditions(answer))
}

fn conditional() -> Vec<(Side, Act)> {
    vec![yes(), outcome(Outcome::AcceptedWithConditions)]
}

fn embargoed(ms: i64) -> RequestFacts {
    RequestFacts { embargo_until: Some(START.plus_ms(ms)), ..preservation() }
}

/// What the rules say to an MLA step that names another request as its carrier.
fn carried(by: (&str, &str), facts: RequestFacts) -> Refusal {
    let mut world = World::founded();
    let request = world.request("NL/cyber", "RO/cyber", preservation());
    let carried_by = Some(world.request(by.0, by.1, facts));
    world.does(request, Side::Asking, Act::Mla { step: MlaStep::Sent, carried_by }).unwrap_err()
}

fn after(before: &[(Side, Act)], (by, act): (Side, Act)) -> Refusal {
    then(preservation(), before, (by, act), same)
}

/// What the rules say when data are handed over with another approval than the right one.
fn handed_over(change: impl FnOnce(&mut Statement)) -> Refusal {
    let facts = facts(RequestType::SubscriberInfo, Urgency::Routine);
    let act = Act::Execute { extent: Extent::Executed, preserved_until: None, mla_demanded: false };
    then(facts, &[yes(), outcome(Outcome::Accepted)], (Side::Asked, act), change)
}

pub(crate) const ACTS: &[Case] = &[
    ("R-250", || after(&[], regrade(Urgency::Expedited))),
    ("R-251", || after(&[], regrade(Urgency::Emergency))),
    ("R-240", || after(&[], regrade(Urgency::Information))),
    ("R-252", || {
        let facts = RequestFacts {
            instrument: Instrument::SapCets224,
            ..facts(RequestType::EmergencyDisclosure, Urgency::Emergency)
        };
        let (by, act) = regrade(Urgency::Urgent);
        then(facts, &[], (by, act), same)
    }),
    ("R-253", || new_facts(RequestFacts { prior_conditions: true, ..advice() }, same)),
    ("R-254", || {
        let act = Act::Execute {
            extent: Extent::Executed,
            preserved_until: Some(START.plus_ms(61 * DAY_MS)),
            mla_demanded: true,
        };
        after(&[yes(), outcome(Outcome::Accepted)], (Side::Asked, act))
    }),
    ("R-255", || {
        let (mut world, parent) = on(RequestFacts { exercise: true, ..preservation() }, &[]);
        let facts = RequestFacts { parent: Some(parent), ..preservation() };
        let statement = world.statement("RO/cyber", "XM/cyber", Act::Request(facts));
        world.submit(&statement).unwrap_err()
    }),
    ("R-256", || new_facts(embargoed(HOUR_MS), same)),
    ("R-256", || {
        // It was made in time, and comes too late.
        let mut world = World::founded();
        let statement = world.statement("NL/cyber", "RO/cyber", Act::Request(embargoed(HOUR_MS)));
        world.wait(HOUR_MS);
        world.submit(&statement).unwrap_err()
    }),
    ("R-257", || new_facts(embargoed(60 * DAY_MS + HOUR_MS + 1), same)),
    ("R-258", || {
        let facts = facts(RequestType::Preservation, Urgency::Emergency);
        new_facts(RequestFacts { embargo_until: embargoed(DAY_MS).embargo_until, ..facts }, same)
    }),
    ("R-118", || handed_over(|s| s.approval = Approval::None)),
    ("R-119", || handed_over(|s| s.approval = approved_by(&s.from, "duty"))),
    ("R-112", || handed_over(|s| s.approval = approved_by(&s.from, "asker"))),
    ("R-261", || then(preservation(), &[], yes(), |s| s.approval = Approval::Alone)),
    ("R-259", || carried(("NL/cyber", "XM/cyber"), preservation())),
    ("R-260", || carried(("NL/second", "RO/second"), advice())),
    ("R-306", || after(&[yes(), outcome(Outcome::Postponed)], regrade(Urgency::Routine))),
    ("R-308", || after(&running(), regrade(Urgency::Routine))),
    ("R-312", || then(embargoed(DAY_MS), &[], mla_sent(), same)),
    ("R-350", || after(&[yes()], answer(ConditionsAnswer::Accepted))),
    ("R-351", || {
        let accepted = answer(ConditionsAnswer::Accepted);
        after(&[conditional(), vec![accepted.clone()]].concat(), accepted)
    }),
    ("R-117", || {
        let (_, act) = answer(ConditionsAnswer::Accepted);
        after(&conditional(), (Side::Asked, act))
    }),
    ("R-352", || after(&conditional(), preserved())),
    ("R-352", || after(&conditional(), (Side::Asked, Act::DiscloseTraffic))),
    ("R-353", || {
        let declined = answer(ConditionsAnswer::Declined);
        after(&[conditional(), vec![declined]].concat(), preserved())
    }),
    ("R-354", || {
        let facts = facts(RequestType::SpontaneousInformation, Urgency::Information);
        then(facts, &[], (Side::Asking, Act::ProvideInformation), same)
    }),
    ("R-355", || {
        let said = Conditions::Provided.decide(&Act::ProvideInformation, rules::Side::Requesting);
        said.unwrap_err()
    }),
    ("R-360", || {
        let fed = (Side::Asking, Act::Feedback);
        after(&[running(), vec![fed.clone()]].concat(), fed)
    }),
    ("R-361", || after(&[yes()], (Side::Asking, Act::Feedback))),
    ("R-362", || after(&[yes()], (Side::Asked, Act::RequestUseReport))),
    ("R-363", || {
        let asks = (Side::Asked, Act::RequestUseReport);
        after(&[running(), vec![asks.clone()]].concat(), asks)
    }),
    ("R-364", || after(&running(), (Side::Asking, Act::ReportUse))),
    ("R-365", || after(&running(), (Side::Asking, Act::ReportSecurityIncident))),
    ("R-406", || {
        // Under embargo there is no such request for its recipient.
        let (world, request): (World, RequestId) = on(embargoed(DAY_MS), &[]);
        world.clone().does(request, yes().0, yes().1).unwrap_err()
    }),
];

fn mla_sent() -> (Side, Act) {
    (Side::Asking, Act::Mla { step: MlaStep::Sent, carried_by: None })
}
