//! The text of `relay.toml` and `desk.toml`, with every key and its default.
//!
//! Not for reading them: `config` does.

use crate::units::{DeskId, Hash, Name};

/// `relay.toml` for the genesis with this hash. Port 0 lets the system choose.
pub(super) fn relay(network: &Name, hash: Hash, port: u16) -> String {
    let (operator, metrics) = if port == 0 { (0, 0) } else { (port + 1, port + 2) };
    format!(
        r#"# The relay of {network}. Paths are relative to this file.
[network]
genesis = "../genesis.bin"
genesis_sha256 = "{hash}"

[listen]
desks = "127.0.0.1:{port}"
operator = "127.0.0.1:{operator}"
metrics = "127.0.0.1:{metrics}"

[tls]
certificate = "relay.crt.pem"
key = "relay.key"
revocation_lists = "crl"

[logs]
directory_key = "log-directory.key"
traffic_key = "log-traffic.key"
wait_for_witnesses_seconds = 10

[unlock]
file = "unlock"

[store]
directory = "data"
tables_cache_bytes = 33554432

[publish]
interval_seconds = 5
padding = false

[limits]
envelope_bytes_max = 262144

[log]
filter = "info"
format = "text"
"#
    )
}

/// `desk.toml` for the genesis with this hash, and a relay on this port of this machine.
pub(super) fn desk(desk: &DeskId, hash: Hash, port: u16) -> String {
    format!(
        r#"# The desk {desk}. Paths are relative to this file.
desk = "{desk}"

[network]
genesis = "../../../genesis.bin"
genesis_sha256 = "{hash}"

[relay]
address = "127.0.0.1:{port}"

[tls]
certificate = "desk.crt.pem"
key = "tls.key"

[unlock]
file = "unlock"

[keys]
desk = "desk.key"
encryption = ["encryption.key"]
witness = "witness.key"

[[officer]]
name = "chief"
key = "officers/chief.key"

[[officer]]
name = "duty"
key = "officers/duty.key"

[store]
directory = "data"

[counter]
socket = "agent.sock"

[log]
filter = "info"
format = "text"
"#
    )
}
