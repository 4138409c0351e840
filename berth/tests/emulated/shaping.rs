//! An uplink whose frames carry VLAN tags, in a kernel that has them: packets come into the class of their address all the same, both ways; and
//! queues are `fq_codel` there.

use serde_json::Value;
use test_support::netns::Lab;

const BERTH: &str = env!("CARGO_BIN_EXE_berth");

/// A host and a peer whose VLAN devices stand on the ends of one veth; the peer routes the containers' addresses back.
fn tagged() -> Lab {
    let lab = Lab::new("shape", &["host", "peer"]);
    lab.link([("host", "up0", ""), ("peer", "up1", "")]);
    for (of, dev, v4, v6) in [
        ("host", "up0", "10.99.0.2/24", "fd99::2/64"),
        ("peer", "up1", "10.99.0.1/24", "fd99::1/64"),
    ] {
        lab.ip(
            of,
            &format!("link add link {dev} name tagged type vlan id 7"),
        );
        lab.ip(of, "link set tagged up");
        lab.ip(of, &format!("addr add {v4} dev tagged"));
        lab.ip(of, &format!("addr add {v6} dev tagged nodad"));
    }
    lab.ip("peer", "route add 10.1.0.0/16 via 10.99.0.2");
    lab.ip("peer", "route add fd00::/16 via fd99::2");
    lab.ip("host", "link add v1 type veth peer name e1");
    for address in ["10.1.2.3/32", "10.1.9.9/32"] {
        lab.ip("host", &format!("addr add {address} dev lo"));
    }
    lab.ip("host", "addr add fd00::3/128 dev lo nodad");
    lab
}

fn berth(lab: &Lab, arguments: &[&str]) -> Value {
    let output = lab.fed(
        "host",
        BERTH,
        &[&["shape"], arguments, &["--json"]].concat(),
        "",
    );
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Packets that a class has sent, on the uplink and on its ifb.
fn sent(lab: &Lab, class: &str) -> [u64; 2] {
    let shown = berth(lab, &["show", "--netns", "host"]);
    [false, true].map(|ifb| {
        let devices = shown["devices"].as_array().expect("devices").iter();
        let of = |d: &&Value| (d["dev"] != "up0") == ifb;
        let classes = devices
            .filter(of)
            .flat_map(|d| d["classes"].as_array().expect("classes"));
        let mut counts = classes.filter(|c| c["classid"] == class);
        counts
            .next()
            .map_or(0, |c| c["sent_packets"].as_u64().expect("a count"))
    })
}

pub(crate) fn a_tagged_uplink_is_shared_both_ways() {
    let lab = tagged();
    let policy = lab.folder().join("policy.toml");
    let text = "[host]\nuplink = { dev = \"up0\", capacity = \"100mbit\", reserve = \"10mbit\" }\n\
        [[container]]\nid = \"web\"\nveth = \"v1\"\naddresses = [\"10.1.2.3\", \"fd00::3\"]\n\
        ingress = { guarantee = \"1mbit\", ceiling = \"10mbit\" }\negress = { guarantee = \"1mbit\", ceiling = \"10mbit\" }\n";
    std::fs::write(&policy, text).expect("a policy");
    let policy = policy.to_str().expect("a path");
    let done = berth(&lab, &["apply", "--desired", policy]);
    let again = berth(&lab, &["apply", "--desired", policy]);
    assert_eq!(again["ops"], Value::Array(Vec::new()), "{again}");
    let class = format!(
        "be:{:x}",
        done["classes"]["web"].as_u64().expect("a number")
    );
    let shown = berth(&lab, &["show", "--netns", "host"]).to_string();
    assert!(shown.contains("fq_codel"), "{shown}");
    for (from, to, mine) in [
        ("10.1.2.3", "10.99.0.1", true),
        ("fd00::3", "fd99::1", true),
        ("10.1.9.9", "10.99.0.1", false),
    ] {
        let before = sent(&lab, &class);
        let ping = lab.fed(
            "host",
            "ping",
            &["-q", "-c", "5", "-i", "0.1", "-W", "5", "-I", from, to],
            "",
        );
        assert!(ping.status.success(), "{from}: {ping:?}");
        let after = sent(&lab, &class);
        let more = [after[0] - before[0], after[1] - before[1]];
        assert_eq!(
            more,
            if mine { [5, 5] } else { [0, 0] },
            "{from}: egress, ingress"
        );
    }
}
