//! Forms as officers fill them in: TOML, with a commented template.
//!
//! Not for the short forms of answers, which are given on the command line.

use serde::Deserialize;

use super::check;
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

/// An empty form to fill in, with a comment on every field and the letter of Article 29(2) where it
/// has one.
pub fn template(kind: RequestType) -> String {
    match kind {
        RequestType::Preservation => include_str!("preservation.toml").to_owned(),
        RequestType::TechnicalAdvice | RequestType::LegalInformation => {
            include_str!("information.toml").to_owned()
        }
    }
}

/// The form of a new request with these facts, from the TOML that an officer filled in; checked.
///
/// # Errors
/// Everything that is wrong, each with its field and its line: text that is not TOML, a field that
/// does not exist or has the wrong type, and whatever [`check`] finds.
pub fn from_toml(text: &str, request: &RequestFacts) -> Result<Body, Vec<Unfit>> {
    if text.len() > FORM_BYTES_MAX {
        let why = format!("{} bytes where at most {FORM_BYTES_MAX} belong", text.len());
        return Err(vec![Unfit { line: None, malformed: malformed("form", why) }]);
    }
    let form = match request.kind {
        RequestType::Preservation => {
            toml::from_str::<Preservation>(text).map(|form| Form::Preservation(form.into()))
        }
        RequestType::TechnicalAdvice | RequestType::LegalInformation => {
            toml::from_str::<Information>(text).map(|form| Form::Information(form.into()))
        }
    };
    let form = form.map_err(|error| vec![unreadable(text, &error)])?;
    let body = Body { form: Some(form) };
    match check(&Act::Request(request.clone()), request, &body) {
        Ok(()) => Ok(body),
        Err(wrong) => Err(wrong
            .into_iter()
            .map(|malformed| Unfit { line: line_of(text, &malformed.field), malformed })
            .collect()),
    }
}

fn unreadable(text: &str, error: &toml::de::Error) -> Unfit {
    let span = error.span();
    let line = span.clone().map(|span| line_at(text, span.start));
    let key = span.and_then(|span| text.lines().nth(line_at(text, span.start) - 1));
    let key = key.and_then(|line| line.split(['=', '#']).next()).unwrap_or_default();
    let key = key.trim().trim_matches(['[', ']']);
    let field = if key.is_empty() { "form" } else { key };
    Unfit { line, malformed: malformed(field, error.message().replace('\n', ", ")) }
}

/// The line, from 1, on which the field at `path` stands, or the innermost table around it.
fn line_of(text: &str, path: &str) -> Option<usize> {
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

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Preservation {
    reference: String,
    authority: Option<Contact>,
    confirmation_contact: Option<Contact>,
    investigative_authority: Option<Contact>,
    offence: String,
    legal_provisions: String,
    facts: Option<Text>,
    data: Vec<DataSought>,
    relationship: Option<Text>,
    custodian: String,
    location: String,
    necessity: Option<Text>,
    mla_intended: bool,
    mla_expected: String,
    urgency_grounds: Option<Text>,
    confidential: bool,
    no_user_notification: bool,
    days: u32,
    previous_reference: String,
    partial_disclosure: bool,
    handling_code: String,
}

impl From<Preservation> for wire::PreservationForm {
    fn from(form: Preservation) -> Self {
        Self {
            reference: form.reference,
            authority: contact(form.authority),
            confirmation_contact: contact(form.confirmation_contact),
            investigative_authority: contact(form.investigative_authority),
            offence: form.offence,
            legal_provisions: form.legal_provisions,
            facts: prose(form.facts),
            data: form.data.into_iter().map(Into::into).collect(),
            relationship: prose(form.relationship),
            custodian: form.custodian,
            location: form.location,
            necessity: prose(form.necessity),
            mla_intended: form.mla_intended,
            mla_expected: form.mla_expected,
            urgency_grounds: prose(form.urgency_grounds),
            confidential: form.confidential,
            no_user_notification: form.no_user_notification,
            days: form.days,
            previous_reference: form.previous_reference,
            partial_disclosure: form.partial_disclosure,
            handling_code: form.handling_code,
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Information {
    reference: String,
    authority: Option<Contact>,
    subject: String,
    question: Option<Text>,
    urgency_grounds: Option<Text>,
    tlp: String,
}

impl From<Information> for wire::InformationForm {
    fn from(form: Information) -> Self {
        Self {
            reference: form.reference,
            authority: contact(form.authority),
            subject: form.subject,
            question: prose(form.question),
            urgency_grounds: prose(form.urgency_grounds),
            tlp: form.tlp,
        }
    }
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

fn prose(text: Option<Text>) -> Option<wire::Text> {
    let text = match text? {
        Text::Plain(text) => wire::Text { text, language: String::new() },
        Text::Tagged(Tagged { text, language }) => wire::Text { text, language },
    };
    (text != wire::Text::default()).then_some(text)
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Contact {
    organisation: String,
    name: String,
    job_title: String,
    function: String,
    address: String,
    telephone: String,
    mobile: String,
    email: String,
    fax: String,
    office_hours: String,
    time_zone: String,
}

/// A contact in which anything is filled in.
fn contact(contact: Option<Contact>) -> Option<wire::Contact> {
    let contact = contact?;
    let contact = wire::Contact {
        organisation: contact.organisation,
        name: contact.name,
        job_title: contact.job_title,
        function: contact.function,
        address: contact.address,
        telephone: contact.telephone,
        mobile: contact.mobile,
        email: contact.email,
        fax: contact.fax,
        office_hours: contact.office_hours,
        time_zone: contact.time_zone,
    };
    (contact != wire::Contact::default()).then_some(contact)
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct DataSought {
    description: String,
    categories: Vec<String>,
    identifiers: Vec<Identifier>,
    period: Option<Period>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Identifier {
    kind: String,
    value: String,
    qualifier: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Period {
    from: String,
    until: String,
}

impl From<DataSought> for wire::DataSought {
    fn from(sought: DataSought) -> Self {
        let identifiers = sought
            .identifiers
            .into_iter()
            .map(|Identifier { kind, value, qualifier }| wire::Identifier {
                kind,
                value,
                qualifier,
            })
            .filter(|identifier| *identifier != wire::Identifier::default())
            .collect();
        let period = sought.period.map(|Period { from, until }| wire::Period { from, until });
        let period = period.filter(|period| *period != wire::Period::default());
        Self { description: sought.description, categories: sought.categories, identifiers, period }
    }
}
