//! What every engine of a world starts with.

use core::time::Duration;

use discovery_core::endpoint::{CentreId, NodeId, ServiceId, ZoneId};
use discovery_core::health::{CheckKind, HealthCheck, Outliers, Rate};
use discovery_core::warm_up::WarmUp;
use discovery_core::{Engine, ServiceConfig};

fn config() -> ServiceConfig {
    let rate = Rate {
        limit: 1900,
        minimum_hosts: 3,
        request_volume: 5,
        enforcement_percent: 100,
    };
    ServiceConfig {
        health: Some(HealthCheck {
            interval: Duration::from_secs(2),
            jitter_percent: 20,
            damping: 1,
            ..HealthCheck::new(CheckKind::Tcp)
        }),
        outliers: Some(Outliers {
            interval: Duration::from_secs(3),
            base_ejection: Duration::from_secs(3),
            max_ejection: Duration::from_secs(10),
            max_ejection_percent: 40,
            success_rate: Some(rate),
            ..Outliers::default()
        }),
        warm_up: WarmUp::envoy(Duration::from_secs(20)),
        flap_grace: Duration::from_secs(5),
        ..ServiceConfig::default()
    }
}

pub(crate) struct Ids {
    pub(crate) service: ServiceId,
    pub(crate) nodes: [NodeId; 4],
    pub(crate) zone: ZoneId,
    pub(crate) centres: [CentreId; 2],
}

/// Names before ids: the same in every engine of this world.
pub(crate) fn fresh(seed: u64) -> (Engine, Ids) {
    let mut engine = Engine::new(seed);
    let service = engine.service("web", config()).unwrap();
    let nodes = ["n0", "n1", "n2", "n3"].map(|n| engine.node(n).unwrap());
    let zone = engine.zone("z").unwrap();
    let centres = ["north", "south"].map(|c| engine.centre(c).unwrap());
    (
        engine,
        Ids {
            service,
            nodes,
            zone,
            centres,
        },
    )
}
