//! What an engine is configured with stands in JSON exactly, whatever reads it.
#![cfg(feature = "serde")]

use core::time::Duration;

use discovery_core::engine::Snapshot;
use discovery_core::health::{CheckKind, FailurePercentageEjection, HealthCheck, OutlierDetection};
use discovery_core::warm_up::WarmUp;
use discovery_core::{EndpointSpec, Engine, Input, InputError, ServiceConfig, Timestamp};
use proptest::prelude::*;

fn with(aggression: f64) -> ServiceConfig {
    ServiceConfig::default().with_warm_up(WarmUp::Envoy {
        window: Duration::from_secs(60),
        aggression,
        least_percent: 10,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]
    #[test]
    fn every_fraction_is_refused_or_comes_back_the_same(
        given in prop_oneof![any::<f64>(), any::<u64>().prop_map(f64::from_bits), 0.005..101.0_f64,
            (-1074..1024_i32).prop_map(|e| 2_f64.powi(e))],
    ) {
        let mut engine = Engine::new(7);
        let id = match engine.service("web", with(given)) {
            Ok(id) => id,
            Err(e) => {
                let fraction = matches!(e, InputError::Fraction { .. });
                prop_assert!(fraction && !(0.01..=100.0).contains(&given), "{given}: {e}");
                return Ok(());
            }
        };
        let text = serde_json::to_string(&engine.snapshot()).unwrap();
        let read: Snapshot = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&read, &engine.snapshot(), "{}", given);
        let mut restored = Engine::restore(&read, Timestamp::ZERO).unwrap();
        prop_assert_eq!(restored.config(id), engine.config(id));
        prop_assert_eq!(restored.service("web", with(given)), Ok(id), "its own configuration");
    }
}

/// Keys had other names before: what was written then can still be read.
#[test]
fn snapshots_with_former_keys_are_read() {
    let mut engine = Engine::new(7);
    let config = ServiceConfig::default()
        .with_health(HealthCheck::new(CheckKind::Tcp).with_flap_damping(2))
        .with_outlier_detection(
            OutlierDetection::default()
                .with_failure_percentage(FailurePercentageEjection::default()),
        );
    let service = engine.service("web", config).unwrap();
    let node = engine.node("n1").unwrap();
    let zone = engine.zone("a").unwrap();
    let region = engine.region("north").unwrap();
    let spec = EndpointSpec::new(service, node, zone, region, ([10, 0, 0, 1], 80).into());
    let input = Input::Upsert { name: "a", spec };
    engine
        .handle(Timestamp::ZERO, input, &mut Vec::new())
        .unwrap();
    let mut text = serde_json::to_string(&engine.snapshot()).unwrap();
    for (now, before) in [
        ("regions", "centres"),
        ("registration_status", "standing"),
        ("passes", "calm"),
        ("flap_damping", "damping"),
        ("outlier_detection", "outliers"),
        ("stdev_factor_permille", "limit"),
        ("threshold_percent", "limit"),
    ] {
        let renamed = text.replace(&format!("\"{now}\":"), &format!("\"{before}\":"));
        assert_ne!(renamed, text, "{now} is a key");
        text = renamed;
    }
    let read: Snapshot = serde_json::from_str(&text).unwrap();
    assert_eq!(read, engine.snapshot());
}
