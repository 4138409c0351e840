//! A mistake in one container's section takes nothing away from it, nor from anybody else.

use netshape::kernel::KernelModel;
use netshape::object::Handle;
use netshape::plan::{Action, Plan, diff, diff_touched};
use netshape::policy::{Classifier, PolicyFile};
use netshape::{Capabilities, Container, DevName, Device, Direction, Host};
use netshape::{Rate, Refusal, Shape, Tier, Uplink};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn uplink() -> Uplink {
    Uplink::new("up0", Rate::gbit(1), Rate::ZERO)
        .unwrap()
        .classified_by(Classifier::Priority)
}

fn policy(containers: &Value) -> PolicyFile {
    let host = json!({"uplink": {"dev": "up0", "capacity": "1gbit", "classify": "priority"}});
    let tier = json!([{"name": "gold", "weight": 4}]);
    serde_json::from_value(json!({"host": host, "tier": tier, "container": containers})).unwrap()
}

/// A container in a tier, by name of its namespace, with guarantees out.
fn section(id: &str, guarantee: &str) -> Value {
    json!({"id": id, "veth": format!("v-{id}"), "netns": id, "tier": "gold",
        "ingress": {"ceiling": "100mbit"}, "egress": {"guarantee": guarantee, "ceiling": "900mbit"}})
}

fn planned(kernel: &KernelModel, containers: &Value) -> (Host, Vec<Refusal>, Plan) {
    let file = policy(containers);
    let made = file.host_on(kernel.state(), Capabilities::default(), &BTreeMap::new());
    let (host, refused) = made.unwrap();
    let plan = diff(kernel.state(), &host);
    (host, refused, plan)
}

/// A kernel on which a policy was carried out.
fn carried_out(containers: &Value) -> KernelModel {
    let mut kernel = KernelModel::new();
    let (host, refused, _) = planned(&kernel, containers);
    assert_eq!(refused, []);
    for (i, name) in (1..).zip(host.device_names()) {
        let mut device = Device::new();
        device.ifindex = Some(i);
        kernel.put_device(name, device);
    }
    kernel.apply_all(&diff(kernel.state(), &host)).unwrap();
    kernel
}

/// The devices and the class of a container.
fn has(kernel: &KernelModel, id: &str, class: Handle) -> [Option<String>; 3] {
    let device = |name| kernel.device(&name).map(|d| format!("{d:?}"));
    let up = kernel.device(&DevName::host("up0")).unwrap();
    [
        device(DevName::host(&format!("v-{id}"))),
        device(DevName::in_netns(id, "eth0")),
        Some(format!("{:?}", (up.class(class), up.qdisc_at(class)))),
    ]
}

#[test]
fn whatever_is_wrong_in_a_section_its_container_stays_as_it_is() {
    let before = json!([section("a", "100mbit"), section("b", "200mbit")]);
    let with = |path: &[&str], value: Value| {
        let mut b = section("b", "200mbit");
        let mut at = &mut b;
        for key in path {
            at = &mut at[*key];
        }
        *at = value;
        b
    };
    let wrong = [
        ("tier", with(&["tier"], json!("glod"))),
        (
            "ingress.ceiling",
            with(&["ingress", "ceiling"], json!("100mbt")),
        ),
        (
            "egress.guarantee",
            with(&["egress", "guarantee"], json!("2gbit")),
        ),
        ("egress.guarantee", with(&["egress", "guarantee"], json!(7))),
        ("ingress.burst", with(&["ingress", "burst"], json!("1kB"))),
        ("egress.priority", with(&["egress", "priority"], json!(9))),
        ("weight", with(&["weight"], json!(1001))),
        ("weight", with(&["weight"], json!(0))),
    ];
    for (field, b) in wrong {
        let kernel = carried_out(&before);
        let (old, ..) = planned(&kernel, &before);
        let class = old.class_of(old.slot("b").unwrap()).unwrap();
        let was = has(&kernel, "b", class);
        // Other containers change, come and go meanwhile.
        let now = json!([section("a", "50mbit"), b, section("c", "10mbit")]);
        let (host, refused, plan) = planned(&kernel, &now);
        let fields: Vec<&str> = refused.iter().map(|r| r.field.as_str()).collect();
        let ceiling = field == "egress.guarantee" && fields == ["container[1].egress.ceiling"];
        assert!(
            ceiling || fields == [format!("container[1].{field}")],
            "{fields:?}"
        );
        assert!(plan.len() > 3, "the others are planned");
        let mut after = kernel.clone();
        for name in host.device_names() {
            if after.device(&name).is_none() {
                after.put_device(name, Device::new());
            }
        }
        after.apply_all(&plan).unwrap();
        assert_eq!(was, has(&after, "b", class), "{field}");
        let up = after.device(&DevName::host("up0")).unwrap();
        assert_eq!(
            up.check(),
            Ok(()),
            "{field}: the tier still holds its class"
        );
        assert!(diff(after.state(), &host).is_empty(), "{field}");
    }
}

#[test]
fn an_over_promise_refuses_in_the_order_of_the_file() {
    let refused = |guarantees: &[&str]| {
        let list: Vec<Value> = (0..)
            .zip(guarantees)
            .map(|(i, g)| section(&format!("c{i}"), g))
            .collect();
        let (_, refused, _) = planned(&KernelModel::new(), &json!(list));
        let fields = refused.into_iter().map(|r| r.field);
        fields.collect::<Vec<String>>()
    };
    let at = |i: usize| format!("container[{i}].egress.guarantee");
    // What passes what is left is refused; what comes later and fits in is not.
    assert_eq!(
        refused(&["600mbit", "500mbit", "300mbit", "100mbit"]),
        [at(1)]
    );
    assert_eq!(
        refused(&["600mbit", "500mbit", "400mbit", "8bit"]),
        [at(1), at(3)]
    );
    // Without a guarantee nothing is asked for, so nothing passes what is left.
    assert_eq!(
        refused(&["900mbit", "100mbit", "0mbit", "0mbit"]),
        Vec::<String>::new()
    );
}

#[test]
fn what_a_refused_container_keeps_is_not_promised_again_to_those_who_ask_for_more() {
    let before = json!([
        section("a", "300mbit"),
        section("b", "300mbit"),
        section("c", "300mbit")
    ]);
    let kernel = carried_out(&before);
    // b asks for too much and keeps 300; c asks for what it has; d would come on top.
    let now = json!([
        section("a", "600mbit"),
        section("b", "500mbit"),
        section("c", "300mbit"),
        section("d", "50mbit")
    ]);
    let (_, refused, _) = planned(&kernel, &now);
    let fields: Vec<&str> = refused.iter().map(|r| r.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "container[1].egress.guarantee",
            "container[3].egress.guarantee"
        ]
    );
}

#[test]
fn a_section_that_does_not_say_which_device_it_means_lets_nothing_be_removed() {
    let before = json!([section("a", "100mbit"), section("b", "200mbit")]);
    let mut broken = vec![];
    for (key, value) in [
        ("id", "no good"),
        ("veth", "much/too"),
        ("netns", "a b"),
        ("dev", ""),
    ] {
        let mut b = section("b", "200mbit");
        b[key] = json!(value);
        broken.push(b);
    }
    let mut both = section("b", "200mbit");
    both["pid"] = json!(4242);
    broken.push(both);
    // Ingress, and no veth that it is shaped on.
    let mut none = section("b", "200mbit");
    none.as_object_mut().unwrap().remove("veth");
    broken.push(none);
    for b in broken {
        let kernel = carried_out(&before);
        // Even what is no longer in the policy stays, and what is foreign under takeover.
        let file = policy(&json!([b]));
        let caps = Capabilities::default().with_takeover(true);
        let (host, refused) = file
            .host_on(kernel.state(), caps, &BTreeMap::new())
            .unwrap();
        assert_eq!(refused.len(), 1);
        let plan = diff(kernel.state(), &host);
        let removes = plan.ops().iter().any(|op| op.action == Action::Delete);
        assert!(!removes, "{}: {}", refused[0], plan.lines());
        assert!(!plan.left_alone().is_empty());
        let mut after = kernel.clone();
        after.apply_all(&plan).unwrap();
        assert!(
            diff(after.state(), &host).is_empty(),
            "{}",
            diff(after.state(), &host).lines()
        );
    }
}

#[test]
fn a_refused_section_with_an_id_or_a_device_of_another_lets_nothing_be_removed() {
    let before = json!([section("a", "100mbit"), section("b", "200mbit")]);
    let but = |of: &str, key: &str, value: &str| {
        let mut s = section(of, "200mbit");
        s[key] = json!(value);
        s
    };
    let broken = |mut s: Value| {
        s["egress"]["ceiling"] = json!("20mbps");
        s
    };
    let a = || section("a", "100mbit");
    for (containers, slip) in [
        (json!([a(), but("b", "veth", "v-a")]), "container[1].veth"),
        (json!([but("b", "veth", "v-a"), a()]), "container[1].veth"),
        (json!([a(), but("b", "veth", "up0")]), "container[1].veth"),
        (json!([a(), but("b", "netns", "a")]), "container[1].dev"),
        (json!([a(), but("b", "id", "a")]), "container[1].id"),
        // The one that is refused comes first, or twice, or is broken otherwise.
        (
            json!([broken(but("a", "id", "b")), section("b", "200mbit")]),
            "container[0].egress.ceiling",
        ),
        (
            json!([a(), broken(but("b", "veth", "v-a"))]),
            "container[1].egress.ceiling",
        ),
        (
            json!([a(), broken(but("b", "netns", "a"))]),
            "container[1].egress.ceiling",
        ),
        (
            json!([a(), broken(but("b", "id", "a"))]),
            "container[1].egress.ceiling",
        ),
    ] {
        let kernel = carried_out(&before);
        let (_, refused, plan) = planned(&kernel, &containers);
        assert_eq!(refused[0].field, slip, "{containers}");
        let removes = plan.ops().iter().any(|op| op.action == Action::Delete);
        assert!(!removes, "{containers}\n{}", plan.lines());
        assert_ne!(plan.left_alone().len(), 0, "{containers}");
    }
}

#[test]
fn a_refused_container_that_is_shaped_elsewhere_keeps_what_is_in_namespaces() {
    let kernel = carried_out(&json!([section("a", "100mbit"), section("b", "200mbit")]));
    let mut b = section("b", "200mbit");
    b["egress"]["ceiling"] = json!("20mbps");
    // Its namespace is not said any more, or another one is.
    for netns in [Value::Null, json!("bb")] {
        b["netns"] = netns;
        let (_, refused, plan) = planned(&kernel, &json!([section("a", "100mbit"), b]));
        assert_eq!(refused.len(), 1);
        assert!(plan.is_empty(), "{}", plan.lines());
        let kept = DevName::in_netns("b", "eth0");
        assert!(plan.left_alone().iter().any(|l| l.device == kept));
    }
    // One that is where its section says keeps nobody else's.
    b["netns"] = json!("b");
    let (_, _, plan) = planned(&kernel, &json!([b]));
    let gone = DevName::in_netns("a", "eth0");
    let goes =
        |op: &&netshape::plan::Op| plan.device(op) == Some(&gone) && op.action == Action::Delete;
    assert_eq!(plan.ops().iter().filter(goes).count(), 1);
}

#[test]
fn a_change_that_is_refused_leaves_a_running_host_as_it_was() {
    let tiers = vec![Tier::new("gold", 4).unwrap()];
    let mut host = Host::new(Some(uplink()), tiers, Capabilities::default()).unwrap();
    let asks = |mbit| {
        let shape = Shape::new(Rate::mbit(mbit), Rate::gbit(2)).unwrap();
        let c = Container::new("web", "v1").unwrap();
        c.with_shape(Direction::Egress, shape)
            .with_shape(Direction::Ingress, shape)
    };
    let slot = host.insert(asks(100)).unwrap();
    let class = host.class_of(slot);
    host.allocate(slot, Direction::Egress, Some(Rate::mbit(300)));
    let mut kernel = KernelModel::new();
    for name in host.device_names() {
        kernel.put_device(name, Device::new());
    }
    kernel
        .apply_all(&diff_touched(kernel.state(), &mut host))
        .unwrap();
    for wrong in [
        asks(1_100).with_tier("gold"),
        asks(100).with_tier("glod"),
        asks(1).with_weight(1_001),
    ] {
        if let Ok(slot) = host.replace(wrong) {
            panic!("{slot:?}");
        }
        assert_eq!((host.slot("web"), host.class_of(slot)), (Some(slot), class));
        assert_eq!(host.promised(Direction::Egress), Rate::mbit(100));
        assert!(diff_touched(kernel.state(), &mut host).is_empty());
        assert!(diff(kernel.state(), &host).is_empty());
    }
    // One that fits keeps the class number.
    assert_eq!(host.replace(asks(200)), Ok(slot));
    assert_eq!(host.class_of(slot), class);
    assert!(!diff_touched(kernel.state(), &mut host).is_empty());
}

#[test]
fn a_refused_section_with_a_slip_in_its_devices_takes_nothing_from_the_container_it_means() {
    let before = json!([section("a", "100mbit"), section("b", "200mbit")]);
    let slips: [(&str, Value); 5] = [
        // A name that nothing has, one that differs by case, another namespace's end, another device's name inside.
        ("veth", json!("v-bb")),
        ("veth", json!("V-b")),
        ("veth", json!("v-b.0")),
        ("dev", json!("eth1")),
        ("veth", json!("v-a")),
    ];
    for (field, slip) in slips {
        let kernel = carried_out(&before);
        let (old, ..) = planned(&kernel, &before);
        let class = old.class_of(old.slot("b").unwrap()).unwrap();
        let was = has(&kernel, "b", class);
        let mut b = section("b", "200mbit");
        b[field] = slip.clone();
        b["ingress"]["ceiling"] = json!("100mbt");
        let (_, refused, plan) = planned(&kernel, &json!([section("a", "100mbit"), b]));
        assert_eq!(refused.len(), 1, "{field} {slip}: {refused:?}");
        let mut after = kernel.clone();
        after.apply_all(&plan).unwrap();
        assert_eq!(was, has(&after, "b", class), "{field} {slip}");
    }
    // Where its devices are there, what nobody wants goes as ever.
    let kernel = carried_out(&json!([
        section("a", "100mbit"),
        section("b", "200mbit"),
        section("c", "1mbit")
    ]));
    let mut b = section("b", "200mbit");
    b["ingress"]["ceiling"] = json!("100mbt");
    let (.., plan) = planned(&kernel, &json!([section("a", "100mbit"), b]));
    let removed = |device: &str| {
        let name = DevName::host(device);
        plan.ops()
            .iter()
            .any(|op| op.action == Action::Delete && plan.device(op) == Some(&name))
    };
    assert!(removed("v-c") && !removed("v-b"), "{}", plan.lines());
}

#[test]
fn a_change_that_is_refused_beside_what_others_keep_takes_nothing_away() {
    let mut host = Host::new(Some(uplink()), vec![], Capabilities::default()).unwrap();
    let container = |id: &str, mbit: u64| {
        let shape = Shape::new(Rate::mbit(mbit), Rate::gbit(1)).unwrap();
        let container = Container::new(id, &format!("v-{id}")).unwrap();
        container.with_shape(Direction::Egress, shape)
    };
    // a has 600 on the kernel, is admitted with 100, and its section is refused before that is carried out.
    host.insert(container("a", 600)).unwrap();
    let mut kernel = KernelModel::new();
    for name in host.device_names() {
        kernel.put_device(name, Device::new());
    }
    kernel.apply_all(&diff(kernel.state(), &host)).unwrap();
    let minor = host.class_of(host.slot("a").unwrap()).unwrap().minor();
    host.replace(container("a", 100)).unwrap();
    host.insert(container("b", 500)).unwrap();
    let gone = host.remove("a").unwrap();
    host.hold(&gone, Some(minor), kernel.state());
    // b is changed to what does not fit: it keeps what it was promised; to no more than that: it is admitted.
    assert!(host.replace(container("b", 900)).is_err());
    let kept = host
        .entitlement(host.slot("b").unwrap(), Direction::Egress)
        .unwrap();
    assert_eq!(kept.guarantee, Rate::mbit(500));
    assert!([500, 400].map(|m| host.replace(container("b", m)).is_ok()) == [true; 2]);
}
