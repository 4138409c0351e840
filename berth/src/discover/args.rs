//! The command line of `berth discover`.

use crate::answer::Failure;
use crate::ipam::duration;
use clap::{Args, Subcommand};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Discovery: who gets traffic, how much, and from when.
#[derive(Debug, Args)]
pub struct DiscoverArgs {
    #[command(subcommand)]
    pub(super) action: Action,
}

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Follow a source of endpoints, check them, and keep proxies up to date until told to end.
    Run(RunArgs),
    /// Take an endpoint, a node or a region out of traffic, until undrain.
    Drain(DrainArgs),
    /// End a drain.
    Undrain(DrainArgs),
    /// Let the endpoints go that are held because too many of a service vanished at once.
    Confirm(ConfirmArgs),
    /// Show what a running driver knows: services, endpoints, weights, drains.
    Show(ShowArgs),
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Where endpoints come from: file:PATH (JSON, followed as it changes), docker:SOCKET (containers with the label berth.service), kube (EndpointSlices of a cluster) or kube:NAMESPACE.
    #[arg(long, value_name = "SOURCE")]
    pub(super) source: String,
    /// Where weights go, given once or more: envoy-file:PATH, xds:IP:PORT (an xDS server for Envoy), haproxy:SOCKET, nginx-file:PATH, consul:URL, stdout.
    #[arg(long = "sink", value_name = "SINK", required = true)]
    pub(super) sinks: Vec<String>,
    /// The engine's state, so that a restart warms nobody anew and deregisters nobody [default: beside the first sink's path, with `.state` added].
    #[arg(long, value_name = "PATH")]
    pub(super) state: Option<PathBuf>,
    /// The socket for drain, undrain, confirm and show [default: the state's path, with `.sock` added].
    #[arg(long, value_name = "PATH")]
    pub(super) control: Option<PathBuf>,
    /// Where metrics can be read, as http://ADDR/metrics (Prometheus' text format).
    #[arg(long, value_name = "ADDR")]
    pub(super) metrics: Option<SocketAddr>,
    /// The command that reloads nginx after its file changed, split at spaces; empty: none.
    #[arg(long, value_name = "COMMAND", default_value = "nginx -s reload")]
    pub(super) nginx_reload: String,
    /// How many probes may be under way at once [default: half of the descriptors].
    #[arg(long, value_name = "N")]
    pub(super) probes: Option<usize>,
}

#[derive(Debug, Args)]
pub(super) struct DrainArgs {
    #[command(flatten)]
    pub(super) target: TargetArgs,
    /// A region's traffic leaves, or returns, evenly over this long.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration)]
    pub(super) over: Duration,
    #[command(flatten)]
    pub(super) at: AtArgs,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct TargetArgs {
    /// The endpoint of this id: gets nothing, even if its service is left empty.
    #[arg(long, value_name = "ID")]
    pub(super) endpoint: Option<String>,
    /// The endpoints of this node, as long as their services have others.
    #[arg(long, value_name = "N")]
    pub(super) node: Option<String>,
    /// The endpoints of this region, as long as their services have others.
    #[arg(long, value_name = "R")]
    pub(super) region: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ConfirmArgs {
    /// The service.
    pub(super) service: String,
    #[command(flatten)]
    pub(super) at: AtArgs,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    pub(super) at: AtArgs,
}

/// Which driver is meant.
#[derive(Debug, Args)]
pub(super) struct AtArgs {
    /// The driver's socket [default: the path of --state with `.sock` added].
    #[arg(long, value_name = "PATH")]
    control: Option<PathBuf>,
    /// The state that the driver was started with.
    #[arg(long, value_name = "PATH")]
    state: Option<PathBuf>,
}

impl AtArgs {
    /// The socket.
    pub(super) fn socket(&self) -> Result<PathBuf, Failure> {
        let beside = || self.state.as_deref().map(|state| added(state, ".sock"));
        self.control.clone().or_else(beside).ok_or_else(|| {
            let message =
                "which driver? --control PATH, or the --state PATH that it was started with";
            Failure::input(message, "--control")
        })
    }
}

/// A path with something added to its name.
pub(super) fn added(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
