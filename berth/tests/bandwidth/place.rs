//! A host with one container's veth, and calls of plugins on it.

use serde_json::{Value, json};
use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) const OURS: &str = env!("CARGO_BIN_EXE_berth-bandwidth");
pub(crate) const THEIRS: &str = "/usr/lib/cni/bandwidth";

pub(crate) fn possible() -> Result<(), String> {
    let name = format!("berth-try-bandwidth-{}", std::process::id());
    let made = Command::new("ip").args(["netns", "add", &name]).output();
    let made = made.map_err(|e| format!("no `ip` (iproute2): {e}"))?;
    if !made.status.success() {
        let said = String::from_utf8_lossy(&made.stderr);
        return Err(format!("network namespaces can't be made: {}", said.trim()));
    }
    run(&["netns", "del", &name]);
    Ok(())
}

pub(crate) fn plugin() -> Result<(), String> {
    let there = std::fs::metadata(THEIRS).map(drop);
    there.map_err(|e| format!("no {THEIRS} (Debian's containernetworking-plugins): {e}"))
}

pub(crate) fn iperf() -> Result<(), String> {
    let run = Command::new("iperf3").arg("--version").output();
    run.map(drop).map_err(|e| format!("no `iperf3`: {e}"))
}

fn run(args: &[&str]) -> String {
    let output = Command::new("ip").args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {args:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) struct Place {
    pub(crate) host: String,
    pub(crate) pod: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let host = format!(
            "bwh{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let pod = format!("{host}-pod");
        run(&["netns", "add", &host]);
        run(&["netns", "add", &pod]);
        let place = Self { host, pod };
        place.ip(&format!(
            "link add v1 type veth peer name eth0 netns {}",
            place.pod
        ));
        place.ip("addr add 10.88.0.1/24 dev v1");
        place.ip("addr add 10.99.0.1/24 dev v1");
        place.ip("link set v1 up");
        place.inside("addr add 10.88.0.2/24 dev eth0");
        place.inside("link set eth0 up");
        place.inside("route add default via 10.88.0.1");
        place
    }

    pub(crate) fn ip(&self, words: &str) -> String {
        run(&["-n", &self.host]
            .into_iter()
            .chain(words.split_whitespace())
            .collect::<Vec<_>>())
    }

    pub(crate) fn inside(&self, words: &str) -> String {
        run(&["-n", &self.pod]
            .into_iter()
            .chain(words.split_whitespace())
            .collect::<Vec<_>>())
    }

    pub(crate) fn tc(&self, words: &str) -> String {
        let args = ["-n", &*self.host]
            .into_iter()
            .chain(words.split_whitespace());
        let output = Command::new("tc").args(args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tc {words}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Everything that shaping could leave behind, without counters.
    pub(crate) fn all(&self) -> String {
        let filters = self.tc("filter show dev v1 ingress") + &self.tc("filter show dev v1");
        let all = self.tc("qdisc show") + &filters + &self.ip("-o link");
        let mut words: Vec<&str> = all.split(' ').collect();
        while let Some(at) = words.iter().position(|w| *w == "direct_packets_stat") {
            words.drain(at..at + 2);
        }
        words.join(" ")
    }

    pub(crate) fn config(&self, bandwidth: &Value) -> Value {
        json!({
            "cniVersion": "1.0.0", "name": "net", "type": "bandwidth", "capabilities": {"bandwidth": true},
            "runtimeConfig": {"bandwidth": bandwidth},
            "prevResult": {
                "cniVersion": "1.0.0",
                "interfaces": [
                    {"name": "v1", "mac": "02:00:00:00:00:01"},
                    {"name": "eth0", "mac": "02:00:00:00:00:02", "sandbox": format!("/var/run/netns/{}", self.pod)},
                ],
                "ips": [{"address": "10.88.0.2/24", "gateway": "10.88.0.1", "interface": 1}],
                "dns": {},
            },
        })
    }

    pub(crate) fn call(&self, plugin: &str, command: &str, config: &Value) -> Output {
        let mut child = Command::new("ip");
        child.args(["netns", "exec", &self.host, plugin]);
        child.envs([
            ("CNI_COMMAND", command),
            ("CNI_CONTAINERID", "c1"),
            ("CNI_IFNAME", "eth0"),
            ("CNI_PATH", "/usr/lib/cni"),
        ]);
        child.env("CNI_NETNS", format!("/var/run/netns/{}", self.pod));
        let child = child
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(config.to_string().as_bytes())
            .unwrap();
        child.wait_with_output().unwrap()
    }

    /// The answer of a call that must succeed.
    pub(crate) fn done(&self, command: &str, config: &Value) -> Value {
        let output = self.call(OURS, command, config);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{command}: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for name in [&self.pod, &self.host] {
            let _ = Command::new("ip").args(["netns", "del", name]).output();
        }
    }
}
