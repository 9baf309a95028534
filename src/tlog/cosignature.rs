//! Timestamped cosignatures of C2SP tlog-cosignature 1.1.0-rc.1: 0x04 (Ed25519) and 0x06
//! (ML-DSA-44). What exactly is signed.
//!
//! Keys and lines are those of `note.rs`. Out of scope: cosignatures of subtrees that do not begin
//! at leaf 0.
//!
//! No input makes this panic.

use super::checkpoint::Checkpoint;
use super::note::{Kind, VerifierKey};

/// Length of an ML-DSA-44 signature in bytes (FIPS 204).
pub(super) const ML_DSA_44_BYTES: usize = 2_420;

/// The latest moment that a cosignature may name, in seconds since 1970.
pub const TIME_MAX: u64 = (1 << 63) - 1;

/// Begins the message of an ML-DSA-44 cosignature.
const SUBTREE_LABEL: &[u8] = b"subtree/v1\n\0";

/// The time and the bare signature of a `timestamped_signature`; none when it is too short or the
/// time is beyond [`TIME_MAX`].
pub(super) fn split(signature: &[u8]) -> Option<(u64, &[u8])> {
    let (time, bare) = signature.split_first_chunk::<8>()?;
    let time = u64::from_be_bytes(*time);
    (time <= TIME_MAX).then_some((time, bare))
}

/// What a cosigner signs for a checkpoint with this text at `time`, in seconds since 1970; none
/// when the text is no checkpoint.
pub(super) fn message(cosigner: &VerifierKey, text: &str, time: u64) -> Option<Vec<u8>> {
    let checkpoint: Checkpoint = text.parse().ok()?;
    match cosigner.kind() {
        Kind::Ed25519 => None,
        Kind::Ed25519Cosignature => {
            Some(format!("cosignature/v1\ntime {time}\n{text}").into_bytes())
        }
        Kind::MlDsa44Cosignature => {
            let mut message = SUBTREE_LABEL.to_vec();
            push_short(&mut message, cosigner.name().as_str())?;
            message.extend_from_slice(&time.to_be_bytes());
            push_short(&mut message, checkpoint.origin())?;
            message.extend_from_slice(&0_u64.to_be_bytes());
            message.extend_from_slice(&checkpoint.size().to_be_bytes());
            message.extend_from_slice(&checkpoint.root().0);
            Some(message)
        }
    }
}

/// A vector of 1 to 255 bytes, as RFC 8446 section 3.4 writes it.
fn push_short(message: &mut Vec<u8>, text: &str) -> Option<()> {
    message.push(u8::try_from(text.len()).ok().filter(|length| *length > 0)?);
    message.extend_from_slice(text.as_bytes());
    Some(())
}
