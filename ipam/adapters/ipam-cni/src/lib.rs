//! A CNI IPAM plugin on [`ipam`]: the configuration of host-local, the answers of CNI 0.1.0 to 1.1.0, the store of whoever calls.
//!
//! The binary `berth-cni` of the package `berth-cli` is this crate with a store, a clock and a process's streams. A call is
//! read ([`Call::read`]), carried out ([`Allocator`]) and answered ([`result`], [`Refusal::to_json`]):
//!
//! ```
//! use ipam::{Timestamp, store::{MemoryStore, ready}};
//! use ipam_cni::{Allocator, Call, Cursors, Dns, Environment, Reserved, result};
//!
//! let mut environment = Environment::default();
//! environment.command = "ADD".into();
//! environment.container = "c1".into();
//! environment.namespace = "/var/run/netns/c1".into();
//! environment.interface = "eth0".into();
//! environment.path = "/opt/cni/bin".into();
//! let stdin = br#"{"cniVersion": "1.1.0", "name": "front", "ipam": {"type": "berth-cni", "subnet": "10.9.0.0/24"}}"#;
//! let Call::Add(config) = Call::read(&environment, stdin)? else { unreachable!() };
//!
//! let mut allocator = Allocator::new(MemoryStore::default(), 7, Cursors::new(None));
//! let add = allocator.add(Timestamp::from_secs(1), &config, || Ok(Reserved::default()), |_| std::future::ready(()));
//! let addresses = ready(add).expect("a store in memory never waits")?;
//! assert_eq!(result(&config, &addresses, &Dns::default())["ips"][0]["address"], "10.9.0.2/24");
//! # Ok::<(), ipam_cni::Refusal>(())
//! ```
//!
//! It checks no namespace, reads no name servers and opens no store: that is the binary's. [`Reserved::read`] reads a folder of
//! host-local's.
#![forbid(unsafe_code)]

mod allocator;
mod answer;
mod arguments;
mod claims;
mod config;
mod environment;
mod error;
mod field;
mod files;
mod given;
mod network;
mod pools;
mod reconcile;
mod route;
mod settings;
#[cfg(feature = "testing")]
pub mod testing;
mod version;

pub use allocator::Allocator;
pub use answer::{Address, Dns, result, usage, versions};
pub use config::{Call, Config, check_network_name};
pub use environment::Environment;
pub use error::{Code, Refusal};
pub use files::{Cursors, Reserved};
pub use settings::{EtcdSettings, Retain, Settings, StoreName};
pub use version::Version;
