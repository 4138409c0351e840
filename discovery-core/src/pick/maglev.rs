//! Consistent hashing: weighted Maglev, with or without a bound on load.

use alloc::vec;
use alloc::vec::Vec;

use super::{Picker, Request};
use crate::rng::{high, mix};
use crate::time::Timestamp;
use core::time::Duration;

/// Table sizes: primes near powers of two.
const SIZES: [u32; 6] = [251, 1_021, 4_093, 16_381, 65_537, 655_373];

/// Nobody.
const NONE: u32 = u32::MAX;

/// Maglev's lookup table (Eisenbud and others 2016), weighted as Envoy does it: each slot claims its next
/// preferred place in turn, and in proportion to its weight. A request's key always finds the same slot
/// while the slots stay; when one comes or goes few keys move.
///
/// Changes of weight are gathered: the table is rebuilt, O(table log) at worst, at the first pick after as
/// many picks as it has places. Until then keys of a slot whose weight became 0 go on to the next place's.
#[derive(Clone, Debug)]
pub struct Maglev {
    /// What a slot is known by, whatever its number: a hash of its endpoint's name.
    names: Vec<u64>,
    weights: Vec<u32>,
    table: Vec<u32>,
    dirty: bool,
    picks: usize,
    sum: u64,
    /// Requests under way by slot, and in all, while load is bounded.
    under_way: Vec<u32>,
    whole: u64,
    /// Percent of the fair share that a slot may carry; `None` without a bound.
    bound: Option<u32>,
}

impl Maglev {
    /// A table over slots, each given as `(hash of its name, weight)`; about 100 places a slot, at most
    /// 655,373.
    #[must_use]
    pub fn new(slots: &[(u64, u32)]) -> Self {
        let mut maglev = Self {
            names: slots.iter().map(|s| s.0).collect(),
            weights: slots.iter().map(|s| s.1).collect(),
            table: Vec::new(),
            dirty: false,
            picks: 0,
            sum: slots.iter().map(|s| u64::from(s.1)).sum(),
            under_way: Vec::new(),
            whole: 0,
            bound: None,
        };
        maglev.settle();
        maglev
    }

    /// Bounds load (Mirrokni and others 2018): no slot has more than `percent` (at least 101) of its fair
    /// share of the requests under way; beyond it the next places' slots are asked. Every pick must then be
    /// followed by a [`Picker::done`].
    #[must_use]
    pub fn bounded(mut self, percent: u32) -> Self {
        self.bound = Some(percent.max(101));
        self.under_way = vec![0; self.weights.len()];
        self
    }

    /// Names the slot that will be used for another endpoint.
    pub fn rename(&mut self, slot: usize, name: u64) {
        if slot >= self.names.len() {
            self.grow(slot + 1);
        }
        if let Some(place) = self.names.get_mut(slot) {
            self.dirty |= *place != name;
            *place = name;
        }
    }

    fn grow(&mut self, slots: usize) {
        for slot in self.names.len()..slots {
            self.names.push(mix(slot as u64));
        }
        self.weights.resize(slots, 0);
        if self.bound.is_some() {
            self.under_way.resize(slots, 0);
        }
    }

    /// Rebuilds the table now.
    pub fn settle(&mut self) {
        (self.dirty, self.picks) = (false, 0);
        let open = self.weights.iter().filter(|&&w| w > 0).count() as u32;
        let wanted = open.saturating_mul(100);
        let size = SIZES
            .iter()
            .copied()
            .find(|&s| s >= wanted)
            .unwrap_or(SIZES[5]);
        self.table.clear();
        self.table.resize(size as usize, NONE);
        let heaviest = f64::from(self.weights.iter().copied().max().unwrap_or(0));
        let mut order: Vec<u32> = (0u32..).take(self.weights.len()).collect();
        // Who claims first among equals depends on names, not on slots.
        order.retain(|&i| self.weights.get(i as usize).is_some_and(|&w| w > 0));
        order.sort_by_key(|&i| self.names.get(i as usize).copied());
        let mut claimants: Vec<Claimant> = order
            .iter()
            .map(|&slot| {
                let name = self.names.get(slot as usize).copied().unwrap_or(0);
                let weight = self.weights.get(slot as usize).copied().unwrap_or(0);
                Claimant {
                    slot,
                    next: high(mix(name), u64::from(size)) as u32,
                    skip: 1 + high(mix(name ^ 0x5bd1_e995), u64::from(size - 1)) as u32,
                    pace: f64::from(weight) / heaviest,
                    credit: 0.0,
                }
            })
            .collect();
        let mut free = if claimants.is_empty() { 0 } else { size };
        while free > 0 {
            for claimant in &mut claimants {
                claimant.credit += claimant.pace;
                if claimant.credit < 1.0 || free == 0 {
                    continue;
                }
                claimant.credit -= 1.0;
                claimant.claim(&mut self.table);
                free -= 1;
            }
        }
    }

    /// Whether a slot may take one more: its weight is not 0 and its bound not reached.
    fn may(&self, slot: usize) -> bool {
        let weight = self.weights.get(slot).copied().unwrap_or(0);
        if weight == 0 {
            return false;
        }
        let Some(percent) = self.bound else {
            return true;
        };
        let here = self.under_way.get(slot).copied().unwrap_or(0);
        // ceil(percent / 100 * (whole + 1) * weight / sum): the bounds of all add up to more than there is,
        // so that one slot at least is below its own.
        let fair = u128::from(percent) * u128::from(self.whole + 1) * u128::from(weight);
        u128::from(here) < fair.div_ceil(u128::from(self.sum.max(1)) * 100)
    }
}

struct Claimant {
    slot: u32,
    next: u32,
    skip: u32,
    pace: f64,
    credit: f64,
}

impl Claimant {
    /// Takes its next preferred place that is free; there is one, and `skip` steps through all places since
    /// their number is prime.
    fn claim(&mut self, table: &mut [u32]) {
        let size = table.len() as u32;
        for _ in 0..size {
            let place = self.next;
            self.next = (self.next + self.skip) % size;
            if let Some(free) = table.get_mut(place as usize).filter(|p| **p == NONE) {
                *free = self.slot;
                return;
            }
        }
    }
}

impl Picker for Maglev {
    fn pick(&mut self, request: &Request) -> Option<usize> {
        if self.sum == 0 {
            return None;
        }
        self.picks += 1;
        if self.dirty && self.picks >= self.table.len() {
            self.settle();
        }
        let start = high(mix(request.key), self.table.len() as u64) as usize;
        let (before, after) = self.table.split_at_checked(start)?;
        let found = after
            .iter()
            .chain(before)
            .map(|&s| s as usize)
            .find(|&s| self.may(s));
        // Every slot in the table was closed since it was built, or those open are not in it yet.
        let slot = found.or_else(|| (0..self.weights.len()).find(|&s| self.may(s)))?;
        if self.bound.is_some() {
            self.whole += 1;
            if let Some(n) = self.under_way.get_mut(slot) {
                *n += 1;
            }
        }
        Some(slot)
    }

    fn set_weight(&mut self, slot: usize, weight: u32) {
        if slot >= self.weights.len() {
            if weight == 0 {
                return;
            }
            self.grow(slot + 1);
        }
        if let Some(stored) = self.weights.get_mut(slot) {
            self.sum = self.sum - u64::from(*stored) + u64::from(weight);
            self.dirty |= *stored != weight;
            *stored = weight;
        }
    }

    fn weight(&self, slot: usize) -> u32 {
        self.weights.get(slot).copied().unwrap_or(0)
    }

    fn slots(&self) -> usize {
        self.weights.len()
    }

    fn done(&mut self, slot: usize, _now: Timestamp, _latency: Duration) {
        if let Some(n) = self.under_way.get_mut(slot).filter(|n| **n > 0) {
            *n -= 1;
            self.whole = self.whole.saturating_sub(1);
        }
    }
}
