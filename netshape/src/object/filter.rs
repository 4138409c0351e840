//! Filters.

use super::handle::Handle;
use super::u32::U32;
use alloc::boxed::Box;
use alloc::string::String;

/// What kind of filter, with its options.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FilterKind {
    /// Matches 32-bit words of the packet.
    U32(Box<U32>),
    /// Any other kind.
    Other(String),
}

impl FilterKind {
    /// The kind's name, as in `TCA_KIND`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::U32(_) => "u32",
            Self::Other(kind) => kind,
        }
    }
}

/// A filter on some device.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Filter {
    /// The qdisc, class or hook that it is on.
    pub parent: Handle,
    /// Chain; 0 unless given.
    pub chain: u32,
    /// Priority (`pref`): filters with lower numbers are asked first.
    pub prio: u16,
    /// Ethertype; 3 is all.
    pub protocol: u16,
    /// Handle within the priority; 0 for the row that stands for the priority itself.
    pub handle: u32,
    /// Kind and options.
    pub kind: FilterKind,
}
