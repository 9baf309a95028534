//! The forms that officers fill in: what they hold, whether they say enough, how they read.
//!
//! Not for the rules about who may send which. Every form is laid out once, in `request/` or
//! `fields.rs`; format checks, the terminal's lines and the JSON all follow from that.
//!
//! Invariant: text that passed [`check`] holds no control characters and no overrides of the
//! writing direction, so that it can be shown on a terminal as it is.

mod bank;
mod complete;
mod course;
mod execution;
mod fields;
mod fill;
mod needs;
mod parts;
mod request;
mod rows;
mod shape;

pub use complete::grounds;
pub use fill::{
    Unfit, answer_from_toml, answer_template, from_toml, prior_conditions_template, template,
    unchecked_from_toml,
};
pub(super) use fill::{line_of, unreadable};
pub(super) use shape::{is_date, is_email, is_language, is_phone, is_zone};

use serde_json::{Map, Value as Json};

use super::read::{malformed, readable};
use super::words::RequestType;
use super::{Act, Approval, Malformed, RequestFacts};
use crate::wire::detente::form::v1::Body;
use crate::wire::detente::form::v1::body::Form;
use fields::{Path, Step, Value};

/// Whether `body` is the form that `act` needs on a request with these facts, and says enough.
/// With a new request the facts are the act's own.
///
/// # Errors
/// Every field that is missing or not what it should be, by its path in the form
/// ("data\[0\].period.from").
pub fn check(act: &Act, request: &RequestFacts, body: &Body) -> Result<(), Vec<Malformed>> {
    let Some(form) = &body.form else {
        return Err(vec![malformed("form", "absent")]);
    };
    let Some(wanted) = form_of(act, request) else {
        return Err(vec![malformed("form", "a machine statement has no body")]);
    };
    if name(form) != wanted {
        let why = format!("a form \"{}\" where \"{wanted}\" belongs", name(form));
        return Err(vec![malformed("form", why)]);
    }
    let mut wrong: Vec<Malformed> =
        fields::of(form).iter().filter_map(|field| shape::check(field).err()).collect();
    complete::check(act, request, form, &mut wrong);
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// Why one officer alone hands data over, in the words of the form; none when it does not say.
pub fn lone_officer_reason(body: &Body) -> Option<&str> {
    let form = body.form.as_ref()?;
    let reason = if let Form::Execution(form) = form {
        form.lone_officer_reason.as_ref()
    } else if let Form::TrafficDisclosure(form) = form {
        form.lone_officer_reason.as_ref()
    } else {
        None
    };
    reason.map(|reason| reason.text.as_str()).filter(|text| !text.trim().is_empty())
}

/// Whether the form says why one officer acted alone, if one did, and only then.
///
/// # Errors
/// The field that is missing, or stands there although nobody was alone.
pub fn check_alone(approval: &Approval, body: &Body) -> Result<(), Vec<Malformed>> {
    let field = "lone_officer_reason";
    match (approval, lone_officer_reason(body)) {
        (Approval::Alone, None) => {
            Err(vec![malformed(field, "missing: say why there is no second officer")])
        }
        (Approval::None | Approval::By { .. }, Some(_)) => {
            Err(vec![malformed(field, "present, but nobody acts alone")])
        }
        (Approval::Alone, Some(_)) | (Approval::None | Approval::By { .. }, None) => Ok(()),
    }
}

/// The form for reading: label (with the treaty article where there is one) and value of every
/// field that is filled in, in the order of the form.
///
/// What would deceive a screen is shown as U+FFFD, also in a form that has not been checked.
/// Running text keeps its line breaks: indent it, or a line of it could pass for a field.
pub fn lines(body: &Body) -> Vec<(String, String)> {
    let fields = body.form.as_ref().map(fields::of).unwrap_or_default();
    fields
        .into_iter()
        .filter_map(|field| {
            let value = match field.value {
                Value::Text("") | Value::Flag(false) | Value::Number(0) => return None,
                Value::Text(text) => readable(text),
                Value::Flag(true) => "yes".to_owned(),
                Value::Number(number) => number.to_string(),
            };
            Some((field.label, value))
        })
        .collect()
}

/// The form as JSON: its name, and in it every field that is filled in, named as in the contract.
pub fn json(body: &Body) -> Json {
    let Some(form) = &body.form else { return Json::Null };
    let mut filled = Json::Object(Map::new());
    for field in fields::of(form) {
        let value = match field.value {
            Value::Text("") | Value::Flag(false) | Value::Number(0) => continue,
            Value::Text(text) => Json::from(text),
            Value::Flag(flag) => Json::from(flag),
            Value::Number(number) => Json::from(number),
        };
        insert(&mut filled, &field.path, value);
    }
    Json::Object(Map::from_iter([(name(form).to_owned(), filled)]))
}

/// The name of a form, as it stands in the contract and in JSON.
pub const fn name(form: &Form) -> &'static str {
    match form {
        Form::Preservation(_) => "preservation",
        Form::Information(_) => "information",
        Form::PreservationExtension(_) => "preservation_extension",
        Form::PartialTrafficDisclosure(_) => "partial_traffic_disclosure",
        Form::SubscriberInfo(_) => "subscriber_info",
        Form::StoredDataMla(_) => "stored_data_mla",
        Form::EmergencyDisclosure(_) => "emergency_disclosure",
        Form::EmergencyMla(_) => "emergency_mla",
        Form::SpontaneousInformation(_) => "spontaneous_information",
        Form::LocateSuspect(_) => "locate_suspect",
        Form::StopPayment(_) => "stop_payment",
        Form::IctIncidentClarification(_) => "ict_incident_clarification",
        Form::CommCheck(_) => "comm_check",
        Form::Acknowledgement(_) => "acknowledgement",
        Form::Reason(_) => "reason",
        Form::ClarificationRequest(_) => "clarification_request",
        Form::Clarification(_) => "clarification",
        Form::Determination(_) => "determination",
        Form::Execution(_) => "execution",
        Form::Extension(_) => "extension",
        Form::Mla(_) => "mla",
        Form::PriorConditions(_) => "prior_conditions",
        Form::Regrade(_) => "regrade",
        Form::ConditionsAnswer(_) => "conditions_answer",
        Form::TrafficDisclosure(_) => "traffic_disclosure",
        Form::Feedback(_) => "feedback",
        Form::UseReportRequest(_) => "use_report_request",
        Form::UseReport(_) => "use_report",
        Form::SecurityIncident(_) => "security_incident",
    }
}

/// The name of the form that belongs to an act on a request with these facts; none for a machine
/// act.
pub const fn form_of(act: &Act, request: &RequestFacts) -> Option<&'static str> {
    Some(match act {
        Act::Request(_) if request.prior_conditions => "prior_conditions",
        // What was held back is what would have come at once.
        Act::Request(_) | Act::ProvideInformation => match request.kind {
            RequestType::Preservation => "preservation",
            RequestType::TechnicalAdvice | RequestType::LegalInformation => "information",
            RequestType::PreservationExtension => "preservation_extension",
            RequestType::PartialTrafficDisclosure => "partial_traffic_disclosure",
            RequestType::SubscriberInfo => "subscriber_info",
            RequestType::StoredDataMla => "stored_data_mla",
            RequestType::EmergencyDisclosure => "emergency_disclosure",
            RequestType::EmergencyMla => "emergency_mla",
            RequestType::SpontaneousInformation => "spontaneous_information",
            RequestType::LocateSuspect => "locate_suspect",
            RequestType::StopPayment => "stop_payment",
            RequestType::IctIncidentClarification => "ict_incident_clarification",
            RequestType::CommCheck => "comm_check",
        },
        Act::Regrade { .. } => "regrade",
        Act::AnswerConditions(_) => "conditions_answer",
        Act::DiscloseTraffic => "traffic_disclosure",
        Act::Feedback => "feedback",
        Act::RequestUseReport => "use_report_request",
        Act::ReportUse => "use_report",
        Act::ReportSecurityIncident => "security_incident",
        Act::Acknowledge { .. } => "acknowledgement",
        Act::ReviseEstimate { .. } | Act::Withdraw | Act::Close => "reason",
        Act::RequestClarification => "clarification_request",
        Act::ProvideClarification => "clarification",
        Act::Determine { .. } => "determination",
        Act::Execute { .. } => "execution",
        Act::RequestExtension | Act::Extend { .. } => "extension",
        Act::Mla { .. } => "mla",
        Act::Receipt { .. } | Act::Retrieval { .. } => return None,
    })
}

/// Puts `value` at `path`, making objects and lists on the way. An entry of a list in which nothing
/// is filled in stays null.
fn insert(into: &mut Json, path: &Path, value: Json) {
    let mut place = into;
    for step in path.steps() {
        place = match step {
            Step::Name(name) => {
                if !place.is_object() {
                    *place = Json::Object(Map::new());
                }
                &mut place[*name]
            }
            Step::Entry(entry) => {
                if !place.is_array() {
                    *place = Json::Array(Vec::new());
                }
                if let Json::Array(list) = place
                    && list.len() <= *entry
                {
                    list.resize(entry + 1, Json::Null);
                }
                &mut place[*entry]
            }
        };
    }
    *place = value;
}
