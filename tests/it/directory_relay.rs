//! The directory at the relay: entries are published, followed, asked for and searched; whatever
//! anybody else signs is refused.

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

use detente::codec::{decode_entry, decode_event};
use detente::envelope::entry::words::{DeskRole, System, Use, When};
use detente::envelope::entry::{
    self, Channel, DeskRestricted, Entry, Restricted, Signed, of_founding, restricted,
};
use detente::envelope::words::RequestType;
use detente::envelope::{SigningKey, genesis};
use detente::grpc::{Failure, Limits};
use detente::rules::event::Kind;
use detente::rules::{Directory, ErasureReason};
use detente::units::{HOUR_MS, Hash, Index, MessageId};
use detente::wire::detente::directory::v1 as api;
use proptest::prelude::*;
use tonic::Code;

use crate::api_net::{Net, now, random, signing};
use crate::records::Maker;

const PHONE: &str = "+31201234567";

/// The next entry of a member on top of what the relay has, changed, with a telephone.
pub(crate) fn next(net: &Net, member: &str, change: impl FnOnce(&mut Entry)) -> (Entry, Vec<u8>) {
    let genesis = genesis::parse(net.relay.signed_genesis()).unwrap();
    let founding = genesis.members.iter().find(|m| m.id.to_string() == member).unwrap();
    let published = net.relay.published();
    let known = published.state().directory().member(founding.id).unwrap();
    let phone = Channel {
        system: System::Phone,
        value: PHONE.to_owned(),
        usage: Use::Primary,
        rank: 1,
        when: When::Always,
        from: None,
        until: None,
    };
    let open = DeskRestricted {
        salt: random(),
        channels: vec![phone],
        confirmation: None,
        persons: Vec::new(),
    };
    let desk = founding.desks[0].name.clone();
    let (bytes, commitments) = restricted::render(&Restricted::from([(desk, open)]));
    let mut entry = Entry {
        message: MessageId(random()),
        version: known.version + 1,
        previous: known.entry,
        created: now(),
        not_after: now().plus_ms(HOUR_MS),
        ..of_founding(&genesis, founding)
    };
    entry.desks[0].restricted = commitments.into_values().next();
    change(&mut entry);
    (entry, bytes)
}

pub(crate) fn sign((entry, restricted): (Entry, Vec<u8>), by: &SigningKey) -> Signed {
    entry::sign(entry::render(&entry).unwrap(), restricted, by).unwrap()
}

/// A member's next entry, signed.
pub(crate) fn next_signed(net: &Net, member: &str, change: impl FnOnce(&mut Entry)) -> Signed {
    sign(next(net, member, change), &signing(member))
}

async fn publish(net: &Net, member: &str, change: impl FnOnce(&mut Entry)) -> Signed {
    let signed = next_signed(net, member, change);
    net.client(member).publish(&signed).await.unwrap();
    signed
}

fn code(failure: &Failure) -> (&str, Code, &str) {
    (&failure.rule_code, failure.code, &failure.reason)
}

async fn entry_of(net: &Net, which: (Option<u64>, i64)) -> Result<api::GetEntryResponse, Failure> {
    let (version, as_of_ms) = which;
    let request = api::GetEntryRequest { name: "members/NL".to_owned(), version, as_of_ms };
    let answer = net.client("RO").directory.get_entry(request).await;
    answer.map(tonic::Response::into_inner).map_err(Failure::from)
}

#[tokio::test]
async fn an_entry_is_followed_by_others_with_its_restricted_part() {
    let net = Net::start(Limits::default()).await;
    let mut stream = net.client("RO").follow_directory(0).await.unwrap();
    let founded = record(stream.message().await.unwrap().unwrap());
    assert_eq!((founded.leaf_index, founded.index), (0, 0));
    let signed = publish(&net, "NL", |_| {}).await;
    let came = record(stream.message().await.unwrap().unwrap());
    assert_eq!(came.leaf_index, 1);
    let event = decode_event(&came.event, &[]).unwrap().event;
    assert!(event.from.is_none() && event.to.is_none(), "it has no parties");
    let Kind::EntryPublished(entry) = event.kind else { panic!("{event:?}") };
    assert_eq!(*entry, signed.entry);
    let read = decode_entry(&came.event).unwrap().unwrap();
    assert_eq!(read.verify(&signing("NL").public()), Ok(()));
    let opened = read.with_restricted(came.restricted).unwrap().opened();
    assert_eq!(opened, signed.opened());
    // The plain leaf commits to the event, which holds no number.
    let published = net.relay.read_record(Index(came.index)).unwrap();
    assert_eq!(published.event_bytes, came.event);
    assert!(!String::from_utf8_lossy(&came.event).contains(PHONE));
    // Who joins late starts at 0.
    let mut late = net.client("XM").follow_directory(0).await.unwrap();
    assert_eq!(record(late.message().await.unwrap().unwrap()).leaf_index, 0);
    assert_eq!(record(late.message().await.unwrap().unwrap()).event, came.event);
    drop((stream, late));
    net.close().await;
}

fn record(response: api::FollowEntriesResponse) -> api::DirectoryRecord {
    match response.item {
        Some(api::follow_entries_response::Item::Record(record)) => record,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_the_nation_has_not_signed_or_does_not_follow_is_refused() {
    let net = Net::start(Limits::default()).await;
    let nl = net.client("NL");
    let draft = || next(&net, "NL", |_| {});
    let not_signed = ("R-503", Code::PermissionDenied, "ENTRY_NOT_SIGNED");
    for by in ["RO", "NL/cyber", "NL/cyber/duty", "log directory"] {
        let forged = sign(draft(), &signing(by));
        assert_eq!(code(&nl.publish(&forged).await.unwrap_err()), not_signed, "{by}");
    }
    let mut both = sign(draft(), &signing("NL"));
    both.signatures.extend(sign(draft(), &signing("RO")).signatures);
    assert_eq!(code(&nl.publish(&both).await.unwrap_err()), not_signed);
    let good = sign(draft(), &signing("NL"));
    let over_another = net.client("RO").publish(&good).await.unwrap_err();
    assert_eq!(code(&over_another), ("R-501", Code::PermissionDenied, "ENTRY_OF_ANOTHER"));
    let first = nl.publish(&good).await.unwrap();
    // The very same again is the same; another on top of the same is late.
    let again = nl.publish(&good).await.unwrap();
    assert!(again.repeat && !first.repeat);
    assert_eq!((again.index, again.time), (first.index, first.time));
    let stale = sign(next(&net, "NL", |entry| entry.version = 1), &signing("NL"));
    let late = nl.publish(&stale).await.unwrap_err();
    assert_eq!(code(&late), ("R-505", Code::FailedPrecondition, "ENTRY_OUT_OF_SEQUENCE"));
    assert!(late.cause.contains("the next of NL is version 2"), "{}", late.cause);
    let fork = sign(next(&net, "NL", |entry| entry.previous = Hash([1; 32])), &signing("NL"));
    assert_eq!(nl.publish(&fork).await.unwrap_err().rule_code, "R-506");
    // A changed number is not what was committed to.
    let mut swapped = sign(draft(), &signing("NL"));
    let at = swapped.restricted.windows(12).position(|part| part == PHONE.as_bytes()).unwrap();
    swapped.restricted[at + 11] = b'8';
    let refused = nl.publish(&swapped).await.unwrap_err();
    assert_eq!(code(&refused), ("E-101", Code::InvalidArgument, "MALFORMED_FIELD"));
    assert_eq!(refused.fields[0].0, "envelope.entry_restricted.desks[0]");
    assert_eq!(net.relay.published().next_leaf(), 2, "nothing else was recorded");
    net.close().await;
}

#[tokio::test]
async fn every_version_can_be_asked_for_by_number_and_by_moment() {
    let net = Net::start(Limits::default()).await;
    let mut times = vec![0];
    for n in 1..=3 {
        publish(&net, "NL", |entry| entry.display_name = format!("Version {n}")).await;
        let newest = entry_of(&net, (None, 0)).await.unwrap().version.unwrap();
        assert_eq!(newest.version, n);
        times.push(newest.time_ms);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let named = |answer: &api::GetEntryResponse| {
        Signed::parse(&answer.signed_entry).unwrap().entry.display_name
    };
    for n in 1..=3 {
        let by_number = entry_of(&net, (Some(n), 0)).await.unwrap();
        assert_eq!(named(&by_number), format!("Version {n}"));
        assert!(!by_number.restricted.is_empty() && !by_number.restricted_erased);
        let at = times[usize::try_from(n).unwrap()];
        assert_eq!(entry_of(&net, (None, at)).await.unwrap(), by_number, "as of its own moment");
        let before = entry_of(&net, (None, at - 1)).await.unwrap().version.unwrap();
        assert_eq!(before.version, n - 1, "the moment before");
    }
    let genesis = entry_of(&net, (Some(0), 0)).await.unwrap();
    assert!(genesis.signed_entry.is_empty());
    assert_eq!(genesis.version.unwrap().leaf_index, 0);
    assert_eq!(entry_of(&net, (Some(4), 0)).await.unwrap_err().rule_code, "E-105");
    assert_eq!(entry_of(&net, (None, 1)).await.unwrap_err().rule_code, "E-105");
    assert_eq!(entry_of(&net, (Some(1), 1)).await.unwrap_err().rule_code, "E-101");

    let (mut versions, mut page_token) = (Vec::new(), String::new());
    loop {
        let name = "members/NL".to_owned();
        let request = api::ListEntryVersionsRequest { name, page_size: 3, page_token };
        let page = net.client("RO").directory.list_entry_versions(request).await.unwrap();
        let page = page.into_inner();
        versions.extend(page.versions.iter().map(|version| version.version));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(versions, [0, 1, 2, 3]);
    net.close().await;
}

#[tokio::test]
async fn desks_are_found_by_what_they_are_and_can_do() {
    let net = Net::start(Limits::default()).await;
    publish(&net, "NL", |entry| {
        entry.desks[0].roles = vec![DeskRole::Operational247, DeskRole::StopPayment];
        entry.desks[0].executes = vec![RequestType::Preservation];
    })
    .await;
    let asked = api::SearchDesksRequest::default;
    let all = vec!["NL/cyber", "RO/cyber", "XM/cyber"];
    let cases = [
        (asked(), all.clone()),
        (api::SearchDesksRequest { member: "RO".into(), ..asked() }, vec!["RO/cyber"]),
        (api::SearchDesksRequest { role: "STOP_PAYMENT".into(), ..asked() }, vec!["NL/cyber"]),
        (api::SearchDesksRequest { role: "DIPLOMATIC".into(), ..asked() }, vec![]),
        (api::SearchDesksRequest { executes: "PRESERVATION".into(), ..asked() }, vec!["NL/cyber"]),
        (api::SearchDesksRequest { language: "EN".into(), ..asked() }, all.clone()),
        (api::SearchDesksRequest { language: "fr".into(), ..asked() }, vec![]),
        (api::SearchDesksRequest { instrument: "G7_2417".into(), ..asked() }, all.clone()),
        (api::SearchDesksRequest { instrument: "BUDAPEST".into(), ..asked() }, vec![]),
    ];
    for (request, wanted) in cases {
        let answer = net.client("XM").directory.search_desks(request.clone()).await.unwrap();
        let found: Vec<String> = answer.into_inner().desks.into_iter().map(|d| d.desk).collect();
        assert_eq!(found, wanted, "{request:?}");
    }
    let first = api::SearchDesksRequest { page_size: 2, ..asked() };
    let page = net.client("XM").directory.search_desks(first.clone()).await.unwrap().into_inner();
    let rest = api::SearchDesksRequest { page_token: page.next_page_token.clone(), ..first };
    let rest = net.client("XM").directory.search_desks(rest).await.unwrap().into_inner();
    assert_eq!((page.desks.len(), rest.desks.len()), (2, 1));
    assert!(rest.next_page_token.is_empty());
    let other = api::SearchDesksRequest { role: "DIPLOMATIC".into(), ..asked() };
    let other = api::SearchDesksRequest { page_token: page.next_page_token, ..other };
    let refused = Failure::from(net.client("XM").directory.search_desks(other).await.unwrap_err());
    assert_eq!(refused.rule_code, "E-101", "a token is of its own query");
    let unknown = api::SearchDesksRequest { role: "SALES".into(), ..asked() };
    let refused =
        Failure::from(net.client("XM").directory.search_desks(unknown).await.unwrap_err());
    assert_eq!((refused.rule_code.as_str(), refused.fields[0].0.as_str()), ("E-101", "role"));
    net.close().await;
}

#[tokio::test]
async fn an_erased_restricted_part_is_said_to_be_gone_and_the_entry_stands() {
    let net = Net::start(Limits::default()).await;
    let signed = publish(&net, "NL", |_| {}).await;
    let index = entry_of(&net, (None, 0)).await.unwrap().version.unwrap().index;
    net.relay.erase_restricted(Index(index), ErasureReason::LegalOrder).await.unwrap();
    let answer = entry_of(&net, (None, 0)).await.unwrap();
    assert!(answer.restricted.is_empty() && answer.restricted_erased);
    assert_eq!(Signed::parse(&answer.signed_entry).unwrap().entry, signed.entry);
    net.close().await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// The directory is the genesis and every entry after it, folded in order: nothing else.
    #[test]
    fn the_fold_of_all_entries_is_the_live_directory(
        steps in prop::collection::vec(
            (prop_oneof![Just(15u8), any::<u8>()], any::<u8>(), any::<u8>()),
            0..60,
        ),
    ) {
        let mut maker = Maker::new();
        for step in steps {
            maker.step(step);
        }
        let mut folded = Directory::default();
        for record in &maker.records {
            if let Kind::Founded(genesis) = &record.event.kind {
                folded = Directory::from_genesis(genesis);
            }
            if let Kind::EntryPublished(entry) = &record.event.kind {
                folded.add_entry(entry);
            }
        }
        prop_assert_eq!(&folded, maker.state.directory());
    }
}
