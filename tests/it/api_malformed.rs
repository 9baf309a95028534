//! A thousand messages of arbitrary bytes into every method: none crashes anything, and each
//! answer says that it is the caller's fault.

use detente::grpc::Limits;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tonic::transport::Channel;
use tonic::{Code, Request};

use super::api_net::{Net, question};
use super::raw::Raw;

/// Methods of the desks' listener that answer once.
const UNARY: [&str; 9] = [
    "/detente.desk.v1.DeskService/Submit",
    "/detente.desk.v1.DeskService/GetContent",
    "/detente.desk.v1.DeskService/GetRequestStatus",
    "/detente.desk.v1.DeskService/ListRequestStatuses",
    "/detente.directory.v1.DirectoryService/GetGenesis",
    "/detente.directory.v1.DirectoryService/GetMember",
    "/detente.directory.v1.DirectoryService/ListMembers",
    "/detente.log.v1.LogService/GetHeads",
    "/detente.log.v1.LogService/ListRecords",
];

/// Messages into each method.
const PER_METHOD: usize = 120;

async fn send(channel: &Channel, path: &'static str, bytes: Vec<u8>) -> Code {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static(path);
    match client.unary(Request::new(bytes), path, Raw).await {
        Ok(_) => Code::Ok,
        Err(status) => {
            assert!(!status.details().is_empty(), "an answer without a reason: {status:?}");
            status.code()
        }
    }
}

/// Half of them are arbitrary, half are a real statement with a few bytes changed or cut.
fn messages(valid: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let arbitrary = proptest::collection::vec(any::<u8>(), 0..600);
    let changes = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    let bent = (changes, any::<prop::sample::Index>(), any::<bool>()).prop_map(
        move |(changes, end, cut)| {
            let mut bytes = valid.clone();
            for (place, byte) in changes {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            if cut {
                bytes.truncate(end.index(bytes.len()));
            }
            bytes
        },
    );
    prop_oneof![arbitrary, bent]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_malformed_inputs_are_the_callers_fault() {
    let net = Net::start(Limits::default()).await;
    let channel = net.channel("NL");
    let valid = question("NL", "RO").to_bytes();
    // `SubmitRequest { envelope }`: tag 1, length, envelope.
    let request = detente::wire::detente::desk::v1::SubmitRequest {
        envelope: Some(prost::Message::decode(valid.as_slice()).unwrap()),
    };
    let strategy = messages(prost::Message::encode_to_vec(&request));
    // The same bytes on every run.
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    let mut refused = 0;
    for path in UNARY {
        for _ in 0..PER_METHOD {
            let bytes = strategy.new_tree(&mut runner).unwrap().current();
            let code = send(&channel, path, bytes.clone()).await;
            let fault_of_caller = matches!(
                code,
                Code::Ok
                    | Code::InvalidArgument
                    | Code::NotFound
                    | Code::PermissionDenied
                    | Code::FailedPrecondition
                    | Code::AlreadyExists
            );
            assert!(fault_of_caller, "{path} answered {code:?} to {bytes:02x?}");
            refused += usize::from(code != Code::Ok);
        }
    }
    assert!(refused > 500, "only {refused} were refused");
    // Nothing has suffered.
    net.client("NL").submit(&question("NL", "RO")).await.unwrap();
    net.close().await;
}
