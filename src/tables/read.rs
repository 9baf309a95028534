//! What can be asked of the tables.
//!
//! Not for who may ask: the edge says for which desk.

use std::ops::Bound;

use sled::IVec;

use super::kept::{self, Kept, RECORDS_TOGETHER};
use super::{Fault, PageToken, Tables, key, run};
use crate::units::{DeskId, DeskIndex, Hash, Index, MemberId, RequestId, Timestamp, Unreadable};
use crate::views::{EntryRow, MemberRow, RequestRow};

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

/// The number in a list that comes after a page; none when there can be none.
fn first_after(token: &PageToken) -> Option<u64> {
    key::trailing_number(token.after())?.checked_add(1)
}

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
        let found = run::read(&self.store, &key::desk_records(desk), from.0, max, 8)?;
        let index = |value: &[u8]| key::trailing_number(value).map(Index);
        found
            .iter()
            .map(|(number, value)| Some((DeskIndex(*number), index(value)?)))
            .collect::<Option<_>>()
            .ok_or_else(|| self.store.condemn(format!("the sequence of {desk} cannot be read")))
    }

    /// One request.
    ///
    /// # Errors
    /// When the tables fail.
    pub fn request(&self, request: RequestId) -> Result<Option<RequestRow>, Fault> {
        Ok(Kept::read(&self.store, request)?.map(|kept| kept.row))
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
        let prefix = key::lists(of, open_only);
        let Some(from) = after.map_or(Some(0), first_after) else {
            return Ok(Page { rows: Vec::new(), next: None });
        };
        let mut found = run::read(&self.store, &prefix, from, max.saturating_add(1), 16)?;
        let more = found.len() > max;
        found.truncate(max);
        let mut rows = Vec::with_capacity(found.len());
        for (_, id) in &found {
            let row = match RequestId::from_slice(id) {
                Ok(id) => self.request(id)?,
                Err(_) => None,
            };
            rows.push(row.ok_or_else(|| self.store.condemn("a list names a request without row"))?);
        }
        let last = found.last().filter(|_| more);
        let next = last.map(|(number, _)| PageToken::new(&prefix, &number.to_be_bytes()));
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
        let Some(Kept { row, newest }) = Kept::read(&self.store, request)? else {
            return Ok(Vec::new());
        };
        let mut found: Vec<Index> = vec![row.opened_index];
        for (_, bytes) in self.older(request, after, max)? {
            found.extend(kept::together(&self.store, &bytes)?);
        }
        // They may have got a row of their own meanwhile.
        let last = found.last().copied();
        found.extend(newest.into_iter().filter(|index| Some(*index) > last));
        found.retain(|index| after.is_none_or(|after| *index > after));
        found.truncate(max);
        Ok(found)
    }

    /// Rows of records of a request that are not in its own row: those with records after `after`,
    /// and enough of them for `max` records.
    fn older(
        &self,
        request: RequestId,
        after: Option<Index>,
        max: usize,
    ) -> Result<Vec<Found>, Fault> {
        let prefix = key::histories(request);
        let before = key::history(request, after.unwrap_or(Index(0)));
        let first =
            self.store.rows(|rows| rows.range(prefix.clone()..=before).next_back().transpose())?;
        let start = first.map_or_else(|| prefix.clone(), |(key, _)| key.to_vec());
        self.scan(&prefix, Bound::Included(start), max / RECORDS_TOGETHER + 2)
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

    /// The version of a member's entry that was the newest at `at`; without a moment, the newest
    /// of all. None when the member was not there.
    ///
    /// # Errors
    /// When the tables fail.
    pub fn entry_at(
        &self,
        member: MemberId,
        at: Option<Timestamp>,
    ) -> Result<Option<(u64, EntryRow)>, Fault> {
        let prefix = key::entries(member);
        let found = self.scan(&prefix, Bound::Included(prefix.clone()), usize::MAX)?;
        for found in found.iter().rev() {
            let (version, row) = self.entry_row(found)?;
            if at.is_none_or(|at| row.time <= at) {
                return Ok(Some((version, row)));
            }
        }
        Ok(None)
    }

    /// One version of a member's entry.
    ///
    /// # Errors
    /// When the tables fail.
    pub fn entry(&self, member: MemberId, version: u64) -> Result<Option<EntryRow>, Fault> {
        let key = key::entry(member, version);
        let found = self.store.rows(|rows| rows.get(&key))?;
        let row = found.map(|value| self.entry_row(&(IVec::from(key), value))).transpose()?;
        Ok(row.map(|(_, row)| row))
    }

    /// Versions of a member's entry from `from` on, the oldest first, at most `max`.
    ///
    /// # Errors
    /// When the tables fail.
    pub fn entries(
        &self,
        member: MemberId,
        from: u64,
        max: usize,
    ) -> Result<Vec<(u64, EntryRow)>, Fault> {
        let start = Bound::Included(key::entry(member, from));
        let found = self.scan(&key::entries(member), start, max)?;
        found.iter().map(|found| self.entry_row(found)).collect()
    }

    /// The records of the directory log from leaf `from` on, at most `max`.
    ///
    /// # Errors
    /// When the tables fail.
    pub fn directory_records(&self, from: u64, max: usize) -> Result<Vec<(u64, Index)>, Fault> {
        let found = self.scan(key::LEAVES, Bound::Included(key::leaf(from)), max)?;
        found
            .iter()
            .map(|(key, value)| {
                Some((key::trailing_number(key)?, Index(key::trailing_number(value)?)))
            })
            .collect::<Option<_>>()
            .ok_or_else(|| self.store.condemn("the directory log's records cannot be read"))
    }

    fn entry_row(&self, (key, value): &Found) -> Result<(u64, EntryRow), Fault> {
        let version = key::trailing_number(key);
        match (version, postcard::from_bytes(value)) {
            (Some(version), Ok(row)) => Ok((version, row)),
            (_, _) => Err(self.store.condemn("the row of an entry cannot be read")),
        }
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
