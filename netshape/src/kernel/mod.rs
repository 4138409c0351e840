//! The seam to a kernel, a driver over it, and a model of the kernel that plans are tried on.
//!
//! [`Kernel`] is what an adapter implements by sockets or commands; [`Driver`] observes, plans and carries out over it, in any
//! runtime, and never holds a [`Host`](crate::Host) while it waits; [`apply_or_undo`] carries one plan out whole or not at all.
//!
//! [`KernelModel`] answers requests as Linux 6.18 does, silent acceptances included (a parent class that is missing makes a root
//! class; a change of parent is taken and ignored; a filter may point at no class). It is checked against the dumps of every
//! captured set-up.

mod class;
mod driver;
mod error;
mod filter;
mod model;
mod properties;
mod qdisc;
mod seam;
mod undo;

pub use driver::{Driver, Outcome};
pub use error::KernelError;
pub use model::KernelModel;
pub use properties::DeviceProperties;
pub use seam::{Applied, Kernel, Request};
pub use undo::{Failure, Transaction, apply_or_undo, take_back};
