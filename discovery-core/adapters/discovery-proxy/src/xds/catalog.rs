//! What is served: resources by name, encoded once for all streams.

use super::proto::{
    Address, Any, CLUSTER, Cluster, ClusterLoadAssignment, ClusterType, CommonLbConfig,
    ConfigSource, ENDPOINTS, EdsClusterConfig, Empty, Endpoint, HealthStatus, LbEndpoint,
    LocalityLbEndpoints, Percent, Place, Port, SocketAddress, Span,
};
use crate::assignment::{Assignment, Assignments};
use crate::load::{self, Health, hash, localities};
use bytes::Bytes;
use prost::Message;
use std::collections::BTreeMap;
use std::sync::Arc;

/// `DiscoveryType.EDS` and `ApiVersion.V3`.
const EDS: i32 = 3;
const V3: i32 = 2;
/// How long a connection to an endpoint may take to be made.
const CONNECT_S: i64 = 1;

/// Resources of one type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Before endpoints: it is told of first.
    Clusters,
    Endpoints,
    /// A type of which there are none here.
    Other(Box<str>),
}

impl Kind {
    pub(super) fn of(type_url: &str) -> Self {
        match type_url {
            CLUSTER => Self::Clusters,
            ENDPOINTS => Self::Endpoints,
            other => Self::Other(other.into()),
        }
    }

    pub(super) fn type_url(&self) -> &str {
        match self {
            Self::Clusters => CLUSTER,
            Self::Endpoints => ENDPOINTS,
            Self::Other(url) => url,
        }
    }
}

/// One resource: its content, and a hash of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    pub(super) version: u64,
    pub(super) content: Bytes,
}

impl Resource {
    fn new(message: &impl Message) -> Self {
        let content = Bytes::from(message.encode_to_vec());
        Self {
            version: hash(content.iter().copied()),
            content,
        }
    }

    pub(super) fn any(&self, kind: &Kind) -> Any {
        Any {
            type_url: kind.type_url().to_owned(),
            value: self.content.clone(),
        }
    }
}

/// A version as it is written.
pub(super) fn version(hash: u64) -> String {
    format!("{hash:016x}")
}

/// All that is served at one time.
#[derive(Debug, Default)]
pub(super) struct Catalog(BTreeMap<Box<str>, Service>);

#[derive(Clone, Debug)]
struct Service {
    of: Arc<Assignment>,
    cluster: Resource,
    endpoints: Resource,
}

impl Catalog {
    /// The next one; what did not change is taken from this one. A service without a name, which Envoy refuses, is left out.
    pub(super) fn next(&self, wanted: &Assignments) -> Self {
        let named = wanted.iter().filter(|(name, _)| !name.is_empty());
        let service = |(name, of): (&str, &Arc<Assignment>)| {
            let known = self.0.get(name);
            let service = match known {
                Some(known) if Arc::ptr_eq(&known.of, of) => known.clone(),
                _ => Service {
                    of: Arc::clone(of),
                    cluster: known.map_or_else(|| cluster(name), |k| k.cluster.clone()),
                    endpoints: endpoints(name, of),
                },
            };
            (name.into(), service)
        };
        Self(named.map(service).collect())
    }

    pub(super) fn names(&self, kind: &Kind) -> impl Iterator<Item = &str> {
        let all = match kind {
            Kind::Clusters | Kind::Endpoints => Some(&self.0),
            Kind::Other(_) => None,
        };
        all.into_iter()
            .flat_map(|all| all.keys().map(|name| &**name))
    }

    /// Endpoints of a service that is not known are none: a cluster that waits for them would wait for long, and one whose service
    /// is gone would keep what it had.
    pub(super) fn get(&self, kind: &Kind, name: &str) -> Option<Resource> {
        match kind {
            Kind::Clusters => self.0.get(name).map(|s| s.cluster.clone()),
            Kind::Endpoints => {
                let known = self.0.get(name).map(|s| s.endpoints.clone());
                Some(known.unwrap_or_else(|| endpoints(name, &Assignment::default())))
            }
            Kind::Other(_) => None,
        }
    }

    /// How many resources differ from those of another one.
    pub(super) fn changes(&self, before: &Self) -> usize {
        let version = |of: &Self, name: &str| of.0.get(name).map(|s| s.endpoints.version);
        let changed = self
            .0
            .keys()
            .filter(|n| version(self, n) != version(before, n));
        let gone = before.0.keys().filter(|name| !self.0.contains_key(*name));
        changed.count() + gone.count()
    }
}

/// As the README wants a cluster: it never panics by itself, since the engine does, and weights count at once.
fn cluster(name: &str) -> Resource {
    let eds_config = ConfigSource {
        ads: Some(Empty {}),
        resource_api_version: V3,
    };
    Resource::new(&Cluster {
        name: name.to_owned(),
        cluster_type: Some(ClusterType::Discovery(EDS)),
        eds_cluster_config: Some(EdsClusterConfig {
            eds_config: Some(eds_config),
        }),
        connect_timeout: Some(Span {
            seconds: CONNECT_S,
            nanos: 0,
        }),
        common_lb_config: Some(CommonLbConfig {
            healthy_panic_threshold: Some(Percent { value: 0.0 }),
            update_merge_window: Some(Span::default()),
        }),
        ignore_health_on_host_removal: true,
    })
}

fn endpoints(name: &str, assignment: &Assignment) -> Resource {
    let locality = |place: load::Locality<'_>| LocalityLbEndpoints {
        locality: Some(Place {
            region: place.region.to_owned(),
            zone: place.zone.to_owned(),
        }),
        lb_endpoints: place.hosts.iter().map(host).collect(),
        load_balancing_weight: Some(place.weight),
    };
    Resource::new(&ClusterLoadAssignment {
        cluster_name: name.to_owned(),
        endpoints: localities(assignment).into_iter().map(locality).collect(),
    })
}

fn host(host: &load::Host) -> LbEndpoint {
    let socket_address = SocketAddress {
        address: host.address.ip().to_string(),
        port: Some(Port::Value(host.address.port().into())),
    };
    let health = match host.health {
        Health::Healthy => HealthStatus::Healthy,
        Health::Unhealthy => HealthStatus::Unhealthy,
        Health::Draining => HealthStatus::Draining,
    };
    LbEndpoint {
        endpoint: Some(Endpoint {
            address: Some(Address {
                socket_address: Some(socket_address),
            }),
        }),
        health_status: health.into(),
        load_balancing_weight: Some(host.weight),
    }
}
