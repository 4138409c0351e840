//! The file of services and endpoints. Each record is read by itself: a bad one stops no other.

use discovery_core::endpoint::Conditions;
use discovery_core::health::{CheckKind, HealthCheck};
use discovery_core::warm_up::WarmUp;
use discovery_core::{ServiceConfig, Timestamp};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

/// Weights move at least this often while something warms up.
const STEP: Duration = Duration::from_millis(500);

/// What the file says, and what is wrong with it.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) services: Vec<Service>,
    pub(super) problems: Vec<String>,
    /// Whether some service could not be read: which, is not known.
    pub(super) unread: bool,
    /// Ids of all endpoints of services that were read before.
    ids: HashSet<String>,
}

#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) config: ServiceConfig,
    pub(super) endpoints: Vec<Endpoint>,
    /// Ids of endpoints that are there and could not be read.
    pub(super) unread: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) id: String,
    pub(super) address: SocketAddr,
    pub(super) node: String,
    pub(super) zone: String,
    pub(super) region: String,
    pub(super) weight: u32,
    pub(super) conditions: Conditions,
    pub(super) started_at: Timestamp,
}

#[derive(Deserialize)]
struct RawService {
    name: String,
    #[serde(default)]
    warmup: Option<Value>,
    #[serde(default)]
    health: Option<Value>,
    #[serde(default)]
    panic_percent: Option<u8>,
    #[serde(default)]
    hold_percent: Option<u8>,
    #[serde(default)]
    endpoints: Vec<Value>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

#[derive(Deserialize)]
struct RawWarmUp {
    window_s: f64,
    #[serde(default = "linear")]
    aggression: f64,
    #[serde(default = "ten")]
    min_weight_percent: u8,
    #[serde(flatten)]
    other: Map<String, Value>,
}

fn linear() -> f64 {
    1.0
}

fn ten() -> u8 {
    10
}

#[derive(Deserialize)]
struct RawHealth {
    kind: String,
    path: Option<String>,
    service: Option<String>,
    command: Option<Vec<String>>,
    interval_s: Option<f64>,
    fast_interval_s: Option<f64>,
    timeout_s: Option<f64>,
    rise: Option<u8>,
    fall: Option<u8>,
    jitter_percent: Option<u8>,
    flap_damping: Option<u8>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

#[derive(Deserialize)]
struct RawEndpoint {
    id: String,
    address: SocketAddr,
    #[serde(default = "unnamed")]
    node: String,
    #[serde(default = "unnamed")]
    zone: String,
    #[serde(default = "unnamed")]
    region: String,
    #[serde(default = "hundred")]
    weight: u32,
    #[serde(default = "yes")]
    ready: bool,
    serving: Option<bool>,
    #[serde(default)]
    terminating: bool,
    /// When its process started, in seconds since the epoch: another time is a restart.
    #[serde(default)]
    started_at_s: f64,
    #[serde(flatten)]
    other: Map<String, Value>,
}

fn unnamed() -> String {
    "default".into()
}

fn hundred() -> u32 {
    100
}

fn yes() -> bool {
    true
}

/// A value, or what is wrong where.
fn read<T: DeserializeOwned>(value: Value, place: &str) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|e| match &*e.path().to_string() {
        "." => format!("{place}: {}", e.inner()),
        path => format!("{place}.{path}: {}", e.inner()),
    })
}

fn seconds(value: f64, place: &str) -> Result<Duration, String> {
    Duration::try_from_secs_f64(value).map_err(|e| format!("{place}: {value}: {e}"))
}

impl Document {
    /// Reads it.
    ///
    /// # Errors
    /// It is no document at all: nothing of it can be used.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut value: Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
        let Some(Value::Array(services)) = value.get_mut("services").map(Value::take) else {
            return Err("want {\"services\": [...]}".into());
        };
        let mut document = Self::default();
        for (index, value) in services.into_iter().enumerate() {
            let place = format!("services[{index}]");
            match document.service(value, &place) {
                Ok(service) => {
                    let ids = service.endpoints.iter().map(|e| e.id.clone());
                    document.ids.extend(ids);
                    document.services.push(service);
                }
                Err(problem) => {
                    document.problems.push(problem);
                    document.unread = true;
                }
            }
        }
        Ok(document)
    }

    fn unknown(&mut self, place: &str, other: &Map<String, Value>) {
        if let Some(key) = other.keys().next() {
            self.problems
                .push(format!("{place}.{key}: no such key; it is passed over"));
        }
    }

    fn service(&mut self, value: Value, place: &str) -> Result<Service, String> {
        let raw: RawService = read(value, place)?;
        if self.services.iter().any(|known| known.name == raw.name) {
            return Err(format!("{place}: a second service named {:?}", raw.name));
        }
        self.unknown(place, &raw.other);
        let mut service = Service {
            config: ServiceConfig::default(),
            name: raw.name,
            endpoints: Vec::new(),
            unread: Vec::new(),
        };
        let mut config = ServiceConfig::default();
        if let Some(warm_up) = raw.warmup {
            config = self.warmed(config, warm_up, &format!("{place}.warmup"))?;
        }
        if let Some(health) = raw.health {
            config.health = Some(self.health(health, &format!("{place}.health"))?);
        }
        config.panic_percent = raw.panic_percent.unwrap_or(config.panic_percent);
        config.hold_percent = raw.hold_percent.unwrap_or(config.hold_percent);
        service.config = config;
        for (index, value) in raw.endpoints.into_iter().enumerate() {
            let place = format!("{place}.endpoints[{index}]");
            let id = value.get("id").and_then(Value::as_str).map(str::to_owned);
            match self.endpoint(value, &place) {
                Ok(endpoint) => service.endpoints.push(endpoint),
                Err(problem) => {
                    self.problems.push(problem);
                    service.unread.extend(id);
                }
            }
        }
        Ok(service)
    }

    fn warmed(
        &mut self,
        config: ServiceConfig,
        value: Value,
        place: &str,
    ) -> Result<ServiceConfig, String> {
        let raw: RawWarmUp = read(value, place)?;
        self.unknown(place, &raw.other);
        let window = seconds(raw.window_s, &format!("{place}.window_s"))?;
        if window.is_zero() {
            return Ok(config);
        }
        let warm_up = WarmUp::Envoy {
            window,
            aggression: raw.aggression,
            least_percent: raw.min_weight_percent,
        };
        // The curve's least slope is that of a line over this many windows.
        let slowest = window.as_secs_f64() * raw.aggression.max(1.0 / raw.aggression);
        let step = 1000.0 * STEP.as_secs_f64() / slowest;
        Ok(config
            .with_warm_up(warm_up)
            .with_weight_step_permille(step.clamp(1.0, 50.0) as u16))
    }

    fn health(&mut self, value: Value, place: &str) -> Result<HealthCheck, String> {
        let raw: RawHealth = read(value, place)?;
        self.unknown(place, &raw.other);
        let kind = match &*raw.kind {
            "http" => CheckKind::Http {
                path: raw.path.unwrap_or_else(|| "/".into()),
            },
            "tcp" => CheckKind::Tcp,
            "grpc" => CheckKind::Grpc {
                service: raw.service.unwrap_or_default(),
            },
            "exec" => CheckKind::Exec {
                command: raw
                    .command
                    .filter(|command| !command.is_empty())
                    .ok_or_else(|| format!("{place}.command: want a program and its arguments"))?,
            },
            kind => {
                return Err(format!(
                    "{place}.kind: {kind:?}: want http, tcp, grpc or exec"
                ));
            }
        };
        if let CheckKind::Http { path } = &kind
            && (!path.starts_with('/') || !path.bytes().all(|b| b.is_ascii_graphic()))
        {
            return Err(format!(
                "{place}.path: {path:?}: begins with `/` and has no spaces"
            ));
        }
        let mut check = HealthCheck::new(kind);
        let time = |given: Option<f64>, key: &str| {
            given
                .map(|given| seconds(given, &format!("{place}.{key}")))
                .transpose()
        };
        check.interval = time(raw.interval_s, "interval_s")?.unwrap_or(check.interval);
        check.timeout = time(raw.timeout_s, "timeout_s")?.unwrap_or(check.timeout);
        check.fast_interval = time(raw.fast_interval_s, "fast_interval_s")?;
        check.rise = raw.rise.unwrap_or(check.rise);
        check.fall = raw.fall.unwrap_or(check.fall);
        check.jitter_percent = raw.jitter_percent.unwrap_or(check.jitter_percent);
        check.flap_damping = raw.flap_damping.unwrap_or(check.flap_damping);
        Ok(check)
    }

    fn endpoint(&mut self, value: Value, place: &str) -> Result<Endpoint, String> {
        let raw: RawEndpoint = read(value, place)?;
        if self.ids.contains(&raw.id) {
            return Err(format!(
                "{place}: {:?} is another service's already",
                raw.id
            ));
        }
        self.unknown(place, &raw.other);
        let started = seconds(raw.started_at_s, &format!("{place}.started_at_s"))?;
        Ok(Endpoint {
            id: raw.id,
            address: raw.address,
            node: raw.node,
            zone: raw.zone,
            region: raw.region,
            weight: raw.weight,
            conditions: Conditions {
                ready: raw.ready,
                serving: raw.serving.unwrap_or(raw.ready),
                terminating: raw.terminating,
            },
            started_at: Timestamp::from(started),
        })
    }
}
