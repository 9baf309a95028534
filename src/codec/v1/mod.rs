//! Version 1 of the stored form.
//!
//! Not to be edited once released: what was written with it must be read for ever.

mod event;
mod record;

pub use event::{decode_entry, decode_event, decode_genesis, decode_outline, encode_event};
pub use record::{
    decode_body, decode_record, decode_trailer, encode_body, encode_record, encode_trailer,
};

use prost::Message;

use super::Corrupt;
use crate::units::Hash;

/// Reads a protobuf message.
fn message<M: Message + Default>(field: &str, bytes: &[u8]) -> Result<M, Corrupt> {
    M::decode(bytes).map_err(|error| Corrupt::new(field, error))
}

/// Reads something that is written as text.
fn text<T: std::str::FromStr<Err: ToString>>(field: &str, text: &str) -> Result<T, Corrupt> {
    text.parse().map_err(|error: T::Err| Corrupt::new(field, error))
}

/// Reads something that is left empty where there is none.
fn optional<T, In: AsRef<[u8]> + ?Sized>(
    bytes: &In,
    read: impl FnOnce(&In) -> Result<T, Corrupt>,
) -> Result<Option<T>, Corrupt> {
    if bytes.as_ref().is_empty() { Ok(None) } else { read(bytes).map(Some) }
}

fn hash(field: &str, bytes: &[u8]) -> Result<Hash, Corrupt> {
    Hash::from_slice(bytes).map_err(|error| Corrupt::new(field, error))
}

/// The bytes of a hash; nothing where there is none.
fn hash_bytes(hash: Option<Hash>) -> Vec<u8> {
    hash.map(|hash| hash.0.to_vec()).unwrap_or_default()
}
