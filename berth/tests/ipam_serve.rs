//! `berth ipam serve` as a process: it renews, collects, tells what it counts, and ends when it is told to.

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use test_support::etcd::temporary_folder;

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

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

/// The service and what it says.
struct Service {
    process: Option<Child>,
    said: Receiver<String>,
    heard: Vec<String>,
}

impl Service {
    fn start(store: &Store, args: &[&str]) -> Self {
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
        let mut command = store.berth(&[&common, args].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("berth runs");
        let lines = BufReader::new(process.stderr.take().expect("piped")).lines();
        let (say, said) = channel();
        std::thread::spawn(move || {
            lines
                .map_while(Result::ok)
                .all(|line| say.send(line).is_ok())
        });
        let mut service = Self {
            process: Some(process),
            said,
            heard: Vec::new(),
        };
        service.hear("serves h1");
        service
    }

    /// Waits until it says something.
    fn hear(&mut self, what: &str) -> String {
        loop {
            match self.said.recv_timeout(LIMIT) {
                Ok(line) if line.contains(what) => return line,
                Ok(line) => self.heard.push(line),
                Err(error) => panic!("{error}: not said: {what}: {:?}", self.heard),
            }
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.process.as_ref().expect("it runs").id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.expect("kill is there").success());
    }

    /// Its answer once it was told to end.
    fn end(mut self, signal: &str) -> Value {
        self.signal(signal);
        let process = self.process.take().expect("it runs");
        let (status, json) = answer(&process.wait_with_output().expect("it ends"));
        assert_eq!(status, Some(0), "{json}");
        json
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn until(what: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < LIMIT, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn get(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

fn metric(address: &str, name: &str) -> f64 {
    let text = get(
        address,
        "GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    );
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    value.unwrap_or_else(|| panic!("no {name}: {text}"))
}

#[test]
fn leases_of_the_host_are_renewed_and_others_are_not() {
    let store = Store::new();
    for (owner, host) in [("a", "h1"), ("b", "h2")] {
        store.done(&["claim", "--owner", owner, "--host", host, "--lease", "3s"]);
    }
    store.done(&["claim", "--owner", "c", "--host", "h1"]);
    let service = Service::start(&store, &[]);
    until("b expires", || store.owners() == ["a", "c"]);
    let begun = Instant::now();
    until("a is renewed beyond its first lease", || {
        begun.elapsed() > Duration::from_secs(4)
    });
    assert_eq!(store.owners(), ["a", "c"]);
    let answer = service.end("TERM");
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
    let service = Service::start(&store, &["--live", &path, "--grace", "0s"]);
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
    let answer = service.end("INT");
    assert_eq!(answer["released"], 1, "{answer}");
}

#[test]
fn metrics_are_told_over_http() {
    let store = Store::new();
    store.done(&["claim", "--owner", "a", "--host", "h1"]);
    let service = Service::start(&store, &["--metrics", "127.0.0.1:0"]);
    let said = service
        .heard
        .iter()
        .find_map(|line| line.split("http://").nth(1));
    let address = said.and_then(|rest| rest.strip_suffix("/metrics"));
    let address = address.expect("an address").to_owned();
    until("the claim is counted", || {
        metric(&address, "berth_ipam_host_claims") == 1.0
    });
    let held = "berth_ipam_addresses{pool=\"p\",state=\"held\"}";
    assert_eq!(metric(&address, held), 1.0);
    store.done(&["claim", "--owner", "b", "--host", "h1"]);
    until("another is", || metric(&address, held) == 2.0);
    let elsewhere = get(
        &address,
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    );
    assert!(elsewhere.starts_with("HTTP/1.1 404"), "{elsewhere}");
    let written = get(
        &address,
        "POST /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    );
    assert!(written.starts_with("HTTP/1.1 405"), "{written}");
    service.end("TERM");
}

#[test]
fn who_lost_a_lease_is_told_to_stop() {
    let store = Store::new();
    let claim = store.done(&["claim", "--owner", "a", "--host", "h1", "--lease", "60s"]);
    let sequence = claim["sequence"].to_string();
    let sequence = sequence.trim_matches('"');
    let mut service = Service::start(&store, &[]);
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
    let answer = service.end("TERM");
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
