//! `berth ipam` as a process: exit statuses, answers, several processes at once.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

struct Store(PathBuf);

impl Store {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("berth-ipam-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn output(&self, args: &[&str]) -> Output {
        let store = format!("redb:{}", self.0.join("s.redb").display());
        let program = env!("CARGO_BIN_EXE_berth");
        Command::new(program)
            .args(["ipam", "--store", &store, "--json"])
            .args(args)
            .output()
            .expect("berth")
    }

    /// Status and the one document on standard output.
    fn run(&self, args: &[&str]) -> (i32, Value) {
        let output = self.output(args);
        let text = String::from_utf8(output.stdout).expect("text");
        assert_eq!(text.trim_end().lines().count(), 1, "{args:?}: {text}");
        let json = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{args:?}: {e}: {text}"));
        (output.status.code().expect("a status"), json)
    }

    fn done(&self, args: &[&str]) -> Value {
        let (status, json) = self.run(args);
        assert_eq!(status, 0, "{args:?}: {json}");
        json
    }

    fn pool(&self) {
        self.done(&[
            "pool",
            "add",
            "p",
            "10.9.0.0/22",
            "--gateway",
            "10.9.0.1",
            "--exclude",
            "10.9.3.240-10.9.3.255",
            "--quarantine",
            "60s",
            "--vlan",
            "120",
            "--label",
            "env=prod",
            "--order",
            "lru",
        ]);
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn an_expired_lease_is_found_repaired_and_told_by_status() {
    let store = Store::new("expired");
    store.pool();
    store.done(&["claim", "--owner", "container-9/eth0", "--lease", "1ms"]);
    let (status, found) = store.run(&["fsck"]);
    assert_eq!(
        (status, &found["problems"][0]["kind"]),
        (1, &"expired".into()),
        "{found}"
    );
    assert_eq!(store.run(&["fsck", "--repair"]).0, 0);
    assert_eq!(store.run(&["fsck"]).0, 0);
}

#[test]
fn routes_lead_to_the_other_hosts() {
    let store = Store::new("routes");
    store.pool();
    for (host, address) in [("h1", "192.168.1.11/24"), ("h2", "192.168.7.4/24")] {
        store.done(&["claim", "--owner", host, "--host", host]);
        store.done(&["host", "set", host, "--address", address]);
    }
    let routes = store.done(&["routes", "--host", "h1"]);
    assert_eq!(routes["routes"][0]["encapsulation"], "ipip");
    assert_eq!(routes["routes"][0]["via"], "192.168.7.4");
}

#[test]
fn a_claim_is_idempotent_and_a_late_release_frees_nothing() {
    let store = Store::new("claims");
    store.pool();
    let claim = [
        "claim",
        "--owner",
        "c1/eth0",
        "--workload",
        "shop/web-0",
        "--fixed",
    ];
    let first = store.done(&claim);
    assert_eq!(store.done(&claim)["sequence"], first["sequence"]);
    let (status, error) = store.run(&["claim", "--owner", "c1/eth0", "--workload", "shop/other"]);
    assert_eq!((status, &error["error"]["kind"]), (1, &"different".into()));
    store.done(&["release", "--owner", "c1/eth0"]);
    let second = store.done(&claim);
    assert_eq!(
        second["addresses"], first["addresses"],
        "a fixed address comes back"
    );
    let old = first["sequence"].to_string();
    let (status, error) = store.run(&["release", "--owner", "c1/eth0", "--sequence", &old]);
    assert_eq!((status, &error["error"]["kind"]), (1, &"stale".into()));
    assert_eq!(
        store.done(&["show"])["claims"].as_array().map(Vec::len),
        Some(1)
    );
}

#[test]
fn exhaustion_says_which_pools_were_considered() {
    let store = Store::new("exhausted");
    store.done(&["pool", "add", "tiny", "10.0.0.0/30"]);
    for owner in ["a", "b"] {
        store.done(&["claim", "--owner", owner]);
    }
    let (status, error) = store.run(&["claim", "--owner", "c", "--pool", "tiny"]);
    let message = error["error"]["message"].as_str().unwrap_or_default();
    assert_eq!((status, &error["error"]["kind"]), (1, &"exhausted".into()));
    assert!(message.contains("`tiny` is full: 2 held"), "{message}");
    assert_eq!(error["error"]["where"], "--pool tiny");
}

#[test]
fn a_dump_loads_into_the_same_state() {
    let (one, two) = (Store::new("dump"), Store::new("load"));
    one.pool();
    one.done(&[
        "claim",
        "--owner",
        "c1",
        "--workload",
        "w",
        "--host",
        "h1",
        "--sticky",
        "1h",
    ]);
    one.done(&["claim", "--owner", "c2", "--host", "h2"]);
    one.done(&["release", "--owner", "c2"]);
    let file = one.0.join("dump.json");
    std::fs::write(&file, one.done(&["dump"]).to_string()).expect("a file");
    let path = file.to_str().expect("a path");
    two.done(&["load", path]);
    assert_eq!(two.done(&["show"]), one.done(&["show"]));
    assert_eq!(
        two.run(&["load", path]).0,
        1,
        "a store that is not empty is left alone"
    );
    std::fs::write(
        &file,
        "{\"version\": 1, \"records\": [{\"record\": \"nonsense\"}]}",
    )
    .expect("a file");
    assert_eq!(two.run(&["load", path, "--replace"]).0, 2);
    assert_eq!(
        two.done(&["show"]),
        one.done(&["show"]),
        "a bad dump changed something"
    );
}

#[test]
fn processes_take_turns_and_get_different_addresses() {
    let store = Store::new("turns");
    store.pool();
    let claims: Vec<Value> = std::thread::scope(|scope| {
        let one = |i: usize| {
            let store = &store;
            scope.spawn(move || store.done(&["claim", "--owner", &format!("c{i}"), "--host", "h1"]))
        };
        let handles: Vec<_> = (0..8).map(one).collect();
        handles
            .into_iter()
            .map(|h| h.join().expect("a process"))
            .collect()
    });
    let mut addresses: Vec<String> = claims
        .iter()
        .map(|c| c["addresses"][0]["address"].to_string())
        .collect();
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 8);
}

#[test]
fn bad_usage_is_status_2_and_a_bad_store_3() {
    let program = env!("CARGO_BIN_EXE_berth");
    let status = |args: &[&str]| {
        Command::new(program)
            .arg("ipam")
            .args(args)
            .output()
            .expect("berth")
            .status
            .code()
    };
    assert_eq!(status(&["--store", "sqlite:x", "show"]), Some(2));
    assert_eq!(status(&["--store", "memory", "claim"]), Some(2));
    assert_eq!(
        status(&["--store", "memory", "pool", "add", "p", "10.0.0.1/24"]),
        Some(2)
    );
    assert_eq!(
        status(&["--store", "memory", "pool", "add", "p", "10.0.0.0/7"]),
        Some(2)
    );
    // A gateway that no host of the pool reaches, or that no host may have.
    for (gateway, wanted) in [
        ("10.1.0.1", 2),
        ("10.0.0.0", 2),
        ("10.0.0.255", 2),
        ("fd00::1", 2),
        ("10.0.0.1", 0),
        ("169.254.1.1", 0),
    ] {
        let memory = ["--store", "memory"];
        let add = ["pool", "add", "p", "10.0.0.0/24", "--gateway", gateway];
        let args = [&memory[..], &add[..]].concat();
        assert_eq!(status(&args), Some(wanted), "{gateway}");
    }
    let bad_pools: [&[&str]; 8] = [
        &["10.0.0.0/24", "--block-size", "0"],
        &["10.0.0.0/24", "--block-size", "33"],
        &["10.0.0.0/24", "--block-size", "256"],
        &["10.0.0.0/24", "--vlan", "4095"],
        &["10.0.0.0/24", "--exclude", "10.0.0.9-10.0.0.3"],
        &["10.0.0.0/24", "--exclude", "10.9.0.1"],
        &["10.0.0.0/24", "--quarantine", "1y"],
        &["0.0.0.0/0"],
    ];
    for pool in bad_pools {
        let args = [&["--store", "memory", "pool", "add", "p"], pool].concat();
        assert_eq!(status(&args), Some(2), "{pool:?}");
    }
    let missing = Path::new("/nonexistent/folder/s.redb");
    assert_eq!(
        status(&["--store", &format!("redb:{}", missing.display()), "show"]),
        Some(3)
    );
    assert_eq!(status(&["--store", "memory", "pool", "list"]), Some(0));
}
