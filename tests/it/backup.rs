//! D11: a backup that is made under load is whole, holds everything that was acknowledged before it
//! was begun, and comes back on an empty directory as the same log; one that was tampered with, is
//! shorter than what is known, or another's, is refused.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use detente::backup::{self, Manifest, Owner};
use detente::codec;
use detente::envelope::genesis;
use detente::journal::{Body, FileJournal, Journal as _, Stored};
use detente::relay::{self, Relay, SystemClock};
use detente::rules::command::ErasureReason;
use detente::tables;
use detente::units::{Caller, Hash, Index};

use crate::net::{self, Dev, Process, Speaker, until_up};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_comes_back_as_the_same_log() {
    let dev = Arc::new(Dev::new(&["NL", "RO"]));
    let mut relay = dev.start_relay();
    until_up(&net::relay_client(&dev, "NL"), &mut relay).await;
    let over = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(AtomicU64::new(0));
    let writers: Vec<_> = (0..4)
        .map(|_| tokio::spawn(write(Arc::clone(&dev), Arc::clone(&acknowledged), over.clone())))
        .collect();
    let mut backups = Vec::new();
    for n in 0..4 {
        let earlier = acknowledged.load(Ordering::SeqCst);
        net::until("load", || acknowledged.load(Ordering::SeqCst) > earlier + 10).await;
        let before = acknowledged.load(Ordering::SeqCst);
        let name = dev.path().join(format!("backup-{n}"));
        succeeds(&backup_of(&dev.made.relay_config, &name));
        let manifest = Manifest::read(&name).unwrap();
        assert!(manifest.next_index > before, "record {before} was acknowledged before");
        backups.push((name, manifest));
    }
    over.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(backups[3].1.next_index > backups[0].1.next_index, "the load was no load");
    let idle = dev.path().join("backup-idle");
    succeeds(&backup_of(&dev.made.relay_config, &idle));
    backups.push((idle.clone(), Manifest::read(&idle).unwrap()));
    stop(relay);

    let original = dev.relay_data();
    for (n, (name, manifest)) in backups.iter().enumerate() {
        let config = elsewhere(&dev, &format!("restored-{n}"));
        succeeds(&restore_of(name, &config, &[]));
        let restored = detente::config::Relay::read(&config).unwrap().store.directory;
        same_log(&original, &restored, manifest);
        if manifest.next_index == backups[4].1.next_index {
            assert_eq!(fingerprint(&original), fingerprint(&restored));
        }
    }
}

/// Submits question after question.
async fn write(dev: Arc<Dev>, acknowledged: Arc<AtomicU64>, over: Arc<AtomicBool>) {
    let (speaker, client) = (Speaker::new(&dev, "NL"), net::relay_client(&dev, "NL"));
    while !over.load(Ordering::SeqCst) {
        let recorded = client.submit(&speaker.question(&net::desk("RO"))).await.unwrap();
        acknowledged.fetch_max(recorded.index.0, Ordering::SeqCst);
    }
}

#[test]
fn a_tampered_backup_is_refused_and_what_is_wrong_is_named() {
    let lab = Lab::new(6);
    let config = elsewhere(&lab.dev, "empty");
    let segment = lab.backup.join("journal/0000000000.seg");
    let whole = std::fs::read(&segment).unwrap();
    let manifest = std::fs::read_to_string(lab.backup.join("manifest.json")).unwrap();
    let end = last_byte(&whole);
    for at in [20, 5000, 12288 + 140, end / 2, end - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        std::fs::write(&segment, &bytes).unwrap();
        refused(&restore_of(&lab.backup, &config, &[]), 3, "C-805", &["0000000000.seg"]);
        // Whoever mends the manifest as well is found out by the journal's own checksums.
        let mended = Hash::of(&[&bytes]).to_string();
        let mended = net::edit(&manifest, &Hash::of(&[&whole]).to_string(), &mended);
        std::fs::write(lab.backup.join("manifest.json"), mended).unwrap();
        if at != 5000 {
            let says = ["0000000000.seg is damaged at byte", "record"];
            refused(&restore_of(&lab.backup, &config, &[]), 3, "C-401", &says);
        }
        std::fs::write(lab.backup.join("manifest.json"), &manifest).unwrap();
    }
    std::fs::write(&segment, &whole).unwrap();
    let other = lab.backup.join("journal/0000000001.seg");
    std::fs::write(&other, b"x").unwrap();
    refused(&restore_of(&lab.backup, &config, &[]), 3, "C-805", &["0000000001.seg"]);
    std::fs::remove_file(&other).unwrap();
    let short = net::edit(&manifest, "\"next_index\": 7", "\"next_index\": 6");
    std::fs::write(lab.backup.join("manifest.json"), short).unwrap();
    refused(&restore_of(&lab.backup, &config, &[]), 3, "C-804", &["manifest.json", "7 records"]);
    std::fs::write(lab.backup.join("manifest.json"), &manifest).unwrap();
    let empty = detente::config::Relay::read(&config).unwrap().store.directory;
    assert!(!empty.exists(), "something was written");
    succeeds(&restore_of(&lab.backup, &config, &[]));
}

#[test]
fn a_log_that_another_holds_a_head_of_must_lead_there() {
    let lab = Lab::new(3);
    let config = elsewhere(&lab.dev, "empty");
    let heads = Manifest::read(&lab.backup).unwrap().heads.unwrap();
    let longer = format!("9:{}", heads.traffic.split_once(':').unwrap().1);
    let (size, root) = heads.traffic.split_once(':').unwrap();
    let swap = |c: char| if c == 'a' { 'b' } else { 'a' };
    let other = format!("{size}:{}", root.chars().map(swap).collect::<String>());
    for head in [longer, other] {
        refused(&restore_of(&lab.backup, &config, &["--head", &head]), 3, "C-808", &["traffic"]);
    }
    refused(&restore_of(&lab.backup, &config, &["--head", "3"]), 2, "", &["SIZE:ROOT"]);
    let directory = format!("directory:{}", heads.directory);
    let heads = ["--head", &heads.traffic, "--head", &directory];
    succeeds(&restore_of(&lab.backup, &config, &heads));
}

#[test]
fn records_are_lost_only_when_the_operator_names_them() {
    let lab = Lab::new(3);
    let later = lab.dev.path().join("later");
    lab.submit(4);
    succeeds(&backup_of(&lab.dev.made.relay_config, &later));
    let config = &lab.dev.made.relay_config;
    let short = |more: &[&str]| restore_of(&lab.backup, config, more);

    refused(&short(&[]), 1, "C-802", &["journal is there already", "--move-aside"]);
    let says = ["records 4..7", "the journal that is there has them", "members hold receipts"];
    refused(&short(&["--move-aside"]), 1, "C-809", &says);
    let wrong = ["--move-aside", "--give-up-records", "5..7"];
    refused(&short(&wrong), 1, "C-810", &["4..7"]);
    let more = ["--move-aside", "--expect-at-least", "12"];
    refused(&short(&more), 1, "C-809", &["records 4..11"]);
    refused(&restore_of(&later, config, &["--give-up-records", "4..7"]), 1, "C-802", &[]);
    let needless = ["--move-aside", "--give-up-records", "4..7"];
    refused(&restore_of(&later, config, &needless), 1, "C-810", &["nothing would be lost"]);
    let fresh = elsewhere(&lab.dev, "fresh");
    refused(
        &restore_of(&lab.backup, &fresh, &["--expect-at-least", "8"]),
        1,
        "C-809",
        &["records 4..7", "known to have had 8 records"],
    );

    let said = succeeds(&short(&needless));
    assert!(said.contains("gone for good: records 4..7"), "{said}");
    let aside = set_aside(&lab.dev.relay_data());
    assert_eq!((records(&lab.dev.relay_data().join("journal")), records(&aside)), (4, 8));
    // The later backup brings them back: nothing is lost by it.
    succeeds(&restore_of(&later, config, &["--move-aside"]));
    assert_eq!(records(&lab.dev.relay_data().join("journal")), 8);

    // A history that went on differently is a loss as well, however long the backup is.
    std::fs::remove_dir_all(lab.dev.relay_data().join("journal")).unwrap();
    succeeds(&short(&[]));
    lab.submit(2);
    let says = ["records 4..5", "goes on differently"];
    refused(&restore_of(&later, config, &["--move-aside"]), 1, "C-809", &says);
}

#[test]
fn a_loss_is_accepted_only_by_a_restore_that_was_finished() {
    let lab = Lab::new(3);
    lab.submit(4);
    let (config, data) = (&lab.dev.made.relay_config, lab.dev.relay_data());
    let accepted = data.join("loss-accepted");
    // A name that is too long for what it would be set aside as.
    let published = lab.dev.path().join("p".repeat(250));
    std::fs::create_dir(&published).unwrap();
    let text = std::fs::read_to_string(config).unwrap();
    let directory = format!("[publish]\ndirectory = \"{}\"\n", published.display());
    let elsewhere = config.with_file_name("published.toml");
    std::fs::write(&elsewhere, text.replace("[publish]\n", &directory)).unwrap();
    // That of an earlier loss says nothing of this one.
    std::fs::write(&accepted, "another one").unwrap();
    std::fs::write(data.join("incarnation"), "of the store before").unwrap();

    let give_up = ["--move-aside", "--give-up-records", "4..7"];
    let output = restore_of(&lab.backup, &elsewhere, &give_up);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    refused(&output, 1, "C-815", &["the restore is not finished", "rename", "start nothing"]);
    assert!(!said.contains("nothing was restored"), "{said}");
    assert!(!accepted.exists() && !data.join("incarnation").exists(), "{said}");
    assert_eq!(records(&data.join("journal")), 4);

    // Again, where it can be set aside.
    succeeds(&restore_of(&lab.backup, config, &["--move-aside", "--expect-at-least", "4"]));
    assert!(!accepted.exists(), "nothing was lost by this one");
    let give_up = [&["--expect-at-least", "8"][..], &give_up[..]].concat();
    succeeds(&restore_of(&lab.backup, config, &give_up));
    let words = std::fs::read_to_string(&accepted).unwrap();
    assert!(words.starts_with("records 4..7 were given up"), "{words}");
}

#[test]
fn a_damaged_journal_is_replaced_by_its_backup_and_kept() {
    let lab = Lab::new(5);
    let segment = lab.dev.relay_data().join("journal/0000000000.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    let end = last_byte(&bytes);
    bytes[end * 2 / 3] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    let again = lab.dev.path().join("again");
    let says = ["0000000000.seg is damaged"];
    refused(&backup_of(&lab.dev.made.relay_config, &again), 3, "C-401", &says);
    assert!(!again.exists());
    succeeds(&restore_of(&lab.backup, &lab.dev.made.relay_config, &["--move-aside"]));
    assert_eq!(records(&lab.dev.relay_data().join("journal")), 6);
    assert_eq!(
        std::fs::read(set_aside(&lab.dev.relay_data()).join("0000000000.seg")).unwrap(),
        bytes
    );
}

#[test]
fn a_backup_is_for_its_own_store_and_never_half_there() {
    let lab = Lab::new(1);
    let other = Dev::new(&["NL", "RO"]);
    let config = &other.made.relay_config;
    refused(&restore_of(&lab.backup, config, &[]), 1, "C-806", &["not of the relay"]);
    let desk = &lab.dev.made.desk_configs[&net::desk("NL")];
    refused(&restore_of(&lab.backup, desk, &[]), 1, "C-806", &["the desk NL/cyber"]);
    refused(&backup_of(desk, &lab.dev.path().join("none")), 1, "C-801", &["no journal"]);
    let taken = backup_of(&lab.dev.made.relay_config, &lab.backup);
    refused(&taken, 1, "C-802", &["choose another name"]);
    assert!(!String::from_utf8_lossy(&taken.stderr).contains("--move-aside"));
    // Neither a name of nothing nor any other directory is a backup.
    for none in [lab.dev.path().join("nosuch"), lab.dev.path().to_owned()] {
        let says = ["is no backup", "that detente backup has made"];
        refused(&restore_of(&none, &lab.dev.made.relay_config, &[]), 1, "C-816", &says);
    }
    // What cannot be looked at is not taken for what is not there.
    let store = other.relay_data();
    std::os::unix::fs::symlink(&store, &store).unwrap();
    let says = ["look for", "who may read"];
    refused(&backup_of(config, &lab.dev.path().join("none")), 1, "C-811", &says);
    // What a killed backup left behind is in nobody's way.
    let name = lab.dev.path().join("after");
    std::fs::create_dir_all(lab.dev.path().join("after.unfinished/journal")).unwrap();
    succeeds(&backup_of(&lab.dev.made.relay_config, &name));
    let mut left = std::fs::read_dir(lab.dev.path()).unwrap().flatten();
    assert!(!left.any(|entry| entry.file_name().to_string_lossy().contains("unfinished")));
    // No relay, no restore: the running one keeps its directory.
    let mut relay = lab.dev.start_relay();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async { until_up(&net::relay_client(&lab.dev, "NL"), &mut relay).await });
    let says = ["in use by another process"];
    refused(&restore_of(&name, &lab.dev.made.relay_config, &["--move-aside"]), 1, "C-803", &says);
    stop(relay);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_was_erased_is_in_no_later_backup() {
    let dev = Dev::new(&["NL", "RO"]);
    let dev = Arc::new(dev);
    let opened = Arc::clone(&dev);
    let (relay, running) = tokio::task::spawn_blocking(move || open(&opened)).await.unwrap();
    let question = Speaker::new(&dev, "NL").question(&net::desk("RO"));
    let submitted = relay.submit(&caller(), question).await.unwrap();
    let owner = owner(&dev);
    let made = |name: &str| {
        let to = dev.path().join(name);
        backup::make(&dev.relay_data(), &owner, &to, net::now(), &mut |_| {}).unwrap();
        body(&to.join("journal"), submitted.index)
    };
    assert!(matches!(made("before"), Body::Present(_)));
    let (reading, index) = (relay.clone(), submitted.index);
    let place = tokio::task::spawn_blocking(move || reading.body_place(index)).await.unwrap();
    relay.erase(&place.unwrap().unwrap(), ErasureReason::LegalOrder).await.unwrap();
    assert_eq!(made("after"), Body::Erased);
    drop(relay);
    tokio::task::spawn_blocking(|| running.join()).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_desk_goes_on_with_its_restored_store() {
    let dev = Dev::new(&["NL", "RO"]);
    let config = &dev.made.desk_configs[&net::desk("NL")];
    let agent = dev.start_agent("NL");
    let socket = dev.desk_config("NL").counter.socket;
    let send = |id: &str| {
        let own = ["--socket", socket.to_str().unwrap(), "--message-id", id, "--json"];
        let arguments = [&["desk", "send"], &own[..], &net::QUESTION].concat();
        Command::new(env!("CARGO_BIN_EXE_detente")).args(arguments).output().unwrap()
    };
    net::until("the agent is up", || socket.exists()).await;
    let id = "0193a5a0-0000-7000-8000-000000000001";
    let first = send(id);
    let said = String::from_utf8_lossy(&first.stdout).into_owned();
    assert!(said.contains("QUEUED"), "{said}{}", String::from_utf8_lossy(&first.stderr));
    let name = dev.path().join("desk-backup");
    succeeds(&backup_of(config, &name));
    agent.kill();
    std::fs::remove_dir_all(dev.desk_config("NL").store.directory).unwrap();
    succeeds(&restore_of(&name, config, &[]));
    let manifest = Manifest::read(&name).unwrap();
    assert_eq!((manifest.desk.as_deref(), manifest.heads), (Some("NL/cyber"), None));

    let mut relay = dev.start_relay();
    until_up(&net::relay_client(&dev, "NL"), &mut relay).await;
    let _agent = dev.start_agent("NL");
    let client = net::relay_client(&dev, "NL");
    let started = std::time::Instant::now();
    loop {
        // What waited in the outbox when the backup was made is sent, and once only.
        let again = send(id);
        let said = String::from_utf8_lossy(&again.stdout).into_owned();
        if said.contains("RECORDED") {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{said}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    drop(client);
}

/// A relay's store with some questions in it, and a backup of it.
struct Lab {
    dev: Dev,
    backup: PathBuf,
}

impl Lab {
    fn new(questions: usize) -> Self {
        let dev = Dev::new(&["NL", "RO"]);
        let backup = dev.path().join("backup");
        let lab = Self { dev, backup };
        lab.submit(questions);
        succeeds(&backup_of(&lab.dev.made.relay_config, &lab.backup));
        lab
    }

    fn submit(&self, questions: usize) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (relay, running) = open(&self.dev);
        let speaker = Speaker::new(&self.dev, "NL");
        for _ in 0..questions {
            runtime.block_on(relay.submit(&caller(), speaker.question(&net::desk("RO")))).unwrap();
        }
        drop(relay);
        running.join().unwrap();
    }
}

fn caller() -> Caller {
    Caller { desk: net::desk("NL") }
}

fn owner(dev: &Dev) -> Owner {
    Owner { desk: None, network: "detente-test".to_owned(), genesis: dev.made.hash }
}

fn open(dev: &Dev) -> (Relay, relay::Running) {
    let options = relay::Options {
        directory: dev.relay_data(),
        journal: Default::default(),
        tables_cache_bytes: 8 << 20,
        envelope_bytes_max: 256 << 10,
        genesis_hash: dev.made.hash,
        signers: None,
        policy: None,
        witnesses_within: Duration::ZERO,
    };
    let signed = std::fs::read(&dev.made.genesis).unwrap();
    assert_eq!(genesis::parse(&signed).unwrap().hash, dev.made.hash);
    Relay::open(&options, &signed, Arc::new(SystemClock::default())).unwrap()
}

/// The relay's configuration with another store.
fn elsewhere(dev: &Dev, name: &str) -> PathBuf {
    let text = std::fs::read_to_string(&dev.made.relay_config).unwrap();
    let line = text.lines().find(|line| line.starts_with("directory = ")).unwrap();
    let directory = dev.path().join(name);
    let text = net::edit(&text, line, &format!("directory = \"{}\"", directory.display()));
    let config = dev.made.relay_config.with_file_name(format!("{name}.toml"));
    std::fs::write(&config, text).unwrap();
    config
}

fn backup_of(config: &Path, name: &Path) -> Output {
    detente(&["backup", "--config", config.to_str().unwrap(), name.to_str().unwrap()])
}

fn restore_of(backup: &Path, config: &Path, more: &[&str]) -> Output {
    let fixed = ["restore", backup.to_str().unwrap(), "--config", config.to_str().unwrap()];
    detente(&[&fixed, more].concat())
}

fn detente(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_detente")).args(arguments).output().unwrap()
}

fn succeeds(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn refused(output: &Output, exit: i32, code: &str, says: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(exit), "{said}");
    assert!(said.contains(code), "no {code} in {said}");
    for word in says {
        assert!(said.contains(word), "no {word:?} in {said}");
    }
}

fn stop(mut process: Process) {
    process.signal("TERM");
    assert!(process.wait(net::PATIENCE).success(), "{}", process.tail());
}

/// Where the last byte of a segment is that is not zero.
fn last_byte(segment: &[u8]) -> usize {
    segment.iter().rposition(|byte| *byte != 0).unwrap()
}

fn set_aside(store: &Path) -> PathBuf {
    let entries =
        std::fs::read_dir(store.join("journal")).unwrap().flatten().map(|entry| entry.path());
    let aside = |path: &PathBuf| path.to_string_lossy().contains("before-restore");
    entries.filter(aside).max().unwrap()
}

fn records(journal: &Path) -> u64 {
    FileJournal::open(journal, Default::default()).unwrap().0.next_index().0
}

fn body(journal: &Path, index: Index) -> Body {
    let (journal, _) = FileJournal::open(journal, Default::default()).unwrap();
    journal.reader().read(index, 1, 0).unwrap().remove(0).body
}

/// Byte by byte the same records and bodies, and the same tree heads.
fn same_log(original: &Path, restored: &Path, manifest: &Manifest) {
    let (original, _) = FileJournal::open(&original.join("journal"), Default::default()).unwrap();
    let (restored, _) = FileJournal::open(&restored.join("journal"), Default::default()).unwrap();
    assert_eq!(original.id(), restored.id());
    assert_eq!(restored.next_index(), Index(manifest.next_index));
    let (original, restored) = (original.reader(), restored.reader());
    let mut next = Index(0);
    while next < Index(manifest.next_index) {
        let copies: Vec<Stored> = restored.read(next, 500, 1 << 20).unwrap();
        let originals = original.read(next, copies.len(), usize::MAX).unwrap();
        assert_eq!(copies, originals);
        next = copies.last().unwrap().index.plus(1);
    }
    let last = Index(manifest.next_index - 1);
    let trailer = original.trailer(last).unwrap();
    assert_eq!(trailer, restored.trailer(last).unwrap());
    let heads = codec::decode_trailer(&trailer.unwrap()).unwrap().1;
    let head = |head: codec::Head| format!("{}:{}", head.size, head.root);
    let named = manifest.heads.as_ref().unwrap();
    assert_eq!(head(heads.traffic), named.traffic);
    assert_eq!(head(heads.directory), named.directory);
}

/// Of the tables that are made anew from a store's journal.
fn fingerprint(store: &Path) -> Hash {
    let (journal, _) = FileJournal::open(&store.join("journal"), Default::default()).unwrap();
    let options = tables::Options { cache_bytes: 8 << 20, journal: journal.id() };
    let fresh = tempfile::tempdir().unwrap();
    let tables = tables::rebuild(
        journal.reader().as_ref(),
        &fresh.path().join("t"),
        &options,
        &mut |_, _| {},
    )
    .unwrap();
    tables.fingerprint().unwrap()
}
