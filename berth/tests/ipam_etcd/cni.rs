//! `berth-cni` on etcd.

use crate::store_of;
use serde_json::Value;
use std::collections::BTreeSet;
use test_support::etcd::Etcd;

/// Two hosts whose containers share a subnet: nothing is given twice, each host's GC frees its own.
pub(crate) fn two_hosts_share_a_subnet_by_berth_cni() {
    let etcd = Etcd::start(&[]);
    let ipam = |host: &str| {
        serde_json::json!({
            "subnet": "10.9.0.0/24", "store": store_of(&etcd), "host": host,
            "etcd": { "prefix": "/cni/" },
        })
    };
    let call = |host: &str, command: &str, container: &str, valid: &Value| {
        let config = serde_json::json!({
            "cniVersion": "1.1.0", "name": "front", "ipam": ipam(host), "cni.dev/valid-attachments": valid,
        });
        let variables = [
            ("CNI_COMMAND", command),
            ("CNI_CONTAINERID", container),
            ("CNI_NETNS", "/var/run/netns/none"),
            ("CNI_IFNAME", "eth0"),
            ("CNI_PATH", "/opt/cni/bin"),
        ];
        let plugin = env!("CARGO_BIN_EXE_berth-cni");
        test_support::cni::call(plugin, &variables, &config.to_string())
    };
    let none = serde_json::json!([]);
    let given: Vec<String> = std::thread::scope(|scope| {
        let one = |host: &'static str| {
            let (call, none) = (&call, &none);
            let add = move |i| call(host, "ADD", &format!("{host}-{i}"), none).address();
            scope.spawn(move || (0..6).map(add).collect::<Vec<_>>())
        };
        let both = [one("h1"), one("h2")];
        both.into_iter()
            .flat_map(|t| t.join().expect("a thread"))
            .collect()
    });
    let apart: BTreeSet<&String> = given.iter().collect();
    assert_eq!(apart.len(), 12, "{given:?}");
    call("h1", "GC", "", &none).done();
    assert_eq!(call("h1", "CHECK", "h1-0", &none).code(), 3);
    call("h2", "CHECK", "h2-0", &none).done();
    call("h2", "DEL", "h2-0", &none).done();
    assert_eq!(call("h2", "CHECK", "h2-0", &none).code(), 3);
    call("h1", "STATUS", "", &none).done();
}
