//! The promises, one module each. One binary, because eight would take four times as long to build.

#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test whose preparation fails has failed, and its numbers are small"
)]

mod api_calls;
mod api_limits;
mod api_malformed;
mod api_net;
mod api_operator;
mod bad_input;
mod bad_input_officer;
mod bad_input_peers;
mod bad_input_store;
mod canary;
mod bad_input_wire;
mod bad_input_wire_counter;
mod cli_readme;
mod codec;
mod demo;
mod desk_agent;
mod desk_intake;
mod desk_pair;
mod desk_store;
mod disk;
mod envelope;
mod envelope_forms;
mod envelope_genesis;
mod identity_keyfile;
mod identity_lab;
mod identity_openssl;
mod identity_pairs;
mod identity_pki;
mod identity_revocation;
mod identity_tls;
mod identity_uri;
mod journal_battery;
mod journal_disk;
mod journal_faults;
mod journal_flips;
mod journal_powercut;
mod journal_torn;
mod kill;
mod moves;
mod net;
mod records;
mod relay_streams;
mod reload;
mod rules_deadlines;
mod rules_fixture;
mod rules_properties;
mod rules_refusals;
mod tables;
mod tidy;
mod tlog;
