//! Configurations that could not work are refused when made, by the name of the field.

use scheduler_core::live::{Detector, DetectorConfig, ProtectorConfig, ProtectorError};
use scheduler_core::model::{Node, Resource, Service, Task};
use scheduler_core::{Cluster, ModelBuilder, NodeId, Protector};
use std::time::Duration;

fn cluster(safety: u64) -> Cluster {
    let cpu = Resource {
        transient: false,
        load_weight: 1,
    };
    let mut b = ModelBuilder::new(&[cpu]).unwrap();
    b.node(Node {
        location: 0,
        neighbourhood: 0,
        capacity: &[1 << 40],
        safety: &[safety],
    })
    .unwrap();
    let (spread, per_node) = (0, 1);
    let service = b.service(Service { spread, per_node }).unwrap();
    let (need, move_cost) = (&[1], 1);
    b.task(Task {
        service,
        need,
        move_cost,
    })
    .unwrap();
    Cluster::new(b.build().unwrap(), &[NodeId(0)]).unwrap()
}

#[test]
fn a_resource_that_the_model_lacks_is_refused() {
    for given in [1, 2, usize::MAX] {
        let made = Protector::new(cluster(1000), given, ProtectorConfig::default());
        let resources = 1;
        assert_eq!(
            made.unwrap_err(),
            ProtectorError::Resource { given, resources }
        );
    }
}

#[test]
fn a_threshold_that_no_sample_can_reach_is_refused() {
    let made = |safety| Protector::new(cluster(safety), 0, ProtectorConfig::default()).map(drop);
    assert_eq!(made((1 << 31) - 1), Ok(()));
    let error = made(1 << 31).unwrap_err();
    assert!(matches!(error, ProtectorError::Threshold { .. }), "{error}");
    assert!(error.to_string().contains("node 0"), "{error}");
}

/// One change of a configuration.
type Spoil = fn(&mut ProtectorConfig);

#[test]
fn each_field_that_could_not_work_is_named() {
    let wrong: [(&str, Spoil); 20] = [
        ("detector.interval", |c| {
            c.detector.interval = Duration::ZERO;
        }),
        ("detector.window", |c| c.detector.window = 0),
        ("detector.window", |c| c.detector.window = usize::MAX),
        ("detector.min_known", |c| c.detector.min_known = 0),
        ("detector.min_known", |c| c.detector.min_known = 11),
        ("detector.leave_permille", |c| {
            c.detector.leave_permille = 1001;
        }),
        ("fast_samples", |c| c.fast_samples = 0),
        ("slow_samples", |c| c.slow_samples = 29),
        ("early_permille", |c| c.early_permille = 1001),
        ("target_permille", |c| c.target_permille = 901),
        ("max_fill_permille", |c| c.max_fill_permille = 901),
        ("early_permille", |c| c.early_permille = 0),
        ("target_permille", |c| c.target_permille = 0),
        ("max_fill_permille", |c| c.max_fill_permille = 0),
        ("moves_per_task", |c| c.moves_per_task = 0),
        ("moves_per_node", |c| c.moves_per_node = 0),
        ("moves_at_once", |c| c.moves_at_once = 0),
        ("min_task_permille", |c| c.min_task_permille = 1001),
        ("stale_after", |c| {
            c.stale_after = Duration::from_millis(999);
        }),
        ("stale_after", |c| {
            c.detector.interval = Duration::from_secs(60);
        }),
    ];
    for (field, spoil) in wrong {
        let mut config = ProtectorConfig::default();
        spoil(&mut config);
        let error = Protector::new(cluster(1000), 0, config).unwrap_err();
        let message = error.to_string();
        assert!(message.starts_with(&format!("{field} is ")), "{message}");
        assert!(message.contains("want"), "{message}");
        if field.starts_with("detector.") {
            assert!(Detector::new(config.detector, vec![1000]).is_err());
        }
    }
    let slow = DetectorConfig::default()
        .with_interval(Duration::from_secs(3600))
        .with_window(2)
        .with_min_known(2);
    assert!(Detector::new(slow, vec![1000]).is_ok());
}
