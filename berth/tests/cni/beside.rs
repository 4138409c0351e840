//! Debian's host-local beside `berth-cni`: the same calls, and its store taken over.

use crate::calls::{BERTH_CNI, Network};
use ipam::rng::{Xoshiro256PlusPlus, stream};
use rand::RngExt as _;
use serde_json::{Value, json};
use test_support::cni::Answer;

pub(crate) const HOST_LOCAL: &str = "/usr/lib/cni/host-local";

pub(crate) fn installed() -> Result<(), String> {
    match std::path::Path::new(HOST_LOCAL).exists() {
        true => Ok(()),
        false => Err(format!(
            "no {HOST_LOCAL}: apt-get install containernetworking-plugins"
        )),
    }
}

/// Status and result, as far as both versions have it: Debian's is older, and writes an empty `dns`.
pub(crate) fn comparable(answer: &Answer) -> (Option<i32>, Vec<Value>) {
    let one = |document: &Value| match document.get("code") {
        Some(_) => document["msg"].clone(),
        None => {
            let mut document = document.clone();
            let empty = document.get("dns") == Some(&json!({}));
            if let (true, Some(map)) = (empty, document.as_object_mut()) {
                map.remove("dns");
            }
            document
        }
    };
    (answer.status, answer.documents.iter().map(one).collect())
}

fn sections() -> Vec<Value> {
    vec![
        json!({ "subnet": "10.9.0.0/29" }),
        json!({ "subnet": "10.9.0.0/28", "rangeStart": "10.9.0.4", "rangeEnd": "10.9.0.9", "gateway": "10.9.0.6" }),
        json!({ "ranges": [[{ "subnet": "10.9.1.0/29" }], [{ "subnet": "2001:db8:9::/124" }]], "routes": [{ "dst": "0.0.0.0/0" }] }),
        json!({ "ranges": [[{ "subnet": "10.9.2.0/30" }, { "subnet": "10.9.3.0/29" }, { "subnet": "10.9.4.0/30" }]] }),
        json!({ "ranges": [[{ "subnet": "10.9.5.0/28", "rangeEnd": "10.9.5.4" }], [{ "subnet": "10.9.5.0/28", "rangeStart": "10.9.5.8" }]] }),
    ]
}

/// Random ADDs (some of an address), CHECKs and DELs, the same to both, each with a store of its own.
pub(crate) fn the_same_calls_have_the_same_answers() {
    for (i, section) in sections().into_iter().enumerate() {
        let ours = Network::new(&format!("beside-{i}"), section.clone());
        let theirs = Network::new(&format!("beside-{i}-host-local"), section);
        let mut both = Both {
            networks: [with_version(ours), with_version(theirs)],
            held: Vec::new(),
            rng: stream(i as u64, "beside host-local"),
        };
        for step in 0..60 {
            both.step(i, step);
        }
    }
}

/// Debian's host-local knows 1.0.0 at most.
fn with_version(mut network: Network) -> Network {
    network.config["cniVersion"] = "1.0.0".into();
    network
}

struct Both {
    networks: [Network; 2],
    held: Vec<String>,
    rng: Xoshiro256PlusPlus,
}

impl Both {
    fn step(&mut self, section: usize, step: usize) {
        let (mut command, container) = ("ADD", format!("c{step}"));
        let mut args = String::new();
        let container = match self.rng.random_range(0..10) {
            0..=2 if !self.held.is_empty() => {
                command = "DEL";
                let at = self.rng.random_range(0..self.held.len());
                self.held.swap_remove(at)
            }
            3 => {
                command = "CHECK";
                self.held.last().cloned().unwrap_or(container)
            }
            4 => {
                args = format!("IP=10.9.{section}.{}", self.rng.random_range(0..10));
                container
            }
            _ => container,
        };
        let more = [("CNI_ARGS", &*args)];
        let [ours, theirs] = [(BERTH_CNI, 0), (HOST_LOCAL, 1)]
            .map(|(plugin, i)| self.networks[i].call_of(plugin, command, &container, &more));
        // What failed has moved host-local's order on; here it has changed nothing. An address is asked for by
        // itself, so that both go on from the same one.
        if command == "CHECK" && ours.status == Some(1) {
            assert_eq!(theirs.status, Some(1), "{theirs:?}");
            return;
        }
        let (a, b) = (comparable(&ours), comparable(&theirs));
        if args.is_empty() || b.0 == Some(0) {
            assert_eq!(
                a, b,
                "section {section}, step {step}: {command} {container} {args}"
            );
        } else {
            assert_eq!(
                a.0,
                Some(1),
                "section {section}, step {step}: {args}: {ours:?}"
            );
            self.level(section);
        }
        if command == "ADD" && b.0 == Some(0) {
            self.held.push(container);
        }
    }

    /// After a failed call the file of host-local's order may be ahead: set back to where ours is.
    fn level(&self, _section: usize) {
        let [ours, theirs] = &self.networks;
        let probe = ours.call("ADD", "probe");
        let addresses = match probe.status {
            Some(0) => probe.addresses(),
            _ => return,
        };
        ours.call("DEL", "probe").done();
        for (set, address) in addresses.iter().enumerate() {
            let address = address.split('/').next().unwrap_or_default();
            let _ = std::fs::write(
                theirs.folder().join(format!("last_reserved_ip.{set}")),
                address,
            );
        }
    }
}

pub(crate) fn what_host_local_gave_is_taken_over() {
    let ipam =
        json!({ "ranges": [[{ "subnet": "10.9.0.0/28" }], [{ "subnet": "2001:db8:9::/64" }]] });
    let network = with_version(Network::new("taken-over", ipam));
    let given: Vec<Vec<String>> = (0..5)
        .map(|i| {
            network
                .call_of(HOST_LOCAL, "ADD", &format!("c{i}"), &[])
                .addresses()
        })
        .collect();
    for gone in ["c4", "c1"] {
        network.call_of(HOST_LOCAL, "DEL", gone, &[]).done();
    }
    // The first call may be any: here it frees what host-local gave.
    network.call("DEL", "c0").done();
    // It goes on after the last that host-local gave, though that one is free again.
    let next = network.call("ADD", "d0").addresses();
    assert_eq!(next, ["10.9.0.7/28", "2001:db8:9::7/64"]);
    for kept in ["c2", "c3"] {
        network.call("CHECK", kept).done();
        let number: usize = kept[1..].parse().expect("a number");
        assert_eq!(network.call("ADD", kept).addresses(), given[number]);
    }
    for free in ["c0", "c1", "c4"] {
        assert_eq!(network.call("CHECK", free).code(), 3);
    }
    // All that is left of the 13 is given once.
    let mut all: Vec<String> = (0..10).map(|i| network.add(&format!("e{i}"))).collect();
    all.extend([given[2][0].clone(), given[3][0].clone(), next[0].clone()]);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 13, "{all:?}");
    assert_eq!(network.call("ADD", "f").code(), 11);
}
