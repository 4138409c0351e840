//! Somebody else's filters that packets meet before our classes, and what is ours and not wanted any more.
#![cfg(feature = "serde")]

use netshape::kernel::KernelModel;
use netshape::object::{Filter, FilterKind, Handle, Htb, Qdisc, QdiscKind};
use netshape::plan::{Plan, diff};
use netshape::policy::EgressPoint;
use netshape::tc::{TickRounding, parse_line};
use netshape::{Capabilities, Container, DevName, Device, Direction, Host, Rate, Shape};

/// A host without uplink, with one container by the ifb method or in its own namespace.
fn host(takeover: bool, by_ifb: bool, ways: &[Direction]) -> Host {
    let caps = Capabilities::default().with_takeover(takeover);
    let mut host = Host::new(None, Vec::new(), caps).unwrap();
    let mut c = Container::new("web", "v1").unwrap();
    if by_ifb {
        c = c.with_egress_point(EgressPoint::Ifb, "eth0").unwrap();
    }
    let shape = Shape::new(Rate::ZERO, Rate::mbit(10)).unwrap();
    for way in ways {
        c = c.with_shape(*way, shape);
    }
    host.insert(c).unwrap();
    host
}

const OUT: &[Direction] = &[Direction::Egress];
const BOTH: &[Direction] = &[Direction::Ingress, Direction::Egress];

fn ifb() -> DevName {
    host(false, true, OUT).device_names().remove(0)
}

/// The veth, its ifb, another device, and the container's end.
fn kernel() -> KernelModel {
    let mut kernel = KernelModel::new();
    let names = [
        DevName::host("v1"),
        DevName::host("x9"),
        ifb(),
        DevName::in_netns("web", "eth0"),
    ];
    for (i, name) in (2..).zip(names) {
        let mut device = Device::new();
        device.ifindex = Some(i);
        kernel.put_device(name, device);
    }
    kernel
}

fn tc(kernel: &mut KernelModel, dev: &DevName, line: &str) {
    let devices = [("v1", 2), ("x9", 3), (&*ifb().dev, 4), ("eth0", 5)];
    let devices = devices
        .map(|(n, i)| (n.to_owned(), i))
        .into_iter()
        .collect();
    let message = parse_line(line, TickRounding::Truncating, &devices)
        .unwrap()
        .unwrap();
    kernel.request(dev, &message).unwrap();
}

fn hook(kernel: &mut KernelModel, rest: &str) {
    let v1 = DevName::host("v1");
    tc(kernel, &v1, "tc qdisc add dev v1 clsact");
    tc(
        kernel,
        &v1,
        &format!("tc filter add dev v1 parent ffff:fff2 {rest}"),
    );
}

fn whys(plan: &Plan) -> Vec<String> {
    plan.refused().iter().map(ToString::to_string).collect()
}

#[test]
fn a_filter_in_front_refuses_that_direction_alone_and_is_named() {
    for line in [
        "protocol all prio 1 u32 match u32 0 0 action mirred egress redirect dev x9",
        "protocol all prio 1 u32 match u32 0 0 action mirred egress mirror dev x9",
        "protocol ip prio 1 u32 match ip dst 10.0.0.7/32 action mirred egress redirect dev x9",
        "protocol ipv6 prio 1 handle ::3 u32 match u32 0 0 action drop",
        "protocol all prio 1 u32 match u32 0 0 flowid 1:1",
    ] {
        let mut kernel = kernel();
        hook(&mut kernel, line);
        let plan = diff(kernel.state(), &host(false, true, BOTH));
        let whys = whys(&plan);
        assert_eq!(whys.len(), 1, "{line}");
        assert!(
            whys[0].starts_with("container.web.egress: filter 800::"),
            "{whys:?}"
        );
        assert!(whys[0].contains("of prio 1 on ffff:fff2 of v1"), "{whys:?}");
        // The other direction is planned; nothing is done on the ifb or the hook.
        assert_eq!(plan.len(), 3);
        assert!(
            plan.ops()
                .iter()
                .all(|op| plan.argv(op).contains(&"v1".to_owned()))
        );
        assert!(
            plan.ops()
                .iter()
                .all(|op| op.object.kind() != netshape::netlink::ObjectKind::Filter)
        );
    }
}

#[test]
fn a_filter_behind_ours_is_left_alone() {
    let mut kernel = kernel();
    hook(
        &mut kernel,
        "protocol all prio 2 u32 match u32 0 0 action mirred egress redirect dev x9",
    );
    let host = host(false, true, OUT);
    let plan = diff(kernel.state(), &host);
    assert_eq!(whys(&plan), Vec::<String>::new());
    kernel.apply_all(&plan).unwrap();
    // One that comes later with the priority of ours comes behind ours: the kernel asks by number.
    let v1 = DevName::host("v1");
    tc(
        &mut kernel,
        &v1,
        "tc filter add dev v1 parent ffff:fff2 protocol all prio 1 u32 match u32 0 0 action mirred egress redirect dev x9",
    );
    let plan = diff(kernel.state(), &host);
    assert!(plan.is_empty() && plan.refused().is_empty());
    assert_eq!(plan.left_alone().len(), 2);
    // One that somebody puts before ours by its number is seen.
    tc(
        &mut kernel,
        &v1,
        "tc filter add dev v1 parent ffff:fff2 protocol all prio 1 handle ::7 u32 match u32 0 0 action mirred egress redirect dev x9",
    );
    assert_eq!(whys(&diff(kernel.state(), &host)).len(), 1);
}

/// What is on a hook, but for the numbers of tables, which are the kernel's.
fn order(kernel: &KernelModel) -> Vec<(u16, u16, u32, String)> {
    let v1 = kernel.device(&DevName::host("v1")).unwrap();
    let nodes = v1.filters().iter().filter(|f| f.handle & 0xfff != 0);
    let said = |f: &Filter| match &f.kind {
        FilterKind::U32(u) => format!("{:?} {:?}", u.sel(), u.actions()),
        other => other.name().to_owned(),
    };
    nodes
        .map(|f| (f.prio, f.protocol, f.handle & 0xfff, said(f)))
        .collect()
}

#[test]
fn with_takeover_it_is_added_again_unchanged_behind_ours_and_every_step_can_be_taken_back() {
    for lines in [
        &["protocol all prio 1 u32 match u32 0 0 action mirred egress redirect dev x9"][..],
        &[
            "protocol all prio 1 handle ::5 u32 match ip src 10.0.0.0/8 action mirred egress mirror dev x9",
            "protocol all prio 1 u32 match u32 0 0 action drop",
        ],
        &[
            "protocol ip prio 1 u32 match ip dst 10.0.0.7/32 flowid 1:7",
            "protocol ip prio 1 u32 match u32 0 0 action mirred ingress redirect dev x9",
            "protocol ipv6 prio 2 u32 match u32 0 0 action pass",
        ],
    ] {
        let mut kernel = kernel();
        hook(&mut kernel, lines[0]);
        for line in &lines[1..] {
            let line = format!("tc filter add dev v1 parent ffff:fff2 {line}");
            tc(&mut kernel, &DevName::host("v1"), &line);
        }
        let host = host(true, true, OUT);
        let was = order(&kernel);
        let plan = diff(kernel.state(), &host);
        assert_eq!(whys(&plan), Vec::<String>::new());
        let mut after = kernel.clone();
        after.apply_all(&plan).unwrap();
        let is = order(&after);
        assert_eq!((is.len(), is[0].2), (was.len() + 1, 0xbe), "{is:?}");
        // The same selectors and actions, in the same order.
        let said = |list: &[(u16, u16, u32, String)]| -> Vec<(u16, String)> {
            list.iter().map(|f| (f.1, f.3.clone())).collect()
        };
        let moved = was.iter().filter(|f| f.0 == 1).count();
        let behind: Vec<_> = is[1..].to_vec();
        for filter in said(&was) {
            assert!(said(&behind).contains(&filter), "{filter:?}");
        }
        assert!(plan.lines().matches("filter delete").count() == moved);
        assert!(diff(after.state(), &host).is_empty());
        // All of it back, last first.
        for op in plan.ops().iter().rev() {
            for step in op.inverse() {
                after.apply(&plan, &step).unwrap();
            }
        }
        let back = order(&after);
        assert_eq!(said(&back), said(&was));
    }
}

#[test]
fn what_could_not_be_added_again_is_refused_even_with_takeover() {
    let v1 = DevName::host("v1");
    let mut cases: Vec<(KernelModel, &str)> = Vec::new();
    // A link to a table of its own.
    let mut linked = kernel();
    tc(&mut linked, &v1, "tc qdisc add dev v1 clsact");
    for rest in [
        "protocol all prio 1 handle 7: u32 divisor 16",
        "protocol all prio 1 u32 match u32 0 0 link 7:",
    ] {
        tc(
            &mut linked,
            &v1,
            &format!("tc filter add dev v1 parent ffff:fff2 {rest}"),
        );
    }
    cases.push((linked, "more than a selector"));
    // To a device that is gone, or was not observed.
    let mut gone = kernel();
    hook(
        &mut gone,
        "protocol all prio 1 u32 match u32 0 0 action mirred egress redirect dev x9",
    );
    gone.remove_device(&DevName::host("x9"));
    cases.push((gone, "device number 3, whose name was not observed"));
    // Of another kind.
    let mut bpf = kernel();
    let mut device = bpf.remove_device(&v1).unwrap();
    device.put_qdisc(Qdisc::new(
        Handle::INGRESS_QDISC,
        Handle::INGRESS,
        QdiscKind::Clsact,
    ));
    device.put_filter(Filter {
        parent: Handle::HOOK_INGRESS,
        chain: 0,
        prio: 1,
        protocol: 3,
        handle: 1,
        kind: FilterKind::Other("bpf".into()),
    });
    bpf.put_device(v1.clone(), device);
    cases.push((bpf, "its kind is bpf"));
    for (kernel, why) in cases {
        let plan = diff(kernel.state(), &host(true, true, OUT));
        assert!(whys(&plan)[0].contains(why), "{:?}", whys(&plan));
        assert!(plan.is_empty());
    }
}

#[test]
fn what_is_taken_before_the_root_or_past_its_classes_is_refused() {
    // Clsact's egress hook comes before any root qdisc, so that nothing can be put before what is there.
    let end = DevName::in_netns("web", "eth0");
    for takeover in [false, true] {
        let mut kernel = kernel();
        tc(&mut kernel, &end, "tc qdisc add dev eth0 clsact");
        tc(
            &mut kernel,
            &end,
            "tc filter add dev eth0 parent ffff:fff3 protocol ip prio 9 u32 match u32 0 0 action mirred egress mirror dev x9",
        );
        let host = host(takeover, false, OUT);
        assert!(
            diff(kernel.state(), &host).refused().is_empty(),
            "a copy takes nothing"
        );
        tc(
            &mut kernel,
            &end,
            "tc filter add dev eth0 parent ffff:fff3 protocol ip prio 8 u32 match u32 0 0 action mirred egress redirect dev x9",
        );
        let plan = diff(kernel.state(), &host);
        assert!(plan.is_empty());
        assert!(
            whys(&plan)[0].contains("of prio 8 on ffff:fff3"),
            "{:?}",
            whys(&plan)
        );
    }
    // On our own root, to no class at all: the kernel sends such packets on unshaped.
    let mut kernel = kernel();
    let plain = host(false, false, OUT);
    kernel.apply_all(&diff(kernel.state(), &plain)).unwrap();
    tc(
        &mut kernel,
        &end,
        "tc filter add dev eth0 parent be: protocol ip prio 5 u32 match u32 0 0 flowid be:0",
    );
    assert_eq!(whys(&diff(kernel.state(), &plain)).len(), 1);
    let told = host(true, false, OUT);
    let plan = diff(kernel.state(), &told);
    assert_eq!((plan.len(), whys(&plan).len()), (1, 0));
    kernel.apply_all(&plan).unwrap();
    assert!(diff(kernel.state(), &told).is_empty());
}

#[test]
fn trees_of_versions_before_the_reserved_numbers_are_taken_over_or_go_and_those_of_others_stay() {
    let v1 = DevName::host("v1");
    let tree = |lines: &[&str]| {
        let mut kernel = kernel();
        for line in lines {
            tc(&mut kernel, &v1, line);
        }
        kernel
    };
    let ours = [
        "tc qdisc add dev v1 root handle 1: htb default 10",
        "tc class add dev v1 parent 1: classid 1:10 htb rate 50mbit ceil 50mbit",
        "tc qdisc add dev v1 parent 1:10 handle 10: bfifo limit 70000",
    ];
    // Wanted: its figures change in place, and nothing is torn down.
    let plan = diff(
        tree(&ours).state(),
        &host(false, false, &[Direction::Ingress]),
    );
    assert_eq!(plan.disruptions().unshaped, 0);
    assert!(
        plan.lines()
            .contains("class change dev v1 parent 1: classid 1:10")
    );
    // A device of the policy that is wanted unshaped: it goes.
    let plan = diff(tree(&ours).state(), &host(false, false, OUT));
    assert!(
        plan.lines()
            .contains("tc qdisc delete dev v1 root handle 1:"),
        "{}",
        plan.lines()
    );
    // What others made with the same numbers stays.
    let others: [&[&str]; 3] = [
        &["tc qdisc add dev v1 root handle 1: htb default 10"],
        &[
            ours[0],
            ours[1],
            "tc class add dev v1 parent 1: classid 1:20 htb rate 1mbit",
        ],
        &[
            ours[0],
            "tc class add dev v1 parent 1: classid 1:10 htb rate 1mbit ceil 9mbit",
            ours[2],
        ],
    ];
    for lines in others {
        let plan = diff(tree(lines).state(), &host(false, false, OUT));
        assert!(!plan.lines().contains("delete"), "{}", plan.lines());
    }
}

#[test]
fn a_namespace_that_may_be_known_by_its_process_keeps_what_it_has() {
    // Shaped by name once; now the policy says a process in that namespace, which was not observed.
    let mut kernel = kernel();
    let named = host(false, false, OUT);
    kernel.apply_all(&diff(kernel.state(), &named)).unwrap();
    let mut host = Host::new(None, Vec::new(), Capabilities::default()).unwrap();
    let shape = Shape::new(Rate::ZERO, Rate::mbit(10)).unwrap();
    let c = Container::new("web", "v1")
        .unwrap()
        .with_egress_point(EgressPoint::Pid(4242), "eth0")
        .unwrap();
    host.insert(c.with_shape(Direction::Egress, shape)).unwrap();
    let plan = diff(kernel.state(), &host);
    assert!(!plan.lines().contains("delete"), "{}", plan.lines());
    assert_eq!(plan.left_alone().len(), 1);
}

#[test]
fn a_root_with_our_number_is_put_right_without_being_told() {
    let mut kernel = kernel();
    let v1 = DevName::host("v1");
    let mut device = kernel.remove_device(&v1).unwrap();
    let kind = QdiscKind::Htb(Htb::with_default_class(0x99));
    device.put_qdisc(Qdisc::new(Handle::qdisc(0xbe), Handle::ROOT, kind));
    kernel.put_device(v1, device);
    let host = host(false, false, &[Direction::Ingress]);
    kernel.apply_all(&diff(kernel.state(), &host)).unwrap();
    assert!(diff(kernel.state(), &host).is_empty());
}
