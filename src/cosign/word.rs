//! What a witness from elsewhere says of how far it has seen, carried to the relay's guard: it has
//! no greeting in which it could say so, and is asked.
//!
//! Not for desks, which show what they have cosigned when they connect. What such a witness answers
//! is mere words: a size, or that it has seen another tree. Where it shows its newest head, that
//! is looked at, for a head that the log has signed is proof.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::sleep;

use super::gather::{Ask, Gone, Outcome, about};
use super::witnesses::Place;
use crate::codec::{Head, Log};
use crate::relay::{Error, PublicHead, Relay, Told};
use crate::tlog::{Checkpoint, Note, VerifierKey};

/// How often it is asked while the relay waits for what it says.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// Before the relay is told again: its tables are being made anew.
const TELL_PAUSE: Duration = Duration::from_secs(1);

/// While nothing may be signed: asks how far a witness has seen, until it has said that it has seen
/// nothing that is not here. About the newest head that was published; where none is known, about
/// the tree without leaves. Answers with how many leaves it has seen, as far as that is known.
pub(super) async fn sound(
    relay: &Relay,
    log: Log,
    (witness, place): (&VerifierKey, &Place),
    link: &impl Ask,
) -> Result<u64, Gone> {
    let Some(signers) = relay.signers() else { return Ok(0) };
    let mut holds = signers.holds();
    let mut standings = relay.heads().standings(log);
    let mut seen = 0;
    while signers.held().is_some() && relay.awaits_word_of(log, witness) {
        standings.mark_unchanged();
        let published = relay.heads().newest(log).map(|head| PublicHead::clone(&head));
        let head = published.map_or_else(|| relay.empty_head(log), Ok);
        let head = head.map_err(|error| Gone(error.to_string()))?;
        seen = 0;
        let outcome = about(relay, log, (witness, place, &head), &mut seen, link).await?;
        hear(relay, log, (witness, &head), &outcome, link).await;
        let why = match outcome {
            Outcome::Cosigned => "its cosignature was not heard".to_owned(),
            Outcome::SeenSize(seen) => format!(
                "it has seen {seen} leaves of the {} log, and no head of so many is known here \
                 that it could be asked about",
                log.as_str()
            ),
            Outcome::OtherTree(_, why) | Outcome::Declined(why) => why,
        };
        if relay.awaits_word_of(log, witness) {
            place.trouble(log, "it has not said that all it has seen is here", why);
            tokio::select! {
                () = sleep(ASK_EVERY) => {}
                _free = holds.wait_for(BTreeMap::is_empty) => {}
                // A start finds what was published after the first question.
                _newest = standings.changed() => {}
            }
        }
    }
    Ok(seen)
}

/// Waits until nothing may be signed and the relay waits for this witness's word.
pub(super) async fn until_awaited(relay: &Relay, log: Log, witness: &VerifierKey) {
    if let Some(signers) = relay.signers()
        && relay.awaits_word_of(log, witness)
    {
        let mut holds = signers.holds();
        let is_held = holds.wait_for(|holds| !holds.is_empty()).await.is_ok();
        if is_held && relay.awaits_word_of(log, witness) {
            return;
        }
    }
    // Once it has agreed it is not waited for again.
    std::future::pending().await
}

/// Carries what came of a question about a head, if the relay waits for this witness's word.
pub(super) async fn hear(
    relay: &Relay,
    log: Log,
    (witness, head): (&VerifierKey, &PublicHead),
    outcome: &Outcome,
    link: &impl Ask,
) {
    if !relay.awaits_word_of(log, witness) {
        return;
    }
    let one = |told| BTreeMap::from([(log, told)]);
    let (size, says) = match outcome {
        Outcome::Cosigned => {
            let head = Head { size: head.size, root: head.root };
            return tell(relay, witness, &one(Told { head, note: None })).await;
        }
        Outcome::SeenSize(size) => (*size, None),
        Outcome::OtherTree(size, _) => (
            *size,
            Some(format!("says that it has seen another {} log of {size} leaves", log.as_str())),
        ),
        Outcome::Declined(_) => return,
    };
    let here = relay.published().heads().of(log).size;
    let more = || {
        let log = log.as_str();
        format!("says that it has seen {size} leaves of the {log} log, of which {here} are here")
    };
    // Words first: what it shows may be long in coming.
    if let Some(says) = says.or_else(|| (size > here).then(more)) {
        relay.hear_words(log, witness, size, says).await;
    }
    // What it shows may be an hour old, and then says nothing.
    if let Some(note) = link.shown(log).await
        && let Some(head) = head_of(&note, witness).filter(|head| head.size >= size)
    {
        tell(relay, witness, &one(Told { head, note: Some(note) })).await;
    }
}

/// Tells the relay what a witness has cosigned, until it has heard.
pub async fn tell(relay: &Relay, witness: &VerifierKey, told: &BTreeMap<Log, Told>) {
    while let Err(error) = relay.hear_witness(witness, told).await {
        if matches!(error, Error::Busy | Error::NoTables) {
            tracing::debug!("the tables are being made anew");
        } else if matches!(error, Error::Stopped) {
            return;
        } else {
            tracing::error!(%error, "what a witness has seen is not known here");
        }
        sleep(TELL_PAUSE).await;
    }
}

/// The head in a note, where the witness has cosigned it.
fn head_of(note: &Note, witness: &VerifierKey) -> Option<Head> {
    note.verify([witness]).ok()?;
    let checkpoint: Checkpoint = note.text().parse().ok()?;
    Some(Head { size: checkpoint.size(), root: checkpoint.root() })
}
