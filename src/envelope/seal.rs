//! Sealing a body for one desk, and opening it.
//!
//! Not for whether a body says enough (see `form`). Seal, then sign: the officer signs the exact
//! bytes, and the body is bound to them.
//!
//! ```text
//! ctx  = SHA-256("detente/context/v1\0" || context)
//! C    = SHA-256("detente/commit/v1\0" || r || ctx || body)
//! ct   = ChaCha20-Poly1305(K, nonce 0, pad(r, body), aad = "detente/content/v1\0" || ctx || C)
//! wrap = HPKE SealBase(pk, info = "detente/wrap/v1\0" || ctx || C || key id, aad = "", K)
//! ```
//!
//! `r` and `K` are 32 random bytes each; `K` is used once, so the nonce may be 0.
//! `pad(r, body)` is the length of the body (4 bytes, big-endian), `r`, the body, and zeros up to
//! the next power of two, at least 1 KiB. HPKE is MLKEM768-X25519 (0x647a, draft-ietf-hpke-pq),
//! HKDF-SHA256, ChaCha20-Poly1305 (RFC 9180, base mode).

use prost::Message as _;
use zeroize::Zeroizing;

use super::cipher::{
    self, BODY_BYTES_MAX, DecryptionKey, KEY_BYTES, commit, decrypt, encrypt, pad, unpad,
    unwrap_key, wrap_key,
};
use super::genesis::EncryptionKey;
use super::header::{Draft, Sealed, context_hash, read, render_context, render_header};
use super::read::malformed;
use super::sign::HEADER_TYPE;
use super::words::Rejection;
use super::{Envelope, Malformed, SigningKey, parse_header};
use crate::units::Hash;
use crate::wire::detente::form::v1::Body;

/// Why a draft cannot be sealed and signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The draft would not be a statement.
    #[error("the draft is not a statement: {0}")]
    Draft(Malformed),
    /// A machine act was given a body, or an officer's act none.
    #[error("a body belongs to an officer's act, and only there")]
    Body,
    /// The body is longer than [`BODY_BYTES_MAX`].
    #[error("a body of {bytes} bytes is longer than {BODY_BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The recipient's key is not a key.
    #[error("the recipient's encryption key {key} is not usable")]
    Recipient {
        /// Its id.
        key: Hash,
    },
}

/// Why a sealed body cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The header or the wrap cannot be read.
    #[error("the envelope cannot be read: {0}")]
    Unreadable(Malformed),
    /// There is nothing to open: it is a machine statement.
    #[error("the statement has no body")]
    NoBody,
    /// Wrap or ciphertext are not the ones the header names.
    #[error("{part} is not the one that was signed")]
    Swapped {
        /// "wrap" or "ciphertext".
        part: &'static str,
    },
    /// It is sealed to another key.
    #[error("it is sealed to key {key}")]
    OtherKey {
        /// That key's id.
        key: Hash,
    },
    /// The content key does not unwrap: the wrap was made for another statement or is damaged.
    #[error("the content key does not unwrap")]
    Wrap,
    /// The body does not decrypt: it was made for another statement or is damaged.
    #[error("the body does not decrypt")]
    Content,
    /// The decrypted text is not padded as it should be.
    #[error("the body is not padded as it should be")]
    Padding,
    /// The body is not the one that was committed to.
    #[error("the body is not the one that was committed to")]
    Commitment,
    /// The decrypted bytes are not a body.
    #[error("the body cannot be read: {0}")]
    Body(Malformed),
}

impl OpenError {
    /// The reason to give in a receipt or a retrieval.
    pub const fn rejection(&self) -> Rejection {
        match self {
            Self::Unreadable(_)
            | Self::NoBody
            | Self::Swapped { .. }
            | Self::Content
            | Self::Padding
            | Self::Commitment
            | Self::Body(_) => Rejection::InvalidMessageFormat,
            Self::OtherKey { .. } | Self::Wrap => Rejection::TechnicalMalfunction,
        }
    }
}

/// Seals `body` to one desk and signs the statement.
///
/// `random` must fill what it is given with unpredictable bytes. It is asked for 32 bytes of salt,
/// 32 bytes of content key, and what the encapsulation takes (64 bytes), in this order.
///
/// # Errors
/// When the draft would not be a statement, it is a machine's, the body is too long, or the
/// recipient's key is not one.
pub fn seal(
    draft: &Draft,
    body: &Body,
    to: &EncryptionKey,
    by: &SigningKey,
    random: &mut dyn FnMut(&mut [u8]),
) -> Result<Envelope, SealError> {
    seal_to_disclose(draft, body, to, by, random).map(|(envelope, _)| envelope)
}

/// As [`seal`], but answers also with the salt that opens the commitment in the header: what
/// whoever wrote the body may disclose (see `disclose.rs`).
///
/// # Errors
/// As [`seal`].
///
/// # Panics
/// Never: a padded size fits 32 bits.
pub fn seal_to_disclose(
    draft: &Draft,
    body: &Body,
    to: &EncryptionKey,
    by: &SigningKey,
    random: &mut dyn FnMut(&mut [u8]),
) -> Result<(Envelope, [u8; KEY_BYTES]), SealError> {
    if draft.act.is_machine() {
        return Err(SealError::Body);
    }
    let body = Zeroizing::new(body.encode_to_vec());
    let context = render_context(draft, by.public().id());
    let ctx = context_hash(&context);
    let salt = draw(random);
    let key = draw(random);
    let commitment = commit(&salt, ctx, &body);
    let ciphertext = encrypt(&key, ctx, commitment, pad(&salt, &body)?);
    let wrap = wrap_key(to, ctx, commitment, &key, random)?;
    let sealed = Sealed {
        context: ctx,
        commitment,
        ciphertext: Hash::of(&[&ciphertext]),
        wrap: Hash::of(&[&wrap]),
    };
    let len = u32::try_from(ciphertext.len()).expect("a padded size fits 32 bits");
    let header = render_header(context, Some((&sealed, len)));
    Ok((finish(header, wrap, ciphertext, by)?, *salt))
}

/// Signs a machine statement, which has no body.
///
/// # Errors
/// When the draft would not be a statement, or its act is an officer's.
pub fn machine(draft: &Draft, by: &SigningKey) -> Result<Envelope, SealError> {
    if !draft.act.is_machine() {
        return Err(SealError::Body);
    }
    let header = render_header(render_context(draft, by.public().id()), None);
    finish(header, Vec::new(), Vec::new(), by)
}

/// Opens the sealed body of the statement with this header.
///
/// It proves that wrap, ciphertext and body are the ones that were signed and that they were made
/// for this very context. It does not verify the signature.
///
/// # Errors
/// When anything of it is not so; see [`OpenError`].
pub fn open(
    header: &[u8],
    wrap: &[u8],
    ciphertext: &[u8],
    key: &DecryptionKey,
) -> Result<Body, OpenError> {
    let (_, body) = open_to_disclose(header, wrap, ciphertext, key)?;
    parse_body(&body)
}

/// A body from its bytes as they were sealed.
///
/// # Errors
/// When they are not a body.
pub fn parse_body(bytes: &[u8]) -> Result<Body, OpenError> {
    Body::decode(bytes).map_err(|error| OpenError::Body(malformed("body", error.to_string())))
}

/// As [`open`], but answers with the salt that opens the commitment in the header and the body's
/// bytes: what whoever holds them may disclose (see `disclose.rs`).
///
/// # Errors
/// As [`open`].
pub fn open_to_disclose(
    header: &[u8],
    wrap: &[u8],
    ciphertext: &[u8],
    key: &DecryptionKey,
) -> Result<([u8; KEY_BYTES], Zeroizing<Vec<u8>>), OpenError> {
    let (_, sealed) = read(header).map_err(OpenError::Unreadable)?;
    let Sealed { context, commitment, ciphertext: ciphertext_hash, wrap: wrap_hash } =
        sealed.ok_or(OpenError::NoBody)?;
    if Hash::of(&[wrap]) != wrap_hash {
        return Err(OpenError::Swapped { part: "wrap" });
    }
    if Hash::of(&[ciphertext]) != ciphertext_hash {
        return Err(OpenError::Swapped { part: "ciphertext" });
    }
    let wrap = cipher::parse_wrap(wrap).map_err(OpenError::Unreadable)?;
    if wrap.key_id != key.id {
        return Err(OpenError::OtherKey { key: wrap.key_id });
    }
    let content_key = unwrap_key(&wrap, key, context, commitment)?;
    let padded = decrypt(&content_key, context, commitment, ciphertext)?;
    let (salt, body) = unpad(&padded).ok_or(OpenError::Padding)?;
    if commit(salt, context, body) != commitment {
        return Err(OpenError::Commitment);
    }
    Ok((*salt, Zeroizing::new(body.to_vec())))
}

/// Signs a header and proves that what was made reads as a statement before anybody sees it.
fn finish(
    header: Vec<u8>,
    wrap: Vec<u8>,
    ciphertext: Vec<u8>,
    by: &SigningKey,
) -> Result<Envelope, SealError> {
    let statement = parse_header(&header).map_err(SealError::Draft)?;
    let signatures = vec![by.sign(HEADER_TYPE, &header)];
    Ok(Envelope { header, signatures, wrap, ciphertext, statement })
}

fn draw(random: &mut dyn FnMut(&mut [u8])) -> Zeroizing<[u8; KEY_BYTES]> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    random(&mut *bytes);
    bytes
}
