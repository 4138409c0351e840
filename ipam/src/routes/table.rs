//! A host's own table of routes: what it has itself, and where packets to the others' addresses go.

use super::device::{DeviceName, DeviceNameError};
use super::encapsulation::{Encapsulation, Node, RouteError, RoutePolicy, encapsulation};
use super::{held, merged};
use crate::cidr::{Cidr, Family};
use crate::state::Ipam;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};

/// Where packets of a route go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum NextHop {
    /// Dropped, unless a longer prefix leads to a container: what nobody uses of an own block must not come back from the
    /// network by way of its default route, for ever.
    Blackhole,
    /// Onto a device: the bridge that the containers are on.
    Device(DeviceName),
    /// To another host, within reach of this one's own subnet or by gateways that know the prefix.
    Host(IpAddr),
    /// Wrapped, through a device that has no network of its own: the kernel is to take the next hop as reachable (`onlink`).
    Tunnel {
        /// The device that wraps.
        device: DeviceName,
        /// The next hop inside it.
        via: IpAddr,
    },
}

/// One route of a host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Route {
    /// Where to.
    pub prefix: Cidr,
    /// Which way.
    pub hop: NextHop,
}

/// Another host, at the other end of a VXLAN device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// Its address in the network that carries the hosts.
    pub address: IpAddr,
    /// The hardware address of its end, which follows from its address: see [`Peer::mac_of`].
    pub mac: [u8; 6],
    /// Next hops that lead to it.
    pub next_hops: Vec<IpAddr>,
}

impl Peer {
    /// The hardware address of the tunnel device of the host at `address`: locally administered, `02:be` and the four bytes of
    /// an IPv4 address, `02:bf` and 32 bits of hash (FNV-1a) of an IPv6 address.
    ///
    /// ```
    /// use ipam::routes::Peer;
    ///
    /// assert_eq!(Peer::mac_of("192.0.2.1".parse()?), [0x02, 0xbe, 192, 0, 2, 1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn mac_of(address: IpAddr) -> [u8; 6] {
        let (kind, [a, b, c, d]) = match address {
            IpAddr::V4(v4) => (0xbe, v4.octets()),
            IpAddr::V6(v6) => {
                let hash = v6.octets().iter().fold(0x811c_9dc5_u32, |hash, &byte| {
                    (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
                });
                (0xbf, hash.to_be_bytes())
            }
        };
        [0x02, kind, a, b, c, d]
    }

    /// The link-local address that the kernel gives a device with this hardware address (RFC 4291, appendix A).
    fn link_local(mac: [u8; 6]) -> IpAddr {
        let [a, b, c, d, e, f] = mac;
        let words = [
            0xfe80,
            0,
            0,
            0,
            u16::from_be_bytes([a ^ 2, b]),
            u16::from_be_bytes([c, 0xff]),
            u16::from_be_bytes([0xfe, d]),
            u16::from_be_bytes([e, f]),
        ];
        IpAddr::V6(Ipv6Addr::from(words))
    }
}

/// How a host's table is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableOptions {
    /// When to wrap packets to other hosts, and how.
    pub policy: RoutePolicy,
    /// The device that wraps them.
    pub tunnel: DeviceName,
    /// The next hops of plain routes across subnets, one of each family at the most: a host in another subnet is no next hop
    /// that a kernel takes.
    pub gateways: Vec<IpAddr>,
    /// Own prefixes of a pool that names a bridge lead to that bridge, and are no blackholes.
    pub bridges: bool,
}

/// A host's table. Within each part no two routes have one prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostTable {
    /// The host's own prefixes: what it announces.
    pub own: Vec<Route>,
    /// Other hosts' prefixes that are not its own too.
    pub peers: Vec<Route>,
    /// The hosts that VXLAN leads to.
    pub wrapped: Vec<Peer>,
}

/// Why there is no table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The policy cannot carry packets between two hosts.
    #[error(transparent)]
    Route(Box<RouteError>),
    /// Where a host is in the network is not known.
    #[error(
        "`{host}` has no address in the network that carries the hosts: routes to or from it need one"
    )]
    NoAddress {
        /// The host.
        host: String,
    },
    /// A plain route across subnets needs a gateway.
    #[error(
        "a plain route from `{from}` to {prefix} of `{to}`, in another subnet, needs a gateway of that family that knows it"
    )]
    NoGateway {
        /// The sending host.
        from: String,
        /// The receiving host.
        to: String,
        /// Its prefix.
        prefix: Cidr,
    },
    /// A plain next hop is of the prefix's own family.
    #[error(
        "a plain route from `{from}` to {prefix} of `{to}` would have a next hop of another family: wrap always, by VXLAN"
    )]
    Family {
        /// The sending host.
        from: String,
        /// The receiving host.
        to: String,
        /// Its prefix.
        prefix: Cidr,
    },
    /// A pool's bridge cannot stand in what is rendered.
    #[error("bridge of pool `{pool}`: {error}")]
    Bridge {
        /// The pool.
        pool: String,
        /// What is wrong with the name.
        error: DeviceNameError,
    },
    /// Two hosts' addresses lead to one hardware address.
    #[error(
        "`{one}` and `{other}` would have one hardware address in VXLAN: give one of them another address"
    )]
    SameMac {
        /// A host.
        one: String,
        /// Another.
        other: String,
    },
}

impl Ipam {
    /// A host's own prefixes alone, as [`HostTable::own`] has them: nothing about the other hosts is needed for that. Linear in the claims.
    ///
    /// # Errors
    /// [`TableError::Bridge`].
    pub fn own_routes(&self, host: &str, bridges: bool) -> Result<Vec<Route>, TableError> {
        let mut own: Vec<Route> = Vec::new();
        if !bridges {
            let hop = |prefix| Route {
                prefix,
                hop: NextHop::Blackhole,
            };
            return Ok(self.routes(host).into_iter().map(hop).collect());
        }
        let Some(id) = self.host(host) else {
            return Ok(own);
        };
        let mut by_hop: BTreeMap<NextHop, Vec<Cidr>> = BTreeMap::new();
        let mut held = held::by_host(self, Some(id));
        for (number, held) in held.remove(&id).unwrap_or_default() {
            let Some(pool) = self.pools.get(number) else {
                continue;
            };
            let hop = match pool.spec().bridge.as_deref().map(str::parse) {
                None => NextHop::Blackhole,
                Some(Ok(bridge)) => NextHop::Device(bridge),
                Some(Err(error)) => {
                    let pool = pool.spec().name.to_string();
                    return Err(TableError::Bridge { pool, error });
                }
            };
            by_hop.entry(hop.clone()).or_default().extend(held.whole);
            let borrowed = held.borrowed.into_iter();
            own.extend(borrowed.map(|prefix| Route {
                prefix,
                hop: hop.clone(),
            }));
        }
        for (hop, whole) in by_hop {
            let all = merged(whole).into_iter();
            own.extend(all.map(|prefix| Route {
                prefix,
                hop: hop.clone(),
            }));
        }
        own.sort();
        Ok(own)
    }

    /// A host's whole table. Linear in the claims.
    ///
    /// ```
    /// use ipam::routes::{NextHop, RoutePolicy, TableOptions, Tunnel, Wrap};
    /// use ipam::{Ipam, PoolSpec, Request, Timestamp, change::HostSettings};
    ///
    /// let at = Timestamp::from_secs;
    /// let mut ipam = Ipam::new(7);
    /// ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// for (host, address) in [("h1", "192.0.2.1"), ("h2", "192.0.2.2")] {
    ///     let (address, subnet) = (Some(address.parse()?), Some("192.0.2.0/24".parse()?));
    ///     ipam.set_host(at(1), host, HostSettings { address, subnet, ..HostSettings::default() })?;
    ///     ipam.claim(at(2), &Request::new(host).host(host))?;
    /// }
    /// let policy = RoutePolicy { wrap: Wrap::CrossSubnet, tunnel: Tunnel::Vxlan, gateways_know: false };
    /// let options = TableOptions { policy, tunnel: "vxlan0".parse()?, gateways: vec![], bridges: false };
    /// let table = ipam.host_table("h1", &options)?;
    /// assert_eq!(table.own[0].hop, NextHop::Blackhole);
    /// assert_eq!(table.peers[0].hop, NextHop::Host("192.0.2.2".parse()?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TableError`]; it names the hosts.
    pub fn host_table(&self, host: &str, options: &TableOptions) -> Result<HostTable, TableError> {
        let own = self.own_routes(host, options.bridges)?;
        let mut table = HostTable {
            own,
            ..HostTable::default()
        };
        let mut macs: BTreeMap<[u8; 6], String> = BTreeMap::new();
        for (id, held) in held::by_host(self, None) {
            let prefixes = held::prefixes(held);
            let Some(other) = self.hosts.name(id).filter(|&h| h != host) else {
                continue;
            };
            let (from, to) = (self.node(host)?, self.node(other)?);
            macs.insert(Peer::mac_of(from.address), host.to_string());
            let mut peer = Peer {
                name: other.to_string(),
                address: to.address,
                mac: Peer::mac_of(to.address),
                next_hops: Vec::new(),
            };
            for prefix in prefixes {
                let hop = hop((&from, &to), prefix, options, &mut peer)?;
                table.peers.push(Route { prefix, hop });
            }
            if peer.next_hops.is_empty() {
                continue;
            }
            if let Some(one) = macs.insert(peer.mac, other.to_string()) {
                let other = other.to_string();
                return Err(TableError::SameMac { one, other });
            }
            table.wrapped.push(peer);
        }
        table.wrapped.sort_by(|a, b| a.name.cmp(&b.name));
        table.peers.sort();
        table.peers.dedup_by_key(|route| route.prefix);
        let own: BTreeSet<Cidr> = table.own.iter().map(|r| r.prefix).collect();
        table.peers.retain(|route| !own.contains(&route.prefix));
        Ok(table)
    }

    fn node<'a>(&'a self, host: &'a str) -> Result<Node<'a>, TableError> {
        let place = self
            .host_settings(host)
            .and_then(|s| s.address.zip(s.subnet));
        let (address, subnet) = place.ok_or_else(|| TableError::NoAddress {
            host: host.to_string(),
        })?;
        Ok(Node {
            name: host,
            address,
            subnet,
        })
    }
}

/// The way to one prefix of another host; a next hop in VXLAN is added to the peer's.
fn hop(
    (from, to): (&Node<'_>, &Node<'_>),
    prefix: Cidr,
    options: &TableOptions,
    peer: &mut Peer,
) -> Result<NextHop, TableError> {
    let family = prefix.family();
    let same = Family::of(to.address) == family;
    let wrap = encapsulation(from, to, family, options.policy);
    let wrap = wrap.map_err(|error| TableError::Route(Box::new(error)))?;
    let via = match wrap {
        Encapsulation::None if !from.subnet.contains(to.address) => {
            let mut gateways = options.gateways.iter();
            let gateway = gateways.find(|&&gateway| Family::of(gateway) == family);
            let gateway = gateway.ok_or_else(|| TableError::NoGateway {
                from: from.name.to_string(),
                to: to.name.to_string(),
                prefix,
            })?;
            return Ok(NextHop::Host(*gateway));
        }
        Encapsulation::None if same => return Ok(NextHop::Host(to.address)),
        Encapsulation::None => {
            return Err(TableError::Family {
                from: from.name.to_string(),
                to: to.name.to_string(),
                prefix,
            });
        }
        Encapsulation::Ipip => to.address,
        Encapsulation::Vxlan => {
            let via = match same {
                true => to.address,
                false => Peer::link_local(peer.mac),
            };
            if !peer.next_hops.contains(&via) {
                peer.next_hops.push(via);
            }
            via
        }
    };
    let device = options.tunnel.clone();
    Ok(NextHop::Tunnel { device, via })
}
