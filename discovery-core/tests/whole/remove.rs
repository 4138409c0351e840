//! Services and places that are no longer needed are removed; what is in use is not.

use core::time::Duration;

use crate::bench::{Bench, secs};
use discovery_core::engine::DrainTarget;
use discovery_core::{Engine, Input, InputError, ServiceConfig};

#[test]
fn a_second_configuration_is_taken_only_if_it_is_the_same() {
    let mut engine = Engine::new(1);
    let first = ServiceConfig::default();
    let web = engine.service("web", first.clone()).unwrap();
    assert_eq!(engine.service("web", first.clone()), Ok(web));
    let second = first.clone().with_panic_percent(10);
    let refused = engine.service("web", second.clone());
    assert_eq!(refused, Err(InputError::OtherConfig { service: web }));
    assert_eq!(engine.config(web), Some(&first));
    let input = Input::Configure {
        service: web,
        config: &second,
    };
    engine.handle(secs(0), input, &mut Vec::new()).unwrap();
    assert_eq!(engine.service("web", second), Ok(web));
    assert_eq!(
        (engine.find_service("web"), engine.find_service("db")),
        (Some(web), None)
    );
}

#[test]
fn removed_id_is_given_to_the_next_name() {
    let mut b = Bench::new(ServiceConfig::default());
    let spec = b.spec();
    b.put("a", |_| {});
    let in_use = |kind| {
        Err(InputError::InUse {
            kind,
            given: 0,
            endpoints: 1,
        })
    };
    assert_eq!(b.engine.remove_service(b.service), in_use("service"));
    assert_eq!(b.engine.remove_node(spec.node), in_use("node"));
    assert_eq!(b.engine.remove_zone(spec.zone), in_use("zone"));
    assert_eq!(b.engine.remove_region(spec.region), in_use("region"));
    b.tell(Input::Snapshot {
        service: b.service,
        endpoints: &[],
    });
    b.tell(Input::Confirm { service: b.service });
    b.engine.remove_service(b.service).unwrap();
    b.engine.remove_node(spec.node).unwrap();
    b.engine.remove_zone(spec.zone).unwrap();
    b.engine.remove_region(spec.region).unwrap();
    assert_eq!(b.engine.services().count(), 0);
    assert_eq!(
        (b.engine.node_name(spec.node), b.engine.config(b.service)),
        (None, None)
    );
    // Nobody speaks of them any longer.
    let mut out = Vec::new();
    let late = b
        .engine
        .handle(secs(1), Input::Upsert { name: "a", spec }, &mut out);
    assert!(
        matches!(late, Err(InputError::UnknownService { .. })),
        "{late:?}"
    );
    assert!(
        b.engine.remove_node(spec.node).is_err(),
        "it is removed already"
    );
    let drain = Input::Drain {
        target: DrainTarget::Node(spec.node),
        on: true,
        over: Duration::ZERO,
    };
    assert!(b.engine.handle(secs(1), drain, &mut out).is_err());
    // A snapshot keeps the free numbers free.
    b.engine = Engine::restore(&b.engine.snapshot(), secs(1)).unwrap();
    assert_eq!(
        b.engine.service("db", ServiceConfig::default()),
        Ok(b.service)
    );
    assert_eq!(b.engine.node("n2"), Ok(spec.node));
    assert_eq!(b.engine.zone("b"), Ok(spec.zone));
    assert_eq!(b.engine.region("south"), Ok(spec.region));
    assert_eq!(b.engine.node_name(spec.node), Some("n2"));
}

#[test]
fn ten_thousand_nodes_that_come_and_go_take_one_number() {
    let mut engine = Engine::new(1);
    for i in 0..10_000 {
        let node = engine.node(&format!("node-{i}")).unwrap();
        assert_eq!(node.index(), 0);
        engine.remove_node(node).unwrap();
    }
}

#[test]
fn drained_node_or_region_cannot_be_removed() {
    let mut b = Bench::new(ServiceConfig::default());
    let (node, region) = (b.spec().node, b.spec().region);
    for (target, on) in [
        (DrainTarget::Node(node), true),
        (DrainTarget::Region(region), true),
    ] {
        let over = Duration::ZERO;
        b.tell(Input::Drain { target, on, over });
    }
    assert!(matches!(
        b.engine.remove_node(node),
        Err(InputError::Drained { .. })
    ));
    assert!(matches!(
        b.engine.remove_region(region),
        Err(InputError::Drained { .. })
    ));
    for target in [DrainTarget::Node(node), DrainTarget::Region(region)] {
        let over = Duration::ZERO;
        b.tell(Input::Drain {
            target,
            on: false,
            over,
        });
    }
    b.engine.remove_node(node).unwrap();
    b.engine.remove_region(region).unwrap();
}
