//! Decision 18: a wall clock that jumps holds the deadlines until most of the connected desks, or
//! the operator, say that it is right, whatever happens to the relay meanwhile.
//!
//! Not for the order of records (see `relay_streams.rs`).

use std::sync::Arc;
use std::time::Duration;

use detente::envelope::RequestFacts;
use detente::envelope::words::{Instrument, RequestType, Urgency};
use detente::relay::{Follower, Relay, Running};
use detente::rules::{ClockWitness, Kind};
use detente::units::{Caller, DAY_MS, DeskIndex, HOUR_MS, Index, MINUTE_MS, MessageId, Timestamp};
use detente::wire::detente::form::v1 as form;

use crate::net::{self, Dev, Speaker};
use crate::relay_streams::{BEAT, Stepping, open};

/// A relay with a clock to put forward and back, and an emergency that nobody receipts.
struct Lab {
    dev: Dev,
    relay: Relay,
    running: Running,
    clock: Arc<Stepping>,
    emergency: MessageId,
}

impl Lab {
    async fn new() -> Self {
        let dev = Dev::new(&["NL", "RO", "US", "SG"]);
        let clock = Arc::new(Stepping::new());
        let (relay, running) = open(&dev, &clock);
        let envelope = emergency(&Speaker::new(&dev, "NL"));
        let emergency = envelope.statement.message;
        relay.submit(&Caller { desk: net::desk("NL") }, envelope).await.unwrap();
        let mut follower = relay.follow(net::desk("RO"), DeskIndex(0), BEAT);
        follower.next().await.unwrap();
        drop(follower);
        let lab = Self { dev, relay, running, clock, emergency };
        lab.until("the offer is noted", |kind| matches!(kind, Kind::Offered { .. })).await;
        lab
    }

    fn restart(self, while_down: impl Fn(&Stepping)) -> Self {
        let Self { dev, relay, running, clock, emergency } = self;
        drop(relay);
        running.join().unwrap();
        while_down(&clock);
        let (relay, running) = open(&dev, &clock);
        Self { dev, relay, running, clock, emergency }
    }

    /// A desk's stream; its clock is `ahead` of the real one.
    fn connected(&self, member: &str, ahead_ms: i64) -> Follower {
        let time = self.clock.real().plus_ms(ahead_ms);
        self.relay.follow(net::desk(member), DeskIndex(0), BEAT).told(time)
    }

    fn in_doubt(&self) -> bool {
        self.relay.published().state().clock_in_doubt()
    }

    fn handed_over(&self) -> bool {
        self.kinds()
            .iter()
            .any(|kind| matches!(kind, Kind::HandedOver { message } if *message == self.emergency))
    }

    fn kinds(&self) -> Vec<Kind> {
        (0..self.relay.published().next_index().0)
            .map(|n| self.relay.read_record(Index(n)).unwrap().event.kind)
            .collect()
    }

    async fn until(&self, what: &str, so: impl Fn(&Kind) -> bool) {
        net::until(what, || self.kinds().iter().any(&so)).await;
    }

    async fn stepped(&self, ms: i64) {
        self.clock.step(ms);
        let apart = |step: i64| (step - ms).abs() < MINUTE_MS;
        self.until(
            "the jump is noted",
            |kind| matches!(kind, Kind::ClockStepped { step_ms } if apart(*step_ms)),
        )
        .await;
        assert!(self.in_doubt());
    }

    /// Some turns of the commit thread pass, and nothing happens.
    async fn is_held(&self, why: &str) {
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert!(self.in_doubt() && !self.handed_over(), "{why}");
    }

    async fn confirmed(&self, by: ClockWitness) {
        let is = move |kind: &Kind| matches!(kind, Kind::ClockConfirmed { by: who } if *who == by);
        self.until("nobody confirms the clock", is).await;
        self.until("the emergency is not handed over", |kind| {
            matches!(kind, Kind::HandedOver { .. })
        })
        .await;
        assert!(self.handed_over() && !self.in_doubt());
    }
}

fn emergency(speaker: &Speaker) -> detente::envelope::Envelope {
    let facts = RequestFacts {
        kind: RequestType::LegalInformation,
        instrument: Instrument::G72417,
        urgency: Urgency::Emergency,
        test: false,
        exercise: false,
        parent: None,
        prior_conditions: false,
        embargo_until: None,
    };
    let mut form = net::question_form();
    if let Some(form::body::Form::Information(form)) = &mut form.form {
        let text = "a life is at risk".to_owned();
        form.urgency_grounds = Some(form::Text { text, language: "en".to_owned() });
    }
    speaker.request(&net::desk("RO"), facts, form)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn most_of_the_connected_desks_must_agree() {
    let lab = Lab::new().await;
    lab.clock.pass(20 * MINUTE_MS);
    lab.stepped(-7 * MINUTE_MS).await;
    // A clock that is 7 min slow: the desks know better.
    let _ro = lab.connected("RO", 0);
    let _us = lab.connected("US", 0);
    let _wrong = lab.connected("SG", -7 * MINUTE_MS);
    lab.is_held("one of three agrees").await;
    lab.clock.step(7 * MINUTE_MS);
    lab.confirmed(ClockWitness::Desks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doubt_survives_a_restart_and_the_operator_ends_it() {
    let mut lab = Lab::new().await;
    lab.stepped(HOUR_MS).await;
    lab = lab.restart(|clock| clock.pass(MINUTE_MS));
    lab.clock.pass(MINUTE_MS);
    lab.is_held("it was confirmed by a restart").await;
    assert!(lab.relay.confirm_clock().await.unwrap());
    lab.confirmed(ClockWitness::Operator).await;
    let before = lab.relay.published().next_index();
    assert!(!lab.relay.confirm_clock().await.unwrap(), "there was nothing to confirm");
    assert_eq!(lab.relay.published().next_index(), before);
}

/// A clock that jumps a week ahead neither spoils the times of records nor makes what desks say
/// look old; a desk's word that is given just now confirms a clock that is right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_goes_on_while_the_clock_is_in_doubt() {
    let lab = Lab::new().await;
    let nl = Speaker::new(&lab.dev, "NL");
    lab.stepped(9 * DAY_MS).await;
    let caller = Caller { desk: net::desk("NL") };
    let said = lab.relay.submit(&caller, nl.question(&net::desk("RO"))).await.unwrap();
    let late_ms = said.time.since_ms(lab.clock.real());
    assert!(late_ms.abs() < MINUTE_MS, "recorded {late_ms} ms off");
    lab.is_held("a statement of another time confirmed the clock").await;
    lab.clock.step(-9 * DAY_MS);
    lab.clock.pass(7 * MINUTE_MS);
    let draft = nl.draft_at(&net::desk("RO"), lab.clock.real());
    lab.relay.submit(&caller, nl.seal(&draft, &net::question_form())).await.unwrap();
    lab.confirmed(ClockWitness::Desks).await;
}

/// What happens to the clock while the relay is down is noticed too: at once when it lies before
/// the newest record, else by the desks that come back, before any deadline passes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_jump_while_the_relay_is_down_is_noticed() {
    let mut lab = Lab::new().await;
    lab = lab.restart(|clock| clock.step(-HOUR_MS));
    assert!(lab.in_doubt(), "before the newest record");
    lab.clock.step(HOUR_MS);
    let ro = lab.connected("RO", 0);
    lab.until("not confirmed", |kind| matches!(kind, Kind::ClockConfirmed { .. })).await;
    drop(ro);

    lab = lab.restart(|clock| clock.step(DAY_MS));
    assert!(!lab.in_doubt(), "it may have been down for a day");
    let _ro = lab.connected("RO", 0);
    let _us = lab.connected("US", 0);
    let ahead = |step: i64| (step - DAY_MS).abs() < MINUTE_MS;
    lab.until(
        "the desks say otherwise",
        |kind| matches!(kind, Kind::ClockStepped { step_ms } if ahead(*step_ms)),
    )
    .await;
    lab.is_held("a deadline passed by a clock that most desks say is wrong").await;
    let time: Timestamp = lab.relay.published().time();
    assert!(time.since_ms(lab.clock.real()) < DAY_MS / 2 + DAY_MS, "{time}");
    lab.clock.step(-DAY_MS);
    lab.clock.pass(7 * MINUTE_MS);
    lab.confirmed(ClockWitness::Desks).await;
}
