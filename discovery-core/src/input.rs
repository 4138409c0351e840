//! What an engine is told.

use core::time::Duration;

use crate::config::ServiceConfig;
use crate::endpoint::EndpointSpec;
use crate::health::{CallOutcome, ProbeOutcome};
use crate::id::{EndpointId, NodeId, RegionId, ServiceId, ZoneId};

/// One thing that happened. Names stand only where an endpoint is first mentioned; the rest goes by ids.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Input<'a> {
    /// Nothing but time: fires what is due.
    Time,
    /// A service's configuration changed.
    Configure {
        /// The service.
        service: ServiceId,
        /// Its configuration from now on.
        config: &'a ServiceConfig,
    },
    /// An endpoint was added, or what is known of it changed. Repeating it is harmless. One that is held for another
    /// service moves here: that it turns up explains why it was lost there.
    Upsert {
        /// Its name, unique in the engine.
        name: &'a str,
        /// What the source says of it.
        spec: EndpointSpec,
    },
    /// An endpoint is gone. An unknown name is not an error: a repeated or late removal is harmless.
    Remove {
        /// Its name.
        name: &'a str,
    },
    /// All endpoints of a service as the source sees them now; what is not in it is gone, unless
    /// self-preservation holds it. Good records are taken, each bad one is reported by an
    /// [`crate::Effect::Rejected`].
    Snapshot {
        /// The service.
        service: ServiceId,
        /// Every endpoint: name and spec.
        endpoints: &'a [(&'a str, EndpointSpec)],
    },
    /// The losses that are held back in a service are real: carry them out. So are those that
    /// [`crate::Engine::reconcile`] withholds.
    Confirm {
        /// The service.
        service: ServiceId,
    },
    /// The result of a probe that [`crate::Effect::Probe`] asked for.
    Probed {
        /// The endpoint.
        endpoint: EndpointId,
        /// The attempt that the effect named; an older one is late and is ignored.
        attempt: u32,
        /// What it gave.
        outcome: ProbeOutcome,
    },
    /// A heartbeat of an endpoint whose check is a time to live ([`CheckKind::Ttl`](crate::health::CheckKind::Ttl)).
    Heartbeat {
        /// The endpoint.
        endpoint: EndpointId,
        /// Whether it says that it can serve; if not, its check fails at once.
        passing: bool,
    },
    /// `count` calls to an endpoint ended alike.
    CallsEnded {
        /// The endpoint.
        endpoint: EndpointId,
        /// How.
        outcome: CallOutcome,
        /// How many in a row.
        count: u32,
    },
    /// The zones for whose traffic an endpoint is meant (`EndpointSlice` hints); none takes them back. They
    /// do not touch weights: see [`crate::Engine::usable_from`].
    Hints {
        /// The endpoint.
        endpoint: EndpointId,
        /// The zones, at most [`crate::endpoint::MAX_HINTS`].
        zones: &'a [ZoneId],
    },
    /// Starts or ends the drain of an endpoint, a node or a region.
    Drain {
        /// Who.
        target: DrainTarget,
        /// Whether it is drained from now on.
        on: bool,
        /// A region's traffic leaves, or returns, evenly over this long; endpoints and nodes go at once.
        over: Duration,
    },
    /// Starts or ends the drain of an endpoint by its name, whether it is known at present or not. A drain belongs to
    /// the name: it outlasts restarts of the endpoint, its removal and its return, until an operator ends it.
    DrainName {
        /// The endpoint's name.
        name: &'a str,
        /// Whether it is drained from now on.
        on: bool,
    },
}

/// Who is drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum DrainTarget {
    /// One endpoint: gets nothing until the drain is ended, even if its service is left without any; see
    /// [`Input::DrainName`].
    Endpoint(EndpointId),
    /// A node: its endpoints get nothing as long as their service has others.
    Node(NodeId),
    /// A region: likewise.
    Region(RegionId),
}
