//! `berth ipam serve` as a process: it renews, collects, tells what it counts, and ends when it is told to.

use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use test_support::etcd::temporary_folder;
use test_support::running::{Running, http, metric, until};

/// A store in a folder of its own.
struct Store {
    folder: PathBuf,
    name: String,
}

impl Store {
    fn new() -> Self {
        let folder = temporary_folder();
        let name = format!("redb:{}", folder.join("addresses.redb").display());
        let store = Self { folder, name };
        let add = [
            "pool",
            "add",
            "p",
            "10.9.0.0/24",
            "--block-size",
            "28",
            "--quarantine",
            "0s",
        ];
        store.done(&add);
        store
    }

    fn berth(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
        command
            .args(["ipam", "--store", &self.name, "--json"])
            .args(args);
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> (Option<i32>, Value) {
        answer(&self.berth(args).output().expect("berth runs"))
    }

    fn done(&self, args: &[&str]) -> Value {
        let (status, json) = self.run(args);
        assert_eq!(status, Some(0), "{args:?}: {json}");
        json
    }

    fn owners(&self) -> Vec<String> {
        let shown = self.done(&["show"]);
        let claims = shown["claims"].as_array().expect("claims").iter();
        claims
            .map(|c| c["owner"].as_str().expect("a name").to_owned())
            .collect()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn answer(output: &Output) -> (Option<i32>, Value) {
    let text = String::from_utf8_lossy(&output.stdout);
    let json = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {output:?}"));
    (output.status.code(), json)
}

fn start(store: &Store, args: &[&str]) -> Running {
    let common = [
        "serve",
        "--host",
        "h1",
        "--interval",
        "50ms",
        "--collect",
        "50ms",
        "--margin",
        "500ms",
    ];
    let mut service = Running::start(&mut store.berth(&[&common, args].concat()));
    service.hear("serves h1");
    service
}

/// Its answer once it was told to end.
fn end(service: Running, signal: &str) -> Value {
    let (status, json) = answer(&service.end(signal));
    assert_eq!(status, Some(0), "{json}");
    json
}

#[test]
fn leases_of_the_host_are_renewed_and_others_are_not() {
    let store = Store::new();
    for (owner, host) in [("a", "h1"), ("b", "h2")] {
        store.done(&["claim", "--owner", owner, "--host", host, "--lease", "3s"]);
    }
    store.done(&["claim", "--owner", "c", "--host", "h1"]);
    let service = start(&store, &[]);
    until("b expires", || store.owners() == ["a", "c"]);
    let begun = Instant::now();
    until("a is renewed beyond its first lease", || {
        begun.elapsed() > Duration::from_secs(4)
    });
    assert_eq!(store.owners(), ["a", "c"]);
    let answer = end(service, "TERM");
    assert!(answer["renewed"].as_u64() >= Some(2), "{answer}");
    assert_eq!(answer["refused"], 0, "{answer}");
    // Nobody renews it any more.
    until("a expires", || {
        store.done(&["gc"]).is_object() && store.owners() == ["c"]
    });
}

#[test]
fn owners_that_are_not_on_the_list_are_released_and_empty_blocks_given_up() {
    let store = Store::new();
    for (owner, host) in [("a", "h1"), ("b", "h1"), ("c", "h2")] {
        store.done(&["claim", "--owner", owner, "--host", host]);
    }
    let live = store.folder.join("live");
    std::fs::write(&live, "a\nb\n").expect("written");
    let path = live.display().to_string();
    let service = start(&store, &["--live", &path, "--grace", "0s"]);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(
        store.owners(),
        ["a", "b", "c"],
        "h2's owners are not on h1's list"
    );
    std::fs::write(&live, "b\n").expect("written");
    until("a is released", || store.owners() == ["b", "c"]);
    // A list that can't be read says nothing about anybody.
    std::fs::remove_file(&live).expect("removed");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(store.owners(), ["b", "c"]);
    let answer = end(service, "INT");
    assert_eq!(answer["released"], 1, "{answer}");
}

#[test]
fn metrics_are_told_over_http() {
    let store = Store::new();
    store.done(&["claim", "--owner", "a", "--host", "h1"]);
    let service = start(&store, &["--metrics", "127.0.0.1:0"]);
    let said = service
        .heard()
        .iter()
        .find_map(|line| line.split("http://").nth(1));
    let address = said.and_then(|rest| rest.strip_suffix("/metrics"));
    let address = address.expect("an address").to_owned();
    until("the claim is counted", || {
        metric(&address, "berth_ipam_host_claims") == Some(1.0)
    });
    let held = "berth_ipam_addresses{pool=\"p\",state=\"held\"}";
    assert_eq!(metric(&address, held), Some(1.0));
    store.done(&["claim", "--owner", "b", "--host", "h1"]);
    until("another is", || metric(&address, held) == Some(2.0));
    let elsewhere = http(&address, "GET", "/");
    assert!(elsewhere.starts_with("HTTP/1.1 404"), "{elsewhere}");
    let written = http(&address, "POST", "/metrics");
    assert!(written.starts_with("HTTP/1.1 405"), "{written}");
    end(service, "TERM");
}

#[test]
fn who_lost_a_lease_is_told_to_stop() {
    let store = Store::new();
    let claim = store.done(&["claim", "--owner", "a", "--host", "h1", "--lease", "60s"]);
    let sequence = claim["sequence"].to_string();
    let sequence = sequence.trim_matches('"');
    let mut service = start(&store, &[]);
    std::thread::sleep(Duration::from_millis(500));
    store.done(&["release", "--owner", "a", "--sequence", sequence]);
    service.hear("a must stop using its addresses");
    // The store stands still: another process holds it while the lease runs out.
    store.done(&["claim", "--owner", "b", "--host", "h1", "--lease", "2s"]);
    std::thread::sleep(Duration::from_millis(500));
    service.signal("STOP");
    std::thread::sleep(Duration::from_millis(2_500));
    service.signal("CONT");
    service.hear("b must stop using its addresses");
    // The margin takes all of so short a lease.
    store.done(&["claim", "--owner", "c", "--host", "h1", "--lease", "400ms"]);
    service.hear("c must stop using its addresses: its lease of 400ms");
    let answer = end(service, "TERM");
    assert_eq!(answer["refused"], 3, "{answer}");
}

#[test]
fn a_store_that_is_not_there_and_a_metrics_address_in_use_are_told() {
    let store = Store::new();
    let missing = format!("redb:{}", store.folder.join("other").display());
    let elsewhere = Store {
        folder: store.folder.join("none"),
        name: missing,
    };
    let (status, json) = elsewhere.run(&["serve", "--host", "h1"]);
    assert_eq!(status, Some(3), "{json}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let (status, json) = store.run(&["serve", "--host", "h1", "--metrics", &address]);
    assert_eq!(status, Some(3), "{json}");
    assert!(
        json["error"]["where"]
            .as_str()
            .is_some_and(|w| w.contains("--metrics")),
        "{json}"
    );
    let (status, json) = store.run(&["serve", "--host", "h1", "--interval", "1ms"]);
    assert_eq!(status, Some(2), "{json}");
}
