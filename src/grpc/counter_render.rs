//! What officers and their tools are shown.
//!
//! Not for forms on the screen (see `envelope::form`); they are passed through as they are.

use std::sync::Arc;

use crate::desk::{
    Case, CaseFile, Entry, Form, Held, Progress, Refused, RelayEntry, Standing, Status,
};
use crate::envelope::words::RequestType;
use crate::envelope::{Act, Signer};
use crate::rules::measure::Measure;
use crate::rules::{FollowUp, Handling};
use crate::units::{MemberId, RequestId, Timestamp};
use crate::wire::detente::desk::v1 as wire;
use crate::wire::detente::form::v1::Body;

/// How far a statement has got.
pub(super) fn outcome(standing: &Standing) -> wire::StatementOutcome {
    let Standing { message, request, case, progress } = standing;
    let (state, index, time_ms, refused) = match progress {
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
    }
}

/// A request without its history.
pub(super) fn case(file: &CaseFile, id: RequestId, case: &Case) -> wire::Case {
    let first = file.statement(&case.first);
    let statement = first.map(|held| &held.statement);
    let request = case.request.as_ref();
    let handling = request.map_or(Handling::New, |request| request.handling);
    let measure = request.map_or(Measure::None, |request| request.measure);
    let follow_up = request.map_or(foreseen(case.facts.kind), |request| request.follow_up);
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
        entries: Vec::new(),
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

/// What is on record in the order of the records; then what is not.
pub(super) fn sort(entries: &mut [wire::CaseEntry]) {
    entries.sort_by_key(|entry| (!entry.recorded, entry.index, entry.time_ms));
}

/// One thing that happened, with its form left sealed.
pub(super) fn entry(file: &CaseFile, entry: &Entry) -> Option<wire::CaseEntry> {
    match entry {
        Entry::Relay(entry) => Some(relay_entry(entry)),
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
pub(super) fn agent_status(status: Status) -> wire::GetAgentStatusResponse {
    let Status { desk, network, link, next, outbox, alarms: _ } = status;
    wire::GetAgentStatusResponse {
        desk: desk.to_string(),
        network,
        connected: link.connected,
        next_desk_index: next.0,
        outbox: outbox as u64,
        trouble: link.trouble,
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
        | Act::Mla(_) => act.name(),
    }
}

/// The plain facts of an act, as "name=value" with spaces between.
fn facts(act: &Act) -> String {
    match act {
        Act::Request(facts) => {
            let flag = |set, name| if set { name } else { "" };
            let parent = facts.parent.map(|parent| format!(" parent={parent}"));
            format!(
                "type={} instrument={} urgency={}{}{}{}",
                facts.kind,
                facts.instrument,
                facts.urgency,
                flag(facts.test, " test"),
                flag(facts.exercise, " exercise"),
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
        Act::Execute { extent, preserved_until } => {
            format!("extent={extent}{}", optional("preserved_until", *preserved_until))
        }
        Act::Extend { preserved_until } => format!("preserved_until={preserved_until}"),
        Act::Mla(step) => format!("step={step}"),
        Act::Receipt { of, rejected: why, .. } | Act::Retrieval { of, failed: why, .. } => {
            let why = why.map(|why| format!(" reason={why}"));
            format!("message={of}{}", why.unwrap_or_default())
        }
        Act::RequestClarification
        | Act::ProvideClarification
        | Act::RequestExtension
        | Act::Withdraw
        | Act::Close => String::new(),
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

/// The follow-up of a request that is not on record yet.
const fn foreseen(kind: RequestType) -> FollowUp {
    match kind {
        RequestType::Preservation => FollowUp::MlaIntended,
        RequestType::TechnicalAdvice | RequestType::LegalInformation => FollowUp::None,
    }
}
