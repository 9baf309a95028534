//! What a desk keeps: its own record type, and its bytes.
//!
//! Not for what follows from the records (see `case_file.rs`), nor for their encryption (see
//! `vault.rs`).
//!
//! Stored form, version 1: one version byte, then the postcard encoding of [`Note`]'s time and
//! record. Variants are only ever added at the end; a changed one gets a new version byte. A form
//! in the clear is never in the record but beside it, as the erasable body of the journal entry.

use serde::{Deserialize, Serialize};

use crate::envelope::words::Rejection;
use crate::units::{
    DeskId, DeskIndex, Hash, Index, MessageId, Name, RequestId, Timestamp, Unreadable,
};

/// The version byte of the stored form.
const VERSION: u8 = 1;

/// A record with the desk's own time, and the form in the clear that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    /// When it was noted, by the desk's clock.
    pub at: Timestamp,
    /// What was noted.
    pub record: Record,
    /// Serialized `detente.form.v1.Body`, of a directory record the entry's restricted part, of a
    /// bad receipt what was given, of a salt the salt; empty when there is none.
    pub body: Vec<u8>,
}

/// What a desk notes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Record {
    /// First record: whose case file this is.
    Founded {
        /// The desk.
        desk: DeskId,
        /// The network, by the hash of its genesis.
        genesis: Hash,
    },
    /// A statement of ours, before it is sent for the first time. The body beside it is the form
    /// as it was sealed; nobody else can open what was sealed to another desk.
    Prepared {
        /// The exact bytes to send: a serialized `detente.envelope.v1.Envelope`.
        envelope: Vec<u8>,
        /// Hash over what the officer asked for, so that a repeat is told from a conflict.
        intent: Hash,
    },
    /// The relay has a statement of ours on its disk.
    Confirmed {
        /// The statement.
        message: MessageId,
        /// Its record at the relay.
        index: Index,
        /// Record time.
        time: Timestamp,
    },
    /// A statement of ours will never be recorded.
    Refused {
        /// The statement.
        message: MessageId,
        /// By whom and why.
        refusal: Refused,
    },
    /// A record of our own sequence, as the relay sent it.
    Received(Box<Received>),
    /// A form was opened; it stands beside this record.
    Opened {
        /// The desk that wrote it.
        from: DeskId,
        /// Its statement.
        message: MessageId,
    },
    /// A form cannot be opened, or breaks the rules of its kind. What could be read of it stands
    /// beside this record.
    Unreadable {
        /// The desk that wrote it.
        from: DeskId,
        /// Its statement.
        message: MessageId,
        /// What the other side is told.
        rejection: Rejection,
        /// What the officer is told.
        why: String,
    },
    /// An officer has seen a form of another desk for the first time.
    Retrieved {
        /// The desk that wrote it.
        from: DeskId,
        /// Its statement.
        message: MessageId,
        /// The officer.
        officer: Name,
    },
    /// A torn tail was cut off when the journal was opened: what was not confirmed to anybody.
    TailTruncated {
        /// Bytes cut off.
        bytes: u64,
        /// Their SHA-256.
        sha256: Hash,
    },
    /// An operator has accepted that the relay lost records: from here on, what was received or
    /// confirmed of them counts as if it had never come.
    RelayRestored {
        /// The first record of our sequence that is lost.
        from: DeskIndex,
        /// Its index in the log that was lost.
        index: Index,
    },
    /// A record of the directory log, which was found good. The body beside it is the entry's
    /// restricted part, which can be erased.
    Directory {
        /// Its leaf in the directory log.
        leaf: u64,
        /// Its index in the relay's journal.
        index: Index,
        /// The event, exactly as the log commits to it.
        event: Vec<u8>,
    },
    /// An officer has prepared what hands data over; it waits for a second one. The body beside it
    /// is the form.
    Held {
        /// The id that the statement will have.
        message: MessageId,
        /// The first officer.
        officer: Name,
        /// The request.
        request: RequestId,
        /// The act: the bytes of [`act_to_bytes`](crate::envelope::act_to_bytes).
        act: Vec<u8>,
        /// Hash over what the officer asked for, so that a repeat is told from a conflict.
        intent: Hash,
    },
    /// What waited for a second officer will not be said.
    Declined {
        /// The statement that was to be.
        message: MessageId,
        /// Who says so: a second officer, or the first, who takes it back.
        officer: Name,
        /// Why.
        reason: String,
    },
    /// That a record is in the relay's log, which was found to hold.
    Proof {
        /// The record's index in the relay's journal, as the relay named it.
        index: Index,
        /// Hash of its leaf: what is proven.
        leaf: Hash,
        /// A C2SP tlog-proof that can be checked alone.
        proof: String,
    },
    /// A receipt or a proof that proves nothing. What the relay gave stands beside it, byte for
    /// byte: a `detente.desk.v1.Receipt`, or a `detente.log.v1.GetProofResponse`.
    BadReceipt {
        /// The record that it was to prove, as the relay named it.
        index: Index,
        /// The statement of ours that was submitted; none when a proof was asked for.
        message: Option<MessageId>,
        /// Stable code.
        code: String,
        /// What was found, in words.
        why: String,
    },
    /// Something about how this desk monitors the directory.
    Monitored(Monitored),
    /// Something about what can be shown to others.
    Evidential(Evidential),
}

/// What a desk notes about what it can show, or has shown, to those who are no party.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Evidential {
    /// The salt that opens the commitment to a body stands beside this record: with it the body
    /// can be disclosed.
    Salt {
        /// The desk that wrote the statement.
        from: DeskId,
        /// The statement.
        message: MessageId,
    },
    /// That a record is in the relay's log as a quorum of witnesses has seen it: from here on in
    /// place of the proof to a head that the log alone has signed.
    Witnessed {
        /// The record's index in the relay's journal, as the relay named it.
        index: Index,
        /// Hash of its leaf: what is proven.
        leaf: Hash,
        /// A C2SP tlog-proof that can be checked alone, its head cosigned.
        proof: String,
    },
    /// A bundle of evidence was made for an officer.
    Made {
        /// The request.
        request: RequestId,
        /// The officer.
        officer: Name,
        /// SHA-256 of the bundle.
        sha256: Hash,
        /// The statements whose bodies it discloses, with the desks that wrote them.
        bodies: Vec<(DeskId, MessageId)>,
    },
}

/// What a desk notes when it monitors the directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Monitored {
    /// The first leaves of the directory log, as they came, are what the witnesses have seen.
    Witnessed {
        /// How many.
        leaves: u64,
    },
    /// An entry of our own nation is published from this desk; noted before it is sent for the
    /// first time.
    Publishing {
        /// Its hash.
        hash: Hash,
    },
    /// An entry that was not published from this desk was dealt with.
    Settled {
        /// Its version.
        version: u64,
        /// Who says so.
        officer: Name,
        /// In words.
        words: String,
    },
    /// Somebody has shown us a proof of an event that the relay has not sent us, or not so.
    Shown(Box<Shown>),
    /// An alarm about the relay's conduct was dealt with.
    Dealt {
        /// Its id.
        id: String,
        /// Who says so.
        officer: Name,
        /// In words.
        words: String,
    },
}

/// A proof that was shown to us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shown {
    /// The desk whose pair the event is numbered in.
    pub from: DeskId,
    /// The other desk.
    pub to: DeskId,
    /// The event's number in the pair.
    pub number: u64,
    /// Record time.
    pub time: Timestamp,
    /// Its leaf in the traffic log.
    pub leaf: u64,
    /// The relay's record that came under that number instead, if one did.
    pub other: Option<Index>,
    /// The C2SP tlog-proof, as it was shown.
    pub proof: String,
}

impl Record {
    /// True when this was received, confirmed or followed from what a [`Record::RelayRestored`]
    /// gives up.
    pub(super) fn is_lost(&self, from: DeskIndex, index: Index) -> bool {
        if let Self::Received(received) = self {
            received.desk_index >= from
        } else if let Self::Confirmed { index: confirmed, .. } = self {
            *confirmed >= index
        } else if let Self::Directory { index: published, .. } = self {
            *published >= index
        } else if let Self::Proof { index: proven, .. } = self {
            *proven >= index
        } else if let Self::Evidential(Evidential::Witnessed { index: proven, .. }) = self {
            *proven >= index
        } else if let Self::Monitored(Monitored::Witnessed { .. }) = self {
            // It may have been of entries that are lost; what stands is found again.
            true
        } else {
            false
        }
    }
}

/// Why a statement will never be recorded, in the relay's words or in our own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Stable code, as "R-104".
    pub code: String,
    /// Stable reason, as "NO_COMMON_INSTRUMENT".
    pub reason: String,
    /// The cause, in a sentence.
    pub cause: String,
    /// What to do next, in a sentence.
    pub next: String,
}

/// A record of our own sequence, verbatim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Received {
    /// Its number in our sequence.
    pub desk_index: DeskIndex,
    /// Its index in the relay's journal.
    pub index: Index,
    /// Serialized `detente.journal.v1.Event`.
    pub event: Vec<u8>,
    /// Header of the statement; empty when the event records none.
    pub header: Vec<u8>,
    /// Its signatures.
    pub signatures: Vec<Mark>,
    /// The leaf that commits to the event.
    pub leaf: Leaf,
    /// What we found when we checked it. Kept, so that a replay never judges differently.
    pub verdict: Verdict,
}

/// A signature, as kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// Id of the key.
    pub key_id: Hash,
    /// Algorithm byte, as in `detente.envelope.v1.SignatureAlgorithm`.
    pub algorithm: u8,
    /// The signature.
    pub bytes: Vec<u8>,
}

/// Place and opening of a leaf, as kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Leaf {
    /// "directory" or "traffic".
    pub log: String,
    /// Its index there.
    pub index: u64,
    /// What opens its commitment; none for a plain leaf.
    pub opening: Option<[u8; 32]>,
}

/// What a check of a received record found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Verdict {
    /// Nothing wrong.
    Good,
    /// The statement must not be acted on.
    Rejected {
        /// What the sender is told.
        rejection: Rejection,
        /// What the officer is told.
        why: String,
    },
    /// The record is not what a relay may send. It is kept, and changes nothing.
    Foul(String),
}

impl Note {
    /// The bytes of the record, in the clear and without the body.
    pub(super) fn encode(&self) -> Vec<u8> {
        let start = vec![VERSION];
        postcard::to_extend(&(self.at, &self.record), start)
            .expect("memory takes every record, and every record has an encoding")
    }

    /// The record in these bytes, with the body that stood beside it.
    ///
    /// # Errors
    /// When they are of another version, or not a record.
    pub(super) fn decode(bytes: &[u8], body: Vec<u8>) -> Result<Self, Unreadable> {
        let [VERSION, rest @ ..] = bytes else {
            let found = bytes.first().map_or_else(|| "nothing".to_owned(), u8::to_string);
            return Err(Unreadable::new(
                "desk record",
                format!("version {found} where {VERSION} belongs"),
            ));
        };
        let (at, record) = postcard::from_bytes(rest)
            .map_err(|error| Unreadable::new("desk record", error.to_string()))?;
        Ok(Self { at, record, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_what_it_wrote() {
        let note = Note {
            at: Timestamp(5),
            record: Record::Retrieved {
                from: "RO/cyber".parse().unwrap(),
                message: MessageId([3; 16]),
                officer: "duty".parse().unwrap(),
            },
            body: vec![1, 2],
        };
        let bytes = note.encode();
        assert_eq!(Note::decode(&bytes, vec![1, 2]).unwrap(), note);
        for cut in 0..bytes.len() {
            assert!(Note::decode(&bytes[..cut], vec![]).is_err(), "{cut}");
        }
        let mut other = bytes.clone();
        other[0] = 2;
        assert!(Note::decode(&other, vec![]).is_err());
    }
}
