//! A source beside a double of the API server, which shares no code with it.

use discovery_core::driver::Source as _;
use discovery_core::{Engine, ServiceConfig, Timestamp};
use discovery_kube::{Client, KubeSource};
use kube_double::{Double, Fault};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::timeout;

/// Longer than anything takes that is waited for.
const LIMIT: Duration = Duration::from_secs(60);

struct Place {
    double: Double,
    source: KubeSource,
    engine: Engine,
}

/// A slice of the service `web` in the namespace `shop`.
fn slice(name: &str, endpoints: &[Value]) -> Value {
    json!({
        "metadata": {"namespace": "shop", "name": name, "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
        "endpoints": endpoints,
    })
}

fn endpoint(pod: &str, last: u8) -> Value {
    json!({
        "addresses": [format!("10.0.0.{last}")],
        "conditions": {"ready": true, "serving": true, "terminating": false},
        "nodeName": "n1",
        "targetRef": {"kind": "Pod", "name": pod},
    })
}

impl Place {
    /// A double with a node, and a source of it.
    async fn new() -> Self {
        let double = Double::new();
        let labels =
            json!({"topology.kubernetes.io/zone": "a", "topology.kubernetes.io/region": "north"});
        double.apply(
            "nodes",
            json!({"metadata": {"name": "n1", "labels": labels}}),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(double.clone().listen(listener));
        let url = format!("http://{address}").parse().expect("a URL");
        let client = Client::try_from(kube::Config::new(url)).expect("a client");
        Self {
            double,
            source: KubeSource::new(&client, None, ServiceConfig::default()),
            engine: Engine::new(7),
        }
    }

    /// Waits for news and tells the engine.
    async fn follow(&mut self) {
        timeout(LIMIT, self.source.wait()).await.expect("in time");
        let now = Timestamp::from_secs(1);
        let refused = self.source.tell(&mut self.engine, now, &mut Vec::new());
        assert!(refused.is_empty(), "{refused:?}");
    }

    /// Follows until the engine's endpoints are these.
    async fn until(&mut self, names: &[&str]) {
        let same = |engine: &Engine| all(engine) == names;
        let followed = async {
            while !same(&self.engine) {
                self.follow().await;
            }
        };
        let followed = timeout(LIMIT, followed).await;
        assert!(followed.is_ok(), "{:?}, want {names:?}", all(&self.engine));
    }

    fn problems(&self) -> Vec<String> {
        self.source
            .report()
            .lock()
            .expect("no panic")
            .problems
            .clone()
    }
}

/// Endpoints that the source has told of and not taken back.
fn all(engine: &Engine) -> Vec<String> {
    let services = engine.services();
    let endpoints = services.flat_map(|(id, _)| engine.endpoints(id));
    let known = endpoints.filter_map(|(id, _)| engine.endpoint(id));
    let mut names: Vec<String> = known
        .filter(|e| !e.held)
        .map(|e| e.name.to_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn slices_become_endpoints_with_their_places_and_conditions() {
    let mut place = Place::new().await;
    let mut draining = endpoint("web-2", 2);
    draining["conditions"] = json!({"ready": false, "serving": true, "terminating": true});
    let mut bare = endpoint("", 3);
    bare["targetRef"] = Value::Null;
    bare["conditions"] = json!({});
    place.double.apply(
        "endpointslices",
        slice("web-x", &[endpoint("web-1", 1), draining, bare]),
    );
    place
        .until(&["shop/web/10.0.0.3", "shop/web/web-1", "shop/web/web-2"])
        .await;
    let engine = &place.engine;
    let of = |name: &str| engine.endpoint(engine.find(name).expect(name)).expect(name);
    let first = of("shop/web/web-1");
    assert_eq!(first.address.to_string(), "10.0.0.1:8080");
    assert_eq!(engine.region_name(first.region), Some("north"));
    assert_eq!(engine.zone_name(first.zone), Some("a"));
    assert!(of("shop/web/web-2").conditions.terminating);
    let bare = of("shop/web/10.0.0.3");
    assert!(bare.conditions.ready && bare.conditions.serving);
}

#[tokio::test]
async fn ports_families_and_labels_are_read() {
    let mut place = Place::new().await;
    let mut two = slice("web-x", &[endpoint("web-1", 1)]);
    two["ports"] = json!([
        {"name": "http", "port": 80}, {"name": "admin", "port": 9000, "protocol": "TCP"},
        {"name": "dns", "port": 53, "protocol": "UDP"},
    ]);
    two["metadata"]["labels"]["discovery.berth.dev/warmup-seconds"] = json!("30");
    let mut six = slice("web-y", &[endpoint("web-1", 1)]);
    six["addressType"] = json!("IPv6");
    six["endpoints"][0]["addresses"] = json!(["fd00::1"]);
    place.double.apply("endpointslices", two);
    place.double.apply("endpointslices", six);
    let names = [
        "shop/web/web-1/v6",
        "shop/web:admin/web-1",
        "shop/web:http/web-1",
    ];
    place.until(&names).await;
    let engine = &place.engine;
    let id = engine.find("shop/web:admin/web-1").expect("known");
    let admin = engine.endpoint(id).expect("known");
    assert_eq!(admin.address.port(), 9000);
    let window = engine.config(admin.service).map(|c| c.warm_up.window());
    assert_eq!(window, Some(Duration::from_secs(30)));
    // A service's only slice is gone.
    place.double.delete("endpointslices", "shop", "web-y");
    place.until(&names[1..]).await;
}

#[tokio::test]
async fn nothing_is_lost_by_cuts_compaction_and_refusals() {
    let mut place = Place::new().await;
    place
        .double
        .apply("endpointslices", slice("web-x", &[endpoint("web-1", 1)]));
    place.until(&["shop/web/web-1"]).await;
    // The watch ends, and goes on where it was.
    place.double.cut("endpointslices");
    let both = [endpoint("web-1", 1), endpoint("web-2", 2)];
    place.double.apply("endpointslices", slice("web-x", &both));
    place.until(&["shop/web/web-1", "shop/web/web-2"]).await;
    // What happened meanwhile is no longer told: all is listed anew, with refusals on the way.
    place
        .double
        .fault(Fault::on("watch", "endpointslices").times(2).status(500));
    place
        .double
        .fault(Fault::on("list", "endpointslices").status(503));
    place.double.cut("endpointslices");
    place
        .double
        .apply("endpointslices", slice("web-y", &[endpoint("web-3", 3)]));
    place.double.delete("endpointslices", "shop", "web-x");
    place.double.compact("endpointslices");
    place.until(&["shop/web/web-3"]).await;
    let report = place.source.report();
    let report = report.lock().expect("no panic");
    assert!(report.failures > 0 && report.lists >= 3, "{report:?}");
}

#[tokio::test]
async fn a_slice_that_cannot_be_read_stays_as_it_was_and_stops_no_other() {
    let mut place = Place::new().await;
    place
        .double
        .apply("endpointslices", slice("web-x", &[endpoint("web-1", 1)]));
    place.until(&["shop/web/web-1"]).await;
    let mut broken = slice("web-x", &[]);
    broken["endpoints"] = json!("none");
    place.double.apply("endpointslices", broken);
    let mut odd = slice(
        "web-y",
        &[json!({"addresses": ["no address"]}), endpoint("web-2", 2)],
    );
    odd["ports"][0]["port"] = json!(8081);
    place.double.apply("endpointslices", odd);
    place.until(&["shop/web/web-1", "shop/web/web-2"]).await;
    let problems = place.problems();
    assert!(
        problems
            .iter()
            .any(|p| p.contains("endpoints: want a list")),
        "{problems:?}"
    );
    assert!(
        problems.iter().any(|p| p.contains("endpoints[0]")),
        "{problems:?}"
    );
}

#[tokio::test]
async fn an_endpoint_in_two_slices_counts_once_and_by_the_better() {
    let mut place = Place::new().await;
    let mut leaving = endpoint("web-1", 1);
    leaving["conditions"] = json!({"ready": false, "serving": false, "terminating": true});
    place
        .double
        .apply("endpointslices", slice("web-x", &[leaving]));
    place
        .double
        .apply("endpointslices", slice("web-y", &[endpoint("web-1", 1)]));
    place.until(&["shop/web/web-1"]).await;
    place.follow_until_ready().await;
}

impl Place {
    async fn follow_until_ready(&mut self) {
        let ready = |engine: &Engine| {
            let known = engine
                .find("shop/web/web-1")
                .and_then(|id| engine.endpoint(id));
            known.is_some_and(|e| e.conditions.ready && !e.conditions.terminating)
        };
        while !ready(&self.engine) {
            self.follow().await;
        }
    }
}

#[tokio::test]
async fn a_restored_engine_loses_what_is_gone_and_nodes_may_move() {
    let mut place = Place::new().await;
    place
        .double
        .apply("endpointslices", slice("web-x", &[endpoint("web-1", 1)]));
    place.until(&["shop/web/web-1"]).await;
    let labels =
        json!({"topology.kubernetes.io/zone": "b", "topology.kubernetes.io/region": "south"});
    place.double.apply(
        "nodes",
        json!({"metadata": {"name": "n1", "labels": labels}}),
    );
    place.follow().await;
    let known = place
        .engine
        .find("shop/web/web-1")
        .and_then(|id| place.engine.endpoint(id));
    let region = known.and_then(|e| place.engine.region_name(e.region));
    assert_eq!(region, Some("south"));
    // Another source, of an engine that knows of a service which is gone.
    let mut next = Place::new().await;
    next.engine = place.engine;
    let mut other = slice("api-x", &[endpoint("api-1", 9)]);
    other["metadata"]["labels"]["kubernetes.io/service-name"] = json!("api");
    next.double.apply("endpointslices", other);
    next.follow().await;
    let service = next.engine.find_service("shop/web").expect("known");
    let weights: Vec<u32> = next
        .engine
        .endpoints(service)
        .map(|(_, weight)| weight)
        .collect();
    let held = next.engine.held(service);
    assert!(weights.is_empty() || held > 0, "{weights:?}, {held} held");
}
