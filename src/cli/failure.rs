//! How a command ends: the exit code, and for a failure what, where, why, what next, and a code.
//!
//! Not for refusals inside the network: those arrive with their own codes and are only shown.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::clean::clean;
use crate::config;

/// The exit codes. They are a promise to scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Success = 0,
    /// Something failed; trying again may help.
    Failure = 1,
    /// The command cannot be understood; correct it.
    Usage = 2,
    /// What was verified does not hold.
    Unverified = 3,
    /// The network's rules refuse it.
    Refused = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A command that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// How the process ends.
    pub exit: Exit,
    /// Stable code, as "C-301", or as the network gave it, as "R-104".
    pub code: Box<str>,
    /// Stable reason, as "NO_COMMON_INSTRUMENT"; empty for the command line's own.
    pub reason: Box<str>,
    /// What did not succeed ("the request was not sent").
    pub what: Box<str>,
    /// Fields or keys concerned, with what is wrong with each; may be empty.
    pub fields: Vec<(String, String)>,
    /// Why.
    pub why: String,
    /// What to do next.
    pub next: Box<str>,
}

impl Failure {
    /// A failure of the command line itself.
    pub fn new(
        exit: Exit,
        code: &str,
        what: impl Into<Box<str>>,
        why: impl Display,
        next: impl Into<Box<str>>,
    ) -> Self {
        Self {
            exit,
            code: code.into(),
            reason: "".into(),
            what: what.into(),
            fields: Vec::new(),
            why: why.to_string(),
            next: next.into(),
        }
    }

    /// A flag or argument whose value cannot be understood.
    pub fn value(flag: &str, why: impl Display, next: impl Into<Box<str>>) -> Self {
        let failure = Self::new(Exit::Usage, "C-201", "a value cannot be understood", &why, next);
        failure.field(flag, why)
    }

    /// The same failure, with a field that is concerned.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>, why: impl Display) -> Self {
        self.fields.push((field.into(), why.to_string()));
        self
    }

    /// The same failure of something else.
    #[must_use]
    pub fn of(mut self, what: impl Into<Box<str>>) -> Self {
        self.what = what.into();
        self
    }

    /// For people: a line that says what, then labelled lines.
    pub fn render(&self) -> String {
        let reason = if self.reason.is_empty() { "" } else { " " };
        let mut text = format!("error: {} [{}{reason}{}]\n", self.what, self.code, self.reason);
        for (field, why) in &self.fields {
            text.push_str(&format!("  field: {field}: {why}\n"));
        }
        if !self.fields.iter().any(|(_, why)| *why == self.why) {
            text.push_str(&format!("  why:   {}\n", self.why));
        }
        if !self.next.is_empty() {
            text.push_str(&format!("  next:  {}\n", self.next));
        }
        clean(&text)
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let field = |(path, why): &(String, String)| json!({ "field": path, "why": why });
        json!({ "error": {
            "code": self.code,
            "reason": self.reason,
            "what": self.what,
            "fields": self.fields.iter().map(field).collect::<Vec<_>>(),
            "why": self.why,
            "next": self.next,
            "exit": self.exit as u8,
        }})
    }
}

impl From<config::Invalid> for Failure {
    fn from(invalid: config::Invalid) -> Self {
        let code = if invalid.place.is_some() { "C-102" } else { "C-101" };
        let what = "the configuration cannot be used";
        let failure = Self::new(Exit::Usage, code, what, &invalid, invalid.next.clone());
        if invalid.key.is_empty() { failure } else { failure.field(&invalid.key, &invalid.why) }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::reader_gone();
        }
        let next = "check disk space and who may read and write there";
        Self::new(Exit::Failure, "C-501", "input or output failed", error, next)
    }
}

/// The code of output that nobody reads any more.
const READER_GONE: &str = "C-502";

impl Failure {
    fn reader_gone() -> Self {
        let what = "nobody reads the output";
        Self::new(Exit::Failure, READER_GONE, what, "the pipe is closed", "")
    }

    /// True when whoever read the output (`head`) has had enough: nothing is said then.
    pub fn is_reader_gone(&self) -> bool {
        *self.code == *READER_GONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_where_why_next_and_its_code() {
        let failure = Failure::new(Exit::Refused, "R-104", "it was not sent", "no treaty", "ask")
            .field("instrument", "BUDAPEST is not shared\u{1b}[31m");
        assert_eq!(
            failure.render(),
            "error: it was not sent [R-104]\n  field: instrument: BUDAPEST is not \
             shared\\u{1b}[31m\n  why:   no treaty\n  next:  ask\n"
        );
        assert_eq!(failure.json()["error"]["fields"][0]["field"], "instrument");
        assert_eq!(failure.json()["error"]["exit"], 4);
    }

    #[test]
    fn a_closed_pipe_is_not_an_error_to_talk_about() {
        assert!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).is_reader_gone());
        assert!(!Failure::from(io::Error::from(io::ErrorKind::NotFound)).is_reader_gone());
    }
}
