//! All records of a store as they were at one revision, however often others commit while they are read.

use super::{ATTEMPTS, PAGE, Replica};
use crate::store::seam::{Page, Revision, Store, StoreError, Watched};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Bound;

/// A store's records.
#[derive(Debug)]
pub(super) struct Copy {
    records: BTreeMap<String, Vec<u8>>,
    revision: Revision,
}

impl Copy {
    fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Page {
        let from = match after {
            Some(after) => Bound::Excluded(after),
            None => Bound::Included(prefix),
        };
        let rest = self.records.range::<str, _>((from, Bound::Unbounded));
        let mut rest = rest.take_while(|(key, _)| key.starts_with(prefix));
        let entries = rest.by_ref().take(limit);
        Page {
            entries: entries.map(|(k, v)| (k.clone(), v.clone())).collect(),
            revision: self.revision,
            more: rest.next().is_some(),
        }
    }

    fn get(&self, keys: &[String]) -> (Vec<Option<Vec<u8>>>, Revision) {
        let values = keys.iter().map(|key| self.records.get(key).cloned());
        (values.collect(), self.revision)
    }
}

impl<S: Store> Replica<S> {
    /// Reads everything, and then what changed since reading began. Nothing where the store has forgotten by then what did.
    async fn copy(&mut self) -> Result<Option<Copy>, StoreError> {
        let (mut records, mut begun, mut after) = (BTreeMap::new(), None, None::<String>);
        loop {
            let page = self.store.list("", after.as_deref(), PAGE).await?;
            begun.get_or_insert(page.revision);
            after = page.entries.last().map(|(key, _)| key.clone());
            records.extend(page.entries);
            if !page.more || after.is_none() {
                break;
            }
        }
        match self.store.watch("", begun.unwrap_or(0)).await? {
            Watched::Compacted => Ok(None),
            Watched::Events(events, revision) => {
                for event in events {
                    match event.value {
                        Some(value) => records.insert(event.key, value),
                        None => records.remove(&event.key),
                    };
                }
                Ok(Some(Copy { records, revision }))
            }
        }
    }

    /// A [`Copy`], for a store that does not stand still while it is read.
    pub(super) async fn copy_all(&mut self) -> Result<Copy, StoreError> {
        for _ in 0..ATTEMPTS {
            if let Some(copy) = self.copy().await? {
                return Ok(copy);
            }
        }
        let why = "the store forgot what changed faster than it could be read";
        Err(StoreError::Io(why.into()))
    }

    /// [`Store::list`] of a copy, or else of the store.
    pub(super) async fn list(
        &mut self,
        copy: Option<&Copy>,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        match copy {
            Some(copy) => Ok(copy.list(prefix, after, limit)),
            None => self.store.list(prefix, after, limit).await,
        }
    }

    /// [`Store::get`] of a copy, or else of the store.
    pub(super) async fn get(
        &mut self,
        copy: Option<&Copy>,
        keys: &[String],
    ) -> Result<(Vec<Option<Vec<u8>>>, Revision), StoreError> {
        match copy {
            Some(copy) => Ok(copy.get(keys)),
            None => self.store.get(keys).await,
        }
    }
}
