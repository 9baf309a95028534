//! `detente desk regrade`, `conditions`, `provide` and `disclose`: what stands beside the ordinary
//! course of a request.
//!
//! Not for the ordinary course (see `act.rs`), nor for what follows when it is over (see
//! `after.rs`).

use clap::{ArgGroup, Args};

use self::api::act_request::Act as What;
use super::super::agent::{Agent, api};
use super::super::{Common, Exit, Failure, Screen};
use super::act::{On, act};
use super::fields::{Fields, filled, in_language, parse_identifier};
use super::outcome;
use super::send::{self, message_or_new, parse_urgency, repeatable};
use crate::envelope::words::{ConditionsAnswer, RequestType, Urgency};
use crate::units::MessageId;
use crate::wire::detente::form::v1::{
    ConditionsAnswerForm, Identifier, Period, RegradeForm, TrafficDisclosureForm, body::Form,
};

/// Give a request another urgency, with reasons that both sides read
///
/// Never up to EMERGENCY, and only before the determination. The stated urgency stays on record.
#[derive(Debug, Args)]
#[command(before_help = "Example:
  detente desk regrade 4f2a --urgency routine --reasons \"the logs are kept for a year\"")]
pub(super) struct Regrade {
    #[command(flatten)]
    pub(super) on: On,
    /// urgent, expedited, routine or information.
    #[arg(long, value_parser = parse_urgency)]
    urgency: Urgency,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    reasons: String,
}

impl Regrade {
    pub(super) fn request(self) -> api::ActRequest {
        let reasons = in_language(Some(self.reasons), self.on.language());
        act(What::Regrade(self.urgency.to_string()), Form::Regrade(RegradeForm { reasons }))
    }
}

/// Accept or decline the conditions that the other desk offers, Art. 28 and 26(2)
///
/// Accepting binds. What they are for is handed over only then.
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("answer").args(["accept", "decline"]).required(true)),
    before_help = "Examples:
  detente desk conditions 4f2a --accept
  detente desk conditions 4f2a --decline --remarks \"disclosure to the defence cannot be excluded\""
)]
pub(super) struct Conditions {
    #[command(flatten)]
    pub(super) on: On,
    /// They are accepted.
    #[arg(long)]
    accept: bool,
    /// They are not.
    #[arg(long, requires = "remarks")]
    decline: bool,
    /// Remarks; mandatory with --decline.
    #[arg(long, value_name = "TEXT")]
    remarks: Option<String>,
}

impl Conditions {
    pub(super) fn request(self) -> api::ActRequest {
        let answer =
            if self.accept { ConditionsAnswer::Accepted } else { ConditionsAnswer::Declined };
        let remarks = in_language(self.remarks, self.on.language());
        let form = Form::ConditionsAnswer(ConditionsAnswerForm { remarks });
        act(What::AnswerConditions(answer.to_string()), form)
    }
}

/// Disclose so much traffic data that the next provider and the path are known, Art. 30
#[derive(Debug, Args)]
#[command(before_help = "Example:
  detente desk disclose 4f2a --provider \"Example Mail\" --state US \\
    --path \"198.51.100.23, port 443, to the mail server of Example Mail\" \\
    --identifier IP_ADDRESS=198.51.100.23")]
pub(super) struct Disclose {
    #[command(flatten)]
    pub(super) on: On,
    /// The service provider in the other state.
    #[arg(long, value_name = "TEXT")]
    provider: String,
    /// The state it is in, as US.
    #[arg(long, value_name = "STATE")]
    state: String,
    /// The path of the communication.
    #[arg(long, value_name = "TEXT")]
    path: String,
    /// What the data hang on there, as IP_ADDRESS=203.0.113.7. May be repeated.
    #[arg(long, value_name = "KIND=VALUE", value_parser = parse_identifier)]
    identifier: Vec<Identifier>,
    /// Start of the period, RFC 3339 with offset.
    #[arg(long, value_name = "WHEN")]
    period_from: Option<String>,
    /// End of the period, RFC 3339 with offset.
    #[arg(long, value_name = "WHEN")]
    period_until: Option<String>,
    /// Remarks.
    #[arg(long, value_name = "TEXT")]
    remarks: Option<String>,
    /// Disclose it without a second officer, for this reason. It is told to the other desk, logged
    /// and counted.
    #[arg(long, value_name = "REASON")]
    alone: Option<String>,
}

impl Disclose {
    pub(super) fn request(self) -> api::ActRequest {
        let language = self.on.language();
        let form = TrafficDisclosureForm {
            provider: self.provider,
            state: self.state,
            path: in_language(Some(self.path), language),
            identifiers: self.identifier,
            period: filled(Period {
                from: self.period_from.unwrap_or_default(),
                until: self.period_until.unwrap_or_default(),
            }),
            remarks: in_language(self.remarks, language),
            lone_officer_reason: in_language(self.alone, language),
        };
        act(What::DiscloseTraffic(true), Form::TrafficDisclosure(form))
    }
}

/// Give the information that was offered, once its conditions are accepted, Art. 26
#[derive(Debug, Args)]
#[command(before_help = "Example:
  detente desk provide 4f2a --form information.toml")]
pub(super) struct Provide {
    /// The request: its id, or the first 4 or more digits of it.
    #[arg(value_name = "ID")]
    id: String,
    /// Id of the statement, a UUID: the same command with the same id is sent once.
    #[arg(long, value_name = "UUID")]
    message_id: Option<MessageId>,
    /// The form as TOML; - reads it from standard input. See detente desk form.
    #[arg(long, value_name = "FILE", conflicts_with = "fields")]
    form: Option<String>,
    #[command(flatten)]
    fields: Fields,
}

impl Provide {
    pub(super) async fn run(
        self,
        agent: &mut Agent,
        officer: String,
        common: &Common,
        screen: &mut Screen,
    ) -> Result<Exit, Failure> {
        let request = agent.resolve(&self.id).await?;
        let message = message_or_new(self.message_id)?;
        let case = agent.case(officer.clone(), request, true).await?;
        let kind: RequestType =
            case.r#type.parse().map_err(|error: crate::units::Unreadable| {
                let next = "use the command line that came with the agent";
                Failure::new(
                    Exit::Failure,
                    "C-303",
                    "the agent is of another version",
                    error.why,
                    next,
                )
            })?;
        let body = match &self.form {
            Some(file) => send::form_from(file, &send::plain(kind), common, screen)?,
            None => self.fields.body(kind)?,
        };
        let act = api::ActRequest {
            officer,
            request_id: request.0.to_vec(),
            message_id: message.0.to_vec(),
            act: Some(What::ProvideInformation(true)),
            body: Some(body),
            ..api::ActRequest::default()
        };
        let answer = agent.act(act).await.map_err(|failure| repeatable(failure, message))?;
        outcome::show(&answer, agent, screen, |id| format!("detente desk show {id}")).await
    }
}
