//! Bad input, third part: what relay and agent find on their disks. The real programs, as started
//! by hand: each refusal has its exit code, its code, the place and the next action.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use crate::net::{self, Dev, Speaker, until_up};

/// Runs to its end; both forms of the error must agree.
fn refused(arguments: &[&str], exit: i32, code: &str, says: &[&str]) {
    let run = |arguments: &[&str]| -> Output {
        let program = env!("CARGO_BIN_EXE_detente");
        Command::new("timeout").arg("60").arg(program).args(arguments).output().unwrap()
    };
    let output = run(arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {said}");
    let error = said.split("error: ").nth(1).unwrap_or_else(|| panic!("no error: {said}"));
    assert!(error.contains(&format!("[{code}]")), "{arguments:?}: {said}");
    assert!(error.contains("  next:  "), "{arguments:?}: {said}");
    for word in says {
        assert!(error.contains(word), "{arguments:?}: no {word:?} in {said}");
    }
    let json = run(&[arguments, &["--json"]].concat());
    let said = String::from_utf8(json.stderr).unwrap();
    let last = said.lines().last().unwrap();
    let error: serde_json::Value = serde_json::from_str(last).unwrap();
    assert_eq!(error["error"]["code"], code, "{said}");
    assert_eq!(error["error"]["exit"], exit);
    assert_ne!(error["error"]["next"], "");
}

/// A copy of a configuration, beside it, with words replaced; each must be there.
fn changed(config: &Path, changes: &[(&str, &str)]) -> PathBuf {
    let mut text = std::fs::read_to_string(config).unwrap();
    for (from, to) in changes {
        text = net::edit_first(&text, from, to);
    }
    let copy = config.with_file_name("changed.toml");
    std::fs::write(&copy, text).unwrap();
    copy
}

/// The relay's configuration on other ports.
fn elsewhere(dev: &Dev, changes: &[(&str, &str)]) -> PathBuf {
    let listen = dev.relay_config().listen;
    let ports = [
        format!("\"{}\"", listen.desks),
        format!("\"{}\"", listen.operator),
        format!("\"{}\"", listen.metrics.unwrap()),
    ];
    let free = "\"127.0.0.1:0\"";
    let mut all: Vec<(&str, &str)> = ports.iter().map(|port| (port.as_str(), free)).collect();
    all.extend(changes);
    changed(&dev.made.relay_config, &all)
}

fn relay(config: &Path) -> [&str; 3] {
    ["relay", "--config", config.to_str().unwrap()]
}

fn agent(config: &Path) -> [&str; 3] {
    ["desk", "--config", config.to_str().unwrap()]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_on_a_directory_is_refused_and_the_first_goes_on() {
    let dev = Dev::new(&["NL", "RO"]);
    let mut first = dev.start_relay();
    let client = net::relay_client(&dev, "NL");
    until_up(&client, &mut first).await;
    let mut desk = dev.start_agent("RO");
    let socket = dev.desk_config("RO").counter.socket;
    while !socket.exists() {
        assert!(desk.is_running(), "{}", desk.tail());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    let same = &dev.made.relay_config;
    refused(&relay(same), 1, "C-604", &["listen.desks", "cannot be bound"]);
    let data = dev.relay_data().join("journal");
    refused(
        &relay(&elsewhere(&dev, &[])),
        1,
        "C-402",
        &["another process", data.to_str().unwrap()],
    );
    refused(&["verify", "--journal", data.to_str().unwrap()], 1, "C-402", &["another process"]);
    refused(&["rebuild", "--config", same.to_str().unwrap()], 1, "C-402", &["another process"]);
    let config = &dev.made.desk_configs[&net::desk("RO")];
    let second = changed(config, &[("agent.sock", "second.sock")]);
    refused(&agent(&second), 1, "C-402", &["another process"]);
    let second = changed(config, &[("directory = \"data\"", "directory = \"data2\"")]);
    refused(&agent(&second), 1, "C-606", &["agent.sock"]);

    let said = Speaker::new(&dev, "NL").question(&net::desk("RO"));
    assert!(!client.submit(&said).await.unwrap().repeat);
    let status = net::run(&["desk", "status", "--json", "--socket", socket.to_str().unwrap()]);
    assert!(status.contains("\"desk\": \"RO/cyber\""), "{status}");
    assert!(first.is_running() && desk.is_running());
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let dev = Dev::new(&["NL"]);
    let config = changed(&dev.made.relay_config, &[("[store]", "[store]\ncolour = 1")]);
    let text = std::fs::read_to_string(&config).unwrap();
    let line = text.lines().position(|line| line.starts_with("colour")).unwrap() + 1;
    refused(&relay(&config), 2, "C-102", &[&format!("line {line}, column 1"), "store.colour"]);
    let own = &dev.made.desk_configs[&net::desk("NL")];
    let config = changed(own, &[("[counter]", "[counter]\nsockett = \"x\"")]);
    let text = std::fs::read_to_string(&config).unwrap();
    let line = text.lines().position(|line| line.starts_with("sockett")).unwrap() + 1;
    refused(&agent(&config), 2, "C-102", &[&format!("line {line}, column 1"), "counter.sockett"]);
}

#[test]
fn secrets_that_are_exposed_or_wrong_are_refused() {
    let dev = Dev::new(&["NL"]);
    let desk = &dev.made.desk_configs[&net::desk("NL")];
    for (own, arguments) in [
        (dev.made.relay_config.clone(), relay(&dev.made.relay_config)),
        (desk.clone(), agent(desk)),
    ] {
        let unlock = own.with_file_name("unlock");
        let mode = |mode| std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&unlock, mode(0o644)).unwrap();
        refused(&arguments, 1, "C-603", &["its mode is 644", unlock.to_str().unwrap()]);
        std::fs::set_permissions(&unlock, mode(0o600)).unwrap();
        let right = std::fs::read(&unlock).unwrap();
        std::fs::write(&unlock, "0".repeat(64)).unwrap();
        refused(&arguments, 1, "C-605", &[".key"]);
        std::fs::write(&unlock, "short").unwrap();
        refused(&arguments, 1, "C-603", &["shorter than 16 bytes"]);
        std::fs::write(&unlock, right).unwrap();
        std::fs::remove_file(own.with_file_name("changed.toml")).unwrap_or_default();
        let gone = changed(&own, &[("file = \"unlock\"", "file = \"nowhere\"")]);
        let gone = [arguments[0], arguments[1], gone.to_str().unwrap()];
        refused(&gone, 1, "C-603", &["nowhere"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_genesis_that_is_not_the_journals_or_not_the_pinned_one_is_refused() {
    let dev = Dev::new(&["NL", "RO"]);
    let other = Dev::new(&["NL", "RO"]);
    stopped_after_some(&dev).await;
    let pinned = dev.made.hash.to_string();
    let wrong = elsewhere(&dev, &[(pinned.as_str(), &other.made.hash.to_string())]);
    refused(&relay(&wrong), 1, "C-602", &[&pinned, &other.made.hash.to_string()]);

    // The other network's relay, on this one's data.
    let store = format!("directory = {:?}", dev.relay_data());
    let foreign = elsewhere(&other, &[("directory = \"data\"", &store)]);
    refused(&relay(&foreign), 1, "C-602", &["genesis"]);
    // Nothing was spoilt by trying.
    stopped_after_some(&dev).await;
}

/// What was committed and is damaged is found, named and not served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_was_changed_or_cut_is_refused_with_the_place() {
    let dev = Dev::new(&["NL", "RO"]);
    stopped_after_some(&dev).await;
    let journal = dev.relay_data().join("journal");
    let segment = journal.join("0000000000.seg");
    let whole = std::fs::read(&segment).unwrap();
    net::run(&["verify", "--journal", journal.to_str().unwrap()]);
    let address = b"NL/cyber";
    let place = whole.windows(address.len()).position(|bytes| bytes == address).unwrap();

    let mut flipped = whole.clone();
    flipped[place] ^= 1;
    for damaged in [flipped, whole[..place].to_vec()] {
        std::fs::write(&segment, &damaged).unwrap();
        let says = ["0000000000.seg is damaged at byte", "record ", "restore a copy"];
        let own = &dev.made.relay_config;
        refused(&relay(own), 3, "C-401", &says);
        refused(&relay(own), 3, "C-401", &[segment.parent().unwrap().to_str().unwrap()]);
        refused(&["verify", "--journal", journal.to_str().unwrap()], 3, "C-401", &says);
        refused(&["rebuild", "--config", own.to_str().unwrap()], 3, "C-401", &says);
        assert_eq!(std::fs::read(&segment).unwrap(), damaged, "the evidence was changed");
    }
    std::fs::write(&segment, &whole).unwrap();
    stopped_after_some(&dev).await;
}

/// A journal of which nothing is left is not taken for one that never was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_is_gone_is_missed() {
    let dev = Dev::new(&["NL", "RO"]);
    stopped_after_some(&dev).await;
    let journal = dev.relay_data().join("journal");
    let (own, segment) = (&dev.made.relay_config, journal.join("0000000000.seg"));
    let aside = |name: &str| dev.relay_data().join(name);
    let rebuild = ["rebuild", "--config", own.to_str().unwrap()];
    let verify = ["verify", "--journal", journal.to_str().unwrap()];
    std::fs::rename(&segment, aside("segment")).unwrap();
    let says = ["0000000000.seg", "is missing", "was here", "restore a copy"];
    for command in [&relay(own)[..], &rebuild, &verify] {
        refused(command, 3, "C-401", &says);
    }
    std::fs::rename(&journal, aside("gone")).unwrap();
    refused(&relay(own), 3, "C-401", &["the tables that were made from it are there"]);
    refused(&verify, 1, "C-404", &["journal"]);
    assert!(!journal.exists(), "another was begun in its place");
    // The very files: of a copy the relay would ask the witnesses first whether it is older.
    std::fs::rename(aside("gone"), &journal).unwrap();
    std::fs::rename(aside("segment"), &segment).unwrap();
    stopped_after_some(&dev).await;
}

/// What an agent keeps is as well guarded as what a relay keeps.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_file_that_was_changed_cut_or_lost_is_refused_with_the_place() {
    let dev = Dev::new(&["NL", "RO"]);
    let own = &dev.made.desk_configs[&net::desk("NL")];
    let store = dev.desk_config("NL").store.directory;
    let segment = store.join("0000000000.seg");
    let started_and_stopped = || {
        let mut process = dev.start_agent("NL");
        let socket = dev.desk_config("NL").counter.socket;
        net::until_blocking("the agent is up", || socket.exists());
        process.signal("TERM");
        assert!(process.wait(net::PATIENCE).success(), "{}", process.tail());
    };
    started_and_stopped();
    let whole = std::fs::read(&segment).unwrap();
    let mut flipped = whole.clone();
    flipped[12_300] ^= 1;
    for damaged in [flipped, whole[..13_000].to_vec()] {
        std::fs::write(&segment, &damaged).unwrap();
        refused(&agent(own), 3, "C-401", &["0000000000.seg is damaged at byte", "record 0"]);
        assert_eq!(std::fs::read(&segment).unwrap(), damaged, "the evidence was changed");
    }
    std::fs::remove_file(&segment).unwrap();
    refused(&agent(own), 3, "C-401", &["is missing", "was here"]);
    std::fs::write(&segment, &whole).unwrap();
    started_and_stopped();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o077;
    assert_eq!(mode(&store), 0, "others may look into it");
}

/// One of two copies of a commit mark: nothing is lost, but it is said, and mended at the start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_commit_mark_that_was_changed_is_reported_and_written_again() {
    let dev = Dev::new(&["NL", "RO"]);
    stopped_after_some(&dev).await;
    let journal = dev.relay_data().join("journal");
    let segment = journal.join("0000000000.seg");
    let verify = ["verify", "--journal", journal.to_str().unwrap()];
    for (copy, at) in [(4096, 4100), (8192, 8200)] {
        let mut bytes = std::fs::read(&segment).unwrap();
        bytes[at] ^= 1;
        std::fs::write(&segment, &bytes).unwrap();
        let place = format!("field: 0000000000.seg: the copy of the mark at byte {copy}");
        refused(&verify, 3, "C-408", &[&place, "start the relay"]);
        stopped_after_some(&dev).await;
        net::run(&verify);
    }
    let log = std::fs::read_to_string(dev.path().join("relay.log")).unwrap();
    assert_eq!(log.matches("a copy of a commit mark did not hold").count(), 2, "{log}");
}

/// Runs the relay, has something recorded, and stops it in order.
async fn stopped_after_some(dev: &Dev) {
    let mut relay = dev.start_relay();
    let client = net::relay_client(dev, "NL");
    until_up(&client, &mut relay).await;
    client.submit(&Speaker::new(dev, "NL").question(&net::desk("RO"))).await.unwrap();
    relay.signal("TERM");
    assert!(relay.wait(net::PATIENCE).success(), "{}", relay.tail());
}
