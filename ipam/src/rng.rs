//! Seeded randomness, one named stream per purpose, so that one more draw for one purpose does not reshuffle another.

use rand::SeedableRng as _;
pub use rand_xoshiro::Xoshiro256PlusPlus;

/// The stream called `name` of `seed`: the same numbers on every machine. Not for secrets.
///
/// The generator is xoshiro256++ (Blackman and Vigna 2021), whose values are stable; whoever embeds may hand in any other
/// [`rand::Rng`] where one is asked for.
///
/// ```
/// use ipam::rng::stream;
/// use rand::Rng as _;
///
/// let (mut one, mut same) = (stream(7, "back-off"), stream(7, "back-off"));
/// assert_eq!(one.next_u64(), same.next_u64());
/// assert_ne!(one.next_u64(), stream(7, "jitter").next_u64());
/// ```
#[must_use]
pub fn stream(seed: u64, name: &str) -> Xoshiro256PlusPlus {
    // FNV-1a spreads names over seeds.
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Xoshiro256PlusPlus::seed_from_u64(seed ^ hash)
}
