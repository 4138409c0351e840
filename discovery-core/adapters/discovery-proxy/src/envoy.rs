//! Envoy's endpoint discovery (EDS) by a file.

use crate::assignment::{Assignment, Assignments};
use crate::file::replace;
use crate::load::{self, Health, hash, localities};
use crate::sink::{Proxy, ProxyError, Synced};
use async_trait::async_trait;
use serde::Serialize;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The type of what is told of a service.
pub(crate) const TYPE: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";

/// Writes a file that Envoy follows (`path_config_source`): a discovery response with a `ClusterLoadAssignment` of each
/// service.
#[derive(Debug)]
pub struct EnvoyFile {
    path: PathBuf,
    rendered: Rendered,
}

impl EnvoyFile {
    /// At this path, which is replaced by rename.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            rendered: Rendered::default(),
        }
    }
}

#[async_trait]
impl Proxy for EnvoyFile {
    fn name(&self) -> String {
        format!("envoy-file {}", self.path.display())
    }

    async fn sync(&mut self, wanted: &Assignments) -> Result<Synced, ProxyError> {
        let text = self.rendered.response(wanted)?;
        let changed = replace(&self.path, &text).await?;
        Ok(Synced::Done {
            changes: usize::from(changed),
        })
    }
}

/// The discovery response as JSON. Its version is a hash of what it says.
///
/// An endpoint with weight is `HEALTHY`, whatever its checks say: the engine has decided to use it. One without has weight 1, since
/// Envoy refuses 0, and is `UNHEALTHY` if its checks fail, else `DRAINING`. Weights are thousandths, so that each step of a
/// warm-up shows; where their sum would not fit 32 bits all are scaled alike.
///
/// # Errors
/// None that is known of: those of the JSON writer.
pub fn discovery_response(services: &Assignments) -> Result<String, serde_json::Error> {
    Rendered::default().response(services)
}

/// A service's part of the text, as long as the service is the same.
#[derive(Debug, Default)]
struct Rendered(HashMap<Box<str>, (Arc<Assignment>, String)>);

impl Rendered {
    fn response(&mut self, wanted: &Assignments) -> Result<String, serde_json::Error> {
        let mut resources = String::new();
        let mut rendered = HashMap::new();
        for (name, assignment) in wanted.iter() {
            let known = self.0.remove(name);
            let (assignment, text) = match known.filter(|(a, _)| Arc::ptr_eq(a, assignment)) {
                Some(known) => known,
                None => (Arc::clone(assignment), resource(name, assignment)?),
            };
            if !resources.is_empty() {
                resources.push(',');
            }
            resources.push_str(&text);
            rendered.insert(name.into(), (assignment, text));
        }
        self.0 = rendered;
        let version = hash(resources.bytes());
        Ok(format!(
            "{{\"version_info\":\"{version:016x}\",\"type_url\":\"{TYPE}\",\"resources\":[{resources}]}}\n"
        ))
    }
}

#[derive(Serialize)]
struct Cluster<'a> {
    #[serde(rename = "@type")]
    kind: &'static str,
    cluster_name: &'a str,
    endpoints: Vec<Locality<'a>>,
}

#[derive(Serialize)]
struct Locality<'a> {
    locality: Place<'a>,
    load_balancing_weight: u32,
    lb_endpoints: Vec<Host>,
}

#[derive(Serialize)]
struct Place<'a> {
    region: &'a str,
    zone: &'a str,
}

#[derive(Serialize)]
struct Host {
    endpoint: HostEndpoint,
    health_status: &'static str,
    load_balancing_weight: u32,
}

#[derive(Serialize)]
struct HostEndpoint {
    address: HostAddress,
}

#[derive(Serialize)]
struct HostAddress {
    socket_address: SocketAddress,
}

#[derive(Serialize)]
struct SocketAddress {
    address: String,
    port_value: u16,
}

fn resource(name: &str, assignment: &Assignment) -> Result<String, serde_json::Error> {
    let endpoints = localities(assignment).into_iter().map(|place| Locality {
        locality: Place {
            region: place.region,
            zone: place.zone,
        },
        load_balancing_weight: place.weight,
        lb_endpoints: place.hosts.iter().map(host).collect(),
    });
    serde_json::to_string(&Cluster {
        kind: TYPE,
        cluster_name: name,
        endpoints: endpoints.collect(),
    })
}

fn host(host: &load::Host) -> Host {
    Host {
        endpoint: HostEndpoint {
            address: HostAddress {
                socket_address: SocketAddress {
                    address: host.address.ip().to_string(),
                    port_value: host.address.port(),
                },
            },
        },
        health_status: match host.health {
            Health::Healthy => "HEALTHY",
            Health::Unhealthy => "UNHEALTHY",
            Health::Draining => "DRAINING",
        },
        load_balancing_weight: host.weight,
    }
}
