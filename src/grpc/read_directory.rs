//! Reading entries from the tables and the journal on behalf of a call.
//!
//! Not for deciding who may see the restricted part: the door does.

use tonic::Status;

use super::parse::{EntryAsked, Page, Which};
use super::read::{blocking, fault, newest};
use super::trouble::Trouble;
use super::{page, render_directory};
use crate::codec;
use crate::relay::{DirectoryRecord, Relay};
use crate::units::{DeskId, MemberId};
use crate::views::{EntryRow, MemberRow, Search};
use crate::wire::detente::directory::v1 as wire;

/// One version of an entry; the restricted part only for those entitled to it.
pub(super) async fn entry(
    relay: &Relay,
    asked: EntryAsked,
    entitled: bool,
) -> Result<wire::GetEntryResponse, Status> {
    let EntryAsked { member, which } = asked;
    newest(relay).await?;
    let found = blocking(relay, move |relay| {
        let tables = relay.tables()?;
        let found = match which {
            Which::Newest => tables.entry_at(member, None),
            Which::AsOf(at) => tables.entry_at(member, Some(at)),
            Which::Version(version) => {
                tables.entry(member, version).map(|row| row.map(|row| (version, row)))
            }
        };
        let Some((version, row)) = found.map_err(fault)? else { return Ok(None) };
        Ok(Some((version, row, relay.read_directory_record(row.index)?)))
    });
    let missing = || Trouble::UnknownResource(format!("members/{member} of that version"));
    let (version, row, record) = found.await?.ok_or_else(|| missing().status())?;
    Ok(rendered(version, &row, record, entitled))
}

fn rendered(
    version: u64,
    row: &EntryRow,
    record: DirectoryRecord,
    entitled: bool,
) -> wire::GetEntryResponse {
    let DirectoryRecord { record, restricted, erased } = record;
    // What was read before can be read again.
    let signed = codec::decode_entry(&record.event_bytes).ok().flatten();
    wire::GetEntryResponse {
        version: Some(render_directory::version(version, row)),
        signed_entry: signed.map(|signed| signed.to_bytes()).unwrap_or_default(),
        restricted: if entitled { restricted } else { Vec::new() },
        restricted_erased: erased,
    }
}

/// A page of the versions of a member's entry.
pub(super) async fn versions(
    relay: &Relay,
    member: MemberId,
    asked: Page,
) -> Result<wire::ListEntryVersionsResponse, Status> {
    let Page { size, token } = asked;
    let query = format!("versions {member}");
    let from: Option<u64> = page::place(&query, &token).map_err(Trouble::status)?;
    newest(relay).await?;
    let mut found = blocking(relay, move |relay| {
        let from = from.unwrap_or(0);
        relay.tables()?.entries(member, from, size.saturating_add(1)).map_err(fault)
    })
    .await?;
    if found.is_empty() && from.is_none() {
        return Err(Trouble::UnknownResource(format!("members/{member}")).status());
    }
    let next = if found.len() > size { found.pop() } else { None };
    let next_page_token = next.map(|(version, _)| page::token(&query, &version.to_string()));
    Ok(wire::ListEntryVersionsResponse {
        versions: found.iter().map(|(n, row)| render_directory::version(*n, row)).collect(),
        next_page_token: next_page_token.unwrap_or_default(),
    })
}

/// A page of the desks that are looked for.
pub(super) async fn desks(
    relay: &Relay,
    search: Search,
    query: String,
    asked: Page,
) -> Result<wire::SearchDesksResponse, Status> {
    newest(relay).await?;
    let members = blocking(relay, move |relay| {
        Ok(relay.tables()?.members(None, usize::MAX - 1).map_err(fault)?.rows)
    })
    .await?;
    found(&members, &search, &query, asked).map_err(Trouble::status)
}

/// The page of those of `members` that are looked for.
pub(super) fn found(
    members: &[MemberRow],
    search: &Search,
    query: &str,
    asked: Page,
) -> Result<wire::SearchDesksResponse, Trouble> {
    let Page { size, token } = asked;
    let after: Option<DeskId> = page::place(query, &token)?;
    let id = |member: &MemberRow, desk: &crate::views::DeskRow| DeskId {
        member: member.id,
        name: desk.name.clone(),
    };
    let mut rest = search
        .among(members.iter())
        .into_iter()
        .filter(|(member, desk)| after.as_ref().is_none_or(|after| id(member, desk) > *after));
    let page: Vec<_> = rest.by_ref().take(size).collect();
    let next_page_token = match (page.last(), rest.next()) {
        (Some((member, desk)), Some(_)) => page::token(query, &id(member, desk).to_string()),
        (Some(_) | None, None) | (None, Some(_)) => String::new(),
    };
    let desks =
        page.into_iter().map(|(member, desk)| render_directory::listing(member, desk)).collect();
    Ok(wire::SearchDesksResponse { desks, next_page_token })
}
