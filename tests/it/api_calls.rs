//! What a desk calls at the relay, and what it is answered when it may not.

use detente::envelope::Envelope;
use detente::grpc::{Failure, Limits};
use detente::units::{DeskIndex, MessageId};
use detente::wire::detente::desk::v1 as desk_wire;
use detente::wire::detente::directory::v1 as directory_wire;
use detente::wire::detente::log::v1 as log_wire;
use tonic::{Code, Status};

use super::api_net::{MEMBERS, Net, question, receipt};
use super::net::PATIENCE;

fn name(envelope: &Envelope) -> String {
    format!("requests/{}", envelope.statement.request)
}

fn failure<T: std::fmt::Debug>(answer: Result<T, Status>) -> Failure {
    Failure::from(answer.unwrap_err())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_goes_in_and_comes_out_and_its_body_follows_the_receipt() {
    let net = Net::start(Limits::default()).await;
    let (nl, ro) = (net.client("NL"), net.client("RO"));
    let sent = question("NL", "RO");
    let recorded = nl.submit(&sent).await.unwrap();
    assert!(!recorded.repeat);
    let again = nl.submit(&sent).await.unwrap();
    assert_eq!((again.index, again.time, again.repeat), (recorded.index, recorded.time, true));

    let mut stream = ro.follow(DeskIndex(0)).await.unwrap();
    let record = loop {
        let item = stream.message().await.unwrap().unwrap().item.unwrap();
        if let desk_wire::follow_response::Item::Record(record) = item
            && record.index == recorded.index.0
        {
            break record;
        }
    };
    assert_eq!(record.header, sent.header);

    let early = ro.content(sent.statement.message).await.unwrap_err();
    assert_eq!((early.code, early.reason.as_str()), (Code::FailedPrecondition, "RECEIPT_MISSING"));
    assert!(!early.retry);
    ro.submit(&receipt(&sent.statement)).await.unwrap();
    let content = ro.content(sent.statement.message).await.unwrap();
    assert_eq!((content.wrap, content.ciphertext), (sent.wrap.clone(), sent.ciphertext.clone()));

    let request =
        desk_wire::GetRequestStatusRequest { name: name(&sent), at_least_index: recorded.index.0 };
    let status = nl.desk.clone().get_request_status(nl.timed(request)).await.unwrap().into_inner();
    let status = status.request.unwrap();
    assert_eq!((status.from.as_str(), status.to.as_str()), ("NL/cyber", "RO/cyber"));
    assert_eq!(status.r#type, "LEGAL_INFORMATION");
    drop(stream);
    net.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_has_its_code_and_a_next_action() {
    let net = Net::start(Limits::default()).await;
    let (nl, xm) = (net.client("NL"), net.client("XM"));
    let sent = question("NL", "RO");
    let recorded = nl.submit(&sent).await.unwrap();

    // Another desk's statement.
    let stolen = xm.submit(&question("NL", "RO")).await.unwrap_err();
    assert_eq!((stolen.code, stolen.rule_code.as_str()), (Code::PermissionDenied, "E-107"));
    // A signature that is not the officer's.
    let mut forged = question("NL", "RO");
    forged.signatures[0].bytes[0] ^= 1;
    let forged = nl.submit(&forged).await.unwrap_err();
    assert_eq!((forged.code, forged.reason.as_str()), (Code::PermissionDenied, "BAD_SIGNATURE"));
    // A body that is not the one in the header.
    let mut swapped = question("NL", "RO");
    swapped.ciphertext[0] ^= 1;
    let swapped = nl.submit(&swapped).await.unwrap_err();
    assert_eq!((swapped.code, swapped.rule_code.as_str()), (Code::InvalidArgument, "E-101"));
    assert_eq!(swapped.fields[0].0, "envelope.ciphertext");

    // A request between two others is not there.
    let at_least_index = recorded.index.0;
    let request = desk_wire::GetRequestStatusRequest { name: name(&sent), at_least_index };
    let hidden = failure(xm.desk.clone().get_request_status(request.clone()).await);
    assert_eq!((hidden.code, hidden.reason.as_str()), (Code::NotFound, "UNKNOWN_RESOURCE"));
    let request = log_wire::ListRecordsRequest { request: name(&sent), ..Default::default() };
    assert_eq!(failure(xm.log.clone().list_records(request).await).code, Code::NotFound);
    let content = xm.content(sent.statement.message).await.unwrap_err();
    let unknown = xm.content(MessageId([9; 16])).await.unwrap_err();
    assert_eq!(content.code, unknown.code, "the answer tells whether it is there");

    for failure in [stolen, forged, swapped, hidden] {
        assert!(!failure.retry, "{failure:?}");
        assert!(!failure.cause.is_empty() && !failure.next.is_empty(), "{failure:?}");
    }
    net.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_beyond_the_end_is_refused() {
    let net = Net::start(Limits::default()).await;
    let (nl, ro) = (net.client("NL"), net.client("RO"));
    let end =
        |net: &Net| net.relay.published().state().next_desk_index(&"RO/cyber".parse().unwrap());
    nl.submit(&question("NL", "RO")).await.unwrap();
    for ahead in [end(&net).0 + 1, u64::MAX] {
        let refused = ro.follow(DeskIndex(ahead)).await.unwrap_err();
        assert_eq!((refused.code, refused.rule_code.as_str()), (Code::OutOfRange, "E-109"));
        assert_eq!((refused.reason.as_str(), refused.retry), ("CURSOR_AHEAD", false));
        assert!(refused.next.contains("operator"), "{refused:?}");
    }
    ro.follow(end(&net)).await.unwrap();
    net.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_page_sizes_and_tokens_are_read_strictly() {
    let net = Net::start(Limits::default()).await;
    let nl = net.client("NL");
    for name in ["", "requests/", "requests/1", "members/NL", "requests/NL/cyber"] {
        let request = desk_wire::GetRequestStatusRequest { name: name.into(), at_least_index: 0 };
        let refused = failure(nl.desk.clone().get_request_status(request).await);
        assert_eq!((refused.code, refused.fields[0].0.as_str()), (Code::InvalidArgument, "name"));
    }
    for name in ["members/", "members/nl", "NL", "members/NL/desks/cyber"] {
        let request = directory_wire::GetMemberRequest { name: name.into() };
        let refused = failure(nl.directory.clone().get_member(request).await);
        assert_eq!((refused.code, refused.fields[0].0.as_str()), (Code::InvalidArgument, "name"));
    }
    let request = directory_wire::GetMemberRequest { name: "members/FR".into() };
    assert_eq!(failure(nl.directory.clone().get_member(request).await).code, Code::NotFound);
    let future =
        desk_wire::ListRequestStatusesRequest { at_least_index: 1_000_000, ..Default::default() };
    let refused = failure(nl.desk.clone().list_request_statuses(future).await);
    assert_eq!(refused.fields[0].0, "at_least_index");

    for (page_size, page_token, field) in
        [(-1, "", "page_size"), (0, "x", "page_token"), (0, "AAAA", "page_token")]
    {
        let page_token = page_token.to_owned();
        let (mut desk, mut directory, mut log) =
            (nl.desk.clone(), nl.directory.clone(), nl.log.clone());
        let statuses = desk.list_request_statuses(desk_wire::ListRequestStatusesRequest {
            page_size,
            page_token: page_token.clone(),
            ..Default::default()
        });
        let members = directory.list_members(directory_wire::ListMembersRequest {
            page_size,
            page_token: page_token.clone(),
        });
        let records = log.list_records(log_wire::ListRecordsRequest {
            page_size,
            page_token,
            request: String::new(),
        });
        let refused = [failure(statuses.await), failure(members.await), failure(records.await)];
        for refused in refused {
            assert_eq!(refused.code, Code::InvalidArgument);
            assert_eq!(refused.fields[0].0, field);
        }
    }
    net.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_end_and_miss_nothing() {
    let net = Net::start(Limits::default()).await;
    let nl = net.client("NL");
    let mut wanted = Vec::new();
    let mut at_least_index = 0;
    for _ in 0..7 {
        let sent = question("NL", "RO");
        at_least_index = nl.submit(&sent).await.unwrap().index.0;
        wanted.insert(0, name(&sent));
    }
    let (mut found, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = desk_wire::ListRequestStatusesRequest {
            page_size: 3,
            page_token,
            open_only: true,
            at_least_index,
        };
        let page = nl.desk.clone().list_request_statuses(request).await.unwrap().into_inner();
        assert!(page.requests.len() <= 3);
        found.extend(page.requests.into_iter().map(|request| request.name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(found, wanted, "newest first, each once");

    let (mut numbers, mut page_token) = (Vec::new(), String::new());
    loop {
        let request =
            log_wire::ListRecordsRequest { page_size: 2, page_token, request: String::new() };
        let page = nl.log.clone().list_records(request).await.unwrap().into_inner();
        numbers.extend(page.records.iter().map(|record| record.desk_index));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert!(numbers.len() >= 7);
    assert!(numbers.iter().copied().eq(0..numbers.len() as u64), "{numbers:?}");

    let (mut members, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = directory_wire::ListMembersRequest { page_size: 2, page_token };
        let page = nl.directory.clone().list_members(request).await.unwrap().into_inner();
        members.extend(page.members.into_iter().map(|member| member.name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(members, MEMBERS.map(|member| format!("members/{member}")));
    net.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_desk_is_refused_on_its_open_connection_but_not_for_good() {
    let net = Net::start(Limits::default()).await;
    let nl = net.client("NL");
    let sent = question("NL", "RO");
    nl.submit(&sent).await.unwrap();
    net.revoked.lock().unwrap().insert(super::api_net::desk("NL"));
    let refused = nl.submit(&sent).await.unwrap_err();
    assert_eq!(refused.code, Code::Unauthenticated);
    assert_eq!((refused.rule_code.as_str(), refused.retry), ("I-114", true));
    net.client("RO").signed_genesis().await.unwrap();
    net.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_streams_with_a_delay_and_refuses_nobody_for_good() {
    let net = Net::start(Limits::default()).await;
    let nl = net.client("NL");
    let mut stream = nl.follow(DeskIndex(0)).await.unwrap();
    net.stop();
    let ended = loop {
        match tokio::time::timeout(PATIENCE, stream.message()).await.unwrap() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the stream ended without saying why"),
            Err(status) => break Failure::from(status),
        }
    };
    assert_eq!((ended.code, ended.reason.as_str()), (Code::Unavailable, "SHUTTING_DOWN"));
    assert!(ended.retry && ended.retry_after.is_some());
    net.close().await;
}
