//! Choosing an address: by the pool's order, in a host's own blocks first where blocks mean something.

use super::Pool;
use super::blocks::{BlockState, NOBODY};
use super::cells::State;
use super::layout::{Layout, MOST_SLOTS};
use super::released::List;
use super::spec::{Affinity, Order, next_outside};
use crate::cidr::host_mask;
use crate::slots::SlotTree;
use crate::time::Timestamp;
use core::net::IpAddr;

mod wish;

pub(crate) use wish::{Draw, Exhausted, Pick, Requester, Start};

impl Pool {
    /// The next address for an requester, by the pool's order.
    pub(crate) fn pick(
        &self,
        requester: Option<Requester>,
        draw: Draw,
        now: Timestamp,
    ) -> Result<Pick, Exhausted> {
        let by_block = requester.filter(|_| self.spec.affinity != Affinity::Off);
        let free = match by_block {
            Some(requester) => self.pick_in_blocks(requester, draw, now),
            None => self.pick_anywhere(draw).map(plain).ok_or(Exhausted::Full),
        };
        free.or_else(|exhausted| self.pick_early(by_block, now).ok_or(exhausted))
    }

    /// The quarantined address that was released longest ago, where the pool allows it.
    fn pick_early(&self, requester: Option<Requester>, now: Timestamp) -> Option<Pick> {
        if !self.spec.early_reuse {
            return None;
        }
        let strict = requester.filter(|_| self.spec.affinity == Affinity::Strict);
        let mine = |slot| {
            strict.is_none_or(|a| self.blocks.get(self.block_of(slot)).host == a.host)
                && self.spec.excludes(self.address(slot)).is_none()
                && !self.is_frozen(self.address(slot))
        };
        // A time that cannot be holds its address.
        let (_, entry) = self
            .released
            .iter(List::Quarantine)
            .take_while(|(_, entry)| !entry.at.is_ahead_of(now))
            .find(|(_, entry)| mine(entry.slot))?;
        let early = Some(entry.at.after(self.spec.quarantine).since(now));
        Some(Pick {
            early,
            ..self.picked(entry.slot)
        })
    }

    /// An address of the whole pool.
    fn pick_anywhere(&self, draw: Draw) -> Option<IpAddr> {
        let from = match self.spec.order {
            Order::Lowest => 0,
            Order::RoundRobin => self.cursor,
            Order::Random => draw.offset(self.spec.cidr.host_bits()),
            Order::Lru => return self.pick_lru(),
        };
        let found = self.next_free(from).or_else(|| self.next_free(0))?;
        Some(self.at(found))
    }

    /// Never used ones upwards from the cursor, then the one released longest ago.
    fn pick_lru(&self) -> Option<IpAddr> {
        let mut from = self.cursor;
        while let Some(offset) = self.next_free(from) {
            let slot = self.layout.slot(self.spec.cidr.base() + offset);
            if slot.is_none_or(|s| self.state(s) == State::Blank) {
                return Some(self.at(offset));
            }
            from = offset + 1;
        }
        match self.released.front(List::Queued) {
            Some(entry) => Some(self.address(entry.slot)),
            None => self.next_free(0).map(|offset| self.at(offset)),
        }
    }

    fn at(&self, offset: u128) -> IpAddr {
        self.spec
            .cidr
            .family()
            .address(self.spec.cidr.base() + offset)
    }

    /// The first free address at an offset from the pool's base or above, as an offset.
    fn next_free(&self, from: u128) -> Option<u128> {
        let (base, shift, blocks) = match &self.layout {
            Layout::Dense { .. } => {
                return self
                    .free
                    .next_from(u32::try_from(from).ok()?)
                    .map(u128::from);
            }
            Layout::Sparse {
                base,
                shift,
                blocks,
                ..
            } => (*base, *shift, blocks),
        };
        let mut offset = from.max(self.low << shift);
        loop {
            offset = self
                .next_usable(base.checked_add(offset)?)?
                .checked_sub(base)?;
            let block = offset >> shift;
            let Some(&index) = blocks.get(&block) else {
                if self.part {
                    let (next, _) = blocks.range(block..).next()?;
                    offset = next.checked_shl(shift.into())?;
                    continue;
                }
                return self.can_materialise().then_some(offset);
            };
            let slots = index << shift..(index + 1) << shift;
            let within = slots.start + (offset & host_mask(shift)) as u32;
            if let Some(slot) = self.free.first_in(within..slots.end) {
                return Some((block << shift) + u128::from(slot - slots.start));
            }
            offset = block.checked_add(1)?.checked_mul(1 << shift)?;
        }
    }

    /// The first free address of a part of the pool, given by numbers.
    pub(crate) fn first_between(&self, from: u128, to: u128) -> Option<IpAddr> {
        let base = self.spec.cidr.base();
        let offset = self.next_free(from.checked_sub(base)?)?;
        (base + offset <= to).then(|| self.at(offset))
    }

    fn can_materialise(&self) -> bool {
        self.layout.len() <= MOST_SLOTS - (1 << self.blocks.shift)
    }

    /// Whether another block of a sparse pool could be given slots.
    pub(crate) fn has_room(&self) -> bool {
        !matches!(self.layout, Layout::Sparse { .. }) || self.can_materialise()
    }

    /// The first address at `from` or above that is not barred, as a number.
    fn next_usable(&self, from: u128) -> Option<u128> {
        next_outside(from, self.spec.cidr.last_number(), || self.barred())
    }

    /// An address in the host's blocks, in a new block of its own, in one taken over, in another's.
    fn pick_in_blocks(
        &self,
        requester: Requester,
        draw: Draw,
        now: Timestamp,
    ) -> Result<Pick, Exhausted> {
        let mine = self.blocks.hosts.get(requester.host);
        if !requester.draining {
            // Open ones have a free slot: the first is it.
            if let Some(slot) = self.pick_open(requester.host, draw) {
                return Ok(self.picked(slot));
            }
        }
        let have = mine.map_or(0, |h| h.all.len());
        let limit = [requester.block_limit, self.spec.block_limit]
            .into_iter()
            .flatten()
            .min();
        if !requester.draining && limit.is_none_or(|l| have < l as usize) {
            let new = self.pick_new_block(requester, draw);
            if let Some(pick) = new.or_else(|| self.pick_reclaimed(requester, draw, now)) {
                return Ok(pick);
            }
        }
        let borrowed = match self.spec.affinity {
            Affinity::Borrow => self.pick_borrowed(requester, draw),
            _ => None,
        };
        let borrowed = borrowed.map(|slot| self.picked(slot));
        borrowed.ok_or_else(|| match self.usage().free {
            0 => Exhausted::Full,
            _ => Exhausted::Blocks { limit },
        })
    }

    /// A slot of a host's first open block.
    #[inline]
    pub(crate) fn pick_open(&self, host: u32, draw: Draw) -> Option<u32> {
        let block = self.blocks.hosts.get(host)?.open.first()?;
        self.pick_in_block(block, draw)
    }

    /// A slot of one block, by the pool's order.
    fn pick_in_block(&self, block: u32, draw: Draw) -> Option<u32> {
        let slots = self.blocks.slots(block);
        let lowest = self.free.first_in(slots.clone())?;
        Some(match self.spec.order {
            Order::Lowest => lowest,
            Order::RoundRobin => {
                let base = self.spec.cidr.base();
                let cursor = self.layout.slot(base.saturating_add(self.cursor));
                let from = cursor.filter(|c| slots.contains(c)).unwrap_or(slots.start);
                self.free.first_in(from..slots.end).unwrap_or(lowest)
            }
            Order::Random => {
                let from =
                    slots.start + (draw.number() % u64::from(slots.end - slots.start)) as u32;
                self.free.first_in(from..slots.end).unwrap_or(lowest)
            }
            Order::Lru => self.least_recent(slots, lowest),
        })
    }

    /// A slot that was chosen, with its address.
    fn picked(&self, slot: u32) -> Pick {
        Pick {
            slot: Some(slot),
            ..plain(self.address(slot))
        }
    }

    /// Of a range's free slots the first that was never used, else the one released longest ago.
    fn least_recent(&self, slots: core::ops::Range<u32>, lowest: u32) -> u32 {
        // The only one needs no looking at.
        if self.free.first_in(lowest + 1..slots.end).is_none() {
            return lowest;
        }
        let (mut best, mut oldest) = (lowest, usize::MAX);
        for slot in self.free.free_in(lowest..slots.end) {
            let State::Queued(id) = self.state(slot) else {
                return slot;
            };
            let rank = self.released.rank(List::Queued, id);
            if rank < oldest {
                (best, oldest) = (slot, rank);
            }
        }
        best
    }

    /// An address in a block that belongs to nobody: from the host's start on, then from the pool's.
    fn pick_new_block(&self, requester: Requester, draw: Draw) -> Option<Pick> {
        let start = self.spec.start_block(requester.start);
        if let Layout::Sparse { shift, .. } = &self.layout {
            let offset = self
                .new_sparse_block(start)
                .or_else(|| self.new_sparse_block(0))?;
            let pick = match self.layout.slot(self.spec.cidr.base() + offset) {
                Some(slot) => self.picked(self.pick_in_block(slot >> shift, draw)?),
                None => plain(self.at(offset)),
            };
            let generation = pick
                .slot
                .map_or(0, |s| self.blocks.get(s >> shift).generation);
            return Some(Pick {
                grab: Some(generation),
                ..pick
            });
        }
        let start = u32::try_from(start).unwrap_or(0);
        let unclaimed = &self.blocks.unclaimed;
        let mut candidates =
            upwards(unclaimed, start, u32::MAX).chain(upwards(unclaimed, 0, start));
        candidates.find_map(|block| {
            let slot = self.pick_in_block(block, draw)?;
            let grab = Some(self.blocks.get(block).generation);
            Some(Pick {
                grab,
                ..self.picked(slot)
            })
        })
    }

    /// The offset of a usable address in a sparse pool's block that belongs to nobody.
    fn new_sparse_block(&self, start: u128) -> Option<u128> {
        let shift = self.blocks.shift;
        let mut from = start << shift;
        loop {
            let offset = self.next_free(from)?;
            let slot = self.layout.slot(self.spec.cidr.base() + offset);
            if slot.is_none_or(|s| self.blocks.get(s >> shift).host == NOBODY) {
                return Some(offset);
            }
            from = ((offset >> shift) + 1).checked_mul(1 << shift)?;
        }
    }

    /// An address in another host's block that has been empty for long enough: for longest, and of those for as long in the first.
    fn pick_reclaimed(&self, requester: Requester, draw: Draw, now: Timestamp) -> Option<Pick> {
        let due = |&&(since, _): &&(Timestamp, u32)| since.after(self.spec.reclaim_after) <= now;
        let mut picks = self
            .blocks
            .empty
            .iter()
            .take_while(due)
            .filter_map(|&(since, index)| {
                let block = self.blocks.get(index);
                if block.host == requester.host || block.used != 0 {
                    return None;
                }
                let slot = self.pick_in_block(index, draw)?;
                let pick = Pick {
                    grab: Some(block.generation),
                    ..self.picked(slot)
                };
                Some((since, pick))
            });
        let (since, first) = picks.next()?;
        if matches!(self.layout, Layout::Dense { .. }) {
            return Some(first);
        }
        // Sparse pools number their blocks as they were first used.
        let alike = picks.take_while(|(other, _)| *other == since);
        let alike = alike.map(|(_, pick)| pick).chain([first]);
        alike.min_by_key(|pick| pick.address)
    }

    /// A free address of another host's block, searched from the host's start on.
    fn pick_borrowed(&self, requester: Requester, draw: Draw) -> Option<u32> {
        let start = self.spec.start_block(requester.start);
        if let Layout::Sparse { blocks, .. } = &self.layout {
            let all = blocks.range(start..).chain(blocks.range(..start));
            let mut open = all.filter(|(_, block)| self.blocks.open.is_free(**block));
            return open.find_map(|(_, &block)| self.pick_in_block(block, draw));
        }
        let first = self.spec.cidr.base() + (start << self.blocks.shift);
        let start = self
            .layout
            .slot(first)
            .map_or(0, |slot| self.block_of(slot));
        let mut open =
            upwards(&self.blocks.open, start, u32::MAX).chain(upwards(&self.blocks.open, 0, start));
        open.find_map(|block| self.pick_in_block(block, draw))
    }

    /// Whether a host takes the block of an address it was given without searching: one that nobody has,
    /// within its limit. The block's generation.
    pub(crate) fn grab_of(&self, address: IpAddr, requester: Requester) -> Option<u64> {
        if self.spec.affinity == Affinity::Off || requester.draining {
            return None;
        }
        let have = self
            .blocks
            .hosts
            .get(requester.host)
            .map_or(0, |h| h.all.len());
        let mut limits = [requester.block_limit, self.spec.block_limit]
            .into_iter()
            .flatten();
        if limits.any(|l| have >= l as usize) {
            return None;
        }
        let block = self
            .slot(address)
            .map(|s| self.blocks.get(self.block_of(s)));
        match block {
            None => Some(0),
            Some(b) if b.host == NOBODY => Some(b.generation),
            Some(b) if b.host == requester.host && b.state == BlockState::Pending => {
                Some(b.generation)
            }
            Some(_) => None,
        }
    }
}

/// The members of a set of blocks from one on and below another, in order.
fn upwards(set: &SlotTree, mut from: u32, to: u32) -> impl Iterator<Item = u32> + '_ {
    core::iter::from_fn(move || {
        let block = set.first_in(from..to)?;
        from = block + 1;
        Some(block)
    })
}

fn plain(address: IpAddr) -> Pick {
    Pick {
        address,
        slot: None,
        early: None,
        grab: None,
    }
}
