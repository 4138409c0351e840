//! Blocks of a pool and the hosts they belong to.

use super::blockset::BlockSet;
use super::cells::Paged;
use crate::slots::SlotTree;
use crate::time::Timestamp;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// No host.
pub(crate) const NOBODY: u32 = u32::MAX;

/// How far a host's hold on a block has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum BlockState {
    /// Set aside for the host, without an address in use yet: no route goes there.
    Pending,
    /// The host's; its route covers the whole block.
    Confirmed,
    /// Being given up: no new addresses, gone when empty.
    Releasing,
}

/// One block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// The host, or [`NOBODY`].
    pub(crate) host: u32,
    /// Slots held, retained or in quarantine.
    pub(crate) used: u32,
    /// Since when `used` is zero.
    pub(crate) empty_since: Timestamp,
    /// Counts changes of host: a take-over decided on an older one fails.
    pub(crate) generation: u64,
    pub(crate) state: BlockState,
    /// Whether it is among its host's open blocks.
    pub(crate) open: bool,
}

impl Block {
    const BLANK: Self = Self {
        host: NOBODY,
        used: 0,
        empty_since: Timestamp::ZERO,
        generation: 0,
        state: BlockState::Pending,
        open: false,
    };
}

/// One host's blocks in one pool: a cache line.
#[derive(Clone, Debug, Default)]
#[repr(align(64))]
pub(crate) struct HostBlocks {
    /// All of them, releasing ones too.
    pub(crate) all: BlockSet,
    /// Those that have a free slot and take new addresses.
    pub(crate) open: BlockSet,
}

/// Hosts' blocks by the hosts' dense numbers; one without blocks counts as absent.
#[derive(Clone, Debug, Default)]
pub(crate) struct PerHost(Vec<HostBlocks>);

impl PerHost {
    #[inline]
    pub(crate) fn get(&self, host: u32) -> Option<&HostBlocks> {
        self.0.get(host as usize).filter(|h| !h.all.is_empty())
    }

    fn get_mut(&mut self, host: u32) -> Option<&mut HostBlocks> {
        self.0.get_mut(host as usize)
    }

    /// Hosts' numbers are dense: the list is as long as there are hosts.
    fn entry(&mut self, host: u32) -> Option<&mut HostBlocks> {
        if self.0.len() <= host as usize {
            self.0.resize_with(host as usize + 1, HostBlocks::default);
        }
        self.0.get_mut(host as usize)
    }

    fn heap_bytes(&self) -> usize {
        let sets = |h: &HostBlocks| h.all.heap_bytes() + h.open.heap_bytes();
        self.0.capacity() * size_of::<HostBlocks>() + self.0.iter().map(sets).sum::<usize>()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &HostBlocks)> {
        let all = self.0.iter().enumerate().filter(|(_, h)| !h.all.is_empty());
        all.map(|(host, blocks)| (host as u32, blocks))
    }
}

/// Every block of a pool, by number of slots shifted.
#[derive(Clone, Debug)]
pub(crate) struct Blocks {
    pub(crate) shift: u8,
    table: Paged<Block, 16>,
    pub(crate) hosts: PerHost,
    /// Blocks that exist and belong to nobody.
    pub(crate) unclaimed: SlotTree,
    /// Every host's open blocks.
    pub(crate) open: SlotTree,
    /// Hosts' blocks without a used slot, longest empty first.
    pub(crate) empty: BTreeSet<(Timestamp, u32)>,
}

impl Blocks {
    pub(crate) fn new(shift: u8, blocks: u32) -> Self {
        let unclaimed = SlotTree::from(0..blocks);
        let (open, empty) = (SlotTree::new(blocks), BTreeSet::new());
        Self {
            shift,
            table: Paged::new(Block::BLANK),
            hosts: PerHost::default(),
            unclaimed,
            open,
            empty,
        }
    }

    /// A block that belongs to nobody is to be had.
    pub(crate) fn open_unclaimed(&mut self, block: u32) {
        self.unclaimed.release(block);
    }

    /// Makes room for more blocks, which belong to nobody and are to be had, or not.
    pub(crate) fn grow(&mut self, blocks: u32, unclaimed: bool) {
        let before = self.unclaimed.len();
        self.unclaimed.grow(blocks);
        self.open.grow(blocks);
        self.unclaimed.fill(before..blocks, unclaimed);
    }

    #[inline]
    pub(crate) fn get(&self, block: u32) -> Block {
        self.table.get(block)
    }

    /// Prefetches a block's record.
    #[inline]
    pub(crate) fn prefetch(&self, block: u32) {
        self.table.prefetch(block);
    }

    /// Blocks of which anything was ever noted.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, Block)> + '_ {
        self.table.iter()
    }

    /// The slots of a block.
    #[inline]
    pub(crate) fn slots(&self, block: u32) -> core::ops::Range<u32> {
        let start = block << self.shift;
        start..start.saturating_add(1 << self.shift)
    }

    /// Gives a block to a host, or to nobody. `open` says whether it has a free slot.
    pub(crate) fn set_host(&mut self, block: u32, host: u32, state: BlockState, open: bool) {
        let entry = self.table.entry(block);
        let before = core::mem::replace(&mut entry.host, host);
        entry.state = state;
        if before != host {
            entry.generation = entry.generation.saturating_add(1);
        }
        if entry.used == 0 {
            let key = (entry.empty_since, block);
            match host {
                NOBODY => self.empty.remove(&key),
                _ => self.empty.insert(key),
            };
        }
        let was_open = core::mem::replace(&mut entry.open, false);
        if was_open {
            self.open.take(block);
        }
        if before != NOBODY
            && let Some(blocks) = self.hosts.get_mut(before)
        {
            blocks.open.remove(block);
            if before != host {
                blocks.all.remove(block);
            }
        }
        if host == NOBODY {
            self.unclaimed.release(block);
            return;
        }
        self.unclaimed.take(block);
        if let Some(blocks) = self.hosts.entry(host) {
            blocks.all.insert(block);
        }
        self.set_open(block, open);
    }

    /// Bookkeeping after one of a block's slots became used, or stopped being so at `at`. `open` says whether
    /// the block has a free slot now.
    #[inline]
    pub(crate) fn settle(&mut self, block: u32, was: bool, is: bool, open: bool, at: Timestamp) {
        let entry = self.table.entry(block);
        let owned = entry.host != NOBODY;
        match (was, is) {
            (false, true) => {
                if entry.used == 0 && owned {
                    self.empty.remove(&(entry.empty_since, block));
                }
                entry.used += 1;
            }
            (true, false) => {
                entry.used = entry.used.saturating_sub(1);
                if entry.used == 0 {
                    entry.empty_since = at;
                    if owned {
                        self.empty.insert((at, block));
                    }
                }
            }
            _ => {}
        }
        if entry.open != open && owned {
            self.set_open(block, open);
        }
    }

    /// Sets what a restored or grown pool's block had before.
    pub(crate) fn set_age(&mut self, block: u32, generation: u64, empty_since: Timestamp) {
        let entry = self.table.entry(block);
        entry.generation = generation;
        let before = core::mem::replace(&mut entry.empty_since, empty_since);
        if entry.used == 0 && entry.host != NOBODY {
            self.empty.remove(&(before, block));
            self.empty.insert((empty_since, block));
        }
    }

    /// Notes whether a block has a free slot.
    pub(crate) fn set_open(&mut self, block: u32, open: bool) {
        let entry = self.table.entry(block);
        if entry.open == open || entry.host == NOBODY || entry.state == BlockState::Releasing {
            return;
        }
        entry.open = open;
        let host = entry.host;
        if let Some(blocks) = self.hosts.get_mut(host) {
            match open {
                true => blocks.open.insert(block),
                false => blocks.open.remove(block),
            }
        }
        match open {
            true => self.open.release(block),
            false => self.open.take(block),
        };
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.table.heap_bytes()
            + self.unclaimed.heap_bytes()
            + self.open.heap_bytes()
            + self.hosts.heap_bytes()
    }
}

const _: () = assert!(size_of::<HostBlocks>() == 64);
