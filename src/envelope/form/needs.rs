//! Collects what a form lacks, and knows what the parts that forms share must say.
//!
//! Not for which form needs which (see `complete.rs` and `request/`).

use super::shape;
use crate::envelope::Malformed;
use crate::envelope::read::malformed;
use crate::envelope::words::{DataCategory, Urgency};
use crate::wire::detente::form::v1::{
    Account, Contact, DataSought, Identifier, Period, Provider, Text,
};

/// The most pieces of data in one request: each is a task for a custodian.
const DATA_MAX: usize = 32;

/// The most identifiers of one piece of data.
const IDENTIFIERS_MAX: usize = 256;

/// The most entries of a list of words or conditions.
pub(super) const WORDS_MAX: usize = 32;

/// What is missing so far.
pub(super) struct Needs<'a> {
    wrong: &'a mut Vec<Malformed>,
}

impl<'a> Needs<'a> {
    /// Notes what is missing in `wrong`.
    pub(super) fn new(wrong: &'a mut Vec<Malformed>) -> Self {
        Self { wrong }
    }

    /// Something must hold.
    pub(super) fn that(&mut self, holds: bool, field: &str, why: &str) {
        if !holds {
            self.wrong.push(malformed(field, why));
        }
    }

    /// A line must be filled in.
    pub(super) fn line(&mut self, field: &str, text: &str, why: &str) {
        self.that(is_filled(text), field, why);
    }

    /// Running text must be filled in.
    pub(super) fn text(&mut self, field: &str, text: Option<&Text>, why: &str) {
        self.that(has_text(text), field, why);
    }

    /// A list must not be longer.
    pub(super) fn at_most(&mut self, field: &str, len: usize, max: usize) {
        self.that(len <= max, field, &format!("{len} where at most {max} belong"));
    }

    /// An authority that can be reached: an organisation and one channel that answers at once.
    pub(super) fn authority(&mut self, contact: Option<&Contact>, article: &str) {
        self.contact("authority", contact, &format!("{article}: name the authority"), article);
    }

    /// Who can be called back to confirm that the request is genuine.
    pub(super) fn call_back(&mut self, contact: Option<&Contact>) {
        let why = "say who confirms that it is genuine, with a telephone";
        let phone = contact
            .is_some_and(|contact| is_filled(&contact.telephone) || is_filled(&contact.mobile));
        let field = "confirmation_contact";
        let at = if contact.is_some() { format!("{field}.telephone") } else { field.to_owned() };
        self.that(phone, &at, why);
    }

    fn contact(&mut self, field: &str, contact: Option<&Contact>, why: &str, article: &str) {
        let Some(contact) = contact else {
            self.that(false, field, why);
            return;
        };
        self.line(&format!("{field}.organisation"), &contact.organisation, why);
        let reachable = [&contact.telephone, &contact.mobile, &contact.email, &contact.fax]
            .into_iter()
            .any(|channel| is_filled(channel));
        let why = format!("{article}: give a telephone, mobile, e-mail or fax");
        self.that(reachable, &format!("{field}.telephone"), &why);
    }

    /// Why it is so urgent.
    pub(super) fn urgency_grounds(&mut self, urgency: Urgency, grounds: Option<&Text>) {
        match urgency {
            Urgency::Emergency | Urgency::Urgent => {
                self.text("urgency_grounds", grounds, &format!("say why it is {urgency}"));
            }
            Urgency::Expedited | Urgency::Routine | Urgency::Information => {}
        }
    }

    /// At least one piece of data, each of these categories only.
    pub(super) fn some_data(&mut self, data: &[DataSought], only: &[DataCategory], why: &str) {
        self.that(!data.is_empty(), "data", why);
        self.data(data);
        if only.is_empty() {
            return;
        }
        let words: Vec<&str> = only.iter().map(|word| word.as_str()).collect();
        for (i, sought) in data.iter().enumerate() {
            for (j, category) in sought.categories.iter().enumerate() {
                // A word that is none is refused by its shape.
                let known = category.parse::<DataCategory>();
                let fits = known.map_or(true, |known| only.contains(&known));
                let why = format!("this type is for {}", words.join(" and "));
                self.that(fits, &format!("data[{i}].categories[{j}]"), &why);
            }
        }
    }

    /// Data that are described and categorised, each.
    pub(super) fn data(&mut self, data: &[DataSought]) {
        self.at_most("data", data.len(), DATA_MAX);
        for (i, sought) in data.iter().enumerate() {
            let at = format!("data[{i}]");
            self.line(&format!("{at}.description"), &sought.description, "describe the data");
            self.categories(&format!("{at}.categories"), &sought.categories);
            self.identifiers(&format!("{at}.identifiers"), &sought.identifiers);
            if let Some(period) = &sought.period {
                self.period(&format!("{at}.period"), period);
            }
        }
    }

    /// At least one category, each once.
    pub(super) fn categories(&mut self, field: &str, categories: &[String]) {
        self.that(!categories.is_empty(), field, "give at least one category");
        self.at_most(field, categories.len(), WORDS_MAX);
        for (j, category) in categories.iter().enumerate() {
            let first = !categories[..j].contains(category);
            self.that(first, &format!("{field}[{j}]"), "it stands twice");
        }
    }

    /// Identifiers with kind and value, each.
    pub(super) fn identifiers(&mut self, field: &str, identifiers: &[Identifier]) {
        self.at_most(field, identifiers.len(), IDENTIFIERS_MAX);
        for (j, identifier) in identifiers.iter().enumerate() {
            self.identifier(&format!("{field}[{j}]"), identifier);
        }
    }

    /// An identifier with kind and value.
    pub(super) fn identifier(&mut self, at: &str, identifier: &Identifier) {
        self.line(&format!("{at}.kind"), &identifier.kind, "say what it is");
        self.line(&format!("{at}.value"), &identifier.value, "give its value");
    }

    /// Both ends of a period, in their order; or none.
    pub(super) fn period(&mut self, at: &str, Period { from, until }: &Period) {
        if from.is_empty() && until.is_empty() {
            return;
        }
        self.line(&format!("{at}.from"), from, "say from when");
        self.line(&format!("{at}.until"), until, "say until when");
        if let (Ok(from), Ok(until)) = (shape::parse_moment(from), shape::parse_moment(until)) {
            self.that(from < until, &format!("{at}.until"), "not after its start");
        }
    }

    /// Conditions that say something, each.
    pub(super) fn conditions(&mut self, conditions: &[String]) {
        self.at_most("conditions", conditions.len(), WORDS_MAX);
        for (i, condition) in conditions.iter().enumerate() {
            self.line(&format!("conditions[{i}]"), condition, "write the condition");
        }
    }

    /// A provider with a name.
    pub(super) fn provider(&mut self, at: &str, provider: Option<&Provider>, why: &str) {
        match provider {
            Some(provider) => self.line(&format!("{at}.name"), &provider.name, why),
            None => self.that(false, at, why),
        }
    }

    /// An account: its IBAN, or its number and the institution.
    pub(super) fn account(&mut self, at: &str, account: Option<&Account>, why: &str) {
        let Some(account) = account else {
            self.that(false, at, why);
            return;
        };
        let known = is_filled(&account.iban) || is_filled(&account.number);
        self.that(known, &format!("{at}.iban"), "give the IBAN, or number and institution");
        if is_filled(&account.number) && !is_filled(&account.iban) {
            let why = "a number without an IBAN needs its institution";
            self.line(&format!("{at}.institution"), &account.institution, why);
        }
    }

    /// How much, of which currency.
    pub(super) fn money(&mut self, at: &str, amount: &str, currency: &str) {
        self.line(&format!("{at}.amount"), amount, "say how much");
        self.line(&format!("{at}.currency"), currency, "say in which currency");
    }
}

/// True when anything but spaces stands there.
pub(super) fn is_filled(text: &str) -> bool {
    !text.trim().is_empty()
}

/// True when any text stands there.
pub(super) fn has_text(text: Option<&Text>) -> bool {
    text.is_some_and(|text| is_filled(&text.text))
}
