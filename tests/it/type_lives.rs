//! Each type of request through its whole life: by the rules alone, and between two real desks.
//!
//! A life is printed as the stages it goes through; a new type changes the picture, and the picture
//! must be approved.

use detente::envelope::words::{
    Extent, Instrument, MlaStep, Outcome, RequestType, Urgency, WillAnswer,
};
use detente::envelope::{Act, RequestFacts};
use detente::rules::request_type::{self, Expects};
use detente::units::{DAY_MS, HOUR_MS, RequestId, Timestamp};

use crate::bad_input_officer::Lab;
use crate::moves::approve;
use crate::net;
use crate::request_forms::{execute, instrument, sample, sample_answer};
use crate::rules_fixture::{Side, World, acknowledge, determine, facts, preservation};

/// The urgency and the basis that the type usually has, and the parent that it needs.
fn usual(world: &mut World, kind: RequestType) -> RequestFacts {
    let parent = request_type::needs_parent(kind)
        .then(|| world.request("NL/cyber", "RO/cyber", preservation()));
    let facts = facts(kind, request_type::default_urgency(kind));
    RequestFacts { instrument: instrument(kind), parent, ..facts }
}

/// A request of a type, and what both sides do about it.
struct Life {
    world: World,
    id: RequestId,
    stages: Vec<String>,
}

impl Life {
    fn of(kind: RequestType) -> Self {
        let mut world = World::founded();
        world.wait(HOUR_MS);
        let facts = usual(&mut world, kind);
        let id = world.request("NL/cyber", "RO/cyber", facts);
        let mut life = Self { world, id, stages: Vec::new() };
        life.note();
        life
    }

    fn note(&mut self) {
        let request = self.world.state.request(self.id).unwrap();
        let stage = format!(
            "{}/{}/{}",
            request.handling.as_str(),
            request.measure.as_str(),
            request.follow_up.as_str()
        );
        self.stages.push(stage.replace("/NONE", ""));
    }

    fn then(&mut self, by: Side, act: Act) -> &mut Self {
        self.world.wait(HOUR_MS);
        self.world.does(self.id, by, act.clone()).unwrap_or_else(|no| panic!("{act:?}: {no}"));
        self.note();
        self
    }

    fn refused(&mut self, by: Side, act: Act) -> &'static str {
        self.world.does(self.id, by, act).unwrap_err().code()
    }

    fn soon(&self) -> Timestamp {
        self.world.now.plus_ms(DAY_MS)
    }

    fn acknowledged(&mut self) -> &mut Self {
        let soon = self.soon();
        self.then(Side::Asked, acknowledge(WillAnswer::Yes, soon))
    }
}

/// Everything that a type's life can hold, in its order.
fn whole_life(kind: RequestType) -> Life {
    let mut life = Life::of(kind);
    match request_type::expects(kind) {
        Expects::Acknowledgement | Expects::Nothing => {
            life.acknowledged().then(Side::Asking, Act::Close);
            return life;
        }
        Expects::Answer => {}
    }
    life.acknowledged();
    let soon = life.soon();
    life.then(Side::Asked, Act::ReviseEstimate { estimated_at: soon.plus_ms(DAY_MS) })
        .then(Side::Asked, Act::RequestClarification)
        .then(Side::Asking, Act::ProvideClarification)
        .then(Side::Asked, determine(Outcome::Postponed))
        .then(Side::Asked, determine(Outcome::Accepted));
    let now = life.world.now;
    life.then(Side::Asked, execute(kind, Extent::Executed, now));
    if request_type::has_measure(kind) {
        let longer = Act::Extend { preserved_until: life.world.now.plus_ms(200 * DAY_MS) };
        life.then(Side::Asking, Act::RequestExtension).then(Side::Asked, longer);
    }
    if request_type::takes(kind, &Act::Mla { step: MlaStep::Sent, carried_by: None }) {
        life.then(Side::Asking, Act::Mla { step: MlaStep::Sent, carried_by: None })
            .then(Side::Asked, Act::Mla { step: MlaStep::Received, carried_by: None })
            .then(Side::Asked, Act::Mla { step: MlaStep::Decided, carried_by: None });
    }
    life.then(Side::Asking, Act::Close);
    life
}

#[test]
fn each_type_lives_its_whole_life() {
    let mut lives: Vec<(String, Vec<&str>)> = Vec::new();
    for kind in RequestType::ALL {
        let life = whole_life(*kind);
        let settled = life.world.state.request(life.id).unwrap().settled;
        assert!(settled.is_some(), "{kind} is over");
        let trail = life.stages.join("\n  ");
        match lives.iter_mut().find(|(known, _)| *known == trail) {
            Some((_, kinds)) => kinds.push(kind.as_str()),
            None => lives.push((trail, vec![kind.as_str()])),
        }
    }
    let draw = |(trail, kinds): &(String, Vec<&str>)| format!("{}\n  {trail}", kinds.join("\n"));
    let drawn: Vec<String> = lives.iter().map(draw).collect();
    let drawn = drawn.join("\n\n");
    approve(&drawn, LIVES);
}

/// Refused, not competent, unable, no data, not answered: each ends each type that asks for an
/// answer, and makes no sense on another.
#[test]
fn each_type_can_end_without_success() {
    for kind in RequestType::ALL {
        for outcome in [Outcome::Refused, Outcome::NotCompetent, Outcome::UnableToExecute] {
            let mut life = Life::of(*kind);
            life.acknowledged();
            if request_type::expects(*kind) == Expects::Answer {
                life.then(Side::Asked, determine(outcome));
                assert_eq!(life.refused(Side::Asked, determine(Outcome::Accepted)), "R-306");
                life.then(Side::Asking, Act::Close);
            } else {
                assert_eq!(life.refused(Side::Asked, determine(outcome)), "R-243", "{kind}");
            }
        }
        let mut life = Life::of(*kind);
        life.acknowledged();
        let nothing = execute(*kind, Extent::NoDataHeld, life.world.now);
        if request_type::expects(*kind) == Expects::Answer {
            life.then(Side::Asked, nothing).then(Side::Asked, Act::Close);
        } else {
            assert_eq!(life.refused(Side::Asked, nothing), "R-243", "{kind}");
        }
        let mut life = Life::of(*kind);
        let soon = life.soon();
        life.then(Side::Asked, acknowledge(WillAnswer::No, soon)).then(Side::Asked, Act::Close);
    }
}

#[test]
fn each_type_can_be_withdrawn() {
    for kind in RequestType::ALL {
        let mut life = Life::of(*kind);
        life.acknowledged().then(Side::Asking, Act::Withdraw).then(Side::Asked, Act::Close);
        let request = life.world.state.request(life.id).unwrap();
        assert_eq!(request.handling.as_str(), "WITHDRAWN", "{kind}");
    }
}

/// Information that was not asked for needs no acknowledgement; everything else does.
#[test]
fn only_what_expects_nothing_is_closed_unacknowledged() {
    for kind in RequestType::ALL {
        let mut life = Life::of(*kind);
        if request_type::expects(*kind) == Expects::Nothing {
            life.then(Side::Asked, Act::Close);
        } else {
            assert_eq!(life.refused(Side::Asked, Act::Close), "R-309", "{kind}");
        }
    }
}

/// Data that a type does not preserve cannot be said to be, nor be preserved for longer.
#[test]
fn only_a_type_with_a_measure_preserves() {
    for kind in RequestType::ALL.iter().filter(|kind| !request_type::has_measure(**kind)) {
        let mut life = Life::of(*kind);
        life.acknowledged();
        assert_eq!(life.refused(Side::Asking, Act::RequestExtension), "R-209", "{kind}");
        let preserved_until = life.soon();
        assert_eq!(life.refused(Side::Asked, Act::Extend { preserved_until }), "R-209", "{kind}");
        if request_type::expects(*kind) == Expects::Answer {
            life.then(Side::Asked, determine(Outcome::Accepted));
            let preserved_until = Some(life.soon());
            let act =
                Act::Execute { extent: Extent::Executed, preserved_until, mla_demanded: false };
            assert_eq!(life.refused(Side::Asked, act), "R-209", "{kind}");
        }
        if !request_type::takes(*kind, &Act::Mla { step: MlaStep::Sent, carried_by: None }) {
            let code =
                life.refused(Side::Asking, Act::Mla { step: MlaStep::Sent, carried_by: None });
            assert_eq!(code, "R-243", "{kind}");
        }
    }
}

/// A preservation lasts sixty days; what extends one adds what the requested law allows.
#[test]
fn an_extension_may_be_shorter_than_a_preservation() {
    for (kind, code) in
        [(RequestType::Preservation, Some("R-212")), (RequestType::PreservationExtension, None)]
    {
        let mut life = Life::of(kind);
        life.acknowledged().then(Side::Asked, determine(Outcome::Accepted));
        let preserved_until = Some(life.world.now.plus_ms(30 * DAY_MS));
        let act = Act::Execute { extent: Extent::Executed, preserved_until, mla_demanded: false };
        let said = life.world.does(life.id, Side::Asked, act).err().map(|no| no.code());
        assert_eq!(said, code, "{kind}");
    }
}

/// Urgency, basis, test and parent: each no of a new request, for each type.
#[test]
fn each_type_is_refused_with_what_it_does_not_allow() {
    let instruments = [Instrument::Budapest, Instrument::SapCets224, Instrument::G72417];
    for kind in RequestType::ALL {
        let mut world = World::founded();
        let good = usual(&mut world, *kind);
        let mut said = |facts: RequestFacts| {
            let statement = world.statement("NL/cyber", "RO/cyber", Act::Request(facts));
            world.submit(&statement).err().map(|no| no.code())
        };
        assert_eq!(said(good.clone()), None, "{kind}");
        for urgency in Urgency::ALL {
            let may = request_type::urgencies(*kind).contains(urgency);
            let code = said(RequestFacts { urgency: *urgency, ..good.clone() });
            assert_eq!(code, (!may).then_some("R-240"), "{kind} {urgency}");
        }
        for instrument in &instruments {
            let may = request_type::allows(*kind, instrument);
            let code = said(RequestFacts { instrument: instrument.clone(), ..good.clone() });
            assert_eq!(code, (!may).then_some("R-202"), "{kind} {instrument}");
        }
        let emergency = good.urgency == Urgency::Emergency;
        // What follows from a real request is neither a test nor an exercise.
        let kept = good.parent.is_some().then_some("R-255");
        let code = said(RequestFacts { test: true, ..good.clone() });
        assert_eq!(code, emergency.then_some("R-203").or(kept), "{kind}");
        assert_eq!(said(RequestFacts { exercise: true, ..good.clone() }), kept, "{kind}");
        let orphan = said(RequestFacts { parent: None, ..good });
        let needed = request_type::needs_parent(*kind);
        assert_eq!(orphan, needed.then_some("R-241"), "{kind}");
    }
}

/// A parent must be of a type that the child follows from.
#[test]
fn a_child_follows_from_what_it_may() {
    for parent_kind in RequestType::ALL {
        let mut world = World::founded();
        let facts_of_parent = usual(&mut world, *parent_kind);
        let parent = Some(world.request("NL/cyber", "RO/cyber", facts_of_parent));
        for kind in RequestType::ALL {
            let child = RequestFacts { parent, ..usual(&mut world, *kind) };
            let statement = world.statement("NL/cyber", "RO/cyber", Act::Request(child));
            let said = world.submit(&statement).err().map(|no| no.code());
            let may = request_type::follows(*kind, *parent_kind);
            assert_eq!(said, (!may).then_some("R-242"), "{kind} from {parent_kind}");
        }
    }
}

// -- between two real desks

/// What `detente desk show --json` says about the request, once it says `word`.
async fn shown(lab: &Lab, member: &str, id: &str, word: &str) -> String {
    let mut last = String::new();
    let started = std::time::Instant::now();
    while started.elapsed() < net::PATIENCE {
        last = lab.ok(member, &["show", id]).await.to_string();
        if last.contains(word) {
            return last;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{member} waited in vain for {word} of {id}: {last}");
}

/// Sends a request of a type with every field of its form filled in.
async fn send(lab: &Lab, kind: RequestType, parent: Option<&str>) -> String {
    let form = lab.dev.path().join(format!("{kind}.toml"));
    std::fs::write(&form, sample(kind)).unwrap();
    let (basis, form) = (instrument(kind).to_string(), form.to_str().unwrap().to_owned());
    let mut arguments = vec!["send", "--to", "RO/cyber", "--type", kind.as_str()];
    arguments.extend(["--instrument", basis.as_str(), "--form", form.as_str()]);
    arguments.extend(parent.into_iter().flat_map(|parent| ["--parent", parent]));
    let sent = lab.ok("NL", &arguments).await;
    sent["request_id"].as_str().unwrap().to_owned()
}

/// Answers it with everything that its type can bring.
async fn answer(lab: &Lab, kind: RequestType, id: &str) {
    lab.ok("RO", &["determine", id, "--outcome", "accepted"]).await;
    let form = lab.dev.path().join(format!("{kind}-answer.toml"));
    // A preservation takes effect now, wherever the test's clock is.
    let now = net::now().to_string();
    let text = sample_answer(kind).replace("2026-11-23T10:00:00+01:00", &now);
    std::fs::write(&form, text).unwrap();
    let mut arguments = vec!["executed", id, "--form", form.to_str().unwrap()];
    if kind == RequestType::PreservationExtension {
        arguments.extend(["--until", "2099-03-31"]);
    }
    let said = lab.ok("RO", &arguments).await;
    if said["state"] == "WAITING" {
        second(lab, id, said["message_id"].as_str().unwrap()).await;
    }
}

/// The second officer sees what waits, reads it and approves it.
async fn second(lab: &Lab, id: &str, message: &str) {
    let list = lab.ok("RO", &["approvals"]).await;
    assert_eq!(list["approvals"][0]["message_id"], message);
    assert_eq!(list["approvals"][0]["request_id"], id);
    assert!(list["approvals"][0]["form"].is_null(), "{list}");
    let read = lab.ok("RO", &["approvals", &message[..8], "--officer", "chief"]).await;
    assert!(!read["form"]["execution"].is_null(), "{read}");
    lab.refused("RO", &["approve", &message[..8]], 4, "R-119", "duty").await;
    let done = lab.ok("RO", &["approve", &id[..8], "--officer", "chief"]).await;
    assert_eq!(done["state"], "RECORDED");
    let repeated = lab.ok("RO", &["approve", message, "--officer", "chief"]).await;
    assert_eq!(repeated["index"], done["index"]);
}

/// What is read at the requesting desk in the end, and stands nowhere else.
const fn told(kind: RequestType) -> &'static str {
    match kind {
        RequestType::Preservation | RequestType::PreservationExtension => "The user may be told.",
        RequestType::PartialTrafficDisclosure => "\"path\":[{\"provider\"",
        RequestType::SubscriberInfo
        | RequestType::StoredDataMla
        | RequestType::EmergencyDisclosure
        | RequestType::EmergencyMla => "cust-42",
        RequestType::TechnicalAdvice
        | RequestType::LegalInformation
        | RequestType::IctIncidentClarification => "Logs are kept for a year.",
        RequestType::LocateSuspect => "Constanta, a hotel",
        RequestType::StopPayment => "39000000.00",
        RequestType::SpontaneousInformation | RequestType::CommCheck => {
            "\"answer_form\":\"letter\""
        }
    }
}

/// Every type between two desks with their agents and the relay: sent by form, acknowledged,
/// determined, carried out by form, read at the other side, closed.
#[tokio::test(flavor = "multi_thread")]
async fn each_type_goes_from_desk_to_desk_and_back() {
    let lab = Lab::new().await;
    let mut preserved: Option<String> = None;
    for kind in RequestType::ALL {
        let parent = preserved.as_deref().filter(|_| request_type::needs_parent(*kind));
        let id = send(&lab, *kind, parent).await;
        if *kind == RequestType::Preservation {
            preserved = Some(id.clone());
        }
        lab.arrived("RO", &id, "NEW").await;
        shown(&lab, "RO", &id, "National Cyber Police").await;
        let ack = ["ack", &id, "--will", "yes", "--form", "letter", "--by", "+8h"];
        lab.ok("RO", &ack).await;
        let last = if request_type::expects(*kind) == Expects::Answer {
            answer(&lab, *kind, &id).await;
            "EXECUTED"
        } else {
            "ACKNOWLEDGED"
        };
        lab.arrived("NL", &id, last).await;
        shown(&lab, "NL", &id, told(*kind)).await;
        lab.ok("NL", &["close", &id]).await;
        shown(&lab, "NL", &id, "\"handling\":\"CLOSED\"").await;
    }
    lab.stop().await;
}

/// A ground that the type does not know is refused at the desk, by its field.
#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_ground_and_a_foreign_act_are_refused_at_the_desk() {
    let lab = Lab::new().await;
    let id = send(&lab, RequestType::Preservation, None).await;
    lab.arrived("RO", &id, "NEW").await;
    lab.ok("RO", &["ack", &id, "--will", "yes", "--form", "letter", "--by", "+8h"]).await;
    let mut refuse = vec!["determine", &id, "--outcome", "refused", "--reasons", "Because."];
    refuse.extend(["--ground", "APPLICABLE_TREATY"]);
    lab.refused("RO", &refuse, 2, "E-101", "refusal_ground").await;
    let check = send(&lab, RequestType::CommCheck, None).await;
    lab.arrived("RO", &check, "NEW").await;
    lab.ok("RO", &["ack", &check, "--will", "yes", "--form", "this", "--by", "+1h"]).await;
    lab.refused("RO", &["determine", &check, "--outcome", "accepted"], 4, "R-243", "COMM").await;
    lab.stop().await;
}

const LIVES: &str = r"
PRESERVATION
PRESERVATION_EXTENSION
  NEW/MLA_INTENDED
  ACKNOWLEDGED/MLA_INTENDED
  ACKNOWLEDGED/MLA_INTENDED
  CLARIFICATION_REQUESTED/MLA_INTENDED
  CLARIFICATION_PROVIDED/MLA_INTENDED
  DETERMINED/MLA_INTENDED
  DETERMINED/MLA_INTENDED
  EXECUTED/PRESERVED/MLA_INTENDED
  EXECUTED/EXTENSION_REQUESTED/MLA_INTENDED
  EXECUTED/PRESERVED/MLA_INTENDED
  EXECUTED/PRESERVED/MLA_SENT
  EXECUTED/HELD_FOR_MLA/MLA_RECEIVED
  EXECUTED/RELEASED/MLA_DECIDED
  CLOSED/RELEASED/MLA_DECIDED

TECHNICAL_ADVICE
LEGAL_INFORMATION
PARTIAL_TRAFFIC_DISCLOSURE
SUBSCRIBER_INFO
STORED_DATA_MLA
EMERGENCY_MLA
LOCATE_SUSPECT
STOP_PAYMENT
ICT_INCIDENT_CLARIFICATION
  NEW
  ACKNOWLEDGED
  ACKNOWLEDGED
  CLARIFICATION_REQUESTED
  CLARIFICATION_PROVIDED
  DETERMINED
  DETERMINED
  EXECUTED
  CLOSED

EMERGENCY_DISCLOSURE
  NEW/MLA_IF_REQUIRED
  ACKNOWLEDGED/MLA_IF_REQUIRED
  ACKNOWLEDGED/MLA_IF_REQUIRED
  CLARIFICATION_REQUESTED/MLA_IF_REQUIRED
  CLARIFICATION_PROVIDED/MLA_IF_REQUIRED
  DETERMINED/MLA_IF_REQUIRED
  DETERMINED/MLA_IF_REQUIRED
  EXECUTED/MLA_IF_REQUIRED
  EXECUTED/MLA_SENT
  EXECUTED/MLA_RECEIVED
  EXECUTED/MLA_DECIDED
  CLOSED/MLA_DECIDED

SPONTANEOUS_INFORMATION
COMM_CHECK
  NEW
  ACKNOWLEDGED
  CLOSED
";
