//! Response times: how fast requests were delivered, acknowledged, decided, carried out, closed.
//!
//! Not for what is late now, one by one (see `Tables::overdue`). From rows of requests and a
//! moment, and from nothing else.
//!
//! A request counts on the day, in UTC, on which it was submitted, whatever happened to it since.
//! Median and 90th percentile are exact, by nearest rank: of n durations in order, the one at rank
//! n/2 or 9n/10, rounded up; so each is a duration that occurred. Tests are never counted,
//! exercises only when asked for.
//!
//! A request of which nothing is waited for any more is as it will stay, whatever the moment: of it
//! a [`SettledRow`] of some 30 bytes says all that is counted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::clocks::{Clocks, Standing};
use super::request::RequestRow;
use crate::envelope::words::{RequestType, Urgency};
use crate::rules::target::Span;
use crate::units::{MemberId, Timestamp};

/// Who asked whom for what: by what requests are chosen and told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The member that asked.
    pub from: MemberId,
    /// The member that was asked.
    pub to: MemberId,
    /// What was asked for.
    pub kind: RequestType,
    /// How urgent it is, as it is graded now.
    pub urgency: Urgency,
    /// A technical test.
    pub test: bool,
    /// Part of an exercise.
    pub exercise: bool,
}

impl Subject {
    /// Of a request's row.
    pub const fn of(row: &RequestRow) -> Self {
        let request = &row.request;
        Self {
            from: request.from.member,
            to: request.to.member,
            kind: request.facts.kind,
            urgency: request.grade.urgency,
            test: request.facts.test,
            exercise: request.facts.exercise,
        }
    }
}

/// What of a request is needed for response times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimesRow {
    /// Who asked whom for what.
    pub subject: Subject,
    /// Its clocks.
    pub clocks: Clocks,
}

impl TimesRow {
    /// Of a request's row.
    pub fn of(row: &RequestRow) -> Self {
        Self { subject: Subject::of(row), clocks: row.clocks.clone() }
    }

    /// What is counted of it at any moment from now on; none while anything is waited for.
    pub fn settled(&self) -> Option<SettledRow> {
        let mut spans = [Settled::Nothing; Span::ALL.len()];
        for (span, settled) in Span::ALL.into_iter().zip(&mut spans) {
            let clock = self.clocks.of(span);
            *settled = match (clock.standing, clock.allowed_ms) {
                (Standing::Waiting, _) => return None,
                (Standing::Passed { ms }, None) => Settled::Passed { ms },
                (Standing::Passed { ms }, Some(allowed)) if ms <= allowed => Settled::Within { ms },
                (Standing::Passed { ms }, Some(_)) => Settled::Late { ms },
                (Standing::Ended { ms }, Some(allowed)) if ms > allowed => Settled::Missed,
                (Standing::Ended { .. } | Standing::Absent, _) => Settled::Nothing,
            };
        }
        Some(SettledRow { subject: self.subject, spans })
    }
}

/// A request of which nothing is waited for any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettledRow {
    /// Who asked whom for what.
    pub subject: Subject,
    /// What became of each span, in the order of [`Span::ALL`].
    pub spans: [Settled; Span::ALL.len()],
}

/// What became of a span, as far as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Settled {
    /// It did not happen, nor was it too late when it was no longer waited for.
    Nothing,
    /// It did not happen, and its target was missed.
    Missed,
    /// It happened, and had no target.
    Passed {
        /// After so many milliseconds of its own time.
        ms: i64,
    },
    /// It happened within its target.
    Within {
        /// After so many milliseconds of its own time.
        ms: i64,
    },
    /// It happened after its target.
    Late {
        /// After so many milliseconds of its own time.
        ms: i64,
    },
}

/// Which requests are looked at. What is none lets every one through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filter {
    /// The member that was asked.
    pub asked: Option<MemberId>,
    /// The member that asked.
    pub asking: Option<MemberId>,
    /// The type.
    pub kind: Option<RequestType>,
    /// The urgency, as it is graded now.
    pub urgency: Option<Urgency>,
    /// Exercises too.
    pub exercises: bool,
}

impl Filter {
    /// True for a request that is looked at.
    pub fn lets_through(&self, of: &Subject) -> bool {
        let Self { asked, asking, kind, urgency, exercises } = *self;
        !of.test
            && (exercises || !of.exercise)
            && asked.is_none_or(|asked| asked == of.to)
            && asking.is_none_or(|asking| asking == of.from)
            && kind.is_none_or(|kind| kind == of.kind)
            && urgency.is_none_or(|urgency| urgency == of.urgency)
    }
}

/// By what requests are told apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Grouping {
    /// By nothing: there is only the total.
    #[default]
    None,
    /// By the member that was asked.
    Member,
    /// By the member that asked and the member that was asked.
    Pair,
    /// By type.
    Type,
    /// By urgency.
    Urgency,
}

impl Grouping {
    /// Every grouping that makes groups.
    pub const ALL: [Self; 4] = [Self::Member, Self::Pair, Self::Type, Self::Urgency];

    /// The one spelling; empty for none.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Member => "MEMBER",
            Self::Pair => "PAIR",
            Self::Type => "TYPE",
            Self::Urgency => "URGENCY",
        }
    }

    fn group(self, of: &Subject) -> Group {
        match self {
            Self::None => Group::default(),
            Self::Member => Group { asked: Some(of.to), ..Group::default() },
            Self::Pair => Group { asked: Some(of.to), asking: Some(of.from), ..Group::default() },
            Self::Type => Group { kind: Some(of.kind), ..Group::default() },
            Self::Urgency => Group { urgency: Some(of.urgency), ..Group::default() },
        }
    }
}

/// What the requests of a group have in common; nothing for the total.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// The member that was asked.
    pub asked: Option<MemberId>,
    /// The member that asked.
    pub asking: Option<MemberId>,
    /// The type.
    pub kind: Option<RequestType>,
    /// The urgency.
    pub urgency: Option<Urgency>,
}

/// The figures of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// How many requests there are.
    pub requests: u64,
    /// By span, in the order of [`Span::ALL`].
    pub spans: [SpanFigures; Span::ALL.len()],
}

/// The figures of one span.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpanFigures {
    /// Of how many requests it has passed.
    pub count: u64,
    /// Half of those took at most so many milliseconds; none when there are none.
    pub median_ms: Option<i64>,
    /// Nine in ten of those took at most so many.
    pub p90_ms: Option<i64>,
    /// How many passed within their target.
    pub within: u64,
    /// How many missed it: passed later, or were or are waited for longer.
    pub missed: u64,
    /// How many are waited for now.
    pub waiting: u64,
    /// How many of those are past their target.
    pub waiting_late: u64,
}

/// Response times at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Of all requests that were looked at.
    pub total: Figures,
    /// Of each group that has any, in order.
    pub groups: BTreeMap<Group, Figures>,
}

/// Takes in rows, in any order, and gives a [`Report`].
#[derive(Debug)]
pub struct Tally {
    filter: Filter,
    grouping: Grouping,
    now: Timestamp,
    groups: BTreeMap<Group, Collected>,
}

impl Tally {
    /// Of the requests that `filter` lets through, as they stand at `now`.
    pub const fn new(filter: Filter, grouping: Grouping, now: Timestamp) -> Self {
        Self { filter, grouping, now, groups: BTreeMap::new() }
    }

    /// Takes in a request.
    pub fn add(&mut self, row: &TimesRow) {
        let now = self.now;
        if let Some(group) = self.group(&row.subject) {
            group.add(row, now);
        }
    }

    /// Takes in a request of which nothing is waited for any more.
    pub fn add_settled(&mut self, row: &SettledRow) {
        if let Some(group) = self.group(&row.subject) {
            group.add_settled(row);
        }
    }

    /// What a request is counted in; none when it is not looked at.
    fn group(&mut self, of: &Subject) -> Option<&mut Collected> {
        let group = self.filter.lets_through(of).then(|| self.grouping.group(of))?;
        Some(self.groups.entry(group).or_default())
    }

    /// The figures.
    pub fn finish(self) -> Report {
        let mut all = Collected::default();
        let mut groups = BTreeMap::new();
        for (group, mut collected) in self.groups {
            groups.insert(group, collected.figures());
            all.take_in(collected);
        }
        if self.grouping == Grouping::None {
            groups.clear();
        }
        Report { total: all.figures(), groups }
    }
}

/// What figures are made of.
#[derive(Debug, Default)]
struct Collected {
    requests: u64,
    spans: [Durations; Span::ALL.len()],
}

/// What the figures of a span are made of: 8 bytes for each request that passed it.
#[derive(Debug, Default)]
struct Durations {
    passed_ms: Vec<i64>,
    figures: SpanFigures,
}

impl Collected {
    fn add(&mut self, row: &TimesRow, now: Timestamp) {
        self.requests += 1;
        for (span, of) in Span::ALL.into_iter().zip(&mut self.spans) {
            let clock = row.clocks.of(span);
            let met = clock.is_met(row.clocks.due(span), now);
            match met {
                Some(true) => of.figures.within += 1,
                Some(false) => of.figures.missed += 1,
                None => {}
            }
            match clock.standing {
                Standing::Passed { ms } => of.passed_ms.push(ms),
                Standing::Waiting if span.is_awaited(row.subject.urgency, row.subject.kind) => {
                    of.figures.waiting += 1;
                    of.figures.waiting_late += u64::from(met == Some(false));
                }
                Standing::Waiting | Standing::Ended { .. } | Standing::Absent => {}
            }
        }
    }

    fn add_settled(&mut self, row: &SettledRow) {
        self.requests += 1;
        for (settled, of) in row.spans.iter().zip(&mut self.spans) {
            match *settled {
                Settled::Nothing => {}
                Settled::Missed => of.figures.missed += 1,
                Settled::Passed { ms } => of.passed_ms.push(ms),
                Settled::Within { ms } => {
                    of.figures.within += 1;
                    of.passed_ms.push(ms);
                }
                Settled::Late { ms } => {
                    of.figures.missed += 1;
                    of.passed_ms.push(ms);
                }
            }
        }
    }

    fn take_in(&mut self, other: Self) {
        self.requests += other.requests;
        for (ours, theirs) in self.spans.iter_mut().zip(other.spans) {
            ours.passed_ms.extend(theirs.passed_ms);
            let SpanFigures { within, missed, waiting, waiting_late, .. } = theirs.figures;
            ours.figures.within += within;
            ours.figures.missed += missed;
            ours.figures.waiting += waiting;
            ours.figures.waiting_late += waiting_late;
        }
    }

    fn figures(&mut self) -> Figures {
        let requests = self.requests;
        Figures { requests, spans: self.spans.each_mut().map(Durations::finish) }
    }
}

impl Durations {
    fn finish(&mut self) -> SpanFigures {
        let count = self.passed_ms.len() as u64;
        SpanFigures { count, median_ms: self.rank(5), p90_ms: self.rank(9), ..self.figures }
    }

    /// The duration at the nearest rank to so many tenths. They need not be in order for it: all
    /// are looked at once or twice.
    fn rank(&mut self, tenths: usize) -> Option<i64> {
        let place = (self.passed_ms.len() * tenths).div_ceil(10).checked_sub(1)?;
        Some(*self.passed_ms.select_nth_unstable(place).1)
    }
}

/// Buckets of an [`AcknowledgeTally`].
const BUCKETS: usize = 11;

/// Acknowledgements by how long they took, for a histogram that only grows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcknowledgeTally {
    /// How many.
    pub count: u64,
    /// How long all of them took, in milliseconds.
    pub sum_ms: u64,
    /// How many took at most as long as each of `BOUNDS_MS`, and more than the one before.
    pub buckets: [u64; BUCKETS],
}

impl AcknowledgeTally {
    /// The upper bounds: the targets, their halves and doubles, 24 h last.
    pub const BOUNDS_MS: [i64; BUCKETS] = {
        const MINUTE: i64 = crate::units::MINUTE_MS;
        const HOUR: i64 = crate::units::HOUR_MS;
        [
            MINUTE,
            5 * MINUTE,
            15 * MINUTE,
            30 * MINUTE,
            HOUR,
            2 * HOUR,
            4 * HOUR,
            8 * HOUR,
            12 * HOUR,
            18 * HOUR,
            24 * HOUR,
        ]
    };

    /// Counts one that took so long.
    pub fn add(&mut self, ms: i64) {
        self.count = self.count.saturating_add(1);
        self.sum_ms = self.sum_ms.saturating_add(u64::try_from(ms).unwrap_or(0));
        let mut buckets = Self::BOUNDS_MS.iter().zip(&mut self.buckets);
        if let Some((_, bucket)) = buckets.find(|(bound, _)| ms <= **bound) {
            *bucket = bucket.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_durations_that_occurred() {
        let figures = |durations: &[i64]| {
            let mut of = Durations { passed_ms: durations.to_vec(), ..Durations::default() };
            let SpanFigures { count, median_ms, p90_ms, .. } = of.finish();
            (count, median_ms, p90_ms)
        };
        assert_eq!(figures(&[]), (0, None, None));
        assert_eq!(figures(&[7]), (1, Some(7), Some(7)));
        assert_eq!(figures(&[9, 1]), (2, Some(1), Some(9)));
        assert_eq!(figures(&[3, 1, 2]), (3, Some(2), Some(3)));
        let ten: Vec<i64> = (1..=10).rev().collect();
        assert_eq!(figures(&ten), (10, Some(5), Some(9)));
        let eleven: Vec<i64> = (1..=11).collect();
        assert_eq!(figures(&eleven), (11, Some(6), Some(10)));
    }

    #[test]
    fn acknowledgements_fall_into_the_first_bucket_that_holds_them() {
        let mut tally = AcknowledgeTally::default();
        for ms in [0, 60_000, 60_001, 24 * 3_600_000, 24 * 3_600_000 + 1] {
            tally.add(ms);
        }
        assert_eq!((tally.count, tally.buckets), (5, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1]));
    }
}
