//! What a configuration may say, and what follows when it changes.

use core::time::Duration;

use discovery_core::{Engine, Input, InputError, ServiceConfig, Timestamp, WarmUp};

fn warming(aggression: f64) -> ServiceConfig {
    let window = Duration::from_secs(60);
    let warm_up = WarmUp::Envoy {
        window,
        aggression,
        least_percent: 10,
    };
    ServiceConfig {
        warm_up,
        ..ServiceConfig::default()
    }
}

#[test]
fn only_finite_aggressions_in_range_are_taken() {
    let odd = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        0.0,
        -0.0,
        -1.0,
        f64::MIN_POSITIVE,
        0.009,
        100.1,
        f64::MAX,
    ];
    for aggression in odd {
        let mut engine = Engine::new(1);
        let refused = engine.service("web", warming(aggression)).unwrap_err();
        assert!(
            matches!(refused, InputError::Fraction { given, .. } if given.to_bits() == aggression.to_bits()),
            "{refused}"
        );
        assert!(refused.to_string().contains("0.01 to 100"), "{refused}");
        assert_eq!(
            engine.services().count(),
            0,
            "a refused service is not there"
        );

        let service = engine.service("web", warming(1.0)).unwrap();
        let (config, mut out) = (warming(aggression), Vec::new());
        let input = Input::Configure {
            service,
            config: &config,
        };
        assert!(engine.handle(Timestamp::ZERO, input, &mut out).is_err());
        assert_eq!(engine.config(service), Some(&warming(1.0)));
    }
    for aggression in [0.01, 0.3, 1.0, 100.0] {
        let mut engine = Engine::new(1);
        engine.service("web", warming(aggression)).unwrap();
        let text = serde_json::to_string(&engine.snapshot()).unwrap();
        let read = serde_json::from_str(&text).unwrap();
        assert_eq!(engine.snapshot(), read);
        assert!(Engine::restore(&read, Timestamp::ZERO).is_ok());
    }
}
