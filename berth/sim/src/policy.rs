//! Where a world's containers begin, and who moves them.

/// What is done about load: ours, or a baseline that it is held against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Policy {
    /// Placed by count of tasks; nothing moves.
    ByCount,
    /// Placed by the mean load of the first hour, largest first to the least loaded host; nothing moves.
    #[default]
    ByLoad,
    /// Placed by load. Off a host whose 10 s mean is above the safety capacity goes its largest task, to the
    /// emptiest host that may take it; no budgets, no forecast.
    Greedy,
    /// Placed by load; overload protection moves containers.
    Protected,
}

impl Policy {
    /// The baselines that every replay runs.
    pub const BASELINES: [Self; 3] = [Self::ByCount, Self::ByLoad, Self::Greedy];

    /// Its name in `baselines` of the answer.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ByCount => "by_count",
            Self::ByLoad => "by_load",
            Self::Greedy => "greedy",
            Self::Protected => "protected",
        }
    }

    /// What a column of the table is called.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::ByCount => "by count",
            Self::ByLoad => "by load",
            Self::Greedy => "greedy",
            Self::Protected => "protected",
        }
    }
}
