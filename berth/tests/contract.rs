//! Every key and type that the commands' JSON promises: the answers beside the samples of `contract/`.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use test_support::Need::{Contract, Data};
use test_support::contract::assert_keeps;

/// An empty folder of the test's own.
fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("contract-{name}"));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a folder of the test's own");
    dir
}

/// The status and the JSON of `berth --json` with `args`, run in `dir`.
fn berth(dir: &Path, args: &[&str]) -> (i32, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_berth"))
        .current_dir(dir)
        .arg("--json")
        .args(args)
        .output()
        .expect("berth starts");
    let json = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{args:?}: {e}: {output:?}"));
    (output.status.code().expect("a status"), json)
}

fn ipam() {
    let dir = scratch("ipam");
    let run = |args: &str| {
        let args = format!("ipam --store redb:s.redb {args}");
        berth(&dir, &args.split(' ').collect::<Vec<_>>())
    };
    let done = |args: &str| {
        let (status, answer) = run(args);
        assert_eq!(status, 0, "{args}: {answer}");
        answer
    };
    done(
        "pool add p 10.9.0.0/22 --gateway 10.9.0.1 --exclude 10.9.3.240-10.9.3.255 --quarantine 60s --vlan 120 --label env=prod --order lru",
    );
    let claim = "claim --owner container-1/eth0 --workload shop/web-0 --host h1 --sticky 1h";
    assert_keeps("ipam-claim", &done(claim));
    done("claim --owner container-9/eth0 --host h2 --lease 1ms");
    assert_keeps("ipam-show", &done("show"));
    assert_keeps("ipam-pool-list", &done("pool list"));
    done("host set h1 --address 192.168.1.11/24");
    done("host set h2 --address 192.168.7.4/24");
    assert_keeps("ipam-routes", &done("routes --host h1"));
    // The expired lease is a problem to be listed.
    assert_keeps("ipam-fsck", &run("fsck").1);
    done("fsck --repair");
    assert_keeps("ipam-gc", &done("gc"));
    let (status, error) = run("claim --owner x --pool nope");
    assert_eq!(status, 2);
    assert_keeps("error", &error);
}

fn shape() {
    let dir = scratch("shape");
    let policy = include_str!("fixture/policy.toml");
    let observed = r#"{"devices": [{"netns": null, "dev": "eth0", "ifindex": 2, "gso_max_size": 65536,
        "qdiscs": [{"kind": "tbf", "handle": "8001:", "parent": "root"}], "classes": [], "filters": []}]}"#;
    std::fs::write(dir.join("p.toml"), policy).expect("write");
    std::fs::write(dir.join("o.json"), observed).expect("write");
    let plan = [
        "shape",
        "plan",
        "--desired",
        "p.toml",
        "--observed",
        "o.json",
    ];
    let (status, answer) = berth(&dir, &plan);
    assert_eq!(status, 1, "one container is refused");
    for list in ["ops", "refused", "left_alone"] {
        assert!(
            !answer[list].as_array().expect("a list").is_empty(),
            "{list}: {answer}"
        );
    }
    assert_keeps("shape-plan", &answer);
    let batch = "qdisc add dev d0 root handle 1: htb default 10\nclass add dev d0 parent 1: classid 1:10 htb rate 50mbit\n";
    std::fs::write(dir.join("b.tc"), batch).expect("write");
    let encode = [
        "shape",
        "encode",
        "--batch",
        "b.tc",
        "--era",
        "7.1",
        "--ifindex",
        "d0=3",
    ];
    let output = Command::new(env!("CARGO_BIN_EXE_berth"))
        .current_dir(&dir)
        .args(encode)
        .output()
        .expect("berth starts");
    std::fs::write(dir.join("b.nl"), output.stdout).expect("write");
    let (status, answer) = berth(&dir, &["shape", "decode", "b.nl"]);
    assert_eq!(status, 0);
    // The sample shows a class.
    assert_keeps(
        "shape-decode",
        &json!({"messages": [answer["messages"][1]]}),
    );
}

fn place() {
    let dir = scratch("place");
    let model =
        "1\n1 10\n2\n0 0 20 5 0 1\n1 1 20 30 1 0\n2\n0 0\n0 0\n2\n0 8 1\n1 4 1\n0\n1 10 100\n";
    std::fs::write(dir.join("m"), model).expect("write");
    std::fs::write(dir.join("a"), "0 0\n").expect("write");
    let run = |args: &str| {
        let args = format!("place {args} --model m --assignment a");
        let (status, answer) = berth(&dir, &args.split(' ').collect::<Vec<_>>());
        assert_eq!(status, 0, "{args}: {answer}");
        answer
    };
    assert_keeps(
        "place-solve",
        &run("solve --solution s --evaluations 20000"),
    );
    assert_keeps("place-check", &run("check --solution s"));
    assert_keeps("place-order", &run("order --solution s"));
}

fn replay() {
    let dir = scratch("replay");
    let mut trace =
        String::from("{\"berth_trace\": 1, \"name\": \"small\", \"interval_seconds\": 120}\n");
    for i in 0..12 {
        let (service, low) = (i % 3, 10 + i);
        trace += &format!(
            "{{\"container\": \"c{i}\", \"service\": \"s{service}\", \"cpu_percent\": [{low}, 90, 95, {low}]}}\n"
        );
    }
    std::fs::write(dir.join("t.jsonl"), trace).expect("write");
    let args = "replay --trace t.jsonl --format berth --hosts 3".split(' ');
    let (status, answer) = berth(&dir, &args.collect::<Vec<_>>());
    assert_eq!(status, 0, "{answer}");
    assert_keeps("replay", &answer);
    let (_, error) = berth(&dir, &["replay", "--no-such-option"]);
    assert_keeps("error", &error);
}

/// The first twenty minutes of a recorded day: a whole one is for the release build.
fn a_part_of_a_recorded_day_breaks_nothing() {
    let dir = scratch("planetlab");
    for entry in std::fs::read_dir(DAY.path()).expect("the day") {
        let entry = entry.expect("an entry");
        let text = std::fs::read_to_string(entry.path()).expect("a file");
        let lines: Vec<&str> = text.lines().take(4).collect();
        std::fs::write(dir.join(entry.file_name()), lines.join("\n")).expect("write");
    }
    for warmup in ["on", "off"] {
        let trace = [
            "replay",
            "--trace",
            ".",
            "--format",
            "planetlab",
            "--warmup",
            warmup,
        ];
        let (status, answer) = berth(&dir, &trace);
        assert_eq!(status, 0, "{answer}");
        assert_eq!(
            (answer["containers"].as_u64(), answer["services"].as_u64()),
            (Some(1_052), Some(55))
        );
        assert_eq!(answer["simulated_seconds"], 1_200);
    }
}

const DAY: test_support::Need = Data("planetlab/20110303");

test_support::tests! {
    ipam [
        Contract("ipam-claim"),
        Contract("ipam-show"),
        Contract("ipam-pool-list"),
        Contract("ipam-routes"),
        Contract("ipam-fsck"),
        Contract("ipam-gc"),
        Contract("error"),
    ],
    shape [Contract("shape-plan"), Contract("shape-decode")],
    place [Contract("place-solve"), Contract("place-check"), Contract("place-order")],
    replay [Contract("replay"), Contract("error")],
    a_part_of_a_recorded_day_breaks_nothing [DAY],
}
