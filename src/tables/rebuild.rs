//! From journal to tables, by the same steps as live.
//!
//! Not for deciding when (see the relay and `detente rebuild`).

use std::path::Path;

use super::{Fault, Options, Tables, aside, heads_before};
use crate::codec::{self, Corrupt, Record};
use crate::journal::{Reader, Stored};
use crate::units::Index;

/// How many records become one batch of rows.
const SLICE_RECORDS: usize = 512;
/// The most bytes of records and bodies that are read at once.
const SLICE_BYTES: usize = 4 << 20;

/// Makes the tables in `dir` anew from the first record on, and opens them. The old ones are
/// removed, snapshots too. `progress` is called with the records applied and those there are.
///
/// # Errors
/// As [`Tables::open`] and [`Tables::catch_up`]. What was applied stays, and opening goes on there.
pub fn rebuild(
    reader: &dyn Reader,
    dir: &Path,
    options: &Options,
    progress: &mut dyn FnMut(Index, Index),
) -> Result<Tables, Fault> {
    if let Err(error) = std::fs::remove_dir_all(dir)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(aside::fault("remove", dir, &error));
    }
    let tables = Tables::open(dir, options, reader)?.tables;
    tables.catch_up(reader, progress)?;
    tables.flush()?;
    Ok(tables)
}

impl Tables {
    /// Applies every record that the journal has and the tables have not; also those that are
    /// committed meanwhile. `progress` is called after every slice with the records applied and
    /// those there are.
    ///
    /// # Errors
    /// [`Fault::Journal`], [`Fault::Record`], and those of [`Tables::apply`]. What was applied
    /// stays.
    pub fn catch_up(
        &self,
        reader: &dyn Reader,
        progress: &mut dyn FnMut(Index, Index),
    ) -> Result<(), Fault> {
        progress(self.cursor(), reader.next_index());
        while self.step(reader)? {
            progress(self.cursor(), reader.next_index());
        }
        Ok(())
    }

    /// Applies the next slice of records. False when there was none.
    ///
    /// # Errors
    /// As [`Tables::catch_up`].
    pub fn step(&self, reader: &dyn Reader) -> Result<bool, Fault> {
        let from = self.cursor();
        let stored = reader.read(from, SLICE_RECORDS, SLICE_BYTES).map_err(Fault::Journal)?;
        let records = stored.iter().map(decode).collect::<Result<Vec<_>, _>>()?;
        let Some(last) = records.last() else { return Ok(false) };
        let heads = heads_before(reader, last.index.plus(1))?;
        self.apply(&records, &heads)?;
        Ok(true)
    }
}

/// Reads a record and checks that it is the one that the journal says it is.
fn decode(stored: &Stored) -> Result<Record, Fault> {
    let fault = |corrupt| Fault::Record { index: stored.index, corrupt };
    let record = codec::decode_record(&stored.record).map_err(fault)?;
    if record.index != stored.index {
        return Err(fault(Corrupt::new("record.index", format!("{} stands there", record.index))));
    }
    if record.batch != stored.batch {
        return Err(fault(Corrupt::new("record.batch_id", "is not that of its batch")));
    }
    Ok(record)
}
