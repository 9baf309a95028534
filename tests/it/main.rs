//! The promises, one module each. One binary, because eight would take four times as long to build.

mod desk_pair;
mod desk_store;
mod tlog;
