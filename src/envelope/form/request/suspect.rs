//! Where a suspect is: Art. 35(1)(c).
//!
//! Not for handing the suspect over: that is extradition, and no matter of this network.

use super::super::needs::{Needs, is_filled};
use super::super::rows::{Rows, layout};
use super::super::shape::Shape;
use super::RequestForm;
use crate::envelope::RequestFacts;
use crate::wire::detente::form::v1::LocateSuspectForm;

impl RequestForm for LocateSuspectForm {
    fn rows<'a>(&'a self, rows: &mut Rows<'a>) {
        layout!(rows, LocateSuspectForm = self, {
            reference: text("Own reference", Shape::Line),
            authority: contact("Authority"),
            confirmation_contact: contact("To confirm with"),
            investigative_authority: contact("Investigative authority"),
            offence: text("Offence", Shape::Line),
            legal_provisions: text("Legal provisions", Shape::Prose),
            facts: prose("Facts"),
            suspect: person("Suspect, Art. 35(1)(c)"),
            identifiers: identifiers("Identifier"),
            last_known: prose("Last known to be"),
            warrant: text("Warrant", Shape::Line),
            purpose: prose("Purpose"),
            urgency_grounds: prose("Grounds of urgency"),
            confidential: flag("Keep the request confidential, Art. 27(8)"),
            handling_code: text("Handling code", Shape::HANDLING),
        });
    }

    fn needs(&self, needs: &mut Needs<'_>, request: &RequestFacts) {
        needs.authority(self.authority.as_ref(), "who asks");
        needs.line("offence", &self.offence, "name the offence");
        needs.text("facts", self.facts.as_ref(), "summarise the facts");
        let named = self.suspect.as_ref().is_some_and(|suspect| {
            is_filled(&suspect.family_name)
                || is_filled(&suspect.given_names)
                || suspect.aliases.iter().any(|alias| is_filled(alias))
        });
        let why = "say who is sought: a name, an alias or an identifier";
        needs.that(named || !self.identifiers.is_empty(), "suspect", why);
        needs.identifiers("identifiers", &self.identifiers);
        needs.text("purpose", self.purpose.as_ref(), "say what the answer is for");
        needs.urgency_grounds(request.urgency, self.urgency_grounds.as_ref());
    }
}
