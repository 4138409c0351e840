//! gRPC's static stride scheduler (A58): one counter, no other state.

use alloc::vec::Vec;

use super::picker::{Picker, Request};

/// Weights are scaled so that the largest is this.
const FULL: u64 = 65_535;
/// Weights are kept between these multiples of the mean.
const LEAST_RATIO: f64 = 0.1;
const MOST_RATIO: f64 = 10.0;

/// gRPC's static stride, which keeps weights within a tenth and ten times of their mean: slot `i` of generation `g` is picked unless
/// `(w * g + 32767 * i) mod 65535 < 65535 - w`. Pick O(1) on average (bounded by two generations), change of
/// weight O(slots): every scaled weight depends on the mean.
///
/// ```
/// use discovery_core::Picker;
/// use discovery_core::pick::{Request, StaticStride};
///
/// let mut picker = StaticStride::new(&[2.0, 1.0], 0);
/// let picks = (0..300).filter_map(|_| picker.pick(&Request::default()));
/// let first = picks.filter(|&slot| slot == 0).count();
/// assert!((199..=201).contains(&first), "{first}");
/// ```
#[doc(alias = "stride scheduler")]
#[doc(alias = "A58")]
#[derive(Clone, Debug)]
pub struct StaticStride {
    /// As given.
    given: Vec<f64>,
    scaled: Vec<u64>,
    sequence: u32,
    open: usize,
}

impl StaticStride {
    /// Slots of these weights, from a place in the sequence. A weight of 0 takes no part. One that is negative or no
    /// number is unknown and counts as the mean, as in gRPC (where 0 is unknown, too: say so with -1).
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
                0.0 => 0,
                w if w.is_finite() && w > 0.0 => (libm::round(w.min(most) * scale) as u64)
                    .max(least)
                    .min(FULL),
                _ => usual,
            }
        }));
        self.open = self.scaled.iter().filter(|&&w| w > 0).count();
    }
}

impl StaticStride {
    /// The next slot of the sequence that may be picked, among `steps` of them.
    fn next(&mut self, steps: u64, may: impl Fn(usize) -> bool) -> Option<usize> {
        let n = self.scaled.len() as u64;
        for _ in 0..steps {
            let sequence = u64::from(self.sequence);
            self.sequence = self.sequence.wrapping_add(1);
            let (index, generation) = (sequence % n, sequence / n);
            let weight = *self.scaled.get(index as usize)?;
            let at = (weight * generation + FULL / 2 * index) % FULL;
            if weight > 0 && at >= FULL - weight && may(index as usize) {
                return Some(index as usize);
            }
        }
        None
    }
}

impl Picker for StaticStride {
    fn pick(&mut self, _request: &Request) -> Option<usize> {
        if self.open == 0 {
            return None;
        }
        // The largest weight is FULL, and FULL is picked in every generation: two of them suffice, one more when the
        // counter wraps within.
        self.next(3 * self.scaled.len() as u64, |_| true)
    }

    fn pick_except(&mut self, _request: &Request, tried: &[usize]) -> Option<usize> {
        let n = self.scaled.len();
        if self.open == 0 {
            return None;
        }
        let open = |slot: usize| !tried.contains(&slot);
        if let Some(slot) = self.next(8 * n as u64, open) {
            return Some(slot);
        }
        // Those tried have most of the weight: the next of the others.
        let slots = (0..n).map(|i| (self.sequence as usize).wrapping_add(i) % n);
        let weighs = |slot: &usize| self.scaled.get(*slot).is_some_and(|&w| w > 0);
        let slot = slots.filter(weighs).find(|&slot| open(slot))?;
        self.sequence = self.sequence.wrapping_add(1);
        Some(slot)
    }

    fn set_weight(&mut self, slot: usize, weight: u32) {
        if slot >= self.given.len() {
            if weight == 0 {
                return;
            }
            self.given.resize(slot + 1, 0.0);
        }
        if let Some(given) = self.given.get_mut(slot) {
            *given = f64::from(weight);
        }
        self.rescale();
    }

    /// As given, rounded up; unknown weights read 1.
    fn weight(&self, slot: usize) -> u32 {
        self.given.get(slot).map_or(0, |&w| match w > 0.0 {
            true => libm::ceil(w) as u32,
            false => u32::from(w != 0.0),
        })
    }

    fn slots(&self) -> usize {
        self.given.len()
    }
}
