//! Where an address's slot is: by subtraction in dense pools, by its block in sparse ones.

use crate::cidr::{Cidr, Family};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// IPv6 pools of more than 2^16 addresses are sparse: their blocks get slots when they are first used.
pub(crate) fn is_sparse(cidr: Cidr) -> bool {
    cidr.family() == Family::V6 && cidr.host_bits() > 16
}

/// Most slots of a sparse pool: as many as the largest IPv4 pool has.
pub(crate) const MOST_SLOTS: u32 = 1 << 24;

/// Slots of a pool's addresses. In a sparse pool slots of one block are consecutive, blocks in the order
/// of their first use.
#[derive(Clone, Debug)]
pub(crate) enum Layout {
    Dense {
        base: u128,
        len: u32,
    },
    Sparse {
        base: u128,
        shift: u8,
        host_bits: u8,
        blocks: BTreeMap<u128, u32>,
        numbers: Vec<u128>,
    },
}

impl Layout {
    pub(crate) fn new(cidr: Cidr, block_size: u8) -> Self {
        let base = cidr.base();
        if is_sparse(cidr) {
            return Self::sparse(cidr, 128u8.saturating_sub(block_size).min(16));
        }
        Self::Dense {
            base,
            len: 1u32 << cidr.host_bits().min(24),
        }
    }

    /// A sparse one, whatever the pool: what only few blocks are known of takes no more room than they do.
    pub(crate) fn sparse(cidr: Cidr, shift: u8) -> Self {
        Self::Sparse {
            base: cidr.base(),
            shift,
            host_bits: cidr.host_bits(),
            blocks: BTreeMap::new(),
            numbers: Vec::new(),
        }
    }

    /// Slots that exist now.
    pub(crate) fn len(&self) -> u32 {
        match self {
            Self::Dense { len, .. } => *len,
            Self::Sparse { shift, numbers, .. } => (numbers.len() as u32) << shift,
        }
    }

    /// The slot of an address (a number inside the pool), where it exists.
    #[inline]
    pub(crate) fn slot(&self, number: u128) -> Option<u32> {
        match self {
            Self::Dense { base, len } => u32::try_from(number.checked_sub(*base)?)
                .ok()
                .filter(|s| s < len),
            Self::Sparse {
                base,
                shift,
                blocks,
                ..
            } => {
                let offset = number.checked_sub(*base)?;
                let block = *blocks.get(&(offset >> shift))?;
                Some((block << shift) + (offset & ((1 << shift) - 1)) as u32)
            }
        }
    }

    /// The address of a slot, as a number.
    #[inline]
    pub(crate) fn number(&self, slot: u32) -> u128 {
        match self {
            Self::Dense { base, .. } => base + u128::from(slot),
            Self::Sparse {
                base,
                shift,
                numbers,
                ..
            } => {
                let block = numbers
                    .get((slot >> shift) as usize)
                    .copied()
                    .unwrap_or_default();
                base + (block << shift) + u128::from(slot & ((1 << shift) - 1))
            }
        }
    }

    /// Gives the block of a sparse pool its slots: the first of them, and whether they are new. `None` in a
    /// dense pool and when the slots have run out.
    pub(crate) fn materialise(&mut self, number: u128) -> Option<u32> {
        let len = self.len();
        let Self::Sparse {
            base,
            shift,
            host_bits,
            blocks,
            numbers,
        } = self
        else {
            return None;
        };
        let block = number.checked_sub(*base)? >> *shift;
        let within = *host_bits >= 128 || (number - *base) >> *host_bits == 0;
        if !within || blocks.contains_key(&block) || len > MOST_SLOTS - (1 << *shift) {
            return None;
        }
        blocks.insert(block, numbers.len() as u32);
        numbers.push(block);
        Some(len)
    }

    /// Runs of consecutive addresses that have slots, as first and last number.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (u128, u128)> + '_ {
        let (dense, sparse) = match self {
            Self::Dense { base, len } => (Some((*base, base + u128::from(*len) - 1)), None),
            Self::Sparse {
                base,
                shift,
                numbers,
                ..
            } => (None, Some((base, shift, numbers))),
        };
        let sparse = sparse.into_iter().flat_map(|(base, shift, numbers)| {
            numbers
                .iter()
                .map(move |n| (base + (n << shift), base + (n << shift) + (1 << shift) - 1))
        });
        dense.into_iter().chain(sparse)
    }
}
