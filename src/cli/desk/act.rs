//! `detente desk ack`, `clarify`, `determine` and the other acts on a request.
//!
//! Not for which act is lawful when: the agent asks the rules before it seals anything. Here flags
//! become one `ActRequest`.

use clap::{ArgGroup, Args, Subcommand};

use self::api::act_request::Act as What;
use super::super::agent::{Agent, api};
use super::super::moment::{day_of, end_of, parse_day, parse_moment};
use super::super::{Common, Exit, Failure, Screen};
use super::after::{Feedback, Incident, UseReport};
use super::course::{Conditions, Disclose, Regrade};
use super::executed::Executed;
use super::fields::in_language;
use super::outcome;
use super::send::{message_or_new, repeatable, upper};
use crate::envelope::words::{MlaStep, Outcome, WillAnswer};
use crate::units::{DAY_MS, MessageId, Timestamp};
use crate::wire::detente::form::v1::{
    AcknowledgementForm, Body, ClarificationForm, ClarificationRequestForm, DeterminationForm,
    ExtensionForm, MlaForm, ReasonForm, body::Form,
};

/// An act on a request.
#[derive(Debug, Subcommand)]
pub(super) enum Act {
    Ack(Ack),
    Estimate(Estimate),
    Clarify(Clarify),
    Determine(Determine),
    Executed(Executed),
    Extend(Extend),
    Withdraw(Withdraw),
    Close(Close),
    Mla(Mla),
    Regrade(Regrade),
    Conditions(Conditions),
    Disclose(Disclose),
    Feedback(Feedback),
    UseReport(UseReport),
    Incident(Incident),
}

/// What every act takes.
#[derive(Debug, Args)]
pub(super) struct On {
    /// The request: its id, or the first 4 or more digits of it.
    #[arg(value_name = "ID")]
    pub(super) id: String,
    /// Language of the free texts, BCP 47; left out, English.
    #[arg(long, value_name = "TAG")]
    pub(super) language: Option<String>,
    /// Id of the statement, a UUID: the same command with the same id is sent once.
    #[arg(long, value_name = "UUID")]
    pub(super) message_id: Option<MessageId>,
}

impl On {
    /// Language of the free texts.
    pub(super) fn language(&self) -> Option<&str> {
        self.language.as_deref()
    }
}

/// Acknowledge: will it be answered, in what form, by when
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente desk ack 4f2a --will yes --form \"report by e-mail\" --by +8h
  detente desk ack 4f2a --will forwarded --forwarded-to \"Prosecution, Cluj\" \\
    --form \"letter\" --by 2026-11-25T12:00:00+02:00")]
pub(super) struct Ack {
    #[command(flatten)]
    on: On,
    /// Will it be answered: yes, no, partly or forwarded.
    #[arg(long, value_parser = parse_will)]
    will: WillAnswer,
    /// In what form the answer will come.
    #[arg(long, value_name = "TEXT")]
    form: String,
    /// By when: RFC 3339 with offset, or +30m, +8h, +2d. Without it, it is no acknowledgement.
    #[arg(long, value_name = "WHEN")]
    by: String,
    /// To whom it was forwarded; mandatory with forwarded.
    #[arg(long, value_name = "TEXT")]
    forwarded_to: Option<String>,
    /// This desk's own reference.
    #[arg(long, value_name = "TEXT")]
    reference: Option<String>,
    /// Language in which it is handled, BCP 47.
    #[arg(long, value_name = "TAG")]
    handling_language: Option<String>,
    /// Remarks.
    #[arg(long, value_name = "TEXT")]
    remarks: Option<String>,
}

/// Give a new estimate, with the reason why the old one slipped
#[derive(Debug, Args)]
#[command(before_help = "Example:
  detente desk estimate 4f2a --by +2d --reason \"the custodian asked for the order in writing\"")]
pub(super) struct Estimate {
    #[command(flatten)]
    on: On,
    /// By when: RFC 3339 with offset, or +30m, +8h, +2d.
    #[arg(long, value_name = "WHEN")]
    by: String,
    /// Why the old estimate slipped.
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Ask for a clarification, or give one
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("side").args(["question", "answer"]).required(true)),
    before_help = "Examples:
  detente desk clarify 4f2a --question \"which time zone?\" --field \"data[0].period\"
  detente desk clarify 4f2a --answer \"UTC\""
)]
pub(super) struct Clarify {
    #[command(flatten)]
    on: On,
    /// The question (requested desk).
    #[arg(long, value_name = "TEXT")]
    question: Option<String>,
    /// The field in question, as data[0].period. May be repeated.
    #[arg(long, value_name = "FIELD", conflicts_with = "answer")]
    field: Vec<String>,
    /// The answer (requesting desk).
    #[arg(long, value_name = "TEXT")]
    answer: Option<String>,
}

/// Decide: accept, accept in part or with conditions, postpone, refuse, or say who is competent
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente desk determine 4f2a --outcome accepted
  detente desk determine 4f2a --outcome refused --ground POLITICAL_OFFENCE --reasons \"...\"
  detente desk determine 4f2a --outcome postponed --review-at +30d --reasons \"...\"
  detente desk determine 4f2a --outcome not-competent --redirect-to DE/cyber --reasons \"...\"")]
pub(super) struct Determine {
    #[command(flatten)]
    on: On,
    /// accepted, accepted-with-conditions, partially-accepted, postponed, refused, not-competent
    /// or unable-to-execute.
    #[arg(long, value_parser = parse_outcome)]
    outcome: Outcome,
    /// Ground of a refusal; mandatory with refused. A wrong one lists those of the type.
    #[arg(long, value_name = "GROUND")]
    ground: Option<String>,
    /// Why it cannot be executed; mandatory with unable-to-execute.
    #[arg(long, value_name = "REASON")]
    unable_reason: Option<String>,
    /// Reasons in words, Art. 27(7); mandatory with every outcome but accepted.
    #[arg(long, value_name = "TEXT")]
    reasons: Option<String>,
    /// A condition, Art. 28; mandatory with accepted-with-conditions. May be repeated.
    #[arg(long, value_name = "TEXT")]
    condition: Vec<String>,
    /// When it is looked at again: RFC 3339 with offset, or +2d; mandatory with postponed.
    #[arg(long, value_name = "WHEN")]
    review_at: Option<String>,
    /// Who is competent instead; mandatory with not-competent.
    #[arg(long, value_name = "TEXT")]
    redirect_to: Option<String>,
    /// What is accepted and what is not; mandatory with partially-accepted.
    #[arg(long, value_name = "TEXT")]
    scope: Option<String>,
    /// Emergency disclosure: a request for mutual assistance has to follow, SAP Art. 9(5).
    #[arg(long)]
    mla_required: bool,
    /// By which day it has to follow, as 2027-01-31.
    #[arg(long, value_name = "DAY", requires = "mla_required")]
    mla_required_by: Option<String>,
}

/// Ask for a longer preservation, or confirm one
///
/// The requesting desk asks; the requested desk confirms.
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("end").args(["until", "days"]).required(true)),
    before_help = "Examples:
  detente desk extend 4f2a --days 60 --reasons \"the letter rogatory is being translated\"
  detente desk extend 4f2a --until 2027-03-31"
)]
pub(super) struct Extend {
    #[command(flatten)]
    on: On,
    /// Until which day, as 2027-03-31, in UTC.
    #[arg(long, value_name = "DAY")]
    until: Option<String>,
    /// So many days after the present end.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: Option<u32>,
    /// Reasons.
    #[arg(long, value_name = "TEXT")]
    reasons: Option<String>,
    /// Reference of the request that is extended.
    #[arg(long, value_name = "TEXT")]
    previous_reference: Option<String>,
}

/// Withdraw a request of this desk
#[derive(Debug, Args)]
#[command(before_help = "Example:
  detente desk withdraw 4f2a --reason \"the data were found elsewhere\"")]
pub(super) struct Withdraw {
    #[command(flatten)]
    on: On,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Close a request
#[derive(Debug, Args)]
#[command(before_help = "Example:
  detente desk close 4f2a --remarks \"thank you\"")]
pub(super) struct Close {
    #[command(flatten)]
    on: On,
    /// Remarks.
    #[arg(long, value_name = "TEXT")]
    remarks: Option<String>,
}

/// Note a step of the request for mutual assistance that follows
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("step").args(["sent", "received", "decided"]).required(true)),
    before_help = "Examples:
  detente desk mla 4f2a --sent --reference 2026/MLA/118
  detente desk mla 4f2a --decided --reference 2026/MLA/118 --outcome \"granted\""
)]
pub(super) struct Mla {
    #[command(flatten)]
    on: On,
    /// This desk's side has sent it.
    #[arg(long)]
    sent: bool,
    /// This desk's side has received it: data stay preserved until it is decided, Art. 29(7).
    #[arg(long)]
    received: bool,
    /// This desk's side has decided it.
    #[arg(long)]
    decided: bool,
    /// Its reference.
    #[arg(long, value_name = "TEXT")]
    reference: String,
    /// The request that carries it, where it travels over this network: its id, or the first 4 or
    /// more digits of it.
    #[arg(long, value_name = "ID")]
    carried_by: Option<String>,
    /// The central authority concerned.
    #[arg(long, value_name = "TEXT")]
    central_authority: Option<String>,
    /// Outcome; mandatory with --decided.
    #[arg(long, value_name = "TEXT")]
    outcome: Option<String>,
}

impl Act {
    pub(super) async fn run(
        self,
        agent: &mut Agent,
        officer: String,
        common: &Common,
        screen: &mut Screen,
        now: Timestamp,
    ) -> Result<Exit, Failure> {
        let On { id, message_id, .. } = self.on();
        let request = agent.resolve(id).await?;
        let message = message_or_new(*message_id)?;
        let case = match &self {
            // Which side this desk is on, until when data are preserved now, what was asked for.
            Self::Extend(_) | Self::Executed(Executed { form: Some(_), .. }) => {
                Some(agent.case(officer.clone(), request, true).await?)
            }
            Self::Ack(_)
            | Self::Estimate(_)
            | Self::Clarify(_)
            | Self::Determine(_)
            | Self::Executed(_)
            | Self::Withdraw(_)
            | Self::Close(_)
            | Self::Mla(_)
            | Self::Regrade(_)
            | Self::Conditions(_)
            | Self::Disclose(_)
            | Self::Feedback(_)
            | Self::UseReport(_)
            | Self::Incident(_) => None,
        };
        let mut carrier = Vec::new();
        if let Self::Mla(Mla { carried_by: Some(text), .. }) = &self {
            carrier = agent.resolve(text).await?.0.to_vec();
        }
        let act = api::ActRequest {
            officer,
            request_id: request.0.to_vec(),
            message_id: message.0.to_vec(),
            mla_request_id: carrier,
            ..self.request(case.as_ref(), common, screen, now)?
        };
        let answer = agent.act(act).await.map_err(|failure| repeatable(failure, message))?;
        outcome::show(&answer, agent, screen, |id| format!("detente desk show {id}")).await
    }

    fn on(&self) -> &On {
        match self {
            Self::Ack(ack) => &ack.on,
            Self::Estimate(estimate) => &estimate.on,
            Self::Clarify(clarify) => &clarify.on,
            Self::Determine(determine) => &determine.on,
            Self::Executed(executed) => &executed.on,
            Self::Extend(extend) => &extend.on,
            Self::Withdraw(withdraw) => &withdraw.on,
            Self::Close(close) => &close.on,
            Self::Mla(mla) => &mla.on,
            Self::Regrade(regrade) => &regrade.on,
            Self::Conditions(conditions) => &conditions.on,
            Self::Disclose(disclose) => &disclose.on,
            Self::Feedback(feedback) => &feedback.on,
            Self::UseReport(report) => &report.on,
            Self::Incident(incident) => &incident.on,
        }
    }

    /// The act and its form; officer, request and message id are for the caller.
    fn request(
        self,
        case: Option<&api::Case>,
        common: &Common,
        screen: &mut Screen,
        now: Timestamp,
    ) -> Result<api::ActRequest, Failure> {
        match self {
            Self::Ack(ack) => ack.request(now),
            Self::Estimate(estimate) => estimate.request(now),
            Self::Clarify(clarify) => Ok(clarify.request()),
            Self::Determine(determine) => determine.request(now),
            Self::Executed(executed) => executed.request(case, common, screen),
            Self::Extend(extend) => extend.request(case, now),
            Self::Withdraw(Withdraw { on, reason }) => {
                let reason = in_language(Some(reason), on.language.as_deref());
                Ok(act(What::Withdraw(true), Form::Reason(ReasonForm { reason })))
            }
            Self::Close(Close { on, remarks }) => {
                let reason = in_language(remarks, on.language.as_deref());
                Ok(act(What::Close(true), Form::Reason(ReasonForm { reason })))
            }
            Self::Mla(mla) => Ok(mla.request()),
            Self::Regrade(regrade) => Ok(regrade.request()),
            Self::Conditions(conditions) => Ok(conditions.request()),
            Self::Disclose(disclose) => Ok(disclose.request()),
            Self::Feedback(feedback) => Ok(feedback.request()),
            Self::UseReport(report) => Ok(report.request()),
            Self::Incident(incident) => Ok(incident.request()),
        }
    }
}

impl Ack {
    fn request(self, now: Timestamp) -> Result<api::ActRequest, Failure> {
        let form = AcknowledgementForm {
            answer_form: self.form,
            handler_reference: self.reference.unwrap_or_default(),
            handling_language: self.handling_language.unwrap_or_default(),
            forwarded_to: self.forwarded_to.unwrap_or_default(),
            remarks: in_language(self.remarks, self.on.language.as_deref()),
        };
        let estimated_at_ms = moment("--by", &self.by, now)?;
        let what = What::Acknowledge(self.will.to_string());
        Ok(api::ActRequest { estimated_at_ms, ..act(what, Form::Acknowledgement(form)) })
    }
}

impl Estimate {
    fn request(self, now: Timestamp) -> Result<api::ActRequest, Failure> {
        let reason = in_language(Some(self.reason), self.on.language.as_deref());
        let form = Form::Reason(ReasonForm { reason });
        let estimated_at_ms = moment("--by", &self.by, now)?;
        Ok(api::ActRequest { estimated_at_ms, ..act(What::ReviseEstimate(true), form) })
    }
}

impl Clarify {
    fn request(self) -> api::ActRequest {
        let language = self.on.language.as_deref();
        match self.answer {
            Some(answer) => {
                let answer = in_language(Some(answer), language);
                let form = ClarificationForm { answer, data: Vec::new() };
                act(What::ProvideClarification(true), Form::Clarification(form))
            }
            None => {
                let question = in_language(self.question, language);
                let form = ClarificationRequestForm { fields: self.field, question };
                act(What::RequestClarification(true), Form::ClarificationRequest(form))
            }
        }
    }
}

impl Determine {
    fn request(self, now: Timestamp) -> Result<api::ActRequest, Failure> {
        let language = self.on.language.as_deref();
        let word = |word: Option<String>| word.as_deref().map(upper).unwrap_or_default();
        let form = DeterminationForm {
            refusal_ground: word(self.ground),
            unable_reason: word(self.unable_reason),
            reasons: in_language(self.reasons, language),
            conditions: self.condition,
            redirect_to: self.redirect_to.unwrap_or_default(),
            scope: in_language(self.scope, language),
            mla_required: self.mla_required,
            mla_required_by: self.mla_required_by.unwrap_or_default(),
        };
        let review_at_ms = match &self.review_at {
            Some(text) => moment("--review-at", text, now)?,
            None => 0,
        };
        let what = What::Determine(self.outcome.to_string());
        Ok(api::ActRequest { review_at_ms, ..act(what, Form::Determination(form)) })
    }
}

impl Extend {
    fn request(self, case: Option<&api::Case>, now: Timestamp) -> Result<api::ActRequest, Failure> {
        let asks = case.is_some_and(|case| case.direction == "out");
        let present = case.map(|case| case.preserved_until_ms).filter(|ms| *ms != 0);
        let end_ms = match (&self.until, self.days) {
            (Some(day), _) => last_ms("--until", day)?,
            (None, days) => {
                let days_ms = i64::from(days.unwrap_or_default()) * DAY_MS;
                present.unwrap_or(now.0).saturating_add(days_ms)
            }
        };
        let wished = day_of(Timestamp(end_ms)).map(|day| day.to_string()).unwrap_or_default();
        let form = Form::Extension(ExtensionForm {
            wished_until: wished,
            previous_reference: self.previous_reference.unwrap_or_default(),
            reasons: in_language(self.reasons, self.on.language.as_deref()),
        });
        if asks {
            return Ok(act(What::RequestExtension(true), form));
        }
        Ok(api::ActRequest { preserved_until_ms: end_ms, ..act(What::Extend(true), form) })
    }
}

impl Mla {
    fn request(self) -> api::ActRequest {
        let step = match (self.sent, self.received) {
            (true, _) => MlaStep::Sent,
            (false, true) => MlaStep::Received,
            (false, false) => MlaStep::Decided,
        };
        let form = MlaForm {
            reference: self.reference,
            central_authority: self.central_authority.unwrap_or_default(),
            outcome: in_language(self.outcome, self.on.language.as_deref()),
        };
        act(What::Mla(step.to_string()), Form::Mla(form))
    }
}

/// An act with its form.
pub(super) fn act(what: What, form: Form) -> api::ActRequest {
    let body = Some(Body { form: Some(form) });
    api::ActRequest { act: Some(what), body, ..api::ActRequest::default() }
}

fn moment(flag: &str, text: &str, now: Timestamp) -> Result<i64, Failure> {
    let refuse = |why| Failure::value(flag, why, "correct the flag");
    parse_moment(text, now).map(|moment| moment.0).map_err(refuse)
}

/// The last moment of a day.
pub(super) fn last_ms(flag: &str, text: &str) -> Result<i64, Failure> {
    let refuse = |why| Failure::value(flag, why, "correct the flag");
    parse_day(text).map(|day| end_of(day).0).map_err(refuse)
}

fn parse_will(text: &str) -> Result<WillAnswer, String> {
    upper(text).parse().map_err(|error: crate::units::Unreadable| error.why)
}

fn parse_outcome(text: &str) -> Result<Outcome, String> {
    upper(text).parse().map_err(|error: crate::units::Unreadable| error.why)
}
