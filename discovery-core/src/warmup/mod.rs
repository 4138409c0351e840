//! Warm-up on both sides: the weight a caller gives a cold endpoint, and what a cold callee admits.

mod shape;

pub use shape::WarmUp;
