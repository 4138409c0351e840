//! Seeded randomness, one named stream per purpose.

/// `SplitMix64` (Steele, Lea and Flood 2014): 64 bits of state, full period, good enough for jitter, coins
/// and start offsets. Not for secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rng(u64);

impl Rng {
    /// The stream called `purpose` of `seed`: streams of different names are independent, so that one more
    /// draw in one of them moves nothing in another.
    #[must_use]
    pub fn new(seed: u64, purpose: &str) -> Self {
        Self(mix(seed ^ hash(purpose.as_bytes())))
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// A number below `bound`, or 0 when `bound` is 0 (multiply-shift; the bias is below `bound` / 2^64).
    pub fn below(&mut self, bound: u64) -> u64 {
        high(self.next_u64(), bound)
    }

    /// Whether an event of probability `numerator / denominator` happens.
    pub fn chance(&mut self, numerator: u64, denominator: u64) -> bool {
        self.below(denominator.max(1)) < numerator
    }
}

/// The upper 64 bits of a product: scales a 64-bit fraction to `0..bound`.
#[must_use]
pub(crate) fn high(fraction: u64, bound: u64) -> u64 {
    ((u128::from(fraction) * u128::from(bound)) >> 64) as u64
}

/// `SplitMix64`'s finaliser: every bit of the input moves every bit of the output.
#[must_use]
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A fixed hash of some bytes, the same on every machine (eight at a time, multiplied and mixed).
#[must_use]
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let mut state = 0x51_7C_C1_B7_27_22_0A_95 ^ bytes.len() as u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0u8; 8];
        for (to, from) in word.iter_mut().zip(chunk) {
            *to = *from;
        }
        state =
            (state.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
    mix(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_apart_and_repeat() {
        let draw = |seed, name| Rng::new(seed, name).next_u64();
        assert_eq!(draw(1, "a"), draw(1, "a"));
        assert_ne!(draw(1, "a"), draw(1, "b"));
        assert_ne!(draw(1, "a"), draw(2, "a"));
    }

    #[test]
    fn below_stays_below() {
        let mut rng = Rng::new(7, "below");
        assert_eq!(rng.below(0), 0);
        assert!((0..1000).all(|_| rng.below(10) < 10));
        let heads = (0..10_000).filter(|_| rng.chance(1, 4)).count();
        assert!((2_300..2_700).contains(&heads), "{heads}");
    }
}
