//! What can be asked of the tables.
//!
//! Not for who may ask: the edge says for which desk.

use std::ops::Bound;

use sled::IVec;

use super::apply::store_request;
use super::{Fault, PageToken, Tables, key};
use crate::units::{DeskId, DeskIndex, Hash, Index, MemberId, RequestId, Unreadable};
use crate::views::{MemberRow, RequestRow};

/// A page of rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where the next page begins; none at the end.
    pub next: Option<PageToken>,
}

/// A key and its value.
type Found = (IVec, IVec);

impl PageToken {
    /// Reads the token of a page of [`Tables::requests`], asked with the same `of` and
    /// `open_only`. None for empty text: the first page.
    ///
    /// # Errors
    /// When it is not from such a page.
    pub fn of_requests(
        text: &str,
        of: Option<&DeskId>,
        open_only: bool,
    ) -> Result<Option<Self>, Unreadable> {
        Self::parse(&key::lists(of, open_only), text)
    }

    /// Reads the token of a page of [`Tables::members`]. None for empty text: the first page.
    ///
    /// # Errors
    /// When it is not from such a page.
    pub fn of_members(text: &str) -> Result<Option<Self>, Unreadable> {
        Self::parse(key::MEMBERS, text)
    }
}

/// All of these answer [`Fault::Io`] or [`Fault::Broken`] when the tables fail.
impl Tables {
    /// The records of a desk's own sequence from its number `from` on, at most `max`.
    ///
    /// # Errors
    /// When the tables fail.
    pub fn desk_records(
        &self,
        desk: &DeskId,
        from: DeskIndex,
        max: usize,
    ) -> Result<Vec<(DeskIndex, Index)>, Fault> {
        let start = Bound::Included(key::desk_record(desk, from));
        let found = self.scan(&key::desk_records(desk), start, max)?;
        found
            .iter()
            .map(|(key, value)| {
                Some((DeskIndex(key::trailing_number(key)?), Index(key::trailing_number(value)?)))
            })
            .collect::<Option<_>>()
            .ok_or_else(|| self.store.condemn(format!("the sequence of {desk} cannot be read")))
    }

    /// One request.
    ///
    /// # Errors
    /// When the tables fail.
    pub fn request(&self, request: RequestId) -> Result<Option<RequestRow>, Fault> {
        store_request(&self.store, request)
    }

    /// Requests, the newest first, at most `max`: those to which the desk `of` is a party, or all;
    /// with `open_only` only those whose handling has not ended. A request that is opened while
    /// pages are read stands before the first page; none is given twice.
    ///
    /// # Errors
    /// When the tables fail.
    pub fn requests(
        &self,
        of: Option<&DeskId>,
        open_only: bool,
        after: Option<&PageToken>,
        max: usize,
    ) -> Result<Page<RequestRow>, Fault> {
        let (found, next) = self.page(&key::lists(of, open_only), after, max)?;
        let mut rows = Vec::with_capacity(found.len());
        for (_, id) in found {
            let row = match RequestId::from_slice(&id) {
                Ok(id) => self.request(id)?,
                Err(_) => None,
            };
            rows.push(row.ok_or_else(|| self.store.condemn("a list names a request without row"))?);
        }
        Ok(Page { rows, next })
    }

    /// The records about a request, the oldest first, at most `max`; those after the record
    /// `after`, or from the first on.
    ///
    /// # Errors
    /// When the tables fail.
    pub fn history(
        &self,
        request: RequestId,
        after: Option<Index>,
        max: usize,
    ) -> Result<Vec<Index>, Fault> {
        let prefix = key::histories(request);
        let start = match after {
            Some(index) => Bound::Excluded(key::history(request, index)),
            None => Bound::Included(prefix.clone()),
        };
        let found = self.scan(&prefix, start, max)?;
        Ok(found.iter().filter_map(|(key, _)| key::trailing_number(key)).map(Index).collect())
    }

    /// One member.
    ///
    /// # Errors
    /// When the tables fail.
    pub fn member(&self, member: MemberId) -> Result<Option<MemberRow>, Fault> {
        let found = self.store.rows(|rows| rows.get(key::member(member)))?;
        found.map(|bytes| self.member_row(&bytes)).transpose()
    }

    /// The members, by id, at most `max`.
    ///
    /// # Errors
    /// When the tables fail.
    pub fn members(&self, after: Option<&PageToken>, max: usize) -> Result<Page<MemberRow>, Fault> {
        let (found, next) = self.page(key::MEMBERS, after, max)?;
        let rows =
            found.iter().map(|(_, bytes)| self.member_row(bytes)).collect::<Result<_, _>>()?;
        Ok(Page { rows, next })
    }

    /// SHA-256 over the cursor and every row in the order of keys, snapshots apart: equal for
    /// tables that were kept up live and tables that were made from the whole journal. Reads
    /// everything.
    ///
    /// # Errors
    /// When the tables fail.
    pub fn fingerprint(&self) -> Result<Hash, Fault> {
        let hash = |hash: Hash, part: &[u8]| {
            Hash::of(&[&hash.0, &(part.len() as u64).to_be_bytes(), part])
        };
        self.store.rows(|rows| {
            let mut sum = Hash::of(&[b"detente/tables/v1\0"]);
            for row in rows {
                let (key, value) = row?;
                sum = hash(hash(sum, &key), &value);
            }
            Ok(sum)
        })
    }

    fn member_row(&self, bytes: &[u8]) -> Result<MemberRow, Fault> {
        postcard::from_bytes(bytes)
            .map_err(|_| self.store.condemn("the row of a member cannot be read"))
    }

    /// A page of the rows under `prefix`, and the token of the next one.
    fn page(
        &self,
        prefix: &[u8],
        after: Option<&PageToken>,
        max: usize,
    ) -> Result<(Vec<Found>, Option<PageToken>), Fault> {
        let start = match after {
            Some(token) => Bound::Excluded([prefix, token.after()].concat()),
            None => Bound::Included(prefix.to_vec()),
        };
        let mut found = self.scan(prefix, start, max.saturating_add(1))?;
        let more = found.len() > max;
        found.truncate(max);
        let last = found.last().filter(|_| more);
        let next = last.map(|(key, _)| PageToken::new(prefix, &key[prefix.len()..]));
        Ok((found, next))
    }

    /// Rows under `prefix` from `start` on, at most `max`.
    fn scan(&self, prefix: &[u8], start: Bound<Vec<u8>>, max: usize) -> Result<Vec<Found>, Fault> {
        self.store.rows(|rows| {
            rows.range((start, Bound::Unbounded))
                .take_while(|row| match row {
                    Ok((key, _)) => key.starts_with(prefix),
                    Err(_) => true,
                })
                .take(max)
                .collect()
        })
    }
}
