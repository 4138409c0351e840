//! Real network plugins above `berth-cni`, in network namespaces: two emulated hosts share one container subnet.
//!
//! A host is a namespace with a bridge of its own; its uplink joins the bridge of a third namespace, the fabric. Debian's `bridge`
//! and `ptp` run in the host's namespace and call `berth-cni`, as a runtime on that host would. Both hosts have one store.

use crate::calls::BERTH_CNI;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use test_support::cni::{Answer, call};

const PLUGINS: &str = "/usr/lib/cni";

/// What these tests need: root, iproute2, nsenter, ping, and Debian's plugins.
pub(crate) fn possible() -> Result<(), String> {
    let probe = format!("berth-probe-{}", std::process::id());
    let there = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output();
        output.map(drop).map_err(|e| format!("no {program} ({e})"))
    };
    there("ping", "-V").map_err(|e| format!("{e}: apt-get install iputils-ping"))?;
    there("nsenter", "--version")?;
    if !Path::new(PLUGINS).join("bridge").exists() {
        return Err("no bridge plugin: apt-get install containernetworking-plugins".into());
    }
    let made = Command::new("ip").args(["netns", "add", &probe]).output();
    let made = made.map_err(|e| format!("no ip ({e}): apt-get install iproute2"))?;
    let _ = Command::new("ip").args(["netns", "del", &probe]).output();
    match made.status.success() {
        true => Ok(()),
        false => Err(format!(
            "no namespace can be made: {}",
            String::from_utf8_lossy(&made.stderr)
        )),
    }
}

/// `ip` with these arguments.
fn ip(arguments: &str) {
    let output = Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .expect("ip");
    assert!(output.status.success(), "ip {arguments}: {output:?}");
}

/// Two hosts and a fabric, which go when this does.
struct Fabric {
    name: String,
    folder: PathBuf,
    section: Value,
}

impl Fabric {
    /// With this `ipam` section, `type` and `store` aside.
    fn new(name: &str, mut section: Value) -> Self {
        let name = format!("{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(format!("berth-cni-{name}"));
        let plugins = folder.join("bin");
        std::fs::create_dir_all(&plugins).expect("a folder");
        std::os::unix::fs::symlink(BERTH_CNI, plugins.join("berth-cni")).expect("a link");
        section["type"] = "berth-cni".into();
        section["store"] = format!("redb:{}/store.redb", folder.display()).into();
        let fabric = Self {
            name,
            folder,
            section,
        };
        fabric.make();
        fabric
    }

    fn make(&self) {
        let middle = self.namespace("fabric");
        ip(&format!("netns add {middle}"));
        ip(&format!("-n {middle} link add br0 type bridge"));
        ip(&format!("-n {middle} link set br0 up"));
        for host in ["h1", "h2"] {
            let own = self.namespace(host);
            ip(&format!("netns add {own}"));
            ip(&format!(
                "-n {middle} link add to-{host} type veth peer name up0 netns {own}"
            ));
            ip(&format!("-n {middle} link set to-{host} master br0 up"));
            ip(&format!("-n {own} link set lo up"));
            ip(&format!("-n {own} link add br0 type bridge"));
            ip(&format!("-n {own} link set br0 up"));
            ip(&format!("-n {own} link set up0 master br0 up"));
        }
    }

    fn namespace(&self, of: &str) -> String {
        format!("{}-{of}", self.name)
    }

    /// A pod's namespace, which goes with the pod.
    fn pod(&self, container: &str) -> Pod {
        let name = self.namespace(container);
        ip(&format!("netns add {name}"));
        Pod(name)
    }

    /// A call of a plugin on a host.
    fn call(&self, plugin: &str, host: &str, command: &str, container: &str) -> Answer {
        let config = json!({
            "cniVersion": "1.0.0", "name": "front", "type": plugin, "bridge": "br0", "ipam": self.section,
        });
        let pod = format!("/run/netns/{}", self.namespace(container));
        let path = format!("{PLUGINS}:{}/bin", self.folder.display());
        let args = format!(
            "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME={}",
            workload(container)
        );
        let variables = [
            ("CNI_COMMAND", command),
            ("CNI_CONTAINERID", container),
            ("CNI_NETNS", &*pod),
            ("CNI_IFNAME", "eth0"),
            ("CNI_PATH", &*path),
            ("CNI_ARGS", &*args),
            ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        ];
        let on_host = self.folder.join(format!("on-{host}-{plugin}"));
        if !on_host.exists() {
            let text = format!(
                "#!/bin/sh\nexec nsenter --net=/run/netns/{} {PLUGINS}/{plugin}\n",
                self.namespace(host)
            );
            // Whoever else makes it writes the same; it has its name once it is whole.
            let draft = self
                .folder
                .join(format!("draft-{container}-{host}-{plugin}"));
            std::fs::write(&draft, text).expect("a script");
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(&draft, mode).expect("a mode");
            std::fs::rename(&draft, &on_host).expect("a name");
        }
        call(
            on_host.to_str().expect("UTF-8"),
            &variables,
            &config.to_string(),
        )
    }

    /// An address by ADD, without the length of its prefix.
    fn add(&self, plugin: &str, host: &str, container: &str) -> String {
        let address = self.call(plugin, host, "ADD", container).address();
        address.split('/').next().unwrap_or_default().to_owned()
    }

    /// How many addresses are held.
    fn held(&self) -> usize {
        let store = format!("redb:{}/store.redb", self.folder.display());
        let output = Command::new(env!("CARGO_BIN_EXE_berth"))
            .args(["ipam", "--store", &store, "--json", "show"])
            .output()
            .expect("berth");
        let shown: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        shown["claims"].as_array().expect("claims").len()
    }
}

impl Drop for Fabric {
    fn drop(&mut self) {
        for of in ["fabric", "h1", "h2"] {
            let _ = Command::new("ip")
                .args(["netns", "del", &self.namespace(of)])
                .output();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A pod's workload: its container's name up to the first dot.
fn workload(container: &str) -> &str {
    container.split('.').next().unwrap_or(container)
}

struct Pod(String);

impl Pod {
    fn reaches(&self, address: &str) -> bool {
        let ping = [
            "netns", "exec", &self.0, "ping", "-q", "-c", "1", "-w", "10", address,
        ];
        Command::new("ip")
            .args(ping)
            .output()
            .expect("ping")
            .status
            .success()
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).output();
    }
}

/// Pods of two hosts reach each other; an address follows its workload to the other host; a DEL comes after its namespace is gone.
pub(crate) fn pods_of_two_hosts_share_a_subnet() {
    let fabric = Fabric::new(
        "share",
        json!({ "subnet": "10.77.0.0/24", "retention": { "sticky": "1h" } }),
    );
    let (a, b) = (fabric.pod("a.1"), fabric.pod("b.1"));
    let (on_first, on_second) = (
        fabric.add("bridge", "h1", "a.1"),
        fabric.add("bridge", "h2", "b.1"),
    );
    assert_ne!(on_first, on_second);
    assert!(
        a.reaches(&on_second) && b.reaches(&on_first),
        "across hosts"
    );
    // The namespace of `a` goes first, then its DEL comes; `a` begins again on the other host.
    drop(a);
    fabric.call("bridge", "h1", "DEL", "a.1").done();
    let again = fabric.pod("a.2");
    assert_eq!(fabric.add("bridge", "h2", "a.2"), on_first, "it follows");
    assert!(
        b.reaches(&on_first) && again.reaches(&on_second),
        "on the new host"
    );
    for container in ["a.2", "b.1"] {
        fabric.call("bridge", "h2", "DEL", container).done();
    }
    assert_eq!(fabric.held(), 0);
}

/// `ptp` gives each pod a link of its own; the pod reaches the host, and by the host another pod.
pub(crate) fn pods_with_links_of_their_own_reach_the_host() {
    let section = json!({ "subnet": "10.78.0.0/24", "routes": [{ "dst": "0.0.0.0/0" }] });
    let fabric = Fabric::new("ptp", section);
    let (a, _b) = (fabric.pod("a"), fabric.pod("b"));
    let _ = fabric.add("ptp", "h1", "a");
    let other = fabric.add("ptp", "h1", "b");
    assert!(a.reaches("10.78.0.1"), "its gateway");
    assert!(a.reaches(&other), "the other pod");
    for container in ["a", "b"] {
        fabric.call("ptp", "h1", "DEL", container).done();
    }
    assert_eq!(fabric.held(), 0);
}

/// Pods at a time, and all of them: as many as the range has addresses.
const AT_ONCE: usize = 16;
const PODS: usize = 200;

pub(crate) fn two_hundred_pods_come_and_go_in_parallel() {
    let section = json!({ "subnet": "10.79.0.0/24", "rangeEnd": "10.79.0.201" });
    let fabric = Fabric::new("many", section);
    let host = |i: usize| if i.is_multiple_of(2) { "h1" } else { "h2" };
    let pods = in_parallel(|i| {
        let container = format!("c{i}");
        let pod = fabric.pod(&container);
        (fabric.add("bridge", host(i), &container), pod)
    });
    let apart: BTreeSet<&String> = pods.iter().map(|(address, _)| address).collect();
    assert_eq!((apart.len(), fabric.held()), (PODS, PODS));
    // One of each host, and the first and the last that came.
    assert!(pods[0].1.reaches(&pods[1].0) && pods[PODS - 1].1.reaches(&pods[0].0));
    let more = fabric.pod("more");
    assert_eq!(fabric.call("bridge", "h1", "ADD", "more").code(), 11);
    drop(more);
    // Every other one's namespace is gone before its DEL.
    let mut pods: Vec<Option<Pod>> = pods.into_iter().map(|(_, pod)| Some(pod)).collect();
    pods.iter_mut().step_by(3).for_each(|pod| drop(pod.take()));
    in_parallel(|i| {
        fabric
            .call("bridge", host(i), "DEL", &format!("c{i}"))
            .done();
    });
    assert_eq!(fabric.held(), 0);
}

/// Does something for each pod, some at a time; what came of it, in order.
fn in_parallel<T: Send>(work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let mut all: Vec<(usize, T)> = std::thread::scope(|scope| {
        let one = || {
            let mut done = Vec::new();
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= PODS {
                    return done;
                }
                done.push((i, work(i)));
            }
        };
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(one)).collect();
        threads
            .into_iter()
            .flat_map(|t| t.join().expect("a thread"))
            .collect()
    });
    all.sort_by_key(|(i, _)| *i);
    all.into_iter().map(|(_, done)| done).collect()
}
