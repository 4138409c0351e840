//! Up to where deletions are remembered: sweeping tombstones, and a horizon that cannot be read.

use super::EtcdStore;
use crate::commit;
use crate::failure::Failure;
use crate::keys::after_prefix;
use crate::proto::{Headed as _, RangeRequest, TxnResponse, path, signed, unsigned};
use ipam::store::{Revision, StoreError};

/// Tombstones that one sweep removes at the most: more than were left since the one before.
const SWEPT: usize = 100;

impl EtcdStore {
    /// Removes tombstones that are older than anybody need remember. What fails here is done by a later one.
    pub(super) async fn sweep(&mut self, revision: Revision) -> Result<(), Failure> {
        let upto = revision.saturating_sub(self.client.config.remembered);
        if upto == 0 {
            return Ok(());
        }
        let all = self.keys.tombstone("");
        let old = RangeRequest {
            range_end: after_prefix(&all),
            key: all,
            limit: i64::try_from(SWEPT.min(self.client.config.max_txn_ops - 2)).unwrap_or(1),
            keys_only: true,
            max_mod_revision: signed(upto),
            ..RangeRequest::default()
        };
        let old = self.range(&old).await?;
        let old: Vec<_> = old.kvs.into_iter().map(|kv| kv.key).collect();
        if old.is_empty() {
            return Ok(());
        }
        let request = commit::sweep(&self.keys, old, upto);
        let _: TxnResponse = self.client.write(path::TXN, &request).await?;
        Ok(())
    }

    /// What is wrong with the horizon, if anything is, and the revisions of its key and of the store.
    pub(super) async fn bad_horizon(
        &mut self,
    ) -> Result<Option<(String, [Revision; 2])>, StoreError> {
        let request = RangeRequest {
            key: self.keys.horizon(),
            ..RangeRequest::default()
        };
        let answer = self.range(&request).await?;
        let revision = answer.revision();
        let Some(kv) = answer.kvs.first() else {
            return Ok(None);
        };
        match commit::parse_horizon(&kv.value) {
            Ok(_) => Ok(None),
            Err(StoreError::Damaged(why)) => Ok(Some((why, [unsigned(kv.mod_revision), revision]))),
            Err(error) => Err(error),
        }
    }

    /// Writes a horizon that cannot be read anew: nothing is known of deletions up to now, so all read again.
    pub(super) async fn mend_horizon(&mut self) -> Result<(), StoreError> {
        let Some((_, [read, revision])) = self.bad_horizon().await? else {
            return Ok(());
        };
        // Where another mended it meanwhile, it is mended.
        let request = commit::horizon_anew(&self.keys, read, revision);
        let _: TxnResponse = self.client.write(path::TXN, &request).await?;
        Ok(())
    }
}

/// A number below 64, each equally often whatever pattern the revisions have: one deletion in so many sweeps the oldest tombstones.
/// Short-lived processes have nothing to count them with.
pub(super) fn draw(revision: Revision) -> u64 {
    // Multiplicative hashing by the golden ratio; the upper six bits.
    revision.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58
}
