//! The addresses of a large reservation, beyond the first of each family, so that one which nobody holds is found
//! without a look at the others.

use crate::spots::Spot;
use alloc::collections::BTreeMap;

/// A pool and an address's number in it: unlike slots, which a sparse pool numbers as they are first used, it is the same in
/// every process.
type Key = (u16, u128);

/// Addresses reserved to one workload's interface, in order of pool and address.
#[derive(Clone, Debug, Default)]
pub(super) struct Reserved {
    /// Their slots.
    all: BTreeMap<Key, u32>,
    /// Those of them that nobody holds.
    idle: BTreeMap<Key, u32>,
}

impl Reserved {
    pub(super) fn iter(&self) -> impl Iterator<Item = Spot> + '_ {
        self.all.iter().map(|(key, slot)| spot(key, slot))
    }

    pub(super) fn contains(&self, spot: Spot, number: u128) -> bool {
        self.all.contains_key(&(spot.pool, number))
    }

    pub(super) fn is_idle(&self, spot: Spot, number: u128) -> bool {
        self.idle.contains_key(&(spot.pool, number))
    }

    pub(super) fn insert(&mut self, spot: Spot, number: u128, idle: bool) {
        self.all.insert((spot.pool, number), spot.slot);
        self.set_idle(spot, number, idle);
    }

    /// Notes that an address is held, or is not any more; nothing where it is none of these.
    pub(super) fn set_idle(&mut self, spot: Spot, number: u128, idle: bool) {
        let key = (spot.pool, number);
        match idle && self.all.contains_key(&key) {
            true => self.idle.insert(key, spot.slot),
            false => self.idle.remove(&key),
        };
    }

    /// The first address that nobody holds, of the pools wanted: one look a pool.
    pub(super) fn first_idle(&self, wanted: impl Fn(Spot) -> bool) -> Option<Spot> {
        let mut from = (0, 0);
        loop {
            let (key, slot) = self.idle.range(from..).next()?;
            let spot = spot(key, slot);
            if wanted(spot) {
                return Some(spot);
            }
            from = (spot.pool.checked_add(1)?, 0);
        }
    }

    /// The same addresses under other slots.
    pub(super) fn renumbered(&self, number: impl Fn(Spot) -> Spot) -> Self {
        let again = |list: &BTreeMap<Key, u32>| {
            let each = list
                .iter()
                .map(|(key, slot)| (*key, number(spot(key, slot)).slot));
            each.collect()
        };
        Self {
            all: again(&self.all),
            idle: again(&self.idle),
        }
    }
}

fn spot(&(pool, _): &Key, &slot: &u32) -> Spot {
    Spot { pool, slot }
}
