//! A host over time: containers come and go, capacity is divided each second, every plan is carried out and, made again,
//! empty.

use core::time::Duration;
use netshape::elastic::{Elastic, ElasticConfig, Usage};
use netshape::kernel::KernelModel;
use netshape::plan::{Disruption, diff, diff_touched};
use netshape::{Capabilities, Container, Device, Direction, Host, Rate, Shape, Tier, Uplink};

fn host(capacity: Rate) -> Host {
    let uplink = Uplink::new("eth0", capacity, Rate::mbit(200))
        .unwrap()
        .classified_by(netshape::policy::Classifier::Priority);
    let tiers = vec![
        Tier::new("gold", 4).unwrap(),
        Tier::new("bronze", 1).unwrap(),
    ];
    Host::new(Some(uplink), tiers, Capabilities::default()).unwrap()
}

fn container(i: usize) -> Container {
    let shape = Shape::new(Rate::mbit(20 + i as u64), Rate::gbit(1)).unwrap();
    let tier = if i.is_multiple_of(2) {
        "gold"
    } else {
        "bronze"
    };
    let c = Container::new(&format!("c{i}"), &format!("veth{i}"))
        .unwrap()
        .with_tier(tier);
    c.with_shape(Direction::Ingress, shape)
        .with_shape(Direction::Egress, shape)
}

fn carry_out(kernel: &mut KernelModel, host: &mut Host) -> netshape::plan::Disruptions {
    let plan = diff_touched(kernel.state(), host);
    kernel.apply_all(&plan).unwrap();
    assert!(
        diff(kernel.state(), host).is_empty(),
        "{}",
        diff(kernel.state(), host).lines()
    );
    plan.disruptions()
}

#[test]
fn a_host_lives_through_an_hour() {
    let mut host = host(Rate::gbit(2));
    let mut kernel = KernelModel::new();
    let mut elastic = Elastic::new(
        host.uplink().unwrap().for_containers(),
        ElasticConfig::default(),
    );
    let mut usage = vec![Usage::default(); 64];
    let mut losses = netshape::plan::Disruptions::default();
    kernel.put_device(host.device_names().remove(0), Device::new());
    losses = losses.plus(carry_out(&mut kernel, &mut host));
    let mut changes = 0;
    for second in 0..3_600_usize {
        if second.is_multiple_of(90) {
            let (old, new) = (second / 90, second / 90 + 24);
            if let Some(slot) = host.slot(&format!("c{old}")).filter(|_| second > 0) {
                let names: Vec<_> = [Direction::Ingress, Direction::Egress]
                    .into_iter()
                    .filter_map(|d| host.device(slot, d))
                    .collect();
                elastic.set(slot, None);
                host.remove(&format!("c{old}"));
                names.iter().for_each(|n| drop(kernel.remove_device(n)));
            }
            let first = if second == 0 { 0 } else { new };
            for i in first..=new {
                let slot = host.insert(container(i)).unwrap();
                elastic.set(slot, host.entitlement(slot, Direction::Egress));
                for d in [Direction::Ingress, Direction::Egress] {
                    kernel.put_device(host.device(slot, d).unwrap(), Device::new());
                }
            }
            losses = losses.plus(carry_out(&mut kernel, &mut host));
        }
        for (slot, _) in host.containers() {
            // Demand in waves of its own length; a class never sends more than it has.
            let wave = (second / (7 + slot.index() % 5)) % 11;
            let demand = Rate::mbit(wave as u64 * 30);
            let sent = demand.min(elastic.allocation(slot).unwrap_or_default());
            usage[slot.index()] = Usage {
                sent,
                ..Usage::default()
            };
        }
        if !elastic.step(Duration::from_secs(1), &usage).is_empty() {
            let n = elastic.apply_to(&mut host, Direction::Egress);
            let plan = diff_touched(kernel.state(), &mut host);
            assert!(
                plan.len() <= n
                    && plan
                        .ops()
                        .iter()
                        .all(|op| op.disruption == Disruption::Free)
            );
            kernel.apply_all(&plan).unwrap();
            assert!(diff(kernel.state(), &host).is_empty());
            changes += plan.len();
        }
        assert!(elastic.allocated() <= elastic.capacity());
        assert!(host.promised(Direction::Egress) <= elastic.capacity());
    }
    assert!(changes > 0);
    // Only the classes of containers that left lose what waited in them.
    assert_eq!(
        (losses.refills, losses.loses_all, losses.unshaped),
        (0, 0, 0)
    );
    assert_eq!(losses.loses_leaf, 39);
}

#[test]
fn guarantees_never_exceed_the_uplink() {
    let mut host = host(Rate::gbit(1));
    let big = Shape::new(Rate::mbit(500), Rate::mbit(500)).unwrap();
    let c = |id: &str| {
        Container::new(id, id)
            .unwrap()
            .with_shape(Direction::Egress, big)
    };
    host.insert(c("a")).unwrap();
    let before = host.clone();
    let refused = host.insert(c("b")).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "egress.guarantee: sum 1 Gbit/s over uplink less reserve 800 Mbit/s (500 Mbit/s promised so far, 500 Mbit/s requested)"
    );
    assert_eq!(host.device_names(), before.device_names());
    assert_eq!(host.promised(Direction::Egress), Rate::mbit(500));
}
