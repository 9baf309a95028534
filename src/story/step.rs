//! What a story says, once it has been read.
//!
//! Not how it was written (see `read.rs`) nor what became of it (see `play.rs`).

use super::words::When;
use crate::envelope::entry::words::{System, Use};
use crate::envelope::words::{
    ConditionsAnswer, Extent, Instrument, MlaStep, Outcome, RequestType, Urgency, WillAnswer,
};
use crate::units::Timestamp;

/// A story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// The file it stands in, as it was named.
    pub file: String,
    /// Its title.
    pub title: String,
    /// Its T.
    pub start: Timestamp,
    /// Its members, in order.
    pub members: Vec<Member>,
    /// True when every request is part of an exercise.
    pub exercise: bool,
    /// What happens, in order of time.
    pub steps: Vec<Step>,
    /// The desks that it names.
    pub(super) desks: Vec<NamedDesk>,
}

/// A desk where it is named: "NL" or "NL/cyber", its line and its word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamedDesk {
    pub(super) line: usize,
    pub(super) word: usize,
    pub(super) desk: String,
}

/// A member, and what differs from the sample data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Member {
    /// Its id, as "NL".
    pub id: String,
    /// How long it preserves at least, in days.
    pub preserves_days: Option<u32>,
    /// Its instruments.
    pub instruments: Option<Vec<Instrument>>,
    /// IANA time zone of its desks.
    pub time_zone: Option<String>,
}

/// One thing that happens, and what must hold then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its line, from 1.
    pub line: usize,
    /// The line without its moment.
    pub text: String,
    /// When, in milliseconds from T.
    pub at_ms: i64,
    /// What.
    pub(super) what: What,
    /// The code with which it must be refused, if it must.
    pub refused: Option<String>,
    /// What must hold afterwards.
    pub expects: Vec<Expect>,
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// Nothing that the network sees.
    Note,
    /// A request.
    Ask(Ask),
    /// An act on a request.
    Act(Act),
    /// An officer opens a request.
    Open { by: Actor, request: String },
    /// A nation publishes its entry in the directory, with these fields changed.
    Publish { by: Actor, fields: Vec<Field> },
    /// An officer looks up whom to call.
    Call { by: Actor, whom: String, urgency: Option<Urgency> },
    /// Something goes wrong, or is mended.
    Fault(Fault),
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Actor {
    /// The desk, as "NL" or "NL/cyber".
    pub(super) desk: String,
    /// The officer.
    pub(super) officer: String,
}

/// A request to one or several desks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) by: Actor,
    pub(super) to: Vec<String>,
    pub(super) kind: RequestType,
    pub(super) urgency: Option<Urgency>,
    pub(super) instrument: Option<Instrument>,
    pub(super) following: Option<String>,
    pub(super) with: Option<String>,
    pub(super) test: bool,
    /// Information is offered under conditions, which come first.
    pub(super) conditions: bool,
    /// Until then the recipients must not know of it.
    pub(super) embargo: Option<When>,
    pub(super) name: String,
    /// The number of the word that names it.
    pub(super) named_at: usize,
    pub(super) fields: Vec<Field>,
}

impl Ask {
    /// The names of the requests that it makes.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        self.to.iter().map(|to| self.name_of(to))
    }

    /// What the request to the `n`-th desk is called: the name, and the member where there are
    /// several.
    pub(super) fn name_of(&self, to: &str) -> String {
        if self.to.len() == 1 { self.name.clone() } else { format!("{}-{to}", self.name) }
    }
}

/// An act on a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Act {
    pub(super) by: Actor,
    pub(super) request: String,
    pub(super) verb: Verb,
    /// The request that carries the mutual assistance request, if one does.
    pub(super) carrier: Option<String>,
    pub(super) fields: Vec<Field>,
}

/// What an officer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Acknowledge(WillAnswer, When),
    Revise(When),
    Question,
    Clarify,
    Determine(Outcome, Option<When>),
    /// How far, until when data are preserved, and whether mutual assistance is demanded.
    Execute(Extent, Option<When>, bool),
    RequestExtension,
    Extend(When),
    Withdraw,
    Close,
    Mla(MlaStep),
    Regrade(Urgency),
    AnswerConditions(ConditionsAnswer),
    Provide,
    DisclosePath,
    Feedback,
    AskUse,
    ReportUse,
    ReportIncident,
}

/// A field of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) text: String,
}

/// What goes wrong, or is mended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    CutOff(String),
    Reconnect(String),
    StopDesk(String),
    StartDesk(String),
    StopRelay,
    StartRelay,
    LoseAnswer(String),
    Expire(String),
    Revoke(String),
    Renew(String),
    Jump(i64),
}

/// What must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expect {
    /// Its line, from 1.
    pub line: usize,
    /// The line without "expect".
    pub text: String,
    pub(super) what: Expectation,
}

/// What must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expectation {
    /// An axis or a fact of a request, at these desks, or at both.
    Fact { request: String, fact: Fact, value: String, at: Option<String> },
    /// Something was done to it within so many milliseconds of its acceptance.
    Within { request: String, what: Done, ms: i64 },
    /// A moment of a request.
    Moment { request: String, which: Moment, when: When },
    /// It follows from another.
    Follows { request: String, parent: String },
    /// Another carries its mutual assistance request.
    CarriedBy { request: String, carrier: String },
    /// It has, or has not, this in its history.
    Records { request: String, what: String, is_there: bool },
    /// What handed data over was signed by this second officer too; none for nobody.
    Approved { request: String, by: Option<String> },
    /// Its sender was shown this of the recipient while writing.
    Warned { request: String, text: String },
    /// This is past its target, by the relay's list for the desk that asked; none for nothing.
    Overdue { request: String, span: Option<String> },
    /// A box of a desk holds just these.
    Box { desk: String, inbox: bool, requests: Vec<String> },
    /// A desk has never heard of a request.
    KnowsNothing { desk: String, request: String },
    /// An officer reads this in the forms of a request.
    Reads { desk: String, request: String, text: String, is_there: bool },
    /// A desk is connected, or not.
    Connected { desk: String, is: bool },
    /// The relay's disk holds these bytes, or not.
    RelaySees { word: String, is_there: bool },
    /// A desk's file holds so many requests of the case of this one.
    CaseHas { desk: String, request: String, count: usize },
    /// A desk sees these requests in one case, each at its stage of handling.
    Sees { desk: String, standing: Vec<(String, String)> },
    /// A desk owes just this on a request.
    Owes { desk: String, request: String, what: Vec<String> },
    /// This channel of a desk is the one to call on now.
    CallsOn { desk: String, whom: Whom, usage: Use, system: System },
    /// And this is why.
    CallsBecause { desk: String, whom: Whom, text: String },
    /// Nine of ten of these were acknowledged within so many milliseconds.
    P90 { requests: Vec<String>, ms: i64 },
}

/// Whom to call, and how urgent it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Whom {
    pub(super) desk: String,
    pub(super) urgency: Option<Urgency>,
}

/// A fact of a request that is one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fact {
    Handling,
    Measure,
    FollowUp,
    Transport,
    Urgency,
    StatedUrgency,
    Regraded,
    Type,
    Instrument,
    Exercise,
    Conditions,
    Embargo,
    Feedback,
    UseReport,
    Incidents,
}

/// Something that is done to a request once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    Acknowledged,
    Determined,
    Executed,
    Closed,
}

/// A moment of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    PreservedUntil,
    Estimated,
    EmbargoedUntil,
}

impl Expectation {
    /// The requests that it speaks of.
    pub(super) fn requests(&self) -> Vec<&str> {
        match self {
            Self::Fact { request, .. }
            | Self::Within { request, .. }
            | Self::Moment { request, .. }
            | Self::Records { request, .. }
            | Self::Approved { request, .. }
            | Self::Warned { request, .. }
            | Self::Overdue { request, .. }
            | Self::KnowsNothing { request, .. }
            | Self::Reads { request, .. }
            | Self::CaseHas { request, .. }
            | Self::Owes { request, .. } => vec![request],
            Self::Follows { request, parent: other }
            | Self::CarriedBy { request, carrier: other } => vec![request, other],
            Self::Box { requests, .. } | Self::P90 { requests, .. } => {
                requests.iter().map(String::as_str).collect()
            }
            Self::Sees { standing, .. } => {
                standing.iter().map(|(request, _)| request.as_str()).collect()
            }
            Self::Connected { .. }
            | Self::RelaySees { .. }
            | Self::CallsOn { .. }
            | Self::CallsBecause { .. } => Vec::new(),
        }
    }
}
