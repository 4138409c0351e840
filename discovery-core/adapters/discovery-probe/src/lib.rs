#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod counts;
mod exec;
mod grpc;
mod http;
mod limits;
mod outcomes;
mod probe;
mod prober;

pub use counts::{Counted, Counts};
pub use limits::{Limits, raise_descriptors};
pub use outcomes::Outcomes;
pub use prober::{Probes, probes};
