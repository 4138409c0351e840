//! A pool that grows: its slots may shift, and with them everything that refers to them.

use crate::pool::blocks::NOBODY;
use crate::pool::cells::State;
use crate::pool::layout::Layout;
use crate::pool::released::List;
use crate::pool::spec::{Affinity, PoolSpec};
use crate::pool::{Pool, PoolId};
use crate::state::{Ipam, Spot};
use crate::time::Timestamp;
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

/// The pool that takes another one's place: everything in it has the same state, and `map` its new slot where that differs.
fn rebuilt(
    old: &Pool,
    spec: PoolSpec,
    draining: bool,
    now: Timestamp,
    map: &mut BTreeMap<u32, u32>,
) -> Pool {
    let shifted = old.spec.cidr.base().saturating_sub(spec.cidr.base());
    let mut new = Pool::new(spec);
    new.draining = draining;
    new.cursor = old.cursor.saturating_add(shifted);
    let mut place = |new: &mut Pool, slot: u32| -> Option<u32> {
        let to = new.materialise(old.address(slot))?;
        if matches!(new.layout, Layout::Sparse { .. }) || to != slot {
            map.insert(slot, to);
        }
        Some(to)
    };
    // Blocks first and in their old order: in a sparse pool they keep their numbers.
    for index in 0..old.layout.len() >> old.blocks.shift {
        if matches!(old.layout, Layout::Sparse { .. }) {
            place(&mut new, index << old.blocks.shift);
        }
    }
    for (slot, cell) in old.cells.iter() {
        let Some(to) = place(&mut new, slot) else {
            continue;
        };
        match cell.state() {
            State::Held(claim) => new.hold(to, claim, now),
            State::Retained(workload) => new.keep(to, workload, now),
            State::Blank | State::Quarantined(_) | State::Queued(_) => {}
        }
    }
    for list in [List::Queued, List::Quarantine] {
        for (_, entry) in old.released.iter(list) {
            if let Some(to) = place(&mut new, entry.slot) {
                // A quarantine that is over by `now` is freed at once, in order of release.
                new.quarantine(to, entry.at, now);
            }
        }
    }
    copy_blocks(old, &mut new);
    old.frozen.iter().for_each(|&range| new.freeze(range));
    new
}

/// Hosts keep their blocks, with generation and age.
fn copy_blocks(old: &Pool, new: &mut Pool) {
    if old.spec.affinity == Affinity::Off {
        return;
    }
    for (index, block) in old.blocks.iter() {
        let first = old.address(index << old.blocks.shift);
        let Some(slot) = new.materialise(first) else {
            continue;
        };
        let to = new.block_of(slot);
        if block.host != NOBODY {
            let open = super::block::has_free(new, to);
            new.blocks.set_host(to, block.host, block.state, open);
        }
        new.blocks.set_age(to, block.generation, block.empty_since);
    }
}
