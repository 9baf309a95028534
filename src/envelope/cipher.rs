//! The primitives under sealing: commitment, padding, content cipher, key wrap.
//!
//! Not for the order they are used in, nor for what binds them together (see `seal.rs`).

use std::convert::Infallible;

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable as _, Kem as _, OpModeR, OpModeS, Serializable as _};
use prost::Message as _;
use zeroize::Zeroizing;

use super::genesis::EncryptionKey;
use super::read::{check, hash, malformed};
use super::{ENVELOPE_BYTES_MAX, Malformed, OpenError, SealError, WRAP_BYTES_MAX};
use crate::units::{Hash, Timestamp};
use crate::wire::detente::envelope::v1 as wire;

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
pub(super) const KEY_BYTES: usize = 32;

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

impl EncryptionKey {
    /// The key with these public bytes and this validity.
    ///
    /// # Errors
    /// When the bytes are not a public key of suite 1, or the validity is empty.
    pub fn new(key: Vec<u8>, from: Timestamp, until: Timestamp) -> Result<Self, Malformed> {
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
    pub(super) id: Hash,
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
    pub(super) key_id: Hash,
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

pub(super) fn commit(salt: &[u8; KEY_BYTES], ctx: Hash, body: &[u8]) -> Hash {
    Hash::of(&[COMMIT_LABEL, salt, &ctx.0, body])
}

/// The padded text. Its capacity leaves room for the tag, so that no copy stays behind.
pub(super) fn pad(salt: &[u8; KEY_BYTES], body: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
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
pub(super) fn unpad(padded: &[u8]) -> Option<(&[u8; KEY_BYTES], &[u8])> {
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

pub(super) fn encrypt(
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

pub(super) fn decrypt(
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

pub(super) fn wrap_key(
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

pub(super) fn unwrap_key(
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

pub(super) fn encryption_key_id(public: &[u8]) -> Hash {
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
