//! Blocks out of their records.

use super::{MOST_COUNT, Restorer, Waiting};
use crate::pool::PoolId;
use crate::pool::blocks::BlockState;
use crate::pool::spec::{Affinity, name_fits};
use crate::state::Spot;
use crate::store::damage::RejectedRecord;
use crate::store::record::{Record, ReleasedAddress};
use crate::time::Timestamp;
use alloc::string::ToString;
use core::ops::Range;
use core::time::Duration;

impl Restorer {
    pub(super) fn add_block(
        &mut self,
        record: Record<'_>,
        key: &str,
    ) -> Result<(), RejectedRecord> {
        let Record::Block {
            pool: id,
            block: cidr,
            host,
            generation,
            empty_since,
            released,
            used,
        } = record
        else {
            return Ok(());
        };
        let rejected = |reason: &str| RejectedRecord::new(key, cidr, reason);
        let pool = self
            .ipam
            .pools
            .get_mut(id.0)
            .ok_or_else(|| rejected("is a block of no pool"))?;
        let inside =
            cidr.prefix() == pool.spec().block_size && pool.spec().cidr.contains(cidr.first());
        if !inside {
            return Err(rejected("is no block of its pool"));
        }
        let first = pool
            .materialise(cidr.first())
            .ok_or_else(|| rejected("does not fit its pool"))?;
        let index = pool.block_of(first);
        let slots = pool.blocks().slots(index);
        if generation > MOST_COUNT || released.iter().any(|r| r.order > MOST_COUNT) {
            return Err(rejected(
                "counts further than anything can have been counted",
            ));
        }
        let due = self
            .queue_released(id, &slots, &released)
            .map_err(rejected)?;
        let emptied = due.map_or(empty_since, |due| empty_since.max(due));
        self.note_used(id, index, used.as_deref().unwrap_or_default());
        if let Some((name, state)) = host {
            name_fits(&name).map_err(|e| rejected(&e.to_string()))?;
            let host = self.ipam.intern_host(&name);
            self.give_block(id, index, host, state);
        }
        if let Some(pool) = self
            .ipam
            .pools
            .get_mut(id.0)
            .filter(|p| p.spec().affinity != Affinity::Off)
        {
            pool.set_block_age(index, generation, emptied);
        }
        Ok(())
    }

    /// Queues the released addresses of a block, whose slots these are; when the last quarantine that is over by now
    /// ended.
    fn queue_released(
        &mut self,
        id: PoolId,
        slots: &Range<u32>,
        released: &[ReleasedAddress],
    ) -> Result<Option<Timestamp>, &'static str> {
        let now = self.ipam.now();
        let pool = self.ipam.pools.get(id.0);
        let quarantine = pool.map_or(Duration::ZERO, |pool| pool.spec().quarantine);
        let mut last = None;
        for entry in released {
            let slot = slots.start.saturating_add(entry.offset);
            if !slots.contains(&slot) {
                return Err("quarantines an address that is not its own");
            }
            let due = entry.at.after(quarantine);
            if due <= now {
                last = last.max(Some(due));
            }
            let spot = Spot { pool: id.0, slot };
            self.waiting.push(Waiting {
                at: entry.at,
                order: entry.order,
                spot,
            });
        }
        Ok(last)
    }

    fn give_block(&mut self, id: PoolId, index: u32, host: u32, state: BlockState) {
        if let Some(pool) = self
            .ipam
            .pools
            .get_mut(id.0)
            .filter(|p| p.spec().affinity != Affinity::Off)
        {
            pool.take_block(index, host, state);
        } else {
            self.ipam.drop_host_if_idle(host);
        }
    }
}
