//! An even spread from one counter: the golden-ratio sequence over the cumulative weights.
//!
//! The fractional parts of `k * phi` are spread over the unit interval more evenly than any other multiples
//! (Steinhaus' three-gap theorem), so that each slot's interval, as wide as its share, is met at an almost
//! constant pace. A pick is one multiplication and a descent of a 16-ary tree of sums; a change of weight
//! adds to at most 16 sums a level.

use alloc::vec;
use alloc::vec::Vec;

use super::{Picker, Request};
use crate::rng::{Rng, high};

/// Children of a node: one cache line of 32-bit sums.
const FAN: usize = 16;

/// The sum of scaled weights stays below this, so that signed 32-bit lanes compare it.
const MOST: u64 = 1 << 30;

/// 2^64 / phi, odd.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// One node: inclusive running sums of its children.
type Node = [i32; FAN];

/// Smooth weighted picking with an O(1) state: largest deviation from the exact shares a few picks, whatever
/// the number of slots. Pick and change of weight O(log16 n).
#[derive(Clone, Debug)]
pub struct Golden {
    phase: u64,
    weights: Vec<u32>,
    /// Weights are scaled down by this many bits (rounded up), so that their sum fits.
    shift: u32,
    /// The unscaled sum.
    sum: u64,
    /// From the root down; the last level's children are slots.
    levels: Vec<Vec<Node>>,
}

impl Golden {
    /// A picker of these weights, by slot, that starts where the seed says: pickers of different seeds do
    /// not begin with the same slots.
    #[must_use]
    pub fn new(weights: &[u32], seed: u64) -> Self {
        let mut picker = Self {
            phase: Rng::new(seed, "golden start").next_u64(),
            weights: weights.to_vec(),
            shift: 0,
            sum: 0,
            levels: Vec::new(),
        };
        picker.rebuild();
        picker
    }

    fn scaled(&self, weight: u32) -> i32 {
        let scaled = u64::from(weight).div_ceil(1 << self.shift);
        i32::try_from(scaled).unwrap_or(i32::MAX)
    }

    /// Builds the tree anew. O(n).
    fn rebuild(&mut self) {
        self.sum = self.weights.iter().map(|&w| u64::from(w)).sum();
        self.shift = 0;
        // Rounding up adds at most 1 a slot; half the room is kept for weights that grow.
        while (self.sum >> self.shift) + self.weights.len() as u64 >= MOST / 2 && self.shift < 32 {
            self.shift += 1;
        }
        let mut below: Vec<i32> = self.weights.iter().map(|&w| self.scaled(w)).collect();
        self.levels.clear();
        loop {
            let mut level = vec![[0; FAN]; below.len().div_ceil(FAN).max(1)];
            let mut sums = Vec::with_capacity(level.len());
            for (node, children) in level.iter_mut().zip(below.chunks(FAN).chain([&[][..]])) {
                let mut sum = 0i32;
                for (i, place) in node.iter_mut().enumerate() {
                    sum = sum.saturating_add(children.get(i).copied().unwrap_or(0));
                    *place = sum;
                }
                sums.push(sum);
            }
            let root = level.len() == 1;
            self.levels.push(level);
            if root {
                break;
            }
            below = sums;
        }
        self.levels.reverse();
    }

    /// Adds to the sums above a slot.
    fn add(&mut self, slot: usize, delta: i32) {
        let mut child = slot;
        for level in self.levels.iter_mut().rev() {
            if let Some(node) = level.get_mut(child / FAN) {
                for sum in node.iter_mut().skip(child % FAN) {
                    *sum = sum.saturating_add(delta);
                }
            }
            child /= FAN;
        }
    }

    fn total(&self) -> i32 {
        self.levels
            .first()
            .and_then(|l| l.first())
            .map_or(0, |root| root[FAN - 1])
    }
}

impl Picker for Golden {
    fn pick(&mut self, _request: &Request) -> Option<usize> {
        let total = self.total();
        if total <= 0 {
            return None;
        }
        self.phase = self.phase.wrapping_add(STEP);
        let mut left = high(self.phase, total as u64) as i32;
        let mut at = 0usize;
        for level in &self.levels {
            let node = level.get(at)?;
            let child: usize = node.iter().map(|&sum| usize::from(sum <= left)).sum();
            if child > 0 {
                left -= node.get(child - 1)?;
            }
            at = at * FAN + child;
        }
        Some(at)
    }

    fn set_weight(&mut self, slot: usize, weight: u32) {
        if slot >= self.weights.len() {
            if weight == 0 {
                return;
            }
            self.weights.resize(slot + 1, 0);
            if let Some(place) = self.weights.get_mut(slot) {
                *place = weight;
            }
            self.rebuild();
            return;
        }
        let Some(place) = self.weights.get_mut(slot) else {
            return;
        };
        let before = core::mem::replace(place, weight);
        self.sum = self.sum - u64::from(before) + u64::from(weight);
        let delta = self.scaled(weight).saturating_sub(self.scaled(before));
        let after = i64::from(self.total()) + i64::from(delta);
        // Too large for the lanes, or scaled down for a sum long gone: choose the scale anew.
        let coarse = self.shift > 0 && (after as u64) < MOST / 16;
        if after >= MOST as i64 || coarse {
            self.rebuild();
        } else {
            self.add(slot, delta);
        }
    }

    fn weight(&self, slot: usize) -> u32 {
        self.weights.get(slot).copied().unwrap_or(0)
    }

    fn slots(&self) -> usize {
        self.weights.len()
    }
}
