//! Properties of the rules under random commands, and of transport evidence in any order.
//!
//! The commands are random but plausible: acts on requests that exist, by either side, with facts
//! that are sometimes wrong, at moments that sometimes jump.

use std::collections::{BTreeMap, BTreeSet};

use detente::envelope::words::{
    ConditionsAnswer, Extent, Instrument, MlaStep, Outcome, Rejection, RequestType, Urgency,
    WillAnswer,
};
use detente::envelope::{Act, RequestFacts, Statement};
use detente::rules::deadline::{of_embargo, of_measure, of_message};
use detente::rules::transport::{Move, Transport};
use detente::rules::{
    self, ClockWitness, Command, Decision, ErasureReason, Event, Kind, OfferFailure, Request,
    Stamp, State, request_type,
};
use detente::units::{
    DAY_MS, DeskId, DeskIndex, HOUR_MS, Hash, Index, MINUTE_MS, MessageId, RequestId, Timestamp,
};
use proptest::prelude::*;

use crate::request_forms::instrument;
use crate::rules_fixture::{START, Side, World, desk, facts, submission};

/// One random step: what is done, to which of what exists, with which variation, after how long.
#[derive(Debug, Clone, Copy)]
struct Step {
    what: u8,
    which: u16,
    variation: u8,
    wait: u8,
}

fn step() -> impl Strategy<Value = Step> {
    (0..50_u8, any::<u16>(), any::<u8>(), any::<u8>())
        .prop_map(|(what, which, variation, wait)| Step { what, which, variation, wait })
}

const DESKS: [&str; 4] = ["NL/cyber", "RO/cyber", "XM/cyber", "RO/second"];

fn config() -> ProptestConfig {
    ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_sequence_of_commands_keeps_the_invariants(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut run = Run::new();
        for step in steps {
            run.step(step);
        }
        run.finish();
    }

    #[test]
    fn evidence_in_any_order_any_number_of_times_gives_the_same(
        evidence in prop::collection::vec((any_move(), 0..9_i64), 1..12),
        seed in prop::collection::vec(any::<u16>(), 24),
    ) {
        let mut shuffled: Vec<_> =
            evidence.iter().chain(&evidence).zip(&seed).map(|(mark, key)| (*key, *mark)).collect();
        shuffled.sort_by_key(|(key, _)| *key);
        let fold = |marks: Vec<(Move, i64)>| {
            let mut transport = Transport::accepted(START);
            let mut priority = 0;
            for (by, at) in marks {
                transport.apply(by, START.plus_ms(at));
                assert!(transport.stage().priority() >= priority, "never goes down");
                priority = transport.stage().priority();
            }
            transport
        };
        let once = fold(evidence.clone());
        prop_assert_eq!(once.marks().len(), kinds(&evidence) + 1);
        prop_assert_eq!(&once, &fold(shuffled.into_iter().map(|(_, mark)| mark).collect()));
    }
}

fn any_move() -> impl Strategy<Value = Move> {
    let why =
        || prop::option::of(prop::sample::select(vec![Rejection::NotIdentified, Rejection::Other]));
    prop_oneof![
        Just(Move::Offer),
        Just(Move::Fail(OfferFailure::Unreachable)),
        Just(Move::Fail(OfferFailure::NoReceipt)),
        Just(Move::HandOver),
        why().prop_map(Move::Receipt),
        why().prop_map(Move::Retrieval),
    ]
}

/// How many kinds of evidence there are, without handing over, which is none.
fn kinds(evidence: &[(Move, i64)]) -> usize {
    let kind = |by: &Move| match by {
        Move::HandOver => None,
        Move::Offer => Some(3),
        Move::Fail(_) => Some(5),
        Move::Receipt(why) => Some(6 + usize::from(why.is_some())),
        Move::Retrieval(why) => Some(8 + usize::from(why.is_some())),
    };
    evidence.iter().filter_map(|(by, _)| kind(by)).collect::<BTreeSet<_>>().len()
}

/// A world, with what must hold of it beside it.
struct Run {
    world: World,
    desk_indexes: BTreeMap<DeskId, u64>,
    pairs: BTreeMap<(DeskId, DeskId), u64>,
    previous: BTreeMap<RequestId, Hash>,
    /// Requests as their desks fold them.
    folded: BTreeMap<RequestId, Request>,
    said: Vec<(Statement, Stamp)>,
}

impl Run {
    fn new() -> Self {
        let mut run = Self {
            world: World::founded(),
            desk_indexes: BTreeMap::new(),
            pairs: BTreeMap::new(),
            previous: BTreeMap::new(),
            folded: BTreeMap::new(),
            said: Vec::new(),
        };
        for _ in 0..2 {
            run.step(Step { what: 0, which: 0, variation: 0, wait: 0 });
        }
        run
    }

    fn step(&mut self, step: Step) {
        self.world.wait(match step.wait {
            0..=99 => 0,
            100..=199 => i64::from(step.wait) * 1_000,
            200..=229 => 7 * MINUTE_MS,
            230..=249 => 13 * HOUR_MS,
            250..=253 => 10 * DAY_MS,
            254..=255 => 61 * DAY_MS,
        });
        let due = self.world.state.due(self.world.now);
        for command in due {
            self.commit(&command);
        }
        if let Some(command) = self.command(step) {
            self.commit(&command);
        }
        self.check();
    }

    /// Decides and applies; checks the numbers, the repeat, and that a refusal changes nothing.
    fn commit(&mut self, command: &Command) {
        let before = self.world.state.clone();
        let event = match self.world.decide(command) {
            Ok(Decision::New(event)) => event,
            Ok(Decision::Repeat { .. } | Decision::Nothing) | Err(_) => {
                let _ = self.world.commit(command);
                assert_eq!(self.world.state, before, "nothing new changes nothing");
                return;
            }
        };
        self.check_numbers(&event);
        self.check_embargo(&event);
        self.world.commit(command).unwrap();
        let stamp = self.world.journal.last().unwrap().1;
        if let Some(id) = event.request {
            self.previous.insert(id, stamp.event_hash);
            self.fold(id, &event, stamp);
        }
        if let Kind::Accepted(statement) = &event.kind {
            let again = self.world.decide(&submission(statement)).unwrap();
            assert_eq!(again, Decision::Repeat { index: stamp.index, time: stamp.time });
            let mut other = statement.as_ref().clone();
            other.header = Hash([0xee; 32]);
            assert_eq!(self.world.decide(&submission(&other)).unwrap_err().code(), "R-401");
            self.said.push((statement.as_ref().clone(), stamp));
        }
    }

    fn check_numbers(&mut self, event: &Event) {
        let numbering = self.world.state.number(event);
        for (desk, index) in &numbering.desk_indexes {
            let next = self.desk_indexes.entry(desk.clone()).or_default();
            assert_eq!(*index, DeskIndex(*next), "dense per desk");
            *next += 1;
        }
        let pair = match (&event.from, &event.to) {
            (Some(from), Some(to)) => {
                let n = self.pairs.entry((from.clone(), to.clone())).or_default();
                *n += 1;
                *n
            }
            _ => 0,
        };
        assert_eq!(numbering.pair_sequence, pair);
        let previous = event.request.and_then(|id| self.previous.get(&id).copied());
        assert_eq!(numbering.previous, previous);
    }

    /// Before its embargo ends, nothing of a request is for its recipient.
    fn check_embargo(&self, event: &Event) {
        let Some(request) = event.request.and_then(|id| self.world.state.request(id)) else {
            return;
        };
        if request.is_under_embargo() && !matches!(event.kind, Kind::EmbargoEnded(_)) {
            assert_eq!((event.from.as_ref(), event.to.as_ref()), (Some(&request.from), None));
        }
    }

    fn fold(&mut self, id: RequestId, event: &Event, stamp: Stamp) {
        if matches!(event.kind, Kind::Accepted(_))
            && let Some(request) = Request::open(event, stamp)
        {
            self.folded.insert(id, request);
            return;
        }
        if let Some(request) = self.folded.get_mut(&id) {
            request.apply(event, stamp);
        }
    }

    /// The sets of the state say what the requests say.
    fn check(&self) {
        let state = &self.world.state;
        let mut deadlines = Vec::new();
        let mut waiting: BTreeMap<DeskId, Vec<(Index, MessageId)>> = BTreeMap::new();
        let mut open = 0;
        for request in state.requests() {
            deadlines.extend(of_measure(request));
            deadlines.extend(of_embargo(request));
            assert_eq!(request.grade.regraded == 0, regraded(&self.said, request) == 0);
            open += u64::from(request.is_open());
            assert_eq!(request.is_open(), is_open(request));
            assert_eq!(Some(request), self.folded.get(&request.id), "a desk folds the same");
            for (id, message) in request.messages.iter() {
                deadlines.extend(of_message(request.grade.urgency, *id, message).iter().flatten());
                if let Some((index, _)) = message.out
                    && !message.machine
                    && !message.transport.is_receipted()
                {
                    let to = request.recipient(message).clone();
                    assert!(!request.is_under_embargo(), "nothing waits under embargo");
                    waiting.entry(to).or_default().push((index, *id));
                }
                let released = state.released(request.recipient(message), *id).is_ok();
                let may = !message.machine
                    && !message.erased
                    && !message.transport.is_rejected()
                    && (message.transport.is_delivered()
                        || message.transport.handed_over().is_some());
                assert_eq!(released, may);
            }
        }
        deadlines.sort();
        let due: Vec<Command> = deadlines.into_iter().map(Command::PassDeadline).collect();
        let due = if state.clock_in_doubt() { Vec::new() } else { due };
        assert_eq!(state.due(Timestamp(i64::MAX)), due, "none passes while the clock is in doubt");
        for to in DESKS {
            let mut expected = waiting.remove(&desk(to)).unwrap_or_default();
            expected.sort();
            assert_eq!(state.undelivered(&desk(to)).collect::<Vec<_>>(), expected);
        }
        assert_eq!(state.open_requests(), open);
    }

    /// Replayed, and stored and read back, it is the same state.
    fn finish(self) {
        let mut replayed = State::default();
        for (event, stamp) in &self.world.journal {
            rules::apply(&mut replayed, event, *stamp);
        }
        assert_eq!(replayed, self.world.state);
        let bytes = postcard::to_stdvec(&self.world.state).unwrap();
        let read: State = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(read, self.world.state);
        for (statement, stamp) in &self.said {
            match self.world.decide(&submission(statement)) {
                Ok(Decision::Repeat { index, .. }) => assert_eq!(index, stamp.index),
                Ok(other) => panic!("doubled: {other:?}"),
                Err(refusal) => assert_eq!(refusal.code(), "R-402", "forgotten is stale"),
            }
        }
    }

    fn command(&mut self, step: Step) -> Option<Command> {
        let ids: Vec<RequestId> = self.world.state.requests().map(|request| request.id).collect();
        match step.what {
            0..=2 => return Some(self.new_request(step)),
            3 if step.variation.is_multiple_of(2) => {
                return Some(Command::NoteClockStep { step_ms: -61_000 });
            }
            3 => return Some(Command::ConfirmClock { by: ClockWitness::Desks }),
            4 => return self.said.get(pick(step, self.said.len())?).map(|(s, _)| submission(s)),
            _ => {}
        }
        let id = *ids.get(pick(step, ids.len())?)?;
        let request = self.world.state.request(id).unwrap();
        let messages: Vec<MessageId> = request.messages.keys().copied().collect();
        let message = messages[usize::from(step.variation) % messages.len()];
        let index = self.world.state.find(message).unwrap().1.index;
        match step.what {
            5..=8 => Some(Command::NoteOffer { message }),
            9 => Some(Command::EraseBody { index, message, reason: ErasureReason::LegalOrder }),
            10..=15 => {
                let (by, id, act) = self.world.receipt(message);
                let Act::Receipt { of, header, .. } = act else { unreachable!() };
                let act = match step.variation % 8 {
                    0 => Act::Receipt { of, header, rejected: Some(Rejection::NotIdentified) },
                    1..=4 => Act::Receipt { of, header, rejected: None },
                    5 => Act::Retrieval { of, header, failed: Some(Rejection::Other) },
                    _ => Act::Retrieval { of, header, failed: None },
                };
                Some(submission(&self.world.act(id, by, act)))
            }
            _ => Some(self.act(id, step)),
        }
    }

    fn new_request(&mut self, step: Step) -> Command {
        let other = step.variation < 128;
        let kind = if other { any_of(RequestType::ALL, step) } else { RequestType::Preservation };
        // Now and then an urgency or a basis that the type does not allow.
        let wild = step.variation % 8 == 7;
        let allowed = if wild { Urgency::ALL } else { request_type::urgencies(kind) };
        let urgency = allowed[usize::from(step.which) % allowed.len()];
        let instrument = if wild { Instrument::Budapest } else { instrument(kind) };
        let ids: Vec<_> = self.world.state.requests().map(|request| request.id).collect();
        let parent = pick(step, ids.len()).map(|n| ids[n]).filter(|_| step.wait.is_multiple_of(2));
        // Some under embargo, some of them wrongly so.
        let ahead = i64::from(step.variation) * 6 * HOUR_MS;
        let embargo_until = (step.wait % 5 == 1).then(|| self.world.now.plus_ms(ahead));
        let prior_conditions = kind == RequestType::SpontaneousInformation && step.which % 3 == 1;
        let facts = RequestFacts {
            instrument,
            parent,
            prior_conditions,
            embargo_until,
            ..facts(kind, urgency)
        };
        let from = DESKS[usize::from(step.which / 7) % DESKS.len()];
        let to = DESKS[usize::from(step.which / 7 + 1 + step.which % 4) % DESKS.len()];
        let statement = self.world.statement(from, to, Act::Request(facts));
        submission(&statement)
    }

    fn act(&mut self, id: RequestId, step: Step) -> Command {
        let now = self.world.now;
        let days = i64::from(step.variation);
        // Half of them go the ordinary way, so that measures are reached.
        let ordinary = step.variation >= 128;
        let outcome = if ordinary { Outcome::Accepted } else { any_of(Outcome::ALL, step) };
        let extent = if ordinary { Extent::Executed } else { any_of(Extent::ALL, step) };
        let held = request_type::has_measure(self.world.state.request(id).unwrap().facts.kind)
            && extent != Extent::NoDataHeld;
        let review_at = (outcome == Outcome::Postponed).then(|| now.plus_ms(DAY_MS));
        let preserved_until = held.then(|| now.plus_ms((50 + days) * DAY_MS));
        let side = if step.which.is_multiple_of(4) { Side::Asked } else { Side::Asking };
        let (by, act) = match step.what {
            16..=19 => {
                let will_answer = if step.variation < 32 {
                    any_of(WillAnswer::ALL, step)
                } else {
                    WillAnswer::Yes
                };
                (Side::Asked, Act::Acknowledge { will_answer, estimated_at: now.plus_ms(1) })
            }
            20 => (Side::Asked, Act::ReviseEstimate { estimated_at: now.plus_ms(days) }),
            21 => (Side::Asked, Act::RequestClarification),
            22 => (Side::Asking, Act::ProvideClarification),
            23..=26 => (Side::Asked, Act::Determine { outcome, review_at }),
            27..=29 => (Side::Asked, Act::Execute { extent, preserved_until, mla_demanded: false }),
            30 => (Side::Asking, Act::RequestExtension),
            31 => (Side::Asked, Act::Extend { preserved_until: now.plus_ms(days * DAY_MS) }),
            32 => (Side::Asking, Act::Withdraw),
            33 | 34 => (Side::Asked, Act::Close),
            35 => (Side::Asking, Act::Close),
            36 => (Side::Asking, Act::Mla { step: MlaStep::Sent, carried_by: None }),
            37 => (Side::Asked, Act::Mla { step: MlaStep::Received, carried_by: None }),
            38 => (Side::Asked, Act::Mla { step: MlaStep::Decided, carried_by: None }),
            39 => (Side::Asked, Act::Regrade { urgency: any_of(Urgency::ALL, step) }),
            40 | 41 => (side, Act::AnswerConditions(any_of(ConditionsAnswer::ALL, step))),
            42 => (Side::Asking, Act::ProvideInformation),
            43 => (Side::Asked, Act::DiscloseTraffic),
            44 => (side, Act::Feedback),
            45 => (side, Act::RequestUseReport),
            46 => (side, Act::ReportUse),
            47 => (side, Act::ReportSecurityIncident),
            48 => (Side::Asking, Act::Withdraw),
            _ => (Side::Asking, Act::RequestClarification),
        };
        let mut statement = self.world.act(id, by, act);
        if step.wait == 7 {
            statement.to = desk("XM/cyber");
        }
        submission(&statement)
    }
}

/// How often a request was re-graded, by what was said on it.
fn regraded(said: &[(Statement, Stamp)], request: &Request) -> usize {
    let regrades = |(statement, _): &&(Statement, Stamp)| {
        statement.request == request.id && matches!(statement.act, Act::Regrade { .. })
    };
    said.iter().filter(regrades).count()
}

fn is_open(request: &Request) -> bool {
    !request.handling.is_final() || request.measure.is_running()
}

fn any_of<T: Copy>(all: &[T], step: Step) -> T {
    all[usize::from(step.variation) % all.len()]
}

fn pick(step: Step, len: usize) -> Option<usize> {
    usize::from(step.which).checked_rem(len)
}
