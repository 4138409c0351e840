//! What the kernel takes without a word and a plan must not.

use netshape::ObservedState;
use netshape::kernel::KernelModel;
use netshape::object::{Class, Handle, Htb, HtbClass, Qdisc, QdiscKind, RateSpec};
use netshape::policy::RefusalKind;
use netshape::{
    Capabilities, Container, DevName, Device, Direction, Host, Rate, Shape, Tier, Uplink,
};

fn class(id: u16, parent: u16, rate: u64) -> Class {
    let spec = RateSpec::plain(rate);
    let htb = HtbClass {
        rate: spec,
        ceil: spec,
        ..HtbClass::default()
    };
    Class {
        id: Handle::new(1, id),
        parent: Handle::new(1, parent),
        htb,
    }
}

fn tree(default: u16, classes: &[Class]) -> Device {
    let mut device = Device::new();
    let root = QdiscKind::Htb(Htb::with_default_class(default));
    device.put_qdisc(Qdisc::new(Handle::qdisc(1), Handle::ROOT, root));
    for class in classes {
        device.put_class(*class);
    }
    device
}

#[test]
fn unsound_trees_are_named() {
    assert_eq!(tree(2, &[class(1, 0, 10), class(2, 1, 10)]).check(), Ok(()));
    let over = tree(2, &[class(1, 0, 10), class(2, 1, 6), class(3, 1, 6)]).check();
    assert!(matches!(over, Err(RefusalKind::ChildrenOverParent { .. })));
    assert_eq!(
        over.unwrap_err().to_string(),
        "sum 96 bit/s below class 1:1 over its 80 bit/s"
    );
    let default = tree(9, &[class(1, 0, 10)]).check().unwrap_err();
    assert_eq!(
        default,
        RefusalKind::UnknownClass {
            pointer: "default",
            class: Handle::new(1, 9)
        }
    );
    let parent = tree(1, &[class(1, 7, 10)]).check().unwrap_err();
    assert_eq!(
        parent,
        RefusalKind::UnknownClass {
            pointer: "parent",
            class: Handle::new(1, 7)
        }
    );
    let deep: Vec<Class> = (1..=9)
        .map(|i| class(i, i - 1, 100 - u64::from(i)))
        .collect();
    assert!(
        tree(9, &deep[..8]).check().is_err(),
        "default 9 is not there"
    );
    assert_eq!(tree(8, &deep[..8]).check(), Ok(()));
    let deep = tree(9, &deep).check().unwrap_err();
    assert_eq!(
        deep,
        RefusalKind::TooDeep {
            class: Handle::new(1, 9),
            limit: 8
        }
    );
}

#[test]
fn a_failed_request_changes_nothing() {
    let devices = [("d0".to_owned(), 3)].into_iter().collect();
    let name = DevName::host("d0");
    let mut kernel = KernelModel::new();
    kernel.put_device(name.clone(), Device::new());
    let mut tc = |line: &str| {
        let message = netshape::tc::parse_line(line, netshape::tc::TickRounding::Ceil, &devices)
            .unwrap()
            .unwrap();
        let before = kernel.clone();
        let answer = kernel.request(&name, &message);
        assert!(answer.is_ok() || kernel == before, "{line}");
        answer.map_err(|e| e.to_string())
    };
    assert_eq!(tc("qdisc add dev d0 root handle 1: htb default 1"), Ok(()));
    assert_eq!(
        tc("class add dev d0 parent 1: classid 1:1 htb rate 1mbit"),
        Ok(())
    );
    assert_eq!(
        tc("class add dev d0 parent 1: classid 1:1 htb rate 1mbit"),
        Err("File exists".into())
    );
    assert_eq!(
        tc("class add dev d0 parent 1:1 classid 1:2 htb rate 1mbit"),
        Ok(())
    );
    assert_eq!(
        tc("class del dev d0 classid 1:1"),
        Err("HTB class in use.".into())
    );
    assert_eq!(
        tc("qdisc add dev d0 parent 1:1 handle 10: pfifo"),
        Err("Invalid argument".into())
    );
    assert_eq!(
        tc("qdisc add dev d0 parent 1:9 handle 10: pfifo"),
        Err("Specified class not found.".into())
    );
    // Taken without a word: another parent, and a filter to no class.
    assert_eq!(
        tc("class change dev d0 parent 1: classid 1:2 htb rate 2mbit"),
        Ok(())
    );
    assert_eq!(
        tc("filter add dev d0 parent 1: protocol ip prio 1 u32 match u32 0 0 flowid 1:77"),
        Ok(())
    );
    let device = kernel.device(&name).unwrap();
    assert_eq!(
        device.class(Handle::new(1, 2)).unwrap().parent,
        Handle::new(1, 1)
    );
    assert!(matches!(
        device.check(),
        Err(RefusalKind::ChildrenOverParent { .. })
    ));
}

#[test]
fn each_number_is_explained_by_what_the_policy_says() {
    let uplink = Uplink::new("eth0", Rate::gbit(1), Rate::mbit(10))
        .unwrap()
        .classified_by(netshape::policy::Classifier::Priority);
    let tiers = vec![Tier::new("gold", 4).unwrap()];
    let mut host = Host::new(Some(uplink), tiers, Capabilities::default()).unwrap();
    let shapes = [
        ("a", Rate::mbit(50), Rate::mbit(200)),
        ("b", Rate::ZERO, Rate::gbit(2)),
    ];
    for (id, guarantee, ceiling) in shapes {
        let shape = Shape::new(guarantee, ceiling).unwrap();
        let container = Container::new(id, &format!("v{id}")).unwrap();
        let container = container
            .with_tier("gold")
            .with_shape(Direction::Egress, shape);
        host.insert(container).unwrap();
    }
    let slot = host.slot("a").unwrap();
    host.allocate(slot, Direction::Egress, Some(Rate::mbit(80)));
    let text = netshape::plan::diff(&ObservedState::new(), &host).explain(&host);
    for said in [
        "rate and ceil: the whole uplink, 1 Gbit/s",
        "rate: the host's own traffic has the reserve, 10 Mbit/s",
        "rate: the sum of what members of tier gold are promised, 50.008 Mbit/s; ceil: the uplink's 1 Gbit/s",
        "rate: the egress guarantee of container a, 50 Mbit/s; ceil: what elastic division gives it of its ceiling 200 Mbit/s; quantum: weight 4 · one GSO packet / 4, the smallest weight",
        "rate: b has no guarantee, so the little that HTB needs: 8 kbit/s; ceil: its ceiling 2 Gbit/s, the uplink's 1 Gbit/s at most",
        "rate and ceil: the egress ceiling of container a, 200 Mbit/s; a tree of its own",
    ] {
        assert!(text.contains(said), "{said}\n{text}");
    }
}
