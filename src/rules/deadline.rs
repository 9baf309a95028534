//! Deadlines: what happens by itself, and when.
//!
//! Not a timer: this says which moments matter; the relay watches the clock and sends
//! `PassDeadline` when one has passed. How long the desks' officers may take is not here: that is
//! escalation, which comes later.
//!
//! Every statement with a body has a delivery limit, counted from the moment at which its recipient
//! may have it (its acceptance, or the end of its embargo), by the urgency that its request has now
//! (5 min: EMERGENCY, `domain.md` 4.1; 12 h and 24 h: the e-CODEX connector's failure
//! limits):
//!
//! | urgency | limit |
//! |---|---|
//! | `EMERGENCY` | 5 min |
//! | `URGENT` | 15 min |
//! | `EXPEDITED` | 12 h |
//! | `ROUTINE`, `INFORMATION` | 24 h |
//!
//! At the limit, without a receipt, the failure is recorded, once. On an EMERGENCY request the
//! content of what was offered is then handed over without a receipt, once; what is first offered
//! only at or after its limit is handed over 5 min after that offer, so that the desk's machine has
//! the same time to answer as it would have had.

use super::command::{Deadline, DeadlineKind};
use super::event::OfferFailure;
use super::request::{Message, Request};
use super::transport::Evidence;
use crate::envelope::words::Urgency;
use crate::units::{DAY_MS, HOUR_MS, MINUTE_MS, MessageId, Timestamp};

/// How long a statement may take to be delivered, in milliseconds from when its recipient may have
/// it.
pub const fn delivery_within_ms(urgency: Urgency) -> i64 {
    match urgency {
        Urgency::Emergency => 5 * MINUTE_MS,
        Urgency::Urgent => 15 * MINUTE_MS,
        Urgency::Expedited => 12 * HOUR_MS,
        Urgency::Routine | Urgency::Information => DAY_MS,
    }
}

/// The deadlines of one statement of a request: failure, then handing over.
pub fn of_message(urgency: Urgency, id: MessageId, message: &Message) -> [Option<Deadline>; 2] {
    if message.machine || message.transport.is_receipted() {
        return [None, None];
    }
    let Some((_, out)) = message.out else { return [None, None] };
    let limit = out.plus_ms(delivery_within_ms(urgency));
    let offered = message.transport.at(Evidence::RelayAcceptance);
    let failure = message.transport.at(Evidence::RelayFailure).is_none().then(|| {
        let reason = offered.map_or(OfferFailure::Unreachable, |_| OfferFailure::NoReceipt);
        Deadline { at: limit, what: DeadlineKind::Delivery(id, reason) }
    });
    let hand_over = match (urgency, offered, message.transport.handed_over()) {
        (Urgency::Emergency, Some(offered), None) => {
            let at =
                if offered < limit { limit } else { offered.plus_ms(delivery_within_ms(urgency)) };
            Some(Deadline { at, what: DeadlineKind::HandOver(id) })
        }
        (
            Urgency::Emergency
            | Urgency::Urgent
            | Urgency::Expedited
            | Urgency::Routine
            | Urgency::Information,
            _,
            _,
        ) => None,
    };
    [failure, hand_over]
}

/// The end of a request's embargo, while there is one.
pub fn of_embargo(request: &Request) -> Option<Deadline> {
    let at = request.embargo_ends_at()?;
    Some(Deadline { at, what: DeadlineKind::EmbargoEnd(request.id) })
}

/// The end of a request's preservation, if it has one.
pub fn of_measure(request: &Request) -> Option<Deadline> {
    let at: Timestamp = request.measure.ends_at()?;
    Some(Deadline { at, what: DeadlineKind::PreservationEnd(request.id) })
}
