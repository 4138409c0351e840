//! Endpoints: what a source says of them, what the engine knows of them, and the ids of their places.

use core::net::SocketAddr;

use crate::builder::builder;
use crate::health::status::Status;
pub use crate::id::{EndpointId, NodeId, RegionId, ServiceId, ZoneId};
use crate::time::Timestamp;

/// The heaviest base weight: thousandths of it still fit 32 bits.
pub const MAX_WEIGHT: u32 = 1_000_000;

/// The longest name of anything, in bytes (Kubernetes' names end at 253, a namespace and a slash fit too).
pub const MAX_NAME: usize = 512;

/// The most zones in an endpoint's hints (Kubernetes allows 8).
pub const MAX_HINTS: usize = 64;

/// The most endpoints that are drained one by one at once, those included that are not known at present.
pub const MAX_DRAINS: usize = 65_536;

/// The conditions of an `EndpointSlice` endpoint. Kubernetes keeps `ready = serving && !terminating`, save
/// where a service publishes unready addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Conditions {
    /// May be given traffic.
    pub ready: bool,
    /// Answers, even if it is on its way out.
    pub serving: bool,
    /// Is being shut down.
    pub terminating: bool,
}

impl Conditions {
    /// Ready and serving.
    pub const READY: Self = Self {
        ready: true,
        serving: true,
        terminating: false,
    };
    /// Known, not yet ready.
    pub const STARTING: Self = Self {
        ready: false,
        serving: false,
        terminating: false,
    };
    /// Still serving, on its way out.
    pub const TERMINATING: Self = Self {
        ready: false,
        serving: true,
        terminating: true,
    };
}

/// From when an endpoint's warm-up counts. Read when the endpoint is first seen, and again at a restart
/// (a changed `started_at`); plain updates leave the age alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum WarmUpStart {
    /// From the moment it is ready and passes its checks, as seen by the engine.
    #[default]
    #[cfg_attr(feature = "serde", serde(alias = "Cold"))]
    WhenHealthy,
    /// From this moment, when the source knows since when it has been serving. A time in the future (clock
    /// skew) counts as now.
    #[cfg_attr(feature = "serde", serde(alias = "Since"))]
    At(Timestamp),
    /// Over already: it is warm.
    #[cfg_attr(feature = "serde", serde(alias = "Warm"))]
    Done,
}

/// What a source says of one endpoint.
///
/// ```
/// use discovery_core::endpoint::{Conditions, WarmUpStart};
/// use discovery_core::{EndpointSpec, Engine, ServiceConfig};
///
/// let mut engine = Engine::new(7);
/// let service = engine.service("web", ServiceConfig::default())?;
/// let (node, zone, region) = (engine.node("n1")?, engine.zone("a")?, engine.region("north")?);
/// let spec = EndpointSpec::new(service, node, zone, region, ([10, 0, 0, 1], 80).into())
///     .with_base_weight(50)
///     .with_conditions(Conditions::STARTING)
///     .with_warm_up_start(WarmUpStart::Done);
/// assert_eq!(spec.base_weight, 50);
/// # Ok::<(), discovery_core::InputError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct EndpointSpec {
    /// The service it belongs to. A workload in two services is two endpoints.
    pub service: ServiceId,
    /// Where it runs.
    pub node: NodeId,
    /// The node's zone.
    pub zone: ZoneId,
    /// The zone's region.
    pub region: RegionId,
    /// Where it listens.
    pub address: SocketAddr,
    /// Base weight when warm, at most [`MAX_WEIGHT`]; 0 takes no traffic.
    #[cfg_attr(feature = "serde", serde(alias = "weight"))]
    pub base_weight: u32,
    /// Conditions as of now.
    pub conditions: Conditions,
    /// When its process started, by any clock: only equality is read, a change is a restart.
    pub started_at: Timestamp,
    /// From when its warm-up counts.
    #[cfg_attr(feature = "serde", serde(alias = "warmth"))]
    pub warm_up_start: WarmUpStart,
}

impl EndpointSpec {
    /// An endpoint of base weight 100 that is [ready](Conditions::READY) and cold, started at the epoch.
    #[must_use]
    pub const fn new(
        service: ServiceId,
        node: NodeId,
        zone: ZoneId,
        region: RegionId,
        address: SocketAddr,
    ) -> Self {
        Self {
            service,
            node,
            zone,
            region,
            address,
            base_weight: 100,
            conditions: Conditions::READY,
            started_at: Timestamp::ZERO,
            warm_up_start: WarmUpStart::WhenHealthy,
        }
    }
}

builder!(EndpointSpec {
    with_service: service: ServiceId,
    with_node: node: NodeId,
    with_zone: zone: ZoneId,
    with_region: region: RegionId,
    with_address: address: SocketAddr,
    with_base_weight: base_weight: u32,
    with_conditions: conditions: Conditions,
    with_started_at: started_at: Timestamp,
    with_warm_up_start: warm_up_start: WarmUpStart,
});

/// What the engine knows of an endpoint; see [`crate::Engine::endpoint`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Endpoint<'a> {
    /// Its id.
    pub id: EndpointId,
    /// Its name, the key in registries.
    pub name: &'a str,
    /// Its service.
    pub service: ServiceId,
    /// Its node.
    pub node: NodeId,
    /// Its zone.
    pub zone: ZoneId,
    /// Its region.
    pub region: RegionId,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its place among its service's endpoints: dense, stable while it lives, the index pickers use.
    pub slot: usize,
    /// Base weight when warm.
    pub base_weight: u32,
    /// Weight in use, in thousandths: between 0 and 1000 times the base weight.
    pub weight: u32,
    /// What it would weigh if it were used, in thousandths: warm-up and its region's drain taken off, its condition
    /// and its service's mode left aside. Never 0 unless the base weight is.
    pub weight_if_used: u32,
    /// The share of its base weight that warm-up allows, in thousandths (also while it takes no traffic).
    pub warm_permille: u16,
    /// What active checks say.
    pub status: Status,
    /// Conditions as last told.
    pub conditions: Conditions,
    /// Drained itself, or its node or region.
    pub draining: bool,
    /// Ejected by passive checks.
    pub ejected: bool,
    /// Missing from the source's view, kept by self-preservation.
    pub held: bool,
}
