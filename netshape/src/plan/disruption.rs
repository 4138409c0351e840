//! What a step may cost in packets.

/// What a step may cost in packets, measured on Linux 6.18. Ordered: each costs at least what the ones before it do. [`diff`](crate::plan::diff)
/// returns the least disruptive plan that leads to the wanted tree.
///
/// | class | steps |
/// | --- | --- |
/// | `Free` | `class change`, a queue's limit, new classes and queues that no traffic reaches yet, filters |
/// | `Refills` | a token bucket changed in place (never planned; counted for those who plan it themselves) |
/// | `LosesLeaf` | a queue of another kind, a class that is deleted, the first child of a class with a queue |
/// | `LosesAll` | the first root qdisc on a device with a queue of its own |
/// | `Unshaped` | a root qdisc deleted |
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
#[doc(alias = "loss")]
pub enum Disruption {
    /// No packet is lost and no bucket is refilled.
    Free,
    /// No packet is lost; the bucket is filled anew, so one burst more passes.
    Refills,
    /// Packets queued in one leaf are lost.
    LosesLeaf,
    /// Packets queued on the device are lost.
    LosesAll,
    /// Packets queued on the device are lost, and traffic passes unshaped until later steps are done.
    Unshaped,
}

impl Disruption {
    /// The name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Refills => "refills",
            Self::LosesLeaf => "loses_leaf",
            Self::LosesAll => "loses_all",
            Self::Unshaped => "unshaped",
        }
    }
}

/// How many steps a plan has of each [`Disruption`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Disruptions {
    /// Steps that cost nothing.
    pub free: u64,
    /// Steps that refill a bucket.
    pub refills: u64,
    /// Steps that lose one leaf's queue.
    pub loses_leaf: u64,
    /// Steps that lose a device's queues.
    pub loses_all: u64,
    /// Steps that open an unshaped window.
    pub unshaped: u64,
}

impl Disruptions {
    /// Counts one step.
    pub const fn count(&mut self, disruption: Disruption) {
        match disruption {
            Disruption::Free => self.free += 1,
            Disruption::Refills => self.refills += 1,
            Disruption::LosesLeaf => self.loses_leaf += 1,
            Disruption::LosesAll => self.loses_all += 1,
            Disruption::Unshaped => self.unshaped += 1,
        }
    }

    /// The sums of both.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            free: self.free + other.free,
            refills: self.refills + other.refills,
            loses_leaf: self.loses_leaf + other.loses_leaf,
            loses_all: self.loses_all + other.loses_all,
            unshaped: self.unshaped + other.unshaped,
        }
    }
}
