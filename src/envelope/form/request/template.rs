//! Forms to fill in, with a comment on every field.
//!
//! Not for reading what was filled in (see `fill.rs`). A line `{contact}` in a template stands for
//! the fields of a contact, and so on: parts that forms share are written once, in `parts/`.

use crate::envelope::words::RequestType;

/// The parts, by the line that stands for them. A part may hold lines for those after it.
const PARTS: [(&str, &str); 8] = [
    ("{assistance}\n", include_str!("templates/parts/assistance.toml")),
    ("{previous}\n", include_str!("templates/parts/previous.toml")),
    ("{data}\n", include_str!("templates/parts/data.toml")),
    ("{provider}\n", include_str!("templates/parts/provider.toml")),
    ("{account}\n", include_str!("templates/parts/account.toml")),
    ("{confirmation}\n", include_str!("templates/parts/confirmation.toml")),
    ("{identifier}\n", include_str!("templates/parts/identifier.toml")),
    ("{contact}\n", include_str!("templates/parts/contact.toml")),
];

/// An empty form of this type.
pub(in crate::envelope::form) fn template(kind: RequestType) -> String {
    let text = match kind {
        RequestType::Preservation => include_str!("templates/preservation.toml"),
        RequestType::TechnicalAdvice | RequestType::LegalInformation => {
            include_str!("templates/information.toml")
        }
        RequestType::PreservationExtension => include_str!("templates/preservation_extension.toml"),
        RequestType::PartialTrafficDisclosure => {
            include_str!("templates/partial_traffic_disclosure.toml")
        }
        RequestType::SubscriberInfo => include_str!("templates/subscriber_info.toml"),
        RequestType::StoredDataMla => include_str!("templates/stored_data_mla.toml"),
        RequestType::EmergencyDisclosure => include_str!("templates/emergency_disclosure.toml"),
        RequestType::EmergencyMla => include_str!("templates/emergency_mla.toml"),
        RequestType::SpontaneousInformation => {
            include_str!("templates/spontaneous_information.toml")
        }
        RequestType::LocateSuspect => include_str!("templates/locate_suspect.toml"),
        RequestType::StopPayment => include_str!("templates/stop_payment.toml"),
        RequestType::IctIncidentClarification => {
            include_str!("templates/ict_incident_clarification.toml")
        }
        RequestType::CommCheck => include_str!("templates/comm_check.toml"),
    };
    with_parts(text)
}

/// An empty form of the conditions that come before information, whatever its type.
pub(in crate::envelope::form) fn prior_conditions() -> String {
    with_parts(include_str!("templates/prior_conditions.toml"))
}

fn with_parts(text: &str) -> String {
    PARTS.iter().fold(text.to_owned(), |text, (line, part)| text.replace(line, part))
}
