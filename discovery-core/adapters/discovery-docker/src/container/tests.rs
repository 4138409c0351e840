use super::*;
use serde_json::json;

const HOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn answer() -> Value {
    json!({
        "Name": "/web-1",
        "State": {"Running": true, "Paused": false, "Restarting": false, "StartedAt": "2026-11-30T19:57:47.1Z"},
        "Config": {"Labels": {"berth.service": "web"}, "ExposedPorts": {"8080/tcp": {}, "53/udp": {}}},
        "HostConfig": {"NetworkMode": "front"},
        "NetworkSettings": {"Networks": {"front": {"IPAddress": "10.9.0.2", "GlobalIPv6Address": ""}}},
    })
}

fn read(answer: &Value) -> Read {
    Read::of(answer.to_string().as_bytes(), HOST).expect("an answer")
}

fn runs(answer: &Value) -> Container {
    match read(answer) {
        Read::Runs(container) => *container,
        other => panic!("{other:?}"),
    }
}

fn bad(answer: &Value) -> String {
    match read(answer) {
        Read::Bad(name, problem) => {
            assert_eq!(name, "web-1");
            problem
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_container_that_runs_is_an_endpoint() {
    let container = runs(&answer());
    assert_eq!(
        (&*container.name, container.address.to_string().as_str()),
        ("web-1", "10.9.0.2:8080")
    );
    assert_eq!(container.conditions, Conditions::READY);
    let mut again = answer();
    again["State"]["StartedAt"] = "2026-11-30T19:57:47.2Z".into();
    assert_ne!(runs(&again).begun(), container.begun());
}

#[test]
fn what_does_not_run_or_has_no_service_is_passed_over() {
    for (part, key, value) in [
        ("State", "Running", json!(false)),
        ("State", "Restarting", json!(true)),
        ("Config", "Labels", json!({"other": "x"})),
        ("Config", "Labels", json!(null)),
    ] {
        let mut answer = answer();
        answer[part][key] = value;
        assert_eq!(read(&answer), Read::None, "{part} {key}");
    }
    assert_eq!(read(&json!({})), Read::None);
    assert!(Read::of(b"5", HOST).is_err() && Read::of(b"", HOST).is_err());
}

#[test]
fn what_the_engine_says_of_its_health_counts() {
    for (status, ready) in [
        ("starting", false),
        ("unhealthy", false),
        ("healthy", true),
        ("none", true),
    ] {
        let mut answer = answer();
        answer["State"]["Health"] = json!({"Status": status});
        assert_eq!(runs(&answer).conditions.ready, ready, "{status}");
    }
    let mut paused = answer();
    paused["State"]["Paused"] = true.into();
    assert_eq!(runs(&paused).conditions, Conditions::STARTING);
}

#[test]
fn port_and_network_are_the_only_ones_or_told() {
    let mut several = answer();
    several["Config"]["ExposedPorts"] = json!({"80/tcp": {}, "443/tcp": {}});
    assert!(bad(&several).contains("80"));
    several["Config"]["Labels"]["berth.port"] = "443".into();
    assert_eq!(runs(&several).address.port(), 443);
    several["NetworkSettings"]["Networks"]["back"] =
        json!({"IPAddress": "", "GlobalIPv6Address": "fd00::2"});
    assert!(bad(&several).contains("back"));
    several["Config"]["Labels"]["berth.network"] = "back".into();
    assert_eq!(runs(&several).address.to_string(), "[fd00::2]:443");
    several["Config"]["Labels"]["berth.network"] = "away".into();
    assert!(bad(&several).contains("away"));
    let mut none = answer();
    none["Config"]["ExposedPorts"] = json!(null);
    assert!(bad(&none).starts_with("berth.port"));
    none["Config"]["Labels"]["berth.port"] = "80".into();
    none["NetworkSettings"]["Networks"] = json!({"none": null});
    assert_eq!(bad(&none), "it has no address");
    none["HostConfig"]["NetworkMode"] = "host".into();
    assert_eq!(runs(&none).address.to_string(), "127.0.0.1:80");
}

#[test]
fn the_signal_that_ends_it_is_its_own() {
    let mut answer = answer();
    let container = runs(&answer);
    assert!(container.ends_by("15") && container.ends_by("9") && !container.ends_by("1"));
    answer["Config"]["StopSignal"] = "SIGQUIT".into();
    let container = runs(&answer);
    assert!(container.ends_by("3") && container.ends_by("9") && !container.ends_by("15"));
}
