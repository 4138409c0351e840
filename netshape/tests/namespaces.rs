//! A plan in several network namespaces: one batch each, in an order.

use netshape::kernel::KernelModel;
use netshape::plan::{BatchError, Plan, diff};
use netshape::policy::EgressPoint;
use netshape::{Capabilities, Container, DevName, Device, Direction, Host, Netns, ObservedState};
use netshape::{Rate, Shape};

fn shape() -> Shape {
    Shape::new(Rate::ZERO, Rate::mbit(10)).unwrap()
}

fn host(containers: impl IntoIterator<Item = Container>) -> Host {
    let mut host = Host::new(None, Vec::new(), Capabilities::default()).unwrap();
    for container in containers {
        let both = container.with_shape(Direction::Ingress, shape());
        host.insert(both.with_shape(Direction::Egress, shape()))
            .unwrap();
    }
    host
}

#[test]
fn a_batch_holds_one_namespace_and_says_which() {
    let mut plan = diff(
        &ObservedState::new(),
        &host([Container::new("web", "v1").unwrap()]),
    );
    let (web, both) = (Netns::Named("web".into()), plan.namespaces());
    assert_eq!(both, [Netns::Host, web.clone()]);
    let refused = plan.batch().unwrap_err();
    assert_eq!(
        refused,
        BatchError::Namespaces {
            given: both.clone()
        }
    );
    assert!(refused.to_string().contains("host, web"), "{refused}");
    // Nothing is lost by taking it apart, and nothing is in two parts.
    let parts: Vec<Plan> = both.iter().map(|n| plan.in_netns(n)).collect();
    assert_eq!(parts.iter().map(Plan::len).sum::<usize>(), plan.len());
    for (part, netns) in parts.iter().zip(&both) {
        assert_eq!(part.namespaces(), std::slice::from_ref(netns));
        let batch = part.batch().unwrap();
        assert_eq!(
            batch.lines().next(),
            Some(format!("# netns {netns}").as_str())
        );
        assert_eq!(batch.lines().count(), part.len() + 1);
    }
    plan = plan.in_netns(&Netns::Pid(1));
    assert!(plan.is_empty());
    assert_eq!(plan.batch().unwrap(), "");
}

#[test]
fn what_is_stale_goes_after_what_replaces_it_in_another_namespace() {
    let named = |n: &str| Netns::Named(n.into());
    let c = |id: &str, veth: &str| {
        let container = Container::new(id, veth).unwrap();
        container.with_shape(Direction::Egress, shape())
    };
    let ifb = |id: &str, veth: &str| {
        c(id, veth)
            .with_egress_point(EgressPoint::Ifb, "eth0")
            .unwrap()
    };
    let whole = |containers: Vec<Container>| {
        let mut host = Host::new(None, Vec::new(), Capabilities::default()).unwrap();
        for container in containers {
            host.insert(container).unwrap();
        }
        host
    };
    let before = whole(vec![ifb("a", "v1"), c("b", "v2")]);
    let mut kernel = KernelModel::new();
    for (i, name) in before
        .device_names()
        .into_iter()
        .chain(["v1", "v2"].map(DevName::host))
        .enumerate()
    {
        let mut device = Device::new();
        device.ifindex = Some(i as i32 + 1);
        kernel.put_device(name, device);
    }
    kernel.apply_all(&diff(kernel.state(), &before)).unwrap();
    // Each changes to the other's method: `a` is shaped in its namespace before its redirect goes, `b` by an ifb before its own tree.
    let after = whole(vec![c("a", "v1"), ifb("b", "v2")]);
    for (i, name) in after.device_names().into_iter().enumerate() {
        let mut device = Device::new();
        device.ifindex = Some(i as i32 + 11);
        kernel.put_device(name, device);
    }
    let plan = diff(kernel.state(), &after);
    let order = plan.namespaces();
    assert_eq!(
        order,
        [named("a"), Netns::Host, named("b")],
        "{}",
        plan.lines()
    );
    for netns in &order {
        kernel.apply_all(&plan.in_netns(netns)).unwrap();
    }
    assert!(
        diff(kernel.state(), &after).is_empty(),
        "{}",
        diff(kernel.state(), &after).lines()
    );
}
