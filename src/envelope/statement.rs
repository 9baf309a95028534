//! A statement: what an officer or a desk's machine says, as far as the relay may know it.
//!
//! Not the bytes (see `header.rs`) and not the sealed body (see `seal.rs`).

use serde::{Deserialize, Serialize};

use super::words::{
    ConditionsAnswer, Extent, Instrument, MlaStep, Outcome, Rejection, RequestType, Urgency,
    WillAnswer,
};
use crate::units::{CaseId, DeskId, Hash, MessageId, Name, RequestId, Timestamp};

/// A statement, read from a header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// SHA-256 of the header's bytes.
    pub header: Hash,
    /// Its id, and the idempotency key.
    pub message: MessageId,
    /// The desk that speaks.
    pub from: DeskId,
    /// Who signs.
    pub signer: Signer,
    /// Id of the first signing key.
    pub signer_key: Hash,
    /// Who else stands behind it.
    pub approval: Approval,
    /// The desk that is spoken to.
    pub to: DeskId,
    /// The case.
    pub case: CaseId,
    /// The request.
    pub request: RequestId,
    /// Header of the newest statement on the request that the sender had seen.
    pub in_reply_to: Option<Hash>,
    /// Counts the signer's statements, from 1.
    pub sequence: u64,
    /// When the sender says it was made.
    pub created: Timestamp,
    /// After this it is refused if unknown.
    pub not_after: Timestamp,
    /// The newest tree head the sender had seen.
    pub seen: Option<SeenCheckpoint>,
    /// Length of the ciphertext in bytes; 0 without a body.
    pub ciphertext_len: u32,
    /// What is done.
    pub act: Act,
}

/// Who signs a statement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Signer {
    /// An officer of the desk.
    Officer(Name),
    /// The desk's machine.
    Desk,
}

/// Whether a second officer of the desk stands behind a statement. Only what hands data over calls
/// for one; what is sent, delivered or acknowledged never waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Approval {
    /// Nobody has to.
    None,
    /// This officer, who signed it too.
    By {
        /// The officer.
        officer: Name,
        /// Id of their key.
        key: Hash,
    },
    /// Nobody: the signer went on alone, for a reason that is sealed.
    Alone,
}

/// A tree head as the sender had seen it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenCheckpoint {
    /// Tree size.
    pub size: u64,
    /// Root.
    pub root: Hash,
}

/// What a statement does, with the facts that the relay may know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Act {
    /// A new request.
    Request(RequestFacts),
    /// The human acknowledgement.
    Acknowledge {
        /// Will it be answered.
        will_answer: WillAnswer,
        /// By when.
        estimated_at: Timestamp,
    },
    /// The estimate slipped.
    ReviseEstimate {
        /// The new one.
        estimated_at: Timestamp,
    },
    /// The requested desk needs more.
    RequestClarification,
    /// The requesting desk gives more.
    ProvideClarification,
    /// The requested desk decides.
    Determine {
        /// The class of the decision.
        outcome: Outcome,
        /// When a postponed one is looked at again; only with `Postponed`, and always there.
        review_at: Option<Timestamp>,
    },
    /// The requested desk has carried it out, or has nothing.
    Execute {
        /// How far.
        extent: Extent,
        /// Until when data are preserved; only for a preservation.
        preserved_until: Option<Timestamp>,
        /// A request for mutual assistance must follow; only for an emergency disclosure.
        mla_demanded: bool,
    },
    /// The requesting desk asks for a longer preservation.
    RequestExtension,
    /// The requested desk confirms a longer preservation.
    Extend {
        /// The new end.
        preserved_until: Timestamp,
    },
    /// The requesting desk withdraws.
    Withdraw,
    /// The request is closed.
    Close,
    /// A step of the mutual legal assistance request.
    Mla {
        /// The step.
        step: MlaStep,
        /// The request that carries it, where it travels over this relay.
        carried_by: Option<RequestId>,
    },
    /// The requested desk gives another urgency.
    Regrade {
        /// The new one.
        urgency: Urgency,
    },
    /// Conditions are accepted or declined.
    AnswerConditions(ConditionsAnswer),
    /// The information that was offered under conditions.
    ProvideInformation,
    /// Art. 30: which provider in which other state took part.
    DiscloseTraffic,
    /// What came of it, and how useful it was.
    Feedback,
    /// Art. 28(3): what use was made?
    RequestUseReport,
    /// Art. 28(3): this use was made.
    ReportUse,
    /// What was received has been exposed.
    ReportSecurityIncident,
    /// The desk's machine has, or rejects, an offered statement.
    Receipt {
        /// The statement.
        of: MessageId,
        /// Its header.
        header: Hash,
        /// Why it is rejected, if it is.
        rejected: Option<Rejection>,
    },
    /// An officer opened a statement, or it cannot be opened.
    Retrieval {
        /// The statement.
        of: MessageId,
        /// Its header.
        header: Hash,
        /// Why it cannot be opened, if so.
        failed: Option<Rejection>,
    },
}

/// The facts of a new request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestFacts {
    /// What is asked for.
    pub kind: RequestType,
    /// On what basis.
    pub instrument: Instrument,
    /// How urgent.
    pub urgency: Urgency,
    /// A technical test.
    pub test: bool,
    /// Part of an exercise.
    pub exercise: bool,
    /// The request it follows from.
    pub parent: Option<RequestId>,
    /// Information is offered under conditions, which come first.
    pub prior_conditions: bool,
    /// Until then the recipient must not know of it.
    pub embargo_until: Option<Timestamp>,
}

impl Act {
    /// The name of the act, as people and `--json` read it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Request(_) => "REQUEST",
            Self::Acknowledge { .. } => "ACKNOWLEDGE",
            Self::ReviseEstimate { .. } => "REVISE_ESTIMATE",
            Self::RequestClarification => "REQUEST_CLARIFICATION",
            Self::ProvideClarification => "PROVIDE_CLARIFICATION",
            Self::Determine { .. } => "DETERMINE",
            Self::Execute { .. } => "EXECUTE",
            Self::RequestExtension => "REQUEST_EXTENSION",
            Self::Extend { .. } => "EXTEND",
            Self::Withdraw => "WITHDRAW",
            Self::Close => "CLOSE",
            Self::Mla { .. } => "MLA",
            Self::Regrade { .. } => "REGRADE",
            Self::AnswerConditions(_) => "ANSWER_CONDITIONS",
            Self::ProvideInformation => "PROVIDE_INFORMATION",
            Self::DiscloseTraffic => "DISCLOSE_TRAFFIC",
            Self::Feedback => "FEEDBACK",
            Self::RequestUseReport => "REQUEST_USE_REPORT",
            Self::ReportUse => "REPORT_USE",
            Self::ReportSecurityIncident => "REPORT_SECURITY_INCIDENT",
            Self::Receipt { .. } => "RECEIPT",
            Self::Retrieval { .. } => "RETRIEVAL",
        }
    }

    /// True for what a desk's machine says by itself, without a body.
    pub const fn is_machine(&self) -> bool {
        matches!(self, Self::Receipt { .. } | Self::Retrieval { .. })
    }
}
