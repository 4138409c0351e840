//! The command line of `berth ipam kube`.

use super::{duration, serve::pause};
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Args)]
pub(in crate::ipam) struct KubeArgs {
    /// How the API server is reached; without it `$KUBECONFIG`, `~/.kube/config` or, in a pod, its service account.
    #[arg(long, value_name = "FILE")]
    pub(in crate::ipam) kubeconfig: Option<PathBuf>,
    /// What the cluster is called in the store: of two clusters on one store, neither touches what is the other's.
    #[arg(long, value_name = "NAME", default_value = "kube")]
    pub(in crate::ipam) cluster: String,
    /// Serve one namespace alone.
    #[arg(long, value_name = "NAME")]
    pub(in crate::ipam) namespace: Option<String>,
    /// The Lease object by which one of several controllers leads.
    #[arg(long, value_name = "NAMESPACE/NAME", default_value = "kube-system/berth-ipam", value_parser = lease)]
    pub(in crate::ipam) lease: (String, String),
    /// As whom this process stands for leader: no other may ever have the same name. Made of the host's name and the time, unless
    /// told.
    #[arg(long, value_name = "NAME")]
    pub(in crate::ipam) candidate: Option<String>,
    /// Where metrics can be read, as http://ADDR/metrics (Prometheus' text format).
    #[arg(long, value_name = "ADDR")]
    pub(in crate::ipam) metrics: Option<SocketAddr>,
    /// How often claims and blocks are collected (10ms to 1h).
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = pause)]
    pub(in crate::ipam) collect: Duration,
    /// How long a pod must be missing, in two passes.
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = duration)]
    pub(in crate::ipam) grace: Duration,
}

/// A namespace and a name.
fn lease(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((namespace, name))
            if !namespace.is_empty() && !name.is_empty() && !name.contains('/') =>
        {
            Ok((namespace.to_owned(), name.to_owned()))
        }
        _ => Err("want NAMESPACE/NAME".into()),
    }
}
