//! A file for a process that ends with its answer: synced where a commit asks for it, and nowhere else.
//!
//! redb syncs five times more to open a file and to close it: it marks the file as open, and at the end commits once more to trim it, and marks it
//! as closed. None of these carries what anybody was promised. So:
//!
//! - While the file is opened nothing is synced. What redb writes then says only that it is open; it reaches the disk
//!   with the commit, whose first sync comes before the header that makes the commit valid, or not at all.
//! - A commit syncs as ever: pages, then header.
//! - The file is not closed but left, as by a process that is killed then. Each commit saves the allocator's state ("quick
//!   repair"), so that whoever opens the file next does not walk it.
//! - The acknowledged revision is written after the commit is on disk, and not synced: a power cut leaves that one or an earlier one.
//! - A header that is in the file but not on disk (a process killed between writing and syncing it) would be believed by the next
//!   process. Only an acknowledged revision is known to be on disk: where the two differ, the file is synced first.

use redb::backends::FileBackend;
use redb::{BackendError, Database, DatabaseError, StorageBackend, StorageError};
use std::fs::OpenOptions;
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(test)]
mod tests;

/// How a store that is brief has its file.
#[derive(Debug, Default)]
pub(crate) struct Brief {
    /// Whether redb's syncs are carried out.
    syncs: Arc<AtomicBool>,
    /// The file while it is open.
    file: Option<Arc<FileBackend>>,
}

impl Brief {
    pub(crate) fn open(&mut self, path: &Path) -> Result<Database, DatabaseError> {
        let file = OpenOptions::new().read(true).write(true).open(path);
        let file = Arc::new(FileBackend::new(file.map_err(StorageError::from)?)?);
        self.syncs.store(false, Ordering::Release);
        let backend = Backend {
            syncs: self.syncs(),
            file: Arc::clone(&file),
        };
        // An empty file, of which this would make a store, is refused before.
        let database = Database::builder().create_with_backend(backend)?;
        self.file = Some(file);
        Ok(database)
    }

    pub(crate) fn syncs(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.syncs)
    }

    /// What is in the file is on disk when this returns.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), |file| file.sync_data())
    }

    /// Leaves the file to others as it is. What redb holds of it in memory stays until the process ends.
    pub(crate) fn leave(&mut self, database: Database) {
        std::mem::forget(database);
        if let Some(file) = self.file.take() {
            // The lock goes with the process at the latest.
            let _ = file.close();
        }
    }
}

/// Does what must be on disk when it returns.
pub(crate) fn durably<T>(syncs: Option<Arc<AtomicBool>>, work: impl FnOnce() -> T) -> T {
    let Some(syncs) = syncs else {
        return work();
    };
    syncs.store(true, Ordering::Release);
    let outcome = work();
    syncs.store(false, Ordering::Release);
    outcome
}

/// A file whose syncs can be left out.
#[derive(Debug)]
struct Backend<F> {
    syncs: Arc<AtomicBool>,
    file: Arc<F>,
}

impl<F: StorageBackend> StorageBackend for Backend<F> {
    fn len(&self) -> Result<u64, io::Error> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        match self.syncs.load(Ordering::Acquire) {
            true => self.file.sync_data(),
            false => Ok(()),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.file.write(offset, data)
    }

    fn close(&self) -> Result<(), io::Error> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}
