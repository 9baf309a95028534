//! What must be filled in, by the act: Budapest Convention Art. 29(2) (a) to (f) for a
//! preservation, and what each answer needs.
//!
//! Not for what a field must look like (see `shape.rs`).

use super::shape;
use crate::envelope::read::malformed;
use crate::envelope::words::{Extent, MlaStep, Outcome, RequestType, Urgency, WillAnswer};
use crate::envelope::{Act, Malformed, RequestFacts};
use crate::units::{DAY_MS, Timestamp};
use crate::wire::detente::form::v1::body::Form;
use crate::wire::detente::form::v1::{
    Contact, DataSought, DeterminationForm, ExecutionForm, InformationForm, Period,
    PreservationForm, Text,
};

/// The most pieces of data in one request: each is a task for a custodian.
const DATA_MAX: usize = 32;

/// The most identifiers of one piece of data.
const IDENTIFIERS_MAX: usize = 256;

/// The most entries of a list of words or conditions.
const WORDS_MAX: usize = 32;

/// The shortest preservation, in milliseconds: 60 days (Art. 29(7)).
const PRESERVATION_MS_MIN: i64 = 60 * DAY_MS;

/// Notes every field of `form` that `act` needs, or does not allow, on a request with these facts.
/// The form is the one that belongs to the act.
pub(super) fn check(act: &Act, request: &RequestFacts, form: &Form, wrong: &mut Vec<Malformed>) {
    let mut needs = Needs { wrong };
    match form {
        Form::Preservation(form) => preservation(&mut needs, request, form),
        Form::Information(form) => information(&mut needs, request, form),
        Form::Acknowledgement(form) => {
            needs.line("answer_form", &form.answer_form, "say in what form the answer will come");
            if matches!(act, Act::Acknowledge { will_answer: WillAnswer::Forwarded, .. }) {
                needs.line("forwarded_to", &form.forwarded_to, "say to whom it was forwarded");
            }
        }
        Form::Reason(form) => {
            if matches!(act, Act::ReviseEstimate { .. }) {
                needs.text("reason", form.reason.as_ref(), "say why the estimate slipped");
            }
        }
        Form::ClarificationRequest(form) => {
            needs.text("question", form.question.as_ref(), "ask the question");
            needs.at_most("fields", form.fields.len(), WORDS_MAX);
        }
        Form::Clarification(form) => {
            needs.text("answer", form.answer.as_ref(), "give the answer");
            data_sought(&mut needs, &form.data);
        }
        Form::Determination(form) => {
            if let Act::Determine { outcome, .. } = act {
                determination(&mut needs, *outcome, form);
            }
        }
        Form::Execution(form) => {
            if let Act::Execute { extent, preserved_until } = act {
                execution(&mut needs, request.kind, *extent, *preserved_until, form);
            }
        }
        Form::Extension(form) => {
            if matches!(act, Act::RequestExtension) {
                needs.line("wished_until", &form.wished_until, "say until when");
            }
        }
        Form::Mla(form) => {
            needs.line("reference", &form.reference, "give the request's reference");
            if matches!(act, Act::Mla(MlaStep::Decided)) {
                needs.text("outcome", form.outcome.as_ref(), "say what was decided");
            }
        }
    }
}

fn preservation(needs: &mut Needs<'_>, request: &RequestFacts, form: &PreservationForm) {
    authority(needs, form.authority.as_ref(), "Art. 29(2)(a)");
    needs.line("offence", &form.offence, "Art. 29(2)(b): name the offence");
    needs.text("facts", form.facts.as_ref(), "Art. 29(2)(b): summarise the facts");
    let why = "Art. 29(2)(c): describe at least one piece of data";
    needs.that(!form.data.is_empty(), "data", why);
    data_sought(needs, &form.data);
    let why = "Art. 29(2)(c): say how the data relate to the offence";
    needs.text("relationship", form.relationship.as_ref(), why);
    let identified = is_filled(&form.custodian)
        || is_filled(&form.location)
        || form.data.iter().any(|sought| !sought.identifiers.is_empty());
    let why = "Art. 29(2)(d): name the custodian, the location of the system or an identifier";
    needs.that(identified, "custodian", why);
    let why = "Art. 29(2)(e): say why preservation is necessary";
    needs.text("necessity", form.necessity.as_ref(), why);
    let why = "Art. 29(2)(f): a request for mutual assistance must be intended";
    needs.that(form.mla_intended, "mla_intended", why);
    urgency_grounds(needs, request.urgency, form.urgency_grounds.as_ref());
}

fn information(needs: &mut Needs<'_>, request: &RequestFacts, form: &InformationForm) {
    authority(needs, form.authority.as_ref(), "who asks");
    needs.line("subject", &form.subject, "give the subject in one line");
    needs.text("question", form.question.as_ref(), "ask the question");
    urgency_grounds(needs, request.urgency, form.urgency_grounds.as_ref());
}

/// An authority that can be reached: an organisation and one channel that answers at once.
fn authority(needs: &mut Needs<'_>, contact: Option<&Contact>, article: &str) {
    let Some(contact) = contact else {
        needs.that(false, "authority", &format!("{article}: name the authority"));
        return;
    };
    let why = format!("{article}: name the authority");
    needs.line("authority.organisation", &contact.organisation, &why);
    let reachable = [&contact.telephone, &contact.mobile, &contact.email, &contact.fax]
        .into_iter()
        .any(|channel| is_filled(channel));
    let why = format!("{article}: give a telephone, mobile, e-mail or fax");
    needs.that(reachable, "authority.telephone", &why);
}

fn urgency_grounds(needs: &mut Needs<'_>, urgency: Urgency, grounds: Option<&Text>) {
    match urgency {
        Urgency::Emergency | Urgency::Urgent => {
            needs.text("urgency_grounds", grounds, &format!("say why it is {urgency}"));
        }
        Urgency::Expedited | Urgency::Routine | Urgency::Information => {}
    }
}

fn data_sought(needs: &mut Needs<'_>, data: &[DataSought]) {
    needs.at_most("data", data.len(), DATA_MAX);
    for (i, sought) in data.iter().enumerate() {
        let at = format!("data[{i}]");
        needs.line(&format!("{at}.description"), &sought.description, "describe the data");
        let field = format!("{at}.categories");
        needs.that(!sought.categories.is_empty(), &field, "give at least one category");
        needs.at_most(&field, sought.categories.len(), WORDS_MAX);
        for (j, category) in sought.categories.iter().enumerate() {
            let first = !sought.categories[..j].contains(category);
            needs.that(first, &format!("{field}[{j}]"), "it stands twice");
        }
        needs.at_most(&format!("{at}.identifiers"), sought.identifiers.len(), IDENTIFIERS_MAX);
        for (j, identifier) in sought.identifiers.iter().enumerate() {
            let at = format!("{at}.identifiers[{j}]");
            needs.line(&format!("{at}.kind"), &identifier.kind, "say what it is");
            needs.line(&format!("{at}.value"), &identifier.value, "give its value");
        }
        if let Some(period) = &sought.period {
            check_period(needs, &at, period);
        }
    }
}

fn check_period(needs: &mut Needs<'_>, at: &str, Period { from, until }: &Period) {
    if from.is_empty() && until.is_empty() {
        return;
    }
    needs.line(&format!("{at}.period.from"), from, "say from when");
    needs.line(&format!("{at}.period.until"), until, "say until when");
    if let (Ok(from), Ok(until)) = (shape::parse_moment(from), shape::parse_moment(until)) {
        needs.that(from < until, &format!("{at}.period.until"), "not after its start");
    }
}

fn determination(needs: &mut Needs<'_>, outcome: Outcome, form: &DeterminationForm) {
    let belongs = [
        ("refusal_ground", Outcome::Refused, is_filled(&form.refusal_ground)),
        ("unable_reason", Outcome::UnableToExecute, is_filled(&form.unable_reason)),
        ("conditions", Outcome::AcceptedWithConditions, !form.conditions.is_empty()),
        ("redirect_to", Outcome::NotCompetent, is_filled(&form.redirect_to)),
    ];
    for (field, only_with, there) in belongs {
        let why = if there { "does not belong to" } else { "missing with" };
        needs.that((outcome == only_with) == there, field, &format!("{why} {outcome}"));
    }
    needs.at_most("conditions", form.conditions.len(), WORDS_MAX);
    for (i, condition) in form.conditions.iter().enumerate() {
        needs.line(&format!("conditions[{i}]"), condition, "write the condition");
    }
    if outcome != Outcome::Accepted {
        needs.text("reasons", form.reasons.as_ref(), "Art. 27(7): give the reasons");
    }
    if outcome == Outcome::PartiallyAccepted {
        needs.text("scope", form.scope.as_ref(), "say what is accepted and what is not");
    }
}

fn execution(
    needs: &mut Needs<'_>,
    kind: RequestType,
    extent: Extent,
    preserved_until: Option<Timestamp>,
    form: &ExecutionForm,
) {
    if extent != Extent::Executed {
        needs.text("remarks", form.remarks.as_ref(), &format!("explain {extent}"));
    }
    match (kind, extent) {
        (RequestType::Preservation, Extent::Executed | Extent::ExecutedInPart) => {
            let why = "Art. 29(7): say when preservation took effect";
            needs.line("effective_from", &form.effective_from, why);
            needs.that(preserved_until.is_some(), "preserved_until", "say until when");
            let from = shape::parse_moment(&form.effective_from).ok();
            if let (Some(from), Some(until)) = (from, preserved_until) {
                let long = until.since_ms(from) >= PRESERVATION_MS_MIN;
                let why = "Art. 29(7): less than 60 days after effective_from";
                needs.that(long, "preserved_until", why);
            }
        }
        (RequestType::Preservation, Extent::NoDataHeld) => {
            let why = "nothing was preserved";
            needs.that(form.effective_from.is_empty(), "effective_from", why);
        }
        (
            RequestType::TechnicalAdvice | RequestType::LegalInformation,
            Extent::Executed | Extent::ExecutedInPart | Extent::NoDataHeld,
        ) => {
            let why = "only a preservation takes effect";
            needs.that(form.effective_from.is_empty(), "effective_from", why);
            if extent != Extent::NoDataHeld {
                needs.text("answer", form.answer.as_ref(), "give the answer");
            }
        }
    }
}

fn is_filled(text: &str) -> bool {
    !text.trim().is_empty()
}

/// What is missing so far.
struct Needs<'a> {
    wrong: &'a mut Vec<Malformed>,
}

impl Needs<'_> {
    fn that(&mut self, holds: bool, field: &str, why: &str) {
        if !holds {
            self.wrong.push(malformed(field, why));
        }
    }

    fn line(&mut self, field: &str, text: &str, why: &str) {
        self.that(is_filled(text), field, why);
    }

    fn text(&mut self, field: &str, text: Option<&Text>, why: &str) {
        self.that(text.is_some_and(|text| is_filled(&text.text)), field, why);
    }

    fn at_most(&mut self, field: &str, len: usize, max: usize) {
        self.that(len <= max, field, &format!("{len} where at most {max} belong"));
    }
}
