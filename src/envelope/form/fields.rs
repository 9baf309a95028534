//! What stands in each form: path, label, shape and value of every field, in the form's order.
//!
//! Not for which fields are mandatory (see `complete.rs`). Forms are taken apart exhaustively, so
//! that a new field does not compile until it has its line here.

use std::fmt;

use super::shape::Shape;
use crate::wire::detente::form::v1::body::Form;
use crate::wire::detente::form::v1::{
    AcknowledgementForm, ClarificationForm, ClarificationRequestForm, Contact, DataSought,
    DeterminationForm, ExecutionForm, ExtensionForm, Identifier, InformationForm, MlaForm, Period,
    PreservationForm, ReasonForm, Text,
};

/// One field of a form.
pub(super) struct Field<'a> {
    /// Where it stands ("data[0].period.from").
    pub(super) path: Path,
    /// What people call it.
    pub(super) label: String,
    /// What it must look like.
    pub(super) shape: Shape,
    /// What stands in it.
    pub(super) value: Value<'a>,
}

/// What stands in a field. Empty text, `false` and 0 mean that it is not filled in.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    /// Text.
    Text(&'a str),
    /// A box that is ticked or not.
    Flag(bool),
    /// A number.
    Number(u32),
}

/// Where a field stands.
#[derive(Clone, Default)]
pub(super) struct Path(Vec<Step>);

/// One step of a path.
#[derive(Clone)]
pub(super) enum Step {
    /// Into a field.
    Name(&'static str),
    /// Into an entry of a list, from 0.
    Entry(usize),
}

impl Path {
    /// Its steps, outermost first.
    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }

    fn then(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::Name(name) if i == 0 => f.write_str(name)?,
                Step::Name(name) => write!(f, ".{name}")?,
                Step::Entry(entry) => write!(f, "[{entry}]")?,
            }
        }
        Ok(())
    }
}

/// Every field of a form, filled in or not, in the form's order.
pub(super) fn of(form: &Form) -> Vec<Field<'_>> {
    let mut rows = Rows::default();
    match form {
        Form::Preservation(form) => preservation(&mut rows, form),
        Form::Information(form) => information(&mut rows, form),
        Form::Acknowledgement(form) => acknowledgement(&mut rows, form),
        Form::Reason(ReasonForm { reason }) => rows.prose("reason", "Reason", reason.as_ref()),
        Form::ClarificationRequest(ClarificationRequestForm { fields, question }) => {
            rows.list("fields", "Field in question", Shape::Path, fields);
            rows.prose("question", "Question", question.as_ref());
        }
        Form::Clarification(ClarificationForm { answer, data }) => {
            rows.prose("answer", "Answer", answer.as_ref());
            data_sought(&mut rows, "Corrected data", data);
        }
        Form::Determination(form) => determination(&mut rows, form),
        Form::Execution(form) => execution(&mut rows, form),
        Form::Extension(ExtensionForm { wished_until, previous_reference, reasons }) => {
            rows.text("wished_until", "Preserve until", Shape::Date, wished_until);
            let label = "Reference of the request that is extended";
            rows.text("previous_reference", label, Shape::Line, previous_reference);
            rows.prose("reasons", "Reasons", reasons.as_ref());
        }
        Form::Mla(MlaForm { reference, central_authority, outcome }) => {
            let label = "Reference of the mutual assistance request";
            rows.text("reference", label, Shape::Line, reference);
            rows.text("central_authority", "Central authority", Shape::Line, central_authority);
            rows.prose("outcome", "Outcome", outcome.as_ref());
        }
    }
    rows.fields
}

fn preservation<'a>(rows: &mut Rows<'a>, form: &'a PreservationForm) {
    let PreservationForm {
        reference,
        authority,
        confirmation_contact,
        investigative_authority,
        offence,
        legal_provisions,
        facts,
        data,
        relationship,
        custodian,
        location,
        necessity,
        mla_intended,
        mla_expected,
        urgency_grounds,
        confidential,
        no_user_notification,
        days,
        previous_reference,
        partial_disclosure,
        handling_code,
    } = form;
    rows.text("reference", "Own reference", Shape::Line, reference);
    contact(rows, "authority", "Authority, Art. 29(2)(a)", authority.as_ref());
    contact(rows, "confirmation_contact", "To confirm with", confirmation_contact.as_ref());
    let label = "Investigative authority";
    contact(rows, "investigative_authority", label, investigative_authority.as_ref());
    rows.text("offence", "Offence, Art. 29(2)(b)", Shape::Line, offence);
    rows.text("legal_provisions", "Legal provisions", Shape::Prose, legal_provisions);
    rows.prose("facts", "Facts, Art. 29(2)(b)", facts.as_ref());
    data_sought(rows, "Data, Art. 29(2)(c)", data);
    rows.prose("relationship", "Relation to the offence, Art. 29(2)(c)", relationship.as_ref());
    rows.text("custodian", "Custodian, Art. 29(2)(d)", Shape::Line, custodian);
    rows.text("location", "Location of the system, Art. 29(2)(d)", Shape::Line, location);
    rows.prose("necessity", "Necessity, Art. 29(2)(e)", necessity.as_ref());
    let label = "Mutual assistance request follows, Art. 29(2)(f)";
    rows.push("mla_intended", label, Shape::Flag, Value::Flag(*mla_intended));
    rows.text("mla_expected", "Mutual assistance request expected", Shape::Date, mla_expected);
    rows.prose("urgency_grounds", "Grounds of urgency", urgency_grounds.as_ref());
    let label = "Keep the request confidential, Art. 27(8)";
    rows.push("confidential", label, Shape::Flag, Value::Flag(*confidential));
    let label = "Do not tell the user";
    rows.push("no_user_notification", label, Shape::Flag, Value::Flag(*no_user_notification));
    rows.push("days", "Days asked for, Art. 29(7)", Shape::Days, Value::Number(*days));
    rows.text("previous_reference", "Extends", Shape::Line, previous_reference);
    let label = "Partial disclosure of traffic data, Art. 30";
    rows.push("partial_disclosure", label, Shape::Flag, Value::Flag(*partial_disclosure));
    rows.text("handling_code", "Handling code", Shape::HANDLING, handling_code);
}

fn information<'a>(rows: &mut Rows<'a>, form: &'a InformationForm) {
    let InformationForm { reference, authority, subject, question, urgency_grounds, tlp } = form;
    rows.text("reference", "Own reference", Shape::Line, reference);
    contact(rows, "authority", "Authority", authority.as_ref());
    rows.text("subject", "Subject", Shape::Line, subject);
    rows.prose("question", "Question, Art. 35(1)", question.as_ref());
    rows.prose("urgency_grounds", "Grounds of urgency", urgency_grounds.as_ref());
    rows.text("tlp", "Traffic light, TLP 2.0", Shape::TLP, tlp);
}

fn acknowledgement<'a>(rows: &mut Rows<'a>, form: &'a AcknowledgementForm) {
    let AcknowledgementForm {
        answer_form,
        handler_reference,
        handling_language,
        forwarded_to,
        remarks,
    } = form;
    let label = "Form of the answer, Dir. 2013/40/EU Art. 13(1)";
    rows.text("answer_form", label, Shape::Line, answer_form);
    rows.text("handler_reference", "Handled under", Shape::Line, handler_reference);
    rows.text("handling_language", "Handled in", Shape::Language, handling_language);
    rows.text("forwarded_to", "Forwarded to", Shape::Line, forwarded_to);
    rows.prose("remarks", "Remarks", remarks.as_ref());
}

fn determination<'a>(rows: &mut Rows<'a>, form: &'a DeterminationForm) {
    let DeterminationForm {
        refusal_ground,
        unable_reason,
        reasons,
        conditions,
        redirect_to,
        scope,
    } = form;
    let label = "Ground of refusal, Art. 29(4) and (5)";
    rows.text("refusal_ground", label, Shape::RefusalGround, refusal_ground);
    rows.text("unable_reason", "Cannot be executed because", Shape::UnableReason, unable_reason);
    rows.prose("reasons", "Reasons, Art. 27(7)", reasons.as_ref());
    rows.list("conditions", "Condition, Art. 28", Shape::Prose, conditions);
    rows.text("redirect_to", "Competent instead", Shape::Line, redirect_to);
    rows.prose("scope", "What is accepted, Art. 27(6)", scope.as_ref());
}

fn execution<'a>(rows: &mut Rows<'a>, form: &'a ExecutionForm) {
    let ExecutionForm {
        effective_from,
        scope,
        custodian_reference,
        answer,
        remarks,
        early_warning,
    } = form;
    let label = "Preserved from, Art. 29(7)";
    rows.text("effective_from", label, Shape::Moment, effective_from);
    rows.prose("scope", "What was preserved", scope.as_ref());
    let label = "Custodian's reference";
    rows.text("custodian_reference", label, Shape::Line, custodian_reference);
    rows.prose("answer", "Answer", answer.as_ref());
    rows.prose("remarks", "Remarks", remarks.as_ref());
    rows.prose("early_warning", "Early warning, Art. 29(6)", early_warning.as_ref());
}

fn contact<'a>(
    rows: &mut Rows<'a>,
    name: &'static str,
    heading: &str,
    contact: Option<&'a Contact>,
) {
    let Some(contact) = contact else { return };
    let Contact {
        organisation,
        name: person,
        job_title,
        function,
        address,
        telephone,
        mobile,
        email,
        fax,
        office_hours,
        time_zone,
    } = contact;
    rows.within(Step::Name(name), heading, |rows| {
        rows.text("organisation", "organisation", Shape::Line, organisation);
        rows.text("name", "name", Shape::Line, person);
        rows.text("job_title", "job title", Shape::Line, job_title);
        rows.text("function", "function", Shape::Line, function);
        rows.text("address", "address", Shape::Prose, address);
        rows.text("telephone", "telephone", Shape::Phone, telephone);
        rows.text("mobile", "mobile", Shape::Phone, mobile);
        rows.text("email", "e-mail", Shape::Email, email);
        rows.text("fax", "fax", Shape::Phone, fax);
        rows.text("office_hours", "office hours", Shape::Line, office_hours);
        rows.text("time_zone", "time zone", Shape::TimeZone, time_zone);
    });
}

fn data_sought<'a>(rows: &mut Rows<'a>, heading: &str, data: &'a [DataSought]) {
    for (i, sought) in data.iter().enumerate() {
        let DataSought { description, categories, identifiers, period } = sought;
        let heading = format!("{heading}, no. {}", i + 1);
        rows.within(Step::Name("data"), "", |rows| {
            rows.within(Step::Entry(i), &heading, |rows| {
                rows.text("description", "description", Shape::Prose, description);
                rows.list("categories", "category", Shape::Category, categories);
                for (i, identifier) in identifiers.iter().enumerate() {
                    let Identifier { kind, value, qualifier } = identifier;
                    let label = format!("identifier {}", i + 1);
                    rows.within(Step::Name("identifiers"), "", |rows| {
                        rows.within(Step::Entry(i), &label, |rows| {
                            rows.text("kind", "kind", Shape::IDENTIFIER_KIND, kind);
                            rows.text("value", "value", Shape::of_identifier(kind), value);
                            rows.text("qualifier", "qualifier", Shape::Line, qualifier);
                        });
                    });
                }
                if let Some(Period { from, until }) = period {
                    rows.within(Step::Name("period"), "", |rows| {
                        rows.text("from", "from", Shape::Moment, from);
                        rows.text("until", "until", Shape::Moment, until);
                    });
                }
            });
        });
    }
}

/// The fields collected so far, and where the next ones stand.
#[derive(Default)]
struct Rows<'a> {
    at: Path,
    heading: String,
    fields: Vec<Field<'a>>,
}

impl<'a> Rows<'a> {
    fn push(&mut self, name: &'static str, label: &str, shape: Shape, value: Value<'a>) {
        let path = self.at.then(Step::Name(name));
        let label = self.label(label);
        self.fields.push(Field { path, label, shape, value });
    }

    fn text(&mut self, name: &'static str, label: &str, shape: Shape, value: &'a str) {
        self.push(name, label, shape, Value::Text(value));
    }

    fn list(&mut self, name: &'static str, label: &str, shape: Shape, values: &'a [String]) {
        let label = self.label(label);
        for (i, value) in values.iter().enumerate() {
            let path = self.at.then(Step::Name(name)).then(Step::Entry(i));
            let value = Value::Text(value);
            self.fields.push(Field { path, label: label.clone(), shape, value });
        }
    }

    fn prose(&mut self, name: &'static str, label: &str, value: Option<&'a Text>) {
        let Some(Text { text, language }) = value else { return };
        let inner = self.at.then(Step::Name(name));
        let outer = std::mem::replace(&mut self.at, inner);
        self.text("text", label, Shape::Prose, text);
        self.text("language", &format!("{label} (language)"), Shape::Language, language);
        self.at = outer;
    }

    /// Runs `fill` one step further in, under a heading of its own.
    fn within(&mut self, step: Step, heading: &str, fill: impl FnOnce(&mut Self)) {
        let (at, heading) = (self.at.then(step), self.label(heading));
        let outer_at = std::mem::replace(&mut self.at, at);
        let outer_heading = std::mem::replace(&mut self.heading, heading);
        fill(self);
        self.at = outer_at;
        self.heading = outer_heading;
    }

    fn label(&self, label: &str) -> String {
        match (self.heading.as_str(), label) {
            ("", label) => label.to_owned(),
            (heading, "") => heading.to_owned(),
            (heading, label) => format!("{heading}: {label}"),
        }
    }
}
