//! What is written for Envoy and nginx, of engines in all conditions.

use discovery_core::endpoint::{Conditions, MAX_WEIGHT};
use discovery_core::health::{CheckKind, HealthCheck, ProbeOutcome};
use discovery_core::{Effect, EndpointSpec, Engine, Input, ServiceConfig, Timestamp};
use discovery_proxy::{Assignments, discovery_response, upstreams};
use serde_json::Value;

/// An engine with a service of these base weights, at 10.0.0.1 and on.
fn engine(name: &str, weights: &[u32]) -> Engine {
    let mut engine = Engine::new(7);
    let service = engine
        .service(name, ServiceConfig::default())
        .expect("a service");
    for (i, weight) in weights.iter().enumerate() {
        let region = engine.region(if i % 2 == 0 { "north" } else { "south" });
        let place = (engine.node("n"), engine.zone("a"), region);
        let (Ok(node), Ok(zone), Ok(region)) = place else {
            panic!("{place:?}");
        };
        let address = ([10, 0, 0, 1 + i as u8], 80).into();
        let spec = EndpointSpec::new(service, node, zone, region, address);
        let spec = spec.with_base_weight(*weight);
        let name = &format!("e{i}");
        engine
            .handle(
                Timestamp::ZERO,
                Input::Upsert { name, spec },
                &mut Vec::new(),
            )
            .expect("taken");
    }
    engine
}

/// Health and weight of each host of the first cluster, by address.
fn hosts(engine: &Engine) -> Vec<(String, String, u64)> {
    let text = discovery_response(&Assignments::of(engine)).expect("JSON");
    let json: Value = serde_json::from_str(&text).expect("JSON");
    let localities = json["resources"][0]["endpoints"]
        .as_array()
        .expect("a list")
        .clone();
    let mut all = Vec::new();
    for locality in &localities {
        let hosts = locality["lb_endpoints"].as_array().expect("a list");
        let mut sum = 0;
        for host in hosts {
            let socket = &host["endpoint"]["address"]["socket_address"];
            let weight = host["load_balancing_weight"].as_u64().expect("a weight");
            sum += weight;
            let health = host["health_status"].as_str().expect("a word").to_owned();
            all.push((
                socket["address"].as_str().expect("one").to_owned(),
                health,
                weight,
            ));
        }
        assert_eq!(locality["load_balancing_weight"].as_u64(), Some(sum));
        assert!(sum < 1 << 32, "{sum}");
    }
    all.sort();
    all
}

#[test]
fn envoy_is_told_conditions_and_weights() {
    let mut engine = engine("web", &[100, 50, 0, 100]);
    let drain = Input::DrainName {
        name: "e3",
        on: true,
    };
    engine
        .handle(Timestamp::ZERO, drain, &mut Vec::new())
        .expect("drained");
    let row = |i, health: &str, weight| (format!("10.0.0.{i}"), health.to_owned(), weight);
    let expected = [
        row(1, "HEALTHY", 100_000),
        row(2, "HEALTHY", 50_000),
        row(3, "DRAINING", 1),
        row(4, "DRAINING", 1),
    ];
    assert_eq!(hosts(&engine), expected);
}

#[test]
fn weights_are_scaled_alike_where_their_sum_would_not_fit() {
    let hosts = hosts(&engine(
        "web",
        &[
            MAX_WEIGHT,
            MAX_WEIGHT / 2,
            MAX_WEIGHT,
            MAX_WEIGHT,
            MAX_WEIGHT,
            MAX_WEIGHT,
            1,
        ],
    ));
    let weight = |i: usize| hosts[i].2;
    assert_eq!(weight(0), weight(2));
    assert!(weight(0).abs_diff(2 * weight(1)) <= 2, "{hosts:?}");
    assert!(weight(6) >= 1);
}

#[test]
fn who_fails_is_unhealthy_and_who_fails_in_panic_is_used() {
    let mut engine = engine("web", &[100, 100, 100]);
    let service = engine.find_service("web").expect("known");
    let config = &ServiceConfig::default().with_health(HealthCheck::new(CheckKind::Tcp));
    let mut out = Vec::new();
    engine
        .handle(
            Timestamp::ZERO,
            Input::Configure { service, config },
            &mut out,
        )
        .expect("taken");
    let fails = |engine: &mut Engine, out: &mut Vec<Effect>, failing: &[&str]| {
        for effect in std::mem::take(out) {
            let Effect::Probe {
                endpoint, attempt, ..
            } = effect
            else {
                continue;
            };
            let name = engine.endpoint(endpoint).expect("known").name;
            let outcome = match failing.contains(&name) {
                true => ProbeOutcome::FailAtOnce,
                false => ProbeOutcome::Pass,
            };
            let probed = Input::Probed {
                endpoint,
                attempt,
                outcome,
            };
            engine.handle(Timestamp::ZERO, probed, out).expect("taken");
        }
    };
    fails(&mut engine, &mut out, &["e0"]);
    let health: Vec<String> = hosts(&engine)
        .into_iter()
        .map(|(_, health, _)| health)
        .collect();
    assert_eq!(health, ["UNHEALTHY", "HEALTHY", "HEALTHY"]);
    out.clear();
    engine
        .handle(Timestamp::from_secs(11), Input::Time, &mut out)
        .expect("probes again");
    let probes: Vec<Effect> = std::mem::take(&mut out);
    for effect in probes {
        if let Effect::Probe {
            endpoint, attempt, ..
        } = effect
        {
            let outcome = ProbeOutcome::FailAtOnce;
            let probed = Input::Probed {
                endpoint,
                attempt,
                outcome,
            };
            engine
                .handle(Timestamp::from_secs(11), probed, &mut out)
                .expect("taken");
        }
    }
    // All fail: the engine has decided to use them, and Envoy must.
    let health: Vec<String> = hosts(&engine)
        .into_iter()
        .map(|(_, health, _)| health)
        .collect();
    assert_eq!(health, ["HEALTHY"; 3]);
}

#[test]
fn an_empty_service_is_an_empty_assignment_and_an_upstream_without_servers() {
    let engine = engine("web", &[]);
    let text = discovery_response(&Assignments::of(&engine)).expect("JSON");
    assert!(
        text.contains("\"cluster_name\":\"web\",\"endpoints\":[]"),
        "{text}"
    );
    let all = Assignments::of(&engine);
    let (text, bad) = upstreams(&all);
    assert!(
        text.contains("upstream web {\n    server 127.0.0.1:9 down;\n}\n"),
        "{text}"
    );
    assert_eq!(bad, None);
}

#[test]
fn nginx_is_told_small_weights_and_no_name_that_is_none() {
    let mut engine = engine("web", &[100, 50, 100]);
    let drain = Input::DrainName {
        name: "e2",
        on: true,
    };
    engine
        .handle(Timestamp::ZERO, drain, &mut Vec::new())
        .expect("drained");
    let all = Assignments::of(&engine);
    let (text, _) = upstreams(&all);
    let servers = "    server 10.0.0.1:80 weight=2;\n    server 10.0.0.2:80 weight=1;\n    server 10.0.0.3:80 down;\n";
    assert!(text.contains(servers), "{text}");
    for name in ["a b", "a;}", "a{", "${x}", "\u{e9}"] {
        let all = Assignments::of(&self::engine(name, &[1]));
        let (text, bad) = upstreams(&all);
        assert_eq!(bad, Some(name));
        assert!(!text.contains("upstream"), "{text}");
    }
    // Names of Envoy's are JSON, whatever stands in them.
    let odd = self::engine("a\"}],\u{1}", &[1]);
    let text = discovery_response(&Assignments::of(&odd)).expect("JSON");
    let json: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(json["resources"][0]["cluster_name"], "a\"}],\u{1}");
}

#[test]
fn what_changes_is_followed_service_by_service() {
    let mut engine = engine("web", &[100, 100]);
    let other = engine
        .service("shop", ServiceConfig::default())
        .expect("a service");
    assert!(engine.endpoints(other).next().is_none());
    let before = Assignments::of(&engine);
    let mut after = before.clone();
    let mut effects = Vec::new();
    let conditions = Conditions::TERMINATING;
    let known = engine
        .endpoint(engine.find("e1").expect("known"))
        .expect("known");
    let spec = EndpointSpec::new(
        known.service,
        known.node,
        known.zone,
        known.region,
        known.address,
    );
    let spec = spec.with_conditions(conditions);
    engine
        .handle(
            Timestamp::ZERO,
            Input::Upsert { name: "e1", spec },
            &mut effects,
        )
        .expect("taken");
    after.follow(&engine, &effects);
    assert_eq!(after, Assignments::of(&engine));
    let same = |name| {
        std::sync::Arc::ptr_eq(
            before.get(name).expect("one"),
            after.get(name).expect("one"),
        )
    };
    assert!(same("shop") && !same("web"));
}
