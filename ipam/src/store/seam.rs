//! The seam: what an allocator needs of a store.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

/// A store's count of its commits; a key's revision is that of the commit that last wrote or deleted it.
pub type Revision = u64;

/// What a store answers instead of a block's value of which it knows that it is not the one that was written last, such as an older one that
/// was put back by hand or out of a backup: damage ([`RecordError::PutBack`](super::RecordError::PutBack)), since it may call addresses
/// free that were given since.
pub const PUT_BACK: &[u8] = &[u8::MAX];

/// A key that a transaction rests on, and what its writer knows of it.
///
/// ```
/// # use ipam::{Store as _, store::{Guard, MemoryStore, StoreError, Txn, ready}};
/// # let mut store = MemoryStore::default();
/// let write = |guard| Txn { put: vec![("k".into(), b"1".to_vec())], guards: vec![guard], ..Txn::default() };
/// let first = ready(store.commit(write(Guard::absent("k", 0)))).unwrap()?;
/// let next = ready(store.commit(write(Guard::unchanged("k", first)))).unwrap()?;
/// // Nobody wrote it since, but it is there.
/// let conflict = StoreError::Conflict { key: "k".into() };
/// assert_eq!(ready(store.commit(write(Guard::absent("k", next)))), Some(Err(conflict)));
/// # Ok::<(), StoreError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// The key.
    pub key: String,
    /// Nobody may have written or deleted it after this revision.
    pub since: Revision,
    /// Nor may it have a value, whenever that was written: so may rest on a key who never read it.
    pub absent: bool,
}

impl Guard {
    /// A key that was read, or written, at a revision.
    pub fn unchanged(key: impl Into<String>, since: Revision) -> Self {
        Self {
            key: key.into(),
            since,
            absent: false,
        }
    }

    /// A key that is taken to have no value, and not to have been deleted after a revision.
    pub fn absent(key: impl Into<String>, since: Revision) -> Self {
        Self {
            absent: true,
            ..Self::unchanged(key, since)
        }
    }
}

/// All or nothing.
///
/// ```
/// # use ipam::{Store as _, store::{Guard, MemoryStore, StoreError, Txn, ready}};
/// # let mut store = MemoryStore::default();
/// let put = vec![("k".to_string(), b"1".to_vec())];
/// let txn = Txn { put, guards: vec![Guard::unchanged("k", 0)], ..Txn::default() };
/// assert_eq!(ready(store.commit(txn.clone())), Some(Ok(1)));
/// // It was written on the ground of revision 0, and somebody wrote the key since.
/// let conflict = StoreError::Conflict { key: "k".into() };
/// assert_eq!(ready(store.commit(txn)), Some(Err(conflict)));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Txn {
    /// What it rests on: one that does not hold is a conflict, and nothing is written.
    pub guards: Vec<Guard>,
    /// What to write.
    pub put: Vec<(String, Vec<u8>)>,
    /// What to delete.
    pub delete: Vec<String>,
}

/// Keys and values of one page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// In order of key.
    pub entries: Vec<(String, Vec<u8>)>,
    /// The store's revision when the page was read.
    pub revision: Revision,
    /// Whether there are more keys after the last one.
    pub more: bool,
}

/// A key that changed, with the value it has now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The key.
    pub key: String,
    /// Its value; `None` when it was deleted.
    pub value: Option<Vec<u8>>,
}

/// What changed since a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watched {
    /// Each changed key once, with its latest value, and the revision that this brings up to.
    Events(Vec<Event>, Revision),
    /// The store no longer knows what changed since then: list everything.
    Compacted,
}

/// A stopwatch that a store's own clock moves, as it was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    /// Its number: no other of the store has it.
    pub stopwatch: u64,
    /// The term in which it was started, as [`Elapsed::term`].
    pub term: u64,
}

/// What a stopwatch of a store's shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed {
    /// How long ago it was started, or less: never more, by the clock of the store's that counts it.
    pub time: Duration,
    /// During one term what it shows never goes back; from one to the next, when another member of the store's begins to count, it may.
    pub term: u64,
}

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Somebody else changed a key of the transaction; nothing was written.
    #[error("`{key}` was changed by another")]
    Conflict {
        /// The first such key.
        key: String,
    },
    /// Others were quicker, every time.
    #[error("{subject} was contended in all of {attempts} attempts")]
    Contended {
        /// The key that was in the way last.
        key: String,
        /// What that is, such as `block 10.0.0.64/26 of host h2`.
        subject: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// Another process holds the store and did not give it up in time.
    #[error("the store was in use by another process for {waited_ms} ms")]
    Busy {
        /// How long was waited, in milliseconds.
        waited_ms: u64,
    },
    /// A record was written by a later version of this crate, which may mean more by it than is understood
    /// here: nothing is decided on such a store, and nothing written to it.
    #[error(
        "record `{key}` has format {found}, written by a later version (the latest known is {known})"
    )]
    Version {
        /// The first such record's key.
        key: String,
        /// Its format.
        found: u8,
        /// The latest format known.
        known: u8,
    },
    /// The store is not what was acknowledged, as [`Store::damage`] tells: nothing was written to it.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// Reading or writing failed; whether a commit took place is unknown.
    #[error("the store failed: {0}")]
    Io(String),
}

/// A store of keys and values with transactions. Runtime-free: what never waits answers at the first poll.
///
/// What every store must do is checked by `ipam::testing::check_store`.
///
/// ```
/// use ipam::Store;
///
/// /// Whether a store holds anything: works with each, whatever it waits for.
/// async fn is_empty(store: &mut impl Store) -> Result<bool, ipam::store::StoreError> {
///     Ok(store.list("", None, 1).await?.entries.is_empty())
/// }
/// # use ipam::store::{MemoryStore, ready};
/// # assert_eq!(ready(is_empty(&mut MemoryStore::default())), Some(Ok(true)));
/// ```
#[async_trait::async_trait]
pub trait Store: Send {
    /// The values of keys, in their order, and the store's revision.
    async fn get(
        &mut self,
        keys: &[String],
    ) -> Result<(Vec<Option<Vec<u8>>>, Revision), StoreError>;

    /// Keys that begin with `prefix`, in order, after `after` if given, at most `limit`.
    async fn list(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError>;

    /// Commits a transaction; the store's new revision.
    async fn commit(&mut self, txn: Txn) -> Result<Revision, StoreError>;

    /// What changed below `prefix` after revision `from`.
    async fn watch(&mut self, prefix: &str, from: Revision) -> Result<Watched, StoreError>;

    /// Starts a stopwatch, which goes on whoever comes and goes: what [`StoreClock`](crate::store::StoreClock) counts by. None of a store that
    /// has no clock of its own.
    async fn start_stopwatch(&mut self) -> Result<Option<Started>, StoreError> {
        Ok(None)
    }

    /// What a stopwatch shows; none where there is no such (any more).
    async fn stopwatch(&mut self, stopwatch: u64) -> Result<Option<Elapsed>, StoreError> {
        let _ = stopwatch;
        Ok(None)
    }

    /// Removes a stopwatch, if it is there.
    async fn stop_stopwatch(&mut self, stopwatch: u64) -> Result<(), StoreError> {
        let _ = stopwatch;
        Ok(())
    }

    /// What the store itself knows to be wrong with what it holds: records lost, the store older than what
    /// was acknowledged. Nothing may be written to such a store until [`Store::accept`]. Nothing unless the
    /// store can tell.
    async fn damage(&mut self) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    /// What is wrong with the structure in which the store keeps its records, looked at as closely as it can be: in time
    /// linear in the store. Nothing is altered.
    async fn inspect(&mut self) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    /// Rebuilds of that structure what can be rebuilt. What [`Store::inspect`] still tells of afterwards cannot.
    async fn mend(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Takes the store as it is for whole: what [`Store::damage`] told of is given up.
    async fn accept(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A store behind a pointer is one.
macro_rules! forward {
    ($pointer:ty) => {
        #[async_trait::async_trait]
        impl<S: Store + ?Sized> Store for $pointer {
            async fn get(
                &mut self,
                keys: &[String],
            ) -> Result<(Vec<Option<Vec<u8>>>, Revision), StoreError> {
                (**self).get(keys).await
            }

            async fn list(
                &mut self,
                prefix: &str,
                after: Option<&str>,
                limit: usize,
            ) -> Result<Page, StoreError> {
                (**self).list(prefix, after, limit).await
            }

            async fn commit(&mut self, txn: Txn) -> Result<Revision, StoreError> {
                (**self).commit(txn).await
            }

            async fn watch(&mut self, prefix: &str, from: Revision) -> Result<Watched, StoreError> {
                (**self).watch(prefix, from).await
            }

            async fn start_stopwatch(&mut self) -> Result<Option<Started>, StoreError> {
                (**self).start_stopwatch().await
            }

            async fn stopwatch(&mut self, stopwatch: u64) -> Result<Option<Elapsed>, StoreError> {
                (**self).stopwatch(stopwatch).await
            }

            async fn stop_stopwatch(&mut self, stopwatch: u64) -> Result<(), StoreError> {
                (**self).stop_stopwatch(stopwatch).await
            }

            async fn damage(&mut self) -> Result<Vec<String>, StoreError> {
                (**self).damage().await
            }

            async fn inspect(&mut self) -> Result<Option<String>, StoreError> {
                (**self).inspect().await
            }

            async fn mend(&mut self) -> Result<(), StoreError> {
                (**self).mend().await
            }

            async fn accept(&mut self) -> Result<(), StoreError> {
                (**self).accept().await
            }
        }
    };
}
forward!(Box<S>);
forward!(&mut S);
