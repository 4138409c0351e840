//! iproute2: `ip -batch`, `bridge -batch`.

use super::super::device::DeviceName;
use super::super::encapsulation::Tunnel;
use super::super::neighbours::{EntryPlan, Forwarding, Neighbour};
use super::super::plan::{RoutePlan, Step};
use super::super::table::{NextHop, Peer};
use super::{heading, mac};
use crate::cidr::{Cidr, Family};
use alloc::format;
use alloc::string::String;
use core::fmt::Write as _;
use core::net::IpAddr;

/// How our routes in the kernel are told from others'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpMarks {
    /// Their protocol number.
    pub protocol: u8,
    /// Their metric, in IPv4 and IPv6.
    pub metric: u32,
}

/// Lines for `ip -batch`: neighbours before the routes that need them, and removed after. Routes are only added, which fails where somebody
/// else's has the place by then, and removed by their protocol: no line can replace another's.
#[must_use]
pub fn ip_batch(
    host: &str,
    plan: &RoutePlan,
    neighbours: &EntryPlan<Neighbour>,
    marks: IpMarks,
) -> String {
    let mut text = heading('#', host);
    for left in &plan.left_alone {
        let (prefix, mark) = (left.route.prefix, left.taken.mark);
        let _ = writeln!(text, "# left alone: {prefix} is a route of protocol {mark}");
    }
    let (device, protocol) = (&neighbours.device, marks.protocol);
    for Neighbour { next_hop, mac: m } in &neighbours.set {
        let m = mac(*m);
        let line = format!("{next_hop} lladdr {m} dev {device} nud permanent protocol {protocol}");
        let _ = writeln!(text, "neigh replace {line}");
    }
    for step in &plan.steps {
        let _ = match step {
            Step::Add(route) => {
                let (prefix, metric) = (route.prefix, marks.metric);
                let way = way(prefix, &route.hop);
                writeln!(text, "route add {way} proto {protocol} metric {metric}")
            }
            Step::Remove(old) => {
                let kind = match old.hop {
                    Some(NextHop::Blackhole) => "blackhole ",
                    _ => "",
                };
                let (prefix, metric) = (old.prefix, old.metric);
                let line = format!("{kind}{prefix} proto {protocol} metric {metric}");
                writeln!(text, "route del {line}")
            }
        };
    }
    for Neighbour { next_hop, .. } in &neighbours.remove {
        let _ = writeln!(text, "neigh del {next_hop} dev {device}");
    }
    text
}

fn way(prefix: Cidr, hop: &NextHop) -> String {
    let via = |via: &IpAddr| match (prefix.family(), Family::of(*via)) {
        (Family::V4, Family::V6) => format!("via inet6 {via}"),
        _ => format!("via {via}"),
    };
    match hop {
        NextHop::Blackhole => format!("blackhole {prefix}"),
        NextHop::Device(device) => format!("{prefix} dev {device}"),
        NextHop::Host(host) => format!("{prefix} {}", via(host)),
        NextHop::Tunnel { device, via: hop } => {
            format!("{prefix} {} dev {device} onlink", via(hop))
        }
    }
}

/// Lines for `bridge -batch`: the forwarding entries of the VXLAN device. They come before the batch for `ip`.
#[must_use]
pub fn forwarding(host: &str, plan: &EntryPlan<Forwarding>) -> String {
    let mut text = heading('#', host);
    let device = &plan.device;
    for Forwarding { mac: m, host } in &plan.set {
        let m = mac(*m);
        let _ = writeln!(
            text,
            "fdb replace {m} dev {device} dst {host} self permanent"
        );
    }
    for Forwarding { mac: m, host } in &plan.remove {
        let m = mac(*m);
        let _ = writeln!(text, "fdb del {m} dev {device} dst {host} self");
    }
    text
}

/// The device that wraps a host's packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelDevice {
    /// Its name.
    pub name: DeviceName,
    /// What it wraps them in.
    pub kind: Tunnel,
    /// The host's address in the network that carries the hosts.
    pub local: IpAddr,
    /// The MTU of that network, in bytes.
    pub mtu: u16,
    /// The VXLAN network identifier (RFC 7348), below 2^24.
    pub vni: u32,
}

/// The port of VXLAN (IANA, RFC 7348), which is not the kernel's default.
const VXLAN_PORT: u16 = 4789;

/// Lines for `ip -batch` that make the device, once: `link add` fails where it is there.
#[must_use]
pub fn link(host: &str, device: &TunnelDevice) -> String {
    let mut text = heading('#', host);
    let TunnelDevice { name, local, .. } = device;
    // Outer IP, UDP (8 bytes), VXLAN (8) and inner Ethernet (14) headers; IPIP has the outer IP header alone.
    let ip = if local.is_ipv4() { 20 } else { 40 };
    let headers = match device.kind {
        Tunnel::Vxlan => ip + 8 + 8 + 14,
        Tunnel::Ipip => ip,
    };
    let mtu = device.mtu.saturating_sub(headers);
    let _ = match device.kind {
        Tunnel::Vxlan => {
            let (m, vni) = (mac(Peer::mac_of(*local)), device.vni);
            let kind = format!("vxlan id {vni} local {local} dstport {VXLAN_PORT} nolearning");
            writeln!(
                text,
                "link add name {name} address {m} mtu {mtu} type {kind}"
            )
        }
        Tunnel::Ipip => writeln!(
            text,
            "link add name {name} mtu {mtu} type ipip local {local}"
        ),
    };
    let _ = writeln!(text, "link set dev {name} up");
    text
}
