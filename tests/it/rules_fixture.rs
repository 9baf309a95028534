//! A small network for the tests of the rules: genesis, statements, and a journal of what happened.
//!
//! Not for anything with bytes or sockets: hashes are made up, nothing is signed.

use detente::envelope::entry::{Entry, of_founding};
use detente::envelope::genesis::{
    EncryptionKey, FoundingDesk, FoundingMember, FoundingOfficer, Genesis, PublicKey,
};
use detente::envelope::words::{
    Extent, Instrument, Outcome, RequestType, Role, Urgency, WillAnswer,
};
use detente::envelope::{Act, Approval, RequestFacts, Signer, Statement};
use detente::rules::request_type;
use detente::rules::{self, Command, Decision, Event, Refusal, Stamp, State};
use detente::units::{
    CaseId, DAY_MS, DeskId, Hash, Index, MINUTE_MS, MessageId, Name, RequestId, Timestamp,
};

/// When the network is founded.
pub(crate) const START: Timestamp = Timestamp(1_795_420_800_000);

/// Members: NL and RO share BUDAPEST and G7_2417, XS declares only SAP_CETS224, XM preserves for
/// at least 90 days and shares BUDAPEST.
pub(crate) const MEMBERS: [&str; 4] = ["NL", "RO", "XM", "XS"];

pub(crate) fn desk(text: &str) -> DeskId {
    text.parse().unwrap()
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// A key that nobody holds.
pub(crate) fn key(seed: &str) -> PublicKey {
    PublicKey::Ed25519(Hash::of(&[seed.as_bytes()]).0)
}

/// Its id, as the envelope's specification says.
pub(crate) fn key_id(key: &PublicKey) -> Hash {
    match key {
        PublicKey::Ed25519(bytes) => Hash::of(&[b"detente/key/v1\0", &[1], bytes]),
        PublicKey::MlDsa44(bytes) => Hash::of(&[b"detente/key/v1\0", &[2], bytes]),
    }
}

fn founding_desk(member: &str, name_of: &str) -> FoundingDesk {
    let officer = |of: &str, roles: &[Role], until: Timestamp| FoundingOfficer {
        name: name(of),
        key: key(&format!("{member}/{name_of}/{of}")),
        roles: roles.to_vec(),
        from: START,
        until,
    };
    let late = START.plus_ms(3_650 * DAY_MS);
    FoundingDesk {
        name: name(name_of),
        organisation: format!("{member} desk"),
        time_zone: "UTC".to_owned(),
        languages: vec!["en".to_owned()],
        desk_key: key(&format!("{member}/{name_of}")),
        encryption_keys: vec![EncryptionKey {
            id: Hash::of(&[member.as_bytes()]),
            key: vec![7; 1_216],
            from: START,
            until: START.plus_ms(365 * DAY_MS),
        }],
        officers: vec![
            officer("asker", &[Role::Request], late),
            officer("duty", &[Role::Request, Role::Answer], late),
            officer("chief", &[Role::Approve], late),
            officer("gone", &[Role::Request, Role::Answer], START.plus_ms(MINUTE_MS)),
        ],
        witness_key: Some(key(&format!("{member}/{name_of} witness"))),
    }
}

pub(crate) fn genesis() -> Genesis {
    let member = |id: &str| FoundingMember {
        id: id.parse().unwrap(),
        display_name: id.to_owned(),
        ca: Vec::new(),
        national_key: key(id),
        instruments: if id == "XS" {
            vec![Instrument::SapCets224]
        } else {
            vec![Instrument::Budapest, Instrument::SapCets224, Instrument::G72417]
        },
        preservation_days_min: if id == "XM" { 90 } else { 60 },
        desks: vec![founding_desk(id, "cyber"), founding_desk(id, "second")],
    };
    Genesis {
        hash: Hash([9; 32]),
        network: name("detente-test"),
        rules_version: "1".to_owned(),
        created: START,
        relay_ca: Vec::new(),
        log_keys: Vec::new(),
        members: MEMBERS.iter().map(|id| member(id)).collect(),
    }
}

/// The state, and everything that happened.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) state: State,
    pub(crate) now: Timestamp,
    pub(crate) journal: Vec<(Event, Stamp)>,
    next_id: u64,
}

impl World {
    pub(crate) fn empty() -> Self {
        Self { state: State::default(), now: START, journal: Vec::new(), next_id: 0 }
    }

    pub(crate) fn founded() -> Self {
        let mut world = Self::empty();
        world.commit(&Command::Found(Box::new(genesis()))).unwrap();
        world
    }

    pub(crate) fn wait(&mut self, ms: i64) {
        self.now = self.now.plus_ms(ms);
    }

    pub(crate) fn decide(&self, command: &Command) -> Result<Decision, Refusal> {
        rules::decide(&self.state, command, self.now)
    }

    /// Decides, and applies what is new.
    pub(crate) fn commit(&mut self, command: &Command) -> Result<Decision, Refusal> {
        let decision = self.decide(command)?;
        if let Decision::New(event) = &decision {
            let index = Index(u64::try_from(self.journal.len()).unwrap());
            let event_hash = Hash::of(&[&index.0.to_be_bytes()]);
            let stamp = Stamp { index, time: self.now, event_hash };
            rules::apply(&mut self.state, event, stamp);
            self.journal.push((event.clone(), stamp));
        }
        Ok(decision)
    }

    pub(crate) fn submit(&mut self, statement: &Statement) -> Result<Decision, Refusal> {
        self.commit(&submission(statement))
    }

    pub(crate) fn fresh(&mut self) -> MessageId {
        self.next_id += 1;
        let mut bytes = [0; 16];
        bytes[8..].copy_from_slice(&self.next_id.to_be_bytes());
        MessageId(bytes)
    }

    /// A statement as the desk's officer or machine would make it now.
    pub(crate) fn statement(&mut self, from: &str, to: &str, act: Act) -> Statement {
        let message = self.fresh();
        let signer = if act.is_machine() { Signer::Desk } else { Signer::Officer(name("duty")) };
        let signer_key = match &signer {
            Signer::Desk => key_id(&key(from)),
            Signer::Officer(officer) => key_id(&key(&format!("{from}/{officer}"))),
        };
        Statement {
            header: Hash::of(&[b"header", &message.0]),
            message,
            from: desk(from),
            signer,
            approval: Approval::None,
            signer_key,
            to: desk(to),
            case: CaseId([3; 16]),
            request: message.into(),
            in_reply_to: None,
            sequence: 1,
            created: self.now,
            not_after: self.now.plus_ms(DAY_MS),
            seen: None,
            ciphertext_len: if act.is_machine() { 0 } else { 1_040 },
            act,
        }
    }

    /// The next entry of a member as its nation would make it now, with nothing changed.
    pub(crate) fn entry(&mut self, member: &str) -> Entry {
        let genesis = genesis();
        let founding = genesis.members.iter().find(|m| m.id.to_string() == member).unwrap();
        let message = self.fresh();
        let known = self.state.directory().member(founding.id).unwrap();
        Entry {
            hash: Hash::of(&[b"entry", &message.0]),
            message,
            version: known.version + 1,
            previous: known.entry,
            created: self.now,
            not_after: self.now.plus_ms(DAY_MS),
            ..of_founding(&genesis, founding)
        }
    }

    /// An entry, published over one of its nation's desks.
    pub(crate) fn publish(&mut self, entry: &Entry) -> Result<Decision, Refusal> {
        let caller = DeskId { member: entry.member, name: name("cyber") };
        self.commit(&Command::Publish { caller, entry: Box::new(entry.clone()) })
    }

    /// A new request, submitted.
    pub(crate) fn request(&mut self, from: &str, to: &str, facts: RequestFacts) -> RequestId {
        let statement = self.statement(from, to, Act::Request(facts));
        self.submit(&statement).unwrap();
        statement.request
    }

    /// An act on a request by one of its desks, as it would be made now.
    pub(crate) fn act(&mut self, request: RequestId, by: Side, act: Act) -> Statement {
        let known = self.state.request(request).unwrap().clone();
        let (from, to) = match by {
            Side::Asking => (&known.from, &known.to),
            Side::Asked => (&known.to, &known.from),
        };
        let mut statement = self.statement(&from.to_string(), &to.to_string(), act);
        statement.request = request;
        statement.case = known.case;
        statement.in_reply_to = Some(known.newest_header);
        if request_type::discloses(known.facts.kind, &statement.act) {
            statement.approval = approved_by(&statement.from, "chief");
        }
        statement
    }

    /// The same, submitted.
    pub(crate) fn does(
        &mut self,
        request: RequestId,
        by: Side,
        act: Act,
    ) -> Result<Decision, Refusal> {
        let statement = self.act(request, by, act);
        self.submit(&statement)
    }

    /// The receipt of a statement by its recipient's machine.
    pub(crate) fn receipt(&self, of: MessageId) -> (Side, RequestId, Act) {
        let (request, message) = self.state.find(of).unwrap();
        let by = match message.by {
            rules::Side::Requesting => Side::Asked,
            rules::Side::Requested => Side::Asking,
        };
        (by, request.id, Act::Receipt { of, header: message.header, rejected: None })
    }

    /// Passes every deadline that is due, and says how many there were.
    pub(crate) fn pass_deadlines(&mut self) -> usize {
        let due = self.state.due(self.now);
        for command in &due {
            self.commit(command).unwrap();
        }
        due.len()
    }
}

/// The approval of an officer of a desk.
pub(crate) fn approved_by(desk: &DeskId, officer: &str) -> Approval {
    let key = key_id(&key(&format!("{desk}/{officer}")));
    Approval::By { officer: name(officer), key }
}

/// Who acts on a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Asking,
    Asked,
}

pub(crate) fn submission(statement: &Statement) -> Command {
    Command::Submit { caller: statement.from.clone(), statement: Box::new(statement.clone()) }
}

pub(crate) fn facts(kind: RequestType, urgency: Urgency) -> RequestFacts {
    RequestFacts {
        kind,
        instrument: Instrument::Budapest,
        urgency,
        test: false,
        exercise: false,
        parent: None,
        prior_conditions: false,
        embargo_until: None,
    }
}

pub(crate) fn preservation() -> RequestFacts {
    facts(RequestType::Preservation, Urgency::Expedited)
}

pub(crate) fn advice() -> RequestFacts {
    facts(RequestType::TechnicalAdvice, Urgency::Routine)
}

pub(crate) fn acknowledge(will_answer: WillAnswer, estimated_at: Timestamp) -> Act {
    Act::Acknowledge { will_answer, estimated_at }
}

pub(crate) fn determine(outcome: Outcome) -> Act {
    let review_at = (outcome == Outcome::Postponed).then(|| START.plus_ms(400 * DAY_MS));
    Act::Determine { outcome, review_at }
}

pub(crate) fn executed(until: Timestamp) -> Act {
    Act::Execute { extent: Extent::Executed, preserved_until: Some(until), mla_demanded: false }
}
