//! What came of a request: what was preserved, answered, disclosed, held back or found.
//!
//! Not for how far it was carried out: that is in the signed act, which the relay sees. Each type
//! has its own results, and no others.

use super::needs::{Needs, WORDS_MAX, has_text, is_filled};
use super::rows::{Rows, layout};
use super::shape::{self, Shape};
use crate::envelope::words::{Extent, RequestType};
use crate::units::{DAY_MS, Timestamp};
use crate::wire::detente::form::v1::{
    DisclosedData, ExecutionForm, PathHop, Subscriber, Whereabouts, WithheldFunds,
};

/// The shortest preservation, in milliseconds: 60 days (Art. 29(7)).
const PRESERVATION_MS_MIN: i64 = 60 * DAY_MS;

/// The most results of one kind in one answer.
const RESULTS_MAX: usize = 256;

/// What a type hands back when it is carried out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Brings {
    /// Data are preserved from a moment.
    Preservation,
    /// Data stay preserved.
    Extension,
    /// An answer in words.
    Answer,
    /// Data, or subscriber information.
    Data,
    /// The providers that a communication passed.
    Path,
    /// Money that is held back.
    Money,
    /// Where a person is.
    Place,
    /// Nothing: more than an acknowledgement is not asked for.
    Nothing,
}

const fn brings(kind: RequestType) -> Brings {
    match kind {
        RequestType::Preservation => Brings::Preservation,
        RequestType::PreservationExtension => Brings::Extension,
        RequestType::PartialTrafficDisclosure => Brings::Path,
        RequestType::SubscriberInfo
        | RequestType::StoredDataMla
        | RequestType::EmergencyDisclosure
        | RequestType::EmergencyMla => Brings::Data,
        RequestType::TechnicalAdvice
        | RequestType::LegalInformation
        | RequestType::IctIncidentClarification => Brings::Answer,
        RequestType::LocateSuspect => Brings::Place,
        RequestType::StopPayment => Brings::Money,
        RequestType::SpontaneousInformation | RequestType::CommCheck => Brings::Nothing,
    }
}

/// An answer to fill in, with a comment on every field that the type has; none where none is
/// expected.
pub(super) const fn template(kind: RequestType) -> Option<&'static str> {
    Some(match brings(kind) {
        Brings::Preservation | Brings::Extension => include_str!("answers/preservation.toml"),
        Brings::Answer => include_str!("answers/answer.toml"),
        Brings::Data => include_str!("answers/data.toml"),
        Brings::Path => include_str!("answers/path.toml"),
        Brings::Money => include_str!("answers/money.toml"),
        Brings::Place => include_str!("answers/place.toml"),
        Brings::Nothing => return None,
    })
}

/// Every field, filled in or not.
pub(super) fn rows<'a>(rows: &mut Rows<'a>, form: &'a ExecutionForm) {
    layout!(rows, ExecutionForm = form, {
        effective_from: text("Preserved from, Art. 29(7)", Shape::Moment),
        scope: prose("What was preserved"),
        custodian_reference: text("Custodian's reference", Shape::Line),
        answer: prose("Answer"),
        remarks: prose("Remarks"),
        early_warning: prose("Early warning, Art. 29(6)"),
        disclosed: disclosed("Disclosed"),
        subscribers: subscribers("Subscriber, Art. 18(3), no."),
        withheld: withheld("Held back"),
        whereabouts: whereabouts("Whereabouts, Art. 35(1)(c)"),
        path: path("Path, Art. 30(1), provider"),
        lone_officer_reason: prose("Without a second officer, because"),
    });
}

/// Notes what the form lacks on a request of this type, and what does not belong to it.
pub(super) fn needs(
    needs: &mut Needs<'_>,
    kind: RequestType,
    extent: Extent,
    preserved_until: Option<Timestamp>,
    form: &ExecutionForm,
) {
    if extent != Extent::Executed {
        needs.text("remarks", form.remarks.as_ref(), &format!("explain {extent}"));
    }
    let result = brings(kind);
    let something = extent != Extent::NoDataHeld;
    only_own(needs, kind, something, form);
    if result == Brings::Preservation {
        preservation(needs, something, preserved_until, form);
    }
    if something {
        own(needs, result, preserved_until, form);
    }
}

/// What belongs to another type must not stand there; with `NO_DATA_HELD`, no result at all.
fn only_own(needs: &mut Needs<'_>, kind: RequestType, something: bool, form: &ExecutionForm) {
    let result = brings(kind);
    let preserves = matches!(result, Brings::Preservation | Brings::Extension);
    let moment = is_filled(&form.effective_from);
    if !preserves {
        needs.that(!moment, "effective_from", "only a preservation takes effect");
    }
    let hands_over = result == Brings::Data;
    for (field, there, belongs) in [
        ("answer", has_text(form.answer.as_ref()), result == Brings::Answer),
        ("disclosed", !form.disclosed.is_empty(), hands_over),
        ("subscribers", !form.subscribers.is_empty(), hands_over),
        ("withheld", !form.withheld.is_empty(), result == Brings::Money),
        ("whereabouts", form.whereabouts.is_some(), result == Brings::Place),
        ("path", !form.path.is_empty(), result == Brings::Path),
        (
            "lone_officer_reason",
            has_text(form.lone_officer_reason.as_ref()),
            hands_over || result == Brings::Path,
        ),
    ] {
        needs.that(!there || belongs, field, &format!("does not belong to {kind}"));
        needs.that(!there || !belongs || something, field, "there are no such data");
    }
}

/// What must stand there when anything was found.
fn own(
    needs: &mut Needs<'_>,
    result: Brings,
    preserved_until: Option<Timestamp>,
    form: &ExecutionForm,
) {
    match result {
        Brings::Preservation | Brings::Nothing => {}
        Brings::Extension => {
            needs.that(preserved_until.is_some(), "preserved_until", "say until when");
        }
        Brings::Answer => needs.text("answer", form.answer.as_ref(), "give the answer"),
        Brings::Data => {
            let handed_over = !form.disclosed.is_empty() || !form.subscribers.is_empty();
            let why = "say what was disclosed, or who the subscriber is";
            needs.that(handed_over, "disclosed", why);
            disclosed(needs, &form.disclosed);
            subscribers(needs, &form.subscribers);
        }
        Brings::Path => path(needs, &form.path),
        Brings::Money => withheld(needs, &form.withheld),
        Brings::Place => whereabouts(needs, form.whereabouts.as_ref()),
    }
}

/// Art. 29(7): from when, and until at least sixty days later.
fn preservation(
    needs: &mut Needs<'_>,
    something: bool,
    preserved_until: Option<Timestamp>,
    form: &ExecutionForm,
) {
    if !something {
        needs.that(form.effective_from.is_empty(), "effective_from", "nothing was preserved");
        return;
    }
    let why = "Art. 29(7): say when preservation took effect";
    needs.line("effective_from", &form.effective_from, why);
    needs.that(preserved_until.is_some(), "preserved_until", "say until when");
    let from = shape::parse_moment(&form.effective_from).ok();
    if let (Some(from), Some(until)) = (from, preserved_until) {
        let long = until.since_ms(from) >= PRESERVATION_MS_MIN;
        needs.that(long, "preserved_until", "Art. 29(7): less than 60 days after effective_from");
    }
}

fn disclosed(needs: &mut Needs<'_>, disclosed: &[DisclosedData]) {
    needs.at_most("disclosed", disclosed.len(), RESULTS_MAX);
    for (i, data) in disclosed.iter().enumerate() {
        let at = format!("disclosed[{i}]");
        needs.line(&format!("{at}.description"), &data.description, "say what they are");
        needs.categories(&format!("{at}.categories"), &data.categories);
        let why = "give the reference under which they are held";
        needs.line(&format!("{at}.reference"), &data.reference, why);
    }
}

fn subscribers(needs: &mut Needs<'_>, subscribers: &[Subscriber]) {
    needs.at_most("subscribers", subscribers.len(), RESULTS_MAX);
    for (i, subscriber) in subscribers.iter().enumerate() {
        let at = format!("subscribers[{i}]");
        let known = [&subscriber.name, &subscriber.address, &subscriber.telephone]
            .into_iter()
            .chain([&subscriber.email, &subscriber.account])
            .any(|text| is_filled(text))
            || has_text(subscriber.other.as_ref());
        needs.that(known, &format!("{at}.name"), "say who the subscriber is");
        if let Some(identifier) = &subscriber.identifier {
            needs.identifier(&format!("{at}.identifier"), identifier);
        }
        if let Some(period) = &subscriber.period {
            needs.period(&format!("{at}.period"), period);
        }
    }
}

fn path(needs: &mut Needs<'_>, path: &[PathHop]) {
    needs.that(!path.is_empty(), "path", "Art. 30(1): name the provider, and the path to it");
    needs.at_most("path", path.len(), WORDS_MAX);
    for (i, hop) in path.iter().enumerate() {
        let at = format!("path[{i}]");
        let why = "Art. 30(1): name the provider";
        needs.provider(&format!("{at}.provider"), hop.provider.as_ref(), why);
        if let Some(provider) = &hop.provider {
            let why = "Art. 30(1): say in which state it is";
            needs.line(&format!("{at}.provider.country"), &provider.country, why);
        }
        if let Some(identifier) = &hop.identifier {
            needs.identifier(&format!("{at}.identifier"), identifier);
        }
    }
}

fn withheld(needs: &mut Needs<'_>, withheld: &[WithheldFunds]) {
    needs.that(!withheld.is_empty(), "withheld", "say how much is held back, where, until when");
    needs.at_most("withheld", withheld.len(), RESULTS_MAX);
    for (i, funds) in withheld.iter().enumerate() {
        let at = format!("withheld[{i}]");
        needs.money(&at, &funds.amount, &funds.currency);
        let why = "name the account where it is held";
        needs.account(&format!("{at}.account"), funds.account.as_ref(), why);
        needs.line(&format!("{at}.until"), &funds.until, "say until when it is held");
    }
}

fn whereabouts(needs: &mut Needs<'_>, whereabouts: Option<&Whereabouts>) {
    let Some(found) = whereabouts else {
        needs.that(false, "whereabouts", "say where the person is");
        return;
    };
    needs.line("whereabouts.place", &found.place, "say where the person is");
    needs.line("whereabouts.country", &found.country, "say in which state");
    needs.line("whereabouts.as_of", &found.as_of, "say as of when it is known");
}
