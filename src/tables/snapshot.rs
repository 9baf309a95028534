//! Snapshots of the relay's state, so that starting does not depend on the length of the journal.
//!
//! Not for what is in them: bytes in, the same bytes out, or an older snapshot, or none. A
//! snapshot is written in pieces, its header last, and is believed only if journal, version,
//! length and hash hold.

use serde::{Deserialize, Serialize};

use super::store::Store;
use super::{Fault, VERSION};
use crate::units::{Hash, Index, JournalId};

/// How many are kept: the newest, and one to fall back to.
const KEPT: usize = 2;

/// Length of a piece in bytes: a small value like any row. With pieces of 128 KiB, a quarter of a
/// segment of sled, a flush of sled 0.34 now and then never returned.
const PIECE_BYTES: usize = 4 << 10;

/// The place of a header among its pieces: last.
const HEADER: u32 = u32::MAX;

/// What is needed to believe a snapshot.
#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    journal: JournalId,
    len: u64,
    sha256: Hash,
}

/// Keeps `bytes` as the state before the record `next`, and forgets what is older than the newest
/// two.
pub(super) fn put(
    store: &Store,
    journal: JournalId,
    next: Index,
    bytes: &[u8],
) -> Result<(), Fault> {
    let header =
        Header { version: VERSION, journal, len: bytes.len() as u64, sha256: Hash::of(&[bytes]) };
    let header = postcard::to_stdvec(&header).expect("integers and arrays always serialize");
    store.snapshots(|tree| {
        // Without its header a snapshot does not count, so a half overwritten one never does.
        tree.remove(key(next, HEADER))?;
        for (n, piece) in (0..HEADER).zip(bytes.chunks(PIECE_BYTES)) {
            tree.insert(key(next, n), piece)?;
        }
        tree.insert(key(next, HEADER), header)?;
        Ok(())
    })?;
    store.flush()?;
    let kept: Vec<Index> = headers(store)?.into_iter().take(KEPT).collect();
    forget(store, |index| !kept.contains(&index))
}

/// The newest snapshot that can be believed, and the record that comes after it.
pub(super) fn newest(store: &Store, journal: JournalId) -> Result<Option<(Index, Vec<u8>)>, Fault> {
    let damaged = |fault: Fault| match fault {
        Fault::Broken { .. } => Ok(()),
        Fault::InUse { .. }
        | Fault::Io { .. }
        | Fault::Gap { .. }
        | Fault::NoNode { .. }
        | Fault::Journal(_)
        | Fault::Record { .. } => Err(fault),
    };
    let found = match headers(store) {
        Ok(found) => found,
        Err(fault) => return damaged(fault).map(|()| None),
    };
    for next in found {
        match read(store, journal, next) {
            Ok(Some(bytes)) => return Ok(Some((next, bytes))),
            Ok(None) => {}
            Err(fault) => damaged(fault)?,
        }
    }
    Ok(None)
}

/// Forgets snapshots of a journal that was longer than this one is.
pub(super) fn forget_beyond(store: &Store, end: Index) -> Result<(), Fault> {
    forget(store, |next| next > end)
}

fn read(store: &Store, journal: JournalId, next: Index) -> Result<Option<Vec<u8>>, Fault> {
    let header = store.snapshots(|tree| tree.get(key(next, HEADER)))?;
    let Some(header) = header.and_then(|bytes| postcard::from_bytes::<Header>(&bytes).ok()) else {
        return Ok(None);
    };
    let pieces = header.len.div_ceil(PIECE_BYTES as u64);
    let mut bytes = Vec::new();
    for n in (0..HEADER).take_while(|n| u64::from(*n) < pieces) {
        match store.snapshots(|tree| tree.get(key(next, n)))? {
            Some(piece) => bytes.extend_from_slice(&piece),
            None => return Ok(None),
        }
    }
    let believed = header.version == VERSION
        && header.journal == journal
        && header.len == bytes.len() as u64
        && header.sha256 == Hash::of(&[&bytes]);
    Ok(believed.then_some(bytes))
}

/// The snapshots that have a header, newest first.
fn headers(store: &Store) -> Result<Vec<Index>, Fault> {
    let mut found = store.snapshots(|tree| {
        let mut found: Vec<Index> = Vec::new();
        for key in tree.iter().keys() {
            found.extend(parse_key(&key?).filter(|(_, n)| *n == HEADER).map(|(next, _)| next));
        }
        Ok(found)
    })?;
    found.reverse();
    Ok(found)
}

/// Forgets every piece of the snapshots that `unwanted` names.
fn forget(store: &Store, unwanted: impl Fn(Index) -> bool) -> Result<(), Fault> {
    store.snapshots(|tree| {
        for key in tree.iter().keys() {
            let key = key?;
            if parse_key(&key).is_none_or(|(next, _)| unwanted(next)) {
                tree.remove(key)?;
            }
        }
        Ok(())
    })
}

fn key(next: Index, piece: u32) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&next.0.to_be_bytes());
    key[8..].copy_from_slice(&piece.to_be_bytes());
    key
}

fn parse_key(key: &[u8]) -> Option<(Index, u32)> {
    let (next, piece) = key.split_first_chunk::<8>()?;
    Some((Index(u64::from_be_bytes(*next)), u32::from_be_bytes(piece.try_into().ok()?)))
}
