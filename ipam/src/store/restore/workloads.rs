//! What workloads retain, out of their records.

use super::{RejectedRecord, Restorer, Waiting};
use crate::cidr::Cidr;
use crate::identity::Identity;
use crate::pool::PoolId;
use crate::pool::spec::name_fits;
use crate::state::Spot;
use crate::store::record::{Record, block_key};
use crate::time::Timestamp;
use crate::workloads::{LAST_END, WHILE_MOVING};
use alloc::vec::Vec;
use core::net::IpAddr;

impl Restorer {
    pub(super) fn add_workload(
        &mut self,
        record: Record<'_>,
        key: &str,
    ) -> Result<(), RejectedRecord> {
        let Record::Workload {
            name,
            interface,
            since,
            until,
            fixed,
            retained,
            sticky,
            moving,
            owners,
        } = record
        else {
            return Ok(());
        };
        let identity = Identity::from((&*name, &*interface));
        self.check_workload(identity, key)?;
        if let Some(owners) = owners {
            self.note_owners(key, &owners);
        }
        for host in moving.iter().flat_map(|m| [&m.from, &m.to]) {
            name_fits(host).map_err(|e| RejectedRecord::new(key, host, e))?;
        }
        // What says that it ends with time does so, unless a move says for how long it waits.
        let last = match moving {
            Some(_) => WHILE_MOVING,
            None => LAST_END,
        };
        let (reserved, shared): (&[_], &[_]) = if fixed {
            (&retained, &[])
        } else {
            (&[], &retained)
        };
        let shared = shared.iter().map(|&place| (place, until));
        let apart = sticky.iter().map(|s| ((s.pool, s.address), s.until));
        let sticky: Vec<_> = shared.chain(apart).collect();
        let places: Vec<_> = sticky.iter().map(|&(place, _)| place).collect();
        let (reserved, spots) = self.vacant_retained(reserved, &places, key)?;
        let ends = sticky.iter().map(|&(_, until)| until.min(last));
        let (over, sticky): (Vec<_>, Vec<_>) = spots
            .into_iter()
            .zip(ends)
            .partition(|&(_, until)| until <= self.ipam.now());
        self.end_retention(&over, since, key);
        if reserved.is_empty() && sticky.is_empty() && moving.is_none() {
            return Ok(());
        }
        let id = self.ipam.intern_workload(identity);
        self.ipam.workloads.note_since(id, since);
        self.retain(id, &reserved, &sticky);
        if let Some(moving) = moving {
            self.add_move(id, &moving);
        }
        self.ipam.workloads.remove_idle(id);
        Ok(())
    }

    /// A workload's names fit, and no other record tells what it retains.
    fn check_workload(&self, identity: Identity<'_>, key: &str) -> Result<(), RejectedRecord> {
        let fits = identity.check();
        fits.map_err(|(_, e)| RejectedRecord::new(key, identity, e))?;
        // A workload may be known by its claims, but retains and moves by one record only.
        let known = self.ipam.workload(identity);
        let recorded = known.is_some_and(|id| {
            let retains = self.ipam.workloads.retained(id).next().is_some();
            retains || self.ipam.workloads.is_moving(id)
        });
        if recorded {
            return Err(RejectedRecord::new(key, identity, "is recorded twice"));
        }
        Ok(())
    }

    /// What expired meanwhile is in quarantine from then on, or from what is known `since`, unless it is in use by now.
    fn end_retention(&mut self, over: &[(Spot, Timestamp)], since: Timestamp, key: &str) {
        for &(spot, _) in over {
            // Its quarantine is the block's to tell from now on.
            self.note_dirty_block(spot);
        }
        let entries = over.iter().map(|&(spot, until)| Waiting {
            at: until.max(since),
            order: Waiting::RETAINED,
            spot,
        });
        self.waiting.extend(entries);
        if !over.is_empty() {
            self.ipam.dirty.note(key);
        }
    }

    /// The record of an address's block is no longer true.
    fn note_dirty_block(&mut self, spot: Spot) {
        let Some((id, address)) = self.ipam.pools.place(spot) else {
            return;
        };
        let size = self.ipam.pools.get(id.0).map(|pool| pool.spec().block_size);
        let block = size.and_then(|size| Cidr::containing(address, size).ok());
        if let Some(block) = block {
            self.ipam.dirty.note(&block_key(id, block.first()));
        }
    }

    /// Retains addresses that are nobody's for a workload that retains none yet.
    fn retain(&mut self, id: u32, reserved: &[Spot], sticky: &[(Spot, Timestamp)]) {
        let now = self.ipam.now();
        let sticky = sticky.iter().map(|&(spot, until)| (spot, Some(until)));
        let all = reserved.iter().map(|&spot| (spot, None)).chain(sticky);
        for (spot, until) in all {
            let Some(pool) = self.ipam.pools.get_mut(spot.pool) else {
                continue;
            };
            pool.retain(spot.slot, id, now);
            let family = pool.spec().cidr.family();
            match until {
                None => self.ipam.add_reserved(id, family, spot),
                Some(until) => self.ipam.retain(id, family, spot, until),
            }
        }
    }

    /// The slots that a workload retains, reserved and sticky: nobody's yet, each once, and of the sticky ones only one of
    /// a pool.
    fn vacant_retained(
        &mut self,
        reserved: &[(PoolId, IpAddr)],
        sticky: &[(PoolId, IpAddr)],
        key: &str,
    ) -> Result<(Vec<Spot>, Vec<Spot>), RejectedRecord> {
        let mut spots = Vec::with_capacity(reserved.len() + sticky.len());
        for &place in reserved.iter().chain(sticky) {
            spots.push(self.vacant(place, key)?);
        }
        let mut once = spots.clone();
        once.sort_unstable();
        once.dedup();
        if once.len() < spots.len() {
            return Err(RejectedRecord::new(key, key, "retains an address twice"));
        }
        let mut pools: Vec<PoolId> = sticky.iter().map(|&(pool, _)| pool).collect();
        pools.sort_unstable();
        pools.dedup();
        if pools.len() < sticky.len() {
            let reason = "retains two addresses of one pool without a reservation";
            return Err(RejectedRecord::new(key, key, reason));
        }
        let sticky = spots.split_off(reserved.len());
        Ok((spots, sticky))
    }
}
