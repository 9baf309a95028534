//! What people ask to see: folds from record to row.
//!
//! Not consulted by any rule, and not kept here (see `tables/`). A row is folded from records and
//! from nothing else, so that rows made live and rows made from the whole journal are the same.
//! The history of a request and a desk's own sequence are lists of record numbers: they need no
//! fold.

pub mod call;
pub mod clocks;
pub mod directory;
pub mod request;
pub mod response_times;
pub mod search;

pub use clocks::Clocks;
pub use directory::{DeskFacts, DeskRow, EntryRow, MemberRow};
pub use request::RequestRow;
pub use response_times::{SettledRow, Subject, TimesRow};
pub use search::Search;
