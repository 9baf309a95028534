//! Every key of `relay.toml` and `desk.toml` in one place: what it means, its range and default.
//!
//! Not where they are read: that is `relay.rs` and `desk.rs`, and a test holds both together, with
//! the tables of the README, which are rendered from here.

use std::fmt::Write as _;

/// A line of the README's table: keys that are explained together.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The keys, in order.
    pub keys: &'static [Key],
    /// What joins their names in the table.
    pub joint: &'static str,
    /// What they mean, with unit and range.
    pub meaning: &'static str,
    /// The default as people read it; empty for what has none and must be given.
    pub default: &'static str,
}

/// A key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its full name, as "listen.desks".
    pub name: &'static str,
    /// Its value in TOML.
    pub value: Value,
}

/// What a key is set to.
#[derive(Debug, Clone, Copy)]
pub enum Value {
    /// It must be given; this is an example.
    Given(&'static str),
    /// It may be left out; this is its default.
    Default(&'static str),
    /// It may be left out, and then there is none; this is an example.
    Unset(&'static str),
}

use Value::{Default, Given, Unset};

const fn key(name: &'static str, value: Value) -> Key {
    Key { name, value }
}

const fn row(keys: &'static [Key], meaning: &'static str, default: &'static str) -> Row {
    Row { keys, joint: ", ", meaning, default }
}

const GENESIS: Row =
    row(&[key("network.genesis", Given("\"genesis.bin\""))], "the signed genesis", "");

const HASH: Row = row(
    &[key(
        "network.genesis_sha256",
        Given("\"0000000000000000000000000000000000000000000000000000000000000000\""),
    )],
    "its hash, 64 hexadecimal digits",
    "",
);

const POLICY: Row = row(
    &[key("network.policy", Unset("\"policy.txt\""))],
    "which witnesses must have cosigned a head of the logs (C2SP tlog-policy)",
    "two thirds of the genesis' committee",
);

const UNLOCK: Row = Row {
    keys: &[
        key("unlock.file", Given("\"unlock\"")),
        key("unlock.credential", Unset("\"detente-unlock\"")),
    ],
    joint: " or ",
    meaning: "the secret that opens the keys; exactly one of the two",
    default: "",
};

const FILTER: Row = row(
    &[key("log.filter", Default("\"info\""))],
    "directives as of tracing's `EnvFilter`",
    "`info`",
);

const FORMAT: Row = row(&[key("log.format", Default("\"text\""))], "`text` or `json`", "`text`");

/// The rows of `relay.toml`.
pub const RELAY: &[Row] = &[
    GENESIS,
    HASH,
    POLICY,
    row(
        &[key("listen.desks", Given("\"0.0.0.0:7410\""))],
        "address for desks: gRPC over mutual TLS 1.3",
        "",
    ),
    row(
        &[key("listen.operator", Given("\"127.0.0.1:7411\""))],
        "health, reflection, operator's service; loopback only",
        "",
    ),
    row(&[key("listen.metrics", Unset("\"127.0.0.1:7412\""))], "Prometheus; loopback only", "none"),
    row(
        &[key("listen.log", Unset("\"0.0.0.0:7413\""))],
        "the published logs over HTTPS, for everybody: no certificate is asked for",
        "none",
    ),
    row(
        &[
            key("tls.certificate", Given("\"relay.crt.pem\"")),
            key("tls.key", Given("\"relay.key\"")),
        ],
        "certificate chain (PEM), key (encrypted)",
        "",
    ),
    row(
        &[key("tls.revocation_lists", Given("\"crl\""))],
        "directory with one list per member: `nl.crl.pem`",
        "",
    ),
    row(
        &[key("tls.witness_authorities", Default("\"/etc/ssl/certs/ca-certificates.crt\""))],
        "PEM, for witnesses of the policy whose address is HTTPS",
        "the system's",
    ),
    row(
        &[
            key("logs.directory_key", Given("\"log-directory.key\"")),
            key("logs.traffic_key", Given("\"log-traffic.key\"")),
        ],
        "keys that sign the heads of the two logs (encrypted); the genesis pins them",
        "",
    ),
    row(
        &[
            key("logs.next_directory_key", Unset("\"log-directory-2.key\"")),
            key("logs.next_traffic_key", Unset("\"log-traffic-2.key\"")),
        ],
        "keys that take their place: announced at the start, then signing beside them",
        "none",
    ),
    row(
        &[key("logs.wait_for_witnesses_seconds", Default("10"))],
        "how long a start waits for the quorum of witnesses before it signs anything: 0 to 86,400; \
         a store that may be an older copy waits without end",
        "10",
    ),
    UNLOCK,
    row(&[key("store.directory", Given("\"/var/lib/detente-relay\""))], "journal and tables", ""),
    row(
        &[key("store.tables_cache_bytes", Default("33554432"))],
        "the tables' cache: 1 MiB to 1 GiB",
        "32 MiB",
    ),
    row(
        &[key("store.journal_segment_bytes", Default("67108864"))],
        "size of a file of the journal, allocated whole: 4 MiB to 1 GiB",
        "64 MiB",
    ),
    row(
        &[key("publish.directory", Unset("\"/var/lib/detente-public\""))],
        "where the logs are published: a directory each, for any web server or rsync to carry",
        "`public` in the store",
    ),
    row(
        &[key("publish.interval_seconds", Default("5"))],
        "the clock on which new heads are published: 1 to 60 s",
        "5 s",
    ),
    row(
        &[key("publish.padding", Default("false"))],
        "fill up the growth of the traffic log to powers of two with leaves that say nothing",
        "`false`",
    ),
    row(
        &[key("limits.envelope_bytes_max", Default("262144"))],
        "the largest envelope: 4 KiB to 1 MiB",
        "256 KiB",
    ),
    FILTER,
    FORMAT,
];

/// The rows of `desk.toml`. The README shows those that `relay.toml` has not.
pub const DESK: &[Row] = &[
    row(&[key("desk", Given("\"NL/cyber\""))], "which desk: `NL/cyber`", ""),
    GENESIS,
    HASH,
    POLICY,
    row(&[key("relay.address", Given("\"relay.example:7410\""))], "host and port of the relay", ""),
    row(
        &[key("tls.certificate", Given("\"desk.crt.pem\"")), key("tls.key", Given("\"tls.key\""))],
        "the desk's own",
        "",
    ),
    row(
        &[key("tls.relay_revocation_lists", Unset("\"crl\""))],
        "directory with `relay.crl.pem`",
        "none",
    ),
    UNLOCK,
    row(&[key("keys.desk", Given("\"desk.key\""))], "the machine key, which signs receipts", ""),
    row(
        &[key("keys.encryption", Given("[\"encryption.key\"]"))],
        "keys that open bodies, newest first",
        "",
    ),
    row(
        &[key("keys.witness", Unset("\"witness.key\""))],
        "cosigns the heads of the logs; without it the desk is no witness",
        "none",
    ),
    row(
        &[
            key("officer.name", Given("\"jansen\"")),
            key("officer.key", Given("\"officers/jansen.key\"")),
        ],
        "one `[[officer]]` for each who signs here",
        "",
    ),
    row(
        &[key("officer.uids", Unset("[1000]"))],
        "Unix users who may act as this officer, by number; nobody else gets in at the socket",
        "the agent's own",
    ),
    row(
        &[key("store.directory", Given("\"/var/lib/detente-desk\""))],
        "the desk's own journal, encrypted",
        "",
    ),
    row(
        &[key("counter.socket", Given("\"/run/detente-desk/agent.sock\""))],
        "where officers call, at most 107 bytes",
        "",
    ),
    row(&[key("listen.metrics", Unset("\"127.0.0.1:7420\""))], "Prometheus; loopback only", "none"),
    FILTER,
    FORMAT,
];

/// A commented file with every key: what must be given with an example, the rest with its default.
/// Keys without a default are commented out.
pub fn render(title: &str, rows: &[Row]) -> String {
    let mut text = format!(
        "# {title} Every key of it, with what it is when it is left out. Relative paths\n\
         # start from the directory of this file.\n"
    );
    let mut table = "";
    for row in rows {
        let name = row.keys.first().map(|key| key.name).unwrap_or_default();
        let own = name.rsplit_once('.').map_or("", |(own, _)| own);
        if own != table {
            table = own;
            let header = if own == "officer" { "[[officer]]" } else { &format!("[{own}]") };
            let _infallible = write!(text, "\n{header}\n");
        } else if own.is_empty() {
            text.push('\n');
        }
        let default = match row.default {
            "" => String::new(),
            default => format!(" Left out: {default}."),
        };
        let _infallible = writeln!(text, "# {}.{default}", capitalised(row.meaning));
        for Key { name, value } in row.keys {
            let short = name.rsplit('.').next().unwrap_or(name);
            let _infallible = match value {
                Given(value) | Default(value) => writeln!(text, "{short} = {value}"),
                Unset(value) => writeln!(text, "# {short} = {value}"),
            };
        }
    }
    text
}

/// The README's table of these rows.
pub fn table(rows: &[Row]) -> String {
    let mut text = "| key | meaning | default |\n|---|---|---|\n".to_owned();
    for Row { keys, joint, meaning, default } in rows {
        let names: Vec<String> = keys.iter().map(|key| format!("`{}`", key.name)).collect();
        let default = if default.is_empty() { String::new() } else { format!("{default} ") };
        let _infallible = writeln!(text, "| {} | {meaning} | {default}|", names.join(joint));
    }
    text
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>())
        + chars.as_str()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::super::{Desk, Relay};
    use super::*;

    const README: &str = include_str!("../../README.md");

    fn names(rows: &[Row]) -> BTreeSet<&'static str> {
        rows.iter().flat_map(|row| row.keys).map(|key| key.name).collect()
    }

    #[test]
    fn what_is_printed_is_read_and_says_the_defaults_that_count() {
        let text = render("relay.toml.", RELAY);
        let full = Relay::parse(&text, Path::new("/etc/relay.toml")).unwrap();
        assert_eq!(full, Relay::parse(&bare(&text, RELAY), Path::new("/etc/relay.toml")).unwrap());
        let text = render("desk.toml.", DESK);
        let full = Desk::parse(&text, Path::new("/etc/desk.toml")).unwrap();
        assert_eq!(full, Desk::parse(&bare(&text, DESK), Path::new("/etc/desk.toml")).unwrap());
    }

    /// Without the keys that have a default, and with none of the others touched.
    fn bare(text: &str, rows: &[Row]) -> String {
        let defaults: Vec<String> = rows
            .iter()
            .flat_map(|row| row.keys)
            .filter_map(|key| match key.value {
                Default(value) => {
                    Some(format!("{} = {value}", key.name.rsplit('.').next().unwrap()))
                }
                Given(_) | Unset(_) => None,
            })
            .collect();
        assert!(!defaults.is_empty());
        let keep = |line: &&str| !defaults.iter().any(|default| default == line);
        text.lines().filter(keep).collect::<Vec<_>>().join("\n")
    }

    /// The reader itself says which keys it knows, when it meets one that it does not.
    #[test]
    fn the_reader_knows_these_keys_and_no_others() {
        let relay = |text: &str| Relay::parse(text, Path::new("r")).unwrap_err().why;
        let desk = |text: &str| Desk::parse(text, Path::new("d")).unwrap_err().why;
        assert_eq!(known(&render("", RELAY), &relay), names(RELAY));
        assert_eq!(known(&render("", DESK), &desk), names(DESK));
    }

    fn known(text: &str, read: &dyn Fn(&str) -> String) -> BTreeSet<&'static str> {
        let mut found = BTreeSet::new();
        let tables: Vec<&str> = text.lines().filter(|line| line.starts_with('[')).collect();
        let top = read(&format!("nonsense = 1\n{text}"));
        for name in listed(&top) {
            let is_table = |t: &&str| t.trim_matches(['[', ']']) == name;
            if !tables.iter().any(is_table) {
                found.insert(leak(name));
            }
        }
        for table in tables {
            let with = text.replacen(table, &format!("{table}\nnonsense = 1"), 1);
            let own = table.trim_matches(['[', ']']);
            found.extend(listed(&read(&with)).iter().map(|name| leak(format!("{own}.{name}"))));
        }
        found
    }

    /// The names between backquotes after the unknown one.
    fn listed(why: &str) -> Vec<String> {
        assert!(why.contains("unknown field `nonsense`, expected"), "{why}");
        why.split('`').skip(3).step_by(2).map(str::to_owned).collect()
    }

    fn leak(text: impl Into<String>) -> &'static str {
        Box::leak(text.into().into_boxed_str())
    }

    #[test]
    fn the_readme_has_these_tables() {
        assert!(README.contains(&table(RELAY)), "{}", table(RELAY));
        let relays = names(RELAY);
        let own: Vec<Row> = DESK
            .iter()
            .filter(|row| row.meaning == "the desk's own" || !relays.contains(row.keys[0].name))
            .copied()
            .chain(DESK.iter().filter(|row| row.keys[0].name == "listen.metrics").copied())
            .collect();
        assert!(README.contains(&table(&own)), "{}", table(&own));
    }

    #[test]
    fn the_samples_show_every_key() {
        let samples = [
            (include_str!("../../deploy/relay.toml"), RELAY),
            (include_str!("../../deploy/desk.toml"), DESK),
        ];
        for (sample, rows) in samples {
            for name in names(rows) {
                let short = name.rsplit('.').next().unwrap();
                assert!(sample.contains(&format!("{short} = ")), "{name}");
            }
        }
    }
}
