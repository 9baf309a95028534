//! `detente desk executed`: what came of a request.
//!
//! Not for whether it may be said now: the agent asks the rules before it seals anything. What is
//! handed over by form is checked here as well, so that an error names its line.

use clap::Args;

use super::super::agent::api;
use super::super::{Common, Failure, Screen};
use super::act::{On, act, last_ms};
use super::fields::in_language;
use super::send::{read_form, unfit};
use crate::envelope::words::{Extent, Instrument, RequestType, Urgency};
use crate::envelope::{Act, RequestFacts, form};
use crate::rules::request_type;
use crate::units::{Timestamp, Unreadable};
use crate::wire::detente::form::v1::body::Form;
use crate::wire::detente::form::v1::{Body, ExecutionForm};
use api::act_request::Act as What;

/// A moment that no preservation reaches: the end of the year 9999.
const FAR: Timestamp = Timestamp(253_402_300_799_000);

/// Say that it has been carried out, or that there are no such data
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente desk executed 4f2a --effective-from 2026-11-23T10:15:00+02:00 --custodian-reference H-77
  detente desk executed 4f2a --extent none --remarks \"no such subscriber\"
  detente desk executed 4f2a --answer \"Art. 12 of the Act applies\"      (advice, information)
  detente desk form stop-payment --answer > held.toml
  detente desk executed 4f2a --form held.toml                           (data, money, a place)

What hands data over waits for a second officer (detente desk approvals), unless --alone says why
there is none.")]
pub(super) struct Executed {
    #[command(flatten)]
    pub(super) on: On,
    /// How far: full, part or none (there are no such data).
    #[arg(long, default_value = "full", value_parser = ["full", "part", "none"])]
    extent: String,
    /// When preservation took effect at the custodian, RFC 3339 with offset: the clock runs from
    /// here.
    #[arg(long, value_name = "WHEN")]
    effective_from: Option<String>,
    /// Until which day data are preserved, as 2027-01-31, in UTC; left out, this nation's minimum.
    /// Mandatory for an extension.
    #[arg(long, value_name = "DAY")]
    until: Option<String>,
    /// What was preserved.
    #[arg(long, value_name = "TEXT")]
    scope: Option<String>,
    /// The custodian's reference.
    #[arg(long, value_name = "TEXT")]
    custodian_reference: Option<String>,
    /// The answer, to a request for information or advice.
    #[arg(long, value_name = "TEXT")]
    answer: Option<String>,
    /// Remarks; mandatory with part and none.
    #[arg(long, value_name = "TEXT")]
    remarks: Option<String>,
    /// A request for mutual assistance must follow; only for an emergency disclosure.
    #[arg(long)]
    mla_demanded: bool,
    /// Preservation will not ensure availability, or would threaten confidentiality, Art. 29(6).
    #[arg(long, value_name = "TEXT")]
    early_warning: Option<String>,
    /// Hand the data over without a second officer, for this reason. It is told to the other desk,
    /// logged and counted.
    #[arg(long, value_name = "REASON")]
    alone: Option<String>,
    /// What came of it as TOML, instead of flags; - reads it from standard input. See detente desk
    /// form TYPE --answer.
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "effective_from", "scope", "custodian_reference", "answer", "remarks", "early_warning",
    ])]
    pub(super) form: Option<String>,
}

impl Executed {
    /// The act and its form. `case` is the request, where a form in TOML is given.
    pub(super) fn request(
        self,
        case: Option<&api::Case>,
        common: &Common,
        screen: &mut Screen,
    ) -> Result<api::ActRequest, Failure> {
        let extent = match self.extent.as_str() {
            "none" => Extent::NoDataHeld,
            "part" => Extent::ExecutedInPart,
            _ => Extent::Executed,
        };
        let preserved_until_ms = match &self.until {
            Some(text) => last_ms("--until", text)?,
            None => 0,
        };
        let (what, mla_demanded) = (What::Execute(extent.to_string()), self.mla_demanded);
        let form = match (&self.form, case) {
            (Some(file), Some(case)) => {
                let text = read_form(file, common, screen)?;
                return Ok(api::ActRequest {
                    act: Some(what),
                    body: Some(self.alone(parse(&text, case, extent, preserved_until_ms)?)),
                    preserved_until_ms,
                    mla_demanded: self.mla_demanded,
                    ..api::ActRequest::default()
                });
            }
            (Some(_) | None, _) => self.filled(),
        };
        Ok(api::ActRequest { preserved_until_ms, mla_demanded, ..act(what, Form::Execution(form)) })
    }

    /// The form, with the reason of a lone officer where the command line gives one.
    fn alone(&self, mut body: Body) -> Body {
        let language = self.on.language.as_deref();
        if let (Some(reason), Some(Form::Execution(form))) = (&self.alone, &mut body.form) {
            form.lone_officer_reason = in_language(Some(reason.clone()), language);
        }
        body
    }

    fn filled(self) -> ExecutionForm {
        let language = self.on.language.as_deref();
        ExecutionForm {
            effective_from: self.effective_from.unwrap_or_default(),
            scope: in_language(self.scope, language),
            custodian_reference: self.custodian_reference.unwrap_or_default(),
            answer: in_language(self.answer, language),
            remarks: in_language(self.remarks, language),
            early_warning: in_language(self.early_warning, language),
            lone_officer_reason: in_language(self.alone, language),
            ..ExecutionForm::default()
        }
    }
}

fn parse(text: &str, case: &api::Case, extent: Extent, until_ms: i64) -> Result<Body, Failure> {
    let facts = facts(case).map_err(|error| {
        let next = "use a detente of the same version as the agent";
        Failure::value("--form", format!("the agent answers with {error}"), next)
    })?;
    // Left out, the agent gives the earliest that is lawful: no reason to refuse the form.
    let given = (until_ms != 0).then_some(Timestamp(until_ms));
    let left = request_type::has_shortest(facts.kind) && extent != Extent::NoDataHeld;
    let preserved_until = given.or_else(|| left.then_some(FAR));
    let act = Act::Execute { extent, preserved_until, mla_demanded: false };
    form::answer_from_toml(text, &act, &facts).map_err(|wrong| {
        let kind = facts.kind;
        unfit(wrong, &format!("detente desk form {kind} --answer shows what belongs where"))
    })
}

fn facts(case: &api::Case) -> Result<RequestFacts, Unreadable> {
    Ok(RequestFacts {
        kind: case.r#type.parse::<RequestType>()?,
        instrument: case.instrument.parse::<Instrument>()?,
        urgency: case.urgency.parse::<Urgency>()?,
        test: case.test,
        exercise: case.exercise,
        parent: None,
        prior_conditions: false,
        embargo_until: None,
    })
}
