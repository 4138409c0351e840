//! The command line of `berth ipam serve`.

use super::duration;
use clap::Args;
use ipam_docker::AutoRange;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Args)]
pub(in crate::ipam) struct ServeArgs {
    /// The host whose leases are renewed and whose claims are collected.
    #[arg(long)]
    pub(in crate::ipam) host: String,
    /// Where metrics can be read, as http://ADDR/metrics (Prometheus' text format).
    #[arg(long, value_name = "ADDR")]
    pub(in crate::ipam) metrics: Option<SocketAddr>,
    /// The owners that live on this host, one a line; read anew for each pass. What is not on it is not renewed, and
    /// released after the grace. Without it, all live for as long as this command runs.
    #[arg(long, value_name = "FILE")]
    pub(in crate::ipam) live: Option<PathBuf>,
    /// How often what others did is learned, and leases are looked at (10ms to 1h).
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = pause)]
    pub(in crate::ipam) interval: Duration,
    /// How often claims and blocks are collected (10ms to 1h).
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = pause)]
    pub(in crate::ipam) collect: Duration,
    /// How long an owner must be missing, in two passes.
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = duration)]
    pub(in crate::ipam) grace: Duration,
    /// How long before its lease ends an address may no longer be used, besides a thousandth of the lease: by how much hosts'
    /// knowledge of the store's time may differ.
    #[arg(long, value_name = "TIME", default_value = "6s", value_parser = duration)]
    pub(in crate::ipam) margin: Duration,
    /// How a Docker engine on this host is served.
    #[command(flatten)]
    pub(in crate::ipam) docker: DockerArgs,
}

/// The command line of the plugin.
#[derive(Debug, Args)]
pub(in crate::ipam) struct DockerArgs {
    /// Serve a Docker engine of this host with addresses too, on this socket (libnetwork's remote IPAM protocol). In
    /// /run/docker/plugins an engine finds it by its name: `--ipam-driver berth` is berth.sock. A store that is missing is made.
    #[arg(long, value_name = "SOCKET")]
    pub(in crate::ipam) docker: Option<PathBuf>,
    /// Write a plugin specification that leads engines to the socket, such as /etc/docker/plugins/berth.spec; it stays.
    #[arg(long, value_name = "FILE", requires = "docker")]
    pub(in crate::ipam) docker_spec: Option<PathBuf>,
    /// Give networks that name no subnet parts of PREFIX, each of LENGTH, such as 10.200.0.0/16:24; again for more.
    #[arg(long, value_name = "PREFIX:LENGTH", requires = "docker")]
    pub(in crate::ipam) docker_auto: Vec<AutoRange>,
    /// The engine's own socket, such as /run/docker.sock: what it runs is looked at each `--collect`. Addresses that it gave up
    /// unheard are released after `--grace`; those that it uses and the store does not know are claimed.
    #[arg(long, value_name = "SOCKET", requires = "docker")]
    pub(in crate::ipam) docker_engine: Option<PathBuf>,
}

/// A time between two looks at the store.
pub(super) fn pause(text: &str) -> Result<Duration, String> {
    let pause = duration(text)?;
    let (least, most) = (Duration::from_millis(10), Duration::from_secs(3600));
    match (least..=most).contains(&pause) {
        true => Ok(pause),
        false => Err("10ms is the least, 1h the most".into()),
    }
}
