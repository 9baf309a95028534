//! Reading from the tables and the journal on behalf of a call, off the threads that serve calls.
//!
//! Not for deciding who may see what it finds, except that a desk sees only its own.

use std::sync::Arc;

use tonic::Status;

use super::page::bad_token;
use super::parse::RequestPage;
use super::status;
use super::trouble::Trouble;
use crate::relay::{self, BodyPlace, DeskRecord, Relay};
use crate::tables::{self, PageToken};
use crate::units::{DeskId, DeskIndex, Index, RequestId};
use crate::views::RequestRow;

/// Places of records that are looked up at once.
const PLACES: usize = 500;

/// A page of a desk's records.
pub(super) struct Records {
    pub(super) records: Vec<DeskRecord>,
    /// Where the next page begins; none at the end.
    pub(super) next: Option<u64>,
}

/// A request that `desk` is a party to; any, for the operator.
pub(super) async fn request(
    relay: &Relay,
    id: RequestId,
    desk: Option<DeskId>,
    at_least: Index,
) -> Result<RequestRow, Status> {
    caught_up(relay, at_least).await?;
    let row = blocking(relay, move |relay| relay.tables()?.request(id).map_err(fault)).await?;
    let whose = if desk.is_some() { " to which this desk is a party" } else { "" };
    row.filter(|row| desk.is_none_or(|desk| row.parties().contains(&&desk)))
        .ok_or_else(|| Trouble::UnknownResource(format!("requests/{id}{whose}")).status())
}

/// A page of the requests that `desk` is a party to; of all, for the operator.
pub(super) async fn requests(
    relay: &Relay,
    desk: Option<DeskId>,
    page: RequestPage,
) -> Result<(Vec<RequestRow>, String), Status> {
    let RequestPage { size, token, open_only, at_least } = page;
    let token = PageToken::of_requests(&token, desk.as_ref(), open_only)
        .map_err(|error| bad_token(&error.why).status())?;
    caught_up(relay, at_least).await?;
    let tables::Page { rows, next } = blocking(relay, move |relay| {
        relay.tables()?.requests(desk.as_ref(), open_only, token.as_ref(), size).map_err(fault)
    })
    .await?;
    Ok((rows, next.map(|next| next.to_string()).unwrap_or_default()))
}

/// A page of `desk`'s own records from its number `from` on.
pub(super) async fn records(
    relay: &Relay,
    desk: DeskId,
    from: DeskIndex,
    size: usize,
) -> Result<Records, Status> {
    newest(relay).await?;
    let mut found =
        blocking(relay, move |relay| relay.read_desk(&desk, from, size.saturating_add(1))).await?;
    let more = found.len() > size;
    found.truncate(size);
    let numbered = (from.0..).map(DeskIndex).zip(found);
    let records: Vec<_> =
        numbered.map(|(desk_index, record)| DeskRecord { desk_index, record }).collect();
    let next = records.last().filter(|_| more).map(|last| last.desk_index.next().0);
    Ok(Records { records, next })
}

/// A page of the records about a request that `desk` is a party to, from journal index `from` on.
pub(super) async fn records_of(
    relay: &Relay,
    desk: DeskId,
    id: RequestId,
    from: Index,
    size: usize,
) -> Result<Records, Status> {
    newest(relay).await?;
    request(relay, id, Some(desk.clone()), Index(0)).await?;
    blocking(relay, move |relay| {
        let after = from.0.checked_sub(1).map(Index);
        let mut places =
            relay.tables()?.history(id, after, size.saturating_add(1)).map_err(fault)?;
        let next = if places.len() > size { places.pop().map(|index| index.0) } else { None };
        let mut records = Vec::with_capacity(places.len());
        for index in places {
            let record = relay.read_record(index)?;
            let number = record.numbering.desk_indexes.iter().find(|(of, _)| *of == desk);
            if let Some(&(_, desk_index)) = number {
                records.push(DeskRecord { desk_index, record: Arc::new(record) });
            }
        }
        Ok(Records { records, next })
    })
    .await
}

/// The bodies of a request's statements, in order of their records, erased ones too.
pub(super) async fn bodies_of(relay: &Relay, id: RequestId) -> Result<Vec<BodyPlace>, Status> {
    newest(relay).await?;
    blocking(relay, move |relay| {
        let (mut bodies, mut after) = (Vec::new(), None);
        loop {
            let places = relay.tables()?.history(id, after, PLACES).map_err(fault)?;
            for index in &places {
                bodies.extend(relay.body_place(*index)?);
            }
            match places.last() {
                Some(last) => after = Some(*last),
                None => return Ok(bodies),
            }
        }
    })
    .await
}

/// Waits until the tables have seen `at_least`, which must be a record that is there, and in any
/// case what was on record when the relay was opened: tables that are made anew lack requests that
/// exist, and a late answer is better than "not found".
async fn caught_up(relay: &Relay, at_least: Index) -> Result<(), Status> {
    let opened_at = relay.opened_at();
    relay.wait_for_rows(opened_at).await.map_err(|error| status::relay(&error))?;
    if at_least == Index(0) {
        return Ok(());
    }
    let next = relay.published().next_index();
    if at_least >= next {
        let why = format!("{at_least} is not on record yet; the next index is {next}");
        return Err(Trouble::Field { field: "at_least_index".to_owned(), why }.status());
    }
    relay.wait_for_rows(at_least.plus(1)).await.map_err(|error| status::relay(&error))
}

/// Waits until the tables have seen what is committed now.
pub(super) async fn newest(relay: &Relay) -> Result<(), Status> {
    let next = relay.published().next_index();
    relay.wait_for_rows(next).await.map_err(|error| status::relay(&error))
}

/// Runs what blocks on a thread for that.
pub(super) async fn blocking<T: Send + 'static>(
    relay: &Relay,
    work: impl FnOnce(&Relay) -> Result<T, relay::Error> + Send + 'static,
) -> Result<T, Status> {
    let relay = relay.clone();
    tokio::task::spawn_blocking(move || work(&relay))
        .await
        .unwrap_or_else(|_| Err(relay::Error::Fault("a reader panicked".to_owned())))
        .map_err(|error| status::relay(&error))
}

pub(super) fn fault(fault: tables::Fault) -> relay::Error {
    relay::Error::Fault(fault.to_string())
}
