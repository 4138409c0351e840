//! What one host should look like: its containers admitted against the uplink, each with a class of its own that stays.

mod admit;
pub(crate) mod capabilities;
mod change;
pub(crate) mod held;
pub(crate) mod layout;
pub(crate) mod member;
pub(crate) mod minors;
pub(crate) mod numbers;
mod promised;
mod quanta;
mod resume;
mod shared;
pub(crate) mod slot;
pub(crate) mod tree;
pub(crate) mod wanted;
pub(crate) mod weight;
