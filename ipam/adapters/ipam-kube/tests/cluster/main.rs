//! Controllers against a double of the API server and a store in memory, on tokio's paused clock.

mod common;
mod crashes;
mod leaders;
mod lifecycle;
mod malformed;
mod random;
mod reports;
mod rights;
mod watches;
