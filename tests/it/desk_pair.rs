//! Fixture for the desk tests: two desks of one network, and a relay in memory that decides by the
//! real rules. It can be told to misbehave.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use detente::codec::{self, Head, Leaf, Log};
use detente::desk::{
    Answer, Clock, Desk, Incoming, IncomingEntry, Keys, Officer, Options, Order, Receipt, What,
    Wish,
};
use detente::envelope::genesis::{
    self, EncryptionKey, FoundingDesk, FoundingMember, FoundingOfficer, Genesis, LogKey,
};
use detente::envelope::words::{Instrument, RequestType, Role, WillAnswer};
use detente::envelope::{Act, DecryptionKey, Envelope, SigningKey};
use detente::relay::Signers;
use detente::rules::{self, Command, Decision, Event, Kind, Refusal, Stamp, State};
use detente::tlog::proof::{prove_consistency, prove_inclusion, root};
use detente::tlog::{self, Note, Signer};
use detente::units::{
    DAY_MS, DeskId, DeskIndex, HOUR_MS, Hash, Index, MessageId, Name, RequestId, Timestamp,
};
use detente::wire::detente::form::v1 as form;
use zeroize::Zeroizing;

use crate::tlog_proofs::Tree;

/// When everything begins.
pub(crate) const START: Timestamp = Timestamp(1_795_000_000_000);

/// The two desks.
pub(crate) fn nl() -> DeskId {
    "NL/cyber".parse().unwrap()
}

/// The two desks.
pub(crate) fn ro() -> DeskId {
    "RO/cyber".parse().unwrap()
}

/// The officer at either.
pub(crate) fn duty() -> Name {
    "duty".parse().unwrap()
}

fn seed(of: &DeskId, what: u8) -> [u8; 32] {
    Hash::of(&[of.to_string().as_bytes(), &[what]]).0
}

/// The keys of a desk, always the same.
pub(crate) fn keys(of: &DeskId) -> Keys {
    let officer = Officer { key: officer_key(of), uids: vec![own_uid()] };
    Keys {
        desk: SigningKey::from_seed(seed(of, 1)),
        encryption: vec![DecryptionKey::from_seed(seed(of, 2))],
        officers: BTreeMap::from([(duty(), officer)]),
        witness: Some(witness(of)),
    }
}

/// The officer's key.
pub(crate) fn officer_key(of: &DeskId) -> SigningKey {
    SigningKey::from_seed(seed(of, 3))
}

/// The nation's key.
pub(crate) fn national_key(of: &DeskId) -> SigningKey {
    SigningKey::from_seed(seed(of, 4))
}

/// The key with which a desk cosigns.
pub(crate) fn witness(of: &DeskId) -> Signer {
    let name = genesis::witness_key_name(&"detente-test".parse().unwrap(), of);
    Signer::from_seed(name, tlog::note::Kind::Ed25519Cosignature, seed(of, 5))
}

/// The Unix user of this test.
pub(crate) fn own_uid() -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").unwrap().uid()
}

fn member(of: &DeskId) -> FoundingMember {
    let until = START.plus_ms(365 * DAY_MS);
    let public = DecryptionKey::from_seed(seed(of, 2)).public().to_vec();
    let officer = FoundingOfficer {
        name: duty(),
        key: officer_key(of).public(),
        roles: vec![Role::Request, Role::Answer],
        from: START,
        until,
    };
    FoundingMember {
        id: of.member,
        display_name: of.member.to_string(),
        ca: vec![vec![1]],
        national_key: SigningKey::from_seed(seed(of, 4)).public(),
        instruments: vec![Instrument::Budapest],
        preservation_days_min: 60,
        desks: vec![FoundingDesk {
            name: of.name.clone(),
            organisation: "Police".into(),
            time_zone: "Europe/Amsterdam".into(),
            languages: vec!["en".into()],
            desk_key: SigningKey::from_seed(seed(of, 1)).public(),
            encryption_keys: vec![EncryptionKey::new(public, START, until).unwrap()],
            officers: vec![officer],
            witness_key: Some(SigningKey::from_seed(seed(of, 5)).public()),
        }],
    }
}

/// The genesis of the network, signed and read.
pub(crate) fn genesis() -> (Vec<u8>, Genesis) {
    let log_key =
        |log: &str, n| LogKey { log: log.into(), key: SigningKey::from_seed([n; 32]).public() };
    let drawn_up = Genesis {
        hash: Hash([0; 32]),
        network: "detente-test".parse().unwrap(),
        rules_version: "1".into(),
        created: START,
        relay_ca: vec![vec![2]],
        log_keys: vec![log_key("directory", 8), log_key("traffic", 9)],
        members: vec![member(&nl()), member(&ro())],
    };
    let bytes = genesis::render(&drawn_up).unwrap();
    let sign = |of: &DeskId| genesis::sign(&bytes, &SigningKey::from_seed(seed(of, 4)));
    let signed = genesis::assemble(bytes.clone(), &[sign(&nl()), sign(&ro())]);
    let read = genesis::parse(&signed).unwrap();
    (signed, read)
}

/// The keys of the logs.
pub(crate) fn signers() -> Signers {
    Signers::new(&genesis().1, [8; 32], [9; 32]).unwrap()
}

/// A clock that is set by hand.
#[derive(Clone)]
pub(crate) struct HandClock(Arc<Mutex<Timestamp>>);

impl HandClock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(START.plus_ms(HOUR_MS))))
    }

    pub(crate) fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    pub(crate) fn pass(&self, ms: i64) {
        let mut now = self.0.lock().unwrap();
        *now = now.plus_ms(ms);
    }

    pub(crate) fn clock(&self) -> Clock {
        let clock = self.clone();
        Arc::new(move || clock.now())
    }
}

/// What opens a desk in `dir`.
pub(crate) fn options(of: &DeskId, dir: &Path, clock: &HandClock) -> Options {
    let secret = Zeroizing::new(b"unlock".to_vec());
    let options = Options::new(dir.to_owned(), of.clone(), genesis().1, secret, keys(of));
    let journal = detente::journal::Options { segment_bytes: 1 << 20, batch_bytes_max: 1 << 19 };
    Options { clock: clock.clock(), journal, ..options }
}

/// A desk in `dir`.
pub(crate) fn open(of: &DeskId, dir: &Path, clock: &HandClock) -> Desk {
    Desk::open(options(of, dir, clock)).unwrap()
}

/// A question to the other desk, with a form that says enough.
pub(crate) fn question(to: &DeskId) -> Order {
    let contact = form::Contact {
        organisation: "Police".into(),
        telephone: "+31201234567".into(),
        ..form::Contact::default()
    };
    let filled = form::InformationForm {
        authority: Some(contact),
        subject: "Hosting".into(),
        question: Some(text("Which provider hosts it?")),
        ..form::InformationForm::default()
    };
    let wish = Wish {
        to: to.clone(),
        kind: RequestType::TechnicalAdvice,
        instrument: None,
        urgency: None,
        test: false,
        exercise: false,
        case: None,
        parent: None,
        prior_conditions: false,
        embargo_until: None,
    };
    Order {
        officer: duty(),
        message: None,
        what: What::Request(wish),
        body: form::Body { form: Some(form::body::Form::Information(filled)) },
    }
}

/// The acknowledgement of a request.
pub(crate) fn acknowledgement(request: RequestId, by: Timestamp) -> Order {
    let filled = form::AcknowledgementForm {
        answer_form: "by this network".into(),
        ..form::AcknowledgementForm::default()
    };
    Order {
        officer: duty(),
        message: None,
        what: What::Act {
            request,
            act: Act::Acknowledge { will_answer: WillAnswer::Yes, estimated_at: by },
        },
        body: form::Body { form: Some(form::body::Form::Acknowledgement(filled)) },
    }
}

/// A text in English.
pub(crate) fn text(text: &str) -> form::Text {
    form::Text { text: text.into(), language: "en".into() }
}

/// A relay in memory.
pub(crate) struct Relay {
    clock: HandClock,
    state: State,
    records: BTreeMap<DeskId, Vec<Incoming>>,
    bodies: BTreeMap<MessageId, (Vec<u8>, Vec<u8>)>,
    accepted: BTreeMap<MessageId, Envelope>,
    /// Leaf hashes of each log, and what stands in each leaf, by record.
    leaves: BTreeMap<Log, Vec<Hash>>,
    events: BTreeMap<Index, (Leaf, Vec<u8>)>,
    /// Statements as they were submitted, repeats too.
    pub(crate) submitted: Vec<Envelope>,
}

impl Relay {
    pub(crate) fn new(clock: &HandClock) -> Self {
        let (signed, read) = genesis();
        let mut relay = Self {
            clock: clock.clone(),
            state: State::default(),
            records: BTreeMap::new(),
            bodies: BTreeMap::new(),
            accepted: BTreeMap::new(),
            leaves: BTreeMap::new(),
            events: BTreeMap::new(),
            submitted: Vec::new(),
        };
        let founded = relay.decide(&Command::Found(Box::new(read))).unwrap();
        let Decision::New(event) = founded else { panic!("{founded:?}") };
        relay.record(&event, None, Some(&signed));
        relay
    }

    /// As the real one: a repeat is answered with its record.
    pub(crate) fn submit(&mut self, envelope: &Envelope) -> Result<(Index, Timestamp), Refusal> {
        self.submitted.push(envelope.clone());
        let statement = Box::new(envelope.statement.clone());
        let caller = statement.from.clone();
        let message = statement.message;
        let machine = statement.act.is_machine();
        match self.decide(&Command::Submit { caller, statement })? {
            Decision::New(event) => {
                let at = self.record(&event, Some(envelope), None);
                let body = (envelope.wrap.clone(), envelope.ciphertext.clone());
                self.bodies.insert(message, body);
                self.accepted.insert(message, envelope.clone());
                if !machine && event.to.is_some() {
                    self.offer(message);
                }
                Ok(at)
            }
            Decision::Repeat { index, time } => Ok((index, time)),
            Decision::Nothing => panic!("a statement is something"),
        }
    }

    /// What the real one answers to a statement that stands there.
    pub(crate) fn answer(&self, (index, time): (Index, Timestamp)) -> Answer {
        Answer { index, time, receipt: Ok(self.receipt(index)), raw: vec![1] }
    }

    /// That a record is in its log, at the newest head.
    pub(crate) fn receipt(&self, index: Index) -> Receipt {
        let (leaf, event) = self.events[&index].clone();
        let size = self.size(leaf.log);
        let checkpoint = self.head(leaf.log, size).to_string();
        let hashes = self.inclusion(leaf.log, leaf.index, size);
        Receipt { leaf, hashes, checkpoint, event }
    }

    /// The first record of the directory's log, as the real one sends it.
    pub(crate) fn founding(&self) -> IncomingEntry {
        let (leaf, event) = self.events[&Index(0)].clone();
        IncomingEntry { leaf: leaf.index, index: Index(0), event, restricted: Vec::new() }
    }

    /// How many leaves a log has.
    pub(crate) fn size(&self, log: Log) -> u64 {
        self.leaves.get(&log).map_or(0, |leaves| leaves.len() as u64)
    }

    /// A log's signed head of `size` leaves.
    pub(crate) fn head(&self, log: Log, size: u64) -> Note {
        let Ok(root) = root(&self.tree(log), size);
        signers().sign(log, &Head { size, root }).unwrap()
    }

    /// That a leaf is among the first `size` of a log.
    pub(crate) fn inclusion(&self, log: Log, leaf: u64, size: u64) -> Vec<Hash> {
        let Ok(hashes) = prove_inclusion(&self.tree(log), leaf, size);
        hashes.unwrap()
    }

    /// That a log's head of `old` leaves is the beginning of that of `new`.
    pub(crate) fn consistency(&self, log: Log, old: u64, new: u64) -> Vec<Hash> {
        let Ok(hashes) = prove_consistency(&self.tree(log), old, new);
        hashes.unwrap()
    }

    fn tree(&self, log: Log) -> Tree {
        Tree::with(self.leaves.get(&log).cloned().unwrap_or_default())
    }

    fn offer(&mut self, message: MessageId) {
        if let Ok(Decision::New(event)) = self.decide(&Command::NoteOffer { message }) {
            self.record(&event, None, None);
        }
    }

    /// Deadlines that have passed by now.
    pub(crate) fn pass_deadlines(&mut self) {
        for command in self.state.due(self.clock.now()) {
            if let Ok(Decision::New(event)) = self.decide(&command) {
                let mut ended = None;
                if let Kind::EmbargoEnded(statement) = &event.kind {
                    ended = self.accepted.get(&statement.message).cloned();
                }
                self.record(&event, ended.as_ref(), None);
                if let Some(ended) = ended {
                    self.offer(ended.statement.message);
                }
            }
        }
    }

    /// Everything a desk may follow from a number on.
    pub(crate) fn follow(&self, desk: &DeskId, from: DeskIndex) -> Vec<Incoming> {
        let from = usize::try_from(from.0).unwrap();
        self.records.get(desk).map(|all| all[from.min(all.len())..].to_vec()).unwrap_or_default()
    }

    pub(crate) fn content(
        &self,
        desk: &DeskId,
        message: MessageId,
    ) -> Result<(Vec<u8>, Vec<u8>), Refusal> {
        self.state.released(desk, message)?;
        Ok(self.bodies[&message].clone())
    }

    fn decide(&self, command: &Command) -> Result<Decision, Refusal> {
        rules::decide(&self.state, command, self.clock.now())
    }

    fn record(
        &mut self,
        event: &Event,
        envelope: Option<&Envelope>,
        signed: Option<&[u8]>,
    ) -> (Index, Timestamp) {
        let numbering = self.state.number(event);
        let (index, time) = (self.state.next_index(), self.clock.now());
        let bytes = codec::encode_event(event, &numbering, time, signed);
        let plain = matches!(event.kind, Kind::Founded(_));
        let log = if plain { Log::Directory } else { Log::Traffic };
        let leaves = self.leaves.entry(log).or_default();
        let opening = (!plain).then_some([5; 32]);
        let leaf = Leaf { log, index: leaves.len() as u64, opening };
        leaves.push(tlog::leaf_hash(&leaf.data(&bytes)));
        self.events.insert(index, (leaf, bytes.clone()));
        for (desk, desk_index) in numbering.desk_indexes {
            let incoming = Incoming {
                desk_index,
                index,
                event: bytes.clone(),
                header: envelope.map(|envelope| envelope.header.clone()).unwrap_or_default(),
                signatures: envelope
                    .map(|envelope| envelope.signatures.clone())
                    .unwrap_or_default(),
                leaf,
            };
            self.records.entry(desk).or_default().push(incoming);
        }
        let event_hash = Hash::of(&[&bytes]);
        rules::apply(&mut self.state, event, Stamp { index, time, event_hash });
        (index, time)
    }
}

/// Carries everything between a desk and the relay until nothing is left: what the uplink does,
/// one step at a time.
pub(crate) async fn carry(desk: &Desk, relay: &mut Relay) {
    carry_with(desk, relay, &mut async || {}).await;
}

/// As [`carry`], with something to do after each step.
pub(crate) async fn carry_with(desk: &Desk, relay: &mut Relay, after: &mut impl AsyncFnMut()) {
    loop {
        let before = desk.file().next_place();
        let held: Vec<_> = desk.file().outbox().cloned().collect();
        for held in held {
            let message = held.statement.message;
            let envelope = desk.envelope(held).await.unwrap();
            match relay.submit(&envelope) {
                Ok(at) => {
                    let answer = relay.answer(at);
                    assert!(desk.note_confirmed(&envelope, answer).await.unwrap());
                }
                Err(refusal) => {
                    let refused = detente::desk::Refused {
                        code: refusal.code().into(),
                        reason: refusal.reason().into(),
                        cause: refusal.cause(),
                        next: refusal.next_action().into(),
                    };
                    desk.note_refused(message, refused).await.unwrap();
                }
            }
            after().await;
        }
        let file = desk.file();
        for incoming in relay.follow(file.owner(), file.next()) {
            let taken = desk.take(vec![incoming]).await.unwrap();
            assert_eq!((taken.gap, taken.alarms), (None, vec![]));
            after().await;
        }
        let wanted: Vec<_> = desk.file().wanted().cloned().collect();
        for held in wanted {
            let (wrap, ciphertext) =
                relay.content(desk.file().owner(), held.statement.message).unwrap();
            desk.take_content(held, wrap, ciphertext).await.unwrap();
            after().await;
        }
        if desk.file().next_place() == before {
            break;
        }
    }
}
