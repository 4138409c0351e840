//! What the kernel at hand can do, and which tc will read the plan.

use crate::ticks::{ROUNDING, TickRounding};

/// What the kernel at hand can do and which `tc` will read the plan. The default assumes little: an iproute2 up to 6.14, no
/// `fq_codel`, and that nothing foreign may be replaced.
///
/// ```
/// use netshape::Capabilities;
/// use netshape::tc::TickRounding;
///
/// let modern = Capabilities::default().with_fq_codel(true).with_tick_rounding(TickRounding::Ceil);
/// assert!(modern.fq_codel && !modern.takeover);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
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

impl Capabilities {
    /// Says how the tc that will read the plan rounds bursts to ticks.
    #[must_use]
    pub const fn with_tick_rounding(mut self, tick_rounding: TickRounding) -> Self {
        self.tick_rounding = tick_rounding;
        self
    }

    /// Says whether the kernel has `fq_codel`.
    #[must_use]
    pub const fn with_fq_codel(mut self, fq_codel: bool) -> Self {
        self.fq_codel = fq_codel;
        self
    }

    /// Sets the largest GSO packet in bytes, where no device says a larger one.
    #[must_use]
    pub const fn with_gso_max_size(mut self, gso_max_size: u32) -> Self {
        self.gso_max_size = gso_max_size;
        self
    }

    /// Sets by how many ticks buckets may differ and count as equal.
    #[must_use]
    pub const fn with_tick_tolerance(mut self, tick_tolerance: u32) -> Self {
        self.tick_tolerance = tick_tolerance;
        self
    }

    /// Says whether what is foreign and in the way may be replaced or moved.
    #[must_use]
    pub const fn with_takeover(mut self, takeover: bool) -> Self {
        self.takeover = takeover;
        self
    }
}
