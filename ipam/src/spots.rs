//! Addresses as pool and slot.

use crate::cidr::Family;

/// The number of no pool.
const NO_POOL: u16 = u16::MAX;

/// At most one address per family, as pool and slot: 12 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spots {
    slots: [u32; 2],
    pools: [u16; 2],
}

/// One address, as pool and slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot {
    pub(crate) pool: u16,
    pub(crate) slot: u32,
}

impl Spot {
    pub(crate) const FIRST: Self = Self { pool: 0, slot: 0 };
    pub(crate) const LAST: Self = Self {
        pool: u16::MAX,
        slot: u32::MAX,
    };
}

impl Spots {
    pub(crate) const EMPTY: Self = Self {
        slots: [0; 2],
        pools: [NO_POOL; 2],
    };

    #[inline]
    pub(crate) fn get(self, family: Family) -> Option<Spot> {
        let i = family as usize;
        (self.pools[i] != NO_POOL).then_some(Spot {
            pool: self.pools[i],
            slot: self.slots[i],
        })
    }

    pub(crate) fn set(&mut self, family: Family, spot: Option<Spot>) {
        let i = family as usize;
        let spot = spot.unwrap_or(Spot {
            pool: NO_POOL,
            slot: 0,
        });
        (self.pools[i], self.slots[i]) = (spot.pool, spot.slot);
    }

    /// Gives each the number that it has from now on.
    pub(crate) fn renumber(&mut self, spot: impl Fn(Spot) -> Spot) {
        for family in [Family::V4, Family::V6] {
            self.set(family, self.get(family).map(&spot));
        }
    }

    pub(crate) fn is_empty(self) -> bool {
        self.pools == [NO_POOL; 2]
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = (Family, Spot)> {
        [Family::V4, Family::V6]
            .into_iter()
            .filter_map(move |f| Some((f, self.get(f)?)))
    }
}

/// Families index two-element arrays.
const _: () = assert!(Family::V6 as usize == 1);
