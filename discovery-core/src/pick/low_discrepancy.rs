//! Low-discrepancy weighted round robin at O(1): a golden-ratio sequence over blocks of slots, an exact round robin within.
//!
//! The fractional parts of `k * phi` are spread over the unit interval more evenly than any other multiples
//! (Steinhaus' three-gap theorem), so a block, an interval as wide as its share, is met at an almost constant
//! pace, and a guide table finds it in one look. Within a block of 16 nginx's smooth round robin is exact to
//! about one pick and is a few vector operations. A slot strays by its block's round robin, and by its share of what
//! the block strays: under 2 picks in all with weights of 1 to 100 (the scorecard's row `golden-deviation`). The sequence alone,
//! over all cumulative weights, strays 5, and so does a slot that has most of its block's weight.

use alloc::vec;
use alloc::vec::Vec;

use super::picker::{Picker, Request, among};
use crate::hash::high;
use crate::rng;
use rand::Rng as _;

/// Slots of a block: their weights, and their credits, fill a cache line each.
const FAN: usize = 16;

/// Bits that a credit leaves for the lane's number.
const LANE: i32 = FAN as i32;

/// A block's scaled weights sum to at most this: credits, up to twice that, keep their lane's bits free.
const BLOCK_MOST: u64 = 1 << 25;

/// All scaled weights sum to at most this.
const MOST: u64 = 1 << 31;

/// The longest guide.
const GUIDE_MOST: usize = 1 << 16;

/// 2^64 / phi, odd.
pub(super) const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// A lane that takes no part.
const NEVER: i32 = i32::MIN / 2;

/// Sixteen slots and how far each is behind. Both arrays hold multiples of 16: a credit's low bits are the
/// lane's number (the first lane's the highest), so that the largest credit names its lane.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Block {
    credits: [i32; FAN],
    weights: [i32; FAN],
}

impl Block {
    const EMPTY: Self = Self {
        credits: [NEVER; FAN],
        weights: [0; FAN],
    };

    fn sum(&self) -> i32 {
        self.weights.iter().sum()
    }

    /// nginx's rule: everybody earns its weight, the richest pays the sum. Written lane by lane without
    /// branches, which the compiler turns into vector operations.
    fn pick(&mut self) -> usize {
        let mut best = i32::MIN;
        for (credit, weight) in self.credits.iter_mut().zip(&self.weights) {
            *credit += weight;
            best = best.max(*credit);
        }
        let sum = self.sum();
        for credit in &mut self.credits {
            *credit -= if *credit == best { sum } else { 0 };
        }
        (LANE - 1 - (best & (LANE - 1))) as usize
    }

    /// Gives a lane a weight (a multiple of 16). Credits stay in proportion to the new sum and centred, so
    /// that nobody is owed more than about a pick, however often weights change.
    fn set(&mut self, lane: usize, weight: i32) {
        let tag = LANE - 1 - lane as i32;
        if let (Some(w), Some(c)) = (self.weights.get_mut(lane), self.credits.get_mut(lane)) {
            if weight == 0 {
                *c = NEVER + tag;
            } else if *w == 0 {
                *c = tag;
            }
            *w = weight;
        }
        let most = self.sum();
        let (mut total, mut lanes) = (0i64, 0i64);
        for (credit, weight) in self.credits.iter_mut().zip(&self.weights) {
            if *weight > 0 {
                let tag = *credit & (LANE - 1);
                *credit = (*credit - tag).clamp(-most, most) + tag;
                total += i64::from(*credit - tag);
                lanes += 1;
            }
        }
        let shift = (total.checked_div(lanes).unwrap_or(0) as i32) & !(LANE - 1);
        for (credit, weight) in self.credits.iter_mut().zip(&self.weights) {
            *credit -= if *weight > 0 { shift } else { 0 };
        }
    }

    /// Starts somewhere in the cycle: each lane as far behind as `picks` picks at even pace would leave it.
    fn start(&mut self, picks: u64) {
        let sum = i64::from(self.sum().max(LANE)) / i64::from(LANE);
        for (credit, weight) in self.credits.iter_mut().zip(&self.weights) {
            if *weight > 0 {
                let weight = i64::from(*weight) / i64::from(LANE);
                let earned = (weight * (picks % (1 << 30)) as i64) % sum;
                let behind = if earned * 2 > sum {
                    earned - sum
                } else {
                    earned
                };
                *credit = behind as i32 * LANE + (*credit & (LANE - 1));
            }
        }
    }
}

/// Low-discrepancy weighted round robin: under 2 picks from the exact shares with weights of 1 to 100, whatever the number of slots.
/// A slot that outweighs its neighbours strays as the sequence does, by some tenths of the logarithm of the picks: the
/// worst found in 10^6 picks is 5.7. A pick is O(1); a change of weight adds to one running sum for each 16 slots.
///
/// Shares are exact while weights sum to at most 2^30 (and those of 16 slots to 2^24); beyond that weights are
/// divided by the power of two that makes them fit, and rounded up: a weight's share is then off by up to that
/// power's part of the weight. 10,000 endpoints of a base weight of 100 in thousandths just fit.
///
/// ```
/// use discovery_core::Picker;
/// use discovery_core::pick::{LowDiscrepancy, Request};
///
/// let mut picker = LowDiscrepancy::new(&[3, 1], 7);
/// let picks = (0..400).filter_map(|_| picker.pick(&Request::default()));
/// assert_eq!(picks.filter(|&slot| slot == 0).count(), 300);
/// ```
#[doc(alias = "golden")]
#[doc(alias = "golden ratio")]
#[doc(alias = "weighted round robin")]
#[doc(alias = "wrr")]
#[derive(Clone, Debug)]
pub struct LowDiscrepancy {
    phase: u64,
    /// The phase of retries.
    retries: u64,
    seed: u64,
    weights: Vec<u32>,
    /// Weights are scaled down by this many bits (rounded up), so that their sums fit.
    shift: u32,
    /// The unscaled sum.
    sum: u64,
    blocks: Vec<Block>,
    /// Running sums of the blocks' scaled weights.
    ends: Vec<u32>,
    /// For each fraction of the whole the block it falls in, as of the last time it was made: a place to
    /// begin to look. Its length is a power of two.
    guide: Vec<u32>,
    /// Changes since the guide was made.
    stale: usize,
}

impl LowDiscrepancy {
    /// A picker of these weights, by slot, that starts where the seed says: pickers of different seeds do
    /// not begin with the same slots.
    #[must_use]
    pub fn new(weights: &[u32], seed: u64) -> Self {
        let mut picker = Self {
            phase: rng::stream(seed, "golden start").next_u64(),
            retries: rng::stream(seed, "golden retries").next_u64(),
            seed,
            weights: weights.to_vec(),
            shift: 0,
            sum: 0,
            blocks: Vec::new(),
            ends: Vec::new(),
            guide: Vec::new(),
            stale: 0,
        };
        picker.rebuild();
        picker
    }

    fn scaled(&self, weight: u32) -> u64 {
        u64::from(weight).div_ceil(1 << self.shift)
    }

    /// Builds everything anew. O(n).
    fn rebuild(&mut self) {
        self.sum = self.weights.iter().map(|&w| u64::from(w)).sum();
        let sum = |slots: &[u32]| slots.iter().map(|&w| u64::from(w)).sum::<u64>();
        let widest = self.weights.chunks(FAN).map(sum).max().unwrap_or(0);
        self.shift = 0;
        // Half the room is kept for weights that grow; rounding up adds at most 1 a slot.
        let slots = self.weights.len() as u64;
        while self.shift < 32
            && ((self.sum >> self.shift) + slots > MOST / 2
                || (widest >> self.shift) + FAN as u64 > BLOCK_MOST / 2)
        {
            self.shift += 1;
        }
        let mut rng = rng::stream(self.seed, "golden blocks");
        let mut blocks = Vec::with_capacity(self.weights.len().div_ceil(FAN));
        let mut ends = Vec::with_capacity(blocks.capacity());
        let mut end = 0u64;
        for slots in self.weights.chunks(FAN) {
            let mut block = Block::EMPTY;
            for (lane, &weight) in slots.iter().enumerate() {
                if weight > 0 {
                    let scaled = self.scaled(weight);
                    end += scaled;
                    block.set(lane, scaled as i32 * LANE);
                }
            }
            block.start(rng.next_u64());
            blocks.push(block);
            ends.push(end as u32);
        }
        (self.blocks, self.ends) = (blocks, ends);
        self.guide = vec![0; (self.blocks.len() * 4).next_power_of_two().min(GUIDE_MOST)];
        self.remake_guide();
    }

    /// Makes room for more slots, in empty blocks; the guide, and with it everything, is made anew when it has
    /// become too coarse, so that growing slot by slot is O(1) each on average.
    fn grow(&mut self, slots: usize) {
        self.weights.resize(slots, 0);
        let end = self.ends.last().copied().unwrap_or(0);
        self.blocks.resize(slots.div_ceil(FAN), Block::EMPTY);
        self.ends.resize(self.blocks.len(), end);
        if self.blocks.len() * 2 > self.guide.len() && self.guide.len() < GUIDE_MOST {
            self.rebuild();
        }
    }

    fn remake_guide(&mut self) {
        self.stale = 0;
        let total = u64::from(self.ends.last().copied().unwrap_or(0));
        let (len, mut block) = (self.guide.len() as u64, 0usize);
        for (i, place) in (0u64..).zip(&mut self.guide) {
            let aim = i * total / len;
            while self
                .ends
                .get(block)
                .is_some_and(|&end| u64::from(end) <= aim)
            {
                block += 1;
            }
            *place = block.min(self.blocks.len().saturating_sub(1)) as u32;
        }
    }

    /// The next block of the sequence.
    fn block(&mut self) -> Option<usize> {
        let total = *self.ends.last()?;
        self.phase = self.phase.wrapping_add(STEP);
        let aim = high(self.phase, u64::from(total)) as u32;
        let at = self.phase >> (64 - self.guide.len().trailing_zeros()).min(63);
        let mut block = *self.guide.get(at as usize)? as usize;
        while *self.ends.get(block)? <= aim {
            block += 1;
        }
        while block > 0 && *self.ends.get(block - 1)? > aim {
            block -= 1;
        }
        Some(block)
    }
}

impl Picker for LowDiscrepancy {
    fn pick(&mut self, _request: &Request) -> Option<usize> {
        if self.sum == 0 {
            return None;
        }
        let block = if self.blocks.len() == 1 {
            0
        } else {
            self.block()?
        };
        let lane = self.blocks.get_mut(block)?.pick();
        Some(block * FAN + lane)
    }

    /// By a sequence of their own: retries leave the order of ordinary picks alone.
    fn pick_except(&mut self, _request: &Request, tried: &[usize]) -> Option<usize> {
        self.retries = self.retries.wrapping_add(STEP);
        among(self.retries, self.weights.iter().copied(), tried)
    }

    fn set_weight(&mut self, slot: usize, weight: u32) {
        if slot >= self.weights.len() {
            if weight == 0 {
                return;
            }
            self.grow(slot + 1);
        }
        let Some(place) = self.weights.get_mut(slot) else {
            return;
        };
        let before = core::mem::replace(place, weight);
        self.sum = self.sum - u64::from(before) + u64::from(weight);
        let (old, new) = (self.scaled(before), self.scaled(weight));
        let at = slot / FAN;
        let Some(block) = self.blocks.get_mut(at) else {
            return;
        };
        let wide = (i64::from(block.sum() / LANE) + new as i64 - old as i64) as u64;
        let total = u64::from(self.ends.last().copied().unwrap_or(0)) + new - old;
        // Too large for the lanes, or scaled down for sums long gone: choose the scale anew.
        let coarse = self.shift > 0 && (self.sum >> self.shift) < MOST / 256;
        if wide > BLOCK_MOST || total > MOST || coarse {
            self.rebuild();
            return;
        }
        block.set(slot % FAN, new as i32 * LANE);
        let delta = (new as u32).wrapping_sub(old as u32);
        for end in self.ends.iter_mut().skip(at) {
            *end = end.wrapping_add(delta);
        }
        self.stale += 1;
        if self.stale > self.guide.len() / 8 {
            self.remake_guide();
        }
    }

    fn weight(&self, slot: usize) -> u32 {
        self.weights.get(slot).copied().unwrap_or(0)
    }

    fn slots(&self) -> usize {
        self.weights.len()
    }
}
