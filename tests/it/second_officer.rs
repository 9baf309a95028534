//! Two officers behind every disclosure: what calls for a second one, who may be it, and a lone one
//! who says why.
//!
//! Not for what goes over the wire (see `second_officer_wire.rs`).

use std::path::Path;

use detente::envelope::words::{Extent, Outcome, RequestType, Urgency, WillAnswer};
use detente::envelope::{Act, Approval};
use detente::grpc::Failure;
use detente::grpc::counter::{api, form};
use detente::grpc::officer::Said;
use detente::rules::request_type;
use detente::testkit::{self, Desk, Network};
use detente::units::{DAY_MS, HOUR_MS, Hash, RequestId, Timestamp};

use crate::moves::approve;
use crate::request_forms::{execute, instrument};
use crate::rules_fixture::{
    START, Side, World, acknowledge, approved_by, desk, determine, facts, name,
};

fn extents() -> [(&'static str, Act); 4] {
    let execute = |extent| Act::Execute { extent, preserved_until: None, mla_demanded: false };
    [
        ("EXECUTED", execute(Extent::Executed)),
        ("IN_PART", execute(Extent::ExecutedInPart)),
        ("NO_DATA_HELD", execute(Extent::NoDataHeld)),
        ("DISCLOSE", Act::DiscloseTraffic),
    ]
}

/// Which act on which type hands data over. A new type changes the picture, and the picture must be
/// approved.
#[test]
fn what_calls_for_a_second_officer() {
    let mut drawn = format!("{:26}", "");
    for (column, _) in extents() {
        drawn.push_str(&format!("  {column:12}"));
    }
    for kind in RequestType::ALL {
        drawn = format!("{}\n{:26}", drawn.trim_end(), kind.as_str());
        for (_, act) in extents() {
            let two = if request_type::discloses(*kind, &act) { "two" } else { "-" };
            drawn.push_str(&format!("  {two:12}"));
        }
    }
    approve(drawn.trim_end(), DISCLOSURES);
}

/// A request that waits for its data to be handed over, and the act that does it.
fn accepted(kind: RequestType) -> (World, RequestId, Act) {
    let mut world = World::founded();
    world.wait(HOUR_MS);
    let parent = request_type::needs_parent(kind).then(|| {
        let preservation = facts(RequestType::Preservation, Urgency::Expedited);
        world.request("NL/cyber", "RO/cyber", preservation)
    });
    let facts = detente::envelope::RequestFacts {
        instrument: instrument(kind),
        parent,
        ..facts(kind, request_type::default_urgency(kind))
    };
    let id = world.request("NL/cyber", "RO/cyber", facts);
    let soon = world.now.plus_ms(DAY_MS);
    world.does(id, Side::Asked, acknowledge(WillAnswer::Yes, soon)).unwrap();
    world.does(id, Side::Asked, determine(Outcome::Accepted)).unwrap();
    let act = execute(kind, Extent::Executed, world.now);
    (world, id, act)
}

/// Who stands behind it, and what the rules say to that.
#[test]
fn who_may_be_the_second_officer() {
    let ro = desk("RO/cyber");
    let other_key = |officer: &str| match approved_by(&ro, officer) {
        Approval::By { officer, .. } => Approval::By { officer, key: Hash([7; 32]) },
        Approval::None | Approval::Alone => unreachable!(),
    };
    let table = [
        ("nobody", Approval::None, Some("R-118")),
        ("nobody, and says so", Approval::Alone, None),
        ("the chief", approved_by(&ro, "chief"), None),
        ("the one who signs", approved_by(&ro, "duty"), Some("R-119")),
        ("one without the role", approved_by(&ro, "asker"), Some("R-112")),
        ("one whose key is no longer valid", approved_by(&ro, "gone"), Some("R-111")),
        ("one whom nobody knows", approved_by(&ro, "ghost"), Some("R-109")),
        ("the chief, with another key", other_key("chief"), Some("R-110")),
        ("the chief of the other nation", approved_by(&desk("NL/cyber"), "chief"), Some("R-110")),
    ];
    for kind in RequestType::ALL {
        let disclosing = request_type::discloses(*kind, &extents()[0].1);
        if !disclosing {
            continue;
        }
        for (who, approval, code) in &table {
            let (mut world, id, act) = accepted(*kind);
            let mut statement = world.act(id, Side::Asked, act);
            statement.approval = approval.clone();
            let said = world.submit(&statement).err();
            assert_eq!(said.map(|no| no.code()), *code, "{kind}: {who}");
        }
    }
    // The signer's own key under another name is the signer's.
    let (mut world, id, act) = accepted(RequestType::SubscriberInfo);
    let mut statement = world.act(id, Side::Asked, act);
    statement.approval = Approval::By { officer: name("chief"), key: statement.signer_key };
    assert_eq!(world.submit(&statement).unwrap_err().code(), "R-119");
}

/// Sending, delivering, acknowledging and whatever else hands nothing over takes no approval.
#[test]
fn nothing_else_waits() {
    let (mut world, id, _) = accepted(RequestType::TechnicalAdvice);
    let soon = world.now.plus_ms(DAY_MS);
    let acts = [
        (Side::Asked, Act::ReviseEstimate { estimated_at: soon }),
        (Side::Asked, Act::RequestClarification),
        (Side::Asked, execute(RequestType::TechnicalAdvice, Extent::Executed, START)),
        (Side::Asking, Act::Withdraw),
    ];
    for (by, act) in acts {
        for approval in [approved_by(&desk("RO/cyber"), "chief"), Approval::Alone] {
            let mut statement = world.act(id, by, act.clone());
            if by == Side::Asking && approval != Approval::Alone {
                statement.approval = approved_by(&desk("NL/cyber"), "chief");
            } else {
                statement.approval = approval;
            }
            assert_eq!(world.submit(&statement).unwrap_err().code(), "R-261", "{}", act.name());
        }
    }
    let request = facts(RequestType::Preservation, Urgency::Expedited);
    let mut statement = world.statement("NL/cyber", "RO/cyber", Act::Request(request));
    statement.approval = approved_by(&desk("NL/cyber"), "chief");
    assert_eq!(world.submit(&statement).unwrap_err().code(), "R-261");
    let (mut world, id, _) = accepted(RequestType::EmergencyDisclosure);
    let nothing = execute(RequestType::EmergencyDisclosure, Extent::NoDataHeld, START);
    world.does(id, Side::Asked, nothing).unwrap();
}

// -- between desks

const ANSWER: &[(&str, &str)] = &[
    ("disclosed[0].description", "The last address of the account: 203.0.113.9"),
    ("disclosed[0].categories", "TRAFFIC"),
    ("disclosed[0].reference", "RO-EX-1"),
];

fn monday() -> Timestamp {
    "2026-03-02T08:00:00Z".parse().unwrap()
}

async fn network() -> Network {
    Network::of(&["NL", "RO"]).starting_at(monday()).start().await.unwrap()
}

/// A request for data that the desk RO has accepted.
async fn asked(network: &Network, exercise: bool) -> RequestId {
    let (nl, ro) = (network.desk("NL").unwrap(), network.desk("RO").unwrap());
    let request =
        testkit::request("RO/cyber", "EMERGENCY_DISCLOSURE", "SAP_CETS224", "EMERGENCY", &[]);
    let request = api::SendRequestRequest { exercise, ..request.unwrap() };
    let id = nl.duty().send(request).await.unwrap().request;
    ro.duty().wait_for_stage(id, "NEW").await.unwrap();
    let by = network.now().plus_ms(HOUR_MS);
    ro.duty().acknowledge(id, WillAnswer::Yes, "data", by).await.unwrap();
    ro.duty().determine(id, Outcome::Accepted, form::DeterminationForm::default()).await.unwrap();
    nl.duty().wait_for_stage(id, "DETERMINED").await.unwrap();
    id
}

/// The answer, with these fields too.
fn answer(more: &[(&str, &str)]) -> form::ExecutionForm {
    let kind = RequestType::EmergencyDisclosure;
    let facts = facts(kind, Urgency::Emergency);
    let fields = [ANSWER, more].concat();
    let act = execute(kind, Extent::Executed, START);
    let body = testkit::fill(&act, &facts, monday(), &fields).unwrap();
    match body.form {
        Some(form::body::Form::Execution(form)) => form,
        other => panic!("{other:?}"),
    }
}

async fn hands_over(ro: &Desk, id: RequestId, by: &str) -> Result<Said, Failure> {
    ro.officer(by).execute(id, Extent::Executed, answer(&[])).await
}

fn entry<'a>(case: &'a api::Case, what: &str) -> &'a api::CaseEntry {
    case.entries.iter().find(|entry| entry.what == what).unwrap_or_else(|| panic!("{case:?}"))
}

/// The first officer prepares, the agent restarts, the second one reads, approves, and both signed.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_officer_approves_after_a_restart_of_the_agent() {
    let mut network = network().await;
    let id = asked(&network, false).await;
    let ro = network.desk("RO").unwrap();
    let said = hands_over(&ro, id, "duty").await.unwrap();
    assert!(said.waits && said.recorded.is_none());
    let case = ro.duty().look(id).await.unwrap();
    assert_eq!(case.handling, "DETERMINED");
    assert_eq!(case.to_do, ["APPROVE"]);
    assert!(entry(&case, "HELD_FOR_APPROVAL").own);
    network.settle().await.unwrap();
    let nl = network.desk("NL").unwrap();
    let seen = nl.duty().look(id).await.unwrap();
    assert!(seen.entries.iter().all(|entry| entry.what != "EXECUTE"), "nothing was sent");

    network.stop_desk("RO").await.unwrap();
    network.start_desk("RO").await.unwrap();
    network.advance_ms(HOUR_MS).await.unwrap();
    let ro = network.desk("RO").unwrap();
    let waiting = ro.officer("chief").waiting().await.unwrap();
    let [one] = waiting.as_slice() else { panic!("{waiting:?}") };
    assert_eq!((one.officer.as_str(), one.what.as_str()), ("duty", "EXECUTE"));
    assert_eq!(one.approvers, ["chief"]);
    assert_eq!(one.message_id, said.message.0);
    assert_eq!(ro.duty().status().await.unwrap().waiting_approvals, 1);
    let (officer, message_id) = ("chief".to_owned(), said.message.0.to_vec());
    let mut counter = ro.counter();
    let shown = counter.get_approval(api::GetApprovalRequest { officer, message_id });
    let shown = shown.await.unwrap().into_inner().approval.unwrap();
    let body = format!("{:?}", shown.body.unwrap());
    assert!(body.contains("203.0.113.9"), "{body}");

    let own = ro.duty().approve(said.message).await.unwrap_err();
    assert_eq!(own.rule_code, "R-119", "{own}");
    let done = ro.officer("chief").approve(said.message).await.unwrap();
    assert_eq!((done.message, done.waits, done.recorded.is_some()), (said.message, false, true));
    let again = ro.officer("chief").approve(said.message).await.unwrap();
    assert_eq!(again.recorded, done.recorded, "asked twice, said once");
    network.settle().await.unwrap();
    for desk in [&nl, &ro] {
        let case = desk.duty().read(id).await.unwrap();
        let told = entry(&case, "EXECUTE");
        let by = (told.officer.as_str(), told.approved_by.as_str(), told.alone);
        assert_eq!(by, ("duty", "chief", false));
        assert!(told.sealed.is_empty() && told.body.is_some(), "{told:?}");
        assert_eq!(case.handling, "EXECUTED");
    }
    let status = ro.duty().status().await.unwrap();
    assert_eq!((status.waiting_approvals, status.lone_officer_disclosures), (0, 0));
    assert_eq!(ro.officer("chief").waiting().await.unwrap(), []);
    network.stop().await.unwrap();
}

/// What is declined, or taken back, is never sent; the first officer reads why.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_officer_declines_with_a_reason() {
    let mut network = network().await;
    let id = asked(&network, false).await;
    let ro = network.desk("RO").unwrap();
    let said = hands_over(&ro, id, "duty").await.unwrap();
    let chief = ro.officer("chief");
    assert_eq!(chief.decline(said.message, " ").await.unwrap_err().rule_code, "E-101");
    chief.decline(said.message, "that is another account").await.unwrap();
    for (what, refused) in [
        ("approve", chief.approve(said.message).await.unwrap_err()),
        ("decline", chief.decline(said.message, "again").await.unwrap_err()),
    ] {
        assert_eq!(refused.rule_code, "D-113", "{what}");
        assert!(refused.cause.contains("that is another account"), "{refused}");
    }
    network.stop_desk("RO").await.unwrap();
    network.start_desk("RO").await.unwrap();
    let ro = network.desk("RO").unwrap();
    let case = ro.duty().look(id).await.unwrap();
    let declined = entry(&case, "DECLINED");
    assert_eq!((declined.officer.as_str(), declined.own), ("chief", true));
    assert!(declined.facts.contains("that is another account"));
    assert!(case.to_do.is_empty(), "{:?}", case.to_do);
    // The same order under the same id says what became of it; a new one is a new one.
    let body = Some(form::Body { form: Some(form::body::Form::Execution(answer(&[]))) });
    let repeat = api::ActRequest {
        request_id: id.0.to_vec(),
        act: Some(api::act_request::Act::Execute("EXECUTED".to_owned())),
        message_id: said.message.0.to_vec(),
        body,
        ..api::ActRequest::default()
    };
    assert_eq!(ro.duty().act(repeat).await.unwrap_err().rule_code, "D-113");
    let second = hands_over(&ro, id, "duty").await.unwrap();
    ro.duty().decline(second.message, "taken back").await.unwrap();
    let third = hands_over(&ro, id, "chief").await;
    assert_eq!(third.unwrap_err().rule_code, "D-110", "nobody but the chief has the role");
    let ghost = ro.officer("chief").approve(detente::units::MessageId([9; 16])).await;
    assert_eq!(ghost.unwrap_err().rule_code, "D-112");
    network.settle().await.unwrap();
    let seen = network.desk("NL").unwrap().duty().look(id).await.unwrap();
    let told = |what: &str| seen.entries.iter().any(|entry| entry.what == what);
    assert!(!told("EXECUTE") && !told("DECLINED") && !told("HELD_FOR_APPROVAL"));
    network.stop().await.unwrap();
}

/// What no longer stands when the second officer comes is refused then, as anything else would be.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_withdrawn_meanwhile_is_not_handed_over() {
    let network = network().await;
    let id = asked(&network, false).await;
    let (nl, ro) = (network.desk("NL").unwrap(), network.desk("RO").unwrap());
    let said = hands_over(&ro, id, "duty").await.unwrap();
    let reason = form::body::Form::Reason(form::ReasonForm::default());
    nl.duty().say(id, Act::Withdraw, reason).await.unwrap();
    network.settle().await.unwrap();
    let refused = ro.officer("chief").approve(said.message).await.unwrap_err();
    assert_eq!(refused.rule_code, "R-310", "{refused}");
    ro.officer("chief").decline(said.message, "withdrawn").await.unwrap();
    network.stop().await.unwrap();
}

/// A lone officer goes on at once, says why, and is counted: at his own desk alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_lone_officer_says_why_and_is_counted() {
    let mut network = network().await;
    let reason = [("lone_officer_reason", "Sunday night; the chief cannot be reached")];
    for (exercise, counted) in [(false, 1), (true, 1), (false, 2)] {
        let id = asked(&network, exercise).await;
        let (nl, ro) = (network.desk("NL").unwrap(), network.desk("RO").unwrap());
        let said = ro.duty().execute(id, Extent::Executed, answer(&reason)).await.unwrap();
        assert!(!said.waits && said.recorded.is_some());
        network.settle().await.unwrap();
        for desk in [&nl, &ro] {
            let case = desk.duty().read(id).await.unwrap();
            let told = entry(&case, "EXECUTE");
            assert!(told.alone && told.approved_by.is_empty(), "{told:?}");
            let body = format!("{:?}", told.body.as_ref().unwrap());
            assert!(body.contains("the chief cannot be reached"), "{body}");
        }
        let status = ro.duty().status().await.unwrap();
        assert_eq!(status.lone_officer_disclosures, counted, "exercise: {exercise}");
        assert_eq!(nl.duty().status().await.unwrap().lone_officer_disclosures, 0);
    }
    network.stop_desk("RO").await.unwrap();
    network.start_desk("RO").await.unwrap();
    let ro = network.desk("RO").unwrap();
    assert_eq!(ro.duty().status().await.unwrap().lone_officer_disclosures, 2);
    let mut registry = detente::telemetry::registry("test");
    let figures = detente::telemetry::DeskFigures { desk: ro.handle().clone() };
    registry.register_collector(Box::new(figures));
    let mut page = String::new();
    prometheus_client::encoding::text::encode(&mut page, &registry).unwrap();
    assert!(page.contains("detente_desk_lone_officer_disclosures_total 2"), "{page}");
    // Nothing of it in what the relay keeps: the reason is sealed.
    let kept = files(network.directory());
    assert!(kept.iter().any(|file| holds(file, b"cyber")), "nothing was looked through");
    assert!(kept.iter().all(|file| !holds(file, b"cannot be reached")));
    network.stop().await.unwrap();
}

/// The reason belongs to what hands data over, and to nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn a_reason_stands_only_where_it_belongs() {
    let network = network().await;
    let (nl, ro) = (network.desk("NL").unwrap(), network.desk("RO").unwrap());
    let request = testkit::request("RO/cyber", "TECHNICAL_ADVICE", "BUDAPEST", "ROUTINE", &[]);
    let id = nl.duty().send(request.unwrap()).await.unwrap().request;
    ro.duty().wait_for_stage(id, "NEW").await.unwrap();
    let by = network.now().plus_ms(HOUR_MS);
    ro.duty().acknowledge(id, WillAnswer::Yes, "letter", by).await.unwrap();
    ro.duty().determine(id, Outcome::Accepted, form::DeterminationForm::default()).await.unwrap();
    let text = |text: &str| Some(form::Text { text: text.to_owned(), language: String::new() });
    let form = form::ExecutionForm { answer: text("None."), ..Default::default() };
    let odd = form::ExecutionForm { lone_officer_reason: text("alone"), ..form.clone() };
    let refused = ro.duty().execute(id, Extent::Executed, odd).await.unwrap_err();
    assert_eq!(refused.rule_code, "E-101");
    assert_eq!(refused.fields[0].0, "lone_officer_reason");
    let said = ro.duty().execute(id, Extent::Executed, form).await.unwrap();
    assert!(!said.waits && said.recorded.is_some(), "advice never waits");
    network.stop().await.unwrap();
}

/// A path that is disclosed beside a preservation waits as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_partial_disclosure_waits_for_the_second_officer() {
    let network = network().await;
    let (nl, ro) = (network.desk("NL").unwrap(), network.desk("RO").unwrap());
    let request = testkit::request("RO/cyber", "PRESERVATION", "BUDAPEST", "URGENT", &[]);
    let id = nl.duty().send(request.unwrap()).await.unwrap().request;
    ro.duty().wait_for_stage(id, "NEW").await.unwrap();
    let by = network.now().plus_ms(HOUR_MS);
    ro.duty().acknowledge(id, WillAnswer::Yes, "letter", by).await.unwrap();
    ro.duty().determine(id, Outcome::Accepted, form::DeterminationForm::default()).await.unwrap();
    let effective_from = network.now().to_string();
    let frozen = form::ExecutionForm { effective_from, ..Default::default() };
    let said = ro.duty().execute(id, Extent::Executed, frozen).await.unwrap();
    assert!(!said.waits, "a freeze hands nothing over");
    let path = form::Text { text: "198.51.100.23 to the mail server".into(), ..Default::default() };
    let form = form::body::Form::TrafficDisclosure(form::TrafficDisclosureForm {
        provider: "Example Mail".to_owned(),
        state: "US".to_owned(),
        path: Some(path),
        ..Default::default()
    });
    let said = ro.duty().say(id, Act::DiscloseTraffic, form).await.unwrap();
    assert!(said.waits);
    ro.officer("chief").approve(said.message).await.unwrap();
    network.settle().await.unwrap();
    let case = nl.duty().read(id).await.unwrap();
    assert_eq!(entry(&case, "DISCLOSE_TRAFFIC").approved_by, "chief");
    network.stop().await.unwrap();
}

/// Whether a request for mutual assistance must follow is said twice; both desks are told when the
/// two do not fit together.
#[tokio::test(flavor = "multi_thread")]
async fn a_demand_that_contradicts_the_determination_is_remarked() {
    let network = network().await;
    let (nl, ro) = (network.desk("NL").unwrap(), network.desk("RO").unwrap());
    let none = [(false, false), (true, true)];
    for (required, demanded) in none.into_iter().chain([(true, false), (false, true)]) {
        let request =
            testkit::request("RO/cyber", "EMERGENCY_DISCLOSURE", "SAP_CETS224", "EMERGENCY", &[]);
        let id = nl.duty().send(request.unwrap()).await.unwrap().request;
        ro.duty().wait_for_stage(id, "NEW").await.unwrap();
        let by = network.now().plus_ms(HOUR_MS);
        ro.duty().acknowledge(id, WillAnswer::Yes, "data", by).await.unwrap();
        let day = if required { "2026-05-31" } else { "" };
        let form = form::DeterminationForm {
            mla_required: required,
            mla_required_by: day.to_owned(),
            ..Default::default()
        };
        ro.duty().determine(id, Outcome::Accepted, form).await.unwrap();
        let act = Act::Execute {
            extent: Extent::Executed,
            preserved_until: None,
            mla_demanded: demanded,
        };
        let form = form::body::Form::Execution(answer(&[]));
        let said = ro.duty().say(id, act, form).await.unwrap();
        ro.officer("chief").approve(said.message).await.unwrap();
        network.settle().await.unwrap();
        for desk in [&nl, &ro] {
            assert!(desk.duty().look(id).await.unwrap().remarks.is_empty(), "nothing is opened");
            let remarks = desk.duty().read(id).await.unwrap().remarks;
            let clear = remarks.iter().all(|remark| remark.contains("ask which holds"));
            assert_eq!(remarks.len(), usize::from(required != demanded), "{remarks:?}");
            assert!(clear && (!required || demanded || remarks[0].contains(day)), "{remarks:?}");
        }
    }
    network.stop().await.unwrap();
}

/// Every file under a directory.
fn files(at: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(at).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found
}

fn holds(file: &Path, what: &[u8]) -> bool {
    std::fs::read(file).is_ok_and(|bytes| bytes.windows(what.len()).any(|at| at == what))
}

const DISCLOSURES: &str = r"
                            EXECUTED      IN_PART       NO_DATA_HELD  DISCLOSE
PRESERVATION                -             -             -             two
TECHNICAL_ADVICE            -             -             -             -
LEGAL_INFORMATION           -             -             -             -
PRESERVATION_EXTENSION      -             -             -             two
PARTIAL_TRAFFIC_DISCLOSURE  two           two           -             -
SUBSCRIBER_INFO             two           two           -             -
STORED_DATA_MLA             two           two           -             -
EMERGENCY_DISCLOSURE        two           two           -             -
EMERGENCY_MLA               two           two           -             -
SPONTANEOUS_INFORMATION     -             -             -             -
LOCATE_SUSPECT              -             -             -             -
STOP_PAYMENT                -             -             -             -
ICT_INCIDENT_CLARIFICATION  -             -             -             -
COMM_CHECK                  -             -             -             -
";
