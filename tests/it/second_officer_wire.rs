//! The second signature over the wire: what a relay takes, what it refuses, and that a stranger can
//! check it.
//!
//! Not for who may be the second officer (see `second_officer.rs`).

use detente::envelope::words::{Extent, Instrument, Outcome, RequestType, Urgency, WillAnswer};
use detente::envelope::{
    Act, Approval, BadSignature, Draft, Envelope, RequestFacts, Statement, verify_header,
};
use detente::grpc::client::RelayClient;
use detente::rules::Directory;
use detente::service::RunningRelay;
use detente::units::{HOUR_MS, OfficerId};
use detente::wire::detente::envelope::v1 as wire;
use prost::Message as _;
use tonic::Code;

use crate::net::{self, Dev, Speaker, question_form};

const APPROVER: &str = "envelope.header.context.approver";

/// A relay, and two desks without agents; the desk RO with its chief beside it.
struct Lab {
    relay: RunningRelay,
    nl: (RelayClient, Speaker),
    ro: (RelayClient, Speaker),
    chief: Speaker,
    _dev: Dev,
}

impl Lab {
    async fn new() -> Self {
        let dev = Dev::new(&["NL", "RO"]);
        let relay = net::relay_here(&dev.relay_config()).await;
        let end = |member| (net::relay_client(&dev, member), Speaker::new(&dev, member));
        let (nl, ro) = (end("NL"), end("RO"));
        let chief = Speaker::officer(&dev, "RO", "chief");
        Self { relay, nl, ro, chief, _dev: dev }
    }

    /// A request for data, accepted: what is left is to hand them over.
    async fn accepted(&self) -> Statement {
        let facts = RequestFacts {
            kind: RequestType::SubscriberInfo,
            instrument: Instrument::Budapest,
            urgency: Urgency::Routine,
            test: false,
            exercise: false,
            parent: None,
            prior_conditions: false,
            embargo_until: None,
        };
        let request = self.nl.1.request(&net::desk("RO"), facts, question_form());
        self.nl.0.submit(&request).await.unwrap();
        let estimated_at = net::now().plus_ms(HOUR_MS);
        for act in [
            Act::Acknowledge { will_answer: WillAnswer::Yes, estimated_at },
            Act::Determine { outcome: Outcome::Accepted, review_at: None },
        ] {
            let said = self.ro.1.act(&request.statement, act, question_form());
            self.ro.0.submit(&said).await.unwrap();
        }
        request.statement
    }

    fn draft(&self, request: &Statement, act: Act, approval: Approval) -> Draft {
        Draft { approval, ..self.ro.1.on(request, act) }
    }

    fn by_chief(&self) -> Approval {
        let key = self.chief.key.public().id();
        Approval::By { officer: "chief".parse().unwrap(), key }
    }

    async fn refuses(&self, what: &str, said: &Envelope, wanted: (Code, &str, &str)) {
        let before = self.relay.relay().published().next_index();
        let refused = self.ro.0.submit(said).await.expect_err(what);
        let field = refused.fields.first().map_or("", |(field, _)| field.as_str());
        let told = (refused.code, refused.rule_code.as_str(), field);
        assert_eq!(told, wanted, "{what}: {refused:?}");
        assert!(!refused.next.is_empty() && !refused.retry, "{what}: {refused:?}");
        let next = self.relay.relay().published().next_index();
        assert_eq!(next, before, "{what}: something was recorded");
    }
}

fn hands_over() -> Act {
    Act::Execute { extent: Extent::Executed, preserved_until: None, mla_demanded: false }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_takes_no_disclosure_without_the_second_signature() {
    let lab = Lab::new().await;
    let request = lab.accepted().await;
    let seal =
        |approval| lab.ro.1.seal(&lab.draft(&request, hands_over(), approval), &question_form());
    let no_one = (Code::PermissionDenied, "R-118", APPROVER);
    lab.refuses("nobody", &seal(Approval::None), no_one).await;
    let unsigned = (Code::InvalidArgument, "E-101", "envelope.signatures");
    lab.refuses("named, not signed", &seal(lab.by_chief()), unsigned).await;
    let mut by_other = seal(lab.by_chief());
    by_other.countersign(&lab.nl.1.key);
    lab.refuses("signed by somebody else", &by_other, unsigned).await;
    let mut forged = seal(lab.by_chief());
    forged.countersign(&lab.chief.key);
    forged.signatures[1].bytes[10] ^= 1;
    let bad = (Code::PermissionDenied, "E-106", "");
    lab.refuses("signed over other bytes", &forged, bad).await;
    let mut taken = seal(lab.by_chief());
    let mut other = seal(lab.by_chief());
    other.countersign(&lab.chief.key);
    taken.signatures.push(other.signatures[1].clone());
    lab.refuses("signed for another statement", &taken, bad).await;
    let key = lab.ro.1.key.public().id();
    let own = seal(Approval::By { officer: "duty".parse().unwrap(), key });
    lab.refuses("the signer", &own, (Code::PermissionDenied, "R-119", APPROVER)).await;
    let estimated_at = net::now().plus_ms(HOUR_MS);
    let late = lab.draft(&request, Act::ReviseEstimate { estimated_at }, Approval::Alone);
    let late = lab.ro.1.seal(&late, &question_form());
    lab.refuses("nothing is handed over", &late, (Code::InvalidArgument, "R-261", APPROVER)).await;

    let mut good = seal(lab.by_chief());
    good.countersign(&lab.chief.key);
    let recorded = lab.ro.0.submit(&good).await.unwrap();
    let again = lab.ro.0.submit(&good).await.unwrap();
    assert_eq!((again.index, again.repeat), (recorded.index, true));
    third_party(&lab.ro.1.directory, &good);
    lab.relay.stop().await.unwrap();
}

/// Whoever has the directory and the signed bytes can tell who approved, without any of us.
fn third_party(directory: &Directory, good: &Envelope) {
    let officer = |name: &str| OfficerId { desk: net::desk("RO"), name: name.parse().unwrap() };
    let (first, second) = (officer("duty"), officer("chief"));
    let key = |id| &directory.officer(id).unwrap().key;
    let (first, second) = (key(&first), key(&second));
    let check =
        |signatures: &[_], approver| verify_header(&good.header, signatures, first, approver);
    let both = good.signatures.as_slice();
    assert_eq!(check(both, Some(second)), Ok(()));
    let absent = Err(BadSignature::Absent { key: second.id() });
    assert_eq!(check(both, None), absent, "who approves is not passed over");
    assert_eq!(check(&both[..1], Some(second)), absent);
    assert_eq!(check(both, Some(first)), Err(BadSignature::OtherKey { key: first.id() }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_takes_a_lone_officer_who_says_so() {
    let lab = Lab::new().await;
    let request = lab.accepted().await;
    let alone = lab.draft(&request, hands_over(), Approval::Alone);
    let alone = lab.ro.1.seal(&alone, &question_form());
    lab.ro.0.submit(&alone).await.unwrap();
    lab.relay.stop().await.unwrap();
}

/// What contradicts itself is no statement.
#[test]
fn an_approval_is_whole_or_not_there() {
    let dev = Dev::new(&["NL", "RO"]);
    let speaker = Speaker::new(&dev, "RO");
    let draft = speaker.draft(&net::desk("NL"), hands_over());
    let request = detente::units::RequestId(net::random());
    let draft = Draft { request, in_reply_to: Some(detente::units::Hash([1; 32])), ..draft };
    let sealed = speaker.seal(&draft, &question_form());
    type Change = fn(&mut wire::Context);
    let cases: [(&str, Change); 5] = [
        ("header.context.approver_key_id", |c| c.approver_key_id = vec![1; 32]),
        ("header.context.approver_key_id", |c| c.approver = "chief".to_owned()),
        ("header.context.approver_key_id", |c| {
            c.approver = "chief".to_owned();
            c.approver_key_id = vec![1; 31];
        }),
        ("header.context.approver", |c| c.approver = "The Chief".to_owned()),
        ("header.context.alone", |c| {
            c.approver = "chief".to_owned();
            c.approver_key_id = vec![1; 32];
            c.alone = true;
        }),
    ];
    for (field, change) in cases {
        let mut header = wire::Header::decode(sealed.header.as_slice()).unwrap();
        let mut context = wire::Context::decode(header.context.as_slice()).unwrap();
        change(&mut context);
        header.context = context.encode_to_vec();
        let wrong = detente::envelope::parse_header(&header.encode_to_vec()).unwrap_err();
        assert_eq!(wrong.field, field);
    }
}
