//! Records, batch trailers and erasable bodies.
//!
//! Not for the bytes of an event (see `event.rs`), which are carried as they are.

use prost::Message;

use super::{decode_event, hash, hash_bytes, message, optional, text};
use crate::codec::{Corrupt, Decoded, Head, Heads, Leaf, Log, Record, SealedBody};
use crate::envelope::Signature;
use crate::rules::event::Numbering;
use crate::units::{BatchId, DeskId, DeskIndex, Index, Timestamp};
use crate::wire::detente::envelope::v1 as signed;
use crate::wire::detente::journal::v1 as stored;

/// The bytes of a record. The event's bytes go in as they are; the caller has built them from
/// `record.event` with [`super::encode_event`].
pub fn encode_record(record: &Record) -> Vec<u8> {
    let Record {
        index,
        time,
        batch,
        numbering: Numbering { desk_indexes, pair_sequence: _, previous: _ },
        event: _,
        event_bytes,
        header,
        signatures,
        leaf,
        body_len,
        body_sha256,
    } = record;
    stored::Record {
        index: index.0,
        time_ms: time.0,
        batch_id: batch.0.to_vec(),
        desk_indexes: desk_indexes
            .iter()
            .map(|(desk, index)| stored::DeskIndex { desk: desk.to_string(), index: index.0 })
            .collect(),
        event: event_bytes.clone(),
        header: header.clone(),
        signatures: signatures.iter().map(Signature::to_wire).collect(),
        leaf: Some(stored::Leaf {
            log: leaf.log.as_str().to_owned(),
            index: leaf.index,
            opening: leaf.opening.map(|opening| opening.to_vec()).unwrap_or_default(),
        }),
        body_len: *body_len,
        body_sha256: hash_bytes(*body_sha256),
    }
    .encode_to_vec()
}

/// Reads a record. Field paths start with "record".
///
/// # Errors
/// When the bytes are not a record that this version fully accounts for.
pub fn decode_record(bytes: &[u8]) -> Result<Record, Corrupt> {
    let stored::Record {
        index,
        time_ms,
        batch_id,
        desk_indexes,
        event: event_bytes,
        header,
        signatures,
        leaf,
        body_len,
        body_sha256,
    } = message("record", bytes)?;
    let Decoded { event, time, pair_sequence, previous } = decode_event(&event_bytes, &header)
        .map_err(|bad| Corrupt::new(format!("record.{}", bad.field), bad.why))?;
    if time != Timestamp(time_ms) {
        return Err(Corrupt::new("record.time_ms", "is not that of its event"));
    }
    if header.is_empty() != signatures.is_empty() {
        return Err(Corrupt::new("record.signatures", "header and signatures go together"));
    }
    let body_sha256 = optional(&body_sha256, |bytes| hash("record.body_sha256", bytes))?;
    if (body_len != 0) != body_sha256.is_some() {
        return Err(Corrupt::new("record.body_sha256", "length and hash go together"));
    }
    Ok(Record {
        index: Index(index),
        time,
        batch: batch("record.batch_id", &batch_id)?,
        numbering: Numbering {
            desk_indexes: parse_desk_indexes(desk_indexes)?,
            pair_sequence,
            previous,
        },
        event,
        event_bytes,
        header,
        signatures: parse_signatures(signatures)?,
        leaf: parse_leaf(leaf)?,
        body_len,
        body_sha256,
    })
}

/// The bytes that close a batch.
pub fn encode_trailer(batch: BatchId, heads: &Heads) -> Vec<u8> {
    let Heads { directory, traffic } = heads;
    let head = |log: Log, Head { size, root }: &Head| stored::LogHead {
        log: log.as_str().to_owned(),
        size: *size,
        root: root.0.to_vec(),
    };
    stored::Trailer {
        batch_id: batch.0.to_vec(),
        heads: vec![head(Log::Directory, directory), head(Log::Traffic, traffic)],
    }
    .encode_to_vec()
}

/// Reads the bytes that close a batch. Field paths start with "trailer".
///
/// # Errors
/// When they are not the batch's id and one head for each log, in order.
pub fn decode_trailer(bytes: &[u8]) -> Result<(BatchId, Heads), Corrupt> {
    let stored::Trailer { batch_id, heads } = message("trailer", bytes)?;
    let batch = batch("trailer.batch_id", &batch_id)?;
    let head = |stored: &stored::LogHead| {
        let root = hash("trailer.heads.root", &stored.root)?;
        Ok(Head { size: stored.size, root })
    };
    match heads.as_slice() {
        [directory, traffic]
            if directory.log == Log::Directory.as_str() && traffic.log == Log::Traffic.as_str() =>
        {
            Ok((batch, Heads { directory: head(directory)?, traffic: head(traffic)? }))
        }
        _ => Err(Corrupt::new("trailer.heads", "are not those of directory and traffic")),
    }
}

/// The bytes of an erasable body.
pub fn encode_body(wrap: &[u8], ciphertext: &[u8]) -> Vec<u8> {
    stored::SealedBody { wrap: wrap.to_vec(), ciphertext: ciphertext.to_vec() }.encode_to_vec()
}

/// Reads an erasable body.
///
/// # Errors
/// When it is not a wrap and a ciphertext.
pub fn decode_body(bytes: &[u8]) -> Result<SealedBody, Corrupt> {
    let stored::SealedBody { wrap, ciphertext } = message("body", bytes)?;
    if wrap.is_empty() || ciphertext.is_empty() {
        return Err(Corrupt::new("body", "wrap or ciphertext is missing"));
    }
    Ok(SealedBody { wrap, ciphertext })
}

fn batch(field: &str, bytes: &[u8]) -> Result<BatchId, Corrupt> {
    BatchId::from_slice(bytes).map_err(|error| Corrupt::new(field, error))
}

fn parse_desk_indexes(stored: Vec<stored::DeskIndex>) -> Result<Vec<(DeskId, DeskIndex)>, Corrupt> {
    let mut indexes: Vec<(DeskId, DeskIndex)> = Vec::with_capacity(stored.len());
    for stored::DeskIndex { desk, index } in stored {
        let desk: DeskId = text("record.desk_indexes.desk", &desk)?;
        if indexes.iter().any(|(other, _)| *other == desk) {
            return Err(Corrupt::new("record.desk_indexes", format!("{desk} stands there twice")));
        }
        indexes.push((desk, DeskIndex(index)));
    }
    Ok(indexes)
}

fn parse_signatures(stored: Vec<signed::Signature>) -> Result<Vec<Signature>, Corrupt> {
    let read = |(n, signature)| Signature::from_wire(&format!("record.signatures[{n}]"), signature);
    stored
        .into_iter()
        .enumerate()
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(|bad| Corrupt::new(bad.field, bad.why))
}

fn parse_leaf(leaf: Option<stored::Leaf>) -> Result<Leaf, Corrupt> {
    let stored::Leaf { log, index, opening } =
        leaf.ok_or_else(|| Corrupt::new("record.leaf", "is missing"))?;
    let log = [Log::Directory, Log::Traffic]
        .into_iter()
        .find(|one| one.as_str() == log)
        .ok_or_else(|| Corrupt::new("record.leaf.log", format!("{log:?} is no log of ours")))?;
    let opening = optional(&opening, |bytes| {
        <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| {
            Corrupt::new("record.leaf.opening", format!("{} bytes where 32 belong", bytes.len()))
        })
    })?;
    match (log, opening) {
        (Log::Directory, None) | (Log::Traffic, Some(_)) => Ok(Leaf { log, index, opening }),
        (Log::Directory, Some(_)) => {
            Err(Corrupt::new("record.leaf.opening", "a plain leaf has none"))
        }
        (Log::Traffic, None) => Err(Corrupt::new("record.leaf.opening", "is missing")),
    }
}
