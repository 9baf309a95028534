//! Mutual assistance that hands data over: subscriber information and stored data (Art. 31), with
//! the fields of the T-CY(2018)10 template.
//!
//! Not for emergencies (see `emergency.rs`).

use super::super::needs::{Needs, is_filled};
use super::super::rows::{Rows, layout};
use super::super::shape::Shape;
use super::RequestForm;
use crate::envelope::RequestFacts;
use crate::envelope::words::DataCategory;
use crate::wire::detente::form::v1::{PreviousRequest, StoredDataMlaForm, SubscriberInfoForm};

impl RequestForm for SubscriberInfoForm {
    fn rows<'a>(&'a self, rows: &mut Rows<'a>) {
        layout!(rows, SubscriberInfoForm = self, {
            reference: text("Own reference, item 2", Shape::Line),
            request_status: text("Status, item 3", Shape::REQUEST_STATUS),
            authority: contact("Authority, item 5"),
            confirmation_contact: contact("To confirm with, item 6"),
            investigative_authority: contact("Investigative authority, item 7"),
            prosecution_office: office("Prosecution office, item 8"),
            court: office("Court, item 8"),
            previous_mla: previous("Previous mutual assistance request, item 9"),
            previous_preservation: previous("Previous preservation, item 10"),
            domestic_legal_basis: prose("Domestic legal basis, item 11"),
            offence: text("Offence", Shape::Line),
            legal_provisions: text("Legal provisions", Shape::Prose),
            facts: prose("Facts"),
            data: data("Subscriber information, Art. 18(3)"),
            relationship: prose("Relation to the offence"),
            custodian: text("Custodian", Shape::Line),
            execution_instructions: prose("Procedure asked for, Art. 27(3)"),
            urgency_grounds: prose("Grounds of urgency"),
            confidential: flag("Keep the request confidential, Art. 27(8)"),
            no_user_notification: flag("Do not tell the user"),
            handling_code: text("Handling code", Shape::HANDLING),
        });
    }

    fn needs(&self, needs: &mut Needs<'_>, request: &RequestFacts) {
        let (mla, preservation) = (self.previous_mla.as_ref(), self.previous_preservation.as_ref());
        status(needs, &self.request_status, mla, preservation);
        needs.authority(self.authority.as_ref(), "who asks");
        needs.line("offence", &self.offence, "name the offence");
        needs.text("facts", self.facts.as_ref(), "summarise the facts");
        let only = [DataCategory::Subscriber, DataCategory::UserIdentification];
        needs.some_data(&self.data, &only, "say which subscriber information is sought");
        let why = "say how the data relate to the offence";
        needs.text("relationship", self.relationship.as_ref(), why);
        needs.urgency_grounds(request.urgency, self.urgency_grounds.as_ref());
    }
}

impl RequestForm for StoredDataMlaForm {
    fn rows<'a>(&'a self, rows: &mut Rows<'a>) {
        layout!(rows, StoredDataMlaForm = self, {
            reference: text("Own reference", Shape::Line),
            request_status: text("Status", Shape::REQUEST_STATUS),
            authority: contact("Authority"),
            confirmation_contact: contact("To confirm with"),
            investigative_authority: contact("Investigative authority"),
            prosecution_office: office("Prosecution office"),
            court: office("Court"),
            previous_mla: previous("Previous mutual assistance request"),
            previous_preservation: previous("Previous preservation"),
            domestic_legal_basis: prose("Domestic legal basis"),
            offence: text("Offence", Shape::Line),
            legal_provisions: text("Legal provisions", Shape::Prose),
            facts: prose("Facts"),
            data: data("Stored data, Art. 31(1)"),
            relationship: prose("Relation to the offence"),
            custodian: text("Custodian", Shape::Line),
            execution_instructions: prose("Procedure asked for, Art. 27(3)"),
            urgency_grounds: prose("Grounds of urgency"),
            confidential: flag("Keep the request confidential, Art. 27(8)"),
            no_user_notification: flag("Do not tell the user"),
            handling_code: text("Handling code", Shape::HANDLING),
            vulnerability: prose("Vulnerable to loss, Art. 31(3)(a)"),
        });
    }

    fn needs(&self, needs: &mut Needs<'_>, request: &RequestFacts) {
        let (mla, preservation) = (self.previous_mla.as_ref(), self.previous_preservation.as_ref());
        status(needs, &self.request_status, mla, preservation);
        needs.authority(self.authority.as_ref(), "who asks");
        needs.line("offence", &self.offence, "name the offence");
        needs.text("facts", self.facts.as_ref(), "summarise the facts");
        needs.some_data(&self.data, &[], "Art. 31(1): say which stored data are sought");
        let why = "say how the data relate to the offence";
        needs.text("relationship", self.relationship.as_ref(), why);
        needs.urgency_grounds(request.urgency, self.urgency_grounds.as_ref());
    }
}

/// Whether the request is new, and if not, what it follows: T-CY(2018)10, items 3, 9 and 10.
pub(super) fn status(
    needs: &mut Needs<'_>,
    status: &str,
    previous_mla: Option<&PreviousRequest>,
    previous_preservation: Option<&PreviousRequest>,
) {
    needs.line("request_status", status, "say whether it is new or follows an earlier request");
    let quoted = |previous: Option<&PreviousRequest>| {
        previous.is_some_and(|previous| is_filled(&previous.reference))
    };
    let why = "give the reference of the request that this one follows";
    for (word, field, previous) in [
        ("FOLLOW_UP_MLA", "previous_mla", previous_mla),
        ("FOLLOW_UP_PRESERVATION", "previous_preservation", previous_preservation),
    ] {
        let mandatory = status == word || previous.is_some();
        needs.that(!mandatory || quoted(previous), &format!("{field}.reference"), why);
    }
}
