//! How long to wait before trying again: longer and longer, and never all at once.
//!
//! Not for deciding whether to try again.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::desk::Desk;

/// Keeps a stream to the relay up until the desk is stopped or its disk fails: `stream` runs until
/// something is wrong and says what; after a pause, or at once when the relay has come or gone, it
/// is begun again. It resets `backoff` when it has worked. `what` says in the log what is wanting
/// meanwhile.
pub(super) async fn keep_up<F: Future<Output = String>>(
    what: &'static str,
    desk: &Desk,
    backoff: &Backoff,
    mut stopping: watch::Receiver<bool>,
    stream: impl Fn() -> F,
) {
    let mut link = desk.link();
    while !*stopping.borrow() && desk.failed().is_none() {
        let trouble = tokio::select! {
            trouble = stream() => trouble,
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        tracing::debug!(trouble, "{what}");
        link.borrow_and_update();
        tokio::select! {
            () = sleep(backoff.pause()) => {}
            // The relay has come or gone: look again at once.
            _ = link.changed() => {}
            _ = stopping.wait_for(|stop| *stop) => break,
        }
    }
}

/// Pauses with full jitter: the n-th is anywhere between nothing and 1 s, 2 s, 4 s ... up to a
/// limit. The first is at most [`FIRST_MAX`], because most troubles pass at once.
#[derive(Debug)]
pub(super) struct Backoff {
    max: Duration,
    tries: AtomicU32,
}

/// The first pause is shorter.
const FIRST_MAX: Duration = Duration::from_millis(200);
/// The second pause.
const BASE: Duration = Duration::from_secs(1);

impl Backoff {
    /// Pauses of at most `max`.
    pub(super) const fn new(max: Duration) -> Self {
        Self { max, tries: AtomicU32::new(0) }
    }

    /// It worked: the next pause is a first one.
    pub(super) fn reset(&self) {
        self.tries.store(0, Ordering::Relaxed);
    }

    /// The next pause.
    pub(super) fn pause(&self) -> Duration {
        let longest = self.longest();
        // 2^32 pauses of a second are more than a century.
        self.tries.fetch_add(1, Ordering::Relaxed);
        longest.mul_f64(fraction())
    }

    fn longest(&self) -> Duration {
        match self.tries.load(Ordering::Relaxed).checked_sub(1) {
            None => FIRST_MAX.min(self.max),
            Some(n) => BASE.saturating_mul(1 << n.min(20)).min(self.max),
        }
    }
}

/// A random number from 0 to 1. Without a random source there is no jitter.
fn fraction() -> f64 {
    let mut bytes = [0; 4];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        return 1.0;
    }
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_limit_and_begin_again() {
        let backoff = Backoff::new(Duration::from_secs(120));
        let mut longest = Vec::new();
        for _ in 0..10 {
            longest.push(backoff.longest().as_millis());
            let most = backoff.longest();
            assert!(backoff.pause() <= most);
        }
        let expected = [200, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 120_000, 120_000];
        assert_eq!(longest, expected);
        backoff.reset();
        assert_eq!(backoff.longest(), FIRST_MAX);
        let quick = Backoff::new(Duration::from_millis(50));
        assert!((0..40).all(|_| quick.pause() <= Duration::from_millis(50)));
    }
}
