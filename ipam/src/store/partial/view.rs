//! The records of one operation, read as they turn out to be needed.

use crate::pool::PoolId;
use crate::pool::spec::PoolSpec;
use crate::store::record::Record;
use crate::store::replica::known;
use crate::store::seam::{Revision, Store, StoreError};
use crate::store::summary::{Geometry, PageId, Summaries};
use crate::time::Timestamp;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

/// Keys with their values as they were read; none where there is no such record.
pub(super) type Values = BTreeMap<String, Option<Vec<u8>>>;

/// What was read so far.
pub(super) struct View<'s, S> {
    store: &'s mut S,
    pub(super) now: Timestamp,
    pub(super) values: Values,
    pub(super) summaries: Summaries,
    /// The store's revision when reading began.
    pub(super) since: Revision,
    /// Whether others committed while it was read.
    pub(super) mixed: bool,
    begun: bool,
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
            now,
            values: Values::new(),
            summaries: Summaries::default(),
            since: 0,
            mixed: false,
            begun: false,
            damaged: false,
            pools: BTreeMap::new(),
        }
    }

    fn note_revision(&mut self, revision: Revision) {
        if !self.begun {
            (self.since, self.begun) = (revision, true);
        }
        self.mixed |= self.since != revision;
    }

    /// Reads what is not known yet of some keys.
    pub(super) async fn fetch(
        &mut self,
        keys: impl IntoIterator<Item = String>,
    ) -> Result<(), StoreError> {
        let unknown = |key: &String| !self.values.contains_key(key);
        let mut keys: Vec<String> = keys.into_iter().filter(unknown).collect();
        keys.sort_unstable();
        keys.dedup();
        if keys.is_empty() {
            return Ok(());
        }
        let (values, revision) = self.store.get(&keys).await?;
        self.note_revision(revision);
        for (key, value) in keys.into_iter().zip(values) {
            if let Some(value) = &value {
                known(&key, value)?;
            }
            self.values.insert(key, value);
        }
        Ok(())
    }

    /// Reads all records of a kind, if they fit one page.
    pub(super) async fn fetch_all(
        &mut self,
        prefix: &str,
        most: usize,
    ) -> Result<bool, StoreError> {
        let page = self.store.list(prefix, None, most).await?;
        self.note_revision(page.revision);
        for (key, value) in page.entries {
            known(&key, &value)?;
            self.values.insert(key, Some(value));
        }
        Ok(!page.more)
    }

    /// A record that was read; none where there is none, or it is damaged.
    pub(super) fn record(&self, key: &str) -> Option<Record<'_>> {
        let value = self.values.get(key)?.as_deref()?;
        Record::decode(value)
            .ok()
            .filter(|record| record.has_key(key))
    }

    /// The pools' records that were read; none of one that is damaged.
    pub(super) fn stored_pools(&self) -> impl Iterator<Item = (&String, Option<PoolView>)> {
        let keys = self.values.keys().filter(|key| key.starts_with("p/"));
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

    /// Reads pages of a pool's summary; false where one is damaged.
    pub(super) async fn fetch_pages(
        &mut self,
        geometry: &Geometry,
        pages: impl IntoIterator<Item = PageId>,
    ) -> Result<bool, StoreError> {
        let unknown = |page: &PageId| !self.summaries.knows(*page);
        let pages: Vec<PageId> = pages.into_iter().filter(unknown).collect();
        self.fetch(pages.iter().map(|&page| geometry.key(page)))
            .await?;
        for page in pages {
            let key = geometry.key(page);
            let there = self.values.get(&key).is_some_and(Option::is_some);
            let value = self.values.get(&key).and_then(Option::as_deref);
            let record = value.and_then(|value| Record::decode(value).ok());
            if there != record.is_some() || !self.summaries.note(geometry, page, record.as_ref()) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
