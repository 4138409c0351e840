//! Test support: where shared data and recorded vectors are found, and a harness for tests that need them.
//!
//! - Data: `$BERTH_SHARED`, default `../shared` beside the checkout ([`shared`], [`data`]).
//! - Vectors: `$BERTH_VECTORS`, default `$BERTH_SHARED/vectors` ([`vectors`], [`VectorFile`]).
//! - Servers: real etcd on loopback, for the length of a test ([`etcd`]), and certificates ([`authority`]).
//! - Networks: namespaces, links and programs in them, for the length of a test ([`netns`]).
//! - A whole kernel under qemu, for what the own one may lack ([`emulated`]).
//! - Programs that run beside a test: what they say, signals, their metrics ([`running`]).
//! - Proxies: real Envoy, HAProxy and nginx on loopback, and backends behind them ([`proxies`]).
//! - Plugins: CNI plugins as processes, and host-local's recorded runs replayed against one ([`cni`]).
//! - Harness: a test target with `harness = false` lists its tests and what each needs ([`tests!`]). A test whose need
//!   is not met is reported as `ignored`, never as `ok`, and one line on standard error says why:
//!   `SKIPPED <id>: <reason>`. CI compares the ids with `.ci/allowed-skips` and fails on any other.
#![forbid(unsafe_code)]

pub mod authority;
pub mod cni;
pub mod contract;
pub mod emulated;
pub mod etcd;
mod fields;
mod harness;
pub mod netns;
mod places;
pub mod proxies;
pub mod running;
mod vectors;

pub use fields::{field, list, only, text, texts};
pub use harness::{Need, Test, run};
pub use places::{data, shared, vectors};
pub use serde_json::Value;
pub use vectors::VectorFile;
