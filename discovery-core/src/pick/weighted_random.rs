//! Random picks by weight in O(1): Vose's alias table, rebuilt in batches.

use alloc::vec::Vec;

use super::picker::{Picker, Request, among};
use crate::rng::{self, Xoshiro256PlusPlus};
use rand::Rng;

/// One column: its own slot up to `limit` of 2^32, another's above.
#[derive(Clone, Copy, Debug, Default)]
struct Column {
    limit: u32,
    other: u32,
}

/// Weighted random picks. Changes of weight are gathered: the table is rebuilt, O(slots), at the first pick
/// after as many picks as there are slots, so that a pick costs O(1) on average whatever changes. Until then
/// old weights decide, save that a slot of weight 0 is never picked.
///
/// ```
/// use discovery_core::pick::{Request, WeightedRandom};
/// use discovery_core::{Picker, rng};
///
/// let mut seeded = WeightedRandom::new(&[1, 0, 1], 7);
/// assert_ne!(seeded.pick(&Request::default()), Some(1)); // no weight, no traffic
/// // With a generator of one's own, any `rand::Rng`.
/// let mut own = WeightedRandom::with_rng(&[1, 0, 1], rng::stream(7, "my pool"));
/// assert!(own.pick(&Request::default()).is_some());
/// ```
#[doc(alias = "alias method")]
#[doc(alias = "Vose")]
#[derive(Clone, Debug)]
pub struct WeightedRandom<R = Xoshiro256PlusPlus> {
    rng: R,
    columns: Vec<Column>,
    weights: Vec<u32>,
    sum: u64,
    /// Whether weights changed since the table was built, and the picks since then.
    dirty: bool,
    picks: usize,
    /// Room for building: shares in units of 1 / (sum * slots), and the two work lists.
    shares: Vec<u128>,
    small: Vec<u32>,
    large: Vec<u32>,
}

impl WeightedRandom {
    /// Slots of these weights; draws come from the seed's stream `weighted random`.
    #[must_use]
    pub fn new(weights: &[u32], seed: u64) -> Self {
        Self::with_rng(weights, rng::stream(seed, "weighted random"))
    }
}

impl<R: Rng> WeightedRandom<R> {
    /// Slots of these weights; draws come from the caller's generator.
    #[must_use]
    pub fn with_rng(weights: &[u32], rng: R) -> Self {
        let mut table = Self {
            rng,
            columns: Vec::new(),
            weights: weights.to_vec(),
            sum: weights.iter().map(|&w| u64::from(w)).sum(),
            dirty: true,
            picks: 0,
            shares: Vec::new(),
            small: Vec::new(),
            large: Vec::new(),
        };
        table.settle();
        table
    }

    /// Rebuilds the table now. O(slots); allocates only when slots were added.
    pub fn settle(&mut self) {
        let n = self.weights.len();
        (self.dirty, self.picks) = (false, 0);
        self.columns.clear();
        self.columns.resize(
            n,
            Column {
                limit: u32::MAX,
                other: 0,
            },
        );
        self.shares.clear();
        self.shares
            .extend(self.weights.iter().map(|&w| u128::from(w) * n as u128));
        self.small.clear();
        self.large.clear();
        self.small.reserve(n);
        self.large.reserve(n);
        let full = u128::from(self.sum);
        for (slot, share) in (0u32..).zip(&self.shares) {
            if *share < full {
                self.small.push(slot);
            } else {
                self.large.push(slot);
            }
        }
        while let (Some(&low), Some(&high)) = (self.small.last(), self.large.last()) {
            self.small.pop();
            let share = self.shares.get(low as usize).copied().unwrap_or(0);
            if let Some(column) = self.columns.get_mut(low as usize) {
                let limit = ((share << 32) / full.max(1)).min(u128::from(u32::MAX)) as u32;
                *column = Column { limit, other: high };
            }
            let Some(left) = self.shares.get_mut(high as usize) else {
                break;
            };
            *left -= full - share;
            if *left < full {
                self.large.pop();
                self.small.push(high);
            }
        }
        // What is left is full but for rounding.
        for slot in self.small.iter().chain(&self.large) {
            if let Some(column) = self.columns.get_mut(*slot as usize) {
                *column = Column {
                    limit: u32::MAX,
                    other: *slot,
                };
            }
        }
    }

    /// A slot by the table as it is, `None` where its weight has become 0 since. The draw's product with the
    /// number of columns names the column, what is left over below the point the side.
    fn draw(&self, bits: u32) -> Option<usize> {
        let scaled = u64::from(bits) * self.columns.len() as u64;
        let at = (scaled >> 32) as usize;
        let column = self.columns.get(at)?;
        // Which side is a fair coin's throw to a branch predictor: chosen without a branch.
        let own = (scaled as u32) < column.limit;
        let slot = core::hint::select_unpredictable(own, at, column.other as usize);
        // As built the table leads to no slot of weight 0.
        let open = !self.dirty || self.weights.get(slot).is_some_and(|&w| w > 0);
        open.then_some(slot)
    }

    /// 64 random bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// Two independent draws from one random word.
    pub(super) fn pair(&mut self) -> Option<(usize, usize)> {
        if self.sum == 0 {
            return None;
        }
        self.count_pick();
        let bits = self.rng.next_u64();
        match (self.draw((bits >> 32) as u32), self.draw(bits as u32)) {
            (Some(one), Some(two)) => Some((one, two)),
            (Some(one), None) | (None, Some(one)) => Some((one, one)),
            (None, None) => self.again().map(|one| (one, one)),
        }
    }

    /// After a draw that fell on slots closed since the table was built.
    fn again(&mut self) -> Option<usize> {
        for _ in 0..8 {
            let bits = (self.rng.next_u64() >> 32) as u32;
            if let Some(slot) = self.draw(bits) {
                return Some(slot);
            }
        }
        // Most of the old weight is gone: no point in waiting for the batch.
        self.settle();
        let bits = (self.rng.next_u64() >> 32) as u32;
        self.draw(bits)
            .or_else(|| self.weights.iter().position(|&w| w > 0))
    }

    /// A draw among the slots not tried yet.
    pub(super) fn draw_except(&mut self, tried: &[usize]) -> Option<usize> {
        if self.sum == 0 {
            return None;
        }
        for _ in 0..16 {
            let bits = (self.rng.next_u64() >> 32) as u32;
            if let Some(slot) = self.draw(bits).filter(|slot| !tried.contains(slot)) {
                return Some(slot);
            }
        }
        // Those tried have most of the weight.
        among(self.rng.next_u64(), self.weights.iter().copied(), tried)
    }

    /// Counts a pick; rebuilds when a batch is full.
    fn count_pick(&mut self) {
        self.picks += 1;
        if self.dirty && self.picks >= self.weights.len() {
            self.settle();
        }
    }
}

impl<R: Rng> Picker for WeightedRandom<R> {
    fn pick(&mut self, _request: &Request) -> Option<usize> {
        if self.sum == 0 {
            return None;
        }
        self.count_pick();
        let bits = (self.rng.next_u64() >> 32) as u32;
        self.draw(bits).or_else(|| self.again())
    }

    fn pick_except(&mut self, _request: &Request, tried: &[usize]) -> Option<usize> {
        self.count_pick();
        self.draw_except(tried)
    }

    fn set_weight(&mut self, slot: usize, weight: u32) {
        if slot >= self.weights.len() {
            if weight == 0 || u32::try_from(slot).is_err() {
                return;
            }
            self.weights.resize(slot + 1, 0);
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
}
