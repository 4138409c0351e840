//! The command line of `berth ipam`.

mod etcd;
mod kube;
mod pool;
mod routes;
mod serve;

pub use etcd::EtcdArgs;
pub(super) use kube::KubeArgs;
pub(super) use pool::{AffinityArg, OrderArg, PoolAction, PoolAddArgs, PoolChangeArgs};
pub(super) use routes::{FormatArg, PartArg, RoutesArgs, TunnelArg, WrapArg};
pub(super) use serve::ServeArgs;

use clap::{Args, Subcommand, ValueEnum};
use ipam::net::AddressRange;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Addresses: pools, claims, releases, collection, routes.
#[derive(Debug, Args)]
pub struct IpamArgs {
    /// Where the state is kept: `redb:PATH`; `etcd:URL[,URL]`, the members of one etcd, shared by many hosts; or `memory`, which is
    /// gone at the end. Commands that write need it.
    #[arg(long, value_name = "STORE", global = true)]
    pub store: Option<String>,
    /// How long to wait for a store that another process uses, or for etcd to answer (1s at least).
    #[arg(long, value_name = "TIME", global = true, default_value = "30s", value_parser = duration)]
    pub lock_wait: Duration,
    /// Seed of a new store: where hosts' blocks start, what random order gives.
    #[arg(long, value_name = "SEED", global = true)]
    pub seed: Option<u64>,
    /// How to reach etcd.
    #[command(flatten)]
    pub etcd: EtcdArgs,
    #[command(subcommand)]
    pub(super) action: Action,
}

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Pools of addresses.
    Pool {
        #[command(subcommand)]
        action: PoolAction,
    },
    /// Addresses for an owner; the same owner asking again is given what it has.
    Claim(ClaimArgs),
    /// Prolong leases; refused means: stop using the addresses.
    Renew(RenewArgs),
    /// Give addresses back: an owner's, or all of a host's or a workload's.
    Release(ReleaseArgs),
    /// Who has an address, or why nobody has.
    Who {
        /// The address.
        address: IpAddr,
    },
    /// What a claim would be given now, or which pools were considered and what each lacks; exit 1 if it would be
    /// refused. Nothing is written.
    Explain(ClaimArgs),
    /// Claims, and what is reserved, retained for workloads and in quarantine.
    Show {
        /// Of this owner only, and of the workload and interface behind it.
        #[arg(long)]
        owner: Option<String>,
    },
    /// Reserve addresses to a workload, running or not.
    Reserve(ReserveArgs),
    /// Hand a workload's address over to another host.
    Move {
        #[command(subcommand)]
        action: MoveAction,
    },
    /// Hosts.
    Host {
        #[command(subcommand)]
        action: HostAction,
    },
    /// Collect claims whose owners are gone and blocks nobody needs.
    Gc(GcArgs),
    /// List what is wrong, with the repair; exit 1 if problems are left.
    Fsck(FsckArgs),
    /// Where packets to a host's and to other hosts' addresses go: listed, or as BIRD, FRR, `ip -batch` and `bridge -batch` take them.
    Routes(Box<RoutesArgs>),
    /// Renew a host's leases, collect what is over and give up its empty blocks, until told to end (SIGTERM, Ctrl-C).
    Serve(ServeArgs),
    /// Give the pods of a Kubernetes cluster addresses, and StatefulSets and Deployments that ask for it the same ones for good, until
    /// told to end (SIGTERM, Ctrl-C). Needs the feature `kube`.
    Kube(KubeArgs),
    /// The whole state as one JSON document.
    Dump,
    /// Read a dump into an empty store.
    Load {
        /// The dump; `-` is standard input.
        #[arg(default_value = "-")]
        file: PathBuf,
        /// Also if the store is not empty: everything in it goes.
        #[arg(long)]
        replace: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FamilyArg {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
    /// One of each, or nothing.
    Dual,
}

#[derive(Debug, Args)]
pub(super) struct ClaimArgs {
    /// The attachment, such as container-1/eth0.
    #[arg(long)]
    pub(super) owner: String,
    /// The stable identity behind it, such as shop/web-0.
    #[arg(long, value_name = "NS/NAME")]
    pub(super) workload: Option<String>,
    /// The workload's interface (CNI: `CNI_IFNAME`): what it keeps, it keeps for this one.
    #[arg(long, value_name = "NAME", default_value = ipam::claim::DEFAULT_INTERFACE)]
    pub(super) interface: String,
    /// The host that will use it.
    #[arg(long)]
    pub(super) host: Option<String>,
    /// A pool, in order of preference; again for more.
    #[arg(long)]
    pub(super) pool: Vec<String>,
    /// A label the pool must bear; again for more.
    #[arg(long, value_name = "K=V", value_parser = pair)]
    pub(super) label: Vec<(String, String)>,
    /// Which families; otherwise that of the pools named, IPv4 if both.
    #[arg(long, value_enum)]
    pub(super) family: Option<FamilyArg>,
    /// The workload finds its address again within this time after release.
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "fixed")]
    pub(super) sticky: Option<Duration>,
    /// Reserved to the workload from now on: these, or whichever it is given.
    #[arg(long, value_name = "IP,...", num_args = 0..=1, default_missing_value = "")]
    pub(super) fixed: Option<String>,
    /// This very address, with any retention; one of each family.
    #[arg(long)]
    pub(super) address: Vec<IpAddr>,
    /// How long the claim lasts unless renewed.
    #[arg(long, value_parser = duration)]
    pub(super) lease: Option<Duration>,
}

#[derive(Debug, Args)]
pub(super) struct RenewArgs {
    #[command(flatten)]
    pub(super) whose: Whose,
    /// With --workload: of this interface only.
    #[arg(long, value_name = "NAME", requires = "workload")]
    pub(super) interface: Option<String>,
    /// The claim's fencing token; needed with --owner.
    #[arg(long, required_unless_present_any = ["host", "workload"], conflicts_with_all = ["host", "workload"])]
    pub(super) sequence: Option<u64>,
    /// For how long; without it, until released.
    #[arg(long, value_parser = duration)]
    pub(super) lease: Option<Duration>,
}

#[derive(Debug, Args)]
pub(super) struct ReleaseArgs {
    #[command(flatten)]
    pub(super) whose: Whose,
    /// With --workload: of this interface only.
    #[arg(long, value_name = "NAME", requires = "workload")]
    pub(super) interface: Option<String>,
    /// Only this claim: with another fencing token nothing is freed.
    #[arg(long, conflicts_with_all = ["host", "workload"])]
    pub(super) sequence: Option<u64>,
}

/// Whose claims.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Whose {
    /// The owner.
    #[arg(long)]
    pub(super) owner: Option<String>,
    /// All that this host uses.
    #[arg(long)]
    pub(super) host: Option<String>,
    /// All of this workload.
    #[arg(long, value_name = "NS/NAME")]
    pub(super) workload: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ReserveArgs {
    /// The workload.
    #[arg(long, value_name = "NS/NAME")]
    pub(super) workload: String,
    /// The workload's interface.
    #[arg(long, value_name = "NAME", default_value = ipam::claim::DEFAULT_INTERFACE)]
    pub(super) interface: String,
    /// Addresses or ranges, by commas: besides what the workload has reserved.
    #[arg(
        long,
        value_name = "IP,...",
        value_delimiter = ',',
        required_unless_present = "remove"
    )]
    pub(super) address: Vec<AddressRange>,
    /// Instead of what the workload has reserved.
    #[arg(long, conflicts_with = "remove")]
    pub(super) replace: bool,
    /// End the reservation of these addresses; without any, of all.
    #[arg(long)]
    pub(super) remove: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum MoveAction {
    /// A workload leaves a host for another.
    Begin {
        /// The workload.
        #[arg(long)]
        workload: String,
        /// The workload's interface; each moves by itself.
        #[arg(long, value_name = "NAME", default_value = ipam::claim::DEFAULT_INTERFACE)]
        interface: String,
        /// The host it leaves.
        #[arg(long)]
        from: String,
        /// The host it goes to.
        #[arg(long)]
        to: String,
    },
    /// The new owner takes over, once the old one has released or its lease is over.
    Finish {
        /// The workload.
        #[arg(long)]
        workload: String,
        /// The workload's interface; each moves by itself.
        #[arg(long, value_name = "NAME", default_value = ipam::claim::DEFAULT_INTERFACE)]
        interface: String,
        /// The new owner.
        #[arg(long)]
        owner: String,
    },
    /// The workload stays.
    Abort {
        /// The workload.
        #[arg(long)]
        workload: String,
        /// The workload's interface; each moves by itself.
        #[arg(long, value_name = "NAME", default_value = ipam::claim::DEFAULT_INTERFACE)]
        interface: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum HostAction {
    /// A host's settings, all of them anew.
    Set(HostSetArgs),
}

#[derive(Debug, Args)]
pub(super) struct HostSetArgs {
    /// The host.
    pub(super) name: String,
    /// Its address and subnet in the network that carries the hosts, such as 192.168.1.11/24.
    #[arg(long, value_name = "IP/LEN")]
    pub(super) address: Option<String>,
    /// Most blocks in any one pool.
    #[arg(long)]
    pub(super) block_limit: Option<u32>,
    /// Give its blocks up.
    #[arg(long)]
    pub(super) drain: bool,
}

#[derive(Debug, Args)]
pub(super) struct GcArgs {
    /// The owners that live, one a line; `-` is standard input. Without it only leases and blocks are
    /// looked at.
    #[arg(long, value_name = "FILE")]
    pub(super) live: Option<PathBuf>,
    /// How long an owner must be missing, in two passes.
    #[arg(long, default_value = "15m", value_parser = duration)]
    pub(super) grace: Duration,
}

#[derive(Debug, Args)]
pub(super) struct FsckArgs {
    /// Carry the repairs out. Damaged records are rebuilt from what else is stored, or left as they are.
    #[arg(long)]
    pub(super) repair: bool,
    /// With --repair: drop a damaged record that cannot be rebuilt, and whatever it held, for good: the one of
    /// this key, as fsck lists it, again for more; without a key, all. Whoever uses an address of theirs must
    /// be stopped first.
    #[arg(long, value_name = "KEY", num_args = 0..=1, default_missing_value = "", requires = "repair")]
    pub(super) forget: Vec<String>,
    /// How long an owner must have been missing.
    #[arg(long, default_value = "15m", value_parser = duration)]
    pub(super) grace: Duration,
}

/// A time such as `60s`, `1h`, `500ms`, `5m`, `2d`; a bare number is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        _ => return Err(format!("`{unit}` is no unit of time: use ms, s, m, h or d")),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| format!("`{text}` is no time such as 60s or 1h"))?;
    Duration::try_from_secs_f64(number * unit).map_err(|_| format!("`{text}` is too long"))
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| format!("`{text}` is not KEY=VALUE"))?;
    Ok((key.to_owned(), value.to_owned()))
}
