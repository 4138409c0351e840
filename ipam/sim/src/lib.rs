//! A deterministic simulation of hosts that share pools of addresses through one store.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod agent;
mod answers;
mod bug;
mod check;
mod disk;
mod driver;
mod faults;
mod figures;
mod net;
mod next;
mod operator;
mod run;
mod setup;
mod stopwatch;
mod view;
mod world;

pub use bug::Bug;
pub use figures::{Messages, messages};
pub use run::{Options, Outcome, run};
