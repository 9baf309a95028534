//! Targets: within what time each thing should have happened to a request.
//!
//! Not deadlines: nothing happens by itself when a target is missed, and no act is refused for it.
//! They are what response times are held against.
//!
//! | urgency | delivered | acknowledged | decided and carried out |
//! |---|---|---|---|
//! | `EMERGENCY` | 5 min \[D\] | 30 min \[D\] | 8 h (Reg. (EU) 2023/1543, emergency production) |
//! | `URGENT` | 15 min \[D\] | 2 h \[D\] | 3 days (Dir. (EU) 2023/977, urgent, obtainable) |
//! | `EXPEDITED` | 12 h (e-CODEX, delivery) | 12 h (SIRENE Manual 1.3.5) | below |
//! | `ROUTINE` | 24 h (e-CODEX, delivery) | 3 days \[D\] | the desk's own estimate |
//! | `INFORMATION` | 24 h (e-CODEX, delivery) | none | none |
//!
//! `EXPEDITED`, decided and carried out: 72 h where data are preserved (practice, weakly sourced),
//! 7 days otherwise (Dir. (EU) 2023/977, not urgent). \[D\]: decided in this project, with the hard
//! limits of Dir. 2013/40/EU Art. 13(1) (8 h, urgent) and of Reg. (EU) 2018/292 Art. 4 (10 working
//! days) far above.
//!
//! Dir. 2023/977 gives 8 h for urgent information that is directly available to the desk. The
//! relay is not told whether it is, and holds an `URGENT` request against the longer one.
//!
//! How time counts: 24 hours a day, in UTC, holidays too. Delivery counts from acceptance for
//! relay and is the relay's and the line's; all that the desk does counts from when the request
//! reached it, which is when it was first offered to its live stream. While a clarification is
//! asked for, only the time to decide and to carry out stands still. A new grade of urgency, or a
//! new estimate, gives a new target from then on; a target that was missed by then stays missed.
//! Closing has no target, and what a type does not expect of a desk has none either.

use serde::{Deserialize, Serialize};

use super::deadline;
use super::request_type::{self, Expects};
use crate::envelope::words::{RequestType, Urgency};
use crate::units::{DAY_MS, HOUR_MS, MINUTE_MS};

/// Something that is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Span {
    /// Until the desk's machine had it.
    Deliver,
    /// Until a human said whether, in what form and by when.
    Acknowledge,
    /// Until it was decided; a postponement is no decision.
    Determine,
    /// Until it was carried out, or it was said that there is nothing.
    Execute,
    /// Until it was carried out with a measure: data are preserved. Only of types that have one.
    Preserve,
    /// Until the handling ended: closed, or withdrawn for good.
    Close,
}

impl Span {
    /// Every span, in the order of a request's life.
    pub const ALL: [Self; 6] = [
        Self::Deliver,
        Self::Acknowledge,
        Self::Determine,
        Self::Execute,
        Self::Preserve,
        Self::Close,
    ];

    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deliver => "DELIVER",
            Self::Acknowledge => "ACKNOWLEDGE",
            Self::Determine => "DETERMINE",
            Self::Execute => "EXECUTE",
            Self::Preserve => "PRESERVE",
            Self::Close => "CLOSE",
        }
    }

    /// True for what somebody waits for, by the urgency of a request and its type: delivery and
    /// closing in any case; of what the desk's people do, as much as the type expects of them.
    pub const fn is_awaited(self, urgency: Urgency, kind: RequestType) -> bool {
        let information = matches!(urgency, Urgency::Information);
        match self {
            Self::Deliver | Self::Close => true,
            Self::Acknowledge => match request_type::expects(kind) {
                Expects::Answer | Expects::Acknowledgement => !information,
                Expects::Nothing => false,
            },
            Self::Determine | Self::Execute | Self::Preserve => self.applies(kind) && !information,
        }
    }

    /// True when requests of this type have it at all.
    pub const fn applies(self, kind: RequestType) -> bool {
        match self {
            Self::Deliver | Self::Acknowledge | Self::Close => true,
            Self::Determine | Self::Execute => match request_type::expects(kind) {
                Expects::Answer => true,
                Expects::Acknowledgement | Expects::Nothing => false,
            },
            Self::Preserve => request_type::has_measure(kind),
        }
    }
}

/// What a span is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// So many milliseconds.
    Within(i64),
    /// The desk's own estimate.
    Estimate,
    /// Nothing.
    None,
}

/// The target of a span; see the table above.
pub const fn target(span: Span, urgency: Urgency, kind: RequestType) -> Target {
    if !span.is_awaited(urgency, kind) {
        return Target::None;
    }
    match span {
        Span::Deliver => Target::Within(deadline::delivery_within_ms(urgency)),
        Span::Acknowledge => match urgency {
            Urgency::Emergency => Target::Within(30 * MINUTE_MS),
            Urgency::Urgent => Target::Within(2 * HOUR_MS),
            Urgency::Expedited => Target::Within(12 * HOUR_MS),
            Urgency::Routine => Target::Within(3 * DAY_MS),
            Urgency::Information => Target::None,
        },
        Span::Determine | Span::Execute | Span::Preserve => match urgency {
            Urgency::Emergency => Target::Within(8 * HOUR_MS),
            Urgency::Urgent => Target::Within(3 * DAY_MS),
            Urgency::Expedited if request_type::has_measure(kind) => Target::Within(72 * HOUR_MS),
            Urgency::Expedited => Target::Within(7 * DAY_MS),
            Urgency::Routine => Target::Estimate,
            Urgency::Information => Target::None,
        },
        Span::Close => Target::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table, as a table: delivered, acknowledged, decided (preservation), decided (advice).
    #[test]
    fn the_targets_are_those_of_the_table() {
        const NONE: Target = Target::None;
        let hours = |hours: i64| Target::Within(hours * HOUR_MS);
        let minutes = |minutes: i64| Target::Within(minutes * MINUTE_MS);
        let rows = [
            (Urgency::Emergency, minutes(5), minutes(30), hours(8), hours(8)),
            (Urgency::Urgent, minutes(15), hours(2), hours(72), hours(72)),
            (Urgency::Expedited, hours(12), hours(12), hours(72), hours(168)),
            (Urgency::Routine, hours(24), hours(72), Target::Estimate, Target::Estimate),
            (Urgency::Information, hours(24), NONE, NONE, NONE),
        ];
        let (kept, advice) = (RequestType::Preservation, RequestType::TechnicalAdvice);
        for (urgency, deliver, acknowledge, preserved, advised) in rows {
            assert_eq!(target(Span::Deliver, urgency, kept), deliver);
            assert_eq!(target(Span::Acknowledge, urgency, kept), acknowledge);
            assert_eq!(target(Span::Close, urgency, kept), NONE);
            for span in [Span::Determine, Span::Execute] {
                assert_eq!(target(span, urgency, kept), preserved, "{urgency}");
                assert_eq!(target(span, urgency, advice), advised, "{urgency}");
            }
            assert_eq!(target(Span::Preserve, urgency, kept), preserved, "{urgency}");
            assert_eq!(target(Span::Preserve, urgency, advice), NONE, "{urgency}");
            let check = RequestType::CommCheck;
            assert_eq!(target(Span::Acknowledge, urgency, check), acknowledge, "{urgency}");
            assert_eq!(target(Span::Execute, urgency, check), NONE, "{urgency}");
            let told = RequestType::SpontaneousInformation;
            assert_eq!(target(Span::Acknowledge, urgency, told), NONE, "{urgency}");
        }
    }
}
