#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod admission;
mod balance;
mod endpoints;
mod follow;

pub use admission::{AdmissionLayer, Admitted};
pub use balance::{Balance, BalanceError, Policy};
pub use endpoints::Endpoints;
pub use follow::{Follow, FollowError};
