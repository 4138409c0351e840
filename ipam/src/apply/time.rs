//! What happens by time alone: quarantines end, sticky workloads forget.

use crate::identity::Identity;
use crate::pool::{Pool, PoolId};
use crate::state::{Ipam, NONE, Spots};
use crate::store::record::{block_key, workload_key};
use crate::time::Timestamp;
use alloc::vec::Vec;

impl Ipam {
    /// Lets time pass. Every operation does this with its own `now` first. Time that goes backwards stands
    /// still. Cost: one comparison unless a rest or a keeping has ended, then logarithmic for each.
    #[inline]
    pub fn advance(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        if self.now >= self.due {
            self.catch_up();
        }
    }

    /// What is due by now happens.
    #[inline(never)]
    fn catch_up(&mut self) {
        // In order of time over all pools, so that how often this is called makes no difference.
        loop {
            let (due, pool) = self.next_event();
            if due > self.now || due == Timestamp::MAX {
                self.due = due;
                return;
            }
            match pool {
                Some(pool) => {
                    if let Some(pool) = self.pool_at_mut(pool) {
                        pool.mature(due);
                    }
                }
                None => self.forget_at_once(due),
            }
        }
    }

    /// The time of the allocator's last operation or change.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// When the next thing happens by time, and in which pool; `None` for a workload's forgetting, which comes
    /// first of what happens at once. [`Timestamp::MAX`] where nothing will.
    fn next_event(&self) -> (Timestamp, Option<u16>) {
        let forgets = self.sticky.first();
        let mut first = (forgets.map_or(Timestamp::MAX, |(until, _)| until), None);
        for (i, pool) in self.pools.iter().enumerate() {
            let due = pool.as_ref().map_or(Timestamp::MAX, Pool::next_due);
            if due < first.0 {
                first = (due, Some(i as u16));
            }
        }
        first
    }

    /// The workloads whose time is over at `due` forget their addresses, in order of key: their numbers are
    /// others in a restored state.
    fn forget_at_once(&mut self, due: Timestamp) {
        let mut ids = Vec::new();
        while let Some((until, id)) = self.sticky.first().filter(|(until, _)| *until <= due) {
            debug_assert_eq!(until, due);
            self.forget_at(id, None);
            ids.push(id);
        }
        if ids.len() > 1 {
            ids.sort_by_cached_key(|&id| self.identity(id).map(workload_key));
        }
        ids.into_iter().for_each(|id| self.forget(id, due));
    }

    /// Sets when a workload forgets what it keeps; `None`: not by time.
    pub(crate) fn forget_at(&mut self, id: u32, until: Option<Timestamp>) {
        self.sticky.remove(id);
        if let Some(until) = until {
            self.due = self.due.min(self.sticky.add(id, until));
        }
    }

    /// A workload's kept addresses go back at `at`, to rest as if they had been released then.
    pub(crate) fn forget(&mut self, id: u32, at: Timestamp) {
        let Some(workload) = self.workloads.get_mut(id) else {
            return;
        };
        let spots = core::mem::replace(&mut workload.spots, Spots::EMPTY);
        self.note_forgotten(id, spots);
        for (_, spot) in spots.iter() {
            if let Some(pool) = self.pool_at_mut(spot.pool) {
                pool.let_rest(spot.slot, at, at);
            }
        }
        self.drop_workload_if_idle(id);
    }

    /// Where a store is kept in step: the records that time alone made untrue.
    fn note_forgotten(&mut self, id: u32, spots: Spots) {
        if self.dirty.is_none() {
            return;
        }
        let blocks = spots.iter().filter_map(|(_, s)| {
            let pool = self.pool_at(s.pool)?;
            let block = pool.block_cidr(pool.block_of(s.slot));
            Some(block_key(PoolId(s.pool), block.first()))
        });
        let name = self.identity(id).map(workload_key);
        let keys: Vec<_> = blocks.chain(name).collect();
        self.dirty
            .iter_mut()
            .for_each(|dirty| dirty.extend(keys.iter().cloned()));
    }

    /// As [`Ipam::note_forgotten`], of one key.
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
            && !self.moves.contains_key(&id);
        if !idle {
            return;
        }
        let name = workload.name;
        let tag = workload.tag;
        if !self.interfaces.is_empty() {
            self.forget_interface(id);
        }
        let workloads = &self.workloads;
        let tags = |w| workloads.get(w).map_or(0, |w| w.tag);
        self.by_workload.remove_later(tag, id, tags);
        self.workloads.discard(id);
        self.names.remove(name);
    }

    /// A workload's interface is no longer known.
    #[inline(never)]
    fn forget_interface(&mut self, id: u32) {
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
