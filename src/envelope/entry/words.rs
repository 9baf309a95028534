//! The fixed words of a directory entry: roles, hours, channels, languages.
//!
//! Not for what applies at a moment (see `views/call`). Each word has one spelling, as in
//! `envelope::words`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::envelope::words::words;
use crate::units::Unreadable;

words! {
    /// What sort of body a desk belongs to.
    DeskKind, "kind of desk" {
        /// Police.
        Police = "POLICE",
        /// Prosecution service.
        Prosecution = "PROSECUTION",
        /// A ministry.
        Ministry = "MINISTRY",
        /// A computer security incident response team.
        Csirt = "CSIRT",
    }
}

words! {
    /// What a desk is there for.
    DeskRole, "role of a desk" {
        /// Reached around the clock for urgent requests (Budapest Convention Art. 35).
        Operational247 = "OPERATIONAL_24_7",
        /// Takes mutual legal assistance (Art. 27(2)).
        CentralAuthority = "CENTRAL_AUTHORITY",
        /// Speaks between governments.
        Diplomatic = "DIPLOMATIC",
        /// Technical: incidents rather than cases.
        TechnicalCsirt = "TECHNICAL_CSIRT",
        /// Stops payments.
        StopPayment = "STOP_PAYMENT",
    }
}

words! {
    /// When somebody is at a desk.
    HoursKind, "kind of hours" {
        /// Around the clock, every day.
        True247 = "TRUE_24_7",
        /// In office hours, and a duty officer outside them.
        OfficeAndDuty = "OFFICE_HOURS_AND_DUTY",
        /// In office hours only.
        Office = "OFFICE_HOURS",
    }
}

words! {
    /// A day of the week, from Monday.
    Weekday, "day of the week" {
        /// Monday.
        Monday = "MONDAY",
        /// Tuesday.
        Tuesday = "TUESDAY",
        /// Wednesday.
        Wednesday = "WEDNESDAY",
        /// Thursday.
        Thursday = "THURSDAY",
        /// Friday.
        Friday = "FRIDAY",
        /// Saturday.
        Saturday = "SATURDAY",
        /// Sunday.
        Sunday = "SUNDAY",
    }
}

words! {
    /// How well a desk works in a language.
    LanguageLevel, "level of a language" {
        /// It works in it.
        Working = "WORKING",
        /// It gets by in it.
        Courtesy = "COURTESY",
        /// It has to have it translated.
        TranslationRequired = "TRANSLATION_REQUIRED",
    }
}

words! {
    /// By what a desk is reached.
    System, "system" {
        /// The relay.
        Relay = "RELAY",
        /// A telephone on a desk.
        Phone = "PHONE",
        /// A mobile telephone.
        Mobile = "MOBILE",
        /// A text message.
        Sms = "SMS",
        /// E-mail.
        Email = "EMAIL",
        /// Fax.
        Fax = "FAX",
        /// A satellite telephone.
        Satellite = "SATELLITE",
        /// Short-wave radio.
        Hf = "HF",
    }
}

words! {
    /// What a channel is for.
    Use, "use of a channel" {
        /// The first to be tried.
        Primary = "PRIMARY",
        /// When the first does not answer.
        Backup = "BACKUP",
        /// The duty officer's.
        Duty = "DUTY",
        /// For asking whether a request is genuine, and for nothing else.
        Confirmation = "CONFIRMATION",
        /// When everything else is down.
        OutOfBand = "OUT_OF_BAND",
    }
}

words! {
    /// When a channel is answered.
    When, "when a channel is answered" {
        /// Always.
        Always = "ALWAYS",
        /// While the office is open.
        OfficeHours = "OFFICE_HOURS",
        /// While the office is closed.
        OutOfHours = "OUT_OF_HOURS",
    }
}

impl System {
    /// True where a human voice answers.
    pub const fn is_voice(self) -> bool {
        match self {
            Self::Phone | Self::Mobile | Self::Satellite | Self::Hf => true,
            Self::Relay | Self::Sms | Self::Email | Self::Fax => false,
        }
    }

    /// The word in a sentence.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Phone => "telephone",
            Self::Mobile => "mobile",
            Self::Sms => "text message",
            Self::Email => "e-mail",
            Self::Fax => "fax",
            Self::Satellite => "satellite telephone",
            Self::Hf => "radio",
        }
    }
}

impl Use {
    /// The word in a sentence.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Backup => "backup",
            Self::Duty => "duty",
            Self::Confirmation => "confirmation",
            Self::OutOfBand => "out-of-band",
        }
    }
}

impl Weekday {
    /// The day with this ISO 8601 number, 1 (Monday) to 7 (Sunday); none for another number.
    pub fn from_iso(number: i8) -> Option<Self> {
        usize::try_from(number).ok()?.checked_sub(1).and_then(|i| Self::ALL.get(i)).copied()
    }

    /// The word in a sentence.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Monday => "Monday",
            Self::Tuesday => "Tuesday",
            Self::Wednesday => "Wednesday",
            Self::Thursday => "Thursday",
            Self::Friday => "Friday",
            Self::Saturday => "Saturday",
            Self::Sunday => "Sunday",
        }
    }
}
