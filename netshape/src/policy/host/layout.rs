//! The reserved numbers of the trees that are planned.

/// Major number of every root qdisc of ours: reserved, so that what is ours is known by it.
pub(crate) const MAJOR: u16 = 0xbe;

/// Minor number of the only class of a veth's tree, and its leaf's major.
pub(crate) const ONLY: u16 = 0x10;

/// Minor number of the class that stands for the whole uplink.
pub(super) const WHOLE: u16 = 1;

/// Minor number of the class of the host's own traffic.
pub(crate) const OWN: u16 = 2;
