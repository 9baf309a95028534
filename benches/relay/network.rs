//! A network to measure: its files, its desks' clients, and speakers who make statements fast.
//!
//! Sealing takes longer than everything that is measured here. So a body is sealed once, and what
//! is said with it again has its own header and its own signature, as long and as valid as the
//! first: the relay can open neither.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, anyhow};
use detente::config;
use detente::envelope::genesis;
use detente::envelope::sign::HEADER_TYPE;
use detente::envelope::words::{Instrument, RequestType, Urgency};
use detente::envelope::{self, Act, Approval, Draft, Envelope, RequestFacts, Signer, SigningKey};
use detente::grpc::client::RelayClient;
use detente::identity::{Unlock, keyfile};
use detente::pki::{self, DevNetwork, Moments, Spec};
use detente::rules::Directory;
use detente::service;
use detente::units::{CaseId, DAY_MS, DeskId, Hash, MessageId, RequestId, Timestamp};
use detente::wire::detente::envelope::v1 as wire;
use detente::wire::detente::form::v1 as form;
use prost::Message as _;

/// A development network on the disk that is measured.
pub(crate) struct Network {
    directory: tempfile::TempDir,
    /// Sockets have short paths.
    sockets: tempfile::TempDir,
    made: DevNetwork,
    /// Its desks, in order.
    pub(crate) desks: Vec<DeskId>,
    /// The genesis, as signed.
    pub(crate) signed: Vec<u8>,
    /// What it says.
    pub(crate) rules: Arc<Directory>,
}

impl Network {
    /// `members` members with these desks each, whose keys have been valid for `days`.
    pub(crate) fn new(members: usize, desks: &[&str], days: i64) -> Result<Self> {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let (network, wall) = ("detente-bench".parse()?, now());
        // Two letters each: AA, AB, ...
        let letter = |n: usize| char::from(b'A' + u8::try_from(n % 26).unwrap_or(0));
        let members = (0..members)
            .map(|n| Ok((format!("{}{}", letter(n / 26), letter(n)).parse()?, None)))
            .collect::<Result<_>>()?;
        let desks = desks.iter().map(|desk| Ok(desk.parse()?)).collect::<Result<_>>()?;
        // The files must name ports; relays are started on ports that the system chooses.
        let spec = Spec { network, members, desks, port: 0 }.on_free_ports();
        // Years can be played: the network's own time began long ago.
        let moments = Moments { wall, network: wall.plus_ms(-days * DAY_MS) };
        let made = pki::dev_network(&directory.path().join("net"), &spec, moments)?;
        let signed = std::fs::read(&made.genesis)?;
        let genesis = genesis::parse(&signed).map_err(|malformed| anyhow!("{malformed}"))?;
        let rules = Arc::new(Directory::from_genesis(&genesis));
        let desks = made.desk_configs.keys().cloned().collect();
        Ok(Self { directory, sockets: tempfile::tempdir()?, made, desks, signed, rules })
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The file of the relay's configuration.
    pub(crate) fn relay_file(&self) -> PathBuf {
        self.made.relay_config.clone()
    }

    /// The relay's configuration, with the store in a directory of its own.
    pub(crate) fn relay_config(&self, store: &str) -> Result<config::Relay> {
        let mut relay = config::Relay::read(&self.relay_file())?;
        relay.store.directory = self.path().join(store);
        relay.listen.desks.set_port(0);
        relay.listen.operator.set_port(0);
        relay.listen.metrics = None;
        Ok(relay)
    }

    /// A desk's configuration, for the relay at this address.
    pub(crate) fn desk_config(&self, desk: &DeskId, relay: SocketAddr) -> Result<config::Desk> {
        let mut config = config::Desk::read(&self.made.desk_configs[desk])?;
        config.relay.address = relay.to_string().parse()?;
        let socket = format!("{}-{}", desk.member, desk.name);
        config.counter.socket = self.sockets.path().join(socket);
        Ok(config)
    }

    /// The relay's own directory.
    pub(crate) fn relay_home(&self) -> PathBuf {
        self.made.directory.join("relay")
    }

    /// A connection of this desk to the relay, made when it is used.
    pub(crate) fn client(&self, desk: &DeskId, relay: SocketAddr) -> Result<RelayClient> {
        Ok(service::agent::relay_client(&self.desk_config(desk, relay)?)?)
    }

    /// Somebody who speaks for this desk, without an agent.
    pub(crate) fn speaker(&self, desk: &DeskId) -> Result<Speaker> {
        let home = self.home(desk);
        let unlock = Unlock::from_file(&home.join("unlock"))?;
        let key = |file: &str| -> Result<SigningKey> {
            let secret = keyfile::read(&home.join(file), keyfile::Kind::Ed25519, &unlock)?;
            Ok(SigningKey::from_seed(*secret.seed()?))
        };
        Ok(Speaker {
            desk: desk.clone(),
            officer: key("officers/duty.key")?,
            machine: key("desk.key")?,
            sequence: AtomicU64::new(1),
        })
    }

    /// A statement that says `act`, sealed, for others to be cast from.
    pub(crate) fn mould(&self, act: Act) -> Result<Mould> {
        let (from, to) = (&self.desks[0], &self.desks[1]);
        let speaker = self.speaker(from)?;
        let mut said = Said::new(to, now());
        if !matches!(act, Act::Request(_)) {
            (said.request, said.in_reply_to) = (RequestId(random()), Some(Hash(random())));
        }
        let draft = Draft { signer: Signer::Officer("duty".parse()?), ..speaker.draft(&said, act) };
        let question = form::Text { text: "q".repeat(600), language: "en".to_owned() };
        let form = form::InformationForm { question: Some(question), ..Default::default() };
        let body = form::Body { form: Some(form::body::Form::Information(form)) };
        let key = self.rules.encryption_key(to, now()).map_err(|why| anyhow!(why.cause()))?;
        let fill = &mut |bytes: &mut [u8]| bytes.copy_from_slice(&random_bytes(bytes.len()));
        Mould::of(&envelope::seal(&draft, &body, key, &speaker.officer, fill)?)
    }

    fn home(&self, desk: &DeskId) -> PathBuf {
        let members = self.made.directory.join("members");
        members.join(desk.member.label()).join(desk.name.as_str())
    }
}

/// What a question of no urgency is.
pub(crate) const fn question() -> Act {
    Act::Request(RequestFacts {
        kind: RequestType::LegalInformation,
        instrument: Instrument::G72417,
        urgency: Urgency::Routine,
        test: false,
        exercise: false,
        parent: None,
        prior_conditions: false,
        embargo_until: None,
    })
}

/// Somebody who makes statements for a desk.
pub(crate) struct Speaker {
    pub(crate) desk: DeskId,
    officer: SigningKey,
    machine: SigningKey,
    sequence: AtomicU64,
}

/// What a statement is about.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) to: DeskId,
    pub(crate) message: MessageId,
    pub(crate) case: CaseId,
    pub(crate) request: RequestId,
    pub(crate) in_reply_to: Option<Hash>,
    pub(crate) created: Timestamp,
}

impl Said {
    /// Something new.
    pub(crate) fn new(to: &DeskId, created: Timestamp) -> Self {
        let message = MessageId(random());
        Self {
            to: to.clone(),
            message,
            case: CaseId(random()),
            request: message.into(),
            in_reply_to: None,
            created,
        }
    }
}

impl Speaker {
    /// A question to a desk, made now.
    pub(crate) fn ask(&self, mould: &Mould, to: &DeskId) -> Result<Envelope> {
        mould.cast(self, &Said::new(to, now()))
    }

    /// What the machine says.
    pub(crate) fn machine(&self, said: &Said, act: Act) -> Result<Envelope> {
        Ok(envelope::machine(&self.draft(said, act), &self.machine)?)
    }

    fn draft(&self, said: &Said, act: Act) -> Draft {
        let Said { to, message, case, request, in_reply_to, created } = said.clone();
        Draft {
            message,
            from: self.desk.clone(),
            signer: Signer::Desk,
            approval: Approval::None,
            to,
            case,
            request,
            in_reply_to,
            sequence: self.sequence.fetch_add(1, Ordering::Relaxed),
            created,
            not_after: created.plus_ms(DAY_MS),
            seen: None,
            act,
        }
    }
}

/// A sealed statement that others are cast from: same act, same body, another header.
pub(crate) struct Mould {
    envelope: wire::Envelope,
    header: wire::Header,
    context: wire::Context,
}

impl Mould {
    fn of(sealed: &Envelope) -> Result<Self> {
        let header = wire::Header::decode(sealed.header.as_slice())?;
        let context = wire::Context::decode(header.context.as_slice())?;
        Ok(Self { envelope: sealed.to_wire(), header, context })
    }

    /// The same, said by this speaker about something else.
    pub(crate) fn cast(&self, by: &Speaker, said: &Said) -> Result<Envelope> {
        let mut context = self.context.clone();
        context.message_id = said.message.0.to_vec();
        context.from = by.desk.to_string();
        context.signer_key_id = by.officer.public().id().0.to_vec();
        context.to = said.to.to_string();
        context.case_id = said.case.0.to_vec();
        context.request_id = said.request.0.to_vec();
        context.in_reply_to = said.in_reply_to.map_or_else(Vec::new, |header| header.0.to_vec());
        context.sequence = by.sequence.fetch_add(1, Ordering::Relaxed);
        context.created_ms = said.created.0;
        context.not_after_ms = said.created.plus_ms(DAY_MS).0;
        if let Some(wire::context::Act::Acknowledge(acknowledge)) = &mut context.act {
            acknowledge.estimated_at_ms = context.not_after_ms;
        }
        let header = wire::Header { context: context.encode_to_vec(), ..self.header.clone() };
        let mut cast = self.envelope.clone();
        cast.header = header.encode_to_vec();
        cast.signatures = vec![by.officer.sign(HEADER_TYPE, &cast.header).to_wire()];
        Envelope::from_wire(cast).map_err(|malformed| anyhow!("{malformed}"))
    }
}

pub(crate) fn now() -> Timestamp {
    detente::relay::Clock::wall(&detente::relay::SystemClock::default())
}

pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

fn random_bytes(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}
