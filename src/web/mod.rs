//! The published logs over HTTPS: served by the relay, fetched by whoever verifies them (C2SP
//! tlog-tiles).
//!
//! Not for publishing (see `relay/publish/`): what is served is what lies in the directory, so any
//! web server can do the same. Reading only, and nothing that is not public: heads, hashes, leaves.
//! So nobody is asked who he is, and nobody who reads can be told from another: whoever asks for a
//! name before he lets the log be checked can show each a log of his own.

mod fetch;
mod serve;
mod shelf;

pub use fetch::{FetchFault, Fetched, LogUrl, fetch};
pub use serve::{Limits, serve};
pub use shelf::{Answer, Shelf};
