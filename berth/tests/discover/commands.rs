//! The driver without a proxy: its source, its state, its operator.

use crate::world::World;
use serde_json::{Value, json};
use std::process::Command;
use std::time::{Duration, Instant};
use test_support::proxies::Backend;
use test_support::running::{metric, until};

/// What the sink's file says of the endpoint at an address: health and weight.
fn written(world: &World, address: &str) -> Option<(String, u64)> {
    let text = std::fs::read_to_string(world.folder.join("eds.json")).ok()?;
    let json: Value = serde_json::from_str(&text).expect("whole JSON at any moment");
    let assignments = json["resources"].as_array()?;
    let localities = assignments
        .iter()
        .flat_map(|r| r["endpoints"].as_array().expect("a list"));
    let mut hosts = localities.flat_map(|l| l["lb_endpoints"].as_array().expect("a list"));
    hosts.find_map(|host| {
        let socket = &host["endpoint"]["address"]["socket_address"];
        let there = format!("{}:{}", socket["address"].as_str()?, socket["port_value"]);
        let health = host["health_status"].as_str()?.to_owned();
        (there == address).then_some((health, host["load_balancing_weight"].as_u64()?))
    })
}

fn until_written(world: &World, address: &str, expected: Option<(&str, u64)>) {
    let expected = expected.map(|(health, weight)| (health.to_owned(), weight));
    until(&format!("{address}: {expected:?}"), || {
        written(world, address) == expected
    });
}

pub(crate) fn what_is_refused_at_the_start_is_told() {
    let world = World::new(1);
    let all = world.endpoints();
    let mut nowhere = all[0].clone();
    (nowhere["id"], nowhere["node"]) = (json!("web-9"), json!(""));
    world.source(&world.web(&[nowhere, all[0].clone()], 0.3));
    let mut driver = world.start("envoy-file:eds.json", &[]);
    driver.hear("endpoint \"web-9\": a name has 0 bytes");
    until_written(
        &world,
        &world.backends[0].address.to_string(),
        Some(("HEALTHY", 100_000)),
    );
}

pub(crate) fn a_source_is_followed_and_bad_records_stop_no_other() {
    let mut world = World::new(3);
    let all = world.endpoints();
    world.source(&world.web(&all[..2], 0.3));
    let mut driver = world.start("envoy-file:eds.json", &[]);
    let address: Vec<String> = world
        .backends
        .iter()
        .map(|b| b.address.to_string())
        .collect();
    until_written(&world, &address[0], Some(("HEALTHY", 100_000)));
    until_written(&world, &address[1], Some(("HEALTHY", 100_000)));
    // A file that is no JSON, and one that is gone, change nothing.
    world.write("{\"services\": [");
    driver.hear("EOF while parsing");
    std::fs::remove_file(world.folder.join("source.json")).expect("removed");
    driver.hear("No such file");
    assert_eq!(
        written(&world, &address[0]),
        Some(("HEALTHY".into(), 100_000))
    );
    // One record cannot be read: its endpoint stays as it is, and the new one is there.
    let mut bad = all[0].clone();
    bad["weight"] = json!("heavy");
    let mut nowhere = all[2].clone();
    (nowhere["id"], nowhere["node"]) = (json!("web-9"), json!(""));
    let mut odd = all[2].clone();
    odd["wieght"] = json!(7);
    world.source(&world.web(&[bad, nowhere, all[1].clone(), odd], 0.3));
    driver.hear("endpoint \"web-9\": a name has 0 bytes");
    driver.hear("endpoints[0].weight: invalid type");
    until_written(&world, &address[2], Some(("HEALTHY", 100_000)));
    assert_eq!(
        written(&world, &address[0]),
        Some(("HEALTHY".into(), 100_000))
    );
    // One that is on its way out, one that fails.
    let mut leaving = all[1].clone();
    (leaving["ready"], leaving["terminating"]) = (json!(false), json!(true));
    world.source(&world.web(&[all[0].clone(), leaving, all[2].clone()], 0.3));
    until_written(&world, &address[1], Some(("DRAINING", 1)));
    drop(world.backends.remove(2));
    until_written(&world, &address[2], Some(("UNHEALTHY", 1)));
    // In place, not by rename.
    let text = json!({"services": [world.web(&all[..1], 0.3)]}).to_string();
    std::fs::write(world.folder.join("source.json"), text).expect("written");
    until_written(&world, &address[1], None);
    assert!(driver.end("TERM").status.success());
}

pub(crate) fn drains_outlive_the_driver_and_the_endpoint() {
    let world = World::new(3);
    let all = world.endpoints();
    world.source(&world.web(&all, 0.2));
    let driver = world.start("stdout", &[]);
    world.until_weight("web-0", 100.0);
    world.until_weight("web-1", 100.0);
    let drained = world.done(&["drain", "--endpoint", "web-0"]);
    assert_eq!(drained["endpoints"], 1, "{drained}");
    world.until_weight("web-0", 0.0);
    driver.kill();
    let driver = world.start("stdout", &[]);
    world.source(&world.web(&all[1..], 0.2));
    until("it is gone", || world.endpoint("web-0").is_null());
    world.source(&world.web(&all, 0.2));
    until("it is back", || {
        world.endpoint("web-0")["status"] == "draining"
    });
    assert_eq!(world.weight("web-0"), 0.0);
    assert!(driver.end("INT").status.success());
    let _driver = world.start("stdout", &[]);
    assert_eq!(world.weight("web-0"), 0.0);
    world.done(&["undrain", "--endpoint", "web-0"]);
    world.until_weight("web-0", 100.0);
    world.done(&["drain", "--node", "n1"]);
    world.until_weight("web-1", 0.0);
    world.done(&["drain", "--region", "north", "--over", "2s"]);
    until("a region leaves step by step", || {
        let weight = world.weight("web-2");
        weight > 0.0 && weight < 100.0
    });
}

pub(crate) fn mistakes_are_told_with_their_status() {
    let world = World::new(1);
    let run = |args: &[&str]| {
        let output = world.berth(args).output().expect("berth runs");
        let json: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        (output.status.code(), json["error"]["kind"].clone())
    };
    let drain = ["drain", "--endpoint", "web-0", "--control", "none.sock"];
    assert_eq!(run(&drain), (Some(3), json!("no_driver")));
    assert_eq!(run(&["drain", "--endpoint", "a", "--node", "b"]).0, Some(2));
    assert_eq!(run(&["drain", "--control", "none.sock"]).0, Some(2));
    assert_eq!(run(&["show"]).0, Some(2));
    let source = ["run", "--source", "file:source.json", "--sink"];
    let with = |sink: &'static str| run(&[&source[..], &[sink]].concat()).0;
    assert_eq!(with("stdout"), Some(3), "no source");
    assert_eq!(with("envoy:x"), Some(2));
    world.write("{}");
    assert_eq!(with("stdout"), Some(2));
    world.source(&world.web(&world.endpoints(), 0.2));
    assert_eq!(
        run(&["run", "--source", "pigeon:x", "--sink", "stdout"]).0,
        Some(2)
    );
    let _driver = world.start("stdout", &[]);
    world.until_weight("web-0", 100.0);
    for unknown in [
        ["drain", "--endpoint", "web-9"],
        ["undrain", "--endpoint", "web-9"],
        ["drain", "--node", "n9"],
        ["drain", "--region", "east"],
    ] {
        let (status, json) = world.ask(&unknown);
        assert_eq!(
            (status, &json["error"]["kind"]),
            (Some(1), &json!("unknown")),
            "{unknown:?}"
        );
    }
    assert_eq!(world.ask(&["confirm", "shop"]).0, Some(1));
    // Another driver has the state.
    let state = world.path("state");
    let other = ["--state", &state, "--control", "other.sock"];
    assert_eq!(run(&[&source[..], &["stdout"], &other].concat()).0, Some(3));
    // Only the user that runs it may connect.
    use std::os::unix::fs::PermissionsExt as _;
    let socket = std::fs::metadata(world.path("state.sock")).expect("a socket");
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
}

pub(crate) fn a_killed_driver_goes_on_where_it_was() {
    let world = World::new(2);
    world.source(&world.web(&world.endpoints(), 20.0));
    let driver = world.start("envoy-file:eds.json", &[]);
    let begun = Instant::now();
    until("it warms up", || world.weight("web-0") >= 20.0);
    let passed = begun.elapsed();
    driver.kill();
    let before = std::fs::read_to_string(world.path("eds.json")).expect("written");
    let driver = world.start("envoy-file:eds.json", &[]);
    let weight = world.weight("web-0");
    let expected = begun.elapsed().max(passed).as_secs_f64() / 20.0 * 100.0;
    assert!(
        (20.0..=expected + 10.0).contains(&weight),
        "{weight}, about {expected}"
    );
    assert!(before.contains("web"), "{before}");
    let output = driver.end("TERM");
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        !lines.contains("\"deregister\"") && !lines.contains("\"register\""),
        "{lines}"
    );
    // A state that cannot be read is put aside, and said.
    std::fs::write(world.path("state"), "{\"version\":1,").expect("written");
    let driver = world.start("envoy-file:eds.json", &[]);
    assert!(
        driver
            .heard()
            .iter()
            .any(|line| line.contains("begins without its state"))
    );
    assert!(std::fs::exists(world.path("state.unread")).expect("a folder"));
}

pub(crate) fn held_endpoints_go_when_that_is_confirmed() {
    let world = World::new(4);
    let all = world.endpoints();
    world.source(&world.web(&all, 0.0));
    let _driver = world.start("stdout", &[]);
    for i in 0..4 {
        world.until_weight(&format!("web-{i}"), 100.0);
    }
    world.source(&world.web(&all[..1], 0.0));
    until("three are held", || world.endpoint("web-3")["held"] == true);
    assert_eq!(world.weight("web-3"), 100.0, "what is held serves");
    assert_eq!(world.done(&["confirm", "web"])["confirmed"], 3);
    until("they are gone", || world.endpoint("web-3").is_null());
}

pub(crate) fn programs_and_ports_are_checked() {
    let world = World::new(1);
    let port = world.backends[0].address.port();
    let service = |health: Value| {
        let mut service = world.web(&world.endpoints(), 0.0);
        service["health"] = health;
        service
    };
    let flag = world.path("well");
    let script =
        format!("test $BERTH_PORT = {port} && test $BERTH_ENDPOINT = web-0 && test -e {flag}");
    world.source(&service(json!({
        "kind": "exec", "command": ["sh", "-c", script], "interval_s": 0.1, "rise": 1, "fall": 1,
    })));
    let mut driver = world.start("stdout", &[]);
    until("it fails", || {
        world.endpoint("web-0")["status"] == "failing"
    });
    std::fs::write(&flag, "").expect("written");
    world.until_weight("web-0", 100.0);
    // A program that cannot be started says nothing of the endpoint.
    world.source(&service(json!({
        "kind": "exec", "command": ["/no/such/program"], "interval_s": 0.1, "rise": 1, "fall": 1,
    })));
    driver.hear("cannot be started");
    assert_eq!(world.weight("web-0"), 100.0);
    world.source(&service(
        json!({"kind": "tcp", "interval_s": 0.1, "rise": 1, "fall": 1}),
    ));
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(world.weight("web-0"), 100.0);
    // A server that is no gRPC server fails its check.
    world.source(&service(
        json!({"kind": "grpc", "interval_s": 0.1, "rise": 1, "fall": 1}),
    ));
    until("it fails", || {
        world.endpoint("web-0")["status"] == "failing"
    });
}

pub(crate) fn metrics_are_told_over_http() {
    let world = World::new(2);
    world.source(&world.web(&world.endpoints(), 0.0));
    let source = format!("file:{}", world.path("source.json"));
    let args = [
        "run",
        "--source",
        &source,
        "--sink",
        "stdout",
        "--metrics",
        "127.0.0.1:0",
    ];
    let mut driver = test_support::running::Running::start(&mut world.berth(&args));
    let address = driver.metrics();
    let passing = "berth_discover_endpoints{service=\"web\",status=\"passing\"}";
    until("both pass", || metric(&address, passing) == Some(2.0));
    let passed = "berth_discover_probes_total{kind=\"passed\"}";
    until("probes pass", || metric(&address, passed) > Some(4.0));
    let output = driver.end("TERM");
    let last = String::from_utf8_lossy(&output.stdout)
        .lines()
        .last()
        .map(str::to_owned);
    let last: Value = serde_json::from_str(&last.expect("a line")).expect("JSON");
    assert_eq!(
        (&last["event"], &last["endpoints"]),
        (&json!("ended"), &json!(2))
    );
    // Without a terminal it is the same without --json.
    let plain = Command::new(env!("CARGO_BIN_EXE_berth"))
        .args(["discover", "run", "--help"])
        .output();
    assert!(String::from_utf8_lossy(&plain.expect("berth runs").stdout).contains("--sink"));
    drop(Backend::start());
}
