//! `detente doctor` and `detente config`: what is right is said to be right, and each thing that is
//! made wrong is found, with its cause and what to do.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::net::{self, Dev, until_up};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_runs_is_well() {
    let dev = Dev::new(&["NL", "RO"]);
    let relay = &dev.made.relay_config;
    let desk = &dev.made.desk_configs[&net::desk("NL")];

    // Before the first start nothing is there, which is nothing bad.
    let checks = examined(relay, &[], 0);
    said(&checks, "relay", "ok", "does not run");
    said(&checks, "port", "ok", "is free");
    said(&checks, "journal", "ok", "none yet");

    let mut process = dev.start_relay();
    until_up(&net::relay_client(&dev, "NL"), &mut process).await;
    let _agent = dev.start_agent("NL");
    let socket = dev.desk_config("NL").counter.socket;
    net::until("the agent is up", || socket.exists()).await;
    let checks = examined(relay, &["--full"], 0);
    for check in ["config", "genesis", "unlock", "permissions", "certificate", "revocation-list"] {
        said(&checks, check, "ok", "");
    }
    for check in ["disk-space", "time-zones", "tables", "clock", "log-keys"] {
        said(&checks, check, "ok", "");
    }
    said(&checks, "journal", "ok", "every byte holds");
    said(&checks, "tables", "ok", "in use");
    said(&checks, "relay", "ok", "runs and serves");
    said(&checks, "port", "ok", "listen.desks");
    let checks = examined(desk, &[], 0);
    for check in ["desk-key", "encryption-key", "officer-key", "certificate", "journal"] {
        said(&checks, check, "ok", "");
    }
    said(&checks, "tls", "ok", "X25519MLKEM768");
    said(&checks, "relay", "ok", "takes this desk's certificate");
    said(&checks, "clock-skew", "ok", "s ahead of the relay's");
    said(&checks, "agent", "ok", "the agent runs");
    let text = detente(&["doctor", "--config", desk.to_str().unwrap()]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.lines().count() > 5, "{text}");
    assert!(text.lines().all(|line| line.starts_with("ok ") || line.starts_with("warn")), "{text}");
}

#[test]
fn what_is_wrong_is_found_and_what_to_do_is_said() {
    let dev = Dev::new(&["NL", "RO"]);
    let relay = &dev.made.relay_config;
    let desk = &dev.made.desk_configs[&net::desk("NL")];
    let config = dev.relay_config();
    let nl = dev.desk_config("NL");

    let traffic = std::fs::read(&config.logs.traffic_key).unwrap();
    std::fs::copy(&config.logs.directory_key, &config.logs.traffic_key).unwrap();
    said(&examined(relay, &[], 1), "log-keys", "fail", "log-traffic.key is of another key");
    std::fs::write(&config.logs.traffic_key, traffic).unwrap();
    chmod(&config.tls.key, 0o644);
    said(&examined(relay, &[], 0), "permissions", "warn", "its mode is 644");
    let list = config.tls.revocation_lists.join("ro.crl.pem");
    std::fs::remove_file(&list).unwrap();
    said(&examined(relay, &[], 1), "revocation-list", "fail", "RO: MISSING");
    said(&examined(relay, &[], 1), "revocation-list", "warn", "ro.crl.pem: there is no list file");
    std::fs::write(&config.tls.certificate, "nothing").unwrap();
    said(&examined(relay, &[], 1), "certificate", "fail", "certificate");
    let taken = std::net::TcpListener::bind(config.listen.desks).unwrap();
    said(&examined(relay, &[], 1), "port", "fail", "listen.desks");
    drop(taken);

    said(&examined(desk, &[], 1), "tls", "fail", "refused");
    let keys = std::fs::read(&nl.keys.desk).unwrap();
    std::fs::copy(&nl.officers[0].key, &nl.keys.desk).unwrap();
    said(&examined(desk, &[], 1), "desk-key", "warn", "another machine key");
    std::fs::write(&nl.keys.desk, keys).unwrap();
    std::fs::write(&nl.keys.encryption[0], "nothing").unwrap();
    said(&examined(desk, &[], 1), "encryption-key", "fail", "cannot be opened");
    chmod(nl.unlock.file.as_ref().unwrap(), 0o640);
    said(&examined(desk, &[], 1), "unlock", "fail", "must be ours alone");
    let other = dev.desk_config("RO").network.genesis;
    std::fs::write(&other, "nothing").unwrap();
    let ro = &dev.made.desk_configs[&net::desk("RO")];
    said(&examined(ro, &[], 1), "genesis", "fail", "genesis");
    std::fs::remove_file(&other).unwrap();
    let checks = examined(ro, &[], 1);
    let unread = checks.iter().find(|check| check["check"] == "genesis").unwrap();
    assert!(unread["next"].as_str().unwrap().contains("who may read"), "{unread}");
    // A store that cannot be looked into is not one that is not there yet.
    let data = dev.relay_data();
    std::os::unix::fs::symlink(&data, &data).unwrap();
    for check in ["store", "journal"] {
        said(&examined(relay, &[], 1), check, "fail", data.to_str().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_journal_is_found_by_reading_it() {
    let dev = Dev::new(&["NL", "RO"]);
    let store = dev.relay_data();
    let journal = store.join("journal");
    let mut process = dev.start_relay();
    until_up(&net::relay_client(&dev, "NL"), &mut process).await;
    process.signal("TERM");
    assert!(process.wait(net::PATIENCE).success());
    let segment = journal.join("0000000000.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[12288 + 200] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    let relay = &dev.made.relay_config;
    said(&examined(relay, &[], 0), "journal", "ok", "headers and marks hold");
    said(&examined(relay, &["--full"], 1), "journal", "fail", "damaged at byte");
    bytes[4096 + 50] ^= 1;
    bytes[8192 + 50] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    said(&examined(relay, &[], 1), "journal", "fail", "neither copy of the commit mark");
    said(
        &examined(relay, &[], 1),
        "journal",
        "fail",
        segment.to_str().unwrap().trim_end_matches("/0000000000.seg"),
    );
    // One that is gone is not one that never was.
    std::fs::remove_file(&segment).unwrap();
    said(&examined(relay, &[], 1), "journal", "fail", "was here");
}

/// While no relay runs the tables are looked into, and stay as they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_are_held_against_their_journal() {
    let devs = [Dev::new(&["NL"]), Dev::new(&["NL"])];
    for dev in &devs {
        let mut relay = dev.start_relay();
        until_up(&net::relay_client(dev, "NL"), &mut relay).await;
        relay.signal("TERM");
        assert!(relay.wait(net::PATIENCE).success());
    }
    let relay = &devs[0].made.relay_config;
    let [ours, theirs] = [0, 1].map(|n| devs[n].relay_data().join("tables"));
    for arguments in [&[][..], &["--full"]] {
        let checks = examined(relay, arguments, 0);
        said(&checks, "tables", "ok", "of this journal, with 1 records");
    }
    let aside = ours.with_extension("aside");
    std::fs::rename(&ours, &aside).unwrap();
    said(&examined(relay, &[], 0), "tables", "ok", "none; the next start makes them");
    std::fs::rename(&theirs, &ours).unwrap();
    said(&examined(relay, &[], 0), "tables", "warn", "they are of the journal");
    std::fs::write(ours.join("db"), [0x5a; 4096]).unwrap();
    said(&examined(relay, &[], 0), "tables", "warn", "");
    std::fs::remove_dir_all(&ours).unwrap();
    std::fs::rename(&aside, &ours).unwrap();
    said(&examined(relay, &[], 0), "tables", "ok", "of this journal");
    let left = std::fs::read_dir(devs[0].relay_data()).unwrap();
    let left: Vec<String> =
        left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!left.iter().any(|name| name.starts_with("doctor-")), "{left:?}");
}

#[test]
fn a_configuration_is_checked_and_printed() {
    let dev = Dev::new(&["NL"]);
    for (config, kind) in
        [(&dev.made.relay_config, "relay"), (&dev.made.desk_configs[&net::desk("NL")], "desk")]
    {
        let checked = detente(&["config", "check", config.to_str().unwrap(), "--json"]);
        let checked: Value = serde_json::from_slice(&checked.stdout).unwrap();
        assert_eq!((&checked["kind"], &checked["valid"]), (&kind.into(), &true.into()));
        let printed = detente(&["config", "print-defaults", kind]);
        assert_eq!(detente(&[kind, "--print-defaults"]).stdout, printed.stdout);
        let file = dev.path().join(format!("{kind}-printed.toml"));
        std::fs::write(&file, &printed.stdout).unwrap();
        let checked = detente(&["config", "check", file.to_str().unwrap()]);
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
        let keys = detente(&["config", "print-defaults", kind, "--json"]);
        let keys: Value = serde_json::from_slice(&keys.stdout).unwrap();
        assert!(keys["keys"].as_array().unwrap().len() > 12);
    }
    let bad = dev.path().join("bad.toml");
    std::fs::write(&bad, "desk = \"NL/cyber\"\nnonsense = 1\n").unwrap();
    let checked = detente(&["config", "check", bad.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(2));
    let said = String::from_utf8(checked.stderr).unwrap();
    assert!(said.contains("C-102") && said.contains("line 2"), "{said}");
}

fn detente(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_detente")).args(arguments).output().unwrap()
}

/// What the doctor says, which must end with this exit code.
fn examined(config: &Path, more: &[&str], exit: i32) -> Vec<Value> {
    let fixed = ["doctor", "--config", config.to_str().unwrap(), "--json"];
    let output = detente(&[&fixed, more].concat());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(exit), "{said}{errors}");
    let document: Value = serde_json::from_str(&said).unwrap();
    let checks = document["checks"].as_array().unwrap().clone();
    for check in &checks {
        let idle = check["state"] == "ok" || check["next"] != "";
        assert!(idle, "nothing to do about {check}");
    }
    checks
}

fn said(checks: &[Value], check: &str, state: &str, words: &str) {
    let is_it = |one: &&Value| {
        one["check"] == check
            && one["state"] == state
            && one["says"].as_str().unwrap().contains(words)
    };
    assert!(checks.iter().any(|one| is_it(&one)), "no {state} {check} with {words:?}: {checks:#?}");
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
