//! Response times and the overdue list over the API: the operator sees all, a desk its member's own
//! and nobody else's.

use std::sync::Arc;

use detente::grpc::{Failure, Limits};
use detente::rules::Evidence;
use detente::units::{DAY_MS, DeskIndex, RequestId};
use detente::wire::detente::desk::v1 as desk;
use detente::wire::detente::operator::v1 as wire;
use tonic::transport::Endpoint;
use wire::operator_service_client::OperatorServiceClient;

use super::api_net::{Ahead, Net, acknowledgement, question, receipt};

/// A network in which RO has acknowledged what NL asked and never receipted what XM asked, both
/// four days ago.
async fn four_days_later() -> (Net, [RequestId; 2]) {
    let clock = Arc::new(Ahead::default());
    let net = Net::start_by(Limits::default(), Arc::clone(&clock) as _).await;
    let (by_nl, by_xm) = (question("NL", "RO"), question("XM", "RO"));
    net.client("NL").submit(&by_nl).await.unwrap();
    net.client("XM").submit(&by_xm).await.unwrap();
    let requests = [by_nl.statement.request, by_xm.statement.request];
    let ro = net.client("RO");
    let mut stream = ro.follow(DeskIndex(0)).await.unwrap();
    let offered = |id: &RequestId| {
        let published = net.relay.published();
        let request = published.state().request(*id).unwrap();
        request.transport().at(Evidence::RelayAcceptance).is_some()
    };
    while !requests.iter().all(offered) {
        stream.message().await.unwrap();
    }
    ro.submit(&receipt(&by_nl.statement)).await.unwrap();
    ro.submit(&acknowledgement(&by_nl.statement)).await.unwrap();
    clock.put(4 * DAY_MS);
    (net, requests)
}

fn query(change: impl FnOnce(&mut desk::ResponseTimesQuery)) -> desk::ResponseTimesQuery {
    let mut query = desk::ResponseTimesQuery { group_by: "PAIR".to_owned(), ..Default::default() };
    change(&mut query);
    query
}

/// The groups as "NL RO", and what `span` says of each.
fn of_span(report: &desk::ResponseTimesReport, span: &str) -> Vec<(String, desk::SpanTimes)> {
    let found = report.groups.iter().map(|group| {
        let span = group.spans.iter().find(|of| of.span == span).unwrap().clone();
        (format!("{} {}", group.asking, group.asked), span)
    });
    found.collect()
}

async fn operator(net: &Net) -> OperatorServiceClient<tonic::transport::Channel> {
    let address = net.operator().await;
    let channel = Endpoint::try_from(format!("http://{address}")).unwrap().connect().await;
    OperatorServiceClient::new(channel.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_sees_who_has_not_answered() {
    let (net, [by_nl, by_xm]) = four_days_later().await;
    let mut operator = operator(&net).await;
    let ask = wire::GetResponseTimesRequest { query: Some(query(|_| {})), ..Default::default() };
    let answer = operator.get_response_times(ask).await.unwrap().into_inner();
    let report = answer.report.unwrap();
    assert_eq!((report.total.as_ref().unwrap().requests, answer.next_page_token.as_str()), (2, ""));
    let figures = |span: &str| {
        let of = of_span(&report, span).into_iter();
        let row = |of: desk::SpanTimes| (of.count, of.within_target, of.missed_target, of.waiting);
        of.map(|(pair, of)| (pair, row(of))).collect::<Vec<_>>()
    };
    let pairs = |nl, xm| vec![("NL RO".to_owned(), nl), ("XM RO".to_owned(), xm)];
    assert_eq!(figures("DELIVER"), pairs((1, 1, 0, 0), (0, 0, 1, 1)));
    assert_eq!(figures("ACKNOWLEDGE"), pairs((1, 1, 0, 0), (0, 0, 1, 1)));
    // Its own estimate was eight hours; before it is acknowledged there is none.
    assert_eq!(figures("DETERMINE"), pairs((0, 0, 1, 1), (0, 0, 0, 1)));
    assert_eq!(figures("PRESERVE"), pairs((0, 0, 0, 0), (0, 0, 0, 0)));

    let mut found = Vec::new();
    let mut page_token = String::new();
    loop {
        let ask = wire::ListOverdueRequest { query: None, page_size: 1, page_token };
        let page = operator.list_overdue(ask).await.unwrap().into_inner();
        assert!(page.requests.len() <= 1);
        found.extend(page.requests.into_iter().map(|late| (late.request.unwrap().name, late.span)));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let late = |id: RequestId, span: &str| (format!("requests/{id}"), span.to_owned());
    assert_eq!(found, [late(by_nl, "DETERMINE"), late(by_xm, "DELIVER")]);
    figures_name_no_pair(&net);
    net.close().await;
}

fn figures_name_no_pair(net: &Net) {
    let mut registry = detente::telemetry::registry("relay");
    registry.register_collector(Box::new(net.figures()));
    let mut page = String::new();
    prometheus_client::encoding::text::encode(&mut page, &registry).unwrap();
    let ro = "member=\"RO\",urgency=\"ROUTINE\"";
    for line in [
        format!("detente_requests_past_target{{{ro},span=\"DELIVER\"}} 1"),
        format!("detente_requests_past_target{{{ro},span=\"ACKNOWLEDGE\"}} 1"),
        format!("detente_requests_past_target{{{ro},span=\"DETERMINE\"}} 1"),
        format!("detente_request_ack_seconds_count{{{ro}}} 1"),
        format!("detente_request_ack_seconds_bucket{{le=\"60.0\",{ro}}} 1"),
        format!("detente_request_ack_seconds_bucket{{le=\"86400.0\",{ro}}} 1"),
        format!("detente_request_ack_seconds_bucket{{le=\"+Inf\",{ro}}} 1"),
    ] {
        assert!(page.contains(&line), "{line} is not in\n{page}");
    }
    let about_requests = page.lines().filter(|line| line.starts_with("detente_request"));
    for line in about_requests {
        assert!(!line.contains("NL") && !line.contains("XM"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_desk_sees_its_own_pairs_and_never_a_third() {
    let (net, [by_nl, by_xm]) = four_days_later().await;
    let cases: [(&str, &[&str], &[RequestId]); 3] = [
        ("NL", &["NL RO"], &[by_nl]),
        ("XM", &["XM RO"], &[by_xm]),
        ("RO", &["NL RO", "XM RO"], &[by_nl, by_xm]),
    ];
    for (member, pairs, late) in cases {
        let client = net.client(member);
        let ask =
            desk::GetResponseTimesRequest { query: Some(query(|_| {})), ..Default::default() };
        let report = client.response_times(ask).await.unwrap().report.unwrap();
        let found: Vec<String> =
            of_span(&report, "CLOSE").into_iter().map(|(pair, _)| pair).collect();
        assert_eq!(found, pairs, "{member}");
        assert_eq!(report.total.unwrap().requests, pairs.len() as u64, "{member}");
        let found = client.overdue(desk::ListOverdueRequest::default()).await.unwrap().requests;
        let names: Vec<String> = found.into_iter().map(|late| late.request.unwrap().name).collect();
        let wanted: Vec<String> = late.iter().map(|id| format!("requests/{id}")).collect();
        assert_eq!(names, wanted, "{member}");
    }
    // Asking for others by name gives nothing.
    let of_others = query(|query| query.asking = "XM".to_owned());
    let ask = desk::GetResponseTimesRequest { query: Some(of_others), ..Default::default() };
    let report = net.client("NL").response_times(ask).await.unwrap().report.unwrap();
    assert_eq!((report.total.unwrap().requests, report.groups.len()), (0, 0));
    let of_others = desk::OverdueQuery { asking: "XM".to_owned(), ..Default::default() };
    let ask = desk::ListOverdueRequest { query: Some(of_others), ..Default::default() };
    assert_eq!(net.client("NL").overdue(ask).await.unwrap().requests, []);
    net.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_groups_follow_each_other_and_bad_questions_are_refused() {
    let (net, _) = four_days_later().await;
    let ro = net.client("RO");
    let ask = |query: desk::ResponseTimesQuery, page_token: &str| desk::GetResponseTimesRequest {
        query: Some(query),
        page_size: 1,
        page_token: page_token.to_owned(),
    };
    let first = ro.response_times(ask(query(|_| {}), "")).await.unwrap();
    let token = first.next_page_token;
    let second = ro.response_times(ask(query(|_| {}), &token)).await.unwrap();
    let pair = |report: Option<desk::ResponseTimesReport>| {
        of_span(&report.unwrap(), "CLOSE").into_iter().map(|(pair, _)| pair).collect::<Vec<_>>()
    };
    assert_eq!(
        (pair(first.report), pair(second.report)),
        (vec!["NL RO".to_owned()], vec!["XM RO".to_owned()])
    );
    assert_eq!(second.next_page_token, "");

    let submitted = |day: &str| query(|query| query.until_day = day.to_owned());
    let before = ro.response_times(ask(submitted("2020-01-01"), "")).await.unwrap();
    assert_eq!(before.report.unwrap().total.unwrap().requests, 0);
    let wrong = [
        ("page_token", ask(query(|query| query.urgency = "URGENT".to_owned()), &token)),
        ("page_token", ask(query(|_| {}), "nonsense")),
        ("query.group_by", ask(query(|query| query.group_by = "pair".to_owned()), "")),
        ("query.from_day", ask(query(|query| query.from_day = "1.11.2026".to_owned()), "")),
        ("query.until_day", ask(query(|query| query.from_day = "9999-12-30".to_owned()), "")),
    ];
    for (field, ask) in wrong {
        let Failure { rule_code, fields, .. } = ro.response_times(ask).await.unwrap_err();
        assert_eq!((rule_code.as_str(), fields[0].0.as_str()), ("E-101", field));
    }
    net.close().await;
}
