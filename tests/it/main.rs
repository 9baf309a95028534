//! The promises, one module each. One binary, because eight would take four times as long to build.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]
#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is its purpose")]

mod desk_agent;
mod desk_intake;
mod api_calls;
mod api_limits;
mod api_malformed;
mod api_net;
mod api_operator;
mod desk_pair;
mod desk_store;
mod envelope;
mod envelope_forms;
mod envelope_genesis;
mod moves;
mod rules_fixture;
mod rules_deadlines;
mod rules_properties;
mod rules_refusals;
mod codec;
mod records;
mod tables;
mod tidy;
mod tlog;
mod net;
mod relay_streams;
mod kill;
mod disk;
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
