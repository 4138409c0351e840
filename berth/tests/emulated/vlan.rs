//! Debian's `bridge` plugin with a VLAN id, and `berth-cni` as its IPAM: two hosts whose tagged uplinks meet in a switch that
//! forwards tagged frames alone, and two networks of one subnet in two VLANs.

use serde_json::json;
use std::path::Path;
use test_support::cni::{Answer, call};
use test_support::netns::{Lab, settles};

const BERTH_CNI: &str = env!("CARGO_BIN_EXE_berth-cni");

pub(crate) const PLUGIN: &str = "/usr/lib/cni/bridge";

pub(crate) fn plugin_installed() -> Result<(), String> {
    match Path::new(PLUGIN).exists() {
        true => Ok(()),
        false => Err("no bridge plugin: apt-get install containernetworking-plugins".into()),
    }
}

const VLANS: [u16; 2] = [10, 20];

/// The switch and the hosts, each with a bridge that filters VLANs and has none by default.
struct Fabric(Lab);

impl Fabric {
    fn new(name: &str) -> Self {
        let lab = Lab::new(name, &["switch", "h1", "h2"]);
        for of in ["switch", "h1", "h2"] {
            lab.ip(
                of,
                "link add name br0 type bridge vlan_filtering 1 vlan_default_pvid 0",
            );
            lab.ip(of, "link set dev br0 up");
        }
        let fabric = Self(lab);
        for host in ["h1", "h2"] {
            let port = format!("to-{host}");
            fabric.0.link([("switch", &port, ""), (host, "up0", "")]);
            fabric.trunk("switch", &port);
            fabric.trunk(host, "up0");
        }
        fabric
    }

    /// A port of both VLANs, tagged: what has no tag goes nowhere.
    fn trunk(&self, of: &str, port: &str) {
        self.0.ip(of, &format!("link set dev {port} master br0"));
        for vlan in VLANS {
            let vlan = vlan.to_string();
            let arguments = ["vlan", "add", "dev", port, "vid", &vlan];
            let output = self.0.fed(of, "bridge", &arguments, "");
            assert!(output.status.success(), "{output:?}");
        }
    }

    /// A call of the plugin on a host, for the network of a VLAN: each has a pool of its own, of the same subnet.
    fn call(&self, vlan: u16, host: &str, command: &str, pod: &str) -> Answer {
        let store = self.0.folder().join(format!("vlan-{vlan}.redb"));
        let config = json!({
            "cniVersion": "1.0.0", "name": format!("front-{vlan}"), "type": "bridge", "bridge": "br0", "vlan": vlan,
            "ipam": {
                "type": "berth-cni", "subnet": "10.77.0.0/24", "store": format!("redb:{}", store.display()),
                "retention": { "sticky": "1h" },
            },
        });
        let netns = format!("/run/netns/{}", self.0.namespace(pod));
        let folder = Path::new(BERTH_CNI).parent().expect("a folder");
        let path = folder.to_str().expect("UTF-8");
        let workload = pod.split('.').next().unwrap_or(pod);
        let arguments = format!("IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME={workload}");
        let variables = [
            ("CNI_COMMAND", command),
            ("CNI_CONTAINERID", pod),
            ("CNI_NETNS", &*netns),
            ("CNI_IFNAME", "eth0"),
            ("CNI_PATH", path),
            ("CNI_ARGS", &*arguments),
            ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        ];
        // The plugin is started in the host's namespace, as a runtime there would.
        let on_host = self.0.folder().join(format!("on-{host}"));
        if !on_host.exists() {
            let text = format!(
                "#!/bin/sh\nexec nsenter --net=/run/netns/{} {PLUGIN}\n",
                self.0.namespace(host)
            );
            std::fs::write(&on_host, text).expect("a script");
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(&on_host, mode).expect("a mode");
        }
        call(
            on_host.to_str().expect("UTF-8"),
            &variables,
            &config.to_string(),
        )
    }

    /// A pod in a VLAN; its address.
    fn pod(&self, vlan: u16, host: &str, pod: &str) -> String {
        self.0.add(pod);
        let address = self.call(vlan, host, "ADD", pod).address();
        address.split('/').next().unwrap_or_default().to_owned()
    }

    fn answered(&self, from: &str, address: &str) -> bool {
        self.0.answered(from, address, 3) > 0
    }
}

/// Two pods of a VLAN on two hosts reach each other; a pod of the other VLAN has the very same address and is never reached.
pub(crate) fn vlans_with_one_subnet_are_kept_apart() {
    let fabric = Fabric::new("vlan");
    let [ten, twenty] = VLANS;
    let (a, b) = (fabric.pod(ten, "h1", "a10"), fabric.pod(ten, "h2", "b10"));
    let same = [
        fabric.pod(twenty, "h1", "a20"),
        fabric.pod(twenty, "h2", "b20"),
    ];
    assert_eq!(same, [a.clone(), b.clone()], "one subnet, two pools");
    assert!(fabric.0.reaches("a10", &b) && fabric.0.reaches("b10", &a));
    assert!(fabric.0.reaches("a20", &b) && fabric.0.reaches("b20", &a));

    // An address that only the other VLAN has.
    let lone = fabric.pod(twenty, "h2", "c20");
    assert!(fabric.0.reaches("a20", &lone));
    assert!(!fabric.answered("a10", &lone), "across VLANs");
    assert!(!fabric.answered("b10", &lone), "across VLANs, on one host");

    // With b10 gone nobody answers for it, though b20 has its address.
    fabric.0.remove("b10");
    fabric.call(ten, "h2", "DEL", "b10").done();
    // The kernel takes a namespace apart in its own time.
    let gone = || !fabric.answered("a10", &b);
    assert!(settles(gone), "the other VLAN's pod answered");
    assert!(fabric.answered("a20", &b));
}

/// A pod that comes again on the other host has its address there, in its own VLAN.
pub(crate) fn an_address_follows_its_workload_within_its_vlan() {
    let fabric = Fabric::new("follow");
    let [ten, twenty] = VLANS;
    let (a, b) = (fabric.pod(ten, "h1", "a10.1"), fabric.pod(ten, "h2", "b10"));
    assert_eq!(fabric.pod(twenty, "h1", "a20"), a);
    assert!(fabric.0.reaches("b10", &a));
    fabric.0.remove("a10.1");
    fabric.call(ten, "h1", "DEL", "a10.1").done();
    assert_eq!(fabric.pod(ten, "h2", "a10.2"), a, "it follows");
    assert!(fabric.0.reaches("b10", &a) && fabric.0.reaches("a10.2", &b));
}
