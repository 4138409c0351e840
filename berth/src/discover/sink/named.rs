//! The sinks that `--sink` names.

use super::super::args::{RunArgs, added};
use super::super::metrics::Metrics;
use crate::answer::Failure;
use discovery_core::Engine;
use discovery_proxy::{EnvoyFile, Haproxy, NginxFile, ProxySink};
use std::path::{Path, PathBuf};
use tokio::task::JoinHandle;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::discover) enum Named {
    EnvoyFile(PathBuf),
    Haproxy(PathBuf),
    NginxFile(PathBuf),
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
    ) -> Option<(ProxySink, JoinHandle<()>)> {
        let report = metrics.proxy();
        Some(match self {
            Self::EnvoyFile(path) => ProxySink::start(EnvoyFile::new(path), engine, report),
            Self::Haproxy(path) => ProxySink::start(Haproxy::new(path), engine, report),
            Self::NginxFile(path) => {
                let reload = args.nginx_reload.split_whitespace().map(str::to_owned);
                let proxy = NginxFile::new(path, reload.collect());
                ProxySink::start(proxy, engine, report)
            }
            Self::Stdout => return None,
        })
    }
}

fn unknown(text: &str) -> Failure {
    let message =
        format!("`{text}` is no sink: envoy-file:PATH, haproxy:SOCKET, nginx-file:PATH or stdout");
    Failure::input(message, "--sink")
}
