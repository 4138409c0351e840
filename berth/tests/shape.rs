//! `berth shape`: the promised keys and types, exit codes, and what goes where.

use serde_json::{Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn berth(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_berth"))
        .args(args)
        .output()
        .unwrap()
}

fn file(name: &str, text: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("berth-shape-{}-{name}", std::process::id()));
    std::fs::File::create(&path)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    path
}

const POLICY: &str = include_str!("fixture/policy.toml");

/// Something that is not ours on the uplink, and a veth that is shaped otherwise.
const SEEN: &str = r#"{"devices": [
  {"netns": null, "dev": "eth0", "ifindex": 2, "gso_max_size": 65536,
   "qdiscs": [{"kind": "tbf", "handle": "8001:", "parent": "root"}], "classes": [], "filters": []},
  {"netns": null, "dev": "veth1a2b", "ifindex": 7, "gso_max_size": 65536,
   "qdiscs": [{"kind": "htb", "handle": "1:", "parent": "root", "default": 16},
              {"kind": "bfifo", "handle": "10:", "parent": "1:10", "limit_bytes": 625000}],
   "classes": [{"kind": "htb", "classid": "1:10", "parent": "root", "rate_bytes_per_second": 12500000,
     "ceil_bytes_per_second": 12500000, "buffer_ticks": 320000, "cbuffer_ticks": 320000, "quantum": 10000, "prio": 0}],
   "filters": []}]}"#;

#[test]
fn plan_answers_as_promised() {
    let (policy, seen) = (file("p.toml", POLICY), file("seen.json", SEEN));
    let (policy, seen) = (policy.to_str().unwrap(), seen.to_str().unwrap());
    let out = berth(&[
        "shape",
        "plan",
        "--desired",
        policy,
        "--observed",
        seen,
        "--json",
    ]);
    assert_eq!(out.status.code(), Some(1), "one container is refused");
    let answer: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(
        answer["refused"][0]["field"],
        "container[1].egress.guarantee"
    );
    assert_eq!(answer["left_alone"][0]["handle"], "8001:");
    let change = &answer["ops"][0];
    assert_eq!(
        (&change["action"], &change["loss"]),
        (&json!("change"), &json!("free"))
    );
    assert_eq!(
        change["why"],
        "rate 100 Mbit/s to 200 Mbit/s, ceiling 100 Mbit/s to 200 Mbit/s, buffer 320000 ticks to 160000 ticks, cbuffer 320000 ticks to 160000 ticks"
    );
    assert_eq!(change["inverse"][1], "change");
    // The same document by --format json.
    let again = berth(&[
        "shape",
        "plan",
        "--desired",
        policy,
        "--observed",
        seen,
        "--format",
        "json",
    ]);
    assert_eq!(
        answer,
        serde_json::from_slice::<Value>(&again.stdout).unwrap()
    );
    // Strict plans nothing.
    let strict = berth(&["shape", "plan", "--desired", policy, "--strict", "--json"]);
    assert_eq!(strict.status.code(), Some(1));
    let strict: Value = serde_json::from_slice(&strict.stdout).unwrap();
    assert_eq!(
        (
            strict["ops"].as_array().unwrap().len(),
            strict["refused"].as_array().unwrap().len()
        ),
        (0, 2)
    );
    // One asks for more than there is, the other for a tier on an uplink that could not tell its packets.
    assert_eq!(strict["refused"][1]["field"], "container[0].addresses");
}

#[test]
fn a_batch_of_a_plan_is_what_its_netlink_form_says() {
    let policy = r#"{"container": [{"id": "a", "veth": "v0", "netns": "a", "ingress": {"ceiling": "10mbit"}}]}"#;
    let seen = r#"{"devices": [{"netns": null, "dev": "v0", "ifindex": 5, "qdiscs": [], "classes": [], "filters": []}]}"#;
    let (policy, seen) = (file("a.json", policy), file("a-seen.json", seen));
    for era in ["6.1", "7.1"] {
        let plan = |format| {
            let (p, s) = (policy.to_str().unwrap(), seen.to_str().unwrap());
            berth(&[
                "shape",
                "plan",
                "--desired",
                p,
                "--observed",
                s,
                "--era",
                era,
                "--format",
                format,
            ])
        };
        let batch = plan("batch");
        assert_eq!(batch.status.code(), Some(0));
        let batch = file(
            &format!("a-{era}.tc"),
            std::str::from_utf8(&batch.stdout).unwrap(),
        );
        let encoded = berth(&[
            "shape",
            "encode",
            "--batch",
            batch.to_str().unwrap(),
            "--era",
            era,
            "--ifindex",
            "v0=5",
        ]);
        assert_eq!(
            encoded.status.code(),
            Some(0),
            "{}",
            String::from_utf8_lossy(&encoded.stderr)
        );
        assert_eq!(
            String::from_utf8(encoded.stdout).unwrap(),
            String::from_utf8(plan("netlink").stdout).unwrap()
        );
    }
}

#[test]
fn encode_goes_on_after_a_refused_line_and_decode_reads_it() {
    let batch = file(
        "b.tc",
        "qdisc add dev d0 root handle 1: htb default 10\nclass add dev d0 parent 1: classid 1:1 htb\n\n# comment\ntc class add dev d0 parent 1:1 classid 1:10 htb rate 50mbit\nqdisc add dev nosuch root pfifo\n",
    );
    let out = berth(&[
        "shape",
        "encode",
        "--batch",
        batch.to_str().unwrap(),
        "--era",
        "7.1",
        "--ifindex",
        "d0=3,d1=2",
    ]);
    assert_eq!(out.status.code(), Some(1));
    let (text, errors) = (
        String::from_utf8(out.stdout).unwrap(),
        String::from_utf8(out.stderr).unwrap(),
    );
    assert_eq!(
        text.lines().filter(|l| l.starts_with("> ")).count(),
        2,
        "{text}"
    );
    assert!(
        errors.contains("\"rate\" is required.")
            && errors.contains("Cannot find device \"nosuch\""),
        "{errors}"
    );
    let hex = file("b.nl", &text);
    let decoded = berth(&["shape", "decode", hex.to_str().unwrap(), "--json"]);
    assert_eq!(decoded.status.code(), Some(0));
    let answer: Value = serde_json::from_slice(&decoded.stdout).unwrap();
    let class = &answer["messages"][1];
    assert_eq!(
        (&class["handle"], &class["options"]["rate_bytes_per_second"]),
        (&json!("1:10"), &json!(6_250_000))
    );
}

/// The status and JSON of `shape plan` for a policy of this text.
fn plan_of(name: &str, policy: &str) -> (Option<i32>, Value) {
    let policy = file(name, policy);
    let desired = policy.to_str().unwrap();
    let out = berth(&["shape", "plan", "--desired", desired, "--json"]);
    (
        out.status.code(),
        serde_json::from_slice(&out.stdout).unwrap(),
    )
}

#[test]
fn bad_input_says_what_and_where() {
    let bad = "[[container]]\nid = \"a\"\nveth = \"v\"\ningress = { ceiling = \"50mbps\" }\n";
    let (status, answer) = plan_of("bad.toml", bad);
    assert_eq!(status, Some(1));
    let refused = &answer["refused"][0];
    assert_eq!(refused["field"], "container[0].ingress.ceiling");
    let why = refused["why"].as_str().unwrap();
    assert!(why.contains("50mbit or 50MB/s"), "{why}");
    let (status, answer) = plan_of("unknown.toml", "[host]\nuplnk = 1\n");
    assert_eq!(status, Some(2));
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("uplnk"), "{answer}");
    let short = "[host]\nuplink = { dev = \"eth0\", capacity = \"10g\" }\n";
    let (status, answer) = plan_of("short.toml", short);
    assert_eq!(status, Some(2));
    let place = answer["error"]["where"].as_str().unwrap();
    assert!(place.ends_with("host.uplink.capacity"), "{answer}");
    let missing = berth(&["shape", "decode", "/nonexistent/x.nl", "--json"]);
    assert_eq!(missing.status.code(), Some(3));
    let hex = file("odd.nl", "> 123\n");
    let odd = berth(&["shape", "decode", hex.to_str().unwrap()]);
    assert_eq!(odd.status.code(), Some(2));
}

/// What `shape plan` says of a policy, as text on both streams.
fn planned(policy: &Path, more: &[&str]) -> (Option<i32>, String) {
    let mut args = vec!["shape", "plan", "--desired", policy.to_str().unwrap()];
    args.extend(more);
    let out = berth(&args);
    let text = [out.stdout, out.stderr].concat();
    (out.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn whatever_is_wrong_in_a_policy_its_field_is_named() {
    let container = |rest: &str| {
        let text = format!("[[container]]\nid = \"a\"\nveth = \"v1\"\n{rest}\n");
        file("wrong.toml", &text)
    };
    // A unit that is wrong or missing refuses its container; the rest is planned.
    for (shape, field) in [
        ("ceiling = 5", "container[0].ingress.ceiling: `5`"),
        ("ceiling = -5", "container[0].ingress.ceiling: `-5`"),
        ("ceiling = nan", "container[0].ingress.ceiling: `NaN`"),
        ("ceiling = \"50m\"", "container[0].ingress.ceiling: `50m`"),
        (
            "ceiling = \"1mbit\", burst = 1e9",
            "container[0].ingress.burst: `1000000000`",
        ),
        (
            "ceiling = \"1mbit\", guarantee = \"1kbps\"",
            "container[0].ingress.guarantee: `1kbps`",
        ),
    ] {
        let (status, said) = planned(&container(&format!("ingress = {{ {shape} }}")), &[]);
        assert_eq!(status, Some(1), "{shape}: {said}");
        assert!(said.contains(field), "{shape}: {said}");
    }
    // What has another type than it must have is bad input, with the place.
    for (rest, place) in [
        ("weight = -1", "container[0].weight"),
        ("pid = \"x\"", "container[0].pid"),
        ("ingress = 7", "container[0].ingress"),
        (
            "ingress = { ceiling = \"1mbit\", priority = -1 }",
            "container[0].ingress.priority",
        ),
        (
            "ingress = { ceiling = [\"1mbit\"] }",
            "container[0].ingress.ceiling",
        ),
    ] {
        let (status, said) = planned(&container(rest), &[]);
        assert_eq!(status, Some(2), "{rest}: {said}");
        assert!(said.contains(place), "{rest}: {said}");
    }
    let json = file("wrong.json", r#"{"container": [{"id": "a", "veth": 7}]}"#);
    let (status, said) = planned(&json, &[]);
    assert_eq!(status, Some(2));
    assert!(said.contains("container[0].veth"), "{said}");
}

#[test]
fn hostile_files_get_short_answers() {
    let deep = file("deep.toml", &"[".repeat(100_000));
    let json = file("deep.json", &r#"{"host":"#.repeat(20_000));
    let long = file("long.toml", &format!("a = {}", "9".repeat(100_000)));
    for path in [&deep, &json, &long] {
        let (status, said) = planned(path, &[]);
        assert_eq!(status, Some(2), "{said}");
        assert!(said.len() < 1_000, "{} characters", said.len());
    }
    let policy = file("sound.toml", POLICY);
    let seen = file(
        "bad-seen.json",
        r#"{"devices": [{"dev": "v", "classes": [{"kind": "htb", "classid": "1:1", "parent": "1:", "quantum": -1}]}]}"#,
    );
    let (status, said) = planned(&policy, &["--observed", seen.to_str().unwrap()]);
    assert_eq!(status, Some(2));
    assert!(said.contains("devices[0].classes[0].quantum"), "{said}");
}

#[test]
fn what_nobody_in_the_policy_has_is_reported() {
    let (policy, seen) = (file("none.toml", ""), file("left.json", SEEN));
    let (status, said) = planned(&policy, &["--observed", seen.to_str().unwrap()]);
    assert_eq!(status, Some(0), "{said}");
    assert!(
        said.contains("left alone: qdisc 1: on veth1a2b: not wanted"),
        "{said}"
    );
    assert!(!said.contains("on eth0"), "{said}");
}

#[test]
fn addresses_come_from_claims_where_the_policy_says_none() {
    let policy = r#"{"host": {"uplink": {"dev": "eth0", "capacity": "1gbit"}}, "container": [
        {"id": "web", "veth": "v1", "egress": {"guarantee": "1mbit", "ceiling": "10mbit"}},
        {"id": "own", "veth": "v2", "addresses": ["10.9.0.9"], "egress": {"ceiling": "10mbit"}},
        {"id": "none", "veth": "v3", "egress": {"ceiling": "10mbit"}}]}"#;
    let claims = r#"{"claims": [
        {"owner": "web/eth0", "workload": null, "addresses": [{"address": "10.9.0.17", "prefix_length": 22}, {"address": "fd00::17"}]},
        {"owner": "own", "addresses": [{"address": "10.9.0.18"}]},
        {"owner": "webber", "addresses": [{"address": "10.9.0.19"}]}]}"#;
    let (policy, claims) = (file("claimed.json", policy), file("claims.json", claims));
    let (policy, claims) = (policy.to_str().unwrap(), claims.to_str().unwrap());
    let out = berth(&[
        "shape",
        "plan",
        "--desired",
        policy,
        "--addresses",
        claims,
        "--json",
    ]);
    let answer: Value = serde_json::from_slice(&out.stdout).unwrap();
    let said = answer["ops"].to_string();
    // 10.9.0.17, the last word of fd00::17, 10.9.0.9: as a filter compares them.
    for matched in ["0x0a090011", "0x00000017", "0x0a090009"] {
        assert!(said.contains(matched), "{matched}: {said}");
    }
    assert!(!said.contains("0x0a090012") && !said.contains("0x0a090013"));
    let refused: Vec<&Value> = answer["refused"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["field"])
        .collect();
    assert_eq!(refused, ["container[2].addresses"]);
}
