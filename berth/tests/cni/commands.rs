//! Each command, and what is better than host-local's.

use crate::calls::{BERTH_CNI, Network, is_there};
use serde_json::json;
use test_support::cni::call;

pub(crate) fn usage_goes_to_standard_error_without_a_command() {
    let answer = call(BERTH_CNI, &[("CNI_PATH", "/opt/cni/bin")], "");
    answer.done();
    assert!(
        answer
            .stderr
            .contains("CNI protocol versions supported: 0.1.0, 0.2.0"),
        "{answer:?}"
    );
}

pub(crate) fn add_repeated_answers_the_same_address() {
    let section = json!({ "ranges": [[{ "subnet": "10.9.0.0/24" }], [{ "subnet": "2001:db8:9::/64" }], [{ "subnet": "10.8.0.0/24" }]] });
    let network = Network::new("again", section);
    let first = network.call("ADD", "c1").addresses();
    assert_eq!(first, ["10.9.0.2/24", "2001:db8:9::2/64", "10.8.0.2/24"]);
    assert_eq!(network.call("ADD", "c1").addresses(), first);
    // Another interface of the container is another attachment.
    let other = network
        .call_of(BERTH_CNI, "ADD", "c1", &[("CNI_IFNAME", "eth1")])
        .addresses();
    assert_eq!(other, ["10.9.0.3/24", "2001:db8:9::3/64", "10.8.0.3/24"]);
    network.call("DEL", "c1").done();
    assert_eq!(network.call("CHECK", "c1").code(), 3);
    network
        .call_of(BERTH_CNI, "CHECK", "c1", &[("CNI_IFNAME", "eth1")])
        .done();
}

pub(crate) fn delete_succeeds_whatever_is_gone() {
    let network = Network::of_subnet("gone", "10.9.0.0/29");
    // Nothing was ever given: there is no store, and none is made.
    network.call("DEL", "c1").done();
    assert!(!is_there(&network.folder()));
    network.add("c1");
    // The namespace was given by a path that is no more, or not at all.
    network
        .call_of(
            BERTH_CNI,
            "DEL",
            "c1",
            &[("CNI_NETNS", "/proc/1/no/such/net")],
        )
        .done();
    network.call("DEL", "c1").done();
    network
        .call_of(BERTH_CNI, "DEL", "c2", &[("CNI_NETNS", "")])
        .done();
    assert_eq!(network.call("CHECK", "c1").code(), 3);
}

pub(crate) fn the_own_namespace_is_refused_before_anything_is_given() {
    let network = Network::of_subnet("own", "10.9.0.0/29");
    let own = ("CNI_NETNS", "/proc/self/ns/net");
    let refused = network.call_of(BERTH_CNI, "ADD", "c1", &[own]);
    assert_eq!((refused.code(), refused.documents.len()), (8, 1));
    assert_eq!(network.call("CHECK", "c1").code(), 3);
    assert_eq!(network.add("c2"), "10.9.0.2/29");
    let allowed = network.call_of(
        BERTH_CNI,
        "ADD",
        "c1",
        &[own, ("CNI_NETNS_OVERRIDE", "true")],
    );
    assert_eq!(allowed.address(), "10.9.0.3/29");
}

pub(crate) fn collection_frees_what_no_attachment_holds() {
    let mut network = Network::of_subnet("gc", "10.9.0.0/24");
    for i in 0..5 {
        network.add(&format!("c{i}"));
    }
    // Nobody said what is valid: nothing is freed.
    network.call("GC", "").done();
    network.call("CHECK", "c0").done();
    network.config["cni.dev/valid-attachments"] = json!([
        { "containerID": "c1", "ifname": "eth0" },
        { "containerID": "c2", "ifname": "eth1" },
    ]);
    network.call("GC", "").done();
    network.call("CHECK", "c1").done();
    for gone in ["c0", "c2", "c3", "c4"] {
        assert_eq!(network.call("CHECK", gone).code(), 3, "{gone}");
    }
    network.config["cniVersion"] = "1.0.0".into();
    assert_eq!(network.call("GC", "").code(), 1);
    assert_eq!(network.call("STATUS", "").code(), 1);
}

pub(crate) fn status_tells_of_a_full_set_and_of_a_damaged_store() {
    let network = Network::of_subnet("status", "10.9.0.0/30");
    network.call("STATUS", "").done();
    network.add("c1");
    let full = network.call("STATUS", "");
    assert_eq!(full.code(), 50);
    assert_eq!(network.call("ADD", "c2").code(), 11);
    network.call("DEL", "c1").done();
    network.call("STATUS", "").done();
    let file = network.folder().join("berth.redb");
    std::fs::write(&file, b"no store").expect("a file");
    assert_eq!(network.call("STATUS", "").code(), 50);
    assert_eq!(network.call("ADD", "c1").code(), 5);
}

fn pod(name: &str) -> String {
    format!(
        "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME={name};K8S_POD_INFRA_CONTAINER_ID=x;OTHER=y"
    )
}

pub(crate) fn a_sticky_address_waits_for_its_workload() {
    let network = Network::new(
        "sticky",
        json!({ "subnet": "10.9.0.0/24", "retention": { "sticky": "1h" } }),
    );
    let of = |container: &str, name: &str| {
        network.call_of(BERTH_CNI, "ADD", container, &[("CNI_ARGS", &pod(name))])
    };
    assert_eq!(network.call("ADD", "c0").code(), 4);
    let first = of("c1", "web-0").address();
    network.call("DEL", "c1").done();
    let others: Vec<String> = (0..3)
        .map(|i| of(&format!("d{i}"), &format!("web-{}", i + 1)).address())
        .collect();
    assert!(!others.contains(&first));
    assert_eq!(of("c2", "web-0").address(), first);
}

pub(crate) fn a_fixed_address_is_had_by_one_container_at_a_time() {
    let section = json!({ "subnet": "10.9.0.0/24", "retention": "fixed" });
    let network = Network::new("fixed", section);
    let of = |container: &str| {
        network.call_of(BERTH_CNI, "ADD", container, &[("CNI_ARGS", &pod("web-0"))])
    };
    let first = of("c1").address();
    assert_eq!(of("c2").code(), 11);
    network.call("DEL", "c1").done();
    assert_eq!(of("c2").address(), first);
}

pub(crate) fn a_quarantined_address_is_given_to_nobody() {
    let network = Network::new(
        "quarantine",
        json!({ "subnet": "10.9.0.0/30", "quarantine": "1h", "labels": { "zone": "a" } }),
    );
    network.add("c1");
    network.call("DEL", "c1").done();
    let refused = network.call("ADD", "c2");
    assert_eq!(refused.code(), 11);
    let details = refused.documents[0]["details"].as_str().unwrap_or_default();
    assert!(details.contains("1 in quarantine"), "{details}");
}

pub(crate) fn refusals_name_what_is_wrong() {
    let refused = |section: serde_json::Value, name: &str| {
        let answer = Network::new(name, section).call("ADD", "c1");
        let text = |key: &str| {
            answer.documents[0][key]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        (answer.code(), text("msg"), text("details"))
    };
    let (code, message, _) = refused(json!({ "subnet": "10.9.0.0/31" }), "small");
    assert_eq!(
        (code, &*message),
        (
            7,
            "invalid range set 0: Network 10.9.0.0/31 too small to allocate from"
        )
    );
    let (code, message, details) = refused(
        json!({ "subnet": "10.9.0.0/24", "store": "mysql:x" }),
        "store",
    );
    assert_eq!((code, &*message), (7, "\"mysql:x\" is no store"));
    assert!(details.contains("redb:PATH"), "{details}");
    let (code, _, details) = refused(
        json!({ "subnet": "10.9.0.0/24", "quarantine": "1 hour" }),
        "time",
    );
    assert!(code == 7 && details.contains("1h"), "{details}");
    let (code, ..) = refused(json!({ "subnet": 7 }), "type");
    assert_eq!(code, 6);
}
