//! Whether what must hold holds.
//!
//! Not for what must (see `step.rs`), nor for what a desk sees (see `check_desk.rs`). On a network
//! of the story's own everything is looked at once, for nothing is under way; on one that runs,
//! again and again for a while.

use std::path::Path;
use std::time::Instant;

use super::check_desk;
use super::play::{Known, Player, Verdict};
use super::stage::Error;
use super::step::{Done, Expect, Expectation, Fact, Moment};
use super::vocabulary::{HANDED_OVER, PRESERVATION_EXPIRED};
use crate::grpc::counter::api;
use crate::units::Timestamp;

/// How often it is looked again.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(50);

/// What is, in words, and whether that is as told.
pub(super) struct Found {
    holds: bool,
    actual: String,
}

impl Found {
    pub(super) fn new(holds: bool, actual: impl Into<String>) -> Self {
        Self { holds, actual: actual.into() }
    }
}

/// Looks whether an expectation holds.
pub(super) async fn look(player: &Player<'_>, expect: &Expect) -> Result<Verdict, Error> {
    if let Some(why) = untold(player, &expect.what) {
        return Ok(Verdict::Skipped(why));
    }
    let started = Instant::now();
    loop {
        let found = Box::pin(find(player, &expect.what)).await?;
        if found.holds {
            return Ok(Verdict::Held);
        }
        if started.elapsed() >= player.stage.patience() {
            let (expected, actual) = (expect.text.clone(), found.actual);
            return Ok(Verdict::Wrong { expected, actual });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Why a network that runs in real time cannot tell, if it cannot.
fn untold(player: &Player<'_>, what: &Expectation) -> Option<String> {
    if player.stage.is_own() {
        return None;
    }
    if !player.untold.is_empty() {
        return Some("a fault before it was left out".to_owned());
    }
    let about = what.requests();
    if let Some(why) = about.into_iter().find_map(|request| player.untellable(request)) {
        return Some(why);
    }
    let clock = "it needs the story's own clock";
    let deadline = "it needs a deadline to pass";
    let why = match what {
        Expectation::Within { .. }
        | Expectation::Moment { .. }
        | Expectation::Warned { .. }
        | Expectation::Overdue { .. }
        | Expectation::CallsOn { .. }
        | Expectation::CallsBecause { .. }
        | Expectation::P90 { .. } => clock,
        Expectation::RelaySees { .. } => "the relay's disk is not ours to read",
        Expectation::Fact { value, .. } if is_by_deadline(value) => deadline,
        Expectation::Records { what, .. } if is_by_deadline(what) => deadline,
        // What others have sent before is in the boxes of a network that runs.
        Expectation::Box { .. } => "its boxes hold more than this story",
        Expectation::Fact { .. }
        | Expectation::Records { .. }
        | Expectation::Follows { .. }
        | Expectation::CarriedBy { .. }
        | Expectation::Approved { .. }
        | Expectation::KnowsNothing { .. }
        | Expectation::Reads { .. }
        | Expectation::Connected { .. }
        | Expectation::CaseHas { .. }
        | Expectation::Sees { .. }
        | Expectation::Owes { .. } => return None,
    };
    Some(why.to_owned())
}

/// What comes about only when a deadline passes.
fn is_by_deadline(word: &str) -> bool {
    ["EXPIRED", "RELAY_REMMD_FAILURE", "OFFER_FAILED", HANDED_OVER, PRESERVATION_EXPIRED]
        .contains(&word)
        || word.contains("EMBARGO")
}

async fn find(player: &Player<'_>, what: &Expectation) -> Result<Found, Error> {
    match what {
        Expectation::Fact { request, fact, value, at } => {
            fact_of(player, request, *fact, value, at.as_deref()).await
        }
        Expectation::Within { request, what, ms } => {
            let found = done_after(player, request, *what).await?;
            Ok(within(found, *ms))
        }
        Expectation::P90 { requests, ms } => p90(player, requests, *ms).await,
        Expectation::Warned { request, text } => Ok(match player.known.get(request) {
            Some(known) => Found::new(known.warning.contains(text), &known.warning),
            None => never_made(request),
        }),
        Expectation::Overdue { request, span } => {
            overdue(player, request, span.as_deref().unwrap_or("nothing")).await
        }
        Expectation::RelaySees { word, is_there } => {
            let Some(directory) = player.stage.relay_directory() else {
                return Ok(Found::new(false, "nobody can look there"));
            };
            let found = is_on_disk(&directory, word.as_bytes())
                .map_err(|error| Error::Running(error.to_string()))?;
            let actual = if found { "the word is on its disk" } else { "it is not on its disk" };
            Ok(Found::new(found == *is_there, actual))
        }
        Expectation::Moment { request, .. }
        | Expectation::Follows { request, .. }
        | Expectation::CarriedBy { request, .. }
        | Expectation::Approved { request, .. }
        | Expectation::Records { request, .. } => match asker(player, request).await? {
            Ok(case) => Ok(in_case(player, &case, what)),
            Err(found) => Ok(found),
        },
        Expectation::Box { .. }
        | Expectation::KnowsNothing { .. }
        | Expectation::Reads { .. }
        | Expectation::Connected { .. }
        | Expectation::CaseHas { .. }
        | Expectation::Sees { .. }
        | Expectation::Owes { .. }
        | Expectation::CallsOn { .. }
        | Expectation::CallsBecause { .. } => check_desk::find(player, what).await,
    }
}

/// What the desk that asked sees of its request.
fn in_case(player: &Player<'_>, case: &api::Case, what: &Expectation) -> Found {
    match what {
        Expectation::Moment { which, when, .. } => {
            let is = Timestamp(match which {
                Moment::PreservedUntil => case.preserved_until_ms,
                Moment::Estimated => case.estimated_ms,
                Moment::EmbargoedUntil => case.embargo_until_ms,
            });
            let told = when.moment(player.stage.start(player.story), player.stage.now());
            // Officers and custodians count in whole seconds.
            let holds = is.since_ms(told).abs() < 1_000;
            Found::new(holds, if is.0 == 0 { "none".to_owned() } else { is.to_string() })
        }
        Expectation::Follows { parent, .. } => {
            let Some(of) = player.known.get(parent) else { return never_made(parent) };
            let linked = case.parent_request_id == of.id.0;
            let same = case.case_id == of.case.0;
            Found::new(linked && same, if linked { "another case" } else { "no such parent" })
        }
        Expectation::CarriedBy { carrier, .. } => {
            let Some(by) = player.known.get(carrier) else { return never_made(carrier) };
            let named = name_of(player, &case.mla_request_id);
            Found::new(case.mla_request_id == by.id.0, named)
        }
        Expectation::Approved { by, .. } => {
            let signed = case.entries.iter().map(|entry| entry.approved_by.as_str());
            let all: Vec<&str> = signed.filter(|officer| !officer.is_empty()).collect();
            let holds = match by {
                Some(by) => all.contains(&by.as_str()),
                None => all.is_empty(),
            };
            Found::new(holds, if all.is_empty() { "nobody".to_owned() } else { all.join(", ") })
        }
        Expectation::Records { what, is_there, .. } => {
            let all: Vec<&str> = case.entries.iter().map(|entry| entry.what.as_str()).collect();
            Found::new(all.contains(&what.as_str()) == *is_there, all.join(", "))
        }
        Expectation::Fact { .. }
        | Expectation::Within { .. }
        | Expectation::P90 { .. }
        | Expectation::Warned { .. }
        | Expectation::Overdue { .. }
        | Expectation::RelaySees { .. }
        | Expectation::Box { .. }
        | Expectation::KnowsNothing { .. }
        | Expectation::Reads { .. }
        | Expectation::Connected { .. }
        | Expectation::CaseHas { .. }
        | Expectation::Sees { .. }
        | Expectation::Owes { .. }
        | Expectation::CallsOn { .. }
        | Expectation::CallsBecause { .. } => Found::new(false, "that is nothing of a request's"),
    }
}

/// The story's name for a request.
pub(super) fn name_of(player: &Player<'_>, id: &[u8]) -> String {
    if id.is_empty() {
        return "none".to_owned();
    }
    let named = player.known.iter().find(|(_, known)| known.id.0 == id);
    named.map_or_else(|| "a request of nobody here".to_owned(), |(name, _)| name.clone())
}

async fn fact_of(
    player: &Player<'_>,
    request: &str,
    fact: Fact,
    value: &str,
    at: Option<&str>,
) -> Result<Found, Error> {
    let Some(known) = player.known.get(request) else { return Ok(never_made(request)) };
    let Known { from, to, .. } = known;
    let desks = at.map_or_else(|| vec![from.as_str(), to.as_str()], |at| vec![at]);
    for desk in desks {
        let is = match player.stage.officer(desk, "duty")?.look(known.id).await {
            Ok(case) => fact_in(&case, fact),
            Err(failure) => failure.to_string(),
        };
        if is != value {
            return Ok(Found::new(false, format!("{is} at {desk}")));
        }
    }
    Ok(Found::new(true, value))
}

fn fact_in(case: &api::Case, fact: Fact) -> String {
    match fact {
        Fact::Handling => case.handling.clone(),
        Fact::Measure => case.measure.clone(),
        Fact::FollowUp => case.follow_up.clone(),
        Fact::Transport => case.transport.clone(),
        Fact::Urgency => case.urgency.clone(),
        Fact::StatedUrgency => case.stated_urgency.clone(),
        Fact::Regraded => case.regraded.to_string(),
        Fact::Type => case.r#type.clone(),
        Fact::Instrument => case.instrument.clone(),
        Fact::Exercise => yes_or_no(case.exercise),
        Fact::Conditions => case.conditions.clone(),
        Fact::Embargo => yes_or_no(case.embargo_until_ms > 0),
        Fact::Feedback => yes_or_no(case.feedback),
        Fact::UseReport => case.use_report.clone(),
        Fact::Incidents => case.incidents.to_string(),
    }
}

fn yes_or_no(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

/// How the desk that asked sees a request.
async fn asker(player: &Player<'_>, request: &str) -> Result<Result<api::Case, Found>, Error> {
    let Some(known) = player.known.get(request) else { return Ok(Err(never_made(request))) };
    let looked = player.stage.officer(&known.from, "duty")?.look(known.id).await;
    Ok(looked.map_err(|failure| Found::new(false, failure.to_string())))
}

/// How long after its acceptance this was first done to a request, as the desk that asked has it on
/// record; none while it was not.
async fn done_after(player: &Player<'_>, request: &str, what: Done) -> Result<Option<i64>, Error> {
    let Ok(case) = asker(player, request).await? else { return Ok(None) };
    let act = match what {
        Done::Acknowledged => "ACKNOWLEDGE",
        Done::Determined => "DETERMINE",
        Done::Executed => "EXECUTE",
        Done::Closed => "CLOSE",
    };
    let done = case.entries.iter().find(|entry| entry.recorded && entry.what == act);
    Ok(done.map(|entry| entry.time_ms.saturating_sub(case.submitted_ms)))
}

fn within(found: Option<i64>, ms: i64) -> Found {
    match found {
        Some(span) => Found::new(span <= ms, format!("after {} min", span / 60_000)),
        None => Found::new(false, "it was not"),
    }
}

/// Whether this, or "nothing", of a request is overdue by the relay's list for the desk that asked.
async fn overdue(player: &Player<'_>, request: &str, told: &str) -> Result<Found, Error> {
    let Some(known) = player.known.get(request) else { return Ok(never_made(request)) };
    let list = player.stage.officer(&known.from, "duty")?.overdue().await;
    let list = list.map_err(|failure| Error::Running(failure.to_string()))?;
    let name = format!("requests/{}", known.id);
    let ours = |late: &&api::OverdueRequest| {
        late.request.as_ref().is_some_and(|request| request.name == name)
    };
    let is = list.iter().find(ours).map_or("nothing", |late| late.span.as_str());
    Ok(Found::new(is == told, is))
}

/// The shortest span within which nine of ten were acknowledged; those that were not count as
/// endless.
async fn p90(player: &Player<'_>, requests: &[String], ms: i64) -> Result<Found, Error> {
    let mut all = Vec::new();
    for request in requests {
        let found = done_after(player, request, Done::Acknowledged).await?;
        all.push(found.unwrap_or(i64::MAX));
    }
    all.sort_unstable();
    let rank = (all.len() * 9).div_ceil(10).max(1) - 1;
    Ok(match all.get(rank) {
        Some(&i64::MAX) => Found::new(false, "more than one of ten was not acknowledged"),
        Some(span) => Found::new(*span <= ms, format!("after {} min", span / 60_000)),
        None => Found::new(false, "no request"),
    })
}

pub(super) fn never_made(request: &str) -> Found {
    Found::new(false, format!("{request} was never made"))
}

/// True when a file below `directory` holds these bytes.
fn is_on_disk(directory: &Path, word: &[u8]) -> std::io::Result<bool> {
    for entry in directory.read_dir()? {
        let path = entry?.path();
        let found = if path.is_dir() {
            is_on_disk(&path, word)?
        } else {
            std::fs::read(&path)?.windows(word.len().max(1)).any(|bytes| bytes == word)
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}
