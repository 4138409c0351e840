//! What is in quarantine when its pool goes, and comes back with another.

use crate::cidr::Cidr;
use crate::departed::{Departed, DepartedRest};
use crate::pool::PoolId;
use crate::pool::released::List;
use crate::state::Ipam;
use crate::store::record::{DepartedAddress, departed_key};
use crate::time::Timestamp;

impl Ipam {
    /// Notes what is in quarantine in a pool that is about to go, and drops what no longer is.
    pub(super) fn depart(&mut self, id: PoolId) {
        let now = self.now();
        for chunk in self.departed.purge(now) {
            self.dirty.note(&departed_key(chunk.first()));
        }
        let Some(pool) = self.pools.get(id.0) else {
            return;
        };
        let rests = pool.released.iter(List::Quarantine).map(|(_, rest)| {
            let until = rest.at.after(pool.spec.quarantine);
            // A pool with a shorter quarantine may have quarantined it from later on; a time that cannot be is kept.
            let at = match rest.at.is_ahead_of(now) {
                true => rest.at,
                false => rest.at.min(now),
            };
            let address = pool.address(rest.slot);
            DepartedRest { address, at, until }
        });
        self.departed.extend(rests);
    }

    /// Puts the addresses of a pool that came or grew back into quarantine, each for at least as long as it was to.
    pub(super) fn arrive(&mut self, id: PoolId) {
        let now = self.now();
        let Some(pool) = self.pools.get_mut(id.0) else {
            return;
        };
        let quarantine = Timestamp::from(pool.spec.quarantine).as_nanos();
        for rest in self.departed.take(pool.spec.cidr, now) {
            let begun = rest.until.as_nanos().saturating_sub(quarantine);
            let begun = Timestamp::from_nanos(begun).max(rest.at);
            if let Some(slot) = pool.materialise(rest.address)
                && begun.after(pool.spec.quarantine) > now
            {
                let order = pool.released.next_order();
                pool.quarantine_at(slot, begun, order, now);
            }
        }
        self.catch_up();
    }

    /// Adds a chunk's record to the state, or says why not.
    pub(crate) fn restore_departed(
        &mut self,
        block: Cidr,
        rested: &[DepartedAddress],
    ) -> Result<(), &'static str> {
        let now = self.now();
        let (mut rests, altered) = Departed::read(block, rested, now)?;
        if rests
            .iter()
            .any(|rest| self.pools.of_address(rest.address).is_some())
        {
            return Err("quarantines an address of a pool");
        }
        if altered {
            self.dirty.note(&departed_key(block.first()));
        }
        rests.retain(|rest| rest.until > now);
        self.departed.extend(rests);
        Ok(())
    }
}
