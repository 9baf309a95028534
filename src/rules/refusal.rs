//! Every way in which the rules say no. The table below is the documentation.
//!
//! Not for bytes that cannot be read (`envelope::Malformed`) nor for disks that fail
//! (`journal::Fault`). A code and its reason are permanent: they are never changed or given to
//! another refusal, and what is no longer used stays reserved.
//!
//! - 1xx: who speaks, and to whom
//! - 2xx: what is said
//! - 3xx: the stage does not allow it
//! - 4xx: repeats, time, limits
//! - 5xx: a nation's entry in the directory
//!
//! Each line of the table: the state of affairs; code, reason, class, field; the cause with the
//! values at hand; what to do next. Causes and next actions are lower-case without a final stop,
//! to be printed after "error:" and "next:".

use std::fmt;

use super::refusal_table::refusals;
use crate::envelope::words::{Instrument, MlaStep, Outcome, RequestType, Role, Urgency};
use crate::units::{DeskId, Hash, MemberId, MessageId, OfficerId, RequestId, Timestamp};

/// What sort of no it is: what a caller's program does about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// What it names is not there.
    NotFound,
    /// This caller or signer may not.
    NotAllowed,
    /// It can never be right as it stands: change the statement.
    Unlawful,
    /// Not at this stage: look at the request first.
    OutOfTurn,
    /// The id is taken by something else.
    Taken,
    /// A limit is reached.
    Exhausted,
}

/// Shorthands for the fields of a statement, as `envelope::Malformed` names them.
const FROM: Option<&str> = Some("header.context.from");
const OFFICER: Option<&str> = Some("header.context.officer");
const KEY: Option<&str> = Some("header.context.signer_key_id");
const APPROVER: Option<&str> = Some("header.context.approver");
const TO: Option<&str> = Some("header.context.to");
const CASE: Option<&str> = Some("header.context.case_id");
const REQUEST: Option<&str> = Some("header.context.request_id");
const REPLY: Option<&str> = Some("header.context.in_reply_to");
const CREATED: Option<&str> = Some("header.context.created_ms");
const NOT_AFTER: Option<&str> = Some("header.context.not_after_ms");
const MESSAGE: Option<&str> = Some("header.context.message_id");
const ACT: Option<&str> = Some("header.context.act");
const URGENCY: Option<&str> = Some("header.context.regrade.urgency");
const EMBARGO: Option<&str> = Some("header.context.request.embargo_until_ms");
const CARRIER: Option<&str> = Some("header.context.mla.carried_by_request_id");
const ENTRY_MEMBER: Option<&str> = Some("entry.member_id");
const INSTRUMENT: Option<&str> = Some("header.context.request.instrument");
const PARENT: Option<&str> = Some("header.context.request.parent_request_id");

refusals! {
    // -- 1xx: who speaks, and to whom

    /// There is no network yet.
    NotFounded = "R-101" "NOT_FOUNDED" OutOfTurn None;
        "the journal has no genesis yet";
        "start the relay with its genesis";
    /// There is one already.
    AlreadyFounded { network: crate::units::Name } = "R-102" "ALREADY_FOUNDED" Taken None;
        "the journal already holds the genesis of {network}";
        "use an empty store for another network";
    /// The connection is another desk's.
    WrongCaller { caller: DeskId, from: DeskId } = "R-103" "WRONG_CALLER" NotAllowed FROM;
        "{caller} is connected, but the statement is from {from}";
        "submit a statement over its own desk's connection";
    /// The sender is not in the directory.
    UnknownSender { desk: DeskId } = "R-104" "UNKNOWN_SENDER" NotAllowed FROM;
        "{desk} is not in the directory";
        "ask the operator whether the desk is in the genesis";
    /// The sender's member may not do this at its status.
    SenderNotAllowed { member: MemberId, status: &'static str, act: &'static str }
        = "R-105" "SENDER_NOT_ALLOWED" NotAllowed FROM;
        "{member} is {status} and may not send {act}";
        "ask the operator about the member's status";
    /// The recipient is not in the directory.
    UnknownRecipient { desk: DeskId } = "R-106" "UNKNOWN_RECIPIENT" NotFound TO;
        "{desk} is not in the directory";
        "look the desk up in the directory";
    /// The recipient's member may not receive this at its status.
    RecipientNotAllowed { member: MemberId, status: &'static str }
        = "R-107" "RECIPIENT_NOT_ALLOWED" NotAllowed TO;
        "{member} is {status} and may not receive this";
        "use another channel to that member";
    /// Both desks are of one member.
    SameMember { member: MemberId } = "R-108" "SAME_MEMBER" Unlawful TO;
        "both desks are of {member}";
        "use national means between desks of one member";
    /// The officer is not in the directory.
    UnknownOfficer { officer: OfficerId } = "R-109" "UNKNOWN_OFFICER" NotAllowed OFFICER;
        "{officer} is not in the directory";
        "sign as an officer whom the nation's entry names";
    /// The key is not the one that the directory has for the signer.
    WrongKey { desk: DeskId, key: Hash } = "R-110" "WRONG_KEY" NotAllowed KEY;
        "key {key} is not the signer's key in the entry of {desk}";
        "sign with the key that the directory has for this signer";
    /// The officer's key is not valid now.
    KeyNotValid { officer: OfficerId, from: Timestamp, until: Timestamp, now: Timestamp }
        = "R-111" "KEY_NOT_VALID" NotAllowed KEY;
        "the key of {officer} is valid from {from} until {until}; it is {now}";
        "have the nation certify a new key for the officer";
    /// The officer's roles do not allow the act.
    RoleMissing { officer: OfficerId, act: &'static str, role: Role }
        = "R-112" "ROLE_MISSING" NotAllowed OFFICER;
        "{officer} lacks the role {role}, which {act} needs here";
        "have an officer with that role sign";
    /// A machine signed what an officer must sign.
    OfficerMustSign { act: &'static str } = "R-113" "OFFICER_MUST_SIGN" NotAllowed OFFICER;
        "{act} is signed by the desk's machine";
        "have an officer sign";
    /// An officer signed what a machine must sign.
    MachineMustSign { act: &'static str } = "R-114" "MACHINE_MUST_SIGN" NotAllowed OFFICER;
        "{act} is signed by an officer";
        "let the desk's machine sign";
    /// The recipient has no valid encryption key.
    NoEncryptionKey { desk: DeskId, now: Timestamp } = "R-115" "NO_ENCRYPTION_KEY" NotFound TO;
        "{desk} has no encryption key that is valid at {now}";
        "use another channel, and tell that desk to publish a key";
    /// The desks are not the parties to the request.
    NotAParty { request: RequestId, from: DeskId, to: DeskId }
        = "R-116" "NOT_A_PARTY" NotAllowed REQUEST;
        "{from} and {to} are not the parties to request {request}";
        "speak on this request only between its two desks";
    /// The act is the other party's.
    WrongParty { act: &'static str, party: &'static str } = "R-117" "WRONG_PARTY" NotAllowed ACT;
        "{act} is for the {party} desk";
        "leave this to the other desk";
    /// Data are handed over, and nobody else stands behind it.
    SecondOfficerMissing { act: &'static str, kind: RequestType }
        = "R-118" "SECOND_OFFICER_MISSING" NotAllowed APPROVER;
        "{act} on a {kind} hands data over, and no second officer approves it";
        "have an officer with the role APPROVE sign as well, or say that you are alone and why";
    /// The second officer is the first.
    ApproverIsSigner { officer: OfficerId } = "R-119" "APPROVER_IS_SIGNER" NotAllowed APPROVER;
        "{officer} approves a statement of their own";
        "have another officer with the role APPROVE sign as well";

    // -- 2xx: what is said

    /// The two members do not share the instrument.
    NoCommonInstrument { instrument: Instrument, a: MemberId, b: MemberId, common: String }
        = "R-201" "NO_COMMON_INSTRUMENT" Unlawful INSTRUMENT;
        "{instrument} is not declared by both {a} and {b}; for this type they share: {common}";
        "choose an instrument that both members declare";
    /// The instrument is no basis for the type.
    InstrumentNotForType { instrument: Instrument, kind: RequestType }
        = "R-202" "INSTRUMENT_NOT_FOR_TYPE" Unlawful INSTRUMENT;
        "{instrument} is no basis for {kind}";
        "choose an instrument that allows this type";
    /// A test is an emergency.
    TestNeverEmergency = "R-203" "TEST_NEVER_EMERGENCY" Unlawful
        Some("header.context.request.urgency");
        "a technical test is marked EMERGENCY";
        "choose another urgency, or mark it as an exercise";
    /// A request's id is not its message id.
    RequestIdMismatch { request: RequestId, message: MessageId }
        = "R-204" "REQUEST_ID_MISMATCH" Unlawful REQUEST;
        "a new request has request id {request} but message id {message}";
        "use the message id as request id";
    /// The case is not the request's.
    CaseMismatch { request: RequestId } = "R-205" "CASE_MISMATCH" Unlawful CASE;
        "the case id is not that of request {request}";
        "use the case id of the request";
    /// The parent is a request between others.
    ParentNotYours { parent: RequestId } = "R-206" "PARENT_NOT_YOURS" NotAllowed PARENT;
        "the sender is not a party to the parent request {parent}";
        "name a request of your own desk, or none";
    /// An act does not say what it replies to.
    ReplyMissing { act: &'static str } = "R-207" "REPLY_MISSING" Unlawful REPLY;
        "{act} does not say which statement it replies to";
        "give the header hash of the newest statement seen on the request";
    /// What it replies to is not on the request.
    UnknownReply { reply: Hash } = "R-208" "UNKNOWN_REPLY" Unlawful REPLY;
        "header {reply} is not on the request";
        "give the header hash of the newest statement seen on the request";
    /// The type has no measure.
    NoMeasure { act: &'static str, kind: RequestType } = "R-209" "NO_MEASURE" Unlawful ACT;
        "{act} speaks of a preservation, and {kind} has none";
        "leave the preservation out";
    /// An executed preservation without an end.
    EndMissing = "R-210" "END_MISSING" Unlawful
        Some("header.context.execute.preserved_until_ms");
        "an executed preservation does not say until when data are preserved";
        "say until when data are preserved";
    /// An end where nothing is preserved.
    EndMisplaced = "R-211" "END_MISPLACED" Unlawful
        Some("header.context.execute.preserved_until_ms");
        "no data are held, but an end of preservation is given";
        "leave the end of preservation out";
    /// A preservation is too short.
    TooShort { given: Timestamp, earliest: Timestamp, days: u32 } = "R-212" "TOO_SHORT" Unlawful
        Some("header.context.execute.preserved_until_ms");
        "preserved until {given}, before {earliest}, which is {days} days after the request";
        "preserve for at least as long as Art. 29(7) and the member's own minimum say";
    /// A postponement without a review.
    ReviewMissing = "R-213" "REVIEW_MISSING" Unlawful Some("header.context.determine.review_at_ms");
        "a postponement does not say when it is looked at again";
        "say when it is looked at again";
    /// A review without a postponement.
    ReviewMisplaced { outcome: Outcome } = "R-214" "REVIEW_MISPLACED" Unlawful
        Some("header.context.determine.review_at_ms");
        "{outcome} is not looked at again, but a time for that is given";
        "leave the review out";
    /// A time that should lie ahead does not.
    NotAhead { given: Timestamp, created: Timestamp } = "R-215" "NOT_AHEAD" Unlawful ACT;
        "{given} is not after the statement's own time {created}";
        "give a time that lies ahead";
    /// An extension is not longer.
    NotLonger { asked: Timestamp, until: Timestamp } = "R-216" "NOT_LONGER" Unlawful
        Some("header.context.extend.preserved_until_ms");
        "{asked} is not after {until}, until when data are preserved already";
        "give a later end";
    /// There is no such statement on the request, from the other desk.
    UnknownStatement { of: MessageId } = "R-217" "UNKNOWN_STATEMENT" NotFound ACT;
        "no statement {of} was addressed to this desk";
        "look at the statements of the request";
    /// A receipt or retrieval names other bytes.
    HeaderMismatch { of: MessageId, header: Hash } = "R-218" "HEADER_MISMATCH" Unlawful ACT;
        "{header} is not the header of statement {of}";
        "raise an alarm: this desk was shown other bytes than the relay accepted";
    /// What machines say has no body and no receipt.
    NoBody { of: MessageId } = "R-219" "NO_BODY" Unlawful ACT;
        "statement {of} is a machine's and has no body";
        "take it as it stands";
    /// The type cannot be that urgent, or must be more so.
    UrgencyNotForType { kind: RequestType, urgency: Urgency, allowed: String }
        = "R-240" "URGENCY_NOT_FOR_TYPE" Unlawful Some("header.context.request.urgency");
        "{kind} cannot be {urgency}; it can be {allowed}";
        "choose one of these urgencies, or another type";
    /// The type follows from a request that it does not name.
    ParentMissing { kind: RequestType } = "R-241" "PARENT_MISSING" Unlawful PARENT;
        "{kind} does not say from which preservation it follows";
        "name the preservation request as its parent";
    /// The parent is of a type from which this one does not follow.
    ParentNotForType { kind: RequestType, parent: RequestId, parent_kind: RequestType }
        = "R-242" "PARENT_NOT_FOR_TYPE" Unlawful PARENT;
        "the parent {parent} is a {parent_kind}, from which no {kind} follows";
        "name the preservation request as its parent";
    /// The act makes no sense on the type.
    ActNotForType { act: &'static str, kind: RequestType }
        = "R-243" "ACT_NOT_FOR_TYPE" Unlawful ACT;
        "{act} makes no sense on a {kind}, which asks for less";
        "acknowledge it or close it; ask for more in a request of another type";

    /// The urgency is the one that counts already.
    SameUrgency { urgency: Urgency } = "R-250" "SAME_URGENCY" Unlawful URGENCY;
        "the request is {urgency} already";
        "give another urgency, or leave it";
    /// Nobody but the sender makes it an emergency.
    NeverUpToEmergency = "R-251" "NEVER_UP_TO_EMERGENCY" Unlawful URGENCY;
        "only the requesting desk can state that life or safety is at risk";
        "call the requesting desk, and let it make an EMERGENCY request with the facts";
    /// The type is nothing but an emergency.
    AlwaysEmergency { kind: RequestType } = "R-252" "ALWAYS_EMERGENCY" Unlawful URGENCY;
        "{kind} is always EMERGENCY";
        "determine it; NOT_COMPETENT or REFUSED if it is no emergency";
    /// Conditions come first only where nothing is asked.
    PriorConditionsMisplaced { kind: RequestType } = "R-253" "PRIOR_CONDITIONS_MISPLACED" Unlawful
        Some("header.context.request.prior_conditions");
        "{kind} asks for something: conditions come with the determination";
        "leave the prior conditions out, or offer information as SPONTANEOUS_INFORMATION";
    /// No request for mutual assistance can be demanded here.
    MlaDemandMisplaced { kind: RequestType } = "R-254" "MLA_DEMAND_MISPLACED" Unlawful
        Some("header.context.execute.mla_demanded");
        "nothing is disclosed with this {kind} for which mutual assistance could be demanded";
        "leave the demand out";
    /// A test or an exercise stays one.
    FlagsNotKept { parent: RequestId } = "R-255" "FLAGS_NOT_KEPT" Unlawful
        Some("header.context.request.parent_request_id");
        "test and exercise are not marked as on the parent request {parent}";
        "mark it as the parent is marked, or name no parent";
    /// The embargo is over before it begins.
    EmbargoPassed { until: Timestamp, now: Timestamp } = "R-256" "EMBARGO_PASSED" Unlawful EMBARGO;
        "the embargo ends at {until}; it is {now}";
        "give a later moment, or send it without an embargo";
    /// The embargo is too long.
    EmbargoTooLong { until: Timestamp, latest: Timestamp } = "R-257" "EMBARGO_TOO_LONG" Unlawful
        EMBARGO;
        "the embargo ends at {until}; {latest} is the latest, 60 days after it was made";
        "give an earlier moment, or send it later";
    /// An emergency does not wait.
    EmbargoInEmergency = "R-258" "EMBARGO_IN_EMERGENCY" Unlawful EMBARGO;
        "an EMERGENCY is under embargo";
        "send it without an embargo, or with another urgency";
    /// The carrying request is between other members.
    LinkNotYours { carrier: RequestId } = "R-259" "LINK_NOT_YOURS" NotAllowed CARRIER;
        "request {carrier} is not between these two members";
        "name the request that carries the mutual assistance request, or none";
    /// The carrying request carries none.
    LinkNotMla { carrier: RequestId, kind: RequestType } = "R-260" "LINK_NOT_MLA" Unlawful CARRIER;
        "request {carrier} is a {kind}, which is no request for mutual assistance";
        "name the request that carries the mutual assistance request, or none";

    /// Nothing is handed over.
    ApprovalMisplaced { act: &'static str, kind: RequestType }
        = "R-261" "APPROVAL_MISPLACED" Unlawful APPROVER;
        "{act} on a {kind} hands no data over: it waits for no second officer";
        "leave the second officer out";

    // -- 3xx: the stage does not allow it

    /// Nobody has acknowledged it.
    NotAcknowledged = "R-301" "NOT_ACKNOWLEDGED" OutOfTurn ACT;
        "the request has not been acknowledged";
        "acknowledge it first: will it be answered, and by when";
    /// It was acknowledged before.
    AlreadyAcknowledged { stage: &'static str } = "R-302" "ALREADY_ACKNOWLEDGED" OutOfTurn ACT;
        "the request was acknowledged before and is {stage}";
        "revise the estimate instead";
    /// It was acknowledged with NO.
    WillNotBeAnswered = "R-303" "WILL_NOT_BE_ANSWERED" OutOfTurn ACT;
        "it was acknowledged with NO";
        "determine or close it";
    /// A clarification is already waited for.
    ClarificationPending = "R-304" "CLARIFICATION_PENDING" OutOfTurn ACT;
        "a clarification has been requested and not been provided";
        "wait for it, or determine the request without it";
    /// No clarification was asked for.
    NoClarificationPending { stage: &'static str }
        = "R-305" "NO_CLARIFICATION_PENDING" OutOfTurn ACT;
        "no clarification is asked for; the request is {stage}";
        "look at the request's history";
    /// It was determined before.
    AlreadyDetermined { outcome: Outcome } = "R-306" "ALREADY_DETERMINED" OutOfTurn ACT;
        "it was determined before: {outcome}";
        "execute what was accepted, or close it";
    /// It was not accepted.
    NotAccepted { outcome: &'static str } = "R-307" "NOT_ACCEPTED" OutOfTurn ACT;
        "it was not accepted; its determination is {outcome}";
        "determine it first; without an acceptance only NO_DATA_HELD can be said";
    /// The substance has ended.
    SubstanceEnded { stage: &'static str } = "R-308" "SUBSTANCE_ENDED" OutOfTurn ACT;
        "the request is {stage}: its substance has ended";
        "close the request";
    /// The substance has not ended.
    NotEnded { stage: &'static str } = "R-309" "NOT_ENDED" OutOfTurn ACT;
        "the request is {stage}: its substance has not ended";
        "carry it out or refuse it first; the requesting desk can withdraw it";
    /// It is withdrawn and waits for confirmation.
    WithdrawalPending = "R-310" "WITHDRAWAL_PENDING" OutOfTurn ACT;
        "the request is withdrawn; the requested desk has to confirm by closing it";
        "let the requested desk close it";
    /// It is closed.
    Closed { stage: &'static str } = "R-311" "CLOSED" OutOfTurn ACT;
        "the request is {stage}";
        "make a new request that names this one as its parent";
    /// Its recipient does not know of it yet.
    UnderEmbargo { act: &'static str, until: Timestamp } = "R-312" "UNDER_EMBARGO" OutOfTurn ACT;
        "the requested desk does not know of the request before {until}: {act} would tell it";
        "wait until then, or withdraw the request";
    /// Nothing is preserved.
    NotPreserved { stage: &'static str } = "R-320" "NOT_PRESERVED" OutOfTurn ACT;
        "no data are preserved: the preservation is {stage}";
        "make a new request";
    /// An extension is already asked for.
    ExtensionPending { until: Timestamp } = "R-321" "EXTENSION_PENDING" OutOfTurn ACT;
        "an extension has been asked for already; data are preserved until {until}";
        "wait for the requested desk to confirm";
    /// Data stay preserved anyway.
    HeldForMla = "R-322" "HELD_FOR_MLA" OutOfTurn ACT;
        "data stay preserved until the mutual legal assistance request is decided";
        "do nothing: no extension is needed";
    /// The step is not the next one.
    MlaOutOfTurn { stage: &'static str, step: MlaStep } = "R-330" "MLA_OUT_OF_TURN" OutOfTurn ACT;
        "the follow-up is {stage}: {step} cannot come now";
        "look at the request's history";
    /// The machine has answered before.
    AlreadyReceipted { of: MessageId } = "R-340" "ALREADY_RECEIPTED" OutOfTurn ACT;
        "statement {of} has its receipt already, under another message id";
        "keep the first receipt, and send that one again when in doubt";
    /// The retrieval was recorded before.
    AlreadyRetrieved { of: MessageId } = "R-341" "ALREADY_RETRIEVED" OutOfTurn ACT;
        "statement {of} has its retrieval already, under another message id";
        "keep the first retrieval, and send that one again when in doubt";
    /// There is no receipt yet.
    NotReceipted { of: MessageId } = "R-342" "RECEIPT_MISSING" OutOfTurn ACT;
        "statement {of} has no receipt yet";
        "send the machine's receipt first";
    /// The machine rejected it.
    StatementRejected { of: MessageId } = "R-343" "STATEMENT_REJECTED" OutOfTurn ACT;
        "statement {of} was rejected by its recipient's machine";
        "have the sender make it again";
    /// Its body was erased.
    BodyErased { of: MessageId } = "R-344" "BODY_ERASED" NotFound None;
        "the body of statement {of} was erased";
        "ask the other desk for its copy";

    /// There are no conditions to answer.
    NoConditions = "R-350" "NO_CONDITIONS" OutOfTurn ACT;
        "no conditions wait for an answer";
        "look at the request's history";
    /// The conditions were answered before.
    ConditionsAnswered { answer: &'static str } = "R-351" "CONDITIONS_ANSWERED" OutOfTurn ACT;
        "the conditions were answered before: {answer}";
        "look at the request's history";
    /// The conditions are not answered yet.
    ConditionsPending { act: &'static str } = "R-352" "CONDITIONS_PENDING" OutOfTurn ACT;
        "the conditions have not been answered: {act} would hand over what they are for";
        "wait until the other desk accepts them";
    /// The conditions are not accepted.
    ConditionsDeclined { act: &'static str } = "R-353" "CONDITIONS_DECLINED" OutOfTurn ACT;
        "the conditions were declined: {act} would hand over what they are for";
        "determine it again, or close or withdraw it";
    /// No information was held back.
    NoPriorConditions = "R-354" "NO_PRIOR_CONDITIONS" OutOfTurn ACT;
        "no information was held back under prior conditions";
        "look at the request's history";
    /// The information was given before.
    InformationProvided = "R-355" "INFORMATION_PROVIDED" OutOfTurn ACT;
        "the information was given before";
        "offer further information in a new request that names this one as its parent";
    /// The feedback was given before.
    FeedbackGiven = "R-360" "FEEDBACK_GIVEN" OutOfTurn ACT;
        "feedback was given before";
        "leave it at that";
    /// There is nothing to give feedback on yet.
    FeedbackTooEarly = "R-361" "FEEDBACK_TOO_EARLY" OutOfTurn ACT;
        "the request has neither been carried out nor closed";
        "wait until it is";
    /// Nothing was given.
    NothingGiven = "R-362" "NOTHING_GIVEN" OutOfTurn ACT;
        "nothing was handed over whose use could be reported";
        "look at the request's history";
    /// A use report is waited for.
    UseReportPending = "R-363" "USE_REPORT_PENDING" OutOfTurn ACT;
        "a use report has been asked for and not been given";
        "wait for it";
    /// No use report was asked for.
    NoUseReportAsked = "R-364" "NO_USE_REPORT_ASKED" OutOfTurn ACT;
        "no use report is asked for";
        "look at the request's history";
    /// Nothing of the other desk has come here.
    NothingReceived = "R-365" "NOTHING_RECEIVED" OutOfTurn ACT;
        "nothing that the other desk said on this request has been delivered here";
        "report the incident on the request whose data are affected";

    // -- 4xx: repeats, time, limits

    /// The message id belongs to something else.
    MessageIdReused { message: MessageId } = "R-401" "MESSAGE_ID_REUSED" Taken MESSAGE;
        "message id {message} was used before for another statement";
        "make a new statement with a new random message id";
    /// It is too late.
    Stale { not_after: Timestamp, now: Timestamp } = "R-402" "STALE_STATEMENT" OutOfTurn NOT_AFTER;
        "the statement was good until {not_after}; it is {now}";
        "make the statement again";
    /// It comes from the future.
    CreatedInFuture { created: Timestamp, now: Timestamp }
        = "R-403" "CREATED_IN_FUTURE" Unlawful CREATED;
        "the statement says it was made at {created}; it is {now}";
        "set the desk's clock";
    /// It would be good for too long.
    LifetimeTooLong { not_after: Timestamp, latest: Timestamp }
        = "R-404" "LIFETIME_TOO_LONG" Unlawful NOT_AFTER;
        "the statement would be good until {not_after}; {latest} is the latest";
        "make it good for at most 7 days";
    /// Its body is too large.
    TooLarge { bytes: u32, max: u32 } = "R-405" "TOO_LARGE" Unlawful
        Some("header.ciphertext_len");
        "the body has {bytes} bytes; {max} are the most";
        "send less, or refer to where the rest is";
    /// The request is not known, or no longer.
    UnknownRequest { request: RequestId } = "R-406" "UNKNOWN_REQUEST" NotFound REQUEST;
        "request {request} is not known here, or was settled more than 30 days ago";
        "make a new request";
    /// The member has too many open requests.
    TooManyOpenRequests { member: MemberId, max: u32 }
        = "R-407" "TOO_MANY_OPEN_REQUESTS" Exhausted None;
        "{member} has {max} open requests, which is the most";
        "close or withdraw what is no longer needed";
    /// The member has made too many requests lately.
    TooManyRecentRequests { member: MemberId, max: u32 }
        = "R-408" "TOO_MANY_RECENT_REQUESTS" Exhausted None;
        "{member} has {max} requests that are open or were settled within 30 days";
        "wait until the oldest of them are forgotten";
    /// There are too many statements on the request.
    TooManyStatements { request: RequestId, max: u32 }
        = "R-409" "TOO_MANY_STATEMENTS" Exhausted REQUEST;
        "request {request} has {max} statements, which is the most";
        "close or withdraw it, and go on in a new request that names it as its parent";

    // -- 5xx: a nation's entry in the directory

    /// The connection is another nation's.
    EntryOfAnother { caller: DeskId, member: MemberId }
        = "R-501" "ENTRY_OF_ANOTHER" NotAllowed ENTRY_MEMBER;
        "{caller} is connected, but the entry is that of {member}";
        "publish an entry over a desk of its own nation";
    /// There is no such member.
    EntryOfStranger { member: MemberId } = "R-502" "ENTRY_OF_STRANGER" NotFound ENTRY_MEMBER;
        "{member} is not a member of this network";
        "ask the operator how a nation becomes a member";
    /// Somebody else signed, or nobody.
    EntryNotSigned { member: MemberId } = "R-503" "ENTRY_NOT_SIGNED" NotAllowed
        Some("signatures");
        "the entry is not signed by the national key of {member}, and by it alone";
        "sign it with the national key that the genesis names";
    /// The member may not publish at its status.
    EntryNotAllowed { member: MemberId, status: &'static str }
        = "R-504" "ENTRY_NOT_ALLOWED" NotAllowed ENTRY_MEMBER;
        "{member} is {status} and may not publish an entry";
        "ask the operator about the member's status";
    /// The version is not the next.
    EntryOutOfSequence { member: MemberId, given: u64, due: u64 }
        = "R-505" "ENTRY_OUT_OF_SEQUENCE" OutOfTurn Some("entry.version");
        "the entry is version {given}; the next of {member} is version {due}";
        "look at the newest version, and make the change again on top of it";
    /// It does not quote the entry before.
    EntryDoesNotFollow { member: MemberId, given: Hash, due: Hash }
        = "R-506" "ENTRY_DOES_NOT_FOLLOW" OutOfTurn Some("entry.previous_sha256");
        "the entry follows {given}; the newest of {member} is {due}";
        "look at the newest version, and make the change again on top of it";
    /// The national key is another.
    NationalKeyChanged { member: MemberId }
        = "R-507" "NATIONAL_KEY_CHANGED" Unlawful Some("entry.national_key");
        "the entry names another national key than the genesis does of {member}";
        "keep the national key; an entry cannot change it";
    /// The authorities are others.
    AuthorityChanged { member: MemberId }
        = "R-508" "AUTHORITY_CHANGED" Unlawful Some("entry.ca_certificates");
        "the entry names other authorities than the genesis does of {member}";
        "keep the authorities; an entry cannot change them";
    /// It is too late.
    EntryStale { not_after: Timestamp, now: Timestamp }
        = "R-509" "ENTRY_STALE" OutOfTurn Some("entry.not_after_ms");
        "the entry was good until {not_after}; it is {now}";
        "sign the entry again";
    /// It comes from the future.
    EntryFromFuture { created: Timestamp, now: Timestamp }
        = "R-510" "ENTRY_FROM_FUTURE" Unlawful Some("entry.created_ms");
        "the entry says it was made at {created}; it is {now}";
        "set the clock of the machine that signs";
    /// It would be good for too long.
    EntryGoodForTooLong { not_after: Timestamp, latest: Timestamp }
        = "R-511" "ENTRY_GOOD_FOR_TOO_LONG" Unlawful Some("entry.not_after_ms");
        "the entry would be good until {not_after}; {latest} is the latest";
        "make it good for at most 7 days";
    /// A desk could not be written to.
    EntryWithoutKey { desk: DeskId, now: Timestamp }
        = "R-512" "ENTRY_WITHOUT_KEY" Unlawful Some("entry.desks.encryption_keys");
        "no encryption key of {desk} is valid at {now}";
        "give every desk an encryption key that is valid now";
    /// A desk could not answer.
    EntryWithoutOfficer { desk: DeskId, now: Timestamp }
        = "R-513" "ENTRY_WITHOUT_OFFICER" Unlawful Some("entry.desks.officers");
        "no officer's key of {desk} is valid at {now}";
        "give every desk an officer whose key is valid now";
    /// Nobody could tell what time it is there.
    UnknownTimeZone { desk: DeskId, zone: String }
        = "R-514" "UNKNOWN_TIME_ZONE" Unlawful Some("entry.desks.hours.time_zone");
        "{zone} of {desk} is not in the time zone database";
        "give an IANA time zone as Europe/Amsterdam";
    /// A key is another member's.
    KeyOfAnother { member: MemberId, key: Hash }
        = "R-515" "KEY_OF_ANOTHER" Taken Some("entry.desks");
        "key {key} in the entry of {member} is another member's";
        "make keys of your own";
    /// The message id belongs to another entry.
    EntryIdReused { message: MessageId }
        = "R-516" "ENTRY_ID_REUSED" Taken Some("entry.message_id");
        "message id {message} was used before for another entry";
        "sign the entry again with a new random message id";
    /// The member publishes without end.
    TooManyEntries { member: MemberId, max: usize }
        = "R-517" "TOO_MANY_ENTRIES" Exhausted None;
        "{member} has published {max} entries that are all still good";
        "wait until the oldest of them has passed its end, at most 7 days";
    /// The member renames its desks without end.
    TooManyDesks { member: MemberId, max: usize }
        = "R-518" "TOO_MANY_DESKS" Exhausted Some("entry.desks");
        "{member} would have more than {max} desks that are known, retired ones included";
        "keep the names of desks; a retired desk may come back under its name";
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.code(), self.reason(), self.cause())
    }
}

impl std::error::Error for Refusal {}
