//! The fields of a request's form as flags.
//!
//! Not for whether they say enough: the agent checks that with the same library as the desk that
//! receives it. Flags describe one set of data; a form in TOML can describe several. Only types
//! with a short form have flags; the others are filled in.

use clap::Args;

use super::super::Failure;
use super::send::upper;
use crate::envelope::words::RequestType;
use crate::wire::detente::form::v1::{
    Body, CommCheckForm, Contact, DataSought, Identifier, InformationForm, Period,
    PreservationExtensionForm, PreservationForm, PriorConditionsForm, SpontaneousInformationForm,
    Text, body::Form,
};

/// The form, field by field.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[group(id = "fields", multiple = true)]
#[command(next_help_heading = "The form, field by field (or --form)")]
pub(super) struct Fields {
    /// Own case number. Sealed, like every field of the form.
    #[arg(long)]
    reference: Option<String>,
    /// Authority that asks, Art. 29(2)(a): organisation.
    #[arg(long)]
    authority_organisation: Option<String>,
    /// Authority that asks: person in charge, or role.
    #[arg(long)]
    authority_name: Option<String>,
    /// Authority that asks: e-mail.
    #[arg(long)]
    authority_email: Option<String>,
    /// Authority that asks: telephone, E.164.
    #[arg(long)]
    authority_telephone: Option<String>,
    /// Authority that asks: mobile telephone, E.164.
    #[arg(long)]
    authority_mobile: Option<String>,
    /// Authority that asks: postal address.
    #[arg(long)]
    authority_address: Option<String>,
    /// Authority that asks: office hours.
    #[arg(long)]
    authority_office_hours: Option<String>,
    /// Authority that asks: IANA time zone.
    #[arg(long)]
    authority_time_zone: Option<String>,
    /// Who can confirm that the request is genuine: organisation.
    #[arg(long)]
    confirm_organisation: Option<String>,
    /// Who can confirm: name.
    #[arg(long)]
    confirm_name: Option<String>,
    /// Who can confirm: telephone, E.164.
    #[arg(long)]
    confirm_telephone: Option<String>,
    /// Who can confirm: e-mail.
    #[arg(long)]
    confirm_email: Option<String>,
    /// Offence under investigation, Art. 29(2)(b).
    #[arg(long)]
    offence: Option<String>,
    /// Legal provisions.
    #[arg(long)]
    legal_provisions: Option<String>,
    /// Brief summary of the facts, Art. 29(2)(b).
    #[arg(long)]
    facts: Option<String>,
    /// Stored data to be preserved, Art. 29(2)(c), in words.
    #[arg(long)]
    data: Option<String>,
    /// Category of the data: SUBSCRIBER, USER_IDENTIFICATION, TRAFFIC, CONTENT. May be repeated.
    #[arg(long, value_name = "CATEGORY")]
    category: Vec<String>,
    /// What the data hang on, as IP_ADDRESS=203.0.113.7 or IP_ADDRESS=203.0.113.7,port=443. May be
    /// repeated.
    #[arg(long, value_name = "KIND=VALUE", value_parser = parse_identifier)]
    identifier: Vec<Identifier>,
    /// Start of the period, RFC 3339 with offset.
    #[arg(long)]
    period_from: Option<String>,
    /// End of the period, RFC 3339 with offset.
    #[arg(long)]
    period_until: Option<String>,
    /// How the data relate to the offence, Art. 29(2)(c).
    #[arg(long)]
    relationship: Option<String>,
    /// Who holds the data, Art. 29(2)(d).
    #[arg(long)]
    custodian: Option<String>,
    /// Where the computer system is, Art. 29(2)(d).
    #[arg(long)]
    location: Option<String>,
    /// Why preservation is necessary, Art. 29(2)(e).
    #[arg(long)]
    necessity: Option<String>,
    /// A request for mutual assistance will follow, Art. 29(2)(f). Mandatory.
    #[arg(long)]
    mla_intended: bool,
    /// When it is expected, as 2027-01-31.
    #[arg(long, value_name = "DAY")]
    mla_expected: Option<String>,
    /// Why it is EMERGENCY or URGENT; mandatory with those.
    #[arg(long)]
    urgency_grounds: Option<String>,
    /// Keep the request and its subject confidential, Art. 27(8).
    #[arg(long)]
    confidential: bool,
    /// Do not tell the user.
    #[arg(long)]
    no_user_notification: bool,
    /// Days asked for; left out, the requested party's own minimum.
    #[arg(long)]
    days: Option<u32>,
    /// Reference of an earlier request that this extends; mandatory with PRESERVATION_EXTENSION.
    #[arg(long)]
    previous_reference: Option<String>,
    /// Extension: until which day data should be preserved, as 2027-03-31.
    #[arg(long, value_name = "DAY")]
    wished_until: Option<String>,
    /// Extension: why it takes longer.
    #[arg(long)]
    reasons: Option<String>,
    /// Also partial disclosure of traffic data, Art. 30.
    #[arg(long)]
    partial_disclosure: bool,
    /// Handling code: H0 to H3.
    #[arg(long)]
    handling_code: Option<String>,
    /// Advice, legal or spontaneous information: subject, in one line.
    #[arg(long)]
    subject: Option<String>,
    /// Advice or legal information: the question.
    #[arg(long)]
    question: Option<String>,
    /// Spontaneous information: the information, Art. 26.
    #[arg(long)]
    information: Option<String>,
    /// Advice, legal or spontaneous information: RED, AMBER, AMBER+STRICT, GREEN or CLEAR.
    #[arg(long)]
    tlp: Option<String>,
    /// Communication check: ACKNOWLEDGEMENT, FALLBACK or CALL_BACK.
    #[arg(long)]
    level: Option<String>,
    /// Communication check: what to do beyond acknowledging it.
    #[arg(long)]
    instructions: Option<String>,
    /// Communication check: it was announced.
    #[arg(long)]
    announced: bool,
    /// Language of the free texts, BCP 47; left out, English.
    #[arg(long)]
    language: Option<String>,
}

/// Flags that only some forms have: the others are in every form.
const PRESERVATION: &[&str] = &[
    "--offence",
    "--legal-provisions",
    "--facts",
    "--data",
    "--category",
    "--identifier",
    "--period-from",
    "--period-until",
    "--relationship",
    "--custodian",
    "--location",
    "--necessity",
    "--mla-intended",
    "--mla-expected",
    "--confidential",
    "--no-user-notification",
    "--days",
    "--previous-reference",
    "--partial-disclosure",
    "--handling-code",
    "--confirm-organisation",
    "--confirm-name",
    "--confirm-telephone",
    "--confirm-email",
];
const EXTENSION: &[&str] = &[
    "--previous-reference",
    "--wished-until",
    "--reasons",
    "--custodian",
    "--mla-intended",
    "--mla-expected",
    "--confidential",
    "--no-user-notification",
    "--handling-code",
    "--confirm-organisation",
    "--confirm-name",
    "--confirm-telephone",
    "--confirm-email",
];
const INFORMATION: &[&str] = &["--subject", "--question", "--tlp"];
const SPONTANEOUS: &[&str] = &[
    "--subject",
    "--information",
    "--offence",
    "--identifier",
    "--confidential",
    "--handling-code",
    "--tlp",
];
const COMM_CHECK: &[&str] = &["--level", "--instructions", "--announced"];

impl Fields {
    /// The form of a request of type `kind`.
    pub(super) fn body(self, kind: RequestType) -> Result<Body, Failure> {
        let (flags, fill): (_, fn(Self) -> Form) = match kind {
            RequestType::Preservation => (PRESERVATION, |it| Form::Preservation(it.preservation())),
            RequestType::PreservationExtension => {
                (EXTENSION, |it| Form::PreservationExtension(Box::new(it.extension())))
            }
            RequestType::TechnicalAdvice | RequestType::LegalInformation => {
                (INFORMATION, |it| Form::Information(it.information()))
            }
            RequestType::SpontaneousInformation => {
                (SPONTANEOUS, |it| Form::SpontaneousInformation(Box::new(it.spontaneous())))
            }
            RequestType::CommCheck => (COMM_CHECK, |it| Form::CommCheck(Box::new(it.comm_check()))),
            RequestType::PartialTrafficDisclosure
            | RequestType::SubscriberInfo
            | RequestType::StoredDataMla
            | RequestType::EmergencyDisclosure
            | RequestType::EmergencyMla
            | RequestType::LocateSuspect
            | RequestType::StopPayment
            | RequestType::IctIncidentClarification => {
                let next = format!("detente desk form {kind} > form.toml; then --form form.toml");
                let why = format!("the form of a {kind} is too long for flags");
                return Err(Failure::value("--form", why, next));
            }
        };
        let given = self.given();
        if let Some(flag) = given.into_iter().find(|flag| !flags.contains(flag)) {
            let why = format!("a {kind} has no such field");
            return Err(Failure::value(flag, why, "leave the flag out, or correct --type"));
        }
        Ok(Body { form: Some(fill(self)) })
    }

    /// The form of information that is offered under conditions.
    pub(super) fn prior_conditions(self, conditions: Vec<String>) -> Result<Body, Failure> {
        const FLAGS: &[&str] = &["--subject", "--handling-code"];
        if let Some(flag) = self.given().into_iter().find(|flag| !FLAGS.contains(flag)) {
            let why =
                "it belongs to the information, which follows once the conditions are accepted";
            return Err(Failure::value(flag, why, "leave the flag out"));
        }
        let form = PriorConditionsForm {
            authority: self.authority(),
            urgency_grounds: in_language(self.urgency_grounds, self.language.as_deref()),
            reference: self.reference.unwrap_or_default(),
            subject: self.subject.unwrap_or_default(),
            conditions,
            handling_code: self.handling_code.unwrap_or_default(),
        };
        Ok(Body { form: Some(Form::PriorConditions(form)) })
    }

    /// The flags that are there, without those that every form has.
    fn given(&self) -> Vec<&'static str> {
        let flags = [
            ("--offence", self.offence.is_some()),
            ("--legal-provisions", self.legal_provisions.is_some()),
            ("--facts", self.facts.is_some()),
            ("--data", self.data.is_some()),
            ("--category", !self.category.is_empty()),
            ("--identifier", !self.identifier.is_empty()),
            ("--period-from", self.period_from.is_some()),
            ("--period-until", self.period_until.is_some()),
            ("--relationship", self.relationship.is_some()),
            ("--custodian", self.custodian.is_some()),
            ("--location", self.location.is_some()),
            ("--necessity", self.necessity.is_some()),
            ("--mla-intended", self.mla_intended),
            ("--mla-expected", self.mla_expected.is_some()),
            ("--confidential", self.confidential),
            ("--no-user-notification", self.no_user_notification),
            ("--days", self.days.is_some()),
            ("--previous-reference", self.previous_reference.is_some()),
            ("--wished-until", self.wished_until.is_some()),
            ("--reasons", self.reasons.is_some()),
            ("--partial-disclosure", self.partial_disclosure),
            ("--handling-code", self.handling_code.is_some()),
            ("--confirm-organisation", self.confirm_organisation.is_some()),
            ("--confirm-name", self.confirm_name.is_some()),
            ("--confirm-telephone", self.confirm_telephone.is_some()),
            ("--confirm-email", self.confirm_email.is_some()),
            ("--subject", self.subject.is_some()),
            ("--question", self.question.is_some()),
            ("--information", self.information.is_some()),
            ("--tlp", self.tlp.is_some()),
            ("--level", self.level.is_some()),
            ("--instructions", self.instructions.is_some()),
            ("--announced", self.announced),
        ];
        flags.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag).collect()
    }

    fn preservation(self) -> PreservationForm {
        let authority = self.authority();
        let confirmation_contact = self.confirmation();
        let text = |text: Option<String>| in_language(text, self.language.as_deref());
        let data = filled(DataSought {
            description: self.data.unwrap_or_default(),
            categories: self.category,
            identifiers: self.identifier,
            period: filled(Period {
                from: self.period_from.unwrap_or_default(),
                until: self.period_until.unwrap_or_default(),
            }),
        });
        PreservationForm {
            reference: self.reference.unwrap_or_default(),
            authority,
            confirmation_contact,
            investigative_authority: None,
            offence: self.offence.unwrap_or_default(),
            legal_provisions: self.legal_provisions.unwrap_or_default(),
            facts: text(self.facts),
            data: data.into_iter().collect(),
            relationship: text(self.relationship),
            custodian: self.custodian.unwrap_or_default(),
            location: self.location.unwrap_or_default(),
            necessity: text(self.necessity),
            mla_intended: self.mla_intended,
            mla_expected: self.mla_expected.unwrap_or_default(),
            urgency_grounds: text(self.urgency_grounds),
            confidential: self.confidential,
            no_user_notification: self.no_user_notification,
            days: self.days.unwrap_or_default(),
            previous_reference: self.previous_reference.unwrap_or_default(),
            partial_disclosure: self.partial_disclosure,
            handling_code: self.handling_code.unwrap_or_default(),
        }
    }

    fn information(self) -> InformationForm {
        let authority = self.authority();
        let text = |text: Option<String>| in_language(text, self.language.as_deref());
        InformationForm {
            reference: self.reference.unwrap_or_default(),
            authority,
            subject: self.subject.unwrap_or_default(),
            question: text(self.question),
            urgency_grounds: text(self.urgency_grounds),
            tlp: self.tlp.unwrap_or_default(),
        }
    }

    fn extension(self) -> PreservationExtensionForm {
        let (authority, confirmation_contact) = (self.authority(), self.confirmation());
        let text = |text: Option<String>| in_language(text, self.language.as_deref());
        PreservationExtensionForm {
            reference: self.reference.unwrap_or_default(),
            authority,
            confirmation_contact,
            previous_reference: self.previous_reference.unwrap_or_default(),
            wished_until: self.wished_until.unwrap_or_default(),
            reasons: text(self.reasons),
            mla_intended: self.mla_intended,
            mla_expected: self.mla_expected.unwrap_or_default(),
            custodian: self.custodian.unwrap_or_default(),
            urgency_grounds: text(self.urgency_grounds),
            confidential: self.confidential,
            no_user_notification: self.no_user_notification,
            handling_code: self.handling_code.unwrap_or_default(),
            ..PreservationExtensionForm::default()
        }
    }

    fn spontaneous(self) -> SpontaneousInformationForm {
        let authority = self.authority();
        let text = |text: Option<String>| in_language(text, self.language.as_deref());
        SpontaneousInformationForm {
            reference: self.reference.unwrap_or_default(),
            authority,
            subject: self.subject.unwrap_or_default(),
            information: text(self.information),
            offence: self.offence.unwrap_or_default(),
            identifiers: self.identifier,
            urgency_grounds: text(self.urgency_grounds),
            confidential: self.confidential,
            handling_code: self.handling_code.unwrap_or_default(),
            tlp: self.tlp.unwrap_or_default(),
            ..SpontaneousInformationForm::default()
        }
    }

    fn comm_check(self) -> CommCheckForm {
        let authority = self.authority();
        let text = |text: Option<String>| in_language(text, self.language.as_deref());
        CommCheckForm {
            reference: self.reference.unwrap_or_default(),
            authority,
            level: self.level.as_deref().map(upper).unwrap_or_default(),
            instructions: text(self.instructions),
            announced: self.announced,
            urgency_grounds: text(self.urgency_grounds),
        }
    }

    fn confirmation(&self) -> Option<Contact> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        filled(Contact {
            organisation: text(&self.confirm_organisation),
            name: text(&self.confirm_name),
            telephone: text(&self.confirm_telephone),
            email: text(&self.confirm_email),
            ..Contact::default()
        })
    }

    fn authority(&self) -> Option<Contact> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        filled(Contact {
            organisation: text(&self.authority_organisation),
            name: text(&self.authority_name),
            email: text(&self.authority_email),
            telephone: text(&self.authority_telephone),
            mobile: text(&self.authority_mobile),
            address: text(&self.authority_address),
            office_hours: text(&self.authority_office_hours),
            time_zone: text(&self.authority_time_zone),
            ..Contact::default()
        })
    }
}

/// Free text in a language; nothing when there is no text.
pub(super) fn in_language(text: Option<String>, language: Option<&str>) -> Option<Text> {
    let language = language.unwrap_or_default().to_owned();
    text.map(|text| Text { text, language })
}

/// Nothing when no field is filled in.
pub(super) fn filled<T: Default + PartialEq>(message: T) -> Option<T> {
    (message != T::default()).then_some(message)
}

pub(super) fn parse_identifier(text: &str) -> Result<Identifier, String> {
    let (kind, rest) = text
        .split_once('=')
        .filter(|(kind, value)| !kind.is_empty() && !value.is_empty())
        .ok_or("write it as KIND=VALUE, for instance IP_ADDRESS=203.0.113.7")?;
    let (value, qualifier) = match rest.rsplit_once(",port=") {
        Some((value, port)) => (value, format!("port={port}")),
        None => (rest, String::new()),
    };
    Ok(Identifier { kind: kind.to_owned(), value: value.to_owned(), qualifier })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_not_in_the_form() {
        let fields =
            Fields { offence: Some("fraud".into()), mla_intended: true, ..Fields::default() };
        let Some(Form::Preservation(form)) = fields.body(RequestType::Preservation).unwrap().form
        else {
            panic!("another form");
        };
        let expected =
            PreservationForm { offence: "fraud".into(), mla_intended: true, ..Default::default() };
        assert_eq!(form, expected);
    }

    #[test]
    fn a_flag_of_another_form_is_refused() {
        let advice = Fields { custodian: Some("host".into()), ..Fields::default() };
        let failure = advice.body(RequestType::TechnicalAdvice).unwrap_err();
        assert_eq!(failure.fields[0].0, "--custodian");
        let question = Fields { question: Some("how?".into()), ..Fields::default() };
        assert!(question.clone().body(RequestType::Preservation).is_err());
        assert!(question.body(RequestType::LegalInformation).is_ok());
    }

    #[test]
    fn identifiers_are_kind_value_and_sometimes_port() {
        let port = parse_identifier("IP_ADDRESS=2001:db8::1,port=443").unwrap();
        assert_eq!((port.value.as_str(), port.qualifier.as_str()), ("2001:db8::1", "port=443"));
        assert_eq!(parse_identifier("URL=https://x/?a=b").unwrap().value, "https://x/?a=b");
        for bad in ["", "IP_ADDRESS", "=1", "IP="] {
            assert!(parse_identifier(bad).is_err(), "{bad}");
        }
    }
}
