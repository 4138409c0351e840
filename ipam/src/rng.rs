//! Seeded randomness: one named stream per purpose, so that one more draw for one purpose does not
//! reshuffle another.

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
#[inline]
pub(crate) fn hash(seed: u64, bytes: &[u8]) -> u64 {
    scan(seed, bytes).0
}

/// As [`hash`], and whether any byte is a control character: each claim asks both of three names.
#[inline]
pub(crate) fn scan(seed: u64, bytes: &[u8]) -> (u64, bool) {
    const K: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut h = seed ^ (bytes.len() as u64).wrapping_mul(K);
    let mut found = 0;
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let word = u64::from_le_bytes(*word);
        found |= controls(word);
        h = fold(h ^ word, K);
    }
    let bits = rest.len() as u32 * 8;
    let last = match bytes.last_chunk::<8>() {
        // The last bytes end a word that begins before them.
        Some(word) => (u64::from_le_bytes(*word) >> 8).unbounded_shr(56 - bits),
        None => rest.iter().rev().fold(0, |w, &b| w << 8 | u64::from(b)),
    };
    found |= controls(last | (ONES * 0x20) << bits);
    (mix(fold(h ^ last, 0xd6e8_feb8_6659_fd93)), found != 0)
}

const ONES: u64 = u64::from_le_bytes([1; 8]);

/// Not zero if any byte of a word is a control character.
#[inline]
const fn controls(word: u64) -> u64 {
    // A byte's low seven bits reach its top bit with 0x60 more unless they are below 0x20, and with one more if they
    // are 0x7f: of either, what has its own top bit is none.
    let low = word & !(ONES << 7);
    (!(low + ONES * 0x60) | (low + ONES)) & !word & (ONES << 7)
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b);
    (wide as u64) ^ ((wide >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// The hash as it is defined, byte by byte: stored decisions start from it.
    fn plain(seed: u64, bytes: &[u8]) -> u64 {
        let mut h = seed ^ (bytes.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let word = |part: &[u8]| {
            let bytes = part.iter().rev();
            bytes.fold(0, |w, &b| w << 8 | u64::from(b))
        };
        let whole = bytes.len() / 8 * 8;
        for part in bytes[..whole].chunks(8) {
            h = fold(h ^ word(part), 0x9e37_79b9_7f4a_7c15);
        }
        mix(fold(h ^ word(&bytes[whole..]), 0xd6e8_feb8_6659_fd93))
    }

    #[test]
    fn a_scan_hashes_and_finds_control_characters() {
        let mut rng = Rng::stream(4, "scan");
        for length in 0..70 {
            for _ in 0..50 {
                let mut bytes: Vec<u8> = (0..length).map(|_| rng.next_u64() as u8).collect();
                if rng.below(2) == 0 {
                    bytes.iter_mut().for_each(|b| *b = *b % 0x5f + 0x20);
                }
                let control = bytes.iter().any(|&b| b < 0x20 || b == 0x7f);
                assert_eq!(scan(7, &bytes), (plain(7, &bytes), control), "{bytes:?}");
            }
        }
    }
}
