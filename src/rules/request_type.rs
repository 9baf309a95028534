//! What each type of request allows. Other types join this table.
//!
//! Not for the life of a request (see `request.rs`): which acts are possible at which stage does
//! not depend on the type, only whether it has a measure does.
//!
//! | type | article | measure | follow-up | default urgency |
//! |---|---|---|---|---|
//! | `PRESERVATION` | 29 | preservation | MLA intended | `EXPEDITED` |
//! | `TECHNICAL_ADVICE` | 35(1)(a) | none | none | `ROUTINE` |
//! | `LEGAL_INFORMATION` | 35(1)(c) | none | none | `ROUTINE` |
//!
//! All of them: any instrument but `SAP_CETS224`; asked by an officer with the role `REQUEST`,
//! answered by one with `ANSWER`.
//!
//! The Second Additional Protocol (`SAP_CETS224`) is for disclosure and emergency assistance: it
//! gives no basis for these three. `G7_2417` is a basis of best efforts. The second signature
//! of a disclosure (`APPROVE`) comes with the types that disclose.

use crate::envelope::words::{Instrument, RequestType, Urgency};

/// True when the instrument is a basis for the type.
pub const fn allows(of: RequestType, instrument: &Instrument) -> bool {
    match of {
        RequestType::Preservation
        | RequestType::TechnicalAdvice
        | RequestType::LegalInformation => match instrument {
            Instrument::Budapest
            | Instrument::UnCybercrime
            | Instrument::G72417
            | Instrument::Bilateral(_)
            | Instrument::NationalReciprocity => true,
            Instrument::SapCets224 => false,
        },
    }
}

/// True when carrying it out starts a measure: data are preserved until a moment.
pub const fn has_measure(of: RequestType) -> bool {
    match of {
        RequestType::Preservation => true,
        RequestType::TechnicalAdvice | RequestType::LegalInformation => false,
    }
}

/// The urgency that a sender is offered first.
pub const fn default_urgency(of: RequestType) -> Urgency {
    match of {
        RequestType::Preservation => Urgency::Expedited,
        RequestType::TechnicalAdvice | RequestType::LegalInformation => Urgency::Routine,
    }
}
