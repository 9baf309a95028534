//! The forms of what stands beside the ordinary course of a request: another urgency, conditions,
//! partial disclosure, and what the desks owe each other afterwards.
//!
//! Not for the ordinary course (see `fields.rs` and `complete.rs`).

use super::needs::Needs;
use super::rows::{Rows, layout};
use super::shape::{self, Shape};
use crate::envelope::words::ConditionsAnswer;
use crate::envelope::{Act, RequestFacts};
use crate::wire::detente::form::v1::body::Form;
use crate::wire::detente::form::v1::{
    ConditionsAnswerForm, FeedbackForm, PriorConditionsForm, RegradeForm, SecurityIncidentForm,
    TrafficDisclosureForm, UseReportForm, UseReportRequestForm,
};

/// Art. 26(2).
pub(super) fn prior_conditions<'a>(rows: &mut Rows<'a>, form: &'a PriorConditionsForm) {
    layout!(rows, PriorConditionsForm = form, {
        reference: text("Own reference", Shape::Line),
        authority: contact("Authority"),
        subject: text("Subject", Shape::Line),
        conditions: list("Condition, Art. 26(2)", Shape::Prose),
        urgency_grounds: prose("Grounds of urgency"),
        handling_code: text("Handling code", Shape::HANDLING),
    });
}

/// Another urgency.
pub(super) fn regrade<'a>(rows: &mut Rows<'a>, form: &'a RegradeForm) {
    layout!(rows, RegradeForm = form, { reasons: prose("Reasons for the other urgency") });
}

/// Art. 28(2).
pub(super) fn conditions_answer<'a>(rows: &mut Rows<'a>, form: &'a ConditionsAnswerForm) {
    layout!(rows, ConditionsAnswerForm = form, { remarks: prose("Remarks, Art. 28(2)") });
}

/// Art. 30(1).
pub(super) fn traffic_disclosure<'a>(rows: &mut Rows<'a>, form: &'a TrafficDisclosureForm) {
    layout!(rows, TrafficDisclosureForm = form, {
        provider: text("Provider, Art. 30(1)", Shape::Line),
        state: text("State of the provider", Shape::Country),
        path: prose("Path of the communication, Art. 30(1)"),
        identifiers: identifiers("Identifier"),
        period: period("Period"),
        remarks: prose("Remarks"),
        lone_officer_reason: prose("Without a second officer, because"),
    });
}

/// What came of it.
pub(super) fn feedback<'a>(rows: &mut Rows<'a>, form: &'a FeedbackForm) {
    layout!(rows, FeedbackForm = form, {
        outcome: prose("What came of it"),
        usefulness: text("Usefulness", Shape::Usefulness),
        remarks: prose("Remarks"),
    });
}

/// Art. 28(3), the question.
pub(super) fn use_report_request<'a>(rows: &mut Rows<'a>, form: &'a UseReportRequestForm) {
    layout!(rows, UseReportRequestForm = form, {
        question: prose("What use was made, Art. 28(3)"),
        wished_until: text("Answer wished for until", Shape::Date),
    });
}

/// Art. 28(3), the answer.
pub(super) fn use_report<'a>(rows: &mut Rows<'a>, form: &'a UseReportForm) {
    let UseReportForm { r#use, proceedings } = form;
    rows.prose("use", "Use made, Art. 28(3)", r#use);
    rows.text("proceedings", "Proceedings", Shape::Line, proceedings);
}

/// Second Additional Protocol Art. 14(7).
pub(super) fn security_incident<'a>(rows: &mut Rows<'a>, form: &'a SecurityIncidentForm) {
    layout!(rows, SecurityIncidentForm = form, {
        what: prose("What happened"),
        discovered_at: text("Discovered", Shape::Moment),
        occurred_at: text("Happened", Shape::Moment),
        affected: prose("Data affected"),
        measures: prose("Measures taken"),
        contact: contact("Contact"),
    });
}

/// Notes every field that must be filled in and is not. Other forms have theirs elsewhere.
pub(super) fn needs(needs: &mut Needs<'_>, act: &Act, request: &RequestFacts, form: &Form) {
    match form {
        Form::PriorConditions(form) => {
            needs.authority(form.authority.as_ref(), "who offers it");
            needs.line("subject", &form.subject, "give the subject in one line");
            let why = "Art. 26(2): state at least one condition";
            needs.that(!form.conditions.is_empty(), "conditions", why);
            needs.conditions(&form.conditions);
            needs.urgency_grounds(request.urgency, form.urgency_grounds.as_ref());
        }
        Form::Regrade(form) => {
            needs.text("reasons", form.reasons.as_ref(), "say why it gets another urgency");
        }
        Form::ConditionsAnswer(form) => {
            if matches!(act, Act::AnswerConditions(ConditionsAnswer::Declined)) {
                let why = "Art. 28(2): say which condition cannot be met, and why";
                needs.text("remarks", form.remarks.as_ref(), why);
            }
        }
        Form::TrafficDisclosure(form) => {
            needs.line("provider", &form.provider, "Art. 30(1): name the service provider");
            needs.line("state", &form.state, "Art. 30(1): name the state of the provider");
            needs.text("path", form.path.as_ref(), "Art. 30(1): describe the path");
            needs.identifiers("identifiers", &form.identifiers);
            if let Some(period) = &form.period {
                needs.period("period", period);
            }
        }
        Form::Feedback(form) => {
            needs.text("outcome", form.outcome.as_ref(), "say what came of it");
            needs.line("usefulness", &form.usefulness, "say how useful it was");
        }
        Form::UseReportRequest(form) => {
            needs.text("question", form.question.as_ref(), "Art. 28(3): ask what use was made");
        }
        Form::UseReport(form) => {
            needs.text("use", form.r#use.as_ref(), "Art. 28(3): say what use was made");
        }
        Form::SecurityIncident(form) => incident_needs(needs, form),
        Form::Preservation(_)
        | Form::Information(_)
        | Form::PreservationExtension(_)
        | Form::PartialTrafficDisclosure(_)
        | Form::SubscriberInfo(_)
        | Form::StoredDataMla(_)
        | Form::EmergencyDisclosure(_)
        | Form::EmergencyMla(_)
        | Form::SpontaneousInformation(_)
        | Form::LocateSuspect(_)
        | Form::StopPayment(_)
        | Form::IctIncidentClarification(_)
        | Form::CommCheck(_)
        | Form::Acknowledgement(_)
        | Form::Reason(_)
        | Form::ClarificationRequest(_)
        | Form::Clarification(_)
        | Form::Determination(_)
        | Form::Execution(_)
        | Form::Extension(_)
        | Form::Mla(_) => {}
    }
}

fn incident_needs(needs: &mut Needs<'_>, form: &SecurityIncidentForm) {
    needs.text("what", form.what.as_ref(), "say what happened");
    needs.line("discovered_at", &form.discovered_at, "say when it was discovered");
    needs.text("affected", form.affected.as_ref(), "say which of the data received are affected");
    needs.text("measures", form.measures.as_ref(), "say what has been done about it");
    let moment = |text: &str| shape::parse_moment(text).ok();
    if let (Some(discovered), Some(occurred)) =
        (moment(&form.discovered_at), moment(&form.occurred_at))
    {
        needs.that(occurred <= discovered, "occurred_at", "after it was discovered");
    }
}
