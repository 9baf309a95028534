//! `detente desk send` and `detente desk form`: a new request.
//!
//! Not for whether it may be sent: the agent asks the rules before it seals anything.

use std::io::{IsTerminal as _, Read as _};

use clap::Args;

use super::super::agent::{Agent, api};
use super::super::moment::parse_moment;
use super::super::{Common, Exit, Failure, Screen};
use super::fields::Fields;
use super::{directory, many, outcome};
use crate::envelope::words::{Instrument, RequestType, Urgency};
use crate::envelope::{RequestFacts, form};
use crate::rules::request_type;
use crate::units::{CaseId, DeskId, MessageId, RequestId, Timestamp};
use crate::wire::detente::form::v1::Body;

/// The longest form that is read, in bytes: the hard limit of an envelope.
const FORM_BYTES_MAX: u64 = 1 << 20;

/// The code of a form that cannot be read.
const UNREAD: &str = "C-214";

/// Send a new request
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente desk form preservation > request.toml       a form to fill in
  detente desk send --to RO/cyber --form request.toml
  detente desk send --to RO/cyber --offence \"computer-related fraud\" --facts \"...\" \\
    --data \"subscriber and log data\" --category SUBSCRIBER --category TRAFFIC \\
    --identifier IP_ADDRESS=203.0.113.7 --relationship \"...\" --necessity \"30 days of logs\" \\
    --authority-organisation \"Public Prosecutor\" --authority-email pp@example.org --mla-intended
  detente desk send --to RO/cyber --type TECHNICAL_ADVICE --subject \"...\" --question \"...\"
  detente desk send --to MD/cyber --follows 4f2a --form request.toml     (a follow-on, same case)
  detente desk send --to RO/cyber --to MD/cyber --embargo-until +2d --form request.toml
  detente desk form stop-payment > stop.toml
  detente desk send --to PH/cyber --type STOP_PAYMENT --form stop.toml")]
pub(super) struct Send {
    /// The requested desk, as RO/cyber. May be repeated: each gets a request of its own in one
    /// case, and none learns of the others.
    #[arg(long, value_name = "DESK", required = true)]
    to: Vec<DeskId>,
    /// What is asked for, as STOP_PAYMENT; a wrong one lists them all.
    #[arg(long = "type", value_name = "TYPE", default_value = "PRESERVATION",
          value_parser = parse_type)]
    kind: RequestType,
    /// On what basis, as BUDAPEST; left out, the one that both members share, if there is just one.
    #[arg(long)]
    instrument: Option<Instrument>,
    /// EMERGENCY, URGENT, EXPEDITED, ROUTINE or INFORMATION; left out, the usual one of the type.
    #[arg(long, value_parser = parse_urgency)]
    urgency: Option<Urgency>,
    /// A technical test.
    #[arg(long)]
    test: bool,
    /// Part of an exercise.
    #[arg(long)]
    exercise: bool,
    /// Add it to this case, a whole id; left out, that of the request it follows from, or a new
    /// one.
    #[arg(long, value_name = "ID")]
    case: Option<CaseId>,
    /// The request it follows from; mandatory with PARTIAL_TRAFFIC_DISCLOSURE. A test or an
    /// exercise stays one.
    #[arg(long, value_name = "ID", alias = "parent")]
    follows: Option<String>,
    /// Offer information under conditions, Art. 26(2): the form carries only subject and
    /// conditions.
    #[arg(long)]
    prior_conditions: bool,
    /// A condition, with --prior-conditions and without --form. May be repeated.
    #[arg(long, value_name = "TEXT", requires = "prior_conditions", conflicts_with = "form")]
    condition: Vec<String>,
    /// The recipient learns of it only then: RFC 3339 with offset, or +2d; at most 60 days.
    #[arg(long, value_name = "WHEN")]
    embargo_until: Option<String>,
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
        now: Timestamp,
    ) -> Result<Exit, Failure> {
        let parent = match &self.follows {
            Some(text) => Some(agent.resolve(text).await?),
            None => None,
        };
        let embargo_until_ms = match &self.embargo_until {
            Some(text) => {
                parse_moment(text, now)
                    .map_err(|why| Failure::value("--embargo-until", why, "correct the flag"))?
                    .0
            }
            None => 0,
        };
        let message = message_or_new(self.message_id)?;
        let many = self.to.len() > 1;
        let case = match (self.case, parent) {
            (None, None) if many => Some(many::case_of(message)),
            (case, _) => case,
        };
        let request = api::SendRequestRequest {
            officer,
            to: self.to.first().map(ToString::to_string).unwrap_or_default(),
            r#type: self.kind.to_string(),
            instrument: self.instrument.as_ref().map(ToString::to_string).unwrap_or_default(),
            urgency: self.urgency.map(|urgency| urgency.to_string()).unwrap_or_default(),
            test: self.test,
            exercise: self.exercise,
            case_id: case.map(|case| case.0.to_vec()).unwrap_or_default(),
            parent_request_id: parent.map(|parent| parent.0.to_vec()).unwrap_or_default(),
            message_id: message.0.to_vec(),
            prior_conditions: self.prior_conditions,
            embargo_until_ms,
            body: None,
        };
        let to = self.addressees()?;
        let urgency = self.urgency;
        let body = Some(self.body(parent, common, screen)?);
        let request = api::SendRequestRequest { body, ..request };
        let mut recipient_now = None;
        for desk in &to {
            recipient_now = directory::now_at(agent, desk, urgency).await;
            if let Some(advice) = &recipient_now {
                screen.message(&format!("{}: {}", advice.desk, advice.sentence));
            }
        }
        if many {
            return many::send(agent, screen, request, to, message).await;
        }
        let answer = agent.send(request).await.map_err(|failure| repeatable(failure, message))?;
        let recipient = outcome::Recipient {
            desk: to.first().map(ToString::to_string),
            now: recipient_now.as_ref().map(directory::advice_json),
        };
        let next = |id: &str| format!("detente desk show {id}");
        outcome::show_with(&answer, recipient, agent, screen, next).await
    }

    /// Each desk once.
    fn addressees(&self) -> Result<Vec<DeskId>, Failure> {
        for (n, to) in self.to.iter().enumerate() {
            if self.to.iter().take(n).any(|other| other == to) {
                let why = format!("{to} stands there twice");
                return Err(Failure::value("--to", why, "name each desk once"));
            }
        }
        Ok(self.to.clone())
    }

    fn body(
        self,
        parent: Option<RequestId>,
        common: &Common,
        screen: &mut Screen,
    ) -> Result<Body, Failure> {
        let Self { kind, prior_conditions, .. } = self;
        match &self.form {
            Some(file) => {
                let (test, exercise) = (self.test, self.exercise);
                let facts =
                    facts(kind, self.instrument.as_ref(), self.urgency, test, exercise, parent);
                form_from(file, &RequestFacts { prior_conditions, ..facts }, common, screen)
            }
            None if prior_conditions => self.fields.prior_conditions(self.condition),
            None => self.fields.body(kind),
        }
    }
}

/// Print a form to fill in
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente desk form preservation > request.toml
  detente desk form technical-advice > question.toml
  detente desk form stop-payment --answer > held.toml      what is answered to one
  detente desk form spontaneous-information --prior-conditions > offer.toml")]
pub(super) struct Form {
    /// A type of request, as stop-payment; a wrong one lists them all.
    #[arg(value_parser = parse_type)]
    kind: RequestType,
    /// The form of what came of it, for detente desk executed --form.
    #[arg(long)]
    answer: bool,
    /// The form of the conditions that come before information, Art. 26(2), for detente desk send
    /// --prior-conditions.
    #[arg(long, conflicts_with = "answer")]
    prior_conditions: bool,
}

impl Form {
    pub(super) fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let template = self.template()?;
        if screen.is_json() {
            let kind = self.kind.as_str();
            screen.document(&serde_json::json!({ "type": kind, "form": template }))?;
        } else {
            screen.text(&template)?;
        }
        let kind = self.kind.as_str().to_lowercase().replace('_', "-");
        let before = if self.prior_conditions { " --prior-conditions" } else { "" };
        screen.message(&if self.answer {
            "next: fill it in, then detente desk executed ID --form FILE".to_owned()
        } else {
            format!(
                "next: fill it in, then detente desk send --to DESK --type {kind}{before} \
                 --form FILE"
            )
        });
        Ok(Exit::Success)
    }

    fn template(&self) -> Result<String, Failure> {
        if self.prior_conditions && request_type::asks(self.kind) {
            let why = format!("{} asks for something: its conditions come afterwards", self.kind);
            let next = "leave it out, or take the type spontaneous-information";
            return Err(Failure::value("--prior-conditions", why, next));
        }
        if self.prior_conditions {
            return Ok(form::prior_conditions_template());
        }
        if !self.answer {
            return Ok(form::template(self.kind));
        }
        let next = "acknowledge it with detente desk ack, then detente desk close";
        let why = || format!("a {} asks for no answer", self.kind);
        form::answer_template(self.kind)
            .map(str::to_owned)
            .ok_or_else(|| Failure::value("--answer", why(), next))
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
    let repeat = format!("run the same command with --message-id {message}: it is sent once");
    match &*failure.code {
        // Nothing was made that could be repeated: the agent was not there, or the id is taken.
        "C-301" | "D-101" => {}
        // Until there is room it fails again.
        "D-201" => failure.next = format!("{}; then {repeat}", failure.next).into(),
        _unknown if failure.exit == Exit::Failure => {
            failure.next = format!("{repeat}; {}", failure.next).into();
        }
        _refused => {}
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
    let usual = request_type::default_urgency(kind);
    RequestFacts {
        kind,
        // The agent chooses the real one; the form does not depend on it.
        instrument: instrument.cloned().unwrap_or(Instrument::Budapest),
        urgency: urgency.unwrap_or(usual),
        test,
        exercise,
        parent,
        prior_conditions: false,
        embargo_until: None,
    }
}

/// The form of a request with these facts, from a file as an officer filled it in.
pub(super) fn form_from(
    file: &str,
    facts: &RequestFacts,
    common: &Common,
    screen: &mut Screen,
) -> Result<Body, Failure> {
    parse_form(&read_form(file, common, screen)?, facts)
}

/// The facts of a request about which nothing but its type is known.
pub(super) fn plain(kind: RequestType) -> RequestFacts {
    facts(kind, None, None, false, false, None)
}

fn parse_form(text: &str, facts: &RequestFacts) -> Result<Body, Failure> {
    form::from_toml(text, facts).map_err(|wrong| {
        unfit(wrong, &format!("detente desk form {} shows what belongs where", facts.kind))
    })
}

/// A form that does not say enough, or says it wrongly.
pub(super) fn unfit(wrong: Vec<form::Unfit>, next: &str) -> Failure {
    let why = format!("{} of its fields are missing or wrong", wrong.len());
    let next = format!("correct them; {next}");
    let failure = Failure::new(Exit::Usage, "C-206", "the form cannot be sent", why, next);
    wrong.into_iter().fold(failure, |failure, wrong| {
        let field = match wrong.line {
            Some(line) => format!("line {line}, {}", wrong.malformed.field),
            None => wrong.malformed.field,
        };
        failure.field(field, wrong.malformed.why)
    })
}

/// The text of a form in a file, or in the standard input.
pub(super) fn read_form(
    file: &str,
    common: &Common,
    screen: &mut Screen,
) -> Result<String, Failure> {
    let unread = |error: std::io::Error| {
        let next = "check the path, and that the file is text in UTF-8";
        Failure::new(
            Exit::Usage,
            UNREAD,
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
        return Err(Failure::new(Exit::Usage, UNREAD, "the form cannot be read", why, next));
    }
    Ok(text)
}

/// "PRESERVATION", or as people type it: "preservation", "technical-advice".
pub(super) fn parse_type(text: &str) -> Result<RequestType, String> {
    upper(text).parse().map_err(|error: crate::units::Unreadable| error.why)
}

pub(super) fn parse_urgency(text: &str) -> Result<Urgency, String> {
    upper(text).parse().map_err(|error: crate::units::Unreadable| error.why)
}

/// A word of the field as it is spelled, from the way people type it.
pub(super) fn upper(text: &str) -> String {
    text.replace('-', "_").to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_have_been_made_is_to_be_repeated() {
        let told = |exit, code| {
            repeatable(Failure::new(exit, code, "what", "why", "do this"), MessageId([1; 16])).next
        };
        assert!(told(Exit::Failure, "C-302").starts_with("run the same command with --message-id"));
        for code in ["C-301", "D-101"] {
            assert_eq!(&*told(Exit::Failure, code), "do this");
        }
        assert!(told(Exit::Failure, "D-201").starts_with("do this; then run the same command"));
        assert_eq!(&*told(Exit::Refused, "R-104"), "do this");
    }
}
