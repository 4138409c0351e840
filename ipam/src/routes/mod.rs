//! Where packets to a host's addresses go: the fewest prefixes, and how they get across.

mod device;
mod encapsulation;
mod held;
mod neighbours;
mod plan;
mod render;
mod table;

pub use device::{DeviceName, DeviceNameError};
pub use encapsulation::{
    Encapsulation, Node, RouteError, RoutePolicy, Tunnel, Wrap, encapsulation,
};
pub use neighbours::{EntryPlan, Forwarding, Neighbour};
pub use plan::{LeftAlone, ObservedRoute, RoutePlan, Step};
pub use render::{
    FrrMarks, IpMarks, RenderError, TunnelDevice, bird, forwarding, frr, ip_batch, link,
};
pub use table::{HostTable, NextHop, Peer, Route, TableError, TableOptions};

use crate::cidr::{Cidr, number};
use crate::state::Ipam;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// The difference between two sets of prefixes.
///
/// ```
/// use ipam::routes::RouteDelta;
///
/// let (before, after) = ("10.9.0.0/26".parse()?, "10.9.0.64/26".parse()?);
/// let delta = RouteDelta::between(&[before], &[after]);
/// assert_eq!((delta.add, delta.remove), (vec![after], vec![before]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RouteDelta {
    /// To be announced, most specific last.
    pub add: Vec<Cidr>,
    /// To be withdrawn.
    pub remove: Vec<Cidr>,
}

impl RouteDelta {
    /// What leads from `old` to `new`. Additions come before removals are made: longer prefixes win
    /// meanwhile.
    ///
    /// ```
    /// use ipam::routes::RouteDelta;
    ///
    /// let [a, b, c] = ["10.9.0.0/26".parse()?, "10.9.0.64/26".parse()?, "10.9.0.128/26".parse()?];
    /// let delta = RouteDelta::between(&[a, b], &[b, c]);
    /// assert_eq!((delta.add, delta.remove), (vec![c], vec![a]));
    /// # Ok::<(), ipam::net::ParseError>(())
    /// ```
    #[must_use]
    pub fn between(old: &[Cidr], new: &[Cidr]) -> Self {
        let (before, after): (BTreeSet<_>, BTreeSet<_>) =
            (old.iter().copied().collect(), new.iter().copied().collect());
        let mut add: Vec<Cidr> = after.difference(&before).copied().collect();
        add.sort_by_key(|c| c.prefix());
        Self {
            add,
            remove: before.difference(&after).copied().collect(),
        }
    }

    /// Whether nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }
}

impl Ipam {
    /// The fewest prefixes that cover a host's whole blocks and the single addresses it holds elsewhere,
    /// and nothing else. A block that is set aside and not in use yet has no route. What a host borrowed of
    /// another's block is always more specific than that block, however much of it that is; a block of one address
    /// that another host holds has no route. Linear in the claims.
    ///
    /// ```
    /// use ipam::{Ipam, PoolSpec, Request, Timestamp};
    ///
    /// let at = Timestamp::from_secs;
    /// let mut ipam = Ipam::new(7);
    /// ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.claim(at(1), &Request::new("container-1/eth0").host("h1"))?;
    /// let routes = ipam.routes("h1"); // one route for its block, however many addresses it has
    /// assert_eq!((routes.len(), routes[0].prefix()), (1, 26));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn routes(&self, host: &str) -> Vec<Cidr> {
        let Some(id) = self.host(host) else {
            return Vec::new();
        };
        let mut held = held::by_host(self, Some(id));
        held.remove(&id).map(held::prefixes).unwrap_or_default()
    }
}

/// Disjoint prefixes as few as possible: two halves of a prefix become that prefix.
///
/// ```
/// use ipam::routes::merged;
///
/// let halves = vec!["10.9.0.128/25".parse()?, "10.9.0.0/25".parse()?];
/// assert_eq!(merged(halves), ["10.9.0.0/24".parse()?]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn merged(mut parts: Vec<Cidr>) -> Vec<Cidr> {
    parts.sort_by_key(|c| (c.family(), number(c.first()), c.prefix()));
    let mut out: Vec<Cidr> = Vec::with_capacity(parts.len());
    for part in parts {
        if out.last().is_some_and(|last| last.contains(part.first())) {
            continue;
        }
        out.push(part);
        while let [.., low, high] = out.as_slice()
            && let Some(whole) = halves(*low, *high)
        {
            out.truncate(out.len() - 2);
            out.push(whole);
        }
    }
    out
}

fn halves(low: Cidr, high: Cidr) -> Option<Cidr> {
    let length = low.prefix().checked_sub(1)?;
    let whole = Cidr::containing(low.first(), length).ok()?;
    let fit = low.prefix() == high.prefix() && whole.contains(high.first()) && low != high;
    fit.then_some(whole)
}
