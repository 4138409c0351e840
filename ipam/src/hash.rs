//! The seeded hash of names. Where hosts' blocks start follows from it, also in stored decisions, so that its values stay.

/// `SplitMix64`'s finaliser (Steele, Lea and Flood, OOPSLA 2014): a bijection that spreads every bit.
pub(crate) const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A seeded hash of some bytes, eight at a time by folded multiplication. Names come from outside, so the
/// allocator's seed goes in: chosen collisions need the seed.
#[inline]
pub(crate) fn hash(seed: u64, bytes: &[u8]) -> u64 {
    const K: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut h = seed ^ (bytes.len() as u64).wrapping_mul(K);
    let (words, _) = bytes.as_chunks::<8>();
    for word in words {
        h = fold(h ^ u64::from_le_bytes(*word), K);
    }
    mix(fold(h ^ last_word(bytes), 0xd6e8_feb8_6659_fd93))
}

/// The bytes after the last whole eight, the first of them lowest.
#[inline]
pub(crate) fn last_word(bytes: &[u8]) -> u64 {
    match bytes.last_chunk::<8>() {
        // One read instead of one a byte: those of the eight before are shifted out.
        Some(last) => {
            let others = 8 - bytes.len() as u32 % 8;
            u64::from_le_bytes(*last).unbounded_shr(others * 8)
        }
        None => bytes.iter().rev().fold(0, |w, &b| w << 8 | u64::from(b)),
    }
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b);
    (wide as u64) ^ ((wide >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_the_bytes_after_the_last_eight() {
        for length in 0..40u8 {
            let bytes: alloc::vec::Vec<u8> = (1..=length).collect();
            let (_, rest) = bytes.as_chunks::<8>();
            let word = rest.iter().rev().fold(0, |w, &b| w << 8 | u64::from(b));
            assert_eq!(last_word(&bytes), word, "{length}");
        }
    }

    /// Computed once by another implementation of the definition above: stored decisions start from these.
    #[test]
    fn hashes_keep_their_values() {
        assert_eq!(hash(0, b""), 0);
        assert_eq!(hash(7, b"h1"), 0xc945_344f_842c_c612);
        assert_eq!(hash(7, b"12345678"), 0x1065_379b_233e_a07b);
        let long = b"shop/web-0-and-more-than-two-words";
        assert_eq!(hash(0xdead_beef, long), 0xc72b_bcef_a793_24c6);
    }
}
