//! The promises, one module each. One binary, because eight would take four times as long to build.

mod api_calls;
mod api_limits;
mod api_malformed;
mod api_net;
mod api_operator;
mod tlog;
