//! Emergencies: disclosure from desk to desk, and mutual assistance (Second Additional Protocol
//! Art. 9 and 10).
//!
//! Not for other requests that are as urgent: those give grounds of urgency. Here the facts must
//! show the emergency itself, and somebody must be there to confirm it: forged emergency requests
//! are how data are stolen.

use super::super::needs::Needs;
use super::super::rows::{Rows, layout};
use super::super::shape::Shape;
use super::RequestForm;
use super::assistance::status;
use crate::envelope::RequestFacts;
use crate::envelope::words::Instrument;
use crate::wire::detente::form::v1::{EmergencyDisclosureForm, EmergencyMlaForm};

/// What an emergency is (Art. 3(2)(c)).
const EMERGENCY: &str = "give the facts that show a significant and imminent risk to the life or \
                         safety of any natural person";

/// Art. 9(3) (a) to (h).
impl RequestForm for EmergencyDisclosureForm {
    fn rows<'a>(&'a self, rows: &mut Rows<'a>) {
        layout!(rows, EmergencyDisclosureForm = self, {
            reference: text("Own reference", Shape::Line),
            authority: contact("Competent authority, SAP Art. 9(3)(a)"),
            issued: text("Issued, SAP Art. 9(3)(a)", Shape::Date),
            confirmation_contact: contact("To confirm with"),
            under_protocol: flag("Issued pursuant to the Protocol, SAP Art. 9(3)(b)"),
            providers: providers("Service provider, SAP Art. 9(3)(c), no."),
            offence: text("Offence, SAP Art. 9(3)(d)", Shape::Line),
            legal_provisions: text("Legal provisions, SAP Art. 9(3)(d)", Shape::Prose),
            penalties: text("Penalties, SAP Art. 9(3)(d)", Shape::Prose),
            emergency_facts: prose("Facts showing the emergency, SAP Art. 9(3)(e)"),
            relationship: prose("Relation of the data to it, SAP Art. 9(3)(e)"),
            data: data("Data, SAP Art. 9(3)(f)"),
            execution_instructions: prose("Procedure asked for, SAP Art. 9(3)(g)"),
            other_information: prose("Other information, SAP Art. 9(3)(h)"),
            confidential: flag("Keep the request confidential"),
            no_user_notification: flag("Do not tell the user"),
            handling_code: text("Handling code", Shape::HANDLING),
        });
    }

    fn needs(&self, needs: &mut Needs<'_>, request: &RequestFacts) {
        needs.authority(self.authority.as_ref(), "Art. 9(3)(a)");
        needs.line("issued", &self.issued, "Art. 9(3)(a): say when it was issued");
        needs.call_back(self.confirmation_contact.as_ref());
        let stated = self.under_protocol || request.instrument != Instrument::SapCets224;
        let why = "Art. 9(3)(b): state that it is issued pursuant to the Protocol";
        needs.that(stated, "under_protocol", why);
        let why = "Art. 9(3)(c): name the service provider";
        needs.that(!self.providers.is_empty(), "providers", why);
        needs.at_most("providers", self.providers.len(), super::super::needs::WORDS_MAX);
        for (i, provider) in self.providers.iter().enumerate() {
            needs.line(&format!("providers[{i}].name"), &provider.name, why);
        }
        needs.line("offence", &self.offence, "Art. 9(3)(d): name the offence");
        let why = "Art. 9(3)(d): give its legal provisions";
        needs.line("legal_provisions", &self.legal_provisions, why);
        let why = format!("Art. 9(3)(e): {EMERGENCY}");
        needs.text("emergency_facts", self.emergency_facts.as_ref(), &why);
        let why = "Art. 9(3)(e): say how the data relate to the emergency";
        needs.text("relationship", self.relationship.as_ref(), why);
        needs.some_data(&self.data, &[], "Art. 9(3)(f): describe the data");
    }
}

/// Art. 10(1), with the fields of any request for mutual assistance.
impl RequestForm for EmergencyMlaForm {
    fn rows<'a>(&'a self, rows: &mut Rows<'a>) {
        layout!(rows, EmergencyMlaForm = self, {
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
            data: data("Data"),
            relationship: prose("Relation to the emergency, SAP Art. 10(1)"),
            custodian: text("Custodian", Shape::Line),
            execution_instructions: prose("Procedure asked for"),
            emergency_facts: prose("Facts showing the emergency, SAP Art. 10(1)"),
            confidential: flag("Keep the request confidential"),
            no_user_notification: flag("Do not tell the user"),
            handling_code: text("Handling code", Shape::HANDLING),
        });
    }

    fn needs(&self, needs: &mut Needs<'_>, _request: &RequestFacts) {
        let (mla, preservation) = (self.previous_mla.as_ref(), self.previous_preservation.as_ref());
        status(needs, &self.request_status, mla, preservation);
        needs.authority(self.authority.as_ref(), "who asks");
        needs.call_back(self.confirmation_contact.as_ref());
        needs.line("offence", &self.offence, "name the offence");
        needs.text("facts", self.facts.as_ref(), "summarise the facts");
        needs.some_data(&self.data, &[], "say which data are sought");
        let why = "Art. 10(1): say how the assistance relates to the emergency";
        needs.text("relationship", self.relationship.as_ref(), why);
        let why = format!("Art. 10(1): {EMERGENCY}");
        needs.text("emergency_facts", self.emergency_facts.as_ref(), &why);
    }
}
