//! A pool that grows: its slots may shift, and with them everything that refers to them.

use crate::pool::spec::PoolSpec;
use crate::pool::{PoolId, rebuilt};
use crate::state::{Ipam, Spot};
use alloc::collections::BTreeMap;

impl Ipam {
    /// Replaces a pool by one of another spec, which was checked: of a larger prefix, or with other bars. Linear in
    /// the pool's claims.
    pub(super) fn rebuild_pool(&mut self, id: PoolId, spec: PoolSpec, draining: bool) {
        let (now, mut map) = (self.now(), BTreeMap::new());
        self.pools
            .replace(id, |old| rebuilt(old, spec, draining, now, &mut map));
        if !map.is_empty() {
            self.renumber(id, &map);
        }
    }

    /// Gives everything that refers to a pool's slots their new numbers.
    fn renumber(&mut self, id: PoolId, map: &BTreeMap<u32, u32>) {
        let spot = |spot: Spot| match map.get(&spot.slot) {
            Some(&slot) if spot.pool == id.0 => Spot { slot, ..spot },
            _ => spot,
        };
        self.claims.renumber(spot);
        self.workloads.renumber(spot);
    }
}
