#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod elastic;
pub mod kernel;
pub mod netlink;
pub mod object;
pub mod observe;
pub mod plan;
pub mod policy;
pub mod tc;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod testing;
pub mod text;
mod ticks;
pub mod unit;

pub use object::{DevName, Device, Netns};
pub use observe::ObservedState;
pub use policy::{Capabilities, Container, Direction, Host, Refusal, Shape, Tier, Uplink};
pub use unit::{Bytes, Rate};
