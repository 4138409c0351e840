//! A store for `ipam` in one file: embedded, durable, shared by processes.
//!
//! redb locks its file to one process. So that several may use it, the file is opened for each operation and
//! closed after it; [`RedbStore::hold`] keeps it open over several, for a command that reads, decides and
//! writes. Who finds it in use tries again until its turn comes, up to a limit of the caller's.
//!
//! Each commit is one redb transaction, on disk (fsync) before it returns, with the allocator's own state
//! saved alongside ("quick repair"), so that opening after a kill does not walk the whole file.
//!
//! ```
//! use ipam::{Ipam, PoolSpec, Replica, Timestamp, ready};
//! use ipam_redb::RedbStore;
//! use std::time::Duration;
//!
//! # let dir = std::env::temp_dir().join(format!("ipam-redb-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&dir)?;
//! let path = dir.join("addresses.redb");
//! let store = RedbStore::new(&path, Duration::from_secs(30));
//! let now = Timestamp::from_secs(1);
//! let mut replica = ready(Replica::open(store, now, 7)).expect("files never leave a future pending")?;
//! let spec = PoolSpec::new("p", "10.9.0.0/22".parse()?);
//! let add = |ipam: &Ipam| Ok::<_, ipam::PoolError>(((), vec![ipam.decide_add_pool(spec.clone())?]));
//! ready(replica.transact(now, add, |_| std::future::ready(()))).expect("as above")?;
//! # std::fs::remove_dir_all(&dir)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod tables;

use ipam::{Page, Revision, Store, StoreError, Txn, Watched};
use redb::{Database, DatabaseError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A file of records.
#[derive(Debug)]
pub struct RedbStore {
    path: PathBuf,
    lock_wait: Duration,
    held: Option<Database>,
}

/// First and longest pause between two tries for the file.
const PAUSES: (Duration, Duration) = (Duration::from_micros(500), Duration::from_millis(20));

impl RedbStore {
    /// The file at `path`, made when first used; others' use of it is waited for up to `lock_wait`.
    #[must_use]
    pub fn new(path: impl AsRef<Path>, lock_wait: Duration) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            lock_wait,
            held: None,
        }
    }

    /// The file's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file and keeps it open, others waiting, until [`RedbStore::let_go`] or the end.
    ///
    /// # Errors
    /// When it stays in use, or cannot be opened.
    pub fn hold(&mut self) -> Result<(), StoreError> {
        if self.held.is_none() {
            self.held = Some(self.open()?);
        }
        Ok(())
    }

    /// Closes the file for others to use.
    pub fn let_go(&mut self) {
        self.held = None;
    }

    fn open(&self) -> Result<Database, StoreError> {
        let start = Instant::now();
        let mut pause = PAUSES.0;
        loop {
            match Database::builder().create(&self.path) {
                Ok(database) => return Ok(database),
                Err(DatabaseError::DatabaseAlreadyOpen) if start.elapsed() < self.lock_wait => {
                    std::thread::sleep(pause.min(self.lock_wait.saturating_sub(start.elapsed())));
                    pause = (pause * 2).min(PAUSES.1);
                }
                Err(DatabaseError::DatabaseAlreadyOpen) => {
                    let waited_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
                    return Err(StoreError::Busy { waited_ms });
                }
                Err(error) => return Err(self.failed(&error)),
            }
        }
    }

    fn failed(&self, error: &dyn std::fmt::Display) -> StoreError {
        StoreError::Io(format!("{}: {error}", self.path.display()))
    }

    /// Does something with the file: the one held open, or one opened for this alone.
    fn with<T>(
        &mut self,
        work: impl FnOnce(&Database) -> Result<T, tables::Failure>,
    ) -> Result<T, StoreError> {
        let outcome = match &self.held {
            Some(database) => work(database),
            None => work(&self.open()?),
        };
        outcome.map_err(|failure| match failure {
            tables::Failure::Conflict(key) => StoreError::Conflict { key },
            tables::Failure::Redb(error) => self.failed(&error),
        })
    }
}

#[async_trait::async_trait]
impl Store for RedbStore {
    async fn get(
        &mut self,
        keys: &[String],
    ) -> Result<(Vec<Option<Vec<u8>>>, Revision), StoreError> {
        self.with(|database| tables::get(database, keys))
    }

    async fn list(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.with(|database| tables::list(database, prefix, after, limit))
    }

    async fn commit(&mut self, txn: Txn) -> Result<Revision, StoreError> {
        self.with(|database| tables::commit(database, &txn))
    }

    async fn watch(&mut self, prefix: &str, from: Revision) -> Result<Watched, StoreError> {
        self.with(|database| tables::watch(database, prefix, from))
    }
}
