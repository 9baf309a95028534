//! `detente desk approvals`, `approve` and `decline`: the second officer's side.
//!
//! Not for preparing what is handed over (see `executed.rs` and `course.rs`). What waits is kept by
//! the agent, so that the two officers need not sit at one terminal, nor at one time.

use clap::Args;
use serde_json::{Value, json};

use super::super::agent::{Agent, api, parse_prefix};
use super::super::moment::{render_rfc3339, render_utc};
use super::super::{Exit, Failure, Ink, Pen, Screen};
use super::case::{marks, urgency_ink};
use super::outcome::{self, case_id, message_id, request_id, short};
use crate::envelope::form;

/// List what waits for a second officer, or show one with its form
///
/// What hands data over is signed by two officers. The first prepares it (executed, disclose); it
/// waits at the agent until a second one, with the role APPROVE, approves or declines it.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente desk approvals
  detente desk approvals 9b31        read it before you approve it")]
pub(super) struct Approvals {
    /// Only this one, with its form: its id, or the first 4 or more digits of it.
    #[arg(value_name = "ID")]
    id: Option<String>,
}

/// Approve, as the second officer, what a first one has prepared: it is signed by both and sent
#[derive(Debug, Args)]
#[command(before_help = "Example:
  detente desk approve 9b31")]
pub(super) struct Approve {
    /// What waits: its id, or the first 4 or more digits of it.
    #[arg(value_name = "ID")]
    id: String,
}

/// Decline what a first officer has prepared, or take back what you have: it is never sent
#[derive(Debug, Args)]
#[command(before_help = "Example:
  detente desk decline 9b31 --reason \"the second account is not in the request\"")]
pub(super) struct Decline {
    /// What waits: its id, or the first 4 or more digits of it.
    #[arg(value_name = "ID")]
    id: String,
    /// Why. The first officer reads it; it is kept in this desk's case file and goes nowhere else.
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

impl Approvals {
    pub(super) async fn run(
        self,
        agent: &mut Agent,
        officer: impl FnOnce() -> Result<String, Failure>,
        screen: &mut Screen,
    ) -> Result<Exit, Failure> {
        let waiting = agent.approvals().await?;
        let Some(id) = &self.id else { return list(&waiting, screen) };
        let approval = agent.approval(officer()?, pick(id, &waiting)?.message_id.clone()).await?;
        if screen.is_json() {
            screen.document(&approval_json(&approval))?;
        } else {
            screen.text(&page(&approval, screen.pen()))?;
        }
        let id = message_id(&approval.message_id).unwrap_or_default();
        screen.message(&format!("next: detente desk approve {0}, or decline {0}", short(&id)));
        Ok(Exit::Success)
    }
}

impl Approve {
    pub(super) async fn run(
        self,
        agent: &mut Agent,
        officer: String,
        screen: &mut Screen,
    ) -> Result<Exit, Failure> {
        let message = match self.id.parse::<crate::units::MessageId>() {
            // It may have been approved before: the agent recognises that.
            Ok(message) => message.0.to_vec(),
            Err(_) => pick(&self.id, &agent.approvals().await?)?.message_id.clone(),
        };
        let answer = agent.approve(officer, message).await?;
        outcome::show(&answer, agent, screen, |id| format!("detente desk show {id}")).await
    }
}

impl Decline {
    pub(super) async fn run(
        self,
        agent: &mut Agent,
        officer: String,
        screen: &mut Screen,
    ) -> Result<Exit, Failure> {
        let message = pick(&self.id, &agent.approvals().await?)?.message_id.clone();
        let id = message_id(&message).unwrap_or_default();
        agent.decline(officer, message, self.reason).await?;
        if screen.is_json() {
            screen.document(&json!({ "state": "DECLINED", "message_id": id }))?;
        } else {
            let pen = screen.pen();
            let said = "declined: nothing was sent, and nobody outside this desk is told";
            screen.text(&format!("statement {id}: {}\n", pen.write(Ink::Yellow, said)))?;
        }
        screen.message("next: detente desk approvals");
        Ok(Exit::Success)
    }
}

fn list(waiting: &[api::Approval], screen: &mut Screen) -> Result<Exit, Failure> {
    if screen.is_json() {
        let list: Vec<Value> = waiting.iter().map(approval_json).collect();
        screen.document(&json!({ "approvals": list }))?;
    } else if waiting.is_empty() {
        screen.message("nothing waits for a second officer");
    } else {
        screen.text(&table(waiting, screen.pen()))?;
    }
    match waiting.first().and_then(|first| message_id(&first.message_id)) {
        Some(id) => screen.message(&format!("next: detente desk approvals {}", short(&id))),
        None => screen.message("next: detente desk inbox --open"),
    }
    Ok(Exit::Success)
}

fn table(waiting: &[api::Approval], pen: Pen) -> String {
    let heading = ["ID", "PREPARED", "BY", "WHAT", "TYPE", "URGENCY", "TO", "REQUEST", "MAY"];
    let row = |approval: &api::Approval| {
        let api::Approval { test, exercise, .. } = *approval;
        let marks = marks(&api::Case { test, exercise, ..api::Case::default() });
        let id = message_id(&approval.message_id).unwrap_or_default();
        vec![
            (Ink::Bold, short(&id).to_owned()),
            (Ink::Plain, render_utc(approval.prepared_ms)),
            (Ink::Plain, approval.officer.clone()),
            (Ink::Plain, format!("{} {}", approval.what, approval.facts)),
            (Ink::Plain, format!("{}{marks}", approval.r#type)),
            (urgency_ink(&approval.urgency), approval.urgency.clone()),
            (Ink::Bold, approval.to.clone()),
            (Ink::Plain, short(&request_id(&approval.request_id)).to_owned()),
            (Ink::Faint, approval.approvers.join(" ")),
        ]
    };
    pen.table(&heading, &waiting.iter().map(row).collect::<Vec<_>>())
}

fn page(approval: &api::Approval, pen: Pen) -> String {
    let mut text = table(std::slice::from_ref(approval), pen);
    for (label, value) in approval.body.as_ref().map(form::lines).unwrap_or_default() {
        let mut lines = value.lines();
        let first = lines.next().unwrap_or_default();
        let label = pen.write(Ink::Faint, &format!("{label}:"));
        text.push_str(&format!("  {label} {}\n", pen.write(Ink::Plain, first)));
        for line in lines {
            text.push_str(&format!("    {}\n", pen.write(Ink::Plain, line)));
        }
    }
    text
}

fn approval_json(approval: &api::Approval) -> Value {
    json!({
        "message_id": message_id(&approval.message_id),
        "request_id": request_id(&approval.request_id),
        "case_id": case_id(&approval.case_id),
        "to": approval.to,
        "type": approval.r#type,
        "urgency": approval.urgency,
        "test": approval.test,
        "exercise": approval.exercise,
        "officer": approval.officer,
        "prepared": render_rfc3339(approval.prepared_ms),
        "what": approval.what,
        "facts": approval.facts,
        "approvers": approval.approvers,
        "form": approval.body.as_ref().map(form::json),
    })
}

/// What waits under an id, or under the id of its request when nothing else waits on that.
fn pick<'a>(text: &str, waiting: &'a [api::Approval]) -> Result<&'a api::Approval, Failure> {
    let next = "detente desk approvals lists the ids";
    let digits = parse_prefix(text).map_err(|why| Failure::value("ID", why, next))?;
    let begins = |id: &[u8]| data_encoding::HEXLOWER.encode(id).starts_with(&digits);
    let named = |held: &&api::Approval| begins(&held.message_id) || begins(&held.request_id);
    let found: Vec<&api::Approval> = waiting.iter().filter(named).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => {
            let why = format!("nothing that begins with {digits} waits for a second officer");
            Err(Failure::new(Exit::Usage, "C-202", "nothing waits under this id", why, next))
        }
        several => {
            let why = format!("{} that wait begin with {digits}", several.len());
            Err(Failure::new(Exit::Usage, "C-203", "the id is ambiguous", why, "give more digits"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_named_by_its_own_id_or_by_its_request() {
        let held = |message: u8, request: u8| api::Approval {
            message_id: vec![message; 16],
            request_id: vec![request; 16],
            ..api::Approval::default()
        };
        let waiting = [held(0x1a, 0x2a), held(0x1b, 0x2b), held(0x1c, 0x2b)];
        assert_eq!(pick("1a1a", &waiting).unwrap(), &waiting[0]);
        assert_eq!(pick("2A2A2a", &waiting).unwrap(), &waiting[0]);
        assert_eq!(pick("2b2b", &waiting).unwrap_err().code.as_ref(), "C-203");
        assert_eq!(pick("ffff", &waiting).unwrap_err().code.as_ref(), "C-202");
        assert!(pick("zz", &waiting).is_err());
    }
}
