//! What a pool is asked to be, and what makes such a wish impossible.

use super::pick::Start;
use crate::cidr::{AddressRange, Cidr, Family, host_mask, number};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

mod builder;
mod errors;
mod order;

pub(crate) use errors::name_fits;
pub use errors::{NameError, PoolError, check_name};
pub use order::{Affinity, Order};

/// How long addresses are in quarantine unless a pool is told otherwise.
pub(crate) const QUARANTINE: Duration = Duration::from_secs(60);

/// A pool as it is asked for. [`crate::Ipam::add_pool`] checks it.
///
/// ```
/// use ipam::PoolSpec;
/// use std::time::Duration;
///
/// let spec = PoolSpec::new("front", "10.9.0.0/22".parse()?)
///     .gateway("10.9.0.1".parse()?)
///     .exclude("10.9.3.0-10.9.3.255".parse::<ipam::net::AddressRange>()?)
///     .vlan(120)
///     .label("rack", "r1")
///     .quarantine(Duration::from_secs(300));
/// assert_eq!((spec.block_size, spec.vlan), (26, Some(120)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PoolSpec {
    /// Its name, unique, at most 253 bytes.
    pub name: String,
    /// Its addresses; IPv4 from /8 on, IPv6 of any length.
    pub cidr: Cidr,
    /// The gateway; inside the prefix it is never given out.
    pub gateway: Option<IpAddr>,
    /// Ranges that are never given out, asked for or not.
    pub excluded: Vec<AddressRange>,
    /// Ranges that are given out only when asked for by address.
    pub set_aside: Vec<AddressRange>,
    /// Give out the network's and the broadcast address too (routed pools without a segment).
    pub use_edges: bool,
    /// VLAN id, 1 to 4094.
    pub vlan: Option<u16>,
    /// Bridge that attachments join.
    pub bridge: Option<String>,
    /// Labels such as environment and zone, by which claims choose pools.
    pub labels: BTreeMap<String, String>,
    /// Prefix length of a block.
    pub block_size: u8,
    /// Which free address comes next.
    pub order: Order,
    /// How long a released address is in quarantine.
    pub quarantine: Duration,
    /// When nothing is free, take the address that has been in quarantine longest before its time.
    pub early_reuse: bool,
    /// What blocks mean to hosts.
    pub affinity: Affinity,
    /// Most blocks of this pool a host may have; it may still borrow.
    pub block_limit: Option<u32>,
    /// How old an empty block's emptiness must be before another host may take the block over.
    pub reclaim_after: Duration,
    /// How long a claim lasts unless renewed; without it, until released.
    pub lease: Option<Duration>,
    /// Whether it may hold link-local addresses (169.254.0.0/16, fe80::/10), which hosts give themselves.
    #[cfg_attr(feature = "serde", serde(default))]
    pub link_local: bool,
}

impl PoolSpec {
    /// Whether the pool never gives out an address, and why not.
    pub(crate) fn excludes(&self, address: IpAddr) -> Option<&'static str> {
        let cidr = self.cidr;
        if self.gateway == Some(address) {
            return Some("the gateway's");
        }
        // Most addresses lie between the edges.
        let (n, base, last) = (number(address), cidr.base(), cidr.last_number());
        let edge = !self.use_edges && (n <= base || n >= last);
        if edge && cidr.contains(address) && !cidr.usable().contains(address) {
            return Some("the network's or broadcast");
        }
        self.excluded
            .iter()
            .any(|r| r.contains(address))
            .then_some("in an excluded range")
    }

    /// Every range inside the prefix that is not for free use: excluded or set aside.
    pub(crate) fn barred(&self) -> impl Iterator<Item = AddressRange> + '_ {
        let whole = self.cidr.range();
        let edges = [self.cidr.first(), self.cidr.last()].into_iter();
        let edges = edges.filter(|&e| !self.use_edges && !self.cidr.usable().contains(e));
        let single = edges.chain(self.gateway).map(AddressRange::from);
        let listed = self.excluded.iter().chain(&self.set_aside).copied();
        single
            .chain(listed)
            .filter_map(move |r| r.intersection(whole))
    }

    /// Bits of an address within its block.
    pub(crate) fn block_bits(&self) -> u8 {
        let bits = self.cidr.family().bits();
        bits.saturating_sub(self.block_size).min(24)
    }

    /// The number of the block at which a host starts to search.
    pub(crate) fn start_block(&self, start: Start) -> u128 {
        let shift = self.block_bits();
        let count_bits = self.cidr.host_bits().saturating_sub(shift);
        match start {
            Start::At(address) if self.cidr.contains(address) => {
                (number(address) - self.cidr.base()) >> shift
            }
            Start::Hash(hash) => {
                (u128::from(hash) << 64 | u128::from(hash)) >> 3 & host_mask(count_bits)
            }
            Start::At(_) => 0,
        }
    }

    /// The first address at `from` or above that may be given out without being asked for, as a number.
    pub(crate) fn next_usable(&self, from: u128) -> Option<u128> {
        next_outside(from, self.cidr.last_number(), || self.barred())
    }

    /// Refuses prefixes of which no container may have an address. Not asked of stored pools: what was given
    /// stays given.
    pub(crate) fn check_range(&self) -> Result<(), PoolError> {
        let own = self.cidr.range().numbers();
        let fits = |&&(family, first, last, reserved): &&(Family, u128, u128, &str)| {
            let overlaps = family == self.cidr.family() && own.0 <= last && own.1 >= first;
            overlaps && !(self.link_local && reserved == LINK_LOCAL)
        };
        match RESERVED.iter().find(fits) {
            None => Ok(()),
            Some(&(.., reserved)) => Err(PoolError::Reserved {
                given: self.cidr,
                reserved,
            }),
        }
    }

    /// Refuses what cannot be: see [`PoolError`].
    pub(crate) fn check(&self) -> Result<(), PoolError> {
        let cidr = self.cidr;
        name_fits(&self.name).map_err(PoolError::Name)?;
        if cidr.family() == Family::V4 && cidr.prefix() < 8 {
            return Err(PoolError::TooLarge {
                given: cidr,
                limit: 8,
            });
        }
        // Dense pools hold blocks of any size; sparse ones materialise whole blocks, so these are bounded.
        let (least, most) = match super::layout::is_sparse(cidr) {
            true => (cidr.prefix().max(112), 122),
            false => (cidr.prefix(), cidr.family().bits()),
        };
        if !(least..=most).contains(&self.block_size) {
            let given = self.block_size;
            return Err(PoolError::BlockSize { given, least, most });
        }
        if self.vlan.is_some_and(|v| !(1..=4094).contains(&v)) {
            return Err(PoolError::Vlan(self.vlan.unwrap_or_default()));
        }
        let outside = |&&r: &&AddressRange| !r.overlaps(cidr.range());
        if let Some(&range) = self.excluded.iter().chain(&self.set_aside).find(outside) {
            return Err(PoolError::Outside { range, cidr });
        }
        if self.gateway.is_some_and(|g| Family::of(g) != cidr.family()) {
            return Err(PoolError::Gateway {
                family: cidr.family(),
            });
        }
        let given = self.excluded.len().max(self.set_aside.len());
        if given > MOST_RANGES {
            return Err(PoolError::TooManyRanges {
                given,
                limit: MOST_RANGES,
            });
        }
        let given = self.labels.len();
        if given > MOST_LABELS {
            return Err(PoolError::TooManyLabels {
                given,
                limit: MOST_LABELS,
            });
        }
        for text in self
            .labels
            .iter()
            .flat_map(|(k, v)| [k, v])
            .chain(&self.bridge)
        {
            if text.len() > crate::names::LONGEST {
                return Err(PoolError::Name(NameError::Long { given: text.len() }));
            }
        }
        Ok(())
    }
}

/// The first number at `from` or above, and up to the last, that is in none of some ranges.
pub(crate) fn next_outside<I: Iterator<Item = AddressRange>>(
    mut from: u128,
    last: u128,
    ranges: impl Fn() -> I,
) -> Option<u128> {
    while from <= last {
        let over = ranges().find(|r| (r.numbers().0..=r.numbers().1).contains(&from));
        match over {
            None => return Some(from),
            Some(range) => from = range.numbers().1.checked_add(1)?,
        }
    }
    None
}

const LINK_LOCAL: &str =
    "link-local addresses, which hosts give themselves; link_local (--link-local) allows them";

/// Ranges of which no container may have an address (IANA's special-purpose registries: RFC 6890, RFC 4291).
const RESERVED: [(Family, u128, u128, &str); 10] = [
    (
        Family::V4,
        0,
        0x00ff_ffff,
        "addresses of \"this network\" (0.0.0.0/8)",
    ),
    (
        Family::V4,
        0x7f00_0000,
        0x7fff_ffff,
        "loopback addresses (127.0.0.0/8)",
    ),
    (Family::V4, 0xa9fe_0000, 0xa9fe_ffff, LINK_LOCAL),
    (
        Family::V4,
        0xe000_0000,
        0xefff_ffff,
        "multicast addresses (224.0.0.0/4)",
    ),
    (
        Family::V4,
        0xf000_0000,
        0xffff_ffff,
        "reserved addresses (240.0.0.0/4)",
    ),
    (
        Family::V6,
        0,
        1,
        "the unspecified and the loopback address (::, ::1)",
    ),
    (
        Family::V6,
        0xffff << 32,
        0xffff << 32 | 0xffff_ffff,
        "IPv4-mapped addresses (::ffff:0:0/96)",
    ),
    (
        Family::V6,
        2,
        0xffff_ffff,
        "IPv4-compatible addresses (::/96)",
    ),
    (Family::V6, 0xfe80 << 112, (0xfec0 << 112) - 1, LINK_LOCAL),
    (
        Family::V6,
        0xff << 120,
        u128::MAX,
        "multicast addresses (ff00::/8)",
    ),
];

/// Most excluded ranges of one pool: each allocation by address looks through them.
const MOST_RANGES: usize = 4096;
/// Most labels of one pool: its record, which every claim reads, stays below some ten kilobytes.
const MOST_LABELS: usize = 64;
