//! Packets on the uplink come into the classes of the containers whose addresses they have.

use crate::place::{Place, ip};
use serde_json::Value;
use std::fmt::Write as _;
use std::process::Command;

/// An emulated host whose uplink leads to a peer with 10.99.0.1 and fd99::1, which routes everything back.
pub(crate) struct Wire {
    pub(crate) place: Place,
    pub(crate) peer: String,
}

impl Wire {
    pub(crate) fn new() -> Self {
        let place = Place::new();
        let peer = format!("{}-peer", place.host);
        ip(&["netns", "add", &peer]);
        place.ip(&format!("link set up1 netns {peer}"));
        for words in [
            "addr add 10.99.0.2/24 dev up0",
            "addr add fd99::2/64 dev up0 nodad",
            "link set up0 up",
            "link set lo up",
        ] {
            place.ip(words);
        }
        let wire = Self { place, peer };
        for words in [
            "addr add 10.99.0.1/24 dev up1",
            "addr add fd99::1/64 dev up1 nodad",
            "link set up1 up",
            "route add 10.1.0.0/16 via 10.99.0.2",
            "route add fd00::/16 via fd99::2",
        ] {
            wire.at_peer(words);
        }
        for id in ["web", "db"] {
            wire.place
                .ip(&format!("link add v-{id} type veth peer name e-{id}"));
        }
        wire
    }

    fn at_peer(&self, words: &str) {
        let args = ["-n", &*self.peer]
            .into_iter()
            .chain(words.split_whitespace());
        ip(&args.collect::<Vec<_>>());
    }

    /// A policy of containers, each with some addresses, which the host has itself so that it can send from them.
    fn policy(&self, containers: &[(&str, &[&str])]) -> String {
        let path = self.place.policy("");
        let mut text = std::fs::read_to_string(&path).unwrap();
        for (id, addresses) in containers {
            let list: Vec<String> = addresses.iter().map(|a| format!("{a:?}")).collect();
            let _ = write!(
                text,
                "[[container]]\nid = {id:?}\nveth = \"v-{id}\"\naddresses = [{}]\n\
                 ingress = {{ guarantee = \"2mbit\", ceiling = \"50mbit\" }}\negress = {{ guarantee = \"3mbit\", ceiling = \"50mbit\" }}\n",
                list.join(", ")
            );
        }
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn has(&self, address: &str) {
        let length = if address.contains(':') { 128 } else { 32 };
        let nodad = if address.contains(':') { "nodad" } else { "" };
        self.place
            .ip(&format!("addr add {address}/{length} dev lo {nodad}"));
    }

    /// Five packets from an address to the peer, and their answers.
    fn ping(&self, from: &str) {
        let to = if from.contains(':') {
            "fd99::1"
        } else {
            "10.99.0.1"
        };
        let run = Command::new("ip")
            .args([
                "netns",
                "exec",
                &self.place.host,
                "ping",
                "-q",
                "-c",
                "5",
                "-i",
                "0.01",
                "-W",
                "2",
                "-I",
                from,
                to,
            ])
            .output();
        let run = run.unwrap();
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(
            said.contains("5 received"),
            "{from}: {said}{}",
            String::from_utf8_lossy(&run.stderr)
        );
    }

    /// Packets that each class of a device has sent, by minor number.
    fn sent(&self, ingress: bool) -> std::collections::BTreeMap<String, u64> {
        let shown = self.place.answer(&["show", "--netns", "host"]);
        let devices = shown["devices"].as_array().unwrap().iter();
        // The uplink's ifb has the class of the host's own traffic too.
        let has = |d: &&Value, id: &str| {
            d["classes"]
                .as_array()
                .unwrap()
                .iter()
                .any(|c| c["classid"] == id)
        };
        let mut found = devices.filter(|d| has(d, "be:2") && (d["dev"] == "up0") != ingress);
        let classes = found.next().expect("an uplink's tree")["classes"].clone();
        let of = |c: &Value| {
            (
                c["classid"].as_str().unwrap().to_owned(),
                c["sent_packets"].as_u64().unwrap(),
            )
        };
        classes.as_array().unwrap().iter().map(of).collect()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let _ = Command::new("ip")
            .args(["netns", "del", &self.peer])
            .output();
    }
}

const WEB: (&str, &[&str]) = ("web", &["10.1.2.3", "fd00::3"]);
const DB: (&str, &[&str]) = ("db", &["10.1.7.3", "10.1.2.4", "fd00:1::3"]);

pub(crate) fn packets_come_into_the_class_of_their_address_both_ways() {
    let wire = Wire::new();
    let policy = wire.policy(&[WEB, DB]);
    let done = wire.place.answer(&["apply", "--desired", &policy]);
    let class = |id: &str| format!("be:{:x}", done["classes"][id].as_u64().unwrap());
    for address in WEB.1.iter().chain(DB.1) {
        wire.has(address);
    }
    wire.has("10.1.9.3");
    for (address, id) in [
        ("10.1.2.3", "web"),
        ("fd00::3", "web"),
        ("10.1.7.3", "db"),
        ("10.1.2.4", "db"),
        ("fd00:1::3", "db"),
    ] {
        let before = [false, true].map(|ingress| wire.sent(ingress)[&class(id)]);
        wire.ping(address);
        let after = [false, true].map(|ingress| wire.sent(ingress)[&class(id)]);
        let more = [after[0] - before[0], after[1] - before[1]];
        assert_eq!(more, [5, 5], "{address} to {id}: egress, ingress");
    }
    // An address of nobody's is the host's own, both ways.
    let before = [false, true].map(|ingress| wire.sent(ingress));
    wire.ping("10.1.9.3");
    for (before, ingress) in before.into_iter().zip([false, true]) {
        let after = wire.sent(ingress);
        assert!(after["be:2"] >= before["be:2"] + 5, "{ingress}");
        for id in ["web", "db"] {
            assert_eq!(after[&class(id)], before[&class(id)], "{id} {ingress}");
        }
    }
    let again = wire.place.answer(&["apply", "--desired", &policy]);
    assert_eq!(again["ops"].as_array().unwrap().len(), 0, "{again}");
}

pub(crate) fn an_address_that_moves_changes_one_filter_each_way() {
    let wire = Wire::new();
    wire.place
        .answer(&["apply", "--desired", &wire.policy(&[WEB, DB])]);
    // 10.1.2.4 moves to web, 10.1.7.3 goes, 10.1.2.9 comes.
    let policy = wire.policy(&[
        ("web", &["10.1.2.3", "fd00::3", "10.1.2.4"]),
        ("db", &["10.1.2.9", "fd00:1::3"]),
    ]);
    let done = wire.place.answer(&["apply", "--desired", &policy]);
    let steps = done["ops"].as_array().unwrap();
    let actions: Vec<&str> = steps
        .iter()
        .map(|op| op["action"].as_str().unwrap())
        .collect();
    assert_eq!(
        actions,
        ["change", "delete", "add", "change", "delete", "add"],
        "{done}"
    );
    assert_eq!(done["done"], 6);
    for address in ["10.1.2.4", "10.1.2.9", "10.1.7.3"] {
        wire.has(address);
    }
    let class = |id: &str| format!("be:{:x}", done["classes"][id].as_u64().unwrap());
    for (address, id) in [
        ("10.1.2.4", class("web")),
        ("10.1.2.9", class("db")),
        ("10.1.7.3", "be:2".to_owned()),
    ] {
        let before = [false, true].map(|ingress| wire.sent(ingress)[&id]);
        wire.ping(address);
        let after = [false, true].map(|ingress| wire.sent(ingress)[&id]);
        assert!(
            after[0] >= before[0] + 5 && after[1] >= before[1] + 5,
            "{address}"
        );
    }
}

pub(crate) fn what_the_uplink_cannot_give_is_refused() {
    let wire = Wire::new();
    let policy = wire.policy(&[("web", &[])]);
    let output = wire.place.berth(&["apply", "--desired", &policy, "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["refused"][0]["field"], "container[0].addresses");
    let why = answer["refused"][0]["why"].as_str().unwrap();
    assert!(
        why.contains("would never reach it") && why.contains("addresses = ["),
        "{why}"
    );
    // Somebody else's filter before ours would take what is ours to classify.
    let policy = wire.policy(&[WEB]);
    wire.place.answer(&["apply", "--desired", &policy]);
    wire.place.tc("filter del dev up0 parent be: prio 1");
    wire.place
        .tc("filter add dev up0 parent be: protocol all prio 1 u32 match u32 0 0 flowid be:2");
    let output = wire.place.berth(&["apply", "--desired", &policy, "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["refused"][0]["field"], "host.uplink", "{answer}");
    // Told to, it is moved behind ours, and a priority that was taken off whole is made anew.
    let done = wire
        .place
        .answer(&["apply", "--desired", &policy, "--takeover"]);
    assert_eq!(
        done["done"],
        done["ops"].as_array().unwrap().len(),
        "{done}"
    );
    let again = wire
        .place
        .answer(&["apply", "--desired", &policy, "--takeover"]);
    assert_eq!(again["ops"].as_array().unwrap().len(), 0, "{again}");
    wire.has("10.1.2.3");
    let class = format!("be:{:x}", done["classes"]["web"].as_u64().unwrap());
    let before = wire.sent(false)[&class];
    wire.ping("10.1.2.3");
    assert_eq!(wire.sent(false)[&class], before + 5);
}
