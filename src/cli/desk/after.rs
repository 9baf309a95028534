//! `detente desk feedback`, `use-report` and `incident`: what the desks owe each other once
//! something has been handed over.
//!
//! Not for the request itself (see `act.rs`). All of it can also be said after a request was
//! closed.

use clap::{ArgGroup, Args};

use self::api::act_request::Act as What;
use super::super::agent::api;
use super::act::{On, act};
use super::fields::{filled, in_language};
use super::send::upper;
use crate::envelope::words::Usefulness;
use crate::wire::detente::form::v1::{
    Contact, FeedbackForm, SecurityIncidentForm, UseReportForm, UseReportRequestForm, body::Form,
};

/// Say what came of it, and how useful it was; once
#[derive(Debug, Args)]
#[command(before_help = "Example:
  detente desk feedback 4f2a --outcome \"two arrests\" --usefulness decisive")]
pub(super) struct Feedback {
    #[command(flatten)]
    pub(super) on: On,
    /// What came of it.
    #[arg(long, value_name = "TEXT")]
    outcome: String,
    /// decisive, useful, of-little-use or of-no-use.
    #[arg(long, value_parser = parse_usefulness)]
    usefulness: Usefulness,
    /// Remarks.
    #[arg(long, value_name = "TEXT")]
    remarks: Option<String>,
}

impl Feedback {
    pub(super) fn request(self) -> api::ActRequest {
        let language = self.on.language();
        let form = FeedbackForm {
            outcome: in_language(Some(self.outcome), language),
            usefulness: self.usefulness.to_string(),
            remarks: in_language(self.remarks, language),
        };
        act(What::Feedback(true), Form::Feedback(form))
    }
}

/// Ask what use was made of what this desk gave, or answer that, Art. 28(3)
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("side").args(["question", "answer"]).required(true)),
    before_help = "Examples:
  detente desk use-report 4f2a --question \"in which proceedings were the logs used?\"
  detente desk use-report 4f2a --answer \"in the trial only\" --proceedings \"Utrecht, 16/1234\""
)]
pub(super) struct UseReport {
    #[command(flatten)]
    pub(super) on: On,
    /// The question (the desk that gave).
    #[arg(long, value_name = "TEXT")]
    question: Option<String>,
    /// Until when an answer is wished for, as 2027-01-31.
    #[arg(long, value_name = "DAY", conflicts_with = "answer")]
    wished_until: Option<String>,
    /// The use that was made (the desk that received).
    #[arg(long, value_name = "TEXT")]
    answer: Option<String>,
    /// In which proceedings.
    #[arg(long, value_name = "TEXT", conflicts_with = "question")]
    proceedings: Option<String>,
}

impl UseReport {
    pub(super) fn request(self) -> api::ActRequest {
        let language = self.on.language();
        if self.answer.is_some() {
            let form = UseReportForm {
                r#use: in_language(self.answer, language),
                proceedings: self.proceedings.unwrap_or_default(),
            };
            return act(What::ReportUse(true), Form::UseReport(form));
        }
        let form = UseReportRequestForm {
            question: in_language(self.question, language),
            wished_until: self.wished_until.unwrap_or_default(),
        };
        act(What::RequestUseReport(true), Form::UseReportRequest(form))
    }
}

/// Report that what was received has been exposed, lost or altered
///
/// Second Additional Protocol Art. 14(7). Either desk, also after the request was closed.
#[derive(Debug, Args)]
#[command(before_help = "Example:
  detente desk incident 4f2a --what \"a laptop was stolen\" \\
    --discovered-at 2026-11-23T10:00:00+01:00 --affected \"the subscriber data of item 1\" \\
    --measures \"the disk is encrypted; the keys were revoked\"")]
pub(super) struct Incident {
    #[command(flatten)]
    pub(super) on: On,
    /// What happened.
    #[arg(long, value_name = "TEXT")]
    what: String,
    /// When it was discovered, RFC 3339 with offset.
    #[arg(long, value_name = "WHEN")]
    discovered_at: String,
    /// When it happened, RFC 3339 with offset, where that is known.
    #[arg(long, value_name = "WHEN")]
    occurred_at: Option<String>,
    /// Which of the data received are affected.
    #[arg(long, value_name = "TEXT")]
    affected: String,
    /// What has been done about it.
    #[arg(long, value_name = "TEXT")]
    measures: String,
    /// Who to speak to: name.
    #[arg(long, value_name = "TEXT")]
    contact_name: Option<String>,
    /// Who to speak to: telephone, E.164.
    #[arg(long, value_name = "NUMBER")]
    contact_telephone: Option<String>,
    /// Who to speak to: e-mail.
    #[arg(long, value_name = "ADDRESS")]
    contact_email: Option<String>,
}

impl Incident {
    pub(super) fn request(self) -> api::ActRequest {
        let language = self.on.language();
        let form = SecurityIncidentForm {
            what: in_language(Some(self.what), language),
            discovered_at: self.discovered_at,
            occurred_at: self.occurred_at.unwrap_or_default(),
            affected: in_language(Some(self.affected), language),
            measures: in_language(Some(self.measures), language),
            contact: filled(Contact {
                name: self.contact_name.unwrap_or_default(),
                telephone: self.contact_telephone.unwrap_or_default(),
                email: self.contact_email.unwrap_or_default(),
                ..Contact::default()
            }),
        };
        act(What::ReportSecurityIncident(true), Form::SecurityIncident(form))
    }
}

fn parse_usefulness(text: &str) -> Result<Usefulness, String> {
    upper(text).parse().map_err(|error: crate::units::Unreadable| error.why)
}
