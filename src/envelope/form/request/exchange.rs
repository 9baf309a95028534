//! What desks tell and ask each other without handing data over: advice, information that was not
//! asked for, what is known of an incident, and whether the other is there.
//!
//! Not for measures. A type of the police is marked with a handling code (SIENA H0 to H3), one of
//! technicians and diplomats with a traffic light (FIRST TLP 2.0); what may be either has one of
//! the two.

use super::super::needs::{Needs, has_text, is_filled};
use super::super::rows::{Rows, layout};
use super::super::shape::Shape;
use super::RequestForm;
use crate::envelope::RequestFacts;
use crate::wire::detente::form::v1::{
    CommCheckForm, IctIncidentClarificationForm, InformationForm, SpontaneousInformationForm,
};

/// An officer opens and acknowledges it: no more.
const ACKNOWLEDGEMENT: &str = "ACKNOWLEDGEMENT";

/// What a communication check checks.
const LEVELS: [&str; 3] = [ACKNOWLEDGEMENT, "FALLBACK", "CALL_BACK"];

/// Art. 35(1)(a) and (c).
impl RequestForm for InformationForm {
    fn rows<'a>(&'a self, rows: &mut Rows<'a>) {
        layout!(rows, InformationForm = self, {
            reference: text("Own reference", Shape::Line),
            authority: contact("Authority"),
            subject: text("Subject", Shape::Line),
            question: prose("Question, Art. 35(1)"),
            urgency_grounds: prose("Grounds of urgency"),
            tlp: text("Traffic light, TLP 2.0", Shape::TLP),
        });
    }

    fn needs(&self, needs: &mut Needs<'_>, request: &RequestFacts) {
        needs.authority(self.authority.as_ref(), "who asks");
        needs.line("subject", &self.subject, "give the subject in one line");
        needs.text("question", self.question.as_ref(), "ask the question");
        needs.urgency_grounds(request.urgency, self.urgency_grounds.as_ref());
    }
}

/// Art. 26(1).
impl RequestForm for SpontaneousInformationForm {
    fn rows<'a>(&'a self, rows: &mut Rows<'a>) {
        layout!(rows, SpontaneousInformationForm = self, {
            reference: text("Own reference", Shape::Line),
            authority: contact("Authority"),
            subject: text("Subject", Shape::Line),
            information: prose("Information, Art. 26(1)"),
            offence: text("Offence", Shape::Line),
            identifiers: identifiers("Identifier"),
            source_evaluation: text("Evaluation of the source", Shape::Word(&["A", "B", "C", "X"])),
            information_evaluation: text(
                "Evaluation of the information", Shape::Word(&["1", "2", "3", "4"])
            ),
            urgency_grounds: prose("Grounds of urgency"),
            confidential: flag("Keep it confidential, Art. 26(2)"),
            handling_code: text("Handling code", Shape::HANDLING),
            tlp: text("Traffic light, TLP 2.0", Shape::TLP),
        });
    }

    fn needs(&self, needs: &mut Needs<'_>, request: &RequestFacts) {
        needs.authority(self.authority.as_ref(), "who gives it");
        needs.line("subject", &self.subject, "give the subject in one line");
        needs.text("information", self.information.as_ref(), "Art. 26(1): give the information");
        needs.identifiers("identifiers", &self.identifiers);
        needs.urgency_grounds(request.urgency, self.urgency_grounds.as_ref());
        match (is_filled(&self.handling_code), is_filled(&self.tlp)) {
            (true, false) | (false, true) => {}
            (false, false) => {
                needs.that(false, "handling_code", "mark it: a handling code, or tlp");
            }
            (true, true) => {
                needs.that(false, "tlp", "a handling code stands there: one of the two, not both");
            }
        }
    }
}

impl RequestForm for IctIncidentClarificationForm {
    fn rows<'a>(&'a self, rows: &mut Rows<'a>) {
        layout!(rows, IctIncidentClarificationForm = self, {
            reference: text("Own reference", Shape::Line),
            authority: contact("Authority"),
            subject: text("Subject", Shape::Line),
            observed: prose("Observed"),
            observed_from_territory: text("Observed from the territory of", Shape::Country),
            period: period("Observed"),
            indicators: identifiers("Indicator"),
            impact: prose("Impact"),
            question: prose("Question"),
            offer: prose("Offered in return"),
            urgency_grounds: prose("Grounds of urgency"),
            tlp: text("Traffic light, TLP 2.0", Shape::TLP),
        });
    }

    fn needs(&self, needs: &mut Needs<'_>, request: &RequestFacts) {
        needs.authority(self.authority.as_ref(), "who asks");
        needs.line("subject", &self.subject, "give the subject in one line");
        let why = "say what was observed, without attributing it to anybody";
        needs.text("observed", self.observed.as_ref(), why);
        let why = "say from which territory it was observed, as far as the network shows";
        needs.line("observed_from_territory", &self.observed_from_territory, why);
        if let Some(period) = &self.period {
            needs.period("period", period);
        }
        needs.identifiers("indicators", &self.indicators);
        needs.text("question", self.question.as_ref(), "ask the question");
        needs.urgency_grounds(request.urgency, self.urgency_grounds.as_ref());
        needs.line("tlp", &self.tlp, "say who may see it: RED, AMBER, AMBER+STRICT, GREEN, CLEAR");
    }
}

impl RequestForm for CommCheckForm {
    fn rows<'a>(&'a self, rows: &mut Rows<'a>) {
        layout!(rows, CommCheckForm = self, {
            reference: text("Own reference", Shape::Line),
            authority: contact("Authority"),
            level: text("What is checked", Shape::Word(&LEVELS)),
            instructions: prose("What to do"),
            announced: flag("Announced"),
            urgency_grounds: prose("Grounds of urgency"),
        });
    }

    fn needs(&self, needs: &mut Needs<'_>, request: &RequestFacts) {
        needs.authority(self.authority.as_ref(), "who checks");
        needs.line("level", &self.level, "say what is checked");
        let told = self.level == ACKNOWLEDGEMENT || has_text(self.instructions.as_ref());
        needs.that(told, "instructions", "say what to do beyond acknowledging it");
        needs.urgency_grounds(request.urgency, self.urgency_grounds.as_ref());
    }
}
