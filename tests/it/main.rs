//! The promises, one module each. One binary, because eight would take four times as long to build.

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
