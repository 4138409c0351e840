//! Quarantine that outlives its pool: an address that is in quarantine when its pool is removed stays so, whichever pool
//! it belongs to next.

use crate::cidr::{Cidr, Family, number};
use crate::pool::PoolId;
use crate::pool::released::List;
use crate::state::Ipam;
use crate::store::record::{DepartedAddress, Record, block_key, departed_key};
use crate::time::Timestamp;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

/// Addresses of removed pools in quarantine: since when, and until when.
pub(crate) type Departed = BTreeMap<IpAddr, (Timestamp, Timestamp)>;

/// Addresses of one record: a /26 or /122.
const CHUNK_BITS: u8 = 6;

/// The prefix whose record an address is in.
pub(crate) fn chunk_of(address: IpAddr) -> Option<Cidr> {
    let bits = Family::of(address).bits();
    Cidr::containing(address, bits - CHUNK_BITS).ok()
}

fn key_of(address: IpAddr) -> Option<String> {
    chunk_of(address).map(|chunk| departed_key(chunk.first()))
}

impl Ipam {
    /// What is in quarantine in a prefix for longer than now, of pools that are gone.
    fn departed_in(&self, cidr: Cidr) -> impl Iterator<Item = (IpAddr, Timestamp, Timestamp)> + '_ {
        let inside = self.departed.range(cidr.first()..=cidr.last());
        let rests = inside.map(|(&address, &(at, until))| (address, at, until));
        rests.filter(|(_, _, until)| *until > self.now())
    }

    /// Notes what is in quarantine in a pool that is about to go, and drops what no longer is.
    pub(crate) fn depart(&mut self, id: PoolId) {
        let now = self.now();
        let over = self.departed.iter().filter(|(_, (_, until))| *until <= now);
        let over: BTreeSet<String> = over.filter_map(|(&a, _)| key_of(a)).collect();
        over.iter().for_each(|key| self.note_dirty(key));
        self.departed.retain(|_, (_, until)| *until > now);
        let Some(pool) = self.pool_at(id.0) else {
            return;
        };
        let rests = pool.released.iter(List::Quarantine).map(|(_, rest)| {
            let until = rest.at.after(pool.spec.quarantine);
            // A pool with a shorter quarantine may have quarantined it from later on; a time that cannot be is kept.
            let begun = match rest.at.is_ahead_of(now) {
                true => rest.at,
                false => rest.at.min(now),
            };
            (pool.address(rest.slot), (begun, until))
        });
        let rests: Vec<_> = rests.collect();
        self.departed.extend(rests);
    }

    /// Puts the addresses of a pool that came or grew back into quarantine, each for at least as long as it was to.
    pub(crate) fn arrive(&mut self, id: PoolId) {
        let Some(cidr) = self.pool_at(id.0).map(|p| p.spec.cidr) else {
            return;
        };
        let mut rests: Vec<_> = self.departed_in(cidr).collect();
        rests.sort_by_key(|&(address, at, _)| (at, address));
        let now = self.now();
        let inside = self.departed.range(cidr.first()..=cidr.last());
        let inside: Vec<IpAddr> = inside.map(|(&address, _)| address).collect();
        for address in inside {
            self.departed.remove(&address);
        }
        let Some(pool) = self.pool_at_mut(id.0) else {
            return;
        };
        for (address, at, until) in rests {
            let quarantine = Timestamp::from(pool.spec.quarantine).as_nanos();
            let begun = Timestamp::from_nanos(until.as_nanos().saturating_sub(quarantine)).max(at);
            if let Some(slot) = pool.materialise(address)
                && begun.after(pool.spec.quarantine) > now
            {
                let order = pool.released.next_order();
                pool.quarantine_at(slot, begun, order, now);
            }
        }
        self.catch_up();
    }

    /// The keys of the records that a pool's coming alters besides its own.
    pub(crate) fn touch_arrival(
        &self,
        id: PoolId,
        cidr: Cidr,
        block_size: u8,
        keys: &mut BTreeSet<String>,
    ) {
        for (address, ..) in self.departed_in(cidr) {
            keys.extend(key_of(address));
            let block = Cidr::containing(address, block_size);
            keys.extend(block.map(|block| block_key(id, block.first())));
        }
    }

    /// The keys of the records that a pool's going alters besides its own.
    pub(crate) fn touch_departure(&self, id: PoolId, keys: &mut BTreeSet<String>) {
        let pool = self.pool_at(id.0);
        let rests = pool.into_iter().flat_map(|p| {
            let resting = p.released.iter(List::Quarantine);
            resting.map(|(_, rest)| p.address(rest.slot))
        });
        keys.extend(rests.filter_map(key_of));
    }

    /// The record of a chunk; `None` where nothing of it is in quarantine.
    pub(crate) fn departed_record(&self, first: IpAddr) -> Option<Record<'_>> {
        let chunk = chunk_of(first)?;
        let base = number(chunk.first());
        let rests = self.departed_in(chunk);
        let rested: Vec<DepartedAddress> = rests
            .map(|(address, at, until)| DepartedAddress {
                offset: (number(address) - base) as u32,
                at,
                until,
            })
            .collect();
        (!rested.is_empty()).then_some(Record::Departed {
            block: chunk,
            rested,
        })
    }

    /// Every such record.
    pub(crate) fn departed_records(&self) -> impl Iterator<Item = Record<'_>> {
        let chunks = self
            .departed
            .keys()
            .filter_map(|&a| Some(chunk_of(a)?.first()));
        let chunks: BTreeSet<IpAddr> = chunks.collect();
        chunks
            .into_iter()
            .filter_map(|first| self.departed_record(first))
    }

    /// Takes a chunk's record out of the state.
    pub(crate) fn clear_departed(&mut self, first: IpAddr) {
        if let Some(chunk) = chunk_of(first) {
            self.departed.retain(|&address, _| !chunk.contains(address));
        }
    }

    /// Adds a chunk's record to the state, or says why not.
    pub(crate) fn restore_departed(
        &mut self,
        block: Cidr,
        rested: &[DepartedAddress],
    ) -> Result<(), &'static str> {
        if chunk_of(block.first()) != Some(block) {
            return Err("is no block of quarantined addresses");
        }
        let base = number(block.first());
        let (mut rests, mut altered) = (Vec::with_capacity(rested.len()), false);
        for rest in rested {
            if rest.offset >= 1 << CHUNK_BITS {
                return Err("quarantines an address that is not its own");
            }
            let address = block.family().address(base + u128::from(rest.offset));
            if self
                .pools
                .iter()
                .flatten()
                .any(|p| p.spec.cidr.contains(address))
            {
                return Err("quarantines an address of a pool");
            }
            // It ends no earlier than it begins, whatever is stored.
            let until = rest.until.max(rest.at);
            altered |= until != rest.until;
            rests.push((address, (rest.at, until)));
        }
        let now = self.now();
        if altered || rests.iter().any(|(_, (_, until))| *until <= now) {
            self.note_dirty(&departed_key(block.first()));
        }
        rests.retain(|(_, (_, until))| *until > now);
        self.departed.extend(rests);
        Ok(())
    }
}
