//! The header's bytes: read into a [`Statement`], rendered from a [`Draft`].
//!
//! Not for what a statement may do; only for what one is. Messages are taken apart exhaustively, so
//! that a new field does not compile until somebody has decided about it.
//!
//! Fields that this version does not know are skipped when a header is read: a newer sender may say
//! more. They are signed and hashed all the same, because the bytes are kept as they came. A relay
//! takes none of them ([`check_known`]).

use prost::Message as _;

use super::cipher;
use super::read::{
    Malformed, bytes, check, hash, malformed, moment, optional_moment, optional_text, text,
};
use super::words::Outcome;
use super::{Act, Approval, RequestFacts, SeenCheckpoint, Signer, Statement};
use crate::units::{CaseId, DAY_MS, DeskId, Hash, MessageId, Name, RequestId, Timestamp};
use crate::wire::detente::envelope::v1 as wire;

/// The largest header, in bytes. A full one has about 600; the rest is room for later fields.
pub const HEADER_BYTES_MAX: usize = 4 << 10;

/// The longest time from `created` to `not_after`, in milliseconds: 7 days.
pub const LIFETIME_MS_MAX: i64 = 7 * DAY_MS;

/// The largest tree size that is read: 2^63 - 1, the limit of C2SP witnesses.
const TREE_SIZE_MAX: u64 = i64::MAX as u64;

/// Label of the context's hash.
const CONTEXT_LABEL: &[u8] = b"detente/context/v1\0";

/// A statement before it has a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its id: 16 random bytes.
    pub message: MessageId,
    /// The desk that speaks.
    pub from: DeskId,
    /// Who signs.
    pub signer: Signer,
    /// Who else stands behind it; who does, signs with [`super::Envelope::countersign`].
    pub approval: Approval,
    /// The desk that is spoken to.
    pub to: DeskId,
    /// The case.
    pub case: CaseId,
    /// The request; for a new one, its own message id.
    pub request: RequestId,
    /// Header of the newest statement on the request that the sender has seen.
    pub in_reply_to: Option<Hash>,
    /// Counts the signer's statements, from 1.
    pub sequence: u64,
    /// When it is made.
    pub created: Timestamp,
    /// After this it is refused if unknown; at most 7 days after `created`.
    pub not_after: Timestamp,
    /// The newest tree head the sender has seen.
    pub seen: Option<SeenCheckpoint>,
    /// What is done.
    pub act: Act,
}

/// Reads a header.
///
/// # Errors
/// When the bytes are not a header, a field is absent that must be there, or one is not what it
/// should be. The path of the field is named ("header.context.to").
pub fn parse_header(header: &[u8]) -> Result<Statement, Malformed> {
    read(header).map(|(statement, _)| statement)
}

/// Refuses a header that says more than this version knows, or something twice. What is on record
/// is read again by every later version, to which the unknown may mean anything: a relay that
/// recorded it could be kept from starting after an upgrade.
///
/// # Errors
/// When the header, or its context, is longer than what was understood of it.
pub fn check_known(header: &[u8]) -> Result<(), Malformed> {
    let whole = |field: &str, len: usize, known: usize| {
        check(len == known, field, || {
            format!("{len} bytes, of which this version knows {known}: the relay comes first")
        })
    };
    let outer =
        wire::Header::decode(header).map_err(|error| malformed("header", error.to_string()))?;
    whole("header", header.len(), outer.encoded_len())?;
    let context = wire::Context::decode(outer.context.as_slice())
        .map_err(|error| malformed("header.context", error.to_string()))?;
    whole("header.context", outer.context.len(), context.encoded_len())
}

/// What a header says about the sealed body.
pub(super) struct Sealed {
    /// Hash of the context.
    pub(super) context: Hash,
    /// Commitment to the body.
    pub(super) commitment: Hash,
    /// Hash of the ciphertext.
    pub(super) ciphertext: Hash,
    /// Hash of the wrap.
    pub(super) wrap: Hash,
}

/// Reads a header into its statement and, where there is a body, what binds the body.
pub(super) fn read(header: &[u8]) -> Result<(Statement, Option<Sealed>), Malformed> {
    check(header.len() <= HEADER_BYTES_MAX, "header", || {
        format!("{} bytes where at most {HEADER_BYTES_MAX} belong", header.len())
    })?;
    let wire::Header { context, commitment, ciphertext_sha256, ciphertext_len, wrap_sha256 } =
        wire::Header::decode(header).map_err(|error| malformed("header", error.to_string()))?;
    let statement = read_context(Hash::of(&[header]), ciphertext_len, &context)?;
    if statement.act.is_machine() {
        let absent = || "present in a machine statement, which has no body".to_owned();
        check(commitment.is_empty(), "header.commitment", absent)?;
        check(ciphertext_sha256.is_empty(), "header.ciphertext_sha256", absent)?;
        check(ciphertext_len == 0, "header.ciphertext_len", absent)?;
        check(wrap_sha256.is_empty(), "header.wrap_sha256", absent)?;
        return Ok((statement, None));
    }
    check(cipher::is_sealed_len(ciphertext_len as usize), "header.ciphertext_len", || {
        format!("{ciphertext_len} is not one of the padded sizes")
    })?;
    let sealed = Sealed {
        context: context_hash(&context),
        commitment: hash("header.commitment", &commitment)?,
        ciphertext: hash("header.ciphertext_sha256", &ciphertext_sha256)?,
        wrap: hash("header.wrap_sha256", &wrap_sha256)?,
    };
    Ok((statement, Some(sealed)))
}

/// `ctx`: the hash of a context's bytes.
pub(super) fn context_hash(context: &[u8]) -> Hash {
    Hash::of(&[CONTEXT_LABEL, context])
}

/// The context of a draft, signed by the key with this id.
pub(super) fn render_context(draft: &Draft, signer_key: Hash) -> Vec<u8> {
    let Draft {
        message,
        from,
        signer,
        approval,
        to,
        case,
        request,
        in_reply_to,
        sequence,
        created,
        not_after,
        seen,
        act,
    } = draft;
    let (approver, approver_key_id) = match approval {
        Approval::By { officer, key } => (officer.to_string(), key.0.to_vec()),
        Approval::None | Approval::Alone => (String::new(), Vec::new()),
    };
    wire::Context {
        suite: i32::from(cipher::SUITE),
        message_id: message.0.to_vec(),
        from: from.to_string(),
        officer: match signer {
            Signer::Officer(name) => name.to_string(),
            Signer::Desk => String::new(),
        },
        signer_key_id: signer_key.0.to_vec(),
        to: to.to_string(),
        case_id: case.0.to_vec(),
        request_id: request.0.to_vec(),
        in_reply_to: in_reply_to.map_or_else(Vec::new, |header| header.0.to_vec()),
        sequence: *sequence,
        created_ms: created.0,
        not_after_ms: not_after.0,
        seen_checkpoint: seen
            .map(|seen| wire::SeenCheckpoint { size: seen.size, root: seen.root.0.to_vec() }),
        approver,
        approver_key_id,
        alone: *approval == Approval::Alone,
        act: Some(render_act(act)),
    }
    .encode_to_vec()
}

/// An act by itself, as it stands in a context: for a desk to keep what is not said yet.
pub fn act_to_bytes(act: &Act) -> Vec<u8> {
    wire::Context { act: Some(render_act(act)), ..wire::Context::default() }.encode_to_vec()
}

/// The act in the bytes of [`act_to_bytes`].
///
/// # Errors
/// When they are not an act.
pub fn act_from_bytes(bytes: &[u8]) -> Result<Act, Malformed> {
    let context =
        wire::Context::decode(bytes).map_err(|error| malformed("act", error.to_string()))?;
    read_act(context.act.ok_or_else(|| malformed("act", "absent or unknown"))?)
}

/// The header around a context, with what binds its body, if it has one.
pub(super) fn render_header(context: Vec<u8>, body: Option<(&Sealed, u32)>) -> Vec<u8> {
    let header = match body {
        Some((sealed, ciphertext_len)) => wire::Header {
            context,
            commitment: sealed.commitment.0.to_vec(),
            ciphertext_sha256: sealed.ciphertext.0.to_vec(),
            ciphertext_len,
            wrap_sha256: sealed.wrap.0.to_vec(),
        },
        None => wire::Header { context, ..wire::Header::default() },
    };
    header.encode_to_vec()
}

fn read_context(header: Hash, ciphertext_len: u32, context: &[u8]) -> Result<Statement, Malformed> {
    let wire::Context {
        suite,
        message_id,
        from,
        officer,
        signer_key_id,
        to,
        case_id,
        request_id,
        in_reply_to,
        sequence,
        created_ms,
        not_after_ms,
        seen_checkpoint,
        approver,
        approver_key_id,
        alone,
        act,
    } = wire::Context::decode(context)
        .map_err(|error| malformed("header.context", error.to_string()))?;
    check(suite == i32::from(cipher::SUITE), at("suite"), || {
        format!("{suite} is not a known suite")
    })?;
    let officer: Option<Name> = optional_text(at("officer"), &officer)?;
    let statement = Statement {
        header,
        message: bytes(at("message_id"), &message_id, MessageId::from_slice)?,
        from: text(at("from"), &from)?,
        signer: officer.map_or(Signer::Desk, Signer::Officer),
        signer_key: hash(at("signer_key_id"), &signer_key_id)?,
        approval: read_approval(&approver, &approver_key_id, alone)?,
        to: text(at("to"), &to)?,
        case: bytes(at("case_id"), &case_id, CaseId::from_slice)?,
        request: bytes(at("request_id"), &request_id, RequestId::from_slice)?,
        in_reply_to: match in_reply_to.as_slice() {
            [] => None,
            some => Some(hash(at("in_reply_to"), some)?),
        },
        sequence,
        created: moment(at("created_ms"), created_ms)?,
        not_after: moment(at("not_after_ms"), not_after_ms)?,
        seen: seen_checkpoint.map(read_seen).transpose()?,
        ciphertext_len,
        act: read_act(act.ok_or_else(|| malformed(at("act"), "absent or unknown"))?)?,
    };
    check_whole(&statement)?;
    Ok(statement)
}

/// An approver has a key; whoever has none may be alone.
fn read_approval(approver: &str, key: &[u8], alone: bool) -> Result<Approval, Malformed> {
    let officer: Option<Name> = optional_text(at("approver"), approver)?;
    let Some(officer) = officer else {
        check(key.is_empty(), at("approver_key_id"), || "present without an approver".to_owned())?;
        return Ok(if alone { Approval::Alone } else { Approval::None });
    };
    check(!alone, at("alone"), || format!("true, but {officer} approves it"))?;
    Ok(Approval::By { officer, key: hash(at("approver_key_id"), key)? })
}

/// What must hold between the fields of a context.
fn check_whole(statement: &Statement) -> Result<(), Malformed> {
    check(statement.from != statement.to, at("to"), || "the desk that speaks".to_owned())?;
    check(statement.sequence > 0, at("sequence"), || "it counts from 1".to_owned())?;
    let lifetime = statement.not_after.since_ms(statement.created);
    check((1..=LIFETIME_MS_MAX).contains(&lifetime), at("not_after_ms"), || {
        format!("{lifetime} ms after created_ms where 1 to {LIFETIME_MS_MAX} belong")
    })?;
    let by_desk = statement.signer == Signer::Desk;
    check(by_desk == statement.act.is_machine(), at("officer"), || {
        if by_desk {
            "absent: only receipts and retrievals are signed by the desk's machine".to_owned()
        } else {
            "present: receipts and retrievals are signed by the desk's machine".to_owned()
        }
    })?;
    let unapproved = statement.approval == Approval::None || !by_desk;
    check(unapproved, at("approver"), || "present in a machine statement".to_owned())?;
    let first = RequestId::from(statement.message) == statement.request;
    match &statement.act {
        Act::Request(facts) => {
            check(first, at("request_id"), || "not the request's own message id".to_owned())?;
            check(statement.in_reply_to.is_none(), at("in_reply_to"), || {
                "present in a new request".to_owned()
            })?;
            check(facts.parent != Some(statement.request), at("request.parent_request_id"), || {
                "the request itself".to_owned()
            })
        }
        Act::Receipt { of, .. } | Act::Retrieval { of, .. } => {
            check(*of != statement.message, at("receipt.message_id"), || "its own".to_owned())?;
            check(!first, at("request_id"), || "its own message id".to_owned())
        }
        Act::Acknowledge { .. }
        | Act::ReviseEstimate { .. }
        | Act::RequestClarification
        | Act::ProvideClarification
        | Act::Determine { .. }
        | Act::Execute { .. }
        | Act::RequestExtension
        | Act::Extend { .. }
        | Act::Withdraw
        | Act::Close
        | Act::Mla { .. }
        | Act::Regrade { .. }
        | Act::AnswerConditions(_)
        | Act::ProvideInformation
        | Act::DiscloseTraffic
        | Act::Feedback
        | Act::RequestUseReport
        | Act::ReportUse
        | Act::ReportSecurityIncident => {
            check(!first, at("request_id"), || "its own message id".to_owned())
        }
    }
}

fn read_seen(seen: wire::SeenCheckpoint) -> Result<SeenCheckpoint, Malformed> {
    let wire::SeenCheckpoint { size, root } = seen;
    check(size <= TREE_SIZE_MAX, at("seen_checkpoint.size"), || {
        format!("{size} is more than {TREE_SIZE_MAX}")
    })?;
    Ok(SeenCheckpoint { size, root: hash(at("seen_checkpoint.root"), &root)? })
}

fn read_act(act: wire::context::Act) -> Result<Act, Malformed> {
    use wire::context::Act as Wire;
    Ok(match act {
        Wire::Request(request) => Act::Request(read_request(request)?),
        Wire::Acknowledge(wire::AcknowledgeAct { will_answer, estimated_at_ms }) => {
            Act::Acknowledge {
                will_answer: text(at("acknowledge.will_answer"), &will_answer)?,
                estimated_at: moment(at("acknowledge.estimated_at_ms"), estimated_at_ms)?,
            }
        }
        Wire::ReviseEstimate(wire::ReviseEstimateAct { estimated_at_ms }) => Act::ReviseEstimate {
            estimated_at: moment(at("revise_estimate.estimated_at_ms"), estimated_at_ms)?,
        },
        Wire::RequestClarification(wire::RequestClarificationAct {}) => Act::RequestClarification,
        Wire::ProvideClarification(wire::ProvideClarificationAct {}) => Act::ProvideClarification,
        Wire::Determine(determine) => read_determine(&determine)?,
        Wire::Execute(wire::ExecuteAct { extent, preserved_until_ms, mla_demanded }) => {
            Act::Execute {
                extent: text(at("execute.extent"), &extent)?,
                preserved_until: optional_moment(
                    at("execute.preserved_until_ms"),
                    preserved_until_ms,
                )?,
                mla_demanded,
            }
        }
        Wire::RequestExtension(wire::RequestExtensionAct {}) => Act::RequestExtension,
        Wire::Extend(wire::ExtendAct { preserved_until_ms }) => Act::Extend {
            preserved_until: moment(at("extend.preserved_until_ms"), preserved_until_ms)?,
        },
        Wire::Withdraw(wire::WithdrawAct {}) => Act::Withdraw,
        Wire::Close(wire::CloseAct {}) => Act::Close,
        Wire::Mla(wire::MlaAct { step, carried_by_request_id }) => Act::Mla {
            step: text(at("mla.step"), &step)?,
            carried_by: optional_request(at("mla.carried_by_request_id"), &carried_by_request_id)?,
        },
        Wire::Regrade(wire::RegradeAct { urgency }) => {
            Act::Regrade { urgency: text(at("regrade.urgency"), &urgency)? }
        }
        Wire::AnswerConditions(wire::AnswerConditionsAct { answer }) => {
            Act::AnswerConditions(text(at("answer_conditions.answer"), &answer)?)
        }
        Wire::ProvideInformation(wire::ProvideInformationAct {}) => Act::ProvideInformation,
        Wire::DiscloseTraffic(wire::DiscloseTrafficAct {}) => Act::DiscloseTraffic,
        Wire::Feedback(wire::FeedbackAct {}) => Act::Feedback,
        Wire::RequestUseReport(wire::RequestUseReportAct {}) => Act::RequestUseReport,
        Wire::ReportUse(wire::ReportUseAct {}) => Act::ReportUse,
        Wire::ReportSecurityIncident(wire::ReportSecurityIncidentAct {}) => {
            Act::ReportSecurityIncident
        }
        Wire::Receipt(wire::ReceiptAct { message_id, header_sha256, rejected }) => Act::Receipt {
            of: bytes(at("receipt.message_id"), &message_id, MessageId::from_slice)?,
            header: hash(at("receipt.header_sha256"), &header_sha256)?,
            rejected: optional_text(at("receipt.rejected"), &rejected)?,
        },
        Wire::Retrieval(wire::RetrievalAct { message_id, header_sha256, failed }) => {
            Act::Retrieval {
                of: bytes(at("retrieval.message_id"), &message_id, MessageId::from_slice)?,
                header: hash(at("retrieval.header_sha256"), &header_sha256)?,
                failed: optional_text(at("retrieval.failed"), &failed)?,
            }
        }
    })
}

fn read_request(request: wire::RequestAct) -> Result<RequestFacts, Malformed> {
    let wire::RequestAct {
        r#type,
        instrument,
        urgency,
        test,
        exercise,
        parent_request_id,
        prior_conditions,
        embargo_until_ms,
    } = request;
    Ok(RequestFacts {
        kind: text(at("request.type"), &r#type)?,
        instrument: text(at("request.instrument"), &instrument)?,
        urgency: text(at("request.urgency"), &urgency)?,
        test,
        exercise,
        parent: optional_request(at("request.parent_request_id"), &parent_request_id)?,
        prior_conditions,
        embargo_until: optional_moment(at("request.embargo_until_ms"), embargo_until_ms)?,
    })
}

fn optional_request(field: String, id: &[u8]) -> Result<Option<RequestId>, Malformed> {
    if id.is_empty() { Ok(None) } else { bytes(field, id, RequestId::from_slice).map(Some) }
}

fn read_determine(determine: &wire::DetermineAct) -> Result<Act, Malformed> {
    let wire::DetermineAct { outcome, review_at_ms } = determine;
    let outcome: Outcome = text(at("determine.outcome"), outcome)?;
    let review_at = optional_moment(at("determine.review_at_ms"), *review_at_ms)?;
    let postponed = outcome == Outcome::Postponed;
    check(postponed == review_at.is_some(), at("determine.review_at_ms"), || {
        let what = if postponed { "absent" } else { "present" };
        format!("{what} with {outcome}")
    })?;
    Ok(Act::Determine { outcome, review_at })
}

fn render_act(act: &Act) -> wire::context::Act {
    use wire::context::Act as Wire;
    let ms = |moment: &Option<Timestamp>| moment.map_or(0, |moment| moment.0);
    match act {
        Act::Request(facts) => Wire::Request(render_request(facts)),
        Act::Acknowledge { will_answer, estimated_at } => Wire::Acknowledge(wire::AcknowledgeAct {
            will_answer: will_answer.to_string(),
            estimated_at_ms: estimated_at.0,
        }),
        Act::ReviseEstimate { estimated_at } => {
            Wire::ReviseEstimate(wire::ReviseEstimateAct { estimated_at_ms: estimated_at.0 })
        }
        Act::RequestClarification => Wire::RequestClarification(wire::RequestClarificationAct {}),
        Act::ProvideClarification => Wire::ProvideClarification(wire::ProvideClarificationAct {}),
        Act::Determine { outcome, review_at } => Wire::Determine(wire::DetermineAct {
            outcome: outcome.to_string(),
            review_at_ms: ms(review_at),
        }),
        Act::Execute { extent, preserved_until, mla_demanded } => Wire::Execute(wire::ExecuteAct {
            extent: extent.to_string(),
            preserved_until_ms: ms(preserved_until),
            mla_demanded: *mla_demanded,
        }),
        Act::RequestExtension => Wire::RequestExtension(wire::RequestExtensionAct {}),
        Act::Extend { preserved_until } => {
            Wire::Extend(wire::ExtendAct { preserved_until_ms: preserved_until.0 })
        }
        Act::Withdraw => Wire::Withdraw(wire::WithdrawAct {}),
        Act::Close => Wire::Close(wire::CloseAct {}),
        Act::Mla { step, carried_by } => Wire::Mla(wire::MlaAct {
            step: step.to_string(),
            carried_by_request_id: carried_by.map_or_else(Vec::new, |id| id.0.to_vec()),
        }),
        Act::Regrade { urgency } => {
            Wire::Regrade(wire::RegradeAct { urgency: urgency.to_string() })
        }
        Act::AnswerConditions(answer) => {
            Wire::AnswerConditions(wire::AnswerConditionsAct { answer: answer.to_string() })
        }
        Act::ProvideInformation => Wire::ProvideInformation(wire::ProvideInformationAct {}),
        Act::DiscloseTraffic => Wire::DiscloseTraffic(wire::DiscloseTrafficAct {}),
        Act::Feedback => Wire::Feedback(wire::FeedbackAct {}),
        Act::RequestUseReport => Wire::RequestUseReport(wire::RequestUseReportAct {}),
        Act::ReportUse => Wire::ReportUse(wire::ReportUseAct {}),
        Act::ReportSecurityIncident => {
            Wire::ReportSecurityIncident(wire::ReportSecurityIncidentAct {})
        }
        Act::Receipt { of, header, rejected } => Wire::Receipt(wire::ReceiptAct {
            message_id: of.0.to_vec(),
            header_sha256: header.0.to_vec(),
            rejected: rejected.map_or_else(String::new, |reason| reason.to_string()),
        }),
        Act::Retrieval { of, header, failed } => Wire::Retrieval(wire::RetrievalAct {
            message_id: of.0.to_vec(),
            header_sha256: header.0.to_vec(),
            failed: failed.map_or_else(String::new, |reason| reason.to_string()),
        }),
    }
}

fn render_request(facts: &RequestFacts) -> wire::RequestAct {
    let RequestFacts {
        kind,
        instrument,
        urgency,
        test,
        exercise,
        parent,
        prior_conditions,
        embargo_until,
    } = facts;
    wire::RequestAct {
        r#type: kind.to_string(),
        instrument: instrument.to_string(),
        urgency: urgency.to_string(),
        test: *test,
        exercise: *exercise,
        parent_request_id: parent.map_or_else(Vec::new, |parent| parent.0.to_vec()),
        prior_conditions: *prior_conditions,
        embargo_until_ms: embargo_until.map_or(0, |moment| moment.0),
    }
}

/// Path of a field of the context.
fn at(field: &str) -> String {
    format!("header.context.{field}")
}
