//! What the commands do.

use crate::place::{Place, ip};
use crate::traced;
use serde_json::Value;
use std::process::Command;

const SHAPES: &str =
    "ingress = { guarantee = \"5mbit\", ceiling = \"20mbit\" }\negress = { ceiling = \"10mbit\" }";

fn in_netns(place: &Place) -> String {
    place.policy(&format!("netns = \"{}\"\n{SHAPES}", place.pod))
}

fn device<'a>(shown: &'a Value, dev: &str) -> &'a Value {
    let devices = shown["devices"].as_array().unwrap();
    devices
        .iter()
        .find(|d| d["dev"] == dev)
        .unwrap_or(&Value::Null)
}

pub(crate) fn what_is_applied_is_shown_and_needs_no_second_plan() {
    let place = Place::new();
    let policy = in_netns(&place);
    let first = place.answer(&["apply", "--desired", &policy]);
    let steps = first["ops"].as_array().unwrap().len();
    assert!(steps > 8 && first["done"] == steps, "{first}");
    let second = place.answer(&["apply", "--desired", &policy]);
    assert_eq!(
        (&second["done"], second["ops"].as_array().unwrap().len()),
        (&Value::from(0), 0)
    );

    let shown = place.shown();
    let class = &device(&shown, "v1")["classes"][0];
    assert_eq!(class["ceil_bytes_per_second"], 2_500_000);
    assert!(
        class["sent_bytes"].is_u64() && class["backlog_bytes"].is_u64(),
        "{class}"
    );
    let eth0 = shown["devices"]
        .as_array()
        .unwrap()
        .iter()
        .find(|d| d["dev"] == "eth0")
        .unwrap();
    assert_eq!(eth0["netns"], place.pod.as_str());
    let file = format!("{policy}.json");
    std::fs::write(&file, shown.to_string()).unwrap();
    let plan = place.answer(&["plan", "--desired", &policy, "--observed", &file]);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(plan["ops"].as_array().unwrap().len(), 0, "{plan}");
    let text = String::from_utf8(place.berth(&["show", "--netns", "host"]).stdout).unwrap();
    assert!(
        text.contains("v1 (") && text.contains("class be:10 below root"),
        "{text}"
    );
}

pub(crate) fn a_dry_run_touches_nothing() {
    let place = Place::new();
    let policy = place.policy(SHAPES);
    let before = place.shown();
    let dry = place.answer(&["apply", "--desired", &policy, "--dry-run"]);
    assert!(!dry["ops"].as_array().unwrap().is_empty() && dry.get("done").is_none());
    assert_eq!(place.shown(), before);
    assert!(!place.ip("-o link").contains("bsh"));
}

pub(crate) fn a_container_moves_between_namespace_and_ifb() {
    let place = Place::new();
    for _ in 0..2 {
        let policy = place.policy(SHAPES);
        let by_ifb = place.answer(&["apply", "--desired", &policy]);
        assert_eq!(by_ifb["done"], by_ifb["ops"].as_array().unwrap().len());
        let ifbs = || place.ip("-o link").matches(": bsh").count();
        // The container's own, and the uplink's.
        assert_eq!(ifbs(), 2);
        assert!(
            !device(&place.shown(), "v1")["filters"]
                .as_array()
                .unwrap()
                .is_empty()
        );
        let policy = in_netns(&place);
        let inside = place.answer(&["apply", "--desired", &policy]);
        assert_eq!(inside["removed"].as_array().unwrap().len(), 1, "{inside}");
        assert_eq!(ifbs(), 1);
        assert!(
            device(&place.shown(), "v1")["filters"]
                .as_array()
                .unwrap()
                .is_empty()
        );
    }
}

pub(crate) fn what_left_the_policy_goes_and_what_is_foreign_stays() {
    let place = Place::new();
    place.answer(&["apply", "--desired", &in_netns(&place)]);
    place.ip("link add other0 type veth peer name other1");
    place.tc("qdisc add dev other0 root handle 7: tbf rate 1mbit burst 20000 limit 50000");
    place.tc("qdisc add dev other1 ingress");
    let nobody = place.policy("");
    place.answer(&["apply", "--desired", &nobody]);
    let shown = place.shown();
    let root = |dev: &str| device(&shown, dev)["qdiscs"][0]["kind"].clone();
    assert_ne!(root("v1"), "htb");
    assert_ne!(root("eth0"), "htb");
    assert_eq!(root("other0"), "tbf");
    // A root that is not ours is not replaced, and that is said.
    let taken =
        place.policy(&format!("netns = \"{}\"\n{SHAPES}", place.pod).replace("v1", "other0"));
    let text = std::fs::read_to_string(&taken)
        .unwrap()
        .replace("\"v1\"", "\"other0\"");
    std::fs::write(&taken, text).unwrap();
    let output = place.berth(&["apply", "--desired", &taken, "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(
        answer["left_alone"].to_string().contains("other0"),
        "{answer}"
    );
    assert!(place.tc("qdisc show dev other0").contains("tbf 7:"));
}

pub(crate) fn one_namespace_has_one_name() {
    let place = Place::new();
    let pod = Command::new("ip")
        .args(["netns", "exec", &place.pod, "sleep", "60"])
        .spawn();
    let mut pod = pod.unwrap();
    // It is in its namespace once it is `sleep`.
    let command = format!("/proc/{}/comm", pod.id());
    while std::fs::read_to_string(&command).unwrap().trim() != "sleep" {
        std::thread::yield_now();
    }
    let by_pid = place.policy(&format!("pid = {}\n{SHAPES}", pod.id()));
    // The namespace has a name besides, by which nothing of it is wanted: what was made stays all the same.
    for _ in 0..2 {
        place.answer(&["apply", "--desired", &by_pid]);
    }
    assert_eq!(
        device(&place.shown(), "eth0")["qdiscs"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let text = std::fs::read_to_string(&by_pid).unwrap();
    let second = format!(
        "[[container]]\nid = \"db\"\naddresses = [\"10.1.2.4\"]\nveth = \"up1\"\nnetns = \"{}\"\ndev = \"eth0\"\n{SHAPES}\n",
        place.pod
    );
    std::fs::write(&by_pid, format!("{text}{second}")).unwrap();
    let output = place.berth(&["apply", "--desired", &by_pid]);
    let _ = pod.kill();
    let _ = pod.wait();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("one network namespace"), "{said}");
}

pub(crate) fn a_namespace_that_is_not_there_is_told() {
    let place = Place::new();
    let output = place.berth(&["show", "--netns", "no-such-netns"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("no-such-netns"), "{said}");
    let output = place.berth(&["show", "--netns", "../../proc/1/ns/net"]);
    assert_eq!(output.status.code(), Some(2));
}

pub(crate) fn killed_at_any_step_the_next_apply_finishes() {
    let place = Place::new();
    let nobody = format!("{}.empty", place.policy(""));
    std::fs::copy(place.policy(""), &nobody).unwrap();
    let policy = in_netns(&place);
    let (mut steps, mut cut) = (0, 0);
    for step in 1.. {
        let mut killed = false;
        let (ended, begun) = traced::run(&place, &["apply", "--desired", &policy], step, |pid| {
            let kill = Command::new("kill").args(["-s", "KILL", pid]).status();
            killed = kill.unwrap().success();
        });
        // Past the last one nothing is left to kill.
        if begun < step {
            assert!(ended.success() && !killed, "{ended}");
            break;
        }
        // On a busy machine it may be done before the signal comes.
        assert!(killed, "step {step}: {ended}");
        (steps, cut) = (step, cut + usize::from(!ended.success()));
        place.answer(&["apply", "--desired", &policy]);
        let settled = place.answer(&["apply", "--desired", &policy]);
        assert_eq!(settled["done"], 0, "step {step}: {settled}");
        place.answer(&["apply", "--desired", &nobody]);
        assert!(!place.ip("-o link").contains("bsh"), "step {step}");
    }
    std::fs::remove_file(&nobody).unwrap();
    assert!(steps > 30 && cut > steps / 2, "{cut} of {steps}");
}

pub(crate) fn a_container_that_vanishes_under_way_fails_nothing() {
    let place = Place::new();
    place.ip("link add v2 type veth peer name up2");
    let policy = in_netns(&place);
    let stays = "[[container]]\nid = \"db\"\naddresses = [\"10.1.2.4\"]\nveth = \"v2\"\ningress = { ceiling = \"20mbit\" }\n";
    let text = std::fs::read_to_string(&policy).unwrap();
    std::fs::write(&policy, format!("{text}{stays}")).unwrap();
    let nobody = format!("{policy}.empty");
    std::fs::write(&nobody, text.split("[[container]]").next().unwrap()).unwrap();
    for step in [1, 4, 9, 20, 33] {
        let (ended, begun) = traced::run(&place, &["apply", "--desired", &policy], step, |_| {
            ip(&["netns", "del", &place.pod]);
            // Its namespace is gone once its end here is.
            while place.ip("-o link").contains("v1@") {
                std::thread::yield_now();
            }
        });
        assert!(
            begun > step && ended.success(),
            "step {step} of {begun}: {ended}"
        );
        // Who is still there has what is wanted.
        assert!(
            place.tc("class show dev v2").contains("ceil 20Mbit"),
            "step {step}"
        );
        place.answer(&["apply", "--desired", &nobody]);
        ip(&["netns", "add", &place.pod]);
        place.ip(&format!(
            "link add v1 type veth peer name eth0 netns {}",
            place.pod
        ));
    }
    std::fs::remove_file(&nobody).unwrap();
}

pub(crate) fn a_thousand_containers_come_change_and_go() {
    const ALL: usize = 1_000;
    let place = Place::new();
    let pairs: String = (0..ALL)
        .map(|i| format!("link add h{i} type veth peer name p{i}\n"))
        .collect();
    let batch = format!("{}.batch", place.policy(""));
    std::fs::write(&batch, pairs).unwrap();
    place.ip(&format!("-batch {batch}"));
    std::fs::remove_file(&batch).unwrap();
    let policy = |changed: usize, ceiling: u32| {
        let path = place.policy("");
        let mut text = std::fs::read_to_string(&path).unwrap();
        for i in 0..ALL {
            let ceiling = if i == changed { ceiling } else { 20 };
            let (a, b) = (i >> 8, i & 0xff);
            text += &format!(
                "[[container]]\nid = \"c{i}\"\nveth = \"h{i}\"\naddresses = [\"10.7.{a}.{b}\"]\n\
                 ingress = {{ ceiling = \"{ceiling}mbit\" }}\negress = {{ guarantee = \"500kbit\", ceiling = \"10mbit\" }}\n"
            );
        }
        std::fs::write(&path, text).unwrap();
        path
    };
    let file = policy(ALL, 0);
    let done = place.answer(&["apply", "--desired", &file]);
    let steps = done["ops"].as_array().unwrap().len();
    assert!(steps > 10 * ALL && done["done"] == steps, "{steps}");
    let again = place.answer(&["apply", "--desired", &file]);
    assert_eq!(again["ops"], Value::Array(Vec::new()));
    // One changes: its veth's class and its class on the uplink's ingress, and nothing of anybody else.
    let changed = place.answer(&["apply", "--desired", &policy(617, 15)]);
    let ops = changed["ops"].as_array().unwrap();
    assert!(
        ops.iter().all(|op| op["action"] == "change") && (1..=2).contains(&ops.len()),
        "{ops:?}"
    );
    assert!(
        place
            .tc("class show dev h617")
            .contains("rate 15Mbit ceil 15Mbit")
    );
    place.answer(&["apply", "--desired", &place.policy("")]);
    let left = place.tc("qdisc show");
    // The uplink stays shaped for the host itself.
    assert!(!left.contains("dev h") && !place.ip("-o link").contains("bshh"));
    assert_eq!(place.tc("class show dev up0").lines().count(), 2);
}
