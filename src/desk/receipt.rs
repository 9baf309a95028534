//! Receipts: whether what the relay gives proves that a record is in its log, and what becomes of
//! it when it does not.
//!
//! Not for fetching them (see `grpc/uplink.rs` and `grpc/uplink_proofs.rs`). The relay is believed
//! in nothing: the event is the desk's own statement, byte for byte what its leaf commits to, the
//! proof leads from that leaf to the root of the head, and the head is signed with a key of the log
//! that counts (see `log_keys.rs`). Then the receipt is kept, as a C2SP tlog-proof that can be
//! checked alone: its `extra` line is the opening of the leaf, 32 bytes in the traffic log, and the
//! event.
//!
//! | code | reason | meaning |
//! |---|---|---|
//! | D-311 | `RECEIPT_ABSENT` | the relay answered without a receipt |
//! | D-312 | `RECEIPT_UNREADABLE` | what it gave is no receipt |
//! | D-313 | `RECEIPT_OF_ANOTHER_EVENT` | it is of something else than what was said |
//! | D-314 | `RECEIPT_NOT_SIGNED` | its head is not signed by a key of the log that counts |
//! | D-315 | `RECEIPT_NOT_INCLUDED` | its proof does not lead from the leaf to the head |
//! | D-316 | `RECEIPT_CONTRADICTS` | it names a record that is proven to be another |
//!
//! Each is an alarm, and what was given is kept as evidence. The statement is then not taken for
//! recorded; it stays in the outbox and is sent again until a receipt holds.

use super::case_file::CaseFile;
use super::error::Error;
use super::record::{Evidential, Record};
use super::store::Scratch;
use super::{Desk, off_the_workers};
use crate::codec::{self, Leaf, Log};
use crate::envelope::Envelope;
use crate::rules::event::Kind;
use crate::tlog::proof::check_inclusion;
use crate::tlog::{Checkpoint, LogProof, Note, Policy, leaf_hash};
use crate::units::{Hash, Index, MessageId, RequestId, Timestamp};

/// A receipt as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The leaf, with what opens it.
    pub leaf: Leaf,
    /// The inclusion proof, sibling of the leaf first.
    pub hashes: Vec<Hash>,
    /// The head that it leads to, as a signed note.
    pub checkpoint: String,
    /// The event that the leaf commits to.
    pub event: Vec<u8>,
}

/// The relay's answer to a statement of ours, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The record that it names.
    pub index: Index,
    /// Record time.
    pub time: Timestamp,
    /// The receipt; or why what was given is none.
    pub receipt: Result<Receipt, BadReceipt>,
    /// What was given as a receipt, byte for byte, for evidence.
    pub raw: Vec<u8>,
}

/// A proof of a record that we hold, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenProof {
    /// The record's index in the relay's journal.
    pub index: Index,
    /// Where we hold it in our own journal.
    pub place: Index,
    /// The inclusion proof and the signed note of the head that it leads to; or why what was given
    /// is none.
    pub proof: Result<(Vec<Hash>, String), BadReceipt>,
    /// What was given, byte for byte, for evidence.
    pub raw: Vec<u8>,
}

/// A proof that is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptProof {
    /// The record's index in the relay's journal.
    pub index: Index,
    /// A C2SP tlog-proof that can be checked alone.
    pub proof: String,
    /// Its head has the quorum of witnesses that this desk asks for, if it asks for any.
    pub witnessed: bool,
}

/// Why a receipt proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code} {reason}: {why}")]
pub struct BadReceipt {
    /// Stable code.
    pub code: &'static str,
    /// Stable reason.
    pub reason: &'static str,
    /// What was found, in words.
    pub why: String,
}

impl BadReceipt {
    /// There is none.
    pub fn absent() -> Self {
        let why = "the relay says that a statement is recorded and gives no receipt".to_owned();
        Self { code: "D-311", reason: "RECEIPT_ABSENT", why }
    }

    /// It cannot be read.
    pub fn unreadable(why: impl ToString) -> Self {
        Self { code: "D-312", reason: "RECEIPT_UNREADABLE", why: why.to_string() }
    }

    fn of_another(why: impl ToString) -> Self {
        Self { code: "D-313", reason: "RECEIPT_OF_ANOTHER_EVENT", why: why.to_string() }
    }

    fn not_signed(why: impl ToString) -> Self {
        Self { code: "D-314", reason: "RECEIPT_NOT_SIGNED", why: why.to_string() }
    }

    fn not_included(why: impl ToString) -> Self {
        Self { code: "D-315", reason: "RECEIPT_NOT_INCLUDED", why: why.to_string() }
    }

    fn contradicts(index: Index) -> Self {
        let why = format!("record {index} of the relay is proven to be another already");
        Self { code: "D-316", reason: "RECEIPT_CONTRADICTS", why }
    }
}

/// A proof that holds.
pub(super) struct Checked {
    /// Hash of the leaf.
    leaf: Hash,
    proof: LogProof,
    /// Its head has the quorum of witnesses.
    witnessed: bool,
}

/// Checks the receipt for a statement of ours.
fn check_statement(
    file: &CaseFile,
    envelope: &Envelope,
    answer: &Answer,
) -> Result<Checked, BadReceipt> {
    let receipt = answer.receipt.as_ref().map_err(BadReceipt::clone)?;
    let decoded = codec::decode_event(&receipt.event, &envelope.header)
        .map_err(|corrupt| BadReceipt::of_another(format!("the event: {corrupt}")))?;
    let own = &envelope.statement;
    match &decoded.event.kind {
        Kind::Accepted(said) if said.header == own.header && said.message == own.message => {}
        Kind::Accepted(_)
        | Kind::Founded(_)
        | Kind::EmbargoEnded(_)
        | Kind::Offered { .. }
        | Kind::OfferFailed { .. }
        | Kind::HandedOver { .. }
        | Kind::PreservationExpired { .. }
        | Kind::BodyErased { .. }
        | Kind::TailTruncated { .. }
        | Kind::ClockStepped { .. }
        | Kind::ClockConfirmed { .. }
        | Kind::Padded
        | Kind::EntryPublished(_)
        | Kind::LogKeyAnnounced(_) => {
            let why = format!("the event is not the acceptance of {}", own.message);
            return Err(BadReceipt::of_another(why));
        }
    }
    if decoded.time != answer.time {
        let why = format!("the event is of {}, the answer of {}", decoded.time, answer.time);
        return Err(BadReceipt::of_another(why));
    }
    let Receipt { leaf, hashes, checkpoint, event } = receipt;
    check(file, (answer.index, leaf, event), hashes, checkpoint)
}

/// Proves that the leaf of an event, which is a record's, is in its log, as the log has signed it.
fn check(
    file: &CaseFile,
    (index, leaf, event): (Index, &Leaf, &[u8]),
    hashes: &[Hash],
    checkpoint: &str,
) -> Result<Checked, BadReceipt> {
    let checked = check_leaf(file, (leaf, event), hashes, checkpoint)?;
    if file.proofs().leaf(index).is_some_and(|known| known != checked.leaf) {
        return Err(BadReceipt::contradicts(index));
    }
    Ok(checked)
}

/// The same of a leaf of which it is not known whose record it is.
pub(super) fn check_leaf(
    file: &CaseFile,
    (leaf, event): (&Leaf, &[u8]),
    hashes: &[Hash],
    checkpoint: &str,
) -> Result<Checked, BadReceipt> {
    let log = leaf.log;
    if leaf.opening.is_none() != (log == Log::Directory) {
        return Err(BadReceipt::unreadable("its leaf is not opened as its log opens leaves"));
    }
    let keys = file.log_keys(log.as_str());
    let key =
        keys.first().ok_or_else(|| BadReceipt::not_signed("the genesis has no key of this log"))?;
    let note: Note = checkpoint.parse().map_err(BadReceipt::unreadable)?;
    let head: Checkpoint = note.text().parse().map_err(BadReceipt::unreadable)?;
    if head.origin() != key.name().as_str() {
        let why = format!("its head is of {:?}, not of {}", head.origin(), key.name());
        return Err(BadReceipt::not_signed(why));
    }
    note.verify(&keys).map_err(BadReceipt::not_signed)?;
    let hash = leaf_hash(&leaf.data(event));
    check_inclusion(&hash, leaf.index, head.size(), &head.root(), hashes)
        .map_err(BadReceipt::not_included)?;
    let opening = leaf.opening.as_ref().map_or(&[][..], |opening| opening);
    let proof = LogProof {
        extra: Some([opening, event].concat()),
        index: leaf.index,
        hashes: hashes.to_vec(),
        // What others may have added to the note is not ours to vouch for.
        checkpoint: note.with_only(|line| keys.iter().any(|key| line.is_by(key))),
    };
    Ok(Checked { leaf: hash, proof, witnessed: false })
}

impl Checked {
    /// The same to the head as it came, if that has the quorum of witnesses.
    fn with_witnesses(mut self, policy: &Policy, checkpoint: &str) -> Self {
        let Ok(note) = checkpoint.parse::<Note>() else { return self };
        if policy.witnesses().next().is_none() || policy.check(&note).is_err() {
            return self;
        }
        let logs = policy.logs().iter().map(|log| log.key.clone());
        let keys: Vec<_> = logs.chain(policy.witnesses().map(|one| one.key.clone())).collect();
        self.proof.checkpoint = note.with_only(|line| keys.iter().any(|key| line.is_by(key)));
        self.witnessed = true;
        self
    }
}

impl Desk {
    /// Notes that the relay has a statement of ours on its disk, if its receipt holds. False, and
    /// an alarm, when it does not: then nothing is noted but the evidence.
    ///
    /// # Errors
    /// When the disk is full or failed.
    pub async fn note_confirmed(&self, envelope: &Envelope, answer: Answer) -> Result<bool, Error> {
        let message = envelope.statement.message;
        let Answer { index, time, .. } = answer;
        let bad = match check_statement(&self.file(), envelope, &answer) {
            Ok(checked) => {
                self.see_note(&checked.proof.checkpoint);
                let decide = move |scratch: &mut Scratch| {
                    confirm(scratch, message, (index, time), &checked);
                    Ok(())
                };
                return self.inner.store.write(decide).await.map(|()| true);
            }
            Err(bad) => bad,
        };
        let (code, why, raw) = (bad.code, bad.why.clone(), answer.raw);
        let decide = move |scratch: &mut Scratch| {
            let news = !scratch.file().proofs().is_disputed(message, code);
            if news {
                let code = code.to_owned();
                let message = Some(message);
                scratch.note(Record::BadReceipt { index, message, code, why }, raw);
            }
            Ok(news)
        };
        if self.inner.store.write(decide).await? {
            self.alarm(&format!("{bad}; statement {message} is not taken for recorded"));
        } else {
            tracing::warn!(%message, %bad, "a receipt does not hold again");
        }
        Ok(false)
    }

    /// Checks proofs of records that we hold, and keeps those that hold. What does not is an alarm,
    /// once.
    ///
    /// # Errors
    /// When the disk is full or failed: nothing is kept.
    pub async fn take_proofs(&self, given: Vec<GivenProof>) -> Result<(), Error> {
        let desk = self.clone();
        let checked = off_the_workers(move || {
            given.into_iter().map(|given| Ok((desk.check_given(&given)?, given))).collect()
        })
        .await?;
        let decide = move |scratch: &mut Scratch| Ok(keep(scratch, checked));
        for alarm in self.inner.store.write(decide).await? {
            self.alarm(&alarm);
        }
        Ok(())
    }

    fn check_given(&self, given: &GivenProof) -> Result<Result<Checked, BadReceipt>, Error> {
        let (index, leaf, event) = self.to_prove_blocking(given.place)?;
        Ok(given.proof.as_ref().map_err(BadReceipt::clone).and_then(|(hashes, checkpoint)| {
            let checked = check(&self.file(), (index, &leaf, &event), hashes, checkpoint)?;
            self.see_note(&checked.proof.checkpoint);
            Ok(checked.with_witnesses(&self.policy(), checkpoint))
        }))
    }

    /// The proof that is kept at this place in our own journal. Blocks.
    pub(super) fn kept_proof_blocking(&self, place: Index) -> Result<String, Error> {
        let record = self.inner.store.read(place)?.record;
        if let Record::Proof { proof, .. } = record {
            Ok(proof)
        } else if let Record::Evidential(Evidential::Witnessed { proof, .. }) = record {
            Ok(proof)
        } else {
            Err(Error::Fault("there is no proof at this place".to_owned()))
        }
    }

    /// The proofs of the records about a request that are here, with their index in the relay's
    /// journal, oldest first; and how many records have none yet.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn proofs_of(&self, request: RequestId) -> Result<(Vec<KeptProof>, usize), Error> {
        let desk = self.clone();
        off_the_workers(move || {
            let file = desk.file();
            let asks = desk.policy().witnesses().next().is_some();
            let (mut found, mut missing) = (Vec::new(), 0);
            for index in file.records_of(request) {
                let Some(place) = file.proofs().place(index) else {
                    missing += 1;
                    continue;
                };
                let proof = desk.kept_proof_blocking(place)?;
                found.push(KeptProof {
                    index,
                    proof,
                    witnessed: !asks || file.proofs().is_witnessed(index),
                });
            }
            Ok((found, missing))
        })
        .await
    }
}

/// What the relay gave and what proves nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// When, by the desk's clock.
    pub at: Timestamp,
    /// The record that it was to prove, as the relay named it.
    pub index: Index,
    /// The statement of ours that it was to be a receipt for; none when a proof was asked for.
    pub message: Option<MessageId>,
    /// Stable code.
    pub code: String,
    /// What was found, in words.
    pub why: String,
    /// What was given, byte for byte: a `detente.desk.v1.Receipt` where there is a message, else a
    /// `detente.log.v1.GetProofResponse`.
    pub given: Vec<u8>,
}

impl Desk {
    /// What the relay gave about a request and what proves nothing, oldest first.
    ///
    /// # Errors
    /// When the disk fails.
    pub async fn evidence_of(&self, request: RequestId) -> Result<Vec<Evidence>, Error> {
        let desk = self.clone();
        off_the_workers(move || {
            let mut found = Vec::new();
            for place in desk.file().evidence_of(request) {
                let note = desk.inner.store.read(place)?;
                if let Record::BadReceipt { index, message, code, why } = note.record {
                    let (at, given) = (note.at, note.body);
                    found.push(Evidence { at, index, message, code, why, given });
                }
            }
            Ok(found)
        })
        .await
    }
}

/// Notes that a statement of ours is recorded, and its proof.
fn confirm(
    scratch: &mut Scratch,
    message: MessageId,
    (index, time): (Index, Timestamp),
    checked: &Checked,
) {
    let held = scratch.file().own_statement(message);
    if held.is_some_and(|held| held.recorded.is_none()) {
        scratch.note(Record::Confirmed { message, index, time }, Vec::new());
    }
    note_proof(scratch, index, checked);
}

fn note_proof(scratch: &mut Scratch, index: Index, checked: &Checked) {
    let Checked { leaf, proof, witnessed } = checked;
    if *witnessed {
        if !scratch.file().proofs().is_witnessed(index) {
            let (leaf, proof) = (*leaf, proof.to_string());
            scratch
                .note(Record::Evidential(Evidential::Witnessed { index, leaf, proof }), Vec::new());
        }
    } else if scratch.file().proofs().place(index).is_none() {
        let record = Record::Proof { index, leaf: *leaf, proof: proof.to_string() };
        scratch.note(record, Vec::new());
    }
}

/// Keeps what holds; of what does not, the evidence, and says so the first time.
fn keep(
    scratch: &mut Scratch,
    checked: Vec<(Result<Checked, BadReceipt>, GivenProof)>,
) -> Vec<String> {
    let mut alarms = Vec::new();
    for (outcome, GivenProof { index, raw, .. }) in checked {
        match outcome {
            Ok(checked) => note_proof(scratch, index, &checked),
            Err(bad) if scratch.file().proofs().is_unproven_because(index, bad.code) => {}
            Err(bad) => {
                alarms.push(format!("{bad}; record {index} of the relay is not proven"));
                let (code, why) = (bad.code.to_owned(), bad.why);
                scratch.note(Record::BadReceipt { index, message: None, code, why }, raw);
            }
        }
    }
    alarms
}
