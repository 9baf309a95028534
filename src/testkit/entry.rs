//! A nation publishes its entry in the directory, or changes it, from a few fields.
//!
//! Not for real entries: what nobody gives is sample data, and the national key lies at hand.

use toml::{Table, Value};

use super::forms::{Unfilled, list_of, put};
use super::{Error, Network};
use crate::envelope::entry::{self, Entry, Making, Restricted, Signed, restricted, text};
use crate::envelope::form::Unfit;
use crate::envelope::{Malformed, SigningKey};
use crate::pki;
use crate::units::{DAY_MS, MemberId, MessageId, Timestamp};

/// How long an entry is good, if the relay does not take it at once.
const GOOD_FOR_MS: i64 = DAY_MS;

impl Network {
    /// Publishes the entry of a member ("BD"): the newest one with these fields changed, or the
    /// sample one when there is none yet. Answers its version, once every desk that is connected
    /// has it.
    ///
    /// Fields are named by their path in the file that `detente desk directory edit` writes
    /// (`desk[0].channel[2].value`), or shorter where that is plain:
    ///
    /// | short | means |
    /// |---|---|
    /// | `holiday` | one more of `desk[0].hours.public_holidays`, as "2016-02-08 Lunar New Year" |
    /// | `weekend` | `desk[0].hours.weekend_days`, with commas between |
    /// | `office` | `desk[0].hours.office_from` and `office_until`, as "09:00 to 17:00" |
    /// | `hours`, `zone` | `desk[0].hours.kind`, `desk[0].hours.time_zone` |
    ///
    /// # Errors
    /// [`Error::Form`] for a field that does not exist or is not what it should be, [`Error::Call`]
    /// when the rules or the relay refuse it; otherwise as [`Network::desk`] and
    /// [`Network::settle`].
    pub async fn publish_entry(&self, member: &str, fields: &[(&str, &str)]) -> Result<u64, Error> {
        let id: MemberId = member.parse().map_err(|_| Error::NoDesk(member.to_owned()))?;
        let officer = self.desk(member)?.duty();
        let directory = self.directory().to_owned();
        // Opening the key takes long, on purpose.
        let opened = tokio::task::spawn_blocking(move || pki::national(&directory, id)).await;
        let opened = opened.map_err(|_| Error::Setup("opening a key panicked".to_owned()))?;
        let (key, sample) = opened.map_err(|error| Error::Setup(format!("{error:#}")))?;
        let (newest, open) = officer.entry(id).await?;
        let now = self.now();
        let (says, open) = if newest.version == 0 {
            first(&newest, &sample, now)?
        } else {
            (newest.clone(), open)
        };
        let (next, open) = changed(&newest, &says, &open, fields, now)?;
        let version = officer.publish(&sign(&next, &open, &key)?).await?;
        self.settle().await?;
        Ok(version)
    }
}

/// The sample entry, with what the genesis says of the member.
fn first(genesis: &Entry, sample: &str, now: Timestamp) -> Result<(Entry, Restricted), Unfilled> {
    let (mut says, open) = read(sample, genesis, now).map_err(|wrong| unfilled(wrong, &[]))?;
    says.instruments.clone_from(&genesis.instruments);
    says.preservation_days_min = genesis.preservation_days_min;
    for desk in &mut says.desks {
        let same = genesis.desks.iter().find(|founding| founding.name == desk.name);
        if let Some(founding) = same {
            desk.hours.time_zone.clone_from(&founding.hours.time_zone);
        }
    }
    Ok((says, open))
}

/// The entry that follows `newest`: `says` with these fields changed.
fn changed(
    newest: &Entry,
    says: &Entry,
    open: &Restricted,
    fields: &[(&str, &str)],
    now: Timestamp,
) -> Result<(Entry, Restricted), Unfilled> {
    let wrong = |given: Option<usize>, field: &str, why: String| Unfilled {
        field: field.to_owned(),
        why,
        given,
    };
    let mut table: Table = text::to_toml(says, open)
        .parse()
        .map_err(|error: toml::de::Error| wrong(None, "entry", error.to_string()))?;
    let version = i64::try_from(newest.version + 1)
        .map_err(|error| wrong(None, "version", error.to_string()))?;
    table.insert("version".to_owned(), Value::Integer(version));
    let mut paths = Vec::new();
    for (at, (name, text)) in fields.iter().enumerate() {
        let put_in = written_out(&table, name, text).and_then(|values| {
            for (path, value) in values {
                put(&mut table, &path, value)?;
                paths.push((path, at));
            }
            Ok(())
        });
        put_in.map_err(|why| wrong(Some(at), name, why))?;
    }
    let text = toml::to_string(&table).map_err(|error| wrong(None, "entry", error.to_string()))?;
    read(&text, newest, now).map_err(|wrong| unfilled(wrong, &paths))
}

/// What a given field puts where.
fn written_out(table: &Table, name: &str, text: &str) -> Result<Vec<(String, Value)>, String> {
    let string = |text: &str| Value::String(text.trim().to_owned());
    let hours = |field: &str| format!("desk[0].hours.{field}");
    match name {
        "holiday" => {
            let (date, name) = text.split_once(' ').ok_or("write 2016-02-08 Lunar New Year")?;
            let at = format!("{}[{}]", hours("public_holidays"), holidays(table));
            Ok(vec![(format!("{at}.date"), string(date)), (format!("{at}.name"), string(name))])
        }
        "office" => {
            let (from, until) = text.split_once(" to ").ok_or("write 09:00 to 17:00")?;
            Ok(vec![(hours("office_from"), string(from)), (hours("office_until"), string(until))])
        }
        "weekend" => Ok(vec![(hours("weekend_days"), list_of(text))]),
        "hours" => Ok(vec![(hours("kind"), string(text))]),
        "zone" => Ok(vec![(hours("time_zone"), string(text))]),
        path => Ok(vec![(path.to_owned(), typed(path, text)?)]),
    }
}

/// How many holidays the first desk has.
fn holidays(table: &Table) -> usize {
    let list = || {
        let desk = table.get("desk")?.as_array()?.first()?;
        desk.get("hours")?.get("public_holidays")?.as_array()
    };
    list().map_or(0, Vec::len)
}

/// A text as what belongs at a path.
fn typed(path: &str, text: &str) -> Result<Value, String> {
    match path.rsplit('.').next().unwrap_or(path) {
        "rank" | "preservation_days_min" | "preservation_days_max" => {
            text.parse().map(Value::Integer).map_err(|_| format!("{text:?} is no number"))
        }
        "formal" | "formal_confirmation_required" => match text {
            "yes" | "true" => Ok(Value::Boolean(true)),
            "no" | "false" => Ok(Value::Boolean(false)),
            other => Err(format!("{other:?} is neither yes nor no")),
        },
        "instruments" | "roles" | "executes" | "weekend_days" => Ok(list_of(text)),
        _ => Ok(Value::String(text.to_owned())),
    }
}

/// Reads the file of an entry that follows `after`.
fn read(text: &str, after: &Entry, now: Timestamp) -> Result<(Entry, Restricted), Vec<Unfit>> {
    let mut fill = |bytes: &mut [u8]| {
        aws_lc_rs::rand::fill(bytes).expect("the operating system has a random source");
    };
    let mut id = [0; 16];
    fill(&mut id);
    let (message, not_after) = (MessageId(id), now.plus_ms(GOOD_FOR_MS));
    entry::from_toml(text, Making { after, message, created: now, not_after, fill: &mut fill })
}

fn sign(next: &Entry, open: &Restricted, key: &SigningKey) -> Result<Signed, Unfilled> {
    let (restricted, _) = restricted::render(open);
    let signed = entry::render(next).and_then(|bytes| entry::sign(bytes, restricted, key));
    signed.map_err(|Malformed { field, why }| Unfilled { field, why, given: None })
}

/// The first thing that is wrong, and which of the given fields it is; `paths` says where each of
/// them was put.
fn unfilled(wrong: Vec<Unfit>, paths: &[(String, usize)]) -> Unfilled {
    let Some(Unfit { malformed: Malformed { field, why }, .. }) = wrong.into_iter().next() else {
        let why = "it cannot be read".to_owned();
        return Unfilled { field: "entry".to_owned(), why, given: None };
    };
    let given = paths
        .iter()
        .find(|(path, _)| *path == field || path.rsplit('.').next() == Some(field.as_str()));
    Unfilled { given: given.map(|(_, at)| *at), field, why }
}
