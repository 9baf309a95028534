//! `detente operator erase`: bodies, and restricted parts of entries, are erased on a legal order,
//! or at the end of retention.
//!
//! Not for records: they stay, with hash and size of what was erased, and every proof still holds.

use std::io::{BufRead as _, IsTerminal as _};

use clap::{ArgGroup, Args, ValueEnum};
use serde_json::{Value, json};

use super::limited;
use crate::cli::{Common, Exit, Failure, Ink, Screen};
use crate::grpc::operator::{Operator, api};
use crate::rules::ErasureReason;
use crate::units::{MemberId, MessageId, RequestId};

/// Erase the sealed bodies of a request, or the restricted parts of a member's entries, for good
///
/// Every erasure is recorded; of a request, both desks are told. What a desk has already fetched it
/// keeps. The bytes are zeroed in the journal; SSDs and backups may keep copies.
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("what").args(["request", "entry"]).required(true)),
    before_help = "Examples:
  detente operator erase --config relay.toml --request ID --reason legal-order --dry-run
  detente operator erase --config relay.toml --request ID --reason retention --yes
  detente operator erase --config relay.toml --entry NL --version 3 --reason legal-order --dry-run"
)]
pub(super) struct Erase {
    /// The request, by its whole id.
    #[arg(long, value_name = "ID")]
    request: Option<RequestId>,
    /// Only the body of this statement.
    #[arg(long, value_name = "MESSAGE-ID", requires = "request")]
    statement: Option<MessageId>,
    /// The member of whose entries the restricted parts are erased: channels and persons. Of the
    /// newest version too, unless --version names another; desks that join later then do not know
    /// whom to call until the member publishes anew.
    #[arg(long, value_name = "MEMBER")]
    entry: Option<MemberId>,
    /// Only this version of the entry.
    #[arg(long, value_name = "NUMBER", requires = "entry")]
    version: Option<u64>,
    /// Why. It is recorded.
    #[arg(long, value_enum)]
    reason: Reason,
    /// Only show what would be erased.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

/// Why bodies are erased.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Reason {
    /// A court or an authority ordered it.
    LegalOrder,
    /// The end of retention.
    Retention,
}

impl Reason {
    const fn word(self) -> &'static str {
        match self {
            Self::LegalOrder => ErasureReason::LegalOrder.as_str(),
            Self::Retention => ErasureReason::Retention.as_str(),
        }
    }
}

impl Erase {
    pub(super) async fn run(
        self,
        relay: &mut Operator,
        common: &Common,
        screen: &mut Screen,
    ) -> Result<Exit, Failure> {
        let what = "nothing was erased";
        let found = limited(what, relay.erase_bodies(self.order(true))).await?.bodies;
        if self.dry_run {
            return self.show(&found, "would be erased", screen);
        }
        let left = found.iter().filter(|body| !body.already).count();
        if left > 0 && !self.yes {
            self.ask(left, common, screen)?;
        }
        let what = "not everything was erased";
        let erased = limited(what, relay.erase_bodies(self.order(false))).await?.bodies;
        self.show(&erased, "erased", screen)
    }

    fn order(&self, validate_only: bool) -> api::EraseBodiesRequest {
        api::EraseBodiesRequest {
            name: self.name(),
            message_id: self.statement.map(|id| id.0.to_vec()).unwrap_or_default(),
            reason: self.reason.word().to_owned(),
            validate_only,
        }
    }

    /// What is erased, as the relay names it.
    fn name(&self) -> String {
        match (self.request, self.entry, self.version) {
            (Some(request), _, _) => format!("requests/{request}"),
            (None, Some(member), Some(version)) => format!("members/{member}/entries/{version}"),
            (None, Some(member), None) => format!("members/{member}/entries"),
            // The command line does not let this through; the relay refuses an empty name.
            (None, None, _) => String::new(),
        }
    }

    /// What is erased in words, what its author types to go on, and what that is called.
    fn named(&self) -> (String, String, &'static str) {
        match (self.request, self.entry) {
            (Some(request), _) => {
                let digits = request.to_string().chars().take(8).collect();
                let what = format!("bodies of request {request}");
                (what, digits, "the first eight digits of its id")
            }
            (None, member) => {
                let member = member.map(|member| member.to_string()).unwrap_or_default();
                let what = format!("restricted parts of entries of {member}");
                (what, member, "the member")
            }
        }
    }

    /// Whoever erases types once more of what.
    fn ask(&self, left: usize, common: &Common, screen: &mut Screen) -> Result<(), Failure> {
        let refused = |why: &str| {
            let next = "look at it with --dry-run, then give --yes";
            Failure::new(Exit::Usage, "C-208", "nothing was erased", why, next)
        };
        if common.no_input || !std::io::stdin().is_terminal() {
            return Err(refused("it cannot be undone, and nobody can be asked"));
        }
        let (what, word, called) = self.named();
        screen.message(&format!("{left} {what} will be erased for good. Type {called} to go on:"));
        let mut typed = String::new();
        std::io::stdin().lock().read_line(&mut typed)?;
        let same = typed.trim() == word;
        if same { Ok(()) } else { Err(refused(&format!("what was typed is not {called}"))) }
    }

    fn show(
        &self,
        bodies: &[api::ErasedBody],
        done: &str,
        screen: &mut Screen,
    ) -> Result<Exit, Failure> {
        if screen.is_json() {
            screen.document(&json!({
                "request_id": self.request.map(|request| request.to_string()),
                "member": self.entry.map(|member| member.to_string()),
                "reason": self.reason.word(),
                "dry_run": self.dry_run,
                "bodies": bodies.iter().map(document).collect::<Vec<_>>(),
            }))?;
            return Ok(Exit::Success);
        }
        let rows: Vec<_> = bodies
            .iter()
            .map(|body| {
                let state = if body.already { "erased before" } else { done };
                vec![
                    (Ink::Plain, body.index.to_string()),
                    (Ink::Plain, body.from.clone()),
                    (Ink::Bold, body.act.clone()),
                    (Ink::Plain, body.bytes.to_string()),
                    (Ink::Plain, state.to_owned()),
                    (Ink::Faint, message(body)),
                ]
            })
            .collect();
        let heading = ["RECORD", "FROM", "ACT", "BYTES", "BODY", "STATEMENT"];
        let table = screen.pen().table(&heading, &rows);
        screen.text(&table)?;
        Ok(Exit::Success)
    }
}

fn message(body: &api::ErasedBody) -> String {
    MessageId::from_slice(&body.message_id).map(|id| id.to_string()).unwrap_or_default()
}

fn document(body: &api::ErasedBody) -> Value {
    json!({
        "message_id": message(body),
        "index": body.index,
        "from": body.from,
        "act": body.act,
        "bytes": body.bytes,
        "already": body.already,
    })
}
