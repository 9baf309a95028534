//! The promises, one module each. One binary, because eight would take four times as long to build.

mod journal_battery;
mod journal_disk;
mod journal_faults;
mod journal_flips;
mod journal_powercut;
mod journal_torn;
