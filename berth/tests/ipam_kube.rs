//! `berth ipam kube` as a process, against a double of the API server on loopback.

use kube_double::{Double, Fault};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use test_support::etcd::temporary_folder;
use test_support::running::{Running, http, until};

const LEASE: &str = "ipam.berth.dev/lease";

/// A store, and a cluster that is a double.
struct World {
    folder: PathBuf,
    store: String,
    double: Double,
}

impl World {
    fn new() -> Self {
        let folder = temporary_folder();
        let store = format!("redb:{}", folder.join("addresses.redb").display());
        let double = Double::new();
        let config = double.on_loopback();
        std::fs::write(folder.join("kubeconfig"), config.to_string()).unwrap();
        let world = Self {
            folder,
            store,
            double,
        };
        let added = world
            .berth(&["pool", "add", "p", "10.9.0.0/24", "--quarantine", "0s"])
            .output();
        assert!(added.unwrap().status.success());
        world
    }

    fn berth(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
        command
            .args(["ipam", "--store", &self.store, "--json"])
            .args(args);
        command.stdin(Stdio::null());
        command
    }

    fn show(&self) -> Value {
        let shown = self.berth(&["show"]).output().unwrap();
        serde_json::from_slice(&shown.stdout).unwrap()
    }

    fn start(&self, args: &[&str]) -> Running {
        let config = self.folder.join("kubeconfig");
        let common = [
            "kube",
            "--kubeconfig",
            config.to_str().unwrap(),
            "--metrics",
            "127.0.0.1:0",
        ];
        Running::start(&mut self.berth(&[&common, args].concat()))
    }

    /// Waits until a pod was told its address.
    fn address(&self, pod: &str) -> String {
        let mut address = None;
        until(&format!("{pod} is told its address"), || {
            let object = self.double.get("pods", "shop", pod).unwrap();
            let lease = object["metadata"]["annotations"][LEASE].as_str();
            let lease = lease.map(|lease| serde_json::from_str::<Value>(lease).unwrap());
            address = lease.and_then(|l| Some(l["addresses"][0]["address"].as_str()?.to_owned()));
            address.is_some()
        });
        address.unwrap()
    }

    fn stateful_set_pod(&self, ordinal: u32) {
        let set = self.double.get("statefulsets", "shop", "web").unwrap();
        self.double.apply("pods", json!({
            "metadata": {"namespace": "shop", "name": format!("web-{ordinal}"), "ownerReferences": [{
                "kind": "StatefulSet", "name": "web", "uid": set["metadata"]["uid"], "controller": true,
            }]},
            "spec": {"nodeName": "h1"},
        }));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Ends it in order; its answer.
fn end(service: Running) -> Value {
    let output = service.end("TERM");
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn controller_serves_a_cluster_and_gives_the_lease_up_at_the_end() {
    let world = World::new();
    world.double.apply("statefulsets", json!({"metadata": {
        "namespace": "shop", "name": "web", "annotations": {"ipam.berth.dev/retention": "fixed"},
    }}));
    world.stateful_set_pod(0);
    let mut first = world.start(&["--collect", "100ms"]);
    let metrics = first.metrics();
    first.hear("leads");
    let address = world.address("web-0");
    assert!(
        address.starts_with("10.9.0.") && address.ends_with("/24"),
        "{address}"
    );
    let shown = world.show();
    assert!(
        shown["claims"][0]["owner"]
            .as_str()
            .unwrap()
            .starts_with("kube/shop/web-0/"),
        "{shown}"
    );
    world.double.put_raw(
        "pods",
        "shop",
        "odd",
        json!({"metadata": {"namespace": "shop", "name": "odd", "uid": 7}}),
    );
    first.hear("passed over: Pod shop/odd: metadata.uid: want a name, got 7");
    let text = http(&metrics, "GET", "/metrics");
    for line in [
        "berth_ipam_kube_leads 1",
        "berth_ipam_kube_effects_total{name=\"claim\"} 1",
        "berth_ipam_kube_malformed_total 1",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let answer = end(first);
    assert_eq!(
        (&answer["cluster"], &answer["claims"]),
        (&json!("kube"), &json!(1))
    );
    let lease = world
        .double
        .get("leases", "kube-system", "berth-ipam")
        .unwrap();
    assert_eq!(lease["spec"]["holderIdentity"], "");
    // The next one need not wait, and knows what the first one left.
    let mut second = world.start(&[]);
    second.hear("leads");
    world.double.delete("pods", "shop", "web-0");
    world.stateful_set_pod(0);
    assert_eq!(world.address("web-0"), address);
    end(second);
}

#[test]
fn mistakes_are_told() {
    let world = World::new();
    let run = |args: &[&str]| {
        let output = world.berth(args).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let (status, said) = run(&["kube", "--kubeconfig", "/nowhere"]);
    assert_eq!(status, Some(3), "{said}");
    assert!(said.contains("/nowhere"), "{said}");
    let (status, said) = run(&["kube", "--cluster", "a/b"]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("cannot name a cluster"), "{said}");
    let (status, _) = run(&["kube", "--lease", "berth"]);
    assert_eq!(status, Some(2));
}

#[test]
fn server_that_refuses_is_told_of() {
    let world = World::new();
    for plural in ["pods", "statefulsets", "deployments", "replicasets"] {
        world
            .double
            .fault(Fault::on("list", plural).times(usize::MAX).status(403));
    }
    let mut service = world.start(&[]);
    service.hear("watch: ");
    let heard = service.heard().join("\n");
    assert!(
        heard.contains("Forbidden") || heard.contains("403"),
        "{heard}"
    );
    end(service);
}
