//! What the relay owes this desk and does not give: proofs, and heads that the witnesses have seen.
//!
//! Not for asking (see `grpc/uplink_checkpoints.rs` and `grpc/uplink_proofs.rs`), and not for
//! judging what comes.
//!
//! | code | reason | meaning |
//! |---|---|---|
//! | D-308 | `LOG_NOT_PROVEN` | the relay does not prove that heads agree, or a record's place |
//! | D-328 | `HEAD_NOT_WITNESSED` | no head with the quorum covers what was signed for us |
//!
//! D-308 comes after five minutes, and at once where the relay has understood and says no about two
//! heads; D-328 after an hour, as too few connected desks are no fault of the relay's, and its
//! operator has been told after five minutes. Only time for which the desk was connected counts: a
//! relay that cannot be reached owes nothing. Both end when what was owed has come. All of it is in
//! memory: a restart of the agent begins to count anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Desk;
use super::alarms::Alarm;
use super::conduct::oldest_of_each;
use crate::codec::Log;
use crate::units::{HOUR_MS, Index, MINUTE_MS, Timestamp};

/// How long a proof may be wanting, in milliseconds of connection.
const PROVEN_WITHIN_MS: i64 = 5 * MINUTE_MS;
/// How long what was signed for this desk may be without a head that the quorum has cosigned.
const WITNESSED_WITHIN_MS: i64 = HOUR_MS;
/// Leaves of a log are watched that came at least so long one after another: 61 at most.
const WATCHED_EVERY_MS: i64 = MINUTE_MS;

const NOT_PROVEN_NEXT: &str = "ask the relay's operator whether its store was restored, and \
                               compare the heads of its logs with other members by another way \
                               than the relay";
const NOT_WITNESSED_NEXT: &str = "ask the relay's operator, and other members by another way than \
                                  the relay, whether the witnesses cosign the log";

/// Something that is owed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// That two heads of this log agree.
    Growth(String),
    /// That this record is in its log.
    Record(Index),
    /// A head with the quorum, with this leaf of the log.
    Head(Log, u64),
}

/// Since when, and why it has not come.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wait {
    at: Timestamp,
    /// The same as the time for which the desk had been connected.
    from_ms: i64,
    within_ms: i64,
    why: String,
    raised: bool,
}

/// What is owed. Time stands still while the relay cannot be heard.
#[derive(Default)]
pub(super) struct Owed {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Milliseconds of connection before this one.
    before_ms: i64,
    /// Since when there is a connection, if there is.
    since: Option<Timestamp>,
    due: BTreeMap<Due, Wait>,
}

impl Owed {
    /// The connection has come, stays or has gone.
    pub(super) fn link(&self, connected: bool, now: Timestamp) {
        let mut state = self.lock();
        if connected && state.since.is_none() {
            state.since = Some(now);
        } else if !connected {
            state.before_ms = state.connected_ms(now);
            state.since = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn connected_ms(&self, now: Timestamp) -> i64 {
        self.before_ms + self.since.map_or(0, |since| now.since_ms(since).max(0))
    }

    /// Something has not come.
    fn lack(&mut self, due: Due, within_ms: i64, why: String, now: Timestamp) {
        let from_ms = self.connected_ms(now);
        let fresh = Wait { at: now, from_ms, within_ms, why: String::new(), raised: false };
        let wait = self.due.entry(due).or_insert(fresh);
        wait.within_ms = wait.within_ms.min(within_ms);
        wait.why = why;
    }

    /// The newest leaf of a log that was signed for us, and how many the witnesses have seen.
    fn watch(&mut self, log: Log, newest: Option<u64>, witnessed: u64, now: Timestamp) {
        self.due.retain(
            |due, _| !matches!(due, Due::Head(of, leaf) if *of == log && *leaf < witnessed),
        );
        let connected_ms = self.connected_ms(now);
        let mut watched = self.due.range(Due::Head(log, 0)..=Due::Head(log, u64::MAX));
        let first = watched.next().map(|(_, wait)| wait);
        let last = watched.next_back().map(|(_, wait)| wait).or(first);
        let passed = |wait: &Wait| connected_ms - wait.from_ms;
        let watches = first.is_none_or(|wait| passed(wait) < wait.within_ms)
            && last.is_none_or(|wait| passed(wait) >= WATCHED_EVERY_MS);
        if let Some(leaf) = newest.filter(|leaf| watches && *leaf >= witnessed) {
            self.lack(Due::Head(log, leaf), WITNESSED_WITHIN_MS, String::new(), now);
        }
    }

    /// What has not come at its limit.
    fn standing(&mut self, now: Timestamp) -> impl Iterator<Item = (&Due, &mut Wait)> {
        let connected_ms = self.connected_ms(now);
        self.due.iter_mut().filter(move |(_, wait)| connected_ms - wait.from_ms >= wait.within_ms)
    }
}

impl Desk {
    /// The relay has not proven that two heads of a log agree. `refused`: it has understood what it
    /// was asked, and says no.
    pub fn lacks_growth(&self, log: &str, why: &str, refused: bool) {
        let within_ms = if refused { 0 } else { PROVEN_WITHIN_MS };
        let due = Due::Growth(log.to_owned());
        self.inner.owed.lock().lack(due, within_ms, why.to_owned(), self.now());
        self.raise_owed();
    }

    /// Every head of a log that this desk was shown agrees with the newest.
    pub fn has_growth(&self, log: &str) {
        self.inner.owed.lock().due.remove(&Due::Growth(log.to_owned()));
    }

    /// The relay has not proven that a record is in its log.
    pub fn lacks_proof(&self, index: Index, why: &str) {
        let now = self.now();
        self.inner.owed.lock().lack(Due::Record(index), PROVEN_WITHIN_MS, why.to_owned(), now);
    }

    /// Records whose proofs are wanted, with their places: those without any, oldest first; then
    /// those that the witnesses have seen, and whose proof says nothing of that.
    pub fn wanted_proofs(&self) -> Vec<(Index, Index)> {
        let file = self.file();
        let proofs = file.proofs();
        let asks = self.policy().witnesses().next().is_some();
        let seen = Log::ALL.into_iter().filter(|_| asks).flat_map(|log| {
            let head = self.witnessed(log.as_str()).witnessed;
            proofs.unwitnessed(log, head.map_or(0, |seen| seen.head.size))
        });
        proofs.unproven().chain(seen).collect()
    }

    /// Raises the alarm of what is owed at its limit, once for each while it stands.
    pub fn raise_owed(&self) {
        for alarm in self.owed_alarms(|wait| !std::mem::replace(&mut wait.raised, true)) {
            let Alarm { code, reason, what, .. } = alarm;
            self.alarm(&format!("{code} {reason}: {what}"));
        }
    }

    /// What is owed at its limit; of each kind at most the oldest fifty.
    pub(super) fn standing_owed(&self) -> Vec<Alarm> {
        oldest_of_each(self.owed_alarms(|_| true))
    }

    fn owed_alarms(&self, mut which: impl FnMut(&mut Wait) -> bool) -> Vec<Alarm> {
        let now = self.now();
        let file = self.file();
        let contradicted = Log::ALL.map(|log| (log, self.is_contradicted(log.as_str())));
        let wanted: BTreeSet<Index> =
            self.wanted_proofs().into_iter().map(|(index, _)| index).collect();
        let signed = Log::ALL.map(|log| {
            let cosigned = self.inner.witness.newest(log.as_str());
            let cosigned = cosigned.and_then(|head| head.size.checked_sub(1));
            let witnessed = self.witnessed(log.as_str()).witnessed;
            let witnessed = witnessed.map_or(0, |seen| seen.head.size);
            (log, file.proofs().newest_unwitnessed(log).max(cosigned), witnessed)
        });
        let mut state = self.inner.owed.lock();
        for (log, newest, witnessed) in signed {
            state.watch(log, newest, witnessed, now);
        }
        // Evidence against a log stands for itself: its heads are not followed.
        let is_moot = |of: &str| contradicted.iter().any(|(log, is)| *is && log.as_str() == of);
        state.due.retain(|due, _| match due {
            Due::Growth(log) => !is_moot(log),
            Due::Head(log, _) => !is_moot(log.as_str()),
            Due::Record(index) => wanted.contains(index),
        });
        let dealt = |due: &Due| match due {
            Due::Record(index) => file.conduct().is_known(&unproven_id(*index)),
            Due::Growth(_) | Due::Head(..) => false,
        };
        let mut told = BTreeSet::new();
        let mut alarms = Vec::new();
        for (due, wait) in state.standing(now) {
            // Of the heads of a log the oldest one is enough.
            let again = matches!(due, Due::Head(log, _) if !told.insert(*log));
            if !again && !dealt(due) && which(wait) {
                alarms.push(alarm(due, wait));
            }
        }
        alarms
    }
}

fn alarm(due: &Due, wait: &Wait) -> Alarm {
    let Wait { at, why, .. } = wait;
    let (id, code, reason, what, next) = match due {
        Due::Growth(_) => (String::new(), "D-308", "LOG_NOT_PROVEN", why.clone(), NOT_PROVEN_NEXT),
        Due::Record(index) => {
            let what = format!("the relay does not prove that record {index} is in its log: {why}");
            (unproven_id(*index), "D-308", "LOG_NOT_PROVEN", what, NOT_PROVEN_NEXT)
        }
        Due::Head(log, leaf) => {
            let what = format!(
                "the log {} has signed for this desk that leaf {leaf} is in it, and no head with \
                 that leaf has come that enough witnesses have cosigned",
                log.as_str()
            );
            (String::new(), "D-328", "HEAD_NOT_WITNESSED", what, NOT_WITNESSED_NEXT)
        }
    };
    Alarm { id, code, reason, what, next, since: Some(*at) }
}

fn unproven_id(index: Index) -> String {
    format!("unproven-{index}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(minutes: i64) -> Timestamp {
        Timestamp(minutes * MINUTE_MS)
    }

    fn standing(owed: &Owed, at: i64) -> Vec<Due> {
        owed.lock().standing(minutes(at)).map(|(due, _)| due.clone()).collect()
    }

    #[test]
    fn only_time_with_a_connection_counts() {
        let owed = Owed::default();
        let growth = Due::Growth("traffic".to_owned());
        owed.link(true, minutes(0));
        owed.lock().lack(growth.clone(), PROVEN_WITHIN_MS, "first".to_owned(), minutes(1));
        owed.link(true, minutes(2));
        owed.link(false, minutes(4));
        owed.link(false, minutes(90));
        assert_eq!(standing(&owed, 100), [], "three minutes of connection");
        owed.link(true, minutes(100));
        owed.lock().lack(growth.clone(), PROVEN_WITHIN_MS, "again".to_owned(), minutes(101));
        assert_eq!(standing(&owed, 101), []);
        assert_eq!(standing(&owed, 102), std::slice::from_ref(&growth));
        // Whoever says no is not waited for, and a clock that is put back takes nothing away.
        let other = Due::Growth("directory".to_owned());
        owed.lock().lack(other.clone(), PROVEN_WITHIN_MS, String::new(), minutes(102));
        owed.lock().lack(other.clone(), 0, String::new(), minutes(102));
        assert_eq!(standing(&owed, 102), [other.clone(), growth.clone()]);
        owed.link(false, minutes(50));
        owed.lock().due.remove(&other);
        assert_eq!(standing(&owed, 50), []);
    }

    #[test]
    fn each_leaf_waits_for_its_own_head() {
        let owed = Owed::default();
        owed.link(true, minutes(0));
        let mut state = owed.lock();
        for (at, newest) in [(0, 7), (0, 8), (30, 9), (31, 12)] {
            state.watch(Log::Traffic, Some(newest), 5, minutes(at));
        }
        let watched: Vec<Due> = state.due.keys().cloned().collect();
        assert_eq!(watched, [7, 9, 12].map(|leaf| Due::Head(Log::Traffic, leaf)));
        // Heads come, and never one with what was signed last.
        state.watch(Log::Traffic, Some(20), 9, minutes(59));
        let at = |state: &mut State, at| {
            state.standing(minutes(at)).map(|(due, _)| due.clone()).collect::<Vec<_>>()
        };
        assert_eq!(at(&mut state, 89), []);
        assert_eq!(at(&mut state, 90), [Due::Head(Log::Traffic, 9)]);
        state.watch(Log::Traffic, Some(20), 20, minutes(90));
        assert_eq!(at(&mut state, 118), []);
        assert_eq!(at(&mut state, 119), [Due::Head(Log::Traffic, 20)]);
        state.watch(Log::Traffic, None, 21, minutes(120));
        assert!(state.due.is_empty());
    }
}
