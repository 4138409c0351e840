//! What the kernel at hand can do, and which tc will read the plan.

use crate::ticks::{ROUNDING, TickRounding};

/// What the kernel at hand can do and which `tc` will read the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// How bursts are rounded to ticks.
    pub tick_rounding: TickRounding,
    /// Whether there is `fq_codel`; leaves are bfifo otherwise.
    pub fq_codel: bool,
    /// Largest GSO packet in bytes where no device says a larger one; taken as 65,536, which is Linux's own, where it is less.
    pub gso_max_size: u32,
    /// Buckets that differ by this many ticks at the most are taken as equal. 17 (1.1 µs) unless told otherwise: by so much do
    /// the roundings of two tcs differ at the most, and which tc carried the last plan out can't be seen.
    pub tick_tolerance: u32,
    /// Whether a foreign root qdisc on a device of ours may be replaced.
    pub takeover: bool,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            tick_rounding: TickRounding::Truncating,
            fq_codel: false,
            gso_max_size: 65_536,
            tick_tolerance: ROUNDING,
            takeover: false,
        }
    }
}
