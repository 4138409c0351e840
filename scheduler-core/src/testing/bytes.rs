//! Choices from bytes: past the end every choice is the first.

/// A reader of choices.
#[derive(Clone, Debug)]
pub struct Bytes<'a> {
    left: &'a [u8],
}

impl<'a> Bytes<'a> {
    /// Choices from these bytes.
    #[must_use]
    pub fn new(left: &'a [u8]) -> Self {
        Self { left }
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u32) -> u32 {
        let (first, rest) = match self.left {
            [first, rest @ ..] => (*first, rest),
            [] => (0, self.left),
        };
        self.left = rest;
        if bound == 0 {
            0
        } else {
            u32::from(first) % bound
        }
    }
}
