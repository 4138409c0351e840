//! `berth ipam --store etcd:URL` as a process, on real etcd.

mod cni;
mod serving;

use cni::two_hosts_share_a_subnet_by_berth_cni;
use serde_json::Value;
use serving::leases_and_quarantines_end_by_etcd_s_clock_whoever_serves;
use std::collections::BTreeSet;
use std::process::{Command, Output, Stdio};
use test_support::authority::Authority;
use test_support::etcd::{ETCD, Etcd, temporary_folder};

fn berth(store: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
    command
        .args(["ipam", "--store", store, "--json"])
        .args(args);
    command
        .env_remove("BERTH_ETCD_PASSWORD")
        .stdin(Stdio::null());
    command
}

/// Status and the one document on standard output.
fn answer(output: &Output) -> (i32, Value) {
    let text = String::from_utf8_lossy(&output.stdout);
    let json = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {output:?}"));
    (output.status.code().expect("a status"), json)
}

fn run(store: &str, args: &[&str]) -> (i32, Value) {
    answer(&berth(store, args).output().expect("berth"))
}

fn done(store: &str, args: &[&str]) -> Value {
    let (status, json) = run(store, args);
    assert_eq!(status, 0, "{args:?}: {json}");
    json
}

fn store_of(etcd: &Etcd) -> String {
    format!("etcd:{}", etcd.url())
}

fn message(json: &Value) -> &str {
    json["error"]["message"].as_str().expect("a message")
}

fn every_command_works_on_etcd() {
    let etcd = Etcd::start(&[]);
    let store = &*store_of(&etcd);
    let sequence = claims_are_made_and_found(store);
    claims_are_renewed_and_released(store, &sequence);
    what_is_dumped_is_loaded_elsewhere(store);
}

/// Returns the fencing token of `c1`.
fn claims_are_made_and_found(store: &str) -> String {
    assert_eq!(
        done(store, &["pool", "list"])["pools"],
        Value::Array(Vec::new())
    );
    done(
        store,
        &["pool", "add", "p", "10.9.0.0/24", "--gateway", "10.9.0.1"],
    );
    let claim = [
        "claim",
        "--owner",
        "c1",
        "--workload",
        "shop/web-0",
        "--host",
        "h1",
    ];
    let first = done(store, &claim);
    let again = done(store, &claim);
    assert_eq!(again["reused"], true, "{again}");
    assert_eq!(again["addresses"], first["addresses"]);
    let address = first["addresses"][0]["address"]
        .as_str()
        .expect("an address")
        .to_owned();
    let bare = address.split('/').next().expect("an address");
    assert!(bare.starts_with("10.9.0."), "{first}");
    done(store, &["claim", "--owner", "c2", "--host", "h2"]);
    assert_eq!(
        done(store, &["show"])["claims"].as_array().map(Vec::len),
        Some(2)
    );
    assert_eq!(done(store, &["who", bare])["owner"], "c1");
    done(store, &["explain", "--owner", "c3", "--host", "h1"]);
    first["sequence"].to_string()
}

fn claims_are_renewed_and_released(store: &str, sequence: &str) {
    done(
        store,
        &[
            "renew",
            "--owner",
            "c1",
            "--sequence",
            sequence,
            "--lease",
            "1h",
        ],
    );
    done(
        store,
        &[
            "reserve",
            "--workload",
            "shop/db-0",
            "--address",
            "10.9.0.200",
        ],
    );
    done(store, &["routes", "--host", "h1"]);
    let (status, stale) = run(store, &["release", "--owner", "c1", "--sequence", "999"]);
    assert_eq!(
        (status, &stale["error"]["kind"]),
        (1, &Value::from("stale"))
    );
    done(store, &["release", "--owner", "c1", "--sequence", sequence]);
    done(store, &["gc"]);
    assert_eq!(done(store, &["fsck"])["problems"], Value::Array(Vec::new()));
}

/// Into another store of the same etcd, and dumped from there alike.
fn what_is_dumped_is_loaded_elsewhere(store: &str) {
    let dump = berth(store, &["dump"]).output().expect("berth");
    let folder = temporary_folder();
    let file = folder.join("dump.json");
    std::fs::write(&file, &dump.stdout).expect("a file");
    let file = file.display().to_string();
    let copy = ["--etcd-prefix", "/copy"];
    done(store, &[&copy[..], &["load", &file]].concat());
    let again = berth(store, &[&copy[..], &["dump"]].concat())
        .output()
        .expect("berth");
    // But for the first one, which says where fencing tokens go on.
    let records = |output: &Output| match &answer(output).1["records"] {
        Value::Array(records) => records[1..].to_vec(),
        other => panic!("{other}"),
    };
    assert!(records(&dump).len() > 4);
    assert_eq!(records(&again), records(&dump));
    let (status, full) = run(store, &["load", &file]);
    assert_eq!(status, 1, "a store that is not empty: {full}");
    done(store, &["load", "--replace", &file]);
    std::fs::remove_dir_all(folder).expect("cleaned up");
}

fn processes_that_claim_at_once_are_given_different_addresses() {
    let etcd = Etcd::start(&[]);
    let store = &*store_of(&etcd);
    done(store, &["pool", "add", "p", "10.9.0.0/24"]);
    let start = |i: u32| {
        let (owner, host) = (format!("c{i}"), format!("h{}", i % 2));
        let mut command = berth(store, &["claim", "--owner", &owner, "--host", &host]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("berth")
    };
    let processes: Vec<_> = (0..8).map(start).collect();
    let mut given = BTreeSet::new();
    for process in processes {
        let output = process.wait_with_output().expect("it ends");
        let (status, json) = answer(&output);
        assert_eq!(status, 0, "{json}");
        given.insert(json["addresses"][0]["address"].to_string());
    }
    assert_eq!(given.len(), 8, "{given:?}");
    assert_eq!(
        done(store, &["show"])["claims"].as_array().map(Vec::len),
        Some(8)
    );
    done(store, &["fsck"]);
}

fn one_member_of_several_is_enough() {
    let mut members = Etcd::cluster(3, &[]);
    let urls: Vec<String> = members.iter().map(Etcd::url).collect();
    let store = &*format!("etcd:{}", urls.join(","));
    done(store, &["pool", "add", "p", "10.9.0.0/24"]);
    let held = done(store, &["claim", "--owner", "c1"]);
    members[0].kill();
    let again = done(store, &["claim", "--owner", "c1"]);
    assert_eq!(again["addresses"], held["addresses"]);
    // Without a majority nothing is decided, and the answer comes in time.
    members[1].kill();
    let (status, json) = run(store, &["--lock-wait", "2s", "claim", "--owner", "c2"]);
    assert_eq!(
        (status, &json["error"]["kind"]),
        (3, &Value::from("io")),
        "{json}"
    );
}

fn a_password_comes_from_the_environment_or_a_file() {
    let etcd = Etcd::start(&[]);
    for (path, json) in [
        ("user/add", r#"{"name": "root", "password": "secret"}"#),
        ("user/grant", r#"{"user": "root", "role": "root"}"#),
        ("enable", "{}"),
    ] {
        let _ = etcd.post(&format!("/v3/auth/{path}"), json);
    }
    let store = &*store_of(&etcd);
    let user = |rest: &[&'static str]| [&["--etcd-user", "root"], rest].concat();
    let (status, json) = run(store, &["pool", "list"]);
    assert_eq!(status, 3, "{json}");
    assert!(
        message(&json).contains("wants a user and a password"),
        "{json}"
    );
    let (status, json) = run(store, &user(&["pool", "list"]));
    assert_eq!(status, 2, "{json}");
    assert!(message(&json).contains("BERTH_ETCD_PASSWORD"), "{json}");
    let with = |password: &str| {
        let mut command = berth(store, &user(&["pool", "list"]));
        answer(
            &command
                .env("BERTH_ETCD_PASSWORD", password)
                .output()
                .expect("berth"),
        )
    };
    let (status, json) = with("guess");
    assert_eq!(status, 3, "{json}");
    assert_eq!(with("secret").0, 0);
    let folder = temporary_folder();
    let file = folder.join("password");
    std::fs::write(&file, "secret\n").expect("a file");
    let file = file.display().to_string();
    let args = [
        "--etcd-user",
        "root",
        "--etcd-password-file",
        &file,
        "pool",
        "list",
    ];
    done(store, &args);
    std::fs::remove_dir_all(folder).expect("cleaned up");
}

fn certificates_come_from_files() {
    let authority = Authority::new();
    let folder = temporary_folder();
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let ca = file("ca.pem", authority.certificate());
    let (certificate, key) = authority.sign("127.0.0.1");
    let arguments = [
        format!("--cert-file={}", file("server.pem", &certificate)),
        format!("--key-file={}", file("server.key", &key)),
        format!("--trusted-ca-file={ca}"),
        "--client-cert-auth".to_owned(),
    ];
    let etcd = Etcd::start(&arguments.each_ref().map(|a| &**a));
    let store = &*store_of(&etcd);
    assert!(store.starts_with("etcd:https://"));
    let (certificate, key) = authority.sign("berth");
    let (certificate, key) = (file("berth.pem", &certificate), file("berth.key", &key));
    let known = [
        "--etcd-ca",
        &ca,
        "--etcd-cert",
        &certificate,
        "--etcd-key",
        &key,
    ];
    done(
        store,
        &[&known[..], &["pool", "add", "p", "10.9.0.0/24"]].concat(),
    );
    done(store, &[&known[..], &["claim", "--owner", "c1"]].concat());
    let anonymous = ["--lock-wait", "1s", "--etcd-ca", &ca, "pool", "list"];
    assert_eq!(run(store, &anonymous).0, 3);
    // The key of another certificate.
    let mixed = [
        "--etcd-ca",
        &ca,
        "--etcd-cert",
        &certificate,
        "--etcd-key",
        &ca,
        "pool",
        "list",
    ];
    let (status, json) = run(store, &mixed);
    assert_eq!(
        (status, &json["error"]["where"]),
        (2, &Value::from("--etcd-ca")),
        "{json}"
    );
    std::fs::remove_dir_all(folder).expect("cleaned up");
}

/// Each exits 2 and names the option, before anything is sent.
fn mistakes_are_told_before_etcd_is_asked() {
    let missing = "/nonexistent/file";
    for (store, args, option) in [
        ("etcd:ftp://h:1", &["pool", "list"][..], "--store"),
        ("etcd:", &["pool", "list"], "--store"),
        ("etcd:http://h:1,", &["pool", "list"], "--store"),
        ("etcd:https://h:1", &["pool", "list"], "--etcd-ca"),
        (
            "etcd:http://h:1",
            &["--etcd-cert", missing, "pool", "list"],
            "--etcd-cert",
        ),
        (
            "etcd:http://h:1",
            &["--etcd-key", missing, "pool", "list"],
            "--etcd-key",
        ),
        (
            "etcd:http://h:1",
            &["--etcd-password-file", missing, "pool", "list"],
            "--etcd-password-file",
        ),
        (
            "memory",
            &["--etcd-prefix", "/p", "pool", "list"],
            "--etcd-prefix",
        ),
    ] {
        let (status, json) = run(store, args);
        assert_eq!(
            (status, &json["error"]["where"]),
            (2, &Value::from(option)),
            "{json}"
        );
    }
    let (status, json) = run("etcd:https://h:1", &["--etcd-ca", missing, "pool", "list"]);
    assert_eq!(status, 3, "{json}");
}

test_support::tests! {
    two_hosts_share_a_subnet_by_berth_cni [ETCD],
    leases_and_quarantines_end_by_etcd_s_clock_whoever_serves [ETCD],
    every_command_works_on_etcd [ETCD],
    processes_that_claim_at_once_are_given_different_addresses [ETCD],
    one_member_of_several_is_enough [ETCD],
    a_password_comes_from_the_environment_or_a_file [ETCD],
    certificates_come_from_files [ETCD],
    mistakes_are_told_before_etcd_is_asked [],
}
