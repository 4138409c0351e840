//! A store in memory, for tests and for allocators that need not outlive the process.

use super::seam::{Event, Page, Revision, Store, StoreError, Txn, Watched};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Bound;

/// Keys and values in a map; deleted keys leave their revision behind.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    entries: BTreeMap<String, (Revision, Option<Vec<u8>>)>,
    revision: Revision,
}

#[async_trait::async_trait]
impl Store for MemoryStore {
    async fn get(
        &mut self,
        keys: &[String],
    ) -> Result<(Vec<Option<Vec<u8>>>, Revision), StoreError> {
        let value = |k| self.entries.get(k).and_then(|(_, v)| v.clone());
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
        let below = range.take_while(|(k, _)| k.starts_with(prefix));
        let mut present = below.filter_map(|(k, (_, v))| Some((k.clone(), v.clone()?)));
        let entries = present.by_ref().take(limit).collect();
        Ok(Page {
            entries,
            revision: self.revision,
            more: present.next().is_some(),
        })
    }

    async fn commit(&mut self, txn: Txn) -> Result<Revision, StoreError> {
        let changed = |k: &&String| self.entries.get(*k).is_some_and(|(r, _)| *r > txn.since);
        if let Some(key) = txn.unchanged.iter().find(changed) {
            return Err(StoreError::Conflict { key: key.clone() });
        }
        self.revision += 1;
        for (key, value) in txn.put {
            self.entries.insert(key, (self.revision, Some(value)));
        }
        for key in txn.delete {
            self.entries.insert(key, (self.revision, None));
        }
        Ok(self.revision)
    }

    async fn watch(&mut self, prefix: &str, from: Revision) -> Result<Watched, StoreError> {
        let below = self
            .entries
            .iter()
            .filter(|(k, (r, _))| *r > from && k.starts_with(prefix));
        let events = below
            .map(|(k, (_, v))| Event {
                key: k.clone(),
                value: v.clone(),
            })
            .collect();
        Ok(Watched::Events(events, self.revision))
    }
}
