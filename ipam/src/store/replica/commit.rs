//! Changes on their way into the store.

use super::{Replica, is_structural};
use crate::change::Change;
use crate::store::record::copy_key;
use crate::store::seam::{Event, Store, StoreError, Txn};
use crate::time::Timestamp;
use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

impl<S: Store> Replica<S> {
    /// Applies changes to the copy and commits the records they altered; a refusal undoes the copy.
    pub(in crate::store) async fn commit(
        &mut self,
        now: Timestamp,
        changes: &[Change<'_>],
    ) -> Result<(), StoreError> {
        let mut keys = BTreeSet::new();
        if changes.is_empty() && self.ipam.dirty.is_empty() {
            return Ok(());
        }
        let (mut before, mut structural) = (Vec::new(), false);
        for change in changes {
            let fresh: Vec<String> = self
                .ipam
                .touched(change)
                .into_iter()
                .filter(|k| !keys.contains(k))
                .collect();
            for key in fresh {
                structural |= is_structural(&key);
                let value = self.ipam.record(&key).map(|r| r.encode());
                before.push(Event {
                    key: key.clone(),
                    value,
                });
                keys.insert(key);
            }
            if let Err(error) = self.ipam.apply(change) {
                self.undo(before, structural, now).await?;
                return Err(StoreError::Io(error.to_string()));
            }
        }
        keys.extend(self.ipam.dirty.take());
        keys.insert("m/".to_string());
        let mends = self.rejected.iter().any(|m| keys.contains(&m.key));
        let txn = self.transaction(keys, !self.seeded);
        match self.store.commit(txn).await {
            Ok(revision) => {
                self.seeded = true;
                // Others' commits in between are still to be learned.
                if revision == self.revision + 1 {
                    self.revision = revision;
                }
                self.ipam.tokens.count(revision);
                match mends {
                    true => self.reload(now).await,
                    false => Ok(()),
                }
            }
            Err(error) => {
                self.undo(before, structural, now).await?;
                Err(error)
            }
        }
    }

    fn transaction(&self, keys: BTreeSet<String>, first: bool) -> Txn {
        let mut txn = Txn {
            since: self.revision,
            ..Txn::default()
        };
        for key in keys {
            if key == "m/" && !first {
                continue;
            }
            match self.ipam.record(&key) {
                Some(record) => txn.put.push((key.clone(), record.encode())),
                None => txn.delete.push(key.clone()),
            }
            if let Some(copy) = copy_key(&key) {
                match txn.put.last().filter(|(k, _)| *k == key) {
                    Some((_, bytes)) => txn.put.push((copy, bytes.clone())),
                    None => txn.delete.push(copy),
                }
            }
            // Where a pool goes on is a hint: it is nobody's ground for a conflict.
            if !key.starts_with("r/") {
                txn.unchanged.push(key);
            }
        }
        txn
    }

    /// Makes the copy what it was, from the records as they were.
    async fn undo(
        &mut self,
        before: Vec<Event>,
        structural: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if structural || !self.rejected.is_empty() {
            return self.reload(now).await;
        }
        self.overwrite(&before, now)
    }
}
