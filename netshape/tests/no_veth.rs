//! Containers on macvlan and ipvlan devices, which have no end on the host.

use netshape::kernel::KernelModel;
use netshape::plan::{Disruption, diff};
use netshape::policy::{EgressPoint, RefusalKind};
use netshape::{
    Capabilities, Container, DevName, Device, Direction, Host, Netns, Rate, Shape, Uplink,
};

fn host() -> Host {
    let uplink = Uplink::new("up0", Rate::gbit(1), Rate::mbit(100))
        .unwrap()
        .classified_by(netshape::policy::Classifier::Priority);
    Host::new(Some(uplink), Vec::new(), Capabilities::default()).unwrap()
}

fn shape() -> Shape {
    Shape::new(Rate::mbit(10), Rate::mbit(20)).unwrap()
}

#[test]
fn egress_is_shaped_on_the_containers_own_device_and_shared_on_the_uplink() {
    for inside in [EgressPoint::Netns("web".into()), EgressPoint::Pid(7)] {
        let mut host = host();
        let container = Container::without_veth("web").unwrap();
        let container = container.with_egress_point(inside.clone(), "mv0").unwrap();
        let slot = host
            .insert(container.with_shape(Direction::Egress, shape()))
            .unwrap();
        let mut kernel = KernelModel::new();
        for name in host.device_names() {
            kernel.put_device(name, Device::new());
        }
        let plan = diff(kernel.state(), &host);
        let own = match inside {
            EgressPoint::Pid(pid) => Netns::Pid(pid),
            _ => Netns::Named("web".into()),
        };
        assert_eq!(plan.namespaces(), [Netns::Host, own.clone()]);
        assert!(plan.required_devices().is_empty());
        kernel.apply_all(&plan).unwrap();
        assert!(diff(kernel.state(), &host).is_empty());
        let device = DevName {
            netns: own,
            dev: "mv0".into(),
        };
        assert_eq!(kernel.device(&device).unwrap().classes().len(), 1);
        assert!(
            kernel
                .device(&DevName::host("up0"))
                .unwrap()
                .class(host.class_of(slot).unwrap())
                .is_some()
        );
        // It leaves as any other does.
        host.remove("web").unwrap();
        let plan = diff(kernel.state(), &host);
        assert!(
            plan.ops()
                .iter()
                .any(|op| op.disruption == Disruption::Unshaped && plan.device(op) == Some(&device))
        );
    }
}

#[test]
fn what_needs_an_end_on_the_host_is_refused_and_changes_nothing() {
    let bare = || Container::without_veth("web").unwrap();
    let ifb = bare().with_egress_point(EgressPoint::Ifb, "mv0").unwrap();
    for (container, direction) in [
        (
            bare().with_shape(Direction::Ingress, shape()),
            Direction::Ingress,
        ),
        (
            bare()
                .with_shape(Direction::Egress, shape())
                .with_shape(Direction::Ingress, shape()),
            Direction::Ingress,
        ),
        (
            ifb.with_shape(Direction::Egress, shape()),
            Direction::Egress,
        ),
    ] {
        let mut host = host();
        let refused = host.insert(container).unwrap_err();
        assert_eq!(
            (refused.field.as_str(), &refused.kind),
            ("veth", &RefusalKind::NoVeth { direction })
        );
        assert!(refused.to_string().contains("macvlan"), "{refused}");
        assert_eq!(host.device_names(), [DevName::host("up0")]);
        assert_eq!(host.promised(Direction::Egress), Rate::ZERO);
        assert!(host.slot("web").is_none());
    }
}
