//! What a host holds of each container and tier, and what of it changed.

use super::slot::Slot;
use crate::object::DevName;
use crate::policy::container::Container;
use crate::policy::direction::Direction;
use crate::policy::uplink::Tier;
use crate::unit::Rate;
use alloc::boxed::Box;

/// A container that was admitted.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) container: Container,
    /// Minor number of its class on the uplink.
    pub(crate) minor: u16,
    /// Index of its tier.
    pub(crate) tier: Option<u16>,
    pub(crate) weight: u32,
    /// What elastic division gave it, by direction.
    pub(crate) allocated: [Option<Rate>; 2],
    /// Its number in the policy file.
    pub(super) place: Option<u32>,
}

/// A tier and the class it has on the uplink.
#[derive(Clone, Debug)]
pub(crate) struct TierClass {
    pub(crate) tier: Tier,
    pub(crate) minor: u16,
    /// Sum promised to its members, by direction.
    pub(crate) promised: [Rate; 2],
}

/// A part of the wanted state that changed since the last plan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Touch {
    /// The whole uplink: the host is new.
    Uplink,
    /// A class on the uplink by minor number, with its leaf.
    Class(u16),
    /// The addresses by which packets on the uplink come into classes.
    Addresses,
    /// A container's own device.
    Device(Slot, Direction),
    /// A device that is shaped no more.
    Dropped(Box<DevName>),
    /// A veth that is redirected to an ifb no more.
    Unhooked(Box<DevName>),
}
