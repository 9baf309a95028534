//! `detente doctor`: everything that a relay or an agent needs, looked at.
//!
//! Not for what is looked at (see `doctor/`).

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{Exit, Failure, Ink, Screen, start};
use crate::config::Either;
use crate::doctor::{self, Finding, State};
use crate::units::Timestamp;

/// Look at everything that a relay or a desk's agent needs
///
/// One line for each thing: how it stands, what was found, and what to do. Nothing is changed, and
/// a running program is not disturbed. Exit code 1 when something does not work.
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  detente doctor --config relay.toml
  detente doctor --config desk.toml --full --json")]
pub(super) struct Doctor {
    /// The configuration of the relay or the desk.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Read every byte of the journal, as a backup does.
    #[arg(long)]
    full: bool,
}

impl Doctor {
    pub(super) fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let config = Either::read(&self.config)?;
        let now = Timestamp(jiff::Timestamp::now().as_millisecond());
        let examination = doctor::examine(&self.config, &config, self.full, now);
        let findings = start::runtime()?.block_on(Box::pin(examination));
        let count = |state| findings.iter().filter(|finding| finding.state == state).count();
        let (failed, warned) = (count(State::Fail), count(State::Warn));
        if screen.is_json() {
            let finding = |finding: &Finding| {
                let Finding { check, state, says, next } = finding;
                json!({ "check": check, "state": state.as_str(), "says": says, "next": next })
            };
            screen.document(&json!({
                "checks": findings.iter().map(finding).collect::<Vec<_>>(),
                "failed": failed,
                "warned": warned,
            }))?;
        } else {
            let text = text(&findings, screen);
            screen.text(&text)?;
        }
        screen.message(&format!(
            "{} things looked at: {failed} do not work, {warned} need attention",
            findings.len()
        ));
        Ok(if failed == 0 { Exit::Success } else { Exit::Failure })
    }
}

fn text(findings: &[Finding], screen: &Screen) -> String {
    let pen = screen.pen();
    let widest = findings.iter().map(|finding| finding.check.len()).max().unwrap_or_default();
    let mut text = String::new();
    for Finding { check, state, says, next } in findings {
        let ink = match state {
            State::Ok => Ink::Green,
            State::Warn => Ink::Yellow,
            State::Fail => Ink::Red,
        };
        let (word, says) = (pen.write(ink, state.as_str()), pen.write(Ink::Plain, says));
        let pad = " ".repeat(5 - state.as_str().len());
        text.push_str(&format!("{word}{pad} {check:widest$}  {says}\n"));
        if !next.is_empty() {
            text.push_str(&format!("      {:widest$}  next: {next}\n", ""));
        }
    }
    text
}
