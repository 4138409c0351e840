//! The records of one operation, read as they turn out to be needed.

use super::cache::Cache;
use crate::pool::PoolId;
use crate::pool::spec::PoolSpec;
use crate::store::record::Record;
use crate::store::replica::known;
use crate::store::seam::{Guard, Revision, Store, StoreError};
use crate::store::summary::{Geometry, PageId, Summaries};
use crate::time::Timestamp;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

/// How a record came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Read for this operation.
    Read,
    /// Known from an earlier one.
    Cache,
    /// Taken to be absent without a look.
    Assumed,
}

/// A record's bytes as they are known.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// None where there is no such record.
    pub(super) bytes: Option<Vec<u8>>,
    /// Up to which revision that is known.
    pub(super) since: Revision,
    pub(super) source: Source,
}

impl Entry {
    /// What a transaction that rests on it says of it.
    pub(super) fn guard(&self, key: &str) -> Guard {
        match self.source {
            Source::Assumed => Guard::absent(key, self.since),
            _ => Guard::unchanged(key, self.since),
        }
    }
}

/// Records by key.
pub(super) type Entries = BTreeMap<String, Entry>;

/// How far a cache is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// As far as it goes, and what it lacks of an owner is taken to be absent.
    All,
    /// Of pools.
    Pools,
    /// Not at all.
    Nothing,
}

/// What was read so far.
pub(super) struct View<'s, S> {
    store: &'s mut S,
    cache: Option<&'s mut Cache>,
    pub(super) trust: Trust,
    /// Keys to be read with the first ones.
    again: Vec<String>,
    /// Keys that need not be read where all others are known.
    assumed: BTreeSet<String>,
    /// Whether pages of summaries, and where pools' orders go on, are read anew.
    pub(super) fresh_hints: bool,
    pub(super) now: Timestamp,
    /// Where one look among a host's blocks found one: until when that stays the first.
    pub(super) stays: Option<Timestamp>,
    /// How many looks there were.
    pub(super) looks: u32,
    pub(super) entries: Entries,
    pub(super) summaries: Summaries,
    /// The store's latest revision that was seen.
    pub(super) since: Revision,
    /// The revision of the first read.
    first: Option<Revision>,
    /// Whether others committed while it was read.
    mixed: bool,
    /// Whether a page of a summary is not what it should be.
    pub(super) damaged: bool,
    /// The pools, by number.
    pub(super) pools: BTreeMap<PoolId, PoolView>,
}

/// A pool as far as its own record tells.
#[derive(Clone, Debug)]
pub(super) struct PoolView {
    pub(super) id: PoolId,
    pub(super) draining: bool,
    pub(super) spec: PoolSpec,
    pub(super) geometry: Geometry,
}

impl<'s, S: Store> View<'s, S> {
    pub(super) fn new(store: &'s mut S, now: Timestamp) -> Self {
        Self {
            store,
            cache: None,
            trust: Trust::Nothing,
            again: Vec::new(),
            assumed: BTreeSet::new(),
            fresh_hints: false,
            now,
            stays: None,
            looks: 0,
            entries: Entries::new(),
            summaries: Summaries::default(),
            since: 0,
            first: None,
            mixed: false,
            damaged: false,
            pools: BTreeMap::new(),
        }
    }

    /// The same, with a cache, and keys that an earlier attempt needed.
    pub(super) fn with(
        mut self,
        cache: Option<&'s mut Cache>,
        trust: Trust,
        again: Vec<String>,
    ) -> Self {
        self.since = cache.as_ref().map_or(0, |cache| cache.latest());
        self.cache = cache;
        (self.trust, self.again) = (trust, again);
        self
    }

    fn note_revision(&mut self, revision: Revision) {
        let first = *self.first.get_or_insert(revision);
        self.mixed |= first != revision;
        self.since = self.since.max(revision);
    }

    /// Whether records may be of several revisions.
    pub(super) fn is_mixed(&self) -> bool {
        self.mixed || self.is_trusting()
    }

    /// Whether anything is known only from before.
    pub(super) fn is_trusting(&self) -> bool {
        let read = |entry: &Entry| entry.source == Source::Read;
        !self.entries.values().all(read)
    }

    /// The keys that were needed, but for the pools'.
    pub(super) fn keys(&self) -> Vec<String> {
        let keys = self.entries.keys().filter(|key| !key.starts_with("p/"));
        keys.cloned().collect()
    }

    /// Keys that are taken to be absent where nothing else must be read and the cache does not know better.
    pub(super) fn assume(&mut self, keys: impl IntoIterator<Item = String>) {
        if self.trust == Trust::All && self.cache.is_some() {
            self.assumed.extend(keys);
        }
    }

    /// What the cache has of a key that may be believed.
    fn cached(&mut self, key: &str) -> Option<Entry> {
        let hint = key.starts_with("s/") || key.starts_with("r/");
        if self.trust != Trust::All || hint && self.fresh_hints {
            return None;
        }
        self.cache.as_mut()?.take(key)
    }

    /// Learns what is not known yet of some keys.
    pub(super) async fn fetch(
        &mut self,
        keys: impl IntoIterator<Item = String>,
    ) -> Result<(), StoreError> {
        let unknown = |key: &String| !self.entries.contains_key(key);
        let mut keys: Vec<String> = keys.into_iter().filter(unknown).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.retain(|key| match self.cached(key) {
            Some(entry) => self.entries.insert(key.clone(), entry).is_some(),
            None => true,
        });
        if keys.iter().all(|key| self.assumed.contains(key)) {
            let since = self.since;
            let absent = |key| {
                let (bytes, source) = (None, Source::Assumed);
                let entry = Entry {
                    bytes,
                    since,
                    source,
                };
                (key, entry)
            };
            self.entries.extend(keys.into_iter().map(absent));
            return Ok(());
        }
        keys.append(&mut self.again);
        keys.sort_unstable();
        keys.dedup();
        self.read(keys).await
    }

    /// Reads keys, whatever is known of them.
    async fn read(&mut self, keys: Vec<String>) -> Result<(), StoreError> {
        let (values, since) = self.store.get(&keys).await?;
        self.note_revision(since);
        for (key, bytes) in keys.into_iter().zip(values) {
            if let Some(bytes) = &bytes {
                known(&key, bytes)?;
            }
            let source = Source::Read;
            self.entries.insert(
                key,
                Entry {
                    bytes,
                    since,
                    source,
                },
            );
        }
        Ok(())
    }

    /// Learns of all pools, if they are not more than so many.
    pub(super) async fn fetch_pools(&mut self, most: usize) -> Result<bool, StoreError> {
        if let Some(cache) = self.cache.as_mut().filter(|_| self.trust != Trust::Nothing)
            && let Some(pools) = cache.take_pools()
        {
            self.entries.extend(pools);
            return Ok(true);
        }
        let page = self.store.list("p/", None, most).await?;
        self.note_revision(page.revision);
        for (key, value) in page.entries {
            known(&key, &value)?;
            let entry = Entry {
                bytes: Some(value),
                since: page.revision,
                source: Source::Read,
            };
            self.entries.insert(key, entry);
        }
        Ok(!page.more)
    }

    /// The bytes of a record that was read; none where there is none.
    pub(super) fn bytes(&self, key: &str) -> Option<&[u8]> {
        self.entries.get(key)?.bytes.as_deref()
    }

    /// A record that was read; none where there is none, or it is damaged.
    pub(super) fn record<'k>(&'k self, key: &'k str) -> Option<Record<'k>> {
        let record = Record::decode(key, self.bytes(key)?).ok();
        record.filter(|record| record.has_key(key))
    }

    /// The pools' records that were read; none of one that is damaged.
    pub(super) fn stored_pools(&self) -> impl Iterator<Item = (&String, Option<PoolView>)> {
        let keys = self.entries.keys().filter(|key| key.starts_with("p/"));
        keys.map(|key| {
            let pool = match self.record(key) {
                Some(Record::Pool { id, draining, spec }) if spec.check().is_ok() => {
                    Some(PoolView {
                        id,
                        draining,
                        geometry: Geometry::new(id, &spec),
                        spec: *spec,
                    })
                }
                _ => None,
            };
            (key, pool)
        })
    }

    /// Takes the pools from their records; false where one is damaged.
    pub(super) fn read_pools(&mut self) -> bool {
        let pools: Option<Vec<PoolView>> = self.stored_pools().map(|(_, pool)| pool).collect();
        let Some(pools) = pools else {
            return false;
        };
        self.pools = pools.into_iter().map(|pool| (pool.id, pool)).collect();
        true
    }

    /// The seed that the store was given.
    pub(super) fn seed(&self) -> u64 {
        match self.record("m/") {
            Some(Record::Meta { seed, .. }) => seed,
            _ => 0,
        }
    }

    /// What the store has counted, as the state will have it.
    pub(super) fn counted(&self) -> u64 {
        match self.record("m/") {
            Some(Record::Meta { base, .. }) => base.saturating_add(self.since),
            _ => self.since,
        }
    }

    /// Learns of pages of a pool's summary; false where one is damaged.
    pub(super) async fn fetch_pages(
        &mut self,
        geometry: &Geometry,
        pages: impl IntoIterator<Item = PageId>,
    ) -> Result<bool, StoreError> {
        let unknown = |page: &PageId| !self.summaries.knows(*page);
        let pages: Vec<PageId> = pages.into_iter().filter(unknown).collect();
        self.fetch(pages.iter().map(|&page| geometry.key(page)))
            .await?;
        Ok(self.note_pages(geometry, &pages))
    }

    /// Reads pages that are known from before anew, and some others with them: where others' blocks matter.
    pub(super) async fn renew_pages(
        &mut self,
        geometry: &Geometry,
        more: impl IntoIterator<Item = PageId>,
    ) -> Result<bool, StoreError> {
        self.fresh_hints = true;
        let mut pages = self.summaries.of(geometry.pool);
        pages.extend(more);
        pages.retain(|&page| {
            let entry = self.entries.get(&geometry.key(page));
            entry.is_none_or(|entry| entry.source != Source::Read)
        });
        pages.sort_unstable();
        pages.dedup();
        if pages.is_empty() {
            return Ok(true);
        }
        let keys = pages.iter().map(|&page| geometry.key(page));
        self.read(keys.collect()).await?;
        Ok(self.note_pages(geometry, &pages))
    }

    fn note_pages(&mut self, geometry: &Geometry, pages: &[PageId]) -> bool {
        pages.iter().all(|&page| {
            let key = geometry.key(page);
            let entry = self.entries.get(&key);
            let bytes = entry.and_then(|entry| entry.bytes.as_deref());
            let record = bytes.and_then(|bytes| Record::decode(&key, bytes).ok());
            let sound = bytes.is_some() == record.is_some();
            sound && self.summaries.note(geometry, page, record.as_ref())
        })
    }
}
