//! The parts that forms share: how a contact, data, an account or a person is laid out.
//!
//! Not for whether they say enough (see `needs.rs`).

use super::rows::{Rows, layout};
use super::shape::Shape;
use crate::wire::detente::form::v1::{
    Account, Contact, DataSought, DisclosedData, Identifier, Office, PathHop, Period, Person,
    PreviousRequest, Provider, Subscriber, Transfer, Whereabouts, WithheldFunds,
};

impl<'a> Rows<'a> {
    /// Who to speak to.
    pub(super) fn contact(
        &mut self,
        name: &'static str,
        heading: &str,
        contact: impl Into<Option<&'a Contact>>,
    ) {
        self.part(name, heading, contact, |rows, contact| {
            layout!(rows, Contact = contact, {
                organisation: text("organisation", Shape::Line),
                name: text("name", Shape::Line),
                job_title: text("job title", Shape::Line),
                function: text("function", Shape::Line),
                address: text("address", Shape::Prose),
                telephone: text("telephone", Shape::Phone),
                mobile: text("mobile", Shape::Phone),
                email: text("e-mail", Shape::Email),
                fax: text("fax", Shape::Phone),
                office_hours: text("office hours", Shape::Line),
                time_zone: text("time zone", Shape::TimeZone),
            });
        });
    }

    /// Stored data that are asked for.
    pub(super) fn data(&mut self, name: &'static str, heading: &str, data: &'a [DataSought]) {
        self.parts(name, &format!("{heading}, no."), data, |rows, sought| {
            layout!(rows, DataSought = sought, {
                description: text("description", Shape::Prose),
                categories: list("category", Shape::Category),
                identifiers: identifiers("identifier"),
                period: period(""),
            });
        });
    }

    /// What data hang on.
    pub(super) fn identifiers(
        &mut self,
        name: &'static str,
        heading: &str,
        identifiers: &'a [Identifier],
    ) {
        self.parts(name, heading, identifiers, identifier);
    }

    /// One identifier.
    pub(super) fn identifier(
        &mut self,
        name: &'static str,
        heading: &str,
        one: impl Into<Option<&'a Identifier>>,
    ) {
        self.part(name, heading, one, identifier);
    }

    /// A period.
    pub(super) fn period(
        &mut self,
        name: &'static str,
        heading: &str,
        period: impl Into<Option<&'a Period>>,
    ) {
        self.part(name, heading, period, |rows, period| {
            layout!(rows, Period = period, {
                from: text("from", Shape::Moment),
                until: text("until", Shape::Moment),
            });
        });
    }

    /// An office in charge of the case.
    pub(super) fn office(
        &mut self,
        name: &'static str,
        heading: &str,
        office: impl Into<Option<&'a Office>>,
    ) {
        self.part(name, heading, office, |rows, office| {
            layout!(rows, Office = office, {
                name: text("name", Shape::Line),
                case_number: text("case number", Shape::Line),
                decisions: prose("decisions"),
            });
        });
    }

    /// An earlier request.
    pub(super) fn previous(
        &mut self,
        name: &'static str,
        heading: &str,
        previous: impl Into<Option<&'a PreviousRequest>>,
    ) {
        self.part(name, heading, previous, |rows, previous| {
            layout!(rows, PreviousRequest = previous, {
                date: text("date", Shape::Date),
                reference: text("reference", Shape::Line),
                requesting_authority: contact("requesting authority"),
                responding_authority: contact("responding authority"),
                channel: text("channel", Shape::Line),
            });
        });
    }

    /// Service providers.
    pub(super) fn providers(
        &mut self,
        name: &'static str,
        heading: &str,
        providers: &'a [Provider],
    ) {
        self.parts(name, heading, providers, provider);
    }

    /// One service provider.
    pub(super) fn provider(
        &mut self,
        name: &'static str,
        heading: &str,
        one: impl Into<Option<&'a Provider>>,
    ) {
        self.part(name, heading, one, provider);
    }

    /// A person.
    pub(super) fn person(
        &mut self,
        name: &'static str,
        heading: &str,
        person: impl Into<Option<&'a Person>>,
    ) {
        self.part(name, heading, person, |rows, person| {
            layout!(rows, Person = person, {
                family_name: text("family name", Shape::Line),
                given_names: text("given names", Shape::Line),
                aliases: list("other name", Shape::Line),
                date_of_birth: text("date of birth", Shape::Date),
                place_of_birth: text("place of birth", Shape::Line),
                nationality: text("nationality", Shape::Country),
                document: text("document", Shape::Line),
                description: prose("description"),
            });
        });
    }

    /// A bank account.
    pub(super) fn account(
        &mut self,
        name: &'static str,
        heading: &str,
        account: impl Into<Option<&'a Account>>,
    ) {
        self.part(name, heading, account, |rows, account| {
            layout!(rows, Account = account, {
                holder: text("holder", Shape::Line),
                iban: text("IBAN", Shape::Iban),
                number: text("number", Shape::Line),
                institution: text("institution", Shape::Line),
                bic: text("BIC", Shape::Bic),
                country: text("country", Shape::Country),
            });
        });
    }

    /// Transfers of money.
    pub(super) fn transfers(
        &mut self,
        name: &'static str,
        heading: &str,
        transfers: &'a [Transfer],
    ) {
        self.parts(name, heading, transfers, |rows, transfer| {
            layout!(rows, Transfer = transfer, {
                amount: text("amount", Shape::Amount),
                currency: text("currency", Shape::Currency),
                at: text("made", Shape::Moment),
                reference: text("reference", Shape::Line),
                payer: account("payer"),
                beneficiary: account("beneficiary"),
            });
        });
    }

    /// Data handed over.
    pub(super) fn disclosed(
        &mut self,
        name: &'static str,
        heading: &str,
        disclosed: &'a [DisclosedData],
    ) {
        self.parts(name, heading, disclosed, |rows, disclosed| {
            layout!(rows, DisclosedData = disclosed, {
                description: text("description", Shape::Prose),
                categories: list("category", Shape::Category),
                reference: text("reference", Shape::Line),
                means: text("means", Shape::Line),
                sha256: text("SHA-256", Shape::Sha256),
            });
        });
    }

    /// Subscriber information.
    pub(super) fn subscribers(
        &mut self,
        name: &'static str,
        heading: &str,
        subscribers: &'a [Subscriber],
    ) {
        self.parts(name, heading, subscribers, |rows, subscriber| {
            layout!(rows, Subscriber = subscriber, {
                identifier: identifier("found by"),
                name: text("name", Shape::Line),
                address: text("address", Shape::Prose),
                telephone: text("telephone", Shape::Phone),
                email: text("e-mail", Shape::Email),
                account: text("account", Shape::Line),
                service: text("service", Shape::Line),
                period: period("period of service"),
                payment: prose("payment"),
                other: prose("other"),
            });
        });
    }

    /// Money held back.
    pub(super) fn withheld(
        &mut self,
        name: &'static str,
        heading: &str,
        withheld: &'a [WithheldFunds],
    ) {
        self.parts(name, heading, withheld, |rows, withheld| {
            layout!(rows, WithheldFunds = withheld, {
                amount: text("amount", Shape::Amount),
                currency: text("currency", Shape::Currency),
                account: account("account"),
                until: text("until", Shape::Date),
                reference: text("reference", Shape::Line),
            });
        });
    }

    /// Where a person is.
    pub(super) fn whereabouts(
        &mut self,
        name: &'static str,
        heading: &str,
        whereabouts: impl Into<Option<&'a Whereabouts>>,
    ) {
        self.part(name, heading, whereabouts, |rows, whereabouts| {
            layout!(rows, Whereabouts = whereabouts, {
                place: text("place", Shape::Line),
                country: text("country", Shape::Country),
                as_of: text("as of", Shape::Moment),
                basis: prose("basis"),
            });
        });
    }

    /// The path of a communication.
    pub(super) fn path(&mut self, name: &'static str, heading: &str, path: &'a [PathHop]) {
        self.parts(name, heading, path, |rows, hop| {
            layout!(rows, PathHop = hop, {
                provider: provider("provider"),
                identifier: identifier("identified by"),
                at: text("passed", Shape::Moment),
            });
        });
    }
}

fn identifier<'a>(rows: &mut Rows<'a>, identifier: &'a Identifier) {
    let shape = Shape::of_identifier(&identifier.kind);
    layout!(rows, Identifier = identifier, {
        kind: text("kind", Shape::IDENTIFIER_KIND),
        value: text("value", shape),
        qualifier: text("qualifier", Shape::Line),
    });
}

fn provider<'a>(rows: &mut Rows<'a>, provider: &'a Provider) {
    layout!(rows, Provider = provider, {
        name: text("name", Shape::Line),
        address: text("address", Shape::Prose),
        country: text("country", Shape::Country),
    });
}
