//! Which way traffic flows.

/// Which way traffic flows, seen from the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "lowercase")
)]
pub enum Direction {
    /// Into the container: shaped on the host's end of the veth.
    Ingress,
    /// Out of the container: shaped on the container's end, and shared on the uplink.
    Egress,
}

impl Direction {
    /// `ingress` or `egress`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}
