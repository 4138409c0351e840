//! What a class may claim of a shared capacity.

use crate::unit::Rate;

/// What a class is entitled to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entitlement {
    /// What it has whenever it wants it.
    pub guarantee: Rate,
    /// What it may reach.
    pub ceiling: Rate,
    /// Its share in what is spare, 1 at the least.
    pub weight: u32,
}
