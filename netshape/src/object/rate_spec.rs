//! Rates as the kernel counts them.

use crate::ticks::same_rate;

/// `tc_ratespec` with the rate in full: the 32-bit field and its 64-bit attribute are one number here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RateSpec {
    /// In byte/s.
    pub bytes_per_second: u64,
    /// Bytes added to each packet's length.
    pub overhead: u16,
    /// Least length that a packet counts as.
    pub mpu: u16,
    /// 0 unknown, 1 Ethernet, 2 ATM (`TC_LINKLAYER_*`).
    pub linklayer: u8,
    /// Base-2 logarithm of a rate table's cell; the kernel ignores and does not dump it.
    pub cell_log: u8,
    /// -1 from tc; not dumped either.
    pub cell_align: i16,
}

impl RateSpec {
    /// As tc sends a plain rate: Ethernet, no overhead, cells of 8 bytes.
    #[must_use]
    pub const fn plain(bytes_per_second: u64) -> Self {
        Self {
            bytes_per_second,
            overhead: 0,
            mpu: 0,
            linklayer: 1,
            cell_log: 3,
            cell_align: -1,
        }
    }

    /// As the kernel dumps it: without the two fields of rate tables.
    #[must_use]
    pub const fn dumped(self) -> Self {
        Self {
            cell_log: 0,
            cell_align: 0,
            ..self
        }
    }

    /// Whether the kernel does the same with both: it counts with 32 bits of the time that a byte takes, and of the link layers
    /// only ATM is more than a name to it.
    #[must_use]
    pub const fn is_equivalent(&self, other: &Self) -> bool {
        const ATM: u8 = 2;
        self.overhead == other.overhead
            && self.mpu == other.mpu
            && (self.linklayer == ATM) == (other.linklayer == ATM)
            && same_rate(self.bytes_per_second, other.bytes_per_second)
    }
}
