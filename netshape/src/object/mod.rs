//! What a kernel has on a device, in its own terms (byte/s and ticks): qdiscs, HTB classes, filters, and what names them.
//!
//! [`Device`] holds the objects of one device, wanted or observed; [`DevName`] says which device, [`Netns`] where it is,
//! [`Handle`] which object. What is planned, encoded, decoded and compared is made of these.

pub(crate) mod action;
mod check;
pub(crate) mod class;
pub(crate) mod dev_name;
pub(crate) mod device;
pub(crate) mod filter;
pub(crate) mod handle;
pub(crate) mod name;
pub(crate) mod netns;
pub(crate) mod qdisc;
pub(crate) mod rate_spec;
pub(crate) mod u32;

pub use action::{ActionExtras, Gact, GactRandom, Mirred, TcAction};
pub use class::{Class, HtbClass};
pub use dev_name::DevName;
pub use device::Device;
pub use filter::{Filter, FilterKind};
pub use handle::{Handle, HandleError};
pub use netns::Netns;
pub use qdisc::{Estimator, Extras, FqCodel, Htb, Other, Qdisc, QdiscKind, Stab, Tbf};
pub use rate_spec::RateSpec;
pub use u32::{U32, U32Key, U32Mark, U32Part, U32Sel};
