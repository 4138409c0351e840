#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod assignment;
mod envoy;
mod file;
mod haproxy;
mod nginx;
mod sink;

pub use assignment::{Assignment, Assignments, Member};
pub use envoy::{EnvoyFile, discovery_response};
pub use haproxy::Haproxy;
pub use nginx::{NginxFile, upstreams};
pub use sink::{Proxy, ProxyError, ProxySink, Report, Synced};
