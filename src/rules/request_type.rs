//! What each type of request allows: on which basis, how urgent, which axes it has, which acts.
//!
//! Not for the life of a request (see `request.rs`), nor for what its form must say (see
//! `envelope::form`). `tests/it/moves.rs` prints all of it.
//!
//! | type | article | measure | follow-up | ends with | default urgency |
//! |---|---|---|---|---|---|
//! | `PRESERVATION` | 29 | preservation | MLA intended | an answer | `EXPEDITED` |
//! | `PRESERVATION_EXTENSION` | 29 | preservation | MLA intended | an answer | `EXPEDITED` |
//! | `PARTIAL_TRAFFIC_DISCLOSURE` | 30 | none | none | an answer | `URGENT` |
//! | `SUBSCRIBER_INFO` | 31, 18 | none | none | an answer | `ROUTINE` |
//! | `STORED_DATA_MLA` | 31 | none | none | an answer | `ROUTINE` |
//! | `EMERGENCY_DISCLOSURE` | SAP 9 | none | MLA if required | an answer | `EMERGENCY` |
//! | `EMERGENCY_MLA` | SAP 10 | none | none | an answer | `EMERGENCY` |
//! | `SPONTANEOUS_INFORMATION` | 26 | none | none | nothing | `INFORMATION` |
//! | `TECHNICAL_ADVICE` | 35(1)(a) | none | none | an answer | `ROUTINE` |
//! | `LEGAL_INFORMATION` | 35(1)(c) | none | none | an answer | `ROUTINE` |
//! | `LOCATE_SUSPECT` | 35(1)(c) | none | none | an answer | `EXPEDITED` |
//! | `STOP_PAYMENT` | practice | none | none | an answer | `URGENT` |
//! | `ICT_INCIDENT_CLARIFICATION` | practice | none | none | an answer | `EXPEDITED` |
//! | `COMM_CHECK` | practice | none | none | the acknowledgement | `EXPEDITED` |
//!
//! Articles are those of the Budapest Convention, SAP those of its Second Additional Protocol.
//! Every type is asked by an officer with the role `REQUEST` and answered by one with `ANSWER`.
//!
//! Why which instrument:
//! - the Second Additional Protocol is for disclosure and mutual assistance in an emergency, and
//!   for nothing else here;
//! - `G7_2417` is a basis of best efforts: data are frozen, advice is given, money is held back,
//!   desks talk; no data and no person is handed over, so no mutual assistance and no disclosure;
//! - asking what is known of an incident is no matter of criminal justice: it rests on a network of
//!   contacts, an agreement or reciprocity, not on a convention against crime;
//! - a check whether a desk answers needs no more than an instrument in common.
//!
//! Why which urgency: an emergency type is an emergency or another type; disclosing a path is never
//! routine (Art. 30(1): expeditiously); money on the move is not a risk to life, and never waits
//! for days; `INFORMATION`, to which no answer is expected, is for information that was not asked
//! for. That may also be an emergency: whoever learns of a planned attack wakes the other desk.

use super::follow_up::FollowUp;
use super::refusal::Refusal;
use crate::envelope::Act;
use crate::envelope::words::{Extent, Instrument, RequestType, Urgency};

/// What ends the substance of a request of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expects {
    /// An answer: a determination and, if accepted, what comes of it.
    Answer,
    /// The acknowledgement: more is not asked for.
    Acknowledgement,
    /// Nothing: the desk may acknowledge or close it, and need not.
    Nothing,
}

impl Expects {
    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answer => "ANSWER",
            Self::Acknowledgement => "ACKNOWLEDGEMENT",
            Self::Nothing => "NOTHING",
        }
    }
}

/// True when the instrument is a basis for the type.
pub const fn allows(of: RequestType, instrument: &Instrument) -> bool {
    match instrument {
        // An agreement may hold anything; what it does not, the requested desk refuses.
        Instrument::Bilateral(_) => true,
        Instrument::Budapest => on_budapest(of),
        Instrument::UnCybercrime => on_un_convention(of),
        Instrument::SapCets224 => on_second_protocol(of),
        Instrument::G72417 => by_best_efforts(of),
        Instrument::NationalReciprocity => !matches!(of, RequestType::EmergencyDisclosure),
    }
}

const fn on_budapest(of: RequestType) -> bool {
    match of {
        RequestType::Preservation
        | RequestType::PreservationExtension
        | RequestType::PartialTrafficDisclosure
        | RequestType::SubscriberInfo
        | RequestType::StoredDataMla
        | RequestType::SpontaneousInformation
        | RequestType::TechnicalAdvice
        | RequestType::LegalInformation
        | RequestType::LocateSuspect
        | RequestType::StopPayment
        | RequestType::CommCheck => true,
        RequestType::EmergencyDisclosure
        | RequestType::EmergencyMla
        | RequestType::IctIncidentClarification => false,
    }
}

/// As the Budapest Convention, and data to avert an emergency (Art. 41).
const fn on_un_convention(of: RequestType) -> bool {
    matches!(of, RequestType::EmergencyDisclosure) || on_budapest(of)
}

const fn on_second_protocol(of: RequestType) -> bool {
    match of {
        RequestType::EmergencyDisclosure | RequestType::EmergencyMla | RequestType::CommCheck => {
            true
        }
        RequestType::Preservation
        | RequestType::PreservationExtension
        | RequestType::PartialTrafficDisclosure
        | RequestType::SubscriberInfo
        | RequestType::StoredDataMla
        | RequestType::SpontaneousInformation
        | RequestType::TechnicalAdvice
        | RequestType::LegalInformation
        | RequestType::LocateSuspect
        | RequestType::StopPayment
        | RequestType::IctIncidentClarification => false,
    }
}

const fn by_best_efforts(of: RequestType) -> bool {
    match of {
        RequestType::Preservation
        | RequestType::PreservationExtension
        | RequestType::SpontaneousInformation
        | RequestType::TechnicalAdvice
        | RequestType::LegalInformation
        | RequestType::StopPayment
        | RequestType::IctIncidentClarification
        | RequestType::CommCheck => true,
        RequestType::PartialTrafficDisclosure
        | RequestType::SubscriberInfo
        | RequestType::StoredDataMla
        | RequestType::EmergencyDisclosure
        | RequestType::EmergencyMla
        | RequestType::LocateSuspect => false,
    }
}

/// The urgencies that the type can have, from the most urgent.
pub const fn urgencies(of: RequestType) -> &'static [Urgency] {
    use Urgency::{Emergency, Expedited, Information, Routine, Urgent};
    match of {
        RequestType::EmergencyDisclosure | RequestType::EmergencyMla => &[Emergency],
        RequestType::PartialTrafficDisclosure => &[Emergency, Urgent, Expedited],
        RequestType::StopPayment => &[Urgent, Expedited],
        RequestType::CommCheck => &[Urgent, Expedited, Routine],
        RequestType::SpontaneousInformation => {
            &[Emergency, Urgent, Expedited, Routine, Information]
        }
        RequestType::Preservation
        | RequestType::PreservationExtension
        | RequestType::SubscriberInfo
        | RequestType::StoredDataMla
        | RequestType::TechnicalAdvice
        | RequestType::LegalInformation
        | RequestType::LocateSuspect
        | RequestType::IctIncidentClarification => &[Emergency, Urgent, Expedited, Routine],
    }
}

/// Refuses an urgency that the type cannot have.
///
/// # Errors
/// [`Refusal::UrgencyNotForType`].
pub fn check_urgency(kind: RequestType, urgency: Urgency) -> Result<(), Refusal> {
    let allowed = urgencies(kind);
    if allowed.contains(&urgency) {
        return Ok(());
    }
    let words: Vec<&str> = allowed.iter().map(|word| word.as_str()).collect();
    Err(Refusal::UrgencyNotForType { kind, urgency, allowed: words.join(", ") })
}

/// True when it asks for something; false when it offers information (Art. 26).
pub const fn asks(of: RequestType) -> bool {
    !matches!(expects(of), Expects::Nothing)
}

/// True when it is nothing but an EMERGENCY.
pub const fn is_always_emergency(of: RequestType) -> bool {
    matches!(urgencies(of), [Urgency::Emergency])
}

/// True when the requested party may demand that a request for mutual assistance follows.
pub const fn may_demand_mla(of: RequestType) -> bool {
    matches!(follow_up(of), FollowUp::MlaIfRequired)
}

/// True when it is a request for mutual assistance itself.
pub const fn is_mla(of: RequestType) -> bool {
    matches!(
        of,
        RequestType::SubscriberInfo | RequestType::StoredDataMla | RequestType::EmergencyMla
    )
}

/// The urgency that a sender is offered first.
pub const fn default_urgency(of: RequestType) -> Urgency {
    match of {
        RequestType::EmergencyDisclosure | RequestType::EmergencyMla => Urgency::Emergency,
        RequestType::PartialTrafficDisclosure | RequestType::StopPayment => Urgency::Urgent,
        RequestType::Preservation
        | RequestType::PreservationExtension
        | RequestType::LocateSuspect
        | RequestType::IctIncidentClarification
        | RequestType::CommCheck => Urgency::Expedited,
        RequestType::SubscriberInfo
        | RequestType::StoredDataMla
        | RequestType::TechnicalAdvice
        | RequestType::LegalInformation => Urgency::Routine,
        RequestType::SpontaneousInformation => Urgency::Information,
    }
}

/// True when carrying it out starts a measure: data are preserved until a moment.
pub const fn has_measure(of: RequestType) -> bool {
    matches!(of, RequestType::Preservation | RequestType::PreservationExtension)
}

/// True when that measure is a new one, which lasts at least sixty days (Art. 29(7)). An extension
/// adds to one that has lasted them, by as much as the requested party's law allows.
pub const fn has_shortest(of: RequestType) -> bool {
    matches!(of, RequestType::Preservation)
}

/// Where its follow-up axis begins.
pub const fn follow_up(of: RequestType) -> FollowUp {
    match of {
        RequestType::Preservation | RequestType::PreservationExtension => FollowUp::MlaIntended,
        RequestType::EmergencyDisclosure => FollowUp::MlaIfRequired,
        RequestType::PartialTrafficDisclosure
        | RequestType::SubscriberInfo
        | RequestType::StoredDataMla
        | RequestType::EmergencyMla
        | RequestType::SpontaneousInformation
        | RequestType::TechnicalAdvice
        | RequestType::LegalInformation
        | RequestType::LocateSuspect
        | RequestType::StopPayment
        | RequestType::IctIncidentClarification
        | RequestType::CommCheck => FollowUp::None,
    }
}

/// True when the act hands data over on a request of this type: the only thing that two officers of
/// a desk have to stand behind. A path that leads to a provider is traffic data (Art. 30). What a
/// desk tells of its own knowledge is no data of others: advice, that money is held, where a person
/// is; nor is what it offers unasked.
pub const fn discloses(of: RequestType, act: &Act) -> bool {
    match act {
        Act::Execute { extent: Extent::Executed | Extent::ExecutedInPart, .. } => brings_data(of),
        Act::DiscloseTraffic => has_measure(of),
        Act::Execute { extent: Extent::NoDataHeld, .. }
        | Act::Request(_)
        | Act::Acknowledge { .. }
        | Act::ReviseEstimate { .. }
        | Act::RequestClarification
        | Act::ProvideClarification
        | Act::Determine { .. }
        | Act::RequestExtension
        | Act::Extend { .. }
        | Act::Withdraw
        | Act::Close
        | Act::Mla { .. }
        | Act::Regrade { .. }
        | Act::AnswerConditions(_)
        | Act::ProvideInformation
        | Act::Feedback
        | Act::RequestUseReport
        | Act::ReportUse
        | Act::ReportSecurityIncident
        | Act::Receipt { .. }
        | Act::Retrieval { .. } => false,
    }
}

const fn brings_data(of: RequestType) -> bool {
    match of {
        RequestType::PartialTrafficDisclosure
        | RequestType::SubscriberInfo
        | RequestType::StoredDataMla
        | RequestType::EmergencyDisclosure
        | RequestType::EmergencyMla => true,
        RequestType::Preservation
        | RequestType::PreservationExtension
        | RequestType::SpontaneousInformation
        | RequestType::TechnicalAdvice
        | RequestType::LegalInformation
        | RequestType::LocateSuspect
        | RequestType::StopPayment
        | RequestType::IctIncidentClarification
        | RequestType::CommCheck => false,
    }
}

/// What ends its substance.
pub const fn expects(of: RequestType) -> Expects {
    match of {
        RequestType::CommCheck => Expects::Acknowledgement,
        RequestType::SpontaneousInformation => Expects::Nothing,
        RequestType::Preservation
        | RequestType::PreservationExtension
        | RequestType::PartialTrafficDisclosure
        | RequestType::SubscriberInfo
        | RequestType::StoredDataMla
        | RequestType::EmergencyDisclosure
        | RequestType::EmergencyMla
        | RequestType::TechnicalAdvice
        | RequestType::LegalInformation
        | RequestType::LocateSuspect
        | RequestType::StopPayment
        | RequestType::IctIncidentClarification => Expects::Answer,
    }
}

/// True when it must name the preservation that it follows from (Art. 30(1): "in the course of the
/// execution of a request made pursuant to Article 29").
pub const fn needs_parent(of: RequestType) -> bool {
    matches!(of, RequestType::PartialTrafficDisclosure)
}

/// True when a request of this type may follow from one of type `parent`.
pub const fn follows(of: RequestType, parent: RequestType) -> bool {
    match of {
        RequestType::PartialTrafficDisclosure | RequestType::PreservationExtension => {
            has_measure(parent)
        }
        RequestType::Preservation
        | RequestType::SubscriberInfo
        | RequestType::StoredDataMla
        | RequestType::EmergencyDisclosure
        | RequestType::EmergencyMla
        | RequestType::SpontaneousInformation
        | RequestType::TechnicalAdvice
        | RequestType::LegalInformation
        | RequestType::LocateSuspect
        | RequestType::StopPayment
        | RequestType::IctIncidentClarification
        | RequestType::CommCheck => true,
    }
}

/// True when the act makes sense on a request of this type, at whatever stage. What a desk's
/// machine says always does.
pub fn takes(of: RequestType, act: &Act) -> bool {
    match act {
        Act::Determine { .. } | Act::Execute { .. } => expects(of) == Expects::Answer,
        Act::ReviseEstimate { .. } | Act::RequestClarification | Act::ProvideClarification => {
            expects(of) != Expects::Acknowledgement
        }
        Act::RequestExtension | Act::Extend { .. } | Act::DiscloseTraffic => has_measure(of),
        Act::Mla { .. } => follow_up(of) != FollowUp::None,
        Act::ProvideInformation => expects(of) == Expects::Nothing,
        Act::Regrade { .. }
        | Act::AnswerConditions(_)
        | Act::Feedback
        | Act::RequestUseReport
        | Act::ReportUse => expects(of) != Expects::Acknowledgement,
        Act::ReportSecurityIncident
        | Act::Request(_)
        | Act::Acknowledge { .. }
        | Act::Withdraw
        | Act::Close
        | Act::Receipt { .. }
        | Act::Retrieval { .. } => true,
    }
}
