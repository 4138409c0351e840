//! The file's tables, and what is done with them.

use crate::acknowledged::Acknowledged;
use crate::digest::{Listed, Sum};
use ipam::store::{Event, Guard, Page, Revision, Txn, Watched};
use redb::{
    Database, ReadableDatabase, ReadableTable, Table, TableDefinition, TableError,
    TableHandle as _, UntypedTableHandle, WriteTransaction,
};
use std::collections::BTreeSet;
use std::ops::Bound;

/// Values by key, each with the revision that wrote it.
const DATA: TableDefinition<'_, &str, (u64, &[u8])> = TableDefinition::new("data");
/// Deleted keys, with the revision that deleted them, for as long as the log goes back.
const GONE: TableDefinition<'_, &str, u64> = TableDefinition::new("gone");
/// Which keys each revision wrote or deleted.
const LOG: TableDefinition<'_, (u64, &str), ()> = TableDefinition::new("log");
/// `revision`; `oldest`: the log tells what changed after it; `sum`, `keys` and `seal`: see [`Sum`].
const COUNTS: TableDefinition<'_, &str, u64> = TableDefinition::new("counts");

/// How many revisions the log goes back, and the most keys of one commit that it lists.
const LOG_REVISIONS: u64 = 4096;
const LOG_KEYS: usize = 4096;

/// Why something was not done.
#[derive(Debug)]
pub(crate) enum Failure {
    Conflict(String),
    /// Nothing is written to a store that is not what was acknowledged.
    Damaged(String),
    Redb(redb::Error),
    /// The file of the acknowledged revision could not be read or written.
    Acknowledged(std::io::Error),
}

impl<E: Into<redb::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Redb(error.into())
    }
}

/// Which of the tables is missing of those that a file has. Every commit makes all of them: a file without any is new, and
/// one without some is damaged where it names its tables.
fn missing(names: impl Iterator<Item = UntypedTableHandle>) -> Option<String> {
    let there: BTreeSet<String> = names.map(|t| t.name().to_owned()).collect();
    let all = [DATA.name(), GONE.name(), LOG.name(), COUNTS.name()];
    let lacks = all.into_iter().find(|name| !there.contains(*name))?;
    (!there.is_empty()).then(|| format!("has no table `{lacks}`"))
}

/// A table of a read transaction; a file without it is new and empty.
macro_rules! table {
    ($txn:expr, $definition:expr) => {
        match $txn.open_table($definition) {
            Ok(table) => Some(table),
            Err(TableError::TableDoesNotExist(_)) => None,
            Err(error) => return Err(error.into()),
        }
    };
}

fn count(table: &impl ReadableTable<&'static str, u64>, name: &str) -> Result<u64, Failure> {
    Ok(table.get(name)?.map_or(0, |v| v.value()))
}

fn revision(txn: &redb::ReadTransaction) -> Result<Revision, Failure> {
    let counts = table!(txn, COUNTS);
    counts.map_or(Ok(0), |counts| count(&counts, "revision"))
}

/// The revision of the last commit.
pub(crate) fn latest(database: &Database) -> Result<Revision, Failure> {
    revision(&database.begin_read()?)
}

type Values = (Vec<Option<Vec<u8>>>, Revision);

pub(crate) fn get(database: &Database, keys: &[String]) -> Result<Values, Failure> {
    let txn = database.begin_read()?;
    let mut values = vec![None; keys.len()];
    if let Some(data) = table!(txn, DATA) {
        for (value, key) in values.iter_mut().zip(keys) {
            *value = data.get(key.as_str())?.map(|v| v.value().1.to_vec());
        }
    }
    Ok((values, revision(&txn)?))
}

pub(crate) fn list(
    database: &Database,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<(Page, Sum), Failure> {
    let txn = database.begin_read()?;
    let mut page = Page {
        revision: revision(&txn)?,
        ..Page::default()
    };
    let mut sum = Sum::default();
    let Some(data) = table!(txn, DATA) else {
        return Ok((page, sum));
    };
    let start = after.map_or(Bound::Included(prefix), Bound::Excluded);
    for entry in data.range::<&str>((start, Bound::Unbounded))? {
        let (key, value) = entry?;
        if !key.value().starts_with(prefix) {
            break;
        }
        if page.entries.len() == limit {
            page.more = true;
            break;
        }
        let (written, bytes) = value.value();
        sum.add(key.value(), written);
        page.entries.push((key.value().to_owned(), bytes.to_vec()));
    }
    Ok((page, sum))
}

pub(crate) fn commit(
    database: &Database,
    txn: &Txn,
    latest: Acknowledged,
) -> Result<Revision, Failure> {
    in_one(database, |write| write_all(write, txn, latest))
}

/// One transaction: all of it, or nothing.
fn in_one(
    database: &Database,
    work: impl FnOnce(&WriteTransaction) -> Result<Revision, Failure>,
) -> Result<Revision, Failure> {
    let mut write = database.begin_write()?;
    write.set_quick_repair(true);
    let revision = match work(&write) {
        Ok(revision) => revision,
        Err(failure) => {
            write.abort()?;
            return Err(failure);
        }
    };
    write.commit()?;
    Ok(revision)
}

fn write_all(
    write: &WriteTransaction,
    txn: &Txn,
    latest: Acknowledged,
) -> Result<Revision, Failure> {
    if let Some(why) = missing(write.list_tables()?) {
        return Err(Failure::Damaged(why));
    }
    let (mut data, mut gone) = (write.open_table(DATA)?, write.open_table(GONE)?);
    let (mut log, mut counts) = (write.open_table(LOG)?, write.open_table(COUNTS)?);
    let oldest = count(&counts, "oldest")?;
    let mut sum = sealed(&counts, &data, latest)?;
    for Guard { key, since, absent } in &txn.guards {
        let written = data.get(key.as_str())?.map(|v| v.value().0);
        let deleted = gone.get(key.as_str())?.map(|v| v.value());
        let latest = written.max(deleted).unwrap_or(0);
        // Of a key without a trace only the log's age is known.
        let unknown = written.is_none() && deleted.is_none() && *since < oldest;
        let there = *absent && written.is_some();
        if latest > *since || unknown || there {
            return Err(Failure::Conflict(key.clone()));
        }
    }
    let revision = count(&counts, "revision")? + 1;
    counts.insert("revision", revision)?;
    for (key, value) in &txn.put {
        let before = data.insert(key.as_str(), (revision, value.as_slice()))?;
        if let Some(before) = before {
            sum.remove(key, before.value().0);
        }
        sum.add(key, revision);
        gone.remove(key.as_str())?;
    }
    for key in &txn.delete {
        let before = data.remove(key.as_str())?.map(|v| v.value().0);
        if let Some(before) = before {
            sum.remove(key, before);
            gone.insert(key.as_str(), revision)?;
        }
    }
    if txn.put.len() + txn.delete.len() > LOG_KEYS {
        // Too much to list: whoever is behind reads everything anew.
        counts.insert("oldest", revision)?;
    } else {
        let keys = txn.put.iter().map(|(key, _)| key).chain(&txn.delete);
        for key in keys {
            log.insert((revision, key.as_str()), ())?;
        }
    }
    if revision.saturating_sub(LOG_REVISIONS) > oldest {
        prune(&mut log, &mut gone, &mut counts, revision - LOG_REVISIONS)?;
    }
    seal(&mut counts, sum)?;
    Ok(revision)
}

/// The sum as it was written last, or, in a file of before there was one, as it is. What is behind the acknowledged
/// revision, or has counts that are not as they were written, is not written to.
fn sealed(
    counts: &impl ReadableTable<&'static str, u64>,
    data: &impl ReadableTable<&'static str, (u64, &'static [u8])>,
    latest: Acknowledged,
) -> Result<Sum, Failure> {
    let revision = count(counts, "revision")?;
    match latest {
        Acknowledged::Upto(latest) if latest > revision => {
            let why =
                format!("revision {latest} was acknowledged, and this is revision {revision}");
            return Err(Failure::Damaged(why));
        }
        Acknowledged::Damaged => {
            let why = format!(
                "whether its revision {revision} is the last that was acknowledged is unknown: what tells that, beside it, is damaged"
            );
            return Err(Failure::Damaged(why));
        }
        _ => {}
    }
    let (sum, keys) = (count(counts, "sum")?, count(counts, "keys")?);
    let Some(seal) = counts.get("seal")?.map(|s| s.value()) else {
        return summed(data, (Bound::Unbounded, Bound::Unbounded));
    };
    let sum = Sum { sum, keys };
    match sum.seal(revision, count(counts, "oldest")?) == seal {
        true => Ok(sum),
        false => Err(Failure::Damaged(
            "its counts are not as they were written".into(),
        )),
    }
}

fn seal(counts: &mut Table<'_, &'static str, u64>, sum: Sum) -> Result<(), Failure> {
    let (revision, oldest) = (count(counts, "revision")?, count(counts, "oldest")?);
    counts.insert("sum", sum.sum)?;
    counts.insert("keys", sum.keys)?;
    counts.insert("seal", sum.seal(revision, oldest))?;
    Ok(())
}

type Bounds<'a> = (Bound<&'a str>, Bound<&'a str>);

/// The sum of a range.
fn summed(
    data: &impl ReadableTable<&'static str, (u64, &'static [u8])>,
    bounds: Bounds<'_>,
) -> Result<Sum, Failure> {
    let mut sum = Sum::default();
    for entry in data.range::<&str>(bounds)? {
        let (key, value) = entry?;
        sum.add(key.value(), value.value().0);
    }
    Ok(sum)
}

/// The store's revision, and what is wrong with its keys and counts. What was listed before is not read again.
pub(crate) fn verify(
    database: &Database,
    listed: &Listed,
) -> Result<(Revision, Vec<String>), Failure> {
    let txn = database.begin_read()?;
    let revision = revision(&txn)?;
    if let Some(why) = missing(txn.list_tables()?) {
        return Ok((revision, vec![why]));
    }
    // Only commits need these two.
    let (gone, log) = (txn.open_table(GONE).err(), txn.open_table(LOG).err());
    let broken = gone.into_iter().chain(log);
    let broken = broken.filter(|e| !matches!(e, TableError::TableDoesNotExist(_)));
    if let Some(error) = broken.into_iter().next() {
        return Ok((revision, vec![format!("has a damaged table: {error}")]));
    }
    let (Some(data), Some(counts)) = (table!(txn, DATA), table!(txn, COUNTS)) else {
        return Ok((revision, Vec::new()));
    };
    let Some(seal) = counts.get("seal")?.map(|s| s.value()) else {
        // Written before there was a sum: the next commit makes it.
        return Ok((revision, Vec::new()));
    };
    let (mut found, mut from) = (Sum::default(), Bound::Unbounded);
    for (prefix, sum) in listed.whole(revision) {
        found.join(sum);
        let before = (from.as_ref().map(String::as_str), Bound::Excluded(prefix));
        found.join(summed(&data, before)?);
        from = Bound::Included(above(prefix));
    }
    let rest = (from.as_ref().map(String::as_str), Bound::Unbounded);
    found.join(summed(&data, rest)?);
    let (sum, keys) = (count(&counts, "sum")?, count(&counts, "keys")?);
    let known = Sum { sum, keys };
    let mut wrong = Vec::new();
    if known.seal(revision, count(&counts, "oldest")?) != seal {
        wrong.push("has counts that are not as they were written".to_owned());
    } else if found.keys != keys {
        wrong.push(format!(
            "has {} records, but {keys} were written",
            found.keys
        ));
    } else if found != known {
        wrong.push("has records that are older than they should be, or of other names".to_owned());
    }
    Ok((revision, wrong))
}

/// The least text above all that begin with a prefix.
fn above(prefix: &str) -> String {
    let mut above = prefix.to_owned();
    match above.pop().and_then(|last| char::from_u32(last as u32 + 1)) {
        Some(next) => above.push(next),
        None => above.push(char::MAX),
    }
    above
}

/// Takes the file as it is for whole, at a revision after all that were acknowledged; who watches starts anew.
pub(crate) fn accept(database: &Database, latest: Revision) -> Result<Revision, Failure> {
    in_one(database, |write| {
        let data = write.open_table(DATA)?;
        let (mut gone, mut log) = (write.open_table(GONE)?, write.open_table(LOG)?);
        let mut counts = write.open_table(COUNTS)?;
        let next = count(&counts, "revision")?.min(u64::MAX >> 1).max(latest) + 1;
        // They may be damaged too, and nobody needs them once everything is listed.
        log.retain(|_, ()| false)?;
        gone.retain(|_, _| false)?;
        counts.insert("revision", next)?;
        counts.insert("oldest", next)?;
        let sum = summed(&data, (Bound::Unbounded, Bound::Unbounded))?;
        seal(&mut counts, sum)?;
        Ok(next)
    })
}

/// Forgets the log up to a revision, and the deletions that only it knew of.
fn prune(
    log: &mut Table<'_, (u64, &'static str), ()>,
    gone: &mut Table<'_, &'static str, u64>,
    counts: &mut Table<'_, &'static str, u64>,
    upto: u64,
) -> Result<(), Failure> {
    let mut forgotten = Vec::new();
    for entry in log.extract_from_if(..(upto + 1, ""), |_, ()| true)? {
        let (key, _) = entry?;
        forgotten.push((key.value().0, key.value().1.to_owned()));
    }
    for (revision, key) in forgotten {
        let last = gone
            .get(key.as_str())?
            .is_some_and(|r| r.value() == revision);
        if last {
            gone.remove(key.as_str())?;
        }
    }
    counts.insert("oldest", upto)?;
    Ok(())
}

pub(crate) fn watch(database: &Database, prefix: &str, from: Revision) -> Result<Watched, Failure> {
    let txn = database.begin_read()?;
    let now = revision(&txn)?;
    let (Some(log), Some(data), Some(counts)) =
        (table!(txn, LOG), table!(txn, DATA), table!(txn, COUNTS))
    else {
        return Ok(Watched::Events(Vec::new(), now));
    };
    // Who knows a later revision than the store has saw a commit that is lost: everything is looked at anew.
    if from < count(&counts, "oldest")? || from > now {
        return Ok(Watched::Compacted);
    }
    let mut keys = BTreeSet::new();
    for entry in log.range((from + 1, "")..)? {
        let (key, _) = entry?;
        if key.value().1.starts_with(prefix) {
            keys.insert(key.value().1.to_owned());
        }
    }
    let mut events = Vec::with_capacity(keys.len());
    for key in keys {
        let value = data.get(key.as_str())?.map(|v| v.value().1.to_vec());
        events.push(Event { key, value });
    }
    Ok(Watched::Events(events, now))
}
