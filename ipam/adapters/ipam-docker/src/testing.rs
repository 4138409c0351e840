//! What tests and the fuzz target share: an engine that is a model, whose messages are lost, and what must hold whatever happens.

mod checks;
mod fuzz;
mod world;

pub use fuzz::fuzz_calls;
pub use world::{Loss, Op, World};
