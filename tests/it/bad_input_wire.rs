//! Bad input over the wire: a request walked through its life, with what is wrong at each stage,
//! bytes that are no message, and a message id used twice, at the real relay over mutual TLS.
//!
//! Not for what officers say at their agent's counter (see `bad_input_wire_counter.rs`).

use std::sync::Arc;

use detente::envelope::words::{Extent, Instrument, Outcome, RequestType, Urgency, WillAnswer};
use detente::envelope::{Act, Draft, Envelope, RequestFacts, Statement, genesis};
use detente::grpc::Failure;
use detente::grpc::client::RelayClient;
use detente::identity::{self, OwnCertificate, RelayTrust, Unlock};
use detente::service::RunningRelay;
use detente::units::{DAY_MS, HOUR_MS, Index};
use detente::wire::detente::desk::v1 as api;
use hyper_util::rt::TokioIo;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};

use crate::net::{self, Dev, Speaker, question_form};

const ACT: &str = "envelope.header.context.act";
const MESSAGE: &str = "envelope.header.context.message_id";

/// What must be answered: gRPC code, code, reason, field ("" for none).
type Wanted = (Code, &'static str, &'static str, &'static str);

/// The right answer to what comes too early or too late.
const fn out_of_turn(code: &'static str, reason: &'static str) -> Wanted {
    (Code::FailedPrecondition, code, reason, ACT)
}

/// A relay in this process, and two desks that speak to it.
struct Lab {
    dev: Dev,
    relay: RunningRelay,
    nl: (RelayClient, Speaker),
    ro: (RelayClient, Speaker),
}

impl Lab {
    async fn new() -> Self {
        let dev = Dev::new(&["NL", "RO"]);
        let relay = net::relay_here(&dev.relay_config()).await;
        let end = |member| (net::relay_client(&dev, member), Speaker::new(&dev, member));
        let (nl, ro) = (end("NL"), end("RO"));
        Self { dev, relay, nl, ro }
    }

    /// The same store under a new relay.
    async fn restart(self) -> Self {
        let Self { dev, relay, nl, ro } = self;
        relay.stop().await.unwrap();
        let relay = net::relay_here(&dev.relay_config()).await;
        Self { dev, relay, nl, ro }
    }

    fn next(&self) -> Index {
        self.relay.relay().published().next_index()
    }

    async fn takes(&self, by: &(RelayClient, Speaker), of: &Statement, act: Act) {
        by.0.submit(&on(&by.1, of, act)).await.unwrap();
    }

    async fn refuses(&self, what: &str, by: &RelayClient, said: &Envelope, wanted: Wanted) {
        let before = self.next();
        let refused = by.submit(said).await.expect_err(what);
        expect(what, &refused, wanted);
        assert_eq!(self.next(), before, "{what}: something was recorded");
    }

    /// Each act is refused at the stage at which the request is now.
    async fn refuses_all(
        &self,
        stage: &str,
        by: &(RelayClient, Speaker),
        of: &Statement,
        cases: Vec<(Act, Wanted)>,
    ) {
        for (act, wanted) in cases {
            let what = format!("{} at {stage}", act.name());
            self.refuses(&what, &by.0, &on(&by.1, of, act), wanted).await;
        }
    }

    async fn still_works(&self) {
        let before = self.next();
        let said = self.nl.1.question(&net::desk("RO"));
        let recorded = self.nl.0.submit(&said).await.unwrap();
        assert_eq!((recorded.index, recorded.repeat), (before, false));
    }
}

/// Code, reason, field, cause and next action are there, and nobody is told to try again.
fn expect(what: &str, refused: &Failure, wanted: Wanted) {
    let field = refused.fields.first().map_or("", |(path, _)| path.as_str());
    let got = (refused.code, refused.rule_code.as_str(), refused.reason.as_str(), field);
    assert_eq!(got, wanted, "{what}: {refused:?}");
    let said = !refused.cause.is_empty() && !refused.next.is_empty();
    assert!(said && !refused.retry, "{what}: {refused:?}");
}

fn acknowledge() -> Act {
    let estimated_at = net::now().plus_ms(8 * HOUR_MS);
    Act::Acknowledge { will_answer: WillAnswer::Yes, estimated_at }
}

fn determine(outcome: Outcome) -> Act {
    Act::Determine { outcome, review_at: None }
}

/// Carried out: until so many days from now for a preservation, without an end otherwise.
fn execute(days: Option<i64>) -> Act {
    let preserved_until = days.map(|days| net::now().plus_ms(days * DAY_MS));
    Act::Execute { extent: Extent::Executed, preserved_until, mla_demanded: false }
}

fn extend(days: i64) -> Act {
    Act::Extend { preserved_until: net::now().plus_ms(days * DAY_MS) }
}

fn wrong_party() -> Wanted {
    (Code::PermissionDenied, "R-117", "WRONG_PARTY", ACT)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_takes_no_act_out_of_turn() {
    let lab = Lab::new().await;
    let (nl, ro) = (&lab.nl, &lab.ro);
    let asked = nl.1.question(&net::desk("RO"));
    nl.0.submit(&asked).await.unwrap();
    let of = &asked.statement;

    let early = out_of_turn("R-301", "NOT_ACKNOWLEDGED");
    let estimated_at = net::now().plus_ms(HOUR_MS);
    let cases = vec![
        (determine(Outcome::Accepted), early),
        (execute(None), early),
        (Act::RequestClarification, early),
        (Act::ReviseEstimate { estimated_at }, early),
        (Act::Withdraw, wrong_party()),
        (Act::ProvideClarification, wrong_party()),
    ];
    lab.refuses_all("NEW", ro, of, cases).await;
    let cases = vec![
        (acknowledge(), wrong_party()),
        (determine(Outcome::Accepted), wrong_party()),
        (execute(None), wrong_party()),
        (Act::ProvideClarification, out_of_turn("R-305", "NO_CLARIFICATION_PENDING")),
    ];
    lab.refuses_all("NEW", nl, of, cases).await;

    lab.takes(ro, of, acknowledge()).await;
    let cases = vec![
        (acknowledge(), out_of_turn("R-302", "ALREADY_ACKNOWLEDGED")),
        (execute(None), out_of_turn("R-307", "NOT_ACCEPTED")),
        (Act::Close, out_of_turn("R-309", "NOT_ENDED")),
    ];
    lab.refuses_all("ACKNOWLEDGED", ro, of, cases).await;

    lab.takes(ro, of, determine(Outcome::Refused)).await;
    lab.refuses_all(
        "REFUSED",
        ro,
        of,
        vec![(execute(None), out_of_turn("R-308", "SUBSTANCE_ENDED"))],
    )
    .await;

    lab.takes(ro, of, Act::Close).await;
    let closed = out_of_turn("R-311", "CLOSED");
    let late = [
        acknowledge(),
        Act::RequestClarification,
        determine(Outcome::Accepted),
        execute(None),
        Act::Close,
    ];
    lab.refuses_all("CLOSED", ro, of, late.map(|act| (act, closed)).into()).await;
    let late = [Act::ProvideClarification, Act::Withdraw, Act::Close];
    lab.refuses_all("CLOSED", nl, of, late.map(|act| (act, closed)).into()).await;
    lab.still_works().await;
    lab.relay.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preservation_is_neither_short_nor_extended_out_of_turn() {
    let lab = Lab::new().await;
    let (nl, ro) = (&lab.nl, &lab.ro);
    let facts = RequestFacts {
        kind: RequestType::Preservation,
        instrument: Instrument::Budapest,
        urgency: Urgency::Expedited,
        test: false,
        exercise: false,
        parent: None,
        prior_conditions: false,
        embargo_until: None,
    };
    let asked = nl.1.request(&net::desk("RO"), facts, question_form());
    nl.0.submit(&asked).await.unwrap();
    let of = &asked.statement;
    for act in [acknowledge(), determine(Outcome::Accepted)] {
        lab.takes(ro, of, act).await;
    }
    let end = |code, reason| {
        (Code::InvalidArgument, code, reason, "envelope.header.context.execute.preserved_until_ms")
    };
    let no_data = Act::Execute {
        extent: Extent::NoDataHeld,
        preserved_until: Some(net::now().plus_ms(90 * DAY_MS)),
        mla_demanded: false,
    };
    let cases = vec![
        (execute(Some(59)), end("R-212", "TOO_SHORT")),
        (execute(None), end("R-210", "END_MISSING")),
        (no_data, end("R-211", "END_MISPLACED")),
        (extend(120), out_of_turn("R-320", "NOT_PRESERVED")),
    ];
    lab.refuses_all("ACCEPTED", ro, of, cases).await;

    lab.takes(ro, of, execute(Some(90))).await;
    let field = "envelope.header.context.extend.preserved_until_ms";
    let not_longer = (Code::InvalidArgument, "R-216", "NOT_LONGER", field);
    lab.refuses_all("EXECUTED", ro, of, vec![(extend(80), not_longer)]).await;
    lab.takes(nl, of, Act::RequestExtension).await;
    let pending = out_of_turn("R-321", "EXTENSION_PENDING");
    lab.refuses_all("EXTENSION_REQUESTED", nl, of, vec![(Act::RequestExtension, pending)]).await;
    lab.still_works().await;
    lab.relay.stop().await.unwrap();
}

/// A message id is one statement's, over a restart and for the other desk as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_id_is_used_once() {
    let mut lab = Lab::new().await;
    let first = lab.nl.1.question(&net::desk("RO"));
    let recorded = lab.nl.0.submit(&first).await.unwrap();
    let taken = (Code::AlreadyExists, "R-401", "MESSAGE_ID_REUSED", MESSAGE);
    let again = |by: &Speaker, to: &str| {
        let other = by.question(&net::desk(to)).statement;
        let message = first.statement.message;
        by.seal(&Draft { message, request: message.into(), ..draft(other) }, &question_form())
    };
    for started in ["at once", "after a restart"] {
        let other = again(&lab.nl.1, "RO");
        lab.refuses(&format!("other bytes {started}"), &lab.nl.0, &other, taken).await;
        let other = again(&lab.ro.1, "NL");
        lab.refuses(&format!("another desk's id {started}"), &lab.ro.0, &other, taken).await;
        let repeat = lab.nl.0.submit(&first).await.unwrap();
        assert_eq!(
            (repeat.index, repeat.time, repeat.repeat),
            (recorded.index, recorded.time, true)
        );
        lab.still_works().await;
        lab = lab.restart().await;
    }
    lab.relay.stop().await.unwrap();
}

/// What is said on a request, whether it may be or not.
fn on(by: &Speaker, request: &Statement, act: Act) -> Envelope {
    let other = if request.from == by.desk { &request.to } else { &request.from };
    let Statement { case, request, header, .. } = *request;
    let base = draft(by.question(other).statement);
    by.seal(&Draft { case, request, in_reply_to: Some(header), act, ..base }, &question_form())
}

/// What a statement was before it had a header.
fn draft(statement: Statement) -> Draft {
    let Statement { message, from, signer, approval, to, case, .. } = statement;
    let Statement { request, in_reply_to, .. } = statement;
    let Statement { sequence, created, not_after, seen, act, .. } = statement;
    Draft {
        message,
        from,
        signer,
        approval,
        to,
        case,
        request,
        in_reply_to,
        sequence,
        created,
        not_after,
        seen,
        act,
    }
}

/// Field 1 as a number, where every message of the desks' listener has something else or nothing.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct Number {
    #[prost(uint64, tag = "1")]
    value: u64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_no_message_are_refused_by_every_method() {
    let lab = Lab::new().await;
    let channel = channel(&lab.dev, "NL");
    let malformed = (Code::InvalidArgument, "E-102", "MALFORMED_MESSAGE", "");
    for method in [
        "/detente.desk.v1.DeskService/Submit",
        "/detente.desk.v1.DeskService/GetContent",
        "/detente.desk.v1.DeskService/GetRequestStatus",
        "/detente.directory.v1.DirectoryService/GetMember",
    ] {
        let before = lab.next();
        let mut client = tonic::client::Grpc::new(channel.clone());
        client.ready().await.unwrap();
        let path = http::uri::PathAndQuery::from_static(method);
        let codec = tonic_prost::ProstCodec::<Number, Number>::default();
        let answer = client.unary(Request::new(Number { value: 7 }), path, codec).await;
        expect(method, &Failure::from(answer.expect_err(method)), malformed);
        assert_eq!(lab.next(), before, "{method}: something was recorded");
    }
    let none = api::SubmitRequest { envelope: None };
    let refused = Failure::from(lab.nl.0.desk.clone().submit(none).await.unwrap_err());
    let absent = (Code::InvalidArgument, "E-101", "MALFORMED_FIELD", "envelope");
    expect("no envelope", &refused, absent);
    lab.still_works().await;
    lab.relay.stop().await.unwrap();
}

/// A connection with a desk's own certificate, for bytes that the typed client would not send.
pub(crate) fn channel(dev: &Dev, member: &str) -> Channel {
    let config = dev.desk_config(member);
    let genesis = std::fs::read(&config.network.genesis).unwrap();
    let trust = RelayTrust::from_genesis(&genesis::parse(&genesis).unwrap(), None).unwrap();
    let unlock = Unlock::from_file(config.unlock.file.as_deref().unwrap()).unwrap();
    let own = OwnCertificate::load(&config.tls.certificate, &config.tls.key, unlock).unwrap();
    let tls = identity::client_config(Arc::new(own), Arc::new(trust));
    let address: Arc<str> = config.relay.address.to_string().into();
    let connector = tower::service_fn(move |_| {
        let (tls, address) = (Arc::clone(&tls), Arc::clone(&address));
        async move { identity::connect(&address, tls).await.map(TokioIo::new) }
    });
    Endpoint::from_static("http://relay.invalid").connect_with_connector_lazy(connector)
}
