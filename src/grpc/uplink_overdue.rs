//! Raises the alarm of what has no receipt at its limit, while the relay is there and while it is
//! not; and of proofs and heads that the relay owes.
//!
//! Not for what the limits are (see `desk/conduct.rs` and `desk/owed.rs`).

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::desk::Desk;

/// How often it is looked: limits are minutes and hours.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks until the desk is stopped or its disk fails.
pub(super) async fn run(desk: &Desk, mut stopping: watch::Receiver<bool>) {
    let mut raised = BTreeSet::new();
    while !*stopping.borrow() && desk.failed().is_none() {
        desk.raise_overdue(&mut raised);
        desk.raise_owed();
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}
