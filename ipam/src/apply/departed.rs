//! What is in quarantine when its pool goes, and comes back with another.

use crate::cidr::Cidr;
use crate::departed::{Departed, DepartedEntry};
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
        let entries = pool.released().iter(List::Quarantine).map(|(_, entry)| {
            let until = entry.at.after(pool.spec().quarantine);
            // A pool with a shorter quarantine may have quarantined it from later on; a time that cannot be stays.
            let at = match entry.at.is_ahead_of(now) {
                true => entry.at,
                false => entry.at.min(now),
            };
            let address = pool.address(entry.slot);
            DepartedEntry { address, at, until }
        });
        self.departed.extend(entries);
    }

    /// Puts the addresses of a pool that came or grew back into quarantine, each for at least as long as it was to.
    pub(super) fn arrive(&mut self, id: PoolId) {
        let now = self.now();
        let Some(pool) = self.pools.get_mut(id.0) else {
            return;
        };
        let quarantine = Timestamp::from(pool.spec().quarantine).as_nanos();
        for entry in self.departed.take(pool.spec().cidr, now) {
            let begun = entry.until.as_nanos().saturating_sub(quarantine);
            let begun = Timestamp::from_nanos(begun).max(entry.at);
            if let Some(slot) = pool.materialise(entry.address)
                && begun.after(pool.spec().quarantine) > now
            {
                pool.quarantine_next(slot, begun, now);
            }
        }
        self.catch_up();
    }

    /// Adds a chunk's record to the state, or says why not.
    pub(crate) fn restore_departed(
        &mut self,
        block: Cidr,
        quarantined: &[DepartedAddress],
    ) -> Result<(), &'static str> {
        let now = self.now();
        let (mut entries, altered) = Departed::read(block, quarantined, now)?;
        if entries
            .iter()
            .any(|entry| self.pools.of_address(entry.address).is_some())
        {
            return Err("quarantines an address of a pool");
        }
        if altered {
            self.dirty.note(&departed_key(block.first()));
        }
        entries.retain(|entry| entry.until > now);
        self.departed.extend(entries);
        Ok(())
    }
}
