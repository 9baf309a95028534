//! What is disclosed of a statement to somebody who is no party to it: signed header, signatures,
//! and, where its holder wants that, the body with the salt that opens its commitment.
//!
//! Not for sealing or opening (see `seal.rs`): nothing here needs a key.

use prost::Message as _;

use super::cipher::{KEY_BYTES, commit};
use super::header::context_hash;
use super::read::malformed;
use super::sign::parse_signatures;
use super::{Malformed, OpenError, Signature};
use crate::units::Hash;
use crate::wire::detente::envelope::v1 as wire;

/// What a header commits to: the serialized context, and the commitment to the body; none without
/// a body.
///
/// # Errors
/// When it is no header.
pub fn committed(header: &[u8]) -> Result<Option<(Vec<u8>, Hash)>, Malformed> {
    let (_, sealed) = super::header::read(header)?;
    let wire::Header { context, .. } =
        wire::Header::decode(header).map_err(|error| malformed("header", error.to_string()))?;
    Ok(sealed.map(|sealed| (context, sealed.commitment)))
}

/// Proves that `body`, a serialized body, is the one that the signer of this header sealed.
///
/// # Errors
/// When the header cannot be read or has no body, or the body is another.
pub fn verify_disclosed(
    header: &[u8],
    salt: &[u8; KEY_BYTES],
    body: &[u8],
) -> Result<(), OpenError> {
    let (context, commitment) =
        committed(header).map_err(OpenError::Unreadable)?.ok_or(OpenError::NoBody)?;
    if commit(salt, context_hash(&context), body) == commitment {
        Ok(())
    } else {
        Err(OpenError::Commitment)
    }
}

/// Signatures of a header as bytes: a serialized envelope that has nothing else in it.
pub fn signatures_to_bytes(signatures: &[Signature]) -> Vec<u8> {
    let signatures = signatures.iter().map(Signature::to_wire).collect();
    wire::Envelope { signatures, ..wire::Envelope::default() }.encode_to_vec()
}

/// The signatures in the bytes of [`signatures_to_bytes`].
///
/// # Errors
/// When they are not what belongs beside a header.
pub fn signatures_from_bytes(bytes: &[u8]) -> Result<Vec<Signature>, Malformed> {
    let wire::Envelope { signatures, .. } = wire::Envelope::decode(bytes)
        .map_err(|error| malformed("signatures", error.to_string()))?;
    parse_signatures("signatures", signatures)
}
