//! A log as a directory of files (C2SP tlog-tiles): written by whoever publishes it, verified by
//! anybody, offline.
//!
//! Not for what a leaf means, and not for serving files: any web server can. Nothing here needs a
//! secret, a clock or a network.
//!
//! ```text
//! checkpoint                 the newest head, signed by the log, cosigned by witnesses
//! tile/0/x001/x234/067       256 leaf hashes; tile/1/... 256 hashes of such tiles, and so on
//! tile/0/x001/x234/068.p/17  the 17 that there are so far
//! tile/entries/...           the leaves themselves, in bundles of 256
//! ```
//!
//! - What is full never changes; every file is written aside and renamed; the checkpoint is last.
//! - Verification goes from the checkpoint downwards: what a tile must be is known before it is
//!   read, so the file that is named is the one that is wrong. The first one is named: at the
//!   lowest leaf, tiles before entries, whatever the number of threads.

mod damage;
mod edge;
mod files;
mod history;
mod leftover;
mod quick;
mod sweep;
mod trust;
mod verify;
mod writer;

pub use damage::{Damage, Fault};
pub use files::{CHECKPOINT, Files};
pub use history::{Older, check_heads, check_older};
pub use trust::{Accepted, NoTrust, Quorum, Trust};
pub use verify::{Options, Progress, Summary, verify};
pub use writer::{WriteFault, Writer};
