//! What officers and their tools are shown.
//!
//! Not for forms on the screen (see `envelope::form`); they are passed through as they are.

use std::sync::Arc;

use crate::desk::witness::Standing as LogStanding;
use crate::desk::{
    Alarm, Case, CaseFile, Desk, Entry, Evidence, Form, Held, Here, OwnEntry, Progress, Refused,
    RelayEntry, Shows, Standing, Status, ToDo, Waiting,
};
use crate::envelope::{Act, Approval, Signer};
use crate::rules::measure::Measure;
use crate::rules::{Conditions, Handling, Request, UseReport, request_type};
use crate::units::{MemberId, RequestId, Timestamp};
use crate::wire::detente::desk::v1 as wire;
use crate::wire::detente::form::v1::Body;

/// What the relay gave and what proves nothing.
pub(super) fn bad_proof(evidence: Evidence) -> wire::BadProof {
    let Evidence { at, index, message, code, why, given } = evidence;
    let message_id = message.map(|message| message.0.to_vec()).unwrap_or_default();
    wire::BadProof { at_ms: at.0, index: index.0, message_id, code, why, given }
}

/// What a proof shows, and what of it is here.
pub(super) fn shows(shows: Shows) -> wire::ShowProofResponse {
    let Shows { from, to, number, time, leaf, here } = shows;
    let (what, index) = match here {
        Here::Came(index) => (wire::ProvenEvent::Came, Some(index.0)),
        Here::NotYet => (wire::ProvenEvent::NotYet, None),
        Here::Never => (wire::ProvenEvent::Never, None),
        Here::Other(index) => (wire::ProvenEvent::Other, Some(index.0)),
    };
    wire::ShowProofResponse {
        from: from.to_string(),
        to: to.to_string(),
        number,
        time_ms: time.0,
        leaf_index: leaf,
        here: what.into(),
        index,
    }
}

/// How far a statement has got.
pub(super) fn outcome(standing: &Standing) -> wire::StatementOutcome {
    let Standing { message, request, case, progress, notices } = standing;
    let (state, index, time_ms, refused) = match progress {
        Progress::Waiting => (wire::StatementState::Waiting, 0, 0, None),
        Progress::Queued => (wire::StatementState::Queued, 0, 0, None),
        Progress::Recorded { index, time } => {
            (wire::StatementState::Recorded, index.0, time.0, None)
        }
        Progress::Refused(refusal) => {
            (wire::StatementState::Refused, 0, 0, Some(render_refused(refusal)))
        }
    };
    wire::StatementOutcome {
        message_id: message.0.to_vec(),
        request_id: request.0.to_vec(),
        case_id: case.0.to_vec(),
        state: state.into(),
        index,
        time_ms,
        refused,
        notices: notices.clone(),
    }
}

/// A request without its history.
pub(super) fn case(file: &CaseFile, id: RequestId, case: &Case) -> wire::Case {
    let rendered = basics(file, id, case);
    let prior_conditions = case.facts.prior_conditions;
    let Some(request) = &case.request else {
        let conditions = if prior_conditions { "OFFERED" } else { Conditions::None.as_str() };
        return wire::Case {
            conditions: conditions.to_owned(),
            use_report: UseReport::None.as_str().to_owned(),
            embargo_until_ms: ms(case.facts.embargo_until),
            ..rendered
        };
    };
    let Request { grade, conditions, mla_request, aftermath, .. } = request;
    wire::Case {
        urgency: grade.urgency.to_string(),
        // For what was under embargo that is its end, for both desks.
        submitted_ms: request.submitted.0,
        regraded: grade.regraded,
        conditions: conditions.as_str().to_owned(),
        embargo_until_ms: ms(request.embargo_ends_at()),
        mla_request_id: mla_request.map(|id| id.0.to_vec()).unwrap_or_default(),
        use_report: aftermath.use_report.as_str().to_owned(),
        feedback: aftermath.feedback,
        incidents: aftermath.incidents,
        to_do: to_do(file, id, request),
        ..rendered
    }
}

fn to_do(file: &CaseFile, id: RequestId, request: &Request) -> Vec<String> {
    let waits = file.approvals().is_waiting_on(id).then_some(ToDo::Approve);
    let owed = waits.into_iter().chain(ToDo::of(request, file.owner()));
    owed.map(|to_do| to_do.as_str().to_owned()).collect()
}

/// What waits for a second officer, with its form where that is to be shown.
pub(super) fn approval(
    file: &CaseFile,
    waiting: &Waiting,
    now: Timestamp,
    body: Option<Body>,
) -> wire::Approval {
    let approvers = file.directory().approvers(file.owner(), &waiting.officer, now);
    let of = file.case(waiting.request).map(|of| case(file, waiting.request, of));
    let wire::Case { request_id, case_id, from, r#type, urgency, test, exercise, .. } =
        of.unwrap_or_default();
    wire::Approval {
        message_id: waiting.message.0.to_vec(),
        request_id,
        case_id,
        // Only what was asked for is handed over.
        to: from,
        r#type,
        urgency,
        test,
        exercise,
        officer: waiting.officer.to_string(),
        prepared_ms: waiting.at.0,
        what: what(&waiting.act).to_owned(),
        facts: facts(&waiting.act),
        approvers: approvers.iter().map(ToString::to_string).collect(),
        body,
    }
}

/// The facts of a request, and its axes.
fn basics(file: &CaseFile, id: RequestId, case: &Case) -> wire::Case {
    let first = file.statement(&case.first);
    let statement = first.map(|held| &held.statement);
    let request = case.request.as_ref();
    let handling = request.map_or(Handling::New, |request| request.handling);
    let measure = request.map_or(Measure::None, |request| request.measure);
    let follow_up =
        request.map_or(request_type::follow_up(case.facts.kind), |request| request.follow_up);
    let ours = case.from == *file.owner();
    wire::Case {
        request_id: id.0.to_vec(),
        case_id: statement.map(|statement| statement.case.0.to_vec()).unwrap_or_default(),
        direction: if ours { "out" } else { "in" }.to_owned(),
        from: case.from.to_string(),
        to: case.to.to_string(),
        r#type: case.facts.kind.to_string(),
        instrument: case.facts.instrument.to_string(),
        urgency: case.facts.urgency.to_string(),
        test: case.facts.test,
        exercise: case.facts.exercise,
        transport: first.map(|held| transport(held)).unwrap_or_default(),
        handling: handling.as_str().to_owned(),
        measure: measure.as_str().to_owned(),
        follow_up: follow_up.as_str().to_owned(),
        created_ms: statement.map_or(0, |statement| statement.created.0),
        submitted_ms: ms(case.submitted),
        acknowledged_ms: ms(case.acknowledged),
        estimated_ms: ms(case.estimated),
        preserved_until_ms: ms(preserved_until(measure)),
        stated_urgency: case.facts.urgency.to_string(),
        prior_conditions: case.facts.prior_conditions,
        parent_request_id: case.facts.parent.map(|id| id.0.to_vec()).unwrap_or_default(),
        ..wire::Case::default()
    }
}

/// True while the handling of a request is open.
pub(super) fn is_open(case: &Case) -> bool {
    case.request.as_ref().is_none_or(|request| !request.handling.is_final())
}

/// The history of a request with every form left sealed.
pub(super) fn entries(file: &CaseFile, case: &Case) -> Vec<wire::CaseEntry> {
    let mut entries: Vec<wire::CaseEntry> =
        case.entries.iter().filter_map(|of| entry(file, of)).collect();
    sort(&mut entries);
    entries
}

/// What is on record in the order of the records, and what only this desk knows where it belongs
/// by its time; then what is not on record.
pub(super) fn sort(entries: &mut [wire::CaseEntry]) {
    let pending = |entry: &wire::CaseEntry| !entry.recorded && !entry.own;
    entries.sort_by_key(|entry| (pending(entry), entry.time_ms, entry.index));
}

/// One thing that happened, with its form left sealed.
pub(super) fn entry(file: &CaseFile, entry: &Entry) -> Option<wire::CaseEntry> {
    match entry {
        Entry::Relay(entry) => Some(relay_entry(entry)),
        Entry::Own(entry) => Some(own_entry(file, entry)),
        Entry::Statement(key) => {
            let held = file.statement(key)?;
            let mut rendered = statement(held, None);
            if matches!(held.form, Form::Here(_)) {
                "not shown here: open the request to read it".clone_into(&mut rendered.sealed);
            }
            Some(rendered)
        }
    }
}

/// A statement with its form, if it is to be shown.
pub(super) fn statement(held: &Arc<Held>, body: Option<Body>) -> wire::CaseEntry {
    let statement = &held.statement;
    let (index, time) = held.recorded.map_or((0, statement.created), |(i, time)| (i.0, time));
    wire::CaseEntry {
        index,
        recorded: held.recorded.is_some(),
        time_ms: time.0,
        from: statement.from.to_string(),
        officer: match &statement.signer {
            Signer::Officer(name) => name.to_string(),
            Signer::Desk => String::new(),
        },
        what: what(&statement.act).to_owned(),
        facts: facts(&statement.act),
        message_id: statement.message.0.to_vec(),
        body,
        sealed: sealed(held),
        refused: held.refused.as_ref().map(render_refused),
        transport: if statement.act.is_machine() { String::new() } else { transport(held) },
        approved_by: match &statement.approval {
            Approval::By { officer, .. } => officer.to_string(),
            Approval::None | Approval::Alone => String::new(),
        },
        alone: statement.approval == Approval::Alone,
        own: false,
    }
}

/// Something that only this desk knows.
pub(super) fn own_entry(file: &CaseFile, entry: &Arc<OwnEntry>) -> wire::CaseEntry {
    wire::CaseEntry {
        time_ms: entry.at.0,
        from: file.owner().to_string(),
        officer: entry.officer.to_string(),
        what: entry.what.to_owned(),
        facts: entry.facts.clone(),
        message_id: entry.message.0.to_vec(),
        own: true,
        ..wire::CaseEntry::default()
    }
}

/// Something the relay recorded by itself.
pub(super) fn relay_entry(entry: &Arc<RelayEntry>) -> wire::CaseEntry {
    wire::CaseEntry {
        index: entry.index.0,
        recorded: true,
        time_ms: entry.time.0,
        what: entry.what.to_owned(),
        facts: entry.facts.clone(),
        ..wire::CaseEntry::default()
    }
}

/// The desks of the network, or of one member.
pub(super) fn contacts(file: &CaseFile, of: Option<MemberId>) -> Vec<wire::Contact> {
    let directory = file.directory();
    let ours = file.owner().member;
    let desks = directory.desks().filter(|(id, _)| of.is_none_or(|member| id.member == member));
    desks
        .filter_map(|(id, desk)| {
            let member = directory.member(id.member)?;
            let own = directory.member(ours).map(|own| own.instruments.as_slice());
            let shared = |instrument: &&crate::envelope::words::Instrument| {
                own.is_some_and(|own| own.contains(instrument))
            };
            let officers = desk.officers.iter().map(|(name, officer)| {
                let roles: Vec<&str> = officer.roles.iter().map(|role| role.as_str()).collect();
                format!("{name}: {}", roles.join(", "))
            });
            Some(wire::Contact {
                desk: id.to_string(),
                member_name: member.display_name.clone(),
                organisation: desk.organisation.clone(),
                time_zone: desk.time_zone.clone(),
                languages: desk.languages.clone(),
                instruments: member.instruments.iter().map(ToString::to_string).collect(),
                common_instruments: member
                    .instruments
                    .iter()
                    .filter(shared)
                    .map(ToString::to_string)
                    .collect(),
                preservation_days_min: member.preservation_days_min,
                officers: officers.collect(),
            })
        })
        .collect()
}

/// How the agent stands.
pub(super) fn agent_status(desk: &Desk) -> wire::GetAgentStatusResponse {
    let status = desk.status();
    let logs = ["directory", "traffic"].map(|log| witnessed_log(desk, log));
    let alarms = desk.alarms().into_iter().map(alarm).collect();
    let notices = desk.notices().into_iter().map(notice).collect();
    let Status { desk, network, link, next, outbox, waiting, lone, .. } = status;
    wire::GetAgentStatusResponse {
        desk: desk.to_string(),
        network,
        connected: link.connected,
        next_desk_index: next.0,
        outbox: outbox as u64,
        trouble: link.trouble,
        waiting_approvals: waiting as u64,
        lone_officer_disclosures: lone,
        alarms,
        logs: logs.to_vec(),
        notices,
    }
}

fn notice((since, what): (Timestamp, String)) -> wire::Notice {
    wire::Notice { since_ms: since.0, what }
}

fn witnessed_log(desk: &Desk, log: &str) -> wire::WitnessedLog {
    let LogStanding { witnessed, published, .. } = desk.witnessed(log);
    let own = desk.cosigned().into_iter().find(|(name, _)| name == log);
    let cosigned = own.filter(|_| desk.witness_key().is_some());
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let time = witnessed.as_ref().and_then(|head| head.time).unwrap_or_default();
    wire::WitnessedLog {
        log: log.to_owned(),
        cosigned_size: cosigned.map_or(0, |(_, latest)| latest.size),
        witnessed_size: witnessed.as_ref().map_or(0, |head| head.head.size),
        witnessed_ms: i64::try_from(time).ok().and_then(|s| s.checked_mul(1_000)).unwrap_or(0),
        witnesses: witnessed.as_ref().map_or(0, |head| number(head.witnesses)),
        witnesses_total: number(desk.policy().witnesses().count()),
        published_size: published,
    }
}

fn alarm(alarm: Alarm) -> wire::Alarm {
    let Alarm { id, code, reason, what, next, since } = alarm;
    wire::Alarm {
        id,
        code: code.to_owned(),
        reason: reason.to_owned(),
        what,
        next: next.to_owned(),
        since_ms: since.map_or(0, |since| since.0),
    }
}

fn render_refused(refusal: &Refused) -> wire::Refused {
    let Refused { code, reason, cause, next } = refusal.clone();
    wire::Refused { code, reason, cause, next }
}

fn transport(held: &Held) -> String {
    let stage = held.transport.as_ref().map(crate::rules::Transport::stage);
    stage.map(|evidence| evidence.as_str().to_owned()).unwrap_or_default()
}

/// Why a form cannot be shown, if so.
fn sealed(held: &Held) -> String {
    if let Some((rejection, why)) = &held.rejected {
        return format!("rejected by this desk ({rejection}): {why}");
    }
    match &held.form {
        Form::None | Form::Here(_) => String::new(),
        Form::Sealed if held.ours => "this desk did not make it".to_owned(),
        Form::Sealed => "not fetched from the relay yet".to_owned(),
        Form::Broken { why, .. } => why.clone(),
        Form::Erased => "erased at the relay before it was fetched".to_owned(),
    }
}

/// What a statement is, as people read it: a machine's is the evidence that it gives.
const fn what(act: &Act) -> &'static str {
    match act {
        Act::Receipt { rejected: None, .. } => "DELIVERY",
        Act::Receipt { .. } => "NON_DELIVERY",
        Act::Retrieval { failed: None, .. } => "RETRIEVAL",
        Act::Retrieval { .. } => "NON_RETRIEVAL",
        Act::Request(_)
        | Act::Acknowledge { .. }
        | Act::ReviseEstimate { .. }
        | Act::RequestClarification
        | Act::ProvideClarification
        | Act::Determine { .. }
        | Act::Execute { .. }
        | Act::RequestExtension
        | Act::Extend { .. }
        | Act::Withdraw
        | Act::Close
        | Act::Mla { .. }
        | Act::Regrade { .. }
        | Act::AnswerConditions(_)
        | Act::ProvideInformation
        | Act::DiscloseTraffic
        | Act::Feedback
        | Act::RequestUseReport
        | Act::ReportUse
        | Act::ReportSecurityIncident => act.name(),
    }
}

/// The plain facts of an act, as "name=value" with spaces between.
fn facts(act: &Act) -> String {
    match act {
        Act::Request(facts) => {
            let flag = |set, name| if set { name } else { "" };
            let parent = facts.parent.map(|parent| format!(" parent={parent}"));
            format!(
                "type={} instrument={} urgency={}{}{}{}{}{}",
                facts.kind,
                facts.instrument,
                facts.urgency,
                flag(facts.test, " test"),
                flag(facts.exercise, " exercise"),
                flag(facts.prior_conditions, " prior_conditions"),
                optional("embargo_until", facts.embargo_until),
                parent.unwrap_or_default(),
            )
        }
        Act::Acknowledge { will_answer, estimated_at } => {
            format!("will_answer={will_answer} estimated_at={estimated_at}")
        }
        Act::ReviseEstimate { estimated_at } => format!("estimated_at={estimated_at}"),
        Act::Determine { outcome, review_at } => {
            format!("outcome={outcome}{}", optional("review_at", *review_at))
        }
        Act::Execute { extent, preserved_until, mla_demanded } => {
            let until = optional("preserved_until", *preserved_until);
            let demanded = if *mla_demanded { " mla_demanded" } else { "" };
            format!("extent={extent}{until}{demanded}")
        }
        Act::Extend { preserved_until } => format!("preserved_until={preserved_until}"),
        Act::Mla { step, carried_by } => {
            let carrier = carried_by.map(|carrier| format!(" carried_by={carrier}"));
            format!("step={step}{}", carrier.unwrap_or_default())
        }
        Act::Regrade { urgency } => format!("urgency={urgency}"),
        Act::AnswerConditions(answer) => format!("answer={answer}"),
        Act::Receipt { of, rejected: why, .. } | Act::Retrieval { of, failed: why, .. } => {
            let why = why.map(|why| format!(" reason={why}"));
            format!("message={of}{}", why.unwrap_or_default())
        }
        Act::RequestClarification
        | Act::ProvideClarification
        | Act::RequestExtension
        | Act::Withdraw
        | Act::Close
        | Act::ProvideInformation
        | Act::DiscloseTraffic
        | Act::Feedback
        | Act::RequestUseReport
        | Act::ReportUse
        | Act::ReportSecurityIncident => String::new(),
    }
}

fn optional(name: &str, moment: Option<Timestamp>) -> String {
    moment.map(|moment| format!(" {name}={moment}")).unwrap_or_default()
}

fn ms(moment: Option<Timestamp>) -> i64 {
    moment.map_or(0, |moment| moment.0)
}

/// Until when data are preserved, while they are.
const fn preserved_until(measure: Measure) -> Option<Timestamp> {
    match measure {
        Measure::Preserved { until }
        | Measure::ExtensionRequested { until }
        | Measure::HeldForMla { until } => Some(until),
        Measure::None | Measure::Released | Measure::Expired { .. } => None,
    }
}
