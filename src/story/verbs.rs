//! What happens in a step: a note, a fault, or who does what.
//!
//! Not for acts on a request (see `acts.rs`).

use std::str::FromStr;

use super::acts;
use super::error::did_you_mean;
use super::step::{Actor, Ask, Fault, What};
use super::words::{self, When, Whose, Words, Wrong};
use crate::envelope::words::Urgency;
use crate::units::{DeskId, Unreadable};

/// Reads what happens.
pub(super) fn read(words: &mut Words<'_>) -> Result<What, Wrong> {
    if words.eat("note") || words.eat("note:") {
        words.rest();
        return Ok(What::Note);
    }
    if let Some(fault) = fault(words)? {
        return Ok(What::Fault(fault));
    }
    let by = actor(words)?;
    let mut ahead = words.clone();
    if ahead.eat("asks") && !ahead.eat("for the use of") {
        words.eat("asks");
        return Ok(What::Ask(ask(words, by)?));
    }
    if words.eat("opens") {
        let request = words.request()?;
        words.end()?;
        return Ok(What::Open { by, request });
    }
    if words.eat("publishes") {
        if !words.eat("its entry") {
            return Err((words.number(), "after \"publishes\" comes \"its entry\"".to_owned()));
        }
        words.end()?;
        return Ok(What::Publish { by, fields: Vec::new() });
    }
    if words.eat("calls") {
        let (whom, urgency) = whom(words)?;
        words.end()?;
        return Ok(What::Call { by, whom, urgency });
    }
    acts::read(words, by).map(What::Act)
}

/// "PH", "PH/cyber", "PH, EMERGENCY": a desk that is called, and how urgent it is.
pub(super) fn whom(words: &mut Words<'_>) -> Result<(String, Option<Urgency>), Wrong> {
    let has_urgency = words.peek().is_some_and(|word| word.ends_with(','));
    let whom = desk(words)?;
    if !has_urgency {
        return Ok((whom, None));
    }
    let word = words.take("an urgency")?;
    Ok((whom, Some(known(words, word.trim_end_matches(','))?)))
}

/// "NL", "NL/cyber", and the officer if it is not the one on duty.
fn actor(words: &mut Words<'_>) -> Result<Actor, Wrong> {
    let desk = desk(words)?;
    let chief = words.eat("chief");
    Ok(Actor { desk, officer: if chief { "chief" } else { "duty" }.to_owned() })
}

/// A desk.
pub(super) fn desk(words: &mut Words<'_>) -> Result<String, Wrong> {
    let number = words.number();
    let word = words.take("a desk")?.trim_end_matches(',');
    let full = if word.contains('/') { word.to_owned() } else { format!("{word}/any") };
    match full.parse::<DeskId>() {
        Ok(_) => {
            words.says(number, Whose::Desk, word);
            Ok(word.to_owned())
        }
        Err(_) => {
            let others = ["note", "cut", "reconnect", "relay", "the", "certificate"];
            let meant = did_you_mean(word, others);
            words.wrong(format!("{word:?} is no desk (NL, NL/cyber){meant}"))
        }
    }
}

fn fault(words: &mut Words<'_>) -> Result<Option<Fault>, Wrong> {
    let fault = if words.eat("cut off") {
        Fault::CutOff(desk(words)?)
    } else if words.eat("reconnect") {
        Fault::Reconnect(desk(words)?)
    } else if words.eat("relay stops") {
        Fault::StopRelay
    } else if words.eat("relay starts") {
        Fault::StartRelay
    } else if words.eat("stop the agent of") {
        Fault::StopDesk(desk(words)?)
    } else if words.eat("start the agent of") {
        Fault::StartDesk(desk(words)?)
    } else if words.eat("lose the next answer to") {
        Fault::LoseAnswer(desk(words)?)
    } else if words.eat("certificate of") {
        certificate(words)?
    } else if words.eat("the relay's clock jumps by") {
        let text = words.take("a span")?;
        let back = text.strip_prefix('-');
        match words::span(back.unwrap_or(text)) {
            Some(ms) => Fault::Jump(if back.is_some() { -ms } else { ms }),
            None => return words.wrong(format!("{text:?} is no span (40m, -3h)")),
        }
    } else {
        return Ok(None);
    };
    words.end()?;
    Ok(Some(fault))
}

fn certificate(words: &mut Words<'_>) -> Result<Fault, Wrong> {
    let desk = desk(words)?;
    match words.take("what becomes of it")? {
        "expires" => Ok(Fault::Expire(desk)),
        "is" if words.eat("revoked") => Ok(Fault::Revoke(desk)),
        "is" if words.eat("renewed") => Ok(Fault::Renew(desk)),
        other => {
            words.wrong(format!("a certificate expires, is revoked or is renewed, not {other:?}"))
        }
    }
}

/// "asks RO for PRESERVATION, URGENT, on BUDAPEST, following A, with B, embargoed until T, under
/// conditions, as a test, called C".
fn ask(words: &mut Words<'_>, by: Actor) -> Result<Ask, Wrong> {
    let mut to = Vec::new();
    loop {
        let last = !words.peek().is_some_and(|word| word.ends_with(','));
        to.push(desk(words)?);
        if last {
            break;
        }
    }
    if !words.eat("for") {
        return Err((
            words.number(),
            "\"for\" is missing after the desks that are asked".to_owned(),
        ));
    }
    let word = words.take("a type of request")?;
    let kind = known(words, word.trim_end_matches(','))?;
    let mut ask = Ask {
        by,
        to,
        kind,
        urgency: None,
        instrument: None,
        following: None,
        with: None,
        test: false,
        conditions: false,
        embargo: None,
        name: String::new(),
        named_at: 0,
        fields: Vec::new(),
    };
    while words.peek().is_some() {
        ask_part(words, &mut ask)?;
    }
    if ask.name.is_empty() {
        return Err((words.number(), "say what it is called (\"called A\")".to_owned()));
    }
    Ok(ask)
}

fn ask_part(words: &mut Words<'_>, ask: &mut Ask) -> Result<(), Wrong> {
    let bare = |word: &str| word.trim_end_matches([',', ':']).to_owned();
    let flag = |words: &mut Words<'_>, rest: &str| {
        words.eat(rest) || words.eat(&format!("{rest},")) || words.eat(&format!("{rest}:"))
    };
    let first = words.take("a word")?;
    match first {
        "on" => {
            let word = bare(words.take("an instrument")?);
            ask.instrument = Some(known(words, &word)?);
        }
        "following" => ask.following = Some(words.request()?),
        "with" => ask.with = Some(words.request()?),
        "called" => {
            ask.named_at = words.number();
            ask.name = bare(words.take("a name")?);
        }
        "embargoed" if words.eat("until") => ask.embargo = Some(until(words)?),
        "under" if flag(words, "conditions") => ask.conditions = true,
        "as" if flag(words, "a test") => ask.test = true,
        urgency => match bare(urgency).parse() {
            Ok(urgency) => ask.urgency = Some(urgency),
            Err(_) => {
                let known = ["URGENT", "EMERGENCY", "EXPEDITED", "ROUTINE", "INFORMATION"];
                let parts = ["on", "following", "with", "embargoed", "under", "as", "called"];
                let meant = did_you_mean(&bare(urgency), known.into_iter().chain(parts));
                return words.wrong(format!(
                    "{urgency:?} is neither an urgency nor one of on, following, with, embargoed \
                     until, under conditions, as a test, called{meant}"
                ));
            }
        },
    }
    Ok(())
}

fn until(words: &mut Words<'_>) -> Result<When, Wrong> {
    let text = words.take("a moment")?.trim_end_matches([',', ':']);
    match words::when(text) {
        Some(when) => Ok(when),
        None => words.wrong(format!("{text:?} is no moment (+24h, T, D+2, RFC 3339)")),
    }
}

/// A word of the field, which was taken last.
pub(super) fn known<T: FromStr<Err = Unreadable>>(
    words: &Words<'_>,
    word: &str,
) -> Result<T, Wrong> {
    word.parse().or_else(|error| words.wrong(unreadable(&error)))
}

/// A word of the field that is none.
pub(super) fn unreadable(error: &Unreadable) -> String {
    format!("{}: {}", error.what, error.why)
}
