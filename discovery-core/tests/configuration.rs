//! What an engine is configured with stands in JSON exactly, whatever reads it.
#![cfg(feature = "serde")]

use core::time::Duration;

use discovery_core::engine::Snapshot;
use discovery_core::warm_up::WarmUp;
use discovery_core::{Engine, InputError, ServiceConfig};
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
        let mut restored = Engine::restore(&read, discovery_core::Timestamp::ZERO).unwrap();
        prop_assert_eq!(restored.config(id), engine.config(id));
        prop_assert_eq!(restored.service("web", with(given)), Ok(id), "its own configuration");
    }
}
