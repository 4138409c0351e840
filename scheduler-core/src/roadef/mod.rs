//! The text format of Google's machine reassignment problem (ROADEF/EURO Challenge 2012).

mod read;
mod tokens;

pub use read::{read_assignment, read_model, write_assignment};
pub use tokens::ReadError;
