//! What the plugin does in a chain.

use crate::place::{OURS, Place, THEIRS};
use serde_json::{Value, json};
use std::process::{Command, Stdio};
use std::time::Duration;

fn both() -> Value {
    json!({"ingressRate": 20_000_000, "ingressBurst": 2_000_000, "egressRate": 10_000_000, "egressBurst": 2_000_000})
}

pub(crate) fn an_add_is_repeated_checked_and_leaves_nothing() {
    let place = Place::new();
    let (before, config) = (place.all(), place.config(&both()));
    let first = place.done("ADD", &config);
    let interfaces = first["interfaces"].as_array().unwrap();
    assert_eq!(
        interfaces[..2],
        config["prevResult"]["interfaces"].as_array().unwrap()[..]
    );
    assert!(
        interfaces[2]["name"].as_str().unwrap().starts_with("bsh"),
        "{first}"
    );
    assert_eq!(
        (&first["ips"], &first["cniVersion"]),
        (&config["prevResult"]["ips"], &"1.0.0".into())
    );
    let shaped = place.all();
    assert!(
        shaped.contains("qdisc htb be: dev v1 root") && shaped.contains("qdisc htb be: dev bsh"),
        "{shaped}"
    );
    assert!(
        place
            .tc("class show dev v1")
            .contains("rate 20Mbit ceil 20Mbit")
    );
    // Again: nothing is made anew, and the answer is the same.
    assert_eq!(place.done("ADD", &config), first);
    assert_eq!(place.all(), shaped);
    place.done("CHECK", &config);
    place.tc("class change dev v1 parent be: classid be:10 htb rate 7mbit");
    let output = place.call(OURS, "CHECK", &config);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("v1 is not shaped as configured"));
    place.done("ADD", &config);
    place.done("CHECK", &config);
    place.done("DEL", &config);
    assert_eq!(place.all(), before);
    place.done("DEL", &config);
    place.done("STATUS", &config);
    assert!(place.done("VERSION", &config)["supportedVersions"].is_array());
}

pub(crate) fn rates_change_and_go_in_place() {
    let place = Place::new();
    place.done("ADD", &place.config(&both()));
    let other = json!({"ingressRate": 5_000_000, "ingressBurst": 2_000_000, "egressRate": 10_000_000, "egressBurst": 2_000_000});
    place.done("ADD", &place.config(&other));
    assert!(
        place
            .tc("class show dev v1")
            .contains("rate 5Mbit ceil 5Mbit")
    );
    // Only one direction from now on: the other's ifb goes.
    let ingress = place.config(&json!({"ingressRate": 5_000_000, "ingressBurst": 2_000_000}));
    let answer = place.done("ADD", &ingress);
    assert_eq!(answer["interfaces"].as_array().unwrap().len(), 2);
    assert!(!place.all().contains("bsh"), "{}", place.all());
    // Kubernetes asks for a burst of 2 Gbit whatever the rate.
    let huge = place.config(&json!({"ingressRate": 1_000_000, "ingressBurst": 2_147_483_647_u64, "egressRate": 8_000, "egressBurst": 8}));
    place.done("ADD", &huge);
    place.done("CHECK", &huge);
    // Nothing to shape: passed through, whatever there is.
    let none = place.config(&json!({}));
    assert_eq!(place.done("ADD", &none), none["prevResult"]);
}

pub(crate) fn what_lost_its_veth_goes_by_its_mark() {
    let place = Place::new();
    let config = place.config(&both());
    place.done("ADD", &config);
    place.ip("link del v1");
    assert!(place.ip("-o link").contains("bsh"));
    let mut bare = config.clone();
    bare.as_object_mut().unwrap().remove("prevResult");
    place.done("DEL", &bare);
    assert!(!place.ip("-o link").contains("bsh"));
    // And by GC, where no DEL came.
    place.ip(&format!(
        "link add v1 type veth peer name eth0 netns {}",
        place.pod
    ));
    place.done("ADD", &config);
    bare["cni.dev/valid-attachments"] = json!([{"containerID": "c1", "ifname": "eth0"}]);
    place.done("GC", &bare);
    assert!(place.ip("-o link").contains("bsh"));
    bare["cni.dev/valid-attachments"] = json!([{"containerID": "other", "ifname": "eth0"}]);
    place.done("GC", &bare);
    assert!(!place.ip("-o link").contains("bsh"));
}

fn pinged(place: &Place, to: &str) {
    let args = [
        "netns", "exec", &place.pod, "ping", "-q", "-c", "5", "-i", "0.01", "-W", "2", to,
    ];
    let run = Command::new("ip").args(args).output().unwrap();
    assert!(
        String::from_utf8_lossy(&run.stdout).contains("5 received"),
        "{to}"
    );
}

/// Packets that the container's class has sent, by device.
fn sent(place: &Place, dev: &str) -> u64 {
    let shown = place.tc(&format!("-s class show dev {dev}"));
    let line = shown
        .lines()
        .find(|l| l.trim_start().starts_with("Sent"))
        .unwrap();
    line.split_whitespace().nth(3).unwrap().parse().unwrap()
}

pub(crate) fn subnets_are_shaped_or_not() {
    for (key, near, far) in [("unshapedSubnets", 0, 5), ("shapedSubnets", 5, 0)] {
        let place = Place::new();
        let before = place.all();
        let mut bandwidth = both();
        bandwidth[key] = json!(["10.88.0.0/24", "fd00::/8"]);
        let config = place.config(&bandwidth);
        let ifb = place.done("ADD", &config)["interfaces"][2]["name"]
            .as_str()
            .unwrap()
            .to_owned();
        place.done("CHECK", &config);
        let shaped = place.all();
        place.done("ADD", &config);
        assert_eq!(place.all(), shaped);
        for (to, more) in [("10.88.0.1", near), ("10.99.0.1", far)] {
            let was = [sent(&place, "v1"), sent(&place, &ifb)];
            pinged(&place, to);
            let is = [sent(&place, "v1"), sent(&place, &ifb)];
            // An address is asked for now and then, by a frame that is no packet of a subnet.
            let (ingress, egress) = (is[0] - was[0], is[1] - was[1]);
            assert!(
                (more..=more + 2).contains(&ingress) && (more..=more + 2).contains(&egress),
                "{key} {to}: {ingress} {egress}"
            );
        }
        place.done("DEL", &config);
        assert_eq!(place.all(), before);
    }
}

pub(crate) fn refusals_name_what_is_wrong() {
    let call = |config: &Value, wanted: &str| {
        let mut child = Command::new(OURS);
        child.envs([
            ("CNI_COMMAND", "ADD"),
            ("CNI_CONTAINERID", "c1"),
            ("CNI_IFNAME", "eth0"),
            ("CNI_NETNS", "/var/run/netns/none"),
            ("CNI_PATH", "/usr/lib/cni"),
        ]);
        let mut child = child
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(
            &mut child.stdin.take().unwrap(),
            config.to_string().as_bytes(),
        )
        .unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            !output.status.success() && said.contains(wanted),
            "{wanted}: {said}"
        );
    };
    let with = |bandwidth: Value| json!({"cniVersion": "1.0.0", "name": "n", "type": "bandwidth", "prevResult": {"interfaces": []}, "runtimeConfig": {"bandwidth": bandwidth}});
    call(
        &with(json!({"ingressRate": 1000})),
        "if rate is set, burst must also be set",
    );
    call(
        &with(json!({"egressBurst": 1000})),
        "if burst is set, rate must also be set",
    );
    call(
        &with(json!({"egressRate": 1000, "egressBurst": 40_000_000_000_u64})),
        "burst cannot be more than 4GB",
    );
    call(
        &with(json!({"egressRate": -1})),
        "failed to parse network configuration",
    );
    call(
        &with(json!({"shapedSubnets": ["a"], "ingressRate": 1000, "ingressBurst": 9})),
        "bad subnet",
    );
    call(
        &with(json!({"shapedSubnets": ["10.0.0.0/8"], "unshapedSubnets": ["10.0.0.0/8"]})),
        "cannot be both specified",
    );
    call(
        &json!({"cniVersion": "0.2.0", "name": "n"}),
        "incompatible CNI versions",
    );
    // GC goes by the name: one with a blank would take in another's.
    call(
        &json!({"cniVersion": "1.0.0", "name": "n m"}),
        "invalid characters found in network name",
    );
    call(
        &json!({"cniVersion": "1.0.0", "name": "n", "ingressRate": 1000, "ingressBurst": 9000}),
        "must be called as chained plugin",
    );
    call(&json!([]), "failed to parse network configuration");
}

pub(crate) fn the_same_call_is_answered_as_the_other_plugin_does() {
    let place = Place::new();
    let config = place.config(&both());
    let ours = place.done("ADD", &config);
    place.done("DEL", &config);
    let theirs = place.call(THEIRS, "ADD", &config);
    assert!(
        theirs.status.success(),
        "{}",
        String::from_utf8_lossy(&theirs.stdout)
    );
    let theirs: Value = serde_json::from_slice(&theirs.stdout).unwrap();
    let same = |answer: &Value| {
        (
            answer["ips"].clone(),
            answer["interfaces"][0].clone(),
            answer["interfaces"][1].clone(),
            answer["interfaces"].as_array().unwrap().len(),
        )
    };
    assert_eq!(same(&ours), same(&theirs));
    let refused = place.call(OURS, "ADD", &config);
    let said = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(
        !refused.status.success() && said.contains("not ours"),
        "{said}"
    );
}

pub(crate) fn names_of_any_length_are_marked() {
    let place = Place::new();
    let before = place.all();
    let mut config = place.config(&both());
    config["name"] = json!("n".repeat(200));
    place.done("ADD", &config);
    place.done("CHECK", &config);
    assert!(place.ip("-o link").contains("alias berth-bandwidth #"));
    config["cni.dev/valid-attachments"] = json!([]);
    let veth = json!([{"containerID": "c1", "ifname": "eth0"}]);
    place.done(
        "GC",
        &json!({"cniVersion": "1.0.0", "name": config["name"], "cni.dev/valid-attachments": veth}),
    );
    place.done("CHECK", &config);
    place.done("DEL", &config);
    assert_eq!(place.all(), before);
}

/// `berth shape` on the emulated host; its status and what it said.
fn shape(place: &Place, args: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new("ip");
    command.args([
        "netns",
        "exec",
        &place.host,
        env!("CARGO_BIN_EXE_berth"),
        "shape",
    ]);
    let output = command.args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said)
}

pub(crate) fn a_policy_and_the_plugin_leave_each_other_alone() {
    let place = Place::new();
    place.ip("link add v2 type veth peer name p2");
    let before = place.all();
    let config = place.config(&both());
    place.done("ADD", &config);
    let file = std::env::temp_dir().join(format!("{}.toml", place.host));
    let desired = file.display().to_string();
    let section = |veth: &str| {
        let text = format!(
            "[[container]]\nid = \"c\"\nveth = {veth:?}\ningress = {{ ceiling = \"5mbit\" }}\n"
        );
        std::fs::write(&file, text).unwrap();
    };
    // What the plugin shapes is not left over, whatever the policy says of others.
    section("v2");
    assert_eq!(shape(&place, &["apply", "--desired", &desired]).0, Some(0));
    place.done("CHECK", &config);
    assert!(place.tc("class show dev v2").contains("ceil 5Mbit"));
    // One veth of both is refused by whoever comes second.
    section("v1");
    let (status, said) = shape(&place, &["apply", "--desired", &desired]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("v1 is shaped by berth-bandwidth"), "{said}");
    place.done("CHECK", &config);
    place.done("DEL", &config);
    assert_eq!(shape(&place, &["apply", "--desired", &desired]).0, Some(0));
    let by_policy = place.tc("class show dev v1");
    assert!(by_policy.contains("ceil 5Mbit"), "{by_policy}");
    let refused = place.call(OURS, "ADD", &config);
    let said = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(
        !refused.status.success() && said.contains("v1 is shaped by a policy of `berth shape`"),
        "{said}"
    );
    // Nothing to shape, and nothing to take off, is no matter.
    place.done("ADD", &place.config(&json!({})));
    place.done("DEL", &config);
    assert_eq!(place.tc("class show dev v1"), by_policy);
    std::fs::write(&file, "").unwrap();
    assert_eq!(shape(&place, &["apply", "--desired", &desired]).0, Some(0));
    std::fs::remove_file(&file).unwrap();
    assert_eq!(place.all(), before);
}

/// Mbit/s of TCP towards the container, and from it.
fn measured(place: &Place) -> [f64; 2] {
    [true, false].map(|towards| {
        let server = Command::new("ip")
            .args(["netns", "exec", &place.pod, "iperf3", "-s", "-1"])
            .stdout(Stdio::null())
            .spawn();
        let mut server = server.unwrap();
        std::thread::sleep(Duration::from_millis(500));
        let mut args = vec![
            "netns",
            "exec",
            &*place.host,
            "iperf3",
            "-c",
            "10.88.0.2",
            "-t",
            "4",
            "-O",
            "1",
            "-J",
        ];
        args.extend((!towards).then_some("-R"));
        let output = Command::new("ip").args(&args).output().unwrap();
        let _ = server.kill();
        let _ = server.wait();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        answer["end"]["sum_received"]["bits_per_second"]
            .as_f64()
            .unwrap_or_else(|| panic!("{answer}"))
            / 1e6
    })
}

pub(crate) fn both_plugins_keep_the_rate() {
    for plugin in [OURS, THEIRS] {
        let place = Place::new();
        let config = place.config(&both());
        let done = place.call(plugin, "ADD", &config);
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stdout)
        );
        let [towards, from] = measured(&place);
        assert!(
            (18.0..=20.2).contains(&towards),
            "{plugin}: {towards:.2} of 20"
        );
        assert!((9.0..=10.2).contains(&from), "{plugin}: {from:.2} of 10");
    }
}
