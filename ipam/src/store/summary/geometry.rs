//! How a pool's blocks and the pages of its summary are numbered.

use crate::cidr::{Family, number};
use crate::pool::PoolId;
use crate::pool::spec::PoolSpec;
use crate::store::record::summary_key;
use alloc::string::String;
use core::net::IpAddr;

/// Parts of a page, as a power of two: 64.
pub(super) const BITS: u32 = 6;
/// More levels than any pool has: 21 of 64 parts are more than 2^122 blocks.
const MOST_LEVELS: u8 = 21;

/// One page of one pool: its level, and its number among the pages of that level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PageId {
    pub(crate) pool: PoolId,
    pub(crate) level: u8,
    pub(crate) index: u128,
}

/// How a pool's blocks are numbered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub(crate) pool: PoolId,
    family: Family,
    shift: u32,
    /// The level whose one page tells of the whole pool.
    pub(super) top: u8,
    blocks: (u128, u128),
}

impl Geometry {
    pub(crate) fn new(pool: PoolId, spec: &PoolSpec) -> Self {
        let family = spec.cidr.family();
        let shift = u32::from(family.bits().saturating_sub(spec.block_size));
        let (first, last) = spec.cidr.range().numbers();
        let of = |n: u128| n.checked_shr(shift).unwrap_or(0);
        let blocks = (of(first), of(last));
        let mut top = 0;
        while top < MOST_LEVELS && above(blocks.0, top) != above(blocks.1, top) {
            top += 1;
        }
        Self {
            pool,
            family,
            shift,
            top,
            blocks,
        }
    }

    /// The number of an address's block.
    pub(crate) fn block_of(&self, address: IpAddr) -> u128 {
        self.block_of_number(number(address))
    }

    /// As [`Geometry::block_of`], of an address given as a number.
    pub(crate) fn block_of_number(&self, number: u128) -> u128 {
        number.checked_shr(self.shift).unwrap_or(0)
    }

    /// The first address of a block.
    pub(crate) fn first(&self, block: u128) -> IpAddr {
        self.family
            .address(block.checked_shl(self.shift).unwrap_or(0))
    }

    /// The numbers of the pool's first and last block.
    pub(crate) fn blocks(&self) -> (u128, u128) {
        self.blocks
    }

    /// The pages that tell of a block, from the lowest up.
    pub(crate) fn path(&self, block: u128) -> impl Iterator<Item = PageId> + use<> {
        let pool = self.pool;
        (0..=self.top).map(move |level| PageId {
            pool,
            level,
            index: above(block, level),
        })
    }

    /// The key of a page's record.
    pub(crate) fn key(&self, page: PageId) -> String {
        summary_key(page.pool, page.level, self.first_of(page))
    }

    /// The first address that a page tells of.
    pub(super) fn first_of(&self, page: PageId) -> IpAddr {
        let block = page
            .index
            .checked_shl(BITS * (u32::from(page.level) + 1))
            .unwrap_or(0);
        self.first(block)
    }

    /// The page whose record this is, if it is one of this pool's.
    pub(super) fn page(&self, level: u8, first: IpAddr) -> Option<PageId> {
        let page = PageId {
            pool: self.pool,
            level,
            index: above(self.block_of(first), level),
        };
        (level < MOST_LEVELS && self.first_of(page) == first).then_some(page)
    }
}

/// The number of the page of a level that tells of a block.
pub(super) fn above(block: u128, level: u8) -> u128 {
    block
        .checked_shr(BITS * (u32::from(level) + 1))
        .unwrap_or(0)
}

/// A part's number within its page: of a block at level 0, of the page below else.
pub(super) fn part_of(block: u128, level: u8) -> u8 {
    (block.checked_shr(BITS * u32::from(level)).unwrap_or(0) & 63) as u8
}
