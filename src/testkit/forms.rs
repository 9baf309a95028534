//! Forms from a few fields: what a form must say and nobody gives is filled in.
//!
//! Not for real requests: a text that says "not told" helps nobody. Fields are named by their path
//! in the form (`authority.email`, `data[0].period.from`), or shorter where that is plain:
//!
//! | short | means |
//! |---|---|
//! | `data` | `data[0].description` |
//! | `categories` | `data[0].categories`, with commas between |
//! | `identifier` | the next of `data[0].identifiers`, as "IP_ADDRESS 198.51.100.23 port=443" |
//! | `period` | `data[0].period`, as "2026-03-02T00:00Z to 2026-03-02T08:00Z" |
//! | `condition` | the next of `conditions` |
//! | `authority`, `confirmation_contact` | their `.organisation` |

use toml::{Table, Value};

use crate::envelope::form as library;
use crate::envelope::{Act, Malformed, RequestFacts};
use crate::grpc::counter::{api, form};
use crate::identity;
use crate::units::{Timestamp, Unreadable};

/// How often a form is filled in a little more before that is given up.
const ROUNDS_MAX: usize = 64;
/// What is said where nothing is given.
const NOT_TOLD: &str = "Not told here.";

/// Why a form cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct Unfilled {
    /// The field.
    pub field: String,
    /// Why.
    pub why: String,
    /// Which of the given fields it is, from 0, if it is one of them.
    pub given: Option<usize>,
}

impl From<Unreadable> for Unfilled {
    fn from(unreadable: Unreadable) -> Self {
        Self { field: unreadable.what.to_owned(), why: unreadable.why, given: None }
    }
}

/// A request to `to` ("RO/cyber") of this type, on this instrument, of this urgency; its form has
/// these fields, and what else it must have.
///
/// # Errors
/// [`Unfilled`]: a word is not one, or a field is not what it should be.
pub fn request(
    to: &str,
    kind: &str,
    instrument: &str,
    urgency: &str,
    fields: &[(&str, &str)],
) -> Result<api::SendRequestRequest, Unfilled> {
    let facts = RequestFacts {
        kind: kind.parse()?,
        instrument: instrument.parse()?,
        urgency: urgency.parse()?,
        test: false,
        exercise: false,
        parent: None,
        prior_conditions: false,
        embargo_until: None,
    };
    Ok(api::SendRequestRequest {
        to: to.to_owned(),
        r#type: kind.to_owned(),
        instrument: instrument.to_owned(),
        urgency: urgency.to_owned(),
        body: Some(fill(&Act::Request(facts.clone()), &facts, identity::now(), fields)?),
        ..api::SendRequestRequest::default()
    })
}

/// The form of an act on a request with these facts, made at `on`, from these fields and what else
/// it must have.
///
/// # Errors
/// [`Unfilled`]: a field that does not exist or is not what it should be, or one that cannot be
/// filled in without being told.
pub fn fill(
    act: &Act,
    facts: &RequestFacts,
    on: Timestamp,
    fields: &[(&str, &str)],
) -> Result<form::Body, Unfilled> {
    let mut draft = Draft::new(fields)?;
    for _round in 0..ROUNDS_MAX {
        let text = draft.text()?;
        let wrong = match library::unchecked_from_toml(&text, act, facts) {
            Ok(body) => match library::check(act, facts, &body) {
                Ok(()) => return Ok(body),
                Err(wrong) => wrong,
            },
            Err(unfit) => unfit.into_iter().map(|unfit| unfit.malformed).collect(),
        };
        // The date of the act, which the desk computes, is no field of the form.
        let mut wrong = wrong.iter().filter(|wrong| wrong.field != "preserved_until").peekable();
        if wrong.peek().is_none() {
            return library::unchecked_from_toml(&text, act, facts).map_err(|_| draft.given_up());
        }
        for wrong in wrong {
            draft.mend(wrong, on)?;
        }
    }
    Err(draft.given_up())
}

/// A form being filled in.
struct Draft {
    table: Table,
    /// Path of each given field, and its text.
    given: Vec<(String, String)>,
    /// What was filled in so far, each time.
    filled: Vec<String>,
}

impl Draft {
    fn new(fields: &[(&str, &str)]) -> Result<Self, Unfilled> {
        let mut draft = Self { table: Table::new(), given: Vec::new(), filled: Vec::new() };
        for (at, (name, text)) in fields.iter().enumerate() {
            let wrong = |why: &str| Unfilled {
                field: (*name).to_owned(),
                why: why.to_owned(),
                given: Some(at),
            };
            let path = draft.path(name);
            for (path, value) in written_out(name, &path, text).map_err(|why| wrong(&why))? {
                draft.put(&path, value).map_err(|why| wrong(&why))?;
            }
            draft.given.push((path, (*text).to_owned()));
        }
        Ok(draft)
    }

    /// The path of the next field of this name.
    fn path(&self, name: &str) -> String {
        let list = match name {
            "identifier" => "data[0].identifiers[",
            "condition" => "conditions[",
            other => return path_of(other).to_owned(),
        };
        let before = self.given.iter().filter(|(path, _)| path.starts_with(list)).count();
        format!("{list}{before}]")
    }

    fn text(&self) -> Result<String, Unfilled> {
        toml::to_string(&self.table).map_err(|error| Unfilled {
            field: "form".to_owned(),
            why: error.to_string(),
            given: None,
        })
    }

    fn given_up(&self) -> Unfilled {
        let why = "it still lacks something".to_owned();
        Unfilled { field: "form".to_owned(), why, given: None }
    }

    /// Mends what the form's own check found wrong, or says that only its author can.
    fn mend(&mut self, wrong: &Malformed, on: Timestamp) -> Result<(), Unfilled> {
        let Malformed { field, why } = wrong;
        let given = self.given.iter().position(|(path, _)| concerns(path, field));
        let refused = || Unfilled { field: field.clone(), why: why.clone(), given };
        if let Some((path, text)) = given.and_then(|at| self.given.get(at)).cloned() {
            let value = retyped(&text, why).ok_or_else(refused)?;
            return self.put(&path, value).map_err(|_| refused());
        }
        let values = match self.filled.iter().filter(|filled| *filled == field).count() {
            0 => default_of(field, why, on),
            1 => vec![(field.clone(), shaped(why, on).ok_or_else(refused)?)],
            _ => return Err(refused()),
        };
        self.filled.push(field.clone());
        for (path, value) in values {
            self.put(&path, value).map_err(|_| refused())?;
        }
        Ok(())
    }

    fn put(&mut self, path: &str, value: Value) -> Result<(), String> {
        put(&mut self.table, path, value)
    }
}

/// Puts a value at a path, making tables and lists on the way.
pub(super) fn put(table: &mut Table, path: &str, value: Value) -> Result<(), String> {
    let (step, rest) = path.split_once('.').unwrap_or((path, ""));
    let Some((name, entry)) = step.split_once('[') else {
        if rest.is_empty() {
            table.insert(step.to_owned(), value);
            return Ok(());
        }
        let inner = table.entry(step.to_owned()).or_insert_with(table_value);
        return put(inner.as_table_mut().ok_or("it is no group of fields")?, rest, value);
    };
    let entry = index(entry)?;
    let list = table.entry(name.to_owned()).or_insert_with(|| Value::Array(Vec::new()));
    let list = list.as_array_mut().ok_or("it is no list")?;
    if list.len() <= entry {
        list.resize_with(entry + 1, table_value);
    }
    let place = list.get_mut(entry).ok_or("it is no place in the list")?;
    if rest.is_empty() {
        *place = value;
        return Ok(());
    }
    put(place.as_table_mut().ok_or("it is no group of fields")?, rest, value)
}

fn table_value() -> Value {
    Value::Table(Table::new())
}

fn index(entry: &str) -> Result<usize, String> {
    let digits = entry.strip_suffix(']').unwrap_or_default();
    let number: usize = digits.parse().map_err(|_| format!("[{entry} is no place in a list"))?;
    if number < 256 { Ok(number) } else { Err("a list has at most 256 entries".to_owned()) }
}

/// The path of a field by its short name.
fn path_of(name: &str) -> &str {
    match name {
        "data" => "data[0].description",
        "categories" => "data[0].categories",
        "period" => "data[0].period",
        "authority" => "authority.organisation",
        "confirmation_contact" => "confirmation_contact.organisation",
        other => other,
    }
}

/// What a given field puts where; `path` is its own.
fn written_out(name: &str, path: &str, text: &str) -> Result<Vec<(String, Value)>, String> {
    let string = |text: &str| Value::String(text.to_owned());
    match name {
        "identifier" => {
            let mut words = text.splitn(3, ' ');
            let (Some(kind), Some(value)) = (words.next(), words.next()) else {
                return Err("write its kind and its value: IP_ADDRESS 198.51.100.23".to_owned());
            };
            let at = |field: &str| format!("{path}.{field}");
            let qualifier = words.next().unwrap_or_default();
            Ok(vec![
                (at("kind"), string(kind)),
                (at("value"), string(value)),
                (at("qualifier"), string(qualifier)),
            ])
        }
        "period" => {
            let (from, until) = text
                .split_once(" to ")
                .ok_or("write both ends: 2026-03-02T00:00:00Z to 2026-03-02T08:00:00Z")?;
            Ok(vec![
                ("data[0].period.from".to_owned(), string(from.trim())),
                ("data[0].period.until".to_owned(), string(until.trim())),
            ])
        }
        "categories" => Ok(vec![(path.to_owned(), list_of(text))]),
        _ => Ok(vec![(path.to_owned(), string(text))]),
    }
}

/// The words of a text with commas between.
pub(super) fn list_of(text: &str) -> Value {
    Value::Array(text.split(',').map(|word| Value::String(word.trim().to_owned())).collect())
}

/// True when what is wrong with `field` is wrong with what was given at `path`.
fn concerns(path: &str, field: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or(path);
    let inside = |outer: &str, inner: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with(['.', '[']))
    };
    path == field || last == field || inside(path, field)
}

/// The text as what the form's reader said that it expects; none when it said no such thing.
fn retyped(text: &str, why: &str) -> Option<Value> {
    let expected = why.split_once("invalid type: string").map(|(_, rest)| rest)?;
    if expected.contains("bool") {
        return match text {
            "yes" | "true" => Some(Value::Boolean(true)),
            "no" | "false" => Some(Value::Boolean(false)),
            _ => None,
        };
    }
    if expected.contains("sequence") {
        return Some(list_of(text));
    }
    text.parse().ok().map(Value::Integer)
}

/// What is filled in where nothing is given.
fn default_of(field: &str, why: &str, on: Timestamp) -> Vec<(String, Value)> {
    let string = |text: &str| Value::String(text.to_owned());
    let within = |name: &str, text: &str| (format!("{field}.{name}"), string(text));
    let last = field.rsplit('.').next().unwrap_or(field);
    let one = |value: Value| vec![(field.to_owned(), value)];
    if let Some((_, category)) = why.split_once("this type is for ") {
        return one(string(category.split(' ').next().unwrap_or_default()));
    }
    match last {
        "authority" | "confirmation_contact" => vec![
            within("organisation", "24/7 desk"),
            within("email", "duty@desk.example"),
            within("telephone", "+15550100"),
        ],
        "data" => vec![
            ("data[0].description".to_owned(), string(NOT_TOLD)),
            ("data[0].categories".to_owned(), list_of("TRAFFIC")),
        ],
        "categories" => one(list_of("TRAFFIC")),
        "conditions" => one(list_of(NOT_TOLD)),
        "providers" => vec![("providers[0].name".to_owned(), string(NOT_TOLD))],
        "suspect" => vec![within("family_name", NOT_TOLD)],
        "transfers" => {
            let at = |name: &str| format!("transfers[0].{name}");
            vec![(at("amount"), string("1000.00")), (at("currency"), string("EUR"))]
        }
        "amount" => one(string("1000.00")),
        "currency" => one(string("EUR")),
        // The example of the registry of IBANs.
        "beneficiary" => vec![within("iban", "GB82WEST12345698765432")],
        "iban" => one(string("GB82WEST12345698765432")),
        "email" => one(string("duty@desk.example")),
        "telephone" | "mobile" => one(string("+15550100")),
        "effective_from" => one(string(&on.to_string())),
        "tlp" => one(string("AMBER")),
        "handling_code" => one(string("H1")),
        "request_status" => one(string("NEW")),
        "mla_intended" | "under_protocol" => one(Value::Boolean(true)),
        _ => one(string(NOT_TOLD)),
    }
}

/// What is filled in where a plain text would not do, by what the form says of that.
fn shaped(why: &str, on: Timestamp) -> Option<Value> {
    let moment = on.to_string();
    if let Some((_, words)) = why.split_once("one of ") {
        let first = words.split([',', ' ']).next()?;
        return Some(Value::String(first.to_owned()));
    }
    if why.contains("a date") {
        return moment.get(..10).map(|day| Value::String(day.to_owned()));
    }
    if why.contains("RFC 3339") {
        return Some(Value::String(moment));
    }
    why.contains("a state").then(|| Value::String("XA".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::words::{Instrument, RequestType, Urgency};

    fn facts(kind: RequestType) -> RequestFacts {
        RequestFacts {
            kind,
            instrument: Instrument::Budapest,
            urgency: Urgency::Urgent,
            test: false,
            exercise: false,
            parent: None,
            prior_conditions: false,
            embargo_until: None,
        }
    }

    fn told(facts: &RequestFacts, fields: &[(&str, &str)]) -> Result<form::Body, Unfilled> {
        fill(&Act::Request(facts.clone()), facts, identity::now(), fields)
    }

    #[test]
    fn every_type_can_be_filled_in_without_being_told_anything() {
        for kind in RequestType::ALL {
            told(&facts(*kind), &[]).unwrap_or_else(|unfilled| panic!("{kind}: {unfilled}"));
        }
    }

    #[test]
    fn information_can_be_offered_under_conditions() {
        let kind = facts(RequestType::SpontaneousInformation);
        let offered = RequestFacts { prior_conditions: true, ..kind };
        told(&offered, &[]).unwrap();
        let given = [("subject", "Accounts"), ("condition", "Not in court."), ("condition", "H1")];
        let Some(form::body::Form::PriorConditions(form)) = told(&offered, &given).unwrap().form
        else {
            panic!()
        };
        assert_eq!(form.conditions, ["Not in court.", "H1"]);
        let now = identity::now();
        for act in [Act::ProvideInformation, Act::Feedback, Act::ReportSecurityIncident] {
            fill(&act, &offered, now, &[]).unwrap_or_else(|no| panic!("{act:?}: {no}"));
        }
    }

    #[test]
    fn what_is_given_stands_and_what_is_wrong_is_named() {
        let kind = facts(RequestType::Preservation);
        let body = told(
            &kind,
            &[
                ("offence", "fraud"),
                ("data", "logs"),
                ("categories", "TRAFFIC, SUBSCRIBER"),
                ("identifier", "IP_ADDRESS 198.51.100.23 port=443"),
                ("identifier", "DOMAIN c2.example"),
                ("period", "2026-03-02T00:00:00Z to 2026-03-02T08:00:00Z"),
                ("days", "90"),
                ("confidential", "yes"),
                ("authority", "Prosecutor"),
            ],
        );
        let Some(form::body::Form::Preservation(form)) = body.unwrap().form else { panic!() };
        assert_eq!((form.offence.as_str(), form.days, form.confidential), ("fraud", 90, true));
        assert_eq!(form.authority.unwrap().organisation, "Prosecutor");
        assert_eq!(form.data[0].identifiers[1].value, "c2.example");
        assert_eq!(form.data[0].categories, ["TRAFFIC", "SUBSCRIBER"]);
        let wrong = [
            ("offense", "fraud"),
            ("days", "12"),
            ("days", "many"),
            ("identifier", "IP_ADDRESS 198.51.100.256"),
            ("identifier", "IP_ADDRESS"),
            ("handling_code", "H9"),
            ("data[999].description", "x"),
        ];
        for (field, text) in wrong {
            let unfilled = told(&kind, &[("offence", "theft"), (field, text)]).unwrap_err();
            assert_eq!(unfilled.given, Some(1), "{unfilled}");
        }
        assert!(request("RO/cyber", "PRESERVATIO", "BUDAPEST", "URGENT", &[]).is_err());
    }
}
