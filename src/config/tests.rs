//! The configuration refuses what it should, and says where.

use std::path::Path;

use super::{Desk, LogFormat, Relay};

const RELAY: &str = include_str!("../../deploy/relay.toml");
const DESK: &str = include_str!("../../deploy/desk.toml");

#[test]
fn the_samples_are_read_and_resolved() {
    let relay = Relay::parse(RELAY, Path::new("/etc/detente/relay.toml")).unwrap();
    assert_eq!(relay.tls.key, Path::new("/etc/detente/relay.key"));
    assert_eq!(relay.logs.directory_key, Path::new("/etc/detente/log-directory.key"));
    assert_eq!(relay.logs.traffic_key, Path::new("/etc/detente/log-traffic.key"));
    assert_eq!(relay.store.directory, Path::new("/var/lib/detente-relay"));
    assert_eq!(relay.log.format, LogFormat::Json);
    let desk = Desk::parse(DESK, Path::new("/etc/detente/desk.toml")).unwrap();
    assert_eq!(desk.desk.to_string(), "NL/cyber");
    assert_eq!(desk.officers[0].key, Path::new("/etc/detente/officers/jansen.key"));
    assert_eq!(desk.counter.socket, Path::new("/run/detente-desk/agent.sock"));
}

#[test]
fn what_may_be_left_out_has_its_default() {
    let short: String = without(
        RELAY,
        &["metrics", "tables_cache", "journal_segment", "envelope", "filter", "format"],
    );
    let relay = Relay::parse(&short, Path::new("/r/relay.toml")).unwrap();
    assert_eq!(relay.store.tables_cache_bytes, 32 << 20);
    assert_eq!(relay.store.journal_segment_bytes, 64 << 20);
    assert_eq!(relay.limits.envelope_bytes_max, 256 << 10);
    assert_eq!((relay.log.filter.as_str(), relay.log.format), ("info", LogFormat::Text));
    assert_eq!(relay.listen.metrics, None);
    let desk =
        Desk::parse(&without(DESK, &["uids", "relay_rev", "metrics"]), Path::new("d")).unwrap();
    assert_eq!(desk.officers[0].uids, Vec::<u32>::new());
    assert_eq!((desk.tls.relay_revocation_lists, desk.listen.metrics), (None, None));
}

/// Replaces one line of a sample and expects to be told its number, its key and why.
#[test]
fn a_bad_relay_toml_is_refused_at_its_place() {
    let cases = [
        ("genesis_sha256", "genesis_sha256 = \"00\"", "network.genesis_sha256", "32 belong"),
        ("genesis_sha256", "genesis_sha256 = \"zz\"", "network.genesis_sha256", "hexadecimal"),
        ("desks =", "desks = \"7410\"", "listen.desks", "ADDRESS:PORT"),
        ("operator =", "operator = \"0.0.0.0:7411\"", "listen.operator", "loopback"),
        ("metrics =", "metrics = \"10.0.0.1:7412\"", "listen.metrics", "loopback"),
        ("metrics =", "metrics = \"127.0.0.1:7411\"", "listen.metrics", "same address"),
        ("desks =", "desks = \"127.0.0.1:7411\"", "listen.operator", "same address"),
        ("envelope_bytes_max", "envelope_bytes_max = 4095", "limits.envelope_bytes_max", "range"),
        (
            "envelope_bytes_max",
            "envelope_bytes_max = 1048577",
            "limits.envelope_bytes_max",
            "range",
        ),
        ("envelope_bytes_max", "envelope_bytes_max = -1", "limits.envelope_bytes_max", "invalid"),
        ("tables_cache", "tables_cache_bytes = 1", "store.tables_cache_bytes", "range"),
        ("journal_segment", "journal_segment_bytes = 1", "store.journal_segment_bytes", "range"),
        ("format =", "format = \"xml\"", "log.format", "unknown variant"),
        ("credential =", "credential = \"../x\"", "unlock.credential", "name"),
        ("credential =", "credential = \"a\"\nfile = \"b\"", "unlock.credential", "as well"),
        ("credential =", "", "unlock", "neither"),
        ("certificate =", "certificat = \"a\"", "tls.certificat", "unknown field"),
        ("certificate =", "", "tls.certificate", "missing field"),
        ("certificate =", "certificate = 3", "tls.certificate", "string"),
        ("certificate =", "certificate = ", "tls.certificate", "string"),
        ("key =", "certificate = \"x\"", "tls.certificate", "duplicate"),
        ("traffic_key =", "", "logs.traffic_key", "missing field"),
        ("directory_key =", "directory_key = 7", "logs.directory_key", "string"),
    ];
    for (line, instead, key, why) in cases {
        let text = replaced(RELAY, line, instead);
        let error = Relay::parse(&text, Path::new("relay.toml")).unwrap_err();
        check(&text, instead, &error, key, why);
    }
}

#[test]
fn a_bad_desk_toml_is_refused_at_its_place() {
    let long = format!("socket = \"/{}\"", "s".repeat(107));
    let again = "uids = [1]\n[[officer]]\nname = \"jansen\"\nkey = \"x\"";
    let cases = [
        ("desk = \"NL", "desk = \"nl/cyber\"", "desk", "upper-case"),
        ("desk = \"NL", "", "desk", "missing field"),
        ("address =", "address = \"relay\"", "relay.address", "HOST:PORT"),
        ("address =", "address = \"relay:0\"", "relay.address", "HOST:PORT"),
        ("address =", "address = \"[::1\"", "relay.address", "HOST:PORT"),
        ("encryption =", "encryption = []", "keys.encryption", "no key"),
        ("name =", "name = \"Jansen\"", "officer.name", "a-z"),
        ("uids =", again, "officer.name", "twice"),
        ("uids =", "uids = [-1]", "officer.uids", "invalid"),
        ("socket =", &long, "counter.socket", "107"),
        ("metrics =", "metrics = \"[2001:db8::1]:1\"", "listen.metrics", "loopback"),
        ("metrics =", "operator = \"127.0.0.1:1\"", "listen.operator", "unknown field"),
    ];
    for (line, instead, key, why) in cases {
        let text = replaced(DESK, line, instead);
        let error = Desk::parse(&text, Path::new("desk.toml")).unwrap_err();
        check(&text, instead, &error, key, why);
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Relay::read(Path::new("/nowhere/relay.toml")).unwrap_err();
    assert!(error.to_string().starts_with("/nowhere/relay.toml: "), "{error}");
    assert!(error.next.contains("--config"));
}

/// A key that nobody reads is a promise that nobody keeps.
#[test]
fn every_key_has_a_field() {
    for (text, debug) in [
        (RELAY, format!("{:?}", Relay::parse(RELAY, Path::new("r")).unwrap())),
        (DESK, format!("{:?}", Desk::parse(DESK, Path::new("d")).unwrap())),
    ] {
        for line in text.lines().filter(|line| line.contains(" = ") && !line.starts_with('#')) {
            let key = line.split(" = ").next().unwrap();
            assert!(debug.contains(&format!("{key}: ")), "{key}");
        }
    }
}

#[test]
fn what_is_published_is_apart_from_the_store() {
    let store = "/var/lib/detente-relay";
    for (directory, why) in [
        (store.to_owned(), "it is store.directory itself"),
        (format!("{store}/../detente-relay/."), "it is store.directory itself"),
        (format!("{store}/log"), "it lies in store.directory"),
        (format!("{store}/journal/public"), "it lies in store.directory"),
        ("/var/lib".to_owned(), "store.directory lies in it"),
        ("../../var/lib".to_owned(), "store.directory lies in it"),
    ] {
        let instead = format!("directory = {directory:?}\ninterval_seconds = 5");
        let text = replaced(RELAY, "interval_seconds", &instead);
        let error = Relay::parse(&text, Path::new("/etc/detente/relay.toml")).unwrap_err();
        check(&text, &instead, &error, "publish.directory", why);
    }
    for directory in [&format!("{store}/public"), "/var/lib/detente-public", "/srv/logs"] {
        let instead = format!("directory = {directory:?}\ninterval_seconds = 5");
        let text = replaced(RELAY, "interval_seconds", &instead);
        let relay = Relay::parse(&text, Path::new("/etc/detente/relay.toml")).unwrap();
        assert_eq!(relay.publish_directory(), Path::new(directory));
    }
}

fn check(text: &str, instead: &str, error: &super::Invalid, key: &str, why: &str) {
    assert_eq!(error.key, key, "{instead}: {error}");
    assert!(error.why.contains(why), "{instead}: {error}");
    assert!(!error.next.is_empty());
    let (line, _) = error.place.unwrap();
    let shown = text.lines().nth(line - 1).unwrap_or_default();
    let last = key.rsplit('.').next().unwrap();
    let missing = error.why.contains("missing field") || error.why == "neither file nor credential";
    assert!(missing || shown.trim_start().starts_with(last), "{instead}: line {line} is {shown:?}");
    assert!(error.to_string().contains(&format!("line {line}, column ")), "{error}");
}

fn replaced(sample: &str, start: &str, instead: &str) -> String {
    assert!(sample.lines().any(|line| line.starts_with(start)), "{start}");
    let swap =
        |line: &str| if line.starts_with(start) { instead.to_owned() } else { line.to_owned() };
    sample.lines().map(swap).collect::<Vec<_>>().join("\n")
}

fn without(sample: &str, starts: &[&str]) -> String {
    let keep = |line: &&str| !starts.iter().any(|start| line.starts_with(start));
    sample.lines().filter(keep).collect::<Vec<_>>().join("\n")
}
