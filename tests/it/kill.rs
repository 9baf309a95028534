//! D1, D7, D8: `kill -9` of the real relay and of a real desk agent under load loses nothing that
//! was acknowledged, invents nothing, doubles nothing, and tables rebuilt from nothing equal the
//! live ones.
//!
//! Writers submit to the relay and never give up on a statement: after a failure the same bytes go
//! again. After each kill the directory is copied and judged: every acknowledged statement is
//! there at the index it was acknowledged with, every statement that is there was made by a
//! writer or by the agent, and none is there twice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use detente::codec;
use detente::grpc::counter::{self, api};
use detente::journal::{Journal as _, file::FileJournal};
use detente::relay::{self, Relay, SystemClock};
use detente::rules::event::Kind;
use detente::tables::{self, Tables};
use detente::units::{Hash, Index, MessageId};

use crate::net::{self, Dev, Shared, Speaker};

/// Cycles in CI; a long run is `DETENTE_KILL_CYCLES=2000`.
const CYCLES: u32 = 100;
/// Writers beside the agent.
const WRITERS: usize = 8;

/// What the writers know.
#[derive(Default)]
struct Ledger {
    made: BTreeSet<MessageId>,
    acknowledged: BTreeMap<MessageId, Index>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_relay_or_agent_are_killed() {
    let cycles = std::env::var("DETENTE_KILL_CYCLES")
        .map_or(CYCLES, |text| text.parse().expect("DETENTE_KILL_CYCLES is a number"));
    let dev = Arc::new(Dev::new(&["NL", "RO", "US"]));
    let ledger = Shared::<Ledger>::default();
    let over = Arc::new(AtomicBool::new(false));

    let mut relay = dev.start_relay();
    let client = net::relay_client(&dev, "NL");
    net::until_up(&client, &mut relay).await;
    let mut agent = dev.start_agent("RO");
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| tokio::spawn(write(Arc::clone(&dev), Arc::clone(&ledger), Arc::clone(&over))))
        .collect();
    let officer = tokio::spawn(officer(Arc::clone(&dev), Arc::clone(&ledger), Arc::clone(&over)));

    for cycle in 0..cycles {
        let pause = u64::from(u16::from_le_bytes(net::random())) % 496 + 5;
        tokio::time::sleep(Duration::from_millis(pause)).await;
        if cycle % 4 == 3 {
            agent.kill();
            agent = dev.start_agent("RO");
        } else {
            relay.kill();
            judge(&dev, &ledger);
            relay = dev.start_relay();
            net::until_up(&client, &mut relay).await;
        }
    }

    over.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.unwrap();
    }
    let sent = officer.await.unwrap();
    settle(&dev, sent).await;
    drop(agent);
    relay.signal("TERM");
    assert!(relay.wait(net::PATIENCE).success(), "{}", relay.tail());
    judge(&dev, &ledger);
    let ledger = ledger.lock().unwrap();
    assert!(ledger.acknowledged.len() > cycles as usize, "the load was no load");
    println!("{cycles} cycles, {} acknowledged statements", ledger.acknowledged.len());
}

/// A writer: statement after statement, each again and again until it is acknowledged.
async fn write(dev: Arc<Dev>, ledger: Shared<Ledger>, over: Arc<AtomicBool>) {
    let speaker = Speaker::new(&dev, "NL");
    let client = net::relay_client(&dev, "NL");
    while !over.load(Ordering::SeqCst) {
        let envelope = speaker.question(&net::desk("RO"));
        let message = envelope.statement.message;
        ledger.lock().unwrap().made.insert(message);
        loop {
            match client.submit(&envelope).await {
                Ok(recorded) => {
                    let known = ledger.lock().unwrap().acknowledged.insert(message, recorded.index);
                    assert_eq!(known, None);
                    break;
                }
                Err(failure) => {
                    assert!(failure.retry, "refused for good: {failure}");
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
    }
}

/// An officer at the agent that is killed: sends, and repeats with the same key until answered.
async fn officer(dev: Arc<Dev>, ledger: Shared<Ledger>, over: Arc<AtomicBool>) -> Vec<MessageId> {
    let socket = dev.desk_config("RO").counter.socket;
    let mut sent = Vec::new();
    while !over.load(Ordering::SeqCst) {
        let message = MessageId(net::random());
        ledger.lock().unwrap().made.insert(message);
        loop {
            let request = api::SendRequestRequest {
                officer: "duty".to_owned(),
                to: "US/cyber".to_owned(),
                r#type: "LEGAL_INFORMATION".to_owned(),
                instrument: "BUDAPEST".to_owned(),
                body: Some(net::question_form()),
                message_id: message.0.to_vec(),
                ..Default::default()
            };
            let Ok(mut counter) = counter::connect(&socket).await else {
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            };
            match counter.send_request(request).await {
                Ok(answer) => {
                    let outcome = answer.into_inner().outcome.unwrap();
                    assert_ne!(outcome.state(), api::StatementState::Refused, "{outcome:?}");
                    sent.push(message);
                    break;
                }
                Err(status) => {
                    let again = [
                        tonic::Code::Unavailable,
                        tonic::Code::Unknown,
                        tonic::Code::Cancelled,
                        tonic::Code::DeadlineExceeded,
                    ];
                    assert!(again.contains(&status.code()), "{status:?}");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    sent
}

/// A connection to the agent, which the last cycle may have killed a moment ago.
async fn reach(socket: &Path) -> counter::Counter {
    let started = std::time::Instant::now();
    loop {
        match counter::connect(socket).await {
            Ok(counter) => return counter,
            Err(error) => assert!(started.elapsed() < Duration::from_secs(60), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What the agent took on reaches the relay in the end.
async fn settle(dev: &Dev, sent: Vec<MessageId>) {
    let socket = dev.desk_config("RO").counter.socket;
    let mut counter = reach(&socket).await;
    for message in sent {
        let started = std::time::Instant::now();
        loop {
            let request = api::GetCaseRequest {
                officer: "duty".to_owned(),
                request_id: message.0.to_vec(),
                peek: true,
            };
            let case = counter.get_case(request).await.unwrap().into_inner().case.unwrap();
            if case.submitted_ms > 0 {
                break;
            }
            assert!(started.elapsed() < Duration::from_secs(150), "{message} never left");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Judges a copy of the relay's directory.
fn judge(dev: &Dev, ledger: &Shared<Ledger>) {
    let copy = tempfile::tempdir().unwrap();
    net::copy_tree(&dev.relay_data(), copy.path());
    // The relay is dead: what is acknowledged now was on its disk when it died, and every
    // statement was entered as made before it was first sent.
    let (made, acknowledged) = {
        let ledger = ledger.lock().unwrap();
        (ledger.made.clone(), ledger.acknowledged.clone())
    };

    let genesis = std::fs::read(&dev.relay_config().network.genesis).unwrap();
    let options = relay::Options {
        directory: copy.path().to_owned(),
        journal: Default::default(),
        tables_cache_bytes: 8 << 20,
        envelope_bytes_max: 256 << 10,
        genesis_hash: detente::envelope::genesis::parse(&genesis).unwrap().hash,
        signers: None,
        policy: None,
        witnesses_within: Duration::ZERO,
    };
    let (opened, running) =
        Relay::open(&options, &genesis, Arc::new(SystemClock::default())).unwrap();
    let found = statements(&opened);
    running.join().unwrap();
    // The tables are closed with the last handle.
    drop(opened);

    for (message, index) in &acknowledged {
        assert_eq!(found.get(message), Some(index), "acknowledged {message} is lost");
    }
    for message in found.keys() {
        assert!(made.contains(message), "{message} was made by nobody");
    }
    assert_eq!(live_fingerprint(copy.path()), rebuilt_fingerprint(copy.path()));
}

/// Every officer's statement of the journal, once each, by its index.
fn statements(relay: &Relay) -> BTreeMap<MessageId, Index> {
    let mut found = BTreeMap::new();
    let mut next = Index(0);
    loop {
        let stored = relay.reader().read(next, 1_000, 1 << 20).unwrap();
        let Some(last) = stored.last() else { return found };
        next = last.index.plus(1);
        for stored in stored {
            let record = codec::decode_record(&stored.record).unwrap();
            assert_eq!(record.index, stored.index);
            if let Kind::Accepted(statement) = record.event.kind
                && !statement.act.is_machine()
            {
                let earlier = found.insert(statement.message, record.index);
                assert_eq!(earlier, None, "{} is there twice", statement.message);
            }
        }
    }
}

fn live_fingerprint(directory: &Path) -> Hash {
    let (journal, _) = FileJournal::open(&directory.join("journal"), Default::default()).unwrap();
    let options = tables::Options { cache_bytes: 8 << 20, journal: journal.id() };
    let opened =
        Tables::open(&directory.join("tables"), &options, journal.reader().as_ref()).unwrap();
    assert_eq!(opened.rebuilt_because, None);
    assert_eq!(opened.tables.cursor(), journal.next_index());
    opened.tables.fingerprint().unwrap()
}

fn rebuilt_fingerprint(directory: &Path) -> Hash {
    let (journal, _) = FileJournal::open(&directory.join("journal"), Default::default()).unwrap();
    let options = tables::Options { cache_bytes: 8 << 20, journal: journal.id() };
    let fresh = directory.join("rebuilt");
    let tables =
        tables::rebuild(journal.reader().as_ref(), &fresh, &options, &mut |_, _| {}).unwrap();
    let fingerprint = tables.fingerprint().unwrap();
    drop(tables);
    std::fs::remove_dir_all(&fresh).unwrap();
    fingerprint
}
