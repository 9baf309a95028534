//! A request as both its desks see it.
//!
//! Not for what may be done with it: `rules::Request` is inside, so that the fold goes on from a
//! stored row, and its axes speak for themselves.

use serde::{Deserialize, Serialize};

use super::Clocks;
use crate::codec::Record;
use crate::envelope::Act;
use crate::envelope::words::Outcome;
use crate::rules::Request;
use crate::rules::event::{Event, Kind, Stamp};
use crate::rules::measure::Measure;
use crate::rules::transport::Evidence;
use crate::units::{DeskId, Index, MessageId, Timestamp};

/// A request and what has become of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestRow {
    /// The request with its four axes. Of its statements only its own is kept here, so that a row
    /// does not grow with what is said; the others stand in the history.
    pub request: Request,
    /// The record that opened it.
    pub opened_index: Index,
    /// The newest record about it.
    pub newest_index: Index,
    /// The newest estimate of the requested desk, kept when the handling goes on.
    pub estimated: Option<Timestamp>,
    /// When it passed what.
    pub times: Times,
    /// How long that took, and against which targets.
    pub clocks: Clocks,
}

/// When a request passed what, each the first time. It was submitted at `request.submitted`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Times {
    /// The requested desk's machine had it.
    pub delivered: Option<Timestamp>,
    /// A human said whether and by when.
    pub acknowledged: Option<Timestamp>,
    /// It was decided; a postponement is not a decision.
    pub determined: Option<Timestamp>,
    /// It was carried out, or there was nothing.
    pub executed: Option<Timestamp>,
    /// The handling ended: closed, or withdrawn for good.
    pub closed: Option<Timestamp>,
}

impl RequestRow {
    /// The row after `record`; `row` is the one before, none when there is none yet. None when
    /// the record opens no request and there is no row to change.
    pub fn fold(row: Option<Self>, record: &Record) -> Option<Self> {
        let stamp =
            Stamp { index: record.index, time: record.time, event_hash: record.event_hash() };
        match row {
            Some(mut row) => {
                row.apply(&record.event, stamp);
                Some(row)
            }
            None => Self::open(&record.event, stamp),
        }
    }

    /// True while its handling has not ended.
    pub const fn is_open(&self) -> bool {
        !self.request.handling.is_final()
    }

    /// Its desks that may know of it: both, or its sender while it is under embargo.
    pub fn parties(&self) -> Vec<&DeskId> {
        let request = &self.request;
        [&request.from, &request.to].into_iter().filter(|desk| request.is_known_to(desk)).collect()
    }

    /// The strongest evidence of what became of the request's own statement.
    pub fn transport(&self) -> Evidence {
        self.request.transport().stage()
    }

    /// Until when data are preserved, at least; none when they are not.
    pub const fn preserved_until(&self) -> Option<Timestamp> {
        match self.request.measure {
            Measure::Preserved { until }
            | Measure::ExtensionRequested { until }
            | Measure::HeldForMla { until } => Some(until),
            Measure::None | Measure::Released | Measure::Expired { .. } => None,
        }
    }

    fn open(event: &Event, stamp: Stamp) -> Option<Self> {
        if !matches!(event.kind, Kind::Accepted(_)) {
            return None;
        }
        let request = Request::open(event, stamp)?;
        Some(Self {
            clocks: Clocks::open(&request),
            request,
            opened_index: stamp.index,
            newest_index: stamp.index,
            estimated: None,
            times: Times::default(),
        })
    }

    fn forget_statements(&mut self) {
        let own = MessageId(self.request.id.0);
        let messages = std::mem::take(&mut self.request.messages);
        self.request.messages =
            messages.iter().filter(|(id, _)| **id == own).map(|(id, m)| (*id, m.clone())).collect();
        self.request.headers = Default::default();
    }

    fn apply(&mut self, event: &Event, stamp: Stamp) {
        let urgency = self.request.grade.urgency;
        self.request.apply(event, stamp);
        if matches!(event.kind, Kind::EmbargoEnded(_)) {
            self.clocks = Clocks::open(&self.request);
        } else {
            self.clocks.apply(urgency, &self.request, event, stamp.time);
        }
        self.forget_statements();
        self.newest_index = stamp.index;
        let own = MessageId(self.request.id.0);
        let first = |time: &mut Option<Timestamp>| {
            time.get_or_insert(stamp.time);
        };
        if let Kind::Accepted(statement) = &event.kind {
            match &statement.act {
                Act::Acknowledge { estimated_at, .. } => {
                    self.estimated = Some(*estimated_at);
                    first(&mut self.times.acknowledged);
                }
                Act::ReviseEstimate { estimated_at } => self.estimated = Some(*estimated_at),
                Act::Determine { outcome, .. } if *outcome != Outcome::Postponed => {
                    first(&mut self.times.determined);
                }
                Act::Execute { .. } => first(&mut self.times.executed),
                Act::Receipt { of, rejected: None, .. } if *of == own => {
                    first(&mut self.times.delivered);
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
        if !self.is_open() {
            first(&mut self.times.closed);
        }
    }
}
