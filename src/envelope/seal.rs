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

use std::convert::Infallible;

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable as _, Kem as _, OpModeR, OpModeS, Serializable as _};
use prost::Message as _;
use zeroize::Zeroizing;

use super::genesis::EncryptionKey;
use super::header::{Draft, Sealed, context_hash, read, render_context, render_header};
use super::read::{check, hash, malformed};
use super::sign::HEADER_TYPE;
use super::words::Rejection;
use super::{ENVELOPE_BYTES_MAX, Envelope, Malformed, SigningKey, WRAP_BYTES_MAX, parse_header};
use crate::units::Hash;
use crate::wire::detente::envelope::v1 as wire;
use crate::wire::detente::form::v1::Body;

type Kem = hpke::kem::XWing;
type Kdf = hpke::kdf::HkdfSha256;
type Aead = hpke::aead::ChaCha20Poly1305;

/// The number of suite 1.
pub(super) const SUITE: u8 = 1;

/// Length of a public encryption key, in bytes.
pub const PUBLIC_KEY_BYTES: usize = 1_216;

/// Length of an encapsulation, in bytes.
const ENC_BYTES: usize = 1_120;

/// Length of a wrapped content key with its tag, in bytes.
const WRAPPED_KEY_BYTES: usize = KEY_BYTES + TAG_BYTES;

/// Length of a content key, and of the salt of a commitment, in bytes.
const KEY_BYTES: usize = 32;

/// Length of an authentication tag, in bytes.
const TAG_BYTES: usize = 16;

/// The smallest padded size, in bytes: 1 KiB.
const PADDED_BYTES_MIN: usize = 1 << 10;

/// The largest padded size, in bytes: 512 KiB, the largest power of two that fits an envelope with
/// its header and wrap.
const PADDED_BYTES_MAX: usize = ENVELOPE_BYTES_MAX / 2;

/// What stands before the body in the padded text: its length and the salt.
const PREFIX_BYTES: usize = 4 + KEY_BYTES;

/// The longest body, in bytes.
pub const BODY_BYTES_MAX: usize = PADDED_BYTES_MAX - PREFIX_BYTES;

const COMMIT_LABEL: &[u8] = b"detente/commit/v1\0";
const CONTENT_LABEL: &[u8] = b"detente/content/v1\0";
const WRAP_LABEL: &[u8] = b"detente/wrap/v1\0";
const ENCRYPTION_KEY_LABEL: &[u8] = b"detente/encryption-key/v1\0";

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

impl EncryptionKey {
    /// The key with these public bytes and this validity.
    ///
    /// # Errors
    /// When the bytes are not a public key of suite 1, or the validity is empty.
    pub fn new(
        key: Vec<u8>,
        from: crate::units::Timestamp,
        until: crate::units::Timestamp,
    ) -> Result<Self, Malformed> {
        check(key.len() == PUBLIC_KEY_BYTES, "public_key", || {
            format!("{} bytes where {PUBLIC_KEY_BYTES} belong", key.len())
        })?;
        <Kem as hpke::Kem>::PublicKey::from_bytes(&key)
            .map_err(|_| malformed("public_key", "not a key of MLKEM768-X25519"))?;
        check(from < until, "until_ms", || "not after from_ms".to_owned())?;
        Ok(Self { id: encryption_key_id(&key), key, from, until })
    }
}

/// A private decryption key of suite 1. It has no `Debug`; it is wiped when it is dropped.
pub struct DecryptionKey {
    secret: <Kem as hpke::Kem>::PrivateKey,
    public: Vec<u8>,
    id: Hash,
}

impl DecryptionKey {
    /// The key with this seed: 32 secret random bytes, the private key of X-Wing.
    ///
    /// # Panics
    /// Never: every 32 bytes are a seed.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let seed = Zeroizing::new(seed);
        let secret = <Kem as hpke::Kem>::PrivateKey::from_bytes(&*seed)
            .expect("every 32 bytes are a private key of X-Wing");
        let public = Kem::sk_to_pk(&secret).to_bytes().to_vec();
        let id = encryption_key_id(&public);
        Self { secret, public, id }
    }

    /// The public half: 1,216 bytes.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// The id: SHA-256("detente/encryption-key/v1\0" || suite byte || public key).
    pub const fn id(&self) -> Hash {
        self.id
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
///
/// # Panics
/// Never: a padded size fits 32 bits.
pub fn seal(
    draft: &Draft,
    body: &Body,
    to: &EncryptionKey,
    by: &SigningKey,
    random: &mut dyn FnMut(&mut [u8]),
) -> Result<Envelope, SealError> {
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
    finish(header, wrap, ciphertext, by)
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
    let (_, sealed) = read(header).map_err(OpenError::Unreadable)?;
    let Sealed { context, commitment, ciphertext: ciphertext_hash, wrap: wrap_hash } =
        sealed.ok_or(OpenError::NoBody)?;
    if Hash::of(&[wrap]) != wrap_hash {
        return Err(OpenError::Swapped { part: "wrap" });
    }
    if Hash::of(&[ciphertext]) != ciphertext_hash {
        return Err(OpenError::Swapped { part: "ciphertext" });
    }
    let wrap = parse_wrap(wrap).map_err(OpenError::Unreadable)?;
    if wrap.key_id != key.id {
        return Err(OpenError::OtherKey { key: wrap.key_id });
    }
    let content_key = unwrap_key(&wrap, key, context, commitment)?;
    let padded = decrypt(&content_key, context, commitment, ciphertext)?;
    let (salt, body) = unpad(&padded).ok_or(OpenError::Padding)?;
    if commit(salt, context, body) != commitment {
        return Err(OpenError::Commitment);
    }
    Body::decode(body).map_err(|error| OpenError::Body(malformed("body", error.to_string())))
}

/// True for the lengths a ciphertext can have.
pub(super) const fn is_sealed_len(len: usize) -> bool {
    let Some(padded) = len.checked_sub(TAG_BYTES) else { return false };
    is_padded_len(padded)
}

const fn is_padded_len(len: usize) -> bool {
    PADDED_BYTES_MIN <= len && len <= PADDED_BYTES_MAX && len.is_power_of_two()
}

/// A wrap that has been read.
pub(super) struct Wrap {
    key_id: Hash,
    enc: Vec<u8>,
    wrapped_key: Vec<u8>,
}

/// Reads a wrap.
pub(super) fn parse_wrap(bytes: &[u8]) -> Result<Wrap, Malformed> {
    check(bytes.len() <= WRAP_BYTES_MAX, "wrap", || {
        format!("{} bytes where at most {WRAP_BYTES_MAX} belong", bytes.len())
    })?;
    let wire::Wrap { key_id, enc, wrapped_key } =
        wire::Wrap::decode(bytes).map_err(|error| malformed("wrap", error.to_string()))?;
    let len = |field: &str, bytes: &[u8], wanted: usize| {
        check(bytes.len() == wanted, field, || {
            format!("{} bytes where {wanted} belong", bytes.len())
        })
    };
    len("wrap.enc", &enc, ENC_BYTES)?;
    len("wrap.wrapped_key", &wrapped_key, WRAPPED_KEY_BYTES)?;
    Ok(Wrap { key_id: hash("wrap.key_id", &key_id)?, enc, wrapped_key })
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

fn commit(salt: &[u8; KEY_BYTES], ctx: Hash, body: &[u8]) -> Hash {
    Hash::of(&[COMMIT_LABEL, salt, &ctx.0, body])
}

/// The padded text. Its capacity leaves room for the tag, so that no copy stays behind.
fn pad(salt: &[u8; KEY_BYTES], body: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let too_long = || SealError::TooLong { bytes: body.len() };
    if body.len() > BODY_BYTES_MAX {
        return Err(too_long());
    }
    let len = u32::try_from(body.len()).map_err(|_| too_long())?;
    let size = (PREFIX_BYTES + body.len()).next_power_of_two().max(PADDED_BYTES_MIN);
    let mut padded = Zeroizing::new(Vec::with_capacity(size + TAG_BYTES));
    padded.extend_from_slice(&len.to_be_bytes());
    padded.extend_from_slice(salt);
    padded.extend_from_slice(body);
    padded.resize(size, 0);
    Ok(padded)
}

/// Salt and body of a padded text; none unless it is exactly what [`pad`] makes of them.
fn unpad(padded: &[u8]) -> Option<(&[u8; KEY_BYTES], &[u8])> {
    let (len, rest) = padded.split_first_chunk::<4>()?;
    let (salt, rest) = rest.split_first_chunk::<KEY_BYTES>()?;
    let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
    let (body, zeros) = rest.split_at_checked(len)?;
    let size = (PREFIX_BYTES + len).next_power_of_two().max(PADDED_BYTES_MIN);
    (padded.len() == size && zeros.iter().all(|byte| *byte == 0)).then_some((salt, body))
}

fn content_key(key: &[u8; KEY_BYTES]) -> LessSafeKey {
    let key = UnboundKey::new(&CHACHA20_POLY1305, key).expect("the key has 32 bytes");
    LessSafeKey::new(key)
}

fn content_aad(ctx: Hash, commitment: Hash) -> Aad<Vec<u8>> {
    Aad::from([CONTENT_LABEL, &ctx.0, &commitment.0].concat())
}

/// A content key is used once, so its nonce may be 0.
fn content_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

fn encrypt(
    key: &[u8; KEY_BYTES],
    ctx: Hash,
    commitment: Hash,
    mut padded: Zeroizing<Vec<u8>>,
) -> Vec<u8> {
    let mut text = std::mem::take(&mut *padded);
    content_key(key)
        .seal_in_place_append_tag(content_nonce(), content_aad(ctx, commitment), &mut text)
        .expect("the text is far shorter than the cipher's limit");
    text
}

fn decrypt(
    key: &[u8; KEY_BYTES],
    ctx: Hash,
    commitment: Hash,
    ciphertext: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let mut text = Zeroizing::new(ciphertext.to_vec());
    let len = content_key(key)
        .open_in_place(content_nonce(), content_aad(ctx, commitment), &mut text)
        .map_err(|_| OpenError::Content)?
        .len();
    text.truncate(len);
    Ok(text)
}

fn wrap_info(ctx: Hash, commitment: Hash, key_id: Hash) -> Vec<u8> {
    [WRAP_LABEL, &ctx.0, &commitment.0, &key_id.0].concat()
}

fn wrap_key(
    to: &EncryptionKey,
    ctx: Hash,
    commitment: Hash,
    key: &[u8; KEY_BYTES],
    random: &mut dyn FnMut(&mut [u8]),
) -> Result<Vec<u8>, SealError> {
    let unusable = || SealError::Recipient { key: to.id };
    let public = <Kem as hpke::Kem>::PublicKey::from_bytes(&to.key).map_err(|_| unusable())?;
    let key_id = encryption_key_id(&to.key);
    if key_id != to.id {
        return Err(unusable());
    }
    let info = wrap_info(ctx, commitment, key_id);
    let (enc, mut context) = hpke::setup_sender_with_rng::<Aead, Kdf, Kem>(
        &OpModeS::Base,
        &public,
        &info,
        &mut Drawn(random),
    )
    .map_err(|_| unusable())?;
    let wrapped_key = context.seal(key, b"").map_err(|_| unusable())?;
    let wrap = wire::Wrap { key_id: key_id.0.to_vec(), enc: enc.to_bytes().to_vec(), wrapped_key };
    Ok(wrap.encode_to_vec())
}

fn unwrap_key(
    wrap: &Wrap,
    key: &DecryptionKey,
    ctx: Hash,
    commitment: Hash,
) -> Result<Zeroizing<[u8; KEY_BYTES]>, OpenError> {
    let enc =
        <Kem as hpke::Kem>::EncappedKey::from_bytes(&wrap.enc).map_err(|_| OpenError::Wrap)?;
    let info = wrap_info(ctx, commitment, key.id);
    let mut context =
        hpke::setup_receiver::<Aead, Kdf, Kem>(&OpModeR::Base, &key.secret, &enc, &info)
            .map_err(|_| OpenError::Wrap)?;
    let opened = context.open(&wrap.wrapped_key, b"").map_err(|_| OpenError::Wrap)?;
    let opened = Zeroizing::new(opened);
    let mut content_key = Zeroizing::new([0; KEY_BYTES]);
    if opened.len() != KEY_BYTES {
        return Err(OpenError::Wrap);
    }
    content_key.copy_from_slice(&opened);
    Ok(content_key)
}

fn encryption_key_id(public: &[u8]) -> Hash {
    Hash::of(&[ENCRYPTION_KEY_LABEL, &[SUITE], public])
}

/// The caller's random bytes, as HPKE wants them.
struct Drawn<'a>(&'a mut dyn FnMut(&mut [u8]));

impl TryRng for Drawn<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        (self.0)(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        (self.0)(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        (self.0)(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Drawn<'_> {}
