//! Traffic-shaping plans as a pure core: a bandwidth policy becomes an exact HTB tree and the smallest in-place change.
//!
//! Declare a guarantee and a ceiling per container and direction; [`Host`] admits them against the uplink and knows the
//! exact tree of every device; [`diff`] says which steps lead there from what is observed in a [`Kernel`], what each
//! step may cost in packets ([`Loss`]) and how to take it back; [`Elastic`] divides spare bandwidth anew each second.
//! Nothing here touches a socket, a clock or a file.
//!
//! ```
//! use core::time::Duration;
//! use netshape::*;
//!
//! let uplink = Uplink::new("eth0", Rate::gbit(10), Rate::mbit(200))?;
//! let mut host = Host::new(Some(uplink), vec![Tier::new("gold", 4)?], Capabilities::default())?;
//! let shape = Shape::new(Rate::mbit(50), "200mbit".parse()?)?;
//! let web = Container::new("web-1", "veth1a2b")?.in_tier("gold");
//! let web = web.shaped(Direction::Ingress, shape).shaped(Direction::Egress, shape);
//! let slot = host.insert(web)?; // or a `Refusal` that says why, with the figures
//!
//! let mut kernel = Kernel::new(); // what is observed; here a model without anything on its devices
//! for name in host.device_names() {
//!     kernel.put_device(name, Device::new());
//! }
//! let plan = diff(&kernel, &host); // or `diff_touched`: only what changed since the last plan
//! println!("{}", plan.batch());
//! kernel.apply_all(&plan).map_err(|(_, e)| e)?;
//! assert!(diff(&kernel, &host).is_empty());
//!
//! let mut elastic = Elastic::new(Rate::mbit(150), ElasticConfig::default());
//! elastic.set(slot, host.terms(slot, Direction::Egress));
//! let used = [Usage { sent: Rate::mbit(49), ..Usage::default() }];
//! if !elastic.step(Duration::from_secs(1), &used).is_empty() {
//!     elastic.carry_into(&mut host, Direction::Egress);
//!     let plan = diff_touched(&kernel, &mut host); // one `class change`, nothing is lost
//!     assert_eq!((plan.len() as u64, elastic.allocated()), (plan.losses().free, Rate::mbit(150)));
//!     kernel.apply_all(&plan).map_err(|(_, e)| e)?;
//! }
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

mod device;
mod elastic;
#[cfg(feature = "serde")]
mod file;
mod handle;
mod host;
mod kernel;
mod object;
mod plan;
mod policy;
mod rate;
mod refusal;
#[cfg(feature = "serde")]
mod show;
mod shown;
mod tc;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod testing;
mod ticks;
mod unit;
pub mod wire;

pub use device::{DevName, Device};
pub use elastic::{Change, Claim, Elastic, ElasticConfig, Scratch, Terms, Usage, divide};
#[cfg(feature = "serde")]
pub use file::{
    ContainerSection, HostSection, PolicyFile, ShapeSection, TierSection, UplinkSection,
};
pub use handle::{Handle, HandleError};
pub use host::{Capabilities, Host, Slot};
pub use kernel::{Facts, Kernel, KernelError};
pub use object::{
    Class, Estimator, Extras, Filter, FilterKind, FqCodel, Htb, HtbClass, Other, Qdisc, QdiscKind,
    RateSpec, Stab, Tbf,
};
pub use plan::{
    Action, Before, LeftAlone, Loss, Losses, Object, Op, Plan, Reason, Redirect, diff, diff_touched,
};
#[cfg(feature = "serde")]
pub use plan::{LeftDocument, OpDocument, PlanDocument, RefusedDocument};
pub use policy::{
    Container, Direction, Inside, LEAST_BURST, Shape, Tier, Uplink, default_burst, leaf_limit,
};
pub use rate::{Bytes, Rate, TcRate};
pub use refusal::{Refusal, RefusalKind};
#[cfg(feature = "serde")]
pub use show::{Observed, ObservedDevice, ShowError};
pub use shown::{Lossy, Reading, Shown, read_tc_text};
#[cfg(feature = "serde")]
pub use shown::{TcJsonError, read_tc_json};
pub use tc::{IfIndexes, TcError, parse_line};
pub use ticks::{Era, bytes_of};
pub use unit::UnitError;
