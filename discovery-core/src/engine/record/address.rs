//! A socket address in 16 bytes rather than 32: most are IPv4.

use alloc::boxed::Box;
use core::net::{SocketAddr, SocketAddrV4, SocketAddrV6};

/// A socket address; the rarer IPv6 is boxed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    V4(SocketAddrV4),
    V6(Box<SocketAddrV6>),
}

impl Address {
    pub(super) fn get(&self) -> SocketAddr {
        match self {
            Self::V4(address) => SocketAddr::V4(*address),
            Self::V6(address) => SocketAddr::V6(**address),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(address) => Self::V4(address),
            SocketAddr::V6(address) => Self::V6(Box::new(address)),
        }
    }
}
