//! A maker of lawful records: a small network whose desks do what the rules allow.
//!
//! Not a relay: no threads, no disk, a clock that only moves when told. Its journal keeps in
//! memory what the file journal would.

use std::collections::BTreeMap;

use detente::codec::{
    Head, Heads, Leaf, Log, Record, decode_record, encode_body, encode_event, encode_record,
    encode_trailer,
};
use detente::envelope::entry::{
    self, DeskRestricted, Entry, Restricted, Signed, of_founding, restricted,
};
use detente::envelope::genesis::{
    self, EncryptionKey, FoundingDesk, FoundingMember, FoundingOfficer, Genesis, LogKey,
};
use detente::envelope::words::{
    Extent, Instrument, MlaStep, Outcome, RequestType, Role, Urgency, WillAnswer,
};
use detente::envelope::{
    Act, Approval, DecryptionKey, Draft, Envelope, RequestFacts, Signer, SigningKey, Statement,
    machine, seal,
};
use detente::journal::{Body, Fault, Reader, Stored};
use detente::rules::request_type;
use detente::rules::{self, ClockWitness, Command, Decision, ErasureReason, Stamp, State};
use detente::tlog::Frontier;
use detente::units::{
    BatchId, CaseId, DAY_MS, DeskId, HOUR_MS, Hash, Index, JournalId, MessageId, RequestId,
    Timestamp,
};

use crate::request_forms::instrument;

/// The desks of the network, in order.
pub(crate) const DESKS: [&str; 4] = ["DE/lage", "NL/cyber", "RO/cyber", "US/duty"];

/// The id of the maker's journal.
pub(crate) const JOURNAL: JournalId = JournalId([0x4a; 16]);

/// When the network is founded.
const START: Timestamp = Timestamp(1_795_424_400_000);

pub(crate) fn desk(n: usize) -> DeskId {
    DESKS[n % DESKS.len()].parse().unwrap()
}

/// A journal in memory.
#[derive(Default)]
pub(crate) struct Shelf {
    pub(crate) stored: Vec<Stored>,
    /// By the last record of each batch.
    pub(crate) trailers: BTreeMap<u64, Vec<u8>>,
}

impl Shelf {
    /// The first `n` records, if a batch ends there.
    pub(crate) fn up_to(&self, n: usize) -> Self {
        let trailers = self.trailers.range(..n as u64).map(|(at, t)| (*at, t.clone())).collect();
        Self { stored: self.stored[..n].to_vec(), trailers }
    }
}

impl Reader for Shelf {
    fn next_index(&self) -> Index {
        Index(self.stored.len() as u64)
    }

    fn read(&self, from: Index, max: usize, _bytes_max: usize) -> Result<Vec<Stored>, Fault> {
        Ok(self.stored.iter().skip(from.0 as usize).take(max).cloned().collect())
    }

    fn trailer(&self, index: Index) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.trailers.range(index.0..).next().map(|(_, trailer)| trailer.clone()))
    }
}

/// The maker.
pub(crate) struct Maker {
    pub(crate) state: State,
    pub(crate) records: Vec<Record>,
    pub(crate) shelf: Shelf,
    directory: Frontier,
    traffic: Frontier,
    now: Timestamp,
    ids: u64,
    batch: u64,
    /// Whom everything is sealed to: nobody opens it here.
    sealed_to: EncryptionKey,
    /// Records of the batch that is not closed.
    pending: Vec<Stored>,
}

impl Maker {
    /// A network that has just been founded; the batch is closed.
    pub(crate) fn new() -> Self {
        let mut maker = Self {
            state: State::default(),
            records: Vec::new(),
            shelf: Shelf::default(),
            directory: Frontier::new(),
            traffic: Frontier::new(),
            now: START,
            ids: 0,
            batch: 0,
            sealed_to: encryption_key(9),
            pending: Vec::new(),
        };
        let signed = signed_genesis();
        let genesis = genesis::parse(&signed).unwrap();
        assert!(maker.tell(&Command::Found(Box::new(genesis)), None, Some((&signed, &[]))));
        maker.close();
        maker
    }

    /// Where the logs stand.
    pub(crate) fn heads(&self) -> Heads {
        let head = |log: &Frontier| Head { size: log.size(), root: log.root() };
        Heads { directory: head(&self.directory), traffic: head(&self.traffic) }
    }

    /// Lets time go by.
    pub(crate) fn wait(&mut self, ms: i64) {
        self.now = self.now.plus_ms(ms);
    }

    /// The moment it is.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Closes the batch: its records are in the journal now.
    pub(crate) fn close(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let trailer = encode_trailer(self.batch_id(), &self.heads());
        self.shelf.stored.append(&mut self.pending);
        self.shelf.trailers.insert(self.shelf.stored.len() as u64 - 1, trailer);
        self.batch += 1;
    }

    /// Lets something happen that the three numbers choose, if the rules allow it.
    pub(crate) fn step(&mut self, (what, a, b): (u8, u8, u8)) {
        self.now = self.now.plus_ms(i64::from(a) * 1_000);
        match what % 16 {
            0..=2 => self.request(a.into(), b.into()),
            3..=8 => self.act(a.into(), b.into()),
            9 => self.offer(a.into()),
            10 => self.receipt(a.into(), b.is_multiple_of(8)),
            11 => self.retrieve(a.into(), b.into()),
            12 => self.pass_deadline(),
            13 => self.erase(a.into(), b.into()),
            14 if b < 16 => {
                self.tell(&Command::NoteClockStep { step_ms: i64::from(a) - 100 }, None, None);
            }
            14 if b < 24 => {
                let by = ClockWitness::Operator;
                self.tell(&Command::ConfirmClock { by }, None, None);
            }
            14 if b < 32 => {
                let sha256 = Hash::of(&[&[a]]);
                self.tell(&Command::NoteTruncation { bytes: a.into(), sha256 }, None, None);
            }
            15 if b >= 192 => self.publish(a.into()),
            _ => self.close(),
        }
    }

    /// The next entry of a member, with a restricted part.
    fn publish(&mut self, n: usize) {
        let n = n % DESKS.len();
        let message = self.id();
        let member = desk(n).member;
        let known = self.state.directory().member(member).unwrap();
        let signed = signed_entry(n, message, (known.version + 1, known.entry), self.now);
        let command = Command::Publish { caller: desk(n), entry: Box::new(signed.entry.clone()) };
        self.tell(&command, None, Some((&signed.to_bytes(), &signed.restricted)));
    }

    /// A new request from one desk to another.
    pub(crate) fn request(&mut self, from: usize, n: usize) {
        let to = from + 1 + n % 3;
        let preservation = RequestFacts {
            kind: RequestType::Preservation,
            instrument: Instrument::Budapest,
            urgency: [Urgency::Emergency, Urgency::Expedited, Urgency::Routine][n % 3],
            test: n % 11 == 10,
            exercise: n.is_multiple_of(5),
            parent: None,
            prior_conditions: false,
            embargo_until: None,
        };
        let kind = RequestType::ALL[(n / 4) % RequestType::ALL.len()];
        let usual = request_type::default_urgency(kind);
        let instrument = instrument(kind);
        let other = RequestFacts { kind, urgency: usual, instrument, ..preservation.clone() };
        let facts = if n.is_multiple_of(4) { other } else { preservation };
        let message = self.id();
        let draft = Draft {
            message,
            request: message.into(),
            case: CaseId(message.0),
            in_reply_to: None,
            ..self.draft(from, to, Act::Request(facts))
        };
        self.submit(&draft);
    }

    /// The first act on a request that the rules allow, beginning with the `b`th.
    fn act(&mut self, a: usize, b: usize) {
        let Some(request) = self.pick(a) else { return };
        let later = |ms: i64| self.now.plus_ms(ms);
        let acts = [
            Act::Acknowledge { will_answer: WillAnswer::Yes, estimated_at: later(HOUR_MS) },
            Act::Determine { outcome: Outcome::Accepted, review_at: None },
            Act::Execute {
                extent: Extent::Executed,
                preserved_until: request_type::has_measure(request.facts.kind)
                    .then(|| later(61 * DAY_MS)),
                mla_demanded: false,
            },
            Act::Close,
            Act::ReviseEstimate { estimated_at: later(2 * HOUR_MS) },
            Act::RequestClarification,
            Act::ProvideClarification,
            Act::Determine { outcome: Outcome::Postponed, review_at: Some(later(DAY_MS)) },
            Act::Determine { outcome: Outcome::Refused, review_at: None },
            Act::Execute { extent: Extent::NoDataHeld, preserved_until: None, mla_demanded: false },
            Act::RequestExtension,
            Act::Extend { preserved_until: later(150 * DAY_MS) },
            Act::Mla { step: MlaStep::Sent, carried_by: None },
            Act::Mla { step: MlaStep::Received, carried_by: None },
            Act::Mla { step: MlaStep::Decided, carried_by: None },
            Act::Withdraw,
            Act::Regrade {
                urgency: [Urgency::Urgent, Urgency::Expedited, Urgency::Routine][a % 3],
            },
        ];
        for n in 0..acts.len() {
            let act = &acts[(b + n) % acts.len()];
            let approval = if request_type::discloses(request.facts.kind, act) {
                Approval::Alone
            } else {
                Approval::None
            };
            for (from, to) in [(&request.to, &request.from), (&request.from, &request.to)] {
                let draft = Draft {
                    from: from.clone(),
                    to: to.clone(),
                    request: request.id,
                    case: request.case,
                    in_reply_to: Some(request.newest_header),
                    approval: approval.clone(),
                    ..self.draft(0, 1, act.clone())
                };
                if self.submit(&draft) {
                    return;
                }
            }
        }
    }

    fn offer(&mut self, a: usize) {
        if let Some((_, message)) = self.state.undelivered(&desk(a)).last() {
            self.tell(&Command::NoteOffer { message }, None, None);
        }
    }

    fn receipt(&mut self, a: usize, rejected: bool) {
        let Some((_, of)) = self.state.undelivered(&desk(a)).next() else { return };
        let rejected = rejected.then_some(detente::envelope::words::Rejection::PolicyViolation);
        self.machine(of, |header| Act::Receipt { of, header, rejected });
    }

    fn retrieve(&mut self, a: usize, b: usize) {
        let Some(request) = self.pick(a) else { return };
        let of = *request.messages.keys().nth(b % request.messages.size()).unwrap();
        self.machine(of, |header| Act::Retrieval { of, header, failed: None });
    }

    fn machine(&mut self, of: MessageId, act: impl Fn(Hash) -> Act) {
        let (request, message) = self.state.find(of).unwrap();
        let to = request.desk(message.by).clone();
        let draft = Draft {
            from: request.recipient(message).clone(),
            signer: Signer::Desk,
            to,
            request: request.id,
            case: request.case,
            in_reply_to: Some(request.newest_header),
            ..self.draft(0, 1, act(message.header))
        };
        self.submit(&draft);
    }

    fn pass_deadline(&mut self) {
        let Some(at) = self.state.next_deadline() else { return };
        self.now = self.now.max(at);
        for command in self.state.due(self.now).into_iter().take(3) {
            self.tell(&command, None, None);
        }
    }

    fn erase(&mut self, a: usize, b: usize) {
        let Some(request) = self.pick(a) else { return };
        let (message, index) = request
            .messages
            .iter()
            .nth(b % request.messages.size())
            .map(|(id, message)| (*id, message.index))
            .unwrap();
        let reason = ErasureReason::LegalOrder;
        self.tell(&Command::EraseBody { index, message, reason }, None, None);
    }

    fn pick(&self, a: usize) -> Option<rules::Request> {
        let n = self.state.requests().count();
        (n > 0).then(|| self.state.requests().nth(a % n).unwrap().clone())
    }

    fn draft(&mut self, from: usize, to: usize, act: Act) -> Draft {
        Draft {
            message: self.id(),
            from: desk(from),
            signer: Signer::Officer("duty".parse().unwrap()),
            approval: Approval::None,
            to: desk(to),
            case: CaseId([0; 16]),
            request: RequestId([0; 16]),
            in_reply_to: None,
            sequence: self.ids,
            created: self.now,
            not_after: self.now.plus_ms(DAY_MS),
            seen: None,
            act,
        }
    }

    /// Submits a statement; false when the rules refuse it.
    fn submit(&mut self, draft: &Draft) -> bool {
        let n = DESKS.iter().position(|d| *d == draft.from.to_string()).unwrap();
        if !self.allowed(draft, n) {
            return false;
        }
        let envelope = if draft.act.is_machine() {
            machine(draft, &desk_key(n)).unwrap()
        } else {
            let fill_with = self.ids as u8;
            let mut fill = |bytes: &mut [u8]| bytes.fill(fill_with);
            seal(
                draft,
                &detente::wire::detente::form::v1::Body::default(),
                &self.sealed_to,
                &officer(n),
                &mut fill,
            )
            .unwrap()
        };
        let statement = Box::new(envelope.statement.clone());
        let command = Command::Submit { caller: draft.from.clone(), statement };
        self.tell(&command, Some(&envelope), None)
    }

    /// Sealing is slow, so the rules are asked first.
    fn allowed(&self, draft: &Draft, n: usize) -> bool {
        let machine = draft.act.is_machine();
        let key = if machine { desk_key(n) } else { officer(n) };
        let statement = Statement {
            header: Hash::of(&[&draft.message.0]),
            message: draft.message,
            from: draft.from.clone(),
            signer: draft.signer.clone(),
            approval: draft.approval.clone(),
            signer_key: key.public().id(),
            to: draft.to.clone(),
            case: draft.case,
            request: draft.request,
            in_reply_to: draft.in_reply_to,
            sequence: draft.sequence,
            created: draft.created,
            not_after: draft.not_after,
            seen: draft.seen,
            ciphertext_len: if machine { 0 } else { 1 },
            act: draft.act.clone(),
        };
        let command =
            Command::Submit { caller: draft.from.clone(), statement: Box::new(statement) };
        matches!(rules::decide(&self.state, &command, self.now), Ok(Decision::New(_)))
    }

    /// Has a command decided and recorded; false when nothing happens.
    fn tell(
        &mut self,
        command: &Command,
        envelope: Option<&Envelope>,
        signed: Option<(&[u8], &[u8])>,
    ) -> bool {
        let Ok(Decision::New(event)) = rules::decide(&self.state, command, self.now) else {
            return false;
        };
        let numbering = self.state.number(&event);
        let event_bytes = encode_event(&event, &numbering, self.now, signed.map(|(act, _)| act));
        let body = envelope
            .filter(|envelope| !envelope.wrap.is_empty())
            .map(|envelope| encode_body(&envelope.wrap, &envelope.ciphertext))
            .unwrap_or_else(|| signed.map(|(_, body)| body.to_vec()).unwrap_or_default());
        let (log, index, opening) = if signed.is_some() {
            (Log::Directory, self.directory.size(), None)
        } else {
            (Log::Traffic, self.traffic.size(), Some(Hash::of(&[&event_bytes]).0))
        };
        let record = Record {
            index: self.state.next_index(),
            time: self.now,
            batch: self.batch_id(),
            numbering,
            event,
            event_bytes,
            header: envelope.map(|envelope| envelope.header.clone()).unwrap_or_default(),
            signatures: envelope.map(|envelope| envelope.signatures.clone()).unwrap_or_default(),
            leaf: Leaf { log, index, opening },
            body_len: body.len() as u32,
            body_sha256: (!body.is_empty()).then(|| Hash::of(&[&body])),
        };
        let bytes = encode_record(&record);
        assert_eq!(decode_record(&bytes).as_ref(), Ok(&record), "what is stored reads back");
        match log {
            Log::Directory => self.directory.push(record.leaf_hash()),
            Log::Traffic => self.traffic.push(record.leaf_hash()),
        }
        let stamp =
            Stamp { index: record.index, time: record.time, event_hash: record.event_hash() };
        rules::apply(&mut self.state, &record.event, stamp);
        self.pending.push(Stored {
            index: record.index,
            batch: record.batch,
            record: bytes,
            body: if body.is_empty() { Body::None } else { Body::Present(body) },
        });
        self.records.push(record);
        true
    }

    fn batch_id(&self) -> BatchId {
        BatchId((0x1000_u128 + u128::from(self.batch)).to_be_bytes())
    }

    fn id(&mut self) -> MessageId {
        self.ids += 1;
        let hash = Hash::of(&[&self.ids.to_be_bytes()]);
        MessageId(hash.0[..16].try_into().unwrap())
    }
}

fn officer(n: usize) -> SigningKey {
    SigningKey::from_seed([0x10 + n as u8; 32])
}

fn desk_key(n: usize) -> SigningKey {
    SigningKey::from_seed([0x20 + n as u8; 32])
}

fn national(n: usize) -> SigningKey {
    SigningKey::from_seed([0x30 + n as u8; 32])
}

fn encryption_key(seed: u8) -> EncryptionKey {
    let public = DecryptionKey::from_seed([seed; 32]).public().to_vec();
    EncryptionKey::new(public, START, START.plus_ms(3_650 * DAY_MS)).unwrap()
}

/// An entry of the `n`th member: version and hash of the one before, made at `now`. Its restricted
/// part has a salt and nothing else.
pub(crate) fn signed_entry(
    n: usize,
    message: MessageId,
    (version, previous): (u64, Hash),
    now: Timestamp,
) -> Signed {
    let genesis = genesis::parse(&signed_genesis()).unwrap();
    let mut entry = Entry {
        message,
        version,
        previous,
        created: now,
        not_after: now.plus_ms(DAY_MS),
        ..of_founding(&genesis, &genesis.members[n])
    };
    entry.desks[0].unit = format!("unit {version}");
    let (restricted, commitments) = restricted::render(&Restricted::from([(
        entry.desks[0].name.clone(),
        DeskRestricted {
            salt: Hash::of(&[&message.0]).0,
            channels: Vec::new(),
            confirmation: None,
            persons: Vec::new(),
        },
    )]));
    entry.desks[0].restricted = commitments.into_values().next();
    entry::sign(entry::render(&entry).unwrap(), restricted, &national(n)).unwrap()
}

/// The genesis of the network, signed by its members.
pub(crate) fn signed_genesis() -> Vec<u8> {
    let until = START.plus_ms(3_650 * DAY_MS);
    let member = |(n, name): (usize, &&str)| {
        let id: DeskId = name.parse().unwrap();
        FoundingMember {
            id: id.member,
            display_name: format!("Member {}", id.member),
            ca: vec![format!("certificate of {}", id.member).into_bytes()],
            national_key: national(n).public(),
            instruments: vec![Instrument::Budapest],
            preservation_days_min: 60,
            desks: vec![FoundingDesk {
                name: id.name,
                organisation: "Police".to_owned(),
                time_zone: "Europe/Amsterdam".to_owned(),
                languages: vec!["en".to_owned()],
                desk_key: desk_key(n).public(),
                encryption_keys: vec![encryption_key(0x40 + n as u8)],
                officers: vec![FoundingOfficer {
                    name: "duty".parse().unwrap(),
                    key: officer(n).public(),
                    roles: vec![Role::Request, Role::Answer],
                    from: START,
                    until,
                }],
                witness_key: None,
            }],
        }
    };
    let log_key = |n: u8, log: &str| LogKey {
        log: log.to_owned(),
        key: SigningKey::from_seed([n; 32]).public(),
    };
    let genesis = genesis::render(&Genesis {
        hash: Hash([0; 32]),
        network: "detente-dev".parse().unwrap(),
        rules_version: "1".to_owned(),
        created: START,
        relay_ca: vec![b"certificate of the relay".to_vec()],
        log_keys: vec![log_key(1, "directory"), log_key(2, "traffic")],
        members: DESKS.iter().enumerate().map(member).collect(),
    })
    .unwrap();
    let signatures: Vec<_> =
        (0..DESKS.len()).map(|n| genesis::sign(&genesis, &national(n))).collect();
    genesis::assemble(genesis, &signatures)
}

/// The record as it would be stored with `change` made to it.
pub(crate) fn stored_with(
    record: &Record,
    change: impl FnOnce(&mut detente::wire::detente::journal::v1::Record),
) -> Vec<u8> {
    use prost::Message as _;
    let mut stored =
        detente::wire::detente::journal::v1::Record::decode(encode_record(record).as_slice())
            .unwrap();
    change(&mut stored);
    stored.encode_to_vec()
}

/// Reads a record, which must be refused, and says which field was named.
pub(crate) fn refused_field(bytes: &[u8]) -> String {
    decode_record(bytes).unwrap_err().field
}
