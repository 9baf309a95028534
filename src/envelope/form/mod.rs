//! The forms that officers fill in: what they hold, whether they say enough, how they read.
//!
//! Not for the rules about who may send which. Every form is laid out once, in `fields.rs`; format
//! checks, the terminal's lines and the JSON all follow from that.
//!
//! Invariant: text that passed [`check`] holds no control characters and no overrides of the
//! writing direction, so that it can be shown on a terminal as it is.

mod complete;
mod fields;
mod fill;
mod shape;

pub use fill::{Unfit, from_toml, template};
pub(super) use shape::{is_language, is_zone};

use serde_json::{Map, Value as Json};

use super::read::{malformed, readable};
use super::words::RequestType;
use super::{Act, Malformed, RequestFacts};
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
    let Some(wanted) = form_of(act, request.kind) else {
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

/// The form for reading: label (with the treaty article where there is one) and value of every
/// field that is filled in, in the order of the form.
///
/// What would deceive a screen is shown as U+FFFD, also in a form that has not been checked. Running
/// text keeps its line breaks: indent it, or a line of it could pass for a field.
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
        Form::Acknowledgement(_) => "acknowledgement",
        Form::Reason(_) => "reason",
        Form::ClarificationRequest(_) => "clarification_request",
        Form::Clarification(_) => "clarification",
        Form::Determination(_) => "determination",
        Form::Execution(_) => "execution",
        Form::Extension(_) => "extension",
        Form::Mla(_) => "mla",
    }
}

/// The name of the form that belongs to an act on a request of this type; none for a machine act.
pub const fn form_of(act: &Act, kind: RequestType) -> Option<&'static str> {
    Some(match act {
        Act::Request(_) => match kind {
            RequestType::Preservation => "preservation",
            RequestType::TechnicalAdvice | RequestType::LegalInformation => "information",
        },
        Act::Acknowledge { .. } => "acknowledgement",
        Act::ReviseEstimate { .. } | Act::Withdraw | Act::Close => "reason",
        Act::RequestClarification => "clarification_request",
        Act::ProvideClarification => "clarification",
        Act::Determine { .. } => "determination",
        Act::Execute { .. } => "execution",
        Act::RequestExtension | Act::Extend { .. } => "extension",
        Act::Mla(_) => "mla",
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
