//! Bad input, first part: what a desk says to the real relay over mutual TLS and gRPC.
//!
//! Each case has one code, one reason, one next action and, where a field is at fault, its path;
//! nothing is recorded, and the relay goes on. Peers, stores and officers: `bad_input_*.rs`.

use std::collections::BTreeMap;

use detente::config;
use detente::envelope::words::{Extent, Instrument, Outcome, RequestType, Urgency, WillAnswer};
use detente::envelope::{Act, Draft, Envelope, RequestFacts, Signer, Statement, sign};
use detente::grpc::Failure;
use detente::grpc::client::RelayClient;
use detente::service::RunningRelay;
use detente::units::{CaseId, DAY_MS, HOUR_MS, Hash, Index, MINUTE_MS, RequestId, Timestamp};
use detente::wire::detente::desk::v1 as api;
use detente::wire::detente::envelope::v1 as wire;
use prost::Message as _;
use tonic::{Code, Request};

use crate::net::{self, Dev, Speaker, question_form};

/// A relay, its desks, and two requests: one that waits, one that is carried out.
pub(crate) struct Lab {
    pub(crate) dev: Dev,
    relay: RunningRelay,
    clients: BTreeMap<&'static str, RelayClient>,
    nl: Speaker,
    ro: Speaker,
    us: Speaker,
    waiting: Statement,
    preserved: Statement,
}

/// Something that must be refused.
struct Case {
    what: &'static str,
    by: &'static str,
    said: wire::Envelope,
    grpc: Code,
    /// Code and reason.
    rule: &'static str,
    field: &'static str,
}

/// What goes over the wire.
trait Said {
    fn said(&self) -> wire::Envelope;
}

impl Said for Envelope {
    fn said(&self) -> wire::Envelope {
        self.to_wire()
    }
}

impl Said for wire::Envelope {
    fn said(&self) -> wire::Envelope {
        self.clone()
    }
}

/// One row each: what, who submits, the statement; gRPC code, code and reason, field.
macro_rules! cases {
    ($($what:literal, $by:literal, $said:expr => $grpc:ident $rule:literal $field:expr;)+) => {
        vec![$(Case {
            what: $what, by: $by, said: $said.said(), grpc: Code::$grpc, rule: $rule, field: $field,
        }),+]
    };
}

/// The same envelope with another context, which was not signed.
fn with_context(envelope: &Envelope, change: impl FnOnce(&mut wire::Context)) -> wire::Envelope {
    let mut envelope = envelope.to_wire();
    let mut header = wire::Header::decode(envelope.header.as_slice()).unwrap();
    let mut context = wire::Context::decode(header.context.as_slice()).unwrap();
    change(&mut context);
    header.context = context.encode_to_vec();
    envelope.header = header.encode_to_vec();
    envelope
}

/// The same envelope with other bytes for a context, signed again.
pub(crate) fn resigned(
    envelope: &Envelope,
    by: &Speaker,
    change: impl FnOnce(&mut Vec<u8>),
) -> wire::Envelope {
    let mut envelope = envelope.to_wire();
    let mut header = wire::Header::decode(envelope.header.as_slice()).unwrap();
    change(&mut header.context);
    envelope.header = header.encode_to_vec();
    envelope.signatures = vec![by.key.sign(sign::HEADER_TYPE, &envelope.header).to_wire()];
    envelope
}

fn facts(kind: RequestType, instrument: Instrument, urgency: Urgency) -> RequestFacts {
    RequestFacts {
        kind,
        instrument,
        urgency,
        test: false,
        exercise: false,
        parent: None,
        prior_conditions: false,
        embargo_until: None,
    }
}

fn ahead(ms: i64) -> Timestamp {
    net::now().plus_ms(ms)
}

fn acknowledge() -> Act {
    Act::Acknowledge { will_answer: WillAnswer::Yes, estimated_at: ahead(8 * HOUR_MS) }
}

fn accept() -> Act {
    Act::Determine { outcome: Outcome::Accepted, review_at: None }
}

fn execute(days: i64) -> Act {
    Act::Execute {
        extent: Extent::Executed,
        preserved_until: Some(ahead(days * DAY_MS)),
        mla_demanded: false,
    }
}

impl Lab {
    async fn new() -> Self {
        // The officer "duty" of the United States may answer, but not ask.
        let dev = Dev::with(&["NL", "RO", "US", "SG"], |part| {
            for member in part.member.iter_mut().filter(|member| member.id == "US") {
                let officers = member.desk.iter_mut().flat_map(|desk| &mut desk.officers);
                for officer in officers.filter(|officer| officer.name == "duty") {
                    officer.roles = vec!["ANSWER".to_owned()];
                }
            }
        });
        let relay = start(&dev).await;
        let clients = ["NL", "RO", "US"].map(|id| (id, net::relay_client(&dev, id))).into();
        let [nl, ro, us] = ["NL", "RO", "US"].map(|id| Speaker::new(&dev, id));
        let waiting = nl.question(&net::desk("RO"));
        let kind = facts(RequestType::Preservation, Instrument::Budapest, Urgency::Expedited);
        let preserved = nl.request(&net::desk("RO"), kind, question_form());
        let lab = Self {
            dev,
            relay,
            clients,
            nl,
            ro,
            us,
            waiting: waiting.statement.clone(),
            preserved: preserved.statement.clone(),
        };
        for envelope in [&waiting, &preserved] {
            lab.clients["NL"].submit(envelope).await.unwrap();
        }
        for act in [acknowledge(), accept(), execute(90)] {
            let said = lab.ro.act(&preserved.statement, act, question_form());
            lab.clients["RO"].submit(&said).await.unwrap();
        }
        lab
    }

    fn next(&self) -> Index {
        self.relay.relay().published().next_index()
    }

    /// Every case is refused as it says; all that are not are told at once.
    async fn refuses(&self, cases: Vec<Case>) {
        let mut wrong = Vec::new();
        for Case { what, by, said, grpc, rule, field } in cases {
            let before = self.next();
            let request = Request::new(api::SubmitRequest { envelope: Some(said) });
            let answer = self.clients[by].desk.clone().submit(request).await;
            let refused = match answer {
                Ok(answer) => {
                    wrong.push(format!("{what}: taken: {answer:?}"));
                    continue;
                }
                Err(status) => Failure::from(status),
            };
            let got = format!("{} {}", refused.rule_code, refused.reason);
            let path = refused.fields.first().map_or("", |(path, _)| path.as_str());
            if (refused.code, got.as_str(), path) != (grpc, rule, field) {
                wrong.push(format!("{what}: {:?} {got} {path}: {}", refused.code, refused.cause));
            }
            if refused.next.is_empty() || refused.cause.is_empty() || refused.retry {
                wrong.push(format!("{what}: {refused:?}"));
            }
            if self.next() != before {
                wrong.push(format!("{what}: something was recorded"));
            }
        }
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
        self.still_works().await;
    }

    async fn still_works(&self) {
        let recorded = self.clients["NL"].submit(&self.nl.question(&net::desk("RO"))).await;
        assert!(!recorded.unwrap().repeat);
    }

    fn draft(&self, kind: RequestFacts, change: impl FnOnce(&mut Draft)) -> Envelope {
        let mut draft = self.nl.draft(&net::desk("RO"), Act::Request(kind));
        change(&mut draft);
        self.nl.seal_for(&net::desk("RO"), &draft, &question_form(), &self.nl.key)
    }

    fn question(&self, change: impl FnOnce(&mut Draft)) -> Envelope {
        self.draft(
            facts(RequestType::LegalInformation, Instrument::G72417, Urgency::Routine),
            change,
        )
    }

    fn on(&self, by: &Speaker, of: &Statement, act: Act) -> Envelope {
        by.act(of, act, question_form())
    }
}

async fn start(dev: &Dev) -> RunningRelay {
    net::relay_here(&config::Relay::read(&dev.made.relay_config).unwrap()).await
}

const TO: &str = "envelope.header.context.to";
const OFFICER: &str = "envelope.header.context.officer";
const KEY: &str = "envelope.header.context.signer_key_id";
const ACT: &str = "envelope.header.context.act";
const CASE: &str = "envelope.header.context.case_id";
const MESSAGE: &str = "envelope.header.context.message_id";
const REQUEST: &str = "envelope.header.context.request_id";
const REPLY: &str = "envelope.header.context.in_reply_to";
const NOT_AFTER: &str = "envelope.header.context.not_after_ms";
const CREATED: &str = "envelope.header.context.created_ms";
const INSTRUMENT: &str = "envelope.header.context.request.instrument";
const URGENCY: &str = "envelope.header.context.request.urgency";
const PARENT: &str = "envelope.header.context.request.parent_request_id";
const ESTIMATE: &str = "envelope.header.context.acknowledge.estimated_at_ms";
const EXECUTED: &str = "envelope.header.context.execute.preserved_until_ms";
const EXTENDED: &str = "envelope.header.context.extend.preserved_until_ms";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_cannot_be_right_is_refused() {
    let lab = Lab::new().await;
    let advice = |urgency| facts(RequestType::TechnicalAdvice, Instrument::G72417, urgency);
    let preservation =
        |instrument| facts(RequestType::Preservation, instrument, Urgency::Expedited);
    let test = RequestFacts { test: true, ..advice(Urgency::Emergency) };
    let child = RequestFacts { parent: Some(lab.waiting.request), ..advice(Urgency::Routine) };
    let chief = Speaker::officer(&lab.dev, "US", "chief");
    let child = chief.request(&net::desk("RO"), child, question_form());
    let other = "NL/other".parse().unwrap();
    let ghost = Signer::Officer("ghost".parse().unwrap());
    let (old, soon) = (ahead(-2 * DAY_MS), ahead(6 * MINUTE_MS));
    let sap = preservation(Instrument::SapCets224);
    let far = lab.draft(preservation(Instrument::Budapest), |d| d.to = net::desk("SG"));
    let stale = lab.question(|d| (d.created, d.not_after) = (old, old.plus_ms(DAY_MS)));
    let long = with_context(&lab.question(|_| {}), |c| c.not_after_ms += 8 * DAY_MS);
    let to_itself = with_context(&lab.question(|_| {}), |c| c.to.clone_from(&c.from));
    lab.refuses(cases! {
        "unknown recipient", "NL", lab.question(|d| d.to = net::desk("XX"))
            => NotFound "R-106 UNKNOWN_RECIPIENT" TO;
        "unknown desk of the own member", "NL", lab.question(|d| d.to = other)
            => NotFound "R-106 UNKNOWN_RECIPIENT" TO;
        "to itself", "NL", to_itself => InvalidArgument "E-101 MALFORMED_FIELD" TO;
        "no instrument in common", "NL", far
            => InvalidArgument "R-201 NO_COMMON_INSTRUMENT" INSTRUMENT;
        "no basis for the type", "NL", lab.draft(sap, |_| {})
            => InvalidArgument "R-202 INSTRUMENT_NOT_FOR_TYPE" INSTRUMENT;
        "a test that is an emergency", "NL", lab.draft(test, |_| {})
            => InvalidArgument "R-203 TEST_NEVER_EMERGENCY" URGENCY;
        "stale", "NL", stale => FailedPrecondition "R-402 STALE_STATEMENT" NOT_AFTER;
        "good for more than 7 days", "NL", long
            => InvalidArgument "E-101 MALFORMED_FIELD" NOT_AFTER;
        "made in the future", "NL", lab.question(|d| d.created = soon)
            => InvalidArgument "R-403 CREATED_IN_FUTURE" CREATED;
        "an officer whom nobody knows", "NL", lab.question(|d| d.signer = ghost)
            => PermissionDenied "R-109 UNKNOWN_OFFICER" OFFICER;
        "an officer without the role", "US", lab.us.question(&net::desk("RO"))
            => PermissionDenied "R-112 ROLE_MISSING" OFFICER;
        "a parent between others", "US", child
            => PermissionDenied "R-206 PARENT_NOT_YOURS" PARENT;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_act_at_the_wrong_stage_or_by_the_wrong_side_is_refused() {
    let lab = Lab::new().await;
    let (nl, ro) = (&lab.nl, &lab.ro);
    let (waiting, done) = (&lab.waiting, &lab.preserved);
    let unknown = Statement { request: RequestId(net::random()), ..waiting.clone() };
    let other_case = Statement { case: CaseId(net::random()), ..waiting.clone() };
    let other_reply = Statement { header: Hash([7; 32]), ..waiting.clone() };
    let by_stranger = Draft { to: net::desk("NL"), ..lab.us.on(waiting, acknowledge()) };
    let by_stranger = lab.us.seal(&by_stranger, &question_form());
    let no_reply = Draft { in_reply_to: None, ..ro.on(waiting, acknowledge()) };
    let no_reply = ro.seal(&no_reply, &question_form());
    let no_estimate = with_context(&lab.on(ro, waiting, acknowledge()), |context| {
        if let Some(wire::context::Act::Acknowledge(said)) = &mut context.act {
            said.estimated_at_ms = 0;
        }
    });
    let late = Act::Acknowledge { will_answer: WillAnswer::Yes, estimated_at: ahead(-HOUR_MS) };
    let shorter = Act::Extend { preserved_until: ahead(80 * DAY_MS) };
    let (of, header) = (waiting.message, waiting.header);
    let other_bytes = Act::Receipt { of, header: Hash([9; 32]), rejected: None };
    let early = Act::Retrieval { of, header, failed: None };
    let own = Act::Receipt { of, header, rejected: None };
    lab.refuses(cases! {
        "an acknowledgement without an estimate", "RO", no_estimate
            => InvalidArgument "E-101 MALFORMED_FIELD" ESTIMATE;
        "an estimate that has passed", "RO", lab.on(ro, waiting, late)
            => InvalidArgument "R-215 NOT_AHEAD" ACT;
        "acknowledged by the asking side", "NL", lab.on(nl, waiting, acknowledge())
            => PermissionDenied "R-117 WRONG_PARTY" ACT;
        "withdrawn by the asked side", "RO", lab.on(ro, waiting, Act::Withdraw)
            => PermissionDenied "R-117 WRONG_PARTY" ACT;
        "acknowledged by a stranger", "US", by_stranger
            => PermissionDenied "R-116 NOT_A_PARTY" REQUEST;
        "determined before it is acknowledged", "RO", lab.on(ro, waiting, accept())
            => FailedPrecondition "R-301 NOT_ACKNOWLEDGED" ACT;
        "acknowledged twice", "RO", lab.on(ro, done, acknowledge())
            => FailedPrecondition "R-302 ALREADY_ACKNOWLEDGED" ACT;
        "determined after it was carried out", "RO", lab.on(ro, done, accept())
            => FailedPrecondition "R-308 SUBSTANCE_ENDED" ACT;
        "an extension that is not longer", "RO", lab.on(ro, done, shorter)
            => InvalidArgument "R-216 NOT_LONGER" EXTENDED;
        "a request that nobody knows", "RO", lab.on(ro, &unknown, acknowledge())
            => NotFound "R-406 UNKNOWN_REQUEST" REQUEST;
        "another case", "RO", lab.on(ro, &other_case, acknowledge())
            => InvalidArgument "R-205 CASE_MISMATCH" CASE;
        "no reply", "RO", no_reply => InvalidArgument "R-207 REPLY_MISSING" REPLY;
        "a reply to what was never said", "RO", lab.on(ro, &other_reply, acknowledge())
            => InvalidArgument "R-208 UNKNOWN_REPLY" REPLY;
        "a receipt of other bytes", "RO", ro.machine(waiting, other_bytes)
            => InvalidArgument "R-218 HEADER_MISMATCH" ACT;
        "a retrieval before the receipt", "RO", ro.machine(waiting, early)
            => FailedPrecondition "R-342 RECEIPT_MISSING" ACT;
        "a receipt of the own statement", "NL", nl.machine(waiting, own)
            => NotFound "R-217 UNKNOWN_STATEMENT" ACT;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preservation_is_long_enough_and_has_an_end() {
    let lab = Lab::new().await;
    let kind = facts(RequestType::Preservation, Instrument::Budapest, Urgency::Expedited);
    let accepted = lab.nl.request(&net::desk("RO"), kind, question_form());
    lab.clients["NL"].submit(&accepted).await.unwrap();
    let accepted = &accepted.statement;
    for act in [acknowledge(), accept()] {
        lab.clients["RO"].submit(&lab.on(&lab.ro, accepted, act)).await.unwrap();
    }
    let open =
        Act::Execute { extent: Extent::Executed, preserved_until: None, mla_demanded: false };
    lab.refuses(cases! {
        "59 days", "RO", lab.on(&lab.ro, accepted, execute(59))
            => InvalidArgument "R-212 TOO_SHORT" EXECUTED;
        "no end", "RO", lab.on(&lab.ro, accepted, open)
            => InvalidArgument "R-210 END_MISSING" EXECUTED;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_not_what_was_signed_are_refused() {
    let lab = Lab::new().await;
    let good = lab.question(|_| {});
    let changed = |change: &dyn Fn(&mut wire::Envelope)| {
        let mut envelope = good.to_wire();
        change(&mut envelope);
        envelope
    };
    let chief = Speaker::officer(&lab.dev, "NL", "chief");
    let duty = lab.nl.draft(&net::desk("RO"), good.statement.act.clone());
    let chiefs = lab.nl.seal_for(&net::desk("RO"), &duty, &question_form(), &chief.key);
    let reused = Draft { message: lab.waiting.message, request: lab.waiting.request, ..duty };
    let reused = lab.nl.seal(&reused, &question_form());
    let one_ms_less = with_context(&good, |context| context.not_after_ms -= 1);
    let other_id = with_context(&good, |context| context.request_id[0] ^= 1);
    let machine = with_context(&good, |context| context.officer.clear());
    lab.refuses(cases! {
        "another officer's key", "NL", chiefs => PermissionDenied "R-110 WRONG_KEY" KEY;
        "a signature with a bit flipped", "NL", changed(&|e| e.signatures[0].signature[5] ^= 1)
            => PermissionDenied "E-106 BAD_SIGNATURE" "";
        "no signature", "NL", changed(&|e| e.signatures.clear())
            => InvalidArgument "E-101 MALFORMED_FIELD" "envelope.signatures";
        "a header changed after signing", "NL", one_ms_less
            => PermissionDenied "E-106 BAD_SIGNATURE" "";
        "a request under another id", "NL", other_id
            => InvalidArgument "E-101 MALFORMED_FIELD" REQUEST;
        "an officer's act by the machine", "NL", machine
            => InvalidArgument "E-101 MALFORMED_FIELD" OFFICER;
        "a ciphertext with a bit flipped", "NL", changed(&|e| e.ciphertext[40] ^= 1)
            => InvalidArgument "E-101 MALFORMED_FIELD" "envelope.ciphertext";
        "a ciphertext cut short", "NL", changed(&|e| e.ciphertext.truncate(1_000))
            => InvalidArgument "E-101 MALFORMED_FIELD" "envelope.ciphertext";
        "a wrap with a bit flipped", "NL", changed(&|e| e.wrap[40] ^= 1)
            => InvalidArgument "E-101 MALFORMED_FIELD" "envelope.wrap";
        "no header", "NL", changed(&|e| e.header.clear())
            => InvalidArgument "E-101 MALFORMED_FIELD" "envelope.header.context.suite";
        "a header that is no message", "NL", changed(&|e| e.header = vec![0xff; 9])
            => InvalidArgument "E-101 MALFORMED_FIELD" "envelope.header";
        "a field that nobody knows, signed", "NL", resigned(&good, &lab.nl, |context| {
            context.extend_from_slice(&[0xfa, 0x3e, 1, 7]);
        }) => InvalidArgument "E-101 MALFORMED_FIELD" "envelope.header.context";
        "a field said twice, signed", "NL", resigned(&good, &lab.nl, |context| {
            context.extend_from_within(..);
        }) => InvalidArgument "E-101 MALFORMED_FIELD" "envelope.header.context";
        "another desk's statement", "RO", good => PermissionDenied "E-107 NOT_THE_SENDER" "";
        "the message id of another statement", "NL", reused
            => AlreadyExists "R-401 MESSAGE_ID_REUSED" MESSAGE;
        "a body of 300 KiB", "NL", changed(&|e| e.ciphertext = vec![1; 300 << 10])
            => ResourceExhausted "E-103 MESSAGE_TOO_LARGE" "";
    })
    .await;
}

/// I8. The same bytes a thousand times are one record and one answer, whichever session they come
/// over, and after a restart of the relay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_is_one_record_and_the_same_answer() {
    let Lab { dev, relay, clients, nl, .. } = Lab::new().await;
    let said = nl.question(&net::desk("RO"));
    let before = relay.relay().published().next_index();
    let first = clients["NL"].submit(&said).await.unwrap();
    assert!(!first.repeat && first.index == before);
    let replay = |client: RelayClient, times: usize| {
        let said = said.clone();
        async move {
            for _ in 0..times {
                let again = client.submit(&said).await.unwrap();
                assert_eq!(
                    (again.index, again.time, again.repeat),
                    (first.index, first.time, true)
                );
            }
        }
    };
    let sessions = [clients["NL"].clone(), net::relay_client(&dev, "NL")];
    let [one, two] = sessions.map(|client| tokio::spawn(replay(client, 400)));
    one.await.unwrap();
    two.await.unwrap();
    assert_eq!(relay.relay().published().next_index(), before.plus(1));
    drop(clients);
    relay.stop().await.unwrap();

    let relay = start(&dev).await;
    replay(net::relay_client(&dev, "NL"), 200).await;
    assert_eq!(relay.relay().published().next_index(), before.plus(1));
    relay.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_ones_own_is_not_there() {
    let lab = Lab::new().await;
    let failure = |status: tonic::Status| {
        let failure = Failure::from(status);
        assert!(!failure.next.is_empty(), "{failure:?}");
        (failure.code, failure.rule_code, failure.reason)
    };
    let told = |code: Code, rule: &str, reason: &str| (code, rule.to_owned(), reason.to_owned());
    let hidden = told(Code::NotFound, "E-105", "UNKNOWN_RESOURCE");
    let malformed = told(Code::InvalidArgument, "E-101", "MALFORMED_FIELD");

    let status = |by: &str, name: String, at_least_index| {
        let mut client = lab.clients[by].desk.clone();
        async move {
            client.get_request_status(api::GetRequestStatusRequest { name, at_least_index }).await
        }
    };
    let name = format!("requests/{}", lab.waiting.request);
    status("RO", name.clone(), lab.next().0 - 1).await.unwrap();
    let theirs = failure(status("US", name.clone(), 0).await.unwrap_err());
    let nobodys = format!("requests/{}", RequestId(net::random()));
    let nobodys = failure(status("US", nobodys, 0).await.unwrap_err());
    assert_eq!((&theirs, &nobodys), (&hidden, &hidden), "one can tell what others have");
    assert_eq!(failure(status("NL", "requests/7".to_owned(), 0).await.unwrap_err()), malformed);
    assert_eq!(failure(status("NL", name, 9_999).await.unwrap_err()), malformed);

    // Content: not before a receipt, never to a third desk, nor back to its sender.
    let content = |by: &str| {
        let (client, of) = (lab.clients[by].clone(), lab.waiting.message);
        async move { client.content(of).await.unwrap_err() }
    };
    let early = content("RO").await;
    assert_eq!((early.code, early.rule_code.as_str()), (Code::FailedPrecondition, "R-342"));
    for by in ["US", "NL"] {
        let strange = content(by).await;
        assert_eq!((strange.code, strange.rule_code.as_str()), (Code::NotFound, "R-217"), "{by}");
    }

    // Pages: a token is good for its own desk and its own question.
    let list = |by: &str, page_size, page_token: &str, open_only| {
        let mut client = lab.clients[by].desk.clone();
        let page_token = page_token.to_owned();
        let at_least_index = lab.next().0 - 1;
        async move {
            let request = api::ListRequestStatusesRequest {
                page_size,
                page_token,
                open_only,
                at_least_index,
            };
            client.list_request_statuses(request).await.map(tonic::Response::into_inner)
        }
    };
    let token = list("NL", 1, "", false).await.unwrap().next_page_token;
    assert!(!token.is_empty());
    list("NL", 1, &token, false).await.unwrap();
    for (by, size, token, open_only) in [
        ("RO", 1, token.as_str(), false),
        ("NL", 1, token.as_str(), true),
        ("NL", 1, "garbage", false),
        ("NL", -1, "", false),
    ] {
        let refused = list(by, size, token, open_only).await.unwrap_err();
        assert_eq!(failure(refused), malformed, "{by} {size} {token} {open_only}");
    }
    assert!(list("US", 50, "", false).await.unwrap().requests.is_empty());
    let none = lab.clients["NL"].desk.clone().submit(api::SubmitRequest { envelope: None }).await;
    assert_eq!(failure(none.unwrap_err()), malformed);
    lab.still_works().await;
}
