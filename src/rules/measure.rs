//! The measure axis of a request: the legal clock of a preservation.
//!
//! Not for the work at the desks (see `handling.rs`): data can stay preserved long after a request
//! was closed. Types without a measure stay at `None`.
//!
//! ```text
//!   None --Execute--> Preserved --RequestExtension--> ExtensionRequested
//!     |                | ^  |                             |  |
//!     |                | '--+---------- Extend -----------'  |
//!     | (MLA request   |    |                                |
//!     |  is there)     |    '----- its end passes -----------+--> Expired
//!     v                v                                     |
//!   HeldForMla <------- Mla(RECEIVED) -----------------------'
//!     '---- Mla(DECIDED) ----> Released <---- withdrawn, from any of these
//! ```
//!
//! Art. 29(7): preserved for at least sixty days, and once the mutual legal assistance request has
//! come, until it is decided. A held measure therefore never expires. Silence is not an extension;
//! an extension may be confirmed without having been asked for. The end is passed by a record: an
//! MLA request that is recorded before that record still holds the data.

use serde::{Deserialize, Serialize};

use super::follow_up::FollowUp;
use super::refusal::Refusal;
use crate::envelope::Act;
use crate::envelope::words::MlaStep;
use crate::units::Timestamp;

/// Where the preservation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Measure {
    /// Nothing is preserved.
    None,
    /// Data are preserved.
    Preserved {
        /// Until when.
        until: Timestamp,
    },
    /// Data are preserved, and a longer preservation has been asked for.
    ExtensionRequested {
        /// Until when, so far.
        until: Timestamp,
    },
    /// Data stay preserved until the mutual legal assistance request is decided.
    HeldForMla {
        /// The end that counted before; at least until then.
        until: Timestamp,
    },
    /// The data need not be preserved any longer.
    Released,
    /// The end passed without an extension.
    Expired {
        /// The end that passed.
        until: Timestamp,
    },
}

impl Measure {
    /// The stage's name, as people and `--json` read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Preserved { .. } => "PRESERVED",
            Self::ExtensionRequested { .. } => "EXTENSION_REQUESTED",
            Self::HeldForMla { .. } => "HELD_FOR_MLA",
            Self::Released => "RELEASED",
            Self::Expired { .. } => "EXPIRED",
        }
    }

    /// True while data are preserved.
    pub const fn is_running(self) -> bool {
        match self {
            Self::Preserved { .. } | Self::ExtensionRequested { .. } | Self::HeldForMla { .. } => {
                true
            }
            Self::None | Self::Released | Self::Expired { .. } => false,
        }
    }

    /// When it ends unless something happens; none while it is held.
    pub const fn ends_at(self) -> Option<Timestamp> {
        match self {
            Self::Preserved { until } | Self::ExtensionRequested { until } => Some(until),
            Self::None | Self::HeldForMla { .. } | Self::Released | Self::Expired { .. } => None,
        }
    }

    /// May this act be done now? Acts of other axes may, always.
    ///
    /// # Errors
    /// [`Refusal`] saying why the stage does not allow it.
    pub fn decide(self, act: &Act) -> Result<(), Refusal> {
        match act {
            Act::RequestExtension => match self {
                Self::Preserved { .. } => Ok(()),
                Self::ExtensionRequested { until } => Err(Refusal::ExtensionPending { until }),
                Self::HeldForMla { .. } => Err(Refusal::HeldForMla),
                Self::None | Self::Released | Self::Expired { .. } => {
                    Err(Refusal::NotPreserved { stage: self.as_str() })
                }
            },
            Act::Extend { preserved_until } => match self {
                Self::Preserved { until } | Self::ExtensionRequested { until } => {
                    if *preserved_until > until {
                        Ok(())
                    } else {
                        Err(Refusal::NotLonger { until, asked: *preserved_until })
                    }
                }
                Self::HeldForMla { .. } => Err(Refusal::HeldForMla),
                Self::None | Self::Released | Self::Expired { .. } => {
                    Err(Refusal::NotPreserved { stage: self.as_str() })
                }
            },
            Act::Request(_)
            | Act::Acknowledge { .. }
            | Act::ReviseEstimate { .. }
            | Act::RequestClarification
            | Act::ProvideClarification
            | Act::Determine { .. }
            | Act::Execute { .. }
            | Act::Withdraw
            | Act::Close
            | Act::Mla { .. }
            | Act::Regrade { .. }
            | Act::AnswerConditions(_)
            | Act::ProvideInformation
            | Act::DiscloseTraffic
            | Act::Feedback
            | Act::RequestUseReport
            | Act::ReportUse
            | Act::ReportSecurityIncident
            | Act::Receipt { .. }
            | Act::Retrieval { .. } => Ok(()),
        }
    }

    /// The stage after an act that was accepted; `follow_up` is where that axis stood before it.
    #[must_use]
    pub fn apply(self, act: &Act, follow_up: FollowUp) -> Self {
        match (act, self) {
            (Act::Execute { preserved_until: Some(until), .. }, Self::None) => {
                if follow_up == FollowUp::MlaReceived {
                    Self::HeldForMla { until: *until }
                } else {
                    Self::Preserved { until: *until }
                }
            }
            (Act::RequestExtension, Self::Preserved { until }) => {
                Self::ExtensionRequested { until }
            }
            (
                Act::Extend { preserved_until },
                Self::Preserved { .. } | Self::ExtensionRequested { .. },
            ) => Self::Preserved { until: *preserved_until },
            (
                Act::Mla { step: MlaStep::Received, .. },
                Self::Preserved { until } | Self::ExtensionRequested { until },
            ) => Self::HeldForMla { until },
            (Act::Mla { step: MlaStep::Decided, .. }, Self::HeldForMla { .. }) => Self::Released,
            (
                Act::Request(_)
                | Act::Acknowledge { .. }
                | Act::ReviseEstimate { .. }
                | Act::RequestClarification
                | Act::ProvideClarification
                | Act::Determine { .. }
                | Act::Execute { .. }
                | Act::RequestExtension
                | Act::Extend { .. }
                | Act::Withdraw
                | Act::Close
                | Act::Mla { .. }
                | Act::Regrade { .. }
                | Act::AnswerConditions(_)
                | Act::ProvideInformation
                | Act::DiscloseTraffic
                | Act::Feedback
                | Act::RequestUseReport
                | Act::ReportUse
                | Act::ReportSecurityIncident
                | Act::Receipt { .. }
                | Act::Retrieval { .. },
                _,
            ) => self,
        }
    }

    /// The stage after the request was withdrawn for good.
    #[must_use]
    pub const fn withdrawn(self) -> Self {
        if self.is_running() { Self::Released } else { self }
    }

    /// The stage after its end has passed.
    #[must_use]
    pub const fn ended(self) -> Self {
        match self {
            Self::Preserved { until } | Self::ExtensionRequested { until } => {
                Self::Expired { until }
            }
            Self::None | Self::HeldForMla { .. } | Self::Released | Self::Expired { .. } => self,
        }
    }
}
