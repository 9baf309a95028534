//! Acts as they are written: the verb, the request, and what stands after the colon.
//!
//! Not for requests, faults and whatever else happens (see `verbs.rs`), nor for forms: what a line
//! says of one goes into its fields, like the lines under it.

use std::collections::VecDeque;

use super::error::did_you_mean;
use super::step::{Act, Actor, Field, Verb};
use super::words::{self, When, Whose, Words, Wrong};
use crate::envelope::words::{ConditionsAnswer, Extent, MlaStep, Outcome, WillAnswer};

/// What an act is, and the fields that its line fills in.
type Made = Result<(Verb, Vec<(&'static str, String)>), String>;

/// How an act is written: the verb, what stands before the request and after it, and how the rest
/// of the line is read.
struct Pattern {
    verb: &'static str,
    before: &'static str,
    after: &'static str,
    read: fn(&mut Parts) -> Made,
}

const fn act(
    verb: &'static str,
    before: &'static str,
    after: &'static str,
    read: fn(&mut Parts) -> Made,
) -> Pattern {
    Pattern { verb, before, after, read }
}

const PATTERNS: &[Pattern] = &[
    act("acknowledges", "", "", acknowledge),
    act("revises", "", "", |parts| Ok((Verb::Revise(parts.by()?), vec![("reason", parts.rest())]))),
    act("regrades", "", "", regrade),
    act("questions", "", "", |parts| Ok((Verb::Question, vec![("question", parts.rest())]))),
    act("clarifies", "", "", |parts| Ok((Verb::Clarify, vec![("answer", parts.rest())]))),
    act("accepts", "", "", |_| determined(Outcome::Accepted, Vec::new())),
    act("accepts", "", "in part", |parts| {
        let (scope, reasons) = parts.with_reasons();
        determined(Outcome::PartiallyAccepted, vec![("scope", scope), ("reasons", reasons)])
    }),
    act("accepts", "", "with conditions", |parts| {
        let (condition, reasons) = parts.with_reasons();
        let fields = vec![("conditions[0]", condition), ("reasons", reasons)];
        determined(Outcome::AcceptedWithConditions, fields)
    }),
    act("accepts", "conditions of", "", |parts| {
        Ok((Verb::AnswerConditions(ConditionsAnswer::Accepted), vec![("remarks", parts.rest())]))
    }),
    act("declines", "conditions of", "", |parts| {
        Ok((Verb::AnswerConditions(ConditionsAnswer::Declined), vec![("remarks", parts.rest())]))
    }),
    act("postpones", "", "", |parts| {
        let review = Some(parts.until()?);
        Ok((Verb::Determine(Outcome::Postponed, review), vec![("reasons", parts.rest())]))
    }),
    act("refuses", "", "", |parts| {
        determined(Outcome::Refused, parts.two("refusal_ground", "reasons"))
    }),
    act("redirects", "", "", |parts| {
        determined(Outcome::NotCompetent, parts.two("redirect_to", "reasons"))
    }),
    act("cannot", "execute", "", |parts| {
        determined(Outcome::UnableToExecute, parts.two("unable_reason", "reasons"))
    }),
    act("preserves", "", "", |parts| {
        let until = Some(parts.until()?);
        Ok((Verb::Execute(Extent::Executed, until, false), vec![("scope", parts.rest())]))
    }),
    act("preserves", "", "in part", |parts| {
        let until = Some(parts.until()?);
        Ok((Verb::Execute(Extent::ExecutedInPart, until, false), vec![("remarks", parts.rest())]))
    }),
    act("executes", "", "", |parts| executed(Extent::Executed, false, ("answer", parts.rest()))),
    act("executes", "", "in part", |parts| {
        executed(Extent::ExecutedInPart, false, ("remarks", parts.rest()))
    }),
    act("executes", "", "and demands MLA", |parts| {
        executed(Extent::Executed, true, ("remarks", parts.rest()))
    }),
    act("executes", "", "in part and demands MLA", |parts| {
        executed(Extent::ExecutedInPart, true, ("remarks", parts.rest()))
    }),
    act("holds", "no data for", "", |parts| {
        executed(Extent::NoDataHeld, false, ("remarks", parts.rest()))
    }),
    act("provides", "information for", "", |parts| {
        Ok((Verb::Provide, vec![("information", parts.rest())]))
    }),
    act("discloses", "path for", "", |parts| {
        let (provider, state) = (parts.next(), parts.next());
        let path = parts.rest();
        let fields = vec![("provider", provider), ("state", state), ("path", path)];
        Ok((Verb::DisclosePath, fields))
    }),
    act("requests", "extension of", "", |parts| {
        Ok((Verb::RequestExtension, parts.two("wished_until", "reasons")))
    }),
    act("extends", "", "", |parts| {
        Ok((Verb::Extend(parts.until()?), vec![("reasons", parts.rest())]))
    }),
    act("withdraws", "", "", |parts| Ok((Verb::Withdraw, vec![("reason", parts.rest())]))),
    act("closes", "", "", |parts| Ok((Verb::Close, vec![("reason", parts.rest())]))),
    act("sends", MLA, "", |parts| mla(MlaStep::Sent, parts)),
    act("receives", MLA, "", |parts| mla(MlaStep::Received, parts)),
    act("decides", MLA, "", |parts| mla(MlaStep::Decided, parts)),
    act("gives", "feedback on", "", |parts| {
        Ok((Verb::Feedback, parts.two("usefulness", "outcome")))
    }),
    act("asks", "for the use of", "", |parts| Ok((Verb::AskUse, vec![("question", parts.rest())]))),
    act("reports", "use of", "", |parts| Ok((Verb::ReportUse, vec![("use", parts.rest())]))),
    act("reports", "an incident with", "", |parts| {
        Ok((Verb::ReportIncident, vec![("what", parts.rest())]))
    }),
];

/// What stands before the request in a step of mutual legal assistance.
const MLA: &str = "MLA for";

/// The verbs of acts, as they begin.
pub(super) fn verbs() -> impl Iterator<Item = &'static str> {
    PATTERNS.iter().map(|pattern| pattern.verb)
}

/// Reads an act, from its verb.
pub(super) fn read(words: &mut Words<'_>, by: Actor) -> Result<Act, Wrong> {
    let (number, first) = (words.number(), words.take("a verb")?);
    let mut known: Vec<&Pattern> =
        PATTERNS.iter().filter(|pattern| pattern.verb == first).collect();
    if known.is_empty() {
        let meant = did_you_mean(first, verbs().chain(["opens", "publishes", "calls"]));
        return Err((number, format!("{first:?} is no verb{meant}")));
    }
    let mut before = "";
    for pattern in &known {
        if !pattern.before.is_empty() && words.eat(pattern.before) {
            before = pattern.before;
            break;
        }
    }
    if known.iter().all(|pattern| pattern.before != before) {
        let wanted: Vec<&str> = known.iter().map(|pattern| pattern.before).collect();
        let why = format!("after {first:?} comes \"{}\"", wanted.join("\" or \""));
        return Err((words.number(), why));
    }
    known.retain(|pattern| pattern.before == before);
    let (request, at, after) = subject(words)?;
    let carrier = after.strip_prefix("carried by ").filter(|_| before == MLA);
    if let Some(carrier) = carrier {
        words.says(at + 2, Whose::Request, carrier);
    }
    let after = if carrier.is_some() { "" } else { after.as_str() };
    let Some(pattern) = known.iter().find(|pattern| pattern.after == after) else {
        let known = known.iter().map(|pattern| pattern.after).filter(|known| !known.is_empty());
        let meant = did_you_mean(after, known);
        return Err((at, format!("{after:?} does not belong after the request{meant}")));
    };
    let mut parts = Parts::read(words)?;
    let made = (pattern.read)(&mut parts).and_then(|made| parts.end().map(|()| made));
    let (verb, fields) = made.map_err(|why| (number, why))?;
    let fields = fields
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(name, text)| Field { line: 0, name: name.to_owned(), text })
        .collect();
    Ok(Act { by, request, verb, carrier: carrier.map(str::to_owned), fields })
}

/// The request, and what stands between it and the colon: its first word's number, and the words.
fn subject(words: &mut Words<'_>) -> Result<(String, usize, String), Wrong> {
    let mut word = words.peek().unwrap_or_default();
    let request = words.request()?;
    let at = words.number();
    let mut after = Vec::new();
    while !word.ends_with(':') && words.peek().is_some() {
        word = words.take("a word")?;
        after.push(word.trim_end_matches(':'));
    }
    Ok((request, at, after.join(" ")))
}

/// What stands after the colon, cut at its commas: moments by what they are, and texts.
#[derive(Default)]
struct Parts {
    by: Option<When>,
    until: Option<When>,
    texts: VecDeque<String>,
}

impl Parts {
    fn read(words: &mut Words<'_>) -> Result<Self, Wrong> {
        let mut parts = Self::default();
        let number = words.number();
        let text = words.rest();
        for part in text.split(", ").filter(|part| !part.is_empty()) {
            let date = |prefix: &str| part.strip_prefix(prefix).and_then(words::when);
            if let Some(when) = date("by ") {
                parts.by = Some(when);
            } else if let Some(when) = date("until ") {
                parts.until = Some(when);
            } else if is_meant_as_date(part) {
                let why = format!("{part:?} is no moment (+3h, T+3h, D+45, RFC 3339)");
                return Err((number, why));
            } else {
                parts.texts.push_back(part.to_owned());
            }
        }
        Ok(parts)
    }

    fn by(&mut self) -> Result<When, String> {
        self.by.take().ok_or_else(|| "say by when (\"by +3h\")".to_owned())
    }

    fn until(&mut self) -> Result<When, String> {
        self.until.take().ok_or_else(|| "say until when (\"until D+60\")".to_owned())
    }

    /// The next text; empty when there is none.
    fn next(&mut self) -> String {
        self.texts.pop_front().unwrap_or_default()
    }

    /// All texts that are left, as they were written.
    fn rest(&mut self) -> String {
        std::mem::take(&mut self.texts).make_contiguous().join(", ")
    }

    fn two(&mut self, first: &'static str, rest: &'static str) -> Vec<(&'static str, String)> {
        vec![(first, self.next()), (rest, self.rest())]
    }

    /// The next text, and its reasons; it is its own where there are none.
    fn with_reasons(&mut self) -> (String, String) {
        let (what, reasons) = (self.next(), self.rest());
        let reasons = if reasons.is_empty() { what.clone() } else { reasons };
        (what, reasons)
    }

    /// Nothing may be left.
    fn end(&self) -> Result<(), String> {
        match (self.by, self.until, self.texts.front()) {
            (None, None, None) => Ok(()),
            (Some(_), _, _) => Err("no \"by\" belongs here".to_owned()),
            (_, Some(_), _) => Err("no \"until\" belongs here".to_owned()),
            (_, _, Some(text)) => Err(format!("{text:?} does not belong here")),
        }
    }
}

/// "by 3h", "until D+x": not a text that happens to begin so.
fn is_meant_as_date(part: &str) -> bool {
    let date = part.strip_prefix("by ").or_else(|| part.strip_prefix("until "));
    date.is_some_and(|date| date.starts_with(|c: char| c == '+' || c.is_ascii_digit()))
}

fn acknowledge(parts: &mut Parts) -> Made {
    let one = parts.next();
    let will: WillAnswer = one
        .to_uppercase()
        .parse()
        .map_err(|_| format!("{one:?} is not yes, no, partly or forwarded"))?;
    Ok((Verb::Acknowledge(will, parts.by()?), vec![("answer_form", parts.rest())]))
}

fn regrade(parts: &mut Parts) -> Made {
    let urgency = parts.next().parse().map_err(|error: crate::units::Unreadable| error.why)?;
    Ok((Verb::Regrade(urgency), vec![("reasons", parts.rest())]))
}

fn determined(outcome: Outcome, fields: Vec<(&'static str, String)>) -> Made {
    Ok((Verb::Determine(outcome, None), fields))
}

fn executed(extent: Extent, mla_demanded: bool, field: (&'static str, String)) -> Made {
    Ok((Verb::Execute(extent, None, mla_demanded), vec![field]))
}

fn mla(step: MlaStep, parts: &mut Parts) -> Made {
    Ok((Verb::Mla(step), parts.two("reference", "outcome")))
}
