//! The promises, one module each. One binary, because eight would take four times as long to build.

mod tlog;
