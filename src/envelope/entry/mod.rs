//! A nation's entry in the directory: what it publishes of itself, signed by its national key.
//!
//! Not for whether it may be published now (see `rules::entry`), and not for what applies at a
//! moment (see `views/call`). The entry is plain; channels and persons travel beside it as the
//! restricted part, which it only commits to.

mod file;
mod founding;
mod parse;
mod render;
pub mod restricted;
pub mod text;
pub mod words;

use prost::Message as _;
use serde::{Deserialize, Serialize};

use super::genesis::{EncryptionKey, FoundingOfficer, PublicKey};
use super::read::{check, malformed};
use super::sign::{ENTRY_TYPE, parse_signatures};
use super::words::{Instrument, RequestType};
use super::{BadSignature, Malformed, Signature, SigningKey};
use crate::units::{Hash, MemberId, MessageId, Name, Timestamp};
use crate::wire::detente::envelope::v1 as wire;
pub use file::{Making, from_toml};
pub use founding::{founding_desk, founding_draft, of_founding};
pub use restricted::{Channel, DeskRestricted, Person, Restricted};
use words::{DeskKind, DeskRole, HoursKind, LanguageLevel, Weekday};

/// The largest entry, in bytes: 64 desks with two encryption keys each take about 180,000.
pub const ENTRY_BYTES_MAX: usize = 192 << 10;

/// The largest restricted part, in bytes: with the entry it fits the usual envelope of 256 KiB.
pub const RESTRICTED_BYTES_MAX: usize = 60 << 10;

/// The most desks, officers of a desk, keys of a desk, languages or channels.
pub const LIST_MAX: usize = 64;

/// The most public holidays of a desk: five years of the most that any country has.
pub const HOLIDAYS_MAX: usize = 200;

/// Label of an entry's hash.
const ENTRY_LABEL: &[u8] = b"detente/entry/v1\0";

/// An entry, read and checked for form. Its signature is checked by [`Signed::verify`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// SHA-256("detente/entry/v1\0" || bytes): what the next version quotes.
    pub hash: Hash,
    /// The idempotency key.
    pub message: MessageId,
    /// Whose it is.
    pub member: MemberId,
    /// Counts the nation's entries, from 1; the genesis is version 0.
    pub version: u64,
    /// Hash of the entry before; for version 1 that of the genesis.
    pub previous: Hash,
    /// When the nation says it was made.
    pub created: Timestamp,
    /// After this it is refused if unknown.
    pub not_after: Timestamp,
    /// The nation's name, for people.
    pub display_name: String,
    /// Declared instruments, in order.
    pub instruments: Vec<Instrument>,
    /// How long it preserves when asked, at least, in days; 60 or more (Art. 29(7)).
    pub preservation_days_min: u32,
    /// How long at most, in days; none where its law has no maximum.
    pub preservation_days_max: Option<u32>,
    /// Certificates (DER) of its own authority.
    pub ca: Vec<Vec<u8>>,
    /// The national key.
    pub national_key: PublicKey,
    /// Its desks, in order of their names.
    pub desks: Vec<EntryDesk>,
}

/// A desk, as its nation publishes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryDesk {
    /// Its name.
    pub name: Name,
    /// Organisation.
    pub organisation: String,
    /// Unit within it; may be empty.
    pub unit: String,
    /// What sort of body it belongs to.
    pub kind: DeskKind,
    /// What it is there for, in order.
    pub roles: Vec<DeskRole>,
    /// What it may carry out by itself, in order.
    pub executes: Vec<RequestType>,
    /// When somebody is there.
    pub hours: Hours,
    /// Languages, most preferred first.
    pub languages: Vec<Language>,
    /// Requests have to be confirmed formally (Art. 25(3)).
    pub formal_confirmation_required: bool,
    /// The machine key.
    pub desk_key: PublicKey,
    /// Keys to which bodies are sealed.
    pub encryption_keys: Vec<EncryptionKey>,
    /// Officers, in order of their names.
    pub officers: Vec<FoundingOfficer>,
    /// Commitment to the restricted part, where there is one.
    pub restricted: Option<Hash>,
    /// The key with which it cosigns the heads of the logs, Ed25519; none where it is no witness.
    pub witness_key: Option<PublicKey>,
}

/// When somebody is at a desk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours {
    /// Around the clock, or in office hours.
    pub kind: HoursKind,
    /// IANA time zone.
    pub time_zone: String,
    /// When the office opens and closes, in minutes after midnight there; none around the clock.
    pub office: Option<(u16, u16)>,
    /// Days of the week on which it is closed, in order.
    pub weekend: Vec<Weekday>,
    /// Days of the year on which it is closed, in order.
    pub holidays: Vec<Holiday>,
}

/// A public holiday.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Holiday {
    /// The day there, "2027-02-06".
    pub date: String,
    /// Its name.
    pub name: String,
}

/// A language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Language {
    /// BCP 47 tag.
    pub tag: String,
    /// How well.
    pub level: LanguageLevel,
    /// Formal requests are taken in it.
    pub formal: bool,
}

/// An entry with its signatures and its restricted part, as it travels. The restricted part is
/// what the entry commits to; whether the signature is the nation's is for [`Signed::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The entry, as it was signed.
    pub bytes: Vec<u8>,
    /// Signatures over it.
    pub signatures: Vec<Signature>,
    /// What it says.
    pub entry: Entry,
    /// The restricted part, as it was committed to; empty where there is none, or it was erased.
    pub restricted: Vec<u8>,
}

impl Signed {
    /// The entry in a decoded envelope, with everything that it commits to. Only what this version
    /// knows in full: what a later one means by more is not for this one to record.
    ///
    /// # Errors
    /// When it is not an entry, holds fields that are not known, or the restricted part is not the
    /// one that it commits to.
    pub fn from_wire(envelope: wire::Envelope) -> Result<Self, Malformed> {
        let wire::Envelope { header, signatures, wrap, ciphertext, entry, entry_restricted } =
            envelope;
        for (field, bytes) in [("header", header), ("wrap", wrap), ("ciphertext", ciphertext)] {
            check(bytes.is_empty(), field, || "present beside an entry".to_owned())?;
        }
        let signatures = parse_signatures("signatures", signatures)?;
        let read = parse(&entry)?;
        check(render::to_wire(&read).encoded_len() == entry.len(), "entry", || {
            "longer than what this version knows of it".to_owned()
        })?;
        let signed = Self { entry: read, bytes: entry, signatures, restricted: Vec::new() };
        signed.with_restricted(entry_restricted)
    }

    /// The entry in a serialized `SignedEntry`, without its restricted part.
    ///
    /// # Errors
    /// When it is not a signed entry.
    pub fn parse(signed: &[u8]) -> Result<Self, Malformed> {
        let wire::SignedEntry { entry, signatures } = wire::SignedEntry::decode(signed)
            .map_err(|error| malformed("signed_entry", error.to_string()))?;
        let signatures = parse_signatures("signatures", signatures)?;
        Ok(Self { entry: parse(&entry)?, bytes: entry, signatures, restricted: Vec::new() })
    }

    /// The same with its restricted part.
    ///
    /// # Errors
    /// When it is not the one that the entry commits to.
    pub fn with_restricted(self, restricted: Vec<u8>) -> Result<Self, Malformed> {
        restricted::read(&self.entry, &restricted)?;
        Ok(Self { restricted, ..self })
    }

    /// The restricted part, read; empty when there is none here.
    pub fn opened(&self) -> Restricted {
        // It was read when it was taken in.
        restricted::read(&self.entry, &self.restricted).unwrap_or_default()
    }

    /// The serialized `SignedEntry`: what is kept and logged.
    pub fn to_bytes(&self) -> Vec<u8> {
        let signatures = self.signatures.iter().map(Signature::to_wire).collect();
        wire::SignedEntry { entry: self.bytes.clone(), signatures }.encode_to_vec()
    }

    /// The message to send.
    pub fn to_wire(&self) -> wire::Envelope {
        wire::Envelope {
            signatures: self.signatures.iter().map(Signature::to_wire).collect(),
            entry: self.bytes.clone(),
            entry_restricted: self.restricted.clone(),
            ..wire::Envelope::default()
        }
    }

    /// Proves that the nation signed it with this key, and nobody else did.
    ///
    /// # Errors
    /// When a signature is absent, does not verify, or there is another's.
    pub fn verify(&self, national_key: &PublicKey) -> Result<(), BadSignature> {
        let key = national_key.id();
        match self.signatures.iter().find(|made| made.key_id != key) {
            Some(other) => Err(BadSignature::OtherKey { key: other.key_id }),
            None => national_key.verify(ENTRY_TYPE, &self.bytes, &self.signatures),
        }
    }
}

/// Reads the bytes of an entry.
///
/// # Errors
/// When a field is absent or not what it should be, a list is not in order, or a key stands twice.
pub fn parse(bytes: &[u8]) -> Result<Entry, Malformed> {
    check(bytes.len() <= ENTRY_BYTES_MAX, "entry", || {
        format!("{} bytes where at most {ENTRY_BYTES_MAX} belong", bytes.len())
    })?;
    parse::read(bytes)
}

/// The entry in a message of any version, that of the genesis included; `hash` is the one that the
/// next version names.
///
/// # Errors
/// As [`parse`].
pub fn from_message(message: wire::Entry, hash: Hash) -> Result<Entry, Malformed> {
    parse::from_wire(message, hash)
}

/// The bytes of an entry, which the nation signs. `hash` and the ids of encryption keys are not
/// read: they follow from the rest.
///
/// # Errors
/// When they would not read as an entry.
pub fn render(entry: &Entry) -> Result<Vec<u8>, Malformed> {
    let bytes = render::to_wire(entry).encode_to_vec();
    parse(&bytes)?;
    Ok(bytes)
}

/// Signs the bytes of an entry, and puts the restricted part beside it.
///
/// # Errors
/// When they are not an entry, or it does not commit to that restricted part.
pub fn sign(bytes: Vec<u8>, restricted: Vec<u8>, by: &SigningKey) -> Result<Signed, Malformed> {
    let signatures = vec![by.sign(ENTRY_TYPE, &bytes)];
    let entry = parse(&bytes)?;
    Signed { bytes, signatures, entry, restricted: Vec::new() }.with_restricted(restricted)
}

/// The hash of the bytes of an entry, which the next version quotes.
pub fn hash(entry: &[u8]) -> Hash {
    Hash::of(&[ENTRY_LABEL, entry])
}
