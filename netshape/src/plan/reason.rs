//! What is done in a step, and why.

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Action {
    /// Made; an error if it is there.
    Add,
    /// Changed in place; an error if it is not there.
    Change,
    /// Taken away.
    Delete,
}

impl Action {
    /// tc's word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Change => "change",
            Self::Delete => "delete",
        }
    }
}

/// Why a step is taken; [`Plan::reason`](crate::plan::Plan::reason) says it with the figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// It is wanted and not there.
    Missing,
    /// Its figures differ.
    Differs,
    /// It is no longer wanted.
    Stale,
    /// It stands where another is wanted, and can't be changed into that in place.
    InTheWay,
    /// A filter of somebody else's that comes before ours: it goes, and comes again behind ours.
    Moved,
    /// A filter of somebody else's that sends packets past our classes.
    Bypasses,
}
