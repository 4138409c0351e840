//! The command line of `berth ipam pool`.

use super::{duration, pair};
use clap::{Args, Subcommand, ValueEnum};
use ipam::{Cidr, net::AddressRange};
use std::net::IpAddr;
use std::time::Duration;

#[derive(Debug, Subcommand)]
pub(in crate::ipam) enum PoolAction {
    /// Add a pool.
    Add(Box<PoolAddArgs>),
    /// Every pool and its use.
    List,
    /// Remove a pool that nobody holds addresses of.
    Rm {
        /// The pool.
        name: String,
    },
    /// Give nothing more from a pool; who has addresses keeps them.
    Drain {
        /// The pool.
        name: String,
        /// Give again.
        #[arg(long)]
        undo: bool,
    },
    /// Change what a live pool does with its addresses; what is not named stays as it is.
    Change(Box<PoolChangeArgs>),
    /// Make a pool's prefix larger.
    Grow {
        /// The pool.
        name: String,
        /// The larger prefix.
        cidr: Cidr,
    },
}

#[derive(Debug, Args)]
pub(in crate::ipam) struct PoolAddArgs {
    /// Its name.
    pub(in crate::ipam) name: String,
    /// Its prefix, such as 10.9.0.0/22.
    pub(in crate::ipam) cidr: Cidr,
    /// The gateway; never given out.
    #[arg(long)]
    pub(in crate::ipam) gateway: Option<IpAddr>,
    /// A range never given out, A-B, a prefix or one address; again for more.
    #[arg(long, value_name = "A-B")]
    pub(in crate::ipam) exclude: Vec<AddressRange>,
    /// A range given out only when asked for by address; again for more.
    #[arg(long, value_name = "A-B")]
    pub(in crate::ipam) set_aside: Vec<AddressRange>,
    /// How long a released address is in quarantine.
    #[arg(long, default_value = "60s", value_parser = duration)]
    pub(in crate::ipam) quarantine: Duration,
    /// When nothing is free, take the address that has been in quarantine longest before its time.
    #[arg(long)]
    pub(in crate::ipam) early_reuse: bool,
    /// Prefix length of a block; /26 or /122 unless given.
    #[arg(long)]
    pub(in crate::ipam) block_size: Option<u8>,
    /// Most blocks of a host.
    #[arg(long)]
    pub(in crate::ipam) block_limit: Option<u32>,
    /// Which free address comes next.
    #[arg(long, value_enum, default_value = "lru")]
    pub(in crate::ipam) order: OrderArg,
    /// What blocks mean to hosts.
    #[arg(long, value_enum, default_value = "borrow")]
    pub(in crate::ipam) affinity: AffinityArg,
    /// VLAN id.
    #[arg(long)]
    pub(in crate::ipam) vlan: Option<u16>,
    /// Bridge that attachments join.
    #[arg(long)]
    pub(in crate::ipam) bridge: Option<String>,
    /// A label by which claims choose pools; again for more.
    #[arg(long, value_name = "K=V", value_parser = pair)]
    pub(in crate::ipam) label: Vec<(String, String)>,
    /// How long a claim lasts unless renewed.
    #[arg(long, value_parser = duration)]
    pub(in crate::ipam) lease: Option<Duration>,
    /// Allow link-local addresses (169.254.0.0/16, fe80::/10).
    #[arg(long)]
    pub(in crate::ipam) link_local: bool,
}

#[derive(Debug, Args)]
pub(in crate::ipam) struct PoolChangeArgs {
    /// The pool.
    pub(in crate::ipam) name: String,
    /// Another gateway; never given out.
    #[arg(long, conflicts_with = "no_gateway")]
    pub(in crate::ipam) gateway: Option<IpAddr>,
    /// No gateway.
    #[arg(long)]
    pub(in crate::ipam) no_gateway: bool,
    /// One more range never given out; again for more. Nobody may hold an address of it.
    #[arg(long, value_name = "A-B")]
    pub(in crate::ipam) exclude: Vec<AddressRange>,
    /// Give a range out again, as it was excluded; again for more.
    #[arg(long, value_name = "A-B")]
    pub(in crate::ipam) include: Vec<AddressRange>,
    /// One more range given out only when asked for by address; again for more.
    #[arg(long, value_name = "A-B")]
    pub(in crate::ipam) set_aside: Vec<AddressRange>,
    /// Give a range that was set aside to anyone again; again for more.
    #[arg(long, value_name = "A-B")]
    pub(in crate::ipam) unset_aside: Vec<AddressRange>,
    /// A label, new or with another value; again for more.
    #[arg(long, value_name = "K=V", value_parser = pair)]
    pub(in crate::ipam) label: Vec<(String, String)>,
    /// A label to take away; again for more.
    #[arg(long, value_name = "K")]
    pub(in crate::ipam) unlabel: Vec<String>,
    /// How long a released address is in quarantine, those that are now included.
    #[arg(long, value_parser = duration)]
    pub(in crate::ipam) quarantine: Option<Duration>,
    /// Whether to take the address that has been in quarantine longest before its time when nothing is free.
    #[arg(long, value_name = "BOOL")]
    pub(in crate::ipam) early_reuse: Option<bool>,
    /// Most blocks of a host.
    #[arg(long, conflicts_with = "no_block_limit")]
    pub(in crate::ipam) block_limit: Option<u32>,
    /// As many blocks as there are.
    #[arg(long)]
    pub(in crate::ipam) no_block_limit: bool,
    /// What blocks mean to hosts; between `off` and the others it cannot change.
    #[arg(long, value_enum)]
    pub(in crate::ipam) affinity: Option<AffinityArg>,
    /// VLAN id.
    #[arg(long, conflicts_with = "no_vlan")]
    pub(in crate::ipam) vlan: Option<u16>,
    /// No VLAN.
    #[arg(long)]
    pub(in crate::ipam) no_vlan: bool,
    /// Bridge that attachments join.
    #[arg(long, conflicts_with = "no_bridge")]
    pub(in crate::ipam) bridge: Option<String>,
    /// No bridge.
    #[arg(long)]
    pub(in crate::ipam) no_bridge: bool,
    /// How long a claim made from now on lasts unless renewed.
    #[arg(long, value_parser = duration, conflicts_with = "no_lease")]
    pub(in crate::ipam) lease: Option<Duration>,
    /// Claims made from now on last until released.
    #[arg(long)]
    pub(in crate::ipam) no_lease: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::ipam) enum OrderArg {
    /// The lowest.
    Lowest,
    /// The next after the last given.
    RoundRobin,
    /// Never used ones, then the one released longest ago.
    Lru,
    /// Drawn from the seed.
    Random,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::ipam) enum AffinityArg {
    /// Every host draws from the whole pool.
    Off,
    /// Own blocks first, then others'.
    Borrow,
    /// Own blocks only.
    Strict,
}
