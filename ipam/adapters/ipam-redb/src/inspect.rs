//! Whether redb's own structure is whole: every page of its trees, and its account of which pages are free. Tried on a copy
//! that is written to in memory only: redb's own check repairs what it checks, and does not see all that makes it give up when
//! something is written.

use redb::{Database, DatabaseError, StorageBackend, StorageError, TableDefinition};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io;
use std::sync::{Mutex, PoisonError};

/// What is wrong with the file's structure, if anything is.
pub(crate) fn inspect(file: File) -> Result<Option<String>, DatabaseError> {
    let len = file.metadata().map_err(StorageError::from)?.len();
    let copy = Overlay {
        file,
        state: Mutex::new(State {
            len,
            pages: BTreeMap::new(),
        }),
    };
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
        let inserted = table.insert("rehearsal", [0; PAGE as usize].as_slice());
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
/// Bytes kept together in memory.
const PAGE: u64 = 4096;

/// A file of which pages that were written are in memory.
#[derive(Debug)]
struct Overlay {
    file: File,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    len: u64,
    pages: BTreeMap<u64, Vec<u8>>,
}

impl Overlay {
    /// A page as the file has it, zeros where it ends.
    fn read_file(&self, page: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; PAGE as usize];
        let mut done = 0;
        while done < bytes.len() {
            match read_at(&self.file, &mut bytes[done..], page * PAGE + done as u64)? {
                0 => break,
                n => done += n,
            }
        }
        Ok(bytes)
    }
}

#[cfg(unix)]
fn read_at(file: &File, out: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, out, offset)
}

#[cfg(windows)]
fn read_at(file: &File, out: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, out, offset)
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut at = offset;
        for part in parts(offset, out) {
            let (page, from) = (at / PAGE, (at % PAGE) as usize);
            let bytes = match state.pages.get(&page) {
                Some(bytes) => bytes.clone(),
                None => self.read_file(page)?,
            };
            part.copy_from_slice(&bytes[from..from + part.len()]);
            at += part.len() as u64;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut data = data.to_vec();
        let mut at = offset;
        for part in parts(offset, &mut data) {
            let (page, from) = (at / PAGE, (at % PAGE) as usize);
            let bytes = match state.pages.entry(page) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(self.read_file(page)?),
            };
            bytes[from..from + part.len()].copy_from_slice(part);
            at += part.len() as u64;
        }
        Ok(())
    }
}

/// A slice cut where pages end.
fn parts(offset: u64, mut bytes: &mut [u8]) -> Vec<&mut [u8]> {
    let mut out = Vec::new();
    let mut room = (PAGE - offset % PAGE) as usize;
    while !bytes.is_empty() {
        let (head, rest) = bytes.split_at_mut(room.min(bytes.len()));
        out.push(head);
        bytes = rest;
        room = PAGE as usize;
    }
    out
}
