//! A pool that takes another one's place: grown, or with other bars.

use super::Pool;
use super::blocks::NOBODY;
use super::cells::State;
use super::layout::Layout;
use super::released::List;
use super::spec::{Affinity, PoolSpec};
use crate::time::Timestamp;
use alloc::collections::BTreeMap;

/// The pool that takes another one's place: everything in it has the same state, and `map` its new slot where that differs.
pub(crate) fn rebuilt(
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
            State::Retained(workload) => new.retain(to, workload, now),
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
            let open = new.has_free(to);
            new.blocks.set_host(to, block.host, block.state, open);
        }
        new.blocks.set_age(to, block.generation, block.empty_since);
    }
}
