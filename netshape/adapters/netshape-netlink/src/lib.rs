#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg(target_os = "linux")]

mod error;
mod kernel;
mod links;
mod netns;
mod probe;
mod read;
mod socket;

pub use error::Error;
pub use kernel::NetlinkKernel;
pub use links::Link;
pub use probe::Probed;
pub use read::NamespaceDump;
