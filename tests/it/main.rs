//! The promises, one module each. One binary, because eight would take four times as long to build.

#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test whose preparation fails has failed, and its numbers are small"
)]

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
