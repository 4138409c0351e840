//! Actions of filters: mirred and gact typed, others by name.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// `tc_mirred`: send a packet, or a copy, to another device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Mirred {
    /// Number of the action, shared when said; the kernel gives one where it is 0.
    pub index: u32,
    /// What comes after: 4 stolen, 3 pipe, 0 pass, 2 drop, ...
    pub action: i32,
    /// 1 egress redirect, 2 egress mirror, 3 ingress redirect, 4 ingress mirror.
    pub eaction: i32,
    /// The other device.
    pub ifindex: u32,
    /// `TCA_MIRRED_BLOCKID` instead of a device.
    pub block: Option<u32>,
    /// What may be said of any action; mostly nothing.
    pub extras: Option<Box<ActionExtras>>,
}

impl Mirred {
    /// As tc's JSON calls direction and action, joined: `egress_redirect`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self.eaction {
            1 => "egress_redirect",
            2 => "egress_mirror",
            3 => "ingress_redirect",
            4 => "ingress_mirror",
            _ => "unknown",
        }
    }
}

/// `tc_gact`: a plain verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Gact {
    /// Number of the action.
    pub index: u32,
    /// 0 pass, 2 drop, 3 pipe, ...
    pub action: i32,
    /// `TCA_GACT_PROB`: now and then another verdict.
    pub random: Option<GactRandom>,
    /// What may be said of any action; mostly nothing.
    pub extras: Option<Box<ActionExtras>>,
}

/// `tc_gact_p`: a verdict for one packet in so many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct GactRandom {
    /// 1 by chance, 2 counted.
    pub kind: u16,
    /// One packet in so many, 10,000 at most.
    pub chance: u16,
    /// The verdict, as in [`Gact::action`].
    pub action: i32,
}

/// What an action of any kind may carry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ActionExtras {
    /// `TCA_ACT_KIND` where that is not the action's own: tc of the later generation sends what it was told.
    pub kind: Option<String>,
    /// `TCA_ACT_COOKIE`: up to 16 bytes for whoever set it; empty: none.
    pub cookie: Vec<u8>,
    /// `TCA_ACT_HW_STATS`: value and selector of 1 immediate, 2 delayed, 0 disabled.
    pub hw_stats: Option<(u32, u32)>,
    /// `TCA_ACT_FLAGS`: value and selector of 1 no per-CPU counters, 2 not in hardware, 4 in hardware only.
    pub flags: Option<(u32, u32)>,
}

/// One action.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TcAction {
    /// To another device.
    Mirred(Mirred),
    /// A verdict.
    Gact(Gact),
    /// Of another kind.
    Other(String),
}
