//! Forms as officers fill them in: TOML, with a commented template.
//!
//! Not for the short forms of answers, which are given on the command line.
//!
//! A form is read into the message of the contract itself (`build.rs` derives that), so that a
//! field is named the same everywhere.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::{check, execution, request};
use crate::envelope::read::malformed;
use crate::envelope::words::RequestType;
use crate::envelope::{Act, Malformed, RequestFacts};
use crate::wire::detente::form::v1 as wire;
use crate::wire::detente::form::v1::Body;
use crate::wire::detente::form::v1::body::Form;

/// The largest form that is read, in bytes.
const FORM_BYTES_MAX: usize = 512 << 10;

/// Why a filled form is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{malformed}", .line.map_or_else(String::new, |line| format!("line {line}: ")))]
pub struct Unfit {
    /// The line of the form, from 1, where there is one.
    pub line: Option<usize>,
    /// The field, and why.
    pub malformed: Malformed,
}

/// An empty form to fill in, with a comment on every field and the article of the treaty where it
/// has one.
pub fn template(kind: RequestType) -> String {
    request::template(kind)
}

/// The same for information that is offered under conditions, which come first (Art. 26(2)).
pub fn prior_conditions_template() -> String {
    request::prior_conditions()
}

/// An answer to a request of this type to fill in; none where none is expected.
pub fn answer_template(kind: RequestType) -> Option<&'static str> {
    execution::template(kind)
}

/// What came of a request with these facts, from the TOML that an officer filled in; checked
/// against `act`, which is an execution.
///
/// # Errors
/// As [`from_toml`].
pub fn answer_from_toml(text: &str, act: &Act, request: &RequestFacts) -> Result<Body, Vec<Unfit>> {
    check_length(text)?;
    checked(text, read(text, Form::Execution), act, request)
}

/// The form of a new request with these facts, from the TOML that an officer filled in; checked.
///
/// # Errors
/// Everything that is wrong, each with its field and its line: text that is not TOML, a field that
/// does not exist or has the wrong type, and whatever [`check`] finds.
pub fn from_toml(text: &str, request: &RequestFacts) -> Result<Body, Vec<Unfit>> {
    check_length(text)?;
    checked(text, request_form(text, request), &Act::Request(request.clone()), request)
}

/// The form of `act` on a request with these facts, from TOML; not checked.
///
/// # Errors
/// Text that is not TOML, or a field that does not exist or has the wrong type.
pub fn unchecked_from_toml(
    text: &str,
    act: &Act,
    request: &RequestFacts,
) -> Result<Body, Vec<Unfit>> {
    check_length(text)?;
    let form = match act {
        Act::Request(_) => request_form(text, request),
        Act::ProvideInformation => {
            request_form(text, &RequestFacts { prior_conditions: false, ..request.clone() })
        }
        Act::Acknowledge { .. } => read(text, Form::Acknowledgement),
        Act::ReviseEstimate { .. } | Act::Withdraw | Act::Close => read(text, Form::Reason),
        Act::RequestClarification => read(text, Form::ClarificationRequest),
        Act::ProvideClarification => read(text, Form::Clarification),
        Act::Determine { .. } => read(text, Form::Determination),
        Act::Execute { .. } => read(text, Form::Execution),
        Act::RequestExtension | Act::Extend { .. } => read(text, Form::Extension),
        Act::Mla { .. } => read(text, Form::Mla),
        Act::Regrade { .. } => read(text, Form::Regrade),
        Act::AnswerConditions(_) => read(text, Form::ConditionsAnswer),
        Act::DiscloseTraffic => read(text, Form::TrafficDisclosure),
        Act::Feedback => read(text, Form::Feedback),
        Act::RequestUseReport => read(text, Form::UseReportRequest),
        Act::ReportUse => read(text, Form::UseReport),
        Act::ReportSecurityIncident => read(text, Form::SecurityIncident),
        Act::Receipt { .. } | Act::Retrieval { .. } => {
            let why = "a machine statement has no body";
            return Err(vec![Unfit { line: None, malformed: malformed("form", why) }]);
        }
    };
    let form = form.map_err(|error| vec![unreadable(text, &error)])?;
    Ok(Body { form: Some(form) })
}

fn request_form(text: &str, request: &RequestFacts) -> Result<Form, toml::de::Error> {
    match request.kind {
        _offered if request.prior_conditions => read(text, Form::PriorConditions),
        RequestType::Preservation => read(text, Form::Preservation),
        RequestType::TechnicalAdvice | RequestType::LegalInformation => {
            read(text, Form::Information)
        }
        RequestType::PreservationExtension => read(text, Form::PreservationExtension),
        RequestType::PartialTrafficDisclosure => read(text, Form::PartialTrafficDisclosure),
        RequestType::SubscriberInfo => read(text, Form::SubscriberInfo),
        RequestType::StoredDataMla => read(text, Form::StoredDataMla),
        RequestType::EmergencyDisclosure => read(text, Form::EmergencyDisclosure),
        RequestType::EmergencyMla => read(text, Form::EmergencyMla),
        RequestType::SpontaneousInformation => read(text, Form::SpontaneousInformation),
        RequestType::LocateSuspect => read(text, Form::LocateSuspect),
        RequestType::StopPayment => read(text, Form::StopPayment),
        RequestType::IctIncidentClarification => read(text, Form::IctIncidentClarification),
        RequestType::CommCheck => read(text, Form::CommCheck),
    }
}

fn check_length(text: &str) -> Result<(), Vec<Unfit>> {
    if text.len() > FORM_BYTES_MAX {
        let why = format!("{} bytes where at most {FORM_BYTES_MAX} belong", text.len());
        return Err(vec![Unfit { line: None, malformed: malformed("form", why) }]);
    }
    Ok(())
}

fn checked(
    text: &str,
    form: Result<Form, toml::de::Error>,
    act: &Act,
    request: &RequestFacts,
) -> Result<Body, Vec<Unfit>> {
    let form = form.map_err(|error| vec![unreadable(text, &error)])?;
    let body = Body { form: Some(form) };
    match check(act, request, &body) {
        Ok(()) => Ok(body),
        Err(wrong) => Err(wrong
            .into_iter()
            .map(|malformed| Unfit { line: line_of(text, &malformed.field), malformed })
            .collect()),
    }
}

fn read<T: DeserializeOwned>(text: &str, form: fn(T) -> Form) -> Result<Form, toml::de::Error> {
    toml::from_str(text).map(form)
}

pub(in crate::envelope) fn unreadable(text: &str, error: &toml::de::Error) -> Unfit {
    let span = error.span();
    let line = span.clone().map(|span| line_at(text, span.start));
    let key = span.and_then(|span| text.lines().nth(line_at(text, span.start) - 1));
    let key = key.and_then(|line| line.split(['=', '#']).next()).unwrap_or_default();
    let key = key.trim().trim_matches(['[', ']']);
    let field = if key.is_empty() { "form" } else { key };
    Unfit { line, malformed: malformed(field, error.message().replace('\n', ", ")) }
}

/// The line, from 1, on which the field at `path` stands, or the innermost table around it.
pub(in crate::envelope) fn line_of(text: &str, path: &str) -> Option<usize> {
    let document = toml::de::DeTable::parse(text).ok()?;
    let mut table = document.get_ref();
    let mut found = None;
    let mut steps = path.split('.').peekable();
    while let Some(step) = steps.next() {
        let (name, entry) = step.split_once('[').unwrap_or((step, ""));
        let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == name) else { break };
        found = Some(key.span().start);
        let mut value = value;
        if let Some(entry) = entry.strip_suffix(']').and_then(|entry| entry.parse::<usize>().ok()) {
            let Some(inner) = value.get_ref().as_array().and_then(|list| list.get(entry)) else {
                break;
            };
            value = inner;
            found = Some(value.span().start);
        }
        match value.get_ref().as_table() {
            Some(inner) if steps.peek().is_some() => table = inner,
            _ => break,
        }
    }
    found.map(|offset| line_at(text, offset))
}

fn line_at(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    before.split(|byte| *byte == b'\n').count()
}

/// Running text: just the text, or a table with the language it is written in.
#[derive(Deserialize)]
#[serde(untagged, expecting = "text, or a table { text, language }")]
enum Text {
    Plain(String),
    Tagged(Tagged),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tagged {
    text: String,
    #[serde(default)]
    language: String,
}

impl<'de> Deserialize<'de> for wire::Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(match Text::deserialize(from)? {
            Text::Plain(text) => Self { text, language: String::new() },
            Text::Tagged(Tagged { text, language }) => Self { text, language },
        })
    }
}
