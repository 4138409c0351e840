//! `berth shape plan`: names that would be more than a name to a shell, and steps for more than one network namespace.

mod hostile;

use hostile::words_run;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder of its own for each test.
fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("berth-netns-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

fn file(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn plan(policy: &str, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
    command
        .args(["shape", "plan", "--desired", policy])
        .args(more);
    command.output().unwrap()
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

const TWO: &str = r#"
[[container]]
id = "web-1"
veth = "v1"
netns = "web-1"
ingress = { ceiling = "10mbit" }
egress = { ceiling = "20mbit" }
[[container]]
id = "db"
veth = "v2"
pid = 4242
egress = { ceiling = "30mbit" }
"#;

/// Every device that it takes, with a number.
const SEEN: &str = r#"{"devices": [{"dev": "v1", "ifindex": 5}, {"dev": "eth0", "netns": "web-1", "ifindex": 2},
    {"dev": "eth0", "pid": 4242, "ifindex": 9}]}"#;

#[test]
fn a_batch_is_for_the_namespace_that_was_picked() {
    let dir = folder("picked");
    let (policy, seen) = (file(&dir, "p.toml", TWO), file(&dir, "seen.json", SEEN));
    for format in ["batch", "netlink"] {
        let more = ["--observed", &seen, "--format", format];
        let out = plan(&policy, &more);
        assert_eq!(
            (out.status.code(), said(&out.stdout).as_str()),
            (Some(2), ""),
            "{format}"
        );
        assert!(
            said(&out.stderr).contains("host, web-1, pid:4242"),
            "{}",
            said(&out.stderr)
        );
        for (netns, rate, number) in [
            ("host", "10mbit", 5),
            ("web-1", "20mbit", 2),
            ("pid:4242", "30mbit", 9),
        ] {
            let out = plan(&policy, &[&more[..], &["--netns", netns]].concat());
            assert_eq!(out.status.code(), Some(0), "{format} {netns}");
            let text = said(&out.stdout);
            assert_eq!(text.matches(" rate ").count(), 1, "{text}");
            assert!(text.contains(&format!(" rate {rate} ")), "{text}");
            if format == "batch" {
                assert!(text.starts_with(&format!("# netns {netns}\n")), "{text}");
                continue;
            }
            let hex = file(&dir, "p.nl", &text);
            let mut decode = Command::new(env!("CARGO_BIN_EXE_berth"));
            let decoded = decode
                .args(["shape", "decode", &hex, "--json"])
                .output()
                .unwrap();
            let decoded: Value = serde_json::from_slice(&decoded.stdout).unwrap();
            let messages = decoded["messages"].as_array().unwrap();
            assert_eq!(messages.len(), 3);
            assert!(messages.iter().all(|m| m["ifindex"] == number), "{decoded}");
        }
        let out = plan(&policy, &[&more[..], &["--netns", "wbe-1"]].concat());
        assert_eq!(out.status.code(), Some(2));
        assert!(
            said(&out.stderr).contains("host, web-1, pid:4242"),
            "{}",
            said(&out.stderr)
        );
    }
}

#[test]
fn what_is_for_a_container_alone_is_not_printed_as_if_for_the_host() {
    let dir = folder("alone");
    let policy = "[[container]]\nid = \"a\"\nveth = \"v1\"\nnetns = \"web\"\negress = { ceiling = \"10mbit\" }\n";
    let policy = file(&dir, "p.toml", policy);
    let out = plan(&policy, &["--format", "batch"]);
    assert_eq!(
        (out.status.code(), said(&out.stdout).as_str()),
        (Some(2), "")
    );
    assert!(said(&out.stderr).contains("web"), "{}", said(&out.stderr));
    let out = plan(&policy, &["--format", "batch", "--netns", "host"]);
    assert_eq!(
        (out.status.code(), said(&out.stdout).as_str()),
        (Some(0), "")
    );
}

#[test]
fn operations_say_their_namespace_or_process() {
    let dir = folder("json");
    let policy = file(&dir, "p.toml", TWO);
    let seen = r#"{"devices": [{"dev": "eth0", "pid": 4242, "qdiscs": [{"kind": "tbf", "handle": "8001:", "parent": "root"}]}]}"#;
    let seen = file(&dir, "seen.json", seen);
    let out = plan(&policy, &["--json", "--observed", &seen]);
    let json: Value = serde_json::from_slice(&out.stdout).unwrap();
    let ops = json["ops"].as_array().unwrap();
    let places: Vec<String> = ops
        .iter()
        .map(|o| format!("{} {} {}", o["netns"], o["pid"], o["enter"]))
        .collect();
    let web = r#""web-1" null ["ip","netns","exec","web-1"]"#;
    assert_eq!(
        places,
        [
            "null null []",
            "null null []",
            "null null []",
            web,
            web,
            web
        ]
    );
    let left = &json["left_alone"][0];
    assert_eq!((&left["netns"], &left["pid"]), (&Value::Null, &4242.into()));
}

#[test]
fn a_folder_holds_a_batch_for_each_namespace_and_the_script_that_applies_them() {
    let dir = folder("out");
    let policy = file(&dir, "p.toml", TWO);
    let out = dir.join("plan");
    let to = out.to_str().unwrap();
    let answer = plan(&policy, &["--out", to]);
    assert_eq!(answer.status.code(), Some(0), "{}", said(&answer.stderr));
    let mut names: Vec<_> = std::fs::read_dir(&out)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let batches = ["01-host.batch", "02-netns-web-1.batch", "03-pid-4242.batch"];
    assert_eq!(names, [&batches[..], &["apply.sh"]].concat());
    for (name, rate) in batches.iter().zip(["10mbit", "20mbit", "30mbit"]) {
        let text = std::fs::read_to_string(out.join(name)).unwrap();
        assert!(
            text.contains(&format!(" rate {rate} ")) && text.matches(" rate ").count() == 1,
            "{text}"
        );
    }
    // It enters each namespace before it changes anything, and then applies them in order.
    let script = std::fs::read_to_string(out.join("apply.sh")).unwrap();
    let script = script
        .replace("$0", out.join("apply.sh").to_str().unwrap())
        .replace(" >/dev/null", "");
    let said_so = words_run(&dir, &script);
    let enter = [
        "",
        "<ip><netns><exec><web-1>",
        "<nsenter><--net=/proc/4242/ns/net>",
    ];
    let expected: Vec<String> = enter
        .iter()
        .map(|e| format!("{e}<tc><-V>"))
        .chain(
            enter
                .iter()
                .zip(batches)
                .map(|(e, b)| format!("{e}<tc><-batch><{b}>")),
        )
        .collect();
    assert_eq!(said_so.lines().collect::<Vec<_>>(), expected);
    let json = plan(&policy, &["--out", to, "--json"]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["files"].as_array().unwrap().len(), 4);
    assert_eq!(
        plan(&policy, &["--out", to, "--format", "argv"])
            .status
            .code(),
        Some(2)
    );
    // What can't be written is no success.
    let blocked = file(&dir, "file", "");
    assert_eq!(plan(&policy, &["--out", &blocked]).status.code(), Some(3));
}

#[test]
fn a_missing_ifb_is_said_in_every_format() {
    let dir = folder("ifb");
    let policy = file(
        &dir,
        "p.toml",
        "[[container]]\nid = \"a\"\nveth = \"v1\"\negress = { ceiling = \"10mbit\" }\n",
    );
    let first = "needed first: ip link add bsh944a4668 type ifb && ip link set bsh944a4668 up";
    let both = |more: &[&str]| {
        let out = plan(&policy, more);
        said(&out.stdout) + &said(&out.stderr)
    };
    for format in [
        &[][..],
        &["--format", "argv"],
        &["--format", "batch"],
        &["--format", "netlink"],
    ] {
        assert!(both(format).contains(first), "{format:?}: {}", both(format));
    }
    assert!(both(&["--json"]).contains(r#""devices_needed":["bsh944a4668"]"#));
    let out = dir.join("plan");
    both(&["--out", out.to_str().unwrap()]);
    let script = std::fs::read_to_string(out.join("apply.sh")).unwrap();
    assert!(
        script
            .contains("ip link add bsh944a4668 type ifb && ip link set bsh944a4668 up\ntc -batch"),
        "{script}"
    );
    // Known by name alone, it has no number that a message could say.
    let seen = file(
        &dir,
        "seen.json",
        r#"{"devices": [{"dev": "v1", "ifindex": 5}, {"dev": "bsh944a4668",
        "qdiscs": [{"kind": "htb", "handle": "1:", "parent": "root", "default": 16}, {"kind": "bfifo", "handle": "10:", "parent": "1:10", "limit_bytes": 68813}],
        "classes": [{"kind": "htb", "classid": "1:10", "parent": "root", "rate_bytes_per_second": 1250000,
          "ceil_bytes_per_second": 1250000, "buffer_ticks": 1638391, "cbuffer_ticks": 1638391, "quantum": 10000, "prio": 0}]}]}"#,
    );
    let out = plan(&policy, &["--observed", &seen, "--format", "netlink"]);
    assert_eq!(
        (out.status.code(), said(&out.stdout).as_str()),
        (Some(2), "")
    );
    assert!(
        said(&out.stderr).contains("bsh944a4668"),
        "{}",
        said(&out.stderr)
    );
}

#[test]
fn a_plan_is_never_one_that_encode_refuses() {
    let dir = folder("encode");
    let policy = |ceiling: &str, burst: &str| {
        let burst = if burst.is_empty() {
            String::new()
        } else {
            format!(", burst = \"{burst}\"")
        };
        let text = format!(
            "[[container]]\nid = \"a\"\nveth = \"v1\"\ningress = {{ ceiling = \"{ceiling}\"{burst} }}\n"
        );
        file(&dir, "p.toml", &text)
    };
    for (ceiling, burst) in [
        ("1719gbit", ""),
        ("1720gbit", ""),
        ("9tbit", ""),
        ("1gbit", "4294967295B"),
        ("48bit", ""),
        ("34000tbit", ""),
    ] {
        for era in ["6.1", "7.1"] {
            let out = plan(
                &policy(ceiling, burst),
                &["--format", "batch", "--era", era],
            );
            assert_eq!(out.status.code(), Some(0), "{ceiling} {burst}");
            let batch = file(&dir, "p.tc", &said(&out.stdout));
            let mut encode = Command::new(env!("CARGO_BIN_EXE_berth"));
            let out = encode
                .args([
                    "shape",
                    "encode",
                    "--batch",
                    &batch,
                    "--era",
                    era,
                    "--ifindex",
                    "v1=5",
                ])
                .output()
                .unwrap();
            assert_eq!(
                out.status.code(),
                Some(0),
                "{ceiling} {burst}: {}",
                said(&out.stderr)
            );
            assert_eq!(said(&out.stdout).matches("\n> ").count(), 3);
        }
    }
    for (ceiling, burst) in [
        ("1gbit", "5GB"),
        ("1720gbit", "4294967296B"),
        ("8mbit", "275MB"),
    ] {
        let out = plan(&policy(ceiling, burst), &["--format", "batch"]);
        assert_eq!(
            (out.status.code(), said(&out.stdout).as_str()),
            (Some(1), ""),
            "{ceiling} {burst}"
        );
        assert!(
            said(&out.stderr).contains("container[0].ingress.burst"),
            "{}",
            said(&out.stderr)
        );
    }
}

#[test]
fn a_container_without_a_veth_is_shaped_where_it_can_be_and_else_refused() {
    let dir = folder("macvlan");
    let policy = |rest: &str| {
        file(
            &dir,
            "p.toml",
            &format!("[[container]]\nid = \"a\"\n{rest}\n"),
        )
    };
    let egress = "egress = { ceiling = \"10mbit\" }";
    for (place, first) in [
        ("netns = \"web\"", "ip netns exec web tc "),
        ("pid = 7", "nsenter --net=/proc/7/ns/net tc "),
    ] {
        let out = plan(
            &policy(&format!("{place}\ndev = \"mv0\"\n{egress}")),
            &["--format", "argv"],
        );
        assert_eq!(out.status.code(), Some(0), "{}", said(&out.stderr));
        let lines = said(&out.stdout);
        assert_eq!(lines.lines().count(), 3);
        assert!(
            lines
                .lines()
                .all(|l| l.starts_with(first) && l.contains(" dev mv0 ")),
            "{lines}"
        );
    }
    for rest in [
        egress,
        "netns = \"web\"\ningress = { ceiling = \"10mbit\" }",
    ] {
        let out = plan(&policy(rest), &["--format", "argv"]);
        assert_eq!(
            (out.status.code(), said(&out.stdout).as_str()),
            (Some(1), ""),
            "{rest}"
        );
        let said = said(&out.stderr);
        assert!(
            said.contains("container[0].veth") && said.contains("macvlan"),
            "{said}"
        );
    }
}
