//! What a class may claim of a shared capacity.

use crate::unit::Rate;

/// What a class is entitled to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entitlement {
    /// Guaranteed rate: it gets this whenever it wants it.
    pub guarantee: Rate,
    /// Ceiling: it never gets more.
    pub ceiling: Rate,
    /// Its share in what is spare, 1 at the least.
    pub weight: u32,
}

impl Entitlement {
    /// A class with a guarantee and a ceiling, of weight 1.
    #[must_use]
    pub const fn new(guarantee: Rate, ceiling: Rate) -> Self {
        Self {
            guarantee,
            ceiling,
            weight: 1,
        }
    }

    /// Sets its share in what is spare.
    #[must_use]
    pub const fn with_weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }
}
