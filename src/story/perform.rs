//! Does what a step says: through the counters of the desks, as their officers would.
//!
//! Not for what must hold then (see `check.rs`). On a network that runs in real time, what needs a
//! deadline that has not passed there is left out, and so is what builds on it.

use super::play::{Known, Player};
use super::stage::Error;
use super::step::{Act, Actor, Ask, Fault, Field, Step, Verb, What};
use super::words::When;
use crate::envelope::words::{Instrument, Urgency};
use crate::envelope::{self, RequestFacts};
use crate::grpc::Failure;
use crate::grpc::counter::{api, form};
use crate::grpc::officer::{Said, act_request};
use crate::rules::request_type::default_urgency;
use crate::testkit;
use crate::units::{CaseId, RequestId, Timestamp};

/// What became of what a step does.
pub(super) enum Outcome {
    Done,
    Refused(String, String),
    Skipped(String),
}

/// The officer who approves what another one hands over.
const SECOND: &str = "chief";

/// Refusals that come only once a deadline has passed: nothing is preserved any more, the statement
/// is stale, the request is forgotten.
const BY_DEADLINE: [&str; 3] = ["R-320", "R-402", "R-406"];

impl Player<'_> {
    /// Does what a step says.
    pub(super) async fn perform(&mut self, step: &Step) -> Result<Outcome, Error> {
        let about = requests_of(&step.what);
        if let Some(why) = self.why_left_out(step, &about) {
            self.left_out.extend(about.into_iter().map(str::to_owned));
            // What builds on a request that was not made here is left out too.
            if let What::Ask(ask) = &step.what {
                self.left_out.extend(ask.names());
            }
            return Ok(Outcome::Skipped(why));
        }
        match &step.what {
            What::Note => Ok(Outcome::Done),
            What::Ask(ask) => self.ask(ask).await,
            What::Act(act) => self.say(act).await,
            What::Open { by, request } => {
                let Some(known) = self.known.get(request) else { return Ok(unmade(request)) };
                let officer = self.stage.officer(&by.desk, &by.officer)?;
                Ok(officer.read(known.id).await.map_or_else(refused, |_| Outcome::Done))
            }
            What::Publish { by, fields } => self.publish(by, fields).await,
            What::Call { by, whom, urgency } => self.call(by, whom, *urgency).await,
            What::Fault(fault) => self.fault(fault).await,
        }
    }

    /// Why a network that runs in real time cannot play a step, if it cannot.
    fn why_left_out(&self, step: &Step, about: &[&str]) -> Option<String> {
        if self.stage.is_own() {
            return None;
        }
        if let Some(why) = about.iter().find_map(|request| self.untellable(request)) {
            return Some(why);
        }
        let code = step.refused.as_deref()?;
        BY_DEADLINE.contains(&code).then(|| "it needs a deadline to pass".to_owned())
    }

    /// Why nothing can be told of a request on a network that runs in real time, if so.
    pub(super) fn untellable(&self, request: &str) -> Option<String> {
        if self.stage.is_own() {
            return None;
        }
        if self.left_out.contains(request) {
            return Some(format!("a step on {request} was left out"));
        }
        let until = self.known.get(request)?.facts.embargo_until?;
        let story_now = self.stage.start(self.story).plus_ms(self.at_ms);
        let is_hidden = story_now >= until && self.stage.now() < until;
        is_hidden.then(|| format!("the embargo of {request} has not ended by the clock there"))
    }

    async fn ask(&mut self, ask: &Ask) -> Result<Outcome, Error> {
        let mut case = None;
        let embargo = ask.embargo.map(|when| self.moment(when));
        for to in &ask.to {
            match self.ask_one(ask, to, case, embargo).await? {
                Ok(said) => case = Some(said.case),
                Err(outcome) => return Ok(outcome),
            }
        }
        Ok(Outcome::Done)
    }

    async fn ask_one(
        &mut self,
        ask: &Ask,
        to: &str,
        case: Option<CaseId>,
        embargo: Option<Timestamp>,
    ) -> Result<Result<Said, Outcome>, Error> {
        let (from, to_full) = (self.stage.full_name(&ask.by.desk)?, self.stage.full_name(to)?);
        let mut parent = None;
        let mut case = case;
        for (name, is_parent) in [(&ask.following, true), (&ask.with, false)] {
            let Some(name) = name else { continue };
            let Some(known) = self.known.get(name) else { return Ok(Err(unmade(name))) };
            case = Some(known.case);
            parent = if is_parent { Some(known.id) } else { parent };
        }
        let facts = RequestFacts { embargo_until: embargo, ..self.facts(ask, parent) };
        let act = envelope::Act::Request(facts.clone());
        let body = match fill(&act, &facts, self.stage.now(), &ask.fields) {
            Ok(body) => body,
            Err(outcome) => return Ok(Err(outcome)),
        };
        let request = api::SendRequestRequest {
            to: to_full.clone(),
            r#type: facts.kind.to_string(),
            instrument: facts.instrument.to_string(),
            urgency: facts.urgency.to_string(),
            test: facts.test,
            exercise: facts.exercise,
            case_id: case.map(|case| case.0.to_vec()).unwrap_or_default(),
            parent_request_id: parent.map(|parent| parent.0.to_vec()).unwrap_or_default(),
            prior_conditions: facts.prior_conditions,
            embargo_until_ms: embargo.map_or(0, |until| until.0),
            body: Some(body),
            ..api::SendRequestRequest::default()
        };
        let officer = self.stage.officer(&ask.by.desk, &ask.by.officer)?;
        // What an officer is told while he writes.
        let advice = officer.call_advice(&to_full, Some(facts.urgency)).await.unwrap_or_default();
        let advice = advice.into_iter().next().unwrap_or_default();
        if is_warning(&advice) {
            self.told.push(format!("{}: {}", advice.desk, advice.sentence));
        }
        let warning = advice.sentence;
        Ok(match officer.send(request).await {
            Ok(said) => {
                let (id, case) = (said.request, said.case);
                let known = Known { id, case, from, to: to_full, facts, warning };
                self.known.insert(ask.name_of(to), known);
                Ok(said)
            }
            Err(failure) => Err(refused(failure)),
        })
    }

    fn facts(&self, ask: &Ask, parent: Option<RequestId>) -> RequestFacts {
        RequestFacts {
            kind: ask.kind,
            instrument: ask.instrument.clone().unwrap_or(Instrument::Budapest),
            urgency: ask.urgency.unwrap_or_else(|| default_urgency(ask.kind)),
            test: ask.test,
            exercise: self.story.exercise,
            parent,
            prior_conditions: ask.conditions,
            embargo_until: None,
        }
    }

    /// A moment of this step.
    fn moment(&self, when: When) -> Timestamp {
        when.moment(self.stage.start(self.story), self.stage.now())
    }

    async fn say(&mut self, act: &Act) -> Result<Outcome, Error> {
        let Some(known) = self.known.get(&act.request) else { return Ok(unmade(&act.request)) };
        let mut carried_by = None;
        if let Some(carrier) = &act.carrier {
            let Some(known) = self.known.get(carrier) else { return Ok(unmade(carrier)) };
            carried_by = Some(known.id);
        }
        let did = made(act.verb, carried_by, |when| self.moment(when));
        let body = match fill(&did, &known.facts, self.stage.now(), &act.fields) {
            Ok(body) => body,
            Err(outcome) => return Ok(outcome),
        };
        let Actor { desk, officer } = &act.by;
        let officer = self.stage.officer(desk, officer)?;
        let Some(asked) = act_request(known.id, &did, body) else { return Ok(Outcome::Done) };
        // Whoever answers has read what he answers.
        if let Err(failure) = officer.read(known.id).await {
            return Ok(refused(failure));
        }
        let lone = asked.body.as_ref().and_then(envelope::form::lone_officer_reason);
        self.approval = lone.map(|reason| format!("by a lone officer: {reason}"));
        let acted = match officer.act(asked).await {
            Ok(said) if said.waits => {
                self.approval = Some(format!("approved by {SECOND}"));
                officer.colleague(SECOND).approve(said.message).await
            }
            other => other,
        };
        Ok(acted.map_or_else(refused, |_| Outcome::Done))
    }

    async fn publish(&mut self, by: &Actor, fields: &[Field]) -> Result<Outcome, Error> {
        let given = texts(fields);
        let member = by.desk.split('/').next().unwrap_or_default();
        Ok(match self.stage.publish(member, &given).await {
            Ok(true) => Outcome::Done,
            Ok(false) => Outcome::Skipped("a network that runs keeps its own directory".to_owned()),
            Err(Error::Network(testkit::Error::Form(wrong))) => unfilled(&wrong, fields),
            Err(Error::Network(testkit::Error::Call(failure))) => refused(*failure),
            Err(error) => return Err(error),
        })
    }

    async fn call(
        &mut self,
        by: &Actor,
        whom: &str,
        urgency: Option<Urgency>,
    ) -> Result<Outcome, Error> {
        let officer = self.stage.officer(&by.desk, &by.officer)?;
        Ok(match officer.call_advice(whom, urgency).await {
            Ok(all) => {
                let said = all.iter().map(|advice| format!("{}: {}", advice.desk, advice.sentence));
                self.told.extend(said);
                Outcome::Done
            }
            Err(failure) => refused(failure),
        })
    }

    async fn fault(&mut self, fault: &Fault) -> Result<Outcome, Error> {
        if self.stage.fault(fault).await? {
            return Ok(Outcome::Done);
        }
        let whom = concerned(fault).unwrap_or_else(|| "relay".to_owned());
        match fault {
            Fault::Reconnect(_) | Fault::StartDesk(_) | Fault::StartRelay | Fault::Renew(_) => {
                self.untold.remove(&whom);
            }
            Fault::CutOff(_)
            | Fault::StopDesk(_)
            | Fault::StopRelay
            | Fault::LoseAnswer(_)
            | Fault::Expire(_)
            | Fault::Revoke(_)
            | Fault::Jump(_) => {
                self.untold.insert(whom);
            }
        }
        Ok(Outcome::Skipped("a network that runs is not hurt".to_owned()))
    }
}

/// The requests that a step speaks of.
fn requests_of(what: &What) -> Vec<&str> {
    match what {
        What::Ask(ask) => ask.following.iter().chain(&ask.with).map(String::as_str).collect(),
        What::Act(act) => {
            std::iter::once(&act.request).chain(&act.carrier).map(String::as_str).collect()
        }
        What::Open { request, .. } => vec![request],
        What::Note | What::Publish { .. } | What::Call { .. } | What::Fault(_) => Vec::new(),
    }
}

/// True where an office is closed, whoever answers.
fn is_warning(advice: &api::CallAdvice) -> bool {
    !advice.closed_because.is_empty()
}

/// The step that makes a request has failed: not what was told.
fn unmade(request: &str) -> Outcome {
    Outcome::Refused(String::new(), format!("{request} was never made"))
}

fn refused(failure: Failure) -> Outcome {
    let why = failure.to_string();
    Outcome::Refused(failure.rule_code, why)
}

/// The desk that a fault concerns; none for the relay.
pub(super) fn concerned(fault: &Fault) -> Option<String> {
    match fault {
        Fault::CutOff(desk)
        | Fault::Reconnect(desk)
        | Fault::StopDesk(desk)
        | Fault::StartDesk(desk)
        | Fault::LoseAnswer(desk)
        | Fault::Expire(desk)
        | Fault::Revoke(desk)
        | Fault::Renew(desk) => Some(desk.clone()),
        Fault::StopRelay | Fault::StartRelay | Fault::Jump(_) => None,
    }
}

/// The act of a verb, with its moments.
fn made(
    verb: Verb,
    carried_by: Option<RequestId>,
    at: impl Fn(When) -> Timestamp,
) -> envelope::Act {
    match verb {
        Verb::Acknowledge(will_answer, by) => {
            envelope::Act::Acknowledge { will_answer, estimated_at: at(by) }
        }
        Verb::Revise(by) => envelope::Act::ReviseEstimate { estimated_at: at(by) },
        Verb::Question => envelope::Act::RequestClarification,
        Verb::Clarify => envelope::Act::ProvideClarification,
        Verb::Determine(outcome, review) => {
            envelope::Act::Determine { outcome, review_at: review.map(&at) }
        }
        Verb::Execute(extent, until, mla_demanded) => {
            envelope::Act::Execute { extent, preserved_until: until.map(&at), mla_demanded }
        }
        Verb::RequestExtension => envelope::Act::RequestExtension,
        Verb::Extend(until) => envelope::Act::Extend { preserved_until: at(until) },
        Verb::Withdraw => envelope::Act::Withdraw,
        Verb::Close => envelope::Act::Close,
        Verb::Mla(step) => envelope::Act::Mla { step, carried_by },
        Verb::Regrade(urgency) => envelope::Act::Regrade { urgency },
        Verb::AnswerConditions(answer) => envelope::Act::AnswerConditions(answer),
        Verb::Provide => envelope::Act::ProvideInformation,
        Verb::DisclosePath => envelope::Act::DiscloseTraffic,
        Verb::Feedback => envelope::Act::Feedback,
        Verb::AskUse => envelope::Act::RequestUseReport,
        Verb::ReportUse => envelope::Act::ReportUse,
        Verb::ReportIncident => envelope::Act::ReportSecurityIncident,
    }
}

fn fill(
    act: &envelope::Act,
    facts: &RequestFacts,
    now: Timestamp,
    fields: &[Field],
) -> Result<form::Body, Outcome> {
    let filled = testkit::fill(act, facts, now, &texts(fields));
    filled.map_err(|wrong| unfilled(&wrong, fields))
}

fn texts(fields: &[Field]) -> Vec<(&str, &str)> {
    fields.iter().map(|field| (field.name.as_str(), field.text.as_str())).collect()
}

/// A form that says too little, or says it wrongly: refused as the desk would, with its line.
fn unfilled(wrong: &testkit::Unfilled, fields: &[Field]) -> Outcome {
    let line = wrong.given.and_then(|at| fields.get(at)).map_or(0, |field| field.line);
    let place = if line > 0 { format!("line {line}: ") } else { String::new() };
    Outcome::Refused("E-101".to_owned(), format!("{place}{wrong}"))
}
