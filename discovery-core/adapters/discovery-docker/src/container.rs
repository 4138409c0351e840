//! A container, by what the engine tells of it (`GET /containers/ID/json`).

use crate::label::{Labels, SERVICE, Wishes};
use discovery_core::Timestamp;
use discovery_core::endpoint::Conditions;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// What the engine's answer has, as far as it is read. What is missing is empty.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Inspected {
    name: String,
    state: State,
    config: Config,
    host_config: HostConfig,
    network_settings: NetworkSettings,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct State {
    running: bool,
    paused: bool,
    restarting: bool,
    started_at: String,
    health: Option<Health>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Health {
    status: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Config {
    labels: Option<Labels>,
    exposed_ports: Option<BTreeMap<String, Value>>,
    stop_signal: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct HostConfig {
    network_mode: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct NetworkSettings {
    networks: Option<BTreeMap<String, Option<Network>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Network {
    #[serde(rename = "IPAddress")]
    ip_address: Option<String>,
    #[serde(rename = "GlobalIPv6Address")]
    global_ipv6_address: Option<String>,
}

/// A container that runs and names a service.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Container {
    pub(crate) name: String,
    pub(crate) wishes: Wishes,
    pub(crate) address: SocketAddr,
    pub(crate) conditions: Conditions,
    /// When it began, as the engine writes it: in UTC, so that texts compare as times do, to the second.
    pub(crate) started_at: String,
    /// The signal by which it is told to stop, as a name or a number.
    pub(crate) stop_signal: String,
}

/// What an answer comes to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Read {
    /// It runs.
    Runs(Box<Container>),
    /// It does not run, or is of no service.
    None,
    /// It runs, and can't be an endpoint: its name, and why.
    Bad(String, String),
}

impl Read {
    /// Reads an answer. `host` is the address of containers that share the host's network.
    ///
    /// # Errors
    /// It is no answer of an engine's.
    pub(crate) fn of(answer: &[u8], host: IpAddr) -> Result<Self, String> {
        let inspected: Inspected = serde_json::from_slice(answer).map_err(|e| e.to_string())?;
        let labels = inspected.config.labels.as_ref();
        let state = &inspected.state;
        let runs = state.running && !state.restarting;
        let Some(labels) = labels.filter(|labels| runs && labels.contains_key(SERVICE)) else {
            return Ok(Self::None);
        };
        let name = inspected.name.trim_start_matches('/').to_owned();
        let read =
            Wishes::read(labels).and_then(|wishes| Ok((inspected.address(&wishes, host)?, wishes)));
        Ok(match read {
            Ok((address, wishes)) => Self::Runs(Box::new(Container {
                address,
                wishes,
                conditions: state.conditions(),
                started_at: state.started_at.clone(),
                stop_signal: inspected.config.stop_signal.clone().unwrap_or_default(),
                name,
            })),
            Err(problem) => Self::Bad(name, problem),
        })
    }
}

impl State {
    fn conditions(&self) -> Conditions {
        let health = self
            .health
            .as_ref()
            .map_or("none", |health| &*health.status);
        let serving = !self.paused && !matches!(health, "starting" | "unhealthy");
        Conditions {
            ready: serving,
            serving,
            terminating: false,
        }
    }
}

impl Inspected {
    fn address(&self, wishes: &Wishes, host: IpAddr) -> Result<SocketAddr, String> {
        let port = match wishes.port {
            Some(port) => port,
            None => self.exposed()?,
        };
        if self.host_config.network_mode == "host" {
            return Ok((host, port).into());
        }
        let networks = self.network_settings.networks.iter().flatten();
        let of = |network: &Option<Network>| network.as_ref().and_then(Network::address);
        let mut addressed = networks.filter_map(|(name, network)| Some((name, of(network)?)));
        if let Some(wanted) = &wishes.network {
            let found = addressed.find(|(name, _)| *name == wanted);
            let found = found
                .ok_or_else(|| format!("berth.network={wanted:?}: it has no address there"))?;
            return Ok((found.1, port).into());
        }
        match (addressed.next(), addressed.next()) {
            (Some((_, address)), None) => Ok((address, port).into()),
            (Some((one, _)), Some((other, _))) => Err(format!(
                "berth.network: it has addresses on {one:?} and {other:?}; which one is meant?"
            )),
            (None, _) => Err("it has no address".into()),
        }
    }

    /// The only port that it exposes.
    fn exposed(&self) -> Result<u16, String> {
        let ports = self.config.exposed_ports.iter().flatten();
        let tcp = ports.filter_map(|(port, _)| port.strip_suffix("/tcp"));
        let mut tcp = tcp.filter_map(|port| port.parse().ok());
        match (tcp.next(), tcp.next()) {
            (Some(port), None) => Ok(port),
            (None, _) => Err("berth.port: want one, since its image exposes none".into()),
            (Some(one), Some(other)) => Err(format!(
                "berth.port: want one, since its image exposes {one} and {other}"
            )),
        }
    }
}

impl Network {
    fn address(&self) -> Option<IpAddr> {
        let mut all = [&self.ip_address, &self.global_ipv6_address].into_iter();
        all.find_map(|text| text.as_deref()?.parse().ok())
    }
}

impl Container {
    /// Its beginning as a time that is only compared for equality (FNV-1a of the text).
    pub(crate) fn begun(&self) -> Timestamp {
        let hash = self
            .started_at
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        Timestamp::from_nanos(hash)
    }

    /// Whether a signal tells it to end: its own, KILL, or TERM where it names none.
    pub(crate) fn ends_by(&self, signal: &str) -> bool {
        let own = match &*self.stop_signal {
            "" => "15",
            own => own,
        };
        signal == "9" || signal == number(own)
    }
}

/// The number of a signal on Linux (signal(7)), for those that programs are told to end by.
fn number(signal: &str) -> &str {
    match signal.strip_prefix("SIG").unwrap_or(signal) {
        "HUP" => "1",
        "INT" => "2",
        "QUIT" => "3",
        "KILL" => "9",
        "USR1" => "10",
        "USR2" => "12",
        "TERM" => "15",
        "WINCH" => "28",
        "RTMIN+3" => "37",
        other => other,
    }
}

#[cfg(test)]
mod tests;
