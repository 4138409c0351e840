//! Seeded randomness: one named stream per purpose, so that one more draw for one purpose does not
//! reshuffle another.

use core::hash::{BuildHasherDefault, Hasher};

/// A stream of pseudo-random numbers (`SplitMix64`: Steele, Lea and Flood, OOPSLA 2014).
///
/// Not for secrets. The same seed and name give the same numbers on every machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rng(u64);

impl Rng {
    /// The stream called `name` under `seed`.
    #[must_use]
    pub fn stream(seed: u64, name: &str) -> Self {
        Self(mix(seed ^ hash(seed, name.as_bytes())))
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound` (zero for a bound of zero), by multiplication; the bias is below 2^-32 for
    /// bounds below 2^32.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }
}

/// `SplitMix64`'s finaliser: a bijection that spreads every bit.
pub(crate) const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A seeded hash of some bytes, eight at a time by folded multiplication. Names come from outside, so the
/// allocator's seed goes in: chosen collisions need the seed.
pub(crate) fn hash(seed: u64, bytes: &[u8]) -> u64 {
    const K: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut h = seed ^ (bytes.len() as u64).wrapping_mul(K);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        h = fold(h ^ u64::from_le_bytes(*word), K);
    }
    let mut last = [0u8; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    mix(fold(h ^ u64::from_le_bytes(last), 0xd6e8_feb8_6659_fd93))
}

fn fold(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b);
    (wide as u64) ^ ((wide >> 64) as u64)
}

/// A map by record number. Its order is never looked at; its hasher is the same in every process.
pub(crate) type ById<V> = hashbrown::HashMap<u32, V, BuildHasherDefault<IdHasher>>;

/// Spreads a record's number.
#[derive(Clone, Debug, Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash(self.0, bytes);
    }

    fn write_u32(&mut self, id: u32) {
        self.0 = mix(self.0 ^ u64::from(id));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
