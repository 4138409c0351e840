//! A store for `ipam` in one file: embedded, durable, shared by processes.
//!
//! redb locks its file to one process. So that several may use it, the file is opened for each operation and
//! closed after it; [`RedbStore::hold`] keeps it open over several, for a command that reads, decides and
//! writes. Who finds it in use tries again until its turn comes, up to a limit of the caller's.
//!
//! Each commit is one redb transaction, on disk before it returns (redb syncs twice), with the allocator's own
//! state saved alongside ("quick repair"), so that opening after a kill does not walk the whole file.
//!
//! # Runtimes
//! Its operations block the thread that polls them: while another process has the file, for up to the limit, and while the
//! disk syncs. On an async runtime that stops every task of that thread. With the feature `tokio`, `TokioStore` moves them to
//! tokio's threads for blocking work.
//!
//! # Damage
//! redb reads its pages unchecked. What damage does to a file is found before it is believed:
//!
//! - Each record has a checksum of its own (`ipam::store::Record`).
//! - A sum over all keys and their revisions is kept with every commit and compared whenever everything is read:
//!   records that are missing, too many, or older than they should be ([`Store::damage`](ipam::Store::damage)).
//! - The revision of the last acknowledged commit stands in a small file beside the store, `PATH.ack`, since damage to
//!   redb's header can make it open the commit before the last. A store behind it is damaged. The file is written
//!   and synced after redb's commit and before the commit is acknowledged: a third `fdatasync` a commit (opening and closing the
//!   file costs redb five more). A store
//!   that is ahead of it (a kill in between) is sound. Whoever moves or restores a store moves or removes that file
//!   with it; without it the store is taken as it is. ([`RedbStore::brief`] spares the five.)
//! - Where redb panics on a damaged page the panic becomes an error; the process's panic hook is wrapped once so that
//!   it stays quiet about these. A second panic while redb cleans up after the first (its transactions and tables write
//!   when they are dropped) aborts the process, since Rust lets nobody catch a panic out of a drop during unwinding:
//!   some damaged bytes end the process, of whoever embeds this too. [`set_last_resort`] has the last word then; who must
//!   outlive damage opens stores in a process of their own.
//! - A new store is made beside its place and put there whole: an empty file there is an error, not a new store.
//!
//! Nothing is committed to a store that is damaged as a whole, until [`Store::accept`](ipam::Store::accept).
//!
//! ```
//! use ipam::{PoolSpec, Replica, Timestamp, store::ready};
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
//! ready(replica.add_pool(now, spec, |_| std::future::ready(()))).expect("as above")?;
//! # std::fs::remove_dir_all(&dir)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod acknowledged;
#[cfg(feature = "tokio")]
mod blocking;
mod brief;
mod digest;
mod guard;
mod inspect;
mod store;
mod tables;

use acknowledged::Acknowledged;
#[cfg(feature = "tokio")]
pub use blocking::TokioStore;
use brief::Brief;
use digest::Listed;
use guard::guarded;
pub use guard::set_last_resort;
use ipam::store::{Revision, StoreError};
use redb::{Database, DatabaseError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A file of records.
#[derive(Debug)]
pub struct RedbStore {
    path: PathBuf,
    lock_wait: Duration,
    held: Option<Database>,
    listed: Listed,
    brief: Option<Brief>,
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
            listed: Listed::default(),
            brief: None,
        }
    }

    /// The same store for a process that does one thing and ends: a commit costs two `fdatasync`s whether the file is held
    /// or not, since opening and closing it cost none. The acknowledged revision is noted, and synced by the system in its time: a
    /// power cut may leave an earlier one in its place, which tells of less damage until the next is on disk.
    ///
    /// The file is left as a process leaves it that is killed after its commit, which the next one to open it finds in order
    /// without reading it all. What a killed process may have left unsynced is synced before anything of it is believed.
    ///
    /// ```
    /// use ipam_redb::RedbStore;
    /// use std::time::Duration;
    ///
    /// let store = RedbStore::new("/var/lib/berth/addresses.redb", Duration::from_secs(30)).brief();
    /// # drop(store);
    /// ```
    #[must_use]
    pub fn brief(mut self) -> Self {
        self.close();
        self.brief = Some(Brief::default());
        self
    }

    /// The file's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is a store, or one was acknowledged that is gone: whoever only looks has something to look at, or to be told.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.path.exists() || acknowledged::path_of(&self.path).exists()
    }

    /// Opens the file and keeps it open, others waiting, until [`RedbStore::close`] or the end.
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
    pub fn close(&mut self) {
        if let Some(database) = self.held.take() {
            self.shut(database);
        }
    }

    fn shut(&mut self, database: Database) {
        match &mut self.brief {
            Some(brief) => brief.leave(database),
            None => close(Some(database)),
        }
    }

    fn open(&mut self) -> Result<Database, StoreError> {
        let database = self.open_file()?;
        if self.brief.is_none() {
            return Ok(database);
        }
        match self.sync_unless_acknowledged(&database) {
            Ok(()) => Ok(database),
            Err(error) => {
                self.shut(database);
                Err(error)
            }
        }
    }

    /// What was committed and not acknowledged may not be on disk.
    fn sync_unless_acknowledged(&mut self, database: &Database) -> Result<(), StoreError> {
        let Ok(Ok(revision)) = guarded(|| tables::latest(database)) else {
            // Whoever reads will be told.
            return Ok(());
        };
        match (&self.brief, self.acknowledged()?) {
            (Some(_), Acknowledged::Upto(latest)) if latest == revision => Ok(()),
            (Some(brief), _) => brief.sync().map_err(|e| self.failed(&e)),
            (None, _) => Ok(()),
        }
    }

    fn open_file(&mut self) -> Result<Database, StoreError> {
        let start = Instant::now();
        let mut pause = PAUSES.0;
        self.make_if_missing()?;
        loop {
            let (path, brief) = (&self.path, &mut self.brief);
            let opened = guarded(|| match brief {
                Some(brief) => brief.open(path),
                None => Database::builder().open(path),
            });
            match opened {
                Ok(Ok(database)) => return Ok(database),
                Ok(Err(DatabaseError::DatabaseAlreadyOpen)) if start.elapsed() < self.lock_wait => {
                    std::thread::sleep(pause.min(self.lock_wait.saturating_sub(start.elapsed())));
                    pause = (pause * 2).min(PAUSES.1);
                }
                Ok(Err(DatabaseError::DatabaseAlreadyOpen)) => {
                    return Err(busy(start));
                }
                Ok(Err(error)) => return Err(self.failed(&error)),
                Err(panic) => return Err(self.panicked(&panic)),
            }
        }
    }

    /// The file, locked as redb locks it.
    fn locked(&self) -> Result<std::fs::File, StoreError> {
        let file = std::fs::File::open(&self.path).map_err(|e| self.failed(&e))?;
        let start = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(std::fs::TryLockError::WouldBlock) if start.elapsed() < self.lock_wait => {
                    std::thread::sleep(PAUSES.1);
                }
                Err(std::fs::TryLockError::WouldBlock) => return Err(busy(start)),
                Err(std::fs::TryLockError::Error(error)) => return Err(self.failed(&error)),
            }
        }
    }

    /// Makes the file where there is none: whole before it has its name, so that an empty one is never a new store.
    fn make_if_missing(&self) -> Result<(), StoreError> {
        match std::fs::metadata(&self.path) {
            Ok(file) if file.is_file() && file.len() == 0 => {
                let why = "the file is empty, which no store is: restore a backup, or remove it to begin a new one";
                return Err(self.failed(&why));
            }
            Ok(_) => return Ok(()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(self.failed(&e)),
        }
        let lost = match self.acknowledged()? {
            Acknowledged::Unknown => None,
            Acknowledged::Upto(revision) => Some(format!("revision {revision} of it was")),
            Acknowledged::Damaged => Some("some revision of it was".into()),
        };
        if let Some(lost) = lost {
            let ack = acknowledged::path_of(&self.path);
            return Err(self.failed(&format_args!(
                "the file is missing, though {lost} acknowledged: restore a backup, or remove {} to begin a new store",
                ack.display()
            )));
        }
        let fresh = self.fresh_path();
        let made = guarded(|| Database::builder().create(&fresh).map(drop));
        let made = match made {
            Ok(Ok(())) => place(&fresh, &self.path).map_err(|e| self.failed(&e)),
            Ok(Err(error)) => Err(self.failed(&error)),
            Err(panic) => Err(self.panicked(&panic)),
        };
        // Its name, once it has another; or what is left of a failure.
        let _ = std::fs::remove_file(&fresh);
        made
    }

    /// A name beside the file that no other process and no other store of this one uses.
    fn fresh_path(&self) -> PathBuf {
        use std::sync::atomic::{AtomicU64, Ordering};
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".new-{process}-{count}"));
        name.into()
    }

    fn acknowledged(&self) -> Result<Acknowledged, StoreError> {
        acknowledged::read(&self.path).map_err(|e| self.failed(&e))
    }

    /// What is wrong with a store of this revision, if it is behind what was acknowledged.
    fn behind(&self, revision: Revision) -> Result<Option<String>, StoreError> {
        Ok(match self.acknowledged()? {
            Acknowledged::Upto(latest) if latest > revision => Some(format!(
                "is of revision {revision}, but revision {latest} was acknowledged: what was committed since is lost"
            )),
            Acknowledged::Damaged => Some(format!(
                "has a damaged {}: whether its revision {revision} is the last that was acknowledged is unknown",
                acknowledged::path_of(&self.path).display()
            )),
            _ => None,
        })
    }

    fn failed(&self, error: &dyn std::fmt::Display) -> StoreError {
        StoreError::Io(format!("{}: {error}", self.path.display()))
    }

    fn panicked(&self, panic: &str) -> StoreError {
        self.failed(&format_args!("the file is damaged; redb gave up: {panic}"))
    }

    /// Does something with the file: the one held open, or one opened for this alone.
    fn with<T>(
        &mut self,
        work: impl FnOnce(&Database) -> Result<T, tables::Failure>,
    ) -> Result<T, StoreError> {
        let (database, held) = match self.held.take() {
            Some(database) => (database, true),
            None => (self.open()?, false),
        };
        let outcome = guarded(|| work(&database));
        match held && outcome.is_ok() {
            true => self.held = Some(database),
            false => self.shut(database),
        }
        match outcome {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(tables::Failure::Conflict(key))) => Err(StoreError::Conflict { key }),
            Ok(Err(tables::Failure::Damaged(why))) => Err(StoreError::Damaged(why)),
            Ok(Err(tables::Failure::Redb(error))) => Err(self.failed(&error)),
            Ok(Err(tables::Failure::Acknowledged(error))) => Err(self.failed(&error)),
            Err(panic) => Err(self.panicked(&panic)),
        }
    }
}

impl Drop for RedbStore {
    fn drop(&mut self) {
        self.close();
    }
}

fn busy(since: Instant) -> StoreError {
    let waited_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
    StoreError::Busy { waited_ms }
}

/// Closing writes too, and may meet a damaged page. What was committed stands all the same.
fn close(database: Option<Database>) {
    let _ = guarded(|| drop(database));
}

/// Gives a file its name, unless another process was quicker: then that one's file stands.
fn place(fresh: &Path, path: &Path) -> std::io::Result<()> {
    match std::fs::hard_link(fresh, path) {
        Ok(()) => acknowledged::sync_folder(path),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        // A file system without links.
        Err(_) if !path.exists() => {
            std::fs::rename(fresh, path)?;
            acknowledged::sync_folder(path)
        }
        Err(e) => Err(e),
    }
}
