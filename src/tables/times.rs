//! What can be asked of the tables about response times.
//!
//! Not for figures (see `views::response_times`): here are only the rows that they are made of.
//!
//! What it costs: response times read some 30 bytes for every request that was submitted on the
//! days asked for, of a member only that member's own, tens of them in one row, and the row of each
//! request of those days, of whichever member, that still waits for something; what is late costs
//! what is late. The length of the journal costs nothing. Rows are read a slice at a
//! time, so that others get in between; each request is counted once, as it stands when its slice
//! is read.

use std::ops::{Bound, RangeInclusive};

use sled::IVec;

use super::apply::{parse_due, parse_tally};
use super::{Fault, Page, PageToken, Tables, block, key};
use crate::envelope::words::Urgency;
use crate::units::{Day, DeskId, Index, MemberId, RequestId, Timestamp, Unreadable};
use crate::views::response_times::{AcknowledgeTally, Tally};
use crate::views::{RequestRow, Subject, TimesRow};

/// How many rows are read before others get in; of blocks, which hold many requests, a few more
/// or less.
const SLICE_ROWS: usize = 256;

impl PageToken {
    /// Reads the token of a page of [`Tables::overdue`], asked with the same `of`. None for empty
    /// text: the first page.
    ///
    /// # Errors
    /// When it is not from such a page.
    pub fn of_overdue(text: &str, of: Option<&DeskId>) -> Result<Option<Self>, Unreadable> {
        Self::parse(&dues(of), text)
    }
}

/// A day and a block of requests, as keys have them.
type At = [u8; key::DAY_BLOCK_BYTES];

/// Rows, each with where it stands, and where the rows after them begin.
type Blocks = (Vec<(At, IVec)>, Option<At>);

/// Some of the rows of response times: of the same blocks.
struct TimesSlice {
    /// Blocks of settled requests.
    settled: Vec<(At, IVec)>,
    /// Ids of requests that wait for something.
    waiting: Vec<(At, IVec)>,
    /// Where the next slice begins; none at the end.
    next: Option<At>,
}

/// What the query for what is late to a desk, or to all, stands for in its page tokens.
fn dues(of: Option<&DeskId>) -> Vec<u8> {
    let of = of.map(ToString::to_string).unwrap_or_default();
    [key::DUES, of.as_bytes(), &[0]].concat()
}

/// All of these answer [`Fault::Io`] or [`Fault::Broken`] when the tables fail.
impl Tables {
    /// Adds to `tally` every request that was submitted on one of these days: of those in which
    /// the member `of` asked or was asked, or of all.
    ///
    /// # Errors
    /// When the tables fail.
    pub fn response_times(
        &self,
        of: Option<MemberId>,
        days: RangeInclusive<Day>,
        tally: &mut Tally,
    ) -> Result<(), Fault> {
        let Some(after) = days.end().0.checked_add(1) else { return Ok(()) };
        let end = key::day_block(Day(after), Index(0));
        let mut start = Some(key::day_block(*days.start(), Index(0)));
        while let Some(from) = start {
            let slice = self.times_slice(of, &from, &end)?;
            for (_, block) in &slice.settled {
                block::read(&self.store, block, &mut |row| tally.add_settled(row))?;
            }
            for (_, id) in &slice.waiting {
                let row = match RequestId::from_slice(id) {
                    Ok(id) => self.request(id)?,
                    Err(_) => None,
                };
                let row = row.ok_or_else(|| self.store.condemn("a request without row waits"))?;
                let row = TimesRow::of(&row);
                let Subject { from, to, .. } = row.subject;
                if of.is_none_or(|of| of == from || of == to) {
                    tally.add(&row);
                }
            }
            start = slice.next;
        }
        Ok(())
    }

    /// The rows from `from` to before `end`, at most some slices of them, all of their blocks. A
    /// request that is settled moves within its block, so it is found once.
    fn times_slice(&self, of: Option<MemberId>, from: &At, end: &At) -> Result<TimesSlice, Fault> {
        let settled = (key::settled(of, from), key::settled(of, end));
        let waiting = (key::waiting_in(from), key::waiting_in(end));
        let found = self
            .store
            .rows(|tree| Ok(whole_blocks(tree, settled)?.zip(whole_blocks(tree, waiting)?)))?;
        let Some(((mut settled, settled_next), (mut waiting, waiting_next))) = found else {
            return Err(self.store.condemn("the keys of response times cannot be read"));
        };
        let next = settled_next.into_iter().chain(waiting_next).min();
        if let Some(next) = next {
            settled.retain(|(at, _)| *at < next);
            waiting.retain(|(at, _)| *at < next);
        }
        Ok(TimesSlice { settled, waiting, next })
    }

    /// Requests of which something is late at `now`, the longest overdue first, at most `max` of
    /// those that `wanted` lets through: those to which the desk `of` is a party, or all.
    ///
    /// # Errors
    /// When the tables fail.
    pub fn overdue(
        &self,
        of: Option<&DeskId>,
        now: Timestamp,
        wanted: &dyn Fn(&RequestRow) -> bool,
        after: Option<&PageToken>,
        max: usize,
    ) -> Result<Page<RequestRow>, Fault> {
        let end = Bound::Excluded(key::dues_from(now));
        let mut start = match after {
            Some(token) => Bound::Excluded([key::DUES, token.after()].concat()),
            None => Bound::Included(key::DUES.to_vec()),
        };
        let desk = of.map(ToString::to_string);
        let mut rows: Vec<RequestRow> = Vec::new();
        let mut last = None;
        loop {
            let slice: Vec<(IVec, IVec)> = self
                .store
                .rows(|tree| tree.range((start.clone(), end.clone())).take(SLICE_ROWS).collect())?;
            for (key, due) in &slice {
                let (id, concerned) = parse_due(due, desk.as_deref())
                    .ok_or_else(|| self.store.condemn("what is due cannot be read"))?;
                if !concerned {
                    continue;
                }
                // It may have been answered since the list was read.
                let late = |row: &RequestRow| row.clocks.next_due().is_some_and(|due| due.0 < now);
                let Some(row) = self.due(id)?.filter(|row| late(row) && wanted(row)) else {
                    continue;
                };
                if rows.len() == max {
                    return Ok(Page { rows, next: last });
                }
                rows.push(row);
                last = Some(PageToken::new(&dues(of), &key[key::DUES.len()..]));
            }
            match slice.last() {
                Some((key, _)) if slice.len() == SLICE_ROWS => {
                    start = Bound::Excluded(key.to_vec());
                }
                Some(_) | None => return Ok(Page { rows, next: None }),
            }
        }
    }

    fn due(&self, id: RequestId) -> Result<Option<RequestRow>, Fault> {
        match self.request(id)? {
            Some(row) => Ok(Some(row)),
            None => Err(self.store.condemn("a request without row is due")),
        }
    }

    /// How long acknowledgements took, since the beginning, by the member that was asked and the
    /// urgency that the request had then; without tests and exercises.
    ///
    /// # Errors
    /// When the tables fail.
    pub fn acknowledged(&self) -> Result<Vec<(MemberId, Urgency, AcknowledgeTally)>, Fault> {
        let found: Vec<(IVec, IVec)> =
            self.store.rows(|rows| rows.scan_prefix(key::ACKNOWLEDGED).collect())?;
        let read = |(key, bytes): &(IVec, IVec)| {
            let (member, urgency) = key::parse_acknowledged(key)
                .ok_or_else(|| self.store.condemn("whose acknowledgements these are"))?;
            Ok((member, urgency, parse_tally(&self.store, bytes)?))
        };
        found.iter().map(read).collect()
    }
}

/// Rows with keys from the first to before the second, which end with a day and a block: at most a
/// slice, and to the end of the block where that falls in one. None where a key is too short.
fn whole_blocks(
    tree: &sled::Tree,
    (from, end): (Vec<u8>, Vec<u8>),
) -> Result<Option<Blocks>, sled::Error> {
    let prefix = from.len().saturating_sub(key::DAY_BLOCK_BYTES);
    let mut rows: Vec<(At, IVec)> = Vec::new();
    for found in tree.range(from..end) {
        let (key, row) = found?;
        let Some(at) = key.get(prefix..).and_then(<[u8]>::first_chunk) else { return Ok(None) };
        if rows.len() >= SLICE_ROWS && rows.last().is_some_and(|(last, _)| last != at) {
            return Ok(Some((rows, Some(*at))));
        }
        rows.push((*at, row));
    }
    Ok(Some((rows, None)))
}
