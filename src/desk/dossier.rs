//! Evidence about a request for those who are no party to it: everything that this desk holds of
//! it, in one file that proves itself.
//!
//! Not for what that file is or proves (see `evidence/`). A body is in it only where the officer
//! says so, and that it was made is on this desk's disk before anybody gets it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::case::{Entry, Form, Held, Key, OwnEntry};
use super::case_file::CaseFile;
use super::error::{Error, Local};
use super::record::{Evidential, Mark, Note, Received, Record};
use super::store::Scratch;
use super::{Desk, act, off_the_workers};
use crate::codec::{self, Log};
use crate::envelope::genesis::{LogKey, log_key};
use crate::envelope::words::Rejection;
use crate::envelope::{Algorithm, Signature, Statement};
use crate::evidence::{self, Bundle, Disclosed};
use crate::tlog::note::SignatureLine;
use crate::tlog::{LogProof, Policy};
use crate::units::{Hash, Index, MessageId, Name, RequestId, Unreadable};

/// What is to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Showing {
    /// The request.
    pub request: RequestId,
    /// The officer who has it made.
    pub officer: Name,
    /// The bodies that are disclosed.
    pub bodies: Bodies,
}

/// Which bodies are disclosed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bodies {
    /// None: every body stays hidden, and the rest verifies all the same.
    Hidden,
    /// Every one that this desk has in the clear.
    All,
    /// Those of these statements.
    Of(Vec<MessageId>),
}

/// A bundle of evidence, and what there is to say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dossier {
    /// The file.
    pub bytes: Vec<u8>,
    /// Its SHA-256.
    pub sha256: Hash,
    /// Records in it, entries and announced keys of the directory among them.
    pub records: usize,
    /// Statements whose bodies it discloses.
    pub disclosed: Vec<MessageId>,
    /// Statements whose bodies were asked for with all others and cannot be disclosed, and why.
    pub undisclosed: Vec<(MessageId, String)>,
    /// Records that no quorum of witnesses has seen yet, by their index at the relay.
    pub unwitnessed: Vec<Index>,
    /// Records that were left out: what is said to be signed in them is not.
    pub left_out: Vec<Index>,
}

/// A record and what it brings to a bundle.
struct Part {
    index: Index,
    record: evidence::Record,
}

impl Desk {
    /// Makes the bundle of evidence about a request, and notes that it was made. The same request
    /// with the same bodies, records and proofs is always the same bytes.
    ///
    /// # Errors
    /// When the request is unknown here, a record has no proof yet, a body that is asked for by
    /// name cannot be disclosed, what is held proves nothing, or the disk is full or failed.
    pub async fn show(&self, showing: Showing) -> Result<Dossier, Error> {
        let (desk, asked) = (self.clone(), showing.clone());
        let dossier = off_the_workers(move || desk.dossier(&asked)).await?;
        let Showing { request, officer, .. } = showing;
        let (sha256, disclosed) = (dossier.sha256, dossier.disclosed.clone());
        let decide = move |scratch: &mut Scratch| {
            let mut bodies = Vec::new();
            for held in scratch.file().statements_of(request) {
                let Statement { from, message, .. } = &held.statement;
                if disclosed.contains(message) {
                    bodies.push((from.clone(), *message));
                }
            }
            let shown = Evidential::Made { request, officer, sha256, bodies };
            scratch.note(Record::Evidential(shown), Vec::new());
            Ok(())
        };
        self.inner.store.write(decide).await?;
        Ok(dossier)
    }

    fn dossier(&self, showing: &Showing) -> Result<Dossier, Error> {
        let file = self.file();
        let request = showing.request;
        let case = file.case(request).ok_or(Local::UnknownRequest(request))?;
        let wanted = file.evidence_needs(request);
        let missing: Vec<Index> =
            wanted.keys().copied().filter(|index| file.proofs().place(*index).is_none()).collect();
        if !missing.is_empty() {
            return Err(Local::ProofsMissing(missing).into());
        }
        if let Bodies::Of(messages) = &showing.bodies {
            let known = |message: &&MessageId| {
                let mut keys = case.entries.iter();
                !keys.any(|entry| matches!(entry, Entry::Statement((_, id)) if id == *message))
            };
            if let Some(stranger) = messages.iter().find(known) {
                let why = "it is no statement about this request".to_owned();
                return Err(Local::NotDisclosable { message: *stranger, why }.into());
            }
        }
        let (mut parts, mut disclosed, mut undisclosed) = (Vec::new(), Vec::new(), Vec::new());
        let mut left_out = Vec::new();
        for (index, held) in &wanted {
            let forged = |held: &&Arc<Held>| {
                held.rejected.as_ref().is_some_and(|(why, _)| *why == Rejection::NotIdentified)
            };
            if held.as_ref().is_some_and(|held| forged(&held)) {
                left_out.push(*index);
                continue;
            }
            let mut part = self.part(&file, *index, held.as_deref())?;
            if let Some(held) = held.as_deref()
                && let Some(body) = self.body(&file, showing, held, &mut undisclosed)?
            {
                disclosed.push(held.statement.message);
                part.record.body = Some(body);
            }
            parts.push(part);
        }
        self.add_announcements(&file, &mut parts)?;
        let (policy, unwitnessed) = shown_policy(&self.policy(), &parts);
        let genesis = self.signed_genesis(&file)?;
        let records: Vec<_> = parts.into_iter().map(|part| part.record).collect();
        let count = records.len();
        let bytes = evidence::render(&Bundle { genesis, policy, records })
            .map_err(|fault| Local::EvidenceUnproven(fault.to_string()))?;
        Ok(Dossier {
            sha256: Hash::of(&[&bytes]),
            bytes,
            records: count,
            disclosed,
            undisclosed,
            unwitnessed,
            left_out,
        })
    }

    /// Adds the records that announce the logs' keys, as far as heads of these records bear none
    /// that is known without them.
    fn add_announcements(&self, file: &CaseFile, parts: &mut Vec<Part>) -> Result<(), Error> {
        let Some(network) = file.directory().network() else { return Ok(()) };
        let named = |key: &LogKey| log_key(&network.name, key);
        let mut keys: Vec<_> = file.founding_log_keys().filter_map(named).collect();
        for new in file.contacts().announced_keys() {
            let is_known = |line: &SignatureLine| keys.iter().any(|key| line.is_by(key));
            let mut heads = parts.iter().map(|part| &part.record.proof.checkpoint);
            if heads.all(|head| head.lines().iter().any(is_known)) {
                break;
            }
            if file.proofs().place(new.index).is_none() {
                return Err(Local::ProofsMissing(vec![new.index]).into());
            }
            parts.push(self.part(file, new.index, None)?);
            keys.extend(named(&new.key));
        }
        parts.sort_by_key(|part| part.index);
        Ok(())
    }

    /// What a record brings, without a body.
    fn part(&self, file: &CaseFile, index: Index, held: Option<&Held>) -> Result<Part, Error> {
        let fault = |why: &str| Error::Fault(format!("record {index} of the relay: {why}"));
        let place = file.proofs().place(index).ok_or_else(|| fault("its proof is gone"))?;
        let proof = self.kept_proof_blocking(place)?;
        let proof: LogProof = proof.parse().map_err(|bad: Unreadable| fault(&bad.to_string()))?;
        let extra = proof.extra.as_deref().unwrap_or_default();
        let (opening, event) = if is_of(&proof, Log::Directory) {
            (None, extra)
        } else {
            let (opening, event) =
                extra.split_first_chunk().ok_or_else(|| fault("its proof opens no leaf"))?;
            (Some(*opening), event)
        };
        let event = event.to_vec();
        let (header, signatures) = self.said(file, index, held)?;
        let proof = LogProof { extra: None, ..proof };
        let record = evidence::Record { event, opening, proof, header, signatures, body: None };
        Ok(Part { index, record })
    }

    /// Header and signatures of what was said in a record; empty where nothing was.
    fn said(
        &self,
        file: &CaseFile,
        index: Index,
        held: Option<&Held>,
    ) -> Result<(Vec<u8>, Vec<Signature>), Error> {
        if let Some(held) = held.filter(|held| held.ours) {
            let note = self.inner.store.read(held.place)?;
            if let Record::Prepared { .. } = note.record {
                let envelope = act::parse_prepared(&note.record)?;
                return Ok((envelope.header, envelope.signatures));
            }
        }
        let Some(place) = file.proofs().record_place(index) else {
            return Ok((Vec::new(), Vec::new()));
        };
        let Record::Received(received) = self.inner.store.read(place)?.record else {
            return Ok((Vec::new(), Vec::new()));
        };
        let Received { header, signatures, .. } = *received;
        let signature = |mark: Mark| {
            let algorithm = Algorithm::parse(i32::from(mark.algorithm)).map_err(Error::Fault)?;
            Ok(Signature { key_id: mark.key_id, algorithm, bytes: mark.bytes })
        };
        let signatures: Result<_, Error> = signatures.into_iter().map(signature).collect();
        Ok((header, signatures?))
    }

    /// The body of a statement, where it is to be disclosed and can be.
    fn body(
        &self,
        file: &CaseFile,
        showing: &Showing,
        held: &Held,
        undisclosed: &mut Vec<(MessageId, String)>,
    ) -> Result<Option<Disclosed>, Error> {
        let message = held.statement.message;
        let by_name = match &showing.bodies {
            Bodies::Hidden => return Ok(None),
            Bodies::All if held.statement.act.is_machine() => return Ok(None),
            Bodies::All => false,
            Bodies::Of(messages) if messages.contains(&message) => true,
            Bodies::Of(_) => return Ok(None),
        };
        let why = match self.disclosable(file, showing.request, held)? {
            Ok(body) => return Ok(Some(body)),
            Err(why) if by_name => return Err(Local::NotDisclosable { message, why }.into()),
            Err(why) => why,
        };
        undisclosed.push((message, why));
        Ok(None)
    }

    /// The body of a statement with its salt; or, in words, why it cannot be disclosed.
    fn disclosable(
        &self,
        file: &CaseFile,
        request: RequestId,
        held: &Held,
    ) -> Result<Result<Disclosed, String>, Error> {
        let words = |why: &str| Ok(Err(why.to_owned()));
        let place = match &held.form {
            Form::None => return words("a machine said it, and it has no body"),
            Form::Sealed => return words("the relay has not handed its body over yet"),
            Form::Erased => {
                let by = held.recorded.and_then(|(index, _)| file.erased_by(request, index));
                let by = by.map_or_else(String::new, |by| format!(" by record {by}"));
                return Ok(Err(format!("its body was erased at the relay{by} before it came")));
            }
            Form::Broken { .. } => return words("its body could not be opened as a form"),
            Form::Here(place) => *place,
        };
        let Some(salt) = held.salt else {
            return words("what opens its commitment was not kept when it was made");
        };
        let (body, salt) = (self.inner.store.read(place)?.body, self.inner.store.read(salt)?.body);
        let salt = <[u8; 32]>::try_from(salt).map_err(|_| {
            Error::Fault(format!("the salt of {} is damaged", held.statement.message))
        })?;
        Ok(Ok(Disclosed { salt, body }))
    }

    /// The genesis as it was signed: the first record of the relay.
    fn signed_genesis(&self, file: &CaseFile) -> Result<Vec<u8>, Error> {
        let missing = || Local::ProofsMissing(vec![Index(0)]);
        let place = file.proofs().record_place(Index(0)).ok_or_else(missing)?;
        let (_, _, event) = self.to_prove_blocking(place)?;
        let genesis = codec::decode_genesis(&event).map_err(|bad| Error::Fault(bad.to_string()))?;
        genesis.ok_or_else(|| Error::Fault("the relay's first record is no genesis".to_owned()))
    }
}

/// The policy that goes into a bundle, and the records that have not its quorum. Where there are
/// any, the witnesses are named and no quorum is asked for: the report says who has seen what.
fn shown_policy(policy: &Policy, parts: &[Part]) -> (Option<String>, Vec<Index>) {
    if policy.witnesses().next().is_none() {
        return (None, Vec::new());
    }
    let fails = |policy: &Policy| {
        let unmet = |part: &&Part| policy.check(&part.record.proof.checkpoint).is_err();
        parts.iter().filter(unmet).map(|part| part.index).collect::<Vec<_>>()
    };
    let unwitnessed = fails(policy);
    if unwitnessed.is_empty() {
        return (Some(policy.to_string()), unwitnessed);
    }
    let lenient = policy.without_quorum();
    let named = fails(&lenient).is_empty().then(|| lenient.to_string());
    (named, unwitnessed)
}

/// True of a proof in this log.
fn is_of(proof: &LogProof, log: Log) -> bool {
    proof.checkpoint.text().lines().next().and_then(Log::of_origin) == Some(log)
}

impl CaseFile {
    /// The records that evidence about a request needs, by their index at the relay, with the
    /// statements that they record: those about it, and the entries of both nations that came
    /// before, whose keys may have signed.
    fn evidence_needs(&self, request: RequestId) -> BTreeMap<Index, Option<Arc<Held>>> {
        let mut needs: BTreeMap<Index, Option<Arc<Held>>> =
            self.records_of(request).into_iter().map(|index| (index, None)).collect();
        for held in self.statements_of(request) {
            if let Some((index, _)) = held.recorded {
                needs.insert(index, Some(held));
            }
        }
        let last = needs.keys().next_back().copied();
        let Some((case, last)) = self.case(request).zip(last) else { return needs };
        for member in [case.from.member, case.to.member] {
            let Some(contact) = self.contacts().member(member) else { continue };
            let versions = contact.versions.iter().filter(|version| version.place.is_some());
            let before = versions.filter(|version| version.index < last);
            needs.extend(before.map(|version| (version.index, None)));
        }
        needs
    }

    /// The record that erased the body of another, if one did.
    fn erased_by(&self, request: RequestId, index: Index) -> Option<Index> {
        let facts = format!("record={index} ");
        self.case(request)?.entries.iter().find_map(|entry| match entry {
            Entry::Relay(entry)
                if entry.what == "BODY_ERASED" && entry.facts.starts_with(&facts) =>
            {
                Some(entry.index)
            }
            Entry::Relay(_) | Entry::Statement(_) | Entry::Own(_) => None,
        })
    }

    /// Notes what can be, or was, shown to others.
    pub(super) fn note_evidential(&mut self, place: Index, note: &Note, what: &Evidential) {
        match what {
            Evidential::Salt { from, message } => {
                let key: Key = (from.clone(), *message);
                self.change(&key, |held| held.salt = Some(place));
            }
            Evidential::Witnessed { index, leaf, .. } => {
                self.proofs.witnessed(*index, place, *leaf);
            }
            Evidential::Made { request, officer, sha256, bodies } => {
                let Some(first) = self.case(*request).map(|case| case.first.1) else { return };
                let entry = OwnEntry {
                    at: note.at,
                    officer: officer.clone(),
                    what: "EVIDENCE_MADE",
                    facts: format!("sha256={sha256} bodies={}", bodies.len()),
                    message: first,
                };
                self.add_own(*request, Entry::Own(Arc::new(entry)));
            }
        }
    }
}
