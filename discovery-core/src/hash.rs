//! Fixed hashes, the same on every machine, and draws from them: a draw by hash belongs to a name and a moment, so that nobody
//! else's draws move it.

use core::time::Duration;

use crate::duration::nanos;

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

/// A part of a duration, drawn evenly.
#[must_use]
pub(crate) fn part(seed: u64, whole: Duration) -> Duration {
    Duration::from_nanos(high(mix(seed), nanos(whole)))
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
