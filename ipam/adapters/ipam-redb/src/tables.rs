//! The file's tables, and what is done with them.

use ipam::{Event, Page, Revision, Txn, Watched};
use redb::{
    Database, ReadableDatabase, ReadableTable, Table, TableDefinition, TableError, WriteTransaction,
};
use std::collections::BTreeSet;
use std::ops::Bound;

/// Values by key, each with the revision that wrote it.
const DATA: TableDefinition<'_, &str, (u64, &[u8])> = TableDefinition::new("data");
/// Deleted keys, with the revision that deleted them, for as long as the log goes back.
const GONE: TableDefinition<'_, &str, u64> = TableDefinition::new("gone");
/// Which keys each revision wrote or deleted.
const LOG: TableDefinition<'_, (u64, &str), ()> = TableDefinition::new("log");
/// `revision`, and `oldest`: the log tells what changed after it.
const COUNTS: TableDefinition<'_, &str, u64> = TableDefinition::new("counts");

/// How many revisions the log goes back, and the most keys of one commit that it lists.
const LOG_REVISIONS: u64 = 4096;
const LOG_KEYS: usize = 4096;

/// Why something was not done.
#[derive(Debug)]
pub(crate) enum Failure {
    Conflict(String),
    Redb(redb::Error),
}

impl<E: Into<redb::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Redb(error.into())
    }
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
) -> Result<Page, Failure> {
    let txn = database.begin_read()?;
    let mut page = Page {
        revision: revision(&txn)?,
        ..Page::default()
    };
    let Some(data) = table!(txn, DATA) else {
        return Ok(page);
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
        page.entries
            .push((key.value().to_owned(), value.value().1.to_vec()));
    }
    Ok(page)
}

pub(crate) fn commit(database: &Database, txn: &Txn) -> Result<Revision, Failure> {
    let mut write = database.begin_write()?;
    write.set_quick_repair(true);
    let revision = match write_all(&write, txn) {
        Ok(revision) => revision,
        Err(failure) => {
            write.abort()?;
            return Err(failure);
        }
    };
    write.commit()?;
    Ok(revision)
}

fn write_all(write: &WriteTransaction, txn: &Txn) -> Result<Revision, Failure> {
    let (mut data, mut gone) = (write.open_table(DATA)?, write.open_table(GONE)?);
    let (mut log, mut counts) = (write.open_table(LOG)?, write.open_table(COUNTS)?);
    let oldest = count(&counts, "oldest")?;
    for key in &txn.unchanged {
        let written = data.get(key.as_str())?.map(|v| v.value().0);
        let deleted = gone.get(key.as_str())?.map(|v| v.value());
        let latest = written.max(deleted).unwrap_or(0);
        // Of a key without a trace only the log's age is known.
        let unknown = written.is_none() && deleted.is_none() && txn.since < oldest;
        if latest > txn.since || unknown {
            return Err(Failure::Conflict(key.clone()));
        }
    }
    let revision = count(&counts, "revision")? + 1;
    counts.insert("revision", revision)?;
    for (key, value) in &txn.put {
        data.insert(key.as_str(), (revision, value.as_slice()))?;
        gone.remove(key.as_str())?;
    }
    for key in &txn.delete {
        if data.remove(key.as_str())?.is_some() {
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
    Ok(revision)
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
    if from < count(&counts, "oldest")? {
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
