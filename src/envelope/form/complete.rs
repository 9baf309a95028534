//! What must be filled in, by the act.
//!
//! Not for what a field must look like (see `shape.rs`), nor for the forms of new requests (see
//! `request/`) and of what came of them (see `execution.rs`).

use super::course;
use super::execution;
use super::needs::{Needs, WORDS_MAX, is_filled};
use super::request::RequestForm as _;
use crate::envelope::words::{MlaStep, Outcome, RefusalGround, RequestType, WillAnswer};
use crate::envelope::{Act, Malformed, RequestFacts};
use crate::wire::detente::form::v1::DeterminationForm;
use crate::wire::detente::form::v1::body::Form;

/// Notes every field of `form` that `act` needs, or does not allow, on a request with these facts.
/// The form is the one that belongs to the act.
pub(super) fn check(act: &Act, request: &RequestFacts, form: &Form, wrong: &mut Vec<Malformed>) {
    let mut needs = Needs::new(wrong);
    match form {
        Form::Preservation(form) => form.needs(&mut needs, request),
        Form::Information(form) => form.needs(&mut needs, request),
        Form::PreservationExtension(form) => form.needs(&mut needs, request),
        Form::PartialTrafficDisclosure(form) => form.needs(&mut needs, request),
        Form::SubscriberInfo(form) => form.needs(&mut needs, request),
        Form::StoredDataMla(form) => form.needs(&mut needs, request),
        Form::EmergencyDisclosure(form) => form.needs(&mut needs, request),
        Form::EmergencyMla(form) => form.needs(&mut needs, request),
        Form::SpontaneousInformation(form) => form.needs(&mut needs, request),
        Form::LocateSuspect(form) => form.needs(&mut needs, request),
        Form::StopPayment(form) => form.needs(&mut needs, request),
        Form::IctIncidentClarification(form) => form.needs(&mut needs, request),
        Form::CommCheck(form) => form.needs(&mut needs, request),
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
            needs.data(&form.data);
        }
        Form::Determination(form) => {
            if let Act::Determine { outcome, .. } = act {
                determination(&mut needs, request.kind, *outcome, form);
            }
        }
        Form::Execution(form) => {
            if let Act::Execute { extent, preserved_until, .. } = act {
                execution::needs(&mut needs, request.kind, *extent, *preserved_until, form);
            }
        }
        Form::Extension(form) => {
            if matches!(act, Act::RequestExtension) {
                needs.line("wished_until", &form.wished_until, "say until when");
            }
        }
        Form::Mla(form) => {
            needs.line("reference", &form.reference, "give the request's reference");
            if matches!(act, Act::Mla { step: MlaStep::Decided, .. }) {
                needs.text("outcome", form.outcome.as_ref(), "say what was decided");
            }
        }
        Form::PriorConditions(_)
        | Form::Regrade(_)
        | Form::ConditionsAnswer(_)
        | Form::TrafficDisclosure(_)
        | Form::Feedback(_)
        | Form::UseReportRequest(_)
        | Form::UseReport(_)
        | Form::SecurityIncident(_) => course::needs(&mut needs, act, request, form),
    }
}

fn determination(
    needs: &mut Needs<'_>,
    kind: RequestType,
    outcome: Outcome,
    form: &DeterminationForm,
) {
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
    needs.conditions(&form.conditions);
    if outcome != Outcome::Accepted {
        needs.text("reasons", form.reasons.as_ref(), "Art. 27(7): give the reasons");
    }
    if outcome == Outcome::PartiallyAccepted {
        needs.text("scope", form.scope.as_ref(), "say what is accepted and what is not");
    }
    ground(needs, kind, &form.refusal_ground);
    let may_require = kind == RequestType::EmergencyDisclosure && outcome.accepts();
    let why = "only the acceptance of an emergency disclosure requires one (SAP Art. 9(5))";
    needs.that(!form.mla_required || may_require, "mla_required", why);
    let alone = is_filled(&form.mla_required_by) && !form.mla_required;
    needs.that(!alone, "mla_required_by", "only with mla_required");
}

/// The ground must be one that the type knows.
fn ground(needs: &mut Needs<'_>, kind: RequestType, text: &str) {
    // A word that is none is refused by its shape.
    let Ok(ground) = text.parse::<RefusalGround>() else { return };
    let grounds = grounds(kind);
    let words: Vec<&str> = grounds.iter().map(|word| word.as_str()).collect();
    let why = format!("no ground to refuse a {kind}; there are {}", words.join(", "));
    needs.that(grounds.contains(&ground), "refusal_ground", &why);
}

/// The grounds on which a request of a type may be refused.
///
/// A preservation knows those of Art. 29(4) and (5) and no other: that it is hard, or that the
/// offence is a military one, is none. Mutual assistance adds the requested party's law and the
/// treaty that applies (Art. 25(4), 27(4)), and dual criminality where it is a condition
/// (Art. 25(5)). What Art. 35 asks for is given "if permitted by domestic law and practice".
/// Nothing refuses what expects no answer.
pub const fn grounds(kind: RequestType) -> &'static [RefusalGround] {
    use RefusalGround::{
        ApplicableTreaty, DomesticLaw, DualCriminality, DualCriminalityLacking, EssentialInterests,
        PoliticalOffence,
    };
    match kind {
        RequestType::Preservation | RequestType::PreservationExtension => {
            &[PoliticalOffence, EssentialInterests, DualCriminality]
        }
        RequestType::PartialTrafficDisclosure => &[PoliticalOffence, EssentialInterests],
        RequestType::SubscriberInfo
        | RequestType::StoredDataMla
        | RequestType::EmergencyDisclosure
        | RequestType::EmergencyMla => &[
            PoliticalOffence,
            EssentialInterests,
            DualCriminalityLacking,
            DomesticLaw,
            ApplicableTreaty,
        ],
        RequestType::LocateSuspect | RequestType::StopPayment => {
            &[PoliticalOffence, EssentialInterests, DualCriminalityLacking, DomesticLaw]
        }
        RequestType::TechnicalAdvice
        | RequestType::LegalInformation
        | RequestType::IctIncidentClarification => &[EssentialInterests, DomesticLaw],
        RequestType::SpontaneousInformation | RequestType::CommCheck => &[],
    }
}
