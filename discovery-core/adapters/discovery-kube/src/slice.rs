//! What an EndpointSlice says, as far as it is read here.

use discovery_core::endpoint::Conditions;
use serde_json::Value;
use std::net::IpAddr;
use std::time::Duration;

/// The label by which a slice tells its Service (`discovery.k8s.io/v1`).
const SERVICE: &str = "kubernetes.io/service-name";
/// Of a Service, and so of its slices: the window of slow start.
const WARM_UP: &str = "discovery.berth.dev/warmup-seconds";
/// The longest window, a year: the engine's own bound.
const LONGEST_S: f64 = 365.0 * 86_400.0;

/// One slice.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Slice {
    /// `NAMESPACE/SERVICE`.
    pub(crate) service: String,
    /// By name; TCP alone.
    pub(crate) ports: Vec<(String, u16)>,
    pub(crate) members: Vec<Member>,
    pub(crate) warm_up: Option<Duration>,
    /// Parts that could not be read; the rest counts.
    pub(crate) problems: Vec<String>,
}

/// One endpoint of all ports.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) address: IpAddr,
    pub(crate) conditions: Conditions,
    pub(crate) node: Option<String>,
    pub(crate) zone: Option<String>,
}

/// Reads the labels and content of a slice in a namespace; nothing if it belongs to no Service.
///
/// # Errors
/// It can't be told which endpoints it has.
pub(crate) fn read<'a>(
    namespace: &str,
    label: impl Fn(&str) -> Option<&'a str>,
    data: &Value,
) -> Result<Option<Slice>, String> {
    let Some(service) = label(SERVICE).filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    let family = match data["addressType"].as_str() {
        Some("IPv4") => "",
        Some("IPv6") => "/v6",
        // Names are resolved by nobody here.
        Some("FQDN") => return Ok(None),
        other => return Err(format!("addressType: {other:?}: want IPv4 or IPv6")),
    };
    let mut slice = Slice {
        service: format!("{namespace}/{service}"),
        ports: ports(&data["ports"])?,
        members: Vec::new(),
        warm_up: None,
        problems: Vec::new(),
    };
    match label(WARM_UP).map(window) {
        Some(Ok(window)) => slice.warm_up = Some(window),
        Some(Err(problem)) => slice.problems.push(problem),
        None => {}
    }
    let endpoints = match &data["endpoints"] {
        Value::Null => &[],
        Value::Array(endpoints) => &**endpoints,
        _ => return Err("endpoints: want a list".into()),
    };
    for (place, endpoint) in endpoints.iter().enumerate() {
        match member(endpoint, family) {
            Ok(member) => slice.members.push(member),
            Err(problem) => slice
                .problems
                .push(format!("endpoints[{place}]: {problem}")),
        }
    }
    Ok(Some(slice))
}

fn window(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|s| (0.0..=LONGEST_S).contains(s));
    let window = seconds.and_then(|s: f64| Duration::try_from_secs_f64(s).ok());
    window.ok_or_else(|| format!("label {WARM_UP}: {text:?}: want seconds, a year at most"))
}

/// A slice without ports has endpoints that nothing can be sent to.
fn ports(value: &Value) -> Result<Vec<(String, u16)>, String> {
    let Some(list) = value.as_array() else {
        return match value {
            Value::Null => Ok(Vec::new()),
            _ => Err("ports: want a list".into()),
        };
    };
    let mut ports = Vec::new();
    for (place, port) in list.iter().enumerate() {
        if !matches!(port["protocol"].as_str(), None | Some("TCP")) {
            continue;
        }
        let name = port["name"].as_str().unwrap_or_default().to_owned();
        let number = match &port["port"] {
            // All ports, which is none in particular.
            Value::Null => continue,
            number => number.as_u64().and_then(|n| u16::try_from(n).ok()),
        };
        let number = number.filter(|n| *n > 0);
        ports.push((name, number.ok_or(format!("ports[{place}].port: no port"))?));
    }
    Ok(ports)
}

fn member(value: &Value, family: &str) -> Result<Member, String> {
    // There may be several; Kubernetes says that the first one is to be used.
    let address = value["addresses"][0].as_str().ok_or("no address")?;
    let read: IpAddr = address.parse().map_err(|e| format!("{address:?}: {e}"))?;
    if read.is_ipv6() == family.is_empty() {
        return Err(format!("{address:?}: not of the slice's type"));
    }
    let target = &value["targetRef"];
    let pod = target["name"].as_str().filter(|_| target["kind"] == "Pod");
    let conditions = &value["conditions"];
    let ready = conditions["ready"].as_bool().unwrap_or(true);
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    Ok(Member {
        name: format!("{}{family}", pod.unwrap_or(address)),
        address: read,
        conditions: Conditions {
            ready,
            serving: conditions["serving"].as_bool().unwrap_or(ready),
            terminating: conditions["terminating"].as_bool().unwrap_or(false),
        },
        node: text("nodeName"),
        zone: text("zone"),
    })
}
