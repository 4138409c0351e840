//! Places of containers.

/// A container's place in a [`Host`](crate::Host): stays its own until it is removed, then is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub(crate) u32);

impl Slot {
    /// As an index: slots are dense.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}
