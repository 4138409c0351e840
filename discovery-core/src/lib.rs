#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

mod config;
mod effect;
mod endpoint;
mod engine;
mod error;
mod health;
mod id;
mod input;
mod pick;
mod rng;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;
mod time;
mod warmup;

pub use config::ServiceConfig;
pub use effect::{Effect, Mode, Reason};
pub use endpoint::{Conditions, Endpoint, EndpointSpec, MAX_NAME, MAX_WEIGHT, Status, Warmth};
pub use engine::Engine;
pub use error::{ConfigError, InputError};
pub use health::{
    CheckKind, Checker, Flavour, HealthCheck, Outcome, Outliers, ProbeOutcome, Rate, Turn,
};
pub use id::{CentreId, EndpointId, NodeId, ServiceId, ZoneId};
pub use input::{Input, Target};
pub use pick::{Golden, Picker, Request};
pub use rng::Rng;
pub use sync::{
    ApplyError, Entry, MAX_TXN, Op, Registration, Registry, Standing, Why, diff, transactions,
};
pub use time::Timestamp;
pub use warmup::WarmUp;
