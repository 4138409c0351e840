//! `MIGRATING.md` as a new user follows it: its commands are run as they stand there.

use crate::beside::HOST_LOCAL;
use crate::calls::{BERTH_CNI, Network, is_there};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

const NOTE: &str = include_str!("../../../ipam/adapters/ipam-cni/MIGRATING.md");

pub(crate) fn has_jq() -> Result<(), String> {
    let there = Command::new("jq").arg("--version").output();
    there
        .map(drop)
        .map_err(|e| format!("no jq: {e}: apt-get install jq"))
}

/// The commands of the note that hold a word.
fn commands(word: &str) -> String {
    let blocks = NOTE
        .split("```sh\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    let mut fit = blocks.filter(|block| block.contains(word));
    fit.next()
        .unwrap_or_else(|| panic!("the note has no commands with {word}"))
        .to_owned()
}

/// Runs commands as a user's shell does, with `berth` and what stands in a folder on the path.
fn follow(commands: &str, folder: &Path) -> String {
    let berth = Path::new(env!("CARGO_BIN_EXE_berth"))
        .parent()
        .expect("a folder");
    let path = format!(
        "{}:{}:{}",
        folder.display(),
        berth.display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let done = Command::new("sh")
        .args(["-e", "-c", commands])
        .current_dir(folder)
        .env("PATH", path)
        .output()
        .expect("sh");
    assert!(done.status.success(), "{commands}\n{done:?}");
    String::from_utf8(done.stdout).expect("text")
}

fn addresses(network: &Network, plugin: &str, container: &str) -> Vec<String> {
    network.call_of(plugin, "ADD", container, &[]).addresses()
}

pub(crate) fn from_host_local_and_back_as_the_note_tells() {
    let ipam =
        json!({ "ranges": [[{ "subnet": "10.9.0.0/27" }], [{ "subnet": "2001:db8:9::/64" }]] });
    let mut network = Network::new("migrating", ipam);
    network.config["cniVersion"] = "1.0.0".into();
    let mut given: Vec<(String, Vec<String>)> = Vec::new();
    let mut add = |network: &Network, plugin: &str, container: &str| {
        let got = addresses(network, plugin, container);
        let twice = given
            .iter()
            .find(|(_, other)| other.iter().any(|a| got.contains(a)));
        assert_eq!(twice, None, "{container} is given {got:?}");
        given.push((container.to_owned(), got));
    };
    for container in ["c0", "c1", "c2"] {
        add(&network, HOST_LOCAL, container);
    }
    // There: only the type is changed.
    network.call("CHECK", "c0").done();
    for container in ["d0", "d1"] {
        add(&network, BERTH_CNI, container);
    }
    network.call("DEL", "c1").done();
    // And back.
    let back = commands("rm berth.redb");
    let back = back.replace(
        "/var/lib/cni/networks",
        &network.all().display().to_string(),
    );
    follow(&back, network.all());
    for container in ["c0", "c2", "d0", "d1"] {
        network.call_of(HOST_LOCAL, "CHECK", container, &[]).done();
    }
    assert_eq!(
        network.call_of(HOST_LOCAL, "CHECK", "c1", &[]).status,
        Some(1)
    );
    for container in ["e0", "e1"] {
        add(&network, HOST_LOCAL, container);
    }
    network.call_of(HOST_LOCAL, "DEL", "d1", &[]).done();
    let freed = &given.iter().find(|(c, _)| c == "d1").expect("given").1[0];
    let file = network
        .folder()
        .join(freed.split('/').next().expect("an address"));
    assert!(!is_there(&file));
    // Once more there: what it gave before is not believed any more.
    network.call("CHECK", "e1").done();
    assert_eq!(network.call("CHECK", "d1").code(), 3);
}

/// The objects as whereabouts writes them (`toAllocationMap` in its `pkg/storage/kubernetes/ipam.go`): an allocation's key is the distance
/// from the first address of the range; older ones name no interface, and no pod.
fn pools() -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": "whereabouts.cni.cncf.io/v1alpha1", "kind": "IPPool",
            "metadata": {"name": "10.9.0.0-16", "namespace": "kube-system"},
            "spec": {"range": "10.9.0.0/16", "allocations": {
                "1": {"id": "c1", "ifname": "net1", "podref": "shop/web-0"},
                "300": {"id": "c2", "ifname": "net2", "podref": "shop/web-1"},
                "65534": {"id": "c3"},
            }},
        },
        {
            "apiVersion": "whereabouts.cni.cncf.io/v1alpha1", "kind": "IPPool",
            "metadata": {"name": "10.10.0.0-24", "namespace": "kube-system"},
            "spec": {"range": "10.10.0.0/24", "allocations": {"7": {"id": "other", "podref": "shop/other"}}},
        },
    ]})
}

/// Owners in a store, each with its address.
fn held_in(store: &str, folder: &Path) -> BTreeSet<(String, String)> {
    let show = format!("berth ipam --store {store} --json show");
    let shown: Value = serde_json::from_str(&follow(&show, folder)).expect("JSON");
    let claims = shown["claims"].as_array().expect("claims").iter();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    claims
        .map(|c| (text(&c["owner"]), text(&c["addresses"][0]["address"])))
        .collect()
}

pub(crate) fn from_whereabouts_as_the_note_tells() {
    // The store in etcd is another test's: here it is a file that hosts share.
    let mut network = Network::new(
        "whereabouts",
        json!({ "subnet": "10.9.0.0/16", "rangeStart": "10.9.0.1" }),
    );
    let store = format!("redb:{}", network.all().join("shared.redb").display());
    network.config["ipam"]["store"] = store.as_str().into();
    let kubectl = network.all().join("kubectl");
    std::fs::write(
        &kubectl,
        format!("#!/bin/sh\ncat <<'END'\n{}\nEND\n", pools()),
    )
    .expect("a file");
    let folder = network.all().to_owned();
    follow("chmod +x kubectl", &folder);
    let there = commands("kubectl get ippools").replace("etcd:http://10.0.0.1:2379", &store);
    follow(&there, &folder);
    let held = || held_in(&store, &folder);
    let right = [
        ("front/c1/net1", "10.9.0.1"),
        ("front/c2/net2", "10.9.1.44"),
        ("front/c3/net1", "10.9.255.254"),
    ];
    assert_eq!(
        held(),
        right.map(|(o, a)| (o.to_owned(), a.to_owned())).into()
    );
    // Run again, but for the pool, it changes nothing.
    let again: Vec<&str> = there
        .lines()
        .filter(|line| !line.contains("pool add"))
        .collect();
    follow(&again.join("\n"), &folder);
    assert_eq!(held().len(), 3);
    // What is excluded is given to nobody, and survives the first call.
    let exclude = NOTE
        .split('`')
        .find(|code| code.contains("--exclude"))
        .expect("a command");
    let exclude = exclude
        .replace("STORE", &store)
        .replace("10.9.0.0/24", "10.9.0.0/16");
    follow(&exclude, &folder);
    let on = |command: &str, container: &str, interface: &str| {
        network.call_of(BERTH_CNI, command, container, &[("CNI_IFNAME", interface)])
    };
    on("CHECK", "c2", "net2").done();
    let pod = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0";
    let same = [("CNI_IFNAME", "net1"), ("CNI_ARGS", pod)];
    let again = network.call_of(BERTH_CNI, "ADD", "c1", &same);
    assert_eq!(again.address(), "10.9.0.1/16", "asked for again by its pod");
    let new: BTreeSet<String> = (0..90)
        .map(|i| on("ADD", &format!("n{i}"), "net1").address())
        .collect();
    assert_eq!(new.len(), 90);
    let taken = ["10.9.0.1/16", "10.9.1.44/16", "10.9.255.254/16"];
    assert!(
        taken.iter().all(|address| !new.contains(*address)),
        "{new:?}"
    );
    assert!(
        (64..80).all(|n| !new.contains(&format!("10.9.0.{n}/16"))),
        "{new:?}"
    );
    on("DEL", "c3", "net1").done();
    assert_eq!(on("CHECK", "c3", "net1").code(), 3);
}
