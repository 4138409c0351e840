//! The command line of `berth ipam serve`.

use super::duration;
use clap::Args;
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
