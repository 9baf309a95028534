//! How the relay treats this desk, as far as the desk's own records show it: alarms that stand.
//!
//! Not for receipts that do not hold (see `receipt.rs`) or for what witnesses find (see
//! `witness/`). What is recorded wrongly follows from the records, so that a replay finds it again;
//! what has not come follows from the statements and the time.
//!
//! | code | reason | meaning |
//! |---|---|---|
//! | D-321 | `STATEMENT_FORGED` | the relay recorded a statement that nobody entitled has signed |
//! | D-322 | `STATEMENT_NOT_OURS` | it recorded one in our name that this desk did not make |
//! | D-323 | `EVENT_MISSING` | events between us and another desk never came, or came twice |
//! | D-324 | `STATEMENT_NOT_RECORDED` | a statement of ours has no receipt of the relay |
//! | D-325 | `STATEMENT_NOT_RECEIPTED` | a statement of ours has no receipt of its recipient |
//! | D-326 | `EVENT_WITHHELD` | an event for us is proven to be in the log, and never came |
//! | D-327 | `EVENT_DIFFERS` | another event is proven to be in the log than the one that came |
//!
//! D-324 comes five minutes after a statement was made, D-325 at the limit within which it should
//! have been delivered (see `rules/deadline.rs`); both end when the receipt comes, and both are
//! raised for every such statement. Of each kind the oldest fifty are shown. Whether a relay
//! that holds something back is hostile or broken is not for the desk to tell: a proof that the
//! sender has, shown to the recipient, tells (see `shown.rs`).

use std::collections::BTreeMap;
use std::sync::Arc;

use rpds::{HashTrieSetSync, RedBlackTreeMapSync};

use super::alarms::Alarm;
use super::case::Held;
use super::case_file::CaseFile;
use super::record::{Monitored, Received, Shown, Verdict};
use crate::codec::Decoded;
use crate::envelope::Statement;
use crate::envelope::words::{Rejection, Urgency};
use crate::rules::deadline::delivery_within_ms;
use crate::rules::transport::Evidence;
use crate::units::{DeskId, MessageId, Timestamp};

/// How many alarms of one kind are shown: whoever sends rubbish could make any number of them, and
/// those of one kind must not hide another.
const SHOWN_MAX: usize = 50;

/// How long the relay may take to record a statement, in milliseconds: one that is there takes
/// less than a second, and an emergency should be delivered within this.
const RECORDED_WITHIN_MS: i64 = delivery_within_ms(Urgency::Emergency);

/// What each kind calls for.
const FORGED_NEXT: &str = "do not act on it; ask the desk in whose name it is by another way than \
                           the relay, keep the proof (detente desk proofs ID -o DIR) and show it \
                           to the other members, then settle the alarm (detente desk settle)";
const NOT_OURS_NEXT: &str = "find out whether an officer's key is in other hands, tell the other \
                             desk by another way than the relay, then settle the alarm (detente \
                             desk settle)";
const MISSING_NEXT: &str = "ask the other desk by another way than the relay what it has sent, and \
                            for its proof (detente desk proofs ID -o DIR): detente desk received \
                            FILE checks it here; then settle the alarm (detente desk settle)";
const UNRECORDED_NEXT: &str = "call the other desk (detente desk directory call DESK); it is sent \
                               again until the relay records it or it lapses";
const UNRECEIPTED_NEXT: &str = "call the other desk (detente desk directory call DESK) and give it \
                                the proof (detente desk proofs ID -o DIR): detente desk received \
                                FILE says there whether the relay withholds it";
const SHOWN_NEXT: &str = "show the proof to the other members by another way than the relay, and \
                          work with the other desk by telephone; then settle the alarm (detente \
                          desk settle)";

/// Part of the case file: see the file's header.
#[derive(Clone)]
pub(super) struct Conduct {
    /// What records show and nobody has dealt with, in the order in which it came.
    found: RedBlackTreeMapSync<u64, Arc<Alarm>>,
    /// Alarms that were dealt with; those of a receipt until it comes.
    dealt: HashTrieSetSync<String>,
    /// Officers' statements of ours that are recorded and not receipted.
    awaited: RedBlackTreeMapSync<MessageId, ()>,
}

impl Conduct {
    pub(super) fn new() -> Self {
        Self {
            found: RedBlackTreeMapSync::new_sync(),
            dealt: HashTrieSetSync::new_sync(),
            awaited: RedBlackTreeMapSync::new_sync(),
        }
    }

    /// An event of a pair of desks came where number `due` was due.
    pub(super) fn numbered(&mut self, received: &Received, decoded: &Decoded, due: u64) {
        let (Some(from), Some(to)) = (&decoded.event.from, &decoded.event.to) else { return };
        let came = decoded.pair_sequence;
        if came == due {
            return;
        }
        let what = if came > due {
            let last = came - 1;
            format!("events {due} to {last} from {from} to {to} never came: number {came} did")
        } else {
            format!("event {came} from {from} to {to} came where number {due} was due")
        };
        let id = format!("missing-{}", received.index);
        self.find((id, "D-323", "EVENT_MISSING"), what, MISSING_NEXT, decoded.time);
    }

    /// A statement came that was not known here.
    pub(super) fn unknown(
        &mut self,
        received: &Received,
        statement: &Statement,
        (ours, at): (bool, Timestamp),
    ) {
        let Statement { message, from, .. } = statement;
        let index = received.index;
        let why = match &received.verdict {
            Verdict::Rejected { rejection: Rejection::NotIdentified, why } => Some(why),
            Verdict::Rejected { .. } | Verdict::Good | Verdict::Foul(_) => None,
        };
        if ours {
            let holds = why.map_or_else(
                || "its signature is that of one of our keys".to_owned(),
                |why| format!("its signature does not hold: {why}"),
            );
            let what = format!(
                "record {index} of the relay has the statement {message} in our name, which this \
                 desk did not make; {holds}"
            );
            let id = format!("not-ours-{index}");
            self.find((id, "D-322", "STATEMENT_NOT_OURS"), what, NOT_OURS_NEXT, at);
        } else if let Some(why) = why {
            let what = format!(
                "record {index} of the relay has the statement {message} in the name of {from}, \
                 which nobody entitled there has signed: {why}"
            );
            let id = format!("forged-{index}");
            self.find((id, "D-321", "STATEMENT_FORGED"), what, FORGED_NEXT, at);
        }
    }

    /// A proof was shown of an event that never came here, or not as it was proven; once for each.
    fn shown(&mut self, shown: &Shown) {
        let Shown { from, to, number, time, leaf, other, proof: _ } = shown;
        let what = format!("event {number} from {from} to {to} is leaf {leaf} of the traffic log");
        let id = shown.id();
        if self.is_known(&id) {
            return;
        }
        match other {
            None => {
                let what = format!("{what}, recorded {time}; the relay has never sent it here");
                self.find((id, "D-326", "EVENT_WITHHELD"), what, SHOWN_NEXT, *time);
            }
            Some(index) => {
                let what = format!("{what}; here the relay sent another, in its record {index}");
                self.find((id, "D-327", "EVENT_DIFFERS"), what, SHOWN_NEXT, *time);
            }
        }
    }

    /// Notes what was shown to us, and what was dealt with.
    pub(super) fn note_monitored(&mut self, what: &Monitored) {
        match what {
            Monitored::Shown(shown) => self.shown(shown),
            Monitored::Dealt { id, .. } => self.deal_with(id),
            Monitored::Witnessed { .. }
            | Monitored::Publishing { .. }
            | Monitored::Settled { .. } => {}
        }
    }

    /// A statement of ours is on the relay's disk.
    pub(super) fn recorded(&mut self, statement: &Statement) {
        if !statement.act.is_machine() {
            self.awaited.insert_mut(statement.message, ());
        }
        self.dealt.remove_mut(&unrecorded_id(statement.message));
    }

    /// There is evidence about a statement of ours.
    pub(super) fn moved(&mut self, held: &Held) {
        if held.transport.as_ref().is_some_and(|transport| transport.is_receipted()) {
            self.awaited.remove_mut(&held.statement.message);
            self.dealt.remove_mut(&unreceipted_id(held.statement.message));
        }
    }

    /// True when records have shown what this alarm is about, be it dealt with or not.
    pub(super) fn is_known(&self, id: &str) -> bool {
        self.dealt.contains(id) || self.found.values().any(|alarm| alarm.id == id)
    }

    fn deal_with(&mut self, id: &str) {
        let found = self.found.iter().find(|(_, alarm)| alarm.id == id);
        if let Some(number) = found.map(|(number, _)| *number) {
            self.found.remove_mut(&number);
        }
        self.dealt.insert_mut(id.to_owned());
    }

    fn find(
        &mut self,
        (id, code, reason): (String, &'static str, &'static str),
        what: String,
        next: &'static str,
        since: Timestamp,
    ) {
        let number = self.found.last().map_or(0, |(number, _)| number + 1);
        let since = Some(since);
        let alarm = Alarm { id, code, reason, what, next, since };
        self.found.insert_mut(number, Arc::new(alarm));
    }
}

impl CaseFile {
    /// What stands at `now`; of each kind at most the oldest fifty.
    pub(super) fn conduct_alarms(&self, now: Timestamp) -> Vec<Alarm> {
        oldest_of_each(self.standing_conduct(now))
    }

    /// All that stands at `now`, the oldest of each kind first.
    pub(super) fn standing_conduct(&self, now: Timestamp) -> Vec<Alarm> {
        let found = self.conduct().found.values().map(|alarm| Alarm::clone(alarm));
        found.chain(self.overdue(now)).collect()
    }

    /// Every statement of ours that has no receipt at its limit, the oldest of each kind first.
    pub(super) fn overdue(&self, now: Timestamp) -> Vec<Alarm> {
        let conduct = self.conduct();
        let awaited = conduct.awaited.keys().filter_map(|message| self.own_statement(*message));
        let unrecorded = self.outbox().filter_map(|held| self.unrecorded(held, now));
        let unreceipted = awaited.filter_map(|held| self.unreceipted(held, now));
        let stands = |alarm: &Alarm| !conduct.dealt.contains(&alarm.id);
        let mut overdue: Vec<Alarm> = unrecorded.chain(unreceipted).filter(stands).collect();
        overdue.sort_by_key(|alarm| alarm.since);
        overdue
    }

    /// The limit within which a statement should be delivered, in milliseconds.
    fn limit_ms(&self, held: &Held) -> Option<i64> {
        let case = self.case(held.statement.request)?;
        let graded = case.request.as_ref().map(|request| request.grade.urgency);
        Some(delivery_within_ms(graded.unwrap_or(case.facts.urgency)))
    }

    fn unrecorded(&self, held: &Held, now: Timestamp) -> Option<Alarm> {
        let Statement { message, to, created, .. } = &held.statement;
        let limit = created.plus_ms(RECORDED_WITHIN_MS);
        if limit > now {
            return None;
        }
        let what = format!(
            "the statement {message} to {to} was made {created} and has no receipt of the relay: \
             it is not recorded"
        );
        Some(Alarm {
            id: unrecorded_id(*message),
            code: "D-324",
            reason: "STATEMENT_NOT_RECORDED",
            what,
            next: UNRECORDED_NEXT,
            since: Some(limit),
        })
    }

    fn unreceipted(&self, held: &Held, now: Timestamp) -> Option<Alarm> {
        let Statement { message, to, request, .. } = &held.statement;
        let (index, recorded) = held.recorded?;
        let embargo = self.case(*request).and_then(|case| case.facts.embargo_until);
        let out = embargo.map_or(recorded, |until| recorded.max(until));
        let limit = out.plus_ms(self.limit_ms(held)?);
        if limit > now {
            return None;
        }
        let failed = held.transport.as_ref().and_then(|way| way.at(Evidence::RelayFailure));
        let relay = failed.map_or_else(
            || "says nothing of it".to_owned(),
            |at| format!("noted {at} that it was not delivered"),
        );
        let what = format!(
            "the statement {message} to {to} is record {index} of {recorded}, and has no receipt \
             of {to}; the relay {relay}"
        );
        Some(Alarm {
            id: unreceipted_id(*message),
            code: "D-325",
            reason: "STATEMENT_NOT_RECEIPTED",
            what,
            next: UNRECEIPTED_NEXT,
            since: Some(limit),
        })
    }
}

impl Shown {
    /// The id of its alarm.
    pub(super) fn id(&self) -> String {
        format!("withheld-{}", self.leaf)
    }

    /// Between which desks.
    pub(super) const fn pair(&self) -> (&DeskId, &DeskId) {
        (&self.from, &self.to)
    }
}

fn unrecorded_id(message: MessageId) -> String {
    format!("unrecorded-{message}")
}

fn unreceipted_id(message: MessageId) -> String {
    format!("unreceipted-{message}")
}

/// Of each kind the first fifty.
pub(super) fn oldest_of_each(mut alarms: Vec<Alarm>) -> Vec<Alarm> {
    let mut shown = BTreeMap::new();
    alarms.retain(|alarm| {
        let of_kind: &mut usize = shown.entry(alarm.code).or_default();
        *of_kind += 1;
        *of_kind <= SHOWN_MAX
    });
    alarms
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Index;

    fn shown(leaf: u64, other: Option<Index>) -> Monitored {
        let (from, to) = ("NL/cyber".parse().unwrap(), "RO/cyber".parse().unwrap());
        let (time, proof) = (Timestamp(0), String::new());
        Monitored::Shown(Box::new(Shown { from, to, number: leaf, time, leaf, other, proof }))
    }

    fn dealt(id: &str) -> Monitored {
        let officer = "duty".parse().unwrap();
        Monitored::Dealt { id: id.to_owned(), officer, words: "told XM".to_owned() }
    }

    fn found(conduct: &Conduct) -> Vec<Alarm> {
        conduct.found.values().map(|alarm| Alarm::clone(alarm)).collect()
    }

    #[test]
    fn many_alarms_of_one_kind_hide_none_of_another() {
        let mut conduct = Conduct::new();
        for leaf in 0..60 {
            conduct.note_monitored(&shown(leaf, None));
        }
        conduct.note_monitored(&shown(60, Some(Index(7))));
        let alarms = oldest_of_each(found(&conduct));
        let of = |code: &str| alarms.iter().filter(|alarm| alarm.code == code).count();
        assert_eq!((of("D-326"), of("D-327"), alarms.len()), (50, 1, 51));
        assert_eq!(alarms[0].id, "withheld-0", "the oldest first");
        // What was not shown comes when others have been dealt with.
        conduct.note_monitored(&dealt("withheld-3"));
        let alarms = oldest_of_each(found(&conduct));
        assert!(alarms.iter().any(|alarm| alarm.id == "withheld-50"));
    }

    #[test]
    fn what_is_shown_again_is_nothing_new_and_what_was_dealt_with_goes() {
        let mut conduct = Conduct::new();
        conduct.note_monitored(&shown(5, None));
        conduct.note_monitored(&shown(5, None));
        assert_eq!(found(&conduct).len(), 1);
        conduct.note_monitored(&dealt("withheld-5"));
        assert_eq!(found(&conduct), []);
        conduct.note_monitored(&shown(5, None));
        assert_eq!((found(&conduct), conduct.is_known("withheld-5")), (vec![], true));
    }
}
