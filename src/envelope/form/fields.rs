//! What stands in each form: path, label, shape and value of every field, in the form's order.
//!
//! Not for which fields are mandatory (see `complete.rs`), nor for the forms of new requests (see
//! `request/`). Forms are taken apart exhaustively, so that a new field does not compile until it
//! has its line.

use std::fmt;

use super::course;
use super::execution;
use super::request::RequestForm as _;
use super::rows::{Rows, layout};
use super::shape::Shape;
use crate::wire::detente::form::v1::body::Form;
use crate::wire::detente::form::v1::{
    AcknowledgementForm, ClarificationForm, ClarificationRequestForm, DeterminationForm,
    ExtensionForm, MlaForm, ReasonForm,
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

    /// One step further.
    pub(super) fn then(&self, step: Step) -> Self {
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
        Form::Preservation(form) => form.rows(&mut rows),
        Form::Information(form) => form.rows(&mut rows),
        Form::PreservationExtension(form) => form.rows(&mut rows),
        Form::PartialTrafficDisclosure(form) => form.rows(&mut rows),
        Form::SubscriberInfo(form) => form.rows(&mut rows),
        Form::StoredDataMla(form) => form.rows(&mut rows),
        Form::EmergencyDisclosure(form) => form.rows(&mut rows),
        Form::EmergencyMla(form) => form.rows(&mut rows),
        Form::SpontaneousInformation(form) => form.rows(&mut rows),
        Form::LocateSuspect(form) => form.rows(&mut rows),
        Form::StopPayment(form) => form.rows(&mut rows),
        Form::IctIncidentClarification(form) => form.rows(&mut rows),
        Form::CommCheck(form) => form.rows(&mut rows),
        Form::Acknowledgement(form) => acknowledgement(&mut rows, form),
        Form::Reason(ReasonForm { reason }) => rows.prose("reason", "Reason", reason),
        Form::ClarificationRequest(form) => layout!(rows, ClarificationRequestForm = form, {
            fields: list("Field in question", Shape::Path),
            question: prose("Question"),
        }),
        Form::Clarification(form) => layout!(rows, ClarificationForm = form, {
            answer: prose("Answer"),
            data: data("Corrected data"),
        }),
        Form::Determination(form) => determination(&mut rows, form),
        Form::Execution(form) => execution::rows(&mut rows, form),
        Form::Extension(form) => layout!(rows, ExtensionForm = form, {
            wished_until: text("Preserve until", Shape::Date),
            previous_reference: text("Reference of the request that is extended", Shape::Line),
            reasons: prose("Reasons"),
        }),
        Form::Mla(form) => layout!(rows, MlaForm = form, {
            reference: text("Reference of the mutual assistance request", Shape::Line),
            central_authority: text("Central authority", Shape::Line),
            outcome: prose("Outcome"),
        }),
        Form::PriorConditions(form) => course::prior_conditions(&mut rows, form),
        Form::Regrade(form) => course::regrade(&mut rows, form),
        Form::ConditionsAnswer(form) => course::conditions_answer(&mut rows, form),
        Form::TrafficDisclosure(form) => course::traffic_disclosure(&mut rows, form),
        Form::Feedback(form) => course::feedback(&mut rows, form),
        Form::UseReportRequest(form) => course::use_report_request(&mut rows, form),
        Form::UseReport(form) => course::use_report(&mut rows, form),
        Form::SecurityIncident(form) => course::security_incident(&mut rows, form),
    }
    rows.into_fields()
}

fn acknowledgement<'a>(rows: &mut Rows<'a>, form: &'a AcknowledgementForm) {
    layout!(rows, AcknowledgementForm = form, {
        answer_form: text("Form of the answer, Dir. 2013/40/EU Art. 13(1)", Shape::Line),
        handler_reference: text("Handled under", Shape::Line),
        handling_language: text("Handled in", Shape::Language),
        forwarded_to: text("Forwarded to", Shape::Line),
        remarks: prose("Remarks"),
    });
}

fn determination<'a>(rows: &mut Rows<'a>, form: &'a DeterminationForm) {
    layout!(rows, DeterminationForm = form, {
        refusal_ground: text("Ground of refusal", Shape::RefusalGround),
        unable_reason: text("Cannot be executed because", Shape::UnableReason),
        reasons: prose("Reasons, Art. 27(7)"),
        conditions: list("Condition, Art. 28", Shape::Prose),
        redirect_to: text("Competent instead", Shape::Line),
        scope: prose("What is accepted, Art. 27(6)"),
        mla_required: flag("Mutual assistance request required, SAP Art. 9(5)"),
        mla_required_by: text("Required by", Shape::Date),
    });
}
