//! Rates and sizes with the units that people write: [`Rate`] in bit/s, [`Bytes`].
//!
//! Ambiguous spellings (`50m`, `256k`, tc's `mbps`) are refused with what would be right.

mod parse;
mod rate;

pub use parse::UnitError;
pub use rate::{Bytes, Rate, TcRate};
