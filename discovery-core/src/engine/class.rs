//! How an endpoint counts in its service.

/// How an endpoint counts in its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Class {
    /// Neither used nor counted: not ready, drained, going without serving, or of weight 0.
    #[default]
    Out,
    /// Ready, not yet checked: neither used nor counted.
    Pending,
    /// Ready, failing or ejected: counted, used in panic only.
    Failed,
    /// Ready, asks for less.
    Degraded,
    /// Ready and well.
    Good,
    /// On its way out and well: used when nothing else is.
    Fallback,
}

impl Class {
    /// Whether outlier detection may eject it: who takes no traffic anyway needs no ejection.
    pub(super) fn may_be_ejected(self) -> bool {
        matches!(self, Self::Good | Self::Degraded | Self::Failed)
    }

    /// Counts among the hosts that the cap on ejections is a share of.
    pub(super) fn counts_for_cap(self) -> bool {
        self.may_be_ejected() || self == Self::Pending
    }
}

/// How one member counts; regions by their ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) class: Class,
    pub(super) region: u32,
    /// What it would weigh if it were used: warm-up and its region's drain taken off.
    pub(super) weight: u32,
}
