//! The addresses of a large reservation, beyond the first of each family, so that one which nobody holds is found
//! without a look at the others.

use crate::state::Spot;
use alloc::collections::BTreeSet;

/// Addresses reserved to one workload's interface, in order of pool and slot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reserved {
    all: BTreeSet<Spot>,
    /// Those of them that nobody holds.
    idle: BTreeSet<Spot>,
}

impl Reserved {
    pub(crate) fn iter(&self) -> impl Iterator<Item = Spot> + '_ {
        self.all.iter().copied()
    }

    pub(crate) fn contains(&self, spot: Spot) -> bool {
        self.all.contains(&spot)
    }

    pub(crate) fn is_idle(&self, spot: Spot) -> bool {
        self.idle.contains(&spot)
    }

    pub(crate) fn insert(&mut self, spot: Spot, idle: bool) {
        self.all.insert(spot);
        self.set_idle(spot, idle);
    }

    /// Notes that an address is held, or is not any more; nothing where it is none of these.
    pub(crate) fn set_idle(&mut self, spot: Spot, idle: bool) {
        match idle && self.all.contains(&spot) {
            true => self.idle.insert(spot),
            false => self.idle.remove(&spot),
        };
    }

    /// The first address that nobody holds, of the pools wanted: one look a pool.
    pub(crate) fn first_idle(&self, wanted: impl Fn(Spot) -> bool) -> Option<Spot> {
        let mut from = Spot { pool: 0, slot: 0 };
        loop {
            let spot = *self.idle.range(from..).next()?;
            if wanted(spot) {
                return Some(spot);
            }
            let pool = spot.pool.checked_add(1)?;
            from = Spot { pool, slot: 0 };
        }
    }

    /// The same addresses under other numbers.
    pub(crate) fn renumbered(&self, number: impl Fn(Spot) -> Spot) -> Self {
        Self {
            all: self.all.iter().map(|&s| number(s)).collect(),
            idle: self.idle.iter().map(|&s| number(s)).collect(),
        }
    }
}
