//! What a plan does not touch.

use crate::netlink::ObjectKind;
use crate::object::{DevName, Handle};
use alloc::string::String;

/// Something on a device of ours that is not ours and was not touched.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftAlone {
    /// `qdisc`, `class` or `filter`.
    pub object: ObjectKind,
    /// The device.
    pub device: DevName,
    /// Its handle.
    pub handle: Handle,
    /// Why it was not touched.
    pub reason: String,
}

/// Why something stays where nothing may be removed.
pub(super) const KEPT: &str = "a section of the policy is refused that does not say which device it is about, or names one that is not there, so nothing is removed on this host";
