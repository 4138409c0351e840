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
