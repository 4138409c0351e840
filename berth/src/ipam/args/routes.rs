//! The command line of `berth ipam routes`.

use clap::{Args, ValueEnum};
use ipam::routes::DeviceName;
use std::net::IpAddr;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(in crate::ipam) struct RoutesArgs {
    /// As seen from this host: routes to all others. Without it, every host's own prefixes.
    #[arg(long)]
    pub(in crate::ipam) host: Option<String>,
    /// When to wrap packets.
    #[arg(long, value_enum, default_value = "cross-subnet")]
    pub(in crate::ipam) wrap: WrapArg,
    /// How to wrap them.
    #[arg(long, value_enum, default_value = "ipip")]
    pub(in crate::ipam) tunnel: TunnelArg,
    /// The gateways between subnets learn the routes (BGP, say).
    #[arg(long)]
    pub(in crate::ipam) gateways_know: bool,
    /// With --gateways-know and --format: the next hop of routes to other subnets, one of each family.
    #[arg(long, value_name = "IP", requires = "format")]
    pub(in crate::ipam) gateway: Vec<IpAddr>,
    /// Print what a program takes, for this host: `bird` a file to include, `frr` lines for `vtysh -f`, `ip` lines for `ip -batch`,
    /// `fdb` the forwarding entries of a VXLAN device for `bridge -batch`, `link` lines for `ip -batch` that make the tunnel device.
    #[arg(long, value_enum, requires = "host")]
    pub(in crate::ipam) format: Option<FormatArg>,
    /// Which routes: the host's own prefixes, the other hosts', or both. Otherwise `own` for bird and frr, `all` for ip.
    #[arg(long, value_enum, requires = "format")]
    pub(in crate::ipam) part: Option<PartArg>,
    /// Of which the difference is taken: for ip `ip -N -j route show table all` (and `ip -N -j neigh show nud all`), for fdb
    /// `bridge -j fdb show`, for frr `vtysh -c 'show running-config'`; `-` is standard input. Without it, as if nothing were there.
    #[arg(long, value_name = "FILE", requires = "format")]
    pub(in crate::ipam) observed: Option<PathBuf>,
    /// Write to this file, whole or not at all, and only if that changes it.
    #[arg(long, value_name = "FILE", requires = "format")]
    pub(in crate::ipam) out: Option<PathBuf>,
    /// Own prefixes of a pool that names a bridge lead to that bridge; otherwise they are blackholes, with the containers' own routes beneath.
    #[arg(long, requires = "format")]
    pub(in crate::ipam) bridges: bool,
    /// The device that wraps packets, which is used for nothing else.
    #[arg(long, value_name = "NAME", default_value = "berth0")]
    pub(in crate::ipam) tunnel_device: DeviceName,
    /// Its VXLAN network identifier.
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..1 << 24))]
    pub(in crate::ipam) vni: u32,
    /// The MTU in bytes of the network that carries the hosts; the tunnel device's is less by its headers.
    #[arg(long, value_name = "BYTES", default_value_t = 1500, value_parser = clap::value_parser!(u16).range(1350..))]
    pub(in crate::ipam) mtu: u16,
    /// Protocol number of our routes in the kernel, tag of our static routes in FRR: what bears another is never touched.
    #[arg(long, value_name = "N", default_value_t = 198, value_parser = protocol)]
    pub(in crate::ipam) protocol: u8,
    /// Metric of our routes in the kernel. The default yields to whatever a plugin routes for one container.
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    pub(in crate::ipam) metric: u32,
    /// The autonomous system of FRR's BGP instance; without it nothing is announced.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(in crate::ipam) as_number: Option<u32>,
}

/// A number that no program of `/etc/iproute2/rt_protos` (6.1) has.
fn protocol(text: &str) -> Result<u8, String> {
    let number: u8 = text.parse().map_err(|_| "want 5 to 255".to_owned())?;
    match number {
        0..=4 | 8..=18 | 42 | 80 | 99 | 186..=197 => Err(format!(
            "{number} is another program's (/etc/iproute2/rt_protos): routes that bear it would be taken for ours; want 198 or another free one"
        )),
        _ => Ok(number),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::ipam) enum FormatArg {
    /// A file for BIRD 2 to include at its top level.
    Bird,
    /// Lines for `vtysh -f`.
    Frr,
    /// Lines for `ip -batch`.
    Ip,
    /// Lines for `bridge -batch`.
    Fdb,
    /// Lines for `ip -batch` that make the tunnel device.
    Link,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::ipam) enum PartArg {
    /// The host's own prefixes.
    Own,
    /// The other hosts' prefixes.
    Peers,
    /// Both.
    All,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::ipam) enum WrapArg {
    /// Never.
    Never,
    /// Between subnets.
    CrossSubnet,
    /// Always.
    Always,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::ipam) enum TunnelArg {
    /// IP in IP.
    Ipip,
    /// VXLAN.
    Vxlan,
}
