//! The verdict of an endpoint's active checks.

use core::fmt;

/// What the checks say of an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Status {
    /// Not yet checked; takes no traffic, and nothing is said about it to a registry that knows it.
    #[default]
    Unknown,
    /// Passes.
    Passing,
    /// Passes, but asks for less: used when the healthy ones do not suffice.
    Degraded,
    /// Fails.
    Failing,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::Passing => "passing",
            Self::Degraded => "degraded",
            Self::Failing => "failing",
        })
    }
}
