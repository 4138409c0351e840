//! What happens by time alone: quarantines end, sticky addresses expire.

use crate::pool::PoolId;
use crate::state::{Ipam, Spot};
use crate::store::record::{block_key, workload_key};
use crate::time::Timestamp;

impl Ipam {
    /// Lets time pass. Every operation does this with its own `now` first. Time that goes backwards stands
    /// still. Cost: one comparison unless a quarantine or a retention has ended, then logarithmic for each.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let grant = ipam.claim(at(1), &Request::new("container-1/eth0"))?;
    /// ipam.release(at(2), "container-1/eth0", grant.sequence)?;
    /// assert_eq!(ipam.quarantined().len(), 1);
    /// ipam.advance(at(62)); // a pool's quarantine is 60 s unless its spec says otherwise
    /// assert!(ipam.quarantined().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
                    if let Some(pool) = self.pools.get_mut(pool) {
                        pool.mature(due);
                    }
                }
                None => self.expire_at_once(due),
            }
        }
    }

    /// The time of the allocator's last operation or change.
    ///
    /// ```
    /// use ipam::{Ipam, Timestamp};
    ///
    /// let mut ipam = Ipam::new(7);
    /// ipam.advance(Timestamp::from_secs(5));
    /// ipam.advance(Timestamp::from_secs(3)); // time never runs backwards
    /// assert_eq!(ipam.now(), Timestamp::from_secs(5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// When the next thing happens by time, and in which pool; `None` for the expiry of sticky addresses, which
    /// comes first of what happens at once. [`Timestamp::MAX`] where nothing will.
    fn next_event(&self) -> (Timestamp, Option<u16>) {
        let mut first = (self.workloads.next_expiry(), None);
        for (id, pool) in self.pools.iter() {
            let due = pool.next_due();
            if due < first.0 {
                first = (due, Some(id.0));
            }
        }
        first
    }

    /// The sticky addresses whose time is over at `due` go back, in order of their workloads' keys: those have other
    /// numbers in a restored state.
    fn expire_at_once(&mut self, due: Timestamp) {
        let mut over = self.workloads.take_expired(due);
        if over.len() > 1 {
            // An interface retains one of a pool: among its own any order will do.
            over.sort_by_cached_key(|&(id, ..)| self.workloads.identity(id).map(workload_key));
        }
        for (id, spot, at) in over {
            self.note_expired(id, spot);
            if let Some(pool) = self.pools.get_mut(spot.pool) {
                pool.quarantine(spot.slot, at, due);
            }
            self.workloads.settle_since(id);
            self.workloads.remove_idle(id);
        }
    }

    /// Where a store is kept in step: the records that time alone made untrue.
    fn note_expired(&mut self, id: u32, spot: Spot) {
        if !self.dirty.is_tracked() {
            return;
        }
        let block = self.pools.get(spot.pool).map(|pool| {
            let block = pool.block_cidr(pool.block_of(spot.slot));
            block_key(PoolId(spot.pool), block.first())
        });
        let name = self.workloads.identity(id).map(workload_key);
        for key in block.into_iter().chain(name) {
            self.dirty.note(&key);
        }
    }
}
