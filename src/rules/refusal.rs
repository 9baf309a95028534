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
//!
//! Each line of the table: the state of affairs; code, reason, class, field; the cause with the
//! values at hand; what to do next. Causes and next actions are lower-case without a final stop,
//! to be printed after "error:" and "next:".

use std::fmt;

use crate::envelope::words::{Instrument, MlaStep, Outcome, RequestType, Role};
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

/// Declares the refusals: one row each.
macro_rules! refusals {
    ($(
        $(#[$doc:meta])*
        $variant:ident $( { $( $name:ident : $type:ty ),+ $(,)? } )?
        = $code:literal $reason:literal $class:ident $field:expr;
        $cause:literal;
        $next:literal;
    )+) => {
        /// A refusal: nothing is recorded, nothing has changed.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the fields are the values that the cause names")]
        pub enum Refusal {
            $(
                $(#[$doc])*
                #[doc = concat!("`", $code, "` `", $reason, "`; next: ", $next, ".")]
                $variant $( { $( $name : $type ),+ } )?
            ),+
        }

        impl Refusal {
            /// Every code with its reason, in order.
            pub const CODES: &'static [(&'static str, &'static str)] =
                &[ $( ($code, $reason) ),+ ];

            /// The permanent code ("R-106").
            pub const fn code(&self) -> &'static str {
                match self { $( Self::$variant { .. } => $code ),+ }
            }

            /// The permanent reason ("UNKNOWN_RECIPIENT").
            pub const fn reason(&self) -> &'static str {
                match self { $( Self::$variant { .. } => $reason ),+ }
            }

            /// What sort of no it is.
            pub const fn class(&self) -> Class {
                match self { $( Self::$variant { .. } => Class::$class ),+ }
            }

            /// The field that it is about, as a path, where there is one.
            pub const fn field(&self) -> Option<&'static str> {
                match self { $( Self::$variant { .. } => $field ),+ }
            }

            /// Why, with the values at hand.
            pub fn cause(&self) -> String {
                match self { $( Self::$variant $( { $( $name ),+ } )? => format!($cause) ),+ }
            }

            /// What to do next.
            pub const fn next_action(&self) -> &'static str {
                match self { $( Self::$variant { .. } => $next ),+ }
            }
        }
    };
}

/// Shorthands for the fields of a statement, as `envelope::Malformed` names them.
const FROM: Option<&str> = Some("header.context.from");
const OFFICER: Option<&str> = Some("header.context.officer");
const KEY: Option<&str> = Some("header.context.signer_key_id");
const TO: Option<&str> = Some("header.context.to");
const CASE: Option<&str> = Some("header.context.case_id");
const REQUEST: Option<&str> = Some("header.context.request_id");
const REPLY: Option<&str> = Some("header.context.in_reply_to");
const CREATED: Option<&str> = Some("header.context.created_ms");
const NOT_AFTER: Option<&str> = Some("header.context.not_after_ms");
const MESSAGE: Option<&str> = Some("header.context.message_id");
const ACT: Option<&str> = Some("header.context.act");
const INSTRUMENT: Option<&str> = Some("header.context.request.instrument");

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
    ParentNotYours { parent: RequestId } = "R-206" "PARENT_NOT_YOURS" NotAllowed
        Some("header.context.request.parent_request_id");
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
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.code(), self.reason(), self.cause())
    }
}

impl std::error::Error for Refusal {}
