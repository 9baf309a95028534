//! Events: the bytes that the log commits to.
//!
//! Not for what is stored beside them (see `record.rs`).

use prost::Message;

use super::{hash, hash_bytes, message, optional, text};
use crate::codec::{Corrupt, Decoded};
use crate::envelope::{self, genesis};
use crate::rules::command::ErasureReason;
use crate::rules::event::{Event, Kind, Numbering, OfferFailure};
use crate::units::{DeskId, Hash, Index, MessageId, RequestId, Timestamp};
use crate::wire::detente::journal::v1 as stored;
use stored::event::Kind as StoredKind;

/// The bytes of an event, built once and then kept as they are.
///
/// `signed_genesis` is the founding act as it was signed; it belongs to [`Kind::Founded`] and to
/// nothing else.
///
/// # Panics
/// When `signed_genesis` is there without a founding or the other way round, or the pair sequence
/// does not fit the event's desks: such bytes could not be read again.
pub fn encode_event(
    event: &Event,
    numbering: &Numbering,
    time: Timestamp,
    signed_genesis: Option<&[u8]>,
) -> Vec<u8> {
    let Event { from, to, request, kind } = event;
    let Numbering { desk_indexes: _, pair_sequence, previous } = numbering;
    assert_eq!(*pair_sequence != 0, from.is_some() && to.is_some(), "a pair is numbered from 1");
    assert_eq!(
        signed_genesis.is_some(),
        matches!(kind, Kind::Founded(_)),
        "the signed genesis belongs to the founding"
    );
    let header = match kind {
        Kind::Accepted(statement) => Some(statement.header),
        Kind::Founded(_)
        | Kind::Offered { .. }
        | Kind::OfferFailed { .. }
        | Kind::HandedOver { .. }
        | Kind::PreservationExpired { .. }
        | Kind::BodyErased { .. }
        | Kind::TailTruncated { .. }
        | Kind::ClockStepped { .. } => None,
    };
    stored::Event {
        from: from.as_ref().map(DeskId::to_string).unwrap_or_default(),
        to: to.as_ref().map(DeskId::to_string).unwrap_or_default(),
        pair_sequence: *pair_sequence,
        previous_event_sha256: hash_bytes(*previous),
        time_ms: time.0,
        header_sha256: hash_bytes(header),
        request_id: request.map(|id| id.0.to_vec()).unwrap_or_default(),
        kind: Some(render_kind(kind, signed_genesis)),
    }
    .encode_to_vec()
}

/// Reads an event. `header` is the header stored beside it; empty where the event records none.
/// Field paths start with "event"
/// or "header".
///
/// # Errors
/// When the bytes are not an event that this version fully accounts for, or event and header do
/// not belong together.
pub fn decode_event(event_bytes: &[u8], header: &[u8]) -> Result<Decoded, Corrupt> {
    let stored::Event {
        from,
        to,
        pair_sequence,
        previous_event_sha256,
        time_ms,
        header_sha256,
        request_id,
        kind,
    } = message("event", event_bytes)?;
    let event = Event {
        from: optional(from.as_str(), |from| text("event.from", from))?,
        to: optional(to.as_str(), |to| text("event.to", to))?,
        request: optional(&request_id, |id| {
            RequestId::from_slice(id).map_err(|error| Corrupt::new("event.request_id", error))
        })?,
        kind: parse_kind(kind, header)?,
    };
    let header_sha256 = optional(&header_sha256, |bytes| hash("event.header_sha256", bytes))?;
    check_statement(&event, header_sha256, header)?;
    if (pair_sequence != 0) != (event.from.is_some() && event.to.is_some()) {
        return Err(Corrupt::new("event.pair_sequence", "does not fit the event's desks"));
    }
    Ok(Decoded {
        event,
        time: moment("event.time_ms", time_ms)?,
        pair_sequence,
        previous: optional(&previous_event_sha256, |bytes| {
            hash("event.previous_event_sha256", bytes)
        })?,
    })
}

/// Checks that the event's own words are those of the statement that it records.
fn check_statement(event: &Event, sha256: Option<Hash>, header: &[u8]) -> Result<(), Corrupt> {
    let Kind::Accepted(statement) = &event.kind else {
        return if sha256.is_none() && header.is_empty() {
            Ok(())
        } else {
            Err(Corrupt::new("event.header_sha256", "only a statement has a header"))
        };
    };
    let wrong = if sha256 != Some(Hash::of(&[header])) {
        "event.header_sha256"
    } else if event.from.as_ref() != Some(&statement.from) {
        "event.from"
    } else if event.to.as_ref() != Some(&statement.to) {
        "event.to"
    } else if event.request != Some(statement.request) {
        "event.request_id"
    } else {
        return Ok(());
    };
    Err(Corrupt::new(wrong, "is not that of the stored header"))
}

fn render_kind(kind: &Kind, signed_genesis: Option<&[u8]>) -> StoredKind {
    let id = |message: &MessageId| message.0.to_vec();
    match kind {
        Kind::Founded(_) => StoredKind::Genesis(stored::GenesisRecorded {
            signed_genesis: signed_genesis.map(<[u8]>::to_vec).unwrap_or_default(),
        }),
        Kind::Accepted(_) => StoredKind::Statement(stored::StatementAccepted {}),
        Kind::Offered { message } => {
            StoredKind::Offered(stored::StatementOffered { message_id: id(message) })
        }
        Kind::OfferFailed { message, reason } => StoredKind::OfferFailed(stored::OfferFailed {
            message_id: id(message),
            reason: failure_word(*reason).to_owned(),
        }),
        Kind::HandedOver { message } => {
            StoredKind::HandedOver(stored::HandedOverWithoutReceipt { message_id: id(message) })
        }
        Kind::PreservationExpired { preserved_until } => {
            StoredKind::PreservationExpired(stored::PreservationExpired {
                preserved_until_ms: preserved_until.0,
            })
        }
        Kind::BodyErased { index, reason } => StoredKind::Erased(stored::BodyErased {
            index: index.0,
            reason: erasure_word(*reason).to_owned(),
        }),
        Kind::TailTruncated { next_index, bytes, sha256 } => {
            StoredKind::Truncated(stored::TailTruncated {
                next_index: next_index.0,
                bytes: *bytes,
                sha256: sha256.0.to_vec(),
            })
        }
        Kind::ClockStepped { step_ms } => {
            StoredKind::ClockStepped(stored::ClockStepped { step_ms: *step_ms })
        }
    }
}

fn parse_kind(kind: Option<StoredKind>, header: &[u8]) -> Result<Kind, Corrupt> {
    let kind = kind.ok_or_else(|| Corrupt::new("event.kind", "none that this version knows"))?;
    Ok(match kind {
        StoredKind::Genesis(stored::GenesisRecorded { signed_genesis }) => {
            let genesis = genesis::parse(&signed_genesis).map_err(|bad| {
                Corrupt::new(format!("event.genesis.signed_genesis.{}", bad.field), bad.why)
            })?;
            Kind::Founded(Box::new(genesis))
        }
        StoredKind::Statement(stored::StatementAccepted {}) => {
            if header.is_empty() {
                return Err(Corrupt::new("header", "is missing"));
            }
            let statement =
                envelope::parse_header(header).map_err(|bad| Corrupt::new(bad.field, bad.why))?;
            Kind::Accepted(Box::new(statement))
        }
        StoredKind::Offered(stored::StatementOffered { message_id }) => {
            Kind::Offered { message: message_id_in("event.offered.message_id", &message_id)? }
        }
        StoredKind::OfferFailed(stored::OfferFailed { message_id, reason }) => Kind::OfferFailed {
            message: message_id_in("event.offer_failed.message_id", &message_id)?,
            reason: word("event.offer_failed.reason", &reason, failure_word, &FAILURES)?,
        },
        StoredKind::HandedOver(stored::HandedOverWithoutReceipt { message_id }) => {
            Kind::HandedOver {
                message: message_id_in("event.handed_over.message_id", &message_id)?,
            }
        }
        StoredKind::PreservationExpired(stored::PreservationExpired { preserved_until_ms }) => {
            let field = "event.preservation_expired.preserved_until_ms";
            Kind::PreservationExpired { preserved_until: moment(field, preserved_until_ms)? }
        }
        StoredKind::Erased(stored::BodyErased { index, reason }) => Kind::BodyErased {
            index: Index(index),
            reason: word("event.erased.reason", &reason, erasure_word, &ERASURES)?,
        },
        StoredKind::Truncated(stored::TailTruncated { next_index, bytes, sha256 }) => {
            Kind::TailTruncated {
                next_index: Index(next_index),
                bytes,
                sha256: hash("event.truncated.sha256", &sha256)?,
            }
        }
        StoredKind::ClockStepped(stored::ClockStepped { step_ms }) => {
            Kind::ClockStepped { step_ms }
        }
    })
}

const FAILURES: [OfferFailure; 2] = [OfferFailure::Unreachable, OfferFailure::NoReceipt];

const fn failure_word(failure: OfferFailure) -> &'static str {
    match failure {
        OfferFailure::Unreachable => "UNREACHABLE",
        OfferFailure::NoReceipt => "NO_RECEIPT",
    }
}

const ERASURES: [ErasureReason; 2] = [ErasureReason::LegalOrder, ErasureReason::Retention];

const fn erasure_word(reason: ErasureReason) -> &'static str {
    match reason {
        ErasureReason::LegalOrder => "LEGAL_ORDER",
        ErasureReason::Retention => "RETENTION",
    }
}

/// The one of `all` whose spelling is `text`.
fn word<T: Copy>(
    field: &str,
    text: &str,
    spelling: fn(T) -> &'static str,
    all: &[T],
) -> Result<T, Corrupt> {
    all.iter()
        .copied()
        .find(|one| spelling(*one) == text)
        .ok_or_else(|| Corrupt::new(field, format!("{text:?} is not a word of this version")))
}

fn message_id_in(field: &str, bytes: &[u8]) -> Result<MessageId, Corrupt> {
    MessageId::from_slice(bytes).map_err(|error| Corrupt::new(field, error))
}

fn moment(field: &str, ms: i64) -> Result<Timestamp, Corrupt> {
    Timestamp::from_ms(ms).map_err(|error| Corrupt::new(field, error))
}
