//! Plays the story: sends, acts, waits until both desks have seen it, and prints the timeline.
//!
//! It uses what an officer's own tools use, the agents' counters; nothing here knows the relay.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::story::{Side, Step, Thread};
use crate::grpc::counter::{Counter, api, form};
use crate::relay::{Clock as _, SystemClock};
use crate::units::{RequestId, Timestamp};

/// How long the other side may take to see what was done. Milliseconds on loopback; the limit is
/// for machines that are very busy.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The officer who acts at every desk of the demo.
pub(super) const OFFICER: &str = "duty";

/// Now, by the wall clock.
pub(super) fn now() -> Timestamp {
    SystemClock::default().wall()
}

/// What became of a request of the story.
#[derive(Debug, serde::Serialize)]
pub(super) struct Outcome {
    /// The request.
    pub(super) request: String,
    /// What it is about.
    pub(super) title: String,
    /// The requesting desk.
    pub(super) from: String,
    /// The requested desk.
    pub(super) to: String,
    /// Type.
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// Urgency.
    pub(super) urgency: String,
    /// Strongest evidence of transport.
    pub(super) transport: String,
    /// Handling stage.
    pub(super) handling: String,
    /// Measure.
    pub(super) measure: String,
    /// Follow-up.
    pub(super) follow_up: String,
    /// Handling, measure and follow-up as they should be.
    pub(super) expected: [&'static str; 3],
    /// Milliseconds from acceptance by the relay to the human acknowledgement.
    pub(super) acknowledged_after_ms: Option<i64>,
    /// True when it ended as it should.
    pub(super) as_expected: bool,
}

/// The agents' counters, by desk.
pub(super) type Counters = BTreeMap<String, Counter>;

/// Plays one request to its end.
pub(super) async fn play(
    counters: &Counters,
    thread: &Thread,
    case_id: &[u8],
    out: &mut dyn Write,
) -> anyhow::Result<Outcome> {
    writeln!(out, "\n  {}", thread.title)?;
    let request = send(counters, thread, case_id, out).await?;
    await_stage(counters, thread, request, "NEW").await?;
    open(counters, thread.to, request).await?;
    for step in &thread.steps {
        act(counters, thread, step, request, out).await?;
    }
    outcome(counters, thread, request).await
}

async fn send(
    counters: &Counters,
    thread: &Thread,
    case_id: &[u8],
    out: &mut dyn Write,
) -> anyhow::Result<RequestId> {
    let message = api::SendRequestRequest {
        officer: OFFICER.to_owned(),
        to: thread.to.to_owned(),
        r#type: thread.kind.to_owned(),
        instrument: thread.instrument().to_owned(),
        urgency: thread.urgency.to_owned(),
        case_id: case_id.to_vec(),
        body: Some(form::Body { form: Some(thread.form.clone()) }),
        ..Default::default()
    };
    let response = counter(counters, thread.from)?
        .send_request(message)
        .await
        .with_context(|| format!("sending \"{}\"", thread.title))?
        .into_inner();
    let outcome = recorded(response.outcome)?;
    line(out, &outcome, thread.from, thread.to, &format!("{} {}", thread.urgency, thread.kind))?;
    Ok(RequestId::from_slice(&outcome.request_id)?)
}

async fn act(
    counters: &Counters,
    thread: &Thread,
    step: &Step,
    request: RequestId,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let (by, other) = match step.side {
        Side::Requesting => (thread.from, thread.to),
        Side::Requested => (thread.to, thread.from),
    };
    let moment = if step.moment_ms == 0 { 0 } else { now().plus_ms(step.moment_ms).0 };
    let message = api::ActRequest {
        officer: OFFICER.to_owned(),
        request_id: request.0.to_vec(),
        act: Some(step.act.clone()),
        estimated_at_ms: moment,
        preserved_until_ms: moment,
        body: Some(form::Body { form: Some(step.form.clone()) }),
        ..Default::default()
    };
    let message = only_its_own_moment(message);
    let response = counter(counters, by)?
        .act(message)
        .await
        .with_context(|| format!("{by} on \"{}\"", thread.title))?
        .into_inner();
    line(out, &recorded(response.outcome)?, by, other, &words(&step.act))?;
    await_stage(counters, thread, request, step.then).await?;
    open(counters, other, request).await
}

/// An act carries the one moment that belongs to it.
fn only_its_own_moment(mut message: api::ActRequest) -> api::ActRequest {
    use api::act_request::Act;
    match message.act {
        Some(Act::Acknowledge(_) | Act::ReviseEstimate(_)) => message.preserved_until_ms = 0,
        Some(Act::Execute(_) | Act::Extend(_)) => message.estimated_at_ms = 0,
        Some(
            Act::RequestClarification(_)
            | Act::ProvideClarification(_)
            | Act::Determine(_)
            | Act::RequestExtension(_)
            | Act::Withdraw(_)
            | Act::Close(_)
            | Act::Mla(_)
            | Act::Regrade(_)
            | Act::AnswerConditions(_)
            | Act::ProvideInformation(_)
            | Act::DiscloseTraffic(_)
            | Act::Feedback(_)
            | Act::RequestUseReport(_)
            | Act::ReportUse(_)
            | Act::ReportSecurityIncident(_),
        )
        | None => {
            message.estimated_at_ms = 0;
            message.preserved_until_ms = 0;
        }
    }
    message
}

/// An officer opens the newest statement: the other side gets evidence of retrieval.
async fn open(counters: &Counters, desk: &str, request: RequestId) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        let case = case(counters, desk, request, false).await?;
        let sealed = case.entries.iter().any(|entry| {
            !entry.sealed.is_empty() && entry.from != desk && !entry.officer.is_empty()
        });
        if !sealed {
            return Ok(());
        }
        if started.elapsed() > PATIENCE {
            bail!("{desk} could not open request {request} within {PATIENCE:?}");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Waits until both desks see the handling stage.
async fn await_stage(
    counters: &Counters,
    thread: &Thread,
    request: RequestId,
    stage: &str,
) -> anyhow::Result<()> {
    for desk in [thread.from, thread.to] {
        let started = Instant::now();
        loop {
            let seen = case(counters, desk, request, true).await;
            if seen.as_ref().is_ok_and(|case| case.handling == stage) {
                break;
            }
            if started.elapsed() > PATIENCE {
                let seen = seen.map_or_else(|error| error.to_string(), |case| case.handling);
                bail!("{desk} sees request {request} as {seen}, not as {stage}");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
    Ok(())
}

async fn outcome(
    counters: &Counters,
    thread: &Thread,
    request: RequestId,
) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    loop {
        let case = case(counters, thread.from, request, true).await?;
        let end = [case.handling.as_str(), case.measure.as_str(), case.follow_up.as_str()];
        let as_expected = end == thread.end && case.transport == "RETRIEVAL";
        // The last evidence of retrieval may still be on its way.
        if !as_expected && started.elapsed() < PATIENCE / 4 {
            tokio::time::sleep(LOOK_EVERY).await;
            continue;
        }
        return Ok(Outcome {
            request: request.to_string(),
            title: thread.title.to_owned(),
            from: case.from,
            to: case.to,
            kind: case.r#type,
            urgency: case.urgency,
            transport: case.transport,
            handling: case.handling,
            measure: case.measure,
            follow_up: case.follow_up,
            expected: thread.end,
            acknowledged_after_ms: (case.acknowledged_ms > 0)
                .then(|| case.acknowledged_ms.saturating_sub(case.submitted_ms)),
            as_expected,
        });
    }
}

async fn case(
    counters: &Counters,
    desk: &str,
    request: RequestId,
    peek: bool,
) -> anyhow::Result<api::Case> {
    let message =
        api::GetCaseRequest { officer: OFFICER.to_owned(), request_id: request.0.to_vec(), peek };
    let response = counter(counters, desk)?.get_case(message).await?.into_inner();
    response.case.context("the agent answered without a case")
}

fn counter(counters: &Counters, desk: &str) -> anyhow::Result<Counter> {
    counters.get(desk).cloned().with_context(|| format!("{desk} is not part of the demo"))
}

/// The outcome, if the relay has it on record.
fn recorded(outcome: Option<api::StatementOutcome>) -> anyhow::Result<api::StatementOutcome> {
    let outcome = outcome.context("the agent answered without an outcome")?;
    match outcome.state() {
        api::StatementState::Recorded => Ok(outcome),
        api::StatementState::Refused => {
            let refused = outcome.refused.unwrap_or_default();
            bail!("refused: {} {} ({})", refused.code, refused.reason, refused.cause)
        }
        api::StatementState::Waiting => bail!("the statement waits for a second officer"),
        api::StatementState::Queued | api::StatementState::Unspecified => {
            bail!("the relay did not confirm the statement in time")
        }
    }
}

/// One line of the timeline.
fn line(
    out: &mut dyn Write,
    outcome: &api::StatementOutcome,
    from: &str,
    to: &str,
    what: &str,
) -> std::io::Result<()> {
    let time = Timestamp(outcome.time_ms).to_string();
    let clock = time.get(11..23).unwrap_or(&time);
    writeln!(out, "    {clock}  {from:>9} -> {to:<9}  {what:<40} record {}", outcome.index)
}

/// An act in the words of the field.
fn words(act: &api::act_request::Act) -> String {
    use api::act_request::Act;
    match act {
        Act::Acknowledge(will) => format!("acknowledged: will answer {will}"),
        Act::ReviseEstimate(_) => "new estimate".to_owned(),
        Act::RequestClarification(_) => "clarification requested".to_owned(),
        Act::ProvideClarification(_) => "clarification provided".to_owned(),
        Act::Determine(outcome) => format!("determined: {outcome}"),
        Act::Execute(extent) => format!("result: {extent}"),
        Act::RequestExtension(_) => "extension requested".to_owned(),
        Act::Extend(_) => "extension confirmed".to_owned(),
        Act::Withdraw(_) => "withdrawn".to_owned(),
        Act::Close(_) => "closed".to_owned(),
        Act::Mla(step) => format!("mutual legal assistance: {step}"),
        Act::Regrade(urgency) => format!("re-graded: {urgency}"),
        Act::AnswerConditions(answer) => format!("conditions: {answer}"),
        Act::ProvideInformation(_) => "information provided".to_owned(),
        Act::DiscloseTraffic(_) => "traffic data disclosed in part".to_owned(),
        Act::Feedback(_) => "feedback".to_owned(),
        Act::RequestUseReport(_) => "use report requested".to_owned(),
        Act::ReportUse(_) => "use reported".to_owned(),
        Act::ReportSecurityIncident(_) => "security incident reported".to_owned(),
    }
}
