//! Weights come down to HTB's quanta: a turn of the smallest weight is one GSO packet, and the others are as many times that.

use netshape::kernel::KernelModel;
use netshape::plan::{diff, diff_touched};
use netshape::policy::RefusalKind;
use netshape::{
    Capabilities, Container, DevName, Device, Direction, Host, Rate, Shape, Tier, Uplink,
};

fn host(tiers: &[(&str, u32)]) -> Host {
    let uplink = Uplink::new("up0", Rate::gbit(1), Rate::ZERO)
        .unwrap()
        .classified_by(netshape::policy::Classifier::Priority);
    let tiers = tiers.iter().map(|(n, w)| Tier::new(n, *w).unwrap());
    Host::new(Some(uplink), tiers.collect(), Capabilities::default()).unwrap()
}

fn container(id: &str) -> Container {
    let shape = Shape::new(Rate::ZERO, Rate::gbit(1)).unwrap();
    let c = Container::new(id, &format!("v-{id}")).unwrap();
    c.with_shape(Direction::Egress, shape)
}

fn quantum(kernel: &KernelModel, host: &Host, id: &str) -> u32 {
    let up = kernel.device(&DevName::host("up0")).unwrap();
    let class = host.class_of(host.slot(id).unwrap()).unwrap();
    up.class(class).unwrap().htb.quantum
}

/// A kernel whose devices take GSO packets of some size.
fn kernel(host: &Host, gso: Option<u32>) -> KernelModel {
    let mut kernel = KernelModel::new();
    for name in host.device_names() {
        let mut device = Device::new();
        device.gso_max_size = gso.filter(|_| &*name.dev != "up0");
        kernel.put_device(name, device);
    }
    kernel
}

#[test]
fn the_smallest_weight_has_one_gso_packet_and_the_others_as_many_times_that() {
    // What containers send keeps its size on the uplink, so that the largest of any device counts; never less than 64 KiB.
    for (gso, turn) in [
        (None, 65_536),
        (Some(9_000), 65_536),
        (Some(65_536), 65_536),
        (Some(131_072), 131_072),
        (Some(u32::MAX), 524_280),
    ] {
        let mut host = host(&[("gold", 4), ("bronze", 1)]);
        for (id, tier) in [("a", "gold"), ("b", "bronze")] {
            host.insert(container(id).with_tier(tier)).unwrap();
        }
        host.insert(container("c").with_weight(1_000)).unwrap();
        let mut kernel = kernel(&host, gso);
        kernel.apply_all(&diff(kernel.state(), &host)).unwrap();
        let quanta = ["a", "b", "c"].map(|id| quantum(&kernel, &host, id));
        assert_eq!(quanta, [4 * turn, turn, 1_000 * turn], "{gso:?}");
        // A queue holds two such packets: one that is empty when its turn comes loses the turn.
        let up = kernel.device(&DevName::host("up0")).unwrap();
        for qdisc in up.qdiscs() {
            if let netshape::object::QdiscKind::Bfifo(limit) = qdisc.kind {
                assert!(limit.unwrap() >= 2 * turn, "{qdisc:?}");
            }
        }
        assert!(diff(kernel.state(), &host).is_empty());
    }
}

#[test]
fn weights_that_are_all_large_take_short_turns() {
    let mut host = host(&[("gold", 400), ("bronze", 300)]);
    for (id, tier) in [("a", "gold"), ("b", "bronze")] {
        host.insert(container(id).with_tier(tier)).unwrap();
    }
    let mut kernel = kernel(&host, None);
    kernel
        .apply_all(&diff_touched(kernel.state(), &mut host))
        .unwrap();
    // 65,536 · 4 / 3, rounded up.
    assert_eq!(
        ["a", "b"].map(|id| quantum(&kernel, &host, id)),
        [87_382, 65_536]
    );
    // One that weighs less comes: all others have more turns, and again when it goes.
    host.insert(container("c").with_weight(100)).unwrap();
    kernel.put_device(DevName::in_netns("c", "eth0"), Device::new());
    kernel
        .apply_all(&diff_touched(kernel.state(), &mut host))
        .unwrap();
    assert_eq!(
        ["a", "b", "c"].map(|id| quantum(&kernel, &host, id)),
        [4 * 65_536, 3 * 65_536, 65_536]
    );
    assert!(diff(kernel.state(), &host).is_empty());
    host.remove("c");
    kernel
        .apply_all(&diff_touched(kernel.state(), &mut host))
        .unwrap();
    assert_eq!(
        ["a", "b"].map(|id| quantum(&kernel, &host, id)),
        [87_382, 65_536]
    );
    assert!(diff(kernel.state(), &host).is_empty());
}

#[test]
fn no_two_weights_are_further_apart_than_one_to_a_thousand() {
    assert_eq!(
        Tier::new("gold", 1_001).unwrap_err().kind,
        RefusalKind::BadWeight { given: 1_001 }
    );
    let mut host = host(&[]);
    let refused = host.insert(container("a").with_weight(1_001)).unwrap_err();
    assert_eq!(refused.to_string(), "weight: weight 1001 is not 1 to 1000");
    assert_eq!(host.slot("a"), None);
    host.insert(container("a").with_weight(1_000)).unwrap();
    host.insert(container("b")).unwrap();
}

/// A class without a guarantee has a rate since HTB needs one. It is too little to show in how weights divide.
#[test]
fn what_stands_for_no_guarantee_does_not_disturb_the_shares() {
    let mut host = host(&[]);
    for i in 0..10 {
        host.insert(container(&format!("c{i}")).with_weight(i + 1))
            .unwrap();
    }
    let tree = host.tree(&DevName::host("up0")).unwrap();
    let rates = tree.classes().iter().filter(|c| c.id.minor() >= 0x100);
    let rates: Vec<u64> = rates.map(|c| c.htb.rate.bytes_per_second).collect();
    assert_eq!(rates, [1_000; 10]);
    assert_eq!(host.promised(Direction::Egress), Rate::ZERO);
}
