//! What the relay publishes is files that verify, at every moment and after every crash; a journal
//! that lacks what was published signs nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use detente::audit::{self, CHECKPOINT, Files, Older, Options, Trust};
use detente::codec::{self, Log, Record};
use detente::envelope::genesis;
use detente::relay::{self, PublishOptions, Publisher, Relay, Running};
use detente::rules::Kind;
use detente::tlog::Checkpoint;
use detente::units::{Caller, DeskIndex, Index};
use serde_json::Value;

use crate::net::{self, Dev, Speaker, copy_tree, relay_client, run, until_up};
use crate::relay_streams::{Stepping, open};

/// A relay whose publisher does a turn when the test says so.
struct Press {
    dev: Dev,
    clock: Arc<Stepping>,
    speaker: Speaker,
    open: Option<(Relay, Running)>,
    padding: bool,
}

impl Press {
    fn new() -> Self {
        let dev = Dev::new(&["NL", "RO"]);
        let clock = Arc::new(Stepping::new());
        let speaker = Speaker::new(&dev, "NL");
        let open = Some(open(&dev, &clock));
        Self { dev, clock, speaker, open, padding: false }
    }

    fn public(&self) -> PathBuf {
        self.dev.relay_config().publish_directory()
    }

    fn own(&self) -> PathBuf {
        self.dev.relay_config().log_directory()
    }

    /// A publisher of this relay into these directories, which knows nothing yet.
    fn publisher(&self, directory: PathBuf, own: PathBuf) -> Publisher {
        let every = Duration::from_secs(1);
        let padding = self.padding;
        Publisher::new(self.relay().clone(), PublishOptions { directory, own, every, padding })
    }

    /// What a start does before anything is signed.
    async fn look(&self) {
        let publisher = self.publisher(self.public(), self.own());
        tokio::task::spawn_blocking(move || publisher.look()).await.unwrap();
    }

    /// What one turn of a publisher that was just started does.
    async fn turn(&self) {
        self.turn_in(self.public(), self.own()).await;
    }

    async fn turn_in(&self, directory: PathBuf, own: PathBuf) {
        self.relay().wait_for_tables(self.relay().published().next_index()).await.unwrap();
        let mut publisher = self.publisher(directory, own);
        tokio::task::spawn_blocking(move || publisher.turn()).await.unwrap();
    }

    async fn say(&self, count: usize) {
        let caller = Caller { desk: net::desk("NL") };
        for _ in 0..count {
            let question = self.speaker.question(&net::desk("RO"));
            self.relay().submit(&caller, question).await.unwrap();
        }
    }

    fn relay(&self) -> &Relay {
        &self.open.as_ref().unwrap().0
    }

    fn close(&mut self) {
        if let Some((relay, running)) = self.open.take() {
            drop(relay);
            running.join().unwrap();
        }
    }

    fn reopen(&mut self) {
        self.close();
        self.open = Some(open(&self.dev, &self.clock));
    }

    fn trust(&self) -> Trust {
        let genesis = genesis::parse(&fs::read(&self.dev.made.genesis).unwrap()).unwrap();
        Trust::new(&Trust::log_keys(&genesis), None).unwrap()
    }

    /// Verifies both logs as a reader of these directories finds them, and gives their sizes.
    fn verified(&self, directory: &Path) -> [Option<u64>; 2] {
        Log::ALL.map(|log| {
            let at = directory.join(log.as_str());
            if !at.join(CHECKPOINT).exists() {
                return None;
            }
            let summary =
                audit::verify(&at, &self.trust(), &Options::default(), &mut |_| {}).unwrap();
            assert_eq!(summary.origin, format!("detente-test/{}", log.as_str()));
            Some(summary.size)
        })
    }

    fn sizes(&self) -> [Option<u64>; 2] {
        let heads = self.relay().published().heads();
        Log::ALL.map(|log| Some(heads.of(log).size))
    }
}

impl Drop for Press {
    fn drop(&mut self) {
        if let Some((_, running)) = self.open.take() {
            // The test has failed already if it was not closed.
            let _ended = running.join();
        }
    }
}

/// Every file below a directory with when it was written, by its name there.
fn written(directory: &Path) -> BTreeMap<String, SystemTime> {
    let mut found = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(at) = left.pop() {
        let Ok(entries) = fs::read_dir(&at) else { continue };
        for entry in entries.map(Result::unwrap) {
            if entry.path().is_dir() {
                left.push(entry.path());
            } else {
                let name = entry.path().strip_prefix(directory).unwrap().to_owned();
                let when = entry.metadata().unwrap().modified().unwrap();
                found.insert(name.to_str().unwrap().to_owned(), when);
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_turn_publishes_what_is_new_and_a_restart_goes_on() {
    let mut press = Press::new();
    let mut older: Vec<PathBuf> = Vec::new();
    for (round, more) in [0, 1, 3, 260, 40].into_iter().enumerate() {
        press.say(more).await;
        press.turn().await;
        assert_eq!(press.relay().why_unpublished(), None);
        assert_eq!(press.verified(&press.public()), press.sizes());
        let newest = press.relay().heads().newest(Log::Directory).unwrap();
        assert_eq!(newest.size, 1);
        let head = press.dev.path().join(format!("head-{round}"));
        fs::copy(press.public().join("traffic").join(CHECKPOINT), &head).unwrap();
        older.push(head);
        let before = written(&press.public());
        press.turn().await;
        assert_eq!(written(&press.public()), before, "nothing was new");
        if round % 2 == 1 {
            press.reopen();
        }
    }
    let options = Options {
        older: older.iter().map(|at| Older::read(at).unwrap()).collect(),
        ..Options::default()
    };
    let traffic = press.public().join("traffic");
    let summary = audit::verify(&traffic, &press.trust(), &options, &mut |_| {}).unwrap();
    assert_eq!(summary.older_heads, older.len());

    // What was lost of the files is made anew, and with the tables too.
    press.close();
    fs::remove_dir_all(press.public()).unwrap();
    fs::remove_dir_all(press.dev.relay_data().join("tables")).unwrap();
    press.reopen();
    press.turn().await;
    assert_eq!(press.verified(&press.public()), press.sizes());
    press.close();
}

/// The files of a turn in the order in which they were written, and after each a crash: what is
/// there verifies as it stands, and the next start goes on from it.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_after_any_file_leaves_logs_that_verify_and_go_on() {
    let mut press = Press::new();
    press.say(250).await;
    press.turn().await;
    let at = |name: &str| press.dev.path().join(name);
    let [before, after] = ["before", "after"].map(&at);
    let keep = |to: &Path| {
        copy_tree(&press.public(), &to.join("public"));
        copy_tree(&press.own(), &to.join("log"));
    };
    keep(&before);
    let old = press.sizes();
    press.say(20).await;
    let known: BTreeMap<String, SystemTime> = both(&press);
    press.turn().await;
    keep(&after);
    let mut new: Vec<(SystemTime, String)> = both(&press)
        .into_iter()
        .filter(|(name, when)| known.get(name) != Some(when))
        .map(|(name, when)| (when, name))
        .collect();
    // Within a tick of the file system's clock, in the order in which a turn writes.
    new.sort_by_key(|(when, name)| (*when, stage(name), name.clone()));
    let names: Vec<&str> = new.iter().map(|(_, name)| name.as_str()).collect();
    assert!(names.len() >= 6, "{names:?}");
    assert_eq!(*names.last().unwrap(), "public/traffic/checkpoint", "{names:?}");
    let committed = names.iter().position(|name| *name == "log/published.json").unwrap();
    let partial = names.iter().position(|name| name.contains(".p/")).unwrap();
    assert!(committed < partial, "a head is committed before it can be seen: {names:?}");

    for crash in 0..=names.len() {
        let at = at(&format!("crash-{crash}"));
        copy_tree(&before, &at);
        for name in &names[..crash] {
            fs::create_dir_all(at.join(name).parent().unwrap()).unwrap();
            fs::copy(after.join(name), at.join(name)).unwrap();
        }
        if let Some(next) = names.get(crash) {
            fs::create_dir_all(at.join(next).parent().unwrap()).unwrap();
            fs::write(at.join(format!("{next}.unfinished")), "cut o").unwrap();
        }
        let seen = press.verified(&at.join("public"));
        assert!(seen == old || seen == press.sizes(), "{seen:?} after {:?}", &names[..crash]);
        press.turn_in(at.join("public"), at.join("log")).await;
        assert_eq!(press.relay().why_unpublished(), None, "after {:?}", &names[..crash]);
        assert_eq!(press.verified(&at.join("public")), press.sizes());
    }
    assert_eq!(press.relay().signers().unwrap().held(), None);
    press.close();
}

/// Where in a turn a file is written: what is full, the head that is committed, what is partial and
/// is seen with it, the head.
fn stage(name: &str) -> u8 {
    match name {
        "log/published.json" => 1,
        _ if name.contains(".p/") => 2,
        _ if name.ends_with("/checkpoint") => 3,
        _ => 0,
    }
}

fn both(press: &Press) -> BTreeMap<String, SystemTime> {
    let named = |prefix: &str, at: &Path| {
        let files = written(at).into_iter();
        files.map(|(name, when)| (format!("{prefix}/{name}"), when)).collect::<Vec<_>>()
    };
    let public = named("public", &press.public());
    public.into_iter().chain(named("log", &press.own())).collect()
}

/// Puts the journal in `from` in the place of the relay's, which is not running.
fn put_journal(press: &Press, from: &Path) {
    let data = press.dev.relay_data();
    for name in ["journal", "tables"] {
        fs::remove_dir_all(data.join(name)).unwrap();
    }
    copy_tree(from, &data.join("journal"));
    // The guard over the store is passed: here the publisher's own look is what counts.
    let accepted = press.dev.relay_data().join("loss-accepted");
    fs::write(accepted, "for a test").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_lacks_what_was_published_signs_nothing_until_it_is_whole_again() {
    let mut press = Press::new();
    press.say(3).await;
    press.turn().await;
    press.close();
    let kept = |name: &str| press.dev.path().join(name);
    let (older, newest, other) = (kept("older"), kept("newest"), kept("other"));
    let journal = press.dev.relay_data().join("journal");
    copy_tree(&journal, &older);
    press.reopen();
    press.say(5).await;
    press.turn().await;
    press.close();
    copy_tree(&journal, &newest);
    // Another history of the same length.
    put_journal(&press, &older);
    press.reopen();
    press.say(5).await;
    press.close();
    copy_tree(&journal, &other);

    let published = press.own().join("published.json");
    let mark = fs::read(&published).unwrap();
    for (journal, with_mark, words) in [
        (&older, true, "the journal has"),
        (&older, false, "the journal has"),
        (&other, true, "others there"),
        (&other, false, "other leaves there"),
    ] {
        press.close();
        put_journal(&press, journal);
        if with_mark {
            fs::write(&published, &mark).unwrap();
        } else {
            fs::remove_file(&published).unwrap();
        }
        press.reopen();
        // A start sees by its own note what a turn sees, before anything is signed.
        press.look().await;
        let held = press.relay().signers().unwrap().held();
        assert_eq!(held.is_some_and(|why| why.contains(words)), with_mark, "{words}");
        let before = written(&press.public());
        press.turn().await;
        let held = press.relay().signers().unwrap().held().unwrap().to_string();
        assert!(held.contains(words) && held.contains("newest journal"), "{held}");
        assert_eq!(press.relay().why_unpublished().as_deref(), Some(held.as_str()));
        let question = press.speaker.question(&net::desk("RO"));
        let refused = press.relay().submit(&Caller { desk: net::desk("NL") }, question).await;
        assert!(matches!(refused, Err(relay::Error::Held(why)) if why == held));
        assert_eq!(written(&press.public()), before, "what was published stays");
    }

    press.close();
    put_journal(&press, &newest);
    press.reopen();
    press.say(2).await;
    press.turn().await;
    assert_eq!(press.relay().why_unpublished(), None);
    assert_eq!(press.verified(&press.public()), press.sizes());
    // Whoever cannot read what was published signs nothing either.
    fs::remove_file(&published).unwrap();
    fs::create_dir(&published).unwrap();
    press.reopen();
    press.look().await;
    assert!(press.relay().signers().unwrap().held().is_some());
    fs::remove_dir(&published).unwrap();
    press.turn().await;
    press.say(1).await;
    press.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_log_of_this_relay_is_left_alone_and_said() {
    let mut press = Press::new();
    press.say(2).await;
    let other = Press::new();
    other.turn().await;
    copy_tree(&other.public(), &press.public());
    let before = written(&press.public());
    press.turn().await;
    let why = press.relay().why_unpublished().unwrap();
    assert!(why.contains("is not signed by detente-test/directory"), "{why}");
    assert_eq!(written(&press.public()), before);
    // It is a mistake in the configuration, and no reason to refuse what desks say.
    assert_eq!(press.relay().signers().unwrap().held(), None);
    press.say(1).await;

    fs::remove_dir_all(press.public()).unwrap();
    press.turn().await;
    assert_eq!(press.relay().why_unpublished(), None);
    assert_eq!(press.verified(&press.public()), press.sizes());

    // Damage at the right edge is said, with what to do.
    let tile = press.public().join("traffic/tile/0/000.p/3");
    fs::write(&tile, [0; 96]).unwrap();
    press.turn().await;
    let why = press.relay().why_unpublished().unwrap();
    assert!(why.contains("tile/0/000.p/3") && why.contains("made anew"), "{why}");
    press.close();
}

/// A directory that cannot be written, as on a full disk: desks notice nothing, it is said, and
/// publishing goes on by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_refuses_is_tried_again_and_delays_nobody() {
    let mut press = Press::new();
    press.say(2).await;
    fs::create_dir_all(press.public()).unwrap();
    let blocked = press.public().join("traffic");
    fs::write(&blocked, "no directory").unwrap();
    let mut publisher = press.publisher(press.public(), press.own());
    for _ in 0..2 {
        press.relay().wait_for_tables(press.relay().published().next_index()).await.unwrap();
        publisher = tokio::task::spawn_blocking(move || {
            publisher.turn();
            publisher
        })
        .await
        .unwrap();
        let why = press.relay().why_unpublished().unwrap();
        assert!(why.contains("the traffic log"), "{why}");
        press.say(1).await;
    }
    fs::remove_file(&blocked).unwrap();
    tokio::task::spawn_blocking(move || publisher.turn()).await.unwrap();
    assert_eq!(press.relay().why_unpublished(), None);
    assert_eq!(press.verified(&press.public()), press.sizes());
    press.close();
}

/// Waits until a published log has so many leaves.
async fn until_published(log: &Path, size: u64) {
    let found = || {
        let note = Files::new(log).checkpoint().ok()?;
        Some(note.text().parse::<Checkpoint>().unwrap().size())
    };
    net::until(&format!("{size} leaves are published"), || found() == Some(size)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_publishes_on_its_clock_also_after_a_kill() {
    let dev = Dev::new(&["NL", "RO"]);
    let sooner = ("interval_seconds = 5", "interval_seconds = 1");
    net::edit_file(&dev.made.relay_config, &[sooner]);
    let speaker = Speaker::new(&dev, "NL");
    let public = dev.relay_config().publish_directory();
    let genesis = dev.made.genesis.to_str().unwrap();
    for round in 1..=3 {
        let mut relay = dev.start_relay();
        let client = relay_client(&dev, "NL");
        until_up(&client, &mut relay).await;
        for _ in 0..5 {
            client.submit(&speaker.question(&net::desk("RO"))).await.unwrap();
        }
        until_published(&public.join("traffic"), round * 5).await;
        relay.kill();
        for log in ["traffic", "directory"] {
            let log = public.join(log);
            let said =
                run(&["verify", "log", log.to_str().unwrap(), "--genesis", genesis, "--json"]);
            let found: Value = serde_json::from_str(&said).unwrap();
            assert_eq!(found["holds"], true, "{found}");
        }
    }
}

/// Records of the journal that say nothing.
fn dummies(relay: &Relay) -> Vec<Record> {
    let records = relay.reader().read(Index(0), 10_000, usize::MAX).unwrap();
    let records = records.iter().map(|stored| codec::decode_record(&stored.record).unwrap());
    records.filter(|record| matches!(record.event.kind, Kind::Padded)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn padding_fills_each_interval_and_nobody_sees_it() {
    let mut press = Press::new();
    press.padding = true;
    let mut size = 0;
    for (said, grown) in [(1, 1), (3, 4), (0, 0), (5, 8), (130, 256), (1, 1)] {
        press.say(said).await;
        press.turn().await;
        assert_eq!(press.relay().why_unpublished(), None);
        size += grown;
        assert_eq!(press.verified(&press.public()), [Some(1), Some(size)]);
        assert_eq!(press.relay().published().heads().traffic.size, size);
    }
    let padded = dummies(press.relay());
    assert_eq!(padded.len() as u64, size - 140);
    for dummy in &padded {
        // In no desk's sequence, without a pair and a request, and provable like any other.
        assert!(dummy.numbering.desk_indexes.is_empty() && dummy.numbering.pair_sequence == 0);
        assert_eq!((&dummy.event.from, &dummy.event.to), (&None, &None));
        assert_eq!((dummy.event.request, dummy.body_len), (None, 0));
        let leaf = dummy.leaf.data(&dummy.event_bytes);
        assert_eq!((leaf.len(), leaf[0]), (33, 1));
    }
    let last = padded.last().unwrap();
    let receipt = press.relay().receipt_of(last.index).await.unwrap();
    assert_eq!((receipt.leaf, &receipt.event), (last.leaf, &last.event_bytes));

    // Every desk's sequence is what it would be without.
    let published = press.relay().published();
    for member in ["NL", "RO"] {
        let next = published.state().next_desk_index(&net::desk(member)).0;
        let records = press.relay().read_desk(&net::desk(member), DeskIndex(0), 1_000).unwrap();
        assert_eq!(records.len() as u64, next);
        assert!(records.iter().all(|record| !matches!(record.event.kind, Kind::Padded)));
        assert_eq!(next, 140);
    }

    // A journal that was padded is replayed, and goes on.
    press.close();
    fs::remove_dir_all(press.dev.relay_data().join("tables")).unwrap();
    press.reopen();
    press.say(2).await;
    press.turn().await;
    assert_eq!(press.verified(&press.public()), [Some(1), Some(size + 2)]);
    press.close();
}
