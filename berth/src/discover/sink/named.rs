//! The sinks that `--sink` names.

use super::super::args::{RunArgs, added};
use super::super::metrics::Metrics;
use crate::answer::Failure;
#[cfg(feature = "xds")]
use crate::service::say;
use discovery_core::Engine;
use discovery_proxy::{EnvoyFile, Haproxy, NginxFile, ProxySink};
#[cfg(feature = "xds")]
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tokio::task::JoinHandle;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::discover) enum Named {
    EnvoyFile(PathBuf),
    #[cfg(feature = "xds")]
    Xds(SocketAddr),
    Haproxy(PathBuf),
    NginxFile(PathBuf),
    #[cfg(feature = "consul")]
    Consul(String),
    Stdout,
}

/// Reads all of them.
pub(in crate::discover) fn open(args: &RunArgs) -> Result<Vec<Named>, Failure> {
    args.sinks.iter().map(|text| Named::read(text)).collect()
}

impl Named {
    fn read(text: &str) -> Result<Self, Failure> {
        match text.split_once(':') {
            Some((kind, path)) if !path.is_empty() => match kind {
                "envoy-file" => Ok(Self::EnvoyFile(path.into())),
                "haproxy" => Ok(Self::Haproxy(path.into())),
                "nginx-file" => Ok(Self::NginxFile(path.into())),
                "consul" => consul(path),
                "xds" => xds(path),
                _ => Err(unknown(text)),
            },
            None if text == "stdout" => Ok(Self::Stdout),
            _ => Err(unknown(text)),
        }
    }

    /// The path that it has.
    fn path(&self) -> Option<&Path> {
        match self {
            Self::EnvoyFile(path) | Self::Haproxy(path) | Self::NginxFile(path) => Some(path),
            #[cfg(feature = "consul")]
            Self::Consul(_) => None,
            #[cfg(feature = "xds")]
            Self::Xds(_) => None,
            Self::Stdout => None,
        }
    }

    /// Where the state is kept that goes with it.
    pub(in crate::discover) fn state(&self) -> Option<PathBuf> {
        self.path().map(|path| added(path, ".state"))
    }

    /// Begins to follow the engine.
    pub(in crate::discover) fn start(
        &self,
        args: &RunArgs,
        engine: &Engine,
        metrics: &Metrics,
    ) -> Result<Option<(ProxySink, JoinHandle<()>)>, Failure> {
        let report = metrics.proxy();
        Ok(Some(match self {
            Self::EnvoyFile(path) => ProxySink::start(EnvoyFile::new(path), engine, report),
            #[cfg(feature = "xds")]
            Self::Xds(address) => {
                let server = discovery_proxy::XdsServer::bind(*address);
                let server =
                    server.map_err(|e| Failure::io(&e, format!("--sink xds:{address}")))?;
                say(&format!("xDS on {}", server.address()));
                metrics.serves_xds(server.counts());
                ProxySink::start(server, engine, report)
            }
            Self::Haproxy(path) => ProxySink::start(Haproxy::new(path), engine, report),
            Self::NginxFile(path) => {
                let reload = args.nginx_reload.split_whitespace().map(str::to_owned);
                let proxy = NginxFile::new(path, reload.collect());
                ProxySink::start(proxy, engine, report)
            }
            #[cfg(feature = "consul")]
            Self::Consul(url) => {
                let consul = discovery_consul::Consul::new(url);
                let mut consul = consul.map_err(|e| Failure::input(e.to_string(), "--sink"))?;
                // As Consul's own command reads it.
                if let Ok(token) = std::env::var("CONSUL_HTTP_TOKEN") {
                    consul = consul.token(token);
                }
                ProxySink::start(consul, engine, report)
            }
            Self::Stdout => return Ok(None),
        }))
    }
}

#[cfg(feature = "xds")]
fn xds(address: &str) -> Result<Named, Failure> {
    let read = address.parse().map(Named::Xds);
    read.map_err(|_| {
        let message = format!("`{address}` is no address: IP:PORT, [IP]:PORT");
        Failure::input(message, "--sink")
    })
}

#[cfg(not(feature = "xds"))]
fn xds(_: &str) -> Result<Named, Failure> {
    let message = "this berth was built without xDS: build it with `--features xds` (or `full`)";
    Err(Failure::input(message, "--sink"))
}

#[cfg(feature = "consul")]
fn consul(url: &str) -> Result<Named, Failure> {
    let checked = discovery_consul::Consul::new(url);
    checked.map_err(|e| Failure::input(e.to_string(), "--sink"))?;
    Ok(Named::Consul(url.to_owned()))
}

#[cfg(not(feature = "consul"))]
fn consul(_: &str) -> Result<Named, Failure> {
    let message =
        "this berth was built without Consul: build it with `--features consul` (or `full`)";
    Err(Failure::input(message, "--sink"))
}

fn unknown(text: &str) -> Failure {
    let message = format!(
        "`{text}` is no sink: envoy-file:PATH, xds:IP:PORT, haproxy:SOCKET, nginx-file:PATH, consul:URL or stdout"
    );
    Failure::input(message, "--sink")
}
