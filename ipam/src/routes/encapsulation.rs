//! How packets get from one host to another: plain, or wrapped.

use crate::cidr::{Cidr, Family};
use alloc::string::{String, ToString};
use core::net::IpAddr;

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
