//! Preservation (Art. 29), its extension, and the partial disclosure of traffic data that it may
//! lead to (Art. 30).
//!
//! Not for mutual assistance, which hands the preserved data over (see `assistance.rs`).

use super::super::needs::{Needs, is_filled};
use super::super::rows::{Rows, layout};
use super::super::shape::Shape;
use super::RequestForm;
use crate::envelope::RequestFacts;
use crate::envelope::words::DataCategory;
use crate::wire::detente::form::v1::{
    PartialTrafficDisclosureForm, PreservationExtensionForm, PreservationForm,
};

/// Art. 29(2) (a) to (f).
impl RequestForm for PreservationForm {
    fn rows<'a>(&'a self, rows: &mut Rows<'a>) {
        layout!(rows, PreservationForm = self, {
            reference: text("Own reference", Shape::Line),
            authority: contact("Authority, Art. 29(2)(a)"),
            confirmation_contact: contact("To confirm with"),
            investigative_authority: contact("Investigative authority"),
            offence: text("Offence, Art. 29(2)(b)", Shape::Line),
            legal_provisions: text("Legal provisions", Shape::Prose),
            facts: prose("Facts, Art. 29(2)(b)"),
            data: data("Data, Art. 29(2)(c)"),
            relationship: prose("Relation to the offence, Art. 29(2)(c)"),
            custodian: text("Custodian, Art. 29(2)(d)", Shape::Line),
            location: text("Location of the system, Art. 29(2)(d)", Shape::Line),
            necessity: prose("Necessity, Art. 29(2)(e)"),
            mla_intended: flag("Mutual assistance request follows, Art. 29(2)(f)"),
            mla_expected: text("Mutual assistance request expected", Shape::Date),
            urgency_grounds: prose("Grounds of urgency"),
            confidential: flag("Keep the request confidential, Art. 27(8)"),
            no_user_notification: flag("Do not tell the user"),
            days: days("Days asked for, Art. 29(7)"),
            previous_reference: text("Extends", Shape::Line),
            partial_disclosure: flag("Partial disclosure of traffic data, Art. 30"),
            handling_code: text("Handling code", Shape::HANDLING),
        });
    }

    fn needs(&self, needs: &mut Needs<'_>, request: &RequestFacts) {
        needs.authority(self.authority.as_ref(), "Art. 29(2)(a)");
        needs.line("offence", &self.offence, "Art. 29(2)(b): name the offence");
        needs.text("facts", self.facts.as_ref(), "Art. 29(2)(b): summarise the facts");
        let why = "Art. 29(2)(c): describe at least one piece of data";
        needs.some_data(&self.data, &[], why);
        let why = "Art. 29(2)(c): say how the data relate to the offence";
        needs.text("relationship", self.relationship.as_ref(), why);
        let identified = is_filled(&self.custodian)
            || is_filled(&self.location)
            || self.data.iter().any(|sought| !sought.identifiers.is_empty());
        let why = "Art. 29(2)(d): name the custodian, the location of the system or an identifier";
        needs.that(identified, "custodian", why);
        let why = "Art. 29(2)(e): say why preservation is necessary";
        needs.text("necessity", self.necessity.as_ref(), why);
        let why = "Art. 29(2)(f): a request for mutual assistance must be intended";
        needs.that(self.mla_intended, "mla_intended", why);
        needs.urgency_grounds(request.urgency, self.urgency_grounds.as_ref());
    }
}

/// T-CY(2018)11, item 3: "Extension of previous request".
impl RequestForm for PreservationExtensionForm {
    fn rows<'a>(&'a self, rows: &mut Rows<'a>) {
        layout!(rows, PreservationExtensionForm = self, {
            reference: text("Own reference", Shape::Line),
            authority: contact("Authority, Art. 29(2)(a)"),
            confirmation_contact: contact("To confirm with"),
            investigative_authority: contact("Investigative authority"),
            previous_reference: text("Extends", Shape::Line),
            previous_date: text("Extends the request of", Shape::Date),
            wished_until: text("Preserve until", Shape::Date),
            reasons: prose("Reasons"),
            mla_intended: flag("Mutual assistance request follows, Art. 29(2)(f)"),
            mla_expected: text("Mutual assistance request expected", Shape::Date),
            mla_reference: text("Mutual assistance request sent as", Shape::Line),
            data: data("Data, Art. 29(2)(c)"),
            custodian: text("Custodian, Art. 29(2)(d)", Shape::Line),
            custodian_reference: text("Custodian's reference", Shape::Line),
            urgency_grounds: prose("Grounds of urgency"),
            confidential: flag("Keep the request confidential, Art. 27(8)"),
            no_user_notification: flag("Do not tell the user"),
            handling_code: text("Handling code", Shape::HANDLING),
        });
    }

    fn needs(&self, needs: &mut Needs<'_>, request: &RequestFacts) {
        needs.authority(self.authority.as_ref(), "Art. 29(2)(a)");
        let why = "give the ticket or reference number of the earlier request";
        needs.line("previous_reference", &self.previous_reference, why);
        needs.line("wished_until", &self.wished_until, "say until when");
        needs.text("reasons", self.reasons.as_ref(), "say why it takes longer");
        let why = "Art. 29(2)(f): a request for mutual assistance must be intended";
        needs.that(self.mla_intended, "mla_intended", why);
        needs.data(&self.data);
        needs.urgency_grounds(request.urgency, self.urgency_grounds.as_ref());
    }
}

/// Art. 30(1).
impl RequestForm for PartialTrafficDisclosureForm {
    fn rows<'a>(&'a self, rows: &mut Rows<'a>) {
        layout!(rows, PartialTrafficDisclosureForm = self, {
            reference: text("Own reference", Shape::Line),
            authority: contact("Authority"),
            confirmation_contact: contact("To confirm with"),
            previous_preservation_ref: text("From preservation, Art. 30(1)", Shape::Line),
            custodian: text("Custodian", Shape::Line),
            data: data("Traffic data, Art. 30(1)"),
            known_path: prose("Path as far as known"),
            urgency_grounds: prose("Grounds of urgency"),
            confidential: flag("Keep the request confidential, Art. 27(8)"),
            handling_code: text("Handling code", Shape::HANDLING),
        });
    }

    fn needs(&self, needs: &mut Needs<'_>, request: &RequestFacts) {
        needs.authority(self.authority.as_ref(), "who asks");
        let why = "Art. 30(1): give the reference of the preservation";
        needs.line("previous_preservation_ref", &self.previous_preservation_ref, why);
        let why = "Art. 30(1): describe the traffic data of the communication";
        needs.some_data(&self.data, &[DataCategory::Traffic], why);
        needs.urgency_grounds(request.urgency, self.urgency_grounds.as_ref());
    }
}
