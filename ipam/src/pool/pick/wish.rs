//! What is asked of a pool when an address is chosen, and what comes of it.

use crate::cidr::host_mask;
use crate::hash::mix;
use core::net::IpAddr;
use core::time::Duration;

/// A chosen address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pick {
    pub(crate) address: IpAddr,
    /// Its slot, where that was seen.
    pub(crate) slot: Option<u32>,
    /// It was to be in quarantine for this much longer.
    pub(crate) early: Option<Duration>,
    /// The host takes the address's block, whose generation was this.
    pub(crate) grab: Option<u64>,
}

/// A seeded draw, made where one is needed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw {
    pub(crate) seed: u64,
    pub(crate) turn: u64,
}

impl Draw {
    pub(crate) fn number(self) -> u64 {
        mix(self.seed ^ mix(self.turn))
    }

    /// A number below that of the addresses with so many bits.
    pub(crate) fn offset(self, bits: u8) -> u128 {
        let draw = u128::from(self.number());
        (draw << 64 | draw) & host_mask(bits)
    }
}

/// The requester.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Requester {
    /// The host's index, [`NOBODY`] for a host that is not known yet.
    pub(crate) host: u32,
    /// Where the host's search for blocks starts: an address, or a hash to derive it from.
    pub(crate) start: Start,
    /// Most blocks, by the host's own settings.
    pub(crate) block_limit: Option<u32>,
    /// The host gives its blocks up: it takes no new ones.
    pub(crate) draining: bool,
}

/// Where a host's search for blocks starts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start {
    /// Spread by the host's name.
    Hash(u64),
    /// At the block of this address.
    At(IpAddr),
}

/// Why a pool has nothing to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exhausted {
    /// No address is free.
    Full,
    /// There are free addresses, but in blocks this host may not use.
    Blocks { limit: Option<u32> },
}
