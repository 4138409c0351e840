#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

mod centres;
mod config;
mod driver;
mod effect;
mod endpoint;
mod engine;
mod error;
mod health;
mod id;
mod input;
mod pick;
mod rng;
mod seam;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;
mod time;
mod warmup;

pub use centres::{
    Balancer, Failover, Fare, Loads, Locality, MAX_PRIORITIES, Member, Policy, PriorityHealth,
    PriorityRules, Seen, ZoneRules, compact, locality_priority, locality_weight, priority_loads,
    usable, zone_shares, zone_weights,
};
pub use config::ServiceConfig;
pub use driver::Driver;
pub use effect::{Effect, Mode, Reason};
pub use endpoint::{
    Conditions, Endpoint, EndpointSpec, MAX_DRAINS, MAX_HINTS, MAX_NAME, MAX_WEIGHT, Status, Warmth,
};
pub use engine::{Engine, Reconciled, Snapshot};
pub use error::{ConfigError, InputError, RestoreError};
pub use health::{
    CALM, CheckKind, Checker, Flavour, HealthCheck, Outcome, Outliers, ProbeOutcome, Rate,
    SuccessRates, Turn, success_rate_threshold,
};
pub use id::{CentreId, EndpointId, NodeId, ServiceId, ZoneId};
pub use input::{Input, Target};
pub use pick::{Alias, Choices, Edf, Golden, Maglev, PeakEwma, Picker, Request, Smooth, Stride};
#[cfg(target_has_atomic = "64")]
pub use pick::{Board, Follower};
pub use rng::Rng;
pub use seam::{Prober, Sink, Source};
pub use sync::{
    AntiEntropy, ApplyError, Entry, MAX_TXN, Op, Registration, Registry, Standing, Why, diff,
    scale_factor, transactions,
};
pub use time::Timestamp;
#[cfg(target_has_atomic = "64")]
pub use warmup::{Admission, AdmissionRules, Curve};
pub use warmup::{Answer, SentinelWarmUp, WarmUp};
