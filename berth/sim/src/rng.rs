//! A small seeded generator, one named stream per purpose.
//!
//! Splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014): one
//! addition and a 64-bit finaliser; the same bytes on every machine.

/// A stream of pseudorandom numbers.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The stream called `name`, number `index`, of a seed: other names and indices give unrelated streams.
    #[must_use]
    pub fn stream(seed: u64, name: &str, index: u64) -> Self {
        // FNV-1a over the name, then one finaliser pass over each of seed and index.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in name.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        let mut rng = Self(hash ^ mix(seed));
        rng.0 = rng.next_u64() ^ mix(index.wrapping_add(0x9e37_79b9_7f4a_7c15));
        rng
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Uniform in [0, 1), 53 bits.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Roughly normal with mean 0 and deviation 1, within +-3.5: the sum of four 16-bit uniforms
    /// (Irwin-Hall), exact in integers until the last scaling.
    pub fn bell(&mut self) -> f32 {
        let bits = self.next_u64();
        let sum = (bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48);
        // Mean of the sum 4 * 32767.5; deviation sqrt(4 / 12) * 65536 = 37837.2.
        (sum as f32 - 131_070.0) * (1.0 / 37_837.23)
    }
}

/// The finaliser of splitmix64.
fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_apart_and_repeat() {
        let first = |seed, name, index| Rng::stream(seed, name, index).next_u64();
        assert_eq!(first(1, "a", 0), first(1, "a", 0));
        let all = [
            first(1, "a", 0),
            first(1, "a", 1),
            first(1, "b", 0),
            first(2, "a", 0),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn bell_has_mean_zero_and_deviation_one() {
        let mut rng = Rng::stream(7, "bell", 0);
        let n = 100_000;
        let values: Vec<f64> = (0..n).map(|_| f64::from(rng.bell())).collect();
        let mean = values.iter().sum::<f64>() / f64::from(n);
        let square = values.iter().map(|v| v * v).sum::<f64>() / f64::from(n);
        assert!(mean.abs() < 0.02, "{mean}");
        assert!((square - 1.0).abs() < 0.02, "{square}");
        assert!(values.iter().all(|v| v.abs() < 3.5));
    }
}
