//! Seeded randomness, one stream per purpose and container, so that one more container does not reshuffle the others.

use rand::{Rng, SeedableRng as _};
pub use rand_xoshiro::Xoshiro256PlusPlus;

/// The stream called `name`, number `index`, of `seed`: the same numbers on every machine.
///
/// The generator is xoshiro256++ (Blackman and Vigna 2021), as in the cores.
#[must_use]
pub fn stream(seed: u64, name: &str, index: u64) -> Xoshiro256PlusPlus {
    // FNV-1a spreads names and indices over seeds.
    let bytes = name.bytes().chain(index.to_le_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Xoshiro256PlusPlus::seed_from_u64(seed ^ hash)
}

/// Roughly normal with mean 0 and deviation 1, within +-3.5: the sum of four 16-bit uniforms (Irwin-Hall), exact in
/// integers until the last scaling. One is drawn per container and second, so it must be cheap.
pub fn bell(rng: &mut impl Rng) -> f32 {
    let bits = rng.next_u64();
    let sum = (bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48);
    // Mean of the sum 4 * 32767.5; deviation sqrt(4 / 12) * 65536 = 37837.2.
    (sum as f32 - 131_070.0) * (1.0 / 37_837.23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_apart_and_repeat() {
        let first = |seed, name, index| stream(seed, name, index).next_u64();
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
        let mut rng = stream(7, "bell", 0);
        let n = 100_000;
        let values: Vec<f64> = (0..n).map(|_| f64::from(bell(&mut rng))).collect();
        let mean = values.iter().sum::<f64>() / f64::from(n);
        let square = values.iter().map(|v| v * v).sum::<f64>() / f64::from(n);
        assert!(mean.abs() < 0.02, "{mean}");
        assert!((square - 1.0).abs() < 0.02, "{square}");
        assert!(values.iter().all(|v| v.abs() < 3.5));
    }
}
