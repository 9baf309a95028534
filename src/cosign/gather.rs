//! One witness and one log: asks about each newly published head, C2SP tlog-witness 1.0.0.
//!
//! Not for how the witness is reached. A head that came while the one before was asked about is
//! asked about next; those between are passed over, for a later head covers them. After 409 the
//! witness is asked once more, from the size that it names; whatever else it answers is final for
//! this head, so that nothing here can go in circles.

use std::time::Duration;

use super::witnesses::Place;
use super::word;
use crate::codec::Log;
use crate::relay::{Error, PublicHead, Relay, Standing};
use crate::tlog::witness::{AddCheckpoint, parse_lines};
use crate::tlog::{Note, VerifierKey};
use crate::units::Hash;

/// How long an answer may take.
pub const ASK_WITHIN: Duration = Duration::from_secs(10);

/// Before a proof is tried again that could not be made: the tables are being made anew.
const PROOF_PAUSE: Duration = Duration::from_secs(1);

/// How much of a witness's words is kept, in characters.
const WORDS_MAX: usize = 200;

/// An answer of a witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// As C2SP tlog-witness over HTTP.
    pub status: u16,
    /// Cosignature lines after 200, the size that it has seen after 409, else words.
    pub body: String,
}

/// The witness cannot be asked any more, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone(pub String);

/// A way to ask a witness.
pub trait Ask: Sync {
    /// Asks it for a cosignature: `body` is that of add-checkpoint.
    fn ask(&self, log: Log, body: String) -> impl Future<Output = Result<Answer, Gone>> + Send;

    /// The newest head that it says it has cosigned, where it shows that.
    fn shown(&self, _log: Log) -> impl Future<Output = Option<Note>> + Send {
        std::future::ready(None)
    }
}

/// What came of a question.
pub(super) enum Outcome {
    Cosigned,
    /// It has seen so many leaves, not what it was said to have.
    SeenSize(u64),
    /// It has seen another tree: so many leaves, which are not the beginning of this one.
    OtherTree(u64, String),
    Declined(String),
}

/// Asks a witness that has cosigned a head of `seen` leaves about every published head of a log,
/// until it cannot be asked any more.
pub async fn gather(
    relay: &Relay,
    log: Log,
    (witness, place): (&VerifierKey, &Place),
    mut seen: u64,
    link: &impl Ask,
) -> Gone {
    let mut standings = relay.heads().standings(log);
    let mut asked = None;
    loop {
        let head = {
            let is_new = |standing: &Standing| {
                let newest = standing.newest.as_ref();
                newest.is_some_and(|head| asked != Some((head.size, head.root)))
            };
            // The heads live as long as the relay, of which a handle is held.
            let Ok(standing) = standings.wait_for(is_new).await else {
                return Gone("the relay has stopped".to_owned());
            };
            standing.newest.clone()
        };
        let Some(head) = head else { continue };
        asked = Some((head.size, head.root));
        let outcome = about(relay, log, (witness, place, &head), &mut seen, link).await;
        if let Ok(outcome) = &outcome {
            word::hear(relay, log, (witness, &head), outcome, link).await;
        }
        match outcome {
            Ok(Outcome::Cosigned) => place.cosigned(log, head.size),
            Ok(Outcome::SeenSize(size)) => {
                let why = format!(
                    "it says that it has seen {size} leaves of the {} log when asked about {}",
                    log.as_str(),
                    head.size
                );
                // The sizes differ from head to head; what is wrong does not.
                place.trouble(log, "it has seen another size than it is asked about", why);
            }
            Ok(Outcome::OtherTree(_, why) | Outcome::Declined(why)) => {
                place.trouble(log, &why.clone(), why)
            }
            Err(Gone(why)) => {
                place.gone(why.clone());
                return Gone(why);
            }
        }
    }
}

/// Asks about one head, once or twice.
pub(super) async fn about(
    relay: &Relay,
    log: Log,
    asked: (&VerifierKey, &Place, &PublicHead),
    seen: &mut u64,
    link: &impl Ask,
) -> Result<Outcome, Gone> {
    let (_, _, head) = asked;
    // One that is ahead may have been wrong, and is asked from nothing: then it says its size anew.
    let from = if *seen > head.size { 0 } else { *seen };
    let mut answered = once(relay, log, asked, from, link).await?;
    if let Outcome::SeenSize(size) = answered {
        *seen = size;
        if size <= head.size {
            answered = once(relay, log, asked, size, link).await?;
        }
    }
    if matches!(answered, Outcome::Cosigned) {
        *seen = head.size;
    }
    Ok(answered)
}

async fn once(
    relay: &Relay,
    log: Log,
    (witness, place, head): (&VerifierKey, &Place, &PublicHead),
    seen: u64,
    link: &impl Ask,
) -> Result<Outcome, Gone> {
    let proof = prove(relay, log, place, (seen, head.size)).await?;
    let checkpoint = head.note.clone();
    let body = AddCheckpoint { old_size: seen, proof, checkpoint }.to_string();
    let Answer { status, body } = link.ask(log, body).await?;
    Ok(match status {
        200 => note(relay, log, (witness, head), &body),
        409 => match body.trim_end().parse() {
            Ok(size) if size != seen => Outcome::SeenSize(size),
            // The same size with another root is 409 as well, and then no size has to come.
            Ok(_) | Err(_) if seen > 0 && seen == head.size => Outcome::OtherTree(
                seen,
                format!("it answered 409 about the {seen} leaves that it has seen: not these"),
            ),
            Ok(_) | Err(_) => {
                Outcome::Declined("it answered 409 without the size it has seen".to_owned())
            }
        },
        // Every tree begins with none.
        422 if seen > 0 => Outcome::OtherTree(seen, format!("it answered 422: {}", words(&body))),
        status => Outcome::Declined(format!("it answered {status}: {}", words(&body))),
    })
}

/// That a tree has grown from one size to the other, as soon as that can be proven.
async fn prove(
    relay: &Relay,
    log: Log,
    place: &Place,
    (old, size): (u64, u64),
) -> Result<Vec<Hash>, Gone> {
    // That needs no tables.
    if old == 0 {
        return Ok(Vec::new());
    }
    loop {
        match relay.prove_growth(log, old, size).await {
            Ok(proof) => return Ok(proof),
            Err(error @ Error::Stopped) => return Err(Gone(error.to_string())),
            Err(Error::Busy | Error::NoTables) => tracing::debug!("no proof for a witness yet"),
            Err(error) => {
                let why = format!("the relay has no proof for it: {error}");
                place.trouble(log, &why.clone(), why);
            }
        }
        tokio::time::sleep(PROOF_PAUSE).await;
    }
}

/// Verifies and notes what a witness says is its cosignature.
fn note(
    relay: &Relay,
    log: Log,
    (witness, head): (&VerifierKey, &PublicHead),
    body: &str,
) -> Outcome {
    let lines = match parse_lines(body) {
        Ok(lines) => lines,
        Err(error) => return Outcome::Declined(format!("it answered 200 with {error}")),
    };
    let Some(line) = lines.iter().find(|line| line.is_by(witness)) else {
        return Outcome::Declined("it answered 200 without a line of its own key".to_owned());
    };
    match relay.heads().cosigned(log, head, witness, line, relay.now()) {
        Ok(_new) => Outcome::Cosigned,
        Err(bad) => Outcome::Declined(format!("its cosignature does not hold: {bad}")),
    }
}

/// What a witness wrote, fit for a log: the first line, without control characters.
fn words(body: &str) -> String {
    let line = body.lines().next().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(WORDS_MAX).collect()
}
