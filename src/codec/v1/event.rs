//! Events: the bytes that the log commits to.
//!
//! Not for what is stored beside them (see `record.rs`).

use prost::Message;

use super::{hash, hash_bytes, message, optional, text};
use crate::codec::{Corrupt, Decoded, Outline};
use crate::envelope::entry::Signed;
use crate::envelope::{self, Act, Statement, genesis};
use crate::rules::command::{ClockWitness, ErasureReason};
use crate::rules::event::{Event, Kind, Numbering, OfferFailure};
use crate::units::{DeskId, Hash, Index, MessageId, RequestId, Timestamp};
use crate::wire::detente::journal::v1 as stored;
use stored::event::Kind as StoredKind;

/// The bytes of an event, built once and then kept as they are.
///
/// `signed` is the founding act, or the nation's entry, as it was signed; it belongs to
/// [`Kind::Founded`] and [`Kind::EntryPublished`] and to nothing else.
///
/// # Panics
/// When `signed` is there without a founding or an entry or the other way round, or the pair
/// sequence does not fit the event's desks: such bytes could not be read again.
pub fn encode_event(
    event: &Event,
    numbering: &Numbering,
    time: Timestamp,
    signed: Option<&[u8]>,
) -> Vec<u8> {
    let Event { from, to, request, kind } = event;
    let Numbering { desk_indexes: _, pair_sequence, previous } = numbering;
    assert_eq!(*pair_sequence != 0, from.is_some() && to.is_some(), "a pair is numbered from 1");
    assert_eq!(
        signed.is_some(),
        matches!(kind, Kind::Founded(_) | Kind::EntryPublished(_)),
        "what was signed belongs to a founding or an entry"
    );
    let header = match kind {
        Kind::Accepted(statement) | Kind::EmbargoEnded(statement) => Some(statement.header),
        Kind::Founded(_)
        | Kind::Offered { .. }
        | Kind::OfferFailed { .. }
        | Kind::HandedOver { .. }
        | Kind::PreservationExpired { .. }
        | Kind::BodyErased { .. }
        | Kind::TailTruncated { .. }
        | Kind::ClockStepped { .. }
        | Kind::ClockConfirmed { .. }
        | Kind::Padded
        | Kind::EntryPublished(_)
        | Kind::LogKeyAnnounced(_) => None,
    };
    stored::Event {
        from: from.as_ref().map(DeskId::to_string).unwrap_or_default(),
        to: to.as_ref().map(DeskId::to_string).unwrap_or_default(),
        pair_sequence: *pair_sequence,
        previous_event_sha256: hash_bytes(*previous),
        time_ms: time.0,
        header_sha256: hash_bytes(header),
        request_id: request.map(|id| id.0.to_vec()).unwrap_or_default(),
        kind: Some(render_kind(kind, signed)),
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

/// Checks that the event's own words are those of the statement that it records. What is under
/// embargo addresses nobody: a request that says so, and its withdrawal.
fn check_statement(event: &Event, sha256: Option<Hash>, header: &[u8]) -> Result<(), Corrupt> {
    let (Kind::Accepted(statement) | Kind::EmbargoEnded(statement)) = &event.kind else {
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
    } else if !is_addressed(event, statement) {
        "event.to"
    } else if event.request != Some(statement.request) {
        "event.request_id"
    } else {
        return Ok(());
    };
    Err(Corrupt::new(wrong, "is not that of the stored header"))
}

fn is_addressed(event: &Event, statement: &Statement) -> bool {
    let accepted = matches!(event.kind, Kind::Accepted(_));
    let embargo = matches!(&statement.act, Act::Request(facts) if facts.embargo_until.is_some());
    match &event.to {
        Some(to) => *to == statement.to && !(accepted && embargo),
        None => accepted && (embargo || matches!(statement.act, Act::Withdraw)),
    }
}

fn render_kind(kind: &Kind, signed: Option<&[u8]>) -> StoredKind {
    let signed = || signed.map(<[u8]>::to_vec).unwrap_or_default();
    let id = |message: &MessageId| message.0.to_vec();
    match kind {
        Kind::Founded(_) => {
            StoredKind::Genesis(stored::GenesisRecorded { signed_genesis: signed() })
        }
        Kind::EntryPublished(_) => {
            StoredKind::Entry(stored::EntryPublished { signed_entry: signed() })
        }
        Kind::LogKeyAnnounced(announced) => {
            StoredKind::LogKey(stored::LogKeyAnnounced { announcement: announced.to_string() })
        }
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
        Kind::BodyErased { index, reason, of } => StoredKind::Erased(stored::BodyErased {
            index: index.0,
            reason: reason.as_str().to_owned(),
            message_id: of.as_ref().map(id).unwrap_or_default(),
        }),
        Kind::TailTruncated { next_index, bytes, sha256 } => {
            StoredKind::Truncated(stored::TailTruncated {
                next_index: next_index.0,
                bytes: *bytes,
                sha256: sha256.0.to_vec(),
            })
        }
        Kind::EmbargoEnded(statement) => {
            StoredKind::EmbargoEnded(stored::EmbargoEnded { message_id: id(&statement.message) })
        }
        Kind::ClockStepped { step_ms } => {
            StoredKind::ClockStepped(stored::ClockStepped { step_ms: *step_ms })
        }
        Kind::ClockConfirmed { by } => {
            StoredKind::ClockConfirmed(stored::ClockConfirmed { by: witness_word(*by).to_owned() })
        }
        Kind::Padded => StoredKind::Padded(stored::Padded {}),
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
        StoredKind::Entry(stored::EntryPublished { signed_entry }) => {
            let signed = Signed::parse(&signed_entry).map_err(|bad| {
                Corrupt::new(format!("event.entry.signed_entry.{}", bad.field), bad.why)
            })?;
            Kind::EntryPublished(Box::new(signed.entry))
        }
        StoredKind::LogKey(stored::LogKeyAnnounced { announcement }) => {
            Kind::LogKeyAnnounced(Box::new(text("event.log_key.announcement", &announcement)?))
        }
        StoredKind::Statement(stored::StatementAccepted {}) => {
            Kind::Accepted(Box::new(statement_of(header)?))
        }
        StoredKind::EmbargoEnded(stored::EmbargoEnded { message_id }) => {
            let statement = statement_of(header)?;
            let field = "event.embargo_ended.message_id";
            if message_id_in(field, &message_id)? != statement.message {
                return Err(Corrupt::new(field, "is not that of the stored header"));
            }
            Kind::EmbargoEnded(Box::new(statement))
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
        StoredKind::Erased(stored::BodyErased { index, reason, message_id }) => Kind::BodyErased {
            index: Index(index),
            of: optional(&message_id, |id| message_id_in("event.erased.message_id", id))?,
            reason: word(
                "event.erased.reason",
                &reason,
                ErasureReason::as_str,
                &ErasureReason::ALL,
            )?,
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
        StoredKind::ClockConfirmed(stored::ClockConfirmed { by }) => Kind::ClockConfirmed {
            by: word("event.clock_confirmed.by", &by, witness_word, &WITNESSES)?,
        },
        StoredKind::Padded(stored::Padded {}) => Kind::Padded,
    })
}

fn statement_of(header: &[u8]) -> Result<Statement, Corrupt> {
    if header.is_empty() {
        return Err(Corrupt::new("header", "is missing"));
    }
    envelope::parse_header(header).map_err(|bad| Corrupt::new(bad.field, bad.why))
}

/// The entry as it was signed, in the bytes of an event; none in those of another event.
///
/// # Errors
/// When the bytes are not an event, or the entry in it is not one.
pub fn decode_entry(event_bytes: &[u8]) -> Result<Option<Signed>, Corrupt> {
    let event: stored::Event = message("event", event_bytes)?;
    let Some(StoredKind::Entry(stored::EntryPublished { signed_entry })) = event.kind else {
        return Ok(None);
    };
    let signed = Signed::parse(&signed_entry)
        .map_err(|bad| Corrupt::new(format!("event.entry.signed_entry.{}", bad.field), bad.why))?;
    Ok(Some(signed))
}

/// Reads what an event says of itself: without the header that it may record, of which its bytes
/// have only the hash.
///
/// # Errors
/// When the bytes are no event.
pub fn decode_outline(event_bytes: &[u8]) -> Result<Outline, Corrupt> {
    let event: stored::Event = message("event", event_bytes)?;
    if event.kind.is_none() {
        return Err(Corrupt::new("event.kind", "absent, or of a kind that is not known here"));
    }
    Ok(Outline {
        from: optional(event.from.as_str(), |from| text("event.from", from))?,
        to: optional(event.to.as_str(), |to| text("event.to", to))?,
        pair_sequence: event.pair_sequence,
        time: moment("event.time_ms", event.time_ms)?,
    })
}

/// The genesis as it was signed, in the bytes of an event; none in those of another event.
///
/// # Errors
/// When the bytes are not an event.
pub fn decode_genesis(event_bytes: &[u8]) -> Result<Option<Vec<u8>>, Corrupt> {
    let event: stored::Event = message("event", event_bytes)?;
    Ok(match event.kind {
        Some(StoredKind::Genesis(stored::GenesisRecorded { signed_genesis })) => {
            Some(signed_genesis)
        }
        Some(_) | None => None,
    })
}

const FAILURES: [OfferFailure; 2] = [OfferFailure::Unreachable, OfferFailure::NoReceipt];

const fn failure_word(failure: OfferFailure) -> &'static str {
    match failure {
        OfferFailure::Unreachable => "UNREACHABLE",
        OfferFailure::NoReceipt => "NO_RECEIPT",
    }
}

const WITNESSES: [ClockWitness; 2] = [ClockWitness::Desks, ClockWitness::Operator];

const fn witness_word(witness: ClockWitness) -> &'static str {
    match witness {
        ClockWitness::Desks => "DESKS",
        ClockWitness::Operator => "OPERATOR",
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
