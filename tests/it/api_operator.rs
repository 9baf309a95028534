//! The operator's listener: health, reflection and metadata, on loopback and nowhere else.

use detente::grpc::{Failure, Limits, ServeError};
use detente::units::DeskIndex;
use detente::wire::detente::operator::v1 as wire;
use tokio_stream::StreamExt as _;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::{v1, v1alpha};
use wire::operator_service_client::OperatorServiceClient;

use super::api_net::{Net, question};
use super::net::PATIENCE;

async fn operator(net: &Net) -> Channel {
    let address = net.operator().await;
    Endpoint::try_from(format!("http://{address}")).unwrap().connect().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_sees_metadata_and_desks_do_not() {
    let net = Net::start(Limits::default()).await;
    let nl = net.client("NL");
    let sent = question("NL", "RO");
    let recorded = nl.submit(&sent).await.unwrap();
    let channel = operator(&net).await;
    let mut client = OperatorServiceClient::new(channel.clone());
    net.relay.wait_for_tables(recorded.index.plus(1)).await.unwrap();
    let status =
        client.get_relay_status(wire::GetRelayStatusRequest {}).await.unwrap().into_inner();
    assert_eq!((status.network.as_str(), status.open_requests), ("detente-test", 1));
    assert_eq!(status.tables_index, status.next_index);
    assert_eq!(status.genesis_sha256.len(), 32);
    let request = wire::ListRequestsRequest { page_size: 1, ..Default::default() };
    let page = client.list_requests(request).await.unwrap().into_inner();
    assert_eq!(page.requests[0].name, format!("requests/{}", sent.statement.request));
    let bad = wire::ListConnectionsRequest { page_size: -1, ..Default::default() };
    assert_eq!(client.list_connections(bad).await.unwrap_err().code(), Code::InvalidArgument);

    // None of it is on the desks' listener, and the desks' calls are not here.
    let desks = net.channel("NL");
    let refused = OperatorServiceClient::new(desks.clone())
        .get_relay_status(wire::GetRelayStatusRequest {})
        .await;
    assert_eq!(Failure::from(refused.unwrap_err()).rule_code, "E-104");
    let refused = HealthClient::new(desks.clone()).check(HealthCheckRequest::default()).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unimplemented);
    let ask = tokio_stream::iter([v1::ServerReflectionRequest::default()]);
    let refused = v1::server_reflection_client::ServerReflectionClient::new(desks)
        .server_reflection_info(ask)
        .await;
    assert_eq!(refused.unwrap_err().code(), Code::Unimplemented);
    let mut desk_calls =
        detente::wire::detente::desk::v1::desk_service_client::DeskServiceClient::new(channel);
    let request = detente::wire::detente::desk::v1::GetContentRequest::default();
    let refused = desk_calls.get_content(request).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unimplemented);
    net.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reflection_lists_what_is_served_in_both_versions() {
    let net = Net::start(Limits::default()).await;
    let channel = operator(&net).await;
    let list = v1::server_reflection_request::MessageRequest::ListServices(String::new());
    let ask = v1::ServerReflectionRequest { message_request: Some(list), ..Default::default() };
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel.clone());
    let mut answers =
        client.server_reflection_info(tokio_stream::iter([ask])).await.unwrap().into_inner();
    let answer = answers.next().await.unwrap().unwrap().message_response.unwrap();
    let v1::server_reflection_response::MessageResponse::ListServicesResponse(found) = answer
    else {
        panic!("{answer:?}")
    };
    let mut names: Vec<_> = found.service.into_iter().map(|service| service.name).collect();
    names.sort();
    assert!(names.contains(&"detente.operator.v1.OperatorService".to_owned()), "{names:?}");
    assert!(names.contains(&"grpc.health.v1.Health".to_owned()), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("Desk")), "{names:?}");

    let symbol = "detente.operator.v1.OperatorService".to_owned();
    let find = v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(symbol);
    let ask =
        v1alpha::ServerReflectionRequest { message_request: Some(find), ..Default::default() };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
    let mut answers =
        client.server_reflection_info(tokio_stream::iter([ask])).await.unwrap().into_inner();
    let answer = answers.next().await.unwrap().unwrap().message_response.unwrap();
    use v1alpha::server_reflection_response::MessageResponse;
    assert!(matches!(answer, MessageResponse::FileDescriptorResponse(_)), "{answer:?}");
    net.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_says_not_serving_before_anything_else_stops() {
    let net = Net::start(Limits::default()).await;
    let mut health = HealthClient::new(operator(&net).await);
    let answer = health.check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(answer.get_ref().status, i32::from(ServingStatus::Serving));
    let age: i64 =
        answer.metadata().get("detente-probe-age-ms").unwrap().to_str().unwrap().parse().unwrap();
    assert!((0..30_000).contains(&age), "{age}");
    let unknown = HealthCheckRequest { service: "nothing".to_owned() };
    assert_eq!(health.check(unknown).await.unwrap_err().code(), Code::NotFound);

    let mut watched = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(watched.next().await.unwrap().unwrap().status, i32::from(ServingStatus::Serving));
    net.stop();
    let next = tokio::time::timeout(PATIENCE, watched.next()).await.unwrap();
    assert_eq!(next.unwrap().unwrap().status, i32::from(ServingStatus::NotServing));
    net.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_listener_is_refused_where_others_could_reach_it() {
    let net = Net::start(Limits::default()).await;
    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    let refused = net.edge.operator(listener, std::future::pending()).await;
    assert!(matches!(refused, Err(ServeError::NotLoopback { .. })));
    net.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_count_calls_records_and_who_has_not_acknowledged() {
    let net = Net::start(Limits::default()).await;
    let nl = net.client("NL");
    nl.submit(&question("NL", "RO")).await.unwrap();
    let mut registry = detente::telemetry::registry("relay");
    net.edge.meter().register(&mut registry);
    registry.register_collector(Box::new(net.figures()));
    let mut page = String::new();
    prometheus_client::encoding::text::encode(&mut page, &registry).unwrap();
    for line in [
        concat!(
            "rpc_server_call_duration_seconds_count{",
            "rpc_method=\"detente.desk.v1.DeskService/Submit\",rpc_status_code=\"OK\"} 1"
        ),
        "detente_requests_open 1",
        "detente_requests_unacknowledged{member=\"RO\",urgency=\"ROUTINE\"} 1",
        "detente_log_entries_total{log=\"traffic\"}",
        "# TYPE detente_probe_age_seconds gauge",
        "detente_build_info{",
    ] {
        assert!(page.contains(line), "{line} is not in\n{page}");
    }
    drop(nl.follow(DeskIndex(0)).await.unwrap());
    net.close().await;
}
