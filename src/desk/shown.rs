//! A proof that somebody shows this desk: whether what it proves to be in the log has come here.
//!
//! Not for proofs that the relay gives (see `receipt.rs`). A sender whose statement got a receipt
//! from the relay and none from its recipient hands its `.tlog-proof` over by another way; what the
//! recipient then finds missing is proven to be withheld.

use super::error::Error;
use super::receipt;
use super::record::{Monitored, Record, Shown};
use super::store::Scratch;
use super::{Desk, off_the_workers};
use crate::codec::{self, Leaf, Log, Outline};
use crate::envelope::Malformed;
use crate::envelope::words::Urgency;
use crate::rules::deadline::delivery_within_ms;
use crate::tlog::LogProof;
use crate::units::{DeskId, Index, Timestamp};

/// What a proof shows, and what is here of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shows {
    /// The desk whose pair the event is numbered in.
    pub from: DeskId,
    /// The other desk of the pair.
    pub to: DeskId,
    /// The event's number in the pair.
    pub number: u64,
    /// Record time.
    pub time: Timestamp,
    /// Its leaf in the traffic log.
    pub leaf: u64,
    /// What is here.
    pub here: Here,
}

/// What of a proven event is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Here {
    /// It came: the relay's record.
    Came(Index),
    /// Not yet: nothing that was recorded after it has come, and it is not old.
    NotYet,
    /// It never came, though what was recorded after it did, or it is older than five minutes.
    Never,
    /// Another event came under its number: the relay's record.
    Other(Index),
}

impl Desk {
    /// Checks a proof (C2SP tlog-proof with an event and its opening) against the log's key, and
    /// says whether its event has come here. What never came, or came otherwise, is kept with the
    /// proof, and is an alarm; showing it again adds nothing.
    ///
    /// # Errors
    /// When it proves nothing, this desk is no party to it, or the disk is full or failed.
    pub async fn show_proof(&self, text: &str) -> Result<Shows, Error> {
        let (event, shows) = self.read_shown(text)?;
        let (desk, outline) = (self.clone(), shows.clone());
        let here = off_the_workers(move || desk.compare_shown(&event, &outline)).await?;
        let shows = Shows { here, ..shows };
        let other = match here {
            Here::Came(_) | Here::NotYet => return Ok(shows),
            Here::Never => None,
            Here::Other(index) => Some(index),
        };
        let Shows { from, to, number, time, leaf, .. } = shows.clone();
        let shown = Shown { from, to, number, time, leaf, other, proof: text.to_owned() };
        let (id, (from, to)) = (shown.id(), shown.pair());
        let words = format!("event {number} from {from} to {to} was proven to us ({id})");
        let decide = move |scratch: &mut Scratch| {
            let known = scratch.file().conduct().is_known(&id);
            if !known {
                scratch.note(Record::Monitored(Monitored::Shown(Box::new(shown))), Vec::new());
            }
            Ok(known)
        };
        if !self.inner.store.write(decide).await? {
            self.alarm(&format!("{words}, and the relay has not sent it here"));
        }
        Ok(shows)
    }

    /// The event of a proof that holds, and what it says of itself.
    fn read_shown(&self, text: &str) -> Result<(Vec<u8>, Shows), Error> {
        let proof: LogProof = text.parse().map_err(|bad| malformed(format!("{bad}")))?;
        let short = "it has no opening and event in its extra data";
        let extra = proof.extra.as_deref().ok_or_else(|| malformed(short.to_owned()))?;
        let (opening, event) =
            extra.split_first_chunk::<32>().ok_or_else(|| malformed(short.to_owned()))?;
        let leaf = Leaf { log: Log::Traffic, index: proof.index, opening: Some(*opening) };
        let checkpoint = proof.checkpoint.to_string();
        receipt::check_leaf(&self.file(), (&leaf, event), &proof.hashes, &checkpoint)
            .map_err(|bad| malformed(bad.to_string()))?;
        let Outline { from, to, pair_sequence, time } =
            codec::decode_outline(event).map_err(|corrupt| malformed(corrupt.to_string()))?;
        let owner = self.file().owner().clone();
        match (from, to) {
            (Some(from), Some(to)) if from == owner || to == owner => {
                let shows = Shows {
                    from,
                    to,
                    number: pair_sequence,
                    time,
                    leaf: proof.index,
                    here: Here::NotYet,
                };
                Ok((event.to_vec(), shows))
            }
            _ => Err(malformed(format!("it is of an event to which {owner} is no party"))),
        }
    }

    /// Looks through every record that came. Blocks.
    fn compare_shown(&self, event: &[u8], shows: &Shows) -> Result<Here, Error> {
        let compared = self.each_received(|_, held| {
            let later = held.leaf.log == Log::Traffic.as_str() && held.leaf.index > shows.leaf;
            let same_place = codec::decode_outline(&held.event).is_ok_and(|outline| {
                outline.pair_sequence == shows.number
                    && outline.from.as_ref() == Some(&shows.from)
                    && outline.to.as_ref() == Some(&shows.to)
            });
            let here = if held.event == event {
                Some(Here::Came(held.index))
            } else {
                same_place.then_some(Here::Other(held.index))
            };
            (later, here)
        })?;
        if let Some(here) = compared.iter().find_map(|(_, here)| *here) {
            return Ok(here);
        }
        let later = compared.iter().any(|(later, _)| *later);
        let old = shows.time.plus_ms(delivery_within_ms(Urgency::Emergency)) <= self.now();
        Ok(if later || old { Here::Never } else { Here::NotYet })
    }
}

fn malformed(why: String) -> Error {
    Error::Malformed(vec![Malformed { field: "tlog_proof".to_owned(), why }])
}
