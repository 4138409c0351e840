//! The vocabulary that model tests and fuzz targets share; not a stable API.
#![allow(clippy::panic, reason = "a broken invariant must stop the test")]

mod elastic;
mod plan;
mod wire;

pub use elastic::{check_division, fuzz_elastic, naive_division};
pub use plan::{Op, World, fuzz_ops};
pub use wire::{fuzz_decode, fuzz_policy, fuzz_text};

/// Numbers drawn from some bytes; zeros once they are used up.
#[derive(Clone, Debug)]
pub struct Draws<'a>(pub &'a [u8]);

impl Draws<'_> {
    /// One byte.
    pub fn u8(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().map_or((0, &[][..]), |(f, r)| (*f, r));
        self.0 = rest;
        first
    }

    /// Four bytes.
    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes([self.u8(), self.u8(), self.u8(), self.u8()])
    }

    /// A number below `limit` (0 for a limit of 0).
    pub fn below(&mut self, limit: u32) -> u32 {
        self.u32().checked_rem(limit).unwrap_or(0)
    }

    /// A rate that leans on edges: nothing, one byte, powers of ten, the 32-bit boundary, anything.
    pub fn rate(&mut self) -> u64 {
        match self.u8() % 8 {
            0 => 0,
            1 => 8,
            2 => 8 * u64::from(u32::MAX),
            3 => 8 * (u64::from(u32::MAX) + 1),
            4 => 1_000_000 * u64::from(self.u8()),
            5 => 1_000_000_000 * u64::from(self.u8()),
            6 => u64::from(self.u32()),
            _ => u64::from(self.u32()) << (self.u8() % 32),
        }
    }

    /// Whether something is left.
    #[must_use]
    pub const fn more(&self) -> bool {
        !self.0.is_empty()
    }
}
