//! Whether redb's own structure is whole: every page of its trees, and its account of which pages are free. Tried on a copy
//! in memory: redb's own check repairs what it checks, and does not see all that makes it give up when
//! something is written.

use redb::backends::InMemoryBackend;
use redb::{Database, DatabaseError, StorageBackend as _, StorageError, TableDefinition};
use std::fs::File;
use std::io::{self, Read as _};

/// What is wrong with the file's structure, if anything is.
pub(crate) fn inspect(mut file: File) -> Result<Option<String>, DatabaseError> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(StorageError::from)?;
    let copy = InMemoryBackend::new();
    let filled = copy.set_len(bytes.len() as u64);
    filled
        .and_then(|()| copy.write(0, &bytes))
        .map_err(StorageError::from)?;
    let mut database = Database::builder().create_with_backend(copy)?;
    // What is wrong with the account of pages in use shows only when something is written; the first commit may pass.
    for _ in 0..2 {
        rehearse(&database)?;
    }
    check(&mut database)
}

/// A commit that changes nothing that anybody reads.
fn rehearse(database: &Database) -> Result<(), DatabaseError> {
    let failed = |e: redb::Error| match e {
        redb::Error::Corrupted(why) => StorageError::Corrupted(why),
        other => StorageError::Io(io::Error::other(other.to_string())),
    };
    let mut write = database.begin_write().map_err(|e| failed(e.into()))?;
    write.set_quick_repair(true);
    {
        let table = write.open_table(REHEARSAL);
        let mut table = table.map_err(|e| failed(e.into()))?;
        let inserted = table.insert("rehearsal", [0; 4096].as_slice());
        inserted.map(drop).map_err(|e| failed(e.into()))?;
    }
    write.commit().map_err(|e| failed(e.into()))?;
    Ok(())
}

/// Has redb check itself and rebuild what it can; what was wrong.
pub(crate) fn check(database: &mut Database) -> Result<Option<String>, DatabaseError> {
    // It rebuilds the account of pages from the trees, also where it finds nothing to say about it.
    match database.check_integrity() {
        Ok(true) => Ok(None),
        Ok(false) => Ok(Some(
            "has a damaged account of its pages, which can be rebuilt from them".to_owned(),
        )),
        Err(DatabaseError::Storage(StorageError::Corrupted(why))) => {
            Ok(Some(format!("has damaged pages: {why}")))
        }
        Err(error) => Err(error),
    }
}

/// A table that there is in the copy only.
const REHEARSAL: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("rehearsal");
