//! What every engine of a world starts with.

use core::time::Duration;

use discovery_core::endpoint::{NodeId, RegionId, ServiceId, ZoneId};
use discovery_core::health::{CheckKind, HealthCheck, OutlierDetection, SuccessRateEjection};
use discovery_core::warm_up::WarmUp;
use discovery_core::{Engine, ServiceConfig};

fn config() -> ServiceConfig {
    let rate = SuccessRateEjection::default()
        .with_minimum_hosts(3)
        .with_request_volume(5);
    ServiceConfig::default()
        .with_health(
            HealthCheck::new(CheckKind::Tcp)
                .with_interval(Duration::from_secs(2))
                .with_jitter_percent(20)
                .with_flap_damping(1),
        )
        .with_outlier_detection(
            OutlierDetection::default()
                .with_interval(Duration::from_secs(3))
                .with_base_ejection(Duration::from_secs(3))
                .with_max_ejection(Duration::from_secs(10))
                .with_max_ejection_percent(40)
                .with_success_rate(rate),
        )
        .with_warm_up(WarmUp::envoy(Duration::from_secs(20)))
        .with_flap_grace(Duration::from_secs(5))
}

pub(crate) struct Ids {
    pub(crate) service: ServiceId,
    pub(crate) nodes: [NodeId; 4],
    pub(crate) zone: ZoneId,
    pub(crate) regions: [RegionId; 2],
}

/// Names before ids: the same in every engine of this world.
pub(crate) fn fresh(seed: u64) -> (Engine, Ids) {
    let mut engine = Engine::new(seed);
    let service = engine.service("web", config()).unwrap();
    let nodes = ["n0", "n1", "n2", "n3"].map(|n| engine.node(n).unwrap());
    let zone = engine.zone("z").unwrap();
    let regions = ["north", "south"].map(|c| engine.region(c).unwrap());
    (
        engine,
        Ids {
            service,
            nodes,
            zone,
            regions,
        },
    )
}
