//! The relay in this process: streams that resume, retries, a clock that steps, emergencies.
//!
//! Not for TLS or gRPC (see `api_*`), nor for kills (see `kill.rs`).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use detente::envelope::words::{Instrument, RequestType, Urgency};
use detente::envelope::{Envelope, RequestFacts};
use detente::journal::{FileJournal, Journal as _};
use detente::relay::{self, Clock, Error, Follower, Item, Relay, Running};
use detente::rules::event::Kind;
use detente::tables::{self, Tables};
use detente::units::{Caller, DeskId, DeskIndex, HOUR_MS, Index, MINUTE_MS, MessageId, Timestamp};
use detente::wire::detente::form::v1 as form;

use crate::net::{self, Dev, Speaker};

pub(crate) const BEAT: Duration = Duration::from_millis(100);

/// A wall clock that can be put forward and back.
pub(crate) struct Stepping {
    since: Instant,
    started: Timestamp,
    step_ms: AtomicI64,
    passed_ms: AtomicI64,
}

impl Stepping {
    pub(crate) fn new() -> Self {
        Self {
            since: Instant::now(),
            started: net::now(),
            step_ms: AtomicI64::new(0),
            passed_ms: AtomicI64::new(0),
        }
    }

    /// Lets time pass: both clocks go on.
    pub(crate) fn pass(&self, ms: i64) {
        self.passed_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// The wall clock alone jumps.
    pub(crate) fn step(&self, ms: i64) {
        self.step_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// What time it really is.
    pub(crate) fn real(&self) -> Timestamp {
        self.started.plus_ms(self.boot_ms())
    }
}

impl Clock for Stepping {
    fn wall(&self) -> Timestamp {
        self.started.plus_ms(self.boot_ms() + self.step_ms.load(Ordering::SeqCst))
    }

    fn boot_ms(&self) -> i64 {
        let passed_ms = self.passed_ms.load(Ordering::SeqCst);
        i64::try_from(self.since.elapsed().as_millis()).unwrap() + passed_ms
    }
}

struct Lab {
    dev: Dev,
    relay: Relay,
    running: Running,
    clock: Arc<Stepping>,
}

impl Lab {
    fn new() -> Self {
        let dev = Dev::new(&["NL", "RO"]);
        let clock = Arc::new(Stepping::new());
        let (relay, running) = open(&dev, &clock);
        Self { dev, relay, running, clock }
    }

    fn restart(self) -> Self {
        let Self { dev, relay, running, clock } = self;
        drop(relay);
        running.join().unwrap();
        let (relay, running) = open(&dev, &clock);
        Self { dev, relay, running, clock }
    }

    /// Lets time pass: both clocks go on.
    fn pass(&self, ms: i64) {
        self.clock.pass(ms);
    }

    /// The wall clock alone jumps.
    fn step(&self, ms: i64) {
        self.clock.step(ms);
    }
}

pub(crate) fn options(dev: &Dev) -> (relay::Options, Vec<u8>) {
    let genesis = std::fs::read(&dev.relay_config().network.genesis).unwrap();
    let options = relay::Options {
        directory: dev.relay_data(),
        journal: Default::default(),
        tables_cache_bytes: 8 << 20,
        envelope_bytes_max: 256 << 10,
        genesis_hash: detente::envelope::genesis::parse(&genesis).unwrap().hash,
        signers: Some(dev.signers()),
        policy: None,
        witnesses_within: Duration::ZERO,
    };
    (options, genesis)
}

pub(crate) fn open(dev: &Dev, clock: &Arc<Stepping>) -> (Relay, Running) {
    let (options, genesis) = options(dev);
    let clock = Arc::clone(clock);
    std::thread::spawn(move || Relay::open(&options, &genesis, clock).unwrap()).join().unwrap()
}

fn caller(member: &str) -> Caller {
    Caller { desk: net::desk(member) }
}

/// Submits so many questions, some at once, and answers them in the order of their records.
async fn submit_many(relay: &Relay, speaker: &Arc<Speaker>, count: usize) -> Vec<MessageId> {
    let mut done = Vec::new();
    for _ in 0..count.div_ceil(100) {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..100.min(count - done.len()) {
            let (relay, speaker) = (relay.clone(), Arc::clone(speaker));
            tasks.spawn(async move {
                let envelope = speaker.question(&net::desk("RO"));
                let message = envelope.statement.message;
                (relay.submit(&caller("NL"), envelope).await.unwrap().index, message)
            });
        }
        done.extend(tasks.join_all().await);
    }
    done.sort_unstable();
    done.into_iter().map(|(_, message)| message).collect()
}

/// Reads to the first beat; the numbers must follow each other without a gap.
async fn read_all(follower: &mut Follower, from: u64) -> (Vec<MessageId>, u64) {
    let mut accepted = Vec::new();
    let mut next = from;
    loop {
        match follower.next().await.unwrap() {
            Item::Record(found) => {
                assert_eq!(found.desk_index, DeskIndex(next), "no gap and no double");
                let own = found.record.numbering.desk_indexes.iter();
                assert!(own.clone().any(|(_, number)| *number == found.desk_index));
                next += 1;
                if let Kind::Accepted(statement) = &found.record.event.kind {
                    accepted.push(statement.message);
                }
            }
            Item::Beat { next: told, .. } if told == DeskIndex(next) => return (accepted, next),
            Item::Beat { .. } => {}
        }
    }
}

/// More than the queue takes, and more than is kept in memory, was sent while the desk was away:
/// it gets all of it in order, each is noted as offered, and a restart changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_desk_that_was_away_catches_up_and_every_offer_is_noted() {
    const SENT: usize = 2_600;
    let mut lab = Lab::new();
    let speaker = Arc::new(Speaker::new(&lab.dev, "NL"));
    let sent = submit_many(&lab.relay, &speaker, SENT).await;
    lab = lab.restart();

    let desk: DeskId = net::desk("RO");
    let mut follower = lab.relay.follow(desk.clone(), DeskIndex(0), BEAT);
    let (mut got, mut next) = (Vec::new(), 0);
    // A beat may come while notes are still on their way to the disk.
    let reading = async {
        while next < 2 * SENT as u64 {
            let (more, end) = read_all(&mut follower, next).await;
            got.extend(more);
            next = end;
        }
    };
    tokio::time::timeout(net::PATIENCE, reading).await.expect("notes of offers are missing");
    assert_eq!(got, sent);
    assert_eq!(next, 2 * SENT as u64);

    // A stream that resumes in the middle gets the rest, and no offer is noted twice.
    let mut again = lab.relay.follow(desk.clone(), DeskIndex(1_234), BEAT);
    assert_eq!(read_all(&mut again, 1_234).await.1, next);

    // Live and fresh tables are the same, and start-up uses the snapshot.
    let (options, _) = options(&lab.dev);
    lab.running.join().unwrap();
    let (journal, _) =
        FileJournal::open(&options.directory.join("journal"), options.journal).unwrap();
    let of = tables::Options { cache_bytes: 8 << 20, journal: journal.id() };
    let reader = journal.reader();
    drop((follower, again, lab.relay));
    let live = Tables::open(&options.directory.join("tables"), &of, reader.as_ref()).unwrap();
    assert_eq!(live.rebuilt_because, None);
    let snapshot = live.tables.newest_snapshot().unwrap().expect("one is kept at the end");
    assert_eq!(snapshot.0, journal.next_index());
    let fresh = options.directory.join("fresh");
    let rebuilt = tables::rebuild(reader.as_ref(), &fresh, &of, &mut |_, _| {}).unwrap();
    assert_eq!(live.tables.fingerprint().unwrap(), rebuilt.fingerprint().unwrap());
}

/// A6: a stream that nobody reads costs nine others nothing, and later gets everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stalls_hurts_nobody() {
    let lab = Lab::new();
    let speaker = Arc::new(Speaker::new(&lab.dev, "NL"));
    let desk: DeskId = net::desk("RO");
    let mut stalled = lab.relay.follow(desk.clone(), DeskIndex(0), BEAT);
    let mut live = tokio::task::JoinSet::new();
    for _ in 0..9 {
        let mut follower = lab.relay.follow(desk.clone(), DeskIndex(0), Duration::from_secs(1));
        live.spawn(async move {
            let (mut got, mut next) = (Vec::new(), 0);
            while got.len() < 500 {
                let (more, end) = read_all(&mut follower, next).await;
                got.extend(more);
                next = end;
            }
            got
        });
    }
    let sent = submit_many(&lab.relay, &speaker, 500).await;
    let live = tokio::time::timeout(net::PATIENCE, live.join_all()).await.unwrap();
    assert!(live.iter().all(|got| *got == sent), "one has missed something");
    assert_eq!(read_all(&mut stalled, 0).await.0, sent);
}

/// What is the same for every repeat but for the last.
fn outcome(submitted: &relay::Submitted) -> (Index, Timestamp, bool) {
    (submitted.index, submitted.time, submitted.repeat)
}

/// D7: a third of the answers is lost and the same statement is sent again: once on record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_has_the_same_outcome_also_after_a_restart() {
    let mut lab = Lab::new();
    let speaker = Speaker::new(&lab.dev, "NL");
    let mut kept: Vec<(Envelope, relay::Submitted)> = Vec::new();
    for n in 0..300 {
        let envelope = speaker.question(&net::desk("RO"));
        let first = lab.relay.submit(&caller("NL"), envelope.clone()).await.unwrap();
        if n % 3 == 0 {
            let again = lab.relay.submit(&caller("NL"), envelope.clone()).await.unwrap();
            assert_eq!(outcome(&again), (first.index, first.time, true));
        }
        kept.push((envelope, first));
    }
    lab = lab.restart();
    let before = lab.relay.published().next_index();
    for (envelope, first) in kept {
        let again = lab.relay.submit(&caller("NL"), envelope).await.unwrap();
        assert_eq!(outcome(&again), (first.index, first.time, true));
    }
    assert_eq!(lab.relay.published().next_index(), before);
}

/// The message id of a statement on record lets no other statement past the signature.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_known_message_id_is_no_way_past_the_signature() {
    let lab = Lab::new();
    let speaker = Speaker::new(&lab.dev, "NL");
    let first = speaker.question(&net::desk("RO"));
    lab.relay.submit(&caller("NL"), first.clone()).await.unwrap();
    let mut other = speaker.question(&net::desk("RO"));
    other.statement.message = first.statement.message;
    other.signatures[0].bytes[0] ^= 1;
    let refused = lab.relay.submit(&caller("NL"), other).await.unwrap_err();
    assert_eq!(refused, Error::BadSignature);
}

/// Whatever is accepted can be replayed: contexts with any bytes changed, signed as they are by an
/// officer who means harm. A relay that cannot read its own journal again is down for good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_accepted_is_read_again_whatever_it_says() {
    let mut lab = Lab::new();
    let speaker = Speaker::new(&lab.dev, "NL");
    let mut accepted = 0;
    for n in 0..1_500_usize {
        let bytes: [u8; 8] = net::random();
        let good = speaker.question(&net::desk("RO"));
        let said = crate::bad_input::resigned(&good, &speaker, |context| {
            let at = usize::from(bytes[0]) * context.len() / 256;
            match n % 4 {
                0 => context[at] ^= 1 << (bytes[1] % 8),
                1 => context[at] = bytes[1],
                2 => context.insert(at, bytes[1]),
                _ => drop(context.remove(at)),
            }
        });
        if let Ok(envelope) = Envelope::from_wire(said) {
            accepted += usize::from(lab.relay.submit(&caller("NL"), envelope).await.is_ok());
        }
    }
    assert!(accepted > 20, "only {accepted} were accepted: nothing was tried");
    let before = lab.relay.published();
    lab = lab.restart();
    assert_eq!(lab.relay.published().state(), before.state(), "replay leads elsewhere");
    let directory = options(&lab.dev).0.directory;
    drop(lab.relay);
    lab.running.join().unwrap();
    // Without the snapshot: every record is read again.
    std::fs::remove_dir_all(directory.join("tables")).unwrap();
    let (relay, running) = open(&lab.dev, &lab.clock);
    assert_eq!(relay.published().state(), before.state(), "replay leads elsewhere");
    drop(relay);
    running.join().unwrap();
}

/// Decision 2: offered, no receipt, limit passed: handed over, and the log says so. Decision 18:
/// not while the clock is in doubt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emergency_without_a_receipt_is_handed_over() {
    let lab = Lab::new();
    let speaker = Speaker::new(&lab.dev, "NL");
    let desk: DeskId = net::desk("RO");
    let facts = RequestFacts {
        kind: RequestType::LegalInformation,
        instrument: Instrument::G72417,
        urgency: Urgency::Emergency,
        test: false,
        exercise: false,
        parent: None,
        prior_conditions: false,
        embargo_until: None,
    };
    let mut form = net::question_form();
    if let Some(form::body::Form::Information(form)) = &mut form.form {
        let text = "a life is at risk".to_owned();
        form.urgency_grounds = Some(form::Text { text, language: "en".to_owned() });
    }
    let envelope = speaker.request(&desk, facts, form);
    let message = envelope.statement.message;
    lab.relay.submit(&caller("NL"), envelope).await.unwrap();
    let mut follower = lab.relay.follow(desk.clone(), DeskIndex(0), BEAT);
    let (_, next) = read_all(&mut follower, 0).await;
    let handed_over = || {
        records(&lab.relay)
            .into_iter()
            .any(|(_, kind)| matches!(kind, Kind::HandedOver { message: of } if of == message))
    };

    let stepped = |back: bool| {
        let is = |kind| matches!(kind, Kind::ClockStepped { step_ms } if (step_ms < 0) == back);
        records(&lab.relay).into_iter().any(|(_, kind)| is(kind))
    };
    lab.step(6 * MINUTE_MS);
    net::until("the jump is noted", || stepped(false)).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(!handed_over(), "held while the clock is in doubt");
    assert!(lab.relay.content(&desk, message).await.is_err(), "no receipt yet");
    lab.step(-6 * MINUTE_MS);
    net::until("the jump back is noted", || stepped(true)).await;
    lab.pass(7 * MINUTE_MS);
    // A statement that is made now, by its own clock, says that the wall clock is right.
    let draft = speaker.draft_at(&desk, net::now().plus_ms(7 * MINUTE_MS));
    let confirms = speaker.seal(&draft, &net::question_form());
    lab.relay.submit(&caller("NL"), confirms).await.unwrap();
    net::until("it is handed over", handed_over).await;
    lab.relay.content(&desk, message).await.unwrap();
    // The recipient hears of it on its own stream.
    assert!(read_all(&mut follower, next).await.1 >= next + 2);
}

/// D10: the clock goes back an hour and forward again: order and record time never go back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn record_time_never_goes_back() {
    let lab = Lab::new();
    let speaker = Arc::new(Speaker::new(&lab.dev, "NL"));
    for step in [0, -HOUR_MS, HOUR_MS, 2 * MINUTE_MS] {
        lab.step(step);
        submit_many(&lab.relay, &speaker, 20).await;
    }
    let all = records(&lab.relay);
    assert!(all.is_sorted_by_key(|(time, _)| *time));
    assert!(
        all.iter().any(|(_, kind)| matches!(kind, Kind::ClockStepped { step_ms } if *step_ms < 0))
    );
}

fn records(relay: &Relay) -> Vec<(Timestamp, Kind)> {
    (0..relay.published().next_index().0)
        .map(|n| relay.read_record(Index(n)).unwrap())
        .map(|record| (record.time, record.event.kind))
        .collect()
}
