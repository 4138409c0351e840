//! A Maglev table under construction, a few places at a time.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use crate::hash::{high, mix};

/// Table sizes: primes near powers of two.
const SIZES: [u32; 6] = [251, 1_021, 4_093, 16_381, 65_537, 655_373];

/// Places a slot has on average, while tables are large enough.
const EACH: u32 = 100;

/// Nobody.
pub(super) const NONE: u32 = u32::MAX;

/// Looks for a free place, by the number of places, after which the rest is given to whoever's turn it is: a table takes
/// some 14 times as many (its logarithm), unless many slots have the same name.
const MOST_LOOKS: usize = 32;

/// Places that are cleared in the time of one look.
const CLEARED: usize = 64;

/// A slot: what it is known by, and its weight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) name: u64,
    pub(super) weight: u32,
}

/// Whose claim comes when: by round, and by name among equals, so that it does not depend on slots.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Claimant {
    round: u64,
    name: u64,
    slot: u32,
    weight: u32,
    claims: u64,
    next: u32,
    skip: u32,
}

/// What is done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    /// The heaviest and the number of slots are looked for, from this slot on.
    Measure(usize),
    /// Places are made empty.
    Clear,
    /// Slots with weight become claimants, from this one on.
    Collect(usize),
    /// Places are claimed; so many are free.
    Claim(usize),
}

/// Builds tables of at most 655,373 places, each in O(table log slots), in steps as small as one likes. Keeps its memory
/// from one table to the next.
///
/// Envoy's order: in each round the heaviest slot claims one place, the others in proportion to their weights. A slot's
/// k-th claim falls into round `ceil(k x heaviest / weight)`; a heap brings them in that order without passing over
/// those that have nothing to claim.
#[derive(Clone, Debug)]
pub(super) struct Build {
    phase: Phase,
    table: Vec<u32>,
    size: u32,
    heaviest: u32,
    open: u32,
    claimants: BinaryHeap<Reverse<Claimant>>,
    /// Looks left for this table, and the place from which on places may be free after that.
    looks: usize,
    free: usize,
}

impl Build {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Idle,
            table: Vec::new(),
            size: 0,
            heaviest: 0,
            open: 0,
            claimants: BinaryHeap::new(),
            looks: 0,
            free: 0,
        }
    }

    /// Makes room for so many slots: building allocates nothing then.
    pub(super) fn reserve(&mut self, slots: usize) {
        self.claimants
            .reserve(slots.saturating_sub(self.claimants.len()));
        let size = size(u32::try_from(slots).unwrap_or(u32::MAX)) as usize;
        self.table.reserve(size.saturating_sub(self.table.len()));
    }

    /// Whether a table is under construction.
    pub(super) fn begun(&self) -> bool {
        self.phase != Phase::Idle
    }

    /// Begins a new table.
    pub(super) fn begin(&mut self) {
        self.claimants.clear();
        self.table.clear();
        (self.heaviest, self.open, self.free) = (0, 0, 0);
        self.phase = Phase::Measure(0);
    }

    /// Goes on for some `steps`; whether the table is ready. Slots that change on the way may be taken as they were or
    /// as they are.
    pub(super) fn go_on(&mut self, slots: &[Slot], mut steps: usize) -> bool {
        while steps > 0 {
            match self.phase {
                Phase::Idle => return true,
                Phase::Measure(at) => match slots.get(at) {
                    Some(slot) => {
                        self.heaviest = self.heaviest.max(slot.weight);
                        self.open += u32::from(slot.weight > 0);
                        self.phase = Phase::Measure(at + 1);
                    }
                    None => {
                        self.size = size(self.open);
                        self.phase = Phase::Clear;
                    }
                },
                Phase::Clear => {
                    let size = self.size as usize;
                    let cleared = (self.table.len() + CLEARED).min(size);
                    self.table.resize(cleared, NONE);
                    if cleared == size {
                        self.looks = size * MOST_LOOKS;
                        self.phase = Phase::Collect(0);
                    }
                }
                Phase::Collect(at) => match slots.get(at) {
                    Some(slot) => {
                        self.collect(at, *slot);
                        self.phase = Phase::Collect(at + 1);
                    }
                    None => self.phase = Phase::Claim(self.size as usize),
                },
                Phase::Claim(0) => {
                    self.phase = Phase::Idle;
                    return true;
                }
                Phase::Claim(free) => {
                    let claimed = self.claim();
                    let nobody = self.claimants.is_empty();
                    let left = free - usize::from(claimed);
                    self.phase = Phase::Claim(if nobody { 0 } else { left });
                }
            }
            steps -= 1;
        }
        false
    }

    /// Takes the finished table in exchange for the old one, whose memory is used again.
    pub(super) fn exchange(&mut self, old: &mut Vec<u32>) {
        core::mem::swap(&mut self.table, old);
    }

    fn collect(&mut self, at: usize, slot: Slot) {
        let (Ok(index), true) = (u32::try_from(at), slot.weight > 0) else {
            return;
        };
        let mut claimant = Claimant {
            round: 0,
            name: slot.name,
            slot: index,
            weight: slot.weight,
            claims: 0,
            next: high(mix(slot.name), u64::from(self.size)) as u32,
            skip: 1 + high(mix(slot.name ^ 0x5bd1_e995), u64::from(self.size - 1)) as u32,
        };
        claimant.turn(self.heaviest);
        self.claimants.push(Reverse(claimant));
    }

    /// Whoever's turn it is looks at its next preferred place; whether it was free. `skip` steps through all places since
    /// their number is prime.
    fn claim(&mut self) -> bool {
        let Some(mut first) = self.claimants.peek_mut() else {
            return false;
        };
        let Reverse(claimant) = &mut *first;
        let mut place = claimant.next as usize;
        if self.looks == 0 {
            let taken = self.table.iter().skip(self.free);
            self.free += taken.take_while(|&&p| p != NONE).count();
            place = self.free;
        } else {
            self.looks -= 1;
        }
        let next = u64::from(claimant.next) + u64::from(claimant.skip);
        claimant.next = (next % u64::from(self.size)) as u32;
        let free = self.table.get_mut(place).filter(|p| **p == NONE);
        let claimed = free.map(|p| *p = claimant.slot).is_some();
        if claimed {
            claimant.turn(self.heaviest);
        }
        claimed
    }
}

fn size(slots: u32) -> u32 {
    let wanted = slots.saturating_mul(EACH);
    let found = SIZES.iter().copied().find(|&s| s >= wanted);
    found.unwrap_or(655_373)
}

impl Claimant {
    /// When its next claim falls due.
    fn turn(&mut self, heaviest: u32) {
        self.claims += 1;
        let due = u128::from(self.claims) * u128::from(heaviest);
        self.round = due.div_ceil(u128::from(self.weight.max(1))) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{self, Xoshiro256PlusPlus};
    use alloc::vec;
    use rand::{Rng as _, RngExt as _};

    /// Envoy's loop, round by round: O(rounds x slots).
    fn naive(slots: &[Slot]) -> Vec<u32> {
        let open = slots.iter().filter(|s| s.weight > 0).count();
        let size = size(open as u32) as usize;
        let mut table = vec![NONE; size];
        let heaviest = slots.iter().map(|s| u64::from(s.weight)).max().unwrap_or(0);
        let mut order: Vec<usize> = (0..slots.len()).filter(|&i| slots[i].weight > 0).collect();
        order.sort_by_key(|&i| slots[i].name);
        let mut claims = vec![(0u64, 0usize); slots.len()];
        let (mut round, mut free) = (0, if order.is_empty() { 0 } else { size });
        while free > 0 {
            round += 1;
            for &i in &order {
                let (claimed, steps) = &mut claims[i];
                if free == 0 || round * u64::from(slots[i].weight) < (*claimed + 1) * heaviest {
                    continue;
                }
                let name = slots[i].name;
                let first = high(mix(name), size as u64);
                let skip = 1 + high(mix(name ^ 0x5bd1_e995), size as u64 - 1);
                let place = |k: usize| {
                    ((u128::from(first) + k as u128 * u128::from(skip)) % size as u128) as usize
                };
                while table[place(*steps)] != NONE {
                    *steps += 1;
                }
                table[place(*steps)] = i as u32;
                *claimed += 1;
                free -= 1;
            }
        }
        table
    }

    #[test]
    fn tables_are_envoys_however_small_the_steps() {
        let mut rng = rng::stream(1, "tables");
        let mut build = Build::new();
        for round in 0..60 {
            let n = rng.random_range(0..12);
            let weight = |rng: &mut Xoshiro256PlusPlus| match rng.random_range(0..5) {
                0 => 0,
                1 => 1,
                2 => 1 + rng.random_range(0..(u64::from(u32::MAX) - 1)) as u32,
                _ => 1 + rng.random_range(0..100) as u32,
            };
            let slots: Vec<Slot> = (0..n)
                .map(|_| Slot {
                    name: rng.next_u64(),
                    weight: weight(&mut rng),
                })
                .collect();
            build.begin();
            let steps = [1, 3, 1_000, usize::MAX][round % 4];
            while !build.go_on(&slots, steps) {}
            assert!(!build.begun());
            let mut table = Vec::new();
            build.exchange(&mut table);
            assert_eq!(table, naive(&slots), "{slots:?}");
        }
    }

    /// Many slots of one name, and one of nearly all the weight: every place is somebody's, in bounded steps.
    #[test]
    fn the_work_is_bounded_by_the_table() {
        let slots = |name: fn(u64) -> u64, heavy: u32| -> Vec<Slot> {
            let slot = |i| Slot {
                name: name(i),
                weight: if i == 7 { heavy } else { 1 },
            };
            (0..700).map(slot).collect()
        };
        let cases = [slots(|i| i, 1_000_000_000), slots(|_| 0, 1)];
        for slots in cases {
            let mut build = Build::new();
            build.begin();
            assert!(build.go_on(&slots, 34 * 655_373));
            let mut table = Vec::new();
            build.exchange(&mut table);
            assert_eq!(table.len(), 655_373);
            assert!(table.iter().all(|&slot| slot != NONE));
        }
    }
}
