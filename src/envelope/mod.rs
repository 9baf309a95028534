//! A letter between nations: a header the relay reads, a body it cannot.
//!
//! Not for rules about who may say what. Nothing here reads a clock, a disk or a random source:
//! randomness comes in as bytes.
//!
//! Invariants: what was signed is stored and forwarded verbatim, never re-encoded. A hash, a
//! signature, an `info` and an `aad` each begin with a label of their own that ends in NUL (or,
//! for signatures, with their own payload type).

pub mod disclose;
pub mod entry;
pub mod form;
pub mod genesis;
pub mod header;
pub mod seal;
pub mod sign;
pub mod statement;
pub mod words;

mod cipher;
mod read;

use prost::Message as _;

pub use cipher::{BODY_BYTES_MAX, DecryptionKey, PUBLIC_KEY_BYTES};
pub use header::{Draft, act_from_bytes, act_to_bytes, check_known, parse_header};
pub use read::Malformed;
pub use seal::{
    OpenError, SealError, machine, open, open_to_disclose, parse_body, seal, seal_to_disclose,
};
pub use sign::{Algorithm, BadSignature, Signature, SigningKey, verify_header};
pub use statement::{Act, Approval, RequestFacts, SeenCheckpoint, Signer, Statement};

use crate::units::Hash;
use crate::wire::detente::envelope::v1 as wire;
use genesis::PublicKey;
use read::{check, malformed};

/// The largest envelope that any relay takes, in encoded bytes: 1 MiB. Callers may set less, never
/// more.
pub const ENVELOPE_BYTES_MAX: usize = 1 << 20;

/// The largest envelope unless configured otherwise, in encoded bytes: 256 KiB, which holds a body
/// of nearly 128 KiB.
pub const ENVELOPE_BYTES_MAX_DEFAULT: usize = 256 << 10;

/// The largest wrap, in encoded bytes. Suite 1 makes 1,207; the rest is room for later fields.
pub const WRAP_BYTES_MAX: usize = 2 << 10;

/// The most signatures on one header: Ed25519 and ML-DSA-44 of the officer and of a second person.
pub const SIGNATURES_MAX: usize = 4;

/// A statement on its way. Its hashes, lengths and form are as they should be; whether its
/// signature is the sender's is for [`Envelope::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The header, as it was signed.
    pub header: Vec<u8>,
    /// Signatures over it. The signer's is among them, and the approver's where the header names
    /// one; others are kept and not required.
    pub signatures: Vec<Signature>,
    /// The wrapped content key; empty without a body.
    pub wrap: Vec<u8>,
    /// The sealed body; empty without one.
    pub ciphertext: Vec<u8>,
    /// What the header says.
    pub statement: Statement,
}

impl Envelope {
    /// The envelope in these bytes.
    ///
    /// # Errors
    /// As [`Envelope::from_wire`]; also when there are more than [`ENVELOPE_BYTES_MAX`], or they
    /// are not an `Envelope`.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        check(bytes.len() <= ENVELOPE_BYTES_MAX, "envelope", || {
            format!("{} bytes where at most {ENVELOPE_BYTES_MAX} belong", bytes.len())
        })?;
        let envelope = wire::Envelope::decode(bytes)
            .map_err(|error| malformed("envelope", error.to_string()))?;
        Self::from_wire(envelope)
    }

    /// The envelope in a decoded message.
    ///
    /// # Errors
    /// When the header is not one ([`parse_header`]), a length or a hash in it does not fit what
    /// travels beside it, or the signer's signature is not there.
    pub fn from_wire(envelope: wire::Envelope) -> Result<Self, Malformed> {
        let wire::Envelope { header, signatures, wrap, ciphertext, entry, entry_restricted } =
            envelope;
        for (field, bytes) in [("entry", entry), ("entry_restricted", entry_restricted)] {
            check(bytes.is_empty(), field, || "present in a statement".to_owned())?;
        }
        let (statement, sealed) = header::read(&header)?;
        let signatures = sign::parse_signatures("signatures", signatures)?;
        check(
            signatures.iter().any(|made| made.key_id == statement.signer_key),
            "signatures",
            || format!("none by the key {} that the header names", statement.signer_key),
        )?;
        if let Approval::By { officer, key } = &statement.approval {
            check(signatures.iter().any(|made| made.key_id == *key), "signatures", || {
                format!("none by the key {key} of {officer}, who approves it")
            })?;
        }
        check(wrap.len() <= WRAP_BYTES_MAX, "wrap", || {
            format!("{} bytes where at most {WRAP_BYTES_MAX} belong", wrap.len())
        })?;
        match sealed {
            Some(sealed) => {
                check(ciphertext.len() == statement.ciphertext_len as usize, "ciphertext", || {
                    format!(
                        "{} bytes where the header says {}",
                        ciphertext.len(),
                        statement.ciphertext_len
                    )
                })?;
                check(Hash::of(&[&ciphertext]) == sealed.ciphertext, "ciphertext", || {
                    "its hash is not the one in the header".to_owned()
                })?;
                check(Hash::of(&[&wrap]) == sealed.wrap, "wrap", || {
                    "its hash is not the one in the header".to_owned()
                })?;
                cipher::parse_wrap(&wrap)?;
            }
            None => {
                let absent = || "present in a statement without a body".to_owned();
                check(wrap.is_empty(), "wrap", absent)?;
                check(ciphertext.is_empty(), "ciphertext", absent)?;
            }
        }
        Ok(Self { header, signatures, wrap, ciphertext, statement })
    }

    /// The message to send or store.
    pub fn to_wire(&self) -> wire::Envelope {
        wire::Envelope {
            header: self.header.clone(),
            signatures: self.signatures.iter().map(Signature::to_wire).collect(),
            wrap: self.wrap.clone(),
            ciphertext: self.ciphertext.clone(),
            ..wire::Envelope::default()
        }
    }

    /// The encoded message.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_wire().encode_to_vec()
    }

    /// Adds the signature of the officer who approves it: the one whom the header names, for no
    /// other is looked at.
    pub fn countersign(&mut self, by: &SigningKey) {
        self.signatures.push(by.sign(sign::HEADER_TYPE, &self.header));
    }

    /// Proves that `key` is the one the header names and that it signed the header, and the same
    /// of the approver's, where the header names one.
    ///
    /// # Errors
    /// When either is not so, or an approver is named and no key is given.
    pub fn verify(
        &self,
        key: &PublicKey,
        approver: Option<&PublicKey>,
    ) -> Result<(), BadSignature> {
        let Self { statement, header, signatures, .. } = self;
        sign::verify_statement(statement, header, signatures, key, approver)
    }
}
