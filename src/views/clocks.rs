//! The clocks of one request: how long each span has taken, and against what it is held.
//!
//! Not for what the targets are (see `rules::target`), and not for many requests (see
//! `response_times.rs`). Times are record times, so that the same journal gives the same clocks.
//!
//! Invariants: a span that has passed never changes; what a span is allowed never changes once it
//! was missed or is not waited for any more.

use serde::{Deserialize, Serialize};

use crate::envelope::Act;
use crate::envelope::words::{Outcome, Urgency};
use crate::rules::event::{Event, Kind};
use crate::rules::target::{Span, Target, target};
use crate::rules::{Handling, Request};
use crate::units::{MessageId, Timestamp};

/// The clocks of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clocks {
    /// When the request was accepted for relay, or its embargo ended.
    pub submitted: Timestamp,
    /// When it reached the desk: first offered to its live stream, or, without such an offer on
    /// record, answered by its machine; if an officer was the first to answer, when it was
    /// accepted. The desk's own time counts from here.
    pub reached: Option<Timestamp>,
    /// Since when clarifications were waited for, and how long, in milliseconds; oldest first.
    pauses: Vec<(Timestamp, i64)>,
    /// Since when one is waited for.
    paused_since: Option<Timestamp>,
    /// By span, in the order of [`Span::ALL`].
    spans: [Clock; Span::ALL.len()],
}

/// One span's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// How long it may take, in milliseconds of its own time; none without a target.
    pub allowed_ms: Option<i64>,
    /// Where it stands.
    pub standing: Standing,
}

/// Where a span's clock stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// Requests of this type have no such span.
    Absent,
    /// It is waited for.
    Waiting,
    /// It has happened, after so many milliseconds of its own time.
    Passed {
        /// How long it took.
        ms: i64,
    },
    /// It is not waited for any more, after so many milliseconds of its own time: the request was
    /// refused, withdrawn or closed before.
    Ended {
        /// How long it was waited for.
        ms: i64,
    },
}

impl Clock {
    /// True when it happened within its target, false when later or, so far, too late; none
    /// without a target, or while there is still time. `due` is when its target passes.
    pub fn is_met(&self, due: Option<Timestamp>, now: Timestamp) -> Option<bool> {
        let allowed = self.allowed_ms?;
        match self.standing {
            Standing::Absent => None,
            Standing::Waiting => due.filter(|due| *due < now).map(|_| false),
            Standing::Passed { ms } => Some(ms <= allowed),
            Standing::Ended { ms } => (ms > allowed).then_some(false),
        }
    }
}

impl Clocks {
    /// Of a request that was just accepted, or whose embargo has just ended.
    pub fn open(request: &Request) -> Self {
        let (urgency, kind) = (request.grade.urgency, request.facts.kind);
        let clock = |span: Span| Clock {
            allowed_ms: match target(span, urgency, kind) {
                Target::Within(ms) => Some(ms),
                Target::Estimate | Target::None => None,
            },
            standing: if span.applies(kind) { Standing::Waiting } else { Standing::Absent },
        };
        Self {
            submitted: request.submitted,
            reached: None,
            pauses: Vec::new(),
            paused_since: None,
            spans: Span::ALL.map(clock),
        }
    }

    /// A span's clock.
    pub const fn of(&self, span: Span) -> &Clock {
        &self.spans[span as usize]
    }

    /// When a span's target passes, if it is waited for: none without a target, before the desk's
    /// own time has begun, and while it stands still.
    pub fn due(&self, span: Span) -> Option<Timestamp> {
        let Clock { allowed_ms: Some(allowed), standing: Standing::Waiting } = self.of(span) else {
            return None;
        };
        match span {
            Span::Deliver | Span::Close => Some(self.submitted.plus_ms(*allowed)),
            Span::Acknowledge => Some(self.reached?.plus_ms(*allowed)),
            Span::Determine | Span::Execute | Span::Preserve => {
                // What was missed before the clock was stopped stays missed, and since when.
                let due =
                    self.pauses.iter().fold(self.reached?.plus_ms(*allowed), |due, (since, ms)| {
                        if *since > due { due } else { due.plus_ms(*ms) }
                    });
                self.paused_since.is_none_or(|since| since > due).then_some(due)
            }
        }
    }

    /// The first target to pass of all that is waited for, and whose it is; of several at the same
    /// moment, the first in a request's life.
    pub fn next_due(&self) -> Option<(Timestamp, Span)> {
        Span::ALL.iter().filter_map(|span| Some((self.due(*span)?, *span))).min()
    }

    /// Adds an event that was already applied to `request`; `urgency` is what it had before.
    pub fn apply(&mut self, urgency: Urgency, request: &Request, event: &Event, now: Timestamp) {
        match &event.kind {
            Kind::Accepted(statement) => self.apply_act(request, &statement.act, now),
            Kind::Offered { message } | Kind::HandedOver { message }
                if *message == own(request) =>
            {
                self.reach(now);
            }
            Kind::Offered { .. }
            | Kind::HandedOver { .. }
            | Kind::Founded(_)
            | Kind::EmbargoEnded(_)
            | Kind::OfferFailed { .. }
            | Kind::PreservationExpired { .. }
            | Kind::BodyErased { .. }
            | Kind::TailTruncated { .. }
            | Kind::ClockStepped { .. }
            | Kind::ClockConfirmed { .. }
            | Kind::Padded
            | Kind::EntryPublished(_)
            | Kind::LogKeyAnnounced(_) => {}
        }
        if request.grade.urgency != urgency {
            self.aim(request, now, |_| true);
        }
        self.pause(matches!(request.handling, Handling::ClarificationRequested(..)), now);
        self.end(request.handling, now);
    }

    fn apply_act(&mut self, request: &Request, act: &Act, now: Timestamp) {
        match act {
            Act::Receipt { of, rejected, .. } if *of == own(request) => {
                self.reach(now);
                match rejected {
                    None => self.pass(Span::Deliver, now),
                    Some(_) => self.stop(Span::Deliver, now),
                }
            }
            Act::Acknowledge { .. } => {
                // Whoever answers has it; where nothing says since when, it had it from the start.
                self.reach(self.submitted);
                self.pass(Span::Acknowledge, now);
                self.aim(request, now, |target| target == Target::Estimate);
            }
            Act::ReviseEstimate { .. } => {
                self.aim(request, now, |target| target == Target::Estimate);
            }
            Act::Determine { outcome, .. } if *outcome != Outcome::Postponed => {
                self.pass(Span::Determine, now);
            }
            Act::Execute { preserved_until, .. } => {
                self.pass(Span::Execute, now);
                if preserved_until.is_some() {
                    self.pass(Span::Preserve, now);
                }
            }
            Act::Request(_)
            | Act::RequestClarification
            | Act::ProvideClarification
            | Act::Determine { .. }
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
            | Act::ReportSecurityIncident
            | Act::Receipt { .. }
            | Act::Retrieval { .. } => {}
        }
    }

    fn reach(&mut self, now: Timestamp) {
        self.reached.get_or_insert(now);
    }

    /// Gives what is waited for, and is not late, its target as it is now.
    fn aim(&mut self, request: &Request, now: Timestamp, which: impl Fn(Target) -> bool) {
        for span in Span::ALL {
            let target = target(span, request.grade.urgency, request.facts.kind);
            if !which(target) {
                continue;
            }
            let elapsed = self.elapsed_ms(span, now);
            let left = match target {
                Target::Within(ms) => Some(ms),
                Target::Estimate => {
                    request.handling.answer().map(|answer| answer.estimated_at.since_ms(now))
                }
                Target::None => None,
            };
            let clock = &mut self.spans[span as usize];
            if clock.standing == Standing::Waiting
                && clock.allowed_ms.is_none_or(|allowed| elapsed <= allowed)
            {
                clock.allowed_ms = left.map(|left| elapsed.saturating_add(left));
            }
        }
    }

    fn pause(&mut self, paused: bool, now: Timestamp) {
        if paused {
            self.paused_since.get_or_insert(now);
        } else if let Some(since) = self.paused_since.take() {
            self.pauses.push((since, now.since_ms(since)));
        }
    }

    /// Ends what is not waited for any more where the handling stands now.
    fn end(&mut self, handling: Handling, now: Timestamp) {
        if handling.is_final() {
            self.pass(Span::Close, now);
            self.stop(Span::Deliver, now);
        }
        let withdrawn = matches!(handling, Handling::WithdrawalRequested { .. });
        if handling.is_final() || withdrawn {
            self.stop(Span::Acknowledge, now);
        }
        if handling.is_final() || withdrawn || handling.ending().is_some() {
            for span in [Span::Determine, Span::Execute, Span::Preserve] {
                self.stop(span, now);
            }
        }
    }

    /// It has happened, for the first time; also when nobody waited for it any more.
    fn pass(&mut self, span: Span, now: Timestamp) {
        let ms = self.elapsed_ms(span, now);
        let standing = &mut self.spans[span as usize].standing;
        match standing {
            Standing::Waiting | Standing::Ended { .. } => *standing = Standing::Passed { ms },
            Standing::Passed { .. } | Standing::Absent => {}
        }
    }

    /// It is not waited for any more.
    fn stop(&mut self, span: Span, now: Timestamp) {
        let ms = self.elapsed_ms(span, now);
        let standing = &mut self.spans[span as usize].standing;
        if *standing == Standing::Waiting {
            *standing = Standing::Ended { ms };
        }
    }

    /// A span's own time so far: 0 before the desk's own time has begun.
    fn elapsed_ms(&self, span: Span, now: Timestamp) -> i64 {
        let reached = || self.reached.map_or(0, |reached| now.since_ms(reached));
        match span {
            Span::Deliver | Span::Close => now.since_ms(self.submitted),
            Span::Acknowledge => reached(),
            Span::Determine | Span::Execute | Span::Preserve => {
                let paused = self.pauses.iter().fold(0_i64, |sum, (_, ms)| sum.saturating_add(*ms));
                let waiting = self.paused_since.map_or(0, |since| now.since_ms(since));
                reached().saturating_sub(paused).saturating_sub(waiting)
            }
        }
    }
}

/// The request's own statement.
const fn own(request: &Request) -> MessageId {
    MessageId(request.id.0)
}
