//! A store in memory, for tests and for allocators that need not outlive the process.

use super::seam::{Event, Guard, Page, Revision, Store, StoreError, Txn, Watched};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Bound;

/// Commits whose changes are remembered unless told otherwise: as many as `ipam-redb` remembers.
const HISTORY: usize = 4096;
/// Changed keys that are remembered at the most, over all commits: a few commits of very many keys must not
/// hold more than the store itself does.
const HISTORY_KEYS: usize = 1 << 16;

/// Keys and values in a map, beside a bounded history: who asks what changed before it is told
/// [`Watched::Compacted`] and lists everything. A read, a commit and a watch cost what they touch
/// (logarithmic in the keys), however many owners came and went.
///
/// ```
/// # use ipam::{PoolSpec, Replica, Request, Timestamp, store::{MemoryStore, ready}};
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// # let (now, sleep) = (Timestamp::from_secs(1), |_| std::future::ready(()));
/// let mut replica = Replica::open(MemoryStore::default(), now, 7).await?;
/// replica.add_pool(now, PoolSpec::new("p", "10.9.0.0/24".parse()?), sleep).await?;
/// # Ok(())
/// # }
/// # ready(run()).ok_or("a store in memory never waits")??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct MemoryStore {
    entries: BTreeMap<String, (Revision, Vec<u8>)>,
    /// Deleted keys with the revision that deleted them, for as long as the history goes back.
    gone: BTreeMap<String, Revision>,
    /// The keys that each revision after `oldest` wrote or deleted.
    log: VecDeque<(Revision, Vec<String>)>,
    log_keys: usize,
    history: usize,
    /// The history tells what changed after this revision.
    oldest: Revision,
    /// The latest deletion of which no trace is left.
    forgotten: Revision,
    revision: Revision,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::with_history(HISTORY)
    }
}

impl MemoryStore {
    /// An empty store that remembers the changes of its last `commits` commits (4,096 by default).
    ///
    /// ```
    /// # use ipam::{Store as _, store::{MemoryStore, Txn, Watched, ready}};
    /// let mut store = MemoryStore::with_history(2);
    /// for i in 0..5u8 {
    ///     let put = vec![("k".to_string(), vec![i])];
    ///     ready(store.commit(Txn { put, ..Txn::default() })).unwrap()?;
    /// }
    /// assert_eq!(ready(store.watch("", 2)).unwrap()?, Watched::Compacted);
    /// assert!(matches!(ready(store.watch("", 3)).unwrap()?, Watched::Events(..)));
    /// # Ok::<(), ipam::store::StoreError>(())
    /// ```
    #[must_use]
    pub fn with_history(commits: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            gone: BTreeMap::new(),
            log: VecDeque::new(),
            log_keys: 0,
            history: commits,
            oldest: 0,
            forgotten: 0,
            revision: 0,
        }
    }

    /// Whether a key may be other than a guard has it. Of a key without a trace only the
    /// history's age is known.
    fn breaks(&self, Guard { key, since, absent }: &Guard) -> bool {
        if *absent && self.entries.contains_key(key) {
            return true;
        }
        let written = self.entries.get(key).map(|(r, _)| *r);
        match written.or_else(|| self.gone.get(key).copied()) {
            Some(latest) => latest > *since,
            None => *since < self.forgotten,
        }
    }

    /// Drops the oldest commits from the history until it is within its bounds.
    fn compact(&mut self) {
        while self.log.len() > self.history || self.log_keys > HISTORY_KEYS {
            let Some((revision, keys)) = self.log.pop_front() else {
                return;
            };
            self.log_keys -= keys.len();
            self.oldest = revision;
            for key in keys {
                if self.gone.get(&key) == Some(&revision) {
                    self.gone.remove(&key);
                    self.forgotten = revision;
                }
            }
        }
    }
}

#[async_trait::async_trait]
impl Store for MemoryStore {
    async fn get(
        &mut self,
        keys: &[String],
    ) -> Result<(Vec<Option<Vec<u8>>>, Revision), StoreError> {
        let value = |k| self.entries.get(k).map(|(_, v)| v.clone());
        Ok((keys.iter().map(value).collect(), self.revision))
    }

    async fn list(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let start = after.map_or(Bound::Included(prefix), Bound::Excluded);
        let range = self.entries.range::<str, _>((start, Bound::Unbounded));
        let mut below = range.take_while(|(k, _)| k.starts_with(prefix));
        let present = below.by_ref().take(limit);
        let entries = present.map(|(k, (_, v))| (k.clone(), v.clone())).collect();
        Ok(Page {
            entries,
            revision: self.revision,
            more: below.next().is_some(),
        })
    }

    async fn commit(&mut self, txn: Txn) -> Result<Revision, StoreError> {
        if let Some(guard) = txn.guards.iter().find(|guard| self.breaks(guard)) {
            return Err(StoreError::Conflict {
                key: guard.key.clone(),
            });
        }
        self.revision += 1;
        let mut keys = Vec::with_capacity(txn.put.len() + txn.delete.len());
        for (key, value) in txn.put {
            keys.push(key.clone());
            self.gone.remove(&key);
            self.entries.insert(key, (self.revision, value));
        }
        for key in txn.delete {
            if self.entries.remove(&key).is_some() {
                self.gone.insert(key.clone(), self.revision);
                keys.push(key);
            }
        }
        self.log_keys += keys.len();
        self.log.push_back((self.revision, keys));
        self.compact();
        Ok(self.revision)
    }

    async fn watch(&mut self, prefix: &str, from: Revision) -> Result<Watched, StoreError> {
        if from < self.oldest {
            return Ok(Watched::Compacted);
        }
        let start = self.log.partition_point(|(revision, _)| *revision <= from);
        let later = self.log.range(start..).flat_map(|(_, keys)| keys);
        let keys: BTreeSet<&String> = later.filter(|k| k.starts_with(prefix)).collect();
        let event = |key: &String| Event {
            key: key.clone(),
            value: self.entries.get(key).map(|(_, v)| v.clone()),
        };
        let events = keys.into_iter().map(event).collect();
        Ok(Watched::Events(events, self.revision))
    }
}
