//! The promises, one module each. One binary, because eight would take four times as long to build.

mod envelope;
mod envelope_forms;
mod envelope_genesis;
mod tidy;
mod tlog;
