//! A desk cosigns a head only when the one that it cosigned before is its beginning, also when it
//! is killed, loses power, or its disk fails; what proves a fork is kept, and stops it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use detente::desk::witness::{Answer, Evidence, Places, RealPlaces, Witness, Wrong};
use detente::journal::disk::Disk;
use detente::tlog::witness::{Latest, parse_lines};
use detente::tlog::{Checkpoint, Note};
use detente::units::{Name, Timestamp};

use crate::desk_pair::{self, START, duty, nl};
use crate::journal_disk::{Fault, Op, Random, TestDisk};
use crate::journal_powercut::Model;
use crate::net::{edit, edit_first};
use crate::witness_log::TestLog;

/// A witness of the test network's logs with the files in these places.
struct Bench {
    witness: Witness,
    evidence: Arc<Evidence>,
}

impl Bench {
    fn open(places: Arc<dyn Places>) -> Self {
        let (_, genesis) = desk_pair::genesis();
        let evidence = Arc::new(Evidence::open(Arc::clone(&places)).unwrap());
        let witness =
            Witness::open(places, Arc::clone(&evidence), &genesis.network, &genesis.log_keys);
        Self { witness, evidence }
    }

    fn at(dir: &Path) -> Self {
        Self::open(Arc::new(RealPlaces(dir.to_owned())))
    }

    fn ask(&self, log: &str, body: &str) -> Answer {
        self.witness.answer(&desk_pair::witness(&nl()), log, body, START)
    }

    fn head(&self, log: &str) -> Latest {
        self.witness.heads().into_iter().find(|(name, _)| name == log).unwrap().1
    }
}

/// True when this is our cosignature of that head.
fn cosigns(answer: &Answer, head: &Note) -> bool {
    let lines = parse_lines(&answer.body).unwrap();
    let mut note = head.clone();
    note.add(lines[0].clone());
    let key = desk_pair::witness(&nl());
    let verified = note.verify([key.public()]).unwrap();
    answer.status == 200 && verified[0].time == Some(START.0 as u64 / 1_000)
}

#[test]
fn what_follows_is_cosigned_and_served_as_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::at(dir.path());
    let mut log = TestLog::new("traffic");
    assert_eq!(bench.head("traffic"), Latest::none());
    let mut old = 0;
    for more in [0, 1, 1, 5, 0, 300] {
        log.push(more);
        let answer = bench.ask("traffic", &log.ask(old, log.size()));
        assert!(cosigns(&answer, &log.head(log.size())), "{answer:?}");
        old = log.size();
        assert_eq!(bench.head("traffic"), Latest { size: old, root: log.root(old) });
    }
    // The path of C2SP tlog-witness, under the agent's directory.
    let place = detente::tlog::witness::monitoring_path("detente-test/traffic");
    let served = std::fs::read_to_string(dir.path().join("witness").join(place)).unwrap();
    let served: Note = served.parse().unwrap();
    assert_eq!(served.text(), log.head(old).text());
    assert_eq!(served.lines().len(), 2, "the log's and our own");
    assert!(served.verify([desk_pair::witness(&nl()).public()]).is_ok());
    // The other log is another log.
    assert_eq!(bench.head("directory"), Latest::none());
    let mut other = TestLog::new("directory");
    other.push(2);
    assert!(cosigns(&bench.ask("directory", &other.ask(0, 2)), &other.head(2)));
}

#[test]
fn a_repeat_and_a_replay_are_told_the_size_and_prove_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = TestLog::new("traffic");
    log.push(20);
    let asks = [log.ask(0, 5), log.ask(5, 9), log.ask(9, 20)];
    let bench = Bench::at(dir.path());
    for ask in &asks {
        assert_eq!(bench.ask("traffic", ask).status, 200);
    }
    // Killed after it was kept and before it was answered: the same is asked again.
    drop(bench);
    let bench = Bench::at(dir.path());
    assert_eq!(bench.head("traffic").size, 20);
    for ask in &asks {
        let answer = bench.ask("traffic", ask);
        assert_eq!((answer.status, answer.body.as_str()), (409, "20\n"));
    }
    let again = bench.ask("traffic", &log.ask(20, 20));
    assert!(cosigns(&again, &log.head(20)), "the same head, cosigned once more");
    assert_eq!(bench.evidence.standing(), []);
}

#[test]
fn what_is_not_a_request_of_this_log_is_refused_and_proves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::at(dir.path());
    let mut log = TestLog::new("traffic");
    log.push(20);
    assert_eq!(bench.ask("traffic", &log.ask(0, 5)).status, 200);
    let ask = log.ask(5, 20);
    let cases = [
        ("not a request", "traffic", "hello".to_owned(), 400),
        ("no blank line", "traffic", edit_first(&ask, "\n\n", "\n"), 400),
        ("another origin", "directory", ask.clone(), 404),
        ("an unknown log", "nonsense", ask.clone(), 404),
        ("a forged signature", "traffic", log.forged().ask(5, 20), 403),
        ("a forged fork", "traffic", log.fork(3).forged().ask(5, 20), 403),
        ("no signature", "traffic", edit(&ask, "detente-test/traffic ", "other "), 403),
        ("an edited root", "traffic", edit_first(&ask, "\n20\n", "\n21\n"), 403),
        ("a size that is not ours", "traffic", log.ask(4, 20), 409),
        ("an old size beyond its own", "traffic", log.ask(19, 7), 400),
        ("too long", "traffic", format!("old 5\n{}{ask}", "A\n".repeat(9_000)), 400),
    ];
    for (what, name, body, status) in cases {
        let answer = bench.ask(name, &body);
        assert_eq!((answer.status, answer.found), (status, None), "{what}");
    }
    assert_eq!(bench.head("traffic").size, 5);
    assert_eq!(bench.evidence.standing(), []);
    assert_eq!(bench.ask("traffic", &ask).status, 200, "and goes on");
}

#[test]
fn a_fork_or_rollback_signed_with_the_logs_own_key_is_kept_and_stops_the_log() {
    let mut log = TestLog::new("traffic");
    log.push(20);
    let fork = log.fork(4);
    let cases = [
        ("goes on otherwise", fork.ask(8, 20), Wrong::Fork, 422),
        ("another tree of this size", fork.ask(8, 8), Wrong::Fork, 422),
        ("the same, told stale", fork.ask(6, 8), Wrong::Fork, 409),
        (
            "a proof of something else",
            edit(
                &log.ask(8, 20),
                "old 8\n",
                "old 8\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
            ),
            Wrong::Fork,
            422,
        ),
        ("a shorter tree", fork.ask(8, 6), Wrong::Rollback, 400),
        ("a shorter tree of the same", log.ask(8, 6), Wrong::Rollback, 400),
    ];
    for (what, body, wrong, status) in cases {
        let dir = tempfile::tempdir().unwrap();
        let bench = Bench::at(dir.path());
        assert_eq!(bench.ask("traffic", &log.ask(0, 8)).status, 200);
        let answer = bench.ask("traffic", &body);
        assert_eq!(answer.status, status, "{what}");
        let found = answer.found.unwrap_or_else(|| panic!("{what}"));
        assert_eq!((found.wrong, found.log.as_str()), (Some(wrong), "traffic"), "{what}");
        // Both heads and the proof are on disk, each as it was signed.
        let read = |part: &str| {
            std::fs::read_to_string(dir.path().join(format!("evidence/{}.{part}", found.id)))
                .unwrap()
        };
        let first: Note = read("first").parse().unwrap();
        let second: Note = read("second").parse().unwrap();
        let key = log.signer();
        for note in [&first, &second] {
            assert!(note.verify([key.public()]).is_ok(), "{what}");
        }
        assert!(first.verify([desk_pair::witness(&nl()).public()]).is_ok(), "we cosigned it");
        let size = |note: &Note| note.text().parse::<Checkpoint>().unwrap().size();
        assert_eq!(size(&first), 8);
        assert_eq!(read("proof"), body);
        assert!(read("about").contains(&format!("code {}\n", wrong.code())));
        // Nothing more of this log, not even what follows; the other log is not concerned.
        let stopped = |bench: &Bench| {
            let answer = bench.ask("traffic", &log.ask(8, 20));
            assert_eq!((answer.status, answer.found), (422, None), "{what}");
            assert!(answer.body.contains(&found.id), "{}", answer.body);
        };
        stopped(&bench);
        let mut other = TestLog::new("directory");
        other.push(1);
        assert_eq!(bench.ask("directory", &other.ask(0, 1)).status, 200);
        drop(bench);
        let bench = Bench::at(dir.path());
        assert_eq!(bench.evidence.standing(), std::slice::from_ref(&found), "after a restart");
        stopped(&bench);
        // Until somebody says so in words; and then only what follows.
        bench.evidence.settle(&found.id, &duty(), "relay\nreplaced", START).unwrap().unwrap();
        drop(bench);
        let bench = Bench::at(dir.path());
        assert_eq!(bench.evidence.standing(), []);
        assert!(read("settled").contains("duty: relay replaced"));
        assert_eq!(bench.ask("traffic", &log.ask(8, 20)).status, 200, "{what}");
        let again = bench.ask("traffic", &fork.ask(20, 20));
        assert_eq!(again.found.unwrap().wrong, Some(Wrong::Fork), "a fork all the same");
    }
}

#[test]
fn a_rollback_is_refused_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = TestLog::new("traffic");
    log.push(9);
    let fork = {
        let mut fork = log.fork(5);
        fork.push(10);
        fork
    };
    assert_eq!(Bench::at(dir.path()).ask("traffic", &log.ask(0, 9)).status, 200);
    // A relay that was restored from an old backup goes on from where that ends.
    for old in 0..=5 {
        let answer = Bench::at(dir.path()).ask("traffic", &fork.ask(old, 12));
        assert_eq!((answer.status, answer.body.as_str()), (409, "9\n"));
    }
    let answer = Bench::at(dir.path()).ask("traffic", &fork.ask(9, 12));
    assert_eq!(answer.status, 422);
    assert_eq!(Bench::at(dir.path()).head("traffic"), Latest { size: 9, root: log.root(9) });
}

#[test]
fn a_file_that_cannot_be_read_stops_the_log_and_no_other() {
    let mut log = TestLog::new("traffic");
    log.push(20);
    let damages: [fn(&str) -> String; 5] = [
        |_| String::new(),
        |text| text[..text.len() / 2].to_owned(),
        |text| edit_first(text, "\n8\n", "\n3\n"),
        |text| edit(text, "detente-test/traffic", "detente-test/directory"),
        |text| text.lines().take(4).map(|line| format!("{line}\n")).collect(),
    ];
    for (n, damage) in damages.into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Bench::at(dir.path()).ask("traffic", &log.ask(0, 8)).status, 200);
        let place = detente::tlog::witness::monitoring_path("detente-test/traffic");
        let file = dir.path().join("witness").join(place);
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, damage(&text)).unwrap();
        let bench = Bench::at(dir.path());
        let unreadable = bench.witness.unreadable();
        assert_eq!(unreadable.len(), 1, "{n}");
        assert!(unreadable[0].1.contains("cannot be read"), "{}", unreadable[0].1);
        // In particular not from nothing: that would allow whatever came before.
        for old in [0, 8] {
            let answer = bench.ask("traffic", &log.ask(old, 20));
            assert_eq!(answer.status, 500, "{n}: {answer:?}");
        }
        assert!(bench.witness.heads().iter().all(|(log, _)| log == "directory"));
        std::fs::write(&file, text).unwrap();
        assert_eq!(Bench::at(dir.path()).ask("traffic", &log.ask(8, 20)).status, 200);
    }
}

/// Disks in memory, one for each directory.
#[derive(Clone, Default)]
struct TestPlaces(Arc<Mutex<BTreeMap<String, TestDisk>>>);

impl TestPlaces {
    fn disk(&self, path: &str) -> TestDisk {
        self.0.lock().unwrap().entry(path.to_owned()).or_default().clone()
    }
}

impl Places for TestPlaces {
    fn at(&self, path: &str) -> Arc<dyn Disk> {
        Arc::new(self.disk(path))
    }

    fn make(&self, path: &str) -> std::io::Result<Arc<dyn Disk>> {
        Ok(self.at(path))
    }
}

fn place_of_traffic() -> String {
    let place = detente::tlog::witness::monitoring_path("detente-test/traffic");
    format!("witness/{}", place.strip_suffix("/checkpoint").unwrap())
}

#[test]
fn a_power_cut_forgets_nothing_that_was_cosigned() {
    let mut log = TestLog::new("traffic");
    let places = TestPlaces::default();
    let disk = places.disk(&place_of_traffic());
    let bench = Bench::open(Arc::new(places));
    let mut old = 0;
    for more in [1, 3, 4, 9, 1, 1] {
        log.push(more);
        assert_eq!(bench.ask("traffic", &log.ask(old, log.size())).status, 200);
        old = log.size();
        // From here on the cosignature may have gone out.
        disk.note(Op::Acknowledged(old));
    }
    let ops = disk.ops();
    let mut random = Random(7);
    for cut in 0..=ops.len() {
        let mut model = Model::default();
        ops[..cut].iter().for_each(|op| model.run(op));
        let answered = ops[..cut].iter().rev().find_map(|op| match op {
            Op::Acknowledged(size) => Some(*size),
            Op::Create { .. } | Op::Allocate { .. } | Op::Write { .. } | Op::Sync { .. } => None,
            Op::Rename { .. } | Op::Remove { .. } | Op::SyncDir => None,
            Op::Erasing(_) | Op::Erased(_) => None,
        });
        for _ in 0..8 {
            let found = TestPlaces::default();
            let left = TestDisk::with(&model.cut(&mut random));
            found.0.lock().unwrap().insert(place_of_traffic(), left);
            let bench = Bench::open(Arc::new(found));
            assert_eq!(bench.witness.unreadable(), [], "cut at {cut}: the old or the new, whole");
            let size = bench.head("traffic").size;
            assert!(size >= answered.unwrap_or(0), "cut at {cut}: {size} of {answered:?}");
            assert_eq!(bench.head("traffic").root, log.root(size));
            // It goes on from there: a step past the answered one was kept and never told.
            if size < old {
                assert_eq!(bench.ask("traffic", &log.ask(size, old)).status, 200);
            }
        }
    }
}

#[test]
fn what_cannot_be_kept_is_not_cosigned() {
    let mut log = TestLog::new("traffic");
    log.push(20);
    let faults = [Fault::FullAt(0), Fault::WriteAt(0), Fault::SyncAt(0), Fault::SyncAt(1)];
    for fault in faults {
        let places = TestPlaces::default();
        let disk = places.disk(&place_of_traffic());
        let bench = Bench::open(Arc::new(places.clone()));
        assert_eq!(bench.ask("traffic", &log.ask(0, 8)).status, 200);
        disk.inject(fault);
        let answer = bench.ask("traffic", &log.ask(8, 20));
        assert_eq!(answer.status, 500, "{fault:?}");
        assert!(answer.body.contains("could not be kept"), "{}", answer.body);
        disk.inject(Fault::None);
        drop(bench);
        // Whichever of the two is there, nothing that was told is gone, and it goes on.
        let bench = Bench::open(Arc::new(places));
        let size = bench.head("traffic").size;
        assert!(size == 8 || size == 20, "{fault:?}: {size}");
        assert_eq!(bench.ask("traffic", &log.ask(size, 20)).status, 200, "{fault:?}");
    }
}

#[test]
fn evidence_stands_whatever_is_written_about_it() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("evidence")).unwrap();
    for text in ["", "code D-999\n", "found yesterday\nlog \n", "\u{1b}[2J"] {
        std::fs::write(dir.path().join("evidence/traffic-00.about"), text).unwrap();
        let evidence = Evidence::open(Arc::new(RealPlaces(dir.path().to_owned()))).unwrap();
        let standing = evidence.standing_of("traffic").unwrap();
        assert_eq!((standing.wrong, standing.found), (None, Timestamp(0)));
        let by: Name = duty();
        assert!(evidence.settle("traffic-01", &by, "x", START).unwrap().is_none());
    }
}
