//! What must hold after a step, as it is written.
//!
//! Not for whether it holds (see `check.rs`).

use super::error::did_you_mean;
use super::step::{Done, Expect, Expectation, Fact, Moment, Whom};
use super::verbs::{desk, known, whom};
use super::vocabulary::{self, owed};
use super::words::{self, Words, Wrong};

/// The facts of a request by the words for them.
const FACTS: [(&str, Fact); 15] = [
    ("handling", Fact::Handling),
    ("measure", Fact::Measure),
    ("follow-up", Fact::FollowUp),
    ("transport", Fact::Transport),
    ("urgency", Fact::Urgency),
    ("stated-urgency", Fact::StatedUrgency),
    ("regraded", Fact::Regraded),
    ("type", Fact::Type),
    ("instrument", Fact::Instrument),
    ("exercise", Fact::Exercise),
    ("conditions", Fact::Conditions),
    ("embargo", Fact::Embargo),
    ("feedback", Fact::Feedback),
    ("use-report", Fact::UseReport),
    ("incidents", Fact::Incidents),
];

/// What is done to a request once, by the words for it.
const DONE: [(&str, Done); 4] = [
    ("acknowledged within", Done::Acknowledged),
    ("determined within", Done::Determined),
    ("executed within", Done::Executed),
    ("closed within", Done::Closed),
];

/// The moments of a request by the words for them.
const MOMENTS: [(&str, Moment); 3] = [
    ("preserved until", Moment::PreservedUntil),
    ("estimated", Moment::Estimated),
    ("embargoed until", Moment::EmbargoedUntil),
];

/// What may stand after a request, but for its facts.
const OF_REQUEST: [&str; 13] = [
    "acknowledged",
    "determined",
    "executed",
    "closed",
    "preserved",
    "estimated",
    "embargoed",
    "follows",
    "MLA",
    "records",
    "approved",
    "warned",
    "overdue",
];

/// What may stand after a desk.
const OF_DESK: [&str; 9] =
    ["inbox", "outbox", "knows", "reads", "is", "has", "sees", "owes", "calls"];

/// An expectation of a line.
pub(super) const fn made(line: usize, text: String, what: Expectation) -> Expect {
    Expect { line, text, what }
}

/// Reads what follows "expect".
pub(super) fn read(words: &mut Words<'_>) -> Result<Expectation, Wrong> {
    let expectation = if words.eat("relay sees no word") {
        relay_sees(words, false)?
    } else if words.eat("relay sees the word") {
        relay_sees(words, true)?
    } else if words.eat("p90 of") {
        p90(words)?
    } else {
        let mut ahead = words.clone();
        match (ahead.take("a request or a desk")?, ahead.peek()) {
            (_, Some(word)) if OF_DESK.contains(&word) => of_desk(words)?,
            (_, _) => of_request(words)?,
        }
    };
    words.end()?;
    Ok(expectation)
}

fn relay_sees(words: &mut Words<'_>, is_there: bool) -> Result<Expectation, Wrong> {
    let word = quoted(words)?;
    Ok(Expectation::RelaySees { word, is_there })
}

/// "p90 of acknowledgement of A, B, C within 4h".
fn p90(words: &mut Words<'_>) -> Result<Expectation, Wrong> {
    if !words.eat("acknowledgement of") {
        return Err((words.number(), "\"acknowledgement of\" is missing".to_owned()));
    }
    let requests = list(words, "within", "a request", |words| words.request())?;
    Ok(Expectation::P90 { requests, ms: span(words)? })
}

fn of_desk(words: &mut Words<'_>) -> Result<Expectation, Wrong> {
    let desk = desk(words)?;
    match words.take("what holds")? {
        kind @ ("inbox" | "outbox") => {
            let inbox = kind == "inbox";
            let requests = if words.eat("empty") {
                Vec::new()
            } else {
                list(words, "", "a request", |words| words.request())?
            };
            Ok(Expectation::Box { desk, inbox, requests })
        }
        "knows" if words.eat("nothing of") => {
            Ok(Expectation::KnowsNothing { desk, request: words.request()? })
        }
        "reads" => {
            let is_there = !words.eat("no");
            let text = quoted(words)?;
            if !words.eat("in") {
                return Err((words.number(), "\"in\" and a request are missing".to_owned()));
            }
            let request = words.request()?;
            Ok(Expectation::Reads { desk, request, text, is_there })
        }
        "is" => {
            let is = !words.eat("not");
            if !words.eat("connected") {
                return Err((words.number(), "\"connected\" is missing".to_owned()));
            }
            Ok(Expectation::Connected { desk, is })
        }
        "has" => {
            let text = words.take("a number")?;
            let Ok(count) = text.parse() else {
                return words.wrong(format!("{text:?} is no number"));
            };
            if !(words.eat("requests in the case of") || words.eat("request in the case of")) {
                let why = "\"requests in the case of\" is missing";
                return Err((words.number(), why.to_owned()));
            }
            let request = words.request()?;
            Ok(Expectation::CaseHas { desk, request, count })
        }
        "sees" => sees(words, desk),
        "owes" => {
            let what =
                if words.eat("nothing on") { Vec::new() } else { list(words, "on", "what", owed)? };
            Ok(Expectation::Owes { desk, request: words.request()?, what })
        }
        "calls" => calls(words, desk),
        other => words.wrong(format!("a desk does not {other:?}")),
    }
}

/// "DE sees in one case A EXECUTED, B NEW".
fn sees(words: &mut Words<'_>, desk: String) -> Result<Expectation, Wrong> {
    if !words.eat("in one case") {
        return Err((words.number(), "\"in one case\" is missing".to_owned()));
    }
    let mut standing = Vec::new();
    loop {
        let request = words.request()?;
        let is_last = !words.peek().is_some_and(|word| word.ends_with(','));
        standing.push((request, vocabulary::handling(words)?));
        if is_last {
            return Ok(Expectation::Sees { desk, standing });
        }
    }
}

/// "BD calls PH on DUTY MOBILE", "BD calls PH, EMERGENCY, because "a weekend day"".
fn calls(words: &mut Words<'_>, desk: String) -> Result<Expectation, Wrong> {
    let (called, urgency) = whom(words)?;
    let whom = Whom { desk: called, urgency };
    match words.take("\"on\" or \"because\"")? {
        "on" => {
            let word = words.take("the use of a channel")?;
            let usage = known(words, word)?;
            let word = words.take("a channel")?;
            let system = known(words, word)?;
            Ok(Expectation::CallsOn { desk, whom, usage, system })
        }
        "because" => Ok(Expectation::CallsBecause { desk, whom, text: quoted(words)? }),
        other => words.wrong(format!("{other:?} is neither \"on\" nor \"because\"")),
    }
}

fn of_request(words: &mut Words<'_>) -> Result<Expectation, Wrong> {
    let request = words.request()?;
    for (phrase, what) in DONE {
        if words.eat(phrase) {
            return Ok(Expectation::Within { request, what, ms: span(words)? });
        }
    }
    for (phrase, which) in MOMENTS {
        if words.eat(phrase) {
            let text = words.take("a moment")?;
            let Some(when) = words::when(text) else {
                return words.wrong(format!("{text:?} is no moment (T+3h, D+60, RFC 3339)"));
            };
            return Ok(Expectation::Moment { request, which, when });
        }
    }
    if words.eat("follows") {
        return Ok(Expectation::Follows { request, parent: words.request()? });
    }
    if words.eat("MLA carried by") {
        let carrier = words.request()?;
        return Ok(Expectation::CarriedBy { request, carrier });
    }
    if words.eat("approved by") {
        let by = words.take("an officer, or \"nobody\"")?;
        let by = (by != "nobody").then(|| by.to_owned());
        return Ok(Expectation::Approved { request, by });
    }
    if words.eat("warned") {
        return Ok(Expectation::Warned { request, text: quoted(words)? });
    }
    if words.eat("overdue") {
        let span = vocabulary::overdue(words)?;
        return Ok(Expectation::Overdue { request, span });
    }
    if words.eat("records") {
        let is_there = !words.eat("no");
        let what = vocabulary::recorded(words)?;
        return Ok(Expectation::Records { request, what, is_there });
    }
    let word = words.take("what holds of it")?;
    let Some((_, fact)) = FACTS.iter().find(|(name, _)| *name == word) else {
        let known = FACTS.iter().map(|(name, _)| *name);
        let meant = did_you_mean(word, known.chain(OF_REQUEST).chain(OF_DESK));
        return words.wrong(format!("a request has no {word:?}{meant}"));
    };
    let value = vocabulary::value(words, word, *fact)?;
    let at = if words.eat("at") { Some(desk(words)?) } else { None };
    Ok(Expectation::Fact { request, fact: *fact, value, at })
}

/// Names with commas between, up to a word that ends them; each is taken by `one`.
fn list(
    words: &mut Words<'_>,
    end: &str,
    what: &str,
    one: fn(&mut Words<'_>) -> Result<String, Wrong>,
) -> Result<Vec<String>, Wrong> {
    let mut names = Vec::new();
    while let Some(word) = words.peek() {
        if word == end {
            break;
        }
        names.push(one(words)?);
    }
    if names.is_empty() {
        return Err((words.number(), format!("{what} is missing")));
    }
    if end.is_empty() || words.eat(end) {
        Ok(names)
    } else {
        Err((words.number(), format!("{end:?} is missing")))
    }
}

fn quoted(words: &mut Words<'_>) -> Result<String, Wrong> {
    let word = words.take("a quotation")?;
    match words::unquoted(word) {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => words.wrong(format!("{word:?} is no quotation (\"198.51.100.23\")")),
    }
}

fn span(words: &mut Words<'_>) -> Result<i64, Wrong> {
    let text = words.take("a span")?;
    match words::span(text) {
        Some(ms) => Ok(ms),
        None => words.wrong(format!("{text:?} is no span (30m, 2h, 60d)")),
    }
}
