//! Why a desk cannot do what an officer asks of it.
//!
//! Not for what the relay refuses afterwards: that is an outcome of a statement, kept with it.

use crate::envelope::Malformed;
use crate::journal;
use crate::rules;
use crate::units::{MessageId, Name, RequestId};

/// Why the desk did not do it. Nothing has been kept and nothing will be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Unreadable: fields of the form or of the order are not what they must be.
    #[error("{}", list(.0))]
    Malformed(Vec<Malformed>),
    /// Unlawful: the network's rules do not allow it. The relay would say the same.
    #[error("{}", .0.cause())]
    Unlawful(Box<rules::Refusal>),
    /// Unlawful: this desk does not allow it.
    #[error(transparent)]
    Local(#[from] Local),
    /// Unable: the disk is full. Everything kept so far is safe.
    #[error("the desk's disk is full")]
    Full,
    /// Unable: the desk is stopping.
    #[error("the desk is stopping")]
    Stopped,
    /// Unable: the disk, or the desk itself, failed.
    #[error("the desk failed: {0}")]
    Fault(String),
}

/// What only a desk can refuse. The codes are stable, like those of the rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Local {
    /// An idempotency key came twice, with different content.
    #[error("the message id {0} was used before for something else")]
    MessageReused(MessageId),
    /// There is no such request here.
    #[error("this desk has no request {0}")]
    UnknownRequest(RequestId),
    /// There is no such officer here.
    #[error("this desk holds no key of an officer {0:?}")]
    UnknownOfficer(String),
    /// The Unix user may not act as the officer.
    #[error("the Unix user {uid} may not act as the officer {officer}")]
    NotPermitted {
        /// The officer.
        officer: Name,
        /// The user.
        uid: u32,
    },
    /// The desk cannot tell which Unix user calls.
    #[error("the Unix user of the caller is not known")]
    NobodyKnown,
    /// The sealed statement is larger than the network takes.
    #[error("the sealed statement has {bytes} bytes; at most {max} are taken")]
    TooLarge {
        /// Its size in bytes.
        bytes: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// A statement waited in the outbox until it had lapsed.
    #[error("the statement waited for the relay until it had lapsed, and was not sent")]
    Lapsed,
}

impl Local {
    /// Stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MessageReused(_) => "D-101",
            Self::UnknownRequest(_) => "D-102",
            Self::UnknownOfficer(_) => "D-103",
            Self::NotPermitted { .. } => "D-104",
            Self::NobodyKnown => "D-105",
            Self::TooLarge { .. } => "D-106",
            Self::Lapsed => "D-107",
        }
    }

    /// Stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::MessageReused(_) => "MESSAGE_ID_REUSED",
            Self::UnknownRequest(_) => "UNKNOWN_REQUEST",
            Self::UnknownOfficer(_) => "UNKNOWN_OFFICER",
            Self::NotPermitted { .. } => "OFFICER_NOT_PERMITTED",
            Self::NobodyKnown => "CALLER_UNKNOWN",
            Self::TooLarge { .. } => "STATEMENT_TOO_LARGE",
            Self::Lapsed => "LAPSED_IN_OUTBOX",
        }
    }

    /// What to do next, in a sentence.
    pub const fn next_action(&self) -> &'static str {
        match self {
            Self::MessageReused(_) => "leave the message id out, or choose a new one",
            Self::UnknownRequest(_) => "list the requests of this desk and take the id from there",
            Self::UnknownOfficer(_) => "name an officer of desk.toml, or add the officer's key",
            Self::NotPermitted { .. } => "run it as a user listed in the officer's uids",
            Self::NobodyKnown => "call over the agent's Unix socket",
            Self::TooLarge { .. } => "shorten the form; send large evidence another way",
            Self::Lapsed => "look at the request and, if it still stands, do it again",
        }
    }
}

impl From<rules::Refusal> for Error {
    fn from(refusal: rules::Refusal) -> Self {
        Self::Unlawful(Box::new(refusal))
    }
}

impl From<journal::Fault> for Error {
    fn from(fault: journal::Fault) -> Self {
        Self::Fault(fault.to_string())
    }
}

/// Why a desk cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The journal says no.
    #[error("the desk's journal cannot be opened")]
    Journal(#[from] journal::Fault),
    /// The unlock secret is not the one that this case file was made with.
    #[error("the unlock secret does not open the case file in {path}")]
    WrongSecret {
        /// Its directory.
        path: String,
    },
    /// The case file is of another desk or another network.
    #[error("{path} is the case file of {found}, not of {expected}")]
    Foreign {
        /// Its directory.
        path: String,
        /// Whose it is.
        found: String,
        /// Whose it should be.
        expected: String,
    },
    /// A record is whole and opens, but this version cannot read it.
    #[error("record {index} of the case file cannot be read: {why}")]
    Unreadable {
        /// Its index.
        index: crate::units::Index,
        /// Why.
        why: String,
    },
    /// The directory does not know this desk, or knows other keys.
    #[error("{0}")]
    Keys(String),
    /// The first record, or the writer, could not be made.
    #[error("the desk cannot start: {0}")]
    Start(String),
}

fn list(fields: &[Malformed]) -> String {
    let each: Vec<String> = fields.iter().map(ToString::to_string).collect();
    each.join("; ")
}
