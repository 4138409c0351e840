//! Uniform draws for the inner loops of the search.
//!
//! `rand`'s `random_range` rejects samples to be free of bias and panics on an empty range; a search draws hundreds of
//! millions of small indices, needs neither, and spends a few per cent less time this way.

use rand::Rng;

/// Uniform draws from any generator.
#[cfg_attr(
    not(feature = "testing"),
    allow(unreachable_pub, reason = "only the `testing` feature exports it")
)]
pub trait Uniform: Rng {
    /// A number below `bound` (0 when `bound` is 0), by multiplication and shift: the bias is below `bound / 2^64`
    /// (Lemire 2019).
    #[inline]
    fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next_u64()) * bound as u128) >> 64) as usize
    }

    /// A number in `[0, 1)` with 53 random bits.
    #[inline]
    fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }
}

impl<R: Rng + ?Sized> Uniform for R {}
