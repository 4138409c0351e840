//! What happens by time alone: quarantines end, sticky addresses expire.

use crate::identity::Identity;
use crate::pool::{Pool, PoolId};
use crate::state::{Ipam, NONE, Spot, Spots};
use crate::store::record::{block_key, workload_key};
use crate::time::Timestamp;
use alloc::vec::Vec;

impl Ipam {
    /// Lets time pass. Every operation does this with its own `now` first. Time that goes backwards stands
    /// still. Cost: one comparison unless a quarantine or a retention has ended, then logarithmic for each.
    #[inline]
    pub fn advance(&mut self, now: Timestamp) {
        if self.clock.pass(now) {
            self.catch_up();
        }
    }

    /// What is due by now happens.
    #[inline(never)]
    pub(crate) fn catch_up(&mut self) {
        // In order of time over all pools, so that how often this is called makes no difference.
        loop {
            let (due, pool) = self.next_event();
            if due > self.now() || due == Timestamp::MAX {
                return self.clock.settle(due);
            }
            match pool {
                Some(pool) => {
                    if let Some(pool) = self.pool_at_mut(pool) {
                        pool.mature(due);
                    }
                }
                None => self.expire_at_once(due),
            }
        }
    }

    /// The time of the allocator's last operation or change.
    #[inline]
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// When the next thing happens by time, and in which pool; `None` for the expiry of sticky addresses, which
    /// comes first of what happens at once. [`Timestamp::MAX`] where nothing will.
    fn next_event(&self) -> (Timestamp, Option<u16>) {
        let mut first = (self.next_expiry(), None);
        for (i, pool) in self.pools.iter().enumerate() {
            let due = pool.as_ref().map_or(Timestamp::MAX, Pool::next_due);
            if due < first.0 {
                first = (due, Some(i as u16));
            }
        }
        first
    }

    /// When the next sticky address expires.
    fn next_expiry(&self) -> Timestamp {
        let first = self
            .sticky
            .first()
            .map_or(Timestamp::MAX, |(until, _)| until);
        let apart = self
            .apart
            .first()
            .map_or(Timestamp::MAX, |(until, ..)| until);
        first.min(apart)
    }

    /// The sticky addresses whose time is over at `due` go back, in order of their workloads' keys: those have other
    /// numbers in a restored state.
    fn expire_at_once(&mut self, due: Timestamp) {
        // No quarantine begins before anything that is known of it.
        let mut over: Vec<(u32, Spot, Timestamp)> = Vec::new();
        while let Some((until, id)) = self.sticky.first().filter(|(until, _)| *until <= due) {
            debug_assert_eq!(until, due);
            self.sticky.remove(id);
            if let Some(workload) = self.workloads.get_mut(id) {
                let at = due.max(workload.since);
                let spots = core::mem::replace(&mut workload.spots, Spots::EMPTY);
                over.extend(spots.iter().map(|(_, spot)| (id, spot, at)));
            }
        }
        while let Some((until, id, spot)) = self.apart.first().filter(|(until, ..)| *until <= due) {
            debug_assert_eq!(until, due);
            self.apart.remove(id, spot);
            over.push((id, spot, due.max(self.since_of(id))));
        }
        if over.len() > 1 {
            // An interface keeps one of a pool: among its own any order will do.
            over.sort_by_cached_key(|&(id, ..)| self.identity(id).map(workload_key));
        }
        for (id, spot, at) in over {
            self.note_expired(id, spot);
            if let Some(pool) = self.pool_at_mut(spot.pool) {
                pool.quarantine(spot.slot, at, due);
            }
            self.settle_since(id);
            self.drop_workload_if_idle(id);
        }
    }

    /// Where a store is kept in step: the records that time alone made untrue.
    fn note_expired(&mut self, id: u32, spot: Spot) {
        if self.dirty.is_none() {
            return;
        }
        let block = self.pool_at(spot.pool).map(|pool| {
            let block = pool.block_cidr(pool.block_of(spot.slot));
            block_key(PoolId(spot.pool), block.first())
        });
        let name = self.identity(id).map(workload_key);
        let keys: Vec<_> = block.into_iter().chain(name).collect();
        self.dirty
            .iter_mut()
            .for_each(|dirty| dirty.extend(keys.iter().cloned()));
    }

    /// As [`Ipam::note_expired`], of one key.
    pub(crate) fn note_dirty(&mut self, key: &str) {
        if let Some(dirty) = &mut self.dirty {
            dirty.insert(key.into());
        }
    }

    /// Forgets a workload that neither holds nor keeps anything.
    pub(crate) fn drop_workload_if_idle(&mut self, id: u32) {
        let Some(workload) = self.workloads.get(id) else {
            return;
        };
        let idle = workload.head() == NONE
            && workload.spots.is_empty()
            && !self.extra.contains_key(&id)
            && (self.apart.is_empty() || self.apart.of(id).next().is_none())
            && !self.moves.contains_key(&id);
        if !idle {
            return;
        }
        let name = workload.name;
        let tag = workload.tag;
        if !self.interfaces.is_empty() {
            self.drop_interface(id);
        }
        let workloads = &self.workloads;
        let tags = |w| workloads.get(w).map_or(0, |w| w.tag);
        self.by_workload.remove(tag, id, tags);
        self.workloads.discard(id);
        self.names.remove(name);
    }

    /// A workload's interface is no longer known.
    #[inline(never)]
    fn drop_interface(&mut self, id: u32) {
        let Some(identity) = self.workloads.get(id).map(|w| self.names.get(w.name)) else {
            return;
        };
        let identity = Identity::of_key(identity);
        if let Some(known) = self.interfaces.get_mut(identity.workload) {
            known.remove(identity.interface);
            if known.is_empty() {
                self.interfaces.remove(identity.workload);
            }
        }
    }
}
