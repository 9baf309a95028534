//! The promises, one module each. One binary, because eight would take four times as long to build.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is its purpose")]

mod envelope;
mod envelope_forms;
mod envelope_genesis;
mod tidy;
mod tlog;
