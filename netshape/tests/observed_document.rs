//! The document that `berth shape show` prints, as a plan takes it.
#![cfg(feature = "serde")]

use netshape::observe::ObservedDocument;
use netshape::plan::diff;
use netshape::policy::EgressPoint;
use netshape::{Capabilities, Container, Direction, Host, Rate, Shape};

#[test]
fn the_observed_document_says_what_a_filter_matches_or_that_it_matches_everything() {
    let document = r#"{"devices": [
      {"netns": null, "dev": "v1", "ifindex": 2, "qdiscs": [{"kind": "clsact", "handle": "ffff:", "parent": "ingress"}],
       "filters": [
        {"kind": "u32", "parent": "ffff:fff2", "handle": "800::800", "prio": 1, "protocol": "all", "flowid": null,
         "matches": [{"value": 167772167, "mask": 4294967295, "offset_bytes": 16}],
         "actions": [{"kind": "mirred", "action": "egress_redirect", "to_ifindex": 3}]},
        {"kind": "u32", "parent": "ffff:fff2", "handle": "800::801", "prio": 1, "protocol": "all", "flowid": null,
         "actions": [{"kind": "mirred", "action": "egress_redirect", "to_ifindex": 3}]}]},
      {"netns": null, "dev": "x9", "ifindex": 3}]}"#;
    let seen: ObservedDocument = serde_json::from_str(document).unwrap();
    let shape = Shape::new(Rate::ZERO, Rate::mbit(10)).unwrap();
    let web = Container::new("web", "v1").unwrap();
    let web = web.with_egress_point(EgressPoint::Ifb, "eth0").unwrap();
    let caps = Capabilities::default().with_takeover(true);
    let mut host = Host::new(None, Vec::new(), caps).unwrap();
    host.insert(web.with_shape(Direction::Egress, shape))
        .unwrap();
    let lines = diff(&seen.state().unwrap(), &host).lines();
    assert!(
        lines
            .contains("match u32 0x0a000007 0xffffffff at 16 action mirred egress redirect dev x9"),
        "{lines}"
    );
    assert!(
        lines.contains("match u32 0x00000000 0x00000000 at 0 action mirred egress redirect dev x9"),
        "{lines}"
    );
}

#[test]
fn a_written_document_is_read_as_the_same_state() {
    use netshape::kernel::KernelModel;
    use netshape::{DevName, Device, Tier, Uplink};

    let uplink = Uplink::new("up0", Rate::gbit(10), Rate::mbit(10))
        .unwrap()
        .classified_by(netshape::policy::Classifier::Priority);
    let caps = Capabilities::default().with_fq_codel(true);
    let mut host = Host::new(Some(uplink), vec![Tier::new("gold", 4).unwrap()], caps).unwrap();
    let shape = Shape::new(Rate::mbit(1), Rate::gbit(9)).unwrap();
    for (number, at) in [
        EgressPoint::Ifb,
        EgressPoint::Netns("web".into()),
        EgressPoint::Pid(7),
    ]
    .into_iter()
    .enumerate()
    {
        let web = Container::new(&format!("web-{number}"), &format!("v{number}")).unwrap();
        let web = web.with_tier("gold").with_egress_point(at, "eth0").unwrap();
        let web = web
            .with_shape(Direction::Ingress, shape)
            .with_shape(Direction::Egress, shape);
        host.insert(web).unwrap();
    }
    let mut kernel = KernelModel::new();
    for (number, name) in (1..).zip(host.device_names()) {
        let mut device = Device::new();
        (device.ifindex, device.gso_max_size) = (Some(number), Some(65_536));
        kernel.put_device(name, device);
    }
    kernel.put_device(DevName::host("lo"), Device::new());
    kernel.apply_all(&diff(kernel.state(), &host)).unwrap();
    let before = kernel.state();
    assert!(before.devices().any(|(_, d)| !d.filters().is_empty()));

    let text = serde_json::to_string(&ObservedDocument::from(before)).unwrap();
    let document: ObservedDocument = serde_json::from_str(&text).unwrap();
    let after = document.state().unwrap();
    assert_eq!(after.len(), before.len());
    assert!(
        diff(&after, &host).is_empty(),
        "{}",
        diff(&after, &host).lines()
    );
    host.remove("web-0");
    assert_eq!(diff(&after, &host).lines(), diff(before, &host).lines());
    assert!(!diff(before, &host).is_empty());
    // And written once more, it is the same text.
    assert_eq!(
        serde_json::to_string(&ObservedDocument::from(&after)).unwrap(),
        text
    );
}
