//! The rates and buckets that can be shaped at all, and the defaults.

use crate::ticks::most_bytes;
use crate::unit::{Bytes, Rate};

/// Bytes of the largest Ethernet frame without its checksum: an MTU of 1500 and a 14-byte header. A smaller bucket drops every full packet.
pub const MIN_BURST: u64 = 1514;

/// What a class without a guarantee has for a rate.
pub(crate) const MIN_CLASS_RATE: Rate = Rate::kbit(8);

/// The least ceiling, 48 bit/s: at less no bucket that the kernel can count (2^32 ticks of 64 ns, 274.9 s of the rate) holds a
/// full packet of [`MIN_BURST`], and every such packet would be dropped.
pub const MIN_CEILING: Rate = Rate::from_bits(48);

/// The greatest ceiling, 34 Pbit/s: at more the largest bucket that tc reads (2^32 bytes) is less than the microsecond in which
/// older ones of it count, so that nothing would be left of it.
pub const MAX_CEILING: Rate = Rate::from_bits(34_000_000_000_000_000);

/// The burst of a rate for which none was declared: 10 ms of it and 128 KiB at the least (20 ms above 2 Gbit/s), since
/// timers are late and GSO packets are 64 KiB; no more than the kernel's field holds (2^32 ticks of 64 ns, 274.9 s of the rate)
/// and tc reads (2^32 bytes).
///
/// ```
/// use netshape::policy::default_burst;
/// use netshape::{Bytes, Rate};
///
/// assert_eq!(default_burst(Rate::mbit(200)), Bytes(250_000));
/// assert_eq!(default_burst(Rate::mbit(1)), Bytes(128 << 10));
/// ```
#[must_use]
pub fn default_burst(rate: Rate) -> Bytes {
    let ms = if rate > Rate::gbit(2) { 20 } else { 10 };
    let wanted = rate.bytes_in_ms(ms).max(128 << 10);
    Bytes(wanted.min(most_bytes(rate.bytes_per_second().max(1))))
}

/// The limit in bytes of a leaf's queue: 25 ms of the ceiling, and room for one whole GSO packet and 5 % at the least,
/// since a queue that can't hold one drops them all.
///
/// ```
/// use netshape::Rate;
/// use netshape::policy::leaf_limit;
///
/// assert_eq!(leaf_limit(Rate::gbit(1), 65_536), 3_125_000);
/// assert_eq!(leaf_limit(Rate::mbit(1), 65_536), 68_813); // one GSO packet and 5 %
/// ```
#[must_use]
pub fn leaf_limit(ceiling: Rate, gso_max_size: u32) -> u32 {
    let gso = u64::from(gso_max_size);
    let limit = ceiling
        .bytes_in_ms(25)
        .max(gso.saturating_add(gso.div_ceil(20)));
    u32::try_from(limit).unwrap_or(u32::MAX)
}
