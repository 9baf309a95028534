//! Signed notes of C2SP signed-note 1.0.0: text with signature lines, and the keys that verify
//! them.
//!
//! Signature types: 0x01 (Ed25519 over the text) here; 0x04 and 0x06 (timestamped cosignatures) in
//! `cosignature.rs`. Out of scope: 0x02 (ECDSA), 0x05 (RFC 6962 tree heads).
//!
//! No input makes this panic. Signatures by unknown keys are kept and ignored.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{
    ED25519, Ed25519KeyPair, KeyPair as _, ML_DSA_44, ML_DSA_44_SIGNING, PqdsaKeyPair,
    UnparsedPublicKey,
};
use data_encoding::{BASE64, HEXLOWER};
use zeroize::Zeroizing;

use super::cosignature;
use crate::units::{Hash, Unreadable};

/// The largest note in bytes: 100 post-quantum signatures and room for the text.
pub const NOTE_BYTES_MAX: usize = 1 << 20;
/// Signature lines read at most; the specification asks for at least 16.
pub const SIGNATURES_MAX: usize = 100;
/// The longest key name and origin in bytes: one length byte in an ML-DSA-44 cosignature.
pub const NAME_BYTES_MAX: usize = 255;

/// Begins a signature line: em dash, space.
const LINE_PREFIX: &str = "\u{2014} ";

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// 0x01: Ed25519 over the note's text. What a log signs its checkpoints with.
    Ed25519,
    /// 0x04: timestamped Ed25519 cosignature of a checkpoint.
    Ed25519Cosignature,
    /// 0x06: timestamped ML-DSA-44 cosignature of a checkpoint.
    MlDsa44Cosignature,
}

impl Kind {
    /// Every kind that is understood.
    pub const ALL: [Self; 3] = [Self::Ed25519, Self::Ed25519Cosignature, Self::MlDsa44Cosignature];

    /// The signature type identifier byte.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::Ed25519Cosignature => 0x04,
            Self::MlDsa44Cosignature => 0x06,
        }
    }

    /// Length of a public key in bytes.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Ed25519 | Self::Ed25519Cosignature => 32,
            Self::MlDsa44Cosignature => 1_312,
        }
    }
}

/// The name of a key: not empty, no spaces, no plus, at most 255 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyName(String);

impl KeyName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyName {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let fits = (1..=NAME_BYTES_MAX).contains(&text.len());
        let clean = !text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+');
        if fits && clean {
            Ok(Self(text.to_owned()))
        } else {
            let why = format!("{text:?} is not 1 to {NAME_BYTES_MAX} bytes without spaces and +");
            Err(Unreadable::new("key name", why))
        }
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A verifier key ("vkey"): name, kind and public key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VerifierKey {
    name: KeyName,
    kind: Kind,
    key: Vec<u8>,
}

impl VerifierKey {
    /// A key.
    ///
    /// # Errors
    /// When the public key has not the length of its kind.
    pub fn new(name: KeyName, kind: Kind, key: &[u8]) -> Result<Self, Unreadable> {
        if key.len() == kind.key_len() {
            Ok(Self { name, kind, key: key.to_vec() })
        } else {
            let why = format!("{} bytes where {} belong", key.len(), kind.key_len());
            Err(Unreadable::new("verifier key", why))
        }
    }

    /// Its name.
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// How it signs.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The public key.
    pub fn public(&self) -> &[u8] {
        &self.key
    }

    /// Its id: SHA-256(name || 0x0A || type || public key), the first four bytes.
    pub fn id(&self) -> [u8; 4] {
        let hash = Hash::of(&[self.name.0.as_bytes(), b"\n", &[self.kind.byte()], &self.key]);
        [hash.0[0], hash.0[1], hash.0[2], hash.0[3]]
    }

    /// Proves that `line` is this key's signature of a note with this text. A cosignature says
    /// when it was made, in seconds since 1970; 0 says nothing about time.
    ///
    /// # Errors
    /// [`BadNote::Invalid`] when it is not.
    pub fn verify(&self, text: &str, line: &SignatureLine) -> Result<Option<u64>, BadNote> {
        let invalid = || BadNote::Invalid { name: self.name.clone() };
        let (message, time, signature) = match self.kind {
            Kind::Ed25519 => (text.as_bytes().to_vec(), None, line.signature.as_slice()),
            Kind::Ed25519Cosignature | Kind::MlDsa44Cosignature => {
                let (time, signature) = cosignature::split(&line.signature).ok_or_else(invalid)?;
                let message = cosignature::message(self, text, time).ok_or_else(invalid)?;
                (message, Some(time), signature)
            }
        };
        let verified = match self.kind {
            Kind::Ed25519 | Kind::Ed25519Cosignature => {
                UnparsedPublicKey::new(&ED25519, &self.key).verify(&message, signature)
            }
            Kind::MlDsa44Cosignature => {
                UnparsedPublicKey::new(&ML_DSA_44, &self.key).verify(&message, signature)
            }
        };
        verified.map(|()| time).map_err(|_| invalid())
    }
}

impl fmt::Display for VerifierKey {
    /// `name+hex(id)+base64(type || public key)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let material = [&[self.kind.byte()], self.key.as_slice()].concat();
        write!(f, "{}+{}+{}", self.name, HEXLOWER.encode(&self.id()), BASE64.encode(&material))
    }
}

impl FromStr for VerifierKey {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let wrong = |why: &str| Unreadable::new("verifier key", format!("{text:?}: {why}"));
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(material)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong("not name+id+key"));
        };
        let id = HEXLOWER.decode(id.as_bytes()).map_err(|_| wrong("the id is not hexadecimal"))?;
        let material =
            BASE64.decode(material.as_bytes()).map_err(|_| wrong("the key is not base64"))?;
        let (byte, key) = material.split_first().ok_or_else(|| wrong("the key is empty"))?;
        let kind = Kind::ALL
            .into_iter()
            .find(|kind| kind.byte() == *byte)
            .ok_or_else(|| wrong("a signature type other than 1, 4 and 6"))?;
        let parsed = Self::new(name.parse()?, kind, key)?;
        if parsed.id().as_slice() == id {
            Ok(parsed)
        } else {
            Err(wrong("the id is not that of the key"))
        }
    }
}

/// One signature line of a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureLine {
    /// Name of the key.
    pub name: KeyName,
    /// Id of the key.
    pub id: [u8; 4],
    /// The signature, as its kind has it.
    pub signature: Vec<u8>,
}

impl SignatureLine {
    /// True when name and id are those of `key`.
    pub fn is_by(&self, key: &VerifierKey) -> bool {
        self.name == key.name && self.id == key.id()
    }
}

impl fmt::Display for SignatureLine {
    /// The line without its newline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.id.as_slice(), &self.signature].concat();
        write!(f, "{LINE_PREFIX}{} {}", self.name, BASE64.encode(&bytes))
    }
}

impl FromStr for SignatureLine {
    type Err = Unreadable;

    /// Reads a line without its newline.
    fn from_str(line: &str) -> Result<Self, Unreadable> {
        let wrong = |why: &str| Unreadable::new("signature line", why);
        let (name, text) = line
            .strip_prefix(LINE_PREFIX)
            .and_then(|rest| rest.split_once(' '))
            .ok_or_else(|| wrong("not an em dash, a name and a signature"))?;
        let bytes = BASE64.decode(text.as_bytes()).map_err(|_| wrong("not base64"))?;
        match bytes.split_first_chunk::<4>() {
            Some((id, signature)) if !signature.is_empty() => {
                Ok(Self { name: name.parse()?, id: *id, signature: signature.to_vec() })
            }
            Some(_) | None => Err(wrong("too short for a key id and a signature")),
        }
    }
}

/// A note: text and signature lines. Nothing about it is to be believed before [`Note::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    lines: Vec<SignatureLine>,
}

/// Why a note is not to be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadNote {
    /// A signature by a known key does not verify.
    #[error("the signature by {name} does not verify")]
    Invalid {
        /// The key's name.
        name: KeyName,
    },
    /// None of the known keys has signed it.
    #[error("no known key has signed it")]
    Unsigned,
}

/// A signature that verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<'k> {
    /// By which key.
    pub key: &'k VerifierKey,
    /// When a cosignature was made, in seconds since 1970; none for a plain signature.
    pub time: Option<u64>,
}

impl Note {
    /// A note with this text and no signature yet.
    ///
    /// # Errors
    /// When the text does not end in a newline, or holds control characters.
    pub fn new(text: impl Into<String>) -> Result<Self, Unreadable> {
        let text = text.into();
        if !text.ends_with('\n') {
            return Err(Unreadable::new("note", "its text does not end in a newline"));
        }
        check_characters(&text)?;
        Ok(Self { text, lines: Vec::new() })
    }

    /// The text, with its last newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines.
    pub fn lines(&self) -> &[SignatureLine] {
        &self.lines
    }

    /// Adds a signature line, in place of an older one by the same key.
    pub fn add(&mut self, line: SignatureLine) {
        self.lines.retain(|other| other.name != line.name || other.id != line.id);
        self.lines.push(line);
    }

    /// The same text with the lines that `keep` keeps.
    #[must_use]
    pub fn with_only(&self, keep: impl Fn(&SignatureLine) -> bool) -> Self {
        let lines = self.lines.iter().filter(|line| keep(line)).cloned().collect();
        Self { text: self.text.clone(), lines }
    }

    /// The signatures by known keys, each key once. Signatures by others are ignored.
    ///
    /// # Errors
    /// When one of them does not verify, or there is none.
    pub fn verify<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k VerifierKey>,
    ) -> Result<Vec<Verified<'k>>, BadNote> {
        let mut found = Vec::new();
        for key in keys {
            if let Some(line) = self.lines.iter().find(|line| line.is_by(key)) {
                found.push(Verified { key, time: key.verify(&self.text, line)? });
            }
        }
        if found.is_empty() { Err(BadNote::Unsigned) } else { Ok(found) }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl FromStr for Note {
    type Err = Unreadable;

    fn from_str(note: &str) -> Result<Self, Unreadable> {
        let wrong = |why: &str| Unreadable::new("note", why);
        if note.len() > NOTE_BYTES_MAX {
            return Err(wrong("larger than a note may be"));
        }
        check_characters(note)?;
        let end = note.rfind("\n\n").ok_or_else(|| wrong("no blank line before signatures"))?;
        let (text, signatures) = (&note[..=end], &note[end + 2..]);
        let signatures = signatures
            .strip_suffix('\n')
            .ok_or_else(|| wrong("its last line does not end in a newline"))?;
        let lines: Vec<SignatureLine> = signatures
            .split('\n')
            .take(SIGNATURES_MAX + 1)
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        if lines.len() > SIGNATURES_MAX {
            return Err(wrong("more signatures than are read"));
        }
        Ok(Self { text: text.to_owned(), lines })
    }
}

fn check_characters(text: &str) -> Result<(), Unreadable> {
    match text.bytes().find(|byte| *byte < 0x20 && *byte != b'\n') {
        None => Ok(()),
        Some(byte) => Err(Unreadable::new("note", format!("a control character {byte:#04x}"))),
    }
}

/// A private key that signs notes. It has no `Debug`; the library wipes it when it is dropped.
pub struct Signer {
    public: VerifierKey,
    pair: Pair,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    MlDsa44(Box<PqdsaKeyPair>),
}

impl Signer {
    /// The key with this seed: 32 secret random bytes (RFC 8032 section 5.1.5, FIPS 204 section
    /// 5.1). A seed must not serve two kinds or two names.
    ///
    /// # Panics
    /// Never: every 32 bytes are a seed.
    pub fn from_seed(name: KeyName, kind: Kind, seed: [u8; 32]) -> Self {
        let seed = Zeroizing::new(seed);
        let (pair, key) = match kind {
            Kind::Ed25519 | Kind::Ed25519Cosignature => {
                let pair = Ed25519KeyPair::from_seed_unchecked(&*seed)
                    .expect("every 32 bytes are an Ed25519 seed");
                let key = pair.public_key().as_ref().to_vec();
                (Pair::Ed25519(pair), key)
            }
            Kind::MlDsa44Cosignature => {
                let pair = PqdsaKeyPair::from_seed(&ML_DSA_44_SIGNING, &*seed)
                    .expect("every 32 bytes are an ML-DSA seed");
                let key = pair.public_key().as_ref().to_vec();
                (Pair::MlDsa44(Box::new(pair)), key)
            }
        };
        Self { public: VerifierKey { name, kind, key }, pair }
    }

    /// The public half.
    pub const fn public(&self) -> &VerifierKey {
        &self.public
    }

    /// Signs a text; a cosigner says that it does so at `time`, in seconds since 1970, which a
    /// plain key ignores.
    ///
    /// # Errors
    /// When a cosigner is given a text that is no checkpoint, or the library cannot sign.
    pub fn sign(&self, text: &str, time: u64) -> Result<SignatureLine, Unreadable> {
        let wrong = |why: &str| Unreadable::new("signature", why);
        let (message, mut signature) = match self.public.kind {
            Kind::Ed25519 => (text.as_bytes().to_vec(), Vec::new()),
            Kind::Ed25519Cosignature | Kind::MlDsa44Cosignature => {
                let message = cosignature::message(&self.public, text, time)
                    .ok_or_else(|| wrong("a cosigner signs checkpoints only"))?;
                (message, time.to_be_bytes().to_vec())
            }
        };
        match &self.pair {
            Pair::Ed25519(pair) => signature.extend_from_slice(pair.sign(&message).as_ref()),
            Pair::MlDsa44(pair) => {
                let mut bytes = vec![0; cosignature::ML_DSA_44_BYTES];
                pair.sign(&message, &mut bytes).map_err(|_| wrong("the library cannot sign"))?;
                signature.extend_from_slice(&bytes);
            }
        }
        Ok(SignatureLine { name: self.public.name.clone(), id: self.public.id(), signature })
    }
}
