//! A desk that witnesses over its own connection: its greeting, and the questions and answers on
//! its stream.
//!
//! Not for what is asked (see `cosign`). The stream ends when the desk does not answer in time, or
//! answers what it was not asked; the desk comes again.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tonic::{Status, Streaming};

use super::checkpoints::beat;
use super::follows::Following;
use super::parse;
use super::trouble::Trouble;
use crate::codec::{Head, Log};
use crate::cosign::{ASK_WITHIN, Answer, Ask, Gone, Place, gather, tell};
use crate::envelope::genesis;
use crate::relay::{Relay, Told};
use crate::tlog::VerifierKey;
use crate::units::DeskId;
use crate::wire::detente::log::v1 as wire;
use wire::witness_request::Item as Said;
use wire::witness_response::Item as Asked;

type Sender = mpsc::Sender<Result<wire::WitnessResponse, Status>>;

/// A desk that has said that it witnesses.
pub(super) struct Witness {
    pub(super) relay: Relay,
    pub(super) desk: DeskId,
    pub(super) key: VerifierKey,
    /// What it has cosigned.
    pub(super) told: BTreeMap<Log, Told>,
    pub(super) place: Place,
    pub(super) beat_every: Duration,
    pub(super) stopping: watch::Receiver<bool>,
    /// Given back when the stream ends.
    pub(super) _offering: Following,
}

/// What a greeting says.
pub(super) struct Hello {
    pub(super) key: VerifierKey,
    /// The newest head of each log that it has cosigned; none of one that it does not speak of.
    pub(super) heads: BTreeMap<Log, Told>,
}

/// Reads the first message of a witness: it must be a greeting with the key that the directory, or
/// the relay's policy, has for this desk.
pub(super) async fn hello(
    relay: &Relay,
    desk: &DeskId,
    stream: &mut Streaming<wire::WitnessRequest>,
) -> Result<Hello, Status> {
    let first = stream.message().await?.and_then(|request| request.item);
    let wire::WitnessHello { heads, verifier_key } = match first {
        Some(Said::Hello(hello)) => hello,
        Some(Said::Answer(_)) | None => {
            return Err(field("hello", "the first message is no greeting").status());
        }
    };
    let key: VerifierKey = verifier_key
        .parse()
        .map_err(|error| field("hello.verifier_key", &format!("{error}")).status())?;
    if !is_key_of(relay, desk, &key) {
        let why = "neither the directory nor the policy has this key for the desk";
        return Err(field("hello.verifier_key", why).status());
    }
    let mut found = BTreeMap::new();
    for (place, head) in heads.into_iter().enumerate() {
        let wire::WitnessedHead { log, size, root, checkpoint } = head;
        let path = format!("hello.heads[{place}]");
        let log = parse::log_name(&log).map_err(Trouble::status)?;
        let root = root
            .as_slice()
            .try_into()
            .map(crate::units::Hash)
            .map_err(|_| field(&format!("{path}.root"), "it has not 32 bytes").status())?;
        let note = match checkpoint.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|error| {
                field(&format!("{path}.checkpoint"), &format!("{error}")).status()
            })?),
        };
        if found.insert(log, Told { head: Head { size, root }, note }).is_some() {
            return Err(field(&path, "a second head of the same log").status());
        }
    }
    Ok(Hello { key, heads: found })
}

/// A desk speaks for its own key alone: the one in the directory, or a newer or older one that the
/// policy names.
fn is_key_of(relay: &Relay, desk: &DeskId, key: &VerifierKey) -> bool {
    let published = relay.published();
    let directory = published.state().directory();
    let Some(network) = directory.network() else { return false };
    let stated = directory.desk(desk).and_then(|found| found.witness_key.as_ref());
    let stated = stated.and_then(|public| genesis::witness_key(&network.name, desk, public));
    let own_name = genesis::witness_key_name(&network.name, desk);
    let in_policy = || {
        *key.name() == own_name
            && relay.heads().policy().witnesses().any(|witness| witness.key == key)
    };
    stated.as_ref() == Some(key) || in_policy()
}

/// The questions that wait for their answer, and the way to ask more.
struct Link<'a> {
    send: &'a Sender,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    asked: u64,
    answers: BTreeMap<u64, oneshot::Sender<Answer>>,
}

impl Ask for Link<'_> {
    async fn ask(&self, log: Log, body: String) -> Result<Answer, Gone> {
        let (answer, answered) = oneshot::channel();
        let number = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.asked += 1;
            let number = waiting.asked;
            waiting.answers.insert(number, answer);
            number
        };
        let log = log.as_str().to_owned();
        let ask = wire::WitnessAsk { ask: number, log, add_checkpoint: body };
        if self.send.send(Ok(response(Asked::Ask(ask)))).await.is_err() {
            return Err(Gone("the desk has gone".to_owned()));
        }
        match timeout(ASK_WITHIN, answered).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(Gone("the desk has gone".to_owned())),
            Err(_elapsed) => {
                Err(Gone(format!("it has not answered in {} s", ASK_WITHIN.as_secs())))
            }
        }
    }
}

impl Link<'_> {
    /// Takes answers until the desk says something else.
    async fn hear(&self, stream: &mut Streaming<wire::WitnessRequest>) -> Option<Status> {
        loop {
            // Who has gone hears nothing any more.
            let Ok(Some(request)) = stream.message().await else { return None };
            let wire::WitnessAnswer { ask, status, body } = match request.item {
                Some(Said::Answer(answer)) => answer,
                Some(Said::Hello(_)) => return Some(field("hello", "a second one").status()),
                None => return Some(field("item", "nothing is said").status()),
            };
            let waits = {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                waiting.answers.remove(&ask)
            };
            let Some(waits) = waits else {
                return Some(field("answer.ask", "nobody waits for this answer").status());
            };
            let Ok(status) = u16::try_from(status) else {
                return Some(field("answer.status", "it is no status of HTTP").status());
            };
            // Whoever asked has gone when the stream ends.
            let _gone = waits.send(Answer { status, body });
        }
    }
}

impl Witness {
    /// Asks until the desk goes, does not answer, or the relay stops.
    pub(super) async fn pump(self, mut stream: Streaming<wire::WitnessRequest>, send: Sender) {
        let link = Link { send: &send, waiting: Mutex::default() };
        let asked = (&self.key, &self.place);
        let seen = |log| self.told.get(&log).map_or(0, |told| told.head.size);
        let (directory, traffic) = (seen(Log::Directory), seen(Log::Traffic));
        let mut stopping = self.stopping.clone();
        let end = tokio::select! {
            biased;
            () = send.closed() => None,
            // A sender that is gone stops the process as well.
            _stop = stopping.wait_for(|stopping| *stopping) => {
                Some(Trouble::ShuttingDown.status())
            }
            () = self.relay.stopped() => Some(Trouble::ShuttingDown.status()),
            () = self.place.displaced() => Some(Trouble::TooManyStreams.status()),
            end = link.hear(&mut stream) => end,
            Gone(why) = gather(&self.relay, Log::Directory, asked, directory, &link) => {
                self.gone(&why)
            }
            Gone(why) = gather(&self.relay, Log::Traffic, asked, traffic, &link) => {
                self.gone(&why)
            }
            () = self.tell() => None,
            () = self.beat(&send) => None,
        };
        if let Some(status) = end {
            // It may have gone meanwhile.
            let _gone = send.send(Err(status)).await;
        }
    }

    fn gone(&self, why: &str) -> Option<Status> {
        tracing::warn!(desk = %self.desk, why, "a witness is not asked any more");
        Some(Trouble::Deadline.status())
    }

    /// Tells the relay how far the desk has seen. Does not end before the stream does.
    async fn tell(&self) {
        tell(&self.relay, &self.key, &self.told).await;
        std::future::pending().await
    }

    async fn beat(&self, send: &Sender) {
        loop {
            tokio::time::sleep(self.beat_every).await;
            if send.send(Ok(response(Asked::Beat(beat(&self.relay, &self.desk))))).await.is_err() {
                return;
            }
        }
    }
}

const fn response(item: Asked) -> wire::WitnessResponse {
    wire::WitnessResponse { item: Some(item) }
}

fn field(path: &str, why: &str) -> Trouble {
    Trouble::Field { field: path.to_owned(), why: why.to_owned() }
}
