//! gRPC's static stride scheduler (A58): one counter, no other state.

use alloc::vec::Vec;

use super::{Picker, Request};

/// Weights are scaled so that the largest is this.
const FULL: u64 = 65_535;
/// Weights are kept between these multiples of the mean.
const LEAST_RATIO: f64 = 0.1;
const MOST_RATIO: f64 = 10.0;

/// gRPC's static stride: slot `i` of generation `g` is picked unless
/// `(w * g + 32767 * i) mod 65535 < 65535 - w`. Pick O(1) on average (bounded by two generations), change of
/// weight O(slots): every scaled weight depends on the mean.
#[derive(Clone, Debug)]
pub struct Stride {
    /// As given; negative infinity for a slot that takes no part.
    given: Vec<f64>,
    scaled: Vec<u64>,
    sequence: u32,
    open: usize,
}

impl Stride {
    /// Slots of these weights, from a place in the sequence. As in gRPC a weight that is not positive is
    /// unknown and counts as the mean; a weight of 0 set later takes no part.
    #[must_use]
    pub fn new(weights: &[f64], sequence: u32) -> Self {
        let mut stride = Self {
            given: weights.to_vec(),
            scaled: Vec::new(),
            sequence,
            open: 0,
        };
        stride.rescale();
        stride
    }

    /// The next place in the sequence.
    #[must_use]
    pub fn sequence(&self) -> u32 {
        self.sequence
    }

    fn rescale(&mut self) {
        let known = || {
            self.given
                .iter()
                .copied()
                .filter(|w| w.is_finite() && *w > 0.0)
        };
        let count = known().count();
        let (mean, most) = match count {
            0 => (1.0, 1.0),
            n => {
                let mean = known().sum::<f64>() / n as f64;
                (mean, known().fold(0.0, f64::max).min(mean * MOST_RATIO))
            }
        };
        let scale = FULL as f64 / most;
        let least = libm::ceil(scale * mean * LEAST_RATIO) as u64;
        let usual = (libm::round(scale * mean) as u64).min(FULL);
        self.scaled.clear();
        self.scaled.extend(self.given.iter().map(|&w| {
            match w {
                f64::NEG_INFINITY => 0,
                w if w.is_finite() && w > 0.0 => (libm::round(w.min(most) * scale) as u64)
                    .max(least)
                    .min(FULL),
                _ => usual,
            }
        }));
        self.open = self.scaled.iter().filter(|&&w| w > 0).count();
    }
}

impl Picker for Stride {
    fn pick(&mut self, _request: &Request) -> Option<usize> {
        if self.open == 0 {
            return None;
        }
        let n = self.scaled.len() as u64;
        loop {
            // The largest weight is FULL, and FULL is picked in every generation: two of them suffice, one
            // more when the counter wraps within.
            let sequence = u64::from(self.sequence);
            self.sequence = self.sequence.wrapping_add(1);
            let (index, generation) = (sequence % n, sequence / n);
            let weight = *self.scaled.get(index as usize)?;
            let at = (weight * generation + FULL / 2 * index) % FULL;
            if weight > 0 && at >= FULL - weight {
                return Some(index as usize);
            }
        }
    }

    fn set_weight(&mut self, slot: usize, weight: u32) {
        if slot >= self.given.len() {
            if weight == 0 {
                return;
            }
            self.given.resize(slot + 1, f64::NEG_INFINITY);
        }
        if let Some(given) = self.given.get_mut(slot) {
            *given = if weight == 0 {
                f64::NEG_INFINITY
            } else {
                f64::from(weight)
            };
        }
        self.rescale();
    }

    /// As given, rounded; unknown weights read 0.
    fn weight(&self, slot: usize) -> u32 {
        self.given.get(slot).map_or(0, |&w| w as u32)
    }

    fn slots(&self) -> usize {
        self.given.len()
    }
}
