//! The part of Envoy's protocol that is spoken: `envoy/service/discovery/v3/discovery.proto`, `envoy/config/endpoint/v3/*.proto`,
//! `envoy/config/cluster/v3/cluster.proto` and what they name. Names and numbers are theirs; fields that nobody here reads or sets are
//! left out, which protobuf allows.

use bytes::Bytes;
use prost::{Enumeration, Message, Oneof};
use std::collections::HashMap;

/// The service and its methods.
pub(super) mod path {
    pub(in super::super) const STATE_OF_THE_WORLD: &str =
        "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
    pub(in super::super) const DELTA: &str =
        "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
}

/// The types of resources that are served.
pub(super) const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
pub(super) const ENDPOINTS: &str = crate::envoy::TYPE;

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Any {
    #[prost(string, tag = "1")]
    pub(super) type_url: String,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) value: Bytes,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct ErrorDetail {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    #[prost(string, tag = "2")]
    pub(super) message: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Node {
    #[prost(string, tag = "1")]
    pub(super) id: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct DiscoveryRequest {
    #[prost(string, tag = "1")]
    pub(super) version_info: String,
    #[prost(message, optional, tag = "2")]
    pub(super) node: Option<Node>,
    #[prost(string, repeated, tag = "3")]
    pub(super) resource_names: Vec<String>,
    #[prost(string, tag = "4")]
    pub(super) type_url: String,
    #[prost(string, tag = "5")]
    pub(super) response_nonce: String,
    #[prost(message, optional, tag = "6")]
    pub(super) error_detail: Option<ErrorDetail>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct DiscoveryResponse {
    #[prost(string, tag = "1")]
    pub(super) version_info: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) resources: Vec<Any>,
    #[prost(string, tag = "4")]
    pub(super) type_url: String,
    #[prost(string, tag = "5")]
    pub(super) nonce: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct DeltaDiscoveryRequest {
    #[prost(message, optional, tag = "1")]
    pub(super) node: Option<Node>,
    #[prost(string, tag = "2")]
    pub(super) type_url: String,
    #[prost(string, repeated, tag = "3")]
    pub(super) resource_names_subscribe: Vec<String>,
    #[prost(string, repeated, tag = "4")]
    pub(super) resource_names_unsubscribe: Vec<String>,
    #[prost(map = "string, string", tag = "5")]
    pub(super) initial_resource_versions: HashMap<String, String>,
    #[prost(string, tag = "6")]
    pub(super) response_nonce: String,
    #[prost(message, optional, tag = "7")]
    pub(super) error_detail: Option<ErrorDetail>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct DeltaDiscoveryResponse {
    #[prost(message, repeated, tag = "2")]
    pub(super) resources: Vec<Versioned>,
    #[prost(string, tag = "4")]
    pub(super) type_url: String,
    #[prost(string, tag = "5")]
    pub(super) nonce: String,
    #[prost(string, repeated, tag = "6")]
    pub(super) removed_resources: Vec<String>,
}

/// `envoy.service.discovery.v3.Resource`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Versioned {
    #[prost(string, tag = "1")]
    pub(super) version: String,
    #[prost(message, optional, tag = "2")]
    pub(super) resource: Option<Any>,
    #[prost(string, tag = "3")]
    pub(super) name: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct ClusterLoadAssignment {
    #[prost(string, tag = "1")]
    pub(super) cluster_name: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) endpoints: Vec<LocalityLbEndpoints>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct LocalityLbEndpoints {
    #[prost(message, optional, tag = "1")]
    pub(super) locality: Option<Place>,
    #[prost(message, repeated, tag = "2")]
    pub(super) lb_endpoints: Vec<LbEndpoint>,
    /// A `UInt32Value`, as all weights.
    #[prost(message, optional, tag = "3")]
    pub(super) load_balancing_weight: Option<u32>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Place {
    #[prost(string, tag = "1")]
    pub(super) region: String,
    #[prost(string, tag = "2")]
    pub(super) zone: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct LbEndpoint {
    #[prost(message, optional, tag = "1")]
    pub(super) endpoint: Option<Endpoint>,
    #[prost(enumeration = "HealthStatus", tag = "2")]
    pub(super) health_status: i32,
    #[prost(message, optional, tag = "4")]
    pub(super) load_balancing_weight: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Enumeration)]
#[repr(i32)]
pub(super) enum HealthStatus {
    Unknown = 0,
    Healthy = 1,
    Unhealthy = 2,
    Draining = 3,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Endpoint {
    #[prost(message, optional, tag = "1")]
    pub(super) address: Option<Address>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Address {
    #[prost(message, optional, tag = "1")]
    pub(super) socket_address: Option<SocketAddress>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct SocketAddress {
    #[prost(string, tag = "2")]
    pub(super) address: String,
    #[prost(oneof = "Port", tags = "3")]
    pub(super) port: Option<Port>,
}

#[derive(Clone, PartialEq, Eq, Oneof)]
pub(super) enum Port {
    #[prost(uint32, tag = "3")]
    Value(u32),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Cluster {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(oneof = "ClusterType", tags = "2")]
    pub(super) cluster_type: Option<ClusterType>,
    #[prost(message, optional, tag = "3")]
    pub(super) eds_cluster_config: Option<EdsClusterConfig>,
    #[prost(message, optional, tag = "4")]
    pub(super) connect_timeout: Option<Span>,
    #[prost(message, optional, tag = "27")]
    pub(super) common_lb_config: Option<CommonLbConfig>,
    #[prost(bool, tag = "32")]
    pub(super) ignore_health_on_host_removal: bool,
}

#[derive(Clone, PartialEq, Eq, Oneof)]
pub(super) enum ClusterType {
    /// `DiscoveryType`; `EDS` is 3.
    #[prost(int32, tag = "2")]
    Discovery(i32),
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct EdsClusterConfig {
    #[prost(message, optional, tag = "1")]
    pub(super) eds_config: Option<ConfigSource>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct ConfigSource {
    #[prost(message, optional, tag = "3")]
    pub(super) ads: Option<Empty>,
    /// `ApiVersion`; `V3` is 2.
    #[prost(int32, tag = "6")]
    pub(super) resource_api_version: i32,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(super) struct Empty {}

/// `google.protobuf.Duration`.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(super) struct Span {
    #[prost(int64, tag = "1")]
    pub(super) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(super) nanos: i32,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct CommonLbConfig {
    /// A `Percent`.
    #[prost(message, optional, tag = "1")]
    pub(super) healthy_panic_threshold: Option<Percent>,
    #[prost(message, optional, tag = "4")]
    pub(super) update_merge_window: Option<Span>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Percent {
    #[prost(double, tag = "1")]
    pub(super) value: f64,
}
