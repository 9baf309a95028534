//! Money obtained by fraud, to be held back before it moves on: police practice, no treaty article.
//!
//! Not for what was held back in the end (see `execution.rs`).

use super::super::needs::Needs;
use super::super::rows::{Rows, layout};
use super::super::shape::Shape;
use super::RequestForm;
use crate::envelope::RequestFacts;
use crate::wire::detente::form::v1::{StopPaymentForm, Transfer};

/// The most transfers of one request: beyond that, nobody stops them by hand.
const TRANSFERS_MAX: usize = 64;

impl RequestForm for StopPaymentForm {
    fn rows<'a>(&'a self, rows: &mut Rows<'a>) {
        layout!(rows, StopPaymentForm = self, {
            reference: text("Own reference", Shape::Line),
            authority: contact("Authority"),
            confirmation_contact: contact("To confirm with"),
            investigative_authority: contact("Investigative authority"),
            offence: text("Offence", Shape::Line),
            facts: prose("Facts"),
            victim: text("Victim", Shape::Line),
            transfers: transfers("Transfer"),
            onward: prose("Gone on to"),
            recall_sent: flag("The payer's bank has asked for it back"),
            recall_reference: text("Asked for back as", Shape::Line),
            urgency_grounds: prose("Grounds of urgency"),
            confidential: flag("Keep the request confidential"),
            handling_code: text("Handling code", Shape::HANDLING),
        });
    }

    fn needs(&self, needs: &mut Needs<'_>, request: &RequestFacts) {
        needs.authority(self.authority.as_ref(), "who asks");
        needs.line("offence", &self.offence, "name the offence");
        needs.text("facts", self.facts.as_ref(), "summarise the facts");
        needs.line("victim", &self.victim, "say who lost the money");
        needs.that(!self.transfers.is_empty(), "transfers", "give at least one transfer");
        needs.at_most("transfers", self.transfers.len(), TRANSFERS_MAX);
        for (i, transfer) in self.transfers.iter().enumerate() {
            check_transfer(needs, &format!("transfers[{i}]"), transfer);
        }
        needs.urgency_grounds(request.urgency, self.urgency_grounds.as_ref());
    }
}

/// What a bank needs to find a transfer: how much, when, and to which account; better with its
/// reference.
fn check_transfer(needs: &mut Needs<'_>, at: &str, transfer: &Transfer) {
    needs.money(at, &transfer.amount, &transfer.currency);
    needs.line(&format!("{at}.at"), &transfer.at, "say when it was made");
    let field = format!("{at}.beneficiary");
    needs.account(&field, transfer.beneficiary.as_ref(), "name the account that was paid");
    if let Some(payer) = &transfer.payer {
        needs.account(&format!("{at}.payer"), Some(payer), "name the account that paid");
    }
}
