//! The field's fixed words: request types, instruments, urgencies, outcomes, grounds.
//!
//! Not for rules about them. Each word has one spelling, which is the same in signed statements,
//! in the API, in `--json` and on the screen.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::units::Unreadable;

/// Declares a closed list of words with one spelling each.
macro_rules! words {
    (
        $(#[$doc:meta])*
        $name:ident, $what:literal {
            $( $(#[$variant_doc:meta])* $variant:ident = $text:literal ),+ $(,)?
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $( $(#[$variant_doc])* $variant ),+ }

        impl $name {
            /// Every word of the list, in its order.
            pub const ALL: &'static [Self] = &[ $( Self::$variant ),+ ];

            /// The one spelling.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $text ),+ }
            }
        }

        impl FromStr for $name {
            type Err = Unreadable;

            fn from_str(text: &str) -> Result<Self, Unreadable> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text).ok_or_else(|| {
                    let known: Vec<&str> = Self::ALL.iter().map(|word| word.as_str()).collect();
                    Unreadable::new($what, format!("{text:?} is not one of {}", known.join(", ")))
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(in crate::envelope) use words;

words! {
    /// What a request asks for. A new type joins at the end: what desks and snapshots keep counts
    /// the words.
    RequestType, "request type" {
        /// Expedited preservation of stored data: Budapest Convention Art. 29.
        Preservation = "PRESERVATION",
        /// Technical advice: Art. 35(1)(a).
        TechnicalAdvice = "TECHNICAL_ADVICE",
        /// Legal information: Art. 35(1)(c).
        LegalInformation = "LEGAL_INFORMATION",
        /// Longer preservation of what an earlier request had preserved: Art. 29, with the form's
        /// status "Extension of previous request".
        PreservationExtension = "PRESERVATION_EXTENSION",
        /// Expedited disclosure of so much preserved traffic data as identifies a provider in
        /// another state, and the path: Art. 30.
        PartialTrafficDisclosure = "PARTIAL_TRAFFIC_DISCLOSURE",
        /// Mutual assistance: subscriber information, Art. 31 with Art. 18.
        SubscriberInfo = "SUBSCRIBER_INFO",
        /// Mutual assistance: stored computer data, Art. 31.
        StoredDataMla = "STORED_DATA_MLA",
        /// Expedited disclosure in an emergency, without a request for mutual assistance: Second
        /// Additional Protocol Art. 9.
        EmergencyDisclosure = "EMERGENCY_DISCLOSURE",
        /// Emergency mutual assistance: Second Additional Protocol Art. 10.
        EmergencyMla = "EMERGENCY_MLA",
        /// Information given without having been asked for: Art. 26.
        SpontaneousInformation = "SPONTANEOUS_INFORMATION",
        /// Where a suspect is: Art. 35(1)(c).
        LocateSuspect = "LOCATE_SUSPECT",
        /// Holding money back that was obtained by fraud, as police practice has it.
        StopPayment = "STOP_PAYMENT",
        /// What another state can say about an incident, without attributing it to anybody.
        IctIncidentClarification = "ICT_INCIDENT_CLARIFICATION",
        /// Does the desk answer.
        CommCheck = "COMM_CHECK",
    }
}

words! {
    /// How urgent a request is. Ordered from the most urgent.
    Urgency, "urgency" {
        /// Risk to the life or safety of a person.
        Emergency = "EMERGENCY",
        /// Data about to be lost, offence going on, money moving.
        Urgent = "URGENT",
        /// The normal case of a preservation.
        Expedited = "EXPEDITED",
        /// Legal information, advice, status.
        Routine = "ROUTINE",
        /// No answer expected.
        Information = "INFORMATION",
    }
}

words! {
    /// First part of the acknowledgement: will it be answered (Dir. 2013/40/EU Art. 13(1)).
    WillAnswer, "will_answer" {
        /// It will.
        Yes = "YES",
        /// It will not.
        No = "NO",
        /// In part.
        Partly = "PARTLY",
        /// By somebody else, to whom it was forwarded.
        Forwarded = "FORWARDED",
    }
}

words! {
    /// The class of a determination; grounds and reasons are sealed.
    Outcome, "outcome" {
        /// Accepted.
        Accepted = "ACCEPTED",
        /// Accepted with conditions (Art. 28).
        AcceptedWithConditions = "ACCEPTED_WITH_CONDITIONS",
        /// Accepted in part (Art. 27(6)).
        PartiallyAccepted = "PARTIALLY_ACCEPTED",
        /// Postponed (Art. 27(5)); looked at again at a stated time.
        Postponed = "POSTPONED",
        /// Refused on a ground that the type of the request knows (Art. 29(4), (5) for one).
        Refused = "REFUSED",
        /// This desk is not competent; another is named.
        NotCompetent = "NOT_COMPETENT",
        /// It cannot be executed.
        UnableToExecute = "UNABLE_TO_EXECUTE",
    }
}

impl Outcome {
    /// True when the request can be carried out after it.
    pub const fn accepts(self) -> bool {
        match self {
            Self::Accepted | Self::AcceptedWithConditions | Self::PartiallyAccepted => true,
            Self::Postponed | Self::Refused | Self::NotCompetent | Self::UnableToExecute => false,
        }
    }
}

words! {
    /// How far a request was carried out.
    Extent, "extent" {
        /// In full.
        Executed = "EXECUTED",
        /// In part.
        ExecutedInPart = "EXECUTED_IN_PART",
        /// There are no such data.
        NoDataHeld = "NO_DATA_HELD",
    }
}

words! {
    /// A step of the mutual legal assistance request that follows a preservation.
    MlaStep, "mla step" {
        /// The requesting party has sent it.
        Sent = "SENT",
        /// The requested party has received it: data stay preserved until it is decided (29(7)).
        Received = "RECEIVED",
        /// The requested party has decided it.
        Decided = "DECIDED",
    }
}

words! {
    /// The answer to conditions.
    ConditionsAnswer, "conditions answer" {
        /// Accepted: they bind (Art. 28(3), 26(2)).
        Accepted = "ACCEPTED",
        /// Not accepted.
        Declined = "DECLINED",
    }
}

words! {
    /// How useful an answer was: sealed feedback.
    Usefulness, "usefulness" {
        /// The case was decided by it.
        Decisive = "DECISIVE",
        /// It helped.
        Useful = "USEFUL",
        /// It helped little.
        OfLittleUse = "OF_LITTLE_USE",
        /// It did not help.
        OfNoUse = "OF_NO_USE",
    }
}

words! {
    /// Why a desk's machine rejects a statement (ETSI REM reasons).
    Rejection, "rejection" {
        /// The bytes are not a statement.
        InvalidMessageFormat = "INVALID_MESSAGE_FORMAT",
        /// The signature or its key is not the sender's.
        NotIdentified = "NOT_IDENTIFIED",
        /// The rules do not allow it.
        PolicyViolation = "POLICY_VIOLATION",
        /// It is already there with other bytes.
        Duplicate = "DUPLICATE",
        /// It cannot be opened here.
        TechnicalMalfunction = "TECHNICAL_MALFUNCTION",
        /// Anything else.
        Other = "OTHER",
    }
}

words! {
    /// Ground on which a request is refused.
    RefusalGround, "refusal ground" {
        /// Art. 29(5)(a): a political offence.
        PoliticalOffence = "POLITICAL_OFFENCE",
        /// Art. 29(5)(b): sovereignty, security, ordre public or other essential interests.
        EssentialInterests = "SOVEREIGNTY_SECURITY_ORDRE_PUBLIC_ESSENTIAL_INTERESTS",
        /// Art. 29(4): dual criminality cannot be fulfilled at disclosure; only if reserved.
        DualCriminality = "DUAL_CRIMINALITY_AT_DISCLOSURE",
        /// Art. 25(5): dual criminality, which the requested party makes a condition, is lacking.
        DualCriminalityLacking = "DUAL_CRIMINALITY",
        /// Art. 25(4), 35(1): the requested party's own law does not allow it.
        DomesticLaw = "DOMESTIC_LAW",
        /// Art. 25(4): a ground of the mutual assistance treaty that applies.
        ApplicableTreaty = "APPLICABLE_TREATY",
    }
}

words! {
    /// Why a request cannot be executed: not a refusal.
    UnableReason, "unable reason" {
        /// The request does not say enough.
        InsufficientInformation = "INSUFFICIENT_INFORMATION",
        /// The data are gone.
        DataAlreadyDeleted = "DATA_ALREADY_DELETED",
        /// Nobody knows who holds the data.
        CustodianNotIdentified = "CUSTODIAN_NOT_IDENTIFIED",
        /// It is in a language that cannot be handled.
        Language = "LANGUAGE",
        /// The formal confirmation did not come.
        FormalConfirmationMissing = "FORMAL_CONFIRMATION_MISSING",
        /// It may not be genuine.
        AuthenticityDoubt = "AUTHENTICITY_DOUBT",
        /// It has been made before.
        Duplicate = "DUPLICATE",
        /// Anything else, in words.
        Other = "OTHER",
    }
}

words! {
    /// Category of data.
    DataCategory, "data category" {
        /// Who the subscriber is.
        Subscriber = "SUBSCRIBER",
        /// Data asked for only to identify the user.
        UserIdentification = "USER_IDENTIFICATION",
        /// Traffic data.
        Traffic = "TRAFFIC",
        /// Content.
        Content = "CONTENT",
    }
}

words! {
    /// What an officer may sign.
    Role, "role" {
        /// Requests and what the requesting side says afterwards.
        Request = "REQUEST",
        /// What the requested side says.
        Answer = "ANSWER",
        /// The second signature of a disclosure.
        Approve = "APPROVE",
    }
}

/// A legal or political basis on which two members deal with each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Instrument {
    /// Budapest Convention, ETS 185.
    Budapest,
    /// Second Additional Protocol to it, CETS 224.
    SapCets224,
    /// UN Convention against Cybercrime.
    UnCybercrime,
    /// The protocol statement of the G7 24/7 network: best efforts.
    G72417,
    /// A bilateral agreement, by its id.
    Bilateral(String),
    /// Reciprocity under national law.
    NationalReciprocity,
}

/// The longest id of a bilateral agreement, in bytes.
const BILATERAL_ID_BYTES_MAX: usize = 64;

impl FromStr for Instrument {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        match text {
            "BUDAPEST" => Ok(Self::Budapest),
            "SAP_CETS224" => Ok(Self::SapCets224),
            "UN_CYBERCRIME" => Ok(Self::UnCybercrime),
            "G7_2417" => Ok(Self::G72417),
            "NATIONAL_RECIPROCITY" => Ok(Self::NationalReciprocity),
            other => match other.strip_prefix("BILATERAL:") {
                Some(id)
                    if (1..=BILATERAL_ID_BYTES_MAX).contains(&id.len())
                        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') =>
                {
                    Ok(Self::Bilateral(id.to_owned()))
                }
                _ => Err(Unreadable::new(
                    "instrument",
                    format!(
                        "{text:?} is not one of BUDAPEST, SAP_CETS224, UN_CYBERCRIME, G7_2417, \
                         BILATERAL:<id>, NATIONAL_RECIPROCITY"
                    ),
                )),
            },
        }
    }
}

impl fmt::Display for Instrument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Budapest => f.write_str("BUDAPEST"),
            Self::SapCets224 => f.write_str("SAP_CETS224"),
            Self::UnCybercrime => f.write_str("UN_CYBERCRIME"),
            Self::G72417 => f.write_str("G7_2417"),
            Self::Bilateral(id) => write!(f, "BILATERAL:{id}"),
            Self::NationalReciprocity => f.write_str("NATIONAL_RECIPROCITY"),
        }
    }
}
