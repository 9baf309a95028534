//! Response times: what the tables answer is what the journal alone says, for random journals.
//!
//! The reference below knows nothing of clocks that are kept up: it takes the records of a request
//! and looks for moments in them.

use std::collections::{BTreeMap, BTreeSet};

use detente::codec::Record;
use detente::envelope::words::{Outcome, Urgency, WillAnswer};
use detente::envelope::{Act, RequestFacts};
use detente::rules::Kind;
use detente::rules::target::{Span, Target, target};
use detente::tables::{Options, Tables};
use detente::units::{Day, DeskId, HOUR_MS, Index, MemberId, MessageId, RequestId, Timestamp};
use detente::views::response_times::{
    AcknowledgeTally, Figures, Filter, Group, Grouping, Report, SpanFigures, Tally,
};
use proptest::prelude::*;

use crate::records::{DESKS, JOURNAL, Maker, desk};

const OPTIONS: Options = Options { cache_bytes: 8 << 20, journal: JOURNAL };

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn response_times_are_those_of_the_journal_alone(
        steps in prop::collection::vec((any::<(u8, u8, u8)>(), any::<u8>()), 0..200),
        later_hours in 0..200_i64,
    ) {
        let mut maker = Maker::new();
        for (step, pause) in steps {
            if pause < 40 {
                maker.wait(i64::from(pause) * HOUR_MS);
            }
            maker.step(step);
        }
        maker.close();
        let dir = tempfile::tempdir().unwrap();
        let tables = Tables::open(dir.path(), &OPTIONS, &maker.shelf).unwrap().tables;
        tables.catch_up(&maker.shelf, &mut |_, _| {}).unwrap();
        let now = maker.now().plus_ms(later_hours * HOUR_MS);
        let lives = lives(&maker.records);
        check_reports(&tables, &lives, now);
        check_overdue(&tables, &lives, now);
        check_tallies(&tables, &lives);
    }
}

/// For the operator and for each member, of some days, with and without filters; every grouping has
/// its turn.
fn check_reports(tables: &Tables, lives: &[Life<'_>], now: Timestamp) {
    let everything = Day(0)..=Day::of(now);
    let first = lives.first().map_or(Day(0), |life| Day::of(life.submitted.time));
    let filters = [
        Filter::default(),
        Filter { exercises: true, ..Filter::default() },
        Filter { asked: "RO".parse().ok(), ..Filter::default() },
        Filter { asking: "NL".parse().ok(), ..Filter::default() },
        Filter { urgency: Some(Urgency::Expedited), ..Filter::default() },
    ];
    let mut groupings = [Grouping::None].into_iter().chain(Grouping::ALL).cycle();
    let scopes = [None].into_iter().chain((0..DESKS.len()).map(|n| Some(desk(n).member)));
    for scope in scopes {
        for days in [everything.clone(), first..=first, Day(first.0 + 1)..=Day::of(now)] {
            for filter in &filters {
                let grouping = groupings.next().unwrap();
                let mut tally = Tally::new(*filter, grouping, now);
                tables.response_times(scope, days.clone(), &mut tally).unwrap();
                let chosen = lives.iter().filter(|life| {
                    days.contains(&Day::of(life.submitted.time))
                        && scope.is_none_or(|member| life.members().contains(&member))
                        && life.counts(filter)
                });
                let expected = reference(chosen, grouping, Moment::at(now));
                assert_eq!(tally.finish(), expected, "{scope:?} {filter:?} {grouping:?}");
            }
            // Five filters and five groupings: the next time each filter has the next grouping.
            groupings.next();
        }
    }
}

fn check_overdue(tables: &Tables, lives: &[Life<'_>], now: Timestamp) {
    let scopes = [None].into_iter().chain((0..DESKS.len()).map(|n| Some(desk(n))));
    for of in scopes {
        let expected: BTreeSet<RequestId> = lives
            .iter()
            .filter(|life| of.as_ref().is_none_or(|of| *of == life.from || *of == life.to))
            .filter(|life| Span::ALL.iter().any(|span| life.is_late(*span, Moment::at(now))))
            .map(|life| life.id)
            .collect();
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = tables.overdue(of.as_ref(), now, &|_| true, after.as_ref(), 2).unwrap();
            found.extend(page.rows);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let ids: BTreeSet<RequestId> = found.iter().map(|row| row.request.id).collect();
        assert_eq!(ids.len(), found.len(), "none twice");
        assert_eq!(ids, expected, "{of:?}");
        let dues = found.iter().map(|row| row.clocks.next_due().unwrap());
        assert!(dues.clone().is_sorted_by_key(|(at, _)| at), "the longest overdue first");
        for (row, (at, span)) in found.iter().zip(dues) {
            let life = lives.iter().find(|life| life.id == row.request.id).unwrap();
            assert!(life.is_late(span, Moment::at(now)), "{span:?}");
            assert!(!life.is_late(span, Moment::at(at)), "{span:?}");
        }
    }
}

fn check_tallies(tables: &Tables, lives: &[Life<'_>]) {
    let mut expected: BTreeMap<(MemberId, Urgency), AcknowledgeTally> = BTreeMap::new();
    for life in lives.iter().filter(|life| life.counts(&Filter::default())) {
        if let Some(passed) = life.passed(Span::Acknowledge) {
            let of = (life.to.member, life.urgency_at(passed));
            expected.entry(of).or_default().add(life.own_ms(Span::Acknowledge, passed));
        }
    }
    let found = tables.acknowledged().unwrap();
    let found: BTreeMap<_, _> = found.into_iter().map(|(m, u, tally)| ((m, u), tally)).collect();
    assert_eq!(found, expected);
}

/// A moment in the journal: when, and after which record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Moment {
    time: Timestamp,
    index: Index,
}

impl Moment {
    /// After every record.
    fn at(time: Timestamp) -> Self {
        Self { time, index: Index(u64::MAX) }
    }

    fn of(record: &Record) -> Self {
        Self { time: record.time, index: record.index }
    }

    fn since_ms(self, earlier: Self) -> i64 {
        self.time.since_ms(earlier.time)
    }
}

/// A request, as its records tell it.
struct Life<'a> {
    id: RequestId,
    from: DeskId,
    to: DeskId,
    facts: &'a RequestFacts,
    submitted: Moment,
    records: Vec<&'a Record>,
}

fn lives(records: &[Record]) -> Vec<Life<'_>> {
    let mut lives = Vec::new();
    for record in records {
        let Kind::Accepted(statement) = &record.event.kind else { continue };
        let Act::Request(facts) = &statement.act else { continue };
        let id = statement.request;
        lives.push(Life {
            id,
            from: statement.from.clone(),
            to: statement.to.clone(),
            facts,
            submitted: Moment::of(record),
            records: records.iter().filter(|record| record.event.request == Some(id)).collect(),
        });
    }
    lives
}

impl Life<'_> {
    fn members(&self) -> [MemberId; 2] {
        [self.from.member, self.to.member]
    }

    fn counts(&self, filter: &Filter) -> bool {
        !self.facts.test
            && (filter.exercises || !self.facts.exercise)
            && filter.asked.is_none_or(|member| member == self.to.member)
            && filter.asking.is_none_or(|member| member == self.from.member)
            && filter.urgency.is_none_or(|urgency| urgency == self.urgency())
    }

    /// As it is graded now.
    fn urgency(&self) -> Urgency {
        self.urgency_at(Moment::at(Timestamp(i64::MAX)))
    }

    /// As it was graded at a moment.
    fn urgency_at(&self, at: Moment) -> Urgency {
        let mut urgency = self.facts.urgency;
        for (act, _) in self.acts().filter(|(_, time)| *time <= at) {
            if let Act::Regrade { urgency: other } = act {
                urgency = *other;
            }
        }
        urgency
    }

    /// When the first act came of which `what` is true.
    fn first(&self, what: impl Fn(&Act) -> bool) -> Option<Moment> {
        self.acts().find(|(act, _)| what(act)).map(|(_, at)| at)
    }

    fn acts(&self) -> impl Iterator<Item = (&Act, Moment)> {
        self.records.iter().filter_map(|record| {
            let Kind::Accepted(statement) = &record.event.kind else { return None };
            Some((&statement.act, Moment::of(record)))
        })
    }

    /// When it reached the desk, as far as that is known at a moment.
    fn reached(&self, at: Moment) -> Option<Moment> {
        let own = MessageId(self.id.0);
        let offered = self.records.iter().find(|record| {
            matches!(&record.event.kind, Kind::Offered { message } | Kind::HandedOver { message }
                if *message == own)
        });
        let answered = self.first(|act| matches!(act, Act::Receipt { of, .. } if *of == own));
        let acknowledged = self.passed(Span::Acknowledge).filter(|passed| *passed <= at);
        let by_machine = offered.map(|record| Moment::of(record)).into_iter().chain(answered).min();
        let by_machine = by_machine.filter(|reached| *reached <= at);
        match acknowledged {
            Some(at) if by_machine.is_none_or(|machine| at < machine) => Some(self.submitted),
            Some(_) | None => by_machine,
        }
    }

    /// When it happened.
    fn passed(&self, span: Span) -> Option<Moment> {
        let own = MessageId(self.id.0);
        match span {
            Span::Deliver => self.first(
                |act| matches!(act, Act::Receipt { of, rejected: None, .. } if *of == own),
            ),
            Span::Acknowledge => self.first(|act| matches!(act, Act::Acknowledge { .. })),
            Span::Determine => self.first(|act| {
                matches!(act, Act::Determine { outcome, .. } if *outcome != Outcome::Postponed)
            }),
            Span::Execute => self.first(|act| matches!(act, Act::Execute { .. })),
            Span::Preserve => self
                .first(|act| matches!(act, Act::Execute { preserved_until: Some(_), .. })),
            Span::Close => self.first(|act| matches!(act, Act::Close)),
        }
    }

    /// From when on it is not waited for any more, other than because it happened.
    fn ended(&self, span: Span) -> Option<Moment> {
        let own = MessageId(self.id.0);
        let ended = |act: &Act| matches!(act, Act::Withdraw | Act::Close | Act::Execute { .. });
        let refused = |act: &Act| {
            use Outcome::{NotCompetent, Refused, UnableToExecute};
            matches!(
                act,
                Act::Acknowledge { will_answer: WillAnswer::No, .. }
                    | Act::Determine { outcome: Refused | NotCompetent | UnableToExecute, .. }
            )
        };
        let rejected =
            |act: &Act| matches!(act, Act::Receipt { of, rejected: Some(_), .. } if *of == own);
        let ends = |act: &Act| match span {
            Span::Deliver => *act == Act::Close || rejected(act),
            Span::Acknowledge => matches!(act, Act::Withdraw | Act::Close),
            Span::Determine | Span::Execute | Span::Preserve => ended(act) || refused(act),
            Span::Close => false,
        };
        self.first(ends)
    }

    /// How long clarifications were waited for until `at`.
    fn paused_ms(&self, at: Moment) -> i64 {
        let mut sum = 0;
        let mut since: Option<Moment> = None;
        for (act, time) in self.acts().filter(|(_, time)| *time <= at) {
            let ends = matches!(
                act,
                Act::ProvideClarification
                    | Act::Determine { .. }
                    | Act::Execute { .. }
                    | Act::Withdraw
                    | Act::Close
            );
            if *act == Act::RequestClarification {
                since = since.or(Some(time));
            } else if ends {
                sum += since.take().map_or(0, |since| time.since_ms(since));
            }
        }
        sum + since.map_or(0, |since| at.since_ms(since))
    }

    /// A span's own time at a moment.
    fn own_ms(&self, span: Span, at: Moment) -> i64 {
        let reached = self.reached(at);
        match span {
            Span::Deliver | Span::Close => at.since_ms(self.submitted),
            Span::Acknowledge => reached.map_or(0, |reached| at.since_ms(reached)),
            Span::Determine | Span::Execute | Span::Preserve => {
                reached.map_or(0, |reached| at.since_ms(reached) - self.paused_ms(at))
            }
        }
    }

    /// How long a span may take, as far as that was known at a moment.
    fn allowed_ms(&self, span: Span, at: Moment) -> Option<i64> {
        let (mut urgency, mut estimated) = (self.facts.urgency, None);
        let mut allowed = match target(span, urgency, self.facts.kind) {
            Target::Within(ms) => Some(ms),
            Target::Estimate | Target::None => None,
        };
        let until =
            [self.passed(span), self.ended(span)].into_iter().flatten().fold(at, Moment::min);
        for (act, time) in self.acts().filter(|(_, time)| *time <= until) {
            let anew = if let Act::Regrade { urgency: other } = act {
                urgency = *other;
                true
            } else if let Act::Acknowledge { estimated_at, .. }
            | Act::ReviseEstimate { estimated_at } = act
            {
                estimated = Some(*estimated_at);
                target(span, urgency, self.facts.kind) == Target::Estimate
            } else {
                false
            };
            let own = self.own_ms(span, time);
            // What was missed by then stays missed.
            if anew && allowed.is_none_or(|allowed| own <= allowed) {
                allowed = match target(span, urgency, self.facts.kind) {
                    Target::Within(ms) => Some(own + ms),
                    Target::Estimate => estimated.map(|at| own + at.since_ms(time.time)),
                    Target::None => None,
                };
            }
        }
        allowed
    }

    fn is_waiting(&self, span: Span) -> bool {
        span.applies(self.facts.kind)
            && span.is_awaited(self.urgency(), self.facts.kind)
            && self.passed(span).or(self.ended(span)).is_none()
    }

    fn is_late(&self, span: Span, now: Moment) -> bool {
        self.is_waiting(span)
            && !self.facts.test
            && self.allowed_ms(span, now).is_some_and(|allowed| self.own_ms(span, now) > allowed)
    }

    /// Was the target met; none when there is none, or there is still time.
    fn is_met(&self, span: Span, now: Moment) -> Option<bool> {
        let settled = self.passed(span).or(self.ended(span));
        let at = settled.unwrap_or(now);
        let late = self.own_ms(span, at) > self.allowed_ms(span, at)?;
        match (self.passed(span).is_some(), late) {
            (true, late) => Some(!late),
            (false, true) if span.applies(self.facts.kind) => Some(false),
            (false, _) => None,
        }
    }
}

/// The report over these requests.
fn reference<'a>(
    lives: impl Iterator<Item = &'a Life<'a>>,
    grouping: Grouping,
    now: Moment,
) -> Report {
    let lives: Vec<&Life<'_>> = lives.collect();
    let mut groups: BTreeMap<Group, Vec<&Life<'_>>> = BTreeMap::new();
    for life in &lives {
        let (asked, asking) = (Some(life.to.member), Some(life.from.member));
        let group = match grouping {
            Grouping::None => continue,
            Grouping::Member => Group { asked, ..Group::default() },
            Grouping::Pair => Group { asked, asking, ..Group::default() },
            Grouping::Type => Group { kind: Some(life.facts.kind), ..Group::default() },
            Grouping::Urgency => Group { urgency: Some(life.urgency()), ..Group::default() },
        };
        groups.entry(group).or_default().push(life);
    }
    Report {
        total: figures(&lives, now),
        groups: groups.iter().map(|(group, of)| (*group, figures(of, now))).collect(),
    }
}

fn figures(lives: &[&Life<'_>], now: Moment) -> Figures {
    let count =
        |what: &dyn Fn(&Life<'_>) -> bool| lives.iter().filter(|life| what(life)).count() as u64;
    let span = |span: Span| {
        let passed = |life: &&Life<'_>| Some(life.own_ms(span, life.passed(span)?));
        let durations: Vec<i64> = lives.iter().filter_map(passed).collect();
        // The smallest of them than which at least so many tenths are not larger.
        let rank = |tenths: usize| {
            let enough = |ms: &i64| {
                10 * durations.iter().filter(|other| *other <= ms).count()
                    >= tenths * durations.len()
            };
            durations.iter().copied().filter(enough).min()
        };
        SpanFigures {
            count: durations.len() as u64,
            median_ms: rank(5),
            p90_ms: rank(9),
            within: count(&|life| life.is_met(span, now) == Some(true)),
            missed: count(&|life| life.is_met(span, now) == Some(false)),
            waiting: count(&|life| life.is_waiting(span)),
            waiting_late: count(&|life| life.is_late(span, now)),
        }
    };
    Figures { requests: lives.len() as u64, spans: Span::ALL.map(span) }
}

/// A question whose life is told in hours, so that the figures can be checked by hand.
#[test]
fn a_clarification_stops_the_time_to_decide_and_nothing_else() {
    let mut maker = Maker::new();
    // An EXPEDITED preservation, from DE to RO, which is the desk number 2.
    maker.request(0, 1);
    let steps = [
        (1, (9, 2, 0)),  // offered
        (1, (10, 2, 1)), // delivered
        (2, (3, 0, 0)),  // acknowledged
        (1, (3, 0, 5)),  // a clarification is asked for
        (90, (3, 0, 6)), // and given
        (6, (3, 0, 1)),  // accepted
        (3, (3, 0, 2)),  // carried out
    ];
    for (hours, step) in steps {
        maker.wait(hours * HOUR_MS);
        maker.step(step);
    }
    maker.close();
    let dir = tempfile::tempdir().unwrap();
    let tables = Tables::open(dir.path(), &OPTIONS, &maker.shelf).unwrap().tables;
    tables.catch_up(&maker.shelf, &mut |_, _| {}).unwrap();
    let mut tally = Tally::new(Filter::default(), Grouping::None, maker.now());
    tables.response_times(None, Day(0)..=Day::of(maker.now()), &mut tally).unwrap();
    let spans = tally.finish().total.spans;
    let hours = spans.map(|span| span.median_ms.map(|ms| ms / HOUR_MS));
    assert_eq!(hours, [Some(2), Some(3), Some(10), Some(13), Some(13), None]);
    assert!(spans[..5].iter().all(|span| (span.within, span.missed) == (1, 0)), "{spans:?}");
    assert_eq!((spans[5].waiting, spans[5].waiting_late), (1, 0), "closing has no target");
}

/// What was missed before a clarification was asked for has been missed since then, also when the
/// clarification has come.
#[test]
fn a_clarification_that_is_asked_for_too_late_changes_nothing_of_since_when() {
    let mut maker = Maker::new();
    maker.request(0, 1);
    let mut told = Vec::new();
    let steps = [
        (1, (9, 2, 0)),    // offered
        (1, (10, 2, 1)),   // delivered
        (2, (3, 0, 0)),    // acknowledged
        (1000, (3, 0, 5)), // a clarification is asked for
        (90, (3, 0, 6)),   // and given
    ];
    for (hours, step) in steps {
        maker.wait(hours * HOUR_MS);
        maker.step(step);
        maker.close();
        let dir = tempfile::tempdir().unwrap();
        let tables = Tables::open(dir.path(), &OPTIONS, &maker.shelf).unwrap().tables;
        tables.catch_up(&maker.shelf, &mut |_, _| {}).unwrap();
        let later = maker.now().plus_ms(2000 * HOUR_MS);
        check_overdue(&tables, &lives(&maker.records), later);
        let late = tables.overdue(None, later, &|_| true, None, 10).unwrap().rows;
        let due = late.first().map(|row| row.clocks.due(Span::Determine));
        told.push(due.flatten());
    }
    let [.., before, asked, given] = told[..] else { panic!("{told:?}") };
    assert!(before.is_some(), "{told:?}");
    assert_eq!((asked, given), (before, before), "{told:?}");
}
