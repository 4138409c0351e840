//! `berth ipam`: the commands that look and that change many claims at once, the store that must be named, and
//! exit statuses that are alike for alike mistakes.

mod mistakes;

use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Command, Output};

struct Store(PathBuf);

impl Store {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("berth-commands-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn run(&self, args: &[&str]) -> (i32, Value) {
        let store = format!("redb:{}", self.0.join("s.redb").display());
        // Where hosts' blocks start is the seed's doing.
        let output = berth(&[&["--store", &store, "--json", "--seed", "7"], args].concat());
        let json = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{args:?}: {e}: {output:?}"));
        (output.status.code().expect("a status"), json)
    }

    fn done(&self, args: &[&str]) -> Value {
        let (status, json) = self.run(args);
        assert_eq!(status, 0, "{args:?}: {json}");
        json
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn berth(args: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_berth");
    let mut command = Command::new(program);
    command.arg("ipam").args(args).output().expect("berth")
}

fn filled(name: &str) -> Store {
    let store = Store::new(name);
    store.done(&[
        "pool",
        "add",
        "p",
        "10.9.0.0/24",
        "--gateway",
        "10.9.0.1",
        "--exclude",
        "10.9.0.240-10.9.0.255",
    ]);
    for (owner, workload, host) in [
        ("a", "shop/w", "h1"),
        ("b", "shop/w", "h1"),
        ("c", "shop/x", "h2"),
    ] {
        let interface = if owner == "b" { "net1" } else { "eth0" };
        store.done(&[
            "claim",
            "--owner",
            owner,
            "--workload",
            workload,
            "--interface",
            interface,
            "--host",
            host,
            "--sticky",
            "1h",
            "--lease",
            "1h",
        ]);
    }
    store
}

/// `sample` with the keys of `answer`, and the same types: the answer's form is the sample's.
#[track_caller]
fn like(answer: &Value, sample: &Value) {
    let kind = |v: &Value| std::mem::discriminant(v);
    match (answer, sample) {
        (Value::Object(answer), Value::Object(sample)) => {
            let keys = |o: &serde_json::Map<String, Value>| o.keys().cloned().collect::<Vec<_>>();
            assert_eq!(keys(answer), keys(sample));
            answer
                .iter()
                .for_each(|(key, value)| like(value, &sample[key]));
        }
        (Value::Array(answer), Value::Array(sample)) => {
            answer.iter().for_each(|value| like(value, &sample[0]));
        }
        _ => assert_eq!(kind(answer), kind(sample), "{answer} beside {sample}"),
    }
}

#[test]
fn who_tells_the_state_of_an_address() {
    let store = filled("who");
    let shown = store.done(&["show", "--owner", "a"]);
    let address = shown["claims"][0]["addresses"][0]["address"].as_str();
    let held = store.done(&["who", address.expect("an address")]);
    like(
        &held,
        &json!({
            "address": "10.9.0.2", "pool": "p", "state": "held", "owner": "a", "workload": "shop/w", "interface": "eth0",
            "host": "h1", "sequence": 2, "until_unix_ns": 1, "reason": null,
        }),
    );
    assert_eq!(
        (&held["owner"], &held["state"]),
        (&"a".into(), &"held".into())
    );
    store.done(&["release", "--owner", "c"]);
    let plain = store.done(&["claim", "--owner", "d", "--host", "h2"]);
    store.done(&["release", "--owner", "d"]);
    let rested = plain["addresses"][0]["address"]
        .as_str()
        .expect("an address");
    let kept = store.done(&[
        "explain",
        "--owner",
        "e",
        "--workload",
        "shop/x",
        "--host",
        "h2",
        "--sticky",
        "1h",
    ]);
    let kept = kept["addresses"][0]["address"]
        .as_str()
        .expect("an address");
    for (address, state) in [
        (kept, "kept"),
        (rested, "quarantine"),
        ("10.9.0.200", "free"),
        ("10.9.0.1", "excluded"),
        ("10.9.0.250", "excluded"),
    ] {
        let answer = store.done(&["who", address]);
        assert_eq!(answer["state"], state, "{address}: {answer}");
    }
    let (status, error) = store.run(&["who", "192.168.0.1"]);
    assert_eq!((status, &error["error"]["kind"]), (2, &"no_pool".into()));
}

#[test]
fn explain_says_what_a_claim_would_get_and_changes_nothing() {
    let store = filled("explain");
    let before = store.done(&["dump"]);
    let would = store.done(&["explain", "--owner", "z", "--host", "h1"]);
    like(
        &would,
        &json!({
            "owner": "z", "granted": true, "kind": null, "explanation": "", "considered": [{"pool": "p", "reason": ""}],
            "addresses": [{"address": "10.9.0.4", "prefix_length": 24, "pool": "p", "gateway": "10.9.0.1", "vlan": null, "bridge": null}],
        }),
    );
    let (status, not) = store.run(&["explain", "--owner", "z", "--label", "env=prod"]);
    assert_eq!(
        (status, &not["kind"], &not["granted"]),
        (1, &"exhausted".into(), &false.into())
    );
    assert_eq!(
        not["considered"],
        json!([{"pool": "p", "reason": "has no label env=prod"}])
    );
    assert_eq!(
        store.run(&["explain", "--owner", "z", "--pool", "nope"]).0,
        2
    );
    assert_eq!(store.done(&["dump"]), before);
    let got = store.done(&["claim", "--owner", "z", "--host", "h1"]);
    assert_eq!(got["addresses"], would["addresses"]);
}

#[test]
fn a_host_s_and_a_workload_s_claims_are_renewed_and_released_together() {
    let store = filled("together");
    let renewed = store.done(&["renew", "--host", "h1", "--lease", "2h"]);
    let one = json!({"owner": "a", "sequence": 2, "until_unix_ns": 1});
    like(
        &renewed,
        &json!({"host": "h1", "renewed": [one], "refused": [{"owner": "", "kind": "", "message": ""}]}),
    );
    let owners = |v: &Value| -> Vec<String> {
        let list = v.as_array().expect("a list").iter();
        list.map(|v| v["owner"].as_str().expect("a name").to_owned())
            .collect()
    };
    assert_eq!(owners(&renewed["renewed"]), ["a", "b"]);
    let renewed = store.done(&[
        "renew",
        "--workload",
        "shop/w",
        "--interface",
        "net1",
        "--lease",
        "1ms",
    ]);
    assert_eq!(owners(&renewed["renewed"]), ["b"]);
    std::thread::sleep(std::time::Duration::from_millis(5));
    let (status, partly) = store.run(&["renew", "--workload", "shop/w"]);
    assert_eq!(
        (
            status,
            owners(&partly["renewed"]),
            owners(&partly["refused"])
        ),
        (1, vec!["a".into()], vec!["b".into()])
    );
    assert_eq!(partly["refused"][0]["kind"], "expired");
    let released = store.done(&["release", "--workload", "shop/w"]);
    like(
        &released,
        &json!({"workload": "shop/w", "released": [{"owner": "a", "sequence": 2}]}),
    );
    assert_eq!(owners(&released["released"]), ["a", "b"]);
    let released = store.done(&["release", "--host", "h2"]);
    assert_eq!(owners(&released["released"]), ["c"]);
    for args in [
        ["release", "--host", "h2"],
        ["renew", "--host", "h2"],
        ["release", "--workload", "shop/w"],
    ] {
        let (status, error) = store.run(&args);
        assert_eq!(
            (status, &error["error"]["kind"]),
            (1, &"not_held".into()),
            "{args:?}"
        );
    }
}

#[test]
fn a_live_pool_is_changed() {
    let store = filled("change");
    let changed = store.done(&[
        "pool",
        "change",
        "p",
        "--gateway",
        "10.9.0.9",
        "--include",
        "10.9.0.240-10.9.0.255",
        "--exclude",
        "10.9.0.16/28",
        "--label",
        "env=prod",
        "--quarantine",
        "5s",
    ]);
    assert_eq!(
        (&changed["gateway"], &changed["labels"]["env"]),
        (&"10.9.0.9".into(), &"prod".into())
    );
    assert_eq!(changed["quarantine_seconds"], 5);
    assert_eq!(store.done(&["pool", "list"])["pools"][0], changed);
    assert_eq!(store.done(&["who", "10.9.0.250"])["state"], "free");
    assert_eq!(store.done(&["who", "10.9.0.20"])["state"], "excluded");
    let shown = store.done(&["show", "--owner", "a"]);
    let address = shown["claims"][0]["addresses"][0]["address"].as_str();
    let held = address.expect("an address");
    let (status, error) = store.run(&["pool", "change", "p", "--exclude", held]);
    assert_eq!((status, &error["error"]["kind"]), (1, &"in_use".into()));
    assert_eq!(
        store
            .run(&["pool", "change", "p", "--include", "10.9.0.77"])
            .0,
        2
    );
    assert_eq!(
        store.done(&["show"])["claims"].as_array().map(Vec::len),
        Some(3)
    );
}

#[test]
fn quarantine_outlives_the_pool() {
    let store = Store::new("outlives");
    let add = |quarantine: &str| {
        store.done(&[
            "pool",
            "add",
            "p",
            "10.9.0.0/30",
            "--order",
            "lowest",
            "--quarantine",
            quarantine,
        ])
    };
    add("1h");
    let first = store.done(&["claim", "--owner", "a"])["addresses"][0]["address"].clone();
    store.done(&["release", "--owner", "a"]);
    store.done(&["pool", "rm", "p"]);
    add("0s");
    let second = store.done(&["claim", "--owner", "b"])["addresses"][0]["address"].clone();
    assert_ne!(first, second);
    let (status, error) = store.run(&["claim", "--owner", "c"]);
    assert_eq!((status, &error["error"]["kind"]), (1, &"exhausted".into()));
}
