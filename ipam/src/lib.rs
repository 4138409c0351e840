//! IP address management as a pure core: shared pools, sticky and fixed addresses that follow a workload,
//! quarantine, hand-over between hosts.
//!
//! ```
//! use ipam::{Ipam, PoolSpec, Request, Timestamp};
//!
//! let at = Timestamp::from_secs;
//! let mut ipam = Ipam::new(7);
//! let spec = PoolSpec::new("p", "10.9.0.0/22".parse()?).gateway("10.9.0.1".parse()?).vlan(120);
//! ipam.add_pool(at(0), spec)?;
//!
//! // A fixed address: whichever it is now, reserved to the workload from then on.
//! let request = Request::new("container-1/eth0").workload("shop/web-0").host("h1").fixed(&[]);
//! let first = ipam.claim(at(1), &request)?;
//!
//! // It moves, and is the new host's only once the old one has released it; a late release frees nothing.
//! ipam.begin_move(at(2), "shop/web-0", "h1", "h2")?;
//! assert!(ipam.finish_move(at(3), "shop/web-0", "container-2/eth0").is_err());
//! ipam.release(at(4), "container-1/eth0", first.sequence)?;
//! let second = ipam.finish_move(at(5), "shop/web-0", "container-2/eth0")?;
//! assert_eq!(second.address(), first.address());
//!
//! assert!(ipam.release(at(6), "container-1/eth0", first.sequence).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![doc = include_str!("../docs/guide.md")]
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

mod apply;
pub mod change;
mod check;
mod cidr;
pub mod claim;
mod claims;
mod clock;
pub mod collect;
mod decide;
mod departed;
mod directory;
mod forecast;
mod hash;
mod hosts;
mod identity;
mod index;
mod listing;
mod names;
pub mod net;
pub mod pool;
mod pools;
mod prefetch;
mod prefixes;
mod query;
mod retained;
pub mod rng;
pub mod routes;
mod slab;
#[cfg_attr(
    not(feature = "testing"),
    allow(
        unreachable_pub,
        dead_code,
        reason = "benches measure the bitmap alone, by way of `testing`"
    )
)]
mod slots;
mod spots;
mod state;
pub mod store;
mod subrange;
#[cfg(feature = "testing")]
pub mod testing;
mod time;
mod tokens;
mod workloads;

pub use change::Change;
pub use claim::{Grant, Request, Retention};
pub use identity::Identity;
pub use net::Cidr;
pub use pool::PoolSpec;
pub use state::Ipam;
pub use store::{Replica, Store};
pub use time::Timestamp;
