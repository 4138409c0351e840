//! Where packets to a host's addresses go: the fewest prefixes, and how they get across.

use crate::cidr::{Cidr, Family, number};
use crate::pool::blocks::BlockState;
use crate::state::Ipam;
use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;

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
    /// and nothing else. A block that is set aside and not in use yet has no route. Linear in the claims.
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
        let mut parts = Vec::new();
        for (_, pool) in self.pools.iter() {
            let blocks = pool
                .blocks()
                .hosts
                .get(id)
                .into_iter()
                .flat_map(|h| h.all.iter());
            let routed = blocks.filter(|&b| pool.blocks().get(b).state != BlockState::Pending);
            parts.extend(routed.map(|b| pool.block_cidr(b)));
        }
        for (_, claim) in self.claims.iter().filter(|(_, c)| c.host == id) {
            for (family, spot) in claim.spots.iter() {
                let Some(pool) = self.pools.get(spot.pool) else {
                    continue;
                };
                let block = pool.blocks().get(pool.block_of(spot.slot));
                let own = block.host == id && block.state != BlockState::Pending;
                let single = Cidr::new(pool.address(spot.slot), family.bits()).ok();
                parts.extend(single.filter(|_| !own));
            }
        }
        merged(parts)
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

/// When packets between hosts are wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Wrap {
    /// Never.
    Never,
    /// Between subnets, not inside one.
    CrossSubnet,
    /// Always.
    Always,
}

/// How packets are wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum Tunnel {
    /// IP in IP (RFC 2003): IPv4 in IPv4 only.
    Ipip,
    /// VXLAN (RFC 7348).
    Vxlan,
}

/// How hosts reach each other's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RoutePolicy {
    /// When to wrap.
    pub wrap: Wrap,
    /// How.
    pub tunnel: Tunnel,
    /// Whether the gateways between subnets learn the routes (BGP, say). If not, a plain route across
    /// subnets ends at a gateway that drops its packets.
    pub gateways_know: bool,
}

/// A host in the network that carries the others' packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its address.
    pub address: IpAddr,
    /// The subnet in which it can deliver directly.
    pub subnet: Cidr,
}

/// How a route goes across.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum Encapsulation {
    /// Plain: the next hop is the host.
    None,
    /// Wrapped in IP.
    Ipip,
    /// Wrapped in VXLAN.
    Vxlan,
}

impl Encapsulation {
    /// `none`, `ipip`, `vxlan`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Ipip => "ipip",
            Self::Vxlan => "vxlan",
        }
    }
}

/// Why a policy cannot carry packets between two hosts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// A plain route would be given a next hop that cannot deliver it.
    #[error(
        "a plain route from `{from}` ({from_subnet}) to `{to}` ({to_address}) would go to a gateway that does not know it: wrap across subnets, or let the gateways learn the routes"
    )]
    Gateway {
        /// The sending host.
        from: String,
        /// Its subnet.
        from_subnet: Cidr,
        /// The receiving host.
        to: String,
        /// Its address.
        to_address: IpAddr,
    },
    /// IPIP carries IPv4 over IPv4.
    #[error("IPIP cannot carry {family} from `{from}` to `{to}` over {under}: use VXLAN")]
    Ipip {
        /// The sending host.
        from: String,
        /// The receiving host.
        to: String,
        /// The family of the addresses.
        family: Family,
        /// The family of the hosts' own addresses.
        under: Family,
    },
    /// The hosts' own addresses are of two families.
    #[error("`{from}` and `{to}` have addresses of different families")]
    Families {
        /// The sending host.
        from: String,
        /// The receiving host.
        to: String,
    },
}

/// How packets of `family` go from one host to another: plain inside the sender's subnet (unless the policy
/// is [`Wrap::Always`]), as the policy says across subnets.
///
/// ```
/// use ipam::net::Family;
/// use ipam::routes::{Encapsulation, Node, RoutePolicy, Tunnel, Wrap, encapsulation};
///
/// let node = |name, address: &str, subnet: &str| -> Result<_, Box<dyn std::error::Error>> {
///     Ok(Node { name, address: address.parse()?, subnet: subnet.parse()? })
/// };
/// let (h1, h2) = (node("h1", "192.0.2.1", "192.0.2.0/25")?, node("h2", "192.0.2.129", "192.0.2.128/25")?);
/// let policy = RoutePolicy { wrap: Wrap::CrossSubnet, tunnel: Tunnel::Vxlan, gateways_know: false };
/// assert_eq!(encapsulation(&h1, &h2, Family::V4, policy)?, Encapsulation::Vxlan);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`RouteError`], which names both hosts.
pub fn encapsulation(
    from: &Node<'_>,
    to: &Node<'_>,
    family: Family,
    policy: RoutePolicy,
) -> Result<Encapsulation, RouteError> {
    let (source, target) = (from.name.to_string(), to.name.to_string());
    let under = Family::of(from.address);
    if under != Family::of(to.address) {
        return Err(RouteError::Families {
            from: source,
            to: target,
        });
    }
    let near = from.subnet.contains(to.address);
    let wrapped = match policy.wrap {
        Wrap::Never => false,
        Wrap::CrossSubnet => !near,
        Wrap::Always => true,
    };
    if !wrapped {
        if !near && !policy.gateways_know {
            let (from_subnet, to_address) = (from.subnet, to.address);
            return Err(RouteError::Gateway {
                from: source,
                from_subnet,
                to: target,
                to_address,
            });
        }
        return Ok(Encapsulation::None);
    }
    match policy.tunnel {
        Tunnel::Vxlan => Ok(Encapsulation::Vxlan),
        Tunnel::Ipip if family == Family::V4 && under == Family::V4 => Ok(Encapsulation::Ipip),
        Tunnel::Ipip => Err(RouteError::Ipip {
            from: source,
            to: target,
            family,
            under,
        }),
    }
}
