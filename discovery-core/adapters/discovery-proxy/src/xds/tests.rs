//! The rules of the protocol, one stream at a time and without a transport.

use super::catalog::{Catalog, Kind, version};
use super::counts::XdsCounts;
use super::proto::{
    CLUSTER, Cluster, ClusterLoadAssignment, DeltaDiscoveryRequest, DeltaDiscoveryResponse,
    DiscoveryRequest, DiscoveryResponse, ENDPOINTS, ErrorDetail, HealthStatus, Node,
};
use super::stream::{Client, Dialect};
use crate::assignment::Assignments;
use discovery_core::{EndpointSpec, Engine, Input, ServiceConfig, Timestamp};
use prost::Message;
use std::sync::Arc;
use tonic::Code;

/// Services and the weights of their endpoints.
fn catalog(services: &[(&str, &[u32])]) -> Arc<Catalog> {
    let mut engine = Engine::new(7);
    for (name, weights) in services {
        let service = engine.service(name, ServiceConfig::default()).expect("one");
        let place = (engine.node("n"), engine.zone("a"), engine.region("north"));
        let (Ok(node), Ok(zone), Ok(region)) = place else {
            panic!("{place:?}");
        };
        for (i, weight) in weights.iter().enumerate() {
            let address = ([10, 0, 0, 1 + i as u8], 80).into();
            let spec = EndpointSpec::new(service, node, zone, region, address);
            let spec = spec.with_base_weight(*weight);
            let name = &format!("{name}-{i}");
            let input = Input::Upsert { name, spec };
            let taken = engine.handle(Timestamp::ZERO, input, &mut Vec::new());
            taken.expect("taken");
        }
    }
    Arc::new(Catalog::default().next(&Assignments::of(&engine)))
}

fn client(services: &[(&str, &[u32])]) -> Client {
    let mut client = Client::new(Arc::new(XdsCounts::default()));
    client.look(catalog(services));
    client
}

fn rejected() -> Option<ErrorDetail> {
    let message = "no good".into();
    Some(ErrorDetail { code: 3, message })
}

/// What a client says, and all that it is told then.
fn tell<D: Dialect>(client: &mut Client, request: D) -> Vec<D::Response> {
    request.take(client).expect("taken");
    all::<D>(client)
}

fn all<D: Dialect>(client: &mut Client) -> Vec<D::Response> {
    std::iter::from_fn(|| match client.is_due() {
        true => client.next::<D>(),
        false => None,
    })
    .collect()
}

fn delta(type_url: &str, subscribe: &[&str], unsubscribe: &[&str]) -> DeltaDiscoveryRequest {
    let owned = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
    DeltaDiscoveryRequest {
        type_url: type_url.to_owned(),
        resource_names_subscribe: owned(subscribe),
        resource_names_unsubscribe: owned(unsubscribe),
        ..Default::default()
    }
}

/// Names that a response has, and those that it says are gone.
fn names(responses: &[DeltaDiscoveryResponse]) -> (Vec<&str>, Vec<&str>) {
    let present = responses.iter().flat_map(|r| &r.resources);
    let absent = responses.iter().flat_map(|r| &r.removed_resources);
    (
        present.map(|r| &*r.name).collect(),
        absent.map(|name| &**name).collect(),
    )
}

fn world(type_url: &str, names: &[&str], nonce: &str) -> DiscoveryRequest {
    DiscoveryRequest {
        type_url: type_url.to_owned(),
        resource_names: names.iter().map(|n| (*n).to_owned()).collect(),
        response_nonce: nonce.to_owned(),
        ..Default::default()
    }
}

fn assignments(response: &DiscoveryResponse) -> Vec<ClusterLoadAssignment> {
    let read = |any: &super::proto::Any| {
        assert_eq!(any.type_url, response.type_url);
        ClusterLoadAssignment::decode(any.value.clone()).expect("an assignment")
    };
    response.resources.iter().map(read).collect()
}

fn weights(assignment: &ClusterLoadAssignment) -> Vec<u32> {
    let endpoints = assignment.endpoints.iter().flat_map(|l| &l.lb_endpoints);
    endpoints.filter_map(|e| e.load_balancing_weight).collect()
}

#[test]
fn delta_clusters_and_endpoints_come_in_turn_and_without_waiting() {
    let mut client = client(&[("a", &[1]), ("b", &[0, 2])]);
    delta(CLUSTER, &[], &[]).take(&mut client).expect("taken");
    delta(ENDPOINTS, &["b"], &[])
        .take(&mut client)
        .expect("taken");
    let told = all::<DeltaDiscoveryRequest>(&mut client);
    let types: Vec<&str> = told.iter().map(|r| &*r.type_url).collect();
    assert_eq!(types, [CLUSTER, ENDPOINTS]);
    assert_eq!(names(&told[..1]).0, ["a", "b"]);
    assert_eq!(names(&told[1..]).0, ["b"]);
    let any = told[1].resources[0].resource.clone().expect("content");
    let assignment = ClusterLoadAssignment::decode(any.value).expect("an assignment");
    assert_eq!(assignment.cluster_name, "b");
    assert_eq!(weights(&assignment), [1, 2000], "Envoy refuses 0");
    let hosts = &assignment.endpoints[0].lb_endpoints;
    assert_eq!(hosts[0].health_status(), HealthStatus::Draining);
    assert_eq!(hosts[1].health_status(), HealthStatus::Healthy);
    let any = told[0].resources[0].resource.clone().expect("content");
    let cluster = Cluster::decode(any.value).expect("a cluster");
    assert_eq!(cluster.name, "a");
}

#[test]
fn delta_tells_what_changed_and_nothing_else() {
    let mut client = client(&[("a", &[1]), ("b", &[1]), ("c", &[1])]);
    let told = tell(&mut client, delta(ENDPOINTS, &["a", "b"], &[]));
    assert_eq!(names(&told).0, ["a", "b"]);
    let ack = DeltaDiscoveryRequest {
        response_nonce: told[0].nonce.clone(),
        ..delta(ENDPOINTS, &[], &[])
    };
    assert!(tell(&mut client, ack).is_empty());
    client.look(catalog(&[("a", &[1]), ("b", &[2]), ("c", &[2])]));
    let told = all::<DeltaDiscoveryRequest>(&mut client);
    assert_eq!(names(&told), (vec!["b"], vec![]));
    // Asked for again, it is told again; and no more once it is no longer wanted.
    let told = tell(&mut client, delta(ENDPOINTS, &["a"], &["b"]));
    assert_eq!(names(&told), (vec!["a"], vec![]));
    client.look(catalog(&[("a", &[1]), ("b", &[3])]));
    assert!(all::<DeltaDiscoveryRequest>(&mut client).is_empty());
    assert_eq!(client.counts().accepted, 1);
}

#[test]
fn endpoints_that_are_gone_or_not_known_are_an_empty_assignment() {
    let mut client = client(&[("a", &[1])]);
    let told = tell(&mut client, delta(ENDPOINTS, &["a", "x"], &[]));
    assert_eq!(names(&told), (vec!["a", "x"], vec![]));
    client.look(catalog(&[]));
    let told = all::<DeltaDiscoveryRequest>(&mut client);
    assert_eq!(names(&told), (vec!["a"], vec![]));
    let any = told[0].resources[0].resource.clone().expect("content");
    let assignment = ClusterLoadAssignment::decode(any.value).expect("an assignment");
    assert_eq!(assignment.endpoints, []);
    // A cluster is really gone.
    let told = tell(&mut client, delta(CLUSTER, &["a"], &[]));
    assert_eq!(names(&told), (vec![], vec!["a"]));
}

#[test]
fn delta_wildcard_is_no_names_at_first_or_a_star_and_ends_by_the_star_only() {
    let mut client = client(&[("a", &[1]), ("b", &[1])]);
    let told = tell(&mut client, delta(CLUSTER, &[], &[]));
    assert_eq!(names(&told).0, ["a", "b"]);
    let told = tell(&mut client, delta(CLUSTER, &["a"], &[]));
    assert_eq!(names(&told).0, ["a"], "it was asked for");
    let told = tell(&mut client, delta(CLUSTER, &[], &["a"]));
    assert_eq!(names(&told).0, ["a"], "it is still wanted, as one of all");
    client.look(catalog(&[("b", &[1]), ("c", &[1])]));
    let told = all::<DeltaDiscoveryRequest>(&mut client);
    assert_eq!(names(&told), (vec!["c"], vec!["a"]));
    assert!(tell(&mut client, delta(CLUSTER, &[], &["*"])).is_empty());
    client.look(catalog(&[("d", &[1])]));
    assert!(all::<DeltaDiscoveryRequest>(&mut client).is_empty());
    let told = tell(&mut client, delta(CLUSTER, &["*"], &[]));
    assert_eq!(names(&told).0, ["d"]);
}

#[test]
fn who_reconnects_is_told_what_differs_and_what_is_gone() {
    let mut first = client(&[("a", &[1]), ("b", &[1])]);
    let told = tell(&mut first, delta(CLUSTER, &[], &[]));
    let of = |name: &str| {
        let found = told[0].resources.iter().find(|r| r.name == name);
        found.expect("told").version.clone()
    };
    // Another process, whose versions are the same since the contents are.
    let mut second = client(&[("b", &[1]), ("c", &[1])]);
    let again = DeltaDiscoveryRequest {
        initial_resource_versions: [("a".into(), of("a")), ("b".into(), of("b"))].into(),
        ..delta(CLUSTER, &[], &[])
    };
    let told = tell(&mut second, again);
    assert_eq!(names(&told), (vec!["c"], vec!["a"]));
    // Names that it subscribes to are answered though they are the same.
    let same = told_version(&mut second, "b");
    let again = DeltaDiscoveryRequest {
        initial_resource_versions: [("b".into(), same), ("x".into(), "1".into())].into(),
        ..delta(ENDPOINTS, &["b", "x"], &[])
    };
    let mut third = client(&[("b", &[1])]);
    let told = tell(&mut third, again);
    assert_eq!(names(&told), (vec!["b", "x"], vec![]));
    // Nothing differs: it is said all the same, or a client would wait for it.
    let again = DeltaDiscoveryRequest {
        initial_resource_versions: [("b".into(), of("b"))].into(),
        ..delta(CLUSTER, &[], &[])
    };
    let told = tell(&mut third, again);
    assert_eq!((told.len(), names(&told)), (1, (vec![], vec![])));
}

fn told_version(client: &mut Client, name: &str) -> String {
    let told = tell(client, delta(ENDPOINTS, &[name], &[]));
    told[0].resources[0].version.clone()
}

#[test]
fn one_that_is_rejected_does_not_keep_the_others() {
    let mut client = client(&[("a", &[1]), ("b", &[1])]);
    let first = tell(&mut client, delta(ENDPOINTS, &["a", "b"], &[]));
    let nack = |nonce: &str| DeltaDiscoveryRequest {
        response_nonce: nonce.to_owned(),
        error_detail: rejected(),
        node: Some(Node { id: "e".into() }),
        ..delta(ENDPOINTS, &[], &[])
    };
    let told = tell(&mut client, nack(&first[0].nonce));
    let each: Vec<_> = told.iter().map(|r| r.resources.len()).collect();
    assert_eq!((each, names(&told).0), (vec![1, 1], vec!["a", "b"]));
    // Alone it is not told again, until it is another one.
    assert!(tell(&mut client, nack(&told[0].nonce)).is_empty());
    client.look(catalog(&[("a", &[1]), ("b", &[1])]));
    assert!(all::<DeltaDiscoveryRequest>(&mut client).is_empty());
    client.look(catalog(&[("a", &[2]), ("b", &[1])]));
    let told = all::<DeltaDiscoveryRequest>(&mut client);
    assert_eq!(names(&told).0, ["a"]);
    assert_eq!(client.counts().rejected, 2);
    let why = client.rejection();
    assert_eq!(
        why.as_deref(),
        Some("\"e\" rejected a ClusterLoadAssignment: \"no good\"")
    );
}

#[test]
fn the_world_is_told_as_far_as_it_changed_and_clusters_as_a_whole() {
    let mut client = client(&[("a", &[1]), ("b", &[1])]);
    let told = tell(&mut client, world(CLUSTER, &[], ""));
    assert_eq!((told.len(), told[0].resources.len()), (1, 2));
    let clusters = told[0].clone();
    let told = tell(&mut client, world(ENDPOINTS, &["a", "b"], ""));
    assert_eq!((told.len(), told[0].resources.len()), (1, 2));
    let ack = DiscoveryRequest {
        version_info: told[0].version_info.clone(),
        ..world(ENDPOINTS, &["a", "b"], &told[0].nonce)
    };
    assert!(tell(&mut client, ack).is_empty());
    client.look(catalog(&[("a", &[1]), ("b", &[5])]));
    let told = all::<DiscoveryRequest>(&mut client);
    assert_eq!(told.len(), 1, "clusters are the same");
    let changed = assignments(&told[0]);
    assert_eq!(changed.len(), 1);
    assert_eq!(weights(&changed[0]), [5000]);
    client.look(catalog(&[("a", &[1]), ("b", &[5]), ("c", &[1])]));
    let told = all::<DiscoveryRequest>(&mut client);
    assert_eq!((told.len(), told[0].resources.len()), (1, 3));
    assert_ne!(told[0].version_info, clusters.version_info);
    client.look(catalog(&[("a", &[1]), ("b", &[5])]));
    let told = all::<DiscoveryRequest>(&mut client);
    assert_eq!(told[0].resources, clusters.resources);
    assert_eq!(told[0].version_info, clusters.version_info);
}

#[test]
fn another_list_of_names_is_answered_even_if_it_is_shorter() {
    let mut client = client(&[("a", &[1]), ("b", &[1])]);
    let told = tell(&mut client, world(ENDPOINTS, &["a", "b"], ""));
    let nonce = told[0].nonce.clone();
    let told = tell(&mut client, world(ENDPOINTS, &["b"], &nonce));
    let all: Vec<_> = told.iter().flat_map(assignments).collect();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].cluster_name, "b");
    // None is none, once there were names.
    let told = tell(&mut client, world(ENDPOINTS, &[], &told[0].nonce.clone()));
    assert_eq!((told.len(), told[0].resources.len()), (1, 0));
    let told = tell(
        &mut client,
        world(ENDPOINTS, &["a", "a"], &told[0].nonce.clone()),
    );
    assert_eq!(assignments(&told[0])[0].cluster_name, "a");
}

#[test]
fn requests_of_the_world_that_are_stale_are_passed_over() {
    let mut client = client(&[("a", &[1]), ("b", &[1])]);
    let first = tell(&mut client, world(ENDPOINTS, &["a"], ""));
    client.look(catalog(&[("a", &[2]), ("b", &[1])]));
    let second = all::<DiscoveryRequest>(&mut client);
    assert!(tell(&mut client, world(ENDPOINTS, &["b"], &first[0].nonce)).is_empty());
    assert!(tell(&mut client, world(ENDPOINTS, &["b"], "none of ours")).is_empty());
    let told = tell(&mut client, world(ENDPOINTS, &["b"], &second[0].nonce));
    assert_eq!(assignments(&told[0])[0].cluster_name, "b");
}

#[test]
fn a_rejection_is_not_answered_by_the_same() {
    let mut client = client(&[("a", &[1])]);
    let told = tell(&mut client, world(ENDPOINTS, &["a"], ""));
    let nack = DiscoveryRequest {
        error_detail: rejected(),
        ..world(ENDPOINTS, &["a"], &told[0].nonce)
    };
    assert!(tell(&mut client, nack.clone()).is_empty());
    assert!(tell(&mut client, nack).is_empty(), "said twice");
    assert_eq!(client.counts().rejected, 1);
    client.look(catalog(&[("a", &[2])]));
    let told = all::<DiscoveryRequest>(&mut client);
    assert_eq!(weights(&assignments(&told[0])[0]), [2000]);
}

#[test]
fn a_type_that_is_not_served_has_none() {
    let listeners = "type.googleapis.com/envoy.config.listener.v3.Listener";
    let mut client = client(&[("a", &[1])]);
    let told = tell(&mut client, world(listeners, &[], ""));
    assert_eq!((told.len(), told[0].resources.len()), (1, 0));
    assert_eq!(told[0].type_url, listeners);
    let told = tell(&mut self::client(&[]), delta(listeners, &["l"], &[]));
    assert_eq!(names(&told), (vec![], vec!["l"]));
}

#[test]
fn what_a_stream_may_ask_for_is_bounded() {
    let mut client = client(&[]);
    let refused = world("", &[], "").take(&mut client);
    assert_eq!(refused.expect_err("no type").code(), Code::InvalidArgument);
    let mut refused = None;
    for i in 0..100 {
        let taken = world(&format!("t{i}"), &[], "").take(&mut client);
        refused = refused.or(taken.err());
    }
    assert_eq!(refused.expect("too many").code(), Code::ResourceExhausted);
    let long = "n".repeat(9 << 20);
    let mut client = self::client(&[]);
    let first = delta(ENDPOINTS, &[&long], &[]).take(&mut client);
    first.expect("it fits");
    let second = delta(ENDPOINTS, &[&format!("{long}2")], &[]).take(&mut client);
    assert_eq!(
        second.expect_err("too long").code(),
        Code::ResourceExhausted
    );
}

#[test]
fn many_services_come_in_many_responses_of_the_newest_state() {
    let services: Vec<String> = (0..1000).map(|i| format!("s{i:04}")).collect();
    let weighed = |weight: &'static [u32]| -> Vec<(&str, &[u32])> {
        services.iter().map(|name| (&**name, weight)).collect()
    };
    let mut client = client(&weighed(&[1]));
    let names: Vec<&str> = services.iter().map(|name| &**name).collect();
    delta(ENDPOINTS, &names, &[])
        .take(&mut client)
        .expect("taken");
    let first = client.next::<DeltaDiscoveryRequest>().expect("due");
    // It changes before the client has room for the rest.
    let newer = catalog(&weighed(&[2]));
    let changed = newer.get(&Kind::Endpoints, "s0999").expect("there").version;
    client.look(newer);
    let rest = all::<DeltaDiscoveryRequest>(&mut client);
    assert!(first.resources.len() < 1000);
    let told: usize = rest.iter().map(|r| r.resources.len()).sum();
    assert_eq!(told, 1000, "each once, and those of the first again");
    let mut all = rest.iter().flat_map(|r| &r.resources);
    let last = all.rfind(|r| r.name == "s0999");
    assert_eq!(last.expect("told").version, version(changed));
}
