//! A model of the kernel that plans are tried on.
//!
//! [`KernelModel`] answers requests as Linux 6.18 does, silent acceptances included (a parent class that is missing makes a root
//! class; a change of parent is taken and ignored; a filter may point at no class). It is checked against the dumps of every
//! captured set-up.

mod class;
mod error;
mod facts;
mod filter;
mod model;
mod qdisc;

pub use error::KernelError;
pub use facts::DeviceProperties;
pub use model::KernelModel;
