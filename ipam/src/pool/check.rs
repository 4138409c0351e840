//! What must be true of a pool by itself: cells, bitmap, counts, lists and blocks agree.

use super::Pool;
use super::blocks::{BlockState, NOBODY};
use super::cells::State;
use super::released::List;
use super::spec::Affinity;
use crate::check::{Broken, ensure};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

impl Pool {
    /// Checks the pool from scratch; whom its cells name is the allocator's matter.
    pub(crate) fn check(&self) -> Result<(), Broken> {
        check_bits(self)?;
        check_counts(self)?;
        check_blocks(self)
    }
}

/// Free are those whose quarantine is over, and what was never used.
fn check_bits(pool: &Pool) -> Result<(), Broken> {
    for (slot, cell) in pool.cells.iter() {
        let address = pool.address(slot);
        let free = matches!(cell.state(), State::Queued(_));
        ensure!(
            pool.free.is_free(slot) == free,
            "{address} is {:?}, free {}",
            cell.state(),
            !free
        );
        ensure!(
            !free || !pool.is_barred(address),
            "{address} is free but excluded, set aside or frozen"
        );
    }
    Ok(())
}

/// Blocks agree with the cells in them, with the lists that they are in, and with their hosts.
fn check_blocks(pool: &Pool) -> Result<(), Broken> {
    if pool.spec.affinity == Affinity::Off {
        return Ok(());
    }
    let mut used: BTreeMap<u32, u32> = BTreeMap::new();
    for (slot, cell) in pool.cells.iter() {
        if matches!(
            cell.state(),
            State::Held(_) | State::Retained(_) | State::Quarantined(_)
        ) {
            *used.entry(pool.block_of(slot)).or_default() += 1;
        }
    }
    for (index, block) in pool.blocks.iter() {
        let cidr = pool.block_cidr(index);
        let count = used.remove(&index).unwrap_or(0);
        ensure!(
            count == block.used,
            "{cidr} counts {} used, not {count}",
            block.used
        );
        let host = pool.blocks.hosts.get(block.host);
        let (all, open) = host.map_or((false, false), |h| {
            (h.all.contains(index), h.open.contains(index))
        });
        ensure!(
            all == (block.host != NOBODY),
            "{cidr} is not among its host's blocks"
        );
        ensure!(
            all != pool.blocks.unclaimed.is_free(index),
            "{cidr} is claimed and is not"
        );
        let free = pool.free.first_in(pool.blocks.slots(index)).is_some();
        let takes = all && free && block.state != BlockState::Releasing;
        ensure!(
            open == block.open,
            "{cidr} is open {open}, not {}",
            block.open
        );
        ensure!(
            open == pool.blocks.open.is_free(index),
            "{cidr} is open and is not"
        );
        ensure!(open == takes, "{cidr} is open {open}, has room {free}");
        let empty = pool.blocks.empty.contains(&(block.empty_since, index));
        ensure!(
            empty == (all && count == 0),
            "{cidr} is listed empty {empty}"
        );
    }
    ensure!(used.is_empty(), "blocks without a record have used slots");
    ensure!(
        pool.blocks.open.is_consistent(),
        "the open blocks' bitmap is inconsistent"
    );
    ensure!(
        pool.blocks.unclaimed.is_consistent(),
        "the blocks' bitmap is inconsistent"
    );
    Ok(())
}

/// A pool's counts agree with its cells, its bitmap with what is barred.
fn check_counts(pool: &Pool) -> Result<(), Broken> {
    let name = &pool.spec.name;
    let (mut held, mut retained, mut quarantined, mut queued, mut barred_used) = (0, 0, 0, 0, 0);
    for (slot, cell) in pool.cells.iter() {
        match cell.state() {
            State::Held(_) => held += 1,
            State::Retained(_) => retained += 1,
            State::Quarantined(_) => quarantined += 1,
            State::Queued(_) => queued += 1,
            State::Blank => {}
        }
        let used = !matches!(cell.state(), State::Blank | State::Queued(_));
        barred_used += u64::from(used && pool.is_barred(pool.address(slot)));
    }
    ensure!(
        held == pool.held,
        "`{name}` counts {} held, not {held}",
        pool.held
    );
    ensure!(
        retained == pool.reserved,
        "`{name}` counts {} reserved, not {retained}",
        pool.reserved
    );
    ensure!(
        quarantined == pool.released.count(List::Quarantine),
        "`{name}` miscounts quarantined addresses"
    );
    ensure!(
        queued == pool.released.count(List::Queued),
        "`{name}` miscounts queued addresses"
    );
    ensure!(
        pool.free.is_consistent(),
        "the bitmap of `{name}` is inconsistent"
    );
    let mut last = None;
    for (_, released) in pool.released.iter(List::Quarantine) {
        ensure!(
            last <= Some(released.at),
            "`{name}` has quarantined addresses out of order"
        );
        last = Some(released.at);
    }
    let used = u64::from(held + retained + quarantined) - barred_used;
    let free = u64::from(pool.layout.len()) - barred_slots(pool) - used;
    let counted = u64::from(pool.free.free_count());
    ensure!(
        free == counted,
        "`{name}` has {counted} free addresses, not {free}"
    );
    Ok(())
}

/// How many slots that exist are barred from free use.
fn barred_slots(pool: &Pool) -> u64 {
    let mut ranges: Vec<(u128, u128)> = pool
        .barred()
        .map(crate::net::AddressRange::numbers)
        .collect();
    ranges.sort_unstable();
    let mut merged: Vec<(u128, u128)> = Vec::new();
    for (first, last) in ranges {
        match merged.last_mut() {
            Some(open) if first <= open.1.saturating_add(1) => open.1 = open.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    pool.layout
        .runs()
        .map(|(first, last)| {
            let parts = merged.iter().map(|&(a, b)| (a.max(first), b.min(last)));
            parts
                .filter(|(a, b)| a <= b)
                .map(|(a, b)| (b - a + 1) as u64)
                .sum::<u64>()
        })
        .sum()
}
