#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod driver;
pub mod endpoint;
pub mod engine;
pub mod health;
pub mod locality;
pub mod pick;
pub mod registry;
pub mod rng;
pub mod warm_up;

mod builder;
mod config;
mod duration;
mod effect;
mod error;
mod hash;
mod id;
mod input;
mod limits;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod testing;
mod time;

pub use driver::Driver;
pub use endpoint::{EndpointId, EndpointSpec};
pub use engine::{Effect, Engine, Input, InputError, ServiceConfig};
pub use pick::Picker;
pub use registry::Registry;
pub use time::Timestamp;
