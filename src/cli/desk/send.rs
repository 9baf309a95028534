//! `detente desk send` and `detente desk form`: a new request.
//!
//! Not for whether it may be sent: the agent asks the rules before it seals anything.

use std::io::{IsTerminal as _, Read as _};

use clap::Args;

use super::super::agent::{Agent, api};
use super::super::{Common, Exit, Failure, Screen};
use super::fields::Fields;
use super::outcome;
use crate::envelope::words::{Instrument, RequestType, Urgency};
use crate::envelope::{RequestFacts, form};
use crate::units::{CaseId, DeskId, MessageId, RequestId};
use crate::wire::detente::form::v1::Body;

/// The longest form that is read, in bytes: the hard limit of an envelope.
const FORM_BYTES_MAX: u64 = 1 << 20;

/// Send a new request
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente desk form preservation > request.toml       a form to fill in
  detente desk send --to RO/cyber --form request.toml
  detente desk send --to RO/cyber --offence \"computer-related fraud\" --facts \"...\" \\
    --data \"subscriber and log data\" --category SUBSCRIBER --category TRAFFIC \\
    --identifier IP_ADDRESS=203.0.113.7 --relationship \"...\" --necessity \"30 days of logs\" \\
    --authority-organisation \"Public Prosecutor\" --authority-email pp@example.org --mla-intended
  detente desk send --to RO/cyber --type TECHNICAL_ADVICE --subject \"...\" --question \"...\"")]
pub(super) struct Send {
    /// The requested desk, as RO/cyber.
    #[arg(long, value_name = "DESK")]
    to: DeskId,
    /// What is asked for: PRESERVATION, TECHNICAL_ADVICE or LEGAL_INFORMATION.
    #[arg(long = "type", value_name = "TYPE", default_value = "PRESERVATION",
          value_parser = parse_type)]
    kind: RequestType,
    /// On what basis, as BUDAPEST; left out, the one that both members share, if there is just one.
    #[arg(long)]
    instrument: Option<Instrument>,
    /// EMERGENCY, URGENT, EXPEDITED, ROUTINE or INFORMATION; left out, EXPEDITED for a
    /// preservation and ROUTINE otherwise.
    #[arg(long, value_parser = parse_urgency)]
    urgency: Option<Urgency>,
    /// A technical test.
    #[arg(long)]
    test: bool,
    /// Part of an exercise.
    #[arg(long)]
    exercise: bool,
    /// Add it to this case, a whole id; left out, it begins a new one.
    #[arg(long, value_name = "ID")]
    case: Option<CaseId>,
    /// The request it follows from.
    #[arg(long, value_name = "ID")]
    parent: Option<String>,
    /// The form as TOML; - reads it from standard input. See detente desk form.
    #[arg(long, value_name = "FILE", conflicts_with = "fields")]
    form: Option<String>,
    /// Id of the statement, a UUID: the same command with the same id is sent once.
    #[arg(long, value_name = "UUID")]
    message_id: Option<MessageId>,
    #[command(flatten)]
    fields: Fields,
}

impl Send {
    pub(super) async fn run(
        self,
        agent: &mut Agent,
        officer: String,
        common: &Common,
        screen: &mut Screen,
    ) -> Result<Exit, Failure> {
        let Self { to, kind, instrument, urgency, test, exercise, case, parent, .. } = self;
        let parent = match &parent {
            Some(text) => Some(agent.resolve(text).await?),
            None => None,
        };
        let body = match &self.form {
            Some(file) => {
                let text = read_form(file, common, screen)?;
                parse_form(
                    &text,
                    &facts(kind, instrument.as_ref(), urgency, test, exercise, parent),
                )?
            }
            None => self.fields.body(kind)?,
        };
        let message = message_or_new(self.message_id)?;
        let request = api::SendRequestRequest {
            officer,
            to: to.to_string(),
            r#type: kind.to_string(),
            instrument: instrument.as_ref().map(ToString::to_string).unwrap_or_default(),
            urgency: urgency.map(|urgency| urgency.to_string()).unwrap_or_default(),
            test,
            exercise,
            case_id: case.map(|case| case.0.to_vec()).unwrap_or_default(),
            parent_request_id: parent.map(|parent| parent.0.to_vec()).unwrap_or_default(),
            body: Some(body),
            message_id: message.0.to_vec(),
        };
        let answer = agent.send(request).await.map_err(|failure| repeatable(failure, message))?;
        outcome::show(&answer, screen, |id| format!("detente desk show {id}"))
    }
}

/// Print a form to fill in
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente desk form preservation > request.toml
  detente desk form technical-advice > question.toml")]
pub(super) struct Form {
    /// preservation, technical-advice or legal-information.
    #[arg(value_parser = parse_type)]
    kind: RequestType,
}

impl Form {
    pub(super) fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let template = form::template(self.kind);
        if screen.is_json() {
            let kind = self.kind.as_str();
            screen.document(&serde_json::json!({ "type": kind, "form": template }))?;
        } else {
            screen.text(&template)?;
        }
        screen.message("next: fill it in, then detente desk send --to DESK --form FILE");
        Ok(Exit::Success)
    }
}

/// The id of a statement: as given, or a new one.
pub(super) fn message_or_new(given: Option<MessageId>) -> Result<MessageId, Failure> {
    if let Some(message) = given {
        return Ok(message);
    }
    let mut id = [0; 16];
    aws_lc_rs::rand::fill(&mut id).map_err(|_| {
        let next = "try again; if it stays, the machine has no source of randomness";
        Failure::new(Exit::Failure, "C-503", "no statement was made", "no random bytes", next)
    })?;
    Ok(MessageId(id))
}

/// When nobody knows whether the statement was made: how to repeat it safely.
pub(super) fn repeatable(mut failure: Failure, message: MessageId) -> Failure {
    if failure.exit == Exit::Failure && &*failure.code != "C-301" {
        let repeat = format!("run the same command with --message-id {message}: it is sent once");
        failure.next = format!("{repeat}; {}", failure.next).into();
    }
    failure
}

fn facts(
    kind: RequestType,
    instrument: Option<&Instrument>,
    urgency: Option<Urgency>,
    test: bool,
    exercise: bool,
    parent: Option<RequestId>,
) -> RequestFacts {
    let usual = match kind {
        RequestType::Preservation => Urgency::Expedited,
        RequestType::TechnicalAdvice | RequestType::LegalInformation => Urgency::Routine,
    };
    RequestFacts {
        kind,
        // The agent chooses the real one; the form does not depend on it.
        instrument: instrument.cloned().unwrap_or(Instrument::Budapest),
        urgency: urgency.unwrap_or(usual),
        test,
        exercise,
        parent,
    }
}

fn parse_form(text: &str, facts: &RequestFacts) -> Result<Body, Failure> {
    form::from_toml(text, facts).map_err(|unfit| {
        let why = format!("{} of its fields are missing or wrong", unfit.len());
        let next =
            format!("correct them; detente desk form {} shows what belongs where", facts.kind);
        let failure = Failure::new(Exit::Usage, "C-206", "the form cannot be sent", why, next);
        unfit.into_iter().fold(failure, |failure, unfit| {
            let field = match unfit.line {
                Some(line) => format!("line {line}, {}", unfit.malformed.field),
                None => unfit.malformed.field,
            };
            failure.field(field, unfit.malformed.why)
        })
    })
}

fn read_form(file: &str, common: &Common, screen: &mut Screen) -> Result<String, Failure> {
    let unread = |error: std::io::Error| {
        let next = "check the path, and that the file is text in UTF-8";
        Failure::new(
            Exit::Usage,
            "C-206",
            "the form cannot be read",
            format!("{file}: {error}"),
            next,
        )
    };
    let mut text = String::new();
    let read = if file == "-" {
        let input = std::io::stdin();
        if input.is_terminal() {
            if common.no_input {
                let next = "pipe the form in, or name a file";
                return Err(Failure::value(
                    "--form",
                    "- is a terminal, and --no-input is set",
                    next,
                ));
            }
            screen.message("reading the form from the terminal; end it with Ctrl-D");
        }
        input.lock().take(FORM_BYTES_MAX + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(file)
            .and_then(|file| file.take(FORM_BYTES_MAX + 1).read_to_string(&mut text))
    };
    read.map_err(unread)?;
    if text.len() as u64 > FORM_BYTES_MAX {
        let why = format!("{file}: more than {FORM_BYTES_MAX} bytes");
        let next = "send what belongs in the form; larger evidence travels by other means";
        return Err(Failure::new(Exit::Usage, "C-206", "the form cannot be read", why, next));
    }
    Ok(text)
}

/// "PRESERVATION", or as people type it: "preservation", "technical-advice".
fn parse_type(text: &str) -> Result<RequestType, String> {
    upper(text).parse().map_err(|error: crate::units::Unreadable| error.why)
}

fn parse_urgency(text: &str) -> Result<Urgency, String> {
    upper(text).parse().map_err(|error: crate::units::Unreadable| error.why)
}

/// A word of the field as it is spelled, from the way people type it.
pub(super) fn upper(text: &str) -> String {
    text.replace('-', "_").to_ascii_uppercase()
}
