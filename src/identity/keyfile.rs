//! Private keys at rest: a text file, encrypted with the unlock secret.
//!
//! Not for public keys or certificates. No key and no secret has a `Debug`; both are zeroed.
//!
//! ```text
//! -----BEGIN DETENTE KEY-----
//! version: 1
//! kind: ed25519                              tls, authority, ed25519 or hpke
//! name: NL/cyber/duty                        for people; authenticated
//! derivation: hkdf-sha256                    or pbkdf2-hmac-sha256/600000
//! salt: <64 hex>
//! nonce: <24 hex>
//! check: <32 hex>                            tells a wrong secret from a damaged file
//! data: <hex>                                ChaCha20-Poly1305 of the key
//! digest: <64 hex>                           SHA-256 of every line above
//! -----END DETENTE KEY-----
//! ```
//!
//! `HKDF-SHA256(secret', salt, "detente/keyfile/v1")` gives 32 bytes of key and 16 of `check`,
//! where `secret'` is the secret itself when it is 32 random bytes, and
//! `PBKDF2-HMAC-SHA256(secret, salt, 600,000)` when it is a passphrase (OWASP's figure of 2023).
//! The lines from `version` to `check` are the associated data. `digest` needs no secret, so that
//! damage is told from a wrong secret; it proves nothing.

use std::fs::OpenOptions;
use std::io::Write;
use std::num::NonZeroU32;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, pbkdf2, rand};
use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use super::unlock::Unlock;
use crate::units::Hash;

/// Rounds of PBKDF2-HMAC-SHA256 for a passphrase.
pub(super) const ROUNDS: NonZeroU32 = NonZeroU32::new(600_000).expect("600,000 is not zero");
const BEGIN: &str = "-----BEGIN DETENTE KEY-----\n";
const END: &str = "-----END DETENTE KEY-----\n";
const INFO: &[u8] = b"detente/keyfile/v1";
const DERIVE_HKDF: &str = "hkdf-sha256";
const DERIVE_PBKDF2: &str = "pbkdf2-hmac-sha256/600000";
/// The longest key file in bytes: an RSA-8192 key in PKCS#8 is 4.7 KB, 9.4 KB in hexadecimal.
const FILE_BYTES_MAX: usize = 64 << 10;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A TLS key, PKCS#8 DER.
    Tls,
    /// The key of a certificate authority, PKCS#8 DER. Never on a running service.
    Authority,
    /// An Ed25519 seed, 32 bytes.
    Ed25519,
    /// The seed of a decryption key, 32 bytes.
    Hpke,
}

/// A private key, opened.
pub struct Secret {
    /// What it is for.
    pub kind: Kind,
    /// Whose it is, for people.
    pub name: String,
    bytes: Zeroizing<Vec<u8>>,
}

/// A key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The file cannot be read or written.
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
    /// It is not a key file, or bytes of it have changed.
    #[error("the file is damaged: {0}")]
    Damaged(&'static str),
    /// It was made with another unlock secret.
    #[error("the unlock secret is not the one this key was made with")]
    WrongSecret,
    /// It is a key of another kind.
    #[error("it is a key of kind {found} where {expected} belongs")]
    WrongKind {
        /// What it is.
        found: &'static str,
        /// What belongs there.
        expected: &'static str,
    },
    /// It was written by a later version.
    #[error("version {0:?} of key files is not known here")]
    Version(String),
}

impl Kind {
    const ALL: [Self; 4] = [Self::Tls, Self::Authority, Self::Ed25519, Self::Hpke];

    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tls => "tls",
            Self::Authority => "authority",
            Self::Ed25519 => "ed25519",
            Self::Hpke => "hpke",
        }
    }
}

impl Secret {
    /// A private key.
    pub fn new(kind: Kind, name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { kind, name: name.into(), bytes: Zeroizing::new(bytes) }
    }

    /// The key's bytes. Do not copy them further than needed.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The seed of an Ed25519 or decryption key.
    ///
    /// # Errors
    /// [`Fault::Damaged`] when it is not 32 bytes.
    pub fn seed(&self) -> Result<Zeroizing<[u8; 32]>, Fault> {
        let seed = <[u8; 32]>::try_from(self.bytes()).map(Zeroizing::new);
        seed.map_err(|_| Fault::Damaged("a seed is 32 bytes"))
    }
}

/// Reads a key of `kind` from a file.
///
/// # Errors
/// [`Fault`], in words.
pub fn read(path: &Path, kind: Kind, unlock: &Unlock) -> Result<Secret, Fault> {
    let unable = |fault| Fault::File(path.to_owned(), fault);
    if std::fs::metadata(path).map_err(unable)?.len() > FILE_BYTES_MAX as u64 {
        return Err(Fault::Damaged("it is longer than any key"));
    }
    let text = std::fs::read(path).map_err(unable)?;
    let text = String::from_utf8(text).map_err(|_| Fault::Damaged("it is not text"))?;
    let secret = parse(&text, unlock)?;
    if secret.kind != kind {
        return Err(Fault::WrongKind { found: secret.kind.as_str(), expected: kind.as_str() });
    }
    Ok(secret)
}

/// Writes a key to a new file that its owner alone may read.
///
/// # Errors
/// [`Fault::File`]; an existing file is never replaced.
pub fn write(path: &Path, secret: &Secret, unlock: &Unlock) -> Result<(), Fault> {
    let unable = |fault| Fault::File(path.to_owned(), fault);
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(unable)?;
    file.write_all(render(secret, unlock).as_bytes()).map_err(unable)?;
    file.sync_all().map_err(unable)
}

/// The text of a key file.
///
/// # Panics
/// When the system has no randomness.
pub fn render(secret: &Secret, unlock: &Unlock) -> String {
    let (mut salt, mut nonce) = ([0; 32], [0; 12]);
    rand::fill(&mut salt).expect("the system has randomness");
    rand::fill(&mut nonce).expect("the system has randomness");
    let derivation = if unlock.is_random() { DERIVE_HKDF } else { DERIVE_PBKDF2 };
    let derived = derive(unlock, derivation, &salt);
    let (key, check) = derived.split_at(32);
    let head = format!(
        "version: 1\nkind: {}\nname: {}\nderivation: {derivation}\n\
         salt: {}\nnonce: {}\ncheck: {}\n",
        secret.kind.as_str(),
        secret.name.replace(['\n', '\r'], " "),
        HEXLOWER.encode(&salt),
        HEXLOWER.encode(&nonce),
        HEXLOWER.encode(check),
    );
    let mut data = Zeroizing::new(secret.bytes.to_vec());
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = cipher(key)
        .seal_in_place_separate_tag(nonce, Aad::from(head.as_bytes()), &mut data)
        .expect("a key is far below the cipher's limit");
    let body = format!("{head}data: {}{}\n", HEXLOWER.encode(&data), HEXLOWER.encode(tag.as_ref()));
    format!("{BEGIN}{body}digest: {}\n{END}", Hash::of(&[body.as_bytes()]))
}

/// Reads the text of a key file.
///
/// # Errors
/// [`Fault::Damaged`], [`Fault::WrongSecret`], [`Fault::Version`].
pub fn parse(text: &str, unlock: &Unlock) -> Result<Secret, Fault> {
    let inner = text
        .strip_prefix(BEGIN)
        .and_then(|text| text.strip_suffix(END))
        .ok_or(Fault::Damaged("it has no DETENTE KEY frame"))?;
    let (body, digest) = inner.split_once("digest: ").ok_or(Fault::Damaged("it has no digest"))?;
    if digest != format!("{}\n", Hash::of(&[body.as_bytes()])) {
        return Err(Fault::Damaged("its digest is another"));
    }
    let mut lines = body.lines();
    let mut field = |name: &'static str| {
        let value = lines.next().and_then(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.ok_or(Fault::Damaged("a line is missing"))
    };
    let version = field("version")?;
    if version != "1" {
        return Err(Fault::Version(version.to_owned()));
    }
    let kind = field("kind")?;
    let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind);
    let kind = kind.ok_or(Fault::Damaged("its kind is not known"))?;
    let name = field("name")?.to_owned();
    let derivation = match field("derivation")? {
        DERIVE_HKDF => DERIVE_HKDF,
        DERIVE_PBKDF2 => DERIVE_PBKDF2,
        _ => return Err(Fault::Damaged("its derivation is not known")),
    };
    let salt = hex_field::<32>(field("salt")?)?;
    let nonce = hex_field::<12>(field("nonce")?)?;
    let check = hex_field::<16>(field("check")?)?;
    let data = field("data")?;
    let derived = derive(unlock, derivation, &salt);
    let (key, expected) = derived.split_at(32);
    if aws_lc_rs::constant_time::verify_slices_are_equal(expected, &check).is_err() {
        return Err(Fault::WrongSecret);
    }
    let head = body.split_once("data: ").map_or("", |(head, _)| head);
    let mut sealed = HEXLOWER
        .decode(data.as_bytes())
        .map(Zeroizing::new)
        .map_err(|_| Fault::Damaged("its data are not hexadecimal"))?;
    let opened = cipher(key)
        .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(head.as_bytes()), &mut sealed)
        .map_err(|_| Fault::Damaged("its data were changed"))?;
    Ok(Secret { kind, name, bytes: Zeroizing::new(opened.to_vec()) })
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// 32 bytes of key and 16 of check.
fn derive(unlock: &Unlock, derivation: &str, salt: &[u8; 32]) -> Zeroizing<[u8; 48]> {
    let mut stretched = Zeroizing::new([0; 32]);
    let secret = if derivation == DERIVE_PBKDF2 {
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        pbkdf2::derive(algorithm, ROUNDS, salt, unlock.secret(), stretched.as_mut_slice());
        stretched.as_slice()
    } else {
        unlock.secret()
    };
    let mut derived = Zeroizing::new([0; 48]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(secret)
        .expand(&[INFO], Length(48))
        .and_then(|okm| okm.fill(derived.as_mut_slice()))
        .expect("48 bytes are below HKDF's limit of 8,160");
    derived
}

fn cipher(key: &[u8]) -> LessSafeKey {
    LessSafeKey::new(
        UnboundKey::new(&CHACHA20_POLY1305, key).expect("ChaCha20-Poly1305 takes 32 bytes"),
    )
}

fn hex_field<const N: usize>(text: &str) -> Result<[u8; N], Fault> {
    let raw = HEXLOWER.decode(text.as_bytes()).ok();
    raw.and_then(|raw| raw.try_into().ok()).ok_or(Fault::Damaged("a field has a wrong length"))
}
