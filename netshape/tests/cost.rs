//! Rough bound on the cost of a second of elastic division, so that an accidental O(n²) shows.

use core::time::Duration;
use netshape::elastic::{Elastic, ElasticConfig, Usage};
use netshape::{Container, Direction, Host, Rate, Shape};

#[test]
fn a_step_reuses_its_memory_and_settles() {
    let mut host = Host::new(None, Vec::new(), netshape::Capabilities::default()).unwrap();
    let mut elastic = Elastic::new(Rate::gbit(10), ElasticConfig::default());
    for i in 0..40 {
        let shape = Shape::new(Rate::mbit(100), Rate::gbit(1)).unwrap();
        let c = Container::new(&format!("c{i}"), &format!("v{i}")).unwrap();
        let slot = host
            .insert(c.with_shape(Direction::Ingress, shape))
            .unwrap();
        elastic.set(slot, host.entitlement(slot, Direction::Ingress));
    }
    let usage: Vec<Usage> = (0..40)
        .map(|i| Usage {
            sent: Rate::mbit(10 + i * 4),
            ..Usage::default()
        })
        .collect();
    let mut changes = 0;
    for second in 0..10_000 {
        let n = elastic.step(Duration::from_secs(1), &usage).len();
        assert!(
            second < 10 || n == 0,
            "second {second}: {n} changes under constant use"
        );
        changes += n;
    }
    assert!(changes >= 40);
}
