//! Whether a desk sees what it must see: its boxes, a case, what it owes, whom it calls.
//!
//! Not for requests as they stand (see `check.rs`).

use super::check::{Found, name_of, never_made};
use super::play::Player;
use super::stage::Error;
use super::step::{Expectation, Whom};
use crate::envelope::form;
use crate::grpc::counter::api;
use crate::units::RequestId;

/// Looks at what a desk sees.
pub(super) async fn find(player: &Player<'_>, what: &Expectation) -> Result<Found, Error> {
    match what {
        Expectation::Box { desk, inbox, requests } => {
            let mut names = listed(player, desk, *inbox).await?;
            let mut told = requests.clone();
            names.sort();
            told.sort();
            Ok(Found::new(names == told, listed_or("empty", &names)))
        }
        Expectation::KnowsNothing { desk, request } => {
            let Some(known) = player.known.get(request) else { return Ok(never_made(request)) };
            let looked = player.stage.officer(desk, "duty")?.look(known.id).await;
            Ok(Found::new(
                looked.as_ref().is_err_and(|failure| failure.rule_code == "D-102"),
                looked.map_or_else(|failure| failure.to_string(), |_| "it knows of it".to_owned()),
            ))
        }
        Expectation::Reads { desk, request, text, is_there } => {
            let Some(known) = player.known.get(request) else { return Ok(never_made(request)) };
            let found = reads(player, desk, known.id, text).await?;
            let actual = if found { "it stands there" } else { "it stands in no form there" };
            Ok(Found::new(found == *is_there, actual))
        }
        Expectation::Connected { desk, is } => {
            let connected = player.stage.is_connected(desk).await?;
            let actual = if connected { "it is connected" } else { "it is not connected" };
            Ok(Found::new(connected == *is, actual))
        }
        Expectation::CaseHas { desk, request, count } => {
            let Some(known) = player.known.get(request) else { return Ok(never_made(request)) };
            let officer = player.stage.officer(desk, "duty")?;
            let all = [officer.inbox().await, officer.outbox().await];
            let mut found = 0;
            for list in all {
                let list = list.map_err(|failure| Error::Running(failure.to_string()))?;
                found += list.iter().filter(|case| case.case_id == known.case.0).count();
            }
            Ok(Found::new(found == *count, found.to_string()))
        }
        Expectation::Sees { desk, standing } => sees(player, desk, standing).await,
        Expectation::Owes { desk, request, what } => {
            let Some(known) = player.known.get(request) else { return Ok(never_made(request)) };
            let looked = player.stage.officer(desk, "duty")?.look(known.id).await;
            let owed = looked.map_or_else(|failure| vec![failure.to_string()], |case| case.to_do);
            Ok(Found::new(owed == *what, listed_or("nothing", &owed)))
        }
        Expectation::CallsOn { desk, whom, usage, system } => {
            let advice = advice(player, desk, whom).await?;
            let first = advice.channels.first();
            let is = first.map(|channel| format!("{} {}", channel.r#use, channel.system));
            let is = is.unwrap_or_else(|| "no channel is published".to_owned());
            Ok(Found::new(is == format!("{usage} {system}"), is))
        }
        Expectation::CallsBecause { desk, whom, text } => {
            let sentence = advice(player, desk, whom).await?.sentence;
            Ok(Found::new(sentence.contains(text), sentence))
        }
        Expectation::Fact { .. }
        | Expectation::Within { .. }
        | Expectation::P90 { .. }
        | Expectation::Moment { .. }
        | Expectation::Follows { .. }
        | Expectation::CarriedBy { .. }
        | Expectation::Approved { .. }
        | Expectation::Records { .. }
        | Expectation::Warned { .. }
        | Expectation::Overdue { .. }
        | Expectation::RelaySees { .. } => Ok(Found::new(false, "that is nothing of a desk's")),
    }
}

/// True when a text stands in a form of a request, as a desk's officer reads it.
async fn reads(
    player: &Player<'_>,
    desk: &str,
    request: RequestId,
    text: &str,
) -> Result<bool, Error> {
    let read = player.stage.officer(desk, "duty")?.read(request).await;
    let case = read.map_err(|failure| Error::Running(failure.to_string()))?;
    let forms = case.entries.iter().filter_map(|entry| entry.body.as_ref());
    Ok(forms.flat_map(form::lines).any(|(_, value)| value.contains(text)))
}

/// The requests of one case, as a desk sees them side by side.
async fn sees(
    player: &Player<'_>,
    desk: &str,
    standing: &[(String, String)],
) -> Result<Found, Error> {
    let officer = player.stage.officer(desk, "duty")?;
    let (mut is, mut cases) = (Vec::new(), Vec::new());
    for (request, _) in standing {
        let Some(known) = player.known.get(request) else { return Ok(never_made(request)) };
        match officer.look(known.id).await {
            Ok(case) => {
                is.push((request.clone(), case.handling));
                cases.push(case.case_id);
            }
            Err(failure) => is.push((request.clone(), failure.rule_code)),
        }
    }
    let in_one = cases.windows(2).all(|two| two.first() == two.last());
    let words: Vec<String> = is.iter().map(|(name, stage)| format!("{name} {stage}")).collect();
    let actual = if in_one { words.join(", ") } else { "they are of several cases".to_owned() };
    Ok(Found::new(in_one && is == standing, actual))
}

/// What a desk is told about whom to call.
async fn advice(player: &Player<'_>, desk: &str, whom: &Whom) -> Result<api::CallAdvice, Error> {
    let Whom { desk: called, urgency } = whom;
    let all = player.stage.officer(desk, "duty")?.call_advice(called, *urgency).await;
    let all = all.map_err(|failure| Error::Running(failure.to_string()))?;
    Ok(all.into_iter().next().unwrap_or_default())
}

fn listed_or(none: &str, words: &[String]) -> String {
    if words.is_empty() { none.to_owned() } else { words.join(", ") }
}

/// The requests in a box, by the story's names for them.
async fn listed(player: &Player<'_>, desk: &str, inbox: bool) -> Result<Vec<String>, Error> {
    let officer = player.stage.officer(desk, "duty")?;
    let list = if inbox { officer.inbox().await } else { officer.outbox().await };
    let list = list.map_err(|failure| Error::Running(failure.to_string()))?;
    Ok(list.iter().map(|case| name_of(player, &case.request_id)).collect())
}
