//! Blocks that others tell of and that have no record: damage, as long as all was read of one revision.

use super::view::View;
use crate::pool::PoolId;
use crate::state::Ipam;
use crate::store::record::Record;
use crate::store::seam::Store;
use alloc::collections::BTreeSet;
use alloc::string::String;
use core::net::IpAddr;

impl<S: Store> View<'_, S> {
    /// Whether a block has no record although its pool's summary, a host, a claim or a workload tells of it, or one that its pool's
    /// summary denies: only the whole state tells what it held.
    pub(super) fn is_contradicted(&self, ipam: &Ipam) -> bool {
        let blocks = self.entries.keys().filter(|key| key.starts_with("b/"));
        let (present, absent): (BTreeSet<&String>, _) =
            blocks.partition(|key| self.bytes(key).is_some());
        absent.iter().any(|key| self.is_made(ipam, key))
            || !absent.is_empty() && self.is_told_of(&absent)
            || !self.is_mixed() && present.iter().any(|key| self.is_denied(ipam, key))
    }

    /// Whether a pool's summary says that a block has a record.
    fn is_made(&self, ipam: &Ipam, key: &str) -> bool {
        self.summary_of(ipam, key).is_some()
    }

    /// Whether a host, a claim or a workload tells of one of these blocks.
    fn is_told_of(&self, absent: &BTreeSet<&String>) -> bool {
        let is_absent = |(id, address): &(PoolId, IpAddr)| {
            let key = self.block_key(*id, *address);
            key.is_some_and(|key| absent.contains(&key))
        };
        self.entries.keys().any(|key| match self.record(key) {
            Some(Record::Host { blocks, .. }) => blocks.iter().flatten().any(is_absent),
            Some(Record::Claim { addresses, .. }) => addresses.iter().any(is_absent),
            Some(Record::Workload {
                retained, sticky, ..
            }) => {
                let sticky = sticky.iter().map(|one| (one.pool, one.address));
                retained
                    .iter()
                    .copied()
                    .chain(sticky)
                    .any(|at| is_absent(&at))
            }
            _ => false,
        })
    }

    /// Whether a block has what its pool's summary says it has not: an older value of its record was put back.
    fn is_denied(&self, ipam: &Ipam, key: &str) -> bool {
        let Some((id, block)) = ipam.block_named(key) else {
            return false;
        };
        let (Some(pool), Some(told)) = (ipam.pools.get(id.0), self.summary_of(ipam, key)) else {
            return false;
        };
        let clock = (ipam.now(), pool.spec().quarantine);
        let slot = pool.slot(block.first());
        slot.is_some_and(|slot| !told.admits(ipam.block_summary(id, pool.block_of(slot)), clock))
    }

    fn summary_of(&self, ipam: &Ipam, key: &str) -> Option<crate::store::record::BlockSummary> {
        let (id, block) = ipam.block_named(key)?;
        let geometry = self.pools.get(&id)?.geometry;
        self.summaries
            .block(&geometry, geometry.block_of(block.first()))
    }
}
