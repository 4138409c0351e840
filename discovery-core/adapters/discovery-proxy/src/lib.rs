#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod assignment;
mod envoy;
mod file;
mod haproxy;
mod load;
mod nginx;
mod sink;
#[cfg(feature = "xds")]
mod xds;

pub use assignment::{Assignment, Assignments, Member};
pub use envoy::{EnvoyFile, discovery_response};
pub use haproxy::Haproxy;
pub use nginx::{NginxFile, upstreams};
pub use sink::{Proxy, ProxyError, ProxySink, Report, Synced};
#[cfg(feature = "xds")]
pub use xds::{XdsCounted, XdsCounts, XdsServer};
