//! Keys of the `ipam` section that host-local has not.

use crate::environment::shortened;
use crate::error::{Code, Refusal};
use crate::field::field;
use crate::network::{text, wrong_type};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Where addresses are kept: the key `store`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreName {
    /// One file, of a network or of several: `redb:PATH`.
    Redb(String),
    /// etcd, shared by hosts: `etcd:URL[,URL]`.
    Etcd(String),
}

/// What is retained for a workload after its container is gone: the key `retention`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retain {
    /// Nothing, as host-local does: `"ephemeral"`.
    #[default]
    Ephemeral,
    /// Its address, for a time: `{"sticky": "1h"}`.
    Sticky(Duration),
    /// Its address, for as long as the reservation stands: `"fixed"`.
    Fixed,
}

/// The keys of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// `store`; nothing: a file in `dataDir`.
    pub store: Option<StoreName>,
    /// `retention`.
    pub retention: Retain,
    /// `quarantine`: how long a released address is given to nobody. Zero unless told, as host-local knows none.
    pub quarantine: Duration,
    /// `labels`: of the pools that the configuration makes.
    pub labels: BTreeMap<String, String>,
    /// `host`: by which name this host's attachments are known in a store that hosts share.
    pub host: Option<String>,
    /// `controller`: what the cluster is called in the store whose IP controller gives pods their addresses; nothing is given here then.
    pub controller: Option<String>,
    /// `etcd`: how to reach a store in etcd.
    pub etcd: EtcdSettings,
}

/// The object `etcd`: what a store in etcd needs besides its URLs. Files are named, not given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EtcdSettings {
    /// `prefix`: below which keys the store is.
    pub prefix: Option<String>,
    /// `user`: as whom.
    pub user: Option<String>,
    /// `passwordFile`: what holds the user's password.
    pub password_file: Option<String>,
    /// `ca`: the certificate authorities that vouch for etcd (PEM); https needs them.
    pub ca: Option<String>,
    /// `cert`: a client certificate (PEM).
    pub certificate: Option<String>,
    /// `key`: its key (PEM).
    pub key: Option<String>,
}

impl EtcdSettings {
    fn parse(object: Option<&Value>) -> Result<Self, Refusal> {
        let object = match object {
            None | Some(Value::Null) => return Ok(Self::default()),
            Some(object) if object.is_object() => object,
            Some(other) => return Err(wrong_type("etcd", "an object", other)),
        };
        let get = |name| Ok::<_, Refusal>(text(object, name)?.map(str::to_owned));
        Ok(Self {
            prefix: get("prefix")?,
            user: get("user")?,
            password_file: get("passwordFile")?,
            ca: get("ca")?,
            certificate: get("cert")?,
            key: get("key")?,
        })
    }
}

/// Most labels of a configuration, as many as a pool may have.
const MOST_LABELS: usize = 64;

impl Settings {
    pub(crate) fn parse(ipam: &Value) -> Result<Self, Refusal> {
        Ok(Self {
            store: text(ipam, "store")?.map(store).transpose()?,
            retention: retention(field(ipam, "retention"))?,
            quarantine: text(ipam, "quarantine")?
                .map_or(Ok(Duration::ZERO), |t| duration("quarantine", t))?,
            labels: labels(field(ipam, "labels"))?,
            host: text(ipam, "host")?.map(str::to_owned),
            controller: text(ipam, "controller")?.map(str::to_owned),
            etcd: EtcdSettings::parse(field(ipam, "etcd"))?,
        })
    }
}

fn invalid(message: String) -> Refusal {
    Refusal::new(Code::InvalidConfig, message)
}

fn store(text: &str) -> Result<StoreName, Refusal> {
    match text.split_once(':') {
        Some(("redb", path)) if !path.is_empty() => Ok(StoreName::Redb(path.to_owned())),
        Some(("etcd", urls)) if !urls.is_empty() => Ok(StoreName::Etcd(urls.to_owned())),
        _ => Err(invalid(format!("{:?} is no store", shortened(text)))
            .details("\"store\" is \"redb:PATH\" or \"etcd:URL[,URL]\"; without it the store is a file in dataDir")),
    }
}

fn retention(value: Option<&Value>) -> Result<Retain, Refusal> {
    let wrong = |given: &Value| {
        invalid(format!("{} is no retention", shortened(&given.to_string())))
            .details("\"retention\" is \"ephemeral\", \"fixed\" or {\"sticky\": \"1h\"}")
    };
    match value {
        None | Some(Value::Null) => Ok(Retain::Ephemeral),
        Some(Value::String(text)) if text == "ephemeral" => Ok(Retain::Ephemeral),
        Some(Value::String(text)) if text == "fixed" => Ok(Retain::Fixed),
        Some(given) => match (
            field(given, "sticky"),
            given.as_object().map(serde_json::Map::len),
        ) {
            (Some(Value::String(time)), Some(1)) => duration("sticky", time).map(Retain::Sticky),
            _ => Err(wrong(given)),
        },
    }
}

/// A time such as `500ms`, `90s`, `5m`, `1h` or `1d`.
fn duration(name: &str, text: &str) -> Result<Duration, Refusal> {
    let wrong = || {
        invalid(format!("{name}: {:?} is no time", shortened(text)))
            .details("write a number and a unit: 500ms, 90s, 5m, 1h or 1d")
    };
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "ms" => return Ok(Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    number
        .checked_mul(seconds)
        .map(Duration::from_secs)
        .ok_or_else(wrong)
}

fn labels(value: Option<&Value>) -> Result<BTreeMap<String, String>, Refusal> {
    let map = match value {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Object(map)) => map,
        Some(other) => return Err(wrong_type("labels", "an object of strings", other)),
    };
    if map.len() > MOST_LABELS {
        return Err(invalid(format!("{} labels are too many", map.len()))
            .details(format!("a pool may have {MOST_LABELS}")));
    }
    let pair = |(key, value): (&String, &Value)| match value {
        Value::String(text) => Ok((key.clone(), text.clone())),
        other => Err(wrong_type("labels", "strings", other)),
    };
    map.iter().map(pair).collect()
}
