//! What proves that a block's value is the one that was written last.
//!
//! A value that was put back, by hand or out of a backup of some keys, is as sound in itself as it was. Where a block's is older than the
//! claims beside it, it calls addresses free that are held. So whoever writes a block writes a digest of it beside it, in the same
//! transaction, and who reads the one reads the other.

use ipam::store::PUT_BACK;

/// Whether a record has a digest beside it: a block's. The others are told of by what a claim reads anyhow.
pub(crate) fn is_proved(key: &str) -> bool {
    key.starts_with("b/")
}

/// FNV-1a of 64 bits: offset basis and prime are those of draft-eastlake-fnv.
pub(crate) fn digest(value: &[u8]) -> Vec<u8> {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = value.iter().fold(0xcbf2_9ce4_8422_2325, mix);
    hash.to_be_bytes().to_vec()
}

/// A value as it is believed beside a digest; one that was written before there were any has none.
pub(crate) fn believed(value: Vec<u8>, told: Option<&[u8]>) -> Vec<u8> {
    match told {
        Some(told) if told != digest(&value) => PUT_BACK.to_vec(),
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_fnvs_published_vectors() {
        assert_eq!(digest(b""), 0xcbf2_9ce4_8422_2325_u64.to_be_bytes());
        assert_eq!(digest(b"foobar"), 0x8594_4171_f739_67e8_u64.to_be_bytes());
    }
}
