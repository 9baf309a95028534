//! Why a desk cannot do what an officer asks of it.
//!
//! Not for what the relay refuses afterwards: that is an outcome of a statement, kept with it.

use crate::envelope::Malformed;
use crate::journal;
use crate::rules;
use crate::units::{DeskId, Index, MessageId, Name, RequestId};

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
    /// The Unix user is nobody here.
    #[error("the Unix user {uid} is no officer of this desk")]
    NotAdmitted {
        /// The user.
        uid: u32,
    },
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
    /// An entry was sent, and the relay did not answer in time.
    #[error("the relay did not answer in time; whether the entry is published is not known yet")]
    PublicationUnknown,
    /// Data would be handed over, and nobody else here may approve it.
    #[error("this hands data over, and no other officer of this desk has the role APPROVE")]
    NobodyApproves,
    /// Too much waits for a second officer.
    #[error("{0} acts wait for a second officer already")]
    TooManyWait(usize),
    /// Nothing waits for a second officer under this id.
    #[error("nothing waits for a second officer under the id {0}")]
    NothingWaits(MessageId),
    /// A second officer declined it, or the first took it back.
    #[error("{by} declined it: {reason}")]
    Declined {
        /// The officer.
        by: Name,
        /// Why.
        reason: String,
    },
    /// The only valid key of the recipient is one that the witnesses have not seen.
    #[error(
        "the only valid key of {desk} is in version {version} of its nation's entry, which the \
         witnesses have not seen yet"
    )]
    KeyNotWitnessed {
        /// The recipient.
        desk: DeskId,
        /// The version.
        version: u64,
    },
    /// Evidence is asked for, and these records of the relay have no proof yet.
    #[error("{}", unproven(.0))]
    ProofsMissing(Vec<Index>),
    /// A body is to be disclosed that cannot be.
    #[error("the body of statement {message} cannot be disclosed: {why}")]
    NotDisclosable {
        /// The statement.
        message: MessageId,
        /// Why not.
        why: String,
    },
    /// What is held about a request does not prove it.
    #[error("what this desk holds of the request does not prove it: {0}")]
    EvidenceUnproven(String),
    /// There is no such alarm here.
    #[error("this desk has no alarm {0:?} that can be settled")]
    UnknownAlarm(String),
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
            Self::NotAdmitted { .. } => "D-108",
            Self::PublicationUnknown => "D-109",
            Self::NobodyApproves => "D-110",
            Self::TooManyWait(_) => "D-111",
            Self::NothingWaits(_) => "D-112",
            Self::Declined { .. } => "D-113",
            Self::UnknownAlarm(_) => "D-114",
            Self::KeyNotWitnessed { .. } => "D-115",
            Self::ProofsMissing(_) => "D-116",
            Self::NotDisclosable { .. } => "D-117",
            Self::EvidenceUnproven(_) => "D-118",
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
            Self::NotAdmitted { .. } => "USER_NOT_ADMITTED",
            Self::PublicationUnknown => "PUBLICATION_UNKNOWN",
            Self::NobodyApproves => "NOBODY_APPROVES",
            Self::TooManyWait(_) => "TOO_MANY_WAIT",
            Self::NothingWaits(_) => "NOTHING_WAITS",
            Self::Declined { .. } => "DECLINED",
            Self::UnknownAlarm(_) => "UNKNOWN_ALARM",
            Self::KeyNotWitnessed { .. } => "KEY_NOT_WITNESSED",
            Self::ProofsMissing(_) => "PROOFS_MISSING",
            Self::NotDisclosable { .. } => "BODY_NOT_DISCLOSABLE",
            Self::EvidenceUnproven(_) => "EVIDENCE_UNPROVEN",
        }
    }

    /// What to do next, in a sentence.
    pub const fn next_action(&self) -> &'static str {
        match self {
            Self::MessageReused(_) => "leave the message id out, or choose a new one",
            Self::UnknownRequest(_) => "list the requests of this desk and take the id from there",
            Self::UnknownOfficer(_) => "name an officer of desk.toml, or add the officer's key",
            Self::NotPermitted { .. } => "run it as a user listed in the officer's uids",
            Self::NotAdmitted { .. } => {
                "run it as a user listed in an officer's uids in desk.toml, or have yours added"
            }
            Self::NobodyKnown => "call over the agent's Unix socket",
            Self::TooLarge { .. } => "shorten the form; send large evidence another way",
            Self::Lapsed => "look at the request and, if it still stands, do it again",
            Self::PublicationUnknown => {
                "publish the same file again: a version that is there already is recognised"
            }
            Self::NobodyApproves => {
                "give another officer the role APPROVE in the nation's entry, or say why you act \
                 alone (lone_officer_reason)"
            }
            Self::TooManyWait(_) => "approve or decline what waits",
            Self::NothingWaits(_) => "list what waits and take the id from there",
            Self::Declined { .. } => "speak with that officer, and prepare it anew if it stands",
            Self::KeyNotWitnessed { .. } => {
                "send it again when detente desk status shows the directory log as witnessed; \
                 until then call the desk (detente desk directory call)"
            }
            Self::UnknownAlarm(_) => "take the alarm's id from detente desk status",
            Self::ProofsMissing(_) => {
                "ask again in a minute: the agent fetches them while it is connected to the relay \
                 (detente desk status says whether it is, and whether a proof did not hold)"
            }
            Self::NotDisclosable { .. } => "leave it out, or ask the desk that wrote it",
            Self::EvidenceUnproven(_) => {
                "look at detente desk status for alarms; detente desk proofs writes down what the \
                 relay gave"
            }
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
        index: Index,
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

/// Which records have no proof; of many, the first.
fn unproven(records: &[Index]) -> String {
    let first: Vec<String> = records.iter().take(10).map(Index::to_string).collect();
    let more = if records.len() > first.len() { " and more" } else { "" };
    let (count, first) = (records.len(), first.join(", "));
    format!("{count} records of the relay have no proof yet: {first}{more}")
}

fn list(fields: &[Malformed]) -> String {
    let each: Vec<String> = fields.iter().map(ToString::to_string).collect();
    each.join("; ")
}
