//! HTB classes.

use super::handle::Handle;
use super::rate_spec::RateSpec;

/// The options of an HTB class (`tc_htb_opt` and its companions).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[doc(alias = "tc_htb_opt")]
pub struct HtbClass {
    /// Guaranteed rate.
    pub rate: RateSpec,
    /// Ceiling, which it may reach by borrowing.
    pub ceil: RateSpec,
    /// Bucket of the rate, in ticks.
    pub buffer: u32,
    /// Bucket of the ceiling, in ticks.
    pub cbuffer: u32,
    /// Bytes that it sends per round of the deficit round robin; 0 leaves the number to the kernel.
    pub quantum: u32,
    /// 0 is served first, 7 last.
    pub prio: u32,
    /// 0 for leaves (only in dumps).
    pub level: u32,
}

impl HtbClass {
    /// Whether both have the same rates and buckets: ticks differ by `tolerance` at the most.
    #[must_use]
    pub fn same_rates(&self, other: &Self, tolerance: u32) -> bool {
        self.rate.is_equivalent(&other.rate)
            && self.ceil.is_equivalent(&other.ceil)
            && self.buffer.abs_diff(other.buffer) <= tolerance
            && self.cbuffer.abs_diff(other.cbuffer) <= tolerance
    }

    /// Whether both have the same quantum and priority. The kernel ignores changes of either on a class with children.
    #[must_use]
    pub const fn same_quantum_and_prio(&self, other: &Self) -> bool {
        self.quantum == other.quantum && self.prio == other.prio
    }
}

/// An HTB class on some device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Class {
    /// `1:10`.
    pub id: Handle,
    /// The class above, or the qdisc (`1:`), which a dump calls root.
    pub parent: Handle,
    /// Options.
    pub htb: HtbClass,
}
